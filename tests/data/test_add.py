import difflib
import hashlib

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from workbooks import sheet, workbook

from imbbench.bench.prepared import load_prepared
from imbbench.data.add import _written, add_dataset
from imbbench.data.datasets import parse_dataset
from imbbench.data.prepare import prepare
from imbbench.data.sources import fetch
from imbbench.errors import StudyError

PARAMS = """\
# The study.
protocol: {folds: 5,   seed: 0}  # spacing stays

datasets:
  # the first one
  old:
    source: {path: old.csv}
    sha256: {data: 1111111111111111111111111111111111111111111111111111111111111111}
    format: csv
    target: 'y'
    modality: tabular
    licence: a long line that stays one line, however wide lines may be by whichever standard
    why: "quotes stay"

# What needs the web.
web_datasets:
    sms:  {target: label}

benchmark_datasets:
  big:  {target: label}
"""
ROWS = "".join(f"{i},{'abc'[i % 3]},{'yes' if i % 4 == 0 else 'no'}\n" for i in range(40))
GOOD = "age,plan,churned\n" + ROWS
FOUR = "".join(f"{i},a,maybe\n" for i in range(4))


@pytest.fixture
def params(tmp_path, monkeypatch):
    monkeypatch.delenv("IMBBENCH_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS, encoding="utf-8")
    return path


def added(params):
    """The lines by which params.yaml grew; none may be gone."""
    lines = list(difflib.ndiff(PARAMS.splitlines(), params.read_text("utf-8").splitlines()))
    assert not [line for line in lines if line[0] in "-?"]
    return [line[2:] for line in lines if line[0] == "+" and line[2:]]


def entry(params, name):
    return YAML(typ="safe").load(params)["datasets"][name]


def test_a_csv_is_inserted_and_nothing_else_changes(params, capsys):
    (params.parent / "Churn-Data 2.csv").write_text(GOOD)
    assert add_dataset("Churn-Data 2.csv", "churned") == "churn_data_2"
    checksum = hashlib.sha256(GOOD.encode()).hexdigest()
    assert added(params) == [
        "  churn_data_2:",
        "    source: {path: Churn-Data 2.csv}",
        f"    sha256: {{data: {checksum}}}",
        "    format: csv",
        "    target: churned",
        "    modality: tabular",
        "    licence: not stated",
        "    why: added by hand",
        "    study: false",
    ]
    assert "dvc repro" in capsys.readouterr().out


def test_what_was_added_can_be_fetched_prepared_and_loaded(params):
    (params.parent / "churn.csv").write_text(GOOD)
    add_dataset("churn.csv", "churned", licence="mine", why="my data")
    dataset = parse_dataset("churn", entry(params, "churn"))
    fetch("churn", dataset, "raw")
    card = prepare("churn", dataset, "raw", "prepared")
    assert card["classes"] == {"no": 30, "yes": 10}
    assert (card["licence"], card["why"]) == ("mine", "my data")
    assert list(load_prepared("prepared").X) == ["age", "plan"]


def test_datasets_may_be_the_last_key(params):
    params.write_text(PARAMS.split("\n# What")[0].rstrip("\n"))
    (params.parent / "churn.csv").write_text(GOOD)
    add_dataset("churn.csv", "churned")
    assert list(YAML(typ="safe").load(params)["datasets"]) == ["old", "churn"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\n", "no data sets to add to"),
        ("datasets: {}\n", "no data sets to add to"),
        ("datasets: {a: {target: y}}\n", "writes datasets in braces"),
    ],
)
def test_params_without_a_place_for_an_entry(text, problem, params):
    params.write_text(text)
    (params.parent / "churn.csv").write_text(GOOD)
    with pytest.raises(StudyError, match=rf"^params\.yaml .*{problem}"):
        add_dataset("churn.csv", "churned")
    assert params.read_text() == text


def test_a_file_outside_the_project_is_copied(tmp_path, monkeypatch, capsys):
    (tmp_path / "project").mkdir()
    (tmp_path / "project/params.yaml").write_text(PARAMS)
    (tmp_path / "churn.csv").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    add_dataset("churn.csv", "churned", params="project/params.yaml")
    assert (tmp_path / "project/data/local/churn.csv").read_text() == GOOD
    found = entry(tmp_path / "project/params.yaml", "churn")
    assert found["source"] == {"path": "data/local/churn.csv"}
    assert "copied to data/local/churn.csv" in capsys.readouterr().out


