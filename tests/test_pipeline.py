"""The pipeline end to end: real DVC and papermill on a tiny data set."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from scratch import ROOT, copy_project, edit_params, edit_yaml, run

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("pipeline")]

REPRO = (sys.executable, "-m", "dvc", "repro")


def table(path, seed, shift):
    """Write a small data set; returns the checksum of the file."""
    rng = np.random.default_rng(seed)
    y = np.arange(120) % 6 == 0
    frame = pd.DataFrame(rng.normal(size=(120, 3)).round(4), columns=["a", "b", "c"])
    frame["a"] += shift * y
    frame["kind"] = np.where(rng.random(120) < 0.5, "x", "y")
    frame["label"] = np.where(y, "rare", "common")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, lineterminator="\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tiny(params):
    params["families"] = ["reference", "weighting"]
    strategies = {
        "reference": {"plain": {}},
        "weighting": {"inverse_frequency": {}, "minority_10": {"table": [1, 10]}},
    }
    # Where no network is trained, torch need not be loaded.
    mlp = {"hidden": [4], "epochs": 2, "strategies": list(strategies["weighting"])}
    params["learners"] = {"logreg": {"C": 1.0}, "mlp": mlp}
    params["protocol"].update(folds=3)
    params["strategies"] = strategies
    first = {"source": {"path": "data/local/first.csv"}, "format": "csv", "target": "label"}
    first |= {"modality": "tabular", "licence": "none", "why": "a test"}
    params["datasets"] = {"first": first}
    params["web_datasets"] = {}


def shorten(pipeline):
    stage = pipeline["stages"]["losses_explained"]
    stage["cmd"] += " -p seeds 2 -p epochs 2 -p batch_counts '[900, 100]'"


AGGREGATES = ["study", "how_it_was_run"]


def ran(output):
    """Stages that a ``dvc repro`` really ran."""
    return [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]


def results(folder, kinds=("runs", "rendered", "tables", "figures")):
    files = [p for kind in kinds for p in (folder / "results" / kind).rglob("*") if p.is_file()]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline") / "study"
    copy_project(folder, tiny)
    edit_yaml(folder / "dvc.yaml", shorten)
    digest = table(folder / "data/local/first.csv", seed=0, shift=2.0)
    edit_params(folder, lambda p: p["datasets"]["first"].update(sha256={"data": digest}))
    output = run(folder, *REPRO).stdout
    run(folder, "git", "add", "-A")
    run(folder, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "results")
    return folder, output


def add(folder, name, seed, shift):
    table(folder / "data" / "local" / f"{name}.csv", seed, shift)
    command = (sys.executable, "-m", "imbbench", "add-dataset", f"data/local/{name}.csv")
    return run(folder, *command, "--target", "label").stdout


def test_first_run_makes_every_result(project):
    folder, output = project
    assert set(ran(output)) == {
        "fetch@first",
        "prepare@first",
        "run@first-reference",
        "run@first-weighting",
        "report@first",
        "losses_explained",
        *AGGREGATES,
    }
    runs = pd.read_csv(folder / "results/runs/first/weighting.csv")
    assert set(runs["status"]) == {"ok"}
    assert len(runs) == 2 * 2 * 3 * 3  # learners, strategies, splits, rules
    for name in ("first/report.ipynb", "first/data_card.ipynb", "04_study.ipynb"):
        assert (folder / "results/rendered" / name).is_file()


def test_second_run_does_nothing(project):
    folder, _ = project
    before = results(folder)
    assert ran(run(folder, *REPRO).stdout) == []
    assert results(folder) == before


def stale(folder):
    output = run(folder, sys.executable, "-m", "dvc", "status", "--json").stdout
    return set(json.loads(output[output.index("{") :]))


def test_an_edit_of_one_method_makes_stale_what_its_family_is_in(project):
    """And what Python leaves beside the sources, or no stage imports, makes nothing stale."""
    folder, _ = project
    before = stale(folder)
    compiled = f"{sys.implementation.cache_tag}.pyc"
    for edited, expected in [
        (["strategies/loss/ghm.py"], {"losses_explained"}),
        (["strategies/weighting/__init__.py"], {"run@first-weighting"}),
        (["bench/__pycache__/cell." + compiled, "data/__pycache__/a." + compiled, "cli.py"], set()),
    ]:
        paths = [folder / "imbbench" / name for name in edited]
        were = [path.read_bytes() if path.is_file() else b"" for path in paths]
        for path, was in zip(paths, were, strict=True):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(was + b"\n# edited\n")
        assert stale(folder) - before == expected
        for path, was in zip(paths, were, strict=True):
            path.write_bytes(was) if was else path.unlink()


def test_a_fresh_clone_on_another_processor_finds_results_up_to_date(project, tmp_path):
    folder, _ = project
    run(tmp_path, "git", "clone", "-q", str(folder), "clone")
    clone = tmp_path / "clone"
    table(clone / "data/local/first.csv", 0, 2.0)
    other = {
        "ATEN_CPU_CAPABILITY": "default",
        "OPENBLAS_CORETYPE": "Prescott",
        "MKL_CBWR": "COMPATIBLE",
    }
    output = run(clone, *REPRO, env={**os.environ, **other}).stdout
    assert ran(output) == ["fetch@first", "prepare@first"]
    assert run(clone, "git", "status", "--porcelain").stdout == ""


def test_a_changed_parameter_and_an_added_data_set_make_stale_what_they_are_in(project):
    folder, _ = project
    before = stale(folder)
    original = (folder / "params.yaml").read_text()
    edit_params(
        folder, lambda p: p["strategies"]["weighting"].update(minority_10={"table": [1, 2]})
    )
    assert stale(folder) - before == {"run@first-weighting", *AGGREGATES}
    (folder / "params.yaml").write_text(original)
    assert "dvc repro" in add(folder, "second", seed=1, shift=0.5)
    stages = ("fetch@second", "prepare@second", "run@second-reference", "run@second-weighting")
    assert stale(folder) - before == {*stages, "report@second", *AGGREGATES}
    (folder / "params.yaml").write_text(original)


def test_bad_input_stops_before_any_fitting(project):
    folder, _ = project
    before = results(folder)
    original = (folder / "params.yaml").read_text()
    edit_params(folder, lambda p: p["strategies"]["weighting"].update(nonsense={}))
    done = run(folder, *REPRO, check=False)
    (folder / "params.yaml").write_text(original)
    assert done.returncode != 0
    assert "nonsense" in done.stdout and "Known there" in done.stdout
    assert results(folder) == before


def test_a_forced_rerun_gives_the_same_bytes(project):
    folder, _ = project
    before = results(folder, ("runs", "rendered"))
    run(folder, *REPRO, "-f", "-s", "run@first-weighting")
    after = results(folder, ("runs", "rendered"))
    key = [name for name in before if "first/weighting" in name]
    assert len(key) == 2
    assert {name: after[name] for name in key} == {name: before[name] for name in key}


def test_two_repros_at_once_leave_the_results_of_one(project):
    """The second is refused, or waits; what is there is whole, and nothing is left to do."""
    folder, _ = project
    before = results(folder, ("runs", "curves", "rendered"))
    command = (*REPRO, "-f", "-s", "run@first-weighting")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    both = [subprocess.Popen(command, cwd=folder, **pipes) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    codes = [process.returncode for process in both]
    assert 0 in codes, said
    assert all(code == 0 or "lock" in text or "busy" in text
               for code, text in zip(codes, said, strict=True)), said  # fmt: skip
    assert results(folder, ("runs", "curves", "rendered")) == before
    assert ran(run(folder, *REPRO).stdout) == []


RUN = (sys.executable, "-m", "imbbench", "run", "first", "weighting")


def test_a_stage_that_is_killed_goes_on_from_its_finished_cells(project):
    folder, _ = project
    whole = results(folder, ("runs", "curves", "rendered"))
    process = subprocess.Popen(
        [*RUN, "--fresh"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    for line in process.stdout:
        if line.startswith("3/12 "):
            break
    process.kill()
    process.wait()
    assert results(folder, ("runs", "curves", "rendered")) == whole
    parts = folder / "data/cache/cells/first-weighting.jsonl"
    finished = len(parts.read_text().splitlines())
    assert 3 <= finished < 12
    for name in ("runs", "curves", "timings"):  # those of the tables would be taken first
        (path,) = (folder / f"results/{name}/first").glob("weighting.csv*")
        path.unlink()
    output = run(folder, *RUN).stdout
    assert f"0 cells are those of the tables, {finished} those of a run that was cut off" in output
    assert results(folder, ("runs", "curves", "rendered")) == whole
    assert not parts.exists()


ELSEWHERE = """
import os, runpy, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
sys.argv[0] = "imbbench"
runpy.run_module("imbbench", run_name="__main__", alter_sys=True)
"""


def test_odd_surroundings_change_no_byte(project, tmp_path):
    """A path with blanks and umlauts, no home, no UTF-8, one core."""
    folder, _ = project
    there = tmp_path / "meine Stüdie"
    shutil.copytree(folder, there, ignore=shutil.ignore_patterns(".git", "cache"))
    (there / "elsewhere.py").write_text(ELSEWHERE)
    bare = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": "/nonexistent", "PYTHONUTF8": "0"}
    for arguments in (["run", "first", "weighting", "--fresh"], ["check"]):
        output = run(there, sys.executable, "elsewhere.py", *arguments, env=bare).stdout
        assert "Traceback" not in output
    assert results(there, ("runs", "curves", "rendered")) == results(
        folder, ("runs", "curves", "rendered")
    )
    for page in (there / "results/rendered").rglob("*.ipynb"):
        text = page.read_text("utf-8")
        assert "/nonexistent" not in text and str(tmp_path) not in text


@pytest.fixture(scope="module")
def resumed(project):
    """Another seed, and a table of weights that lacks a class; killed in the second stage."""
    folder, _ = project

    def change(params):
        params["protocol"]["seed"] = 1
        params["strategies"]["weighting"]["minority_10"] = {"table": {"rare": 10, "rarer": 20}}

    edit_params(folder, change)
    old = results(folder, ("runs",))
    process = subprocess.Popen(
        REPRO, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    lines = []
    for line in process.stdout:
        lines.append(line.decode())
        if len(ran("".join(lines))) == 2:
            break
    time.sleep(3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    left = results(folder, ("runs",))
    return folder, ran("".join(lines)), old, left, ran(run(folder, *REPRO).stdout)


def test_a_killed_run_is_resumed(resumed):
    folder, (first, second), old, left, afterwards = resumed
    assert {first, second} == {"run@first-reference", "run@first-weighting"}
    # The second stage's old table is still there, whole.
    name = "results/runs/" + second.removeprefix("run@").replace("-", "/") + ".csv"
    assert left[name] == old[name]
    assert afterwards[0] == second
    assert set(afterwards) == {second, "report@first", *AGGREGATES}
    assert results(folder, ("runs",))[name] != old[name]


def test_a_failing_cell_is_recorded(resumed):
    """And its neighbours do not fail."""
    folder, *_ = resumed
    runs = pd.read_csv(folder / "results/runs/first/weighting.csv", keep_default_na=False)
    failed = runs[runs["strategy"] == "minority_10"].query("learner == 'mlp'")
    assert set(failed["status"]) == {"failed"}
    assert failed["reason"].str.contains("weight").all()
    assert set(failed["macro_f1"]) == {""}
    assert set(runs[runs["strategy"] == "inverse_frequency"]["status"]) == {"ok"}


def test_a_web_data_set_has_a_pipeline_of_its_own_and_joins_the_study_there(project):
    folder, _ = project
    run(folder, *REPRO)
    add(folder, "far", seed=2, shift=1.0)
    edit_params(folder, lambda p: p.update(web_datasets={"far": p["datasets"].pop("far")}))
    before = results(folder)
    assert ran(run(folder, *REPRO).stdout) == []
    output = run(folder, *REPRO, "web/dvc.yaml:study").stdout
    stages = ("fetch@far", "prepare@far", "run@far-reference", "run@far-weighting", "study")
    assert set(ran(output)) == {f"web/dvc.yaml:{stage}" for stage in stages}
    here = json.loads((folder / "results/study.json").read_text())
    everywhere = json.loads((folder / "results/web/study.json").read_text())
    assert everywhere["datasets"] == here["datasets"] + 1
    assert results(folder) == before
    assert ran(run(folder, *REPRO, "web/dvc.yaml:study").stdout) == []


def test_the_web_pipeline_is_separate():
    """No stage of the default study depends on, or writes, anything of the web data sets."""
    text = (ROOT / "dvc.yaml").read_text()
    # The module that downloads is called web, too.
    assert "web" not in text.replace("imbbench/data/web.py", "")
