"""Put the sources of moved notebooks into their rendered pages, whose outputs stay as they are.

A page is written again only where its code and the notebook's differ in nothing but import lines
and the names of modules: then running the notebook would give the same page, at the cost of hours.

    python tests/refresh_sources.py
"""

import ast
import copy
import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_output

from imbbench.files import write_whole
from imbbench.notebooks import ADDED, LEAD, arrange, tags, titled

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(ROOT.glob("results/**/rendered/**/*.ipynb"))
IMPORT = re.compile(r"^from imbbench\S* import (.*)", flags=re.M)


def source_of(page):
    """The notebook that a page was rendered from."""
    named = {"data_card": "01_data_card", "report": "03_dataset_report"}
    numbered = page.stem if page.parent.name == "rendered" else "02_run_family"
    return ROOT / "notebooks" / f"{named.get(page.stem, numbered)}.ipynb"


def values(page):
    """What the parameters of a page are."""
    cells = [cell for cell in page.cells if {"parameters", "injected-parameters"} & set(tags(cell))]
    cells.sort(key=lambda cell: "injected-parameters" in tags(cell))
    assigned = [line for cell in cells for line in ast.parse(cell.source).body]
    single = [line for line in assigned if isinstance(line.targets[0], ast.Name)]
    return {line.targets[0].id: ast.literal_eval(line.value) for line in single}


def as_page(source, page):
    """The notebook with the parameters and the outputs of its page, before and after arranging.

    Cells are told by what they say, whatever modules are called. Pages of before notebooks were
    arranged are left in the order of the notebook.
    """
    source = copy.deepcopy(source)
    first = source.cells[0]
    given = [cell for cell in page.cells if "injected-parameters" in tags(cell)]
    place = [place for place, cell in enumerate(source.cells) if "parameters" in tags(cell)]
    source.cells[place[0] + 1 : place[0] + 1] = given
    outputs = dict(zip(bare(page.cells), page.cells, strict=True))
    for cell, key in zip(source.cells, bare(source.cells), strict=True):
        if cell.cell_type == "code":
            cell.outputs = outputs.get(key, {}).get("outputs", [])
        if LEAD in tags(cell):
            text = first.source.partition("\n")[2].strip("\n")
            said = page.cells[0].source.partition("\n")[2].removesuffix(text).strip("\n")
            cell.outputs = [new_output("display_data", {"text/markdown": said})] if said else []
    first.source = titled(first.source, values(page))
    if not any(ADDED in tags(cell) for cell in page.cells):
        return source, source
    return source, arrange(copy.deepcopy(source))


def bare(cells):
    """Kind and source of cells, without the package's imports and module names, and blanks."""
    modules = {m for c in cells for names in IMPORT.findall(c.source) for m in names.split(", ")}
    dotted = re.compile(rf"\bimbbench\.(\w+\.)+|\b({'|'.join(modules)})\.(?=\w+\()")
    return [
        (cell.cell_type, "".join(dotted.sub("", IMPORT.sub("", cell.source)).split()))
        for cell in cells
    ]


def main():
    """Refresh all pages; returns 1 where one was refused."""
    refused = 0
    for page in PAGES:
        rendered, source = nbformat.read(page, 4), nbformat.read(source_of(page), 4)
        mine, theirs = rendered.cells, as_page(source, rendered)[1].cells
        changed = [(a, b) for a, b in zip(mine, theirs, strict=False) if a.source != b.source]
        name = page.relative_to(ROOT)
        if bare(mine) != bare(theirs):
            print(f"{name}: refused; it differs from {source_of(page).name} in more than modules")
            refused = 1
        elif changed:
            print(f"{name}: {len(changed)} cells")
            for a, b in changed:
                a.source = b.source
            write_whole(page, lambda part, notebook=rendered: nbformat.write(notebook, part))
    return refused


if __name__ == "__main__":
    sys.exit(main())
