"""RUSBoost."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator

from imbbench.bench.counts import draw_rows
from imbbench.strategies.ensemble.boost_m2 import BoostM2


@dataclass(eq=False, repr=False)
class RUSBoost(BoostM2):
    """AdaBoost.M2 whose learners are fitted on a random sample of equal classes in every round.

    Parameters
    ----------
    estimator : classifier with ``predict_proba`` and ``sample_weight``, optional
        Default: a decision tree of depth 3.
    n_estimators : int
        Rounds; fewer where a learner is perfect, or no better than chance.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (C,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.
    estimator_weights_ : ndarray
        log((1 - e) / e) for the pseudo-loss e of each round, taken over all rows.

    Raises
    ------
    ValueError
        The first learner is no better than chance.

    References
    ----------
    Seiffert et al., RUSBoost: A hybrid approach to alleviating class imbalance, IEEE SMC-A 40,
    2010. imbalanced-learn boosts with SAMME in its place, which ends after few learners: a learner
    of a balanced sample gets many rows of the majority wrong.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = RUSBoost(n_estimators=5, random_state=0).fit(X, y)
    >>> len(model.estimators_)
    5
    """

    estimator: BaseEstimator | None = None
    n_estimators: int = 20
    random_state: int | np.random.RandomState | None = None

    def _rows_of_round(self, rng, X, y, weights):
        counts = np.bincount(y)
        rows = draw_rows(y, np.full(len(counts), counts.min()), rng)
        return X[rows], y[rows], weights[rows]
