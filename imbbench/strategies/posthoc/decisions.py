"""Models with a decision rule of their own, by what it is best for."""

import numpy as np

from imbbench.bench.protocol import TUNED, decide, stratified_group_folds, tune_offsets
from imbbench.bench.values import check_choice, check_whole


class Cut:
    """A fitted model with a decision rule of its own: offsets of the log-probabilities."""

    def __init__(self, model, offsets):
        self.model = model
        self.offsets = offsets

    def predict_proba(self, X):
        """The model's probabilities, (N, C)."""
        return self.model.predict_proba(X)

    def predict(self, X):
        """Classes by the rule, (N,)."""
        return decide(self.predict_proba(X), self.offsets)


class Cheapest(Cut):
    """A fitted model that predicts the class of the lowest expected cost."""

    def __init__(self, model, costs):
        self.model = model
        self.costs = costs

    def predict(self, X):
        """Classes by expected cost, (N,); the smaller class of equals."""
        expected = (self.predict_proba(X) @ self.costs)[:, ::-1]
        return expected.shape[1] - 1 - expected.argmin(axis=1)


def tuned(cell, objective):
    """The plain model with the offsets that are best for the objective in validation."""
    model = cell.plain()
    return Cut(model, tune_offsets(model.predict_proba(cell.X_val), cell.y_val, objective))


def check_cross_fit(metric, folds=5):
    check_choice("cross_fitted", metric, [name.removeprefix("tuned_") for name in TUNED])
    check_whole("folds", folds)
    if folds < 2:
        raise ValueError(f"folds must be 2 or more, got {folds}")


def cross_fitted_offsets(cell, metric, folds):
    """Offsets that are best for a metric on out-of-fold predictions of the training part."""
    rows = stratified_group_folds(cell.y, cell.groups, folds, cell.seed)
    held_out = np.empty((len(cell.y), len(cell.classes)))
    for k in range(folds):
        inside, outside = np.flatnonzero(rows != k), np.flatnonzero(rows == k)
        lost = np.bincount(cell.y[inside], minlength=len(cell.classes)) == 0
        cell.need(not lost.any(), f"a class has too few different rows for {folds} folds")
        model = cell.fit(cell.X[inside], cell.y[inside])
        held_out[outside] = model.predict_proba(cell.X[outside])
    return tune_offsets(held_out, cell.y, TUNED[f"tuned_{metric}"])


def minority_f1(hits, predicted, support):
    """F1 of the last class."""
    total = predicted[..., -1] + support[-1]
    return 2 * hits[..., -1] / np.maximum(total, 1)


def check_costs(costs):
    matrix = np.asarray(costs, dtype=float)
    if not np.isfinite(matrix).all():
        raise ValueError(f"costs must be finite, got {costs}")
    if matrix.ndim == 0 and not matrix > 0:
        raise ValueError(f"the cost ratio must be positive, got {costs}")
    if matrix.ndim > 0:
        square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
        if not square or matrix.diagonal().any() or (matrix < 0).any():
            raise ValueError(
                "a cost matrix is square, a row per true and a column per predicted class from the "
                f"largest class to the smallest, with zeros on the diagonal; got {costs}"
            )


def cost_matrix(cell, costs):
    """Costs of each true (row) and predicted class (column), (C, C)."""
    n_classes = len(cell.classes)
    if np.ndim(costs) == 0:
        by_class = np.array([1.0] + [float(costs)] * (n_classes - 1))
        return by_class[:, None] * (1 - np.eye(n_classes))
    cell.need(len(costs) == n_classes, f"costs of {len(costs)} classes for {n_classes}")
    return np.asarray(costs, dtype=float)
