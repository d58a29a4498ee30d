import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.metrics import geometric_mean_score
from sklearn import metrics as sk

from imbbench.analysis.statistics import LOWER
from imbbench.bench.metrics import (
    BINS,
    RECALLS,
    SCORES,
    label_metrics,
    precision_at_recall,
    reliability,
    score_metrics,
)


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


def naive_ece(y, p):
    total = 0.0
    for b in range(BINS):
        inside = [
            i
            for i in range(len(y))
            if b / BINS <= max(p[i]) < (b + 1) / BINS or (b == BINS - 1 and max(p[i]) == 1)
        ]
        if inside:
            confidence = np.mean([max(p[i]) for i in inside])
            right = np.mean([np.argmax(p[i]) == y[i] for i in inside])
            total += len(inside) / len(y) * abs(confidence - right)
    return total


@settings(max_examples=60)
@given(scored())
def test_ece_equals_a_naive_loop(drawn):
    y, p, _ = drawn
    assert score_metrics(y, p)["ece"] == pytest.approx(naive_ece(y, p), abs=1e-12)


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


@settings(max_examples=60)
@given(scored())
def test_precision_at_recall_is_the_best_from_there_on(drawn):
    y, p, _ = drawn
    n_classes = p.shape[1]
    curves = []
    for c in [1] if n_classes == 2 else range(n_classes):
        precision, recall, _ = sk.precision_recall_curve(y == c, p[:, c])
        # scikit-learn adds the point (recall 0, precision 1), which no threshold reaches
        curves.append(
            [max(q for q, r in zip(precision, recall, strict=True) if r >= at) for at in RECALLS]
        )
    np.testing.assert_allclose(precision_at_recall(y, p), np.mean(curves, axis=0), atol=1e-12)


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
