import functools
import json
import os
import subprocess
import sys
import time

import huggingface_hub
import pytest
from served import digest, files, zipped

from imbbench.cli import main
from imbbench.data import sources, web
from imbbench.data.datasets import KINDS, parse_dataset
from imbbench.data.prepare import prepare
from imbbench.data.sources import fetch
from imbbench.errors import StudyError

pytest_plugins = ["local_web"]  # no conftest: others import the one above by that name
pytestmark = pytest.mark.usefixtures("surroundings")
CONTENT = b"a,y\n1,p\n2,q\n"


def entry(source, sha256=None, **other):
    return parse_dataset(
        "toy",
        {
            "source": source,
            "sha256": sha256 or {"data": digest(CONTENT)},
            "format": "csv",
            "target": "y",
            "modality": "tabular",
            "licence": "none",
            "why": "a test",
        }
        | other,
    )


def test_every_kind_of_source_has_a_reader():
    assert set(sources.READERS) == set(KINDS)


def test_member_of_a_wheel(server, publish, tmp_path):
    source = publish(zipped({"pkg/a.dat": CONTENT, "pkg/a.dat.bak": b"old"}))
    dataset = entry(source | {"files": {"data": "pkg/a.dat"}})
    fetch("toy", dataset, "raw/toy")
    assert [p.name for p in (tmp_path / "raw/toy").iterdir()] == ["data.dat"]
    assert (tmp_path / "raw/toy/data.dat").read_bytes() == CONTENT

    server.asked.clear()
    fetch("toy", dataset, "raw/toy")  # the file is there
    fetch("toy", dataset, "raw/again")  # the archive is there
    assert server.asked == []
    assert (tmp_path / "raw/again/data.dat").read_bytes() == CONTENT


def test_wrong_checksum_keeps_nothing_and_spares_the_earlier_file(tmp_path):
    (tmp_path / "mine.csv").write_bytes(CONTENT)
    dataset = entry({"path": "mine.csv"})
    fetch("toy", dataset, "raw")
    (tmp_path / "mine.csv").write_bytes(b"a,y\n9,p\n")
    with pytest.raises(StudyError, match=r"toy: the file mine\.csv has changed"):
        fetch("toy", dataset, "raw")  # what is there is right, but not what the user sees
    changed = entry({"path": "mine.csv"}, {"data": digest(b"something else")})
    with pytest.raises(StudyError, match="toy: wrong checksum of data"):
        fetch("toy", changed, "raw")
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["data.csv"]
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT
    with pytest.raises(StudyError, match="wrong checksum"):
        fetch("toy", changed, "new")
    assert not list(tmp_path.glob("new/*"))


@pytest.mark.parametrize("kind", ["pypi", "npm", "url", "openml"])
def test_no_network_and_no_mirror(kind, closed, monkeypatch, tmp_path):
    """The message names the source, and what a mirror's file has to be called."""
    monkeypatch.setattr(sources, "OPENML", closed)
    monkeypatch.setenv("PIP_INDEX_URL", f"{closed}/simple/")
    monkeypatch.setenv("npm_config_registry", closed)
    source, words = {
        "pypi": (
            {"pypi": "toy-data==1.0", "files": {"data": "a"}, "archive_sha256": digest(b"")},
            "the package toy-data==1.0: a ",
        ),
        "npm": (
            {"npm": "toy@1.0.0", "files": {"data": "a"}, "archive_sha256": digest(b"")},
            "the npm package toy@1.0.0: a ",
        ),
        "url": ({"url": f"{closed}/a.csv"}, f"{closed}/a.csv "),
        "openml": ({"openml": 61}, "OpenML data set 61 "),
    }[kind]
    dataset = entry(source, fallbacks=[{"url": f"{closed}/b.csv"}])
    with pytest.raises(StudyError) as caught:
        fetch("toy", dataset, "raw")
    start, _, rest = str(caught.value).partition(" nor from ")
    assert start.startswith(f"data set toy: could not be fetched from {words}(")
    assert rest.startswith(f"{closed}/b.csv (")
    assert str(caught.value).endswith(digest(CONTENT))
    assert not files(tmp_path)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    monkeypatch.setenv("IMBBENCH_MIRROR", str(mirror))
    with pytest.raises(StudyError, match="IMBBENCH_MIRROR has no file with the right content; put"):
        fetch("toy", dataset, "raw")
    (mirror / digest(CONTENT)).write_bytes(CONTENT)
    fetch("toy", dataset, "raw")
    assert len(files("raw")) == 1


