"""Family posthoc: what each entry must be equal to. The maths: test_posthoc_corrections.py."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss
from sklearn.model_selection import (
    PredefinedSplit,
    TunedThresholdClassifierCV,
    cross_val_predict,
)

from imbbench import config
from imbbench.bench import metrics
from imbbench.bench.cell import Cell, Task
from imbbench.bench.metrics import label_metrics
from imbbench.bench.protocol import stratified_group_folds, threshold_of
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.bench.scoring import run_cell
from imbbench.errors import StudyError
from imbbench.strategies import loss as losses
from imbbench.strategies import schedule, weighting
from imbbench.strategies.loss.focal import FocalLoss
from imbbench.strategies.loss.logit_adjusted import LogitAdjustedLoss
from imbbench.strategies.posthoc import (
    cost_threshold,
    cross_fitted,
    isotonic,
    logit_adjustment,
    logit_adjustment_tuned,
    platt,
    temperature,
    threshold,
    tuned_cost,
    tuned_f1,
)
from imbbench.strategies.posthoc.corrected import adjusted

ALL = config.load(Path(__file__).parents[2] / "params.yaml")


@pytest.fixture
def study(study):
    """The tiny study with all strategies of params.yaml."""
    return study.model_copy(update={"strategies": ALL.strategies, "families": ALL.families})


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study."""

    def cell(dataset="binary", learner="logreg", strategy="tried"):
        return Cell(study, Task(dataset, "reference", learner, strategy, 0), reuse=False)

    return cell


# --------------------------------------------------------------------------- decisions


@pytest.mark.parametrize("value", [0.3, 0.5, 0.05])
def test_a_threshold_is_a_probability_that_is_itself_positive(make, value):
    cell = make("mixed")
    model = threshold(cell, value)
    p = cell.plain().predict_proba(cell.X_val)
    np.testing.assert_array_equal(model.predict_proba(cell.X_val), p)
    assert model.predict(cell.X_val).tolist() == (p[:, 1] >= value).astype(int).tolist()


def test_a_threshold_needs_two_classes(make):
    with pytest.raises(NotApplicable, match="two classes"):
        threshold(make("four"), 0.3)
    with pytest.raises(NotApplicable, match="F1 of one class"):
        tuned_f1(make("four"))


def minority_f1(y, labels):
    return metrics.label_metrics(y, labels, 2)["f1"][1]


def best_of_every_cut(y, p, value):
    return max(value(y, (p >= cut).astype(int)) for cut in [*p, 2])


def test_the_tuned_f1_is_best_on_the_validation_part(make):
    cell = make("mixed")
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    found = minority_f1(cell.y_val, tuned_f1(cell).predict(cell.X_val))
    assert found == pytest.approx(best_of_every_cut(cell.y_val, p, minority_f1))


@pytest.mark.parametrize("metric", ["macro_f1", "balanced_accuracy"])
@pytest.mark.parametrize("dataset", ["binary", "mixed"])
def test_a_cross_fitted_cut_is_best_on_out_of_fold_predictions(make, dataset, metric):
    """Recomputed with scikit-learn on the folds that the strategy deals."""
    cell = make(dataset)
    model = cross_fitted(cell, metric)
    folds = stratified_group_folds(cell.y, cell.groups, 5, cell.seed)
    held_out = np.empty(len(cell.y))
    for k in range(5):
        fitted = cell.fit(cell.X[folds != k], cell.y[folds != k])
        held_out[folds == k] = fitted.predict_proba(cell.X[folds == k])[:, 1]
    value = {
        "macro_f1": lambda y, labels: f1_score(y, labels, average="macro"),
        "balanced_accuracy": balanced_accuracy_score,
    }[metric]
    cut = threshold_of(model.offsets)
    found = value(cell.y, (held_out >= cut).astype(int))
    assert found == pytest.approx(best_of_every_cut(cell.y, held_out, value))
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    assert model.predict(cell.X_val).tolist() == (p >= cut).astype(int).tolist()


