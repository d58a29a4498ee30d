"""Family posthoc: the plain model's scores, corrected or cut elsewhere. All learners."""

from functools import partial

import numpy as np

from imbbench.bench.correction import Corrected
from imbbench.bench.registry import strategy
from imbbench.bench.tuning import best_tau
from imbbench.bench.values import check_between, check_finite
from imbbench.strategies.posthoc.adjustment import log_of, recalibrate
from imbbench.strategies.posthoc.calibration import calibrated, fit_temperature
from imbbench.strategies.posthoc.corrected import adjusted
from imbbench.strategies.posthoc.decisions import (
    Cheapest,
    Cut,
    check_costs,
    check_cross_fit,
    cost_matrix,
    cross_fitted_offsets,
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
        len(cell.classes) == 2,
        "F1 of one class; the rule 'tuned_macro_f1' maximises the mean over classes",
    )
    return tuned(cell, minority_f1)


@strategy(by_key=True, own_rule=True, check=lambda metric, folds=5: check_cross_fit(metric, folds))
def cross_fitted(cell, metric, folds=5):
    """The threshold (or offsets) chosen on out-of-fold predictions of the training part.

    These are more rows than the validation part has, each scored by a model that has not seen it;
    the cut-off moves the plain model.

    Parameters
    ----------
    metric : {"macro_f1", "balanced_accuracy"}
    folds : int
        Models that are fitted for it; a class needs as many rows that differ.

    References
    ----------
    scikit-learn's ``TunedThresholdClassifierCV``, for two classes.
    """
    return Cut(cell.plain(), cross_fitted_offsets(cell, metric, folds))


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
