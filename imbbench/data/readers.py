"""Readers: a raw file of any format as rows of text.

Bytes become text in :mod:`imbbench.data.contents` alone; text becomes rows in the one function of
its format.
"""

import csv
import datetime
import io
import json
import lzma
import math
import re
import shlex
import zipfile
import zlib
from collections import Counter
from itertools import zip_longest

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from imbbench.data.columns import TEXT, column_of, empty_in, listed
from imbbench.data.contents import UNPACKED, decoded, unpacked
from imbbench.errors import StudyError

CELLS = 50_000_000  # of a table in a binary format, whose few bytes may claim any number
# What reading a member of a damaged zip file raises, by the ways to pack it.
DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(OSError, EOFError, RuntimeError, ValueError),
)
QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
ATTRIBUTE = re.compile(rf"@attribute[ \t]+({QUOTED}|[^\s{{]+)[ \t]*(.+)", re.I)
ATTRIBUTE_KIND = re.compile(r"(?:(numeric|real|integer)|string|date)(?![^\s\[])", re.I)
NOMINAL = re.compile(rf"\s*({QUOTED}|[^,]*)\s*(?:,|$)")
ORANGE_KIND = re.compile(r"(c|continuous|n|numeric)|(s|string|text|t|time|d|discrete|.* .*|)", re.I)
TOTAL = {"total", "totals", "grand total", "sum", "sums", "summe", "gesamt", "somme"}
SHOWN = 80  # characters of a line in a message
WHITESPACE = "".join(c for c in map(chr, range(128)) if c.isspace())


def read_table(path, dataset):
    """One raw file as strings, blanks around them stripped unless they are texts.

    Returns
    -------
    table : pyarrow.Table of strings
        A missing value is the empty string, or what ``missing`` of the entry says.
    nominal : set of str or None
        The columns that the file says are nominal; None where its format does not say.
    """
    if dataset.format in ("csv", "tsv"):
        table = _read_plain(path, dataset)
        if table is not None:
            return table, None
    rows, columns, nominal = READERS[dataset.format](path, dataset)
    if not rows:
        raise StudyError(f"{path.name} has columns but no rows")
    _check_shape(rows, columns, dataset)
    if columns.count("") > 1:  # one of them, the last, stands for all
        named = [i for i, c in enumerate(columns) if c]
        rest = [i for i, c in enumerate(columns) if not c]
        rows = [[*(row[i] for i in named), "".join(row[i] for i in rest)] for row in rows]
        columns = [*(columns[i] for i in named), ""]
    by_column = []
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        is_text = column == dataset.text
        try:
            column.encode()
            by_column.append(column_of(values if is_text else map(str.strip, values)))
        except UnicodeEncodeError:  # half a character, which JSON can write
            raise StudyError(
                f"column {column!r} has characters that are no text (lone surrogates); correct "
                "the file"
            ) from None
    return pa.table(by_column, names=columns), nominal


def _read_plain(path, dataset):
    """The table of a file of one line of names and even rows without quotes; of any other None.

    The same as what is read row by row, many times faster. What has to be looked at by rows, and
    refused perhaps, is left to that.
    """
    text, mark = table_text(path, dataset.encoding), _mark(dataset)
    head, _, body = text.partition("\n")
    columns = [column.strip() for column in head.split(mark)]
    if (
        (dataset.quoting and '"' in text)
        or "\r" in text
        or body.startswith("\ufeff")  # which pyarrow leaves out
        or not mark.isascii()
        or dataset.columns
        or dataset.header != 1
        or dataset.target not in columns
        or "" in columns
        or len({*columns}) < max(2, len(columns))
    ):
        return None
    places = [*map(str, range(len(columns)))]
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(body.encode()),
            pa_csv.ReadOptions(column_names=places),
            pa_csv.ParseOptions(delimiter=mark, quote_char=False, double_quote=False),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(places, TEXT)),
        ).rename_columns(columns)
    except (pa.ArrowInvalid, UnicodeEncodeError):
        return None
    # As the rows' own readers look at them, blanks and all.
    above = [*map(list, zip(*table.slice(0, 200).to_pydict().values(), strict=True))]
    if not above or _is_header(above, len(columns)):
        return None
    bare = text.isascii() and not any(c in text for c in {*WHITESPACE} - {mark, "\n"})
    stripped = []
    for column, values in zip(columns, table.columns, strict=True):
        if not bare and column != dataset.text:
            if pc.all(pc.string_is_ascii(values)).as_py():
                values = pc.ascii_trim(values, characters=WHITESPACE)
            else:
                values = column_of(map(str.strip, listed(values)))
        stripped.append(values)
    table = pa.table(stripped, names=columns)
    last = map(str.strip, table.slice(table.num_rows - 1).to_pylist()[0].values())
    is_total = next(filter(None, last), "").lower() in TOTAL
    return None if is_total or empty_in(table.column(dataset.target)) else table


