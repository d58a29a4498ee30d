"""Ratio, number of minority rows and overlap on real data, each by itself, for notebook 19."""

import itertools
from dataclasses import dataclass

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from imbbench import config
from imbbench.analysis.plots import DASHES, PALETTE, STYLE, new_figure
from imbbench.analysis.prose import with_interval
from imbbench.analysis.statistics import t_interval
from imbbench.bench.cell import Cell, split_of, view_of
from imbbench.bench.metrics import label_metrics
from imbbench.bench.prepared import data_of
from imbbench.bench.protocol import seed_for

RATIOS = (1, 5, 20)  # majority for each of the minority
MINORITY = (10, 30, 100)  # rows of it that are trained on
NOISE = (0.0, 1.0, 3.0)  # standard deviations of every feature that are added to it
EASY, HARD = 0.95, 0.8  # ROC AUC from which on, and up to which, a task is called so


@dataclass(frozen=True)
class Fit:
    """Names of one fit."""

    task: str
    learner: str
    noise: float
    minority: int
    ratio: int
    split: int


def tasks_of(study, datasets):
    """Tasks of two classes: the largest class of a data set against each that has rows enough.

    Parameters
    ----------
    study : imbbench.config.Study
    datasets : list of str
        Tables.

    Returns
    -------
    dict of str to (str, int)
        ``data set/class`` to the data set and the class's code: those with as many rows in every
        training part as the largest of :data:`MINORITY`.
    """
    found = {}
    for name in datasets:
        prepared, cuts = data_of(name, study.protocol)
        for code, label in enumerate(prepared.schema["classes"][1:], 1):
            if min((prepared.y[cut[0]] == code).sum() for cut in cuts) >= max(MINORITY):
                found[f"{name}/{label}"] = name, code
    return found


def scored(study, fit, dataset, code):
    """Train on a part of a given ratio, size and noise, and score both classes equally.

    Returns
    -------
    dict or None
        ``auc``, and ``balanced_accuracy`` and ``minority_recall`` at the default cut-off. None
        where there is too little majority.
    """
    data = split_of(study, dataset, fit.learner, fit.split)
    X, y, *_ = map(view_of, data.seen)
    categorical = data.seen[4]
    # The same rows, and the same noise on them, for all learners; a smaller part is in a larger.
    seed = seed_for(study.protocol.seed, fit.task, fit.split, "difficulty")
    rng = np.random.default_rng(seed)
    majority, minority = (rng.permutation(np.flatnonzero(y == c)) for c in (0, code))
    wanted = fit.ratio * fit.minority
    if len(majority) < wanted:
        return None
    rows = np.concatenate([majority[:wanted], minority[: fit.minority]])
    labels = np.repeat([0, 1], [wanted, fit.minority])
    X_test, y_test = view_of(data.X_test), data.y_test
    tested = np.isin(y_test, (0, code))
    spread = np.where(categorical, 0.0, np.nanstd(X, axis=0))
    noisy = [
        part + fit.noise * spread * np.random.default_rng(seed + k).normal(size=part.shape)
        for k, part in enumerate((X, X_test))
    ]
    cell = Cell.from_arrays(
        study, fit.learner, noisy[0][rows], labels, classes=["majority", "minority"],
        categorical=categorical, seed=seed,
    )  # fmt: skip
    p = cell.fit().predict_proba(noisy[1][tested])
    truth = (y_test[tested] == code).astype(int)
    found = label_metrics(truth, p.argmax(axis=1), 2)
    return vars(fit) | {
        "auc": roc_auc_score(truth, p[:, 1]),
        "balanced_accuracy": found["balanced_accuracy"],
        "minority_recall": found["recall"][1],
    }


def _work(study, fit, place):
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    return scored(study, fit, *place)


def compute(datasets, learners, splits, jobs=-1, progress=print):
    """Every task at every noise, size and ratio.

    Returns
    -------
    DataFrame
        Of :func:`scored`, sorted, with ``difficulty``: the mean AUC of the task's learner at that
        noise with most minority rows and equal classes.
    """
    study = config.load()
    places = tasks_of(study, datasets)
    todo = [
        Fit(task, learner, noise, minority, ratio, split)
        for task, learner in itertools.product(places, learners)
        for noise, minority, ratio in itertools.product(NOISE, MINORITY, RATIOS)
        for split in range(splits)
    ]
    call, rows = joblib.delayed(_work), []
    with joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
        pool = joblib.Parallel(return_as="generator")
        found = pool(call(study, fit, places[fit.task]) for fit in todo)
        for done, row in enumerate(found, 1):
            rows += [] if row is None else [row]
            if done % 200 == 0 or done == len(todo):
                progress(f"{done} of {len(todo)} fits")
    keys = ["task", "learner", "noise", "minority", "ratio", "split"]
    table = pd.DataFrame(rows).sort_values(keys, ignore_index=True)
    return with_difficulty(table)


def with_difficulty(table):
    """``table`` with the AUC that a task is learnt with, given equal classes and enough rows."""
    best = table[(table["minority"] == max(MINORITY)) & (table["ratio"] == 1)]
    best = best.groupby(["task", "learner", "noise"])["auc"].mean().rename("difficulty")
    return table.drop(columns="difficulty", errors="ignore").merge(
        best.reset_index(), on=["task", "learner", "noise"], how="left"
    )


