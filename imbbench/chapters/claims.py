"""Statements of articles and of larger studies, held against the study's cells and the tables of
its experiments, for notebook 12.

Every part of a claim is a difference per origin or data set and says what the claim expects of it:
that it is above zero, below zero, or none. A claim is supported if all of its parts are,
contradicted if one is, undecided otherwise.
"""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from scipy.stats import spearmanr

from imbbench.analysis.answer import core
from imbbench.analysis.inference import ALPHA, MARGIN, POWER, by_origin, tested, with_minority
from imbbench.analysis.plots import INK, PALETTE, STYLE, new_figure
from imbbench.analysis.prose import code, markdown, with_interval
from imbbench.analysis.recommend import MEASURES, read_measures
from imbbench.analysis.statistics import LOWER, PLACE, both_rules, t_interval
from imbbench.chapters.prior_shift import TREATED, at_share
from imbbench.paths import root

ARTICLES = {
    "A": "Petrov 2023, class imbalance in text classification",
    "B": "Seif 2018, imbalanced data in deep learning",
    "C": "Liu, must positives and negatives be 1:1?",
    "D": "an overview with SMOTE and NearMiss",
    "E": "imbalance in text classification: losses, sampling, augmentation, generation",
    "F1": "Elor & Averbuch-Elor 2022",
    "F2": "Abdelhamid & Desai 2024",
    "F3": "CLIMB 2025",
    "F4": "TILBench 2026",
    "F5": "Menon et al. 2021; Kang et al. 2020",
}
NEURAL = ("mlp", "minilm_head", "minilm_finetune", "cnn")
STRONG, WEAK = ("hgb", "xgboost"), ("logreg", "tree")
SHORT = {
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "average_precision": "average precision",
    "accuracy": "accuracy",
    "brier": "Brier score",
    "log_loss": "log loss",
    "ece": "ECE",
    "calibration_slope": "calibration slope",
    "minority_recall": "minority recall",
    "minority_precision": "minority precision",
    "minority_f1": "minority F1",
}
TUNABLE = {
    *("balanced_accuracy", "macro_f1", "accuracy"),
    *("minority_recall", "minority_precision", "minority_f1"),
}
EXPECTED = {"up": "above zero", "down": "below zero", "same": f"within ±{MARGIN}"}
VERDICTS = {
    "supported": (PALETTE[0], "^"),
    "contradicted": (PALETTE[3], "v"),
    "undecided": ("#949494", "o"),
}

SEEDS = "seeds of one corpus"  # another draw of the same texts: never enough for a verdict


@dataclass(frozen=True)
class Part:
    """One difference of two strategies in the study's cells that a claim says something of.

    Attributes
    ----------
    strategy, minus : str
        Labels; the second untreated, if it is not named.
    metric : str
    expected : {"up", "down", "same"}
        Of the metric itself: a lower Brier score is "down".
    rule : {"argmax", "tuned"}
        Of both; the tuned one is tuned for the metric.
    minus_rule : str, optional
        Of the second, where it is another one.
    learners : tuple of str
        Default all.
    modality : str
        Default all.
    classes : {"all", "many"}
        ``many``: data of more than two classes only.
    """

    strategy: str
    metric: str
    expected: str
    minus: str = "plain"
    rule: str = "argmax"
    minus_rule: str = ""
    learners: tuple = ()
    modality: str = ""
    classes: str = "all"


@dataclass(frozen=True)
class Measured:
    """One difference that is computed of a table in a way of its own.

    Attributes
    ----------
    strategy, minus, metric : str
        In words.
    expected : {"up", "down", "same"}
    table : str
        A name in :func:`read_tables`: ``rows``, or an experiment's.
    values : callable
        From that table to a Series of differences by unit.
    unit : str
        What the differences are a sample of; :data:`SEEDS` never decide.
    rule : str
        Of metrics of labels.
    """

    strategy: str
    minus: str
    metric: str
    expected: str
    table: str
    values: Callable
    unit: str = "data sets"
    rule: str = ""


@dataclass(frozen=True)
class Claim:
    """A statement, how it is tried, its parts, and the notebooks whose figures are behind it.

    ``note`` makes of :func:`read_tables` a sentence that is told beneath the parts.
    """

    name: str
    says: str
    how: str
    parts: tuple
    behind: tuple = ("04_study",)
    note: Callable | None = None


# What tells a fit of an experiment from its other fits.
FITS = [
    *("dataset", "task", "learner", "loss", "strategy", "arm", "dose", "size", "flipped", "noise"),
    *("minority", "ratio", "split", "seed"),
]


def contrast(table, metric, column, one, other, unit="dataset"):
    """Fits of ``one`` minus fits of ``other`` that are like it in all else, means by unit.

    Parameters
    ----------
    table : DataFrame
        Of an experiment.
    metric, column : str
    one, other
        Values of ``column``.
    unit : str

    Returns
    -------
    Series
    """
    keys = [name for name in FITS if name in table and name not in (column, metric)]
    wide = table.pivot_table(index=keys, columns=column, values=metric)
    wide = wide.reindex(columns=[one, other])
    return (wide[one] - wide[other]).dropna().groupby(level=unit).mean()


def _on_equal_classes(doses):
    return contrast(doses[doses["arm"] == "weight, equal classes"], "recall", "dose", 10, 1)


def _on_obvious_texts(arm):
    def values(runs):
        return contrast(runs, "log_odds", "arm", arm, "baseline", "seed")

    return values


