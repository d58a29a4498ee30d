"""Published numbers computed again: the Fraud detection handbook's chapter 6, for notebook 07."""

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
from imblearn.ensemble import BalancedBaggingClassifier, BalancedRandomForestClassifier
from imblearn.over_sampling import SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from matplotlib.lines import Line2D
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

from imbbench.analysis.plots import PALETTE, STYLE, new_figure

METRICS = {
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "balanced_accuracy": "balanced accuracy",
}
# Le Borgne, Siblini, Lebichot and Bontempi, Reproducible Machine Learning for Credit Card Fraud
# Detection: Practical Handbook, Université Libre de Bruxelles 2022, chapter 6, sections 2 to 4
# (illustrative example): ROC AUC, average precision, balanced accuracy.
PUBLISHED = {
    "tree": (0.906, 0.528, 0.786),
    "cost-sensitive tree": (0.887, 0.471, 0.898),
    "logistic regression": (0.937, 0.535, 0.641),
    "cost-sensitive logistic regression": (0.937, 0.536, 0.899),
    "tree, random over-sampling": (0.880, 0.456, 0.888),
    "tree, SMOTE": (0.913, 0.499, 0.910),
    "tree, random under-sampling": (0.913, 0.408, 0.896),
    "bagging": (0.943, 0.597, 0.748),
    "balanced bagging": (0.947, 0.586, 0.920),
    "random forest": (0.933, 0.593, 0.672),
    "balanced random forest": (0.946, 0.580, 0.916),
}
COST = 0.05 / 0.95  # weight of the majority: the ratio that was asked for, not the one obtained
# Readings of today.
BALANCED = "class_weight='balanced'"
TODAY = "today's defaults"
# Treated row and the plain one beside it.
PLAIN = {
    "cost-sensitive tree": "tree",
    "tree, random over-sampling": "tree",
    "tree, SMOTE": "tree",
    "tree, random under-sampling": "tree",
    "cost-sensitive logistic regression": "logistic regression",
    "balanced bagging": "bagging",
    "balanced random forest": "random forest",
}
# What the handbook says of its table: two rows, and the sign of their difference per metric.
STATEMENTS = {
    "weighting raises the tree's balanced accuracy": (
        "cost-sensitive tree", "tree", {"balanced_accuracy": 1}
    ),
    "weighting lowers the tree's ROC AUC and average precision": (
        "cost-sensitive tree", "tree", {"roc_auc": -1, "average_precision": -1}
    ),
    "weighting raises logistic regression's balanced accuracy": (
        "cost-sensitive logistic regression", "logistic regression", {"balanced_accuracy": 1}
    ),
    "SMOTE is better than random over-sampling in all three metrics": (
        "tree, SMOTE", "tree, random over-sampling", dict.fromkeys(METRICS, 1)
    ),
    "SMOTE's average precision stays below the plain tree's": (
        "tree, SMOTE", "tree", {"average_precision": -1}
    ),
    "under-sampling has a lower average precision than random over-sampling": (
        "tree, random under-sampling", "tree, random over-sampling", {"average_precision": -1}
    ),
    "bagging ranks better than one tree, and has a lower balanced accuracy": (
        "bagging", "tree", {"roc_auc": 1, "average_precision": 1, "balanced_accuracy": -1}
    ),
    "balancing raises bagging's balanced accuracy": (
        "balanced bagging", "bagging", {"balanced_accuracy": 1}
    ),
    "balancing raises the random forest's balanced accuracy": (
        "balanced random forest", "random forest", {"balanced_accuracy": 1}
    ),
}  # fmt: skip


def problem():
    """The handbook's two-dimensional toy: 5000 rows, one in twenty positive.

    Returns
    -------
    X : ndarray, (5000, 2)
    y : ndarray of int, (5000,)
    """
    return make_classification(
        n_samples=5000, n_features=2, n_informative=2, n_redundant=0, n_repeated=0, n_classes=2,
        n_clusters_per_class=1, weights=[0.95, 0.05], class_sep=0.5, random_state=0,
    )  # fmt: skip


