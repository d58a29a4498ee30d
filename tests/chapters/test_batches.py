import numpy as np
import pandas as pd
import pytest

from imbbench.chapters import batches


@pytest.fixture
def networks(study):
    study.learners["mlp"] = {"hidden": [4], "epochs": 1, "steps": 50, "batch_size": 16}
    return study


def test_the_minority_is_spread_as_evenly_as_whole_rows_can():
    """30 of 300 in batches of 16: 1.6 in each, so one or two, and every row before any again."""
    y = np.repeat([0, 1], [270, 30])
    draw, rng = batches.Spread(), np.random.default_rng(0)
    drawn = [draw(y, 0.0, rng, 16)[0] for _ in range(18)]
    assert {len(rows) for rows in drawn} == {16}
    counts = [int((y[rows] == 1).sum()) for rows in drawn]
    assert set(counts) == {1, 2} and sum(counts) == 28  # 18 × 1.6 = 28.8
    used = np.concatenate(drawn)
    assert len(set(used)) == len(used)


def test_a_batch_of_equal_classes_has_half_of_either():
    y = np.repeat([0, 1], [270, 30])
    rows, weights = batches._balanced(y, 0.0, np.random.default_rng(0), 16)
    assert np.bincount(y[rows]).tolist() == [8, 8] and weights is None


def test_a_part_is_thinned_to_the_ratio_or_left_out():
    y = np.repeat([0, 1], [1000, 60])
    rows = batches.thinned(y, 20, np.random.default_rng(0))
    assert np.bincount(y[rows]).tolist() == [1000, 50] and len(set(rows)) == 1050
    assert batches.thinned(y, 200, np.random.default_rng(0)) is None  # five would be left
    assert batches.thinned(y, 10, np.random.default_rng(0)) is None  # there are not a hundred


def test_a_network_that_never_says_minority_has_collapsed(networks, monkeypatch):
    monkeypatch.setattr(batches, "thinned", lambda y, ratio, rng: np.arange(len(y)))
    made = []
    for arm in batches.ARMS:
        found = batches.collapse(networks, batches.Fit("binary", 3, 8, arm, 0))
        assert found["collapsed"] == float(
            found["recall"] == 0 and found["balanced_accuracy"] == 0.5
        )
        assert 0 < found["empty"] < 1 and found["arm"] == arm
        made.append(found["average_precision"])
    assert len(set(made)) > 1
    monkeypatch.setattr(batches, "thinned", lambda y, ratio, rng: None)
    assert batches.collapse(networks, batches.Fit("binary", 3, 8, "spread", 0)) is None


def test_shares_of_the_gradient_are_those_of_the_loss(networks):
    """At the first step every class has the gradient that its rows' probabilities make."""
    found = pd.DataFrame(batches.gradients(networks, "binary", "cross-entropy", 0))
    assert found["progress"].is_monotonic_increasing and found["progress"].iloc[0] == 0
    assert found["minority"].between(0, 1).all()
    # Of cross-entropy a row's gradient is twice what is missing to the true class.
    first, share = found.iloc[0], found["rows"].iloc[0]
    pull = share * (1 - first["sure_minority"]), (1 - share) * (1 - first["sure_majority"])
    assert first["minority"] == pytest.approx(pull[0] / sum(pull), abs=1e-5)
    focal = pd.DataFrame(batches.gradients(networks, "binary", "focal, γ = 2", 0))
    assert focal["minority"].iloc[0] != pytest.approx(first["minority"], abs=1e-4)


def test_watching_a_training_does_not_change_it(networks):
    import torch

    _, cell = batches._cell(networks, "binary", 0)
    plain = cell.fit().predict_proba(cell.X)
    seen = cell.fit(stepper=batches._Watched(torch.nn.CrossEntropyLoss(), cell.steps))
    np.testing.assert_allclose(seen.predict_proba(cell.X), plain, atol=1e-6)


def tables():
    rows = []
    for dataset in "abc":
        values = (1.0, 0.5), (0.0, 0.5), (0.0, 0.6)
        for arm, (collapsed, ap) in zip(batches.ARMS, values, strict=True):
            rows.append({"dataset": dataset, "ratio": 100, "size": 8, "arm": arm, "split": 0,
                         "collapsed": collapsed, "empty": 0.92, "recall": 0.25,
                         "balanced_accuracy": 0.5, "balanced_accuracy_moved": 0.7,
                         "average_precision": ap})  # fmt: skip
    seen = [
        {"dataset": dataset, "loss": loss, "split": 0, "rows": 0.05, "progress": progress,
         "minority": share + (progress < 0.2)}
        for dataset in "abc"
        for loss, share in zip(batches.LOSSES, (0.4, 0.5), strict=True)
        for progress in (0.0, 0.5)
    ]  # fmt: skip
    return pd.DataFrame(rows), pd.DataFrame(seen)


def test_what_it_says():
    assert batches.conclusion(*tables()).splitlines() == [
        "- 100% of the trainings on shuffled batches end with a network that never says minority "
        "at its default cut-off, 0% where the same rows are spread evenly over the batches, 0% on "
        "balanced batches.",
        "- Average precision, which no cut-off changes: spread minus shuffled +0.000 [+0.000, "
        "+0.000], balanced minus shuffled +0.100 [+0.100, +0.100] (over 3 data sets).",
        "- After a fifth of the steps the minority, 5% of the rows, has 40% of the gradient of "
        "cross-entropy and 50% of focal loss: a difference of +0.100 [+0.100, +0.100] over 3 data "
        "sets.",
    ]
    shown = batches.shown(tables()[0])
    assert shown.to_numpy().tolist() == [
        ["1:100", 3, 8, 92, "100 %, 0.25, 0.700", "0 %, 0.25, 0.700", "0 %, 0.25, 0.700"]
    ]


def test_the_figures():
    collapses, seen = tables()
    figure = batches.plot_batches(collapses)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "batches of 8", "batches of 32", "batches of 256",
    ]  # fmt: skip
    assert figure.axes[0].lines[0].get_ydata().tolist() == [100.0]
    figure = batches.plot_gradients(seen)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["a", "b", "c"]
    assert figure.axes[0].lines[1].get_ydata().tolist() == pytest.approx([150, 50])
