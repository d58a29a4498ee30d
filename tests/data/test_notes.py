"""What add-dataset says of a file; each note's option, typed as it stands there, settles it."""

import io
import re
import shlex

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from imbbench.cli import main
from imbbench.data.add import add_dataset
from imbbench.data.datasets import parse_dataset
from imbbench.data.notes import notes, understood
from imbbench.data.prepare import MISSING, NO_LABEL, prepare, read, tabulate
from imbbench.data.sources import fetch

PARAMS = """\
protocol: {folds: 3}

datasets:
  old:
    source: {path: old.csv}
# The end.
"""
OPTION = re.compile(
    r"(--class (?:'[^']*'|\S+) (?:'[^']*'|[^\s,;)]+)"
    r"|--(?:drop|categorical|missing|text|cut|columns|decimal)(?: |=)(?:'[^']*'|\"\"|[^\s;)]+))"
)
N = 60


def csv(name, value, rows=N, label=lambda i: "yes" if i % 4 == 0 else "no"):
    """A file of two features, one of them of small numbers, and a target."""
    lines = [f"{value(i)},{i * 7 % 11},{label(i)}" for i in range(rows)]
    return "\n".join([f"{name},n,y", *lines, ""])


@pytest.fixture
def say(tmp_path, monkeypatch, capsys):
    """``say(content, *options)``: exit code, what was printed, and the entry."""
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    params = tmp_path / "params.yaml"

    def go(content, *options, file="a.csv", target="y", fresh=True):
        if fresh:
            params.write_text(PARAMS)
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / file).write_bytes(content)
        code = main(["add-dataset", file, "--target", target, *options])
        out, err = capsys.readouterr()
        found = YAML(typ="safe").load(params)["datasets"]
        assert set(found) <= {"old", "a", "next"}
        return code, out + err, found.get("a")

    return go


NOTES = {
    "identifier": (csv("id", lambda i: f"X{i * 37}-{i}"), "id: another value in every row"),
    "row number": (csv("k", lambda i: i + 1000), "k: another value in every row"),
    "wide identifier": (csv("customerID", lambda i: i * 901), "customerID: another value"),
    "currency": (csv("pay", lambda i: f'"${i},005.00"'), "60 of 60 values look like numbers"),
    "percent": (csv("p", lambda i: f"{i}%"), "60 of 60 values look like numbers with %;"),
    "thousands": (
        csv("t", lambda i: f'"{i + 1},000"'),
        "t: commas set thousands apart, taken as numbers",
    ),
    "stray word": (csv("h", lambda i: "tall" if i == 7 else i / 2), "59 of 60 .*, tall not"),
    "date": (
        csv("d", lambda i: f"2024-{i % 12 + 1:02}-{i % 28 + 1:02}"),
        "d: dates, taken as days",
    ),
    "date and time": (csv("d", lambda i: f"{i % 28 + 1}.1.2024 10:00"), "d: dates; counts"),
    "zeros": (csv("zip", lambda i: f"{i % 9:05}"), "zip: values such as 0000"),
    "constant": (csv("c", lambda i: "x"), "c: the same value in every row"),
    "no value": (csv("c", lambda i: ""), "c: no value at all"),
    "near-unique": (csv("c", lambda i: f"v{i // 2 if i > 50 else i}"), "c: .*nearly one a row"),
    "missing word": (csv("c", lambda i: ["a", "b", "NA"][i % 3]), "c: NA is a level; .*NA"),
    "tells": (csv("c", lambda i: "ba"[i % 4 == 0]), "c: tells the class exactly"),
    "tells by a bound": (
        csv("c", lambda i: i / 7, label=lambda i: "yes" if i > 50 else "no"),
        "c: tells the class exactly",
    ),
    "free text": (csv("t", lambda i: f"so this is {i} of them"), "t: looks like free text"),
    "case": (
        csv("c", lambda i: i % 5, label=lambda i: ["Yes", "no", "yes "[:3]][i % 3]),
        "one cla",
    ),
    "stop": (csv("c", lambda i: i % 5, label=lambda i: [">5K", ">5K.", "b"][i % 3]), "y: .*one cl"),
    "blank": (csv("c", lambda i: i % 5, label=lambda i: ["a b", "a  b", "b"][i % 3]), "one class"),
    "number": (csv("c", lambda i: i % 5, label=lambda i: ["1", "1.0", "0"][i % 3]), "one class"),
    "quantity": (csv("c", lambda i: i % 5, label=lambda i: i % 10), "y: 10 different numbers"),
    "nan among words": (csv("c", lambda i: ["a", "b", "nan"][i % 3]), "c: nan is a level; .*nan"),
    "mostly nan": (csv("c", lambda i: ["NaN", "NaN", "NaN", "a", "b"][i % 5]), "c: NaN is a level"),
    "long numbers": (csv("id", lambda i: 2**62 + i), "id: whole numbers such as 46116.*told apart"),
    "one word in three": (csv("c", lambda i: "new" if i % 3 else i), "20 of 60 .*numbers, new not"),
    "one word among days": (
        csv("d", lambda i: "new" if i % 3 == 0 else f"2024-01-{i % 28 + 1:02}"),
        "d: dates; counts",
    ),
    "in brackets": (csv("c", lambda i: f"({i})" if i % 3 == 0 else i), "look like numbers with"),
    "bounds": (csv("c", lambda i: "<5" if i % 3 == 0 else i % 7 + 5), "look like numbers with <"),
    "label none": (csv("c", lambda i: i % 5, label=lambda i: ["none", "b"][i % 2]), "label none"),
}


