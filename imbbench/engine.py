"""The papermill engine ``imbbench``; papermill finds it by its entry point.

Papermill imports this module while it is itself being imported, so import papermill first.
"""

from papermill.engines import NBClientEngine

from imbbench.notebooks import check_parameters, clean


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
        check_parameters(given, nb, nb.metadata.papermill.get("input_path", "the notebook"))
        return clean(super().execute_notebook(nb, kernel_name, **kwargs))
