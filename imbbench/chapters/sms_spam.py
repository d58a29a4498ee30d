"""The source article's experiment on SMS spam, for notebook 08.

Petrov, "Class imbalance in text classification" (2023), trains a classifier of ham and spam with
one treatment of the imbalance after the other. Here each treatment is a strategy of the study, on
the learner ``minilm_finetune`` with the study's settings, with many seeds in place of one run. A
seed cuts the data and starts the network, the same for all arms. Nothing is tuned, labels are the
more probable class, and the test part is used once.
"""

import io
import json
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
from imblearn.under_sampling import RandomUnderSampler
from matplotlib.lines import Line2D
from scipy.special import stdtrit

from imbbench import config
from imbbench.analysis.plots import PALETTE, STYLE, new_figure
from imbbench.analysis.prose import with_interval
from imbbench.analysis.statistics import t_interval
from imbbench.bench import metrics
from imbbench.bench.cell import Cell, Task
from imbbench.bench.code import code_hash
from imbbench.bench.counts import sizes_down
from imbbench.bench.encoder import tokenize
from imbbench.bench.prepared import content_of, load_prepared
from imbbench.bench.protocol import seed_for
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.bench.rows import DIGITS, curve_table
from imbbench.config import setting_text
from imbbench.errors import StudyError
from imbbench.files import recall, remember
from imbbench.paths import cache_file, root

LEARNER = "minilm_finetune"
CLASSES = ["ham", "spam"]
WEIGHTS = (0.576, 3.784)  # the article's inverse frequencies
# Not the article's: a last layer of zeros, to tell the bias from the zero weights beneath it.
ZERO = "zero start"
ARMS = {
    "baseline": ("reference", "plain", {}),
    "bias initialisation": ("prior", "bias_init", {}),
    ZERO: ("prior", "zero_init", {}),
    "down-sampling + up-weighting": ("undersampling", "by 2", {"downsample_upweight": 2}),
    "up-sampling + down-weighting": ("oversampling", "by 2", {"upsample_downweight": 2}),
    "focal": ("loss", "focal", {"loss": "FocalLoss", "gamma": 2.0}),
    "inverse frequency": ("weighting", "inverse_frequency", {}),
    "spam weight 10": ("weighting", "table", {"table": {"ham": WEIGHTS[0], "spam": 10}}),
    "down-sampling": ("undersampling", "to 1:1", {"random": 1}),
    "up-sampling": ("oversampling", "to 1:1", {"random": 1}),
    "balanced, spam weight 10": ("weighting", "table", {"table": {"ham": 1, "spam": 10}}),
}
BALANCED = ["balanced, spam weight 10"]  # trained on the rows that `down-sampling` keeps
# Of 4827 ham and 747 spam the article's test part had so many; other data sets get the same shares.
TEST_SHARES = (716 / 4827, 121 / 747)
SPLITS = {"85/15": (PALETTE[0], "o"), "de-duplicated": (PALETTE[1], "D")}
# Made up; nobody could take them for anything but spam.
TEXTS = [
    "WINNER!! You have won a FREE cash prize of £1000! Call 00000 000000 now to claim. Ends today!",
    "URGENT! Your mobile number was drawn for a free holiday for 2. Text CLAIM to 00000, 150p/msg",
    "Get the hottest ringtones FREE for 1 week! Txt TONE to 00000. To stop reply STOP. 16+ only",
    "Congratulations! You are our lucky customer: reply YES now for your £500 shopping voucher!!!",
]
REACHED = 0.96  # spam F1 below which the fine-tuning itself would be in doubt
PER_CLASS = [f"{kind}_{name}" for name in CLASSES for kind in ("precision", "recall", "f1")]
OF_LABELS = [*PER_CLASS, "accuracy", "macro_f1"]
CALIBRATION = ["brier", "log_loss", "ece", "gap"]
COUNTS = [f"{part}_{name}" for part in ("train", "test") for name in CLASSES]
CONFIDENCE = [f"text_{i}" for i in range(1, len(TEXTS) + 1)]
SCORES = [*OF_LABELS, "average_precision", *CALIBRATION, *CONFIDENCE, "log_odds", "first_loss"]
WORDS = {
    **{f"{kind}_{name}": f"{name} {kind}" for name in CLASSES for kind in ("precision", "recall")},
    **{f"f1_{name}": f"{name} F1" for name in CLASSES},
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "average_precision": "average precision",
    "brier": "Brier score",
    "log_loss": "log loss",
    "ece": "ECE",
    "gap": "confidence - accuracy",
    "log_odds": "log-odds of spam on the obvious texts",
}


