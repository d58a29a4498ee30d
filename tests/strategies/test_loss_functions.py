import copy
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from imbbench.bench.counts import (
    effective_number_weights,
    inverse_frequency_weights,
    inverse_sqrt_weights,
    log_prior_bias,
)
from imbbench.bench.objectives import WeightedCrossEntropy, start_bias
from imbbench.strategies.loss.class_balanced import ClassBalancedLoss
from imbbench.strategies.loss.focal import FocalLoss, SigmoidFocalLoss
from imbbench.strategies.loss.ghm import GHMCLoss
from imbbench.strategies.loss.ldam import LDAMLoss
from imbbench.strategies.loss.logit_adjusted import BalancedSoftmaxLoss, LogitAdjustedLoss
from imbbench.strategies.loss.ohem import OHEMLoss

ORACLES = json.loads(Path(__file__).parents[1].joinpath("oracles.json").read_text(encoding="utf-8"))
BATCHES = ORACLES["batches"]


def entries(*prefixes, kinds=None):
    found = [
        pytest.param(e, id=e["name"])
        for e in ORACLES["entries"]
        if e["name"].startswith(prefixes) and (kinds is None or e["kind"] in kinds)
    ]
    assert found
    return found


def batch(name, dtype=torch.float64):
    """Logits that want a gradient, and targets; one-logit batches become two logits (0, z)."""
    data = BATCHES[name]
    logits = torch.tensor(data["logits"], dtype=dtype)
    if "labels" in data:
        target = torch.tensor(data["labels"])
    else:
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
        target = torch.tensor(data["targets"]).squeeze(1).long()
    return logits.requires_grad_(), target


def make_loss(entry):
    """The loss of an oracle entry and the factor between its normaliser and ours."""
    h = entry["hyper_parameters"]
    counts, n = BATCHES[entry["inputs"]]["class_counts"], len(BATCHES[entry["inputs"]]["logits"])
    match entry["name"].split("/")[0]:
        case "weighted_ce":
            reduction = "batch_mean" if h["reduction"] == "none_then_mean" else h["reduction"]
            return WeightedCrossEntropy(h["weights"], reduction), 1.0
        case "bce_pos_weight":
            return WeightedCrossEntropy([1.0, h["pos_weight"]], "batch_mean"), 1.0
        case "focal_sigmoid" if "targets" in BATCHES[entry["inputs"]]:
            alpha = None if h["alpha"] < 0 else [1 - h["alpha"], h["alpha"]]
            return FocalLoss(h["gamma"], alpha), n if h["reduction"] == "sum" else 1.0
        case "focal_sigmoid":
            alpha = None if h["alpha"] < 0 else h["alpha"]
            return SigmoidFocalLoss(h["gamma"], alpha, h["reduction"]), 1.0
        case "focal_softmax" | "focal_softmax_detached_pt":
            return FocalLoss(h["gamma"]), 1.0
        case "focal_softmax_alpha":
            return FocalLoss(h["gamma"], h["alpha_per_class"]), 1.0
        case "focal_softmax_weight_inside_exp":
            return FocalLoss(h["gamma"], h["weight"]), 1.0
        case "focal_softmax_detectron":
            alpha = [1 - h["alpha"]] + [h["alpha"]] * (len(counts) - 1)
            return FocalLoss(h["gamma"], alpha), n / h["num_foreground"]
        case "ldam":
            return LDAMLoss(counts, h["max_m"], h["s"], h["weight"]), 1.0
        case "balanced_softmax":
            return BalancedSoftmaxLoss(counts, h["reduction"]), 1.0
        case "cb_softmax" | "cb_sigmoid" | "cb_softmax_vandit15":
            return ClassBalancedLoss(counts, h["beta"], h["loss_type"]), 1.0
        case "cb_focal" | "cb_focal_vandit15":
            return ClassBalancedLoss(counts, h["beta"], "focal", h["gamma"]), 1.0
        case "ohem_topk":
            return OHEMLoss(h["num_kept"] / n), 1.0
        case "logit_adjusted_loss":
            return LogitAdjustedLoss(counts, h["tau"]), 1.0
    raise AssertionError(entry["name"])


