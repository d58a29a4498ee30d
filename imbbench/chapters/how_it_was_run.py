"""What the study cost to run, and what was left out for cost, for notebook 11."""

import heapq

import matplotlib as mpl
import numpy as np
import pandas as pd

from imbbench.analysis.plots import PALETTE, STYLE, new_figure, words
from imbbench.analysis.prose import code
from imbbench.analysis.tables import fitted
from imbbench.bench.rows import CELL

CORES = (1, 2, 8, 32, 100, 1000)
MIB = 2**10  # in a GiB


def by_dataset(loops):
    """Minutes of the ``run`` stages of each data set, the longest first.

    Parameters
    ----------
    loops : DataFrame
        Of :func:`imbbench.analysis.tables.load_loops`.

    Returns
    -------
    DataFrame
        ``data set``, ``stages``, ``cells``, ``stages (min)`` (all their time), ``loops (min)``,
        ``processor (min)`` (of all cells, also of those kept from an earlier run),
        ``utilisation (%)``, ``outside the loop (s)``, the median of a stage.
    """
    loops = loops.assign(available=loops["cores"] * loops["loop_seconds"])
    groups = loops.groupby("dataset", sort=False)
    names = ["cells", "stage_seconds", "loop_seconds", "cpu_seconds", "cell_seconds", "available"]
    sums = groups[names].sum()
    found = pd.DataFrame(
        {
            "stages": groups.size(),
            "cells": sums["cells"].astype(int),
            "stages (min)": (sums["stage_seconds"] / 60).round(1),
            "loops (min)": (sums["loop_seconds"] / 60).round(1),
            "processor (min)": (sums["cell_seconds"] / 60).round(1),
            "utilisation (%)": (100 * sums["cpu_seconds"] / sums["available"]).round(0),
            "outside the loop (s)": groups["overhead_seconds"].median().round(1),
        }
    )
    found = found.sort_values("stages (min)", ascending=False, kind="stable")
    return found.rename_axis("data set").reset_index()


def slowest_stages(loops, count=10):
    """The ``run`` stages that took longest."""
    rows = loops.sort_values("stage_seconds", ascending=False, kind="stable").head(count)
    return pd.DataFrame(
        {
            "data set": rows["dataset"].map(code),
            "family": rows["family"],
            "cells": rows["cells"],
            "stage (s)": rows["stage_seconds"].round(0),
            "processor (s)": rows["cpu_seconds"].round(0),
        }
    )


def by_learner(timings):
    """Processor time and memory of the cells of each learner, the costliest first.

    Parameters
    ----------
    timings : DataFrame
        Of :func:`imbbench.analysis.tables.load_timings`.
    """
    groups = fitted(timings).groupby("learner", sort=False)
    found = pd.DataFrame(
        {
            "cells": groups.size(),
            "processor (min)": (groups["cpu_seconds"].sum() / 60).round(1),
            "median cell (s)": groups["cpu_seconds"].median().round(2),
            "longest cell (s)": groups["cpu_seconds"].max().round(0),
            "median memory (GiB)": (groups["peak_memory_mib"].median() / MIB).round(2),
            "largest memory (GiB)": (groups["peak_memory_mib"].max() / MIB).round(2),
        }
    )
    found = found.sort_values("processor (min)", ascending=False, kind="stable").reset_index()
    return found.assign(learner=found["learner"].map(code))


def platforms(timings):
    """Where cells were fitted: processor, kernels and versions, with how many cells."""
    places = fitted(timings)["platform"].replace("", np.nan).dropna()
    counts = places.value_counts()
    return pd.DataFrame({"platform": counts.index, "cells": counts.to_numpy()})


def ended_early(timings):
    """Ensembles of which some cells have fewer members than others: their boosting ended.

    Returns
    -------
    DataFrame
        ``strategy``, ``cells`` (scored), ``members`` (the most), ``with fewer`` (cells),
        ``fewest``; without those that always have as many.
    """
    if "members" not in timings:  # results of a former protocol
        return pd.DataFrame()
    scored = timings[(timings["status"] == "ok") & timings["members"].notna()]
    groups = scored.groupby("label", sort=False)["members"]
    found = pd.DataFrame({"cells": groups.size(), "members": groups.max().astype(int)})
    short = scored["members"] < groups.transform("max")
    found["with fewer"] = short.groupby(scored["label"], sort=False).sum()
    found["fewest"] = groups.min().astype(int)
    found = found[found["with fewer"] > 0].sort_values("with fewer", ascending=False, kind="stable")
    return found.reset_index().rename(columns={"label": "strategy"})


