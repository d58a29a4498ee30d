"""Losses against class imbalance, class weights and bias initialisation.

Every loss is a :class:`torch.nn.Module` called as ``loss(logits, target)`` with logits of shape
(N, C), C >= 2, and int64 targets of shape (N,); it returns a scalar. All of them compute in
float32 at least (half-precision logits are cast up), work in log space and keep their gradients
finite for any finite logits.

Two attributes say how a network trained with a loss turns its logits into probabilities:
``probabilities`` is ``"softmax"``, or ``"sigmoid"`` for one-vs-rest losses (then the probabilities
are sigma(z) / sum sigma(z)); ``inference_scale`` multiplies the logits first (LDAM keeps its scale
at inference, everything else has 1).
"""

import math
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import xlog1py
from torch import nn
from torch.autograd.function import once_differentiable

# --------------------------------------------------------------------------- class counts


def check_class_counts(class_counts):
    """Return class counts as a float64 array, or say what is wrong with them.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class, C >= 2; every count must be positive.

    Returns
    -------
    ndarray of shape (C,), float64

    Raises
    ------
    ValueError
        If a count is zero, negative or not finite, or if there are fewer than two classes.
    """
    counts = np.asarray(class_counts, dtype=np.float64)
    if counts.ndim != 1 or len(counts) < 2:
        raise ValueError(
            f"class_counts must be one-dimensional with at least two classes, "
            f"got shape {counts.shape}"
        )
    bad = np.flatnonzero(~(np.isfinite(counts) & (counts > 0)))
    if len(bad):
        raise ValueError(
            f"class {bad[0]} has count {counts[bad[0]]:g}: every class needs at least one "
            f"training sample"
        )
    return counts


def inverse_frequency_weights(class_counts):
    """Weights N / (C n_c), scikit-learn's ``class_weight="balanced"``.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.

    Returns
    -------
    ndarray of shape (C,), float64
        Weights whose mean over the training samples is 1.

    Raises
    ------
    ValueError
        If a class has no training sample.

    Examples
    --------
    >>> inverse_frequency_weights([900, 100]).round(3).tolist()
    [0.556, 5.0]
    """
    counts = check_class_counts(class_counts)
    return counts.sum() / (len(counts) * counts)


def inverse_sqrt_weights(class_counts):
    """Weights sqrt(N / (C n_c)): half the correction, on the log scale, of inverse frequency.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.

    Returns
    -------
    ndarray of shape (C,), float64

    Raises
    ------
    ValueError
        If a class has no training sample.

    Examples
    --------
    >>> inverse_sqrt_weights([900, 100]).round(3).tolist()
    [0.745, 2.236]
    """
    return np.sqrt(inverse_frequency_weights(class_counts))


def effective_number_weights(class_counts, beta):
    """Inverse effective numbers of samples, (1 - beta) / (1 - beta^n_c), normalised to sum C.

    ``beta=0`` gives ones; ``beta`` towards 1 gives inverse frequencies. With ``beta=0.9999`` all
    classes beyond some 10^4 samples weigh alike, and below some 10^3 the weights are
    practically inverse frequencies.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    beta : float
        In [0, 1).

    Returns
    -------
    ndarray of shape (C,), float64
        Weights that sum to C.

    Raises
    ------
    ValueError
        If ``beta`` is outside [0, 1) or a class has no training sample.

    References
    ----------
    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.

    Examples
    --------
    >>> effective_number_weights([900, 100], beta=0.99).round(3).tolist()
    [0.776, 1.224]
    """
    counts = check_class_counts(class_counts)
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be in [0, 1), got {beta}")
    # 1 - beta^n without cancellation; xlog1py is silent and right at beta = 0.
    weights = -1.0 / np.expm1(xlog1py(counts, beta - 1.0))
    return weights * (len(counts) / weights.sum())


# --------------------------------------------------------------------------- bias initialisation


def log_prior_bias(class_counts):
    """Log class priors: the last-layer bias with which a softmax classifier starts at the prior.

    With last-layer weights near zero, the first cross-entropy then equals the entropy of the
    class distribution and the bias has no gradient. It changes the start of training, not the
    optimum. See :func:`start_bias` for weighted losses, balanced samplers and sigmoid losses.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.

    Returns
    -------
    ndarray of shape (C,), float64

    Raises
    ------
    ValueError
        If a class has no training sample.

    Examples
    --------
    >>> np.exp(log_prior_bias([900, 100])).round(3).tolist()
    [0.9, 0.1]
    """
    counts = check_class_counts(class_counts)
    return np.log(counts / counts.sum())


