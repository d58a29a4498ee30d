import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

from imbbench.bench import encoder as encoder_module
from imbbench.bench.encoder import embed, tokenize
from imbbench.bench.features import components, features, matrix, tfidf
from imbbench.bench.prepared import Prepared
from imbbench.errors import StudyError

TRAIN = np.arange(8)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(5, 3, 12), "b": rng.normal(0, 1, 12), "empty": np.nan})
    frame.loc[[1, 9], "a"] = np.nan
    frame["colour"] = pd.Series(list("rgbrgbrg") + list("rgxr"), dtype=object)
    frame.loc[[2, 8], "colour"] = None
    return frame


NUMERIC, NOMINAL = ["a", "b", "empty"], ["colour"]


def test_matrix_imputes_scales_and_codes(table):
    values, nominal = matrix(table, NUMERIC, NOMINAL, TRAIN)
    # a, b, empty, missing(a), missing(empty), colour
    assert nominal.tolist() == [False] * 5 + [True]
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values[TRAIN][:, :2].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(values[TRAIN][:, :2].std(axis=0), 1)
    filled = table["a"][TRAIN].fillna(table["a"][TRAIN].median())
    assert values[9, 0] == pytest.approx(
        (table["a"][TRAIN].median() - filled.mean()) / filled.std(ddof=0)
    )
    assert len(set(values[:, 2])) == 1
    assert values[1, 3] == values[9, 3] > values[0, 3]


def test_missing_is_a_category_and_unseen_ones_are_minus_one(table):
    values, _ = matrix(table, NUMERIC, NOMINAL, TRAIN)
    codes = values[:, -1]
    known = dict(zip(["b", "g", "missing", "r"], range(4), strict=True))
    expected = [known.get(c, -1) for c in table["colour"].fillna("missing")]
    assert codes.tolist() == expected
    assert codes[10] == -1


def test_matrix_learns_from_training_rows_alone(table):
    before, nominal = matrix(table, NUMERIC, NOMINAL, TRAIN)
    table.loc[8:, "a"] = 1e9
    table.loc[8:, "b"] = np.nan
    table.loc[8:, "empty"] = 7.0
    table.loc[8:, "colour"] = "unheard of"
    after, same = matrix(table, NUMERIC, NOMINAL, TRAIN)
    assert same.tolist() == nominal.tolist()
    np.testing.assert_array_equal(before[TRAIN], after[TRAIN])
    assert np.isfinite(after).all()


def test_matrix_leaves_its_input_alone(table):
    copy = table.copy()
    matrix(table, NUMERIC, NOMINAL, TRAIN)
    pd.testing.assert_frame_equal(table, copy)


def test_only_numbers_and_only_categories(table):
    values, nominal = matrix(table[["b"]], ["b"], [], TRAIN)
    assert values.shape == (12, 1)
    assert not nominal.any()
    values, nominal = matrix(table[["colour"]], [], ["colour"], TRAIN)
    assert values.shape == (12, 1)
    assert nominal.all()


TEXTS = ["free £ prize", "free prize !", "call me", "call me later", "later £", "unseen words"]


def test_tfidf_learns_from_training_rows_alone():
    train = np.arange(5)
    before = tfidf(TEXTS, train)
    after = tfidf([*TEXTS[:5], "free call call call"], train)
    assert (before[train] != after[train]).nnz == 0
    assert before[5].nnz == 0
    assert after[5].nnz > 0


def test_tfidf_keeps_signs_and_pairs_that_occur_twice():
    # £, call, call me, free, later, me, prize; "unseen" and "!" occur once
    assert tfidf(TEXTS, np.arange(5)).shape[1] == 7


@pytest.fixture
def counting(tmp_path, monkeypatch):
    """Count the calls of an encoder that hashes words."""
    calls = []

    def encode(texts, encoder):
        calls.append(list(texts))
        return np.array([[len(t), sum(map(ord, t))] for t in texts], dtype=np.float32)

    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    monkeypatch.setattr(encoder_module, "_encode", encode)
    return calls


def test_embeddings_are_computed_once_by_content(counting):
    first = embed(TEXTS, "e")
    np.testing.assert_array_equal(embed(TEXTS, "e"), first)
    assert len(counting) == 1
    embed(TEXTS, "another encoder")
    embed(TEXTS[::-1], "e")
    embed([*TEXTS[:4], TEXTS[4] + TEXTS[5], ""], "e")
    assert len(counting) == 4


def test_features_by_kind(counting, table):
    schema = {"numeric": NUMERIC, "categorical": NOMINAL}
    prepared = Prepared(table, None, None, None, schema)
    values, nominal = features("matrix", prepared, TRAIN)
    assert values.shape == (12, 6)
    assert nominal.sum() == 1
    prepared = Prepared(pd.Series(TEXTS), None, None, None, {})
    values, nominal = features("embedding", prepared, np.arange(5))
    assert values.shape == (6, 2)
    assert nominal.tolist() == [False, False]
    values, nominal = features("components", prepared, np.arange(5))
    assert values.shape == (6, 2)
    values, nominal = features("tfidf", prepared, np.arange(5))
    assert values.shape[1] == len(nominal)


def test_components_are_those_of_the_training_part():
    """All are kept here: distances stay, and no other row moves them."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(12, 4)) * [9, 3, 2, 1]
    found = components(vectors, TRAIN)
    np.testing.assert_allclose(pdist(found), pdist(vectors))
    np.testing.assert_allclose(found[TRAIN].mean(axis=0), 0, atol=1e-12)
    assert (np.diff(found[TRAIN].var(axis=0)) < 0).all()
    other = vectors.copy()
    other[np.setdiff1d(np.arange(12), TRAIN)] += 5
    np.testing.assert_array_equal(components(other, TRAIN)[TRAIN], found[TRAIN])
    assert components(vectors, TRAIN[:3]).shape == (12, 3)
    assert components(rng.normal(size=(50, 40)), np.arange(40)).shape == (50, 32)


def test_encoder(encoder):
    """Row order and padding do not matter, and a coordinate's mean square is one."""
    from imbbench.bench.encoder import _encode

    texts = ["call now", "free prize text claim now call me", "ok", "see you later at home"]
    vectors = _encode(texts, encoder)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose((vectors**2).mean(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(_encode(texts[::-1], encoder)[::-1], vectors, atol=1e-5)
    np.testing.assert_allclose(_encode(texts, encoder, batch=1), vectors, atol=1e-5)
    assert len(np.unique(vectors.round(3), axis=0)) == 4


def test_unknown_encoder(tmp_path, monkeypatch):
    """No folder, and no network to ask for a model of that name."""
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    for load in (embed, tokenize):
        with pytest.raises(StudyError, match=r"'no/such-model' cannot be loaded.*encoder in"):
            load(["a text"], "no/such-model")


def test_folder_without_a_model(tmp_path):
    with pytest.raises(StudyError, match="cannot be loaded: neither a folder with a model"):
        embed(["a text"], str(tmp_path))


def refuse(*_, **__):
    raise OSError("the network is down")
