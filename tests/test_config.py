import json
import time
from pathlib import Path

import pytest

from imbbench import config
from imbbench.data.datasets import parse_dataset
from imbbench.errors import StudyError
from imbbench.paths import root

VALID = {
    "families": ["reference", "weighting"],
    "protocol": {"folds": 3},
    "learners": {"logreg": {"C": 1.0}, "mlp": {}},
    "strategies": {
        "reference": {"plain": {}},
        "weighting": {"inverse_frequency": None, "heavy": {"table": [1, 10]}},
    },
    "datasets": {
        "toy": {
            "source": {"path": "a.csv"},
            "sha256": {"data": "0" * 64},
            "format": "csv",
            "target": "y",
            "modality": "tabular",
            "licence": "none",
            "why": "a test",
        }
    },
}


def change(place, value):
    """A copy of the valid study with the value at ``a.b.c`` set, or taken out if None."""
    params = json.loads(json.dumps(VALID))
    *parents, last = place.split(".")
    inner = params
    for key in parents:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return params


@pytest.fixture
def load(tmp_path):
    def go(params):
        text = params if isinstance(params, str) else json.dumps(params)
        (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
        return config.load(tmp_path / "params.yaml")

    return go


def test_valid(load):
    study = load(VALID)
    assert study.protocol == config.Protocol(folds=3)
    assert study.protocol.validation == 0.2
    assert study.family("weighting") == {"inverse_frequency": {}, "heavy": {"table": [1, 10]}}
    assert study.dataset("toy") == VALID["datasets"]["toy"]


def test_the_projects_own_data_sets_are_entries():
    study = config.load(Path(__file__).parents[1] / "params.yaml")
    for name, entry in study.all_datasets.items():
        parse_dataset(name, entry)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("familes", [], "unknown key 'familes'. Known there: families, protocol, learners"),
        ("protocol.fold", 5, "unknown key 'protocol.fold'. Known there: folds, repeats, splits"),
        ("protocol.folds", 1, "'protocol.folds': Input should be greater than or equal to 2"),
        ("protocol.validation", 0.9, "'protocol.validation': .*less than or equal to 0.5"),
        ("protocol.time_limit", "long", "'protocol.time_limit': .*valid number"),
        ("protocol", None, "'protocol': Field required"),
        ("families", ["reference", "weight"], "'weight' has no folder imbbench/strategies/weight"),
        ("families", ["reference", "a.b"], "'a.b' has no folder"),
        ("families", ["reference"], "strategies.weighting is not listed under families: reference"),
        ("web_datasets", {"toy": {}}, "'toy' is in datasets and in web_datasets"),
        ("benchmark_datasets", {"toy": {}}, "'toy' is in datasets and in benchmark_datasets"),
    ],
)
def test_what_loading_refuses(load, place, value, message):
    with pytest.raises(StudyError, match=message):
        load(change(place, value))


@pytest.mark.parametrize("text", ["families: [a", "families: []\nfamilies: []\n", "", "- a\n"])
def test_not_a_study_at_all(load, text):
    with pytest.raises(StudyError, match=r"params\.yaml"):
        load(text)


BOMB = "b0: &b0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", ", line 2: .*constructor for the tag"),
        ("a: 1\nb: !mine {}\n", ", line 2: .*constructor for the tag '!mine'"),
        ("a: 1\na: 2\n", ', line 2: .*duplicate key "a"'),
        (BOMB, ", line 7: .*longer than 10000000 letters"),
        (BOMB + "b11: 1\n", ", line 7: .*longer than 10000000 letters"),
        ("a: &x " + "y" * 9000 + "\nb: [" + "*x, " * 3000 + "]\n", ", line 2: .*longer than"),
        ("a:\n  b: &x [1, *x]\n", r", line 2: .*\*x is in itself"),
        ("a:\n  " + "[" * 200_000, ", line 2: .*nested more than 50 levels"),
        ("\n".join(" " * i + "a:" for i in range(900)), ", line 5[0-9]: .*nested more than"),
        ("a:\n\t- b\n", ", line 2: .*a tab; YAML is indented with spaces"),
        ("a: 1\n\tb: 2\n", ", line 2: .*a tab;"),
        ("a: 1\nb: \0\n", ", line 2: .*control characters"),
        ("a: 1\nb: 'é'\n".encode("latin-1"), ", line 2: not UTF-8; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), ", line 1: not UTF-8"),
        ("a: 1\n---\nb: 2\n", ", line 3: .*another document|, line 2: .*another document"),
        ("? {a: b}\n: 1\n", ", line 1: .*unhashable key"),
        ("a: 2020-99-99\n", ": .*month must be"),
        ("a: " + "9" * 6000, ": .*4300"),
        ("a: !!bool x\n", ": a value is not what it is written as"),
        ("just words\n", " holds no keys"),
    ],
)
def test_hostile_yaml_is_one_message_with_its_line(tmp_path, text, said):
    path = tmp_path / "params.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    started = time.monotonic()
    with pytest.raises(StudyError, match=rf"^params\.yaml{said}") as error:
        config.load(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    assert time.monotonic() - started < 5


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "params.yaml").write_text(json.dumps(VALID), encoding="utf-8-sig")
    assert config.load(tmp_path / "params.yaml").protocol.folds == 3


