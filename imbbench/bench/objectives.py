"""What the losses share, the losses that several families train with, and where they start.

Every loss is a :class:`torch.nn.Module` called as ``loss(logits, target)`` with logits of shape
(N, C), C >= 2, and int64 targets of shape (N,); it returns a scalar. All of them compute in
float32 at least (half-precision logits are cast up), work in log space and keep their gradients
finite for any finite logits.

Two attributes say how a network trained with a loss turns its logits into probabilities:
``probabilities`` is ``"softmax"``, or ``"sigmoid"`` for one-vs-rest losses (then the probabilities
are sigma(z) / sum sigma(z)); ``inference_scale`` multiplies the logits first (LDAM keeps its scale
at inference, everything else has 1).
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from imbbench.bench.counts import check_class_counts, drw_weights
from imbbench.bench.values import check_choice


class Loss(nn.Module):
    """Checks the batch, computes ``_loss`` in float32 or float64, and refuses NaN."""

    probabilities = "softmax"
    inference_scale = 1.0
    n_classes = None  # known where the loss was given counts or weights

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of one batch.

        Parameters
        ----------
        logits : Tensor of shape (N, C), floating point
        target : Tensor of shape (N,), int64
            Class indices in 0 … C-1.

        Returns
        -------
        Tensor, scalar
            In float64 for float64 logits, otherwise in float32.

        Raises
        ------
        ValueError
            On wrong shapes or types, targets out of range, or logits that are NaN, or infinite
            so that the loss is.
        """
        if logits.ndim != 2 or logits.shape[1] < 2:
            raise ValueError(f"logits must have shape (N, C), C >= 2, got {tuple(logits.shape)}")
        if target.shape != logits.shape[:1] or len(target) == 0:
            raise ValueError(
                f"target must have shape ({len(logits)},) and not be empty, "
                f"got {tuple(target.shape)}"
            )
        if not logits.is_floating_point() or target.dtype != torch.int64:
            raise ValueError(
                f"logits must be floating point and target int64, "
                f"got {logits.dtype} and {target.dtype}"
            )
        n_classes = logits.shape[1]
        if self.n_classes not in (None, n_classes):
            raise ValueError(
                f"{type(self).__name__} was made for {self.n_classes} classes, "
                f"the logits have {n_classes}"
            )
        lowest, highest = torch.stack(target.aminmax()).tolist()
        if lowest < 0 or highest >= n_classes:
            raise ValueError(
                f"target must be in 0 … {n_classes - 1}, found values from {lowest} to {highest}"
            )
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        loss = self._loss(logits, target)
        # Looking at one number is cheap; looking through the logits waits until it is needed.
        if not math.isfinite(loss.item()):
            check_logits(logits)
        return loss


def check_logits(logits):
    rows = torch.isfinite(logits).all(dim=1).logical_not().nonzero()
    if len(rows):
        raise ValueError(
            f"logits contain NaN or infinite values in {len(rows)} of {len(logits)} rows, "
            f"first in row {int(rows[0])}"
        )


def as_class_weights(weight, n_classes=None):
    """Class weights as a float64 tensor of their own, or a ValueError."""
    weight = torch.as_tensor(np.array(weight, dtype=np.float64))
    if weight.ndim != 1 or len(weight) < 2:
        raise ValueError(
            f"class weights must be one-dimensional with one entry per class, "
            f"got shape {tuple(weight.shape)}"
        )
    if n_classes is not None and len(weight) != n_classes:
        raise ValueError(f"{len(weight)} class weights were given for {n_classes} classes")
    if not (torch.isfinite(weight) & (weight >= 0)).all() or not (weight > 0).any():
        raise ValueError(
            f"class weights must be finite, not negative and not all zero, got {weight.tolist()}"
        )
    return weight


