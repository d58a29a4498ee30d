import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from imbbench.bench.encoder import embed, tokenize
from imbbench.bench.features import (
    components,
    features,
    features_of_new,
    matrix,
    pixels,
    tfidf,
    tokens_of,
)
from imbbench.bench.prepared import Prepared
from imbbench.bench.registry import LEARNERS
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


cells = st.sampled_from([None, None, "u", "v", "missing"])
numbers_ = st.sampled_from([np.nan, np.nan, -1.0, 0.0, 2.5])


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.tuples(cells, cells), min_size=4, max_size=9),
    draws=st.data(),
)
def test_columns_keep_their_place_whatever_is_missing_in_the_training_part(words, draws):
    """No value, one level, levels in the test fold only: compared with codes made by hand."""
    n = len(words)
    frame = pd.DataFrame(
        {
            "x": draws.draw(st.lists(numbers_, min_size=n, max_size=n)),
            "y": np.arange(n, dtype=float),
            "c": pd.Series([w[0] for w in words], dtype=object),
            "d": pd.Series([w[1] for w in words], dtype=object),
        }
    )
    train = np.arange(draws.draw(st.integers(1, n - 1)))
    values, nominal = matrix(frame, ["x", "y"], ["c", "d"], train)
    assert nominal[-2:].all() and not nominal[:-2].any()
    assert np.isfinite(values).all()
    gaps = frame["x"][train].isna().any()
    assert values.shape == (n, 4 + gaps)
    for place, column in ((-2, "c"), (-1, "d")):
        # A missing value stays apart from a level of that name, and comes right behind it.
        found = ["missing~" if v is None else v for v in frame[column]]
        levels = sorted({found[i] for i in train})
        expected = [levels.index(v) if v in levels else -1 for v in found]
        assert values[:, place].tolist() == expected
    filled = frame["y"][train]
    spread = filled.std(ddof=0) or 1.0
    np.testing.assert_allclose(values[:, 1], (frame["y"] - filled.mean()) / spread)