@pytest.mark.parametrize("by", ["content", "archive"])
def test_the_mirror_is_looked_at_first(by, tmp_path, monkeypatch):
    archive = zipped({"a.csv": CONTENT})
    mirrored = CONTENT if by == "content" else archive
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / digest(mirrored)).write_bytes(mirrored)
    monkeypatch.setenv("IMBBENCH_MIRROR", str(tmp_path / "mirror"))
    source = {"url": "http://127.0.0.1:9/a.zip", "archive_sha256": digest(archive)}
    fetch("toy", entry(source | {"files": {"data": "a.csv"}}), "raw")
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT


def test_a_bad_file_in_the_mirror_is_none(server, tmp_path, monkeypatch):
    (tmp_path / digest(CONTENT)).write_bytes(b"not what its name says")
    monkeypatch.setenv("IMBBENCH_MIRROR", str(tmp_path))
    mirror = "127.0.0.1:9/a.csv .*IMBBENCH_MIRROR has no file with the right content"
    with pytest.raises(StudyError, match=mirror):
        fetch("toy", entry({"url": "http://127.0.0.1:9/a.csv"}), "raw")
    server.pages["/a.csv"] = CONTENT
    fetch("toy", entry({"url": f"{server.address}/a.csv"}), "raw")
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT


def test_fallbacks_are_asked_in_order(server, tmp_path):
    server.pages["/b.csv"] = CONTENT
    dataset = entry(
        {"url": f"{server.address}/gone.csv"}, fallbacks=[{"url": f"{server.address}/b.csv"}]
    )
    fetch("toy", dataset, "raw")
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT
    assert server.asked == ["/gone.csv", "/b.csv"]


def test_address_of_an_archive_whose_texts_are_not_quoted(server, tmp_path):
    texts = b'ham\t"open\nspam\twin "now"\n' * 5
    archive = zipped({"Collection": texts, "readme": b"..."})
    server.pages["/corpus.zip"] = archive
    dataset = entry(
        {
            "url": f"{server.address}/corpus.zip",
            "files": {"data": "Collection"},
            "archive_sha256": digest(archive),
        },
        {"data": digest(texts)},
        format="tsv",
        columns=["y", "words"],
        quoting=False,
        modality="text",
        text="words",
    )
    fetch("toy", dataset, "raw")
    card = prepare("toy", dataset, "raw", "prepared", folds=1)
    assert card["classes"] == {"ham": 5, "spam": 5}
    assert card["duplicate_rows"] == 8
    server.asked.clear()
    fetch("toy", dataset, "raw2")  # the archive is kept
    assert server.asked == []
    (tmp_path / "data/archives" / digest(archive)).unlink()
    server.pages["/corpus.zip"] = zipped({"Collection": texts + b"spam\tmore\n"})
    with pytest.raises(StudyError, match="toy: wrong checksum"):
        fetch("toy", dataset, "raw3")


def test_a_folder_holds_training_and_test_file(server, tmp_path):
    server.pages |= {"/set/one.csv": CONTENT, "/set/two.csv": b"a,y\n3,p\n"}
    roles = {"train": "one.csv", "test": "two.csv"}
    sums = {"train": digest(CONTENT), "test": digest(b"a,y\n3,p\n")}
    fetch("toy", entry({"url": f"{server.address}/set/", "files": roles}, sums), "raw")
    assert {p.name: p.read_bytes() for p in (tmp_path / "raw").iterdir()} == {
        "train.csv": CONTENT,
        "test.csv": b"a,y\n3,p\n",
    }
    server.pages["/set.csv"] = CONTENT
    fetch("toy", entry({"url": f"{server.address}/set.csv"}), "raw")
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["data.csv"]  # the others are gone


def test_missing_member_and_missing_file(publish):
    source = publish(zipped({"a.csv": CONTENT}))
    with pytest.raises(StudyError, match=r"toy: the archive has no file b\.csv"):
        fetch("toy", entry(source | {"files": {"data": "b.csv"}}), "raw")
    with pytest.raises(StudyError, match=r"toy: there is no file .*gone\.csv"):
        fetch("toy", entry({"path": "gone.csv"}), "raw")


