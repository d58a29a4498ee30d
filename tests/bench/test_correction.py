"""Probabilities put back to the training part's class shares."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from imbbench import config
from imbbench.bench.cell import Cell, Task
from imbbench.bench.correction import corrected
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.errors import StudyError
from imbbench.strategies import undersampling
from imbbench.strategies.posthoc.adjustment import correct_undersampling

ALL = config.load(Path(__file__).parents[2] / "params.yaml")


@pytest.fixture
def study(study):
    """The tiny study with all strategies of params.yaml."""
    return study.model_copy(update={"strategies": ALL.strategies, "families": ALL.families})


def test_prior_correction_is_dal_pozzolos_with_two_classes(study):
    task = Task("binary", "undersampling", "logreg", "under_1_1", 0)
    cell = Cell(study, task, reuse=False)
    sampled = undersampling.random(cell, 1).predict_proba(cell.X_val)[:, 1]
    other = Cell(study, replace(task, strategy="under_1_1_corrected"))
    assert cell.seed != other.seed
    found = corrected(other, "under_1_1").predict_proba(cell.X_val)[:, 1]
    beta = cell.class_counts[1] / cell.class_counts[0]
    np.testing.assert_allclose(found, correct_undersampling(sampled, beta))


@pytest.mark.parametrize("dataset", ["binary", "four"])
@pytest.mark.parametrize(
    ("of", "learner"),
    [
        ("weighting.inverse_frequency", "logreg"),
        ("weighting.inverse_sqrt", "hgb"),
        ("undersampling.under_1_1", "tree"),
        ("oversampling.over_1_1", "logreg"),
        ("loss.logit_adjusted", "mlp"),
        ("loss.class_balanced_softmax", "mlp"),
        ("schedule.crt", "mlp"),
        ("ensemble.balanced_random_forest", "tree"),
    ],
)
def test_prior_correction_undoes_what_the_strategy_did_to_the_shares(study, dataset, of, learner):
    """p_c pi_c / q_c, with the shares q_c that the definition of the strategy gives."""
    family, name = of.split(".")
    task = Task(dataset, family, learner, name, 0)
    cell = Cell(study, task, reuse=False)
    call, _ = resolve(family, name, study.family(family)[name])
    p = call(cell).predict_proba(cell.X_val)
    counts = cell.class_counts
    seen = np.ones(len(counts))
    if name == "inverse_sqrt":
        seen = counts / np.sqrt(counts)
    if name == "class_balanced_softmax":
        seen = counts * (1 - 0.9999) / (1 - 0.9999**counts)
    expected = p * counts / seen
    other = Cell(study, replace(task, strategy="tried"))
    found = corrected(other, name).predict_proba(cell.X_val)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-6)
    assert other.rows_seen == cell.rows_seen or not cell.neural


def test_what_follows_unknown_shares_is_not_corrected(study):
    cell = Cell(study, Task("binary", "loss", "mlp", "tried", 0))
    with pytest.raises(NotApplicable, match=r"scores of focal_gamma_2 follow is not known"):
        corrected(cell, "focal_gamma_2")
    with pytest.raises(StudyError, match=r"no strategy 'focl'.*family loss"):
        corrected(cell, "focl")
