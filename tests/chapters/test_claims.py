import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import row

from imbbench import config
from imbbench.analysis.answer import core
from imbbench.analysis.statistics import both_rules
from imbbench.chapters import claims
from imbbench.chapters.claims import Measured, Part

ROOT = Path(__file__).parents[2]
SETS = [f"set_{i}" for i in range(8)]
SIX = list("abcdef")
UP = [0.05, 0.06, 0.07, 0.08, 0.05, 0.06, 0.07, 0.08]
NONE = [0.001, -0.001, 0.002, -0.002, 0.001, -0.001, 0.002, -0.002]
NOISE = [0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.25, -0.2]


@pytest.mark.parametrize(
    ("values", "up", "down", "same"),
    [
        (UP, "supported", "contradicted", "contradicted"),
        ([-v for v in UP], "contradicted", "supported", "contradicted"),
        (NONE, "contradicted", "contradicted", "supported"),
        (NOISE, "undecided", "undecided", "undecided"),
        ([0.5, 0.6], "undecided", "undecided", "undecided"),
        # Clear of zero, and too small to matter: it goes up, and it stays the same.
        ([v / 10 for v in UP], "supported", "contradicted", "supported"),
    ],
)
def test_what_a_difference_says_of_an_expectation(values, up, down, same):
    found = [claims.judge(values, expected)[0] for expected in ("up", "down", "same")]
    assert found == [up, down, same]


def test_how_many_origins_would_decide():
    """Cohen's d = .01 / .02 = .5: 34 pairs for a power of 80 %."""
    values = np.tile([0.02, -0.02], 50) * np.sqrt(99 / 100)
    assert claims.judge(values, "up")[1] == 34
    assert np.isnan(claims.judge([0.1, 0.2], "up")[1])


def runs(differences, learner="logreg", **more):
    """Plain at .5, the strategies as far from it as ``differences`` says, at every rule."""
    rows = []
    for i, dataset in enumerate(SETS):
        for rule in ("argmax", "tuned_macro_f1", "tuned_balanced_accuracy"):
            rows.append(row(dataset, learner, "reference", "plain", 0, rule, ""))
            for name, values in differences.items():
                scores = dict.fromkeys(
                    ["macro_f1", "balanced_accuracy", "average_precision", "brier", "accuracy",
                     "recall_1", "precision_1", "f1_1"], 0.5 + values[i])  # fmt: skip
                rows.append(row(dataset, learner, "weighting", name, 0, rule, **scores))
    table = pd.DataFrame(rows)
    places = {"stratum": "core", "prior": "as in training", "group": "weak", "primary": True}
    places["turned"] = ""
    return table.assign(origin=table["dataset"], **{**places, **more})


def grid(columns, *levels, **values):
    """Every combination of levels, with columns made of a row."""
    table = pd.DataFrame(list(itertools.product(*levels)), columns=columns)
    made = {name: [f(row) for row in table.itertuples()] for name, f in values.items()}
    return table.assign(**made)


