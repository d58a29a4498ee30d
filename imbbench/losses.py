"""Losses against class imbalance, class weights and bias initialisation, for your own code."""

from imbbench.bench.counts import (
    effective_number_weights,
    inverse_frequency_weights,
    inverse_sqrt_weights,
    log_prior_bias,
)
from imbbench.bench.objectives import WeightedCrossEntropy, start_bias
from imbbench.strategies.loss.class_balanced import ClassBalancedLoss
from imbbench.strategies.loss.focal import FocalLoss, SigmoidFocalLoss
from imbbench.strategies.loss.ghm import GHMCLoss
from imbbench.strategies.loss.ldam import LDAMLoss
from imbbench.strategies.loss.logit_adjusted import BalancedSoftmaxLoss, LogitAdjustedLoss
from imbbench.strategies.loss.ohem import OHEMLoss

__all__ = [
    "BalancedSoftmaxLoss",
    "ClassBalancedLoss",
    "FocalLoss",
    "GHMCLoss",
    "LDAMLoss",
    "LogitAdjustedLoss",
    "OHEMLoss",
    "SigmoidFocalLoss",
    "WeightedCrossEntropy",
    "effective_number_weights",
    "inverse_frequency_weights",
    "inverse_sqrt_weights",
    "log_prior_bias",
    "start_bias",
]
