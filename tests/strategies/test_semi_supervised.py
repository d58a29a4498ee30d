from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imbbench import config
from imbbench.bench.cell import Cell, Task
from imbbench.bench.counts import inverse_frequency_weights
from imbbench.bench.registry import LEARNERS, NotApplicable, resolve
from imbbench.bench.sentence_encoder import SentenceEncoder
from imbbench.errors import StudyError
from imbbench.strategies import semi_supervised
from imbbench.strategies.semi_supervised import (
    all_labels,
    extra_steps,
    labelled_only,
    pseudo_labels,
    self_supervised,
)
from imbbench.strategies.semi_supervised.pools import (
    AS_BALANCED,
    LABELLED,
    POWERS,
    pool_rows,
    split_labels,
)
from imbbench.strategies.semi_supervised.pretraining import (
    Pretraining,
    Rotation,
    Scarf,
    SimCSE,
    column_groups,
    corrupt,
    info_nce,
    pretraining_for,
)


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study."""

    def cell(dataset="binary", learner="logreg", strategy="tried", **others):
        study.learners[learner] = {**study.learners.get(learner, {}), **others}
        return Cell(study, Task(dataset, "reference", learner, strategy, 0), reuse=False)

    return cell


@pytest.fixture
def fits(monkeypatch):
    """``fits(strategy, cell, *values)``: what every fit of the strategy is given, in order."""

    def call(strategy, cell, *values, **parameters):
        found, fit = [], cell.fit

        def spy(X=None, y=None, **rest):
            found.append({"X": X, "y": y, **rest})
            return fit(X, y, **rest)

        monkeypatch.setattr(cell, "fit", spy)
        model = strategy(cell, *values, **parameters)
        monkeypatch.setattr(cell, "fit", fit)
        return found, model

    return call


# --------------------------------------------------------------------------- labelled part, pool


@pytest.mark.parametrize("dataset", ["binary", "nominal", "four"])
def test_labelled_part_is_stratified_and_the_rest_hidden(make, dataset):
    cell = make(dataset)
    rows, hidden = split_labels(cell, 0.2)
    assert sorted([*rows, *hidden]) == list(range(len(cell.y)))
    expected = np.maximum(2, np.round(0.2 * cell.class_counts))
    np.testing.assert_array_equal(np.bincount(cell.y[rows]), expected)


def test_all_entries_of_a_split_have_the_same_labelled_part(make, fits):
    one, two = make(strategy="one"), make(strategy="two")
    assert one.seed != two.seed
    only, _ = fits(labelled_only, one, 0.2)
    for strategy, pool in ((all_labels, 1), (pseudo_labels, 2)):
        for prior in ("matched", "more_imbalanced"):
            found, _ = fits(strategy, two, pool, labelled=0.2, prior=prior)
            n = len(only[0]["y"])
            np.testing.assert_array_equal(found[-1]["X"][:n], only[0]["X"])
            np.testing.assert_array_equal(found[-1]["y"][:n], only[0]["y"])


@pytest.mark.parametrize("learner", ["logreg", "mlp"])
def test_the_first_model_of_pseudo_labels_is_labelled_only(make, fits, learner):
    cell = make(learner=learner)
    alone = labelled_only(make(learner=learner, strategy="alone"), 0.2)
    (first, second), _ = fits(pseudo_labels, cell, 2, labelled=0.2)
    n = len(first["y"])
    guess = alone.predict_proba(second["X"][n:]).argmax(axis=1)
    np.testing.assert_array_equal(second["y"][n:], guess)


def test_pools_grow_by_adding_rows(make, fits):
    cell = make("four")
    n = len(split_labels(cell, 0.2)[0])
    small, large = (fits(pseudo_labels, cell, k, labelled=0.2)[0][-1]["X"] for k in (1, 2.5))
    assert (len(small), len(large)) == (2 * n, n + round(2.5 * n))
    np.testing.assert_array_equal(large[: len(small)], small)


def test_a_pool_of_all_hidden_rows_with_labels_is_the_training_part(make, fits):
    cell = make()
    rows, hidden = split_labels(cell, 0.2)
    (found,), _ = fits(all_labels, cell, len(hidden) / len(rows), labelled=0.2)
    both = np.concatenate([rows, hidden])
    np.testing.assert_array_equal(found["X"], cell.X[both])
    np.testing.assert_array_equal(found["y"], cell.y[both])


@pytest.mark.parametrize("pool", [2, AS_BALANCED])
@pytest.mark.parametrize("learner", ["logreg", "mlp"])
def test_labels_of_a_matched_pool_are_hidden(make, monkeypatch, pool, learner):
    cell = make("four", learner)
    rows, hidden = split_labels(cell, 0.2)
    honest = pseudo_labels(cell, pool, labelled=0.2, weighted=True)
    poisoned = make("four", learner)
    poisoned.y = cell.y.copy()
    # Another order of the same labels: a balanced pool's size comes from their counts.
    poisoned.y[hidden] = np.random.default_rng(0).permutation(cell.y[hidden])
    assert (poisoned.y != cell.y).mean() > 0.3
    monkeypatch.setattr(semi_supervised, "split_labels", lambda cell, labelled: (rows, hidden))
    found = pseudo_labels(poisoned, pool, labelled=0.2, weighted=True)
    np.testing.assert_array_equal(honest.predict_proba(cell.X_val), found.predict_proba(cell.X_val))
    # The bound does use them.
    bounds = [all_labels(c, pool, labelled=0.2).predict_proba(c.X_val) for c in (cell, poisoned)]
    assert np.abs(bounds[0] - bounds[1]).max() > 1e-3


def test_hidden_labels_choose_the_rows_of_a_mismatched_pool_and_no_more(make, fits):
    cell = make()
    rows, hidden = split_labels(cell, 0.2)
    chosen = pool_rows(cell, hidden, len(rows), AS_BALANCED, "balanced")
    (_, second), _ = fits(pseudo_labels, cell, AS_BALANCED, labelled=0.2, prior="balanced")
    np.testing.assert_array_equal(second["X"][len(rows) :], cell.X[chosen])
    assert (second["y"][len(rows) :] != cell.y[chosen]).any()


@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_priors(make, dataset):
    cell = make(dataset)
    rows, hidden = split_labels(cell, 0.2)
    counts = np.bincount(cell.y[hidden])
    sizes = {}
    for prior in POWERS:
        pool = pool_rows(cell, hidden, len(rows), AS_BALANCED, prior)
        assert len(pool) == len(counts) * counts.min()
        assert len(set(pool)) == len(pool)
        assert set(pool) <= set(hidden)
        sizes[prior] = np.bincount(cell.y[pool], minlength=len(counts))
    assert (sizes["balanced"] == counts.min()).all()
    squares = cell.class_counts.astype(float) ** 2
    expected = sizes["balanced"].sum() * squares / squares.sum()
    assert np.abs(sizes["more_imbalanced"] - expected).max() < 1
    assert sizes["matched"][0] < sizes["more_imbalanced"][0]


def test_a_matched_pool_has_the_natural_shares():
    """In the mean over splits, since its rows are drawn whatever their classes."""

    class Made:
        y = np.repeat([0, 1], [400, 100])
        class_counts, classes = np.array([400, 100]), ["a", "b"]
        need = Cell.need

    shares = []
    for seed in range(200):
        cell = Made()
        cell.common_seed = seed
        rows, hidden = split_labels(cell, 0.2)
        shares.append(cell.y[pool_rows(cell, hidden, len(rows), 1, "matched")].mean())
    assert np.mean(shares) == pytest.approx(0.2, abs=4 * np.std(shares) / 200**0.5)


def test_a_pool_that_does_not_exist_does_not_apply(make):
    cell = make()
    with pytest.raises(NotApplicable, match=r"rows is asked for, \d+ are hidden"):
        pseudo_labels(cell, 50, labelled=0.2)
    with pytest.raises(NotApplicable, match=r"a balanced pool of .* of class positive"):
        pseudo_labels(cell, 3, labelled=0.2, prior="balanced")
    with pytest.raises(NotApplicable, match="too few to keep 95 % of them"):
        labelled_only(make("four"), 0.95)


def test_weights_count_pseudo_labels(make, fits):
    (first, second), _ = fits(pseudo_labels, make("four"), 2, labelled=0.2, weighted=True)
    assert "class_weight" not in first
    counts = np.bincount(second["y"], minlength=4)
    np.testing.assert_array_equal(second["class_weight"], inverse_frequency_weights(counts))
    (only,), _ = fits(labelled_only, make("four"), 0.2, weighted=True)
    np.testing.assert_array_equal(
        only["class_weight"], inverse_frequency_weights(np.bincount(only["y"]))
    )


def test_few_rows_are_trained_on_for_as_many_steps_as_all(make):
    cell = make(learner="mlp", epochs=4)
    model = labelled_only(cell, 0.2)
    assert model.n_steps_ == cell.steps == cell.plain().n_steps_
    assert model.rows_seen_ == cell.steps * model.batch_size


def test_sparse_texts(make, fits):
    cell = make("texts", "tfidf_logreg")
    found, model = fits(pseudo_labels, cell, 2, labelled=0.2)
    assert found[-1]["X"].format == "csr"
    assert model.predict_proba(cell.X_val).shape == (len(cell.y_val), 2)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"labelled_only": 0}, "labelled is a number above 0 and"),
        ({"labelled_only": 1.0}, "labelled is a number above 0 and"),
        ({"labelled_only": True}, "labelled is a number above 0 and"),
        ({"labelled_only": "half"}, "labelled is a number above 0 and"),
        (
            {"pseudo_labels": 1, "labelled": float("nan")},
            "labelled is a number above 0 and",
        ),
        ({"pseudo_labels": 0}, "above 0"),
        ({"pseudo_labels": -1}, "above 0"),
        ({"pseudo_labels": float("inf")}, "above 0"),
        ({"pseudo_labels": "all"}, "if not as_balanced.*not 'all'"),
        (
            {"pseudo_labels": 1, "prior": "inverted"},
            "of 'matched', 'balanced', 'more_imbalanced'",
        ),
        ({"all_labels": 0}, "above 0"),
        ({"all_labels": 1, "prior": "inverted"}, "prior must be one of"),
        ({"self_supervised": 0}, "share of the learner's steps"),
        ({"extra_steps": -0.5}, "share of the learner's steps"),
        ({"self_supervised": 1, "temperature": 1}, "unknown key 'temperature'"),
    ],
)
def test_bad_values_are_refused_before_anything_is_fitted(entry, message):
    with pytest.raises(StudyError, match=message):
        resolve("semi_supervised", "tried", entry)


# --------------------------------------------------------------------------- pre-training tasks


def test_info_nce_by_hand():
    anchors = torch.tensor([[3.0, 0.0], [0.0, 0.5]])
    others = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    # Cosines: 1 and 0.7071 from the first, 0 and 0.7071 from the second.
    c = 0.5**0.5
    for temperature in (1.0, 0.05):
        first = -np.log(1 / (1 + np.exp((c - 1) / temperature)))
        second = -np.log(1 / (1 + np.exp((0 - c) / temperature)))
        value = info_nce(anchors, others, temperature)
        assert float(value) == pytest.approx((first + second) / 2, rel=1e-4)
    alike = torch.ones(7, 3)
    assert float(info_nce(alike, alike, 0.05)) == pytest.approx(np.log(7), abs=1e-5)


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(0, 6), st.integers(0, 10))
def test_corruption_replaces_whole_features_by_values_that_occur(nominal, numeric, seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(3, size=(12, nominal))
    codes[:3] = [[0], [1], [2]]
    numbers = np.arange(12.0)[:, None] + 100 * np.arange(numeric)
    X = torch.from_numpy(np.hstack([np.eye(3)[codes].reshape(12, -1), numbers]))
    groups = torch.from_numpy(
        np.repeat(np.arange(nominal + numeric), [3] * nominal + [1] * numeric)
    )
    rows = torch.tensor([4, 4, 9])
    found = corrupt(X, rows, groups, rng)
    assert found.shape == (3, X.shape[1])
    assert (found[:, : 3 * nominal].reshape(3, nominal, 3).sum(2) == 1).all()
    for column in range(X.shape[1]):
        assert set(found[:, column].tolist()) <= set(X[:, column].tolist())
    features = nominal + numeric
    changed = torch.zeros(3, features).index_add_(1, groups, (found != X[rows]).float()) > 0
    assert changed.sum(1).max() <= max(1, round(0.6 * features))


def test_corruption_replaces_its_share():
    X = torch.randn(1000, 10, generator=torch.Generator().manual_seed(0))
    rows = torch.arange(1000)
    found = corrupt(X, rows, torch.arange(10), np.random.default_rng(0))
    changed = (found != X).sum(1)
    assert changed.max() == 6
    assert changed.float().mean() > 5.9  # a row can be its own donor
    found = corrupt(X[:, :1], rows, torch.tensor([0]), np.random.default_rng(0))
    assert (found != X[:, :1]).float().mean() > 0.99


@pytest.mark.parametrize("dataset", ["binary", "mixed", "nominal"])
def test_groups_follow_the_columns_that_the_network_sees(make, dataset):
    cell = make(dataset, "mlp")
    seen = {}

    def look(trunk, inputs, rng):
        seen["inputs"] = inputs.numpy()
        return 0

    cell.fit(pretrain=look, steps=1)
    groups = column_groups(cell).numpy()
    assert len(groups) == seen["inputs"].shape[1]
    for group in range(cell.categorical.sum()):
        assert (seen["inputs"][:, groups == group].sum(axis=1) == 1).all()
    assert groups.max() + 1 == cell.X.shape[1]


@pytest.fixture
def trained(make, encoder, study):
    """``trained(kind, steps)``: a pre-trained trunk, its hook and what it was before."""

    def call(kind, steps, seed=0):
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        if kind == "Scarf":
            cell = make("four", "mlp", hidden=[16])
            cell.X = rng.normal(size=(200, 1)) * np.linspace(1, 2, 8) + 0.1 * rng.normal(
                size=(200, 8)
            )
            cell.categorical = np.zeros(8, dtype=bool)
            inputs, task = torch.from_numpy(cell.X).float(), Scarf(cell)
            trunk = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU())
            learner = cell.make()
        elif kind == "Rotation":
            learner = LEARNERS["cnn"](batch_size=32)
            images = rng.normal(size=(200, 5, 5)) * 0.1
            images[:, 0, :] += 1.0
            inputs = torch.from_numpy(images.reshape(200, 25)).float()

            class Made:
                X = inputs
                need = Cell.need

            task = Rotation(Made())
            trunk, _ = learner._trunk(25)
        else:
            from imbbench.bench.encoder import pretrained

            learner = LEARNERS["minilm_finetune"](encoder=encoder, batch_size=16)
            inputs = torch.from_numpy(rng.integers(5, 25, size=(64, 6)))
            trunk = SentenceEncoder(pretrained(encoder, 1))
            trunk.model.embeddings.requires_grad_(False)
            task = SimCSE(None)
            task.rate = 3e-3
        before = {name: value.clone() for name, value in trunk.state_dict().items()}
        hook = Pretraining(task, steps, learner)
        rows = hook(trunk, inputs, rng)
        return trunk, hook, before, rows, inputs

    return call


@pytest.mark.parametrize(("kind", "views"), [("Scarf", 2), ("SimCSE", 2), ("Rotation", 4)])
def test_pretraining_learns_its_task_and_counts_its_rows(trained, kind, views):
    trunk, hook, before, rows, _ = trained(kind, 15)
    assert len(hook.history) == 15
    assert hook.history[-1] < hook.history[0] - 0.05
    assert rows == 15 * views * hook.learner.batch_size
    moved = [
        name for name, value in trunk.state_dict().items() if not torch.equal(value, before[name])
    ]
    assert moved
    assert not any("embeddings" in name for name in moved)  # frozen ones stay
    again = trained(kind, 15)[1]
    assert hook.history == again.history
    assert hook.history != trained(kind, 15, seed=1)[1].history


def test_turned_images_are_told_apart(trained):
    assert trained("Rotation", 100)[1].history[-1] < 0.2  # guessing costs log 4


def test_an_encoder_without_dropout_does_not_apply():
    trunk = torch.nn.Linear(3, 3)
    with pytest.raises(NotApplicable, match="no dropout"):
        SimCSE(None).loss(trunk, trunk, torch.randn(4, 3), torch.arange(4), None)


# --------------------------------------------------------------------------- pre-training cells


def test_plan_spends_the_share_of_steps(make):
    for steps, share, expected in ((50, 0.8, 20), (50, 0.1, 2), (2, 0.1, 1)):
        plan = pretraining_for(make(learner="mlp", epochs=0, steps=steps), share)
        assert (plan.steps, plan.task.views) == (expected, 2)


def test_self_supervised_and_its_control_pass_as_many_rows(make):
    settings = {"learner": "mlp", "epochs": 0, "steps": 20}
    before, more = make(**settings), make(**settings)
    model = self_supervised(before, 0.8)
    control = extra_steps(more, 0.8)
    assert before.rows_seen == more.rows_seen == 36 * model.batch_size
    assert (model.n_steps_, control.n_steps_) == (20, 36)
    assert len(model.pretrain.history) == 8


def test_training_starts_from_the_pretrained_trunk(make):
    cell = make("four", "mlp")
    plain = cell.plain()
    model = self_supervised(cell, 0.8)
    passed = 2 * len(model.pretrain.history) * model.batch_size
    assert model.rows_seen_ == cell.steps * model.batch_size + passed
    assert model.first_loss_ != plain.first_loss_


@pytest.mark.parametrize("strategy", [self_supervised, extra_steps])
def test_weighted(make, fits, strategy):
    cell = make("four", "mlp")
    (found,), _ = fits(strategy, cell, 0.8, weighted=True)
    np.testing.assert_array_equal(
        found["class_weight"], inverse_frequency_weights(cell.class_counts)
    )
    (found,), _ = fits(strategy, cell, 0.8)
    assert found["class_weight"] is None


@pytest.mark.parametrize("strategy", [self_supervised, extra_steps])
@pytest.mark.parametrize("learner", ["logreg", "tree", "hgb", "mlp"])
def test_what_has_no_hidden_layer_does_not_apply(make, strategy, learner):
    cell = make(learner=learner, **({"hidden": []} if learner == "mlp" else {}))
    with pytest.raises(NotApplicable, match="has no hidden layers to pre-train"):
        strategy(cell, 0.8)


def test_images_that_are_not_square_do_not_apply(make):
    cell = make("images", "cnn")
    assert pretraining_for(cell, 0.8).task.side == 7
    cell.X = cell.X[:, :-1]
    with pytest.raises(NotApplicable, match="square"):
        self_supervised(cell, 0.8)


def test_entries_share_the_labelled_part():
    """In params.yaml, too: a strategy and its control keep the same share of labels."""
    study = config.load(Path(__file__).parents[2] / "params.yaml")
    entries = study.family("semi_supervised")
    shares = {
        entry.get("labelled_only", entry.get("labelled", LABELLED))
        for entry in entries.values()
        if not {"self_supervised", "extra_steps"} & set(entry)
    }
    assert shares == {LABELLED}


def test_finetuning_after_simcse(encoder):
    rng = np.random.default_rng(0)
    X, y = rng.integers(5, 25, size=(40, 6)), np.repeat([0, 1], 20)
    settings = {"encoder": encoder, "layers": 1, "batch_size": 16, "epochs": 1, "random_state": 0}
    learner = LEARNERS["minilm_finetune"]

    def fit():
        hook = Pretraining(SimCSE(None), 1, learner(**settings))
        return learner(**settings, pretrain=hook).fit(X, y)

    model = fit()
    assert model.rows_seen_ == (2 * 1 + 3) * 16
    np.testing.assert_array_equal(model.predict_proba(X), fit().predict_proba(X))
    plain = learner(**settings).fit(X, y).predict_proba(X)
    assert np.abs(model.predict_proba(X) - plain).max() > 0
