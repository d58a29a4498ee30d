import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imbbench.bench import protocol
from imbbench.bench.prepared import load_prepared
from imbbench.config import Protocol
from imbbench.data.columns import column_of
from imbbench.data.datasets import parse_dataset
from imbbench.data.prepare import (
    identical_rows,
    joined_groups,
    number,
    plain_number,
    prepare,
    spelled_otherwise,
    subject_and_body,
)
from imbbench.data.readers import canonical
from imbbench.errors import StudyError

GOOD_ROWS = b"x,y\n1,p\n2,q\n3,p\n4,q\n"
PACKAGE = {"why": "a test", "licence": "none", "target": "y", "modality": "tabular"}


def run(tmp_path, files, folds=2, **entry):
    """Prepare a set whose raw files are given: role -> bytes; the card and the folder."""
    files = files if isinstance(files, dict) else {"data": files}
    suffix = ".parquet" if entry.get("format") == "parquet" else ".txt"
    (tmp_path / "raw").mkdir(exist_ok=True)
    for role, content in files.items():
        (tmp_path / "raw" / (role + suffix)).write_bytes(content)
    entry = {"format": "csv", "source": {"path": "./", "files": {r: r for r in files}}} | entry
    entry["sha256"] = {r: hashlib.sha256(content).hexdigest() for r, content in files.items()}
    dataset = parse_dataset("toy", PACKAGE | entry)
    return prepare("toy", dataset, tmp_path / "raw", tmp_path / "out", folds=folds)


def table(tmp_path):
    return (tmp_path / "out/data.csv").read_bytes().decode()


def schema(tmp_path):
    return json.loads((tmp_path / "out/schema.json").read_text("utf-8"))


def test_csv_becomes_canonical(tmp_path):
    content = "\ufeffa,b,kind,y\r\n1.0, 2.50,x,p\r\n-0.0,5.0E-4,,q\r\n1,2.5,x,p\r\n,1e3,NA,p\r\n"
    content += "7,1,z,q\r\n"
    card = run(tmp_path, content.encode())
    assert table(tmp_path) == (
        "a,b,kind,_label,_group\n1,2.5,x,p,0\n0,0.0005,,q,1\n1,2.5,x,p,0\n,1000,NA,p,2\n7,1,z,q,3\n"
    )
    assert schema(tmp_path) == {
        "name": "toy",
        "modality": "tabular",
        "classes": ["p", "q"],
        "class_counts": [3, 2],
        "numeric": ["a", "b"],
        "categorical": ["kind"],
        "text": None,
        "rows": 5,
        "own_test": False,
    }
    assert card == {
        "name": "toy",
        "why": "a test",
        "modality": "tabular",
        "rows": 5,
        "rows_train": None,
        "rows_test": None,
        "features": 3,
        "features_numeric": 2,
        "features_categorical": 1,
        "classes": {"p": 3, "q": 2},
        "classes_test": None,
        "imbalance_ratio": 1.5,
        "duplicate_rows": 1,
        "groups_with_conflicting_labels": 0,
        "missing_values": 2,
        "missing_by_column": {"a": 1, "kind": 1},
        "constant_columns": [],
        "dropped_columns": [],
        "source": "./: data",
        "licence": "none",
        "citation": "",
    }
    written = (tmp_path / "out/card.json").read_text("utf-8")
    assert written == json.dumps(card, indent=2) + "\n"


def test_what_the_file_declares_is_trusted(tmp_path):
    """Digits of a nominal column are categories, and a number has to be one."""
    content = b"@attribute a real\n@attribute c {0,1}\n@attribute y {p,q}\n@data\n"
    run(tmp_path, content + b"1.0,0,p\n2,1,q\n?,0,p\n4,1,q\n", format="keel", missing=["?"])
    assert table(tmp_path) == "a,c,_label,_group\n1,0,p,0\n2,1,q,1\n,0,p,2\n4,1,q,3\n"
    assert (schema(tmp_path)["numeric"], schema(tmp_path)["categorical"]) == (["a"], ["c"])
    with pytest.raises(StudyError, match=r"toy: the file declares column 'a' as numbers .*'\?' in"):
        run(tmp_path, content + b"1,0,p\n?,1,q\n", format="keel", folds=1)


