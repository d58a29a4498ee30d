"""Family posthoc: the plain model's scores, corrected or cut elsewhere. All learners."""

import numpy as np

from imbbench.bench.metrics import label_metrics
from imbbench.bench.protocol import tune_offsets
from imbbench.bench.registry import strategy
from imbbench.strategies.posthoc.calibration import calibrated, log_of
from imbbench.strategies.posthoc.cut import Cheapest, Corrected, Cut

TAUS = np.arange(21) / 10


def _check_threshold(value):
    if not 0 < value < 1:
        raise ValueError(f"the threshold must be in (0, 1), got {value}")


@strategy(by_key=True, own_rule=True, check=_check_threshold)
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


def _check_costs(costs):
    matrix = np.asarray(costs, dtype=float)
    if not np.isfinite(matrix).all():
        raise ValueError(f"costs must be finite, got {costs}")
    if matrix.ndim == 0 and not matrix > 0:
        raise ValueError(f"the cost ratio must be positive, got {costs}")
    if matrix.ndim > 0:
        square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
        if not square or matrix.diagonal().any() or (matrix < 0).any():
            raise ValueError(
                "a cost matrix is square, a row per true and a column per predicted class from the "
                f"largest class to the smallest, with zeros on the diagonal; got {costs}"
            )


def _matrix(cell, costs):
    n_classes = len(cell.classes)
    if np.ndim(costs) == 0:
        by_class = np.array([1.0] + [float(costs)] * (n_classes - 1))
        return by_class[:, None] * (1 - np.eye(n_classes))
    cell.need(len(costs) == n_classes, f"costs of {len(costs)} classes for {n_classes}")
    return np.asarray(costs, dtype=float)


@strategy(by_key=True, own_rule=True, check=_check_costs)
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
    return Cheapest(cell.plain(), _matrix(cell, costs))


@strategy(by_key=True, own_rule=True, check=_check_costs)
def tuned_cost(cell, costs):
    """The threshold (or offsets) with the lowest cost on the validation part.

    Costs are given as for ``cost_threshold``. Offsets per class can follow costs that depend on
    the true class alone, which with two classes they always do.
    """
    matrix = _matrix(cell, costs)
    by_class = matrix.max(axis=1)
    alike = np.allclose(matrix, by_class[:, None] * (1 - np.eye(len(matrix))))
    cell.need(alike, "tuned offsets need costs that depend on the true class alone")

    def saved(hits, predicted, support):
        return hits @ by_class

    model = cell.plain()
    return Cut(model, tune_offsets(model.predict_proba(cell.X_val), cell.y_val, saved))


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
    from imbbench.strategies.posthoc.adjustment import recalibrate

    prior = trained_prior(model)
    return Corrected(model, lambda p: recalibrate(log_of(p), prior, tau))


def _check_tau(tau=1.0):
    if not np.isfinite(tau):
        raise ValueError(f"tau must be finite, got {tau}")


@strategy(check=_check_tau)
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

    def score(tau):
        labels = adjusted(model, tau).predict_proba(cell.X_val).argmax(axis=1)
        return label_metrics(cell.y_val, labels, len(cell.classes))["balanced_accuracy"]

    return adjusted(model, max(TAUS, key=score))


def _undersampled(cell):
    """The learner on a random sample with as many rows of each class as the smallest has."""
    size = cell.class_counts.min()
    cell.need((cell.class_counts > size).any(), "the classes are equally large")
    # The corrected and the uncorrected model are one model: what differs is the correction.
    rng = np.random.default_rng(cell.common_seed)
    rows = np.concatenate(
        [rng.choice(np.flatnonzero(cell.y == c), size, False) for c in range(len(cell.classes))]
    )
    return cell.fit(cell.X[rows], cell.y[rows], seed=cell.common_seed)


@strategy
def undersampled(cell):
    """Random under-sampling to equal class sizes, uncorrected: control of the next."""
    return _undersampled(cell)


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
    model = _undersampled(cell)
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
    from imbbench.strategies.posthoc.adjustment import recalibrate
    from imbbench.strategies.posthoc.calibration import fit_temperature

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
