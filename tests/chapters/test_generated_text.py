"""What notebook 09 says of added texts."""

import numpy as np
import pandas as pd
import pytest

from imbbench import config
from imbbench.bench.cell import Cell, Task
from imbbench.bench.encoder import embed
from imbbench.bench.prepared import data_of
from imbbench.bench.registry import resolve
from imbbench.chapters import generated_text
from imbbench.chapters.generated_text import REAL, Added, distinct
from imbbench.strategies import augmentation as augmentation_family

ENTRIES = {
    "copies": {"copies": 1},
    "eda": {"edit": "any", "control": "copies"},
    "generated_unilm": {"layers": 1, "epochs": 2, "control": "copies"},
    "back_translation": {"there": "no", "back": "no", "control": "copies"},
}


@pytest.fixture
def prepared(tmp_path, monkeypatch, write_study, encoder):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    write_study(tmp_path, {"reference": {"plain": {}}, "augmentation": ENTRIES}, encoder=encoder)
    return tmp_path


@pytest.fixture
def added(prepared):
    return generated_text.collect("texts")


@pytest.fixture
def table(added):
    return generated_text.compare({"texts": added})


def test_texts_are_those_of_the_studys_cells_and_not_written_again(prepared, monkeypatch):
    study, model = config.load(), None
    for name in ("eda", "generated_unilm"):
        cell = Cell(study, Task("texts", "augmentation", "tfidf_logreg", name, 0))
        model = resolve("augmentation", name, ENTRIES[name])[0](cell)
    monkeypatch.setattr(augmentation_family, "PrefixWriter", None)
    found = generated_text.collect("texts")
    pd.testing.assert_frame_equal(found.frames["generated_unilm"], model.added_)
    assert list(found.frames) == ["copies", "eda", "generated_unilm"]
    assert "need the web" in found.skipped["back_translation"]


def test_parts_are_those_of_the_split(added):
    read, cuts = data_of("texts", config.load().protocol)
    train, val, test = cuts[0]
    assert added.texts == [read.X[i] for i in train]
    assert added.real == [read.X[i] for i in val]
    assert not set(added.texts + added.real) & {read.X[i] for i in test}
    assert added.real_y.tolist() == read.y[val].tolist()
    np.testing.assert_array_equal(
        added.vectors, embed(read.X, config.load().protocol.encoder)[train]
    )


def test_distinct():
    assert distinct(["a b", "A b!"], 1) == 3 / 5
    assert distinct(["a b", "a b"], 2) == 1 / 2
    assert np.isnan(distinct(["a", ""], 2))


def test_description_beside_copies(added, table):
    assert set(table["class"].dropna()) == {"spam"}
    found = table.set_index("strategy")
    assert found.loc["back_translation", "status"] == "not applicable"
    assert np.isnan(found.loc["back_translation", "texts"])
    assert found.loc["eda", "control"] == "copies"
    number = (added.y == 0).sum() - (added.y == 1).sum()
    assert (found.loc[list(added.frames), "texts"] == number).all()
    assert found.loc["copies", "new"] == 0
    assert found.loc["copies", "novelty"] == 0
    assert found.loc["copies", "kept"] == 1
    assert found.loc["eda", "new"] > 0.5
    assert found.loc["eda", "novelty"] > 0
    assert found.loc["eda", "distinct_2"] > found.loc["copies", "distinct_2"]
    written = added.frames["generated_unilm"].query("origin == 'written'")
    fit = written["why"].isin(["", "not needed"]).mean()
    assert found.loc["generated_unilm", "kept"] == pytest.approx(fit, abs=1e-4)
    assert found.loc[REAL, "texts"] == (added.real_y == 1).sum()
    assert found.loc[REAL, "novelty"] > 0 and found.loc[REAL, "label_agrees"] == 1


def test_one_plain_model_judges_all_texts(added, monkeypatch):
    asked, judge = [], generated_text.expected_labels

    def noting(texts, y, new):
        asked.append(len(new))
        return judge(texts, y, new)

    monkeypatch.setattr(generated_text, "expected_labels", noting)
    table = generated_text.describe_generated(added).set_index("strategy")
    proposed = added.frames["generated_unilm"].query("origin != 'copied'")
    sizes = [len(added.frames[name]) for name in ("copies", "eda")]
    assert asked == [sum(sizes) + len(proposed) + len(added.real)]
    alone = judge(added.texts, added.y, proposed["text"].tolist()) == proposed["label"]
    assert table.loc["generated_unilm", "label_agrees"] == alone.mean()


def hand_made(frame, encoder):
    training = ["win a free prize now", "free prize claim it", "meet me at home", "see you at home"]
    y = np.array([1, 1, 0, 0])
    return Added(
        ["ham", "spam"], training, y, embed(training, encoder), training, y,
        embed(training, encoder), {"eda": frame}, dict.fromkeys(set(ENTRIES) - {"eda"}, "no"),
    )  # fmt: skip