def _check_shape(rows, columns, dataset):
    """Refuse rows of another length than the header, names that do not serve, and totals."""
    width = len(columns)
    odd = next((i for i, row in enumerate(rows, 1) if len(row) != width), None)
    if odd:
        names = _line(columns, dataset)
        way_on = (
            "check the separator (--separator), the quotes and the column names, and take out "
            "lines that are no rows (titles, notes, totals)"
        )
        if all(len(row) == width + 1 for row in rows):
            way_on = "every row has one more; if the first is the rows' own names, name it too"
        raise StudyError(
            f"row {odd} has {len(rows[odd - 1])} fields, but there are {width} columns ({names}): "
            f"{_line(rows[odd - 1], dataset)}; {way_on}"
        )
    _check_names(columns)
    if "" in columns and "" not in dataset.drop:
        raise StudyError(
            f"column {columns.index('') + 1} has no name; name it, or leave it out "
            '(--drop "", or `drop: [""]` in params.yaml)'
        )
    first = next((i for i, value in enumerate(rows[-1]) if value.strip()), None)
    if first is not None and rows[-1][first].strip().lower() in TOTAL and dataset.target in columns:
        at = columns.index(dataset.target)
        alone = [rows[-1][i] not in {row[i] for row in rows[:-1]} - {""} for i in (first, at)]
        if all(alone):
            row = _line(rows[-1], dataset)
            raise StudyError(f"the last row looks like a total ({row}); take it out of the file")


def _check_names(columns):
    if repeated := [c for c, n in Counter(columns).items() if n > 1 and c]:
        raise StudyError(
            f"duplicate column names {', '.join(map(repr, repeated))}; "
            "give every column a name of its own"
        )


def _line(row, dataset):
    """The beginning of a row for a message; of texts, which may hurt, nothing."""
    text = ",".join(row)
    if dataset.text:
        return "(texts are not shown)"
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def read_labels(path, dataset):
    """The labels of a file of their own: one a line, or an idx file.

    Returns
    -------
    list of str
    """
    if dataset.format == "idx":
        return [row[0] for row in _idx(path, 1)]
    lines = decoded(path, dataset.encoding).removesuffix("\n").split("\n")
    return [label.strip() for label in lines]


def _mark(dataset):
    return dataset.separator or {"csv": ","}.get(dataset.format, "\t")


def _read_separated(path, dataset):
    csv.field_size_limit(2**31 - 1)  # texts may be long
    text = table_text(path, dataset.encoding)
    rows = _fields(text, dataset, False)
    return _fields(text, dataset, True) if _quoted_behind_blanks(rows, dataset) else rows


def _quoted_behind_blanks(rows, dataset):
    """Whether blanks stand between marks and quotes; of texts, which may begin so, in all rows."""
    if not dataset.quoting:
        return False
    if dataset.text:
        behind = zip(*([re.match(' +"', value) for value in row] for row in rows[1:]), strict=False)
        return any(map(all, behind))
    return any(re.match(' +"', value) for row in rows for value in row)


def _fields(text, dataset, skip_blanks):
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=_mark(dataset),
        quoting=csv.QUOTE_MINIMAL if dataset.quoting else csv.QUOTE_NONE,
        strict=True,  # or a stray quote would swallow rows
        skipinitialspace=skip_blanks,
    )
    rows, start = [], 0
    try:
        for row in reader:
            rows.append(row)
            start = reader.line_num
    except csv.Error as error:
        line = _line(text.split("\n")[start : start + 1], dataset)
        raise StudyError(
            f"line {reader.line_num} cannot be read ({error}); its row begins with {line}; check "
            "the quotes, or set quoting: false if a quote is an ordinary character there"
        ) from None
    return rows


