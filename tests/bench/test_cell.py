import copy
import json
from contextlib import suppress

import numpy as np
import pytest

from imbbench.bench import learners, protocol
from imbbench.bench import prepared as prepared_module
from imbbench.bench.cell import Cell, Task, frozen, view_of
from imbbench.bench.counts import inverse_frequency_weights
from imbbench.bench.features import matrix
from imbbench.bench.learners import one_hot
from imbbench.bench.objectives import WeightedCrossEntropy
from imbbench.bench.prepared import data_of, folder_of
from imbbench.bench.registry import NotApplicable
from imbbench.bench.scoring import run_cell
from imbbench.errors import StudyError

# What a strategy gets


@pytest.mark.parametrize("dataset", ["fixed_test", "mixed"])
def test_a_cell_holds_the_training_and_the_validation_part_of_its_split(study, make, dataset):
    prepared, cuts = data_of(dataset, study.protocol)
    schema = prepared.schema
    for split, (train, val, test) in enumerate(cuts):
        cell = make(dataset, split=split)
        values, nominal = matrix(prepared.X, schema["numeric"], schema["categorical"], train)
        np.testing.assert_array_equal(cell.X, values[train])
        np.testing.assert_array_equal(cell.X_val, values[val])
        assert cell.y.tolist() == prepared.y[train].tolist()
        assert cell.y_val.tolist() == prepared.y[val].tolist()
        assert cell.categorical.tolist() == nominal.tolist()
        assert cell.class_counts.tolist() == np.bincount(prepared.y[train]).tolist()
        assert cell.classes == schema["classes"]
        rows = {
            row.tobytes()
            for held in vars(cell).values()
            if isinstance(held, np.ndarray) and held.ndim == 2
            for row in held
        }
        mine = {row.tobytes() for row in values[np.r_[train, val]]}
        assert rows <= mine
        assert not rows & ({row.tobytes() for row in values[test]} - mine)


def test_seeds_are_of_the_study_the_data_set_the_split_and_the_strategy(study, make):
    assert make().seed == protocol.seed_for(0, "binary", 0, "tried")
    assert make().common_seed == protocol.seed_for(0, "binary", 0)
    other = make(learner="tree")
    assert (other.seed, other.common_seed) == (make().seed, make().common_seed)
    other = make(strategy="another")
    assert other.seed != make().seed
    assert other.common_seed == make().common_seed
    assert make(split=1).common_seed != make().common_seed != make("mixed").common_seed
    before = make()
    study.protocol = study.protocol.model_copy(update={"seed": 1})
    assert before.common_seed != make().common_seed
    assert before.seed != make().seed


def test_class_weights_become_a_loss_or_row_weights(make):
    weight = np.array([1.0, 5.0])
    model = make(learner="mlp").fit(class_weight=weight)
    assert isinstance(model.loss, WeightedCrossEntropy)
    np.testing.assert_allclose(model.loss.weight.numpy(), weight)
    cell = make()
    by_class = cell.fit(class_weight=weight).predict_proba(cell.X)
    by_row = cell.fit(sample_weight=weight[cell.y]).predict_proba(cell.X)
    np.testing.assert_array_equal(by_class, by_row)
    assert np.abs(by_class - cell.fit().predict_proba(cell.X)).max() > 0.05


def test_weights_do_not_apply_to_a_learner_that_takes_none(study, make):
    study.learners["knn"] = {"class": "sklearn.neighbors.KNeighborsClassifier", "n_neighbors": 3}
    cell = make("mixed", "knn")
    cell.fit()
    with pytest.raises(NotApplicable, match="knn takes no weights of rows"):
        cell.fit(class_weight=np.array([1.0, 5.0]))
    with pytest.raises(NotApplicable, match="knn takes no weights of rows"):
        cell.fit(sample_weight=np.ones(len(cell.y)))


