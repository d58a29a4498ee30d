"""The study's answer: headline numbers, the sentences on them, and the tables beside them."""

import json
import textwrap

import numpy as np
import pandas as pd

from imbbench.analysis.inference import (
    COMPARISONS,
    METRICS,
    OUTCOMES,
    all_verdicts,
    by_origin,
    evidence,
    finding,
    gains,
    levels,
    tested,
)
from imbbench.analysis.prose import code
from imbbench.analysis.statistics import ENSEMBLE, MATTERS, both_rules, remedies, t_interval
from imbbench.analysis.tables import WORDS
from imbbench.bench.rows import CELL
from imbbench.errors import StudyError
from imbbench.paths import root

# Families in plain words.
FAMILIES = {
    "prior": "start at the class shares",
    "weighting": "class weights",
    "loss": "losses",
    "undersampling": "under-sampling",
    "oversampling": "over-sampling",
    "ensemble": "balanced ensembles",
    "schedule": "training schedules",
    "augmentation": "text augmentation",
    "semi_supervised": "extra data, pre-training",
    "posthoc": "moved cut-off, recalibration",
}
# What the headline figure shows: metric, rule, and what the panel is called.
PANELS = {
    "balanced accuracy": (
        "balanced_accuracy",
        "argmax",
        "balanced accuracy\nat the default cut-off",
    ),
    "macro-F1": ("macro_f1", "tuned", "macro-F1 when both\nmay move their cut-off"),
    "Brier score": ("brier", "argmax", "Brier score\n(left: probabilities worse)"),
}
OF_CUT_OFFS = ("balanced_accuracy", "macro_f1")
# What a practitioner knows: name, strategy, rule.
KNOWN = [
    ("nothing", "plain", "argmax"),
    ("cut-off moved", "plain", "tuned_balanced_accuracy"),
    ("class weights", "inverse_frequency", "argmax"),
    ("SMOTE", "smote", "argmax"),
    ("under-sampling 1:1", "under_1_1", "argmax"),
]
GROUPS = {
    "strong": "strong learners (boosted trees)",
    "weak": "weak learners (linear, one tree, small network)",
    ENSEMBLE: "ensembles of trees, against plain ones of the same size",
}


def core(runs):
    """Rows that headline effects are about: core data, tested on the shares of training."""
    return runs[(runs["stratum"] == "core") & (runs["prior"] == "as in training")]


def panel_effects(runs):
    """Every remedy in the three panels of the headline figure.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.

    Returns
    -------
    DataFrame
        ``panel``, ``family``, ``label``, ``origins``, ``mean``, ``low``, ``high``, ``finding``
        (``better``, ``worse`` or ``no clear difference``): more is better in all panels, and less
        than :data:`MATTERS` is no difference.
    """
    gained = remedies(gains(core(runs)))
    found = []
    for panel, (metric, rule, _) in PANELS.items():
        values = by_origin(gained[gained["rule"] == rule], metric, ("family", "label"))
        for (family, label), sample in values.groupby(level=["family", "label"], sort=False):
            mean, low, high = t_interval(sample)
            said = finding(mean, low, high)
            found.append((panel, family, label, len(sample), mean, low, high, said))
    names = ["panel", "family", "label", "origins", "mean", "low", "high", "finding"]
    return pd.DataFrame(found, columns=names)


def moved(runs, metric="balanced_accuracy"):
    """What moving the cut-off of the untreated learner changes, per origin.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.
    metric : str
        That it is moved for.

    Returns
    -------
    Series
        By origin: the metric with the cut-off moved minus that at argmax.
    """
    rows = both_rules(runs[(runs["family"] == "reference") & (runs["strategy"] == "plain")])
    table = rows.pivot_table(index=CELL, columns="rule", values=metric).reset_index()
    places = runs.drop_duplicates("dataset").set_index("dataset")["origin"]
    table = table.assign(
        origin=table["dataset"].map(places), label="plain", gain=table["tuned"] - table["argmax"]
    )
    return by_origin(table, "gain").droplevel("label")


