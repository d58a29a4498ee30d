"""Figures of the study as a whole: one function each, from a table to a matplotlib figure."""

import textwrap
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from imbbench.analysis.answer import FAMILIES, PANELS, panel_effects
from imbbench.analysis.answer import title as of_headline
from imbbench.analysis.inference import FEWEST, MARGIN, by_origin
from imbbench.analysis.plots import (
    INK,
    PALETTE,
    STYLE,
    new_figure,
    rank_heatmap,
    save_svg,
    words,
)
from imbbench.analysis.statistics import both_rules
from imbbench.analysis.tables import ranks_by_dataset

DARK = {
    "figure.facecolor": "#0d1117",
    "axes.facecolor": "#0d1117",
    "savefig.facecolor": "#0d1117",
    "text.color": "#e6edf3",
    "axes.labelcolor": "#e6edf3",
    "axes.titlecolor": "#e6edf3",
    "xtick.color": "#e6edf3",
    "ytick.color": "#e6edf3",
    "axes.edgecolor": "#8b949e",
    "grid.color": "#30363d",
}
# Finding: colour on white, colour on black, marker.
FINDINGS = {
    "better": ("#0173b2", "#56b4e9", "^"),
    "no clear difference": ("#949494", "#8b949e", "o"),
    "worse": ("#d55e00", "#ff8c42", "v"),
}
VERDICTS = {
    "helps": (PALETTE[0], "^"),
    "harms": (PALETTE[3], "v"),
    "equivalent": (INK, "s"),
    "undecided": ("#949494", "o"),
}


def headline(table, gain, title, dark=False):
    """Every remedy in three panels, families in plain words.

    Parameters
    ----------
    table : DataFrame
        Of :func:`imbbench.analysis.answer.panel_effects`.
    gain : float
        Balanced accuracy that moving the cut-off of the untreated learner brings: the line.
    title : str
        What the figure shows, as a sentence.
    dark : bool
        For a dark page.

    Returns
    -------
    matplotlib.figure.Figure
    """
    with mpl.rc_context({**STYLE, **(DARK if dark else {})}):
        ink = "#e6edf3" if dark else "black"
        first = table[table["panel"] == next(iter(PANELS))]
        order = first.groupby("family")["mean"].median().sort_values(ascending=False)
        height = 1.9 + 0.36 * len(order)
        figure, (axes,) = new_figure(height, ncols=len(PANELS), sharey=True)
        figure.suptitle(
            textwrap.fill(title, 88, break_on_hyphens=False),
            x=0.01,
            ha="left",
            fontsize=11,
            fontweight="bold",
        )
        for ax, (panel, (*_, heading)) in zip(axes, PANELS.items(), strict=True):
            part = table[table["panel"] == panel]
            _panel(ax, part, list(order.index), ink, dark)
            ax.set_title(heading, fontweight="bold")
            counts = part["finding"].value_counts()
            ax.set_xlabel(
                f"{counts.get('better', 0)} better, {counts.get('worse', 0)} worse of {len(part)}"
            )
        line = "#2bbf8a" if dark else "#007a55"
        axes[0].axvline(gain, color=line, ls=(0, (4, 2)), lw=1.5, zorder=1)
        counts = first.groupby("family").size()
        names = [f"{FAMILIES.get(name, name)} ({counts[name]})" for name in order.index]
        axes[0].set_yticks(np.arange(len(order)), names)
        axes[0].set_ylim(len(order) - 0.4, -0.6)
        handles = [
            Line2D([], [], ls="", marker=mark, ms=5, color=night if dark else day, label=name)
            for name, (day, night, mark) in FINDINGS.items()
        ]
        handles.append(Line2D([], [], color=ink, lw=1.8, label="median of the family"))
        handles.append(
            Line2D([], [], color=line, ls=(0, (4, 2)), label=f"plain, cut-off moved: {gain:+.3f}")
        )
        figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=8)
        return figure


def save_figures(runs, numbers, folder):
    """Draw the figures that stand beside the notebooks: the headline in two themes, and the ranks.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.
    numbers : dict
        Of :func:`imbbench.analysis.answer.numbers`, or ``results/study.json``.
    folder : path-like

    Returns
    -------
    list of pathlib.Path
        What was written.
    """
    effects = panel_effects(runs)
    gain = numbers["moved"]["all"]["balanced_accuracy"]["mean"]
    figures = {
        "headline": headline(effects, gain, of_headline(numbers)),
        "headline_dark": headline(effects, gain, of_headline(numbers), dark=True),
        "rank_heatmap": rank_heatmap(ranks_by_dataset(runs)),
    }
    paths = [Path(folder) / f"{name}.svg" for name in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        save_svg(figure, path)
    return paths


def _panel(ax, part, families, ink, dark):
    ax.axvline(0, color=ink, lw=0.9, zorder=1)
    for place, family in enumerate(families):
        rows = part[part["family"] == family].sort_values("mean", kind="stable")
        if rows.empty:
            continue
        # Beside each other, so that no mark hides another; the order says nothing.
        shift = (np.arange(len(rows)) % 5 - 2) * 0.13 if len(rows) > 1 else np.zeros(1)
        for finding, (day, night, mark) in FINDINGS.items():
            at = (rows["finding"] == finding).to_numpy()
            ax.plot(
                rows["mean"].to_numpy()[at], place + shift[at], mark,
                color=night if dark else day, ms=4.2, mew=0, zorder=3,
            )  # fmt: skip
        middle = rows["mean"].median()
        ax.plot([middle, middle], [place - 0.4, place + 0.4], color=ink, lw=1.8, zorder=2)
    ax.grid(axis="y", visible=False)
    ax.tick_params(axis="y", length=0)
    ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(3))


