"""Label-distribution-aware margin loss and the cosine classifier it expects."""

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from torch import Tensor, nn

from imbbench.bench.counts import check_class_counts
from imbbench.bench.objectives import Loss, as_class_weights, weight_sum
from imbbench.strategies.loss.terms import Softmax, cross_entropy


class LDAMLoss(Loss):
    """Label-distribution-aware margin loss: CE(scale * (z - m_y e_y), y).

    The margins m_c are proportional to n_c^(-1/4) and the rarest class gets ``max_margin``. The
    logits should be cosines (:class:`imbbench.schedules.NormedLinear`); on unbounded logits the
    margins mean little and ``scale`` multiplies the gradients.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    max_margin : float, default 0.5
    scale : float, default 30.0
        Kept at inference, without margins: it is this loss's ``inference_scale``.
    weight : array-like of shape (C,), optional
        Class weights; the mean then divides by the sum of the batch's weights. For deferred
        re-weighting make the loss anew with :func:`imbbench.schedules.drw_weights`.

    Raises
    ------
    ValueError
        If a class has no training sample, the weights do not fit, or ``max_margin`` is negative
        or ``scale`` not positive.

    References
    ----------
    Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019.

    Examples
    --------
    >>> loss = LDAMLoss([900, 100])
    >>> loss.margins.tolist()
    [0.2886..., 0.5]
    """

    def __init__(
        self,
        class_counts: ArrayLike,
        max_margin: float = 0.5,
        scale: float = 30.0,
        weight: ArrayLike | None = None,
    ) -> None:
        super().__init__()
        counts = check_class_counts(class_counts)
        if not 0 <= max_margin < float("inf"):
            raise ValueError(f"max_margin must be finite and not negative, got {max_margin}")
        if not 0 < scale < float("inf"):
            raise ValueError(f"scale must be finite and positive, got {scale}")
        self.n_classes = len(counts)
        self.inference_scale = self.scale = float(scale)
        margins = max_margin * (counts / counts.min()) ** -0.25
        self.register_buffer("margins", torch.from_numpy(margins))
        self.register_buffer(
            "weight", None if weight is None else as_class_weights(weight, self.n_classes)
        )

    def _loss(self, logits, target):
        # The margin m_y is on the target's logit alone, so it comes off the log-odds as it is.
        shift = (self.scale * self.margins).to(logits.dtype)[target]
        losses = Softmax.apply(
            self.scale * logits, target, lambda margin: cross_entropy(margin - shift)
        )
        if self.weight is None:
            return losses.mean()
        weight = self.weight.to(logits.dtype)[target]
        return torch.dot(losses, weight) / weight_sum(weight)


class NormedLinear(nn.Module):
    """Cosine classifier: inputs and class weights are L2-normalised, there is no bias.

    Its outputs in [-1, 1] are what :class:`imbbench.losses.LDAMLoss` expects; multiply them by the
    loss's ``inference_scale`` before a softmax.

    Parameters
    ----------
    in_features, out_features : int
        ``weight`` has shape (out_features, in_features), one row per class, as in ``nn.Linear``.
        Its rows start at random directions and length one, as in the authors' code.

    References
    ----------
    Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019 (their code).

    Examples
    --------
    >>> NormedLinear(4, 3)(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        # Of norm one: a step turns a long vector less, so the norm sets the learning rate.
        start = torch.empty(out_features, in_features).uniform_(-1, 1)
        self.weight = nn.Parameter(F.normalize(start, dim=1))

    def forward(self, features: Tensor) -> Tensor:
        """Cosines (N, C) of features (N, D) with the class weights."""
        return F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))