def _interval(values):
    return dict(zip(("mean", "low", "high"), t_interval(values), strict=True))


def numbers(runs, loops):
    """Headline numbers of the study.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.
    loops : DataFrame
        Of :func:`imbbench.analysis.tables.load_loops`.

    Returns
    -------
    dict
        What ``results/study.json`` holds, rounded to four digits.

    Raises
    ------
    StudyError
        If no remedy has a score and a control.
    """
    cells = runs.drop_duplicates(CELL)
    shown = core(runs)
    effects = panel_effects(runs)
    if effects.empty:
        raise StudyError("No strategy has a score and a control: there is nothing to compare.")
    found = {
        "datasets": int(runs["dataset"].nunique()),
        "origins": int(runs["origin"].nunique()),
        "core_origins": int(shown["origin"].nunique()),
        "learners": int(runs["learner"].nunique()),
        "strategies": int(effects["label"].nunique()),
        "cells": len(cells),
        "cells_by_status": {k: int(v) for k, v in cells["status"].value_counts().items()},
        "smallest_difference_counted": MATTERS,
        "panels": {},
        "moved": {},
        "verdicts": {},
    }
    first, gain = next(iter(PANELS)), moved(shown).mean()
    for panel, part in effects.groupby("panel", sort=False):
        best = part.loc[part["mean"].idxmax()]
        found["panels"][panel] = {
            "strategies": len(part),
            "better": int((part["finding"] == "better").sum()),
            "worse": int((part["finding"] == "worse").sum()),
            "best": best["label"],
            "best_gain": best["mean"],
            "median": part["mean"].median(),
            "below_moved": int((part["mean"] < gain).sum()) if panel == first else None,
        }
    found["moved"]["all"] = {m: _interval(moved(shown, m)) for m in OF_CUT_OFFS}
    tables = shown[shown["modality"] == "tabular"]
    for group in ("strong", "weak"):
        part = tables[tables["group"] == group]
        if (part["status"] == "ok").any():
            found["moved"][group] = {
                metric: _interval(moved(part, metric)) for metric in OF_CUT_OFFS
            }
    judged = (
        all_verdicts(gains(tables)) if len(tables) else pd.DataFrame(columns=["group", "outcome"])
    )
    for (group, outcome), part in judged.groupby(["group", "outcome"], sort=False):
        counts = part["verdict"].value_counts()
        found["verdicts"].setdefault(group, {})[outcome] = {
            "strategies": len(part),
            "origins": int(part["origins"].max()),
            **{v: int(counts.get(v, 0)) for v in ("helps", "harms", "equivalent", "undecided")},
            "helping": dict(part.loc[part["verdict"] == "helps", ["label", "control"]].to_numpy()),
            "median": part["mean"].median(),
            "median_smallest": part["smallest"].median(),
        }
        one = found["verdicts"][group][outcome]
        one["adding"] = [name for name in one["helping"] if _adds(tables, group, outcome, name)]
    found["running"] = running(loops)
    return rounded(found)


def _adds(runs, group, outcome, label):
    """Whether a strategy gains on the untreated learner, its cut-off moved: not on its control."""
    metric, rule = OUTCOMES[outcome]
    plain = (runs["family"] == "reference") & (runs["strategy"] == "plain")
    rows = runs[(runs["group"] == group) & (plain | (runs["label"] == label))]
    rows = rows.assign(control=np.where(rows["strategy"] == "plain", "", "plain"))
    gained = gains(rows, [metric])
    gained = gained[(gained["label"] == label) & (gained["rule"] == rule)]
    return bool(t_interval(by_origin(gained, metric))[1] > 0)


