"""Archives and checksums for a package index that tests serve."""

import hashlib
import io
import tarfile
import zipfile
from pathlib import Path


def files(folder):
    """Files in a folder; locks, which stay, hold nothing."""
    found = (p for p in Path(folder).rglob("*") if p.is_file() and p.suffix != ".lock")
    return {p.relative_to(folder).as_posix() for p in found}


def digest(content):
    return hashlib.sha256(content).hexdigest()


def zipped(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(members, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()
