"""What to do first and next, and how good the advice of ``imbbench recommend`` is on data sets that
it has not seen, for notebook 20."""

import textwrap

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from imbbench.analysis import inference
from imbbench.analysis.answer import core, moved
from imbbench.analysis.plots import PALETTE, STYLE, new_figure, words
from imbbench.analysis.prose import code, with_interval
from imbbench.analysis.recommend import compared, regrets
from imbbench.analysis.tables import WORDS

SHOWN = ("balanced_accuracy", "macro_f1", "average_precision")
NAMES = {
    "recommended": ("what is recommended", PALETTE[0], "o"),
    "plain": ("always plain, cut-off moved", PALETTE[1], "D"),
    "average": ("always the best on average", PALETTE[2], "s"),
}

# What somebody needs: the outcome that says so, and what is done first.
NEEDS = {
    "find more of the minority": ("balanced accuracy", "balanced_accuracy"),
    "the best F1": ("macro-F1", "macro_f1"),
    "the right order": ("average precision", None),
    "true probabilities": ("Brier score", None),
}
TREES = "ensembles of trees"
LEARNERS = {
    "logreg": "linear model (logreg)",
    "tree": "one tree (tree)",
    "hgb": "boosted trees (hgb)",
    "xgboost": "boosted trees (xgboost)",
    "mlp": "small network (mlp)",
    TREES: "ensemble of trees, beside a plain one",
}
# What a box of the chart advises: colour, and what the legend calls it.
ADVICE = {
    "more": ("#cfe5f3", "a strategy is shown to help beyond that"),
    "first": ("#e3f1e7", "move the cut-off, no strategy is shown to add to it"),
    "leave": ("#f2f2f2", "leave it as it is, nothing is shown to help"),
}


def decisions(runs, learners):
    """What to do first and next with each learner on tables, by what is needed.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.
    learners : list of str

    Returns
    -------
    DataFrame
        ``learner``, ``need``, ``origins``; ``moved``: what moving the cut-off gains, NaN where the
        outcome knows none, with ``moved_low`` and ``moved_high``; ``strategies`` that were tested,
        how many ``helps``, ``harms``; the ``best`` of those that help (Holm), its ``gain`` beyond
        the moved cut-off, ``low`` and ``high``. For true probabilities the calibrators are tested,
        else the primary strategies.
    """
    tables = core(runs)
    tables = tables[tables["modality"] == "tabular"]
    gained, found = inference.gains(tables), []
    for learner in [*learners, TREES]:
        by = "group" if learner == TREES else "learner"
        part, raw = gained[gained[by] == learner], tables[tables[by] == learner]
        if by == "learner":
            part = part[part["group"] != TREES]
            raw = raw[raw["group"] != TREES]
        for need, (outcome, metric) in NEEDS.items():
            if outcome in inference.OUTCOMES:
                judged = inference.verdicts(part, outcome)
            else:
                judged = _calibrators(part)
            if judged.empty:
                continue
            one = {"learner": learner, "need": need, "origins": int(judged["origins"].max())}
            gain = (np.nan,) * 3
            if metric and by == "learner":
                gain = inference.t_interval(moved(raw, metric))
            one |= dict(zip(("moved", "moved_low", "moved_high"), gain, strict=True))
            helping = judged[judged["verdict"] == "helps"]
            one |= {"strategies": len(judged), "helps": len(helping)}
            one["harms"] = int((judged["verdict"] == "harms").sum())
            best = helping.iloc[0] if len(helping) else {}
            one["best"] = best.get("label", "")
            one |= {
                key: best.get(column, np.nan)
                for key, column in (("gain", "mean"), ("low", "low"), ("high", "high"))
            }
            found.append(one)
    return pd.DataFrame(found)


def _calibrators(gained):
    """Verdicts as :func:`imbbench.analysis.inference.verdicts` on what calibrates, Brier score."""
    part = gained[(gained["role"] == "calibrator") & (gained["control"] == "plain")]
    part = part[part["rule"] == "argmax"].assign(primary=True, average_precision=part["brier"])
    return inference.verdicts(part, "average precision")


def _advised(row):
    """A box of the chart: what kind of advice, and its lines."""
    lines, kind = [], "leave"
    if not np.isnan(row.moved):
        kind = "first" if row.moved_low > 0 else "leave"
        low, high = row.moved_low, row.moved_high
        lines.append(f"moving the cut-off: {row.moved:+.3f} [{low:+.3f}, {high:+.3f}]")
    harm = f"{row.harms} {'harms' if row.harms == 1 else 'harm'}" if row.harms else ""
    if row.helps:
        lines.append(f"{words(row.best)}: {row.gain:+.3f} [{row.low:+.3f}, {row.high:+.3f}]")
        lines += [f"{harm} (of {row.strategies})"] if harm else []
        kind = "more"
    else:
        none = f"of {row.strategies} none is shown to help"
        lines.append(f"{none}, {harm}" if harm else none)
    return kind, lines


