"""MESA: its state, sampling, reward, meta-sampler, and what its learners see."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from imbbench.bench.cell import Cell, Task
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.errors import StudyError
from imbbench.strategies.ensemble import mesa
from imbbench.strategies.ensemble.mesa import (
    MESA,
    _draw,
    _error_histogram,
    _GrowingEnsemble,
    _log_weights,
)
from imbbench.strategies.ensemble.soft_actor_critic import SoftActorCritic

QUICK = {"n_estimators": 4, "random_steps": 5, "update_steps": 5}


@parametrize_with_checks([MESA(n_estimators=3, random_steps=2, update_steps=2)])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    """Training and validation part, the rare class called "a"."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(["b", "a"], [250, 50]))
    X = rng.normal(1.5 * (y == "a")[:, None], 1.0, (300, 3))
    X = X.astype(np.float32)  # as trees see it
    return X[:200], y[:200], X[200:], y[200:]


def growing(model, X, y, X_val, y_val):
    """The ensemble that the meta-sampler of ``model`` acts on."""
    X, codes, rng = model._start(X, y)
    model.minority_ = int(np.bincount(codes).argmin())
    return _GrowingEnsemble(model, X, codes, X_val, np.searchsorted(model.classes_, y_val), rng)


# The state and the sampling, compared with the authors' code


def test_state_is_that_of_the_authors_code():
    training = np.array([0.02, 0.1, 0.15, 0.31, 0.45, 0.58, 0.66, 0.9])
    validation = np.array([0.05, 0.2, 0.35, 0.5, 0.8])
    found = [*_error_histogram(training, 5), *_error_histogram(validation, 5)]
    expected = [1.875, 0.625, 0.625, 1.25, 0.625, 1.0, 1.0, 1.0, 1.0, 1.0]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_state_of_an_ensemble_counts_the_majority_of_both_parts():
    """The same numbers; the errors of the minority, which also occur, do not count."""
    p = [0.02, 0.1, 0.15, 0.31, 0.45, 0.58, 0.66, 0.9, 0.07, 0.24]
    p_val = [0.05, 0.2, 0.35, 0.5, 0.8, 0.6, 0.9]

    class Known(ClassifierMixin, BaseEstimator):
        """The first column is the probability."""

        def fit(self, X, y):
            self.fitted_ = True
            return self

        def predict_proba(self, X):
            return np.column_stack([1 - X[:, 0], X[:, 0]])

    y, y_val = np.arange(10) > 7, np.arange(7) > 4
    X, X_val = np.array(p)[:, None], np.array(p_val)[:, None]
    ensemble = growing(MESA(Known(), 3, random_state=0), X, y, X_val, y_val)
    expected = [1.875, 0.625, 0.625, 1.25, 0.625, 1.0, 1.0, 1.0, 1.0, 1.0]
    np.testing.assert_allclose(ensemble.restart(), expected)
    np.testing.assert_allclose(ensemble.step(0.5)[0], expected)
    np.testing.assert_allclose(ensemble.errors()[0], p[:8])
    np.testing.assert_allclose(ensemble.errors()[1], p_val[:5])
    assert ensemble.score == pytest.approx(average_precision_score(y_val, p_val))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.integers(1, 7))
def test_histogram_takes_any_errors(errors, bins):
    found = _error_histogram(np.array(errors), bins)
    assert found.shape == (bins,)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(bins)


def test_equal_errors_stay_in_one_bin_whatever_their_last_bits():
    errors = np.array([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1]) / 3
    assert errors[0] != errors[1]
    assert _error_histogram(errors, 5).max() == 5


ERRORS = np.array([0.01, 0.05, 0.12, 0.2, 0.33, 0.4, 0.47, 0.55, 0.62, 0.71, 0.86, 0.97])
SAMPLING = {
    0.1: [
        0.18458393932502323,
        0.19796778505421933,
        0.20323324624078445,
        0.18025171951132213,
        0.10543601918337299,
        0.06631090184401672,
        0.03689604322827015,
        0.016250185363751887,
        0.0069542592647311155,
        0.0019505362128241794,
        0.00014947207628652882,
        1.58926953973355e-05,
    ],
    0.5: [
        0.008531523193425011,
        0.01365038756877924,
        0.028219632242753374,
        0.05570210369570326,
        0.11955397159356629,
        0.15141401628297158,
        0.16965516139387002,
        0.16629576411791483,
        0.14331111760381957,
        0.09886624880850493,
        0.03395438188810294,
        0.010845691610588905,
    ],
    0.9: [
        1.512883029150602e-05,
        3.61111692239226e-05,
        0.00015033290690374338,
        0.000660404294082762,
        0.005200979302646117,
        0.013264574833030977,
        0.029929569412857775,
        0.06529052559245253,
        0.113306545218924,
        0.19225967559041507,
        0.2959223045640209,
        0.28396384828515064,
    ],
}