def load(dataset):
    """A prepared data set whose classes are ham and spam.

    Parameters
    ----------
    dataset : str

    Returns
    -------
    imbbench.bench.prepared.Prepared

    Raises
    ------
    StudyError
        For an unknown data set, one that is not prepared, or one with other classes.
    """
    config.load().dataset(dataset)
    data = load_prepared(root() / "data" / "prepared" / dataset)
    if data.schema["classes"] != CLASSES:
        raise StudyError(
            f"data set {dataset} has the classes {', '.join(data.schema['classes'])}; the article "
            f"is about {' and '.join(CLASSES)}, the larger class first"
        )
    return data


def cut(data, split, seed):
    """Training and test rows, with exact numbers of each class.

    The test part is drawn at random within each class. Of a class with n rows it has
    round(n · share), the share being the article's: 716 of 4827 ham and 121 of 747 spam. So the
    split is as little stratified as the article's, and its training part has the article's weights
    wherever the data are the article's.

    Parameters
    ----------
    data : imbbench.bench.prepared.Prepared
    split : {"85/15", "de-duplicated"}
        Of all rows, or of the first row of each text.
    seed : int

    Returns
    -------
    train, test : ndarray of int
        Row numbers, ascending.
    """
    rows = np.arange(len(data.y))
    if split == "de-duplicated":
        rows = np.sort(np.unique(data.groups, return_index=True)[1])
    rng = np.random.default_rng(seed)
    test = []
    for c, share in enumerate(TEST_SHARES):
        members = rows[data.y[rows] == c]
        test.append(rng.choice(members, round(len(members) * share), replace=False))
    test = np.sort(np.concatenate(test))
    return np.setdiff1d(rows, test), test


def seed_of(study, dataset, split, seed):
    """Of the cut and of the network."""
    return seed_for(study.protocol.seed, dataset, "article", split, seed)


def facts(dataset, seeds, splits=tuple(SPLITS)):
    """What the splits are, a column each.

    Parameters
    ----------
    dataset : str
    seeds : int
    splits : list of {"85/15", "de-duplicated"}

    Returns
    -------
    DataFrame
        ``quantity`` and a column per split.
    """
    from imbbench.bench.counts import inverse_frequency_weights, log_prior_bias

    study, data = config.load(), load(dataset)
    columns = {}
    for split in splits:
        cuts = [cut(data, split, seed_of(study, dataset, split, seed)) for seed in range(seeds)]
        train, test = (np.bincount(data.y[rows], minlength=2) for rows in cuts[0])
        twins = [int(np.isin(data.groups[b], data.groups[a]).sum()) for a, b in cuts]
        bias = log_prior_bias(train)
        weights = inverse_frequency_weights(train)
        columns[split] = {
            "training: ham / spam": f"{train[0]} / {train[1]}",
            "test: ham / spam": f"{test[0]} / {test[1]}",
            "test texts that are in training, too (mean of the seeds)": f"{np.mean(twins):.1f}",
            "the same, fewest to most": f"{min(twins)} to {max(twins)}",
            "spam in training (%)": f"{100 * train[1] / train.sum():.2f}",
            "inverse-frequency weights: ham / spam": f"{weights[0]:.3f} / {weights[1]:.3f}",
            "bias difference, ln(ham / spam)": f"{bias[0] - bias[1]:.3f}",
            "entropy of the classes (nats)": f"{-(np.exp(bias) * bias).sum():.4f}",
            "the same of equal classes": f"{np.log(2):.4f}",
            "one test spam, in points of recall": f"{100 / test[1]:.2f}",
        }
    return pd.DataFrame(columns).rename_axis("quantity").reset_index()


class ArmCell(Cell):
    """The cell of an arm: its learner measures the first loss on all rows where it is known."""

    def make(self, seed=None, **settings):
        """An unfitted learner with the study's settings for it."""
        model = super().make(seed, **settings)
        if settings.get("bias") is not None:
            model.first_rows = None
        return model


