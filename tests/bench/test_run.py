import json
import signal
import time

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import get_reusable_executor

from imbbench import config
from imbbench.bench import metrics, protocol
from imbbench.bench.cell import Cell, Task, split_of
from imbbench.bench.prepared import data_of
from imbbench.bench.registry import strategy
from imbbench.bench.rows import DIGITS, KEY, save
from imbbench.bench.run import run_family, tasks
from imbbench.bench.scoring import run_cell
from imbbench.errors import StudyError
from imbbench.paths import root
from imbbench.strategies import reference, weighting


@pytest.fixture
def tried(study, monkeypatch):
    """``tried(function, dataset, **entry)``: the cell of a strategy that is defined on the spot."""

    def go(function, dataset="binary", learner="logreg", split=0, **entry):
        monkeypatch.setattr(reference, "tried", strategy(function), raising=False)
        study.strategies["reference"]["tried"] = entry
        return run_cell(study, Task(dataset, "reference", learner, "tried", split))

    return go


def test_a_cell_that_works(tried):
    rows, timing, curve = tried(lambda cell: cell.fit())
    assert [row["rule"] for row in rows] == ["argmax", "tuned"]
    for row in rows:
        assert list(row)[: len(KEY)] == KEY
        assert row["dataset"] == "binary"
        assert row["modality"] == "tabular"
        assert row["control"] == "plain"
        assert row["status"] == "ok"
        assert row["reason"] == ""
    assert rows[0]["roc_auc"] == rows[1]["roc_auc"]
    assert timing["fit_seconds"] > 0
    assert timing["predict_seconds"] > 0
    assert timing["cpu_seconds"] > 0
    assert timing["peak_memory_mib"] > 10 or np.isnan(timing["peak_memory_mib"])
    assert curve["precision"].shape == (21,)
    assert curve["reliability"].shape == (3, metrics.BINS)


def test_rows_hold_the_metrics_of_the_test_fold(study, tried):
    rows, _, _ = tried(lambda cell: cell.fit(), "four")
    prepared, cuts = data_of("four", study.protocol)
    _, _, test = cuts[0]
    cell = Cell(study, Task("four", "reference", "logreg", "tried", 0))
    X_test = split_of(study, "four", "logreg", 0).X_test
    p = cell.fit().predict_proba(X_test)
    found = metrics.label_metrics(prepared.y[test], p.argmax(axis=1), 4)
    assert rows[0]["macro_f1"] == found["macro_f1"]
    assert [rows[0][f"recall_{c}"] for c in range(4)] == found["recall"].tolist()
    assert rows[0]["log_loss"] == metrics.score_metrics(prepared.y[test], p)["log_loss"]


def test_the_tuned_rule_uses_the_validation_part_alone(tried, monkeypatch):
    seen = []
    tune = protocol.tune_offsets
    monkeypatch.setattr(protocol, "tune_offsets", lambda p, y: seen.append((p, y)) or tune(p, y))
    cells = []
    tried(lambda cell: cells.append(cell) or cell.fit())
    (((p, y),), (cell,)) = seen, cells
    assert y.tolist() == cell.y_val.tolist()
    assert len(p) == len(y)


def failing(cell):
    raise RuntimeError("no\n  such   luck")


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


class Broken:
    def __init__(self, p):
        self.p = p

    def predict_proba(self, X):
        return np.full((X.shape[0], len(self.p)), self.p)


@pytest.mark.parametrize(
    ("function", "entry", "status", "reason"),
    [
        (failing, {}, "failed", "RuntimeError: no such luck"),
        (
            lambda cell: Broken([0.5, 0.3, 0.2]),
            {},
            "failed",
            "ValueError: 3 columns of probabilities for 2 classes",
        ),
        (
            lambda cell: Broken([np.nan, 1.0]),
            {},
            "failed",
            "ValueError: the predicted probabilities are not finite",
        ),
        (
            lambda cell: None,
            {},
            "failed",
            "AttributeError: 'NoneType' object has no attribute 'predict_proba'",
        ),
        (lambda cell: cell.need(False, "too few moons"), {}, "not applicable", "too few moons"),
    ],
)
def test_a_cell_without_a_score_says_why(tried, function, entry, status, reason):
    rows, timing, curve = tried(function, **entry)
    assert len(rows) == 1
    assert rows[0]["status"] == timing["status"] == status
    assert rows[0]["reason"].startswith(reason)
    assert rows[0]["rule"] == ""
    assert not set(metrics.SCORES) & set(rows[0])
    assert curve is None
    assert timing["cpu_seconds"] >= 0


def test_a_long_reason_is_cut(tried):
    def fails(cell):
        raise RuntimeError("no " * 1000)

    assert len(tried(fails)[0][0]["reason"]) == 300


@pytest.mark.parametrize(("function", "limit"), [(computing, 0.3), (sleeping, 0.03)])
def test_a_time_limit_cannot_be_swallowed(study, tried, function, limit):
    """It counts processor time, and ten times as much of waiting."""
    study.protocol = study.protocol.model_copy(update={"time_limit": limit})
    started = time.process_time(), time.perf_counter()
    rows, timing, _ = tried(function)
    assert time.process_time() - started[0] < 3
    assert time.perf_counter() - started[1] < 30
    assert rows[0]["status"] == "timed out"
    assert rows[0]["reason"] == f"longer than {limit:g} s of processor time"
    assert timing["fit_seconds"] >= 0.3


@pytest.mark.parametrize("function", [lambda cell: cell.fit(), failing])
def test_the_alarms_are_off_after_a_cell(tried, function):
    before = signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGPROF)
    tried(function)
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert (signal.getsignal(signal.SIGALRM), signal.getsignal(signal.SIGPROF)) == before


def test_a_cell_that_fails_in_scoring_is_recorded(tried, monkeypatch):
    def scores(y, p):
        raise ZeroDivisionError("scores")

    monkeypatch.setattr(metrics, "score_metrics", scores)
    rows, timing, _ = tried(lambda cell: cell.fit())
    assert rows[0]["reason"] == "ZeroDivisionError: scores"
    assert 0 <= timing["cpu_seconds"] < 60


def test_control(tried):
    assert tried(lambda cell: cell.fit(), control="dummy")[0][0]["control"] == "dummy"
    assert tried(lambda cell: cell.fit(), control="tried")[0][0]["control"] == ""


def test_plain_has_no_control(study):
    rows, _, _ = run_cell(study, Task("binary", "reference", "tree", "plain", 0))
    assert rows[0]["control"] == ""


def test_tasks_cover_the_learners_of_the_modality(study):
    found = tasks(study, "texts", "weighting")
    assert {task.learner for task in found} == {"tree", "tfidf_logreg", "minilm_head"}
    found = tasks(study, "four", "weighting")
    assert len(found) == len(set(found)) == 4 * 3 * 2
    assert found[0].learner == "mlp"
    study.protocol = study.protocol.model_copy(update={"splits": 2})
    assert {task.split for task in tasks(study, "four", "weighting")} == {0, 1}


def test_tasks_with_known_times_start_with_the_longest(study):
    folder = root() / "results" / "timings" / "four"
    folder.mkdir(parents=True)
    table = pd.DataFrame(
        {"learner": ["tree"], "strategy": ["inverse_frequency"], "cpu_seconds": [9.0]}
    )
    table.to_csv(folder / "weighting.csv", index=False)
    first = tasks(study, "four", "weighting")[:3]
    assert {(t.learner, t.strategy) for t in first} == {("tree", "inverse_frequency")}


def test_data_that_are_not_prepared(study):
    study.datasets["later"] = study.datasets["binary"]
    with pytest.raises(StudyError, match=r"'later' is not prepared .*dvc repro prepare@later"):
        tasks(study, "later", "weighting")


@pytest.fixture
def workers():
    """Workers keep the environment they were started with."""
    get_reusable_executor().shutdown(wait=True)
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture
def outcome(study, workers):
    lines = []
    found = run_family("mixed", "weighting", progress=lines.append, jobs=2)
    return found, lines


def test_a_family_in_real_workers(study, outcome):
    found, lines = outcome
    table = found.runs
    per_class = [f"{name}_{c}" for name in ("precision", "recall", "f1") for c in (0, 1)]
    assert list(table) == [*KEY, "status", "reason", *metrics.SCORES, *per_class]
    assert len(table) == 4 * 2 * 3 * 2
    assert (table["status"] == "ok").all()
    order = ["learner", "strategy", "split", "rule"]
    pd.testing.assert_frame_equal(table, table.sort_values(order, ignore_index=True))
    values = table[metrics.SCORES]
    pd.testing.assert_frame_equal(values, values.round(DIGITS))
    assert not np.signbit(values[values == 0].stack()).any()

    assert len(lines) == len(found.timings) == found.loop["cells"] == 24
    assert lines[-1].startswith("24/24 mixed ")
    assert ", 0 left, " in lines[-1]
    assert found.loop["cores"] == 2
    assert found.loop["cpu_seconds"] == pytest.approx(found.timings["cpu_seconds"].sum())
    assert found.timings["platform"].nunique() == 1
    assert len(found.curves) == 4 * 2
    rows = found.curves[[f"rows_{b}" for b in range(metrics.BINS)]].sum(axis=1)
    assert (rows == 114).all()  # every row is tested once

    # The workers compute what this process does.
    task = Task("mixed", "weighting", "mlp", "table_3", 1)
    rows, _, _ = run_cell(study, task)
    same = table.query("learner == 'mlp' and strategy == 'table_3' and split == 1")
    for (_, row), expected in zip(same.iterrows(), rows, strict=True):
        assert row["rule"] == expected["rule"]
        assert row["log_loss"] == round(expected["log_loss"], DIGITS)

    save(found, "results", "mixed", "weighting")
    results = root() / "results"
    files = sorted(str(p.relative_to(results)) for p in results.rglob("*") if p.is_file())
    assert files == [
        "curves/mixed/weighting.csv",
        "runs/mixed/weighting.csv",
        "timings/mixed/weighting.csv",
        "timings/mixed/weighting.json",
    ]
    text = (results / "runs" / "mixed" / "weighting.csv").read_bytes()
    assert b"\r" not in text
    again = pd.read_csv(results / "runs" / "mixed" / "weighting.csv", keep_default_na=False)
    assert again["macro_f1"].tolist() == table["macro_f1"].tolist()
    assert json.loads((results / "timings/mixed/weighting.json").read_text())["cells"] == 24


@pytest.fixture
def in_process(monkeypatch):
    """Cells one after the other in this process, where patches are seen."""

    class Pool:
        def __init__(self, **settings):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def __call__(self, calls):
            return (function(*args, **named) for function, args, named in calls)

    monkeypatch.setattr(joblib, "Parallel", Pool)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_a_strategy_that_fails_does_not_stop_the_others(study, in_process, monkeypatch):

    fail = strategy(lambda cell: 1 / (cell.learner != "tree"))
    monkeypatch.setattr(weighting, "inverse_frequency", fail)
    monkeypatch.setattr(config, "load", lambda: study)
    lines = []
    found = run_family("binary", "weighting", splits=1, progress=lines.append, jobs=1)
    status = found.runs.groupby(["learner", "strategy"])["status"].agg(set)
    assert status["tree", "inverse_frequency"] == {"failed"}
    assert status["tree", "table_3"] == {"not applicable"}  # its classes are others
    reasons = found.runs.set_index(["learner", "strategy"])["reason"]
    assert reasons["tree", "inverse_frequency"] == "ZeroDivisionError: division by zero"
    assert "healthy, ill" in reasons["tree", "table_3"]
    assert found.runs[metrics.SCORES].isna().all(axis=None)
    assert sum("(failed)" in line for line in lines) == 4
    assert found.curves.empty
    save(found, "results", "binary", "weighting")


@pytest.mark.parametrize(
    ("dataset", "family", "message"),
    [
        ("mixt", "weighting", "no data set 'mixt'. Known: binary, mixed"),
        ("mixed", "weights", "no family 'weights'. Known: reference, weighting, posthoc"),
    ],
)
def test_unknown_names(study, dataset, family, message):
    with pytest.raises(StudyError, match=message):
        run_family(dataset, family)


def test_wrong_parameters_are_found_before_anything_is_fitted(study, monkeypatch):
    study.strategies["weighting"]["table_3"] = {"tabel": [1, 2]}
    monkeypatch.setattr(config, "load", lambda: study)
    with pytest.raises(StudyError, match="strategy 'table_3' of family 'weighting'"):
        run_family("mixed", "weighting")


def test_nothing_to_run(study, monkeypatch):
    study.strategies["weighting"] = {}
    monkeypatch.setattr(config, "load", lambda: study)
    with pytest.raises(StudyError, match="'weighting' has nothing to run on data set 'mixed'"):
        run_family("mixed", "weighting")