def models(seed=0, trees=100):
    """The classifiers of the table, with the handbook's settings.

    Parameters
    ----------
    seed : int
    trees : int
        Per ensemble.

    Returns
    -------
    dict of str to estimator
        The keys of ``PUBLISHED``.
    """

    def tree(**settings):
        return DecisionTreeClassifier(max_depth=5, random_state=seed, **settings)

    ensemble = {"n_estimators": trees, "random_state": seed}
    cost = {0: COST, 1: 1.0}
    return {
        "tree": tree(),
        "cost-sensitive tree": tree(class_weight=cost),
        "logistic regression": LogisticRegression(C=1.0),
        "cost-sensitive logistic regression": LogisticRegression(C=1.0, class_weight=cost),
        "tree, random over-sampling": make_pipeline(RandomOverSampler(random_state=seed), tree()),
        "tree, SMOTE": make_pipeline(SMOTE(random_state=seed), tree()),
        "tree, random under-sampling": make_pipeline(RandomUnderSampler(random_state=seed), tree()),
        "bagging": BaggingClassifier(tree(), **ensemble),
        "balanced bagging": BalancedBaggingClassifier(tree(), **ensemble),
        "random forest": RandomForestClassifier(max_depth=5, **ensemble),
        # Written out, because imbalanced-learn has changed these three defaults since.
        "balanced random forest": BalancedRandomForestClassifier(
            max_depth=5, sampling_strategy=1.0, replacement=False, bootstrap=True, **ensemble
        ),
    }


def variants(trees=100):
    """Other readings of three rows: what a reader of today would type.

    Parameters
    ----------
    trees : int
        Per ensemble.

    Returns
    -------
    dict of (str, str) to estimator
        Row of the table and what is different.
    """
    return {
        ("cost-sensitive tree", BALANCED): DecisionTreeClassifier(
            max_depth=5, class_weight="balanced", random_state=0
        ),
        ("cost-sensitive logistic regression", BALANCED): LogisticRegression(
            C=1.0, class_weight="balanced"
        ),
        ("balanced random forest", TODAY): BalancedRandomForestClassifier(
            n_estimators=trees, max_depth=5, random_state=0
        ),
    }


def cross_validate(estimator, X, y, seed):
    """Five stratified folds, as the handbook makes and averages them.

    Parameters
    ----------
    estimator : classifier
    X : ndarray, (N, d)
    y : ndarray of int, (N,)
    seed : int
        Of the folds.

    Returns
    -------
    dict
        ``roc_auc``, ``average_precision``, ``balanced_accuracy``, of scores that were rounded to
        three digits fold by fold; and ``at_prior``, the balanced accuracy when what is at least as
        probable as the positive class is frequent in training is called positive.
    """
    scores = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(X, y):
        p = estimator.fit(X[train], y[train]).predict_proba(X[test])[:, 1]
        scores.append(
            [
                roc_auc_score(y[test], p),
                average_precision_score(y[test], p),
                balanced_accuracy_score(y[test], p > 0.5),
                balanced_accuracy_score(y[test], p >= y[train].mean()),
            ]
        )
    means = np.round(scores, 3).mean(axis=0)
    return dict(zip([*METRICS, "at_prior"], means, strict=True))


def replicate(seeds, trees=100, jobs=-1):
    """The table with seed 0, and with other seeds of the folds and the models.

    Parameters
    ----------
    seeds : int
        How many beside 0; the data stay.
    trees : int
        Per ensemble.
    jobs : int
        Processes; -1 for one per core.

    Returns
    -------
    DataFrame
        ``row``, ``variant`` (empty for the handbook's own settings), ``seed`` and the scores of
        :func:`cross_validate`.
    """
    X, y = problem()
    todo = [(row, "", seed, model) for seed in range(seeds + 1)
            for row, model in models(seed, trees).items()]  # fmt: skip
    todo += [(*names, 0, model) for names, model in variants(trees).items()]
    call = joblib.delayed(cross_validate)
    scores = joblib.Parallel(jobs)(call(model, X, y, seed) for *_, seed, model in todo)
    keys = pd.DataFrame([key for *key, _ in todo], columns=["row", "variant", "seed"])
    return keys.join(pd.DataFrame(scores))


def compare(runs):
    """Published and computed numbers, with the range over seeds.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`replicate`.

    Returns
    -------
    DataFrame
        ``row``, ``metric``, ``published``, ``ours`` (seed 0, three digits), ``difference``, and
        ``low``, ``high`` of the other seeds; of the whole row, whether it is ``reproduced``.
    """
    own = runs[runs["variant"] == ""]
    rows = []
    for row, numbers in PUBLISHED.items():
        part = own[own["row"] == row].set_index("seed")
        for metric, published in zip(METRICS, numbers, strict=True):
            ours, others = round(part.loc[0, metric], 3), part.loc[part.index > 0, metric]
            found = {"row": row, "metric": metric, "published": published, "ours": ours}
            found |= {"difference": round(ours - published, 3) + 0.0}
            rows.append(found | {"low": others.min().round(3), "high": others.max().round(3)})
    table = pd.DataFrame(rows)
    return table.assign(reproduced=table["row"].map(verdicts(table)))