def test_what_is_prepared_is_loaded(tmp_path):
    content = b"size,code,y,kind\n0.1,1,rare,NA\n,2,often,\n0.30000000000000004,1,often,b\n"
    run(tmp_path, content + b"4,,rare,b\n4,1,often,b\n", categorical=["code"])
    loaded = load_prepared(tmp_path / "out")
    assert list(loaded.X) == ["size", "code", "kind"]
    np.testing.assert_array_equal(loaded.X["size"], [0.1, np.nan, 0.1 + 0.2, 4, 4])
    assert list(loaded.X["code"]) == ["1", "2", "1", None, "1"]
    assert list(loaded.X["kind"]) == ["NA", None, "b", "b", "b"]
    assert loaded.schema["classes"] == ["often", "rare"]
    assert list(loaded.y) == [1, 0, 0, 1, 0]
    assert list(loaded.groups) == [0, 1, 2, 3, 4]
    assert loaded.part is None


def test_classes_of_one_size_are_ordered_by_name(tmp_path):
    run(tmp_path, b"a,y\n1,z\n2,z\n3,b\n4,b\n5,a\n6,a\n7,c\n8,c\n9,c\n")
    assert schema(tmp_path)["classes"] == ["c", "a", "b", "z"]
    assert schema(tmp_path)["class_counts"] == [3, 2, 2, 2]


def test_a_category_called_text(tmp_path):
    """The name has a meaning in a set of texts only."""
    run(tmp_path, b"text,y\na,p\nb,q\nc,p\nd,q\n")
    assert schema(tmp_path)["categorical"] == ["text"]


def test_words_of_the_entry_do_not_change_what_is_fitted(tmp_path):
    content = b"a,y\n1,p\n2,q\n3,p\n4,q\n"
    run(tmp_path, content)
    before = table(tmp_path), (tmp_path / "out/schema.json").read_bytes()
    card = run(tmp_path, content, why="other words", licence="another", citation="somebody")
    assert (table(tmp_path), (tmp_path / "out/schema.json").read_bytes()) == before
    assert card["why"] == "other words"


def test_a_file_of_labels_takes_the_place_of_a_column_of_their_name(tmp_path):
    files = {"features": b"x,y\n1,a\n2,a\n3,a\n4,a\n", "labels": b"p\nq\np\nq\n"}
    assert run(tmp_path, files, target="y", folds=2)["classes"] == {"p": 2, "q": 2}


def test_groups_ignore_labels_and_cards_count_conflicts(tmp_path):
    card = run(tmp_path, b"a,b,y\n1,x,p\n2,x,q\n1.0,x,q\n2,x,q\n3,x,p\n")
    assert list(load_prepared(tmp_path / "out").groups) == [0, 1, 0, 1, 2]
    assert card["groups_with_conflicting_labels"] == 1
    assert card["duplicate_rows"] == 2
    assert card["constant_columns"] == ["b"]


def test_blanks_between_fields_and_labels_in_a_file_of_their_own(tmp_path):
    files = {"features": b" 1  0.5 \n2  1 \n3  7 \n4  8\n", "labels": b"-1\n1\n-1\n1\n"}
    options = {"format": "whitespace", "header": False, "classes": {"-1": "other", "1": "pine"}}
    run(tmp_path, files, **options)
    assert table(tmp_path) == (
        "c1,c2,_label,_group\n1,0.5,other,0\n2,1,pine,1\n3,7,other,2\n4,8,pine,3\n"
    )
    with pytest.raises(StudyError, match="4 rows of features but 3 labels"):
        run(tmp_path, files | {"labels": b"1\n1\n-1\n"}, **options)
    with pytest.raises(StudyError, match="label '2' is not in classes"):
        run(tmp_path, files | {"labels": b"1\n1\n-1\n2\n"}, **options)


def test_own_test_set_orders_classes_by_its_training_part(tmp_path):
    files = {"train": b"1 a\n2 a\n3 b\n4 b\n5 b\n", "test": b"1 a\n6 a\n7 a\n8 b\n"}
    options = {"format": "whitespace", "columns": ["x", "y"]}
    card = run(tmp_path, files, folds=5, **options)
    assert card["classes"] == {"b": 3, "a": 2}
    assert (card["rows_train"], card["rows_test"], card["classes_test"]) == (5, 4, {"a": 3, "b": 1})
    loaded = load_prepared(tmp_path / "out")
    assert list(loaded.part) == ["train"] * 5 + ["test"] * 4
    assert loaded.groups[0] == loaded.groups[5]
    assert loaded.schema["own_test"]
    with pytest.raises(StudyError, match="class 'c' is in the test set only"):
        run(tmp_path, files | {"test": b"1 c\n"}, **options)
    with pytest.raises(StudyError, match="class 'b' has 1 different rows"):
        run(tmp_path, files | {"train": b"1 a\n2 a\n3 b\n"}, **options)