def test_settings_and_seed_reach_the_learner(make):
    cell = make("mixed", "mlp")
    model = cell.make(epochs=7)
    assert model.hidden == [8]
    assert model.epochs == 7
    assert model.random_state == cell.seed
    assert model.categorical.tolist() == cell.categorical.tolist()
    assert model.categorical.sum() == 2
    assert make().make().categorical is None
    assert cell.make(seed=3).random_state == 3


def test_other_rows_can_be_fitted_and_rows_are_counted(make):
    cell = make("four", "mlp")
    model = cell.fit(cell.X[:40], cell.y[:40])
    # As many steps on few rows as on all, on batches of one size.
    assert model.n_steps_ == cell.steps == cell.fit().n_steps_
    assert cell.rows_seen == 2 * cell.steps * 32
    assert np.isnan(make("four").rows_seen)


@pytest.mark.parametrize("code", [0.5, 9, -1, np.nan])
def test_codes_that_name_no_category_are_not_fitted(make, code):
    cell = make("mixed", "tree")
    column = int(np.flatnonzero(cell.categorical)[1])
    X = np.array(cell.X)
    cell.fit(X, cell.y)
    X[3, column] = code
    message = f"column {column} of .* holds {code:g}, which names no category .* from 0 to 2"
    with pytest.raises(ValueError, match=message):
        cell.fit(X, cell.y)
    make().fit(make().X + 0.5, make().y)  # numbers may be any


def test_the_space_of_a_cell_has_its_nominal_columns_spread_out(make):
    cell = make("mixed")
    expected = one_hot(cell.categorical).fit_transform(cell.X)
    np.testing.assert_array_equal(cell.space, expected)
    assert cell.space.shape[1] > cell.X.shape[1]
    np.testing.assert_array_equal(make().space, make().X)


def test_texts_are_those_of_the_training_part_and_new_ones_are_coded_alike(study, make):
    cell = make("texts", "tfidf_logreg", split=1)
    prepared, cuts = data_of("texts", study.protocol)
    train, val, _ = cuts[1]
    assert cell.texts == [prepared.X[i] for i in train]
    assert (cell.vectorize(cell.texts) != cell.X).nnz == 0
    held_out = cell.vectorize([prepared.X[i] for i in val])
    assert (held_out != cell.X_val).nnz == 0
    with pytest.raises(NotApplicable, match="the data are not texts"):
        assert make().texts


def test_need_is_not_applicable_with_its_reason(make):
    make().need(True, "never said")
    with pytest.raises(NotApplicable, match=r"^too few moons$"):
        make().need(False, "too few moons")


def test_a_lost_class_is_named(study, make, monkeypatch):
    prepared, cuts = data_of("four", study.protocol)
    train, val, test = cuts[0]
    gone = prepared.y[train] == 3
    cuts = [(train[~gone], np.r_[val, train[gone]], test)]
    monkeypatch.setattr(prepared_module.protocol, "splits", lambda *_: cuts)
    (folder_of("four") / "data.csv").touch()  # what was read before is read again
    with pytest.raises(StudyError, match="class 'a' has no row in the training part"):
        make("four")


# The plain model


def test_plain_is_fitted_once_and_lent_out(make, monkeypatch):
    cell = make("mixed", "mlp")
    first = cell.plain().predict_proba(cell.X_val)
    assert cell.borrowed_seconds == 0
    other = make("mixed", "mlp", strategy="another")
    monkeypatch.setattr(other, "fit", lambda **_: pytest.fail("it is fitted again"))
    np.testing.assert_array_equal(other.plain().predict_proba(cell.X_val), first)
    assert other.borrowed_seconds > 0
    assert other.rows_seen == cell.rows_seen > 0


def test_plain_is_the_model_of_the_strategy_plain_and_refitted_when_asked(make):
    own = make("mixed", "mlp", strategy="plain")
    lent = make("mixed", "mlp").plain()
    model = own.plain()
    assert own.borrowed_seconds == 0  # the strategy itself is always fitted
    assert lent.random_state == model.random_state == own.seed
    again = make("mixed", "mlp", reuse=False)
    again.plain()
    assert again.borrowed_seconds == 0


