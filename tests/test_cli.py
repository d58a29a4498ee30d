import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

import imbbench
from imbbench import config, notebooks
from imbbench.cli import main, program


def command(arguments, env=None, **options):
    """The real command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "imbbench", *arguments],
        env=os.environ | (env or {}),
        text=True,
        stderr=subprocess.PIPE,
        **{"stdout": subprocess.PIPE, **options},
    )


COUNTS = "7 data sets, 6 learners, 5 strategies"


def test_list(study, capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == COUNTS
    assert "Data sets (7)" in lines
    assert "Web data sets (0)" in lines
    assert "Wide data sets (0)" in lines
    assert "Benchmark data sets (0)" in lines
    assert "Learners (6)" in lines
    assert any(line.split() == ["texts", "text", "a", "test"] for line in lines)
    assert any(line.split() == ["mlp", "tabular"] for line in lines)
    assert "Family weighting (2): inverse_frequency, table_3" in lines


def test_list_shows_the_size_of_what_is_prepared(study, tmp_path, capsys):
    card = {"rows": 9, "features": 2, "classes": {"a": 6, "b": 3}, "imbalance_ratio": 2.0}
    folder = tmp_path / "data/prepared/texts"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(json.dumps(card))
    assert main(["list"]) == 0
    (line,) = (x for x in capsys.readouterr().out.splitlines() if x.startswith("  texts "))
    assert line.split(maxsplit=2)[2] == "9 × 2, 2 classes 6 … 3 (2): a test"


def test_check(study, capsys):
    assert main(["check"]) == 0
    assert capsys.readouterr().out == f"params.yaml is sound: {COUNTS}.\n"


def test_the_summary_has_the_same_counts(study, capsys, monkeypatch):
    monkeypatch.setattr("imbbench.analysis.answer.summary", lambda *asked: "the leaderboard")
    assert main(["summary"]) == 0
    assert capsys.readouterr().out == (
        f"params.yaml: {COUNTS}; scored beside a control:\nthe leaderboard\n"
    )


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["fetch", "nope"], "params.yaml has no data set 'nope'. Known: binary"),
        (["prepare", "nope"], "params.yaml has no data set 'nope'. Known: binary"),
        (["run", "nope", "weighting"], "params.yaml has no data set 'nope'. Known: binary"),
        (["run", "mixed", "nope"], "params.yaml has no family 'nope'. Known: reference"),
        (["execute", "no.ipynb", "out.ipynb"], "There is no notebook no.ipynb."),
        (["execute", "no.ipynb", "out.ipynb", "-p", "dataset", "["], "parameter dataset: '['"),
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Commands:"),
        (["frobnicate"], "No such command 'frobnicate'."),
        (["lst"], "Did you mean 'list'?"),
        (["add_dataset"], "Did you mean 'add-dataset'?"),
        (["run"], "Missing argument 'DATASET'"),
        (["list", "--all"], "No such option '--all'."),
        (["add-dataset", "a.csv", "--traget", "y"], "Did you mean one of: '--target'"),
        (["add-dataset", "a.csv"], "Missing option '--target'"),
        (["add-dataset", "a.csv", "--target", "y", "--groups", "a", "--groups", "b"], "more than"),
        (["add-dataset", "a.csv", "--target", "y", "--cut", "high"], "'high' is not a valid float"),
        (["verify", "--cells", "many"], "'many' is not a valid integer"),
    ],
)
def test_wrong_usage(arguments, said, capsys):
    assert main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("Usage: imbbench")
    assert said in err


def test_a_mistyped_name_has_the_nearest_one(study, tmp_path, capsys):
    assert main(["fetch", "mixde"]) == main(["run", "mixed", "wieghting"]) == 1
    err = capsys.readouterr().err
    first, second = err.splitlines()
    assert first.startswith("imbbench: params.yaml has no data set 'mixde'.")
    assert first.endswith("Did you mean 'mixed'?")
    assert second.endswith("Did you mean 'weighting'?")
    file = tmp_path / "params.yaml"
    text = file.read_text()
    for wrong, right in (("hbg", "hgb"), ("inverse_frequenzy", "inverse_frequency")):
        file.write_text(text.replace(f'"{right}"', f'"{wrong}"'))
        assert main(["check"]) == 1
        assert f"Did you mean '{right}'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", sorted(program.commands))
def test_help_tells_every_argument_and_option_and_an_example(command, capsys):
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    examples = out.partition("Examples:")[2]
    assert f"    imbbench {command}" in examples
    for parameter in program.commands[command].params:
        assert parameter.help
        assert parameter.opts[0].upper() in out or parameter.opts[0] in out


def test_help_has_every_command(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert [name for name in program.commands if f"\n  {name} " not in out] == []


def complete(words, folder):
    """What the shell is offered for the last of the words."""
    done = command(
        [],
        cwd=folder,
        env={
            "_IMBBENCH_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(["imbbench", *words]),
            "COMP_CWORD": str(len(words)),
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [line.partition(",")[2] for line in done.stdout.split()]


def test_completion(study, tmp_path):
    assert complete(["ad"], tmp_path) == ["add-dataset"]
    assert complete(["add-dataset", "--cat"], tmp_path) == ["--categorical"]
    assert complete(["run", "mi"], tmp_path) == ["mixed"]
    assert complete(["run", "mixed", "w"], tmp_path) == ["weighting"]
    (tmp_path / "params.yaml").write_text("no study")
    assert complete(["run", "mi"], tmp_path) == []


def test_version_is_the_packages_own(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"imbbench {imbbench.__version__}\n"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["add-dataset", "--help"]])
def test_what_needs_no_study_comes_at_once(arguments):
    code = f"import sys; from imbbench.cli import main, program; main({arguments}); "
    code += "print(sorted({'numpy', 'pandas', 'pydantic', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["--version"]])
def test_nobody_reads_what_is_printed(arguments, study, tmp_path):
    """A pipe whose reader is gone, whatever is written at the end or at once."""
    reader, writer = os.pipe()
    os.close(reader)
    for unbuffered in ("", "1"):
        done = command(arguments, cwd=tmp_path, stdout=writer, env={"PYTHONUNBUFFERED": unbuffered})
        assert (done.returncode, done.stderr) == (1, "")
    os.close(writer)


def test_an_interrupt_is_one_message(study, tmp_path):
    """While it waits for a server that does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/slow.csv"
        running = subprocess.Popen(
            [sys.executable, "-m", "imbbench", "add-dataset", address, "--target", "y"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.settimeout(30)
        connection, _ = server.accept()
        # A signal that comes while the connection is still made may end in a finaliser.
        assert connection.recv(1000).startswith(b"GET /slow.csv")
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=30)[1]
        connection.close()
    assert (running.returncode, said.strip()) == (130, "imbbench: interrupted")


def test_values_and_files_may_begin_with_a_dash(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{i},{i % 7},{-1 if i % 3 else 1}\n" for i in range(30))
    for file in ("-a.csv", "b.csv"):
        (tmp_path / file).write_text(f"-x,n,-y\n{rows}{len(file)},1,1\n")
    (tmp_path / "params.yaml").write_text("datasets:\n  old:\n    target: y\n")
    options = ["--target", "-y", "--class", "-1", "bad", "--class=1", "-good", "--drop", "-x"]
    assert main(["add-dataset", *options, "--", "-a.csv"]) == 0
    assert main(["add-dataset", "b.csv", "--target=-y", "--cut", "-0.5", "--drop=-x"]) == 0
    found = YAML(typ="safe").load(tmp_path / "params.yaml")["datasets"]
    assert found["a"]["classes"] == {"-1": "bad", "1": "-good"}
    assert (found["a"]["target"], found["a"]["drop"]) == ("-y", ["-x"])
    assert found["b"]["cut"] == {"up to -0.5": [None, -0.5], "above -0.5": [None, None]}


def test_add_dataset_hands_on_every_option(monkeypatch):
    got = {}
    monkeypatch.setattr(
        "imbbench.data.add.add_dataset", lambda source, target, **given: got.update(given)
    )
    options = {
        **{"name": "n", "member": "m", "text": "t", "positive": "p", "groups": "g"},
        **{"separator": ";", "decimal": ",", "encoding": "cp1252", "min_class": 3, "dry_run": True},
        **{"drop": ("a", "b"), "categorical": ("c",), "numeric": ("d",), "missing": ("?",)},
        **{"cut": (1.5, 2.0), "classes": (("1", "bad"),), "columns": ["a,b", "c"]},
        "drop_unlabelled": True,
    }
    arguments = ["add-dataset", "a.csv", "--target", "y", "--dry-run", "--columns", '"a,b",c']
    arguments += shlex.split(
        "--name n --member m --text t --positive p --groups g --separator ';' --decimal , "
        "--encoding cp1252 --min-class 3 --drop a --drop b --categorical c --numeric d "
        "--missing ? --cut 1.5 --cut 2 --class 1 bad --drop-unlabelled"
    )
    assert main(arguments) == 0
    assert got == options


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


def test_a_study_without_plain_is_refused_before_anything_is_fitted(study, monkeypatch, capsys):
    study.families.remove("reference")
    monkeypatch.setattr(config, "load", lambda: study)
    monkeypatch.setattr(notebooks, "execute", lambda *given: pytest.fail("it was run"))
    assert main(["run", "mixed", "weighting"]) == 1
    assert "no family 'reference'" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_cannot_be_written_is_one_message(number, monkeypatch, capsys):
    def fail():
        raise OSError(number, os.strerror(number), "a.csv")

    monkeypatch.setattr(config, "load", fail)
    assert main(["list"]) == 1
    said = f"[Errno {number}] {os.strerror(number)}: 'a.csv'. Make room, or let the folder be "
    assert capsys.readouterr().err == f"imbbench: {said}written, then run it again.\n"


def test_another_error_of_the_system_is_not_taken_for_a_full_disk(monkeypatch):
    def fail():
        raise OSError(errno.ENOENT, "nothing there")

    monkeypatch.setattr(config, "load", fail)
    with pytest.raises(OSError, match="nothing there"):
        main(["list"])


def test_as_a_module_without_a_study(tmp_path):
    """Exit code and message of the real command; nothing heavy is imported to say it."""
    code = "import sys; from imbbench.cli import main, program; c = main(['list']); "
    code += "print('torch' in sys.modules); sys.exit(c)"
    for command in (["-m", "imbbench", "list"], ["-c", code]):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert done.stderr.startswith("imbbench: No params.yaml in ")
        assert done.stderr.count("\n") == 1
    assert done.stdout == "False\n"
