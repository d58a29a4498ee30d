import gzip
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from imbbench import config
from imbbench.bench import memo, pool, run
from imbbench.bench.cell import Task
from imbbench.bench.memo import kept, made_from
from imbbench.bench.rows import parts_file, save
from imbbench.bench.run import FRESH, run_family
from imbbench.files import read_table
from imbbench.paths import root, table_file

NAMES = ["runs", "curves"]
# What can befall a compressed file; each is another error of the library.
SPOILT = {
    "cut": lambda content: content[:-30],
    "another checksum": lambda content: content[:-8] + b"\0" * 8,
    "other bits": lambda content: content[:40] + b"\xff" * 40 + content[80:],
    "not compressed": lambda content: b"learner,strategy\n",
    "nothing": lambda content: b"",
}


@pytest.fixture
def go(study, in_process, monkeypatch):
    """``go(family, save)``: run it in this process; the cells that were fitted, and the outcome."""
    study.learners = {name: study.learners[name] for name in ("logreg", "tree")}
    study.strategies["weighting"]["table_9"] = {"table": {"healthy": 1, "ill": 9}}
    study.strategies["reference"]["dummy"]["splits"] = 2

    def call(family="weighting", dataset="mixed", keep=True):
        fitted, real = [], pool.run_cell
        with monkeypatch.context() as patch:
            patch.setattr(
                pool, "run_cell", lambda s, task, reuse: fitted.append(task) or real(s, task, reuse)
            )
            outcome = run_family(dataset, family, progress=lambda line: None, jobs=1)
        if keep:
            save(outcome, "results", dataset, family)
        assert outcome.loop["fitted"] == len(fitted)
        return {(t.learner, t.strategy, t.split) for t in fitted}, outcome

    return call


def tables(family="weighting", dataset="mixed"):
    return [table_file("results", n, dataset, family).read_bytes() for n in NAMES]


def test_what_was_computed_is_kept_to_the_byte(go, study):
    first, _ = go()
    assert len(first) == 2 * 3 * 3
    before, times = tables(), (root() / "results/timings/mixed/weighting.csv.gz").read_bytes()
    again, found = go()
    assert again == set()
    assert found.loop["kept"] == 18
    assert tables() == before
    assert (root() / "results/timings/mixed/weighting.csv.gz").read_bytes() == times


def test_fresh_looks_at_nothing(go, monkeypatch):
    first, _ = go()
    monkeypatch.setenv(FRESH, "1")
    assert go()[0] == first


def everything(study):
    """Changes, and the cells that they make anew."""
    learners, strategies = ("logreg", "tree"), ("inverse_frequency", "table_3", "table_9")
    cells = {(x, s, split) for x in learners for s in strategies for split in range(3)}

    def of(learner=None, strategy=None):
        return {c for c in cells if c[0] == (learner or c[0]) and c[1] == (strategy or c[1])}

    weights = study.strategies["weighting"]
    protocol = study.protocol
    return {
        "a learner's setting": (lambda: study.learners["logreg"].update(C=0.5), of("logreg")),
        "another learner": (
            lambda: study.learners.update(hgb={"max_iter": 3}),
            {("hgb", s, split) for s in strategies for split in range(3)},
        ),
        "a strategy's setting": (
            lambda: weights.update(table_9={"table": {"healthy": 1, "ill": 8}}),
            of(strategy="table_9"),
        ),
        "another strategy": (
            lambda: weights.update(inverse_sqrt={}),
            {(x, "inverse_sqrt", split) for x in learners for split in range(3)},
        ),
        "marks": (
            lambda: weights.update(inverse_frequency={"primary": True, "role": "control"}),
            set(),
        ),
        "a control": (
            lambda: weights.update(inverse_frequency={"control": "table_3"}),
            of(strategy="inverse_frequency"),
        ),
        "fewer splits": (lambda: study.learners["tree"].update(splits=2), set()),
        "another limit": (lambda: study.learners["tree"].update(words=1), set()),
        "the seed": (
            lambda: setattr(study, "protocol", protocol.model_copy(update={"seed": 1})),
            cells,
        ),
        "the data": (change_data, cells),
        "the code": (lambda: None, cells),
    }


def change_data():
    path = root() / "data/prepared/mixed/data.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[:0:-1]]))
    os.utime(path, ns=(1, 1))


CHANGES = ["a learner's setting", "another learner", "a strategy's setting", "another strategy",
           "marks", "a control", "fewer splits", "another limit", "the seed", "the data",
           "the code"]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_refits_its_cells_and_leaves_the_bytes_of_a_run_from_nothing(
    change, go, study, monkeypatch
):
    go()
    act, expected = everything(study)[change]
    act()
    if change == "the code":
        monkeypatch.setattr(memo, "code_hash", lambda *families: "other")
    fitted, _ = go()
    if change == "fewer splits":  # a curve is of all its splits
        expected = {("tree", s, split) for _, s, split in fitted for split in range(2)}
    assert fitted == expected
    found = tables()
    shutil.rmtree(root() / "results")
    go()
    assert tables() == found


def test_a_strategy_that_names_another_is_made_from_its_entry_too(study):
    study.strategies["weighting"] |= {"back": {"corrected": "inverse_frequency"}}
    task = Task("mixed", "weighting", "logreg", "back", 0)
    before = made_from(study, [task])
    study.strategies["weighting"]["inverse_frequency"] = {"power": 0.5}
    after = made_from(study, [task])
    assert before != after
    study.strategies["weighting"]["table_3"] = {"table": [1, 2]}
    assert made_from(study, [task]) == after
    assert len(after[task]) == 12


