"""Refit a sample of committed cells and compare every metric with the committed value."""

import json

import numpy as np
import pandas as pd
from scipy import stats

from imbbench import config
from imbbench.bench import metrics
from imbbench.bench.cell import Task
from imbbench.bench.pool import compute, hardware
from imbbench.bench.rows import CELL, DIGITS, PER_CLASS
from imbbench.errors import StudyError
from imbbench.paths import root

FALSE_ALARM = 1e-6


def tolerances(runs, smallest_test_class, comparisons):
    """How far a refit on another platform may lie from the committed value.

    Elsewhere the last digits of every sum differ, a network may stop an epoch earlier, and the
    refit is like one with another seed. The spread over splits contains the spread over seeds
    (it adds that of the rows), so two draws of that spread bound the difference: a two-sided
    Student interval at a family-wise false-alarm rate of one in a million, the variance pooled
    over the strategies of a data set, learner and rule. One test row of the smallest class may
    change its label on top, which matters where all splits agree exactly.

    Parameters
    ----------
    runs : DataFrame
        Committed rows of one data set that have scores, without those of the sample: a wrong
        value must not widen its own limit.
    smallest_test_class : float
        Rows of the smallest class in a test fold.
    comparisons : int
        Values compared in all.

    Returns
    -------
    DataFrame
        By learner and rule, one column per metric.
    """
    values = _values(runs)
    groups = runs.groupby(["learner", "rule", "family", "strategy"])[values]
    pooled = groups.var().groupby(["learner", "rule"]).mean()
    freedom = (groups.size() - 1).groupby(["learner", "rule"]).sum()
    quantile = stats.t.isf(FALSE_ALARM / (2 * comparisons), np.maximum(freedom, 1))
    return np.sqrt(2 * pooled).mul(quantile, axis=0) + 1 / smallest_test_class


def _values(table):
    per_class = tuple(f"{name}_" for name in PER_CLASS)
    return [c for c in table.columns if c in metrics.SCORES or c.startswith(per_class)]


def _read(study, kind):
    """All committed tables of one kind that are there, by data set."""
    tables = {}
    for dataset in study.datasets:
        folder = root() / "results" / kind / dataset
        files = [folder / f"{family}.csv" for family in study.families]
        found = [
            pd.read_csv(file, keep_default_na=False, na_values=[""])
            for file in files
            if file.is_file()
        ]
        if found:
            tables[dataset] = pd.concat(found, ignore_index=True)
    return tables


def verify(cells=20, seed=0, progress=print):
    """Refit a random sample of committed cells and compare.

    On the platform that made a cell (the timings record it) every value must be equal to the last
    committed digit; elsewhere it must lie within :func:`tolerances`.

    Parameters
    ----------
    cells : int
        Size of the sample, drawn evenly over data sets and learners.
    seed : int
        Of the sample.
    progress : callable
        Called with lines of text.

    Returns
    -------
    int
        0 if all agree, 1 otherwise; the lines name the cells and values that do not.
    """
    study = config.load()
    runs, timings = _read(study, "runs"), _read(study, "timings")
    if not runs:
        raise StudyError("There are no results to verify: run `dvc repro` first.")
    scored = {name: table[table["status"] == "ok"].copy() for name, table in runs.items()}
    everything = pd.concat(scored.values(), ignore_index=True)
    everything["rule"] = everything["rule"].fillna("")
    pool = everything.drop_duplicates(CELL).sort_values(CELL)
    pool = pool.sample(frac=1, random_state=seed)
    # Round-robin over data sets and learners, so that a small sample sees all of them.
    turn = pool.groupby(["dataset", "learner"]).cumcount()
    sample = pool.assign(turn=turn).sort_values("turn", kind="stable").head(cells)
    todo = [
        Task(row.dataset, row.family, row.learner, row.strategy, int(row.split))
        for row in sample.itertuples()
    ]
    progress(f"Refitting {len(todo)} of {len(pool)} committed cells (seed {seed}).")
    others = everything.set_index(CELL).drop(sample.set_index(CELL).index).reset_index()
    results, _ = compute(study, todo, reuse=False, progress=progress)

    here, wrong, exact = hardware(), [], 0
    committed = everything.set_index([*CELL, "rule"]).sort_index()
    comparisons = sum(len(rows) for _, rows, _, _ in results) * len(_values(everything))
    for task, rows, timing, _ in results:
        name = f"{task.dataset} {task.learner} {task.family} {task.strategy} split {task.split}"
        if timing["status"] != "ok":
            wrong.append(f"{name}: {timing['status']} here: {rows[0]['reason']}")
            continue
        table = timings[task.dataset]
        made = table[(table[CELL] == [getattr(task, c) for c in CELL]).all(axis=1)]["platform"]
        same = list(made) == [here]
        exact += same
        allowed = None
        if not same:
            smallest = _smallest_test_class(task.dataset, study)
            known = others[others["dataset"] == task.dataset]
            allowed = tolerances(known[scored[task.dataset].columns], smallest, comparisons)
        for row in rows:
            old = committed.loc[(*[getattr(task, c) for c in CELL], row["rule"])]
            for value in _values(scored[task.dataset]):
                if value not in row:
                    continue
                new, was = round(float(row[value]), DIGITS), float(old[value])
                if np.isnan(new) and np.isnan(was):
                    continue
                limit = 0.0 if same else float(allowed.loc[(task.learner, row["rule"]), value])
                if not abs(new - was) <= limit:
                    wrong.append(
                        f"{name}, rule {row['rule']}: {value} is {was:g} in results/, {new:g} here"
                        + ("" if same else f" (allowed difference {limit:.2g})")
                    )
    for line in wrong:
        progress(line)
    how = f"{exact} to the last digit, {len(todo) - exact} within the spread over splits"
    progress(
        f"{len(todo)} cells verified, {how}."
        if not wrong
        else f"{len(wrong)} values differ. If you changed code or data, run `dvc repro` first."
    )
    return 1 if wrong else 0


def _smallest_test_class(dataset, study):
    schema = root() / "data" / "prepared" / dataset / "schema.json"
    counts = json.loads(schema.read_text(encoding="utf-8"))["class_counts"]
    return max(1.0, min(counts) / study.protocol.folds)
