"""What a host builds from the repository names targets and files that are there."""

import json
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
PHONY = re.search(r"^\.PHONY: (.*)", MAKEFILE, flags=re.M)[1].split()


def recipe(target):
    return re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, flags=re.M)[1]


def allowed(python):
    return SpecifierSet(PROJECT["requires-python"]).contains(python)


def test_the_site_is_published_from_committed_results_without_a_run():
    path = ROOT / ".github" / "workflows" / "site.yml"
    workflow = YAML(typ="safe").load(path.read_text())
    (job,) = workflow["jobs"].values()
    uses = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in uses)
    assert [step["run"] for step in job["steps"] if "run" in step] == ["make site"]
    assert "site" in PHONY and not re.search(r"dvc|papermill", recipe("site"))
    steps = {step["uses"].partition("@")[0]: step for step in job["steps"] if "uses" in step}
    assert f"{steps['actions/upload-pages-artifact']['with']['path']}\n" in recipe("site")
    python = steps["actions/setup-python"]["with"]
    assert allowed(python["python-version"])
    assert all((ROOT / name).is_file() for name in python["cache-dependency-path"].split())
    assert workflow["permissions"] == {"contents": "read", "pages": "write", "id-token": "write"}
    assert steps["actions/deploy-pages"]["id"] in job["environment"]["url"]


def test_the_container_opens_copies_of_the_notebooks():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert allowed(re.fullmatch(r"python:(3\.\d+)", container["image"])[1])
    target = re.fullmatch(r"make (\w+)", container["postCreateCommand"])[1]
    assert target in PHONY and recipe(target) == "\timbbench lab\n"
    for name in container["customizations"]["codespaces"]["openFiles"]:
        assert (ROOT / name.replace("lab/", "notebooks/")).is_file()
    (port,) = container["forwardPorts"]
    assert re.search(rf"http\.server .* {port}\n", recipe("serve"))
    interpreter = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert interpreter.endswith(
        re.search(r"^VENV \?= (.*)", MAKEFILE, flags=re.M)[1] + "/bin/python"
    )


def test_what_the_browsers_tests_need_is_locked_apart():
    def locked(name):
        lines = (ROOT / name).read_text().splitlines()
        return dict(line.split("==") for line in lines if line and line[0] != "#")

    own = locked("requirements-site-test.lock")
    for text in PROJECT["optional-dependencies"]["site-test"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(own[requirement.name])
    assert not set(own) & set(locked("requirements-site.lock"))
    assert "requirements-site-test.lock" in recipe("site-test")
    assert "tests/test_site_browser.py" in recipe("site-test")
