"""A scratch copy of the project, for runs that must not touch it."""

import shutil
import subprocess
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
PARTS = ["imbbench", "notebooks", "web", "dvc.yaml", "params.yaml", "pyproject.toml", ".dvcignore"]
# They need data sets that copies do not have, or minutes.
LEFT_OUT = [
    *("right_and_wrong", "replications", "sms_spam_article", "generated_text"),
    *("settings_that_pretend", "toy_figure", "doses", "batches", "prior_shift"),
    *("noise_and_gaps", "search", "difficulty", "measures"),
]


def run(folder, *command, check=True, **options):
    """Run a command in ``folder``; returns the finished process with its output as text."""
    done = subprocess.run(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")
    return done


def copy_project(folder, change):
    """Copy code, notebooks and pipeline (no results) and make it a Git and DVC repository.

    Parameters
    ----------
    folder : Path
        Must not exist.
    change : callable
        Gets ``params.yaml`` as a dictionary and changes it in place.
    """
    folder.mkdir(parents=True)
    skip = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "dvc.lock")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=skip)
        else:
            shutil.copy(source, folder / part)
    (folder / ".gitignore").write_text("/data/\n__pycache__/\n")
    edit_params(folder, change)
    leave_out(folder)
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    run(folder, "dvc", "config", "core.analytics", "false")


def leave_out(folder):
    """Take the stages out that no copy runs, and what others take from them."""
    made = set()

    def stages_out(pipeline):
        for stage in LEFT_OUT:
            for out in pipeline["stages"].pop(stage).get("outs", []):
                made.update([out] if isinstance(out, str) else out)

    def deps_out(pipeline):
        for stage in pipeline["stages"].values():
            part = stage.get("do", stage)
            part["deps"] = [path for path in part["deps"] if path not in made]

    edit_yaml(folder / "dvc.yaml", stages_out)
    for path in ("dvc.yaml", "web/dvc.yaml"):
        edit_yaml(folder / path, deps_out)


def edit_params(folder, change):
    """Change ``params.yaml`` of a copy by a function on its content."""
    edit_yaml(folder / "params.yaml", change)


def edit_yaml(path, change):
    """Change a YAML file in place by a function on its content."""
    yaml = YAML()
    content = yaml.load(path.read_text(encoding="utf-8"))
    change(content)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yaml.dump(content, file)
