"""SMOTEBoost."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from imbbench.strategies.ensemble.base import Ensemble, need_learners
from imbbench.strategies.ensemble.smote_rows import smote_rows

SMALLEST_ERROR = 1e-10  # keeps the vote of a perfect learner finite


@dataclass(eq=False, repr=False)
class SMOTEBoost(Ensemble):
    """AdaBoost.M2 whose learners are fitted with new SMOTE rows in every round.

    The SMOTE rows bring every class to the size of the largest. Each weighs as much as a row
    does on average; they are dropped before the weights of the real rows are updated.

    Parameters
    ----------
    estimator : classifier with ``predict_proba`` and ``sample_weight``, optional
        Default: a decision tree of depth 3.
    n_estimators : int
        Rounds; fewer where a learner is perfect, or no better than chance.
    k_neighbors : int
    categorical : ndarray of bool, (d,), optional
        Columns that hold codes of nominal values: SMOTENC, or SMOTEN where all are.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (C,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.
    estimator_weights_ : ndarray
        log((1 - e) / e) for the pseudo-loss e of each round.

    Raises
    ------
    ValueError
        The first learner is no better than chance, or a class that needs SMOTE rows has no more
        than ``k_neighbors``.

    References
    ----------
    Chawla et al., SMOTEBoost: Improving prediction of the minority class in boosting, PKDD 2003;
    Freund, Schapire, Experiments with a new boosting algorithm, ICML 1996. Their amounts of SMOTE
    rows were tried by hand. A row's weight for the learner is the sum of its weights over the
    wrong labels.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = SMOTEBoost(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (500, 2)
    """

    estimator: BaseEstimator | None = None
    n_estimators: int = 20
    k_neighbors: int = 5
    categorical: ArrayLike | None = None
    random_state: int | np.random.RandomState | None = None

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on X (N, d) and y (N,)."""
        X, y, rng = self._start(X, y, weighted=True)
        counts = np.bincount(y)
        wrong = np.arange(len(counts)) != y[:, None]
        weights = wrong / wrong.sum()  # of a row and a label it does not have
        votes = []
        for _ in range(self.n_estimators):
            X_new, y_new = smote_rows(self, rng, X, y, counts.max() - counts)
            learner = self._grow(
                rng,
                np.concatenate([X, X_new]),
                np.concatenate([y, y_new]),
                np.concatenate([weights.sum(axis=1) * len(y), np.ones(len(y_new))]),
            )
            found = learner.predict_proba(X)
            margin = found[~wrong][:, None] - found
            error = (weights * (1 - margin)).sum() / 2
            if error >= 0.5:
                self.estimators_.pop()
                break
            error = max(error, SMALLEST_ERROR)
            votes.append(np.log((1 - error) / error))
            if error == SMALLEST_ERROR:
                break
            weights = weights * (error / (1 - error)) ** ((1 + margin) / 2)
            weights /= weights.sum()
        need_learners(self)
        self.estimator_weights_ = np.array(votes)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Mean of the learners' probabilities by their weights, (N, C)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        found = [learner.predict_proba(X) for learner in self.estimators_]
        return np.average(found, axis=0, weights=self.estimator_weights_)