@mpl.rc_context(STYLE)
def chart(table):
    """The decision chart: what is needed, the learner at hand, what to do; None without rows."""
    if table.empty:
        return None
    learners = list(dict.fromkeys(table["learner"]))
    needs = [need for need in NEEDS if need in set(table["need"])]
    figure, ((ax,),) = new_figure(1.2 + 0.62 * len(learners))
    for row in table.itertuples():
        x, y = needs.index(row.need), learners.index(row.learner)
        kind, lines = _advised(row)
        ax.add_patch(
            mpl.patches.Rectangle((x + 0.02, y + 0.04), 0.96, 0.92, facecolor=ADVICE[kind][0])
        )
        said = "\n".join(textwrap.fill(line, 26) for line in lines)
        ax.text(x + 0.06, y + 0.5, said, va="center", fontsize=7.5, linespacing=1.25)
    ax.set(xlim=(0, len(needs)), ylim=(len(learners), 0))
    heads = [f"{need}\n({NEEDS[need][0]})" for need in needs]
    ax.set_xticks(np.arange(len(needs)) + 0.5, heads, fontweight="bold")
    ax.set_yticks(
        np.arange(len(learners)) + 0.5,
        [textwrap.fill(LEARNERS.get(name, name), 14) for name in learners],
    )
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    used = {_advised(row)[0] for row in table.itertuples()}
    handles = [Patch(color=colour, label=said) for kind, (colour, said) in ADVICE.items()
               if kind in used]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8)
    return figure


SHOWN_BY_SIZE = {
    "plain": ("cut-off moved", PALETTE[1], "D"),
    "inverse_frequency": ("class weights", PALETTE[0], "o"),
    "smote": ("SMOTE", PALETTE[2], "s"),
    "under_1_1": ("under-sampling 1:1", PALETTE[4], "^"),
}
SIZES = {"ratio": "largest to smallest class", "minority": "rows of the smallest class"}


def by_size(runs, measured):
    """Gains over the untreated learner as it comes, beside what may explain them.

    Strong learners on tables, balanced accuracy, everything as it comes but ``plain``, whose
    cut-off is moved.

    Returns
    -------
    DataFrame
        ``origin``, ``label``, ``gain``, ``ratio``, ``minority``: means over an origin's data sets.
    """
    tables = core(runs)
    tables = tables[(tables["modality"] == "tabular") & (tables["group"] == "strong")]
    gained = inference.gains(tables, ["balanced_accuracy"])
    gained = gained[(gained["rule"] == "argmax") & gained["label"].isin(SHOWN_BY_SIZE)]
    found = inference.by_origin(gained, "balanced_accuracy", ["label"]).rename("gain").reset_index()
    ours = moved(tables).rename("gain").reset_index().assign(label="plain")
    places_ = tables.drop_duplicates("dataset")[["dataset", "origin"]]
    sizes = places_.merge(measured, on="dataset").groupby("origin")[list(SIZES)].mean()
    return pd.concat([ours, found], ignore_index=True).join(sizes, on="origin")


@mpl.rc_context(STYLE)
def plot_by_size(table):
    """Gains beside ratio and rows of the smallest class, with rank correlations; None without."""
    if table.empty:
        return None
    figure, (axes,) = new_figure(3.4, ncols=2, sharey=True)
    for ax, (column, label) in zip(axes, SIZES.items(), strict=True):
        ax.axhline(0, color="#606060", lw=0.9)
        for name, (said, colour, mark) in SHOWN_BY_SIZE.items():
            part = table[table["label"] == name]
            rho = part[[column, "gain"]].corr(method="spearman").iloc[0, 1]
            more = "" if np.isnan(rho) else f": {rho:+.2f}"
            ax.plot(part[column], part["gain"], mark, color=colour, ms=4.5, alpha=0.8,
                    label=f"{said}{more}")  # fmt: skip
        ax.set_xscale("log")
        ax.set_xlabel(label)
        ax.legend(title="rank correlation", fontsize=7.5, title_fontsize=7.5)
    axes[0].set_ylabel("gain in balanced accuracy")
    return figure


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


def first_and_next(table, sized):
    """What to do first, what next, and when it is different, in a sentence for each need.

    Parameters
    ----------
    table, sized : DataFrame
        Of :func:`decisions` and of :func:`by_size`.

    Returns
    -------
    str
        Markdown; empty without rows.
    """
    lines = []
    for need, part in table.groupby("need", sort=False) if len(table) else ():
        asked = part[part["moved"].notna()]
        clear = asked[asked["moved_low"] > 0]
        said = []
        if len(clear):
            said.append(
                f"moving the cut-off gains {clear['moved'].min():+.3f} to "
                f"{clear['moved'].max():+.3f} on core tables with {len(clear)} of {len(asked)} "
                "learners"
            )
        elif len(asked):
            said.append("moving the cut-off is not shown to gain")
        best = [
            f"{code(row.best)} with {code(row.learner) if row.learner != TREES else TREES} "
            f"({row.gain:+.3f})"
            for row in part[part["helps"] > 0].itertuples()
        ]
        beyond = " beyond that" if len(asked) else ""
        said.append(f"shown to help{beyond}: {', '.join(best) or 'none'}")
        lines.append(f"- **{need[0].upper()}{need[1:]}** ({NEEDS[need][0]}): {'; '.join(said)}.")
    told = []
    for name, (words_, _, _) in SHOWN_BY_SIZE.items():
        part = sized[sized["label"] == name] if len(sized) else sized
        rho = [part[[k, "gain"]].corr(method="spearman").iloc[0, 1] for k in SIZES if len(part) > 2]
        if rho and not np.isnan(rho).any():
            told.append(f"{words_} {rho[0]:+.2f} and {rho[1]:+.2f}")
    if told:
        lines.append(
            "- **When it is different**: rank correlations of the gain in balanced accuracy over "
            "the untreated learner at its default cut-off with the ratio of the classes, and with "
            f"the rows of the smallest class (strong learners, {sized['origin'].nunique()} "
            f"origins): {'; '.join(told)}."
        )
    return "\n".join(lines)


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
