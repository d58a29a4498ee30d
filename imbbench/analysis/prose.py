"""What notebooks and the command line say: Markdown tables, and sentences made from numbers."""

import posixpath
import re

import numpy as np
import pandas as pd

from imbbench.analysis.statistics import (
    ENSEMBLE,
    LOWER,
    MAIN,
    MATTERS,
    OF_LABELS,
    PLACE,
    both_rules,
    clear_gains,
    largest_gains,
    on_one_dataset,
    paired_differences,
    remedies,
)
from imbbench.analysis.tables import WORDS, widely_run
from imbbench.paths import table_file

# Code, and the address of a page: there a backslash would show.
KEPT = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)|https?://[\w./~:?#@!&'()+,;=%-]+")
# Signs that are formatting in Markdown; an underscore is none within a word.
MARKS = re.compile(r"[\\`*\[\]~|$]|(?<![^\W_])_|_(?![^\W_])")

# A column of a table is a metric and a rule; metrics of probabilities have no rule.
RULE_WORDS = {"argmax": "default", "tuned": "moved"}
SCORED = [
    ("balanced_accuracy", "argmax"),
    ("balanced_accuracy", "tuned"),
    ("macro_f1", "tuned"),
    ("average_precision", "argmax"),
    ("brier", "argmax"),
]
COMPARED_IN = [SCORED[0], *SCORED[2:]]
# What strategies do that share one definition with others, by the class or setting they name.
METHODS = {
    "FocalLoss": "lets rows that are learnt already count less: their loss times (1 − p)^γ",
    "SigmoidFocalLoss": "focal loss with a sigmoid for each class against all others",
    "GHMCLoss": "lets rows count less whose gradient is as long as that of many others: easy rows, "
    "and very hard ones",
    "OHEMLoss": "learns from the rows of a batch with the largest losses only",
    "ClassBalancedLoss": "weighs classes by one over the effective number of their rows",
    "LDAMLoss": "asks of rarer classes a larger margin",
    "LogitAdjustedLoss": "adds the log class shares to the logits while it learns, so that rare "
    "classes have to win by more",
    "BorderlineSMOTE": "interpolates between neighbours of the minority, near the border only",
    "SVMSMOTE": "interpolates from support vectors of the minority, inwards or outwards",
    "KMeansSMOTE": "interpolates inside clusters in which the minority is frequent enough",
    "ADASYN": "interpolates most where the minority's neighbours are of other classes",
    "NearMiss 1": "keeps majority rows that are nearest to their closest minority rows",
    "NearMiss 2": "keeps majority rows that are nearest to the farthest minority rows",
    "NearMiss 3": "keeps, of the majority rows next to the minority, those farthest from it",
    "TomekLinks": "drops majority rows whose nearest neighbour is of the minority, and the reverse",
    "EditedNearestNeighbours": "drops majority rows that their neighbours contradict",
    "RepeatedEditedNearestNeighbours": "drops contradicted majority rows, again until none is left",
    "AllKNN": "drops contradicted majority rows, each time with one more neighbour",
    "OneSidedSelection": "drops majority rows far from the border, then those of Tomek links",
    "NeighbourhoodCleaningRule": "drops contradicted majority rows and those that contradict "
    "the minority",
    "CondensedNearestNeighbour": "keeps just the majority rows that a nearest neighbour needs",
    "ClusterCentroids": "keeps the majority rows next to the centres of as many clusters as "
    "there are minority rows",
    "InstanceHardnessThreshold": "drops majority rows that a cross-validated model gets wrong",
    "smote_then EditedNearestNeighbours": "SMOTE, then drops rows of any class that their "
    "neighbours contradict",
    "smote_then TomekLinks": "SMOTE, then drops both rows of every Tomek link",
}


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


def unscored(runs, most=10):
    """Cells without a score, grouped by why; reasons that differ in a number or learner are one.

    Parameters
    ----------
    runs : DataFrame
    most : int
        Groups, the largest first; the last one holds all others.

    Returns
    -------
    DataFrame
        ``status``, ``strategies``, ``learners``, ``data sets``, ``cells``, ``reason``.
    """
    lost = runs[runs["status"] != "ok"]
    reasons = [_kind(*pair) for pair in zip(lost["reason"], lost["learner"], strict=True)]
    lost = lost.assign(reason=reasons)
    sizes = lost.groupby(["status", "reason"], sort=True).size()
    first = sizes.sort_values(ascending=False, kind="stable").index
    if len(first) > most:
        rest = [pair not in set(first[: most - 1]) for pair in zip(lost["status"], lost["reason"],
                                                                   strict=True)]  # fmt: skip
        others = f"{len(first) - most + 1} other reasons"
        lost = lost.assign(status=lost["status"].mask(rest, "various"),
                           reason=lost["reason"].mask(rest, others))  # fmt: skip
    groups = lost.groupby(["status", "reason"], sort=True)

    def names(column, shown):
        return groups[column].agg(lambda values: _some(list(dict.fromkeys(values)), shown))

    table = pd.DataFrame(
        {
            "strategies": names("label", 3),
            "learners": names("learner", 5),
            "data sets": names("dataset", 5),
            "cells": groups.size(),
        }
    )
    table = table.reset_index()
    table = table.assign(last=table["status"] == "various")
    table = table.sort_values(["last", "cells"], ascending=[True, False], kind="stable")
    return table[["status", "reason", "strategies", "learners", "data sets", "cells"]]


