"""Cells of strategies that are defined on the spot, and families without workers."""

import pytest

from imbbench import config
from imbbench.bench import pool
from imbbench.bench.cell import Cell, Task
from imbbench.bench.registry import strategy
from imbbench.bench.scoring import run_cell
from imbbench.strategies import reference


@pytest.fixture
def tried(study, monkeypatch):
    """``tried(function, dataset, **entry)``: the cell of a strategy that is defined on the spot."""

    def go(function, dataset="binary", learner="logreg", split=0, **entry):
        monkeypatch.setattr(reference, "tried", strategy(function), raising=False)
        study.strategies["reference"]["tried"] = entry
        return run_cell(study, Task(dataset, "reference", learner, "tried", split))

    return go


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study."""

    def cell(dataset="binary", learner="logreg", split=0, strategy="tried", **others):
        return Cell(study, Task(dataset, "reference", learner, strategy, split), **others)

    return cell


@pytest.fixture
def in_process(study, monkeypatch):
    """Cells of ``study`` one after the other in this process, where patches are seen."""

    def here(function, tasks, jobs, limit):
        return ((task, function(task)) for task in tasks)

    monkeypatch.setattr(pool, "watched", here)
    monkeypatch.setattr(config, "load", lambda: study)