def running(loops):
    """Sums over the ``run`` stages, for ``results/study.json``."""
    overhead = loops["overhead_seconds"].dropna()
    return {
        "run_stages": len(loops),
        "utilisation": loops["cpu_seconds"].sum() / (loops["cores"] * loops["loop_seconds"]).sum(),
        "cores": int(loops["cores"].max()),
        "cpu_minutes": loops["cell_seconds"].sum() / 60,
        "loop_minutes": loops["loop_seconds"].sum() / 60,
        "stage_minutes": loops["stage_seconds"].sum() / 60,
        "overhead_seconds_median": overhead.median(),
        "overhead_seconds_max": overhead.max(),
    }


def rounded(value):
    """Numbers of a dict to four digits, what is no number as None, for JSON."""
    if isinstance(value, dict):
        return {key: rounded(v) for key, v in value.items()}
    if isinstance(value, float):
        return None if np.isnan(value) else round(float(value), 4)
    return value


def _signed(value):
    return f"{round(value, 3) + 0.0:+.3f}"


def _gain(found):
    text = _signed(found["mean"])
    if found["low"] is None or np.isnan(found["low"]):
        return text
    return f"{text} [{_signed(found['low'])}, {_signed(found['high'])}]"


def advice(numbers_):
    """The sentence that the study leads with.

    Remedies are advised where more than a quarter of the primary ones help strong learners in one
    of the three outcomes and are better than the untreated learner, once every cut-off is moved;
    else the cut-off alone.
    """
    found = numbers_["verdicts"].get("strong") or {}
    shares = {outcome: len(v["adding"]) / v["strategies"] for outcome, v in found.items()}
    best = max(shares, key=shares.get, default=None)
    if best and shares[best] > 0.25:
        of = found[best]
        return (
            f"**Treat the imbalance: {len(of['adding'])} of {of['strategies']} remedies raise the "
            f"{best} of strong learners beyond what moving their cut-off does.**"
        )
    first = "First move the cut-off of your learner to where it finds what you need"
    if not best:
        return f"**{first}.**"
    of, count = found[best], len(found[best]["adding"])
    shown = f"{count or 'none'} of {of['strategies']} remedies {'are' if count > 1 else 'is'}"
    return f"**{first}: {shown} shown to add to that with strong learners.**"


def _plural(count, verb):
    return f"{count} {verb if count == 1 else verb.removesuffix('s')}"


def _judged(found):
    """How many of the primary strategies help, harm, …, without the kinds that none is of."""
    named = [
        code(name) + (f" beside {code(control)}" if control != "plain" else "")
        for name, control in list(found["helping"].items())[:4]
    ]
    helping = f" ({', '.join(named)})"
    said = [f"{_plural(found['helps'], 'helps')}{helping}" if found["helps"] else "none helps"]
    said += [_plural(found["harms"], "harms")] if found["harms"] else []
    if found["equivalent"]:
        said.append(f"{_plural(found['equivalent'], 'changes')} less than .01")
    said += [f"{found['undecided']} undecided"] if found["undecided"] else []
    return ", ".join(said)


def sentences(numbers_):
    """What the study says, under the sentence that it leads with.

    Parameters
    ----------
    numbers_ : dict
        Of :func:`numbers`.

    Returns
    -------
    str
        Markdown.
    """
    panels, parts, lines = numbers_["panels"], numbers_["moved"], []
    at, f1, brier = (panels[name] for name in PANELS)
    gain = parts["all"]["balanced_accuracy"]
    gained = [
        f"{_gain(parts[group]['balanced_accuracy'])} with {group} learners"
        for group in ("strong", "weak")
        if group in parts
    ]
    gained = f"on tables {', '.join(gained)}" if gained else _gain(gain)
    lines.append(
        "- **To find more of the minority**, move the cut-off (the probability from which on a "
        f"case counts as one of it), without a new fit: balanced accuracy {gained}. At the default "
        f"cut-off {at['better']} of {at['strategies']} remedies raise it, each over all learners "
        f"and data that it is run on, {at['worse']} lower it, and {at['below_moved']} do less than "
        f"the {_signed(gain['mean'])} that the moved cut-off gains over all of them; the median of "
        f"the remedies changes it by {_signed(at['median'])}."
    )
    lines.append(
        f"- **When both may move their cut-off**, {f1['better']} of {f1['strategies']} remedies "
        f"raise macro-F1 and {f1['worse']} lower it; the largest gain is "
        f"{_signed(f1['best_gain'])} ({code(f1['best'])})."
    )
    lines.append(
        f"- **If the probabilities matter**, leave the data alone: {brier['worse']} of "
        f"{brier['strategies']} remedies make the Brier score worse, {brier['better']} better."
    )
    for group, words in GROUPS.items():
        found = numbers_["verdicts"].get(group)
        if not found:
            continue
        first = next(iter(found.values()))
        said = "; ".join(f"in {outcome} {_judged(v)}" for outcome, v in found.items())
        seen = ""
        if first["median_smallest"] is not None:
            seen = (
                f" A difference of {first['median_smallest']:.3f} in {next(iter(found))} would be "
                "seen (the median of these strategies)."
            )
        lines.append(
            f"- **With {words}**, of {first['strategies']} primary "
            f"{'strategy' if first['strategies'] == 1 else 'strategies'} on "
            f"{first['origins']} tables: {said}.{seen}"
        )
    statuses, took = numbers_["cells_by_status"], numbers_["running"]
    lines.append(
        f"- Counted is what differs by {numbers_['smallest_difference_counted']:g} or more with a "
        f"95 % interval clear of zero, over {numbers_['core_origins']} origins of core data: "
        "neither trivial nor without signal, and tested on the class shares of training. (Tables "
        "cut from one are one origin; a remedy is any strategy that is no control, ablation, "
        "calibrator or placebo; the primary ones were named beforehand.) In all "
        f"there are {numbers_['origins']} origins, {numbers_['datasets']} data sets, "
        f"{numbers_['learners']} learners and {numbers_['strategies']} remedies. That a primary "
        "strategy helps or harms is corrected for their number (Holm), that it changes less is not."
    )
    lost = statuses.get("failed", 0) + statuses.get("timed out", 0)
    lines.append(
        f"- {statuses.get('ok', 0)} of {numbers_['cells']} cells have a score, "
        f"{statuses.get('not applicable', 0)} do not apply or were left out for their cost, "
        f"{lost} failed or timed out, each with its reason; {took['cpu_minutes']:.0f} minutes of "
        "processor time."
    )
    return "\n".join(lines)


def title(numbers_):
    """What the headline figure shows, as a sentence."""
    at, f1, brier = (numbers_["panels"][name] for name in PANELS)
    return (
        f"At the default cut-off {at['better']} of {at['strategies']} remedies raise balanced "
        "accuracy; to move the cut-off of the untreated learner does more than "
        f"{at['below_moved']} of them. When both may move it, {f1['better']} gain and "
        f"{f1['worse']} lose; {brier['worse']} make the probabilities worse."
    )


def verdict_counts(judged):
    """Verdicts by part of the study and outcome, for reading.

    Parameters
    ----------
    judged : DataFrame
        Of :func:`imbbench.analysis.inference.all_verdicts`.
    """
    parts = ["modality", "group", "stratum", "prior", "outcome"]
    kinds = ["helps", "harms", "equivalent", "undecided"]
    if judged.empty:
        return pd.DataFrame(columns=["data", "learners", "outcome", "origins", *kinds])
    groups = judged.groupby(parts, sort=False)
    found = groups["verdict"].value_counts().unstack(fill_value=0).reindex(columns=kinds)
    found = found.fillna(0).astype(int)
    found.insert(0, "origins", groups["origins"].max())
    found = found.reset_index()
    shifted = np.where(found["prior"] == "shifted", ", shifted test part", "")
    found.insert(0, "data", found["modality"] + ", " + found["stratum"] + shifted)
    found = found.rename(columns={"group": "learners"})
    return found[["data", "learners", "outcome", "origins", *kinds]]