@pytest.mark.parametrize(
    ("place", "other"),
    [
        ({"split": 0}, {"split": 1}),
        ({"learner": "tree"}, {"learner": "hgb"}),
        ({"dataset": "binary"}, {"dataset": "mixed"}),
    ],
)
def test_plain_of_another_cell_is_not_lent(study, make, place, other):
    study.learners |= {"tree": {}, "hgb": {}}  # settings alone do not tell them apart
    make(**place).plain()
    cell = make(**other)
    cell.plain()
    assert cell.borrowed_seconds == 0


def change_settings(study):
    study.learners["mlp"]["epochs"] = 2


def change_protocol(study):
    study.protocol = study.protocol.model_copy(update={"seed": 1})


def change_schema(study):
    path = folder_of("binary") / "schema.json"
    path.write_text(path.read_text("utf-8") + " ", "utf-8")


def change_data(study):
    path = folder_of("binary") / "data.csv"
    path.write_text(path.read_text("utf-8").replace("0.1", "0.2", 1), "utf-8")


@pytest.mark.parametrize("change", [change_settings, change_protocol, change_schema, change_data])
def test_plain_is_fitted_again_when_what_it_was_made_from_changes(study, make, change):
    make("binary", "mlp").plain()
    change(study)
    cell = make("binary", "mlp")
    cell.plain()
    assert cell.borrowed_seconds == 0


def test_plain_of_another_xgboost_is_fitted_again(study, make, monkeypatch):
    study.learners |= {"xgboost": {"n_estimators": 2}}
    make("binary", "xgboost").plain()
    monkeypatch.setattr(learners, "library", lambda name: f"{name} 0.1")
    cell = make("binary", "xgboost")
    cell.plain()
    assert cell.borrowed_seconds == 0


def test_weights_of_rows_and_of_classes_are_multiplied(make):
    cell = make("binary", "logreg")
    rows = np.linspace(0.5, 2, len(cell.y))
    both = cell.fit(sample_weight=rows, class_weight=np.array([1.0, 3.0]))
    one = cell.fit(sample_weight=rows * np.array([1.0, 3.0])[cell.y])
    np.testing.assert_array_equal(both.predict_proba(cell.X_val), one.predict_proba(cell.X_val))
    np.testing.assert_allclose(both.prior_, one.prior_)


def test_a_cell_of_arrays(study):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), np.repeat([0, 1], [30, 10])
    cell = Cell.from_arrays(study, "logreg", X, y, classes=["a", "b"], seed=5, settings={"C": 0.5})
    assert cell.class_counts.tolist() == [30, 10]
    assert (cell.seed, cell.common_seed, cell.X_val) == (5, 5, None)
    assert cell.make().C == 0.5
    assert cell.plain().predict_proba(X).shape == (40, 2)
    assert cell.space.shape == (40, 3)
    with pytest.raises(NotApplicable, match="made from arrays"):
        _ = cell.texts
    X[0] = 0  # the caller's own array stays as it was


