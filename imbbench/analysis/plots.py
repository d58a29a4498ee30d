"""Figures: one function each, from a table to a matplotlib figure.

A family has one colour in the whole project; where colours carry meaning, markers, dashes or
names say the same.
"""

import io
import re
import textwrap

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from imbbench.bench.metrics import BINS, RECALLS

WIDTH = 8.0  # inches: the width of a page on GitHub
DPI = 150
PIXELS = 100  # shown per inch, whatever is stored
INK = "#333333"
FAINT = "#c8c8c8"
PALETTE = ["#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#56b4e9", "#949494"]
# Families are told apart by their names, too: nobody tells eleven colours apart for certain.
FAMILY_COLOURS = {
    "reference": "#000000",
    "prior": "#8a8a2b",
    "weighting": "#0173b2",
    "loss": "#cc78bc",
    "undersampling": "#d55e00",
    "oversampling": "#de8f05",
    "ensemble": "#029e73",
    "schedule": "#56b4e9",
    "augmentation": "#a0662d",
    "semi_supervised": "#882255",
    "posthoc": "#5b4fa3",
}
SHADES = (0, 0.45, -0.4, 0.2)  # of a family's colour: mixed with white, below zero with black
DASHES = ["-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5))]
RULE_NAMES = {"argmax": "argmax: neither is tuned", "tuned": "tuned: both tune their decision"}
RULES = {"argmax": (PALETTE[1], "o"), "tuned": (PALETTE[0], "D")}
STYLE = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#808080",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "svg.hashsalt": "imbbench",
    "svg.fonttype": "path",
}


class _Figure(Figure):
    """A figure that notebooks show as a PNG with a palette, half the usual size.

    Hundreds of executed notebooks are committed. Not made with pyplot, which would register its
    own way to show figures. Beside it stands what it shows in words, for who does not see it.
    """

    def _repr_png_(self):
        from PIL import Image

        plain, small = io.BytesIO(), io.BytesIO()
        with mpl.rc_context(STYLE):
            self.savefig(plain, format="png")
        Image.open(plain).convert("RGB").quantize(
            256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        ).save(small, format="png", optimize=True)
        width = round(self.get_figwidth() * PIXELS)
        return small.getvalue(), {"alt": alternative(self), "width": width}


def alternative(figure):
    """What a figure shows, in words, from its own titles, labels and legend.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    str
    """
    there = [ax for ax in figure.axes if ax.get_visible()]
    titles = [ax.get_title(loc="left") or ax.get_title() for ax in there]
    x = [figure.get_supxlabel(), *(ax.get_xlabel() for ax in there)]
    y = [figure.get_supylabel(), *(ax.get_ylabel() for ax in there)]
    boxes = [*figure.legends, *(ax.get_legend() for ax in there)]
    names = [text.get_text() for box in boxes if box for text in box.get_texts()]
    across, up = (", ".join(_once(labels)) for labels in (x, y))
    axes = " over ".join(part for part in (up, across) if part)
    ticks = [label.get_text() for ax in there[:1] for label in ax.get_yticklabels()]
    # Of an axis with names; numbers say nothing without their marks.
    rows = [name for name in _once(ticks) if not re.fullmatch(r"[-−.\d]+|.*mathdefault.*", name)]
    parts = {"": figure.get_suptitle(), "panels ": " / ".join(_once(titles)), "axes: ": axes,
             "rows: ": ", ".join(rows[:20]), "marks: ": ", ".join(_once(names))}  # fmt: skip
    said = "; ".join(before + words for before, words in parts.items() if words)
    return f"Figure: {said.replace(chr(92) + '$', '$')}" if said else "Figure"


def _once(texts):
    """Texts that say something, each once and on one line."""
    return list(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))


def new_figure(height, **kwargs):
    figure = _Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    return figure, figure.subplots(squeeze=False, **kwargs)


def save_svg(figure, path):
    """Write a figure as SVG with the same bytes every time.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : path-like
    """
    from imbbench.files import write_whole

    buffer = io.StringIO()
    with mpl.rc_context(STYLE):  # the salt makes ids the same every time
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    write_whole(path, "\n".join(lines) + "\n")


@mpl.rc_context(STYLE)
def class_counts(card):
    """Rows of every class, the largest first.

    Parameters
    ----------
    card : dict
        ``card.json`` of a data set.
    """
    counts = dict(sorted(card["classes"].items(), key=lambda item: -item[1]))
    names, values = list(counts), np.array(list(counts.values()))
    logarithmic = values.max() > 20 * values.min()
    if len(names) > 40:
        figure, ((ax,),) = new_figure(3.0)
        ax.plot(np.arange(1, len(values) + 1), values, color=PALETTE[0], marker=".", lw=1)
        ax.set(xlabel=f"class, by size ({len(names)} classes)", ylabel="rows")
        if logarithmic:
            ax.set_yscale("log")
        return figure
    figure, ((ax,),) = new_figure(0.8 + 0.27 * len(names))
    places = np.arange(len(names))
    ax.hlines(places, 0.7 if logarithmic else 0, values, color=FAINT, lw=2)
    ax.plot(values, places, "o", color=PALETTE[0], label="training")
    if card["classes_test"]:
        tested = [card["classes_test"].get(name, 0) for name in names]
        ax.plot(tested, places, "D", color=PALETTE[1], ms=5, label="test rows")
        ax.legend(loc="lower right")
    for place, value in zip(places, values, strict=True):
        ax.annotate(f"{value}", (value, place), (7, 0), textcoords="offset points", va="center")
    ax.set_yticks(places, [words(name, 28) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    if logarithmic:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlim(0.7, values.max() * 2.5)
    else:
        ax.set_xlim(0, values.max() * 1.12)
    ax.set_xlabel("rows (logarithmic axis)" if logarithmic else "rows")
    ax.grid(axis="y", visible=False)
    return figure


@mpl.rc_context(STYLE)
def missing_values(card):
    """Share of missing values of every column that has any.

    Parameters
    ----------
    card : dict
        ``card.json`` of a data set.
    """
    columns = sorted(card["missing_by_column"].items(), key=lambda item: -item[1])[:30]
    figure, ((ax,),) = new_figure(0.8 + 0.24 * len(columns))
    places = np.arange(len(columns))
    shares = [100 * count / card["rows"] for _, count in columns]
    ax.barh(places, shares, color=PALETTE[0], height=0.6)
    for place, share in zip(places, shares, strict=True):
        ax.annotate(f"{share:.1f}", (share, place), (4, 0), textcoords="offset points", va="center")
    ax.set_yticks(places, [words(name, 28) for name, _ in columns])
    ax.set_ylim(len(columns) - 0.4, -0.6)
    ax.set(xlim=(0, 108), xlabel="missing values (% of rows)")
    ax.grid(axis="y", visible=False)
    return figure


def words(name, length=None):
    """A name as a figure shows it: on one line, cut to ``length`` letters, a dollar no formula."""
    name = " ".join(str(name).split())
    if length and len(name) > length:
        name = name[: length - 1] + "…"
    return name.replace("$", r"\$")


def _looks(table, shown):
    """A colour and dash per strategy: ``plain`` is black, the others have their family's colour.

    Strategies of one family differ in shade and dash; what corrects the one before it has its
    shade, and is dotted.
    """
    rows = table.drop_duplicates("label").set_index("label")
    looks, used = {}, {}
    for name in shown:
        family, role = (rows[key].get(name) if key in rows else None for key in ("family", "role"))
        place = used.get(family, 0)
        if name == "plain":
            looks[name] = ("black", "-")
        elif role == "calibrator" and place:
            looks[name] = (list(looks.values())[-1][0], DASHES[2])  # which no other has
        else:
            colour = FAMILY_COLOURS.get(family, PALETTE[place % len(PALETTE)])
            shade = SHADES[place % len(SHADES)] if family in FAMILY_COLOURS else 0
            looks[name] = (_shaded(colour, shade), (*DASHES[:2], DASHES[3])[len(looks) % 3])
            used[family] = place + 1
    return looks


def _shaded(colour, shade):
    """A colour mixed with white where ``shade`` is above zero, below with black."""
    target = 1.0 if shade > 0 else 0.0
    return tuple(c + (target - c) * abs(shade) for c in to_rgb(colour))


def _grid(learners, of_each=1, height=2.9, extra=0.5):
    """A panel per learner, at most three side by side, each of one or two axes on each other."""
    wide = min(len(learners), 2 if len(learners) in (2, 4) else 3)
    rows = -(-len(learners) // wide)
    ratios = {"height_ratios": [3, 1][:of_each] * rows} if of_each > 1 else {}
    figure, axes = new_figure(height * rows + extra, nrows=rows * of_each, ncols=wide,
                              sharex=True, **ratios)  # fmt: skip
    panels = []
    for i in range(rows * wide):
        row, column = divmod(i, wide)
        own = axes[row * of_each : (row + 1) * of_each, column]
        for ax in own:
            ax.set_visible(i < len(learners))
        if i + wide >= len(learners):  # nothing visible below
            own[-1].tick_params(labelbottom=True)
        for ax in own:
            ax.tick_params(labelleft=column == 0)
        panels.append(own)
    return figure, panels[: len(learners)], wide


def _by_learner(curves, shown, draw, xlabel, ylabel):
    """One panel per learner, a line per strategy in ``shown``."""
    learners = list(dict.fromkeys(curves["learner"]))
    looks = _looks(curves, [name for name in shown if name in set(curves["label"])])
    figure, panels, wide = _grid(learners, extra=0.25 * (2 + len(looks) // 3))
    for i, ((ax,), learner) in enumerate(zip(panels, learners, strict=True)):
        table = curves[curves["learner"] == learner].set_index("label")
        for name in [n for n in looks if n in table.index]:
            colour, dash = looks[name]
            draw(ax, table.loc[name], color=colour, ls=dash, lw=1.7, zorder=3)
        ax.set_title(words(learner))
        if i % wide == 0:
            ax.set_ylabel(ylabel)
        if i + wide >= len(learners):
            ax.set_xlabel(xlabel)
    axes = [ax for (ax,) in panels]
    return figure, axes, looks


def _legend(figure, looks, more=()):
    handles = [Line2D([], [], color=c, ls=d, lw=1.7, label=words(n)) for n, (c, d) in looks.items()]
    figure.legend(handles=[*handles, *more], loc="outside lower center", ncols=3, handlelength=3.2)


POINTS = {  # of statistics.operating_points: marker and name
    "argmax": ("o", "default cut-off"),
    "tuned": ("D", "moved cut-off"),
    "cost": ("s", "plain, cut-off for costs"),
}


@mpl.rc_context(STYLE)
def precision_recall(curves, shown, points=None):
    """Precision over recall, a panel per learner.

    Parameters
    ----------
    curves : DataFrame
        Of one data set: ``learner``, ``label`` and ``precision_at_…``; means over splits.
    shown : list of str
        Labels of the strategies to draw.
    points : DataFrame, optional
        Of :func:`imbbench.analysis.statistics.operating_points`.
    """
    names = [f"precision_at_{r:.2f}" for r in RECALLS]

    def draw(ax, row, **look):
        ax.plot(RECALLS, row[names].to_numpy(dtype=float), **look)

    figure, axes, looks = _by_learner(curves, shown, draw, "recall", "interpolated precision")
    more = []
    share = prevalence(curves)
    for ax in axes:
        ax.set(xlim=(0, 1.02), ylim=(0, 1.03))
        if share is not None:
            ax.axhline(share, color="#606060", lw=0.9, ls=(0, (1, 1.5)), zorder=1)
    if share is not None:
        dots = {"color": "#606060", "lw": 0.9, "ls": (0, (1, 1.5))}
        more.append(Line2D([], [], label=f"guessing ({share:.1%})", **dots))
    there = () if points is None else set(points["point"])
    for kind in [kind for kind in POINTS if kind in there]:
        mark, said = POINTS[kind]
        part = points[(points["point"] == kind) & points["label"].isin(looks)]
        for ax, learner in zip(axes, dict.fromkeys(curves["learner"]), strict=True):
            for row in part[part["learner"] == learner].itertuples():
                ax.plot(row.recall, row.precision, mark, color=looks[row.label][0], ms=5.5,
                        mec="white", mew=0.7, zorder=4)  # fmt: skip
        more.append(Line2D([], [], ls="", marker=mark, ms=5.5, color="#606060", label=said))
    _legend(figure, looks, more)
    return figure


def prevalence(curves):
    """Share of the rows that are of the smaller of two classes; None where there are more."""
    rows = [f"minority_rows_{b}" for b in range(BINS)]
    if rows[0] not in curves or curves[rows[0]].isna().all():
        return None
    row = curves[curves[rows[0]].notna()].iloc[0]
    counts = row[rows].to_numpy(dtype=float)
    right = row[[f"minority_correct_{b}" for b in range(BINS)]].to_numpy(dtype=float)
    return float(np.nansum(counts * right) / counts.sum())


@mpl.rc_context(STYLE)
def reliability(curves, shown, fewest=0.005):
    """Share of right answers over confidence, a panel per learner.

    Parameters
    ----------
    curves : DataFrame
        Of one data set: ``learner``, ``label``, ``rows_b``, ``confidence_b``, ``correct_b``.
    shown : list of str
        Labels of the strategies to draw.
    fewest : float
        Bins with a smaller share of the rows than this are left out.
    """
    rows, confidence, correct = (
        [f"{kind}_{b}" for b in range(BINS)] for kind in ("rows", "confidence", "correct")
    )

    def draw(ax, row, **look):
        counts = row[rows].to_numpy(dtype=float)
        kept = counts >= max(fewest * counts.sum(), 5)
        x, y = (row[names].to_numpy(dtype=float)[kept] for names in (confidence, correct))
        ax.plot(x, y, marker="o", ms=2.8, **look)

    figure, axes, looks = _by_learner(
        curves, shown, draw, "confidence in the predicted class", "share that is right"
    )
    lowest = np.nanmin(curves[confidence].to_numpy(dtype=float), initial=0.5)
    for ax in axes:
        ax.axline((0, 0), slope=1, color="#808080", lw=0.8, ls=":", zorder=2)
        ax.set(xlim=(max(lowest - 0.03, 0), 1.02), ylim=(0, 1.03))
    _legend(figure, looks)
    return figure


@mpl.rc_context(STYLE)
def minority_reliability(curves, shown, fewest=5):
    """How often the minority comes over the probability it is given, and how many rows get it.

    Parameters
    ----------
    curves : DataFrame
        Of one data set of two classes: ``learner``, ``label``, ``minority_rows_b``,
        ``minority_confidence_b``, ``minority_correct_b``. With more classes there is no such
        probability: then it is :func:`reliability`.
    shown : list of str
        Labels of the strategies to draw.
    fewest : int
        Bins with fewer rows than this have no mark above; they are in the histogram.
    """
    if prevalence(curves) is None:
        return reliability(curves, shown)
    learners = list(dict.fromkeys(curves["learner"]))
    looks = _looks(curves, [name for name in shown if name in set(curves["label"])])
    figure, panels, wide = _grid(learners, 2, 3.4, 0.25 * (2 + len(looks) // 3))
    columns = [[f"minority_{kind}_{b}" for b in range(BINS)]
               for kind in ("rows", "confidence", "correct")]  # fmt: skip
    edges = np.linspace(0, 1, BINS + 1)
    for i, ((top, below), learner) in enumerate(zip(panels, learners, strict=True)):
        table = curves[curves["learner"] == learner].set_index("label")
        for name in [n for n in looks if n in table.index]:
            counts, x, y = (table.loc[name, own].to_numpy(dtype=float) for own in columns)
            kept = counts >= fewest
            colour, dash = looks[name]
            top.plot(x[kept], y[kept], color=colour, ls=dash, lw=1.7, marker="o", ms=2.8)
            below.stairs(np.nan_to_num(counts), edges, color=colour, ls=dash, lw=1.2)
        top.axline((0, 0), slope=1, color="#808080", lw=0.8, ls=":", zorder=1)
        top.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03))
        top.set_title(words(learner))
        below.set(yscale="log", ylim=(0.7, None))
        if i % wide == 0:
            top.set_ylabel("share that is minority")
            below.set_ylabel("rows (log)")
        if i + wide >= len(learners):
            below.set_xlabel("probability given to the minority")
    tops = max(below.get_ylim()[1] for _, below in panels)
    for _, below in panels:
        below.set_ylim(0.7, tops)
    _legend(figure, looks)
    return figure


@mpl.rc_context(STYLE)
def per_class(differences, classes):
    """Recall and precision of every class against ``plain``, as a heat map.

    Parameters
    ----------
    differences : DataFrame
        Of :func:`imbbench.analysis.statistics.class_differences`, in the wanted order.
    classes : dict
        Class to count, in the order of the columns.
    """
    n = len(classes)
    height = 0.25 * len(differences)
    figure, axes = new_figure(height + (1.0 if n <= 2 else 1.6), ncols=2, sharey=True)
    values = [differences[[f"{k}_{c}" for c in range(n)]] for k in ("recall", "precision")]
    limit = max(np.nanmax(np.abs(v.to_numpy()), initial=0.05) for v in values)
    numbers = [f"{words(name, 14)} ({count})" for name, count in classes.items()]
    turned = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if n > 2 else {}
    for ax, table, title in zip(axes.flat, values, ("recall", "precision"), strict=True):
        image = _heat(ax, table, "PuOr_r", -limit, limit, "+.2f" if n <= 6 else "")
        ax.set_title(f"{title}, minus that of plain")
        if n <= 40:
            ax.set_xticks(np.arange(n) + 0.5, numbers, **turned)
        else:
            ax.set_xlabel(f"{n} classes, the largest left")
    bar = figure.colorbar(image, ax=axes, shrink=min(1, 4 / (1 + height)), pad=0.02)
    bar.set_label("difference")
    return figure


def _heat(ax, table, colours, low, high, form):
    # Imported where it is drawn: run stages draw no heat map, and it loads for a second.
    import seaborn

    look = {"cmap": colours, "vmin": low, "vmax": high, "cbar": False, "yticklabels": True}
    values = table.astype(float).round(2) + 0.0  # adding zero makes -0.0 a 0.0
    values.index = values.index.map(words)
    seaborn.heatmap(values, ax=ax, annot=bool(form), fmt=form, annot_kws={"fontsize": 7.5}, **look)
    ax.set(xticks=[], ylabel="")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    return ax.collections[0]


@mpl.rc_context(STYLE)
def rank_heatmap(table):
    """Mean relative ranks: families over data sets; dark is bad.

    Parameters
    ----------
    table : DataFrame
        Of :func:`imbbench.analysis.tables.ranks_by_dataset`; values 0 (best) to 100 (worst).
    """
    height = 0.28 * len(table)
    figure, ((ax,),) = new_figure(1.2 + height)
    limit = max(np.nanmax(np.abs(table.to_numpy(dtype=float) - 50), initial=0), 10)
    form = ".0f" if table.shape[1] <= 20 else ""
    image = _heat(ax, table, "cividis_r", 50 - limit, 50 + limit, form)
    names = [textwrap.fill(name, 13, break_long_words=False) for name in table.columns]
    turned, many = table.shape[1] > 8, table.shape[1] > 20
    look = {"rotation": 40, "ha": "left", "rotation_mode": "anchor"} if turned else {}
    look |= {"rotation": 90, "va": "center", "fontsize": 7} if many else {}
    ax.xaxis.tick_top()
    ax.tick_params(length=0, labelsize=8)
    ax.set_xticks(np.arange(table.shape[1]) + 0.5, table.columns if turned else names, **look)
    bar = figure.colorbar(image, ax=ax, shrink=min(1, 5 / (1 + height)), aspect=30, pad=0.02)
    bar.set_label("rank: 0 best, 100 worst")
    return figure


@mpl.rc_context(STYLE)
def family_gains(tables, limit=0.2):
    """What families change, a heat map per outcome: families over learners.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Of :func:`imbbench.analysis.statistics.family_gains`.
    limit : float
        Gain from which on the colour is full, the same in every figure.
    """
    first = next(iter(tables.values()))
    figure, (axes,) = new_figure(1.5 + 0.28 * len(first), ncols=len(tables), sharey=True)
    for ax, (outcome, table) in zip(axes, tables.items(), strict=True):
        _heat(ax, table, "PuOr_r", -limit, limit, "+.2f" if table.shape[1] <= 5 else "")
        ax.set_title(textwrap.fill(outcome, 24))
        turned = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
        ax.set_xticks(np.arange(table.shape[1]) + 0.5, [words(n) for n in table.columns], **turned)
    for ax in axes[1:]:
        ax.tick_params(labelleft=False)
    return figure


@mpl.rc_context(STYLE)
def effects(table, xlabel, series="rule", looks=RULES, names=RULE_NAMES, columns=None):
    """A dot with its interval per strategy and series; strategies are grouped by family.

    Parameters
    ----------
    table : DataFrame
        Of :func:`imbbench.analysis.statistics.effects`: ``family``, ``label``, ``mean``, ``low``,
        ``high`` and the column that ``series`` names. In the order to draw. A hollow dot has no
        interval, an arrowhead at the edge says that one goes on.
    xlabel : str
    series : str
    looks : dict
        Value of ``series`` to (colour, marker).
    names : dict
        Value of ``series`` to its name in the legend.
    columns : int, optional
        Panels side by side; default one up to 45 strategies, else two.
    """
    rows = table[["family", "label"]].drop_duplicates()
    columns = columns or (1 if len(rows) <= 45 else 2)
    panels = _panels(rows, columns)
    longest = max(len(p) + p["family"].nunique() for p in panels)
    figure, axes = new_figure(1.1 + 0.19 * longest, ncols=len(panels), sharex=True)
    # One strategy with a huge interval must not flatten all others: it may leave the axis.
    ends = []
    for side, sign in (("low", -1), ("high", 1)):
        means, outer = (sign * table["mean"]).max(), (sign * table[side]).max()
        ends.append(max(means, min(np.nan_to_num(outer), 2 * abs(table["mean"]).max())))
    left, right = 1.06 * np.maximum(ends, max(0.15 * max(ends), 1e-3))
    for ax, panel in zip(axes.flat, panels, strict=True):
        ax.set_xlim(-left, right)
        _effects_panel(ax, table, panel, series, looks)
    figure.supxlabel(xlabel, fontsize=9)
    handles = [
        Line2D([], [], color=c, marker=m, lw=1.4, ms=5, label=names[k])
        for k, (c, m) in looks.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def _panels(rows, columns):
    """Cut the strategies into panels of about the same height, between families."""
    if columns == 1:
        return [rows]
    families = list(dict.fromkeys(rows["family"]))
    heights = np.cumsum([(rows["family"] == f).sum() + 1 for f in families])
    cut = int(np.abs(heights - heights[-1] / 2).argmin()) + 1
    parts = [rows[rows["family"].isin(families[:cut])], rows[rows["family"].isin(families[cut:])]]
    return [part for part in parts if len(part)]


def _effects_panel(ax, table, panel, series, looks):
    place, ticks, texts, heads = 0, [], [], []
    places = {}
    for family, part in panel.groupby("family", sort=False):
        heads.append((place, family))
        for name in part["label"]:
            place += 1
            places[name] = place
            ticks.append(place)
            texts.append(words(name.removesuffix(f" ({family})")))
        place += 1
    ax.axvline(0, color="#606060", lw=0.9, zorder=1)
    step = 0.36 / max(len(looks) - 1, 1)
    for k, (key, (colour, marker)) in enumerate(looks.items()):
        part = table[(table[series] == key) & table["label"].isin(places)]
        y = part["label"].map(places).to_numpy(float) + (k - (len(looks) - 1) / 2) * step
        ax.hlines(y, part["low"], part["high"], color=colour, lw=1.4, zorder=2)
        left, right = ax.get_xlim()
        inset = (right - left) / 100
        for beyond, edge, arrow in (
            (part["low"] < left, left + inset, "<"),
            (part["high"] > right, right - inset, ">"),
        ):
            ax.plot(np.full(beyond.sum(), edge), y[beyond.to_numpy()], arrow, color=colour, ms=4)
        alone = part["low"].isna().to_numpy()
        x = part["mean"].to_numpy()
        ax.plot(x[~alone], y[~alone], marker, color=colour, ms=4, zorder=3)
        ax.plot(x[alone], y[alone], marker, color=colour, mfc="white", ms=4, zorder=3)
    ax.set_yticks(ticks, texts)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(place - 0.3, -0.7)
    ax.grid(axis="y", visible=False)
    for at, family in heads:
        ax.annotate(family, (0, at), (-4, 0), xycoords=("axes fraction", "data"),
                    textcoords="offset points", ha="right", va="center", weight="bold",
                    fontsize=8.5, annotation_clip=False)  # fmt: skip
        if at:
            ax.axhline(at - 0.5, color="#dddddd", lw=0.7, zorder=0)


@mpl.rc_context(STYLE)
def fit_times(times):
    """Fit seconds relative to ``plain``, a row per family, on a logarithmic axis.

    Parameters
    ----------
    times : DataFrame
        Of :func:`imbbench.analysis.tables.fit_times`.
    """
    times = times[(times["label"] != "plain") & (times["label"] != "dummy")]
    order = times.groupby("family", sort=False)["ratio"].median().sort_values(kind="stable")
    figure, ((ax,),) = new_figure(0.9 + 0.32 * len(order))
    for place, (family, middle) in enumerate(order.items()):
        own = times[times["family"] == family]
        colour = FAMILY_COLOURS.get(family, PALETTE[0])
        ax.plot(own["ratio"], np.full(len(own), place), "o", color=colour, ms=5, alpha=0.6, mew=0)
        ax.plot([middle, middle], [place - 0.3, place + 0.3], color=INK, lw=1.6)
        slowest = own.loc[own["ratio"].idxmax()]
        ax.annotate(words(slowest["label"]), (slowest["ratio"], place), (7, 0), fontsize=8,
                    textcoords="offset points", va="center")  # fmt: skip
    ax.axvline(1, color="#606060", lw=0.9, zorder=1)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g}")
    low, high = ax.get_xlim()
    ax.set_xlim(low, high * (high / low) ** 0.25)  # room for the names
    ax.set_yticks(np.arange(len(order)), [words(name) for name in order.index])
    ax.set_ylim(len(order) - 0.4, -0.6)
    ax.set_xlabel("fit seconds relative to plain, median over learners and splits (log axis)")
    ax.grid(axis="y", visible=False)
    return figure
