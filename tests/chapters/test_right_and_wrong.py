import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbbench import config
from imbbench.bench import protocol
from imbbench.bench.features import tfidf
from imbbench.bench.prepared import Prepared
from imbbench.chapters import right_and_wrong as leakage
from imbbench.errors import StudyError

TEXTS = ["free money now", "call me now", "free call £5", "see you", "money £5 free", "me you see"]


def made_up(n=150, minority=30, width=3, signal=0.0, copies=1, seed=0):
    """Two classes, ``signal`` apart in every feature; each row ``copies`` times."""
    rng = np.random.default_rng(seed)
    y = np.zeros(n, dtype=np.int64)
    y[:minority] = 1
    X = rng.normal(size=(n, width)) + signal * y[:, None]
    X, y = np.repeat(X, copies, axis=0), np.repeat(y, copies)
    names = [f"x{i}" for i in range(width)]
    schema = {"text": None, "numeric": names, "categorical": [], "classes": ["common", "rare"]}
    groups = np.repeat(np.arange(n), copies)
    return Prepared(pd.DataFrame(X, columns=names), y, groups, None, schema)


def texts():
    schema = {"text": "text", "numeric": [], "categorical": [], "classes": ["ham", "spam"]}
    X = pd.Series([f"{text} {i % 7}" for i, text in enumerate(TEXTS * 20)], name="text")
    _, groups = np.unique(X, return_inverse=True)
    return Prepared(X, (groups % 4 == 0).astype(np.int64), groups, None, schema)


def frame(rows):
    return pd.DataFrame(rows).set_index(["variant", "learner", "metric"])


LEAKING = [
    (sampler, learner)
    for sampler in ("random over-sampling", "SMOTE")
    for learner in ("tree", "neighbours")
]


def without_signal(seed):
    found = leakage.resampled_first(made_up(n=100, minority=20, seed=seed), "none", 0, 4, seed)
    return frame(found).xs("balanced_accuracy", level="metric")


@settings(max_examples=3)
@given(st.integers(0, 10**6))
def test_resampling_first_finds_signal_where_there_is_none(seed):
    table = without_signal(seed).loc[LEAKING]
    assert (table["wrong"] - table["right"]).mean() > 0.1


def test_the_right_way_finds_none():
    right = pd.concat([without_signal(seed)["right"] for seed in range(4)], axis=1)
    assert right.mean(axis=1).between(0.4, 0.6).all()


def share_seen(X, train, test):
    seen = set(map(tuple, X[train]))
    return np.mean([tuple(row) in seen for row in X[test]])


def test_copies_stand_on_both_sides_of_the_wrong_split_only():
    data = made_up(copies=2)
    X = data.X.to_numpy()
    for train, _, test in leakage.folds_of(data.y, data.groups, "none", 0, 5, 0):
        assert share_seen(X, train, test) == 0
    X, y, groups = leakage.resample("random over-sampling", X, data.y, data.groups, 0)
    for train, _, test in leakage.folds_of(y, groups, "none", 0, 5, 0):
        assert share_seen(X, train, test[y[test] == 1]) > 0.7


@pytest.mark.parametrize("sampler", leakage.SAMPLERS)
def test_resampled_rows_keep_their_group_or_get_their_own(sampler):
    data = made_up(copies=2, signal=0.5)
    X, y, groups = leakage.resample(sampler, data.X.to_numpy(), data.y, data.groups, 0)
    assert len(X) == len(y) == len(groups)
    made = len(y) - len(data.y)
    if made > 0:
        assert np.array_equal(groups[: len(data.y)], data.groups)
        assert len(set(groups[len(data.y) :]) - set(data.groups)) == made
    else:
        first = {g: tuple(row) for g, row in zip(data.groups, data.X.to_numpy(), strict=True)}
        assert made < 0 and all(first[g] == tuple(r) for g, r in zip(groups, X, strict=True))


