"""Batches without a minority row, and whose gradient it is, for notebook 15."""

import itertools
from dataclasses import dataclass

import joblib
import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from imbbench import config
from imbbench.analysis.plots import DASHES, PALETTE, STYLE, new_figure, words
from imbbench.analysis.prose import with_interval
from imbbench.analysis.statistics import t_interval
from imbbench.bench.cell import Cell, Task, split_of, view_of
from imbbench.bench.metrics import label_metrics
from imbbench.bench.protocol import balanced_accuracy, decide, seed_for, tune_offsets
from imbbench.strategies.loss.focal import FocalLoss

LEARNER = "mlp"
RATIOS = (10, 50, 100, 200)
SIZES = (8, 32, 256)
ARMS = {
    "shuffled": "rows in random order",
    "spread": "the same rows, the minority spread over the batches",
    "balanced": "half of every batch from either class",
}
EPOCHS = 20
MAJORITY = 2000  # most rows of it that are trained on
LOSSES = {"cross-entropy": None, "focal, γ = 2": 2.0}
LOOKED = 25  # times a training is looked at


@dataclass(frozen=True)
class Fit:
    """Names of one fit."""

    dataset: str
    ratio: int
    size: int
    arm: str
    split: int


class Spread:
    """Batches that hold the minority as evenly as whole rows can.

    Every class's rows are dealt from a shuffled deck, which is shuffled again when it is used up.
    """

    def __init__(self):
        self.decks, self.dealt = {}, 0

    def __call__(self, y, progress, rng, size):
        share = np.mean(y == 1)
        due = int(np.floor((self.dealt + 1) * share * size + 1e-9))
        before = int(np.floor(self.dealt * share * size + 1e-9))
        self.dealt += 1
        rows = self._deal(y, 1, due - before, rng) + self._deal(y, 0, size - due + before, rng)
        return np.array(rows), None

    def _deal(self, y, code, count, rng):
        taken = []
        while len(taken) < count:
            if not self.decks.get(code):
                self.decks[code] = list(rng.permutation(np.flatnonzero(y == code)))
            taken.append(self.decks[code].pop())
        return taken


def _balanced(y, progress, rng, size):
    half = size // 2
    rows = [rng.choice(np.flatnonzero(y == c), n) for c, n in ((0, size - half), (1, half))]
    return np.concatenate(rows), None


DRAWS = {"shuffled": lambda: None, "spread": Spread, "balanced": lambda: _balanced}


def thinned(y, ratio, rng):
    """Rows of a training part whose majority is ``ratio`` times as many as its minority.

    Returns
    -------
    ndarray of int or None
        None where there are too few of the minority, or fewer than ten are left.
    """
    majority, minority = (np.flatnonzero(y == code) for code in (0, 1))
    kept = min(len(majority), MAJORITY)
    wanted = round(kept / ratio)
    if not 10 <= wanted <= len(minority):
        return None
    rows = rng.permutation(majority)[:kept], rng.permutation(minority)[:wanted]
    return np.concatenate(rows)


def _cell(study, dataset, split):
    data = split_of(study, dataset, LEARNER, split)
    seed = seed_for(study.protocol.seed, dataset, split, "batches")
    task = Task(dataset, "schedule", LEARNER, "batches", split)
    return data, Cell(study, task, split=data, seed=seed)


def collapse(study, fit):
    """Train on a thinned part, and whether the network then ever says minority.

    Returns
    -------
    dict or None
        ``collapsed`` (no test row is called minority), ``empty`` (share of batches of a random
        order that hold no minority row), ``recall``, ``balanced_accuracy`` at argmax,
        ``balanced_accuracy_moved`` (its cut-off moved for it), ``average_precision``. None where
        the data have no such ratio.
    """
    data, cell = _cell(study, fit.dataset, fit.split)
    rng = np.random.default_rng(seed_for("batches", fit.dataset, fit.ratio, fit.split))
    rows = thinned(cell.y, fit.ratio, rng)
    if rows is None:
        return None
    steps = round(EPOCHS * len(rows) / fit.size)
    settings = {"batch_size": fit.size, "steps": steps, "draw": DRAWS[fit.arm]()}
    model = cell.fit(cell.X[rows], cell.y[rows], **settings)
    p = model.predict_proba(view_of(data.X_test))
    said = label_metrics(data.y_test, decide(p), 2)
    offsets = tune_offsets(model.predict_proba(cell.X_val), cell.y_val, balanced_accuracy)
    moved = label_metrics(data.y_test, decide(p, offsets), 2)
    share = np.mean(cell.y[rows] == 1)
    return vars(fit) | {
        "collapsed": float(not (decide(p) == 1).any()),
        "empty": (1 - share) ** fit.size,
        "recall": said["recall"][1],
        "balanced_accuracy": said["balanced_accuracy"],
        "balanced_accuracy_moved": moved["balanced_accuracy"],
        "average_precision": average_precision_score(data.y_test, p[:, 1]),
    }