def start_bias(class_counts, weight=None, balanced=False, probabilities="softmax"):
    """Last-layer bias that starts a classifier at the class distribution its loss will see.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    weight : array-like of shape (C,), optional
        Class weights of the loss; the distribution it sees is w_c pi_c, normalised. Inverse
        frequency weights therefore start at a constant bias.
    balanced : bool, default False
        True when classes are sampled alike, and for :class:`BalancedSoftmaxLoss` and
        :class:`LogitAdjustedLoss`, which add the prior themselves: the bias is then zero
        (softmax) or the one of a uniform prior (sigmoid).
    probabilities : {"softmax", "sigmoid"}, default "softmax"
        The loss's attribute of this name: one-vs-rest losses start at log(q / (1 - q)) where
        softmax losses start at log q.

    Returns
    -------
    ndarray of shape (C,), float64

    Raises
    ------
    ValueError
        If a class has no training sample, or a class zero weight (its bias would be infinite).

    Examples
    --------
    >>> start_bias([900, 100], weight=inverse_frequency_weights([900, 100])).round(3).tolist()
    [-0.693, -0.693]
    >>> start_bias([10, 1], probabilities="sigmoid").round(3).tolist()
    [2.303, -2.303]
    """
    if probabilities not in ("softmax", "sigmoid"):
        raise ValueError(f'probabilities must be "softmax" or "sigmoid", got {probabilities!r}')
    counts = check_class_counts(class_counts)
    if balanced:
        start = np.zeros(len(counts))
        return start if probabilities == "softmax" else start - np.log(len(counts) - 1)
    mass = counts
    if weight is not None:
        mass = counts * _class_weights(weight, len(counts)).numpy()
        if (mass == 0).any():
            raise ValueError("start_bias needs positive weights: a class of weight 0 has no start")
    rest = mass.sum() if probabilities == "softmax" else mass.sum() - mass
    return np.log(mass) - np.log(rest)


# --------------------------------------------------------------------------- shared by the losses


def _class_weights(weight, n_classes=None):
    """Class weights as a float64 tensor of their own, or a ValueError."""
    weight = torch.as_tensor(np.array(weight, dtype=np.float64))
    if weight.ndim != 1 or len(weight) < 2:
        raise ValueError(
            f"class weights must be one-dimensional with one entry per class, "
            f"got shape {tuple(weight.shape)}"
        )
    if n_classes is not None and len(weight) != n_classes:
        raise ValueError(f"{len(weight)} class weights were given for {n_classes} classes")
    if not (torch.isfinite(weight) & (weight >= 0)).all() or not (weight > 0).any():
        raise ValueError(
            f"class weights must be finite, not negative and not all zero, got {weight.tolist()}"
        )
    return weight


def _check_gamma(gamma):
    if not 0 <= gamma < float("inf"):
        raise ValueError(f"gamma must be finite and not negative, got {gamma}")
    return float(gamma)


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def _cross_entropy(margin):
    """-log sigma(margin) and its derivative."""
    return -F.logsigmoid(margin), torch.sigmoid(-margin).neg_()


def _focal(margin, gamma):
    """(1 - p_t)^gamma * -log p_t for p_t = sigma(margin), and its derivative."""
    log_right = F.logsigmoid(margin)
    log_wrong = log_right - margin  # log(1 - p_t), to an absolute 1e-6 in float32
    modulator = torch.exp(gamma * log_wrong)
    losses = -log_right * modulator
    slope = modulator.mul_(log_wrong.exp_()).add_(losses * log_right.exp_(), alpha=gamma)
    return losses, slope.neg_()


# Both functions below take ``term``, which gives what the two above give: a loss of the log-odds of
# being right, and its derivative. Autograd would need several times the passes over the logits.


class _OneVsRest(torch.autograd.Function):
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


class _Softmax(torch.autograd.Function):
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


