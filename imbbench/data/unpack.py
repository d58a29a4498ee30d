"""Archives: members are read as data, within limits, and nothing is written where they say."""

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from contextlib import contextmanager, nullcontext

from imbbench.data.web import LIMIT
from imbbench.errors import StudyError

MEMBERS = 100_000  # of one archive
PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
FOREIGN = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a": "RAR",
    b"\x1f\x9d": "compress (.Z)",
}
DAMAGED = (
    EOFError,
    LookupError,
    OverflowError,
    ValueError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_member(archive, member):
    """The content of one member of an archive.

    Parameters
    ----------
    archive : path or BytesIO
        A zip file (a wheel is one) or a tar file, compressed or not.
    member : str
        Of ``inner!member`` the member of the inner archive. With a ``*``, which stands for any name
        of a file or folder: the files that fit, joined in the order of their names, one a line.

    Raises
    ------
    StudyError
        If there is no such file, or it is a link or device, lies outside the archive's folder, is
        encrypted, damaged, or larger than :data:`~imbbench.data.web.LIMIT`.
    """
    for name in member.split("!"):
        with _opened(archive) as opened:
            if opened is None:
                raise StudyError(
                    f"{member} is to be read from what is no zip or tar archive; correct files in "
                    "params.yaml"
                )
            found = _matching(_entries(opened), name)
            if not found:
                raise StudyError(f"the archive has no file {member}; correct files in params.yaml")
            contents, size = {}, 0
            for each, entry in found.items():  # as they lie in it: going back is slow
                if problem := _problem(entry):
                    raise StudyError(f"the archive's {each} {problem}; it is not read")
                contents[each] = _content(opened, entry)
                size += len(contents[each])
                if size > LIMIT:
                    raise _too_large(f"what {member} joins")
            content = contents[name] if name in contents else _joined(contents)
        archive = io.BytesIO(content)
    return content


def _matching(entries, name):
    """The entry of that name, or of a pattern all files that fit."""
    if "*" not in name:
        return {name: entries[name]} if name in entries else {}
    fits = re.compile("[^/]*".join(map(re.escape, name.split("*"))))
    return {n: e for n, e in entries.items() if fits.fullmatch(n) and not _is_folder(e)}


def _is_folder(entry):
    return entry.is_dir() if isinstance(entry, zipfile.ZipInfo) else entry.isdir()


def _joined(contents):
    lines = {name: contents[name].strip() for name in sorted(contents)}
    long = next((name for name, line in lines.items() if len(line.splitlines()) != 1), None)
    if long:
        raise StudyError(f"the archive's {long} has not one line, as every file that a * joins has")
    return b"".join(line + b"\n" for line in lines.values())


def members(archive):
    """The names of the files in an archive, a path or BytesIO; None if it is no archive."""
    with _opened(archive) as opened:
        if opened is None:
            return None
        return [name for name, entry in _entries(opened).items() if not _problem(entry)]


@contextmanager
def _opened(archive):
    """The open archive, or None; whatever goes wrong with it is one error in words."""
    memory = isinstance(archive, io.BytesIO)
    with nullcontext(archive) if memory else open(archive, "rb") as stream:
        try:
            yield _open(stream)
        except (RuntimeError, NotImplementedError) as error:  # zipfile's, of its features
            what = "is encrypted" if "encrypted" in str(error) else f"cannot be read: {error}"
            raise StudyError(
                f"the archive {what}; unpack it yourself and use the file in it"
            ) from None
        except (*DAMAGED, OSError) as error:
            if getattr(error, "errno", None):  # of the disk
                raise
            raise StudyError(
                f"the archive is damaged ({error or 'it ends too early'}); get it again"
            ) from None


def _open(stream):
    if stream.seek(0, io.SEEK_END) > LIMIT:
        raise _too_large("the archive")
    stream.seek(0)
    start = stream.read(8)
    for magic, kind in FOREIGN.items():
        if start.startswith(magic):
            raise StudyError(
                f"{kind} is not read; unpack it, or pack it again as zip, gz, bz2 or xz"
            )
    if zipfile.is_zipfile(stream):
        return zipfile.ZipFile(stream)
    stream.seek(0)
    unpack = next((u for magic, u in PACKED.items() if start.startswith(magic)), None)
    content = _Limited(unpack(stream) if unpack else stream)
    try:
        return tarfile.open(fileobj=content, mode="r:")
    except (*DAMAGED, OSError):  # a compressed file of another kind, whole or not
        return None


class _Limited:
    """What tarfile needs of a stream, which may unpack to any size."""

    def __init__(self, stream):
        self._stream = stream
        self.tell = stream.tell

    def read(self, size):
        if self.tell() + size > LIMIT:
            size = LIMIT - self.tell() + 1
        content = self._stream.read(size)
        if self.tell() > LIMIT:
            raise _too_large("the unpacked archive")
        return content

    def seek(self, position):
        if position > LIMIT:
            raise _too_large("the unpacked archive")
        return self._stream.seek(position)


def _entries(opened):
    """Name -> entry; of two with one name the last, as when both are unpacked."""
    found = {}
    entries = opened.infolist() if isinstance(opened, zipfile.ZipFile) else opened
    for n, entry in enumerate(entries):
        if n == MEMBERS:
            raise StudyError(f"the archive has more than {MEMBERS} members; it is not read")
        found[entry.filename if isinstance(entry, zipfile.ZipInfo) else entry.name] = entry
    return found


def _problem(entry):
    """Why a member is not read, or None."""
    if isinstance(entry, zipfile.ZipInfo):
        kind, name = stat.S_IFMT(entry.external_attr >> 16), entry.filename
        is_file, is_link = kind in (0, stat.S_IFREG) and not entry.is_dir(), stat.S_ISLNK(kind)
        size = entry.file_size
    else:
        is_file, is_link, name = entry.isreg(), entry.issym() or entry.islnk(), entry.name
        size = entry.size
    if not is_file:
        return "is a link" if is_link else "is no file"
    if re.match(r"[/\\]|[A-Za-z]:[/\\]", name) or ".." in re.split(r"[/\\]", name):
        return "has a path that leads out of the archive's folder"
    return f"is larger than {LIMIT / 2**20:g} MB" if size > LIMIT else None


def _content(opened, entry):
    if isinstance(opened, zipfile.ZipFile):
        with opened.open(entry) as file:
            content = file.read(LIMIT + 1)
    else:
        content = opened.extractfile(entry).read()
    if len(content) != (entry.file_size if isinstance(entry, zipfile.ZipInfo) else entry.size):
        raise EOFError
    return content


def _too_large(what):
    return StudyError(
        f"{what} is larger than {LIMIT / 2**20:g} MB; unpack it yourself and add the file"
    )