def left_out(runs):
    """Cells that were left out for their cost, by the rule that says so."""
    cells = runs.drop_duplicates(CELL)
    reasons = cells["reason"].fillna("")
    costly = cells[reasons.str.contains(r" only$")]
    groups = costly.groupby("reason", sort=True)
    found = pd.DataFrame(
        {
            "cells": groups.size(),
            "strategies": groups["label"].nunique(),
            "data sets": groups["dataset"].nunique(),
        }
    )
    return found.reset_index().sort_values("cells", ascending=False, kind="stable")


def makespans(timings, cores=CORES):
    """Minutes that the cells would take on so many cores, the longest started first.

    Parameters
    ----------
    timings : DataFrame
        Of :func:`imbbench.analysis.tables.load_timings`.
    cores : tuple of int

    Returns
    -------
    DataFrame
        ``cores``, ``minutes``, ``times as fast`` as one core, ``busy (%)``. All cells of all data
        sets wait in one line; no time is taken for starting them. The last of them to end is
        never shorter than the longest cell.
    """
    seconds = np.sort(fitted(timings)["cpu_seconds"].fillna(0).to_numpy())[::-1]
    rows, total = [], seconds.sum()
    for count in cores:
        free = [0.0] * count
        for taken in seconds:
            heapq.heapreplace(free, free[0] + taken)
        end = max(free)
        speed = total / end if end else np.nan
        rows.append((count, round(end / 60, 1), round(speed, 1), round(100 * speed / count)))
    return pd.DataFrame(rows, columns=["cores", "minutes", "times as fast", "busy (%)"])


def conclusion(runs, loops, timings):
    """Sentences on what the run took."""
    cells = runs.drop_duplicates(CELL)
    begun = fitted(timings)
    busy = loops["cpu_seconds"].sum() / (loops["cores"] * loops["loop_seconds"]).sum()
    learners = begun.groupby("learner")["cpu_seconds"].sum()
    share = learners.max() / learners.sum()
    most = timings["peak_memory_mib"].max() / MIB
    plan = makespans(timings, (100,)).iloc[0]
    return "\n".join(
        [
            f"- {len(cells)} cells of {loops['dataset'].nunique()} data sets, {len(begun)} of "
            f"them fitted: {begun['cpu_seconds'].sum() / 60:.0f} minutes of processor time. The "
            f"{len(loops)} run stages took {loops['stage_seconds'].sum() / 60:.0f} minutes on "
            f"{loops['cores'].max()} cores, without those cells that were kept from an earlier "
            "run.",
            f"- In the loops over cells {busy:.0%} of the cores' time went into fitting and "
            f"predicting; a stage takes {loops['overhead_seconds'].median():.1f} s beside its loop "
            "(median).",
            f"- {code(learners.idxmax())} took {share:.0%} of the processor time. The largest "
            f"process held {most:.1f} GiB.",
            f"- On 100 cores the same cells would take {plan['minutes']:g} minutes: no cell is "
            f"longer than {timings['cpu_seconds'].max() / 60:.1f}.",
        ]
    )


@mpl.rc_context(STYLE)
def plot(loops):
    """Processor minutes of each data set, the longest on top."""
    minutes = loops.groupby("dataset")["cell_seconds"].sum().sort_values(ascending=False) / 60
    figure, ((ax,),) = new_figure(0.8 + 0.2 * len(minutes))
    places = np.arange(len(minutes))
    ax.barh(places, minutes, color=PALETTE[0], height=0.65)
    for place, value in zip(places, minutes, strict=True):
        ax.annotate(f"{value:.1f}", (value, place), (4, 0), textcoords="offset points", va="center")
    ax.set_yticks(places, [words(name, 28) for name in minutes.index])
    ax.set(ylim=(len(minutes) - 0.4, -0.6), xlim=(0, minutes.max() * 1.1))
    ax.set_xlabel("processor time of all cells (minutes)")
    ax.grid(axis="y", visible=False)
    return figure
