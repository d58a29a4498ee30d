"""Result tables: read them, sum them up over data sets, and write what the study says.

Nothing here runs anything: every number is a function of the committed tables.
"""

import json
from collections import Counter

import pandas as pd

from imbbench.analysis.statistics import (
    HIGHER,
    LOWER,
    MAIN,
    NAMES,
    OF_LABELS,
    PLACE,
    effects,
    learner_groups,
    paired_differences,
    relative_ranks,
    remedies,
)
from imbbench.bench.rows import CELL
from imbbench.errors import StudyError
from imbbench.files import read_table
from imbbench.paths import root, table_file

WORDS = {
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "ECE",
}


def _paths(study, kind, datasets, families, ending=None):
    if datasets in (None, "all"):
        web = study.web_datasets if datasets else ()
        datasets = [d for d in (*study.datasets, *web) if d not in study.own_datasets]
        if not datasets:
            raise StudyError(
                "Every data set is one's own, so the study has none; say `study: true` in an entry."
            )
    for dataset in datasets:
        study.dataset(dataset)
        results = study.results(dataset)
        for family in families or study.families:
            path = table_file(results, kind, dataset, family)
            path = path.with_name(f"{family}{ending}") if ending else path
            if not path.is_file():
                pipeline = results.removeprefix("results").removeprefix("/")
                pipeline = f"{pipeline}/dvc.yaml:" if pipeline else ""
                stage = dataset if dataset in study.wide_datasets else f"{dataset}-{family}"
                raise StudyError(
                    f"Data set '{dataset}' has no results of family '{family}' "
                    f"({path.relative_to(root())} is missing): "
                    f"run `dvc repro {pipeline}run@{stage}` first."
                )
            yield dataset, family, path


def labels(study):
    """Names of strategies that are unique in the study.

    Returns
    -------
    dict
        ``(family, strategy)`` to the strategy's name, followed by its family's where several
        families use it.
    """
    pairs = [(f, name) for f in study.families for name in study.family(f)]
    uses = Counter(name for _, name in pairs)
    return {(f, name): name if uses[name] == 1 else f"{name} ({f})" for f, name in pairs}


def roles_of(study):
    """``(family, strategy)`` to its mark in ``params.yaml``, None where it has none."""
    return {(f, n): e.get("role") for f in study.families for n, e in study.family(f).items()}


def role_of(family, mark=None):
    """What a strategy is counted as; one without a mark is a remedy, in ``reference`` a control."""
    return mark or ("control" if family == "reference" else "remedy")


def _read(study, kind, datasets, families):
    named, roles = labels(study), roles_of(study)
    found = []
    for dataset, family, path in _paths(study, kind, datasets, families):
        try:
            table = read_table(path, keep_default_na=False, na_values=[""]).copy()
        except ValueError as error:
            raise StudyError(
                f"Data set '{dataset}', family '{family}': {path.relative_to(root())} is damaged "
                f"({error}). Take it from git again where it is there, or delete it and run "
                "`dvc repro`."
            ) from error
        if table.empty and kind == "curves":  # no cell of the family applies
            continue
        role = [role_of(family, roles.get((family, name))) for name in table["strategy"]]
        found.append(label(table.assign(dataset=dataset, family=family), named).assign(role=role))
    # The copy joins what pandas keeps apart, and warns of, where data sets differ in classes.
    return pd.concat(found, ignore_index=True).copy() if found else pd.DataFrame()


def label(table, named=None):
    """``table`` with the column ``label``: of :func:`labels`, or the strategy's bare name."""
    # pandas warns of tables that were put together column by column, as those of many classes are.
    table = table.copy()
    if named is None:
        return table.assign(label=table.get("strategy"))
    # A committed table may hold what params.yaml names no longer.
    pairs = zip(table["family"], table["strategy"], strict=True)
    return table.assign(label=[named.get(pair, f"{pair[1]} ({pair[0]})") for pair in pairs])


def load_runs(study, datasets=None, families=None):
    """Read the run tables of registered data sets and families.

    Parameters
    ----------
    study : imbbench.config.Study
    datasets : iterable of str or "all", optional
        Default: all of ``datasets:`` in ``params.yaml`` but the user's own; ``"all"``: of
        ``web_datasets:``, too.
    families : iterable of str, optional
        Default: all of ``families:``.

    Returns
    -------
    DataFrame
        One row per cell and decision rule, as written by :func:`imbbench.bench.rows.save`, with
        ``label`` and ``role``.

    Raises
    ------
    StudyError
        A registered table is missing; the message names the stage to run.
    """
    runs = _read(study, "runs", datasets, families)
    text = ["control", "rule", "reason"]
    runs = runs.assign(**runs[text].fillna(""))
    # Results of the former protocol have one tuned rule.
    return runs.assign(rule=runs["rule"].replace("tuned", "tuned_macro_f1"))


def load_curves(study, datasets=None, families=None):
    """Read the precision-recall and reliability tables; see :func:`load_runs`."""
    return _read(study, "curves", datasets, families)


def load_timings(study, datasets=None, families=None):
    """Read the seconds of every cell; see :func:`load_runs`."""
    return _read(study, "timings", datasets, families)


def fitted(timings):
    """Rows of cells that were fitted, or begun: all but what was found not to apply."""
    return timings[timings["status"].isin(["ok", "timed out", "failed"])]


def load_loops(study, datasets=None, families=None):
    """Read what the cell loop of every ``run`` stage cost; see :func:`load_runs`.

    Returns
    -------
    DataFrame
        ``dataset``, ``family``, ``cells``, ``cores``, ``loop_seconds``, ``cpu_seconds`` (of that
        loop: cells that were kept took none), ``cell_seconds`` (processor time of the cells that
        were fitted, whenever that was), ``encode_seconds``, and, NaN where the notebook was run
        by hand, ``stage_seconds`` and ``overhead_seconds`` (of the stage outside the loop and the
        encoding of texts).
    """
    datasets = datasets if datasets in (None, "all") else list(datasets)
    rows = [
        {"dataset": dataset, "family": family, **json.loads(path.read_text(encoding="utf-8"))}
        for dataset, family, path in _paths(study, "timings", datasets, families, ".json")
    ]
    for row, (*_, path) in zip(rows, _paths(study, "timings", datasets, families), strict=True):
        row["cell_seconds"] = fitted(read_table(path))["cpu_seconds"].sum()
    columns = ["dataset", "family", "cells", "cores", "loop_seconds", "cpu_seconds", "cell_seconds"]
    table = pd.DataFrame(rows).reindex(columns=[*columns, "stage_seconds", "encode_seconds"])
    inside = table["loop_seconds"] + table["encode_seconds"]
    return table.assign(overhead_seconds=table["stage_seconds"] - inside)


