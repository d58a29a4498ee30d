"""Committed pages against their notebooks, and their text against the committed tables."""

import ast
import functools
import json
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest
from IPython.display import Markdown
from nbformat.v4 import new_code_cell, new_markdown_cell
from refresh_sources import PAGES, ROOT, as_page, bare, source_of

from imbbench import config
from imbbench.analysis import answer, inference, plots, tables
from imbbench.analysis.statistics import TUNED
from imbbench.bench import rows, run
from imbbench.notebooks import PROGRESS, tags

FAMILIES = [page for page in PAGES if source_of(page).stem == "02_run_family"]
PICTURE = object()
FORMER = "results of the former protocol"
# Notebooks that are about the protocol as it is now: the web's pages are of the former one.
REWRITTEN = ["01_data_card", "02_run_family", "03_dataset_report", "04_study"]


def name(page):
    return "-".join(page.relative_to(ROOT / "results").with_suffix("").parts)


@functools.cache
def former(results):
    """Whether what is committed there is of the former protocol, which had one tuned rule."""
    paths = (ROOT / results).glob("runs/*/*.csv*")
    return any("tuned" in set(pd.read_csv(path, usecols=["rule"])["rule"]) for path in paths)


def results_of(page):
    """``results`` or ``results/web``, …, where a page is."""
    return page.relative_to(ROOT).as_posix().partition("/rendered/")[0]


def said(outputs):
    """Outputs of a cell as texts; a figure is one for another."""
    found = []
    for output in outputs:
        data = output.get("data", {"text/plain": output.get("text")})
        found.append(PICTURE if "image/png" in data else data.get("text/markdown", data))
    return found


def run_cell(cell, space):
    """Run a cell; what it shows."""
    *body, last = ast.parse(cell.source).body
    if not isinstance(last, ast.Expr):
        body.append(last)
    exec(compile(ast.Module(body, []), cell.id, "exec"), space)
    if not isinstance(last, ast.Expr):
        return []
    shown = eval(compile(ast.Expression(last.value), cell.id, "eval"), space)
    return [] if shown is None else [shown.data if isinstance(shown, Markdown) else shown]


@pytest.fixture(scope="module")
def committed():
    """The project as it is committed, its cells read instead of run, its figures not drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMBBENCH_ROOT", str(ROOT))
        study = config.load()
        patch.setattr(config, "load", lambda *path: study)

        def read(dataset, family, splits):
            found = (
                load(study, [dataset], [family]) for load in (tables.load_runs, tables.load_curves)
            )
            return SimpleNamespace(**dict(zip(("runs", "curves"), found, strict=True)))

        patch.setattr(run, "run_family", read)
        patch.setattr(rows, "save", lambda *given: None)
        for choice in ("to_show", "before_after"):  # what the figures show
            patch.setattr(tables, choice, lambda runs: [])
        for figure in ("precision_recall", "minority_reliability"):
            patch.setattr(plots, figure, lambda *tables: PICTURE)
        yield


def test_there_is_a_page_of_every_family_on_every_data_set():
    study = config.load(ROOT / "params.yaml")
    pages = {(page.parent.name, page.stem) for page in FAMILIES}
    sets = [*study.datasets, *study.web_datasets]
    assert pages == {(dataset, family) for dataset in sets for family in study.families}


@pytest.mark.parametrize("page", FAMILIES, ids=name)
def test_a_family_says_what_its_committed_tables_hold(page, committed):
    if former(results_of(page)):
        pytest.skip(FORMER)
    rendered, source = (nbformat.read(path, as_version=4) for path in (page, source_of(page)))
    space, sections = {}, 0
    for cell in as_page(source, rendered)[0].cells:
        if cell.cell_type == "code":
            shown = run_cell(cell, space)
            if PROGRESS not in tags(cell):
                assert shown == said(cell.outputs)
                sections += len(shown)
    assert (space["dataset"], space["family"], space["save"]) == (page.parent.name, page.stem, True)
    runs = space["runs"]
    lost = (runs.loc[runs["family"] == page.stem, "status"] != "ok").any()
    assert sections == 1 + 4 * space["scored"] + lost


@pytest.mark.parametrize("results", ["results", "results/wide", "results/web"])
def test_the_committed_headline_is_that_of_the_committed_tables(results, committed):
    if former(results):
        pytest.skip(FORMER)
    study = config.load()
    names = inference.evidence(study, results.partition("/")[2] or None)
    runs = inference.described(study, tables.load_runs(study, names))
    assert set(runs["rule"]) == {"argmax", *TUNED.values(), "own", ""}
    numbers, text = answer.answer(runs, tables.load_loops(study, names))
    folder = ROOT / results
    assert numbers == json.loads((folder / "study.json").read_text(encoding="utf-8"))
    assert text + "\n" == (folder / "tables/answer.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_shows_its_notebook(page):
    """Cell by cell; after a move of modules, `python tests/refresh_sources.py` sees to it."""
    if source_of(page).stem in REWRITTEN and former(results_of(page)):
        pytest.skip(FORMER)
    rendered, source = (nbformat.read(path, as_version=4) for path in (page, source_of(page)))
    shown = [(cell.cell_type, cell.source) for cell in rendered.cells]
    assert shown == [(c.cell_type, c.source) for c in as_page(source, rendered)[1].cells]


OLD = """from imbbench import config, plots
from imbbench.tables import load
plots.bars(load(config.root()), shown=3)  # as in `imbbench.plots.bars`"""
NEW = """from imbbench import config
from imbbench.analysis import figures

from imbbench.analysis.reading import load
figures.bars(
    load(config.root()), shown=3
)  # as in `imbbench.analysis.figures.bars`"""


def test_a_page_may_differ_from_its_notebook_in_modules_only():
    old = bare([new_code_cell(OLD)])
    assert old == bare([new_code_cell(NEW)])
    for word, other in {
        "shown=3": "shown=4",
        "bars(": "lines(",
        "# as in": "# see",
        "load(config": "load(5, config",
        "`imbbench.analysis.figures.bars`": "`imbbench.analysis.figures.lines`",
    }.items():
        assert word in NEW
        assert old != bare([new_code_cell(NEW.replace(word, other))])
    assert old != bare([new_markdown_cell(NEW)])


def test_a_page_is_written_again_as_it_was_written(tmp_path):
    for page in {source_of(page): page for page in PAGES}.values():
        nbformat.write(nbformat.read(page, as_version=4), tmp_path / "page.ipynb")
        assert (tmp_path / "page.ipynb").read_bytes() == page.read_bytes()