def verdicts(table):
    """Whether each row is reproduced.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compare`.

    Returns
    -------
    dict of str to str
        ``to the last digit``, ``within the seeds`` if every published number lies in the range of
        the seeds, else ``not reproduced``.
    """
    inside = table["published"].between(table["low"], table["high"])
    found = {}
    for row, part in table.groupby("row", sort=False):
        if (part["difference"] == 0).all():
            found[row] = "to the last digit"
        else:
            found[row] = "within the seeds" if inside[part.index].all() else "not reproduced"
    return found


def shown(table):
    """The comparison in words: ``published / ours``, the range over seeds, and the verdict.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compare`.

    Returns
    -------
    DataFrame of str
    """
    text = table.assign(
        text=[
            f"{p:.3f} / {o:.3f} ({low:.3f} to {high:.3f})"
            for p, o, low, high in table[["published", "ours", "low", "high"]].to_numpy()
        ]
    )
    wide = text.pivot(index="row", columns="metric", values="text").loc[list(PUBLISHED)]
    wide = wide[list(METRICS)].rename(columns=METRICS)
    return wide.assign(reproduced=pd.Series(verdicts(table))).reset_index()


def details(runs):
    """The rows whose numbers depend on how they are read today.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`replicate`.

    Returns
    -------
    DataFrame
        ``row``, ``settings``, the three metrics, and ``largest difference`` to the published ones.
    """
    own = runs[(runs["seed"] == 0) & runs["row"].isin(runs.loc[runs["variant"] != "", "row"])]
    table = own[["row", "variant", *METRICS]].round(3).sort_values("row", kind="stable")
    published = np.array([PUBLISHED[row] for row in table["row"]])
    off = np.abs(table[list(METRICS)].to_numpy() - published).max(axis=1).round(3)
    table["largest difference"] = off
    settings = table["variant"].where(table["variant"] != "", "as the handbook")
    table = table.assign(variant=settings).rename(columns={"variant": "settings", **METRICS})
    return table.reset_index(drop=True)


def statements(runs):
    """How often what the handbook says of the table is so, over all seeds.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`replicate`.

    Returns
    -------
    DataFrame
        ``statement``, and the numbers ``holds`` and ``seeds``.
    """
    own = runs[runs["variant"] == ""].set_index(["row", "seed"])[list(METRICS)]
    rows = []
    for text, (row, other, signs) in STATEMENTS.items():
        difference = own.loc[row] - own.loc[other]
        holds = np.all([sign * difference[metric] > 0 for metric, sign in signs.items()], axis=0)
        rows.append({"statement": text, "holds": int(holds.sum()), "seeds": len(holds)})
    return pd.DataFrame(rows)


def moved_threshold(runs):
    """Balanced accuracy of each treatment, and of the plain model with its threshold moved.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`replicate`.

    Returns
    -------
    DataFrame
        ``treatment``; means over the seeds of balanced accuracy ``plain``, ``treated`` and
        ``plain, at the prior``; ``treated - moved`` with its range ``low``, ``high``. Three digits.
    """
    own = runs[runs["variant"] == ""].set_index(["row", "seed"])
    rows = []
    for row, other in PLAIN.items():
        treated, plain = own.loc[row, "balanced_accuracy"], own.loc[other]
        gap = treated - plain["at_prior"]
        found = {"treatment": row, "plain": plain["balanced_accuracy"].mean()}
        found |= {"treated": treated.mean(), "plain, at the prior": plain["at_prior"].mean()}
        found |= {"treated - moved": gap.mean(), "low": gap.min(), "high": gap.max()}
        rows.append(found)
    table = pd.DataFrame(rows).set_index("treatment")
    return (table.round(3) + 0.0).reset_index()  # adding 0 turns -0.0 into 0.0