EARLY = 0.2  # of the steps of a training


def _turned_to_minority(table):
    late = table[table["progress"] >= EARLY]
    return contrast(late, "minority", "loss", "focal, γ = 2", "cross-entropy")


def _majority_first(table):
    early = table[(table["loss"] == "cross-entropy") & (table["progress"] <= EARLY)]
    gap = early["sure_majority"] - early["sure_minority"]
    return gap.groupby(early["dataset"]).mean()


B3 = Part("inverse_frequency", "macro_f1", "up")


def _lost_again(rows):
    """Where inverse frequency is worse than plain on half of the splits, its gain on the others.

    So that what is worse by luck alone is not taken for a loss. By origin, over data sets and
    learners that are worse on either half.
    """
    gaps = _paired(rows, B3)
    halves = gaps.groupby(["origin", "dataset", "learner", gaps["split"] % 2])["gap"].mean()
    first, second = (halves[halves.index.get_level_values("split") == half] for half in (0, 1))
    first, second = (part.droplevel("split") for part in (first, second))
    again = [second[first[first < 0].index.intersection(second.index)],
             first[second[second < 0].index.intersection(first.index)]]  # fmt: skip
    return pd.concat(again).groupby("origin").mean()


def _where_it_loses(tables):
    rows = tables["rows"]
    again, gain = _lost_again(rows), difference(rows, B3).rename("gain")
    origin = rows.drop_duplicates("dataset").set_index("dataset")["origin"]
    measured = tables["measures"].set_index("dataset")[MEASURES].groupby(origin).mean()
    both = measured.join(gain, how="inner")
    said = []
    for name in MEASURES:
        if len(both) < 3 or both[name].nunique() == 1:
            continue
        found = spearmanr(both[name], both["gain"])
        text = {"minority": "rows of the smallest class"}.get(name, name)
        said.append(f"{text} {found.statistic:+.2f} (p = {found.pvalue:.2f})")
    where = ", ".join(map(code, again.index[again < 0])) or "none"
    return (
        f"Worse on one half of the splits and on the other: {where}. Rank correlation of the "
        f"difference with what {len(both)} origins are: {', '.join(said)}."
    )


def _lost_by_a_random_dose(arm, metric):
    def values(table):
        table = table[(table["arm"] != "weight") | (table["dose"] > 1)]  # one is no weight
        means = table.groupby(["dataset", "learner", "arm", "dose"])[metric].mean()
        places = means.groupby(["dataset", "learner", "arm"])
        lost = (places.max() - places.mean()).rename("lost").reset_index()
        return contrast(lost, "lost", "arm", arm, "weight")

    return values


def _drawn(table):
    """Balanced accuracy of the toy by ``unit`` (a seed), ``kind`` and ``ratio``."""
    table = table.rename(columns={"task": "kind", "seed": "unit"})
    return table.groupby(["unit", "kind", "ratio"])["balanced_accuracy"].mean()


def _overlapping(table):
    """The same of pairs of real classes: hard with the most noise on the features."""
    kind = table["noise"].map({table["noise"].min(): "easy", table["noise"].max(): "hard"})
    table = table.assign(kind=kind, unit=table["task"].str.split("/").str[0])
    keys = ["unit", "kind", "ratio", "task", "learner", "minority", "split"]
    return table.groupby(keys)["balanced_accuracy"].mean()


def _easy_at_a_ratio(scores):
    """Easy at the highest ratio minus hard at equal classes."""

    def values(table):
        found = scores(table)
        high, levels = found.index.unique("ratio").max(), ["kind", "ratio"]
        gap = found.xs(("easy", high), level=levels) - found.xs(("hard", 1), level=levels)
        return gap.dropna().groupby("unit").mean()

    return values


def _costs_more(scores):
    """What the highest ratio costs where it is hard, minus what it costs where it is easy."""

    def values(table):
        found = scores(table)
        high = found.index.unique("ratio").max()
        cost = found.xs(1, level="ratio") - found.xs(high, level="ratio")
        gap = cost.xs("hard", level="kind") - cost.xs("easy", level="kind")
        return gap.dropna().groupby("unit").mean()

    return values


def _two_tables(tables):
    rows = tables["cells"]
    rows = rows[(rows["label"] == "plain") & (rows["rule"] == "argmax")]
    said = []
    for name in ("kddcup_rootkit_back", "winequality_red_4"):
        part = rows[rows["dataset"] == name]
        measured = tables["measures"].set_index("dataset")
        if len(part) and name in measured.index:
            level = part.groupby("learner")["balanced_accuracy"].mean().mean()
            ratio = measured.loc[name, "ratio"]
            said.append(f"{code(name)}, 1:{ratio:.0f}, reaches {level:.3f}")
    if not said:
        return ""
    return f"Balanced accuracy of the untreated learners, a mean over them: {'; '.join(said)}."


def _collapsed(arm):
    def values(table):
        # Where most batches hold no row of the minority.
        return contrast(table[table["empty"] >= 0.5], "collapsed", "arm", "shuffled", arm)

    return values


