"""Family prior: where training starts."""

import numpy as np
import pytest

from imbbench.bench.cell import Cell, Task
from imbbench.bench.counts import inverse_frequency_weights
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.errors import StudyError
from imbbench.strategies import prior

EPOCHS = 10


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study; its mlp has ten epochs."""
    study.learners["mlp"]["epochs"] = EPOCHS

    def cell(dataset="binary", learner="mlp", strategy="tried"):
        return Cell(study, Task(dataset, "reference", learner, strategy, 0), reuse=False)

    return cell


@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_bias_init_starts_at_the_entropy_of_the_prior(make, dataset):
    cell = make(dataset, "mlp")
    share = cell.class_counts / len(cell.y)
    assert prior.bias_init(cell).first_loss_ == pytest.approx(
        -(share * np.log(share)).sum(), abs=1e-6
    )
    assert prior.zero_init(cell).first_loss_ == pytest.approx(np.log(len(share)), abs=1e-6)


@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_a_weighted_start_is_the_entropy_of_the_weighted_shares(make, dataset):
    cell = make(dataset)
    mass = cell.class_counts**0.5
    share = mass / mass.sum()
    found = prior.bias_init_weighted(cell, "inverse_sqrt").first_loss_
    assert found == pytest.approx(-(share * np.log(share)).sum(), abs=1e-5)
    found = prior.bias_init_weighted(cell, "inverse_frequency").first_loss_
    assert found == pytest.approx(np.log(len(share)), abs=1e-5)


def test_inverse_frequency_from_its_right_start_is_inverse_frequency(make):
    """The bias is the same for all classes, so no probability moves."""
    cell = make("four")
    weight = inverse_frequency_weights(cell.class_counts)
    from_zero = cell.fit(bias=np.zeros(4), class_weight=weight)
    np.testing.assert_allclose(
        prior.bias_init_weighted(cell, "inverse_frequency").predict_proba(cell.X_val),
        from_zero.predict_proba(cell.X_val),
        atol=1e-4,
    )


@pytest.mark.parametrize("learner", ["logreg", "tree", "hgb"])
def test_bias_init_needs_a_start(make, learner):
    with pytest.raises(NotApplicable, match=f"{learner} is not trained step by step"):
        prior.bias_init(make(learner=learner))
    with pytest.raises(NotApplicable, match=f"{learner} is not trained step by step"):
        prior.bias_init_weighted(make(learner=learner), "inverse_sqrt")


def test_unknown_weights_are_refused_before_fitting():
    with pytest.raises(StudyError, match="weights must be one of 'inverse_frequency', 'inverse_sq"):
        resolve("prior", "bias_init_weighted", {"weights": "none"})
