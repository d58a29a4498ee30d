import contextlib
import socket
import threading
import time

import pytest
from served import digest

from imbbench.data import web
from imbbench.data.datasets import parse_dataset
from imbbench.data.sources import fetch
from imbbench.errors import StudyError

pytest_plugins = ["local_web"]

CSV = b"x,y\n1,a\n2,b\n" * 50


@pytest.fixture(autouse=True)
def hurried(surroundings, monkeypatch):
    monkeypatch.setattr(web, "PAUSE", 0.01)
    monkeypatch.setattr(web, "SILENCE", 0.4)
    monkeypatch.setattr(web, "PATIENCE", 0.5)


@pytest.fixture
def raw():
    """``raw(answer)``: an address whose nth connection is handled by ``answer(connection, n)``."""
    listener = socket.create_server(("127.0.0.1", 0))
    told, seen = {}, []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            seen.append(1)
            threading.Thread(target=handle, args=(connection, len(seen)), daemon=True).start()

    def handle(connection, n):
        with connection:
            connection.recv(65536)
            with contextlib.suppress(OSError):
                told["answer"](connection, n)

    def go(answer):
        told["answer"] = answer
        return f"http://127.0.0.1:{listener.getsockname()[1]}/data.csv"

    threading.Thread(target=serve, daemon=True).start()
    go.seen = seen
    yield go
    listener.close()


def head(size, status="200 OK", more=""):
    return (
        f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\nConnection: close\r\n{more}\r\n".encode()
    )


def whole(connection, n):
    connection.sendall(head(len(CSV)) + CSV)


@pytest.mark.parametrize("status", ["500 Broken", "503 Busy", "429 Slower", "408 Late"])
def test_what_passes_is_tried_again(raw, tmp_path, status):
    url = raw(lambda c, n: c.sendall(head(0, status)) if n < 3 else whole(c, n))
    web.save(url, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CSV
    assert len(raw.seen) == 3


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden", "410 Gone"])
def test_what_does_not_pass_is_said_at_once_with_its_status(raw, tmp_path, status):
    url = raw(lambda c, n: c.sendall(head(0, status)))
    with pytest.raises(web.DownloadError, match=f"answered {status}"):
        web.save(url, tmp_path / "a")
    assert len(raw.seen) == 1 and not (tmp_path / "a").exists()


def test_a_download_that_breaks_off_is_tried_again_from_the_start(raw, tmp_path):
    url = raw(lambda c, n: c.sendall(head(len(CSV)) + CSV[:9]) if n == 1 else whole(c, n))
    web.save(url, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CSV
    url = raw(lambda c, n: c.sendall(head(len(CSV)) + CSV[:9]))
    with pytest.raises(web.DownloadError, match=r"broke off|no connection"):
        web.save(url, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_silence_slowness_and_size_have_limits(raw, tmp_path, monkeypatch):
    with pytest.raises(web.DownloadError, match="silent for"):
        web.save(raw(lambda c, n: time.sleep(2)), tmp_path / "a")

    def drops(connection, n):
        connection.sendall(head(10**6))
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.05)

    monkeypatch.setattr(web, "PIECE", 1)
    with pytest.raises(web.DownloadError, match=r"too slow"):
        web.save(raw(drops), tmp_path / "a")
    monkeypatch.setattr(web, "LARGEST", 500)
    with pytest.raises(web.DownloadError, match="600 bytes, more than the 500"):
        web.save(raw(whole), tmp_path / "a")

    def endless(connection, n):
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            connection.sendall(b"x" * 4096)

    with pytest.raises(web.DownloadError, match="larger than the 500 bytes"):
        web.save(raw(endless), tmp_path / "a")
    assert not list(tmp_path.glob("a"))


def test_a_reset_and_a_redirect_loop(raw, tmp_path):
    def reset(connection, n):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with pytest.raises(web.DownloadError, match="there is no connection"):
        web.save(raw(reset), tmp_path / "a")
    assert len(raw.seen) == web.TRIES
    url = raw(lambda c, n: c.sendall(head(0, "302 Found", "Location: /data.csv\r\n")))
    with pytest.raises(web.DownloadError, match="from address to address"):
        web.save(url, tmp_path / "a")
    with pytest.raises(web.DownloadError, match="ftp is no protocol"):
        web.save("ftp://example.org/a", tmp_path / "a")


def entry(url, *others, content=CSV):
    return parse_dataset(
        "toy",
        {
            "source": {"url": url},
            "fallbacks": [{"url": other} for other in others],
            "sha256": {"data": digest(content)},
            **{"format": "csv", "target": "y", "modality": "tabular", "licence": "-", "why": "-"},
        },
    )


def test_what_was_there_is_kept_and_a_fallback_is_asked(raw, server, tmp_path):
    server.pages["/good.csv"] = CSV
    bad = raw(lambda c, n: c.sendall(head(0, "404 Not Found")))
    fetch("toy", entry(bad, f"{server.address}/good.csv"), tmp_path / "out")
    assert (tmp_path / "out/data.csv").read_bytes() == CSV
    with pytest.raises(StudyError, match=r"toy: could not be fetched .*answered 404 Not Found"):
        fetch("toy", entry(bad, content=b"new"), tmp_path / "out")
    assert (tmp_path / "out/data.csv").read_bytes() == CSV


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html>sign in</html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer.*git lfs pull"),
        (b"x,y\n3,a\n", "wrong checksum"),
    ],
)
def test_other_content_is_named_and_not_kept(server, tmp_path, content, said):
    server.pages["/a.csv"] = content
    with pytest.raises(StudyError, match=f"(?s){said}.*Nothing was kept"):
        fetch("toy", entry(f"{server.address}/a.csv"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_progress_is_shown_of_what_lasts(raw, tmp_path, capsys):
    def lasting(connection, n):
        connection.sendall(head(len(CSV)) + CSV[:300])
        time.sleep(0.3)
        connection.sendall(CSV[300:])

    web.save(raw(whole), tmp_path / "a")
    assert capsys.readouterr().err == ""
    import tqdm

    class Hasty(tqdm.tqdm):
        def __init__(self, **given):
            assert given.pop("delay") == 2
            super().__init__(delay=0.1, mininterval=0, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tqdm, "tqdm", Hasty)
        patch.setattr(web, "PIECE", 100)
        web.save(raw(lasting), tmp_path / "a")
    assert "/600" in capsys.readouterr().err