def table_text(path, encoding="utf-8"):
    """The text of a file as :func:`decoded`, without lines of comments (``#``) above the names.

    The last of them stays if it has as many fields as the line below: these are the names. A first
    line ``sep=;`` is a word to spreadsheet programs and goes, too.
    """
    text = re.sub(r"\A(?i:sep)=.\n", "", decoded(path, encoding))
    above = re.match(r"(?:#[^\n]*\n\s*)+", text)
    if not above or above.end() == len(text):
        return text
    names = above[0].rstrip().rsplit("\n", 1)[-1]
    below = text[above.end() :].split("\n", 1)[0]
    if any(_width(names, mark) == _width(below, mark) > 1 for mark in ",;\t|"):
        start = above[0].rstrip().rfind("\n") + 1
        # Set apart from a word the sign is that of a comment.
        return re.sub(r"\A#[ \t]+(?=\w)", "", text[start:])
    return text[above.end() :]


def _width(line, mark):
    return len(next(csv.reader([line], delimiter=mark), []))


def _read_table_text(path, dataset):
    return _headed(_read_separated(path, dataset), dataset)


def _read_whitespace(path, dataset):
    lines = table_text(path, dataset.encoding).split("\n")
    return _headed([split_at_blanks(line, dataset.quoting) for line in lines], dataset)


def split_at_blanks(line, quoting=True):
    """Fields between blanks; with ``quoting`` those in double quotes may have blanks within.

    Examples
    --------
    >>> split_at_blanks('1  "San José" x"y')
    ['1', 'San José', 'x"y']
    """
    if not quoting or '"' not in line:
        return line.split()
    found = re.findall(r'"((?:[^"\\]|\\.)*)"(?!\S)|(\S+)', line)
    return [re.sub(r"\\(.)", r"\1", quoted) or plain for quoted, plain in found]


def _headed(rows, dataset):
    """Rows without blank ones, and their column names, from the entry or the first rows."""
    rows = [row for row in rows if row and (len(row) > 1 or row[0].strip())]
    if not rows:
        raise StudyError("there are no rows")
    if dataset.columns or not dataset.header:
        return rows, dataset.columns or [f"c{i}" for i in range(1, len(rows[0]) + 1)], None
    names, rows = rows[: dataset.header], rows[dataset.header :]
    if dataset.header == 1:
        names = [full_header(names[0], rows)]
    columns = [
        " ".join(filter(None, map(str.strip, parts))) for parts in zip_longest(*names, fillvalue="")
    ]
    if dataset.target in columns:  # a row without a single value has no label either
        rows = [row for row in rows if any(map(str.strip, row))]
    if dataset.header == 1 and _is_header(rows, len(columns)):
        line = _line(rows[0], dataset)
        raise StudyError(
            f"row 1 looks like a second line of names, over columns of numbers: {line}; take one "
            "of the two lines out of the file, or say `header: 2` in params.yaml"
        )
    return rows, columns, None


def full_header(names, rows):
    """The names, and an empty one before them where R counts the rows in a column without a name.

    Examples
    --------
    >>> full_header(["age", "y"], [["1", "30", "no"], ["2", "41", "yes"]])
    ['', 'age', 'y']
    """
    if {*map(len, rows)} != {len(names) + 1}:
        return names
    counted = all(row[0] == str(i) for i, row in enumerate(rows, 1))
    return ["", *names] if counted else names


def _is_header(rows, width):
    """Whether words, all different, stand above two or more columns that are numbers otherwise."""
    below = rows[1:200]
    if len(below) < 10 or any(len(row) != width for row in rows[:200]):
        return False
    if any(map(_is_number, rows[0])):
        return False
    words = [
        first
        for first, *values in zip(*rows[:200], strict=True)
        if all(map(_is_number, filter(None, map(str.strip, values)))) and any(values)
    ]
    if len(words) < 2:
        return False
    # Units are such words.
    return len(set(words)) == len(words) and all(re.search(r"[^\W\d_]|[%°$€£]", w) for w in words)