def _kind(reason, learner):
    """A reason without the numbers and the learner's name, which stand elsewhere in the table."""
    reason = re.sub(rf"\b{re.escape(learner)}\b(?! only)", "the learner", reason)
    return re.sub(r"(?<![\w.])\d+(\.\d+)?(?![\w.])", "…", reason)


def methods(entries, table):
    """What each strategy of a family does, in its own words.

    Parameters
    ----------
    entries : dict
        Of the family in ``params.yaml``.
    table : DataFrame
        Of :func:`imbbench.bench.run.described`: what the docstrings say.

    Returns
    -------
    DataFrame
        ``strategy``, ``what it does``, ``parameters``, ``compared with``.
    """
    said = [
        _method(entry) or does
        for entry, does in zip(entries.values(), table["what it does"], strict=True)
    ]
    # What else a docstring points to is not on the page.
    said = [re.sub(r"[;,]? see :\w+:`[^`]*`", "", text) for text in said]
    said = [re.sub(r":\w+:(?=`)", "", text) for text in said]
    table = table.assign(**{"what it does": said}).rename(columns={"control": "compared with"})
    # The method's class is in its words, and what is corrected is what it is compared with.
    settings = table.get("parameters", pd.Series("", table.index))
    named = r"^(sampler|smote_then|corrected) = \w+(, )?"
    only = table.pop("only") if "only" in table else pd.Series("", table.index)
    only = only.where(only == "", "run with " + only)
    parts = zip(settings.str.replace(named, "", regex=True), only, strict=True)
    table["parameters"] = ["; ".join(filter(None, pair)) for pair in parts]
    table.attrs["formatted"] = ["what it does"]
    return table.loc[:, (table != "").any()]


def _method(entry):
    if "smote_then" in entry:
        return METHODS.get(f"smote_then {entry['smote_then']}")
    name = entry.get("sampler") or entry.get("loss")
    return METHODS.get(f"NearMiss {entry.get('version', 1)}" if name == "NearMiss" else name)


def links(study, dataset, kind, runs=None):
    """Links of a page about a data set: up to the study, to its other pages, to its neighbours.

    Parameters
    ----------
    study : imbbench.config.Study
    dataset : str
    kind : str
        The page: ``data_card``, ``report``, or a family.
    runs : DataFrame, optional
        Of the data set, for all pages but the card: a report links the families that have a score,
        and the page of a family without one has no neighbours.

    Returns
    -------
    str
        Markdown.
    """
    results = study.results(dataset)
    here = f"{results}/rendered/{dataset}"

    def link(text, path):
        return f"[{text}]({posixpath.relpath(path, here)})"

    own = {"report": "all families on this data set", "data_card": "data card"}
    wide = results if dataset in study.wide_datasets else "results"
    items = [link("the study", f"{wide}/rendered/04_study.ipynb")]
    items += [link(text, f"{here}/{page}.ipynb") for page, text in own.items() if page != kind]
    if kind not in own:
        items.append(link("code and references", f"imbbench/strategies/{kind}"))
        table = table_file(results, "runs", dataset, kind).name
        items.append(link("table", f"{results}/runs/{dataset}/{table}"))
    if kind == "report":
        items.append(link("tables", f"{results}/runs/{dataset}"))
    lines = [" · ".join(items)]
    scored = {kind} if runs is None else set(runs.loc[runs["status"] == "ok", "family"])
    if kind == "report" and dataset not in study.wide_datasets:
        pages = [link(f, f"{here}/{f}.ipynb") for f in study.families if f in scored]
        lines.append("Family by family: " + " · ".join(pages))
    beside = [link(name, f"{results}/rendered/{name}/{kind}.ipynb")
              for name in _neighbours(study, dataset)]  # fmt: skip
    if beside and (kind in own or kind in scored):
        lines.append("The same of other data sets: " + " · ".join(beside))
    return "\n\n".join(lines)


