"""SMOTE rows for the bags and rounds of an ensemble."""

import numpy as np

from imbbench.bench.smote import smote_sampler


def smote_rows(owner, rng, X, y, wanted):
    """As many new rows of each class as wanted, (sum, d), and their classes."""
    counts = np.bincount(y)
    wanted = {c: n for c, n in enumerate(wanted) if n > 0}
    for c in wanted:
        if counts[c] <= owner.k_neighbors:
            raise ValueError(
                f"{type(owner).__name__}: class '{owner.classes_[c]}' has {counts[c]} rows, "
                f"SMOTE needs more than {owner.k_neighbors} neighbours"
            )
    if not wanted:
        return X[:0], y[:0]
    nominal = np.zeros(X.shape[1], bool) if owner.categorical is None else owner.categorical
    sampler = smote_sampler(
        np.asarray(nominal),
        sampling_strategy={c: counts[c] + n for c, n in wanted.items()},
        k_neighbors=owner.k_neighbors,
        random_state=rng.randint(2**31 - 1),
    )
    grown, classes = sampler.fit_resample(X, y)
    return grown[len(y) :], classes[len(y) :]
