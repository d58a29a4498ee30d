"""Self-paced ensemble."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from imbbench.bench.values import check_whole
from imbbench.strategies.ensemble.base import Ensemble, smallest_and_others


def _quotas(sizes, weights, total, rng):
    """Whole numbers of rows per bin, in proportion to weights and none above a bin's size.

    What a bin cannot give is handed on to the others, in proportion to theirs. Which bins are
    rounded up is drawn, so that few rows of many bins do not always come from the same ones.
    """
    quotas, open_ = np.zeros(len(sizes)), sizes > 0
    left = total
    while open_.any():
        quotas[open_] = left * weights[open_] / weights[open_].sum()
        over = open_ & (quotas > sizes)
        if not over.any():
            break
        quotas[over] = sizes[over]
        left -= sizes[over].sum()
        open_ &= ~over
    ends = np.cumsum(quotas)
    ends[-1] = total  # the sum of floats may fall short of it
    return np.diff(np.floor(ends + rng.random_sample()).astype(int), prepend=0)


def _self_paced_draw(hardness, size, angle, bins, rng):
    """Positions of ``size`` rows, drawn from bins of equal width by the mean hardness of each."""
    low, high = hardness.min(), hardness.max()
    if high - low < 1e-9:
        return rng.choice(len(hardness), size)
    bin_of = np.minimum(((hardness - low) * (bins / (high - low))).astype(int), bins - 1)
    sizes = np.bincount(bin_of, minlength=bins)
    mean = np.bincount(bin_of, hardness, minlength=bins) / np.maximum(sizes, 1)
    # 1 / (mean + tan(angle)) but for a factor, and finite where the tangent is not.
    weights = 1 / (mean * np.cos(angle) + np.sin(angle))
    quotas = _quotas(sizes, weights, size, rng)
    members = [np.flatnonzero(bin_of == b) for b in range(bins)]
    return np.concatenate([rng.choice(m, n) for m, n in zip(members, quotas, strict=True) if n])


@dataclass(eq=False, repr=False)
class SelfPacedEnsemble(Ensemble):
    """Under-sampling that takes hard rows early and rows of all hardness late.

    The first learner sees the smallest class and as many random rows of every other. In round
    i = 1 ... T - 1 the hardness of a row is 1 minus the mean probability that the learners so far
    give its class; the rows of a class fall into equal-width bins of hardness, and bin l gives
    rows in proportion to 1 / (mean hardness of l + tan(pi i / (2 (T - 1)))).

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, optional
        Default: a decision tree.
    n_estimators : int
        T.
    bins : int
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (C,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.

    References
    ----------
    Liu et al., Self-paced ensemble for highly imbalanced massive data classification, ICDE 2020.
    Binary there; with several classes each is drawn down to the smallest. Rows are drawn with
    replacement, as in the authors' library: the trees differ more. A bin gives no more than it
    has rows and hands the rest on to the others. The first, random learner stays in the mean.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = SelfPacedEnsemble(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (500, 2)
    """

    estimator: BaseEstimator | None = None
    n_estimators: int = 20
    bins: int = 5
    random_state: int | np.random.RandomState | None = None

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit on X (N, d) and y (N,)."""
        check_whole("bins", self.bins)
        X, y, rng = self._start(X, y)
        minority, others, size = smallest_and_others(y)
        pool = np.concatenate(list(others.values()))
        X_pool, truth = X[pool], y[pool]
        parts = {c: np.flatnonzero(truth == c) for c in others}
        every, confidence = np.arange(len(pool)), np.zeros(len(pool))
        for i in range(self.n_estimators):
            rows = [minority]
            for part in parts.values():
                if i == 0:
                    drawn = rng.choice(len(part), size)
                else:
                    hardness = 1 - confidence[part] / i
                    angle = np.pi / 2 * i / (self.n_estimators - 1)
                    drawn = _self_paced_draw(hardness, size, angle, self.bins, rng)
                rows.append(pool[part[drawn]])
            rows = np.concatenate(rows)
            learner = self._grow(rng, X[rows], y[rows])
            if i < self.n_estimators - 1:
                confidence += learner.predict_proba(X_pool)[every, truth]
        return self
