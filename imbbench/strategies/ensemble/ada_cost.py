"""AdaCost."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from imbbench.strategies.ensemble.base import Ensemble, need_learners


@dataclass(eq=False, repr=False)
class AdaCost(Ensemble):
    """AdaBoost whose weights grow more for costly errors and fall less for costly successes.

    D <- D exp(-alpha m b) for the margin m = y h of a row with cost c, where b = (1 - c) / 2 when
    it is right and (1 + c) / 2 when it is wrong; alpha = log((1 + r) / (1 - r)) / 2 for
    r = sum D m b. It ends when r <= 0. Two classes.

    Parameters
    ----------
    estimator : classifier with ``predict_proba`` and ``sample_weight``, optional
        Default: a decision tree of depth 3.
    n_estimators : int
        Rounds at most.
    cost : pair of float, optional
        Cost of an error on each class, in sorted order. Default: in inverse proportion to the
        size of the class.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (2,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.
    estimator_weights_ : ndarray
        The alphas.

    Raises
    ------
    ValueError
        More than two classes, or the first learner is no better than chance at these costs.

    References
    ----------
    Fan et al., AdaCost: misclassification cost-sensitive boosting, ICML 1999. The weights start in
    proportion to the costs, and h = 2 p - 1 for the probability p of the second class. They leave
    open how costs get into [0, 1]: here both add up to 1, because a class of cost 1 earns nothing
    for being right, and with two such classes nothing could be learnt. The score f = sum alpha h
    becomes a probability as in AdaBoost, 1 / (1 + exp(-2 f)).

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = AdaCost(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (500, 2)
    """

    multi_class = False

    estimator: BaseEstimator | None = None
    n_estimators: int = 20
    cost: ArrayLike | None = None
    random_state: int | np.random.RandomState | None = None

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on X (N, d) and y (N,)."""
        X, y, rng = self._start(X, y, weighted=True)
        cost = 1 / np.bincount(y) if self.cost is None else np.asarray(self.cost, dtype=float)
        if cost.shape != (2,) or not (np.isfinite(cost) & (cost > 0)).all():
            raise ValueError(f"cost is two positive numbers, not {self.cost!r}")
        cost = (cost / cost.sum())[y]
        sign = 2 * y - 1
        weights = cost / cost.sum()
        votes = []
        for _ in range(self.n_estimators):
            learner = self._grow(rng, X, y, weights * len(y))
            margin = sign * (2 * learner.predict_proba(X)[:, 1] - 1)
            adjusted = margin * np.where(margin > 0, 0.5 - 0.5 * cost, 0.5 + 0.5 * cost)
            r = weights @ adjusted
            if r <= 0:
                self.estimators_.pop()
                break
            votes.append(np.log((1 + r) / (1 - r)) / 2)
            weights = weights * np.exp(-votes[-1] * adjusted)
            weights /= weights.sum()
        need_learners(self)
        self.estimator_weights_ = np.array(votes)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Probabilities, (N, 2)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        found = [2 * learner.predict_proba(X)[:, 1] - 1 for learner in self.estimators_]
        p = expit(2 * (self.estimator_weights_ @ found))
        return np.column_stack([1 - p, p])
