import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from imbbench.bench.counts import drw_weights, sampling_probabilities
from imbbench.strategies.loss.ldam import NormedLinear
from imbbench.strategies.schedule.bilateral import bbn_mix
from imbbench.strategies.schedule.class_means import NearestClassMean
from imbbench.strategies.schedule.meta_weights import meta_weight_net_step, weight_network
from imbbench.strategies.schedule.tau_normalisation import tau_normalize
from imbbench.strategies.schedule.weight_scaling import LearnableWeightScaling

ORACLES = json.loads(Path(__file__).parents[1].joinpath("oracles.json").read_text(encoding="utf-8"))
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def entries(prefix):
    found = [
        pytest.param(e, id=e["name"]) for e in ORACLES["entries"] if e["name"].startswith(prefix)
    ]
    assert found
    return found


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def linear(weight, bias=None):
    weight = tensor(weight)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, dtype=torch.float64)
    layer.weight.data = weight
    if bias is not None:
        layer.bias.data = tensor(bias)
    return layer


# ------------------------------------------------------------------ sampling and weights


@pytest.mark.parametrize("entry", entries("class_sampling_probabilities/"))
def test_sampling_probabilities(entry):
    counts, expected = entry["inputs"]["class_counts"], entry["expected"]
    instance, balanced = sampling_probabilities(counts, 1), sampling_probabilities(counts, 0)
    np.testing.assert_allclose(instance, expected["instance_balanced"], **EXACT)
    np.testing.assert_allclose(balanced, expected["class_balanced"], **EXACT)
    root = sampling_probabilities(counts, 0.5)
    np.testing.assert_allclose(root, expected["square_root"], **EXACT)
    for t in (0.25, 0.5, 0.75):
        progressive = (1 - t) * instance + t * balanced
        np.testing.assert_allclose(progressive, expected[f"progressive_lambda_{t}"], **EXACT)


@pytest.mark.parametrize("entry", entries("bbn_reversed_sampler/"))
def test_reversed_sampling(entry):
    p = sampling_probabilities(entry["inputs"]["class_counts"], -1)
    np.testing.assert_allclose(p, entry["expected"]["class_probability"], **EXACT)


@given(st.lists(st.integers(1, 100_000), min_size=2, max_size=12), st.floats(-3, 3))
def test_sampling_probabilities_are_a_distribution_and_reverse_with_the_power(counts, power):
    p = sampling_probabilities(counts, power)
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(p / p[0], (np.array(counts) / counts[0]) ** power, rtol=1e-9)


@pytest.mark.parametrize("entry", entries("drw_schedule/"))
def test_drw_weights(entry):
    for row in entry["expected"]:
        weights = drw_weights(entry["inputs"]["class_counts"], row["epoch_zero_based"] / 200)
        np.testing.assert_allclose(weights, row["weights"], **EXACT)


@pytest.mark.parametrize("epochs", [5, 10, 15, 50, 90])
def test_drw_switches_in_runs_of_any_length(epochs):
    before, switch = 4 * epochs // 5 - 1, 4 * epochs // 5
    assert (drw_weights([900, 100], before / epochs) == 1).all()
    assert drw_weights([900, 100], switch / epochs)[1] > 1.5
    assert drw_weights([900, 100], 1.0)[1] > 1.5


# ------------------------------------------------------------------ classifiers


@pytest.mark.parametrize("entry", entries("normed_linear/"))
def test_normed_linear(entry):
    weight = tensor(entry["inputs"]["weight_rows_per_class"])
    layer = NormedLinear(weight.shape[1], weight.shape[0]).double()
    assert layer.weight.shape == weight.shape
    layer.weight.data = weight
    features = tensor(entry["inputs"]["features"])
    np.testing.assert_allclose(layer(features).detach(), entry["expected"]["logits"], **EXACT)
    np.testing.assert_allclose(layer(7 * features).detach(), entry["expected"]["logits"], **EXACT)


@pytest.mark.parametrize("entry", entries("lws/"))
def test_learnable_weight_scaling(entry):
    inputs, expected = entry["inputs"], entry["expected"]
    trained = linear(inputs["weight_rows_per_class"], inputs["bias"])
    head = LearnableWeightScaling(trained)
    features = tensor(inputs["features"])
    torch.testing.assert_close(head(features), trained(features))
    assert [name for name, p in head.named_parameters() if p.requires_grad] == ["scale"]
    assert trained.weight.requires_grad  # the caller's layer is left alone
    head.scale.data = tensor(inputs["scales"])
    logits = head(features)
    loss = F.cross_entropy(logits, torch.tensor(inputs["labels"]))
    loss.backward()
    np.testing.assert_allclose(logits.detach(), expected["logits"], **EXACT)
    assert loss.item() == pytest.approx(expected["loss"], abs=1e-9)
    np.testing.assert_allclose(head.scale.grad, expected["grad_scales"], **EXACT)


