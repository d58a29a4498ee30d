"""Settings that decide the sign of an effect, beside the study's own, for notebook 10."""

import inspect
import itertools
import json
import math
from dataclasses import astuple, dataclass, field

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import logsumexp

from imbbench import config
from imbbench.analysis import plots
from imbbench.analysis.plots import PALETTE, STYLE
from imbbench.analysis.prose import code, with_interval
from imbbench.analysis.statistics import SMALLEST, TUNED, control_families, t_interval
from imbbench.bench import metrics, protocol
from imbbench.bench.cell import Cell, Task, split_of, view_of
from imbbench.bench.code import code_hash
from imbbench.bench.encoder import embed
from imbbench.bench.learners import one_hot
from imbbench.bench.prepared import content_of, data_of
from imbbench.bench.registry import NotApplicable, learner_class, resolve
from imbbench.bench.scoring import checked_probabilities
from imbbench.files import recall, remember
from imbbench.paths import cache_file
from imbbench.strategies.schedule.class_means import NearestClassMean
from imbbench.strategies.schedule.stages import OnFeatures, fit_in_steps

# Where strategies that inference is about are, and their controls.
FAMILIES = [
    *("reference", "prior", "weighting", "loss", "undersampling", "oversampling", "ensemble"),
    *("schedule", "augmentation", "posthoc"),
]
FAIR = "the study's"
LARGE = 0.01  # a difference that counts
FACTOR = 2  # a log loss of so many times that of the class shares asks for a reason
PARTS = ("test", "validation")
SCORES = [
    *("macro_f1", "balanced_accuracy", "average_precision", "brier", "log_loss"),
    *("log_loss_of_shares", "log_loss_corrected", "log_loss_calibrated"),
]
REASONS = {
    "other class shares": "put back to the class shares of the training part they are below it",
    "the learner": "the untreated learner is above it, too",
    "not calibrated": "a slope and an offset per class from the validation part put them below it",
    "open": "none of these",
}
OUTCOMES = {
    "macro-F1": ("macro_f1", TUNED["macro_f1"]),
    "balanced accuracy": ("balanced_accuracy", TUNED["balanced_accuracy"]),
    "macro-F1, argmax": ("macro_f1", "argmax"),
}
# The study's three, whose sign other steps may turn.
STEPPED = {
    **{name: OUTCOMES[name] for name in ("macro-F1", "balanced accuracy")},
    "average precision": ("average_precision", "argmax"),
}
ENDS = {"mean": "", "low": "_low", "high": "_high"}
LOOKS = {"fair": (PALETTE[0], "D"), "pretending": (PALETTE[1], "o")}
NAMES = ["effect", "learner", "strategy", "setting"]
FIT = ["dataset", "learner", "family", "strategy", "setting", "split"]


class _Cell(Cell):
    """A cell that leaves the memo of plain models alone: those here may be other ones."""

    def plain(self):
        names = self._study.protocol.seed, self._task.dataset, self._task.split
        return self.fit(seed=protocol.seed_for(*names, "plain"))


class _Stopping:
    """Training that a learner is handed as ``stepper``: stopped early, at a constant rate.

    After every epoch the loss that is minimised is looked at on the validation part; when it has
    not fallen for ``patience`` epochs training ends, and the best epoch's weights are taken.

    Attributes
    ----------
    steps : int
        Made in the last fit.
    """

    def __init__(self, cell, loss, model, patience=5):
        import torch

        X = cell.X_val
        if cell.categorical.any():
            X = one_hot(cell.categorical).fit(cell.X).transform(X)
        X = X.toarray() if hasattr(X, "toarray") else X
        self.held_out = torch.as_tensor(np.array(X, dtype=np.float32)), torch.tensor(cell.y_val)
        self.epoch = math.ceil(len(cell.y) / model.batch_size)
        self.loss, self.rate, self.patience = loss, model.learning_rate, patience
        self.most = cell.steps
        self.steps = 0

    def __call__(self, network, optimiser, inputs, labels, rng):
        import torch

        self.steps, calls = 0, 0
        best, lowest, since, over = None, math.inf, 0, False

        def look():
            nonlocal best, lowest, since, over
            network.eval()
            self.loss.eval()
            with torch.no_grad():
                value = float(self.loss(network(self.held_out[0]), self.held_out[1]))
            if value < lowest:
                best = {name: part.clone() for name, part in network.state_dict().items()}
                lowest, since = value, 0
            else:
                since += 1
            over = since >= self.patience

        def step(rows, progress):
            nonlocal calls
            calls += 1
            seen = 0
            if not over:
                for group in optimiser.param_groups:
                    group["lr"] = self.rate
                network.train()
                self.loss.train()
                value = self.loss(network(inputs[rows]), labels[rows])
                optimiser.zero_grad(set_to_none=True)
                value.backward()
                optimiser.step()
                self.steps, seen = self.steps + 1, len(rows)
                if self.steps % self.epoch == 0:
                    look()
            if calls == self.most and best is not None:
                network.load_state_dict(best)
            return seen

        return step


