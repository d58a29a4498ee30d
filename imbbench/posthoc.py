"""Corrections after training: of logits, of probabilities, of a classifier's weights.

Arrays go in and arrays come out; torch tensors go in and torch tensors come out, differentiable
and on their device. Platt and isotonic calibration are scikit-learn's (``CalibratedClassifierCV``
around a ``FrozenEstimator``) and not repeated here.
"""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, xlogy

from imbbench.losses import log_prior_bias, logit_adjustment


def _like(values, reference):
    """Cast a float64 vector to the kind, type and device of what it will be combined with."""
    if isinstance(reference, torch.Tensor):
        return torch.as_tensor(values, dtype=reference.dtype, device=reference.device)
    return np.asarray(values, dtype=reference.dtype)


def _floating(values, name):
    """Keep floating tensors and arrays as they are, make float64 arrays of the rest."""
    if not isinstance(values, torch.Tensor):
        values = np.asarray(values)
        if values.dtype.kind != "f":
            values = values.astype(np.float64)
    elif not values.is_floating_point():
        values = values.double()
    if bool((values != values).any()):
        raise ValueError(f"{name} contain NaN")
    return values


def _logits(logits, n_classes=None):
    logits = _floating(logits, "logits")
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise ValueError(f"logits must have shape (N, C), C >= 2, got {tuple(logits.shape)}")
    if n_classes not in (None, logits.shape[1]):
        raise ValueError(f"the logits have {logits.shape[1]} classes, class_counts {n_classes}")
    return logits


def adjust_logits(logits, class_counts, tau):
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
    logits = _logits(logits, len(adjustment))
    return logits - _like(adjustment, logits)


def recalibrate(logits, class_counts, lam, target_prior=None):
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
    if not np.isfinite(lam):
        raise ValueError(f"lam must be finite, got {lam}")
    shift = -lam * log_prior_bias(class_counts)
    if target_prior is not None:
        target = np.asarray(target_prior, dtype=np.float64)
        if target.shape != shift.shape:
            raise ValueError(f"target_prior must have shape {shift.shape}, got {target.shape}")
        if not (np.isfinite(target) & (target >= 0)).all() or not target.any():
            raise ValueError("target_prior must be finite, not negative and not all zero")
        shift = shift + xlogy(lam, target / target.sum())
    logits = _logits(logits, len(shift))
    shifted = logits + _like(shift, logits)
    if isinstance(shifted, torch.Tensor):
        return torch.softmax(shifted, dim=1)
    return np.exp(shifted - logsumexp(shifted, axis=1, keepdims=True))


def tau_normalize(weight, tau):
    """Tau-normalised classifier weights, w_c / ||w_c||^tau. The bias is dropped, says the paper.

    Parameters
    ----------
    weight : array or Tensor of shape (C, D)
        One row per class, C >= 2, as in ``nn.Linear.weight`` and scikit-learn's multi-class
        ``coef_`` (a one-row binary classifier has one norm and nothing to balance).
    tau : float
        0 changes nothing, 1 gives all classes the same norm.

    Returns
    -------
    array or Tensor of shape (C, D)
        Rows of norm zero stay zero.

    Raises
    ------
    ValueError
        On NaN weights, wrong shapes or ``tau`` not finite.

    References
    ----------
    Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.

    Examples
    --------
    >>> tau_normalize(np.array([[3.0, 4.0], [0.0, 2.0]]), tau=1.0).tolist()
    [[0.6, 0.8], [0.0, 1.0]]
    """
    if not np.isfinite(tau):
        raise ValueError(f"tau must be finite, got {tau}")
    weight = _floating(weight, "weights")
    if weight.ndim != 2 or len(weight) < 2:
        raise ValueError(f"weight must have shape (C, D), C >= 2, got {tuple(weight.shape)}")
    library = torch if isinstance(weight, torch.Tensor) else np
    norm = library.linalg.norm(weight, axis=1)[:, None]
    return weight / library.where(norm > 0, norm, library.ones_like(norm)) ** tau


def correct_undersampling(p, beta):
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
    p = _floating(p, "probabilities")
    if bool(((p < 0) | (p > 1)).any()):
        raise ValueError("probabilities must be in [0, 1]")
    kept = beta * p
    return kept / (kept + (1 - p))


def fit_temperature(logits, y):
    """Temperature T whose softmax(logits / T) has the least log loss on held-out data.

    Parameters
    ----------
    logits : array or Tensor of shape (N, C)
        Of validation data that the model was not trained on.
    y : array-like of shape (N,), integer
        Class indices.

    Returns
    -------
    float
        Between e^-5 and e^5; the ends are reached where the best temperature is 0 (all samples
        on the right side) or infinite (worse than chance).

    Raises
    ------
    ValueError
        On NaN logits, wrong shapes or labels out of range.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.

    Examples
    --------
    >>> logits = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    >>> round(fit_temperature(logits, [0, 0, 1, 1]), 3)  # 3 of 4 right: 4 / log 3
    3.641
    """
    logits = _logits(logits)
    if isinstance(logits, torch.Tensor):
        logits = logits.detach().cpu().double().numpy()
    logits = logits.astype(np.float64)
    y = np.asarray(y)
    if y.shape != logits.shape[:1] or y.dtype.kind not in "iu" or len(y) == 0:
        raise ValueError(f"y must be integers of shape ({len(logits)},), got {y.dtype} {y.shape}")
    if y.min() < 0 or y.max() >= logits.shape[1]:
        raise ValueError(f"y must be in 0 … {logits.shape[1] - 1}")
    margins = logits - logits[np.arange(len(y)), y][:, None]

    def log_loss(log_temperature):
        return logsumexp(margins * np.exp(-log_temperature), axis=1).mean()

    # The loss is convex in 1 / T, hence has one valley in log T.
    found = minimize_scalar(log_loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))
