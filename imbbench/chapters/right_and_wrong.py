"""Four mistakes of evaluation, the wrong way beside the right way: the numbers of notebook 06.

Both ways of a pair fit the same learners with the same seeds; the mistake is what differs. The
right way cuts with :func:`imbbench.bench.protocol.splits` and learns inside the training fold.
"""

import warnings
from dataclasses import replace
from functools import lru_cache

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.under_sampling import EditedNearestNeighbours, RandomUnderSampler
from scipy.special import bdtrc
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.feature_selection import SelectKBest, chi2, f_classif
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsClassifier

from imbbench import config
from imbbench.analysis import plots
from imbbench.analysis.plots import PALETTE, STYLE
from imbbench.analysis.prose import with_interval
from imbbench.analysis.statistics import t_interval
from imbbench.analysis.tables import WORDS
from imbbench.bench.features import matrix, tokens_of
from imbbench.bench.learners import HistGradientBoosting, LogReg, Tree, one_hot
from imbbench.bench.metrics import label_metrics
from imbbench.bench.prepared import load_prepared
from imbbench.bench.protocol import decide, seed_for, splits, tune_offsets
from imbbench.errors import StudyError
from imbbench.paths import root

SAMPLERS = {
    "random over-sampling": RandomOverSampler,
    "SMOTE": SMOTE,
    "random under-sampling": RandomUnderSampler,
    "cleaning (ENN)": EditedNearestNeighbours,
}
# What the hyper-parameters are chosen from.
GRIDS = {
    "logreg": [{"C": 10.0**e} for e in range(-4, 4)],
    "tree": [
        {"max_depth": depth, "min_samples_leaf": leaf}
        for depth in (3, 6, None)
        for leaf in (1, 5, 20)
    ],
    "neighbours": [{"n_neighbors": k} for k in (1, 3, 5, 10, 20, 40)],
}
LOOKS = {
    "logreg": (PALETTE[0], "o"),
    "tree": (PALETTE[1], "D"),
    "neighbours": (PALETTE[2], "s"),
}
SELECTED = {"tabular": 5, "text": 100}  # features kept by a selection
KEY = ["mistake", "variant", "dataset", "learner", "metric"]
FOUND = ["variant", "learner", "metric", "wrong", "right"]  # of one comparison
# imbalanced-learn's documentation, "Common pitfalls and recommended practices": balanced accuracy
# of gradient boosting on under-sampled census data, in cross-validation and on left-out rows.
PUBLISHED = {"before the split": (0.724, 0.698), "inside the fold": (0.732, 0.727)}


def load(name):
    """A prepared data set of two classes, by name."""
    data = load_prepared(root() / "data" / "prepared" / name)
    if len(data.schema["classes"]) != 2:
        raise StudyError(f"data set {name} has more than two classes; choose one with two")
    return data


def folds_of(y, groups, name, repeat, folds, seed):
    """The outer folds of one repeat of the protocol.

    Parameters
    ----------
    y, groups : ndarray of int, (N,)
    name : str
        Data set, part of the seed.
    repeat, folds, seed : int

    Returns
    -------
    list of tuple of ndarray
        ``(train, validation, test)``. Those of repeat 0 are the study's own, if ``folds`` and
        ``seed`` are.
    """
    protocol = config.Protocol(folds=folds, repeats=repeat + 1, seed=seed)
    return splits(y, groups, None, name, protocol)[-folds:]


def shuffled(data, seed):
    """The data set with its labels dealt out anew: nothing is left to learn.

    Rows with identical features, which must not betray each other's label, get one label.

    Parameters
    ----------
    data : imbbench.bench.prepared.Prepared
    seed : int

    Returns
    -------
    imbbench.bench.prepared.Prepared
    """
    _, first, group = np.unique(data.groups, return_index=True, return_inverse=True)
    y = np.random.default_rng(seed).permutation(data.y[first])[group]
    return replace(data, y=y)


@lru_cache(maxsize=2)
def _counts(texts):
    vectorizer = CountVectorizer(tokenizer=tokens_of, token_pattern=None, ngram_range=(1, 2))
    return vectorizer.fit_transform(texts)


