"""Families prior, weighting, loss, schedule and posthoc: what each entry must be equal to.

That every entry runs on every kind of data, twice alike, is in test_contract.py.
"""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss

from imbbench.bench.cell import Cell, Task
from imbbench.bench.check import check
from imbbench.bench.counts import drw_weights, effective_number_weights, inverse_frequency_weights
from imbbench.bench.metrics import label_metrics
from imbbench.bench.neural import MLP
from imbbench.bench.objectives import DeferredReweighting, WeightedCrossEntropy, start_bias
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.bench.scoring import run_cell
from imbbench.errors import StudyError
from imbbench.strategies import loss as losses
from imbbench.strategies import prior, reference, schedule, weighting
from imbbench.strategies.loss.class_balanced import ClassBalancedLoss
from imbbench.strategies.loss.focal import FocalLoss, SigmoidFocalLoss
from imbbench.strategies.loss.ghm import GHMCLoss
from imbbench.strategies.loss.ldam import LDAMLoss, NormedLinear
from imbbench.strategies.loss.logit_adjusted import LogitAdjustedLoss
from imbbench.strategies.loss.ohem import OHEMLoss
from imbbench.strategies.posthoc import (
    adjusted,
    cost_threshold,
    isotonic,
    logit_adjustment,
    logit_adjustment_tuned,
    platt,
    temperature,
    tuned_cost,
    undersampled,
    undersampled_corrected,
)
from imbbench.strategies.posthoc.adjustment import correct_undersampling
from imbbench.strategies.schedule import (
    bbn,
    crt,
    deferred_resampling,
    deferred_reweighting,
    lws,
    meta_weight_net,
    nearest_class_mean,
    progressive_sampling,
    sampling,
    tau_normalisation,
    two_branches,
)
from imbbench.strategies.schedule.tau_normalisation import TauNormalised
from imbbench.strategies.schedule.weight_scaling import LearnableWeightScaling

