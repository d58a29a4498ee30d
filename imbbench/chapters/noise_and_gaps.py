"""Losses on wrong labels, and what is learnt by heart, for notebook 17."""

import itertools
from dataclasses import dataclass

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from imbbench import config
from imbbench.analysis.plots import DASHES, PALETTE, STYLE, new_figure
from imbbench.analysis.prose import code, with_interval
from imbbench.analysis.statistics import t_interval
from imbbench.bench.cell import Cell, Task, split_of, view_of
from imbbench.bench.encoder import embed
from imbbench.bench.prepared import data_of
from imbbench.bench.protocol import seed_for
from imbbench.bench.registry import NotApplicable, learner_class, resolve
from imbbench.strategies.loss.focal import FocalLoss
from imbbench.strategies.loss.ghm import GHMCLoss

NETWORK = "mlp"
FLIPPED = (0.0, 0.05, 0.1, 0.2, 0.3)  # share of either class's labels
LOSSES = {
    "cross-entropy": lambda: None,
    "focal, γ = 2": lambda: FocalLoss(2.0),
    "GHM, 10 bins": lambda: GHMCLoss(10),
}
BY_HEART = {
    "plain": ("reference", "plain"),
    "copies": ("oversampling", "over_1_1"),
    "SMOTE": ("oversampling", "smote"),
    "copies of texts": ("augmentation", "copies"),
    "augmented texts": ("augmentation", "eda"),
}
BASE = "plain"


@dataclass(frozen=True)
class Noisy:
    """Names of one fit on wrong labels."""

    dataset: str
    loss: str
    flipped: float
    split: int


@dataclass(frozen=True)
class Learnt:
    """Names of one fit that is looked at on its own training rows, too."""

    dataset: str
    learner: str
    strategy: str
    split: int


def flip(y, share, rng):
    """Labels of two classes of which ``share`` of either class are the other one."""
    wrong = y.copy()
    for c in (0, 1):
        rows = np.flatnonzero(y == c)
        wrong[rng.permutation(rows)[: round(share * len(rows))]] = 1 - c
    return wrong


def noisy(study, fit):
    """Train on wrong labels, score on right ones: ``average_precision`` of the minority."""
    data = split_of(study, fit.dataset, NETWORK, fit.split)
    seed = seed_for(study.protocol.seed, fit.dataset, fit.split, "noise")
    task = Task(fit.dataset, "loss", NETWORK, "noise", fit.split)
    cell = Cell(study, task, split=data, seed=seed)
    # The same labels are wrong for every loss, and those of less noise are among those of more.
    y = flip(cell.y, fit.flipped, np.random.default_rng(seed))
    settings = {} if (loss := LOSSES[fit.loss]()) is None else {"loss": loss}
    p = cell.fit(cell.X, y, **settings).predict_proba(view_of(data.X_test))[:, 1]
    return vars(fit) | {"average_precision": average_precision_score(data.y_test, p)}


def learnt(study, fit):
    """Fit a strategy and score it on training and test rows.

    Returns
    -------
    dict or None
        ``train`` and ``test``: average precision of the minority, on the training part as it is
        and on the test fold. None where the strategy does not apply.
    """
    family, name = BY_HEART[fit.strategy]
    task = Task(fit.dataset, family, fit.learner, name, fit.split)
    cell = Cell(study, task, reuse=False)
    call, _ = resolve(family, name, study.family(family)[name])
    try:
        model = call(cell)
    except NotApplicable:
        return None
    data = split_of(study, fit.dataset, fit.learner, fit.split)
    found = {}
    for part, X, y in (("train", cell.X, cell.y), ("test", view_of(data.X_test), data.y_test)):
        found[part] = average_precision_score(y, model.predict_proba(X)[:, 1])
    return vars(fit) | found


def _work(study, task):
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if isinstance(task, Noisy):
        return "noise", noisy(study, task)
    return "gap", learnt(study, task)


def compute(datasets, learners, splits, jobs=-1, progress=print):
    """Everything that the chapter shows.

    Parameters
    ----------
    datasets : list of str
        Of two classes; tables for the losses, tables and texts for the gaps.
    learners : list of str
        Of the gaps.
    splits : int

    Returns
    -------
    noise, gaps : DataFrame
        Of :func:`noisy` and :func:`learnt`.
    """
    study = config.load()
    kinds = {name: data_of(name, study.protocol)[0].schema["modality"] for name in datasets}
    for name, kind in kinds.items():
        if kind == "text":
            embed(data_of(name, study.protocol)[0].X, study.protocol.encoder)
    todo = [
        Learnt(name, learner, strategy, split)
        for name, learner in itertools.product(datasets, learners)
        if kinds[name] in learner_class(study, learner).features
        for strategy, split in itertools.product(BY_HEART, range(splits))
    ]
    todo += [
        Noisy(name, loss, share, split)
        for name in datasets
        if kinds[name] == "tabular"
        for loss, share, split in itertools.product(LOSSES, FLIPPED, range(splits))
    ]
    call, found = joblib.delayed(_work), {"noise": [], "gap": []}
    with joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
        pool = joblib.Parallel(return_as="generator")
        for done, (kind, row) in enumerate(pool(call(study, task) for task in todo), 1):
            found[kind] += [] if row is None else [row]
            if done % 50 == 0 or done == len(todo):
                progress(f"{done} of {len(todo)} fits")
    noise = pd.DataFrame(found["noise"]).sort_values(["dataset", "loss", "flipped", "split"])
    gaps = pd.DataFrame(found["gap"]).sort_values(["dataset", "learner", "strategy", "split"])
    return noise.reset_index(drop=True), gaps.reset_index(drop=True)


