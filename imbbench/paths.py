"""Where things are."""

import hashlib
import os
from pathlib import Path

from imbbench.errors import StudyError


def root():
    """Folder of the study: the nearest one upwards from here that has a ``params.yaml``.

    ``IMBBENCH_ROOT`` overrides it.
    """
    if "IMBBENCH_ROOT" in os.environ:
        return Path(os.environ["IMBBENCH_ROOT"]).resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file():
            return folder
    raise StudyError(f"No params.yaml in {here} or above it: go to the study's folder first.")


def table_file(results, kind, dataset, family):
    """Path of a table of a family's cells.

    People read the scores of the default and the web study as they are; the rest is compressed
    and takes an eighth of the room.

    Parameters
    ----------
    results : str
        :meth:`imbbench.config.Study.results` of the data set.
    kind : {"runs", "curves", "timings"}
    dataset, family : str
    """
    plain = kind == "runs" and results != "results/wide"
    return root() / results / kind / dataset / f"{family}{'.csv' if plain else '.csv.gz'}"


def cache_file(kind, key, suffix):
    """Path of a memoised thing in the ignored folder ``data/cache``.

    Parameters
    ----------
    kind : str
    key : str
        Everything the content depends on.
    suffix : str
    """
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return root() / "data" / "cache" / kind / f"{digest}{suffix}"
