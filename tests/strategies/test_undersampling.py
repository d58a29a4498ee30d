from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.under_sampling import (
    ClusterCentroids,
    EditedNearestNeighbours,
    InstanceHardnessThreshold,
    NearMiss,
    TomekLinks,
)
from imblearn.utils.estimator_checks import parametrize_with_checks
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from imbbench import config
from imbbench.bench.cell import Cell, Task
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.errors import StudyError
from imbbench.strategies.undersampling import (
    downsample_upweight,
    iterative_preclassification,
    random,
    random_same_size,
    sampler,
)
from imbbench.strategies.undersampling.preclassification import IterativePreClassification

ENTRIES = config.load(Path(__file__).parents[2] / "params.yaml").family("undersampling")
ENTRIES = {name: entry for name, entry in ENTRIES.items() if "corrected" not in entry}
LEARNER = {"texts": "tfidf_logreg"}  # the others: tree


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study."""

    def cell(dataset="binary", learner=None, strategy="tried"):
        learner = learner or LEARNER.get(dataset, "tree")
        return Cell(study, Task(dataset, "reference", learner, strategy, 0))

    return cell


def table(X, y):
    """How often each labelled row occurs."""
    X = X.toarray() if issparse(X) else X
    return Counter(row.tobytes() for row in np.column_stack([X, y]))


# Every entry of the study

SELECTING = [name for name in ENTRIES if "downsample_upweight" not in ENTRIES[name]]


@pytest.mark.parametrize("dataset", ["binary", "mixed", "nominal", "four", "texts"])
@pytest.mark.parametrize("name", SELECTING)
def test_rows_are_kept_once_and_the_smallest_class_whole(make, caught, name, dataset):
    cell = make(dataset)
    try:
        got = caught(resolve("undersampling", name, ENTRIES[name])[0], cell)
    except NotApplicable as error:
        assert (name, dataset) in DOES_NOT_APPLY
        assert DOES_NOT_APPLY[name, dataset] in str(error)
        return
    assert (name, dataset) not in DOES_NOT_APPLY
    counts = np.bincount(got["y"], minlength=len(cell.classes))
    assert (counts <= cell.class_counts).all()
    assert counts[-1] == cell.class_counts[-1]
    assert counts.all()
    assert table(got["X"], got["y"]) <= table(cell.X, cell.y)


DOES_NOT_APPLY = {
    ("under_1_10", dataset): "no class is more than 10 times the smallest"
    for dataset in ("binary", "mixed", "four", "texts")
} | {
    ("edited_nn", "four"): "EditedNearestNeighbours would leave no row of class",
    ("repeated_edited_nn", "four"): "RepeatedEditedNearestNeighbours would leave no row of class",
}


@pytest.mark.parametrize(
    ("name", "learner"),
    [
        (name, learner)
        for name, entry in ENTRIES.items()
        for learner in ("tree", "mlp")
        if learner in entry.get("learners", [learner])
    ],
)
def test_validation_rows_are_neither_used_nor_changed(make, caught, name, learner):
    call, _ = resolve("undersampling", name, ENTRIES[name])
    clean, poisoned = make("nominal", learner), make("nominal", learner)
    poisoned.X_val = np.full_like(poisoned.X_val, 1e6)
    poisoned.y_val = 1 - poisoned.y_val
    arrays = [poisoned.X, poisoned.y, poisoned.X_val, poisoned.y_val]
    before = joblib.hash(arrays)
    one, other = caught(call, clean), caught(call, poisoned)
    np.testing.assert_array_equal(one["X"], other["X"])
    np.testing.assert_array_equal(one["y"], other["y"])
    assert joblib.hash(arrays) == before


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"random": 0}, "ratio is a number from 1 on, not 0"),
        ({"random": -1}, "ratio is a number from 1 on, not -1"),
        ({"random": 0.5}, "ratio is a number from 1 on, not 0.5"),
        ({"random": float("nan")}, "ratio is a number from 1 on, not nan"),
        ({"random": float("inf")}, "ratio is a number from 1 on, not inf"),
        ({"random": "all"}, "ratio is a number from 1 on, not 'all'"),
        ({"random": 1, "k": 3}, "unknown key 'k'"),
        ({"downsample_upweight": 0}, "factor is a number from 1 on, not 0"),
        ({"sampler": "Condensed"}, "unknown sampler 'Condensed'. Known: NearMiss, TomekLinks"),
        ({"sampler": "TomekLinks", "version": 2}, "unknown key 'version'"),
        ({"sampler": "NearMiss", "version": 4}, "'version' parameter of NearMiss must be"),
        ({"sampler": "AllKNN", "n_neighbors": 0}, "'n_neighbors' parameter of AllKNN must be"),
        ({"sampler": "NearMiss", "sampling_strategy": "all"}, "smallest class keeps all its rows"),
        ({"sampler": "AllKNN", "sampling_strategy": 0.5}, "smallest class keeps all its rows"),
        ({"sampler": "NearMiss", "sampling_strategy": 0}, "'sampling_strategy' parameter"),
        ({"sampler": "NearMiss", "sampling_strategy": {1: 5}}, "smallest class keeps all"),
    ],
)
def test_wrong_entries_are_refused_before_anything_is_fitted(entry, message):
    with pytest.raises(StudyError, match=message):
        resolve("undersampling", "tried", entry)


@pytest.mark.parametrize("name", ["iterative_preclassification", "random_same_size"])
@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"ratio": 0}, "'ratio' parameter of IterativePreClassification must be"),
        ({"ratio": float("inf")}, "'ratio' parameter"),
        ({"random_share": 1.0}, "'random_share' parameter"),
        ({"max_rounds": 0}, "'max_rounds' parameter"),
        ({"rounds": 3}, "unknown key 'rounds'. Known: ratio, random_share, max_rounds"),
    ],
)
def test_wrong_mining_is_refused_before_anything_is_fitted(name, entry, message):
    with pytest.raises(StudyError, match=message):
        resolve("undersampling", name, entry)


# At random


@pytest.mark.parametrize("dataset", ["binary", "four", "mixed", "texts"])
def test_random_counts(make, caught, dataset):
    cell = make(dataset)
    counts = cell.class_counts
    got = caught(random, cell, 1)
    assert np.bincount(got["y"]).tolist() == [counts.min()] * len(counts)
    got = caught(random, cell, 2)
    assert np.bincount(got["y"]).tolist() == np.minimum(counts, 2 * counts.min()).tolist()
    assert set(got) == {"X", "y"}


def test_balanced_classes_leave_nothing_to_drop(make):
    for strategy in (random, iterative_preclassification, random_same_size):
        with pytest.raises(NotApplicable, match="no class is more than 100 times the smallest"):
            strategy(make(), 100)


@pytest.mark.parametrize("factor", [2, 1000])
@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_downsampling_and_upweighting_keep_the_weighted_counts(make, caught, dataset, factor):
    cell = make(dataset)
    got = caught(downsample_upweight, cell, factor)
    weighted = np.bincount(got["y"], weights=got["sample_weight"])
    np.testing.assert_allclose(weighted, cell.class_counts)
    counts = np.bincount(got["y"])
    expected = np.round(np.maximum(cell.class_counts / factor, cell.class_counts.min()))
    assert counts.tolist() == expected.tolist()


def test_downsampling_draws_anew_when_the_rows_are_used_up(make, caught):
    cell = make(learner="mlp")
    draw = caught(downsample_upweight, cell, 2)["draw"]
    rng = np.random.default_rng(0)
    (one, weights), (other, _) = draw(cell.y, 0.0, rng, 32), draw(cell.y, 0.5, rng, 32)
    assert len(set(one)) == len(one)
    assert set(one) != set(other)
    np.testing.assert_allclose(np.bincount(cell.y[one], weights=weights), cell.class_counts)


# imbalanced-learn


@pytest.mark.parametrize("dataset", ["binary", "mixed", "nominal", "texts"])
@pytest.mark.parametrize("cls", [TomekLinks, EditedNearestNeighbours, NearMiss])
def test_a_sampler_keeps_what_the_library_keeps_in_the_space_of_the_cell(
    make, caught, dataset, cls
):
    cell = make(dataset)
    got = caught(sampler, cell, cls)
    library = cls()
    library.fit_resample(cell.space, cell.y)
    rows = np.sort(library.sample_indices_)
    assert table(got["X"], got["y"]) == table(cell.X[rows], cell.y[rows])


@pytest.mark.parametrize("dataset", ["binary", "four", "texts"])
def test_cluster_centroids_are_the_rows_of_hard_voting(make, caught, dataset):
    cell = make(dataset)
    got = caught(sampler, cell, ClusterCentroids)
    library = ClusterCentroids(voting="hard", random_state=cell.seed)
    expected = table(*library.fit_resample(cell.X, cell.y))
    assert set(table(got["X"], got["y"])) == set(expected)
    # A row that is nearest to two centres counts once.
    assert max(table(got["X"], got["y"]).values()) == 1


def test_cluster_centroids_of_categories_are_real_rows(make, caught):
    cell = make("nominal")
    got = caught(sampler, cell, ClusterCentroids)
    assert table(got["X"], got["y"]) <= table(cell.X, cell.y)
    assert 1 < np.bincount(got["y"])[0] <= cell.class_counts[1]


def test_a_share_is_of_the_smallest_class_with_many_classes_too(make, caught):
    cell = make("four")
    got = caught(sampler, cell, NearMiss, sampling_strategy=0.5)
    expected = np.minimum(cell.class_counts, 2 * cell.class_counts.min())
    assert np.bincount(got["y"]).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("cls", "settings", "reason"),
    [
        (NearMiss, {"n_neighbors": 50}, r"training rows, NearMiss needs 50 \(n_neighbors\)"),
        (InstanceHardnessThreshold, {"cv": 50}, "InstanceHardnessThreshold needs 50"),
    ],
)
def test_a_small_class_has_too_few_neighbours(make, cls, settings, reason):
    with pytest.raises(NotApplicable, match=reason):
        sampler(make(), cls, **settings)


def test_a_class_that_would_be_lost_is_named(make):
    cell = make("four")
    # In a row, every second one of the class "c": all its neighbours are of other classes.
    cell.y = np.sort(cell.y)
    places = np.arange(len(cell.y), dtype=float)
    second = np.flatnonzero(cell.y == 1)
    places[second] = 0.5 + np.arange(len(second))
    cell.X = places[:, None]
    with pytest.raises(NotApplicable, match="would leave no row of class 'c'"):
        sampler(cell, EditedNearestNeighbours)


# Hard negative mining


class Known(ClassifierMixin, BaseEstimator):
    """The first column is the probability of class 1; remembers what it was fitted on."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.seen_ = set(X[:, 1].tolist())
        self.scored_ = set()
        return self

    def predict_proba(self, X):
        self.scored_ |= set(X[:, 1].tolist())
        return np.column_stack([1 - X[:, 0], X[:, 0]])