def fit_arm(study, X, y, arm, seed):
    """The fitted model of one arm, of a training part and nothing else.

    Parameters
    ----------
    study : imbbench.config.Study
    X, y : ndarray of int, (N, d), (N,)
        Tokens and labels.
    arm : str
    seed : int

    Returns
    -------
    MiniLMFinetune
    """
    given = {"classes": CLASSES, "seed": seed}
    cell = ArmCell.from_arrays(study, LEARNER, X, y, **given)
    if arm in BALANCED:
        sampler = RandomUnderSampler(sampling_strategy=sizes_down(cell, 1), random_state=seed)
        # As many steps as the arm that it is compared with makes on these rows.
        given["settings"] = {"epochs": 0, "steps": cell.steps}
        cell = ArmCell.from_arrays(study, LEARNER, *sampler.fit_resample(X, y), **given)
    call, _ = resolve(*ARMS[arm])
    return call(cell)


def memo(study, dataset, split, seed, arm):
    """Path of what a fit has found, by all that it depends on."""
    families = [ARMS[arm][0], *(["undersampling"] if arm in BALANCED else [])]
    code = [code_hash(*families), Path(__file__).read_text(encoding="utf-8")]
    settings = [study.learner(LEARNER), study.protocol.encoder, study.protocol.seed]
    key = [content_of(dataset), split, seed, arm, settings, code]
    return cache_file("article", json.dumps(key), ".npz")


def _outcome(study, dataset, split, seed, arm):
    """Fit one arm; what it says of the test part and of the obvious texts, in the file's form."""
    import torch

    torch.set_num_threads(1)
    # As in the study's cells: weights near zero would be computed many times slower.
    torch.set_flush_denormal(True)
    data, encoder = load(dataset), study.protocol.encoder
    tokens = tokenize(data.X, encoder)
    own_seed = seed_of(study, dataset, split, seed)
    train, test = cut(data, split, own_seed)
    try:
        model = fit_arm(study, tokens[train], data.y[train], arm, own_seed)
    except NotApplicable as error:
        raise StudyError(f"data set {dataset}, arm '{arm}': {error}") from None
    found = {
        "probabilities": model.predict_proba(tokens[test]),
        "obvious": model.predict_proba(tokenize(TEXTS, encoder)),
        "first_loss": model.first_loss_,
    }
    buffer = io.BytesIO()
    np.savez(buffer, **found)
    remember(memo(study, dataset, split, seed, arm), buffer.getvalue())
    return (split, seed, arm), buffer.getvalue()


def _scores(y, found):
    """One row of the table."""
    p, obvious = found["probabilities"], found["obvious"]
    labels = metrics.label_metrics(y, p.argmax(axis=1), 2)
    row = {f"{kind}_{name}": labels[kind][c] for c, name in enumerate(CLASSES)
           for kind in ("precision", "recall", "f1")}  # fmt: skip
    row |= {name: labels[name] for name in ("accuracy", "macro_f1")}
    scores = metrics.score_metrics(y, p)
    row |= {name: scores[name] for name in ("average_precision", "brier", "log_loss", "ece")}
    row["gap"] = p.max(axis=1).mean() - row["accuracy"]
    row |= dict(zip(CONFIDENCE, obvious[:, 1], strict=True))
    row["log_odds"] = (np.log(obvious[:, 1]) - np.log(obvious[:, 0])).mean()
    return row | {"first_loss": float(found["first_loss"])}


