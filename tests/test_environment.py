"""The lock, the conda environment, the hooks, the hosted workflow and the package agree."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

import imbbench

ROOT = Path(__file__).resolve().parents[1]
TOML = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = TOML["project"]


def yaml(name):
    return YAML(typ="safe").load((ROOT / name).read_text(encoding="utf-8"))


def pythons():
    allowed = SpecifierSet(PROJECT["requires-python"])
    return [f"3.{minor}" for minor in range(50) if allowed.contains(f"3.{minor}")]


def lock():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pairs = [
        re.fullmatch(r"([A-Za-z0-9._-]+)==([^\s;]+)(; sys_platform [!=]= 'darwin')?", x)
        for x in lines
        if x and x[0] != "#"
    ]
    assert all(pairs), "every line of the lock pins one version"
    return {m[1].lower().replace("_", "-"): m[2] for m in pairs}


def test_every_requirement_is_locked_at_an_allowed_version():
    locked = lock()
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    for text in wanted:
        requirement = Requirement(text)
        version = locked.get(requirement.name.lower())
        assert version, f"{requirement.name} is not in requirements.lock"
        assert requirement.specifier.contains(version), f"{text} forbids the locked {version}"


def test_torch_is_pinned_without_a_local_build():
    assert lock()["torch"] == "2.13.0"


def test_conda_installs_the_lock_on_an_allowed_python():
    environment = yaml("environment.yml")
    python = next(
        d for d in environment["dependencies"] if isinstance(d, str) and d.startswith("python=")
    )
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert pip == ["-r requirements.lock", "-e ."]
    assert "pip" in environment["dependencies"]


def test_the_version_is_written_once():
    assert PROJECT["dynamic"] == ["version"] and "version" not in PROJECT
    assert TOML["tool"]["setuptools"]["dynamic"] == {"version": {"attr": "imbbench.__version__"}}
    assert yaml("CITATION.cff")["version"] == imbbench.__version__
    newest = re.findall(r"^## \[?(\d[\d.]*)", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)[0]
    assert newest == imbbench.__version__


def test_types_are_shipped():
    assert TOML["tool"]["setuptools"]["package-data"] == {"imbbench": ["py.typed"]}
    assert (ROOT / "imbbench" / "py.typed").is_file()


def test_every_allowed_python_is_named_and_tried():
    """By the classifiers, the hosted workflow and the README."""
    stem = "Programming Language :: Python :: "
    named = [c.removeprefix(stem) for c in PROJECT["classifiers"] if c.startswith(stem)]
    job = yaml(".github/workflows/test.yml")["jobs"]["test"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    first, last = re.search(r"Python (3\.\d+)–(3\.\d+)", readme).groups()
    assert named == job["strategy"]["matrix"]["python-version"] == pythons()
    assert [first, last] == [named[0], named[-1]]


def test_the_workflow_runs_what_one_runs_by_hand():
    workflow = yaml(".github/workflows/test.yml")
    job = workflow["jobs"]["test"]
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == [".ci/run"] and (ROOT / commands[0]).stat().st_mode & 0o111
    actions = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in actions)
    python = next(step["with"] for step in job["steps"] if "setup-python" in step.get("uses", ""))
    assert python["python-version"] == "${{ matrix.python-version }}"
    assert (ROOT / python["cache-dependency-path"]).is_file()
    assert workflow["permissions"] == {"contents": "read"}


def test_hooks_use_the_locked_ruff_and_strip_the_sources_only():
    repos = {r["repo"].split("/")[-1]: r for r in yaml(".pre-commit-config.yaml")["repos"]}
    assert all(re.fullmatch(r"v?\d+(\.\d+)+", repo["rev"]) for repo in repos.values())
    assert repos["ruff-pre-commit"]["rev"] == f"v{lock()['ruff']}"
    (strip,) = repos["nbstripout"]["hooks"]
    for path in ROOT.glob("*/**/*.ipynb"):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(("notebooks/", "results/")):
            assert bool(re.search(strip["files"], name)) == name.startswith("notebooks/")
    assert "--keep-id" in strip["args"]
    assert not {"metadata.kernelspec", "metadata.language_info"} & set(strip["args"][-1].split())
    written = repos["pre-commit-hooks"]["hooks"][0]["exclude"]
    for name in ("results/runs/yeast/loss.csv", "dvc.lock", "web/dvc.lock"):
        assert re.search(written, name)
    assert not re.search(written, "imbbench/losses.py")


def test_what_the_site_needs_is_locked_apart():
    lines = (ROOT / "requirements-site.lock").read_text().splitlines()
    pairs = dict(line.split("==") for line in lines if line and line[0] != "#")
    locked = {name.lower().replace("_", "-"): version for name, version in pairs.items()}
    for text in PROJECT["optional-dependencies"]["site"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(locked[requirement.name.lower()])
    assert not set(locked) & set(lock())
