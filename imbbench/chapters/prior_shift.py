"""Test data with other class shares than the training data, and how far tuned cut-offs scatter,
for notebook 16."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from scipy.special import logit

from imbbench.analysis.answer import core
from imbbench.analysis.inference import by_origin
from imbbench.analysis.plots import DASHES, PALETTE, STYLE, new_figure
from imbbench.analysis.prose import code, with_interval
from imbbench.analysis.statistics import PLACE, t_interval

SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75)  # of the minority in the test data
TREATED = ("inverse_frequency", "over_1_1", "smote", "under_1_1")
MOVED = "plain, cut-off moved"
RULES = {
    "tuned_macro_f1": "tuned for macro-F1",
    "tuned_balanced_accuracy": "tuned for balanced accuracy",
}


def at_share(recall_0, recall_1, share):
    """Accuracy and macro-F1 on test data of which ``share`` is the minority.

    Recalls do not depend on the shares, so no row has to be drawn again.

    Parameters
    ----------
    recall_0, recall_1 : ndarray or float
        Of majority and minority.
    share : float

    Returns
    -------
    accuracy, macro_f1 : the same
        A class that is never said has an F1 of 0.
    """
    hits = share * recall_1, (1 - share) * recall_0
    alarms = hits[0] + (1 - share) * (1 - recall_0), hits[1] + share * (1 - recall_1)
    f1 = [2 * hit / (size + said) for hit, said, size in zip(hits, alarms, (share, 1 - share),
                                                              strict=True)]  # fmt: skip
    return hits[0] + hits[1], (f1[0] + f1[1]) / 2


def shifted(runs):
    """Strategies, and plain with its cut-off moved, against plain at every share.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.

    Returns
    -------
    DataFrame
        ``strategy`` (of :data:`TREATED` at argmax, or :data:`MOVED`: for balanced accuracy),
        ``share``, ``metric``, ``origins``, ``over_plain``, ``…_low``, ``…_high`` (minus plain at
        argmax), ``over_moved``, ``…_low``, ``…_high`` (minus plain, cut-off moved); of core data
        of two classes.
    """
    rows = core(runs[runs["status"] == "ok"])
    several = [c for c in rows if c.startswith("recall_") and c not in ("recall_0", "recall_1")]
    rows = rows[rows[several].isna().all(axis=1)] if several else rows
    plain = rows[rows["label"] == "plain"]
    parts = {name: rows[(rows["label"] == name) & (rows["rule"] == "argmax")] for name in TREATED}
    parts[MOVED] = plain[plain["rule"] == "tuned_balanced_accuracy"]
    bases = {"plain": plain[plain["rule"] == "argmax"], "moved": parts[MOVED]}
    found = []
    for name, part in parts.items():
        for share in SHARES:
            for metric in ("accuracy", "macro_f1"):
                one = {"strategy": name, "share": share, "metric": metric}
                for base, other in bases.items():
                    values = _gap(part, other, share, metric)
                    ends = (f"over_{base}", f"over_{base}_low", f"over_{base}_high")
                    one |= dict(zip(ends, t_interval(values), strict=True))
                    one["origins"] = len(values)
                found.append(one)
    return pd.DataFrame(found)


def _gap(ones, others, share, metric):
    kept = [*PLACE, "recall_0", "recall_1"]
    both = ones.merge(others[kept], on=PLACE, suffixes=("", "_of_other"))
    which = ["accuracy", "macro_f1"].index(metric)
    mine = at_share(both["recall_0"], both["recall_1"], share)[which]
    theirs = at_share(both["recall_0_of_other"], both["recall_1_of_other"], share)[which]
    both = both.assign(gap=mine - theirs, label="")
    return by_origin(both, "gap") if len(both) else []


def cut_offs(runs, cards):
    """How far the cut-off that was chosen for plain scatters over splits.

    Parameters
    ----------
    runs : DataFrame
    cards : dict of str to dict
        ``card.json`` by data set; the others are left out.

    Returns
    -------
    DataFrame
        ``dataset``, ``rule``, ``minority`` (rows of it in a validation part, about: 16 % of all),
        ``cut_off`` (median), ``lowest``, ``highest``, ``spread`` (standard deviation of its logit
        over splits, mean over learners). Of data of two classes and learners with three splits.
    """
    rows = runs[(runs["status"] == "ok") & (runs["label"] == "plain")]
    rows = rows[rows["rule"].isin(RULES) & rows["dataset"].isin(cards)]
    rows = rows[rows["threshold"].notna()] if "threshold" in rows else rows.iloc[:0]
    found = []
    for (dataset, rule), part in rows.groupby(["dataset", "rule"], sort=False):
        splits = part.groupby("learner")["split"].transform("nunique")
        part = part[splits >= 3]
        if part.empty:
            continue
        place = logit(part["threshold"].clip(1e-6, 1 - 1e-6))
        spread = place.groupby(part["learner"]).std().mean()
        counts = cards[dataset]["classes"]
        middle = part["threshold"].quantile([0.5, 0.1, 0.9])
        found.append((dataset, rule, round(0.16 * min(counts.values())), *middle, spread))
    names = ["dataset", "rule", "minority", "cut_off", "lowest", "highest", "spread"]
    table = pd.DataFrame(found, columns=names)
    return table.sort_values(["minority", "dataset", "rule"], ignore_index=True)


def conclusion(table, scatter):
    """Sentences on shifted shares and on cut-offs."""
    rows = table[table["metric"] == "accuracy"].set_index(["strategy", "share"])
    name = "inverse_frequency"
    low, high = (rows.loc[(name, share)] for share in (0.05, 0.5))

    def said(row, base):
        return with_interval(*(row[f"over_{base}{end}"] for end in ("", "_low", "_high")))

    lines = [
        "- Where 5 % of the test data are of the minority, class weights change the accuracy of "
        f"the untreated learner by {said(low, 'plain')}; where half of them are, by "
        f"{said(high, 'plain')} ({high['origins']:.0f} origins).",
        "- Against the untreated learner with its cut-off moved for balanced accuracy, they change "
        f"it by {said(high, 'moved')} where half of the test data are of the minority.",
    ]
    one = scatter[scatter["rule"] == "tuned_macro_f1"]
    if len(one) > 2:
        order = one[["minority", "spread"]].corr("spearman").iloc[0, 1]
        lines.append(
            "- The logit of a cut-off that is tuned on a validation part scatters over splits with "
            f"a standard deviation of {one['spread'].median():.1f} (median of {len(one)} data "
            "sets); the rank correlation of that with the rows of the minority in a validation "
            f"part is {order:+.2f}."
        )
    return "\n".join(lines)


def shown(table):
    """Accuracy and macro-F1 at equal shares, for reading."""
    rows = []
    for row in table[table["share"] == 0.5].itertuples():
        base = with_interval(row.over_plain, row.over_plain_low, row.over_plain_high)
        moved = with_interval(row.over_moved, row.over_moved_low, row.over_moved_high)
        name = row.strategy if row.strategy == MOVED else code(row.strategy)
        moved = "" if row.strategy == MOVED else moved
        rows.append((name, row.metric.replace("macro_f1", "macro-F1"), row.origins, base, moved))
    heads = ["strategy", "metric", "origins", "minus plain [95 %]", "minus plain, cut-off moved"]
    return pd.DataFrame(rows, columns=heads)


def shown_cut_offs(scatter):
    """Cut-offs by data set, for reading."""
    rows = [
        (code(row.dataset), row.minority, RULES[row.rule], f"{row.cut_off:.3f}",
         f"{row.lowest:.3f} to {row.highest:.3f}", f"{row.spread:.2f}")
        for row in scatter.itertuples()
    ]  # fmt: skip
    heads = ["data set", "minority in validation", "cut-off", "median", "80 % of them"]
    return pd.DataFrame(rows, columns=[*heads, "spread of its logit"])


@mpl.rc_context(STYLE)
def plot(table):
    """Gain over plain at its default cut-off along the share of the minority in the test data."""
    figure, (axes,) = new_figure(3.2, ncols=2)
    for ax, metric in zip(axes, ("accuracy", "macro_f1"), strict=True):
        part = table[table["metric"] == metric]
        looks = zip((*TREATED, MOVED), [*PALETTE[:4], "black"], [*DASHES, "-"], strict=True)
        for name, colour, dash in looks:
            rows = part[part["strategy"] == name].set_index("share")
            ax.plot(100 * rows.index, rows["over_plain"], color=colour, ls=dash, label=name,
                    lw=1.4 if name != MOVED else 2, marker="o", ms=3)  # fmt: skip
        ax.axhline(0, color="#606060", lw=0.9)
        ax.set_xlabel("minority in the test data (%)")
        ax.set_title(
            metric.replace("macro_f1", "macro-F1") + ", minus plain at its default cut-off"
        )
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


@mpl.rc_context(STYLE)
def plot_cut_offs(scatter):
    """Spread of the tuned cut-off over the minority rows that it is tuned on; None without any."""
    if scatter.empty:
        return None
    figure, ((ax,),) = new_figure(3.0)
    for (rule, label), colour, mark in zip(RULES.items(), PALETTE, "oD", strict=False):
        rows = scatter[scatter["rule"] == rule]
        ax.plot(
            np.maximum(rows["minority"], 1), rows["spread"], mark, color=colour, ms=5, label=label
        )
    ax.set(xscale="log", xlabel="rows of the minority in a validation part (logarithmic axis)")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_ylabel("spread of the cut-off's logit")
    ax.set_ylim(bottom=0)
    ax.legend()
    return figure
