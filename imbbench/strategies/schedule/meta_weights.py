"""Meta-Weight-Net: the weights it learns, one step, and training by such steps."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call


def weight_network(hidden: int = 100) -> nn.Sequential:
    """Meta-Weight-Net's weight function: a loss (N, 1) to a weight in (0, 1), shape (N, 1).

    Examples
    --------
    >>> weight_network()(torch.tensor([[0.1], [2.3]])).shape
    torch.Size([2, 1])
    """
    return nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, 1), nn.Sigmoid())


class MetaStep(NamedTuple):
    """What :func:`meta_weight_net_step` did, without gradients.

    ``losses`` and ``weights`` (N,) are those of the virtual step, before the weight network
    moved; ``meta_loss`` is the virtual network's loss on the meta batch, ``loss`` the weighted
    training loss of the real step.
    """

    losses: torch.Tensor
    weights: torch.Tensor
    meta_loss: float
    loss: float


def _weighted_loss(losses, weights, normalise):
    if not normalise:
        return (weights * losses).mean()
    total = weights.sum()
    return (weights * losses).sum() / torch.where(total > 0, total, 1.0)


def meta_weight_net_step(
    model: nn.Module,
    weight_net: nn.Module,
    optimizer: torch.optim.Optimizer,
    weight_optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    meta_x: Tensor,
    meta_y: Tensor,
    *,
    inner_lr: float | None = None,
    normalise: bool = False,
    detach: bool = True,
) -> MetaStep:
    """One training step of Meta-Weight-Net, in place.

    1. A virtual step of plain SGD on the weighted loss gives w' as a function of the weight
       network.
    2. The weight network steps down the gradient of the cross-entropy of w' on the meta batch
       (second order).
    3. The model steps on the loss with the new weights, which are constants there.

    Afterwards ``.grad`` of both networks holds the gradients that were used.

    Parameters
    ----------
    model : nn.Module
        From ``x`` to logits (N, C). Only parameters that require gradients take the virtual step;
        running statistics (batch norm) are touched by the real step alone.
    weight_net : nn.Module
        From losses (N, 1) to weights (N, 1), such as :func:`weight_network`.
    optimizer, weight_optimizer : torch.optim.Optimizer
        Of ``model`` and of ``weight_net``.
    x, y : Tensor
        Training batch, y int64 of shape (N,).
    meta_x, meta_y : Tensor
        Class-balanced meta batch, apart from the training data.
    inner_lr : float, optional
        Learning rate of the virtual step; by default the first one of ``optimizer``, so that it
        follows its schedule.
    normalise : bool, default False
        Divide the weights by their sum over the batch instead of by N.
    detach : bool, default True
        Whether the weight network's input is cut from the graph in the virtual step. True is the
        paper's equation; the authors' class-imbalance code has ``normalise=True, detach=False``,
        which gives other meta-gradients.

    Returns
    -------
    MetaStep

    Raises
    ------
    ValueError
        If the training or the meta loss is not finite; nothing has been changed then.

    References
    ----------
    Shu et al., "Meta-Weight-Net: Learning an Explicit Mapping For Sample Weighting", NeurIPS 2019.

    Examples
    --------
    >>> model, weight_net = nn.Linear(2, 3), weight_network(hidden=4)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> weight_optimizer = torch.optim.Adam(weight_net.parameters(), lr=1e-3)
    >>> x, y = torch.ones(6, 2), torch.tensor([0, 0, 0, 0, 1, 2])
    >>> step = meta_weight_net_step(model, weight_net, optimizer, weight_optimizer, x, y, x, y)
    >>> step.weights.shape
    torch.Size([6])
    """
    if inner_lr is None:
        inner_lr = optimizer.param_groups[0]["lr"]
    params = {name: p for name, p in model.named_parameters() if p.requires_grad}
    # Copies, so that the virtual network's forward passes leave no trace in the model.
    buffers = {name: b.clone() for name, b in model.named_buffers()}

    losses = F.cross_entropy(functional_call(model, (params, buffers), (x,)), y, reduction="none")
    weights = weight_net((losses.detach() if detach else losses)[:, None]).squeeze(1)
    gradients = torch.autograd.grad(
        _weighted_loss(losses, weights, normalise),
        list(params.values()),
        create_graph=True,
        materialize_grads=True,
    )
    virtual = {n: p - inner_lr * g for (n, p), g in zip(params.items(), gradients, strict=True)}
    meta_loss = F.cross_entropy(functional_call(model, (virtual, buffers), (meta_x,)), meta_y)
    if not torch.isfinite(losses).all() or not torch.isfinite(meta_loss):
        raise ValueError("the training or the meta loss is NaN or infinite")

    theta = list(weight_net.parameters())
    for p, gradient in zip(theta, torch.autograd.grad(meta_loss, theta), strict=True):
        p.grad = gradient
    weight_optimizer.step()

    real_losses = F.cross_entropy(model(x), y, reduction="none")
    with torch.no_grad():
        new_weights = weight_net(real_losses[:, None]).squeeze(1)
    loss = _weighted_loss(real_losses, new_weights, normalise)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return MetaStep(losses.detach(), weights.detach(), meta_loss.item(), loss.item())


def meta_stepper(meta, learning_rate):
    """Training by :func:`meta_weight_net_step` with the rows ``meta`` as meta set."""

    def stepper(network, optimiser, inputs, labels, rng):
        weights = weight_network().to(labels.device)
        weight_optimiser = torch.optim.Adam(weights.parameters(), learning_rate, weight_decay=1e-4)
        clean = torch.from_numpy(meta).to(labels.device)

        def step(rows, progress):
            networks = network, weights, optimiser, weight_optimiser
            batches = inputs[rows], labels[rows], inputs[clean], labels[clean]
            meta_weight_net_step(*networks, *batches, normalise=True)
            return 2 * len(rows) + len(clean)

        return step

    return stepper
