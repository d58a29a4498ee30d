import json
import math
from typing import get_args

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imbbench.data.datasets import Dataset, parse_dataset
from imbbench.data.readers import READERS, canonical, decoded, read_table
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


@pytest.fixture
def read(tmp_path):
    """``read(content, **entry)``: column names, rows, and the nominal columns."""

    def go(content, suffix=".txt", **entry):
        path = tmp_path / f"data{suffix}"
        path.write_bytes(content)
        frame, nominal = read_table(path, parse_dataset("toy", ENTRY | entry))
        return list(frame), frame.to_numpy().tolist(), nominal

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
        [["1", "0.1", "True", "01", "2020-01-01 00:00:00", "a"], ["2", "", "False", "", "", "b"]],
        {"flag", "zip", "day", "y"},
    )
    pd.DataFrame(columns)[:0].to_parquet(tmp_path / "a")
    with pytest.raises(StudyError, match="columns but no rows"):
        read((tmp_path / "a").read_bytes(), format="parquet")


KEEL = b"@attribute a real\n@attribute y {p,q}\n@data\n"
REFUSED = {
    "not UTF-8": (b"a,y\n\xe4,p\n", {}, r"data\.txt is not UTF-8 text \(byte 4\).*iconv"),
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
    "no JSON": (b"{", {"format": "json"}, "not a JSON object .*JSONDecodeError"),
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


def test_text_of_a_file(tmp_path):
    """Only the two bytes of a line's end are one character; a carriage return alone stays."""
    (tmp_path / "a.txt").write_bytes("\ufeffä\r\n\rb\n".encode())
    assert decoded(tmp_path / "a.txt") == "ä\n\rb\n"


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
    with pytest.raises(StudyError, match=r"not an ARFF file: ."):
        read(f"@relation r\n{header}\n@attribute y {{p,q}}\n@data\nu,p\n".encode(), format="arff")


def test_parquet_decimals_are_numbers(tmp_path):
    from decimal import Decimal

    path = tmp_path / "data.parquet"
    frame = pd.DataFrame({"a": [Decimal("1.50"), None], "w": ["x", None], "y": ["p", "q"]})
    frame.to_parquet(path)
    found, nominal = read_table(path, parse_dataset("toy", ENTRY | {"format": "parquet"}))
    assert found.to_numpy().tolist() == [["1.50", "x", "p"], ["", "", "q"]]
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