class _Watched:
    """Plain training that writes down each class's share of the gradient now and then."""

    def __init__(self, loss, steps):
        self.loss, self.rows = loss, []
        self.every = max(1, steps // LOOKED)

    def __call__(self, network, optimiser, inputs, labels, rng):
        import torch

        made = 0

        def look(progress):
            network.eval()
            logits = network(inputs).detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.loss(logits, labels), logits)
            pull = gradient.abs().sum(dim=1)
            of_minority = float(pull[labels == 1].sum() / pull.sum())
            right = torch.softmax(logits.detach(), 1).gather(1, labels[:, None])[:, 0]
            surest = float(right[labels == 0].mean()), float(right[labels == 1].mean())
            self.rows.append((progress, of_minority, *surest))
            network.train()

        def step(rows, progress):
            nonlocal made
            if made % self.every == 0:
                look(progress)
            made += 1
            value = self.loss(network(inputs[rows]), labels[rows])
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            optimiser.step()
            return len(rows)

        return step


def gradients(study, dataset, name, split):
    """Whose gradient it is, along one training.

    Returns
    -------
    list of dict
        ``progress`` (share of the steps), ``minority`` (its share of the sum of absolute
        gradients by the logits, over the training part), ``sure_majority``, ``sure_minority``
        (mean probability of the true class), and ``rows``: the minority's share of the rows.
    """
    import torch

    _, cell = _cell(study, dataset, split)
    gamma = LOSSES[name]
    loss = torch.nn.CrossEntropyLoss() if gamma is None else FocalLoss(gamma)
    watched = _Watched(loss, cell.steps)
    cell.fit(stepper=watched)
    names = {"dataset": dataset, "loss": name, "split": split, "rows": float(np.mean(cell.y == 1))}
    keys = ["progress", "minority", "sure_majority", "sure_minority"]
    return [names | dict(zip(keys, row, strict=True)) for row in watched.rows]


def _work(study, task):
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if isinstance(task, Fit):
        found = collapse(study, task)
        return "collapse", [] if found is None else [found]
    return "gradient", gradients(study, *task)


def compute(datasets, watched, splits, jobs=-1, progress=print):
    """Everything that the chapter shows.

    Parameters
    ----------
    datasets : list of str
        Of two classes, for batches.
    watched : list of str
        Of two classes, for gradients.
    splits : int

    Returns
    -------
    collapses, gradients : DataFrame
        Of :func:`collapse` and :func:`gradients`.
    """
    study = config.load()
    todo = [
        Fit(dataset, ratio, size, arm, split)
        for size in SIZES  # small batches make many steps: those that take longest come first
        for dataset, ratio, arm in itertools.product(datasets, RATIOS, ARMS)
        for split in range(splits)
    ]
    todo += list(itertools.product(watched, LOSSES, range(splits)))
    call, found = joblib.delayed(_work), {"collapse": [], "gradient": []}
    with joblib.parallel_config(backend="loky", n_jobs=jobs, inner_max_num_threads=1):
        pool = joblib.Parallel(return_as="generator")
        for done, (kind, rows) in enumerate(pool(call(study, task) for task in todo), 1):
            found[kind] += rows
            if done % 50 == 0 or done == len(todo):
                progress(f"{done} of {len(todo)} fits")
    keys = ["dataset", "ratio", "size", "arm", "split"]
    collapses = pd.DataFrame(found["collapse"]).sort_values(keys, ignore_index=True)
    keys = ["dataset", "loss", "split", "progress"]
    return collapses, pd.DataFrame(found["gradient"]).sort_values(keys, ignore_index=True)