def experiments():
    """Small tables of every experiment, where a claim's verdict can be told by hand."""
    weights = grid(["dataset", "learner", "split", "arm", "dose"], SIX, ["logreg", "hgb"], [0, 1],
                   ["weight", "weight, equal classes"], [1, 2, 10],
                   recall=lambda r: 0.5 + 0.1 * (r.dose == 10) + 0.01 * SIX.index(r.dataset),
                   macro_f1=lambda r: {1: 0.1, 2: 0.6, 10: 0.4}[r.dose],
                   balanced_accuracy=lambda r: 0.5)  # fmt: skip

    def best(row):  # of a, b and c the ratio of 1:1 is the best, of the others 2:1
        return 0.5 + 0.1 * ((row.dose == 1) == (row.dataset in "abc"))

    ratios = grid(["dataset", "learner", "split", "arm", "dose"], SIX, ["logreg", "hgb"], [0, 1],
                  ["under-sampling to", "over-sampling to"], [1, 2], macro_f1=best,
                  balanced_accuracy=lambda r: 0.6 - 0.1 * r.dose, recall=lambda r: 0.5)  # fmt: skip
    return {
        "doses": pd.concat([weights, ratios], ignore_index=True),
        "toy_figure": grid(
            ["task", "ratio", "learner", "seed"], ["easy", "hard"], [1, 100], ["k"], range(6),
            balanced_accuracy=lambda r: (1.0 if r.task == "easy" else 0.8)
            - (0.05 if r.task == "easy" else 0.25) * (r.ratio == 100) + 0.001 * r.seed,
        ),
        # Of every data set two tasks; noise costs .3, a ratio of 1:20 costs .1 wherever it is.
        "difficulty": grid(
            ["task", "learner", "noise", "minority", "ratio", "split"],
            [f"{d}/{c}" for d in SIX for c in "xy"], ["logreg"], [0.0, 3.0], [10], [1, 20], [0],
            balanced_accuracy=lambda r: 0.9 - 0.3 * (r.noise == 3) - 0.1 * (r.ratio == 20)
            + 0.01 * SIX.index(r.task[0]),
        ),
        "batches": grid(
            ["dataset", "ratio", "size", "arm", "split"], SIX[:4], [100], [8, 256],
            ["shuffled", "spread", "balanced"], [0, 1],
            empty=lambda r: 0.9 if r.size == 8 else 0.1,
            # With large batches all collapse, which is not what is asked.
            collapsed=lambda r: float(r.size == 256 or r.arm == "shuffled"
                                      or (r.arm == "spread" and r.dataset != "d")),
        ),
        "gradients": grid(
            ["dataset", "loss", "split", "progress"], SIX[:5], ["cross-entropy", "focal, γ = 2"],
            [0], [0.0, 0.1, 0.5, 0.9],
            minority=lambda r: 0.3 + (r.progress >= 0.2) * (0.1 * r.loss.startswith("focal")
                                                            + 0.01 * SIX.index(r.dataset)),
            sure_majority=lambda r: 0.9 if r.progress < 0.2 else 0.1,
            sure_minority=lambda r: 0.4 + 0.01 * SIX.index(r.dataset) if r.progress < 0.2 else 0.9,
        ),
        "noise": grid(
            ["dataset", "loss", "flipped", "split"], SIX[:5],
            ["cross-entropy", "focal, γ = 2", "GHM, 10 bins"], [0.0, 0.3], [0, 1],
            average_precision=lambda r: 0.5 + (r.flipped == 0.3) * r.loss.startswith("GHM")
            * (0.1 + 0.01 * SIX.index(r.dataset)),
        ),
        "gaps": grid(
            ["dataset", "learner", "strategy", "split"], SIX, ["tree"],
            ["plain", "copies", "SMOTE"], [0],
            train=lambda r: 0.9 if r.strategy == "copies" else 0.7,
            test=lambda r: 0.5 - 0.1 * (r.strategy == "copies") - 0.001 * SIX.index(r.dataset),
        ),
        "regrets": grid(
            ["origin", "learner", "metric"], SIX, ["tree", "hgb"],
            ["balanced_accuracy", "macro_f1", "average_precision"],
            recommended=lambda r: 0.01,
            average=lambda r: {"balanced_accuracy": 0.05, "macro_f1": 0.01}.get(r.metric, 0.0)
            + 0.001 * SIX.index(r.origin) + 0.002 * (r.learner == "hgb"),
        ),
        "sms_spam_article": grid(
            ["dataset", "split", "arm", "seed"], ["sms"], ["85/15"],
            ["baseline", "bias initialisation", "focal"], range(4),
            log_odds=lambda r: {"baseline": 7.0, "focal": 4.0}.get(r.arm, 3.0) + 0.1 * r.seed,
        ),
    }  # fmt: skip


def read(study, **changed):
    """What the claims are judged by, as it would be read."""
    sizes = {"rows": 1000, "minority": 20, "ratio": 49.0, "classes": 2}
    rows = both_rules(claims.with_minority(core(study)))
    measures = pd.DataFrame([{"dataset": name, **sizes} for name in SETS])
    for column, up in zip(sizes, (1, 1, -1, 1), strict=True):
        measures[column] += up * np.arange(len(SETS))
    return experiments() | {"cells": study, "rows": rows, "measures": measures} | changed


