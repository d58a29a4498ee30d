"""Tau-normalisation of a linear classifier."""

import numpy as np
import torch

from imbbench.bench.arrays import Array, floating
from imbbench.bench.values import check_finite


def tau_normalize(weight: Array, tau: float) -> Array:
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
    check_finite("tau", tau)
    weight = floating(weight, "weights")
    if weight.ndim != 2 or len(weight) < 2:
        raise ValueError(f"weight must have shape (C, D), C >= 2, got {tuple(weight.shape)}")
    library = torch if isinstance(weight, torch.Tensor) else np
    norm = library.linalg.norm(weight, axis=1)[:, None]
    return weight / library.where(norm > 0, norm, library.ones_like(norm)) ** tau


class TauNormalised:
    """Linear classifier with tau-normalised weights and no bias."""

    def __init__(self, weight, tau):
        self.tau = tau
        self.weight = tau_normalize(weight, tau)

    def predict_proba(self, features):
        """Probabilities, (N, C)."""
        logits = torch.from_numpy(features.astype(np.float64) @ self.weight.T)
        return torch.softmax(logits, dim=1).numpy()
