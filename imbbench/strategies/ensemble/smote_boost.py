"""SMOTEBoost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from imbbench.strategies.ensemble.boost_m2 import BoostM2
from imbbench.strategies.ensemble.smote_rows import smote_rows


@dataclass(eq=False, repr=False)
class SMOTEBoost(BoostM2):
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

    def _rows_of_round(self, rng, X, y, weights):
        counts = np.bincount(y)
        X_new, y_new = smote_rows(self, rng, X, y, counts.max() - counts)
        X, y = np.concatenate([X, X_new]), np.concatenate([y, y_new])
        return X, y, np.concatenate([weights, np.ones(len(y_new))])
