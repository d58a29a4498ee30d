"""Every metric of a cell, from probabilities, labels and truth."""

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, roc_auc_score

BINS = 15
RECALLS = np.linspace(0, 1, 21)
TINY = 1e-15
SCORES = [
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "g_mean",
    "mcc",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier",
    "ece",
    "ece_minority",
    "calibration_slope",
    "calibration_intercept",
]


def _ranked(y, n_classes):
    """Classes that are ranked: the second of two, of several all.

    Only those that have both members and others in ``y``: without both nothing can be ranked.
    """
    counts = np.bincount(y, minlength=n_classes)
    found = np.flatnonzero((counts > 0) & (counts < len(y)))
    return found[found == 1] if n_classes == 2 else found


def label_metrics(y, predicted, n_classes):
    """Metrics of labels.

    Parameters
    ----------
    y, predicted : ndarray of int, (N,)
    n_classes : int

    Returns
    -------
    dict
        ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``g_mean`` (geometric mean of the
        recalls), ``mcc``, and arrays (C,) ``precision``, ``recall``, ``f1``. A class that is
        never predicted has precision 0; one that is not in ``y`` has NaN and stays out of
        the means.
    """
    support = np.bincount(y, minlength=n_classes)
    chosen = np.bincount(predicted, minlength=n_classes)
    return of_counts(np.bincount(y[y == predicted], minlength=n_classes), chosen, support)


