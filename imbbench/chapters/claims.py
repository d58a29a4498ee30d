"""Statements of articles and of larger studies, held against the study's cells, for notebook 12.

Every part of a claim is a difference of two strategies, or of a strategy and its control, per
origin, and says what the claim expects of it: that it is above zero, below zero, or none. A claim
is supported if all of its parts are, contradicted if one is, undecided otherwise.
"""

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from imbbench.analysis.answer import core
from imbbench.analysis.inference import ALPHA, MARGIN, POWER, by_origin, tested, with_minority
from imbbench.analysis.plots import INK, PALETTE, STYLE, new_figure, words
from imbbench.analysis.prose import code
from imbbench.analysis.statistics import LOWER, PLACE, both_rules, t_interval

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


@dataclass(frozen=True)
class Part:
    """One difference that a claim says something of.

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
    datasets: tuple = ()


@dataclass(frozen=True)
class Claim:
    """A statement, where it is made, how it is tried, and its parts."""

    name: str
    says: str
    how: str
    parts: tuple


OTHER = {"up": "down", "down": "up"}


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
    ),
    Claim(
        "A3",
        "At a factor of 2 both compensated samplings find less of the minority.",
        "minority recall at argmax against plain",
        (
            Part("downsample_upweight_2", "minority_recall", "down"),
            Part("upsample_downweight_2", "minority_recall", "down"),
        ),
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
    ),
    Claim(
        "A8",
        "Weighting does more than plain re-sampling.",
        "`inverse_frequency` against copies and against under-sampling to equal classes",
        (
            Part("inverse_frequency", "macro_f1", "up", minus="over_1_1", rule="tuned"),
            Part("inverse_frequency", "macro_f1", "up", minus="under_1_1", rule="tuned"),
        ),
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
        "E2",
        "Pre-classification in rounds beats random under-sampling of the same size.",
        "`iterative_preclassification` against a random part of as many rows",
        (
            Part(PRE, "macro_f1", "up", minus="random_same_size", rule="tuned"),
            Part(PRE, "average_precision", "up", minus="random_same_size"),
        ),
    ),
    Claim(
        "E4",
        "Changed texts add something to the minority that copies do not.",
        "`eda` against as many copies, texts",
        (
            Part("eda", "macro_f1", "up", minus="copies", rule="tuned", modality="text"),
            Part("eda", "average_precision", "up", minus="copies", modality="text"),
        ),
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
        "F5",
        "On long tails logit adjustment and decoupled training beat re-weighting.",
        "data of more than two classes, balanced accuracy at argmax, networks",
        tuple(
            Part(name, "balanced_accuracy", "up", minus="inverse_frequency", learners=NEURAL,
                 classes="many")
            for name in ("logit_adjusted", "logit_adjustment", "crt", "tau_normalisation")
        ),
    ),
]  # fmt: skip


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
    if part.datasets:
        rows = rows[rows["dataset"].isin(part.datasets)]
    if part.classes == "many":
        rows = rows[rows["classes"] > 2]
    ones = rows[(rows["label"] == part.strategy) & (rows["rule"] == part.rule)]
    others = rows[rows["label"] == part.minus]
    others = others[others["rule"] == (part.minus_rule or part.rule)]
    others = others[[*PLACE, part.metric]].drop_duplicates(PLACE)
    both = ones.merge(others, on=PLACE, suffixes=("", "_of_other"))
    both = both.assign(gap=both[part.metric] - both[f"{part.metric}_of_other"], label="")
    return by_origin(both, "gap").droplevel("label") if len(both) else pd.Series(dtype=float)


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
        it is on the other, or where two one-sided tests put the difference within ±.01. The same:
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


def evidence(runs):
    """Every part of every claim, with its difference and verdict.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.

    Returns
    -------
    DataFrame
        ``claim``, ``strategy``, ``minus``, ``metric``, ``rule``, ``learners``, ``expected``,
        ``origins``, ``mean``, ``low``, ``high``, ``verdict``, ``needed``. Over core data.
    """
    rows = both_rules(with_minority(core(runs)))
    found = []
    for claim in CLAIMS:
        for part in claim.parts:
            values = difference(rows, part).to_numpy()
            verdict, needed = judge(values, part.expected)
            rule = part.rule if part.metric in TUNABLE else ""
            if part.minus_rule:
                rule = f"{part.rule}, of the other {part.minus_rule}"
            mean, low, high = t_interval(values)
            found.append(
                {
                    "claim": claim.name,
                    "strategy": part.strategy,
                    "minus": part.minus,
                    "metric": SHORT[part.metric],
                    "rule": rule,
                    "learners": ", ".join(part.learners) or "all",
                    "expected": EXPECTED[part.expected],
                    "origins": len(values),
                    "mean": mean,
                    "low": low,
                    "high": high,
                    "verdict": verdict,
                    "needed": needed,
                }
            )
    return pd.DataFrame(found)


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
    """All claims in words with their verdicts, for reading."""
    told = {claim.name: claim for claim in CLAIMS}
    rows = []
    for row in judged.itertuples(index=False):
        verdict = f"**{row.verdict}**"
        if row.verdict == "contradicted" and row.supported:
            verdict = f"**contradicted** in {row.contradicted} of {row.parts} parts"
        needed = "" if np.isnan(row.needed) else f"{row.needed:.0f}"
        rows.append((row.claim, told[row.claim].says, article(row.claim), verdict, needed))
    names = ["", "claim", "made in", "verdict", "origins to decide"]
    table = pd.DataFrame(rows, columns=names)
    table.attrs["formatted"] = ["verdict"]
    return table


def of_claim(table, name):
    """The parts of one claim, for reading."""
    part = table[table["claim"] == name]
    found = pd.DataFrame({"strategy": part["strategy"].map(code), "minus": part["minus"].map(code)})
    found["metric"] = [
        f"{row.metric}{f', {row.rule}' if row.rule else ''}" for row in part.itertuples()
    ]
    for column in ("learners", "origins", "expected"):
        found[column] = part[column]
    found["found [95 %]"] = [
        "" if np.isnan(row.mean) else _interval(row) for row in part.itertuples()
    ]
    found["verdict"] = part["verdict"]
    return found


def _interval(row):
    if np.isnan(row.low):
        return f"{row.mean:+.3f}"
    return f"{row.mean:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"


def told(name):
    """A claim, where it is made, and how it is tried, as Markdown."""
    (claim,) = (claim for claim in CLAIMS if claim.name == name)
    return f"**{claim.name}. {claim.says}** ({article(name)})\n\nTried: {claim.how}."


def all_told(table):
    """Every claim with how it was tried and its parts, as Markdown."""
    from imbbench.analysis.prose import markdown

    return "\n\n".join(f"{told(c.name)}\n\n{markdown(of_claim(table, c.name))}" for c in CLAIMS)


def conclusion(judged):
    """How many claims are supported, contradicted, undecided, and which."""
    lines = []
    for kind in VERDICTS:
        names = list(judged.loc[judged["verdict"] == kind, "claim"])
        lines.append(f"- {kind}: {len(names)} of {len(judged)} ({', '.join(names) or 'none'})")
    return "\n".join(lines)


@mpl.rc_context(STYLE)
def plot(table):
    """The differences of all parts, by claim, with intervals and verdicts; None without any."""
    table = table[table["mean"].notna()].reset_index(drop=True)
    if table.empty:
        return None
    figure, ((ax,),) = new_figure(1.2 + 0.19 * len(table))
    ax.axvspan(-MARGIN, MARGIN, color="#ececec", zorder=0)
    ax.axvline(0, color="#606060", lw=0.9, zorder=1)
    limit = 1.1 * max(table["mean"].abs().max(), 5 * MARGIN)
    for kind, (colour, mark) in VERDICTS.items():
        part = table[table["verdict"] == kind]
        ends = part["low"].clip(-limit, limit), part["high"].clip(-limit, limit)
        ax.hlines(part.index, *ends, color=colour, lw=1.3)
        ax.plot(part["mean"], part.index, mark, color=colour, ms=4.5)
    names = [
        f"{row.claim}  {words(row.strategy)} − {words(row.minus)}, {row.metric}"
        + (", tuned" if row.rule == "tuned" else "")
        + (f" ({row.learners})" if row.learners.count(",") == 1 else "")
        for row in table.itertuples()
    ]
    ax.set_yticks(table.index, names)
    ax.set(ylim=(len(table) - 0.4, -0.6), xlim=(-limit, limit))
    for i in range(1, len(table)):
        if table.loc[i, "claim"] != table.loc[i - 1, "claim"]:
            ax.axhline(i - 0.5, color="#dddddd", lw=0.7)
    ax.set_xlabel("difference, mean over origins with its 95 % interval")
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.grid(axis="y", visible=False)
    handles = [
        Line2D([], [], color=colour, marker=mark, lw=1.3, ms=5, label=kind)
        for kind, (colour, mark) in VERDICTS.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure
