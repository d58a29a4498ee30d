"""Archives of every sort of badness: one message each, and nothing is written or unpacked far."""

import gzip
import io
import random
import re
import tarfile
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from served import files, tarred, zipped

from imbbench.data import unpack
from imbbench.data.unpack import members, read_member
from imbbench.errors import StudyError

ROWS = "".join(f"{i},{random.Random(i).random()}\n" for i in range(2000)).encode()


def refused(content, problem, member="a.csv"):
    with pytest.raises(StudyError, match=problem):
        read_member(io.BytesIO(content), member)


@pytest.mark.parametrize("make", [zipped, tarred])
def test_members_of_archives_inside_archives(make, tmp_path):
    inner = make({"inner/texts.txt": b"deep"})
    path = tmp_path / "archive"
    path.write_bytes(tarred({"a.txt": b"plain", "more/inner": inner}))
    assert read_member(path, "a.txt") == b"plain"
    assert read_member(path, "more/inner!inner/texts.txt") == b"deep"
    with pytest.raises(StudyError, match=r"a\.txt!b\.txt .* from what is no zip or tar archive"):
        read_member(path, "a.txt!b.txt")
    for member in ("b.txt", "more/inner!b.txt"):
        with pytest.raises(StudyError, match=f"the archive has no file {member}; correct"):
            read_member(io.BytesIO(path.read_bytes()), member)


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_star_joins_the_files_that_fit_in_the_order_of_their_names(make):
    lines = {"d/b/2.json": b"{2}\n", "d/a/3.json": b" {3} ", "d/a/10.json": b"{10}\r\n"}
    others = {"d/a/3.txt": b"no", "d/x.json": b"no", "e/a/1.json": b"no", "d/a/b/1.json": b"no"}
    content = make({**lines, **others, "d/*.csv": b"two\nlines"})
    read = read_member(io.BytesIO(content), "d/*/*.json")
    assert read == b"{10}\n{3}\n{2}\n"
    assert read_member(io.BytesIO(content), "d/*.csv") == b"two\nlines"  # which has that name
    refused(content, r"the archive has no file d/\*\.tsv", "d/*.tsv")
    for bad in (b"{1}\n{2}", b" \n"):
        refused(make({"d/1": b"{1}", "d/2": bad}), "the archive's d/2 has not one line", "d/*")


