import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.metrics import geometric_mean_score
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from imbbench.analysis.statistics import LOWER
from imbbench.bench.metrics import (
    BINS,
    RECALLS,
    SCORES,
    calibration_line,
    curves,
    label_metrics,
    precision_at_recall,
    reliability,
    reliability_of_minority,
    score_metrics,
)

OF_TWO = ["ece_minority", "calibration_slope", "calibration_intercept"]


@st.composite
def scored(draw, least=2, most=5, all_classes=True):
    """Truth, probabilities (often tied) and labels of a few dozen rows."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_classes = draw(st.integers(least, most))
    n = draw(st.integers(2 * n_classes, 40))
    y = rng.integers(0, n_classes, n)
    if all_classes:
        y[:n_classes] = np.arange(n_classes)
    p = rng.integers(0, draw(st.sampled_from([3, 10, 10**6])), (n, n_classes)) + 1e-3
    p /= p.sum(axis=1, keepdims=True)
    return y, p, rng.integers(0, n_classes, n)


@settings(max_examples=60)
@given(scored())
def test_label_metrics_equal_scikit_learns(drawn):
    y, _, labels = drawn
    n_classes = y.max() + 1
    found = label_metrics(y, labels, n_classes)
    precision, recall, f1, _ = sk.precision_recall_fscore_support(y, labels, zero_division=0)
    for name, expected in {
        "accuracy": sk.accuracy_score(y, labels),
        "balanced_accuracy": sk.balanced_accuracy_score(y, labels),
        "macro_f1": sk.f1_score(y, labels, average="macro", zero_division=0),
        "g_mean": geometric_mean_score(y, labels, average="multiclass"),
        "mcc": sk.matthews_corrcoef(y, labels),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }.items():
        np.testing.assert_allclose(found[name], expected, atol=1e-12, err_msg=name)


def test_classes_that_do_not_occur_stay_out_of_the_means():
    y, labels = np.array([0, 0, 2, 2]), np.array([0, 1, 2, 0])
    found = label_metrics(y, labels, 4)
    assert found["recall"].tolist()[::2] == [0.5, 0.5]
    for name in ("precision", "recall", "f1"):
        assert np.isnan(found[name][[1, 3]]).all()
    assert found["balanced_accuracy"] == 0.5
    assert found["macro_f1"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert found["g_mean"] == 0.5


def test_a_class_that_is_never_predicted():
    found = label_metrics(np.array([0, 0, 0, 1]), np.zeros(4, dtype=int), 2)
    assert found["precision"].tolist() == [0.75, 0.0]
    assert found["g_mean"] == 0
    assert found["mcc"] == 0


@settings(max_examples=60)
@given(scored(least=3))
def test_scores_of_several_classes_equal_scikit_learns(drawn):
    y, p, _ = drawn
    found = score_metrics(y, p)
    one_hot = np.eye(p.shape[1])[y]
    for name, expected in {
        "roc_auc": sk.roc_auc_score(y, p, multi_class="ovr"),
        "average_precision": sk.average_precision_score(one_hot, p),
        "log_loss": sk.log_loss(y, p),
        "brier": sk.brier_score_loss(y, p, scale_by_half=False),
    }.items():
        assert found[name] == pytest.approx(expected), name


@settings(max_examples=60)
@given(scored(most=2))
def test_scores_of_two_classes_are_of_the_minority(drawn):
    y, p, _ = drawn
    found = score_metrics(y, p)
    for name, expected in {
        "roc_auc": sk.roc_auc_score(y, p[:, 1]),
        "average_precision": sk.average_precision_score(y, p[:, 1]),
        "log_loss": sk.log_loss(y, p),
        # The sum over both classes, twice scikit-learn's.
        "brier": 2 * sk.brier_score_loss(y, p[:, 1]),
    }.items():
        assert found[name] == pytest.approx(expected), name


def naive_ece(confidence, right):
    total = 0.0
    for b in range(BINS):
        inside = [
            i
            for i, p in enumerate(confidence)
            if b / BINS <= p < (b + 1) / BINS or (b == BINS - 1 and p == 1)
        ]
        if inside:
            gap = np.mean([confidence[i] for i in inside]) - np.mean([right[i] for i in inside])
            total += len(inside) / len(confidence) * abs(gap)
    return total


@settings(max_examples=60)
@given(scored())
def test_ece_equals_a_naive_loop(drawn):
    y, p, _ = drawn
    found = score_metrics(y, p)
    expected = naive_ece(p.max(axis=1), p.argmax(axis=1) == y)
    assert found["ece"] == pytest.approx(expected, abs=1e-12)
    if p.shape[1] == 2:
        expected = naive_ece(p[:, 1], y == 1)
        assert found["ece_minority"] == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan([found[name] for name in OF_TWO]).all()


def test_ece_of_certain_answers():
    p = np.eye(2)[[0, 0, 0, 1]]
    assert score_metrics(np.array([0, 0, 0, 1]), p)["ece"] == 0
    assert score_metrics(np.array([0, 1, 0, 1]), p)["ece"] == 0.25


def test_a_certain_error_has_a_finite_log_loss():
    found = score_metrics(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert found["log_loss"] == pytest.approx(-np.log(1e-15) / 2)
    assert found["brier"] == 1


@settings(max_examples=40)
@given(scored())
def test_reliability_sums_add_up_over_parts(drawn):
    y, p, _ = drawn
    whole = np.array(reliability(y, p))
    parts = np.array(reliability(y[::2], p[::2])) + np.array(reliability(y[1::2], p[1::2]))
    np.testing.assert_allclose(whole, parts, atol=1e-12)
    assert whole[0].sum() == len(y)
    assert whole[2].sum() == np.sum(p.argmax(axis=1) == y)
    counts, confidence, minority = reliability_of_minority(y, p)
    assert counts.sum() == len(y) and minority.sum() == np.sum(y == 1)
    assert confidence.sum() == pytest.approx(p[:, 1].sum())


@settings(max_examples=60)
@given(scored())
def test_precision_at_recall_is_the_best_of_the_thresholds_that_reach_it(drawn):
    y, p, _ = drawn
    n_classes = p.shape[1]
    found = []
    for c in [1] if n_classes == 2 else range(n_classes):
        reached = []
        for threshold in set(p[:, c]):
            chosen = p[:, c] >= threshold
            reached.append((np.sum(y[chosen] == c), np.mean(y[chosen] == c)))
        positives = np.sum(y == c)
        found.append([max(q for h, q in reached if h * 20 >= k * positives) for k in range(21)])
    np.testing.assert_allclose(precision_at_recall(y, p), np.mean(found, axis=0), atol=1e-12)


def test_no_precision_is_made_up():
    """A model that knows nothing has the share of the class as its precision at every recall."""
    y = np.repeat([1, 0], [4, 96])
    p = np.full(100, 0.04)
    assert precision_at_recall(y, np.column_stack([1 - p, p])).tolist() == [0.04] * 21


def test_recalls_are_whole_numbers():
    """Three of twenty reach a recall of 0.15, which is less than 0.15000000000000002."""
    y = np.repeat([1, 0, 1], [3, 5, 17])
    p = np.linspace(0.9, 0.1, 25)
    found = precision_at_recall(y, np.column_stack([1 - p, p]))
    assert found[:4].tolist() == [1.0] * 4
    assert found[4] == 0.8


@pytest.mark.parametrize("y", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_a_ranking_of_one_class_is_undefined(y):
    y, p = np.array(y), np.array([0.1, 0.4, 0.6, 0.7])
    for columns in ([1 - p, p], [0.9 - p, p, np.full(4, 0.1)]):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = score_metrics(y, np.column_stack(columns))
            curve = precision_at_recall(y, np.column_stack(columns))
        # Of three classes, too, none has both members and others.
        assert np.isnan([found["roc_auc"], found["average_precision"], *curve]).all()
        assert np.isfinite([found["log_loss"], found["brier"], found["ece"]]).all()


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.2, 1.0, 30.0]), st.floats(-4, 2))
def test_the_calibration_line_is_the_unpenalised_logistic_regression(seed, scale, shift):
    rng = np.random.default_rng(seed)
    x = scale * rng.normal(size=300).round(2)
    y = (rng.random(300) < 1 / (1 + np.exp(-0.7 * x / scale - shift))).astype(int)
    found = calibration_line(y, 1 / (1 + np.exp(-x)))
    x = np.clip(x, -np.log(1e15), np.log(1e15))
    if y.min() == y.max() or x[y == 1].min() >= x[y == 0].max():
        assert np.isnan(found).all()
        return
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    model.fit(x[:, None] / scale, y)
    expected = model.intercept_[0], model.coef_[0, 0] / scale
    # 1 - 1e-15 has few digits left.
    np.testing.assert_allclose(found, expected, rtol=1e-2 if scale > 1 else 1e-6, atol=1e-6)


def test_a_calibrated_model_has_the_line_0_1():
    """Shares of 1/4 and 2/3 forecast as such; halved log-odds need a slope of 2."""
    y = np.repeat([1, 0, 1, 0], [3, 9, 8, 4])
    p = np.repeat([1 / 4, 2 / 3], 12)
    np.testing.assert_allclose(calibration_line(y, p), [0, 1], atol=1e-9)
    odds = np.sqrt(p / (1 - p))
    np.testing.assert_allclose(calibration_line(y, odds / (1 + odds)), [0, 2], atol=1e-9)
    odds = p / (1 - p) * np.e
    found = score_metrics(y, np.column_stack([1 / (1 + odds), odds / (1 + odds)]))
    assert found["calibration_slope"] == pytest.approx(1)
    assert found["calibration_intercept"] == pytest.approx(-1)


@pytest.mark.parametrize(
    "p",
    [
        pytest.param([0.3, 0.3, 0.3, 0.3], id="constant"),
        pytest.param([0.1, 0.2, 0.8, 0.9], id="separates"),
        pytest.param([0.9, 0.8, 0.2, 0.1], id="separates the other way"),
        pytest.param([0.1, 0.4, 0.4, 0.9], id="separates but for a tie"),
        pytest.param([0.0, 0.0, 1.0, 1.0], id="certain and right"),
    ],
)
def test_a_calibration_line_that_does_not_exist(p):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(calibration_line(np.array([0, 0, 1, 1]), np.array(p))).all()


def test_a_calibration_line_of_certain_answers_that_err():
    """One in four certain answers wrong: logit(3/4) over logit(1 - 1e-15)."""
    y = np.tile([0, 0, 0, 1, 1, 1, 1, 0], 5)
    found = calibration_line(y, np.tile([0.0] * 4 + [1.0] * 4, 5))
    assert found[1] == pytest.approx(np.log(3) / np.log(1e15), rel=1e-3)


def test_a_calibration_line_that_whole_steps_of_newton_miss():
    """At the optimum the residuals add up to zero, and so do those times the log-odds."""
    x = np.repeat([0.011, -34.0, -0.149], [3, 20, 501])
    y = np.r_[0, 1, 1, np.ones(20), 0, np.ones(500)].astype(int)
    intercept, slope = calibration_line(y, 1 / (1 + np.exp(-x)))
    residual = y - 1 / (1 + np.exp(-intercept - slope * x))
    np.testing.assert_allclose([residual.sum(), (residual * x).sum()], 0, atol=1e-6)
    assert slope < -30


def test_scores_that_are_no_probabilities_are_ranked_only():
    y, p = np.array([0, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.7])
    p = np.column_stack([1 - p, p])
    found, whole = score_metrics(y, p, calibrated=False), score_metrics(y, p)
    assert list(found) == list(whole) == SCORES[5:]
    ranking = ["roc_auc", "average_precision"]
    assert [found[k] for k in ranking] == [whole[k] for k in ranking]
    assert np.isnan([v for k, v in found.items() if k not in ranking]).all()
    curve = curves(y, p, calibrated=False)
    np.testing.assert_array_equal(curve["precision"], curves(y, p)["precision"])
    for name in ("reliability", "reliability_of_minority"):
        assert not curve[name].any()
        assert curves(y, p)[name].sum()


@settings(max_examples=40)
@given(scored(least=3, all_classes=False))
def test_absent_classes_are_left_out_of_ranking(drawn):
    y, p, _ = drawn
    counts = np.bincount(y, minlength=p.shape[1])
    present = np.flatnonzero((counts > 0) & (counts < len(y)))
    if len(present) == 0:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score_metrics(y, p)
    assert found["roc_auc"] == pytest.approx(
        np.mean([sk.roc_auc_score(y == c, p[:, c]) for c in present])
    )
    assert found["average_precision"] == pytest.approx(
        np.mean([sk.average_precision_score(y == c, p[:, c]) for c in present])
    )


def test_a_perfect_forecast_is_better_in_every_score_and_the_direction_is_known():
    y = np.repeat([0, 1, 2], [6, 3, 3])
    good = 0.97 * np.eye(3)[y] + 0.01
    bad = 0.97 * np.eye(3)[(y + 1) % 3] + 0.01
    found = [{**score_metrics(y, p), **label_metrics(y, p.argmax(axis=1), 3)} for p in (good, bad)]
    for name in SCORES:
        if name in OF_TWO:
            continue
        better, worse = (table[name] for table in found)
        assert (better < worse) == (name in LOWER), name
        assert better != worse, name


def test_bins_and_recalls_are_those_of_the_tables():
    """Fifteen bins of equal width, the last one closed; recall from 0 to 1 in steps of 0.05."""
    edges = np.arange(8, 16) / 15
    top = np.r_[edges[:-1] + 1e-9, 1.0]
    counts, confidence, _ = reliability(np.zeros(8, int), np.column_stack([top, 1 - top]))
    assert counts.tolist() == [0] * 8 + [1] * 6 + [2]
    np.testing.assert_allclose(confidence[8:14], edges[:6])
    np.testing.assert_allclose(RECALLS, np.arange(21) / 20)