def _chosen_here(other):
    """What a sampling ratio that is chosen for the very case gains over one chosen elsewhere.

    Parameters
    ----------
    other : {"task", "model", "metric"}
        Elsewhere: on the other data sets; with the other learners; for balanced accuracy.

    Returns
    -------
    callable
        Macro-F1 by data set. A ratio is chosen on one split and scored on the others, so that
        luck gains nothing.
    """

    def values(table):
        table = table[table["arm"].str.contains("sampling")]
        case = ["dataset", "learner", "arm", "split"]
        metrics = ["macro_f1", "balanced_accuracy"]
        # Beneath the best of its case: data sets with few ratios are no reason to prefer these.
        lost = table[metrics] - table.groupby(case)[metrics].transform("max")
        table = table[[*case, "dose"]].join(lost)
        found = []
        for (dataset, learner, arm, split), own in table.groupby(case):
            alike, chosen_on = table["arm"] == arm, table["split"] == split
            here, same = table["dataset"] == dataset, table["learner"] == learner
            rest = {"task": ~here, "model": here & ~same, "metric": here & same}[other]
            rest = table[alike & chosen_on & rest].groupby("dose")
            rest = rest["balanced_accuracy" if other == "metric" else "macro_f1"].mean()
            scored = table[alike & ~chosen_on & here & same].groupby("dose")["macro_f1"].mean()
            own = own.set_index("dose")["macro_f1"].filter(scored.index)
            rest = rest.reindex(own.index).dropna()
            if len(rest):
                found.append((dataset, scored[own.idxmax()] - scored[rest.idxmax()]))
        return pd.DataFrame(found, columns=["dataset", "gain"]).groupby("dataset")["gain"].mean()

    return values


def _gains_more_when_shifted(strategy):
    """Gain in macro-F1 on test data of equal shares, minus that on the test data as they are."""

    def values(rows):
        both = _paired(rows[rows["classes"] == 2], Part(strategy, "macro_f1", "up"),
                       ["recall_0", "recall_1"])  # fmt: skip
        ones, others = (
            at_share(both[f"recall_0{end}"], both[f"recall_1{end}"], 0.5)[1]
            for end in ("", "_of_other")
        )
        return _of_origins(both.assign(gap=ones - others - both["gap"]))

    return values


def _under_noise(loss, other):
    def values(table):
        most = table[table["flipped"] == table["flipped"].max()]
        return contrast(most, "average_precision", "loss", loss, other)

    return values


def _by_heart(one, other, metric="gap"):
    def values(table):
        table = table.assign(gap=lambda t: t["train"] - t["test"])
        return contrast(table, metric, "strategy", one, other)

    return values


def _on_texts(part):
    """The effect on texts minus that on other data.

    Returns
    -------
    callable
        By origin of the kind that there is less of; the differences are spread as Welch's standard
        error asks for, so that their interval is about the other kind's origins, too.
    """

    def values(rows):
        texts, others = (
            difference(rows[(rows["modality"] == "text") == of_text], part)
            for of_text in (True, False)
        )
        few, many = sorted((texts, others), key=len)
        gap = few - many.mean()
        error = few.var() / len(few) if len(few) > 1 else 0
        if error > 0:
            wider = np.sqrt(1 + many.var() / len(many) / error)
            gap = gap.mean() + wider * (gap - gap.mean())
        return gap if few is texts else -gap

    return values


def _saved_by_advice(metric):
    def values(table):
        table = table[table["metric"] == metric]
        return (table["average"] - table["recommended"]).groupby(table["origin"]).mean()

    return values


TOGETHER = ("04_study", "20_what_to_try")  # notebooks of the default and the wide study together


def _all(strategy, expected, metrics, **more):
    return tuple(
        Part(
            strategy, m, {"up": "down", "down": "up"}[expected] if m in LOWER else expected, **more
        )
        for m in metrics
    )


