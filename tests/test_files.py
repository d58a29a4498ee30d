"""Files are written whole or not at all."""

import os
import stat
from pathlib import Path

import pandas as pd
import pytest

from imbbench import files


def test_text_bytes_and_writers_are_written(tmp_path):
    files.write_whole(tmp_path / "new" / "a", b"bytes")
    files.write_whole(tmp_path / "b", "line\n")
    files.write_whole(tmp_path / "c.txt", lambda part: Path(part).write_text(part[-4:]))
    assert (tmp_path / "new" / "a").read_bytes() == b"bytes"
    assert (tmp_path / "b").read_bytes() == b"line\n"
    assert (tmp_path / "c.txt").read_text() == ".txt"


@pytest.mark.skipif(os.name != "posix", reason="there is no umask")
@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_the_umask_says_who_may_read(umask, mode, tmp_path):
    before = os.umask(umask)
    try:
        (tmp_path / "c").write_text("earlier")
        for name, content in {"a": b"1", "b/b": "1", "c": b"2"}.items():
            files.write_whole(tmp_path / name, content)
        files.write_whole(tmp_path / "d.csv", pd.DataFrame({"a": [1]}).to_csv)
    finally:
        os.umask(before)
    for name in ("a", "b/b", "c", "d.csv"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


def test_a_failure_leaves_the_old_file_and_no_trace(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")

    def refuse(*_):
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        files.write_whole(tmp_path / "a", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"old")]


def test_a_table_has_the_same_bytes_everywhere_and_lies_below_the_studys_folder(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    table = pd.DataFrame({"a": [0.1, None], "b": ["x, y", "ü"]})
    for path in ("results/a.csv", tmp_path / "results" / "b.csv"):
        files.write_table(table, path)
    found = {path.name: path.read_bytes() for path in (tmp_path / "results").iterdir()}
    assert found == dict.fromkeys(["a.csv", "b.csv"], 'a,b\n0.1,"x, y"\n,ü\n'.encode())
