"""What is left out of a family for its cost is decided with the list of cells, and recorded."""

import json

import numpy as np
import pytest

from imbbench import config
from imbbench.bench import prepared, run
from imbbench.bench.cell import Cell, Task, frozen
from imbbench.bench.registry import NotApplicable

TASK = Task("binary", "weighting", "logreg", "inverse_frequency", 1)


@pytest.mark.parametrize(
    ("entry", "learner", "reason"),
    [
        ({}, {}, ""),
        ({"learners": ["tree", "mlp"]}, {}, "run with tree, mlp only"),
        ({"learners": ["tree", "logreg"]}, {}, ""),
        ({"splits": 1}, {}, "run on the first split only"),
        ({"splits": 2}, {}, ""),
        ({}, {"strategies": ["plain"]}, "logreg is costly: run with the strategies listed for it"),
        ({}, {"strategies": ["plain", "inverse_frequency"]}, ""),
        ({}, {"splits": 1}, "logreg is costly: first 1 splits only"),
    ],
)
def test_reasons(study, entry, learner, reason):
    study.strategies["weighting"]["inverse_frequency"] = entry
    study.learners["logreg"] |= learner
    found = run.left_out(study, TASK)
    assert found.startswith(reason) and bool(found) == bool(reason)


def test_a_large_data_set_is_run_on_its_first_splits(study, tmp_path):
    path = tmp_path / "data/prepared/binary/schema.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"splits": 1}))
    prepared._cached_data.cache_clear()
    assert run.left_out(study, TASK) == "binary is large: first 1 splits only"


def test_what_is_left_out_is_recorded_and_never_fitted(study, monkeypatch):
    study.strategies["weighting"] = {"inverse_frequency": {"learners": ["tree"], "splits": 1}}
    monkeypatch.setattr(config, "load", lambda: study)
    seen = []

    def compute(study, todo, jobs, progress):
        seen.extend(todo)
        return [], {"cells": len(todo), "loop_seconds": 0.0}

    monkeypatch.setattr(run, "compute", compute)
    found = run.run_family("binary", "weighting", progress=seen.append)
    assert seen == [Task("binary", "weighting", "tree", "inverse_frequency", 0)]
    n = 4 * 3 - 1  # learners of tables, splits, the one that is fitted
    assert len(found.runs) == len(found.timings) == n
    assert set(found.runs["status"]) == set(found.timings["status"]) == {"not applicable"}
    assert set(found.runs["reason"]) == {"run with tree only", "run on the first split only"}
    assert found.timings["cpu_seconds"].sum() == 0
    assert found.loop["cells"] == n + 1


def test_a_cell_of_arrays(study):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.repeat([0, 1], [30, 10])
    cell = Cell.from_arrays(study, "logreg", X, y, classes=["a", "b"], seed=5, settings={"C": 0.5})
    assert cell.class_counts.tolist() == [30, 10]
    assert (cell.seed, cell.common_seed, cell.X_val) == (5, 5, None)
    assert cell.make().C == 0.5
    assert cell.plain().predict_proba(X).shape == (40, 2)
    assert cell.space.shape == (40, 3)
    with pytest.raises(NotApplicable, match="made from arrays"):
        _ = cell.texts
    X[0] = 0  # the caller's own array stays as it was


@pytest.mark.parametrize("learner", ["logreg", "mlp"])
def test_what_a_strategy_gets_is_read_only(study, learner):
    cell = Cell(study, Task("mixed", "reference", learner, "plain", 0))
    for name in ("X", "y", "X_val", "y_val", "categorical", "class_counts"):
        array = getattr(cell, name)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_sparse_matrices_are_read_only_too(study):
    cell = Cell(study, Task("texts", "reference", "tfidf_logreg", "plain", 0))
    with pytest.raises(ValueError, match="read-only"):
        cell.X.data[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        cell.X.indices[0] = 0


def test_frozen_leaves_the_callers_array_alone():
    array = np.arange(3)
    assert not frozen(array).flags.writeable
    assert array.flags.writeable
    assert frozen(None) is None
