import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import balanced_accuracy_score, recall_score

from imbbench.chapters import losses_explained
from imbbench.strategies.loss.focal import FocalLoss, SigmoidFocalLoss
from imbbench.strategies.loss.ghm import GHMCLoss
from imbbench.strategies.loss.ldam import LDAMLoss
from imbbench.strategies.loss.logit_adjusted import BalancedSoftmaxLoss
from imbbench.strategies.loss.ohem import OHEMLoss

COUNTS = [90, 10]
MARGINS = np.array([-4.0, -1.0, 0.0, 0.5, 3.0])
LOSSES = losses_explained.catalogue(COUNTS, keep=0.3)
BATCH = losses_explained.synthetic_batch(COUNTS, noise=0.1, seed=1)


def odds_batch(odds):
    """Samples of class 0 whose two one-vs-rest terms have the log-odds ``odds`` of being right."""
    odds = torch.tensor(odds, dtype=torch.float64)
    return torch.stack([odds, -odds], dim=1), torch.zeros(len(odds), dtype=torch.int64)


@pytest.mark.parametrize("counts", [[10, 90], [5, 4, 3], [9, 0]])
def test_catalogue_wants_two_classes_the_larger_first(counts):
    with pytest.raises(ValueError, match="class"):
        losses_explained.catalogue(counts)


def test_catalogue_uses_its_parameters():
    losses = losses_explained.catalogue(
        COUNTS, gamma=1.5, bins=7, beta=0.99, keep=0.4, ldam_scale=5.0
    )
    effective = [(1 - 0.99**n) / (1 - 0.99) for n in COUNTS]
    (pull,) = losses_explained.pulls({"class-balanced": losses["class-balanced"]}, BATCH, [0.0])[
        "at margin 0"
    ]
    assert pull == pytest.approx(effective[0] / effective[1], abs=0.005)
    assert losses["focal"].gamma == losses["sigmoid focal"].gamma == 1.5
    assert (losses["GHM-C"].bins, losses["OHEM"].keep, losses["LDAM"].scale) == (7, 0.4, 5.0)


@settings(max_examples=20)
@given(st.floats(-20, 20), st.sampled_from([0, 1]))
def test_cross_entropy_is_minus_log_p_with_gradient_p_minus_1(margin, label):
    values, gradients = losses_explained.probe(LOSSES["cross-entropy"], [margin], label)
    assert values[0] == pytest.approx(np.log1p(np.exp(-margin)), rel=1e-9, abs=1e-12)
    assert gradients[0] == pytest.approx(expit(margin) - 1, rel=1e-9, abs=1e-12)


def test_gradients_are_the_slopes_of_the_losses():
    step = 1e-6
    for name, loss in LOSSES.items():
        if isinstance(loss, GHMCLoss | OHEMLoss):
            continue
        for label in (0, 1):
            _, gradients = losses_explained.probe(loss, MARGINS, label)
            above, _ = losses_explained.probe(loss, MARGINS + step, label)
            below, _ = losses_explained.probe(loss, MARGINS - step, label)
            np.testing.assert_allclose(
                gradients, (above - below) / (2 * step), rtol=1e-5, atol=1e-7, err_msg=name
            )


def test_focal_with_gamma_0_is_cross_entropy():
    table = losses_explained.focal_curves([0.0, 2.0], [0.1, 0.5, 0.9])
    plain, focal = table[table["gamma"] == 0], table[table["gamma"] == 2]
    np.testing.assert_allclose(plain["loss"], -np.log(plain["p"]), rtol=1e-9)
    np.testing.assert_allclose(plain["weight"], 1, rtol=1e-9)
    p = focal["p"].to_numpy()
    np.testing.assert_allclose(focal["loss"], -((1 - p) ** 2) * np.log(p), rtol=1e-9)
    # d/dp of (1-p)^2 log p over that of log p
    weight = (1 - p) ** 2 - 2 * p * (1 - p) * np.log(p)
    np.testing.assert_allclose(focal["weight"], weight, rtol=1e-9)


def test_focal_sentence_tells_the_loss_from_its_gradient():
    # 1 / (1 - 0.9)^2 = 100; the gradient keeps 0.01 - 2 * 0.9 * 0.1 * log 0.9 = 0.02896 = 1 / 34.5
    sentence = losses_explained.focal_sentence(2.0)
    assert "100 times smaller" in sentence and "only 35 times" in sentence