class _StoppedCell(_Cell):
    """Networks are stopped early on the loss that they minimise."""

    def make(self, seed=None, **settings):
        import torch

        model = super().make(seed, **settings)
        loss = model.loss if model.loss is not None else torch.nn.CrossEntropyLoss()
        model.stepper = _Stopping(self, loss, model)
        return model

    def fit(self, X=None, y=None, **settings):
        changed = X is not None or {"draw", "sample_weight"} & set(settings)
        self.need(not changed, "other rows to train on would need other rows to be stopped on")
        model = super().fit(X, y, **settings)
        model.n_steps_ = model.stepper.steps
        return model


class _EpochCell(_Cell):
    """Networks pass the rows that they are given as often as ever: fewer rows, fewer steps."""

    def fit(self, X=None, y=None, **settings):
        if X is not None:
            settings["steps"] = max(1, round(self.steps * len(y) / len(self.y)))
        return super().fit(X, y, **settings)


@dataclass(frozen=True)
class Setting:
    """One way to fit a strategy.

    Attributes
    ----------
    cell : type
        What the strategy gets.
    learner, entry : dict
        Over the settings of the learner and of the strategy in ``params.yaml``; None takes a key
        away.
    scale : float
        Of a neural learner's steps.
    means : str or None
        The kind of class means, in place of the one that is chosen.
    """

    cell: type = _Cell
    learner: dict = field(default_factory=dict)
    entry: dict = field(default_factory=dict)
    scale: float = 1.0
    means: str | None = None


SETTINGS = {
    FAIR: Setting(),
    # What the study had before, over its own.
    "early stopping": Setting(_StoppedCell, {"learning_rate": 0.003, "epochs": 50, "steps": 0}),
    "no penalty": Setting(
        learner={"l2_regularization": 0.0, "max_depth": None, "min_samples_leaf": 20}
    ),
    "half its steps": Setting(scale=0.5),
    "steps by epochs": Setting(_EpochCell),
    "centred means": Setting(means="cl2n"),
    "raw means": Setting(means="un"),
    "full margin": Setting(entry={"max_margin": 0.5, "choose": None}),
    # The same for a strategy and its control, hence fair.
    "half the steps": Setting(scale=0.5),
    "twice the steps": Setting(scale=2.0),
}
STEPS = ["half the steps", FAIR, "twice the steps"]


@dataclass(frozen=True)
class Comparison:
    """Strategies and their controls, fitted fairly and with a setting that pretends.

    Attributes
    ----------
    effect : str
    setting : str
        Of :data:`SETTINGS`.
    learner : str
    strategies : tuple of str
        ``family/name``.
    both : bool
        The control has the setting, too.
    """

    effect: str
    setting: str
    learner: str
    strategies: tuple
    both: bool = False


