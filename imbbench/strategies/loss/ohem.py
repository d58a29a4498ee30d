"""Online hard example mining."""

import torch.nn.functional as F

from imbbench.bench.objectives import Loss


class OHEMLoss(Loss):
    """Online hard example mining: the mean cross-entropy of the batch's largest losses.

    Parameters
    ----------
    keep : float in (0, 1], default 0.7
        Share of the batch that is kept: the ``max(1, round(keep * N))`` largest losses, averaged
        over those kept. 1 is cross-entropy.

    Raises
    ------
    ValueError
        If ``keep`` is outside (0, 1].

    References
    ----------
    Shrivastava, Gupta and Girshick, "Training Region-based Object Detectors with Online Hard
    Example Mining", CVPR 2016; without their detection parts (box loss, suppression of overlaps).

    Examples
    --------
    >>> import torch
    >>> logits = torch.tensor([[0.0, 0.0], [9.0, 0.0]])
    >>> OHEMLoss(keep=0.5)(logits, torch.tensor([0, 0])).item()
    0.6931...
    """

    def __init__(self, keep: float = 0.7) -> None:
        super().__init__()
        if not 0 < keep <= 1:
            raise ValueError(f"keep must be in (0, 1], got {keep}")
        self.keep = float(keep)

    def _loss(self, logits, target):
        losses = F.cross_entropy(logits, target, reduction="none")
        kept = max(1, round(self.keep * len(target)))
        return losses.topk(kept, sorted=False).values.mean()
