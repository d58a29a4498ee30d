"""Bilateral-branch network: its head, the mixing of its branches and its step."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imbbench.bench.counts import check_progress
from imbbench.bench.neural import zero_head
from imbbench.strategies.schedule.draws import row_probabilities


def bbn_mix(
    features_conventional: Tensor,
    features_rebalancing: Tensor,
    target_conventional: Tensor,
    target_rebalancing: Tensor,
    classifier: nn.Module,
    progress: float,
) -> tuple[Tensor, Tensor]:
    """Logits and loss of a bilateral-branch network's cumulative learning.

    With alpha = 1 - progress^2 the two branches' features are mixed to
    [2 alpha f_a ; 2 (1 - alpha) f_b], and the loss is alpha CE(z, y_a) + (1 - alpha) CE(z, y_b).
    At test time feed the classifier both branches' features of the *same* samples unscaled, which
    is alpha = 0.5.

    Parameters
    ----------
    features_conventional, features_rebalancing : Tensor of shape (N, D)
        From the branch with the plain sampler, and from the one with the reversed sampler
        (:func:`imbbench.schedules.sampling_probabilities` with ``power=-1``).
    target_conventional, target_rebalancing : Tensor of shape (N,), int64
    classifier : nn.Module
        From 2 D features to C logits.
    progress : float in [0, 1]
        Share of training done: zero-based epoch over the number of epochs.

    Returns
    -------
    logits : Tensor of shape (N, C)
    loss : Tensor, scalar

    Raises
    ------
    ValueError
        If ``progress`` is outside [0, 1].

    References
    ----------
    Zhou et al., "BBN: Bilateral-Branch Network with Cumulative Learning for Long-Tailed Visual
    Recognition", CVPR 2020. The authors' code lengthens some schedules (90 epochs count as 100).

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> f, y = torch.ones(2, 3), torch.tensor([0, 1])
    >>> logits, loss = bbn_mix(f, f, y, y, nn.Linear(6, 2), progress=0.25)
    >>> logits.shape
    torch.Size([2, 2])
    """
    check_progress(progress)
    alpha = 1 - progress**2
    mixed = torch.cat(
        [2 * alpha * features_conventional, 2 * (1 - alpha) * features_rebalancing], 1
    )
    logits = classifier(mixed)
    loss = alpha * F.cross_entropy(logits, target_conventional)
    return logits, loss + (1 - alpha) * F.cross_entropy(logits, target_rebalancing)


class TwoBranches(torch.nn.Module):
    """Head of a bilateral-branch network: a block per branch, and a classifier of both."""

    def __init__(self, width, n_classes):
        super().__init__()
        self.conventional = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU())
        self.rebalancing = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU())
        self.classifier = zero_head(2 * width, n_classes)

    def forward(self, features):
        """Logits with both branches unscaled, as at test time."""
        both = [self.conventional(features), self.rebalancing(features)]
        return self.classifier(torch.cat(both, dim=1))


def bbn_stepper(cell, shares):
    """Training by :func:`bbn_mix`; the second sampler draws classes with ``shares``."""

    def stepper(network, optimiser, inputs, labels, rng):
        trunk, head = network
        p = row_probabilities(cell.y, shares)

        def step(rows, progress):
            other = torch.from_numpy(rng.choice(len(p), size=len(rows), p=p)).to(rows.device)
            first = head.conventional(trunk(inputs[rows]))
            second = head.rebalancing(trunk(inputs[other]))
            targets = labels[rows], labels[other]
            _, value = bbn_mix(first, second, *targets, head.classifier, progress)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            return 2 * len(rows)

        return step

    return stepper