def test_weights_multiply_and_priors_and_margins_shift():
    for label, weight in enumerate((100 / 180, 5.0)):
        plain = losses_explained.probe(LOSSES["cross-entropy"], MARGINS, label)
        weighted = losses_explained.probe(LOSSES["weighted"], MARGINS, label)
        np.testing.assert_allclose(weighted, np.multiply(plain, weight), rtol=1e-9)
        prior = np.log(9) * (1 if label == 0 else -1)
        np.testing.assert_allclose(
            losses_explained.probe(LOSSES["balanced softmax"], MARGINS, label),
            losses_explained.probe(LOSSES["cross-entropy"], MARGINS + prior, label),
            rtol=1e-9,
        )
        margin = 30 * 0.5 * (9**-0.25 if label == 0 else 1)
        np.testing.assert_allclose(
            losses_explained.probe(LDAMLoss(COUNTS), MARGINS, label),
            losses_explained.probe(LOSSES["cross-entropy"], MARGINS - margin, label),
            rtol=1e-9,
        )


def test_ohem_takes_the_hard_samples_and_leaves_the_easy_ones():
    batch = odds_batch(np.linspace(-2, 2, 9))  # margins -4 … 4; the tenth sample is the probe
    values, gradients = losses_explained.probe(OHEMLoss(0.3), [-6.0, 6.0], 0, batch)
    plain_values, plain = losses_explained.probe(LOSSES["cross-entropy"], [-6.0, 6.0], 0)
    assert gradients == pytest.approx([plain[0] / 0.3, 0])
    assert values == pytest.approx([plain_values[0] / 0.3, 0])


def test_ghm_weights_are_inverse_to_the_density():
    odds = [4.0] * 6 + [0.1] * 2 + [-4.0] * 3
    weights = losses_explained.gradient_weights(
        losses_explained.claim_losses(2.0, 10), odds_batch(odds)
    )
    np.testing.assert_allclose(weights["g"], np.sort(expit(-np.array(odds))), rtol=1e-9)
    # N / (samples in the bin * filled bins)
    expected = [11 / (6 * 3)] * 6 + [11 / (2 * 3)] * 2 + [11 / (3 * 3)] * 3
    np.testing.assert_allclose(weights["GHM-C"], expected, rtol=1e-9)
    np.testing.assert_allclose(weights["cross-entropy"], 1, rtol=1e-9)


def test_the_three_statements_hold_where_very_hard_samples_are_many():
    odds = [4.0] * 60 + [0.1] * 4 + [-4.0] * 20
    weights = losses_explained.gradient_weights(
        losses_explained.claim_losses(2.0, 10), odds_batch(odds)
    )
    table = losses_explained.suppression(weights)
    assert losses_explained.claim_holds(table) == dict.fromkeys(losses_explained.CLAIM, True)
    ghm = table[table["name"] == "GHM-C"].set_index("group")
    assert ghm["weight"].to_dict() == pytest.approx(
        {"easy": 4 / 60, "middle": 1.0, "very hard": 4 / 20}
    )
    assert ghm["samples"].to_dict() == pytest.approx(
        {"easy": 60 / 84, "middle": 4 / 84, "very hard": 20 / 84}
    )
    assert table.groupby("name")["gradient"].sum().to_numpy() == pytest.approx(1)
    assert losses_explained.claim_sentences(table).count("**holds**") == 3


def test_the_ghm_statement_fails_where_very_hard_samples_are_few():
    odds = [4.0] * 60 + [0.1] * 4 + [-4.0] * 2
    weights = losses_explained.gradient_weights(
        losses_explained.claim_losses(2.0, 10), odds_batch(odds)
    )
    table = losses_explained.suppression(weights)
    assert losses_explained.claim_holds(table) == {
        "cross-entropy": True,
        "focal": True,
        "GHM-C": False,
    }
    assert losses_explained.claim_sentences(table).count("**does not hold**") == 1


def test_the_focal_statement_fails_with_gamma_0():
    weights = losses_explained.gradient_weights(losses_explained.claim_losses(0.0, 10), BATCH)
    assert not losses_explained.claim_holds(losses_explained.suppression(weights))["focal"]


def test_suppression_wants_middle_samples():
    weights = losses_explained.gradient_weights(
        losses_explained.claim_losses(2.0, 10), odds_batch([4.0, -4.0])
    )
    with pytest.raises(ValueError, match=r"between 0\.1 and 0\.9"):
        losses_explained.suppression(weights)


