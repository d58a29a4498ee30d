"""Limits of a cell: its time, and the memory it took."""

import signal
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from sklearn import config_context

from imbbench.errors import FULL


class TimeLimit(BaseException):
    """Not an Exception, so that no strategy catches it by catching those."""


@contextmanager
def time_limit(seconds):
    """Interrupt the body after ``seconds`` of processor time, where the platform can.

    Processor time, so that a busy machine times out no other cells than an idle one; what waits
    without computing is interrupted after ten times as long. An import is let end: half a module
    would be left to all that comes after it.
    """

    def ring(number, frame):
        while frame is not None:
            if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
                signal.setitimer(clocks[number][0], 0.05)
                return
            frame = frame.f_back
        rung.append(number)
        raise TimeLimit

    rung = []
    try:
        clocks = {
            signal.SIGPROF: (signal.ITIMER_PROF, seconds),
            signal.SIGALRM: (signal.ITIMER_REAL, 10 * seconds),
        }
        previous = {number: signal.signal(number, ring) for number in clocks}
    except (AttributeError, ValueError):  # no alarm on Windows or outside the main thread
        yield
        return
    for clock, after in clocks.values():
        signal.setitimer(clock, after)
    try:
        # What is interrupted may not come to put scikit-learn's settings back.
        with config_context():
            yield
    except Exception as error:
        if rung:  # compiled code may have made an error of its own of it
            raise TimeLimit from error
        raise
    finally:
        for number, (clock, _) in clocks.items():
            signal.setitimer(clock, 0)
            signal.signal(number, previous[number])


def reset_peak():
    """Start counting the peak memory of this process anew."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mib():
    """Peak memory of this process since :func:`reset_peak`, in MiB (NaN where unknown)."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return float("nan")


def seconds_allowed(study, entry):
    """Processor seconds of a cell: the strategy's limit or, if it is lower, the protocol's."""
    return min(study.protocol.time_limit, entry.get("time_limit", np.inf))


def of_the_machine(error):
    """Whether an error is no result of a strategy: too little memory, or no room to write."""
    return isinstance(error, MemoryError) or getattr(error, "errno", None) in FULL
