"""Family schedule: what each entry must be equal to. Its parts are in test_schedule_parts.py."""

import numpy as np
import pytest
import torch

from imbbench.bench.cell import Cell, Task
from imbbench.bench.counts import drw_weights
from imbbench.bench.metrics import label_metrics
from imbbench.bench.objectives import DeferredReweighting, WeightedCrossEntropy
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.bench.scoring import run_cell
from imbbench.errors import StudyError
from imbbench.strategies import loss as losses
from imbbench.strategies.loss.ldam import LDAMLoss
from imbbench.strategies.schedule import (
    bbn,
    bilateral,
    crt,
    deferred_resampling,
    deferred_reweighting,
    lws,
    meta_weight_net,
    meta_weights,
    nearest_class_mean,
    progressive_sampling,
    sampling,
    tau_normalisation,
    two_branches,
)
from imbbench.strategies.schedule.class_means import NearestClassMean
from imbbench.strategies.schedule.tau_normalisation import TauNormalised
from imbbench.strategies.schedule.weight_scaling import LearnableWeightScaling

STEPS = 40


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study; its mlp makes forty steps."""
    study.learners["mlp"] |= {"epochs": 0, "steps": STEPS}

    def cell(dataset="binary", learner="mlp", strategy="tried"):
        return Cell(study, Task(dataset, "reference", learner, strategy, 0), reuse=False)

    return cell


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def shares(rows, cell):
    return np.bincount(cell.y[rows], minlength=len(cell.classes)) / len(rows)


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
    assert model.n_steps_ == STEPS
    seen = seen[1:]  # the first call is the constructor's
    assert seen[:32] == [[1.0] * 4] * 32
    np.testing.assert_allclose(seen[32:], [drw_weights(cell.class_counts, 1.0)] * 8)


def test_deferred_training_is_plain_before_the_switch(make):
    """With so few steps that none is after the switch (progress is at most 0.75)."""
    cell = make("four")
    plain = cell.fit(steps=4).predict_proba(cell.X_val)
    loss = DeferredReweighting(WeightedCrossEntropy(np.ones(4)), cell.class_counts)
    deferred = cell.fit(steps=4, loss=loss).predict_proba(cell.X_val)
    np.testing.assert_allclose(deferred, plain, atol=1e-4)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_sampling_has_the_shares_it_says(make, caught, power):
    cell = make("four")
    draw = caught(sampling, cell, power)["draw"]
    rng = np.random.default_rng(0)
    rows = np.concatenate([draw(cell.y, 0.0, rng, 100)[0] for _ in range(100)])
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
        rows = np.concatenate([draw(cell.y, progress, rng, 100)[0] for _ in range(300)])
        expected = (1 - progress) * natural + progress / 4
        np.testing.assert_allclose(shares(rows, cell), expected, atol=0.01)


def test_deferred_resampling_is_natural_before_the_switch(make, caught):
    cell = make("four")
    draw = caught(deferred_resampling, cell)["draw"]
    rng = np.random.default_rng(0)
    for progress, expected in (
        (0.0, cell.class_counts / len(cell.y)),
        (0.79, cell.class_counts / len(cell.y)),
        (0.8, np.full(4, 0.25)),
    ):
        drawn = [draw(cell.y, progress, rng, 100) for _ in range(300)]
        assert all(len(rows) == 100 and weights is None for rows, weights in drawn)
        rows = np.concatenate([rows for rows, _ in drawn])
        np.testing.assert_allclose(shares(rows, cell), expected, atol=0.01)


@pytest.mark.parametrize("strategy", [crt, lws])
def test_the_second_stage_leaves_the_first_as_it_is(make, strategy):
    cell = make("four")
    first = cell.fit(steps=32)
    cell.rows_seen = 0
    model = strategy(cell)
    assert (model.network.n_steps_, model.classifier.n_steps_) == (32, 8)
    assert cell.rows_seen == STEPS * 32
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
    network = cell.fit(head=torch.nn.Linear)
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
    np.testing.assert_array_equal(model.network.embed(cell.X), cell.fit().embed(cell.X))
    assert model.classifier.centroids_.shape == (4, 8)


def test_the_kind_of_class_means_is_the_best_in_validation(make):
    for dataset in ("binary", "four"):
        cell = make(dataset)
        model = nearest_class_mean(cell)
        features, held_out = model.network.embed(cell.X), model.network.embed(cell.X_val)
        found = {}
        for kind in ("un", "l2n", "cl2n"):
            labels = NearestClassMean(kind).fit(features, cell.y).predict(held_out)
            found[kind] = label_metrics(cell.y_val, labels, len(cell.classes))["balanced_accuracy"]
        assert found[model.classifier.feat_type] == max(found.values())
        assert model.scores_only


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
        assert model.n_steps_ == STEPS
        assert model.rows_seen_ == (2 if strategy is bbn else 1) * STEPS * 32


def test_bbn_begins_with_the_natural_and_ends_with_the_reversed_shares(make, monkeypatch):
    cell = make("four")
    calls = []
    mix = bilateral.bbn_mix
    monkeypatch.setattr(
        bilateral, "bbn_mix", lambda *args: calls.append((args[2], args[3], args[5])) or mix(*args)
    )
    bbn(cell)
    assert [progress for *_, progress in calls] == [k / STEPS for k in range(STEPS)]
    natural, other = (torch.cat([call[k] for call in calls]).numpy() for k in (0, 1))
    passes = len(natural) // len(cell.y)
    whole = natural[: passes * len(cell.y)]
    assert np.bincount(whole).tolist() == (passes * cell.class_counts).tolist()
    reversed_shares = (1 / cell.class_counts) / (1 / cell.class_counts).sum()
    np.testing.assert_allclose(np.bincount(other) / len(other), reversed_shares, atol=0.1)


def test_the_meta_set_is_balanced_and_not_trained_on(make, monkeypatch):
    cell = make("four")
    calls = []
    step = meta_weights.meta_weight_net_step
    monkeypatch.setattr(
        meta_weights,
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
    assert len(trained) == STEPS * 32
    assert len(calls) == model.n_steps_ == STEPS
    assert model.rows_seen_ == 2 * len(trained) + 20 * len(calls)


def test_the_meta_set_takes_at_most_half_of_a_class(make, monkeypatch):
    cell = make("four")
    rows = np.concatenate([np.flatnonzero(cell.y < 3), np.flatnonzero(cell.y == 3)[:3]])
    cell.X, cell.y = cell.X[rows], cell.y[rows]
    cell.class_counts = np.bincount(cell.y)
    sizes = []
    step = meta_weights.meta_weight_net_step
    monkeypatch.setattr(
        meta_weights,
        "meta_weight_net_step",
        lambda *args, **kw: sizes.append(np.bincount(args[7]).tolist()) or step(*args, **kw),
    )
    meta_weight_net(cell)
    assert sizes[0][3] == 1
    cell.class_counts = np.append(cell.class_counts[:3], 1)
    with pytest.raises(NotApplicable, match="one training row"):
        meta_weight_net(cell)


def test_two_stages_need_two_steps(make, study):
    study.learners["mlp"]["steps"] = 1
    for strategy in (crt, lws):
        with pytest.raises(NotApplicable, match="one step"):
            strategy(make())
    study.learners["mlp"]["steps"] = 2
    assert crt(make()).classifier.n_steps_ == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda cell: sampling(cell, 0.0),
        crt,
        bbn,
        meta_weight_net,
    ],
)
def test_other_learners_do_not_apply(make, call):
    with pytest.raises(NotApplicable, match="hgb is not trained in batches"):
        call(make(learner="hgb"))


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("tried", {"sampling": float("inf")}, "power must be finite"),
    ],
)
def test_impossible_values_are_refused_before_fitting(name, entry, message):
    with pytest.raises(StudyError, match=f"strategy '{name}' of family 'schedule'.*({message})"):
        resolve("schedule", name, entry)


def test_timings_hold_the_passes_over_the_training_part(study, make):
    study.strategies["schedule"] = {"crt": {}, "bbn": {}, "sampling_0": {"sampling": 0.0}}
    study.strategies["loss"] = {"tuned": {}}
    study.families += ["schedule", "loss"]
    make()
    passes = STEPS * 32 / len(make().y)
    for name, rows in (("crt", 1), ("bbn", 2), ("sampling_0", 1)):
        _, timing, _ = run_cell(study, Task("binary", "schedule", "mlp", name, 0))
        assert timing["epochs"] == pytest.approx(rows * passes), name
    _, timing, _ = run_cell(study, Task("binary", "reference", "logreg", "plain", 0))
    assert np.isnan(timing["epochs"])
    _, timing, _ = run_cell(study, Task("binary", "loss", "mlp", "tuned", 0))
    assert timing["status"] == "failed" and np.isnan(timing["epochs"])
