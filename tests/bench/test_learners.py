import inspect
import pickle
import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from imbbench.bench.learners import Imported, LogReg, classifier, one_hot
from imbbench.bench.registry import LEARNERS
from imbbench.errors import StudyError

# Learners of arrays; others take texts or images and are tested with their own data.
ARRAYS = {
    name: cls
    for name, cls in LEARNERS.items()
    if set(cls.features.values()) <= {"matrix", "tfidf", "embedding", "pixels"}
}
QUICK = {"max_iter": 10, "hidden": (16,), "epochs": 20, "batch_size": 16}
MINI_BATCHES = "mini-batches: weighting a row twice is not the same as showing it twice"
LEAVES = "a leaf holds at least so many rows, whatever they weigh"
SKETCH = "quantiles of weighted rows are found to a tolerance"
EXPECTED = {
    "HistGradientBoosting": {"check_sample_weight_equivalence_on_dense_data": LEAVES},
    "XGBoost": {
        f"check_sample_weight_equivalence_on_{kind}_data": SKETCH for kind in ("dense", "sparse")
    },
    "MLP": {"check_sample_weight_equivalence_on_dense_data": MINI_BATCHES},
    "CNN": {"check_sample_weight_equivalence_on_dense_data": MINI_BATCHES},
    "MiniLMHead": {"check_sample_weight_equivalence_on_dense_data": MINI_BATCHES},
}


def quick(cls, **others):
    settings = {
        key: value for key, value in QUICK.items() if key in inspect.signature(cls).parameters
    }
    return cls(**{**settings, **others})


@parametrize_with_checks(
    [quick(cls) for cls in ARRAYS.values()],
    expected_failed_checks=lambda estimator: EXPECTED.get(type(estimator).__name__, {}),
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [60, 30, 10])
    X = rng.normal(y[:, None], 1.0, (100, 3))
    codes = rng.integers(0, 3, 100)
    return np.column_stack([X, codes]).astype(float), y