EPOCHS = 10


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study; its mlp has ten epochs."""
    study.learners["mlp"]["epochs"] = EPOCHS

    def cell(dataset="binary", learner="mlp", strategy="tried"):
        return Cell(study, Task(dataset, "reference", learner, strategy, 0), reuse=False)

    return cell


@pytest.fixture
def caught(monkeypatch):
    """``caught(strategy, cell, *values)``: the settings that the strategy hands to ``cell.fit``."""

    def call(strategy, cell, *values, **parameters):
        got = {}
        monkeypatch.setattr(cell, "fit", lambda **settings: got.update(settings))
        strategy(cell, *values, **parameters)
        return got

    return call


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def entropy(p):
    return -(p * np.log(p)).sum()


def start(cell, weight=1.0):
    """Class shares that a weighted loss sees."""
    mass = cell.class_counts * weight
    return mass / mass.sum()


# --------------------------------------------------------------------------- where losses start


def zero(cell, **settings):
    return cell.fit(bias=np.zeros(len(cell.classes)), **settings)


@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_first_losses_are_the_entropy_of_what_the_loss_sees(make, dataset):
    cell = make(dataset)
    n_classes, natural = len(cell.classes), start(cell)
    sqrt = start(cell, cell.class_counts**-0.5)
    for model, expected in (
        (prior.bias_init(cell), entropy(natural)),
        (prior.bias_init_weighted(cell, "inverse_sqrt"), entropy(sqrt)),
        (prior.bias_init_weighted(cell, "inverse_frequency"), np.log(n_classes)),
        (zero(cell, loss=LogitAdjustedLoss(cell.class_counts)), entropy(natural)),
        (losses.loss(cell, LogitAdjustedLoss, bias_init=True), entropy(natural)),
    ):
        assert model.first_loss_ == pytest.approx(expected, abs=1e-5)


def test_inverse_frequency_from_its_right_start_is_inverse_frequency(make):
    """The bias is the same for all classes, so no probability moves."""
    cell = make("four")
    np.testing.assert_allclose(
        prior.bias_init_weighted(cell, "inverse_frequency").predict_proba(cell.X_val),
        zero(cell, class_weight=inverse_frequency_weights(cell.class_counts)).predict_proba(
            cell.X_val
        ),
        atol=1e-4,
    )


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
    model = losses.loss(cell, GHMCLoss, momentum=0.75)
    once = MLP(epochs=1, batch_size=10**6, loss=GHMCLoss(momentum=0.75)).fit(cell.X, cell.y)
    assert float(once.loss.acc_sum.sum()) == pytest.approx(0.25 * 4 * len(cell.y))
    assert model.loss.training is False or model.history_  # trained, and evaluated on validation


# --------------------------------------------------------------------------- losses and weights


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


@pytest.mark.parametrize(
    "call",
    [lambda cell: losses.loss(cell, LDAMLoss, deferred=True), deferred_reweighting],
)
def test_deferred_weights_are_ones_before_the_switch(make, monkeypatch, call):
    cell = make("four")
    seen = []
    at = DeferredReweighting.at
    monkeypatch.setattr(
        DeferredReweighting,
        "at",
        lambda self, progress: (at(self, progress), seen.append(self.loss.weight.tolist())),
    )
    model = call(cell)
    assert model.n_epochs_ == EPOCHS and model.history_ == []
    seen = seen[1:]  # the first call is the constructor's
    assert seen[:8] == [[1.0] * 4] * 8
    np.testing.assert_allclose(seen[8:], [drw_weights(cell.class_counts, 1.0)] * 2)


def test_deferred_training_is_plain_before_the_switch(make):
    """With so few epochs that none is after the switch (progress is at most 0.75)."""
    cell = make("four")
    plain = cell.fit(patience=None, epochs=4).predict_proba(cell.X_val)
    loss = DeferredReweighting(WeightedCrossEntropy(np.ones(4)), cell.class_counts)
    deferred = cell.fit(patience=None, epochs=4, loss=loss).predict_proba(cell.X_val)
    np.testing.assert_allclose(deferred, plain, atol=1e-4)


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


def test_fixed_epochs_keeps_the_last_weights(make):
    cell = make("four")
    model = reference.fixed_epochs(cell)
    assert model.n_epochs_ == EPOCHS
    assert model.rows_seen_ == EPOCHS * len(cell.y)
    same = cell.make().fit(cell.X, cell.y)  # without validation part nothing can stop it
    np.testing.assert_array_equal(model.predict_proba(cell.X_val), same.predict_proba(cell.X_val))


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


def test_wants_a_neural_learner(make):
    cell = make(learner="hgb")
    for call in (
        lambda: losses.loss(cell, FocalLoss),
        lambda: losses.focal_tuned(cell, [1.0], [0.5]),
        lambda: reference.fixed_epochs(cell),
        lambda: losses.fits(cell, 2),
        lambda: prior.bias_init_weighted(cell, "inverse_sqrt"),
        lambda: sampling(cell, 0.0),
        lambda: crt(cell),
        lambda: bbn(cell),
        lambda: meta_weight_net(cell),
    ):
        with pytest.raises(NotApplicable, match="hgb"):
            call()


# --------------------------------------------------------------------------- schedules


def shares(rows, cell):
    return np.bincount(cell.y[rows], minlength=len(cell.classes)) / len(rows)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_sampling_has_the_shares_it_says(make, caught, power):
    cell = make("four")
    draw = caught(sampling, cell, power)["draw"]
    rng = np.random.default_rng(0)
    rows = np.concatenate([draw(cell.y, 0.0, rng)[0] for _ in range(300)])
    expected = cell.class_counts**power / (cell.class_counts**power).sum()
    np.testing.assert_allclose(shares(rows, cell), expected, atol=0.01)
    often = np.bincount(rows)[cell.y == 3]
    np.testing.assert_allclose(often / often.mean(), 1, atol=0.25)  # uniform within a class


def test_progressive_sampling_goes_from_natural_to_balanced(make, caught):
    cell = make("four")
    draw = caught(progressive_sampling, cell)["draw"]
    rng = np.random.default_rng(0)
    natural = cell.class_counts / len(cell.y)
    for progress in (0.0, 0.5, 1.0):
        rows = np.concatenate([draw(cell.y, progress, rng)[0] for _ in range(300)])
        expected = (1 - progress) * natural + progress / 4
        np.testing.assert_allclose(shares(rows, cell), expected, atol=0.01)


def test_deferred_resampling_shows_every_row_once_before_the_switch(make, caught):
    cell = make("four")
    draw = caught(deferred_resampling, cell)["draw"]
    rng = np.random.default_rng(0)
    for progress in (0.0, 0.5, 0.79):
        rows, weights = draw(cell.y, progress, rng)
        assert sorted(rows) == list(range(len(cell.y)))
        assert weights is None
    rows = np.concatenate([draw(cell.y, 0.8, rng)[0] for _ in range(300)])
    np.testing.assert_allclose(shares(rows, cell), 0.25, atol=0.01)


@pytest.mark.parametrize("strategy", [crt, lws])
def test_the_second_stage_leaves_the_first_as_it_is(make, strategy):
    cell = make("four")
    first = cell.fit(patience=None, epochs=8)
    cell.rows_seen = 0
    model = strategy(cell)
    assert model.network.n_epochs_ == 8
    assert model.classifier.n_epochs_ == 2
    assert cell.rows_seen == EPOCHS * len(cell.y)
    for module in ("trunk_", "head_"):
        found, expected = (state(getattr(m, module)) for m in (model.network, first))
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    new = model.classifier.head_
    if strategy is crt:
        assert not torch.equal(new.weight, first.head_.weight)
    else:
        assert isinstance(new, LearnableWeightScaling)
        assert torch.equal(new.linear.weight, first.head_.weight)
        assert torch.equal(new.linear.bias, first.head_.bias)
        assert (new.scale != 1).all()


def test_a_tau_of_zero_is_the_network_without_its_bias(make):
    cell = make("four")
    network = cell.fit(patience=None, head=torch.nn.Linear)
    weight = network.head_.weight.detach().numpy().astype(float)
    features = network.embed(cell.X_val)
    found = TauNormalised(weight, 0.0).predict_proba(features)
    with torch.no_grad():
        logits = network.head_(torch.from_numpy(features)) - network.head_.bias
    np.testing.assert_allclose(found, torch.softmax(logits, dim=1), atol=1e-5)


def test_tau_has_the_best_balanced_accuracy_of_its_grid(make):
    cell = make("four")
    model = tau_normalisation(cell)
    weight = model.network.head_.weight.detach().numpy().astype(float)
    features = model.network.embed(cell.X_val)

    def score(classifier):
        labels = classifier.predict_proba(features).argmax(axis=1)
        return label_metrics(cell.y_val, labels, 4)["balanced_accuracy"]

    scores = [score(TauNormalised(weight, tau)) for tau in np.arange(21) / 10]
    assert score(model.classifier) == max(scores)
    assert model.classifier.tau == np.argmax(scores) / 10


def test_nearest_class_mean_uses_the_features_of_the_control(make):
    cell = make("four")
    model = nearest_class_mean(cell)
    np.testing.assert_array_equal(
        model.network.embed(cell.X), cell.fit(patience=None).embed(cell.X)
    )
    assert model.classifier.centroids_.shape == (4, 8)


def test_two_branches_at_test_time_are_unscaled_and_bbn_has_their_network(make):
    cell = make("four")
    for strategy in (two_branches, bbn):
        model = strategy(cell)
        with torch.no_grad():
            f = torch.from_numpy(model.embed(cell.X_val))
            both = torch.cat([model.head_.conventional(f), model.head_.rebalancing(f)], dim=1)
            logits = model.head_.classifier(both)
        expected = torch.softmax(logits.double(), dim=1)
        np.testing.assert_allclose(model.predict_proba(cell.X_val), expected, atol=1e-6)
        assert model.rows_seen_ == EPOCHS * len(cell.y)


def test_bbn_begins_with_the_natural_and_ends_with_the_reversed_shares(make, monkeypatch):
    cell = make("four")
    calls = []
    mix = schedule.bbn_mix
    monkeypatch.setattr(
        schedule, "bbn_mix", lambda *args: calls.append((args[2], args[3], args[5])) or mix(*args)
    )
    bbn(cell)
    assert sorted({progress for *_, progress in calls}) == [0.0, 0.2, 0.4, 0.6, 0.8]
    natural, other = (torch.cat([call[k] for call in calls]).numpy() for k in (0, 1))
    assert np.bincount(natural).tolist() == (5 * cell.class_counts).tolist()
    reversed_shares = (1 / cell.class_counts) / (1 / cell.class_counts).sum()
    np.testing.assert_allclose(np.bincount(other) / len(other), reversed_shares, atol=0.1)


def test_bbn_lowers_its_learning_rate_as_its_authors_do(make, monkeypatch, study):
    study.learners["mlp"] |= {"epochs": 20, "learning_rate": 0.5}
    cell, seen = make(), {}
    mix = schedule.bbn_mix
    step = torch.optim.AdamW.step
    now = []
    monkeypatch.setattr(schedule, "bbn_mix", lambda *args: now.append(args[5]) or mix(*args))

    def watched(self, *args, **kw):
        seen.setdefault(now[-1], self.param_groups[0]["lr"])
        return step(self, *args, **kw)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    bbn(cell)
    expected = [0.5] * 6 + [0.005] * 2 + [0.00005] * 2
    np.testing.assert_allclose([seen[k / 10] for k in range(10)], expected)


def test_the_meta_set_is_balanced_and_not_trained_on(make, monkeypatch):
    cell = make("four")
    calls = []
    step = schedule.meta_weight_net_step
    monkeypatch.setattr(
        schedule,
        "meta_weight_net_step",
        lambda *args, **kw: calls.append((args[1], *args[4:8])) or step(*args, **kw),
    )
    model = meta_weight_net(cell, meta_rows=5)
    net, _, _, meta_x, meta_y = calls[0]
    assert np.bincount(meta_y).tolist() == [5] * 4
    assert all(call[0] is net and torch.equal(call[3], meta_x) for call in calls)
    clean = {tuple(row) for row in meta_x.tolist()}
    trained = [tuple(row) for call in calls for row in call[1].tolist()]
    assert not clean & set(trained)
    assert len(trained) == 5 * (len(cell.y) - 20)
    assert model.rows_seen_ == 2 * len(trained) + 20 * len(calls)


def test_the_meta_set_takes_at_most_half_of_a_class(make, monkeypatch):
    cell = make("four")
    rows = np.concatenate([np.flatnonzero(cell.y < 3), np.flatnonzero(cell.y == 3)[:3]])
    cell.X, cell.y = cell.X[rows], cell.y[rows]
    cell.class_counts = np.bincount(cell.y)
    sizes = []
    step = schedule.meta_weight_net_step
    monkeypatch.setattr(
        schedule,
        "meta_weight_net_step",
        lambda *args, **kw: sizes.append(np.bincount(args[7]).tolist()) or step(*args, **kw),
    )
    meta_weight_net(cell)
    assert sizes[0][3] == 1
    cell.class_counts = np.append(cell.class_counts[:3], 1)
    with pytest.raises(NotApplicable, match="one training row"):
        meta_weight_net(cell)


def test_two_stages_need_two_epochs(make, study):
    study.learners["mlp"]["epochs"] = 1
    for strategy in (crt, bbn, meta_weight_net):
        with pytest.raises(NotApplicable, match="one epoch"):
            strategy(make())
    study.learners["mlp"]["epochs"] = 2
    assert crt(make()).classifier.n_epochs_ == 1


# --------------------------------------------------------------------------- post-hoc


def test_the_cost_threshold_is_the_closed_form(make):
    cell = make("binary", "logreg")
    model = cost_threshold(cell, 10)
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    assert model.predict(cell.X_val).tolist() == (p >= 1 / 11).astype(int).tolist()


@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_expected_cost_is_least(make, dataset):
    """Among all labels, each row gets the one whose miss would cost most on average."""
    cell = make(dataset, "logreg")
    p = cell.plain().predict_proba(cell.X_val)
    costs = np.array([1] + [10] * (p.shape[1] - 1))
    expected = (p * costs).sum(axis=1, keepdims=True) - p * costs  # cost of predicting each class
    labels = cost_threshold(cell, 10).predict(cell.X_val)
    np.testing.assert_allclose(
        expected[np.arange(len(labels)), labels], expected.min(axis=1), atol=1e-12
    )


def test_a_cost_matrix_decides_by_expected_cost(make):
    cell = make("four", "logreg")
    costs = np.array([[0, 1, 2, 1], [4, 0, 1, 1], [6, 1, 0, 3], [9, 2, 2, 0]])
    model = cost_threshold(cell, costs.tolist())
    p = model.predict_proba(cell.X_val)
    expected = [[sum(row[c] * costs[c, k] for c in range(4)) for k in range(4)] for row in p]
    np.testing.assert_array_equal(model.predict(cell.X_val), np.argmin(expected, axis=1))
    with pytest.raises(NotApplicable, match="true class alone"):
        tuned_cost(cell, costs.tolist())
    with pytest.raises(NotApplicable, match="costs of 4 classes for 2"):
        cost_threshold(make("binary", "logreg"), costs.tolist())


def test_a_matrix_and_its_ratio_are_the_same_costs(make):
    cell = make("binary", "logreg")
    for rule in (cost_threshold, tuned_cost):
        np.testing.assert_array_equal(
            rule(cell, 10).predict(cell.X_val), rule(cell, [[0, 1], [10, 0]]).predict(cell.X_val)
        )


def test_the_tuned_cost_is_the_lowest_on_the_validation_part(make):
    cell = make("binary", "logreg")
    p = cell.plain().predict_proba(cell.X_val)[:, 1]

    def cost(labels):
        return np.where(cell.y_val == 1, 10, 1)[labels != cell.y_val].sum()

    found = cost(tuned_cost(cell, 10).predict(cell.X_val))
    assert found == min(cost((p >= cut).astype(int)) for cut in [*p, 2])


def test_prior_correction_is_dal_pozzolos_with_two_classes(make):
    plain = make("binary", "logreg", "undersampled")
    other = make("binary", "logreg", "undersampled_corrected")
    assert plain.seed != other.seed
    sampled = undersampled(plain).predict_proba(plain.X_val)[:, 1]
    found = undersampled_corrected(other).predict_proba(plain.X_val)[:, 1]
    beta = plain.class_counts[1] / plain.class_counts[0]
    np.testing.assert_allclose(found, correct_undersampling(sampled, beta))


def test_prior_correction_with_several_classes(make):
    cell = make("four", "logreg")
    model = undersampled(cell)
    np.testing.assert_allclose(model.prior_, 0.25)
    p = model.predict_proba(cell.X_val) * cell.class_counts
    found = undersampled_corrected(cell).predict_proba(cell.X_val)
    np.testing.assert_allclose(found, p / p.sum(axis=1, keepdims=True))


def test_a_tuned_adjustment_is_the_best_of_its_grid(make):
    cell = make("four", "logreg")

    def score(model):
        labels = model.predict_proba(cell.X_val).argmax(axis=1)
        return label_metrics(cell.y_val, labels, 4)["balanced_accuracy"]

    grid = [score(logit_adjustment(cell, tau)) for tau in np.arange(21) / 10]
    assert score(logit_adjustment_tuned(cell)) == max(grid)


def test_a_model_knows_the_shares_it_was_trained_on(make):
    cell = make("four")
    np.testing.assert_allclose(cell.fit().prior_, start(cell))
    weight = inverse_frequency_weights(cell.class_counts)
    np.testing.assert_allclose(cell.fit(class_weight=weight).prior_, 0.25)
    cell = make("four", "logreg")
    np.testing.assert_allclose(cell.fit(sample_weight=weight[cell.y]).prior_, 0.25)
    np.testing.assert_allclose(cell.fit(class_weight=weight).prior_, 0.25)
    np.testing.assert_allclose(cell.plain().prior_, start(cell))
    few = np.concatenate([np.flatnonzero(cell.y == c)[:5] for c in range(4)])
    np.testing.assert_allclose(cell.fit(cell.X[few], cell.y[few]).prior_, 0.25)


def test_nothing_is_corrected_twice(make):
    cell = make("four")
    for model in (
        losses.loss(cell, LogitAdjustedLoss),
        losses.loss(cell, FocalLoss),
        sampling(cell, 0.0),
        meta_weight_net(cell),
    ):
        with pytest.raises(ValueError, match="correct twice"):
            adjusted(model, 1.0)
    # Weights have made the shares equal: adjusting for those changes nothing.
    model = weighting.inverse_frequency(cell)
    np.testing.assert_allclose(
        adjusted(model, 1.0).predict_proba(cell.X_val),
        model.predict_proba(cell.X_val),
        atol=1e-9,
    )


@pytest.mark.parametrize("learner", ["logreg", "tree", "mlp"])
@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_calibration_lowers_the_log_loss_where_it_was_fitted(make, dataset, learner):
    cell = make(dataset, learner)
    before = log_loss(cell.y_val, cell.plain().predict_proba(cell.X_val))
    for strategy in (temperature, platt, isotonic):
        p = strategy(cell).predict_proba(cell.X_val)
        np.testing.assert_allclose(p.sum(axis=1), 1)
        slack = 0.0 if strategy is temperature else 0.05  # priors of Platt, one-vs-rest
        assert log_loss(cell.y_val, p) <= before + slack, strategy


def test_temperature_and_platt_keep_the_ranking_of_two_classes(make):
    cell = make("binary", "logreg")
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    for strategy in (temperature, platt, undersampled_corrected):
        found = strategy(cell).predict_proba(cell.X_val)[:, 1]
        if strategy is undersampled_corrected:
            p = undersampled(cell).predict_proba(cell.X_val)[:, 1]
        assert (np.diff(found[np.argsort(p)]) >= -1e-12).all()
    stepped = isotonic(cell).predict_proba(cell.X_val)[:, 1]
    order = np.argsort(cell.plain().predict_proba(cell.X_val)[:, 1])
    assert (np.diff(stepped[order]) >= -1e-12).all()


def test_platt_is_a_logistic_curve_of_the_log_odds(make):
    cell = make("binary", "logreg")
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    found = platt(cell).predict_proba(cell.X_val)[:, 1]
    odds, fitted = np.log(p / (1 - p)), np.log(found / (1 - found))
    slope, offset = np.polyfit(odds, fitted, 1)
    np.testing.assert_allclose(fitted, slope * odds + offset, atol=1e-9)
    assert slope > 0


def test_calibration_needs_all_classes(make):
    cell = make("four", "logreg")
    rows = cell.y_val < 3
    cell.X_val, cell.y_val = cell.X_val[rows], cell.y_val[rows]
    with pytest.raises(NotApplicable, match="no row in the validation part"):
        platt(cell)


# --------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("family", "entry", "message"),
    [
        ("loss", {"loss": "FocalLoss", "gamma": -1.0}, "gamma must be"),
        ("loss", {"loss": "FocalLoss", "gamma": "much"}, "'much'|not supported"),
        ("loss", {"loss": "FocalLoss", "alpha": [1, -1]}, "class weights must be"),
        ("loss", {"loss": "SigmoidFocalLoss", "alpha": 2.0}, "alpha must be"),
        ("loss", {"loss": "ClassBalancedLoss", "beta": 1.0}, "beta must be in"),
        ("loss", {"loss": "ClassBalancedLoss", "class_counts": [1, 2]}, "unknown key 'class_coun"),
        ("loss", {"loss": "GHMCLoss", "bins": 0}, "bins must be"),
        ("loss", {"loss": "OHEMLoss", "keep": 0}, "keep must be"),
        ("loss", {"loss": "LDAMLoss", "scale": -1}, "scale must be"),
        ("loss", {"loss": "LDAMLoss", "bias_init": True}, "has no bias"),
        ("loss", {"loss": "OHEMLoss", "deferred": True}, "OHEMLoss has none"),
        ("loss", {"loss": "LDAMLoss", "deferred": True, "weight": [1, 2]}, "drop 'weight'"),
        ("loss", {"loss": "LDAMLoss", "weight": [1, 2, -3]}, "class weights must be"),
        ("loss", {"loss": "LogitAdjustedLoss", "tau": float("nan")}, "tau must be finite"),
        ("loss", {"loss": "HingeLoss"}, "unknown loss 'HingeLoss'. Known: .*FocalLoss"),
        ("weighting", {"effective_number": 1.0}, "beta must be in"),
        ("weighting", {"table": 3}, "a weight per class"),
        ("schedule", {"sampling": float("inf")}, "power must be finite"),
        ("posthoc", {"threshold": 1.5}, "threshold must be in"),
        ("posthoc", {"cost_threshold": 0}, "cost ratio must be positive"),
        ("posthoc", {"tuned_cost": -1}, "cost ratio must be positive"),
        ("posthoc", {"tuned_cost": [[0, 1], [10, 1]]}, "zeros on the diagonal"),
        ("posthoc", {"cost_threshold": [[0, 1, 2], [1, 0, 2]]}, "a cost matrix is square"),
    ],
)
def test_impossible_values_are_refused_before_fitting(family, entry, message):
    with pytest.raises(StudyError, match=f"strategy 'tried' of family '{family}'.*({message})"):
        resolve(family, "tried", entry)


def test_impossible_values_of_named_strategies_are_refused(study):
    for family, name, entry in (
        ("loss", "focal_tuned", {"gamma": [1.0], "alpha": [1.5]}),
        ("loss", "focal_tuned", {"gamma": [1.0]}),
        ("prior", "bias_init_weighted", {"weights": "none"}),
        ("posthoc", "logit_adjustment", {"tau": float("inf")}),
    ):
        with pytest.raises(StudyError, match=f"strategy '{name}' of family '{family}'"):
            resolve(family, name, entry)
    study.strategies["weighting"]["beta_too_large"] = {"effective_number": 1.0}
    with pytest.raises(StudyError, match="beta_too_large"):
        check(study)


# --------------------------------------------------------------------------- what it costs


def test_timings_hold_the_passes_over_the_training_part(study, make):
    study.strategies["schedule"] = {"crt": {}, "bbn": {}, "sampling_0": {"sampling": 0.0}}
    study.strategies["loss"] = {"tuned": {}}
    study.families += ["schedule", "loss"]
    make()
    for name in ("crt", "bbn", "sampling_0"):
        _, timing, _ = run_cell(study, Task("binary", "schedule", "mlp", name, 0))
        assert timing["epochs"] == EPOCHS, name
    _, timing, _ = run_cell(study, Task("binary", "reference", "logreg", "plain", 0))
    assert np.isnan(timing["epochs"])
    _, timing, _ = run_cell(study, Task("binary", "loss", "mlp", "tuned", 0))
    assert timing["status"] == "failed" and np.isnan(timing["epochs"])


def test_a_borrowed_plain_model_counts_its_epochs(study):
    _, own, _ = run_cell(study, Task("binary", "reference", "mlp", "plain", 0))
    _, lent, _ = run_cell(study, Task("binary", "posthoc", "mlp", "threshold_0_3", 0))
    assert own["epochs"] == lent["epochs"] == 3