def known(rng, n=100, positives=10):
    y = np.zeros(n, dtype=int)
    y[rng.choice(n, positives, replace=False)] = 1
    return np.column_stack([rng.permutation(n) / n, np.arange(n)]), y


# What is asked for does not hold of the method: its kept set grows.
GROWS = {
    "check_samplers_fit_resample": "classes are not equalised, hard rows are added",
    "check_samplers_sampling_strategy_fit_resample": "sizes are given by ratio",
}
CHECKS = parametrize_with_checks(
    [IterativePreClassification(random_state=0)], expected_failed_checks=lambda _: GROWS
)
CHECKS = pytest.mark.parametrize(CHECKS.args[0], list(CHECKS.args[1]), **CHECKS.kwargs)


@CHECKS
def test_checks_of_imbalanced_learn(estimator, check):
    check(estimator)


@settings(max_examples=40)
@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=5),
    ratio=st.floats(1, 5),
    random_share=st.floats(0, 0.95),
    max_rounds=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
    sparse=st.booleans(),
)
def test_mining_keeps_rows_once_and_the_smallest_class_whole(
    counts, ratio, random_share, max_rounds, seed, sparse
):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat([f"class {c}" for c in range(len(counts))], counts))
    X = rng.normal(size=(len(y), 2)).round(1)
    X = csr_matrix(X) if sparse else X
    miner = IterativePreClassification(
        ratio=ratio, random_share=random_share, max_rounds=max_rounds, random_state=seed
    )
    before = joblib.hash([X, y])
    X_kept, y_kept = miner.fit_resample(X, y)
    rows = miner.sample_indices_
    assert len(np.unique(rows)) == len(rows)
    assert ((rows >= 0) & (rows < len(y))).all()
    assert y_kept.tolist() == y[rows].tolist()
    assert (X_kept != X[rows]).sum() == 0
    size = round(ratio * min(counts))
    assert len(miner.estimators_) <= max_rounds
    for c, n in enumerate(counts):
        kept = (y_kept == f"class {c}").sum()
        assert min(n, size) <= kept <= min(n, size * (1 + len(miner.estimators_)))
    assert joblib.hash([X, y]) == before
    miner.fit_resample(X, y)
    assert miner.sample_indices_.tolist() == rows.tolist()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_a_round_adds_the_hardest_and_a_share_at_random(share):
    X, y = known(np.random.default_rng(0))
    first = IterativePreClassification(
        estimator=Known(), random_share=share, max_rounds=1, random_state=0
    )
    first.fit_resample(X, y)
    (model,) = first.estimators_
    added = set(first.sample_indices_) - {int(x) for x in model.seen_}
    hard = round((1 - share) * 10)
    order = [row for row in np.argsort(-X[:, 0]) if row in model.scored_]
    assert len(added) == 10
    assert set(order[:hard]) <= added
    assert X[order[hard - 1], 0] > 0.5
    others = sorted(added - set(order[:hard]))
    assert others != order[hard:10] or share == 0


