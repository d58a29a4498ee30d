import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, logit, softmax

from imbbench.strategies.posthoc.adjustment import adjust_logits, correct_undersampling, recalibrate
from imbbench.strategies.posthoc.calibration import fit_temperature
from imbbench.strategies.schedule.tau_normalisation import tau_normalize

ORACLES = json.loads(Path(__file__).parents[1].joinpath("oracles.json").read_text(encoding="utf-8"))
BATCHES = ORACLES["batches"]
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def entries(prefix):
    found = [
        pytest.param(e, id=e["name"]) for e in ORACLES["entries"] if e["name"].startswith(prefix)
    ]
    assert found
    return found


def kinds(values):
    """The same numbers as a float64 array, a float32 array and two tensors, with tolerances."""
    single = {"rtol": 1e-4, "atol": 1e-5}
    return [
        (np.array(values), EXACT),
        (np.array(values, dtype=np.float32), single),
        (torch.tensor(values, dtype=torch.float64), EXACT),
        (torch.tensor(values, dtype=torch.float32), single),
    ]


def assert_kind_and_values(result, given, expected, tolerance):
    assert type(result) is type(given)
    assert result.dtype == given.dtype
    np.testing.assert_allclose(np.asarray(result), expected, **tolerance)


@pytest.mark.parametrize("entry", entries("logit_adjustment_posthoc/"))
def test_adjust_logits(entry):
    data = BATCHES[entry["inputs"]]
    for logits, tolerance in kinds(data["logits"]):
        adjusted = adjust_logits(logits, data["class_counts"], entry["hyper_parameters"]["tau"])
        assert_kind_and_values(adjusted, logits, entry["expected"]["adjusted_logits"], tolerance)
        assert adjusted.argmax(1).tolist() == entry["expected"]["argmax"]


@pytest.mark.parametrize("entry", entries("posterior_recalibration/"))
def test_recalibrate(entry):
    data, h = BATCHES[entry["inputs"]], entry["hyper_parameters"]
    for logits, tolerance in kinds(data["logits"]):
        p = recalibrate(logits, data["class_counts"], h["lambda"], h["target_prior"])
        assert_kind_and_values(p, logits, entry["expected"]["probabilities"], tolerance)
        assert p.argmax(1).tolist() == entry["expected"]["argmax"]
    if "mean_nll" in entry["expected"]:
        logits = torch.tensor(data["logits"], dtype=torch.float64, requires_grad=True)
        p = recalibrate(logits, data["class_counts"], h["lambda"], h["target_prior"])
        nll = F.nll_loss(p.log(), torch.tensor(data["labels"]))
        nll.backward()
        assert nll.item() == pytest.approx(entry["expected"]["mean_nll"], abs=1e-9)
        np.testing.assert_allclose(
            logits.grad, entry["expected"]["grad_logits_of_mean_nll"], **EXACT
        )


@pytest.mark.parametrize("entry", entries("tau_norm/"))
def test_tau_normalize(entry):
    tau, expected = entry["hyper_parameters"]["tau"], entry["expected"]
    for weight, tolerance in kinds(entry["inputs"]["weight_rows_per_class"]):
        scaled = tau_normalize(weight, tau)
        assert_kind_and_values(scaled, weight, expected["scaled_weight"], tolerance)
        logits = np.array(entry["inputs"]["features"]) @ np.asarray(scaled).T
        np.testing.assert_allclose(logits, expected["logits"], **tolerance)


@pytest.mark.parametrize("entry", entries("dal_pozzolo/"))
def test_correct_undersampling(entry):
    beta, expected = entry["hyper_parameters"]["beta"], entry["expected"]
    for p, tolerance in kinds(entry["inputs"]["p_undersampled"]):
        corrected = correct_undersampling(p, beta)
        # 1 - p of a probability near one is where float32 has few digits left
        loose = {"rtol": 1e-2} if p.dtype in (np.float32, torch.float32) else tolerance
        assert_kind_and_values(corrected, p, expected["p_corrected"], loose)
    p = torch.tensor(entry["inputs"]["p_undersampled"], dtype=torch.float64, requires_grad=True)
    correct_undersampling(p, beta).sum().backward()
    np.testing.assert_allclose(p.grad, expected["grad_dp_dps"], rtol=1e-9)
    thresholds = correct_undersampling([0.5, 0.3], beta)
    np.testing.assert_allclose(
        thresholds,
        [expected["threshold_equivalent_to_half"], expected["threshold_equivalent_to_0_3"]],
        rtol=1e-9,
    )


# ------------------------------------------------------------------ identities

COUNTS = st.lists(st.integers(1, 10_000), min_size=2, max_size=12)


@given(COUNTS, st.floats(-1, 2), st.integers(0, 2**32 - 1), st.sampled_from([1.0, 300.0]))
def test_recalibration_is_the_softmax_of_adjusted_logits(counts, lam, seed, spread):
    logits = np.random.default_rng(seed).normal(scale=spread, size=(5, len(counts)))
    adjusted = softmax(adjust_logits(logits, counts, lam), axis=1)
    tolerance = 1e-9 + 1e-11 * (sum(counts) / min(counts)) ** max(lam, 0)  # of the 1e-12
    if tolerance < 1e-3:
        np.testing.assert_allclose(recalibrate(logits, counts, lam), adjusted, atol=tolerance)
    uniform = np.ones(len(counts))
    np.testing.assert_allclose(
        recalibrate(logits, counts, lam, uniform), recalibrate(logits, counts, lam), atol=1e-12
    )


