import json
import os

import numpy as np
import pandas as pd
import pytest

from imbbench.bench.prepared import content_of, data_of, folder_of, load_prepared
from imbbench.errors import StudyError


@pytest.fixture
def folder(tmp_path):
    """``folder(table, **schema)``: a folder as the step before leaves it."""

    def write(table, **schema):
        given = {"name": "toy", "modality": "tabular", "classes": ["many", "few"], "numeric": []}
        given |= {"categorical": [], "text": None, "own_test": False, **schema}
        (tmp_path / "data.csv").write_text(table, encoding="utf-8")
        (tmp_path / "schema.json").write_text(json.dumps(given), encoding="utf-8")
        return tmp_path

    return write


def test_a_table(folder):
    table = "size,kind,_label,_group\n0.1,NA,many,0\n,,few,1\n4,b,many,0\n"
    found = load_prepared(folder(table, numeric=["size"], categorical=["kind"]))
    assert list(found.X) == ["size", "kind"]
    assert found.X["size"].dtype == np.float64
    np.testing.assert_array_equal(found.X["size"], [0.1, np.nan, 4])
    assert found.X["kind"].tolist() == ["NA", None, "b"]
    assert found.y.tolist() == [0, 1, 0]
    assert found.groups.tolist() == [0, 1, 0]
    assert found.part is None
    assert found.y.dtype == found.groups.dtype == np.int64


def test_texts_and_a_test_set_of_its_own(folder):
    table = 'text,_label,_group,_part\n"a, ""b""",few,0,train\n,many,1,train\nnan,many,2,test\n'
    found = load_prepared(folder(table, text="text", own_test=True))
    assert list(found.X) == ['a, "b"', "", "nan"]
    assert found.y.tolist() == [1, 0, 0]
    assert found.part.tolist() == ["train", "train", "test"]


def test_what_is_not_prepared(tmp_path, study):
    with pytest.raises(StudyError, match="data set toy: not prepared; run `dvc repro prepare`"):
        load_prepared(tmp_path / "toy")
    with pytest.raises(StudyError, match=r"'toy' is not prepared .*run `dvc repro prepare@toy`"):
        data_of("toy", study.protocol)


def test_the_content_is_that_of_both_files(study):
    first = content_of("binary")
    assert first == content_of("binary") != content_of("mixed")
    seen = {first}
    for name in ("data.csv", "schema.json"):
        path = folder_of("binary") / name
        path.write_text(path.read_text("utf-8") + " ", "utf-8")
        seen.add(content_of("binary"))
    assert len(seen) == 3


def test_data_are_read_once_and_again_when_the_file_has_changed(study):
    first = data_of("binary", study.protocol)
    assert data_of("binary", study.protocol)[0].X is first[0].X
    path = folder_of("binary") / "data.csv"
    table = pd.read_csv(path)
    table["x0"] += 100
    table.to_csv(path, index=False)
    os.utime(path, ns=(1, 1))
    second = data_of("binary", study.protocol)
    np.testing.assert_allclose(second[0].X["x0"], first[0].X["x0"] + 100)
    other = study.protocol.model_copy(update={"folds": 4})
    assert len(data_of("binary", other)[1]) == 4


def test_a_long_tail_of_the_schema_cuts_the_splits(study):
    path = folder_of("four") / "schema.json"
    tail = {"train": 40, "imbalance": 10, "test": 5}
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"long_tail": tail}))
    os.utime(path.with_name("data.csv"), ns=(1, 1))
    prepared, cuts = data_of("four", study.protocol)
    for train, val, test in cuts:
        assert np.bincount(prepared.y[np.r_[train, val]]).tolist() == [40, 19, 9, 4]
        assert np.bincount(prepared.y[test]).tolist() == [5, 5, 5, 5]
