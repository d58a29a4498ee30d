import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.metrics import average_precision_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from imbbench.bench.cell import Cell, Task
from imbbench.bench.registry import NotApplicable, definitions, resolve
from imbbench.errors import StudyError
from imbbench.strategies.ensemble import (
    ada_cost,
    easy_ensemble,
    over_bagging,
    rus_boost,
    smote_bagging,
    smote_boost,
    under_bagging,
)
from imbbench.strategies.ensemble.ada_cost import AdaCost
from imbbench.strategies.ensemble.balance_cascade import BalanceCascade
from imbbench.strategies.ensemble.self_paced import SelfPacedEnsemble, _quotas, _self_paced_draw
from imbbench.strategies.ensemble.smote_bagging import SMOTEBagging
from imbbench.strategies.ensemble.smote_boost import SMOTEBoost

CLASSES = [SelfPacedEnsemble, BalanceCascade, SMOTEBagging, SMOTEBoost, AdaCost]
BOOSTING = [SMOTEBoost, AdaCost]
SMOTE = [SMOTEBagging, SMOTEBoost]


def small(cls, **others):
    settings = {"n_estimators": 5, "random_state": 0}
    # scikit-learn's checks fit on a handful of rows.
    settings |= {"k_neighbors": 1} if cls in SMOTE else {}
    return cls(**{**settings, **others})


@parametrize_with_checks([small(cls) for cls in CLASSES])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def draw(counts, seed=0, width=3):
    """Normal columns around a mean per class; rows in random order, labels as text."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    X = rng.normal(y[:, None] * np.linspace(0.5, 1.5, width), 1.0)
    return X, np.array(["common", "middle", "rare"])[y if len(counts) == 3 else 2 * y]


BINARY = draw([200, 20])
THREE = draw([150, 60, 15])


class Recorder(ClassifierMixin, BaseEstimator):
    """Keeps what it is fitted on and gives the probabilities that ``says`` makes of rows."""

    fits = []  # all that was fitted since it was emptied

    def __init__(self, says=None):
        self.says = says

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        self.round_ = len(Recorder.fits)
        Recorder.fits.append((X, y, sample_weight))
        return self

    def predict_proba(self, X):
        p = self.says(X, self.round_)
        return np.column_stack([1 - p, p])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture
def fits():
    Recorder.fits = []
    return Recorder.fits


def numbered(counts):
    """One column, the row's number; the classes one after the other."""
    y = np.repeat(np.arange(len(counts)), counts)
    return np.arange(len(y), dtype=float)[:, None], y


# All classes


@pytest.mark.parametrize(
    ("cls", "X", "y"),
    [(cls, *BINARY) for cls in CLASSES] + [(cls, *THREE) for cls in CLASSES if cls is not AdaCost],
)
def test_it_learns_and_names_the_classes(cls, X, y):
    model = small(cls, n_estimators=20).fit(X, y)
    probabilities = model.predict_proba(X)
    assert model.classes_.tolist() == sorted(set(y))
    assert probabilities.shape == (len(y), len(set(y)))
    assert probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (model.predict(X) == model.classes_[probabilities.argmax(axis=1)]).all()
    rare = y == "rare"
    assert average_precision_score(rare, probabilities[:, -1]) > 3 * rare.mean()
    assert 1 <= len(model.estimators_) <= 20


@pytest.mark.parametrize("cls", CLASSES)
def test_the_seed_decides(cls):
    X, y = BINARY
    base = DecisionTreeClassifier(max_features=1, max_depth=3)
    one, same, other = (
        small(cls, estimator=base, random_state=seed).fit(X, y).predict_proba(X)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 1e-6
    assert base.random_state is None


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "base", [LogisticRegression(), GaussianNB(), make_pipeline(StandardScaler(), GaussianNB())]
)
def test_any_learner_will_do(cls, base):
    X, y = BINARY
    if cls in BOOSTING and hasattr(base, "steps"):
        with pytest.raises(ValueError, match=f"{cls.__name__} needs .* takes sample_weight"):
            small(cls, estimator=base).fit(X, y)
        return
    model = small(cls, estimator=base).fit(X, y)
    assert np.mean(model.predict(X) == y) > 0.6
    assert not hasattr(base, "classes_")


def test_learners_within_learners_are_seeded():
    model = SelfPacedEnsemble(AdaBoostClassifier(DecisionTreeClassifier()), 2, random_state=0)
    model.fit(*BINARY)
    seeds = [
        e.get_params()[f"{part}random_state"]
        for e in model.estimators_
        for part in ("", "estimator__")
    ]
    assert len(set(seeds)) == 4


