"""`imbbench verify`: committed results are compared with lock, registry, themselves and refits."""

import hashlib
import importlib.util
import json
import shutil
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML
from tiny import ENTRY, TINY, write_prepared

from imbbench import config, verify
from imbbench.bench.pool import compute, hardware
from imbbench.bench.registry import LEARNERS as LEARNERS_OF_THE_STUDY
from imbbench.bench.registry import strategy
from imbbench.bench.rows import CELL, save
from imbbench.bench.run import run_family
from imbbench.bench.scoring import run_cell
from imbbench.errors import StudyError
from imbbench.files import write_table
from imbbench.paths import table_file
from imbbench.strategies import weighting

STRATEGIES = {
    "reference": {"plain": {}},
    "weighting": {
        "inverse_frequency": {},
        "inverse_sqrt": {"learners": ["tree", "mlp"]},
        "ham_spam": {"table": {"ham": 1, "spam": 3}},
    },
}
LEARNERS = {"logreg": {"C": 1.0}, "tree": {}, "mlp": {"hidden": [8], "epochs": 3}}
DATASETS = {"binary": "results", "four": "results", "fixed_test": "results/web"}


REFITTED = {}


def remembered(study, todo, jobs=None, reuse=True, progress=print):
    """What a refit would find, since nothing changed: the cells as they were made."""
    assert not reuse
    for number, task in enumerate(todo, 1):
        progress(f"{number}/{len(todo)} {task.dataset} {task.learner} {task.strategy}")
    return [(task, *REFITTED[task]) for task in sorted(todo, key=astuple)], {}


def one_by_one(study, todo, jobs=None, reuse=True, progress=print, finished=None):
    """What :func:`compute` does with its workers, in this process."""
    found = []
    for task in sorted(todo, key=astuple):
        rows, timing, curve = run_cell(study, task, reuse)
        timing["platform"] = hardware()
        REFITTED.setdefault(task, (rows, timing, curve))
        if finished is not None:
            finished(task, rows, timing, curve)
        found.append((task, rows, timing, curve))
    return found, {"loop_seconds": 0.0}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with results of three data sets, one of them of the web."""
    root = tmp_path_factory.mktemp("made")
    for name in DATASETS:
        frame, labels, roles = TINY[name](np.random.default_rng(len(name)))
        write_prepared(root, name, frame, labels, **roles)
    params = {
        "families": list(STRATEGIES),
        "protocol": {"folds": 3, "time_limit": 60, "encoder": "none"},
        "learners": LEARNERS,
        "strategies": STRATEGIES,
        "datasets": {name: ENTRY for name, folder in DATASETS.items() if folder == "results"},
        "web_datasets": {name: ENTRY for name, folder in DATASETS.items() if folder != "results"},
    }
    (root / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMBBENCH_ROOT", str(root))
        patch.setattr("imbbench.bench.run.compute", one_by_one)
        for dataset, results in DATASETS.items():
            for family in STRATEGIES:
                outcome = run_family(dataset, family, progress=lambda line: None)
                outcome.timings[["cpu_seconds", "fit_seconds"]] = 0.1
                save(outcome, results, dataset, family)
    lock(root)
    return root


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """A copy of it to spoil; refits are remembered."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    monkeypatch.setattr(verify, "compute", remembered)
    return tmp_path


