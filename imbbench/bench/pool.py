"""Cells side by side, one thread each."""

import functools
import os
import platform
import sys
import time
from dataclasses import astuple
from pathlib import Path

import joblib
from tqdm import tqdm

from imbbench.bench.cluster import SCHEDULER, cores_of, on_cluster, pack
from imbbench.bench.code import LIBRARIES, library
from imbbench.bench.encoder import encoder_files
from imbbench.bench.features import KINDS
from imbbench.bench.limits import seconds_allowed
from imbbench.bench.prepared import data_of, folder_of
from imbbench.bench.registry import learner_class
from imbbench.bench.rows import key_of, without_score
from imbbench.bench.scoring import over_limit, run_cell
from imbbench.bench.workers import Died, Over, watched
from imbbench.config import LONGEST
from imbbench.errors import FULL, StudyError


def _work(study, reuse, task):
    if task.strategy == "plain":
        import skops.io  # noqa: F401 (before the cell's clock starts: it will be kept)
    if learner_class(study, task.learner).neural or "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)
        # Weights that decay towards zero would otherwise be computed many times slower.
        torch.set_flush_denormal(True)
    rows, timing, curve = run_cell(study, task, reuse)
    return rows, timing | {"platform": hardware()}, curve


def _limit(study, task):
    return seconds_allowed(study, study.family(task.family)[task.strategy])


def _files(study, todo):
    """The files that cells read."""
    files = []
    for dataset in sorted({task.dataset for task in todo}):
        files += [folder_of(dataset) / name for name in ("data.csv", "schema.json")]
        prepared, _ = data_of(dataset, study.protocol)
        if prepared.schema["modality"] == "text":
            files += encoder_files(prepared.X, study.protocol.encoder)
    return files


def _result(study, task, outcome):
    """Rows, timing and curve of a cell, also of one that ended its worker."""
    if not isinstance(outcome, Died | Over):
        return outcome
    key = key_of(study, task, data_of(task.dataset, study.protocol)[0].schema["modality"])
    entry = study.family(task.family)[task.strategy]
    if isinstance(outcome, Over):
        spent = outcome.seconds, outcome.cpu_seconds
        rows, timing, curve = without_score(key, "timed out", over_limit(study, entry), *spent)
    elif outcome.errno in FULL:
        raise StudyError(
            f"data set '{task.dataset}', strategy '{task.strategy}': {outcome.why}. No table was "
            "changed; the cells that were finished are kept: make room and run it again."
        )
    else:
        reason = f"ended its process, also when tried again: {outcome.why}"
        rows, timing, curve = without_score(key, "failed", reason)
    return rows, timing | {"platform": hardware()}, curve


def in_worker(function, *arguments):
    """Call a function in a worker, which has the libraries loaded that this process may not need.

    Raises
    ------
    StudyError
        The function's own, or if the worker ends.
    """
    call = functools.partial(_told, function)
    ((_, outcome),) = watched(call, [arguments], 1, lambda task: LONGEST)
    if isinstance(outcome, Died):
        raise StudyError(f"a worker process ended: {outcome.why}")
    found, refused = outcome
    if refused:
        raise StudyError(refused)
    return found


def _told(function, arguments):
    try:
        return function(*arguments), ""
    except StudyError as error:
        return None, str(error)


