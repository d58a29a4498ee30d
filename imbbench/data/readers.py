"""Readers: a raw file of any format as rows of text, one function per format."""

import csv
import gzip
import io
import json
import math
import re
from collections import Counter

import pandas as pd

from imbbench.errors import StudyError

KEEL_ATTRIBUTE = re.compile(r"@attribute\s+('[^']+'|[^\s{]+?)\s*(\{.*\}|(?:real|integer)\b)", re.I)


def read_table(name, path, dataset):
    """One raw file as strings, blanks around them stripped unless they are texts.

    Returns
    -------
    frame : DataFrame of str
        A missing value is the empty string, or what ``missing`` of the entry says.
    nominal : set of str or None
        As of :func:`read`.
    """
    if dataset.format == "parquet":
        rows, columns, nominal = _read_parquet(name, path)
    else:
        content = decoded(name, path)
        if not content.strip():
            raise StudyError(f"data set {name}: {path.name} is empty; it needs columns and rows")
        readers = {"keel": _read_keel, "arff": _read_arff, "json": _read_json}
        read_format = readers.get(dataset.format, _read_delimited)
        rows, columns, nominal = read_format(name, content, dataset)
        odd = next((i for i, row in enumerate(rows, 1) if len(row) != len(columns)), None)
        if odd:
            raise StudyError(
                f"data set {name}: row {odd} has {len(rows[odd - 1])} fields, but there are "
                f"{len(columns)} columns; check the separator, the quotes and the column names"
            )
    repeated = [c for c, n in Counter(columns).items() if n > 1]
    if repeated:
        raise StudyError(
            f"data set {name}: duplicate column names {', '.join(map(repr, repeated))}; "
            "give every column a name of its own"
        )
    if "" in columns and "" not in dataset.drop:
        raise StudyError(
            f"data set {name}: column {columns.index('') + 1} has no name; name it, or leave it "
            'out if it only numbers the rows (drop: [""] in params.yaml)'
        )
    if not len(rows):
        raise StudyError(f"data set {name}: {path.name} has columns but no rows")
    frame = pd.DataFrame(rows, columns=columns, dtype=object)
    for column in frame:
        if column != dataset.text:
            frame[column] = [value.strip() for value in frame[column]]
    return frame, nominal


def decoded(name, path):
    """The text of a file in UTF-8, compressed or not, its lines ended by a line feed."""
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
    if dataset.format == "whitespace":
        rows = [line.split() for line in content.split("\n")]
    else:
        csv.field_size_limit(2**31 - 1)  # texts may be long
        reader = csv.reader(
            io.StringIO(content, newline=""),
            delimiter=dataset.separator or {"csv": ",", "tsv": "\t"}[dataset.format],
            quoting=csv.QUOTE_MINIMAL if dataset.quoting else csv.QUOTE_NONE,
            strict=True,  # or a stray quote would swallow rows
        )
        try:
            rows = list(reader)
        except csv.Error as error:
            raise StudyError(
                f"data set {name}: line {reader.line_num} cannot be read ({error}); check the "
                "quotes, or set quoting: false if a quote is an ordinary character there"
            ) from None
    rows = [row for row in rows if row and (len(row) > 1 or row[0].strip())]
    if dataset.columns or not dataset.header:
        columns = dataset.columns or [f"c{i}" for i in range(1, len(rows[0]) + 1)]
    else:
        columns, *rows = rows
    return rows, [column.strip() for column in columns], None


def _read_keel(name, content, _):
    header, *data = re.split(r"(?im)^@data[ \t]*$", content, maxsplit=1)
    attributes = KEEL_ATTRIBUTE.findall(header)
    if not data or not attributes:
        raise StudyError(f"data set {name}: no KEEL header (@attribute and @data lines)")
    columns = [column.strip("'") for column, _ in attributes]
    rows = [line.split(",") for line in data[0].split("\n") if line.strip()]
    nominal = {c for c, (_, kind) in zip(columns, attributes, strict=True) if "{" in kind}
    return rows, columns, nominal


def _read_arff(name, content, _):
    import arff

    try:
        loaded = arff.loads(content)
    except arff.ArffException as error:
        raise StudyError(f"data set {name}: not an ARFF file: {error}") from None
    columns = [column for column, _ in loaded["attributes"]]
    nominal = {c for c, kind in loaded["attributes"] if kind not in ("REAL", "NUMERIC", "INTEGER")}
    rows = [[_spelled(value) for value in row] for row in loaded["data"]]
    return rows, columns, nominal


def _read_json(name, content, dataset):
    try:
        tables = json.loads(content)
        rows = [(row, side) for side in ("train", "test") for row in tables[side]]
        if not all(isinstance(row, list) for row, _ in rows):
            raise TypeError
    except (ValueError, TypeError, KeyError) as error:
        raise StudyError(
            f"data set {name}: not a JSON object with lists of rows called train and test "
            f"({type(error).__name__})"
        ) from None
    return [[*map(_spelled, row), side] for row, side in rows], [*dataset.columns, "_part"], None


def _read_parquet(name, path):
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StudyError(f"data set {name}: {path.name} is not a Parquet file: {error}") from None
    kinds = pd.api.types
    nominal = {
        str(c)
        for c, kind in frame.dtypes.items()
        if kinds.is_bool_dtype(kind) or not kinds.is_numeric_dtype(kind)
    }
    values = frame.astype(object).where(frame.notna(), None).to_numpy()
    return [[_spelled(v) for v in row] for row in values], [str(c) for c in frame], nominal


def _spelled(value):
    """A parsed value as the string that a text file would have held."""
    if value is None:
        return ""
    return canonical(value) if isinstance(value, float) else str(value)


def canonical(value):
    """One spelling for each float: whole numbers without a point, the shortest of the others."""
    if math.isnan(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
