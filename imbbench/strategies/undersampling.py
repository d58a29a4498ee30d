"""Family undersampling: train on fewer rows of the large classes."""

import inspect
import numbers
import warnings

import numpy as np
from imblearn.under_sampling import (
    AllKNN,
    ClusterCentroids,
    CondensedNearestNeighbour,
    EditedNearestNeighbours,
    InstanceHardnessThreshold,
    NearMiss,
    NeighbourhoodCleaningRule,
    OneSidedSelection,
    RandomUnderSampler,
    RepeatedEditedNearestNeighbours,
    TomekLinks,
)
from imblearn.under_sampling.base import BaseUnderSampler
from sklearn.base import clone
from sklearn.neighbors import NearestNeighbors
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import HasMethods, Interval

from imbbench.strategies import strategy


def _target(cell, ratio):
    """Rows per class so that no class is more than ``ratio`` times the smallest."""
    most = round(ratio * cell.class_counts.min())
    target = {c: min(n, most) for c, n in enumerate(cell.class_counts)}
    cell.need(
        any(target[c] < n for c, n in enumerate(cell.class_counts)),
        f"no class is more than {ratio:g} times the smallest",
    )
    return target


def _check_ratio(ratio):
    if not 1 <= ratio < np.inf:
        raise ValueError(
            f"{ratio} is no number from 1 on: the smallest class keeps all its rows, the others "
            "so many times as many"
        )


@strategy(by_key=True, check=_check_ratio)
def random(cell, ratio):
    """Drop rows at random until no class is more than ``ratio`` times the smallest."""
    sampler = RandomUnderSampler(sampling_strategy=_target(cell, ratio), random_state=cell.seed)
    X, y = sampler.fit_resample(cell.X, cell.y)
    return cell.fit(X, y)


# --------------------------------------------------------------------------- imbalanced-learn

# The smallest class must have as many rows as these parameters say.
LEAST = {NearMiss: ["n_neighbors", "n_neighbors_ver3"], InstanceHardnessThreshold: ["cv"]}


def _check_sampler(cls, **parameters):
    chosen = cls(**parameters)
    chosen._validate_params()
    which = chosen.sampling_strategy
    ratio = isinstance(which, numbers.Real) and issubclass(cls, BaseUnderSampler)
    if not ratio and which not in ("auto", "not minority", "majority"):
        raise ValueError(
            f"sampling_strategy {which!r}: the smallest class keeps all its rows; known are auto, "
            "not minority and majority, and for samplers to a given size the rows of the smallest "
            "class per row of another, above 0 and at most 1"
        )


@strategy(
    by_key=True,
    choices=[
        NearMiss,
        TomekLinks,
        EditedNearestNeighbours,
        RepeatedEditedNearestNeighbours,
        AllKNN,
        OneSidedSelection,
        NeighbourhoodCleaningRule,
        CondensedNearestNeighbour,
        ClusterCentroids,
        InstanceHardnessThreshold,
    ],
    check=_check_sampler,
)
def sampler(cell, cls, **parameters):
    """A sampler of imbalanced-learn that selects rows; distances are on one-hot codes.

    Of cluster centroids the nearest real rows are taken: a centre has no nominal values and no
    tokens. The library's ``voting="hard"`` takes the same ones, but repeats a row that is nearest
    to two centres.
    """
    if "random_state" in inspect.signature(cls).parameters:
        parameters["random_state"] = cell.seed
    if isinstance(parameters.get("sampling_strategy"), numbers.Real):
        # The library takes a share with two classes only.
        target = _target(cell, 1 / parameters["sampling_strategy"])
        parameters["sampling_strategy"] = target
    chosen = cls(**parameters)
    fewest = cell.class_counts.min()
    for name in LEAST.get(cls, []):
        cell.need(
            fewest >= getattr(chosen, name),
            f"the smallest class has {fewest} training rows, {cls.__name__} needs "
            f"{getattr(chosen, name)} ({name})",
        )
    with warnings.catch_warnings():
        # NearMiss-3 may find fewer rows than it should keep, k-means fewer distinct ones.
        warnings.filterwarnings("ignore", "The number of the samples to be selected is larger")
        warnings.filterwarnings("ignore", "Number of distinct clusters")
        points, labels = chosen.fit_resample(cell.space, cell.y)
    if cls is ClusterCentroids:
        rows = _nearest(cell, chosen.sampling_strategy_, points, labels)
    else:
        rows = chosen.sample_indices_
    rows = np.unique(rows)
    left = np.bincount(cell.y[rows], minlength=len(cell.classes))
    lost = cell.classes[int(np.argmin(left))]
    cell.need(left.all(), f"{cls.__name__} would leave no row of class '{lost}'")
    return cell.fit(cell.X[rows], cell.y[rows])


