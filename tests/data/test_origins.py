"""Data sets added from where they are: pinned so that fetching gives the same content again."""

import functools
import gzip
import json

import huggingface_hub
import pandas as pd
import pytest
from ruamel.yaml import YAML
from served import digest, tarred, zipped

from imbbench.data import sources
from imbbench.data.add import add_dataset
from imbbench.data.datasets import parse_dataset
from imbbench.data.prepare import prepare
from imbbench.data.sources import fetch
from imbbench.errors import StudyError

pytest_plugins = ["local_web"]  # no conftest: others import the one above by that name

ROWS = "".join(f"{i},{'abc'[i % 3]},{'yes' if i % 4 == 0 else 'no'}\n" for i in range(40))
CSV = f"age,plan,churned\n{ROWS}".encode()
PARAMS = """\
datasets:
  old:
    source: {path: old.csv}
# The end.
"""


@pytest.fixture(autouse=True)
def params(surroundings, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS)
    return path


def entry(params, name):
    return YAML(typ="safe").load(params)["datasets"][name]


def added(params, given, target="churned", **options):
    """The entry, after fetching and preparing have shown that it gives what was added."""
    name = add_dataset(given, target, **options)
    found = entry(params, name)
    dataset = parse_dataset(name, found)
    fetch(name, dataset, f"raw/{name}")
    prepare(name, dataset, f"raw/{name}", f"prepared/{name}", folds=2)
    return name, found


def refused(params, given, problem, **options):
    with pytest.raises(StudyError, match=problem):
        add_dataset(given, "churned", **options)
    assert params.read_text() == PARAMS


def test_an_address(server, params):
    server.pages["/get/Churn%202.csv.gz?raw=true"] = packed = gzip.compress(CSV)
    url = f"{server.address}/get/Churn%202.csv.gz?raw=true"
    assert added(params, url) == (
        "churn_2",
        {
            "source": {"url": url},
            "sha256": {"data": digest(packed)},
            "format": "csv",
            "target": "churned",
            "modality": "tabular",
            "licence": "not stated",
            "why": "added by hand",
            "study": False,
        },
    )


@pytest.mark.parametrize("path", ["/download", "/export.php?id=7"])
def test_an_address_whose_name_says_nothing(path, server, params, tmp_path):
    server.pages[path] = CSV.replace(b",", b";")
    _, found = added(params, server.address + path, name="text")
    assert (found["format"], found["separator"]) == ("csv", ";")
    pd.read_csv(pd.io.common.BytesIO(CSV)).to_parquet(tmp_path / "a.parquet")
    server.pages[path] = (tmp_path / "a.parquet").read_bytes()
    assert added(params, server.address + path, name="table")[1]["format"] == "parquet"


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_with_one_file_of_data(pack, server, params):
    content = pack({"README.txt": b"words", "set/churn.csv": CSV, "__MACOSX/._churn.csv": b"x"})
    server.pages["/bank.archive"] = content
    url = f"{server.address}/bank.archive"
    name, found = added(params, url)
    assert name == "churn"
    assert found["source"] == {
        "url": url,
        "files": {"data": "set/churn.csv"},
        "archive_sha256": digest(content),
    }


def test_an_archive_with_several_files(server, params, tmp_path):
    inner = tarred({"c.data": CSV})
    content = zipped({"a.csv": CSV, "b.csv": CSV + b"9,a,yes\n", "inner.tar.gz": inner})
    server.pages["/all.zip"] = content
    (tmp_path / "all.zip").write_bytes(content)
    for given in (f"{server.address}/all.zip", "all.zip"):
        several = r"all\.zip has several files; say which with --member: a\.csv, b\.csv$"
        refused(params, given, several)
        refused(params, given, r"all\.zip has no file bb\.csv; it has b\.csv", member="bb.csv")
        name, found = added(params, given, member="b.csv")
        assert (name, found["source"]["files"]) == ("b", {"data": "b.csv"})
        name, found = added(params, given, member="inner.tar.gz!c.data")
        assert (name, found["sha256"]) == ("c", {"data": digest(CSV)})
        params.write_text(PARAMS)
    assert (tmp_path / "all.zip").read_bytes() == content