@pytest.mark.parametrize("case", NOTES)
def test_a_note_goes_away_when_its_option_is_typed(case, say):
    content, note = NOTES[case]
    code, said, _ = say(content)
    (line,) = [line for line in said.splitlines() if re.search(f"^note: .*{note}", line)]
    assert code == 0
    options = OPTION.findall(line)
    assert options
    options = options if "--class" in line else options[-1:]
    again, said, _ = say(content, *shlex.split(" ".join(options)))
    assert again == 0, said
    assert line not in said
    assert not re.search(f"^note: .*{note}", said, re.M)


def test_what_was_understood_is_printed_and_nothing_written_when_it_is_a_trial(say, tmp_path):
    content = "n,c,y\n" + "1,a,p\n2.5,b,q\n,b,q\n2,b,p\n2.5,b,p\n1,a,q\n" * 2
    content += "1.5,b,q\n1.5,a,p\n"
    code, said, entry = say(content, "--dry-run")
    assert (code, entry) == (0, None)
    assert (tmp_path / "params.yaml").read_text() == PARAMS
    assert said.splitlines()[:6] == [
        "a.csv: 14 rows, 3 columns",
        "  n: number, 1 to 2.5; 14.3% missing",
        "  c: category, 2 levels: a, b",
        "  y: the target, 2 classes: p (7), q (7)",
        "imbalance ratio 1",
        "rows that are identical to an earlier one: 8",
    ]


def test_of_many_columns_the_first_are_shown_and_the_others_counted(say):
    names = [*(f"n{i}" for i in range(150)), "c", "d", "e", "empty"]
    rows = [
        [*(f"{i}.{k}" for i in range(150)), "ab"[k % 2], "x", "uv"[k % 2], ""] for k in range(9)
    ]
    lines = [",".join([*row, "pq"[k % 2]]) for k, row in enumerate(rows)]
    code, said, _ = say("\n".join([",".join([*names, "y"]), *lines, ""]), "--dry-run")
    assert code == 0
    shown = said.splitlines()
    assert shown[0] == "a.csv: 9 rows, 155 columns"
    assert shown[100].startswith("  n99: number, ")
    assert shown[101] == "  and 54 more columns (number: 50, category: 3, no value: 1)"
    assert shown[102] == "  y: the target, 2 classes: p (5), q (4)"


def test_values_in_quotes_are_noted(say):
    content = "c,y\n" + "".join(f"'{i % 4}','{'pq'[i % 3 == 0]}'\n" for i in range(24))
    code, said, _ = say(content)
    assert code == 0
    assert "note: y: its labels have quotes, which count: 'q', 'p'; take them out" in said
    assert "note: c: its values have quotes, which count: '0', '1', '2' and 1 more" in said


def test_numbers_that_the_file_calls_words_are_noted_and_can_be_numbers(say):
    buffer = io.BytesIO()
    rows = {"a": [f"{i}.5" for i in range(40)] * 2, "y": ["p", "q", "q", "q"] * 20}
    pd.DataFrame(rows).to_parquet(buffer)
    code, said, entry = say(buffer.getvalue(), file="a.parquet")
    assert code == 0 and "numeric" not in entry
    assert "note: a: 80 of 80 values are numbers, but the file calls them words" in said
    code, said, entry = say(buffer.getvalue(), "--numeric", "a", file="a.parquet")
    assert (code, entry["numeric"]) == (0, ["a"])
    assert "  a: number, 0.5 to 39.5\n" in said and "calls them words" not in said


