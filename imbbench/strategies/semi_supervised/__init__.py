"""Family semi_supervised: rows without labels, for pseudo-labels or for pre-training.

Pseudo-labelling is a simulation: a stratified part of the training rows keeps its labels, those
of the others are hidden, and some of the hidden rows form the pool. Its entries have the labelled
part and the order in which hidden rows join the pool in common, and the seed of the model, so
that the first model of ``pseudo_labels`` *is* ``labelled_only``. The validation part is the same
as for every other strategy: it has more labels than the labelled part, and all entries use them
alike, for early stopping and tuned decision rules. A neural learner may pass as many rows in a
fit as it may in ``plain``, however few there are: epochs and patience are longer by the factor
by which the rows are fewer.

Self-supervised pre-training uses no other rows than ``plain``, but looks at them before their
labels. Its control spends the same passes on more epochs.
"""

from numbers import Real

import numpy as np

from imbbench.bench.counts import inverse_frequency_weights, sampling_probabilities
from imbbench.bench.registry import learner_class, strategy
from imbbench.strategies.semi_supervised.pretraining import TASKS, Plan, Pretraining

LABELLED = 0.15  # share of the training rows; leaves room for the authors' pool of five times it
LEAST = 2  # labelled rows per class
POWERS = {"matched": 1, "balanced": 0, "more_imbalanced": 2}  # of the class counts
AS_BALANCED = "as_balanced"


def _between(value, low, high):
    return isinstance(value, Real) and not isinstance(value, bool) and low < value < high


def _check_labelled(labelled=LABELLED, weighted=False):
    if not _between(labelled, 0, 1):
        raise ValueError(f"labelled is a share between 0 and 1, not {labelled!r}")


def _check_pool(pool, labelled=LABELLED, prior="matched", weighted=False):
    _check_labelled(labelled)
    if pool != AS_BALANCED and not _between(pool, 0, np.inf):
        raise ValueError(
            f"the pool is a multiple of the labelled part, above 0, or {AS_BALANCED}, not {pool!r}"
        )
    if prior not in POWERS:
        raise ValueError(f"unknown prior {prior!r}, known: {', '.join(POWERS)}")


def _cut(cell, labelled):
    """Labelled rows, and the others in the order in which they join a pool."""
    keep = np.maximum(LEAST, np.round(labelled * cell.class_counts)).astype(int)
    cell.need(
        (keep < cell.class_counts).all(),
        f"a class has {cell.class_counts.min()} training rows: too few to keep "
        f"{100 * labelled:g} % of them, {LEAST} at least, and hide another",
    )
    order = np.random.default_rng(cell.common_seed).permutation(len(cell.y))
    rows = np.concatenate([order[cell.y[order] == c][:n] for c, n in enumerate(keep)])
    return np.sort(rows), order[~np.isin(order, rows)]


def _pool(cell, hidden, n_labelled, pool, prior):
    """Rows of the pool; a matched one is the first of the hidden rows, whatever their classes."""
    counts = np.bincount(cell.y[hidden], minlength=len(cell.classes))
    size = len(counts) * counts.min() if pool == AS_BALANCED else round(pool * n_labelled)
    cell.need(
        0 < size <= len(hidden), f"a pool of {size} rows is asked for, {len(hidden)} are hidden"
    )
    if prior == "matched":
        return hidden[:size]
    wanted = size * sampling_probabilities(cell.class_counts, POWERS[prior])
    sizes = np.diff(np.round(np.cumsum(wanted)), prepend=0).astype(int)
    short = int(np.argmax(sizes - counts))
    cell.need(
        sizes[short] <= counts[short],
        f"a {prior} pool of {size} rows needs {sizes[short]} of class {cell.classes[short]}, "
        f"{counts[short]} are hidden",
    )
    return np.concatenate([hidden[cell.y[hidden] == c][:n] for c, n in enumerate(sizes)])


def _fit(cell, rows, y, weighted=False):
    """Fit on rows of the training part with the labels ``y``, with the steps that plain has."""
    settings = {}
    if cell.neural:
        learner, factor = cell.make(), len(cell.y) / len(y)
        settings["epochs"] = round(learner.epochs * factor)
        if learner.patience is not None:
            settings["patience"] = round(learner.patience * factor)
    if weighted:
        counts = np.bincount(y, minlength=len(cell.classes))
        settings["class_weight"] = inverse_frequency_weights(counts)
    return cell.fit(cell.X[rows], y, seed=cell.common_seed, **settings)