def evidence(*names, study=None):
    """Of the claims that are named."""
    study = runs({"inverse_frequency": UP}) if study is None else study
    return claims.evidence(read(study), [c for c in claims.CLAIMS if c.name in names])


def judged(name, **more):
    """Means and verdicts of the parts of a claim."""
    table = evidence(name, **more)
    pairs = zip(table["mean"], table["verdict"], strict=True)
    return [(mean if np.isnan(mean) else round(mean, 3), verdict) for mean, verdict in pairs]


def test_every_claim_is_there_once_and_in_the_articles_order():
    counts = {"A": 9, "B": 4, "C": 5, "D": 1, "E": 7, "F": 5}
    names = [f"{letter}{i}" for letter, n in counts.items() for i in range(1, n + 1)]
    assert [claim.name for claim in claims.CLAIMS] == names and len(names) == 31
    table = claims.evidence(read(runs({"inverse_frequency": UP})))
    assert claims.verdicts(table)["claim"].tolist() == names


def test_a_weight_on_equal_classes():
    assert judged("A7") == [(0.1, "supported")]


def test_seeds_of_one_corpus_decide_nothing_however_clear():
    assert judged("A9")[2:] == [(-4.0, "undecided"), (-3.0, "undecided")]
    table = evidence("A9")
    last = table[table["unit"] == claims.SEEDS]
    assert last["origins"].tolist() == [4, 4] and last["needed"].isna().all()
    assert last["low"].notna().all()


def test_whose_gradient_it_is_after_a_fifth_and_who_is_learnt_before():
    """.9 against .4 to .44 until then; later the majority would be the less sure one."""
    assert judged("B2") == [(0.1, "supported"), (0.48, "supported")]


@pytest.mark.parametrize(
    ("second", "mean", "verdict"),
    [(-0.04, -0.049, "supported"), (0.06, 0.062, "contradicted"), (0.0, 0.002, "contradicted")],
)
def test_where_weights_are_worse_on_half_of_the_splits_the_other_half_tells(second, mean, verdict):
    """Six sets lose .06 on even splits, and .04 or nothing, or gain .06, on odd ones.

    The two others gain throughout and are not asked. A loss is expected, so a gain contradicts.
    """
    parts = []
    for split, first in ((0, -0.06), (1, second)):
        values = [first + 0.0006 * i if i < 6 else 0.05 for i in range(8)]
        parts.append(runs({"inverse_frequency": values}).assign(split=split))
    study = pd.concat(parts, ignore_index=True)
    found = evidence("B3", study=study).iloc[0]
    assert found["origins"] == 6 and found["mean"] == pytest.approx(mean, abs=1e-3)
    assert found["verdict"] == verdict
    note = claims._where_it_loses(read(study))
    named = "`set_0`, `set_1`, `set_2`, `set_3`, `set_4`, `set_5`. "
    assert (named in note) == (second < 0)
    assert "rank correlation" in note.lower() and "rows " in note


def test_a_dose_at_random():
    """A weight of 10 loses .2, of 2 nothing: .1; of two ratios one loses .1: .05."""
    found = judged("B4")
    assert found[0] == (-0.05, "supported") and found[2] == (-0.05, "supported")
    # Of balanced accuracy a ratio loses .05 and a weight nothing.
    assert found[1] == (0.05, "contradicted")


def test_easy_and_hard_at_ratios():
    """Drawn: easy at 1:100 .95, hard at 1:1 .8, and .2 more lost. Real: .8 against .6, no more."""
    assert judged("C1") == [
        (0.15, "supported"), (0.2, "supported"), (0.2, "supported"), (0.0, "contradicted"),
    ]  # fmt: skip
    study = runs({"inverse_frequency": UP})
    note = claims._two_tables(
        read(study.replace({"dataset": {"set_0": "winequality_red_4"}}),
             measures=pd.DataFrame({"dataset": ["winequality_red_4"], "ratio": [29.2]}))
    )  # fmt: skip
    assert note.endswith("mean over them: `winequality_red_4`, 1:29, reaches 0.500.")


def test_trainings_collapse_where_most_batches_are_empty():
    """Spread evenly three of four collapse as well, balanced none."""
    assert judged("C2") == [(0.25, "undecided"), (1.0, "supported")]