@pytest.mark.parametrize("cls", CLASSES)
def test_bad_input_is_named(cls):
    X, y = BINARY
    name = cls.__name__
    with pytest.raises(ValueError, match=f"{name} needs a learner with predict_proba.*Perceptron"):
        small(cls, estimator=Perceptron()).fit(X, y)
    for value in (0, -1, 2.5, True, "3"):
        with pytest.raises(ValueError, match="n_estimators is a whole number of at least 1"):
            small(cls, n_estimators=value).fit(X, y)
    with pytest.raises(ValueError, match=f"{name} needs at least two classes"):
        small(cls).fit(X, np.zeros(len(y)))
    if cls in BOOSTING:
        with pytest.raises(ValueError, match=f"{name} needs .*sample_weight.*KNeighbors"):
            small(cls, estimator=KNeighborsClassifier()).fit(X, y)


@pytest.mark.parametrize("cls", CLASSES)
def test_one_learner(cls):
    X, y = BINARY
    model = small(cls, n_estimators=1).fit(X, y)
    assert len(model.estimators_) == 1
    assert np.isfinite(model.predict_proba(X)).all()


# Quotas of bins


def quotas(sizes, weights, total, seed=0):
    rng = np.random.RandomState(seed)
    return _quotas(np.array(sizes), np.array(weights, float), total, rng)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(0.01, 100)), min_size=1, max_size=6),
    st.integers(0, 99),
    st.data(),
)
def test_quotas_add_up_and_fit(bins, seed, data):
    sizes, weights = np.array(bins).T
    sizes = sizes.astype(int)
    total = data.draw(st.integers(0, sizes.sum()))
    found = quotas(sizes, weights, total, seed)
    assert found.sum() == total
    assert (found >= 0).all()
    assert (found <= sizes).all()
    # A bin that could give more gives no less than one of smaller weight, but for rounding.
    for a in range(len(sizes)):
        for b in range(len(sizes)):
            if weights[a] >= weights[b] and found[a] < sizes[a]:
                assert found[a] >= found[b] - 1


@pytest.mark.parametrize(
    ("sizes", "weights", "total", "expected"),
    [
        ([100, 100, 100], [1, 1, 1], 30, [10, 10, 10]),
        ([100, 0, 100], [1, 9, 1], 30, [15, 0, 15]),  # an empty bin
        ([100, 3, 100], [1, 1, 2], 30, [9, 3, 18]),  # a bin below its quota hands the rest on
        ([1, 4, 100], [5, 3, 1], 30, [1, 4, 25]),  # the second only after the first has
        ([1, 2, 3], [5, 1, 1], 6, [1, 2, 3]),  # everything
        ([4, 4], [1, 1], 0, [0, 0]),
    ],
)
def test_quotas(sizes, weights, total, expected):
    for seed in range(5):
        assert quotas(sizes, weights, total, seed).tolist() == expected


def test_no_bin_is_rounded_up_for_good():
    """Three rows of five bins: each bin gives its share in the long run, the first no more."""
    mean = np.mean([quotas([9] * 5, [1, 1, 1, 1, 2], 3, seed) for seed in range(2000)], axis=0)
    np.testing.assert_allclose(mean, [0.5, 0.5, 0.5, 0.5, 1.0], atol=0.05)


# Self-paced ensemble


def drawn(hardness, size, angle, bins=5):
    rows = _self_paced_draw(np.array(hardness), size, angle, bins, np.random.RandomState(0))
    assert len(rows) == size
    return np.bincount(
        np.minimum((np.array(hardness)[rows] * bins).astype(int), bins - 1), minlength=bins
    )


EVEN = np.linspace(0, 1, 1000)
UNEVEN = np.concatenate([np.linspace(0, 0.19, 900), np.linspace(0.81, 1, 100)])


def test_early_every_bin_has_the_same_hardness():
    counts = drawn(EVEN, 100, 1e-6)
    mass = counts * np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(mass, mass.mean(), rtol=0.15)


def test_late_every_bin_has_the_same_number_and_alpha_is_infinite_in_the_last_round():
    assert drawn(EVEN, 100, np.pi / 2).tolist() == [20] * 5
    assert drawn(UNEVEN, 100, np.pi / 2).tolist() == [50, 0, 0, 0, 50]


