"""`imbbench verify`: committed cells are refitted and compared."""

import json
import shutil

import made_up
import pandas as pd
import pytest
from tiny import LEARNERS

from imbbench import verify
from imbbench.bench.rows import Outcome, save
from imbbench.bench.run import run_family
from imbbench.errors import StudyError


@pytest.fixture(scope="module")
def made(tmp_path_factory, write_study):
    """A study with results of two families on one data set."""
    root = tmp_path_factory.mktemp("verify")
    strategies = {
        "reference": {"plain": {}},
        "weighting": {"inverse_frequency": {}, "table_3": {"table": {"healthy": 1, "ill": 3}}},
        "posthoc": {"threshold_0_3": {"threshold": 0.3}},
    }
    write_study(root, strategies, {name: LEARNERS[name] for name in ("logreg", "mlp")}, repeats=4)
    params = json.loads((root / "params.yaml").read_text())
    params["datasets"] = {"binary": params["datasets"]["binary"]}
    (root / "params.yaml").write_text(json.dumps(params))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMBBENCH_ROOT", str(root))
        for family in ("reference", "weighting"):
            save_family(family)
    return root


@pytest.fixture
def results(made, tmp_path, monkeypatch):
    """Committed results of two families on one data set; returns the folder of the tables."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
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


def spread_over(names):
    """Brier scores 0.1, 0.2 and 0.3 on three splits (variance 0.01), or 0.2 on each."""
    return [
        made_up.row("one", "tree", family, strategy, split, rule, brier=brier)
        for family, strategy in names
        for split, brier in enumerate((0.1, 0.2, 0.3) if strategy == "plain" else (0.2, 0.2, 0.2))
        for rule in ("argmax", "tuned")
    ]


def test_tolerances_worked_out():
    """Variance (0.01 + 0) / 2 with (3 - 1) + (2 - 1) degrees of freedom.

    A Student variate of 3 degrees passes t once in two million times, 2 sqrt(3) / (pi t^3) = 5e-7
    for large t, so about 130.17 and exactly 130.1546. The limit of the Brier score is
    sqrt(2 * 0.005) * 130.1546 + 1/10; of what is always the same it is 1/10.
    """
    runs = pd.DataFrame(spread_over([("reference", "plain"), ("weighting", "other")]))
    runs = runs[(runs["strategy"] == "plain") | (runs["split"] < 2)]
    found = verify.tolerances(runs, 10, comparisons=1)
    assert found.index.tolist() == [("tree", "argmax"), ("tree", "tuned")]
    assert found["brier"].round(4).tolist() == [13.1155, 13.1155]
    assert found["recall_1"].tolist() == found["accuracy"].tolist() == [0.1, 0.1]


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """``committed(**changes)``: verify two of six cells, where a refit finds the changed values."""
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    monkeypatch.setattr(verify, "hardware", lambda: "here")
    made_up.write_params(tmp_path, ["one"])
    folder = tmp_path / "data/prepared/one"
    folder.mkdir(parents=True)
    (folder / "schema.json").write_text(json.dumps({"class_counts": [90, 30]}))
    names = [("reference", "plain"), ("weighting", "inverse_frequency")]
    table = pd.DataFrame(spread_over(names)).drop(columns="label").assign(roc_auc=float("nan"))
    refused = made_up.row("one", "tree", "weighting", "inverse_sqrt", rule="", status="failed")
    table = pd.concat([table, pd.DataFrame([refused]).drop(columns="label")], ignore_index=True)

    def verified(platform="here", **changes):
        for family, part in table.groupby("family"):
            timings = part.drop_duplicates(["strategy", "split"])[verify.CELL]
            timings = timings.assign(platform=platform)
            save(Outcome(part, timings, pd.DataFrame(), {}), "results", "one", family)

        def compute(study, todo, reuse, progress):
            assert not reuse
            found = []
            for task in todo:
                mine = (table["strategy"] == task.strategy) & (table["split"] == task.split)
                rows = table[mine].drop(columns=["status", "reason"]).to_dict("records")
                rows[0] |= changes if task.strategy == "plain" else {}
                found.append((task, rows, {"status": "ok"}, None))
            return found, {}

        monkeypatch.setattr(verify, "compute", compute)
        lines = []
        return verify.verify(cells=2, progress=lines.append), lines

    return verified


FIRST = "Refitting 2 of 6 committed cells (seed 0)."
DIFFERS = "1 values differ. If you changed code or data, run `dvc repro` first."


def test_lines_where_the_results_were_made(committed):
    """Equal to six digits, and where neither is defined; one digit more or less is not."""
    agreed = [FIRST, "2 cells verified, 2 to the last digit, 0 within the spread over splits."]
    assert committed() == (0, agreed)
    assert committed(accuracy=0.5000004, recall_1=0.4999996) == (0, agreed)
    name = "one tree reference plain split 2, rule argmax: "
    for column, new, said in (
        ("accuracy", 0.500001, "accuracy is 0.5 in results/, 0.500001 here"),
        ("recall_1", 0.499999, "recall_1 is 0.5 in results/, 0.499999 here"),
        ("f1_0", 0.51, "f1_0 is 0.5 in results/, 0.51 here"),
        ("roc_auc", 0.5, "roc_auc is nan in results/, 0.5 here"),
        ("ece", float("nan"), "ece is 0.5 in results/, nan here"),
    ):
        assert committed(**{column: new}) == (1, [FIRST, name + said, DIFFERS])


def test_lines_and_limits_elsewhere(committed):
    """One test row of 30 / 3, and of the Brier score the spread of the four cells not refitted.

    Variance 0.005 of 0.1 and 0.2, and 0 of the other strategy: pooled 0.0025, with 1 + 1 degrees of
    freedom. 4 rows of 16 values are compared, so p = 1e-6 / 128, whose quantile with two degrees is
    1 / sqrt(2 p) = 8000: the limit is sqrt(0.005) * 8000 + 0.1 = 565.785.
    """
    agreed = [FIRST, "2 cells verified, 0 to the last digit, 2 within the spread over splits."]
    assert committed("elsewhere", accuracy=0.5999) == (0, agreed)
    said = "one tree reference plain split 2, rule argmax: "
    assert committed("elsewhere", accuracy=0.6001) == (
        1,
        [
            FIRST,
            f"{said}accuracy is 0.5 in results/, 0.6001 here (allowed difference 0.1)",
            DIFFERS,
        ],
    )
    assert committed("elsewhere", brier=0.3 + 565.78) == (0, agreed)
    limit = " (allowed difference 5.7e+02)"
    assert committed("elsewhere", brier=0.3 + 565.79) == (
        1,
        [FIRST, f"{said}brier is 0.3 in results/, 566.09 here{limit}", DIFFERS],
    )


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