def test_folds_of_the_first_repeat_are_the_studys_own():
    data = made_up(copies=2)
    own = protocol.splits(data.y, data.groups, None, "x", config.Protocol(folds=4, seed=3))
    for mine, theirs in zip(leakage.folds_of(data.y, data.groups, "x", 0, 4, 3), own, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))
    again = leakage.folds_of(data.y, data.groups, "x", 1, 4, 3)
    assert len(again) == 4 and not np.array_equal(again[0][2], own[0][2])


def test_rows_without_twins_are_dealt_out_alike():
    for row in leakage.twins_apart(made_up(signal=1.0), "x", 0, 4, 0):
        assert row["wrong"] == row["right"]


def test_twins_betray_labels_that_mean_nothing():
    data = leakage.shuffled(made_up(copies=2), 1)
    table = frame(leakage.twins_apart(data, "x", 0, 4, 0)).droplevel("metric")
    near = table.loc["identical rows", "neighbours"]
    assert near["wrong"] > near["right"] + 0.3


def test_choosing_features_first_finds_signal_where_there_is_none():
    tables = [
        frame(leakage.preprocessed_first(made_up(width=100, seed=seed), "x", 0, 4, seed))
        for seed in range(3)
    ]
    table = sum(table.loc["choosing 5 features"] for table in tables) / len(tables)
    assert (table["wrong"] > table["right"] + 0.03).all()


def test_scaling_first_changes_no_tree():
    table = frame(leakage.preprocessed_first(made_up(signal=0.7), "x", 0, 4, 0))
    row = table.loc["imputing and scaling", "tree", "average_precision"]
    assert row["wrong"] == pytest.approx(row["right"], abs=1e-9)


@settings(max_examples=5)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.8]))
def test_choosing_on_the_test_fold_is_never_worse(seed, signal):
    data = made_up(n=80, minority=16, signal=signal, seed=seed)
    table = frame(leakage.tuned_on_test(data, "x", 0, 3, seed))
    assert (table["wrong"] >= table["right"] - 1e-12).all()
    assert (table["wrong"] > table["right"]).any()
    assert ("threshold", "tree") not in table.index.droplevel("metric")


def test_texts_are_coded_as_the_study_codes_them():
    data, rows = texts(), np.arange(0, 90)
    mine, theirs = leakage.coded(data, rows), tfidf(data.X, rows)
    assert mine.shape == theirs.shape and abs(mine - theirs).max() < 1e-15


def test_mistakes_on_texts_need_no_tree():
    for mistake in (leakage.preprocessed_first, leakage.twins_apart):
        leakage.SELECTED["text"], before = 5, leakage.SELECTED["text"]
        try:
            found = mistake(texts(), "x", 0, 3, 0)
        finally:
            leakage.SELECTED["text"] = before
        assert {row["learner"] for row in found} == {"logreg", "neighbours"}


def test_shuffled_labels_are_shared_by_twins():
    data = made_up(copies=3)
    found = leakage.shuffled(data, 5)
    labels = pd.Series(found.y).groupby(data.groups).nunique()
    assert (labels == 1).all() and found.y.sum() == data.y.sum()
    assert not np.array_equal(found.y, data.y)
    assert np.array_equal(found.y, leakage.shuffled(data, 5).y)


def test_data_sets_of_many_classes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    many = made_up()
    many.schema["classes"].append("third")
    monkeypatch.setattr(leakage, "load_prepared", lambda folder: many)
    with pytest.raises(StudyError, match="data set x has more than two classes"):
        leakage.load("x")


@pytest.fixture(scope="module")
def prepared():
    sets = {"plain": made_up(60, 12, signal=1.0), "doubled": made_up(60, 12, copies=2)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leakage, "load", sets.__getitem__)
        yield


PLAN = {
    "identical rows on both sides": ["doubled", "plain"],
    "resampling before the split": ["plain"],
}


@pytest.fixture(scope="module")
def runs(prepared):
    return leakage.compare(PLAN, 3, folds=3, jobs=1)


@pytest.fixture
def summary(runs):
    return leakage.optimism(runs)