GOOD = ("macro_f1", "balanced_accuracy", "average_precision", "brier")
PRE = "iterative_preclassification"
CLAIMS = [
    Claim(
        "A1",
        "Starting the last layer's bias at the log of the class shares improves all metrics.",
        "`bias_init` against a bias of zero, networks",
        _all("bias_init", "up", GOOD, learners=NEURAL),
        ("04_study", "08_sms_spam"),
    ),
    Claim(
        "A2",
        "Weights that compensate a changed sample keep the probabilities true.",
        "Brier score of both compensated samplings at a factor of 2 against plain, and against "
        "under-sampling that is not compensated",
        (
            Part("downsample_upweight_2", "brier", "same"),
            Part("upsample_downweight_2", "brier", "same"),
            Part("downsample_upweight_2", "brier", "down", minus="under_1_1"),
        ),
        ("04_study", "08_sms_spam"),
    ),
    Claim(
        "A3",
        "At a factor of 2 both compensated samplings find less of the minority.",
        "minority recall at argmax against plain",
        (
            Part("downsample_upweight_2", "minority_recall", "down"),
            Part("upsample_downweight_2", "minority_recall", "down"),
        ),
        ("04_study", "08_sms_spam"),
    ),
    Claim(
        "A4",
        "Focal loss can beat the baseline on all metrics, but has to be tuned.",
        "γ and α chosen on validation parts against the best of as many plain fits; and against "
        "γ = 2 as it comes",
        (
            *_all("focal_tuned", "up", GOOD, minus="best_of_6", learners=NEURAL),
            Part("focal_tuned", "macro_f1", "up", minus="focal_gamma_2", learners=NEURAL),
        ),
        ("04_study", "08_sms_spam"),
    ),
    Claim(
        "A5",
        "Weights of inverse class frequency beat the baseline.",
        "`inverse_frequency` against plain, at argmax and with both cut-offs tuned",
        (
            Part("inverse_frequency", "macro_f1", "up"),
            Part("inverse_frequency", "macro_f1", "up", rule="tuned"),
            Part("inverse_frequency", "balanced_accuracy", "up", rule="tuned"),
        ),
        ("04_study", "08_sms_spam"),
    ),
    Claim(
        "A6",
        "A weight of 10 on the minority finds more of it and is less precise than inverse "
        "frequency; its F1 is lower.",
        "`minority_10` against `inverse_frequency`, two classes",
        (
            Part("minority_10", "minority_recall", "up", minus="inverse_frequency"),
            Part("minority_10", "minority_precision", "down", minus="inverse_frequency"),
            Part("minority_10", "minority_f1", "down", minus="inverse_frequency"),
        ),
        ("04_study", "08_sms_spam"),
    ),
    Claim(
        "A7",
        "Weighting a class helps its recall on balanced data, too.",
        "rows drawn to equal classes: a weight of 10 on the class against none",
        (Measured("weight 10", "weight 1", "recall", "up", "doses", _on_equal_classes,
                  rule="argmax"),),
        ("14_doses", "08_sms_spam"),
    ),
    Claim(
        "A8",
        "Weighting does more than plain re-sampling.",
        "`inverse_frequency` against copies and against under-sampling to equal classes",
        (
            Part("inverse_frequency", "macro_f1", "up", minus="over_1_1", rule="tuned"),
            Part("inverse_frequency", "macro_f1", "up", minus="under_1_1", rule="tuned"),
        ),
        ("04_study", "08_sms_spam"),
    ),
    Claim(
        "A9",
        "Weighted models are over-confident, down-sampling with weights is under-confident; on an "
        "obvious spam a started bias raises the confidence and focal loss lowers it.",
        "calibration slope (below one where probabilities are too extreme) against plain, two "
        "classes; log-odds of spam on four made-up messages, of networks trained on one corpus",
        (
            Part("inverse_frequency", "calibration_slope", "down"),
            Part("downsample_upweight_2", "calibration_slope", "up"),
            Measured("bias initialisation", "baseline", "log-odds of spam", "up",
                     "sms_spam_article", _on_obvious_texts("bias initialisation"), SEEDS),
            Measured("focal", "baseline", "log-odds of spam", "down",
                     "sms_spam_article", _on_obvious_texts("focal"), SEEDS),
        ),
        ("08_sms_spam",),
    ),
    Claim(
        "B1",
        "If only accuracy counts, balancing is not needed.",
        "accuracy at argmax of weights, copies, SMOTE and under-sampling against plain",
        tuple(
            Part(name, "accuracy", "down")
            for name in ("inverse_frequency", "over_1_1", "smote", "under_1_1")
        ),
    ),
    Claim(
        "B2",
        "Focal loss shifts effort to the minority, because the majority is learnt quickly.",
        f"the minority's share of the gradient after {EARLY:.0%} of the steps, focal loss against "
        "cross-entropy; how sure cross-entropy is of either class until then",
        (
            Measured("focal, γ = 2", "cross-entropy", "gradient's share of the minority", "up",
                     "gradients", _turned_to_minority),
            Measured("of the majority", "of the minority", "probability of the true class, early",
                     "up", "gradients", _majority_first),
        ),
        ("15_batches",),
    ),
    Claim(
        "B3",
        "Inverse frequency sometimes works badly.",
        "macro-F1 at argmax against plain, with the data sets and learners where it is worse on "
        "half of the splits, on the other half",
        (
            Measured("inverse_frequency, where worse", "plain", "macro-F1, other splits", "down",
                     "rows", _lost_again, "origins", "argmax"),
        ),
        note=_where_it_loses,
    ),
    Claim(
        "B4",
        "Re-sampling is a good alternative where weights are hard to set.",
        "what a dose at random loses to the best dose of its kind: ratios of 50:1 to 1:1 against "
        "weights of 2 to 30",
        tuple(
            Measured(f"ratios, {arm.removesuffix(' to')}", "weights",
                     f"{SHORT[metric]} lost", "down", "doses",
                     _lost_by_a_random_dose(arm, metric), rule="argmax")
            for arm in ("under-sampling to", "over-sampling to")
            for metric in ("macro_f1", "balanced_accuracy")
        ),
        ("14_doses",),
    ),
    Claim(
        "C1",
        "The ratio is a symptom, difficulty is the cause: an easy task is solved at a ratio of "
        "100, a hard one fails at a small one.",
        "balanced accuracy at argmax: an easy task at the highest ratio against a hard one at "
        "equal classes, and what the ratio costs either; on drawn data, and on pairs of real "
        "classes with and without noise on the features",
        tuple(
            Measured(*words, "balanced accuracy", "up", table, kind(scores), unit, "argmax")
            for table, scores, unit, high, hard, easy in (
                ("toy_figure", _drawn, "drawn data sets", "1:100", "hard", "easy"),
                ("difficulty", _overlapping, "data sets", "1:20", "noise", "no noise"),
            )
            for words, kind in (
                ((f"{easy} at {high}", f"{hard} at 1:1"), _easy_at_a_ratio),
                ((f"cost of {high}, {hard}", f"cost, {easy}"), _costs_more),
            )
        ),
        ("13_toy_figure", "19_difficulty"),
        _two_tables,
    ),
    Claim(
        "C2",
        "Training in small batches collapses to the majority when many batches hold no minority.",
        "trainings that never say minority, where most batches hold none of it: rows in random "
        "order against the same rows spread evenly, and against balanced batches",
        tuple(
            Measured("shuffled", arm, "share of collapsed trainings", "up", "batches",
                     _collapsed(arm))
            for arm in ("spread", "balanced")
        ),
        ("15_batches",),
    ),
    Claim(
        "C3",
        "There is no magic ratio: the best sampling ratio depends on task, model and metric.",
        "a ratio from 50:1 to 1:1 chosen for the very case on one split, against one chosen on "
        "the other data sets, with the other learners, for balanced accuracy; scored on the other "
        "split",
        tuple(
            Measured("ratio chosen here", f"chosen {where}", "macro-F1", "up",
                     "doses", _chosen_here(other), rule="argmax")
            for other, where in (
                ("task", "on other data"), ("model", "with other learners"),
                ("metric", "for balanced accuracy"),
            )
        ),
        ("14_doses",),
    ),
    Claim(
        "C4",
        "Treating the imbalance pays unless only accuracy counts.",
        "weights and SMOTE against plain: at argmax, and against plain with its cut-off tuned",
        (
            Part("inverse_frequency", "balanced_accuracy", "up"),
            Part("smote", "balanced_accuracy", "up"),
            Part("inverse_frequency", "balanced_accuracy", "up", minus_rule="tuned"),
            Part("smote", "balanced_accuracy", "up", minus_rule="tuned"),
        ),
    ),
    Claim(
        "C5",
        "Treatment matters most where training and test data differ in their class shares.",
        "gain over plain in macro-F1 at argmax, two classes: test data of equal shares against the "
        "test data as they are",
        tuple(
            Measured(f"{name}, equal shares", "as they are", "gain in macro-F1", "up",
                     "rows", _gains_more_when_shifted(name), "origins", "argmax")
            for name in TREATED
        ),
        ("16_prior_shift",),
    ),
    Claim(
        "D1",
        "Over-sampling and SMOTE find more of the minority; under-sampling leans less on the "
        "majority.",
        "minority recall at argmax, weak and strong learners",
        tuple(
            Part(name, "minority_recall", "up", learners=learners)
            for name in ("over_1_1", "smote", "under_1_1")
            for learners in (WEAK, STRONG)
        ),
    ),
    Claim(
        "E1",
        "Cross-entropy suppresses nothing, focal loss easy rows, GHM easy and very hard ones.",
        "what each does to a row's gradient is drawn in the first notebook; here average precision "
        "with the most wrong labels that were tried, where GHM should win",
        tuple(
            Measured("GHM, 10 bins", other, "average precision, wrong labels", "up",
                     "noise", _under_noise("GHM, 10 bins", other))
            for other in ("cross-entropy", "focal, γ = 2")
        ),
        ("05_losses_explained", "17_noise_and_gaps"),
    ),
    Claim(
        "E2",
        "Pre-classification in rounds beats random under-sampling of the same size.",
        "`iterative_preclassification` against a random part of as many rows",
        (
            Part(PRE, "macro_f1", "up", minus="random_same_size", rule="tuned"),
            Part(PRE, "average_precision", "up", minus="random_same_size"),
        ),
    ),
    Claim(
        "E3",
        "Random over-sampling may over-fit severely.",
        "average precision on training minus test rows, against plain, SMOTE and, of texts, "
        "changed ones; and on test rows against plain",
        (
            Measured("copies", "plain", "average precision, train − test", "up",
                     "gaps", _by_heart("copies", "plain")),
            Measured("copies", "SMOTE", "average precision, train − test", "up",
                     "gaps", _by_heart("copies", "SMOTE")),
            Measured("copies of texts", "changed texts", "average precision, train − test", "up",
                     "gaps", _by_heart("copies of texts", "augmented texts")),
            Measured("copies", "plain", "average precision, test", "down",
                     "gaps", _by_heart("copies", "plain", "test")),
        ),
        ("17_noise_and_gaps",),
    ),
    Claim(
        "E4",
        "Changed texts add something to the minority that copies do not.",
        "`eda` against as many copies, texts",
        (
            Part("eda", "macro_f1", "up", minus="copies", rule="tuned", modality="text"),
            Part("eda", "average_precision", "up", minus="copies", modality="text"),
        ),
        ("04_study", "09_generated_text"),
    ),
    Claim(
        "E5",
        "Moving the cut-off from .5 to .3 shifts the balance between finding and precision.",
        "`threshold_0_3` against plain",
        (
            Part("threshold_0_3", "minority_recall", "up"),
            Part("threshold_0_3", "minority_precision", "down"),
        ),
    ),
    Claim(
        "E6",
        "Semi- and self-supervised learning help where labels are imbalanced.",
        "pseudo-labels against the labelled part alone, pre-training without labels against as "
        "many steps more",
        (
            Part("pseudo_labels_5", "average_precision", "up", minus="labelled_only"),
            Part("self_supervised", "average_precision", "up", minus="extra_steps"),
        ),
    ),
    Claim(
        "E7",
        "What holds of texts carries over to other data.",
        "the effect of the strategies above on texts minus their effect on other core data",
        tuple(
            Measured(f"{part.strategy} on texts", "on other data", SHORT[part.metric], "same",
                     "rows", _on_texts(part), "origins",
                     part.rule if part.metric in TUNABLE else "")
            for part in (
                Part("inverse_frequency", "macro_f1", "same"),
                Part("over_1_1", "minority_recall", "same"),
                Part("focal_tuned", "average_precision", "same", minus="best_of_6"),
                Part(PRE, "macro_f1", "same", minus="random_same_size", rule="tuned"),
                Part("threshold_0_3", "minority_recall", "same"),
                Part("pseudo_labels_5", "average_precision", "same", minus="labelled_only"),
            )
        ),
    ),
    Claim(
        "F1",
        "With strong learners and a tuned cut-off balancing does not help; weak ones it helps.",
        "weights, copies and SMOTE: boosted trees with both cut-offs tuned; a linear model and a "
        "tree at argmax",
        (
            *(
                Part(name, "balanced_accuracy", "same", rule="tuned", learners=STRONG)
                for name in ("inverse_frequency", "over_1_1", "smote")
            ),
            *(
                Part(name, "balanced_accuracy", "up", learners=WEAK)
                for name in ("inverse_frequency", "over_1_1", "smote")
            ),
        ),
    ),
    Claim(
        "F2",
        "Moving the cut-off is the most consistent of cut-off, weights and SMOTE; SMOTE costs "
        "calibration.",
        "plain with its cut-off tuned against weights and SMOTE as they come; Brier score of SMOTE",
        (
            Part("plain", "balanced_accuracy", "up", minus="inverse_frequency", rule="tuned",
                 minus_rule="argmax"),
            Part("plain", "balanced_accuracy", "up", minus="smote", rule="tuned",
                 minus_rule="argmax"),
            Part("smote", "brier", "up"),
        ),
    ),
    Claim(
        "F3",
        "Ensembles for imbalance, self-paced first, are the best family in average precision.",
        "against plain ensembles of the same size",
        (
            Part("self_paced", "average_precision", "up", minus="extra_trees"),
            Part("under_bagging", "average_precision", "up", minus="bagging"),
            Part("balanced_random_forest", "average_precision", "up", minus="random_forest"),
            Part("easy_ensemble", "average_precision", "up", minus="boosting"),
        ),
    ),
    Claim(
        "F4",
        "No strategy is best everywhere; it depends on size and features.",
        "what is saved by choosing for the data set, from others that it resembles, in place of "
        "the strategy that is best on average; either chosen without the origin's own results",
        tuple(
            Measured("best on average", "recommended", f"{SHORT[metric]} lost", "up",
                     "regrets", _saved_by_advice(metric), "origins")
            for metric in ("balanced_accuracy", "macro_f1", "average_precision")
        ),
        ("20_what_to_try",),
    ),
    Claim(
        "F5",
        "On long tails logit adjustment and decoupled training beat re-weighting.",
        "core data of more than two classes, tested on the class shares of training, balanced "
        "accuracy at argmax, networks",
        tuple(
            Part(name, "balanced_accuracy", "up", minus="inverse_frequency", learners=NEURAL,
                 classes="many")
            for name in ("logit_adjusted", "logit_adjustment", "crt", "tau_normalisation")
        ),
    ),
]  # fmt: skip
# The experiments' tables that claims are judged by.
TABLES = sorted(
    {part.table for claim in CLAIMS for part in claim.parts if isinstance(part, Measured)}
    - {"rows"}
)


