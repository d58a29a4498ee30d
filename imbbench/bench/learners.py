"""Learners: the models that are trained, in scikit-learn's manner.

Every learner has ``features``, what it sees of each modality, and ``neural``. A learner gets the
names ``categorical`` (which columns hold codes) and ``random_state`` from the cell; everything
else comes from ``params.yaml``. Neural ones are in :mod:`imbbench.bench.neural`.
"""

import contextlib
import importlib
import inspect
import io
from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from imbbench.bench.code import library
from imbbench.errors import StudyError


def one_hot(categorical):
    """Transformer that spreads coded columns out and passes the others on.

    Its output is sparse where that is wide: fewer than one value in twenty is not zero.
    """
    return ColumnTransformer(
        [("codes", OneHotEncoder(handle_unknown="ignore"), categorical)],
        remainder="passthrough",
        sparse_threshold=0.05,
    )


class Learner(ClassifierMixin, BaseEstimator):
    """What all learners share."""

    neural = False
    weighted = True

    def predict(self, X):
        """Most probable classes, (N,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


class _Coded(Learner):
    """A scikit-learn classifier behind a one-hot coding of the nominal columns."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def fit(self, X, y, sample_weight=None):
        """Fit; ``sample_weight`` (N,) multiplies each row's loss."""
        X, y = validate_data(self, X, y, accept_sparse="csr")
        mask = self.categorical
        coded = mask is not None and np.any(mask)
        self.coder_ = one_hot(mask).fit(X) if coded else None
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.model_ = self._model().fit(self._code(X), y, **weights)
        self.classes_ = self.model_.classes_
        return self

    def _code(self, X):
        return X if self.coder_ is None else self.coder_.transform(X)

    def predict_proba(self, X):
        """Probabilities, (N, C)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, accept_sparse="csr")
        return self.model_.predict_proba(self._code(X))


class _Numbered(_Coded):
    """One that knows classes as 0 ... C - 1 only, and may compute in single precision."""

    def fit(self, X, y, sample_weight=None):
        """Fit; ``sample_weight`` (N,) multiplies each row's loss."""
        X, y = validate_data(self, X, y, accept_sparse="csr")
        check_classification_targets(y)
        classes, numbers = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError("y has one class only")
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        super().fit(X, numbers, sample_weight)
        self.classes_ = classes
        return self

    def predict_proba(self, X):
        """Probabilities, (N, C)."""
        found = np.asarray(super().predict_proba(X), dtype=np.float64)
        total = found.sum(axis=1, keepdims=True)
        # In single precision the sum is not one to the digits that are looked at; what is further
        # off is an error, which is not to be hidden.
        return found / total if np.allclose(total, 1, atol=1e-4) else found


@dataclass(eq=False, repr=False)
class LogReg(_Coded):
    """Logistic regression: softmax, L2 penalty, solved to its optimum.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    categorical : ndarray of bool, (d,), optional
    random_state : int, optional
    """

    features = {"tabular": "matrix", "image": "matrix"}

    C: float = 1.0
    categorical: object = None
    random_state: int | None = None

    def _model(self):
        return LogisticRegression(C=self.C, max_iter=1000)


class TfidfLogReg(LogReg):
    """The same on TF-IDF features of words and word pairs."""

    features = {"text": "tfidf"}


@dataclass(eq=False, repr=False)
class Tree(_Coded):
    """Decision tree, the weak learner of the study and the base of its ensembles.

    Leaves of several rows, so that its scores are shares and a cut-off can be moved: those of a
    tree that is grown to its end are 0 and 1.

    Of texts it sees the principal components of the embeddings: it cuts one coordinate at a time,
    and those of an encoder mean little alone.

    Parameters
    ----------
    max_depth : int or None
    min_samples_leaf : int
    categorical : ndarray of bool, (d,), optional
    random_state : int, optional
    """

    features = {"tabular": "matrix", "text": "components", "image": "matrix"}

    max_depth: int | None = None
    min_samples_leaf: int = 5
    categorical: object = None
    random_state: int | None = None

    def _model(self):
        return DecisionTreeClassifier(
            max_depth=self.max_depth,
            min_samples_leaf=self.min_samples_leaf,
            random_state=self.random_state,
        )


