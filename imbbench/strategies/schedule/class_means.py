"""The nearest class mean of features."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from imbbench.bench.values import check_choice


class NearestClassMean(ClassifierMixin, BaseEstimator):
    """Nearest class mean on the features of a trained network.

    Its scores are no probabilities: they rank the classes of a row.

    Parameters
    ----------
    feat_type : {"cl2n", "l2n", "un"}, default "cl2n"
        ``"un"``: features as they are; ``"l2n"``: L2-normalised; ``"cl2n"``: centred by the
        training mean first. The class means are not normalised again.
    dist_type : {"l2", "cos"}, default "l2"
        Score of a class: minus the squared distance, or the dot product divided by the number of
        features (what the authors' code calls cosine).

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    mean_ : ndarray of shape (D,)
        Mean of the training features.
    centroids_ : ndarray of shape (C, D)

    References
    ----------
    Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition", ICLR 2020.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0]])
    >>> NearestClassMean().fit(X, [0, 0, 1]).predict([[0.8, 0.3]]).tolist()
    [1]
    """

    scores_only = True

    def __init__(self, feat_type: str = "cl2n", dist_type: str = "l2") -> None:
        self.feat_type = feat_type
        self.dist_type = dist_type

    def _transform(self, X):
        if self.feat_type == "cl2n":
            X = X - self.mean_
        if self.feat_type == "un":
            return X
        norm = np.linalg.norm(X, axis=1, keepdims=True)
        return X / np.where(norm > 0, norm, 1)

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Store the class means.

        Parameters
        ----------
        X : array-like of shape (N, D)
        y : array-like of shape (N,)

        Returns
        -------
        self

        Raises
        ------
        ValueError
            On an unknown ``feat_type`` or ``dist_type``, or data scikit-learn refuses.
        """
        check_choice("feat_type", self.feat_type, ("cl2n", "l2n", "un"))
        check_choice("dist_type", self.dist_type, ("l2", "cos"))
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, y = np.unique(y, return_inverse=True)
        self.mean_ = X.mean(axis=0)
        sums = np.zeros((len(self.classes_), X.shape[1]))
        np.add.at(sums, y, self._transform(X))
        self.centroids_ = sums / np.bincount(y)[:, None]
        return self

    def class_scores(self, X: ArrayLike) -> NDArray[np.float64]:
        """Scores of shape (N, C), the higher the nearer."""
        check_is_fitted(self)
        X = self._transform(validate_data(self, X, dtype=np.float64, reset=False))
        if self.dist_type == "cos":
            return X @ self.centroids_.T / X.shape[1]
        return -cdist(X, self.centroids_, "sqeuclidean")

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Softmax of the scores, shape (N, C); a ranking rather than calibrated probabilities."""
        return softmax(self.class_scores(X), axis=1)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Nearest class of each row."""
        nearest = self.class_scores(X).argmax(axis=1)  # says so where nothing has been fitted
        return self.classes_[nearest]