@pytest.mark.parametrize("learner", ["logreg", "tree", "hgb", "mlp"])
def test_a_nominal_column_without_a_value_misleads_no_learner(learner):
    """The signal is in the numeric column beside it: a mask that slips makes codes of it."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [150, 50])
    frame = pd.DataFrame({"a": rng.normal(0, 1, 200), "b": rng.normal(4.0 * y, 1)})
    frame["kind"] = pd.Series(rng.choice(["u", "v"], 200), dtype=object)
    frame["remark"] = pd.Series([None] * 200, dtype=object)
    order = rng.permutation(200)
    train, test = order[:150], order[150:]
    frame.loc[test[0], "remark"] = "seen here only"
    values, nominal = matrix(frame, ["a", "b"], ["kind", "remark"], train)
    model = LEARNERS[learner](categorical=nominal, random_state=0)
    model.fit(values[train], y[train])
    assert np.mean(model.predict(values[test]) == y[test]) > 0.9


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


def test_pixels_have_one_mean_and_one_spread_from_the_training_part():
    X = pd.DataFrame(np.random.default_rng(0).integers(0, 256, (12, 4)).astype(float))
    found = pixels(X, TRAIN)
    assert found[TRAIN].mean() == pytest.approx(0)
    assert found[TRAIN].std() == pytest.approx(1)
    steps = np.diff(found.ravel()) / np.diff(X.to_numpy().ravel())
    np.testing.assert_allclose(steps, steps[0])  # the same for every pixel
    other = X.copy()
    other.loc[8:] = 1e6
    np.testing.assert_array_equal(pixels(other, TRAIN)[TRAIN], found[TRAIN])
    assert (pixels(X * 0 + 7, TRAIN) == 0).all()  # blank images


TEXTS = ["free £ prize", "free prize !", "call me", "call me later", "later £", "unseen words"]


def test_tfidf_learns_from_training_rows_alone():
    train = np.arange(5)
    before = tfidf(TEXTS, train)
    after = tfidf([*TEXTS[:5], "free call call call"], train)
    assert (before[train] != after[train]).nnz == 0
    assert before[5].nnz == 0
    assert after[5].nnz > 0


def test_tfidf_keeps_signs_and_pairs_that_occur_twice():
    # a sign parts two words, so that "free prize" is one pair only; "unseen" and "!" occur once
    found = tfidf(TEXTS, np.arange(5))
    assert found.shape[1] == len(["£", "call", "call me", "free", "later", "me", "prize"])
    found = tfidf(["£ a", "£ b", "c !", "d !"], np.arange(4)).toarray()
    assert sorted(found.T.tolist()) == [[0, 0, 1, 1], [1, 1, 0, 0]]


def test_emoji_and_currency_signs_are_words():
    text = "WIN ₹5 or 5€ … “now” 👨‍👩‍👧 👍🏽 ❤️ don’t (a_b) ¥₿! #1 – why?"
    found = ["WIN", "₹", "5", "or", "5", "€", "now", "👨", "👩", "👧", "👍", "❤", "don", "t", "a_b"]
    assert tokens_of(text) == [*found, "¥", "₿", "!", "1", "why", "?"]
    texts = [f"{a} {b}" for a, b in zip("₹₹₿₿😀😀🎉🎉", "abcdefgh", strict=True)]
    found = tfidf([*texts, "😀 ₹"], np.arange(8))
    assert found[:8].toarray().T.sum() == 8  # one column each: what follows occurs once
    assert found.shape[1] == 4 and found[8].nnz == 2


def test_tfidf_by_hand():
    """1 + log(count) times 1 + log((1 + N) / (1 + texts)), rows of length one."""
    texts = ["a a a b", "a b", "a c", "c d"]
    found = tfidf(texts, np.arange(4)).toarray()
    # of the training part occur twice: a, a b, b, c
    idf = 1 + np.log(5 / (1 + np.array([3, 2, 2, 2])))
    first = np.array([1 + np.log(3), 1, 1, 0]) * idf
    np.testing.assert_allclose(found[0], first / np.linalg.norm(first))
    np.testing.assert_allclose(found[3], [0, 0, 0, 1])


def test_features_by_kind(table, encoder, tmp_path, monkeypatch):
    """Each kind is the function of its name, and only those of a table have nominal columns."""
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    schema = {"numeric": NUMERIC, "categorical": NOMINAL}
    train = np.arange(5)
    values, nominal = features("matrix", Prepared(table, None, None, None, schema), TRAIN)
    expected, mask = matrix(table, NUMERIC, NOMINAL, TRAIN)
    np.testing.assert_array_equal(values, expected)
    assert nominal.tolist() == mask.tolist()
    grey = table[["a", "b"]].fillna(0.0)
    texts = pd.Series(TEXTS)
    vectors = embed(TEXTS, encoder)
    for kind, X, expected in (
        ("pixels", grey, pixels(grey, train)),
        ("tfidf", texts, tfidf(TEXTS, train).toarray()),
        ("tokens", texts, tokenize(TEXTS, encoder)),
        ("embedding", texts, vectors),
        ("components", texts, components(vectors, train)),
    ):
        values, nominal = features(kind, Prepared(X, None, None, None, {}), train, encoder)
        values = values.toarray() if kind == "tfidf" else values
        np.testing.assert_array_equal(values, expected, err_msg=kind)
        assert nominal.tolist() == [False] * values.shape[1]


@pytest.mark.parametrize("kind", ["tfidf", "embedding", "components", "tokens"])
def test_new_texts_are_coded_as_the_old_ones_were(kind, encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    train, new = np.arange(4), [TEXTS[4], "free", TEXTS[1]]
    every = pd.Series([*TEXTS, "free"])
    expected, _ = features(kind, Prepared(every, None, None, None, {}), train, encoder)
    found = features_of_new(kind, pd.Series(TEXTS), new, train, encoder)
    dense = [values.toarray() if kind == "tfidf" else values for values in (found, expected)]
    np.testing.assert_allclose(dense[0], dense[1][[4, 6, 1]], atol=1e-4)


def test_texts_without_a_common_word_have_no_tfidf():
    prepared = Prepared(pd.Series(["one", "two", "three"]), None, None, None, {"name": "odd"})
    with pytest.raises(StudyError, match="data set odd: no word is in two texts of the training"):
        features("tfidf", prepared, np.arange(3))


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
