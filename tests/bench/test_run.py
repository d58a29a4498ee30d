import json
import os

import pandas as pd
import pytest

from imbbench import config
from imbbench.bench import run
from imbbench.bench.cell import Task
from imbbench.bench.registry import strategy
from imbbench.bench.run import left_out, run_family, tasks
from imbbench.errors import StudyError
from imbbench.paths import root
from imbbench.strategies import reference


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
    table.to_csv(folder / "weighting.csv.gz", index=False)
    first = tasks(study, "four", "weighting")[:3]
    assert {(t.learner, t.strategy) for t in first} == {("tree", "inverse_frequency")}


def test_data_that_are_not_prepared(study):
    study.datasets["later"] = study.datasets["binary"]
    with pytest.raises(StudyError, match=r"'later' is not prepared .*dvc repro prepare@later"):
        tasks(study, "later", "weighting")


# Cells that are left out, and why


@pytest.mark.parametrize(
    ("entry", "learner", "reason"),
    [
        ({}, {}, ""),
        ({"learners": ["tree", "mlp"]}, {}, "run with tree, mlp only"),
        ({"learners": ["tree", "logreg"]}, {}, ""),
        ({"splits": 1}, {}, "run on the first split only"),
        ({"splits": 2}, {}, ""),
        ({}, {"strategies": ["plain"]}, "logreg is costly: run with the strategies listed for it"),
        ({}, {"strategies": ["plain", "inverse_frequency"]}, ""),
        ({}, {"splits": 1}, "logreg is costly: first split only"),
    ],
)
def test_why_a_cell_is_left_out(study, entry, learner, reason):
    study.strategies["weighting"]["inverse_frequency"] = entry
    study.learners["logreg"] |= learner
    found = left_out(study, Task("binary", "weighting", "logreg", "inverse_frequency", 1))
    assert found.startswith(reason) and bool(found) == bool(reason)


def test_a_costly_learner_is_left_out_of_long_texts(study):
    """As many words as the limit are no more than it; a table has none."""
    path = root() / "data/prepared/texts/data.csv"
    words = pd.read_csv(path)["text"].str.split().str.len().sum()
    task = Task("texts", "weighting", "minilm_head", "inverse_frequency", 4)
    found = []
    for limit in (words, words - 1):
        study.learners["minilm_head"] = {"words": int(limit), "splits": 2}
        found.append(left_out(study, task))
    assert found == [
        "minilm_head is costly: first 2 splits only",
        f"minilm_head is costly: run on texts of at most {words - 1} words in all only",
    ]
    study.learners["logreg"] = {"words": 1}
    assert left_out(study, Task("binary", "weighting", "logreg", "inverse_frequency", 0)) == ""


def test_a_large_data_set_is_run_on_its_first_splits(study):
    path = root() / "data/prepared/binary/schema.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"splits": 2}), "utf-8")
    os.utime(path.with_name("data.csv"), ns=(1, 1))  # what was read before is read again
    every = [
        Task("binary", "weighting", "logreg", "inverse_frequency", split) for split in range(3)
    ]
    found = [left_out(study, task) for task in every]
    assert found == ["", "", "binary is large: first 2 splits only"]


def test_what_is_left_out_is_in_the_tables_with_its_reason_and_is_not_fitted(
    study, in_process, monkeypatch
):
    fitted = []
    dummy = strategy(lambda cell: fitted.append(cell.learner) or cell.fit())
    monkeypatch.setattr(reference, "dummy", dummy)
    # Trying it on made-up rows is no cell.
    monkeypatch.setattr(run, "try_all", lambda *given, **settings: None)
    study.learners = {"logreg": {"C": 1.0}, "tree": {"splits": 2}}
    study.strategies["reference"]["dummy"] = {"learners": ["tree"], "splits": 1}
    lines = []
    found = run_family("binary", "reference", progress=lines.append, jobs=1)
    assert fitted == ["tree"]
    assert len(lines) == 3 + 2 + 1
    assert found.loop["cells"] == len(found.timings) == 2 * 2 * 3
    runs = found.runs
    place = ["learner", "strategy", "split", "rule"]
    assert runs[place].to_numpy().tolist() == sorted(runs[place].to_numpy().tolist())
    out = runs[runs["status"] == "not applicable"]
    assert out[["learner", "strategy", "split", "reason"]].to_numpy().tolist() == [
        ["logreg", "dummy", 0, "run with tree only"],
        ["logreg", "dummy", 1, "run with tree only"],
        ["logreg", "dummy", 2, "run with tree only"],
        ["tree", "dummy", 1, "run on the first split only"],
        ["tree", "dummy", 2, "run on the first split only"],
        ["tree", "plain", 2, "tree is costly: first 2 splits only"],
    ]
    assert set(out["rule"]) == {""} and set(out["control"]) == {"plain", ""}
    assert out[["macro_f1", "recall_0"]].isna().all(axis=None)
    rest = runs.drop(out.index)
    assert set(rest["status"]) == {"ok"} and set(rest["reason"]) == {""}
    timings = found.timings[found.timings["status"] == "not applicable"]
    assert len(timings) == 6
    assert timings["cpu_seconds"].sum() == 0
    assert timings[["fit_seconds", "predict_seconds", "epochs"]].isna().all(axis=None)


# A family


def test_only_the_first_splits_of_a_family(study, in_process):
    study.learners = {"tree": {}}
    lines = []
    found = run_family("binary", "reference", splits=2, progress=lines.append, jobs=1)
    assert set(found.runs["split"]) == {0, 1}
    assert len(lines) == found.loop["cells"] == 2 * 2


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
    monkeypatch.setattr(run, "compute", lambda *_, **__: pytest.fail("cells are run"))
    with pytest.raises(StudyError, match="strategy 'table_3' of family 'weighting'"):
        run_family("mixed", "weighting")


def test_nothing_to_run(study, monkeypatch):
    study.strategies["weighting"] = {}
    monkeypatch.setattr(config, "load", lambda: study)
    with pytest.raises(StudyError, match="'weighting' has nothing to run on data set 'mixed'"):
        run_family("mixed", "weighting")
