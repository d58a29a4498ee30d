"""Family weighting: one weight per class."""

import numpy as np
import pytest
from ruamel.yaml import YAML

from imbbench.bench.cell import Cell, Task
from imbbench.bench.check import check
from imbbench.bench.counts import inverse_frequency_weights
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.errors import StudyError
from imbbench.strategies import weighting


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study."""

    def cell(dataset="binary", learner="logreg", strategy="tried"):
        return Cell(study, Task(dataset, "reference", learner, strategy, 0), reuse=False)

    return cell


def test_inverse_frequency_equals_scikit_learns_balanced(make, caught):
    from sklearn.utils.class_weight import compute_class_weight

    cell = make("four")
    expected = compute_class_weight("balanced", classes=np.arange(4), y=cell.y)
    found = caught(weighting.inverse_frequency, cell)["class_weight"]
    np.testing.assert_allclose(found, expected)
    found = caught(weighting.inverse_sqrt, cell)["class_weight"]
    np.testing.assert_allclose(found, np.sqrt(expected))


def test_effective_numbers_run_from_no_weights_to_inverse_frequency(make, caught):
    cell = make("four", "logreg")
    ones = caught(weighting.effective_number, cell, 0.0)["class_weight"]
    np.testing.assert_allclose(ones, 1)
    nearly = caught(weighting.effective_number, cell, 1 - 1e-9)["class_weight"]
    inverse = inverse_frequency_weights(cell.class_counts)
    np.testing.assert_allclose(nearly, inverse / inverse.mean(), rtol=1e-5)
    middle = caught(weighting.effective_number, cell, 0.99)["class_weight"]
    number = (1 - 0.99**cell.class_counts) / 0.01
    np.testing.assert_allclose(middle * number, (middle * number)[0])


@pytest.mark.parametrize("learner", ["logreg", "mlp"])
def test_alpha_is_the_share_of_the_others(make, caught, learner):
    cell = make("binary", learner)
    got = caught(weighting.alpha_share, cell)
    weight = got["class_weight"] if learner == "logreg" else got["loss"].weight.numpy()
    negative, positive = cell.class_counts
    np.testing.assert_allclose(weight, [positive / len(cell.y), negative / len(cell.y)])
    # For two classes inverse frequencies, up to a factor.
    ratio = weight / inverse_frequency_weights(cell.class_counts)
    assert ratio[0] == pytest.approx(ratio[1])


def test_a_table_by_name_is_put_in_class_order(make, caught):
    cell = make("four")
    assert cell.classes == ["d", "c", "b", "a"]
    by_name = {"a": 4, "b": 3, "c": 2, "d": 1}
    assert caught(weighting.table, cell, by_name)["class_weight"].tolist() == [1, 2, 3, 4]
    assert caught(weighting.table, cell, [1, 2, 3, 4])["class_weight"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"ham": 0.576, "spam": 10}, "the weights are for the classes ham, spam"),
        ([1, 10], "2 weights for 4 classes"),
    ],
)
def test_a_table_of_other_classes_does_not_apply(make, weights, reason):
    with pytest.raises(NotApplicable, match=reason):
        weighting.table(make("four"), weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": 1, "b": 1, "c": 1}, "missing or unknown: d"),
        ({"a": 1, "b": 1, "c": 1, "x": 1}, "missing or unknown: d, x"),
        ([1, 1, 1, -1], "not negative"),
        ([0, 0, 0, 0], "not all zero"),
    ],
)
def test_a_wrong_table_is_refused(make, weights, message):
    with pytest.raises(ValueError, match=message):
        weighting.table(make("four"), weights)


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("tried", {"effective_number": 1.0}, "beta must be in"),
        ("tried", {"table": 3}, "a weight per class"),
    ],
)
def test_impossible_values_are_refused_before_fitting(name, entry, message):
    with pytest.raises(StudyError, match=f"strategy '{name}' of family 'weighting'.*({message})"):
        resolve("weighting", name, entry)


def test_an_impossible_value_is_found_by_the_check_of_a_study(study):
    study.strategies["weighting"]["beta_too_large"] = {"effective_number": 1.0}
    with pytest.raises(StudyError, match="beta_too_large"):
        check(study)


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (["0", "1"], "{0: 1, 1: 9}"),
        (["false", "true"], "{false: 1, true: 9}"),
        (["False", "yes"], "{False: 1, yes: 9}"),
        (["1.50", "null"], "{1.5: 1, null: 9}"),
        (["a: {", "007"], "{'a: {': 1, 7: 9}"),
    ],
)
def test_names_may_be_what_yaml_takes_for_something_else(make, caught, classes, text):
    cell = make("binary")
    cell.classes = classes
    weights = YAML(typ="safe").load(text)
    assert caught(weighting.table, cell, weights)["class_weight"].tolist() == [1, 9]


@pytest.mark.parametrize(
    ("classes", "weights", "message"),
    [
        (["1", "01"], {"1": 1, 1: 9}, "1 is no name of a single class to YAML: put it in quotes"),
        (["0", "1"], {"1": 1, 1: 9}, "put it in quotes"),
        (["0", "1"], {0: 1, True: 9}, "missing or unknown: 1, True"),
        (["0", "1"], {0: 1, 1.0: 9}, "missing or unknown: 1, 1.0"),
    ],
)
def test_names_that_yaml_cannot_tell_apart_are_to_be_quoted(make, classes, weights, message):
    cell = make("binary")
    cell.classes = classes
    with pytest.raises(ValueError, match=message):
        weighting.table(cell, weights)
