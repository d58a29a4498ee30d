"""Models whose probabilities are corrected for the class shares they were trained on."""

from imbbench.bench.correction import Corrected
from imbbench.strategies.posthoc.adjustment import log_of, recalibrate


def trained_prior(model):
    """Class shares that a fitted model's probabilities follow, (C,).

    Raises
    ------
    ValueError
        If its loss or its sampler has changed them in a way of its own, e.g. balanced softmax:
        a correction for the training part's shares would then be made twice.
    """
    prior = getattr(model, "prior_", None)
    if prior is None:
        raise ValueError(
            "the model's own loss or sampler already decides which class shares its scores "
            "follow: correcting for the shares of the training part would correct twice"
        )
    return prior


def adjusted(model, tau):
    """``model`` with ``tau`` log priors, of what it was trained on, taken off its logits."""
    prior = trained_prior(model)
    return Corrected(model, lambda p: recalibrate(log_of(p), prior, tau))
