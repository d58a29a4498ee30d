"""Result tables: read them, compare strategies with their controls, and say what came out.

Nothing here runs anything: every number is a function of the committed tables.
"""

import json
from collections import Counter

import numpy as np
import pandas as pd

from imbbench import config
from imbbench.errors import StudyError

HIGHER = ["macro_f1", "balanced_accuracy", "average_precision"]
LOWER = ["log_loss", "brier", "ece"]
OF_LABELS = {"macro_f1", "balanced_accuracy"}  # depend on the decision rule; the others do not
COMPARED = [*HIGHER, *LOWER]
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


# Reading


def _paths(study, kind, datasets, families, suffix):
    for dataset in study.datasets if datasets is None else datasets:
        study.dataset(dataset)
        results = study.results(dataset)
        for family in families or study.families:
            path = config.root() / results / kind / dataset / f"{family}{suffix}"
            if not path.is_file():
                pipeline = "" if results == "results" else "web/dvc.yaml:"
                raise StudyError(
                    f"Data set '{dataset}' has no results of family '{family}' "
                    f"({path.relative_to(config.root())} is missing): "
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
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def label(table, named=None):
    """``table`` with the column ``label``: of :func:`labels`, or the strategy's bare name."""
    if named is None:
        return table.assign(label=table.get("strategy"))
    pairs = zip(table["family"], table["strategy"], strict=True)
    return table.assign(label=[named[pair] for pair in pairs])


def load_runs(study, datasets=None, families=None):
    """Read the run tables of registered data sets and families.

    Parameters
    ----------
    study : imbbench.config.Study
    datasets, families : iterable of str, optional
        Default: all of ``datasets:`` and ``families:`` in ``params.yaml``.

    Returns
    -------
    DataFrame
        One row per cell and decision rule, as written by :func:`imbbench.run.save`, with
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
        ``stage_seconds`` (NaN where the notebook was run by hand).
    """
    rows = [
        {"dataset": dataset, "family": family, **json.loads(path.read_text(encoding="utf-8"))}
        for dataset, family, path in _paths(study, "timings", datasets, families, ".json")
    ]
    return pd.DataFrame(rows).reindex(
        columns=[
            *("dataset", "family", "cells", "cores"),
            *("loop_seconds", "cpu_seconds", "stage_seconds"),
        ]
    )


def load_card(dataset):
    """Read ``card.json`` of a prepared data set."""
    path = config.root() / "data" / "prepared" / dataset / "card.json"
    if not path.is_file():
        raise StudyError(
            f"Data set '{dataset}' is not prepared ({path.relative_to(config.root())} is "
            f"missing): run `dvc repro prepare@{dataset}` first."
        )
    return json.loads(path.read_text(encoding="utf-8"))


# Comparing


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
        ``dataset``, ``learner``, ``split``, ``rule``, ``family``, ``strategy``, ``label``,
        ``control``, ``own`` and the differences under the metrics' names.
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
    return both[[*key, *NAMES, "control", "own", *metrics]]


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


def relative_ranks(runs, metrics=COMPARED):
    """Rank of each strategy among those scored on the same data set, learner, split and rule.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`load_runs`.
    metrics : list of str

    Returns
    -------
    DataFrame
        One row per scored row of :func:`both_rules`; ranks run from 0 (best) to 100 (worst),
        ties share their mean, and where one strategy is alone the rank is NaN.
    """
    rows = both_rules(runs)
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
        return groups[column].agg(lambda values: ", ".join(dict.fromkeys(values)))

    table = pd.DataFrame(
        {
            "strategies": names("label"),
            "learners": names("learner"),
            "data sets": names("dataset"),
            "cells": groups.size(),
        }
    )
    return table.reset_index()[["status", "reason", "strategies", "learners", "data sets", "cells"]]


def learner_strength(runs):
    """Learners from weak to strong, by what ``plain`` reaches without any strategy.

    Returns
    -------
    Series
        By learner: mean over data sets of its average precision minus the mean of the learners
        on that data set.
    """
    plain = runs[(runs["strategy"] == "plain") & (runs["status"] == "ok")]
    means = plain.groupby(["dataset", "learner"])["average_precision"].mean()
    gap = means - means.groupby("dataset").transform("mean")
    return gap.groupby("learner").mean().sort_values()


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


def against_plain(runs):
    """``runs`` with ``plain`` as the control of every strategy."""
    return runs.assign(control=np.where(runs["strategy"] == "plain", "", "plain"))


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
        Index: labels; columns: data sets.
    families : list of str
        Of each row.
    """
    parts = {name: leaderboard(part) for name, part in runs.groupby("dataset", sort=False)}
    table = pd.DataFrame({name: part.set_index("label")["rank"] for name, part in parts.items()})
    _, families = order = rank_table(leaderboard(runs))
    return table.reindex(order[0].index), families


def calibration(differences):
    """Effects on the errors of the probabilities, for :func:`imbbench.plots.calibration`."""
    differences = differences[differences["rule"] == "argmax"]
    parts = [effects(differences, m).assign(metric=m) for m in ("brier", "ece")]
    return pd.concat(parts, ignore_index=True)


def running(loops):
    """Utilisation and overhead of the ``run`` stages, by family and in all.

    Parameters
    ----------
    loops : DataFrame
        Of :func:`load_loops`.
    """
    loops = loops.assign(
        available=loops["cores"] * loops["loop_seconds"],
        overhead=loops["stage_seconds"] - loops["loop_seconds"],
    )
    sums = loops.groupby("family", sort=False)[
        ["cells", "loop_seconds", "cpu_seconds", "available", "overhead"]
    ].sum()
    sums["stages"] = loops.groupby("family", sort=False).size()
    sums.loc["all"] = sums.sum()
    return pd.DataFrame(
        {
            "family": [f"**{n}**" if n == "all" else n for n in sums.index],
            "run stages": sums["stages"].astype(int),
            "cells": sums["cells"].astype(int),
            "minutes in the loops": (sums["loop_seconds"] / 60).round(1),
            "utilisation (%)": (100 * sums["cpu_seconds"] / sums["available"]).round(0),
            "overhead per stage (s)": (sums["overhead"] / sums["stages"]).round(1),
        }
    )


# Saying


def markdown(table):
    """A table as Markdown, which GitHub and JupyterLab both show without a style sheet.

    Parameters
    ----------
    table : DataFrame
        Numbers are shown as they are; texts may hold ``**``. The index is left out.

    Returns
    -------
    str
    """
    numeric = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
    texts = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
    rows = [
        [_cell(name) for name in table.columns],
        ["---:" if right else ":---" for right in numeric],
        *texts,
    ]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _cell(value):
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:g}"
    text = str(value)
    for sign in "|<$":
        text = text.replace(sign, "\\" + sign)
    return " ".join(text.split())


def facts(card):
    """What a data set is, as a table.

    Parameters
    ----------
    card : dict
        Of :func:`load_card`.

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
    return pd.DataFrame({"fact": rows.keys(), "value": map(str, rows.values())})


def _some(names, shown=6):
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest if names else "none"


def card_conclusion(card, folds):
    """What the class counts mean for measuring anything on this data set."""
    counts = card["classes"]
    total, largest, smallest = sum(counts.values()), max(counts.values()), min(counts.values())
    name = min(counts, key=counts.get)
    share = largest / total
    in_test = card["classes_test"][name] if card["classes_test"] else smallest / folds
    if card["imbalance_ratio"] < 1.05:
        first = "The file itself is balanced."
    else:
        first = (
            f"Always predicting the largest class is right in **{share:.1%}** of the rows, and has "
            f"balanced accuracy {1 / len(counts):.3f} and macro-F1 "
            f"{2 * share / (1 + share) / len(counts):.3f}."
        )
    if card["classes_test"]:
        where = f"and {in_test} in the test set"
    else:
        where = f"about {in_test:.1f} in a test fold of {folds}"
    second = (
        f"The smallest class, `{name}`, has **{smallest}** rows, {where}: one of them is "
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


def strategy_table(study, family):
    """What the strategies of a family are.

    Returns
    -------
    DataFrame
        ``strategy``, ``what it does`` (first line of its docstring), ``parameters``, ``control``.
    """
    from imbbench.strategies import RESERVED, definitions

    known = definitions(family)
    rows = []
    for name, entry in study.family(family).items():
        key = next((k for k in entry if k in known and known[k].by_key), name)
        settings = {k: v for k, v in entry.items() if k not in RESERVED}
        only = [f"{k} {_value(entry[k])}" for k in ("learners", "splits") if k in entry]
        control = entry.get("control", "plain")
        rows.append(
            {
                "strategy": f"`{name}`",
                "what it does": known[key].function.__doc__.strip().splitlines()[0],
                "parameters": ", ".join(f"{k} = {_value(v)}" for k, v in settings.items()),
                "control": f"`{control}`" if control and control != name else "",
                "only": ", ".join(only),
            }
        )
    return pd.DataFrame(rows)


def _value(value):
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


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
    scored = runs[runs["status"] == "ok"]
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
    return table.assign(strategy="`" + table["strategy"] + "`")


def _best_in_bold(mean, sd, lower=False, signed=False):
    """Texts `mean ± sd`; within each learner the best mean is bold, and ties with it."""
    shown = mean.round(4)
    groups = shown.groupby(level="learner")
    marked = (shown == groups.transform("min" if lower else "max")) & (groups.transform("size") > 1)
    if signed:  # a difference to the control is worth marking only where it is an improvement
        marked &= (shown < 0) if lower else (shown > 0)
    form = "{:+.3f} ± {:.3f}" if signed else "{:.3f} ± {:.3f}"
    pairs = zip(mean.round(3) + 0.0, sd, strict=True)  # adding zero makes -0.0 a 0.0
    texts = [form.format(m, s).replace(" ± nan", "") for m, s in pairs]
    bold = [f"**{t}**" if b else t for t, b in zip(texts, marked, strict=True)]
    return pd.Series(bold, index=mean.index)


def difference_table(runs, count=8, metrics=("macro_f1", "average_precision", "log_loss", "brier")):
    """Per learner what ``plain`` reaches, then the best strategies' differences to their controls.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.
    count : int
        Strategies per learner, those with the largest macro-F1 at the tuned rule.
    metrics : iterable of str

    Returns
    -------
    DataFrame of str
        Mean ± standard deviation over splits; the best improvement of each learner in bold.
    """
    found = paired_differences(runs, list(metrics))
    found = found[found["family"] != "reference"]
    rows = both_rules(runs)
    order = rows[(rows["rule"] == "tuned") & (rows["family"] != "reference")]
    order = order.groupby(["learner", "label"])[MAIN].mean().rename("order").reset_index()
    order = order.sort_values(["learner", "order"], ascending=[True, False], kind="stable")
    kept = order.groupby("learner").head(count).set_index(["learner", "label"]).index
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
    controls = found.groupby(["learner", "label"])["control"].first()
    table = pd.DataFrame(columns).reindex(kept)
    table.insert(0, "minus", "`" + controls.reindex(kept) + "`")
    table = table.reset_index().assign(kind=1)
    table["label"] = "`" + table["label"] + "`"
    head = pd.DataFrame(plain).reset_index().assign(label="`plain` itself", minus="", kind=0)
    table = pd.concat([head, table]).sort_values(["learner", "kind"], kind="stable")
    return table.drop(columns="kind").rename(columns={"label": "strategy"})[
        ["learner", "strategy", "minus", *columns]
    ]


def _signed(value):
    return f"{round(value, 3) + 0.0:+.3f}"


def _list(names):
    return ", ".join(f"`{name}`" for name in names)


def family_conclusion(runs):
    """Sentences on one family and data set: who leads, and what the decision rule changes."""
    scored = runs[runs["status"] == "ok"]
    if scored.empty:
        return "No cell of this family was scored on this data set; the table above says why."
    lines = []
    means = scored.groupby(["learner", "rule", "label"], sort=False)[MAIN].mean()
    for learner in dict.fromkeys(scored["learner"]):
        words = []
        for rule in dict.fromkeys(scored.loc[scored["learner"] == learner, "rule"]):
            part = means[learner][rule].round(4)
            first = list(part.index[part == part.max()])
            more = f" and {len(first) - 3} others" if len(first) > 3 else ""
            words.append(f"{part.max():.3f} at its {rule} rule ({_list(first[:3])}{more})")
        lines.append(f"- `{learner}`: best {WORDS[MAIN]} {', '.join(words)}.")
    both = means.unstack("rule").reindex(columns=["argmax", "tuned"]).dropna()
    groups = both.groupby("learner")
    width = (groups.max() - groups.min())[groups.size() > 1].mean()
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


def dataset_conclusion(runs):
    """Sentences on one data set: strategies against their controls, at either rule."""
    rows, found = both_rules(runs), paired_differences(runs)
    found = found[found["family"] != "reference"]
    plain = rows[rows["strategy"] == "plain"]
    scores = plain.groupby(["rule", "learner"])[MAIN].mean()
    best = scores["argmax"].idxmax()
    tuning = (scores["tuned"] - scores["argmax"]).mean()
    lines = [
        f"- Without any strategy the best learner is `{best}`: macro-F1 "
        f"{scores['argmax'][best]:.3f} at argmax, {scores['tuned'][best]:.3f} at the tuned rule. "
        f"Tuning the rule alone changes `plain` by {_signed(tuning)} on average over learners."
    ]
    groups = found.groupby(["rule", "learner", "label"], sort=False)[MAIN]
    mean, sd = groups.mean(), groups.std().fillna(np.inf)
    clear = {rule: (mean > sd)[rule] for rule in ("argmax", "tuned")}
    lines.append(
        f"- Of {len(clear['argmax'])} pairs of learner and strategy, {clear['argmax'].sum()} beat "
        f"their control in macro-F1 by more than one standard deviation over splits at argmax, "
        f"{clear['tuned'].sum()} of {len(clear['tuned'])} when both may tune the rule."
    )
    over = mean.groupby(["rule", "label"], sort=False).mean()
    words = [f"`{over[r].idxmax()}` ({_signed(over[r].max())}) at {r}" for r in ("argmax", "tuned")]
    lines.append(f"- Largest mean difference over learners: {' and '.join(words)}.")
    brier = found[found["rule"] == "argmax"].groupby("label", sort=False)["brier"].mean()
    lines.append(
        f"- {(brier > 0).sum()} of {len(brier)} strategies make the probabilities worse (Brier "
        f"score), most of all `{brier.idxmax()}` ({_signed(brier.max())})."
    )
    return "\n".join(lines)


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
    treated = board[board["family"] != "reference"].set_index("label")
    wide = treated[treated["datasets"] >= 3]
    wide = treated if wide.empty else wide
    cells = runs.drop_duplicates([*PLACE, "family", "strategy"])
    rows = both_rules(runs[runs["strategy"] == "plain"])
    plain = rows.pivot_table(index=["dataset", "learner"], columns="rule", values=MAIN)
    tuning = t_interval((plain["tuned"] - plain["argmax"]).groupby("dataset").mean())
    found = {
        "datasets": int(runs["dataset"].nunique()),
        "learners": int(runs["learner"].nunique()),
        "strategies": len(treated),
        "cells": len(cells),
        "cells_by_status": {k: int(v) for k, v in cells["status"].value_counts().items()},
        "plain_tuned_minus_argmax": dict(zip(("mean", "low", "high"), tuning, strict=True)),
        "best_rank": wide["rank"].idxmin(),
    }
    for rule in ("argmax", "tuned"):
        mean, low = wide[f"{MAIN}_{rule}"], wide[f"{MAIN}_{rule}_low"]
        found[rule] = {
            "strategies": int(mean.notna().sum()),
            "improve": int((mean > 0).sum()),
            "improve_clearly": int((low > 0).sum()),
            "harm_clearly": int((wide[f"{MAIN}_{rule}_high"] < 0).sum()),
            "mean_difference": mean.mean(),
            "best": mean.idxmax(),
            "best_difference": mean.max(),
        }
    found["calibration"] = {
        "worse": int((wide["brier"] > 0).sum()),
        "worse_clearly": int((wide["brier_low"] > 0).sum()),
        "worst": wide["brier"].idxmax(),
        "worst_brier_difference": wide["brier"].max(),
    }
    overhead = (loops["stage_seconds"] - loops["loop_seconds"]).dropna()
    available = (loops["cores"] * loops["loop_seconds"]).sum()
    found["running"] = {
        "run_stages": len(loops),
        "utilisation": loops["cpu_seconds"].sum() / available,
        "loop_minutes": loops["loop_seconds"].sum() / 60,
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


def study_conclusion(numbers, by_learner):
    """Sentences on the whole study.

    Parameters
    ----------
    numbers : dict
        Of :func:`headline`.
    by_learner : DataFrame
        Of :func:`learner_effects`.
    """
    argmax, tuned, tuning = numbers["argmax"], numbers["tuned"], numbers["plain_tuned_minus_argmax"]
    worse = numbers["calibration"]
    interval = (
        "" if tuning["low"] is None else f" [{_signed(tuning['low'])}, {_signed(tuning['high'])}]"
    )
    lines = [
        f"- **At the default decision**, {argmax['improve_clearly']} of {argmax['strategies']} "
        f"strategies improve macro-F1 over their control with an interval above zero and "
        f"{argmax['harm_clearly']} harm it; the mean difference is "
        f"{_signed(argmax['mean_difference'])}, the largest {_signed(argmax['best_difference'])} "
        f"(`{argmax['best']}`).",
        f"- **When the control may tune its decision too**, {tuned['improve_clearly']} of "
        f"{tuned['strategies']} improve and {tuned['harm_clearly']} harm; the mean difference is "
        f"{_signed(tuned['mean_difference'])}, the largest {_signed(tuned['best_difference'])} "
        f"(`{tuned['best']}`).",
        f"- **Tuning the decision of the untreated learner** alone changes macro-F1 by "
        f"{_signed(tuning['mean'])}{interval}.",
        f"- **Calibration:** {worse['worse']} of {argmax['strategies']} strategies raise the Brier "
        f"score, {worse['worse_clearly']} of them with an interval above zero; most of all "
        f"`{worse['worst']}` ({_signed(worse['worst_brier_difference'])}).",
    ]
    wide = by_learner.pivot(index="learner", columns="rule", values="mean")
    wide = wide.loc[[name for name in dict.fromkeys(by_learner["learner"]) if name in wide.index]]
    weak, strong = wide.iloc[0], wide.iloc[-1]
    lines.append(
        f"- **Weak and strong learners:** strategies change the weakest, `{weak.name}`, by "
        f"{_signed(weak['argmax'])} at argmax and {_signed(weak['tuned'])} at the tuned rule; the "
        f"strongest, `{strong.name}`, by {_signed(strong['argmax'])} and "
        f"{_signed(strong['tuned'])}."
    )
    chance = 0.025 * (argmax["strategies"] + tuned["strategies"])
    lines.append(
        f"- The intervals are not corrected for their number: about {chance:.0f} of these "
        f"{argmax['strategies'] + tuned['strategies']} would lie above zero by chance alone."
    )
    return "\n".join(lines)


def learner_effects(runs):
    """Mean difference of all strategies to their controls per learner, weakest learner first.

    Returns
    -------
    DataFrame
        Of :func:`effects` with ``learner`` in place of the strategy's name. Learners are
        ordered by :func:`learner_strength`.
    """
    found = paired_differences(runs, [MAIN])
    found = effects(found[found["family"] != "reference"], MAIN, by=["learner"])
    order = {name: place for place, name in enumerate(learner_strength(runs).index)}
    found = found.assign(order=found["learner"].map(order))
    return found.sort_values("order", kind="stable", ignore_index=True).drop(columns="order")


def save_study(runs, loops, results):
    """Write ``tables/leaderboard.csv`` and ``study.json`` below ``results``."""
    from imbbench.files import write_whole

    folder = config.root() / results
    board = leaderboard(runs).round(4).to_csv(index=False, lineterminator="\n")
    write_whole(folder / "tables" / "leaderboard.csv", board)
    numbers = json.dumps(headline(runs, loops), indent=1) + "\n"
    write_whole(folder / "study.json", numbers)


def top(board, count=10):
    """The first rows of the leaderboard for reading."""
    rows = board[board["family"] != "reference"].head(count)
    table = pd.DataFrame({"strategy": "`" + rows["label"] + "`", "family": rows["family"]})
    table["data sets"] = rows["datasets"]
    table["mean rank"] = rows["rank"].map("{:.0f}".format)
    for name, title in {
        "macro_f1_argmax": "macro-F1, argmax",
        "macro_f1_tuned": "macro-F1, tuned",
        "balanced_accuracy_argmax": "balanced accuracy, argmax",
        "average_precision": "average precision",
        "log_loss": "log loss ↓",
        "brier": "Brier score ↓",
    }.items():
        low, high = rows[f"{name}_low"], rows[f"{name}_high"]
        texts = [
            _signed(m) + ("" if np.isnan(a) else f" [{_signed(a)}, {_signed(b)}]")
            for m, a, b in zip(rows[name], low, high, strict=True)
        ]
        better = high < 0 if name in LOWER else low > 0
        table[title] = [f"**{t}**" if b else t for t, b in zip(texts, better, strict=True)]
    return table


def summary():
    """What the committed tables say, in a screenful; printed by ``imbbench summary``."""
    folder = config.root() / "results"
    paths = [folder / "study.json", folder / "tables" / "leaderboard.csv"]
    for path in paths:
        if not path.is_file():
            raise StudyError(
                f"{path.relative_to(config.root())} is missing: run `dvc repro study` first."
            )
    numbers = json.loads(paths[0].read_text(encoding="utf-8"))
    board = pd.read_csv(paths[1])
    rows = board[board["family"] != "reference"].head(10)
    width = rows["label"].str.len().max()
    argmax, tuned, running = numbers["argmax"], numbers["tuned"], numbers["running"]
    head = f"{'strategy':<{width}}  data sets  mean rank  macro-F1 to control: argmax  tuned rule"
    lines = [
        f"{numbers['datasets']} data sets, {numbers['learners']} learners, "
        f"{numbers['strategies']} strategies, {numbers['cells']} cells "
        f"({', '.join(f'{n} {k}' for k, n in numbers['cells_by_status'].items())})",
        "",
        head,
        *(
            f"{r.label:<{width}}  {r.datasets:>9}  {r.rank:>9.0f}  {r.macro_f1_argmax:>27.3f}"
            f"  {r.macro_f1_tuned:>10.3f}"
            for r in rows.itertuples()
        ),
        "(mean rank from 0, always best, to 100; macro-F1 as difference to the control)",
        "",
        f"At argmax {argmax['improve_clearly']} of {argmax['strategies']} strategies clearly raise "
        f"macro-F1 (mean {_signed(argmax['mean_difference'])}), once both sides tune their "
        f"decision {tuned['improve_clearly']} (mean {_signed(tuned['mean_difference'])}).",
        f"Tuning the decision of the untreated learner alone: "
        f"{_signed(numbers['plain_tuned_minus_argmax']['mean'])}.",
        "",
        f"{running['run_stages']} run stages, {running['loop_minutes']:.1f} min in their cell "
        f"loops, {running['utilisation']:.0%} of the cores used there; overhead per stage "
        f"{running['overhead_seconds_median'] or float('nan'):.1f} s (median), "
        f"{running['overhead_seconds_max'] or float('nan'):.1f} s (largest).",
        "",
        "Read on: results/rendered/04_study.ipynb (all data sets),",
        "  results/rendered/<data set>/report.ipynb (one data set) and <family>.ipynb beside it",
    ]
    return "\n".join(lines)