def _is_number(value):
    try:
        return math.isfinite(float(value.replace(",", ".")))
    except ValueError:
        return False


def _read_orange(path, dataset):
    """Three lines above the rows: names, kinds, and what each column is for.

    What is to be ignored, or beside the features (``meta``), is left out unless the entry uses it.
    """
    names, kinds, flags, *rows = [*_read_separated(path, dataset), [], [], []]
    rows = [row for row in rows[: len(rows) - 3] if any(map(str.strip, row))]
    names = [name.strip() for name in names]
    kinds, flags = (([*row] + [""] * len(names))[: len(names)] for row in (kinds, flags))
    found = [ORANGE_KIND.fullmatch(kind.strip()) for kind in kinds]
    if not rows or not all(found) or not any(map(str.strip, kinds)):
        raise StudyError(
            f"{path.name} is not a table of Orange: its first three lines are names, kinds "
            "(continuous, discrete, string, time) and flags (class, meta, ignore); if it has one "
            "line of names, its format is tsv"
        )
    _check_shape(rows, names, dataset)
    used = {dataset.target, dataset.text, *dataset.drop, *dataset.categorical}
    left_out = [re.search(r"(?i)^\s*(i|ignore|m|meta|w|weight)\b", flag) for flag in flags]
    keep = [i for i, name in enumerate(names) if name in used or not left_out[i]]
    nominal = {names[i] for i in keep if not found[i][1]}
    return [[row[i] for i in keep] for row in rows], [names[i] for i in keep], nominal


def _attributes(header):
    """Name and kind of each ``@attribute``: float for numbers, str for words, or its values."""
    found = []
    for line in map(str.strip, header.split("\n")):
        if not re.match(r"@attribute\b", line, re.I):
            continue
        match = ATTRIBUTE.fullmatch(line)
        name, kind = match.groups() if match else ("", "")
        if kind.startswith("{"):
            values = NOMINAL.findall(kind[1:].rpartition("}")[0])
            kind = [_unquoted(value.strip()) for value in values if value.strip()]
        elif kind := ATTRIBUTE_KIND.match(kind):
            kind = float if kind[1] else str
        if not kind:
            raise StudyError(
                f"the line {line[:SHOWN]!r} does not declare a column; it needs a name and one of "
                "numeric, real, integer, string, date or its {values}"
            )
        found.append((_unquoted(name), kind))
    return found


def _unquoted(text):
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _read_keel(path, dataset):
    header, *data = re.split(r"(?im)^@data[ \t]*$", decoded(path, dataset.encoding), maxsplit=1)
    attributes = _attributes(header)
    if not data or not attributes:
        raise StudyError("no KEEL header (@attribute and @data lines)")
    rows = [line.split(",") for line in data[0].split("\n") if line.strip()]
    nominal = {name for name, kind in attributes if kind is not float}
    return rows, [name for name, _ in attributes], nominal


def _read_arff(path, dataset):
    import arff

    text = decoded(path, dataset.encoding)
    header, *data = re.split(r"(?im)^[ \t]*@data\b[^\n]*$", text, maxsplit=1)
    if not data:
        raise StudyError("not an ARFF file: it has no line @data")
    attributes = _attributes(header)
    # The library reads the values; its own header knows neither ranges, dates nor tabs, cuts the
    # fractions of `integer` off, and takes for ever over some lists of values.
    kinds = ["real" if kind is float else "string" for _, kind in attributes]
    plain = ["@relation r", *(f"@attribute c{i} {kind}" for i, kind in enumerate(kinds))]
    plain += [""] * max(1, header.count("\n") + 1 - len(plain))  # its messages name lines
    plain = "\n".join(plain)
    values = [line for line in map(str.strip, data[0].split("\n")) if line and line[0] != "%"]
    is_sparse = any(line[0] == "{" for line in values)
    if is_sparse and not all(line[0] == "{" for line in values):
        raise StudyError("not an ARFF file: some rows are sparse, in braces, and others are not")
    try:
        kind = arff.LOD if is_sparse else arff.DENSE
        loaded = arff.loads(f"{plain}@data{data[0]}", return_type=kind)
    except Exception as error:
        # Of many kinds, since the library checks little.
        problem = type(error).__name__ if dataset.text else error or type(error).__name__
        raise StudyError(f"not an ARFF file: {problem}") from None
    # What a sparse row leaves out is 0: of words, the first that is declared.
    zeros = ["0" if kind is float else "" if kind is str else kind[0] for _, kind in attributes]
    rows = [
        [_spelled(row[i]) if i in row else zero for i, zero in enumerate(zeros)]
        if is_sparse
        else [*map(_spelled, row)]
        for row in loaded["data"]
    ]
    for i, (name, kind) in enumerate(attributes):
        allowed = {"", *kind} if isinstance(kind, list) else None
        odd = allowed and next((n for n, row in enumerate(rows, 1) if row[i] not in allowed), None)
        if odd:
            value, values = _line([rows[odd - 1][i]], dataset), _line(kind, dataset)
            raise StudyError(
                f"row {odd} has {value} in column {name!r}, which declares {values}; correct "
                "the row, or add the value there"
            )
        if is_sparse and kind is str and not all(i in row for row in loaded["data"]):
            raise StudyError(
                f"sparse rows leave out {name!r}, a column of words without a declared zero; "
                "write its values in every row"
            )
    nominal = {name for name, kind in attributes if kind is not float}
    return rows, [name for name, _ in attributes], nominal


