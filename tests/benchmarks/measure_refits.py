"""How far refits of networks lie apart where other kernels compute: ``measure_refits.py``.

A sample of cells of the present protocol is fitted on this machine under several conditions, each
in a process of its own: another number of threads, and kernels of other processors, which the
libraries can be told to take. Seeds are those of the study; embeddings of texts are computed anew.
What is written beside this file is the least that two platforms may differ by, and the limits of
:mod:`imbbench.verify` follow from it, see :func:`limits`. Some minutes of one core.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from imbbench import config
from imbbench.bench import metrics
from imbbench.bench.cell import Task
from imbbench.bench.prepared import data_of
from imbbench.bench.scoring import run_cell
from imbbench.paths import root
from imbbench.verify import LABELS, SCORES

CONDITIONS = {
    "one thread": {},
    "all for AVX": {
        "OPENBLAS_CORETYPE": "Sandybridge",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "AVX",
        "MKL_CBWR": "AVX",
    },
    "two threads": {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"},
    "torch without AVX": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "MKL as everywhere": {"MKL_CBWR": "COMPATIBLE"},
}
STRATEGIES = [
    ("reference", "plain"),
    ("weighting", "inverse_frequency"),
    ("loss", "logit_adjusted"),
    ("undersampling", "under_1_1"),
]
# By learner: data sets, how many of the strategies, how many splits.
SAMPLE = {
    "mlp": (["yeast", "hypothyroid", "pc1"], 4, 1),
    "cnn": (["mnist_lt"], 2, 1),
    "minilm_head": (["tweet_sentiment"], 4, 2),
}
# Embedding the texts takes most of the time.
TEXTS_UNDER = ["one thread", "all for AVX"]
FILE = Path(__file__).with_name("refits.csv")
CELL = ["learner", "dataset", "strategy", "split"]
# Two platforms differ in more ways than one machine can be made to: twice what was measured, and at
# least what two makes of processor have differed by (.025 of macro-F1, .08 of any metric).
MARGIN = 2
LEAST = {"scores": 0.02, "labels": 0.03, "classes": 0.1}
FEWEST = 5  # test rows of the smallest class; where there are less, one row explains anything


def fitted(condition):
    """Rows of the sample's cells, in this process."""
    warnings.simplefilter("ignore")
    import torch

    torch.set_flush_denormal(True)
    study = config.load()
    rows = []
    for learner, (datasets, strategies, splits) in SAMPLE.items():
        if learner == "minilm_head" and condition not in TEXTS_UNDER:
            continue
        for dataset in datasets:
            prepared, cuts = data_of(dataset, study.protocol)
            for split in range(splits):
                smallest = int(np.bincount(prepared.y[cuts[split][2]]).min())
                for family, strategy in STRATEGIES[:strategies]:
                    task = Task(dataset, family, learner, strategy, split)
                    for row in run_cell(study, task, reuse=False)[0]:
                        rows.append({**row, "smallest": smallest})
    return rows


def kind_of(metric):
    """Which limit of :class:`imbbench.verify.Elsewhere` holds for a metric."""
    if metric in SCORES:
        return "scores"
    return "labels" if metric in set(LABELS) - {"g_mean"} else "classes"


def compared(tables):
    """Of every cell, condition and kind of metric the value that differs most.

    Parameters
    ----------
    tables : dict of DataFrame
        Rows by condition, the first what the others are compared with.

    Returns
    -------
    DataFrame
        ``difference`` is relative to the value where that exceeds 1, as ``verify`` has it;
        ``smallest`` the test rows of the smallest class.
    """
    base, *others = tables
    found = []
    for condition in others:
        both = tables[base].merge(tables[condition], on=[*CELL, "rule"], suffixes=("", " now"))
        numbers = [c for c in both if f"{c} now" in both and c != "smallest"]
        numbers = [c for c in numbers if c in metrics.SCORES or c[-1].isdigit()]
        numbers = [c for c in numbers if not c.startswith("offset")]
        keys = [*CELL, "rule", "smallest"]
        long = both.melt(keys, numbers, "metric", "value")
        now = both[[f"{c} now" for c in numbers]].melt(value_name="now")["now"]
        gap = (now - long["value"]) / np.maximum(1, long["value"].abs())
        long = long.assign(condition=condition, difference=gap, kind=long["metric"].map(kind_of))
        worst = long["difference"].abs().groupby([long[c] for c in [*CELL, "kind"]]).idxmax()
        found.append(long.loc[worst])
    columns = [*CELL, "condition", "kind", "rule", "metric", "value", "difference", "smallest"]
    table = pd.concat(found)[columns]
    return table.sort_values([*CELL, "condition", "kind"], ignore_index=True).round(6)


def limits(table):
    """Limits of a learner by kind, to two decimals.

    Where rows are counted, ``verify`` allows one row of the smallest class on top.
    """
    counted = table["kind"] != "scores"
    table = table[~counted | (table["smallest"] >= FEWEST)]
    row = np.where(table["kind"] != "scores", 1 / table["smallest"], 0)
    beyond = MARGIN * table["difference"].abs() - row
    most = beyond.groupby([table["learner"], table["kind"]]).max().unstack()
    return most.apply(lambda v: np.maximum(LEAST[v.name], np.ceil(100 * v - 1e-9) / 100))


def main():
    tables = {}
    for condition, settings in CONDITIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            # Its own folder for what is memoised; the encoder and the data are at hand.
            place = Path(folder, "data")
            place.mkdir()
            (Path(folder) / "params.yaml").symlink_to(root() / "params.yaml")
            for part in ("prepared", "models", "archives"):
                (place / part).symlink_to(root() / "data" / part)
            env = {**os.environ, "OMP_NUM_THREADS": "1", **settings, "IMBBENCH_ROOT": folder}
            command = [sys.executable, __file__, condition]
            started = time.perf_counter()
            ran = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
        tables[condition] = pd.DataFrame(json.loads(ran.stdout.splitlines()[-1]))
        if len(tables) > 1:
            compared(tables).to_csv(FILE, index=False, lineterminator="\n")
        print(f"{condition}: {time.perf_counter() - started:.0f} s", flush=True)
    print(limits(compared(tables)))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(fitted(sys.argv[1])))
    else:
        main()
