import datetime
import decimal
import io
import json
import math
import tempfile
import zipfile
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workbooks import SHEET, packed, sheet, workbook

from imbbench.data import readers
from imbbench.data.datasets import Dataset, parse_dataset
from imbbench.data.readers import READERS, canonical, read_labels, read_table, table_text
from imbbench.errors import StudyError

ENTRY = {
    "source": {"path": "a"},
    "sha256": {"data": "0" * 64},
    "format": "csv",
    "target": "y",
    "modality": "tabular",
    "licence": "none",
    "why": "a test",
}


def rows_of(table):
    return [list(row) for row in zip(*table.to_pydict().values(), strict=True)]


@pytest.fixture
def read(tmp_path):
    """``read(content, **entry)``: column names, rows, and the nominal columns."""

    def go(content, suffix=".txt", **entry):
        path = tmp_path / f"data{suffix}"
        path.write_bytes(content)
        table, nominal = read_table(path, parse_dataset("toy", ENTRY | entry))
        return table.column_names, rows_of(table), nominal

    return go


def test_every_format_has_a_reader():
    assert set(READERS) == set(get_args(Dataset.model_fields["format"].annotation))


@pytest.mark.parametrize(
    ("content", "entry"),
    [
        (b"a,b,y\n1.0, x ,p\n\n,NA,q\n", {}),
        (b'\xef\xbb\xbfa,"b",y\r\n1.0,x,"p"\r\n \r\n,NA,q', {}),
        (b"a;b;y\n1.0;x;p\n;NA;q\n", {"separator": ";"}),
        (b"a\tb\ty\n1.0\tx\tp\n\tNA\tq\n", {"format": "tsv"}),
        (b"1.0,x,p\n,NA,q\n", {"columns": ["a", "b", "y"]}),
    ],
)
def test_separated_values_stay_as_they_are_spelled(content, entry, read):
    assert read(content, **entry) == (["a", "b", "y"], [["1.0", "x", "p"], ["", "NA", "q"]], None)


def test_compressed_and_without_names(read):
    import gzip

    expected = (["c1", "c2"], [["1", "p"], ["2", "q"]], None)
    assert read(gzip.compress(b"1,p\n2,q\n"), ".csv.gz", header=False) == expected
    assert read(b" 1  p\n2 q \n", format="whitespace", header=False) == expected


def test_quotes_are_quotes_or_characters(read):
    text = {"format": "tsv", "columns": ["y", "t"], "modality": "text", "text": "t"}
    quoted = b' ham \t"He said ""go""\tnow\nand left"\nspam\t plain \n'
    assert read(quoted, **text)[1] == [
        ["ham", 'He said "go"\tnow\nand left'],
        ["spam", " plain "],
    ]
    plain = b'ham\t"open\nspam\tsay "a, b"\nham\t"\n'
    assert read(plain, quoting=False, **text)[1] == [
        ["ham", '"open'],
        ["spam", 'say "a, b"'],
        ["ham", '"'],
    ]


def test_keel(read):
    content = (
        b"@relation toy\r\n@attribute Size real[4.6,15.9]\r\n@attribute 'The code' {0, 1}\r\n"
        b"@attribute Count integer [1, 804]\r\n@attribute y{positive,negative}\r\n"
        b"@inputs Size, Code, Count\r\n@outputs y\r\n@data\r\n"
        b" 4.60, 0, 1,positive\r\n\r\n<null>,1,3,negative\r\n"
    )
    assert read(content, format="keel") == (
        ["Size", "The code", "Count", "y"],
        [["4.60", "0", "1", "positive"], ["<null>", "1", "3", "negative"]],
        {"The code", "y"},
    )


def test_arff(read):
    content = (
        b"% words\n@RELATION r\n@ATTRIBUTE v(g) NUMERIC\n@ATTRIBUTE n INTEGER\n"
        b"@ATTRIBUTE x REAL\n@ATTRIBUTE kind {a,b}\n@ATTRIBUTE s STRING\n"
        b"@ATTRIBUTE y {false,true}\n@DATA\n1.10,2,0.5,a,'w x',false\n?,3,-0.0,?,z,true\n"
    )
    assert read(content, format="arff") == (
        ["v(g)", "n", "x", "kind", "s", "y"],
        [["1.1", "2", "0.5", "a", "w x", "false"], ["", "3", "0", "", "z", "true"]],
        {"kind", "s", "y"},
    )


def test_json(read):
    tables = {"val": [["no", "c"]], "test": [["x", None]], "train": [["a, b", 1], [" c ", 2.50]]}
    entry = {"format": "json", "columns": ["t", "y"], "modality": "text", "text": "t"}
    assert read(json.dumps(tables).encode(), **entry) == (
        ["t", "y", "_part"],
        [["a, b", "1", "train"], [" c ", "2.5", "train"], ["x", "", "test"]],
        None,
    )