def test_bundled_set(tmp_path):
    iris = "7e4e13e60d330d83ae5309b440eb5ececb4b779e925cc621d8f347b1e14eeca3"
    dataset = entry({"sklearn": "iris"}, {"data": iris}, target="target")
    fetch("toy", dataset, "raw")
    assert prepare("toy", dataset, "raw", "prepared")["classes"] == {
        "setosa": 50,
        "versicolor": 50,
        "virginica": 50,
    }
    with pytest.raises(StudyError, match=r"toy: sklearn has .*, iris, wine, not covtype"):
        fetch("toy", entry({"sklearn": "covtype"}), "other")


ARFF = b"""@relation toy
@attribute a numeric
@attribute kind {x,y}
@attribute class {p,q}
@data
1.50,x,p
2,?,q
3,y,p
4,x,q
"""


def open_ml(server, monkeypatch):
    monkeypatch.setattr(sources, "OPENML", f"{server.address}/api/v1/json/data")
    description = {"id": "61", "format": "ARFF", "file_id": "7"}
    description["url"] = f"{server.address}/data/v1/download/7/toy.arff"
    server.pages["/api/v1/json/data/61"] = json.dumps(
        {"data_set_description": description}
    ).encode()
    server.pages["/data/v1/download/7/toy.arff"] = ARFF


def test_openml(server, monkeypatch, tmp_path):
    open_ml(server, monkeypatch)
    dataset = entry({"openml": 61}, {"data": digest(ARFF)}, format="arff", target="class")
    fetch("toy", dataset, "raw")
    assert (tmp_path / "raw/data.arff").read_bytes() == ARFF
    assert prepare("toy", dataset, "raw", "prepared", folds=2)["missing_values"] == 1
    assert (tmp_path / "prepared/data.csv").read_text().splitlines()[:2] == [
        "a,kind,_label,_group",
        "1.5,x,p,0",
    ]


def test_openml_that_has_something_else(server, monkeypatch, tmp_path):
    open_ml(server, monkeypatch)
    server.pages["/api/v1/json/data/99"] = 412
    with pytest.raises(StudyError, match="toy: OpenML has no data set 99; correct openml"):
        fetch("toy", entry({"openml": 99}), "raw")
    with pytest.raises(StudyError, match="toy: wrong checksum"):
        fetch("toy", entry({"openml": 61}), "raw")
    for answer in (b"<html>log in</html>", b"{}", b"[]"):
        server.pages["/api/v1/json/data/61"] = answer
        with pytest.raises(StudyError, match=r"toy: could not .* 61 .*describes no data set"):
            fetch("toy", entry({"openml": 61}), "raw")
    server.pages["/api/v1/json/data/61"] = 503
    with pytest.raises(StudyError, match="toy: could not be fetched"):
        fetch("toy", entry({"openml": 61}), "raw")
    assert not files(tmp_path)


COMMIT = "0123456789" * 4


def hub(server, files):
    """A server that answers as the hub does for one repository."""
    server.headers |= {"ETag": '"1"', "X-Repo-Commit": COMMIT}
    for file, content in files.items():
        server.pages[f"/datasets/some/toy/resolve/{COMMIT}/{file}"] = content
    return {"huggingface": "some/toy", "revision": COMMIT, "files": {"data": "data/a.csv"}}


def test_hugging_face_at_the_endpoint_of_the_environment(server, tmp_path):
    source = hub(server, {"data/a.csv": CONTENT, "a.py": b"1/0"})
    script = (
        "from imbbench.data import datasets, sources\n"
        f"entry = datasets.parse_dataset('toy', {entry(source).model_dump(exclude_none=True)!r})\n"
        "sources.fetch('toy', entry, 'raw')\n"
    )
    home = {"HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path / "home")}
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, **home})
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["data.csv"]
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT
    assert not [path for path in server.asked if path.endswith(".py")]


@pytest.mark.parametrize(
    ("change", "header", "problem"),
    [
        ({"huggingface": "some/other"}, "RepoNotFound", "some/other on .*: no such data set, or"),
        ({"revision": "f" * 40}, "RevisionNotFound", "no commit ffffffff"),
        ({"files": {"data": "b.csv"}}, "EntryNotFound", r"no file b\.csv"),
    ],
)
def test_what_hugging_face_does_not_have(change, header, problem, server, monkeypatch, tmp_path):
    download = functools.partial(huggingface_hub.hf_hub_download, endpoint=server.address)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    source = hub(server, {"data/a.csv": b"a,y\n9,p\n"})
    with pytest.raises(StudyError, match="toy: wrong checksum of data"):
        fetch("toy", entry(source), "raw")
    server.headers["X-Error-Code"] = header
    with pytest.raises(StudyError, match=f"data set toy: .*{problem}.*correct params.yaml"):
        fetch("toy", entry(source | change), "raw")
    assert not files(tmp_path)


