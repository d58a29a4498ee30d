"""Copies of the notebooks to work in, and an index of what there is to read."""

import hashlib
import json

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from imbbench.files import write_whole
from imbbench.paths import root

COPIED = ".copied.json"  # checksums of the copies as they were made


def open_lab():
    """Copy the notebooks into ``lab/`` and write ``lab/index.ipynb``.

    A copy is made again when its notebook has changed, unless it was edited or run: what somebody
    worked on is kept.

    Returns
    -------
    list of str
        Names of copies that were kept although their notebook has changed.
    """
    lab, kept, sums = root() / "lab", [], {}
    record = lab / COPIED
    before = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    sources = sorted((root() / "notebooks").glob("*.ipynb"))
    for source in sources:
        copy, new = lab / source.name, source.read_bytes()
        sums[source.name] = _sum(new)
        own = copy.is_file() and _sum(copy.read_bytes()) != before.get(source.name)
        if not own:
            write_whole(copy, new)
        elif before.get(source.name) != sums[source.name]:
            kept.append(source.name)
            sums[source.name] = before.get(source.name)
    write_whole(record, json.dumps(sums, indent=1) + "\n")
    write_whole(lab / "index.ipynb", nbformat.writes(index(sources)) + "\n")
    return kept


def _sum(content):
    return hashlib.sha256(content).hexdigest()


def index(sources):
    """A notebook of links: every notebook as it ran and to run, every data set's pages.

    Parameters
    ----------
    sources : list of Path

    Returns
    -------
    nbformat.NotebookNode
    """
    pages = sorted(root().glob("results/**/rendered/*.ipynb"))
    lines = []
    for source in sources:
        title = nbformat.read(source, as_version=4).cells[0].source.splitlines()[0].lstrip("# ")
        read = [
            f"[as it ran{_where(page)}](../{page.relative_to(root()).as_posix()})"
            for page in pages
            if page.name == source.name
        ]
        lines.append(f"- [{title}]({source.name})" + "".join(f" · {link}" for link in read))
    sets = []
    for report in sorted(root().glob("results/**/rendered/*/report.ipynb")):
        folder = report.parent.relative_to(root()).as_posix()
        links = [f"[{word}](../{folder}/{file}.ipynb)" for word, file in
                 (("report", "report"), ("data", "data_card"))]  # fmt: skip
        families = [
            f"[{page.stem}](../{folder}/{page.name})"
            for page in sorted(report.parent.glob("*.ipynb"))
            if page.stem not in ("report", "data_card")
        ]
        sets.append(f"- **{report.parent.name}**: {' · '.join(links + families)}")
    cells = [
        "# imbbench\n\nThe notebooks here are copies to change and run: set the parameters cell, "
        "run all. *As it ran* is what is committed, with its results.",
        "## Notebooks\n\n" + "\n".join(lines),
        "## Data sets\n\n" + ("\n".join(sets) or "No results yet: `dvc repro`."),
    ]
    notebook = new_notebook(cells=[new_markdown_cell(text) for text in cells])
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3", "language": "python", "name": "python3",
    }  # fmt: skip
    return notebook


def _where(page):
    """Which data sets a page is over, where it is not the default ones alone."""
    place = page.relative_to(root()).parts[1]
    return {"web": ", with the web's data sets", "wide": ", with the wide ones"}.get(place, "")
