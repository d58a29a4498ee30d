"""The cell: what a strategy gets."""

import copy
import functools
import json
import time
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from sklearn.pipeline import make_pipeline

from imbbench.bench import protocol
from imbbench.bench.code import code_hash
from imbbench.bench.encoder import embed
from imbbench.bench.features import features, features_of_new
from imbbench.bench.learners import library_version, one_hot
from imbbench.bench.models import load_model, save_model
from imbbench.bench.neural import steps_for
from imbbench.bench.prepared import content_of, data_of, folder_of
from imbbench.bench.registry import NotApplicable, learner_class, resolve
from imbbench.config import unknown_name
from imbbench.errors import StudyError
from imbbench.paths import cache_file


class Cell:
    """What a strategy gets: the training and validation part, and a learner to fit.

    The test fold is not in it. Its arrays are read-only: a library that writes into what it gets
    needs a copy.

    Attributes
    ----------
    X : ndarray or sparse matrix, (N, d)
        Features of the training part, preprocessed.
    y : ndarray of int, (N,)
        Class indices, 0 the largest class of the data set, C - 1 the smallest.
    X_val, y_val : the same of the validation part, natural class shares
    groups : ndarray of int, (N,)
        Equal for rows of the training part that stay on one side of a cut.
    categorical : ndarray of bool, (d,)
        Columns of ``X`` that hold codes of nominal values.
    classes : list of str
    class_counts : ndarray of int, (C,)
        Of the training part.
    seed : int
        From protocol seed, data set, split and strategy.
    common_seed : int
        The same for all strategies: for two that must draw the same sample.
    learner : str
    learner_class : type
    neural : bool
    steps : int
        Optimiser steps of a neural learner, the same for every strategy.
    vectors : bool
        Rows of ``X`` can be added and averaged; token numbers cannot.
    encoder : str
        The study's text encoder.
    """

    def __init__(self, study, task, reuse=True, *, split=None, seed=None, settings=None):
        self._given = split is not None
        split = split or split_of(study, task.dataset, task.learner, task.split)
        self.X, self.y, self.X_val, self.y_val, self.categorical = map(view_of, split.seen)
        self.groups = np.arange(len(self.y)) if split.groups is None else view_of(split.groups)
        self.classes = list(split.classes)
        self.class_counts = frozen(np.bincount(self.y, minlength=len(self.classes)))
        if not self.class_counts.all():
            lost = self.classes[int(np.argmin(self.class_counts))]
            raise StudyError(f"class '{lost}' has no row in the training part of this split")
        self.learner = task.learner
        self.learner_class = learner_class(study, task.learner)
        self.neural = self.learner_class.neural
        self.vectors = "tokens" not in self.learner_class.features.values()
        self.encoder = study.protocol.encoder
        names = study.protocol.seed, task.dataset, task.split
        self.seed = protocol.seed_for(*names, task.strategy) if seed is None else seed
        self.common_seed = protocol.seed_for(*names) if seed is None else seed
        self._study, self._task, self._reuse = study, task, reuse
        self._settings = copy.deepcopy(study.learner(task.learner)) | (settings or {})
        self.borrowed_seconds = 0.0
        self.rows_seen = 0 if self.neural else float("nan")
        if self.neural:
            # The same for every strategy, whatever it does to the rows.
            learner = self.learner_class(**self._settings)
            wanted = learner.epochs, learner.steps, learner.batch_size
            self.steps = steps_for(len(self.y), *wanted)

    @classmethod
    def from_arrays(
        cls,
        study,
        learner,
        X,
        y,
        X_val=None,
        y_val=None,
        *,
        classes,
        categorical=None,
        seed=0,
        settings=None,
    ):
        """A cell of arrays, without a data set behind it.

        Parameters
        ----------
        study : imbbench.config.Study
        learner : str
        X, y, X_val, y_val, classes, categorical, seed
            Attributes of the cell; ``seed`` is the common one, too.
        settings : dict, optional
            Of the learner, over those of the study.
        """
        if categorical is None:
            categorical = np.zeros(X.shape[1], dtype=bool)
        seen = tuple(map(frozen, (X, y, X_val, y_val, categorical)))
        split = Split(seen, None, None, classes)
        return cls(study, Task("", "", learner, "", 0), split=split, seed=seed, settings=settings)

    def need(self, condition, reason):
        """Record the cell as not applicable, with ``reason``, unless ``condition`` holds."""
        if not condition:
            raise NotApplicable(reason)

    @functools.cached_property
    def space(self):
        """Training rows in a space where distances mean something, (N, d).

        The features with nominal columns spread out; of tokens, the sentence embeddings.
        """
        if self.categorical.any():
            return one_hot(self.categorical).fit_transform(self.X)
        if self.vectors:
            return self.X
        prepared, train = self._source()
        return embed(prepared.X, self.encoder)[train]

    @property
    def texts(self):
        """Texts of the training part, list of str (N,); other modalities are not applicable."""
        prepared, train = self._source()
        self.need(prepared.schema["modality"] == "text", "the data are not texts")
        return [prepared.X[i] for i in train]

    def vectorize(self, texts):
        """Features of new texts, (len(texts), d), made as those of ``X`` were."""
        prepared, train = self._source()
        kind = self.learner_class.features["text"]
        return features_of_new(kind, prepared.X, texts, train, self.encoder)

    def _source(self):
        """The data set and its rows in the training part."""
        self.need(not self._given, "the cell was made from arrays, there is no data set")
        prepared, cuts = data_of(self._task.dataset, self._study.protocol)
        return prepared, cuts[self._task.split][0]

    def make(self, seed=None, **settings):
        """An unfitted learner with the study's settings for it."""
        common = {"random_state": self.seed if seed is None else seed}
        common["categorical"] = self.categorical if self.categorical.any() else None
        if not self.vectors:
            common["encoder"] = self.encoder
        if self.neural:
            common |= {"epochs": 0, "steps": self.steps}
        return self.learner_class(**{**self._settings, **common, **settings})

    def coded(self, estimator):
        """``estimator`` behind a one-hot coding of the nominal columns, where there are any."""
        if not self.categorical.any():
            return estimator
        return make_pipeline(one_hot(self.categorical), estimator)

    def fit(
        self,
        X=None,
        y=None,
        *,
        sample_weight=None,
        class_weight=None,
        seed=None,
        prior=None,
        **settings,
    ):
        """Fit the learner.

        Parameters
        ----------
        X, y : optional
            In place of the training part, e.g. resampled.
        sample_weight : ndarray, (N,), optional
        class_weight : ndarray, (C,), optional
            Neural learners get the weighted cross-entropy, others a weight per row.
        seed : int, optional
            Default: the cell's.
        prior : ndarray, (C,), optional
            Class shares that the probabilities will follow, where a loss or sampler of its own
            decides that and it is known.
        **settings
            Further parameters of the learner, e.g. ``loss``, ``bias``, ``draw``.

        Returns
        -------
        A fitted learner with ``predict_proba``. Its ``prior_`` (C,) are the class shares that its
        probabilities follow, None where that is not known.

        Raises
        ------
        ValueError
            If a nominal column holds a code that names no category of the training part.
        """
        if X is None:
            X = self.X
        elif self.categorical.any():
            self._check_codes(X)
        y = self.y if y is None else y
        if prior is None and not {"loss", "draw", "stepper"} & set(settings):
            mass = np.bincount(y, sample_weight, minlength=len(self.classes))
            mass = mass if class_weight is None else mass * class_weight
            prior = mass / mass.sum()
        if class_weight is not None:
            if self.neural:
                from imbbench.bench.objectives import WeightedCrossEntropy

                settings["loss"] = WeightedCrossEntropy(class_weight)
            else:
                by_class = np.asarray(class_weight)[y]
                sample_weight = by_class if sample_weight is None else by_class * sample_weight
        model = self.make(seed, **settings)
        self.need(
            sample_weight is None or model.weighted, f"{self.learner} takes no weights of rows"
        )
        model.fit(X, y, sample_weight=sample_weight)
        if self.neural:
            self.rows_seen += model.rows_seen_
        model.prior_ = prior
        return model

    def _check_codes(self, X):
        """Refuse codes that name no category, such as the mean of two."""
        known, given = self.X[:, self.categorical], np.asarray(X)[:, self.categorical]
        low, high = known.min(axis=0), known.max(axis=0)
        wrong = np.argwhere((given != np.floor(given)) | (given < low) | (given > high))
        if len(wrong):
            row, place = wrong[0]
            raise ValueError(
                f"column {np.flatnonzero(self.categorical)[place]} of the rows to fit holds "
                f"{given[row, place]:g}, which names no category (they are the whole numbers from "
                f"{low[place]:g} to {high[place]:g}): codes are copied from rows, never averaged"
            )

    def model_of(self, name):
        """The model that another strategy of the family fits in this cell's place."""
        self.need(not self._given, "the cell was made from arrays, there is no other strategy")
        family = self._task.family
        entries = self._study.family(family)
        if name not in entries:
            raise StudyError(unknown_name("strategy", name, entries, f"(family {family})"))
        call, _ = resolve(family, name, entries[name])
        only = entries[name].get("learners")
        self.need(not only or self.learner in only, f"{name} is run with {only} only")
        task = replace(self._task, strategy=name)
        other = Cell(self._study, task, self._reuse)
        model = call(other)
        self.rows_seen += other.rows_seen
        self.borrowed_seconds += other.borrowed_seconds
        return model

    def plain(self):
        """The fitted learner of strategy ``plain``: fitted there, memoised locally for others."""
        study, task = self._study, self._task
        if self._given:
            return self.fit()
        same = study.protocol.model_dump(exclude={"keep_predictions"})
        version = library_version(task.learner, self._settings)
        settings = [same, self._settings, code_hash(), version]
        key = json.dumps([content_of(task.dataset), task.learner, task.split, settings])
        path = cache_file("plain", key, ".skops")
        found = load_model(path) if self._reuse and task.strategy != "plain" else None
        if found is None:
            started = time.perf_counter()
            seed = protocol.seed_for(study.protocol.seed, task.dataset, task.split, "plain")
            model = self.fit(seed=seed)
            seconds = time.perf_counter() - started
            if self._reuse:
                save_model(path, model, seconds)
            return model
        model, seconds = found
        self.borrowed_seconds += seconds
        if self.neural:
            self.rows_seen += model.rows_seen_
        return model


@dataclass(frozen=True)
class Task:
    """Names of one cell."""

    dataset: str
    family: str
    learner: str
    strategy: str
    split: int


@dataclass
class Split:
    """Arrays of one split; only ``seen`` goes to the strategy."""

    seen: tuple
    X_test: object
    y_test: np.ndarray
    classes: list
    groups: np.ndarray | None = None


def frozen(array):
    """A copy that refuses changes in place; None stays None.

    Its memory is that of ``bytes``, so that it cannot be made writeable again.
    """
    if array is None:
        return None
    if sparse.issparse(array):
        parts = map(frozen, (array.data, array.indices, array.indptr))
        return type(array)(tuple(parts), shape=array.shape)
    order = "F" if array.flags.f_contiguous and array.ndim > 1 else "C"
    return np.ndarray(array.shape, array.dtype, array.tobytes(order), order=order)


def view_of(array):
    """The memory of a :func:`frozen` array as another object; None stays None.

    Attributes of it can be set, such as its shape, and it does not lead to the frozen one.
    """
    if array is None:
        return None
    if sparse.issparse(array):
        parts = map(view_of, (array.data, array.indices, array.indptr))
        return type(array)(tuple(parts), shape=array.shape)
    memory = array
    while isinstance(memory, np.ndarray):
        memory = memory.base
    return np.ndarray(array.shape, array.dtype, memory, strides=array.strides)


@functools.lru_cache(maxsize=32)
def _cached_split(dataset, protocol_, kind, split, stamp):
    prepared, cuts = data_of(dataset, protocol_)
    train, val, test = cuts[split]
    X, categorical = features(kind, prepared, train, protocol_.encoder)
    y, classes = prepared.y, prepared.schema["classes"]
    seen = tuple(map(frozen, (X[train], y[train], X[val], y[val], categorical)))
    groups = frozen(prepared.groups[train])
    return Split(seen, frozen(X[test]), frozen(y[test]), classes, groups)


def split_of(study, dataset, learner, split):
    """The arrays of one split as a learner sees them, a :class:`Split`."""
    prepared, _ = data_of(dataset, study.protocol)
    kind = learner_class(study, learner).features[prepared.schema["modality"]]
    stamp = (folder_of(dataset) / "data.csv").stat().st_mtime_ns
    return _cached_split(dataset, study.protocol, kind, split, stamp)
