import errno
import sys
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from imbbench.bench import metrics, pool, run
from imbbench.bench.cell import Task
from imbbench.bench.features import KINDS, Kind
from imbbench.bench.pool import compute, hardware
from imbbench.bench.registry import strategy
from imbbench.bench.run import run_family
from imbbench.bench.scoring import run_cell
from imbbench.bench.workers import Died, Over
from imbbench.errors import StudyError
from imbbench.strategies import weighting


def test_a_family_in_real_workers(study):
    lines = []
    found = run_family("mixed", "weighting", progress=lines.append, jobs=2)
    table = found.runs
    assert len(table) == 4 * 2 * 3 * 3  # learners, strategies, splits, rules
    assert (table["status"] == "ok").all()

    assert len(lines) == len(found.timings) == found.loop["cells"] == 24
    assert lines[-1].startswith("24/24 mixed ")
    assert ", 0 left, " in lines[-1]
    assert found.loop["cores"] == 2
    assert found.loop["cpu_seconds"] == pytest.approx(found.timings["cpu_seconds"].sum())
    assert found.loop["loop_seconds"] > 0
    assert set(found.timings["platform"]) == {hardware()}
    place = ["dataset", "family", "learner", "strategy", "split"]
    pd.testing.assert_frame_equal(
        found.timings[place], found.timings[place].sort_values(place, ignore_index=True)
    )
    assert len(found.curves) == 4 * 2
    rows = found.curves[[f"rows_{b}" for b in range(metrics.BINS)]].sum(axis=1)
    assert (rows == 114).all()  # every row is tested once

    # The workers compute what this process does.
    rows, _, _ = run_cell(study, Task("mixed", "weighting", "mlp", "table_3", 1))
    same = table.query("learner == 'mlp' and strategy == 'table_3' and split == 1")
    expected_of = {row["rule"]: row for row in rows}
    assert sorted(expected_of) == same["rule"].tolist()
    for _, row in same.iterrows():
        expected = expected_of[row["rule"]]
        assert row["log_loss"] == round(expected["log_loss"], 6)


def test_a_strategy_that_fails_does_not_stop_the_others(in_process, monkeypatch):
    fail = strategy(lambda cell: 1 / (cell.learner != "tree"))
    monkeypatch.setattr(weighting, "inverse_frequency", fail)
    # What fails on any data is refused before: let this one through.
    monkeypatch.setattr(run, "try_all", lambda *given, **settings: None)
    lines = []
    found = run_family("binary", "weighting", splits=1, progress=lines.append, jobs=1)
    status = found.runs.groupby(["learner", "strategy"])["status"].agg(set)
    assert status["tree", "inverse_frequency"] == {"failed"}
    assert status["tree", "table_3"] == {"not applicable"}  # its classes are others
    reasons = found.runs.set_index(["learner", "strategy"])["reason"]
    assert reasons["tree", "inverse_frequency"] == "ZeroDivisionError: division by zero"
    assert "healthy, ill" in reasons["tree", "table_3"]
    assert found.runs[metrics.SCORES].isna().all(axis=None)
    failures = [line.split(" (")[1].split(", ")[0] for line in lines if "(failed" in line]
    # Each reason is told once.
    assert sorted(failures) == [
        "failed)",
        "failed)",
        "failed: AttributeError: 'float' object has no attribute 'predict_proba')",
        "failed: ZeroDivisionError: division by zero)",
    ]
    assert found.curves.empty


def test_results_are_sorted_by_cell_whatever_ended_first(study, in_process):
    todo = [
        Task("binary", "reference", learner, "plain", split)
        for learner in ("tree", "logreg")
        for split in (1, 0)
    ]
    lines = []
    results, loop = compute(study, todo, jobs=1, progress=lines.append)
    assert [(task.learner, task.split) for task, *_ in results] == [
        ("logreg", 0),
        ("logreg", 1),
        ("tree", 0),
        ("tree", 1),
    ]
    for task, rows, timing, curve in results:
        assert {row["learner"] for row in rows} == {timing["learner"]} == {task.learner}
        assert {row["split"] for row in rows} == {timing["split"]} == {task.split}
        assert curve is not None
    said = [line.split(", ")[0] for line in lines]
    assert said == [
        "1/4 binary tree plain split 1",
        "2/4 binary tree plain split 0",
        "3/4 binary logreg plain split 1",
        "4/4 binary logreg plain split 0",
    ]
    assert loop["cpu_seconds"] == sum(timing["cpu_seconds"] for _, _, timing, _ in results)