def _tfidf(texts, train):
    """What ``features.tfidf`` gives, thirty times faster: counting words learns nothing from them,
    so it is done once for all splits."""
    counts = _counts(tuple(texts))
    counts = counts[:, (counts[train] > 0).sum(axis=0).A1 >= 2]
    return TfidfTransformer(sublinear_tf=True).fit(counts[train]).transform(counts)


def coded(data, rows):
    """Numeric features of all rows, everything about them learnt from some.

    Parameters
    ----------
    data : imbbench.bench.prepared.Prepared
    rows : ndarray of int
        For the right way the training rows.

    Returns
    -------
    ndarray or sparse matrix of float64, (N, d)
        Imputed, scaled and one-hot coded; of texts TF-IDF.
    """
    if data.schema["text"]:
        return _tfidf(data.X, rows)
    values, nominal = matrix(data.X, data.schema["numeric"], data.schema["categorical"], rows)
    return one_hot(nominal).fit(values[rows]).transform(values) if nominal.any() else values


def resample(sampler, X, y, groups, seed):
    """A resampled data set, and a group for every row of it.

    Parameters
    ----------
    sampler : str
        Of ``SAMPLERS``.
    X : ndarray, (N, d)
    y, groups : ndarray of int, (N,)
    seed : int

    Returns
    -------
    X, y, groups : ndarray
        A row that was made, or copied, has a group of its own: the wrong way knows nothing of its
        origin.
    """
    found = SAMPLERS[sampler]()
    if "random_state" in found.get_params():
        found.set_params(random_state=seed)
    X_new, y_new = found.fit_resample(X, y)
    made = len(y_new) - len(y)
    if made < 0:
        return X_new, y_new, groups[found.sample_indices_]
    return X_new, y_new, np.append(groups, groups.max() + 1 + np.arange(made))


def _learner(name, seed, **settings):
    if name == "logreg":
        return LogReg(**settings)
    if name == "tree":
        return Tree(random_state=seed, **settings)
    # A row at distance zero outvotes all others.
    return KNeighborsClassifier(weights="distance", **settings)


def _learners(data):
    return ["logreg", "neighbours"] if data.schema["text"] else list(LOOKS)  # a tree is too slow


def _balanced_accuracy(y, probabilities):
    return label_metrics(y, probabilities.argmax(axis=1), 2)["balanced_accuracy"]


def _average_precision(y, probabilities):
    return average_precision_score(y, probabilities[:, 1])


# All metrics of `metrics.score_metrics` would take longer than most fits.
METRICS = {"balanced_accuracy": _balanced_accuracy, "average_precision": _average_precision}


def _trained(cuts):
    """Training and validation rows together: there is nothing to tune."""
    return [(np.sort(np.append(train, validation)), test) for train, validation, test in cuts]


def _part(X, y, train, test):
    return X[train], y[train], X[test], y[test]


def _estimate(learner, parts, metrics, seed):
    """Mean scores over parts ``(X_train, y_train, X_test, y_test)``."""
    found = []
    for X_train, y_train, X_test, y_test in parts:
        p = _learner(learner, seed).fit(X_train, y_train).predict_proba(X_test)
        found.append([METRICS[metric](y_test, p) for metric in metrics])
    return np.mean(found, axis=0)


def _pairs(variant, data, wrong, right, metrics, seed):
    rows = []
    for learner in _learners(data):
        scores = [_estimate(learner, parts, metrics, seed) for parts in (wrong, right)]
        rows += [(variant, learner, *found) for found in zip(metrics, *scores, strict=True)]
    return rows


