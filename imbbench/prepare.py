"""Preparing: raw files of any format to one canonical form, byte for byte the same everywhere.

Values stay text until they are known to be numbers, so that no parser's guess gets in between.
"""

import csv
import gzip
import io
import json
import math
import re
from collections import Counter
from pathlib import Path

import pandas as pd

from imbbench.errors import StudyError
from imbbench.sources import write_atomic

RESERVED = ("_label", "_group", "_part")
KEEL_ATTRIBUTE = re.compile(r"@attribute\s+('[^']+'|[^\s{]+?)\s*(\{.*\}|(?:real|integer)\b)", re.I)


def prepare(name, dataset, raw_dir, out_dir, folds=5):
    """Write ``data.csv``, ``schema.json`` and ``card.json`` of one data set.

    ``data.csv`` has the features in the order of the file, then ``_label`` (class name),
    ``_group`` (equal for rows whose features are identical) and, where the set brings its own
    test set, ``_part``. A missing value is an empty field. No row is ever dropped.

    Parameters
    ----------
    name : str
    dataset : Dataset
    raw_dir : path
        What :func:`imbbench.sources.fetch` wrote.
    out_dir : path
    folds : int
        Every class needs as many rows, or two where the set brings its own test set.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    StudyError
        If the data cannot be studied; the message says why and what to do.
    """
    features, labels, part, nominal = read(name, dataset, raw_dir)
    check_labels(name, labels, part, folds)
    if dataset.modality == "text":
        numeric, columns = [], {"text": _texts(name, dataset, features)}
    else:
        numeric, columns = _typed(name, dataset, features, nominal)
    categorical = [] if dataset.modality == "text" else [c for c in columns if c not in numeric]

    rows = list(zip(*columns.values(), strict=True))
    first_seen = {}
    groups = [first_seen.setdefault(row, len(first_seen)) for row in rows]
    # With an own test set, the class sizes that matter are those of its training part.
    counted = [y for y, p in zip(labels, part or labels, strict=True) if not part or p == "train"]
    counts = dict(sorted(Counter(counted).items(), key=lambda item: (-item[1], item[0])))
    schema = {
        "name": name,
        "modality": dataset.modality,
        "classes": list(counts),
        "class_counts": list(counts.values()),
        "numeric": numeric,
        "categorical": categorical,
        "text": "text" if dataset.modality == "text" else None,
        "rows": len(rows),
        "own_test": part is not None,
    }
    labels_of = {}
    for group, label in zip(groups, labels, strict=True):
        labels_of.setdefault(group, set()).add(label)
    missing = {c: n for c, values in columns.items() if (n := values.count(""))}
    card = {
        "name": name,
        "why": dataset.why,
        "modality": dataset.modality,
        "rows": len(rows),
        "rows_train": len(counted) if part else None,
        "rows_test": len(rows) - len(counted) if part else None,
        "features": len(columns),
        "features_numeric": len(numeric),
        "features_categorical": len(categorical),
        "classes": counts,
        "classes_test": dict(Counter(labels) - Counter(counted)) if part else None,
        "imbalance_ratio": round(max(counts.values()) / min(counts.values()), 2),
        "duplicate_rows": len(rows) - len(first_seen),
        "groups_with_conflicting_labels": sum(len(found) > 1 for found in labels_of.values()),
        "missing_values": sum(missing.values()),
        "missing_by_column": missing,
        "constant_columns": [c for c, values in columns.items() if len(set(values)) == 1],
        "dropped_columns": dataset.drop,
        "source": str(dataset.source),
        "licence": dataset.licence,
        "citation": dataset.citation,
    }

    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*columns, *RESERVED[: 3 if part else 2]])
    writer.writerows(
        (*row, *rest)
        for row, *rest in zip(rows, labels, groups, *([part] if part else []), strict=True)
    )
    out_dir = Path(out_dir)
    write_atomic(out_dir / "data.csv", table.getvalue().encode())
    write_atomic(out_dir / "schema.json", _json(schema))
    write_atomic(out_dir / "card.json", _json(card))
    return card


