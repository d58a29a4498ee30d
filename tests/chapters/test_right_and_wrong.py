import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbbench import config
from imbbench.bench import protocol
from imbbench.bench.features import tfidf
from imbbench.bench.prepared import Prepared
from imbbench.chapters import right_and_wrong
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
    X = pd.Series([f"{text} {i % 7} ¥😀" for i, text in enumerate(TEXTS * 20)], name="text")
    _, groups = np.unique(X, return_inverse=True)
    return Prepared(X, (groups % 4 == 0).astype(np.int64), groups, None, schema)


def frame(rows):
    table = pd.DataFrame(rows, columns=right_and_wrong.FOUND)
    return table.set_index(["variant", "learner", "metric"])


LEAKING = [
    (sampler, learner)
    for sampler in ("random over-sampling", "SMOTE")
    for learner in ("tree", "neighbours")
]


def without_signal(seed):
    found = right_and_wrong.resampled_first(
        made_up(n=100, minority=20, seed=seed), "none", 0, 4, seed
    )
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
    for train, _, test in right_and_wrong.folds_of(data.y, data.groups, "none", 0, 5, 0):
        assert share_seen(X, train, test) == 0
    X, y, groups = right_and_wrong.resample("random over-sampling", X, data.y, data.groups, 0)
    for train, _, test in right_and_wrong.folds_of(y, groups, "none", 0, 5, 0):
        assert share_seen(X, train, test[y[test] == 1]) > 0.7


@pytest.mark.parametrize("sampler", right_and_wrong.SAMPLERS)
def test_resampled_rows_keep_their_group_or_get_their_own(sampler):
    data = made_up(copies=2, signal=0.5)
    X, y, groups = right_and_wrong.resample(sampler, data.X.to_numpy(), data.y, data.groups, 0)
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
    for mine, theirs in zip(
        right_and_wrong.folds_of(data.y, data.groups, "x", 0, 4, 3), own, strict=True
    ):
        assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))
    again = right_and_wrong.folds_of(data.y, data.groups, "x", 1, 4, 3)
    assert len(again) == 4 and not np.array_equal(again[0][2], own[0][2])


def test_rows_without_twins_are_dealt_out_alike():
    table = frame(right_and_wrong.twins_apart(made_up(signal=1.0), "x", 0, 4, 0))
    assert len(table) == 3 and (table["wrong"] == table["right"]).all()


def test_twins_betray_labels_that_mean_nothing():
    data = right_and_wrong.shuffled(made_up(copies=2), 1)
    table = frame(right_and_wrong.twins_apart(data, "x", 0, 4, 0)).droplevel("metric")
    near = table.loc["identical rows", "neighbours"]
    assert near["wrong"] > near["right"] + 0.3


def test_choosing_features_first_finds_signal_where_there_is_none():
    tables = [
        frame(right_and_wrong.preprocessed_first(made_up(width=100, seed=seed), "x", 0, 4, seed))
        for seed in range(3)
    ]
    table = sum(table.loc["choosing 5 features"] for table in tables) / len(tables)
    assert (table["wrong"] > table["right"] + 0.03).all()


def test_scaling_first_changes_no_tree():
    table = frame(right_and_wrong.preprocessed_first(made_up(signal=0.7), "x", 0, 4, 0))
    row = table.loc["imputing and scaling", "tree", "average_precision"]
    assert row["wrong"] == pytest.approx(row["right"], abs=1e-9)


@settings(max_examples=5)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.8]))
def test_choosing_on_the_test_fold_is_never_worse(seed, signal):
    data = made_up(n=80, minority=16, signal=signal, seed=seed)
    table = frame(right_and_wrong.tuned_on_test(data, "x", 0, 3, seed))
    assert (table["wrong"] >= table["right"] - 1e-12).all()
    assert (table["wrong"] > table["right"]).any()
    assert ("threshold", "tree") not in table.index.droplevel("metric")


def test_texts_are_coded_as_the_study_codes_them():
    data, rows = texts(), np.arange(0, 90)
    mine, theirs = right_and_wrong.coded(data, rows), tfidf(data.X, rows)
    assert mine.shape == theirs.shape and abs(mine - theirs).max() < 1e-15


def test_mistakes_on_texts_need_no_tree(monkeypatch):
    monkeypatch.setitem(right_and_wrong.SELECTED, "text", 5)
    for mistake in (right_and_wrong.preprocessed_first, right_and_wrong.twins_apart):
        learners = frame(mistake(texts(), "x", 0, 3, 0)).index.get_level_values("learner")
        assert set(learners) == {"logreg", "neighbours"}


def test_shuffled_labels_are_shared_by_twins():
    data = made_up(copies=3)
    found = right_and_wrong.shuffled(data, 5)
    labels = pd.Series(found.y).groupby(data.groups).nunique()
    assert (labels == 1).all() and found.y.sum() == data.y.sum()
    assert not np.array_equal(found.y, data.y)
    assert np.array_equal(found.y, right_and_wrong.shuffled(data, 5).y)