LOSS_ENTRIES = (
    "weighted_ce/",
    "bce_pos_weight/",
    "focal_sigmoid/",
    "focal_softmax",
    "ldam/",
    "balanced_softmax/",
    "cb_",
    "ohem_topk/",
    "logit_adjusted_loss/",
)
TRUE_KINDS = {e["kind"] for e in ORACLES["entries"]} - {"deviant"}


def value_and_gradient(loss, name, dtype=torch.float64):
    logits, target = batch(name, dtype)
    value = loss(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    if "targets" in BATCHES[name]:
        gradient = gradient[:, 1:]
    return value.detach(), gradient


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("entry", entries(*LOSS_ENTRIES, kinds=TRUE_KINDS))
def test_value_and_gradient_are_the_authors(entry, dtype):
    loss, factor = make_loss(entry)
    value, gradient = value_and_gradient(loss, entry["inputs"], dtype)
    if dtype is torch.float32:
        tolerance = {"rtol": 1e-4, "atol": 1e-5}
    elif entry["name"].startswith("cb_softmax"):  # the original computes it in float32
        tolerance = {"rtol": 1e-6, "atol": 1e-6}
    else:
        tolerance = {"rtol": 1e-9, "atol": 1e-9}
    assert value.dtype is dtype
    np.testing.assert_allclose(value * factor, entry["expected"]["loss"], **tolerance)
    np.testing.assert_allclose(gradient * factor, entry["expected"]["grad_logits"], **tolerance)


@pytest.mark.parametrize("entry", entries(*LOSS_ENTRIES, kinds={"deviant"}))
def test_known_wrong_variants_are_not_matched(entry):
    loss, _ = make_loss(entry)
    value, gradient = value_and_gradient(loss, entry["inputs"])
    assert np.abs(gradient.numpy() - entry["expected"]["grad_logits"]).max() > 1e-3
    if "detached" not in entry["name"]:  # that one has the right value and a wrong gradient
        assert abs(value - entry["expected"]["loss"]) > 0.1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("entry", entries("ghmc/"))
def test_ghmc_is_the_authors_over_successive_calls(entry, dtype):
    h = entry["hyper_parameters"]
    tolerance = (
        {"rtol": 1e-9, "atol": 1e-9} if dtype is torch.float64 else {"rtol": 1e-4, "atol": 1e-5}
    )
    loss = GHMCLoss(h["bins"], h["momentum"])
    several = isinstance(entry["inputs"], list)
    names = entry["inputs"] if several else [entry["inputs"]]
    calls = entry["expected"] if several else [entry["expected"]]
    for name, expected in zip(names, calls, strict=True):
        value, gradient = value_and_gradient(loss, name, dtype)
        np.testing.assert_allclose(value, expected["loss"], **tolerance)
        np.testing.assert_allclose(gradient, expected["grad_logits"], **tolerance)
        if expected.get("acc_sum") is not None:
            np.testing.assert_allclose(loss.acc_sum, expected["acc_sum"], **tolerance)


# ------------------------------------------------------------------ weights and biases


@pytest.mark.parametrize("entry", entries("inverse_frequency_weights/"))
def test_inverse_frequency_weights(entry):
    weights = inverse_frequency_weights(entry["inputs"]["class_counts"])
    np.testing.assert_allclose(weights, entry["expected"]["weights"], rtol=1e-9)


@pytest.mark.parametrize("entry", entries("effective_number_weights"))
def test_effective_number_weights(entry):
    beta = entry["hyper_parameters"]["beta"]
    weights = effective_number_weights(entry["inputs"]["class_counts"], beta)
    np.testing.assert_allclose(weights, entry["expected"]["weights"], rtol=1e-9)


def test_inverse_sqrt_weights_are_square_roots():
    weights = inverse_sqrt_weights([800, 200])
    np.testing.assert_allclose(weights, np.sqrt([1000 / 1600, 1000 / 400]))


@pytest.mark.parametrize("entry", entries("bias_init_softmax/"))
def test_log_prior_bias_starts_at_the_prior_without_gradient(entry):
    counts = entry["inputs"]["class_counts"]
    np.testing.assert_allclose(log_prior_bias(counts), entry["expected"]["bias"], rtol=1e-9)
    np.testing.assert_allclose(start_bias(counts), entry["expected"]["bias"], rtol=1e-9)
    bias = torch.tensor(start_bias(counts), requires_grad=True)
    target = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    loss = F.cross_entropy(bias.expand(len(target), -1), target)
    loss.backward()
    expected = entry["expected"]["loss_on_training_distribution"]
    assert loss.item() == pytest.approx(expected, abs=1e-9)
    np.testing.assert_allclose(bias.grad, 0, atol=1e-12)


@pytest.mark.parametrize("entry", entries("bias_init_sigmoid/"))
def test_sigmoid_start_bias(entry):
    counts = [entry["inputs"]["n_neg"], entry["inputs"]["n_pos"]]
    bias = start_bias(counts, probabilities="sigmoid")
    np.testing.assert_allclose(
        bias, [-entry["expected"]["bias"], entry["expected"]["bias"]], rtol=1e-9
    )


@pytest.mark.parametrize("entry", entries("bias_init_class_balanced_sigmoid/"))
def test_balanced_sigmoid_start_bias(entry):
    counts = np.arange(1, entry["inputs"]["num_classes"] + 1)
    bias = start_bias(counts, balanced=True, probabilities="sigmoid")
    np.testing.assert_allclose(bias, entry["expected"]["bias"], rtol=1e-9)


COUNTS = st.lists(st.integers(1, 100_000), min_size=2, max_size=12)


@given(COUNTS)
def test_the_start_is_flat_for_the_loss_it_is_meant_for(counts):
    """With the right start the bias has no gradient over the whole training distribution."""
    weight = inverse_sqrt_weights(counts)
    prior = torch.tensor(counts, dtype=torch.float64) / sum(counts)

    def gradient(make, bias):
        bias = torch.tensor(bias, requires_grad=True)
        logits, target = bias.expand(len(counts), -1), torch.arange(len(counts))
        each = torch.stack([make(logits[i : i + 1], target[i : i + 1]) for i in target])
        (each * prior).sum().backward()
        return bias.grad.abs().max().item()

    weighted = WeightedCrossEntropy(weight, "sum")
    assert gradient(weighted, start_bias(counts, weight)) < 1e-9 * weight.max()
    # logit adjustment does not start flat from zero, but it starts at the prior it has to learn
    np.testing.assert_allclose(start_bias(counts, balanced=True), 0)
    inverse = start_bias(counts, inverse_frequency_weights(counts))
    np.testing.assert_allclose(inverse, -np.log(len(counts)), rtol=1e-9)
    class_balanced = ClassBalancedLoss(counts, beta=0.999, base="sigmoid")
    start = start_bias(counts, class_balanced.weight, probabilities=class_balanced.probabilities)
    assert gradient(class_balanced, start) < 1e-9 * class_balanced.weight.max()


# ------------------------------------------------------------------ identities


@st.composite
def problems(draw, spreads=(0.1, 3.0, 30.0, 300.0)):
    """Class counts, logits and targets of some size, from tame to extreme."""
    n_classes = draw(st.integers(2, 12))
    counts = draw(
        st.lists(st.integers(1, 10_000), min_size=n_classes, max_size=n_classes), label="counts"
    )
    n = draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.sampled_from(spreads))
    logits = torch.from_numpy(rng.normal(scale=spread, size=(n, n_classes)))
    return counts, logits.requires_grad_(), torch.from_numpy(rng.integers(n_classes, size=n))