def test_half_way_alpha_is_one():
    weights = 1 / (np.array([0.1, 0.3, 0.5, 0.7, 0.9]) + 1)
    expected = 200 * weights / weights.sum()
    np.testing.assert_allclose(drawn(EVEN, 200, np.pi / 4), expected, atol=1)


def test_a_small_bin_hands_its_quota_on():
    hardness = np.concatenate([np.zeros(500), [0.5] * 3, np.ones(500)])
    assert drawn(hardness, 91, np.pi / 2).tolist() == [44, 0, 3, 0, 44]


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("angle", [0.1, np.pi / 2])
def test_constant_hardness_is_one_bin(value, angle):
    hardness = np.full(100, value) + np.resize([0, 1e-16], 100)  # sums in another order
    rng = np.random.RandomState(0)
    rows = np.concatenate([_self_paced_draw(hardness, 40, angle, 5, rng) for _ in range(50)])
    hits = np.bincount(rows, minlength=100)
    assert len(rows) == 2000
    assert hits.min() > 4
    assert abs(hits[::2].sum() - 1000) < 100


def test_rows_of_a_bin_are_equally_likely():
    rng = np.random.RandomState(0)
    hits = np.zeros(20)
    for _ in range(2000):
        rows = _self_paced_draw(np.repeat([0.0, 1.0], 10), 10, np.pi / 2, 5, rng)
        hits += np.bincount(rows, minlength=20)
    np.testing.assert_allclose(hits / 2000, 0.5, atol=0.06)


def test_self_paced_sees_all_of_the_smallest_class_and_as_many_of_each_other(fits):
    X, y = numbered([60, 30, 10])

    class Three(Recorder):
        def predict_proba(self, X):
            return np.tile([0.2, 0.3, 0.5], (len(X), 1))

    SelfPacedEnsemble(Three(), 4, random_state=0).fit(X, y)
    assert len(fits) == 4
    for rows, labels, weight in fits:
        assert np.bincount(labels).tolist() == [10, 10, 10]
        assert weight is None
        assert set(range(90, 100)) <= set(rows[:, 0])
        assert (y[rows[:, 0].astype(int)] == labels).all()


