"""Corrections after training, for your own code: of logits, of probabilities, of weights.

Platt and isotonic calibration are scikit-learn's (``CalibratedClassifierCV`` around a
``FrozenEstimator``) and not repeated here.
"""

from imbbench.strategies.posthoc.adjustment import adjust_logits, correct_undersampling, recalibrate
from imbbench.strategies.posthoc.calibration import fit_temperature
from imbbench.strategies.schedule.tau_normalisation import tau_normalize

__all__ = [
    "adjust_logits",
    "correct_undersampling",
    "fit_temperature",
    "recalibrate",
    "tau_normalize",
]