def test_json_holds_training_and_test_rows(tmp_path):
    tables = {
        "val": [["left out", "c"]],
        "train": [["one, two", "a"], ["one, two", "b"], [" drei ", "b"], ["4", "b"], ["5", "a"]],
        "test": [["one, two", "a"], ["sechs", "b"]],
    }
    options = {"format": "json", "columns": ["words", "y"], "modality": "text", "text": "words"}
    card = run(tmp_path, json.dumps(tables).encode(), **options)
    assert table(tmp_path) == (
        'text,_label,_group,_part\n"one, two",a,0,train\n"one, two",b,0,train\n drei ,b,1,train\n'
        '4,b,2,train\n5,a,3,train\n"one, two",a,0,test\nsechs,b,4,test\n'
    )
    assert schema(tmp_path)["own_test"]
    assert (card["classes"], card["classes_test"]) == ({"b": 3, "a": 2}, {"a": 1, "b": 1})


def test_a_column_without_name_may_be_dropped(tmp_path):
    card = run(tmp_path, b",a,y\n0,1,p\n1,2,q\n2,3,p\n3,4,q\n", drop=[""])
    assert table(tmp_path) == "a,_label,_group\n1,p,0\n2,q,1\n3,p,2\n4,q,3\n"
    assert card["dropped_columns"] == ["(no name)"]


def test_a_large_set_says_on_how_many_splits_it_is_run(tmp_path):
    run(tmp_path, GOOD)
    assert "splits" not in schema(tmp_path)
    run(tmp_path, GOOD, splits=2)
    assert schema(tmp_path)["splits"] == 2


def test_long_tail_is_for_the_splits_and_the_card_counts_what_one_has(tmp_path):
    content = "a,y\n" + "".join(f"{i},{'zxy'[i % 3]}\n" for i in range(90))
    tail = {"train": 20, "imbalance": 9, "test": 5}
    card = run(tmp_path, content.encode(), folds=3, long_tail=tail)
    assert schema(tmp_path)["long_tail"] == tail
    assert schema(tmp_path)["classes"] == ["x", "y", "z"]
    assert schema(tmp_path)["class_counts"] == [30, 30, 30]  # no row is dropped
    assert card["classes"] == {"x": 20, "y": 7, "z": 2}
    assert list(card["classes"]) == ["x", "y", "z"]
    assert card["classes_test"] == {"x": 5, "y": 5, "z": 5}
    assert (card["rows"], card["rows_train"], card["rows_test"]) == (90, 29, 15)
    assert card["imbalance_ratio"] == 10
    loaded = load_prepared(tmp_path / "out")
    cuts = protocol.splits(loaded.y, loaded.groups, None, "toy", Protocol(folds=3), tail)
    for train, validation, test in cuts:  # the card says what the protocol does
        fold = np.concatenate([train, validation])
        assert list(np.bincount(loaded.y[fold])) == list(card["classes"].values())
        assert list(np.bincount(loaded.y[test])) == list(card["classes_test"].values())
    for change, problem in (
        ({"train": 21}, "asks for 21 rows of class 'x' to train, but of its 30 .* has 20; lower"),
        ({"test": 11}, "asks for 11 rows of class 'x' to test, but of its 30 .* 3 folds has 10"),
    ):
        with pytest.raises(StudyError, match="data set toy: long_tail " + problem):
            run(tmp_path, content.encode(), folds=3, long_tail=tail | change)
    content += "90,z\n"  # the largest part of 31 rows in three is 11
    with pytest.raises(StudyError, match=r"class 'z' to train, but of its 31 .* has 20; lower"):
        run(tmp_path, content.encode(), folds=3, long_tail=tail | {"train": 21})


def test_without_long_tail_nothing_says_so(tmp_path):
    card = run(tmp_path, GOOD)
    assert "long_tail" not in schema(tmp_path) and "long_tail" not in card