def kinds(table):
    """``easy``, ``between`` or ``hard``, for every row."""
    level = table["difficulty"]
    return np.select([level >= EASY, level <= HARD], ["easy", "hard"], "between")


def steps(table, metric="auc"):
    """What a higher ratio, fewer minority rows and more noise cost, each by itself.

    Returns
    -------
    DataFrame
        ``change`` (ratio 1 to 20 with as many minority rows; minority rows 100 to 10 at equal
        classes; noise 0 to 3), ``kind`` (easy, between, hard, all; noise: all), ``mean``,
        ``low``, ``high`` (over tasks), ``tasks``.
    """
    table = table.assign(kind=kinds(table))
    rows = []
    for change, column, first, last, fixed in (
        (f"ratio 1 to {max(RATIOS)}", "ratio", 1, max(RATIOS), {}),
        (f"minority rows {max(MINORITY)} to {min(MINORITY)}", "minority", max(MINORITY),
         min(MINORITY), {"ratio": 1}),
        (f"noise 0 to {max(NOISE):g}", "noise", 0.0, max(NOISE), {"ratio": 1}),
    ):  # fmt: skip
        part = table
        for name, value in fixed.items():
            part = part[part[name] == value]
        others = ["task", "learner", "noise", "minority", "ratio", "split"]
        others.remove(column)
        both = [part[part[column] == value].set_index(others) for value in (first, last)]
        gap = (both[1][metric] - both[0][metric]).dropna().rename("gap").reset_index()
        gap["kind"] = both[0]["kind"].reindex(pd.MultiIndex.from_frame(gap[others])).to_numpy()
        for kind in ("easy", "between", "hard", "all"):
            if column == "noise" and kind != "all":  # it is what makes a task hard
                continue
            values = gap if kind == "all" else gap[gap["kind"] == kind]
            values = values.groupby("task")["gap"].mean()
            rows.append((change, kind, *t_interval(values), len(values)))
    return pd.DataFrame(rows, columns=["change", "kind", "mean", "low", "high", "tasks"])


def shown(table):
    """:func:`steps` of AUC and of balanced accuracy at the default cut-off, for reading."""
    parts = {name: steps(table, name) for name in ("auc", "balanced_accuracy")}
    first, second = parts.values()
    return pd.DataFrame(
        {
            "change": first["change"],
            "tasks that are": first["kind"],
            "number": first["tasks"],
            "ROC AUC": [with_interval(r.mean, r.low, r.high) for r in first.itertuples()],
            "balanced accuracy": [
                with_interval(r.mean, r.low, r.high) for r in second.itertuples()
            ],
        }
    )


def conclusion(table):
    """What each of the three costs, in numbers."""
    auc = steps(table).set_index(["change", "kind"])
    label = steps(table, "balanced_accuracy").set_index(["change", "kind"])
    ratio, rows, noise = dict.fromkeys(auc.index.get_level_values("change"))

    def said(found, change, kind="all"):
        return with_interval(*found.loc[(change, kind), ["mean", "low", "high"]])

    return "\n".join(
        [
            f"- With as many rows of the minority, a ratio of 1:{max(RATIOS)} in place of 1:1 "
            f"changes ROC AUC by {said(auc, ratio)}, and balanced accuracy at the default cut-off "
            f"by {said(label, ratio)}: by {said(label, ratio, 'easy')} where the classes lie "
            f"apart, by {said(label, ratio, 'hard')} where they overlap.",
            f"- With equal classes, {min(MINORITY)} rows of the minority in place of "
            f"{max(MINORITY)} change ROC AUC by {said(auc, rows)}.",
            f"- Noise that makes the classes overlap changes it by {said(auc, noise)}.",
        ]
    )


@mpl.rc_context(STYLE)
def plot(table):
    """ROC AUC and balanced accuracy along the ratio, by kind of task and rows of the minority."""
    table = table.assign(kind=kinds(table))
    metrics = {"auc": "ROC AUC", "balanced_accuracy": "balanced accuracy"}
    figure, axes = new_figure(4.6, nrows=2, ncols=3, sharex=True, sharey=True)
    for line, (metric, words) in zip(axes, metrics.items(), strict=True):
        for ax, kind in zip(line, ("easy", "between", "hard"), strict=True):
            part = table[table["kind"] == kind]
            for rows, colour, dash, mark in zip(MINORITY, PALETTE, DASHES, "oDs", strict=False):
                means = part[part["minority"] == rows].groupby(["ratio", "task"])[metric].mean()
                means = means.groupby("ratio").mean()
                ax.plot(means.index, means, color=colour, ls=dash, marker=mark, ms=4,
                        label=f"{rows} rows of the minority")  # fmt: skip
            if metric == "auc":
                ax.set_title(f"{kind} ({part['task'].nunique()} tasks)")
            ax.set(xscale="log", ylim=(0.45, 1.02))
            ax.set_xticks(RATIOS, [f"1:{ratio}" for ratio in RATIOS])
            ax.minorticks_off()
        line[0].set_ylabel(words)
    handles, texts = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=3)
    return figure