def assert_same(one, other, logits, target, atol=1e-9):
    values = [loss(logits, target) for loss in (one, other)]
    gradients = [torch.autograd.grad(value, logits)[0] for value in values]
    torch.testing.assert_close(*values, rtol=1e-9, atol=atol)
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=atol)


def mean_bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, F.one_hot(target, logits.shape[1]).double())


IDENTITIES = {
    "balanced softmax is logit adjustment with tau 1": lambda c, n: (
        BalancedSoftmaxLoss(c),
        LogitAdjustedLoss(c),
    ),
    "logit adjustment with tau 0 is cross-entropy": lambda c, n: (
        LogitAdjustedLoss(c, tau=0.0),
        F.cross_entropy,
    ),
    "focal with gamma 0 is cross-entropy": lambda c, n: (FocalLoss(0.0), F.cross_entropy),
    "sigmoid focal with gamma 0 is BCE": lambda c, n: (SigmoidFocalLoss(0.0), mean_bce),
    "class-balanced with beta 0 is unweighted": lambda c, n: (
        ClassBalancedLoss(c, beta=0.0),
        F.cross_entropy,
    ),
    "class-balanced sigmoid with beta 0 is BCE summed over classes": lambda c, n: (
        ClassBalancedLoss(c, beta=0.0, base="sigmoid"),
        lambda z, y: mean_bce(z, y) * len(c),
    ),
    "class-balanced focal with gamma 0 is class-balanced sigmoid": lambda c, n: (
        ClassBalancedLoss(c, beta=0.99, base="focal", gamma=0.0),
        ClassBalancedLoss(c, beta=0.99, base="sigmoid"),
    ),
    "LDAM without margin and scale is cross-entropy": lambda c, n: (
        LDAMLoss(c, max_margin=0.0, scale=1.0),
        F.cross_entropy,
    ),
    "GHM-C with one bin is BCE": lambda c, n: (GHMCLoss(bins=1), mean_bce),
    "OHEM that keeps everything is cross-entropy": lambda c, n: (OHEMLoss(1.0), F.cross_entropy),
    "weighted mean ignores the scale of the weights": lambda c, n: (
        WeightedCrossEntropy(c),
        WeightedCrossEntropy(inverse_frequency_weights(1 / np.array(c))),
    ),
    "weighted mean is torch's": lambda c, n: (
        WeightedCrossEntropy(c),
        torch.nn.CrossEntropyLoss(torch.tensor(c, dtype=torch.float64)),
    ),
    "batch mean is the sum over N": lambda c, n: (
        WeightedCrossEntropy(c, "batch_mean"),
        lambda z, y: WeightedCrossEntropy(c, "sum")(z, y) / n,
    ),
}


