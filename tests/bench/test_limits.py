import signal
import time

import numpy as np
import pytest
import sklearn

from imbbench.bench.limits import TimeLimit, peak_mib, reset_peak, seconds_allowed, time_limit


def sleeping(cell):
    try:
        time.sleep(5)
    except Exception:
        pytest.fail("a strategy can swallow its time limit")


def computing(cell):
    started = time.process_time()
    try:
        while time.process_time() - started < 5:
            pass
    except Exception:
        pytest.fail("a strategy can swallow its time limit")


@pytest.mark.parametrize(("function", "limit"), [(computing, 0.3), (sleeping, 0.03)])
def test_a_cell_cannot_swallow_its_time_limit(study, tried, function, limit):
    """It counts processor time, and ten times as much of waiting."""
    study.protocol = study.protocol.model_copy(update={"time_limit": limit})
    started = time.process_time(), time.perf_counter()
    rows, timing, _ = tried(function)
    assert time.process_time() - started[0] < 3
    assert time.perf_counter() - started[1] < 30
    assert rows[0]["status"] == "timed out"
    assert rows[0]["reason"] == f"longer than {limit:g} s of processor time"
    assert timing["fit_seconds"] >= 0.3


def test_an_entry_of_its_own_limit_is_stopped_by_it(tried):
    rows, _, _ = tried(computing, time_limit=0.2)
    assert rows[0]["reason"] == "longer than 0.2 s of processor time"


@pytest.mark.parametrize(
    ("entry", "allowed"), [({}, 60), ({"time_limit": 5}, 5), ({"time_limit": 500}, 60)]
)
def test_the_smaller_limit_holds(study, entry, allowed):
    assert seconds_allowed(study, entry) == allowed


def test_an_import_is_let_end(tmp_path, monkeypatch):
    busy = "import time\nstarted = time.process_time()\n"
    busy += "while time.process_time() - started < 0.5: pass\nended = True\n"
    (tmp_path / "slow_to_import.py").write_text(busy, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TimeLimit), time_limit(0.1):
        import slow_to_import

        computing(None)
    assert slow_to_import.ended


def test_what_is_interrupted_leaves_no_settings_of_scikit_learn():
    with pytest.raises(TimeLimit), time_limit(0.1):
        sklearn.set_config(skip_parameter_validation=True)
        computing(None)
    assert not sklearn.get_config()["skip_parameter_validation"]


def test_waiting_is_interrupted_after_ten_times_the_limit():
    started = time.perf_counter()
    with pytest.raises(TimeLimit), time_limit(0.1):
        time.sleep(5)
    assert 1 <= time.perf_counter() - started < 4


def test_within_the_limit_nothing_happens_to_what_waits_or_fails():
    with time_limit(0.2):
        time.sleep(0.5)  # takes no processor time
    with pytest.raises(ZeroDivisionError), time_limit(60):
        1 / 0  # noqa: B018


@pytest.mark.parametrize("fails", [False, True])
def test_the_alarms_are_off_afterwards(fails):
    before = signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGPROF)
    try:
        with time_limit(60):
            assert signal.getitimer(signal.ITIMER_REAL)[0] == pytest.approx(600, abs=10)
            assert signal.getitimer(signal.ITIMER_PROF)[0] == pytest.approx(60, abs=10)
            assert not fails or [][1]
    except IndexError:
        assert fails
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert (signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGPROF)) == before


def test_the_peak_is_in_mib_and_of_what_came_after_the_reset():
    if np.isnan(peak_mib()):
        pytest.skip("the system does not say")
    reset_peak()
    before = peak_mib()
    block = np.ones(200 * 2**17)  # 200 MiB
    assert peak_mib() - before == pytest.approx(200, abs=30)
    del block
    reset_peak()
    assert peak_mib() < before + 100


def test_an_error_that_the_limit_was_turned_into_is_the_limit():
    """As compiled code does that asks Python for something and gets an interrupt for an answer."""
    with pytest.raises(TimeLimit), time_limit(0.05):
        try:
            while True:
                pass
        except TimeLimit as limit:
            raise ValueError("no valid buffer") from limit
    with pytest.raises(ValueError, match="own"), time_limit(5):
        raise ValueError("its own")
