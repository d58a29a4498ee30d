import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from imbbench.cli import main
from imbbench.data.remove import remove_dataset
from imbbench.errors import StudyError

ENTRY = """\
  {}:
    source: {{path: {}}}
    sha256: {{data: abc}}   # of the file
    # the target
    target: y
"""
LOCK = """\
schema: '2.0'
stages:
  fetch@{0}:
    cmd: fetch
    outs:
    - path: data/raw/{0}
  run@{0}-loss:
    cmd: run
  fetch@{0}_two:
    cmd: fetch
  study:
    cmd: all
"""
FILES = [
    "data/raw/mine/data.csv",
    "data/prepared/mine/data.csv",
    "data/predictions/mine/loss.parquet",
    "data/cache/cells/mine-loss.jsonl",
    "data/local/mine.csv",
    "results/runs/mine/loss.csv",
    "results/rendered/mine/report.ipynb",
]


@pytest.fixture
def project(tmp_path, monkeypatch):
    entries = [ENTRY.format(n, f"data/local/{n}.csv") for n in ("first", "mine", "mine_two")]
    (tmp_path / "params.yaml").write_text("datasets:\n" + "\n".join(entries) + "\nlearners: {}\n")
    (tmp_path / "dvc.lock").write_text(LOCK.format("mine"))
    for file in [*FILES, *(f.replace("mine", "mine_two") for f in FILES)]:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(file)
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_it_shows_what_would_go_and_does_it_when_told(project, capsys):
    before = contents(project)
    assert main(["remove-dataset", "mine"]) == 0
    assert contents(project) == before
    said = capsys.readouterr().out
    assert "Nothing is changed" in said
    assert "the entry datasets.mine of params.yaml" in said and "2 stages of dvc.lock" in said

    assert main(["remove-dataset", "mine", "--yes"]) == 0
    after = contents(project)
    assert set(before) - set(after) == set(FILES)
    changed = {f for f in after if after[f] != before[f]}
    assert changed == {"params.yaml", "dvc.lock"}
    entries = [ENTRY.format(n, f"data/local/{n}.csv") for n in ("first", "mine_two")]
    expected = "datasets:\n" + "\n".join(entries) + "\nlearners: {}\n"
    assert after["params.yaml"].decode() == expected
    lock = LOCK.format("mine").split("  fetch@mine:")[0] + LOCK[LOCK.index("  fetch@{0}_two") :]
    assert after["dvc.lock"].decode() == lock.format("mine")


def test_adding_and_removing_leaves_the_file_as_it_was(project):
    rows = "".join(f"{i},{'pq'[i % 2]}\n" for i in range(20))
    (project / "a.csv").write_text("x,y\n" + rows)
    for end in ("\nlearners: {}\n", "", "# the end\n"):
        whole = "protocol: {folds: 2}\ndatasets:\n" + ENTRY.format("first", "b.csv") + end
        (project / "params.yaml").write_text(whole)
        assert main(["add-dataset", "a.csv", "--target", "y"]) == 0
        assert (project / "params.yaml").read_text() != whole
        remove_dataset("a", yes=True)
        assert (project / "params.yaml").read_text() == whole
    assert (project / "a.csv").exists()  # the user's own file


def test_the_file_of_another_entry_stays(project):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("mine_two.csv", "mine.csv"))
    assert "data/local/mine.csv" not in remove_dataset("mine", yes=True)
    assert (project / "data/local/mine.csv").exists()


def test_unknown_names_and_entries_that_cannot_be_taken_out(project):
    with pytest.raises(StudyError, match=r"no data set 'nine'\.  ?Did you mean 'mine'"):
        remove_dataset("nine")
    (project / "params.yaml").write_text("datasets: {mine: {source: {path: a}}, b: {}}\n")
    before = contents(project)
    with pytest.raises(StudyError, match=r"datasets\.mine cannot be taken out safely"):
        remove_dataset("mine", yes=True)
    assert contents(project) == before


@given(
    names=st.lists(
        st.from_regex(r"[a-c]{1,2}", fullmatch=True), min_size=2, max_size=6, unique=True
    ),
    gaps=st.lists(st.sampled_from(["", "\n", "\n\n", "  # a note\n"]), min_size=9, max_size=9),
    data=st.data(),
)
def test_the_other_entries_are_what_they_were(tmp_path_factory, names, gaps, data):
    folder = tmp_path_factory.mktemp("p")
    blocks = [g + ENTRY.format(n, f"{n}.csv") for n, g in zip(names, gaps, strict=False)]
    (folder / "params.yaml").write_text("datasets:\n" + "".join(blocks) + "z: 1\n")
    gone = data.draw(st.sampled_from(names))
    before = YAML(typ="safe").load(folder / "params.yaml")
    remove_dataset(gone, params=folder / "params.yaml", yes=True)
    after = YAML(typ="safe").load(folder / "params.yaml")
    assert before["datasets"].pop(gone)
    assert after == before
    text = (folder / "params.yaml").read_text()
    assert text.count("# of the file") == len(names) - 1
    assert re.search(rf"(?m)^  {gone}:", text) is None


def test_a_wide_data_set_goes_from_the_file_it_is_in(project):
    (project / "wide").mkdir()
    study = project / "wide/study.yaml"
    study.write_text("wide_datasets:\n" + ENTRY.format("far", "far.csv") + "\nwide_without: []\n")
    (project / "wide/dvc.lock").write_text(LOCK.format("far").replace("run@far-loss", "run@far"))
    runs = project / "results/wide/runs/far/loss.csv"
    runs.parent.mkdir(parents=True)
    runs.write_text("a table")
    before = contents(project)
    said = remove_dataset("far", yes=True)
    assert said == [
        "the entry wide_datasets.far of study.yaml",
        "2 stages of wide/dvc.lock",
        "results/wide/runs/far",
    ]
    after = contents(project)
    assert set(before) - set(after) == {"results/wide/runs/far/loss.csv"}
    changed = {file for file in after if after[file] != before[file]}
    assert changed == {"wide/study.yaml", "wide/dvc.lock"}
    assert YAML(typ="safe").load(study.read_text()) == {"wide_datasets": None, "wide_without": []}