def difference(rows, part):
    """A part's difference per origin.

    Parameters
    ----------
    rows : DataFrame
        Of :func:`imbbench.analysis.statistics.both_rules`, with the columns that
        :func:`imbbench.analysis.inference.described` and ``with_minority`` add.
    part : Part

    Returns
    -------
    Series
        By origin: the strategy minus the other, means over splits, learners and data sets.
    """
    if part.learners:
        rows = rows[rows["learner"].isin(part.learners)]
    if part.modality:
        rows = rows[rows["modality"] == part.modality]
    if part.classes == "many":
        rows = rows[rows["classes"] > 2]
    return _of_origins(_paired(rows, part))


def _paired(rows, part, more=()):
    """Rows of a part's strategy with ``gap`` to the other and its columns ``…_of_other``."""
    ones = rows[(rows["label"] == part.strategy) & (rows["rule"] == part.rule)]
    others = rows[rows["label"] == part.minus]
    others = others[others["rule"] == (part.minus_rule or part.rule)]
    others = others[[*PLACE, part.metric, *more]].drop_duplicates(PLACE)
    both = ones.merge(others, on=PLACE, suffixes=("", "_of_other"))
    return both.assign(gap=both[part.metric] - both[f"{part.metric}_of_other"], label="")


def _of_origins(both):
    return by_origin(both, "gap").droplevel("label") if len(both) else pd.Series(dtype=float)


