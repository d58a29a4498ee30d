"""Adding the user's own data set: check the file, write its entry into ``params.yaml``."""

import csv
import io
import re
import shlex
import shutil
import unicodedata
from collections import Counter
from pathlib import Path

from ruamel.yaml import YAML

from imbbench.data.archives import sha256
from imbbench.data.contents import decoded
from imbbench.data.datasets import about, parse_dataset
from imbbench.data.notes import looks_like_text, notes, understood
from imbbench.data.prepare import MISSING, NO_LABEL, check_table, number, read, tabulate
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

FORMATS = {
    ".csv": "csv",
    ".txt": "csv",
    ".data": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arff": "arff",
    ".dat": "keel",
}
SEPARATORS = {"tab": "\t", "\\t": "\t"}
COMMA = re.compile(r"[+-]?\d*,\d+")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


def add_dataset(
    file,
    target,
    name=None,
    params=None,
    text=None,
    licence=None,
    why=None,
    folds=None,
    *,
    drop=(),
    categorical=(),
    missing=(),
    columns=(),
    separator=None,
    decimal=None,
    classes=(),
    positive=None,
    cut=(),
    dry_run=False,
):
    """Check a file and add it to the study as a data set.

    What was understood is printed first, with notes on what may be meant otherwise. A file inside
    the project is referred to where it is; any other is copied into ``data/local``. Only the new
    entry is inserted into ``params.yaml``. Adding a file again under its name renews the checksum
    of its entry and, where options are given, writes the entry anew with them.

    Parameters
    ----------
    file : path
        A CSV (``.csv``, ``.txt``, ``.data``), TSV, Parquet, ARFF or KEEL (``.dat``) file, all but
        Parquet also in ``.gz``.
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
    folds : int or None
        Every class needs as many rows; by default ``protocol.folds``.
    drop, categorical, columns : sequence of str
        As of :class:`imbbench.data.datasets.Dataset`.
    missing : sequence of str
        Spellings of a missing value, in every feature.
    separator, decimal : str or None
        By default those that fit the file.
    classes : sequence of (str, str)
        Label in the file and class name; other labels keep their name.
    positive : str or None
        The class to be told from all others.
    cut : sequence of float
        The highest value of each class but the last, where the target is a quantity.
    dry_run : bool
        Write nothing.

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
    suffixes = [suffix.lower() for suffix in file.suffixes]
    suffix = "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])
    kind = FORMATS.get(suffix.removesuffix(".gz"))
    name = name or _name_of(file)
    if not file.is_file():
        raise StudyError(f"data set {name}: there is no file {file}")
    if not kind:
        raise StudyError(
            f"data set {name}: {file.name} is none of {', '.join(FORMATS)}; convert it to one"
        )
    folder, here = params.resolve().parent, file.resolve()
    inside = here.is_relative_to(folder)
    path = here.relative_to(folder) if inside else Path("data/local") / f"{name}{suffix}"
    source = {"path": path.as_posix()}
    digest = {"data": sha256(file.read_bytes())}
    document = params.read_text("utf-8")
    study = YAML(typ="safe").load(document) or {}
    folds = folds or (study.get("protocol") or {}).get("folds", 5)
    groups = [study.get(key) or {} for key in ("datasets", "web_datasets", "benchmark_datasets")]
    taken = next((group[name] for group in groups if name in group), None)
    same = taken and (taken.get("source"), taken.get("target")) == (source, target)
    if taken and not (same and name in study["datasets"]):
        raise StudyError(
            f"data set {name}: the name is taken in {params.name}; choose another with --name"
        )
    options = {
        "text": text,
        "licence": licence,
        "why": why,
        "separator": SEPARATORS.get(separator, separator),
        "decimal": decimal,
        "columns": [*columns],
        "drop": [*drop],
        "categorical": [*categorical],
    }
    options = {key: value for key, value in options.items() if value}
    again = taken and not (options or missing or classes or positive or cut)
    entry = {
        "source": source,
        "sha256": digest,
        "format": kind,
        "target": target,
        "modality": "text" if text else "tabular",
        "licence": "not stated",
        "why": "added by hand",
    }
    entry |= (taken or {}) | {"sha256": digest} | options
    if text:
        entry["modality"] = "text"
    for key in {"drop", "categorical"} & options.keys() if taken else ():
        entry[key] = list(dict.fromkeys([*taken.get(key, []), *options[key]]))
    with about(name):
        said = [] if again else _complete_layout(file, entry)
        dataset = parse_dataset(name, entry)
        frame, nominal, part = read(dataset, {"data": file})
        if not again:
            said += _complete(dataset, entry, frame, nominal, missing)
            _name_classes(entry, Counter(frame[target]), classes, positive, cut)
            dataset = parse_dataset(name, entry)
            if dataset.text:  # whose blanks stay
                frame, nominal, part = read(dataset, {"data": file})
        table = tabulate(dataset, frame, nominal, part)
        print(f"{file.name}: {understood(dataset, frame, table)}")
        for note in [*said, *notes(dataset, frame, nominal, table)]:
            print(f"note: {note}")
        check_table(dataset, table, folds)
    if again:  # The entry's lines may have been edited; only the checksum is renewed.
        document = document.replace(taken["sha256"]["data"], digest["data"])
        print(f"note: {name} is there; its checksum is renewed")
    else:
        document = _written(document, name, entry)
    if dry_run:
        print("nothing is written (--dry-run)")
        return name
    if not inside:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if (folder / path).resolve() != here:
            shutil.copyfile(file, folder / path)
        print(f"note: copied to {source['path']}, since it lies outside the project")
    write_whole(params, document)
    print(f"{name}: {entry['modality']} data set in {params.name}; run it with: dvc repro")
    return name


def _name_of(file):
    plain = unicodedata.normalize("NFKD", file.name.split(".")[0]).encode("ascii", "ignore")
    stem = re.sub(r"[^a-z0-9]+", "_", plain.decode().lower()).strip("_")
    return stem if stem[:1].isalpha() else f"data_{stem}".rstrip("_")


def _complete(dataset, entry, frame, nominal, missing):
    """Add to the entry what the columns show; notes to the user on what was decided."""
    said, target = [], entry["target"]
    left_out = {target, *entry.get("drop", ())}
    features = [c for c in frame if c not in left_out]
    if len(features) == 1 and "text" not in entry and looks_like_text(Counter(frame[features[0]])):
        entry |= {"modality": "text", "text": features[0]}
        said.append(f"{features[0]} looks like free text, so this is a text data set")
    if text := entry.get("text"):
        if others := [c for c in features if c != text]:
            entry["drop"] = [*entry.get("drop", ()), *others]
            said.append(f"left out, as only {text} is used: {', '.join(others)}")
        if missing:
            entry["missing"] = [*missing]
        return said
    fixed = {*(nominal or ()), *entry.get("categorical", ())}
    values = {c: set(frame[c]) - {""} for c in frame}
    if dataset.separator == ";" and "decimal" not in entry:
        free = [values[c] for c in (*features, target) if c not in fixed]
        if any(_has_decimal_commas(found) for found in free):
            entry["decimal"] = ","
            said.append("the decimal mark is taken for a comma (--decimal . if it is none)")
    mark = entry.get("decimal", ".")
    found = {}
    for column in features:
        declared = values[column] & {*missing, *dataset.missing_in(column)}
        others = values[column] - declared
        words = {v for v in others & MISSING if number(v) is None}
        stand_in = words and column not in fixed and words < others
        stand_in = stand_in and all(number(v, mark) is not None for v in others - words)
        if spelled := declared | (words if stand_in else set()):
            found[column] = sorted(spelled)
            if stand_in:
                said.append(f"{column}: taken for missing values: {', '.join(sorted(words))}")
    if unknown := {*missing}.difference(*found.values()):
        raise StudyError(f"no feature has the value {min(unknown)!r} (missing)")
    if found:
        # As a list they hold for every column and for the target.
        listed = sorted(set().union(*found.values()))
        same = {c: hit for c in values if (hit := sorted(values[c].intersection(listed)))} == found
        entry["missing"] = listed if same else found
    return said


def _has_decimal_commas(values):
    """Whether values are numbers with a decimal comma, and not with thousands set apart."""
    plain = all(COMMA.fullmatch(v) or number(v) is not None or v in MISSING for v in values)
    commas = [value for value in values if COMMA.fullmatch(value)]
    return plain and any(not THOUSANDS.fullmatch(value) for value in commas)


def _complete_layout(file, entry):
    """Find the separator, names that are not there, and columns without one."""
    if entry["format"] not in ("csv", "tsv"):
        return []
    said, sample = [], list(io.StringIO(decoded(file)[:200_000]))
    sample = sample[:-1] or sample  # the last may be cut off
    usual = {"csv": ",", "tsv": "\t"}[entry["format"]]
    if "separator" not in entry:
        best = max(usual + ",;\t|", key=lambda mark: _fit(sample, mark, entry["target"]))
        if best != usual:
            entry["separator"] = best
    mark = entry.get("separator", usual)
    rows = _rows(sample, mark)
    if entry.get("columns") or not entry.get("header", True) or not rows:
        return said
    header = [column.strip() for column in rows[0]]
    if entry["target"] not in header and any(number(value) is not None for value in header):
        # The class is likely to be a word, and to come last.
        names = [f"c{i}" for i in range(1, len(header) + 1)]
        words = [i for i, value in enumerate(header) if number(value) is None]
        names[words[-1] if words else -1] = entry["target"]
        raise StudyError(
            f"there is no column {entry['target']!r}; the first line looks like data: {header}. "
            f"Name the columns, for example --columns {shlex.quote(','.join(names))}"
        )
    if "" in header and "" not in entry.get("drop", ()):
        trial = parse_dataset("trial", entry | {"drop": [*entry.get("drop", ()), ""]})
        frame, _, _ = read(trial, {"data": file})
        numbers = [number(value) for value in frame[""]]
        if not any(frame[""]):
            said.append("columns without a name and without values are left out")
        elif None not in numbers and numbers == [numbers[0] + i for i in range(len(numbers))]:
            said.append("the column without a name counts the rows; it is left out")
        else:
            raise StudyError(
                f"column {header.index('') + 1} has no name and is not empty; name it in the file, "
                'or leave it out with --drop ""'
            )
        entry["drop"] = trial.drop
    return said


def _rows(lines, mark):
    try:
        return [row for row in csv.reader(lines, delimiter=mark) if row]
    except csv.Error:
        return []


def _fit(lines, mark, target):
    """How well a separator fits: target found, rows as long as the first, length of the first."""
    rows = _rows(lines, mark)
    if not rows or len(rows[0]) < 2:
        return (False, 0, 0)
    even = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
    return (target in (column.strip() for column in rows[0]), even, len(rows[0]))


def _name_classes(entry, labels, classes, positive, cut):
    """Write ``classes`` or ``cut`` into the entry, as the options say."""
    if cut:
        tops = sorted(cut)
        lows = [None, *tops]
        entry["cut"] = {f"up to {t:g}": [low, t] for low, t in zip(lows, tops, strict=False)}
        entry["cut"][f"above {tops[-1]:g}"] = [None, None]
    if not (classes or positive):
        return
    unlabelled = NO_LABEL.union(entry["missing"] if isinstance(entry.get("missing"), list) else ())
    names = {label: label for label in labels if label and label not in unlabelled}
    names |= entry.get("classes", {}) | dict(classes)
    if unknown := [label for label in names if label not in labels]:
        raise StudyError(f"there is no label {unknown[0]!r}; there are {', '.join(labels)}")
    if positive and positive not in names.values():
        found = ", ".join(dict.fromkeys(names.values()))
        raise StudyError(f"there is no class {positive!r} (--positive); there are {found}")
    if positive:
        names = {y: c if c == positive else f"not {positive}" for y, c in names.items()}
    entry["classes"] = names


def _written(document, name, entry):
    """The text of params.yaml with an entry put in place, or at the end of ``datasets``.

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
    block = io.StringIO()
    yaml.dump({name: _flowing(yaml, entry)}, block)
    new = [" " * indent + line for line in block.getvalue().splitlines(keepends=True)]
    if name in sets:
        first = sets.lc.key(name)[0]
        end = min((sets.lc.key(k)[0] for k in sets if sets.lc.key(k)[0] > first), default=end)
    while end > start and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    if name not in sets:
        # Entries are set apart where the file does so.
        first, new = end, ["\n", *new] if "\n" in lines[start:end] else new
    safe = YAML(typ="safe")
    before = safe.load("".join(lines))
    document = "".join(lines[:first] + new + lines[end:])
    after = safe.load(document)
    before["datasets"].pop(name, None)
    if after["datasets"].pop(name, None) != entry or after != before:
        raise StudyError("params.yaml could not be edited safely; add the entry by hand")
    return document


def _flowing(yaml, entry):
    entry = yaml.map(**entry)
    for key, value in entry.items():
        if isinstance(value, dict | list):
            entry[key] = yaml.map(**value) if isinstance(value, dict) else yaml.seq(value)
            entry[key].fa.set_flow_style()
    return entry