def test_missing_by_column_blanks_that_column_only(tmp_path):
    content = b"a,b,y\n1,-,-\n-,-,p\n2,c,-\n3,c,p\n"
    card = run(tmp_path, content, missing={"a": ["-"]})
    assert card["missing_by_column"] == {"a": 1}
    assert card["classes"] == {"-": 2, "p": 2}
    with pytest.raises(StudyError, match=r"there is no column 'x' \(missing\)"):
        run(tmp_path, content, missing={"x": ["-"]})
    with pytest.raises(StudyError, match="missing labels in 2 rows"):
        run(tmp_path, content, missing=["-"])
    classes = {"-": "minus", "p": "p"}
    card = run(tmp_path, content, missing=["-"], classes=classes)
    assert card["missing_by_column"] == {"a": 1, "b": 2}
    assert card["classes"] == {"minus": 2, "p": 2}


def test_decimal_commas(tmp_path):
    """A point is no decimal mark then: 1.500 may be 1500."""
    content = b"a;b;y\n1,5;1.500;p\n,25;2;p\n-3;1;q\n1e2;4;q\n"
    run(tmp_path, content, separator=";", decimal=",")
    assert schema(tmp_path)["numeric"] == ["a"]
    values = [line.split(",")[0] for line in table(tmp_path).splitlines()[1:]]
    assert values == ["1.5", "0.25", "-3", "100"]
    cut = {"low": [None, 0.5], "high": [None, None]}
    content = b"x;y\n1;0,5\n2;0,25\n3;0,75\n4;1\n"
    assert run(tmp_path, content, separator=";", decimal=",", cut=cut)["classes"] == {
        "high": 2,
        "low": 2,
    }


def test_cut_makes_classes_of_ratings(tmp_path):
    cut = {"low": [None, -1.5], "mid": [None, None], "high": [1.5, None]}
    content = b"a,y\n1,-1.5\n2,-1.49\n3,1.5\n4,1.49\n5,3\n6,-4\n"
    run(tmp_path, content, cut=cut)
    labels = [line.split(",")[1] for line in table(tmp_path).splitlines()[1:]]
    assert labels == ["low", "mid", "high", "mid", "high", "low"]
    del cut["mid"]
    with pytest.raises(StudyError, match="missing labels in 2 rows, the first is row 2"):
        run(tmp_path, content, cut=cut)
    with pytest.raises(StudyError, match="missing labels in 1 rows"):
        run(tmp_path, b"a,y\n1,nan\n2,2\n", cut=cut)
    with pytest.raises(StudyError, match="cut needs numbers in the target, not '-nan'"):
        run(tmp_path, b"a,y\n1,-nan\n2,1\n", cut=cut)
    with pytest.raises(StudyError, match="cut needs numbers in the target, not 'x'"):
        run(tmp_path, b"a,y\n1,x\n2,1\n", cut=cut)


def test_declared_columns_are_dropped_or_nominal(tmp_path):
    card = run(
        tmp_path,
        b"id,code,y\n1,7,p\n2,8,q\n3,7,p\n4,8,q\n",
        folds=1,
        drop=["id"],
        categorical=["code"],
    )
    assert table(tmp_path) == "code,_label,_group\n7,p,0\n8,q,1\n7,p,0\n8,q,1\n"
    assert schema(tmp_path)["categorical"] == ["code"]
    assert schema(tmp_path)["numeric"] == []
    assert card["dropped_columns"] == ["id"]


