import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from imbbench import config
from imbbench.bench.counts import log_prior_bias
from imbbench.bench.encoder import pretrained, tokenize
from imbbench.bench.learners import LogReg
from imbbench.bench.neural import CNN, MLP, MiniLMFinetune, _alike
from imbbench.bench.objectives import WeightedCrossEntropy
from imbbench.bench.registry import INTERNAL, LEARNERS, learner_class, parameters
from imbbench.bench.sentence_encoder import SentenceEncoder
from imbbench.errors import StudyError
from imbbench.strategies.loss.ghm import GHMCLoss
from imbbench.strategies.loss.ldam import LDAMLoss

STUDY = config.load(Path(__file__).parents[2] / "params.yaml")
# Learners of arrays; others take texts or images and are tested with their own data.
ARRAYS = {
    name: cls
    for name, cls in LEARNERS.items()
    if set(cls.features.values()) <= {"matrix", "tfidf", "embedding", "pixels"}
}
QUICK = {"max_iter": 10, "hidden": (16,), "epochs": 20, "batch_size": 16}
MINI_BATCHES = "mini-batches: weighting a row twice is not the same as showing it twice"
EXPECTED = {
    "MLP": {"check_sample_weight_equivalence_on_dense_data": MINI_BATCHES},
    "CNN": {"check_sample_weight_equivalence_on_dense_data": MINI_BATCHES},
    "MiniLMHead": {"check_sample_weight_equivalence_on_dense_data": MINI_BATCHES},
}


def quick(cls, **others):
    settings = {
        key: value for key, value in QUICK.items() if key in inspect.signature(cls).parameters
    }
    return cls(**{**settings, **others})


@parametrize_with_checks(
    [quick(cls) for cls in ARRAYS.values()],
    expected_failed_checks=lambda estimator: EXPECTED.get(type(estimator).__name__, {}),
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [60, 30, 10])
    X = rng.normal(y[:, None], 1.0, (100, 3))
    codes = rng.integers(0, 3, 100)
    return np.column_stack([X, codes]).astype(float), y


@pytest.mark.parametrize("name", ARRAYS)
def test_a_learner_keeps_to_the_contract(name, data):
    X, y = data
    learner = quick(LEARNERS[name], random_state=0)
    learner.set_params(categorical=np.array([False, False, False, True]))
    model = clone(learner).fit(X, y)
    assert not hasattr(learner, "classes_")
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (100, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert model.classes_.tolist() == [0, 1, 2]
    assert (model.predict(X) == probabilities.argmax(axis=1)).all()
    again = clone(learner).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(probabilities, again)
    X[:, 3] = [-1.0, 7.0] * 50  # categories never seen
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_is_in_the_study_and_documented(name):
    assert name in STUDY.learners
    cls = learner_class(name)
    assert cls.__doc__
    assert set(cls.features) <= {"tabular", "text", "image"}
    known = parameters(cls)
    assert not set(known) & INTERNAL
    assert set(STUDY.learner(name)) <= set(known)
    assert {"categorical", "random_state"} <= set(inspect.signature(cls).parameters)


def test_unknown_learner():
    with pytest.raises(StudyError, match=r"Unknown learner 'svm'\. Known: logreg, tree"):
        learner_class("svm")


def test_codes_are_spread_out_for_a_linear_model():
    codes = np.tile([0.0, 1.0, 2.0], 30)[:, None]
    y = (codes[:, 0] == 1).astype(int)  # the middle code: no threshold on the code separates it
    assert LogReg().fit(codes, y).predict_proba(codes)[1, 1] < 0.5
    assert LogReg(categorical=np.array([True])).fit(codes, y).predict_proba(codes)[1, 1] > 0.8


def test_wide_categories_count_as_numbers():
    codes = np.arange(600.0)[:, None]
    y = (codes[:, 0] > 300).astype(int)
    model = LEARNERS["hgb"](categorical=np.array([True])).fit(codes, y)
    assert np.mean(model.predict(codes) == y) > 0.99


# The multi-layer perceptron


def entropy(p):
    return -np.sum(p * np.log(p))


def test_first_loss_is_log_c_or_the_entropy_of_the_prior(data):
    X, y = data
    counts = np.bincount(y)
    zero = MLP(epochs=1, random_state=0, bias=np.zeros(3)).fit(X, y)
    assert zero.first_loss_ == pytest.approx(np.log(3), abs=1e-6)
    started = MLP(epochs=1, random_state=0, bias=log_prior_bias(counts)).fit(X, y)
    assert started.first_loss_ == pytest.approx(entropy(counts / 100), abs=1e-6)


def test_bias_gradient_vanishes_at_the_prior(data):
    X, y = data
    bias = log_prior_bias(np.bincount(y))
    model = MLP(epochs=1, batch_size=100, learning_rate=1e-9, bias=bias, random_state=0).fit(X, y)
    logits = model.head_.bias.expand(100, 3)
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y))
    (gradient,) = torch.autograd.grad(loss, model.head_.bias)
    assert gradient.abs().max() < 1e-6