def checks(gained, outcome):
    """The primary strategies' means beside a mixed model, and what they hang on, for reading."""
    from imbbench.analysis.inference import hierarchical, sensitivity

    hangs = sensitivity(gained, outcome)
    if hangs.empty:
        return hangs
    model = hierarchical(gained, outcome).set_index("label")
    rows = model.loc[hangs["label"]].to_dict("records")
    named = {"mean": "estimate", "low": "low", "high": "high"}
    found = pd.DataFrame({"strategy": hangs["label"].map(code), "verdict": hangs["verdict"]})
    found["mixed model [95 %]"] = [
        "" if np.isnan(row["estimate"]) else _gain({k: row[v] for k, v in named.items()})
        for row in rows
    ]
    ends = zip(hangs["lowest"], hangs["highest"], strict=True)
    found["without one origin"] = [f"{_signed(low)} to {_signed(high)}" for low, high in ends]
    found["else, without an origin"] = hangs["verdicts_by_origin"]
    found["else, without a learner"] = hangs["verdicts_by_learner"]
    return found


def known_strategies(runs, group="strong"):
    """The table of what a practitioner knows, on core tables.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.
    group : {"strong", "weak"}

    Returns
    -------
    DataFrame
        For :func:`imbbench.analysis.prose.markdown`.
    """
    shown = core(runs)
    shown = shown[(shown["modality"] == "tabular") & (shown["group"] == group)]
    table = levels(shown, KNOWN)
    found = pd.DataFrame({"": table["strategy"]})
    for name, title in {
        "minority_recall": "share of the minority found (recall)",
        "minority_precision": "share of alarms that are right (precision)",
        "balanced_accuracy": "balanced accuracy",
        "brier": "Brier score (0 to 2) ↓",
    }.items():
        found[title] = table[name].map("{:.3f}".format)
    return found


def answer(runs, loops):
    """The numbers, and the text that README and notebook show: advice, table, sentences."""
    from imbbench.analysis.prose import markdown

    found = numbers(runs, loops)
    parts = [advice(found)]
    table = known_strategies(runs)
    if len(table):
        parts += [f"Means over core tables with {GROUPS['strong']}:", markdown(table)]
    return found, "\n\n".join([*parts, sentences(found)])


def lead_table(table):
    """Families against the untreated learner in three states, for reading.

    Parameters
    ----------
    table : DataFrame
        Of :func:`imbbench.analysis.inference.families_against_plain`.

    Returns
    -------
    DataFrame
        A row per family and metric; a cell is the mean gain and how many strategies are clearly
        better and worse.
    """
    texts = [
        f"{_signed(row.mean)} ({row.better} better, {row.worse} worse)"
        for row in table.itertuples(index=False)
    ]
    table = table.assign(text=texts, metric=table["metric"].map(WORDS))
    wide = table.pivot(index=["family", "metric"], columns="comparison", values="text")
    order = table.drop_duplicates(["family", "metric"])[["family", "metric"]]
    order = order.sort_values("family", key=lambda v: v.map(list(FAMILIES).index), kind="stable")
    wide = wide.reindex(pd.MultiIndex.from_frame(order)).fillna("").reset_index()
    counts = table.groupby("family")["strategies"].max()
    wide["family"] = [f"{FAMILIES.get(f, f)} ({counts[f]})" for f in wide["family"]]
    return wide[["family", "metric", *(c for c in COMPARISONS if c in wide)]]


def verdict_table(table, outcome):
    """Verdicts of one part of the study, for reading.

    Parameters
    ----------
    table : DataFrame
        Of :func:`imbbench.analysis.inference.verdicts`.
    outcome : str
    """
    found = pd.DataFrame(
        {"strategy": table["label"].map(code), "minus": table["control"].map(code)}
    )
    found["origins"] = table["origins"]
    rows = table.to_dict("records")
    found[f"{outcome}, mean [95 %]"] = [_gain(_none(row, "")) for row in rows]
    found["p (Holm)"] = ["" if np.isnan(row["p_holm"]) else f"{row['p_holm']:.3f}" for row in rows]
    found["least to be seen"] = [
        "" if np.isnan(row["smallest"]) else f"{row['smallest']:.3f}" for row in rows
    ]
    if "free" in table:
        found["minus logit adjustment"] = [
            "" if np.isnan(row["free"]) else _gain(_none(row, "free")) for row in rows
        ]
    found["verdict"] = [
        f"{row['verdict']}: the steps turn {', '.join(map(code, row['turned'].split()))}"
        if row["turned"]
        else row["verdict"]
        for row in rows
    ]
    return found