LDAM = ("loss/ldam", "loss/ldam_drw")
STOPPED = (
    *("prior/bias_init", "prior/zero_init", "weighting/inverse_frequency", "loss/focal"),
    *("loss/ghm_c", "loss/class_balanced_softmax", "loss/ldam_drw", "loss/logit_adjusted"),
)
BOOSTED = ("weighting/inverse_frequency", "undersampling/under_1_1", "oversampling/over_1_1")
MEANS = ("schedule/nearest_class_mean",)
COMPARISONS = [
    Comparison("stopped early", "early stopping", "mlp", STOPPED, both=True),
    Comparison("unpenalised boosting", "no penalty", "hgb", BOOSTED, both=True),
    Comparison(
        "fewer steps",
        "half its steps",
        "mlp",
        ("schedule/bbn", "undersampling/downsample_upweight_2"),
    ),
    Comparison("fewer steps", "steps by epochs", "mlp", ("undersampling/under_1_1",)),
    Comparison("class means", "centred means", "mlp", MEANS),
    Comparison("class means", "raw means", "mlp", MEANS),
    Comparison("margin", "full margin", "mlp", LDAM),
    Comparison("margin", "full margin", "minilm_head", LDAM),
]


@dataclass(frozen=True)
class Fit:
    """Names of one fit."""

    dataset: str
    learner: str
    family: str
    strategy: str
    setting: str
    split: int


def version_of(setting):
    """``fair``, also where all have the same other steps, or ``pretending``."""
    return "fair" if setting in STEPS else "pretending"


def control_of(study, family, strategy):
    """Family and name of a strategy's control: in its own family, or in ``reference``."""
    name = study.family(family)[strategy].get("control", "plain")
    return (family if name in study.family(family) else "reference"), name


def primary(study, learner):
    """The strategies that inference is about and that run with a learner, (family, name)."""
    return [
        (family, name)
        for family in FAMILIES
        if family in study.families
        for name, entry in study.family(family).items()
        if entry.get("primary") and learner in entry.get("learners", [learner])
    ]


def plan(study, datasets, learners, splits, step_splits):
    """What is to be fitted, and on which parts it is scored.

    Parameters
    ----------
    study : imbbench.config.Study
    datasets : list of str
    learners : list of str
        Whose fits are looked at for their log loss; the neural ones with other steps, too.
    splits, step_splits : int
        The first so many: of what pretends and of log losses, and of other steps.

    Returns
    -------
    dict of Fit to set of str
    """
    found = {}

    def add(dataset, learner, pair, setting, split, part):
        found.setdefault(Fit(dataset, learner, *pair, setting, split), set()).add(part)

    kinds = {name: data_of(name, study.protocol)[0].schema["modality"] for name in datasets}

    def places(learner, number):
        seen = learner_class(study, learner).features if learner in study.learners else ()
        return [(name, k) for name in datasets if kinds[name] in seen for k in range(number)]

    for comparison in COMPARISONS:
        pairs = [tuple(name.split("/")) for name in comparison.strategies]
        pairs = [pair for pair in pairs if pair[1] in (study.strategies.get(pair[0]) or {})]
        for (dataset, split), pair in itertools.product(places(comparison.learner, splits), pairs):
            control = control_of(study, *pair)
            for setting in (FAIR, comparison.setting):
                add(dataset, comparison.learner, pair, setting, split, "test")
                both = setting if comparison.both else FAIR
                add(dataset, comparison.learner, control, both, split, "test")
    for learner in learners:
        pairs = [
            one for pair in primary(study, learner) for one in (pair, control_of(study, *pair))
        ]
        for (dataset, split), pair in itertools.product(places(learner, splits), pairs):
            add(dataset, learner, pair, FAIR, split, "test")
        if learner_class(study, learner).neural:
            every = itertools.product(places(learner, step_splits), pairs, STEPS)
            for (dataset, split), pair, setting in every:
                add(dataset, learner, pair, setting, split, "validation")
    return found


def _model(study, fit):
    """The cell of a fit and its fitted model."""
    setting = SETTINGS[fit.setting]
    entry = {**study.family(fit.family)[fit.strategy], **setting.entry}
    entry = {key: value for key, value in entry.items() if value is not None}
    settings = dict(setting.learner)
    if setting.scale != 1:
        # Rounded up, not to end at none.
        given = study.learner(fit.learner)
        settings["epochs"] = given.get("epochs", 0) * setting.scale
        settings["steps"] = math.ceil(given.get("steps", 0) * setting.scale)
    task = Task(fit.dataset, fit.family, fit.learner, fit.strategy, fit.split)
    cell = setting.cell(study, task, reuse=False, settings=settings)
    if setting.means:
        network = fit_in_steps(cell)
        means = NearestClassMean(setting.means).fit(network.embed(cell.X), cell.y)
        return cell, OnFeatures(network, means)
    return cell, resolve(fit.family, fit.strategy, entry)[0](cell)