def read(name, dataset, raw_dir):
    """Read the raw files of a data set.

    Returns
    -------
    features : DataFrame of str
        Without the target and the columns to drop; a missing value is the empty string.
    labels : list of str
        Class names; missing ones are empty.
    part : list of str or None
        ``train`` or ``test``.
    nominal : set of str or None
        The columns that the file says are nominal; None where the format does not say.
    """
    files = {path.name.split(".")[0]: path for path in Path(raw_dir).glob("*.*")}
    absent = set(dataset.sha256) - set(files)
    if absent:
        raise StudyError(
            f"data set {name}: no raw file for {', '.join(sorted(absent))}; run `dvc repro fetch`"
        )
    part = None
    if "test" in dataset.sha256:
        train, nominal = read_table(name, files["train"], dataset)
        test, _ = read_table(name, files["test"], dataset)
        if list(train) != list(test):
            raise StudyError(f"data set {name}: training and test file have different columns")
        frame = pd.concat([train, test], ignore_index=True)
        part = ["train"] * len(train) + ["test"] * len(test)
    elif "labels" in dataset.sha256:
        frame, nominal = read_table(name, files["features"], dataset)
        labels = _decoded(name, files["labels"]).split("\n")
        labels = labels[:-1] if labels[-1] == "" else labels
        if len(labels) != len(frame):
            raise StudyError(
                f"data set {name}: {len(frame)} rows of features but {len(labels)} labels"
            )
        frame[dataset.target] = labels
    else:
        frame, nominal = read_table(name, files["data"], dataset)
    check_columns(name, frame, dataset)
    frame = frame.mask(frame.isin(dataset.missing), "")
    labels = [_class_of(name, dataset, value) for value in frame[dataset.target]]
    return frame.drop(columns=[dataset.target, *dataset.drop]), labels, part, nominal


def read_table(name, path, dataset):
    """One raw file as strings, stripped unless they are free text.

    Returns
    -------
    frame : DataFrame of str
    nominal : set of str or None
    """
    if dataset.format == "parquet":
        return _read_parquet(name, path)
    content = _decoded(name, path)
    if not content.strip():
        raise StudyError(f"data set {name}: {path.name} is empty; it needs a header and rows")
    nominal = None
    if dataset.format == "keel":
        rows, columns, nominal = _read_keel(name, content)
    elif dataset.format == "arff":
        rows, columns, nominal = _read_arff(name, content)
    else:
        rows, columns = _read_delimited(name, content, dataset)
    repeated = [c for c, n in Counter(columns).items() if n > 1]
    if repeated:
        raise StudyError(
            f"data set {name}: duplicate column names {', '.join(map(repr, repeated))}; "
            "give every column a name of its own"
        )
    if "" in columns:
        raise StudyError(
            f"data set {name}: column {columns.index('') + 1} has no name; name it, or leave it "
            "out if it only numbers the rows"
        )
    if not len(rows):
        raise StudyError(f"data set {name}: {path.name} has a header but no rows")
    frame = pd.DataFrame(rows, dtype=object)
    frame.columns = columns
    for column in frame:
        if column != dataset.text:
            frame[column] = [value.strip() for value in frame[column]]
    return frame, nominal


def check_columns(name, frame, dataset):
    """Refuse a frame that lacks a column which the entry names."""
    named = {
        "the target": [dataset.target],
        "drop": dataset.drop,
        "categorical": dataset.categorical,
        "text": [dataset.text] if dataset.text else [],
    }
    for key, wanted in named.items():
        for column in wanted:
            if column not in frame:
                raise StudyError(
                    f"data set {name}: there is no column {column!r} ({key}); the file has "
                    f"{', '.join(map(str, frame.columns))}"
                )
    taken = [c for c in RESERVED if c in frame]
    if taken:
        raise StudyError(f"data set {name}: {', '.join(taken)} is a reserved name; rename it")


