"""The papermill engine ``imbbench``; papermill finds it by its entry point.

Papermill imports this module while it is itself being imported, so import papermill first.
"""

import atexit
import base64
import io
import sys
import tempfile
import traceback
from contextlib import contextmanager, redirect_stdout

from nbformat.v4 import new_output
from papermill.engines import Engine

from imbbench.notebooks import arrange, check_parameters, clean, titled


class DeterministicEngine(Engine):
    """Runs the cells in this process, which has the libraries loaded, to equal bytes.

    Drops times, statuses and paths from the metadata, numbers the cell ids, clears the output of
    cells tagged ``progress`` and puts the cells into the order of a page, see
    :func:`imbbench.notebooks.arrange`. What is written to standard error is not part of the page.
    Refuses parameters the notebook does not have, where papermill only warns.
    """

    @classmethod
    def execute_notebook(cls, nb, kernel_name, **kwargs):
        """Execute ``nb`` and return it cleaned; see papermill's ``Engine.execute_notebook``."""
        given = nb.metadata.papermill.get("parameters", {})
        check_parameters(given, nb, nb.metadata.papermill.get("input_path", "the notebook"))
        return clean(arrange(super().execute_notebook(nb, kernel_name, **kwargs)))

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        """Run the code cells one after the other, up to the first error, and fill in the title."""
        with _shell() as shell:
            count = 0
            for number, cell in enumerate(nb_man.nb.cells):
                if cell.cell_type != "code":
                    continue
                count += 1
                nb_man.cell_start(cell, number)
                cell.execution_count = count
                cell.outputs, error = _run(shell, cell.source, count)
                if error is not None:
                    nb_man.cell_exception(cell, number, exception=error)
                    return
                nb_man.cell_complete(cell, number)
            first = nb_man.nb.cells[0]
            if first.cell_type == "markdown":
                first.source = titled(first.source, shell.user_ns)


@contextmanager
def _shell():
    """IPython without a history, a profile or a terminal."""
    from IPython.core.displayhook import CapturingDisplayHook
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    main = sys.modules["__main__"]
    with tempfile.TemporaryDirectory() as folder:
        shell = InteractiveShell.instance(
            config=Config(HistoryManager={"enabled": False}), ipython_dir=folder
        )
        try:
            shell.display_pub = CapturingDisplayPublisher()
            shell.display_trap.hook = CapturingDisplayHook(shell, [])
            shell.showtraceback = shell.showsyntaxerror = lambda *given, **named: None
            yield shell
        finally:
            InteractiveShell.clear_instance()
            shell.atexit_operations()
            atexit.unregister(shell.atexit_operations)
            # The shell has put a module of its own there.
            sys.modules["__main__"] = main


def _run(shell, source, count):
    """Outputs of a cell, and its error or None."""
    shown, result = shell.display_pub.outputs, shell.display_trap.hook.outputs
    shown.clear()
    result.clear()
    text = _Copy(sys.stdout)
    with redirect_stdout(text):
        done = shell.run_cell(source, store_history=False)
    error = done.error_before_exec or done.error_in_exec
    if isinstance(error, KeyboardInterrupt):
        raise error
    outputs = [new_output("stream", text=text.getvalue())] if text.getvalue() else []
    outputs += [_output("display_data", found) for found in shown]
    outputs += [_output("execute_result", found, execution_count=count) for found in result]
    if error is not None:
        # Papermill takes the code 0 for an end that was meant.
        said = f"exit code {error.code}" if isinstance(error, SystemExit) else str(error)
        lines = traceback.format_exception(error)
        outputs.append(
            new_output("error", ename=type(error).__name__, evalue=said, traceback=lines)
        )
    return outputs, error


class _Copy(io.StringIO):
    """What is printed into a page can be followed where the stage runs, too."""

    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def write(self, text):
        self.terminal.write(text)
        self.terminal.flush()
        return super().write(text)


def _output(kind, found, **rest):
    data = {
        name: base64.b64encode(value).decode() if isinstance(value, bytes) else value
        for name, value in found["data"].items()
    }
    return new_output(kind, data=data, metadata=found["metadata"] or {}, **rest)
