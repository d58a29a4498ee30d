"""Family posthoc: what each entry must be equal to. The maths: test_posthoc_corrections.py."""

import numpy as np
import pytest
from sklearn.metrics import log_loss

from imbbench.bench import metrics
from imbbench.bench.cell import Cell, Task
from imbbench.bench.metrics import label_metrics
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.bench.scoring import run_cell
from imbbench.errors import StudyError
from imbbench.strategies import loss as losses
from imbbench.strategies import schedule, weighting
from imbbench.strategies.loss.focal import FocalLoss
from imbbench.strategies.loss.logit_adjusted import LogitAdjustedLoss
from imbbench.strategies.posthoc import (
    cost_threshold,
    isotonic,
    logit_adjustment,
    logit_adjustment_tuned,
    platt,
    temperature,
    threshold,
    tuned_balanced_accuracy,
    tuned_cost,
    tuned_f1,
    undersampled,
    undersampled_corrected,
)
from imbbench.strategies.posthoc.adjustment import correct_undersampling
from imbbench.strategies.posthoc.corrected import adjusted


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


def test_tuned_rules_are_best_on_the_validation_part(make):
    cell = make("mixed")
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    for strategy, value in (
        (tuned_f1, lambda found: found["f1"][1]),
        (tuned_balanced_accuracy, lambda found: found["balanced_accuracy"]),
    ):
        labels = strategy(cell).predict(cell.X_val)
        found = value(metrics.label_metrics(cell.y_val, labels, 2))
        cuts = [(p >= cut).astype(int) for cut in [*p, 2]]
        best = max(value(metrics.label_metrics(cell.y_val, cut, 2)) for cut in cuts)
        assert found == pytest.approx(best)


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


def test_prior_correction_is_dal_pozzolos_with_two_classes(make):
    plain = make("binary", "logreg", "undersampled")
    other = make("binary", "logreg", "undersampled_corrected")
    assert plain.seed != other.seed
    sampled = undersampled(plain).predict_proba(plain.X_val)[:, 1]
    found = undersampled_corrected(other).predict_proba(plain.X_val)[:, 1]
    beta = plain.class_counts[1] / plain.class_counts[0]
    np.testing.assert_allclose(found, correct_undersampling(sampled, beta))


def test_prior_correction_with_several_classes(make):
    cell = make("four", "logreg")
    model = undersampled(cell)
    np.testing.assert_allclose(model.prior_, 0.25)
    p = model.predict_proba(cell.X_val) * cell.class_counts
    found = undersampled_corrected(cell).predict_proba(cell.X_val)
    np.testing.assert_allclose(found, p / p.sum(axis=1, keepdims=True))


def test_a_tuned_adjustment_is_the_best_of_its_grid(make):
    cell = make("four", "logreg")

    def score(model):
        labels = model.predict_proba(cell.X_val).argmax(axis=1)
        return label_metrics(cell.y_val, labels, 4)["balanced_accuracy"]

    grid = [score(logit_adjustment(cell, tau)) for tau in np.arange(21) / 10]
    assert score(logit_adjustment_tuned(cell)) == max(grid)


def test_nothing_is_corrected_twice(make):
    cell = make("four", "mlp")
    for model in (
        losses.loss(cell, LogitAdjustedLoss),
        losses.loss(cell, FocalLoss),
        schedule.sampling(cell, 0.0),
        schedule.meta_weight_net(cell),
    ):
        with pytest.raises(ValueError, match="correct twice"):
            adjusted(model, 1.0)
    # Weights have made the shares equal: adjusting for those changes nothing.
    model = weighting.inverse_frequency(cell)
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
        slack = 0.0 if strategy is temperature else 0.05  # priors of Platt, one-vs-rest
        assert log_loss(cell.y_val, p) <= before + slack, strategy


def test_temperature_and_platt_keep_the_ranking_of_two_classes(make):
    cell = make("binary", "logreg")
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    for strategy in (temperature, platt, undersampled_corrected):
        found = strategy(cell).predict_proba(cell.X_val)[:, 1]
        if strategy is undersampled_corrected:
            p = undersampled(cell).predict_proba(cell.X_val)[:, 1]
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
    assert own["epochs"] == lent["epochs"] == 3