def test_mining_ends_when_every_row_outside_is_classified_right():
    X, y = known(np.random.default_rng(1))
    miner = IterativePreClassification(
        estimator=Known(), random_share=0, max_rounds=50, random_state=0
    )
    miner.fit_resample(X, y)
    assert 1 < len(miner.estimators_) < 50
    outside = np.setdiff1d(np.arange(100), miner.sample_indices_)
    assert (X[outside, 0] <= 0.5).all()
    assert (y[outside] == 0).all()


def test_no_row_is_scored_by_a_model_that_has_seen_it():
    X, y = known(np.random.default_rng(2))
    miner = IterativePreClassification(estimator=Known(), random_state=0)
    miner.fit_resample(X, y)
    assert len(miner.estimators_) > 1
    for model in miner.estimators_:
        assert model.scored_
        assert not model.seen_ & model.scored_
        assert model.seen_ | model.scored_ == set(range(100))


def test_ties_of_a_tree_are_broken_at_random():
    """Equal probabilities: not the first rows of the file."""
    X, y = known(np.random.default_rng(3), n=400)
    X[:, 0] = 1.0
    miner = IterativePreClassification(
        estimator=Known(), random_share=0, max_rounds=1, random_state=0
    )
    miner.fit_resample(X, y)
    added = set(miner.sample_indices_) - {int(x) for x in miner.estimators_[0].seen_}
    assert max(added) > 200