GOOD = b"a,b,y\n1,2,p\n3,4,q\n5,6,p\n7,8,q\n"
BAD = {
    "target column missing": (GOOD, {"target": "label"}, "no column 'label'.*has a, b, y"),
    "nominal column missing": (GOOD, {"categorical": ["c"]}, "no column 'c' \\(categorical\\)"),
    "column to drop missing": (GOOD, {"drop": ["c"]}, "no column 'c' \\(drop\\)"),
    "missing labels": (GOOD + b"9,9,\n9,8, \n", {}, "missing labels in 2 rows.*row 5"),
    "labels spelled as missing": (GOOD + b"9,9,?\n", {"missing": ["?"]}, "missing labels in 1"),
    "one class only": (b"a,y\n1,p\n2,p\n", {}, "one class only, 'p'"),
    "class smaller than folds": (
        GOOD + b"1,1,rare\n",
        {},
        "class 'rare' has 1 different rows, but 2 folds",
    ),
    "class of equal rows": (GOOD + b"1,1,same\n" * 9, {}, "class 'same' has 1 different rows"),
    "infinite values": (GOOD + b"inf,1,p\n", {}, "column 'a' has infinite values"),
    "minus infinity": (GOOD + b"1,-Infinity,p\n", {}, "column 'b' has infinite values"),
    "overflow to infinity": (GOOD + b"1e999,1,p\n", {}, "column 'a' has infinite values"),
    "not UTF-8": (GOOD + "ä,1,p\n".encode("latin1"), {}, "not UTF-8.*byte 30.*--encoding cp1252"),
    "empty file": (b"", {}, "is empty"),
    "duplicate column names": (b"a,b,a,y\n1,2,3,p\n4,5,6,q\n", {}, "duplicate column names 'a'"),
    "column without name": (b",b,y\n1,2,p\n4,5,q\n", {}, "column 1 has no name"),
    "reserved name": (b"_group,y\n1,p\n4,q\n2,p\n3,q\n", {}, "_group is a reserved name"),
    "no feature": (b"y\np\nq\np\nq\n", {}, "no feature"),
    "more than texts": (GOOD, {"modality": "text", "text": "a"}, "put the others into drop: b"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_and_writes_nothing(case, tmp_path):
    content, options, problem = BAD[case]
    with pytest.raises(StudyError, match="data set toy: .*" + problem):
        run(tmp_path, content, **options)
    assert not list(tmp_path.glob("out/*"))


def test_raw_file_missing(tmp_path):
    dataset = parse_dataset(
        "toy",
        PACKAGE | {"format": "csv", "source": {"path": "a"}, "sha256": {"data": "0" * 64}},
    )
    with pytest.raises(StudyError, match="toy: no raw file for data"):
        prepare("toy", dataset, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_training_and_test_file_have_the_same_columns(tmp_path):
    files = {"train": b"a,y\n1,p\n2,q\n3,p\n4,q\n", "test": b"b,y\n1,p\n"}
    with pytest.raises(StudyError, match="toy: training and test file have different columns"):
        run(tmp_path, files)


@pytest.mark.parametrize(
    ("content", "options", "problem"),
    [
        (b't,y\n"obscene,p\nobscene,q\n', {}, "line 3 cannot be read"),
        (b"t,y\nobscene,obscene,p\n", {}, "row 1 has 3 fields"),
        (b"t,y\nobscene,p\nobscene,\n", {}, "missing labels"),
        (b"t,y\nobscene,p\nmore obscene,p\n", {}, "one class only"),
        (b"t,y\nobscene,p\nmore obscene,q\n", {}, "class 'p' has 1 different rows"),
        (b"t,y\nobscene,p\nobscene,q\n", {"classes": {"p": "a"}}, "label 'q' is not in classes"),
        (b"t,y\nobscene,p\n", {"cut": {"a": [None, 1]}}, "not 'p'"),
        (b"t,y,z\nobscene,p,obscene\n", {}, "a text data set has one feature"),
        ("t,y\nobscene \u20ac,p\n".encode("cp1252"), {}, "not UTF-8"),
        (b"t,y\nobscene\0,p\n", {}, "NUL bytes"),
        (b'{"train": [["obscene"', {"format": "json", "columns": ["t", "y"]}, "not a JSON"),
    ],
)
def test_a_refused_set_of_texts_shows_none(content, options, problem, tmp_path):
    with pytest.raises(StudyError, match=problem) as error:
        run(tmp_path, content, **{"modality": "text", "text": "t"} | options)
    assert "obscene" not in str(error.value)


@pytest.mark.parametrize("value", ["1_000", "٣", "x", "", "1,5", "0x1"])
def test_what_is_no_number(value):
    assert number(value) is None


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))),
        min_size=4,
        max_size=8,
    )
)
def test_any_text_survives(tmp_path_factory, texts):
    tmp_path = tmp_path_factory.mktemp("text")
    texts = [text for (text,) in texts]
    quoted = "".join(
        '"{}",{}\n'.format(t.replace('"', '""'), "pq"[i % 2]) for i, t in enumerate(texts)
    )
    run(tmp_path, quoted.encode(), columns=["t", "y"], modality="text", text="t", folds=1)
    assert list(load_prepared(tmp_path / "out").X) == texts


def test_one_class_against_the_rest(tmp_path):
    content = b"x,y\n" + b"".join(b"%d,%s\n" % (i, [b"1", b"2", b"3"][i % 3]) for i in range(9))
    run(tmp_path, content, positive="b", classes={"1": "a", "2": "b", "3": "c"})
    assert schema(tmp_path)["classes"] == ["not b", "b"]
    assert schema(tmp_path)["class_counts"] == [6, 3]
    with pytest.raises(StudyError, match=r"no class '2' .positive.; there are a, b, c"):
        run(tmp_path, content, positive="2", classes={"1": "a", "2": "b", "3": "c"})