def _none(row, kind):
    names = {
        "mean": kind or "mean",
        "low": f"{kind}_low".lstrip("_"),
        "high": f"{kind}_high".lstrip("_"),
    }
    return {k: None if np.isnan(row[v]) else row[v] for k, v in names.items()}


DICTIONARY = {
    "family": "family of the strategy",
    "label": "strategy, with its family where several use the name",
    "control": "what it is compared with, on the same data set, learner, split and rule",
    "role": "remedy, control, ablation, calibrator or placebo",
    "primary": "whether inference is about it",
    "outcome": "metric and rule: at argmax, or with both cut-offs tuned for the metric",
    "origins": "origins (tables or corpora) with a difference: the sample",
    "datasets": "data sets",
    "mean": "mean difference over splits, learners, data sets of an origin, origins; more is good",
    "low": "lower end of the 95 % Student t interval over origins",
    "high": "upper end",
    "p": "Wilcoxon's signed-rank test over origins, not corrected; empty below six origins",
    "p_equivalent": "two one-sided t tests against a difference of .01",
    "smallest": "smallest mean difference found with a power of .8",
    "wins": "share of origins with a gain of more than .005",
}


def subset_effects(gained):
    """Every strategy's effects in one part of the study.

    Parameters
    ----------
    gained : DataFrame
        Of :func:`imbbench.analysis.inference.gains`.

    Returns
    -------
    DataFrame
        The columns of :data:`DICTIONARY`, at full precision.
    """
    found = []
    for metric in METRICS:
        for rule in ("argmax", "tuned") if metric in OF_CUT_OFFS else ("argmax",):
            rows = gained[gained["rule"] == rule]
            outcome = f"{metric} {rule}" if metric in OF_CUT_OFFS else metric
            values = by_origin(rows, metric, ("family", "label"))
            named = rows.drop_duplicates("label").set_index("label")
            sets = rows.groupby("label")["dataset"].nunique()
            for (family, label), sample in values.groupby(level=["family", "label"], sort=False):
                one = {"family": family, "label": label}
                one |= {k: named.loc[label, k] for k in ("control", "role", "primary")}
                one |= {"outcome": outcome, "datasets": sets[label]}
                one |= vars(tested(sample)) | {"wins": (sample > MATTERS).mean()}
                found.append(one)
    return pd.DataFrame(found, columns=list(DICTIONARY))


def save(runs, loops, results):
    """Write what others compute with: ``study.json``, ``tables/`` with one CSV per subset.

    ``tables/subsets/<modality>-<stratum>-<learners>.csv``; ``tables/README.md`` says what their
    columns are.
    """
    from imbbench.analysis.prose import markdown
    from imbbench.analysis.tables import leaderboard
    from imbbench.files import write_table, write_whole

    folder = root() / results
    found, text = answer(runs, loops)
    write_whole(folder / "study.json", json.dumps(found, indent=1) + "\n")
    write_whole(folder / "tables" / "answer.md", text + "\n")
    write_table(leaderboard(runs).round(4), folder / "tables" / "leaderboard.csv")
    gained = gains(runs)
    parts = ["modality", "stratum", "group"]
    for names, part in gained.groupby(parts, sort=True):
        name = "-".join(names).replace(" ", "_")
        write_table(subset_effects(part), folder / "tables" / "subsets" / f"{name}.csv")
    judged = all_verdicts(gained)
    write_table(judged, folder / "tables" / "verdicts.csv")
    rows = pd.DataFrame(DICTIONARY.items(), columns=["column", "meaning"])
    rows["column"] = rows["column"].map(code)
    write_whole(
        folder / "tables" / "README.md",
        "# Tables\n\n"
        "`subsets/<modality>-<stratum>-<learners>.csv` has every strategy's effects in one part of "
        "the study, at full precision; `verdicts.csv` the primary strategies' verdicts, with "
        "Holm's correction within each outcome and part (`p_holm`), the learners whose number of "
        "steps makes a verdict undecided (`turned`) and, of balanced accuracy, the difference to "
        "free logit adjustment (`free`).\n\n" + markdown(rows) + "\n",
    )