def test_another_file_of_the_same_name_is_said_to_replace(tmp_path, monkeypatch, capsys):
    (tmp_path / "project").mkdir()
    (tmp_path / "project/params.yaml").write_text(PARAMS)
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path / "project"))
    for folder, content in (("d1", GOOD), ("d2", GOOD + "99,a,yes\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "churn.csv").write_text(content)
    replaced = "note: churn is there, with another file; its checksum is renewed\nnote: copied to "
    replaced += "data/local/churn.csv over another file (another data set needs a --name)"
    for options in ({}, {"min_class": 2}):
        add_dataset(tmp_path / "d1/churn.csv", "churned")
        capsys.readouterr()
        add_dataset(tmp_path / "d2/churn.csv", "churned", **options)
        assert replaced in capsys.readouterr().out
    add_dataset(tmp_path / "d2/churn.csv", "churned")
    out = capsys.readouterr().out
    assert "note: churn is there, with this file\n" in out and "over another" not in out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"separator": ";;"}, "separator: String should have at most 1 character"),
        ({"encoding": "latin-9x"}, "'latin-9x' is no encoding of text"),
        ({"encoding": "hex"}, "'hex' is no encoding of text"),
        ({"categorical": ["age"], "numeric": ["age"]}, "'age' is in --categorical and in --num"),
        ({"drop": ["age"], "numeric": ["age"]}, "'age' is in --drop and in --numeric"),
        ({"cut": [3], "classes": [("yes", "y")]}, "--cut makes the classes"),
    ],
)
@pytest.mark.parametrize("file", ["churn.csv", "churn.data"])
def test_options_that_cannot_be_are_refused(options, problem, file, params):
    (params.parent / file).write_text(GOOD)
    with pytest.raises(StudyError, match=f"^data set churn: .*{problem}"):
        add_dataset(file, "churned", **options)
    assert params.read_text("utf-8") == PARAMS


def test_cuts_are_named_in_full_and_make_the_classes(params):
    rows = "".join(f"{i % 7},{1234560 + i % 12}\n" for i in range(60))
    (params.parent / "a.csv").write_text("n,y\n" + rows)
    add_dataset("a.csv", "y", cut=[1234569, 1234567])
    assert entry(params, "a")["cut"] == {
        "up to 1234567": [None, 1234567],
        "up to 1234569": [1234567, 1234569],
        "above 1234569": [None, None],
    }
    with pytest.raises(StudyError, match="its classes are made by cut, so --class names no label"):
        add_dataset("a.csv", "y", classes=[("1234560", "low")])


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [
        ("a.json", "{0}\n{1}\n", "jsonl"),
        ("a.jsonl", "[{0}, {1}]", "json"),
        ("a.json", "[{0},\n{1}]\n", "json"),
        ("a.jsonl", "{0}\n{1}\n", "jsonl"),
    ],
)
def test_json_is_told_by_its_content(name, content, format_, params):
    objects = [
        [f'{{"n": {i}, "y": "{"pq"[i % 3 == 0]}"}}' for i in part]
        for part in (range(20), range(20, 40))
    ]
    mark = "\n" if format_ == "jsonl" else ","
    (params.parent / name).write_text(
        content.replace("{0}", mark.join(objects[0])).replace("{1}", mark.join(objects[1]))
    )
    add_dataset(name, "y")
    assert entry(params, "a")["format"] == format_


def test_an_index_that_pandas_wrote_to_excel_is_left_out(params, capsys):
    rows = [(i, f"v{i % 7}", "pq"[i % 2]) for i in range(40)]
    (params.parent / "a.xlsx").write_bytes(workbook(S=sheet((None, "c", "y"), *rows)))
    add_dataset("a.xlsx", "y")
    assert entry(params, "a")["drop"] == [""]
    assert "the column without a name counts the rows; it is left out" in capsys.readouterr().out
    rows[3] = (None, "v1", "p")
    (params.parent / "b.xlsx").write_bytes(workbook(S=sheet((None, "c", "y"), *rows)))
    with pytest.raises(StudyError, match=r'column 1 has no name and is not empty; .* --drop ""$'):
        add_dataset("b.xlsx", "y")