class _Loss(nn.Module):
    """Checks the batch, computes ``_loss`` in float32 or float64, and refuses NaN."""

    probabilities = "softmax"
    inference_scale = 1.0
    n_classes = None  # known where the loss was given counts or weights

    def forward(self, logits, target):
        """Loss of one batch.

        Parameters
        ----------
        logits : Tensor of shape (N, C), floating point
        target : Tensor of shape (N,), int64
            Class indices in 0 … C-1.

        Returns
        -------
        Tensor, scalar
            In float64 for float64 logits, otherwise in float32.

        Raises
        ------
        ValueError
            On wrong shapes or types, targets out of range, or logits that are NaN, or infinite
            so that the loss is.
        """
        if logits.ndim != 2 or logits.shape[1] < 2:
            raise ValueError(f"logits must have shape (N, C), C >= 2, got {tuple(logits.shape)}")
        if target.shape != logits.shape[:1] or len(target) == 0:
            raise ValueError(
                f"target must have shape ({len(logits)},) and not be empty, "
                f"got {tuple(target.shape)}"
            )
        if not logits.is_floating_point() or target.dtype != torch.int64:
            raise ValueError(
                f"logits must be floating point and target int64, "
                f"got {logits.dtype} and {target.dtype}"
            )
        n_classes = logits.shape[1]
        if self.n_classes not in (None, n_classes):
            raise ValueError(
                f"{type(self).__name__} was made for {self.n_classes} classes, "
                f"the logits have {n_classes}"
            )
        lowest, highest = torch.stack(target.aminmax()).tolist()
        if lowest < 0 or highest >= n_classes:
            raise ValueError(
                f"target must be in 0 … {n_classes - 1}, found values from {lowest} to {highest}"
            )
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        loss = self._loss(logits, target)
        # Looking at one number is cheap; looking through the logits waits until it is needed.
        if not math.isfinite(loss.item()):
            _check_finite(logits)
        return loss


def _check_finite(logits):
    rows = torch.isfinite(logits).all(dim=1).logical_not().nonzero()
    if len(rows):
        raise ValueError(
            f"logits contain NaN or infinite values in {len(rows)} of {len(logits)} rows, "
            f"first in row {int(rows[0])}"
        )


# --------------------------------------------------------------------------- the losses


class WeightedCrossEntropy(_Loss):
    """Class-weighted softmax cross-entropy.

    Parameters
    ----------
    weight : array-like of shape (C,)
        One weight per class, in the order of the class indices.
    reduction : {"mean", "sum", "batch_mean"}, default "mean"
        ``"mean"`` divides by the sum of the batch's weights, as torch does, so that the overall
        scale of the weights is irrelevant; ``"batch_mean"`` divides by N, as Keras does. A batch
        whose samples all weigh nothing has loss 0.

    Raises
    ------
    ValueError
        If the weights are negative, all zero or not one-dimensional.

    Examples
    --------
    >>> loss = WeightedCrossEntropy(inverse_frequency_weights([900, 100]))
    >>> loss(torch.zeros(2, 2), torch.tensor([0, 1])).item()  # log 2
    0.6931...
    """

    def __init__(self, weight, reduction="mean"):
        super().__init__()
        self.reduction = _check_choice("reduction", reduction, ("mean", "sum", "batch_mean"))
        self.register_buffer("weight", _class_weights(weight))
        self.n_classes = len(self.weight)

    def _loss(self, logits, target):
        return _weighted_cross_entropy(logits, target, self.weight, self.reduction)


def _weight_sum(weight):
    """Sum of sample weights to divide by: torch's own mean is 0/0 for a batch without weight."""
    return weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)


def _weighted_cross_entropy(logits, target, weight, reduction):
    weight = weight.to(logits.dtype)
    total = F.cross_entropy(logits, target, weight, reduction="sum")
    if reduction == "sum":
        return total
    if reduction == "batch_mean":
        return total / len(target)
    return total / _weight_sum(weight[target])


class FocalLoss(_Loss):
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

    def __init__(self, gamma=2.0, alpha=None):
        super().__init__()
        self.gamma = _check_gamma(gamma)
        self.register_buffer("alpha", None if alpha is None else _class_weights(alpha))
        self.n_classes = None if alpha is None else len(self.alpha)

    def _loss(self, logits, target):
        losses = _Softmax.apply(logits, target, partial(_focal, gamma=self.gamma))
        if self.alpha is not None:
            losses = losses * self.alpha.to(logits.dtype)[target]
        return losses.mean()


class SigmoidFocalLoss(_Loss):
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

    def __init__(self, gamma=2.0, alpha=None, reduction="mean"):
        super().__init__()
        self.gamma = _check_gamma(gamma)
        if alpha is not None and not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be None or in [0, 1], got {alpha}")
        self.alpha = alpha
        self.reduction = _check_choice("reduction", reduction, ("mean", "sum"))

    def _loss(self, logits, target):
        losses = _OneVsRest.apply(logits, target, partial(_focal, gamma=self.gamma))
        if self.alpha is not None:
            weight = torch.full_like(losses, 1.0 - self.alpha)
            losses = losses * weight.scatter_(1, target[:, None], self.alpha)
        return losses.mean() if self.reduction == "mean" else losses.sum()


class GHMCLoss(_Loss):
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

    def __init__(self, bins=10, momentum=0.0):
        super().__init__()
        if int(bins) != bins or bins < 1:
            raise ValueError(f"bins must be a positive integer, got {bins}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {momentum}")
        self.bins = int(bins)
        self.momentum = float(momentum)
        self.register_buffer("acc_sum", torch.zeros(self.bins, dtype=torch.float64))

    def _loss(self, logits, target):
        if not math.isfinite(logits.sum().item()):
            _check_finite(logits)  # before anything of it enters the histogram
        return _OneVsRest.apply(logits, target, self._harmonised).sum()

    def _harmonised(self, margin):
        losses, slope = _cross_entropy(margin)
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


