"""Family ensemble: many learners, each on a training set of its own.

Every entry has 20 learners and is compared with a plain ensemble of 20; only MESA fits many more
on the way to its 20. The classes follow scikit-learn and take any learner; imbalanced-learn's are
used where it has the method as published.
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
from sklearn.metrics import average_precision_score
from sklearn.tree import BaseDecisionTree, DecisionTreeClassifier
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


def _quotas(sizes, weights, total, rng):
    """Whole numbers of rows per bin, in proportion to weights and none above a bin's size.

    What a bin cannot give is handed on to the others, in proportion to theirs. Which bins are
    rounded up is drawn, so that few rows of many bins do not always come from the same ones.
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
    ends = np.cumsum(quotas)
    ends[-1] = total  # the sum of floats may fall short of it
    return np.diff(np.floor(ends + rng.random_sample()).astype(int), prepend=0)


def _self_paced_draw(hardness, size, angle, bins, rng):
    """Positions of ``size`` rows, drawn from bins of equal width by the mean hardness of each."""
    low, high = hardness.min(), hardness.max()
    if high - low < 1e-9:
        return rng.choice(len(hardness), size)
    bin_of = np.minimum(((hardness - low) * (bins / (high - low))).astype(int), bins - 1)
    sizes = np.bincount(bin_of, minlength=bins)
    mean = np.bincount(bin_of, hardness, minlength=bins) / np.maximum(sizes, 1)
    # 1 / (mean + tan(angle)) but for a factor, and finite where the tangent is not.
    weights = 1 / (mean * np.cos(angle) + np.sin(angle))
    quotas = _quotas(sizes, weights, size, rng)
    members = [np.flatnonzero(bin_of == b) for b in range(bins)]
    return np.concatenate([rng.choice(m, n) for m, n in zip(members, quotas, strict=True) if n])


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
    Binary there; with several classes each is drawn down to the smallest. Rows are drawn with
    replacement, as in the authors' library: the trees differ more. A bin gives no more than it
    has rows and hands the rest on to the others. The first, random learner stays in the mean.

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
                    drawn = rng.choice(len(part), size)
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
    are dropped, so that the share (n_min / n_c)^(1 / (T - 1)) of it stays and n_min rows are left
    for the last learner.

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
    rank gives the same share, and equally sure rows are dropped at random. Rows are drawn from a
    pool with replacement, as in the library imbalanced-ensemble (whose pools shrink to the power
    1 / T, not 1 / (T - 1) as published and here). The learners'
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
            drawn = [rng.choice(pool, size) for pool in pools.values()]
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


# --------------------------------------------------------------------------- learnt sampling


