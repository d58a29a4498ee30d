import numpy as np
import pytest

from imbbench.bench.prepared import load_prepared
from imbbench.data.datasets import parse_dataset
from imbbench.data.prepare import prepare
from imbbench.errors import StudyError

ENTRY = {
    "source": {"path": "a.csv"},
    "sha256": {"data": "0" * 64},
    "format": "csv",
    "target": "y",
    "modality": "tabular",
    "licence": "none",
    "why": "a test",
}
PYPI = {"pypi": "p==1", "files": {"data": "m"}, "archive_sha256": "0" * 64}

HUB = {"huggingface": "a/b", "revision": "0" * 40, "files": {"data": "c.csv"}}
TRAIN_AND_TEST = {
    "source": {"path": "./", "files": {"train": "a", "test": "b"}},
    "sha256": {"train": "0" * 64, "test": "0" * 64},
}
TAIL = {"train": 400, "imbalance": 100, "test": 100}


def test_entry():
    dataset = parse_dataset("toy", ENTRY | {"source": PYPI, "missing": ["?"]})
    assert dataset.missing == ["?"]
    assert dataset.source.members == {"data": "m"}
    assert str(dataset.source) == "the package p==1: m"
    words = {"a.csv": {"path": "a.csv"}, "OpenML data set 61": {"openml": 61}}
    words |= {"Hugging Face data set a/b at commit 00000000: c.csv": HUB}
    for expected, source in words.items():
        assert str(parse_dataset("toy", ENTRY | {"source": source}).source) == expected


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"tarket": "y"}, "unknown key tarket; known are source, .*target.*classes"),
        ({"source": {"path": "a", "sah256": "b"}}, "unknown key source.sah256; known are pypi"),
        ({"source": {"path": "a", "url": "b"}}, "one of pypi, url, openml, huggingface, path, skl"),
        ({"source": {"files": {"data": "m"}}}, "exactly one of"),
        ({"source": {"pypi": "p==1", "files": {"data": "m"}}}, "archive_sha256"),
        ({"source": PYPI | {"pypi": "p>=1"}}, "source.pypi"),
        ({"source": {"openml": 0}}, "source.openml: .*greater than or equal to 1"),
        ({"source": {"openml": 61, "files": {"data": "a"}}}, "an openml source is one file"),
        ({"source": {"path": "a", "revision": "0" * 40}}, "revision belongs to a huggingface"),
        ({"source": HUB | {"revision": "main"}}, "source.revision"),
        ({"source": {"huggingface": "a/b", "files": {"data": "c"}}}, "a full commit hash"),
        ({"source": HUB | {"huggingface": "a/b/c"}}, "source.huggingface"),
        ({"sha256": {"main": "0" * 64}}, r"roles \['main'\]; allowed are data"),
        ({"sha256": {"data": "xyz"}}, "not 64"),
        ({"sha256": {"train": "0" * 64, "test": "0" * 64}}, r"a source has \['data'\]"),
        ({"fallbacks": [PYPI | {"files": {"test": "m"}}]}, r"a source has \['test'\]"),
        ({"format": "xls"}, "format: .*'csv'"),
        ({"modality": "text"}, "text names the column of texts"),
        ({"why": None}, "why: "),
        ({"long_tail": TAIL | {"tail": 1}}, "unknown key long_tail.tail; known are train, imb"),
        ({"long_tail": TAIL | {"test": 0}}, "long_tail.test: .*greater than or equal to 1"),
        ({"long_tail": TAIL | {"train": 140}}, "long_tail: .*the last class fewer than 2 rows"),
        (TRAIN_AND_TEST | {"long_tail": TAIL}, "long_tail .* brings its own"),
        ({"format": "json"}, "format json is one file of role data, and needs columns"),
        (TRAIN_AND_TEST | {"format": "json", "columns": ["a", "y"]}, "json is one file of role"),
        ({"format": "json", "columns": ["a", "y"], "long_tail": TAIL}, "long_tail .* brings its"),
        ({"splits": 0}, "splits: .*greater than or equal to 1"),
        ({"splits": "2"}, "splits: .*valid integer"),
        ({"splits": True}, "splits: .*valid integer"),
    ],
)
def test_bad_entry(change, problem):
    with pytest.raises(StudyError, match="^data set toy: .*" + problem):
        parse_dataset("toy", ENTRY | change)


def test_long_tail_counts():
    tail = parse_dataset("toy", ENTRY | {"long_tail": TAIL}).long_tail
    assert tail.training_counts(10) == [400, 240, 144, 86, 52, 31, 19, 11, 7, 4]
    assert tail.training_counts(2) == [400, 4]


@pytest.mark.parametrize("name", ["Toy", "9lives", "a-b", "a.b", "", "_a", "ä"])
def test_bad_name(name):
    with pytest.raises(StudyError, match="a name starts with a letter"):
        parse_dataset(name, ENTRY)


def test_missing_key_is_named():
    with pytest.raises(StudyError, match="data set toy: target: Field required"):
        parse_dataset("toy", {key: value for key, value in ENTRY.items() if key != "target"})


def prepared(tmp_path, content, **options):
    (tmp_path / "data.csv").write_text(content, encoding="utf-8")
    prepare("toy", parse_dataset("toy", ENTRY | options), tmp_path, tmp_path / "out", folds=2)
    return load_prepared(tmp_path / "out")


def test_load_table(tmp_path):
    loaded = prepared(
        tmp_path,
        "size,code,y,kind\n0.1,1,rare,NA\n,2,often,\n0.30000000000000004,1,often,b\n4,,rare,b\n"
        "4,1,often,b\n",
        categorical=["code"],
    )
    assert list(loaded.X) == ["size", "code", "kind"]
    assert loaded.X["size"].dtype == np.float64
    np.testing.assert_array_equal(loaded.X["size"], [0.1, np.nan, 0.1 + 0.2, 4, 4])
    assert list(loaded.X["code"]) == ["1", "2", "1", None, "1"]
    assert list(loaded.X["kind"]) == ["NA", None, "b", "b", "b"]
    assert loaded.schema["classes"] == ["often", "rare"]
    assert loaded.y.dtype == np.int64
    assert list(loaded.y) == [1, 0, 0, 1, 0]
    assert list(loaded.groups) == [0, 1, 2, 3, 4]
    assert loaded.part is None


def test_load_texts(tmp_path):
    loaded = prepared(tmp_path, 't,y\n"a, ""b""",p\n,q\nnan,p\n1,q\n', modality="text", text="t")
    assert list(loaded.X) == ['a, "b"', "", "nan", "1"]
    assert loaded.schema["text"] == "text"


def test_classes_of_one_size_are_ordered_by_name(tmp_path):
    loaded = prepared(tmp_path, "a,y\n1,z\n2,z\n3,b\n4,b\n5,a\n6,a\n7,c\n8,c\n9,c\n")
    assert loaded.schema["classes"] == ["c", "a", "b", "z"]


def test_not_prepared(tmp_path):
    with pytest.raises(StudyError, match="data set toy: not prepared"):
        load_prepared(tmp_path / "toy")
