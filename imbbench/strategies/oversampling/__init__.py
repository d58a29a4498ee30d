"""Family oversampling: train on more rows of the small classes."""

from numbers import Real

import numpy as np
from imblearn.over_sampling import (
    ADASYN,
    SMOTE,
    SMOTEN,
    SMOTENC,
    SVMSMOTE,
    BorderlineSMOTE,
    KMeansSMOTE,
    RandomOverSampler,
)
from imblearn.under_sampling import EditedNearestNeighbours, TomekLinks
from scipy import sparse

from imbbench.bench.learners import one_hot
from imbbench.bench.registry import strategy
from imbbench.bench.values import check_whole
from imbbench.strategies.oversampling.gan import ConditionalGAN


def _check_ratio(ratio=1):
    if isinstance(ratio, bool) or not isinstance(ratio, Real) or not ratio >= 1:
        raise ValueError(f"ratio is the largest class over any other, 1 or more, not {ratio!r}")


def _target(cell, ratio):
    """Rows per class so that the largest is at most ``ratio`` times any other."""
    least = round(cell.class_counts.max() / ratio)
    target = {c: max(n, least) for c, n in enumerate(cell.class_counts)}
    cell.need(
        any(target[c] > n for c, n in enumerate(cell.class_counts)),
        f"no class is less than 1/{ratio:g} of the largest",
    )
    return target


def _need_neighbours(cell, target, k, name):
    grown = [n for c, n in enumerate(cell.class_counts) if target[c] > n]
    cell.need(
        min(grown) > k,
        f"a class has {min(grown)} training rows, {name} needs more than {k} neighbours",
    )


@strategy(by_key=True, check=_check_ratio)
def random(cell, ratio):
    """Copy rows at random until the largest class is at most ``ratio`` times any other."""
    target = _target(cell, ratio)
    sampler = RandomOverSampler(sampling_strategy=target, random_state=cell.seed)
    X, y = sampler.fit_resample(cell.X, cell.y)
    return cell.fit(X, y)


def _smote(cell, ratio, k_neighbors):
    """Rows and labels after SMOTE for the kinds of columns there are; the cell's rows first."""
    cell.need(cell.vectors, "token numbers cannot be interpolated")
    target = _target(cell, ratio)
    _need_neighbours(cell, target, k_neighbors, "SMOTE")
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
    return sampler.fit_resample(cell.X, cell.y)


def _check_smote(ratio=1, k_neighbors=5):
    _check_ratio(ratio)
    check_whole("k_neighbors", k_neighbors, 1)


@strategy(check=_check_smote)
def smote(cell, ratio=1, k_neighbors=5):
    """SMOTE on numbers, SMOTENC on mixed columns, SMOTEN where all are nominal.

    References
    ----------
    Chawla et al., SMOTE: Synthetic minority over-sampling technique, JAIR 16, 2002.
    """
    return cell.fit(*_smote(cell, ratio, k_neighbors))


def _check_cleaner(cls, ratio=1, k_neighbors=5, **parameters):
    _check_smote(ratio, k_neighbors)
    cls(sampling_strategy="all", **parameters)._validate_params()


@strategy(by_key=True, choices=[EditedNearestNeighbours, TomekLinks], check=_check_cleaner)
def smote_then(cell, cls, ratio=1, k_neighbors=5, **parameters):
    """SMOTE, then drop rows of any class that their neighbours contradict.

    The two steps of ``SMOTEENN`` and ``SMOTETomek`` one after the other, so that the first can
    be the variant for nominal columns and the second measure distances on one-hot codes.

    References
    ----------
    Batista, Prati, Monard, A study of the behavior of several methods for balancing machine
    learning training data, SIGKDD Explorations 6, 2004.
    """
    X, y = _smote(cell, ratio, k_neighbors)
    space = one_hot(cell.categorical).fit_transform(X) if cell.categorical.any() else X
    cleaner = cls(sampling_strategy="all", **parameters)
    cleaner.fit_resample(space, y)
    rows = cleaner.sample_indices_
    lost = np.setdiff1d(y, y[rows])
    if len(lost):
        raise ValueError(f"cleaning leaves no row of class '{cell.classes[lost[0]]}'")
    return cell.fit(X[rows], y[rows])


def _check_sampler(cls, ratio=1, **parameters):
    _check_ratio(ratio)
    cls(sampling_strategy="auto", **parameters)._validate_params()