@pytest.mark.parametrize("entry", entries("tau_norm/"))
def test_a_tau_normalised_classifier_without_bias(entry):
    weight = tau_normalize(
        tensor(entry["inputs"]["weight_rows_per_class"]), entry["hyper_parameters"]["tau"]
    )
    features = tensor(entry["inputs"]["features"]).requires_grad_()
    F.linear(features, weight).sum().backward()
    np.testing.assert_allclose(
        features.grad, entry["expected"]["grad_features_of_logit_sum"], **EXACT
    )


@pytest.mark.parametrize("entry", entries("ncm/"))
def test_nearest_class_mean(entry):
    inputs, expected = entry["inputs"], entry["expected"]
    model = NearestClassMean(**entry["hyper_parameters"])
    model.fit(inputs["train_features"], inputs["train_labels"])
    np.testing.assert_allclose(model.mean_, expected["train_mean"], **EXACT)
    np.testing.assert_allclose(model.centroids_, expected["centroids"], **EXACT)
    np.testing.assert_allclose(model.class_scores(inputs["features"]), expected["logits"], **EXACT)
    assert model.predict(inputs["features"]).tolist() == expected["argmax"]
    p = model.predict_proba(inputs["features"])
    assert p.argmax(axis=1).tolist() == expected["argmax"]
    np.testing.assert_allclose(p.sum(axis=1), 1)


@parametrize_with_checks([NearestClassMean(), NearestClassMean("un", "cos")])
def test_nearest_class_mean_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_nearest_class_mean_keeps_labels_and_survives_zero_features():
    X = np.array([[1.0, 0], [0, 0], [0, 2], [0, 2.2]])
    model = NearestClassMean("l2n").fit(X, ["ham", "ham", "spam", "spam"])
    assert model.predict([[3.0, 0.1], [0, 0.5]]).tolist() == ["ham", "spam"]
    assert np.isfinite(model.predict_proba([[0.0, 0.0]])).all()


# ------------------------------------------------------------------ BBN


@pytest.mark.parametrize("entry", entries("bbn_mix/"))
def test_bbn_mix(entry):
    inputs, h, expected = entry["inputs"], entry["hyper_parameters"], entry["expected"]
    first = tensor(inputs["features_conventional"]).requires_grad_()
    second = tensor(inputs["features_rebalancing"]).requires_grad_()
    classifier = linear(inputs["classifier_weight"], inputs["classifier_bias"])
    logits, loss = bbn_mix(
        first,
        second,
        torch.tensor(inputs["labels_conventional"]),
        torch.tensor(inputs["labels_rebalancing"]),
        classifier,
        progress=(h["epoch_one_based"] - 1) / h["div_epoch"],
    )
    loss.backward()
    for value, key in [
        (logits.detach(), "logits"),
        (loss.detach(), "loss"),
        (first.grad, "grad_features_conventional"),
        (second.grad, "grad_features_rebalancing"),
        (classifier.weight.grad, "grad_classifier_weight"),
        (classifier.bias.grad, "grad_classifier_bias"),
    ]:
        np.testing.assert_allclose(value, expected[key], **EXACT, err_msg=key)


# ------------------------------------------------------------------ Meta-Weight-Net


def frozen_sgd(module):
    return torch.optim.SGD(module.parameters(), lr=0.0)


@pytest.mark.parametrize("entry", entries("meta_weight_net_step/"))
def test_meta_weight_net_step(entry):
    inputs, h, expected = entry["inputs"], entry["hyper_parameters"], entry["expected"]
    model = linear(inputs["classifier_weight"], inputs["classifier_bias"])
    weight_net = weight_network(h["hidden"]).double()
    for layer, name in ((weight_net[0], "vnet_linear1"), (weight_net[2], "vnet_linear2")):
        layer.weight.data = tensor(inputs[f"{name}_weight"])
        layer.bias.data = tensor(inputs[f"{name}_bias"])
    step = meta_weight_net_step(
        model,
        weight_net,
        frozen_sgd(model),
        frozen_sgd(weight_net),
        tensor(inputs["train_x"]),
        torch.tensor(inputs["train_labels"]),
        tensor(inputs["meta_x"]),
        torch.tensor(inputs["meta_labels"]),
        inner_lr=h["inner_lr"],
        normalise=h["weights_sum_normalised"],
        detach=h["loss_into_vnet_detached"],
    )
    for value, key in [
        (step.losses, "train_losses"),
        (step.weights, "vnet_weights"),
        (step.meta_loss, "meta_loss"),
        (step.loss, "weighted_train_loss_same_vnet"),
        (weight_net[0].weight.grad, "grad_vnet_linear1_weight"),
        (weight_net[0].bias.grad, "grad_vnet_linear1_bias"),
        (weight_net[2].weight.grad, "grad_vnet_linear2_weight"),
        (weight_net[2].bias.grad, "grad_vnet_linear2_bias"),
        (model.weight.grad, "grad_classifier_weight"),
        (model.bias.grad, "grad_classifier_bias"),
    ]:
        np.testing.assert_allclose(value, expected[key], **EXACT, err_msg=key)