def test_a_star_fits_no_folder_and_no_link_and_has_a_limit(monkeypatch):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder, link = tarfile.TarInfo("d/b"), tarfile.TarInfo("d/c")
        folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.SYMTYPE, "d/a"
        for name in ("d/a", "d/z"):
            entry = tarfile.TarInfo(name)
            entry.size = 9
            archive.addfile(entry, io.BytesIO(b"123456789"))
        archive.addfile(folder)
    content = buffer.getvalue()
    assert read_member(io.BytesIO(content), "d/*") == b"123456789\n" * 2
    buffer.seek(0)
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        archive.addfile(link)
    refused(buffer.getvalue(), "the archive's d/c is a link", "d/*")
    with zipfile.ZipFile(packed := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("d/a", b"1" * 600)
        archive.writestr("d/z", b"2" * 600)
    monkeypatch.setattr(unpack, "LIMIT", 1000)
    refused(packed.getvalue(), r"what d/\* joins is larger", "d/*")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_inside_an_archive_is_not_followed(kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("target"))
        link = tarfile.TarInfo("a.csv")
        link.type, link.linkname = kind, "target"
        archive.addfile(link)
    assert read_member(buffer, "target") == b""
    with pytest.raises(StudyError, match=r"the archive's a\.csv is a link"):
        read_member(buffer, "a.csv")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_are_not_read(kind):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        device = tarfile.TarInfo("a.csv")
        device.type, device.devmajor, device.devminor = kind, 1, 5
        archive.addfile(device)
        archive.addfile(tarfile.TarInfo("b.csv"))
    refused(buffer.getvalue(), "a.csv is no file; it is not read")
    assert members(buffer) == ["b.csv"]


def test_links_and_folders_in_zips():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.mkdir("folder")
        archive.writestr("b.csv", "")
    refused(buffer.getvalue(), "a.csv is a link; it is not read")
    refused(buffer.getvalue(), "folder/ is no file; it is not read", "folder/")
    assert members(buffer) == ["b.csv"]


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize(
    "name",
    ["/etc/a.csv", "../a.csv", "x/../../a.csv", "x/..", "\\\\host\\a", "C:\\a.csv", "..\\a.csv"],
)
def test_paths_out_of_the_folder(make, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = make({name: b"evil", "b..csv": b"fine"})
    # zipfile makes some of these names harmless by itself: then there is no such file.
    refused(content, "leads out of the archive's folder; it is not read|has no file", name)
    assert members(io.BytesIO(content)) == ["b..csv"]
    assert not files(tmp_path)


def bombs(size):
    nothing = bytes(size)
    yield "is larger than", zipped({"a.csv": nothing}, zipfile.ZIP_DEFLATED)
    yield "is larger than", tarred({"a.csv": nothing})
    yield "is larger than", tarred({"other": nothing, "a.csv": b""})
    parts = {f"part{i}": nothing[: size // 4] for i in range(4)}
    for mode in ("w:gz", "w:bz2", "w:xz"):
        yield "the unpacked archive is larger", tarred(parts | {"a.csv": b""}, mode)
    name = tarfile.TarInfo("a.csv")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, size
    header = name.tobuf(tarfile.GNU_FORMAT)
    yield "the unpacked archive is larger", gzip.compress(header + nothing)
    yield "is larger than", zipped({"inner": tarred({"a.csv": nothing})})


def test_bombs(monkeypatch):
    monkeypatch.setattr(unpack, "LIMIT", 10**6)
    for problem, bomb in bombs(3 * 10**6):
        assert len(bomb) < 50_000
        member = "inner!a.csv" if b"inner" in bomb[:50] else "a.csv"
        refused(bomb, problem, member)
    for make in (lambda rows: zipped(rows, zipfile.ZIP_DEFLATED), tarred):
        assert len(read_member(io.BytesIO(make({"a.csv": bytes(900_000)})), "a.csv")) == 900_000


def test_archives_that_are_large_themselves_or_have_many_members(monkeypatch):
    monkeypatch.setattr(unpack, "LIMIT", 10_000)
    refused(zipped({"a.csv": b"1", "b": bytes(10_000)}), "the archive is larger than")
    monkeypatch.setattr(unpack, "MEMBERS", 5)
    for make in (zipped, tarred):
        names = [*"bcde", "a.csv", "f"]
        assert read_member(io.BytesIO(make(dict.fromkeys(names[:5], b"1"))), "a.csv") == b"1"
        refused(make(dict.fromkeys(names, b"1")), "more than 5 members")


def lying(real, said):
    """A zip whose two headers say another size than the member has."""
    content = zipped({"a.csv": bytes(real)}, zipfile.ZIP_DEFLATED)
    return content.replace(real.to_bytes(4, "little"), said.to_bytes(4, "little"))


@pytest.mark.parametrize("said", [0, 100, 2_000_000, 2**31])
def test_zips_with_lying_sizes(said, monkeypatch):
    monkeypatch.setattr(unpack, "LIMIT", 3_000_000)
    refused(lying(1_234_567, said), "is damaged|is larger than")


def test_an_encrypted_zip_and_an_unknown_compression():
    content = bytearray(zipped({"a.csv": ROWS}))
    central = content.index(b"PK\x01\x02")
    content[6] |= 1
    content[central + 8] |= 1
    refused(bytes(content), "the archive is encrypted; unpack it yourself")
    content = bytearray(zipped({"a.csv": ROWS}))
    content[8] = content[central + 10] = 97
    refused(bytes(content), "cannot be read: .*compression")
    for magic, name in unpack.FOREIGN.items():
        refused(magic + bytes(600), re.escape(f"{name} is not read; unpack it"))
        with pytest.raises(StudyError, match="is not read; unpack it"):
            members(io.BytesIO(magic + bytes(600)))


def test_what_is_no_archive():
    for content in (b"", b"a,y\n", gzip.compress(b"a,y\n"), gzip.compress(ROWS)[:50], b"BZh9"):
        assert members(io.BytesIO(content)) is None
        refused(content, "from what is no zip or tar archive")


SOUND = {
    "zip": zipped({"a.csv": ROWS, "b.csv": b"1"}, zipfile.ZIP_DEFLATED),
    "tar": tarred({"a.csv": ROWS, "b.csv": b"1"}, "w"),
    "gz": tarred({"a.csv": ROWS, "b.csv": b"1"}),
    "bz2": tarred({"a.csv": ROWS, "b.csv": b"1"}, "w:bz2"),
    "xz": tarred({"a.csv": ROWS, "b.csv": b"1"}, "w:xz"),
}


@pytest.mark.parametrize("kind", SOUND)
def test_truncated_archives(kind):
    content = SOUND[kind]
    assert read_member(io.BytesIO(content), "a.csv") == ROWS
    refused(content[: len(ROWS) // 4], "the archive is damaged|is no zip or tar")


@pytest.mark.parametrize("kind", sorted({*SOUND} - {"tar"}))
def test_archives_with_another_middle(kind):
    content, middle = SOUND[kind], len(SOUND[kind]) // 2
    spoilt = bytes(255 - byte for byte in content[middle : middle + 100])
    refused(
        content[:middle] + spoilt + content[middle + 100 :],
        "the archive is damaged|is no zip or tar",
    )


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(SOUND)), st.data())
def test_a_damaged_archive_is_read_rightly_or_refused(kind, data):
    content = bytearray(SOUND[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(1, len(content)))])
    for look in (members, lambda archive: read_member(archive, "a.csv")):
        try:
            look(io.BytesIO(content))
        except StudyError as error:
            assert str(error)