def test_rare_classes_are_left_out_with_their_rows(tmp_path):
    rows = [b"1,p", b"2,p", b"3,p", b"4,q", b"5,q", b"6,q", b"few,r", b"8,s"]
    card = run(tmp_path, b"x,y\n" + b"\n".join(rows) + b"\n", min_class=3)
    assert card["rare_classes_left_out"] == {"r": 1, "s": 1}
    assert card["rows"] == 6 and card["classes"] == {"p": 3, "q": 3}
    assert schema(tmp_path)["numeric"] == ["x"]  # the word went with its row
    assert table(tmp_path).splitlines()[-1] == "6,q,5"
    with pytest.raises(StudyError, match="every class has fewer than 4 rows"):
        run(tmp_path, b"x,y\n" + b"\n".join(rows) + b"\n", min_class=4)
    # A missing label is no rare class.
    with pytest.raises(StudyError, match="missing labels in 1 rows"):
        run(tmp_path, b"x,y\n" + b"\n".join([*rows, b"9,"]) + b"\n", min_class=3)


def test_rows_without_a_label_are_left_out_where_the_entry_says_so(tmp_path):
    content = b"x,y\n1,p\n2,q\nword,\n3,p\n4,NA\n5,q\n6,r\n"
    with pytest.raises(StudyError, match=r"missing labels in 2 rows.*--drop-unlabelled"):
        run(tmp_path, content)
    card = run(tmp_path, content, drop_unlabelled=True, min_class=2)
    assert card["classes"] == {"p": 2, "q": 2} and card["rows"] == 4
    assert (card["unlabelled_rows_left_out"], card["rare_classes_left_out"]) == (2, {"r": 1})
    assert schema(tmp_path)["numeric"] == ["x"]  # the word went with its row
    assert "unlabelled_rows_left_out" not in run(tmp_path, GOOD_ROWS, drop_unlabelled=True)
    with pytest.raises(StudyError, match="no row has a label; is the target the right column"):
        run(tmp_path, b"x,y\n1,\n2,NA\n", drop_unlabelled=True)


MAILS = {
    "To: a\nSubject: Re: x\nY: no\n\nNoon.\n\nSubject: no": "Re: x\nNoon.\n\nSubject: no",
    "subject:  of two\n\tlines \nTo: c\n\n": "of two\n\tlines\n",
    "To: a\r\nSubject: ends\r\n so\r\n\r\nBody\n\nmore": "ends\r\n so\nBody\n\nmore",
    "To: a\n\nno subject: here": "\nno subject: here",
    "Subject: header alone": "header alone",
}


@pytest.mark.parametrize(("mail", "kept"), MAILS.items())
def test_of_a_mail_the_subject_and_what_stands_below_the_header(mail, kept):
    assert subject_and_body(mail) == kept


