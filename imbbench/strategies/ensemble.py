"""Family ensemble: many learners, each on a training set of its own.

Every entry costs 20 learners and is compared with a plain ensemble of 20. The classes follow
scikit-learn and take any learner; imbalanced-learn's are used where it has the method as published.
"""

from numbers import Integral

import numpy as np
from imblearn.ensemble import (
    BalancedBaggingClassifier,
    BalancedRandomForestClassifier,
    EasyEnsembleClassifier,
    RUSBoostClassifier,
)
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
from imblearn.under_sampling import RandomUnderSampler
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import AdaBoostClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from imbbench.strategies import strategy

SHARES = np.arange(1, 11) / 10  # of copies in the bags of SMOTEBagging
SMALLEST_ERROR = 1e-10  # keeps the vote of a perfect learner finite


def _check_whole(name, value):
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} is a whole number of at least 1, not {value!r}")


class _Ensemble(ClassifierMixin, BaseEstimator):
    """What the ensembles share: checks, growing by one learner, the mean of the probabilities."""

    def _start(self, X, y, weighted=False):
        """Check everything; the rows, their classes as codes 0 ... C - 1, and the generator."""
        name = type(self).__name__
        _check_whole("n_estimators", self.n_estimators)
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"{name} needs at least two classes, y has one class")
        base = self.estimator
        if base is None:
            base = DecisionTreeClassifier(max_depth=3 if weighted else None)
        if not hasattr(base, "predict_proba"):
            raise ValueError(f"{name} needs a learner with predict_proba, unlike {base!r}")
        if weighted and not has_fit_parameter(base, "sample_weight"):
            raise ValueError(f"{name} needs a learner that takes sample_weight, unlike {base!r}")
        self.estimator_, self.estimators_ = base, []
        return X, codes, check_random_state(self.random_state)

    def _grow(self, rng, X, y, sample_weight=None):
        """Fit one more learner."""
        learner = clone(self.estimator_)
        seeds = {
            name: rng.randint(2**31 - 1)
            for name in sorted(learner.get_params())
            if name == "random_state" or name.endswith("__random_state")
        }
        learner.set_params(**seeds)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        self.estimators_.append(learner.fit(X, y, **weights))
        return learner

    def predict_proba(self, X):
        """Mean of the learners' probabilities, (N, C)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return sum(learner.predict_proba(X) for learner in self.estimators_) / len(self.estimators_)

    def predict(self, X):
        """Most probable classes, (N,)."""
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]


# --------------------------------------------------------------------------- under-sampling


def _others(y):
    """Rows of the smallest class, rows of each other class, and how many to draw of each."""
    counts = np.bincount(y)
    smallest = counts.argmin()
    others = {c: np.flatnonzero(y == c) for c in range(len(counts)) if c != smallest}
    return np.flatnonzero(y == smallest), others, counts[smallest]


def _quotas(sizes, weights, total):
    """Whole numbers of rows per bin, in proportion to weights and none above a bin's size.

    What a bin cannot give is handed on to the others, in proportion to theirs.
    """
    quotas, open_ = np.zeros(len(sizes)), sizes > 0
    left = total
    while open_.any():
        quotas[open_] = left * weights[open_] / weights[open_].sum()
        over = open_ & (quotas > sizes)
        if not over.any():
            break
        quotas[over] = sizes[over]
        left -= sizes[over].sum()
        open_ &= ~over
    taken = quotas.astype(int)
    largest = np.argsort(taken - quotas, kind="stable")
    taken[largest[: total - taken.sum()]] += 1
    return taken


def _self_paced_draw(hardness, size, angle, bins, rng):
    """Positions of ``size`` rows, drawn from bins of equal width by the mean hardness of each."""
    low, high = hardness.min(), hardness.max()
    if low == high:
        return rng.choice(len(hardness), size, replace=False)
    bin_of = np.minimum(((hardness - low) * (bins / (high - low))).astype(int), bins - 1)
    sizes = np.bincount(bin_of, minlength=bins)
    mean = np.bincount(bin_of, hardness, minlength=bins) / np.maximum(sizes, 1)
    # 1 / (mean + tan(angle)) but for a factor, and finite where the tangent is not.
    weights = 1 / (mean * np.cos(angle) + np.sin(angle))
    quotas = _quotas(sizes, weights, size)
    # In random order within bins: the first of each bin are a draw without replacement.
    order = rng.permutation(len(hardness))
    order = order[np.argsort(bin_of[order], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    return np.concatenate([order[s : s + q] for s, q in zip(starts, quotas, strict=True)])


class SelfPacedEnsemble(_Ensemble):
    """Under-sampling that takes hard rows early and rows of all hardness late.

    The first learner sees the smallest class and as many random rows of every other. In round
    i = 1 ... T - 1 the hardness of a row is 1 minus the mean probability that the learners so far
    give its class; the rows of a class fall into equal-width bins of hardness, and bin l gives
    rows in proportion to 1 / (mean hardness of l + tan(pi i / (2 (T - 1)))).

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, optional
        Default: a decision tree.
    n_estimators : int
        T.
    bins : int
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (C,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.

    References
    ----------
    Liu et al., Self-paced ensemble for highly imbalanced massive data classification, ICDE 2020.
    Binary there; with several classes each is drawn down to the smallest. Rows are drawn without
    replacement, what a bin cannot give is handed on to the others, and the first, random learner
    stays in the mean.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = SelfPacedEnsemble(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (500, 2)
    """

    def __init__(self, estimator=None, n_estimators=20, bins=5, random_state=None):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.bins = bins
        self.random_state = random_state

    def fit(self, X, y):
        """Fit on X (N, d) and y (N,)."""
        _check_whole("bins", self.bins)
        X, y, rng = self._start(X, y)
        minority, others, size = _others(y)
        pool = np.concatenate(list(others.values()))
        X_pool, truth = X[pool], y[pool]
        parts = {c: np.flatnonzero(truth == c) for c in others}
        every, confidence = np.arange(len(pool)), np.zeros(len(pool))
        for i in range(self.n_estimators):
            rows = [minority]
            for part in parts.values():
                if i == 0:
                    drawn = rng.choice(len(part), size, replace=False)
                else:
                    hardness = 1 - confidence[part] / i
                    angle = np.pi / 2 * i / (self.n_estimators - 1)
                    drawn = _self_paced_draw(hardness, size, angle, self.bins, rng)
                rows.append(pool[part[drawn]])
            rows = np.concatenate(rows)
            learner = self._grow(rng, X[rows], y[rows])
            if i < self.n_estimators - 1:
                confidence += learner.predict_proba(X_pool)[every, truth]
        return self


class BalanceCascade(_Ensemble):
    """Under-sampling from pools that lose the rows which are surely right already.

    Each of the T learners sees the smallest class and as many random rows of every other class's
    pool. After each but the last, the rows of a pool that the learners so far are surest about
    are dropped, so that the share (n_min / n_c)^(1 / (T - 1)) of it stays and the last learner
    gets all that is left, n_min rows.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, optional
        Default: a decision tree.
    n_estimators : int
        T.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (C,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.

    References
    ----------
    Liu, Wu, Zhou, Exploratory undersampling for class-imbalance learning, IEEE SMC-B 39, 2009.
    There each learner is an AdaBoost whose threshold gives the false-positive rate; dropping by
    rank gives the same share, and equally sure rows are dropped at random. The learners'
    probabilities are averaged. Binary there; with several classes each has its pool.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = BalanceCascade(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (500, 2)
    """

    def __init__(self, estimator=None, n_estimators=20, random_state=None):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.random_state = random_state

    def fit(self, X, y):
        """Fit on X (N, d) and y (N,)."""
        X, y, rng = self._start(X, y)
        minority, pools, size = _others(y)
        full = {c: len(pool) for c, pool in pools.items()}
        confidence = np.zeros(len(y))
        for i in range(1, self.n_estimators + 1):
            drawn = [rng.choice(pool, size, replace=False) for pool in pools.values()]
            rows = np.concatenate([minority, *drawn])
            learner = self._grow(rng, X[rows], y[rows])
            if i == self.n_estimators:
                break
            left = np.concatenate(list(pools.values()))
            found = learner.predict_proba(X[left])
            confidence[left] += found[np.arange(len(left)), y[left]]
            for c, pool in pools.items():
                keep = full[c] * (size / full[c]) ** (i / (self.n_estimators - 1))
                pool = rng.permutation(pool)  # so that ties are broken at random
                order = np.argsort(confidence[pool], kind="stable")
                pools[c] = pool[order[: max(round(keep), size)]]
        return self


# --------------------------------------------------------------------------- SMOTE inside


def _smote_rows(owner, rng, X, y, wanted):
    """As many new rows of each class as wanted, (sum, d), and their classes."""
    counts = np.bincount(y)
    wanted = {c: n for c, n in enumerate(wanted) if n > 0}
    for c in wanted:
        if counts[c] <= owner.k_neighbors:
            raise ValueError(
                f"{type(owner).__name__}: class '{owner.classes_[c]}' has {counts[c]} rows, "
                f"SMOTE needs more than {owner.k_neighbors} neighbours"
            )
    if not wanted:
        return X[:0], y[:0]
    settings = {
        "sampling_strategy": {c: counts[c] + n for c, n in wanted.items()},
        "k_neighbors": owner.k_neighbors,
        "random_state": rng.randint(2**31 - 1),
    }
    nominal = np.zeros(X.shape[1], bool) if owner.categorical is None else owner.categorical
    if np.all(nominal):
        sampler = SMOTEN(**settings)
    elif np.any(nominal):
        sampler = SMOTENC(np.flatnonzero(nominal).tolist(), **settings)
    else:
        sampler = SMOTE(**settings)
    grown, classes = sampler.fit_resample(X, y)
    return grown[len(y) :], classes[len(y) :]


class SMOTEBagging(_Ensemble):
    """Bags in which every class is as large as the largest, with a varying share of SMOTE rows.

    In each bag the largest class is a bootstrap of itself. Of every other class a share b of the
    rows are copies drawn with replacement and the rest SMOTE rows. b goes through ``shares`` from
    bag to bag and starts again.

    Parameters
    ----------
    estimator : classifier with ``predict_proba``, optional
        Default: a decision tree.
    n_estimators : int
    shares : sequence of float in [0, 1]
        Shares of copies. ``(1.0,)`` is OverBagging: a bootstrap of equal size from each class.
    k_neighbors : int
    categorical : ndarray of bool, (d,), optional
        Columns that hold codes of nominal values: SMOTENC, or SMOTEN where all are.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (C,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.

    Raises
    ------
    ValueError
        A class that needs SMOTE rows has no more than ``k_neighbors`` rows.

    References
    ----------
    Wang, Yao, Diversity analysis on imbalanced data sets by using ensemble models, CIDM 2009.
    They vote; here the probabilities are averaged.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = SMOTEBagging(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (500, 2)
    """

    def __init__(
        self,
        estimator=None,
        n_estimators=20,
        shares=tuple(SHARES),
        k_neighbors=5,
        categorical=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.shares = shares
        self.k_neighbors = k_neighbors
        self.categorical = categorical
        self.random_state = random_state

    def fit(self, X, y):
        """Fit on X (N, d) and y (N,)."""
        X, y, rng = self._start(X, y)
        counts = np.bincount(y)
        largest, size = counts.argmax(), counts.max()
        for i in range(self.n_estimators):
            share = self.shares[i % len(self.shares)]
            copies = np.full(len(counts), round(share * size))
            copies[largest] = size
            X_new, y_new = _smote_rows(self, rng, X, y, size - copies)
            rows = [rng.choice(np.flatnonzero(y == c), n) for c, n in enumerate(copies)]
            rows = np.concatenate(rows)
            self._grow(rng, np.concatenate([X[rows], X_new]), np.concatenate([y[rows], y_new]))
        return self


class SMOTEBoost(_Ensemble):
    """AdaBoost.M2 whose learners are fitted with new SMOTE rows in every round.

    The SMOTE rows bring every class to the size of the largest. Each weighs as much as a row
    does on average; they are dropped before the weights of the real rows are updated.

    Parameters
    ----------
    estimator : classifier with ``predict_proba`` and ``sample_weight``, optional
        Default: a decision tree of depth 3.
    n_estimators : int
        Rounds; fewer where a learner is perfect, or no better than chance.
    k_neighbors : int
    categorical : ndarray of bool, (d,), optional
        Columns that hold codes of nominal values: SMOTENC, or SMOTEN where all are.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (C,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.
    estimator_weights_ : ndarray
        log((1 - e) / e) for the pseudo-loss e of each round.

    Raises
    ------
    ValueError
        The first learner is no better than chance, or a class that needs SMOTE rows has no more
        than ``k_neighbors``.

    References
    ----------
    Chawla et al., SMOTEBoost: Improving prediction of the minority class in boosting, PKDD 2003;
    Freund, Schapire, Experiments with a new boosting algorithm, ICML 1996. Their amounts of SMOTE
    rows were tried by hand. A row's weight for the learner is the sum of its weights over the
    wrong labels.

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = SMOTEBoost(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (500, 2)
    """

    def __init__(
        self, estimator=None, n_estimators=20, k_neighbors=5, categorical=None, random_state=None
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.k_neighbors = k_neighbors
        self.categorical = categorical
        self.random_state = random_state

    def fit(self, X, y):
        """Fit on X (N, d) and y (N,)."""
        X, y, rng = self._start(X, y, weighted=True)
        counts = np.bincount(y)
        wrong = np.arange(len(counts)) != y[:, None]
        weights = wrong / wrong.sum()  # of a row and a label it does not have
        votes = []
        for _ in range(self.n_estimators):
            X_new, y_new = _smote_rows(self, rng, X, y, counts.max() - counts)
            learner = self._grow(
                rng,
                np.concatenate([X, X_new]),
                np.concatenate([y, y_new]),
                np.concatenate([weights.sum(axis=1) * len(y), np.ones(len(y_new))]),
            )
            found = learner.predict_proba(X)
            margin = found[~wrong][:, None] - found
            error = (weights * (1 - margin)).sum() / 2
            if error >= 0.5:
                self.estimators_.pop()
                break
            error = max(error, SMALLEST_ERROR)
            votes.append(np.log((1 - error) / error))
            if error == SMALLEST_ERROR:
                break
            weights = weights * (error / (1 - error)) ** ((1 + margin) / 2)
            weights /= weights.sum()
        _need_learners(self)
        self.estimator_weights_ = np.array(votes)
        return self

    def predict_proba(self, X):
        """Mean of the learners' probabilities by their weights, (N, C)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        found = [learner.predict_proba(X) for learner in self.estimators_]
        return np.average(found, axis=0, weights=self.estimator_weights_)


def _need_learners(ensemble):
    if not ensemble.estimators_:
        raise ValueError(f"{type(ensemble).__name__}: the first learner is no better than chance")


# --------------------------------------------------------------------------- costs


class AdaCost(_Ensemble):
    """AdaBoost whose weights grow more for costly errors and fall less for costly successes.

    D <- D exp(-alpha m b) for the margin m = y h of a row with cost c, where b = (1 - c) / 2 when
    it is right and (1 + c) / 2 when it is wrong; alpha = log((1 + r) / (1 - r)) / 2 for
    r = sum D m b. It ends when r <= 0. Two classes.

    Parameters
    ----------
    estimator : classifier with ``predict_proba`` and ``sample_weight``, optional
        Default: a decision tree of depth 3.
    n_estimators : int
        Rounds at most.
    cost : pair of float, optional
        Cost of an error on each class, in sorted order. Default: in inverse proportion to the
        size of the class.
    random_state : int, RandomState or None

    Attributes
    ----------
    classes_ : ndarray, (2,)
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.
    estimator_weights_ : ndarray
        The alphas.

    Raises
    ------
    ValueError
        More than two classes, or the first learner is no better than chance at these costs.

    References
    ----------
    Fan et al., AdaCost: misclassification cost-sensitive boosting, ICML 1999. The weights start in
    proportion to the costs, and h = 2 p - 1 for the probability p of the second class. They leave
    open how costs get into [0, 1]: here both add up to 1, because a class of cost 1 earns nothing
    for being right, and with two such classes nothing could be learnt. The score f = sum alpha h
    becomes a probability as in AdaBoost, 1 / (1 + exp(-2 f)).

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> X, y = make_classification(500, weights=[0.9], random_state=0)
    >>> model = AdaCost(n_estimators=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X).shape
    (500, 2)
    """

    def __init__(self, estimator=None, n_estimators=20, cost=None, random_state=None):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.cost = cost
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X, y):
        """Fit on X (N, d) and y (N,)."""
        X, y, rng = self._start(X, y, weighted=True)
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(y)}."
            )
        cost = 1 / np.bincount(y) if self.cost is None else np.asarray(self.cost, dtype=float)
        if cost.shape != (2,) or not (np.isfinite(cost) & (cost > 0)).all():
            raise ValueError(f"cost is two positive numbers, not {self.cost!r}")
        cost = (cost / cost.sum())[y]
        sign = 2 * y - 1
        weights = cost / cost.sum()
        votes = []
        for _ in range(self.n_estimators):
            learner = self._grow(rng, X, y, weights * len(y))
            margin = sign * (2 * learner.predict_proba(X)[:, 1] - 1)
            adjusted = margin * np.where(margin > 0, 0.5 - 0.5 * cost, 0.5 + 0.5 * cost)
            r = weights @ adjusted
            if r <= 0:
                self.estimators_.pop()
                break
            votes.append(np.log((1 + r) / (1 - r)) / 2)
            weights = weights * np.exp(-votes[-1] * adjusted)
            weights /= weights.sum()
        _need_learners(self)
        self.estimator_weights_ = np.array(votes)
        return self

    def predict_proba(self, X):
        """Probabilities, (N, 2)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        found = [2 * learner.predict_proba(X)[:, 1] - 1 for learner in self.estimators_]
        p = expit(2 * (self.estimator_weights_ @ found))
        return np.column_stack([1 - p, p])


# --------------------------------------------------------------------------- strategies


def _check_sizes(**parameters):
    for name, value in parameters.items():
        _check_whole(name, value)


@strategy(check=_check_sizes)
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
    return model.fit(cell.X, cell.y)


@strategy(check=_check_sizes)
def over_bagging(cell, n_estimators=20):
    """From each class a bootstrap of the largest one's size, for each learner.

    imbalanced-learn's over-sampler keeps all rows of a class and adds copies, which is not a
    bootstrap: this is :class:`SMOTEBagging` with copies alone.

    References
    ----------
    Wang, Yao 2009.
    """
    model = SMOTEBagging(cell.make(), n_estimators, shares=(1.0,), random_state=cell.seed)
    return model.fit(cell.X, cell.y)


def _need_neighbours(cell, k_neighbors):
    least = cell.class_counts.min()
    cell.need(
        least > k_neighbors,
        f"a class has {least} training rows, SMOTE needs more than {k_neighbors} neighbours",
    )


@strategy(check=_check_sizes)
def smote_bagging(cell, n_estimators=20, k_neighbors=5):
    """Bags of equal classes with a varying share of SMOTE rows; see :class:`SMOTEBagging`."""
    _need_neighbours(cell, k_neighbors)
    model = SMOTEBagging(
        cell.make(),
        n_estimators,
        k_neighbors=k_neighbors,
        categorical=cell.categorical,
        random_state=cell.seed,
    )
    return model.fit(cell.X, cell.y)


@strategy(check=_check_sizes)
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
    return cell.coded(model).fit(cell.X, cell.y)


@strategy(check=_check_sizes)
def easy_ensemble(cell, bags=4, rounds=5, max_depth=3):
    """AdaBoost on each of several balanced subsets: ``bags`` x ``rounds`` trees in all.

    References
    ----------
    Liu, Wu, Zhou 2009. imbalanced-learn averages the bags' probabilities, there their scores are
    added up.
    """
    boosted = AdaBoostClassifier(cell.make(max_depth=max_depth), n_estimators=rounds)
    model = EasyEnsembleClassifier(bags, boosted, random_state=cell.seed)
    return model.fit(cell.X, cell.y)


@strategy(check=_check_sizes)
def rus_boost(cell, n_estimators=20, max_depth=3):
    """AdaBoost with random under-sampling to equal classes in each round.

    It fails where the first learner, fitted on few rows, is worse than chance on all of them.

    References
    ----------
    Seiffert et al., RUSBoost: A hybrid approach to alleviating class imbalance, IEEE SMC-A 40,
    2010. imbalanced-learn boosts with SAMME in place of AdaBoost.M2.
    """
    base = cell.make(max_depth=max_depth)
    model = RUSBoostClassifier(base, n_estimators=n_estimators, random_state=cell.seed)
    return model.fit(cell.X, cell.y)


@strategy(check=_check_sizes)
def smote_boost(cell, n_estimators=20, max_depth=3, k_neighbors=5):
    """AdaBoost with SMOTE rows in each round; see :class:`SMOTEBoost`."""
    _need_neighbours(cell, k_neighbors)
    model = SMOTEBoost(
        cell.make(max_depth=max_depth),
        n_estimators,
        k_neighbors=k_neighbors,
        categorical=cell.categorical,
        random_state=cell.seed,
    )
    return model.fit(cell.X, cell.y)


@strategy(check=_check_sizes)
def ada_cost(cell, n_estimators=20, max_depth=3):
    """AdaBoost with inverse frequencies as costs; see :class:`AdaCost`."""
    cell.need(len(cell.classes) == 2, "AdaCost is defined for two classes")
    model = AdaCost(cell.make(max_depth=max_depth), n_estimators, random_state=cell.seed)
    return model.fit(cell.X, cell.y)


@strategy(check=_check_sizes)
def self_paced(cell, n_estimators=20, bins=5):
    """Under-sampling by hardness; see :class:`SelfPacedEnsemble`."""
    model = SelfPacedEnsemble(cell.make(), n_estimators, bins, random_state=cell.seed)
    return model.fit(cell.X, cell.y)


@strategy(check=_check_sizes)
def balance_cascade(cell, n_estimators=20):
    """Under-sampling from shrinking pools; see :class:`BalanceCascade`."""
    model = BalanceCascade(cell.make(), n_estimators, random_state=cell.seed)
    return model.fit(cell.X, cell.y)
