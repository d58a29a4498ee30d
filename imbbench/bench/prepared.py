"""A prepared data set and its splits, kept in memory as long as the file stays the same."""

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from imbbench.bench import protocol
from imbbench.errors import StudyError
from imbbench.paths import root


@dataclass(frozen=True)
class Prepared:
    """A prepared data set.

    Attributes
    ----------
    X : DataFrame or Series
        Rows of features: numeric columns float64 (NaN for missing), categorical ones object (None
        for missing). For modality ``text`` a Series of str.
    y : ndarray of int64
        Class codes: positions in ``schema["classes"]``; 0 is the largest class.
    groups : ndarray of int64
        Equal for rows whose features are identical.
    part : ndarray of str or None
        ``train`` or ``test`` where the set brings its own test set.
    schema : dict
        What ``schema.json`` holds.
    words : int
        Words of all texts, between white space; 0 without texts.
    """

    X: pd.DataFrame | pd.Series
    y: np.ndarray
    groups: np.ndarray
    part: np.ndarray | None
    schema: dict

    @functools.cached_property
    def words(self):
        return int(self.X.str.split().str.len().sum()) if self.schema["text"] else 0


def load_prepared(folder):
    """Load what :func:`imbbench.data.prepare.prepare` wrote.

    Parameters
    ----------
    folder : path
        Holds ``data.csv`` and ``schema.json``.

    Returns
    -------
    Prepared
    """
    folder = Path(folder)
    if not (folder / "schema.json").is_file():
        raise StudyError(f"data set {folder.name}: not prepared; run `dvc repro prepare`")
    schema = json.loads((folder / "schema.json").read_text("utf-8"))
    nominal = schema["categorical"] + ([schema["text"]] if schema["text"] else [])
    frame = pd.read_csv(
        folder / "data.csv",
        dtype={**dict.fromkeys(schema["numeric"], "float64"), **dict.fromkeys(nominal, object)}
        | {"_label": object, "_part": object, "_group": "int64"},
        keep_default_na=False,
        na_values={column: [""] for column in schema["numeric"]},
        encoding="utf-8",
        lineterminator="\n",
    )
    codes = {label: code for code, label in enumerate(schema["classes"])}
    y = frame["_label"].map(codes).to_numpy("int64")
    part = frame["_part"].to_numpy(object) if schema["own_test"] else None
    groups = frame["_group"].to_numpy("int64")
    if schema["text"]:
        X = frame[schema["text"]]
    else:
        X = frame.drop(columns=[c for c in ("_label", "_group", "_part") if c in frame])
        for column in schema["categorical"]:
            X[column] = X[column].where(X[column] != "", None)
    return Prepared(X, y, groups, part, schema)


def folder_of(dataset):
    return root() / "data" / "prepared" / dataset


def content_of(dataset):
    """Checksum of the prepared data."""
    files = (folder_of(dataset) / name for name in ("data.csv", "schema.json"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def data_of(dataset, protocol_):
    """The prepared data and its splits, read again when the file has changed."""
    path = folder_of(dataset) / "data.csv"
    return _cached_data(dataset, protocol_, path.stat().st_mtime_ns if path.is_file() else None)


@functools.lru_cache(maxsize=4)
def _cached_data(dataset, protocol_, stamp):
    folder = folder_of(dataset)
    if stamp is None:
        raise StudyError(
            f"Data set '{dataset}' is not prepared ({folder} is missing): "
            f"run `dvc repro prepare@{dataset}` first."
        )
    prepared = load_prepared(folder)
    cuts = protocol.splits(
        prepared.y,
        prepared.groups,
        prepared.part,
        dataset,
        protocol_,
        prepared.schema.get("long_tail"),
    )
    return prepared, cuts
