"""Run the cells of one family on one data set."""

import functools
import hashlib
import json
import os
import platform
import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from imbbench import config, metrics, protocol
from imbbench.errors import StudyError
from imbbench.features import (
    cache_file,
    components,
    embed,
    features,
    load_prepared,
    tfidf,
    tokenize,
)
from imbbench.files import write_table, write_whole
from imbbench.learners import learner_class, one_hot
from imbbench.strategies import NotApplicable, resolve

DIGITS = 6
PER_CLASS = ["precision", "recall", "f1"]
ENCODERS = {"embedding": embed, "components": embed, "tokens": tokenize}  # by kind of features
KEY = ["dataset", "modality", "learner", "family", "strategy", "control", "split", "rule"]


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
        data = _split(study, task.dataset, task.learner, task.split)
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
        prepared, cuts = _data(self._task.dataset, self._study.protocol)
        return embed(prepared.X, self._study.protocol.encoder)[cuts[self._task.split][0]]

    @property
    def texts(self):
        """Texts of the training part, list of str (N,); other modalities are not applicable."""
        prepared, cuts = _data(self._task.dataset, self._study.protocol)
        self.need(prepared.schema["modality"] == "text", "the data are not texts")
        return [prepared.X[i] for i in cuts[self._task.split][0]]

    def vectorize(self, texts):
        """Features of new texts, (len(texts), d), made as those of ``X`` were."""
        prepared, cuts = _data(self._task.dataset, self._study.protocol)
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
                from imbbench.losses import WeightedCrossEntropy

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
        settings = [study.protocol.model_dump(), study.learner(task.learner), _sources()]
        key = json.dumps([_content(task.dataset), task.learner, task.split, settings])
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


def _folder(dataset):
    return config.root() / "data" / "prepared" / dataset


