"""Family oversampling: train on more rows of the small classes."""

import numpy as np
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC, RandomOverSampler

from imbbench.strategies import strategy


def _target(cell, ratio):
    """Rows per class so that the largest is at most ``ratio`` times any other."""
    least = round(cell.class_counts.max() / ratio)
    target = {c: max(n, least) for c, n in enumerate(cell.class_counts)}
    cell.need(
        any(target[c] > n for c, n in enumerate(cell.class_counts)),
        f"no class is less than 1/{ratio:g} of the largest",
    )
    return target


@strategy(by_key=True)
def random(cell, ratio):
    """Copy rows at random until the largest class is at most ``ratio`` times any other."""
    target = _target(cell, ratio)
    sampler = RandomOverSampler(sampling_strategy=target, random_state=cell.seed)
    X, y = sampler.fit_resample(cell.X, cell.y)
    return cell.fit(X, y)


@strategy
def smote(cell, ratio=1, k_neighbors=5):
    """SMOTE on numbers, SMOTENC on mixed columns, SMOTEN where all are nominal.

    References
    ----------
    Chawla et al., SMOTE: Synthetic minority over-sampling technique, JAIR 16, 2002.
    """
    target = _target(cell, ratio)
    grown = [n for c, n in enumerate(cell.class_counts) if target[c] > n]
    cell.need(
        min(grown) > k_neighbors,
        f"a class has {min(grown)} training rows, SMOTE needs more than {k_neighbors} neighbours",
    )
    settings = {
        "sampling_strategy": target,
        "k_neighbors": k_neighbors,
        "random_state": cell.seed,
    }
    if cell.categorical.all():
        sampler = SMOTEN(**settings)
    elif cell.categorical.any():
        sampler = SMOTENC(np.flatnonzero(cell.categorical).tolist(), **settings)
    else:
        sampler = SMOTE(**settings)
    X, y = sampler.fit_resample(cell.X, cell.y)
    return cell.fit(X, y)


@strategy(by_key=True)
def upsample_downweight(cell, factor):
    """Repeat each row of the small classes ``factor`` times with weight 1 / ``factor``.

    The weighted loss is the plain one; only the make-up of the batches changes. No class grows
    beyond the largest, so its factor is at most n_max / n_c.
    """
    counts = cell.class_counts
    copies = np.minimum(factor, np.floor(counts.max() / counts)).astype(int)
    rows = np.repeat(np.arange(len(cell.y)), copies[cell.y])
    return cell.fit(cell.X[rows], cell.y[rows], sample_weight=1 / copies[cell.y[rows]])
