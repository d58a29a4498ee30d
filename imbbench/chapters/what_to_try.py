"""How good the advice of ``imbbench recommend`` is on data sets that it has not seen, for
notebook 20."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from imbbench.analysis.plots import PALETTE, STYLE, new_figure
from imbbench.analysis.prose import code, with_interval
from imbbench.analysis.recommend import compared, regrets
from imbbench.analysis.tables import WORDS

SHOWN = ("balanced_accuracy", "macro_f1", "average_precision")
NAMES = {
    "recommended": ("what is recommended", PALETTE[0], "o"),
    "plain": ("always plain, cut-off moved", PALETTE[1], "D"),
    "average": ("always the best on average", PALETTE[2], "s"),
}


def all_regrets(runs, measured, learners, metrics=SHOWN):
    """Regrets of every learner and metric.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.
    measured : DataFrame
        Of :func:`imbbench.analysis.recommend.read_measures`.
    learners : list of str
    metrics : iterable of str

    Returns
    -------
    DataFrame
        Of :func:`imbbench.analysis.recommend.regrets`, with ``learner`` and ``metric``.
    """
    found = [
        regrets(runs, measured, learner, metric).assign(learner=learner, metric=metric)
        for learner in learners
        for metric in metrics
    ]
    found = [table for table in found if len(table)]
    names = ["origin", "oracle", *NAMES, "tried", "learner", "metric"]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=names)


def summed(table):
    """Mean regrets and what the advice saves, by learner and metric, for reading."""
    rows = []
    for (metric, learner), part in table.groupby(["metric", "learner"], sort=False):
        one = compared(part)
        rows.append(
            (
                WORDS[metric],
                code(learner),
                one["origins"],
                *(round(one[name], 4) for name in NAMES),
                with_interval(*one["over_plain"], form="+.4f"),
                with_interval(*one["over_average"], form="+.4f"),
            )
        )
    heads = ["metric", "learner", "origins", "regret: recommended", "plain, cut-off moved"]
    heads += ["best on average", "saved beside plain [95 %]", "saved beside the best on average"]
    return pd.DataFrame(rows, columns=heads)


def often_tried(table):
    """What is recommended first, and how often, by metric and learner, for reading."""
    rows = [
        (WORDS[metric], code(learner), code(tried), count)
        for (metric, learner), part in table.groupby(["metric", "learner"], sort=False)
        for tried, count in part["tried"].value_counts().items()
    ]
    return pd.DataFrame(rows, columns=["metric", "learner", "recommended", "origins"])


def conclusion(table):
    """Whether the advice beats the two that need none, by metric."""
    if table.empty:
        return "There are too few origins to give advice from, or to try it on."
    lines = []
    for metric in dict.fromkeys(table["metric"]):
        part = table[table["metric"] == metric]
        clear = {"plain": 0, "average": 0}
        learners = part.groupby("learner", sort=False)
        for _, of_learner in learners:
            one = compared(of_learner)
            for name in clear:
                clear[name] += int(one[f"over_{name}"][1] > 0)
        means = part[list(NAMES)].mean()
        lines.append(
            f"- {WORDS[metric][0].upper()}{WORDS[metric][1:]}: the advice loses "
            f"{means['recommended']:.3f} to the best strategy on an origin it has not seen, always "
            f"plain with its cut-off moved {means['plain']:.3f}, always the best on average "
            f"{means['average']:.3f}. It is clearly better than plain with {clear['plain']} of "
            f"{learners.ngroups} learners, than the best on average with {clear['average']}."
        )
    return "\n".join(lines)


@mpl.rc_context(STYLE)
def plot(table):
    """Mean regret of the three ways to choose, by learner, a panel per metric; None without any."""
    if table.empty:
        return None
    metrics, learners = (list(dict.fromkeys(table[name])) for name in ("metric", "learner"))
    figure, (axes,) = new_figure(1.3 + 0.3 * len(learners), ncols=len(metrics), sharey=True)
    for ax, metric in zip(axes, metrics, strict=True):
        for i, (name, (_, colour, mark)) in enumerate(NAMES.items()):
            part = table[table["metric"] == metric].groupby("learner")[name].mean()
            y = np.arange(len(learners)) + (i - 1) * 0.18
            ax.plot(part.reindex(learners), y, mark, color=colour, ms=5)
        ax.set_title(WORDS[metric])
        ax.set_xlim(left=0)
        ax.set_xlabel("lost to the best strategy")
        ax.tick_params(axis="y", length=0)
    axes[0].set_yticks(np.arange(len(learners)), learners)
    axes[0].set_ylim(len(learners) - 0.5, -0.5)
    handles = [
        Line2D([], [], ls="", marker=mark, color=colour, ms=5, label=words)
        for words, colour, mark in NAMES.values()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure
