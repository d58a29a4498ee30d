"""Result tables: read them and compare strategies with their controls.

Nothing here runs anything: every number is a function of the committed tables.
"""

import json
from collections import Counter

import numpy as np
import pandas as pd

from imbbench.errors import StudyError
from imbbench.paths import root

HIGHER = ["macro_f1", "balanced_accuracy", "average_precision"]
LOWER = ["log_loss", "brier", "ece"]
OF_LABELS = {"macro_f1", "balanced_accuracy"}  # depend on the decision rule; the others do not
COMPARED = [*HIGHER, *LOWER]
SMALLEST = 0.0005  # smaller differences print as zero
WORDS = {
    "macro_f1": "macro-F1",
    "balanced_accuracy": "balanced accuracy",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "ECE",
}
MAIN = "macro_f1"
NAMES = ["family", "strategy", "label"]
PLACE = ["dataset", "learner", "split"]


def _paths(study, kind, datasets, families, suffix):
    if datasets == "all":
        datasets = [*study.datasets, *study.web_datasets]
    for dataset in study.datasets if datasets is None else datasets:
        study.dataset(dataset)
        results = study.results(dataset)
        for family in families or study.families:
            path = root() / results / kind / dataset / f"{family}{suffix}"
            if not path.is_file():
                pipeline = "" if results == "results" else "web/dvc.yaml:"
                raise StudyError(
                    f"Data set '{dataset}' has no results of family '{family}' "
                    f"({path.relative_to(root())} is missing): "
                    f"run `dvc repro {pipeline}run@{dataset}-{family}` first."
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


def _read(study, kind, datasets, families):
    named = labels(study)
    found = []
    for dataset, family, path in _paths(study, kind, datasets, families, ".csv"):
        try:
            table = pd.read_csv(path, keep_default_na=False, na_values=[""])
        except pd.errors.EmptyDataError:  # no cell of the family applies, so there is no curve
            continue
        found.append(label(table.assign(dataset=dataset, family=family), named))
    # The copy joins what pandas keeps apart, and warns of, where data sets differ in classes.
    return pd.concat(found, ignore_index=True).copy() if found else pd.DataFrame()


def label(table, named=None):
    """``table`` with the column ``label``: of :func:`labels`, or the strategy's bare name."""
    # pandas warns of tables that were put together column by column, as those of many classes are.
    table = table.copy()
    if named is None:
        return table.assign(label=table.get("strategy"))
    pairs = zip(table["family"], table["strategy"], strict=True)
    return table.assign(label=[named[pair] for pair in pairs])


def load_runs(study, datasets=None, families=None):
    """Read the run tables of registered data sets and families.

    Parameters
    ----------
    study : imbbench.config.Study
    datasets : iterable of str or "all", optional
        Default: all of ``datasets:`` in ``params.yaml``; ``"all"``: of ``web_datasets:``, too.
    families : iterable of str, optional
        Default: all of ``families:``.

    Returns
    -------
    DataFrame
        One row per cell and decision rule, as written by :func:`imbbench.bench.rows.save`, with
        ``label``.

    Raises
    ------
    StudyError
        A registered table is missing; the message names the stage to run.
    """
    runs = _read(study, "runs", datasets, families)
    text = ["control", "rule", "reason"]
    return runs.assign(**runs[text].fillna(""))


def load_curves(study, datasets=None, families=None):
    """Read the precision-recall and reliability tables; see :func:`load_runs`."""
    return _read(study, "curves", datasets, families)


def load_timings(study, datasets=None, families=None):
    """Read the seconds of every cell; see :func:`load_runs`."""
    return _read(study, "timings", datasets, families)


def load_loops(study, datasets=None, families=None):
    """Read what the cell loop of every ``run`` stage cost; see :func:`load_runs`.

    Returns
    -------
    DataFrame
        ``dataset``, ``family``, ``cells``, ``cores``, ``loop_seconds``, ``cpu_seconds``,
        ``encode_seconds``, and, NaN where the notebook was run by hand, ``stage_seconds`` and
        ``overhead_seconds`` (of the stage outside the loop and the encoding of texts).
    """
    rows = [
        {"dataset": dataset, "family": family, **json.loads(path.read_text(encoding="utf-8"))}
        for dataset, family, path in _paths(study, "timings", datasets, families, ".json")
    ]
    columns = ["dataset", "family", "cells", "cores", "loop_seconds", "cpu_seconds"]
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


def both_rules(runs):
    """Scored rows, where a strategy that is itself a decision rule stands beside either rule.

    Its labels are no different under ``argmax`` and ``tuned``, but what they are compared with
    is: moving a threshold is to be held against the default threshold and against a tuned one.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`load_runs`.

    Returns
    -------
    DataFrame
        Rows with ``status`` ok and ``rule`` argmax or tuned; the column ``own`` marks the others.
    """
    scored = runs[runs["status"] == "ok"]
    own = scored["rule"] == "own"
    parts = [scored[~own].assign(own=False)]
    parts += [scored[own].assign(own=True, rule=rule) for rule in ("argmax", "tuned")]
    return pd.concat(parts, ignore_index=True)


def control_families(runs):
    """In which family each strategy's control is found: its own, then reference, then any.

    Parameters
    ----------
    runs : DataFrame
        ``family``, ``strategy``, ``control``.

    Returns
    -------
    DataFrame
        One row per strategy that has a control: ``family``, ``strategy``, ``control``,
        ``control_family`` (NaN where the control is not among the runs).
    """
    known = runs[["family", "strategy"]].drop_duplicates()
    wanted = runs.loc[runs["control"] != "", ["family", "strategy", "control"]].drop_duplicates()
    pairs = wanted.merge(
        known.rename(columns={"family": "control_family", "strategy": "control"}),
        on="control",
        how="left",
    )
    own = pairs["control_family"] == pairs["family"]
    order = np.select([own, pairs["control_family"] == "reference"], [0, 1], 2)
    pairs = pairs.assign(order=order).sort_values("order", kind="stable")
    return pairs.drop_duplicates(["family", "strategy"]).drop(columns="order").sort_index()


def paired_differences(runs, metrics=COMPARED):
    """Each strategy minus its control, on the same data set, learner, split and rule.

    A control that ran on fewer splits is compared on those it has.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`load_runs`.
    metrics : list of str

    Returns
    -------
    DataFrame
        ``modality``, ``dataset``, ``learner``, ``split``, ``rule``, ``family``, ``strategy``,
        ``label``, ``control``, ``own`` and the differences under the metrics' names.
    """
    rows = both_rules(runs)
    pairs = rows.merge(control_families(runs), on=["family", "strategy", "control"])
    key = [*PLACE, "rule"]
    base = rows[[*key, "family", "strategy", *metrics]].rename(
        columns={"family": "control_family", "strategy": "control"}
    )
    both = pairs.merge(base, on=[*key, "control_family", "control"], suffixes=("", "_of_control"))
    for name in metrics:
        both[name] = both[name] - both[f"{name}_of_control"]
    return both[["modality", *key, *NAMES, "control", "own", *metrics]]


def against_plain(runs):
    """``runs`` with ``plain`` as the control of every strategy."""
    return runs.assign(control=np.where(runs["strategy"] == "plain", "", "plain"))


def t_interval(values):
    """Mean of a sample and its 95 % Student t interval.

    Parameters
    ----------
    values : array-like, (n,)

    Returns
    -------
    mean, low, high : float
        ``low`` and ``high`` are NaN below three values: an interval from two says nothing.
    """
    from scipy.special import stdtrit

    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan, np.nan
    mean = values.mean()
    if len(values) < 3:
        return mean, np.nan, np.nan
    half = stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values))
    return mean, mean - half, mean + half


def effects(differences, metric, by=NAMES):
    """Mean difference to the control per strategy and rule, with an interval over data sets.

    Splits of a data set share rows, and learners share data sets, so neither counts as an
    independent trial: differences are averaged over splits, then over learners, and the data
    sets' means are the sample of :func:`t_interval`. Intervals are not corrected for their
    number.

    Parameters
    ----------
    differences : DataFrame
        Of :func:`paired_differences`.
    metric : str
    by : list of str
        Columns that name a group.

    Returns
    -------
    DataFrame
        ``by``, ``rule``, ``datasets`` (count), ``mean``, ``low``, ``high``, ``wins`` (share of
        pairs of data set and learner where the mean difference is an improvement).
    """
    group = [*by, "rule"]
    learners = differences.groupby([*group, "dataset", "learner"], sort=False)[metric].mean()
    sets = learners.groupby([*group, "dataset"], sort=False).mean()
    better = learners < 0 if metric in LOWER else learners > 0
    table = sets.groupby(group, sort=False).agg(["size"]).rename(columns={"size": "datasets"})
    intervals = [t_interval(v) for _, v in sets.groupby(group, sort=False)]
    table[["mean", "low", "high"]] = np.reshape(intervals, (-1, 3))
    table["wins"] = better.groupby(group, sort=False).mean()
    return table.reset_index()