def test_mining_needs_probabilities_and_two_classes():
    X, y = known(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"'estimator' .* implementing 'fit' and 'predict_proba'"):
        IterativePreClassification(estimator=LinearSVC()).fit_resample(X, y)
    with pytest.raises(ValueError, match="more than 1 class"):
        IterativePreClassification().fit_resample(X, np.zeros(len(y)))
    estimator = DecisionTreeClassifier(max_depth=1)
    IterativePreClassification(estimator=estimator).fit_resample(X, y)
    assert not hasattr(estimator, "tree_")  # a clone is fitted


@pytest.mark.parametrize(
    ("dataset", "learner"),
    [("binary", "tree"), ("mixed", "logreg"), ("four", "mlp"), ("texts", "tfidf_logreg")],
)
def test_the_control_draws_as_many_rows_as_were_mined(make, caught, dataset, learner):
    cell = make(dataset, learner, "iterative_preclassification")
    mined = caught(iterative_preclassification, cell)
    other = make(dataset, learner, "random_same_size")
    drawn = caught(random_same_size, other)
    assert cell.seed != other.seed
    assert np.bincount(mined["y"]).tolist() == np.bincount(drawn["y"]).tolist()
    assert table(mined["X"], mined["y"]) != table(drawn["X"], drawn["y"])
    assert not cell.neural or cell.rows_seen == other.rows_seen > 0


def test_the_learner_itself_mines(make, monkeypatch):
    cell = make("mixed", "mlp")
    seen = []
    fit = IterativePreClassification.fit_resample
    monkeypatch.setattr(
        IterativePreClassification,
        "fit_resample",
        lambda self, X, y: (seen.append(self), fit(self, X, y))[1],
    )
    iterative_preclassification(cell, max_rounds=2)
    (miner,) = seen
    assert miner.estimator.random_state == cell.common_seed
    assert {type(model) for model in miner.estimators_} == {type(cell.make())}
    assert {model.n_steps_ for model in miner.estimators_} == {cell.steps}