@pytest.mark.parametrize("name", ARRAYS)
def test_a_learner_keeps_to_the_contract(name, data):
    X, y = data
    learner = quick(LEARNERS[name], random_state=0)
    learner.set_params(categorical=np.array([False, False, False, True]))
    model = clone(learner).fit(X, y)
    assert not hasattr(learner, "classes_")
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (100, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert model.classes_.tolist() == [0, 1, 2]
    assert (model.predict(X) == probabilities.argmax(axis=1)).all()
    again = clone(learner).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(probabilities, again)
    X[:, 3] = [-1.0, 7.0] * 50  # categories never seen
    assert np.isfinite(model.predict_proba(X)).all()


def test_codes_are_spread_out_for_a_linear_model():
    codes = np.tile([0.0, 1.0, 2.0], 30)[:, None]
    y = (codes[:, 0] == 1).astype(int)  # the middle code: no threshold on the code separates it
    assert LogReg().fit(codes, y).predict_proba(codes)[1, 1] < 0.5
    assert LogReg(categorical=np.array([True])).fit(codes, y).predict_proba(codes)[1, 1] > 0.8


def test_wide_categories_count_as_numbers():
    codes = np.arange(600.0)[:, None]
    y = (codes[:, 0] > 300).astype(int)
    model = LEARNERS["hgb"](categorical=np.array([True])).fit(codes, y)
    assert np.mean(model.predict(codes) == y) > 0.99


def test_one_hot_spreads_the_codes_first_and_passes_the_others_on():
    X = np.array([[0.5, 1.0], [2.5, -1.0], [3.5, 1.0]])
    coder = one_hot(np.array([False, True])).fit(X)
    assert coder.transform(X).tolist() == [[0, 1, 0.5], [1, 0, 2.5], [0, 1, 3.5]]
    assert coder.transform([[4.0, 7.0]]).tolist() == [[0, 0, 4]]  # a code never seen


def test_wide_codes_are_spread_out_sparsely():
    """3000 rows of 3000 levels are 69 MiB as a dense array."""
    X, y = np.arange(3000.0)[:, None], (np.arange(3000) % 9 == 0).astype(int)
    tracemalloc.start()
    LogReg(categorical=np.array([True])).fit(X, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20
    assert not sparse.issparse(one_hot(np.array([True])).fit_transform(X % 20))


@pytest.mark.parametrize("learner", ["logreg", "tree", "xgboost", "mlp"])
def test_wide_codes_teach_what_narrow_ones_do(learner):
    """A level with all others of its class, among so many that the coding is sparse."""
    codes = np.concatenate([np.repeat([0.0, 1.0], 60), np.arange(2.0, 82.0)])
    y = (codes % 2).astype(int)
    X = np.column_stack([codes, np.random.default_rng(0).normal(size=len(y))])
    mask = np.array([True, False])
    assert sparse.issparse(one_hot(mask).fit_transform(X))
    model = LEARNERS[learner](categorical=mask, random_state=0).fit(X, y)
    assert model.predict_proba(X[[0, 60]]).argmax(axis=1).tolist() == [0, 1]
    assert np.isfinite(model.predict_proba([[-1.0, 0.0]])).all()


def test_boosting_runs_all_its_rounds(data):
    """Stopping early would stop strategies at different times."""
    X, y = data
    assert LEARNERS["hgb"](max_iter=150).fit(X, y).n_iter_ == 150


# Learners by their class

FOREST = {"class": "sklearn.ensemble.RandomForestClassifier", "n_estimators": 5}
NEIGHBOURS = {"class": "sklearn.neighbors.KNeighborsClassifier", "n_neighbors": 3}
# Computes in single precision, and knows classes 0 to C - 1 only.
XGBOOST = {"class": "xgboost.XGBClassifier", "n_estimators": 3}


@pytest.mark.parametrize("settings", [FOREST, NEIGHBOURS, XGBOOST], ids=lambda s: s["class"])
def test_a_classifier_of_any_library_keeps_to_the_contract(settings, data):
    X, y = data
    X = X[:, [3, 0, 1, 2]]
    nominal = np.array([True, False, False, False])
    names = np.array(["a", "c", "e"])[y]
    learner = Imported(**settings, categorical=nominal, random_state=0)
    model = pickle.loads(pickle.dumps(clone(learner).fit(X, names)))
    assert not hasattr(learner, "classes_")
    probabilities = model.predict_proba(X)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert model.classes_.tolist() == ["a", "c", "e"]
    assert model.model_.n_features_in_ == 6  # three codes are three columns
    again = clone(learner).fit(X, names).predict_proba(X)
    np.testing.assert_array_equal(probabilities, again)
    assert (model.predict(X) == model.classes_[probabilities.argmax(axis=1)]).all()


def test_its_parameters_seed_and_threads_reach_the_classifier(data):
    learner = Imported(**FOREST, random_state=7)
    model = learner.fit(*data).model_
    assert (model.n_estimators, model.random_state, model.n_jobs) == (5, 7, 1)
    model = clone(learner).set_params(n_estimators=2, random_state=1).fit(*data).model_
    assert (model.n_estimators, model.random_state) == (2, 1)
    assert learner.get_params() == {**FOREST, "random_state": 7, "categorical": None}


def test_weights_reach_the_classifier_or_are_refused(data):
    X, y = data
    weights = np.where(y == 2, 10.0, 1.0)
    by_hand = classifier(FOREST["class"])(n_estimators=5, random_state=0, n_jobs=1)
    by_hand.fit(X, y, sample_weight=weights)
    model = Imported(**FOREST, random_state=0).fit(X, y, sample_weight=weights)
    np.testing.assert_array_equal(model.predict_proba(X), by_hand.predict_proba(X))
    with pytest.raises(ValueError, match="KNeighborsClassifier takes no weights of rows"):
        Imported(**NEIGHBOURS).fit(X, y, sample_weight=weights)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_library.Forest", "cannot be imported: No module named 'no_such_library'"),
        ("sklearn.ensemble.Forest", "cannot be imported: .*no attribute 'Forest'"),
        ("Forest", "class Forest cannot be imported"),
        (5, "class 5 cannot be imported"),
        ("sklearn.ensemble", "is no classifier in scikit-learn's manner"),
        ("collections.Counter", "is no classifier in scikit-learn's manner"),
    ],
)
def test_a_path_that_names_no_classifier_is_refused(path, message):
    with pytest.raises(StudyError, match=message):
        classifier(path)


def test_a_classifier_without_probabilities_is_refused(data):
    with pytest.raises(ValueError, match="LinearSVC has no predict_proba with these settings"):
        Imported(**{"class": "sklearn.svm.LinearSVC"}).fit(*data)


class Doubtful(LogReg):
    """Gives probabilities that sum to two."""

    def predict_proba(self, X):
        return 2 * super().predict_proba(X)


def test_what_is_far_from_one_is_not_made_one(data):
    model = Imported(**{"class": f"{__name__}.Doubtful"}).fit(*data)
    np.testing.assert_allclose(model.predict_proba(data[0]).sum(axis=1), 2)


class Talkative(LogReg):
    """Tells of every round."""

    def fit(self, X, y, sample_weight=None):
        print("a round")
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        print("a row")
        return super().predict_proba(X)


def test_what_a_library_prints_is_not_shown(data, capsys):
    model = Imported(**{"class": f"{__name__}.Talkative"}).fit(*data)
    model.predict_proba(data[0])
    assert capsys.readouterr().out == ""
    print("heard")
    assert capsys.readouterr().out == "heard\n"