def _read_json(path, dataset):
    """An object of lists of rows, where the entry names the columns; objects or columns else."""
    content = _loaded(decoded(path, dataset.encoding), "not a JSON file")
    if dataset.columns:
        try:
            rows = [(row, side) for side in ("train", "test") for row in content[side]]
            if not all(isinstance(row, list) for row, _ in rows):
                raise TypeError
        except (TypeError, KeyError, IndexError) as error:
            raise StudyError(
                "not a JSON object with lists of rows called train and test "
                f"({type(error).__name__}); of objects leave columns out"
            ) from None
        columns = [*dataset.columns, "_part"]
        return _plain([[*row, side] for row, side in rows], columns, dataset), columns, None
    is_object = isinstance(content, dict) and content
    if is_object and len(content) == 1:  # a list of objects may have a name
        (only,) = content.values()
        if isinstance(only, list) and any(isinstance(one, dict) for one in only):
            return _records(only, dataset)
    if is_object and all(isinstance(values, list) for values in content.values()):
        if len({len(values) for values in content.values()}) > 1:
            raise StudyError("the lists of the JSON object, its columns, have different lengths")
        columns, rows = [*content], [*map(list, zip(*content.values(), strict=True))]
        return _plain(rows, columns, dataset), columns, None
    if not isinstance(content, list):
        raise StudyError(
            "not a JSON array of objects, nor an object of columns, each a list; write one of them"
        )
    return _records(content, dataset)


def _read_json_lines(path, dataset):
    lines = decoded(path, dataset.encoding).split("\n")
    lines = [(i, line) for i, line in enumerate(lines, 1) if line.strip()]
    return _records([_loaded(line, f"line {i} is no JSON") for i, line in lines], dataset)


def _records(objects, dataset):
    """Rows and columns of a list of JSON objects; what one of them does not have is missing."""
    odd = next((i for i, one in enumerate(objects, 1) if not isinstance(one, dict)), None)
    if odd:
        raise StudyError(f"entry {odd} is no JSON object (name: value), as every row must be")
    columns = [*dict.fromkeys(name.strip() for one in objects for name in one)]
    objects = [{name.strip(): value for name, value in one.items()} for one in objects]
    rows = [[one.get(name) for name in columns] for one in objects]
    return _plain(rows, columns, dataset), columns, None


def _loaded(text, problem):
    def once(pairs):
        if len(found := dict(pairs)) < len(pairs):
            name = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise ValueError(f"the name {name!r} occurs twice in one object")
        return found

    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise StudyError(f"{problem}: {error}; correct the file") from None


def _plain(rows, columns, dataset):
    """Parsed values spelled; lists and objects only in columns that are left out."""
    for row, values in enumerate(rows, 1):
        for name, value in zip(columns, values, strict=False):
            if isinstance(value, dict | list) and name not in dataset.drop:
                raise StudyError(_nested(name, f"{type(value).__name__}s, first in row {row}"))
    words = {True: "true", False: "false"}
    return [[words[v] if isinstance(v, bool) else _spelled(v) for v in row] for row in rows]