def scored(study, fit, parts=PARTS):
    """Fit and score, on parts of the data.

    On the validation part the offsets of a tuned rule are the best ones for these very rows.

    Parameters
    ----------
    study : imbbench.config.Study
    fit : Fit
    parts : collection of str
        Of ``test`` and ``validation``.

    Returns
    -------
    list of dict
        One per part and rule, or one with ``status`` ``failed`` or ``not applicable``.
    """
    key = {name: getattr(fit, name) for name in ("dataset", "learner", "family", "strategy")}
    _, control = control_of(study, fit.family, fit.strategy)
    key |= {"control": "" if fit.strategy == control else control}
    key |= {"primary": (fit.family, fit.strategy) in primary(study, fit.learner)}
    key |= {"setting": fit.setting, "version": version_of(fit.setting), "split": fit.split}
    try:
        cell, model = _model(study, fit)
        held_out = checked_probabilities(model.predict_proba(cell.X_val), len(cell.classes))
    except NotApplicable as error:
        return [{**key, "status": "not applicable", "reason": str(error)}]
    except Exception as error:
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return [{**key, "status": "failed", "reason": said[:300]}]
    key |= {"status": "ok", "reason": ""}
    key["steps"] = getattr(model, "n_steps_", getattr(cell, "steps", None))
    offsets = {"argmax": None} | {
        rule: protocol.tune_offsets(held_out, cell.y_val, objective)
        for rule, objective in protocol.TUNED.items()
    }
    calibrated, rows = not getattr(model, "scores_only", False), []
    for part in sorted(parts):
        y, p = cell.y_val, held_out
        if part == "test":
            data = split_of(study, fit.dataset, fit.learner, fit.split)
            y = data.y_test
            p = checked_probabilities(model.predict_proba(view_of(data.X_test)), len(cell.classes))
        found = metrics.score_metrics(y, p, calibrated)
        if part == "test" and calibrated:
            found |= _log_losses(cell, model, held_out, y, p)
        for rule, chosen in offsets.items():
            labels = metrics.label_metrics(y, protocol.decide(p, chosen), len(cell.classes))
            every = found | labels
            rows.append(
                {**key, "part": part, "rule": rule, **{k: every[k] for k in SCORES if k in every}}
            )
    return rows


def _log_losses(cell, model, held_out, y, p):
    """Log losses that say what one of a test fold is made of.

    Of the training part's class shares; of the probabilities put back to these from the shares
    they follow; and with a slope and an offset per class that fit the validation part best.
    """
    shares = cell.class_counts / cell.class_counts.sum()
    found = {"log_loss_of_shares": -np.log(shares[y]).mean()}
    prior = getattr(model, "prior_", None)
    if prior is not None:
        found["log_loss_corrected"] = _loss_of(_log(p) + np.log(shares / prior), y)
    line = _calibration(_log(held_out), cell.y_val)
    found["log_loss_calibrated"] = _loss_of(line(_log(p)), y)
    return found


def _log(probabilities):
    return np.log(np.maximum(probabilities, protocol.TINY))


def _loss_of(logits, y):
    logits = logits - logits[np.arange(len(y)), y][:, None]
    return logsumexp(logits, axis=1).mean()


def _calibration(logits, y):
    """Slope and offsets with the lowest log loss, as a function of logits."""

    def loss(line):
        return _loss_of(np.exp(line[0]) * logits + line[1:], y)

    start = np.zeros(1 + logits.shape[1])
    line = minimize(loss, start, method="L-BFGS-B", bounds=[(-5, 5)] * len(start)).x
    return lambda logits: np.exp(line[0]) * logits + line[1:]


# As it was imported: who edits this file meanwhile changes no key of the memo.
SOURCES = [
    inspect.getsource(part)
    for part in (
        *(_Cell, _Stopping, _StoppedCell, _EpochCell, _model, scored, _log_losses, _calibration),
    )
]


