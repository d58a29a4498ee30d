import io
import json

import numpy as np
import pandas as pd
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from scratch import ROOT

from imbbench import config, notebooks
from imbbench.analysis import plots
from imbbench.bench.cell import Cell
from imbbench.bench.encoder import tokenize
from imbbench.bench.neural import MiniLMFinetune, steps_for
from imbbench.bench.prepared import Prepared
from imbbench.bench.registry import definitions
from imbbench.chapters import sms_spam
from imbbench.errors import StudyError
from imbbench.files import recall
from imbbench.strategies.loss.focal import FocalLoss

NOTEBOOK = ROOT / "notebooks/08_sms_spam.ipynb"
ARMS = list(sms_spam.ARMS)


def labels_only(ham, spam, copies=0):
    """Labels and groups; the last ``copies`` rows are copies of the first."""
    y = np.random.default_rng(0).permutation(np.repeat([0, 1], [ham, spam]))
    y, groups = np.append(y, y[:copies]), np.append(np.arange(len(y)), np.arange(copies))
    return Prepared(pd.Series([""] * len(y)), y, groups, None, {"classes": ["ham", "spam"]})


def counts(data, *parts):
    return [np.bincount(data.y[rows]).tolist() for rows in parts]


@pytest.mark.parametrize(
    ("size", "train", "test"),
    [((4827, 747), [4111, 626], [716, 121]), ((4220, 642), [3594, 538], [626, 104])],
)
def test_class_counts_of_a_split_are_exact(size, train, test):
    data = labels_only(*size)
    first, other = sms_spam.cut(data, "85/15", 1), sms_spam.cut(data, "85/15", 2)
    assert counts(data, *first) == counts(data, *other) == [train, test]
    assert not np.array_equal(first[1], other[1])
    assert np.array_equal(first[1], sms_spam.cut(data, "85/15", 1)[1])