def compute(dataset, seeds, splits=tuple(SPLITS), jobs=-1, progress=print):
    """Fit and score every arm with every seed.

    Fits run side by side, one thread each. What a fit has found is kept in the local memo, so that
    a run that was stopped goes on where it was.

    Parameters
    ----------
    dataset : str
    seeds : int
    splits : list of {"85/15", "de-duplicated"}
    jobs : int
        Processes; -1 for one per core.
    progress : callable
        Called with one line of text per finished fit.

    Returns
    -------
    runs : DataFrame
        One row per split, arm and seed: ``train_…`` and ``test_…`` counts, precision, recall and
        F1 of each class, ``accuracy``, ``macro_f1``, ``average_precision`` (of spam), ``brier``,
        ``log_loss``, ``ece``, ``gap`` (mean confidence in the predicted class minus accuracy),
        ``text_…`` (probability of spam of each obvious text), ``log_odds`` (of spam, mean over
        these texts), ``first_loss``. Rounded.
    curves : DataFrame
        For :func:`imbbench.analysis.plots.reliability`; ``learner`` holds the split.

    Raises
    ------
    StudyError
        For data that will not do, before anything is fitted.
    """
    study, data = config.load(), load(dataset)
    if LEARNER not in study.learners:
        raise StudyError(f"params.yaml has no learner {LEARNER}, which the article's arms train")
    if seeds < 1:
        raise StudyError(f"seeds is {seeds}: one is the least")
    unknown = [str(split) for split in splits if split not in SPLITS]
    if unknown or not splits:
        raise StudyError(f"unknown split '{', '.join(unknown)}'. Known: {', '.join(SPLITS)}.")
    tokenize(data.X, study.protocol.encoder)
    tokenize(TEXTS, study.protocol.encoder)
    every = [(split, seed, arm) for seed in range(seeds) for split in splits for arm in ARMS]
    kept = {fit: recall(memo(study, dataset, *fit)) for fit in every}
    todo = [fit for fit, content in kept.items() if content is None]
    started = time.perf_counter()
    finished = joblib.Parallel(jobs, return_as="generator_unordered")(
        joblib.delayed(_outcome)(study, dataset, *fit) for fit in todo
    )
    for done, (fit, content) in enumerate(finished, 1):
        kept[fit] = content
        split, seed, arm = fit
        progress(
            f"{done}/{len(todo)} {dataset} {split} seed {seed} {arm}, "
            f"{time.perf_counter() - started:.1f} s"
        )
    rows, results = [], []
    for split, seed, arm in product(splits, range(seeds), ARMS):
        train, test = cut(data, split, seed_of(study, dataset, split, seed))
        y = data.y[test]
        with np.load(io.BytesIO(kept[split, seed, arm])) as found:
            p = found["probabilities"]
            counts = np.append(np.bincount(data.y[train]), np.bincount(y))
            key = {"dataset": dataset, "split": split, "arm": arm, "seed": seed}
            rows.append(key | dict(zip(COUNTS, counts, strict=True)) | _scores(y, found))
        task = Task(dataset, "article", split, arm, seed)
        results.append((task, None, {"made_from": ""}, metrics.curves(y, p)))
    runs = pd.DataFrame(rows)
    # Adding zero turns -0.0 into 0.0, which would print differently.
    runs[SCORES] = runs[SCORES].round(DIGITS) + 0.0
    curves = curve_table(results).drop(columns="made_from").rename(columns={"strategy": "label"})
    return runs, curves


def _of(runs, split, arm):
    return runs[(runs["split"] == split) & (runs["arm"] == arm)].set_index("seed").sort_index()


def _splits(runs):
    return runs["split"].unique()


def differences(runs, names):
    """Every arm minus the baseline, seed by seed.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`compute`.
    names : list of str
        Metrics.

    Returns
    -------
    DataFrame
        ``split``, ``arm``, ``metric``, ``mean`` and its 95 % interval ``low``, ``high``.
    """
    rows = []
    for split in _splits(runs):
        baseline = _of(runs, split, "baseline")
        for arm in list(ARMS)[1:]:
            gained = _of(runs, split, arm)
            for name in names:
                found = t_interval(gained[name] - baseline[name])
                key = {"split": split, "arm": arm, "metric": name}
                rows.append(key | dict(zip(("mean", "low", "high"), found, strict=True)))
    return pd.DataFrame(rows)


COUNTED = 0.5  # test messages: a smaller difference in a metric of labels is none
MARGINS = {"log_loss": 0.002, "log_odds": 0.1}  # the same of these metrics, in nats
SLACK = 0.25  # probabilities are kept true where a score is at most so much worse, relatively
ENOUGH = 1000  # seeds nobody will run


@dataclass(frozen=True)
class Statement:
    """Something about one metric that is so, is not so, or is open.

    Attributes
    ----------
    arm, metric : str
    sign : int
        1: higher than in the other arm; -1: lower.
    other : str or None
        The other arm; None compares with zero.
    slack : float
        Not 0: it may also be worse, by at most this share of the other arm's mean.
    """

    arm: str
    metric: str
    sign: int
    other: str | None = "baseline"
    slack: float = 0.0

    def __str__(self):
        what = WORDS[self.metric]
        if self.slack:
            return f"{self.arm}: {what} at most {self.slack:.0%} above that of {self.other}"
        above = "above" if self.sign > 0 else "below"
        return f"{self.arm}: {what} {above} {f'that of {self.other}' if self.other else 'zero'}"