def test_parquet(read, tmp_path):
    columns = {
        "n": [1, 2],
        "x": [0.1, None],
        "flag": [True, False],
        "zip": ["01", None],
        "day": pd.to_datetime(["2020-01-01", None]),
        "y": pd.Categorical(["a", "b"]),
    }
    pd.DataFrame(columns).to_parquet(tmp_path / "a")
    assert read((tmp_path / "a").read_bytes(), format="parquet") == (
        list(columns),
        [["1", "0.1", "True", "01", "2020-01-01", "a"], ["2", "", "False", "", "", "b"]],
        {"flag", "zip", "day", "y"},
    )
    pd.DataFrame(columns)[:0].to_parquet(tmp_path / "a")
    with pytest.raises(StudyError, match="columns but no rows"):
        read((tmp_path / "a").read_bytes(), format="parquet")


KEEL = b"@attribute a real\n@attribute y {p,q}\n@data\n"
REFUSED = {
    "not UTF-8": (
        b"a,y\n\xe4,p\n",
        {},
        r"data\.txt is not UTF-8 text \(byte 4\).*--encoding cp1252",
    ),
    "UTF-16": ("a,y\n1,p\n".encode("utf-16-le"), {}, r"data\.txt has NUL bytes"),
    "empty": (b"", {}, r"data\.txt is empty"),
    "blank": (b"\n \n", {}, r"data\.txt is empty"),
    "header only": (b"a,y\n", {}, r"data\.txt has columns but no rows"),
    "long row": (b"a,y\n1,p\n1,p,4\n", {}, "row 2 has 3 fields, but there are 2 columns"),
    "short row": (b"a,y\n1\n", {}, "row 1 has 1 fields, but there are 2 columns"),
    "names that do not fit": (b"1,2,p\n", {"columns": ["a", "y"]}, "row 1 has 3 fields.* are 2"),
    "stray quote": (b'a,y\n1,p\n"2,p\n', {}, r"line 3 cannot be read \(.*quoting: false"),
    "equal names": (b"a,b,a,b,y\n1,2,3,4,p\n", {}, "duplicate column names 'a', 'b'"),
    "no name": (b"a,,y\n1,2,p\n", {}, "column 2 has no name"),
    "no KEEL": (b"a,y\n1,p\n", {"format": "keel"}, "no KEEL header"),
    "KEEL without data": (KEEL[:-6], {"format": "keel"}, "no KEEL header"),
    "KEEL without rows": (KEEL, {"format": "keel"}, ".*columns but no rows"),
    "KEEL of another width": (KEEL + b"1,p\n1,2,q\n", {"format": "keel"}, "row 2 has 3 fields"),
    "no ARFF": (b"a,y\n1,p\n", {"format": "arff"}, "not an ARFF file: "),
    "no Parquet": (b"a,y\n1,p\n", {"format": "parquet"}, r"data\.txt is not a Parquet file"),
    "no JSON": (b"{", {"format": "json"}, "not a JSON file: .*line 1"),
    "JSON list": (b'[["a", "p"]]', {"format": "json"}, "not a JSON object .*TypeError"),
    "JSON without test": (b'{"train": [["a", "p"]]}', {"format": "json"}, ".*KeyError"),
    "JSON of strings": (b'{"train": ["ap"], "test": []}', {"format": "json"}, ".*TypeError"),
    "JSON of another width": (
        b'{"train": [["a", "p"]], "test": [["a", "p", "q"]]}',
        {"format": "json"},
        "row 2 has 4 fields, but there are 3",
    ),
    "JSON without rows": (
        b'{"train": [], "test": []}',
        {"format": "json"},
        ".*columns but no rows",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case, read):
    content, entry, problem = REFUSED[case]
    entry = entry | ({"columns": ["a", "y"]} if entry.get("format") == "json" else {})
    with pytest.raises(StudyError, match="^" + problem):
        read(content, **entry)


def test_a_column_without_name_may_be_one_to_drop(read):
    assert read(b",y\n0,p\n", drop=[""])[0] == ["", "y"]


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        (3.0, "3"),
        (-0.0, "0"),
        (2.50, "2.5"),
        (1e-4, "0.0001"),
        (5e-5, "5e-05"),
        (9007199254740991.0, "9007199254740991"),
        (9007199254740992.0, "9007199254740992.0"),
        (1e22, "1e+22"),
        (math.nan, ""),
    ],
)
def test_canonical_numbers(value, spelled):
    assert canonical(value) == spelled


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_canonical_numbers_lose_nothing(value):
    spelled = canonical(value)
    assert float(spelled) == value
    assert canonical(float(spelled)) == spelled