def test_a_row_of_units_is_named(params):
    (params.parent / "a.csv").write_text(
        "n,y\n(kg),(class)\n" + "1,p\n2,q\n3,q\n4,p\n5,p\n6,q\n" * 4
    )
    with pytest.raises(
        StudyError, match=r"If row 1, the only one, holds no data \(units, a total\)"
    ):
        add_dataset("a.csv", "y")


def test_adding_again_renews_the_checksum_only(params):
    file = params.parent / "churn.csv"
    file.write_text(GOOD)
    add_dataset("churn.csv", "churned")
    first = params.read_text("utf-8")
    add_dataset("churn.csv", "churned")
    assert params.read_text("utf-8") == first
    old = entry(params, "churn")["sha256"]["data"]
    file.write_text(GOOD + "99,a,yes\n")
    add_dataset("churn.csv", "churned")
    new = hashlib.sha256(file.read_bytes()).hexdigest()
    assert params.read_text("utf-8") == first.replace(old, new)
    file.write_text(GOOD + "99,a,\n")
    with pytest.raises(StudyError, match="data set churn: missing labels in 1 rows"):
        add_dataset("churn.csv", "churned")
    assert params.read_text("utf-8") == first.replace(old, new)
    taken = "churn: the name is taken in params.yaml: its target is 'churned', not 'plan'. Choose"
    with pytest.raises(StudyError, match=taken):
        add_dataset("churn.csv", "plan")
    (params.parent / "other.csv").write_text(GOOD)
    taken = "its source is path: churn.csv, not path: other.csv. Choose another with --name"
    with pytest.raises(StudyError, match=taken):
        add_dataset("other.csv", "churned", name="churn")


@pytest.mark.parametrize(
    ("name", "differs"),
    [
        (
            "old",
            "its target is 'y', not 'churned'; its source is path: old.csv, not path: churn.csv",
        ),
        ("sms", "it is one of web_datasets; its target is 'label'"),
        ("big", "it is one of benchmark_datasets; its target is 'label'"),
        ("far", "it is one of wide_datasets; its target is 'label'"),
    ],
)
def test_a_name_that_is_taken(name, differs, params):
    (params.parent / "churn.csv").write_text(GOOD)
    (params.parent / "wide").mkdir()
    (params.parent / "wide/study.yaml").write_text("wide_datasets: {far: {target: label}}\n")
    with pytest.raises(StudyError, match=f"data set {name}: the name is taken.*: {differs}"):
        add_dataset("churn.csv", "churned", name=name)
    assert params.read_text("utf-8") == PARAMS


def test_a_file_that_is_there_under_another_name(params, capsys):
    for file in ("churn.csv", "copy.csv"):
        (params.parent / file).write_text(GOOD)
    add_dataset("churn.csv", "churned", why="mine")
    first = params.read_text("utf-8")
    with pytest.raises(StudyError, match="copy: this file is in the study already, as churn, with"):
        add_dataset("copy.csv", "churned", licence="another")
    assert params.read_text("utf-8") == first
    assert "same file" not in capsys.readouterr().out
    add_dataset("copy.csv", "plan")
    assert "note: the same file is in the study as churn, with target churned" in (
        capsys.readouterr().out
    )
    add_dataset("copy.csv", "churned", name="fewer", drop=["plan"])
    out = capsys.readouterr().out
    assert "as churn, with target churned\n" in out and "as copy, with target plan\n" in out


def test_only_the_entrys_own_checksum_is_renewed(params):
    """Two entries of one content: the other one's file is as it was."""
    for file in ("churn.csv", "copy.csv"):
        (params.parent / file).write_text(GOOD)
    add_dataset("churn.csv", "churned")
    add_dataset("copy.csv", "plan")
    before = entry(params, "churn")
    (params.parent / "copy.csv").write_text(GOOD + "99,a,yes\n")
    add_dataset("copy.csv", "plan")
    assert entry(params, "churn") == before
    assert entry(params, "copy")["sha256"] != before["sha256"]