def check_labels(name, labels, part=None, folds=5):
    """Refuse labels that are missing, of one class, or too few of a class to be split."""
    missing = [row for row, label in enumerate(labels, 1) if not label]
    if missing:
        raise StudyError(
            f"data set {name}: missing labels in {len(missing)} rows, the first is row "
            f"{missing[0]}; fill them in or take those rows out of the file"
        )
    classes = set(labels)
    if len(classes) == 1:
        raise StudyError(
            f"data set {name}: one class only, {labels[0]!r}; is the target the right column?"
        )
    if part:
        need, why = 2, "training and validation need one each"
        counts = Counter(y for y, p in zip(labels, part, strict=True) if p == "train")
        unknown = classes - set(counts)
        if unknown:
            raise StudyError(f"data set {name}: class {min(unknown)!r} is in the test set only")
    else:
        need, why, counts = folds, f"{folds} folds need one each", Counter(labels)
    rarest = min(counts, key=lambda label: (counts[label], label))
    if counts[rarest] < need:
        few = sum(n < need for n in counts.values())
        raise StudyError(
            f"data set {name}: class {rarest!r} has {counts[rarest]} rows, but {why} "
            f"({few} such classes). Add rows, merge classes (`classes:` in params.yaml), use "
            "fewer folds, or choose another target"
        )


def number(value):
    """The float that a string spells, or None; underscores and other digits do not count."""
    if not value.isascii() or "_" in value:
        return None
    try:
        return float(value)
    except ValueError:
        return None


