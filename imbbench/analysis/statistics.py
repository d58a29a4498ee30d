"""What is computed of result tables: strategies against their controls, intervals, ranks."""

import numpy as np
import pandas as pd

from imbbench.bench.rows import CELL, KEY

HIGHER = ["macro_f1", "balanced_accuracy", "average_precision"]
LOWER = ["log_loss", "brier", "ece"]
OF_LABELS = {"macro_f1", "balanced_accuracy"}  # depend on the decision rule; the others do not
COMPARED = [*HIGHER, *LOWER]
SMALLEST = 0.0005  # smaller differences print as zero
TAIL = 0.025  # of an interval, on either side
MAIN = "macro_f1"
TUNED = {"macro_f1": "tuned_macro_f1", "balanced_accuracy": "tuned_balanced_accuracy"}
NAMES = ["family", "strategy", "label"]
PLACE = ["dataset", "learner", "split"]
# Weak and strong learners as in the largest earlier study of the question (Elor & Averbuch-Elor
# 2022: trees, linear models and small networks against boosted trees); of texts and images, what
# starts from pretrained or convolutional layers is strong.
STRONG = {"hgb", "xgboost", "minilm_head", "minilm_finetune", "cnn"}
ENSEMBLE = "ensembles of trees"
FREE = ("posthoc", "logit_adjustment")  # costs no fit
MATTERS = 0.005  # the smallest difference that a count takes for one


def tuned_for_each(runs):
    """Scored rows with one rule ``tuned`` in place of one per metric that it is tuned for.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`load_runs`.

    Returns
    -------
    DataFrame
        Rows with ``status`` ok and ``rule`` argmax, tuned or own. Those of ``tuned`` have each
        metric of labels under the rule that is tuned for it (NaN where there is none), all else
        under the one for macro-F1.
    """
    scored = runs[runs["status"] == "ok"]
    others = {metric: rule for metric, rule in TUNED.items() if metric != MAIN}
    rows = scored[~scored["rule"].isin(others.values())].reset_index(drop=True)
    tuned = rows["rule"] == TUNED[MAIN]
    cells = pd.MultiIndex.from_frame(rows.loc[tuned, CELL])
    for metric, rule in others.items():
        found = scored[scored["rule"] == rule].set_index(CELL)[metric]
        rows.loc[tuned, metric] = found.reindex(cells).to_numpy()
    return rows.assign(rule=rows["rule"].mask(tuned, "tuned"))


def both_rules(runs):
    """Scored rows, where a strategy that is itself a decision rule stands beside either rule.

    Its labels are no different under ``argmax`` and ``tuned``, but what they are compared with
    is: moving a threshold is to be held against the default threshold and against a tuned one.
    Logit adjustment is one: it moves the cut-off and nothing else, so that tuned on top of it, it
    would be plain once more.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`load_runs`.

    Returns
    -------
    DataFrame
        Rows of :func:`tuned_for_each` with ``rule`` argmax or tuned; the column ``own`` marks the
        others.
    """
    scored = tuned_for_each(runs)
    free = (scored["family"] == FREE[0]) & (scored["strategy"] == FREE[1])
    scored = scored[~(free & (scored["rule"] == "tuned"))]
    own = (scored["rule"] == "own") | free[scored.index]
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
        The columns :data:`imbbench.bench.rows.KEY`, ``label``, ``role``, ``own`` and the
        differences under the metrics' names.
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
    return both[[*KEY, "label", "role", "own", *metrics]]


def learner_groups(table):
    """``weak``, ``strong`` or ensembles of trees, of each row of a table of cells."""
    single = np.where(table["learner"].isin(STRONG), "strong", "weak")
    return np.where(table["family"] == "ensemble", ENSEMBLE, single)


def remedies(table):
    """Rows of what is meant to help; controls, ablations, calibrators and placebos are not."""
    return table[table["role"] == "remedy"]


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
    half = stdtrit(len(values) - 1, 1 - TAIL) * values.std(ddof=1) / np.sqrt(len(values))
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


def clear_gains(differences, metric):
    """Which strategies are better than their control by more than a standard deviation.

    Parameters
    ----------
    differences : DataFrame
        Of :func:`paired_differences`, of one data set.
    metric : str

    Returns
    -------
    Series of bool
        By rule, learner and label; of a single split nothing is clear.
    """
    signed = differences[metric] * (-1 if metric in LOWER else 1)
    keys = [differences[name] for name in ("rule", "learner", "label")]
    groups = signed.groupby(keys, sort=False)
    return groups.mean() > groups.std().fillna(np.inf).clip(lower=SMALLEST)


def operating_points(runs, shown, cost=None):
    """Recall and precision of the minority where strategies decide; means over splits.

    Parameters
    ----------
    runs : DataFrame
        Of one data set. With more than two classes there is no one cut-off, and no points.
    shown : list of str
        Labels.
    cost : str, optional
        Label of the strategy that moves the cut-off of ``plain`` for the cost of a miss.

    Returns
    -------
    DataFrame
        ``learner``, ``label``, ``point`` (argmax, tuned or cost), ``recall``, ``precision``.
    """
    ok = runs[runs["status"] == "ok"]
    if "recall_2" in ok and ok["recall_2"].notna().any():
        ok = ok[:0]
    of_cost = ok[(ok["label"] == cost) & (ok["rule"] == "own")].assign(label="plain", point="cost")
    rules = {"argmax": "argmax", TUNED["balanced_accuracy"]: "tuned"}
    parts = [ok[ok["label"].isin(shown)].assign(point=lambda t: t["rule"].map(rules))]
    parts += [of_cost] if "plain" in shown else []
    table = pd.concat(parts, ignore_index=True).dropna(subset="point")
    means = table.groupby(["learner", "label", "point"], sort=False)[["recall_1", "precision_1"]]
    names = {"recall_1": "recall", "precision_1": "precision"}
    return means.mean().rename(columns=names).reset_index()


