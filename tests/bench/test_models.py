import pickle
from pathlib import Path

import numpy as np
import pytest
import skops.io

from imbbench.bench import models
from imbbench.bench.cell import Task
from imbbench.bench.models import load_model, save_model
from imbbench.bench.scoring import run_cell
from imbbench.files import recall, remember
from imbbench.paths import root

CELLS = [
    *((name, learner) for name in ("binary", "mixed") for learner in ("logreg", "tree", "hgb")),
    *((name, "mlp") for name in ("binary", "mixed", "four")),
    *(("binary", name) for name in ("xgboost", "bayes")),
    *(("texts", name) for name in ("tfidf_logreg", "minilm_head", "minilm_finetune")),
    ("images", "cnn"),
]


@pytest.fixture
def more(study, encoder):
    study.learners |= {
        "xgboost": {"n_estimators": 3},
        "bayes": {"class": "sklearn.naive_bayes.GaussianNB"},
        "cnn": {"epochs": 1, "channels": [2], "hidden": [4]},
        "minilm_finetune": {"layers": 1, "epochs": 1, "max_length": 16, "batch_size": 32},
    }
    study.protocol = study.protocol.model_copy(update={"encoder": encoder})


@pytest.mark.parametrize(("dataset", "learner"), CELLS)
def test_a_model_comes_back_and_predicts_the_same(dataset, learner, more, make, tmp_path):
    cell = make(dataset, learner)
    model = cell.fit()
    path = tmp_path / "kind" / "a"
    save_model(path, model, 1.5)
    back, seconds = load_model(path)
    assert seconds == 1.5 and type(back) is type(model)
    np.testing.assert_array_equal(
        back.predict_proba(cell.X_val), model.predict_proba(cell.X_val), strict=True
    )
    np.testing.assert_array_equal(back.prior_, model.prior_)
    if cell.neural:
        assert back.rows_seen_ == model.rows_seen_
        np.testing.assert_array_equal(back.embed(cell.X_val), model.embed(cell.X_val))
        assert not back.network_.training


def test_reading_a_network_draws_no_random_numbers(make, tmp_path):
    import torch

    save_model(tmp_path / "a", make(learner="mlp").fit(), 1.0)
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    load_model(tmp_path / "a")
    assert torch.equal(torch.rand(3), expected)


class Trap:
    def __reduce__(self):
        return Path.touch, (root() / "trapped",)


@pytest.mark.parametrize("fault", ["missing", "empty", "cut", "changed", "pickle", "other types"])
def test_what_cannot_be_used_is_fitted_again(fault, study, make):
    """The same scores, whatever lies where the plain model should be."""
    task = Task("binary", "posthoc", "logreg", "threshold_0_3", 0)
    run_cell(study, Task("binary", "reference", "logreg", "plain", 0))
    expected = run_cell(study, task)
    (path,) = (root() / "data/cache/plain").iterdir()
    whole = path.read_bytes()
    if fault == "missing":
        path.unlink()
    elif fault == "pickle":
        remember(path, pickle.dumps((Trap(), 1.0)))
    elif fault == "other types":
        remember(path, skops.io.dumps({"model": Path(root()), "seconds": 1.0}))
    else:
        damaged = {"empty": b"", "cut": whole[: len(whole) // 2]}
        path.write_bytes(damaged.get(fault, whole[:500] + b"\x00\x01" + whole[502:]))
    found = run_cell(study, task)
    assert found[0] == expected[0] and found[0][0]["status"] == "ok"
    assert not (root() / "trapped").exists()
    assert load_model(path) is not None  # and kept anew


def test_a_cache_that_cannot_be_written_is_none(study):
    (root() / "data" / "cache").mkdir(parents=True)
    (root() / "data/cache/plain").write_text("no folder")
    rows, *_ = run_cell(study, Task("binary", "posthoc", "logreg", "threshold_0_3", 0))
    assert rows[0]["status"] == "ok"


def test_a_model_of_other_types_is_not_kept(make, tmp_path, monkeypatch):
    model = make().fit()
    model.extra_ = tmp_path  # of no type that a learner is made of
    save_model(tmp_path / "a", model, 1.0)
    assert recall(tmp_path / "a") is None
    model.extra_ = lambda: None
    save_model(tmp_path / "a", model, 1.0)
    assert recall(tmp_path / "a") is None
    assert all(not name.startswith(("builtins", "os.", "posix")) for name in models.TRUSTED)