def learner_effects(runs):
    """Mean difference of the strategies to their controls per learner, weakest learner first.

    Of strategies that were scored with every learner of a data set, so that all learners are
    compared on the same strategies.

    Returns
    -------
    DataFrame
        Of :func:`effects` with ``modality`` and ``learner`` in place of the strategy's name, in
        the order of :func:`learner_strength`.
    """
    found = paired_differences(runs, [MAIN])
    found = found[found["family"] != "reference"]
    used = found.groupby(["dataset", "label"])["learner"].transform("nunique")
    there = found.groupby("dataset")["learner"].transform("nunique")
    found = effects(found[used == there], MAIN, by=["modality", "learner"])
    order = {pair: place for place, pair in enumerate(learner_strength(runs).index)}
    pairs = zip(found["modality"], found["learner"], strict=True)
    found["order"] = [order[pair] for pair in pairs]
    return found.sort_values("order", kind="stable", ignore_index=True).drop(columns="order")


def learner_strength(runs):
    """Learners of each modality from weak to strong, by what ``plain`` reaches.

    Returns
    -------
    Series
        By modality and learner: mean over data sets of its average precision minus the mean of
        the learners on that data set.
    """
    plain = runs[(runs["strategy"] == "plain") & (runs["status"] == "ok")]
    means = plain.groupby(["modality", "dataset", "learner"])["average_precision"].mean()
    gaps = means - means.groupby("dataset").transform("mean")
    strength = gaps.groupby(["modality", "learner"]).mean()
    return strength.sort_values().sort_index(level="modality", sort_remaining=False)


def calibration(differences):
    """Effects on the errors of the probabilities."""
    differences = differences[differences["rule"] == "argmax"]
    parts = [effects(differences, m).assign(metric=m) for m in ("brier", "ece")]
    return pd.concat(parts, ignore_index=True)


def class_differences(runs, shown, rule="argmax"):
    """Recall and precision of every class, minus those of ``plain``.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.
    shown : list of str
        Labels, in the wanted order.
    rule : str

    Returns
    -------
    DataFrame
        Mean over splits, then learners. Rows: strategies (``label``); columns: ``recall_0``, …,
        ``precision_0``, …, class 0 the largest.
    """
    columns = runs.columns[runs.notna().any()]
    names = [c for kind in ("recall_", "precision_") for c in columns if c.startswith(kind)]
    found = paired_differences(against_plain(runs), names)
    found = found[(found["rule"] == rule) & found["label"].isin(shown)]
    means = found.groupby(["label", "learner"], sort=False)[names].mean().groupby(level=0).mean()
    return means.reindex([name for name in shown if name in means.index])


def _descended(runs):
    """Names of ``plain``, the strategies compared with it, those compared with these, and so on."""
    pairs = runs[["strategy", "control"]].drop_duplicates()
    found, size = {"plain"}, 0
    while len(found) > size:
        size = len(found)
        found |= set(pairs.loc[pairs["control"].isin(found), "strategy"])
    return found


