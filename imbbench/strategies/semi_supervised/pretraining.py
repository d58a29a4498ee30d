"""Self-supervised tasks, and training a trunk on one before it sees labels."""

import numpy as np
import torch
from torch.nn import functional as F

from imbbench.bench.neural import Batches
from imbbench.bench.registry import NotApplicable


def info_nce(anchors, others, temperature):
    """Cross-entropy of finding each row's partner among all, by cosine similarity.

    Parameters
    ----------
    anchors, others : Tensor of shape (N, D)
        Row i of one is the partner of row i of the other.
    temperature : float
        Divides the similarities.

    Returns
    -------
    Tensor, scalar
        In nats, mean over the anchors; log N for vectors that are all alike.

    References
    ----------
    van den Oord et al., Representation learning with contrastive predictive coding, 2018.

    Examples
    --------
    >>> round(float(info_nce(torch.eye(2), torch.eye(2), temperature=1.0)), 4)
    0.3133
    """
    similarity = F.normalize(anchors, dim=1) @ F.normalize(others, dim=1).T
    partners = torch.arange(len(anchors), device=anchors.device)
    return F.cross_entropy(similarity / temperature, partners)


def corrupt(inputs, rows, groups, rng, share=0.6):
    """Replace features of some rows by those of rows drawn at random, each feature by itself.

    Parameters
    ----------
    inputs : Tensor of shape (N, D)
    rows : Tensor of int64, shape (B,)
    groups : Tensor of int64, shape (D,)
        The feature that a column belongs to, 0 to G - 1; a nominal one has several columns.
    rng : numpy.random.Generator
    share : float
        Of the features of each row that are replaced, at least one.

    Returns
    -------
    Tensor of shape (B, D)
    """
    n, size = int(groups.max()) + 1, len(rows)
    replaced = rng.random((size, n)).argsort(axis=1) < max(1, round(share * n))
    donors = np.where(replaced, rng.integers(len(inputs), size=(size, n)), rows.cpu()[:, None])
    donors = torch.from_numpy(donors).to(inputs.device)[:, groups]
    return inputs.gather(0, donors)


def column_groups(cell):
    """Feature of each column that the network sees: codes are spread out, and come first."""
    numbers = [1] * int((~cell.categorical).sum())
    widths = [len(np.unique(cell.X[:, j])) for j in np.flatnonzero(cell.categorical)] + numbers
    return torch.from_numpy(np.repeat(np.arange(len(widths)), widths))


class Scarf:
    """Recognise a row of numbers and categories of which most features were replaced.

    References
    ----------
    Bahri et al., SCARF: self-supervised contrastive learning using random feature corruption, ICLR
    2022: 60 % of the features, a projection of two layers, temperature 1. Optimiser, batch size
    and widths are the learner's, and the number of steps is fixed; there pre-training is stopped
    by its own loss on held-out rows.
    """

    views = 2
    rate = None

    def __init__(self, cell):
        learner = cell.make()
        cell.need(len(learner.hidden), f"{cell.learner} has no hidden layers to pre-train")
        self.groups = column_groups(cell)

    def head(self, width):
        linear = torch.nn.Linear
        return torch.nn.Sequential(linear(width, width), torch.nn.ReLU(), linear(width, width))

    def loss(self, trunk, head, inputs, rows, rng):
        other = corrupt(inputs, rows, self.groups.to(inputs.device), rng)
        return info_nce(head(trunk(inputs[rows])), head(trunk(other)), temperature=1.0)


class SimCSE:
    """Recognise a text that went through the encoder a second time, with other dropout.

    References
    ----------
    Gao et al., SimCSE: simple contrastive learning of sentence embeddings, EMNLP 2021,
    unsupervised: temperature 0.05, a layer with tanh that is dropped after it, learning rate
    3e-5, constant here. The vector is the mean over the tokens and the batch the learner's; the
    encoder here has been trained contrastively before.
    """

    views = 2
    rate = 3e-5

    def __init__(self, cell):
        pass

    def head(self, width):
        return torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.Tanh())

    def loss(self, trunk, head, inputs, rows, rng):
        once, again = trunk(inputs[rows]), trunk(inputs[rows])
        if torch.equal(once, again):
            raise NotApplicable("the encoder has no dropout: both passes of a text are the same")
        return info_nce(head(once), head(again), temperature=0.05)


class Rotation:
    """Say by how many quarters an image was turned; each is shown in all four positions.

    References
    ----------
    Gidaris et al., Unsupervised representation learning by predicting image rotations, ICLR 2018.
    """

    views = 4
    rate = None

    def __init__(self, cell):
        self.side = round(cell.X.shape[1] ** 0.5)
        cell.need(self.side**2 == cell.X.shape[1], "only square images can be turned")

    def head(self, width):
        return torch.nn.Linear(width, 4)

    def loss(self, trunk, head, inputs, rows, rng):
        images = inputs[rows].reshape(-1, self.side, self.side)
        turned = torch.cat([images.rot90(k, (1, 2)) for k in range(4)]).flatten(1)
        quarters = torch.arange(4, device=inputs.device).repeat_interleave(len(rows))
        return F.cross_entropy(head(trunk(turned)), quarters)


TASKS = {"matrix": Scarf, "embedding": Scarf, "tokens": SimCSE, "pixels": Rotation}


class Pretraining:
    """Hook of the neural learners: train the trunk on a task without labels.

    Parameters
    ----------
    task : Scarf, SimCSE or Rotation
    steps : int
    learner : estimator
        Gives batch size, weight decay and, unless the task has its own, learning rate.

    Attributes
    ----------
    history : list of float
        Loss of each step.
    """

    def __init__(self, task, steps, learner):
        self.task = task
        self.steps = steps
        self.learner = learner
        self.history = []

    def __call__(self, trunk, inputs, rng):
        """Train ``trunk`` in place; returns the rows that went through it."""
        task, learner = self.task, self.learner
        trunk.eval()
        with torch.no_grad():
            width = trunk(inputs[:1]).shape[1]
        head = task.head(width).to(inputs.device)
        optimiser = torch.optim.AdamW(
            [p for p in [*trunk.parameters(), *head.parameters()] if p.requires_grad],
            lr=task.rate or learner.learning_rate,
            weight_decay=learner.weight_decay,
            fused=True,
        )
        trunk.train()
        batches = Batches(
            learner.batch_size,
            lambda _: (torch.from_numpy(rng.permutation(len(inputs))).to(inputs.device), None),
        )
        for _ in range(self.steps):
            rows, _ = batches.take()
            value = task.loss(trunk, head, inputs, rows, rng)
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            self.history.append(float(value.detach()))
        return task.views * self.steps * learner.batch_size


def pretraining_for(cell, share):
    """Pre-training that passes ``share`` of the batches of a cell's learner."""
    cell.need(cell.neural, f"{cell.learner} has no hidden layers to pre-train")
    (kind,) = cell.learner_class.features.values()
    task = TASKS[kind](cell)
    return Pretraining(task, max(1, round(share * cell.steps / task.views)), cell.make())