def test_texts_are_encoded_once_before_the_clock_starts(study, in_process, monkeypatch):
    seen = []

    def encode(X, encoder):
        started = time.perf_counter()
        while time.perf_counter() - started < 0.3:
            pass
        seen.append((len(X), encoder))
        return np.eye(len(X), 4)

    monkeypatch.setitem(KINDS, "embedding", Kind(encode=encode))
    todo = [Task("texts", "reference", "minilm_head", "plain", split) for split in (0, 1)]
    results, loop = compute(study, todo, jobs=1, progress=lambda line: None)
    assert [timing["status"] for _, _, timing, _ in results] == ["ok", "ok"]
    assert set(seen) == {(114, study.protocol.encoder)}
    assert loop["encode_seconds"] >= 0.3


def ending(outcomes):
    """Workers of which every call ends in the next of ``outcomes``; None lets it be made."""

    def watched(function, tasks, jobs, limit):
        for task, outcome in zip(tasks, outcomes, strict=True):
            yield task, function(task) if outcome is None else outcome

    return watched


def test_a_cell_that_ended_its_process_or_took_too_long_is_recorded_beside_the_others(
    study, monkeypatch
):
    outcomes = [Died("SIGSEGV"), None, Over(12.0, 61.0)]
    monkeypatch.setattr(pool, "watched", ending(outcomes))
    todo = [Task("binary", "reference", "logreg", "plain", split) for split in range(3)]
    seen = []
    results, loop = compute(study, todo, finished=lambda task, *rest: seen.append(task))
    assert seen == todo
    (_, dead, *_), (_, fine, *_), (_, late, timing, curve) = results
    assert (dead[0]["status"], dead[0]["split"]) == ("failed", 0)
    assert dead[0]["reason"] == "ended its process, also when tried again: SIGSEGV"
    assert [row["status"] for row in fine] == ["ok"] * 3
    assert (late[0]["status"], late[0]["reason"]) == (
        "timed out",
        "longer than 60 s of processor time",
    )
    assert (timing["cpu_seconds"], timing["platform"], curve) == (61.0, hardware(), None)
    assert loop["cpu_seconds"] > 61


def test_in_jupyterlab_there_is_a_bar_and_a_line_for_a_failure_alone(study, monkeypatch, capsys):
    outcomes = [None, Died("SIGSEGV"), Died("SIGSEGV")]
    monkeypatch.setattr(pool, "watched", ending(outcomes))
    todo = [Task("binary", "reference", "logreg", "plain", split) for split in range(3)]
    lines = []
    compute(study, todo, progress=lines.append)
    assert len(lines) == 3 and capsys.readouterr().err == ""
    shell = SimpleNamespace(kernel="one")
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    lines.clear()
    compute(study, todo, progress=lines.append)
    assert len(lines) == 1 and "split 1 (failed: ended its process" in lines[0]
    assert "3/3" in capsys.readouterr().err
    monkeypatch.setattr(pool, "watched", ending(outcomes))
    shell.__dict__.clear()  # IPython without a kernel, as papermill's here
    compute(study, todo, progress=lines.append)
    assert capsys.readouterr().err == ""


def test_a_full_disk_stops_everything_and_no_table_is_changed(study, in_process, monkeypatch):
    full = Died("OSError: [Errno 28] No space left on device", errno.ENOSPC)
    study.learners = {"logreg": {"C": 1.0}}
    before, cut_off = pool.watched, ending([None, None, full, *[None] * 3])

    def watched(function, tasks, *rest):
        cells = len(tasks) == 6  # what is checked before them is one call
        return (cut_off if cells else before)(function, tasks, *rest)

    monkeypatch.setattr(pool, "watched", watched)
    with pytest.raises(StudyError, match=r"'binary', strategy '.*No space left .*No table was"):
        run_family("binary", "weighting", progress=lambda line: None)
    monkeypatch.setattr(pool, "watched", before)
    outcome = run_family("binary", "weighting", progress=lambda line: None)
    assert (outcome.loop["kept"], outcome.loop["fitted"]) == (2, 4)
