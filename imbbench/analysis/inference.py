"""What the study concludes: primary strategies against their controls over origins.

The unit is the origin: differences are averaged over splits, then over learners of a group, then
over data sets that are cut from one table or corpus. Three outcomes stand side by side, each
against the control at its best: balanced accuracy and macro-F1, where the control's cut-off is
tuned for the very metric, and average precision, which needs none.
"""

import functools
import gc
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pandas as pd

from imbbench.analysis.statistics import (
    FREE,
    LOWER,
    MATTERS,
    PLACE,
    both_rules,
    descended,
    learner_groups,
    paired_differences,
    t_interval,
)
from imbbench.bench.rows import CELL
from imbbench.errors import StudyError
from imbbench.paths import root, table_file

MARGIN = 0.01  # smaller differences are none in practice
ALPHA = 0.05
POWER = 0.8
FEWEST = 6  # origins: with five no rank test can tell anything
# Outcome: the metric and, of labels, the rule that it is looked at under.
OUTCOMES = {
    "balanced accuracy": ("balanced_accuracy", "tuned"),
    "macro-F1": ("macro_f1", "tuned"),
    "average precision": ("average_precision", "argmax"),
}
COMPARISONS = ("default cut-off", "cut-off moved", "logit adjustment")
METRICS = ("balanced_accuracy", "macro_f1", "average_precision", "brier")


def evidence(study, datasets=None):
    """Names of the data sets that conclusions rest on.

    Parameters
    ----------
    study : imbbench.config.Study
    datasets : iterable of str or {"wide", "web"}, optional
        Default: those of the default study, but for one's own; ``"wide"``, ``"web"``: those of the
        wide study, or from the web, that have results, too.

    Returns
    -------
    list of str

    Raises
    ------
    StudyError
        If there is no such word.
    """
    others = {None: (), "wide": study.wide_datasets, "web": study.web_datasets}
    if not (datasets is None or isinstance(datasets, str)):
        return list(datasets)
    if datasets not in others:
        raise StudyError(
            f'There are no data sets \'{datasets}\': say "wide", "web" or a list of names.'
        )
    found = [name for name in study.datasets if name not in study.own_datasets]
    found += [name for name in others[datasets] if _is_run(study, name)]
    if not found:
        raise StudyError(
            "Every data set is one's own, so the study has none; say `study: true` in an entry."
        )
    return found


def _is_run(study, name):
    """Whether a data set has results of every family: not while it is being run."""
    place = study.results(name)
    return all(table_file(place, "runs", name, family).is_file() for family in study.families)


def finding(mean, low, high):
    """What a gain with its interval says: ``better``, ``worse`` or ``no clear difference``.

    Less than :data:`MATTERS` is no difference, nor is one whose interval holds zero.
    """
    if mean > MATTERS and low > 0:
        return "better"
    if mean < -MATTERS and high < 0:
        return "worse"
    return "no clear difference"


def findings(table):
    """:func:`finding` of each row of a table with ``mean``, ``low`` and ``high``."""
    said = map(finding, table["mean"], table["low"], table["high"])
    return pd.Series(list(said), table.index, dtype=object)


def described(study, runs):
    """``runs`` with what conclusions are drawn by.

    Returns
    -------
    DataFrame
        With ``origin``, ``stratum`` (``core``, ``ceiling``, ``little signal``), ``prior``
        (``as in training`` or ``shifted`` in the test part), ``group`` (``weak``, ``strong``
        learners or ensembles of trees), ``primary``, and ``turned``: metrics, with a blank between,
        whose difference to the control half or twice the steps give another sign, see
        :func:`turned_by_steps`.

    Raises
    ------
    StudyError
        If the results of some data sets are those of a former protocol, and of others not.
    """
    if "made_from" in runs:
        scored = runs[runs["status"] == "ok"]
        made = scored["made_from"].fillna("").ne("").groupby(scored["dataset"]).all()
        if made.any() and not made.all():
            raise StudyError(
                f"The results of data set '{made.idxmin()}' are those of a run of a former "
                "protocol, the others are not: run its stages again, `dvc repro`."
            )
    entries = study.all_datasets
    origin = {name: entries[name].get("origin") or name for name in set(runs["dataset"])}
    stratum = {name: entries[name].get("stratum") or "core" for name in origin}
    shifted = {name: "long_tail" in entries[name] for name in origin}
    primary = {
        (family, name)
        for family in study.families
        for name, entry in study.family(family).items()
        if entry.get("primary")
    }
    named = zip(runs["family"], runs["strategy"], strict=True)
    fitted = zip(runs["learner"], runs["family"], runs["strategy"], strict=True)
    turned = turned_by_steps()
    return runs.assign(
        origin=runs["dataset"].map(origin),
        stratum=runs["dataset"].map(stratum),
        prior=np.where(runs["dataset"].map(shifted), "shifted", "as in training"),
        group=learner_groups(runs),
        primary=[pair in primary for pair in named],
        turned=[turned.get(names, "") for names in fitted],
    )


