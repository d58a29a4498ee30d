"""BalanceCascade."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from imbbench.strategies.ensemble.base import Ensemble, smallest_and_others


@dataclass(eq=False, repr=False)
class BalanceCascade(Ensemble):
    """Under-sampling from pools that lose the rows which are surely right already.

    Each of the T learners sees the smallest class and as many random rows of every other class's
    pool. After each but the last, the rows of a pool that the learners so far are surest about
    are dropped, so that the share (n_min / n_c)^(1 / (T - 1)) of it stays and n_min rows are left
    for the last learner.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, optional
        Default: a decision tree.
    n_estimators : int
        T.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (C,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.

    References
    ----------
    Liu, Wu, Zhou, Exploratory undersampling for class-imbalance learning, IEEE SMC-B 39, 2009.
    There each learner is an AdaBoost whose threshold gives the false-positive rate; dropping by
    rank gives the same share, and equally sure rows are dropped at random. Rows are drawn from a
    pool with replacement, as in the library imbalanced-ensemble (whose pools shrink to the power
    1 / T, not 1 / (T - 1) as published and here). The learners'
    probabilities are averaged. Binary there; with several classes each has its pool.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = BalanceCascade(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (500, 2)
    """

    estimator: BaseEstimator | None = None
    n_estimators: int = 20
    random_state: int | np.random.RandomState | None = None

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on X (N, d) and y (N,)."""
        X, y, rng = self._start(X, y)
        minority, pools, size = smallest_and_others(y)
        full = {c: len(pool) for c, pool in pools.items()}
        confidence = np.zeros(len(y))
        for i in range(1, self.n_estimators + 1):
            drawn = [rng.choice(pool, size) for pool in pools.values()]
            rows = np.concatenate([minority, *drawn])
            learner = self._grow(rng, X[rows], y[rows])
            if i == self.n_estimators:
                break
            left = np.concatenate(list(pools.values()))
            found = learner.predict_proba(X[left])
            confidence[left] += found[np.arange(len(left)), y[left]]
            for c, pool in pools.items():
                keep = full[c] * (size / full[c]) ** (i / (self.n_estimators - 1))
                pool = rng.permutation(pool)  # so that ties are broken at random
                order = np.argsort(confidence[pool], kind="stable")
                pools[c] = pool[order[: max(round(keep), size)]]
        return self
