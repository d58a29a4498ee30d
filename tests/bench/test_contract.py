"""What every strategy of params.yaml and every learner keeps to, on tiny data of every kind.

The entries are read from the study's own params.yaml, so that a new one is tested as soon as it
is registered.
"""

import dataclasses
import functools
import importlib
import inspect
import shutil
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from imbbench import config
from imbbench.bench import cell as cell_module
from imbbench.bench import encoder as encoder_module
from imbbench.bench import metrics, scoring
from imbbench.bench import prepared as prepared_module
from imbbench.bench.cell import Cell, Task
from imbbench.bench.protocol import TUNED
from imbbench.bench.registry import LEARNERS, definitions, learner_class, resolve
from imbbench.bench.rows import PER_CLASS
from imbbench.bench.scoring import run_cell

STUDY = config.load(Path(__file__).parents[2] / "params.yaml")
# Learners by the class that params.yaml names; the second takes no weights.
BY_CLASS = {
    "gradient_boosting": {
        "class": "sklearn.ensemble.GradientBoostingClassifier",
        "n_estimators": 3,
        "max_depth": 2,
    },
    "neighbours": {
        "class": "sklearn.neighbors.KNeighborsClassifier",
        "n_neighbors": 3,
        "strategies": ["plain", "inverse_frequency", "under_1_1"],
    },
}
STUDY.learners |= BY_CLASS
MODALITY = {
    "binary": "tabular",
    "mixed": "tabular",
    "nominal": "tabular",
    "four": "tabular",
    "fixed_test": "tabular",
    "texts": "text",
    "images": "image",
}
# Settings of learners and strategies that are cut down wherever they occur.
SMALL = {"max_iter": 5, "n_estimators": 3, "epochs": 3, "batch_size": 32, "layers": 1}
SMALL |= {"steps": 3, "minimum": 5}  # of the GAN
SMALL |= {"fits": 2}
SMALL |= {"random_steps": 6, "update_steps": 6}  # of MESA
GRIDS = {"gamma", "alpha", "bins", "max_margin"}
# (strategy, data set, learner) that fail, with the reason; everything else is ok or not applicable.
FAILS = {("adasyn", "texts", "tfidf_logreg"): "Not any neigbours belong to the majority class"}
ENTRIES = [(family, name) for family in STUDY.families for name in STUDY.family(family)]
RANGES = {name: (0, 1) for name in metrics.SCORES} | {
    "mcc": (-1, 1),
    "brier": (0, 2),
    "log_loss": (0, np.inf),
    "calibration_slope": (-np.inf, np.inf),
    "calibration_intercept": (-np.inf, np.inf),
}
# Of two classes only, and only where the minority's probability does not separate them.
BINARY = {"ece_minority", "calibration_slope", "calibration_intercept"}
UNCALIBRATED = {"log_loss", "brier", "ece"}


def small(settings, by=SMALL):
    settings = {key: by.get(key, value) for key, value in (settings or {}).items()}
    if settings.get("hidden"):
        settings["hidden"] = [8]
    # Two values of what is chosen show as much as all.
    for grid in settings, settings.get("choose", {}):
        cut = {k: v[:2] for k, v in grid.items() if k in GRIDS and isinstance(v, list)}
        grid.update(cut)
    return settings


def applicable(dataset, family, strategy):
    """Learners that the strategy is run with, of those for the data set's modality."""
    learners = STUDY.family(family)[strategy].get("learners") or STUDY.learners
    classes = {name: learner_class(STUDY, name) for name in learners}
    fitting = [name for name, cls in classes.items() if MODALITY[dataset] in cls.features]
    # One is tried with every strategy, the other on every kind of data.
    fitting = [n for n in fitting if n != "gradient_boosting" or dataset == "mixed"]
    return [n for n in fitting if strategy in STUDY.learners[n].get("strategies", [strategy])]


CELLS = [
    Task(dataset, family, learner, strategy, 0)
    for dataset in MODALITY
    for family, strategy in ENTRIES
    for learner in applicable(dataset, family, strategy)
]


