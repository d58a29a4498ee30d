"""From a file of 5 000 rows to its report, all families on three learners: where minutes go.

python -m pytest tests/benchmarks/bench_stages.py -s
"""

import json
import sys
import time

import numpy as np
import pandas as pd
from scratch import copy_project, run
from sklearn.datasets import make_classification

MINUTES, OUTSIDE = 5, 30  # of all; seconds outside the cells
MEDIAN = 4  # seconds of a stage outside its cells
LEARNERS = ("logreg", "hgb", "tree")
COSTLY = ("gan", "mesa", "instance_hardness")


def cut_down(params):
    params["learners"] = {name: params["learners"][name] for name in LEARNERS}
    for entries in params["strategies"].values():
        for name in set(COSTLY) & set(entries):
            del entries[name]
        for entry in entries.values():
            if entry and "learners" in entry:
                entry["learners"] = [name for name in entry["learners"] if name in LEARNERS]
    params["datasets"], params["web_datasets"] = {}, {}


def test_file_to_report(tmp_path):
    folder = tmp_path / "copy"
    copy_project(folder, cut_down)
    X, y = make_classification(
        5000, 20, n_informative=8, weights=[0.95], class_sep=0.7, flip_y=0.02, random_state=0
    )
    frame = pd.DataFrame(X.round(4)).add_prefix("x").assign(y=np.where(y, "rare", "common"))
    (folder / "made.csv").write_text(frame.to_csv(index=False))
    imbbench = (sys.executable, "-m", "imbbench")
    started = time.time()
    run(folder, *imbbench, "add-dataset", "made.csv", "--target", "y")
    run(folder, sys.executable, "-m", "dvc", "repro", "report@made")
    total = time.time() - started
    loops = [json.loads(p.read_text()) for p in (folder / "results/timings/made").glob("*.json")]
    table = pd.DataFrame(loops)
    outside = table["stage_seconds"] - table["loop_seconds"]
    in_cells = table["loop_seconds"].sum()
    use = table["cpu_seconds"].sum() / (table["cores"] * table["loop_seconds"]).sum()
    print(table.assign(outside=outside).round(1).to_string())
    print(f"{total / 60:.1f} min (limit {MINUTES})")
    print(f"{total - in_cells:.0f} s of them outside cells (limit {OUTSIDE})")
    print(f"{outside.median():.1f} s of a stage are (median, limit {MEDIAN})")
    print(f"cores used {use:.0%} of the time in cells")
    assert total < 60 * MINUTES
    assert outside.median() < MEDIAN
