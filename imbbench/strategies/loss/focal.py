"""Focal loss, softmax and sigmoid."""

from functools import partial

import torch
from numpy.typing import ArrayLike

from imbbench.bench.objectives import Loss, as_class_weights
from imbbench.bench.values import check_choice
from imbbench.strategies.loss.terms import OneVsRest, Softmax, check_gamma, focal


class FocalLoss(Loss):
    """Softmax focal loss, -alpha_y (1 - p_y)^gamma log p_y, averaged over the batch.

    Parameters
    ----------
    gamma : float, default 2.0
        Not negative; 0 is cross-entropy.
    alpha : array-like of shape (C,), optional
        Class weights. They multiply the focal term from outside; several published versions
        put them inside exp(-CE), which is another loss.

    Raises
    ------
    ValueError
        If ``gamma`` or a weight is negative.

    References
    ----------
    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017 (there for sigmoid outputs, see
    :class:`SigmoidFocalLoss`); the softmax form follows Cao et al., NeurIPS 2019 (their code).

    Examples
    --------
    >>> FocalLoss(gamma=2.0)(torch.zeros(1, 2), torch.tensor([0])).item()  # log(2) / 4
    0.1732...
    """

    def __init__(self, gamma: float = 2.0, alpha: ArrayLike | None = None) -> None:
        super().__init__()
        self.gamma = check_gamma(gamma)
        self.register_buffer("alpha", None if alpha is None else as_class_weights(alpha))
        self.n_classes = None if alpha is None else len(self.alpha)

    def _loss(self, logits, target):
        losses = Softmax.apply(logits, target, partial(focal, gamma=self.gamma))
        if self.alpha is not None:
            losses = losses * self.alpha.to(logits.dtype)[target]
        return losses.mean()


class SigmoidFocalLoss(Loss):
    """One-vs-rest sigmoid focal loss on one-hot targets.

    Parameters
    ----------
    gamma : float, default 2.0
        Not negative; 0 is binary cross-entropy.
    alpha : float in [0, 1], optional
        Weight of the target's term; the others get 1 - alpha. None switches it off. It is no
        inverse frequency: the paper's 0.25 *lowers* the positives, gamma having tamed the
        negatives already.
    reduction : {"mean", "sum"}, default "mean"
        ``"mean"`` is over all N * C terms.

    Raises
    ------
    ValueError
        If ``gamma`` is negative or ``alpha`` outside [0, 1].

    References
    ----------
    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017. The paper divides by the
    number of positive anchors; here as in the authors' library, mean or sum.

    Examples
    --------
    >>> SigmoidFocalLoss(gamma=2.0)(torch.zeros(1, 2), torch.tensor([0])).item()
    0.1732...
    """

    probabilities = "sigmoid"

    def __init__(
        self, gamma: float = 2.0, alpha: float | None = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.gamma = check_gamma(gamma)
        if alpha is not None and not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be None or in [0, 1], got {alpha}")
        self.alpha = alpha
        self.reduction = check_choice("reduction", reduction, ("mean", "sum"))

    def _loss(self, logits, target):
        losses = OneVsRest.apply(logits, target, partial(focal, gamma=self.gamma))
        if self.alpha is not None:
            weight = torch.full_like(losses, 1.0 - self.alpha)
            losses = losses * weight.scatter_(1, target[:, None], self.alpha)
        return losses.mean() if self.reduction == "mean" else losses.sum()
