"""Gradient-harmonised classification loss."""

import math

import torch

from imbbench.bench.objectives import Loss, check_logits
from imbbench.bench.values import check_whole
from imbbench.strategies.loss.terms import OneVsRest, cross_entropy


class GHMCLoss(Loss):
    """Gradient-harmonised classification loss: every gradient-norm bin gets equal weight.

    The N * C one-vs-rest terms share one histogram of their gradient norms g = |sigma(z) - t|;
    each term is weighted by the inverse of its bin's count.

    Parameters
    ----------
    bins : int, default 10
        Bins of equal width on [0, 1].
    momentum : float in [0, 1), default 0.0
        Share of the old bin counts that is kept at each call. As in the authors' code the
        average starts at zero and is not bias-corrected, so the first calls with momentum m are
        inflated by up to 1 / (1 - m), and the count of a bin that is empty now does not decay.

    Attributes
    ----------
    acc_sum : Tensor of shape (bins,), float64
        Averaged bin counts; part of ``state_dict``. In evaluation mode the loss is what the
        next training call would give, and the counts stay as they are.

    Raises
    ------
    ValueError
        If ``bins`` is below 1 or ``momentum`` outside [0, 1).

    References
    ----------
    Li, Liu and Wang, "Gradient Harmonized Single-stage Detector", AAAI 2019 (paper settings:
    30 bins, momentum 0.75).

    Examples
    --------
    >>> GHMCLoss(bins=10)(torch.zeros(1, 2), torch.tensor([0])).item()
    0.6931...
    """

    probabilities = "sigmoid"

    def __init__(self, bins: int = 10, momentum: float = 0.0) -> None:
        super().__init__()
        check_whole("bins", bins)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {momentum}")
        self.bins = bins
        self.momentum = float(momentum)
        self.register_buffer("acc_sum", torch.zeros(self.bins, dtype=torch.float64))

    def _loss(self, logits, target):
        if not math.isfinite(logits.sum().item()):
            check_logits(logits)  # before anything of it enters the histogram
        return OneVsRest.apply(logits, target, self._harmonised).sum()

    def _harmonised(self, margin):
        losses, slope = cross_entropy(margin)
        index = (-self.bins * slope).long().clamp_(max=self.bins - 1).flatten()
        counts = torch.bincount(index, minlength=self.bins).to(self.acc_sum.dtype)
        filled = counts > 0
        averaged = self.momentum * self.acc_sum + (1 - self.momentum) * counts
        acc_sum = torch.where(filled, averaged, self.acc_sum)
        if self.training:
            self.acc_sum.copy_(acc_sum)
        per_bin = torch.where(filled, 1.0 / (acc_sum * filled.sum()), 0.0)
        weight = per_bin.to(margin.dtype).index_select(0, index).view_as(margin)
        return losses * weight, slope * weight