def test_a_local_archive_outside_the_project_is_copied_whole(params, tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    params.rename(tmp_path / "project/params.yaml")
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path / "project"))
    (tmp_path / "all.zip").write_bytes(zipped({"a.csv": CSV}))
    _, found = added(tmp_path / "project/params.yaml", "all.zip")
    assert found["source"] == {
        "path": "data/local/a.zip",
        "files": {"data": "a.csv"},
        "archive_sha256": digest((tmp_path / "all.zip").read_bytes()),
    }


def test_a_spreadsheet_is_no_archive(params, tmp_path):
    (tmp_path / "a.xlsx").write_bytes(zipped({"xl/a.csv": CSV}))
    refused(params, "a.xlsx", "a.xlsx is one file; leave out --member b", member="b")


def test_a_file_is_no_archive(server, params, tmp_path):
    server.pages["/a.csv"] = CSV
    (tmp_path / "a.csv").write_bytes(CSV)
    for given in (f"{server.address}/a.csv", "a.csv"):
        refused(params, given, "a.csv is one file; leave out --member b.csv", member="b.csv")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("ftp://host/a.csv", "an address begins with http"),
        ("http://me:secret@host/a.csv", "has a password"),
        ("gone.csv", r"no file gone\.csv; a source is a file, an http"),
        ("opnml:31", "no file opnml:31; a source is .* openml:ID"),
        ("openml:credit", "write openml:ID"),
        ("pypi:toy-data", "write pypi:NAME==VERSION/MEMBER"),
        ("npm:toy@latest/a.csv", "write npm:NAME@VERSION/MEMBER"),
        ("huggingface:a b", "write huggingface:NAME"),
        ("huggingface:../a", "huggingface:../a: Repo id must"),
    ],
)
def test_what_is_no_source(given, problem, params):
    refused(params, given, problem)


def test_what_cannot_be_reached(closed, server, params, monkeypatch):
    monkeypatch.setattr(sources, "OPENML", closed)
    monkeypatch.setenv("PIP_INDEX_URL", f"{closed}/simple/")
    endpoint(monkeypatch, closed)
    for given in (
        f"{closed}/a.csv",
        f"{server.address}/gone.csv",
        "openml:31",
        "pypi:toy-data==1.0/a.csv",
        "huggingface:some/toy",
    ):
        refused(params, given, f"{given} could not be fetched.*; check the address, the network")


def test_openml(server, params, monkeypatch):
    monkeypatch.setattr(sources, "OPENML", f"{server.address}/api")
    rows = "".join(f"{i},{'pq'[i % 2]}\n" for i in range(20))
    arff = f"@relation 'Credit-G'\n@attribute a numeric\n@attribute churned {{p,q}}\n@data\n{rows}"
    description = {"data_set_description": {"url": f"{server.address}/credit"}}
    server.pages |= {"/api/31": json.dumps(description).encode(), "/credit": arff.encode()}
    name, found = added(params, "openml:31")
    assert name == "credit_g"
    assert (found["source"], found["format"]) == ({"openml": 31}, "arff")
    params.write_text(PARAMS)
    refused(params, "openml:32", "could not be fetched|OpenML has no data set 32")
    refused(params, "openml:31", "openml:31 is one file", member="a.csv")


