"""AdaBoost.M2, whose rounds may see other rows than there are."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from imbbench.strategies.ensemble.base import Ensemble, need_learners

SMALLEST_ERROR = 1e-10  # keeps the vote of a perfect learner finite


class BoostM2(Ensemble):
    """AdaBoost.M2; ``_rows_of_round(rng, X, y, weights)`` gives what a round's learner sees."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on X (N, d) and y (N,)."""
        X, y, rng = self._start(X, y, weighted=True)
        wrong = np.arange(len(self.classes_)) != y[:, None]
        weights = wrong / wrong.sum()  # of a row and a label it does not have
        votes = []
        for _ in range(self.n_estimators):
            rows = self._rows_of_round(rng, X, y, weights.sum(axis=1) * len(y))
            learner = self._grow(rng, *rows)
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