def test_a_ratio_that_is_chosen_for_the_case():
    """Elsewhere the other ratio is the better one, with the other learner the same one, and by
    balanced accuracy always 1:1, which is wrong for three."""
    assert judged("C3") == [(0.1, "supported"), (0.0, "contradicted"), (0.05, "undecided")]


def test_a_ratio_that_was_the_best_by_luck_gains_nothing():
    doses = experiments()["doses"]
    lucky = doses["arm"].str.contains("sampling") & (doses["dataset"] == "a")
    doses.loc[lucky, "macro_f1"] = 0.5 + 0.1 * ((doses["dose"] == 1) == (doses["split"] == 1))
    gain = claims._chosen_here("task")(doses)
    assert gain["a"] == pytest.approx(-0.1 / 2)  # worse on one split, and as elsewhere on the other


def test_a_treatment_gains_more_on_equal_shares():
    """Plain finds .2 of the minority, weights .6, both all of the majority: at equal shares
    macro-F1 is (2/3 + 1/3 + ...) by hand .5441, and .7946 for weights."""
    study = runs({"inverse_frequency": UP})
    weighted = study["strategy"] == "inverse_frequency"
    study["recall_0"], study["recall_1"] = 1.0, np.where(weighted, 0.6, 0.2)
    gain = (2 / 2.4 + 2 * 0.6 / 1.6) / 2 - (2 / 2.8 + 2 * 0.2 / 1.2) / 2
    found = judged("C5", study=study)
    assert found[0] == (round(gain - 0.065, 3), "supported")
    several = study.assign(recall_2=0.5, precision_2=0.5, f1_2=0.5)
    assert np.isnan(judged("C5", study=several)[0][0])


def test_losses_with_the_most_wrong_labels():
    assert judged("E1") == [(0.12, "supported")] * 2


def test_what_is_learnt_by_heart():
    """The gap is .5 against .2; there are no texts."""
    wider, than_smote, texts, test = judged("E3")
    assert wider == than_smote == (0.3, "supported") and test == (-0.1, "supported")
    assert np.isnan(texts[0]) and texts[1] == "undecided"


@pytest.mark.parametrize(
    ("texts", "mean", "verdict"),
    [
        ([0.065, 0.065, 0.065, 0.065], 0.0, "undecided"),
        ([0.3, 0.31, 0.32, 0.33], 0.25, "contradicted"),
    ],
)
def test_an_effect_on_texts_beside_other_data(texts, mean, verdict):
    """Of eight tables the weights gain .05 to .08 each, .0651 on average."""
    words = runs({"inverse_frequency": [*texts, *texts]}, modality="text")
    words = words[words["dataset"].isin(SETS[:4])]
    words = words.assign(dataset="t_" + words["dataset"], origin="t_" + words["origin"])
    study = pd.concat([runs({"inverse_frequency": UP}), words], ignore_index=True)
    found = judged("E7", study=study)[0]
    assert found == (mean, verdict)


def test_the_interval_of_two_modalities_is_welchs_with_the_fewer_origins_freedom():
    tables_ = [0.05, 0.06, 0.07, 0.08, 0.05, 0.06, 0.07, 0.08]
    texts = [0.1, 0.2, 0.3, 0.25]
    words = runs({"a": [*texts, *texts]}, modality="text")
    words = words[words["dataset"].isin(SETS[:4])]
    words = words.assign(dataset="t_" + words["dataset"], origin="t_" + words["origin"])
    study = pd.concat([runs({"a": tables_}), words], ignore_index=True)
    values = claims._on_texts(Part("a", "macro_f1", "same"))(read(study)["rows"])
    assert len(values) == 4 and values.mean() == pytest.approx(np.mean(texts) - np.mean(tables_))
    welch = np.var(texts, ddof=1) / 4 + np.var(tables_, ddof=1) / 8
    assert values.var() / 4 == pytest.approx(welch)