class Recorder(torch.nn.Module):
    """Cross-entropy that keeps what it was given."""

    def __init__(self):
        super().__init__()
        self.targets = []

    def forward(self, logits, target):
        if logits.requires_grad:
            self.targets.append(target.tolist())
        return torch.nn.functional.cross_entropy(logits, target)


def test_every_row_once_an_epoch_in_batches(data):
    X, y = data
    loss = Recorder()
    MLP(epochs=2, batch_size=32, loss=loss, random_state=0).fit(X, y)
    assert [len(t) for t in loss.targets] == [32, 32, 32, 4] * 2
    first, second = (np.concatenate(loss.targets[i : i + 4]) for i in (0, 4))
    assert sorted(first) == sorted(second) == y.tolist()
    assert first.tolist() != second.tolist()


def test_draw_gives_the_rows_of_an_epoch(data):
    X, y = data
    loss, seen = Recorder(), []

    def draw(target, progress, rng):
        seen.append((target.tolist(), progress))
        return np.flatnonzero(target == 2), None

    MLP(epochs=3, loss=loss, draw=draw, random_state=0).fit(X, y)
    assert [progress for _, progress in seen] == [0, 1 / 3, 2 / 3]
    assert seen[0][0] == y.tolist()
    assert loss.targets == [[2] * 10] * 3


def steps(X, y, weights=None, **settings):
    """Weights of the network after two epochs without decay."""
    settings = {"epochs": 2, "batch_size": 10, "weight_decay": 0.0, "random_state": 0, **settings}
    model = MLP(hidden=(4,), **settings).fit(X, y, sample_weight=weights)
    return np.concatenate([p.detach().numpy().ravel() for p in model.network_.parameters()])


def test_equal_weights_change_nothing(data):
    X, y = data
    np.testing.assert_allclose(steps(X, y, np.full(100, 7.0)), steps(X, y), atol=1e-6)


def test_weights_have_one_denominator_for_all_batches(data):
    """A batch of light rows counts less than one of heavy rows; torch's mean would equal them."""
    X, y = data
    weights = np.where(y == 0, 0.1, 1.0)
    zero = {"bias": np.zeros(3), "random_state": 0}
    model = MLP(epochs=1, batch_size=10, **zero).fit(X, y, sample_weight=weights)
    assert model.first_loss_ == pytest.approx(np.log(3), abs=1e-6)
    normalised = steps(X, y, weights, batch_size=10)
    per_batch = steps(X, y, loss=WeightedCrossEntropy(np.array([0.1, 1.0, 1.0])), batch_size=10)
    assert np.abs(normalised - per_batch).max() > 1e-3


def test_weighted_cross_entropy_and_row_weights_agree_on_a_whole_batch(data):
    X, y = data
    class_weight = np.array([0.5, 2.0, 7.0])
    rows = steps(X, y, class_weight[y], batch_size=100)
    loss = steps(X, y, loss=WeightedCrossEntropy(class_weight), batch_size=100)
    np.testing.assert_allclose(rows, loss, atol=1e-5)


