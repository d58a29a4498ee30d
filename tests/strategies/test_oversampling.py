import itertools
from collections import Counter
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import ADASYN, SVMSMOTE, BorderlineSMOTE, KMeansSMOTE
from imblearn.under_sampling import EditedNearestNeighbours, TomekLinks
from imblearn.utils.estimator_checks import parametrize_with_checks
from scipy.sparse import csr_matrix, issparse

from imbbench import config
from imbbench.bench.cell import Cell, Task
from imbbench.bench.learners import one_hot
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.errors import StudyError
from imbbench.strategies.oversampling import (
    gan,
    random,
    sampler,
    smote,
    smote_then,
    upsample_downweight,
)
from imbbench.strategies.oversampling.gan import ConditionalGAN

ENTRIES = config.load(Path(__file__).parents[2] / "params.yaml").family("oversampling")
ENTRIES = {name: entry for name, entry in ENTRIES.items() if "corrected" not in entry}
ENTRIES["gan"] = ENTRIES["gan"] | {"steps": 3, "minimum": 5}
LEARNER = {"texts": "tfidf_logreg"}  # the others: tree
DATASETS = ["binary", "mixed", "nominal", "four", "texts"]
ALL_NOMINAL = "interpolates numbers, all columns here are nominal"
DOES_NOT_APPLY = {
    **{
        (name, "nominal"): ALL_NOMINAL
        for name in ("borderline_smote", "svm_smote", "kmeans_smote", "adasyn")
    },
    **{("over_1_10", name): "no class is less than 1/10" for name in DATASETS},
    ("borderline_smote", "texts"): "finds no row to start from and adds none",
    ("gan", "texts"): "these are sparse",
}
del DOES_NOT_APPLY["over_1_10", "nominal"]
FAILS = {("adasyn", "texts"): "Not any neigbours belong to the majority"}  # separate classes
CLEANED = ["smote_enn", "smote_tomek"]
EXACT = ["over_1_1", "smote", "gan"]
SMALL = {"hidden": [8], "latent": 4, "steps": 2, "batch_size": 8, "minimum": 5, "random_state": 0}


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study."""

    def cell(dataset="binary", learner=None):
        learner = learner or LEARNER.get(dataset, "tree")
        return Cell(study, Task(dataset, "reference", learner, "tried", 0))

    return cell


def dense(X):
    return X.toarray() if issparse(X) else X


def table(X, y):
    """How often each labelled row occurs."""
    return Counter(row.tobytes() for row in np.column_stack([dense(X), y]))


# Every entry of the study


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("name", ENTRIES)
def test_rows_are_added_behind_those_there_are(make, caught, name, dataset):
    cell = make(dataset)
    call = resolve("oversampling", name, ENTRIES[name])[0]
    if (name, dataset) in DOES_NOT_APPLY:
        with pytest.raises(NotApplicable, match=DOES_NOT_APPLY[name, dataset]):
            call(cell)
        return
    if (name, dataset) in FAILS:
        with pytest.raises(RuntimeError, match=FAILS[name, dataset]):
            call(cell)
        return
    got = caught(call, cell)
    counts = np.bincount(got["y"], minlength=len(cell.classes))
    assert counts.sum() == got["X"].shape[0]
    assert np.isfinite(dense(got["X"])).all()
    for column in np.flatnonzero(cell.categorical):
        assert set(got["X"][:, column]) <= set(cell.X[:, column])
    if name in CLEANED:
        assert (counts > 0).all()
        full = len(cell.classes) * cell.class_counts[0]
        assert counts.sum() == full if dataset == "texts" else counts.sum() < full
        return
    if name in EXACT:
        assert (counts == cell.class_counts[0]).all()
    if name == "upsample_downweight_2":
        assert table(got["X"], got["y"]).keys() == table(cell.X, cell.y).keys()
        return
    n = len(cell.y)
    np.testing.assert_array_equal(dense(got["X"][:n]), dense(cell.X))
    np.testing.assert_array_equal(got["y"][:n], cell.y)
    assert len(got["y"]) > n
    assert 0 not in got["y"][n:]


@pytest.mark.parametrize(
    ("name", "dataset"),
    sorted(set(itertools.product(ENTRIES, ["mixed", "four", "texts"])) - {*DOES_NOT_APPLY, *FAILS}),
)
def test_validation_rows_have_no_part_in_it_and_nothing_is_changed(make, caught, name, dataset):
    call = resolve("oversampling", name, ENTRIES[name])[0]
    honest = caught(call, make(dataset))
    cell = make(dataset)
    cell.X_val, cell.y_val = cell.X_val * 1e3 + cell.X_val, 1 - cell.y_val
    held = (cell.X, cell.y, cell.X_val, cell.y_val, cell.categorical, cell.class_counts)
    before = joblib.hash(held)
    again = caught(call, cell)
    assert joblib.hash(held) == before
    np.testing.assert_array_equal(dense(again["X"]), dense(honest["X"]))
    np.testing.assert_array_equal(again["y"], honest["y"])


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("r", {"random": 0}, "ratio is a number from 1 on, not 0"),
        ("r", {"random": -1}, "not -1"),
        ("r", {"random": float("nan")}, "not nan"),
        ("r", {"random": True}, "not True"),
        ("r", {"random": "1:1"}, "not '1:1'"),
        ("smote", {"ratio": 0.5}, "ratio is a number from 1 on, not 0.5"),
        ("smote", {"k_neighbors": 0}, "k_neighbors is a whole number of at least 1, not 0"),
        ("smote", {"k_neighbors": 2.5}, "not 2.5"),
        ("e", {"smote_then": "EditedNearestNeighbours", "k_neighbors": 0}, "k_neighbors is a"),
        ("e", {"smote_then": "EditedNearestNeighbours", "n_neighbors": 0}, "'n_neighbors'"),
        ("e", {"smote_then": "ENN"}, "unknown smote_then 'ENN'. Known: EditedNearest"),
        ("a", {"sampler": "ADASYN", "ratio": 0}, "ratio is a number from 1 on, not 0"),
        ("a", {"sampler": "ADASYN", "n_neighbors": -3}, "'n_neighbors'"),
        ("a", {"sampler": "ADASYN", "k_neighbors": 3}, "unknown key 'k_neighbors'"),
        ("a", {"sampler": "ADASYN", "sampling_strategy": "all"}, "sampling_strategy"),
        ("k", {"sampler": "KMeansSMOTE", "cluster_balance_threshold": "low"}, "cluster_balance"),
        ("gan", {"steps": 0}, "steps is a whole number of at least 1, not 0"),
        ("gan", {"minimum": 0}, "minimum is a whole number of at least 1, not 0"),
        ("gan", {"ratio": None}, "not None"),
        ("u", {"upsample_downweight": 1}, "factor is a whole number of at least 2, not 1"),
        ("u", {"upsample_downweight": 2.5}, "not 2.5"),
    ],
)
def test_values_that_make_no_sense_are_refused(name, entry, message):
    with pytest.raises(StudyError, match=message):
        resolve("oversampling", name, entry)


# Copies


def test_balanced_classes_need_no_rows(make):
    with pytest.raises(NotApplicable, match="no class is less than 1/100 of the largest"):
        random(make(), 100)


@pytest.mark.parametrize("ratio", [1, 2])
def test_random_copies_reach_the_ratio(make, caught, ratio):
    cell = make("four")
    got = caught(random, cell, ratio)
    least = round(cell.class_counts[0] / ratio)
    assert np.bincount(got["y"]).tolist() == np.maximum(cell.class_counts, least).tolist()
    assert table(got["X"], got["y"]).keys() == table(cell.X, cell.y).keys()


@pytest.mark.parametrize("factor", [2, 1000])
@pytest.mark.parametrize("dataset", ["binary", "mixed", "four"])
def test_upsampling_and_downweighting_is_plain_for_a_learner_without_batches(make, dataset, factor):
    cell = make(dataset, "logreg")
    found = upsample_downweight(cell, factor).predict_proba(cell.X_val)
    np.testing.assert_allclose(found, cell.fit().predict_proba(cell.X_val), atol=2e-4)


def test_upsampling_and_downweighting_keep_the_weighted_counts(make, caught):
    cell = make("four")
    got = caught(upsample_downweight, cell, 3)
    assert np.bincount(got["y"])[0] == cell.class_counts[0]
    assert np.bincount(got["y"]).max() == cell.class_counts[0]
    weighted = np.bincount(got["y"], weights=got["sample_weight"])
    np.testing.assert_allclose(weighted, cell.class_counts)


# Interpolation


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_smote_interpolates_numbers_up_to_the_ratio(make, caught, ratio):
    cell = make("four")
    got = caught(smote, cell, ratio=ratio)
    least = round(cell.class_counts[0] / ratio)
    assert np.bincount(got["y"]).tolist() == np.maximum(cell.class_counts, least).tolist()
    for c in (1, 2, 3):
        inside, real = got["X"][got["y"] == c], cell.X[cell.y == c]
        assert (inside >= real.min(axis=0) - 1e-9).all()
        assert (inside <= real.max(axis=0) + 1e-9).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda cell: smote(cell, k_neighbors=50), "SMOTE needs more than 50 neighbours"),
        (
            lambda cell: smote_then(cell, TomekLinks, k_neighbors=50),
            "SMOTE needs more than 50",
        ),
        (lambda cell: sampler(cell, ADASYN, n_neighbors=50), "ADASYN needs more than 50"),
        (lambda cell: sampler(cell, SVMSMOTE, k_neighbors=50), "SVMSMOTE needs more"),
        (lambda cell: gan(cell, minimum=50), "training rows, the GAN needs 50"),
    ],
)
def test_small_classes_do_not_apply(make, call, message):
    with pytest.raises(NotApplicable, match=message):
        call(make())


@pytest.mark.parametrize(
    "call",
    [
        smote,
        lambda cell: smote_then(cell, TomekLinks),
        lambda cell: sampler(cell, ADASYN),
        gan,
    ],
)
def test_token_numbers_do_not_apply(make, call):
    cell = make()
    cell.vectors = False
    with pytest.raises(NotApplicable, match="token numbers"):
        call(cell)


@pytest.mark.parametrize("cls", [BorderlineSMOTE, SVMSMOTE, KMeansSMOTE, ADASYN])
def test_mixed_rows_take_all_codes_of_one_row_of_their_class(make, caught, cls):
    cell = make("mixed")
    extra = {"cluster_balance_threshold": 0.0} if cls is KMeansSMOTE else {}
    got = caught(sampler, cell, cls, **extra)
    new = got["X"][len(cell.y) :]
    codes = {tuple(row) for row in cell.X[cell.y == 1][:, cell.categorical]}
    assert {tuple(row) for row in new[:, cell.categorical]} <= codes
    spread, _ = cls(random_state=cell.seed, **extra).fit_resample(cell.space, cell.y)
    numbers = np.count_nonzero(~cell.categorical)
    np.testing.assert_array_equal(new[:, ~cell.categorical], spread[len(cell.y) :, -numbers:])


@pytest.mark.parametrize("cls", [BorderlineSMOTE, ADASYN])
def test_rows_of_wide_codes_are_those_of_their_dense_coding(make, caught, cls):
    cell, codes = make("mixed"), np.arange(61.0)
    cell.X = np.column_stack([codes, codes[::-1], cell.X[:, ~cell.categorical][:, 0]])
    cell.categorical = np.array([True, True, False])
    assert issparse(cell.space)
    got = caught(sampler, cell, cls)
    cell.space = cell.space.toarray()
    assert table(got["X"], got["y"]) == table(*caught(sampler, cell, cls).values())


def test_a_sampler_that_adds_nothing_does_not_apply(make):
    cell = make()
    cell.X = cell.X + 100 * cell.y[:, None]  # no row is near the border
    with pytest.raises(NotApplicable, match="BorderlineSMOTE finds no row to start from"):
        sampler(cell, BorderlineSMOTE)
    with pytest.raises(RuntimeError, match="belong to the majority"):
        sampler(cell, ADASYN)


@pytest.mark.parametrize("cls", [EditedNearestNeighbours, TomekLinks])
@pytest.mark.parametrize("dataset", ["binary", "mixed", "nominal", "four", "texts"])
def test_cleaning_is_that_of_the_library_on_what_smote_gives(make, caught, dataset, cls):
    cell = make(dataset)
    grown = caught(smote, cell)
    X = dense(grown["X"])
    if cell.categorical.any():
        X = one_hot(cell.categorical).fit_transform(X)
    cleaner = cls(sampling_strategy="all")
    cleaner.fit_resample(X, grown["y"])
    rows = cleaner.sample_indices_
    got = caught(smote_then, cell, cls)
    np.testing.assert_array_equal(dense(got["X"]), dense(grown["X"])[rows])
    np.testing.assert_array_equal(got["y"], grown["y"][rows])


def test_numbers_are_cleaned_as_by_the_librarys_own_pair(make, caught):
    from imblearn.combine import SMOTEENN, SMOTETomek

    cell = make("four")
    for cls, pair in ((EditedNearestNeighbours, SMOTEENN), (TomekLinks, SMOTETomek)):
        got = caught(smote_then, cell, cls)
        X, y = pair(random_state=cell.seed).fit_resample(cell.X, cell.y)
        assert table(got["X"], got["y"]) == table(X, y)


def test_cleaning_that_loses_a_class_fails(make):
    cell = make()
    cell.X = np.zeros_like(cell.X)
    cell.X[:, 0] = np.arange(len(cell.y)) % 2  # no neighbour knows anything
    with pytest.raises(ValueError, match="cleaning leaves no row of class"):
        smote_then(cell, EditedNearestNeighbours)


# The GAN


def refuses_sparse(estimator):
    return {"check_samplers_pandas_sparse": "it takes and gives dense rows only"}


@parametrize_with_checks([ConditionalGAN(**SMALL)], expected_failed_checks=refuses_sparse)
def test_the_gan_is_a_sampler(estimator, check):
    check(estimator)


@st.composite
def tables(draw):
    """Rows with numbers, codes, constant columns; counts of two to four classes."""
    counts = draw(st.lists(st.integers(5, 40), min_size=2, max_size=4))
    kinds = draw(st.lists(st.sampled_from(["normal", "code", "flag", "constant"]), min_size=1))[:6]
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    n = sum(counts)
    columns = {
        "normal": lambda: rng.normal(3, 20, n),
        "code": lambda: rng.integers(-1, 4, n),
        "flag": lambda: rng.integers(0, 2, n) / 7,
        "constant": lambda: np.full(n, 0.3),
    }
    X = np.column_stack([columns[kind]() for kind in kinds])
    X = X.astype(draw(st.sampled_from([np.float32, np.float64])))
    labels = np.array(["d", "a", "c", "b"])[: len(counts)]
    return X, rng.permutation(np.repeat(labels, counts)), np.array(kinds) == "code"


@settings(max_examples=30)
@given(data=tables(), seed=st.integers(0, 1000))
def test_generated_rows_are_of_the_classes_that_need_them(data, seed):
    X, y, categorical = data
    before = X.copy()
    gan = ConditionalGAN(**SMALL | {"random_state": seed}, categorical=categorical)
    X_new, y_new = gan.fit_resample(X, y)
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(X_new[: len(X)], X)
    np.testing.assert_array_equal(y_new[: len(X)], y)
    counts = Counter(y)
    assert set(Counter(y_new).values()) == {max(counts.values())}
    assert all(counts[label] < max(counts.values()) for label in set(y_new[len(X) :]))
    assert X_new.dtype == X.dtype
    assert (X_new.min(axis=0) >= X.min(axis=0)).all()
    assert (X_new.max(axis=0) <= X.max(axis=0)).all()
    for column in range(X.shape[1]):
        values = np.unique(X[:, column])
        if categorical[column] or len(values) < 3:
            assert np.isin(X_new[:, column], values).all()


def two_by_two(rng, counts=(300, 40)):
    """Class 0 around (0, 0) with code 0, class 1 around (6, -4) with codes 2 or 3."""
    y = np.repeat([0, 1], counts)
    X = rng.normal(0, 1, (len(y), 2)) + np.outer(y, [6, -4])
    return np.column_stack([X, np.where(y == 1, rng.integers(2, 4, len(y)), 0)]), y


def test_the_gan_learns_what_its_classes_look_like():
    X, y = two_by_two(np.random.default_rng(0))
    gan = ConditionalGAN(
        sampling_strategy={0: 600, 1: 340},
        categorical=np.array([False, False, True]),
        hidden=[32, 32],
        latent=8,
        steps=250,
        batch_size=64,
        random_state=0,
    )
    X_new, y_new = gan.fit_resample(X, y)
    for c, (mean, codes) in enumerate([((0, 0), {0}), ((6, -4), {2, 3})]):
        new = X_new[len(y) :][y_new[len(y) :] == c]
        assert len(new) == 300
        np.testing.assert_allclose(np.median(new[:, :2], axis=0), mean, atol=0.7)
        assert (np.abs(new[:, :2].std(axis=0) - 1) < 0.6).all()
        assert np.isin(new[:, 2], list(codes)).mean() > 0.95
        # No copies, of real rows or of each other.
        assert len(np.unique(np.r_[new, X[y == c]], axis=0)) == 300 + (y == c).sum()
    assert 0.2 < (new[:, 2] == 2).mean() < 0.8


def test_many_numbers_are_written_as_their_principal_components():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [300, 40])
    apart = np.outer(y - 0.5, rng.normal(0, 1, 100))
    X = np.column_stack([rng.normal(0, 1, (340, 8)) @ rng.normal(0, 1, (8, 100)) + apart, y])
    X[:, 0] = 3.0
    gan = ConditionalGAN(hidden=[32, 32], latent=8, steps=300, batch_size=64, random_state=0)
    new = gan.fit_resample(X, y)[0][len(y) :]
    assert (new[:, 0] == 3).all()
    assert (new.min(axis=0) >= X.min(axis=0)).all()
    assert (new.max(axis=0) <= X.max(axis=0)).all()
    assert (new[:, -1] == 1).mean() > 0.8
    # Eight directions, the distance of the classes and the constant is all there is, but for what
    # cutting to the range adds.
    spread = np.linalg.svd(new[:, :-1] - new[:, :-1].mean(axis=0), compute_uv=False) ** 2
    assert spread[:9].sum() / spread.sum() > 0.95
    few = ConditionalGAN(**SMALL).fit_resample(X[-60:], y[-60:])[0]  # fewer rows than components
    assert np.isfinite(few).all()


def test_the_gan_hangs_on_its_seed_alone():
    X, y = two_by_two(np.random.default_rng(0))
    state = torch.get_rng_state()
    drawn = [ConditionalGAN(**SMALL | {"random_state": s}).fit_resample(X, y)[0] for s in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"minimum": 41}, "class '1' has 40 rows, 41 are needed"),
        ({"latent": 0}, "latent is a whole number of at least 1, not 0"),
        ({"batch_size": 1.5}, "batch_size is a whole number"),
        ({"hidden": [8, 0]}, "a width in hidden is a whole number of at least 1, not 0"),
        ({"categorical": [2]}, "categorical is a mask of the 3 columns"),
        ({"categorical": [True, False]}, "categorical is a mask of the 3 columns"),
    ],
)
def test_the_gan_refuses_what_makes_no_sense(parameters, message):
    X, y = two_by_two(np.random.default_rng(0))
    with pytest.raises(ValueError, match=message):
        ConditionalGAN(**SMALL | parameters).fit_resample(X, y)


@pytest.mark.parametrize(
    ("dtype", "start", "step"),
    [(np.float32, 0.1, 1e-8), (np.float32, 0, 1e-30), (np.float64, 0, 1e-200)],
)
def test_columns_of_nearly_one_value_are_no_trouble(dtype, start, step):
    X, y = two_by_two(np.random.default_rng(0))
    X[:, 2] = start + step * (np.arange(len(y)) % 3)
    X = X.astype(dtype)
    X_new, _ = ConditionalGAN(**SMALL).fit_resample(X, y)
    assert np.isfinite(X_new).all()
    assert X_new[:, 2].min() == X[:, 2].min()
    assert X_new[:, 2].max() == X[:, 2].max()


def test_the_gan_refuses_what_it_cannot_read():
    X, y = two_by_two(np.random.default_rng(0))
    with pytest.raises(TypeError, match="dense data is required"):
        ConditionalGAN(**SMALL).fit_resample(csr_matrix(X), y)
    for bad, where in itertools.product([np.nan, np.inf], [0, -1]):
        broken = X.copy()
        broken[where, 0] = bad
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            ConditionalGAN(**SMALL).fit_resample(broken, y)
