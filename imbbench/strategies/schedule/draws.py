"""Rows drawn so that the classes have given shares."""

import numpy as np


def row_probabilities(y, shares):
    """Probability of each row, (N,): the share of its class, uniform within the class."""
    p = shares[y] / np.bincount(y)[y]
    return p / p.sum()


def sampled(y, shares, rng, size):
    """``size`` rows, with replacement; all weigh the same."""
    return rng.choice(len(y), size=size, p=row_probabilities(y, shares)), None
