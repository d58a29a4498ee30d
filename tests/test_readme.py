"""The README's numbers are those of the pipeline, and its snippets work."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from ruamel.yaml import YAML

from imbbench import cli, config
from imbbench.analysis import prose
from imbbench.bench.check import check_family, try_all
from imbbench.bench.registry import definitions, strategy
from imbbench.data.datasets import Dataset

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDER = "results/wide" if (ROOT / "results/wide/study.json").is_file() else "results"


def snippet(title, language):
    section = README.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.search(rf"```{language}\n(.*?)```", section, flags=re.S)[1]


def test_the_answer_is_the_committed_one():
    shown = README.split(cli.ANSWER)[1].split(cli.ANSWER_END)[0]
    shown = shown.replace(f"{cli.FIGURE.format(folder=FOLDER)}\n\n", "")
    assert shown.strip() == (ROOT / FOLDER / "tables/answer.md").read_text(encoding="utf-8").strip()


def test_every_linked_file_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    links += re.findall(r'src(?:set)?="([^"]+)"', README)
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_the_table_of_keys_has_all_of_an_entry():
    table = README.split("| key | what it says |")[1].split("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    keys = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert sorted(keys) == sorted(Dataset.model_fields)


def test_every_data_set_is_cited():
    study = config.load(ROOT / "params.yaml")
    for name in set(study.all_datasets) - set(study.own_datasets):
        assert study.dataset(name)["citation"] and study.dataset(name)["licence"]
    assert (ROOT / "DATA.md").read_text(encoding="utf-8") == prose.licences(study)


def test_the_wide_data_sets_are_as_many_as_it_says():
    study = config.load(ROOT / "params.yaml")
    assert f"runs {len(study.wide_datasets)} more data sets" in README


def test_what_is_run_of_the_wide_study_is_as_much_as_it_says():
    wide = config.load(ROOT / "params.yaml").wide_datasets
    run = [path.name for path in (ROOT / "results/wide/runs").glob("*")]
    assert set(run) <= set(wide)
    text = " ".join(README.split())
    assert f"{len(run)} of the {len(wide)} data sets of the [wide study]" in text
    left = re.search(r"Not run yet (?:is|are) ([^;]*);", text)
    assert set(re.findall(r"`(\w+)`", left[1] if left else "")) == set(wide) - set(run)


def test_every_command_and_make_target_exists():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M)
    for target in re.findall(r"(?:`|^)make ([a-z-]+)", README, flags=re.M):
        assert target in targets


def test_the_strategy_is_one_of_its_family():
    space = {"strategy": strategy}
    exec(snippet("Add a strategy", "python"), space)
    cell = SimpleNamespace(class_counts=np.array([800, 100]), fit=lambda **given: given)
    given = space["cube_root"].definition.function(cell)
    assert given["class_weight"].tolist() == [(9 / 8) ** (1 / 3), 9 ** (1 / 3)]
    assert "cube_root" not in definitions("weighting")
    (path,) = re.findall(r"here in `([^`]+)`", README)
    assert "def inverse_frequency(cell)" in (ROOT / path).read_text(encoding="utf-8")


def test_the_learners_are_sound():
    study = config.load(ROOT / "params.yaml")
    study.learners |= YAML(typ="safe").load(snippet("Add a learner", "yaml"))["learners"]
    check_family(study, "reference")
    try_all(study, [], networks=False)


def test_the_example_of_use_runs_and_finds_the_rare_class():
    space = {}
    exec(snippet("Use it in your own code", "python"), space)
    rare = space["y_new"] == 1
    assert space["chosen"][rare].mean() > 0.5
    assert all(p.grad.abs().sum() > 0 for p in space["network"].parameters())
    assert np.allclose(space["balanced"].sum(axis=1), 1)
    found = [(p[rare].argmax(axis=1) == 1).mean() for p in (space["plain"], space["balanced"])]
    assert found[0] < found[1]
