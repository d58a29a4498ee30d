"""Texts written by a model: memoised, checked, and copies in the places of what is missing."""

import json
import time

import numpy as np
import pandas as pd

from imbbench.bench.code import code_hash
from imbbench.files import recall, remember
from imbbench.paths import cache_file
from imbbench.strategies.augmentation.added_rows import fit_with, proposed_texts
from imbbench.strategies.augmentation.verdicts import verdicts

MOST_WRITTEN = 1000  # rows to add; writing takes up to a second for each
SURPLUS = 1.5  # texts written for one that is wanted


def labels_to_write(labels):
    """Class of each text to write where ``labels`` are wanted: with a surplus."""
    wanted = np.ceil(SURPLUS * np.bincount(labels)).astype(int)
    return np.repeat(np.arange(len(wanted)), wanted)


def fit_with_written(cell, texts, rows, propose, settings, slow=True):
    """The learner on what ``propose`` writes, as far as it passes the checks, and copies.

    ``propose()`` returns a frame of ``label``, ``text``, ``rows`` and ``place``: of the rows
    to add the one that the text is for, -1 for any of its class. Of several for one place the
    first that passes is added. What is not ``slow`` may add any number of rows.
    """
    if slow:
        many = f"{len(rows)} texts would have to be written, more than {MOST_WRITTEN}"
        cell.need(len(rows) <= MOST_WRITTEN, f"{many}; a smaller per_class makes it possible")
    key = [settings, cell.seed, texts, cell.y.tolist(), rows.tolist(), cell.classes]
    key.append(code_hash("augmentation"))
    path = cache_file("written", json.dumps(key), ".json")
    found = recall(path)
    if found is not None:
        kept = json.loads(found)
        cell.borrowed_seconds += kept["seconds"]
    else:
        started = time.perf_counter()
        proposed = propose()
        why = verdicts(texts, cell.y, proposed["text"].tolist(), proposed["label"].to_numpy())
        proposed["why"] = chosen(proposed, why, np.bincount(cell.y[rows]))
        records = proposed.to_dict("records")
        for record in records:
            record["class"] = cell.classes[record["label"]]
            record["made_from"] = [texts[i] for i in record["rows"]]
        kept = {**settings, "seed": cell.seed, "seconds": time.perf_counter() - started}
        kept["texts"] = records
        remember(path, json.dumps(kept, ensure_ascii=False, indent=1).encode())
    columns = ["label", "text", "why", "rows"]
    proposed = pd.DataFrame(kept["texts"], columns=columns).assign(origin="written")
    passed = proposed["why"] == ""
    cell.need(passed.any(), f"none of {len(proposed)} written texts passes the checks")
    # Copies take the places of what is missing.
    left = np.bincount(proposed.loc[passed, "label"], minlength=len(cell.classes))
    filled = []
    for c in np.unique(cell.y[rows]):
        filled += rows[cell.y[rows] == c][left[c] :].tolist()
    copied = proposed_texts([texts[i] for i in filled], cell.y, filled, "copied")
    return fit_with(
        cell, pd.concat([proposed, copied] if filled else [proposed], ignore_index=True)
    )


def chosen(proposed, why, wanted):
    """``why`` with reasons for texts that passed the checks but are not needed."""
    taken, left, found = set(), np.array(wanted), []
    for label, place, reason in zip(proposed["label"], proposed["place"], why, strict=True):
        if not reason and place in taken:
            reason = "another text in its place"
        elif not reason and left[label] == 0:
            reason = "not needed"
        elif not reason:
            left[label] -= 1
            taken |= {place} - {-1}
        found.append(reason)
    return found