def test_a_package(publish, params, tmp_path):
    content = zipped({"toy/a.csv": CSV, "toy/b.csv": CSV, "toy/code.py": b"1/0"})
    publish(content)
    name, found = added(params, "pypi:toy-data==1.0/toy/b.csv")
    assert name == "b"
    assert found["source"] == {
        "pypi": "toy-data==1.0",
        "files": {"data": "toy/b.csv"},
        "archive_sha256": digest(content),
    }
    params.write_text(PARAMS)
    refused(params, "pypi:toy-data==1.0", r"several files; .*--member: toy/a\.csv, toy/b\.csv$")
    refused(params, "pypi:toy-data==1.0/toy/bb.csv", r"no file toy/bb\.csv; it has toy/b\.csv")
    refused(params, "pypi:toy-data==2.0/toy/b.csv", "the index has no toy-data==2.0, but 1.0")
    refused(params, "pypi:other==1.0/b.csv", "the index has no project other")
    assert added(params, "pypi:toy-data==1.0", member="toy/a.csv")[0] == "a"


def test_a_package_whose_source_archive_has_the_file(server, publish, params):
    wheel, source = zipped({"toy/code.py": b""}), tarred({"toy-data-1.0/data/a.csv": CSV})
    publish(wheel)
    file = "toy-data-1.0.tar.gz"
    server.pages["/simple/toy-data/"] += (
        f'<a href="/files/{file}#sha256={digest(source)}">{file}</a>'.encode()
    )
    server.pages[f"/files/{file}"] = source
    _, found = added(params, "pypi:toy-data==1.0/toy-data-1.0/data/a.csv")
    assert found["source"]["archive_sha256"] == digest(source)


@pytest.mark.parametrize("name", ["toy", "@some/toy"])
def test_a_package_of_npm(name, server, params, monkeypatch):
    content = tarred({"package/data/a.csv": CSV, "package/b.csv": CSV, "package/index.js": b""})
    monkeypatch.setenv("npm_config_registry", server.address)
    tarball = {"dist": {"tarball": f"{server.address}/toy.tgz"}}
    server.pages |= {
        "/" + name.replace("/", "%2F"): json.dumps({"versions": {"1.0.0-rc.1": tarball}}).encode(),
        "/toy.tgz": content,
    }
    given = f"npm:{name}@1.0.0-rc.1"
    for member in ("package/data/a.csv", "data/a.csv"):
        _, found = added(params, f"{given}/{member}")
        assert found["source"] == {
            "npm": f"{name}@1.0.0-rc.1",
            "files": {"data": "package/data/a.csv"},
            "archive_sha256": digest(content),
        }
        params.write_text(PARAMS)
    refused(params, given, "several files; .*: package/data/a.csv, package/b.csv$")
    refused(params, f"{given}/c.csv", r"has no file c\.csv")
    refused(params, f"npm:{name}@2.0.0/a.csv", rf"no version 2\.0\.0 of {name}")
    refused(params, "npm:gone@1.0.0/a.csv", "no package gone")


def test_what_stands_for_a_file(server, params, tmp_path):
    pointer, page = b"version https://git-lfs.github.com/spec/v1\noid", b"<!doctype html><p>"
    for content, words in {pointer: "a Git LFS pointer", page: "a web page"}.items():
        (tmp_path / "a.csv").write_bytes(content)
        (tmp_path / "a.zip").write_bytes(zipped({"a.csv": content}))
        server.pages["/a.csv"] = content
        for given in ("a.csv", "a.zip", f"{server.address}/a.csv"):
            refused(params, given, f"{words}, not")


COMMIT = "0123456789" * 4


def endpoint(monkeypatch, address):
    for part, name in ((huggingface_hub, "hf_hub_download"), (huggingface_hub, "HfApi")):
        monkeypatch.setattr(part, name, functools.partial(getattr(part, name), endpoint=address))


@pytest.fixture
def hub(server, monkeypatch):
    """``hub(files, **card)``: a server that answers as the hub does for the set some/toy."""
    endpoint(monkeypatch, server.address)

    def go(files, name="some/toy", commit=COMMIT, **card):
        server.headers |= {"ETag": '"1"', "X-Repo-Commit": commit}
        siblings = [{"rfilename": file} for file in files]
        info = {"id": name, "sha": commit, "siblings": siblings, "cardData": card, "tags": []}
        server.pages[f"/api/datasets/{name}"] = json.dumps(info).encode()
        for file, content in files.items():
            server.pages[f"/datasets/{name}/resolve/{commit}/{file}"] = content

    return go


