"""Probabilities that cells gave, kept locally so that a new metric or rule needs no refit.

One Parquet file per data set and family under ``data/predictions/``: a row per row of the data set
and cell. ``row`` counts the rows of the prepared data from 0, ``part`` is ``validation`` or
``test``, ``p_0`` … are the classes in the order of ``schema.json``. A strategy that is a decision
rule of its own has no validation part.
"""

import io
import shutil
from contextlib import ExitStack, suppress

import numpy as np

from imbbench.files import write_whole
from imbbench.paths import root

PARTS = ["validation", "test"]


def folder_of_predictions(dataset):
    return root() / "data" / "predictions" / dataset


def keep_predictions(task, made, curve):
    """Take the probabilities of a finished cell out of its curve and write them down."""
    found = {part: curve.pop(part) for part in PARTS if part in curve}
    if found:
        buffer = io.BytesIO()
        np.savez(buffer, **found)
        parts = folder_of_predictions(task.dataset) / task.family
        write_whole(parts / f"{made}.npz", buffer.getvalue())


def pack_predictions(dataset, family, hashes, cuts):
    """Put what finished cells wrote down into the file of the family.

    Parameters
    ----------
    dataset, family : str
    hashes : dict of Task to str
        The cells of the family and what they are made from; of others nothing stays in the file.
    cuts : list of (train, validation, test)
        Rows of each split.
    """
    parts = folder_of_predictions(dataset) / family
    if not parts.is_dir():
        return
    path = parts.with_suffix(".parquet")
    write_whole(path, lambda target: _write(target, path, parts, hashes, cuts))
    if not path.stat().st_size:  # no cell of the family has any
        path.unlink()
    shutil.rmtree(parts)


def _write(target, path, parts, hashes, cuts):
    import pyarrow as pa
    from pyarrow import parquet

    # Open files, since pyarrow takes no path that is not UTF-8.
    with ExitStack() as opened:
        before, old = {}, None
        if path.is_file():
            with suppress(pa.ArrowException, OSError):  # a damaged file is none
                old = parquet.ParquetFile(opened.enter_context(path.open("rb")))
                for group in range(old.num_row_groups):  # one for each cell
                    made = old.read_row_group(group, columns=["made_from"])["made_from"][0].as_py()
                    before[made] = group
        sink, writer = opened.enter_context(open(target, "wb")), None
        for task, made in sorted(hashes.items(), key=lambda pair: str(pair[0])):
            file = parts / f"{made}.npz"
            if file.is_file():
                table = pa.table(_columns(task, made, np.load(file), cuts))
            elif made in before:
                table = old.read_row_group(before[made])
            else:
                continue
            if writer is None:
                writer = parquet.ParquetWriter(sink, table.schema, compression="zstd")
                opened.callback(writer.close)
            writer.write_table(table)


def _columns(task, made, found, cuts):
    _, *rows = cuts[task.split]
    rows = {part: row for part, row in zip(PARTS, rows, strict=True) if part in found}
    total = sum(map(len, rows.values()))
    columns = {name: [getattr(task, name)] * total for name in ("learner", "strategy", "split")}
    columns["made_from"] = [made] * total
    columns["part"] = np.repeat(list(rows), [len(row) for row in rows.values()])
    columns["row"] = np.concatenate(list(rows.values())).astype("int32")
    probabilities = np.concatenate([found[part] for part in rows]).astype("float32")
    return columns | {f"p_{c}": values for c, values in enumerate(probabilities.T)}