@pytest.mark.parametrize("mu", SAMPLING)
def test_sampling_probabilities_are_those_of_the_authors_code(mu):
    weights = _log_weights(ERRORS, mu, 0.2)
    np.testing.assert_allclose(softmax(weights), SAMPLING[mu], rtol=1e-10)
    rng = np.random.RandomState(0)
    drawn = np.bincount([_draw(weights, 1, rng)[0] for _ in range(20_000)], minlength=12)
    # Four standard deviations of a share in 20 000 are at most 0.014.
    np.testing.assert_allclose(drawn / 20_000, SAMPLING[mu], atol=0.014)


def test_rows_are_drawn_one_after_the_other_without_replacement():
    """The second row follows the weights that are left."""
    p = np.array([0.6, 0.3, 0.1])
    rng = np.random.RandomState(0)
    pairs = [frozenset(_draw(np.log(p), 2, rng).tolist()) for _ in range(20_000)]
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        expected = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        assert np.mean([pair == {i, j} for pair in pairs]) == pytest.approx(expected, abs=0.014)


@given(st.integers(1, 12), st.floats(0, 1), st.floats(1e-3, 10))
def test_as_many_rows_as_asked_for_however_narrow_the_weights(size, mu, sigma):
    rows = _draw(_log_weights(ERRORS, mu, sigma), size, np.random.RandomState(0))
    assert len(set(rows.tolist())) == size
    assert set(rows) <= set(range(12))


# The ensemble that grows


class Recorder(DecisionTreeClassifier):
    """Tree that writes down what it is shown."""

    log = []

    def fit(self, X, y):
        self.log.append(("fit", X.copy(), y.copy()))
        return super().fit(X, y)

    def predict_proba(self, X):
        self.log.append(("predict", X.copy(), None))
        return super().predict_proba(X)


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.setattr(Recorder, "log", [])
    return Recorder(max_depth=3)


def rows(X):
    return {tuple(row) for row in X}


def test_learners_are_fitted_to_all_minority_and_as_many_majority_rows(data, recorder):
    X, y, X_val, y_val = data
    MESA(recorder, random_state=0, **QUICK).fit(X, y, X_val, y_val)
    rare = y == "a"
    fits = [(X, y) for kind, X, y in recorder.log if kind == "fit"]
    # 10 steps of meta-training in ensembles of 4, one first learner each, and 4 in the end.
    assert len(fits) == 10 + 4 + 4
    for shown, labels in fits:
        assert labels.tolist() == [1] * rare.sum() + [0] * rare.sum()  # "a" is 0
        assert rows(shown[labels == 0]) == rows(X[rare])
        assert rows(shown[labels == 1]) <= rows(X[~rare])
        assert len(rows(shown)) == 2 * rare.sum()


def test_nothing_but_training_majority_and_validation_part_is_predicted(data, recorder):
    X, y, X_val, y_val = data
    MESA(recorder, random_state=0, **QUICK).fit(X, y, X_val, y_val)
    shown = [X for kind, X, _ in recorder.log if kind == "predict"]
    assert all(rows(part) == rows(X[y == "b"]) | rows(X_val) for part in shown)


def test_a_validation_part_is_set_aside(data, recorder):
    X, y, _, _ = data
    model = MESA(recorder, random_state=0, **QUICK).fit(X, y)
    fitted = set().union(*(rows(X) for kind, X, _ in recorder.log if kind == "fit"))
    watched = rows(next(X for kind, X, _ in recorder.log if kind == "predict"))
    n_rare = (y == "a").sum()
    aside = rows(X[y == "a"]) - fitted
    assert len(aside) == round(n_rare / 5)
    assert aside <= watched
    assert len(watched) == (y == "b").sum() + len(aside)
    assert len(model.estimators_) == 4