def test_noise_sweep_and_its_sentence():
    three = losses_explained.claim_losses(2.0, 10)
    sweep = losses_explained.noise_sweep(three, [900, 100], [0.0, 0.3], range(2))
    assert len(sweep) == 2 * 2 * 3
    ghm = sweep[sweep["name"] == "GHM-C"].groupby("noise")["weight"].median()
    assert ghm[0.0] > 1 > ghm[0.3]
    sentence = losses_explained.noise_sentence(sweep)
    assert "in every batch from 30 % on, because they are many" in sentence
    rare = losses_explained.noise_sentence(sweep.assign(weight=2.0))
    assert "At no share" in rare


def test_synthetic_batch_flips_the_share_it_names():
    clean, label = losses_explained.synthetic_batch([80, 20], noise=0.0, seed=3)
    noisy, flipped = losses_explained.synthetic_batch([80, 20], noise=0.1, seed=3)
    assert torch.equal(clean, noisy) and torch.bincount(label).tolist() == [80, 20]
    assert (label != flipped).sum() == 10
    assert torch.equal(clean[:, 0], -clean[:, 1])
    right = clean[torch.arange(100), label]
    assert right[:80].mean() > right[80:].mean() > 0


def test_margin_sentences_name_the_losses_that_do_not_know_the_classes():
    table = losses_explained.curves(LOSSES, MARGINS, BATCH)
    text = losses_explained.margin_sentences(LOSSES, COUNTS, table)
    assert (
        "with cross-entropy, focal, OHEM, one-vs-rest, sigmoid focal, GHM-C: these do not" in text
    )
    assert "by 8.7 (majority) and 15.0 (minority)" in text
    pulls = losses_explained.pulls(LOSSES, BATCH, (-4.0, 0.0)).set_index("loss")
    assert pulls.loc["weighted"].tolist() == [9, 9]
    assert pulls.loc["balanced softmax", "at margin 0"] == 9


def test_first_losses_start_at_log_2_and_at_the_entropy():
    table = losses_explained.first_losses(LOSSES, COUNTS).set_index("loss")
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    zero, prior = table["first loss, zero bias"], table["first loss, log-prior bias"]
    for name in ("cross-entropy", "one-vs-rest"):
        assert (zero[name], prior[name]) == pytest.approx((np.log(2), entropy), abs=5e-5)
        assert table.loc[name, "bias gradient, log-prior bias"] == 0
    assert zero["balanced softmax"] == pytest.approx(entropy, abs=5e-5)
    assert zero["focal"] == pytest.approx(np.log(2) / 4, abs=5e-5)
    # at zero every gradient norm is 1/2: one bin; at the prior each class is a bin: balanced
    balanced = -(np.log(0.9) + np.log(0.1)) / 2
    assert (zero["GHM-C"], prior["GHM-C"]) == pytest.approx((np.log(2), balanced), abs=5e-5)
    assert table.loc[["LDAM", "OHEM"], "bias gradient, zero bias"].isna().all()
    sentence = losses_explained.first_loss_sentence(table.reset_index(), COUNTS)
    assert f"which is the entropy of the class distribution, {entropy:.4f}" in sentence
    assert "at the log prior for: cross-entropy, one-vs-rest;" in sentence
    assert "at zero for: weighted, balanced softmax." in sentence


def test_density_ratio_is_that_of_the_toy():
    X, y = losses_explained.toy([4000, 4000], seed=0)
    called = losses_explained.log_density_ratio(X) > 0
    # With equal classes, the odds of either call are the densities' own.
    p = expit(losses_explained.log_density_ratio(X))
    assert (called == y).mean() == pytest.approx(np.maximum(p, 1 - p).mean(), abs=0.02)
    assert (called == y).mean() > 0.85


def test_gradient_share_passes_the_loss_on_and_counts_by_class():
    noting = losses_explained.GradientShare(SigmoidFocalLoss(gamma=0.0))
    assert (noting.probabilities, noting.inference_scale) == ("sigmoid", 1.0)
    target = torch.tensor([0, 0, 0, 1])
    with torch.no_grad():
        noting(torch.zeros(4, 2), target)
    assert noting.steps == []
    logits = torch.zeros(4, 2, requires_grad=True)
    value = noting(logits, target)
    value.backward()
    assert value.item() == pytest.approx(np.log(2))
    assert noting.steps == [pytest.approx((3 / 8, 1 / 8))]