def _work(study, fit, parts):
    """Rows of :func:`scored`, from the local memo where these very ones were made before."""
    import torch

    family = study.family(fit.family)
    key = [
        *(astuple(fit), repr(SETTINGS[fit.setting]), sorted(parts), family),
        *(content_of(fit.dataset), study.protocol.model_dump(), study.learner(fit.learner)),
        *(code_hash(fit.family), SOURCES),
    ]
    path = cache_file("settings_that_pretend", json.dumps(key), ".json")
    content = recall(path)
    if content is None:
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        content = json.dumps(scored(study, fit, parts)).encode()
        remember(path, content)
    return json.loads(content)


def compute(datasets, learners, splits, step_splits, jobs=-1, progress=print):
    """Fit and score everything that the chapter shows.

    Parameters
    ----------
    datasets, learners, splits, step_splits
        See :func:`plan`.
    jobs : int
        Processes; -1 for one per core.
    progress : callable
        Called with a line of text now and then.

    Returns
    -------
    DataFrame
        One row per fit, part and rule, sorted: ``dataset``, ``learner``, ``family``,
        ``strategy``, ``control``, ``setting``, ``version`` (fair or pretending), ``split``,
        ``part``, ``rule``, ``status``, ``reason``, ``steps``, the metrics, and of test folds
        three more log losses, see :func:`log_losses`.
    """
    study = config.load()
    todo = plan(study, datasets, learners, splits, step_splits)
    for name in datasets:
        data = data_of(name, study.protocol)[0]
        if data.schema["modality"] == "text":
            embed(data.X, study.protocol.encoder)
    # Long ones first; one with others that need the same data.
    order = sorted(todo, key=lambda fit: -SETTINGS[fit.setting].scale)
    call, rows = joblib.delayed(_work), []
    with joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
        pool = joblib.Parallel(return_as="generator")
        for done, found in enumerate(pool(call(study, fit, todo[fit]) for fit in order), 1):
            rows += found
            if done % 50 == 0 or done == len(order):
                progress(f"{done} of {len(order)} fits")
    keys = ["dataset", "learner", "family", "strategy", "control", "primary", "setting", "version"]
    keys += ["split", "part", "rule", "status", "reason", "steps"]
    table = pd.DataFrame(rows).reindex(columns=[*keys, *SCORES])
    table[SCORES] = table[SCORES].astype(float).round(6) + 0.0
    return table.sort_values([*FIT, "part", "rule"], ignore_index=True)


def _differences(table, part):
    """Strategies minus their controls, on one part of the data.

    Returns
    -------
    callable
        ``of(learner, (family, strategy), setting, setting of the control)``: a DataFrame, by data
        set, means over splits of a column per outcome.
    """
    rows = table[(table["status"] == "ok") & (table["part"] == part)]
    values = pd.DataFrame(
        {
            outcome: rows[rows["rule"] == rule].set_index([*FIT[1:5], "dataset", "split"])[metric]
            for outcome, (metric, rule) in {**OUTCOMES, **STEPPED}.items()
        }
    ).sort_index()
    homes = control_families(table).set_index(["family", "strategy"])
    homes = dict(zip(homes.index, homes[["control_family", "control"]].to_numpy(), strict=True))

    def one(*key):
        return values.loc[key] if key in values.index else values.iloc[:0].droplevel(FIT[1:5])

    def of(learner, pair, setting, setting_of_control):
        control = homes.get(pair, ("", ""))
        both = one(learner, *pair, setting) - one(learner, *control, setting_of_control)
        return both.dropna(how="all").groupby("dataset").mean()

    return of


