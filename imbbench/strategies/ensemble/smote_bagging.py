"""SMOTEBagging, and with it OverBagging."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from imbbench.bench.counts import draw_rows
from imbbench.strategies.ensemble.base import Ensemble
from imbbench.strategies.ensemble.smote_rows import smote_rows

SHARES = tuple(np.arange(1, 11) / 10)  # of copies, from bag to bag


@dataclass(eq=False, repr=False)
class SMOTEBagging(Ensemble):
    """Bags in which every class is as large as the largest, with a varying share of SMOTE rows.

    In each bag the largest class is a bootstrap of itself. Of every other class a share b of the
    rows are copies drawn with replacement and the rest SMOTE rows. b goes through ``shares`` from
    bag to bag and starts again.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, optional
        Default: a decision tree.
    n_estimators : int
    shares : sequence of float in [0, 1]
        Shares of copies. ``(1.0,)`` is OverBagging: a bootstrap of equal size from each class.
    k_neighbors : int
    categorical : ndarray of bool, (d,), optional
        Columns that hold codes of nominal values: SMOTENC, or SMOTEN where all are.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (C,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.

    Raises
    ------
    ValueError
        A class that needs SMOTE rows has no more than ``k_neighbors`` rows.

    References
    ----------
    Wang, Yao, Diversity analysis on imbalanced data sets by using ensemble models, CIDM 2009.
    They vote; here the probabilities are averaged.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = SMOTEBagging(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (500, 2)
    """

    estimator: BaseEstimator | None = None
    n_estimators: int = 20
    shares: Sequence[float] = SHARES
    k_neighbors: int = 5
    categorical: ArrayLike | None = None
    random_state: int | np.random.RandomState | None = None

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on X (N, d) and y (N,)."""
        X, y, rng = self._start(X, y)
        counts = np.bincount(y)
        largest, size = counts.argmax(), counts.max()
        for i in range(self.n_estimators):
            share = self.shares[i % len(self.shares)]
            copies = np.full(len(counts), round(share * size))
            copies[largest] = size
            X_new, y_new = smote_rows(self, rng, X, y, size - copies)
            rows = draw_rows(y, copies, rng, replace=True)
            self._grow(rng, np.concatenate([X[rows], X_new]), np.concatenate([y[rows], y_new]))
        return self