PLACES = ["origin", "stratum", "prior", "group", "primary", "turned"]


def turned_by_steps():
    """What notebook 10 found undecided: the number of optimiser steps turns its sign.

    Returns
    -------
    dict
        From (learner, family, strategy) to names of metrics with a blank between; empty where
        there is no table of notebook 10.
    """
    path = root() / "results" / "tables" / "settings_that_pretend.csv"
    if not path.exists():
        return {}
    names = ["learner", "family", "strategy", "undecided"]
    table = pd.read_csv(path, usecols=names).dropna().drop_duplicates()
    return {tuple(row): said for *row, said in table[names].itertuples(index=False)}


def gains(runs, metrics=METRICS):
    """Each strategy against its control, in favour of the strategy.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`described`.
    metrics : iterable of str

    Returns
    -------
    DataFrame
        As :func:`imbbench.analysis.statistics.paired_differences`, with the columns that
        :func:`described` adds; of metrics that are errors the sign is turned, so that more is
        better. Logit adjustment has no tuned rule, what it gives at argmax stands for both.
        ``over_free``: balanced accuracy against logit adjustment of the untreated learner, NaN for
        ensembles, of which there is none.
    """
    metrics = list(metrics)
    found = paired_differences(runs, metrics)
    for metric in metrics:
        if metric in LOWER:
            found[metric] = -found[metric]
    rows = both_rules(runs)
    free = _free(rows).set_index(PLACE)["balanced_accuracy"]
    own = rows.set_index([*CELL, "rule"])["balanced_accuracy"]
    found["over_free"] = (
        own.reindex(pd.MultiIndex.from_frame(found[[*CELL, "rule"]])).to_numpy()
        - free.reindex(pd.MultiIndex.from_frame(found[PLACE])).to_numpy()
    )
    found.loc[found["family"] == "ensemble", "over_free"] = np.nan
    places = runs[[*CELL, *PLACES]].drop_duplicates(CELL)
    return found.merge(places, on=CELL, how="left")


def _free(rows):
    """Rows of logit adjustment as it comes, at argmax."""
    named = (rows["family"] == FREE[0]) & (rows["strategy"] == FREE[1])
    return rows[named & (rows["rule"] == "argmax")]


def against(runs, comparison, metrics=METRICS):
    """Each strategy as it comes, at argmax, against the untreated learner.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`described`.
    comparison : {"default cut-off", "cut-off moved", "logit adjustment"}
        Of the untreated learner: at argmax; tuned for the very metric; its probabilities
        divided by the class shares, which needs no fit. An ensemble is compared with the plain
        ensemble of its kind, and not with logit adjustment, which there is of no ensemble.
    metrics : iterable of str

    Returns
    -------
    DataFrame
        As :func:`gains`.
    """
    metrics = list(metrics)
    rows = both_rules(runs)
    treated = rows[(rows["rule"] == "argmax") & (rows["family"] != "reference")]
    if comparison == "logit adjustment":
        base = _free(rows).assign(of="plain")
    else:
        rule = "argmax" if comparison == "default cut-off" else "tuned"
        base = rows[(rows["family"] == "reference") & (rows["rule"] == rule)]
        base = base.assign(of=base["strategy"])
    kind = treated["control"].where(treated["family"] == "ensemble", "plain")
    both = treated.assign(of=kind).merge(
        base[[*PLACE, "of", *metrics]], on=[*PLACE, "of"], suffixes=("", "_of_base")
    )
    for metric in metrics:
        sign = -1 if metric in LOWER else 1
        both[metric] = sign * (both[metric] - both[f"{metric}_of_base"])
    return both[[*CELL, "label", "role", "modality", *PLACES, *metrics]]


def by_origin(gained, metric, by=("label",)):
    """Means over splits, then learners, then data sets of an origin.

    Parameters
    ----------
    gained : DataFrame
        Of :func:`gains`, of one rule.
    metric : str
    by : iterable of str
        Columns that name a group.

    Returns
    -------
    Series
        By ``by`` and ``origin``.
    """
    by = list(by)
    cells = gained.groupby([*by, "origin", "dataset", "learner"], sort=False)[metric].mean()
    sets = cells.groupby([*by, "origin", "dataset"], sort=False).mean()
    return sets.groupby([*by, "origin"], sort=False).mean().dropna()


