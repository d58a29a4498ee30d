"""Strategies by the name that ``params.yaml`` uses."""

import numpy as np
import pytest

from imbbench.bench.cell import Cell, Task
from imbbench.bench.registry import definitions, resolve
from imbbench.errors import StudyError


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study."""

    def cell(dataset="binary", learner="logreg"):
        return Cell(study, Task(dataset, "reference", learner, "tried", 0))

    return cell


def test_resolve_by_name_and_by_key(make, caught):
    call, own_rule = resolve("posthoc", "anything", {"threshold": 0.3, "control": "plain"})
    assert own_rule
    assert call(make()).offsets[1] == pytest.approx(np.log(7 / 3))
    call, own_rule = resolve("oversampling", "smote", {"ratio": 2, "learners": ["tree"]})
    assert not own_rule
    cell = make("four")
    got = caught(call, cell)
    assert np.bincount(got["y"])[3] == round(cell.class_counts[0] / 2)
    call, _ = resolve("reference", "plain", None)
    assert call(make()).classes_.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("family", "name", "entry", "message"),
    [
        (
            "weighting",
            "inverse",
            {},
            "'inverse' of family 'weighting' is not defined. Known there: "
            "inverse_frequency, inverse_sqrt, alpha_share, "
            "any name with the key 'effective_number', any name with the key 'table'",
        ),
        ("weighting", "table", {}, "'table' of family 'weighting' is not defined"),
        ("oversampling", "smote", {"k": 5}, "unknown key 'k'. Known: ratio, k_neighbors, control"),
        ("undersampling", "enn", {"sampler": "ENN"}, "unknown sampler 'ENN'. Known: .*TomekLinks"),
        ("undersampling", "links", {"sampler": "TomekLinks", "k": 1}, "unknown key 'k'"),
        ("posthoc", "t", {"threshold": 0.3, "tau": 1}, "unknown key 'tau'"),
    ],
)
def test_unknown_names_list_the_known_ones(family, name, entry, message):
    with pytest.raises(StudyError, match=message):
        resolve(family, name, entry)


def test_definitions_are_the_strategies_of_a_family_and_nothing_else():
    assert set(definitions("prior")) == {"bias_init", "zero_init", "bias_init_weighted"}
    assert definitions("posthoc")["threshold"].own_rule
    assert not definitions("posthoc")["logit_adjustment"].own_rule
