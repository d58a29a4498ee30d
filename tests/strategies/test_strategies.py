import numpy as np
import pytest

from imbbench.bench import metrics
from imbbench.bench import prepared as prepared_module
from imbbench.bench.cell import Cell, Task, _cached_split
from imbbench.bench.objectives import WeightedCrossEntropy
from imbbench.bench.prepared import data_of, folder_of
from imbbench.bench.registry import NotApplicable, definitions, resolve
from imbbench.errors import StudyError
from imbbench.strategies import prior, reference, weighting
from imbbench.strategies.posthoc import (
    logit_adjustment,
    threshold,
    tuned_balanced_accuracy,
    tuned_f1,
)


@pytest.fixture
def make(study):
    """``make(dataset, learner)``: a cell of the tiny study."""

    def cell(dataset="binary", learner="logreg", split=0):
        return Cell(study, Task(dataset, "reference", learner, "tried", split))

    return cell


@pytest.fixture
def caught(make, monkeypatch):
    """``caught(strategy, cell, *values)``: what the strategy hands to ``cell.fit``."""

    def call(strategy, cell, *values, **parameters):
        got = {}

        def fit(X=None, y=None, **others):
            got.update(X=X, y=y, **others)

        monkeypatch.setattr(cell, "fit", fit)
        strategy(cell, *values, **parameters)
        return got

    return call


# The cell


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


# reference, prior, weighting


def test_dummy_says_the_prior(make):
    cell = make("four")
    p = reference.dummy(cell).predict_proba(cell.X_val)
    np.testing.assert_allclose(p, np.tile(cell.class_counts / len(cell.y), (len(p), 1)))


@pytest.mark.parametrize("dataset", ["binary", "four"])
def test_bias_init_starts_at_the_entropy_of_the_prior(make, dataset):
    cell = make(dataset, "mlp")
    share = cell.class_counts / len(cell.y)
    assert prior.bias_init(cell).first_loss_ == pytest.approx(
        -(share * np.log(share)).sum(), abs=1e-6
    )
    assert prior.zero_init(cell).first_loss_ == pytest.approx(np.log(len(share)), abs=1e-6)


@pytest.mark.parametrize("learner", ["logreg", "tree", "hgb"])
def test_bias_init_needs_a_start(make, learner):
    with pytest.raises(NotApplicable, match=f"{learner} is not trained step by step"):
        prior.bias_init(make(learner=learner))


def test_inverse_frequency_equals_scikit_learns_balanced(make, caught):
    from sklearn.utils.class_weight import compute_class_weight

    cell = make("four")
    expected = compute_class_weight("balanced", classes=np.arange(4), y=cell.y)
    found = caught(weighting.inverse_frequency, cell)["class_weight"]
    np.testing.assert_allclose(found, expected)
    found = caught(weighting.inverse_sqrt, cell)["class_weight"]
    np.testing.assert_allclose(found, np.sqrt(expected))


def test_a_table_by_name_is_put_in_class_order(make, caught):
    cell = make("four")
    assert cell.classes == ["d", "c", "b", "a"]
    by_name = {"a": 4, "b": 3, "c": 2, "d": 1}
    assert caught(weighting.table, cell, by_name)["class_weight"].tolist() == [1, 2, 3, 4]
    assert caught(weighting.table, cell, [1, 2, 3, 4])["class_weight"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"ham": 0.576, "spam": 10}, "the weights are for the classes ham, spam"),
        ([1, 10], "2 weights for 4 classes"),
    ],
)
def test_a_table_of_other_classes_does_not_apply(make, weights, reason):
    with pytest.raises(NotApplicable, match=reason):
        weighting.table(make("four"), weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": 1, "b": 1, "c": 1}, "missing or unknown: d"),
        ({"a": 1, "b": 1, "c": 1, "x": 1}, "missing or unknown: d, x"),
        ([1, 1, 1, -1], "not negative"),
        ([0, 0, 0, 0], "not all zero"),
    ],
)
def test_a_wrong_table_is_refused(make, weights, message):
    with pytest.raises(ValueError, match=message):
        weighting.table(make("four"), weights)