def of_outcome(gained, outcome):
    """Rows of :func:`gains` under the rule of an outcome, and the name of its metric."""
    metric, rule = OUTCOMES[outcome]
    return gained[gained["rule"] == rule], metric


@dataclass(frozen=True)
class Tested:
    """One strategy's differences over origins, tested."""

    origins: int
    mean: float
    low: float
    high: float
    p: float
    p_equivalent: float
    smallest: float


def tested(values):
    """Test a sample of differences, one per origin.

    Parameters
    ----------
    values : array-like, (n,)

    Returns
    -------
    Tested
        ``mean`` with its 95 % Student t interval; ``p`` of Wilcoxon's signed-rank test;
        ``p_equivalent`` of two one-sided t tests against ±:data:`MARGIN`; ``smallest``: the mean
        difference that a t test of so many origins with this spread would find with a power of
        .8. NaN where there are too few.
    """
    from statsmodels.stats.weightstats import DescrStatsW

    values = np.asarray(values, dtype=float)
    mean, low, high = t_interval(values)
    if len(values) < FEWEST:
        return Tested(len(values), mean, low, high, np.nan, np.nan, np.nan)
    spread = values.std(ddof=1)
    p = _signed_rank(tuple(values)) if np.any(values) else 1.0
    if not spread > 0:
        return Tested(len(values), mean, low, high, p, float(abs(mean) >= MARGIN), 0.0)
    equivalent = DescrStatsW(values).ttost_mean(-MARGIN, MARGIN)[0]
    smallest = float(_size_found(len(values)) * spread)
    return Tested(len(values), mean, low, high, p, float(equivalent), smallest)


@functools.cache  # of few values with ties it takes seconds, and the same are tested more than once
def _signed_rank(values):
    from scipy.stats import wilcoxon

    return float(wilcoxon(values).pvalue)


@functools.cache
def _size_found(count):
    """The standardised mean that a t test of ``count`` values finds with a power of .8."""
    from statsmodels.stats.power import TTestPower

    return TTestPower().solve_power(nobs=count, alpha=ALPHA, power=POWER)


def verdict(row):
    """What a row of tests comes to.

    ``equivalent`` where two one-sided tests put the difference within ±:data:`MARGIN`, whatever its
    sign; else ``helps`` or ``harms`` where Holm's p is below .05 and the interval on that side of
    zero; else ``undecided``.
    """
    if row["p_equivalent"] < ALPHA:
        return "equivalent"
    if row["p_holm"] < ALPHA and row["low"] > 0:
        return "helps"
    if row["p_holm"] < ALPHA and row["high"] < 0:
        return "harms"
    return "undecided"


def verdicts(gained, outcome):
    """The primary strategies' verdicts on one outcome.

    Parameters
    ----------
    gained : DataFrame
        Of :func:`gains`, of the data sets and learners that the verdict is about.
    outcome : str
        A name in :data:`OUTCOMES`.

    Returns
    -------
    DataFrame
        The largest mean first: ``family``, ``label``, ``control``, the columns of
        :class:`Tested`, ``p_holm`` (over the strategies of this table), ``wins`` (share of origins
        with a gain of more than :data:`MATTERS`), ``verdict``, ``turned`` (learners of which the
        number of steps turns the sign and without which the verdict is another one or there is
        none, so that it is ``undecided``; "" where it stands); of balanced accuracy also
        ``free``, ``free_low``, ``free_high``: against logit adjustment.
    """
    rows, metric = of_outcome(gained[gained["primary"]], outcome)
    table = _judged(rows, metric).assign(turned="")
    turns = np.array([metric in said.split() for said in rows["turned"]], dtype=bool)
    if turns.any():
        steady = _judged(rows[~turns], metric).set_index("label")["verdict"]
        learners = rows[turns].groupby("label")["learner"].unique()
        for i, label, said in table[["label", "verdict"]].itertuples():
            if label in learners and said not in ("undecided", steady.get(label)):
                names = " ".join(sorted(learners[label]))
                table.loc[i, ["verdict", "turned"]] = "undecided", names
    if metric == "balanced_accuracy" and len(table):
        free = by_origin(rows, "over_free")
        intervals = {label: t_interval(part) for label, part in free.groupby(level="label")}
        nothing = (np.nan,) * 3
        columns = [intervals.get(label, nothing) for label in table["label"]]
        table[["free", "free_low", "free_high"]] = np.reshape(columns, (-1, 3))
    return table