def _better(arm, names, sign=1, other="baseline", slack=0.0):
    return [Statement(arm, name, sign, other, slack) for name in names]


COMPENSATED = {
    "down-sampling + up-weighting": "down-sampling",
    "up-sampling + down-weighting": "up-sampling",
}
CLAIMS = {
    "A1": (
        "starting the bias at the log prior improves all metrics",
        _better("bias initialisation", OF_LABELS),
    ),
    "A1b": (
        "the same with zero weights beneath either bias: what the bias alone does",
        _better("bias initialisation", OF_LABELS, other=ZERO),
    ),
    "A2": (
        "a compensating weight keeps the probabilities true",
        [
            *(s for arm in COMPENSATED for s in _better(arm, CALIBRATION[:3], -1, slack=SLACK)),
            *(s for arm, other in COMPENSATED.items()
              for s in _better(arm, ["log_loss"], -1, other)),
        ],
    ),
    "A3": (
        "with factor 2, both compensated arms lose spam recall",
        [s for arm in COMPENSATED for s in _better(arm, ["recall_spam"], -1)],
    ),
    "A4": (
        "focal loss, with gamma 2 and untuned, beats the baseline on all metrics",
        _better("focal", OF_LABELS),
    ),
    "A5": (
        "inverse-frequency weights beat the baseline",
        _better("inverse frequency", ["f1_spam", "macro_f1"]),
    ),
    "A6": (
        "beside the inverse frequency, weight 10 raises spam recall and lowers precision and F1",
        [
            *_better("spam weight 10", ["recall_spam"], 1, "inverse frequency"),
            *_better("spam weight 10", ["precision_spam", "f1_spam"], -1, "inverse frequency"),
        ],
    ),
    "A7": (
        "weight 10 raises spam recall on balanced data, too",
        _better("balanced, spam weight 10", ["recall_spam"], 1, "down-sampling"),
    ),
    "A8": (
        "weighting is more effective than plain re-sampling",
        [s for other in COMPENSATED.values()
         for s in _better("inverse frequency", ["f1_spam"], 1, other)],
    ),
    "A9": (
        "weighted models are over-confident, down-sampling + up-weighting under-confident; on an "
        "obvious spam bias initialisation raises the confidence, focal loss lowers it",
        [
            *_better("inverse frequency", ["gap"], 1, None),
            *_better("spam weight 10", ["gap"], 1, None),
            *_better("down-sampling + up-weighting", ["gap"], -1, None),
            *_better("bias initialisation", ["log_odds"]),
            *_better("focal", ["log_odds"], -1),
        ],
    ),
    "A9b": (
        "on an obvious spam, the bias alone raises the confidence",
        _better("bias initialisation", ["log_odds"], other=ZERO),
    ),
}  # fmt: skip


def margin(runs, split, metric):
    """The smallest difference that counts.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`compute`.
    split, metric : str
    """
    if metric in MARGINS:
        return MARGINS[metric]
    messages = _of(runs, split, "baseline")[COUNTS[2:]].iloc[0]
    if metric == "macro_f1":
        return (COUNTED / messages).mean()
    of_class = f"test_{metric.split('_')[-1]}"
    return COUNTED / messages.get(of_class, messages.sum())


def _difference(runs, split, statement):
    """Seed by seed; the other side is 0 where there is none."""
    values = _of(runs, split, statement.arm)[statement.metric]
    other = _of(runs, split, statement.other)[statement.metric] if statement.other else 0 * values
    return values - other, other


def _judged(runs, split, statement):
    """Mean and spread of the differences, turned so that above zero speaks for the statement, and
    the limits above which it holds and below which it fails."""
    values, other = _difference(runs, split, statement)
    nil = 0.0 if statement.slack else margin(runs, split, statement.metric)
    return statement.sign * values.mean(), values.std(), -statement.slack * other.mean(), nil


