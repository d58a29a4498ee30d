"""One strategy at a time: its gains on every data set, the minority, what it fails on, its like."""

import numpy as np
import pandas as pd

from imbbench.analysis.answer import core
from imbbench.analysis.inference import by_origin, findings, with_minority
from imbbench.analysis.statistics import both_rules, paired_differences
from imbbench.bench.rows import KEY

PARTS = ["group", "modality", "stratum"]
MINORITY = ["minority_recall", "minority_precision"]
FEWEST_PLACES = 8  # of data set and learner, that two strategies are compared on


def rows_of(gained, outcome):
    """Rows of one outcome as tables of effects name it, and its metric.

    Parameters
    ----------
    gained : DataFrame
        Of :func:`imbbench.analysis.inference.gains`.
    outcome : str
        A metric and, of labels, a rule: ``"macro_f1 tuned"``, ``"brier"``.
    """
    metric, _, rule = outcome.partition(" ")
    return gained[gained["rule"] == (rule or "argmax")], metric


def by_dataset(gained, outcomes):
    """Every strategy's gain on every data set.

    Parameters
    ----------
    gained : DataFrame
        Of :func:`imbbench.analysis.inference.gains`.
    outcomes : iterable of str

    Returns
    -------
    DataFrame
        ``family``, ``label``, :data:`PARTS`, ``dataset``, ``outcome``, ``mean`` (over splits, then
        learners), ``low`` and ``high`` (the worst and the best split, means over learners; NaN
        where there is one split), ``splits``. Splits share rows, so their range is no interval.
    """
    found = []
    for outcome in outcomes:
        rows, metric = rows_of(gained, outcome)
        rows = rows.dropna(subset=[metric])
        key = ["family", "label", *PARTS, "dataset"]
        learners = rows.groupby([*key, "learner"], sort=False)[metric].mean()
        table = learners.groupby(key, sort=False).mean().rename("mean").to_frame()
        splits = rows.groupby([*key, "split"], sort=False)[metric].mean().groupby(key, sort=False)
        table["splits"] = splits.size()
        several = table["splits"] > 1
        table["low"] = splits.min().where(several)
        table["high"] = splits.max().where(several)
        found.append(table.reset_index().assign(outcome=outcome))
    return pd.concat(found, ignore_index=True)


def lost(table):
    """Where a strategy is worse than its control in every split, and by enough to matter.

    Parameters
    ----------
    table : DataFrame
        Of :func:`by_dataset`.

    Returns
    -------
    DataFrame
        Rows of ``table``, the largest loss first.
    """
    return table[findings(table) == "worse"].sort_values("mean", kind="stable")


def minority(runs):
    """Recall and precision of the smallest class at the default cut-off, of control and strategy.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.

    Returns
    -------
    DataFrame
        ``family``, ``label``, ``modality``, ``group``, ``origins``, ``recall``, ``precision`` and
        those ``of_control``: means over splits, learners, data sets of an origin, origins, of core
        data.
    """
    rows = with_minority(core(runs))
    changed = paired_differences(rows, MINORITY)
    changed = changed[changed["rule"] == "argmax"]
    levels = both_rules(rows)
    levels = levels[levels["rule"] == "argmax"].set_index(KEY)
    places = levels.reindex(pd.MultiIndex.from_frame(changed[KEY]))
    table = changed[[*KEY, "label"]].assign(
        origin=places["origin"].to_numpy(), group=places["group"].to_numpy()
    )
    for name in MINORITY:
        kind = name.removeprefix("minority_")
        table[kind] = places[name].to_numpy()
        table[f"{kind}_of_control"] = table[kind] - changed[name]
    by = ["family", "label", "modality", "group"]
    values = [name for name in table if name.startswith(("recall", "precision"))]
    means = {name: by_origin(table, name, by).groupby(by, sort=False) for name in values}
    found = pd.DataFrame({name: groups.mean() for name, groups in means.items()})
    found.insert(0, "origins", means[values[0]].size())
    return found.reset_index()


def unscored(runs):
    """Cells without a score, by reason.

    Returns
    -------
    DataFrame
        ``family``, ``label``, ``status``, ``reason``, ``cells``: how many.
    """
    by = ["family", "label", "status", "reason"]
    return runs[runs["status"] != "ok"].groupby(by, sort=False).size().reset_index(name="cells")


def alike(gained, outcome="balanced_accuracy argmax", count=3):
    """Which other strategies change an outcome most alike.

    Parameters
    ----------
    gained : DataFrame
        Of :func:`imbbench.analysis.inference.gains`.
    outcome : str
    count : int
        Of others, at most.

    Returns
    -------
    dict
        ``(family, label)`` to a list of ``(family, label, difference, places)``, the nearest
        first: the mean absolute difference of their gains over the places (data set and learner)
        that both have, at least :data:`FEWEST_PLACES`.
    """
    rows, metric = rows_of(gained, outcome)
    wide = rows.pivot_table(index=["dataset", "learner"], columns=["family", "label"],
                            values=metric, sort=False)  # fmt: skip
    values, names = wide.to_numpy(), list(wide.columns)
    found = {}
    for i, name in enumerate(names):
        apart = np.abs(values - values[:, [i]])
        shared = (~np.isnan(apart)).sum(axis=0)
        enough = shared >= FEWEST_PLACES
        enough[i] = False
        mean = np.nansum(apart, axis=0) / np.maximum(shared, 1)
        nearest = sorted(np.flatnonzero(enough), key=lambda j: (mean[j], names[j]))[:count]
        found[name] = [(*names[j], float(mean[j]), int(shared[j])) for j in nearest]
    return found
