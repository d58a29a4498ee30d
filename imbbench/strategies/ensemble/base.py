"""What the ensembles share."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.tree import BaseDecisionTree, DecisionTreeClassifier
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from imbbench.bench.values import check_whole


class Ensemble(ClassifierMixin, BaseEstimator):
    """What the ensembles share: checks, growing by one learner, the mean of the probabilities."""

    multi_class = True

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = self.multi_class
        return tags

    def _start(self, X, y, weighted=False):
        """Check everything; the rows, their classes as codes 0 ... C - 1, and the generator."""
        name = type(self).__name__
        check_whole("n_estimators", self.n_estimators)
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{name} needs at least two classes, y has one class")
        if len(self.classes_) > 2 and not self.multi_class:
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(codes)}."
            )
        base = self.estimator
        if base is None:
            base = DecisionTreeClassifier(max_depth=3 if weighted else None)
        if not hasattr(base, "predict_proba"):
            raise ValueError(f"{name} needs a learner with predict_proba, unlike {base!r}")
        if weighted and not has_fit_parameter(base, "sample_weight"):
            raise ValueError(f"{name} needs a learner that takes sample_weight, unlike {base!r}")
        self.estimator_, self.estimators_ = base, []
        self._seeds = sorted(
            name
            for name in base.get_params()
            if name == "random_state" or name.endswith("__random_state")
        )
        if isinstance(base, BaseDecisionTree):
            X = X.astype(np.float32)  # as the tree would, anew in each round
        return X, codes, check_random_state(self.random_state)

    def _grow(self, rng, X, y, sample_weight=None):
        """Fit one more learner."""
        learner = clone(self.estimator_)
        if self._seeds:
            learner.set_params(**{name: rng.randint(2**31 - 1) for name in self._seeds})
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimators_.append(learner.fit(X, y, **weights))
        return learner

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Mean of the learners' probabilities, (N, C)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return sum(learner.predict_proba(X) for learner in self.estimators_) / len(self.estimators_)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Most probable classes, (N,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


def smallest_and_others(y):
    """Rows of the smallest class, rows of each other class, and how many to draw of each."""
    counts = np.bincount(y)
    smallest = counts.argmin()
    others = {c: np.flatnonzero(y == c) for c in range(len(counts)) if c != smallest}
    return np.flatnonzero(y == smallest), others, counts[smallest]


def need_learners(ensemble):
    if not ensemble.estimators_:
        raise ValueError(f"{type(ensemble).__name__}: the first learner is no better than chance")