def hashes(study):
    every = run.tasks(study, "mixed", "weighting")
    return made_from(study, every)


@pytest.mark.parametrize("name", ["runs", "timings", "curves"])
@pytest.mark.parametrize("fault", ["missing", "empty", "cut", "garbage", "a row less", "former"])
def test_tables_that_do_not_hold_all_of_it_are_not_kept(name, fault, go, study):
    go()
    path = table_file("results", name, "mixed", "weighting")
    lines = read_table(path, dtype=str).to_csv(index=False).splitlines(keepends=True)
    whole, groups = kept("results", hashes(study))
    assert len(whole) == 18 and len(groups) == 6
    if fault == "missing":
        path.unlink()
    else:
        text = {
            "empty": "",
            "cut": "".join(lines)[: len("".join(lines)) // 2],
            "garbage": "\x00\xff,\n" * 9,
            "a row less": "".join(lines[:1] + lines[2:]),
            "former": pd.read_csv(path).drop(columns="made_from").to_csv(index=False),
        }[fault]
        packed = path.suffix == ".gz"
        path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    found, curves = kept("results", hashes(study))
    few = fault in ("cut", "a row less")
    assert len(found) < 18
    assert few or found == []
    assert len(curves) == len({(task.learner, task.strategy) for task, *_ in found})


@pytest.mark.parametrize("name", ["timings", "curves"])
@pytest.mark.parametrize("spoil", SPOILT)
def test_damaged_tables_are_not_kept(name, spoil, go, study):
    """And what was not kept is computed again, to the byte."""
    first, _ = go()
    expected, path = tables(), table_file("results", name, "mixed", "weighting")
    path.write_bytes(SPOILT[spoil](path.read_bytes()))
    assert kept("results", hashes(study)) == ([], [])
    assert go()[0] == first
    assert tables() == expected


def test_a_run_that_was_cut_off_goes_on(go, study, monkeypatch):
    whole, _ = go()
    expected = tables()
    shutil.rmtree(root() / "results")
    real, count = pool.run_cell, []

    def interrupted(study, task, reuse):
        if len(count) == 10:
            raise KeyboardInterrupt
        count.append(task)
        return real(study, task, reuse)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(pool, "run_cell", interrupted)
        run_family("mixed", "weighting", progress=lambda line: None)
    path = parts_file("mixed", "weighting")
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 10
    # A line that was half written, one that was damaged, and one that is no line.
    damaged = lines[1].replace(b'"ok"', b'"no"')
    assert damaged != lines[1]
    path.write_bytes(b"".join([lines[0], damaged, *lines[2:9], b"\xff\n", lines[9][:-30]]))
    assert go()[0] == whole  # what is no text is nothing
    shutil.rmtree(root() / "results")
    path.write_bytes(b"".join([lines[0], damaged, *lines[2:9], b"\n", lines[9][:-30]]))
    fitted, outcome = go()
    assert len(fitted) == 18 - 8 and outcome.loop["kept"] == 8
    assert tables() == expected
    assert not path.exists()


def test_cells_are_written_down_where_they_can_be(go, study):
    folder = root() / "data" / "cache"
    folder.mkdir(parents=True)
    (folder / "cells").write_text("no folder")
    fitted, _ = go()
    assert len(fitted) == 18
    assert go()[0] == set()


def test_cells_without_a_score_are_kept_and_what_is_left_out_is_not_made_from_anything(go):
    _, outcome = go("weighting", "binary")  # the tables are for other classes
    assert set(outcome.runs["status"]) == {"ok", "not applicable"}
    again, found = go("weighting", "binary")
    assert again == set()
    pd.testing.assert_frame_equal(found.runs, outcome.runs)
    go("reference")
    again, found = go("reference")
    assert again == set()
    left = found.runs[found.runs["reason"].str.contains("only")]
    assert set(left["made_from"].fillna("")) == {""} and len(left) == 3 + 1
    assert found.runs.loc[~found.runs.index.isin(left.index), "made_from"].str.len().eq(12).all()


def test_numbers_come_back_as_they_were(study):
    path = parts_file("mixed", "weighting")
    made = next(iter(hashes(study).values()))
    curve = {"precision": np.array([np.nan, 0.1 + 0.2]), "reliability": np.eye(3)}
    rows = [{"macro_f1": 1 / 3, "reason": "\ud800 ü", "rule": "argmax"}]
    memo.write_down("mixed", "weighting", made, rows, {"epochs": np.float64(np.nan)}, curve)
    ((_, back, timing, arrays),) = memo.unfinished("mixed", "weighting", hashes(study))
    assert back == rows and np.isnan(timing["epochs"])
    for name, value in curve.items():
        np.testing.assert_array_equal(arrays[name], value)
    assert json.loads(path.read_text().split(" ", 1)[1])[0] == made


def test_the_study_of_the_workers_is_that_of_the_tables(study, monkeypatch):
    """With real workers, too."""
    monkeypatch.setattr(config, "load", lambda: study)
    study.learners = {"logreg": {"C": 1.0}}
    save(
        run_family("mixed", "weighting", progress=lambda line: None),
        "results",
        "mixed",
        "weighting",
    )
    before = tables()
    lines = []
    outcome = run_family("mixed", "weighting", progress=lines.append)
    save(outcome, "results", "mixed", "weighting")
    assert lines == [
        "mixed weighting: 6 cells are those of the tables, 0 those of a run that was cut off, "
        "0 are fitted."
    ]
    assert tables() == before
