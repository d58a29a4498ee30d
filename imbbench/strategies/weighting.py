"""Family weighting: one weight per class in the loss.

Neural learners use the weighted cross-entropy, whose mean divides by the sum of the weights in
the batch; other learners weight each row.
"""

import numpy as np

from imbbench.strategies import strategy


@strategy
def inverse_frequency(cell):
    """w_c = N / (C n_c), scikit-learn's "balanced"."""
    from imbbench.losses import inverse_frequency_weights

    return cell.fit(class_weight=inverse_frequency_weights(cell.class_counts))


@strategy
def inverse_sqrt(cell):
    """w_c = sqrt(N / (C n_c)), half-way between none and inverse frequency."""
    from imbbench.losses import inverse_sqrt_weights

    return cell.fit(class_weight=inverse_sqrt_weights(cell.class_counts))


@strategy(by_key=True)
def table(cell, weights):
    """Weights chosen by hand: by class name, or a list from the largest class to the smallest."""
    if isinstance(weights, dict):
        cell.need(
            set(weights) == set(cell.classes),
            f"the weights are for the classes {', '.join(weights)}",
        )
        weights = [weights[name] for name in cell.classes]
    cell.need(
        len(weights) == len(cell.classes),
        f"{len(weights)} weights for {len(cell.classes)} classes",
    )
    return cell.fit(class_weight=np.asarray(weights, dtype=float))