@pytest.mark.parametrize("name", IDENTITIES)
@settings(max_examples=30)
@given(problem=problems())
def test_identity(name, problem):
    counts, logits, target = problem
    one, other = IDENTITIES[name](counts, len(target))
    # the 1e-12 in the logit-adjusted loss is 1e-12 / pi of the smallest class
    atol = 1e-9 + 1e-11 * sum(counts) / min(counts)
    assert_same(one, other, logits, target, atol)


@given(COUNTS)
def test_effective_numbers_go_from_uniform_to_inverse_frequency(counts):
    np.testing.assert_allclose(effective_number_weights(counts, 0.0), 1.0)
    inverse = inverse_frequency_weights(counts)
    near_one = effective_number_weights(counts, 1 - 1e-12)
    np.testing.assert_allclose(near_one, inverse * len(counts) / inverse.sum(), rtol=1e-6)


@given(problems(), st.integers(1, 30))
@settings(max_examples=50)
def test_ghmc_is_the_unweighted_mean_over_bins(problem, bins):
    _, logits, target = problem
    terms = F.binary_cross_entropy_with_logits(
        logits, F.one_hot(target, logits.shape[1]).double(), reduction="none"
    )
    norm = (torch.sigmoid(logits) - F.one_hot(target, logits.shape[1])).abs()
    bin_of = (norm * bins).long().clamp(max=bins - 1)
    means = [terms[bin_of == j].mean() for j in range(bins) if (bin_of == j).any()]
    expected = torch.stack(means).mean()
    torch.testing.assert_close(GHMCLoss(bins)(logits, target), expected, rtol=1e-9, atol=1e-9)