def test_what_holds_rows_together_is_said(say):
    content = csv("g", lambda i: f"p{i % 20}")
    assert (
        "  g: rows with one value stay on one side of a split\n" in say(content, "--groups", "g")[1]
    )


def test_good_columns_have_no_note(say):
    content = csv("c", lambda i: "abc"[i % 3])
    assert "note:" not in say(content)[1]


@pytest.mark.parametrize("word", sorted(NO_LABEL))
def test_a_missing_word_is_no_label_unless_declared(word, say):
    content = csv("c", lambda i: i % 5, label=lambda i: [word, "b", "c"][i % 3])
    code, said, entry = say(content)
    assert (code, entry) == (1, None)
    assert "missing labels in 20 rows" in said
    code, said, entry = say(content, "--class", word, word)
    assert code == 0
    assert entry["classes"] == {word: word, "b": "b", "c": "c"}


def test_a_missing_word_blanks_the_column_where_it_was_found_only(say, tmp_path):
    """`none` among the numbers of n is missing; as a level of c and as a class it is a word."""
    content = "n,c,y\n" + "".join(
        f"{i},none,p\nnone,{'abcd'[i]},none\n{i},b,none\n" for i in range(4)
    )
    code, _, entry = say(content)
    assert code == 0
    assert entry["missing"] == {"n": ["none"]}
    dataset = parse_dataset("a", entry)
    fetch("a", dataset, "raw")
    card = prepare("a", dataset, "raw", "out", folds=2)
    assert card["missing_by_column"] == {"n": 4}
    assert card["classes"] == {"none": 8, "p": 4}


def test_a_declared_missing_word(say):
    content = csv("c", lambda i: ["a", "b", "-9"][i % 3]).replace(",3,", ",-9,")
    code, said, entry = say(content, "--missing=-9")
    assert code == 0
    assert entry["missing"] == ["-9"]
    assert "c: category, 2 levels: a, b; 33.3% missing" in said
    assert "no feature has the value 'x' (missing)" in say(content, "--missing", "x")[1]
    assert "no feature has the value '' (missing)" in say(content, "--missing", "")[1]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("file", ["a.csv", "a.txt", "a.data", "a.tsv"])
def test_the_separator_is_found_before_anything_else_is_said(mark, file, say):
    content = csv("c", lambda i: "abc"[i % 3]).replace(",", mark)
    _, said, _ = say(content, file=file, target="nope")
    assert "there is no column 'nope' (target); the file" in said
    assert "has c, n, y" in said
    code, _, entry = say(content, file=file)
    assert code == 0
    usual = "\t" if file == "a.tsv" else ","
    assert entry.get("separator", usual) == mark


def test_decimal_commas_between_semicolons(say):
    content = csv("c", lambda i: f"{i}_{i % 7}5").replace(",", ";").replace("_", ",")
    code, said, entry = say(content)
    assert code == 0
    assert (entry["separator"], entry["decimal"]) == (";", ",")
    assert "c: number, 0.05 to 59.35" in said
    code, said, entry = say(content, "--decimal", ".")
    assert entry["decimal"] == "."
    assert "c: 60 of 60 values look like numbers with ,; counts as a category" in said


def test_thousands_are_no_decimals(say):
    """1,000 to 60,000 may be either; one is asked."""
    content = csv("c", lambda i: f"{i + 1}_000").replace(",", ";").replace("_", ",")
    _, said, entry = say(content)
    assert "decimal" not in entry
    assert "--decimal , if that is the decimal mark" in said
    assert "c: number, 1 to 60" in say(content, "--decimal", ",")[1]


