"""Family prior: start the output bias at the class shares."""

from imbbench.strategies import strategy


@strategy
def bias_init(cell):
    """Start the last layer's bias at the log prior of the training part.

    It changes where training starts, not its optimum: the first loss is the entropy of the prior
    instead of log C.

    References
    ----------
    Karpathy, A recipe for training neural networks, 2019 (where 1:10 is put as 0.1; the exact
    share is 1/11).
    """
    cell.need(cell.neural, f"{cell.learner} is not trained step by step from a starting bias")
    from imbbench.losses import log_prior_bias

    return cell.fit(bias=log_prior_bias(cell.class_counts))
