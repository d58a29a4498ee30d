"""Adding the user's own data set: check it, write its entry into ``params.yaml``."""

import csv
import io
import json
import math
import re
import shlex
import shutil
import tempfile
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.nodes import MappingNode
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from imbbench.config import GROUPS, read_study, setting_text
from imbbench.data.archives import sha256
from imbbench.data.columns import column_of, counted, empty_in, is_one_of, listed, without
from imbbench.data.contents import decoded
from imbbench.data.datasets import about, parse_dataset
from imbbench.data.duration import minutes
from imbbench.data.notes import looks_like_text, notes, understood
from imbbench.data.origins import FORMATS, find, split_suffix
from imbbench.data.prepare import (
    ISO_DATE,
    MISSING,
    NO_LABEL,
    check_table,
    number,
    plain_number,
    read,
    spelled_otherwise,
    tabulate,
)
from imbbench.data.readers import READERS, canonical, full_header, split_at_blanks, table_text
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

BLANKS = " "
SEPARATORS = {"tab": "\t", "\\t": "\t", "space": BLANKS}
COMMA = re.compile(r"[+-]?\d*,\d+")

THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
LISTS = ("drop", "categorical", "numeric")
PLAIN = re.compile(r"[\w ./-]*")
# They decide no number.
WORDS = {"source", "fallbacks", "sha256", "licence", "why", "citation", "origin", "stratum"}


def add_dataset(
    source,
    target,
    name=None,
    params=None,
    text=None,
    licence=None,
    why=None,
    folds=None,
    *,
    member=None,
    drop=(),
    categorical=(),
    numeric=(),
    missing=(),
    columns=(),
    separator=None,
    decimal=None,
    encoding=None,
    classes=(),
    positive=None,
    cut=(),
    min_class=None,
    drop_unlabelled=False,
    groups=None,
    dry_run=False,
):
    """Check a file and add it to the study as a data set.

    What was understood is printed first, with notes on what may be meant otherwise. A file inside
    the project is referred to where it is; any other is copied into ``data/local``; what was
    downloaded is pinned by checksum. Only the new entry is inserted into ``params.yaml``. Adding
    a data set again under its name renews the checksum of its entry and, where options are given,
    writes the entry anew with them.

    Parameters
    ----------
    source : str or path
        A file or where there is one, see :func:`imbbench.data.origins.find`; its suffix is one of
        :data:`imbbench.data.origins.FORMATS`, with that of a compression behind it or without.
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
    member : str or None
        Which file of an archive or repository is meant.
    drop, categorical, numeric, columns : sequence of str
        As of :class:`imbbench.data.datasets.Dataset`.
    missing : sequence of str
        Spellings of a missing value, in every feature.
    separator, decimal : str or None
        By default those that fit the file; ``space`` stands for any blanks.
    classes : sequence of (str, str)
        Label in the file and class name; other labels keep their name.
    cut : sequence of float
        The highest value of each class but the last, where the target is a quantity.
    encoding, positive, min_class, drop_unlabelled, groups
        As of :class:`imbbench.data.datasets.Dataset`.
    dry_run : bool
        Write nothing.

    Returns
    -------
    str
        The data set's name.

    Raises
    ------
    StudyError
        If it cannot be studied as it is, or is there already. Nothing is changed then.
    """
    params = Path(params or root() / "params.yaml")
    document = params.read_text("utf-8")
    study = read_study(params)
    options = {
        "text": text,
        "licence": licence,
        "why": why,
        "separator": SEPARATORS.get(separator, separator),
        "decimal": decimal,
        "encoding": encoding,
        "columns": [*columns],
        "drop": [*drop],
        "categorical": [*categorical],
        "numeric": [*numeric],
        "groups": groups,
        "positive": positive,
        "min_class": min_class,
        "drop_unlabelled": drop_unlabelled,
    }
    options = {key: value for key, value in options.items() if value}
    with tempfile.TemporaryDirectory() as scratch:
        with about(name or _name_of(Path(source).name)):
            origin = find(source, member, Path(scratch))
        name = name or _name_of(origin.title)
        with about(name):
            _check_options(name, options, cut, classes)
            where = _where(origin, name, params.resolve().parent)
            taken = _taken(study, name, where, target)
            digests = {role: sha256(path.read_bytes()) for role, path in origin.files.items()}
            again = taken and taken["source"] == where
            again = again and not (options or missing or classes or cut)
            entry = {
                "source": where,
                "sha256": digests,
                "format": taken["format"] if taken else _format(origin, encoding),
                "target": target,
                "modality": "tabular",
                "licence": origin.licence or "not stated",
                "why": "added by hand",
            }
            entry |= (taken or {"study": False}) | {"source": where, "sha256": digests}
            _set(entry, options)
            said = [] if again else _complete_layout(origin.files, entry)
            dataset = parse_dataset(name, entry)
            frame, nominal, part = read(dataset, origin.files)
            if not again:
                said += _complete(dataset, entry, frame, nominal, missing)
                _name_classes(entry, counted(frame.column(target)), classes, cut)
                dataset = parse_dataset(name, entry)
                if dataset.text:  # whose blanks stay
                    frame, nominal, part = read(dataset, origin.files)
            table = tabulate(dataset, frame, nominal, part)
            print(f"{origin.title}: {understood(dataset, frame, table)}")
            if not taken:
                said += _same_elsewhere(study, entry)
            for note in [*said, *notes(dataset, frame, nominal, table)]:
                print(f"note: {note}")
            check_table(dataset, table, folds or (study.get("protocol") or {}).get("folds", 5))
        how_long = _how_long(params.resolve().parent, study, entry, table)
        if again:  # The entry's lines may have been edited; only the checksums are renewed.
            document = _renewed(document, name, taken["sha256"], digests)
        else:
            document = _written(document, name, entry)
        if taken:
            same = taken["sha256"] == digests
            what = "with this file" if same else "with another file; its checksum is renewed"
            print(f"note: {name} is there, {what}")
        if dry_run:
            print("nothing is written (--dry-run)")
            return name
        if origin.local:
            path = params.resolve().parent / where["path"]
            if path != origin.local.resolve():
                path.parent.mkdir(parents=True, exist_ok=True)
                other = path.is_file() and path.read_bytes() != origin.local.read_bytes()
                shutil.copyfile(origin.local, path)
                over = " over another file (another data set needs a --name)" if other else ""
                print(f"note: copied to {where['path']}{over}, since it lies outside the project")
        write_whole(params, document)
    print(f"{name}: {entry['modality']} data set in {params.name}")
    print(f"next: dvc repro report@{name}   (its own report; {how_long})")
    return name


