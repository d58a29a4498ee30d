import time

import numpy as np
import pytest

from imbbench.bench import metrics, protocol
from imbbench.bench.cell import Cell, Task, split_of
from imbbench.bench.prepared import data_of
from imbbench.bench.registry import strategy
from imbbench.bench.rows import KEY
from imbbench.bench.scoring import run_cell
from imbbench.strategies import posthoc, reference


def test_a_cell_that_works(tried):
    rows, timing, curve = tried(lambda cell: cell.fit())
    assert [row["rule"] for row in rows] == ["argmax", *protocol.TUNED]
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


def test_rows_hold_the_metrics_of_the_test_fold_by_both_rules(study, tried):
    rows, _, curve = tried(lambda cell: cell.fit(), "four")
    prepared, cuts = data_of("four", study.protocol)
    _, _, test = cuts[0]
    cell = Cell(study, Task("four", "reference", "logreg", "tried", 0))
    X_test, y = split_of(study, "four", "logreg", 0).X_test, prepared.y[test]
    model = cell.fit()
    p = model.predict_proba(X_test)
    held_out = model.predict_proba(cell.X_val)
    offsets = [protocol.tune_offsets(held_out, cell.y_val, f) for f in protocol.TUNED.values()]
    tuned = [protocol.decide(p, each) for each in offsets]
    assert tuned[0].tolist() != p.argmax(axis=1).tolist()
    assert "offset_0" not in rows[0]
    for row, each in zip(rows[1:], offsets, strict=True):
        assert [row[f"offset_{c}"] for c in range(4)] == each.tolist()
    for row, labels in zip(rows, (p.argmax(axis=1), *tuned), strict=True):
        found = {**metrics.score_metrics(y, p), **metrics.label_metrics(y, labels, 4)}
        for name in ("macro_f1", "balanced_accuracy", "log_loss", "average_precision", "ece"):
            assert row[name] == found[name]
        for name in ("precision", "recall", "f1"):
            assert [row[f"{name}_{c}"] for c in range(4)] == found[name].tolist()
    np.testing.assert_array_equal(curve["precision"], metrics.precision_at_recall(y, p))
    np.testing.assert_array_equal(curve["reliability"], metrics.reliability(y, p))


def test_the_tuned_rule_uses_the_validation_part_alone(tried, monkeypatch):
    seen = []
    tune = protocol.tune_offsets
    monkeypatch.setattr(
        protocol, "tune_offsets", lambda p, y, f: seen.append((p, y, f)) or tune(p, y, f)
    )
    cells, models = [], []

    def call(cell):
        cells.append(cell)
        models.append(cell.fit())
        return models[0]

    tried(call)
    (cell,) = cells
    assert [f for *_, f in seen] == list(protocol.TUNED.values())
    for p, y, _ in seen:
        assert y.tolist() == cell.y_val.tolist()
        np.testing.assert_array_equal(p, models[0].predict_proba(cell.X_val))


def test_the_threshold_of_a_tuned_rule_is_in_its_row(tried):
    rows, _, _ = tried(lambda cell: cell.fit())
    assert "threshold" not in rows[0]
    data = {}

    def again(cell):
        data["cell"], data["model"] = cell, cell.fit()
        return data["model"]

    tried(again)
    p = data["model"].predict_proba(data["cell"].X_val)
    for row, objective in zip(rows[1:], protocol.TUNED.values(), strict=True):
        labels = protocol.decide(p, protocol.tune_offsets(p, data["cell"].y_val, objective))
        assert ((p[:, 1] >= row["threshold"]).astype(int) == labels).all()


def test_scores_that_are_no_probabilities_have_no_calibration(tried):
    class Ranks:
        scores_only = True

        def __init__(self, model):
            self.predict_proba = model.predict_proba

    rows, _, curve = tried(lambda cell: Ranks(cell.fit()))
    for row in rows:
        assert np.isfinite([row["roc_auc"], row["average_precision"], row["macro_f1"]]).all()
        assert np.isnan([row[n] for n in ("log_loss", "brier", "ece", "ece_minority")]).all()
    assert curve["reliability"].sum() == 0


def test_a_strategy_with_a_rule_of_its_own_has_one_row(study, make):
    rows, _, _ = run_cell(study, Task("binary", "posthoc", "logreg", "threshold_0_3", 0))
    cell = make()
    model = posthoc.threshold(cell, 0.3)
    data = split_of(study, "binary", "logreg", 0)
    labels = model.predict(data.X_test)
    assert [row["rule"] for row in rows] == ["own"]
    found = metrics.label_metrics(data.y_test, labels, 2)
    assert rows[0]["macro_f1"] == found["macro_f1"]
    assert labels.tolist() != model.predict_proba(data.X_test).argmax(axis=1).tolist()


def failing(cell):
    raise RuntimeError("no\n  such   luck")


class Broken:
    def __init__(self, p):
        self.p = p

    def predict_proba(self, X):
        return np.full((X.shape[0], len(self.p)), self.p)


@pytest.mark.parametrize(
    ("function", "status", "reason"),
    [
        (failing, "failed", "RuntimeError: no such luck"),
        (
            lambda cell: Broken([0.5, 0.3, 0.2]),
            "failed",
            "ValueError: 3 columns of probabilities for 2 classes",
        ),
        (
            lambda cell: Broken([np.nan, 1.0]),
            "failed",
            "ValueError: the predicted probabilities are not finite",
        ),
        (
            lambda cell: Broken([0.5, 0.6]),
            "failed",
            "ValueError: the predicted probabilities do not sum to one, but to 1.1",
        ),
        (
            lambda cell: None,
            "failed",
            "TypeError: strategy 'tried' of family 'reference' returns nothing: return the fitted",
        ),
        (lambda cell: cell.need(False, "too few moons"), "not applicable", "too few moons"),
    ],
)
def test_a_cell_without_a_score_says_why(tried, function, status, reason):
    rows, timing, curve = tried(function)
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


def test_a_cell_that_fails_in_scoring_is_recorded(tried, monkeypatch):
    def scores(y, p, calibrated):
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


def test_times_are_of_what_they_are_called(study, monkeypatch):
    """Fitting and predicting apart; what was borrowed counts as fitted."""

    class Slow:
        def predict_proba(self, X):
            time.sleep(0.2)
            return np.full((X.shape[0], 2), 0.5)

    def slow(cell):
        time.sleep(0.5)
        cell.borrowed_seconds += 100
        cell.rows_seen = 3 * len(cell.y)
        return Slow()

    monkeypatch.setattr(reference, "tried", strategy(slow), raising=False)
    study.strategies["reference"]["tried"] = {}
    _, timing, _ = run_cell(study, Task("binary", "reference", "mlp", "tried", 0))
    assert 100.5 <= timing["fit_seconds"] < 130
    assert 0.2 <= timing["predict_seconds"] < 30
    assert timing["epochs"] == 3
    place = [timing[name] for name in ("dataset", "learner", "family", "strategy", "split")]
    assert place == ["binary", "mlp", "reference", "tried", 0]


class _Mute(Exception):
    def __str__(self):
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (_Mute(), "_Mute: its message cannot be shown"),
        (ValueError("a\ud800b\n  c"), "ValueError: a?b c"),
        (KeyError("ü" * 400), "KeyError: '" + "ü" * 289),
    ],
)
def test_any_error_has_a_reason_that_can_be_written(error, reason, tried, tmp_path):
    def fail(cell):
        raise error

    rows, timing, _ = tried(fail)
    assert (rows[0]["status"], rows[0]["reason"], timing["status"]) == ("failed", reason, "failed")
    (tmp_path / "table").write_text(rows[0]["reason"], encoding="utf-8")
