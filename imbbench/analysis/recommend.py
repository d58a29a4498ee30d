"""Which strategies to try on a data set, from those that it resembles, and how good that advice is.

What is predicted is the gain over the untreated learner with its cut-off moved for the same metric:
a mean over the study's origins, weighted by how much they resemble the data set, and drawn towards
no gain where few of them do.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from imbbench.analysis.inference import by_origin, gains
from imbbench.analysis.statistics import descended, remedies, t_interval
from imbbench.analysis.tables import WORDS
from imbbench.config import unknown_name
from imbbench.errors import StudyError
from imbbench.paths import root, table_file

TUNED = "plain"  # with its cut-off moved
METRICS = {
    "balanced_accuracy": "tuned",
    "macro_f1": "tuned",
    "average_precision": "argmax",
    "brier": "argmax",
}
# What data sets resemble each other in; of each the logarithm.
MEASURES = ["rows", "minority", "ratio", "classes"]
SEPARABLE = "auc"  # ROC AUC of the untreated learner, on the logit's scale
DRAWN = 2.0  # origins without any gain that are added to those of the study
FEWEST = 6  # origins that advice may rest on


def measures_of(card):
    """What a data card says of size and imbalance.

    Returns
    -------
    dict
        ``rows``, ``minority`` (rows of the smallest class), ``ratio``, ``classes``.
    """
    counts = card["classes"].values()
    found = {"rows": card["rows"], "minority": min(counts), "ratio": max(counts) / min(counts)}
    return found | {"classes": len(counts)}


def measures(cards):
    """:func:`measures_of` by data set, as a table with the column ``dataset``."""
    rows = [{"dataset": name, **measures_of(card)} for name, card in cards.items()]
    return pd.DataFrame(rows, columns=["dataset", *MEASURES])


def read_measures():
    """The committed measures of the default and of the wide study's data sets."""
    paths = [root() / "results" / where / "measures.csv" for where in ("tables", "wide/tables")]
    found = [pd.read_csv(path) for path in paths if path.is_file()]
    if not found:
        where = Path("results/tables/measures.csv")
        raise StudyError(f"{where} is missing: run `dvc repro measures` first.")
    return pd.concat(found, ignore_index=True)


def separability(runs):
    """ROC AUC of the untreated learner by data set and learner, mean over splits."""
    plain = runs[(runs["strategy"] == "plain") & (runs["status"] == "ok")]
    return plain.groupby(["dataset", "learner"])["roc_auc"].mean()


def known_gains(runs, metric):
    """What is learnt from: gains over plain with its cut-off moved, by learner, strategy, origin.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.
    metric : str
        Of :data:`METRICS`.

    Returns
    -------
    Series
        Of strategies that are meant to help and are compared with the untreated learner, and of
        ``plain`` itself, zero everywhere.
    """
    # Equal budgets are a question of inference; whoever asks what to try starts from plain.
    kept = runs[runs["strategy"].isin(descended(runs)) & (runs["family"] != "ensemble")]
    kept = kept.assign(control=np.where(kept["strategy"] == "plain", "", "plain"))
    rows = remedies(gains(kept, [metric]))
    rows = rows[rows["rule"] == METRICS[metric]]
    found = by_origin(rows, metric, ("learner", "label"))
    places = found.index.droplevel("label").unique()  # of learner and origin
    index = pd.MultiIndex.from_tuples([(a, TUNED, b) for a, b in places], names=found.index.names)
    none = pd.Series(0.0, index)
    return pd.concat([none, found])


def places(runs, measured, learner):
    """Where origins lie among each other: a row per origin, standardised columns.

    Parameters
    ----------
    runs : DataFrame
    measured : DataFrame
        Of :func:`measures`.
    learner : str

    Returns
    -------
    DataFrame
        Index: origins; columns :data:`MEASURES` and :data:`SEPARABLE`, means over their data sets.
    """
    origin = runs.drop_duplicates("dataset").set_index("dataset")["origin"]
    table = measured.drop_duplicates("dataset").set_index("dataset")
    table = np.log(table.loc[table.index.isin(origin.index), MEASURES].astype(float))
    auc = separability(runs).xs(learner, level="learner")
    table[SEPARABLE] = _logit(auc.reindex(table.index))
    return table.groupby(origin.reindex(table.index)).mean().dropna()


def _logit(share):
    share = share.clip(0.01, 0.999)
    return np.log(share / (1 - share))


