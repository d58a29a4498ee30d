"""Calibration: a temperature, and scikit-learn's curves around a fitted model."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from imbbench.strategies.posthoc.adjustment import checked_logits, log_of


def fit_temperature(logits: ArrayLike | Tensor, y: ArrayLike) -> float:
    """Temperature T whose softmax(logits / T) has the least log loss on held-out data.

    Parameters
    ----------
    logits : array or Tensor of shape (N, C)
        Of validation data that the model was not trained on.
    y : array-like of shape (N,), integer
        Class indices.

    Returns
    -------
    float
        Between e^-5 and e^5; the ends are reached where the best temperature is 0 (all samples
        on the right side) or infinite (worse than chance).

    Raises
    ------
    ValueError
        On NaN logits, wrong shapes or labels out of range.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Examples
    --------
    >>> logits = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    >>> round(fit_temperature(logits, [0, 0, 1, 1]), 3)  # 3 of 4 right: 4 / log 3
    3.641
    """
    logits = checked_logits(logits)
    if isinstance(logits, torch.Tensor):
        logits = logits.detach().cpu().double().numpy()
    logits = logits.astype(np.float64)
    y = np.asarray(y)
    if y.shape != logits.shape[:1] or y.dtype.kind not in "iu" or len(y) == 0:
        raise ValueError(f"y must be integers of shape ({len(logits)},), got {y.dtype} {y.shape}")
    if y.min() < 0 or y.max() >= logits.shape[1]:
        raise ValueError(f"y must be in 0 … {logits.shape[1] - 1}")
    margins = logits - logits[np.arange(len(y)), y][:, None]

    def log_loss(log_temperature):
        return logsumexp(margins * np.exp(-log_temperature), axis=1).mean()

    # The loss is convex in 1 / T, hence has one valley in log T.
    found = minimize_scalar(log_loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


class _Scores(ClassifierMixin, BaseEstimator):
    """A fitted model's log-odds of each class against the rest, as scikit-learn wants them."""

    def __init__(self, model):
        self.model = model
        self.classes_ = model.classes_  # fitted from the start

    def fit(self, X, y):
        """Nothing: the model is fitted."""
        return self

    def predict(self, X):
        """Most probable classes, (N,)."""
        return self.model.predict(X)

    def decision_function(self, X):
        """Log-odds, (N,) of the second of two classes, otherwise (N, C)."""
        p = self.model.predict_proba(X)
        odds = log_of(p) - log_of(1 - p)
        return odds[:, 1] if p.shape[1] == 2 else odds


def calibrated(cell, method):
    missing = len(np.unique(cell.y_val)) < len(cell.classes)
    cell.need(not missing, "a class has no row in the validation part")
    every = np.arange(len(cell.y_val))
    # One "fold" that tests on all rows: the model is frozen, and five folds would need five rows
    # of every class.
    calibrated = CalibratedClassifierCV(
        FrozenEstimator(_Scores(cell.plain())), method=method, cv=[(every, every)], ensemble=False
    )
    return calibrated.fit(cell.X_val, cell.y_val)
