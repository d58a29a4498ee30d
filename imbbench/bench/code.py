"""The code that a fitted cell depends on: one list, for the stages and the memo alike."""

import functools
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SHARED = [
    *("bench", "config.py", "data/archives.py", "data/contents.py", "data/web.py", "errors.py"),
    *("data/unpack.py", "files.py", "paths.py"),
]
LIBRARIES = ["numpy", "scipy", "scikit-learn", "imbalanced-learn", "torch", "transformers"]


def code_of(*families):
    """Files and folders of the package that a cell of these families is made with.

    Returns
    -------
    list of str
        Relative to the package's folder.
    """
    return [*SHARED, *(f"strategies/{family}" for family in families)]


@functools.cache
def code_hash(*families):
    """Checksum of that code and of the library versions that decide digits."""
    parts = [library(name) for name in LIBRARIES]
    for place in map(PACKAGE.joinpath, code_of(*families)):
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            parts += [file.relative_to(PACKAGE).as_posix(), file.read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def library(name):
    """Name and version of a library, without what its build is called."""
    if name == "xgboost":  # two packages bring it
        try:
            return f"xgboost {version('xgboost-cpu')}"
        except PackageNotFoundError:
            pass
    return f"{name} {version(name).partition('+')[0]}"
