"""The same cells on a Dask cluster."""

import functools
import hashlib
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from imbbench.bench.code import code_hash, library
from imbbench.bench.workers import Crew, Died
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

SCHEDULER = "IMBBENCH_SCHEDULER"  # its address, such as tcp://192.168.0.1:8786
PATIENCE = 30  # seconds to wait for it
_here = threading.local()


@dataclass(frozen=True)
class Luggage:
    """What a machine needs to run cells; it goes there once.

    Attributes
    ----------
    function : callable
        Runs a cell.
    limit : callable
        Processor seconds of one.
    files : dict of str to bytes
        By the path below the study's folder.
    families : tuple of str
        Of the cells.
    code : str
        What :func:`code_here` says of them where the luggage was packed.
    """

    function: object
    limit: object
    files: dict
    families: tuple
    code: str

    @functools.cached_property
    def name(self):
        """A checksum of all that is in the files."""
        found = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            found.update(f"{path}\0{len(content)}\0".encode() + content)
        return found.hexdigest()[:16]


def pack(function, limit, paths, families=()):
    """The luggage for calls of ``function``, with these files of the study's folder."""
    files = {path.relative_to(root()).as_posix(): path.read_bytes() for path in paths}
    return Luggage(function, limit, files, families, code_here(families))


def code_here(families):
    """What tells machines apart that would fit cells of these families in another way."""
    return f"{code_hash(*families)} {library('xgboost')}"


def on_cluster(address, luggage, tasks):
    """Call the luggage's function for every task on the workers of a cluster.

    Yields
    ------
    task, outcome
        As :meth:`imbbench.bench.workers.Crew.watch`. What a machine that goes away was working on
        is done by another one.

    Raises
    ------
    StudyError
        If there is no cluster, or its workers are not ready for cells.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    with _client(address) as client:
        state = client.scatter(luggage, broadcast=True)
        futures = {client.submit(work_there, state, task, pure=False): task for task in tasks}
        for future in as_completed(futures):
            try:
                outcome = future.result()
            except KilledWorker as error:
                outcome = Died(f"every machine that tried it went away ({error.last_worker.name})")
            yield futures[future], outcome
            future.release()


def cores_of(address):
    """Cells that a cluster runs side by side."""
    with _client(address) as client:
        return sum(client.nthreads().values())


def _client(address):
    from distributed import Client

    try:
        return Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise StudyError(
            f"there is no Dask scheduler at {address} ({error}): start one with `dask scheduler` "
            "and workers with `dask worker ADDRESS --nthreads 1`."
        ) from None


def work_there(luggage, task):
    """Call the luggage's function on this machine, in a watched process of this thread."""
    if luggage.code != code_here(luggage.families):
        raise StudyError(
            "a worker of the cluster has another version of imbbench or of its libraries: install "
            "the same ones there (requirements.lock) and start it again."
        )
    if getattr(_here, "luggage", None) is not luggage:
        if hasattr(_here, "crew"):
            _here.crew.__exit__()
        folder = unpack(luggage)
        _here.crew = Crew(luggage.function, 1, luggage.limit, {"IMBBENCH_ROOT": str(folder)})
        _here.luggage = luggage
    try:
        ((_, outcome),) = _here.crew.watch([task])
    except AssertionError as error:  # what multiprocessing says of a process that may have none
        raise StudyError(
            f"a worker of the cluster may not start processes ({error}): start it with "
            "DASK_DISTRIBUTED__WORKER__DAEMON=False in its environment."
        ) from None
    return outcome


def unpack(luggage):
    """Folder of the luggage's files on this machine: written once, whole."""
    folder = Path(tempfile.gettempdir()) / f"imbbench-{os.getuid()}-{luggage.name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for path, content in luggage.files.items():
        file = folder / path
        if not file.is_file() or file.read_bytes() != content:
            write_whole(file, content)
    return folder
