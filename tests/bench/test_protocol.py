import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imbbench.bench.protocol import (
    decide,
    macro_f1,
    seed_for,
    splits,
    stratified_group_folds,
    tune_offsets,
)
from imbbench.config import Protocol
from imbbench.errors import StudyError

PROTOCOL = Protocol(folds=3, repeats=1, validation=0.2, seed=0)


@st.composite
def labelled_groups(draw):
    """Labels of 2 to 4 classes and groups of 1 to 4 rows; a group may hold several classes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    counts = draw(st.lists(st.integers(12, 60), min_size=2, max_size=4))
    y = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    sizes = rng.integers(1, draw(st.integers(2, 5)), size=len(y))
    groups = np.repeat(np.arange(len(y)), sizes)[: len(y)]
    return y, groups


def test_seeds_are_stable_and_differ():
    assert seed_for(0, "abalone19", 3, "plain") == 4084703938
    assert seed_for("a", "b") != seed_for("b", "a")
    assert 0 <= seed_for() < 2**32


@settings(max_examples=60)
@given(labelled_groups(), st.integers(2, 5), st.integers(1, 2))
def test_splits_partition_rows_and_keep_groups_whole(drawn, folds, repeats):
    y, groups = drawn
    chosen = Protocol(folds=folds, repeats=repeats)
    found = splits(y, groups, None, "toy", chosen)
    assert len(found) == folds * repeats
    for parts in found:
        assert sorted(np.concatenate(parts)) == list(range(len(y)))
        assert all(len(part) for part in parts)
        for one, other in itertools.combinations(parts, 2):
            assert not set(groups[one]) & set(groups[other])
    for repeat in range(repeats):
        tests = [test for _, _, test in found[repeat * folds : (repeat + 1) * folds]]
        assert sorted(np.concatenate(tests)) == list(range(len(y)))


@settings(max_examples=60)
@given(st.lists(st.integers(6, 80), min_size=2, max_size=5), st.integers(0, 2**32 - 1))
def test_folds_are_stratified(counts, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    for train, val, test in splits(y, np.arange(len(y)), None, "toy", PROTOCOL):
        for c, n in enumerate(counts):
            assert abs(np.sum(y[test] == c) - n / 3) < 1
            held = np.sum(y[np.r_[train, val]] == c)
            assert abs(np.sum(y[val] == c) - held / 5) < 1 or np.sum(y[val] == c) == 1


@settings(max_examples=40)
@given(labelled_groups())
def test_folds_are_stratified_by_groups(drawn):
    y, groups = drawn
    groups = groups * 10 + y  # one class in a group
    _, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    band = np.log2(sizes).astype(int)
    for _, _, test in splits(y, groups, None, "toy", PROTOCOL):
        inside = np.isin(first, test)
        for c in np.unique(y):
            of_class = y[first] == c
            assert abs(np.sum(inside & of_class) - np.sum(of_class) / 3) < 1
            for b in np.unique(band):
                alike = of_class & (band == b)
                assert abs(np.sum(inside & alike) - np.sum(alike) / 3) < 1


@settings(max_examples=60)
@given(st.lists(st.integers(2, 30), min_size=2, max_size=6), st.integers(0, 2**32 - 1))
def test_validation_has_every_class_where_training_can_spare_one(counts, seed):
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    for train, val, _ in splits(y, np.arange(len(y)), None, "toy", PROTOCOL):
        held = np.r_[train, val]
        for c in range(len(counts)):
            if np.sum(y[held] == c) >= 2:
                assert c in y[val]
                assert c in y[train]


def test_one_group_of_a_class_stays_with_training_or_validation_whole():
    y = np.repeat([0, 1], [40, 6])
    groups = np.r_[np.arange(40), 100, 100, 100, 101, 101, 101]
    for train, val, test in splits(y, groups, None, "toy", Protocol(folds=2)):
        assert all(len(set(groups[part][y[part] == 1])) <= 1 for part in (train, val, test))


def test_own_test_set_is_kept():
    y = np.tile([0, 0, 0, 1], 30)
    part = np.array(["train"] * 80 + ["test"] * 40, dtype=object)
    found = splits(y, np.arange(120), part, "toy", Protocol(folds=4))
    assert len(found) == 4
    for train, val, test in found:
        assert test.tolist() == list(range(80, 120))
        assert sorted(np.r_[train, val]) == list(range(80))
    assert len({tuple(val) for _, val, _ in found}) == 4


def test_splits_depend_on_seed_and_name_alone():
    y, rows = np.tile([0, 0, 0, 1], 30), np.arange(120)

    def cut(name="toy", **changes):
        chosen = PROTOCOL.model_copy(update=changes)
        return [tuple(map(tuple, parts)) for parts in splits(y, rows, None, name, chosen)]

    assert cut() == cut()
    for part in range(3):
        here = [parts[part] for parts in cut()]
        assert here != [parts[part] for parts in cut("other")]
        assert here != [parts[part] for parts in cut(seed=1)]
    assert cut(repeats=2)[:3] == cut()
    first, second = (
        [parts[2] for parts in cut(repeats=2)[half]] for half in (slice(3), slice(3, 6))
    )
    assert not set(first) & set(second)
    assert [test for _, _, test in cut(validation=0.5)] == [test for _, _, test in cut()]


def test_few_large_groups_of_different_sizes_are_dealt():
    groups = np.repeat(np.arange(9), [1, 1, 2, 2, 4, 4, 8, 16, 32])
    y = (groups % 2).astype(int)
    found = splits(y, groups, None, "toy", Protocol(folds=4))
    assert sorted(np.concatenate([test for _, _, test in found])) == list(range(len(y)))


def test_validation_share():
    y = np.tile([0, 0, 0, 1], 300)
    for fraction in (0.1, 0.2, 0.5):
        chosen = PROTOCOL.model_copy(update={"validation": fraction})
        for train, val, _ in splits(y, np.arange(1200), None, "toy", chosen):
            assert len(val) / (len(train) + len(val)) == pytest.approx(fraction, abs=0.01)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), min_size=6, max_size=40),
    st.integers(2, 5),
    st.integers(0, 5),
)
@example([(0, 1), (0, 1), (1, 0), (1, 2), (2, 0), (2, 0), (2, 1)], 2, 0)
def test_a_class_of_several_groups_is_in_every_training_part(rows, n_splits, seed):
    """Where one of its groups holds no other class."""
    labels, groups = map(np.array, zip(*rows, strict=True))
    y = np.unique(labels, return_inverse=True)[1]
    folds = stratified_group_folds(y, groups, n_splits, seed)
    assert all(len(set(folds[groups == g])) == 1 for g in groups)
    for c in np.unique(y):
        mine = set(groups[y == c])
        if len(mine) > 1 and mine - set(groups[y != c]):
            assert len(set(folds[y == c])) > 1


def test_a_group_counts_for_the_rarest_class_it_holds():
    """Of nine pairs that hold one rare row each every fold gets three, among alike pairs too."""
    y = np.r_[np.zeros(120, int), np.tile([0, 1], 9), np.full(36, 2)]
    groups = np.arange(len(y)) // 2
    for name in ("toy", "other"):
        for _, _, test in splits(y, groups, None, name, PROTOCOL):
            assert np.bincount(y[test]).tolist() == [40 + 3, 3, 12]


def test_training_keeps_a_class_whose_groups_all_fall_to_the_validation_part():
    """Each half has one large group of class 1, and one row of it beside a row of class 2."""
    y = np.r_[np.zeros(20, int), np.ones(12, int), np.full(8, 2), 1, 2, 1, 2]
    groups = np.r_[np.arange(20), np.repeat([20, 21], 6), np.arange(22, 30), 30, 30, 31, 31]
    for train, val, _ in splits(y, groups, None, "toy", Protocol(folds=2)):
        assert set(y[train]) == set(y[val]) == {0, 1, 2}


def test_splits_are_these_on_every_machine():
    """The committed tables hang on them."""
    y = np.tile([0, 0, 0, 1], 6)
    groups = np.arange(24) // 2
    found = splits(y, groups, None, "toy", Protocol(folds=3, validation=0.4))
    shown = np.full((3, 24), "-")
    for row, parts in zip(shown, found, strict=True):
        for part, letter in zip(parts, "tv.", strict=True):  # training, validation, test
            row[part] = letter
    assert ["".join(row) for row in shown] == [
        "......ttttvvvvvvtt..vvtt",
        "vvtttt........ttttvvvvvv",
        "ttttttvvvvvvvv....tt....",
    ]


# Decision rules


def counted(objective, y, labels, n_classes):
    hits = np.bincount(y[labels == y], minlength=n_classes).astype(float)
    predicted = np.bincount(labels, minlength=n_classes)
    return objective(hits, predicted, np.bincount(y, minlength=n_classes))


@st.composite
def scored(draw, n_classes, grid=20):
    """Probabilities on a grid, so that ties are frequent, and labels."""
    n = draw(st.integers(1, 14))
    cells = st.lists(st.integers(0, grid), min_size=n_classes, max_size=n_classes).filter(any)
    p = np.array(draw(st.lists(cells, min_size=n, max_size=n)), dtype=float)
    y = np.array(draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n)))
    return p / p.sum(axis=1, keepdims=True), y


@settings(max_examples=200)
@given(scored(2))
def test_two_classes_are_tuned_to_the_optimum(drawn):
    p, y = drawn
    cuts = [*p[:, 1], 2.0]  # from every score on, or never
    best = max(counted(macro_f1, y, (p[:, 1] >= cut).astype(int), 2) for cut in cuts)
    found = decide(p, tune_offsets(p, y))
    assert counted(macro_f1, y, found, 2) == pytest.approx(best, abs=1e-9)


@settings(max_examples=200)
@given(scored(2))
def test_any_objective_is_tuned_to_the_optimum(drawn):
    def hits_minus_alarms(hits, predicted, support):
        return 3 * hits[..., 1] - predicted[..., 1]

    p, y = drawn
    cuts = [*p[:, 1], 2.0]
    best = max(counted(hits_minus_alarms, y, (p[:, 1] >= c).astype(int), 2) for c in cuts)
    found = decide(p, tune_offsets(p, y, hits_minus_alarms))
    assert counted(hits_minus_alarms, y, found, 2) == pytest.approx(best)


@settings(max_examples=200)
@given(st.integers(3, 5).flatmap(scored))
def test_several_classes_are_never_worse_than_argmax_and_locally_optimal(drawn):
    p, y = drawn
    n_classes = p.shape[1]
    offsets = tune_offsets(p, y)
    value = counted(macro_f1, y, decide(p, offsets), n_classes)
    assert value >= counted(macro_f1, y, decide(p, np.zeros(n_classes)), n_classes) - 1e-9
    for c in range(n_classes):
        for step in (-2, -0.7, 0.7, 2):
            moved = offsets + step * (np.arange(n_classes) == c)
            assert counted(macro_f1, y, decide(p, moved), n_classes) <= value + 1e-9


@settings(max_examples=100)
@given(st.integers(2, 4).flatmap(scored))
def test_offsets_are_zero_where_argmax_cannot_be_improved(drawn):
    p, _ = drawn
    assert not tune_offsets(p, decide(p, np.zeros(p.shape[1]))).any()


def test_a_validation_part_that_says_nothing_changes_nothing():
    p = np.array([[0.9, 0.1], [0.6, 0.4]])

    def indifferent(hits, predicted, support):
        return np.zeros(hits.shape[:-1])

    assert not tune_offsets(p, np.array([0, 1]), indifferent).any()


def test_among_equally_good_offsets_the_one_nearest_to_argmax_is_chosen():
    """Thresholds between .2 and .3, and between .6 and .7, cost one error of one class each."""
    p = np.array([0.05, 0.1, 0.2, 0.3, 0.6, 0.7, 0.8, 0.9])
    y = np.array([0, 0, 0, 1, 0, 1, 1, 1])

    def right(hits, predicted, support):
        return hits.sum(axis=-1)

    found = tune_offsets(np.column_stack([1 - p, p]), y, right)
    # argmax is right on six, both thresholds on seven.
    assert 0.6 < 1 / (1 + np.exp(found[1])) < 0.7
    mirrored = tune_offsets(np.column_stack([p, 1 - p]), 1 - y, right)
    assert 0.3 < 1 / (1 + np.exp(mirrored[1])) < 0.4


def test_where_two_rivals_tie_tuning_expects_the_rarer_class_as_the_rule_does():
    p = np.array([[3, 3, 2], [2, 1, 1], [1, 1, 4], [3, 4, 3]])
    p, y = p / p.sum(axis=1, keepdims=True), [1, 2, 2, 1]
    assert decide(p, tune_offsets(p, np.array(y))).tolist() == y


def test_equal_probabilities_cannot_be_told_apart():
    p = np.full((6, 2), [0.7, 0.3])
    labels = decide(p, tune_offsets(p, np.array([0, 0, 0, 1, 0, 0])))
    assert len(set(labels)) == 1


def test_zero_probability_gives_finite_offsets():
    p = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert np.isfinite(tune_offsets(p, np.array([0, 1, 1]))).all()


@given(st.floats(0.01, 0.99))
def test_an_offset_is_a_threshold_that_is_itself_positive(threshold):
    offset = np.array([0.0, np.log((1 - threshold) / threshold)])
    p = np.clip(threshold + np.array([-1e-6, 1e-6]), 0, 1)
    assert decide(np.column_stack([1 - p, p]), offset).tolist() == [0, 1]


def test_ties():
    tie = np.array([[0.5, 0.5], [0.4, 0.6]])
    assert decide(tie).tolist() == [0, 1]
    assert decide(tie, np.zeros(2)).tolist() == [1, 1]


@pytest.mark.parametrize("percent", range(1, 100))
def test_a_probability_equal_to_the_threshold_is_positive(percent):
    """Whatever the logarithms round to."""
    p = percent / 100
    offsets = np.array([0.0, np.log((1 - p) / p)])
    assert decide(np.array([[1 - p, p]]), offsets).tolist() == [1]
    below = np.nextafter(p, 0) - 1e-9
    assert decide(np.array([[1 - below, below]]), offsets).tolist() == [0]


def test_macro_f1_is_the_mean_over_classes_that_occur():
    from sklearn.metrics import f1_score

    y, labels = np.array([0, 0, 2, 2, 2]), np.array([0, 2, 2, 2, 0])
    expected = f1_score(y, labels, average="macro")
    assert counted(macro_f1, y, labels, 3) == pytest.approx(expected)


TAIL = {"train": 40, "imbalance": 10, "test": 6}


def test_a_long_tail_thins_training_and_levels_the_test_fold():
    y = np.repeat([0, 1, 2], 60)
    chosen = Protocol(folds=5)
    found = splits(y, np.arange(len(y)), None, "digits", chosen, TAIL)
    assert len(found) == 5
    for train, val, test in found:
        assert np.bincount(y[np.append(train, val)]).tolist() == [40, 13, 4]
        assert np.bincount(y[val]).min() >= 1
        assert np.bincount(y[test]).tolist() == [6, 6, 6]
        assert len(set(train) | set(val) | set(test)) == 57 + 18
    whole = splits(y, np.arange(len(y)), None, "digits", chosen)
    places = {
        tuple(np.isin(rest[y[rest] == 0], test))
        for (_, _, test), (_, _, rest) in zip(found, whole, strict=True)
    }
    assert len(places) > 1  # drawn anew for each split
    again = splits(y, np.arange(len(y)), None, "digits", chosen, TAIL)
    for one, other in zip(found, again, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_long_tail_that_a_fold_cannot_give():
    y = np.repeat([0, 1, 2], 60)
    with pytest.raises(StudyError, match=r"'digits'.*50 rows of class 0.*48"):
        splits(y, np.arange(len(y)), None, "digits", Protocol(folds=5), {**TAIL, "train": 50})