def leading():
    """Where the answer is that rests on most data sets: the wide study's, where it has been run.

    Returns
    -------
    str
        A folder, relative to the project.
    """
    wide = "results/wide"
    return wide if (root() / wide / "study.json").is_file() else "results"


def names_of_leading(study):
    """The data sets that the answer of :func:`leading` rests on."""
    return evidence(study, leading().partition("/")[2] or None)


SHOWN = {"macro_f1": "macro_f1 tuned", "balanced_accuracy": "balanced_accuracy tuned"}


def summary(metric="balanced_accuracy", group="strong", modality=None, count=10):
    """What the committed tables say, in a screenful; printed by ``imbbench summary``.

    Parameters
    ----------
    metric : {"balanced_accuracy", "macro_f1", "average_precision", "brier"}
    group : {"strong", "weak", "ensembles"}
    modality : {"tabular", "text", "image"}, optional
        Default: the first of them that there are results of.
    count : int
        Strategies shown.

    Returns
    -------
    str

    Raises
    ------
    StudyError
        If there is no such part of the study, with those that there are.
    """
    folder = root() / leading()
    learners = ENSEMBLE if group == "ensembles" else group
    subsets = folder / "tables" / "subsets"
    wanted = [modality] if modality else ["tabular", "text", "image"]
    names = [f"{kind}-core-{learners}".replace(" ", "_") for kind in wanted]
    name = next((name for name in names if (subsets / f"{name}.csv").is_file()), names[0])
    paths = [folder / "study.json", subsets / f"{name}.csv"]
    for path in paths:
        if not path.is_file():
            there = ", ".join(sorted(p.stem for p in subsets.glob("*.csv")))
            raise StudyError(
                f"{path.relative_to(root())} is missing: run `dvc repro study` first, or ask for "
                f"other data or learners. There is {there or 'none'}."
            )
    modality = name.partition("-")[0]
    found = json.loads(paths[0].read_text(encoding="utf-8"))
    table = pd.read_csv(paths[1], keep_default_na=False, na_values=[""])
    outcome = SHOWN.get(metric, metric)
    rows = remedies(table[table["outcome"] == outcome])
    rows = rows.sort_values("mean", ascending=False, kind="stable").head(count)
    width = max(rows["label"].str.len().max() if len(rows) else 0, len("strategy"))
    lines = [
        f"{found['datasets']} data sets of {found['origins']} origins, {found['learners']} "
        f"learners, {found['strategies']} remedies, {found['cells']} cells "
        f"({', '.join(f'{n} {k}' for k, n in found['cells_by_status'].items())})",
        "",
        *textwrap.wrap(advice(found).strip("*"), 95),
        "",
        f"{WORDS[metric]}, gain over the control, {modality} data, {group} learners"
        + (", both cut-offs tuned" if metric in SHOWN else ""),
        f"{'strategy':<{width}}  origins    gain  95 % interval",
    ]
    for row in rows.itertuples():
        interval = "" if np.isnan(row.low) else f"[{row.low:+.3f}, {row.high:+.3f}]"
        lines.append(
            f"{row.label:<{width}}  {row.origins:>7}  {row.mean:>+6.3f}  {interval}".rstrip()
        )
    lines += [
        "",
        f"Read on: {leading()}/rendered/04_study.ipynb for all data sets; in",
        "results/rendered/<name>/ data_card.ipynb, report.ipynb and a notebook per family.",
    ]
    return "\n".join(lines)
