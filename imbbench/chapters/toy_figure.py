"""An easy and a hard task at growing imbalance ratios, for notebook 13."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from sklearn.ensemble import AdaBoostClassifier
from sklearn.neighbors import KNeighborsClassifier

from imbbench.analysis.plots import PALETTE, STYLE, new_figure
from imbbench.analysis.statistics import t_interval
from imbbench.bench.metrics import label_metrics
from imbbench.bench.protocol import seed_for

# Distance between the classes' centres, in standard deviations of either class.
TASKS = {"easy": 6.0, "hard": 1.5}
RATIOS = (1, 10, 50, 100)
MAJORITY = 1000
TESTED = 1000  # rows of either class that are tested on, whatever the ratio
LEARNERS = {
    "5 neighbours": lambda seed: KNeighborsClassifier(5),
    "AdaBoost": lambda seed: AdaBoostClassifier(n_estimators=50, random_state=seed),
}


def draw(distance, majority, minority, rng):
    """Two round normal classes in the plane.

    Parameters
    ----------
    distance : float
        Between their centres, in standard deviations.
    majority, minority : int
        Rows.
    rng : numpy.random.Generator

    Returns
    -------
    X, y : ndarray, (N, 2) and (N,)
    """
    y = np.repeat([0, 1], [majority, minority])
    X = rng.normal(size=(len(y), 2))
    X[:, 0] += distance * (y - 0.5)
    return X, y


def fitted(task, ratio, learner, seed):
    """A learner that was fitted, and what it was fitted and tested on.

    Returns
    -------
    model, (X, y), (X_test, y_test), predicted
    """
    rng = np.random.default_rng(seed_for("toy", task, ratio, seed))
    X, y = draw(TASKS[task], MAJORITY, MAJORITY // ratio, rng)
    X_test, y_test = draw(TASKS[task], TESTED, TESTED, rng)
    model = LEARNERS[learner](seed).fit(X, y)
    return model, (X, y), (X_test, y_test), model.predict(X_test)


def compute(seeds):
    """Recall of both classes for every task, ratio, learner and seed.

    Parameters
    ----------
    seeds : int

    Returns
    -------
    DataFrame
        ``task``, ``ratio``, ``learner``, ``seed``, ``balanced_accuracy``, ``majority_recall``,
        ``minority_recall``.
    """
    rows = []
    for task in TASKS:
        for ratio in RATIOS:
            for learner in LEARNERS:
                for seed in range(seeds):
                    _, _, (_, y), predicted = fitted(task, ratio, learner, seed)
                    found = label_metrics(y, predicted, 2)
                    rows.append((task, ratio, learner, seed, found["balanced_accuracy"],
                                 *found["recall"]))  # fmt: skip
    names = ["task", "ratio", "learner", "seed", "balanced_accuracy"]
    return pd.DataFrame(rows, columns=[*names, "majority_recall", "minority_recall"])


def shown(table):
    """Means over seeds with 95 % intervals, for reading."""
    groups = table.groupby(["task", "learner", "ratio"], sort=False)
    rows = []
    for (task, learner, ratio), part in groups:
        mean, low, high = t_interval(part["balanced_accuracy"])
        interval = f"{mean:.3f} [{low:.3f}, {high:.3f}]"
        recall = round(part["minority_recall"].mean(), 3)
        rows.append((task, learner, f"1:{ratio}", interval, recall))
    names = ["task", "learner", "minority to majority", "balanced accuracy [95 %]"]
    return pd.DataFrame(rows, columns=[*names, "minority recall"])


def conclusion(table):
    """Whether the ratio or the difficulty decides, in numbers."""
    means = table.groupby(["task", "ratio"])["balanced_accuracy"].mean()
    easy, hard = means["easy"], means["hard"]
    at = max(RATIOS)
    return (
        f"At 1:{at} the easy task is solved with a balanced accuracy of {easy[at]:.3f}, "
        f"{easy[1] - easy[at]:.3f} less than with equal classes; the hard one starts at "
        f"{hard[1]:.3f} with equal classes and falls to {hard[at]:.3f}. What the ratio costs "
        f"depends on how far the classes overlap: {hard[1] - hard[at]:.3f} against "
        f"{easy[1] - easy[at]:.3f}."
    )


@mpl.rc_context(STYLE)
def plot(seed=0):
    """Data, and what either learner makes of the plane, for every task and ratio.

    A row of panels per task and learner, a column per ratio. Rows of the minority are triangles;
    those that the learner gets wrong, among as many test rows as are drawn, are red.
    """
    lines = [(task, what) for task in TASKS for what in ("data", *LEARNERS)]
    figure, axes = new_figure(1.45 * len(lines), nrows=len(lines), ncols=len(RATIOS),
                              sharex="row", sharey="row")  # fmt: skip
    light, dark = "#bcd7ea", "#f6dcae"
    for number, (line, (task, what)) in enumerate(zip(axes, lines, strict=True)):
        reach = TASKS[task] / 2 + 4
        for ax, ratio in zip(line, RATIOS, strict=True):
            learner = what if what in LEARNERS else next(iter(LEARNERS))
            model, (X, y), _, _ = fitted(task, ratio, learner, seed)
            ax.set(xticks=[], yticks=[], xlim=(-reach, reach), ylim=(-4.5, 4.5))
            if what in LEARNERS:
                across, up = np.linspace(-reach, reach, 160), np.linspace(-4.5, 4.5, 100)
                plane = np.stack(np.meshgrid(across, up), axis=-1)
                said = model.predict(plane.reshape(-1, 2)).reshape(100, 160)
                ax.contourf(across, up, said, levels=[-0.5, 0.5, 1.5], colors=[light, dark])
                rng = np.random.default_rng(seed_for("toy", "drawn", task, ratio))
                X, y = draw(TASKS[task], 150, max(150 // ratio, 5), rng)
                wrong = model.predict(X) != y
            else:
                wrong = np.zeros(len(y), dtype=bool)
            for code, (mark, colour) in enumerate((("o", PALETTE[0]), ("^", PALETTE[1]))):
                at = (y == code) & ~wrong
                ax.plot(*X[at].T, mark, color=colour, ms=2.6, mew=0, alpha=0.8)
                at = (y == code) & wrong
                ax.plot(*X[at].T, mark, color="#d00000", ms=4.5, mec="black", mew=0.5)
            if number == 0:
                ax.set_title(f"1:{ratio}")
        line[0].set_ylabel(f"{task}\n{what}")
    return figure
