"""Files are written whole or not at all."""

import gzip
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
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


def test_a_compressed_table_has_the_same_bytes_and_no_name(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    table = pd.DataFrame({"a": [0.1, np.nan], "b": ["x, y", "ü"]})
    for name in ("a.csv.gz", "b.csv.gz"):
        files.write_table(table, name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.csv.gz", "b.csv.gz"))
    assert first == second
    head = b"\x1f\x8b\x08" + bytes(5)  # neither a name nor a time
    assert (first[:8], first[9]) == (head, 255)  # nor a system
    assert gzip.decompress(first) == 'a,b\n0.1,"x, y"\n,ü\n'.encode()
    pd.testing.assert_frame_equal(files.read_table(tmp_path / "a.csv.gz"), table)


def test_a_table_without_a_column_is_read(tmp_path):
    files.write_table(pd.DataFrame(), tmp_path / "a.csv.gz")
    assert files.read_table(tmp_path / "a.csv.gz").empty


@pytest.mark.parametrize("keep", [0, 5, 15, -1, -20])
def test_a_table_that_was_cut_off_is_damaged(tmp_path, keep):
    path = tmp_path / "a.csv.gz"
    files.write_table(pd.DataFrame({"a": range(1000)}), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"empty|ended before|EOF|stream"):
        files.read_table(path)


def test_a_table_that_is_not_compressed_is_damaged(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(ValueError, match="Not a gzipped file"):
        files.read_table(tmp_path / "a.csv.gz")


HELD = """
import sys, time
from imbbench.files import write_whole

def content(part):
    open(part, "w").write("half")
    print(part, flush=True)
    time.sleep(600)

write_whole(sys.argv[1], content)
"""


def test_what_a_kill_leaves_behind_is_cleared_and_what_is_being_written_stays(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")
    writers = [
        subprocess.Popen([sys.executable, "-c", HELD, path], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    parts = [Path(writer.stdout.readline().strip()) for writer in writers]
    writers[0].send_signal(signal.SIGKILL)
    writers[0].wait()
    assert path.read_text() == "old"
    assert all(part.name.startswith(files.PART) and part.is_file() for part in parts)
    files.write_whole(path, "new")
    assert [part.exists() for part in parts] == [False, True]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["a.csv", parts[1].name])
    writers[1].kill()
    writers[1].wait()
    patterns = (Path(__file__).parents[1] / ".dvcignore").read_text().splitlines()
    assert f"{files.PART}*" in patterns


def test_what_is_remembered_comes_back_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "kind" / "a"
    assert files.recall(path) is None
    for content in (b"", b"\n", b"x" * 999):
        files.remember(path, content)
        assert files.recall(path) == content
    whole = path.read_bytes()
    for damaged in (
        whole[:-1],
        whole + b"x",
        whole[:70] + b"?" + whole[71:],
        b"",
        b"\xff",
        whole[1:],
    ):
        path.write_bytes(damaged)
        assert files.recall(path) is None
    path.unlink()
    path.mkdir()
    assert files.recall(path) is None
    files.remember(path, b"nowhere to go")  # nothing is said
    files.remember(tmp_path / "kind" / "a" / "b" / "c", b"1")
    assert files.recall(tmp_path / "kind" / "a" / "b" / "c") == b"1"


def test_the_cache_is_bounded_and_what_was_not_used_for_longest_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_CACHED", 1000)
    size = 300 - 65
    for number, name in enumerate("abc"):
        files.remember(tmp_path / name, b"x" * size)
        os.utime(tmp_path / name, (number, number))
    assert files.recall(tmp_path / "a") is not None  # used now
    files.remember(tmp_path / "d", b"x" * size)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "c", "d"]
    files.remember(tmp_path / "e", b"x" * 2000)
    assert [p.name for p in tmp_path.iterdir()] == ["e"]