@given(st.floats(-3, 1.5), st.integers(1, 10_000), st.integers(1, 10_000))
def test_binary_logit_adjustment_is_bce_with_an_offset(tau, n_0, n_1):
    logits, target = batch("B2")
    offset = tau * np.log(n_1 / n_0)
    bce = F.binary_cross_entropy_with_logits(logits[:, 1] - logits[:, 0] + offset, target.double())
    value = LogitAdjustedLoss([n_0, n_1], tau)(logits, target)
    tolerance = 1e-9 + 2e-12 * (n_0 + n_1) ** max(tau, 0)  # the 1e-12 beside pi^tau
    assert value.item() == pytest.approx(bce.item(), abs=tolerance)


@pytest.mark.parametrize(
    ("keep", "expected"),
    [(1.0, 3.0), (0.7, 3.5), (0.5, 4.5), (0.45, 4.5), (0.3, 4.5), (0.2, 5.0), (0.01, 5.0)],
)
def test_ohem_averages_the_rounded_share_of_largest_losses(keep, expected):
    """Of five rows with cross-entropies 1 to 5, so many: 5, 4, 2, 2, 2, 1 and 1."""
    losses = torch.tensor([2.0, 5.0, 1.0, 4.0, 3.0], dtype=torch.float64)
    logits = torch.stack([torch.zeros(5, dtype=torch.float64), losses.expm1().log()], dim=1)
    assert OHEMLoss(keep)(logits, torch.zeros(5).long()).item() == pytest.approx(expected)


def one_vs_rest_p(logits, target):
    one_hot = F.one_hot(target, logits.shape[1]).bool()
    return torch.where(one_hot, torch.sigmoid(logits), torch.sigmoid(-logits)), one_hot


def textbook_focal(gamma, alpha):
    def loss(logits, target):
        p = torch.softmax(logits, 1)[torch.arange(len(target)), target]
        return -(torch.tensor(alpha)[target] * (1 - p) ** gamma * p.log()).mean()

    return loss


def textbook_sigmoid_focal(gamma, alpha):
    def loss(logits, target):
        p, one_hot = one_vs_rest_p(logits, target)
        weight = one_hot.double() * (2 * alpha - 1) + 1 - alpha
        return -(weight * (1 - p) ** gamma * p.log()).mean()

    return loss


def textbook_class_balanced_focal(counts, beta, gamma):
    def loss(logits, target):
        p, _ = one_vs_rest_p(logits, target)
        weight = (1 - beta) / (1 - beta ** torch.tensor(counts, dtype=torch.float64))
        weight = weight / weight.sum() * len(counts)
        return -(weight[target][:, None] * (1 - p) ** gamma * p.log()).sum() / len(target)

    return loss


def textbook_ldam(counts, max_margin, scale, weight):
    def loss(logits, target):
        margins = torch.tensor(counts, dtype=torch.float64) ** -0.25
        margins = max_margin * margins / margins.max()
        shifted = logits - F.one_hot(target, len(counts)) * margins[target][:, None]
        return F.cross_entropy(scale * shifted, target, torch.tensor(weight))

    return loss


@settings(max_examples=50)
@given(problems(spreads=(0.1, 1.0, 3.0)), st.floats(0.2, 4.0), st.floats(0.0, 1.0))
def test_losses_are_their_textbook_formulas(problem, gamma, alpha):
    """Written out naively, which does for tame logits, for any number of classes."""
    counts, logits, target = problem
    weights = inverse_sqrt_weights(counts)
    for ours, textbook in [
        (FocalLoss(gamma, weights), textbook_focal(gamma, weights)),
        (SigmoidFocalLoss(gamma, alpha), textbook_sigmoid_focal(gamma, alpha)),
        (
            ClassBalancedLoss(counts, 0.999, "focal", gamma),
            textbook_class_balanced_focal(counts, 0.999, gamma),
        ),
        (
            LDAMLoss(counts, 0.3, 10.0, weights),
            textbook_ldam(counts, 0.3, 10.0, weights),
        ),
    ]:
        assert_same(ours, textbook, logits, target)


# ------------------------------------------------------------------ numerics


