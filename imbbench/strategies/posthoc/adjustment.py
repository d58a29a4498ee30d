"""Corrections for class priors: of logits, of probabilities.

Arrays go in and arrays come out; torch tensors go in and torch tensors come out, differentiable
and on their device.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import logsumexp, xlogy

from imbbench.bench.arrays import Array, floating, like
from imbbench.bench.counts import log_prior_bias, logit_adjustment
from imbbench.bench.protocol import TINY
from imbbench.bench.values import check_finite


def checked_logits(logits, n_classes=None):
    logits = floating(logits, "logits")
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"logits must have shape (N, C), C >= 2, got {tuple(logits.shape)}")
    if n_classes not in (None, logits.shape[1]):
        raise ValueError(f"the logits have {logits.shape[1]} classes, class_counts {n_classes}")
    return logits


def log_of(p):
    """Logarithms of probabilities, finite ones."""
    return np.log(np.maximum(p, TINY))


def adjust_logits(logits: Array, class_counts: ArrayLike, tau: float) -> Array:
    """Post-hoc logit adjustment, z - log(pi^tau + 1e-12).

    The arg max of the result minimises the balanced error (``tau=1``) if the logits are
    calibrated. Not for logits of a loss that is adjusted already.

    Parameters
    ----------
    logits : array or Tensor of shape (N, C)
        Log-probabilities will do as well.
    class_counts : array-like of shape (C,)
        Samples per class of the data the model was *trained* on, after resampling if any.
    tau : float
        0 changes nothing.

    Returns
    -------
    array or Tensor of shape (N, C)
        Adjusted logits.

    Raises
    ------
    ValueError
        On NaN logits, wrong shapes, a class without samples or ``tau`` not finite.

    References
    ----------
    Menon et al., "Long-tail learning via logit adjustment", ICLR 2021; the 1e-12 is from their
    code.

    Examples
    --------
    >>> adjust_logits(np.zeros((1, 2)), [900, 100], tau=1.0).round(3).tolist()
    [[0.105, 2.303]]
    """
    adjustment = logit_adjustment(class_counts, tau)
    logits = checked_logits(logits, len(adjustment))
    return logits - like(adjustment, logits)


def recalibrate(
    logits: Array, class_counts: ArrayLike, lam: float, target_prior: ArrayLike | None = None
) -> Array:
    """Posterior re-calibration: probabilities proportional to P_d^(1-lam) P_r^lam.

    P_d is the model's posterior and P_r the one rebalanced to the target prior, P_d / pi (times
    ``target_prior`` if given). That is the softmax of z - lam log pi + lam log target, so with a
    uniform target it is post-hoc logit adjustment with tau = lam under another name.

    Parameters
    ----------
    logits : array or Tensor of shape (N, C)
    class_counts : array-like of shape (C,)
        Samples per class of the data the model was trained on.
    lam : float
        0 keeps the posterior, 1 is the full correction; more is allowed.
    target_prior : array-like of shape (C,), optional
        Class shares expected at deployment; None is uniform.

    Returns
    -------
    array or Tensor of shape (N, C)
        Probabilities.

    Raises
    ------
    ValueError
        On NaN logits, wrong shapes, a class without samples, ``lam`` not finite, or a target prior
        that is negative or all zero.

    References
    ----------
    Tian et al., "Posterior Re-calibration for Imbalanced Datasets", NeurIPS 2020. As in the
    authors' code only P_r is raised to lam, so the target prior is raised to lam as well.

    Examples
    --------
    >>> recalibrate(np.zeros((1, 2)), [900, 100], lam=1.0).round(3).tolist()
    [[0.1, 0.9]]
    """
    check_finite("lam", lam)
    shift = -lam * log_prior_bias(class_counts)
    if target_prior is not None:
        target = np.asarray(target_prior, dtype=np.float64)
        if target.shape != shift.shape:
            raise ValueError(f"target_prior must have shape {shift.shape}, got {target.shape}")
        if not (np.isfinite(target) & (target >= 0)).all() or not target.any():
            raise ValueError("target_prior must be finite, not negative and not all zero")
        shift = shift + xlogy(lam, target / target.sum())
    logits = checked_logits(logits, len(shift))
    shifted = logits + like(shift, logits)
    if isinstance(shifted, torch.Tensor):
        return torch.softmax(shifted, dim=1)
    return np.exp(shifted - logsumexp(shifted, axis=1, keepdims=True))


def correct_undersampling(p: Array, beta: float) -> Array:
    """Undo the prior shift of random under-sampling, p = beta p_s / (beta p_s - p_s + 1).

    Monotone, so rankings stay; thresholds, log loss and Brier score change. Only for samples
    dropped at random within the negative class, and not together with example weights.

    Parameters
    ----------
    p : array or Tensor
        Probabilities of the positive (minority) class from the model trained on what was kept.
    beta : float in (0, 1]
        Share of the negatives that was kept.

    Returns
    -------
    array or Tensor of the shape of ``p``

    Raises
    ------
    ValueError
        If ``beta`` is outside (0, 1] or a probability outside [0, 1].

    References
    ----------
    Dal Pozzolo et al., "Calibrating Probability with Undersampling for Unbalanced
    Classification", SSCI 2015.

    Examples
    --------
    >>> correct_undersampling(np.array([0.5]), beta=0.1).round(3).tolist()
    [0.091]
    """
    if not 0 < beta <= 1:
        raise ValueError(f"beta must be in (0, 1], got {beta}")
    p = floating(p, "probabilities")
    if bool(((p < 0) | (p > 1)).any()):
        raise ValueError("probabilities must be in [0, 1]")
    kept = beta * p
    return kept / (kept + (1 - p))
