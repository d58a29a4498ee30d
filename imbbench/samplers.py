"""Samplers in imbalanced-learn's manner, for your own code."""

from imbbench.strategies.oversampling.gan import ConditionalGAN
from imbbench.strategies.undersampling.preclassification import IterativePreClassification

__all__ = ["ConditionalGAN", "IterativePreClassification"]
