"""Family schedule: what is trained on changes while training goes on. Neural learners only.

Every entry makes the learner's steps, on batches of its size and at its learning rate (the second
stage of ``crt`` and ``lws`` has its own); what takes two batches a step makes as many steps and
passes more rows.
"""

from functools import partial

import numpy as np

from imbbench.bench.correction import corrected  # noqa: F401 (a key of this family, too)
from imbbench.bench.counts import draw_rows, sampling_probabilities
from imbbench.bench.metrics import label_metrics
from imbbench.bench.neural import zero_head
from imbbench.bench.objectives import DeferredReweighting, WeightedCrossEntropy
from imbbench.bench.registry import strategy
from imbbench.bench.tuning import best_tau
from imbbench.strategies.schedule.bilateral import TwoBranches, bbn_stepper
from imbbench.strategies.schedule.class_means import NearestClassMean
from imbbench.strategies.schedule.draws import sampled
from imbbench.strategies.schedule.meta_weights import meta_stepper
from imbbench.strategies.schedule.stages import (
    SWITCH,
    OnFeatures,
    fit_in_steps,
    second_stage,
)
from imbbench.strategies.schedule.tau_normalisation import TauNormalised
from imbbench.strategies.schedule.weight_scaling import LearnableWeightScaling


@strategy(by_key=True, check=partial(sampling_probabilities, [2, 1]))
def sampling(cell, power):
    """Draw classes with probability proportional to n_c^power: 0 class-balanced, 0.5 square-root.

    With class-balanced batches the right start of the bias is zero, as it is.

    References
    ----------
    Kang et al., Decoupling representation and classifier for long-tailed recognition, ICLR 2020.
    Rows are drawn with replacement; their sampler takes four of a class at a time.
    """
    shares = sampling_probabilities(cell.class_counts, power)
    return fit_in_steps(
        cell, prior=shares, draw=lambda y, progress, rng, size: sampled(y, shares, rng, size)
    )


@strategy
def progressive_sampling(cell):
    """From instance-balanced to class-balanced sampling, in proportion to the steps done.

    References
    ----------
    Kang et al. 2020.
    """
    natural, balanced = (sampling_probabilities(cell.class_counts, power) for power in (1, 0))

    def draw(y, progress, rng, size):
        return sampled(y, (1 - progress) * natural + progress * balanced, rng, size)

    return fit_in_steps(cell, draw=draw)


@strategy
def deferred_reweighting(cell):
    """Plain cross-entropy for 80 % of the steps, then weighted by effective numbers (CE-DRW).

    References
    ----------
    Cao et al., Learning imbalanced datasets with label-distribution-aware margin loss, NeurIPS
    2019; see :func:`imbbench.schedules.drw_weights`. LDAM-DRW is in family ``loss``.
    """
    loss = WeightedCrossEntropy(np.ones(len(cell.classes)))
    return fit_in_steps(cell, loss=DeferredReweighting(loss, cell.class_counts))


@strategy
def deferred_resampling(cell):
    """Plain batches for 80 % of the steps, then class-balanced ones (DRS).

    References
    ----------
    Cao et al. 2019, its second baseline. Rows are drawn with replacement before the switch, too.
    """
    natural, balanced = (sampling_probabilities(cell.class_counts, power) for power in (1, 0))

    def draw(y, progress, rng, size):
        return sampled(y, natural if progress < SWITCH else balanced, rng, size)

    return fit_in_steps(cell, draw=draw)


@strategy
def crt(cell, learning_rate=0.01):
    """Classifier re-training: a new last layer, class-balanced batches, the rest frozen.

    The frozen part is in evaluation mode in the second stage; in the authors' code its running
    statistics go on drifting. Stages of 80 and 20 % of the steps, there 90 and 10 epochs.

    References
    ----------
    Kang et al. 2020.
    """
    return second_stage(cell, lambda network: zero_head, learning_rate)


@strategy
def lws(cell, learning_rate=0.01):
    """Learnable weight scaling: one factor per class on the frozen last layer, balanced batches.

    References
    ----------
    Kang et al. 2020; see :class:`imbbench.schedules.LearnableWeightScaling`.
    """

    def head(network):
        return lambda width, n_classes: LearnableWeightScaling(network.head_)

    return second_stage(cell, head, learning_rate)


