"""The cell: what a strategy gets, and what it hands back."""

import numpy as np
import pytest

from imbbench.bench import prepared as prepared_module
from imbbench.bench.cell import Cell, Task, _cached_split
from imbbench.bench.counts import inverse_frequency_weights
from imbbench.bench.objectives import WeightedCrossEntropy
from imbbench.bench.prepared import data_of, folder_of
from imbbench.errors import StudyError


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study."""

    def cell(dataset="binary", learner="logreg", split=0):
        return Cell(study, Task(dataset, "reference", learner, "tried", split))

    return cell


def test_cell_holds_training_and_validation_part_only(study, make):
    cell = make("fixed_test")
    prepared, cuts = data_of("fixed_test", study.protocol)
    train, val, _ = cuts[0]
    assert cell.X.shape == (len(train), 3)
    assert cell.y.tolist() == prepared.y[train].tolist()
    assert cell.y_val.tolist() == prepared.y[val].tolist()
    assert cell.class_counts.tolist() == np.bincount(cell.y).tolist()
    held = {name for name in vars(cell) if not name.startswith("_")}
    assert not any("test" in name for name in held)


def test_class_weights_become_a_loss_or_row_weights(make):
    weight = np.array([1.0, 5.0])
    model = make(learner="mlp").fit(class_weight=weight)
    assert isinstance(model.loss, WeightedCrossEntropy)
    cell = make()
    by_class = cell.fit(class_weight=weight).predict_proba(cell.X)
    by_row = cell.fit(sample_weight=weight[cell.y]).predict_proba(cell.X)
    np.testing.assert_array_equal(by_class, by_row)


def test_settings_and_seed_reach_the_learner(make):
    cell = make("mixed", "mlp")
    model = cell.make(epochs=7)
    assert model.hidden == [8]
    assert model.epochs == 7
    assert model.random_state == cell.seed
    assert model.categorical.sum() == 2
    assert make().make().categorical is None
    assert cell.make(seed=3).random_state == 3


def test_plain_is_fitted_once_and_lent_out(make, monkeypatch):
    cell = make("mixed", "mlp")
    first = cell.plain().predict_proba(cell.X_val)
    assert cell.borrowed_seconds == 0
    other = make("mixed", "mlp")
    monkeypatch.setattr(other, "fit", lambda **_: pytest.fail("it is fitted again"))
    np.testing.assert_array_equal(other.plain().predict_proba(cell.X_val), first)
    assert other.borrowed_seconds > 0


@pytest.mark.parametrize(
    "change",
    [
        lambda study: study.learners["mlp"].update(epochs=2),
        lambda study: setattr(study, "protocol", study.protocol.model_copy(update={"seed": 1})),
    ],
)
def test_plain_is_fitted_again_when_the_study_changes(study, make, change):
    before = make("binary", "mlp").plain()
    change(study)
    cell = make("binary", "mlp")
    after = cell.plain()
    assert cell.borrowed_seconds == 0
    assert before.n_epochs_ != after.n_epochs_ or before.random_state != after.random_state


def test_plain_is_fitted_again_when_the_data_change(study, make, monkeypatch):
    make().plain()
    folder = folder_of("binary")
    text = (folder / "schema.json").read_text("utf-8")
    (folder / "schema.json").write_text(text + " ", "utf-8")
    cell = make()
    cell.plain()
    assert cell.borrowed_seconds == 0


def test_a_lost_class_is_named(study, make, monkeypatch):
    prepared, cuts = data_of("four", study.protocol)
    train, val, test = cuts[0]
    gone = prepared.y[train] == 3
    cuts = [(train[~gone], np.r_[val, train[gone]], test)]
    monkeypatch.setattr(prepared_module, "_cached_data", lambda *_: (prepared, cuts))
    _cached_split.cache_clear()
    with pytest.raises(StudyError, match="class 'a' has no row in the training part"):
        make("four")
    _cached_split.cache_clear()


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
