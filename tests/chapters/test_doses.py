import numpy as np
import pandas as pd
import pytest

from imbbench.bench.cell import Cell
from imbbench.bench.prepared import data_of
from imbbench.chapters import doses
from imbbench.errors import StudyError


@pytest.fixture
def cell(study):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [100, 10])
    X = rng.normal(size=(110, 2)) + y[:, None]
    return Cell.from_arrays(study, "logreg", X, y, X, y, classes=["a", "b"])


@pytest.mark.parametrize(
    ("arm", "dose", "counts", "weights"),
    [
        ("weight", 5, [100, 10], [1, 5]),
        (doses.BALANCED, 5, [10, 10], [1, 5]),
        ("under-sampling to", 5, [50, 10], None),
        ("under-sampling to", 1, [10, 10], None),
        ("over-sampling to", 5, [100, 20], None),
        ("over-sampling to", 1, [100, 100], None),
        ("over-sampling to", 10, [100, 10], None),
    ],
)
def test_a_dose_changes_rows_or_weights(cell, arm, dose, counts, weights):
    X, y, given = doses.rows_of(cell, arm, dose)
    assert np.bincount(y).tolist() == counts and len(X) == len(y)
    assert given is None if weights is None else given.tolist() == weights
    known = {row.tobytes() for row in np.asarray(cell.X)}
    assert {row.tobytes() for row in np.asarray(X)} <= known


def test_a_dose_that_asks_for_more_majority_than_there_is_is_left_out(cell):
    assert doses.rows_of(cell, "under-sampling to", 20) is None
    assert doses.rows_of(cell, "over-sampling to", 20) is None


def test_precision_where_the_cut_off_finds_as_many():
    """Scores .9, .8 and .7 are 1, 0, 1: half the positives at a precision of 1, all at 2 / 3."""
    y, p = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.7, 0.1])
    assert doses.precision_at(y, p, 0.5) == pytest.approx(1.0)
    assert doses.precision_at(y, p, 1.0) == pytest.approx(2 / 3)
    # A quarter: half a hit of one row.
    assert doses.precision_at(y, p, 0.25) == pytest.approx(1.0)
    # Rows of one score in random order: as precise as they are together.
    assert doses.precision_at(y, np.full(4, 0.5), 0.5) == pytest.approx(0.5)
    assert np.isnan(doses.precision_at(y, p, 0.0))


def test_every_dose_is_scored_on_the_test_fold(study):
    found = pd.DataFrame(doses.scored(study, "mixed", "logreg", 0))
    prepared, cuts = data_of("mixed", study.protocol)
    train, _, test = cuts[0]
    ratio = np.bincount(prepared.y[train])
    there = [d for d in doses.DOSES["under-sampling to"] if ratio[0] >= d * ratio[1]]
    counts = found.groupby("arm")["dose"].nunique()
    assert counts["weight"] == counts[doses.BALANCED] == 7
    assert counts["under-sampling to"] == counts["over-sampling to"] == len(there) >= 2
    rare = (prepared.y[test] == 1).sum()
    assert np.allclose(found["recall"] * rare, (found["recall"] * rare).round())
    weight = found[found["arm"] == "weight"].set_index("dose")
    assert weight["recall"].iloc[-1] >= weight["recall"].iloc[0]


def test_a_weight_of_one_is_the_untreated_learner_with_its_own_cut_off(study):
    found = pd.DataFrame(doses.scored(study, "mixed", "logreg", 0))
    first = found[(found["arm"] == "weight") & (found["dose"] == 1)].iloc[0]
    assert first["precision_of_plain"] == pytest.approx(first["precision"])


def test_more_than_two_classes_are_refused(study):
    with pytest.raises(StudyError, match="more than two classes"):
        doses.plan(study, ["four"], ["logreg"], 1)


def table():
    """Two data sets; of under-sampling 1:1 is best on the one, 5:1 on the other."""
    rows = []
    for dataset, best in (("a", 1), ("b", 5)):
        for arm, dose in [("weight", 1), ("weight", 10), ("under-sampling to", 1),
                          ("under-sampling to", 5), ("over-sampling to", 1)]:  # fmt: skip
            good = 0.9 if dose == best else 0.8
            rows.append(dict.fromkeys([*doses.KEPT, "average_precision"], good) | {
                "dataset": dataset, "learner": "logreg", "split": 0, "arm": arm, "dose": dose,
                "recall": 0.5, "precision": 0.6, "precision_of_plain": 0.58})  # fmt: skip
        for dose, recall in ((1, 0.7), (10, 0.95)):
            rows.append(rows[-1] | {"arm": doses.BALANCED, "dose": dose, "recall": recall})
    return pd.DataFrame(rows)


def test_the_best_dose_and_what_another_loses():
    found = doses.best_doses(table())
    assert found.loc[("under-sampling to", 1)].tolist() == pytest.approx([0.5, 0.05])
    assert found.loc[("under-sampling to", 5)].tolist() == pytest.approx([0.5, 0.05])
    # Ties share: on b both weights are as good.
    assert found.loc[("weight", 1)].tolist() == pytest.approx([0.75, 0.0])
    assert found.loc[("over-sampling to", 1)].tolist() == pytest.approx([1.0, 0.0])


def test_what_it_says():
    said = doses.conclusion(table()).splitlines()
    assert said[0] == (
        "- Precision at the same recall, minus that of the untreated learner with its cut-off "
        "moved: weight +0.020, under-sampling +0.020, over-sampling +0.020."
    )
    assert (
        said[1] == "- On equal classes, a weight of 10 changes the recall of its class by +0.250."
    )
    assert said[3] == (
        "- Under-sampling: no dose is best everywhere; 1:1 is most often (50% of data sets and "
        "learners). Always 1:1 loses least, 0.050 of balanced accuracy to the best of each."
    )
    assert said[4] == "- Over-sampling: 1:1 is the best dose everywhere."


def test_the_dose_that_loses_least_need_not_be_the_best_most_often():
    """5:1 is better by .1 on two data sets, and worse by .6 on the third."""
    more = table()[lambda t: t["dataset"] == "b"].assign(dataset="c")
    rows = pd.concat([table(), more])
    far = (rows["dataset"] == "a") & (rows["dose"] == 5)
    rows.loc[far, "balanced_accuracy"] = 0.3
    said = doses.conclusion(rows).splitlines()
    assert said[3] == (
        "- Under-sampling: no dose is best everywhere; 5:1 is most often (67% of data sets and "
        "learners). Always 1:1 loses least, 0.067 of balanced accuracy to the best of each."
    )


def test_the_figure_has_a_panel_for_every_data_set():
    figure = doses.plot(table())
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["weight", "under-sampling", "over-sampling", "plain, cut-off moved"]


def test_the_range_over_data_sets_stands_beside_a_dose():
    """Means over splits, learners, data sets, in this order: `a` is .2, `b` is .8."""
    rows = [
        {"dataset": name, "learner": learner, "split": split, "arm": "weight", "dose": 1,
         **dict.fromkeys(("recall", "precision", "minority_f1", "balanced_accuracy"), value)}
        for name, learner, split, value in [
            ("a", "logreg", 0, 0.1), ("a", "logreg", 1, 0.1), ("a", "mlp", 0, 0.3),
            ("b", "logreg", 0, 0.8),
        ]
    ]  # fmt: skip
    (row,) = doses.along(pd.DataFrame(rows)).to_dict("records")
    assert row["dose"] == "weight × 1" and row["data sets"] == 2
    assert row["recall"] == row["balanced accuracy"] == "0.500 (0.200 to 0.800)"
