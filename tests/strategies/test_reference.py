"""Family reference: what every other strategy is compared with."""

import numpy as np
import pytest

from imbbench.bench.cell import Cell, Task
from imbbench.bench.registry import NotApplicable
from imbbench.strategies import reference

EPOCHS = 10


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study; its mlp has ten epochs."""
    study.learners["mlp"]["epochs"] = EPOCHS

    def cell(dataset="binary", learner="mlp", strategy="tried"):
        return Cell(study, Task(dataset, "reference", learner, strategy, 0), reuse=False)

    return cell


def test_dummy_says_the_prior(make):
    cell = make("four")
    p = reference.dummy(cell).predict_proba(cell.X_val)
    np.testing.assert_allclose(p, np.tile(cell.class_counts / len(cell.y), (len(p), 1)))


def test_fixed_epochs_keeps_the_last_weights(make):
    cell = make("four")
    model = reference.fixed_epochs(cell)
    assert model.n_epochs_ == EPOCHS
    assert model.rows_seen_ == EPOCHS * len(cell.y)
    same = cell.make().fit(cell.X, cell.y)  # without validation part nothing can stop it
    np.testing.assert_array_equal(model.predict_proba(cell.X_val), same.predict_proba(cell.X_val))


def test_fixed_epochs_needs_a_neural_learner(make):
    with pytest.raises(NotApplicable, match="hgb is not trained in batches"):
        reference.fixed_epochs(make(learner="hgb"))