def relative_ranks(runs, metrics=COMPARED):
    """Rank of each strategy among those scored on the same data set, learner, split and rule.

    Strategies whose control, or its control and so on, is not ``plain`` have no rank: they saw
    fewer labels, and are compared with their control only.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`load_runs`.
    metrics : list of str

    Returns
    -------
    DataFrame
        One row per ranked row of :func:`both_rules`; ranks run from 0 (best) to 100 (worst), ties
        share their mean, and where one strategy is alone the rank is NaN.
    """
    rows = both_rules(runs)
    rows = rows[rows["strategy"].isin(_descended(runs))]
    ranks = rows[[*PLACE, "rule", *NAMES]].copy()
    place = [rows[name] for name in (*PLACE, "rule")]
    for name in metrics:
        groups = rows[name].groupby(place, sort=False)
        rank = groups.rank(ascending=name in LOWER)
        others = groups.transform("count") - 1
        ranks[name] = 100 * (rank - 1) / others.where(others > 0)
    return ranks


def leaderboard(runs):
    """One row per strategy: mean relative rank, and mean difference to its control.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`load_runs`, any number of data sets.

    Returns
    -------
    DataFrame
        Best mean rank first. ``family``, ``strategy``, ``label``, ``control``, ``datasets``,
        ``cells`` (scored), ``unscored``, ``rank`` (mean over :data:`HIGHER`, both rules),
        ``rank_<metric>_<rule>`` and ``<metric>_<rule>``, ``…_low``, ``…_high``, ``…_wins``;
        metrics of probabilities have no rule.
    """
    cells = runs.drop_duplicates([*PLACE, "family", "strategy"])
    ok = cells["status"] == "ok"
    scored, lost = (cells[part].groupby(NAMES, sort=False) for part in (ok, ~ok))
    board = pd.DataFrame({"datasets": scored["dataset"].nunique(), "cells": scored.size()})
    board["unscored"] = lost.size().reindex(board.index, fill_value=0)
    board.insert(0, "control", scored["control"].first())
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
    board.insert(4, "rank", board[higher].mean(axis=1))
    return board.sort_values("rank", kind="stable").reset_index()


def widely_run(board):
    """Rows of strategies outside ``reference`` on three data sets or more, or all if none is."""
    treated = board[board["family"] != "reference"]
    wide = treated[treated["datasets"] >= 3]
    return treated if wide.empty else wide


def best_of_families(board, each=1):
    """The strategies of each family with the best mean ranks, best first.

    Parameters
    ----------
    board : DataFrame
        Of :func:`leaderboard`. The family ``reference`` holds controls and is left out.
    each : int
        Strategies per family.

    Returns
    -------
    list of str
        Labels.
    """
    treated = board[board["family"] != "reference"]
    return list(treated.groupby("family", sort=False).head(each)["label"])


def leading(runs, count):
    """Labels of the strategies with the best mean rank in average precision and macro-F1."""
    ranks = relative_ranks(runs, [MAIN, "average_precision"])
    means = ranks.groupby(["label", "learner"], sort=False)[[MAIN, "average_precision"]].mean()
    order = means.mean(axis=1).groupby("label", sort=False).mean()
    return list(order.sort_values(kind="stable").index[:count])


def rank_table(board):
    """Mean ranks by metric, strategies as in ``params.yaml``.

    Parameters
    ----------
    board : DataFrame
        Of :func:`leaderboard`.

    Returns
    -------
    ranks : DataFrame
        Index: labels; columns: metrics and rules.
    families : list of str
        Of each row.
    """
    rows = board[board["label"] != "dummy"]
    rows = rows.assign(best=rows.groupby("family")["rank"].transform("min"))
    rows = rows.sort_values(["best", "family", "rank"], kind="stable").set_index("label")
    names = {}
    for metric in ("macro_f1", "balanced_accuracy"):
        names |= {f"rank_{metric}_{r}": f"{WORDS[metric]}, {r}" for r in ("argmax", "tuned")}
    names |= {f"rank_{m}": WORDS[m] for m in COMPARED if m not in OF_LABELS}
    return rows[list(names)].rename(columns=names), list(rows["family"])


