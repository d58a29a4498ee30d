"""Execute notebooks with papermill, so that equal inputs give equal bytes."""

import re
import sys
from pathlib import Path

# Of a check of formats that notebooks have none of: its grammar takes seconds to compile.
sys.modules.setdefault("rfc3987_syntax", None)

import nbformat  # noqa: E402

from imbbench.errors import StudyError  # noqa: E402
from imbbench.files import write_whole  # noqa: E402
from imbbench.paths import root  # noqa: E402

PROGRESS = "progress"
LEAD = "lead"
ADDED = "added"  # a cell that the notebook itself does not have
MADE = """## How this page was made

Parameters (the notebook's own, then those that replace them on this page), imports and data."""


def check_parameters(given, notebook, name):
    """Refuse parameters that the cell tagged ``parameters`` does not set."""
    cells = [cell for cell in notebook.cells if "parameters" in tags(cell)]
    known = {
        line.split("=")[0].split(":")[0].strip()
        for cell in cells
        for line in cell.source.splitlines()
        if "=" in line and not line.startswith((" ", "#"))
    }
    unknown = sorted(set(given) - known)
    if unknown:
        raise StudyError(
            f"{name} has no parameter '{unknown[0]}'. Known: {', '.join(sorted(known))}."
        )


def tags(cell):
    """Tags of a cell."""
    return cell.metadata.get("tags", [])


def titled(source, names):
    """A title with the values of what it names: ``{dataset}`` is that variable's value."""
    title, *rest = source.split("\n", 1)
    title = re.sub(r"\{(\w+)\}", lambda found: str(names[found[1]]), title)
    return "\n".join([title, *rest])


def arrange(notebook):
    """Put an executed notebook, in place, into the order in which a page is read.

    What cells tagged ``lead`` show stands under the title: conclusion and links come first. A
    section whose cells show nothing is left out; parameters, imports and what else shows nothing
    before the first heading come last. A notebook without a title, or one that failed, stays as
    it is.

    Parameters
    ----------
    notebook : NotebookNode

    Returns
    -------
    NotebookNode
    """
    first, *rest = notebook.cells
    if _failed(notebook) or first.cell_type != "markdown" or not first.source.startswith("# "):
        return notebook
    title, _, text = first.source.partition("\n")
    leads = [cell for cell in rest if LEAD in tags(cell)]
    said = [out.data["text/markdown"] for cell in leads for out in cell.outputs]
    for cell in leads:
        cell.outputs = []
    first.source = "\n\n".join([title, *said, text.strip("\n")]).rstrip("\n")
    opening, *parts = sections(rest)
    notebook.cells = [first, *(cell for cell in opening if not _silent(cell))]
    notebook.cells += [cell for part in parts if _says(part) for cell in part]
    if last := [cell for cell in opening if _silent(cell)]:
        head = nbformat.v4.new_markdown_cell(MADE, metadata={"tags": [ADDED]})
        notebook.cells += [head, *last]
    return notebook


def sections(cells):
    """Cells in groups: those before the first heading, then each heading and what follows it."""
    found = [[]]
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            found.append([])
        found[-1].append(cell)
    return found


def _silent(cell):
    """Whether a cell is code that shows nothing on the page."""
    return cell.cell_type == "code" and (not cell.outputs or PROGRESS in tags(cell))


def _says(section):
    """Whether a section is there to be read: it has no code, or some of it shows something."""
    ran = [cell for cell in section if cell.cell_type == "code"]
    return not ran or any(cell.outputs for cell in ran)


def _failed(notebook):
    return any(o.output_type == "error" for c in notebook.cells for o in c.get("outputs", []))


def clean(notebook):
    """Remove from an executed notebook, in place, what differs between two equal runs."""
    kept = ("kernelspec", "language_info")
    failed = _failed(notebook)
    notebook.metadata = nbformat.from_dict(
        {key: notebook.metadata[key] for key in kept if key in notebook.metadata}
    )
    for number, cell in enumerate(notebook.cells):
        own = tags(cell)
        cell.metadata = nbformat.from_dict({"tags": own} if own else {})
        cell.id = f"cell-{number}"
        if cell.cell_type == "code" and PROGRESS in own and not failed:
            cell.outputs = []
    return notebook


def execute(notebook, output, parameters):
    """Run a parameterised notebook and write the executed copy, whole or not at all.

    Parameters
    ----------
    notebook, output : path-like
    parameters : dict

    Raises
    ------
    StudyError
        If there is no such notebook or parameter, or a cell fails; the failed copy is then kept
        in ``data/failed`` and an older ``output`` is left as it was.
    """
    import papermill

    notebook, output = Path(notebook), Path(output)
    if not notebook.is_file():
        raise StudyError(f"There is no notebook {notebook}.")
    check_parameters(parameters, nbformat.read(notebook, as_version=4), notebook)
    attempt = root() / "data" / "failed" / f"{'-'.join(output.parts[-3:])}"
    attempt.parent.mkdir(parents=True, exist_ok=True)
    try:
        executed = papermill.execute_notebook(
            str(notebook),
            str(attempt),
            parameters=parameters,
            engine_name="imbbench",
            request_save_on_cell_execute=False,
            progress_bar=False,
            cwd=str(root()),
        )
    except papermill.PapermillExecutionError as error:
        if error.ename == StudyError.__name__:
            raise StudyError(error.evalue) from None
        raise StudyError(
            f"{notebook} failed in cell {error.exec_count}: {error.ename}: {error.evalue}\n"
            f"The executed copy with the traceback is {attempt}."
        ) from None
    attempt.unlink(missing_ok=True)
    write_whole(output, lambda part: nbformat.write(executed, part))
