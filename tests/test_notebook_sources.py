"""What every notebook source keeps to, and that those of the study run on drawn results."""

import ast
import re
from pathlib import Path

import made_up
import nbformat
import pytest

from imbbench.notebooks import PROGRESS

ROOT = Path(__file__).parents[1]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RENDERED = sorted(ROOT.glob("results/**/*.ipynb"))
every = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_notebooks_are_numbered_without_gaps():
    numbers = [int(path.stem.split("_")[0]) for path in PATHS]
    assert numbers == list(range(1, len(PATHS) + 1))


@pytest.mark.parametrize("path", RENDERED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_is_rendered_has_no_warning_and_no_nan(path):
    """A warning names a folder of the machine that made it."""
    outputs = [out for cell in code(nbformat.read(path, 4)) for out in cell.outputs]
    assert not [out.text for out in outputs if out.get("name") == "stderr"]
    shown = [out.get("data", {}).get("text/markdown", "") for out in outputs]
    assert not [line for line in "\n".join(shown).splitlines() if re.search(r"\bnan\b", line)]


@every
def test_source_is_stripped_and_valid(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python"}
    for number, cell in enumerate(notebook.cells):
        assert cell.id == f"cell-{number}"
        assert set(cell.metadata) <= {"tags"}
        assert cell.cell_type != "code" or (cell.outputs == [] and cell.execution_count is None)


@every
def test_source_opens_with_a_title_and_one_paragraph_that_asks(path):
    first = nbformat.read(path, as_version=4).cells[0]
    title, blank, *paragraph = first.source.splitlines()
    assert first.cell_type == "markdown"
    assert title.startswith(f"# {path.stem[:2]} · ") and blank == ""
    assert paragraph and "" not in paragraph and "?" in first.source


@every
def test_source_has_one_parameters_cell_of_assignments(path):
    cells = code(nbformat.read(path, as_version=4))
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == cells[:1]
    for statement in ast.parse(tagged[0].source).body:
        assert isinstance(statement, ast.Assign)
        ast.literal_eval(statement.value)


@every
def test_notebooks_compute_nothing_themselves(path):
    for cell in code(nbformat.read(path, as_version=4)):
        tagged = "parameters" in cell.metadata.get("tags", [])
        assert tagged or len(cell.source.splitlines()) <= 12
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda)
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "")]
                assert not any("notebook" in name.lower() for name in names)


@every
def test_conclusions_are_not_typed_in(path):
    """No measured number stands in the text: it is made from the tables when it is shown.

    Parameters of a distribution, N(3.5, 1.75²), are not measured.
    """
    for cell in nbformat.read(path, as_version=4).cells:
        text = re.sub(r"N\([^)]*\)", "", cell.source)
        assert cell.cell_type == "code" or not re.search(r"\d\.\d", text)


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    made_up.write_params(tmp_path, ["one", "two", "three"])
    made_up.write_results(tmp_path, ["one", "two", "three"])
    return tmp_path


def run_cells(stem, **parameters):
    """Run a source's code cells here, without a kernel; returns the variables."""
    (path,) = (ROOT / "notebooks").glob(f"{stem}*.ipynb")
    space = {}
    for cell in code(nbformat.read(path, as_version=4)):
        if PROGRESS not in cell.metadata.get("tags", []):
            exec(compile(cell.source, cell.id, "exec"), space)
        if "parameters" in cell.metadata.get("tags", []):
            assert set(parameters) <= set(space)
            space |= parameters
    return space


def test_data_card_and_report_are_about_the_data_set_they_are_asked_for(study):
    assert run_cells("01", dataset="two")["card"]["name"] == "two"
    report = run_cells("03", dataset="two")
    expected = made_up.draw_runs("two", seed=1)
    plain, shown = (
        runs[(runs["strategy"] == "plain") & (runs["rule"] == "argmax")]["macro_f1"].sum()
        for runs in (expected, report["runs"])
    )
    assert shown == pytest.approx(plain) and set(report["runs"]["dataset"]) == {"two"}
    assert report["best"][0] == "plain" and set(report["best"]) <= set(expected["label"])
    assert report["of_families"] and "`two`" not in report["links"]


def test_the_study_writes_only_when_asked(study):
    run_cells("04")
    assert not (study / "results" / "study.json").exists()
    run_cells("04", save=True)
    for name in ("study.json", "tables/leaderboard.csv", "figures/headline.svg"):
        assert (study / "results" / name).is_file()