@settings(max_examples=20, deadline=None)
@given(st.integers(20, 90), st.integers(10, 60), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_a_split_deals_every_row_once_and_no_text_to_both_sides(ham, spam, copies, seed):
    data = labels_only(ham, spam, copies)
    train, test = sms_spam.cut(data, "85/15", seed)
    assert sorted([*train, *test]) == list(range(len(data.y)))
    train, test = sms_spam.cut(data, "de-duplicated", seed)
    assert sorted([*train, *test]) == list(range(ham + spam))  # the first of each text
    assert not set(data.groups[train]) & set(data.groups[test])


# --------------------------------------------------------------------------- a tiny study


def messages():
    """Ham and spam of other words; every eighth text stands there twice."""
    frame, labels, _ = tiny.texts(np.random.default_rng(0))
    again = np.arange(0, len(frame), 8)
    return pd.concat([frame, frame.loc[again]], ignore_index=True), np.append(labels, labels[again])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, encoder):
    root = tmp_path_factory.mktemp("article")
    frame, labels = messages()
    tiny.write_prepared(root, "messages", frame, labels, text="text")
    renamed = np.where(labels == "ham", "a", "b")
    tiny.write_prepared(root, "letters", frame, renamed, text="text")
    entry = {**tiny.ENTRY, "modality": "text", "text": "text"}
    tuned = {"layers": 1, "epochs": 2, "batch_size": 16, "learning_rate": 0.003, "splits": 2}
    params = {
        "families": ["reference"],
        "protocol": {"encoder": encoder},
        "learners": {"minilm_finetune": tuned},
        "strategies": {"reference": {"plain": {}}},
        "datasets": {"messages": entry, "letters": entry},
    }
    (root / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    return root


@pytest.fixture
def study(folder, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(folder))
    return config.load()


@pytest.fixture(scope="module")
def computed(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMBBENCH_ROOT", str(folder))
        return sms_spam.compute("messages", 3, jobs=1, progress=lambda text: None)


@pytest.fixture
def runs(computed):
    return computed[0]


@pytest.fixture
def part(study):
    """Tokens and labels of a training part."""
    data = sms_spam.load("messages")
    train, _ = sms_spam.cut(data, "85/15", 0)
    return tokenize(data.X, study.protocol.encoder)[train], data.y[train]


@pytest.fixture
def asked(study, part, monkeypatch):
    """``asked(arm)``: what the arm's strategy asks the learner for, as rows and settings."""

    steps = steps_for(len(part[1]), 2, 0, 16)  # of every arm, whatever rows it is left with

    def fit(cell, X=None, y=None, **options):
        made = cell.make(**{k: v for k, v in options.items() if k in ("bias", "draw", "loss")})
        assert (made.epochs, made.steps) == (0, steps)
        return cell.X if X is None else X, cell.y if y is None else y, options

    monkeypatch.setattr(Cell, "fit", fit)
    return lambda arm: sms_spam.fit_arm(study, *part, arm, 7)


def test_arms_weight_and_start_as_they_say(asked, part):
    n = np.bincount(part[1])
    X, _, options = asked("baseline")
    assert np.array_equal(X, part[0]) and options == {}
    np.testing.assert_allclose(np.exp(asked("bias initialisation")[2]["bias"]), n / n.sum())
    assert asked("zero start")[2]["bias"].tolist() == [0, 0]
    weights = asked("inverse frequency")[2]["class_weight"]
    np.testing.assert_allclose(weights, n.sum() / (2 * n))
    assert asked("spam weight 10")[2]["class_weight"].tolist() == [0.576, 10]
    loss = asked("focal")[2]["loss"]
    assert isinstance(loss, FocalLoss) and loss.gamma == 2 and loss.alpha is None


def test_compensated_arms_keep_the_weighted_shares(asked, part):
    n = np.bincount(part[1])
    _, y, options = asked("up-sampling + down-weighting")
    assert np.bincount(y).tolist() == [n[0], 2 * n[1]]
    np.testing.assert_allclose(np.bincount(y, options["sample_weight"]), n)
    draw = asked("down-sampling + up-weighting")[2]["draw"]
    rows, weight = draw(part[1], 0.0, np.random.default_rng(0), 16)
    assert np.bincount(part[1][rows]).tolist() == [round(n[0] / 2), n[1]]
    np.testing.assert_allclose(np.bincount(part[1][rows], weight), n)


def test_plain_resampling_is_to_equal_classes_and_the_balanced_arm_has_the_same_rows(asked, part):
    n = np.bincount(part[1])
    assert np.bincount(asked("up-sampling")[1]).tolist() == [n[0], n[0]]
    X, y, options = asked("down-sampling")
    assert np.bincount(y).tolist() == [n[1], n[1]] and options == {}
    X_balanced, y_balanced, weighted = asked("balanced, spam weight 10")
    assert np.array_equal(X, X_balanced) and np.array_equal(y, y_balanced)
    assert weighted["class_weight"].tolist() == [1, 10]


def test_arms_are_two_class_softmax_and_share_the_start(study, part, monkeypatch):
    # Where the bias has a start, the first loss is measured on all rows nevertheless.
    monkeypatch.setattr(MiniLMFinetune, "first_rows", 30)
    first = {}
    for arm in ("baseline", "focal", "bias initialisation", "zero start"):
        model = sms_spam.fit_arm(study, *part, arm, 7)
        assert model.head_.out_features == 2
        assert getattr(model.loss, "probabilities", "softmax") == "softmax"
        assert model.n_steps_ == steps_for(len(part[1]), 2, 0, 16)
        first[arm] = model.first_loss_
    share = np.bincount(part[1]) / len(part[1])
    assert first["bias initialisation"] == pytest.approx(-(share * np.log(share)).sum(), abs=1e-5)
    assert first["zero start"] == pytest.approx(np.log(2), abs=1e-5)
    # Two equal classes: focal loss with gamma 2 is a quarter of the cross-entropy.
    assert first["baseline"] / first["focal"] == pytest.approx(4, rel=0.3)


def test_the_articles_prior_has_the_articles_numbers(study, monkeypatch):
    monkeypatch.setattr(sms_spam, "load", lambda dataset: labels_only(4827, 747))
    table = sms_spam.facts("messages", 2)
    found = table.set_index("quantity")["85/15"]
    assert found["training: ham / spam"] == "4111 / 626"
    assert found["inverse-frequency weights: ham / spam"] == "0.576 / 3.784"
    assert found["bias difference, ln(ham / spam)"] == "1.882"
    assert found["entropy of the classes (nats)"] == "0.3905"
    assert found["the same of equal classes"] == "0.6931"
    assert "are met on 85/15 and de-duplicated" in sms_spam.weights_sentence(table)
    monkeypatch.setattr(sms_spam, "load", lambda dataset: labels_only(4220, 642))
    assert "are not met" in sms_spam.weights_sentence(sms_spam.facts("messages", 1))


def test_texts_on_both_sides_are_counted(study):
    table = sms_spam.facts("messages", 3).set_index("quantity")
    row = table.loc["test texts that are in training, too (mean of the seeds)"]
    assert float(row["85/15"]) > 0 and float(row["de-duplicated"]) == 0
    data = sms_spam.load("messages")
    cuts = [
        sms_spam.cut(data, "85/15", sms_spam.seed_of(study, "messages", "85/15", seed))
        for seed in range(3)
    ]
    twins = [sum(text in set(data.X[train]) for text in data.X[test]) for train, test in cuts]
    assert row["85/15"] == f"{np.mean(twins):.1f}"


# --------------------------------------------------------------------------- runs


def test_every_arm_is_scored_with_every_seed_on_the_same_rows(runs):
    assert len(runs) == 3 * 2 * len(ARMS)
    key = runs[["split", "seed", "arm"]]
    assert not key.duplicated().any() and runs[sms_spam.SCORES].notna().all(axis=None)
    sizes = runs.groupby("split")[sms_spam.COUNTS].agg(["min", "max"])
    assert (sizes.xs("min", axis=1, level=1) == sizes.xs("max", axis=1, level=1)).all(axis=None)
    share = runs[sms_spam.COUNTS[:2]].div(runs[sms_spam.COUNTS[:2]].sum(axis=1), axis=0)
    expected = -(share * np.log(share)).sum(axis=1)
    started = runs["arm"] == "bias initialisation"
    np.testing.assert_allclose(runs["first_loss"][started], expected[started], atol=1e-4)


def test_scores_are_those_of_the_probabilities(runs, study):
    row = runs.query("split == '85/15' and seed == 1 and arm == 'focal'").iloc[0]
    content = recall(sms_spam.memo(study, "messages", "85/15", 1, "focal"))
    found = np.load(io.BytesIO(content))
    data = sms_spam.load("messages")
    seed = sms_spam.seed_of(study, "messages", "85/15", 1)
    y, p = data.y[sms_spam.cut(data, "85/15", seed)[1]], found["probabilities"]
    said = p[:, 1] > 0.5
    assert row["accuracy"] == pytest.approx((said == (y == 1)).mean(), abs=1e-6)
    assert row["recall_spam"] == pytest.approx(said[y == 1].mean(), abs=1e-6)
    assert row["gap"] == pytest.approx(p.max(axis=1).mean() - row["accuracy"], abs=2e-6)
    odds = found["obvious"][:, 1] / found["obvious"][:, 0]
    assert row["log_odds"] == pytest.approx(np.log(odds).mean(), abs=1e-5)
    assert row["text_2"] == pytest.approx(found["obvious"][1, 1], abs=1e-6)


class Stopped(Exception):
    pass


def test_a_run_that_was_stopped_goes_on_where_it_was(runs, study):
    memo = [sms_spam.memo(study, "messages", "85/15", 0, arm) for arm in ARMS]
    for path in memo[:3]:
        path.unlink()

    def stop(text):
        raise Stopped

    with pytest.raises(Stopped):
        sms_spam.compute("messages", 3, jobs=1, progress=stop)
    assert [path.is_file() for path in memo[:3]] == [True, False, False]
    said = []
    again, _ = sms_spam.compute("messages", 3, jobs=1, progress=said.append)
    assert [text.split(", ")[0] for text in said] == [
        f"1/2 messages 85/15 seed 0 {ARMS[1]}",
        f"2/2 messages 85/15 seed 0 {ARMS[2]}",
    ]
    pd.testing.assert_frame_equal(again, runs)


def test_fewer_seeds_are_the_first_ones(runs, study):
    few, _ = sms_spam.compute("messages", 1, progress=None)
    expected = runs[runs["seed"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, expected)


def test_other_settings_and_other_code_are_other_fits(study, monkeypatch):
    place = ("messages", "85/15", 0, "focal")
    before = sms_spam.memo(study, *place)
    study.learners["minilm_finetune"]["epochs"] = 3
    assert sms_spam.memo(study, *place) != before
    other = [sms_spam.memo(study, *place[:3], arm) for arm in ARMS]
    assert len(set(other)) == len(ARMS)
    monkeypatch.setattr(sms_spam, "code_hash", lambda *families: "-".join(families))
    edited = [sms_spam.memo(study, *place[:3], arm) for arm in ARMS]
    assert not set(edited) & set(other)
    monkeypatch.setattr(
        sms_spam, "code_hash", lambda *families: "-".join(families).replace("under", "Under")
    )
    again = [sms_spam.memo(study, *place[:3], arm) for arm in ARMS]
    refitted = [arm for arm, a, b in zip(ARMS, edited, again, strict=True) if a != b]
    # The balanced arm draws its rows with the code of that family.
    assert refitted == [
        *("down-sampling + up-weighting", "down-sampling", "balanced, spam weight 10")
    ]


@pytest.mark.parametrize(
    ("dataset", "seeds", "said"),
    [("letters", 1, "classes a, b"), ("nothing", 1, "no data set"), ("messages", 0, "seeds is 0")],
)
def test_what_will_not_do_is_refused(study, dataset, seeds, said):
    with pytest.raises(StudyError, match=said):
        sms_spam.compute(dataset, seeds)


def test_a_study_without_the_learner_is_refused(study, monkeypatch):
    study.learners.clear()
    monkeypatch.setattr(config, "load", lambda: study)
    with pytest.raises(StudyError, match="no learner minilm_finetune"):
        sms_spam.compute("messages", 1)


@pytest.mark.parametrize("splits", [[], ["85/15", "80/20"]])
def test_unknown_splits_are_refused(study, splits):
    with pytest.raises(StudyError, match=r"unknown split.*Known: 85/15, de-duplicated"):
        sms_spam.compute("messages", 1, splits)


# --------------------------------------------------------------------------- tables and figures


def test_report_has_the_interval_of_the_mean(runs):
    table = sms_spam.report(runs, "85/15")
    assert len(table) == 3 * len(ARMS)
    part = runs.query("split == '85/15' and arm == 'baseline'")
    half = 4.302653 * part["recall_spam"].std() / np.sqrt(3)  # Student t, two degrees of freedom
    assert table["recall"][1] == f"{part['recall_spam'].mean():.3f} ± {half:.3f}"
    assert table["test texts"][:3].tolist() == [
        *part[["test_ham", "test_spam"]].iloc[0].astype(str),
        str(part[["test_ham", "test_spam"]].iloc[0].sum()),
    ]
    alone = sms_spam.report(runs[runs["seed"] == 0], "85/15")
    assert not alone["recall"].str.contains("±").any()


def test_arms_are_named_as_in_the_study():
    table = sms_spam.arms()
    assert table["arm"].tolist() == ARMS
    for arm, family, text in table.itertuples(index=False):
        known, name = definitions(family), text.split(":")[0]
        own = sms_spam.ARMS[arm][2]
        assert known[name].by_key == bool(own) and name in (own or [sms_spam.ARMS[arm][1]])
        shown = text.removesuffix(", on the rows of `down-sampling`")
        assert all(f"{key}: " in shown for key in own)
        assert (shown != text) == (arm == "balanced, spam weight 10")


def test_differences_are_paired_by_seed(runs):
    mixed = runs.sample(frac=1, random_state=0)
    table = sms_spam.differences(mixed, ["f1_spam"]).set_index(["split", "arm"])
    part = runs[runs["split"] == "85/15"].pivot(index="seed", columns="arm", values="f1_spam")
    expected = part["focal"] - part["baseline"]
    row, half = table.loc[("85/15", "focal")], 4.302653 * expected.std() / np.sqrt(3)
    assert row["mean"] == pytest.approx(expected.mean())
    assert (row["low"], row["high"]) == pytest.approx((row["mean"] - half, row["mean"] + half))
    assert "baseline" not in table.index.get_level_values("arm")


def test_figures_are_labelled(computed):
    runs, curves = computed
    axes = sms_spam.plot(runs).axes
    table = sms_spam.differences(runs, ["recall_spam"])
    means = [line.get_xdata() for line in axes[1].lines if len(line.get_xdata()) == len(ARMS) - 1]
    np.testing.assert_allclose(np.ravel(means), 100 * table["mean"])
    assert [ax.get_xlabel() for ax in axes] == ["spam precision", "spam recall", "spam F1"]
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ARMS[1:]
    assert set(curves["learner"]) == set(sms_spam.SPLITS)
    panels = plots.reliability(curves, ARMS[:3]).axes
    assert [ax.get_title(loc="left") for ax in panels] == ["85/15", "de-duplicated"]


def test_one_split_alone(computed, study, folder):
    runs, curves = sms_spam.compute("messages", 3, ["de-duplicated"], progress=print)
    both = computed[0][computed[0]["split"] == "de-duplicated"].reset_index(drop=True)
    pd.testing.assert_frame_equal(runs, both)
    table = sms_spam.facts("messages", 3, ["de-duplicated"])
    assert list(table) == ["quantity", "de-duplicated"]
    assert list(sms_spam.verdict_table(sms_spam.verdicts(runs))) == [
        "claim",
        "statement",
        "de-duplicated",
    ]
    assert "85/15" not in sms_spam.conclusion(runs, sms_spam.verdicts(runs))
    legend = sms_spam.plot(runs).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["de-duplicated"]
    assert len(plots.reliability(curves, ARMS[:3]).axes) == 1


def test_first_losses_stand_beside_what_is_expected(runs):
    table = sms_spam.first_losses(runs).set_index(["split", "arm"])
    for arm in ("bias initialisation", "zero start"):
        row = table.loc[("85/15", arm)]
        mean, half = row["first loss"].split(" ± ")
        assert float(mean) == pytest.approx(float(row["expected"]), abs=2e-4) and half == "0.0000"
    assert table.loc[("85/15", "zero start"), "expected"] == "0.6931"
    assert table.loc[("85/15", "baseline"), "expected"] == "0.6931"


# --------------------------------------------------------------------------- verdicts


def drawn(seeds=10, spread=0.0, **changes):
    """Runs in which every arm is the baseline, but for ``changes``: ``{arm: {metric: shift}}``."""
    rng = np.random.default_rng(0)
    noise = np.linspace(-1, 1, seeds)
    noise = noise / noise.std(ddof=1) * spread  # the same for any number of seeds
    noise = rng.permuted(noise[None].repeat(999, 0), axis=1)
    rows = []
    for split in sms_spam.SPLITS:
        for arm in ARMS:
            for seed in range(seeds):
                values = dict.fromkeys(sms_spam.SCORES, 0.5) | {"gap": 0.0}
                row = {"split": split, "arm": arm, "seed": seed, **values}
                row |= {"train_ham": 4111, "train_spam": 626, "test_ham": 716, "test_spam": 121}
                rows.append(row)
    runs = pd.DataFrame(rows)
    for arm, shifts in changes["changes"].items() if changes else ():
        for k, (metric, shift) in enumerate(shifts.items()):
            for split in sms_spam.SPLITS:
                mask = (runs["arm"] == arm) & (runs["split"] == split)
                runs.loc[mask, metric] += shift + noise[k]
    return runs


def verdict(claim, runs):
    table = sms_spam.verdicts(runs)
    (row,) = table[(table["claim"] == claim) & (table["split"] == "85/15")].to_dict("records")
    return row


BETTER = dict.fromkeys(sms_spam.OF_LABELS, 0.02)


@pytest.mark.parametrize(
    ("claim", "changes"),
    [
        ("A1", {"bias initialisation": BETTER}),
        ("A1b", {"bias initialisation": BETTER}),
        ("A2", {"down-sampling": {"log_loss": 0.1}, "up-sampling": {"log_loss": 0.1}}),
        (
            "A3",
            {
                "down-sampling + up-weighting": {"recall_spam": -0.02},
                "up-sampling + down-weighting": {"recall_spam": -0.02},
            },
        ),
        ("A4", {"focal": BETTER}),
        ("A5", {"inverse frequency": {"f1_spam": 0.02, "macro_f1": 0.01}}),
        (
            "A6",
            {"spam weight 10": {"recall_spam": 0.02, "precision_spam": -0.03, "f1_spam": -0.01}},
        ),
        ("A7", {"balanced, spam weight 10": {"recall_spam": 0.02}}),
        ("A8", {"inverse frequency": {"f1_spam": 0.02}}),
        (
            "A9",
            {
                "inverse frequency": {"gap": 0.02},
                "spam weight 10": {"gap": 0.02},
                "down-sampling + up-weighting": {"gap": -0.02},
                "bias initialisation": {"log_odds": 0.5},
                "focal": {"log_odds": -0.5},
            },
        ),
        ("A9b", {"bias initialisation": {"log_odds": 0.5}}),
    ],
)
def test_claims_are_supported_contradicted_or_undecided(claim, changes):
    clear = verdict(claim, drawn(spread=0.001, changes=changes))
    assert clear["verdict"] == "supported" and clear["fails"] == clear["open"] == 0
    # A spread as large as hides the shift leaves the claim open.
    noisy = verdict(claim, drawn(spread=2.0, changes=changes))
    assert noisy["verdict"] == "undecided" and noisy["open"] > 0
    against = {arm: {m: -d for m, d in shifts.items()} for arm, shifts in changes.items()}
    assert verdict(claim, drawn(spread=0.001, changes=against))["verdict"] == "contradicted"


def test_nothing_gained_contradicts_a_gain():
    table = sms_spam.verdicts(drawn()).set_index(["claim", "split"])["verdict"].unstack()
    assert (table["85/15"] == "contradicted").all()
    # Less than half a message is nothing, half a message more is open to be counted.
    small = {"inverse frequency": {"f1_spam": 0.003, "macro_f1": 0.001}}
    assert verdict("A5", drawn(spread=0.0, changes=small))["verdict"] == "supported"
    assert verdict("A5", drawn(spread=0.003, changes=small))["verdict"] == "undecided"
    less = {arm: {m: d / 6 for m, d in shifts.items()} for arm, shifts in small.items()}
    assert verdict("A5", drawn(spread=0.001, changes=less))["verdict"] == "contradicted"


def test_margins_are_half_a_message_of_the_class():
    runs = drawn()
    margin = {
        m: sms_spam.margin(runs, "85/15", m) for m in [*sms_spam.OF_LABELS, "gap", "log_odds"]
    }
    assert margin["recall_spam"] == margin["f1_spam"] == 0.5 / 121
    assert margin["precision_ham"] == 0.5 / 716 and margin["accuracy"] == margin["gap"] == 0.5 / 837
    assert margin["macro_f1"] == pytest.approx((0.5 / 121 + 0.5 / 716) / 2)
    assert margin["log_odds"] == 0.1


def test_probabilities_are_kept_true_up_to_a_quarter():
    base = {"down-sampling": {"log_loss": 0.3}, "up-sampling": {"log_loss": 0.3}}
    worse = {"down-sampling + up-weighting": {"brier": 0.1}}  # of 0.5
    assert verdict("A2", drawn(spread=0.001, changes=base | worse))["verdict"] == "supported"
    worse = {"down-sampling + up-weighting": {"brier": 0.2}}
    assert verdict("A2", drawn(spread=0.001, changes=base | worse))["verdict"] == "contradicted"


def test_one_failure_among_many_statements_needs_a_wider_interval():
    numbers = -0.009, 0.0116, 0.0, 0.0  # mean, spread, limits
    assert sms_spam.holds(*numbers, 10, 1) is False
    assert sms_spam.holds(*numbers, 10, 8) is None


def test_seeds_that_it_would_take_decide_it():
    changes = {"inverse frequency": {"f1_spam": 0.02, "macro_f1": 0.02}}
    runs = drawn(spread=0.04, changes=changes)
    found = verdict("A5", runs)
    assert found["verdict"] == "undecided" and found["seeds"] == 10
    n = int(found["seeds_needed"])
    said = {m: verdict("A5", drawn(m, 0.04, changes=changes))["verdict"] for m in (n - 1, n)}
    assert said == {n - 1: "undecided", n: "supported"}
    row = sms_spam.verdict_table(sms_spam.verdicts(runs)).set_index("claim").loc["A5"]
    assert f"about {n} seeds" in row["85/15"]


def test_few_seeds_decide_nothing():
    found = sms_spam.verdicts(drawn(seeds=2))
    assert (found["verdict"] == "undecided").all() and found["seeds_needed"].isna().all()
    assert sms_spam.verdict_table(found)["85/15"].str.contains("fewer than 3 seeds").all()


def test_what_no_number_of_seeds_decides_says_so():
    changes = {"inverse frequency": {"f1_spam": 0.003, "macro_f1": 0.0018}}
    found = sms_spam.verdicts(drawn(spread=5.0, changes=changes))
    row = sms_spam.verdict_table(found).set_index("claim").loc["A5", "85/15"]
    assert "undecided" in row and "more than 1000 seeds" in row


def test_statements_are_shown_as_they_are_judged():
    changes = {"up-sampling + down-weighting": {"recall_spam": -0.02}}
    runs = drawn(spread=0.001, changes=changes)
    table = sms_spam.statements(runs)
    assert len(table) == sum(len(said) for _, said in sms_spam.CLAIMS.values())
    row = table[table["claim"] == "A3"].iloc[1]
    assert row["statement"] == "up-sampling + down-weighting: spam recall below that of baseline"
    assert row["85/15"].startswith("-0.02") and row["85/15"].endswith("]: holds")
    counted = sms_spam.verdicts(runs).groupby("split")[["holds", "fails", "open"]].sum()
    for word, number in counted.loc["85/15"].items():
        assert table["85/15"].str.endswith(word).sum() == number


def test_conclusion_is_made_of_the_numbers():
    changes = {"focal": {"f1_spam": 0.02}, "up-sampling": {"f1_spam": -0.02}}
    runs = drawn(spread=0.001, changes=changes)
    text = sms_spam.conclusion(runs, sms_spam.verdicts(runs))
    assert "spam F1 is 0.5000" in text and "does not reach 0.96" in text
    assert "Of the other 10 arms 1 have a higher one with an interval above zero and 1 a" in text
    assert "`up-sampling` (-0.0200) to `focal` (+0.0200)" in text
    assert "undecided: none" in text and "contradicted: A1" in text


# --------------------------------------------------------------------------- the notebook


def test_the_notebook_runs_and_saves_the_table(runs, study, folder):
    given = {"dataset": "messages", "seeds": 3, "save": True}
    notebooks.execute(NOTEBOOK, folder / "results/out.ipynb", given)
    text = (folder / "results/out.ipynb").read_text(encoding="utf-8")
    assert "Claims on de-duplicated" in text and text.count('"image/png": "') == 2
    saved = pd.read_csv(folder / "results/tables/sms_spam_article.csv")
    pd.testing.assert_frame_equal(saved, runs, check_dtype=False)