def test_data_sets_of_many_classes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    many = made_up()
    many.schema["classes"].append("third")
    monkeypatch.setattr(right_and_wrong, "load_prepared", lambda folder: many)
    with pytest.raises(StudyError, match="data set x has more than two classes"):
        right_and_wrong.load("x")


@pytest.fixture(scope="module")
def prepared():
    sets = {"plain": made_up(60, 12, signal=1.0), "doubled": made_up(60, 12, copies=2)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(right_and_wrong, "load", sets.__getitem__)
        yield


PLAN = {
    "identical rows on both sides": ["doubled", "plain"],
    "resampling before the split": ["plain"],
}


@pytest.fixture(scope="module")
def runs(prepared):
    return right_and_wrong.compare(PLAN, 3, folds=3, jobs=1)


@pytest.fixture
def summary(runs):
    return right_and_wrong.optimism(runs)


def test_comparison_is_ordered_and_repeats_itself(runs):
    assert list(dict.fromkeys(runs["mistake"])) == list(PLAN)
    assert runs["repeat"].nunique() == 3
    first = runs[runs["repeat"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, right_and_wrong.compare(PLAN, 1, folds=3, jobs=1))
    other = right_and_wrong.compare(PLAN, 1, folds=3, shuffle=True, jobs=1)
    assert not np.array_equal(other["right"], first["right"])


def test_unknown_mistakes_are_refused():
    with pytest.raises(StudyError, match="unknown mistake 'typo'"):
        right_and_wrong.compare({"typo": []}, 1)


def test_optimism_is_the_mean_difference_with_its_interval():
    key = dict.fromkeys(right_and_wrong.KEY, "x")
    table = pd.DataFrame(
        [key | {"repeat": r, "wrong": 0.5 + r / 10, "right": 0.5} for r in range(3)]
    )
    (row,) = right_and_wrong.optimism(table).to_dict("records")
    assert row["repeats"] == 3 and row["optimism"] == pytest.approx(0.1)
    half = 4.302653 * 0.1 / np.sqrt(3)  # Student t with two degrees of freedom
    assert (row["low"], row["high"]) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-6)


@pytest.mark.parametrize(
    ("above", "word"), [(0, "nil"), (1, "nil"), (2, "mixed"), (5, "mixed"), (6, "optimistic")]
)
def test_verdict_counts_the_intervals_above_zero(above, word):
    part = pd.DataFrame({"low": [0.1] * above + [-0.1] * (10 - above), "high": 0.2})
    assert right_and_wrong.verdict(part) == word


def test_verdict_is_not_optimistic_where_as_many_intervals_lie_below():
    assert right_and_wrong.verdict(pd.DataFrame({"low": [0.1, -0.2], "high": [0.2, -0.1]})) == "nil"


RESAMPLING = "resampling before the split"
TWINS = "identical rows on both sides"


def by_hand():
    """Two variants of a mistake and the twins: what they add, and the ends of its interval."""
    rows = [
        (RESAMPLING, "SMOTE", "one", "tree", "balanced_accuracy", 0.9, 0.7, 0.1, 0.3),
        (RESAMPLING, "SMOTE", "one", "logreg", "balanced_accuracy", 0.7, 0.7, -0.1, 0.1),
        (RESAMPLING, "SMOTE", "one", "tree", "average_precision", 0.6, 0.1, 0.4, 0.6),
        (RESAMPLING, "random under-sampling", "one", "tree", "balanced_accuracy",
         0.65, 0.75, -0.2, -0.05),
        (RESAMPLING, "random under-sampling", "one", "tree", "average_precision",
         0.8, 0.3, 0.4, 0.6),
        (TWINS, "identical rows", "one", "tree", "average_precision", 0.5, 0.4, 0.05, 0.15),
        (TWINS, "identical rows", "two", "tree", "average_precision", 0.3, 0.3, -0.1, 0.1),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=[*right_and_wrong.KEY, "wrong", "right", "low", "high"])
    return table.assign(optimism=table["wrong"] - table["right"])


def test_estimates_stand_side_by_side():
    table = right_and_wrong.estimates(by_hand(), RESAMPLING)
    assert list(table) == ["variant", "data set", "metric", "`tree`", "`logreg`"]
    assert table.iloc[0].tolist() == [
        *("SMOTE", "one", "balanced accuracy", "0.700 → 0.900", "0.700 → 0.700")
    ]
    assert table["`tree`"][1:].tolist() == ["0.100 → 0.600", "0.750 → 0.650", "0.300 → 0.800"]
    assert table["`logreg`"][1:].tolist() == ["", "", ""]


def test_sentences_say_how_much_a_variant_adds_and_where():
    first, second = right_and_wrong.sentences(by_hand(), RESAMPLING).splitlines()
    assert first == (
        "- **SMOTE**: +0.100 in balanced accuracy on average. The interval lies above zero in 1 of "
        "2 comparisons; the largest is +0.200 [+0.100, +0.300]: 0.900 instead of 0.700 (`tree` on "
        "`one`)."
    )
    assert "above zero in 0 of 1 comparisons and below it in 1; the largest is -0.100" in second


def test_sentence_on_the_prior_has_the_means_of_under_sampling():
    text = right_and_wrong.prior_sentence(by_hand())
    assert "from 0.30 to 0.80 on average" in text and "goes from 0.75 to 0.65." in text


def test_control_sentence_has_the_range_of_the_right_way_and_the_worst_of_the_wrong():
    text = right_and_wrong.control_sentence(by_hand())
    assert "finds 0.700 to 0.750, the wrong way up to 0.900 (SMOTE, `tree`)" in text
    assert text.endswith("above zero in 2 of 5 comparisons (SMOTE, identical rows).")


def test_conclusion_calls_each_variant_and_counts():
    control = by_hand().assign(wrong=0.66, right=0.49)
    lines = right_and_wrong.conclusion(by_hand(), control).splitlines()
    many = right_and_wrong.conclusion(pd.concat([by_hand()] * 5), control).splitlines()
    assert lines[0] == (
        "- Resampling before the split: SMOTE **mixed** (+0.100, at most +0.200); random "
        "under-sampling **nil** (-0.100, at most -0.100)."
    )
    assert lines[1].startswith("- Identical rows on both sides: identical rows **")
    assert lines[2].startswith("- Of 5 comparisons 2 have an interval above zero, 1 below it,")
    assert "and 2 do not differ in the third digit; about 0 would lie" in lines[2]
    assert "and 10 do not differ in the third digit; about 1 would lie" in many[2]
    assert "accuracy of 0.66 where" in lines[3] and lines[3].endswith("stays at 0.49.")


def test_twins_are_counted(prepared):
    found = right_and_wrong.twins(["plain", "doubled"])
    assert found["rows"].tolist() == [60, 120]
    for column in ("with a twin (%)", "of the minority (%)"):
        assert found[column].tolist() == [0, 100]


def test_twins_sentence_parts_data_sets_by_the_minoritys_twins():
    found = pd.DataFrame({"data set": ["one", "two"], "of the minority (%)": [5.0, 0.0]})
    text = right_and_wrong.twins_sentence(by_hand(), found)
    with_, without = text.split("; ")
    assert "minority has twins they add +0.100 on average (intervals above zero: 1 of 1)" in with_
    assert "only the majority has they add +0.000" in without and "zero: 0 of 1)" in without
    every = right_and_wrong.twins_sentence(by_hand(), found.assign(**{"of the minority (%)": 1.0}))
    assert "add +0.050 on average (intervals above zero: 1 of 2)." in every


def test_figure_has_a_row_per_comparison(summary):
    figure = right_and_wrong.plot(summary)
    drawn = {round(float(x), 6) for line in figure.axes[0].lines for x in line.get_xdata()}
    shown = summary[summary["learner"].eq("tree") & summary["variant"].eq("SMOTE")]
    shown = shown.set_index("metric")["optimism"].round(6)
    assert shown["balanced_accuracy"] in drawn and shown["average_precision"] not in drawn
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels == [
        "identical rows, doubled",
        "identical rows, plain",
        *(f"{sampler}, plain" for sampler in right_and_wrong.SAMPLERS),
    ]


def test_both_summaries_are_one_rounded_table():
    real = by_hand().assign(optimism=0.12344, low=-0.00001)
    table = right_and_wrong.both_labels(real, by_hand())
    assert table["labels"].tolist() == ["real"] * len(real) + ["shuffled"] * len(real)
    first = table[["optimism", "low"]].iloc[0]
    assert first.tolist() == [0.1234, 0.0] and not np.signbit(first["low"])
    assert table["optimism"].iloc[-2] == 0.1


def test_the_librarys_example_has_both_ways(prepared):
    table = right_and_wrong.under_sampling_example(["plain"], 3, folds=3, jobs=1)
    assert table["way"].tolist() == ["before the split", "inside the fold"] * 3
    assert table[["looks", "is"]].stack().between(0, 1).all()
    found = right_and_wrong.example_table(table)
    gap = (table["looks"] - table["is"])[table["way"] == "inside the fold"]
    assert found.set_index("way").loc["inside the fold", "gap"] == pytest.approx(gap.mean())


def test_sentence_on_the_example_compares_with_the_published_run():
    rows = [
        ("one", "before the split", 0.1, 0.05, 0.15, 0.01),
        ("one", "inside the fold", 0.0, -0.02, 0.02, 0.01),
        ("two", "before the split", 0.0, -0.1, 0.1, 0.2),
        ("two", "inside the fold", 0.01, -0.1, 0.12, 0.2),
    ]
    table = pd.DataFrame(rows, columns=["dataset", "way", "gap", "low", "high", "spread"])
    lines = right_and_wrong.example_sentence(table, 7).splitlines()
    looks, really = right_and_wrong.PUBLISHED["before the split"]
    assert f"{looks:.3f} and is {really:.3f} ({looks - really:+.3f})" in lines[0]
    assert lines[0].endswith("over 7 seeds:")
    assert lines[2].startswith("- `one`: +0.100 [+0.050, +0.150] before the split, +0.000 [-0.020")
    assert lines[2].endswith("standard deviation 0.010.")
    assert "by more than chance on `one`." in lines[5] and "run on 1 of 2 data sets." in lines[5]