class MESA(_Ensemble):
    """Ensemble whose under-sampling is learnt by reinforcement (meta-sampler).

    Every learner sees all minority rows and as many majority rows. Which ones, a policy decides:
    it looks at how the errors of the ensemble so far are distributed over the majority rows and
    names the error ``mu`` to concentrate on; rows are drawn without replacement with weights
    N(error; mu, sigma). The policy is trained by soft actor-critic on ensembles that are grown and
    thrown away, the reward being what a learner adds to the average precision of the validation
    part. Then the ensemble that is kept is grown with the trained policy.

    Parameters
    ----------
    estimator : classifier, optional
        Base learner with ``predict_proba``; default an unpruned decision tree.
    n_estimators : int
        Learners of the ensemble, and of the ensembles the policy is trained on. 10 in the paper.
        The first is fitted to a random sample; with one there is nothing to learn.
    bins : int
        Of the error histograms that the policy sees.
    sigma : float
        Width of the Gaussian sampling weights, in units of the error, which is in [0, 1].
    hidden : int
        Units of the hidden layers of policy (one layer) and critics (two).
    learning_rate : float
        Of Adam, for policy and critics.
    gamma : float
        Discount of later rewards.
    tau : float
        Step of the target critics towards the critics.
    alpha : float
        Weight of the policy's entropy beside rewards of 100 x average precision.
    random_steps, update_steps : int
        Learners fitted in meta-training with ``mu`` uniform in [0, 1], and after that with ``mu``
        from the policy, which is updated once for each.
    random_state : int, RandomState or None

    Attributes
    ----------
    estimators_ : list
        Fitted on the classes' positions in ``classes_``.
    actions_ : list of float
        The ``mu`` of each but the first of them.
    history_ : list of float
        Validation average precision of every full ensemble grown in meta-training.
    classes_ : ndarray, (2,)
    minority_ : int
        Position in ``classes_`` of the rarer class, the second one in case of a tie.

    Notes
    -----
    Where the paper and the authors' code (commit 5447ce9) differ, this follows the code: the state
    counts majority rows only, in bins between their smallest and largest error (paper: all rows,
    bins of [0, 1]); the reward is multiplied by 100; actions of the final ensemble are sampled
    from the policy, not its mean. Departures from the code:

    - The code multiplies the bootstrapped value by ``done``, so that *only* last steps look beyond
      themselves. Here, as in soft actor-critic, all steps but the last do.
    - The code's step-wise learning rate, meant for the policy, shrinks that of the critics. Here
      the rates are constant.
    - The code's gradients go through weights that were changed in the meantime, an error in
      today's torch. Here one step is made on the losses of both critics, which share no weight,
      and the policy's loss is computed with the new ones.
    - The code fills the replay memory with made-up transitions that praise mu = 0.9, 0.5 and 0.1
      in three made-up states. Here it holds only what happened.
    - Meta-training ends after exactly the given number of steps, not with the next full ensemble.

    References
    ----------
    Liu et al., MESA: Boost ensemble imbalanced learning with meta-sampler, NeurIPS 2020;
    Haarnoja et al., Soft actor-critic, ICML 2018.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat([0, 1], [180, 20])
    >>> X = rng.normal(y[:, None], 1.0, (200, 2))
    >>> model = MESA(n_estimators=5, random_steps=8, update_steps=8, random_state=0).fit(X, y)
    >>> len(model.estimators_), len(model.actions_)
    (5, 4)
    """

    def __init__(
        self,
        estimator=None,
        n_estimators=20,
        bins=5,
        sigma=0.2,
        hidden=50,
        learning_rate=1e-3,
        gamma=0.99,
        tau=0.01,
        alpha=0.1,
        random_steps=500,
        update_steps=1000,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.bins = bins
        self.sigma = sigma
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.gamma = gamma
        self.tau = tau
        self.alpha = alpha
        self.random_steps = random_steps
        self.update_steps = update_steps
        self.random_state = random_state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X, y, X_val=None, y_val=None):
        """Train the policy, then grow the ensemble with it.

        Parameters
        ----------
        X : ndarray, (N, d)
        y : ndarray, (N,)
            Two classes.
        X_val, y_val : optional
            Validation part: its errors are half of the policy's state, its average precision the
            reward. It is fitted by no learner. Without it, a fifth of each class, at least one
            row, is set aside at random.

        Raises
        ------
        ValueError
            Not two classes in y or y_val, too few rows to set some aside, a base learner without
            ``predict_proba``, or parameters out of range.
        """
        for name in ("bins", "random_steps", "update_steps"):
            _check_whole(name, getattr(self, name))
        if not self.sigma > 0:
            raise ValueError(f"sigma must be positive, not {self.sigma!r}")
        if (X_val is None) != (y_val is None):
            raise ValueError("give both X_val and y_val, or neither")
        X, y, rng = self._start(X, y)
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(y)}."
            )
        counts = np.bincount(y)
        self.minority_ = int(counts[1] <= counts[0])
        if X_val is None:
            if counts.min() < 2:
                raise ValueError(
                    "MESA sets a validation part aside and needs two rows of each class for it, "
                    "or X_val and y_val"
                )
            aside = _fifth_of_each_class(y, rng)
            X, y, X_val, y_val = X[~aside], y[~aside], X[aside], y[aside]
        else:
            X_val, y_val = validate_data(self, X_val, y_val, reset=False)
            if set(y_val) != set(self.classes_):
                raise ValueError("X_val and y_val must have rows of the two classes of y")
            y_val = np.searchsorted(self.classes_, y_val)

        ensemble = _GrowingEnsemble(self, X, y, X_val, y_val, rng)
        agent = _SoftActorCritic(
            2 * self.bins,
            self.hidden,
            self.learning_rate,
            self.gamma,
            self.tau,
            self.alpha,
            seed=rng.randint(2**31 - 1),
        )
        self.history_, self.actions_ = [], []
        if self.n_estimators > 1:
            self._meta_train(ensemble, agent, rng)
        state = ensemble.restart()
        for _ in range(self.n_estimators - 1):
            self.actions_.append(agent.act(state))
            state, _, _ = ensemble.step(self.actions_[-1])
        return self

    def _meta_train(self, ensemble, agent, rng):
        state = ensemble.restart()
        for step in range(self.random_steps + self.update_steps):
            exploring = step < self.random_steps
            action = rng.uniform() if exploring else agent.act(state)
            following, reward, done = ensemble.step(action)
            agent.remember(state, action, reward, done, following)
            if not exploring:
                agent.learn()
            state = following
            if done:
                self.history_.append(ensemble.score)
                state = ensemble.restart()