def _how_long(folder, study, entry, table):
    columns = [*table.columns.values(), column_of(table.labels)]
    size = sum(pc.sum(pc.binary_length(values)).as_py() + len(values) for values in columns)
    found = minutes(folder, study, entry["modality"], size)
    if found is None:
        return "how long it takes is not known: nothing like it has been timed"
    length, beyond = found
    rounded = max(1, round(length))
    unit = "minute" if rounded == 1 else "minutes"
    if beyond:
        return f"more than {rounded} {unit}: nothing so large is timed, and `splits: 2` saves time"
    return f"about {rounded} {unit} on a machine as that of the committed results"


def _name_of(title):
    plain = unicodedata.normalize("NFKD", title.split(".")[0]).encode("ascii", "ignore")
    stem = re.sub(r"[^a-z0-9]+", "_", plain.decode().lower()).strip("_")
    return stem if stem[:1].isalpha() else f"data_{stem}".rstrip("_")


def _where(origin, name, folder):
    """The entry's ``source``: a local file is below the folder of the study."""
    if not origin.local:
        return origin.source
    here = origin.local.resolve()
    if here.is_relative_to(folder):
        path = here.relative_to(folder)
    else:
        path = Path("data/local") / (name + "".join(split_suffix(here.name)))
    return origin.source | {"path": path.as_posix()}