@pytest.mark.parametrize("kind", ["integer", "INTEGER [0, 30]", "real [0,9]", "numeric"])
def test_arff_numbers_keep_their_fractions(kind, read):
    content = f"@relation r\n@attribute 'a b' {kind}\n@attribute y {{p,q}}\n@data\n1.75,p\n2,q\n"
    expected = (["a b", "y"], [["1.75", "p"], ["2", "q"]], {"y"})
    assert read(content.encode(), format="arff") == expected


def test_arff_dates_are_words_and_data_lines_are_left_alone(read):
    content = b"""@relation r
@attribute d date "yyyy-MM-dd"
@attribute y string
@data
'2020-01-02','@attribute x integer'
"""
    expected = (["d", "y"], [["2020-01-02", "@attribute x integer"]], {"d", "y"})
    assert read(content, format="arff") == expected


@pytest.mark.parametrize("header", ["@attribute", "@attribute a {}", "@attribute a"])
def test_a_broken_arff_header_is_one_message(header, read):
    with pytest.raises(
        StudyError, match=rf"the line '{header}' does not declare a column; it needs"
    ):
        read(f"@relation r\n{header}\n@attribute y {{p,q}}\n@data\nu,p\n".encode(), format="arff")


def test_parquet_decimals_are_numbers(tmp_path):
    path = tmp_path / "data.parquet"
    frame = pd.DataFrame({"a": [decimal.Decimal("1.50"), None], "w": ["x", None], "y": ["p", "q"]})
    frame.to_parquet(path)
    found, nominal = read_table(path, parse_dataset("toy", ENTRY | {"format": "parquet"}))
    assert rows_of(found) == [["1.50", "x", "p"], ["", "", "q"]]
    assert nominal == {"w", "y"}


def test_a_second_byte_order_mark_is_no_part_of_a_name(read):
    assert read(b"\xef\xbb\xbf\xef\xbb\xbfa,y\n1,p\n")[0] == ["a", "y"]


def test_columns_without_a_name_that_are_left_out_stand_together(read):
    assert read(b",a,,y\n1,2,,p\n,3,x,q\n", drop=[""]) == (
        ["a", "y", ""],
        [["2", "p", "1"], ["3", "q", "x"]],
        None,
    )
    with pytest.raises(StudyError, match="column 1 has no name"):
        read(b",a,,y\n1,2,,p\n")


HEAD = "@relation r\n"
ARFF = {
    "quoted names": (
        "@attribute 'it\\'s a' real\n@attribute \"b \\\"c\" {'p q', r}\n@data\n1,'p q'\n",
        (["it's a", 'b "c'], [["1", "p q"]], {'b "c'}),
    ),
    "tabs, comments": (
        "@attribute\ta\treal % one\n@ATTRIBUTE y {p,q} % two\n@DATA % three\n1,p\n%\n\n2,q\n",
        (["a", "y"], [["1", "p"], ["2", "q"]], {"y"}),
    ),
    "sparse": (
        "@attribute a real\n@attribute b {u,v}\n@attribute y {p,q}\n@data\n% none\n"
        "{0 1.5, 2 q}\n{}\n{1 v, 0 ?}\n",
        (["a", "b", "y"], [["1.5", "u", "q"], ["0", "u", "p"], ["", "v", "p"]], {"b", "y"}),
    ),
}


@pytest.mark.parametrize("case", ARFF)
def test_arff_as_weka_writes_it(case, read):
    content, expected = ARFF[case]
    assert read((HEAD + content).encode(), format="arff") == expected


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("@attribute y {p,q}\n@data\nr\n", "row 1 has 'r' in column 'y', which declares 'p,q'"),
        ("@attribute a real\n@attribute y {p}\n@data\n{0 1}\n1,p\n", "some rows are sparse"),
        ("@attribute s string\n@attribute y {p}\n@data\n{1 p}\n", "sparse rows leave out 's'"),
        ("@attribute a real\n@data\nx\n", "not an ARFF file: .*line 4"),
        ("@attribute a relational\n@data\nx\n", "the line '@attribute a relational' does not"),
        ("@attribute a real\n1\n", "no line @data"),
    ],
)
def test_arff_that_is_refused(lines, problem, read):
    with pytest.raises(StudyError, match=problem):
        read((HEAD + lines).encode(), format="arff")


def test_arff_with_many_values_and_a_comment_is_quick(read):
    """A list of values with anything behind it took the library for ever."""
    values = ",".join(f"v{i}" for i in range(2000))
    content = f"{HEAD}@attribute y {{{values}}} % all\n@data\nv7\n"
    assert read(content.encode(), format="arff")[1] == [["v7"]]