def place(name):
    """Where a table is: of the default and the wide study together, or of an experiment."""
    return f"results/{'wide/' if name == 'regrets' else ''}tables/{name}.csv"


def read_tables(runs):
    """What claims are judged by.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.

    Returns
    -------
    dict of str to DataFrame
        ``cells``: ``runs``; ``rows``: those of core data, of
        :func:`imbbench.analysis.statistics.both_rules`; ``measures``; and those of
        :data:`TABLES` that there are: what was not run is not seen.
    """
    paths = {name: root() / place(name) for name in TABLES}
    found = {name: pd.read_csv(path) for name, path in paths.items() if path.is_file()}
    rows = both_rules(with_minority(core(runs)))
    measures = read_measures().drop_duplicates("dataset")
    return found | {"cells": runs, "rows": rows, "measures": measures}


def judge(values, expected):
    """Whether a sample of differences is what was expected, and how many origins would decide it.

    Parameters
    ----------
    values : array-like, (n,)
    expected : {"up", "down", "same"}

    Returns
    -------
    verdict : {"supported", "contradicted", "undecided"}
        Above or below zero: supported where the 95 % interval is on that side, contradicted where
        it is on the other, or where two one-sided tests, which are made from six values on, put
        the difference within ±.01. The same:
        supported where these do, contradicted where the interval is beyond ±.01.
    needed : float
        Origins with which a difference of .01 is found with a power of .8; NaN below three.
    """
    found = tested(values)
    if len(values) < 3:
        return "undecided", np.nan
    same = found.p_equivalent < ALPHA
    sign = {"up": 1, "down": -1, "same": 0}[expected]
    if sign == 0:
        beyond = found.low > MARGIN or found.high < -MARGIN
        verdict = "supported" if same else "contradicted" if beyond else "undecided"
    else:
        low, high = (found.low, found.high) if sign > 0 else (-found.high, -found.low)
        wrong = high < 0 or (same and not low > 0)
        verdict = "supported" if low > 0 else "contradicted" if wrong else "undecided"
    return verdict, _needed(np.std(values, ddof=1))


