"""Balanced softmax and the logit-adjusted loss."""

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike

from imbbench.bench.counts import log_prior_bias, logit_adjustment
from imbbench.bench.objectives import Loss
from imbbench.bench.values import check_choice


class BalancedSoftmaxLoss(Loss):
    """Balanced softmax: CE(z + log pi, y). Predict with the raw logits.

    The same loss as :class:`LogitAdjustedLoss` with ``tau=1``, up to the latter's 1e-12.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    reduction : {"mean", "sum"}, default "mean"

    Raises
    ------
    ValueError
        If a class has no training sample.

    References
    ----------
    Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition", NeurIPS 2020 (they add
    log n_c, which differs by a constant and so not at all).

    Examples
    --------
    >>> BalancedSoftmaxLoss([900, 100])(torch.zeros(1, 2), torch.tensor([1])).item()  # log 10
    2.3025...
    """

    def __init__(self, class_counts: ArrayLike, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = check_choice("reduction", reduction, ("mean", "sum"))
        self.register_buffer("log_prior", torch.from_numpy(log_prior_bias(class_counts)))
        self.n_classes = len(self.log_prior)

    def _loss(self, logits, target):
        shifted = logits + self.log_prior.to(logits.dtype)
        return F.cross_entropy(shifted, target, reduction=self.reduction)


class LogitAdjustedLoss(Loss):
    """Logit-adjusted loss: CE(z + log(pi^tau + 1e-12), y). Predict with the raw logits.

    Adjusting the logits after training as well (:func:`imbbench.posthoc.adjust_logits`) would
    correct twice.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    tau : float, default 1.0
        1 is consistent for the balanced error, 0 is plain cross-entropy.

    Raises
    ------
    ValueError
        If a class has no training sample or ``tau`` is not finite.

    References
    ----------
    Menon et al., "Long-tail learning via logit adjustment", ICLR 2021; the 1e-12 is from their
    code.

    Examples
    --------
    >>> LogitAdjustedLoss([900, 100])(torch.zeros(1, 2), torch.tensor([1])).item()  # log 10
    2.3025...
    """

    def __init__(self, class_counts: ArrayLike, tau: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("adjustment", torch.from_numpy(logit_adjustment(class_counts, tau)))
        self.n_classes = len(self.adjustment)

    def _loss(self, logits, target):
        return F.cross_entropy(logits + self.adjustment.to(logits.dtype), target)