def weights(known, wanted):
    """How much each origin resembles a place, from 0 to 1.

    A normal kernel of the distance over standardised measures, half as wide as the median distance
    between the origins. Measures that the place lacks are left out.

    Parameters
    ----------
    known : DataFrame
        Of :func:`places`.
    wanted : Series
        One place; NaN where a measure is not known.

    Returns
    -------
    Series
        By origin.
    """
    columns = [name for name in known if not np.isnan(wanted.get(name, np.nan))]
    scale = known[columns].std(ddof=0).replace(0, 1.0)
    table = known[columns] / scale
    gaps = np.sqrt(((table - wanted[columns] / scale) ** 2).sum(axis=1))
    pairs = np.sqrt(((table.to_numpy()[:, None] - table.to_numpy()[None]) ** 2).sum(axis=2))
    width = np.median(pairs[np.triu_indices(len(pairs), 1)]) / 2 if len(pairs) > 1 else 1.0
    return np.exp(-0.5 * (gaps / max(width, 1e-9)) ** 2)


def predicted(known, weight):
    """The gain to expect of every strategy.

    Parameters
    ----------
    known : Series
        Of one learner: gains by label and origin.
    weight : Series
        Of :func:`weights`.

    Returns
    -------
    DataFrame
        The largest expected gain first: ``label``, ``gain``, ``low``, ``high`` (80 %, of one data
        set's gain), ``origins``, of strategies on :data:`FEWEST` origins or more.
    """
    from scipy.special import stdtrit

    rows = []
    for label, part in known.groupby(level="label", sort=False):
        values = part.droplevel("label")
        # Where nothing resembles the data set, all of it says how far gains scatter.
        share = weight.reindex(values.index).dropna() + 1e-9
        values = values[share.index]
        if len(values) < FEWEST:
            continue
        gain = float((share * values).sum() / (share.sum() + DRAWN))
        mean = (share * values).sum() / share.sum()
        spread = np.sqrt((share * (values - mean) ** 2).sum() / share.sum())
        count = share.sum() ** 2 / (share**2).sum()
        half = stdtrit(max(count - 1, 1), 0.9) * spread
        rows.append((label, gain, gain - half, gain + half, len(values)))
    table = pd.DataFrame(rows, columns=["label", "gain", "low", "high", "origins"])
    # Of equal ones the untreated learner: it costs nothing.
    table["other"] = table["label"] != TUNED
    table = table.sort_values(["gain", "other"], ascending=[False, True], ignore_index=True)
    return table.drop(columns="other")


def recommend(runs, measured, wanted, learner, metric, count=3):
    """What to try on a data set, with what to expect of it.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`; the data set's own origin is not in it.
    measured : DataFrame
        Of :func:`measures`, of the data sets in ``runs``.
    wanted : dict
        Of :func:`measures_of`, and ``auc`` where the untreated learner was run.
    learner, metric : str
    count : int
        Strategies beside the untreated learner.

    Returns
    -------
    DataFrame
        Of :func:`predicted`: at most ``count`` strategies that are expected to gain something, and
        ``plain``.

    Raises
    ------
    StudyError
        For a learner that the study has too few origins of.
    """
    known = known_gains(runs, metric)
    there = known.index.get_level_values("learner").unique()
    if learner not in there:
        raise StudyError(
            f"The study has no results of learner '{learner}'. Known: {', '.join(sorted(there))}."
        )
    place = pd.Series({name: np.log(wanted[name]) for name in MEASURES}, dtype=float)
    place[SEPARABLE] = _logit(pd.Series([wanted.get(SEPARABLE, np.nan)])).iloc[0]
    table = predicted(known.xs(learner, level="learner"),
                      weights(places(runs, measured, learner), place))  # fmt: skip
    if table.empty:
        raise StudyError(
            f"The study has learner '{learner}' on fewer than {FEWEST} origins: nothing can be "
            "told."
        )
    better = table[(table["gain"] > 0) & (table["label"] != TUNED)].head(count)
    return pd.concat([better, table[table["label"] == TUNED]], ignore_index=True)