def test_a_cross_fitted_cut_is_the_one_of_scikit_learn(make):
    """Where its grid of thresholds holds it, TunedThresholdClassifierCV's score is no better."""
    cell = make("binary")
    folds = stratified_group_folds(cell.y, cell.groups, 5, cell.seed)
    theirs = TunedThresholdClassifierCV(
        cell.make(), scoring="balanced_accuracy", thresholds=1000, cv=PredefinedSplit(folds)
    ).fit(cell.X, cell.y)
    ours = threshold_of(cross_fitted(cell, "balanced_accuracy").offsets)
    held_out = cross_val_predict(
        cell.make(), cell.X, cell.y, cv=PredefinedSplit(folds), method="predict_proba"
    )[:, 1]
    score = [balanced_accuracy_score(cell.y, held_out >= c) for c in (ours, theirs.best_threshold_)]
    assert score[0] >= score[1] - 1e-12


def test_a_class_of_one_row_is_not_cross_fitted(study):
    X, y = np.arange(40.0)[:, None], np.repeat([0, 1], [39, 1])
    cell = Cell.from_arrays(study, "logreg", X, y, X, y, classes=["a", "b"])
    with pytest.raises(NotApplicable, match="too few different rows for 5 folds"):
        cross_fitted(cell, "macro_f1")


def test_the_cost_threshold_is_the_closed_form(make):
    cell = make("binary", "logreg")
    model = cost_threshold(cell, 10)
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    assert model.predict(cell.X_val).tolist() == (p >= 1 / 11).astype(int).tolist()


@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_expected_cost_is_least(make, dataset):
    """Among all labels, each row gets the one whose miss would cost most on average."""
    cell = make(dataset, "logreg")
    p = cell.plain().predict_proba(cell.X_val)
    costs = np.array([1] + [10] * (p.shape[1] - 1))
    expected = (p * costs).sum(axis=1, keepdims=True) - p * costs  # cost of predicting each class
    labels = cost_threshold(cell, 10).predict(cell.X_val)
    np.testing.assert_allclose(
        expected[np.arange(len(labels)), labels], expected.min(axis=1), atol=1e-12
    )


def test_a_cost_matrix_decides_by_expected_cost(make):
    cell = make("four", "logreg")
    costs = np.array([[0, 1, 2, 1], [4, 0, 1, 1], [6, 1, 0, 3], [9, 2, 2, 0]])
    model = cost_threshold(cell, costs.tolist())
    p = model.predict_proba(cell.X_val)
    expected = [[sum(row[c] * costs[c, k] for c in range(4)) for k in range(4)] for row in p]
    np.testing.assert_array_equal(model.predict(cell.X_val), np.argmin(expected, axis=1))
    with pytest.raises(NotApplicable, match="true class alone"):
        tuned_cost(cell, costs.tolist())
    with pytest.raises(NotApplicable, match="costs of 4 classes for 2"):
        cost_threshold(make("binary", "logreg"), costs.tolist())


def test_a_matrix_and_its_ratio_are_the_same_costs(make):
    cell = make("binary", "logreg")
    for rule in (cost_threshold, tuned_cost):
        np.testing.assert_array_equal(
            rule(cell, 10).predict(cell.X_val), rule(cell, [[0, 1], [10, 0]]).predict(cell.X_val)
        )


def test_the_tuned_cost_is_the_lowest_on_the_validation_part(make):
    cell = make("binary", "logreg")
    p = cell.plain().predict_proba(cell.X_val)[:, 1]

    def cost(labels):
        return np.where(cell.y_val == 1, 10, 1)[labels != cell.y_val].sum()

    found = cost(tuned_cost(cell, 10).predict(cell.X_val))
    assert found == min(cost((p >= cut).astype(int)) for cut in [*p, 2])


# --------------------------------------------------------------------------- corrections


def test_logit_adjustment_divides_by_the_prior(make):
    for dataset in ("binary", "four"):
        cell = make(dataset)
        p = cell.plain().predict_proba(cell.X_val)
        expected = p / cell.class_counts
        found = logit_adjustment(cell).predict_proba(cell.X_val)
        np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True))
        same = logit_adjustment(cell, tau=0.0).predict_proba(cell.X_val)
        np.testing.assert_allclose(same, p)


def test_logit_adjustment_of_a_certain_tree_is_finite(make):
    cell = make(learner="tree")
    assert np.isfinite(logit_adjustment(cell).predict_proba(cell.X_val)).all()