@pytest.mark.parametrize(("counts", "aside"), [((2, 2), (1, 1)), ((90, 3), (18, 1))])
def test_part_set_aside_has_rows_of_both_classes(counts, aside, recorder):
    X = np.arange(float(sum(counts)))[:, None]
    MESA(recorder, random_state=0, **QUICK).fit(X, np.repeat([0, 1], counts))
    n_majority = counts[0] - aside[0]
    watched = next(X for kind, X, _ in recorder.log if kind == "predict")
    assert len(watched) == n_majority + sum(aside)
    fitted = next(y for kind, _, y in recorder.log if kind == "fit")
    assert fitted.sum() == counts[1] - aside[1]


def test_reward_is_a_hundred_times_the_gain_in_average_precision(data):
    _, _, X_val, y_val = data
    model = MESA(DecisionTreeClassifier(max_depth=3), 4, random_state=0)
    ensemble = growing(model, *data)
    ensemble.restart()
    found, done = [], []
    for mu in (0.2, 0.5, 0.8):
        _, reward, last = ensemble.step(mu)
        found.append(reward)
        done.append(last)
    assert done == [False, False, True]
    each = [tree.predict_proba(X_val)[:, 0] for tree in model.estimators_]
    scores = [
        average_precision_score(y_val == "a", np.mean(each[: k + 1], axis=0)) for k in range(4)
    ]
    np.testing.assert_allclose(found, 100 * np.diff(scores), atol=1e-9)
    assert np.abs(found).max() > 0.1


def test_mu_decides_which_rows_are_drawn(data, recorder):
    X, y, _, _ = data
    easy_and_hard = []
    for mu in (0.0, 1.0):
        ensemble = growing(MESA(recorder, sigma=0.1, random_state=0), *data)
        ensemble.restart()
        p = ensemble.errors()[0]
        recorder.log.clear()
        ensemble.step(mu)
        drawn = rows(recorder.log[0][1])
        easy_and_hard.append(p[[tuple(row) in drawn for row in X[y == "b"]]].mean())
    assert easy_and_hard[0] + 0.2 < easy_and_hard[1]


# The meta-sampler


def agent(**settings):
    return SoftActorCritic(MESA(bins=1, **settings), seed=0)


STATE = np.array([1.0, 0.5])  # of one bin


@pytest.mark.parametrize(("done", "value"), [(True, 1.0), (False, 2.0)])
def test_last_steps_are_worth_their_reward_others_also_what_follows(done, value):
    """1 + 0.5 + 0.25 + … = 2; with the authors' mask the two are the other way round."""
    learner = agent(gamma=0.5, tau=0.2, alpha=0.0, learning_rate=0.02)
    rng = np.random.default_rng(0)
    for action in rng.random(100):
        learner.remember(STATE, action, 1.0, done, STATE)
    for _ in range(200):
        learner.learn()
    with torch.no_grad():
        state = torch.tensor(STATE, dtype=torch.float32)[None]
        found = learner.value(state, torch.tensor([[0.5]]), learner.critics)
    np.testing.assert_allclose(found.ravel(), value, atol=0.1)


def test_what_follows_is_worth_the_lower_target_and_the_entropy():
    learner = agent(gamma=0.5, alpha=5.0)
    learner.policy[-1].data[0, 1] = -3.0  # a narrow policy, whose entropy is far below zero
    for parameter in learner.targets:
        parameter.zero_()
    learner.targets[-1][:, 0, 0] = torch.tensor([100.0, 3.0])
    following = torch.tensor(STATE, dtype=torch.float32).repeat(20_000, 1)
    one = torch.ones(20_000, 1)
    found = learner.goal(7 * one, 0 * one, following).mean().item()
    with torch.no_grad():
        entropy = -learner.sample(following)[1].mean().item()
    assert entropy < -1
    assert found == pytest.approx(7 + 0.5 * (3 + 5 * entropy), abs=0.1)
    torch.testing.assert_close(learner.goal(7 * one, one, following), 7 * one)


def test_the_policy_learns_the_best_action_for_each_state():
    learner = agent(learning_rate=1e-2)
    rng = np.random.default_rng(0)
    states = {0.8: np.array([2.0, 0.0]), 0.3: np.array([0.0, 2.0])}
    for _ in range(400):
        for best, state in states.items():
            action = rng.random()
            learner.remember(state, action, -20 * (action - best) ** 2, True, state)
    for _ in range(400):
        learner.learn()
    for best, state in states.items():
        drawn = [learner.act(state) for _ in range(200)]
        assert np.mean(drawn) == pytest.approx(best, abs=0.1)
        assert 0.01 < np.std(drawn) < 0.2


