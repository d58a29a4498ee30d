"""SMOTE and its relatives: rows between rows, for the kinds of columns there are."""

import numpy as np
from imblearn.over_sampling import ADASYN
from scipy import sparse

from imbbench.bench.counts import sizes_up
from imbbench.bench.learners import one_hot
from imbbench.bench.smote import need_neighbours, smote_sampler


def smoted(cell, ratio, k_neighbors):
    """Rows and labels after SMOTE for the kinds of columns there are; the cell's rows first."""
    cell.need(cell.vectors, "token numbers cannot be interpolated")
    target = sizes_up(cell, ratio)
    need_neighbours(cell, k_neighbors)
    sampler = smote_sampler(
        cell.categorical,
        sampling_strategy=target,
        k_neighbors=k_neighbors,
        random_state=cell.seed,
    )
    return sampler.fit_resample(cell.X, cell.y)


def interpolated(cell, cls, ratio, **parameters):
    """Rows and labels after a sampler of imbalanced-learn on one-hot codes; the cell's first."""
    name = cls.__name__
    cell.need(cell.vectors, "token numbers cannot be interpolated")
    cell.need(
        not cell.categorical.all(), f"{name} interpolates numbers, all columns here are nominal"
    )
    target = sizes_up(cell, ratio)
    chosen = cls(sampling_strategy=target, random_state=cell.seed, **parameters)
    k = chosen.n_neighbors if cls is ADASYN else chosen.k_neighbors
    need_neighbours(cell, k, name)
    # A copy, because some write into a sparse matrix, which in a cell is read-only.
    X, y = chosen.fit_resample(cell.space.copy(), cell.y)
    cell.need(len(y) > len(cell.y), f"{name} finds no row to start from and adds none")
    if cell.categorical.any():
        X = np.concatenate([cell.X, _uncoded(cell, X[len(cell.y) :])])
    return X, y


def _uncoded(cell, rows):
    """Rows of ``cell.space`` with one column per feature again."""
    codes = one_hot(cell.categorical).fit(cell.X).named_transformers_["codes"]
    numbers = np.count_nonzero(~cell.categorical)  # they come last
    X = np.empty((rows.shape[0], len(cell.categorical)), cell.X.dtype)
    X[:, cell.categorical] = codes.inverse_transform(rows[:, :-numbers])
    others = rows[:, -numbers:]
    X[:, ~cell.categorical] = others.toarray() if sparse.issparse(others) else others
    return X


def cleaned(cell, cls, X, y, **parameters):
    """Rows and labels without those of any class that their neighbours contradict."""
    space = one_hot(cell.categorical).fit_transform(X) if cell.categorical.any() else X
    cleaner = cls(sampling_strategy="all", **parameters)
    cleaner.fit_resample(space, y)
    rows = cleaner.sample_indices_
    lost = np.setdiff1d(y, y[rows])
    if len(lost):
        raise ValueError(f"cleaning leaves no row of class '{cell.classes[lost[0]]}'")
    return X[rows], y[rows]
