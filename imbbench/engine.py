"""Run notebooks: a papermill engine whose output depends on the inputs alone."""

import sys
from pathlib import Path

import nbformat
import papermill
from papermill.engines import NBClientEngine

from imbbench.config import root
from imbbench.errors import StudyError
from imbbench.features import write_whole

PROGRESS = "progress"


class DeterministicEngine(NBClientEngine):
    """Papermill's own engine, without what differs from run to run.

    Drops times, statuses and paths from the metadata, numbers the cell ids, and clears the
    output of cells tagged ``progress``. Refuses parameters the notebook does not have, where
    papermill only warns.
    """

    @classmethod
    def execute_notebook(cls, nb, kernel_name, **kwargs):
        """Execute ``nb`` and return it cleaned; see papermill's ``Engine.execute_notebook``."""
        given = nb.metadata.papermill.get("parameters", {})
        _check_parameters(given, nb, nb.metadata.papermill.get("input_path", "the notebook"))
        return clean(super().execute_notebook(nb, kernel_name, **kwargs))


def _check_parameters(given, notebook, name):
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
    notebook, output = Path(notebook), Path(output)
    if not notebook.is_file():
        raise StudyError(f"There is no notebook {notebook}.")
    _check_parameters(parameters, nbformat.read(notebook, as_version=4), notebook)
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
            stdout_file=sys.stdout,
            stderr_file=sys.stderr,
            cwd=str(root()),
        )
    except papermill.PapermillExecutionError as error:
        raise StudyError(
            f"{notebook} failed in cell {error.exec_count}: {error.ename}: {error.evalue}\n"
            f"The executed copy with the traceback is {attempt}."
        ) from None
    attempt.unlink(missing_ok=True)
    write_whole(output, lambda part: nbformat.write(executed, part))