def holds(mean, spread, limit, nil, seeds, statements):
    """Whether a statement holds, with so many seeds of this mean and spread.

    Parameters
    ----------
    mean, spread : float
        Of the differences, above zero in the statement's direction.
    limit, nil : float
        It holds where the interval lies above ``limit``, and fails where it ends below ``nil``.
    seeds : int
    statements : int
        Of the claim: the interval of a failure is widened for their number.

    Returns
    -------
    bool or None
        None where it is open.
    """
    if seeds < 3:
        return None
    error = spread / np.sqrt(seeds)
    if mean - stdtrit(seeds - 1, 0.975) * error > limit:
        return True
    if mean + stdtrit(seeds - 1, 1 - 0.025 / statements) * error < nil:
        return False
    return None


def _verdict(judged, seeds):
    found = [holds(*numbers, seeds, len(judged)) for numbers in judged]
    if all(found):
        return "supported"
    return "contradicted" if False in found else "undecided"


def verdicts(runs):
    """Supported, contradicted or undecided, for every claim on every split.

    The rules were laid down before the first fit. A1b and A9b were added when the first fit of the
    bias arm showed less confidence than the baseline's, and before any of the arm they compare it
    with: the bias arm's weights start at zero as well, which is a change of its own.

    A claim is a list of statements. A statement says that a metric of one arm is higher (or lower)
    than that of another on the same seeds:

    - it holds if the 95 % t interval of the mean difference lies above zero (in its direction);
    - it fails if the interval ends below the smallest difference that counts: half a test message
      of the class (of all classes for accuracy and confidence, the mean of both for macro-F1),
      0.002 nats of log loss, 0.1 of log-odds. As one failure decides, that interval is widened for
      the number of statements (Bonferroni);
    - it is open otherwise.

    A statement that probabilities are *kept* true holds if the score is at most a quarter worse
    (``SLACK``), by the interval's end, and fails if the interval lies on the worse side. "All
    metrics" are precision, recall and F1 of both classes, accuracy and macro-F1.

    A claim is supported if all of its statements hold, contradicted if one fails, and undecided
    otherwise. The seeds that it would take are those with which it were decided if mean and spread
    stayed what they are.

    Splits share rows: the intervals are about another dealing of these messages and another start
    of the network, not about other messages.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`compute`.

    Returns
    -------
    DataFrame
        ``claim``, ``text``, ``split``, ``verdict``, ``holds``, ``fails``, ``open`` (numbers of
        statements), ``seeds``, ``seeds_needed`` (0 where decided, NaN for more than 1000 or where
        fewer than three were run).
    """
    rows, seeds = [], runs["seed"].nunique()
    for claim, (text, statements) in CLAIMS.items():
        for split in _splits(runs):
            judged = [_judged(runs, split, statement) for statement in statements]
            found = [holds(*numbers, seeds, len(judged)) for numbers in judged]
            verdict = _verdict(judged, seeds)
            needed = 0
            if verdict == "undecided":
                # Below three seeds the spread is unknown.
                tried = range(seeds + 1, ENOUGH + 1) if seeds >= 3 else []
                needed = next((n for n in tried if _verdict(judged, n) != "undecided"), np.nan)
            row = {"claim": claim, "text": text, "split": split, "verdict": verdict}
            row |= {"holds": found.count(True), "fails": found.count(False)}
            rows.append(row | {"open": found.count(None), "seeds": seeds, "seeds_needed": needed})
    return pd.DataFrame(rows)


def arms():
    """What each arm is in the study's words.

    Returns
    -------
    DataFrame
        ``arm``, ``family``, ``strategy``.
    """
    rows = []
    for arm, (family, name, entry) in ARMS.items():
        text = ", ".join(f"{key}: {setting_text(value)}" for key, value in entry.items()) or name
        where = f"{text}, on the rows of `down-sampling`" if arm in BALANCED else text
        rows.append({"arm": arm, "family": family, "strategy": where})
    return pd.DataFrame(rows)


def texts():
    """The obvious texts, numbered."""
    return pd.DataFrame({"number": range(1, len(TEXTS) + 1), "text": TEXTS})


def _plus_minus(values, form=".3f"):
    """Mean ± half of its 95 % interval; below three seeds the mean alone."""
    mean, _, high = t_interval(values)
    return f"{mean:{form}}" if np.isnan(high) else f"{mean:{form}} ± {high - mean:{form}}"