def _fifth_of_each_class(y, rng):
    """Mask of a random fifth of each class, at least one row."""
    mask = np.zeros(len(y), dtype=bool)
    for c in range(2):
        rows = np.flatnonzero(y == c)
        mask[rng.choice(rows, max(1, round(len(rows) / 5)), replace=False)] = True
    return mask


def _error_histogram(errors, bins):
    """Share of the errors in each of ``bins`` bins from the smallest to the largest, times bins."""
    # Sums in another order differ in the last bits: without rounding, equal errors might be torn
    # apart, or span a range too narrow to be cut.
    counts, _ = np.histogram(np.round(errors, 10), bins=bins)
    return counts / counts.sum() * bins


def _log_weights(errors, mu, sigma):
    """Log-density of N(mu, sigma) at the errors, but for a constant."""
    return -0.5 * ((errors - mu) / sigma) ** 2


def _draw(log_weights, size, rng):
    """Draw ``size`` rows one after the other, without replacement, by their weights.

    The largest sums of log-weight and Gumbel noise have just this distribution, and no weight is
    too small for it.
    """
    keys = log_weights + rng.gumbel(size=len(log_weights))
    return np.argpartition(-keys, size - 1)[:size]


class _GrowingEnsemble:
    """What the meta-sampler acts on: an ensemble that gains a learner with every step.

    Parameters
    ----------
    model : MESA
        Its ``estimators_`` are what grows.
    X, X_val : ndarray, (N, d)
    y, y_val : ndarray of int, (N,)
        Positions in ``classes_``.
    rng : numpy.random.RandomState

    Attributes
    ----------
    score : float
        Average precision on the validation part.
    """

    def __init__(self, model, X, y, X_val, y_val, rng):
        rare = y == model.minority_
        self.model, self.rng, self.rare_val = model, rng, y_val == model.minority_
        self.majority, self.minority = X[~rare], X[rare]
        self.labels = np.repeat([1 - model.minority_, model.minority_], len(self.minority))
        # All rows whose predictions matter, so that each learner predicts once.
        self.watched = np.vstack([self.majority, X_val])

    def restart(self):
        """Begin anew with one learner on a random sample; returns the state."""
        self.model.estimators_, self.total = [], np.zeros(len(self.watched))
        self._add(np.zeros(len(self.majority)))
        return self.state()

    def step(self, mu):
        """Add a learner fitted to majority rows with errors near ``mu``.

        Returns
        -------
        state : ndarray, (2 bins,)
        reward : float
            Gain in average precision, in percentage points.
        done : bool
            The ensemble is full.
        """
        before = self.score
        self._add(_log_weights(self.errors()[0], mu, self.model.sigma))
        done = len(self.model.estimators_) == self.model.n_estimators
        return self.state(), 100 * (self.score - before), done

    def _add(self, log_weights):
        drawn = self.majority[_draw(log_weights, len(self.minority), self.rng)]
        learner = self.model._grow(self.rng, np.vstack([drawn, self.minority]), self.labels)
        self.total += learner.predict_proba(self.watched)[:, self.model.minority_]
        self.score = average_precision_score(self.rare_val, self.total[len(self.majority) :])

    def errors(self):
        """Errors of the majority rows of training and validation part."""
        p = self.total / len(self.model.estimators_)
        cut = len(self.majority)
        return p[:cut], p[cut:][~self.rare_val]

    def state(self):
        """Error histograms of training and validation part, (2 bins,)."""
        return np.concatenate([_error_histogram(e, self.model.bins) for e in self.errors()])


