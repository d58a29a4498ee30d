"""What the focal, gradient-harmonised and margin losses are made of."""

import torch
import torch.nn.functional as F
from torch.autograd.function import once_differentiable


def check_gamma(gamma):
    if not 0 <= gamma < float("inf"):
        raise ValueError(f"gamma must be finite and not negative, got {gamma}")
    return float(gamma)


def cross_entropy(margin):
    """-log sigma(margin) and its derivative."""
    return -F.logsigmoid(margin), torch.sigmoid(-margin).neg_()


def focal(margin, gamma):
    """(1 - p_t)^gamma * -log p_t for p_t = sigma(margin), and its derivative."""
    log_right = F.logsigmoid(margin)
    log_wrong = log_right - margin  # log(1 - p_t), to an absolute 1e-6 in float32
    modulator = torch.exp(gamma * log_wrong)
    losses = -log_right * modulator
    slope = modulator.mul_(log_wrong.exp_()).add_(losses * log_right.exp_(), alpha=gamma)
    return losses, slope.neg_()


class OneVsRest(torch.autograd.Function):
    """``term`` of each logit's log-odds, z for the target and -z for the others: (N, C)."""

    @staticmethod
    def forward(ctx, logits, target, term):
        sign = torch.full_like(logits, -1.0).scatter_(1, target[:, None], 1.0)
        losses, slope = term(sign * logits)
        ctx.save_for_backward(slope.mul_(sign))
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (slope,) = ctx.saved_tensors
        return slope * gradient, None, None


class Softmax(torch.autograd.Function):
    """``term`` of the target's softmax log-odds, z_y - logsumexp of the other logits: (N,).

    Written so, 1 - p_y keeps its digits where p_y rounds to 1, which a power of it with an
    exponent below 1 needs for a finite gradient.
    """

    @staticmethod
    def forward(ctx, logits, target, term):
        index = target[:, None]
        others = logits.scatter(1, index, float("-inf"))
        top = others.amax(dim=1, keepdim=True)
        # Below e^-64 nothing counts, but subnormal numbers would cost ten times the time.
        others.sub_(top).clamp_(min=-64.0).exp_()
        total = others.sum(dim=1, keepdim=True)
        losses, slope = term((logits.gather(1, index) - top - total.log()).squeeze(1))
        ctx.save_for_backward(others, total, slope, index)
        return losses

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        others, total, slope, index = ctx.saved_tensors
        slope = (slope * gradient)[:, None]
        return (others * (-slope / total)).scatter_(1, index, slope), None, None