def _content(dataset):
    """Checksum of the prepared data."""
    files = (_folder(dataset) / name for name in ("data.csv", "schema.json"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@functools.cache
def _sources():
    """Checksum of the code and the library versions that a fitted model depends on."""
    here = Path(__file__).parent
    names = ["run", "learners", "features", "protocol", "metrics", "losses", "schedules"]
    text = "".join((here / f"{name}.py").read_text(encoding="utf-8") for name in names)
    libraries = [f"{name} {version(name)}" for name in ("numpy", "scikit-learn", "torch")]
    return hashlib.sha256((text + " ".join(libraries)).encode()).hexdigest()


def _data(dataset, protocol_):
    """The prepared data and its splits, read again when the file has changed."""
    path = _folder(dataset) / "data.csv"
    return _data_of(dataset, protocol_, path.stat().st_mtime_ns if path.is_file() else None)


@functools.lru_cache(maxsize=4)
def _data_of(dataset, protocol_, stamp):
    folder = _folder(dataset)
    if stamp is None:
        raise StudyError(
            f"Data set '{dataset}' is not prepared ({folder} is missing): "
            f"run `dvc repro prepare@{dataset}` first."
        )
    prepared = load_prepared(folder)
    cuts = protocol.splits(
        prepared.y,
        prepared.groups,
        prepared.part,
        dataset,
        protocol_,
        prepared.schema.get("long_tail"),
    )
    return prepared, cuts


@functools.lru_cache(maxsize=32)
def _split_of(dataset, protocol_, kind, split, stamp):
    prepared, cuts = _data_of(dataset, protocol_, stamp)
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


def _split(study, dataset, learner, split):
    prepared, _ = _data(dataset, study.protocol)
    kind = learner_class(learner).features[prepared.schema["modality"]]
    stamp = (_folder(dataset) / "data.csv").stat().st_mtime_ns
    return _split_of(dataset, study.protocol, kind, split, stamp)


class _TimeLimit(BaseException):
    """Not an Exception, so that no strategy catches it by catching those."""


@contextmanager
def _time_limit(seconds):
    """Interrupt the body after ``seconds`` of processor time, where the platform can.

    Processor time, so that a busy machine times out no other cells than an idle one; what waits
    without computing is interrupted after ten times as long.
    """

    def ring(*_):
        raise _TimeLimit

    try:
        clocks = {
            signal.SIGPROF: (signal.ITIMER_PROF, seconds),
            signal.SIGALRM: (signal.ITIMER_REAL, 10 * seconds),
        }
        previous = {number: signal.signal(number, ring) for number in clocks}
    except (AttributeError, ValueError):  # no alarm on Windows or outside the main thread
        yield
        return
    for clock, after in clocks.values():
        signal.setitimer(clock, after)
    try:
        yield
    finally:
        for number, (clock, _) in clocks.items():
            signal.setitimer(clock, 0)
            signal.signal(number, previous[number])


def _reset_peak():
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mib():
    """Peak memory of this process since :func:`_reset_peak`, in MiB (NaN where unknown)."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return float("nan")


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
        "modality": _data(task.dataset, study.protocol)[0].schema["modality"],
        "learner": task.learner,
        "family": task.family,
        "strategy": task.strategy,
        "control": control if control != task.strategy else "",
        "split": task.split,
    }
    timing = {name: key[name] for name in ("dataset", "learner", "family", "strategy", "split")}
    status, reason, rows, curve = "ok", "", [], None
    _reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        data = _split(study, task.dataset, task.learner, task.split)
        probabilities, labels, seconds = _fit_predict(study, task, entry, data, reuse)
        cpu_seconds = time.process_time() - cpu
        scores = metrics.score_metrics(data.y_test, probabilities)
        for rule, predicted in labels.items():
            found = {**scores, **metrics.label_metrics(data.y_test, predicted, len(data.classes))}
            rows.append({**key, "rule": rule, "status": status, "reason": "", **_flat(found)})
        curve = {
            "precision": metrics.precision_at_recall(data.y_test, probabilities),
            "reliability": np.array(metrics.reliability(data.y_test, probabilities)),
        }
        timing |= seconds
    except NotApplicable as error:
        status, reason = "not applicable", str(error)
    except _TimeLimit:
        allowed = _seconds_allowed(study, entry)
        status, reason = "timed out", f"longer than {allowed:g} s of processor time"
    except Exception as error:
        status, reason = "failed", " ".join(f"{type(error).__name__}: {error}".split())[:300]
    if status != "ok":
        cpu_seconds = time.process_time() - cpu
        rows = [{**key, "rule": "", "status": status, "reason": reason}]
        timing |= {"fit_seconds": time.perf_counter() - wall, "predict_seconds": np.nan}
        timing |= {"epochs": np.nan}
    timing |= {"status": status, "cpu_seconds": cpu_seconds, "peak_memory_mib": _peak_mib()}
    return rows, timing, curve


def _seconds_allowed(study, entry):
    return min(study.protocol.time_limit, entry.get("time_limit", np.inf))


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
    with _time_limit(_seconds_allowed(study, entry)):
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


def _flat(found):
    """Metrics in the order of the table, per-class arrays spread over numbered columns."""
    flat = {name: found[name] for name in metrics.SCORES}
    for name in PER_CLASS:
        flat |= {f"{name}_{c}": value for c, value in enumerate(found[name])}
    return flat


def tasks(study, dataset, family):
    """All cells of a family on a data set, in the order in which they should start.

    The longest first, by the committed processor times where there are any: the last cells to end
    are then short ones, and what one learner's cell has memoised is there for another's. The order
    changes no result.
    """
    prepared, cuts = _data(dataset, study.protocol)
    modality = prepared.schema["modality"]
    learners = [name for name in study.learners if modality in learner_class(name).features]
    known = config.root() / study.results(dataset) / "timings" / dataset / f"{family}.csv"
    seconds = {}
    if known.is_file():
        table = pd.read_csv(known).groupby(["learner", "strategy"])["cpu_seconds"].mean()
        seconds = table.to_dict()

    def expected(task):
        guess = 1.0 if learner_class(task.learner).neural else 0.0
        return seconds.get((task.learner, task.strategy), guess)

    every = [
        Task(dataset, family, learner, strategy, split)
        for learner in learners
        for split in range(len(cuts))[: study.protocol.splits]
        for strategy in study.family(family)
    ]
    return sorted(every, key=lambda task: -expected(task))


def _warm(study, names):
    """Load in a worker what every cell needs, before the clock of the cells starts."""
    for task in names:
        resolve(task.family, task.strategy, study.family(task.family)[task.strategy])
        _split(study, task.dataset, task.learner, task.split)
    if any(learner_class(task.learner).neural for task in names):
        import torch

        torch.set_num_threads(1)
    time.sleep(0.2)  # long enough that every worker takes one of these calls


def _work(study, task, reuse):
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)
        # Weights that decay towards zero would otherwise be computed many times slower.
        torch.set_flush_denormal(True)
    return task, run_cell(study, task, reuse)


def compute(study, todo, jobs=None, reuse=True, progress=print):
    """Run cells side by side, one thread each.

    Parameters
    ----------
    study : imbbench.config.Study
    todo : list of Task
    jobs : int, optional
        Default: the number of cores.
    reuse : bool
        Take plain models from the local memo.
    progress : callable
        Called with one line of text per finished cell.

    Returns
    -------
    results : list of (Task, rows, timing, curve)
        As :func:`run_cell` gives them, sorted by task.
    loop : dict
        ``cells``, ``cores``, ``encode_seconds`` (sentence embeddings, once per data set),
        ``loop_seconds``, ``cpu_seconds``.
    """
    texts = {
        (task.dataset, kind)
        for task in todo
        for kind in learner_class(task.learner).features.values()
        if kind in ENCODERS and _data(task.dataset, study.protocol)[0].schema["modality"] == "text"
    }
    started = time.perf_counter()
    for dataset, kind in sorted(texts):
        ENCODERS[kind](_data(dataset, study.protocol)[0].X, study.protocol.encoder)
    encoding = time.perf_counter() - started

    jobs = jobs or os.cpu_count()
    one_each = list({(t.dataset, t.learner): t for t in todo}.values())
    results = []
    with (
        joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1),
        joblib.Parallel(return_as="generator_unordered", pre_dispatch="all") as pool,
    ):
        list(pool(joblib.delayed(_warm)(study, one_each) for _ in range(2 * jobs)))
        started = time.perf_counter()
        calls = (joblib.delayed(_work)(study, task, reuse) for task in todo)
        for task, (rows, timing, curve) in pool(calls):
            results.append((task, rows, timing, curve))
            note = "" if timing["status"] == "ok" else f" ({timing['status']})"
            progress(
                f"{len(results)}/{len(todo)} {task.dataset} {task.learner} {task.strategy} "
                f"split {task.split}{note}, {len(todo) - len(results)} left, "
                f"{time.perf_counter() - started:.1f} s"
            )
        seconds = time.perf_counter() - started
    results.sort(key=lambda result: astuple(result[0]))
    cpu = sum(timing["cpu_seconds"] for _, _, timing, _ in results)
    loop = {
        "cells": len(todo),
        "cores": jobs,
        "encode_seconds": encoding,
        "loop_seconds": seconds,
        "cpu_seconds": cpu,
    }
    return results, loop


def hardware():
    """One line that tells platforms apart whose last digits may differ."""
    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found = {k.strip(): v.strip() for k, v in (x.split(":", 1) for x in lines if ":" in x)}
        flags = sorted(set(found.get("flags", "").split()) & {"avx2", "avx512f", "amx_bf16", "fma"})
        model = " ".join([found.get("model name", model), *flags])
    except OSError:
        pass
    libraries = ["numpy", "scikit-learn", "torch"]
    return "; ".join(
        [platform.system(), platform.machine(), model, f"python {platform.python_version()}"]
        + [f"{name} {version(name)}" for name in libraries]
    )


@dataclass
class Outcome:
    """Tables of one family on one data set.

    Attributes
    ----------
    runs : DataFrame
        One row per cell and decision rule.
    timings : DataFrame
        One row per cell: seconds, ``epochs`` (passes over the training part, of neural learners),
        CPU seconds, peak memory.
    curves : DataFrame
        One row per learner and strategy: precision by recall (mean over splits) and reliability
        sums (added over splits).
    loop : dict
        What :func:`compute` says of the loop over cells.
    """

    runs: pd.DataFrame
    timings: pd.DataFrame
    curves: pd.DataFrame
    loop: dict


def run_family(dataset, family, splits=None, progress=print, jobs=None):
    """Run every cell of a family on a data set.

    Parameters
    ----------
    dataset, family : str
        Names in ``params.yaml``.
    splits : int, optional
        Only the first so many splits.
    progress : callable
        Called with one line of text per finished cell.
    jobs : int, optional
        Cells side by side; default the number of cores.

    Returns
    -------
    Outcome

    Raises
    ------
    StudyError
        For unknown names and wrong parameters, before anything is fitted.
    """
    study = config.load()
    study.dataset(dataset)
    config.check_family(study, family)
    todo = tasks(study, dataset, family)
    if splits is not None:
        todo = [task for task in todo if task.split < splits]
    if not todo:
        raise StudyError(f"Family '{family}' has nothing to run on data set '{dataset}'.")
    prepared, _ = _data(dataset, study.protocol)
    results, loop = compute(study, todo, jobs, progress=progress)
    timings = pd.DataFrame([timing for _, _, timing, _ in results])
    timings["platform"] = hardware()
    return Outcome(_runs(results, prepared), timings, _curves(results), loop)


def _runs(results, prepared):
    """The tidy table: rounded, sorted, columns in a fixed order."""
    n_classes = len(prepared.schema["classes"])
    per_class = [f"{name}_{c}" for name in PER_CLASS for c in range(n_classes)]
    columns = [*KEY, "status", "reason", *metrics.SCORES, *per_class]
    table = pd.DataFrame([row for _, rows, _, _ in results for row in rows]).reindex(
        columns=columns
    )
    values = [*metrics.SCORES, *per_class]
    # Adding zero turns -0.0 into 0.0, which would print differently.
    table[values] = table[values].astype(float).round(DIGITS) + 0.0
    return table.sort_values(
        ["learner", "strategy", "split", "rule"], kind="stable", ignore_index=True
    )


def _curves(results):
    """Precision-recall and reliability of each learner and strategy over its splits."""
    found = {}
    for task, _, _, curve in results:
        if curve is not None:
            found.setdefault((task.learner, task.strategy), []).append(curve)
    rows = []
    for (learner, strategy), curves in sorted(found.items()):
        precision = np.mean([c["precision"] for c in curves], axis=0).round(4)
        counts, confidence, correct = np.sum([c["reliability"] for c in curves], axis=0)
        row = {"learner": learner, "strategy": strategy}
        row |= {f"precision_at_{r:.2f}": v for r, v in zip(metrics.RECALLS, precision, strict=True)}
        for b in range(metrics.BINS):
            row |= {
                f"rows_{b}": int(counts[b]),
                f"confidence_{b}": round(confidence[b] / counts[b], 4) if counts[b] else np.nan,
                f"correct_{b}": round(correct[b] / counts[b], 4) if counts[b] else np.nan,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def save(outcome, results, dataset, family):
    """Write the tables of a family, each whole or not at all.

    Parameters
    ----------
    outcome : Outcome
    results : path-like
        ``results`` or ``results/web``.
    dataset, family : str
    """
    results = config.root() / results
    name = Path(dataset) / f"{family}.csv"
    write_table(outcome.runs, results / "runs" / name)
    write_table(outcome.curves, results / "curves" / name)
    write_table(outcome.timings.round(DIGITS), results / "timings" / name)
    loop = json.dumps({k: round(v, 3) for k, v in outcome.loop.items()}, indent=1) + "\n"
    path = results / "timings" / name.with_suffix(".json")
    write_whole(path, loop)
