"""The tables of a family: their columns, how cells become rows, and how they are written."""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbbench.bench import metrics
from imbbench.bench.protocol import threshold_of
from imbbench.files import write_table, write_whole
from imbbench.paths import root, table_file

DIGITS = 6
PER_CLASS = ["precision", "recall", "f1"]
CELL = ["dataset", "learner", "family", "strategy", "split"]
KEY = ["dataset", "modality", "learner", "family", "strategy", "control", "split", "rule"]


def key_of(study, task, modality):
    """The columns of the run table that name a cell."""
    control = study.family(task.family)[task.strategy].get("control", "plain") or ""
    found = {"modality": modality, "control": control if control != task.strategy else ""}
    return {name: found.get(name, getattr(task, name, "")) for name in KEY}


def names_of(key):
    """The columns of the timings that name a cell, of its :func:`key_of`."""
    return {name: key[name] for name in CELL}


def flat(found):
    """Metrics in the order of the table, per-class arrays spread over numbered columns.

    Of two classes the offsets of a rule are a threshold on the second one's probability.
    """
    per_class = {f"{name}_{c}": v for name in PER_CLASS for c, v in enumerate(found[name])}
    offsets = found["offset"]
    chosen = {} if offsets is None else {f"offset_{c}": v for c, v in enumerate(offsets)}
    if len(chosen) == 2:
        chosen = {"threshold": threshold_of(offsets)}
    return {name: found[name] for name in metrics.SCORES} | per_class | chosen


def without_score(key, status, reason, seconds=np.nan, cpu_seconds=0.0, memory=np.nan):
    """Rows, timing and curve of a cell without a score, for its :func:`key_of`."""
    rows = [{**key, "status": status, "reason": reason}]
    timing = {
        **names_of(key),
        "fit_seconds": seconds,
        "predict_seconds": np.nan,
        "epochs": np.nan,
        "members": np.nan,
        "status": status,
        "cpu_seconds": cpu_seconds,
        "peak_memory_mib": memory,
    }
    return rows, timing, None


@dataclass
class Outcome:
    """Tables of one family on one data set.

    Attributes
    ----------
    runs : DataFrame
        One row per cell and decision rule.
    timings : DataFrame
        One row per cell: seconds, ``epochs`` (passes over the training part, of neural learners),
        ``members`` (learners of an ensemble that were fitted), CPU seconds, peak memory.
    curves : DataFrame
        One row per learner and strategy: precision by recall (mean over splits) and reliability
        sums (added over splits).
    loop : dict
        What :func:`imbbench.bench.pool.compute` says of the loop over cells, and how many cells
        there are, were kept and were fitted.
    """

    runs: pd.DataFrame
    timings: pd.DataFrame
    curves: pd.DataFrame
    loop: dict


def run_table(results, prepared):
    """The tidy table: rounded, sorted, columns in a fixed order."""
    n_classes = len(prepared.schema["classes"])
    per_class = [f"{name}_{c}" for name in PER_CLASS for c in range(n_classes)]
    chosen = ["threshold"] if n_classes == 2 else [f"offset_{c}" for c in range(n_classes)]
    columns = [*KEY, "status", "reason", "made_from", *metrics.SCORES, *per_class, *chosen]
    table = pd.DataFrame([row for _, rows, _, _ in results for row in rows]).reindex(
        columns=columns
    )
    values = [*metrics.SCORES, *per_class, *chosen]
    # Adding zero turns -0.0 into 0.0, which would print differently.
    table[values] = table[values].astype(float).round(DIGITS) + 0.0
    return table.sort_values(
        ["learner", "strategy", "split", "rule"], kind="stable", ignore_index=True
    )


def curve_key(timings):
    """What a row of the curves is made from, of the timings of its cells with a score."""
    made = sorted(timing["made_from"] for timing in timings)
    return hashlib.sha256(" ".join(made).encode()).hexdigest()[:12]


def curve_table(results, kept=()):
    """Precision-recall and reliability of each learner and strategy over its splits.

    The precision is the mean over the splits that have one. With two classes the columns
    ``minority_…`` are the reliability of the minority's probability. ``kept`` are rows of a former
    table.
    """
    found = {}
    for task, _, timing, curve in results:
        if curve is not None:
            found.setdefault((task.learner, task.strategy), []).append((timing, curve))
    rows = list(kept)
    for (learner, strategy), pairs in found.items():
        timings, curves = zip(*pairs, strict=True)
        defined = [c["precision"] for c in curves if np.isfinite(c["precision"]).all()]
        precision = np.mean(defined or [curves[0]["precision"]], axis=0).round(4)
        row = {"learner": learner, "strategy": strategy, "made_from": curve_key(timings)}
        row |= {f"precision_at_{r:.2f}": v for r, v in zip(metrics.RECALLS, precision, strict=True)}
        for name, before in ("reliability", ""), ("reliability_of_minority", "minority_"):
            if name not in curves[0]:
                continue
            counts, confidence, correct = np.sum([c[name] for c in curves], axis=0)
            for b in range(metrics.BINS):
                mean = [round(v[b] / counts[b], 4) if counts[b] else np.nan
                        for v in (confidence, correct)]  # fmt: skip
                row[f"{before}rows_{b}"] = int(counts[b])
                row[f"{before}confidence_{b}"], row[f"{before}correct_{b}"] = mean
        rows.append(row)
    table = pd.DataFrame(sorted(rows, key=lambda row: (row["learner"], row["strategy"])))
    # Whole numbers where a row has none, too.
    return table.astype({name: "Int64" for name in table if "rows_" in name})


def parts_file(dataset, family):
    """Where the finished cells of a family are until its tables are written."""
    return root() / "data" / "cache" / "cells" / f"{dataset}-{family}.jsonl"


def save(outcome, results, dataset, family):
    """Write the tables of a family, each whole or not at all.

    Parameters
    ----------
    outcome : Outcome
    results : str
        ``results``, ``results/web`` or ``results/wide``.
    dataset, family : str
    """
    timings = outcome.timings.round(DIGITS)
    tables = {"runs": outcome.runs, "curves": outcome.curves, "timings": timings}
    for kind, table in tables.items():
        path = table_file(results, kind, dataset, family)
        write_table(table, path)
        for former in path.parent.glob(f"{family}.csv*"):  # it was not compressed before
            if former != path:
                former.unlink()
    path = root() / results / "timings" / dataset / f"{family}.json"
    if outcome.loop["fitted"] or not path.is_file():
        loop = {k: round(v, 3) for k, v in outcome.loop.items()}
        write_whole(path, json.dumps(loop, indent=1) + "\n")
    with suppress(OSError):
        parts_file(dataset, family).unlink()  # the tables hold them now