def test_no_hub(server, closed, monkeypatch, tmp_path):
    source = {"huggingface": "some/toy", "revision": COMMIT, "files": {"data": "a.csv"}}
    server.pages[f"/datasets/some/toy/resolve/{COMMIT}/a.csv"] = 503
    monkeypatch.setattr("time.sleep", lambda _: None)  # its client tries again and again
    download = huggingface_hub.hf_hub_download
    for address in (server.address, closed):
        here = functools.partial(download, endpoint=address)
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", here)
        with pytest.raises(StudyError, match="toy: could not be fetched from Hugging Face data"):
            fetch("toy", entry(source), "raw")
    (tmp_path / digest(CONTENT)).write_bytes(CONTENT)
    monkeypatch.setenv("IMBBENCH_MIRROR", str(tmp_path))
    fetch("toy", entry(source), "raw")
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT


def test_a_file_on_the_hub_that_is_too_large_is_not_downloaded(server, monkeypatch, tmp_path):
    source = hub(server, {"data/a.csv": CONTENT})
    here = functools.partial(huggingface_hub.hf_hub_download, endpoint=server.address)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", here)
    monkeypatch.setattr(web, "LIMIT", len(CONTENT) - 1)
    with pytest.raises(StudyError, match=r"toy: could not .*larger than .*download it yourself"):
        fetch("toy", entry(source), "raw")
    assert server.asked == [f"/datasets/some/toy/resolve/{COMMIT}/data/a.csv"]  # its size alone
    monkeypatch.setattr(web, "LIMIT", len(CONTENT))
    fetch("toy", entry(source), "raw")
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT


def test_a_hub_that_never_ends(server, monkeypatch):
    source = {"huggingface": "some/toy", "revision": COMMIT, "files": {"data": "a.csv"}}
    here = functools.partial(huggingface_hub.hf_hub_download, endpoint=server.address)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", here)
    monkeypatch.setattr(sources, "HUB_PATIENCE", 0.3)
    server.pages[f"/datasets/some/toy/resolve/{COMMIT}/a.csv"] = lambda handler: time.sleep(2)
    with pytest.raises(StudyError, match=r"toy: could not .*no answer within 0\.3 s"):
        fetch("toy", entry(source), "raw")


def test_a_file_that_has_changed_is_noticed_and_added_again(tmp_path, capsys):
    rows = "".join(f"{i},{'pq'[i % 2]}\n" for i in range(20))
    (tmp_path / "own.csv").write_text("x,y\n" + rows)
    (tmp_path / "params.yaml").write_text(
        "families: []\nprotocol: {folds: 2}\nlearners: {}\nstrategies: {}\n"
        "datasets:\n  old:\n    {source: {sklearn: iris}, format: csv, target: target,\n"
        f"    licence: '-', why: '-', modality: tabular, sha256: {{data: '{'0' * 64}'}}}}\n"
    )
    assert main(["add-dataset", "own.csv", "--target", "y"]) == 0
    assert main(["check"]) == 0
    assert main(["fetch", "own"]) == 0
    (tmp_path / "own.csv").write_text("x,y\n" + rows + "99,p\n")
    capsys.readouterr()
    for command in (["check"], ["fetch", "own"]):
        assert main(command) == 1
        said = capsys.readouterr().err
        assert "data set own: the file own.csv has changed since it was added" in said
    assert (tmp_path / "data/raw/own/data.csv").read_text() == "x,y\n" + rows
    again = said.split("add it again: imbbench ")[1].split()
    assert main(again) == 0
    assert main(["check"]) == 0
    assert main(["fetch", "own"]) == 0
    assert (tmp_path / "data/raw/own/data.csv").read_text().endswith("99,p\n")
    (tmp_path / "own.csv").unlink()  # its raw copy is there
    assert main(["check"]) == 0
    assert main(["fetch", "own"]) == 0