def _taken(study, name, where, target):
    """The entry of that name, if it is of the same place and target, or None."""
    key = next((key for key in GROUPS if name in (study.get(key) or {})), None)
    if not key:
        return None
    taken, differs = study[key][name], []
    if key != "datasets":
        differs.append(f"it is one of {key}")
    if taken.get("target") != target:
        differs.append(f"its target is {taken.get('target')!r}, not {target!r}")
    if _unpinned(taken.get("source", {})) != _unpinned(where):
        given = setting_text(_unpinned(where))
        differs.append(f"its source is {setting_text(taken.get('source'))}, not {given}")
    if differs:
        raise StudyError(
            f"the name is taken in params.yaml: {'; '.join(differs)}. Choose another with --name"
        )
    return taken


def _unpinned(source):
    return {k: v for k, v in source.items() if k not in ("revision", "archive_sha256")}


def _same_elsewhere(study, entry):
    """Refuse what is there already; a note where it is there as something else."""
    said = []
    for name, known in ((n, e) for key in GROUPS for n, e in (study.get(key) or {}).items()):
        if known.get("sha256") != entry["sha256"]:
            continue
        if all(known.get(k) == entry.get(k) for k in {*known, *entry} - WORDS):
            raise StudyError(
                f"this file is in the study already, as {name}, with the same target and options; "
                f"use that, or take its entry out of params.yaml first"
            )
        said.append(f"the same file is in the study as {name}, with target {known['target']}")
    return said


def _check_options(name, options, cut, classes):
    """Refuse options that exclude each other, and settings that no entry may have."""
    if cut and classes:
        raise StudyError("--cut makes the classes, so --class names no label; use one of them")
    for key, other in (("categorical", "numeric"), ("drop", "categorical"), ("drop", "numeric")):
        if both := {*options.get(key, ())} & {*options.get(other, ())}:
            raise StudyError(f"{min(both)!r} is in --{key} and in --{other}; use one of them")
    modality = "text" if "text" in options else "tabular"
    plain = {"source": {"path": "x"}, "sha256": {"data": "0" * 64}, "format": "csv", "target": "y"}
    plain |= {"modality": modality, "licence": "", "why": ""}
    parse_dataset(name, plain | options)


def _format(origin, encoding):
    """How the file is written, by its name, or by its content where the name does not say."""
    path = next(iter(origin.files.values()))
    suffix = split_suffix(path.name)[0]
    if FORMATS.get(suffix) in ("json", "jsonl"):
        return _json_format(decoded(path, encoding or "utf-8"), FORMATS[suffix])
    if FORMATS.get(suffix):
        return FORMATS[suffix]
    if path == origin.local and suffix not in FORMATS:
        raise StudyError(f"{path.name} is none of {', '.join(FORMATS)}; convert it to one")
    if path.read_bytes()[:4] == b"PAR1":
        return "parquet"
    text = decoded(path, encoding or "utf-8")
    if not re.search(r"(?im)^@data\b", text):
        return "csv"
    return "keel" if suffix == ".dat" or re.search(r"(?im)^@(in|out)puts?\b", text) else "arff"


def _json_format(text, named):
    """An array, or an object a line, whatever the file's name says."""
    first, _, rest = text.strip().partition("\n")
    if named == "jsonl":
        return "json" if first.startswith("[") else named
    try:
        return "jsonl" if isinstance(json.loads(first), dict) and rest.strip() else named
    except (ValueError, RecursionError):
        return named


def _set(entry, options):
    """Write options into the entry; those that are lists add to what it has."""
    lists = {key: [*entry.get(key, []), *options[key]] for key in LISTS if key in options}
    entry |= options | {key: list(dict.fromkeys(columns)) for key, columns in lists.items()}
    for key, other in (("categorical", "numeric"), ("numeric", "categorical")):
        if key in options and other in entry:
            entry[other] = [c for c in entry[other] if c not in options[key]]
    if "text" in options:
        entry["modality"] = "text"
    if "separator" in options and entry["format"] in ("csv", "tsv", "whitespace"):
        entry["format"] = "whitespace" if entry["separator"] == BLANKS else "csv"
        if entry["format"] == "whitespace":
            del entry["separator"]