def compute(study, todo, jobs=None, reuse=True, progress=print, finished=None):
    """Run cells side by side, one thread each.

    Parameters
    ----------
    study : imbbench.config.Study
    todo : list of Task
    jobs : int, optional
        Default: the number of cores. Where ``IMBBENCH_SCHEDULER`` is the address of a Dask
        scheduler, its workers run the cells.
    reuse : bool
        Take plain models from the local memo.
    progress : callable
        Called with one line of text per finished cell; the first failure of each reason has it.
        In JupyterLab there is a bar, and only those first failures are lines.
    finished : callable, optional
        Called with ``task, rows, timing, curve`` of every finished cell, which it may add to.

    Returns
    -------
    results : list of (Task, rows, timing, curve)
        As :func:`run_cell` gives them, with the platform; sorted by task.
    loop : dict
        ``cells``, ``cores``, ``encode_seconds`` (sentence embeddings, once per data set),
        ``loop_seconds``, ``cpu_seconds``.

    Raises
    ------
    StudyError
        If the machine cannot go on: workers do not start, or a disk is full.
    """
    texts = {
        (task.dataset, kind)
        for task in todo
        for kind in learner_class(study, task.learner).features.values()
        if KINDS[kind].encode
        and data_of(task.dataset, study.protocol)[0].schema["modality"] == "text"
    }
    started = time.perf_counter()
    for dataset, kind in sorted(texts):
        KINDS[kind].encode(data_of(dataset, study.protocol)[0].X, study.protocol.encoder)
    encoding = time.perf_counter() - started

    told, results = set(), []
    call, limit = functools.partial(_work, study, reuse), functools.partial(_limit, study)
    address = os.environ.get(SCHEDULER)
    started = time.perf_counter()
    if address and todo:
        jobs = cores_of(address)
        families = tuple(sorted({task.family for task in todo}))
        outcomes = on_cluster(address, pack(call, limit, _files(study, todo), families), todo)
    else:
        jobs = min(jobs or joblib.cpu_count(), max(1, len(todo)))
        outcomes = watched(call, todo, jobs, limit)
    bar = _in_a_kernel()
    for task, outcome in tqdm(outcomes, total=len(todo), unit="cell", disable=not (bar and todo)):
        rows, timing, curve = _result(study, task, outcome)
        if finished is not None:
            finished(task, rows, timing, curve)
        results.append((task, rows, timing, curve))
        status, reason = timing["status"], rows[0]["reason"]
        note = "" if status == "ok" else f" ({status})"
        new = status in ("failed", "timed out") and reason not in told
        if new:
            told.add(reason)
            note = f" ({status}: {reason})"
        if new or not bar:
            progress(
                f"{len(results)}/{len(todo)} {task.dataset} {task.learner} {task.strategy} "
                f"split {task.split}{note}, {len(todo) - len(results)} left, "
                f"{time.perf_counter() - started:.1f} s"
            )
    seconds = time.perf_counter() - started
    results.sort(key=lambda result: astuple(result[0]))
    cpu = sum(timing["cpu_seconds"] for _, _, timing, _ in results)
    loop = {"cells": len(todo), "cores": jobs, "encode_seconds": encoding}
    return results, loop | {"loop_seconds": seconds, "cpu_seconds": float(cpu)}


def _in_a_kernel():
    """Whether somebody looks at a notebook while it runs; papermill's run in no kernel here."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


@functools.cache
def hardware():
    """One line that tells platforms apart whose last digits may differ.

    The processor, the kernels that the linear algebra of numpy and scipy chose for it (torch
    chooses its own by the processor, unless ``ATEN_CPU_CAPABILITY`` says which), and the versions
    of all that computes.
    """
    import numpy  # noqa: F401 (its linear algebra is asked for below)
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    model = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        found = {k.strip(): v.strip() for k, v in (x.split(":", 1) for x in lines if ":" in x)}
        flags = sorted(set(found.get("flags", "").split()) & {"avx2", "avx512f", "amx_bf16", "fma"})
        model = " ".join([found.get("model name", model), *flags])
    except OSError:
        pass
    kernels = {
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".rstrip()
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    }
    forced = os.environ.get("ATEN_CPU_CAPABILITY")
    return "; ".join(
        [platform.system(), platform.machine(), model, *sorted(kernels)]
        + ([f"torch kernel {forced}"] if forced else [])
        + [f"python {platform.python_version()}"]
        + [library(name) for name in (*LIBRARIES, "xgboost")]
    )
