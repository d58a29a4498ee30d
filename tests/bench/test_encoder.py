import numpy as np
import pytest

from imbbench.bench import encoder as encoder_module
from imbbench.bench.encoder import MAX_LENGTH, embed, encoder_folder, pretrained, tokenize
from imbbench.errors import StudyError

TEXTS = ["call now", "free prize text claim now call me", "ok", "see you later at home"]


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))


@pytest.fixture
def loaded(monkeypatch):
    """One entry for each time that an encoder is loaded."""
    calls = []
    monkeypatch.setattr(
        encoder_module, "pretrained", lambda *given: calls.append(given) or pretrained(*given)
    )
    return calls


def test_embeddings_are_computed_once_by_content(loaded, encoder):
    first = embed(TEXTS, encoder)
    np.testing.assert_array_equal(embed(TEXTS, encoder), first)
    assert len(loaded) == 1
    embed(TEXTS, encoder + "/")  # another name
    embed(TEXTS[::-1], encoder)
    embed([*TEXTS[:2], TEXTS[2] + TEXTS[3], ""], encoder)
    assert len(loaded) == 4


def test_embeddings_by_hand(encoder):
    """Row order and padding do not matter, and a coordinate's mean square is one."""
    vectors = embed(TEXTS, encoder)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose((vectors**2).mean(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(embed(TEXTS[::-1], encoder)[::-1], vectors, atol=1e-5)
    alone = np.vstack([embed([text], encoder) for text in TEXTS])
    np.testing.assert_allclose(alone, vectors, atol=1e-5)
    assert len(np.unique(vectors.round(3), axis=0)) == 4
    assert np.abs(vectors[1] @ vectors.T).argmax() == 1


def test_tokens_are_numbers_up_to_the_end_of_a_text(encoder):
    X = tokenize(["call now", "now", "call " * 300], encoder)
    assert X.dtype == np.int32
    assert X.shape == (3, MAX_LENGTH) == (3, 256)
    opening, call, now, closing = X[0, :4]
    assert X[1, :3].tolist() == [opening, now, closing]
    assert (X[0, 4:] == -1).all() and (X[1, 3:] == -1).all()
    assert X[2].tolist() == [opening, *([call] * 254), closing]
    np.testing.assert_array_equal(tokenize(["call now", "now", "call " * 300], encoder), X)


def test_a_name_or_a_folder_is_passed_on():
    assert encoder_folder("some/model") == "some/model"


def test_layers_are_kept_from_the_bottom(encoder):
    whole, one = pretrained(encoder).state_dict(), pretrained(encoder, 1).state_dict()
    assert set(one) == {k for k in whole if "encoder.layer" not in k or "encoder.layer.0." in k}
    for layers in (0, 2):
        with pytest.raises(ValueError, match=f"layers is {layers}, the encoder has 1"):
            pretrained(encoder, layers)


def test_unknown_encoder(monkeypatch):
    """No folder, and no network to ask for a model of that name."""
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    # Between its five attempts the library waits, in all for 23 seconds.
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for load in (embed, tokenize):
        with pytest.raises(StudyError, match=r"'no/such-model' cannot be loaded.*encoder in"):
            load(["a text"], "no/such-model")


def test_folder_without_a_model(tmp_path):
    with pytest.raises(StudyError, match="cannot be loaded: neither a folder with a model"):
        embed(["a text"], str(tmp_path))


def refuse(*_, **__):
    raise OSError("the network is down")