def test_options_become_keys_of_the_entry(params):
    rows = "".join(f"{i},{i % 3},{i % 2},{i // 4},{'pq'[i % 2]}\n" for i in range(40))
    (params.parent / "a.csv").write_text("ä,code,word,shop,y\n" + rows, encoding="cp1252")
    options = {
        "encoding": "cp1252",
        "numeric": ["word"],
        "categorical": ["code"],
        "groups": "shop",
        "min_class": 3,
        "positive": "p",
    }
    add_dataset("a.csv", "y", **options)
    found = entry(params, "a")
    assert {key: found[key] for key in options} == options
    add_dataset("a.csv", "y", numeric=["code"])  # another mind; what was said of others stays
    found = entry(params, "a")
    assert (found["numeric"], found["categorical"]) == (["word", "code"], [])
    assert found["encoding"] == "cp1252"


def test_rows_without_a_label_are_left_out_when_told(params, capsys):
    (params.parent / "a.csv").write_text(GOOD + "1,a,\n2,b,NA\n")
    add_dataset("a.csv", "churned", drop_unlabelled=True)
    assert "rows without a label, left out: 2" in capsys.readouterr().out
    assert entry(params, "a")["drop_unlabelled"] is True


def test_what_the_entry_says_of_the_file_holds_when_it_is_added_again(params):
    file = params.parent / "a.txt"
    file.write_text(GOOD.replace("age", "größe"), encoding="cp1252")
    add_dataset("a.txt", "churned", encoding="cp1252")
    first = entry(params, "a")
    file.write_text(GOOD.replace("age", "größe") + "99,a,yes\n", encoding="cp1252")
    add_dataset("a.txt", "churned")
    assert entry(params, "a") == first | {"sha256": entry(params, "a")["sha256"]}


@pytest.mark.parametrize("file", ["a.csv", "a.txt", "a.data", "a.dat"])
@pytest.mark.parametrize("mark", [";", "\t", "|", "   ", " "])
def test_the_separator_is_found(mark, file, params):
    lines = [f"{i}{mark}{i * 7 % 5}.5{mark}{'pq'[i % 3 == 0]}" for i in range(30)]
    (params.parent / file).write_text("\n".join([f"a{mark}b{mark}y", *lines, ""]))
    add_dataset(file, "y")
    found = entry(params, "a")
    assert found.get("separator", "blanks") == (mark if mark.strip() or mark == "\t" else "blanks")
    assert found["format"] == ("csv" if "separator" in found else "whitespace")


def test_blanks_in_words_separate_nothing(params):
    (params.parent / "a.txt").write_text("y,words\n" + "p,one two\nq,three four\n" * 20)
    add_dataset("a.txt", "y", folds=1)
    (params.parent / "b.txt").write_text("p,one two\nq,three four\n" * 20)
    add_dataset("b.txt", "y", columns=["y", "words"], folds=1)
    for name in ("a", "b"):
        assert entry(params, name)["format"] == "csv"
        assert "separator" not in entry(params, name)


def test_a_file_without_a_header_may_have_blanks_between_fields(params):
    (params.parent / "a.data").write_text(" 1.0  2 p\n 3.0 4   q\n" * 20)
    add_dataset("a.data", "y", columns=["a", "b", "y"], folds=1)
    assert entry(params, "a")["format"] == "whitespace"
    (params.parent / "b.csv").write_text("1, 2,p\n3, 4,q\n" * 20)
    with pytest.raises(StudyError, match="row 1 has 2 fields"):
        add_dataset("b.csv", "y", columns=["a", "b", "y"], separator="space")


@pytest.mark.parametrize(
    ("file", "kind", "head"),
    [
        ("a.txt", "arff", "% words\n@relation a\n"),
        ("a.data", "keel", "@relation a\n@inputs n\n@outputs y\n"),
        ("a.dat", "keel", ""),
    ],
)
def test_what_a_file_is_that_does_not_say_so(file, kind, head, params):
    attributes = "@attribute n real\n@attribute y {p,q}\n"
    (params.parent / file).write_text(f"{head}{attributes}@data\n" + "1,p\n2,q\n" * 9)
    add_dataset(file, "y", folds=1)
    assert entry(params, "a")["format"] == kind


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_cut_is_a_number(value, params):
    (params.parent / "churn.csv").write_text(GOOD)
    with pytest.raises(StudyError, match="churn: --cut is a number"):
        add_dataset("churn.csv", "age", cut=[value])


