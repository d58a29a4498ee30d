"""Family posthoc: the plain model's scores, corrected or cut elsewhere. All learners."""

from functools import partial

import numpy as np

from imbbench.bench.counts import draw_rows
from imbbench.bench.registry import strategy
from imbbench.bench.tuning import best_tau
from imbbench.bench.values import check_between, check_finite
from imbbench.strategies.posthoc.adjustment import log_of, recalibrate
from imbbench.strategies.posthoc.calibration import calibrated, fit_temperature
from imbbench.strategies.posthoc.corrected import Corrected, adjusted, trained_prior
from imbbench.strategies.posthoc.decisions import (
    Cheapest,
    Cut,
    balanced_accuracy,
    check_costs,
    cost_matrix,
    minority_f1,
    tuned,
)


@strategy(by_key=True, own_rule=True, check=partial(check_between, "threshold", high=1))
def threshold(cell, value):
    """Predict the minority class from a fixed probability on."""
    cell.need(len(cell.classes) == 2, "a threshold needs two classes")
    return Cut(cell.plain(), np.array([0.0, np.log((1 - value) / value)]))


@strategy(own_rule=True)
def tuned_f1(cell):
    """The threshold with the best minority F1 on the validation part."""
    cell.need(
        len(cell.classes) == 2, "F1 of one class; the rule 'tuned' maximises the mean over classes"
    )
    return tuned(cell, minority_f1)


@strategy(own_rule=True)
def tuned_balanced_accuracy(cell):
    """The threshold (or offsets) with the best balanced accuracy on the validation part."""
    return tuned(cell, balanced_accuracy)


@strategy(by_key=True, own_rule=True, check=check_costs)
def cost_threshold(cell, costs):
    """Predict the class of the lowest expected cost; for two classes from c_FP / (c_FP + c_FN) on.

    The best rule where the probabilities are calibrated.

    Parameters
    ----------
    costs : float or list of list of float
        A number: missing a row of any class but the largest costs so many times what a false alarm
        costs. Or a matrix, a row per true and a column per predicted class, largest class first.

    References
    ----------
    Elkan, The foundations of cost-sensitive learning, IJCAI 2001.
    """
    return Cheapest(cell.plain(), cost_matrix(cell, costs))


@strategy(by_key=True, own_rule=True, check=check_costs)
def tuned_cost(cell, costs):
    """The threshold (or offsets) with the lowest cost on the validation part.

    Costs are given as for ``cost_threshold``. Offsets per class can follow costs that depend on
    the true class alone, which with two classes they always do.
    """
    matrix = cost_matrix(cell, costs)
    by_class = matrix.max(axis=1)
    alike = np.allclose(matrix, by_class[:, None] * (1 - np.eye(len(matrix))))
    cell.need(alike, "tuned offsets need costs that depend on the true class alone")
    return tuned(cell, lambda hits, predicted, support: hits @ by_class)


@strategy(check=lambda tau=1.0: check_finite("tau", tau))
def logit_adjustment(cell, tau=1.0):
    """Subtract ``tau`` log priors from the logits; the same as posterior re-calibration.

    References
    ----------
    Menon et al., Long-tail learning via logit adjustment, ICLR 2021. Tian et al., Posterior
    re-calibration for imbalanced datasets, NeurIPS 2020 (softmax of this, uniform target).
    """
    return adjusted(cell.plain(), tau)


@strategy
def logit_adjustment_tuned(cell):
    """The same, tau the one of 0, 0.1, ..., 2 with the best balanced accuracy in validation.

    As posterior re-calibration is meant to be used (Tian et al. 2020), whose lambda is tau; they
    allow more than 1, too. The smallest of equals is taken.
    """
    model = cell.plain()
    tau = best_tau(cell, lambda tau: adjusted(model, tau).predict_proba(cell.X_val))
    return adjusted(model, tau)


@strategy
def undersampled(cell):
    """Random under-sampling to equal class sizes, uncorrected: control of the next."""
    size = cell.class_counts.min()
    cell.need((cell.class_counts > size).any(), "the classes are equally large")
    # The corrected and the uncorrected model are one model: what differs is the correction.
    rng = np.random.default_rng(cell.common_seed)
    rows = draw_rows(cell.y, np.full(len(cell.classes), size), rng)
    return cell.fit(cell.X[rows], cell.y[rows], seed=cell.common_seed)


@strategy
def undersampled_corrected(cell):
    """The same model with its probabilities put back to the training part's class shares.

    p_c proportional to p_s,c pi_c / pi_s,c; with two classes the same as
    :func:`imbbench.posthoc.correct_undersampling` with beta the share of the majority kept.

    References
    ----------
    Dal Pozzolo et al., Calibrating probability with undersampling for unbalanced classification,
    SSCI 2015 (two classes).
    """
    model = undersampled(cell)
    ratio = cell.class_counts / cell.class_counts.sum() / trained_prior(model)

    def correct(p):
        p = p * ratio
        return p / p.sum(axis=1, keepdims=True)

    return Corrected(model, correct)


@strategy
def temperature(cell):
    """One temperature for all logits, with the lowest log loss on the validation part.

    References
    ----------
    Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    model = cell.plain()
    t = fit_temperature(log_of(model.predict_proba(cell.X_val)), cell.y_val)
    none = np.ones(len(cell.classes))
    return Corrected(model, lambda p: recalibrate(log_of(p) / t, none, 0.0))


@strategy
def platt(cell):
    """A logistic curve on the log-odds, fitted on the validation part.

    Several classes are calibrated one against the rest and normalised.

    References
    ----------
    Platt, Probabilistic outputs for support vector machines, 1999; scikit-learn's
    ``CalibratedClassifierCV``.
    """
    return calibrated(cell, "sigmoid")


@strategy
def isotonic(cell):
    """A rising step function of the scores, fitted on the validation part.

    Ties that it makes can lower ranking metrics. Several classes as with ``platt``.

    References
    ----------
    Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability
    estimates, KDD 2002; scikit-learn's ``CalibratedClassifierCV``.
    """
    return calibrated(cell, "isotonic")