def test_a_folder_is_no_study(tmp_path):
    with pytest.raises(StudyError, match="cannot be read: Is a directory"):
        config.load(tmp_path)


def test_a_long_name_of_a_data_set_is_cut_in_the_message():
    with pytest.raises(StudyError, match="a name starts with a letter") as error:
        parse_dataset("a" * 300, {})
    assert len(str(error.value)) < 250


def test_unknown_names_list_the_known_ones(load):
    study = load(VALID)
    with pytest.raises(StudyError, match=r"no data set 'toi'\. Known: toy\. imbbench"):
        study.dataset("toi")
    with pytest.raises(StudyError, match=r"no family 'loss'\. Known: reference, weighting"):
        study.family("loss")


def test_web_data_sets_have_their_own_results(load):
    params = change("web_datasets", {"far": VALID["datasets"]["toy"]})
    study = load(params)
    assert study.results("toy") == "results"
    assert study.results("far") == "results/web"
    assert study.dataset("far") == VALID["datasets"]["toy"]


WIDE = {
    "wide_datasets": {"far": VALID["datasets"]["toy"]},
    "wide_learners": {"mlp": {"splits": 2}},
    "wide_without": ["heavy"],
}


@pytest.fixture
def wide(tmp_path):
    """Loads the valid study with a file of the wide one beside it."""

    def go(content, params=VALID):
        (tmp_path / "wide").mkdir(exist_ok=True)
        (tmp_path / "wide/study.yaml").write_text(json.dumps(content), encoding="utf-8")
        (tmp_path / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
        return config.load(tmp_path / "params.yaml")

    return go


def test_wide_data_sets_have_a_file_results_and_limits_of_their_own(wide):
    params = VALID | {"learners": VALID["learners"] | {"mlp": {"words": 9, "splits": 3}}}
    study = wide(WIDE, params)
    assert list(study.datasets) == ["toy"] and list(study.all_datasets) == ["toy", "far"]
    assert (study.results("toy"), study.results("far")) == ("results", "results/wide")
    assert study.run_on("toy") is study
    limited = study.run_on("far")
    assert limited.learners == {"mlp": {"words": 9, "splits": 2}}
    assert limited.strategies["weighting"] == {"inverse_frequency": None}
    assert study.learners == params["learners"] and "heavy" in study.family("weighting")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wide_dataset": {}}, "^wide/study.yaml: unknown key 'wide_dataset'. Known there: fam"),
        ({"wide_without": "heavy"}, "^wide/study.yaml: 'wide_without': .*list"),
        ({"wide_without": ["light"]}, r"no strategy 'light'.*\(wide_without\)"),
        ({"wide_learners": {"tree": {}}}, r"no learner 'tree'.*\(wide_learners\)"),
        ({"protocol": {}}, "'protocol' is in params.yaml and in wide/study.yaml"),
        ({"wide_datasets": {"toy": {}}}, "'toy' is in datasets and in wide_datasets"),
    ],
)
def test_what_the_wide_file_may_not_say(wide, change, message):
    with pytest.raises(StudyError, match=message):
        wide(WIDE | change)
    with pytest.raises(StudyError, match=r"^params.yaml: unknown key 'familes'"):
        wide(WIDE, VALID | {"familes": []})


def test_benchmark_data_sets_are_known_but_not_in_the_study(load):
    study = load(change("benchmark_datasets", {"big": VALID["datasets"]["toy"]}))
    assert list(study.datasets) == ["toy"]
    assert list(study.all_datasets) == ["toy", "big"]
    assert study.dataset("big") == VALID["datasets"]["toy"]


def test_root(tmp_path, monkeypatch):
    monkeypatch.delenv("IMBBENCH_ROOT", raising=False)
    (tmp_path / "params.yaml").write_text("{}")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert root() == tmp_path
    monkeypatch.setenv("IMBBENCH_ROOT", str(inner))
    assert root() == inner
    with pytest.raises(StudyError, match=r"params\.yaml does not exist"):
        config.load()


def test_no_study_here(tmp_path, monkeypatch):
    monkeypatch.delenv("IMBBENCH_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match="go to the study's folder first"):
        root()
