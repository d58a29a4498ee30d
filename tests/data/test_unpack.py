"""Archives of every sort of badness: one message each, and nothing is written or unpacked far."""

import io
import tarfile

import pytest
from served import tarred, zipped

from imbbench.data.unpack import read_member
from imbbench.errors import StudyError


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