def resampled_first(data, name, repeat, folds, seed):
    """Resampling all rows and then splitting, against resampling each training fold.

    The wrong way's test folds are resampled too. Rows must be coded before they can be resampled,
    so it scales first as well; :func:`preprocessed_first` says what that alone does.

    Parameters
    ----------
    data : imbbench.bench.prepared.Prepared
    name : str
    repeat, folds, seed : int

    Returns
    -------
    list of tuple
        ``FOUND``: names, and the estimates ``wrong`` and ``right``, means over the folds.
    """
    rows = []
    before = coded(data, np.arange(len(data.y)))
    cuts = _trained(folds_of(data.y, data.groups, name, repeat, folds, seed))
    inside = [coded(data, train) for train, _ in cuts]
    for sampler in SAMPLERS:
        this = seed_for(seed, name, repeat, sampler)
        X, y, groups = resample(sampler, before, data.y, data.groups, this)
        made = _trained(folds_of(y, groups, name, repeat, folds, seed))
        wrong = [_part(X, y, *cut) for cut in made]
        right = []
        for (train, test), values in zip(cuts, inside, strict=True):
            both = resample(sampler, values[train], data.y[train], data.groups[train], this)
            right.append((*both[:2], values[test], data.y[test]))
        metrics = ["balanced_accuracy", "average_precision"]
        rows += _pairs(sampler, data, wrong, right, metrics, this)
    return rows


def preprocessed_first(data, name, repeat, folds, seed):
    """Scaling or selecting features on all rows, against doing it on each training fold.

    The features are selected by their association with the label (F test; chi-squared for words).

    Parameters and result are those of :func:`resampled_first`.
    """
    this, every = seed_for(seed, name, repeat), np.arange(len(data.y))
    before, text = coded(data, every), bool(data.schema["text"])
    association = chi2 if text else f_classif
    count = SELECTED["text" if text else "tabular"]
    wrong, right, chosen = [], [], ([], [])
    for train, test in _trained(folds_of(data.y, data.groups, name, repeat, folds, seed)):
        values = coded(data, train)
        wrong.append(_part(before, data.y, train, test))
        right.append(_part(values, data.y, train, test))
        # Selection alone: both ways choose among features coded the right way.
        for rows, parts in zip((every, train), chosen, strict=True):
            with warnings.catch_warnings(), np.errstate(invalid="ignore"):
                # A constant feature has no F value and is not chosen, which is as it should be.
                warnings.simplefilter("ignore", UserWarning)
                kept = SelectKBest(association, k=count).fit(values[rows], data.y[rows])
            parts.append(_part(values[:, kept.get_support(indices=True)], data.y, train, test))
    scaling = "vocabulary" if text else "imputing and scaling"
    choosing = f"choosing {count} {'words' if text else 'features'}"
    return [
        *_pairs(scaling, data, wrong, right, ["average_precision"], this),
        *_pairs(choosing, data, *chosen, ["average_precision"], this),
    ]


def tuned_on_test(data, name, repeat, folds, seed):
    """Choosing on the test fold that is reported, against choosing on the validation part.

    Both ways choose among the same fitted models: a threshold for macro-F1, or the best of
    ``GRIDS`` by average precision. A tree is pure in its leaves and has no threshold to move.

    Parameters and result are those of :func:`resampled_first`.
    """
    this = seed_for(seed, name, repeat)
    found = []
    for train, validation, test in folds_of(data.y, data.groups, name, repeat, folds, seed):
        X, y = coded(data, train), data.y
        for learner in _learners(data):
            models = [
                _learner(learner, this, **settings).fit(X[train], y[train])
                for settings in GRIDS[learner]
            ]
            on_validation, on_test = (
                [_average_precision(y[rows], m.predict_proba(X[rows])) for m in models]
                for rows in (validation, test)
            )
            honest = on_test[int(np.argmax(on_validation))]
            tried = "hyper-parameters", learner, "average_precision"
            found.append((*tried, max(on_test), honest))
            if learner != "tree":
                model = _learner(learner, this).fit(X[train], y[train])
                p = model.predict_proba(X[test])
                offsets = [tune_offsets(model.predict_proba(X[part]), y[part])
                           for part in (test, validation)]  # fmt: skip
                pair = [label_metrics(y[test], decide(p, o), 2)["macro_f1"] for o in offsets]
                found.append(("threshold", learner, "macro_f1", *pair))
    means = pd.DataFrame(found, columns=FOUND).groupby(FOUND[:3], sort=False).mean()
    return list(means.reset_index().itertuples(index=False, name=None))