def _complete(dataset, entry, frame, nominal, missing):
    """Add to the entry what the columns show; notes to the user on what was decided."""
    said, target = [], entry["target"]
    left_out = {target, entry.get("groups"), *entry.get("drop", ())}
    features = [c for c in frame.column_names if c not in left_out]
    alone = len(features) == 1 and "text" not in entry
    if alone and looks_like_text(counted(frame.column(features[0]))):
        entry |= {"modality": "text", "text": features[0]}
        said.append(f"{features[0]} looks like free text, so this is a text data set")
    if text := entry.get("text"):
        if others := [c for c in features if c != text]:
            entry["drop"] = [*entry.get("drop", ()), *others]
            said.append(f"left out, as only {text} is used: {', '.join(others)}")
        if missing:
            entry["missing"] = [*missing]
        return said
    fixed = {*(nominal or ()), *entry.get("categorical", ()), *entry.get("numeric", ())}
    if dataset.separator == ";" and "decimal" not in entry:
        free = [c for c in (*features, target) if c not in fixed]
        if any(_has_decimal_commas(_no_plain_numbers(frame.column(c))[0]) for c in free):
            entry["decimal"] = ","
            said.append("the decimal mark is taken for a comma (--decimal . if it is none)")
    mark = entry.get("decimal", ".")
    found = {}
    for column in features:
        words = {*missing, *dataset.missing_in(column)} - {""}
        declared = _those_of(frame.column(column), words)
        others = without(frame.column(column), {"", *declared})
        # With a comma as the mark a number with a point is none.
        plain = mark == "."
        others, numbers = _no_plain_numbers(others) if plain else ({*listed(others)}, False)
        words = {v for v in others & MISSING if number(v) is None}
        rest = others - words
        stand_in = words and column not in fixed and (numbers or rest)
        stand_in = stand_in and all(number(v, mark) is not None for v in rest)
        if column not in fixed and (what := certain_numbers(rest, dataset, mark, numbers)):
            entry["numeric"] = [*entry.get("numeric", ()), column]
            option = f"--categorical {shlex.quote(column)}"
            said.append(f"{column}: {what} ({option} keeps them as they are)")
            stand_in = bool(words)
        if spelled := declared | (words if stand_in else set()):
            found[column] = sorted(spelled)
            if stand_in:
                said.append(f"{column}: taken for missing values: {', '.join(sorted(words))}")
    if unknown := {*missing}.difference(*found.values()):
        raise StudyError(f"no feature has the value {min(unknown)!r} (missing)")
    if found:
        # As a list they hold for every column and for the target.
        spelled = sorted(set().union(*found.values()))
        hits = {c: sorted(_those_of(frame.column(c), spelled)) for c in frame.column_names}
        entry["missing"] = spelled if {c: hit for c, hit in hits.items() if hit} == found else found
    return said


def _those_of(column, words):
    """Which of some words a column has."""
    return {*listed(pc.unique(column.filter(is_one_of(column, words))))} if words else set()


def _no_plain_numbers(column):
    """The values of a column that are no numbers in their one spelling, and whether some are."""
    rows = pa.array(spelled_otherwise(column), pa.int64())
    some = len(column) - empty_in(column) > len(rows)
    return {*listed(pc.unique(column.take(rows)))}, some


def certain_numbers(values, dataset, mark, numbers=False):
    """What values are that can be nothing but dates, or numbers with thousands set apart, or "".

    ``numbers`` says whether there are plain ones beside the values.
    """
    if len(values) + numbers < 2:
        return ""
    if not numbers and all(ISO_DATE.fullmatch(value) for value in values):
        dates = all(plain_number(value) is not None for value in values)
        return "dates, taken as days since 1970-01-01" if dates else ""
    if "," not in "".join(values):
        return ""
    apart = {value for value in values if "," in value}
    # A comma inside a field of a file that is separated by commas was put in quotes.
    quoted = apart and (dataset.separator or ",") == "," and mark == "."
    if not quoted or any(not THOUSANDS.fullmatch(value) for value in apart):
        return ""
    if any(number(value) is None for value in values - apart):
        return ""
    return "commas set thousands apart, taken as numbers"


