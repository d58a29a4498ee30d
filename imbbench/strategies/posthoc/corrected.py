"""Models whose probabilities are corrected for the class shares they were trained on."""

from imbbench.strategies.posthoc.adjustment import log_of, recalibrate


class Corrected:
    """A fitted model whose probabilities go through a function."""

    def __init__(self, model, correct):
        self.model = model
        self.correct = correct

    def predict_proba(self, X):
        """Corrected probabilities, (N, C)."""
        return self.correct(self.model.predict_proba(X))


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