def twins_apart(data, name, repeat, folds, seed):
    """Dealing identical rows out one by one, against keeping them on one side.

    Parameters and result are those of :func:`resampled_first`.
    """
    this = seed_for(seed, name, repeat)
    parts = []
    for groups in (np.arange(len(data.y)), data.groups):
        parts.append([])
        for train, test in _trained(folds_of(data.y, groups, name, repeat, folds, seed)):
            parts[-1].append(_part(coded(data, train), data.y, train, test))
    return _pairs("identical rows", data, *parts, ["average_precision"], this)


MISTAKES = {
    "resampling before the split": resampled_first,
    "preprocessing before the split": preprocessed_first,
    "tuning on the test fold": tuned_on_test,
    "identical rows on both sides": twins_apart,
}
# The metric of the figure, where a mistake has several.
SHOWN = {"resampling before the split": "balanced_accuracy"}


def compare(plan, repeats, folds=5, seed=0, shuffle=False, jobs=-1):
    """Estimates of the wrong and of the right way.

    Parameters
    ----------
    plan : dict of str to list of str
        Names of ``MISTAKES`` and for each the data sets.
    repeats : int
        Ways to cut each data set into folds.
    folds, seed : int
    shuffle : bool
        Deal the labels out anew in every repeat: what then looks learnable has leaked.
    jobs : int
        Processes; -1 for one per core.

    Returns
    -------
    DataFrame
        ``mistake``, ``variant``, ``dataset``, ``learner``, ``metric``, ``repeat``, ``wrong``,
        ``right``.

    Raises
    ------
    StudyError
        For an unknown mistake, or a data set that is not prepared.
    """
    unknown = sorted(set(plan) - set(MISTAKES))
    if unknown:
        raise StudyError(f"unknown mistake '{unknown[0]}'; known: {', '.join(MISTAKES)}")
    data = {name: load(name) for names in plan.values() for name in names}
    call = joblib.delayed(_compare)
    tables = joblib.Parallel(jobs)(
        call(mistake, data[name], name, repeat, folds, seed, shuffle)
        for mistake, names in plan.items()
        for name in names
        for repeat in range(repeats)
    )
    groups = pd.concat(tables).groupby(["mistake", "variant"], sort=False)
    return pd.concat([part for _, part in groups], ignore_index=True)


def _compare(mistake, data, name, repeat, folds, seed, shuffle):
    if shuffle:
        data = shuffled(data, seed_for(seed, name, repeat, "shuffle"))
    rows = MISTAKES[mistake](data, name, repeat, folds, seed)
    table = pd.DataFrame(rows, columns=FOUND)
    table = table.assign(mistake=mistake, dataset=name, repeat=repeat)
    return table[[*KEY, "repeat", "wrong", "right"]]


def under_sampling_example(names, repeats, folds=5, seed=0, jobs=-1):
    """imbalanced-learn's example of the mistake, on other data and with many seeds.

    A quarter of the rows is left out. On the rest, gradient boosting is cross-validated on
    under-sampled rows (``before the split``), or with under-sampling inside each training fold;
    the models of the folds are then scored on the rows left out.

    Parameters
    ----------
    names : list of str
    repeats, folds, seed : int
    jobs : int
        Processes; -1 for one per core.

    Returns
    -------
    DataFrame
        ``dataset``, ``repeat``, ``way``, and balanced accuracy as it ``looks`` in cross-validation
        and as it ``is`` on the rows left out.
    """
    call, data = joblib.delayed(_under_sampling), {name: load(name) for name in names}
    rows = joblib.Parallel(jobs)(
        call(data[n], n, repeat, folds, seed) for n in names for repeat in range(repeats)
    )
    return pd.DataFrame([row for pair in rows for row in pair])


