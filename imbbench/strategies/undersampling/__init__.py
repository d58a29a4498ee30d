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

from imbbench.bench.registry import strategy
from imbbench.strategies.undersampling.preclassification import (
    IterativePreClassification,
    nearest_rows,
)


def sizes_after(cell, ratio):
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
    sampler = RandomUnderSampler(sampling_strategy=sizes_after(cell, ratio), random_state=cell.seed)
    X, y = sampler.fit_resample(cell.X, cell.y)
    return cell.fit(X, y)


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
        target = sizes_after(cell, 1 / parameters["sampling_strategy"])
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
        rows = nearest_rows(cell, chosen.sampling_strategy_, points, labels)
    else:
        rows = chosen.sample_indices_
    rows = np.unique(rows)
    left = np.bincount(cell.y[rows], minlength=len(cell.classes))
    lost = cell.classes[int(np.argmin(left))]
    cell.need(left.all(), f"{cls.__name__} would leave no row of class '{lost}'")
    return cell.fit(cell.X[rows], cell.y[rows])


def _check_mining(**parameters):
    IterativePreClassification(**parameters)._validate_params()


def _mined(cell, **parameters):
    """Rows that the mining keeps; the same for every strategy that asks with the same values.

    Neural learners are trained for all their epochs, without the validation part.
    """
    sizes_after(cell, parameters["ratio"])
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
