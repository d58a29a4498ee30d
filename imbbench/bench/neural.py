"""Learners in torch: a perceptron, and what is one but for its trunk."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from imbbench.bench.learners import Learner, one_hot
from imbbench.bench.values import check_between, check_choice, check_whole


@dataclass(eq=False, repr=False)
class MLP(Learner):
    """Multi-layer perceptron in torch, trained for a fixed number of steps.

    The rows of one pass after another fill batches of one size. The learning rate rises over the
    first tenth of the steps and falls linearly to zero; the last weights are kept. Nothing is
    stopped early: which epoch a loss is lowest in on the validation part says more about that
    loss than about a strategy.

    Another neural learner that takes the parameters from ``loss`` on and gives the attributes and
    :meth:`embed` below runs with every strategy.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    epochs, steps : float, int
        There are as many steps as make ``epochs`` passes over the training rows, at least
        ``steps``.
    batch_size : int
    learning_rate, weight_decay : float
        Of AdamW, the rate at its highest; biases do not decay.
    loss : torch.nn.Module, optional
        ``loss(logits, target)``; default cross-entropy. A method ``at(progress)`` is called before
        each step, with ``progress`` in [0, 1) the share of the steps that is done.
    bias : ndarray, (C,), optional
        Start of the last layer's bias; its weights then start at zero, so that the first loss is
        known exactly. Default: zero bias, weights as torch draws them.
    draw : callable, optional
        ``draw(y, progress, rng, size) -> (rows, weights or None)``: the rows that are trained on
        next; when they are used up it is asked again. ``size`` is that of a batch. Default: every
        row once.
    head : callable, optional
        ``head(width, n_classes)``: the last layer, from features to logits; default linear.
    stepper : callable, optional
        ``stepper(network, optimiser, inputs, labels, rng) -> step`` for training that is more than
        one loss of one batch: ``step(rows, progress)`` makes one step on a batch and returns the
        rows that went through the network. ``network`` is the trunk and the head.
    pretrain : callable, optional
        ``pretrain(trunk, inputs, rng) -> rows``: trains the trunk in place before anything else,
        on the inputs without labels; returns the rows that went through it.
    device : str, optional
        Of torch, e.g. ``cuda:1``. Default: ``cuda`` where torch finds it, else ``cpu``.
    categorical : ndarray of bool, (d,), optional
    random_state : int, optional

    Attributes
    ----------
    first_loss_ : float
        Mean loss of the first rows drawn before the first step, in nats.
    n_steps_ : int
    rows_seen_ : int
        Rows that were trained on, over all steps: what the training cost.
    trunk_, head_ : torch.nn.Module
    """

    features = {"tabular": "matrix"}
    neural = True
    first_rows = None  # rows that the first loss is measured on; None for all
    warmup = 0.1  # share of the steps

    hidden: tuple = (64, 32)
    epochs: float = 50
    steps: int = 0
    batch_size: int = 256
    learning_rate: float = 0.003
    weight_decay: float = 1e-4
    loss: object = None
    bias: object = None
    draw: object = None
    head: object = None
    stepper: object = None
    pretrain: object = None
    device: str | None = None
    categorical: object = None
    random_state: int | None = None

    def check(self):
        """Refuse settings that no training makes sense with, or that train nothing."""
        for width in self.hidden:
            check_whole("hidden", width)
        check_between("epochs", self.epochs)
        check_whole("steps", self.steps, least=0)
        check_whole("batch_size", self.batch_size)
        check_between("learning_rate", self.learning_rate)
        if self.weight_decay != 0:
            check_between("weight_decay", self.weight_decay)

    def fit(self, X, y, sample_weight=None):
        """Train.

        Parameters
        ----------
        X : ndarray, (N, d)
        y : ndarray, (N,)
        sample_weight : ndarray, (N,), optional
            Multiplies each row's cross-entropy; divided by its mean once, so that the
            denominator is the same in every batch.
        """
        import torch

        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, target = np.unique(y, return_inverse=True)
        sample_weight = _mean_one(sample_weight, y)
        mask = self.categorical
        self.coder_ = one_hot(mask).fit(X) if mask is not None and np.any(mask) else None
        generator = np.random.default_rng(self.random_state)
        torch.manual_seed(generator.integers(2**31))
        self.device_ = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        inputs, labels = self._tensor(X), torch.from_numpy(target).to(self.device_)

        self.width_ = inputs.shape[1]
        self.trunk_, self.head_ = self._build(self.width_, len(self.classes_))
        network = torch.nn.Sequential(self.trunk_, self.head_).to(self.device_)
        loss = self.loss if self.loss is not None else torch.nn.CrossEntropyLoss()
        loss = loss.to(self.device_)
        self.rows_seen_ = 0
        if self.pretrain is not None:
            self.rows_seen_ += self.pretrain(self.trunk_, inputs, generator)
        optimiser = self._optimiser(network)
        special = None
        if self.stepper is not None:
            special = self.stepper(network, optimiser, inputs, labels, generator)

        batches = Batches(
            self.batch_size,
            lambda done: self._drawn(inputs, target, done, generator, sample_weight),
        )
        self.first_loss_ = self._first_loss(network, loss, inputs, labels, *batches.first())
        network.train()
        loss.train()
        self.n_steps_ = steps_for(len(y), self.epochs, self.steps, self.batch_size)
        for step in range(self.n_steps_):
            progress = step / self.n_steps_
            self._pace(optimiser, (step + 0.5) / self.n_steps_)
            if hasattr(loss, "at"):
                loss.at(progress)
            rows, weights = batches.take(progress)
            if special is None:
                batch = inputs[rows], labels[rows], weights
                self.rows_seen_ += _step(network, optimiser, loss, *batch)
            else:
                self.rows_seen_ += special(rows, progress)
        self.network_ = network.eval()
        return self

    def __getstate__(self):
        """Of a fitted network its weights as arrays, so that it can be kept without pickling."""
        state = dict(super().__getstate__())
        if "network_" in state:
            weights = state.pop("network_").state_dict()
            state["weights_"] = {name: value.cpu().numpy() for name, value in weights.items()}
            del state["trunk_"], state["head_"]
        return state

    def __setstate__(self, state):
        """Build the network again around the weights."""
        import torch

        state = dict(state)
        weights = state.pop("weights_", None)
        super().__setstate__(state)
        if weights is not None:
            with torch.random.fork_rng():
                self.trunk_, self.head_ = self._build(self.width_, len(self.classes_))
            network = torch.nn.Sequential(self.trunk_, self.head_).to(self.device_)
            network.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()})
            self.network_ = network.eval()

    def _optimiser(self, network):
        """AdamW; what is no matrix, such as a bias, does not decay."""
        import torch

        learning = [p for p in network.parameters() if p.requires_grad]
        decaying = [p for p in learning if p.ndim > 1]
        others = [p for p in learning if p.ndim <= 1]
        return torch.optim.AdamW(
            [{"params": decaying}, {"params": others, "weight_decay": 0.0}],
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            fused=True,
        )

    def _first_loss(self, network, loss, inputs, labels, rows, weights):
        """Mean loss before the first step, in evaluation mode: a loss may gather statistics."""
        import torch

        network.eval()
        loss.eval()
        part = slice(self.first_rows)
        with torch.no_grad():
            logits = self._logits(network, inputs[rows[part]])
            weights = None if weights is None else weights[part]
            return float(_objective(loss, logits, labels[rows[part]], weights))

    def _build(self, n_features, n_classes):
        """Trunk and head."""
        import torch

        trunk, width = self._trunk(n_features)
        if self.head is not None:
            head = self.head(width, n_classes)
        elif self.bias is None:
            head = torch.nn.Linear(width, n_classes)
            torch.nn.init.zeros_(head.bias)
        else:
            head = zero_head(width, n_classes)
            with torch.no_grad():
                head.bias.copy_(torch.as_tensor(self.bias))
        return trunk, head

    def _trunk(self, n_features):
        """From inputs to features, and how many of these there are."""
        import torch

        layers, width = [], n_features
        for size in self.hidden:
            layers += [torch.nn.Linear(width, size), torch.nn.ReLU()]
            width = size
        return torch.nn.Sequential(*layers), width

    def _drawn(self, inputs, target, progress, generator, sample_weight):
        """The rows that are trained on next, in random order, and their weights."""
        import torch

        weights = sample_weight
        if self.draw is None:
            rows = np.arange(len(target))
        else:
            rows, weights = self.draw(target, progress, generator, self.batch_size)
            rows = np.asarray(rows)
            weights = None if weights is None else weights / np.mean(weights)
        order = self._order(inputs, rows, generator)
        if weights is not None:
            weights = torch.as_tensor(weights[order], dtype=torch.float32, device=self.device_)
        return torch.from_numpy(rows[order]).to(self.device_), weights

    def _order(self, inputs, rows, generator):
        """Positions of the rows that were drawn in the order of training."""
        return generator.permutation(len(rows))

    def _pace(self, optimiser, progress):
        """Set the learning rate before a step."""
        share = min(progress / self.warmup, (1 - progress) / (1 - self.warmup))
        for group in optimiser.param_groups:
            group["lr"] = self.learning_rate * share

    def _logits(self, network, inputs):
        return network(inputs)

    def _tensor(self, X):
        import torch

        X = X if self.coder_ is None else self.coder_.transform(X)
        X = X.toarray() if sparse.issparse(X) else X
        return torch.as_tensor(np.array(X, dtype=np.float32), device=self.device_)

    def _probabilities(self, logits):
        import torch

        logits = logits.double() * getattr(self.loss, "inference_scale", 1.0)
        if getattr(self.loss, "probabilities", "softmax") == "sigmoid":
            # In log space: far below zero every sigmoid underflows, their ratios do not.
            logits = torch.nn.functional.logsigmoid(logits)
        return torch.softmax(logits, dim=1).cpu().numpy()

    def embed(self, X):
        """What the trunk makes of the rows, (N, width): the inputs of the head."""
        import torch

        check_is_fitted(self, "network_")
        X = validate_data(self, X, reset=False)
        with torch.no_grad():
            return self._logits(self.trunk_, self._tensor(X)).cpu().numpy()

    def predict_proba(self, X):
        """Probabilities, (N, C); sigmoid losses give σ(z) / Σ σ(z)."""
        import torch

        check_is_fitted(self, "network_")
        X = validate_data(self, X, reset=False)
        with torch.no_grad():
            return self._probabilities(self._logits(self.network_, self._tensor(X)))


def zero_head(width, n_classes):
    """Linear layer whose weights and bias start at zero."""
    import torch

    head = torch.nn.Linear(width, n_classes)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    return head


def _mean_one(sample_weight, y):
    if sample_weight is None:
        return None
    sample_weight = column_or_1d(sample_weight, dtype=np.float64)
    check_consistent_length(y, sample_weight)
    if not sample_weight.sum() > 0:
        raise ValueError("the sample weights sum to zero")
    return sample_weight / sample_weight.mean()


def steps_for(rows, epochs, steps, batch_size):
    """Optimiser steps: as many as make ``epochs`` passes over ``rows``, at least ``steps``."""
    return max(1, steps, math.ceil(epochs * rows / batch_size))


class Batches:
    """Batches of one size from what ``draw(progress)`` gives, one draw after another."""

    def __init__(self, size, draw):
        self.size, self.draw = size, draw
        self.rows, self.weights = draw(0.0)

    def first(self):
        """The rows, and weights or None, of the first draw."""
        return self.rows, self.weights

    def take(self, progress=0.0):
        """Rows of the next batch, and their weights or None."""
        import torch

        while len(self.rows) < self.size:
            rows, weights = self.draw(progress)
            self.rows = torch.cat([self.rows, rows])
            if weights is not None:
                self.weights = torch.cat([self.weights, weights])
        batch = self.rows[: self.size], None if self.weights is None else self.weights[: self.size]
        self.rows = self.rows[self.size :]
        self.weights = None if self.weights is None else self.weights[self.size :]
        return batch


def _step(network, optimiser, loss, inputs, labels, weights):
    value = _objective(loss, network(inputs), labels, weights)
    optimiser.zero_grad(set_to_none=True)
    value.backward()
    optimiser.step()
    return len(inputs)


def _objective(loss, logits, labels, weights):
    if weights is None:
        return loss(logits, labels)
    import torch

    if not isinstance(loss, torch.nn.CrossEntropyLoss):
        raise ValueError("weights of rows multiply the cross-entropy; another loss takes none")
    return (weights * torch.nn.functional.cross_entropy(logits, labels, reduction="none")).mean()


class MiniLMHead(MLP):
    """The same on frozen sentence embeddings; ``hidden: []`` makes it a softmax layer."""

    features = {"text": "embedding"}


@dataclass(eq=False, repr=False, kw_only=True)
class CNN(MLP):
    """Small convolutional network for square grey images; else as :class:`MLP`.

    Two layers of 3 x 3 convolutions, each halved by maximum pooling, then a hidden layer.

    Parameters
    ----------
    channels : tuple of int
        Of the convolutions.
    hidden : tuple of int
        Widths of the layers after them.
    epochs, steps, batch_size, learning_rate, weight_decay, loss, bias, draw, head, stepper, \
