"""The protocol every cell follows: seeds, splits, and how scores become labels."""

import hashlib

import numpy as np

from imbbench.errors import StudyError

TINY = 1e-12


def seed_for(*parts):
    """Derive a 32-bit seed from names and numbers.

    Parameters
    ----------
    *parts : str or int
        For a cell: protocol seed, data set, split, strategy.

    Returns
    -------
    int
        In [0, 2**32); equal parts give equal seeds on every platform.

    Examples
    --------
    >>> seed_for(0, "abalone19", 3, "plain") == seed_for(0, "abalone19", 3, "plain")
    True
    """
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def stratified_group_folds(y, groups, n_splits, seed):
    """Fold number of every row, (N,), with whole groups and stratified labels.

    The groups, not the rows, are what is dealt out; a group counts for the rarest class it
    holds, and groups of about the same size are dealt in turn. Only integers decide, so the
    folds are the same on every processor (``StratifiedGroupKFold`` compares floating-point
    deviations and takes minutes on 100 000 groups).
    """
    counts = np.bincount(y)
    _, first, group_of_row, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    rarest_first = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
    label_rank = np.zeros(len(first), dtype=np.int64)
    np.maximum.at(label_rank, group_of_row, rarest_first[y])
    strata = label_rank * 64 + np.log2(sizes).astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(strata[order], kind="stable")]
    folds = np.empty(len(first), dtype=np.int64)
    folds[order] = np.arange(len(first)) % n_splits
    members = [np.unique(group_of_row[y == c]) for c in np.flatnonzero(counts)]
    held = np.bincount(np.concatenate(members), minlength=len(first))
    # A class of several groups must not be in one fold alone: no other row would teach it. Groups
    # that hold two classes count for one of them, so the dealing does not see to it. Classes that
    # have a group to themselves come last: moving it takes nothing from another class.
    for mine in sorted(members, key=lambda mine: -held[mine].min()):
        if len(mine) > 1 and np.ptp(folds[mine]) == 0:
            moved = mine[np.argmin(held[mine])]
            folds[moved] = (folds[moved] + 1) % n_splits
    return folds[group_of_row]


def _validation_mask(y, groups, fraction, seed):
    """Mark the validation rows of a training fold: stratified, whole groups, all classes."""
    folds = stratified_group_folds(y, groups, max(2, round(1 / fraction)), seed)
    n_classes = len(np.unique(y))
    for k in range(folds.max() + 1):
        mask = folds == k
        if len(np.unique(y[mask])) == len(np.unique(y[~mask])) == n_classes:
            return mask
    mask = folds == 0
    rng = np.random.default_rng(seed)
    for c in np.unique(y):
        in_class = y == c
        for side in (True, False):
            donors = np.unique(groups[in_class & (mask != side)])
            if not np.any(in_class & (mask == side)) and len(donors) > 1:
                mask[groups == rng.choice(donors)] = side
    return mask


def _long_tail(y, fold, test, tail, dataset, seed):
    """Thin a training fold to a long tail and a test fold to equal classes."""
    rng = np.random.default_rng(seed)
    last = y.max()
    train, held_out = [], []
    for c in range(last + 1):
        n = round(tail["train"] * tail["imbalance"] ** (-c / last))
        for kept, rows, size in ((train, fold, n), (held_out, test, tail["test"])):
            rows = rows[y[rows] == c]
            if len(rows) < size:
                raise StudyError(
                    f"Data set '{dataset}': long_tail asks for {size} rows of class {c}, a split "
                    f"has {len(rows)}; lower its train or test."
                )
            kept.append(rng.choice(rows, size, replace=False))
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(held_out))


def splits(y, groups, part, dataset, protocol, long_tail=None):
    """Cut a data set into training, validation and test rows.

    Parameters
    ----------
    y : ndarray of int, (N,)
        Class indices.
    groups : ndarray of int, (N,)
        Rows with equal features share a number and stay on one side of every cut.
    part : ndarray of str, (N,) or None
        ``"train"``/``"test"`` where the data set brings its own test set.
    dataset : str
        Name, part of the seed.
    protocol : imbbench.config.Protocol
        ``folds``, ``repeats``, ``validation``, ``seed``.
    long_tail : dict, optional
        Of the rows outside the test fold, class c keeps round(train * imbalance^(-c / (C - 1)));
        of the test fold every class keeps ``test``. Keys ``train``, ``imbalance``, ``test``.

    Returns
    -------
    list of tuple of ndarray
        One ``(train, validation, test)`` of row indices per split. With an own test set the
        test rows are the same in all splits and only the validation part differs.
    """
    rows = np.arange(len(y))
    cuts = []
    for repeat in range(protocol.repeats):
        if part is None:
            seed = seed_for(protocol.seed, dataset, "outer", repeat)
            folds = stratified_group_folds(y, groups, protocol.folds, seed)
            cuts += [(rows[folds != k], rows[folds == k]) for k in range(protocol.folds)]
        else:
            cuts += [(rows[part == "train"], rows[part == "test"])] * protocol.folds
    result = []
    for split, (fold, test) in enumerate(cuts):
        if long_tail:
            seed = seed_for(protocol.seed, dataset, "long tail", split)
            fold, test = _long_tail(y, fold, test, long_tail, dataset, seed)
        seed = seed_for(protocol.seed, dataset, "validation", split)
        mask = _validation_mask(y[fold], groups[fold], protocol.validation, seed)
        result.append((fold[~mask], fold[mask], test))
    return result


