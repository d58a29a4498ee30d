"""Family loss: another loss in place of cross-entropy. Neural learners only."""

import inspect
import itertools

import numpy as np

from imbbench.bench.correction import corrected  # noqa: F401 (a key of this family, too)
from imbbench.bench.objectives import DeferredReweighting, start_bias
from imbbench.bench.registry import strategy
from imbbench.bench.values import check_whole
from imbbench.strategies.loss.class_balanced import ClassBalancedLoss
from imbbench.strategies.loss.focal import FocalLoss, SigmoidFocalLoss
from imbbench.strategies.loss.ghm import GHMCLoss
from imbbench.strategies.loss.ldam import LDAMLoss, NormedLinear
from imbbench.strategies.loss.logit_adjusted import LogitAdjustedLoss
from imbbench.strategies.loss.ohem import OHEMLoss
from imbbench.strategies.loss.selection import best_fit


def _make(cls, class_counts, deferred, parameters):
    if "class_counts" in inspect.signature(cls).parameters:
        parameters = {"class_counts": class_counts, **parameters}
    if not deferred:
        return cls(**parameters)
    return DeferredReweighting(cls(weight=np.ones(len(class_counts)), **parameters), class_counts)


def _grid(choose, parameters):
    """Parameters with each combination of the values to choose from."""
    return [
        {**parameters, **dict(zip(choose, values, strict=True))}
        for values in itertools.product(*choose.values())
    ]


def _check(cls, bias_init=False, deferred=False, choose=None, **parameters):
    for name, values in (choose or {}).items():
        if not isinstance(values, list) or not values or name in parameters:
            raise ValueError(f"choose gives a list of values of {name}, which is not given twice")
    for each in _grid(choose or {}, parameters):
        _check_one(cls, bias_init, deferred, each)


def _check_one(cls, bias_init, deferred, parameters):
    if cls is LDAMLoss and bias_init:
        raise ValueError("bias_init does not go with LDAMLoss: its normalised head has no bias")
    if deferred and "weight" not in inspect.signature(cls).parameters:
        raise ValueError(f"deferred needs a loss with class weights, {cls.__name__} has none")
    if deferred and "weight" in parameters:
        raise ValueError("deferred sets the class weights itself: drop 'weight'")
    _make(cls, range(len(parameters.get("weight", [1, 1])), 0, -1), deferred, parameters)


def _need_neural(cell):
    cell.need(cell.neural, f"{cell.learner} has a loss of its own")


@strategy(
    by_key=True,
    check=_check,
    choices=[
        ClassBalancedLoss,
        FocalLoss,
        GHMCLoss,
        LDAMLoss,
        LogitAdjustedLoss,
        OHEMLoss,
        SigmoidFocalLoss,
    ],
)
def loss(cell, cls, bias_init=False, deferred=False, choose=None, **parameters):
    """Train with a loss of :mod:`imbbench.losses`; papers and definitions are given there.

    Balanced softmax (Ren et al. 2020) *is* the logit-adjusted loss (Menon et al. 2021) with tau 1:
    the study runs it once, under the name ``logit_adjusted``. Both are predicted with the raw
    logits. The optimiser, its learning rate and the number of steps are the learner's, not those of
    the papers.

    Parameters
    ----------
    bias_init : bool
        Start the bias at the class shares the loss sees (:func:`imbbench.losses.start_bias`), as
        the focal loss's authors do with a share of 0.01.
    deferred : bool
        Deferred re-weighting (Cao et al. 2019): class weights are ones for 80 % of the steps, then
        effective numbers.
    choose : dict, optional
        Parameter of the loss -> list of values; the best combination on the validation part is
        kept, as by ``focal_tuned``. Its control is the best of as many fits.
    **parameters
        Of the loss. LDAM gets its cosine classifier, without bias; without a margin it is the
        cosine classifier alone.
    """
    _need_neural(cell)
    each = _grid(choose or {}, parameters)
    models = (_fit(cell, cls, bias_init, deferred, one) for one in each)
    return best_fit(cell, models) if choose else next(models)


def _fit(cell, cls, bias_init, deferred, parameters, seed=None):
    objective = _make(cls, cell.class_counts, deferred, parameters)
    settings = {"loss": objective}
    if cls is LDAMLoss:
        settings["head"] = NormedLinear
    if bias_init:
        settings["bias"] = start_bias(
            cell.class_counts,
            weight=getattr(objective, "alpha" if cls is FocalLoss else "weight", None),
            balanced=cls is LogitAdjustedLoss,
            probabilities=objective.probabilities,
        )
    return cell.fit(**settings, seed=seed, prior=_prior(cell, objective))


def _prior(cell, objective):
    """Class shares that the scores follow, where that is known."""
    if isinstance(objective, LogitAdjustedLoss):
        mass = cell.class_counts * np.exp(-objective.adjustment.cpu().numpy())
    elif isinstance(objective, ClassBalancedLoss) and objective.base == "softmax":
        mass = cell.class_counts * objective.weight.cpu().numpy()
    else:
        return None
    return mass / mass.sum()


def _check_grid(gamma, alpha):
    for g, a in itertools.product(gamma, alpha):
        FocalLoss(g, [1 - a, a])


@strategy(check=_check_grid)
def focal_tuned(cell, gamma, alpha):
    """Softmax focal loss with gamma and alpha chosen on the validation part.

    The pair with the best macro-F1 at ``argmax`` wins; among equal ones that with the best average
    precision. Several classes follow Detectron's softmax form: the largest class is the
    background and weighs 1 - alpha, every other alpha.

    Parameters
    ----------
    gamma, alpha : list of float
        All pairs are tried.

    References
    ----------
    Lin et al., Focal loss for dense object detection, ICCV 2017.
    """
    _need_neural(cell)
    n_classes = len(cell.classes)
    losses = (
        FocalLoss(g, [1 - a] + [a] * (n_classes - 1)) for g, a in itertools.product(gamma, alpha)
    )
    return best_fit(cell, (cell.fit(loss=loss) for loss in losses))


@strategy(by_key=True, check=lambda n, cosine=False: check_whole("fits", n))
def fits(cell, n, cosine=False):
    """The best of ``n`` plain fits, chosen as ``focal_tuned`` chooses: its equal-cost control.

    Parameters
    ----------
    n : int
    cosine : bool
        With the cosine classifier of LDAM, without a margin.
    """
    _need_neural(cell)
    seeds = (cell.seed + k for k in range(n))
    if cosine:
        return best_fit(
            cell, (_fit(cell, LDAMLoss, False, False, {"max_margin": 0.0}, seed) for seed in seeds)
        )
    return best_fit(cell, (cell.fit(seed=seed) for seed in seeds))