WORD = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(WORD, WORD, max_size=3), st.lists(WORD, max_size=3))
def test_any_words_can_be_written(classes, drop):
    """With colons, quotes, braces and what else means something in YAML."""
    new = {"source": {"url": "http://a.b:80/c"}, "classes": classes, "drop": drop, "target": "y"}
    safe = YAML(typ="safe")
    document = _written(PARAMS, "new", new)
    assert safe.load(document)["datasets"] == safe.load(PARAMS)["datasets"] | {"new": new}


def test_parquet_and_tsv(params):
    frame = pd.DataFrame({"x": range(40), "y": ["a", "b"] * 20})
    frame.to_parquet("one.parquet")
    frame.to_csv("two.tsv", sep="\t", index=False)
    add_dataset("one.parquet", "y")
    add_dataset("two.tsv", "y")
    assert entry(params, "one")["format"] == "parquet"
    assert entry(params, "two")["format"] == "tsv"


def test_semicolons_are_recognised(params):
    (params.parent / "a.csv").write_text('"x";"label"\n' + "1,5;p\n2;q\n" * 5)
    add_dataset("a.csv", "label", folds=1)
    assert entry(params, "a")["separator"] == ";"


def test_stand_ins_for_missing_values_are_declared(params, capsys):
    """Only where the other values are numbers: a dash in a column of words is a word."""
    rows = "1,{},p\nNA,-,q\n?,c,p\n2,d,q\n"
    (params.parent / "a.csv").write_text("n,word,y\n" + rows.format("b") * 3)
    add_dataset("a.csv", "y", folds=2)
    assert entry(params, "a")["missing"] == ["?", "NA"]
    assert "n: taken for missing values: ?, NA" in capsys.readouterr().out
    (params.parent / "b.csv").write_text("n,word,y\n" + rows.format("NA") * 3)
    add_dataset("b.csv", "y", folds=2)
    assert entry(params, "b")["missing"] == {"n": ["?", "NA"]}
    assert "word: NA is a level; if it means a missing value: --missing NA" in (
        capsys.readouterr().out
    )


def test_a_column_of_other_words_or_of_categories_has_no_stand_ins(params, capsys):
    (params.parent / "a.csv").write_text("n,y\n" + "1,p\n?,q\nmany,p\n2,q\n" * 3)
    add_dataset("a.csv", "y", folds=1)
    content = "@attribute c {0,1,?}\n@attribute y {p,q}\n@data\n" + "0,p\n?,q\n1,p\n?,q\n"
    (params.parent / "b.dat").write_text(content)
    add_dataset("b.dat", "y", folds=1)
    for name in ("a", "b"):
        assert "missing" not in entry(params, name)
    assert "taken for" not in capsys.readouterr().out


def test_params_that_cannot_be_edited_safely(params):
    """Blank lines at the end of the last entry, which belong to its words."""
    text = PARAMS.split("\n# What")[0] + "    citation: |+\n      words\n\n\n"
    params.write_text(text, "utf-8")
    (params.parent / "churn.csv").write_text(GOOD)
    with pytest.raises(StudyError, match="could not be edited safely; add the entry by hand"):
        add_dataset("churn.csv", "churned")
    assert params.read_text("utf-8") == text


TEXTS = "".join(
    f'"this is, so to say, message {i}",{"ham" if i % 3 else "spam"}\n' for i in range(30)
)


def test_one_column_of_free_text_makes_a_text_data_set(params, capsys):
    (params.parent / "mail.csv").write_text("body,label\n" + TEXTS)
    add_dataset("mail.csv", "label")
    assert entry(params, "mail")["modality"] == "text"
    assert entry(params, "mail")["text"] == "body"
    assert "looks like free text" in capsys.readouterr().out


def test_long_categories_are_no_free_text(params):
    rows = "".join(
        f"{'no answer at all' if i % 3 else 'yes and with joy'},{i % 2}\n" for i in range(30)
    )
    (params.parent / "a.csv").write_text("said,label\n" + rows)
    add_dataset("a.csv", "label", folds=2)
    assert entry(params, "a")["modality"] == "tabular"


