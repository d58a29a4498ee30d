"""Run the cells of one family on one data set."""

import functools
import os
from contextlib import suppress
from dataclasses import astuple

import numpy as np
import pandas as pd

from imbbench import config
from imbbench.bench.cell import Task
from imbbench.bench.check import check_family, strategy_table, try_all
from imbbench.bench.memo import kept, made_from, unfinished, write_down
from imbbench.bench.pool import compute, in_worker
from imbbench.bench.predictions import keep_predictions, pack_predictions
from imbbench.bench.prepared import data_of
from imbbench.bench.registry import learner_class
from imbbench.bench.rows import Outcome, curve_table, key_of, run_table, save, without_score
from imbbench.errors import StudyError
from imbbench.files import read_table
from imbbench.paths import table_file

FRESH = "IMBBENCH_FRESH"  # set: what was computed before is not looked at


def tasks(study, dataset, family):
    """All cells of a family on a data set, in the order in which they should start.

    Some are left out, see :func:`left_out`.

    The longest first, by the committed processor times where there are any: the last cells to end
    are then short ones, and what one learner's cell has memoised is there for another's. The order
    changes no result.
    """
    prepared, cuts = data_of(dataset, study.protocol)
    modality = prepared.schema["modality"]
    learners = [name for name in study.learners if modality in learner_class(study, name).features]
    known = table_file(study.results(dataset), "timings", dataset, family)
    seconds = {}
    with suppress(OSError, ValueError, KeyError):  # none yet, or none that can be read
        table = read_table(known).groupby(["learner", "strategy"])["cpu_seconds"].mean()
        seconds = table.to_dict()

    def expected(task):
        guess = 1.0 if learner_class(study, task.learner).neural else 0.0
        return seconds.get((task.learner, task.strategy), guess)

    every = [
        Task(dataset, family, learner, strategy, split)
        for learner in learners
        for split in range(len(cuts))[: study.protocol.splits]
        for strategy in study.family(family)
    ]
    return sorted(every, key=lambda task: -expected(task))


def left_out(study, task):
    """Why a cell of the list is not run, or "": costly learners, strategies and data sets."""
    entry = study.family(task.family)[task.strategy]
    limits = study.learners[task.learner] or {}
    prepared = data_of(task.dataset, study.protocol)[0]
    rows = prepared.schema.get("splits", np.inf)
    only, splits = entry.get("learners"), entry.get("splits")
    if only and task.learner not in only:
        return f"run with {', '.join(only)} only"
    if splits and task.split >= splits:
        return f"run on the {_first(splits)} only"
    if "words" in limits and prepared.words > limits["words"]:
        most = f"{limits['words']} words in all"
        return f"{task.learner} is costly: run on texts of at most {most} only"
    if task.strategy not in limits.get("strategies", [task.strategy]):
        return f"{task.learner} is costly: run with the strategies listed for it only"
    if task.split >= limits.get("splits", np.inf):
        return f"{task.learner} is costly: {_first(limits['splits'])} only"
    if task.split >= rows:
        return f"{task.dataset} is large: {_first(rows)} only"
    return ""


def _first(splits):
    return "first split" if splits == 1 else f"first {splits} splits"


def run_family(dataset, family, splits=None, progress=print, jobs=None):
    """Run every cell of a family on a data set.

    Cells of the tables, and those of a run that was cut off, are kept as long as what they were
    made from is the same; see :mod:`imbbench.bench.memo`.

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
    study = _checked(dataset, [family])
    todo = tasks(study, dataset, family)
    if splits is not None:
        todo = [task for task in todo if task.split < splits]
    if not todo:
        raise StudyError(f"Family '{family}' has nothing to run on data set '{dataset}'.")
    return _run(study, todo, lambda: in_worker(try_all, study, [family], False), progress, jobs)


def run_dataset(dataset, progress=print):
    """Run all families on a data set and write their tables.

    Yields
    ------
    family : str
        Whose tables were written.
    """
    families = config.load().families
    study = _checked(dataset, families)
    first = functools.cache(lambda: in_worker(try_all, study, families, False))
    for family in families:
        todo = tasks(study, dataset, family)
        if todo:
            save(_run(study, todo, first, progress), study.results(dataset), dataset, family)
            yield family


def _checked(dataset, families):
    study = config.load()
    study.dataset(dataset)
    study = study.run_on(dataset)
    in_worker(_check, study, families)
    return study


def _check(study, families):
    for family in families:
        check_family(study, family)


def described(study, family):
    """What the strategies of a family are; see :func:`imbbench.bench.check.strategy_table`."""
    return in_worker(strategy_table, study, family)


def _run(study, todo, before, progress, jobs=None):
    """The cells of a family, fitted or kept; ``before`` is called before any is fitted."""
    dataset, family = todo[0].dataset, todo[0].family
    prepared, cuts = data_of(dataset, study.protocol)
    results, reasons = [], {task: left_out(study, task) for task in todo}
    for task, reason in reasons.items():
        if reason:
            key = key_of(study, task, prepared.schema["modality"])
            results.append((task, *without_score(key, "not applicable", reason)))
            results[-1][2]["platform"] = ""
    hashes = made_from(study, [task for task in todo if not reasons[task]])
    fresh = bool(os.environ.get(FRESH))
    old, curves = ([], []) if fresh else kept(study.results(dataset), hashes)
    done = {task for task, *_ in old}
    rest = {task: made for task, made in hashes.items() if task not in done}
    begun = [] if fresh else unfinished(dataset, family, rest)
    done = {task for task, *_ in begun}
    missing = [task for task in rest if task not in done]
    if len(missing) < len(hashes):
        progress(
            f"{dataset} {family}: {len(old)} cells are those of the tables, {len(begun)} those of "
            f"a run that was cut off, {len(missing)} are fitted."
        )

    def finished(task, rows, timing, curve):
        for row in (*rows, timing):
            row["made_from"] = hashes[task]
        if curve is not None:
            keep_predictions(task, hashes[task], curve)
        write_down(dataset, family, hashes[task], rows, timing, curve)

    if missing:
        before()
    fitted, loop = compute(study, missing, jobs, progress=progress, finished=finished)
    pack_predictions(dataset, family, hashes, cuts)
    results = sorted(old + begun + fitted + results, key=lambda result: astuple(result[0]))
    timings = pd.DataFrame([timing for _, _, timing, _ in results])
    tables = run_table(results, prepared), timings, curve_table(begun + fitted, curves)
    counts = {"cells": len(todo), "kept": len(old) + len(begun), "fitted": len(missing)}
    return Outcome(*tables, loop | counts)