@strategy(
    by_key=True, choices=[BorderlineSMOTE, SVMSMOTE, KMeansSMOTE, ADASYN], check=_check_sampler
)
def sampler(cell, cls, ratio=1, **parameters):
    """A sampler of imbalanced-learn that interpolates numbers.

    On mixed columns it works on one-hot codes, and the largest code counts: a new row has all its
    nominal values from the nearer of the two rows that it lies between. Where all columns are
    nominal that would only copy rows, so it does not apply. Counts are about those asked for:
    ADASYN and KMeansSMOTE round per row and per cluster, SVMSMOTE may give less, and
    BorderlineSMOTE leaves a class alone that has no row near the border.

    References
    ----------
    Han, Wang, Mao, Borderline-SMOTE, ICIC 2005. Nguyen, Cooper, Kamei, Borderline over-sampling
    for imbalanced data classification (SVMSMOTE), IJKESDP 3, 2011. Douzas, Bacao, Last, Improving
    imbalanced learning through a heuristic oversampling method based on k-means and SMOTE,
    Information Sciences 465, 2018. He, Bai, Garcia, Li, ADASYN, IJCNN 2008.
    """
    name = cls.__name__
    cell.need(cell.vectors, "token numbers cannot be interpolated")
    cell.need(
        not cell.categorical.all(), f"{name} interpolates numbers, all columns here are nominal"
    )
    target = _target(cell, ratio)
    chosen = cls(sampling_strategy=target, random_state=cell.seed, **parameters)
    k = chosen.n_neighbors if cls is ADASYN else chosen.k_neighbors
    _need_neighbours(cell, target, k, name)
    # A copy, because some set flags of a sparse matrix.
    X, y = chosen.fit_resample(cell.space.copy(), cell.y)
    cell.need(len(y) > len(cell.y), f"{name} finds no row to start from and adds none")
    if cell.categorical.any():
        X = np.concatenate([cell.X, _uncoded(cell, X[len(cell.y) :])])
    return cell.fit(X, y)


def _uncoded(cell, rows):
    """Rows of ``cell.space`` with one column per feature again."""
    codes = one_hot(cell.categorical).fit(cell.X).named_transformers_["codes"]
    numbers = np.count_nonzero(~cell.categorical)  # they come last
    X = np.empty((len(rows), len(cell.categorical)), cell.X.dtype)
    X[:, cell.categorical] = codes.inverse_transform(rows[:, :-numbers])
    X[:, ~cell.categorical] = rows[:, -numbers:]
    return X


def _check_gan(ratio=1, steps=500, minimum=20):
    _check_ratio(ratio)
    ConditionalGAN(steps=steps, minimum=minimum).check_parameters()


@strategy(check=_check_gan)
def gan(cell, ratio=1, steps=500, minimum=20):
    """Rows generated by a :class:`ConditionalGAN` that is trained on the training part.

    For dense rows of numbers or codes; a class of fewer than ``minimum`` rows is too small to
    learn from.
    """
    cell.need(cell.vectors, "token numbers cannot be generated")
    cell.need(not sparse.issparse(cell.X), "the generator writes dense rows, these are sparse")
    target = _target(cell, ratio)
    smallest = cell.class_counts.min()
    cell.need(
        smallest >= minimum,
        f"a class has {smallest} training rows, the GAN needs {minimum} to learn from",
    )
    sampler = ConditionalGAN(
        sampling_strategy=target,
        categorical=cell.categorical,
        steps=steps,
        minimum=minimum,
        random_state=cell.seed,
    )
    return cell.fit(*sampler.fit_resample(cell.X, cell.y))


def _check_factor(factor):
    check_whole("factor", factor, 2)


@strategy(by_key=True, check=_check_factor)
def upsample_downweight(cell, factor):
    """Repeat each row of the small classes ``factor`` times with weight 1 / ``factor``.

    The weighted loss is the plain one; only the make-up of the batches changes. No class grows
    beyond the largest, so its factor is at most n_max / n_c.
    """
    counts = cell.class_counts
    copies = np.minimum(factor, np.floor(counts.max() / counts)).astype(int)
    rows = np.repeat(np.arange(len(cell.y)), copies[cell.y])
    return cell.fit(cell.X[rows], cell.y[rows], sample_weight=1 / copies[cell.y[rows]])