def shown(collapses):
    """Share of collapsed runs, recall and balanced accuracy, for reading."""
    groups = collapses.groupby(["ratio", "size", "arm"], sort=False)
    means = groups.mean(numeric_only=True)
    means["datasets"] = groups["dataset"].nunique()
    rows = []
    for ratio, size in itertools.product(RATIOS, SIZES):
        if (ratio, size) not in means.index.droplevel("arm"):
            continue
        part = means.loc[(ratio, size)]
        texts = [
            f"{100 * part.loc[arm, 'collapsed']:.0f} %, {part.loc[arm, 'recall']:.2f}, "
            f"{part.loc[arm, 'balanced_accuracy_moved']:.3f}"
            for arm in ARMS
        ]
        empty = round(100 * part["empty"].iloc[0])
        rows.append((f"1:{ratio}", part["datasets"].iloc[0], size, empty, *texts))
    heads = ["ratio", "data sets", "batch", "batches without minority (%)", *ARMS]
    return pd.DataFrame(rows, columns=heads)


def conclusion(collapses, table):
    """Sentences on batches and gradients."""
    means = collapses.groupby("arm")[["collapsed", "recall", "average_precision"]].mean()
    keys = ["dataset", "ratio", "size", "split"]
    wide = collapses.pivot(index=keys, columns="arm", values="average_precision")
    wide = wide.groupby(["dataset", "ratio", "size"]).mean()
    spread, balanced = (
        t_interval((wide[arm] - wide["shuffled"]).groupby("dataset").mean())
        for arm in ("spread", "balanced")
    )
    lines = [
        f"- {means.loc['shuffled', 'collapsed']:.0%} of the trainings on shuffled batches end with "
        "a network that never says minority at its default cut-off, "
        f"{means.loc['spread', 'collapsed']:.0%} where the same rows are spread evenly over the "
        f"batches, {means.loc['balanced', 'collapsed']:.0%} on balanced batches.",
        "- Average precision, which no cut-off changes: spread minus shuffled "
        f"{with_interval(*spread)}, balanced minus shuffled {with_interval(*balanced)} (over "
        f"{wide.index.unique('dataset').size} data sets).",
    ]
    late = table[table["progress"] >= 0.2]
    share = late.groupby(["dataset", "loss"])["minority"].mean().unstack("loss")
    plain, focal = LOSSES
    gap = t_interval(share[focal] - share[plain])
    rows = table.groupby("dataset")["rows"].first().mean()
    lines.append(
        f"- After a fifth of the steps the minority, {rows:.0%} of the rows, has "
        f"{share[plain].mean():.0%} of the gradient of cross-entropy and "
        f"{share[focal].mean():.0%} of focal loss: a difference of {with_interval(*gap)} over "
        f"{len(share)} data sets."
    )
    return "\n".join(lines)


@mpl.rc_context(STYLE)
def plot_batches(collapses):
    """Share of collapsed trainings over the ratio, a panel per batch size."""
    figure, (axes,) = new_figure(2.9, ncols=len(SIZES), sharey=True)
    for ax, size in zip(axes, SIZES, strict=True):
        part = collapses[collapses["size"] == size]
        for arm, colour, dash, mark in zip(ARMS, PALETTE, DASHES, "oDs", strict=False):
            share = 100 * part[part["arm"] == arm].groupby("ratio")["collapsed"].mean()
            ax.plot(share.index, share, color=colour, ls=dash, marker=mark, ms=4, label=arm)
        ax.set(xscale="log", xlabel="majority for each of the minority", title=f"batches of {size}")
        ax.set_xticks(RATIOS, [f"{ratio}" for ratio in RATIOS])
        ax.minorticks_off()
    axes[0].set_ylabel("trainings that collapse (%)")
    axes[0].set_ylim(-3, 103)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@mpl.rc_context(STYLE)
def plot_gradients(table):
    """The minority's share of the gradient along training, a panel per data set."""
    names = list(dict.fromkeys(table["dataset"]))
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    shape = {"nrows": lines, "ncols": columns, "sharex": True, "sharey": True}
    figure, axes = new_figure(0.6 + 2.1 * lines, **shape)
    for ax, name in zip(axes.flat, names, strict=False):
        part = table[table["dataset"] == name]
        for loss, colour, dash in zip(LOSSES, PALETTE, DASHES, strict=False):
            mean = part[part["loss"] == loss].groupby("progress")["minority"].mean()
            ax.plot(100 * mean.index, 100 * mean, color=colour, ls=dash, label=loss)
        ax.axhline(100 * part["rows"].iloc[0], color="#606060", lw=0.9, ls=":", label="its rows")
        ax.set_title(words(name))
    for i, ax in enumerate(axes.flat):
        ax.set_visible(i < len(names))
        if i + columns >= len(names):
            ax.set_xlabel("steps made (%)")
            ax.tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set_ylabel("share of the minority (%)")
    axes[0, 0].set(xlim=(0, 100), ylim=(0, 100))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