@strategy(by_key=True, check=_check_labelled)
def labelled_only(cell, labelled, weighted=False):
    """The labelled part alone: the control of ``pseudo_labels``.

    Parameters
    ----------
    labelled : float
        Share of each class that keeps its labels, at least two rows.
    weighted : bool
        Inverse-frequency weights.
    """
    rows, _ = _cut(cell, labelled)
    return _fit(cell, rows, cell.y[rows], weighted)


@strategy(by_key=True, check=_check_pool)
def all_labels(cell, pool, labelled=LABELLED, prior="matched", weighted=False):
    """The labelled part and the pool with its true labels: what no pseudo-labels can exceed.

    Parameters are those of ``pseudo_labels``.
    """
    rows, hidden = _cut(cell, labelled)
    both = np.concatenate([rows, _pool(cell, hidden, len(rows), pool, prior)])
    return _fit(cell, both, cell.y[both], weighted)


@strategy(by_key=True, check=_check_pool)
def pseudo_labels(cell, pool, labelled=LABELLED, prior="matched", weighted=False):
    """Train on the labelled part, label the pool, train anew on both.

    The first model is trained plainly and its most probable class taken, however improbable.

    Parameters
    ----------
    pool : float or "as_balanced"
        Rows of the pool, as a multiple of the labelled part; or as many as the largest
        class-balanced pool has, so that pools of all priors can be compared.
    labelled : float
        Share of each class that keeps its labels, at least two rows.
    prior : {"matched", "balanced", "more_imbalanced"}
        Class shares of the pool: a random draw of the hidden rows; equal; proportional to the
        squares of the class counts. For the last two the hidden labels say which rows are in the
        pool, as in the authors' simulation; they are used for nothing else.
    weighted : bool
        Inverse-frequency weights in the second training, from labels and pseudo-labels together,
        as in the authors' code.

    References
    ----------
    Yang & Xu, Rethinking the value of labels for improving class-imbalanced learning, NeurIPS
    2020. As in their code pseudo-labels weigh as much as labels; their pool holds five times the
    labelled rows and comes from outside the training data, ours from inside.
    """
    rows, hidden = _cut(cell, labelled)
    chosen = _pool(cell, hidden, len(rows), pool, prior)
    guess = _fit(cell, rows, cell.y[rows]).predict_proba(cell.X[chosen]).argmax(axis=1)
    both = np.concatenate([rows, chosen])
    return _fit(cell, both, np.concatenate([cell.y[rows], guess]), weighted)


def _plan(cell, share):
    cell.need(cell.neural, f"{cell.learner} has no hidden layers to pre-train")
    (kind,) = learner_class(cell.learner).features.values()
    task = TASKS[kind](cell)
    return Plan(task, max(1, round(share * cell.make().epochs / task.views)))


def _check_share(share, weighted=False):
    if not _between(share, 0, np.inf):
        raise ValueError(f"pre-training is a share of the learner's epochs, above 0, not {share!r}")


def _weights(cell, weighted):
    return inverse_frequency_weights(cell.class_counts) if weighted else None


@strategy(by_key=True, check=_check_share)
def extra_epochs(cell, share, weighted=False):
    """As many more epochs as ``self_supervised`` passes rows before: its equal-cost control.

    Patience is longer by as many epochs, so that they are spent, and the best epoch on the
    validation part is kept as ever.
    """
    passes = _plan(cell, share).passes
    learner = cell.make()
    patience = None if learner.patience is None else learner.patience + passes
    weights = _weights(cell, weighted)
    return cell.fit(epochs=learner.epochs + passes, patience=patience, class_weight=weights)


@strategy(by_key=True, check=_check_share)
def self_supervised(cell, share, weighted=False):
    """Pre-train on the training part without its labels, then train all layers as usual.

    :class:`Scarf` for tables, :class:`SimCSE` for texts, :class:`Rotation` for images.

    Parameters
    ----------
    share : float
        Rows that pre-training may pass, as a share of those of the learner's epochs. Each of its
        epochs passes every row twice, or four times; there is one at least.
    weighted : bool
        Inverse-frequency weights after it.

    References
    ----------
    Yang & Xu 2020: self-supervised pre-training on the training images, then any method, with all
    layers but the classifier as they were left.
    """
    hook = Pretraining(_plan(cell, share), cell.make())
    return cell.fit(pretrain=hook, class_weight=_weights(cell, weighted))