def test_comparison_is_ordered_and_repeats_itself(runs):
    assert list(dict.fromkeys(runs["mistake"])) == list(PLAN)
    assert runs["repeat"].nunique() == 3
    first = runs[runs["repeat"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, leakage.compare(PLAN, 1, folds=3, jobs=1))
    other = leakage.compare(PLAN, 1, folds=3, shuffle=True, jobs=1)
    assert not np.array_equal(other["right"], first["right"])


def test_unknown_mistakes_are_refused():
    with pytest.raises(StudyError, match="unknown mistake 'typo'"):
        leakage.compare({"typo": []}, 1)


def test_optimism_is_the_mean_difference_with_its_interval():
    key = dict.fromkeys(leakage.KEY, "x")
    table = pd.DataFrame(
        [key | {"repeat": r, "wrong": 0.5 + r / 10, "right": 0.5} for r in range(3)]
    )
    (row,) = leakage.optimism(table).to_dict("records")
    assert row["repeats"] == 3 and row["optimism"] == pytest.approx(0.1)
    half = 4.302653 * 0.1 / np.sqrt(3)  # Student t with two degrees of freedom
    assert (row["low"], row["high"]) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-6)


@pytest.mark.parametrize(
    ("above", "word"), [(0, "nil"), (1, "nil"), (2, "mixed"), (5, "mixed"), (6, "optimistic")]
)
def test_verdict_counts_the_intervals_above_zero(above, word):
    part = pd.DataFrame({"low": [0.1] * above + [-0.1] * (10 - above), "high": 0.2})
    assert leakage.verdict(part) == word


def test_verdict_is_not_optimistic_where_as_many_intervals_lie_below():
    assert leakage.verdict(pd.DataFrame({"low": [0.1, -0.2], "high": [0.2, -0.1]})) == "nil"


def test_tables_and_sentences_are_made_of_the_numbers(summary):
    table = leakage.estimates(summary, "resampling before the split")
    row = summary[(summary["variant"] == "SMOTE") & (summary["learner"] == "tree")].iloc[0]
    shown = table[(table["variant"] == "SMOTE") & (table["metric"] == "balanced accuracy")]
    assert shown["`tree`"].item() == f"{row['right']:.3f} → {row['wrong']:.3f}"
    text = leakage.sentences(summary, "resampling before the split")
    assert text.count("\n") == len(leakage.SAMPLERS) - 1 and "average precision" not in text
    assert "balanced" in leakage.prior_sentence(summary)
    end = leakage.conclusion(summary, summary)
    assert "Identical rows on both sides" in end and "random over-sampling **" in end
    assert f"Of {3 * 2 + 3 * 4} comparisons" in end
    assert "one half" in leakage.control_sentence(summary)


def test_twins_are_counted(summary):
    found = leakage.twins(["plain", "doubled"])
    assert found["of the minority (%)"].tolist() == [0, 100]
    text = leakage.twins_sentence(summary, found)
    assert "whose minority has twins" in text and "+0.000 on average" in text


def test_figure_has_a_row_per_comparison(summary):
    figure = leakage.plot(summary)
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == [
        "identical rows, doubled",
        "identical rows, plain",
        *(f"{sampler}, plain" for sampler in leakage.SAMPLERS),
    ]


def test_saved_table_has_real_and_shuffled_labels(summary, tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    leakage.save(summary, summary, "results/tables/x.csv")
    table = pd.read_csv(tmp_path / "results/tables/x.csv")
    assert len(table) == 2 * len(summary) and set(table["labels"]) == {"real", "shuffled"}
    np.testing.assert_allclose(table["optimism"][: len(summary)], summary["optimism"], atol=5e-5)


def test_the_librarys_example_has_both_ways(prepared):
    table = leakage.under_sampling_example(["plain"], 3, folds=3, jobs=1)
    assert table["way"].tolist() == ["before the split", "inside the fold"] * 3
    assert table[["looks", "is"]].stack().between(0, 1).all()
    found = leakage.example_table(table)
    gap = (table["looks"] - table["is"])[table["way"] == "inside the fold"]
    assert found.set_index("way").loc["inside the fold", "gap"] == pytest.approx(gap.mean())
    text = leakage.example_sentence(found, 3)
    assert "0.724" in text and "+0.026" in text and "`plain`" in text