def regrets(runs, measured, learner, metric):
    """What the advice loses to the best strategy on origins that it was not made from.

    Parameters
    ----------
    runs, measured, learner, metric
        As in :func:`recommend`.

    Returns
    -------
    DataFrame
        One row per origin: ``oracle`` (the best strategy's gain), and how much less
        ``recommended``, ``plain`` (always, its cut-off moved), and ``average`` (always the strategy
        that is best on average over the other origins) gain; ``tried``, what was recommended.
    """
    names = ["origin", "oracle", "recommended", "plain", "average", "tried"]
    known = known_gains(runs, metric)
    if learner not in known.index.get_level_values("learner"):
        return pd.DataFrame(columns=names)
    known = known.xs(learner, level="learner")
    where = places(runs, measured, learner)
    rows = []
    for origin in where.index:
        if origin not in known.index.get_level_values("origin"):
            continue
        own = known.xs(origin, level="origin")
        others = known[known.index.get_level_values("origin") != origin]
        table = predicted(others, weights(where.drop(index=origin), where.loc[origin]))
        table = table[table["label"].isin(own.index)]
        if table.empty:
            continue
        means = others.groupby(level="label").agg(["mean", "size"])
        means = means[means.index.isin(own.index) & (means["size"] >= FEWEST)]["mean"]
        best = own[own.index.isin(table["label"])].max()
        tried, steady = table["label"].iloc[0], means.idxmax()
        rows.append((origin, best, best - own[tried], best - own[TUNED], best - own[steady], tried))
    return pd.DataFrame(rows, columns=names)


def compared(table):
    """Mean regrets, and what the advice saves of the two others', with intervals over origins.

    Returns
    -------
    dict
        ``origins``, ``recommended``, ``plain``, ``average`` (mean regrets), ``over_plain``,
        ``over_average``: (mean, low, high) of the regret that is saved.
    """
    found = {"origins": len(table)}
    found |= {name: table[name].mean() for name in ("recommended", "plain", "average")}
    for name in ("plain", "average"):
        found[f"over_{name}"] = t_interval(table[name] - table["recommended"])
    return found


def advise(study, dataset, learner, metric, count=3):
    """What ``imbbench recommend`` prints.

    Parameters
    ----------
    study : imbbench.config.Study
    dataset : str
        In the study or one's own; prepared. Its own origin's results are left aside.
    learner, metric, count
        As in :func:`recommend`.

    Returns
    -------
    str
    """
    from imbbench.analysis.inference import described, evidence
    from imbbench.analysis.tables import load_card, load_runs, load_timings

    entry = study.dataset(dataset)
    if learner not in study.learners:
        raise StudyError(unknown_name("learner", learner, study.learners))
    wanted = measures_of(load_card(dataset))
    own = table_file(study.results(dataset), "runs", dataset, "reference")
    if own.is_file():
        found = separability(load_runs(study, [dataset], ["reference"]))
        wanted[SEPARABLE] = found.get((dataset, learner), np.nan)
    origin = entry.get("origin") or dataset
    names = [
        name
        for name in evidence(study, "wide")
        if (study.dataset(name).get("origin") or name) != origin
    ]
    runs = described(study, load_runs(study, names))
    table = recommend(runs, read_measures(), wanted, learner, metric, count)
    times = load_timings(study, names)
    times = times[(times["status"] == "ok") & (times["learner"] == learner)]
    seconds = times.groupby("label")["fit_seconds"].median()
    cost = seconds / seconds.get(TUNED, np.nan)
    words = WORDS[metric]
    lines = [
        f"{dataset}: {wanted['rows']} rows, {wanted['classes']} classes, {wanted['minority']} rows "
        f"of the smallest, ratio {wanted['ratio']:.1f}"
        + (f"; {learner} untreated: ROC AUC {wanted[SEPARABLE]:.3f}" if _known(wanted) else ""),
        "",
    ]
    tried = table[table["label"] != TUNED]
    move = "moves its cut-off" if METRICS[metric] == "tuned" else "is left as it is"
    if tried.empty:
        lines.append(
            f"Nothing is expected to raise {words} beyond what {learner} reaches untreated when it "
            f"{move}."
        )
    else:
        lines.append(f"Beyond {learner} untreated, which {move}, in {words}:")
        for row in tried.itertuples():
            lines.append(
                f"  {row.label:<28} {row.gain:+.3f}  [{row.low:+.3f}, {row.high:+.3f}]  "
                f"{cost.get(row.label, np.nan):.1f} times its fit time"
            )
    lines += [
        "",
        f"From {int(table['origins'].max())} origins, those that resemble it most count most; four "
        "of five data sets are expected within the brackets.",
    ]
    return "\n".join(lines)


def _known(wanted):
    return not np.isnan(wanted.get(SEPARABLE, np.nan))