def test_row_weights_go_with_the_cross_entropy_alone(data):
    X, y = data
    with pytest.raises(ValueError, match="weights of rows multiply the cross-entropy"):
        MLP(loss=GHMCLoss()).fit(X, y, sample_weight=np.ones(100))


def test_weights_that_sum_to_zero(data):
    X, y = data
    with pytest.raises(ValueError, match="sum to zero"):
        MLP().fit(X, y, sample_weight=np.zeros(100))


def test_the_best_epoch_is_kept_and_patience_ends_training(data):
    X, y = data
    rng = np.random.default_rng(1)
    X_val, y_val = (
        X + rng.normal(0, 1, X.shape),
        y,
    )  # the training rows in noise: over-fitting shows
    settings = {"batch_size": 10, "learning_rate": 0.05, "random_state": 0}
    model = MLP(epochs=40, patience=3, **settings).fit(X, y, X_val, y_val)
    best = int(np.argmin(model.history_))
    assert model.n_epochs_ == len(model.history_) == best + 4 < 40
    shorter = MLP(epochs=best + 1, patience=40, **settings).fit(X, y, X_val, y_val)
    np.testing.assert_array_equal(model.predict_proba(X), shorter.predict_proba(X))
    full = MLP(epochs=model.n_epochs_, **settings).fit(X, y)
    assert full.history_ == []
    assert full.n_epochs_ == model.n_epochs_
    assert np.abs(full.predict_proba(X) - model.predict_proba(X)).max() > 1e-6


@pytest.mark.parametrize("shares", [(8, 2), (5, 5), (2, 8)])
def test_early_stopping_sees_the_class_shares_that_are_trained_on(shares):
    """A balanced sample is not stopped by the majority of the natural validation part."""
    held_out = np.repeat([0, 1], [40, 10])
    rows = _alike(held_out, np.repeat([0, 1], shares), None)
    assert set(rows) == set(range(50))
    assert np.bincount(held_out[rows])[0] / len(rows) == pytest.approx(shares[0] / 10)
    weighted = _alike(held_out, np.repeat([0, 1], [5, 5]), torch.tensor([1.6] * 5 + [0.4] * 5))
    assert len(weighted) == 50


def test_the_validation_part_only_selects(data):
    """Two validation parts give the same weights after the same number of epochs."""
    X, y = data
    one = MLP(epochs=1, random_state=0).fit(X, y, X[::2], y[::2])
    other = MLP(epochs=1, random_state=0).fit(X, y, X[1::2], y[1::2])
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_training_is_deterministic_and_seeded(data):
    X, y = data
    np.testing.assert_array_equal(steps(X, y), steps(X, y))
    torch.manual_seed(99)
    np.random.default_rng(5).random()
    np.testing.assert_array_equal(steps(X, y), steps(X, y))
    assert np.abs(steps(X, y, random_state=1) - steps(X, y)).max() > 1e-3


def test_learner_of_no_hidden_layer_is_logistic_regression(data):
    X, y = data
    model = MLP(hidden=(), epochs=600, batch_size=100, learning_rate=0.05, weight_decay=0.0)
    found = model.set_params(random_state=0).fit(X, y).predict_proba(X)
    expected = LogisticRegression(C=1e6, max_iter=1000).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_biases_do_not_decay(data):
    X, y = data
    bias = np.array([1.0, 2.0, 3.0])

    class Nothing(torch.nn.Module):
        def forward(self, logits, target):
            return 0.0 * logits.sum()

    model = MLP(epochs=5, weight_decay=0.9, learning_rate=0.5, loss=Nothing(), bias=bias)
    model.fit(X, y)
    np.testing.assert_allclose(model.head_.bias.detach(), bias)


def test_sigmoid_losses_give_normalised_sigmoids(data):
    X, y = data
    loss = GHMCLoss()
    assert loss.probabilities == "sigmoid"
    model = MLP(epochs=2, loss=loss, random_state=0).fit(X, y)
    with torch.no_grad():
        logits = model.network_(torch.tensor(X, dtype=torch.float32)).double()
    sigma = torch.sigmoid(logits)
    expected = sigma / sigma.sum(dim=1, keepdim=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)
    far = model._probabilities(torch.tensor([[-900.0, -901.0, -950.0]]))
    np.testing.assert_allclose(far[0, :2], [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))])


