"""A scratch copy of the project, for runs that must not touch it."""

import shutil
import subprocess
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
PARTS = ["imbbench", "notebooks", "web", "dvc.yaml", "params.yaml", "pyproject.toml", ".dvcignore"]


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
    run(folder, "git", "init", "-q")
    run(folder, "dvc", "init", "-q")
    run(folder, "dvc", "config", "core.analytics", "false")


def edit_params(folder, change):
    """Change ``params.yaml`` of a copy by a function on its content."""
    yaml = YAML()
    path = folder / "params.yaml"
    params = yaml.load(path.read_text(encoding="utf-8"))
    change(params)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yaml.dump(params, file)
