import hashlib
import zipfile

import pytest

from imbbench.cli import main

FILES = {
    "params.yaml": b"families: []\n",
    "dvc.lock": b"schema: '2.0'\n",
    "results/runs/a/loss.csv": b"dataset\na\n",
    "results/rendered/a/loss.ipynb": b"{}\n",
    "results/.part-left": b"half",
    "data/predictions/a/loss.parquet": b"PAR1",
    "data/prepared/a/data.csv": b"secret\n",
}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path / "study"))
    for name, content in FILES.items():
        path = tmp_path / "study" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path


def test_results_probabilities_and_settings_are_packed_and_no_data(study, capsys):
    assert main(["archive", str(study / "a.zip")]) == 0
    with zipfile.ZipFile(study / "a.zip") as packed:
        found = {name: packed.read(name) for name in packed.namelist()}
    sums = found.pop("SHA256SUMS").decode().splitlines()
    left_out = ("results/.part-left", "data/prepared/a/data.csv")
    assert found == {name: text for name, text in FILES.items() if name not in left_out}
    assert sums == [f"{hashlib.sha256(text).hexdigest()}  {name}" for name, text in found.items()]
    said = capsys.readouterr().out.split("\n")
    assert [line.split()[:2] for line in said[:3]] == [
        ["study", "2"], ["results", "2"], ["data/predictions", "1"],
    ]  # fmt: skip


def test_the_same_study_gives_the_same_bytes(study):
    for name in ("a.zip", "b.zip"):
        assert main(["archive", str(study / name)]) == 0
    assert (study / "a.zip").read_bytes() == (study / "b.zip").read_bytes()


def test_what_cannot_be_packed_is_an_error_and_leaves_nothing(study, capsys):
    assert main(["archive", str(study / "study/results/a.zip")]) == 1
    assert "lies in a folder that is packed" in capsys.readouterr().err
    assert not (study / "study/results/a.zip").exists()
    (study / "study/results").rename(study / "elsewhere")
    assert main(["archive", str(study / "a.zip")]) == 1
    assert "no results to pack: run `dvc repro`" in capsys.readouterr().err
    assert not (study / "a.zip").exists()