def test_keel_names_that_hold_a_word_for_a_type(read):
    content = (
        b"@relation r\n@attribute class_real real [0.0, 1.0]\n@attribute integer integer[0,1]\n"
        b"@attribute 'real size' real\n@attribute \"a {b}\" {0,1}\n@attribute y{p,q}\n"
        b"@inputs class_real\n@outputs y\n@data\n0.5,1,2,0,p\n"
    )
    names = ["class_real", "integer", "real size", "a {b}", "y"]
    expected = (names, [["0.5", "1", "2", "0", "p"]], {"a {b}", "y"})
    assert read(content, format="keel") == expected
    with pytest.raises(StudyError, match="the line '@attribute b binary' does not declare"):
        read(b"@attribute b binary\n@attribute y {p,q}\n@data\n1,p\n", format="keel")


ORANGE = "Text\tAge\tWhen\tNote\tKind\nstring\tc\ttime\td\t{}\n{}\n{}\n"


def test_orange(read):
    row = 'say "hi"\t4\t2020-01-02\tx\tham'
    for kinds in ("d", "discrete", "ham spam"):
        content = ORANGE.format(kinds, "\t\tmeta\ti\tclass", "\t\t\t\t\n" + row)
        found = read(content.encode(), format="orange", target="Kind")
        assert found == (["Text", "Age", "Kind"], [['say "hi"', "4", "ham"]], {"Text", "Kind"})
    found = read(content.encode(), format="orange", target="Kind", categorical=["Note", "When"])
    assert found[0] == ["Text", "Age", "When", "Note", "Kind"]
    with pytest.raises(StudyError, match=r"not a table of Orange: .*its format is tsv"):
        read(b"Age\tKind\n1\tham\n2\tspam\n3\tham\n", format="orange", target="Kind")
    with pytest.raises(StudyError, match="row 1 has 2 fields, but there are 5 columns"):
        read(ORANGE.format("d", "", "a\tb").encode(), format="orange", target="Kind")


def test_json_of_objects_and_of_columns(read):
    objects = [{"a": 1.50, "y": True}, {"y": "q", "zip": "01"}, {"y": None, "a": 7}]
    expected = (["a", "y", "zip"], [["1.5", "true", ""], ["", "q", "01"], ["7", "", ""]], None)
    assert read(json.dumps(objects).encode(), format="json") == expected
    lines = "\n\n".join(map(json.dumps, objects)).encode()
    assert read(lines, format="jsonl") == expected
    columns = {"a": [1.5, None, 7], "y": [True, "q", None], "zip": ["", "01", ""]}
    assert read(json.dumps(columns).encode(), format="json") == expected


NESTED = {"a": {"b": 1}, "y": "p"}


@pytest.mark.parametrize(
    ("format_", "content", "problem"),
    [
        ("json", json.dumps([NESTED]), r"column 'a' is nested \(dicts, first in row 1\).*--drop a"),
        ("jsonl", '{"y": 1}\n{"y": [2]}', r"column 'y' is nested \(lists, first in row 2\)"),
        ("jsonl", '{"y": 1}\n{"y": ', "line 2 is no JSON"),
        ("jsonl", '{"y": 1}\n[2]', "entry 2 is no JSON object"),
        ("json", '{"a": [1], "y": [1, 2]}', "different lengths"),
        ("json", '{"a": 1}', "not a JSON array of objects"),
        ("json", "[]", "columns but no rows"),
        ("json", '[{"y": 1, "y": 2}]', "the name 'y' occurs twice"),
        ("json", '[{"y": "\\ud800"}]', "column 'y' has characters that are no text"),
        ("json", "[" * 50_000, "not a JSON file: .*recursion"),
        ("json", "1" * 5000, "not a JSON file: "),
    ],
)
def test_json_that_is_refused(format_, content, problem, read):
    with pytest.raises(StudyError, match=problem):
        read(content.encode(), format=format_)


def test_nested_values_may_be_left_out(read):
    assert read(json.dumps([NESTED]).encode(), format="json", drop=["a"])[0] == ["a", "y"]