def effects(table):
    """What a setting makes of strategy minus control, with 95 % intervals over data sets.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compute`.

    Returns
    -------
    DataFrame
        One row per comparison, strategy and outcome: ``effect``, ``learner``, ``strategy``,
        ``setting`` (the one that pretends), ``outcome``, ``datasets``; of ``fair``,
        ``pretending`` and their paired difference ``shift`` the mean, ``…_low`` and ``…_high``;
        ``turns``: whether the mean changes its sign, see :func:`turns`.
    """
    rows, difference = [], _differences(table, "test")
    for comparison in COMPARISONS:
        for name in comparison.strategies:
            pair = tuple(name.split("/"))
            fair = difference(comparison.learner, pair, FAIR, FAIR)
            settings = comparison.setting, comparison.setting if comparison.both else FAIR
            pretending = difference(comparison.learner, pair, *settings)
            for outcome in OUTCOMES:
                found = pd.DataFrame({"fair": fair[outcome], "pretending": pretending[outcome]})
                found = found.dropna()
                if found.empty:
                    continue
                key = comparison.effect, comparison.learner, pair[1], comparison.setting, outcome
                row = dict(zip([*NAMES, "outcome"], key, strict=True)) | {"datasets": len(found)}
                found["shift"] = found["pretending"] - found["fair"]
                for kind in ("fair", "pretending", "shift"):
                    ends = t_interval(found[kind])
                    row |= dict(zip((kind, f"{kind}_low", f"{kind}_high"), ends, strict=True))
                rows.append(row | {"turns": turns([row["fair"], row["pretending"]])})
    ends = [f"{kind}{end}" for kind in ("fair", "pretending", "shift") for end in ENDS.values()]
    names = [*NAMES, "outcome", "datasets", *ends, "turns"]
    return pd.DataFrame(rows, columns=names).astype({"turns": bool})


def turns(means):
    """Whether means of differences have both signs, one of them more than :data:`LARGE`.

    What prints as zero has no sign.
    """
    low, high = min(means), max(means)
    return bool(low <= -SMALLEST and high >= SMALLEST and max(-low, high) > LARGE)


def steps_effects(table):
    """Strategy minus control on validation parts, with half, all and twice the steps for both.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compute`.

    Returns
    -------
    DataFrame
        One row per learner, primary strategy and outcome: ``learner``, ``strategy``,
        ``outcome``, ``datasets``, means over data sets under the settings' names, ``turns``.
    """
    rows, difference = [], _differences(table, "validation")
    tried = table[(table["part"] == "validation") & table["primary"]]
    names = tried[["learner", "family", "strategy"]].drop_duplicates()
    for learner, *pair in names.itertuples(index=False):
        family, strategy = pair
        means = {setting: difference(learner, tuple(pair), setting, setting) for setting in STEPS}
        for outcome in STEPPED:
            found = pd.DataFrame(
                {setting: part[outcome] for setting, part in means.items()}
            ).dropna()
            if len(found):
                row = {
                    "learner": learner,
                    "family": family,
                    "strategy": strategy,
                    "outcome": outcome,
                }
                row |= {"datasets": len(found), **found.mean()}
                rows.append(row | {"turns": turns(found.mean())})
    names = ["learner", "family", "strategy", "outcome", "datasets", *STEPS, "turns"]
    return pd.DataFrame(rows, columns=names).astype({"turns": bool})


def log_losses(table):
    """The log loss of every fair fit of a primary strategy on its test fold.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compute`.

    Returns
    -------
    DataFrame
        One row per fit: ``dataset``, ``learner``, ``strategy``, ``split``; as multiples of the
        log loss of the training part's class shares ``ratio``; ``corrected``, with the
        probabilities put back to these shares from those they follow (NaN where these are not
        known); ``calibrated``, with a slope and an offset per class fitted on the validation
        part; ``untreated``, of the ``control`` where that is of family ``reference``, else of
        ``plain``; and the ``reason`` of a ratio above :data:`FACTOR`, the first of
        :data:`REASONS` that holds, else "".
    """
    rows = table[(table["setting"] == FAIR) & (table["part"] == "test")]
    rows = rows[(rows["rule"] == "argmax") & rows["log_loss"].notna()]
    place = ["dataset", "learner", "split"]
    found = rows[[*place, "family", "strategy", "control", "primary"]].assign(
        ratio=rows["log_loss"] / rows["log_loss_of_shares"],
        corrected=rows["log_loss_corrected"] / rows["log_loss_of_shares"],
        calibrated=rows["log_loss_calibrated"] / rows["log_loss_of_shares"],
    )
    reference = found[found["family"] == "reference"].rename(columns={"ratio": "untreated"})
    known = set(reference["strategy"])
    found["control"] = found["control"].where(found["control"].isin(known), "plain")
    reference = reference.set_index([*place, "strategy"])["untreated"]
    found = found[found["primary"]].drop(columns=["primary", "family"])
    found = found.join(reference, on=[*place, "control"])
    above = found["ratio"] > FACTOR
    holds = [
        found["corrected"] <= FACTOR,
        found["untreated"] > FACTOR,
        found["calibrated"] <= FACTOR,
    ]
    reasons = np.select(holds, list(REASONS)[:3], list(REASONS)[3])
    return found.assign(reason=np.where(above, reasons, "")).reset_index(drop=True)


