import os

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score

from imbbench import config
from imbbench.bench.cell import Task
from imbbench.bench.predictions import keep_predictions, pack_predictions
from imbbench.bench.prepared import data_of
from imbbench.bench.rows import save
from imbbench.bench.run import run_family
from imbbench.paths import root

SPLIT = ["learner", "strategy", "split"]


@pytest.fixture
def run(study, in_process, monkeypatch):
    """``run(family)``: run it on the binary data, write the tables; what was kept, or None."""
    study.learners = {"logreg": study.learners["logreg"]}
    study.protocol = study.protocol.model_copy(update={"keep_predictions": True})

    def call(family="weighting", **protocol):
        study.protocol = study.protocol.model_copy(update=protocol)
        monkeypatch.setattr(config, "load", lambda: study)
        save(run_family("mixed", family, progress=lambda line: None), "results", "mixed", family)
        path = root() / "data/predictions/mixed" / f"{family}.parquet"
        return pd.read_parquet(path) if path.is_file() else None

    return call


def test_metrics_and_rules_are_computed_again_from_what_was_kept(run, study):
    found, (prepared, cuts) = run(), data_of("mixed", study.protocol)
    runs = pd.read_csv(root() / "results/runs/mixed/weighting.csv", keep_default_na=False)
    y = prepared.y
    assert len(found.groupby(SPLIT)) == len(runs.groupby(SPLIT)) == 6
    for key, cell in found.groupby(SPLIT):
        parts = dict(list(cell.groupby("part")))
        test, validation = parts["test"], parts["validation"]
        assert sorted(test["row"]) == sorted(cuts[key[2]][2])
        assert sorted(validation["row"]) == sorted(cuts[key[2]][1])
        rows = runs[(runs[SPLIT] == key).all(axis=1)].set_index("rule")
        assert set(cell["made_from"]) == set(rows["made_from"])
        truth, p = y[test["row"]], test["p_1"]
        told = rows.loc["argmax", "average_precision"]
        assert average_precision_score(truth, p) == pytest.approx(float(told), abs=1e-5)
        for rule, score in ("macro_f1", f1_score), ("balanced_accuracy", balanced_accuracy_score):
            more = {"average": "macro"} if rule == "macro_f1" else {}
            threshold = float(rows.loc[f"tuned_{rule}", "threshold"])
            got = score(truth, p >= threshold - 1e-6, **more)
            assert got == pytest.approx(float(rows.loc[f"tuned_{rule}", rule]), abs=1e-5)

            # No threshold does better on the rows it was chosen on.
            truth_v, p_v = y[validation["row"]], validation["p_1"]
            best = max(score(truth_v, p_v >= t, **more) for t in [*p_v, 2])
            assert score(truth_v, p_v >= threshold - 1e-6, **more) == pytest.approx(best)


def test_cells_that_are_fitted_again_replace_theirs_alone(run, study):
    before = run()
    study.strategies["weighting"]["table_3"] = {"table": {"healthy": 1, "ill": 4}}
    after = run()
    same = "strategy == 'inverse_frequency'"
    pd.testing.assert_frame_equal(before.query(same), after.query(same))
    old, new = (set(t.query("strategy == 'table_3'")["made_from"]) for t in (before, after))
    assert len(new) == 3 and not old & new
    assert len(after) == len(before)


def test_a_rule_of_its_own_has_no_validation_part(run):
    assert set(run("posthoc")["part"]) == {"test"}


def test_keeping_them_or_not_is_no_reason_to_fit_again(run):
    assert run(keep_predictions=False) is None
    before = (root() / "results/runs/mixed/weighting.csv").read_bytes()
    assert run(keep_predictions=True) is None
    assert (root() / "results/runs/mixed/weighting.csv").read_bytes() == before


def test_a_path_that_is_not_utf_8(tmp_path, study):
    cuts, made = [([0], [1, 2], [3])], Task("mixed", "weighting", "logreg", "plain", 0)
    folder = tmp_path / os.fsdecode(b"\xe4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMBBENCH_ROOT", str(folder))
        for p in 0.25, 0.75:  # a file that is new, and one that is there
            found = {"test": np.full((1, 2), p), "validation": np.full((2, 2), 0.5)}
            keep_predictions(made, str(p), found)
            pack_predictions("mixed", "weighting", {made: str(p)}, cuts)
            with open(folder / "data/predictions/mixed/weighting.parquet", "rb") as file:
                table = pd.read_parquet(file)
            assert table["p_1"].tolist() == [0.5, 0.5, p]


@pytest.mark.parametrize("spoil", [lambda content: b"", lambda content: content[:-20]])
def test_a_damaged_file_is_none(run, study, spoil):
    run()
    path = root() / "data/predictions/mixed/weighting.parquet"
    path.write_bytes(spoil(path.read_bytes()))
    study.strategies["weighting"]["table_3"] = {"table": {"healthy": 1, "ill": 4}}
    assert set(run()["strategy"]) == {"table_3"}


def test_parts_of_cells_that_are_wanted_no_more_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    made = Task("mixed", "weighting", "logreg", "plain", 0)
    keep_predictions(made, "0", {"test": np.full((1, 2), 0.5)})
    pack_predictions("mixed", "weighting", {made: "1"}, [])
    assert list((tmp_path / "data/predictions/mixed").iterdir()) == []


def test_nothing_else_is_left(run):
    run()
    left = sorted(p.name for p in (root() / "data/predictions").rglob("*"))
    assert left == ["mixed", "weighting.parquet"]


def test_probabilities_are_those_of_the_classes_in_order(run):
    found = run()
    both = found[["p_0", "p_1"]].to_numpy()
    np.testing.assert_allclose(both.sum(axis=1), 1, atol=1e-6)
