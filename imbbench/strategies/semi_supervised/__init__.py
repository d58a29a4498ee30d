"""Family semi_supervised: rows without labels, for pseudo-labels or for pre-training.

Pseudo-labelling is a simulation: a stratified part of the training rows keeps its labels, those
of the others are hidden, and some of the hidden rows form the pool. Its entries have the labelled
part and the order in which hidden rows join the pool in common, and the seed of the model, so
that the first model of ``pseudo_labels`` *is* ``labelled_only``. The validation part is the same
as for every other strategy: it has more labels than the labelled part, and all entries use them
alike, for tuned decision rules. A neural learner makes as many steps in a fit as in ``plain``,
however few rows there are.

Self-supervised pre-training uses no other rows than ``plain``, but looks at them before their
labels. Its control spends the same passes on more steps.
"""

import numpy as np

from imbbench.bench.counts import inverse_frequency_weights
from imbbench.bench.registry import strategy
from imbbench.bench.values import check_between
from imbbench.strategies.semi_supervised.pools import (
    LABELLED,
    check_labelled,
    check_pool,
    pool_rows,
    split_labels,
)
from imbbench.strategies.semi_supervised.pretraining import pretraining_for


def _fit(cell, rows, y, weighted=False):
    """Fit on rows of the training part with the labels ``y``, with the steps that plain has."""
    settings = {}
    if weighted:
        counts = np.bincount(y, minlength=len(cell.classes))
        settings["class_weight"] = inverse_frequency_weights(counts)
    return cell.fit(cell.X[rows], y, seed=cell.common_seed, **settings)


@strategy(by_key=True, check=check_labelled)
def labelled_only(cell, labelled, weighted=False):
    """The labelled part alone: the control of ``pseudo_labels``.

    Parameters
    ----------
    labelled : float
        Share of each class that keeps its labels, at least two rows.
    weighted : bool
        Inverse-frequency weights.
    """
    rows, _ = split_labels(cell, labelled)
    return _fit(cell, rows, cell.y[rows], weighted)


@strategy(by_key=True, check=check_pool)
def all_labels(cell, pool, labelled=LABELLED, prior="matched", weighted=False):
    """The labelled part and the pool with its true labels: what no pseudo-labels can exceed.

    Parameters are those of ``pseudo_labels``.
    """
    rows, hidden = split_labels(cell, labelled)
    both = np.concatenate([rows, pool_rows(cell, hidden, len(rows), pool, prior)])
    return _fit(cell, both, cell.y[both], weighted)


@strategy(by_key=True, check=check_pool)
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
    rows, hidden = split_labels(cell, labelled)
    chosen = pool_rows(cell, hidden, len(rows), pool, prior)
    guess = _fit(cell, rows, cell.y[rows]).predict_proba(cell.X[chosen]).argmax(axis=1)
    both = np.concatenate([rows, chosen])
    return _fit(cell, both, np.concatenate([cell.y[rows], guess]), weighted)


def _check_share(share, weighted=False):
    check_between("the share of the learner's steps", share)


def _weights(cell, weighted):
    return inverse_frequency_weights(cell.class_counts) if weighted else None


@strategy(by_key=True, check=_check_share)
def extra_steps(cell, share, weighted=False):
    """As many more steps as ``self_supervised`` passes batches before: its equal-cost control."""
    task = pretraining_for(cell, share)
    extra = task.task.views * task.steps
    return cell.fit(steps=cell.steps + extra, class_weight=_weights(cell, weighted))


@strategy(by_key=True, check=_check_share)
def self_supervised(cell, share, weighted=False):
    """Pre-train on the training part without its labels, then train all layers as usual.

    :class:`Scarf` for tables, :class:`SimCSE` for texts, :class:`Rotation` for images.

    Parameters
    ----------
    share : float
        Batches that pre-training passes, as a share of the learner's steps. Each of its steps
        passes a batch twice, or four times.
    weighted : bool
        Inverse-frequency weights after it.

    References
    ----------
    Yang & Xu 2020: self-supervised pre-training on the training images, then any method, with all
    layers but the classifier as they were left.
    """
    weights = _weights(cell, weighted)
    return cell.fit(pretrain=pretraining_for(cell, share), class_weight=weights)
