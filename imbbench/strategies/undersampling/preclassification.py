"""Iterative pre-classification: hard negative mining as an under-sampler."""

import numbers
from dataclasses import dataclass

import numpy as np
from imblearn.under_sampling.base import BaseUnderSampler
from sklearn.base import BaseEstimator, clone
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval

from imbbench.bench.counts import draw_rows, sizes_down


@dataclass(eq=False, repr=False, kw_only=True)
class IterativePreClassification(BaseUnderSampler):
    """Hard negative mining: add, round by round, the rows that the model gets wrong.

    All rows of the smallest class and, of every other, a random sample of ``ratio`` times as many
    are the first kept set. A round trains on the kept set, scores every row outside it with
    1 - p(its class), and adds of each class the hardest of the misclassified ones, topped up with
    random others, at most as many as the first sample had. It ends when every row outside is
    classified right, or after ``max_rounds``. No row is scored by a model that was trained on it.

    The kept set is selected by its features: no formula for under-sampling at random gives
    calibrated probabilities back.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, optional
        Default: a decision tree.
    ratio : float
        Rows of a class in the first sample, and at most in a round, per row of the smallest class.
    random_share : float
        Share of random rows among those added in a round, in [0, 1). Without them the easy
        regions are forgotten, and mislabelled rows weigh most.
    max_rounds : int
    random_state : int, RandomState instance or None

    Attributes
    ----------
    sample_indices_ : ndarray of int
        The kept rows, ascending.
    estimators_ : list
        The model of each round.
    sampling_strategy_ : dict
        Rows of each class in the first sample.

    References
    ----------
    Sung and Poggio, Example-based learning for view-based human face detection, PAMI 20, 1998
    (bootstrapping: false positives are added to the training set). Felzenszwalb et al., Object
    detection with discriminatively trained part-based models, PAMI 32, 2010, drop easy rows again
    to bound the set; here it grows, and the rounds and their size bound it, since a set of fixed
    size that is replaced forgets what it got right before. Random rows beside the hard ones, and
    every class but the smallest taken as a negative one by itself, are our additions.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(1000, weights=[0.95], class_sep=0.5, random_state=0)
    >>> miner = IterativePreClassification(max_rounds=2, random_state=0)
    >>> X_kept, y_kept = miner.fit_resample(X, y)
    >>> np.bincount(y).tolist(), np.bincount(y_kept).tolist()
    ([946, 54], [162, 54])
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "ratio": [Interval(numbers.Real, 1, None, closed="left")],
        "random_share": [Interval(numbers.Real, 0, 1, closed="left")],
        "max_rounds": [Interval(numbers.Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    sampling_strategy = "auto"  # of the base class, and no parameter here

    estimator: BaseEstimator | None = None
    ratio: float = 1.0
    random_share: float = 0.5
    max_rounds: int = 5
    random_state: int | np.random.RandomState | None = None

    def _fit_resample(self, X, y):
        rng = check_random_state(self.random_state)
        estimator = self.estimator
        if estimator is None:
            estimator = DecisionTreeClassifier(random_state=rng.randint(2**31 - 1))
        classes, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        size = round(self.ratio * counts.min())
        first = np.minimum(counts, size)
        self.sampling_strategy_ = dict(zip(classes.tolist(), first.tolist(), strict=True))
        kept = np.zeros(len(y), dtype=bool)
        kept[draw_rows(codes, first, rng)] = True

        self.estimators_ = []
        while not kept.all() and len(self.estimators_) < self.max_rounds:
            model = clone(estimator).fit(_safe_indexing(X, np.flatnonzero(kept)), codes[kept])
            self.estimators_.append(model)
            # Shuffled, so that ties are broken at random and the first ones are a random sample.
            outside = rng.permutation(np.flatnonzero(~kept))
            p = model.predict_proba(_safe_indexing(X, outside))
            own = codes[outside]
            wrong = p.argmax(axis=1) != own
            if not wrong.any():
                break
            hardness = 1 - p[np.arange(len(own)), own]
            for c in range(len(classes)):
                kept[outside[self._chosen(hardness, wrong, own == c, size)]] = True
        self.sample_indices_ = np.flatnonzero(kept)
        return _safe_indexing(X, self.sample_indices_), _safe_indexing(y, self.sample_indices_)

    def _chosen(self, hardness, wrong, members, size):
        """Places of the hardest misclassified members of a class and of random others."""
        hard = np.flatnonzero(wrong & members)
        hard = hard[np.argsort(-hardness[hard], kind="stable")]
        hard = hard[: max(1, round((1 - self.random_share) * size))]
        extra = round(len(hard) * self.random_share / (1 - self.random_share))
        others = np.setdiff1d(np.flatnonzero(members), hard)
        return np.concatenate([hard, others[: min(extra, size - len(hard))]])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.sampler_tags.sample_indices = True
        return tags


def mined_rows(cell, **parameters):
    """Rows that the mining keeps; the same for every strategy that asks with the same values."""
    sizes_down(cell, parameters["ratio"])
    seed = cell.common_seed
    miner = IterativePreClassification(estimator=cell.make(seed), random_state=seed, **parameters)
    miner.fit_resample(cell.X, cell.y)
    if cell.neural:
        cell.rows_seen += sum(model.rows_seen_ for model in miner.estimators_)
    return miner.sample_indices_