def test_free_text_beside_other_columns_is_a_choice(params, capsys):
    rows = "".join(f"{i}," + line + "\n" for i, line in enumerate(TEXTS.splitlines()))
    (params.parent / "mail.csv").write_text("id,body,label\n" + rows)
    add_dataset("mail.csv", "label")
    assert entry(params, "mail")["modality"] == "tabular"
    assert "--text body" in capsys.readouterr().out
    add_dataset("mail.csv", "label", name="texts", text="body")
    found = entry(params, "texts")
    assert (found["modality"], found["text"], found["drop"]) == ("text", "body", ["id"])


BAD = {
    "target column missing": (
        GOOD.replace("churned", "left"),
        "no column 'churned'.*plan, left",
    ),
    "missing labels": (GOOD + "1,a,\n", "missing labels in 1 rows"),
    "one class only": (GOOD.replace("yes", "no"), "one class only"),
    "class smaller than folds": (GOOD + FOUR, "class 'maybe' has 4 different rows, but 5 folds"),
    "infinite values": (GOOD + "inf,a,yes\n", "column 'age' has infinite values"),
    "not UTF-8": ((GOOD + "1,ä,yes\n").encode("latin1"), "not UTF-8"),
    "empty file": ("", "is empty"),
    "header only": ("age,plan,churned\n", "columns but no rows"),
    "duplicate column names": (GOOD.replace("plan", "age"), "duplicate column names 'age'"),
    "file not there": (None, "there is no file churn.csv"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_changes_nothing(case, params):
    content, problem = BAD[case]
    if content is not None:
        content = content if isinstance(content, bytes) else content.encode()
        (params.parent / "churn.csv").write_bytes(content)
    with pytest.raises(StudyError, match="data set churn: .*" + problem):
        add_dataset("churn.csv", "churned")
    assert params.read_text("utf-8") == PARAMS


def test_unknown_kind_of_file_bad_name_and_no_such_column(params):
    (params.parent / "churn.doc").write_text("")
    with pytest.raises(StudyError, match=r"churn\.doc is none of \.csv"):
        add_dataset("churn.doc", "churned")
    (params.parent / "churn.csv").write_text(GOOD)
    with pytest.raises(StudyError, match="a name starts with a letter"):
        add_dataset("churn.csv", "churned", name="My-Data")
    with pytest.raises(StudyError, match=r"churn: there is no column 'body' \(text\)"):
        add_dataset("churn.csv", "churned", text="body")
    assert params.read_text("utf-8") == PARAMS


def test_fewer_folds_are_allowed_when_asked_for(params):
    (params.parent / "churn.csv").write_text(GOOD + FOUR)
    with pytest.raises(StudyError, match="'maybe' has 4 different rows, but 5 folds"):
        add_dataset("churn.csv", "churned")
    assert add_dataset("churn.csv", "churned", folds=4) == "churn"


@pytest.mark.parametrize(("file", "name"), [("2023.csv", "data_2023"), ("Ünï.csv", "uni")])
def test_names_are_made_of_file_names(file, name, params):
    (params.parent / file).write_text(GOOD)
    assert add_dataset(file, "churned") == name


@pytest.mark.parametrize(
    ("seconds", "sizes", "told"),
    [
        (
            600,
            (100, 10**4, 10**5),
            "about 10 minutes on a machine as that of the committed results",
        ),
        (60, (100, 10**4, 10**5), "about 1 minute on a machine as that of the committed results"),
        (
            600,
            (10, 20, 30),
            "more than 10 minutes: nothing so large is timed, and `splits: 2` saves time",
        ),
        (600, (100, 10**4), "how long it takes is not known: nothing like it has been timed"),
    ],
)
def test_the_time_it_will_take_is_told(params, capsys, seconds, sizes, told):
    """All that was timed took as long, so that the line through the times is level."""
    given = YAML().load(PARAMS)
    lock = ["stages:"]
    for i, size in enumerate(sizes):
        given["datasets"][f"d{i}"] = {**given["datasets"]["old"]}
        lock += [f"    - path: data/prepared/d{i}/data.csv", f"      size: {size}"]
        times = params.parent / f"results/timings/d{i}"
        times.mkdir(parents=True)
        (times / "loss.json").write_text(f'{{"stage_seconds": {seconds}}}')
    YAML().dump(given, params)
    params.with_name("dvc.lock").write_text("\n".join(lock) + "\n")
    source = params.with_name("churn.csv")
    source.write_text(GOOD)
    add_dataset(source, "churned", params=params)
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"next: dvc repro report@churn   (its own report; {told})"
    )
