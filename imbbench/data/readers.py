"""Readers: a raw file of any format as rows of text.

Bytes become text in :func:`decoded` alone; text becomes rows in the one function of its format.
"""

import csv
import gzip
import io
import json
import math
import re
from collections import Counter

import pandas as pd

from imbbench.errors import StudyError

# What liac-arff cuts fractions off of (`integer`) or does not know (ranges, dates).
ARFF_KIND = re.compile(
    r"""(?im)^(\s*@attribute\s+(?:'[^']*'|"[^"]*"|\S+)\s+)"""
    r"""(?:(?:integer|real|numeric)\b\s*(?:\[[^]]*\])?|(date)\b.*)[ \t]*$"""
)
KEEL_ATTRIBUTE = re.compile(r"@attribute\s+('[^']+'|[^\s{]+?)\s*(\{.*\}|(?:real|integer)\b)", re.I)


def read_table(path, dataset):
    """One raw file as strings, blanks around them stripped unless they are texts.

    Returns
    -------
    frame : DataFrame of str
        A missing value is the empty string, or what ``missing`` of the entry says.
    nominal : set of str or None
        The columns that the file says are nominal; None where its format does not say.
    """
    rows, columns, nominal = READERS[dataset.format](path, dataset)
    odd = next((i for i, row in enumerate(rows, 1) if len(row) != len(columns)), None)
    if odd:
        raise StudyError(
            f"row {odd} has {len(rows[odd - 1])} fields, but there are {len(columns)} columns; "
            "check the separator, the quotes and the column names"
        )
    repeated = [c for c, n in Counter(columns).items() if n > 1 and c]
    if repeated:
        raise StudyError(
            f"duplicate column names {', '.join(map(repr, repeated))}; "
            "give every column a name of its own"
        )
    if "" in columns and "" not in dataset.drop:
        raise StudyError(
            f"column {columns.index('') + 1} has no name; name it, or leave it out (--drop "
            ", "
            'drop: [""] in params.yaml)'
        )
    if not rows:
        raise StudyError(f"{path.name} has columns but no rows")
    if columns.count("") > 1:  # one of them, the last, stands for all
        named = [i for i, c in enumerate(columns) if c]
        rest = [i for i, c in enumerate(columns) if not c]
        rows = [[*(row[i] for i in named), "".join(row[i] for i in rest)] for row in rows]
        columns = [*(columns[i] for i in named), ""]
    # Of objects: pandas' own strings are slow to go through.
    by_column = {
        column: [row[i] if column == dataset.text else row[i].strip() for row in rows]
        for i, column in enumerate(columns)
    }
    return pd.DataFrame(by_column, dtype=object), nominal


def decoded(path, encoding="utf-8"):
    """The text of a file, compressed or not, its lines ended by a line feed."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    try:
        text = content.decode(encoding).removeprefix("\ufeff").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        is_what, other = ("UTF-16", "utf-16") if is_utf16 else ("not UTF-8", "cp1252")
        raise StudyError(
            f"{path.name} is {is_what} text (byte {error.start}); save it as UTF-8, for example "
            f"with `iconv -f {other} -t utf-8 {path.name} > new-{path.name}`"
        ) from None
    if "\0" in text:
        raise StudyError(f"{path.name} has NUL bytes; save it as UTF-8 text")
    if not text.strip():
        raise StudyError(f"{path.name} is empty; it needs columns and rows")
    return text.replace("\r\n", "\n")


def _read_separated(path, dataset):
    csv.field_size_limit(2**31 - 1)  # texts may be long
    reader = csv.reader(
        io.StringIO(decoded(path, dataset.encoding), newline=""),
        delimiter=dataset.separator or {"csv": ",", "tsv": "\t"}[dataset.format],
        quoting=csv.QUOTE_MINIMAL if dataset.quoting else csv.QUOTE_NONE,
        strict=True,  # or a stray quote would swallow rows
    )
    try:
        return _headed(list(reader), dataset)
    except csv.Error as error:
        raise StudyError(
            f"line {reader.line_num} cannot be read ({error}); check the quotes, or set "
            "quoting: false if a quote is an ordinary character there"
        ) from None


def _read_whitespace(path, dataset):
    return _headed([line.split() for line in decoded(path, dataset.encoding).split("\n")], dataset)


def _headed(rows, dataset):
    """Rows without blank ones, and their column names, from the entry or the first row."""
    rows = [row for row in rows if row and (len(row) > 1 or row[0].strip())]
    if dataset.columns or not dataset.header:
        columns = dataset.columns or [f"c{i}" for i in range(1, len(rows[0]) + 1)]
    else:
        columns, *rows = rows
    return rows, [column.strip() for column in columns], None


def _read_keel(path, dataset):
    header, *data = re.split(r"(?im)^@data[ \t]*$", decoded(path), maxsplit=1)
    attributes = KEEL_ATTRIBUTE.findall(header)
    if not data or not attributes:
        raise StudyError("no KEEL header (@attribute and @data lines)")
    columns = [column.strip("'") for column, _ in attributes]
    rows = [line.split(",") for line in data[0].split("\n") if line.strip()]
    nominal = {c for c, (_, kind) in zip(columns, attributes, strict=True) if "{" in kind}
    return rows, columns, nominal


def _read_arff(path, dataset):
    import arff

    header, *data = re.split(r"(?im)^(?=@data\b)", decoded(path), maxsplit=1)
    header = ARFF_KIND.sub(lambda m: m[1] + ("string" if m[2] else "real"), header)
    try:
        loaded = arff.loads("".join([header, *data]))
    except (arff.ArffException, IndexError, ValueError, AttributeError) as error:
        raise StudyError(f"not an ARFF file: {error or type(error).__name__}") from None
    columns = [column for column, _ in loaded["attributes"]]
    nominal = {c for c, kind in loaded["attributes"] if kind not in ("REAL", "NUMERIC", "INTEGER")}
    return [[*map(_spelled, row)] for row in loaded["data"]], columns, nominal


def _read_json(path, dataset):
    try:
        tables = json.loads(decoded(path))
        rows = [(row, side) for side in ("train", "test") for row in tables[side]]
        if not all(isinstance(row, list) for row, _ in rows):
            raise TypeError
    except (ValueError, TypeError, KeyError) as error:
        raise StudyError(
            f"not a JSON object with lists of rows called train and test ({type(error).__name__})"
        ) from None
    return [[*map(_spelled, row), side] for row, side in rows], [*dataset.columns, "_part"], None


def _read_parquet(path, dataset):
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StudyError(f"{path.name} is not a Parquet file: {error}") from None
    kinds = pd.api.types
    nominal = {
        str(c)
        for c, kind in frame.dtypes.items()
        if (kinds.is_bool_dtype(kind) or not kinds.is_numeric_dtype(kind))
        and kinds.infer_dtype(frame[c], skipna=True) != "decimal"
    }
    values = frame.astype(object).where(frame.notna(), None).to_numpy()
    return [[*map(_spelled, row)] for row in values], [str(c) for c in frame], nominal


# Format -> reader(path, dataset), which returns the rows, the column names, and the nominal
# columns where the file declares them.
READERS = {
    "csv": _read_separated,
    "tsv": _read_separated,
    "whitespace": _read_whitespace,
    "keel": _read_keel,
    "arff": _read_arff,
    "json": _read_json,
    "parquet": _read_parquet,
}


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
