import functools
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT

from imbbench.data import sources
from imbbench.data.archives import fetch_pypi_tree, pip_settings
from imbbench.data.datasets import parse_dataset
from imbbench.data.prepare import prepare
from imbbench.data.sources import fetch
from imbbench.errors import StudyError

CONTENT = b"a,y\n1,p\n2,q\n"


def digest(content):
    return hashlib.sha256(content).hexdigest()


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


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


@pytest.fixture
def server():
    """Pages of a local web server: path -> bytes, or what else a status; ``asked`` keeps paths.

    ``headers`` go with every answer.
    """
    pages, headers = {}, {"Content-Type": "text/html"}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.server.asked.append(self.path)
            found = pages.get(self.path, 404)
            content = found if isinstance(found, bytes) else b""
            self.send_response(200 if isinstance(found, bytes) else found)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            return content

        def do_GET(self):
            self.wfile.write(self.do_HEAD())

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked, httpd.pages, httpd.headers = [], pages, headers
    httpd.address = f"http://127.0.0.1:{httpd.server_port}"
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Neither the user's mirror nor the user's pip settings, and a folder to work in."""
    for variable in ("IMBBENCH_MIRROR", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def publish(server, monkeypatch, content, file="toy_data-1.0-py3-none-any.whl", claimed=None):
    """A package index with one release file; its page states ``claimed`` as the digest."""
    server.pages["/simple/toy-data/"] = (
        f'<a href="/files/{file}#sha256={claimed or digest(content)}">{file}</a>'
    ).encode()
    server.pages[f"/files/{file}"] = content
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple/")
    return {"pypi": "toy-data==1.0", "archive_sha256": digest(content)}


def closed_port():
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as unused:
        return unused.server_port


def test_member_of_a_wheel(server, monkeypatch, tmp_path):
    source = publish(server, monkeypatch, zipped({"pkg/a.dat": CONTENT, "pkg/a.dat.bak": b"old"}))
    dataset = entry(source | {"files": {"data": "pkg/a.dat"}})
    fetch("toy", dataset, "raw/toy")
    assert [p.name for p in (tmp_path / "raw/toy").iterdir()] == ["data.dat"]
    assert (tmp_path / "raw/toy/data.dat").read_bytes() == CONTENT

    server.asked.clear()
    fetch("toy", dataset, "raw/toy")  # the file is there
    fetch("toy", dataset, "raw/again")  # the archive is there
    assert server.asked == []
    assert (tmp_path / "raw/again/data.dat").read_bytes() == CONTENT


def test_member_of_an_archive_inside_a_source_archive(server, monkeypatch, tmp_path):
    inner = tarred({"inner/texts.txt": CONTENT})
    outer = tarred({"toy_data-1.0/more/inner.tar.gz": inner})
    source = publish(server, monkeypatch, outer, "toy_data-1.0.tar.gz")
    member = "toy_data-1.0/more/inner.tar.gz!inner/texts.txt"
    fetch("toy", entry(source | {"files": {"data": member}}), "raw")
    assert (tmp_path / "raw/data.txt").read_bytes() == CONTENT


def test_the_digest_chooses_among_the_files_of_a_release(server, monkeypatch, tmp_path):
    wheel, archive = zipped({"a.csv": b"other"}), tarred({"a.csv": CONTENT})
    publish(server, monkeypatch, wheel)
    page = server.pages["/simple/toy-data/"]
    source = publish(server, monkeypatch, archive, "toy_data-1.0.tar.gz")
    server.pages["/simple/toy-data/"] += page
    fetch("toy", entry(source | {"files": {"data": "a.csv"}}), "raw")
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT
    assert not [path for path in server.asked if path.endswith(".whl")]


def test_extra_index_is_asked_and_file_folders_are_skipped(server, monkeypatch, tmp_path):
    source = publish(server, monkeypatch, zipped({"a.csv": CONTENT}))
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/empty/")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"file:///nowhere {server.address}/simple/")
    fetch("toy", entry(source | {"files": {"data": "a.csv"}}), "raw")
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT


def test_pip_settings(monkeypatch, tmp_path):
    assert pip_settings() == ([PYPI_SIMPLE_ENDPOINT], None)
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = http://a.invalid/simple\nextra-index-url =\n"
        "    http://b.invalid/simple\n    file:///c\ncert = /ca.pem\n"
        "[download]\nindex-url = http://d.invalid/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    found = pip_settings()
    assert found == (["http://d.invalid/simple", "http://b.invalid/simple"], "/ca.pem")
    monkeypatch.setenv("PIP_INDEX_URL", "http://e.invalid/simple")
    monkeypatch.setenv("PIP_CERT", "/other.pem")
    found = pip_settings()
    assert found == (["http://e.invalid/simple", "http://b.invalid/simple"], "/other.pem")


def test_index_that_sends_another_file_than_it_says(server, monkeypatch, tmp_path):
    source = publish(
        server, monkeypatch, zipped({"a.csv": b"tampered"}), claimed=digest(b"the real one")
    )
    source["archive_sha256"] = digest(b"the real one")
    with pytest.raises(StudyError, match="toy: wrong checksum"):
        fetch("toy", entry(source | {"files": {"data": "a.csv"}}), "raw")
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_wrong_checksum_keeps_nothing_and_spares_the_earlier_file(tmp_path):
    (tmp_path / "mine.csv").write_bytes(CONTENT)
    dataset = entry({"path": "mine.csv"})
    fetch("toy", dataset, "raw")
    (tmp_path / "mine.csv").write_bytes(b"a,y\n9,p\n")
    fetch("toy", dataset, "raw")  # what is there is still the right one
    changed = entry({"path": "mine.csv"}, {"data": digest(b"something else")})
    with pytest.raises(StudyError, match="toy: wrong checksum of data"):
        fetch("toy", changed, "raw")
    assert [p.name for p in (tmp_path / "raw").iterdir()] == ["data.csv"]
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT
    with pytest.raises(StudyError, match="wrong checksum"):
        fetch("toy", changed, "new")
    assert not list(tmp_path.glob("new/*"))


@pytest.mark.parametrize("kind", ["pypi", "url", "openml"])
def test_no_network_and_no_mirror(kind, monkeypatch):
    address = f"http://127.0.0.1:{closed_port()}"
    monkeypatch.setattr(sources, "OPENML", address)
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple/")
    source = {
        "pypi": {
            "pypi": "toy-data==1.0",
            "files": {"data": "a.csv"},
            "archive_sha256": digest(b""),
        },
        "url": {"url": f"{address}/a.csv"},
        "openml": {"openml": 61},
    }[kind]
    with pytest.raises(StudyError, match=r"data set toy: could not be fetched") as caught:
        fetch("toy", entry(source), "raw")
    assert "IMBBENCH_MIRROR" in str(caught.value)
    assert "pip config list" in str(caught.value)


def test_an_index_without_the_package(server, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"http://user:secret@127.0.0.1:{server.server_port}/none/")
    source = {"pypi": "toy-data==1.0", "files": {"data": "a"}, "archive_sha256": digest(b"")}
    with pytest.raises(StudyError, match="the index has no such project") as caught:
        fetch("toy", entry(source), "raw")
    assert "secret" not in str(caught.value)


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


def test_a_bad_file_in_the_mirror_is_refused(tmp_path, monkeypatch):
    (tmp_path / digest(CONTENT)).write_bytes(b"not what its name says")
    monkeypatch.setenv("IMBBENCH_MIRROR", str(tmp_path))
    with pytest.raises(StudyError, match="wrong checksum"):
        fetch("toy", entry({"url": "http://127.0.0.1:9/a.csv"}), "raw")


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
    server.pages["/corpus.zip"] = zipped({"Collection": texts + b"spam\tmore\n"})
    with pytest.raises(StudyError, match="toy: wrong checksum"):
        fetch("toy", dataset, "raw2")


def test_a_folder_holds_training_and_test_file(server, tmp_path):
    server.pages |= {"/set/one.csv": CONTENT, "/set/two.csv": b"a,y\n3,p\n"}
    roles = {"train": "one.csv", "test": "two.csv"}
    sums = {"train": digest(CONTENT), "test": digest(b"a,y\n3,p\n")}
    fetch("toy", entry({"url": f"{server.address}/set/", "files": roles}, sums), "raw")
    assert {p.name for p in (tmp_path / "raw").iterdir()} == {"train.csv", "test.csv"}


def test_missing_member_and_missing_file(server, monkeypatch):
    source = publish(server, monkeypatch, zipped({"a.csv": CONTENT}))
    with pytest.raises(StudyError, match=r"toy: the archive has no file b\.csv"):
        fetch("toy", entry(source | {"files": {"data": "b.csv"}}), "raw")
    with pytest.raises(StudyError, match=r"toy: there is no file .*gone\.csv"):
        fetch("toy", entry({"path": "gone.csv"}), "raw")


def test_a_link_inside_an_archive_is_not_followed(server, monkeypatch):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        link = tarfile.TarInfo("a.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    source = publish(server, monkeypatch, buffer.getvalue(), "toy_data-1.0.tar.gz")
    with pytest.raises(StudyError, match="no file"):
        fetch("toy", entry(source | {"files": {"data": "a.csv"}}), "raw")


def test_bundled_set(tmp_path):
    iris = "7e4e13e60d330d83ae5309b440eb5ececb4b779e925cc621d8f347b1e14eeca3"
    dataset = entry({"sklearn": "iris"}, {"data": iris}, target="target")
    fetch("toy", dataset, "raw")
    assert prepare("toy", dataset, "raw", "prepared")["classes"] == {
        "setosa": 50,
        "versicolor": 50,
        "virginica": 50,
    }
    with pytest.raises(StudyError, match="sklearn has"):
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
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


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
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_no_hub(server, monkeypatch, tmp_path):
    source = {"huggingface": "some/toy", "revision": COMMIT, "files": {"data": "a.csv"}}
    server.pages[f"/datasets/some/toy/resolve/{COMMIT}/a.csv"] = 503
    monkeypatch.setattr("time.sleep", lambda _: None)  # its client tries again and again
    download = huggingface_hub.hf_hub_download
    for address in (server.address, f"http://127.0.0.1:{closed_port()}"):
        here = functools.partial(download, endpoint=address)
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", here)
        with pytest.raises(StudyError, match="toy: could not be fetched from Hugging Face data"):
            fetch("toy", entry(source), "raw")
    (tmp_path / digest(CONTENT)).write_bytes(CONTENT)
    monkeypatch.setenv("IMBBENCH_MIRROR", str(tmp_path))
    fetch("toy", entry(source), "raw")
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT


TREE = {"pkg/model/config.json": b"{}", "pkg/model/deep/w.bin": b"1234", "pkg/code.py": b"1/0"}


def test_tree_of_a_package(server, monkeypatch, tmp_path):
    publish(server, monkeypatch, zipped(TREE))
    sums = {"config.json": digest(b"{}"), "deep/w.bin": digest(b"1234")}

    def get():
        return fetch_pypi_tree("toy-data==1.0", "pkg/model/", "models/toy", sums)

    get()
    files = {p.relative_to("models/toy").as_posix() for p in get().rglob("*") if p.is_file()}
    assert files == set(sums)
    server.asked.clear()
    get()
    assert server.asked == []
    (tmp_path / "models/toy/config.json").write_bytes(b"broken")
    get()
    assert (tmp_path / "models/toy/config.json").read_bytes() == b"{}"
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["toy"]


def test_tree_with_a_wrong_checksum_spares_the_earlier_one(server, monkeypatch, tmp_path):
    publish(server, monkeypatch, zipped(TREE))
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/config.json").write_bytes(b"earlier")
    with pytest.raises(StudyError, match=r"config\.json is missing or has another content"):
        fetch_pypi_tree("toy-data==1.0", "pkg/model/", "toy", {"config.json": digest(b"?")})
    assert (tmp_path / "toy/config.json").read_bytes() == b"earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["toy"]


@pytest.mark.parametrize("member", ["../escaped", "/escaped", "a/../../escaped", "a\\..\\b"])
def test_tree_does_not_leave_its_folder(member, server, monkeypatch, tmp_path):
    publish(server, monkeypatch, zipped({"pkg/" + member: b"x"}))
    with pytest.raises(StudyError, match="leaves the target folder"):
        fetch_pypi_tree("toy-data==1.0", "pkg/", "models/toy", {"escaped": digest(b"x")})
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]
