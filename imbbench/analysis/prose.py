"""What notebooks and the command line say: Markdown tables, and sentences made from numbers."""

import re

import numpy as np
import pandas as pd

from imbbench.analysis.statistics import (
    LOWER,
    MAIN,
    OF_LABELS,
    PLACE,
    best_of_rules,
    best_tuned,
    both_rules,
    on_one_dataset,
    paired_differences,
    remedies,
    tuned_for_each,
    widths,
)
from imbbench.analysis.tables import WORDS, widely_run

# Code, and the address of a page: there a backslash would show.
KEPT = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)|https?://[\w./~:?#@!&'()+,;=%-]+")
# Signs that are formatting in Markdown; an underscore is none within a word.
MARKS = re.compile(r"[\\`*\[\]~|$]|(?<![^\W_])_|_(?![^\W_])")


def markdown(table):
    """A table as Markdown, which GitHub and JupyterLab both show without a style sheet.

    Parameters
    ----------
    table : DataFrame
        Numbers are shown as they are; of a text, spans of code stay and ``**`` around the whole.
        The index is left out. Columns that ``attrs["formatted"]`` names hold Markdown.

    Returns
    -------
    str
    """
    formatted = [name in table.attrs.get("formatted", ()) for name in table.columns]
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
    texts = [
        [_cell(*pair) for pair in zip(row, formatted, strict=True)]
        for row in table.itertuples(index=False)
    ]
    rows = [
        [_cell(name) for name in table.columns],
        ["---:" if right else ":---" for right in numeric],
        *texts,
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(value, formatted=False):
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:g}"
    text = " ".join(str(value).split())
    if formatted:
        return re.sub(r"[|<$]", r"\\\g<0>", text)
    bold = re.fullmatch(r"\*\*(.+)\*\*", text)
    return f"**{plain(bold[1])}**" if bold else plain(text)


def plain(text):
    """A text as Markdown that shows it as it is, on one line; spans of code and addresses stay.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    parts, end = [], 0
    text = " ".join(text.split())
    for kept in KEPT.finditer(text):
        # A code span takes nothing for a sign but the end of a table's cell.
        parts += [_escaped(text[end : kept.start()]), re.sub(r"(\\*)\|", r"\1\1\|", kept[0])]
        end = kept.end()
    return "".join([*parts, _escaped(text[end:])])


def _escaped(text):
    # An address takes the backslash before a tag for its own.
    text = re.sub(r"&(?=#?\w+;)", "&amp;", MARKS.sub(r"\\\g<0>", text))
    return text.replace("<", "&lt;")


def code(name):
    """A name as a span of code in Markdown, whatever it holds."""
    name = " ".join(str(name).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", name)), default=0))
    space = " " if name.startswith("`") or name.endswith("`") or not name else ""
    return f"{fence}{space}{name}{space}{fence}"


def _some(names, shown=5):
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest if names else "none"


def _list(names):
    return ", ".join(map(code, names))


def _signed(value):
    return f"{round(value, 3) + 0.0:+.3f}"


def _with_spread(mean, spread, signed=True):
    """`mean±spread`, short and without a place to break the line; nothing where there is no mean.

    Adding 0 makes -0.0 a 0.0.
    """
    if np.isnan(mean):
        return ""
    text = f"{round(mean, 3) + 0.0:{'+' if signed else ''}.3f}"
    return text if np.isnan(spread) else f"{text}±{spread:.3f}"


def with_interval(mean, low, high, form="+.3f"):
    """`mean [low, high]`, or the mean alone where there is no interval."""
    return f"{mean:{form}}" + ("" if np.isnan(low) else f" [{low:{form}}, {high:{form}}]")


def facts(card):
    """What a data set is, as a table.

    Parameters
    ----------
    card : dict
        Of :func:`imbbench.analysis.tables.load_card`.

    Returns
    -------
    DataFrame
        ``fact``, ``value``.
    """
    counts = list(card["classes"].values())
    kinds = [f"{card[f'features_{k}']} {k}" for k in ("numeric", "categorical")]
    split = f" ({card['rows_train']} for training, {card['rows_test']} for testing)"
    rows = {
        "why it is in the study": card["why"],
        "modality": card["modality"],
        "rows": f"{card['rows']}{split if card['rows_test'] else ''}",
        "features": card["features"]
        if card["modality"] == "text"
        else f"{card['features']} ({', '.join(kinds)})",
        "classes": len(counts),
        "largest / smallest class": f"{max(counts)} / {min(counts)} rows",
        "imbalance ratio": f"{card['imbalance_ratio']:g}",
        "rows that repeat an earlier one": card["duplicate_rows"],
        "identical features with different labels": f"{card['groups_with_conflicting_labels']} "
        "groups",
        "missing values": card["missing_values"],
        "constant columns": _some(card["constant_columns"]),
        "columns left out": _some(card["dropped_columns"]),
        "source": card["source"],
        "licence": card["licence"],
        "citation": card["citation"],
    }
    if rare := card.get("rare_classes_left_out"):
        rows["rare classes left out"] = _some([f"{label} ({n})" for label, n in rare.items()])
    if "unlabelled_rows_left_out" in card:
        rows["rows without a label, left out"] = card["unlabelled_rows_left_out"]
    if "stratum" in card:
        rows["origin"], rows["stratum"] = card["origin"], card["stratum"]
    return pd.DataFrame({"fact": rows.keys(), "value": map(str, rows.values())})


def card_conclusion(card, folds):
    """What the class counts mean for measuring anything on this data set."""
    counts = card["classes"]
    smallest, name = min(counts.values()), min(counts, key=counts.get)
    scored = card["classes_test"] or counts
    share = scored[max(counts, key=counts.get)] / sum(scored.values())
    in_test = card["classes_test"][name] if card["classes_test"] else smallest / folds
    if card["imbalance_ratio"] < 1.05:
        first = "The file itself is balanced."
    else:
        first = (
            f"Always predicting the largest class is right in **{share:.1%}** of the "
            f"{'test ' if card['classes_test'] else ''}rows, and has balanced accuracy "
            f"{1 / len(counts):.3f} and macro-F1 "
            f"{2 * share / (1 + share) / len(counts):.3f}."
        )
    if card["classes_test"]:
        where = f"and {in_test} in the test {'fold' if card.get('long_tail') else 'set'}"
    else:
        where = f"about {in_test:.1f} in a test fold of {folds}"
    second = (
        f"The smallest class, {code(name)}, has **{smallest}** rows, {where}: one of them is "
        f"**{100 / max(in_test, 1):.1f} points** of its recall, so smaller differences on a single "
        "split say nothing."
    )
    third = []
    if card["duplicate_rows"]:
        third.append(
            f"{card['duplicate_rows'] / card['rows']:.1%} of the rows repeat an earlier one; rows "
            "with identical features stay on one side of every split."
        )
    if card["groups_with_conflicting_labels"]:
        third.append(
            f"In {card['groups_with_conflicting_labels']} groups identical features carry "
            "different labels: no classifier gets all of them right."
        )
    return " ".join([first, second, *third])


def unscored(runs):
    """Cells without a score, grouped by why.

    Returns
    -------
    DataFrame
        ``status``, ``strategies``, ``learners``, ``data sets``, ``cells``, ``reason``.
    """
    lost = runs[runs["status"] != "ok"]
    groups = lost.groupby(["status", "reason"], sort=True)

    def names(column):
        return groups[column].agg(lambda values: _some(list(dict.fromkeys(values))))

    table = pd.DataFrame(
        {
            "strategies": names("label"),
            "learners": names("learner"),
            "data sets": names("dataset"),
            "cells": groups.size(),
        }
    )
    return table.reset_index()[["status", "reason", "strategies", "learners", "data sets", "cells"]]


def score_table(runs, metrics=("macro_f1", "balanced_accuracy", "average_precision", "brier")):
    """Mean and standard deviation over splits, the best of each learner in bold.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.
    metrics : iterable of str

    Returns
    -------
    DataFrame of str
    """
    scored = tuned_for_each(runs)
    rules = [rule for rule in ("argmax", "tuned", "own") if (scored["rule"] == rule).any()]
    columns = {}
    for metric in metrics:
        for rule in rules if metric in OF_LABELS else [None]:
            part = scored if rule is None else scored[scored["rule"] == rule]
            title = f"{WORDS[metric]}, {rule}" if rule else WORDS[metric]
            title += " ↓" if metric in LOWER else ""
            # Metrics of probabilities are the same under every rule.
            once = part.drop_duplicates(["learner", "label", "split"])
            groups = once.groupby(["learner", "label"], sort=False)[metric]
            columns[title] = _best_in_bold(groups.mean(), groups.std(), metric in LOWER)
    table = pd.DataFrame(columns)
    order = scored[["learner", "label"]].drop_duplicates().to_records(index=False).tolist()
    table = table.reindex(pd.MultiIndex.from_tuples(order, names=["learner", "strategy"]))
    table = table.fillna("").reset_index()
    return table.assign(strategy=table["strategy"].map(code))


def _best_in_bold(mean, sd, lower=False, signed=False):
    """Texts `mean ± sd`; within each learner the best mean is bold, and ties with it."""
    shown = mean.round(4)
    groups = shown.groupby(level="learner")
    marked = shown == groups.transform("min" if lower else "max")
    if signed:  # a difference to the control is worth marking only where it is an improvement
        marked &= (shown < 0) if lower else (shown > 0)
    else:  # nothing stands out where all are the same
        marked &= groups.transform("max") > groups.transform("min")
    texts = [_with_spread(m, s, signed) for m, s in zip(mean, sd, strict=True)]
    bold = [f"**{t}**" if b else t for t, b in zip(texts, marked, strict=True)]
    return pd.Series(bold, index=mean.index)


def family_conclusion(runs):
    """Sentences on one family and data set: who leads, and what the decision rule changes."""
    scored = tuned_for_each(runs)
    if scored.empty:
        return "No cell of this family was scored on this data set; the table above says why."
    lines = []
    means = scored.groupby(["learner", "rule", "label"], sort=False)[MAIN].mean()
    for learner, rules in best_of_rules(means).items():
        words = []
        for rule, (best, first) in rules.items():
            more = f" and {len(first) - 3} others" if len(first) > 3 else ""
            words.append(f"{best:.3f} at its {rule} rule ({_list(first[:3])}{more})")
        lines.append(f"- {code(learner)}: best {WORDS[MAIN]} {', '.join(words)}.")
    width = widths(means)
    if not width.isna().any():
        verb = "narrows" if width["tuned"] < width["argmax"] else "does not narrow"
        lines.append(
            f"\nBetween the best and the worst strategy lie {width['argmax']:.3f} at argmax and "
            f"{width['tuned']:.3f} at the tuned rule, on average over learners: tuning the "
            f"decision {verb} the gap."
        )
    lost = runs[runs["status"] != "ok"].drop_duplicates([*PLACE, "strategy"])
    if len(lost):
        kinds = ", ".join(f"{n} {kind}" for kind, n in lost["status"].value_counts().items())
        total = len(runs.drop_duplicates([*PLACE, "strategy"]))
        lines.append(f"\nOf {total} cells {len(lost)} have no score: {kinds}.")
    return "\n".join(lines)


def difference_table(runs, count=8, metrics=("macro_f1", "average_precision", "brier")):
    """Per learner what ``plain`` reaches, then the best remedies' differences to their controls.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.
    count : int
        Strategies per learner: of those that have a control, the ones with the largest macro-F1
        at the tuned rule.
    metrics : iterable of str

    Returns
    -------
    DataFrame of str
        Mean ± standard deviation over splits; the best improvement of each learner in bold.
    """
    found = remedies(paired_differences(runs, list(metrics)))
    rows = both_rules(runs)
    controls = best_tuned(runs, found, count)
    kept = controls.index
    columns, plain = {}, {}
    for metric in metrics:
        for rule in ("argmax", "tuned") if metric in OF_LABELS else ("argmax",):
            title = f"{WORDS[metric]}, {rule}" if metric in OF_LABELS else WORDS[metric]
            title += " ↓" if metric in LOWER else ""
            groups = found[found["rule"] == rule].groupby(["learner", "label"])[metric]
            mean, sd = groups.mean().reindex(kept), groups.std().reindex(kept)
            columns[title] = _best_in_bold(mean, sd, metric in LOWER, signed=True)
            part = rows[(rows["strategy"] == "plain") & (rows["rule"] == rule)]
            plain[title] = part.groupby("learner")[metric].mean().map("{:.3f}".format)
    table = pd.DataFrame(columns).reindex(kept)
    table.insert(0, "minus", controls.map(code))
    table = table.reset_index().assign(kind=1)
    table["label"] = table["label"].map(code)
    head = pd.DataFrame(plain).reset_index().assign(label="`plain` itself", minus="", kind=0)
    table = pd.concat([head, table]).sort_values(["learner", "kind"], kind="stable")
    return table.drop(columns="kind").rename(columns={"label": "strategy"})[
        ["learner", "strategy", "minus", *columns]
    ]


def dataset_conclusion(runs):
    """Sentences on one data set: strategies against their controls, at either rule."""
    found = on_one_dataset(runs)
    if found is None:
        return "Neither a strategy nor its control has a score here: there is nothing to compare."
    plain, pairs, clear, best = (found[name] for name in ("plain", "pairs", "clear", "best"))
    words = [f"{code(best[r])} ({_signed(found['largest'][r])}) at {r}" for r in best]
    return "\n".join(
        [
            f"- Without any strategy the best learner is {code(found['learner'])}: macro-F1 "
            f"{plain['argmax']:.3f} at argmax, {plain['tuned']:.3f} at the tuned rule. Tuning the "
            f"rule alone changes `plain` by {_signed(found['tuning'])} on average over learners.",
            f"- Of {pairs['argmax']} pairs of learner and strategy, {clear['argmax']} beat their "
            "control in macro-F1 by more than one standard deviation over splits at argmax, "
            f"{clear['tuned']} of {pairs['tuned']} when both may tune the rule.",
            f"- Largest mean difference over learners: {' and '.join(words)}.",
            f"- {found['worse']} of {found['strategies']} strategies make the probabilities worse "
            f"(Brier score), most of all {code(found['worst'])} ({_signed(found['brier'])}).",
        ]
    )


def top(board, count=10):
    """The first rows of the leaderboard for reading.

    See :func:`imbbench.analysis.tables.widely_run`.

    A strategy that is the control of another is marked.
    """
    rows = widely_run(board).head(count)
    mark = np.where(rows["strategy"].isin(board["control"]), " (a control)", "")
    table = pd.DataFrame({"strategy": rows["label"].map(code) + mark})
    table["data sets"] = rows["datasets"]
    table["mean rank"] = rows["rank"].round(0).astype(int)
    for name, title in {
        "macro_f1_argmax": "macro-F1, argmax",
        "macro_f1_tuned": "macro-F1, tuned",
        "balanced_accuracy_argmax": "balanced accuracy, argmax",
        "average_precision": "average precision",
        "brier": "Brier score ↓",
    }.items():
        low, high = rows[f"{name}_low"], rows[f"{name}_high"]
        better = high < 0 if name in LOWER else low > 0
        texts = map(_with_spread, rows[name], (high - low) / 2)
        table[title] = [f"**{t}**" if b else t for t, b in zip(texts, better, strict=True)]
    return table


def running(loops):
    """Utilisation and overhead of the ``run`` stages, by family and in all.

    Parameters
    ----------
    loops : DataFrame
        Of :func:`imbbench.analysis.tables.load_loops`.
    """
    loops = loops.assign(available=loops["cores"] * loops["loop_seconds"])
    names = ["cells", "loop_seconds", "cpu_seconds", "available"]
    sums = loops.groupby("family", sort=False)[names].sum()
    sums["stages"] = loops.groupby("family", sort=False).size()
    sums.loc["all"] = sums.sum()
    overhead = loops.groupby("family", sort=False)["overhead_seconds"].mean()
    overhead["all"] = loops["overhead_seconds"].mean()
    return pd.DataFrame(
        {
            "family": [f"**{n}**" if n == "all" else n for n in sums.index],
            "run stages": sums["stages"].astype(int),
            "cells": sums["cells"].astype(int),
            "minutes in the loops": (sums["loop_seconds"] / 60).round(1),
            "utilisation (%)": (100 * sums["cpu_seconds"] / sums["available"]).round(0),
            "overhead per stage (s)": overhead.round(1),
        }
    )
