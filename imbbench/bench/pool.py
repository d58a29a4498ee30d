"""Cells side by side, one thread each."""

import os
import platform
import sys
import time
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path

import joblib

from imbbench.bench.cell import split_of
from imbbench.bench.features import KINDS
from imbbench.bench.prepared import data_of
from imbbench.bench.registry import learner_class, resolve
from imbbench.bench.scoring import run_cell


def _warm(study, names):
    """Load in a worker what every cell needs, before the clock of the cells starts."""
    for task in names:
        resolve(task.family, task.strategy, study.family(task.family)[task.strategy])
        split_of(study, task.dataset, task.learner, task.split)
    if any(learner_class(study, task.learner).neural for task in names):
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
        Called with one line of text per finished cell; the first failure of each reason has it.

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
        for kind in learner_class(study, task.learner).features.values()
        if KINDS[kind].encode
        and data_of(task.dataset, study.protocol)[0].schema["modality"] == "text"
    }
    started = time.perf_counter()
    for dataset, kind in sorted(texts):
        KINDS[kind].encode(data_of(dataset, study.protocol)[0].X, study.protocol.encoder)
    encoding = time.perf_counter() - started

    jobs = jobs or os.cpu_count()
    loop = {"cells": len(todo), "cores": jobs, "encode_seconds": encoding}
    if not todo:
        return [], loop | {"loop_seconds": 0.0, "cpu_seconds": 0.0}
    told = set()
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
            status, reason = timing["status"], rows[0]["reason"]
            note = "" if status == "ok" else f" ({status})"
            if status in ("failed", "timed out") and reason not in told:
                told.add(reason)
                note = f" ({status}: {reason})"
            progress(
                f"{len(results)}/{len(todo)} {task.dataset} {task.learner} {task.strategy} "
                f"split {task.split}{note}, {len(todo) - len(results)} left, "
                f"{time.perf_counter() - started:.1f} s"
            )
        seconds = time.perf_counter() - started
    results.sort(key=lambda result: astuple(result[0]))
    cpu = sum(timing["cpu_seconds"] for _, _, timing, _ in results)
    return results, loop | {"loop_seconds": seconds, "cpu_seconds": cpu}


def hardware():
    """One line that tells platforms apart whose last digits may differ.

    The processor, the kernels that the linear algebra of numpy and scipy and torch chose for it,
    and the versions of all that computes.
    """
    import numpy  # noqa: F401 (its linear algebra is asked for below)
    import scipy.linalg  # noqa: F401
    import torch
    import xgboost
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
    libraries = ["numpy", "scipy", "scikit-learn", "imbalanced-learn", "torch"]
    return "; ".join(
        [platform.system(), platform.machine(), model, *sorted(kernels)]
        + [f"torch kernel {torch.backends.cpu.get_cpu_capability()}"]
        + [f"python {platform.python_version()}"]
        + [f"{name} {version(name)}" for name in libraries]
        + [f"xgboost {xgboost.__version__}"]
    )
