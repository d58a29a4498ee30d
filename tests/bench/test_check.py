import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from sklearn.linear_model import LogisticRegression

from imbbench import config
from imbbench.bench.check import check, check_family, strategy_table
from imbbench.bench.registry import strategy
from imbbench.bench.run import run_family
from imbbench.errors import StudyError
from imbbench.strategies import weighting

OPEN = f"{__name__}.Open"
KNN = "sklearn.neighbors.KNeighborsClassifier"
MIXTURE = "sklearn.mixture.GaussianMixture"
STUDY = {
    "families": ["reference", "weighting"],
    "protocol": {"folds": 3},
    "learners": {"logreg": {"C": 1.0}, "mlp": {}},
    "strategies": {
        "reference": {"plain": {}},
        "weighting": {"inverse_frequency": None, "heavy": {"table": [1, 10]}},
    },
    "datasets": {
        "toy": {
            "source": {"path": "a.csv"},
            "sha256": {"data": "0" * 64},
            "format": "csv",
            "target": "y",
            "modality": "tabular",
            "licence": "none",
            "why": "a test",
        }
    },
}


class Open(LogisticRegression):
    """Like LightGBM's: its library knows parameters that nothing here names."""

    def __init__(self, rounds=5, C=1.0, **others):
        super().__init__(C=C)
        self.rounds, self.others = rounds, others

    def get_params(self, deep=True):
        return {"rounds": self.rounds, "C": self.C}


@pytest.fixture
def changed(tmp_path):
    """``changed(place, value)``: the study with the value at ``a.b.c`` set."""

    def go(place=None, value=None):
        params = json.loads(json.dumps(STUDY))
        if place:
            *parents, last = place.split(".")
            inner = params
            for key in parents:
                inner = inner[key]
            inner[last] = value
        path = tmp_path / "params.yaml"
        path.write_text(json.dumps(params), encoding="utf-8")
        return config.load(path)

    return go


def test_a_sound_study(changed):
    check(changed())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("strategies.weighting.heavy.control", "plain"),  # of another family
        ("strategies.weighting.heavy.learners", ["mlp"]),
        ("strategies.weighting.heavy.splits", 1),
        ("strategies.weighting.heavy.time_limit", 0.5),
        ("strategies.weighting.heavy.time_limit", 1),
        ("strategies.weighting.heavy.primary", True),
        ("strategies.weighting.heavy.role", "placebo"),
        ("learners.mlp", {"strategies": ["plain", "heavy"], "splits": 2, "words": 10}),
        ("learners.mlp", {"hidden": [], "weight_decay": 0, "epochs": 0.5}),
        ("learners.knn", {"class": "sklearn.neighbors.KNeighborsClassifier", "n_neighbors": 40}),
        ("learners.svc", {"class": "sklearn.svm.SVC", "probability": True, "splits": 1}),
        ("learners.wide", {"class": "xgboost.XGBClassifier", "max_depth": 2}),
        ("learners.open", {"class": OPEN, "rounds": 3, "verbose": -1, "max_bin": 9}),
        # Longer than anybody waits, but it may be meant.
        ("learners.hgb", {"max_iter": 1_000_000}),
    ],
)
def test_what_may_be_said(changed, place, value):
    check(changed(place, value))


