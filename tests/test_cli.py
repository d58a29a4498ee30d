import json
import subprocess
import sys

import pytest

import imbbench
from imbbench import notebooks
from imbbench.cli import main


def test_list(study, capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "Data sets (7)" in lines
    assert "Web data sets (0)" in lines
    assert "Benchmark data sets (0)" in lines
    assert "Learners (6)" in lines
    assert any(line.split() == ["texts", "text", "a", "test"] for line in lines)
    assert any(line.split() == ["mlp", "tabular"] for line in lines)
    assert "Family weighting: inverse_frequency, table_3" in lines


def test_check(study, capsys):
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "params.yaml is sound: 7 data sets, 5 strategies.\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["fetch", "nope"], "params.yaml has no data set 'nope'. Known: binary"),
        (["prepare", "nope"], "params.yaml has no data set 'nope'. Known: binary"),
        (["run", "nope", "weighting"], "params.yaml has no data set 'nope'. Known: binary"),
        (["run", "mixed", "nope"], "params.yaml has no family 'nope'. Known: reference"),
        (["execute", "no.ipynb", "out.ipynb"], "There is no notebook no.ipynb."),
        (["add-dataset", "no.csv", "--target", "y"], "no.csv"),
        (["fetch", "binary"], "data set binary"),
        (["prepare", "binary"], "data set binary"),
    ],
)
def test_a_users_error_is_one_message_and_exit_code_1(study, capsys, command, message):
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert err.startswith("imbbench: ")
    assert message in err
    assert "Traceback" not in out + err


def test_a_broken_study_is_one_message(study, tmp_path, capsys):
    (tmp_path / "params.yaml").write_text("families: [reference]\nprotocl: {}\n")
    for command in (["list"], ["check"], ["run", "mixed", "reference"]):
        assert main(command) == 1
        assert capsys.readouterr().err.startswith("imbbench: params.yaml: ")


@pytest.mark.parametrize(
    "command", [["check"], ["fetch", "mixed"], ["prepare", "mixed"], ["run", "mixed", "reference"]]
)
def test_a_broken_entry_is_one_message(study, tmp_path, capsys, monkeypatch, command):
    monkeypatch.setattr(notebooks, "execute", None)
    params = json.loads((tmp_path / "params.yaml").read_text())
    params["datasets"]["mixed"]["tarket"] = "y"
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    assert main(command) == 1
    message = "imbbench: data set mixed: unknown key tarket; known are source"
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["run", "mixed"], ["list", "--all"]])
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: imbbench" in capsys.readouterr().err


def test_version_is_the_packages_own(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"imbbench {imbbench.__version__}\n"


def test_execute_passes_typed_parameters(monkeypatch):
    got = []
    monkeypatch.setattr(notebooks, "execute", lambda *given: got.append(given))
    arguments = ["execute", "a.ipynb", "b.ipynb", "-p", "name", "x y", "-p", "n", "3"]
    assert main([*arguments, "-p", "flag", "true"]) == 0
    assert got == [("a.ipynb", "b.ipynb", {"name": "x y", "n": 3, "flag": True})]


def test_run_executes_the_familys_notebook_and_adds_the_stages_time(study, tmp_path, monkeypatch):
    folder = tmp_path / "results" / "timings" / "mixed"
    folder.mkdir(parents=True)
    (folder / "weighting.json").write_text('{"cells": 3}')
    got = []
    monkeypatch.setattr(notebooks, "execute", lambda *given: got.append(given))
    assert main(["run", "mixed", "weighting"]) == 0
    ((notebook, output, parameters),) = got
    assert notebook == tmp_path / "notebooks" / "02_run_family.ipynb"
    assert output == tmp_path / "results" / "rendered" / "mixed" / "weighting.ipynb"
    assert parameters == {"dataset": "mixed", "family": "weighting", "save": True}
    assert '"cells": 3,\n "stage_seconds": ' in (folder / "weighting.json").read_text()


def test_as_a_module_without_a_study(tmp_path):
    """Exit code and message of the real command; nothing heavy is imported to say it."""
    code = "import sys; from imbbench.cli import main; c = main(['list']); "
    code += "print('torch' in sys.modules); sys.exit(c)"
    for command in (["-m", "imbbench", "list"], ["-c", code]):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert done.stderr.startswith("imbbench: No params.yaml in ")
        assert done.stderr.count("\n") == 1
    assert done.stdout == "False\n"