def _under_sampling(data, name, repeat, folds, seed):
    this = seed_for(seed, name, repeat, "under-sampling")
    train, left_out = _trained(folds_of(data.y, data.groups, name, repeat, 4, seed))[0]
    X = coded(data, train)
    sampler = "random under-sampling"
    kept = X[train], data.y[train], data.groups[train]
    ways = {"before the split": resample(sampler, *kept, this), "inside the fold": kept}
    rows = []
    for way, (values, y, groups) in ways.items():
        looks, really = [], []
        for fold, test in _trained(folds_of(y, groups, name, repeat, folds, seed)):
            fit = values[fold], y[fold], groups[fold]
            if way == "inside the fold":
                fit = resample(sampler, *fit, this)
            model = HistGradientBoosting(random_state=this).fit(*fit[:2])
            p, q = model.predict_proba(values[test]), model.predict_proba(X[left_out])
            looks.append(_balanced_accuracy(y[test], p))
            really.append(_balanced_accuracy(data.y[left_out], q))
        row = {"dataset": name, "repeat": repeat, "way": way}
        rows.append(row | {"looks": np.mean(looks), "is": np.mean(really)})
    return rows


def optimism(table):
    """Wrong estimate minus right estimate, with a 95 % interval over the repeats.

    The interval is about how the rows are dealt into folds; the rows stay the same.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compare`.

    Returns
    -------
    DataFrame
        The columns that name a comparison, ``repeats``, the means ``wrong``, ``right`` and
        ``optimism``, and ``low``, ``high``.
    """
    rows = []
    for key, part in table.groupby(KEY, sort=False):
        mean, low, high = t_interval(part["wrong"] - part["right"])
        row = dict(zip(KEY, key, strict=True)) | {"repeats": len(part)}
        row |= {"wrong": part["wrong"].mean(), "right": part["right"].mean()}
        rows.append(row | {"optimism": mean, "low": low, "high": high})
    return pd.DataFrame(rows)


def both_labels(summary, control):
    """Both summaries as one table, rounded to four digits.

    Parameters
    ----------
    summary, control : DataFrame
        Of :func:`optimism`, for the labels as they are and shuffled.

    Returns
    -------
    DataFrame
        Of :func:`optimism`, with ``labels``.
    """
    both = pd.concat([summary.assign(labels="real"), control.assign(labels="shuffled")])
    values = ["wrong", "right", "optimism", "low", "high"]
    both[values] = both[values].round(4) + 0.0
    return both


def estimates(summary, mistake):
    """Both estimates of one mistake, ``right → wrong``, a column per learner.

    Parameters
    ----------
    summary : DataFrame
        Of :func:`optimism`.
    mistake : str

    Returns
    -------
    DataFrame of str
    """
    part = summary[summary["mistake"] == mistake]
    part = part.assign(
        text=[f"{r:.3f} → {w:.3f}" for r, w in zip(part["right"], part["wrong"], strict=True)],
        metric=part["metric"].map(WORDS),
        learner="`" + part["learner"] + "`",
    )
    names = ["variant", "dataset", "metric"]
    wide = part.pivot(index=names, columns="learner", values="text")
    wide = wide[part["learner"].unique()].reset_index()
    order = part[names].drop_duplicates()
    return order.merge(wide, on=names).fillna("").rename(columns={"dataset": "data set"})


def twins(names):
    """How many rows have an identical one elsewhere.

    Parameters
    ----------
    names : list of str

    Returns
    -------
    DataFrame
        ``data set``, ``rows``, and the percentages of all and of the minority's rows with a twin.
    """
    rows = []
    for name in names:
        data = load(name)
        doubled = np.bincount(data.groups)[data.groups] > 1
        row = {"data set": name, "rows": len(data.y), "with a twin (%)": 100 * doubled.mean()}
        rows.append(row | {"of the minority (%)": 100 * doubled[data.y == 1].mean()})
    return pd.DataFrame(rows).round(1)


def example_table(table):
    """How far cross-validation was off, per data set and way, over the seeds.

    Parameters
    ----------
    table : DataFrame
        Of :func:`under_sampling_example`.

    Returns
    -------
    DataFrame
        ``dataset``, ``way``, means of ``looks`` and ``is``, their difference ``gap`` with ``low``
        and ``high`` (95 %), and its standard deviation ``spread`` over single runs.
    """
    rows = []
    for (dataset, way), part in table.groupby(["dataset", "way"], sort=False):
        gap = part["looks"] - part["is"]
        mean, low, high = t_interval(gap)
        row = {"dataset": dataset, "way": way, "looks": part["looks"].mean()}
        row |= {"is": part["is"].mean(), "gap": mean, "low": low, "high": high}
        rows.append(row | {"spread": gap.std()})
    return pd.DataFrame(rows)