def test_a_tuned_adjustment_is_the_best_of_its_grid(make):
    cell = make("four", "logreg")

    def score(model):
        labels = model.predict_proba(cell.X_val).argmax(axis=1)
        return label_metrics(cell.y_val, labels, 4)["balanced_accuracy"]

    grid = [score(logit_adjustment(cell, tau)) for tau in np.arange(21) / 10]
    assert score(logit_adjustment_tuned(cell)) == max(grid)


def test_nothing_is_corrected_twice(make):
    cell = make("four", "mlp")
    for model in losses.loss(cell, FocalLoss), schedule.meta_weight_net(cell):
        with pytest.raises(ValueError, match="correct twice"):
            adjusted(model, 1.0)
    # These have made the shares equal: adjusting for those changes nothing.
    for model in (
        weighting.inverse_frequency(cell),
        losses.loss(cell, LogitAdjustedLoss),
        schedule.sampling(cell, 0.0),
    ):
        np.testing.assert_allclose(
            adjusted(model, 1.0).predict_proba(cell.X_val),
            model.predict_proba(cell.X_val),
            atol=1e-9,
        )


# --------------------------------------------------------------------------- calibration


@pytest.mark.parametrize("learner", ["logreg", "tree", "mlp"])
@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_calibration_lowers_the_log_loss_where_it_was_fitted(make, dataset, learner):
    cell = make(dataset, learner)
    before = log_loss(cell.y_val, cell.plain().predict_proba(cell.X_val))
    for strategy in (temperature, platt, isotonic):
        p = strategy(cell).predict_proba(cell.X_val)
        np.testing.assert_allclose(p.sum(axis=1), 1)
        # Priors of Platt, one-vs-rest; few rows, of which a leaf may be certain.
        slack = 0.0 if strategy is temperature else 0.05
        shares = np.bincount(cell.y_val) / len(cell.y_val)
        guessing = 0.0 if strategy is temperature else -(shares * np.log(shares)).sum()
        assert log_loss(cell.y_val, p) <= max(before + slack, guessing), strategy


def test_temperature_and_platt_keep_the_ranking_of_two_classes(make):
    cell = make("binary", "logreg")
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    for strategy in (temperature, platt):
        found = strategy(cell).predict_proba(cell.X_val)[:, 1]
        assert (np.diff(found[np.argsort(p)]) >= -1e-12).all()
    stepped = isotonic(cell).predict_proba(cell.X_val)[:, 1]
    order = np.argsort(cell.plain().predict_proba(cell.X_val)[:, 1])
    assert (np.diff(stepped[order]) >= -1e-12).all()


def test_platt_is_a_logistic_curve_of_the_log_odds(make):
    cell = make("binary", "logreg")
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    found = platt(cell).predict_proba(cell.X_val)[:, 1]
    odds, fitted = np.log(p / (1 - p)), np.log(found / (1 - found))
    slope, offset = np.polyfit(odds, fitted, 1)
    np.testing.assert_allclose(fitted, slope * odds + offset, atol=1e-9)
    assert slope > 0


def test_calibration_needs_all_classes(make):
    cell = make("four", "logreg")
    rows = cell.y_val < 3
    cell.X_val, cell.y_val = cell.X_val[rows], cell.y_val[rows]
    with pytest.raises(NotApplicable, match="no row in the validation part"):
        platt(cell)


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("tried", {"threshold": 1.5}, "threshold is a number above 0 and below 1"),
        ("tried", {"cost_threshold": 0}, "cost ratio must be positive"),
        ("tried", {"tuned_cost": -1}, "cost ratio must be positive"),
        ("tried", {"tuned_cost": [[0, 1], [10, 1]]}, "zeros on the diagonal"),
        ("tried", {"cost_threshold": [[0, 1, 2], [1, 0, 2]]}, "a cost matrix is square"),
        ("logit_adjustment", {"tau": float("inf")}, "tau must be finite"),
    ],
)
def test_impossible_values_are_refused_before_fitting(name, entry, message):
    with pytest.raises(StudyError, match=f"strategy '{name}' of family 'posthoc'.*({message})"):
        resolve("posthoc", name, entry)


def test_a_borrowed_plain_model_counts_its_epochs(study):
    _, own, _ = run_cell(study, Task("binary", "reference", "mlp", "plain", 0))
    _, lent, _ = run_cell(study, Task("binary", "posthoc", "mlp", "threshold_0_3", 0))
    assert own["epochs"] == lent["epochs"] >= 3
