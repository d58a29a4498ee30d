"""Writing files, and reading the tables that were written."""

import gzip
import hashlib
import os
import platform
import uuid
import zlib
from contextlib import suppress
from pathlib import Path

import psutil

from imbbench.paths import root

MOST_CACHED = 2**31  # bytes of one folder of the cache
PART = ".part-"  # begins the names of files that are being written; DVC ignores them
_HERE = hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def write_whole(path, content):
    """Create or replace a file, so that it is there whole or not at all.

    Parameters
    ----------
    path : path-like
        Folders above it are made.
    content : bytes, str or callable
        Text is written as UTF-8 with its line ends as they are; a callable gets the path of a
        temporary file in the same folder and writes it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_parts(path.parent)
    part = str(path.with_name(f"{PART}{_HERE}-{os.getpid()}-{uuid.uuid4().hex}{path.suffix}"))
    # Not by tempfile, which hides it from others: who may read it is the umask's to say.
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        if callable(content):
            content(part)
        else:
            Path(part).write_bytes(content.encode() if isinstance(content, str) else content)
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)


def _clear_parts(folder):
    """Remove what processes of this machine that were killed have left behind."""
    for part in folder.glob(f"{PART}{_HERE}-*"):
        pid = part.name.removeprefix(f"{PART}{_HERE}-").partition("-")[0]
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            part.unlink(missing_ok=True)


def write_table(table, path):
    """Write a table as CSV, whole or not at all: the same text on every system.

    Parameters
    ----------
    table : DataFrame
        Without its index.
    path : path-like
        Relative to the study's folder, or absolute; compressed if it ends in ``.gz``, to the same
        bytes wherever the compression is the same.
    """
    content = table.to_csv(index=False, lineterminator="\n").encode()
    if Path(path).suffix == ".gz":
        # Not by pandas, which writes the name of the temporary file into the compressed one; and
        # the tenth byte says on what system it was, if anything.
        packed = gzip.compress(content, mtime=0)
        content = packed[:9] + b"\xff" + packed[10:]
    write_whole(root() / path, content)


def read_table(path, **settings):
    """Read what :func:`write_table` wrote.

    Parameters
    ----------
    path : path-like
    **settings
        Of :func:`pandas.read_csv`.

    Returns
    -------
    DataFrame
        Without columns where the file has none.

    Raises
    ------
    ValueError
        The file is damaged.
    """
    import pandas as pd

    try:
        if not Path(path).stat().st_size:
            raise ValueError("it is empty")
        return pd.read_csv(path, **settings)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(str(error)) from error


def remember(path, content):
    """Write bytes into a folder of the cache with their checksum, for :func:`recall`.

    Those that were not used for longest go when the folder holds more than two gigabytes. A cache
    that cannot be written is no cache: nothing is said.
    """
    with suppress(OSError):
        write_whole(path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        found = [(file.stat(), file) for file in Path(path).parent.iterdir()]
        total = sum(state.st_size for state, _ in found)
        for state, file in sorted(found, key=lambda pair: pair[0].st_mtime_ns)[:-1]:
            if total <= MOST_CACHED:
                break
            file.unlink()
            total -= state.st_size


def recall(path):
    """What :func:`remember` wrote; None if it is missing, unreadable or damaged."""
    try:
        digest, _, content = Path(path).read_bytes().partition(b"\n")
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest().encode() != digest:
        return None
    with suppress(OSError):
        os.utime(path)
    return content