def test_measures_by_hand(prepared, encoder):
    texts = ["free", "meet me at home", "prize later", "prize"]
    labels = [1, 1, 1, 0]
    why = ["", "", "", "other label"]
    frame = pd.DataFrame({"label": labels, "text": texts, "origin": "edited", "why": why})
    found = generated_text.describe_generated(hand_made(frame, encoder)).set_index(
        ["strategy", "class"]
    )
    row = found.loc[("eda", "spam")]
    vectors = embed(texts[:3], encoder).astype(float)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert row["spread"] == pytest.approx(1 - (unit @ unit.T)[np.triu_indices(3, 1)].mean())
    assert row["new"] == pytest.approx(2 / 3)
    assert row["label_agrees"] == pytest.approx(2 / 3)  # the second is one of the other class
    assert row["kept"] == 1
    assert found.loc[("eda", "ham"), ["texts", "label_agrees", "kept"]].tolist() == [0, 0, 0]
    assert found.loc[("eda", "ham"), ["new", "spread", "novelty"]].isna().all()
    assert found.loc[(REAL, "ham"), "novelty"] == pytest.approx(0, abs=1e-6)


def made_up():
    """Two data sets: edits are more diverse and keep the label, a model's texts do not."""
    rows = []
    for dataset in ("one", "two"):
        for strategy, distinct_2, spread, agrees, kept in [
            ("copies", 0.2, 0.5, 1.0, 1.0),
            ("eda", 0.4, 0.6, 0.95, 1.0),
            ("generated", 0.5, 0.7 if dataset == "one" else 0.4, 0.5, 0.3),
            (REAL, np.nan, 0.6, 0.9, np.nan),
        ]:
            row = {"dataset": dataset, "strategy": strategy, "class": "rare", "status": "ok"}
            row |= {"control": "copies" if strategy in ("eda", "generated") else ""}
            row |= {"texts": 10, "new": 0.5, "novelty": 0.1, "distinct_1": 0.1, "reason": ""}
            row |= {"distinct_2": distinct_2, "spread": spread}
            rows.append(row | {"label_agrees": agrees, "kept": kept})
    row = {"dataset": "two", "strategy": "translated", "control": "copies"}
    return pd.DataFrame([*rows, row | {"status": "not applicable", "reason": "no web"}])


def test_conclusion_counts_what_holds_on_every_data_set():
    lines = generated_text.conclusion(made_up()).splitlines()
    assert "1 of 2 strategies" in lines[0] and "data set: `eda`" in lines[0]
    assert "`generated` on `one` (0.200 to 0.500)" in lines[0]
    assert "gives 90% of" in lines[2] and "everywhere: `eda`" in lines[2]
    assert "`generated` on `one`, 50%" in lines[2]
    assert lines[3].endswith("measures: `eda`.")
    assert "30% to 30% passed" in lines[4]
    assert lines[5] == "- `translated` does not apply on `two`: no web."
    worse = made_up()
    worse.loc[(worse["strategy"] == "eda") & (worse["dataset"] == "two"), "label_agrees"] = 0.8
    lines = generated_text.conclusion(worse).splitlines()
    assert "everywhere: none" in lines[2] and lines[3].endswith("measures: none.")


def test_means_are_over_classes():
    table = made_up()
    more = table[table["strategy"] == "eda"].assign(**{"class": "rarer", "spread": 0.8})
    found = generated_text.means(pd.concat([table, more]))
    assert found.loc[("one", "eda"), "spread"] == pytest.approx(0.7)
    assert found.loc[("one", "eda"), "texts"] == 20
    assert ("two", "translated") not in found.index


def test_figure_has_a_dot_per_strategy_and_measure_and_a_line_at_the_copies(table):
    figure = generated_text.plot(table)
    figure.canvas.draw()
    axes = figure.axes
    for ax, measure in zip(axes, generated_text.MEASURES, strict=True):
        dots = table.loc[table["status"] == "ok", measure].dropna()
        line, shown = ax.lines[0].get_xdata(), ax.lines[-1].get_xdata()
        np.testing.assert_allclose(shown, dots)
        assert line.tolist() == [dots.iloc[0]] * 2  # of the copies
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert names == ["copies", "eda", "generated_unilm", "back_translation (does not apply)", REAL]
    assert [ax.get_title("left") for ax in axes] == list(generated_text.MEASURES.values())
    assert figure.legends[0].get_texts()[0].get_text() == "texts"


def test_examples_are_few_new_and_cannot_format_or_link(added):
    lines = generated_text.examples(added, count=2, width=30).splitlines()[2:]
    assert {line.split("`")[1] for line in lines} == {"eda", "generated_unilm"}
    assert len(lines) <= 4
    frame = added.frames["eda"].head(1).assign(text="*go* to www.a.co/x_y " + "now " * 20)
    added.frames = {"eda": frame}
    (line,) = generated_text.examples(added, width=30).splitlines()[2:]
    assert r"\*go\* to www\.a\.co/x\_y" in line and "…" in line
    assert added.texts[frame["rows"].iloc[0][0]].split()[0] in line


def test_the_notebook_runs_and_saves(prepared, monkeypatch):
    from test_notebook_sources import run_cells

    space = run_cells("09", datasets=["texts"], shown=["texts"], save=True)
    saved = pd.read_csv(prepared / "results/tables/generated_text.csv")
    pd.testing.assert_frame_equal(saved, space["table"].replace("", None), check_dtype=False)