@pytest.fixture(scope="module")
def trained():
    losses = {name: LOSSES[name] for name in ("cross-entropy", "weighted", "focal", "LDAM")}
    threads = torch.get_num_threads()
    outcome = losses_explained.train(losses, [450, 50], [0, 1], epochs=8, test_rows=300)
    assert torch.get_num_threads() == threads
    return losses, *outcome


def test_training_scores_every_loss_and_the_moved_threshold(trained):
    losses, scores, shares, models = trained
    assert set(scores["name"]) == {*losses, losses_explained.MOVED} and set(models) == set(losses)
    X, y = losses_explained.toy([300, 300], seed=10**6)
    first = scores[scores["seed"] == 0].set_index("name")
    cuts = dict.fromkeys(losses, 0.5) | {losses_explained.MOVED: 0.1}  # 50 of 500 are minority
    for name, cut in cuts.items():
        p = models.get(name, models["cross-entropy"]).predict_proba(X)[:, 1]
        expected = [metric(y, p > cut) for metric in (recall_score, balanced_accuracy_score)]
        assert first.loc[name, ["recall", "balanced_accuracy"]].tolist() == pytest.approx(expected)
    recall = scores.groupby("name")["recall"].mean()
    assert recall[losses_explained.MOVED] > recall["cross-entropy"]
    assert recall["weighted"] > recall["cross-entropy"]
    # In the first step all samples pull about alike, up to their weight.
    first = shares[shares["epoch"] == 0].groupby("name")["share"].mean()
    assert first["cross-entropy"] == pytest.approx(first["focal"], rel=0.1)
    assert first["weighted"] > 3 * first["cross-entropy"]
    assert shares.groupby("name")["epoch"].max().eq(8).all()


@pytest.mark.parametrize("counts", [[300, 110], [40, 9]])
def test_shares_are_by_epoch_where_batches_do_not_fill_one(counts):
    losses = {"cross-entropy": LOSSES["cross-entropy"]}
    _, shares, models = losses_explained.train(losses, counts, [0], epochs=6, test_rows=20)
    assert shares["epoch"].tolist() == list(range(7))
    assert shares["share"].between(0, 1).all() and shares["share"].gt(0).all()
    (model,) = models.values()
    assert model.rows_seen_ - sum(counts) * 6 < min(250, sum(counts))


def test_sentences_follow_their_numbers():
    pairs = (("cross-entropy", 0.5), (losses_explained.MOVED, 0.8), ("focal", 0.6))
    rows = [(n, s, r, 0.1, (r + 0.9) / 2) for s in (0, 1) for n, r in pairs]
    columns = ["name", "seed", "recall", "false_alarms", "balanced_accuracy"]
    scores = pd.DataFrame(rows, columns=columns)
    sentence = losses_explained.boundary_sentence(scores)
    assert "finds 50% of the minority with 10.0% false alarms" in sentence
    assert "one of 2 seeds: focal." in sentence and "ahead with 0 of 2 seeds" in sentence
    table = losses_explained.score_table(scores)
    assert table.loc[table["loss"] == "focal", "recall"].item() == "0.600±0.000"

    def shares(focal):
        parts = [(n, s, e, v) for s in (0, 1) for n, line in
                 (("cross-entropy", [[0.1, 0.2, 0.5]] * 2), ("focal", focal))
                 for e, v in enumerate(line[s])]  # fmt: skip
        return pd.DataFrame(parts, columns=["name", "seed", "epoch", "share"])

    up, down = [0.1, 0.45, 0.5], [0.1, 0.1, 0.3]
    sentence = losses_explained.share_sentence(shares([up, up]))
    assert "from epoch 2.0 on with cross-entropy and 1.0 with focal" in sentence
    assert "sooner with 2, later with 0 of 2 seeds" in sentence
    weights = losses_explained.gradient_weights(losses_explained.claim_losses(2.0, 10), BATCH)
    groups = losses_explained.suppression(weights)
    sweep = pd.DataFrame({"name": "GHM-C", "noise": [0.0, 0.1], "weight": [3.0, 0.5], "seed": 0})
    for focal, verdict in (
        ([up, up], "supported"), ([down, down], "contradicted"), ([up, down], "undecided")
    ):  # fmt: skip
        text = losses_explained.conclusion(groups, sweep, scores, shares(focal))
        assert f"**{verdict}**" in text
        assert "at 10 % of wrong labels and not at 0 %" in text and "focal +10" in text