def load_card(dataset):
    """Read ``card.json`` of a prepared data set."""
    path = root() / "data" / "prepared" / dataset / "card.json"
    if not path.is_file():
        raise StudyError(
            f"Data set '{dataset}' is not prepared ({path.relative_to(root())} is "
            f"missing): run `dvc repro prepare@{dataset}` first."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def beside_the_study(study, dataset, runs):
    """What the primary strategies gain on one's own data, and in the study.

    Balanced accuracy with the cut-off moved, each against its control; in the study over the
    core origins of the same modality, from the tables that are there.

    Parameters
    ----------
    study : imbbench.config.Study
    dataset : str
    runs : DataFrame
        Of :func:`load_runs`, of this data set.

    Returns
    -------
    DataFrame
        ``group`` of learners, ``label``, ``here`` (mean over splits, then learners), ``mean``,
        ``low``, ``high`` and ``origins`` (in the study); the largest gain here first. Without rows
        for a data set of the study itself.
    """
    columns = ["group", "label", "here", "mean", "low", "high", "origins"]
    found = pd.DataFrame(columns=columns)
    if dataset not in study.own_datasets:
        return found
    own = paired_differences(runs, ["balanced_accuracy"])
    own = own[own["rule"] == "tuned"]
    own = own.assign(group=learner_groups(own))
    of_learners = own.groupby(["group", "label", "learner"])["balanced_accuracy"].mean()
    here = of_learners.groupby(level=["group", "label"]).mean()
    for group, gained in here.groupby(level="group"):
        name = f"{runs['modality'].iloc[0]}-core-{group}.csv".replace(" ", "_")
        files = [root() / "results" / place / "tables/subsets" / name for place in ("wide", ".")]
        file = next((file for file in files if file.is_file()), None)
        if file:
            table = pd.read_csv(file)
            table = table[table["primary"] & (table["outcome"] == "balanced_accuracy tuned")]
            table = table.assign(group=group, here=table["label"].map(gained.droplevel("group")))
            found = pd.concat([found, table[columns]] if len(found) else [table[columns]])
    found = found.dropna(subset=["here"])
    return found.sort_values("here", ascending=False, kind="stable", ignore_index=True)


def leaderboard(runs):
    """One row per strategy: mean relative rank, and mean difference to its control.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`load_runs`, any number of data sets.

    Returns
    -------
    DataFrame
        Best mean rank first. ``family``, ``strategy``, ``label``, ``control``, ``role``,
        ``datasets``, ``cells`` (scored), ``unscored``, ``rank`` (mean over :data:`HIGHER`, both
        rules; the tuned one is tuned for the metric),
        ``rank_<metric>_<rule>`` and ``<metric>_<rule>``, ``…_low``, ``…_high``, ``…_wins``;
        metrics of probabilities have no rule.
    """
    cells = runs.drop_duplicates(CELL)
    ok = cells["status"] == "ok"
    scored, lost = (cells[part].groupby(NAMES, sort=False) for part in (ok, ~ok))
    board = pd.DataFrame({"datasets": scored["dataset"].nunique(), "cells": scored.size()})
    board["unscored"] = lost.size().reindex(board.index, fill_value=0)
    board.insert(0, "control", scored["control"].first())
    board.insert(1, "role", scored["role"].first())
    ranks = relative_ranks(runs)
    differences = paired_differences(runs)
    wanted = [(m, rule) for m in HIGHER + LOWER for rule in ("argmax", "tuned")]
    wanted = [(m, rule) for m, rule in wanted if m in OF_LABELS or rule == "argmax"]
    for metric, rule in wanted:
        name = f"{metric}_{rule}" if metric in OF_LABELS else metric
        # The mean over splits first, so that a strategy with fewer splits weighs the same.
        of_rule = ranks[ranks["rule"] == rule].groupby([*NAMES, "dataset", "learner"])[metric]
        board[f"rank_{name}"] = of_rule.mean().groupby(NAMES).mean()
        found = effects(differences[differences["rule"] == rule], metric).set_index(NAMES)
        board[name] = found["mean"]
        board[[f"{name}_low", f"{name}_high", f"{name}_wins"]] = found[["low", "high", "wins"]]
    higher = [f"rank_{m}_{r}" if m in OF_LABELS else f"rank_{m}" for m, r in wanted if m in HIGHER]
    board.insert(5, "rank", board[higher].mean(axis=1))
    return board.sort_values("rank", kind="stable").reset_index()


def widely_run(board):
    """Rows of remedies on three data sets or more, or of all remedies if none is."""
    treated = remedies(board)
    wide = treated[treated["datasets"] >= 3]
    return treated if wide.empty else wide


def best_of_families(board, each=1):
    """The remedies of each family with the best mean ranks, best first.

    Parameters
    ----------
    board : DataFrame
        Of :func:`leaderboard`.
    each : int
        Strategies per family.

    Returns
    -------
    list of str
        Labels.
    """
    return list(remedies(board).groupby("family", sort=False).head(each)["label"])


def leaders(runs, count=4):
    """The best of each of so many families, of the remedies that are run most widely.

    Those of ``posthoc`` are left out: they move cut-offs along the curve of the untreated learner.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.
    count : int

    Returns
    -------
    list of str
        Labels.
    """
    board = remedies(leaderboard(runs))
    board = board[board["family"].ne("posthoc") & board["rank"].notna()]
    return best_of_families(board[board["cells"] == board["cells"].max()])[:count]


def leading(runs, count):
    """Labels of the strategies with the best mean rank in average precision and macro-F1."""
    ranks = relative_ranks(runs, [MAIN, "average_precision"])
    means = ranks.groupby(["label", "learner"], sort=False)[[MAIN, "average_precision"]].mean()
    order = means.mean(axis=1).groupby("label", sort=False).mean()
    return list(order.sort_values(kind="stable").index[:count])


def ranks_by_dataset(runs):
    """Ranks of the families on every data set: the median over their remedies.

    Returns
    -------
    DataFrame
        Index: families, best first; columns: data sets. See ``rank`` of :func:`leaderboard`.
        Without ensembles, which are ranked among themselves.
    """
    parts = {
        name: remedies(leaderboard(part)) for name, part in runs.groupby("dataset", sort=False)
    }
    table = pd.DataFrame({n: part.groupby("family")["rank"].median() for n, part in parts.items()})
    table = table.drop(index="ensemble", errors="ignore")
    order = table.mean(axis=1).dropna().sort_values(kind="stable").index
    return table.reindex(order)


def beside(study, family, outcome, untreated):
    """Runs and curves of a family, with what it is compared with from the family ``reference``.

    Parameters
    ----------
    study : imbbench.config.Study
    family : str
    outcome, untreated : imbbench.bench.rows.Outcome
        Of the family, and of ``reference``, on one data set.

    Returns
    -------
    runs, curves : DataFrame
        With ``family``, ``label`` and ``role``. ``plain``, the controls and the majority class
        stand beside the family, on the same splits.
    """
    roles = roles_of(study)

    def told(table, name):
        # A family of which nothing was scored has no curves.
        role = [role_of(name, roles.get((name, n))) for n in table.get("strategy", [])]
        return label(table).assign(family=name, role=role)

    runs, curves = told(outcome.runs, family), told(outcome.curves, family)
    if family == "reference":
        return runs, curves
    base, lines = told(untreated.runs, "reference"), told(untreated.curves, "reference")
    wanted = {"plain", "dummy", *runs["control"]} - set(runs["strategy"])
    base = base[base["strategy"].isin(wanted) & base["split"].isin(runs["split"])]
    # A learner with none of the family's scores has nothing to stand beside.
    learners = runs.loc[runs["status"] == "ok", "learner"]
    parts = [base[base["learner"].isin(learners)], runs], [lines, curves]
    runs, curves = (pd.concat(part, ignore_index=True) for part in parts)
    there = curves["strategy"].isin(runs["strategy"]) & curves["learner"].isin(learners)
    return runs, curves[there].reset_index(drop=True)


def to_show(runs, count=5):
    """Labels for a figure of so many lines: ``plain``, then leading remedies and their controls.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.
    count : int

    Returns
    -------
    list of str
    """
    scored = runs[runs["status"] == "ok"]
    labels = scored.drop_duplicates("strategy").set_index("strategy")["label"]
    controls = scored.drop_duplicates("label").set_index("label")["control"]
    shown = [labels["plain"]] if "plain" in labels else []
    treated = set(remedies(scored)["label"])
    leaders = [name for name in leading(runs, len(controls)) if name in treated]
    # Without a rank: strategies that saw fewer labels, and controls where they are all there is.
    for name in [*leaders, *controls.index.difference([*leaders, "dummy"], sort=False)]:
        new = [n for n in (labels.get(controls[name]), name) if n and n not in shown]
        if len(shown) + len(new) <= count:
            shown += new
    return shown


def before_after(runs):
    """Labels for a figure of probabilities: ``plain``, a remedy, and what corrects it.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.

    Returns
    -------
    list of str
        Of the remedies that have a calibrator and are run most widely, the one with the worst Brier
        score. Where none has one: ``plain`` and its calibrators, or those that lead.
    """
    scored = runs[runs["status"] == "ok"]
    calibrators = scored[scored["role"] == "calibrator"].drop_duplicates("strategy")
    of_plain = list(calibrators.loc[calibrators["control"] == "plain", "label"])
    pairs = calibrators[calibrators["control"].isin(scored["strategy"])]
    pairs = pairs[pairs["control"] != "plain"].set_index("control")["label"]
    if pairs.empty:
        return ["plain", *of_plain] if of_plain else to_show(runs, 3)
    before = scored[scored["strategy"].isin(pairs.index)]
    groups = before.groupby("strategy", sort=False)
    learners = groups["learner"].nunique()
    worst = groups["brier"].mean()[learners == learners.max()].idxmax()
    return ["plain", before.loc[before["strategy"] == worst, "label"].iloc[0], pairs[worst]]


def entry_with(study, key):
    """Label of the first strategy whose entry in ``params.yaml`` sets ``key``, or None."""
    named = labels(study)
    found = [named[f, n] for f in study.families for n, e in study.family(f).items() if key in e]
    return found[0] if found else None


def fit_times(timings):
    """Fit seconds of each strategy relative to ``plain`` of the same learner and split.

    Returns
    -------
    DataFrame
        ``family``, ``strategy``, ``label``, ``ratio`` (median), ``seconds`` (mean).
    """
    ok = timings[timings["status"] == "ok"]
    plain = ok.loc[ok["strategy"] == "plain", [*PLACE, "fit_seconds"]]
    both = ok.merge(plain, on=PLACE, suffixes=("", "_of_plain"))
    both["ratio"] = both["fit_seconds"] / both["fit_seconds_of_plain"]
    groups = both.groupby(NAMES, sort=False)
    return pd.DataFrame(
        {"ratio": groups["ratio"].median(), "seconds": groups["fit_seconds"].mean()}
    ).reset_index()
