"""Family undersampling: train on fewer rows of the large classes."""

import inspect

import numpy as np
from imblearn.under_sampling import RandomUnderSampler, TomekLinks

from imbbench.learners import one_hot
from imbbench.strategies import strategy


@strategy(by_key=True)
def random(cell, ratio):
    """Drop rows at random until no class is more than ``ratio`` times the smallest."""
    smallest = cell.class_counts.min()
    target = {c: min(n, round(ratio * smallest)) for c, n in enumerate(cell.class_counts)}
    cell.need(
        any(target[c] < n for c, n in enumerate(cell.class_counts)),
        f"no class is more than {ratio:g} times the smallest",
    )
    sampler = RandomUnderSampler(sampling_strategy=target, random_state=cell.seed)
    X, y = sampler.fit_resample(cell.X, cell.y)
    return cell.fit(X, y)


@strategy(by_key=True, choices=[TomekLinks])
def sampler(cell, cls, **parameters):
    """A sampler of imbalanced-learn that selects rows; distances are on one-hot codes."""
    if "random_state" in inspect.signature(cls).parameters:
        parameters["random_state"] = cell.seed
    X = cell.X
    if cell.categorical.any():
        X = one_hot(cell.categorical).fit_transform(X)
    chosen = cls(**parameters)
    chosen.fit_resample(X, cell.y)
    rows = chosen.sample_indices_
    return cell.fit(cell.X[rows], cell.y[rows])


@strategy(by_key=True)
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
