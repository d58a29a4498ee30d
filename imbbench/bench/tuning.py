"""A correction's strength, chosen on the validation part."""

import numpy as np

from imbbench.bench.metrics import label_metrics

TAUS = np.arange(21) / 10


def best_tau(cell, probabilities):
    """The first of 0, 0.1, ..., 2 with the best balanced accuracy on the validation part.

    Parameters
    ----------
    cell : imbbench.bench.cell.Cell
    probabilities : callable
        Of the validation part, (N, C), for a tau.
    """

    def score(tau):
        labels = probabilities(tau).argmax(axis=1)
        return label_metrics(cell.y_val, labels, len(cell.classes))["balanced_accuracy"]

    return max(TAUS, key=score)
