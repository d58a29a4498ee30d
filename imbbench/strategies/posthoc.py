"""Family posthoc: the plain model's scores, corrected or cut elsewhere."""

import numpy as np

from imbbench.protocol import TINY, decide, tune_offsets
from imbbench.strategies import strategy


class Corrected:
    """A fitted model whose probabilities go through a function."""

    def __init__(self, model, correct):
        self.model = model
        self.correct = correct

    def predict_proba(self, X):
        """Corrected probabilities, (N, C)."""
        return self.correct(self.model.predict_proba(X))


class Cut:
    """A fitted model with a decision rule of its own: offsets of the log-probabilities."""

    def __init__(self, model, offsets):
        self.model = model
        self.offsets = offsets

    def predict_proba(self, X):
        """The model's probabilities, (N, C)."""
        return self.model.predict_proba(X)

    def predict(self, X):
        """Classes by the rule, (N,)."""
        return decide(self.predict_proba(X), self.offsets)


@strategy(by_key=True, own_rule=True)
def threshold(cell, value):
    """Predict the minority class from a fixed probability on."""
    cell.need(len(cell.classes) == 2, "a threshold needs two classes")
    return Cut(cell.plain(), np.array([0.0, np.log((1 - value) / value)]))


def minority_f1(hits, predicted, support):
    """F1 of the last class."""
    total = predicted[..., -1] + support[-1]
    return 2 * hits[..., -1] / np.maximum(total, 1)


def balanced_accuracy(hits, predicted, support):
    """Mean recall over the classes that occur."""
    return (hits[..., support > 0] / support[support > 0]).mean(axis=-1)


@strategy(own_rule=True)
def tuned_f1(cell):
    """The threshold with the best minority F1 on the validation part."""
    cell.need(
        len(cell.classes) == 2, "F1 of one class; the rule 'tuned' maximises the mean over classes"
    )
    model = cell.plain()
    return Cut(model, tune_offsets(model.predict_proba(cell.X_val), cell.y_val, minority_f1))


@strategy(own_rule=True)
def tuned_balanced_accuracy(cell):
    """The threshold (or offsets) with the best balanced accuracy on the validation part."""
    model = cell.plain()
    return Cut(model, tune_offsets(model.predict_proba(cell.X_val), cell.y_val, balanced_accuracy))


@strategy
def logit_adjustment(cell, tau=1.0):
    """Subtract ``tau`` log priors from the logits; the same as posterior re-calibration.

    References
    ----------
    Menon et al., Long-tail learning via logit adjustment, ICLR 2021. Tian et al., Posterior
    re-calibration for imbalanced datasets, NeurIPS 2020 (softmax of this, uniform target).
    """
    from imbbench.posthoc import recalibrate

    counts = cell.class_counts
    return Corrected(cell.plain(), lambda p: recalibrate(np.log(np.maximum(p, TINY)), counts, tau))