@pytest.fixture(scope="module")
def study(tmp_path_factory, write_study, encoder, language_models):
    """The study's strategies and learners, cut down, on tiny data."""
    # Weights that need an index or the web give way to random ones.
    weights = SMALL | language_models
    root = tmp_path_factory.mktemp("contract")
    strategies = {
        family: {name: small(entry, weights) for name, entry in STUDY.family(family).items()}
        for family in STUDY.families
    }
    learners = {name: small(settings) for name, settings in STUDY.learners.items()}
    write_study(root, strategies, learners, encoder=encoder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMBBENCH_ROOT", str(root))
        # In a batch the last bits of a text's embedding depend on its neighbours.
        patch.setattr(encoder_module, "_encode", functools.partial(encoder_module._encode, batch=1))
        yield config.load()


@pytest.fixture
def observed(monkeypatch):
    """What the strategy of the last cell did: validation probabilities, arrays before and after."""
    seen = {}

    def spy(family, name, entry):
        call, own_rule = resolve(family, name, entry)

        def watched(cell):
            arrays = (cell.X, cell.y, cell.X_val, cell.y_val, cell.categorical, cell.class_counts)
            before = joblib.hash(arrays)
            model = call(cell)
            seen["changed"] = joblib.hash(arrays) != before
            seen["validation"] = np.array(model.predict_proba(cell.X_val))
            return model

        return watched, own_rule

    monkeypatch.setattr(scoring, "resolve", spy)
    return seen


def poison(prepared, rows):
    """The same data with nonsense in ``rows``: extreme and missing values, new words, labels."""
    rng = np.random.default_rng(0)
    X, y = prepared.X.copy(), prepared.y.copy()
    y[rows] = y.max() - y[rows]
    if isinstance(X, pd.Series):
        X.iloc[rows] = [f"zebra zebra call {n}" for n in rows]
        return dataclasses.replace(prepared, X=X, y=y)
    for column in X:
        numeric = column in prepared.schema["numeric"]
        values = rng.normal(0, 1e4, len(rows)) if numeric else np.full(len(rows), "new", object)
        values[::3] = np.nan if numeric else None
        X.iloc[rows, X.columns.get_loc(column)] = values
    return dataclasses.replace(prepared, X=X, y=y)


@pytest.fixture(scope="module")
def poisoned(study):
    """Caches that hold the data with poisoned test rows of split 0, cut as before."""
    read, cut = prepared_module._cached_data.__wrapped__, cell_module._cached_split.__wrapped__

    @functools.cache
    def data_of(dataset, protocol, stamp):
        prepared, cuts = read(dataset, protocol, stamp)
        return poison(prepared, cuts[0][2]), cuts

    return data_of, functools.cache(cut)


def validation_of(study, task, reuse=True):
    """The validation probabilities of a cell, which is fitted and not scored."""
    call, _ = resolve(task.family, task.strategy, study.family(task.family)[task.strategy])
    cell = Cell(study, task, reuse)
    return call(cell).predict_proba(cell.X_val)


@pytest.mark.parametrize("task", CELLS, ids=lambda t: "-".join(dataclasses.astuple(t)[:4]))
def test_cell(study, observed, poisoned, monkeypatch, task):
    rows, timing, curve = run_cell(study, task)
    status, reason = rows[0]["status"], rows[0]["reason"]
    if (task.strategy, task.dataset, task.learner) in FAILS:
        assert status == "failed", "it no longer fails: take it off the list"
        assert FAILS[task.strategy, task.dataset, task.learner] in reason
        return
    assert status in ("ok", "not applicable"), reason
    assert timing["status"] == status
    if status == "not applicable":
        assert len(reason) > 10
        assert len(rows) == 1
        assert curve is None
        return

    own_rule = resolve(task.family, task.strategy, study.family(task.family)[task.strategy])[1]
    assert [row["rule"] for row in rows] == (["own"] if own_rule else ["argmax", *TUNED])
    schema = prepared_module.data_of(task.dataset, study.protocol)[0].schema
    n_classes = len(schema["classes"])
    missing = set(BINARY) if n_classes > 2 else BINARY - {"ece_minority"}
    if not np.isfinite(rows[0]["log_loss"]):
        assert task.strategy == "nearest_class_mean"
        missing = BINARY | UNCALIBRATED
    for row in rows:
        for name, (low, high) in RANGES.items():
            undefined = name in missing and np.isnan(row[name])
            assert undefined or low - 1e-9 <= row[name] <= high + 1e-9, name
        chosen = [row[k] for k in row if k == "threshold" or k.startswith("offset_")]
        assert np.isfinite(chosen).all()
        assert (
            len(chosen) == (0 if row["rule"] not in TUNED else n_classes if n_classes > 2 else 1)
            or own_rule
        )
        for name in PER_CLASS:
            assert all(0 <= row[f"{name}_{c}"] <= 1 for c in range(n_classes))
    validation = observed["validation"]
    assert validation.shape[1] == n_classes
    assert validation.min() >= 0
    np.testing.assert_allclose(validation.sum(axis=1), 1, atol=1e-6)
    assert not observed["changed"], "the strategy changed the cell's arrays in place"

    # Again, with nonsense in the test rows and nothing memoised: the same model.
    data_of, split_of = poisoned
    monkeypatch.setattr(prepared_module, "_cached_data", data_of)
    monkeypatch.setattr(cell_module, "_cached_split", split_of)
    monkeypatch.setattr(cell_module, "content_of", lambda dataset: f"{dataset} poisoned")
    np.testing.assert_array_equal(validation, validation_of(study, task))


def test_poison_is_felt(study, poisoned, monkeypatch):
    """A preprocessing that learns from all rows does not pass :func:`test_cell`."""
    task = Task("mixed", "reference", "logreg", "plain", 0)
    honest = validation_of(study, task)
    data_of, _ = poisoned
    everything = cell_module.features

    def leaky(kind, prepared, train, encoder):
        return everything(kind, prepared, np.arange(len(prepared.y)), encoder)

    monkeypatch.setattr(prepared_module, "_cached_data", data_of)
    monkeypatch.setattr(cell_module, "_cached_split", cell_module._cached_split.__wrapped__)
    monkeypatch.setattr(cell_module, "features", leaky)
    assert np.abs(honest - validation_of(study, task, reuse=False)).max() > 1e-6


@pytest.mark.parametrize(("family", "strategy"), ENTRIES)
def test_a_cell_gives_the_same_rows_twice_and_every_strategy_runs_somewhere(
    study, family, strategy
):
    for dataset in MODALITY:
        for learner in applicable(dataset, family, strategy):
            split = min(STUDY.family(family)[strategy].get("splits", 2), 2) - 1
            task = Task(dataset, family, learner, strategy, split)
            rows, _, curve = run_cell(study, task)
            if rows[0]["status"] != "ok":
                continue
            again, _, same = run_cell(study, task, reuse=False)
            pd.testing.assert_frame_equal(pd.DataFrame(rows), pd.DataFrame(again))
            for name in curve:
                np.testing.assert_array_equal(curve[name], same[name])
            return
    if strategy == "back_translation" and not shutil.which("apertium"):
        pytest.skip("Apertium is not installed")
    pytest.fail(f"{strategy} runs on no tiny data set")


@pytest.mark.parametrize(("family", "strategy"), ENTRIES)
def test_entry(family, strategy):
    entry = STUDY.family(family)[strategy]
    resolve(family, strategy, entry)
    names = {name for _, name in ENTRIES}
    assert entry.get("control", "plain") in names | {None}
    assert set(entry.get("learners", [])) <= set(STUDY.learners)
    assert entry.get("splits", 1) >= 1


@pytest.mark.parametrize("family", STUDY.families)
def test_family(family):
    module = importlib.import_module(f"imbbench.strategies.{family}")
    assert module.__doc__
    for name, definition in definitions(family).items():
        assert definition.function.__doc__, name
        used = [
            entry
            for entry_name, entry in STUDY.family(family).items()
            if (name in entry if definition.by_key else entry_name == name)
        ]
        assert used, f"no entry of params.yaml uses {name}"
        for choice in definition.choices or ():
            assert any(entry[name] == choice for entry in used), choice


def test_every_learner_and_family_is_reachable():
    assert list(STUDY.learners) == [*LEARNERS, *BY_CLASS]
    folder = Path(inspect.getfile(config)).parent / "strategies"
    found = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert found == set(STUDY.families)


def test_strategy_names_are_plain_words():
    """They are parts of seeds, columns and file names."""
    for _, strategy in ENTRIES:
        assert strategy.isidentifier()