def details_sentence(runs):
    """Why today's spelling of a row gives other numbers."""
    share = problem()[1].mean()
    off = details(runs).set_index(["row", "settings"])["largest difference"]
    forest = off["balanced random forest"]
    return (
        f"The handbook's weight of the majority, 0.05 / 0.95 = {COST:.4f}, is the ratio that was "
        f"asked for; one label in a hundred is drawn at random, so that {share:.1%} of the rows "
        f"are positive and `class_weight='balanced'` means {share / (1 - share):.4f}, which "
        f"changes a number by up to {off.xs(BALANCED, level=1).max():.3f}. imbalanced-learn has "
        f"since changed three defaults of its balanced random forest (`sampling_strategy`, "
        f"`replacement`, `bootstrap`): with the old ones the row is off by "
        f"{forest['as the handbook']:.3f}, with today's by {forest[TODAY]:.3f}."
    )


def threshold_sentence(table):
    """What is left of the treatments when the plain model may move its threshold.

    Parameters
    ----------
    table : DataFrame
        Of :func:`moved_threshold`.
    """
    gain = table["treated"] - table["plain"]
    ahead = table.loc[table["low"] > 0, "treatment"]
    behind = table.loc[table["high"] < 0, "treatment"]
    lists = [", ".join(names) or "none" for names in (ahead, behind)]
    return (
        f"Against the plain model at one half the treatments gain {gain.min():+.3f} to "
        f"{gain.max():+.3f} in balanced accuracy. Against the same plain model, called positive "
        f"from the share of positives on, {table['treated - moved'].min():+.3f} to "
        f"{table['treated - moved'].max():+.3f} is left. Ahead with every seed: {lists[0]}; behind "
        f"with every seed: {lists[1]}."
    )


@mpl.rc_context(STYLE)
def plot(table):
    """Published and computed numbers on the range over seeds, a panel per metric.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compare`.
    """
    figure, axes = new_figure(4.3, ncols=len(METRICS), sharey=True)
    places = np.arange(len(PUBLISHED))
    for ax, (metric, name) in zip(axes[0], METRICS.items(), strict=True):
        part = table[table["metric"] == metric].set_index("row").loc[list(PUBLISHED)]
        ax.hlines(places, part["low"], part["high"], color=PALETTE[6], lw=5, alpha=0.6)
        ax.plot(part["published"], places, "o", mfc="none", mec="black", ms=9, zorder=3)
        ax.plot(part["ours"], places, "D", color=PALETTE[3], ms=4, zorder=4)
        ax.set_xlabel(name)
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
    axes[0, 0].set_yticks(places, list(PUBLISHED))
    axes[0, 0].set_ylim(len(PUBLISHED) - 0.5, -0.5)
    handles = [
        Line2D([], [], color="black", marker="o", mfc="none", ms=9, ls="", label="published"),
        Line2D([], [], color=PALETTE[3], marker="D", ms=4, ls="", label="ours, seed 0"),
        Line2D([], [], color=PALETTE[6], lw=5, alpha=0.6, label="ours, range of the other seeds"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure


def conclusion(table, runs):
    """What came out, in one list.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compare`.
    runs : DataFrame
        Of :func:`replicate`.
    """
    found = pd.Series(verdicts(table))
    counts = found.value_counts()
    words = ", ".join(
        f"{counts.get(word, 0)} {word}"
        for word in ("to the last digit", "within the seeds", "not reproduced")
    )
    missed = ", ".join(found.index[found == "not reproduced"])
    width = (table["high"] - table["low"]).groupby(table["metric"]).median()
    outside = int((~table["published"].between(table["low"], table["high"])).sum())
    said = statements(runs)
    always = (said["holds"] == said["seeds"]).sum()
    weakest = said.loc[said["holds"].idxmin()]
    moved = moved_threshold(runs)
    kept = moved["treated - moved"].mean() / (moved["treated"] - moved["plain"]).mean()
    return (
        f"- Of {len(found)} rows are reproduced: {words}{f' ({missed})' if missed else ''}.\n"
        f"- Another seed for folds and models moves a number by much more than its third digit: "
        f"the median range over {runs['seed'].max()} seeds is "
        f"{', '.join(f'{width[m]:.3f} ({METRICS[m]})' for m in METRICS)}. "
        f"{outside} of {len(table)} published numbers lie outside the range of the other seeds.\n"
        f"- {always} of {len(said)} statements about the table hold with every seed; the least "
        f"certain, “{weakest['statement']}”, with {weakest['holds']} of {weakest['seeds']}.\n"
        f"- The table has no control with a moved threshold. With it, "
        f"{'none' if kept <= 0 else f'{kept:.0%}'} of the mean gain in balanced accuracy is left."
    )