def _nearest(cell, reduced, points, labels):
    """Rows next to the points of the reduced classes, and all rows of the others."""
    found = []
    for c in range(len(cell.classes)):
        rows = np.flatnonzero(cell.y == c)
        if c in reduced:
            nearest = NearestNeighbors(n_neighbors=1).fit(cell.space[rows])
            rows = rows[nearest.kneighbors(points[labels == c], return_distance=False).ravel()]
        found.append(rows)
    return np.concatenate(found)


# --------------------------------------------------------------------------- hard negatives


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

    def __init__(
        self, *, estimator=None, ratio=1.0, random_share=0.5, max_rounds=5, random_state=None
    ):
        super().__init__()
        self.estimator = estimator
        self.ratio = ratio
        self.random_share = random_share
        self.max_rounds = max_rounds
        self.random_state = random_state

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
        for c, n in enumerate(first):
            kept[rng.choice(np.flatnonzero(codes == c), size=n, replace=False)] = True

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


def _check_mining(**parameters):
    IterativePreClassification(**parameters)._validate_params()


def _mined(cell, **parameters):
    """Rows that the mining keeps; the same for every strategy that asks with the same values.

    Neural learners are trained for all their epochs, without the validation part.
    """
    _target(cell, parameters["ratio"])
    seed = cell.common_seed
    miner = IterativePreClassification(estimator=cell.make(seed), random_state=seed, **parameters)
    miner.fit_resample(cell.X, cell.y)
    if cell.neural:
        cell.rows_seen += sum(model.rows_seen_ for model in miner.estimators_)
    return miner.sample_indices_


@strategy(check=_check_mining)
def iterative_preclassification(cell, ratio=1.0, random_share=0.5, max_rounds=5):
    """Hard negative mining with the learner itself, then the learner on the rows kept.

    References
    ----------
    See :class:`IterativePreClassification`. Its control is ``random_same_size``.
    """
    rows = _mined(cell, ratio=ratio, random_share=random_share, max_rounds=max_rounds)
    return cell.fit(cell.X[rows], cell.y[rows])


@strategy(check=_check_mining)
def random_same_size(cell, ratio=1.0, random_share=0.5, max_rounds=5):
    """As many rows of each class as ``iterative_preclassification`` keeps, drawn at random.

    The same mining is done first, since only it knows how many these are; give both the same
    parameters.
    """
    rows = _mined(cell, ratio=ratio, random_share=random_share, max_rounds=max_rounds)
    target = dict(enumerate(np.bincount(cell.y[rows])))
    sampler = RandomUnderSampler(sampling_strategy=target, random_state=cell.seed)
    X, y = sampler.fit_resample(cell.X, cell.y)
    return cell.fit(X, y)


# --------------------------------------------------------------------------- with weights


def _check_factor(factor):
    if not 1 <= factor < np.inf:
        raise ValueError(f"{factor} is no number from 1 on: one in so many rows is kept")


@strategy(by_key=True, check=_check_factor)
def downsample_upweight(cell, factor):
    """Keep one in ``factor`` rows of the large classes and weight the kept ones by ``factor``.

    The weighted class shares stay what they were. No class falls below the smallest one, so its
    factor is at most n_c / n_min. Neural learners draw anew in every epoch; others draw once.

    References
    ----------
    Google, Machine Learning Crash Course, "Imbalanced datasets".
    """
    counts = cell.class_counts
    kept = np.round(np.maximum(counts / factor, counts.min())).astype(int)
    weight = counts / kept

    def draw(y, progress, rng):
        rows = [
            rng.choice(np.flatnonzero(y == c), size=kept[c], replace=False)
            for c in range(len(counts))
        ]
        rows = np.concatenate(rows)
        return rows, weight[y[rows]]

    if cell.neural:
        return cell.fit(draw=draw)
    rows, weights = draw(cell.y, 0.0, np.random.default_rng(cell.seed))
    return cell.fit(cell.X[rows], cell.y[rows], sample_weight=weights)
