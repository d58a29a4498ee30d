"""A small class-conditional Wasserstein GAN as an over-sampler."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state

from imbbench.bench.values import check_whole

PENALTY = 10.0  # weight of the critic's gradient penalty
LEARNING_RATE = 1e-3
CRITIC_STEPS = 5  # per generator step
TEMPERATURE = 0.2  # of the Gumbel-softmax
COMPONENTS = 64  # of more numbers than this the networks see so many principal components


@dataclass(eq=False, repr=False, kw_only=True)
class ConditionalGAN(BaseOverSampler):
    """Over-sampling with a small class-conditional Wasserstein GAN with gradient penalty.

    Trained on all classes, so that small ones share what all have in common; only classes that
    need rows get them. Numbers are standardised inside and what is generated is cut to the range
    seen; nominal columns, and any of two values, are one-hot groups through a Gumbel-softmax, of
    which the largest counts. More than 64 numbers are generated as their first 64 principal
    components: of 384 coordinates of sentence embeddings the networks did not learn in 500 steps
    which class they were asked for, of 64 components they did.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable
        As in imbalanced-learn.
    categorical : ndarray of bool, (d,), optional
        Columns that hold codes of nominal values.
    hidden : sequence of int
        Widths of the hidden layers of both networks.
    latent : int
        Width of the noise.
    steps : int
        Generator steps; each after five critic steps.
    batch_size : int
    minimum : int
        Fewest rows of any class: of a handful a network can only learn copies.
    random_state : int, RandomState or None

    Attributes
    ----------
    sampling_strategy_ : dict
        Rows to generate by class.

    References
    ----------
    Gulrajani et al., Improved training of Wasserstein GANs, NeurIPS 2017: penalty 10, five critic
    steps, Adam with betas (0.5, 0.9). Jang, Gu, Poole, Categorical reparameterization with
    Gumbel-softmax, ICLR 2017. Departures: the labels of a batch are drawn uniformly over classes,
    or a class of one per cent would be in the critic's batch twice; the learning rate is higher
    than their 1e-4, for fewer steps.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(130, 2)), np.repeat([0, 1], [100, 30])
    >>> X_new, y_new = ConditionalGAN(steps=10, random_state=0).fit_resample(X, y)
    >>> np.bincount(y_new).tolist()
    [100, 100]
    """

    sampling_strategy: float | str | dict[Any, int] | Callable[..., dict[Any, int]] = "auto"
    categorical: ArrayLike | None = None
    hidden: Sequence[int] = (128, 128)
    latent: int = 32
    steps: int = 500
    batch_size: int = 128
    minimum: int = 20
    random_state: int | np.random.RandomState | None = None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags

    def _check_X_y(self, X, y):
        return super()._check_X_y(X, y, accept_sparse=False)

    def _fit_resample(self, X, y):
        import torch

        for name in ("latent", "steps", "batch_size", "minimum"):
            check_whole(name, getattr(self, name))
        for width in self.hidden:
            check_whole("a width in hidden", width)
        labels, target, counts = np.unique(y, return_inverse=True, return_counts=True)
        if counts.min() < self.minimum:
            raise ValueError(
                f"class '{labels[counts.argmin()]}' has {counts.min()} rows, "
                f"{self.minimum} are needed to learn to generate"
            )
        coder = _Coder(X, self.categorical)
        generate = self._train(coder, X, target, counts)
        parts, names = [X], [y]
        for label, needed in self.sampling_strategy_.items():
            code = torch.full((needed,), int(np.searchsorted(labels, label)))
            with torch.no_grad():
                rows, _ = generate(code)
            parts.append(coder.decode(rows.cpu().numpy(), X.dtype))
            names.append(np.full(needed, label, dtype=y.dtype))
        return np.concatenate(parts), np.concatenate(names)

    def _train(self, coder, X, target, counts):
        """Train both networks; returns ``generate(labels) -> rows, one-hot labels``."""
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        # All draws are made on the CPU, from a generator that is nobody else's.
        rng = torch.Generator().manual_seed(
            int(check_random_state(self.random_state).randint(2**31 - 1))
        )
        width, n_classes = sum(coder.widths), len(counts)
        generator = _perceptron([self.latent + n_classes, *self.hidden, width], rng).to(device)
        critic = _perceptron([width + n_classes, *self.hidden, 1], rng).to(device)
        optimisers = [
            torch.optim.Adam(network.parameters(), LEARNING_RATE, betas=(0.5, 0.9), fused=True)
            for network in (generator, critic)
        ]
        real = torch.from_numpy(coder.encode(X)).to(device)
        eye = torch.eye(n_classes, device=device)
        by_class = torch.from_numpy(np.argsort(target, kind="stable"))
        sizes = torch.from_numpy(counts)
        starts = sizes.cumsum(0) - sizes

        def draw_labels(n):
            return torch.randint(n_classes, (n,), generator=rng)

        def uniform(*shape):
            return torch.rand(shape, generator=rng).to(device)

        def generate(labels):
            label = eye[labels.to(device)]
            noise = torch.randn((len(labels), self.latent), generator=rng).to(device)
            written = generator(torch.cat([noise, label], 1))
            numbers, logits = written.tensor_split([coder.widths[0]], dim=1)
            gumbel = -torch.log(-torch.log(uniform(*logits.shape).clamp(1e-6, 1 - 1e-6)))
            groups = ((logits + gumbel) / TEMPERATURE).split(coder.widths[1:], dim=1)
            rows = torch.cat([numbers, *(torch.softmax(group, dim=1) for group in groups)], 1)
            return rows, label

        def critic_loss(true, fake, label):
            between = torch.lerp(true, fake, uniform(len(true), 1)).requires_grad_()
            (slope,) = torch.autograd.grad(
                critic(torch.cat([between, label], 1)).sum(), between, create_graph=True
            )
            penalty = (slope.norm(dim=1) - 1).square().mean()
            both = torch.cat([torch.cat([fake, true]), label.repeat(2, 1)], 1)
            of_fake, of_true = critic(both).chunk(2)
            return of_fake.mean() - of_true.mean() + PENALTY * penalty

        def descend(loss, optimiser):
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

        for _ in range(self.steps):
            # The generator stands still meanwhile: it writes for all critic steps at once.
            labels = draw_labels(CRITIC_STEPS * self.batch_size)
            share = torch.rand(len(labels), generator=rng, dtype=torch.float64)
            rows = by_class[starts[labels] + (share * sizes[labels]).long()]
            with torch.no_grad():
                fake, label = generate(labels)
            for batch in zip(
                *(t.split(self.batch_size) for t in (real[rows.to(device)], fake, label)),
                strict=True,
            ):
                descend(critic_loss(*batch), optimisers[1])
            fake, label = generate(draw_labels(self.batch_size))
            descend(-critic(torch.cat([fake, label], 1)).mean(), optimisers[0])
        return generate


class _Coder:
    """Rows as a network writes them: standardised numbers, then a one-hot group per code."""

    def __init__(self, X, categorical):
        nominal = np.zeros(X.shape[1], bool) if categorical is None else np.asarray(categorical)
        if nominal.dtype != bool or nominal.shape != X.shape[1:]:
            raise ValueError(f"categorical is a mask of the {X.shape[1]} columns")
        values = [np.unique(column) for column in X.T]
        self.nominal = nominal | [len(found) < 3 for found in values]
        self.codes = [values[column] for column in np.flatnonzero(self.nominal)]
        numbers = X[:, ~self.nominal]
        if numbers.size:
            self.low, self.high = numbers.min(axis=0), numbers.max(axis=0)
            # In float64, since the spread of nearly equal values can underflow.
            self.mean = numbers.mean(axis=0, dtype=np.float64)
            self.scale = numbers.std(axis=0, dtype=np.float64)
            self.scale[self.scale == 0] = 1.0
        self.axes = None
        if numbers.shape[1] > COMPONENTS:
            _, spread, axes = np.linalg.svd(self._standard(numbers), full_matrices=False)
            kept = min(COMPONENTS, np.count_nonzero(spread > 1e-3 * spread[0]))
            self.axes, self.spread = axes[:kept], spread[:kept] / np.sqrt(len(X))
        width = numbers.shape[1] if self.axes is None else len(self.axes)
        self.widths = [width, *map(len, self.codes)]

    def _standard(self, numbers):
        return (numbers - self.mean) / self.scale

    def encode(self, X):
        """Rows as the critic sees them, (N, sum of widths)."""
        numbers = X[:, ~self.nominal]
        parts = [self._standard(numbers)] if numbers.size else []
        if self.axes is not None:
            parts = [parts[0] @ self.axes.T / self.spread]
        for column, codes in zip(X.T[self.nominal], self.codes, strict=True):
            parts.append(column[:, None] == codes)
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def decode(self, rows, dtype):
        """Rows with one column per feature, (N, d)."""
        numbers, *groups = np.split(rows, np.cumsum(self.widths)[:-1], axis=1)
        X = np.empty((len(rows), len(self.nominal)), dtype)
        if self.axes is not None:
            numbers = numbers * self.spread @ self.axes
        if numbers.shape[1]:
            X[:, ~self.nominal] = np.clip(numbers * self.scale + self.mean, self.low, self.high)
        for column, group, codes in zip(
            np.flatnonzero(self.nominal), groups, self.codes, strict=True
        ):
            X[:, column] = codes[group.argmax(axis=1)]
        return X


def _perceptron(widths, rng):
    """Leaky rectifiers between linear layers, drawn from ``rng`` alone."""
    import torch

    layers = []
    for inputs, outputs in itertools.pairwise(widths):
        layer = torch.nn.utils.skip_init(torch.nn.Linear, inputs, outputs)
        torch.nn.init.xavier_uniform_(layer.weight, generator=rng)
        torch.nn.init.zeros_(layer.bias)
        layers += [layer, torch.nn.LeakyReLU(0.2)]
    return torch.nn.Sequential(*layers[:-1])