def test_parquet_by_type(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    def go(table, **entry):
        pq.write_table(
            pa.table(table) if isinstance(table, dict) else table, tmp_path / "a.parquet"
        )
        dataset = parse_dataset("toy", ENTRY | {"format": "parquet"} | entry)
        table, nominal = read_table(tmp_path / "a.parquet", dataset)
        return table.to_pydict(), nominal

    moment = datetime.datetime(2020, 1, 2, 3, 4, 5)
    columns = {
        "big": pa.array([2**60 + 1, None]),
        "half": pa.array([0.5, None], pa.float16()),
        "day": pa.array([moment.date(), None]),
        "at": pa.array([moment, None], pa.timestamp("ns")),
        "bytes": pa.array([b"x", None]),
        "y": pa.array(["p", "q"]),
    }
    spelled = {
        "big": ["1152921504606846977", ""],
        "half": ["0.5", ""],
        "day": ["2020-01-02", ""],
        "at": ["2020-01-02 03:04:05", ""],
        "bytes": ["x", ""],
        "y": ["p", "q"],
    }
    assert go(columns) == (spelled, {"day", "at", "bytes", "y"})
    pd.DataFrame({"y": pd.Categorical([2, 1])}).to_parquet(tmp_path / "a.parquet")
    dataset = parse_dataset("toy", ENTRY | {"format": "parquet"})
    assert read_table(tmp_path / "a.parquet", dataset)[1] == {"y"}
    for value in ([1], {"b": 1}):
        with pytest.raises(StudyError, match=r"column 'a b' is nested \(.*--drop 'a b'"):
            go({"a b": pa.array([value]), "y": ["p"]})
    assert list(go({"a": pa.array([[1]]), "y": ["p"]}, drop=["a"])[0]) == ["a", "y"]


def test_parquet_that_claims_more_cells_than_are_read(tmp_path, monkeypatch):
    """The index that pandas writes is a column where it has a name."""
    frame = pd.DataFrame({"y": ["p", "q"]}, index=pd.Index([5, 7], name="id"))
    frame.to_parquet(tmp_path / "a.parquet")
    dataset = parse_dataset("toy", ENTRY | {"format": "parquet"})
    found, _ = read_table(tmp_path / "a.parquet", dataset)
    assert found.to_pydict() == {"y": ["p", "q"], "id": ["5", "7"]}
    monkeypatch.setattr(readers, "CELLS", 3)
    with pytest.raises(StudyError, match="2 rows of 2 columns, more than the 3 cells"):
        read_table(tmp_path / "a.parquet", dataset)


NAMES = ("a", "when", "y")
EMPTY = sheet()


def test_excel(read):
    """Values of formulas, never the formulas; dates by day; empty rows and columns left out."""
    rows = sheet(
        (*NAMES[:2], None, "y"),
        (1.5, " s='1'><v>43832</v></c>", None, "p"),
        (None, None, None, None),
        ("><f>1+1</f><v>2</v></c>", " s='1'><v>43832.25</v></c>", None, "=cmd|x"),
    )
    expected = [["1.5", "2020-01-02", "p"], ["2", "2020-01-02 06:00:00", "=cmd|x"]]
    for content in (workbook(S=rows), workbook(Words=sheet(("what",)), Data=rows, Rest=EMPTY)):
        assert read(content, ".xlsx", format="excel") == ([*NAMES], expected, None)


DATA = sheet(("a", "y"), (1, "p"))
TARGETS = {
    "two sheets": (workbook(S=DATA, T=DATA), "has the sheets 'S', 'T'; save the one"),
    "no cells": (workbook(S=EMPTY), "has no rows"),
    "bare formula": (workbook(S=sheet(NAMES, (1, "><f>1+1</f></c>"))), "value in cell B2"),
    "bare empty": (workbook(S=sheet(NAMES, (1, "><f>1+1</f><v/></c>"))), "value in cell B2"),
    "far cell": (
        workbook(S=SHEET.format("", "<row><c r='A1'/></row><row><c r='XFD1048576'/></row>")),
        "1048576 rows of 16384 columns, more than",
    ),
    "entities": (workbook(S="<!DOCTYPE x [<!ENTITY a 'b'>]>" + DATA), "defines entities"),
    "no XML": (workbook(S="<worksheet"), "cannot be read as an Excel file"),
    "no workbook": (packed({"[Content_Types].xml": ""}), r"is no \.xlsx file"),
    "no zip": (b"PK\3\4", r"cannot be unpacked \("),
    "an old file": (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "cannot be read as an Excel file"),
    "text": (b"a,y\n1,p\n", "is not an Excel file"),
}


@pytest.mark.parametrize("case", TARGETS)
def test_excel_that_is_refused(case, read):
    content, problem = TARGETS[case]
    with pytest.raises(StudyError, match=problem):
        read(content, ".xlsx", format="excel")


def test_excel_that_unpacks_to_too_much(read, monkeypatch):
    monkeypatch.setattr(readers, "UNPACKED", 20_000)
    assert read(workbook(S=DATA), ".xlsx", format="excel")[0] == ["a", "y"]
    with pytest.raises(StudyError, match="unpacks to more than 20000 bytes"):
        read(workbook(S=DATA + " " * 20_000), ".xlsx", format="excel")


def idx(*sizes, values, kind=8):
    return bytes([0, 0, kind, len(sizes)]) + b"".join(n.to_bytes(4, "big") for n in sizes) + values


def test_idx(read, tmp_path):
    expected = (["c1", "c2", "c3", "c4"], [["1", "2", "3", "255"], ["0", "9", "8", "7"]], set())
    content = idx(2, 2, 2, values=bytes([1, 2, 3, 255, 0, 9, 8, 7]))
    assert read(content, format="idx") == expected
    labels = tmp_path / "labels.txt"
    labels.write_bytes(idx(3, values=bytes([7, 0, 255])))
    dataset = parse_dataset("toy", ENTRY | {"format": "idx"})
    assert read_labels(labels, dataset) == ["7", "0", "255"]
    labels.write_bytes(content)
    with pytest.raises(StudyError, match=r"not an idx file .* labels \(one axis\)"):
        read_labels(labels, dataset)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (idx(2, values=b"ab"), r"not an idx file .* images \(two axes or more\)"),
        (idx(2, 2, 2, values=b"12345678", kind=9), "not an idx file of unsigned bytes"),
        (idx(2, 0, values=b""), "not an idx file"),
        (idx(0, 2, values=b""), "columns but no rows"),
        (idx(2, 2, values=b"123"), "header says 2 times 2 values, but it has 3; download"),
        (idx(2, 2, values=b"12345"), "but it has 5"),
        (b"\0\0\x08", "not an idx file"),
        (b"\0\0\x08\xff", "not an idx file|is damaged"),
    ],
)
def test_idx_that_is_refused(content, problem, read):
    with pytest.raises(StudyError, match=problem):
        read(content, format="idx")