def test_ldam_keeps_its_scale_and_drops_its_margin(data):
    X, y = data
    loss = LDAMLoss(np.bincount(y))
    model = MLP(epochs=1, loss=loss, random_state=0).fit(X, y)
    with torch.no_grad():
        logits = model.network_(torch.tensor(X, dtype=torch.float32)).double()
    expected = torch.softmax(loss.inference_scale * logits, dim=1)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)


# --------------------------------------------------------------------------- images and tokens


def test_convolutions_see_where_a_pixel_is():
    """A bright square in one of two corners, at the same mean: pixels alone tell it."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 40)
    images = rng.normal(0, 0.3, (80, 8, 8))
    images[y == 0, 1:4, 1:4] += 1
    images[y == 1, 4:7, 4:7] += 1
    model = CNN(epochs=15, batch_size=16, random_state=0).fit(images.reshape(80, -1), y)
    assert (model.predict(images.reshape(80, -1)) == y).mean() > 0.9
    assert model.embed(images.reshape(80, -1)).shape == (80, 64)
    assert [m.out_channels for m in model.trunk_.modules() if hasattr(m, "out_channels")] == [8, 16]


def test_pixels_that_fill_no_square_are_padded():
    X = np.random.default_rng(0).normal(size=(20, 11))
    model = CNN(epochs=1, random_state=0).fit(X, np.tile([0, 1], 10))
    assert model.predict_proba(X).shape == (20, 2)


@pytest.fixture
def tokens(encoder):
    texts = ["call now win prize", "see you home later ok", "free", "claim prize now", "ok"] * 12
    labels = np.array([1, 0, 1, 1, 0] * 12)
    return tokenize(texts, encoder), labels


def finetune(encoder, **settings):
    common = {"encoder": encoder, "layers": 1, "epochs": 2, "batch_size": 8, "random_state": 0}
    return MiniLMFinetune(**{**common, **settings})


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))


def test_finetuning_trains_every_kept_layer_but_the_embeddings(root, encoder, tokens):
    X, y = tokens
    start = pretrained(encoder, 1).state_dict()
    model = finetune(encoder).fit(X, y)
    moved = {
        name
        for name, value in model.trunk_.model.state_dict().items()
        if not torch.equal(value, start[name])
    }
    assert any(name.startswith("encoder.layer.0.attention") for name in moved)
    assert not any(name.startswith("embeddings") for name in moved)
    assert model.rows_seen_ == 2 * len(y)
    free = finetune(encoder, freeze_embeddings=False).fit(X, y)
    assert not torch.equal(
        free.trunk_.model.state_dict()["embeddings.word_embeddings.weight"],
        start["embeddings.word_embeddings.weight"],
    )


def test_sentence_encoder_is_the_mean_of_the_last_layer(root, encoder, tokens):
    X = torch.as_tensor(np.array(tokens[0][:8], dtype=np.int64))
    mask = (X >= 0)[:, :, None]
    with torch.no_grad():
        hidden = (
            pretrained(encoder, 1)
            .eval()(X.clamp(min=0), attention_mask=mask[:, :, 0].long())
            .last_hidden_state
        )
        found = SentenceEncoder(pretrained(encoder, 1)).eval()(X)
    torch.testing.assert_close(found, (hidden * mask).sum(1) / mask.sum(1), atol=1e-5, rtol=1e-5)


def test_dropout_of_the_encoder(encoder):
    """In training only, anew each time, by the seed; what is kept makes up for what is not."""
    trunk = SentenceEncoder(pretrained(encoder, 1))
    kinds = [type(module).__name__ for module in trunk.modules()]
    assert "Dropout" not in kinds
    dropout = trunk.model.encoder.layer[0].output.dropout
    x = torch.ones(1000, 101, requires_grad=True)
    assert dropout.eval()(x) is x
    dropout.train()
    torch.manual_seed(0)
    first, second = dropout(x), dropout(x)
    assert not torch.equal(first, second)
    torch.manual_seed(0)
    assert torch.equal(dropout(x), first)
    assert first.unique().tolist() == pytest.approx([0, 256 / 230])
    assert float((first == 0).float().mean()) == pytest.approx(26 / 256, abs=0.005)
    for each in (first.mean(0), first.mean(1)):  # no row or column is special
        assert float((each.detach() - 1).abs().max()) < 0.15
    first.sum().backward()
    assert torch.equal(x.grad, first.detach())
    assert dropout(x.bfloat16()).dtype == torch.bfloat16


def test_padding_and_the_order_of_texts_change_no_probability(root, encoder, tokens):
    X, y = tokens
    model = finetune(encoder, precision="float32").fit(X, y)
    found = model.predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(X[::-1])[::-1], found, atol=1e-6)
    np.testing.assert_allclose(
        np.vstack([model.predict_proba(X[[i]]) for i in range(5)]), found[:5], atol=1e-6
    )


def test_finetuning_is_the_same_twice_and_another_with_another_seed(root, encoder, tokens):
    X, y = tokens
    one, same = (finetune(encoder).fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    other = finetune(encoder, random_state=1).fit(X, y).predict_proba(X)
    assert np.abs(one - other).max() > 1e-6


def test_a_cut_text_keeps_its_closing_token(root, encoder):
    X = tokenize(["call now win prize " * 40, "ok"], encoder)
    model = finetune(encoder, max_length=8)
    model.device_ = "cpu"
    cut = model._tensor(X)
    assert cut.shape == (2, 8)
    assert cut[0, -1] == X[0, X[0] >= 0][-1]
    assert (cut[0, :-1] == torch.as_tensor(X[0, :7])).all()
    assert (cut[1] == torch.as_tensor(X[1, :8])).all()


def test_batches_hold_texts_of_about_equal_length_once_each(root, encoder):
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 60, 500)
    inputs = torch.as_tensor(np.where(np.arange(64) < lengths[:, None], 5, -1))
    model = finetune(encoder, batch_size=32)
    order = model._order(inputs, np.arange(500), rng)
    assert sorted(order) == list(range(500))
    batches = np.split(lengths[order], range(32, 500, 32))
    assert [len(b) for b in batches] == [32] * 15 + [20]
    assert np.mean([np.ptp(b) for b in batches]) < 8
    assert np.corrcoef([b.mean() for b in batches], np.arange(16))[0, 1] < 0.8  # not sorted


def test_the_rate_rises_and_falls(encoder):
    model = finetune(encoder, learning_rate=1.0)
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=9.0)
    rates = []
    for progress in (0.0, 0.05, 0.1, 0.55, 1.0):
        model._pace(optimiser, progress)
        rates.append(optimiser.param_groups[0]["lr"])
    np.testing.assert_allclose(rates, [0, 0.5, 1, 0.5, 0])


def test_more_layers_than_the_encoder_has(root, encoder, tokens):
    with pytest.raises(ValueError, match="layers is 5, the encoder has 1"):
        finetune(encoder, layers=5).fit(*tokens)


def test_odd_texts_have_tokens(root, encoder):
    odd = ["", "   ", "12345 67", "ok", "😀😀", "привет мир", "a" * 3000, "call " * 3000]
    X = tokenize(odd, encoder)
    assert X.shape == (8, 256)
    assert ((X >= 0).sum(1) >= 2).all()  # at least what opens and what closes a text
    model = finetune(encoder).fit(X, np.array([0, 1] * 4))
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("cls", [MLP, CNN])
def test_pretraining_comes_first_and_counts(data, cls):
    X, y = data
    seen = []

    def pretrain(trunk, inputs, rng):
        seen.append(inputs.shape)
        with torch.no_grad():
            for p in trunk.parameters():
                p.zero_()
        return 7

    model = cls(epochs=1, batch_size=50, pretrain=pretrain, random_state=0).fit(X, y)
    assert seen == [(100, 4)]
    assert model.rows_seen_ == 107
