"""A search of settings for everyone, plain and treated alike, for notebook 18."""

import itertools
from dataclasses import dataclass

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from sklearn.metrics import average_precision_score

from imbbench import config
from imbbench.analysis.plots import PALETTE, STYLE, new_figure
from imbbench.analysis.prose import code, with_interval
from imbbench.analysis.statistics import MATTERS, t_interval
from imbbench.bench.cell import Cell, Task, split_of, view_of
from imbbench.bench.metrics import label_metrics
from imbbench.bench.protocol import balanced_accuracy, decide, seed_for, tune_offsets
from imbbench.bench.registry import resolve

TRIALS = 16
STRATEGIES = {
    "plain": "reference",
    "inverse_frequency": "weighting",
    "smote": "oversampling",
    "under_1_1": "undersampling",
}
# What a trial draws from; the study's own settings are the first trial.
SPACES = {
    "logreg": {"C": ("log", 1e-3, 1e3)},
    "tree": {"min_samples_leaf": ("whole", 1, 50), "max_depth": ("of", 3, 6, 12, None)},
    "hgb": {
        "max_iter": ("of", 50, 100, 200),
        "learning_rate": ("log", 0.02, 0.3),
        "max_depth": ("of", 2, 3, 5, None),
        "l2_regularization": ("log", 0.01, 30.0),
        "min_samples_leaf": ("of", 2, 5, 20),
    },
    "mlp": {
        "learning_rate": ("log", 3e-4, 3e-2),
        "weight_decay": ("log", 1e-6, 1e-2),
        "hidden": ("of", [32], [64, 32], [128, 64]),
        "batch_size": ("of", 64, 256),
    },
}
METRICS = ("balanced_accuracy", "average_precision")
KEY = ["dataset", "learner", "strategy", "split"]


@dataclass(frozen=True)
class Search:
    """Names of one search."""

    dataset: str
    learner: str
    strategy: str
    split: int


def trials(learner, seed):
    """Settings over the study's own, the first of them none; the same for every strategy.

    Parameters
    ----------
    learner : str
    seed : int

    Returns
    -------
    list of dict, :data:`TRIALS`
    """
    rng = np.random.default_rng(seed)
    found = [{}]
    while len(found) < TRIALS:
        found.append({name: _drawn(rng, *space) for name, space in SPACES[learner].items()})
    return found


def _drawn(rng, kind, *ends):
    if kind == "of":
        return ends[rng.integers(len(ends))]
    if kind == "log":
        low, high = np.log(ends)
        return float(np.exp(rng.uniform(low, high)))
    return int(rng.integers(ends[0], ends[1] + 1))


def searched(study, task):
    """Fit every trial; the best by the validation part is scored on the test fold.

    The cut-off of every trial is tuned for balanced accuracy on the validation part; so is the
    choice among them, and that by average precision for average precision.

    Returns
    -------
    list of dict
        Of the study's own settings (``settings`` ``as in the study``) and of the best of all
        trials (``searched``): ``balanced_accuracy``, ``average_precision`` on the test fold.
    """
    family, name = STRATEGIES[task.strategy], task.strategy
    data = split_of(study, task.dataset, task.learner, task.split)
    seed = seed_for(study.protocol.seed, task.dataset, task.split, "search")
    call, _ = resolve(family, name, study.family(family)[name])
    places = Task(task.dataset, family, task.learner, name, task.split)
    X_test, y_test = view_of(data.X_test), data.y_test
    found = []
    for settings in trials(task.learner, seed):
        cell = Cell(study, places, reuse=False, split=data, seed=seed, settings=settings)
        model = call(cell) if name != "plain" else cell.fit()
        held_out, p = model.predict_proba(cell.X_val), model.predict_proba(X_test)
        offsets = tune_offsets(held_out, cell.y_val, balanced_accuracy)
        seen, tested = (
            label_metrics(y, decide(q, offsets), 2)["balanced_accuracy"]
            for y, q in ((cell.y_val, held_out), (y_test, p))
        )
        found.append(
            {
                "seen": (seen, average_precision_score(cell.y_val, held_out[:, 1])),
                "tested": (tested, average_precision_score(y_test, p[:, 1])),
            }
        )
    rows = []
    for settings, kept in (("as in the study", found[:1]), ("searched", found)):
        row = vars(task) | {"settings": settings}
        for i, metric in enumerate(METRICS):
            best = max(range(len(kept)), key=lambda k: (kept[k]["seen"][i], -k))
            row[metric] = kept[best]["tested"][i]
        rows.append(row)
    return rows


def _work(study, task):
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    return searched(study, task)


def compute(datasets, learners, splits, jobs=-1, progress=print):
    """Every search.

    Returns
    -------
    DataFrame
        Of :func:`searched`, sorted.
    """
    study = config.load()
    todo = list(itertools.starmap(Search, itertools.product(datasets, learners, STRATEGIES,
                                                            range(splits))))  # fmt: skip
    call, rows = joblib.delayed(_work), []
    with joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
        pool = joblib.Parallel(return_as="generator")
        for done, found in enumerate(pool(call(study, task) for task in todo), 1):
            rows += found
            if done % 10 == 0 or done == len(todo):
                progress(f"{done} of {len(todo)} searches")
    return pd.DataFrame(rows).sort_values([*KEY, "settings"], ignore_index=True)


