"""The lock, the conda environment and the package agree."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lock():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pairs = [re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", x) for x in lines if x and x[0] != "#"]
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
    environment = YAML(typ="safe").load((ROOT / "environment.yml").read_text())
    python = next(
        d for d in environment["dependencies"] if isinstance(d, str) and d.startswith("python=")
    )
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python="))
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert pip == ["-r requirements.lock", "-e ."]
    assert "pip" in environment["dependencies"]
