"""Faults of worker processes, really caused."""

import ctypes
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from imbbench.bench import workers
from imbbench.bench.workers import Died, Over, watched
from imbbench.errors import StudyError


def found(function, tasks, jobs=2, seconds=60):
    return dict(watched(function, tasks, jobs, lambda task: seconds))


def spin(seconds=60.0):
    started = time.process_time()
    while time.process_time() - started < seconds:
        pass


def crash():
    ctypes.string_at(0)


def spin_in_a_child():
    child = multiprocessing.get_context("fork").Process(target=spin)
    child.start()
    child.join()


def spin_in_a_thread():
    thread = threading.Thread(target=spin)
    thread.start()
    thread.join()


def refuse_to_end():
    while True:
        try:
            spin()
        except BaseException:
            continue


def spin_in_c():
    sum(range(10**12))


def wait_for_nothing():
    time.sleep(60)


def leave_a_child():
    subprocess.Popen(["sleep", "60"])
    os._exit(3)


ENDS = {
    "leaves at once": (lambda: os._exit(0), "exit code 0"),
    "segmentation fault": (crash, "SIGSEGV"),
    "killed": (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL, often too little memory"),
    "sys.exit": (lambda: sys.exit(0), "SystemExit: 0"),
    "a child is left": (leave_a_child, "exit code 3"),
}
LONG = {
    "busy": spin,
    "refuses": refuse_to_end,
    "child": spin_in_a_child,
    "thread": spin_in_a_thread,
    "C": spin_in_c,
    "waits": wait_for_nothing,
}


def act(name):
    if name in ENDS:
        ENDS[name][0]()
    if name in LONG:
        LONG[name]()
    return name, os.getpid()


def test_calls_are_made_in_as_many_processes_as_asked_for():
    for jobs in (1, 2):
        answers = found(act, list("abcdef"), jobs=jobs)
        assert {name for name, _ in answers.values()} == set("abcdef") == set(answers)
        pids = {pid for _, pid in answers.values()}
        assert 1 <= len(pids) <= jobs and os.getpid() not in pids


def test_nothing_to_do():
    assert found(act, []) == {}


def test_whoever_ends_its_process_is_told_by_name_and_nothing_else_is_lost():
    answers = found(act, ["a", *ENDS, "b"])
    assert {name: answer.why for name, answer in answers.items() if name in ENDS} == {
        name: why for name, (_, why) in ENDS.items()
    }
    assert answers["a"][0] == "a" and answers["b"][0] == "b"
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "60"]]


def once(task):
    """The first try ends its process; what was running then is written down in the second."""
    place, name = task
    with (place / "log").open("a") as log:
        log.write(f"{name}\n")
    if name == "weak" and not (place / "tried").exists():
        (place / "tried").touch()
        os._exit(1)
    return name


def test_whoever_ends_is_tried_again_when_all_others_are_done(tmp_path):
    tasks = [(tmp_path, name) for name in ("weak", "a", "b", "c")]
    assert found(once, tasks) == {task: task[1] for task in tasks}
    log = (tmp_path / "log").read_text().split()
    assert log[-1] == "weak" and sorted(log) == ["a", "b", "c", "weak", "weak"]


@pytest.mark.parametrize("name", LONG)
def test_whoever_is_over_its_limit_is_ended_from_outside(name, monkeypatch):
    monkeypatch.setattr(workers, "GRACE", 0.2)
    monkeypatch.setattr(workers, "WALL", 4 if name == "waits" else 100)
    started = time.perf_counter()
    answer = found(act, [name], seconds=0.3)[name]
    assert isinstance(answer, Over)
    assert time.perf_counter() - started < 40
    assert answer.seconds > 0.3
    assert name == "waits" or answer.cpu_seconds > 0.5
    left = multiprocessing.active_children()
    assert not left


def test_an_end_that_cannot_be_sent_and_an_error_that_names_its_number():
    answers = found(unsendable, ["lambda", "disk"])
    assert isinstance(answers["lambda"], Died) and "lambda" in answers["lambda"].why
    assert answers["disk"].errno == errno.ENOSPC
    assert answers["disk"].why.startswith("OSError: [Errno 28] No space left")


def unsendable(name):
    if name == "disk":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return lambda: None


class _NotThere:
    """Cannot be had in another process."""

    def __reduce__(self):
        return exec, ("raise RuntimeError('not here')",)

    def __call__(self, task):
        return task


def test_workers_that_cannot_start_stop_everything():
    with pytest.raises(StudyError, match=r"ended before its first cell .* runs no cells now"):
        found(_NotThere(), ["a"])


def test_environment_and_folder_are_those_of_now(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_SAID", "yes")
    monkeypatch.chdir(tmp_path)
    assert found(surroundings, ["a"])["a"] == ("yes", str(tmp_path))
    monkeypatch.delenv("IMBBENCH_SAID")
    assert found(surroundings, ["a"])["a"] == (None, str(tmp_path))


def surroundings(task):
    return os.environ.get("IMBBENCH_SAID"), os.getcwd()


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_workers import busy
from imbbench.bench.workers import watched
if __name__ == "__main__":
    list(watched(busy, ["one", "two"], 2, lambda task: 600))
"""
    (tmp_path / "parent.py").write_text(code)
    environment = {**os.environ, "IMBBENCH_PIDS": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"], env=environment)
    deadline = time.time() + 120
    while len(list(tmp_path.glob("pid-*"))) < 4 and time.time() < deadline:
        assert parent.poll() is None
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    pids = [int(path.name[4:]) for path in tmp_path.glob("pid-*")]
    assert len(pids) == 4  # two workers, a child of each
    deadline = time.time() + 20
    while any(map(running, pids)) and time.time() < deadline:
        time.sleep(0.1)
    assert not any(map(running, pids))


def running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def busy(task):
    folder = Path(os.environ["IMBBENCH_PIDS"])
    child = subprocess.Popen(["sleep", "600"])
    for pid in (os.getpid(), child.pid):
        (folder / f"pid-{pid}").touch()
    spin(600)
