"""Sampling and weighting schedules, and the classifiers of two-stage and two-branch training."""

import copy
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn
from torch.func import functional_call

from imbbench.losses import check_class_counts, effective_number_weights


def _check_progress(progress):
    if not 0 <= progress <= 1:
        raise ValueError(f"progress must be in [0, 1], the share of training done, got {progress}")


def sampling_probabilities(class_counts, power):
    """Probability of drawing each class, proportional to n_c^power; within a class, uniform.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    power : float
        1 is instance-balanced (plain) sampling, 0.5 square-root, 0 class-balanced, -1 reversed
        (the second sampler of BBN). Progressively balanced sampling at training progress t mixes
        the first two with shares 1 - t and t of ``power=1`` and ``power=0``.

    Returns
    -------
    ndarray of shape (C,), float64
        Probabilities that sum to 1.

    Raises
    ------
    ValueError
        If a class has no training sample or ``power`` is not finite.

    References
    ----------
    Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020;
    Zhou et al., "BBN", CVPR 2020.

    Examples
    --------
    >>> sampling_probabilities([900, 100], power=0.5).round(3).tolist()
    [0.75, 0.25]
    """
    if not np.isfinite(power):
        raise ValueError(f"power must be finite, got {power}")
    return softmax(power * np.log(check_class_counts(class_counts)))


def drw_weights(class_counts, progress):
    """Class weights of deferred re-weighting: ones at first, effective numbers at the end.

    Parameters
    ----------
    class_counts : array-like of shape (C,)
        Training samples per class.
    progress : float in [0, 1]
        Zero-based epoch over the number of epochs. The switch is at 0.8, inclusive.

    Returns
    -------
    ndarray of shape (C,), float64
        Weights that sum to C.

    Raises
    ------
    ValueError
        If a class has no training sample or ``progress`` is outside [0, 1].

    References
    ----------
    Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019. The paper writes 1 / n_c; the authors' code, followed here, uses effective numbers
    with beta 0.9999, and epoch 160 of 200 for the switch.

    Examples
    --------
    >>> drw_weights([900, 100], progress=0.5).tolist()
    [1.0, 1.0]
    >>> drw_weights([900, 100], progress=0.8).round(3).tolist()
    [0.207, 1.793]
    """
    _check_progress(progress)
    return effective_number_weights(class_counts, 0.0 if progress < 0.8 else 0.9999)


class DeferredReweighting(nn.Module):
    """A loss whose class weights follow :func:`drw_weights`.

    Parameters
    ----------
    loss : nn.Module
        With a buffer ``weight`` (C,), such as :class:`imbbench.losses.WeightedCrossEntropy` or
        :class:`imbbench.losses.LDAMLoss` with ``weight`` given.
    class_counts : array-like of shape (C,)
        Training samples per class.

    References
    ----------
    See :func:`drw_weights`. The authors also lower the learning rate at the switch.

    Examples
    --------
    >>> from imbbench.losses import WeightedCrossEntropy
    >>> loss = DeferredReweighting(WeightedCrossEntropy([1, 1]), [900, 100])
    >>> loss.at(0.8)
    >>> loss.loss.weight.round(decimals=3).tolist()
    [0.207, 1.793]
    """

    def __init__(self, loss, class_counts):
        super().__init__()
        self.loss = loss
        self.class_counts = class_counts
        self.probabilities = loss.probabilities
        self.inference_scale = loss.inference_scale
        self.at(0.0)

    def at(self, progress):
        """Set the weights for training progress in [0, 1]."""
        self.loss.weight.copy_(torch.from_numpy(drw_weights(self.class_counts, progress)))

    def forward(self, logits, target):
        """Loss of one batch."""
        return self.loss(logits, target)


