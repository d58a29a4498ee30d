"""Texts that nobody plans for, from the raw file to the metrics of every learner of texts."""

import csv
import gzip
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from imbbench import config, notebooks
from imbbench.bench.cell import Task
from imbbench.bench.prepared import data_of
from imbbench.bench.scoring import run_cell
from imbbench.data.datasets import parse_dataset
from imbbench.data.prepare import prepare
from imbbench.errors import StudyError

ROOT = Path(__file__).parents[1]
CARD = "data/prepared/odd/card.json"
SETTINGS = {
    "tfidf_logreg": {"C": 10.0},
    "minilm_head": {"hidden": [], "epochs": 2, "batch_size": 8},
    "minilm_finetune": {"layers": 1, "epochs": 1, "batch_size": 8, "max_length": 16},
}
ODD = [
    *("", "   ", "\t", "\u200b", "\ufeff", "\u0301", "\x01\x02", "a\rb", "line\nbreak", "x\u2028y"),
    *("0", "12345 67", "-1e999", "NA", "null", "nan", '"', ",", "=1+1", "#", "ok"),
    *("€", "😀😀", "👩‍👩‍👧", "привет мир", "你好", "مرحبا", "a" * 3000, "call " * 3000),
]
PLAIN = [f"call now {i}" for i in range(12)] + [f"see you later {i}" for i in range(12)]
# Of most kinds a few beside ordinary texts, of some all there are.
KINDS = {
    "odd": ODD + PLAIN,
    "empty": [*PLAIN, ""],
    "blank": PLAIN + [" " * i for i in range(12)],
    "digits": [f"{i % 4} {i}" for i in range(24)],
    "one token": [*(["free"] * 6), *(["lunch"] * 6), *"abcdefghijkl"],
    "longer than the limit": [f"call {i} " + "now win prize " * 300 for i in range(24)],
    "emoji and other scripts": [f"😀 {w} {i}" for i in range(8) for w in ("да", "你好", "سلام")],
}


@pytest.fixture
def texts_study(tmp_path, monkeypatch, encoder):
    """``texts_study(texts, labels, strategies)``: a study, prepared from a quoted CSV."""
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))

    def make(texts, labels, strategies=None):
        table = io.StringIO()
        csv.writer(table, quoting=csv.QUOTE_ALL).writerows(
            [("said", "kind"), *zip(texts, labels, strict=True)]
        )
        content = table.getvalue().encode()
        raw = tmp_path / "raw"
        raw.mkdir()
        (raw / "data.csv").write_bytes(content)
        entry = {
            "source": {"path": "a.csv"},
            "sha256": {"data": hashlib.sha256(content).hexdigest()},
            "format": "csv",
            "target": "kind",
            "text": "said",
            "modality": "text",
            "licence": "none",
            "why": "a test",
        }
        params = {
            "families": list(strategies or ["reference"]),
            "protocol": {"folds": 3, "time_limit": 60, "encoder": encoder},
            "learners": SETTINGS,
            "strategies": strategies or {"reference": {"plain": {}}},
            "datasets": {"odd": entry},
        }
        (tmp_path / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
        prepare("odd", parse_dataset("odd", entry), raw, tmp_path / "data/prepared/odd", folds=3)
        return config.load()

    return make


@pytest.mark.parametrize("learner", SETTINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_odd_texts_run_through(kind, learner, texts_study):
    texts = KINDS[kind]
    labels = ["many" if i % 3 else "few" for i in range(len(texts))]
    study = texts_study(texts, labels)
    prepared, _ = data_of("odd", study.protocol)
    assert list(prepared.X) == texts
    for split in range(3):
        rows, _, _ = run_cell(study, Task("odd", "reference", learner, "plain", split))
        assert [row["status"] for row in rows] == ["ok"] * 3, rows[0]["reason"]
        assert np.isfinite([rows[0]["log_loss"], rows[0]["average_precision"]]).all()


@pytest.mark.parametrize(
    ("few", "different"),
    [(["rare"], 1), (["rare"] * 5, 1), ([""] * 5, 1), (["rare", "rarer", "rare"], 2)],
)
def test_a_class_of_fewer_texts_than_folds_is_refused(few, different, texts_study, tmp_path):
    problem = f"data set odd: class 'few' has {different} different rows, but 3 folds need one each"
    with pytest.raises(StudyError, match=problem):
        texts_study(PLAIN + few, ["many"] * len(PLAIN) + ["few"] * len(few))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("text", ["word{}", "{}", "……"])
def test_texts_without_a_common_word_give_a_reason(text, texts_study):
    texts = [text.format(i) + " " * i for i in range(24)]
    study = texts_study(texts, ["many", "many", "few"] * 8)
    found = {}
    for learner in SETTINGS:
        rows, _, _ = run_cell(study, Task("odd", "reference", learner, "plain", 0))
        found[learner] = rows[0]["status"], rows[0]["reason"]
    assert found["minilm_head"] == found["minilm_finetune"] == ("ok", "")
    status, reason = found["tfidf_logreg"]
    assert status == "failed"
    assert "data set odd: no word is in two texts of the training part" in reason


@pytest.mark.pipeline
def test_nothing_that_is_rendered_shows_a_text(texts_study, tmp_path, monkeypatch, capfd):
    """Neither do tables, logs, nor a notebook that failed."""
    # Long, because pictures are written in letters too.
    words = ["obscenity", "indecencies", "disgusting"]
    texts = [f"{words[i % 3]} {words[i % 2]} {i}" for i in range(36)]
    strategies = {"reference": {"plain": {}, "dummy": {}}}
    texts_study(texts, ["many" if i % 3 else "few" for i in range(36)], strategies)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    shown = tmp_path / "results/rendered/odd"
    family = ROOT / "notebooks/02_run_family.ipynb"
    given = {"dataset": "odd", "family": "reference"}
    notebooks.execute(family, shown / "reference.ipynb", given | {"save": True})
    for source in ("01_data_card", "03_dataset_report"):
        path = ROOT / "notebooks" / f"{source}.ipynb"
        notebooks.execute(path, shown / f"{source}.ipynb", {"dataset": "odd"})
    edited = json.loads((tmp_path / "params.yaml").read_text("utf-8"))
    edited["protocol"]["encoder"] = str(tmp_path)
    (tmp_path / "params.yaml").write_text(json.dumps(edited), "utf-8")
    with pytest.raises(StudyError, match="cannot be loaded"):
        notebooks.execute(family, shown / "none.ipynb", given)
    pages = [*tmp_path.glob("results/**/*.*"), *tmp_path.glob("data/failed/*"), tmp_path / CARD]
    packed = {page: page.read_bytes() for page in pages}
    texts = {p: gzip.decompress(c) if p.suffix == ".gz" else c for p, c in packed.items()}
    written = {str(page): content.decode("utf-8") for page, content in texts.items()}
    written |= dict(enumerate(capfd.readouterr()))
    assert sum(name.endswith(".ipynb") for name in map(str, written)) == 4
    assert "odd" in written[str(shown / "reference.ipynb")]
    for name, content in written.items():
        assert not [word for word in words if word in content], name
