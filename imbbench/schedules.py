"""Sampling and weighting schedules, two-stage and two-branch training, for your own code."""

from imbbench.bench.counts import drw_weights, sampling_probabilities
from imbbench.bench.objectives import DeferredReweighting
from imbbench.strategies.loss.ldam import NormedLinear
from imbbench.strategies.schedule.bilateral import bbn_mix
from imbbench.strategies.schedule.class_means import NearestClassMean
from imbbench.strategies.schedule.meta_weights import (
    MetaStep,
    meta_weight_net_step,
    weight_network,
)
from imbbench.strategies.schedule.weight_scaling import LearnableWeightScaling

__all__ = [
    "DeferredReweighting",
    "LearnableWeightScaling",
    "MetaStep",
    "NearestClassMean",
    "NormedLinear",
    "bbn_mix",
    "drw_weights",
    "meta_weight_net_step",
    "sampling_probabilities",
    "weight_network",
]