def _nested(name, kind):
    return (
        f"column {name!r} is nested ({kind}); write a column for each part, or leave it out "
        f"(--drop {shlex.quote(name)}, or `drop:` in params.yaml)"
    )


def _read_parquet(path, dataset):
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(unpacked(path)))
        shape = file.metadata.num_rows, file.metadata.num_columns
        _check_size(path, *shape)
        _check_names(file.schema_arrow.names)
        table = file.read()
        # What pandas writes for an index that has no name.
        table = table.select([c for c in table.schema.names if not re.match("__index_level_", c)])
        columns, by_column = table.schema.names, []
        noted = (table.schema.pandas_metadata or {}).get("columns", [])
        nominal = {c["name"] for c in noted if c["pandas_type"] == "categorical"} & {*columns}
        for field, values in zip(table.schema, table.columns, strict=True):
            kind = field.type
            is_binary = "binary" in str(kind)
            if (is_binary or pa.types.is_nested(kind)) and field.name in dataset.drop:
                values = pa.nulls(len(values))
            elif pa.types.is_nested(kind):
                raise StudyError(_nested(field.name, kind))
            elif is_binary:
                values = _as_text(field.name, values)
            if pa.types.is_float16(kind):
                values = values.cast(pa.float32())
            is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
            if not (is_number or pa.types.is_decimal(kind)):
                nominal.add(field.name)
            by_column.append([_spelled(value) for value in values.to_pylist()])
    except StudyError:
        raise
    except Exception as error:
        # Of many kinds, where a file is damaged: of the library, of text, of dates, of JSON.
        raise StudyError(
            f"{path.name} is not a Parquet file, or damaged: {str(error)[:SHOWN]}; write it again"
        ) from None
    return [*map(list, zip(*by_column, strict=True))], columns, nominal


def _as_text(name, values):
    try:
        return values.cast(pa.large_binary()).cast(TEXT)
    except pa.ArrowInvalid:
        raise StudyError(
            f"column {name!r} holds bytes that are no text; leave it out "
            f"(--drop {shlex.quote(name)}, or `drop:` in params.yaml)"
        ) from None


def _check_size(path, rows, columns):
    if rows * columns > CELLS:
        raise StudyError(
            f"{path.name} has {rows} rows of {columns} columns, more than the {CELLS} cells that "
            "are read; take a part of it"
        )


def _read_excel(path, dataset):
    """The sheet that has the target, of the values that formulas had when it was saved."""
    import python_calamine

    content = unpacked(path)
    if content.startswith(b"PK"):
        content = _checked_workbook(path, content)
    elif not content.startswith(b"\xd0\xcf\x11\xe0"):
        raise StudyError(
            f"{path.name} is not an Excel file, though its name or `format` says so; save it as "
            ".xlsx, or if it is text call it .csv or .tsv"
        )
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = [(name, book.get_sheet_by_name(name)) for name in book.sheet_names]
        for _, sheet in sheets:
            _check_size(path, sheet.total_height, sheet.total_width)
        sheets = {name: sheet.to_python() for name, sheet in sheets}
    except StudyError:
        raise
    except BaseException as error:
        # What Rust panics with is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise StudyError(
            f"{path.name} cannot be read as an Excel file: {str(error)[:SHOWN]}; save it again, "
            "or as CSV"
        ) from None
    found = {}
    for name, cells in sheets.items():
        rows = [[*map(_spelled, row)] for row in cells]
        if rows := [row for row in rows if any(row)]:
            used = [i for i, values in enumerate(zip(*rows, strict=True)) if any(values)]
            found[name] = [[row[i] for i in used] for row in rows]
    if not dataset.columns and len(found) > 1:
        wanted = [n for n, rows in found.items() if dataset.target in map(str.strip, rows[0])]
        found = {name: found[name] for name in wanted} or found
    if len(found) != 1:
        has = f"the sheets {', '.join(map(repr, found))}" if found else "no rows"
        raise StudyError(
            f"{path.name} has {has}; save the one that is meant as a file of its own, .xlsx or .csv"
        )
    return _headed(*found.values(), dataset)


