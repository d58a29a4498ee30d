"""Adding the user's own data set: check the file, write its entry into ``params.yaml``."""

import io
import re
import shutil
import unicodedata
from pathlib import Path

from ruamel.yaml import YAML

from imbbench.data.archives import sha256
from imbbench.data.datasets import parse_dataset
from imbbench.data.prepare import canonical_columns, check_labels, identical_rows, number
from imbbench.data.readers import read_table
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

FORMATS = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".arff": "arff", ".dat": "keel"}
# Spellings that are looked for in columns that are numbers otherwise.
MISSING = ("?", "-", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "none", ".")
LONG_TEXT = 4  # words a value, on average, from which a column looks like free text


def add_dataset(file, target, name=None, params=None, text=None, licence=None, why=None, folds=5):
    """Check a file and add it to the study as a data set.

    A file inside the project is referred to where it is; any other is copied into ``data/local``.
    Only the new entry is inserted into ``params.yaml``. Adding a changed file under its old name
    renews the checksum of its entry.

    Parameters
    ----------
    file : path
        A CSV, TSV, Parquet, ARFF or KEEL (``.dat``) file.
    target : str
        The column of the labels.
    name : str or None
        Of the data set; by default made of the file's name.
    params : path or None
        ``params.yaml`` of the project, by default the nearest upwards; its folder is the root.
    text : str or None
        The column of texts. Without it, a single feature that looks like free text is one.
    licence, why : str or None
        Words for the data set's card.
    folds : int
        Every class needs as many rows.

    Returns
    -------
    str
        The data set's name.

    Raises
    ------
    StudyError
        If the file cannot be studied as it is, or the name is taken. Nothing is changed then.
    """
    file, params = Path(file), Path(params or root() / "params.yaml")
    name = name or _name_of(file)
    if not file.is_file():
        raise StudyError(f"data set {name}: there is no file {file}")
    if file.suffix.lower() not in FORMATS:
        raise StudyError(
            f"data set {name}: {file.name} is none of {', '.join(FORMATS)}; convert it to one"
        )
    folder = params.resolve().parent
    inside = file.resolve().is_relative_to(folder)
    place = Path("data/local") / f"{name}{file.suffix.lower()}"
    path = file.resolve().relative_to(folder) if inside else place
    digest = {"data": sha256(file.read_bytes())}
    document = params.read_text("utf-8")
    study = YAML(typ="safe").load(document) or {}
    groups = ("datasets", "web_datasets", "benchmark_datasets")
    taken = next((g[name] for g in map(study.get, groups) if g and name in g), None)
    if taken is None:
        entry = {
            "source": {"path": path.as_posix()},
            "sha256": digest,
            "format": FORMATS[file.suffix.lower()],
            "target": target,
            "modality": "text" if text else "tabular",
            "licence": licence or "not stated",
            "why": why or "added by hand",
        }
        notes = _complete(name, file, entry, text)
        document = _inserted(document, name, entry)
    elif (taken.get("source"), taken.get("target")) == ({"path": path.as_posix()}, target):
        # The entry's other keys may have been edited; only the checksum is renewed.
        document = document.replace(taken["sha256"]["data"], digest["data"])
        entry, notes = {**taken, "sha256": digest}, [f"{name} is there; its checksum is renewed"]
    else:
        raise StudyError(
            f"data set {name}: the name is taken in {params.name}; choose another with --name"
        )
    dataset = parse_dataset(name, entry)
    frame, nominal = read_table(name, file, dataset)
    columns, _, labels = canonical_columns(name, dataset, frame, nominal)
    check_labels(name, labels, identical_rows(columns), folds=folds)

    if not inside:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        if file.resolve() != (folder / place).resolve():
            shutil.copyfile(file, folder / place)
        notes.append(f"copied to {place.as_posix()}, since it lies outside the project")
    write_whole(params, document)
    for note in notes:
        print(f"note: {note}")
    print(f"{name}: {entry['modality']} data set in {params.name}; run it with: dvc repro")
    return name


def _name_of(file):
    plain = unicodedata.normalize("NFKD", file.name.split(".")[0]).encode("ascii", "ignore")
    stem = re.sub(r"[^a-z0-9]+", "_", plain.decode().lower()).strip("_")
    return stem if stem[:1].isalpha() else f"data_{stem}".rstrip("_")


def _complete(name, file, entry, text):
    """Add to the entry what the file shows; notes to the user on what was decided."""
    notes = []
    target = entry["target"]
    if entry["format"] == "csv" and target not in _header(file, ","):
        found = [s for s in ";\t|" if target in _header(file, s)]
        entry |= {"separator": found[0]} if found else {}
    frame, nominal = read_table(name, file, parse_dataset(name, {**entry, "modality": "tabular"}))
    for column in filter(None, (target, text)):
        if column not in frame:
            raise StudyError(
                f"data set {name}: there is no column {column!r}; the file has "
                f"{', '.join(frame.columns)}"
            )
    features = [c for c in frame if c != target]
    if text:
        entry["text"] = text
        if others := [c for c in features if c != text]:
            entry["drop"] = others
            notes.append(f"left out, as only {text} is used: {', '.join(others)}")
        return notes
    if len(features) == 1 and _looks_like_text(frame[features[0]]):
        entry |= {"modality": "text", "text": features[0]}
        return [f"{features[0]} looks like free text, so this is a text data set"]
    missing = sorted({v for c in features for v in _stand_ins(frame[c], c in (nominal or ()))})
    if missing:
        entry["missing"] = missing
        notes.append(f"taken for missing values: {', '.join(missing)}")
    notes += [
        f"{column} looks like free text but counts as a category; add the file with --text "
        f"{column} to classify those texts, or list {column} under drop in params.yaml"
        for column in features
        if _looks_like_text(frame[column])
    ]
    return notes


def _header(file, separator):
    line = file.read_bytes().split(b"\n", 1)[0].decode("utf-8-sig", "replace")
    return [column.strip().strip('"') for column in line.split(separator)]


def _looks_like_text(values):
    words = [len(value.split()) for value in values]
    distinct = len(set(values)) / len(values)
    return distinct > 0.5 and sum(words) / len(words) >= LONG_TEXT


def _stand_ins(values, is_nominal):
    """Spellings of a missing value in a column that is numbers otherwise."""
    words = {v for v in values if v and number(v) is None}
    has_numbers = any(number(v) is not None for v in values)
    return words if has_numbers and not is_nominal and words <= set(MISSING) else set()


def _inserted(document, name, entry):
    """The text of params.yaml with one more entry at the end of ``datasets``; nothing else moves.

    ruamel.yaml says where things are and writes the entry; the file's own lines stay as they are.
    """
    yaml = YAML()
    yaml.width = 4096
    study = yaml.load(document)
    lines = document.splitlines(keepends=True)
    if study is None or "datasets" not in study or not study["datasets"]:
        raise StudyError("params.yaml has no data sets to add to; it needs `datasets:` with one")
    sets = study["datasets"]
    if sets.fa.flow_style():
        raise StudyError("params.yaml writes datasets in braces; write one entry a line instead")
    indent = sets.lc.key(next(iter(sets)))[1]
    start = study.lc.key("datasets")[0]
    end = min((study.lc.key(k)[0] for k in study if study.lc.key(k)[0] > start), default=len(lines))
    while end > start and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    entry = yaml.map(**entry)
    for value in ("source", "sha256"):
        entry[value] = yaml.map(**entry[value])
        entry[value].fa.set_flow_style()
    for value in ("missing", "drop"):
        if value in entry:
            entry[value] = yaml.seq(entry[value])
            entry[value].fa.set_flow_style()
    block = io.StringIO()
    yaml.dump({name: entry}, block)
    new = [" " * indent + line for line in block.getvalue().splitlines(keepends=True)]
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    # Entries are set apart where the file does so.
    new = ["\n", *new] if "\n" in lines[start:end] else new
    document = "".join(lines[:end] + new + lines[end:])
    safe = YAML(typ="safe")
    before, after = safe.load("".join(lines)), safe.load(document)
    if after["datasets"].pop(name, None) is None or after != before:
        raise StudyError("params.yaml could not be edited safely; add the entry by hand")
    return document
