"""Family prior: start the output bias at the class shares the loss will see."""

import numpy as np

from imbbench.bench.counts import inverse_frequency_weights, inverse_sqrt_weights, log_prior_bias
from imbbench.bench.registry import strategy
from imbbench.bench.values import check_choice

WEIGHTS = {"inverse_frequency": inverse_frequency_weights, "inverse_sqrt": inverse_sqrt_weights}


def _fit_from(cell, bias, **settings):
    cell.need(cell.neural, f"{cell.learner} is not trained step by step from a starting bias")
    return cell.fit(bias=bias, **settings)


@strategy
def bias_init(cell):
    """Start the last layer's bias at the log prior of the training part.

    It changes where training starts, not its optimum. The layer's weights start at zero, so the
    first loss is the entropy of the prior; ``zero_init`` starts at log C.

    References
    ----------
    Karpathy, A recipe for training neural networks, 2019 (where 1:10 is put as 0.1; the exact
    share is 1/11).
    """
    return _fit_from(cell, log_prior_bias(cell.class_counts))


@strategy
def zero_init(cell):
    """Start the last layer at zero, weights and bias: ``bias_init`` without the prior."""
    return _fit_from(cell, np.zeros(len(cell.classes)))


@strategy(check=lambda weights: check_choice("weights", weights, WEIGHTS))
def bias_init_weighted(cell, weights):
    """Weighted cross-entropy from the start that its weights call for, log(w_c pi_c).

    Starting at log pi would be wrong: a weighted loss sees the shares w_c pi_c. With inverse
    frequency weights, and with class-balanced batches or the balanced softmax, those are equal
    and the right start is the usual zero bias, so ``inverse_frequency``,
    ``class_balanced_sampling`` and ``logit_adjusted`` of the other families have it already; here
    are weights for which it matters.

    Parameters
    ----------
    weights : {"inverse_sqrt", "inverse_frequency"}
    """
    from imbbench.bench.objectives import start_bias

    weight = WEIGHTS[weights](cell.class_counts)
    return _fit_from(cell, start_bias(cell.class_counts, weight=weight), class_weight=weight)