def _needed(spread):
    from statsmodels.stats.power import TTestPower

    if not spread > 0:
        return 3.0
    if spread < MARGIN / 3:  # the library finds no solution for less than three
        return 3.0
    size = TTestPower().solve_power(effect_size=MARGIN / spread, alpha=ALPHA, power=POWER)
    return float(np.ceil(max(size, 3)))


def evidence(tables, claims=CLAIMS):
    """Every part of every claim, with its difference and verdict.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Of :func:`read_tables`.
    claims : list of Claim

    Returns
    -------
    DataFrame
        ``claim``, ``strategy``, ``minus``, ``metric``, ``rule``, ``learners``, ``expected``,
        ``origins``, ``mean``, ``low``, ``high``, ``verdict``, ``needed``, ``unit``: what
        ``origins`` is a number of. Of cells over core data.
    """
    found = []
    for claim in claims:
        for part in claim.parts:
            names, values = _looked_at(part, tables)
            verdict, needed = judge(values, part.expected)
            if names["unit"] == SEEDS:
                verdict, needed = "undecided", np.nan
            mean, low, high = t_interval(values)
            found.append(
                {
                    "claim": claim.name,
                    "strategy": part.strategy,
                    "minus": part.minus,
                    "metric": names["metric"],
                    "rule": names["rule"],
                    "learners": names["learners"],
                    "expected": EXPECTED[part.expected],
                    "origins": len(values),
                    "mean": mean,
                    "low": low,
                    "high": high,
                    "verdict": verdict,
                    "needed": needed,
                    "unit": names["unit"],
                }
            )
    return pd.DataFrame(found)


def _looked_at(part, tables):
    if isinstance(part, Measured):
        names = {"metric": part.metric, "rule": part.rule, "learners": "", "unit": part.unit}
        values = part.values(tables[part.table]) if part.table in tables else pd.Series()
        return names, values.dropna().to_numpy(float)
    rule = part.rule if part.metric in TUNABLE else ""
    if part.minus_rule:
        rule = f"{part.rule}, of the other {part.minus_rule}"
    there = set(tables["rows"]["learner"])
    learners = "all"
    if part.learners:  # only those that there are
        learners = ", ".join(name for name in part.learners if name in there) or "none"
    names = {"metric": SHORT[part.metric], "rule": rule, "learners": learners, "unit": "origins"}
    return names, difference(tables["rows"], part).to_numpy()


def verdicts(table):
    """The verdict on every claim, from those on its parts.

    Returns
    -------
    DataFrame
        ``claim``, ``verdict``, ``parts``, ``supported``, ``contradicted``, ``undecided``,
        ``needed``: origins that would decide the part that needs most of them.
    """
    found = []
    for claim, part in table.groupby("claim", sort=False):
        counts = {kind: int((part["verdict"] == kind).sum()) for kind in VERDICTS}
        verdict = "undecided"
        if counts["contradicted"]:
            verdict = "contradicted"
        elif counts["supported"] == len(part):
            verdict = "supported"
        needed = part.loc[part["verdict"] == "undecided", "needed"].max()
        found.append({"claim": claim, "verdict": verdict, "parts": len(part)} | counts
                     | {"needed": needed})  # fmt: skip
    return pd.DataFrame(found)


def article(name):
    """Where a claim is made."""
    return ARTICLES.get(name) or ARTICLES[name[0]]


def ledger(judged):
    """All claims in words with their verdicts and where they are looked at, for reading."""
    told = {claim.name: claim for claim in CLAIMS}
    rows = []
    for row in judged.itertuples(index=False):
        claim, verdict = told[row.claim], f"**{row.verdict}**"
        if 0 < row.contradicted < row.parts:
            verdict = f"**contradicted** in {row.contradicted} of {row.parts} parts"
        open_ = row.verdict == "undecided" and not np.isnan(row.needed)
        needed = f"{row.needed:.0f}" if open_ else ""
        rows.append((row.claim, claim.says, article(row.claim), verdict, needed, links(claim)))
    names = ["", "claim", "made in", "verdict", "origins or data sets to decide", "figures"]
    table = pd.DataFrame(rows, columns=names)
    table.attrs["formatted"] = ["verdict", "figures"]
    return table


