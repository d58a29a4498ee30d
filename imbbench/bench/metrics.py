"""Every metric of a cell, from probabilities, labels and truth."""

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

BINS = 15
RECALLS = np.linspace(0, 1, 21)
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
]


def _present(y, n_classes):
    """Classes that have both members and others in ``y``; ranking needs both."""
    counts = np.bincount(y, minlength=n_classes)
    return np.flatnonzero((counts > 0) & (counts < len(y)))


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
    table = np.zeros((n_classes, n_classes))
    np.add.at(table, (y, predicted), 1)
    support, chosen, hits = table.sum(axis=1), table.sum(axis=0), table.diagonal()
    absent = support == 0
    precision = np.divide(hits, chosen, out=np.zeros(n_classes), where=chosen > 0)
    recall = np.divide(hits, support, out=np.full(n_classes, np.nan), where=~absent)
    f1 = np.divide(2 * hits, support + chosen, out=np.zeros(n_classes), where=~absent)
    precision[absent] = f1[absent] = np.nan
    n = len(y)
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


def score_metrics(y, probabilities):
    """Metrics of probabilities: ranking and calibration.

    Parameters
    ----------
    y : ndarray of int, (N,)
    probabilities : ndarray, (N, C)
        Rows sum to one.

    Returns
    -------
    dict
        ``roc_auc`` and ``average_precision`` (two classes: of the minority class; otherwise the
        mean over one-vs-rest), ``log_loss`` in nats, ``brier`` (summed over the classes, so in
        [0, 2]), ``ece`` (expected calibration error of the top label, 15 equal-width bins).
    """
    n_classes = probabilities.shape[1]
    ranked = [1] if n_classes == 2 else _present(y, n_classes)
    one_hot = np.eye(n_classes)[y]
    truth = np.clip(probabilities[np.arange(len(y)), y], 1e-15, 1)
    counts, confidence, correct = reliability(y, probabilities)
    return {
        "roc_auc": np.mean([roc_auc_score(y == c, probabilities[:, c]) for c in ranked]),
        "average_precision": np.mean(
            [average_precision_score(y == c, probabilities[:, c]) for c in ranked]
        ),
        "log_loss": -np.log(truth).mean(),
        "brier": ((probabilities - one_hot) ** 2).sum(axis=1).mean(),
        "ece": np.abs(confidence - correct).sum() / counts.sum(),
    }


def reliability(y, probabilities):
    """Bin the test rows by the confidence of the top label.

    Returns
    -------
    counts, confidence, correct : ndarray, (15,)
        Rows per bin, and per bin the *sums* of confidence and of right answers, so that the
        bins of several splits add up.
    """
    top = probabilities.argmax(axis=1)
    confidence = probabilities[np.arange(len(y)), top]
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)

    def total(values):
        return np.bincount(bins, weights=values, minlength=BINS)

    return total(np.ones(len(y))), total(confidence), total((top == y).astype(float))


def precision_at_recall(y, probabilities):
    """Interpolated precision at recall 0, 0.05, …, 1, (21,).

    Of the minority class with two classes, otherwise the mean over one-vs-rest. The value at
    recall r is the best precision at any recall of at least r.
    """
    n_classes = probabilities.shape[1]
    curves = []
    for c in [1] if n_classes == 2 else _present(y, n_classes):
        precision, recall, _ = precision_recall_curve(y == c, probabilities[:, c])
        best = np.maximum.accumulate(precision)
        # recall falls along the curve: the last point with recall >= r holds the best so far.
        last = np.searchsorted(-recall, -RECALLS, side="right") - 1
        curves.append(best[last])
    return np.mean(curves, axis=0)