def test_the_projects_own_study():
    check(config.load(Path(__file__).parents[2] / "params.yaml"))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("learners.svm", {}, "Unknown learner 'svm'. Known: logreg, tree"),
        ("learners.logreg", {"c": 1}, "learner 'logreg' has the unknown key 'c'. Known: C"),
        ("learners.mlp", {"loss": "focal"}, "learner 'mlp' has the unknown key 'loss'"),
        ("learners.mlp", {"strategies": ["plain", "flat"]}, "no strategy 'flat'.*of learner 'mlp'"),
        ("strategies.weighting.inverse", {}, "'inverse' of family 'weighting' is not defined"),
        ("strategies.weighting.heavy", {"table": [1], "x": 1}, "unknown key 'x'. Known: .*control"),
        (
            "strategies.weighting.heavy.control",
            "plane",
            "no control 'plane'. Known: plain, inverse_frequency, heavy. .strategy 'heavy'",
        ),
        (
            "strategies.weighting.heavy.learners",
            ["svm"],
            "no learner 'svm'. Known: logreg, mlp. .strategy 'heavy'",
        ),
        ("strategies.weighting.heavy.learners", "mlp", "'heavy': learners is a list of learners"),
        *(
            ("strategies.weighting.heavy.splits", value, "'heavy': splits is a whole number of at")
            for value in (0, "2", 1.0, True, None)
        ),
        *(
            ("strategies.weighting.heavy.time_limit", value, "'heavy': time_limit is a number abo")
            for value in (0, "1 h", 1e300, float("inf"), float("nan"))
        ),
        ("strategies.weighting.heavy.primary", "yes", "'heavy': primary must be one of True, Fal"),
        (
            "strategies.weighting.heavy.role",
            "remedy",
            "'heavy': role must be one of 'control'",
        ),
        ("learners.mlp", {"splits": "x"}, "learner 'mlp': splits is a whole number of at least 1"),
        ("learners.mlp", {"words": 0}, "learner 'mlp': words is a whole number of at least 1"),
        ("learners.mlp", {"strategies": "plain"}, "learner 'mlp': strategies is a list"),
        ("learners.mlp", {"batch_size": 0}, "learner 'mlp': batch_size is a whole number of at l"),
        ("learners.mlp", {"epochs": 0}, "learner 'mlp': epochs is a number above 0"),
        ("learners.mlp", {"epochs": float("inf")}, "learner 'mlp': epochs is a number above 0"),
        ("learners.mlp", {"steps": -1}, "learner 'mlp': steps is a whole number of at least 0"),
        ("learners.mlp", {"hidden": [8, 0]}, "learner 'mlp': hidden is a whole number of at least"),
        ("learners.mlp", {"hidden": 8}, "learner 'mlp': .*int.* not iterable"),
        ("learners.mlp", {"learning_rate": 0}, "learner 'mlp': learning_rate is a number above 0"),
        ("learners.mlp", {"weight_decay": -1}, "learner 'mlp': weight_decay is a number above 0"),
        ("learners.mlp", {"device": "abacus"}, "learner 'mlp' fails on made-up rows: .*abacus"),
        ("learners.cnn", {"channels": [0]}, "learner 'cnn': channels is a whole number"),
        ("learners.minilm_finetune", {"layers": 0}, "'minilm_finetune': layers is a whole number"),
        ("learners.minilm_finetune", {"precision": "low"}, "'minilm_finetune': precision must be"),
        ("learners.logreg", {"C": -1}, "learner 'logreg' fails on made-up rows: The 'C' parameter"),
        ("learners.logreg", {"C": "one"}, "learner 'logreg' fails .*The 'C' parameter"),
        ("learners.tree", {"min_samples_leaf": 0}, "learner 'tree' fails .*'min_samples_leaf'"),
        ("learners.hgb", {"learning_rate": -0.1}, "learner 'hgb' fails .*'learning_rate'"),
        ("learners.xgboost", {"max_depth": -3}, "learner 'xgboost' fails .*max_depth"),
        ("learners.own", {"class": "sklearn.Nothing"}, "learner 'own': class sklearn.Nothing cann"),
        ("learners.own", {"class": KNN, "k": 3}, "'own' has the unknown key 'k'. Known: class"),
        ("learners.own", {"class": KNN, "n_jobs": 2}, "'own' has the unknown key 'n_jobs'"),
        ("learners.own", {"class": KNN, "n_neighbors": 0}, "'own' fails .*'n_neighbors'"),
        ("learners.own", {"class": "sklearn.svm.SVC"}, "'own' fails .*SVC has no predict_proba"),
        ("learners.own", {"class": "sklearn.linear_model.Ridge"}, "'own' fails .*no predict_proba"),
        ("learners.own", {"class": MIXTURE}, "'own' fails .*no attribute 'classes_'"),
        ("learners.own", {"class": "xgboost.XGBClassifier", "depth": 2}, "unknown key 'depth'"),
        ("learners.own", {"class": OPEN, "round": 2}, "unknown key 'round'.*mean 'rounds'"),
        ("learners.own", {"class": OPEN, "random_state": 2}, "unknown key 'random_state'"),
        ("learners.own", {"class": OPEN, "n_jobs": 2}, "unknown key 'n_jobs'"),
        ("learners.own", {"n_neighbors": 3}, "Unknown learner 'own'.*Give it a class in params"),
        ("strategies.weighting.heavy.table", [1, -1], "'heavy' of family 'weighting' fails .*weig"),
    ],
)
def test_what_checking_refuses(changed, place, value, message):
    study = changed(place, value)
    with pytest.raises(StudyError, match=message):
        check(study)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("time_limit", float("inf")),
        ("time_limit", 1e300),
        ("time_limit", -1),
        ("repeats", 10**12),
        ("folds", 10**12),
        ("splits", 0),
    ],
)
def test_absurd_values_of_the_protocol_are_refused(changed, place, value):
    with pytest.raises(StudyError, match=rf"params\.yaml: 'protocol\.{place}': Input should be"):
        changed(f"protocol.{place}", value)