# posthoc


@pytest.mark.parametrize("value", [0.3, 0.5, 0.05])
def test_a_threshold_is_a_probability_that_is_itself_positive(make, value):
    cell = make("mixed")
    model = threshold(cell, value)
    p = cell.plain().predict_proba(cell.X_val)
    np.testing.assert_array_equal(model.predict_proba(cell.X_val), p)
    assert model.predict(cell.X_val).tolist() == (p[:, 1] >= value).astype(int).tolist()


def test_a_threshold_needs_two_classes(make):
    with pytest.raises(NotApplicable, match="two classes"):
        threshold(make("four"), 0.3)
    with pytest.raises(NotApplicable, match="F1 of one class"):
        tuned_f1(make("four"))


def test_tuned_rules_are_best_on_the_validation_part(make):
    cell = make("mixed")
    p = cell.plain().predict_proba(cell.X_val)[:, 1]
    for strategy, value in (
        (tuned_f1, lambda found: found["f1"][1]),
        (tuned_balanced_accuracy, lambda found: found["balanced_accuracy"]),
    ):
        labels = strategy(cell).predict(cell.X_val)
        found = value(metrics.label_metrics(cell.y_val, labels, 2))
        cuts = [(p >= cut).astype(int) for cut in [*p, 2]]
        best = max(value(metrics.label_metrics(cell.y_val, cut, 2)) for cut in cuts)
        assert found == pytest.approx(best)


def test_logit_adjustment_divides_by_the_prior(make):
    for dataset in ("binary", "four"):
        cell = make(dataset)
        p = cell.plain().predict_proba(cell.X_val)
        expected = p / cell.class_counts
        found = logit_adjustment(cell).predict_proba(cell.X_val)
        np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True))
        same = logit_adjustment(cell, tau=0.0).predict_proba(cell.X_val)
        np.testing.assert_allclose(same, p)


def test_logit_adjustment_of_a_certain_tree_is_finite(make):
    cell = make(learner="tree")
    assert np.isfinite(logit_adjustment(cell).predict_proba(cell.X_val)).all()


# The registry


def test_resolve_by_name_and_by_key(make, caught):
    call, own_rule = resolve("posthoc", "anything", {"threshold": 0.3, "control": "plain"})
    assert own_rule
    assert call(make()).offsets[1] == pytest.approx(np.log(7 / 3))
    call, own_rule = resolve("oversampling", "smote", {"ratio": 2, "learners": ["tree"]})
    assert not own_rule
    cell = make("four")
    got = caught(call, cell)
    assert np.bincount(got["y"])[3] == round(cell.class_counts[0] / 2)
    call, _ = resolve("reference", "plain", None)
    assert call(make()).classes_.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("family", "name", "entry", "message"),
    [
        (
            "weighting",
            "inverse",
            {},
            "'inverse' of family 'weighting' is not defined. Known there: "
            "inverse_frequency, inverse_sqrt, alpha_share, "
            "any name with the key 'effective_number', any name with the key 'table'",
        ),
        ("weighting", "table", {}, "'table' of family 'weighting' is not defined"),
        ("oversampling", "smote", {"k": 5}, "unknown key 'k'. Known: ratio, k_neighbors, control"),
        ("undersampling", "enn", {"sampler": "ENN"}, "unknown sampler 'ENN'. Known: .*TomekLinks"),
        ("undersampling", "links", {"sampler": "TomekLinks", "k": 1}, "unknown key 'k'"),
        ("posthoc", "t", {"threshold": 0.3, "tau": 1}, "unknown key 'tau'"),
    ],
)
def test_unknown_names_list_the_known_ones(family, name, entry, message):
    with pytest.raises(StudyError, match=message):
        resolve(family, name, entry)


def test_definitions_are_found_by_name():
    assert set(definitions("prior")) >= {"bias_init"}
    assert definitions("posthoc")["threshold"].own_rule
    assert not definitions("posthoc")["logit_adjustment"].own_rule
    assert "need" not in definitions("prior")
