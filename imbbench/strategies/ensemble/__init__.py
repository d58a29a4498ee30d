"""Family ensemble: many learners, each on a training set of its own.

Every entry has 20 learners and is compared with a plain ensemble of 20; only MESA fits many more
on the way to its 20. The classes follow scikit-learn and take any learner; imbalanced-learn's are
used where it has the method as published.
"""

import numpy as np
from imblearn.ensemble import (
    BalancedBaggingClassifier,
    BalancedRandomForestClassifier,
    EasyEnsembleClassifier,
)
from imblearn.under_sampling import RandomUnderSampler
from sklearn.ensemble import AdaBoostClassifier

from imbbench.bench.correction import corrected  # noqa: F401 (a key of this family, too)
from imbbench.bench.registry import strategy
from imbbench.bench.smote import need_neighbours
from imbbench.bench.values import check_sizes
from imbbench.strategies.ensemble.ada_cost import AdaCost
from imbbench.strategies.ensemble.balance_cascade import BalanceCascade
from imbbench.strategies.ensemble.mesa import MESA
from imbbench.strategies.ensemble.rus_boost import RUSBoost
from imbbench.strategies.ensemble.self_paced import SelfPacedEnsemble
from imbbench.strategies.ensemble.smote_bagging import SMOTEBagging
from imbbench.strategies.ensemble.smote_boost import SMOTEBoost


def _of_equal_classes(cell, model):
    """Fit a model that sees classes of equal size: so does what its probabilities follow."""
    model.fit(cell.X, cell.y)
    model.prior_ = np.full(len(cell.classes), 1 / len(cell.classes))
    return model


@strategy(check=check_sizes)
def under_bagging(cell, n_estimators=20):
    """From each class a bootstrap of the smallest one's size, for each learner.

    References
    ----------
    Barandela, Valdovinos, Sánchez, New applications of ensembles of classifiers, Pattern Analysis
    and Applications 6, 2003.
    """
    model = BalancedBaggingClassifier(
        cell.make(),
        n_estimators=n_estimators,
        bootstrap=False,  # the sampler's draw is the bootstrap
        sampler=RandomUnderSampler(replacement=True),
        sampling_strategy="all",
        random_state=cell.seed,
    )
    return _of_equal_classes(cell, model)


@strategy(check=check_sizes)
def over_bagging(cell, n_estimators=20):
    """From each class a bootstrap of the largest one's size, for each learner.

    imbalanced-learn's over-sampler keeps all rows of a class and adds copies, which is not a
    bootstrap: this is :class:`SMOTEBagging` with copies alone.

    References
    ----------
    Wang, Yao 2009.
    """
    model = SMOTEBagging(cell.make(), n_estimators, shares=(1.0,), random_state=cell.seed)
    return _of_equal_classes(cell, model)


@strategy(check=check_sizes)
def smote_bagging(cell, n_estimators=20, k_neighbors=5):
    """Bags of equal classes with a varying share of SMOTE rows; see :class:`SMOTEBagging`."""
    need_neighbours(cell, k_neighbors)
    model = SMOTEBagging(
        cell.make(),
        n_estimators,
        k_neighbors=k_neighbors,
        categorical=cell.categorical,
        random_state=cell.seed,
    )
    return _of_equal_classes(cell, model)


@strategy(check=check_sizes)
def balanced_random_forest(cell, n_estimators=20):
    """Random forest in which each tree sees a bootstrap of equal size from each class.

    References
    ----------
    Chen, Liaw, Breiman, Using random forest to learn imbalanced data, Berkeley report 666, 2004.
    """
    model = BalancedRandomForestClassifier(
        n_estimators,
        sampling_strategy="all",
        replacement=True,
        bootstrap=False,  # the sampler's draw is the bootstrap
        random_state=cell.seed,
    )
    return _of_equal_classes(cell, cell.coded(model))


@strategy(check=check_sizes)
def easy_ensemble(cell, bags=4, rounds=5, max_depth=3):
    """AdaBoost on each of several balanced subsets: ``bags`` x ``rounds`` trees in all.

    References
    ----------
    Liu, Wu, Zhou 2009. imbalanced-learn averages the bags' probabilities, there their scores are
    added up.
    """
    boosted = AdaBoostClassifier(cell.make(max_depth=max_depth), n_estimators=rounds)
    model = EasyEnsembleClassifier(bags, boosted, random_state=cell.seed)
    return _of_equal_classes(cell, model)


@strategy(check=check_sizes)
def rus_boost(cell, n_estimators=20, max_depth=3):
    """AdaBoost with random under-sampling to equal classes in each round; see :class:`RUSBoost`."""
    model = RUSBoost(cell.make(max_depth=max_depth), n_estimators, random_state=cell.seed)
    return model.fit(cell.X, cell.y)


@strategy(check=check_sizes)
def smote_boost(cell, n_estimators=20, max_depth=3, k_neighbors=5):
    """AdaBoost with SMOTE rows in each round; see :class:`SMOTEBoost`."""
    need_neighbours(cell, k_neighbors)
    model = SMOTEBoost(
        cell.make(max_depth=max_depth),
        n_estimators,
        k_neighbors=k_neighbors,
        categorical=cell.categorical,
        random_state=cell.seed,
    )
    return model.fit(cell.X, cell.y)


@strategy(check=check_sizes)
def ada_cost(cell, n_estimators=20, max_depth=3):
    """AdaBoost with costs from the class ratio, its square root; see :class:`AdaCost`.

    At the ratio itself the majority's weights hardly move and its rows are given up.
    """
    cell.need(len(cell.classes) == 2, "AdaCost is defined for two classes")
    cost = cell.class_counts**-0.5
    model = AdaCost(cell.make(max_depth=max_depth), n_estimators, cost, random_state=cell.seed)
    return model.fit(cell.X, cell.y)


@strategy(check=check_sizes)
def self_paced(cell, n_estimators=20, bins=5):
    """Under-sampling by hardness; see :class:`SelfPacedEnsemble`."""
    model = SelfPacedEnsemble(cell.make(), n_estimators, bins, random_state=cell.seed)
    return model.fit(cell.X, cell.y)


@strategy(check=check_sizes)
def balance_cascade(cell, n_estimators=20):
    """Under-sampling from shrinking pools; see :class:`BalanceCascade`."""
    model = BalanceCascade(cell.make(), n_estimators, random_state=cell.seed)
    return model.fit(cell.X, cell.y)


@strategy(check=check_sizes)
def mesa(cell, n_estimators=20, random_steps=500, update_steps=1000):
    """Under-sampling by a policy that is trained on the validation part; see :class:`MESA`.

    The ensemble costs what its control does, the policy's training many times that.
    """
    cell.need(len(cell.classes) == 2, "MESA is defined for two classes")
    model = MESA(
        cell.make(),
        n_estimators,
        random_steps=random_steps,
        update_steps=update_steps,
        random_state=cell.seed,
    )
    return model.fit(cell.X, cell.y, cell.X_val, cell.y_val)
