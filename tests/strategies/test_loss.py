"""Family loss: what each entry must be equal to. The losses are in test_loss_functions.py."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from imbbench.bench.cell import Cell, Task
from imbbench.bench.counts import effective_number_weights
from imbbench.bench.metrics import label_metrics
from imbbench.bench.neural import MLP
from imbbench.bench.objectives import start_bias
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.errors import StudyError
from imbbench.strategies import loss as losses
from imbbench.strategies.loss.class_balanced import ClassBalancedLoss
from imbbench.strategies.loss.focal import FocalLoss, SigmoidFocalLoss
from imbbench.strategies.loss.ghm import GHMCLoss
from imbbench.strategies.loss.ldam import LDAMLoss, NormedLinear
from imbbench.strategies.loss.logit_adjusted import LogitAdjustedLoss
from imbbench.strategies.loss.ohem import OHEMLoss

EPOCHS = 10


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study; its mlp has ten epochs."""
    study.learners["mlp"]["epochs"] = EPOCHS

    def cell(dataset="binary", learner="mlp", strategy="tried"):
        return Cell(study, Task(dataset, "reference", learner, strategy, 0), reuse=False)

    return cell


@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_logit_adjustment_starts_at_the_prior_from_zero(make, dataset):
    cell = make(dataset)
    share = cell.class_counts / len(cell.y)
    expected = pytest.approx(-(share * np.log(share)).sum(), abs=1e-5)
    adjusted = LogitAdjustedLoss(cell.class_counts)
    assert cell.fit(bias=np.zeros(len(share)), loss=adjusted).first_loss_ == expected
    assert losses.loss(cell, LogitAdjustedLoss, bias_init=True).first_loss_ == expected


@pytest.mark.parametrize(
    ("cls", "parameters", "expected"),
    [
        (SigmoidFocalLoss, {}, {"probabilities": "sigmoid"}),
        (GHMCLoss, {}, {"probabilities": "sigmoid"}),
        (OHEMLoss, {}, {}),
        (LogitAdjustedLoss, {}, {"balanced": True}),
        (FocalLoss, {"alpha": [1, 2, 3, 4]}, {"weight": [1, 2, 3, 4]}),
        (ClassBalancedLoss, {"beta": 0.9}, {"weight": 0.9}),
        (ClassBalancedLoss, {"beta": 0.0, "base": "focal"}, {"probabilities": "sigmoid"}),
    ],
)
def test_a_loss_gets_its_start_only_when_asked(make, caught, cls, parameters, expected):
    cell = make("four")
    assert "bias" not in caught(losses.loss, cell, cls, **parameters)
    if isinstance(expected.get("weight"), float):
        expected = {"weight": effective_number_weights(cell.class_counts, expected["weight"])}
    got = caught(losses.loss, cell, cls, bias_init=True, **parameters)
    np.testing.assert_allclose(got["bias"], start_bias(cell.class_counts, **expected))


def test_the_first_loss_leaves_no_trace_in_a_loss_with_memory(make):
    cell = make("four")
    whole = len(cell.y)
    once = MLP(epochs=1, batch_size=whole, loss=GHMCLoss(momentum=0.75)).fit(cell.X, cell.y)
    assert float(once.loss.acc_sum.sum()) == pytest.approx(0.25 * 4 * len(cell.y))


@pytest.mark.parametrize(
    ("cls", "parameters"),
    [
        (FocalLoss, {"gamma": 0.0}),
        (ClassBalancedLoss, {"beta": 0.0}),
        (OHEMLoss, {"keep": 1.0}),
        (LogitAdjustedLoss, {"tau": 0.0}),
        (GHMCLoss, {"bins": 1}),
        (SigmoidFocalLoss, {"gamma": 0.0}),
    ],
)
@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_a_loss_at_its_neutral_setting_is_plain(make, dataset, cls, parameters):
    cell = make(dataset)
    found = losses.loss(cell, cls, **parameters).predict_proba(cell.X_val)
    if cls.probabilities == "sigmoid":  # plain is then the mean of binary cross-entropies
        plain = cell.fit(loss=SigmoidFocalLoss(gamma=0.0)).predict_proba(cell.X_val)
    else:
        plain = cell.fit().predict_proba(cell.X_val)
    np.testing.assert_allclose(found, plain, atol=2e-3)


def test_other_settings_are_not_plain(make):
    cell = make("four")
    plain = cell.fit().predict_proba(cell.X_val)
    for cls in (FocalLoss, ClassBalancedLoss, OHEMLoss, LogitAdjustedLoss, LDAMLoss):
        found = losses.loss(cell, cls).predict_proba(cell.X_val)
        assert np.abs(found - plain).max() > 0.01, cls


