"""Samplers of imbalanced-learn that select rows, on the features of a cell."""

import inspect
import numbers
import warnings

import numpy as np
from imblearn import under_sampling as library
from imblearn.under_sampling.base import BaseUnderSampler
from sklearn.neighbors import NearestNeighbors

from imbbench.bench.counts import sizes_down

SAMPLERS = [
    library.NearMiss,
    library.TomekLinks,
    library.EditedNearestNeighbours,
    library.RepeatedEditedNearestNeighbours,
    library.AllKNN,
    library.OneSidedSelection,
    library.NeighbourhoodCleaningRule,
    library.CondensedNearestNeighbour,
    library.ClusterCentroids,
    library.InstanceHardnessThreshold,
]
# The smallest class must have as many rows as these parameters say.
LEAST = {"NearMiss": ["n_neighbors", "n_neighbors_ver3"], "InstanceHardnessThreshold": ["cv"]}


def check_sampler(cls, **parameters):
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


def selected_rows(cell, cls, **parameters):
    """Rows that a sampler keeps, ascending; those next to the centres of cluster centroids."""
    if "random_state" in inspect.signature(cls).parameters:
        parameters["random_state"] = cell.seed
    if isinstance(parameters.get("sampling_strategy"), numbers.Real):
        # The library takes a share with two classes only.
        target = sizes_down(cell, 1 / parameters["sampling_strategy"])
        parameters["sampling_strategy"] = target
    chosen = cls(**parameters)
    fewest = cell.class_counts.min()
    for name in LEAST.get(cls.__name__, []):
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
    if cls is library.ClusterCentroids:
        rows = _nearest_rows(cell, chosen.sampling_strategy_, points, labels)
    else:
        rows = chosen.sample_indices_
    rows = np.unique(rows)
    left = np.bincount(cell.y[rows], minlength=len(cell.classes))
    lost = cell.classes[int(np.argmin(left))]
    cell.need(left.all(), f"{cls.__name__} would leave no row of class '{lost}'")
    return rows


def _nearest_rows(cell, reduced, points, labels):
    """Rows next to the points of the reduced classes, and all rows of the others."""
    found = []
    for c in range(len(cell.classes)):
        rows = np.flatnonzero(cell.y == c)
        if c in reduced:
            nearest = NearestNeighbors(n_neighbors=1).fit(cell.space[rows])
            rows = rows[nearest.kneighbors(points[labels == c], return_distance=False).ravel()]
        found.append(rows)
    return np.concatenate(found)
