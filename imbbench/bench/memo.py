"""Cells that were computed before: those of the committed tables, and those of a run cut off.

Every row of the tables says what its cell was made from, as a short checksum. A stage keeps the
cells whose checksum still holds, and fits the rest.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, astuple, fields

import numpy as np

from imbbench.bench.cell import Task
from imbbench.bench.code import code_hash
from imbbench.bench.learners import library_version
from imbbench.bench.prepared import content_of
from imbbench.bench.protocol import TUNED
from imbbench.bench.rows import KEY, curve_key, parts_file
from imbbench.files import read_table
from imbbench.paths import table_file

TEXT = {*KEY, "status", "reason", "made_from", "platform"} - {"split"}
# The rules of a whole cell: of one without a score, of one with a rule of its own, of the others.
WHOLE = {("",), ("own",), tuple(sorted(["argmax", *TUNED]))}
# What an entry says of a strategy that changes nothing in its cells.
ELSEWHERE = {"learners", "primary", "role", "splits"}


def made_from(study, tasks):
    """What cells are made from.

    The prepared data, the split, the protocol, the entries of the strategy (and of those that it
    names) and of the learner, the code of the bench and of the family, the libraries.

    Parameters
    ----------
    study : imbbench.config.Study
    tasks : list of Task

    Returns
    -------
    dict of Task to str
        Twelve hexadecimal digits.
    """
    content = {name: content_of(name) for name in {task.dataset for task in tasks}}
    protocol = study.protocol.model_dump(exclude={"splits", "keep_predictions"})
    found = {}
    for task in tasks:
        entries, settings = study.family(task.family), study.learner(task.learner)
        entry = {k: v for k, v in entries[task.strategy].items() if k not in ELSEWHERE}
        named = {
            value: entries[value]
            for key, value in entry.items()
            if key != "control" and isinstance(value, str) and value in entries
        }
        version = library_version(task.learner, settings)
        parts = asdict(task), content[task.dataset], protocol, entry, named, settings, version
        key = json.dumps([*parts, code_hash(task.family)], default=str)
        found[task] = hashlib.sha256(key.encode()).hexdigest()[:12]
    return found


def kept(results, hashes):
    """Cells of the tables of a family whose checksum still holds.

    All splits of a learner and strategy or none: a row of the curves is one of all of them.

    Parameters
    ----------
    results : str
        Where the results are, from the study's folder.
    hashes : dict of Task to str
        The cells that are wanted, of one data set and family, and what they are made from.

    Returns
    -------
    results : list of (Task, rows, timing, None)
    curves : list of dict
    """
    if not hashes:
        return [], []
    one = next(iter(hashes))
    try:
        tables = [_read(table_file(results, kind, one.dataset, one.family))
                  for kind in ("runs", "timings", "curves")]  # fmt: skip
    except (OSError, ValueError):  # none yet, or none that can be read
        return [], []
    if any("made_from" not in table for table in tables[:2]):
        return [], []
    runs, timings = (_by_cell(table) for table in tables[:2])
    drawings = tables[2].to_dict("records")
    curves = {(row.get("learner"), row.get("strategy")): row for row in drawings}
    results, drawn = [], []
    for (learner, strategy), tasks in _groups(hashes).items():
        found = []
        for task in tasks:
            rows, timing = (table.get(astuple(task), []) for table in (runs, timings))
            made = {row["made_from"] for row in [*rows, *timing]}
            whole = len(timing) == 1 and tuple(sorted(row["rule"] for row in rows)) in WHOLE
            if whole and made == {hashes[task]}:
                found.append((task, rows, timing[0], None))
        curve = curves.get((learner, strategy), {})
        scored = [timing for _, _, timing, _ in found if timing["status"] == "ok"]
        if len(found) == len(tasks) and curve.get("made_from", curve_key([])) == curve_key(scored):
            results += found
            drawn += [curve] if curve else []
    return results, drawn


def _read(path):
    columns = read_table(path, nrows=0).columns
    return read_table(
        path,
        dtype={name: str for name in TEXT & set(columns)},
        keep_default_na=False,
        na_values={name: [""] for name in set(columns) - TEXT},
        float_precision="round_trip",
    )


def _by_cell(table):
    found, place = {}, [field.name for field in fields(Task)]
    for row in table.to_dict("records"):
        found.setdefault(tuple(row[name] for name in place), []).append(row)
    return found


def _groups(hashes):
    found = {}
    for task in hashes:
        found.setdefault((task.learner, task.strategy), []).append(task)
    return found


def unfinished(dataset, family, hashes):
    """The cells of a run that was cut off, as far as what they were made from is the same.

    Returns
    -------
    list of (Task, rows, timing, curve)
    """
    try:
        lines = parts_file(dataset, family).read_text("ascii").splitlines()
    except (OSError, ValueError):
        return []
    wanted = {made: task for task, made in hashes.items()}
    found = {}
    for line in lines:
        digest, _, text = line.partition(" ")
        if digest == _digest(text):  # what a kill left half written is no cell
            made, rows, timing, curve = json.loads(text)
            if made in wanted:
                arrays = None if curve is None else {k: np.array(v) for k, v in curve.items()}
                found[wanted[made]] = rows, timing, arrays
    return [(task, *result) for task, result in found.items()]


def write_down(dataset, family, made, rows, timing, curve):
    """Add one finished cell to the file; where that is impossible, it will be fitted again."""
    lists = None if curve is None else {k: np.asarray(v).tolist() for k, v in curve.items()}
    text = json.dumps([made, rows, timing, lists], default=lambda value: value.item())
    path = parts_file(dataset, family)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # One write at the end of the file, which two runs may share.
        place = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o666)
        try:
            os.write(place, f"{_digest(text)} {text}\n".encode("ascii"))
        finally:
            os.close(place)


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]