class _Dropout(nn.Module):
    """Dropout that draws eight masks from one 64-bit number; ``p`` is rounded to 1/256."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        dropped = round(256 * self.p)
        if not self.training or not dropped:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device)
        # Without an upper bound all 64 bits are random.
        noise = words.random_(-(2**63), None).view(torch.int8)[: x.numel()].view(x.shape)
        return x * ((noise >= dropped - 128) * (256 / (256 - dropped))).to(x.dtype)


class SentenceEncoder(nn.Module):
    """Mean over the last layer's tokens of a transformer encoder.

    In training its hidden layers have the model's dropout, its attention has none: on a processor
    dropped attention costs more than attention.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        Changed in place.
    low_precision : bool
        Multiply in bfloat16; weights and the mean stay float32.
    """

    def __init__(self, model, low_precision=False):
        super().__init__()
        self.model = model
        self.low_precision = low_precision
        # Short texts are faster without the kernels that are made for long ones.
        model.set_attn_implementation("eager")
        for layer in list(model.modules()):
            for name, child in list(layer.named_children()):
                if isinstance(child, nn.Dropout):
                    attention = type(layer).__name__.endswith("SelfAttention")
                    setattr(layer, name, _Dropout(0.0 if attention else child.p))

    def forward(self, tokens):
        """Vectors (N, width) of token numbers (N, length), -1 beyond the end of a text."""
        mask = tokens >= 0
        longest = int(mask.sum(1).max())
        mask, tokens = mask[:, :longest], tokens[:, :longest].clamp(min=0)
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=self.low_precision):
            hidden = self.model(tokens, attention_mask=mask.long()).last_hidden_state
        hidden = hidden.float() * mask[:, :, None]
        return hidden.sum(1) / mask.sum(1, keepdim=True)


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

    def __init__(self, in_features, out_features):
        super().__init__()
        # Of norm one: a step turns a long vector less, so the norm sets the learning rate.
        start = torch.empty(out_features, in_features).uniform_(-1, 1)
        self.weight = nn.Parameter(F.normalize(start, dim=1))

    def forward(self, features):
        """Cosines (N, C) of features (N, D) with the class weights."""
        return F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))


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

    def __init__(self, linear):
        super().__init__()
        self.linear = copy.deepcopy(linear).requires_grad_(False)
        self.scale = nn.Parameter(torch.ones_like(self.linear.weight[:, 0]))

    def forward(self, features):
        """Logits (N, C) of features (N, D)."""
        return self.scale * self.linear(features)


class NearestClassMean(ClassifierMixin, BaseEstimator):
    """Nearest class mean on the features of a trained network.

    Parameters
    ----------
    feat_type : {"cl2n", "l2n", "un"}, default "cl2n"
        ``"un"``: features as they are; ``"l2n"``: L2-normalised; ``"cl2n"``: centred by the
        training mean first. The class means are not normalised again.
    dist_type : {"l2", "cos"}, default "l2"
        Score of a class: minus the squared distance, or the dot product divided by the number of
        features (what the authors' code calls cosine).

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    mean_ : ndarray of shape (D,)
        Mean of the training features.
    centroids_ : ndarray of shape (C, D)

    References
    ----------
    Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0]])
    >>> NearestClassMean().fit(X, [0, 0, 1]).predict([[0.8, 0.3]]).tolist()
    [1]
    """

    def __init__(self, feat_type="cl2n", dist_type="l2"):
        self.feat_type = feat_type
        self.dist_type = dist_type

    def _transform(self, X):
        if self.feat_type == "cl2n":
            X = X - self.mean_
        if self.feat_type == "un":
            return X
        norm = np.linalg.norm(X, axis=1, keepdims=True)
        return X / np.where(norm > 0, norm, 1)

    def fit(self, X, y):
        """Store the class means.

        Parameters
        ----------
        X : array-like of shape (N, D)
        y : array-like of shape (N,)

        Returns
        -------
        self

        Raises
        ------
        ValueError
            On an unknown ``feat_type`` or ``dist_type``, or data scikit-learn refuses.
        """
        if self.feat_type not in ("cl2n", "l2n", "un"):
            raise ValueError(f'feat_type must be "cl2n", "l2n" or "un", got {self.feat_type!r}')
        if self.dist_type not in ("l2", "cos"):
            raise ValueError(f'dist_type must be "l2" or "cos", got {self.dist_type!r}')
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, y = np.unique(y, return_inverse=True)
        self.mean_ = X.mean(axis=0)
        sums = np.zeros((len(self.classes_), X.shape[1]))
        np.add.at(sums, y, self._transform(X))
        self.centroids_ = sums / np.bincount(y)[:, None]
        return self

    def class_scores(self, X):
        """Scores of shape (N, C), the higher the nearer."""
        check_is_fitted(self)
        X = self._transform(validate_data(self, X, dtype=np.float64, reset=False))
        if self.dist_type == "cos":
            return X @ self.centroids_.T / X.shape[1]
        return -cdist(X, self.centroids_, "sqeuclidean")

    def predict_proba(self, X):
        """Softmax of the scores, shape (N, C); a ranking rather than calibrated probabilities."""
        return softmax(self.class_scores(X), axis=1)

    def predict(self, X):
        """Nearest class of each row."""
        nearest = self.class_scores(X).argmax(axis=1)
        return self.classes_[nearest]


def bbn_mix(
    features_conventional,
    features_rebalancing,
    target_conventional,
    target_rebalancing,
    classifier,
    progress,
):
    """Logits and loss of a bilateral-branch network's cumulative learning.

    With alpha = 1 - progress^2 the two branches' features are mixed to
    [2 alpha f_a ; 2 (1 - alpha) f_b], and the loss is alpha CE(z, y_a) + (1 - alpha) CE(z, y_b).
    At test time feed the classifier both branches' features of the *same* samples unscaled, which
    is alpha = 0.5.

    Parameters
    ----------
    features_conventional, features_rebalancing : Tensor of shape (N, D)
        From the branch with the plain sampler, and from the one with the reversed sampler
        (:func:`sampling_probabilities` with ``power=-1``).
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
    >>> f, y = torch.ones(2, 3), torch.tensor([0, 1])
    >>> logits, loss = bbn_mix(f, f, y, y, nn.Linear(6, 2), progress=0.25)
    >>> logits.shape
    torch.Size([2, 2])
    """
    _check_progress(progress)
    alpha = 1 - progress**2
    mixed = torch.cat(
        [2 * alpha * features_conventional, 2 * (1 - alpha) * features_rebalancing], 1
    )
    logits = classifier(mixed)
    loss = alpha * F.cross_entropy(logits, target_conventional)
    return logits, loss + (1 - alpha) * F.cross_entropy(logits, target_rebalancing)


def weight_network(hidden=100):
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
    model,
    weight_net,
    optimizer,
    weight_optimizer,
    x,
    y,
    meta_x,
    meta_y,
    *,
    inner_lr=None,
    normalise=False,
    detach=True,
):
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