def lock(root):
    """Lock files that record the results as they are."""
    for folder, results in ((root, root / "results"), (root / "web", root / "results/web")):
        files = [f for f in sorted(results.rglob("*/*/*.*")) if results / "web" not in f.parents]
        outs = [
            {
                "path": file.relative_to(root).as_posix(),
                "hash": "md5",
                "md5": hashlib.md5(file.read_bytes()).hexdigest(),
            }
            for file in files
        ]
        folder.mkdir(exist_ok=True)
        stages = {"run@all": {"cmd": "run", "outs": outs}, "fetch@all": {"cmd": "fetch"}}
        (folder / "dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))


def edit(root, name, change, locked=True):
    """Change a table as text, by a function on its DataFrame, and what the lock says of it."""
    path = root / "results" / name
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table = change(table)
    write_table(table, path)
    if locked:
        lock(root)


def everywhere(root, change, kinds=("runs", "timings", "curves"), web=True):
    """The same change of all tables."""
    for dataset, folder in DATASETS.items():
        if web or folder == "results":
            for kind in kinds:
                for family in STRATEGIES:
                    path = table_file(folder, kind, dataset, family)
                    edit(root, path.relative_to(root / "results"), change, locked=False)
    lock(root)


def moved(root):
    """All results were made elsewhere."""
    everywhere(root, lambda table: table.assign(platform="another machine"), kinds=["timings"])


def verified(cells=200, **settings):
    lines = []
    code = verify.verify(cells=cells, progress=lines.append, **settings)
    return code, "\n".join(lines)


def nudged(column, by, rows=slice(None), **where):
    """A change: add to the values of a column, in ``rows`` of those that match."""

    def change(table):
        chosen = table.index[(table["status"] == "ok") & (table[column] != "")]
        for name, value in where.items():
            chosen = chosen[table.loc[chosen, name] == value]
        chosen = chosen[rows]
        table.loc[chosen, column] = [
            f"{v:.6f}".rstrip("0") for v in table.loc[chosen, column].astype(float) + by
        ]
        return table

    return change


def test_unchanged_results_are_the_same_in_every_digit(project, monkeypatch):
    """Those of the web are among them; a few are refitted by the workers that make results."""
    code, text = verified()
    assert code == 0, text
    # On three splits of three sets tree and mlp run three strategies, logreg two; of 27 cells of
    # the fourth, which does not apply, as many as a tenth of 200 are drawn.
    assert "Refitting 92 committed cells (seed 0)." in text.splitlines()
    assert text.endswith(
        "72 cells with a score refitted: 72 made on this platform, where every digit counts, "
        "0 made elsewhere."
    )
    assert "fixed_test mlp" in text
    monkeypatch.setattr(verify, "compute", compute)
    assert verified(6)[0] == 0


def test_the_sample_is_seeded_spread_and_cheap(project):
    first, second = verified(9)[1], verified(9)[1]
    assert first == second != verified(9, seed=1)[1]
    drawn = [line.split()[1:3] for line in first.splitlines() if "/10 " in line]
    assert len(drawn) == 10
    scored = {tuple(pair) for pair in drawn}
    assert scored == {(name, learner) for name in DATASETS for learner in LEARNERS}

    def dear(table):
        table.loc[table["learner"] == "mlp", "cpu_seconds"] = "9"
        table.loc[(table["learner"] == "tree") & (table["split"] != "0"), "fit_seconds"] = "9"
        return table

    everywhere(project, dear, kinds=["timings"])
    code, text = verified()
    assert code == 0
    drawn = [line.split()[1:4] for line in text.splitlines() if "/" in line.split()[0]]
    # The cheapest of a learner whose cells are all dear are drawn all the same.
    assert sum(learner == "mlp" for _, learner, _ in drawn) >= 21
    assert sum(learner == "tree" for _, learner, _ in drawn) <= 3 * 3 + 7
    assert "Refitting 92 " in verified(seconds=10)[1]


@pytest.mark.parametrize(
    ("column", "by"),
    [("brier", 1e-6), ("log_loss", -0.01), ("calibration_slope", 1e-5), ("roc_auc", 0.1)],
)
def test_a_changed_digit_of_a_refitted_score_is_found(project, column, by):
    edit(project, "runs/binary/weighting.csv", nudged(column, by, learner="mlp", split="1"))
    code, text = verified()
    assert code == 1
    said = f"binary mlp weighting inverse_frequency split 1, rule tuned_macro_f1: {column} is "
    assert said in text
    assert text.count(" in results/, ") == 2 * 3


@pytest.mark.parametrize("column", ["accuracy", "macro_f1", "mcc", "g_mean", "precision_1", "f1_0"])
def test_a_changed_digit_of_a_label_metric_is_found_anywhere_without_a_refit(project, column):
    moved(project)
    rows = slice(0, 1)
    change = nudged(column, 1e-5, rows, learner="mlp", split="1", rule="tuned_macro_f1")
    edit(project, "runs/binary/weighting.csv", change)
    code, text = verified(1)
    assert code == 1
    found = [line for line in text.splitlines() if "recall and precision make it" in line]
    assert len(found) == 1
    named = "binary mlp weighting inverse_frequency split 1, rule tuned_macro_f1: "
    assert found[0].startswith(named)


def test_a_score_that_depends_on_the_rule_contradicts_itself(project):
    moved(project)
    edit(project, "runs/four/reference.csv", nudged("ece", 1e-3, rule="argmax", learner="mlp"))
    code, text = verified(1)
    assert code == 1
    assert "four mlp reference plain split 2: ece depends on the decision rule." in text
    assert text.count("depends on") == 3


def test_many_contradictions_are_counted(project):
    everywhere(project, nudged("accuracy", 0.005), kinds=["runs"])
    code, text = verified(1)
    assert code == 1
    assert text.count("recall and precision make it") == 3 * verify.MOST
    assert "binary: 52 more rows contradict themselves." in text


def test_two_strategies_that_changed_places(project):
    def swap(table):
        names = {"inverse_frequency": "inverse_sqrt", "inverse_sqrt": "inverse_frequency"}
        mine = table["learner"] != "logreg"
        table.loc[mine, "strategy"] = table.loc[mine, "strategy"].replace(names)
        return table

    everywhere(project, swap)
    code, text = verified()
    assert code == 1
    assert "binary tree weighting inverse_sqrt split 0" in text
    assert "binary mlp weighting inverse_frequency split 0" in text
    moved(project)
    code, text = verified()
    assert code == 1
    assert "cells of tree differ, rounding explains" in text


def test_elsewhere_the_last_digits_may_differ_either_way(project):
    moved(project)
    code, text = verified()
    assert code == 0
    assert text.endswith(" 0 made on this platform, where every digit counts, 72 made elsewhere.")
    for split, by in (("0", 2e-6), ("1", -3e-6), ("2", -2e-6)):
        everywhere(
            project, nudged("brier", by, learner="mlp", split=split), kinds=["runs"], web=False
        )
    code, text = verified()
    assert code == 0, text


def test_elsewhere_a_value_beyond_the_limit_is_found(project, monkeypatch):
    limits = {"mlp": verify.Elsewhere(1.0, 0.01, 0.02, 0.1), "tree": verify.LIMITS["tree"]}
    monkeypatch.setattr(verify, "LIMITS", limits)
    moved(project)
    one = {"learner": "mlp", "split": "1", "strategy": "plain"}
    edit(project, "runs/binary/reference.csv", nudged("brier", 0.0099, **one))
    assert verified()[0] == 0
    edit(project, "runs/binary/reference.csv", nudged("brier", 0.0002, **one))
    code, text = verified()
    assert code == 1
    assert text.count("(allowed elsewhere: 0.01)") == 3


def test_elsewhere_another_cut_off_may_be_the_best(project):
    def of_a_cut_off(change):
        def edited(table):
            one = (table["learner"] == "mlp") & (table["split"] == "1")
            one &= table["rule"] == "tuned_macro_f1"
            assert one.any()
            return table.assign(threshold=table["threshold"].mask(one, change))

        return edited

    edit(project, "runs/binary/reference.csv", of_a_cut_off("0.99"))
    assert "threshold is 0.99 in results/" in verified()[1]  # here every digit counts
    moved(project)
    assert verified()[0] == 0
    edit(project, "runs/binary/reference.csv", of_a_cut_off(""))
    code, text = verified()
    assert code == 1 and "threshold is nan in results/" in text


@pytest.mark.parametrize("learner", ["logreg", "mlp"])
def test_a_value_that_is_left_blank_is_found_anywhere(project, learner):
    def blank(table):
        chosen = (table["learner"] == learner) & (table["split"] == "1")
        return table.assign(brier=table["brier"].mask(chosen, ""))

    edit(project, "runs/binary/reference.csv", blank)
    for place in (lambda root: None, moved):
        place(project)
        code, text = verified()
        assert code == 1
        said = f"binary {learner} reference plain split 1, rule argmax: brier is nan in results/"
        assert said in text


def test_elsewhere_a_tie_is_named_and_more_than_ties_are_found(project):
    moved(project)
    edit(project, "runs/binary/reference.csv", nudged("brier", 0.002, learner="tree", split="1"))
    code, text = verified()
    assert code == 0, text
    assert text.count("(a tie?)") == 1
    assert "binary tree reference plain split 1, rule argmax: brier is" in text
    edit(project, "runs/binary/weighting.csv", nudged("brier", 0.002, learner="tree"))
    code, text = verified()
    assert code == 1
    assert "7 of 27 cells of tree differ, rounding explains" in text


@pytest.mark.parametrize("learner", list(LEARNERS))
@pytest.mark.parametrize("column", ["brier", "roc_auc", "average_precision"])
def test_elsewhere_a_column_that_is_shifted_by_0_005_is_found(project, learner, column):
    moved(project)
    everywhere(project, nudged(column, 0.005, learner=learner), kinds=["runs"])
    code, text = verified()
    assert code == 1
    assert f"{column} of {learner} is shifted: -0.00" in text
    if learner == "mlp":
        assert len(text.splitlines()) == len(verified()[1].splitlines())
        assert text.endswith("1 findings. If you changed code or data, run `dvc repro` first.")


def without(table, **where):
    gone = np.logical_and.reduce([table[name] == value for name, value in where.items()])
    return table[~gone]


def test_rows_that_are_left_out(project):
    cell = {"learner": "mlp", "split": "1", "strategy": "plain"}
    edit(project, "runs/binary/reference.csv", lambda t: without(t, **cell))
    code, text = verified(1)
    assert code == 1
    said = "binary: cells that params.yaml asks for are missing: 1, e.g. binary tabular mlp"
    assert f"{said} reference plain  1." in text
    assert "binary: timings are not those of the rows: 1" in text
    rule = {"learner": "tree", "split": "2", "rule": "tuned_macro_f1"}
    edit(project, "runs/four/weighting.csv", lambda t: without(t, **rule))
    assert "four: cells have not one row for each decision rule: 2, e.g." in verified(1)[1]
    edit(project, "curves/four/weighting.csv.gz", lambda t: t.iloc[1:])
    assert "four: curves are not those of the rows: 1, e.g. weighting" in verified(1)[1]
    (project / "results/runs/four/reference.csv").unlink()
    lock(project)
    said = "four: cells that params.yaml asks for are missing: 9, e.g. four tabular logreg"
    assert said in verified(1)[1]
    for kind in ("runs", "curves", "timings"):
        shutil.rmtree(project / f"results/{kind}/four")
    lock(project)
    assert "There are no results of four: run `dvc repro`." in verified(1)[1]


def test_a_table_of_curves_without_any_is_read(project):
    """As it is where no cell of a family applies."""
    write_table(pd.DataFrame(), "results/curves/binary/weighting.csv.gz")
    lock(project)
    code, text = verified()
    assert code == 1
    assert "binary: curves are not those of the rows" in text


@pytest.mark.parametrize("kind", ["runs", "timings", "curves"])
def test_damaged_tables_are_findings_and_the_others_are_checked(project, kind):
    for family in STRATEGIES:
        path = table_file("results", kind, "four", family)
        path.write_bytes(path.read_bytes()[:-9] if path.suffix == ".gz" else b"")
    name = path.relative_to(project)
    code, text = verified()
    assert code == 1
    assert f"{name} is not as dvc.lock records it" in text
    assert "is damaged (" in text and "; nothing else of four is checked." in text
    assert "former" not in text and "four:" not in text and "There are no results" not in text
    assert "Refitting " in text


def test_rows_that_were_added(project):
    def twice(table):
        return pd.concat([table, table[table["split"] == "2"].iloc[:1]])

    edit(project, "runs/binary/reference.csv", twice)
    edit(project, "timings/four/reference.csv.gz", twice)
    code, text = verified(1)
    assert code == 1
    assert "binary: cells have not one row for each decision rule: 1, e.g." in text
    assert "four: timings are there twice: 1, e.g. four logreg reference plain 2 ok." in text

    def other(table):
        new = table[table["strategy"] == "inverse_sqrt"].assign(strategy="better")
        return pd.concat([table, new])

    edit(project, "runs/four/weighting.csv", other)
    said = "four: cells are there that params.yaml does not ask for: 9, e.g. four tabular logreg"
    assert said in verified(1)[1]
    copy = project / "results/runs/binary/better.csv"
    shutil.copy(project / "results/runs/binary/weighting.csv", copy)
    lock(project)
    said = "binary: cells are there that params.yaml does not ask for: 27, e.g."
    assert said in verified(1)[1]


def test_what_should_have_been_left_out(project):
    def scored(table):
        source = table[(table["learner"] == "tree") & (table["strategy"] == "inverse_sqrt")]
        table = without(table, learner="logreg", strategy="inverse_sqrt")
        return pd.concat([table, source.assign(learner="logreg")])

    for name in ("runs/binary/weighting.csv", "timings/binary/weighting.csv.gz"):
        edit(project, name, scored)
    code, text = verified(1)
    assert code == 1
    assert "binary: cells should have been left out: 3, e.g." in text


def test_a_failure_that_would_pass_now_is_found(project):
    def failed(table):
        mine = (table["learner"] == "tree") & (table["strategy"] == "plain")
        mine &= table["split"] == "1"
        bad = table[mine].iloc[:1].assign(status="failed")
        if "rule" in table:
            bad = bad.assign(rule="", reason="ValueError: no")
        return pd.concat([table[~mine], bad])

    for name in ("runs/binary/reference.csv", "timings/binary/reference.csv.gz"):
        edit(project, name, failed)
    code, text = verified(1)
    assert code == 1
    assert "binary tree reference plain split 1 is 'failed' in results/, 'ok' here" in text


def test_a_cell_that_fails_now_is_named(project, monkeypatch):
    monkeypatch.setattr(weighting, "inverse_frequency", strategy(lambda cell: 1 / 0))
    monkeypatch.setattr(verify, "compute", one_by_one)
    code, text = verified()
    assert code == 1
    said = "four tree weighting inverse_frequency split 0 is 'ok' in results/, 'failed' here"
    assert f"{said}: ZeroDivisionError: division by zero" in text


def test_a_folder_is_counted_as_dvc_does(tmp_path):
    for name, content in {"a.csv": "1\n", "b/c.csv": "2\n", "b.csv": "3\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert verify._md5(tmp_path) == "3c810016117aebd356c2fd3fe523190e.dir"


def test_a_stage_may_have_the_folder_of_a_data_set_for_an_output(project):
    lock_file = project / "dvc.lock"
    record = json.loads(lock_file.read_text())
    outs = record["stages"]["run@all"]["outs"]
    folder = project / "results/runs/binary"
    kept = [out for out in outs if not out["path"].startswith("results/runs/binary/")]
    kept.append({"path": "results/runs/binary", "md5": verify._md5(folder)})
    record["stages"]["run@all"]["outs"] = kept
    lock_file.write_text(json.dumps(record))
    assert verified(1)[0] == 0
    path = folder / "weighting.csv"
    path.write_bytes(path.read_bytes() + b"\n")
    code, text = verified(1)
    said = "results/runs/binary is not as dvc.lock records it: it was changed by hand."
    assert code == 1 and text.count(said) == 1


@pytest.mark.parametrize(
    "name", ["runs/binary/weighting.csv", "web/curves/fixed_test/reference.csv.gz"]
)
def test_files_that_are_not_those_of_the_lock(project, name):
    place = "web/dvc.lock" if name.startswith("web") else "dvc.lock"
    edit(project, name, lambda table: table, locked=False)
    assert verified(1)[0] == 0
    path = project / "results" / name
    path.write_bytes(path.read_bytes() + b"\n")
    code, text = verified(1)
    assert code == 1
    assert f"results/{name} is not as {place} records it: it was changed by hand." in text
    path.rename(path.with_name("else.csv"))
    text = verified(1)[1]
    assert (
        f"results/{name.rsplit('/', 1)[0]}/else.csv is not in {place}: no stage wrote it." in text
    )
    (project / place).unlink()
    assert f"{place} is missing: nothing tells which tables" in verified(1)[1]


def test_a_table_of_a_chapter_is_compared_with_the_lock(project):
    table = project / "results/tables/leaderboard.csv"
    table.parent.mkdir()
    table.write_text("a\n1\n")
    path = project / "dvc.lock"
    content = YAML(typ="safe").load(path.read_text())
    out = {"path": "results/tables/leaderboard.csv", "md5": hashlib.md5(b"a\n1\n").hexdigest()}
    content["stages"]["study"] = {"cmd": "study", "outs": [out]}
    path.write_text(json.dumps(content))
    assert verified(1)[0] == 0
    table.write_text("a\n2\n")
    assert "results/tables/leaderboard.csv is not as dvc.lock records it" in verified(1)[1]
    table.unlink()
    assert "results/tables/leaderboard.csv is in dvc.lock, but not there." in verified(1)[1]


def test_results_of_a_former_protocol_take_one_line(project):
    def tuned(table):
        table["rule"] = table["rule"].replace({"tuned_macro_f1": "tuned"})
        return without(table, rule="tuned_balanced_accuracy")

    everywhere(project, tuned, kinds=["runs"])
    said = (
        "The results of 3 data sets are of a former protocol and are compared with the lock only "
        "(binary: rule 'tuned')."
    )
    assert verified() == (0, said)


def test_a_column_that_is_not_there_tells_of_a_former_protocol_of_one_data_set(project):
    for family in STRATEGIES:
        edit(project, f"runs/four/{family}.csv", lambda table: table.drop(columns="ece_minority"))
    code, text = verified()
    assert code == 0
    assert "results of 1 data sets are of a former protocol" in text
    assert "(four: no column 'ece_minority')" in text
    assert "Refitting 66 committed cells" in text


def test_web_results_whose_data_are_not_here_are_compared_with_the_lock(project):
    shutil.rmtree(project / "data/prepared/fixed_test")
    code, text = verified()
    assert code == 0
    assert "Not prepared here, so compared with the lock only: fixed_test." in text
    assert "Refitting 66 committed cells" in text


def test_without_results_the_remedy_is_named(project):
    shutil.rmtree(project / "results")
    with pytest.raises(StudyError, match="dvc repro"):
        verify.verify()


def gaps(values, value="brier"):
    return pd.DataFrame({"cell": range(len(values)), "value": value, "gap": values})


def test_one_sided_differences():
    """Signs need many cells, a constant shift few; whole rows need many, too."""
    assert not verify.one_sided(gaps([0.005] * 4), 1e-5)
    assert verify.one_sided(gaps([0.005] * 5), 1e-5)
    assert verify.one_sided(gaps([0.005, 0.0051, 0.0049, 0.005, 0.0052, 0.005, 0.005]), 1e-5)
    assert not verify.one_sided(gaps([0.005] * 5, "accuracy"), 1e-5)
    # Two-sided: 2 / 2**18 is less than 1e-5, 2 / 2**17 is not.
    assert not verify.one_sided(gaps(np.geomspace(1e-5, 0.5, 17)), 1e-5)
    assert verify.one_sided(gaps(np.geomspace(1e-5, 0.5, 18)), 1e-5)
    assert not verify.one_sided(gaps([1e-6] * 100), 1e-5)
    assert not verify.one_sided(gaps([np.inf] * 100), 1e-5)


def test_true_differences_seldom_look_one_sided():
    """A few large ones among many that are zero, either way: at most one in a hundred alarms."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(400):
        sizes = rng.normal(size=30) * 10.0 ** rng.uniform(-5, -1, 30)
        alarms += bool(verify.one_sided(gaps(np.where(rng.random(30) < 0.5, sizes, 0)), 0.01))
    assert alarms <= 8


@pytest.fixture(scope="module")
def measured():
    """The script that measures refits."""
    path = Path(__file__).with_name("benchmarks") / "measure_refits.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    measured = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measured)
    return measured


def test_limits_of_networks_are_those_that_were_measured(measured):
    table = pd.read_csv(measured.FILE)
    assert table["difference"].abs().max() > 0
    found = measured.limits(table)
    assert set(found.index) == {"mlp", "minilm_head", "cnn"}
    for learner, row in found.iterrows():
        limit = verify.LIMITS[learner]
        assert (limit.scores, limit.labels, limit.classes) == (row.scores, row.labels, row.classes)
    # Not fitted there, since it takes minutes: what is widest.
    assert verify.LIMITS["minilm_finetune"][1:] == tuple(
        found.max()[["scores", "labels", "classes"]]
    )


def test_measured_limits_follow_from_the_largest_difference(measured):
    cell = {"learner": "mlp", "dataset": "a", "strategy": "plain", "split": 0, "smallest": 10}
    base = [{**cell, "rule": r, "brier": 0.2, "macro_f1": 0.5, "recall_1": 0.5} for r in "ab"]
    now = [dict(row) for row in base]
    now[1] |= {"brier": 0.2213, "macro_f1": 0.45, "recall_1": 0.7}
    table = measured.compared({"one": pd.DataFrame(base), "two": pd.DataFrame(now)})
    assert table["kind"].tolist() == ["classes", "labels", "scores"]
    assert table["rule"].tolist() == ["b"] * 3
    np.testing.assert_allclose(table["difference"], [0.2, -0.05, 0.0213], atol=1e-9)
    # Twice of it; of labels and classes one row in ten is on top, and there is a least.
    found = measured.limits(table).loc["mlp"].to_dict()
    assert found == {"classes": 0.3, "labels": 0.03, "scores": 0.05}
    few = measured.limits(table.assign(smallest=[10, 1, 1])).loc["mlp"]
    assert (few["classes"], few["scores"]) == (0.3, 0.05)


def test_every_learner_has_limits(study):
    assert set(verify.LIMITS) == set(LEARNERS_OF_THE_STUDY)
    assert verify.limit_of("tree").ties < 0.1
    assert verify.limit_of("mlp").ties == 1
    assert set(CELL) < set(verify.NAMES)
    assert config.load()
