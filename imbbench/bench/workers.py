"""Worker processes that are watched from outside: what a call does to its process stays there."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait

import psutil

from imbbench.errors import StudyError, reason_of

# One worker per core, each in one thread; read when the libraries are loaded.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
TICK = 0.5  # seconds between two looks at what workers used
GRACE = 2.0  # processor seconds that a worker has to end a call itself when it is over its limit
WALL = 10  # what waits without computing is ended after so many times its processor time


@dataclass(frozen=True)
class Died:
    """The worker ended during a call; ``why`` says how."""

    why: str
    errno: int | None = None


@dataclass(frozen=True)
class Over:
    """The worker was ended, since the call was over its limit."""

    seconds: float
    cpu_seconds: float


def context():
    """How workers start: forked from a server that loads the libraries once, where it can be."""
    found = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("forkserver" if "forkserver" in found else "spawn")


def warm_up():
    """Start the server, which loads what workers need while this process does other things."""
    if context().get_start_method() != "forkserver":
        return
    from multiprocessing import forkserver

    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        context().set_forkserver_preload(["imbbench.bench.ready"])
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def watched(function, tasks, jobs, limit):
    """Call ``function(task)`` for every task in worker processes; see :class:`Crew`."""
    with Crew(function, jobs, limit) as crew:
        yield from crew.watch(tasks)


class Crew:
    """Worker processes that are kept for further tasks.

    Parameters
    ----------
    function : callable
        Goes to every worker once.
    jobs : int
        Workers side by side.
    limit : callable
        ``limit(task)``: processor seconds of the worker and its children.
    environment : dict, optional
        Variables of the workers beside those of this process.

    Raises
    ------
    StudyError
        If workers cannot start.
    """

    def __init__(self, function, jobs, limit, environment=None):
        self.function, self.jobs, self.limit = function, jobs, limit
        self.environment = environment or {}
        self.idle, self.busy = [], []
        warm_up()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for worker in self.idle:
            worker.dismiss()
        for worker in self.busy:
            worker.kill()

    def watch(self, tasks):
        """Call the function for every task.

        Yields
        ------
        task
        outcome
            What the function returned, :class:`Over`, or :class:`Died` where the worker ended
            twice: in the second try nothing else ran beside it.
        """
        again = []
        for task, outcome in self._side_by_side(tasks, self.jobs):
            if isinstance(outcome, Died):
                again.append(task)
            else:
                yield task, outcome
        yield from self._side_by_side(again, 1)

    def _side_by_side(self, tasks, jobs):
        waiting = deque(tasks)
        while waiting or self.busy:
            while waiting and len(self.busy) < jobs:
                worker = self.idle.pop() if self.idle else self._new()
                worker.give(waiting.popleft())
                self.busy.append(worker)
            wait([end for worker in self.busy for end in worker.ends], TICK)
            for worker in list(self.busy):
                outcome = worker.outcome(self.limit)
                if outcome is not None:
                    self.busy.remove(worker)
                    (outcome,) = outcome
                    if not isinstance(outcome, Died | Over):
                        self.idle.append(worker)
                    yield worker.task, outcome

    def _new(self):
        return _Worker(self.function, {**os.environ, **self.environment})


class _Worker:
    def __init__(self, function, environment):
        self.here, there = context().Pipe()
        given = there, function, environment, os.getcwd()
        self.process = context().Process(target=_serve, args=given)
        self.process.start()
        there.close()
        self.ends = self.here, self.process.sentinel
        self.ready = False

    def give(self, task):
        self.task = task
        self.started, self.used = time.perf_counter(), self._cpu()
        # Should it have ended since its last call, that is found out where the answer is awaited.
        with suppress(OSError):
            self.here.send(task)

    def outcome(self, limit):
        """None while it works, otherwise a tuple of one."""
        found = self._message()
        if found is not None:
            return found
        if not self.process.is_alive():
            # What it sent just before its end counts.
            return self._message() or (self._dead(self._end()),)
        cpu, wall = self._cpu() - self.used, time.perf_counter() - self.started
        seconds = limit(self.task)
        if cpu > seconds + GRACE or wall > WALL * (seconds + GRACE):
            self.kill()
            return (Over(wall, cpu),)
        return None

    def _message(self):
        try:
            while self.here.poll():
                kind, value = self.here.recv()
                if kind != "ready":
                    if kind == "broken":
                        value = self._dead(*value)
                    return (value,)
                # What it took to get ready is no part of the call.
                self.ready = True
                self.started, self.used = time.perf_counter(), self._cpu()
        except Exception:  # cut off in the middle of a message: it died
            return (self._dead(self._end()),)
        return None

    def _dead(self, why, errno=None):
        self.kill()
        if not self.ready:
            raise StudyError(
                f"a worker process ended before its first cell ({why}): this machine runs no cells "
                "now. No table was changed."
            )
        return Died(why, errno)

    def _end(self):
        self.process.join(5)
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name
        return f"{name}, often too little memory" if name == "SIGKILL" else name

    def _cpu(self):
        """Processor seconds of the worker and all its children so far."""
        total = 0.0
        with suppress(psutil.Error):
            me = psutil.Process(self.process.pid)
            for process in [me, *me.children(recursive=True)]:
                with suppress(psutil.Error):
                    total += sum(process.cpu_times()[:4])
        return total

    def kill(self):
        """End it with all its children."""
        _end_family(self.process.pid)
        self.process.kill()
        self.process.join()
        self.here.close()

    def dismiss(self):
        with suppress(OSError):
            self.here.send(None)
        self.process.join(1)
        self.kill()


def _serve(there, function, environment, folder):
    """What a worker does until it gets None or its parent ends."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # by its number its children are found when it has ended
    parent = multiprocessing.parent_process()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    there.send(("ready", None))
    while (task := there.recv()) is not None:
        try:
            there.send(("done", function(task)))
        except BaseException as error:
            there.send(("broken", (reason_of(error), getattr(error, "errno", None))))
            return


def _end_with(parent):
    """A worker whose parent was killed has nobody to work for."""
    parent.join()
    _end_family(os.getpid())
    os._exit(1)


def _end_family(pid):
    """End a worker's children, also those that it has left behind, and itself."""
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
