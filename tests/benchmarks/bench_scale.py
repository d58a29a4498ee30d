"""A hundred thousand rows: seconds and memory of one split of fars, each strategy on its own.

python -m pytest tests/benchmarks/bench_scale.py -s
"""

import json
import os
import sys

import pandas as pd
import pytest
from scratch import ROOT, copy_project, run

SECONDS, GIB = 120, 4  # fitting and predicting; the whole process
TIME_LIMIT = 1  # seconds; condensed nearest neighbours needs some six on an idle core
CELLS = [
    ("undersampling", "under_1_1"),
    ("undersampling", "under_1_10"),
    ("oversampling", "over_1_1"),
    ("weighting", "inverse_frequency"),
    ("ensemble", "balanced_random_forest"),
    ("ensemble", "self_paced"),
]
ONE_CELL = """
import json, resource, sys
from imbbench import config
from imbbench.bench.cell import Task
from imbbench.bench.scoring import run_cell

family, strategy = sys.argv[1:]
rows, timing, _ = run_cell(config.load(), Task("fars", family, "tree", strategy, 0))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts KiB
print(json.dumps({"row": rows[0], "timing": timing, "gib": peak}, default=float))
"""


def cut_down(params):
    """One split of one learner; of family undersampling three, of which one has no time."""
    params["protocol"]["splits"] = 1
    params["learners"] = {"tree": params["learners"]["tree"]}
    entries = params["strategies"]["undersampling"]
    entries["condensed_nn"]["time_limit"] = TIME_LIMIT
    for name in set(entries) - {"under_1_1", "under_1_10", "condensed_nn"}:
        del entries[name]
    params["datasets"], params["web_datasets"] = {}, {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A scratch copy of the project with fars prepared."""
    folder = tmp_path_factory.mktemp("scale") / "copy"
    copy_project(folder, cut_down)
    # What the project has downloaded is named by its checksum, as in a mirror.
    mirror = os.environ.get("IMBBENCH_MIRROR", str(ROOT / "data" / "archives"))
    for command in ("fetch", "prepare"):
        arguments = [sys.executable, "-m", "imbbench", command, "fars"]
        run(folder, *arguments, env={**os.environ, "IMBBENCH_MIRROR": mirror})
    card = json.loads((folder / "data/prepared/fars/card.json").read_text())
    assert (card["rows"], card["features"], len(card["classes"])) == (100968, 29, 8)
    return folder


@pytest.mark.parametrize(("family", "strategy"), CELLS)
def test_a_cell_stays_within_time_and_memory(folder, family, strategy):
    found = run(folder, sys.executable, "-c", ONE_CELL, family, strategy)
    found = json.loads(found.stdout.splitlines()[-1])
    timing, row = found["timing"], found["row"]
    assert row["status"] == "ok", row["reason"]
    seconds = timing["fit_seconds"] + timing["predict_seconds"]
    print(
        f"\n{family} {strategy}: fit {timing['fit_seconds']:.1f} s, "
        f"predict {timing['predict_seconds']:.1f} s, {found['gib']:.2f} GiB, "
        f"macro-F1 {row['macro_f1']:.3f}"
    )
    assert seconds < SECONDS
    assert found["gib"] < GIB


def test_a_cell_that_takes_too_long_is_stopped_and_the_stage_goes_on(folder):
    run(folder, sys.executable, "-m", "imbbench", "run", "fars", "undersampling")
    rows = pd.read_csv(folder / "results/runs/fars/undersampling.csv").set_index("strategy")
    assert rows.loc["condensed_nn", "status"] == "timed out"
    assert rows.loc["condensed_nn", "reason"] == f"longer than {TIME_LIMIT} s of processor time"
    for strategy in ("under_1_1", "under_1_10"):
        assert set(rows.loc[strategy, "status"]) == {"ok"}  # of all decision rules
    cells = pd.read_csv(folder / "results/timings/fars/undersampling.csv.gz").set_index("strategy")
    seconds = cells.loc["condensed_nn", "fit_seconds"]
    print(f"\ncondensed_nn was stopped after {seconds:.1f} s, {TIME_LIMIT} s allowed")
    assert TIME_LIMIT <= seconds < TIME_LIMIT + 10