class ClassBalancedLoss(_Loss):
    """Cross-entropy, one-vs-rest or sigmoid focal loss weighted by effective numbers.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    beta : float, default 0.9999
        In [0, 1); 0 is unweighted. See :func:`effective_number_weights`.
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
    overflows at confidently wrong logits; this one does not.

    Examples
    --------
    >>> loss = ClassBalancedLoss([500, 60, 7], beta=0.999)
    >>> loss(torch.zeros(2, 3), torch.tensor([0, 2])).item()
    1.4743...
    """

    def __init__(self, class_counts, beta=0.9999, base="softmax", gamma=2.0):
        super().__init__()
        self.base = _check_choice("base", base, ("softmax", "sigmoid", "focal"))
        self.gamma = _check_gamma(gamma)
        self.probabilities = "softmax" if base == "softmax" else "sigmoid"
        weight = effective_number_weights(class_counts, beta)
        self.register_buffer("weight", torch.from_numpy(weight))
        self.n_classes = len(weight)

    def _loss(self, logits, target):
        if self.base == "softmax":
            return _weighted_cross_entropy(logits, target, self.weight, "batch_mean")
        term = _cross_entropy if self.base == "sigmoid" else partial(_focal, gamma=self.gamma)
        losses = _OneVsRest.apply(logits, target, term)
        return torch.dot(losses.sum(dim=1), self.weight.to(logits.dtype)[target]) / len(target)


class LDAMLoss(_Loss):
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

    def __init__(self, class_counts, max_margin=0.5, scale=30.0, weight=None):
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
            "weight", None if weight is None else _class_weights(weight, self.n_classes)
        )

    def _loss(self, logits, target):
        # The margin m_y is on the target's logit alone, so it comes off the log-odds as it is.
        shift = (self.scale * self.margins).to(logits.dtype)[target]
        losses = _Softmax.apply(
            self.scale * logits, target, lambda margin: _cross_entropy(margin - shift)
        )
        if self.weight is None:
            return losses.mean()
        weight = self.weight.to(logits.dtype)[target]
        return torch.dot(losses, weight) / _weight_sum(weight)


class BalancedSoftmaxLoss(_Loss):
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

    def __init__(self, class_counts, reduction="mean"):
        super().__init__()
        self.reduction = _check_choice("reduction", reduction, ("mean", "sum"))
        self.register_buffer("log_prior", torch.from_numpy(log_prior_bias(class_counts)))
        self.n_classes = len(self.log_prior)

    def _loss(self, logits, target):
        shifted = logits + self.log_prior.to(logits.dtype)
        return F.cross_entropy(shifted, target, reduction=self.reduction)


class LogitAdjustedLoss(_Loss):
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

    def __init__(self, class_counts, tau=1.0):
        super().__init__()
        self.register_buffer("adjustment", torch.from_numpy(logit_adjustment(class_counts, tau)))
        self.n_classes = len(self.adjustment)

    def _loss(self, logits, target):
        return F.cross_entropy(logits + self.adjustment.to(logits.dtype), target)


def logit_adjustment(class_counts, tau):
    """log(pi^tau + 1e-12), what Menon et al. add in the loss or take off after training.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    tau : float

    Returns
    -------
    ndarray of shape (C,), float64

    Raises
    ------
    ValueError
        If a class has no training sample or ``tau`` is not finite.

    Examples
    --------
    >>> logit_adjustment([900, 100], tau=1.0).round(3).tolist()
    [-0.105, -2.303]
    """
    if not np.isfinite(tau):
        raise ValueError(f"tau must be finite, got {tau}")
    return np.logaddexp(tau * log_prior_bias(class_counts), np.log(1e-12))


class OHEMLoss(_Loss):
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
    >>> logits = torch.tensor([[0.0, 0.0], [9.0, 0.0]])
    >>> OHEMLoss(keep=0.5)(logits, torch.tensor([0, 0])).item()
    0.6931...
    """

    def __init__(self, keep=0.7):
        super().__init__()
        if not 0 < keep <= 1:
            raise ValueError(f"keep must be in (0, 1], got {keep}")
        self.keep = float(keep)

    def _loss(self, logits, target):
        losses = F.cross_entropy(logits, target, reduction="none")
        kept = max(1, round(self.keep * len(target)))
        return losses.topk(kept, sorted=False).values.mean()