def links(claim):
    """The notebooks whose figures are behind a claim, as Markdown.

    From the page of the default and the wide study together: the experiments' lie elsewhere.
    """
    folders = {name: "" if name in TOGETHER else "../../rendered/" for name in claim.behind}
    return ", ".join(f"[{name[:2]}]({folder}{name}.ipynb)" for name, folder in folders.items())


def of_claim(table, name):
    """The parts of one claim, for reading."""
    part = table[table["claim"] == name]
    named = part["learners"] != ""  # what an experiment compares is told in words
    both = {name: part[name].map(code).where(named, part[name]) for name in ("strategy", "minus")}
    found = pd.DataFrame(both)
    found["metric"] = [
        f"{row.metric}{f', {row.rule}' if row.rule else ''}" for row in part.itertuples()
    ]
    if named.any():
        found["learners"] = part["learners"]
    found["over"] = [
        f"{row.origins} {row.unit.removesuffix('s') if row.origins == 1 else row.unit}"
        for row in part.itertuples()
    ]
    found["expected"] = part["expected"]
    found["found [95 %]"] = [
        "" if np.isnan(row.mean) else with_interval(row.mean, row.low, row.high)
        for row in part.itertuples()
    ]
    found["verdict"] = part["verdict"]
    return found


def told(claim):
    """A claim, where it is made, how it is tried, and where it is looked at, as Markdown."""
    return (
        f"**{claim.name}. {claim.says}** ({article(claim.name)})\n\n"
        f"Tried: {claim.how}. Figures: notebook {links(claim)}."
    )


def all_told(table, tables):
    """Every claim with how it was tried and its parts, as Markdown.

    Parameters
    ----------
    table : DataFrame
        Of :func:`evidence`.
    tables : dict of str to DataFrame
        Of :func:`read_tables`.
    """
    found = []
    for claim in CLAIMS:
        found += [told(claim), markdown(of_claim(table, claim.name))]
        found += [claim.note(tables)] if claim.note else []
    return "\n\n".join(found)


def conclusion(judged):
    """How many claims are supported, contradicted, undecided, and which."""
    lines = []
    for kind in VERDICTS:
        names = list(judged.loc[judged["verdict"] == kind, "claim"])
        lines.append(f"- {kind}: {len(names)} of {len(judged)} ({', '.join(names) or 'none'})")
    return "\n".join(lines)


LINE, STEP = 0.15, 0.11  # inches: of a line of text, between two parts


@mpl.rc_context(STYLE)
def plot(table):
    """Every part's difference with its interval and verdict, by claim; None without any.

    Differences are turned so that the claim expects them on the right; where it expects none,
    within the grey band, and they are as they come.
    """
    table = table[table["mean"].notna()]
    if table.empty:
        return None
    said = {claim.name: textwrap.wrap(claim.says, 62, break_on_hyphens=False) for claim in CLAIMS}
    parts = table.groupby("claim", sort=False).size()
    heights = [max(LINE * len(said[name]), STEP * n) + 0.1 for name, n in parts.items()]
    ends = np.cumsum([0, *heights])
    figure, ((ax,),) = new_figure(0.9 + ends[-1])
    ax.axvspan(-MARGIN, MARGIN, color="#ececec", zorder=0)
    ax.axvline(0, color="#606060", lw=0.9, zorder=1)
    centres = (ends[:-1] + ends[1:]) / 2
    for centre, (name, n) in zip(centres, parts.items(), strict=True):
        places = centre + STEP * (np.arange(n) - (n - 1) / 2)
        for y, row in zip(places, table[table["claim"] == name].itertuples(), strict=True):
            colour, mark = VERDICTS[row.verdict]
            sign = -1 if row.expected == EXPECTED["down"] else 1
            ax.plot([sign * row.low, sign * row.high], [y, y], color=colour, lw=1.2)
            fill = "white" if row.expected == EXPECTED["same"] else colour
            ax.plot(sign * row.mean, y, mark, color=colour, mfc=fill, ms=4)
    ax.hlines(ends[1:-1], 0, 1, transform=ax.get_yaxis_transform(), color="#dddddd", lw=0.7)
    lines = ["\n".join(said[name]).replace("$", r"\$") for name in parts.index]
    ax.set_yticks(centres, [f"{name}  {text}" for name, text in zip(parts.index, lines,
                                                                     strict=True)])  # fmt: skip
    ax.tick_params(axis="y", length=0, labelcolor=INK, labelsize=7)
    ax.set_xscale("symlog", linthresh=5 * MARGIN, linscale=1.0)
    limit = 1.2 * max(table["mean"].abs().max(), 0.5)
    ticks = [t for t in (0.05, 0.2, 1, 5) if t < limit]
    ticks = [*(-t for t in reversed(ticks)), 0, *ticks]
    ax.set_xticks(ticks, [f"{t:+g}" if t else "0" for t in ticks])
    ax.minorticks_off()
    ax.set(ylim=(ends[-1], 0), xlim=(-limit, limit))
    ax.set_xlabel("difference as the claim expects it, with its 95 % interval")
    ax.grid(axis="y", visible=False)
    handles = [
        Line2D([], [], color=colour, marker=mark, lw=1.2, ms=4, label=kind)
        for kind, (colour, mark) in VERDICTS.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure
