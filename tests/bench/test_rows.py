import gzip
import json

import numpy as np
import pandas as pd
import pytest

from imbbench.bench import metrics
from imbbench.bench.cell import Task
from imbbench.bench.prepared import Prepared
from imbbench.bench.rows import Outcome, curve_table, flat, run_table, save

PREPARED = Prepared(None, None, None, None, {"classes": ["many", "few"]})
COLUMNS = (
    "dataset,modality,learner,family,strategy,control,split,rule,status,reason,made_from,"
    "accuracy,balanced_accuracy,macro_f1,g_mean,mcc,roc_auc,average_precision,log_loss,brier,ece,"
    "ece_minority,calibration_slope,calibration_intercept,"
    "precision_0,precision_1,recall_0,recall_1,f1_0,f1_1,threshold"
)


def result(learner="tree", strategy="plain", split=0, curve=None, **values):
    """What the pool gives of one cell."""
    key = {"dataset": "d", "modality": "tabular", "learner": learner, "family": "reference"}
    key |= {"strategy": strategy, "control": "", "split": split}
    rows = [
        {"ece": 0.5, "rule": rule, "status": "ok", "reason": "", **key, **values}
        for rule in ("tuned", "argmax")
    ]
    timing = {"made_from": f"of {split}"}
    return Task("d", "reference", learner, strategy, split), rows, timing, curve


def test_columns_are_in_a_fixed_order_and_what_is_not_there_is_blank():
    table = run_table([result(recall_1=0.25)], PREPARED)
    assert ",".join(table) == COLUMNS
    assert table["recall_1"].tolist() == [0.25, 0.25]
    assert table["f1_1"].isna().all()
    one = {"rule": "", "status": "failed", "reason": "no", "dataset": "d", "learner": "tree"}
    failed = run_table([(None, [one | {"strategy": "plain", "split": 0}], {}, None)], PREPARED)
    assert ",".join(failed) == COLUMNS
    assert failed[[*metrics.SCORES, "recall_0"]].isna().all(axis=None)


def test_rows_are_sorted_by_learner_strategy_split_and_rule():
    cells = [("tree", "b", 0), ("tree", "a", 10), ("tree", "a", 9), ("hgb", "c", 1)]
    table = run_table([result(*cell) for cell in cells], PREPARED)
    found = table[["learner", "strategy", "split", "rule"]].to_numpy().tolist()
    assert found == [
        [*cell, rule]
        for cell in [("hgb", "c", 1), ("tree", "a", 9), ("tree", "a", 10), ("tree", "b", 0)]
        for rule in ("argmax", "tuned")
    ]
    assert table.index.tolist() == list(range(8))


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.12345649, "0.123456"), (0.1234567, "0.123457"), (-0.0, "0.0"), (-4e-7, "0.0"), (1, "1.0")],
)
def test_numbers_have_six_digits_and_zero_no_minus(value, written):
    table = run_table([result(mcc=value, f1_0=value)], PREPARED)
    assert table["mcc"].map(str).tolist() == table["f1_0"].map(str).tolist() == [written] * 2


def test_flat_spreads_arrays_over_numbered_columns():
    found = {name: n / 100 for n, name in enumerate(metrics.SCORES)}
    arrays = {name: np.array([n, n + 0.5]) for n, name in enumerate(("precision", "recall", "f1"))}
    row = flat({**arrays, **found, "offset": np.array([0.0, np.log(3)])})
    assert row["threshold"] == pytest.approx(0.25)
    assert ",".join(row) == COLUMNS.split("made_from,")[1]
    assert row["accuracy"] == 0.0 and row["ece"] == 0.09
    assert [row["precision_0"], row["recall_1"], row["f1_0"]] == [0, 1.5, 2]


def curve(precision, rows, confidence, correct):
    sums = np.zeros((3, metrics.BINS))
    sums[:, 14] = rows, confidence, correct
    return {"precision": np.full(21, precision), "reliability": sums}


def test_curves_are_means_of_precision_and_sums_of_rows_over_splits():
    results = [
        result("tree", "plain", 0, curve(0.5, 10, 9.5, 8.0)),
        result("tree", "plain", 1, curve(0.6004, 30, 29.0, 30.0)),
        result("hgb", "plain", 0, curve(1.0, 4, 4.0, 4.0)),
        result("hgb", "failed", 0),
    ]
    table = curve_table(results)
    assert table["learner"].tolist() == ["hgb", "tree"]
    assert list(table)[:4] == ["learner", "strategy", "made_from", "precision_at_0.00"]
    assert list(table)[23:27] == ["precision_at_1.00", "rows_0", "confidence_0", "correct_0"]
    assert list(table)[-1] == "correct_14"
    tree = table.set_index("learner").loc["tree"]
    assert tree["precision_at_0.05"] == 0.5502
    third = curve_table([result(curve=curve(1 / 3, 1, 1, 1))])
    assert third["precision_at_1.00"].tolist() == [0.3333]
    assert tree["rows_14"] == 40
    assert (tree["confidence_14"], tree["correct_14"]) == (0.9625, 0.95)
    assert tree["rows_0"] == 0
    assert np.isnan(tree["confidence_0"]) and np.isnan(tree["correct_0"])


def test_curves_of_two_classes_have_the_minoritys_reliability_beside():
    minority = {"reliability_of_minority": np.tile([[10], [3], [4]], metrics.BINS)}
    table = curve_table([result(split=k, curve=curve(0.5, 10, 9.5, 8) | minority) for k in (0, 1)])
    assert list(table)[-3:] == ["minority_rows_14", "minority_confidence_14", "minority_correct_14"]
    row = table.iloc[0]
    assert row[["minority_rows_0", "minority_confidence_0", "minority_correct_0"]].tolist() == [
        *(20, 0.3, 0.4)
    ]


def test_a_split_without_the_class_stays_out_of_the_mean_precision():
    splits = [curve(np.nan, 1, 1, 1), curve(0.5, 1, 1, 1), curve(0.7, 1, 1, 1)]
    table = curve_table([result(split=k, curve=c) for k, c in enumerate(splits)])
    assert table["precision_at_0.05"].tolist() == [0.6]
    assert np.isnan(curve_table([result(curve=splits[0])])["precision_at_0.05"]).all()


def test_a_family_has_four_files(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    runs = run_table([result(recall_1=0.25)], PREPARED)
    timings = pd.DataFrame({"strategy": ["plain"], "fit_seconds": [0.12345678]})
    curves = curve_table([result(curve=curve(0.5, 10, 9.5, 8.0))])
    loop = {"cells": 1, "fitted": 1, "loop_seconds": 1.23456}
    former = tmp_path / "results/curves/d/reference.csv"
    former.parent.mkdir(parents=True)
    former.write_text("as it was before it was compressed\n")
    for folder in ("results", "results/web", "results/wide"):
        save(Outcome(runs, timings, curves, loop), folder, "d", "reference")
        there = tmp_path / folder
        files = sorted(str(p.relative_to(there)) for p in there.rglob("*/d/*"))
        packed = ".gz" if folder == "results/wide" else ""
        assert [name for name in files if not name.startswith(("web", "wide"))] == [
            "curves/d/reference.csv.gz",
            f"runs/d/reference.csv{packed}",
            "timings/d/reference.csv.gz",
            "timings/d/reference.json",
        ]
    lines = (tmp_path / "results/runs/d/reference.csv").read_bytes().split(b"\n")
    assert lines[0].decode() == COLUMNS
    assert lines[1] == b"d,tabular,tree,reference,plain,,0,argmax,ok,,,,,,,,,,,,0.5,,,,,,,0.25,,,"
    packed = (tmp_path / "results/timings/d/reference.csv.gz").read_bytes()
    seconds = gzip.decompress(packed).decode().splitlines()
    assert seconds == ["strategy,fit_seconds", "plain,0.123457"]
    written = json.loads((tmp_path / "results/timings/d/reference.json").read_text())
    assert written == {"cells": 1, "fitted": 1, "loop_seconds": 1.235}
    again = pd.read_csv(tmp_path / "results/curves/d/reference.csv.gz")
    assert again["correct_14"].tolist() == [0.8]


def test_times_of_a_run_that_fitted_nothing_leave_those_of_the_one_that_did(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    tables = run_table([result()], PREPARED), pd.DataFrame({"a": [1]}), curve_table([])
    path = tmp_path / "results/timings/d/reference.json"
    for fitted, kept in ((0, 0), (3, 3), (0, 3)):
        save(Outcome(*tables, {"fitted": fitted}), "results", "d", "reference")
        assert json.loads(path.read_text()) == {"fitted": kept}