def every_loss(n_classes):
    counts = [10 ** (4 - i % 5) for i in range(n_classes)]
    weights = inverse_frequency_weights(counts)
    return {
        "weighted": WeightedCrossEntropy(weights),
        "weighted_batch_mean": WeightedCrossEntropy(weights, "batch_mean"),
        "focal": FocalLoss(2.0),
        "focal_half": FocalLoss(0.5, weights),
        "sigmoid_focal": SigmoidFocalLoss(2.0, 0.25),
        "sigmoid_focal_half": SigmoidFocalLoss(0.5),
        "ghmc": GHMCLoss(),
        "ghmc_momentum": GHMCLoss(30, 0.75),
        "class_balanced": ClassBalancedLoss(counts),
        "class_balanced_sigmoid": ClassBalancedLoss(counts, base="sigmoid"),
        "class_balanced_focal": ClassBalancedLoss(counts, base="focal", gamma=0.5),
        "ldam": LDAMLoss(counts),
        "ldam_weighted": LDAMLoss(counts, weight=weights),
        "balanced_softmax": BalancedSoftmaxLoss(counts),
        "logit_adjusted": LogitAdjustedLoss(counts, 1.5),
        "ohem": OHEMLoss(),
    }


LOSSES = list(every_loss(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_extreme_logits_have_finite_losses_and_gradients(name, n_classes, dtype):
    levels = torch.tensor([-1000.0, -88.8, -30.0, 0.0, 30.0, 88.8, 1000.0], dtype=dtype)
    rows = torch.full((len(levels) ** 2, n_classes), -1000.0, dtype=dtype)
    rows[:, :2] = torch.cartesian_prod(levels, levels)
    logits = torch.cat([rows, rows]).requires_grad_()
    target = torch.arange(2).repeat_interleave(len(rows))
    value = every_loss(n_classes)[name](logits, target)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("spread", [1.0, 30.0, 500.0])
@pytest.mark.parametrize("n_classes", [2, 10, 150])
@pytest.mark.parametrize("name", LOSSES)
def test_float32_keeps_to_float64(name, n_classes, spread):
    generator = torch.Generator().manual_seed(0)
    logits = spread * torch.randn(64, n_classes, generator=generator)
    target = torch.randint(n_classes, (64,), generator=generator)
    results = []
    for dtype in (torch.float32, torch.float64):
        z = logits.to(dtype, copy=True).requires_grad_()
        value = every_loss(n_classes)[name](z, target)
        value.backward()
        results.append((value.detach().double(), z.grad.double()))
    for single, double in zip(*results, strict=True):
        torch.testing.assert_close(single, double, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("make", [FocalLoss, SigmoidFocalLoss])
def test_focal_is_smooth_where_the_prediction_is_certain(make, gamma):
    """float32 at p_t = 1, p_t = 0 and between, against float64."""
    margin = torch.tensor([-200.0, -90.0, -20.0, -1.0, 0.0, 1.0, 10.0, 17.0, 40.0, 104.0])
    logits = torch.stack([margin, -margin], dim=1)
    target = torch.zeros(len(margin), dtype=torch.long)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        z = logits.detach().to(dtype).requires_grad_()
        make(gamma=gamma)(z, target).backward()
        gradients.append(z.grad.double())
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-12)


def test_a_hard_positive_keeps_its_loss():
    """Where exp(-z) overflows float32, the original code loses the loss and the gradient."""
    loss = ClassBalancedLoss([1, 1], base="focal", gamma=2.0)
    logits = torch.tensor([[-95.0, -95.0]], requires_grad=True)
    value = loss(logits, torch.tensor([0]))
    value.backward()
    assert value.item() == pytest.approx(95.0)
    assert logits.grad[0, 0].item() == pytest.approx(-1.0)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_against_finite_differences(name):
    loss = every_loss(4)[name]
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    target = torch.randint(4, (6,), generator=generator)
    if name.startswith("ghmc"):
        loss.eval()  # repeated calls must see one state
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_computed_in_float32(name):
    generator = torch.Generator().manual_seed(0)
    logits = (20 * torch.randn(32, 10, generator=generator)).bfloat16()
    target = torch.randint(10, (32,), generator=generator)
    expected = every_loss(10)[name](logits.float(), target)
    leaf = logits.clone().requires_grad_()
    value = every_loss(10)[name](leaf, target)
    value.backward()
    assert value.dtype is torch.float32
    assert torch.equal(value, expected)
    assert torch.isfinite(leaf.grad).all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(every_loss(10)[name](logits, target), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_state_survives_saving_and_the_probability_rule_is_known(name):
    loss = every_loss(3)[name]
    logits, target = batch("B3", torch.float32)
    loss(logits, target)
    buffer = io.BytesIO()
    torch.save(loss.state_dict(), buffer)
    buffer.seek(0)
    other = every_loss(3)[name]
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert all(b.dtype is torch.float64 for b in other.buffers())
    assert torch.equal(loss(logits, target), other(logits, target))
    one_vs_rest = ("sigmoid_focal", "ghmc", "class_balanced_sigmoid", "class_balanced_focal")
    assert loss.probabilities == ("sigmoid" if name.startswith(one_vs_rest) else "softmax")
    assert loss.inference_scale == (30.0 if name.startswith("ldam") else 1.0)


def test_ghmc_state_is_per_instance_and_still_in_evaluation():
    logits, target = batch("B3")
    loss, other = GHMCLoss(momentum=0.75), GHMCLoss(momentum=0.75)
    loss(logits, target)
    assert not other.acc_sum.any()
    before = copy.deepcopy(loss.acc_sum)
    loss.eval()
    first, second = loss(logits, target), loss(logits, target)
    assert torch.equal(loss.acc_sum, before)
    assert torch.equal(first, second)
    loss.train()
    assert torch.equal(loss(logits, target), first)
    assert not torch.equal(loss.acc_sum, before)


def test_ghmc_keeps_its_state_clean_of_nan():
    logits, target = batch("B3")
    loss = GHMCLoss(momentum=0.75)
    loss(logits, target)
    before = loss.acc_sum.clone()
    broken = logits.detach().clone()
    broken[1, 2] = float("nan")
    with pytest.raises(ValueError, match="first in row 1"):
        loss(broken, target)
    assert torch.equal(loss.acc_sum, before)


@pytest.mark.parametrize("make", [WeightedCrossEntropy, lambda w: LDAMLoss([9, 1], weight=w)])
def test_a_batch_without_weight_has_loss_zero(make):
    logits = torch.zeros(3, 2, requires_grad=True)
    value = make([0.0, 1.0])(logits, torch.zeros(3, dtype=torch.long))
    value.backward()
    assert value.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros(3, 2))


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    "function",
    [
        inverse_frequency_weights,
        inverse_sqrt_weights,
        lambda c: effective_number_weights(c, 0.9),
        log_prior_bias,
        start_bias,
        ClassBalancedLoss,
        LDAMLoss,
        BalancedSoftmaxLoss,
        LogitAdjustedLoss,
    ],
)
@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([5, 0, 3], "class 1 has count 0"),
        ([5, -1], "class 1 has count -1"),
        ([5, float("nan")], "class 1 has count nan"),
        ([[5, 3]], "one-dimensional"),
        ([5], "at least two classes"),
    ],
)
def test_bad_class_counts(function, counts, message):
    with pytest.raises(ValueError, match=message):
        function(counts)


