"""Probabilities put back to the training part's class shares, for every family."""

from imbbench.bench.registry import strategy


class Corrected:
    """A fitted model whose probabilities go through a function."""

    def __init__(self, model, correct):
        self.model = model
        self.correct = correct

    def predict_proba(self, X):
        """Corrected probabilities, (N, C)."""
        return self.correct(self.model.predict_proba(X))


@strategy(by_key=True)
def corrected(cell, name):
    """Another strategy of the family, its probabilities put back to the training class shares.

    p_c proportional to p_s,c pi_c / pi_s,c, for the shares pi_s that weights, sampler or loss have
    made it follow; after random under-sampling of two classes the same as
    :func:`imbbench.posthoc.correct_undersampling` with beta the share of the majority kept. The
    model is the very one of that strategy, so what differs is the correction.

    Parameters
    ----------
    name : str
        Of an entry of the same family in ``params.yaml``.

    References
    ----------
    Elkan, The foundations of cost-sensitive learning, IJCAI 2001. Dal Pozzolo et al., Calibrating
    probability with undersampling for unbalanced classification, SSCI 2015 (two classes).
    """
    model = cell.model_of(name)
    prior = getattr(model, "prior_", None)
    cell.need(prior is not None, f"which class shares the scores of {name} follow is not known")
    ratio = cell.class_counts / cell.class_counts.sum() / prior

    def correct(p):
        p = p * ratio
        return p / p.sum(axis=1, keepdims=True)

    return Corrected(model, correct)