def test_what_is_certain_becomes_numbers_and_is_said(say):
    content = csv("t", lambda i: f'"{i + 1},250.50"')
    for value, lowest in (
        (lambda i: f'"{i + 1},250"', 1250),
        (lambda i: f"1970-01-{i % 9 + 2:02}", 1),
    ):
        code, said, entry = say(csv("c", value))
        assert (code, entry["numeric"]) == (0, ["c"])
        assert f"  c: number, {lowest} to" in said
        code, said, entry = say(csv("c", value), "--categorical", "c")
        assert "numeric" not in entry and "  c: category" in said
    # With a fraction, currency or a percent sign it is asked for.
    for value in ('"$1,250.50"', "7 %", "EUR 3"):
        code, said, entry = say(
            csv("c", lambda i, v=value: v.replace("7", f"{i}7").replace("3", f"{i}3"))
        )
        assert code == 0 and "numeric" not in entry
    code, said, entry = say(content, "--numeric", "t")
    assert "  t: number, 1250.5 to 60250.5" in said
    code, said, entry = say(csv("c", lambda i: f"{i}%" if i else "none yet"), "--numeric", "c")
    assert code == 1 and "--missing 'none yet'" in said
    code, said, entry = say(
        csv("c", lambda i: f"{i}%" if i else "none yet"), "--numeric", "c", "--missing", "none yet"
    )
    assert code == 0 and "  c: number, 1 to 59; 1.7% missing" in said


def test_columns_without_a_name(say):
    plain = csv("c", lambda i: "abc"[i % 3])
    lines = plain.splitlines()
    counted = "\n".join([f",{lines[0]}", *(f"{i},{line}" for i, line in enumerate(lines[1:])), ""])
    for content, note in (
        (counted, "note: the column without a name counts the rows"),
        (plain.replace("\n", ",,\n"), "note: columns without a name and without values"),
    ):
        code, said, entry = say(content)
        assert code == 0
        assert entry["drop"] == [""]
        assert note in said
    content = csv("", lambda i: "abc"[i % 3])
    code, said, _ = say(content)
    assert code == 1
    assert '--drop ""' in said
    assert say(content, "--drop", "")[0] == 0


def test_several_columns_without_a_name_are_looked_at_all(say):
    content = csv("c", lambda i: "abc"[i % 3]).replace("\n", ",,\n").replace("no,,", "no,,x", 1)
    code, said, _ = say(content)
    assert code == 1
    assert "column 4 has no name and is not empty" in said
    code, _, entry = say(content, "--drop", "")
    assert (code, entry["drop"]) == (0, [""])


def test_a_file_without_names(say):
    content = csv("c", lambda i: "abc"[i % 3]).split("\n", 1)[1]
    code, said, _ = say(content)
    assert code == 1
    assert "the first line looks like data" in said
    (option,) = OPTION.findall(said)
    assert option == "--columns c1,c2,y"
    code, _, entry = say(content, *shlex.split(option))
    assert (code, entry["columns"]) == (0, ["c1", "c2", "y"])


def test_a_quantity_and_rare_classes_are_refused_with_options_that_do(say):
    for label in (lambda i: i * 1.5, lambda i: ["a", "b", f"c{i}"][min(i, 2) if i > 57 else i % 2]):
        content = csv("c", lambda i: i % 5, label=label)
        code, said, _ = say(content)
        assert code == 1
        refusal = said.splitlines()[-1]
        options = [option.rstrip(",") for option in OPTION.findall(refusal)]
        code, said, _ = say(content, *shlex.split(" ".join(options)))
        assert code == 0, said


def test_folds_are_those_of_the_study(say):
    content = csv("c", lambda i: i % 5, label=lambda i: "a" if i < 3 else "b")
    assert say(content)[0] == 0
    content = csv("c", lambda i: i % 5, label=lambda i: "a" if i < 2 else "b")
    assert "but 3 folds need one each" in say(content)[1]


def test_one_class_against_the_rest(say):
    content = csv("c", lambda i: i % 5, label=lambda i: "abc"[i % 3])
    _, _, entry = say(content, "--positive", "a")
    assert entry["positive"] == "a"
    _, _, entry = say(content, "--positive", "rare", "--class", "a", "rare")
    assert (entry["positive"], entry["classes"]["a"]) == ("rare", "rare")
    assert (
        "there is no class 'x' (--positive); there are a, b, c"
        in (say(content, "--positive", "x")[1])
    )
    assert "there is no label 'x'" in say(content, "--class", "x", "y")[1]


