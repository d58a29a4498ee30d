"""Ensembles in scikit-learn's manner, for your own code."""

from imbbench.strategies.ensemble.ada_cost import AdaCost
from imbbench.strategies.ensemble.balance_cascade import BalanceCascade
from imbbench.strategies.ensemble.mesa import MESA
from imbbench.strategies.ensemble.rus_boost import RUSBoost
from imbbench.strategies.ensemble.self_paced import SelfPacedEnsemble
from imbbench.strategies.ensemble.smote_bagging import SMOTEBagging
from imbbench.strategies.ensemble.smote_boost import SMOTEBoost

__all__ = [
    "MESA",
    "AdaCost",
    "BalanceCascade",
    "RUSBoost",
    "SMOTEBagging",
    "SMOTEBoost",
    "SelfPacedEnsemble",
]