@pytest.fixture
def small_problem():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    y = torch.randint(3, (12,), generator=generator)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3)).double()
    return model, weight_network(4).double(), x, y, x[:6] + 0.1, y[:6]


@pytest.mark.parametrize(("normalise", "detach"), [(False, True), (True, True), (True, False)])
def test_meta_gradient_against_its_definition(small_problem, normalise, detach):
    """Finite differences over the weight network of a step written out sample by sample."""
    model, weight_net, x, y, meta_x, meta_y = small_problem
    model.eval()
    lr = 0.5

    def meta_loss():
        each = F.cross_entropy(model(x), y, reduction="none")
        weights = weight_net((each.detach() if detach else each)[:, None]).squeeze(1)
        objective = (weights * each).sum() / (weights.sum() if normalise else len(each))
        gradients = torch.autograd.grad(objective, list(model.parameters()))
        virtual = {
            name: (p - lr * g).detach()
            for (name, p), g in zip(model.named_parameters(), gradients, strict=True)
        }
        return F.cross_entropy(torch.func.functional_call(model, virtual, meta_x), meta_y).item()

    step = meta_weight_net_step(
        model,
        weight_net,
        frozen_sgd(model),
        frozen_sgd(weight_net),
        *(x, y, meta_x, meta_y),
        inner_lr=lr,
        normalise=normalise,
        detach=detach,
    )
    assert step.meta_loss == pytest.approx(meta_loss(), abs=1e-12)
    for p in weight_net.parameters():
        analytic, flat = p.grad.flatten(), p.data.view(-1)
        for i in range(len(flat)):
            at, values = flat[i].item(), []
            for shift in (1e-5, -1e-5):
                flat[i] = at + shift
                values.append(meta_loss())
            flat[i] = at
            assert analytic[i].item() == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-8)


def test_a_step_moves_both_networks_and_batch_norm_once(small_problem):
    model, weight_net, x, y, meta_x, meta_y = small_problem
    batch_norm = model[1]
    before = [p.clone() for p in (*model.parameters(), *weight_net.parameters())]
    with torch.no_grad():
        hidden = model[0](x)
    step = meta_weight_net_step(
        model,
        weight_net,
        torch.optim.SGD(model.parameters(), lr=0.1),
        torch.optim.Adam(weight_net.parameters(), lr=1e-2),
        x,
        y,
        meta_x,
        meta_y,
    )
    after = [*model.parameters(), *weight_net.parameters()]
    moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert moved[0] and moved[-1]
    assert batch_norm.num_batches_tracked == 1
    torch.testing.assert_close(batch_norm.running_mean, 0.1 * hidden.mean(0))
    assert ((step.weights > 0) & (step.weights < 1)).all()
    assert not step.losses.requires_grad


def test_the_inner_learning_rate_follows_the_optimizer(small_problem):
    model, weight_net, *data = small_problem
    model.eval()
    gradients = []
    for lr, inner_lr in ((1e-3, None), (0.0, 1e-3)):
        state = {k: v.clone() for k, v in model.state_dict().items()}
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        meta_weight_net_step(
            model, weight_net, optimizer, frozen_sgd(weight_net), *data, inner_lr=inner_lr
        )
        gradients.append(weight_net[0].weight.grad.clone())
        model.load_state_dict(state)
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=0)
    assert gradients[0].any()


def test_frozen_parameters_stay(small_problem):
    model, weight_net, *data = small_problem
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    head = torch.optim.SGD(model[3].parameters(), lr=0.1)
    meta_weight_net_step(model, weight_net, head, frozen_sgd(weight_net), *data)
    assert torch.equal(model[0].weight, before)


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sampling_probabilities([5, 0], 1.0), "class 1 has count 0"),
        (lambda: sampling_probabilities([5, 1], np.nan), "power must be finite"),
        (lambda: drw_weights([5, 0], 0.5), "class 1 has count 0"),
        (lambda: drw_weights([5, 1], 1.2), r"progress must be in \[0, 1\]"),
        (lambda: drw_weights([5, 1], -0.1), r"progress must be in \[0, 1\]"),
        (lambda: bbn_mix(None, None, None, None, None, 1.5), r"progress must be in \[0, 1\]"),
        (lambda: NearestClassMean("raw").fit([[1.0], [2.0]], [0, 1]), "feat_type must be"),
        (lambda: NearestClassMean("un", "l1").fit([[1.0], [2.0]], [0, 1]), "dist_type must be"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_meta_step_on_nan_changes_nothing(small_problem):
    model, weight_net, x, y, meta_x, meta_y = small_problem
    state = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ValueError, match="NaN or infinite"):
        meta_weight_net_step(
            model,
            weight_net,
            torch.optim.SGD(model.parameters(), lr=0.1),
            torch.optim.Adam(weight_net.parameters()),
            x * float("nan"),
            y,
            meta_x,
            meta_y,
        )
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key]), key