def test_density_of_actions():
    """Beside a histogram of actions, and it integrates to one."""
    learner = agent()
    states = torch.tensor(STATE, dtype=torch.float32).repeat(200_000, 1)
    with torch.no_grad():
        actions, density = learner.sample(states)
    assert 0 <= actions.min() <= actions.max() <= 1
    inside = (actions > 0.2) & (actions < 0.8)
    # The mean of 1 / density over draws in an interval is its length.
    found = float((inside * torch.exp(-density)).mean())
    assert found == pytest.approx(0.6, rel=0.02)


def test_the_replay_forgets_the_oldest():
    learner = agent()
    for n in range(learner.CAPACITY + 3):
        learner.remember(STATE, 0.5, n, False, STATE + n)
    rewards = sorted(learner.memory[:, 3].tolist())
    assert rewards == list(range(3, learner.CAPACITY + 3))
    np.testing.assert_allclose(learner.memory[2].tolist(), [1, 0.5, 0.5, 1002, 0, 1003, 1002.5])


def test_critics_start_apart_and_targets_follow_slowly():
    learner = agent()
    weight = learner.critics[0].detach()
    assert (weight[0] - weight[1]).abs().max() > 0.1
    before = [t.clone() for t in learner.targets]
    for action in np.random.default_rng(0).random(64):
        learner.remember(STATE, action, action, False, STATE)
    learner.learn()
    for old, target, critic in zip(before, learner.targets, learner.critics, strict=True):
        torch.testing.assert_close(target, 0.99 * old + 0.01 * critic.detach())
    assert not any(target.requires_grad for target in learner.targets)


# The estimator


def test_the_policy_acts_after_random_steps_and_learns_with_each_step(data, monkeypatch):
    calls = []
    for name in ("act", "remember", "learn"):
        method = getattr(SoftActorCritic, name)

        def spy(self, *values, name=name, method=method):
            calls.append((name, *values))
            return method(self, *values)

        monkeypatch.setattr(SoftActorCritic, name, spy)
    model = MESA(n_estimators=4, random_steps=7, update_steps=4, random_state=0).fit(*data)
    steps = ["remember"] * 7 + ["act", "remember", "learn"] * 4 + ["act"] * 3
    assert [name for name, *_ in calls] == steps
    # Ensembles of four learners, the first of which needs no action.
    kept = [values for name, *values in calls if name == "remember"]
    assert [done for _, _, _, done, _ in kept] == ([False, False, True] * 4)[:11]
    for n, (state, *_) in enumerate(kept):
        assert n == 0 or np.array_equal(state, kept[n - 1][4]) == (n % 3 != 0)
    assert len(model.history_) == 3


def test_first_ensembles_explore_and_the_last_follows_the_policy(data):
    model = MESA(n_estimators=6, random_steps=10, update_steps=10, random_state=0).fit(*data)
    assert len(model.estimators_) == 6
    assert len(model.actions_) == 5
    assert all(0 <= mu <= 1 for mu in model.actions_)
    assert len(model.history_) == 20 // 5
    assert all(0 <= score <= 1 for score in model.history_)