def test_hardness_is_that_of_all_learners_so_far(fits):
    X, y = numbered([90, 30])

    def says(X, i):  # learner i is wrong on the i-th third of the majority
        return (X[:, 0] // 30 == i).astype(float)

    SelfPacedEnsemble(Recorder(says), 3, random_state=0).fit(X, y)
    drawn = np.bincount((fits[2][0][:, 0] // 30).astype(int))
    # Hardness 1/2, 1/2 and 0: two bins, of the same size in the last round. By the last learner
    # alone the second third would be a bin of its own.
    assert drawn[2] == 15
    assert drawn[0] + drawn[1] == 15
    assert drawn[3] == 30


def test_self_paced_stays_out_of_the_way_of_labels():
    X, y = draw([200, 20])
    names = {"common": "zebra", "rare": "ant"}
    flipped = np.array([names[label] for label in y])
    p = small(SelfPacedEnsemble).fit(X, y).predict_proba(X)[:, 1]
    q = small(SelfPacedEnsemble).fit(X, flipped).predict_proba(X)[:, 0]
    assert np.corrcoef(p, q)[0, 1] > 0.8


def test_bins_is_a_number():
    with pytest.raises(ValueError, match="bins is a whole number"):
        SelfPacedEnsemble(bins=0).fit(*BINARY)


# Balance cascade


def test_the_pool_shrinks_to_the_size_of_the_smallest_class(fits):
    X, y = numbered([640, 10])
    # Rows of high number are always the surest, so the pool is a start of the rows.
    BalanceCascade(Recorder(lambda X, i: 1 - X[:, 0] / 1000), 7, random_state=0).fit(X, y)
    assert len(fits) == 7
    for i, (rows, labels, _) in enumerate(fits):
        assert np.bincount(labels).tolist() == [10, 10]
        pool = 640 / 2**i  # f = (10 / 640)^(1 / 6) = 1 / 2
        majority = rows[labels == 0][:, 0]
        assert majority.max() < pool
        assert set(rows[labels == 1][:, 0]) == set(range(640, 650))
    assert majority.max() < 10


def test_the_pool_never_falls_below_the_smallest_class(fits):
    X, y = numbered([11, 10])
    BalanceCascade(Recorder(lambda X, i: 0.5 + 0 * X[:, 0]), 30, random_state=0).fit(X, y)
    assert [np.bincount(labels).tolist() for _, labels, _ in fits] == [[10, 10]] * 30


def test_equal_classes():
    X, y = draw([40, 40])
    assert np.mean(small(BalanceCascade).fit(X, y).predict(X) == y) > 0.8


def test_ties_are_broken_at_random(fits):
    """With equal confidence the rows that stay are not those that come first."""
    X, y = numbered([400, 10])
    kept = []
    for seed in range(60):
        fits.clear()
        BalanceCascade(Recorder(lambda X, i: 0 * X[:, 0]), 2, random_state=seed).fit(X, y)
        rows, labels, _ = fits[1]
        kept.extend(rows[labels == 0][:, 0])
    assert len(kept) == 600
    assert 240 < np.sum(np.array(kept) < 200) < 360


def test_surest_is_meant_of_the_sum_over_rounds(fits):
    X, y = numbered([30, 10])
    # The first learner is sure of rows 0-19; the second is a little more of 20-29.
    says = lambda X, i: np.where(X[:, 0] < 20, [0.0, 0.4, 0.5][i], [0.6, 0.3, 0.5][i])  # noqa: E731
    BalanceCascade(Recorder(says), 3, random_state=0).fit(X, y)
    assert set(fits[2][0][:, 0]) <= set(range(20, 40))


def test_each_class_has_its_pool(fits):
    class Three(Recorder):
        def predict_proba(self, X):
            p = X[:, 0] / 1000
            return np.column_stack([p, p, 1 - 2 * p])

    X, y = numbered([160, 40, 10])
    BalanceCascade(Three(), 3, random_state=0).fit(X, y)
    pools = [set(range(10)), set(range(160, 170)), set(range(200, 210))]
    rows, labels, _ = fits[2]
    for c, pool in enumerate(pools):
        assert set(rows[labels == c][:, 0]) <= pool
    first = fits[0][0][:, 0]
    assert ((first > 10) & (first < 160)).any()


# SMOTE inside


def test_bags_are_equal_and_the_share_of_copies_varies(fits):
    X, y = BINARY
    known = {tuple(row) for row in X}
    SMOTEBagging(Recorder(), 20, random_state=0).fit(X, y)
    for i, (rows, labels, weight) in enumerate(fits):
        assert np.bincount(labels).tolist() == [200, 200]
        assert weight is None
        copies = sum(tuple(row) in known for row in rows[labels == 1])
        assert copies == 200 * (i % 10 + 1) // 10
        majority = rows[labels == 0]
        assert all(tuple(row) in known for row in majority)
        assert 100 < len({tuple(row) for row in majority}) < 150  # a bootstrap: 63 %


def test_smote_rows_lie_between_two_of_their_class(fits):
    X = np.array([[0.0, 0], [1, 0], [2, 0], [50, 9], *[[100.0 + i, 5] for i in range(20)]])
    y = np.repeat([1, 0], [4, 20])
    SMOTEBagging(Recorder(), 1, shares=(0.0,), k_neighbors=2, random_state=0).fit(X, y)
    rows, labels, _ = fits[0]
    made = rows[labels == 1]
    assert len(made) == 20
    assert (made[:, 0] <= 50).all()
    assert (made[:, 1] <= 9).all()


def test_over_bagging_needs_no_neighbours(fits):
    X, y = numbered([50, 2])
    SMOTEBagging(Recorder(), 3, shares=(1.0,), random_state=0).fit(X, y)
    for rows, labels, _ in fits:
        assert np.bincount(labels).tolist() == [50, 50]
        assert set(rows[labels == 1][:, 0]) == {50, 51}


@pytest.mark.parametrize("cls", SMOTE)
def test_too_few_rows_for_smote_are_named(cls):
    X, y = draw([50, 5])
    with pytest.raises(
        ValueError, match=f"{cls.__name__}: class 'rare' has 5 rows, SMOTE needs more than 5"
    ):
        cls().fit(X, y)


@pytest.mark.parametrize("cls", SMOTE)
@pytest.mark.parametrize("nominal", [[False, True], [True, True]])
def test_codes_stay_codes(cls, nominal, fits):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [60, 15])
    X = np.column_stack([rng.integers(0, 4, 75), rng.integers(0, 3, 75)]).astype(float)
    X[:, 0] += 0 if nominal[0] else rng.normal(0, 0.2, 75)
    base = Recorder(lambda X, i: np.full(len(X), 0.1))
    cls(base, 2, categorical=np.array(nominal), random_state=0).fit(X, y)
    rows = fits[0][0]
    assert len(rows) == 120
    assert set(rows[:, 1]) <= {0.0, 1.0, 2.0}
    if nominal[0]:
        assert set(rows[:, 0]) <= {0.0, 1.0, 2.0, 3.0}


# Boosting


def test_smote_boost_without_smote_rows_is_adaboost_m2():
    """Equal classes need no SMOTE rows. Two rounds by hand, after Freund and Schapire 1996."""
    y = np.repeat([0, 1], 10)
    X = np.arange(20.0)[:, None]
    p0 = np.where(X[:, 0] < 13, 0.2, 0.9)  # rows 10 to 12 are wrong
    base = Recorder(lambda X, i: np.where(X[:, 0] < 13 - i, 0.2, 0.9))
    Recorder.fits = []
    model = SMOTEBoost(base, 2, random_state=0).fit(X, y)
    truth = np.where(y == 1, p0, 1 - p0)
    error = np.mean(1 - truth)  # half of 1 - h(x, y) + h(x, other), which add up to 1
    beta = error / (1 - error)
    weights = beta**truth
    weights /= weights.sum()
    np.testing.assert_allclose(Recorder.fits[0][2], 1)
    np.testing.assert_allclose(Recorder.fits[1][2], weights * 20)
    p1 = np.where(X[:, 0] < 12, 0.2, 0.9)
    second = weights @ (1 - np.where(y == 1, p1, 1 - p1))
    votes = np.log([(1 - error) / error, (1 - second) / second])
    np.testing.assert_allclose(model.estimator_weights_, votes)
    expected = (votes[0] * p0 + votes[1] * p1) / votes.sum()
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expected)


def test_smote_rows_are_new_each_round_and_weigh_like_a_row(fits):
    X, y = BINARY
    base = Recorder(lambda X, i: np.where(X.sum(axis=1) > 1, 0.8, 0.1))
    SMOTEBoost(base, 3, random_state=0).fit(X, y)
    for rows, labels, weight in fits:
        assert np.bincount(labels).tolist() == [200, 200]
        np.testing.assert_array_equal(rows[:220], X)
        np.testing.assert_allclose(weight[220:], 1)
        assert weight[:220].sum() == pytest.approx(220)
    assert np.abs(fits[0][0][220:] - fits[1][0][220:]).max() > 0
    assert fits[1][2][:220].std() > 0.1


@pytest.mark.parametrize("cls", BOOSTING)
def test_a_first_learner_no_better_than_chance(cls):
    X, y = BINARY
    base = Recorder(lambda X, i: np.full(len(X), 0.5))
    with pytest.raises(ValueError, match=f"{cls.__name__}: the first learner is no better"):
        small(cls, estimator=base).fit(X, y)


@pytest.mark.parametrize("cls", BOOSTING)
def test_a_later_learner_no_better_than_chance_ends_it(cls):
    X, y = BINARY
    truth = {tuple(row): label == "rare" for row, label in zip(X, y, strict=True)}

    def says(X, i):
        right = np.array([truth.get(tuple(row), False) for row in X], float)
        return np.full(len(X), 0.5) if i == 2 else 0.1 + 0.8 * right

    Recorder.fits = []
    model = small(cls, estimator=Recorder(says), n_estimators=9).fit(X, y)
    assert len(model.estimators_) == len(model.estimator_weights_) == 2


def test_a_perfect_learner_ends_smote_boost():
    X, y = numbered([20, 10])
    model = SMOTEBoost(DecisionTreeClassifier(), 9, random_state=0).fit(X, y)
    assert len(model.estimators_) == 1
    assert np.isfinite(model.predict_proba(X)).all()
    assert (model.predict(X) == y).all()


def test_ada_cost_by_hand(fits):
    X, y = numbered([3, 1])
    says = lambda X, i: np.array([[0.1, 0.2, 0.6, 0.9], [0.1, 0.1, 0.1, 0.7]][i])  # noqa: E731
    model = AdaCost(Recorder(says), 2, cost=(1, 3)).fit(X, y)
    cost = np.array([0.25, 0.25, 0.25, 0.75])
    weights = cost / cost.sum()
    np.testing.assert_allclose(fits[0][2], weights * 4)
    margin = np.array([0.8, 0.6, -0.2, 0.8])  # y h: the third is wrong
    beta = np.array([0.375, 0.375, 0.625, 0.125])
    r = np.sum(weights * margin * beta)
    alpha = 0.5 * np.log((1 + r) / (1 - r))
    weights = weights * np.exp(-alpha * margin * beta)
    weights /= weights.sum()
    np.testing.assert_allclose(fits[1][2], weights * 4)
    second = np.sum(weights * np.array([0.8, 0.8, 0.8, 0.4]) * [0.375, 0.375, 0.375, 0.125])
    np.testing.assert_allclose(
        model.estimator_weights_, [alpha, 0.5 * np.log((1 + second) / (1 - second))]
    )
    score = model.estimator_weights_ @ [[-0.8, -0.6, 0.2, 0.8], [-0.8, -0.8, -0.8, 0.4]]
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 1 / (1 + np.exp(-2 * score)))


