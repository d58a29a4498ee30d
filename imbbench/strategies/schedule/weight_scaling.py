"""Learnable weight scaling, the second stage of LWS."""

import copy

import torch
from torch import Tensor, nn


class LearnableWeightScaling(nn.Module):
    """Second stage of LWS: one learnable scale per class on a frozen linear classifier.

    z_c = s_c (w_c · x + b_c); as in the authors' code the bias is scaled too.

    Parameters
    ----------
    linear : nn.Linear
        The trained classifier. A frozen copy is kept; ``scale`` (C,) starts at 1 and is the only
        parameter that learns. Train it with class-balanced sampling.

    References
    ----------
    Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.

    Examples
    --------
    >>> linear = nn.Linear(4, 3)
    >>> torch.equal(LearnableWeightScaling(linear)(torch.ones(2, 4)), linear(torch.ones(2, 4)))
    True
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = copy.deepcopy(linear).requires_grad_(False)
        self.scale = nn.Parameter(torch.ones_like(self.linear.weight[:, 0]))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, C) of features (N, D)."""
        return self.scale * self.linear(features)
