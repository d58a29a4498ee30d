import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from imbbench.bench.counts import log_prior_bias
from imbbench.bench.encoder import pretrained, tokenize
from imbbench.bench.neural import CNN, MLP, MiniLMFinetune, steps_for
from imbbench.bench.objectives import WeightedCrossEntropy
from imbbench.strategies.loss.ghm import GHMCLoss
from imbbench.strategies.loss.ldam import LDAMLoss


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [60, 30, 10])
    X = rng.normal(y[:, None], 1.0, (100, 3))
    codes = rng.integers(0, 3, 100)
    return np.column_stack([X, codes]).astype(float), y


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


def test_every_row_once_a_pass_in_batches_of_one_size(data):
    X, y = data
    loss = Recorder()
    model = MLP(epochs=2, batch_size=32, loss=loss, random_state=0).fit(X, y)
    assert [len(t) for t in loss.targets] == [32] * 7  # two passes are 6.25 batches
    assert (model.n_steps_, model.rows_seen_) == (7, 7 * 32)
    seen = np.concatenate(loss.targets)
    first, second = seen[:100], seen[100:200]
    assert sorted(first) == sorted(second) == y.tolist()
    assert first.tolist() != second.tolist()


@pytest.mark.parametrize(
    ("rows", "epochs", "steps", "expected"),
    [(100, 2, 0, 7), (100, 2, 20, 20), (10, 0, 20, 20), (1000, 2, 20, 63), (5, 0.1, 0, 1)],
)
def test_steps_are_those_of_the_epochs_or_the_least_that_is_asked_for(
    rows, epochs, steps, expected
):
    assert steps_for(rows, epochs, steps, 32) == expected


def test_few_rows_make_as_many_steps_as_many_on_batches_as_large(data):
    X, y = data
    sizes = []
    for rows in (np.arange(100), np.arange(0, 100, 9)):
        loss = Recorder()
        MLP(epochs=0, steps=11, batch_size=32, loss=loss, random_state=0).fit(X[rows], y[rows])
        sizes.append([len(t) for t in loss.targets])
    assert sizes[0] == sizes[1] == [32] * 11


def test_draw_gives_the_rows_that_come_next(data):
    X, y = data
    loss, seen = Recorder(), []

    def draw(target, progress, rng, size):
        seen.append((target.tolist(), progress, size))
        return np.flatnonzero(target == 2), None

    MLP(epochs=0, steps=3, batch_size=5, loss=loss, draw=draw, random_state=0).fit(X, y)
    # Ten rows are two batches: it is asked again for the third.
    assert [(progress, size) for _, progress, size in seen] == [(0, 5), (2 / 3, 5)]
    assert seen[0][0] == y.tolist()
    assert loss.targets == [[2] * 5] * 3


def test_a_loss_is_told_the_progress_before_each_step(data):
    X, y = data
    told = []

    class Told(torch.nn.CrossEntropyLoss):
        def at(self, progress):
            told.append(progress)

    MLP(epochs=0, steps=4, loss=Told(), random_state=0).fit(X, y)
    assert told == [0, 0.25, 0.5, 0.75]


def steps(X, y, weights=None, **settings):
    """Weights of the network after two passes without decay."""
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


def test_training_is_deterministic_and_seeded(data):
    X, y = data
    np.testing.assert_array_equal(steps(X, y), steps(X, y))
    torch.manual_seed(99)
    np.random.default_rng(5).random()
    np.testing.assert_array_equal(steps(X, y), steps(X, y))
    assert np.abs(steps(X, y, random_state=1) - steps(X, y)).max() > 1e-3


def test_learner_of_no_hidden_layer_is_logistic_regression(data):
    X, y = data
    model = MLP(hidden=(), epochs=3000, batch_size=100, learning_rate=0.05, weight_decay=0.0)
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


def test_ldam_keeps_its_scale_and_drops_its_margin(data):
    X, y = data
    loss = LDAMLoss(np.bincount(y))
    model = MLP(epochs=1, loss=loss, random_state=0).fit(X, y)
    with torch.no_grad():
        logits = model.network_(torch.tensor(X, dtype=torch.float32)).double()
    expected = torch.softmax(loss.inference_scale * logits, dim=1)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-6)


def test_far_below_zero_sigmoids_keep_their_ratio(data):
    """Each underflows; σ(-900) / σ(-901) is e."""
    X, y = data

    class Far(torch.nn.Module):
        def __init__(self, width, n_classes):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(width, n_classes))

        def forward(self, x):
            return 0 * (x @ self.weight) + torch.tensor([-900.0, -901.0, -950.0])

    model = MLP(epochs=1, loss=GHMCLoss(), head=Far, random_state=0).fit(X, y)
    found = model.predict_proba(X[:1])[0, :2]
    np.testing.assert_allclose(found, [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))])


@pytest.mark.parametrize("steps", [1, 10, 25])
def test_the_rate_rises_over_a_tenth_of_the_steps_and_falls_to_zero(data, monkeypatch, steps):
    """At the middle of each step, so that none is wasted; the same for every number of rows."""
    X, y = data
    rates, step = [], torch.optim.AdamW.step

    def watched(self, *given, **settings):
        rates.append({group["lr"] for group in self.param_groups})
        return step(self, *given, **settings)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    MLP(epochs=0, steps=steps, learning_rate=0.5, random_state=0).fit(X, y)
    done = (np.arange(steps) + 0.5) / steps
    expected = np.where(done < 0.1, done / 0.1, (1 - done) / 0.9)
    np.testing.assert_allclose([rate for (rate,) in rates], 0.5 * expected)


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
    assert model.rows_seen_ == 15 * 8  # two passes over 60 texts
    free = finetune(encoder, freeze_embeddings=False).fit(X, y)
    assert not torch.equal(
        free.trunk_.model.state_dict()["embeddings.word_embeddings.weight"],
        start["embeddings.word_embeddings.weight"],
    )


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
    y = np.array([0, 1])
    model = finetune(encoder, max_length=8, precision="float32").fit(X, y)
    cut, plain = X.copy(), X.copy()
    cut[:, 8:] = plain[:, 8:] = -1
    cut[0, 7] = X[0, X[0] >= 0][-1]
    found = model.embed(X)
    np.testing.assert_array_equal(found, model.embed(cut))
    assert np.abs(found - model.embed(plain)).max(axis=1)[0] > 1e-4


def test_batches_hold_texts_of_about_equal_length_once_each(root, encoder):
    """The class of a text is its length, so that the loss sees it."""
    lengths = np.random.default_rng(0).integers(1, 60, 500)
    X = np.where(np.arange(64) < lengths[:, None], 5, -1)
    loss = Recorder()
    model = finetune(encoder, epochs=1, batch_size=32, loss=loss).fit(X, lengths)
    batches = [model.classes_[batch] for batch in loss.targets]
    assert [len(b) for b in batches] == [32] * 16  # the last is filled from the next pass
    batches = [*batches[:15], batches[15][:20]]
    assert sorted(np.concatenate(batches)) == sorted(lengths)
    assert np.mean([np.ptp(b) for b in batches]) < 8
    means = [b.mean() for b in batches]
    assert np.corrcoef(means, np.arange(16))[0, 1] < 0.8  # not sorted


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
    assert model.n_steps_ == 2
