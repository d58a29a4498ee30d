"""Family reference: what every other strategy is compared with."""

from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
)

from imbbench.bench.registry import strategy


@strategy
def plain(cell):
    """The learner as it is: cross-entropy on the natural distribution."""
    return cell.plain()


@strategy
def dummy(cell):
    """Always the majority class, with the training part's class shares as probabilities."""
    return DummyClassifier(strategy="prior").fit(cell.X, cell.y)


@strategy
def bagging(cell, n_estimators=20):
    """Bootstrap aggregation (Breiman 1996) of the learner."""
    model = BaggingClassifier(cell.make(), n_estimators=n_estimators, random_state=cell.seed)
    return model.fit(cell.X, cell.y)


@strategy
def random_forest(cell, n_estimators=20):
    """Random forest (Breiman 2001)."""
    model = RandomForestClassifier(n_estimators, random_state=cell.seed)
    return cell.coded(model).fit(cell.X, cell.y)


@strategy
def extra_trees(cell, n_estimators=20):
    """Extremely randomised trees (Geurts et al. 2006)."""
    model = ExtraTreesClassifier(n_estimators, random_state=cell.seed)
    return cell.coded(model).fit(cell.X, cell.y)


@strategy
def boosting(cell, n_estimators=20, max_depth=3):
    """AdaBoost (SAMME, Zhu et al. 2009) of the learner at a small depth."""
    base = cell.make(max_depth=max_depth)
    model = AdaBoostClassifier(base, n_estimators=n_estimators, random_state=cell.seed)
    return model.fit(cell.X, cell.y)