def decide(probabilities, offsets=None):
    """Turn probabilities into labels.

    Parameters
    ----------
    probabilities : ndarray, (N, C)
    offsets : ndarray, (C,), optional
        Added to the log-probabilities; ``None`` is the decision rule ``argmax``.

    Returns
    -------
    ndarray of int, (N,)
        With two classes an offset ``o`` of the second class is the threshold
        ``1 / (1 + exp(o))`` on its probability, which itself is predicted positive.
    """
    if offsets is None:
        return probabilities.argmax(axis=1)
    return _highest(np.log(np.maximum(probabilities, TINY)) + offsets)


def _highest(scores):
    """Column of the highest score, (N,); a tie goes to the later (rarer) class.

    That makes it "positive if p >= threshold". Logarithms round: what is nearer than ``TINY`` is
    a tie.
    """
    ties = scores >= scores.max(axis=1, keepdims=True) - TINY
    return scores.shape[1] - 1 - ties[:, ::-1].argmax(axis=1)


def macro_f1(hits, predicted, support):
    """Mean F1 over the classes that occur, from counts (..., C)."""
    total = predicted + support
    f1 = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    return f1[..., support > 0].mean(axis=-1)


def balanced_accuracy(hits, predicted, support):
    """Mean recall over the classes that occur, from counts (..., C)."""
    return (hits[..., support > 0] / support[support > 0]).mean(axis=-1)


# Decision rule -> what its offsets are chosen for on the validation part.
TUNED = {"tuned_macro_f1": macro_f1, "tuned_balanced_accuracy": balanced_accuracy}


def threshold_of(offsets):
    """The threshold on the second of two classes' probability that offsets (2,) stand for."""
    return 1 / (1 + np.exp(offsets[1] - offsets[0]))


def _along_offset(scores, y, c, objective):
    """Value of the objective as the score of class ``c`` is raised past row after row.

    Returns the candidate shifts (M,) and the value at each (M,), M <= N + 1.
    """
    n, n_classes = scores.shape
    others = scores.copy()
    others[:, c] = -np.inf
    rival = _highest(others)
    shift = others[np.arange(n), rival] - scores[:, c]
    order = np.argsort(shift, kind="stable")
    shift, rival, label = shift[order], rival[order], y[order]

    # Row k of the counts: rows 0..k-1 (in order of shift) are predicted c, the rest their rival.
    predicted = np.zeros((n + 1, n_classes))
    hits = np.zeros((n + 1, n_classes))
    predicted[0] = np.bincount(rival, minlength=n_classes)
    hits[0] = np.bincount(label[rival == label], minlength=n_classes)
    steps = np.zeros((n, n_classes))
    steps[np.arange(n), rival] -= 1
    steps[:, c] += 1
    predicted[1:] = predicted[0] + steps.cumsum(axis=0)
    gains = np.zeros((n, n_classes))
    gains[np.arange(n), rival] -= rival == label
    gains[:, c] += label == c
    hits[1:] = hits[0] + gains.cumsum(axis=0)
    values = objective(hits, predicted, np.bincount(y, minlength=n_classes))

    # Equal shifts flip together, so only the last of a run of ties is a real candidate. Rounding
    # can tear ties apart by less than any candidate between them would survive.
    real = np.append(True, np.append(np.diff(shift) > 1e-9, True))
    candidates = np.concatenate([[shift[0] - 1.0], (shift[:-1] + shift[1:]) / 2, [shift[-1] + 1.0]])
    return candidates[real], values[real]


def tune_offsets(probabilities, y, objective=macro_f1, max_passes=10):
    """Choose the offsets that maximise an objective.

    Parameters
    ----------
    probabilities : ndarray, (N, C)
        Of the validation part.
    y : ndarray of int, (N,)
    objective : callable
        ``objective(hits, predicted, support)`` of class counts, (M, C), (M, C) and (C,), to (M,).
    max_passes : int
        Rounds of coordinate ascent over the classes; two classes need one.

    Returns
    -------
    ndarray, (C,)
        For :func:`decide`. Zeros (``argmax``, but for ties) unless others are better; among equally
        good ones the nearest to zero. A validation part that says nothing changes nothing.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    >>> decide(p, tune_offsets(p, np.array([0, 0, 1, 1]))).tolist()
    [0, 0, 1, 1]
    """
    log_p = np.log(np.maximum(probabilities, TINY))
    n_classes = log_p.shape[1]
    offsets = np.zeros(n_classes)
    labels = decide(probabilities, offsets)
    hits, predicted, support = (
        np.bincount(found, minlength=n_classes) for found in (y[labels == y], labels, y)
    )
    best = objective(hits[None].astype(float), predicted[None], support)[0]
    for _ in range(max_passes):
        before = best
        for c in range(1, n_classes) if n_classes == 2 else range(n_classes):
            base = offsets.copy()
            base[c] = 0.0
            candidates, values = _along_offset(log_p + base, y, c, objective)
            top = values.max()
            if top > best + TINY:
                tied = candidates[values >= top - TINY]
                offsets[c] = tied[np.argmin(np.abs(tied))]
                best = top
        if best <= before + TINY or n_classes == 2:
            break
    return offsets