@dataclass(eq=False, repr=False)
class HistGradientBoosting(Learner):
    """Histogram gradient boosting, a strong tabular learner.

    A fixed number of rounds: stopping early on a loss would treat strategies that move the
    probabilities differently. Leaves are penalised: those of a rare class run away otherwise,
    since the curvature of the loss goes to zero with its probability.

    Parameters
    ----------
    max_iter : int
        Rounds.
    learning_rate : float
    max_depth : int or None
    l2_regularization : float
        Penalty of the leaves' values.
    min_samples_leaf : int
        Few enough for a sample of equal classes to be split.
    categorical : ndarray of bool, (d,), optional
    random_state : int, optional
    """

    features = {"tabular": "matrix"}

    max_iter: int = 100
    learning_rate: float = 0.1
    max_depth: int | None = 3
    l2_regularization: float = 1.0
    min_samples_leaf: int = 5
    categorical: object = None
    random_state: int | None = None

    def fit(self, X, y, sample_weight=None):
        """Fit; ``sample_weight`` (N,) multiplies each row's loss."""
        X, y = validate_data(self, X, y)
        nominal = self.categorical
        if nominal is not None and np.any(nominal):
            # Natively coded columns must stay below the bin count; wider ones act as numbers.
            nominal = nominal & (X.max(axis=0) < 255)
        self.model_ = HistGradientBoostingClassifier(
            max_iter=self.max_iter,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            l2_regularization=self.l2_regularization,
            min_samples_leaf=self.min_samples_leaf,
            early_stopping=False,
            categorical_features=nominal,
            random_state=self.random_state,
        ).fit(X, y, sample_weight=sample_weight)
        self.classes_ = self.model_.classes_
        self.n_iter_ = self.model_.n_iter_
        return self

    def predict_proba(self, X):
        """Probabilities, (N, C)."""
        check_is_fitted(self)
        return self.model_.predict_proba(validate_data(self, X, reset=False))


@dataclass(eq=False, repr=False)
class XGBoost(_Numbered):
    """Gradient boosting of XGBoost, the other strong tabular learner; no early stopping.

    Parameters
    ----------
    n_estimators : int
        Rounds.
    learning_rate : float
    max_depth : int
    reg_lambda : float
        Penalty of the leaves' values.
    categorical : ndarray of bool, (d,), optional
    random_state : int, optional
    """

    features = {"tabular": "matrix"}

    n_estimators: int = 100
    learning_rate: float = 0.1
    max_depth: int = 3
    reg_lambda: float = 1.0
    categorical: object = None
    random_state: int | None = None

    def _model(self):
        from xgboost import XGBClassifier

        return XGBClassifier(
            n_estimators=self.n_estimators,
            learning_rate=self.learning_rate,
            max_depth=self.max_depth,
            reg_lambda=self.reg_lambda,
            random_state=self.random_state,
            n_jobs=1,
        )


def classifier(path):
    """The class that ``params.yaml`` names by the path that it is imported from."""
    module, _, name = str(path).rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise StudyError(f"class {path} cannot be imported: {error}") from None
    if not inspect.isclass(found) or not hasattr(found, "fit") or not hasattr(found, "set_params"):
        raise StudyError(f"class {path} is no classifier in scikit-learn's manner")
    return found


def library_version(learner, settings):
    """Version of the library that a learner is taken from, where it is none that all cells need.

    "" otherwise, and where the library says none.
    """
    if learner == "xgboost":
        return library("xgboost")
    if "class" not in settings:
        return ""
    package = importlib.import_module(settings["class"].partition(".")[0])
    return getattr(package, "__version__", "")


class Imported(_Numbered):
    """Any classifier in scikit-learn's manner, by the class that ``params.yaml`` names.

    It sees of tables and images what ``logreg`` and ``tree`` see, of texts the principal
    components of their embeddings. It is fitted in one thread; what it prints, of some libraries
    a line per round, is not shown.

    Parameters
    ----------
    categorical : ndarray of bool, (d,), optional
    random_state : int, optional
    **settings
        ``class``, the path it is imported from, and its parameters.
    """

    features = {"tabular": "matrix", "text": "components", "image": "matrix"}

    def __init__(self, *, categorical=None, random_state=None, **settings):
        self.categorical, self.random_state, self.settings = categorical, random_state, settings

    def get_params(self, deep=True):
        """All of them, the classifier's as they were given."""
        own = {"categorical": self.categorical, "random_state": self.random_state}
        return {**own, **self.settings}

    def set_params(self, **params):
        """Set some of them."""
        self.__init__(**{**self.get_params(), **params})
        return self

    @property
    def weighted(self):
        """Whether ``fit`` takes weights of rows."""
        return has_fit_parameter(classifier(self.settings["class"]), "sample_weight")

    def _model(self):
        settings = dict(self.settings)
        model = classifier(settings.pop("class"))(**settings)
        known, given = model.get_params(), {"random_state": self.random_state, "n_jobs": 1}
        model.set_params(**{key: value for key, value in given.items() if key in known})
        if not hasattr(model, "predict_proba"):
            raise ValueError(f"{type(model).__name__} has no predict_proba with these settings")
        return model

    def fit(self, X, y, sample_weight=None):
        """Fit; ``sample_weight`` (N,) is refused where the class takes none."""
        if sample_weight is not None and not self.weighted:
            raise ValueError(f"{self.settings['class']} takes no weights of rows")
        with contextlib.redirect_stdout(io.StringIO()):
            return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        """Probabilities, (N, C)."""
        with contextlib.redirect_stdout(io.StringIO()):
            return super().predict_proba(X)