def marked(table, steps):
    """The table with a column ``undecided``: outcomes whose sign the number of steps turns.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compute`.
    steps : DataFrame
        Of :func:`steps_effects`.

    Returns
    -------
    DataFrame
        ``undecided`` is the same in all rows of a learner and strategy: names of metrics with a
        blank between, "" where there are none.
    """
    turned = steps[steps["turns"]]
    names = turned.assign(metric=[STEPPED[outcome][0] for outcome in turned["outcome"]])
    names = names.groupby(["learner", "family", "strategy"])["metric"].agg(" ".join)
    found = table.join(names.rename("undecided"), on=["learner", "family", "strategy"])
    return found.assign(undecided=found["undecided"].fillna(""))


@mpl.rc_context(STYLE)
def plot(effects, outcome):
    """Strategy minus control under the fair and under the pretending setting.

    Parameters
    ----------
    effects : DataFrame
        Of :func:`effects`.
    outcome : str
        Of :data:`OUTCOMES`.
    """
    part = effects[effects["outcome"] == outcome]
    family = part["effect"] + ", " + part["learner"]
    several = part.groupby(["effect", "learner", "strategy"])["setting"].transform("size") > 1
    name = part["strategy"].where(~several, part["strategy"] + ", " + part["setting"])
    rows = [
        pd.DataFrame(
            {"family": family, "label": name + " (" + family + ")", "version": version}
            | {to: part[f"{version}{end}"] for to, end in ENDS.items()}
        )
        for version in LOOKS
    ]
    return plots.effects(
        pd.concat(rows),
        f"{outcome}: strategy minus control, mean over data sets and 95 % interval",
        series="version",
        looks=LOOKS,
        names={"fair": "as in the study", "pretending": "with the setting that pretends"},
        columns=1,
    )


def shown(effects, effect):
    """One effect as the page shows it.

    Parameters
    ----------
    effects : DataFrame
        Of :func:`effects`.
    effect : str

    Returns
    -------
    DataFrame of str
    """
    part = effects[effects["effect"] == effect]
    table = part[["learner", "strategy", "setting"]].assign(
        learner=part["learner"].map(code), strategy=part["strategy"].map(code)
    )
    table["outcome"] = part["outcome"]
    for kind in ("fair", "pretending", "shift"):
        ends = part[[f"{kind}{end}" for end in ENDS.values()]]
        table[kind] = [with_interval(*row) for row in (ends.round(3) + 0.0).to_numpy()]
    table["sign"] = np.where(part["turns"], "**turns**", "")
    return table.rename(columns={"fair": "the study's"})


def steps_made(table):
    """How many steps networks make that are stopped early, and those that are not.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compute`.

    Returns
    -------
    DataFrame
        ``strategy`` and means over data sets and splits.
    """
    rows = table[
        (table["learner"] == "mlp") & (table["part"] == "test") & (table["rule"] == "argmax")
    ]
    wide = rows.pivot_table(index="strategy", columns="setting", values="steps", sort=False)
    wide = wide[["early stopping", FAIR]].dropna().round().astype(int).reset_index()
    names = {"early stopping": "steps, stopped early", FAIR: "steps in the study"}
    return wide.assign(strategy=wide["strategy"].map(code)).rename(columns=names)