class _SoftActorCritic:
    """Soft actor-critic for one action in [0, 1], as small as the authors' networks.

    Parameters
    ----------
    width : int
        Length of the state.
    hidden, learning_rate, gamma, tau, alpha :
        See :class:`MESA`.
    seed : int
        Of a generator of its own.
    """

    CAPACITY = 1000  # of the replay memory, in transitions; this and the next as the authors'
    BATCH = 64

    def __init__(self, width, hidden, learning_rate, gamma, tau, alpha, seed):
        import torch

        self.gamma, self.tau, self.alpha, self.width = gamma, tau, alpha, width
        self.generator = torch.Generator().manual_seed(seed)

        def layer(*shape):
            bound = np.sqrt(6 / (shape[-2] + shape[-1]))
            weight = torch.empty(shape, dtype=torch.float32)
            weight.uniform_(-bound, bound, generator=self.generator)
            bias = torch.zeros(*shape[:-2], 1, shape[-1], dtype=torch.float32)
            return [weight.requires_grad_(), bias.requires_grad_()]

        self.policy = layer(width, hidden) + layer(hidden, 2)
        # Two critics side by side: the leading dimension.
        self.critics = layer(2, width + 1, hidden) + layer(2, hidden, hidden) + layer(2, hidden, 1)
        self.targets = [p.detach().clone() for p in self.critics]
        self.policy_optimiser = torch.optim.Adam(self.policy, learning_rate)
        self.critic_optimiser = torch.optim.Adam(self.critics, learning_rate)
        self.memory = torch.zeros(self.CAPACITY, 2 * width + 3, dtype=torch.float32)
        self.seen = 0

    def act(self, state):
        """Draw an action; float in [0, 1]."""
        import torch

        with torch.no_grad():
            return float(self.sample(torch.tensor(state, dtype=torch.float32)[None])[0][0])

    def remember(self, state, action, reward, done, following):
        """Store a transition in place of the oldest one."""
        import torch

        row = np.concatenate([state, [action, reward, done], following])
        self.memory[self.seen % self.CAPACITY] = torch.from_numpy(row)
        self.seen += 1

    def sample(self, states):
        """Actions (n, 1) and their log-densities (n, 1), differentiable in the policy."""
        import torch
        from torch.nn.functional import logsigmoid

        mean, log_std = _network(states, self.policy).split(1, dim=-1)
        log_std = log_std.clamp(-20, 2)
        noise = torch.randn(mean.shape, generator=self.generator, dtype=mean.dtype)
        twice = 2 * (mean + log_std.exp() * noise)
        # The action is tanh moved to [0, 1], which is a sigmoid; its slope is 2 s (1 - s).
        slope = np.log(2) + logsigmoid(twice) + logsigmoid(-twice)
        density = -0.5 * noise**2 - log_std - 0.5 * np.log(2 * np.pi) - slope
        return twice.sigmoid(), density

    def value(self, states, actions, critics):
        """Values by each critic, (2, n, 1)."""
        import torch

        return _network(torch.cat([states, actions], dim=1), critics)

    def goal(self, rewards, done, following):
        """What the critics are fitted to, (n, 1): the reward and, unless done, what follows."""
        import torch

        with torch.no_grad():
            actions, density = self.sample(following)
            bound = self.value(following, actions, self.targets).amin(dim=0)
            return rewards + (1 - done) * self.gamma * (bound - self.alpha * density)

    def learn(self):
        """One step of both critics, then one of the policy, then one of the target critics."""
        import torch

        kept = min(self.seen, self.CAPACITY)
        rows = torch.randperm(kept, generator=self.generator)[: self.BATCH]
        states, actions, rewards, done, following = self.memory[rows].split(
            [self.width, 1, 1, 1, self.width], dim=1
        )
        goal = self.goal(rewards, done, following)
        errors = self.value(states, actions, self.critics) - goal
        _descend(self.critic_optimiser, (errors**2).mean(dim=1).sum())

        chosen, density = self.sample(states)
        worth = self.value(states, chosen, self.critics).amin(dim=0)
        _descend(self.policy_optimiser, (self.alpha * density - worth).mean())
        with torch.no_grad():
            for target, critic in zip(self.targets, self.critics, strict=True):
                target.lerp_(critic, self.tau)


def _network(x, layers):
    """Multi-layer perceptron with ReLU; ``layers`` is weight, bias, weight, bias, …"""
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        x = (x @ weight + bias).relu()
    return x @ layers[-2] + layers[-1]


def _descend(optimiser, loss):
    """One step on the loss that leaves the gradients of all other parameters alone."""
    import torch

    parameters = optimiser.param_groups[0]["params"]
    gradients = torch.autograd.grad(loss, parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimiser.step()


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


@strategy(check=_check_sizes)
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