def test_ada_cost_default_is_inverse_frequency():
    X, y = BINARY
    default = small(AdaCost).fit(X, y).predict_proba(X)
    stated = small(AdaCost, cost=(1 / 200, 1 / 20)).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(default, stated)


def test_a_dearer_class_is_found_more_often():
    X, y = BINARY
    found = [
        (small(AdaCost, n_estimators=20, cost=(1, c)).fit(X, y).predict(X) == "rare").sum()
        for c in (1, 10, 100)
    ]
    assert found[0] < found[2]
    assert found == sorted(found)


@pytest.mark.parametrize("cost", [(1,), (1, 2, 3), (0, 1), (1, -1), (1, np.inf)])
def test_costs_are_two_positive_numbers(cost):
    with pytest.raises(ValueError, match="cost is two positive numbers"):
        small(AdaCost, cost=cost).fit(*BINARY)


def test_ada_cost_takes_two_classes():
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        small(AdaCost).fit(*THREE)


# Strategies


@pytest.fixture
def make(study):
    def cell(dataset="binary"):
        return Cell(study, Task(dataset, "ensemble", "tree", "tried", 0))

    return cell


@pytest.mark.parametrize("strategy", [under_bagging, over_bagging])
def test_bootstraps_of_equal_size(make, monkeypatch, fits, strategy):
    cell = make("four")
    monkeypatch.setattr(cell, "make", lambda **_: Recorder())
    strategy(cell, n_estimators=3)
    c = 3 if strategy is under_bagging else 0
    for rows, labels, _ in fits:
        assert np.bincount(labels).tolist() == [cell.class_counts[c]] * 4
        # With replacement: of a class drawn at its own size some rows are missing.
        different = {tuple(row) for row in rows[labels == c]}
        assert 1 < len(different) < cell.class_counts[c]
    assert not np.array_equal(fits[0][0], fits[1][0])


