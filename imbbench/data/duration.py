"""How long a data set is likely to run, by what the committed ones took."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd

from imbbench.files import read_table

# Of the fit: so few data sets of a kind would bend a line of their own.
SHRINKAGE = 0.3
FEWEST = 3
PREPARED = re.compile(r"path: data/prepared/(\w+)/data\.csv\n(?: +\w+: \w+\n)*? +size: (\d+)")


def minutes(folder, study, modality, size):
    """Minutes that all families of a data set are likely to take.

    A line through the logarithms of the measured times and of the prepared files' sizes, of the
    data sets of the same modality. What was run on fewer splits is counted as if on all; texts
    of too many words for a learner (`words`), as if they were run with it: at most so long.

    Parameters
    ----------
    folder : path
        Of the study: the times are in its ``results``, the sizes in its lock files.
    study : dict
        Of ``params.yaml``, with its ``learners`` and perhaps its ``protocol``.
    modality : str
    size : int
        Bytes of the prepared file.

    Returns
    -------
    tuple of float and bool, or None
        The minutes, and whether the file is more than twice as large as any that was timed: then
        they are the least it takes. None where fewer than three such data sets have been timed.
    """
    sizes, seconds = [], []
    for group, lock, results in (
        ("datasets", "dvc.lock", "results"),
        ("web_datasets", "web/dvc.lock", "results/web"),
    ):
        lock = Path(folder) / lock
        known = dict(PREPARED.findall(lock.read_text("utf-8"))) if lock.is_file() else {}
        for name, entry in (study.get(group) or {}).items():
            stages = [*(Path(folder) / results / "timings" / name).glob("*.json")]
            if entry.get("modality") == modality and name in known and stages:
                sizes.append(int(known[name]))
                took = sum(map(_stage_seconds, stages))
                tables = [*(Path(folder) / results / "timings" / name).glob("*.csv*")]
                fewer = "splits" in entry and tables
                seconds.append(took * (_on_all_splits(study, entry, tables) if fewer else 1))
    if len(sizes) < FEWEST:
        return None
    x, y = np.log(sizes), np.log(seconds)
    slope = (x - x.mean()) @ y / ((x - x.mean()) @ (x - x.mean()) + SHRINKAGE)
    found = np.exp(y.mean() + slope * (np.log(size) - x.mean())) / 60
    return float(found), size > 2 * max(sizes)


def _stage_seconds(path):
    """What a stage takes that fits all of its cells, though it may have kept some the last time."""
    loop = json.loads(path.read_text("utf-8"))
    took = loop.get("stage_seconds", loop.get("loop_seconds", 0))
    tables = [*path.parent.glob(f"{path.stem}.csv*")] if loop.get("kept") else []
    spent = sum(read_table(table)["cpu_seconds"].sum() for table in tables)
    return took + max(0, spent - loop.get("cpu_seconds", 0)) / loop.get("cores", 1)


def _on_all_splits(study, entry, tables):
    """How many times as long it takes on all splits; costly learners are run on few anyway."""
    folds = (study.get("protocol") or {}).get("folds", 5)
    spent = pd.concat(map(read_table, tables)).groupby("learner")["cpu_seconds"].sum()
    factors = {}
    for learner in spent.index:
        wanted = (study["learners"].get(learner) or {}).get("splits", folds)
        factors[learner] = wanted / min(wanted, entry["splits"])
    return (spent * pd.Series(factors)).sum() / spent.sum()
