import inspect
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.neighbors import KNeighborsClassifier

from imbbench import config
from imbbench.bench.learners import Imported
from imbbench.bench.registry import (
    INTERNAL,
    LEARNERS,
    definitions,
    learner_class,
    parameters,
    resolve,
    strategy,
)
from imbbench.errors import StudyError
from imbbench.strategies import reference

STUDY = config.load(Path(__file__).parents[2] / "params.yaml")


# Learners


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_is_in_the_study_and_documented(name):
    assert name in STUDY.learners
    cls = learner_class(STUDY, name)
    assert cls.__doc__
    assert set(cls.features) <= {"tabular", "text", "image"}
    known = parameters(cls)
    assert not set(known) & INTERNAL
    assert set(STUDY.learner(name)) <= set(known)
    assert {"categorical", "random_state"} <= set(inspect.signature(cls).parameters)


def test_an_unknown_learner_says_where_one_is_defined(study):
    message = r"Unknown learner 'tre'\. Known: logreg, tree.* class in params\.yaml.*registry\.py"
    with pytest.raises(StudyError, match=message + r".* Did you mean 'tree'\?"):
        learner_class(study, "tre")


def test_a_learner_by_its_class(study):
    study.learners["knn"] = {"class": "sklearn.neighbors.KNeighborsClassifier"}
    assert learner_class(study, "knn") is Imported
    assert "n_neighbors" in parameters(KNeighborsClassifier)
    assert "n_jobs" not in parameters(KNeighborsClassifier)
    assert "loss" in parameters(GradientBoostingClassifier)  # internal to our own learners only


def test_parameters_are_those_a_user_may_set():
    assert parameters(LEARNERS["logreg"]) == ["C"]
    assert parameters(LEARNERS["tree"]) == ["max_depth", "min_samples_leaf"]
    mlp = ["hidden", "epochs", "steps", "batch_size", "learning_rate", "weight_decay", "device"]
    assert parameters(LEARNERS["mlp"]) == mlp


# Strategies


class Halver:
    def __init__(self, times=1, class_counts=None, random_state=None):
        self.times = times


@strategy
def plainly(cell, depth=3):
    return cell, depth


@strategy(by_key=True, own_rule=True)
def by(cell, value, bins=2):
    return cell, value, bins


@strategy(by_key=True, choices=[Halver])
def sampler(cell, cls, share=1, **settings):
    return cell, cls, share, settings


def refuse(size):
    if size < 1:
        raise ValueError(f"size is positive, not {size}")


@strategy(check=refuse)
def checked(cell, size):
    return size


@pytest.fixture(autouse=True)
def family(monkeypatch):
    """Family ``reference`` with the strategies above."""
    for function in (plainly, by, sampler, checked):
        monkeypatch.setattr(reference, function.__name__, function, raising=False)


@pytest.mark.parametrize(
    ("name", "entry", "own_rule", "expected"),
    [
        ("plainly", None, False, ("cell", 3)),
        ("plainly", {}, False, ("cell", 3)),
        ("plainly", {"depth": 5}, False, ("cell", 5)),
        ("plainly", dict.fromkeys(["control", "splits", "time_limit"]), False, ("cell", 3)),
        ("anything", {"by": 0.3}, True, ("cell", 0.3, 2)),
        ("anything", {"by": None, "bins": 4}, True, ("cell", None, 4)),
        ("half", {"sampler": "Halver"}, False, ("cell", Halver, 1, {})),
        ("half", {"sampler": "Halver", "times": 9}, False, ("cell", Halver, 1, {"times": 9})),
        ("checked", {"size": 1}, False, 1),
    ],
)  # fmt: skip
def test_an_entry_is_called_by_its_name_or_by_a_key(name, entry, own_rule, expected):
    call, own = resolve("reference", name, entry)
    assert own is own_rule
    assert call("cell") == expected


def test_a_strategy_that_returns_nothing_says_so(monkeypatch):
    monkeypatch.setattr(reference, "idle", strategy(lambda cell: None), raising=False)
    call, _ = resolve("reference", "idle", {})
    with pytest.raises(TypeError, match=r"strategy 'idle' .* returns nothing: return the fi"):
        call("cell")


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        (
            "plane",
            {},
            "strategy 'plane' of family 'reference' is not defined. Known there: .*plainly, "
            "checked, .*any name with the key 'by', any name with the key 'sampler'",
        ),
        ("by", {}, "strategy 'by' of family 'reference' is not defined"),
        ("by", {"value": 1}, "strategy 'by' of family 'reference' is not defined"),
        (
            "plainly",
            {"k": 5},
            "has the unknown key 'k'. Known: depth, control, learners, primary, role, splits, "
            "time_limit.",
        ),
        ("x", {"by": 1, "value": 2}, "has the unknown key 'value'. Known: bins, control"),
        ("x", {"by": 1, "depth": 2}, "has the unknown key 'depth'. Known: bins, control"),
        ("x", {"sampler": "Quarter"}, "asks for the unknown sampler 'Quarter'. Known: Halver"),
        ("x", {"sampler": None}, "asks for the unknown sampler 'None'. Known: Halver"),
        ("x", {"sampler": "Halver", "cls": 1}, "unknown key 'cls'. Known: share, times, control"),
        ("x", {"sampler": "Halver", "random_state": 1}, "unknown key 'random_state'"),
        ("x", {"sampler": "Halver", "class_counts": 1}, "unknown key 'class_counts'"),
        ("checked", {"size": 0}, "strategy 'checked' of family .*: size is positive, not 0"),
        ("checked", {}, "strategy 'checked' of family 'reference': .*missing.*'size'"),
    ],
)  # fmt: skip
def test_what_an_entry_must_not_say(name, entry, message):
    with pytest.raises(StudyError, match=r"^params\.yaml: .*" + message):
        resolve("reference", name, entry)


def test_definitions_are_what_is_marked_and_nothing_else(monkeypatch):
    monkeypatch.setattr(reference, "helper", lambda cell: None, raising=False)
    found = definitions("reference")
    assert {"plain", "dummy", "plainly", "by"} <= set(found)
    assert not {"helper", "strategy", "np"} & set(found)
    assert found["by"].by_key and found["by"].own_rule
    assert not found["plainly"].by_key and not found["plainly"].own_rule
    assert found["plainly"].function is plainly


def test_a_resolved_entry_fits(make):
    call, own_rule = resolve("posthoc", "anything", {"threshold": 0.3, "control": "plain"})
    assert own_rule
    assert call(make()).offsets[1] == pytest.approx(np.log(7 / 3))
    call, _ = resolve("reference", "plain", None)
    assert call(make()).classes_.tolist() == [0, 1]
