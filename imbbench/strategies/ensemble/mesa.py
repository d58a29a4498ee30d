"""MESA: an ensemble whose under-sampling is learnt by reinforcement."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.metrics import average_precision_score
from sklearn.utils.validation import validate_data

from imbbench.bench.counts import draw_rows
from imbbench.bench.values import check_sizes
from imbbench.strategies.ensemble.base import Ensemble


@dataclass(eq=False, repr=False)
class MESA(Ensemble):
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

    multi_class = False

    estimator: BaseEstimator | None = None
    n_estimators: int = 20
    bins: int = 5
    sigma: float = 0.2
    learning_rate: float = 1e-3
    gamma: float = 0.99
    tau: float = 0.01
    alpha: float = 0.1
    random_steps: int = 500
    update_steps: int = 1000
    random_state: int | np.random.RandomState | None = None

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
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
        from imbbench.strategies.ensemble.soft_actor_critic import SoftActorCritic

        check_sizes(bins=self.bins, random_steps=self.random_steps, update_steps=self.update_steps)
        if not self.sigma > 0:
            raise ValueError(f"sigma must be positive, not {self.sigma!r}")
        if (X_val is None) != (y_val is None):
            raise ValueError("give both X_val and y_val, or neither")
        X, y, rng = self._start(X, y)
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
        agent = SoftActorCritic(self, seed=rng.randint(2**31 - 1))
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
    mask[draw_rows(y, [max(1, round(n / 5)) for n in np.bincount(y)], rng)] = True
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