def losses_on_noise(noise):
    """Losses minus cross-entropy at every share of wrong labels.

    Returns
    -------
    DataFrame
        ``loss``, ``flipped``, ``mean``, ``low``, ``high`` (over data sets), ``datasets``.
    """
    keys = ["dataset", "loss", "flipped"]
    wide = noise.groupby(keys)["average_precision"].mean().unstack("loss")
    plain, *others = LOSSES
    rows = []
    for loss, share in itertools.product(others, FLIPPED):
        values = (wide[loss] - wide[plain]).xs(share, level="flipped").dropna()
        rows.append((loss, share, *t_interval(values), len(values)))
    return pd.DataFrame(rows, columns=["loss", "flipped", "mean", "low", "high", "datasets"])


def gaps_to_plain(gaps):
    """What a strategy adds to the gap between training and test, and to the test.

    Returns
    -------
    DataFrame
        ``learner``, ``strategy``, ``datasets``, ``gap`` (train minus test, mean), ``wider``,
        ``…_low``, ``…_high`` (its gap minus that of plain), ``test``, ``…_low``, ``…_high`` (test
        minus that of plain).
    """
    cells = gaps.assign(gap=gaps["train"] - gaps["test"])
    cells = cells.groupby(["learner", "strategy", "dataset"])[["gap", "test"]].mean()
    rows = []
    for (learner, strategy), part in cells.groupby(level=["learner", "strategy"], sort=False):
        values = part.droplevel(["learner", "strategy"])
        base = cells.xs((learner, BASE), level=("learner", "strategy"))
        both = (values - base).dropna()
        one = {"learner": learner, "strategy": strategy, "datasets": len(both)}
        one["gap"] = values["gap"].mean()
        for name, column in (("wider", "gap"), ("test", "test")):
            ends = (name, f"{name}_low", f"{name}_high")
            one |= dict(zip(ends, t_interval(both[column]), strict=True))
        rows.append(one)
    table = pd.DataFrame(rows)
    place = table["strategy"].map(list(BY_HEART).index)
    table = table.assign(place=place).sort_values(["learner", "place"], ignore_index=True)
    return table.drop(columns="place")


def shown_noise(table):
    """:func:`losses_on_noise` for reading."""
    texts = [with_interval(row.mean, row.low, row.high) for row in table.itertuples()]
    found = table.assign(text=texts, flipped=(100 * table["flipped"]).round().astype(int))
    wide = found.pivot(index="flipped", columns="loss", values="text").reset_index()
    return wide.rename(columns={"flipped": "wrong labels (%)"}).rename_axis(columns=None)


def shown_gaps(table):
    """:func:`gaps_to_plain` for reading."""
    rows = []
    for row in table.itertuples():
        same = row.strategy == BASE
        wider, test = (
            "" if same else with_interval(*(getattr(row, f"{name}{end}") for end in ENDS))
            for name in ("wider", "test")
        )
        rows.append((code(row.learner), row.strategy, row.datasets, round(row.gap, 3), wider, test))
    heads = ["learner", "strategy", "data sets", "train minus test"]
    return pd.DataFrame(rows, columns=[*heads, "wider than plain by", "test, minus plain"])


ENDS = ("", "_low", "_high")


def conclusion(noise, gaps):
    """Sentences on both."""
    table = losses_on_noise(noise)
    most = max(FLIPPED)
    said = [
        f"{row.loss} {with_interval(row.mean, row.low, row.high)}"
        for row in table[table["flipped"] == most].itertuples()
    ]
    clean = [
        f"{row.loss} {with_interval(row.mean, row.low, row.high)}"
        for row in table[table["flipped"] == 0].itertuples()
    ]
    lines = [
        f"- With {most:.0%} of the labels wrong, average precision minus that of cross-entropy: "
        f"{'; '.join(said)}. With none wrong: {'; '.join(clean)}."
    ]
    wider = gaps_to_plain(gaps)
    for strategy in BY_HEART:
        part = wider[(wider["strategy"] == strategy)]
        if strategy == BASE or part.empty:
            continue
        first = part.loc[part["wider"].idxmax()]
        lines.append(
            f"- With {strategy} the gap between training and test widens most with "
            f"{code(first['learner'])}: by "
            f"{with_interval(*(first[f'wider{end}'] for end in ENDS))}; on the test rows that "
            f"changes average precision there by "
            f"{with_interval(*(first[f'test{end}'] for end in ENDS))}."
        )
    return "\n".join(lines)


@mpl.rc_context(STYLE)
def plot(noise):
    """Average precision along the share of wrong labels, mean over data sets."""
    figure, ((ax,),) = new_figure(3.0)
    means = noise.groupby(["loss", "flipped", "dataset"])["average_precision"].mean()
    means = means.groupby(["loss", "flipped"]).mean()
    for loss, colour, dash, mark in zip(LOSSES, PALETTE, DASHES, "oDs", strict=False):
        ax.plot(100 * means[loss].index, means[loss], color=colour, ls=dash, marker=mark, ms=4,
                label=loss)  # fmt: skip
    ax.set(xlabel="labels of the training part that are wrong (%)", ylabel="average precision")
    ax.legend()
    return figure