pretrain, device, categorical, random_state
        As for :class:`MLP`.

    Notes
    -----
    A row of pixels that fills no square is filled up with zeros.
    """

    features = {"image": "pixels"}

    channels: tuple = (8, 16)
    hidden: tuple = (64,)
    batch_size: int = 64

    def check(self):
        """As for :class:`MLP`."""
        super().check()
        for channels in self.channels:
            check_whole("channels", channels)

    def _trunk(self, n_features):
        import torch

        side = int(np.ceil(np.sqrt(n_features)))
        layers = [
            torch.nn.ConstantPad1d((0, side**2 - n_features), 0.0),
            torch.nn.Unflatten(1, (1, side, side)),
        ]
        depth = 1
        for channels in self.channels:
            layers += [
                torch.nn.Conv2d(depth, channels, 3, padding=1),
                torch.nn.ReLU(),
                torch.nn.MaxPool2d(2, ceil_mode=True),
            ]
            depth, side = channels, (side + 1) // 2
        dense, width = super()._trunk(depth * side**2)
        return torch.nn.Sequential(*layers, torch.nn.Flatten(), *dense), width


@dataclass(eq=False, repr=False, kw_only=True)
class MiniLMFinetune(MLP):
    """A pretrained transformer encoder, all kept layers trained; else as :class:`MLP`.

    Takes token numbers (N, length), -1 beyond the end of a text. The sentence's vector is the mean
    over its tokens. Batches hold texts of about equal length, in random order.

    Parameters
    ----------
    encoder : str
        See :func:`imbbench.bench.encoder.encoder_folder`.
    layers : int
        Of the encoder, counted from the bottom; the rest is dropped.
    max_length : int
        Longest text in tokens.
    precision : {"auto", "float32", "bfloat16"}
        Of the encoder's products. ``auto``: bfloat16 where the processor multiplies it.
    freeze_embeddings : bool
        Keep the token embeddings as they are: most of the weights, none of the depth.
    epochs, steps, batch_size, learning_rate, weight_decay, loss, bias, draw, head, stepper, \