def broken(cell):
    """Its mistake has nothing to do with the data."""
    return cell.fit(cell.X, cell.labels)


def idle(cell):
    """Forgets the model."""
    cell.fit()


def doubled(cell):
    """Gives no probabilities."""
    model = cell.fit()
    return SimpleNamespace(predict_proba=lambda X: 2 * model.predict_proba(X))


def greedy(cell):
    """Needs more rows than the few it is tried on first."""
    if len(cell.y) < 100:
        raise ValueError("too few rows")
    return cell.fit()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (broken, "'Cell' object has no attribute 'labels'"),
        (idle, "returns nothing: return the fitted model"),
        (doubled, "do not sum to one"),
        (greedy, None),
        (lambda cell: cell.need(False, "never"), None),
    ],
)
def test_a_strategy_that_fails_whatever_the_data_is_refused(
    changed, monkeypatch, function, message
):
    monkeypatch.setattr(weighting, "tried", strategy(function), raising=False)
    study = changed("strategies.weighting.tried", {})
    if message is None:
        return check(study)
    with pytest.raises(StudyError, match=f"strategy 'tried' of family 'weighting' .*{message}"):
        check(study)


def test_a_run_refuses_before_anything_is_fitted(study, in_process):
    study.learners["logreg"]["C"] = -1
    lines = []
    with pytest.raises(StudyError, match=r"learner 'logreg' .*'C' parameter"):
        run_family("binary", "weighting", progress=lines.append)
    assert not lines


def test_what_stands_for_another_strategy_is_looked_up(changed):
    check(changed("strategies.weighting.back", {"corrected": "inverse_frequency"}))
    study = changed("strategies.weighting.back", {"corrected": "inverse"})
    with pytest.raises(StudyError, match=r"no strategy 'inverse'.*\(strategy 'back'\)"):
        check(study)


def test_a_family_is_checked_alone_with_all_learners(changed):
    study = changed("strategies.weighting.heavy.splits", 0)
    check_family(study, "reference")
    with pytest.raises(StudyError, match="'heavy'"):
        check_family(study, "weighting")
    study = changed("learners.svm", {})
    with pytest.raises(StudyError, match="Unknown learner 'svm'"):
        check_family(study, "reference")


def test_the_table_of_a_family_tells_definitions_parameters_and_limits(study):
    table = strategy_table(study, "weighting").set_index("strategy")
    assert table.loc["`table_3`", "parameters"] == "table = healthy: 1, ill: 3"
    assert table.loc["`table_3`", "what it does"] == weighting.table.__doc__.splitlines()[0]
    assert table["control"].tolist() == ["`plain`"] * 2
    assert "only" not in table
    table = strategy_table(study, "reference").set_index("strategy")
    assert table.loc["`dummy`", "only"] == "learners tree"
    assert table.loc["`plain`", "control"] == ""
    study.strategies["reference"]["dummy"] = {"splits": 2, "time_limit": 5, "control": None}
    table = strategy_table(study, "reference").set_index("strategy")
    assert list(table) == ["what it does", "only"]
    assert table.loc["`dummy`", "only"] == "splits 2"
    study.strategies["weighting"]["table_3"] = {"tabel": [1, 2]}
    with pytest.raises(StudyError, match="'table_3'"):
        strategy_table(study, "weighting")