@given(COUNTS, st.integers(0, 2**32 - 1))
def test_a_target_prior_equal_to_the_training_prior_changes_nothing(counts, seed):
    logits = np.random.default_rng(seed).normal(size=(5, len(counts)))
    np.testing.assert_allclose(
        recalibrate(logits, counts, 0.7, np.array(counts)), softmax(logits, axis=1), atol=1e-12
    )


def test_recalibration_to_a_target_without_a_class():
    p = recalibrate(np.zeros((2, 3)), [5, 3, 2], 1.0, target_prior=[0.5, 0.5, 0.0])
    assert (p[:, 2] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    # lam = 0 ignores the target altogether
    np.testing.assert_allclose(recalibrate(np.zeros((2, 3)), [5, 3, 2], 0.0, [1, 1, 0]), 1 / 3)


def test_recalibration_stays_in_log_space():
    p = recalibrate(np.array([[1000.0, -1000.0], [-1000.0, 1000.0]]), [10**6, 1], 1.5)
    np.testing.assert_allclose(p, [[1, 0], [0, 1]])


@given(st.floats(1e-6, 1.0), st.floats(1e-6, 1 - 1e-6))
def test_undersampling_correction_shifts_the_logit_by_log_beta(beta, p):
    corrected = correct_undersampling(np.array([p]), beta)
    np.testing.assert_allclose(logit(corrected), logit(p) + np.log(beta), rtol=1e-7, atol=1e-7)


def test_undersampling_correction_keeps_certainty():
    np.testing.assert_array_equal(correct_undersampling([0.0, 1.0], 1e-3), [0.0, 1.0])


def test_tau_normalize_keeps_zero_rows():
    weight = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    torch.testing.assert_close(tau_normalize(weight, 1.0), torch.tensor([[0.0, 0], [0.6, 0.8]]))


def test_temperature_undoes_a_scaling():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=(4000, 3))
    y = np.array([rng.choice(3, p=p) for p in softmax(logits, axis=1)])
    assert fit_temperature(logits, y) == pytest.approx(1.0, abs=0.1)
    base = fit_temperature(logits, y)
    assert fit_temperature(5 * logits, y) == pytest.approx(5 * base, rel=1e-4)
    assert fit_temperature(torch.tensor(logits / 3), y) == pytest.approx(base / 3, rel=1e-4)

    def log_loss(temperature):
        return -log_softmax(logits / temperature, axis=1)[np.arange(len(y)), y].mean()

    assert log_loss(base) <= min(log_loss(base * 1.02), log_loss(base / 1.02))


def test_temperature_of_perfect_and_of_hopeless_logits_is_at_the_bounds():
    logits = np.array([[3.0, -3.0], [-3.0, 3.0]])
    assert fit_temperature(logits, [0, 1]) < 0.1
    assert fit_temperature(logits, [1, 0]) > 100


# ------------------------------------------------------------------ bad input

Z = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: adjust_logits(Z, [5, 0, 1], 1.0), "class 1 has count 0"),
        (lambda: adjust_logits(Z, [5, 1], 1.0), "the logits have 3 classes, class_counts 2"),
        (lambda: adjust_logits(Z[0], [5, 1, 1], 1.0), r"shape \(N, C\)"),
        (lambda: adjust_logits(Z * np.nan, [5, 1, 1], 1.0), "logits contain NaN"),
        (lambda: adjust_logits(torch.tensor(Z * np.nan), [5, 1, 1], 1.0), "logits contain NaN"),
        (lambda: adjust_logits(Z, [5, 1, 1], np.inf), "tau must be finite"),
        (lambda: recalibrate(Z, [5, 0, 1], 1.0), "class 1 has count 0"),
        (lambda: recalibrate(Z, [5, 1], 1.0), "the logits have 3 classes"),
        (lambda: recalibrate(Z, [5, 1, 1], np.nan), "lam must be finite"),
        (lambda: recalibrate(Z, [5, 1, 1], 1.0, [0.5, 0.5]), "target_prior must have shape"),
        (lambda: recalibrate(Z, [5, 1, 1], 1.0, [1, 1, -1]), "not negative"),
        (lambda: recalibrate(Z, [5, 1, 1], 1.0, [0, 0, 0]), "not all zero"),
        (lambda: tau_normalize(Z * np.nan, 1.0), "weights contain NaN"),
        (lambda: tau_normalize(Z[0], 1.0), r"shape \(C, D\)"),
        (lambda: tau_normalize(Z[:1], 1.0), "C >= 2"),
        (lambda: tau_normalize(Z, np.nan), "tau must be finite"),
        (lambda: correct_undersampling([0.5], 0.0), r"beta must be in \(0, 1\]"),
        (lambda: correct_undersampling([0.5], 1.1), r"beta must be in \(0, 1\]"),
        (lambda: correct_undersampling([1.5], 0.5), r"must be in \[0, 1\]"),
        (lambda: correct_undersampling([np.nan], 0.5), "probabilities contain NaN"),
        (lambda: fit_temperature(Z, [0, 3]), r"y must be in 0 … 2"),
        (lambda: fit_temperature(Z, [0.0, 1.0]), "y must be integers"),
        (lambda: fit_temperature(Z, [0]), "y must be integers of shape"),
        (lambda: fit_temperature(Z * np.nan, [0, 1]), "logits contain NaN"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
