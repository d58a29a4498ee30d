"""Adding the user's own data set: check the file, write its entry into ``params.yaml``."""

import io
import re
import shutil
import unicodedata
from pathlib import Path

from ruamel.yaml import YAML

from imbbench.data.archives import sha256
from imbbench.data.datasets import about, parse_dataset
from imbbench.data.prepare import clean, number, read
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
    name, suffix = name or _name_of(file), file.suffix.lower()
    if not file.is_file():
        raise StudyError(f"data set {name}: there is no file {file}")
    if suffix not in FORMATS:
        raise StudyError(
            f"data set {name}: {file.name} is none of {', '.join(FORMATS)}; convert it to one"
        )
    folder, here = params.resolve().parent, file.resolve()
    inside = here.is_relative_to(folder)
    path = here.relative_to(folder) if inside else Path("data/local") / f"{name}{suffix}"
    source = {"path": path.as_posix()}
    digest = {"data": sha256(file.read_bytes())}
    document = params.read_text("utf-8")
    taken = _entry_of(document, name)
    if taken is None:
        entry = {
            "source": source,
            "sha256": digest,
            "format": FORMATS[suffix],
            "target": target,
            "modality": "text" if text else "tabular",
            "licence": licence or "not stated",
            "why": why or "added by hand",
        }
        notes = _complete(name, file, entry, text)
        document = _inserted(document, name, entry)
    elif (taken.get("source"), taken.get("target")) == (source, target):
        # The entry's other keys may have been edited; only the checksum is renewed.
        document = document.replace(taken["sha256"]["data"], digest["data"])
        entry, notes = {**taken, "sha256": digest}, [f"{name} is there; its checksum is renewed"]
    else:
        raise StudyError(
            f"data set {name}: the name is taken in {params.name}; choose another with --name"
        )
    dataset = parse_dataset(name, entry)
    with about(name):
        clean(dataset, {"data": file}, folds)

    if not inside:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if (folder / path).resolve() != here:
            shutil.copyfile(file, folder / path)
        notes.append(f"copied to {source['path']}, since it lies outside the project")
    write_whole(params, document)
    for note in notes:
        print(f"note: {note}")
    print(f"{name}: {entry['modality']} data set in {params.name}; run it with: dvc repro")
    return name


def _entry_of(document, name):
    study = YAML(typ="safe").load(document) or {}
    groups = map(study.get, ("datasets", "web_datasets", "benchmark_datasets"))
    return next((group[name] for group in groups if group and name in group), None)


def _name_of(file):
    plain = unicodedata.normalize("NFKD", file.name.split(".")[0]).encode("ascii", "ignore")
    stem = re.sub(r"[^a-z0-9]+", "_", plain.decode().lower()).strip("_")
    return stem if stem[:1].isalpha() else f"data_{stem}".rstrip("_")


def _complete(name, file, entry, text):
    """Add to the entry what the file shows; notes to the user on what was decided."""
    notes, target = [], entry["target"]
    if text:
        entry["text"] = text
    if entry["format"] == "csv" and target not in _header(file, ","):
        found = [s for s in ";\t|" if target in _header(file, s)]
        entry |= {"separator": found[0]} if found else {}
    dataset = parse_dataset(name, entry)
    with about(name):
        frame, nominal, _ = read(dataset, {"data": file})
    features = [c for c in frame if c != target]
    if text:
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
    for key, value in entry.items():
        if isinstance(value, dict | list):
            entry[key] = yaml.map(**value) if isinstance(value, dict) else yaml.seq(value)
            entry[key].fa.set_flow_style()
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