def _shown(summary):
    """One metric per comparison: that of the figure."""
    wanted = summary["mistake"].map(SHOWN)
    return summary[wanted.isna() | (wanted == summary["metric"])]


def sentences(summary, mistake):
    """One sentence per variant of a mistake.

    Parameters
    ----------
    summary : DataFrame
        Of :func:`optimism`.
    mistake : str
    """
    shown = _shown(summary)
    lines = []
    for variant, part in shown[shown["mistake"] == mistake].groupby("variant", sort=False):
        top = part.loc[part["optimism"].idxmax()]
        below = int((part["high"] < 0).sum())
        lines.append(
            f"- **{variant}**: {part['optimism'].mean():+.3f} in {WORDS[top['metric']]} on "
            f"average. The interval lies above zero in {int((part['low'] > 0).sum())} of "
            f"{len(part)} comparisons{f' and below it in {below}' if below else ''}; the largest "
            f"is {with_interval(*top[['optimism', 'low', 'high']])}: {top['wrong']:.3f} instead of "
            f"{top['right']:.3f} (`{top['learner']}` on `{top['dataset']}`)."
        )
    return "\n".join(lines)


def prior_sentence(summary):
    """What resampled test folds do to a metric that depends on the class frequencies."""
    part = summary[summary["variant"] == "random under-sampling"]
    means = part.groupby("metric")[["right", "wrong"]].mean()
    precision, balanced = means.loc["average_precision"], means.loc["balanced_accuracy"]
    return (
        f"Average precision shows a second harm, without any leak: random under-sampling before "
        f"the split makes the test folds balanced as well, and raises it from "
        f"{precision['right']:.2f} to {precision['wrong']:.2f} on average, while balanced "
        f"accuracy, which does not depend on the class frequencies, goes from "
        f"{balanced['right']:.2f} to {balanced['wrong']:.2f}."
    )


def example_sentence(table, repeats):
    """What the library's example shows when it is run with many seeds.

    Parameters
    ----------
    table : DataFrame
        Of :func:`example_table`.
    repeats : int
    """
    looks, really = PUBLISHED["before the split"]
    right, ends = PUBLISHED["inside the fold"], ["gap", "low", "high"]
    lines = [
        f"The documentation has one run: before the split it looks {looks:.3f} and is {really:.3f} "
        f"({looks - really:+.3f}), inside the fold {right[0]:.3f} and {right[1]:.3f} "
        f"({right[0] - right[1]:+.3f}). Here, over {repeats} seeds:\n"
    ]
    for dataset, part in table.groupby("dataset", sort=False):
        part = part.set_index("way")
        before, inside = part.loc["before the split"], part.loc["inside the fold"]
        lines.append(
            f"- `{dataset}`: {with_interval(*before[ends])} before the split, "
            f"{with_interval(*inside[ends])} inside the fold; one run varies with standard "
            f"deviation {before['spread']:.3f}."
        )
    before = table[table["way"] == "before the split"]
    off = before.loc[before["low"] > 0, "dataset"]
    wide = int((before["spread"] > looks - really).sum())
    found = "on no data set" if off.empty else f"on {', '.join(f'`{name}`' for name in off)}"
    lines.append(
        f"\nRows that are left out at random tell nothing about those that stay: before the split, "
        f"the estimate is above the truth by more than chance {found}. The published difference is "
        f"smaller than the spread of one run on {wide} of {len(before)} data sets."
    )
    return "\n".join(lines)