def first_losses(runs):
    """First loss of the baseline and of the arms whose last layer starts at zero, per split.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`compute`.

    Returns
    -------
    DataFrame
        ``split``, ``arm``, ``first loss`` and ``expected`` (nats): the entropy of the classes if
        the bias starts at the prior, else that of equal classes; the baseline's last layer starts
        near zero only.
    """
    rows = []
    for split in _splits(runs):
        for arm in ("baseline", ZERO, "bias initialisation"):
            part = _of(runs, split, arm)
            share = part[COUNTS[:2]].iloc[0].to_numpy(float)
            share = share / share.sum() if arm == "bias initialisation" else np.array([0.5, 0.5])
            row = {"split": split, "arm": arm, "first loss": _plus_minus(part["first_loss"], ".4f")}
            rows.append(row | {"expected": f"{-(share * np.log(share)).sum():.4f}"})
    return pd.DataFrame(rows)


def report(runs, split):
    """Classification report of every arm: mean over the seeds ± half of its 95 % interval.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`compute`.
    split : str

    Returns
    -------
    DataFrame of str
        ``arm``, ``class``, ``precision``, ``recall``, ``F1``, ``accuracy``, ``test texts``; the
        class ``both`` has the means over the classes.
    """
    rows = []
    for arm in ARMS:
        part = _of(runs, split, arm)
        for name in CLASSES:
            row = {"arm": f"**{arm}**" if name == CLASSES[0] else "", "class": name}
            for kind in ("precision", "recall", "f1"):
                row[kind] = _plus_minus(part[f"{kind}_{name}"])
            rows.append(row | {"accuracy": "", "test texts": str(part[f"test_{name}"].iloc[0])})
        row = {"arm": "", "class": "both"}
        for kind in ("precision", "recall", "f1"):
            row[kind] = _plus_minus(part[[f"{kind}_{name}" for name in CLASSES]].mean(axis=1))
        size = part[COUNTS[2:]].iloc[0].sum()
        rows.append(row | {"accuracy": _plus_minus(part["accuracy"]), "test texts": str(size)})
    return pd.DataFrame(rows).rename(columns={"f1": "F1"})


def obvious(runs, split):
    """Probability of spam that each arm gives the obvious texts, means over the seeds.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`compute`.
    split : str

    Returns
    -------
    DataFrame
        ``arm``, a column per text, and the mean ``log-odds``: what is left to see where all
        probabilities are near one.
    """
    rows = []
    for arm in ARMS:
        part = _of(runs, split, arm)
        means = [part[name].mean().round(4) for name in CONFIDENCE]
        rows.append([arm, *means, _plus_minus(part["log_odds"], ".2f")])
    numbers = range(1, len(TEXTS) + 1)
    return pd.DataFrame(rows, columns=["arm", *(f"text {i}" for i in numbers), "log-odds"])


def calibration(runs, split):
    """How true the probabilities are, mean over the seeds ± half of its 95 % interval.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`compute`.
    split : str

    Returns
    -------
    DataFrame of str
    """
    shown = ["average_precision", *CALIBRATION]
    return pd.DataFrame(
        [
            {"arm": arm}
            | {WORDS[name]: _plus_minus(_of(runs, split, arm)[name], ".4f") for name in shown}
            for arm in ARMS
        ]
    )


def _why(found):
    of = found["holds"] + found["fails"] + found["open"]
    if found["verdict"] == "supported":
        return f"{of} of {of} hold"
    if found["verdict"] == "contradicted":
        return f"{found['fails']} of {of} {'fails' if found['fails'] == 1 else 'fail'}"
    if found["seeds"] < 3:
        return "fewer than 3 seeds"
    more = found["seeds_needed"]
    return f"{found['open']} of {of} open; " + (
        f"more than {ENOUGH} seeds" if np.isnan(more) else f"about {more:.0f} seeds"
    )


def verdict_table(table):
    """The verdicts in words, a column per split.

    Parameters
    ----------
    table : DataFrame
        Of :func:`verdicts`.

    Returns
    -------
    DataFrame of str
    """
    rows = []
    for claim, part in table.groupby("claim", sort=False):
        row = {"claim": claim, "statement": part["text"].iloc[0]}
        for split, found in zip(part["split"], part.to_dict("records"), strict=True):
            row[split] = f"**{found['verdict']}** ({_why(found)})"
        rows.append(row)
    return pd.DataFrame(rows)