def _judged(rows, metric):
    """Tests and verdicts of strategies, the largest mean first."""
    from statsmodels.stats.multitest import multipletests

    values = by_origin(rows, metric)
    if values.empty:
        named = ["family", "label", "control", *Tested.__annotations__]
        return pd.DataFrame(columns=[*named, "wins", "p_holm", "verdict"])
    named = rows.drop_duplicates("label").set_index("label")[["family", "control"]]
    found = []
    for label, sample in values.groupby(level="label", sort=False):
        one = {"family": named.loc[label, "family"], "label": label}
        one |= {"control": named.loc[label, "control"], **vars(tested(sample))}
        found.append(one | {"wins": (sample > MATTERS).mean()})
    table = pd.DataFrame(found)
    known = table["p"].notna()
    table["p_holm"] = np.nan
    if known.any():
        # It collects garbage, a fifth of a second among all modules; what is frozen is left out.
        gc.freeze()
        try:
            table.loc[known, "p_holm"] = multipletests(table.loc[known, "p"], method="holm")[1]
        finally:
            gc.unfreeze()
    table["verdict"] = [verdict(row) for row in table.to_dict("records")]
    return table.sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def all_verdicts(gained):
    """Verdicts of every outcome: by group of learners and modality, core data, and by stratum.

    Returns
    -------
    DataFrame
        ``outcome``, ``modality``, ``group``, ``stratum``, ``prior``, then the columns of
        :func:`verdicts`. Holm's correction is within one outcome and one such part.
    """
    parts = ["modality", "group", "stratum", "prior"]
    found = []
    for names, part in gained.groupby(parts, sort=False):
        for outcome in OUTCOMES:
            table = verdicts(part, outcome)
            where = dict(zip(parts, names, strict=True))
            found.append(table.assign(outcome=outcome, **where))
    found = [table for table in found if len(table)]
    if not found:
        return pd.DataFrame(columns=["outcome", *parts, "label", "verdict"])
    table = pd.concat(found, ignore_index=True)
    return table[["outcome", *parts, *table.columns.difference(["outcome", *parts], sort=False)]]


def hierarchical(gained, outcome):
    """A mixed model of each primary strategy's gain as a check on :func:`verdicts`.

    Gains, means over splits, with learners as fixed effects that sum to zero and a random
    intercept of each origin; the overall mean is the strategy's effect.

    Returns
    -------
    DataFrame
        ``label``, ``origins``, ``estimate``, ``low``, ``high`` (95 %), ``between`` (standard
        deviation of origins), ``within`` (of learners and data sets of one origin). NaN where the
        model has no solution, as where no origin has two rows.
    """
    import warnings

    import statsmodels.formula.api as smf

    rows, metric = of_outcome(gained[gained["primary"]], outcome)
    names = ["label", "origin", "dataset", "learner"]
    cells = rows.groupby(names, sort=False)[metric].mean().dropna().rename("gain").reset_index()
    found = []
    for label, part in cells.groupby("label", sort=False):
        one = {"label": label, "origins": part["origin"].nunique()}
        several = part["learner"].nunique() > 1
        formula = "gain ~ C(learner, Sum)" if several else "gain ~ 1"
        values = [np.nan] * 5
        if FEWEST <= one["origins"] < len(part) and part["gain"].std() > 0:
            with warnings.catch_warnings(), suppress(np.linalg.LinAlgError):
                warnings.simplefilter("ignore")  # of variances at zero, which the result shows
                fit = smf.mixedlm(formula, part, groups="origin").fit(reml=True)
                low, high = fit.conf_int().loc["Intercept"]
                between = float(np.sqrt(fit.cov_re.iloc[0, 0]))
                values = [fit.params["Intercept"], low, high, between, float(np.sqrt(fit.scale))]
        keys = ["estimate", "low", "high", "between", "within"]
        found.append(one | dict(zip(keys, map(float, values), strict=True)))
    return pd.DataFrame(found)