def _has_decimal_commas(values):
    """Whether values are numbers with a decimal comma, and not with thousands set apart."""
    plain = all(COMMA.fullmatch(v) or number(v) is not None or v in MISSING for v in values)
    commas = [value for value in values if COMMA.fullmatch(value)]
    return plain and any(not THOUSANDS.fullmatch(value) for value in commas)


def _complete_layout(files, entry):
    """Find the separator, names that are not there, and columns without one."""
    if entry["format"] == "excel":
        _, header, _ = READERS["excel"](files["data"], parse_dataset("trial", entry))
        return _without_name(files, entry, header)
    if entry["format"] not in ("csv", "tsv", "whitespace"):
        return []
    text = table_text(next(iter(files.values())), entry.get("encoding", "utf-8"))
    sample = list(io.StringIO(text[:200_000]))
    sample = sample[:-1] or sample  # the last may be cut off
    usual = {"csv": ",", "tsv": "\t", "whitespace": BLANKS}[entry["format"]]
    mark = entry.get("separator") or (
        usual if usual == BLANKS else _separator(sample, usual, entry)
    )
    if mark == BLANKS:
        entry["format"] = "whitespace"
    elif mark != usual:
        entry["separator"] = mark
    rows = _rows(sample, mark)
    if entry.get("columns") or not entry.get("header", True) or not rows:
        return []
    header = full_header([column.strip() for column in rows[0]], rows[1:])
    if entry["target"] not in header and any(number(value) is not None for value in header):
        # The class is likely to be a word, and to come last.
        names = [f"c{i}" for i in range(1, len(header) + 1)]
        words = [i for i, value in enumerate(header) if number(value) is None]
        names[words[-1] if words else -1] = entry["target"]
        raise StudyError(
            f"there is no column {entry['target']!r}; the first line looks like data: {header}. "
            f"Name the columns, for example --columns {shlex.quote(','.join(names))}"
        )
    return _without_name(files, entry, header)


def _without_name(files, entry, header):
    """Leave out columns without a name that are empty or count the rows; what was decided."""
    said = []
    if "" in header and "" not in entry.get("drop", ()):
        trial = parse_dataset("trial", entry | {"drop": [*entry.get("drop", ()), ""]})
        frame, _, _ = read(trial, files)
        numbers = [number(value) for value in listed(frame.column(""))]
        if empty_in(frame.column("")) == len(frame):
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


def _separator(lines, usual, entry):
    """The mark that fits best; blanks only where no mark makes a table, as words have them too."""

    def fit(mark):
        rows = _rows(lines, mark)
        if not rows or len(rows[0]) < 2:
            return (False, 0, 0)
        header = full_header([column.strip() for column in rows[0]], rows[1:])
        even = (1 + sum(len(row) == len(header) for row in rows[1:])) / len(rows)
        named = entry["target"] in header
        return (named or len(header) == len(entry.get("columns", ())), even, len(header))

    best = max(usual + ",;\t|", key=fit)
    found, even, _ = fit(best)
    blank_found, blank_even, _ = fit(BLANKS)
    makes_none = (blank_found and not found) or (blank_found == found and even < 0.5)
    return BLANKS if makes_none and blank_even > 0.9 else best


def _rows(lines, mark):
    if mark == BLANKS:
        return [split_at_blanks(line) for line in lines if line.strip()]
    try:
        reader = csv.reader(lines, delimiter=mark, skipinitialspace=True)
        return [row for row in reader if row]
    except csv.Error:
        return []