def test_figures_are_drawn(trained):
    _, scores, shares, models = trained
    three = losses_explained.claim_losses(2.0, 10)
    weights = losses_explained.gradient_weights(three, BATCH)
    table = losses_explained.curves(LOSSES, MARGINS, BATCH)
    sweep = losses_explained.noise_sweep(three, COUNTS, [0.1, 0.2], [0])
    figures = {
        "one": losses_explained.plot_loss("LDAM", table, LOSSES, models, [450, 50], 0),
        "weights": losses_explained.plot_weights(
            weights, losses_explained.suppression(weights), 10
        ),
        "noise": losses_explained.plot_noise(sweep),
        "focal": losses_explained.plot_focal(
            losses_explained.focal_curves([0, 2], [0.1, 0.5, 0.9])
        ),
        "boundaries": losses_explained.plot_boundaries(models, [450, 50], scores, 0),
        "shares": losses_explained.plot_shares(shares, ["cross-entropy", "focal"]),
    }
    panels = {"one": 3, "weights": 4, "noise": 1, "focal": 2, "boundaries": 5, "shares": 1}
    for name, figure in figures.items():
        visible = [ax for ax in figure.axes if ax.get_visible()]
        assert len(visible) == panels[name], name
        figure.set_dpi(40)
        assert figure._repr_png_()[0].startswith(b"\x89PNG"), name


def drawn(ax, number):
    return np.asarray(ax.lines[number].get_ydata(), dtype=float)


def test_figures_show_the_numbers_of_their_tables(trained):
    _, scores, shares, models = trained
    table = losses_explained.curves(LOSSES, MARGINS, BATCH)
    figure = losses_explained.plot_loss("weighted", table, LOSSES, models, [450, 50], 0)
    own = table[(table["name"] == "weighted") & (table["class"] == "minority")]
    assert figure.get_suptitle() == "weighted, inverse frequency"
    for panel, quantity in zip(figure.axes, ("loss", "gradient"), strict=False):
        np.testing.assert_allclose(drawn(panel, 2), own[quantity].abs())
        np.testing.assert_allclose(drawn(panel, 0), own[f"base_{quantity}"].abs())
    X, y = losses_explained.toy([450, 50], 0)
    np.testing.assert_array_equal(figure.axes[2].lines[1].get_xydata(), X[y == 1])
    focal = losses_explained.focal_curves([0, 2], [0.1, 0.5, 0.9])
    left, right = losses_explained.plot_focal(focal).axes
    np.testing.assert_array_equal(drawn(left, 1), focal.loc[focal["gamma"] == 2, "loss"])
    np.testing.assert_array_equal(drawn(right, 1), focal.loc[focal["gamma"] == 2, "weight"])
    sweep = pd.DataFrame({"name": "GHM-C", "noise": [0.1] * 3, "weight": [1.0, 2, 9], "seed": 0})
    sweep = pd.concat([sweep.assign(name=name) for name in losses_explained.CLAIM])
    (ax,) = losses_explained.plot_noise(sweep).axes
    assert [line.get_ydata().tolist() for line in ax.lines] == [[2]] * 3
    (ax,) = losses_explained.plot_shares(shares, ["cross-entropy", "focal"]).axes
    mean = shares[shares["name"] == "focal"].groupby("epoch")["share"].mean()
    np.testing.assert_allclose(drawn(ax, 1), 100 * mean)
    titles = [ax.get_title("left") for ax in
              losses_explained.plot_boundaries(models, [450, 50], scores, 0).axes]  # fmt: skip
    row = scores[(scores["name"] == "LDAM") & (scores["seed"] == 0)].iloc[0]
    assert f"LDAM\nrecall {row['recall']:.0%}, alarms {row['false_alarms']:.1%}" in titles


def test_margin_of_balanced_softmax_is_that_of_the_raw_logits():
    _, gradient = losses_explained.probe(BalancedSoftmaxLoss(COUNTS), [0.0], 1)
    assert gradient[0] == pytest.approx(-0.9)
    _, gradient = losses_explained.probe(FocalLoss(0.0), [0.0], 1)
    assert gradient[0] == pytest.approx(-0.5)
