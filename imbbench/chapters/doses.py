"""Doses of weights and of sampling, and the cut-off beside them, for notebook 14."""

import itertools

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from sklearn.metrics import average_precision_score

from imbbench import config
from imbbench.analysis.plots import DASHES, PALETTE, STYLE, new_figure, words
from imbbench.analysis.prose import code, with_interval
from imbbench.analysis.statistics import t_interval
from imbbench.bench.cell import Cell, Task, split_of, view_of
from imbbench.bench.encoder import embed
from imbbench.bench.metrics import label_metrics
from imbbench.bench.prepared import data_of
from imbbench.bench.protocol import seed_for
from imbbench.bench.registry import learner_class
from imbbench.errors import StudyError

# Times the weight of the majority; rows of the majority for each of the minority.
DOSES = {
    "weight": (1, 2, 3, 5, 10, 20, 30),
    "under-sampling to": (50, 20, 10, 5, 2, 1),
    "over-sampling to": (50, 20, 10, 5, 2, 1),
}
BALANCED = "weight, equal classes"  # of rows drawn to equal classes, as many of each
ARMS = [*DOSES, BALANCED]
KEPT = ["balanced_accuracy", "macro_f1", "minority_f1"]
KEY = ["dataset", "learner", "split", "arm", "dose"]


def plan(study, datasets, learners, splits):
    """Data set, learner and split of every run: all doses follow from one.

    Raises
    ------
    StudyError
        If a data set has more than two classes.
    """
    found = []
    for dataset, learner in itertools.product(datasets, learners):
        prepared, cuts = data_of(dataset, study.protocol)
        if len(prepared.schema["classes"]) > 2:
            raise StudyError(f"data set {dataset} has more than two classes; choose one with two")
        if prepared.schema["modality"] in learner_class(study, learner).features:
            found += [(dataset, learner, split) for split in range(min(splits, len(cuts)))]
    return found


def rows_of(cell, arm, dose):
    """Training rows of an arm at a dose, and the weights of the classes or None.

    Parameters
    ----------
    cell : imbbench.bench.cell.Cell
    arm : str
    dose : int

    Returns
    -------
    X, y, class_weight
        None in place of all three where the data hold less majority than the dose asks for.
    """
    rows = np.arange(len(cell.y))[:, None]
    majority, minority = cell.class_counts
    if arm == "weight":
        return cell.X, cell.y, np.array([1.0, dose])
    if arm == BALANCED:
        sampler = RandomUnderSampler(sampling_strategy={0: minority}, random_state=cell.common_seed)
        taken = sampler.fit_resample(rows, cell.y)[0][:, 0]
        return cell.X[taken], cell.y[taken], np.array([1.0, dose])
    if majority < dose * minority:
        return None
    if arm == "under-sampling to":
        sampler = RandomUnderSampler(
            sampling_strategy={0: dose * minority}, random_state=cell.common_seed
        )
    else:
        wanted = max(minority, round(majority / dose))
        sampler = RandomOverSampler(sampling_strategy={1: wanted}, random_state=cell.common_seed)
    taken = sampler.fit_resample(rows, cell.y)[0][:, 0]
    return cell.X[taken], cell.y[taken], None


def scored(study, dataset, learner, split):
    """Fit every dose on one split and score it on the test fold.

    Returns
    -------
    list of dict
        ``arm``, ``dose``, then ``recall``, ``precision``, ``minority_f1``, ``macro_f1``,
        ``balanced_accuracy`` at argmax, ``average_precision``, and ``precision_of_plain``: of the
        untreated learner with its cut-off moved to find as many of the minority. Doses that ask
        for more majority than there is are left out.
    """
    data = split_of(study, dataset, learner, split)
    seed = seed_for(study.protocol.seed, dataset, split, "doses")
    cell = Cell(study, Task(dataset, "weighting", learner, "doses", split), split=data, seed=seed)
    X_test, y_test = view_of(data.X_test), data.y_test
    plain = cell.fit().predict_proba(X_test)[:, 1]
    rows = []
    for arm, doses in {**DOSES, BALANCED: DOSES["weight"]}.items():
        for dose in doses:
            taken = rows_of(cell, arm, dose)
            if taken is None:
                continue
            X, y, weights = taken
            p = cell.fit(X, y, class_weight=weights).predict_proba(X_test)[:, 1]
            found = label_metrics(y_test, (p >= 0.5).astype(int), 2)
            rows.append(
                {
                    "arm": arm,
                    "dose": dose,
                    "recall": found["recall"][1],
                    "precision": found["precision"][1],
                    "minority_f1": found["f1"][1],
                    "macro_f1": found["macro_f1"],
                    "balanced_accuracy": found["balanced_accuracy"],
                    "average_precision": average_precision_score(y_test, p),
                    "precision_of_plain": precision_at(y_test, plain, found["recall"][1]),
                }
            )
    return rows


def precision_at(y, p, recall):
    """Precision of a score whose cut-off is set to find a share of the positives.

    Between two cut-offs, and among rows of one score, it is interpolated as if rows of one score
    came in random order.

    Parameters
    ----------
    y : ndarray of {0, 1}, (N,)
    p : ndarray, (N,)
    recall : float

    Returns
    -------
    float
        NaN for a recall of 0.
    """
    wanted = recall * y.sum()
    if wanted <= 0:
        return np.nan
    hits = alarms = 0.0
    for value in np.unique(p)[::-1]:
        at = p == value
        more = y[at].sum()
        if hits + more >= wanted - 1e-9:
            share = (wanted - hits) / more
            return wanted / (alarms + share * at.sum())
        hits, alarms = hits + more, alarms + at.sum()
    return wanted / len(y)


def _work(study, dataset, learner, split):
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    names = {"dataset": dataset, "learner": learner, "split": split}
    return [names | found for found in scored(study, dataset, learner, split)]


def compute(datasets, learners, splits, jobs=-1, progress=print):
    """Every dose on every data set, see :func:`scored`.

    Returns
    -------
    DataFrame
        Sorted by data set, learner, split, arm, dose.
    """
    study = config.load()
    todo = plan(study, datasets, learners, splits)
    for name in datasets:
        data = data_of(name, study.protocol)[0]
        if data.schema["modality"] == "text":
            embed(data.X, study.protocol.encoder)
    call, rows = joblib.delayed(_work), []
    with joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
        pool = joblib.Parallel(return_as="generator")
        for done, found in enumerate(pool(call(study, *names) for names in todo), 1):
            rows += found
            progress(f"{done} of {len(todo)} splits, data sets and learners")
    return pd.DataFrame(rows).sort_values(KEY, ignore_index=True)


def _by_dataset(table, column):
    """Means over splits and learners, by arm, dose and data set."""
    cells = table.groupby(["arm", "dose", "dataset", "learner"], sort=False)[column].mean()
    return cells.groupby(["arm", "dose", "dataset"], sort=False).mean()


def along(table):
    """Means of every arm and dose, with the lowest and the highest data set, for reading."""
    rows = []
    for arm in ARMS:
        part = table[table["arm"] == arm]
        for dose in dict.fromkeys(sorted(part["dose"], reverse="sampling" in arm)):
            at = part[part["dose"] == dose]
            columns = ["recall", "precision", "minority_f1", "balanced_accuracy"]
            sets = at.groupby(["dataset", "learner"])[columns].mean().groupby("dataset").mean()
            texts = [
                f"{values.mean():.3f} ({values.min():.3f} to {values.max():.3f})"
                for _, values in sets.items()
            ]
            name = f"{arm} {dose}:1" if "sampling" in arm else f"{arm} × {dose}"
            rows.append((name, at["dataset"].nunique(), *texts))
    names = ["dose", "data sets", "recall", "precision", "F1 of the minority", "balanced accuracy"]
    return pd.DataFrame(rows, columns=names)


def gaps(table):
    """Precision of every arm minus that of plain with as much recall, over doses.

    Returns
    -------
    DataFrame
        ``arm``, ``mean``, ``low``, ``high`` (over data sets), ``datasets``.
    """
    rows = []
    for arm in (*DOSES,):
        part = table[(table["arm"] == arm) & (table["recall"] > 0)]
        gap = part.assign(gap=part["precision"] - part["precision_of_plain"])
        values = gap.groupby(["dataset", "learner"])["gap"].mean().groupby("dataset").mean()
        rows.append((arm, *t_interval(values), len(values)))
    return pd.DataFrame(rows, columns=["arm", "mean", "low", "high", "datasets"])


def best_doses(table, metric="balanced_accuracy"):
    """How often each dose of an arm is the best, over data sets and learners.

    Returns
    -------
    DataFrame
        Index: arm and dose; ``best`` (share of data sets and learners, ties shared), ``lost``:
        what always taking this dose loses to the best one of the arm, mean.
    """
    means = table[table["arm"].isin(DOSES)].groupby(["arm", "dataset", "learner", "dose"])[metric]
    means = means.mean()
    top = means.groupby(["arm", "dataset", "learner"]).transform("max")
    ties = (means == top).astype(float)
    share = ties / ties.groupby(["arm", "dataset", "learner"]).transform("sum")
    groups = ["arm", "dose"]
    sets = (
        means.reset_index()
        .groupby("arm")
        .apply(
            lambda part: part[["dataset", "learner"]].drop_duplicates().shape[0],
            include_groups=False,
        )
    )
    best = share.groupby(groups).sum().div(sets, level="arm")
    return pd.DataFrame({"best": best, "lost": (top - means).groupby(groups).mean()})


def conclusion(table):
    """Sentences on doses, the cut-off, and magic ratios."""
    lines = []
    gap = gaps(table).set_index("arm")
    said = ", ".join(
        f"{arm.removesuffix(' to')} {with_interval(*row[['mean', 'low', 'high']])}"
        for arm, row in gap.iterrows()
    )
    lines.append(
        "- Precision at the same recall, minus that of the untreated learner with its cut-off "
        f"moved: {said}."
    )
    balanced = table[table["arm"] == BALANCED]
    low, high = (
        _by_dataset(balanced[balanced["dose"] == dose], "recall").droplevel(["arm", "dose"])
        for dose in (1, 10)
    )
    lines.append(
        "- On equal classes, a weight of 10 changes the recall of its class by "
        f"{with_interval(*t_interval(high - low))}."
    )
    best = best_doses(table)
    for arm in DOSES:
        part = best.loc[arm]
        first, least = part["best"].idxmax(), part["lost"].idxmin()
        unit = ":1" if "sampling" in arm else ""
        head, often = f"- {arm.removesuffix(' to').capitalize()}: ", part.loc[first, "best"]
        if often == 1:
            lines.append(f"{head}{first}{unit} is the best dose everywhere.")
            continue
        lines.append(
            f"{head}no dose is best everywhere; {first}{unit} is most often ({often:.0%} of data "
            f"sets and learners). Always {least}{unit} loses least, {part.loc[least, 'lost']:.3f} "
            "of balanced accuracy to the best of each."
        )
    return "\n".join(lines)


def shown_best(table):
    """:func:`best_doses` for three metrics, for reading."""
    parts = {metric: best_doses(table, metric) for metric in KEPT}
    rows = []
    for arm, doses in DOSES.items():
        for dose in doses:
            if (arm, dose) not in parts[KEPT[0]].index:
                continue
            texts = [f"{p.loc[(arm, dose), 'best']:.0%}, {p.loc[(arm, dose), 'lost']:.3f}"
                     for p in parts.values()]  # fmt: skip
            rows.append((code(f"{arm} {dose}{':1' if 'sampling' in arm else ''}"), *texts))
    heads = [f"{name.replace('_', ' ')}: best, lost" for name in KEPT]
    return pd.DataFrame(rows, columns=["dose", *heads])


@mpl.rc_context(STYLE)
def plot(table):
    """Recall and precision along the doses of every arm, and along the cut-off of plain.

    A panel per data set; means over splits and learners.
    """
    names = list(dict.fromkeys(table["dataset"]))
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure, axes = new_figure(
        0.6 + 2.6 * lines, nrows=lines, ncols=columns, sharex=True, sharey=True
    )
    for ax, name in zip(axes.flat, names, strict=False):
        part = table[table["dataset"] == name]
        for arm, colour, dash, mark in zip(DOSES, PALETTE, DASHES, "oDs", strict=False):
            rows = part[part["arm"] == arm].groupby("dose")[["recall", "precision"]].mean()
            ax.plot(rows["recall"], rows["precision"], color=colour, ls=dash, marker=mark, ms=3.5,
                    lw=1.2, label=arm.removesuffix(" to"))  # fmt: skip
        rows = part[part["arm"].isin(DOSES)]
        rows = rows.assign(step=rows["recall"].round(1))
        moved = rows.groupby("step")[["recall", "precision_of_plain"]].mean()
        ax.plot(moved["recall"], moved["precision_of_plain"], color="black", lw=1.6, zorder=1,
                label="plain, cut-off moved")  # fmt: skip
        ax.set_title(words(name))
    for i, ax in enumerate(axes.flat):
        ax.set_visible(i < len(names))
        if i + columns >= len(names):
            ax.set_xlabel("recall of the minority")
            ax.tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set_ylabel("precision")
    axes[0, 0].set(xlim=(0, 1.02), ylim=(0, 1.02))
    handles, texts = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=4)
    return figure