def test_what_is_saved_by_advice():
    """The best on average loses .05, .01 or nothing, and .0035 more; the advice .01."""
    found = evidence("F4")
    assert found["mean"].tolist() == pytest.approx([0.0435, 0.0035, -0.0065])
    assert found["verdict"].tolist() == ["supported", "supported", "contradicted"]
    assert found["origins"].tolist() == [6, 6, 6]


def test_a_difference_is_between_fits_that_are_alike_in_all_else():
    table = pd.DataFrame(
        [("a", 0, "x", 1.0), ("a", 0, "y", 0.5), ("a", 1, "x", 0.1), ("b", 1, "y", 0.3)],
        columns=["dataset", "split", "arm", "score"],
    )
    found = claims.contrast(table, "score", "arm", "x", "y")
    assert found.to_dict() == {"a": 0.5}
    assert claims.contrast(table, "score", "arm", "x", "z").empty


def test_a_claim_is_as_good_as_its_parts():
    study = runs({"inverse_frequency": UP, "smote": UP, "over_1_1": UP, "under_1_1": UP,
                  "minority_10": UP})  # fmt: skip
    table = evidence("A1", "A5", "A6", "A8", "B1", "C4", study=study)
    found = claims.verdicts(table).set_index("claim")
    assert found.loc["A5", "verdict"] == "supported"  # at argmax and tuned
    assert found.loc["B1", "verdict"] == "contradicted"  # accuracy should have fallen
    assert found.loc["C4", "verdict"] == "supported"  # plain's cut-off changes nothing here
    # Weights are no better than sampling, nor is ten better than the inverse frequency.
    assert found.loc["A8", "verdict"] == "contradicted"
    assert found.loc["A6", "verdict"] == "contradicted"
    assert found.loc["A1", "verdict"] == "undecided"  # there are no networks here
    row_ = table[(table["claim"] == "A5") & (table["metric"] == "macro-F1")].iloc[0]
    assert row_["mean"] == pytest.approx(0.065) and row_["origins"] == 8
    assert claims.conclusion(claims.verdicts(table)).splitlines()[0].startswith("- supported: ")


def test_data_that_tell_nothing_are_left_out():
    study = runs({"inverse_frequency": UP})
    study.loc[study["dataset"] == "set_0", "stratum"] = "ceiling"
    study.loc[study["dataset"] == "set_1", "prior"] = "shifted"
    table = evidence("A5", study=study)
    assert table.loc[table["claim"] == "A5", "origins"].tolist() == [6, 6, 6]


def test_a_difference_is_of_the_same_learner_and_rule():
    study = pd.concat([runs({"a": UP}), runs({"a": NONE}, "hgb")], ignore_index=True)
    tuned = (study["strategy"] == "plain") & (study["rule"] == "tuned_balanced_accuracy")
    study.loc[tuned, "balanced_accuracy"] = 0.54
    rows = both_rules(claims.with_minority(study))
    both = claims.difference(rows, Part("a", "macro_f1", "up"))
    assert both.mean() == pytest.approx(0.065 / 2)
    one = claims.difference(rows, Part("a", "macro_f1", "up", learners=("logreg",)))
    assert one.tolist() == pytest.approx(UP)
    moved = Part("a", "balanced_accuracy", "up", minus_rule="tuned", learners=("logreg",))
    assert claims.difference(rows, moved).mean() == pytest.approx(0.025)
    many = Part("a", "macro_f1", "up", classes="many")
    assert claims.difference(rows, many).empty


def test_a_contradiction_in_part_is_told_as_one():
    parts = {"claim": "F1", "metric": "m", "needed": [np.nan, 50.0, 70.0]}
    table = pd.DataFrame({**parts, "verdict": ["contradicted", "supported", "undecided"]})
    judged = claims.verdicts(table)
    assert judged["verdict"].tolist() == ["contradicted"] and judged["needed"].tolist() == [70.0]
    shown = claims.ledger(judged)
    assert shown["verdict"].tolist() == ["**contradicted** in 1 of 3 parts"]
    assert shown["origins or data sets to decide"].tolist() == [""]  # it is decided
    table = table.assign(verdict=["supported", "supported", "undecided"])
    shown = claims.ledger(claims.verdicts(table))
    assert shown["verdict"].tolist() == ["**undecided**"]
    assert shown["origins or data sets to decide"].tolist() == ["70"]
    assert shown["made in"].tolist() == ["Elor & Averbuch-Elor 2022"]
    assert shown["figures"].tolist() == ["[04](04_study.ipynb)"]