def ranks_by_dataset(runs):
    """Mean ranks by data set, over the metrics and rules of the leaderboard's ``rank``.

    Returns
    -------
    ranks : DataFrame
        Index: labels of the strategies that have a rank; columns: data sets.
    families : list of str
        Of each row.
    """
    parts = {name: leaderboard(part) for name, part in runs.groupby("dataset", sort=False)}
    table = pd.DataFrame({name: part.set_index("label")["rank"] for name, part in parts.items()})
    order, families = rank_table(leaderboard(runs))
    table = table.reindex(order.index)
    there = table.notna().any(axis=1)
    return table[there], [family for family, kept in zip(families, there, strict=True) if kept]


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


def headline(runs, loops):
    """Headline numbers of the study, rounded.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`load_runs`.
    loops : DataFrame
        Of :func:`load_loops`.

    Returns
    -------
    dict
        What ``results/study.json`` holds.
    """
    board = leaderboard(runs)
    treated = board[(board["family"] != "reference") & board["brier"].notna()].set_index("label")
    if treated.empty:
        raise StudyError("No strategy has a score and a control: there is nothing to compare.")
    wide = widely_run(treated)
    cells = runs.drop_duplicates([*PLACE, "family", "strategy"])
    rows = both_rules(runs[runs["strategy"] == "plain"])
    plain = rows.pivot_table(index=["dataset", "learner"], columns="rule", values=MAIN)
    tuning = t_interval((plain["tuned"] - plain["argmax"]).groupby("dataset").mean())
    found = {
        "datasets": int(runs["dataset"].nunique()),
        "learners": int(runs["learner"].nunique()),
        "strategies": len(treated),
        "strategies_on_three_data_sets": int((treated["datasets"] >= 3).sum()),
        "cells": len(cells),
        "cells_by_status": {k: int(v) for k, v in cells["status"].value_counts().items()},
        "plain_tuned_minus_argmax": dict(zip(("mean", "low", "high"), tuning, strict=True)),
        "best_rank": wide["rank"].idxmin(),
    }
    for rule in ("argmax", "tuned"):
        mean, low = wide[f"{MAIN}_{rule}"], wide[f"{MAIN}_{rule}_low"]
        found[rule] = {
            "strategies": int(mean.notna().sum()),
            "improve": int((mean > SMALLEST).sum()),
            "improve_clearly": int((low > 0).sum()),
            "harm_clearly": int((wide[f"{MAIN}_{rule}_high"] < 0).sum()),
            "mean_difference": mean.mean(),
            "best": mean.idxmax(),
            "best_difference": mean.max(),
        }
    found["calibration"] = {
        "worse": int((wide["brier"] > SMALLEST).sum()),
        "worse_clearly": int((wide["brier_low"] > 0).sum()),
        "worst": wide["brier"].idxmax(),
        "worst_brier_difference": wide["brier"].max(),
    }
    overhead = loops["overhead_seconds"].dropna()
    available = (loops["cores"] * loops["loop_seconds"]).sum()
    found["running"] = {
        "run_stages": len(loops),
        "utilisation": loops["cpu_seconds"].sum() / available,
        "cores": int(loops["cores"].max()),
        "cpu_minutes": loops["cpu_seconds"].sum() / 60,
        "loop_minutes": loops["loop_seconds"].sum() / 60,
        "stage_minutes": loops["stage_seconds"].sum() / 60,
        "overhead_seconds_median": overhead.median(),
        "overhead_seconds_max": overhead.max(),
    }
    return _rounded(found)


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    if isinstance(value, float):
        return None if np.isnan(value) else round(float(value), 4)
    return value


def save_study(runs, loops, results):
    """Write ``tables/leaderboard.csv`` and ``study.json`` below ``results``."""
    from imbbench.files import write_table, write_whole

    folder = root() / results
    write_table(leaderboard(runs).round(4), folder / "tables" / "leaderboard.csv")
    numbers = json.dumps(headline(runs, loops), indent=1) + "\n"
    write_whole(folder / "study.json", numbers)
