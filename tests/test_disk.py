"""Disks that are full or cannot be written: mounted for real, in a namespace of their own."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from scratch import ROOT
from tiny import ENTRY, TINY, write_prepared

RUN = f"'{sys.executable}' -m imbbench run binary weighting"
# Put a small file system over a folder, with what was in the folder.
SMALL = "cp -a {0} {0}.before; mount -t tmpfs -o size={1} none {0}; cp -a {0}.before/. {0}/; "
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def mounts():
    try:
        command = (*NAMESPACE, "sh", "-c", "mount -t tmpfs none /mnt")
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


pytestmark = [
    pytest.mark.skipif(not mounts(), reason="nothing can be mounted here"),
    pytest.mark.xdist_group("disk"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with the results of one family, and what they are."""
    root = tmp_path_factory.mktemp("disk")
    frame, labels, roles = TINY["binary"](np.random.default_rng(0))
    write_prepared(root, "binary", frame, labels, **roles)
    params = {
        "families": ["reference", "weighting"],
        "protocol": {"folds": 3, "encoder": "none"},
        "learners": {"logreg": {"C": 1.0}, "tree": {}},
        "strategies": {
            "reference": {"plain": {}},
            "weighting": {"inverse_frequency": {}, "inverse_sqrt": {}},
        },
        "datasets": {"binary": ENTRY},
    }
    (root / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    done = inside(root, RUN)
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def project(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def inside(root, script):
    command = (*NAMESPACE, "sh", "-c", script)
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def tables(folder):
    files = [file for file in folder.rglob("*") if file.is_file() and "timings" not in file.parts]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def changed(project):
    """Another setting: every cell is to be fitted again."""
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace('"C": 1.0', '"C": 0.5'))


def refused(done, number):
    assert done.returncode == 1
    assert f"[Errno {number}]" in done.stderr
    assert "Traceback" not in done.stderr


# All but so many KiB of what is free.
FILL = (
    "head -c $(( ($(df -k --output=avail {0} | tail -1) - {1}) * 1024 )) /dev/zero > {0}/filler; "
)


@pytest.mark.parametrize("room", [0, 60])
def test_a_full_disk_leaves_what_was_there(project, room):
    """With no block left for a table, or with room for the tables and none for the page."""
    before = tables(project / "results")
    changed(project)
    script = SMALL.format("results", "9m") + FILL.format("results", room)
    after = "; code=$?; rm results/filler; cp -a results after; exit $code"
    refused(inside(project, script + RUN + after), 28)
    found = tables(project / "after")
    assert found.keys() == before.keys()  # nothing half written either
    other = {name for name in found if found[name] != before[name]}
    made = {"curves/binary/weighting.csv.gz", "runs/binary/weighting.csv"}
    assert other == (made if room else set())


def test_a_full_cache_is_no_cache(project, made):
    shutil.rmtree(project / "data/cache", ignore_errors=True)
    (project / "data/cache").mkdir()
    shutil.rmtree(project / "results")
    script = SMALL.format("data/cache", "1m") + FILL.format("data/cache", 0)
    done = inside(project, script + RUN)
    assert done.returncode == 0, done.stderr
    assert tables(project / "results") == tables(made / "results")


def test_a_full_data_folder_is_said(project):
    before = tables(project / "results")
    changed(project)
    refused(inside(project, SMALL.format("data", "9m") + FILL.format("data", 0) + RUN), 28)
    found = tables(project / "results")
    assert {k: v for k, v in found.items() if k.startswith("rendered/")} == {
        k: v for k, v in before.items() if k.startswith("rendered/")
    }
    assert before.keys() == found.keys()


def test_results_that_cannot_be_written(project):
    before = tables(project / "results")
    changed(project)
    mount = "mount --bind results results; mount -o remount,bind,ro results; "
    refused(inside(project, mount + RUN), 30)
    assert tables(project / "results") == before