def statements(runs):
    """Every statement behind the verdicts, with the mean difference and its 95 % interval.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`compute`.

    Returns
    -------
    DataFrame of str
    """
    words = {True: "holds", False: "fails", None: "open"}
    rows, seeds = [], runs["seed"].nunique()
    for claim, (_, said) in CLAIMS.items():
        for statement in said:
            row = {"claim": claim, "statement": str(statement)}
            for split in _splits(runs):
                held = words[holds(*_judged(runs, split, statement), seeds, len(said))]
                found = t_interval(_difference(runs, split, statement)[0])
                row[split] = f"{with_interval(*found, '+.4f')}: {held}"
            rows.append(row)
    return pd.DataFrame(rows)


def weights_sentence(table):
    """Whether these are the article's weights.

    Parameters
    ----------
    table : DataFrame
        Of :func:`facts`.
    """
    article = "{" + f"ham {WEIGHTS[0]}, spam {WEIGHTS[1]}" + "}"
    found = table.set_index("quantity").loc["inverse-frequency weights: ham / spam"]
    same = [split for split in found.index if found[split] == " / ".join(map(str, WEIGHTS))]
    return (
        f"The article's weights {article} are met on {' and '.join(same)}."
        if same
        else f"The article's weights {article} are not met: these are other messages than its own."
    )


@mpl.rc_context(STYLE)
def plot(runs):
    """Spam precision, recall and F1 minus the baseline's, with 95 % intervals over the seeds.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`compute`.
    """
    shown = ["precision_spam", "recall_spam", "f1_spam"]
    table, others = differences(runs, shown), list(ARMS)[1:]
    drawn = {split: SPLITS[split] for split in _splits(runs)}
    figure, axes = new_figure(0.9 + 0.33 * len(others), ncols=len(shown), sharey=True)
    for ax, name in zip(axes[0], shown, strict=True):
        ax.axvline(0, color="#606060", lw=0.9, zorder=1)
        for k, (split, (colour, marker)) in enumerate(drawn.items()):
            part = table[(table["metric"] == name) & (table["split"] == split)]
            part = part.set_index("arm").loc[others, ["mean", "low", "high"]] * 100
            places = np.arange(len(others)) + 0.28 * (k - (len(drawn) - 1) / 2)
            ax.hlines(places, part["low"], part["high"], color=colour, lw=1.4, zorder=2)
            ax.plot(part["mean"], places, marker, color=colour, ms=4, zorder=3)
        ax.set_xlabel(WORDS[name])
        ax.grid(axis="y", visible=False)
    axes[0, 0].set_yticks(range(len(others)), others)
    axes[0, 0].set_ylim(len(others) - 0.5, -0.5)
    axes[0, 0].tick_params(axis="y", length=0)
    figure.supxlabel("minus the baseline's, percentage points", fontsize=9)
    handles = [Line2D([], [], color=c, marker=m, lw=1.4, ms=4, label=split)
               for split, (c, m) in drawn.items()]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def conclusion(runs, table):
    """What came out, in one list.

    Parameters
    ----------
    runs : DataFrame
        Of :func:`compute`.
    table : DataFrame
        Of :func:`verdicts`.
    """
    lines = []
    for split, best in differences(runs, ["f1_spam"]).groupby("split", sort=False):
        found, seeds = t_interval(_of(runs, split, "baseline")["f1_spam"]), runs["seed"].nunique()
        reached = "reaches" if found[0] >= REACHED else "does not reach"
        best = best.set_index("arm")
        top, last = best.loc[best["mean"].idxmax()], best.loc[best["mean"].idxmin()]
        lines.append(
            f"- **{split}**: the baseline's spam F1 is {with_interval(*found, '.4f')} over {seeds} "
            f"seeds and {reached} {REACHED}. Of the other {len(best)} arms "
            f"{(best['low'] > 0).sum()} have a higher one with an interval above zero and "
            f"{(best['high'] < 0).sum()} a lower one; from `{last.name}` ({last['mean']:+.4f}) to "
            f"`{top.name}` ({top['mean']:+.4f})."
        )
    for split, part in table.groupby("split", sort=False):
        words = [
            f"{word}: {', '.join(part.loc[part['verdict'] == word, 'claim']) or 'none'}"
            for word in ("supported", "contradicted", "undecided")
        ]
        lines.append(f"- Claims on {split}: {'; '.join(words)}.")
    return "\n".join(lines)