def _neighbours(study, dataset):
    """The data sets before and after one, of its pipeline and modality."""
    groups = study.datasets, study.web_datasets, study.wide_datasets
    entries = next((group for group in groups if dataset in group), {})
    modality = entries.get(dataset, {}).get("modality")
    # Pages of data sets of one's own are on this machine only.
    like = [name for name, entry in entries.items() if entry["modality"] == modality]
    names = [name for name in like if name == dataset or name not in study.own_datasets]
    place = names.index(dataset) if names else 0
    return [*names[max(place - 1, 0) : place], *names[place + 1 : place + 2]]


def by_learner(table):
    """A table per learner, each under the learner's name, narrow enough for a page.

    Parameters
    ----------
    table : DataFrame
        With a column ``learner``.

    Returns
    -------
    str
        Markdown.
    """
    parts = table.groupby("learner", sort=False)
    return "\n\n".join(
        f"{code(learner)}:\n\n{markdown(part.drop(columns='learner'))}" for learner, part in parts
    )


def _title(metric, rule):
    of_rule = f", {RULE_WORDS[rule]}" if metric in OF_LABELS else ""
    return f"{WORDS[metric]}{of_rule}{' ↓' if metric in LOWER else ''}"


def _bold(texts, marked):
    """Texts, bold where they are marked and say something."""
    marked = marked.reindex(texts.index, fill_value=False).astype(bool)
    return texts.where(~marked | (texts == ""), "**" + texts + "**")


def score_table(runs, columns=SCORED):
    """Mean ± standard deviation over splits; bold what is clearly better than its control.

    Parameters
    ----------
    runs : DataFrame
        Of one data set: a family, and what it is compared with.
    columns : iterable of (str, str)
        Metrics and rules, argmax or tuned; a strategy that is itself a rule has the same labels
        under either.

    Returns
    -------
    DataFrame of str
        ``learner``, ``strategy`` and the columns. Controls come first, then remedies, those that
        gain most in balanced accuracy with the cut-off moved first, then what is neither.
    """
    rows = both_rules(runs)
    found = paired_differences(runs, list(dict.fromkeys(metric for metric, _ in columns)))
    keys = ["learner", "label"]
    shown = {}
    for metric, rule in columns:
        groups = rows[rows["rule"] == rule].groupby(keys, sort=False)[metric]
        texts = groups.mean().combine(groups.std(), lambda m, s: _with_spread(m, s, signed=False))
        shown[_title(metric, rule)] = _bold(texts, _clear(found, metric, rule))
    gain = found[found["rule"] == "tuned"].groupby("label")[columns[0][0]].mean()
    order = rows[[*keys, "role", "strategy"]].drop_duplicates(keys)
    places = order["role"].map({"control": 0, "remedy": 1}).fillna(2)
    order = order.assign(place=places, plain=order["strategy"] != "plain",
                         gain=-order["label"].map(gain))  # fmt: skip
    order = order.sort_values(["learner", "place", "plain", "gain"], kind="stable")
    table = pd.DataFrame(shown).reindex(pd.MultiIndex.from_frame(order[keys])).fillna("")
    table = table.reset_index().rename(columns={"label": "strategy"})
    return table.assign(strategy=table["strategy"].map(code))


def _clear(differences, metric, rule):
    """Learners and labels with a clear gain at a rule; see ``clear_gains``."""
    part = differences[differences["rule"] == rule]
    return clear_gains(part, metric).droplevel("rule")