pretrain, device, categorical, random_state
        As for :class:`MLP`.
    """

    features = {"text": "tokens"}
    first_rows = 256

    encoder: str | None = None
    layers: int = 3
    max_length: int = 64
    precision: str = "auto"
    freeze_embeddings: bool = True
    epochs: float = 2
    batch_size: int = 32
    learning_rate: float = 2e-4
    weight_decay: float = 0.01

    def check(self):
        """As for :class:`MLP`."""
        super().check()
        check_whole("layers", self.layers)
        check_whole("max_length", self.max_length, least=2)
        check_choice("precision", self.precision, ("auto", "float32", "bfloat16"))

    def _trunk(self, n_features):
        from imbbench.bench.encoder import encoder_folder, pretrained
        from imbbench.bench.sentence_encoder import SentenceEncoder, in_low_precision

        model = pretrained(encoder_folder(self.encoder), self.layers)
        if self.freeze_embeddings:
            model.embeddings.requires_grad_(False)
        return SentenceEncoder(model, in_low_precision(self.precision)), model.config.hidden_size

    def _tensor(self, X):
        import torch

        X = torch.as_tensor(np.array(X, dtype=np.int64))
        length = (X >= 0).sum(1)
        if X.shape[1] > self.max_length:
            # The last token closes the text.
            ends = X.gather(1, (length - 1)[:, None])[:, 0]
            X = X[:, : self.max_length].clone()
            X[length > self.max_length, -1] = ends[length > self.max_length]
        return X.to(self.device_)

    def _order(self, inputs, rows, generator):
        order = generator.permutation(len(rows))
        lengths = (inputs >= 0).sum(1).cpu().numpy()[rows]
        block = 32 * self.batch_size
        order = np.concatenate(
            [
                part[np.argsort(lengths[part], kind="stable")]
                for part in np.split(order, range(block, len(order), block))
            ]
        )
        batches = np.split(order, range(self.batch_size, len(order), self.batch_size))
        # The last batch may be smaller and stays last, so that the others are whole.
        mixed = generator.permutation(len(batches) - 1)
        return np.concatenate([*(batches[i] for i in mixed), batches[-1]])

    def _logits(self, network, inputs):
        import torch

        order = torch.argsort((inputs >= 0).sum(1), stable=True)
        parts = [network(inputs[rows]) for rows in order.split(128)]
        return torch.cat(parts)[torch.argsort(order)]