class WeightedCrossEntropy(Loss):
    """Class-weighted softmax cross-entropy.

    Parameters
    ----------
    weight : array-like of shape (C,)
        One weight per class, in the order of the class indices.
    reduction : {"mean", "sum", "batch_mean"}, default "mean"
        ``"mean"`` divides by the sum of the batch's weights, as torch does, so that the overall
        scale of the weights is irrelevant; ``"batch_mean"`` divides by N, as Keras does. A batch
        whose samples all weigh nothing has loss 0.

    Raises
    ------
    ValueError
        If the weights are negative, all zero or not one-dimensional.

    Examples
    --------
    >>> from imbbench.losses import inverse_frequency_weights
    >>> loss = WeightedCrossEntropy(inverse_frequency_weights([900, 100]))
    >>> loss(torch.zeros(2, 2), torch.tensor([0, 1])).item()  # log 2
    0.6931...
    """

    def __init__(self, weight: ArrayLike, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = check_choice("reduction", reduction, ("mean", "sum", "batch_mean"))
        self.register_buffer("weight", as_class_weights(weight))
        self.n_classes = len(self.weight)

    def _loss(self, logits, target):
        return weighted_cross_entropy(logits, target, self.weight, self.reduction)


def weighted_cross_entropy(logits, target, weight, reduction):
    weight = weight.to(logits.dtype)
    total = F.cross_entropy(logits, target, weight, reduction="sum")
    if reduction == "sum":
        return total
    if reduction == "batch_mean":
        return total / len(target)
    return total / weight_sum(weight[target])


def weight_sum(weight):
    """Sum of sample weights to divide by: torch's own mean is 0/0 for a batch without weight."""
    return weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)


class DeferredReweighting(nn.Module):
    """A loss whose class weights follow :func:`drw_weights`.

    Parameters
    ----------
    loss : nn.Module
        With a buffer ``weight`` (C,), such as :class:`imbbench.losses.WeightedCrossEntropy` or
        :class:`imbbench.losses.LDAMLoss` with ``weight`` given.
    class_counts : array-like of shape (C,)
        Training samples per class.

    References
    ----------
    See :func:`drw_weights`. The authors also lower the learning rate at the switch.

    Examples
    --------
    >>> from imbbench.losses import WeightedCrossEntropy
    >>> loss = DeferredReweighting(WeightedCrossEntropy([1, 1]), [900, 100])
    >>> loss.at(0.8)
    >>> loss.loss.weight.round(decimals=3).tolist()
    [0.207, 1.793]
    """

    def __init__(self, loss: Loss, class_counts: ArrayLike) -> None:
        super().__init__()
        self.loss = loss
        self.class_counts = class_counts
        self.probabilities = loss.probabilities
        self.inference_scale = loss.inference_scale
        self.at(0.0)

    def at(self, progress: float) -> None:
        """Set the weights for training progress in [0, 1]."""
        self.loss.weight.copy_(torch.from_numpy(drw_weights(self.class_counts, progress)))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of one batch."""
        return self.loss(logits, target)


def start_bias(
    class_counts: ArrayLike,
    weight: ArrayLike | None = None,
    balanced: bool = False,
    probabilities: str = "softmax",
) -> NDArray[np.float64]:
    """Last-layer bias that starts a classifier at the class distribution its loss will see.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    weight : array-like of shape (C,), optional
        Class weights of the loss; the distribution it sees is w_c pi_c, normalised. Inverse
        frequency weights therefore start at a constant bias.
    balanced : bool, default False
        True when classes are sampled alike, and for :class:`BalancedSoftmaxLoss` and
        :class:`LogitAdjustedLoss`, which add the prior themselves: the bias is then zero
        (softmax) or the one of a uniform prior (sigmoid).
    probabilities : {"softmax", "sigmoid"}, default "softmax"
        The loss's attribute of this name: one-vs-rest losses start at log(q / (1 - q)) where
        softmax losses start at log q.

    Returns
    -------
    ndarray of shape (C,), float64

    Raises
    ------
    ValueError
        If a class has no training sample, or a class zero weight (its bias would be infinite).

    Examples
    --------
    >>> from imbbench.losses import inverse_frequency_weights
    >>> start_bias([900, 100], weight=inverse_frequency_weights([900, 100])).round(3).tolist()
    [-0.693, -0.693]
    >>> start_bias([10, 1], probabilities="sigmoid").round(3).tolist()
    [2.303, -2.303]
    """
    check_choice("probabilities", probabilities, ("softmax", "sigmoid"))
    counts = check_class_counts(class_counts)
    if balanced:
        start = np.zeros(len(counts))
        return start if probabilities == "softmax" else start - np.log(len(counts) - 1)
    mass = counts
    if weight is not None:
        mass = counts * as_class_weights(weight, len(counts)).numpy()
        if (mass == 0).any():
            raise ValueError("start_bias needs positive weights: a class of weight 0 has no start")
    rest = mass.sum() if probabilities == "softmax" else mass.sum() - mass
    return np.log(mass) - np.log(rest)