def in_numbers(runs, smallest=None):
    """What the best combination on a data set finds, the untreated learner and the majority class.

    Parameters
    ----------
    runs : DataFrame
        Of one data set: strategies and what they are compared with.
    smallest : str, optional
        The name of the smaller of two classes.

    Returns
    -------
    str
        A list in Markdown; empty where nothing was scored.
    """
    rows = both_rules(runs)
    rows = rows[rows[MAIN].notna() & (rows["strategy"] != "dummy")]
    if rows.empty:
        return ""
    classes = [name.split("_")[1] for name in rows.columns
               if re.fullmatch(r"recall_\d+", name) and rows[name].notna().any()]  # fmt: skip
    two = len(classes) == 2
    what = "a class (mean over the classes)"
    if two:
        classes, what = classes[1:], code(smallest) if smallest else "the minority"
    rows = rows.assign(
        found=rows[[f"recall_{c}" for c in classes]].mean(axis=1),
        right=rows[[f"precision_{c}" for c in classes]].mean(axis=1),
    )
    names = [MAIN, "found", "right"]
    keys = ["strategy", "label", "learner", "rule", "own"]
    groups = rows.groupby([*keys, "role"], sort=False)[names]
    # What ran on fewer splits than others of its learner is no match for them.
    splits = groups.size()
    means = groups.mean()[splits == splits.groupby("learner").transform("max")]
    others = means[means.index.get_level_values("role") == "remedy"]
    plain = means[means.index.get_level_values("strategy") == "plain"]
    sentences = []
    if len(others):
        best = others[MAIN].idxmax()
        _, label, learner, rule, own, _ = best
        f1, recall, precision = others.loc[best]
        sentences.append(
            f"Best of {len(others.groupby(['label', 'learner']))} combinations of learner and "
            f"strategy: {code(learner)} with {code(label)} at "
            f"{'its own' if own else f'the {RULE_WORDS[rule]}'} cut-off, macro-F1 {f1:.3f}. "
            f"It finds {100 * recall:.0f} of 100 rows of {what}; of 100 that it flags "
            f"{100 * precision:.0f} are right. (The best of many on the same test rows is "
            "flattered.)"
        )
    if len(plain):
        by_rule = plain.droplevel(["strategy", "label", "own", "role"])
        learner = by_rule[MAIN].idxmax()[0]
        at = [
            f"at the {RULE_WORDS[rule]} cut-off {100 * recall:.0f} of 100, and of 100 that it "
            f"flags {100 * precision:.0f} are right (macro-F1 {f1:.3f})"
            for rule, (f1, recall, precision) in by_rule.loc[learner].iterrows()
        ]
        sentences.append(f"Untreated, {code(learner)} finds {'; '.join(at)}.")
    dummy = runs[(runs["strategy"] == "dummy") & (runs["rule"] == "argmax")]
    if len(dummy):
        sentences.append(
            f"Always saying the largest class is right in {dummy['accuracy'].mean():.1%} of the "
            f"rows and finds none of {what if two else 'the others'} "
            f"(macro-F1 {dummy[MAIN].mean():.3f})."
        )
    return "\n".join(f"- {sentence}" for sentence in sentences)


def family_conclusion(runs):
    """Sentences on one family and data set: what it reaches, and how often it beats its control.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.tables.beside`.
    """
    own = runs[runs["family"] != "reference"]
    own = runs if own.empty else own
    if not (own["status"] == "ok").any():
        return "**Nothing to see here:** no cell of this family was scored on this data set."
    lines = []
    found = remedies(paired_differences(runs, [MAIN, "brier"]))
    if len(found):
        default, moved = (_counted(found, rule) for rule in ("argmax", "tuned"))
        brier = found[found["rule"] == "argmax"].groupby(["learner", "label"])["brier"].mean()
        worse = int((brier.dropna() > MATTERS).sum())
        lines.append(
            f"- **{default} pairs of learner and strategy gain macro-F1 over their control at the "
            f"default cut-off, {moved} when both may move it**: gains of more than one standard "
            f"deviation over splits. Probabilities get worse in {worse} of {brier.notna().sum()} "
            f"(Brier score, by more than {MATTERS:g})."
        )
    lines.append(in_numbers(runs))
    lost = own[own["status"] != "ok"].drop_duplicates([*PLACE, "strategy"])
    if len(lost):
        kinds = ", ".join(f"{n} {kind}" for kind, n in lost["status"].value_counts().items())
        total = len(own.drop_duplicates([*PLACE, "strategy"]))
        lines.append(f"- Of {total} cells {len(lost)} have no score: {kinds}.")
    return "\n".join(line for line in lines if line)


def _counted(differences, rule):
    """`3 of 20`: pairs of learner and strategy with a clear gain in macro-F1."""
    clear = _clear(differences, MAIN, rule)
    return f"{clear.sum()} of {len(clear)}"


def difference_table(runs, count=6, columns=COMPARED_IN):
    """Per learner what ``plain`` reaches, then the best remedies' differences to their controls.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.
    count : int
        Strategies per learner: see :func:`imbbench.analysis.statistics.largest_gains`.
    columns : iterable of (str, str)
        Metrics and rules.

    Returns
    -------
    DataFrame of str
        Mean ± standard deviation over splits; bold what is clearly better than its control.
    """
    found = remedies(paired_differences(runs, list(dict.fromkeys(m for m, _ in columns))))
    rows = both_rules(runs)
    controls = largest_gains(runs, count)
    shown, plain = {}, {}
    for metric, rule in columns:
        title = _title(metric, rule)
        groups = found[found["rule"] == rule].groupby(["learner", "label"])[metric]
        texts = groups.mean().combine(groups.std(), _with_spread)
        shown[title] = _bold(texts, _clear(found, metric, rule))
        part = rows[(rows["strategy"] == "plain") & (rows["rule"] == rule)]
        plain[title] = part.groupby("learner")[metric].mean().map("{:.3f}".format)
    table = pd.DataFrame(shown).reindex(controls.index).fillna("")
    table.insert(0, "minus", controls.map(code))
    table = table.reset_index().assign(kind=1)
    table["label"] = table["label"].map(code)
    head = pd.DataFrame(plain).reset_index().assign(label="`plain` itself", minus="", kind=0)
    table = pd.concat([head, table]).sort_values(["learner", "kind"], kind="stable")
    return table.drop(columns="kind").rename(columns={"label": "strategy"})[
        ["learner", "strategy", "minus", *shown]
    ]


def licences(study):
    """The page with the licence and the citation of every data set of the study.

    Returns
    -------
    str
        Markdown.
    """
    parts = [
        "# Licences and citations of the data",
        "Written by `make report` from the entries in `params.yaml` and `wide/study.yaml`. No data "
        "is committed: every set is fetched from its source. What a licence is said to be is as "
        "far as it is known.",
    ]
    groups = {"Default": study.datasets, "From the web": study.web_datasets,
              "Wide": study.wide_datasets}  # fmt: skip
    for title, entries in groups.items():
        rows = [
            {"data set": code(name), **{key: entry.get(key, "") for key in ("licence", "citation")}}
            for name, entry in entries.items()
            if name not in study.own_datasets
        ]
        parts += [f"## {title}", markdown(pd.DataFrame(rows))] if rows else []
    return "\n\n".join(parts) + "\n"


def dataset_conclusion(runs, smallest=None):
    """Sentences on one data set: what is reached, and strategies against their controls.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.
    smallest : str, optional
        The name of the smallest class.
    """
    found = on_one_dataset(runs)
    if found is None:
        return "Neither a strategy nor its control has a score here: there is nothing to compare."
    pairs, clear, best = (found[name] for name in ("pairs", "clear", "best"))
    words = [f"{code(best[r])} ({_signed(found['largest'][r])}) at the {RULE_WORDS[r]}"
             for r in best]  # fmt: skip
    spread = (
        f"- **Of {pairs['argmax']} pairs of learner and strategy, {clear['argmax']} beat their "
        "control in macro-F1 by more than one standard deviation over splits at the default "
        f"cut-off, {clear['tuned']} of {pairs['tuned']} when both may move it.** "
        if found["splits"] > 1
        else "- **Run on one split: which differences are larger than chance it cannot say.** "
    )
    return "\n".join(
        [
            in_numbers(runs, smallest),
            f"- Moving the cut-off alone changes the macro-F1 of `plain` by "
            f"{_signed(found['tuning'])} on average over learners.",
            f"{spread}Largest mean difference over learners: {' and '.join(words)} cut-off.",
            f"- {found['worse']} of {found['strategies']} strategies make the probabilities worse "
            f"(Brier score, by more than {MATTERS:g}), most of all {code(found['worst'])} "
            f"({_signed(found['brier'])}).",
        ]
    )


def beside_the_study(table, count=2):
    """One's own data in a line per group of learners: what gains most, and what it does elsewhere.

    Parameters
    ----------
    table : DataFrame
        Of :func:`imbbench.analysis.tables.beside_the_study`.
    count : int
        Strategies named.

    Returns
    -------
    str
        Markdown, every line after a line break; empty without rows.
    """
    lines = []
    for group, rows in table.groupby("group", sort=False):
        words = group if group == ENSEMBLE else f"{group} learners"
        named = "; ".join(
            f"{code(row.label)} on your data {_signed(row.here)}, in the study {_signed(row.mean)}"
            + ("" if np.isnan(row.low) else f" [{_signed(row.low)}, {_signed(row.high)}]")
            for row in rows.head(count).itertuples()
        )
        won, origins = (rows["here"] > MATTERS).sum(), int(rows["origins"].max())
        lines.append(
            f"\n- **Beside the study** as it was when this page was made ({words}; balanced "
            f"accuracy with the cut-off moved, each strategy against its control): {named}. On "
            f"your data {won} of {len(rows)} primary strategies gain more than {MATTERS:g}. In the "
            f"study it is the mean over {origins} data {'set' if origins == 1 else 'sets'}; a "
            "single one scatters more."
        )
    return "".join(lines)


def top(board, count=10):
    """The first rows of the leaderboard for reading.

    See :func:`imbbench.analysis.tables.widely_run`.
    """
    rows = widely_run(board).head(count)
    table = pd.DataFrame({"strategy": rows["label"].map(code)})
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
