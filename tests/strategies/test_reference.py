"""Family reference: what every other strategy is compared with."""

import numpy as np
import pytest

from imbbench.bench.cell import Cell, Task
from imbbench.strategies import reference


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study."""

    def cell(dataset="binary", learner="mlp", strategy="tried"):
        return Cell(study, Task(dataset, "reference", learner, strategy, 0), reuse=False)

    return cell


def test_dummy_says_the_prior(make):
    cell = make("four")
    p = reference.dummy(cell).predict_proba(cell.X_val)
    np.testing.assert_allclose(p, np.tile(cell.class_counts / len(cell.y), (len(p), 1)))