def _name_classes(entry, labels, classes, cut):
    """Write ``classes`` or ``cut`` into the entry, as the options say."""
    if cut:
        if not all(map(math.isfinite, cut)):
            raise StudyError("--cut is a number")
        tops = sorted({*map(float, cut)})
        lows = [None, *tops]
        ends = zip(lows, tops, strict=False)
        entry["cut"] = {f"up to {canonical(top)}": [low, top] for low, top in ends}
        entry["cut"][f"above {canonical(tops[-1])}"] = [None, None]
        entry.pop("classes", None)
    elif classes and entry.get("cut"):
        raise StudyError("its classes are made by cut, so --class names no label")
    unlabelled = NO_LABEL.union(entry["missing"] if isinstance(entry.get("missing"), list) else ())
    names = {label: label for label in labels if label and label not in unlabelled}
    names |= entry.get("classes", {}) | dict(classes)
    if unknown := [label for label in names if label not in labels]:
        raise StudyError(f"there is no label {unknown[0]!r}; there are {', '.join(labels)}")
    found = list(entry.get("cut") or dict.fromkeys(names.values()))
    if entry.get("positive") and entry["positive"] not in found:
        raise StudyError(
            f"there is no class {entry['positive']!r} (--positive); there are {', '.join(found)}"
        )
    if classes:
        entry["classes"] = names


def _written(document, name, entry):
    """The text of params.yaml with an entry put in place, or at the end of ``datasets``.

    ruamel.yaml says where things are and writes the entry; the file's own lines stay as they are.
    """
    lines, first, end, indent = _lines_of(document, name)
    yaml = YAML()
    yaml.width = 4096
    block = io.StringIO()
    yaml.dump({name: _flowing(yaml, entry)}, block)
    new = [" " * indent + line for line in block.getvalue().splitlines(keepends=True)]
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += "\n"
    safe = YAML(typ="safe")
    before = safe.load("".join(lines))
    if name not in before["datasets"]:
        # Entries are set apart where the file does so.
        new = ["\n", *new] if "\n" in lines[first:end] else new
        first = end
    document = "".join(lines[:first] + new + lines[end:])
    try:
        after = safe.load(document)
        written = after["datasets"].pop(name, None)
    except YAMLError:
        after = written = None
    before["datasets"].pop(name, None)
    if written != entry or after != before:
        raise StudyError("params.yaml could not be edited safely; add the entry by hand")
    return document


def _renewed(document, name, old, new):
    """The text of params.yaml with other checksums in the lines of an entry."""
    lines, first, end, _ = _lines_of(document, name)
    block = "".join(lines[first:end])
    for role, digest in new.items():
        block = block.replace(old[role], digest)
    return "".join([*lines[:first], block, *lines[end:]])


def _keys(node):
    """Where each key of a mapping is, and its value's node, by key; of anything else none."""
    if not isinstance(node, MappingNode):
        return {}
    return {key.value: (key.start_mark, value) for key, value in node.value}


def _lines_of(document, name):
    """All lines, first and end of an entry's (of all entries if it is new), and their indent."""
    # Nodes know their lines, and are read many times faster than what keeps comments.
    study = _keys(YAML(typ="safe").compose(document))
    lines = document.splitlines(keepends=True)
    sets = _keys(study["datasets"][1]) if "datasets" in study else {}
    if not sets:
        raise StudyError("params.yaml has no data sets to add to; it needs `datasets:` with one")
    if study["datasets"][1].flow_style:
        raise StudyError("params.yaml writes datasets in braces; write one entry a line instead")
    indent = next(iter(sets.values()))[0].column
    first = start = study["datasets"][0].line
    later = [key.line for key, _ in study.values() if key.line > start]
    end = min(later, default=len(lines))
    if name in sets:
        first = sets[name][0].line
        end = min((key.line for key, _ in sets.values() if key.line > first), default=end)
    while end > start and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return lines, first, end, indent


def _flowing(yaml, entry):
    entry = CommentedMap(entry)
    for key, value in entry.items():
        if isinstance(value, dict | list):
            entry[key] = _flow(yaml, value)
            entry[key].fa.set_flow_style()
    return entry


def _flow(yaml, value):
    if isinstance(value, dict):
        return CommentedMap((_flow(yaml, key), _flow(yaml, inner)) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return yaml.seq([_flow(yaml, inner) for inner in value])
    # What is written plainly between braces, "a:b" or "0?", the reader that DVC uses cannot read.
    odd = isinstance(value, str) and not PLAIN.fullmatch(value)
    return DoubleQuotedScalarString(value) if odd else value
