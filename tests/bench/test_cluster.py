"""A real scheduler and real workers; one of them is killed."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from imbbench import config
from imbbench.bench import cluster, code, pool
from imbbench.bench.cluster import SCHEDULER, on_cluster, pack, unpack
from imbbench.bench.rows import save
from imbbench.bench.run import run_family
from imbbench.errors import StudyError
from imbbench.paths import root

DAEMON = "DASK_DISTRIBUTED__WORKER__DAEMON"


def start(command, *arguments, log, **variables):
    """A process of Dask's command line, which has nothing of this study around it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IMBBENCH")}
    path = os.pathsep.join(sys.path)
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", command, *arguments],
            env={**environment, "PYTHONPATH": path, **variables},
            cwd=log.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def until(condition, seconds=120):
    deadline = time.time() + seconds
    while not (found := condition()):
        assert time.time() < deadline, "waited in vain"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Address of a scheduler, and two workers of one thread each."""
    folder = tmp_path_factory.mktemp("cluster")
    address = folder / "scheduler.json"
    options = ["--scheduler-file", str(address)]
    running = [start("scheduler", *options, "--port", "0", "--no-dashboard",
                     log=folder / "scheduler.log", TMPDIR=str(folder))]  # fmt: skip
    until(address.exists)
    for number in (1, 2):
        there = folder / f"machine-{number}"
        there.mkdir()
        running.append(start("worker", *options, "--nthreads", "1", "--no-nanny", "--no-dashboard",
                             log=folder / f"worker-{number}.log", TMPDIR=str(there)))  # fmt: skip
    yield f"{address}", running, folder
    for process in running:
        process.kill()
        process.wait()


@pytest.fixture
def address(machines):
    with open(machines[0]) as file:
        found = json.load(file)["address"]
    until(lambda: cluster.cores_of(found) >= 1)
    return found


def tables():
    folder = root() / "results"
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*.csv*")
        if "timings" not in file.parts
    }


def test_the_same_bytes_as_here_and_data_that_go_there_once(address, machines, study, monkeypatch):
    study.learners = {name: study.learners[name] for name in ("logreg", "mlp")}
    monkeypatch.setattr(config, "load", lambda: study)

    def run(**settings):
        save(run_family("mixed", "weighting", progress=lambda line: None), "results", "mixed",
             "weighting")  # fmt: skip

    run()
    here = tables()
    monkeypatch.setenv("IMBBENCH_FRESH", "1")
    monkeypatch.setenv(SCHEDULER, address)
    real = pool.watched

    def watched(function, *given):
        assert function.func is not pool._work, "the cells run here"
        return real(function, *given)

    monkeypatch.setattr(pool, "watched", watched)
    run()
    assert tables() == here
    folders = list(machines[2].glob("machine-*/imbbench-*"))
    assert 1 <= len(folders) <= 2  # one per machine, not one per cell
    for folder in folders:
        found = {p.name for p in (folder / "data/prepared/mixed").iterdir()}
        assert found == {"data.csv", "schema.json"}


def slow(task):
    time.sleep(0.5)
    return task, os.getpid()


def limit(task):
    return 60


def test_a_machine_that_goes_away_loses_nothing(address, machines, study):
    until(lambda: cluster.cores_of(address) == 2)
    tasks = list(range(12))
    outcomes = {}
    for task, outcome in on_cluster(address, pack(slow, limit, []), tasks):
        outcomes[task] = outcome
        if len(outcomes) == 2:
            machines[1][-1].kill()
    assert sorted(outcomes) == tasks
    assert all(outcome[0] == task for task, outcome in outcomes.items())
    assert cluster.cores_of(address) == 1


def fall(task):
    os._exit(1)


def test_a_cell_that_ends_its_process_is_told_by_name(address, study):
    ((task, outcome),) = on_cluster(address, pack(fall, limit, []), ["one"])
    assert (task, outcome.why) == ("one", "exit code 1")


@pytest.mark.parametrize("edited", ["bench/cell.py", "strategies/weighting/__init__.py"])
def test_other_code_there_is_refused(edited, address, study, tmp_path, monkeypatch):
    """Of what runs these cells, that is: another family's may differ."""
    shutil.copytree(code.PACKAGE, tmp_path / "imbbench")
    with (tmp_path / "imbbench" / edited).open("a") as file:
        file.write("# edited\n")
    with monkeypatch.context() as patch:
        patch.setattr(code, "PACKAGE", tmp_path / "imbbench")
        code.code_hash.cache_clear()
        luggage = pack(slow, limit, [], ("weighting",))
        other = pack(slow, limit, [], ("loss",))
    code.code_hash.cache_clear()
    with pytest.raises(StudyError, match="another version of imbbench"):
        list(on_cluster(address, luggage, ["one"]))
    if edited.startswith("strategies"):
        assert [task for task, _ in on_cluster(address, other, ["one"])] == ["one"]


def test_another_xgboost_there_is_refused(address, study, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "library", lambda name: f"{name} 0.1")
        luggage = pack(slow, limit, [])
    with pytest.raises(StudyError, match="another version of imbbench"):
        list(on_cluster(address, luggage, ["one"]))


def test_no_scheduler_is_one_message(study, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    monkeypatch.setenv(cluster.SCHEDULER, "tcp://127.0.0.1:1")
    with pytest.raises(
        StudyError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:1 .*dask worker"
    ):
        run_family("mixed", "reference")


def test_files_that_were_damaged_there_are_written_again(study, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    files = sorted((root() / "data/prepared/mixed").iterdir())
    luggage = pack(slow, limit, files)
    folder = unpack(luggage)
    file = folder / "data/prepared/mixed/data.csv"
    expected = file.read_bytes()
    assert expected == (root() / "data/prepared/mixed/data.csv").read_bytes()
    file.write_bytes(b"other")
    assert unpack(luggage) == folder
    assert file.read_bytes() == expected
    assert pack(slow, limit, files[:1]).name != luggage.name
