"""Put the sources of moved notebooks into their rendered pages, whose outputs stay as they are.

A page is written again only where its code and the notebook's differ in nothing but import lines
and the names of modules: then running the notebook would give the same page, at the cost of hours.

    python tests/refresh_sources.py
"""

import re
import sys
from pathlib import Path

import nbformat

from imbbench.files import write_whole

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(ROOT.glob("results/**/rendered/**/*.ipynb"))
IMPORT = re.compile(r"^from imbbench\S* import (.*)", flags=re.M)


def source_of(page):
    """The notebook that a page was rendered from."""
    named = {"data_card": "01_data_card", "report": "03_dataset_report"}
    numbered = page.stem if page.parent.name == "rendered" else "02_run_family"
    return ROOT / "notebooks" / f"{named.get(page.stem, numbered)}.ipynb"


def own_cells(notebook):
    """Its cells, without the one that sets parameters when it is executed."""
    tag = "injected-parameters"
    return [cell for cell in notebook.cells if tag not in cell.metadata.get("tags", [])]


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
        mine, theirs = own_cells(rendered), own_cells(source)
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