def test_hugging_face_with_one_file(hub, params):
    hub({"README.md": b"words", "data/all.csv": CSV, "toy.py": b"1/0"}, license="mit")
    name, found = added(params, "huggingface:some/toy")
    assert (name, found["licence"]) == ("toy", "mit")
    assert found["source"] == {
        "huggingface": "some/toy",
        "revision": COMMIT,
        "files": {"data": "data/all.csv"},
    }
    # Its next commit, with another file: the entry moves on.
    hub({"data/all.csv": CSV + b"9,a,yes\n"}, commit="f" * 40)
    _, moved = added(params, "huggingface:some/toy")
    assert moved["source"] == found["source"] | {"revision": "f" * 40}
    assert moved["sha256"] == {"data": digest(CSV + b"9,a,yes\n")}


def test_hugging_face_with_training_and_test_part(hub, params):
    hub({f"data/{part}-0.csv": CSV for part in ("train", "test", "validation")})
    _, found = added(params, "huggingface:some/toy")
    assert found["source"]["files"] == {"train": "data/train-0.csv", "test": "data/test-0.csv"}
    assert found["sha256"] == {"train": digest(CSV), "test": digest(CSV)}
    _, found = added(params, "huggingface:some/toy", member="data/train-0.csv", name="one")
    assert found["source"]["files"] == {"data": "data/train-0.csv"}


def test_hugging_face_with_several_files(hub, params):
    hub({"a.csv": CSV, "b.csv": CSV})
    refused(
        params, "huggingface:some/toy", r"several files; say which with --member: a.csv, b.csv$"
    )
    hub({"toy.py": b"1/0", "README.md": b""})
    refused(params, "huggingface:some/toy", "no file that looks like data; .*: toy.py, README.md")


def test_hugging_face_configurations(hub, params):
    files = {"one/x.csv": CSV, "two/x.csv": CSV + b"9,a,yes\n", "two/y.csv": CSV}
    one = {"config_name": "one", "data_files": "one/*.csv"}
    two = {"config_name": "two", "data_files": [{"split": "train", "path": ["two/x.csv"]}]}
    hub(files, configs=[one, two])
    several = "several configurations; .*huggingface:some/toy/one, huggingface:some/toy/two"
    refused(params, "huggingface:some/toy", several)
    refused(params, "huggingface:some/toy/three", several)
    name, found = added(params, "huggingface:some/toy/two")
    assert (name, found["source"]["files"]) == ("toy_two", {"data": "two/x.csv"})
    name, found = added(params, "huggingface:some/toy/one")
    assert (name, found["source"]["files"]) == ("toy_one", {"data": "one/x.csv"})


def test_hugging_face_parts_that_only_the_card_tells(hub, params):
    parts = [{"split": "train", "path": "a.csv"}, {"split": "test", "path": "b.csv"}]
    hub({"a.csv": CSV, "b.csv": CSV}, configs=[{"config_name": "default", "data_files": parts}])
    _, found = added(params, "huggingface:some/toy")
    assert found["source"]["files"] == {"train": "a.csv", "test": "b.csv"}


def test_hugging_face_without_a_card_has_configurations_as_folders(server, hub, params):
    hub({"one/x.csv": CSV, "two/x.csv": CSV}, name="toy")
    server.headers["X-Error-Code"] = "RepoNotFound"  # of the set toy/one
    name, found = added(params, "huggingface:toy/one")
    assert (name, found["source"]["huggingface"]) == ("toy_one", "toy")


def test_hugging_face_does_not_have_it(server, hub, params):
    hub({"a.csv": CSV})
    server.headers["X-Error-Code"] = "RepoNotFound"
    refused(
        params, "huggingface:some/other", "Hugging Face has no data set some/other, or it needs"
    )