def test_adding_again_with_options_changes_the_entry_only(say, tmp_path):
    """What was edited in it by hand stays, and so does every other line, wherever it stands."""
    content = csv("id", lambda i: f"X{i}")
    say(content)
    params = tmp_path / "params.yaml"
    first = params.read_text().replace("why: added by hand", "why: mine\n    splits: 2")
    more = "\n  # next\n  next: {a: 1}  # as it is\n"
    params.write_text(first.replace("# The end.\n", f"{more}# The end.\n"))
    before = params.read_text()
    _, said, entry = say(content, "--drop", "id", fresh=False)
    assert (entry["why"], entry["splits"], entry["drop"]) == ("mine", 2, ["id"])
    assert params.read_text() == before.replace("study: false\n", "study: false\n    drop: [id]\n")
    _, _, entry = say(content, "--categorical", "n", "--drop", "id", fresh=False)
    assert (entry["drop"], entry["categorical"]) == (["id"], ["n"])
    _, _, entry = say(content, "--positive", "yes", fresh=False)
    assert (entry["drop"], entry["categorical"]) == (["id"], ["n"])
    params.write_text(first.replace(PARAMS.split("\n\n")[1].split("# The")[0], "datasets:\n"))
    assert list(YAML(typ="safe").load(params)["datasets"]) == ["a"]
    _, said, _ = say(content, "--drop", "id", fresh=False)
    assert list(YAML(typ="safe").load(params)["datasets"]) == ["a"], said


def test_short_texts_alone_may_be_texts(say):
    content = "t,y\n" + "".join(f"call {i},{'pq'[i % 3 == 0]}\n" for i in range(N))
    _, said, entry = say(content)
    assert entry["modality"] == "tabular"
    assert "t: the only feature, and counts as a category of 60 levels; --text t" in said
    code, _, entry = say(content, "--text", "t")
    assert (code, entry["modality"]) == (0, "text")


def test_a_cell_of_a_megabyte_is_one_message_or_none(say):
    long = "x" * 1_000_000
    assert say(f"c,y\n{long},p\n")[0] == 1
    assert say(f"{long},y\n1,p\n", target="z")[0] == 1


def test_utf16_is_named(say):
    code, said, _ = say(csv("c", lambda i: "abc"[i % 3]).encode("utf-16"))
    assert code == 1
    assert "is UTF-16 text" in said
    assert "say --encoding utf-16 " in said


CELL = st.one_of(
    st.sampled_from(["", "1", "2.5", "1,5", "007", "$3", "2024-01-01", "yes", *sorted(MISSING)]),
    st.text("ab1 .,-%", max_size=4),
)
ROW = st.tuples(CELL, CELL, CELL).filter(lambda row: "".join(row).strip())


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=30), st.sampled_from(".,"))
def test_any_table_can_be_described(tmp_path_factory, rows, decimal):
    import csv as writer

    path = tmp_path_factory.mktemp("any") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer.writer(file).writerows([("a", "b", "y"), *rows])
    entry = {"source": {"path": "a.csv"}, "sha256": {"data": "0" * 64}, "format": "csv"}
    entry |= {"target": "y", "modality": "tabular", "licence": "", "why": "", "decimal": decimal}
    dataset = parse_dataset("a", entry)
    frame, nominal, part = read(dataset, {"data": path})
    table = tabulate(dataset, frame, nominal, part)
    assert f"{len(rows)} rows" in understood(dataset, frame, table)
    for note in notes(dataset, frame, nominal, table):
        assert "--" in note


def test_add_dataset_takes_the_options_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "a.csv").write_text(csv("id", lambda i: f"X{i}"))
    assert add_dataset("a.csv", "y", params="params.yaml", drop=["id"], dry_run=True) == "a"


def test_one_level_and_one_minute_are_no_plural(say):
    _, said, _ = say(csv("c", lambda i: "x" if i % 2 else ""))
    assert "c: category, 1 level: x" in said


def test_codes_are_noted_where_rows_are_left_out(say):
    """The zeros in the last row, behind three that have no label."""
    content = csv(
        "code",
        lambda i: "007" if i == N - 1 else i % 9 + 10,
        label=lambda i: "" if i < 3 else "yes" if i % 4 == 0 else "no",
    )
    code, said, _ = say(content, "--drop-unlabelled")
    assert code == 0 and "code: values such as 007 count as numbers" in said


def test_a_word_that_means_a_missing_value_is_no_code(say):
    content = csv("code", lambda i: "00" if i % 6 == 0 else i % 9 + 1)
    code, said, entry = say(content, "--missing", "00")
    assert code == 0 and entry["missing"] == ["00"] and "values such as" not in said
    assert "values such as 00" in say(content)[1]