def canonical(value):
    """One spelling for each float: whole numbers without a point, the shortest of the others."""
    if math.isnan(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _decoded(name, path):
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudyError(
            f"data set {name}: {path.name} is not UTF-8 text (byte {error.start}); save it as "
            "UTF-8, for example with `iconv -f latin1 -t utf-8`"
        ) from None
    if "\0" in text:
        raise StudyError(f"data set {name}: {path.name} has NUL bytes; save it as UTF-8 text")
    return text.replace("\r\n", "\n")


def _read_delimited(name, content, dataset):
    separators = {"csv": ",", "tsv": "\t", "whitespace": r"\s+"}
    try:
        # Without its own header pandas neither renames nor drops columns.
        frame = pd.read_csv(
            io.StringIO(content),
            sep=dataset.separator or separators[dataset.format],
            header=None,
            dtype=object,
            keep_default_na=False,
            quoting=csv.QUOTE_MINIMAL if dataset.quoting else csv.QUOTE_NONE,
            lineterminator=None if dataset.format == "whitespace" else "\n",
        )
    except pd.errors.ParserError as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise StudyError(
            f"data set {name}: the rows differ in their number of fields ({reason}); check the "
            "separator and the quotes"
        ) from None
    short = frame.isna().any(axis=1)  # an empty field is "", a field that is not there is NaN
    if short.any():
        raise StudyError(
            f"data set {name}: {int(short.sum())} rows have fewer fields than the first line, the "
            f"first is row {int(short.argmax()) + 1}; check the separator and the quotes"
        )
    if dataset.header and not dataset.columns:
        columns, frame = [c.strip() for c in frame.iloc[0]], frame.iloc[1:]
    else:
        columns = dataset.columns or [f"c{i}" for i in range(1, frame.shape[1] + 1)]
    if len(columns) != frame.shape[1]:
        raise StudyError(
            f"data set {name}: the file has {frame.shape[1]} columns, params.yaml names "
            f"{len(columns)}"
        )
    return frame.to_numpy(), columns


def _read_keel(name, content):
    header, *data = re.split(r"(?im)^@data[ \t]*$", content, maxsplit=1)
    attributes = KEEL_ATTRIBUTE.findall(header)
    if not data or not attributes:
        raise StudyError(f"data set {name}: no KEEL header (@attribute and @data lines)")
    columns = [column.strip("'") for column, _ in attributes]
    rows = [line.split(",") for line in data[0].split("\n") if line.strip()]
    for i, row in enumerate(rows, 1):
        if len(row) != len(columns):
            raise StudyError(
                f"data set {name}: row {i} has {len(row)} fields, the header {len(columns)}"
            )
    nominal = {c for c, (_, kind) in zip(columns, attributes, strict=True) if "{" in kind}
    return rows, columns, nominal


def _read_arff(name, content):
    import arff

    try:
        loaded = arff.loads(content)
    except arff.ArffException as error:
        raise StudyError(f"data set {name}: not an ARFF file: {error}") from None
    columns = [column for column, _ in loaded["attributes"]]
    nominal = {c for c, kind in loaded["attributes"] if kind not in ("REAL", "NUMERIC", "INTEGER")}
    rows = [[_spelled(value) for value in row] for row in loaded["data"]]
    return rows, columns, nominal


def _read_parquet(name, path):
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StudyError(f"data set {name}: {path.name} is not a Parquet file: {error}") from None
    if frame.empty:
        raise StudyError(f"data set {name}: {path.name} has no rows")
    frame.columns = [str(c) for c in frame]
    numeric = {c for c in frame if pd.api.types.is_numeric_dtype(frame[c].dtype)}
    numeric -= {c for c in frame if pd.api.types.is_bool_dtype(frame[c].dtype)}
    frame = frame.astype(object)
    values = {c: [_spelled(None if pd.isna(v) else v) for v in frame[c]] for c in frame}
    return pd.DataFrame(values, dtype=object), set(frame) - numeric


def _spelled(value):
    """A parsed value as the string that a text file would have held."""
    if value is None:
        return ""
    return canonical(value) if isinstance(value, float) else str(value)


def _class_of(name, dataset, value):
    if dataset.cut and value:
        rating = number(value)
        if rating is None or math.isnan(rating):
            raise StudyError(f"data set {name}: cut needs numbers in the target, not {value!r}")
        for label, (low, high) in dataset.cut.items():
            bounded = low is not None or high is not None
            if bounded and (low is None or rating >= low) and (high is None or rating <= high):
                return label
        return next((c for c, bounds in dataset.cut.items() if bounds == (None, None)), "")
    if dataset.classes and value:
        if value not in dataset.classes:
            raise StudyError(
                f"data set {name}: label {value!r} is not in classes: {', '.join(dataset.classes)}"
            )
        return dataset.classes[value]
    return value


def _texts(name, dataset, features):
    column = dataset.text or features.columns[0]
    others = [c for c in features if c != column]
    if others:
        raise StudyError(
            f"data set {name}: a text data set has one feature; put the others into drop: "
            f"{', '.join(others)}"
        )
    return list(features[column])


def _typed(name, dataset, features, nominal):
    """The names of the numeric columns, and every column's canonical strings."""
    if not len(features.columns):
        raise StudyError(f"data set {name}: there is no feature beside the target")
    numeric, columns = [], {}
    for column in features:
        values = list(features[column])
        declared_nominal = column in dataset.categorical or (nominal and column in nominal)
        parsed = {} if declared_nominal else {v: number(v) for v in set(values) - {""}}
        wrong = [v for v, parsed_value in parsed.items() if parsed_value is None]
        if nominal is not None and wrong and not declared_nominal:
            raise StudyError(
                f"data set {name}: column {column!r} is declared numeric but has {min(wrong)!r}; "
                "if that means a missing value, put it into missing"
            )
        # A column without any value is numeric: there are no categories to encode.
        if declared_nominal or wrong:
            columns[column] = values
            continue
        if any(math.isinf(v) for v in parsed.values()):
            raise StudyError(
                f"data set {name}: column {column!r} has infinite values; replace them, leave the "
                "fields empty (missing), or drop the column"
            )
        spelled = {v: canonical(x) for v, x in parsed.items()} | {"": ""}
        numeric.append(column)
        columns[column] = [spelled[v] for v in values]
    return numeric, columns


def _json(value):
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