@pytest.mark.parametrize("beta", [-0.1, 1.0, 1.5, float("nan")])
def test_beta_outside_its_range(beta):
    with pytest.raises(ValueError, match=r"beta must be in \[0, 1\)"):
        effective_number_weights([5, 3], beta)
    with pytest.raises(ValueError, match=r"beta must be in \[0, 1\)"):
        ClassBalancedLoss([5, 3], beta)


@pytest.mark.parametrize("gamma", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize(
    "make", [FocalLoss, SigmoidFocalLoss, lambda g: ClassBalancedLoss([5, 3], gamma=g)]
)
def test_bad_gamma(make, gamma):
    with pytest.raises(ValueError, match="gamma must be finite and not negative"):
        make(gamma)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0, -1.0], "not negative"),
        ([1.0, float("nan")], "finite"),
        ([0.0, 0.0], "not all zero"),
        ([[1.0, 1.0]], "one-dimensional"),
        (1.0, "one-dimensional"),
    ],
)
@pytest.mark.parametrize(
    "make",
    [
        WeightedCrossEntropy,
        lambda w: FocalLoss(alpha=w),
        lambda w: LDAMLoss([5, 3], weight=w),
        lambda w: start_bias([5, 3], weight=w),
    ],
)
def test_bad_weights(make, weight, message):
    with pytest.raises(ValueError, match=message):
        make(weight)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LDAMLoss([5, 3], weight=[1, 1, 1]), "3 class weights were given for 2 classes"),
        (lambda: start_bias([5, 3], weight=[1, 1, 1]), "3 class weights"),
        (lambda: start_bias([5, 3], weight=[1, 0]), "class of weight 0"),
        (lambda: start_bias([5, 3], probabilities="probit"), "probabilities must be"),
        (lambda: WeightedCrossEntropy([1, 1], "none"), "reduction must be one of"),
        (lambda: SigmoidFocalLoss(alpha=-1), "alpha must be None or in"),
        (lambda: SigmoidFocalLoss(reduction="none"), "reduction must be one of"),
        (lambda: BalancedSoftmaxLoss([5, 3], "none"), "reduction must be one of"),
        (lambda: ClassBalancedLoss([5, 3], base="hinge"), "base must be one of"),
        (lambda: GHMCLoss(bins=0), "bins is a whole number of at least 1"),
        (lambda: GHMCLoss(bins=2.5), "bins is a whole number of at least 1"),
        (lambda: GHMCLoss(momentum=1.0), r"momentum must be in \[0, 1\)"),
        (lambda: LDAMLoss([5, 3], max_margin=-1), "max_margin"),
        (lambda: LDAMLoss([5, 3], scale=0), "scale"),
        (lambda: LogitAdjustedLoss([5, 3], tau=float("inf")), "tau must be finite"),
        (lambda: OHEMLoss(0.0), r"keep must be in \(0, 1\]"),
        (lambda: OHEMLoss(1.5), r"keep must be in \(0, 1\]"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("logits", "target", "message"),
    [
        (torch.zeros(3, 3), torch.tensor([0, 1, 3]), "found values from 0 to 3"),
        (torch.zeros(3, 3), torch.tensor([0, 1, -1]), "found values from -1 to 1"),
        (torch.zeros(3, 3), torch.tensor([0, 1, -100]), "found values from -100 to 1"),
        (torch.zeros(3, 3), torch.tensor([0, 1]), r"target must have shape \(3,\)"),
        (torch.zeros(3, 3), torch.zeros(3, 1).long(), r"target must have shape \(3,\)"),
        (torch.zeros(0, 3), torch.zeros(0).long(), "not be empty"),
        (torch.zeros(3), torch.zeros(3).long(), r"shape \(N, C\)"),
        (torch.zeros(3, 1), torch.zeros(3).long(), "C >= 2"),
        (torch.zeros(3, 3, 2), torch.zeros(3).long(), r"shape \(N, C\)"),
        (torch.zeros(3, 3), torch.zeros(3), "target int64"),
        (torch.zeros(3, 3).long(), torch.zeros(3).long(), "logits must be floating point"),
        (torch.full((2, 3), float("nan")), torch.zeros(2).long(), "NaN or infinite values in 2"),
        (torch.tensor([[0, float("inf"), 0]]), torch.tensor([0]), "NaN or infinite values in 1"),
    ],
)
def test_bad_batches(name, logits, target, message):
    with pytest.raises(ValueError, match=message):
        every_loss(3)[name](logits, target)


@pytest.mark.parametrize("name", [n for n in LOSSES if every_loss(3)[n].n_classes is not None])
def test_logits_for_another_number_of_classes(name):
    with pytest.raises(ValueError, match="was made for 3 classes, the logits have 4"):
        every_loss(3)[name](torch.zeros(2, 4), torch.tensor([0, 1]))