@pytest.mark.parametrize(
    ("content", "entry", "rows"),
    [
        (b'a, "b", y\n1, "x, z", "p"\n2, w, "q"\n', {}, [["1", "x, z", "p"], ["2", "w", "q"]]),
        (
            b'b,y\n "x, z",p\n "w",q\n',
            {"modality": "text", "text": "b"},
            [["x, z", "p"], ["w", "q"]],
        ),
        # One text that begins so is a text.
        (
            b'b,y\n "x" he said,p\n w,q\n',
            {"modality": "text", "text": "b"},
            [[' "x" he said', "p"], [" w", "q"]],
        ),
        (b'a,b,y\n1, "x",p\n', {"quoting": False}, [["1", '"x"', "p"]]),
        (
            b'"a b"  "c" y\n"San Jos\xc3\xa9" "" p\n"say \\"no\\"" x"z q\n',
            {"format": "whitespace"},
            [["San José", "", "p"], ['say "no"', 'x"z', "q"]],
        ),
    ],
)
def test_quotes_behind_and_around_blanks(content, entry, rows, read):
    assert read(content, **entry)[1] == rows


def test_rows_that_r_has_counted(read):
    content = b'"a" "y"\n"1" 5 "p"\n"2" 6 "q"\n'
    columns, rows, _ = read(content, format="whitespace", drop=[""])
    assert (columns, rows) == (["", "a", "y"], [["1", "5", "p"], ["2", "6", "q"]])
    with pytest.raises(StudyError, match="every row has one more"):
        read(content.replace(b'"2"', b'"7"'), format="whitespace", drop=[""])


def test_bytes_that_are_no_text_may_be_left_out(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"img": [b"\x89PNG", b"\xff"], "t": [b"a", b"b"], "y": ["p", "q"]}).to_parquet(
        path
    )
    with pytest.raises(
        StudyError, match=r"column 'img' holds bytes that are no text; .*--drop img"
    ):
        read_table(path, parse_dataset("toy", ENTRY | {"format": "parquet"}))
    table, _ = read_table(
        path, parse_dataset("toy", ENTRY | {"format": "parquet", "drop": ["img"]})
    )
    assert rows_of(table) == [["", "a", "p"], ["", "b", "q"]]


def test_parquet_with_a_name_twice(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table([["1"], ["2"], ["p"]], names=["a", "a", "y"]), path)
    with pytest.raises(StudyError, match="duplicate column names 'a'"):
        read_table(path, parse_dataset("toy", ENTRY | {"format": "parquet"}))


def test_a_list_of_objects_may_have_a_name(read):
    content = json.dumps({"data": [{"a": 1, "y": "p"}, {"a": None, "y": "q"}]}).encode()
    columns, rows, _ = read(content, format="json")
    assert (columns, rows) == (["a", "y"], [["1", "p"], ["", "q"]])