def of_counts(hits, chosen, support):
    """Metrics of labels from the counts of each class.

    Parameters
    ----------
    hits, chosen, support : ndarray, (C,)
        Rows of a class that are predicted as such, rows predicted as it, rows of it.

    Returns
    -------
    dict
        See :func:`label_metrics`.
    """
    hits, chosen, support = (np.asarray(counts, dtype=float) for counts in (hits, chosen, support))
    n_classes, n = len(hits), support.sum()
    absent = support == 0
    precision = np.divide(hits, chosen, out=np.zeros(n_classes), where=chosen > 0)
    recall = np.divide(hits, support, out=np.full(n_classes, np.nan), where=~absent)
    f1 = np.divide(2 * hits, support + chosen, out=np.zeros(n_classes), where=~absent)
    precision[absent] = f1[absent] = np.nan
    spread = np.sqrt((n**2 - (chosen**2).sum()) * (n**2 - (support**2).sum()))
    return {
        "accuracy": hits.sum() / n,
        "balanced_accuracy": np.nanmean(recall),
        "macro_f1": np.nanmean(f1),
        "g_mean": np.prod(recall[~absent]) ** (1 / (~absent).sum()),
        "mcc": (hits.sum() * n - (chosen * support).sum()) / spread if spread > 0 else 0.0,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def score_metrics(y, probabilities, calibrated=True):
    """Metrics of probabilities: ranking and calibration.

    Parameters
    ----------
    y : ndarray of int, (N,)
    probabilities : ndarray, (N, C)
        Rows sum to one.
    calibrated : bool
        False for scores that rank but are no probabilities: all but the first two are NaN.

    Returns
    -------
    dict
        ``roc_auc`` and ``average_precision`` (two classes: of the minority class; otherwise the
        mean over one-vs-rest; NaN where no class has both members and others in ``y``),
        ``log_loss`` in nats, ``brier`` (summed over the classes, so in [0, 2]), ``ece`` (expected
        calibration error of the top label, 15 equal-width bins), and of two classes
        ``ece_minority`` (the same of the minority's probability) and ``calibration_slope`` and
        ``calibration_intercept`` (see :func:`calibration_line`), NaN for several.
    """
    n_classes = probabilities.shape[1]
    ranked = _ranked(y, n_classes)
    found = dict.fromkeys(SCORES[SCORES.index("roc_auc") :], np.nan)
    for name, score in ("roc_auc", roc_auc_score), ("average_precision", average_precision_score):
        if len(ranked):
            found[name] = np.mean([score(y == c, probabilities[:, c]) for c in ranked])
    if not calibrated:
        return found
    one_hot = np.eye(n_classes)[y]
    found["log_loss"] = -np.log(np.clip(probabilities[np.arange(len(y)), y], TINY, 1)).mean()
    found["brier"] = ((probabilities - one_hot) ** 2).sum(axis=1).mean()
    found["ece"] = _gap(reliability(y, probabilities))
    if n_classes == 2:
        found["ece_minority"] = _gap(reliability_of_minority(y, probabilities))
        line = calibration_line(y, probabilities[:, 1])
        found["calibration_intercept"], found["calibration_slope"] = line
    return found


def calibration_line(y, p):
    """Intercept and slope of the logistic recalibration of probabilities.

    The maximum-likelihood fit of logit P(y = 1) = intercept + slope * logit(p), without a penalty:
    (0, 1) where the probabilities are calibrated, a slope below 1 where they are too extreme, an
    intercept below 0 (at slope 1) where they are too high. D. R. Cox, "Two further applications of
    a model for binary regression", Biometrika 45 (1958), 562–565; the intercept is that of the
    joint fit, not the one with the slope held at 1.

    Parameters
    ----------
    y : ndarray of int, (N,)
        0 or 1.
    p : ndarray, (N,)
        Clipped to [1e-15, 1 - 1e-15] first, as for the log loss.

    Returns
    -------
    intercept, slope : float
        NaN where no fit exists: one class only, one value only, or a value that separates the
        classes.
    """
    x = logit(np.clip(p, TINY, 1 - TINY))
    positive, negative = x[y == 1], x[y == 0]
    nothing = np.nan, np.nan
    if not len(positive) or not len(negative):
        return nothing
    if positive.min() >= negative.max() or negative.min() >= positive.max():
        return nothing
    centre, spread = x.mean(), x.std()
    design = np.column_stack([np.ones(len(x)), (x - centre) / spread])

    def loss(line):
        z = design @ line
        return np.logaddexp(0, np.where(y == 1, -z, z)).sum()

    line = np.zeros(2)
    for _ in range(100):
        q = expit(design @ line)
        step = np.linalg.solve((design.T * (q * (1 - q))) @ design, design.T @ (y - q))
        # Where the curve is far from its parabola a whole step can lead uphill.
        while loss(line + step) > loss(line) + 1e-12 * len(y):
            step /= 2
        line = line + step
        if np.abs(step).max() <= 1e-10 * (1 + np.abs(line).max()):
            break
    slope = line[1] / spread
    return line[0] - slope * centre, slope


def _gap(sums):
    """Expected calibration error of reliability sums."""
    counts, confidence, correct = sums
    return np.abs(confidence - correct).sum() / counts.sum()


def _binned(confidence, correct):
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    values = np.ones(len(bins)), confidence, correct.astype(float)
    return np.array([np.bincount(bins, weights=v, minlength=BINS) for v in values])


def reliability(y, probabilities):
    """Bin the test rows by the confidence of the top label.

    Returns
    -------
    ndarray, (3, 15)
        Rows per bin, and per bin the *sums* of confidence and of right answers, so that the
        bins of several splits add up.
    """
    top = probabilities.argmax(axis=1)
    return _binned(probabilities[np.arange(len(y)), top], top == y)


def reliability_of_minority(y, probabilities):
    """The same of two classes by the minority's probability: its sums, and minority rows."""
    return _binned(probabilities[:, 1], y == 1)


def precision_at_recall(y, probabilities):
    """Interpolated precision at recall 0, 0.05, …, 1, (21,).

    Of the minority class with two classes, otherwise the mean over one-vs-rest. The value at
    recall r is the best precision of any threshold on the probabilities whose recall is at least
    r: at 0, of any threshold at all. NaN where no class has both members and others in ``y``.
    """
    n_classes = probabilities.shape[1]
    curves = []
    for c in _ranked(y, n_classes):
        order = np.argsort(-probabilities[:, c], kind="stable")
        score = probabilities[order, c]
        # Equal scores pass a threshold together.
        last = np.flatnonzero(np.append(np.diff(score) != 0, True))
        hits = np.cumsum(y[order] == c)[last]
        best = np.maximum.accumulate((hits / (last + 1))[::-1])[::-1]
        # In whole numbers: 0.15 * 20 is more than 3.
        needed = np.arange(len(RECALLS)) * hits[-1]
        curves.append(best[np.searchsorted(hits * (len(RECALLS) - 1), needed)])
    return np.mean(curves, axis=0) if curves else np.full(len(RECALLS), np.nan)


def curves(y, probabilities, calibrated=True):
    """What the curve table adds up over splits.

    Returns
    -------
    dict
        ``precision`` at the recalls, (21,), and the sums ``reliability``, with two classes also
        ``reliability_of_minority``, (3, 15): no rows where the scores are not ``calibrated``.
    """
    found = {
        "precision": precision_at_recall(y, probabilities),
        "reliability": reliability(y, probabilities),
    }
    if probabilities.shape[1] == 2:
        found["reliability_of_minority"] = reliability_of_minority(y, probabilities)
    if not calibrated:
        found |= {name: np.zeros((3, BINS)) for name in found if name != "precision"}
    return found
