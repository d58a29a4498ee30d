"""Labelled rows, and pools of rows whose labels are hidden."""

import numpy as np

from imbbench.bench.counts import sampling_probabilities
from imbbench.bench.values import check_between, check_choice

LABELLED = 0.15  # share of the training rows; leaves room for the authors' pool of five times it
LEAST = 2  # labelled rows per class
POWERS = {"matched": 1, "balanced": 0, "more_imbalanced": 2}  # of the class counts
AS_BALANCED = "as_balanced"


def check_labelled(labelled=LABELLED, weighted=False):
    check_between("labelled", labelled, high=1)


def check_pool(pool, prior="matched", **others):
    check_labelled(**others)
    if pool != AS_BALANCED:
        check_between(f"the pool (if not {AS_BALANCED})", pool)
    check_choice("prior", prior, POWERS)


def split_labels(cell, labelled):
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


def pool_rows(cell, hidden, n_labelled, pool, prior):
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