@pytest.mark.parametrize("learner", ["logreg", "mlp"])
def test_what_a_strategy_gets_is_read_only(study, learner):
    cell = Cell(study, Task("mixed", "reference", learner, "plain", 0))
    for name in ("X", "y", "X_val", "y_val", "categorical", "class_counts"):
        array = getattr(cell, name)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_sparse_matrices_are_read_only_too(study):
    cell = Cell(study, Task("texts", "reference", "tfidf_logreg", "plain", 0))
    with pytest.raises(ValueError, match="read-only"):
        cell.X.data[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        cell.X.indices[0] = 0


@pytest.mark.parametrize("order", ["C", "F"])
def test_what_is_frozen_cannot_be_thawed(order):
    array = np.asarray(np.arange(6.0).reshape(2, 3), order=order)
    for kept in (frozen(array), view_of(frozen(array))):
        assert kept.flags.c_contiguous == array.flags.c_contiguous
        while isinstance(kept, np.ndarray):
            with pytest.raises(ValueError, match="WRITEABLE"):
                kept.flags.writeable = True
            np.testing.assert_array_equal(kept, array)
            kept = kept.base
    array[0] = 7  # the caller's own stays as it was
    assert frozen(np.empty((0, 3))).shape == (0, 3)
    assert frozen(None) is view_of(None) is None


def spoil(array):
    """Whatever a caller can do to an array or sparse matrix, and to what it is a view of."""
    parts = [array] if isinstance(array, np.ndarray) else [array.data, array.indices, array.indptr]
    for part in parts:
        while isinstance(part, np.ndarray):
            with suppress(ValueError):
                part.flags.writeable = True
            with suppress(ValueError):
                part[...] = 1
            with suppress(ValueError, AttributeError, DeprecationWarning):
                part.shape = (part.size, 1, 1)
            part = part.base
    if not isinstance(array, np.ndarray):
        array.data = np.ones(3)


class Spoiler:
    """A model that spoils what it predicts."""

    def __init__(self, model):
        self.model = model

    def predict_proba(self, X):
        found = self.model.predict_proba(X)
        spoil(X)
        return found


def hostile(cell, weights):
    """Spoil all that a cell gives."""
    model = cell.fit()
    lent = cell.plain()
    for holder in (lent, getattr(lent, "model_", None), getattr(lent, "coder_", None)):
        for value in list(vars(holder).values()) if holder is not None else []:
            if isinstance(value, np.ndarray):
                spoil(value)
            elif isinstance(value, list):
                value.clear()
    made = cell.make()
    for name in ("space", "X", "y", "X_val", "y_val", "groups", "categorical", "class_counts"):
        spoil(getattr(cell, name))
    cell.classes.clear()
    weights.clear()
    for name, value in made.get_params().items():
        if isinstance(value, list):
            value.append(3)
        elif isinstance(value, np.ndarray):
            spoil(value)
        else:
            setattr(made, name, None)
    cell.X = cell.y = cell.seed = cell.steps = cell.neural = None
    hostile.ended = True
    return Spoiler(model)


@pytest.mark.parametrize(
    ("dataset", "learner"),
    [("mixed", "logreg"), ("mixed", "mlp"), ("mixed", "tree"), ("texts", "tfidf_logreg")],
)
def test_a_hostile_strategy_harms_nobody_else(study, tried, dataset, learner):
    others = [
        Task(dataset, family, learner, strategy, 0)
        for family, strategy in (
            ("reference", "plain"),
            ("weighting", "table_3"),
            ("posthoc", "threshold_0_3"),
        )
    ]

    def scores():
        found = [run_cell(study, task)[::2] for task in others]
        return json.dumps(found, default=lambda array: array.tolist())

    before, entries = scores(), copy.deepcopy((study.learners, study.strategies))
    lists, hostile.ended = {"weights": [1, 2, 3]}, False
    rows, _, _ = tried(hostile, dataset, learner, **lists)
    assert rows[0]["status"] == "failed"
    assert hostile.ended
    assert lists == {"weights": [1, 2, 3]}
    del study.strategies["reference"]["tried"]
    assert entries == (study.learners, study.strategies)
    assert scores() == before


def test_a_model_knows_the_shares_it_was_trained_on(make):
    cell = make("four", "mlp")
    natural = cell.class_counts / len(cell.y)
    np.testing.assert_allclose(cell.fit().prior_, natural)
    weight = inverse_frequency_weights(cell.class_counts)
    np.testing.assert_allclose(cell.fit(class_weight=weight).prior_, 0.25)
    cell = make("four", "logreg")
    np.testing.assert_allclose(cell.fit(sample_weight=weight[cell.y]).prior_, 0.25)
    np.testing.assert_allclose(cell.fit(class_weight=weight).prior_, 0.25)
    np.testing.assert_allclose(cell.plain().prior_, natural)
    few = np.concatenate([np.flatnonzero(cell.y == c)[:5] for c in range(4)])
    np.testing.assert_allclose(cell.fit(cell.X[few], cell.y[few]).prior_, 0.25)