def sensitivity(gained, outcome):
    """How far a primary strategy's mean and verdict hang on one origin or one learner.

    Returns
    -------
    DataFrame
        ``label``, ``verdict``, ``lowest`` and ``highest`` mean when one origin is left out, with
        the ``origin_of_…`` that is, ``verdicts_by_origin`` and ``verdicts_by_learner``: what else
        the verdict of the tests becomes when one is left out, "" if it stays.
    """
    shown = verdicts(gained, outcome).set_index("label")["verdict"]
    # A learner that other steps turn is left out like every other one here, one at a time.
    gained = gained.assign(turned="")
    full = verdicts(gained, outcome).set_index("label")
    means, turns = {}, {}
    for kind in ("origin", "learner"):
        for name in dict.fromkeys(gained[kind]):
            table = verdicts(gained[gained[kind] != name], outcome).set_index("label")
            for label, row in table.iterrows():
                if kind == "origin":
                    means.setdefault(label, {})[name] = row["mean"]
                if row["verdict"] != full.loc[label, "verdict"]:
                    turns.setdefault((kind, label), {}).setdefault(row["verdict"], []).append(name)
    found = []
    for label, verdict_shown in shown.items():
        without = pd.Series(means.get(label, {}), dtype=float)
        one = {"label": label, "verdict": verdict_shown}
        for end, name in ("lowest", "idxmin"), ("highest", "idxmax"):
            which = getattr(without, name)() if len(without) else ""
            one |= {end: without.get(which, np.nan), f"origin_of_{end}": which}
        for kind in ("origin", "learner"):
            changed = turns.get((kind, label), {})
            one[f"verdicts_by_{kind}"] = "; ".join(
                f"{verdict_} without {', '.join(names[:3])}"
                + (f" or {len(names) - 3} others" if len(names) > 3 else "")
                for verdict_, names in changed.items()
            )
        found.append(one)
    return pd.DataFrame(found)


def families_against_plain(runs, metrics=METRICS):
    """Every family at its default cut-off against the untreated learner in three states.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`described`.

    Returns
    -------
    DataFrame
        ``family``, ``comparison``, ``metric``, ``strategies`` (remedies), ``mean`` (of their means
        over origins), ``better`` and ``worse`` (how many have a mean of more than :data:`MATTERS`
        and an interval on that side of zero). More is better, also of the Brier score.
    """
    found = []
    for comparison in COMPARISONS:
        rows = against(runs, comparison, metrics)
        # What saw fewer labels than the untreated learner is not compared with it.
        rows = rows[(rows["role"] == "remedy") & rows["strategy"].isin(descended(runs))]
        if comparison == "logit adjustment":
            rows = rows[rows["label"] != FREE[1]]
        for metric in metrics:
            values = by_origin(rows, metric, ("family", "label"))
            intervals = values.groupby(level=["family", "label"], sort=False).agg(
                lambda sample: t_interval(sample)
            )
            for family, part in intervals.groupby(level="family", sort=False):
                said = [finding(*interval) for interval in part]
                mean = np.array([mean for mean, *_ in part])
                found.append(
                    {
                        "family": family,
                        "comparison": comparison,
                        "metric": metric,
                        "strategies": len(part),
                        "mean": mean.mean(),
                        "better": said.count("better"),
                        "worse": said.count("worse"),
                    }
                )
    return pd.DataFrame(found)


def with_minority(runs):
    """``runs`` with ``minority_recall``, ``…_precision``, ``…_f1`` (of the smallest class) and
    ``classes``, how many there are."""
    found = runs.copy()
    for kind in ("recall", "precision", "f1"):
        names = [c for c in found if c.startswith(f"{kind}_") and c.split("_")[1].isdigit()]
        names.sort(key=lambda name: int(name.split("_")[1]))
        found[f"minority_{kind}"] = found[names].ffill(axis=1).iloc[:, -1] if names else np.nan
        found["classes"] = found[names].notna().sum(axis=1)
    return found


def levels(runs, shown):
    """What well-known strategies reach, in plain numbers.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`described`.
    shown : list of (str, str, str)
        What to call it, label, and rule: ``argmax``, or ``tuned_balanced_accuracy``.

    Returns
    -------
    DataFrame
        ``strategy``, ``origins``, ``minority_recall``, ``minority_precision`` (of the smallest
        class), ``balanced_accuracy``, ``brier``: means over splits, learners, data sets, origins,
        of the places that all of them have.
    """
    scored = runs[runs["status"] == "ok"]
    kept = []
    for name, label, rule in shown:
        rows = scored[(scored["label"] == label) & (scored["rule"] == rule)]
        kept.append(rows.assign(shown=name))
    rows = pd.concat(kept, ignore_index=True)
    there = rows.groupby(PLACE)["shown"].transform("nunique")
    rows = rows[there == len(shown)]
    rows = with_minority(rows)
    wanted = ["minority_recall", "minority_precision", "balanced_accuracy", "brier"]
    found = pd.DataFrame(
        {m: by_origin(rows, m, ("shown",)).groupby("shown").mean() for m in wanted}
    )
    found.insert(0, "origins", by_origin(rows, "brier", ("shown",)).groupby("shown").size())
    order = [name for name, _, _ in shown if name in found.index]
    return found.loc[order].rename_axis("strategy").reset_index()