def _checked_workbook(path, content):
    """A workbook packed anew without compression, after a look at what it would unpack to."""
    plain, total = io.BytesIO(), 0
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as book, zipfile.ZipFile(plain, "w") as copy:
            names = {entry.filename for entry in book.infolist()}
            if "xl/workbook.xml" not in names:
                raise StudyError(f"{path.name} is no .xlsx file; save it as one, or as CSV")
            for entry in book.infolist():
                with book.open(entry) as member:
                    data = member.read(UNPACKED + 1 - total)
                total += len(data)
                if total > UNPACKED:
                    raise StudyError(f"{path.name} unpacks to more than {UNPACKED} bytes")
                _check_sheet(path, data)
                copy.writestr(zipfile.ZipInfo(entry.filename), data)
    except DAMAGED as error:
        raise StudyError(f"{path.name} is damaged ({error}); save it again") from None
    return plain.getvalue()


def _check_sheet(path, data):
    """Refuse what would make a reader of sheets fill memory, and formulas without a value."""
    if re.search(rb"<!(?:DOCTYPE|ENTITY)", data, re.I):
        raise StudyError(f"{path.name} defines entities, as no workbook does; save it again")
    # The furthest row and column: cells between are made, too.
    places = re.finditer(rb"""\sr\s*=\s*["']([A-Za-z]*)(\d*)["']""", data)
    columns, rows = {b""}, {0}
    for place in places:
        columns.add(place[1].upper())
        rows.add(int(place[2] or 0))
    widest = max(columns, key=lambda letters: (len(letters), letters))
    width = 0
    for letter in widest:
        width = width * 26 + letter - 64
    _check_size(path, max(rows), max(1, width))
    bare = re.search(
        rb"<c\b[^>]*?\sr=.(\w+)[^>]*>\s*<f\b[^>]*(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v></v>)?\s*</c>",
        data,
    )
    if bare:
        raise StudyError(
            f"{path.name} has a formula without a value in cell {bare[1].decode()}; open it in a "
            "spreadsheet program and save it, or save it as CSV"
        )


def _read_idx(path, dataset):
    """Images of MNIST's format: a row each, pixels in their order."""
    rows = _idx(path, None)
    return rows, [f"c{i}" for i in range(1, len(rows[0]) + 1 if rows else 1)], set()


def _idx(path, axes):
    """The bytes of an idx file as numbers, a list for each of its first axis."""
    content = unpacked(path)
    n_axes = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    sizes = [int.from_bytes(content[i : i + 4], "big") for i in range(4, 4 + 4 * n_axes, 4)]
    start, (rows, *others) = 4 + 4 * n_axes, sizes or [0]
    width = math.prod(others)
    if not n_axes or (n_axes != axes if axes else n_axes < 2) or width == 0:
        is_what = "labels (one axis)" if axes else "images (two axes or more)"
        raise StudyError(f"{path.name} is not an idx file of unsigned bytes with {is_what}")
    if len(content) - start != rows * width:
        raise StudyError(
            f"{path.name} is damaged: its header says {rows} times {width} values, but it has "
            f"{len(content) - start}; download it again"
        )
    _check_size(path, rows, width)
    spelled = [str(byte) for byte in range(256)]
    ends = range(start, len(content), width)
    return [[spelled[byte] for byte in content[i : i + width]] for i in ends]


# Format -> reader(path, dataset), which returns the rows, the column names, and the nominal
# columns where the file declares them.
READERS = {
    "csv": _read_table_text,
    "tsv": _read_table_text,
    "whitespace": _read_whitespace,
    "keel": _read_keel,
    "arff": _read_arff,
    "orange": _read_orange,
    "json": _read_json,
    "jsonl": _read_json_lines,
    "parquet": _read_parquet,
    "excel": _read_excel,
    "idx": _read_idx,
}


def _spelled(value):
    """A parsed value as the string that a text file would have held."""
    if value is None:
        return ""
    if isinstance(value, float):
        return canonical(value)
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time() and not getattr(value, "nanosecond", 0)
        return str(value.date() if midnight else value)
    if isinstance(value, bytes):
        return value.decode()
    return str(value)


def canonical(value):
    """One spelling for each float: whole numbers without a point, the shortest of the others."""
    if math.isnan(value):
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