@mpl.rc_context(STYLE)
def verdicts(tables):
    """Primary strategies on the three outcomes, with intervals and verdicts.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Outcome to a table of :func:`imbbench.analysis.inference.verdicts`.

    Returns
    -------
    matplotlib.figure.Figure or None
        The grey band is the region in which a difference is none in practice; an interval may go
        on beyond the axis. None where there is no primary strategy.
    """
    tables = {outcome: table for outcome, table in tables.items() if len(table)}
    if not tables:
        return None
    order = next(iter(tables.values()))["label"].tolist()
    for table in tables.values():
        order += [name for name in table["label"] if name not in order]
    figure, (axes,) = new_figure(1.3 + 0.22 * len(order), ncols=len(tables), sharey=True)
    places = {name: place for place, name in enumerate(order)}
    for ax, (outcome, table) in zip(axes, tables.items(), strict=True):
        ax.axvspan(-MARGIN, MARGIN, color="#ececec", zorder=0)
        ax.axvline(0, color="#606060", lw=0.9, zorder=1)
        limit = 1.15 * max(table["mean"].abs().max(), 3 * MARGIN)
        for kind, (colour, mark) in VERDICTS.items():
            part = table[table["verdict"] == kind]
            y = part["label"].map(places)
            ax.hlines(y, part["low"].clip(-limit, limit), part["high"].clip(-limit, limit),
                      color=colour, lw=1.3, zorder=2)  # fmt: skip
            ax.plot(part["mean"], y, mark, color=colour, ms=5, zorder=3)
        ax.set_xlim(-limit, limit)
        ax.set_title(outcome)
        ax.set_xlabel("gain over the control")
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
        ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(3))
    axes[0].set_yticks(list(places.values()), [words(name) for name in places])
    axes[0].set_ylim(len(order) - 0.4, -0.6)
    handles = [
        Line2D([], [], color=colour, marker=mark, lw=1.3, ms=5, label=kind)
        for kind, (colour, mark) in VERDICTS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def complete_blocks(rows, metric):
    """Mean of a metric by origin and strategy, of origins that have all of them.

    Parameters
    ----------
    rows : DataFrame
        Run rows of one learner and rule, with ``origin``.
    metric : str

    Returns
    -------
    DataFrame
        A row per origin, a column per strategy.
    """
    return by_origin(rows, metric).unstack("label").dropna(axis=0)


def ranks(runs, learner):
    """Critical differences of the primary strategies and the untreated learner, for one learner.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.
    learner : str

    Returns
    -------
    matplotlib.figure.Figure or None
        See :func:`critical_difference`.
    """
    rows = both_rules(runs[runs["learner"] == learner])
    rows = rows[(rows["rule"] == "tuned") & (rows["family"] != "ensemble")]
    rows = rows[rows["primary"] | (rows["strategy"] == "plain")]
    return critical_difference(complete_blocks(rows, "balanced_accuracy"), learner)


@mpl.rc_context(STYLE)
def critical_difference(table, title):
    """Mean ranks over origins; strategies that a bar joins are not told apart.

    Friedman's test, then Wilcoxon's with Holm's correction for every pair; the best is on the
    left.

    Parameters
    ----------
    table : DataFrame
        Of :func:`complete_blocks`.
    title : str

    Returns
    -------
    matplotlib.figure.Figure or None
        None below :data:`imbbench.analysis.inference.FEWEST` origins or three strategies.
    """
    if len(table) < FEWEST or table.shape[1] < 3:
        return None
    import scikit_posthocs
    from scipy.stats import friedmanchisquare

    ranks = table.rank(axis=1, ascending=False).mean()
    p = friedmanchisquare(*table.T.to_numpy()).pvalue
    pairs = pd.DataFrame(1.0, index=table.columns, columns=table.columns)
    if p < 0.05:
        long = table.rename_axis("origin").reset_index().melt("origin", var_name="label")
        pairs = scikit_posthocs.posthoc_wilcoxon(
            long, val_col="value", group_col="label", p_adjust="holm", zero_method="zsplit"
        )
    figure, ((ax,),) = new_figure(1.2 + 0.11 * len(ranks))
    drawn = scikit_posthocs.critical_difference_diagram(
        ranks,
        pairs.loc[ranks.index, ranks.index],
        ax=ax,
        label_fmt_left="{label} ({rank:.1f})",
        label_fmt_right="({rank:.1f}) {label}",
        label_props={"fontsize": 8},
        color_palette={name: INK for name in ranks.index},
        marker_props={"marker": ""},
        crossbar_props={"color": PALETTE[0], "linewidth": 2.4},
    )
    # The library goes from rank to rank in the order of a set: another one in every process.
    for (bar,) in drawn["crossbars"]:
        bar.set_xdata([min(bar.get_xdata()), max(bar.get_xdata())])
        bar.set_ydata(bar.get_ydata()[:2])
    ax.set_title(f"{title}: mean rank over {len(table)} origins (Friedman p = {p:.3f})")
    ax.grid(visible=False)
    return figure