def gains(table):
    """Strategies minus plain, both with the study's settings and both searched.

    Returns
    -------
    DataFrame
        ``metric``, ``learner``, ``strategy``, ``settings``, ``mean``, ``low``, ``high`` (over data
        sets), ``datasets``.
    """
    rows = []
    for metric in METRICS:
        keys = ["settings", "learner", "dataset", "strategy"]
        wide = table.groupby(keys)[metric].mean().unstack("strategy")
        for name in STRATEGIES:
            if name == "plain":
                continue
            gap = wide[name] - wide["plain"]
            for (settings, learner), part in gap.groupby(level=["settings", "learner"]):
                rows.append((metric, learner, name, settings, *t_interval(part), len(part)))
    names = ["metric", "learner", "strategy", "settings", "mean", "low", "high", "datasets"]
    return pd.DataFrame(rows, columns=names)


def found_by_search(table):
    """What the search itself brings to every strategy, mean over data sets with an interval."""
    rows = []
    for metric in METRICS:
        wide = table.groupby(["strategy", "dataset", "settings"])[metric].mean().unstack("settings")
        gap = wide["searched"] - wide["as in the study"]
        for name in STRATEGIES:
            rows.append(
                (code(name), metric.replace("_", " "), with_interval(*t_interval(gap[name])))
            )
    return pd.DataFrame(rows, columns=["strategy", "metric", "searched minus as in the study"])


def _sign(row):
    return "above" if row.low > 0 else "below" if row.high < 0 else "not clear of"


def turned(table):
    """Rows of :func:`gains` whose interval lies elsewhere once everybody has searched."""
    found = table.assign(side=[_sign(row) for row in table.itertuples()])
    wide = found.pivot(index=["metric", "learner", "strategy"], columns="settings", values="side")
    return wide[wide["searched"] != wide["as in the study"]].reset_index()


def conclusion(table):
    """Whether a search of settings changes what is said of a strategy."""
    found = gains(table)
    pairs = len(found) // 2
    other = turned(found)
    means = found.pivot(index=["metric", "learner", "strategy"], columns="settings", values="mean")
    crossed = (means.min(axis=1) < 0) & (means.max(axis=1) > 0)
    crossed &= means.abs().max(axis=1) > MATTERS
    lines = [
        f"- Of {pairs} comparisons of a strategy with the untreated learner, {len(other)} have an "
        f"interval on another side of zero when both are the best of {TRIALS} trials in place of "
        f"the study's settings; {crossed.sum()} have a mean of the other sign (one of the two more "
        f"than {MATTERS:g} from zero)."
    ]
    for row in other.to_dict("records"):
        lines.append(
            f"- {code(row['strategy'])} with {code(row['learner'])}, "
            f"{row['metric'].replace('_', ' ')}: {row['as in the study']} zero as in the study, "
            f"{row['searched']} zero when searched."
        )
    for settings in ("as in the study", "searched"):
        part = found[(found["settings"] == settings) & (found["metric"] == METRICS[0])]
        lines.append(
            f"- Mean gain in balanced accuracy, {settings}: {part['mean'].mean():+.3f} (from "
            f"{part['mean'].min():+.3f} to {part['mean'].max():+.3f})."
        )
    return "\n".join(lines)


def shown(found):
    """:func:`gains` for reading."""
    texts = [with_interval(row.mean, row.low, row.high) for row in found.itertuples()]
    table = found.assign(text=texts, metric=found["metric"].str.replace("_", " "))
    wide = table.pivot(index=["metric", "learner", "strategy"], columns="settings", values="text")
    wide = wide.reset_index().rename_axis(columns=None)
    for column in ("learner", "strategy"):
        wide[column] = wide[column].map(code)
    return wide


@mpl.rc_context(STYLE)
def plot(found):
    """Gains over plain, as in the study and searched, a panel per metric."""
    rows = found[["learner", "strategy"]].drop_duplicates().reset_index(drop=True)
    figure, (axes,) = new_figure(1.2 + 0.3 * len(rows), ncols=len(METRICS), sharey=True)
    looks = {"as in the study": (PALETTE[0], "o", -0.14), "searched": (PALETTE[1], "D", 0.14)}
    for ax, metric in zip(axes, METRICS, strict=True):
        ax.axvline(0, color="#606060", lw=0.9)
        for settings, (colour, mark, shift) in looks.items():
            part = found[(found["metric"] == metric) & (found["settings"] == settings)]
            part = rows.merge(part, on=["learner", "strategy"], how="left")
            y = np.arange(len(part)) + shift
            ax.hlines(y, part["low"], part["high"], color=colour, lw=1.3)
            ax.plot(part["mean"], y, mark, color=colour, ms=4.5)
        ax.set_title(metric.replace("_", " "))
        ax.set_xlabel("strategy minus plain")
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
    axes[0].set_yticks(
        np.arange(len(rows)), [f"{r.learner}  {r.strategy}" for r in rows.itertuples()]
    )
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    handles = [
        Line2D([], [], color=colour, marker=mark, lw=1.3, ms=4.5, label=name)
        for name, (colour, mark, _) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure
