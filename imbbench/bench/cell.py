"""The cell: what a strategy gets, and how it is fitted and scored."""

import functools
import json
import time
from dataclasses import dataclass

import joblib
import numpy as np
from sklearn.pipeline import make_pipeline

from imbbench.bench import metrics, protocol
from imbbench.bench.code import code_hash
from imbbench.bench.encoder import embed, tokenize
from imbbench.bench.features import components, features, tfidf
from imbbench.bench.learners import one_hot
from imbbench.bench.limits import TimeLimit, peak_mib, reset_peak, seconds_allowed, time_limit
from imbbench.bench.prepared import content_of, data_of, folder_of
from imbbench.bench.registry import NotApplicable, learner_class, resolve
from imbbench.bench.rows import flat
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import cache_file

ENCODERS = {"embedding": embed, "components": embed, "tokens": tokenize}  # by kind of features


class Cell:
    """What a strategy gets: the training and validation part, and a learner to fit.

    The test fold is not in it.

    Attributes
    ----------
    X : ndarray or sparse matrix, (N, d)
        Features of the training part, preprocessed.
    y : ndarray of int, (N,)
        Class indices, 0 the largest class of the data set, C - 1 the smallest.
    X_val, y_val : the same of the validation part, natural class shares
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
    neural : bool
    vectors : bool
        Rows of ``X`` can be added and averaged; token numbers cannot.
    """

    def __init__(self, study, task, reuse=True):
        data = split_of(study, task.dataset, task.learner, task.split)
        self.X, self.y, self.X_val, self.y_val, self.categorical = data.seen
        self.classes = data.classes
        self.class_counts = np.bincount(self.y, minlength=len(self.classes))
        if not self.class_counts.all():
            lost = self.classes[int(np.argmin(self.class_counts))]
            raise StudyError(f"class '{lost}' has no row in the training part of this split")
        self.learner = task.learner
        self.neural = learner_class(task.learner).neural
        self.vectors = "tokens" not in learner_class(task.learner).features.values()
        self.seed = protocol.seed_for(study.protocol.seed, task.dataset, task.split, task.strategy)
        self.common_seed = protocol.seed_for(study.protocol.seed, task.dataset, task.split)
        self._study, self._task, self._reuse = study, task, reuse
        self.borrowed_seconds = 0.0
        self.rows_seen = 0 if self.neural else float("nan")

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
        prepared, cuts = data_of(self._task.dataset, self._study.protocol)
        return embed(prepared.X, self._study.protocol.encoder)[cuts[self._task.split][0]]

    @property
    def texts(self):
        """Texts of the training part, list of str (N,); other modalities are not applicable."""
        prepared, cuts = data_of(self._task.dataset, self._study.protocol)
        self.need(prepared.schema["modality"] == "text", "the data are not texts")
        return [prepared.X[i] for i in cuts[self._task.split][0]]

    def vectorize(self, texts):
        """Features of new texts, (len(texts), d), made as those of ``X`` were."""
        prepared, cuts = data_of(self._task.dataset, self._study.protocol)
        kind = learner_class(self.learner).features["text"]
        if kind == "tfidf":
            both = [*prepared.X, *texts]
            return tfidf(both, cuts[self._task.split][0])[len(prepared.X) :]
        encoder = self._study.protocol.encoder
        if kind == "components":
            both = np.concatenate([embed(prepared.X, encoder), embed(texts, encoder)])
            return components(both, cuts[self._task.split][0])[len(prepared.X) :]
        return ENCODERS[kind](texts, encoder)

    def make(self, seed=None, **settings):
        """An unfitted learner with the study's settings for it."""
        cls = learner_class(self.learner)
        common = {"random_state": self.seed if seed is None else seed}
        common["categorical"] = self.categorical if self.categorical.any() else None
        if not self.vectors:
            common["encoder"] = self._study.protocol.encoder
        entry = self._study.learner(self.learner)
        return cls(**{**entry, **common, **settings})

    def coded(self, estimator):
        """``estimator`` behind a one-hot coding of the nominal columns, where there are any."""
        if not self.categorical.any():
            return estimator
        return make_pipeline(one_hot(self.categorical), estimator)

    def fit(self, X=None, y=None, *, sample_weight=None, class_weight=None, seed=None, **settings):
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
        **settings
            Further parameters of the learner, e.g. ``loss``, ``bias``, ``draw``.

        Returns
        -------
        A fitted learner with ``predict_proba``. Its ``prior_`` (C,) are the class shares that its
        probabilities follow, None where a loss or sampler of its own decides that.
        """
        X = self.X if X is None else X
        y = self.y if y is None else y
        prior = None
        if not {"loss", "draw", "stepper"} & set(settings):
            mass = np.bincount(y, sample_weight, minlength=len(self.classes))
            mass = mass if class_weight is None else mass * class_weight
            prior = mass / mass.sum()
        if class_weight is not None:
            if self.neural:
                from imbbench.bench.objectives import WeightedCrossEntropy

                settings["loss"] = WeightedCrossEntropy(class_weight)
            else:
                sample_weight = np.asarray(class_weight)[y]
        model = self.make(seed, **settings)
        if self.neural:
            model.fit(X, y, self.X_val, self.y_val, sample_weight=sample_weight)
            self.rows_seen += model.rows_seen_
        else:
            model.fit(X, y, sample_weight=sample_weight)
        model.prior_ = prior
        return model

    def plain(self):
        """The fitted learner of strategy ``plain``: fitted there, memoised locally for others."""
        study, task = self._study, self._task
        settings = [study.protocol.model_dump(), study.learner(task.learner), code_hash()]
        key = json.dumps([content_of(task.dataset), task.learner, task.split, settings])
        path = cache_file("plain", key, ".joblib")
        if task.strategy == "plain" or not self._reuse or not path.is_file():
            started = time.perf_counter()
            seed = protocol.seed_for(study.protocol.seed, task.dataset, task.split, "plain")
            model = self.fit(seed=seed)
            seconds = time.perf_counter() - started
            write_whole(path, lambda part: joblib.dump((model, seconds), part))
            return model
        model, seconds = joblib.load(path)
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
    limit: float  # how many splits the data set is run on


@functools.lru_cache(maxsize=32)
def _cached_split(dataset, protocol_, kind, split, stamp):
    prepared, cuts = data_of(dataset, protocol_)
    train, val, test = cuts[split]
    X, categorical = features(kind, prepared, train, protocol_.encoder)
    y = prepared.y
    return Split(
        (X[train], y[train], X[val], y[val], categorical),
        X[test],
        y[test],
        prepared.schema["classes"],
        prepared.schema.get("splits", np.inf),
    )


def split_of(study, dataset, learner, split):
    prepared, _ = data_of(dataset, study.protocol)
    kind = learner_class(learner).features[prepared.schema["modality"]]
    stamp = (folder_of(dataset) / "data.csv").stat().st_mtime_ns
    return _cached_split(dataset, study.protocol, kind, split, stamp)


def run_cell(study, task, reuse=True):
    """Fit and score one cell.

    Parameters
    ----------
    study : imbbench.config.Study
    task : Task
    reuse : bool
        Take the plain model from the local memo where a strategy starts from it.

    Returns
    -------
    rows : list of dict
        One per decision rule, or one with ``status`` ``failed``, ``timed out`` or
        ``not applicable`` and the ``reason``.
    timing : dict
    curve : dict or None
        Precision by recall and reliability sums.
    """
    entry = study.family(task.family)[task.strategy]
    control = entry.get("control", "plain") or ""
    key = {
        "dataset": task.dataset,
        "modality": data_of(task.dataset, study.protocol)[0].schema["modality"],
        "learner": task.learner,
        "family": task.family,
        "strategy": task.strategy,
        "control": control if control != task.strategy else "",
        "split": task.split,
    }
    timing = {name: key[name] for name in ("dataset", "learner", "family", "strategy", "split")}
    status, reason, rows, curve = "ok", "", [], None
    reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        data = split_of(study, task.dataset, task.learner, task.split)
        probabilities, labels, seconds = _fit_predict(study, task, entry, data, reuse)
        cpu_seconds = time.process_time() - cpu
        scores = metrics.score_metrics(data.y_test, probabilities)
        for rule, predicted in labels.items():
            found = {**scores, **metrics.label_metrics(data.y_test, predicted, len(data.classes))}
            rows.append({**key, "rule": rule, "status": status, "reason": "", **flat(found)})
        curve = {
            "precision": metrics.precision_at_recall(data.y_test, probabilities),
            "reliability": np.array(metrics.reliability(data.y_test, probabilities)),
        }
        timing |= seconds
    except NotApplicable as error:
        status, reason = "not applicable", str(error)
    except TimeLimit:
        allowed = seconds_allowed(study, entry)
        status, reason = "timed out", f"longer than {allowed:g} s of processor time"
    except Exception as error:
        status, reason = "failed", " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if status != "ok":
        cpu_seconds = time.process_time() - cpu
        rows = [{**key, "rule": "", "status": status, "reason": reason}]
        timing |= {"fit_seconds": time.perf_counter() - wall, "predict_seconds": np.nan}
        timing |= {"epochs": np.nan}
    timing |= {"status": status, "cpu_seconds": cpu_seconds, "peak_memory_mib": peak_mib()}
    return rows, timing, curve


def _fit_predict(study, task, entry, data, reuse):
    """Probabilities and labels of the test fold, and the seconds they took."""
    call, own_rule = resolve(task.family, task.strategy, entry)
    only, splits = entry.get("learners"), entry.get("splits")
    if only and task.learner not in only:
        raise NotApplicable(f"run with {', '.join(only)} only")
    if splits and task.split >= splits:
        first = "first split" if splits == 1 else f"first {splits} splits"
        raise NotApplicable(f"run on the {first} only")
    limits = study.learners[task.learner] or {}
    if task.strategy not in limits.get("strategies", [task.strategy]):
        raise NotApplicable(f"{task.learner} is costly: run with the strategies listed for it only")
    if task.split >= limits.get("splits", np.inf):
        raise NotApplicable(f"{task.learner} is costly: first {limits['splits']} splits only")
    if task.split >= data.limit:
        raise NotApplicable(f"{task.dataset} is large: first {data.limit} splits only")
    n_classes = len(data.classes)
    with time_limit(seconds_allowed(study, entry)):
        started = time.perf_counter()
        cell = Cell(study, task, reuse)
        model = call(cell)
        fitted = time.perf_counter()
        probabilities = _checked(model.predict_proba(data.X_test), n_classes)
        predicted = time.perf_counter()
        if own_rule:
            labels = {"own": np.asarray(model.predict(data.X_test))}
        else:
            held_out = _checked(model.predict_proba(cell.X_val), n_classes)
            offsets = protocol.tune_offsets(held_out, cell.y_val)
            labels = {
                "argmax": protocol.decide(probabilities),
                "tuned": protocol.decide(probabilities, offsets),
            }
    seconds = {
        "fit_seconds": fitted - started + cell.borrowed_seconds,
        "predict_seconds": predicted - fitted,
        "epochs": cell.rows_seen / len(cell.y),
    }
    return probabilities, labels, seconds


def _checked(probabilities, n_classes):
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.shape[1] != n_classes:
        raise ValueError(
            f"{probabilities.shape[1]} columns of probabilities for {n_classes} classes"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("the predicted probabilities are not finite")
    return probabilities
