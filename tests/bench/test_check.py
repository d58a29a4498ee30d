import json
from pathlib import Path

import pytest

from imbbench import config
from imbbench.bench.check import check, check_family, strategy_table
from imbbench.errors import StudyError
from imbbench.strategies import weighting

STUDY = {
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


@pytest.fixture
def changed(tmp_path):
    """``changed(place, value)``: the study with the value at ``a.b.c`` set."""

    def go(place=None, value=None):
        params = json.loads(json.dumps(STUDY))
        if place:
            *parents, last = place.split(".")
            inner = params
            for key in parents:
                inner = inner[key]
            inner[last] = value
        path = tmp_path / "params.yaml"
        path.write_text(json.dumps(params), encoding="utf-8")
        return config.load(path)

    return go


def test_a_sound_study(changed):
    check(changed())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("strategies.weighting.heavy.control", "plain"),  # of another family
        ("strategies.weighting.heavy.learners", ["mlp"]),
        ("strategies.weighting.heavy.splits", 1),
        ("strategies.weighting.heavy.time_limit", 0.5),
        ("learners.mlp", {"strategies": ["plain", "heavy"], "splits": 2}),
    ],
)
def test_what_may_be_said(changed, place, value):
    check(changed(place, value))


def test_the_projects_own_study():
    check(config.load(Path(__file__).parents[2] / "params.yaml"))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("learners.svm", {}, "Unknown learner 'svm'. Known: logreg, tree"),
        ("learners.logreg", {"c": 1}, "learner 'logreg' has the unknown key 'c'. Known: C"),
        ("learners.mlp", {"loss": "focal"}, "learner 'mlp' has the unknown key 'loss'"),
        ("learners.mlp", {"strategies": ["plain", "flat"]}, "no strategy 'flat'.*of learner 'mlp'"),
        ("strategies.weighting.inverse", {}, "'inverse' of family 'weighting' is not defined"),
        ("strategies.weighting.heavy", {"table": [1], "x": 1}, "unknown key 'x'. Known: .*control"),
        (
            "strategies.weighting.heavy.control",
            "plane",
            "no control 'plane'. Known: plain, inverse_frequency, heavy. .strategy 'heavy'",
        ),
        (
            "strategies.weighting.heavy.learners",
            ["svm"],
            "no learner 'svm'. Known: logreg, mlp. .strategy 'heavy'",
        ),
        ("strategies.weighting.heavy.learners", "mlp", "'heavy': learners is a list of learners"),
        ("strategies.weighting.heavy.splits", 0, "'heavy': splits is a number from 1 on"),
        ("strategies.weighting.heavy.splits", "2", "'heavy': splits is a number from 1 on"),
        ("strategies.weighting.heavy.splits", 1.0, "'heavy': splits is a number from 1 on"),
        ("strategies.weighting.heavy.time_limit", 0, "'heavy': time_limit is a number of seconds"),
        ("strategies.weighting.heavy.time_limit", "1 h", "'heavy': time_limit is a number of sec"),
    ],
)
def test_what_checking_refuses(changed, place, value, message):
    study = changed(place, value)
    with pytest.raises(StudyError, match=message):
        check(study)


def test_a_family_is_checked_alone_with_all_learners(changed):
    study = changed("strategies.weighting.heavy.splits", 0)
    check_family(study, "reference")
    with pytest.raises(StudyError, match="'heavy'"):
        check_family(study, "weighting")
    study = changed("learners.svm", {})
    with pytest.raises(StudyError, match="Unknown learner 'svm'"):
        check_family(study, "reference")


def test_the_table_of_a_family_tells_definitions_parameters_and_limits(study):
    table = strategy_table(study, "weighting").set_index("strategy")
    assert table.loc["`table_3`", "parameters"] == "table = healthy: 1, ill: 3"
    assert table.loc["`table_3`", "what it does"] == weighting.table.__doc__.splitlines()[0]
    assert table["control"].tolist() == ["`plain`"] * 2
    assert "only" not in table
    table = strategy_table(study, "reference").set_index("strategy")
    assert table.loc["`dummy`", "only"] == "learners tree"
    assert table.loc["`plain`", "control"] == ""
    study.strategies["reference"]["dummy"] = {"splits": 2, "time_limit": 5, "control": None}
    table = strategy_table(study, "reference").set_index("strategy")
    assert list(table) == ["what it does", "only"]
    assert table.loc["`dummy`", "only"] == "splits 2"
    study.strategies["weighting"]["table_3"] = {"tabel": [1, 2]}
    with pytest.raises(StudyError, match="'table_3'"):
        strategy_table(study, "weighting")