def test_labels_of_their_own_are_lines(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(" p \r\nä\r\n\r\nq\r\n".encode("cp1252"))
    dataset = parse_dataset("toy", ENTRY | {"encoding": "cp1252"})
    assert read_labels(path, dataset) == ["p", "ä", "", "q"]


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("# made, 2020\n#\n\na,b,y\n1,2,p\n", "a,b,y\n1,2,p\n"),
        ("# made by x\n#a,b,y\n1,2,p\n", "#a,b,y\n1,2,p\n"),
        ("#a,b,y\n1,2,p\n", "#a,b,y\n1,2,p\n"),
        ("a,y\n#1,p\n", "a,y\n#1,p\n"),
        ("# all\n# of it\n", "# all\n# of it\n"),
        ("# a,b,y\n1,2,p\n", "a,b,y\n1,2,p\n"),
        ('#,b,y\n1,"2, 3",p\n', '#,b,y\n1,"2, 3",p\n'),
        ("sep=;\na;b;y\n1;2;p\n", "a;b;y\n1;2;p\n"),
    ],
)
def test_comments_above_the_names_are_left_out(text, without, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    assert table_text(tmp_path / "a.csv") == without


SECOND = b"X1,X2,y\nLIMIT,SEX,D\n" + b"1,2,p\n3,,q\n" * 5


def test_lines_of_names(read):
    with pytest.raises(StudyError, match=r"second line of names.*'LIMIT,SEX,D'.*`header: 2`"):
        read(SECOND)
    names, rows, _ = read(SECOND, header=2, target="y D")
    assert (names, rows[0]) == (["X1 LIMIT", "X2 SEX", "y D"], ["1", "2", "p"])
    assert read(b",b\na,\nu,v\n", header=2)[0] == ["a", "b"]
    for first in (b"n/k,2,p", b"NA,?,p", b"x,x,p", b"big,bad,7"):
        assert read(b"a,b,y\n" + first + b"\n1,2,p\n3,4,q\n" * 6)[0] == ["a", "b", "y"]


def test_a_total_at_the_end_is_refused_with_its_line(read):
    table = b"a,b,y\n1,x,p\n2,z,q\n"
    for total in (b"Total,,", b" TOTAL ,9,2", b",sum,"):
        with pytest.raises(StudyError, match=r"row looks like a total \(.*(?i:total|sum).*take"):
            read(table + total + b"\n")
    assert len(read(table + b"total,x,p\n")[1]) == 3
    assert len(read(b"b,y\ntotal,p\nx,q\ntotal,r\n")[1]) == 3


def test_a_row_of_another_length_is_shown_but_no_text(read):
    content = b"a,b,y\n1,2,p\n1,2\n"
    with pytest.raises(StudyError, match=r"row 2 has 2 .* 3 columns \('a,b,y'\): '1,2'; check"):
        read(content)
    with pytest.raises(StudyError, match=r"row 2 has 2 fields") as caught:
        read(content, text="a", modality="text")
    assert "1,2" not in str(caught.value)
    with pytest.raises(StudyError, match="every row has one more; if the first is the rows' own"):
        read(b"a,y\nr1,1,p\nr2,2,q\n")
    with pytest.raises(StudyError, match=r"'x{80}…'"):
        read(b"a,y\n" + b"x" * 10_000_000 + b"\n")


def test_rows_without_a_value_are_no_rows(read):
    assert read(b"a,y\n1,p\n,\n , \n")[1] == [["1", "p"]]
    assert read(b"a,b\n1,2\n,\n")[1] == [["1", "2"], ["", ""]]  # labels may be elsewhere


def test_a_cell_of_ten_megabytes_and_ten_thousand_columns_are_read(read):
    cell = b"x" * 10_000_000
    assert read(b'a,y\n"' + cell + b'",p\n')[1][0][0] == cell.decode()
    row = ",".join(["1"] * 10_000).encode()
    names, rows, _ = read(b"\n".join([row] * 60), header=False)
    assert (len(names), len(rows)) == (10_000, 60)


def damaged(content):
    """Bytes with a few pieces cut out, put in or changed."""
    piece = st.one_of(st.binary(max_size=8), st.sampled_from(TRICKS))
    edit = st.tuples(st.integers(0, len(content)), st.integers(0, 12), piece)

    def apply(edits):
        found = content
        for start, length, new in edits:
            found = found[:start] + new + found[start + length :]
        return found

    return st.lists(edit, max_size=4).map(apply)


TRICKS = [b"\n", b"\r", b",", b'"', b"'", b"{", b"}", b"[", b"\\u", b"\0", b"\xff\xfe", b"@data\n"]
TRICKS += [b"1e999", b"NaN", b"<c r='A9999999'>", b"\xef\xbb\xbf", b"#", b"%", b"\t", b"PK\3\4"]
PLAIN = b"a,b,y\n1,x y,p\n2.5,,q\n"
ORANGE_FILE = ORANGE.format("d", "\t\t\t\tclass", "a\t1\t\t\tham\n").encode()


def parquet_file():
    content = io.BytesIO()
    columns = {"a": [1.5, None], "b": ["x", "y"], "y": pd.Categorical(["p", "q"])}
    pd.DataFrame(columns).assign(t=pd.Timestamp("2020-01-02")).to_parquet(content)
    return content.getvalue()


# Format -> entry, a file that is read, and how what was damaged is packed.
VALID = {
    "csv": ({}, PLAIN, bytes),
    "tsv": ({}, PLAIN.replace(b",", b"\t"), bytes),
    "whitespace": ({"header": False}, b"1 2 p\n3 4 q\n", bytes),
    "keel": ({}, KEEL + b"1,p\n2,q\n", bytes),
    "arff": ({}, (HEAD + ARFF["sparse"][0] + "@attribute 'a b' {c, 'd e'}\n").encode(), bytes),
    "orange": ({"target": "Kind"}, ORANGE_FILE, bytes),
    "json": ({}, b'[{"a": 1.5, "y": "p"}, {"y": null, "b": [1]}]', bytes),
    "jsonl": ({"drop": ["b"]}, b'{"a": 1.5, "y": "p"}\n{"y": null, "b": [1]}\n', bytes),
    "parquet": ({}, parquet_file(), bytes),
    "excel": ({}, DATA.encode(), lambda xml: workbook(S=xml)),
    "idx": ({}, idx(2, 1, 2, values=b"abcd"), bytes),
}


@pytest.mark.parametrize("format_", READERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_is_in_a_file_it_is_read_or_refused(format_, data):
    """Bytes of a good file changed, at random, and texts: never another error."""
    entry, content, pack = VALID[format_]
    dataset = parse_dataset("toy", ENTRY | {"format": format_} | entry)
    written = data.draw(damaged(content).map(pack) | damaged(pack(content)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.txt"
        path.write_bytes(written)
        try:
            table, _ = read_table(path, dataset)
        except StudyError:
            return
    assert all(isinstance(value, str) for row in rows_of(table) for value in row)


FIELD = st.one_of(
    st.sampled_from(["", "1", "2.5", "p", "total", "NA", '"', "#"]),
    st.sampled_from([" a ", "ä", "\xa0ä\t", "\x1f", "\ufeff1"]),
    st.text("ab1 .\x0b\u2028ä", max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(2, 3).flatmap(
        lambda n: (
            st.lists(st.lists(FIELD, min_size=2, max_size=n), min_size=2, max_size=25)
            | st.lists(st.lists(FIELD, min_size=n, max_size=n), min_size=2, max_size=25)
        )
    ),
    st.sampled_from([{}, {"quoting": False}, {"text": "b", "modality": "text"}, {"target": "b"}]),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["", "\n", "\n\n", "\n \n"]),
)
def test_a_plain_file_is_read_as_row_by_row(tmp_path_factory, rows, entry, mark, end):
    path = tmp_path_factory.mktemp("plain") / "a.csv"
    lines = [["a", "b", "y"][-len(rows[0]) :], *rows[1:]]
    path.write_text("\n".join(map(mark.join, lines)) + end, encoding="utf-8")
    dataset = parse_dataset("toy", ENTRY | {"separator": mark} | entry)

    def outcome():
        try:
            return read_table(path, dataset)[0].to_pydict()
        except StudyError as error:
            return str(error)

    found = outcome()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(readers, "_read_plain", lambda path, dataset: None)
        assert outcome() == found


def test_most_files_are_read_at_once(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("x,é,y\n1, b ,p\n,,q\n")
    monkeypatch.setitem(readers.READERS, "csv", None)
    table, nominal = read_table(tmp_path / "a.csv", parse_dataset("toy", ENTRY))
    assert table.to_pydict() == {"x": ["1", ""], "é": ["b", ""], "y": ["p", "q"]}
    assert nominal is None


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_workbook_is_refused_however_it_is_packed(kind, read):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", kind) as book:
        for name in ("xl/workbook.xml", "[Content_Types].xml"):
            book.writestr(name, bytes(range(256)) * 9)
    at = content.getvalue().index(b"xl/workbook.xml") + len("xl/workbook.xml") + 9
    damaged = content.getvalue()[:at] + b"\xff" * 60 + content.getvalue()[at + 60 :]
    with pytest.raises(StudyError, match=r"is damaged \(.*\); save it again"):
        read(damaged, ".xlsx", format="excel")


def test_a_first_row_that_holds_the_name_of_the_target_is_a_row(read):
    rows = [["y", "p"], ["1", "q"]]
    assert read(b"y,p\n1,q\n", columns=["y", "z"]) == (["y", "z"], rows, None)
    rows = [["1", "c2"], ["2", "q"]]
    assert read(b"1,c2\n2,q\n", header=False, target="c2") == (["c1", "c2"], rows, None)


def test_a_mark_of_byte_order_in_the_first_row_stays(read):
    assert read("a,y\n\ufeffz,p\nz,q\n".encode())[1] == [["\ufeffz", "p"], ["z", "q"]]


def test_a_total_below_texts_is_refused(read):
    rows = b"t,a,y\nsome words,1,p\nother words,2,q\n  ,Total,r\n"
    with pytest.raises(StudyError, match="looks like a total"):
        read(rows, text="t", modality="text", drop=["a"])