def test_ldam_without_margins_is_cross_entropy_of_cosines(make):
    cell = make("four")
    model = losses.loss(cell, LDAMLoss, max_margin=0.0, scale=1.0)
    plain = cell.fit(head=NormedLinear).predict_proba(cell.X_val)
    np.testing.assert_allclose(model.predict_proba(cell.X_val), plain, atol=2e-3)


def test_ldam_keeps_its_scale_at_inference(make):
    cell = make("four")
    model = losses.loss(cell, LDAMLoss)
    assert isinstance(model.head_, NormedLinear)
    with torch.no_grad():
        cosines = model.head_(torch.from_numpy(model.embed(cell.X_val))).numpy()
    assert np.abs(cosines).max() <= 1 + 1e-6
    expected = softmax(30 * cosines.astype(float), axis=1)
    np.testing.assert_allclose(model.predict_proba(cell.X_val), expected, atol=1e-5)


def test_the_cosine_head_starts_at_length_one_whatever_the_width():
    for width in (8, 384):
        norms = NormedLinear(width, 3).weight.norm(dim=1)
        np.testing.assert_allclose(norms.detach(), 1, atol=1e-5)


def test_focal_tuned_takes_the_best_of_its_grid(make):
    cell = make("four")
    grid = [(0.5, 0.25), (0.5, 0.9), (4.0, 0.25), (4.0, 0.9)]
    fits = [cell.fit(loss=FocalLoss(g, [1 - a, a, a, a])) for g, a in grid]
    scores = [label_metrics(cell.y_val, m.predict(cell.X_val), 4)["macro_f1"] for m in fits]
    assert len(set(scores)) > 1
    spent, cell.rows_seen = cell.rows_seen, 0
    chosen = losses.focal_tuned(cell, [0.5, 4.0], [0.25, 0.9])
    found = label_metrics(cell.y_val, chosen.predict(cell.X_val), 4)["macro_f1"]
    assert found == max(scores)
    assert cell.rows_seen == spent  # the whole grid, not the winner's share


@pytest.mark.parametrize(
    "call",
    [
        lambda cell: losses.loss(cell, FocalLoss),
        lambda cell: losses.focal_tuned(cell, [1.0], [0.5]),
        lambda cell: losses.fits(cell, 2),
    ],
)
def test_other_learners_do_not_apply(make, call):
    with pytest.raises(NotApplicable, match="hgb has a loss of its own"):
        call(make(learner="hgb"))


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("tried", {"loss": "FocalLoss", "gamma": -1.0}, "gamma must be"),
        ("tried", {"loss": "FocalLoss", "gamma": "much"}, "'much'|not supported"),
        ("tried", {"loss": "FocalLoss", "alpha": [1, -1]}, "class weights must be"),
        ("tried", {"loss": "SigmoidFocalLoss", "alpha": 2.0}, "alpha must be"),
        ("tried", {"loss": "ClassBalancedLoss", "beta": 1.0}, "beta must be in"),
        ("tried", {"loss": "ClassBalancedLoss", "class_counts": [1, 2]}, "unknown key 'class_coun"),
        ("tried", {"loss": "GHMCLoss", "bins": 0}, "bins is a whole number"),
        ("tried", {"loss": "OHEMLoss", "keep": 0}, "keep must be"),
        ("tried", {"loss": "LDAMLoss", "scale": -1}, "scale must be"),
        ("tried", {"loss": "LDAMLoss", "bias_init": True}, "has no bias"),
        ("tried", {"loss": "OHEMLoss", "deferred": True}, "OHEMLoss has none"),
        ("tried", {"loss": "LDAMLoss", "deferred": True, "weight": [1, 2]}, "drop 'weight'"),
        ("tried", {"loss": "LDAMLoss", "weight": [1, 2, -3]}, "class weights must be"),
        ("tried", {"loss": "LogitAdjustedLoss", "tau": float("nan")}, "tau must be finite"),
        ("tried", {"loss": "HingeLoss"}, "unknown loss 'HingeLoss'. Known: .*FocalLoss"),
        ("focal_tuned", {"gamma": [1.0], "alpha": [1.5]}, "class weights must be"),
        ("focal_tuned", {"gamma": [1.0]}, "missing .* 'alpha'"),
    ],
)
def test_impossible_values_are_refused_before_fitting(name, entry, message):
    with pytest.raises(StudyError, match=f"strategy '{name}' of family 'loss'.*({message})"):
        resolve("loss", name, entry)