def test_every_strategy_learner_and_notebook_that_a_claim_names_is_there():
    study = config.load(ROOT / "params.yaml")
    known = {name for family in study.families for name in study.family(family)}
    for claim in claims.CLAIMS:
        assert claim.behind
        assert all((ROOT / f"notebooks/{name}.ipynb").is_file() for name in claim.behind)
        for part in claim.parts:
            if isinstance(part, Part):
                assert {part.strategy, part.minus} <= known
                assert set(part.learners) <= set(study.learners)
            elif claim.name in ("C5", "E7"):
                name = part.strategy.removesuffix(" on texts").removesuffix(", equal shares")
                assert name in known


def test_the_committed_tables_have_what_the_claims_ask_them_for():
    """A renamed loss or arm would leave a part without a value, and its claim undecided."""
    paths = {name: ROOT / claims.place(name) for name in claims.TABLES}
    held = {name: pd.read_csv(path) for name, path in paths.items() if path.is_file()}
    parts = [part for claim in claims.CLAIMS for part in claim.parts if isinstance(part, Measured)]
    asked = [part for part in parts if part.table in held]
    assert len(asked) > 20 and all(len(part.values(held[part.table])) for part in asked)


def test_tables_are_read_and_what_was_not_run_leaves_its_claim_undecided(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    study = runs({"inverse_frequency": UP})
    made = read(study)
    for name in ("measures", *claims.TABLES):
        path = tmp_path / claims.place(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        made[name].to_csv(path, index=False)
    found = claims.read_tables(study)
    assert set(found) == set(made)
    three = [claim for claim in claims.CLAIMS if claim.name in ("A7", "B4", "C3")]
    assert claims.evidence(found, three).equals(claims.evidence(made, three))
    (tmp_path / "results/tables/doses.csv").unlink()
    lost = claims.evidence(claims.read_tables(study), three)
    assert lost["origins"].eq(0).all() and lost["verdict"].eq("undecided").all()


def test_every_claim_is_told_with_its_article_and_notebooks():
    study = runs({"inverse_frequency": UP})
    network = study.assign(learner=study["learner"].where(study.index % 2 == 0, "mlp"))
    networks = claims.all_told(claims.evidence(read(network)), read(network))
    assert "| `bias_init` | `plain` | macro-F1, argmax | mlp | " in networks
    said = claims.all_told(claims.evidence(read(study)), read(study))
    assert said.count("\n\nTried: ") == 31
    assert "**E1. Cross-entropy suppresses nothing" in said
    both = "[05](../../rendered/05_losses_explained.ipynb), [17](../../rendered/17_noise_and_gaps"
    assert f"notebook {both}.ipynb)." in said
    row_ = "| weight 10 | weight 1 | recall, argmax | 6 data sets | above zero | +0.100 \\[+0.100, "
    assert "| `bias_init` | `plain` | macro-F1, argmax | none | " in said
    assert row_ in said and "Worse on one half" in said


def test_the_figure_has_every_part_with_a_value_turned_as_its_claim_expects():
    table = evidence("A5", "B1", "E7", study=runs({"inverse_frequency": UP, "smote": NOISE}))
    (axes,) = claims.plot(table).axes
    texts = [text.get_text() for text in axes.get_yticklabels()]
    assert [text.split()[0] for text in texts] == list(dict.fromkeys(
        table.loc[table["mean"].notna(), "claim"]))  # fmt: skip
    assert texts[0].startswith("A5  Weights of inverse class frequency")
    marks = [line for line in axes.lines if line.get_marker() != "None"]
    assert len(marks) == table["mean"].notna().sum()
    b1 = table[(table["claim"] == "B1") & (table["strategy"] == "inverse_frequency")].index[0]
    place = table[table["mean"].notna()].index.get_loc(b1)
    assert marks[place].get_xdata()[0] == pytest.approx(-0.065)  # accuracy was to fall
    assert claims.plot(table.assign(mean=np.nan)) is None