def steps_shown(steps):
    """Differences with other steps as the page shows them.

    Parameters
    ----------
    steps : DataFrame
        Of :func:`steps_effects`.

    Returns
    -------
    DataFrame of str
    """
    table = steps[["learner", "strategy", "outcome", "datasets"]].rename(
        columns={"datasets": "data sets"}
    )
    for setting in STEPS:
        table[setting] = [f"{value:+.3f}" for value in steps[setting].round(3) + 0.0]
    table["sign"] = np.where(steps["turns"], "**turns**", "")
    return table.assign(learner=table["learner"].map(code), strategy=table["strategy"].map(code))


def losses_shown(losses):
    """Strategies with fits whose log loss asks for a reason, and the reasons.

    Parameters
    ----------
    losses : DataFrame
        Of :func:`log_losses`.

    Returns
    -------
    DataFrame
        Medians are over the fits above the factor.
    """
    rows = []
    for strategy, part in losses.groupby("strategy", sort=False):
        above = part[part["reason"] != ""]
        if len(above):
            counts = above["reason"].value_counts()
            row = {"strategy": code(strategy), "fits": len(part), "above": len(above)}
            row |= {"median": above["ratio"].median(), "corrected": above["corrected"].median()}
            row |= {"untreated": above["untreated"].median()}
            rows.append(row | {name: int(counts.get(name, 0)) for name in REASONS})
    table = pd.DataFrame(rows).round(1)
    return table.sort_values("above", ascending=False, kind="stable")


def _names(pairs):
    return ", ".join(dict.fromkeys(pairs)) or "none"


def conclusion(effects, steps, losses):
    """What came out, in one list.

    Parameters
    ----------
    effects, steps, losses : DataFrame
        Of the functions of these names.
    """
    lines = []
    for (effect, learner), part in effects.groupby(["effect", "learner"], sort=False):
        means = [
            f"{rows['shift'].abs().mean():.3f} in {outcome}"
            for outcome, rows in part.groupby("outcome", sort=False)
        ]
        most = part.loc[part["shift"].abs().idxmax()]
        clear = (part["shift_low"] > 0) | (part["shift_high"] < 0)
        turned = part[part["turns"]]
        lines.append(
            f"- **{effect.capitalize()}** ({code(learner)}, {part['datasets'].max()} data sets) "
            f"moves a difference to the control up or down, on average by {'; '.join(means)}; most "
            f"that of {code(most['strategy'])} ({most['setting']}, {most['outcome']}), to "
            f"{most['pretending']:+.3f} from {most['fair']:+.3f}. {len(turned)} of {len(part)} "
            f"change sign ({_names(map(code, turned['strategy']))}); {int(clear.sum())} move by an "
            f"interval clear of zero."
        )
    for learner, part in steps.groupby("learner", sort=False):
        turned = part[part["turns"]]
        outcomes = turned.groupby("strategy", sort=False)["outcome"].agg(", ".join)
        named = [f"{code(strategy)} ({words})" for strategy, words in outcomes.items()]
        large = (part[STEPS].abs() > LARGE).any(axis=1)
        start = part.loc[part["strategy"] == "bias_init", STEPS]
        span = (start.max(axis=1) - start.min(axis=1)).max()
        noise = (
            f" `bias_init`, which only changes where training starts, spans {span:.3f}: a "
            "yardstick of what fits differ by without a remedy."
        )
        lines.append(
            f"- **Half and twice the steps** ({code(learner)}, validation parts of "
            f"{part['datasets'].max()} data sets): of {int(large.sum())} differences larger than "
            f"{LARGE:g}, those that turn their sign and are undecided are {len(turned)}: "
            f"{_names(named)}."
            f"{'' if start.empty else noise}"
        )
    above = losses[losses["reason"] != ""]
    said = []
    for name, why in REASONS.items():
        by = above.loc[above["reason"] == name, "learner"].value_counts()
        if len(by):
            learners = ", ".join(f"{code(learner)} {count}" for learner, count in by.items())
            said.append(f"{by.sum()} *{name}*: {why} ({learners})")
    lines.append(
        f"- **Log loss:** {len(above)} of {len(losses)} fits of primary strategies have one of "
        f"more than {FACTOR} times that of the class shares. Reasons, the first that holds: "
        f"{'; '.join(said) or 'none needed'}."
    )
    return "\n".join(lines)
