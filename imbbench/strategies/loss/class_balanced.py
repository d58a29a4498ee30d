"""Class-balanced losses, weighted by effective numbers."""

from functools import partial

import torch
from numpy.typing import ArrayLike

from imbbench.bench.counts import effective_number_weights
from imbbench.bench.objectives import Loss, weighted_cross_entropy
from imbbench.bench.values import check_choice
from imbbench.strategies.loss.terms import OneVsRest, check_gamma, cross_entropy, focal


class ClassBalancedLoss(Loss):
    """Cross-entropy, one-vs-rest or sigmoid focal loss weighted by effective numbers.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    beta : float, default 0.9999
        In [0, 1); 0 is unweighted. See :func:`imbbench.losses.effective_number_weights`.
    base : {"softmax", "sigmoid", "focal"}, default "softmax"
        ``"focal"`` is the *sigmoid* focal loss without alpha, as in the paper.
    gamma : float, default 2.0
        Exponent of ``base="focal"``; unused otherwise.

    Raises
    ------
    ValueError
        If a class has no training sample, ``beta`` is outside [0, 1) or ``gamma`` negative.

    References
    ----------
    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019. Normalised
    as the authors' code: divided by N, not by the sum of the weights. Their focal modulator
    overflows at confidently wrong logits; this one does not. With ``sigmoid`` and ``focal`` they
    start the last layer's bias at -log(C - 1); here the learner starts it, the study's at 0, which
    is the same for two classes.

    Examples
    --------
    >>> loss = ClassBalancedLoss([500, 60, 7], beta=0.999)
    >>> loss(torch.zeros(2, 3), torch.tensor([0, 2])).item()
    1.4743...
    """

    def __init__(
        self,
        class_counts: ArrayLike,
        beta: float = 0.9999,
        base: str = "softmax",
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        self.base = check_choice("base", base, ("softmax", "sigmoid", "focal"))
        self.gamma = check_gamma(gamma)
        self.probabilities = "softmax" if base == "softmax" else "sigmoid"
        weight = effective_number_weights(class_counts, beta)
        self.register_buffer("weight", torch.from_numpy(weight))
        self.n_classes = len(weight)

    def _loss(self, logits, target):
        if self.base == "softmax":
            return weighted_cross_entropy(logits, target, self.weight, "batch_mean")
        term = cross_entropy if self.base == "sigmoid" else partial(focal, gamma=self.gamma)
        losses = OneVsRest.apply(logits, target, term)
        return torch.dot(losses.sum(dim=1), self.weight.to(logits.dtype)[target]) / len(target)