def test_mails_that_differ_in_their_headers_only_are_one_text(tmp_path):
    mails = [f"From: {i}\nSubject: {i // 2}\n\nbody" for i in range(8)]
    rows = [{"t": mail, "y": "pq"[i % 4 // 2]} for i, mail in enumerate(mails)]
    content = "\n".join(map(json.dumps, rows)).encode()
    entry = {"format": "jsonl", "text": "t", "modality": "text"}
    assert run(tmp_path, content, **entry)["duplicate_rows"] == 0
    assert "From: 0" in table(tmp_path)
    assert run(tmp_path, content, mail=True, **entry)["duplicate_rows"] == 4
    assert "From" not in table(tmp_path) and '"0\nbody",p,0' in table(tmp_path)


def test_the_card_has_origin_and_stratum(tmp_path):
    assert not {"origin", "stratum"} & {*run(tmp_path, GOOD_ROWS)}
    card = run(tmp_path, GOOD_ROWS, origin="wine", stratum="core")
    assert (card["origin"], card["stratum"]) == ("wine", "core")


def test_groups_hold_rows_together_beside_identical_ones(tmp_path):
    rows = [("a", 1), ("b", 2), ("a", 3), ("c", 3), ("", 5), ("", 6), ("c", 7), ("d", 8)]
    content = "who,x,y\n" + "".join(f"{who},{x},{'pq'[i % 2]}\n" for i, (who, x) in enumerate(rows))
    run(tmp_path, content.encode(), groups="who")
    assert "who" not in table(tmp_path).splitlines()[0]
    found = [line.rsplit(",", 1)[1] for line in table(tmp_path).splitlines()[1:]]
    # a by name, then c because one of its rows equals one of a; blanks are alone.
    assert found == ["0", "1", "0", "0", "2", "3", "0", "4"]
    with pytest.raises(StudyError, match=r"there is no column 'whom' .groups."):
        run(tmp_path, content.encode(), groups="whom")
    with pytest.raises(StudyError, match="'y' is the target, and in drop or groups"):
        run(tmp_path, content.encode(), groups="y")


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "b", "c", "d"]), st.integers(0, 6)), min_size=1)
)
def test_groups_are_what_chains_of_equal_rows_and_values_reach(rows):
    found = joined_groups([x for _, x in rows], [who for who, _ in rows])
    reached = [{i} for i in range(len(rows))]
    for _ in rows:
        for i, (who, x) in enumerate(rows):
            for j, (other, z) in enumerate(rows):
                if x == z or (who and who == other):
                    reached[i] |= reached[j]
    for i in range(len(rows)):
        assert {j for j in range(len(rows)) if found[j] == found[i]} == reached[i]
    assert list(dict.fromkeys(found)) == [*range(len(set(found)))]


@pytest.mark.parametrize(
    ("value", "decimal", "expected"),
    [
        ("$44,005.00", ".", "44005.00"),
        ("€ 1.234,5", ",", "1234,5"),
        ("12 %", ".", "12"),
        ("USD 7", ".", "7"),
        ("1'000", ".", "1000"),
        ("1,00", ".", None),
        ("1,0000", ".", None),
        ("0,123", ".", None),
        ("-1,234", ".", "-1234"),
        ("2024-02-30", ".", None),
        ("1969-12-31", ".", "-1"),
        ("1970-01-02T00:00:00", ".", "1"),
        ("1970-01-02 10:00", ".", None),
        ("seven", ".", None),
    ],
)
def test_plain_numbers(value, decimal, expected):
    assert plain_number(value, decimal) == expected


def test_dates_and_numbers_in_one_column(tmp_path):
    with pytest.raises(StudyError, match="column 'x' has dates and other numbers"):
        run(tmp_path, b"x,y\n2024-01-01,p\n5,q\n6,p\n7,q\n", numeric=["x"])
    with pytest.raises(StudyError, match=r"'x' is to be numbers but has 'low'.*--missing low"):
        run(tmp_path, b"x,y\nlow,p\n5,q\n6,p\n7,q\n", numeric=["x"])
    run(tmp_path, b"x,y\n1970-01-03,p\n1970-01-01,q\n,p\n1970-02-01,q\n", numeric=["x"])
    assert [line.split(",")[0] for line in table(tmp_path).splitlines()] == [
        "x",
        "2",
        "0",
        "",
        "31",
    ]


digits = st.from_regex(r"\A-?0?[0-9]{0,16}(\.[0-9]{0,10})?(e-?[0-9])?\Z")
anything = st.one_of(digits, st.floats().map(repr), st.integers().map(str), st.text("-0.15\n٣"))


@settings(max_examples=400)
@given(anything, st.sampled_from([1, 1000]))
def test_a_number_that_is_not_parsed_is_spelled_as_if_it_were(value, times):
    if not spelled_otherwise(column_of([value] * times)):
        assert value == "" or canonical(float(value)) == value


@settings(max_examples=400)
@given(anything)
def test_few_values_are_looked_at_as_many(value):
    few = bool(spelled_otherwise(column_of([value])))
    assert len(spelled_otherwise(column_of([value] * 1000))) == 1000 * few


@pytest.mark.parametrize("value", ["0", "-1", "12.5", "-0.25", "123456789012", "0.0001", ""])
def test_plain_spellings_are_not_parsed(value):
    assert spelled_otherwise(column_of([value, "red"])) == [1]


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[st.sampled_from("ab1")] * n))))
def test_identical_rows_are_numbered_in_their_order(rows):
    columns = [column_of(values) for values in zip(*rows, strict=True)] or [column_of([])]
    seen = {}
    assert identical_rows(columns) == [seen.setdefault(row, len(seen)) for row in rows]