@strategy
def tau_normalisation(cell):
    """Rescale the last layer's weights to w_c / ||w_c||^tau and drop its bias.

    tau is the one of 0, 0.1, ..., 2 with the best balanced accuracy on the validation part, the
    smallest of equals. With two classes the gradients of the two rows are opposite, so the sum of
    the rows hardly moves from where it starts: their norms say little about class sizes, and what
    is left of the method is the dropped bias.

    References
    ----------
    Kang et al. 2020. It rests on norms that grow with n_c, as after SGD; not so sure after Adam
    (Menon et al. 2021), which is used here.
    """
    network = fit_in_steps(cell)
    weight = network.head_.weight.detach().cpu().numpy().astype(np.float64)
    features = network.embed(cell.X_val)
    tau = best_tau(cell, lambda tau: TauNormalised(weight, tau).predict_proba(features))
    return OnFeatures(network, TauNormalised(weight, tau))


@strategy
def nearest_class_mean(cell):
    """The nearest class mean of the trained network's features.

    Features as they are, normalised, or centred and normalised: what has the best balanced
    accuracy on the validation part, as in the authors' code, the first of equals. Its scores are
    no probabilities, so there are no metrics of calibration.

    References
    ----------
    Kang et al. 2020; see :class:`imbbench.schedules.NearestClassMean`.
    """
    network = fit_in_steps(cell)
    features, held_out = network.embed(cell.X), network.embed(cell.X_val)

    def score(means):
        labels = means.predict(held_out)
        return label_metrics(cell.y_val, labels, len(cell.classes))["balanced_accuracy"]

    means = (NearestClassMean(kind).fit(features, cell.y) for kind in ("un", "l2n", "cl2n"))
    return OnFeatures(network, max(means, key=score))


@strategy
def two_branches(cell):
    """Plain cross-entropy on the network of ``bbn``: its control, as large and as long."""
    return fit_in_steps(cell, head=TwoBranches)


@strategy
def bbn(cell):
    """Bilateral-branch network: plain and reversed sampling, mixed from the first to the second.

    Each step takes a batch of either sampler.

    References
    ----------
    Zhou et al., BBN: bilateral-branch network with cumulative learning for long-tailed visual
    recognition, CVPR 2020. The branches are one layer each on top of the learner's trunk, there
    the last block of a ResNet. The learning rate is the learner's; there it falls to a hundredth
    after 60 % and again after 80 % of the epochs.
    """
    stepper = bbn_stepper(cell, sampling_probabilities(cell.class_counts, -1))
    return fit_in_steps(cell, head=TwoBranches, stepper=stepper)


@strategy
def meta_weight_net(cell, meta_rows=10, learning_rate=0.001):
    """Meta-Weight-Net: a small network that turns a row's loss into its weight is learnt as well.

    It is learnt on a class-balanced meta set, ``meta_rows`` of each class (at most half of a
    class) taken from the training part; the control trains on those rows instead. Every row is
    passed twice, virtually and really.

    Parameters
    ----------
    meta_rows : int
    learning_rate : float
        Of the weight network, Adam.

    References
    ----------
    Shu et al., Meta-Weight-Net: learning an explicit mapping for sample weighting, NeurIPS 2019:
    second order, with the weight network's input detached as in the paper and weights divided by
    their sum over the batch as in the authors' code for class imbalance, which keeps them from all
    shrinking. The real step is the learner's AdamW, the virtual one plain SGD of the same rate.
    """
    cell.need(cell.class_counts.min() > 1, "a class has one training row, the meta set needs one")
    size = np.minimum(meta_rows, cell.class_counts // 2)
    meta = draw_rows(cell.y, size, np.random.default_rng(cell.seed))
    rest = np.setdiff1d(np.arange(len(cell.y)), meta)
    return fit_in_steps(
        cell,
        draw=lambda y, progress, rng, size: (rest, None),
        stepper=meta_stepper(meta, learning_rate),
    )
