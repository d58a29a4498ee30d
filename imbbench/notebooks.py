"""Execute notebooks with papermill, so that equal inputs give equal bytes."""

import sys
from pathlib import Path

# Of a check of formats that notebooks have none of: its grammar takes seconds to compile.
sys.modules.setdefault("rfc3987_syntax", None)

import nbformat  # noqa: E402

from imbbench.errors import StudyError  # noqa: E402
from imbbench.files import write_whole  # noqa: E402
from imbbench.paths import root  # noqa: E402

PROGRESS = "progress"


def check_parameters(given, notebook, name):
    """Refuse parameters that the cell tagged ``parameters`` does not set."""
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
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


def clean(notebook):
    """Remove from an executed notebook, in place, what differs between two equal runs."""
    kept = ("kernelspec", "language_info")
    failed = any(o.output_type == "error" for c in notebook.cells for o in c.get("outputs", []))
    notebook.metadata = nbformat.from_dict(
        {key: notebook.metadata[key] for key in kept if key in notebook.metadata}
    )
    for number, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        cell.id = f"cell-{number}"
        if cell.cell_type == "code" and PROGRESS in tags and not failed:
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