def test_easy_ensemble_has_twenty_trees(make):
    model = easy_ensemble(make())
    assert len(model.estimators_) == 4
    for bag in model.estimators_:
        assert bag[-1].n_estimators == 5
        assert len(bag[-1].estimators_) <= 5


def test_boosted_trees_are_shallow(make):
    cell = make()
    for strategy in (smote_boost, rus_boost, ada_cost):
        model = strategy(cell)
        assert all(tree.max_depth == 3 for tree in model.estimators_)


@pytest.mark.parametrize("strategy", [smote_bagging, smote_boost])
def test_what_smote_needs_is_the_reason(make, strategy):
    cell = make()
    with pytest.raises(NotApplicable, match=r"rows, SMOTE needs more than 99 neighbours"):
        strategy(cell, k_neighbors=99)


def test_ada_cost_does_not_apply_to_several_classes(make):
    with pytest.raises(NotApplicable, match="defined for two classes"):
        ada_cost(make("four"))


def test_sizes_are_checked_before_anything_is_fitted():
    with pytest.raises(StudyError, match="n_estimators is a whole number of at least 1, not 0"):
        resolve("ensemble", "self_paced", {"n_estimators": 0})
    with pytest.raises(StudyError, match="bags is a whole number"):
        resolve("ensemble", "easy_ensemble", {"bags": 1.5})


def test_no_warnings(make, recwarn):
    cell = make("mixed")
    for name, definition in definitions("ensemble").items():
        if definition.by_key:
            continue
        few = {"n_estimators": 2, "random_steps": 6, "update_steps": 6}
        few = {key: few[key] for key in few if key in definition.parameters()}
        resolve("ensemble", name, few)[0](cell)
    assert [str(w.message) for w in recwarn] == []


def test_a_dummy_learner_gives_the_shares_of_the_bags():
    X, y = BINARY
    model = small(SelfPacedEnsemble, estimator=clone(DummyClassifier(strategy="prior"))).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X), 0.5)
