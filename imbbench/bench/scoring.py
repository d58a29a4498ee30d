"""Fit one cell and score it."""

import time

import numpy as np
from sklearn.pipeline import Pipeline

from imbbench.bench import metrics, protocol
from imbbench.bench.cell import Cell, split_of, view_of
from imbbench.bench.limits import (
    TimeLimit,
    of_the_machine,
    peak_mib,
    reset_peak,
    seconds_allowed,
    time_limit,
)
from imbbench.bench.prepared import data_of
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.bench.rows import flat, key_of, names_of, without_score
from imbbench.errors import reason_of


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
        Precision by recall and reliability sums; with ``protocol.keep_predictions`` also the
        probabilities of the parts ``validation`` and ``test``.
    """
    entry = study.family(task.family)[task.strategy]
    key = key_of(study, task, data_of(task.dataset, study.protocol)[0].schema["modality"])
    reset_peak()
    wall, cpu = time.perf_counter(), time.process_time()

    def no_score(status, reason):
        spent = time.perf_counter() - wall, time.process_time() - cpu, peak_mib()
        return without_score(key, status, reason, *spent)

    try:
        data = split_of(study, task.dataset, task.learner, task.split)
        parts, labels, calibrated, seconds = _fit_predict(study, task, entry, data, reuse)
        probabilities = parts["test"]
        seconds |= {"status": "ok", "cpu_seconds": time.process_time() - cpu}
        scores = metrics.score_metrics(data.y_test, probabilities, calibrated)
        rows = []
        for rule, (predicted, offsets) in labels.items():
            found = scores | metrics.label_metrics(data.y_test, predicted, len(data.classes))
            found |= {"offset": offsets}
            rows.append({**key, "rule": rule, "status": "ok", "reason": "", **flat(found)})
        curve = metrics.curves(data.y_test, probabilities, calibrated)
        if study.protocol.keep_predictions:
            curve |= {part: values.astype("float32") for part, values in parts.items()}
    except NotApplicable as error:
        return no_score("not applicable", str(error))
    except TimeLimit:
        return no_score("timed out", over_limit(study, entry))
    except Exception as error:
        if of_the_machine(error):
            raise  # it is tried again
        return no_score("failed", reason_of(error))
    return rows, {**names_of(key), **seconds, "peak_memory_mib": peak_mib()}, curve


def over_limit(study, entry):
    """The reason of a cell that took too long."""
    return f"longer than {seconds_allowed(study, entry):g} s of processor time"


def _fit_predict(study, task, entry, data, reuse):
    """Probabilities by part, labels and offsets by rule, calibrated or not, seconds."""
    call, own_rule = resolve(task.family, task.strategy, entry)
    n_classes = len(data.classes)
    with time_limit(seconds_allowed(study, entry)):
        started = time.perf_counter()
        cell = Cell(study, task, reuse)
        model = call(cell)
        fitted = time.perf_counter()
        probabilities = checked_probabilities(model.predict_proba(view_of(data.X_test)), n_classes)
        predicted = time.perf_counter()
        parts = {"test": probabilities}
        if own_rule:
            labels = {
                "own": (
                    np.asarray(model.predict(view_of(data.X_test))),
                    getattr(model, "offsets", None),
                )
            }
        else:
            held_out = checked_probabilities(model.predict_proba(cell.X_val), n_classes)
            parts["validation"] = held_out
            labels = {"argmax": (protocol.decide(probabilities), None)}
            for rule, objective in protocol.TUNED.items():
                offsets = protocol.tune_offsets(held_out, cell.y_val, objective)
                labels[rule] = protocol.decide(probabilities, offsets), offsets
    seconds = {
        "fit_seconds": fitted - started + cell.borrowed_seconds,
        "predict_seconds": predicted - fitted,
        "epochs": cell.rows_seen / len(cell.y),
        "members": _members(model) or np.nan,
    }
    return parts, labels, not getattr(model, "scores_only", False), seconds


def _members(model):
    """Learners of an ensemble, of an ensemble of ensembles those of all; 0 for other models."""
    model = model[-1] if isinstance(model, Pipeline) else model
    return sum(_members(learner) or 1 for learner in getattr(model, "estimators_", ()))


def checked_probabilities(probabilities, n_classes):
    """Probabilities (N, C) as float64; refuses what is no distribution over the classes."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    if probabilities.shape[1] != n_classes:
        raise ValueError(
            f"{probabilities.shape[1]} columns of probabilities for {n_classes} classes"
        )
    if not np.isfinite(probabilities).all():
        raise ValueError("the predicted probabilities are not finite")
    total = probabilities.sum(axis=1)
    if (probabilities < 0).any() or np.abs(total - 1).max(initial=0) > 1e-6:
        raise ValueError(f"the predicted probabilities do not sum to one, but to {total.max():.6g}")
    return probabilities