def family_gains(runs):
    """What the families change with every learner: medians over their remedies.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.

    Returns
    -------
    dict of str to DataFrame
        Outcome to gains over the controls, more is better: families, the best in the first
        outcome at the top, over learners.
    """
    outcomes = {
        "balanced accuracy, default cut-off": ("balanced_accuracy", "argmax"),
        "macro-F1, both cut-offs moved": ("macro_f1", "tuned"),
        "Brier score, lowered by": ("brier", "argmax"),
    }
    found, order = {}, None
    treated = remedies(paired_differences(runs))
    for outcome, (metric, rule) in outcomes.items():
        part = treated[treated["rule"] == rule]
        means = part.groupby(["family", "learner", "label"])[metric].mean()
        table = means.groupby(["family", "learner"]).median().unstack("learner")
        table = -table if metric in LOWER else table
        if order is None:
            order = table.mean(axis=1).sort_values(ascending=False, kind="stable").index
        found[outcome] = table.reindex(order)
    return found


def largest_gains(runs, count):
    """The remedies of each learner that gain most macro-F1 with both cut-offs moved.

    Over ``plain``, whatever their control: a poor control is easily beaten. Ensembles of trees over
    the plain ensemble of their size.

    Parameters
    ----------
    runs : DataFrame
        Of one data set.
    count : int
        Strategies per learner, of those that have a control.

    Returns
    -------
    Series
        The control, by learner and label.
    """
    keys = ["learner", "label"]
    own, plain = (remedies(paired_differences(r, [MAIN])) for r in (runs, against_plain(runs)))
    own, plain = (part[part["rule"] == "tuned"] for part in (own, plain))
    table = pd.concat([own[own["family"] == "ensemble"], plain[plain["family"] != "ensemble"]])
    order = table.groupby(keys)[MAIN].mean().reset_index()
    controls = own.groupby(keys)["control"].first()
    order = order[pd.MultiIndex.from_frame(order[keys]).isin(controls.index)]
    order = order.sort_values(["learner", MAIN], ascending=[True, False], kind="stable")
    return controls.reindex(order.groupby("learner").head(count).set_index(keys).index)


def on_one_dataset(runs):
    """What remedies do on one data set, against their controls and at either rule.

    Returns
    -------
    dict or None
        ``splits``, ``tuning`` (of plain, mean over learners), by rule ``pairs`` (of learner and
        strategy), ``clear`` (those that beat their control by more than a standard deviation over
        splits), ``best`` and ``largest`` (mean over learners), and of the Brier score
        ``strategies``, ``worse``, ``worst``, ``brier``. None where there is nothing to compare.
    """
    rows, found = both_rules(runs), remedies(paired_differences(runs))
    plain = rows[rows["strategy"] == "plain"]
    if plain.empty or found.empty:
        return None
    scores = plain.groupby(["rule", "learner"])[MAIN].mean()
    mean = found.groupby(["rule", "learner", "label"], sort=False)[MAIN].mean()
    clear = clear_gains(found, MAIN)
    over = mean.groupby(["rule", "label"], sort=False).mean()
    brier = found[found["rule"] == "argmax"].groupby("label", sort=False)["brier"].mean().dropna()
    rules = ("argmax", "tuned")
    return {
        "splits": found["split"].nunique(),
        "tuning": (scores["tuned"] - scores["argmax"]).mean(),
        "pairs": {r: len(mean[r]) for r in rules},
        "clear": {r: clear[r].sum() for r in rules},
        "best": {r: over[r].idxmax() for r in rules},
        "largest": {r: over[r].max() for r in rules},
        "strategies": len(brier),
        "worse": (brier > MATTERS).sum(),
        "worst": brier.idxmax(),
        "brier": brier.max(),
    }


def descended(runs):
    """Names of ``plain``, the strategies compared with it, those compared with these, and so on."""
    pairs = runs[["strategy", "control"]].drop_duplicates()
    found, size = {"plain"}, 0
    while len(found) > size:
        size = len(found)
        found |= set(pairs.loc[pairs["control"].isin(found), "strategy"])
    return found


def relative_ranks(runs, metrics=COMPARED):
    """Rank of each strategy among those scored on the same data set, learner, split and rule.

    Ensembles of trees, and the plain ones of their size that they are compared with, are ranked
    among themselves: beside a single tree any of them is large. Strategies whose control, or its
    control and so on, is not ``plain`` have no rank: they saw fewer labels, and are compared with
    their control only.

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
    rows = rows[rows["strategy"].isin(descended(runs))]
    ensembles = rows["family"] == "ensemble"
    sizes = set(rows.loc[ensembles, "control"]) - {"plain"}
    ensembles |= (rows["family"] == "reference") & rows["strategy"].isin(sizes)
    ranks = rows[[*PLACE, "rule", *NAMES]].copy()
    place = [*(rows[name] for name in (*PLACE, "rule")), ensembles]
    for name in metrics:
        groups = rows[name].groupby(place, sort=False)
        rank = groups.rank(ascending=name in LOWER)
        others = groups.transform("count") - 1
        ranks[name] = 100 * (rank - 1) / others.where(others > 0)
    return ranks