def twins_sentence(summary, found):
    """Where identical rows matter.

    Parameters
    ----------
    summary : DataFrame
        Of :func:`optimism`.
    found : DataFrame
        Of :func:`twins`.
    """
    part = summary[summary["mistake"] == "identical rows on both sides"]
    share = found.set_index("data set")["of the minority (%)"]
    with_, without = (part[part["dataset"].map(share > 0) == has] for has in (True, False))
    text = [
        f"on the data sets {what} they add {rows['optimism'].mean():+.3f} on average (intervals "
        f"above zero: {int((rows['low'] > 0).sum())} of {len(rows)})"
        for what, rows in (
            ("whose minority has twins", with_),
            ("where only the majority has", without),
        )
        if len(rows)
    ]
    return f"Twins can only betray a label that they share: {'; '.join(text)}."


def control_sentence(summary):
    """What the two ways find in labels that mean nothing.

    Parameters
    ----------
    summary : DataFrame
        Of :func:`optimism` for shuffled labels.
    """
    part = summary[summary["metric"] == "balanced_accuracy"]
    top = part.loc[part["wrong"].idxmax()]
    shown = _shown(summary)
    above = shown[shown["low"] > 0]
    names = ", ".join(dict.fromkeys(above["variant"])) or "none"
    return (
        f"The true balanced accuracy is one half. The right way finds {part['right'].min():.3f} to "
        f"{part['right'].max():.3f}, the wrong way up to {top['wrong']:.3f} ({top['variant']}, "
        f"`{top['learner']}`). The interval lies above zero in {len(above)} of {len(shown)} "
        f"comparisons ({names})."
    )


def verdict(part):
    """``optimistic``, ``mixed`` or ``nil``, for comparisons of one variant.

    Parameters
    ----------
    part : DataFrame
        Of :func:`optimism`.

    Returns
    -------
    str
        By the number of intervals above zero less those below: nil where chance alone would give
        as many in more than one case of twenty, else optimistic where it is more than half.
    """
    above = int((part["low"] > 0).sum() - (part["high"] < 0).sum())
    if above < 1 or bdtrc(above - 1, len(part), 0.025) > 0.05:
        return "nil"
    return "optimistic" if above > len(part) / 2 else "mixed"


@mpl.rc_context(STYLE)
def plot(summary):
    """Optimism of every comparison, a dot with its interval per learner.

    Parameters
    ----------
    summary : DataFrame
        Of :func:`optimism`.
    """
    table = _shown(summary)
    table = table.assign(
        family=table["mistake"],
        label=table["variant"] + ", " + table["dataset"],
        mean=table["optimism"],
    )
    used = {name: look for name, look in LOOKS.items() if name in set(table["learner"])}
    return plots.effects(
        table,
        "optimism: estimate of the wrong way minus that of the right way\n(balanced accuracy for "
        "resampling, macro-F1 for the threshold, otherwise average precision)",
        series="learner", looks=used, names={name: name for name in used}, columns=1,
    )  # fmt: skip


def conclusion(summary, control):
    """What came out, in one list.

    Parameters
    ----------
    summary, control : DataFrame
        Of :func:`optimism`, for the labels as they are and shuffled.
    """
    shown = _shown(summary)
    lines = []
    for mistake, rows in shown.groupby("mistake", sort=False):
        words = [
            f"{variant} **{verdict(part)}** ({part['optimism'].mean():+.3f}, at most "
            f"{part['optimism'].max():+.3f})"
            for variant, part in rows.groupby("variant", sort=False)
        ]
        lines.append(f"- {mistake.capitalize()}: {'; '.join(words)}.")
    exact = shown[shown["wrong"].sub(shown["right"]).abs() < 5e-4]
    shuffled_part = control[control["metric"] == "balanced_accuracy"]
    return "\n".join(
        [
            *lines,
            f"- Of {len(shown)} comparisons {int((shown['low'] > 0).sum())} have an interval above "
            f"zero, {int((shown['high'] < 0).sum())} below it, and {len(exact)} do not differ in "
            f"the third digit; about {0.025 * len(shown):.0f} would lie above zero by chance.",
            f"- With shuffled labels the wrong way reaches a balanced accuracy of "
            f"{shuffled_part['wrong'].max():.2f} where nothing can be learnt; the right way stays "
            f"at {shuffled_part['right'].mean():.2f}.",
        ]
    )