def test_seed_decides_and_no_global_generator_is_touched(data):
    X, y, X_val, y_val = data
    np.random.seed(3)  # noqa: NPY002
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = MESA(random_state=0, **QUICK).fit(X, y, X_val, y_val)
    torch.testing.assert_close(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    torch.manual_seed(99)
    again = MESA(random_state=0, **QUICK).fit(X, y, X_val, y_val)
    assert first.actions_ == again.actions_
    np.testing.assert_array_equal(first.predict_proba(X_val), again.predict_proba(X_val))
    other = MESA(random_state=1, **QUICK).fit(X, y, X_val, y_val)
    assert first.actions_ != other.actions_


def test_arrays_are_left_alone(data):
    for array in data:
        array.flags.writeable = False
    MESA(random_state=0, **QUICK).fit(*data)


def test_probabilities_are_the_mean_of_the_learners(data):
    X, y, X_val, y_val = data
    model = MESA(random_state=0, **QUICK).fit(X, y, X_val, y_val)
    assert model.classes_.tolist() == ["a", "b"]
    assert model.minority_ == 0
    found = model.predict_proba(X_val)
    mean = np.mean([tree.predict_proba(X_val) for tree in model.estimators_], axis=0)
    np.testing.assert_allclose(found, mean)
    assert (model.predict(X_val) == np.where(mean[:, 0] >= 0.5, "a", "b")).all()
    assert average_precision_score(y_val == "a", found[:, 0]) > 0.4
    same = pickle.loads(pickle.dumps(model)).predict_proba(X_val)
    np.testing.assert_array_equal(found, same)


def test_the_rarer_class_is_found_wherever_it_sorts(data):
    X, y, X_val, y_val = data
    for labels, labels_val in [(y, y_val), (y == "a", y_val == "a")]:
        model = MESA(random_state=0, **QUICK).fit(X, labels, X_val, labels_val)
        p = model.predict_proba(X_val)[:, model.minority_]
        assert average_precision_score(y_val == "a", p) > 0.4


def test_each_learner_gets_a_seed_of_its_own_wherever_it_takes_one(data):
    base = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_features=1))
    model = MESA(base, random_state=0, **QUICK).fit(*data)
    seeds = {m[-1].random_state for m in model.estimators_}
    assert len(seeds) == 4
    assert base[-1].random_state is None
    again = MESA(clone(base), random_state=0, **QUICK).fit(*data)
    assert {m[-1].random_state for m in again.estimators_} == seeds


def test_one_learner_needs_no_policy(data):
    model = MESA(n_estimators=1, random_state=0).fit(*data)
    assert len(model.estimators_) == 1
    assert model.actions_ == model.history_ == []


def test_equal_classes(data):
    X, _, X_val, y_val = data
    y = np.repeat(["a", "b"], 100)
    model = MESA(random_state=0, **QUICK).fit(X, y, X_val, y_val)
    assert model.minority_ == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"estimator": RidgeClassifier()}, "learner with predict_proba, unlike RidgeClassifier"),
        ({"n_estimators": 0}, "n_estimators is a whole number of at least 1, not 0"),
        ({"bins": 0}, "bins is a whole number"),
        ({"update_steps": 0}, "update_steps is a whole number"),
        ({"sigma": 0.0}, "sigma must be positive"),
    ],
)
def test_parameters_out_of_range(data, settings, message):
    with pytest.raises(ValueError, match=message):
        MESA(**settings).fit(*data)


def test_data_that_make_no_sense(data):
    X, y, X_val, y_val = data
    with pytest.raises(ValueError, match="Only binary classification"):
        MESA().fit(X, np.arange(200) % 3)
    with pytest.raises(ValueError, match="one class"):
        MESA().fit(X, np.zeros(200))
    with pytest.raises(ValueError, match="needs two rows of each class"):
        MESA().fit(X, np.arange(200) == 7)
    with pytest.raises(ValueError, match="both X_val and y_val"):
        MESA().fit(X, y, X_val)
    with pytest.raises(ValueError, match="rows of the two classes of y"):
        MESA().fit(X, y, X_val, np.full(len(X_val), "b"))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        MESA().fit(X, y, X_val, y_val[:-1])


# The strategy


@pytest.fixture
def make(study):
    def cell(dataset):
        return Cell(study, Task(dataset, "ensemble", "tree", "mesa", 0))

    return cell


def test_the_strategy_uses_the_validation_part_of_the_cell(make, monkeypatch):
    cell, got = make("mixed"), []
    fit = MESA.fit

    def spy(self, *arrays):
        got.extend(arrays)
        return fit(self, *arrays)

    monkeypatch.setattr(MESA, "fit", spy)
    model = mesa(cell, n_estimators=3, random_steps=3, update_steps=3)
    assert [a is b for a, b in zip(got, (cell.X, cell.y, cell.X_val, cell.y_val), strict=True)] == (
        [True] * 4
    )
    assert model.estimators_[0].categorical.sum() == 2
    assert model.random_state == cell.seed
    assert model.predict_proba(cell.X_val).shape == (len(cell.y_val), 2)


def test_the_strategy_is_for_two_classes(make):
    with pytest.raises(NotApplicable, match="MESA is defined for two classes"):
        mesa(make("four"))


def test_values_of_an_entry_are_checked_before_anything_is_fitted():
    with pytest.raises(StudyError, match="n_estimators is a whole number"):
        resolve("ensemble", "mesa", {"n_estimators": 0})
