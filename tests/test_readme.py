"""The README's numbers are those of the pipeline, and its snippets work."""

import re
from pathlib import Path

from imbbench import cli, config

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_answer_is_the_committed_one():
    shown = README.split(cli.ANSWER)[1].split(cli.ANSWER_END)[0]
    assert shown.strip() == (ROOT / "results/tables/answer.md").read_text(encoding="utf-8").strip()


def test_every_linked_file_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_every_data_set_is_cited():
    study = config.load(ROOT / "params.yaml")
    for name in study.all_datasets:
        assert name in README
        assert study.dataset(name)["citation"]


def test_every_command_and_make_target_exists():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M)
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert target in targets
