"""Class counts: the weights, shares and sizes that follow from them, and drawing by class."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax, xlog1py

from imbbench.bench.values import check_finite


def check_class_counts(class_counts):
    """Return class counts as a float64 array, or say what is wrong with them.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class, C >= 2; every count must be positive.

    Returns
    -------
    ndarray of shape (C,), float64

    Raises
    ------
    ValueError
        If a count is zero, negative or not finite, or if there are fewer than two classes.
    """
    counts = np.asarray(class_counts, dtype=np.float64)
    if counts.ndim != 1 or len(counts) < 2:
        raise ValueError(
            f"class_counts must be one-dimensional with at least two classes, "
            f"got shape {counts.shape}"
        )
    bad = np.flatnonzero(~(np.isfinite(counts) & (counts > 0)))
    if len(bad):
        raise ValueError(
            f"class {bad[0]} has count {counts[bad[0]]:g}: every class needs at least one "
            f"training sample"
        )
    return counts


def inverse_frequency_weights(class_counts: ArrayLike) -> NDArray[np.float64]:
    """Weights N / (C n_c), scikit-learn's ``class_weight="balanced"``.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.

    Returns
    -------
    ndarray of shape (C,), float64
        Weights whose mean over the training samples is 1.

    Raises
    ------
    ValueError
        If a class has no training sample.

    Examples
    --------
    >>> inverse_frequency_weights([900, 100]).round(3).tolist()
    [0.556, 5.0]
    """
    counts = check_class_counts(class_counts)
    return counts.sum() / (len(counts) * counts)


def inverse_sqrt_weights(class_counts: ArrayLike) -> NDArray[np.float64]:
    """Weights sqrt(N / (C n_c)): half the correction, on the log scale, of inverse frequency.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.

    Returns
    -------
    ndarray of shape (C,), float64

    Raises
    ------
    ValueError
        If a class has no training sample.

    Examples
    --------
    >>> inverse_sqrt_weights([900, 100]).round(3).tolist()
    [0.745, 2.236]
    """
    return np.sqrt(inverse_frequency_weights(class_counts))


def effective_number_weights(class_counts: ArrayLike, beta: float) -> NDArray[np.float64]:
    """Inverse effective numbers of samples, (1 - beta) / (1 - beta^n_c), normalised to sum C.

    ``beta=0`` gives ones; ``beta`` towards 1 gives inverse frequencies. With ``beta=0.9999`` all
    classes beyond some 10^4 samples weigh alike, and below some 10^3 the weights are
    practically inverse frequencies.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    beta : float
        In [0, 1).

    Returns
    -------
    ndarray of shape (C,), float64
        Weights that sum to C.

    Raises
    ------
    ValueError
        If ``beta`` is outside [0, 1) or a class has no training sample.

    References
    ----------
    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.

    Examples
    --------
    >>> effective_number_weights([900, 100], beta=0.99).round(3).tolist()
    [0.776, 1.224]
    """
    counts = check_class_counts(class_counts)
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be in [0, 1), got {beta}")
    # 1 - beta^n without cancellation; xlog1py is silent and right at beta = 0.
    weights = -1.0 / np.expm1(xlog1py(counts, beta - 1.0))
    return weights * (len(counts) / weights.sum())


def log_prior_bias(class_counts: ArrayLike) -> NDArray[np.float64]:
    """Log class priors: the last-layer bias with which a softmax classifier starts at the prior.

    With last-layer weights near zero, the first cross-entropy then equals the entropy of the
    class distribution and the bias has no gradient. It changes the start of training, not the
    optimum. See :func:`imbbench.losses.start_bias` for weighted losses, balanced samplers and
    sigmoid losses.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.

    Returns
    -------
    ndarray of shape (C,), float64

    Raises
    ------
    ValueError
        If a class has no training sample.

    Examples
    --------
    >>> np.exp(log_prior_bias([900, 100])).round(3).tolist()
    [0.9, 0.1]
    """
    counts = check_class_counts(class_counts)
    return np.log(counts / counts.sum())


def logit_adjustment(class_counts, tau):
    """log(pi^tau + 1e-12), what Menon et al. add in the loss or take off after training.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    tau : float

    Returns
    -------
    ndarray of shape (C,), float64

    Raises
    ------
    ValueError
        If a class has no training sample or ``tau`` is not finite.

    Examples
    --------
    >>> logit_adjustment([900, 100], tau=1.0).round(3).tolist()
    [-0.105, -2.303]
    """
    check_finite("tau", tau)
    return np.logaddexp(tau * log_prior_bias(class_counts), np.log(1e-12))


def check_progress(progress):
    if not 0 <= progress <= 1:
        raise ValueError(f"progress must be in [0, 1], the share of training done, got {progress}")


def sampling_probabilities(class_counts: ArrayLike, power: float) -> NDArray[np.float64]:
    """Probability of drawing each class, proportional to n_c^power; within a class, uniform.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    power : float
        1 is instance-balanced (plain) sampling, 0.5 square-root, 0 class-balanced, -1 reversed
        (the second sampler of BBN). Progressively balanced sampling at training progress t mixes
        the first two with shares 1 - t and t of ``power=1`` and ``power=0``.

    Returns
    -------
    ndarray of shape (C,), float64
        Probabilities that sum to 1.

    Raises
    ------
    ValueError
        If a class has no training sample or ``power`` is not finite.

    References
    ----------
    Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020;
    Zhou et al., "BBN", CVPR 2020.

    Examples
    --------
    >>> sampling_probabilities([900, 100], power=0.5).round(3).tolist()
    [0.75, 0.25]
    """
    check_finite("power", power)
    return softmax(power * np.log(check_class_counts(class_counts)))


def drw_weights(class_counts: ArrayLike, progress: float) -> NDArray[np.float64]:
    """Class weights of deferred re-weighting: ones at first, effective numbers at the end.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    progress : float in [0, 1]
        Zero-based epoch over the number of epochs. The switch is at 0.8, inclusive.

    Returns
    -------
    ndarray of shape (C,), float64
        Weights that sum to C.

    Raises
    ------
    ValueError
        If a class has no training sample or ``progress`` is outside [0, 1].

    References
    ----------
    Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019. The paper writes 1 / n_c; the authors' code, followed here, uses effective numbers
    with beta 0.9999, and epoch 160 of 200 for the switch.

    Examples
    --------
    >>> drw_weights([900, 100], progress=0.5).tolist()
    [1.0, 1.0]
    >>> drw_weights([900, 100], progress=0.8).round(3).tolist()
    [0.207, 1.793]
    """
    check_progress(progress)
    return effective_number_weights(class_counts, 0.0 if progress < 0.8 else 0.9999)


def sizes_up(cell, ratio):
    """Rows per class so that the largest is at most ``ratio`` times any other: small ones grow."""
    counts = dict(enumerate(cell.class_counts))
    least = round(cell.class_counts.max() / ratio)
    target = {c: max(n, least) for c, n in counts.items()}
    cell.need(target != counts, f"no class is less than 1/{ratio:g} of the largest")
    return target


def sizes_down(cell, ratio):
    """Rows per class so that none is more than ``ratio`` times the smallest: large ones shrink."""
    counts = dict(enumerate(cell.class_counts))
    most = round(ratio * cell.class_counts.min())
    target = {c: min(n, most) for c, n in counts.items()}
    cell.need(target != counts, f"no class is more than {ratio:g} times the smallest")
    return target


def draw_rows(y, sizes, rng, replace=False):
    """Draw ``sizes[c]`` rows of each class c; their numbers, one class after the other."""
    drawn = [rng.choice(np.flatnonzero(y == c), n, replace) for c, n in enumerate(sizes)]
    return np.concatenate(drawn)
