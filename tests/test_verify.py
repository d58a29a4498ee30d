"""`imbbench verify`: committed cells are refitted and compared."""

import pandas as pd
import pytest
from ruamel.yaml import YAML

from imbbench import verify
from imbbench.bench.rows import save
from imbbench.bench.run import run_family
from imbbench.errors import StudyError


@pytest.fixture
def results(study, tmp_path):
    """Committed results of two families on one data set; returns the folder of the tables."""
    params = YAML(typ="safe").load((tmp_path / "params.yaml").read_text())
    params["datasets"] = {"binary": params["datasets"]["binary"]}
    params["protocol"]["repeats"] = 4
    params["learners"] = {name: params["learners"][name] for name in ("logreg", "mlp")}
    del params["strategies"]["reference"]["dummy"]
    with open(tmp_path / "params.yaml", "w") as file:
        YAML(typ="safe").dump(params, file)
    for family in ("reference", "weighting"):
        save_family(family)
    return tmp_path / "results"


def save_family(family):
    outcome = run_family("binary", family, progress=lambda line: None, jobs=1)
    save(outcome, "results", "binary", family)


def edit(path, column, value, rows=slice(None)):
    table = pd.read_csv(path, keep_default_na=False)
    chosen = table.index[table["status"] == "ok"][rows]
    table[column] = table[column].astype(object)
    table.loc[chosen, column] = value
    table.to_csv(path, index=False, lineterminator="\n")


def verified(cells=50):
    lines = []
    return verify.verify(cells=cells, progress=lines.append), "\n".join(lines)


def test_unchanged_results_agree_to_the_last_digit(results):
    code, text = verified()
    assert code == 0
    assert "cells verified" in text
    assert " 0 within the spread" in text


def test_the_sample_is_seeded_and_spread_over_learners(results):
    first, second = verified(4)[1], verified(4)[1]
    cells = [line.split(" split")[0] for line in first.splitlines() if "/4 " in line]
    assert len(cells) == 4
    assert {"logreg", "mlp"} <= set(" ".join(cells).split())
    assert first.splitlines()[-1] == second.splitlines()[-1]


def test_a_changed_digit_is_found_and_the_cell_is_named(results):
    edit(results / "runs/binary/weighting.csv", "brier", 0.123456, rows=slice(0, 1))
    code, text = verified()
    assert code == 1
    assert (
        "binary logreg weighting inverse_frequency split 0, rule argmax: brier is 0.123456" in text
    )


def test_elsewhere_the_spread_over_splits_is_allowed_and_no_more(results):
    """Another platform's last digits pass; a value far outside the spread does not."""
    for family in ("reference", "weighting"):
        edit(results / f"timings/binary/{family}.csv", "platform", "another machine")
    code, text = verified(1)
    assert code == 0
    assert " 0 to the last digit" in text
    _, _, learner, strategy, _, split = text.splitlines()[1].split(",")[0].split()[:6]
    path = results / f"runs/binary/{'reference' if strategy == 'plain' else 'weighting'}.csv"
    table = pd.read_csv(path)
    row = (
        (table["learner"] == learner) & (table["split"] == int(split)) & (table["rule"] == "tuned")
    )
    brier = table.loc[row, "brier"]
    for value, expected in ((brier + 0.001, 0), (1.9, 1)):
        table.loc[row, "brier"] = value
        table.to_csv(path, index=False)
        code, text = verified(1)
        assert code == expected, text
    assert "brier is 1.9" in text and "allowed difference" in text


def test_tolerances_grow_with_the_spread_and_shrink_with_the_comparisons(results):
    runs = pd.read_csv(results / "runs/binary/weighting.csv").query("status == 'ok'")
    few = verify.tolerances(runs, 8, comparisons=1)
    many = verify.tolerances(runs, 8, comparisons=1000)
    assert (few <= many).all(axis=None)
    assert (few >= 1 / 8).all(axis=None)


def test_a_cell_that_fails_now_is_named(results, monkeypatch):
    def compute(study, todo, reuse, progress):
        rows = [{"status": "failed", "reason": "RuntimeError: broken"}]
        return [(task, rows, {"status": "failed"}, None) for task in todo], {}

    monkeypatch.setattr(verify, "compute", compute)
    code, text = verified(1)
    assert code == 1
    assert "failed here: RuntimeError: broken" in text


def test_without_results_the_remedy_is_named(study):
    with pytest.raises(StudyError, match="dvc repro"):
        verify.verify()
