"""Preparing: raw files of any format to one canonical form, byte for byte the same everywhere.

Values stay text until they are known to be numbers, so that no parser's guess gets in between.
"""

import csv
import io
import json
import math
from collections import Counter
from pathlib import Path

import pandas as pd

from imbbench.data.readers import canonical, decoded, read_table
from imbbench.errors import StudyError
from imbbench.files import write_whole

RESERVED = ("_label", "_group", "_part")


def prepare(name, dataset, raw_dir, out_dir, folds=5):
    """Write ``data.csv``, ``schema.json`` and ``card.json`` of one data set.

    ``data.csv`` has the features in the order of the file, then ``_label`` (class name),
    ``_group`` (equal for rows whose features are identical) and, where the set brings its own
    test set, ``_part``. A missing value is an empty field. No row is ever dropped.

    Parameters
    ----------
    name : str
    dataset : Dataset
    raw_dir : path
        What :func:`imbbench.data.sources.fetch` wrote.
    out_dir : path
    folds : int
        Every class needs as many rows, or two where the set brings its own test set.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    StudyError
        If the data cannot be studied; the message says why and what to do.
    """
    frame, nominal, part = read(name, dataset, raw_dir)
    columns, numeric, labels = canonical_columns(name, dataset, frame, nominal)
    groups = identical_rows(columns)
    check_labels(name, labels, groups, part, folds)
    text = "text" if dataset.modality == "text" else None
    categorical = [c for c in columns if c not in numeric and c != text]

    rows = list(zip(*columns.values(), strict=True))
    # With an own test set, the class sizes that matter are those of its training part.
    counted = [y for y, p in zip(labels, part or labels, strict=True) if not part or p == "train"]
    counts = dict(sorted(Counter(counted).items(), key=lambda item: (-item[1], item[0])))
    schema = {
        "name": name,
        "modality": dataset.modality,
        "classes": list(counts),
        "class_counts": list(counts.values()),
        "numeric": numeric,
        "categorical": categorical,
        "text": text,
        "rows": len(rows),
        "own_test": part is not None,
    }
    if tail := dataset.long_tail:
        check_long_tail(name, tail, counts, folds)
        schema["long_tail"] = tail.model_dump()
    if dataset.splits:
        schema["splits"] = dataset.splits
    labels_of = {}
    for group, label in zip(groups, labels, strict=True):
        labels_of.setdefault(group, set()).add(label)
    missing = {c: n for c, values in columns.items() if (n := values.count(""))}
    card = {
        "name": name,
        "why": dataset.why,
        "modality": dataset.modality,
        "rows": len(rows),
        "rows_train": len(counted) if part else None,
        "rows_test": len(rows) - len(counted) if part else None,
        "features": len(columns),
        "features_numeric": len(numeric),
        "features_categorical": len(categorical),
        "classes": counts,
        "classes_test": dict(Counter(labels) - Counter(counted)) if part else None,
        "imbalance_ratio": round(max(counts.values()) / min(counts.values()), 2),
        "duplicate_rows": len(rows) - len(set(groups)),
        "groups_with_conflicting_labels": sum(len(found) > 1 for found in labels_of.values()),
        "missing_values": sum(missing.values()),
        "missing_by_column": missing,
        "constant_columns": [c for c, values in columns.items() if len(set(values)) == 1],
        "dropped_columns": [column or "(no name)" for column in dataset.drop],
        "source": str(dataset.source),
        "licence": dataset.licence,
        "citation": dataset.citation,
    }
    if tail:
        # What matters is what a split has, not that the file is even.
        trained = dict(zip(counts, tail.training_counts(len(counts)), strict=True))
        card |= {
            "rows_train": sum(trained.values()),
            "rows_test": tail.test * len(counts),
            "classes": trained,
            "classes_test": dict.fromkeys(counts, tail.test),
            "imbalance_ratio": round(max(trained.values()) / min(trained.values()), 2),
            "long_tail": tail.model_dump(),
        }

    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow([*columns, *RESERVED[: 3 if part else 2]])
    writer.writerows(
        (*row, *rest)
        for row, *rest in zip(rows, labels, groups, *([part] if part else []), strict=True)
    )
    out_dir = Path(out_dir)
    write_whole(out_dir / "data.csv", table.getvalue().encode())
    write_whole(out_dir / "schema.json", _json(schema))
    write_whole(out_dir / "card.json", _json(card))
    return card


def read(name, dataset, raw_dir):
    """Read the raw files of a data set.

    Returns
    -------
    frame : DataFrame of str
        All columns, the target included.
    nominal : set of str or None
        The columns that the file says are nominal; None where its format does not say.
    part : list of str or None
        ``train`` or ``test``.
    """
    files = {path.name.split(".")[0]: path for path in Path(raw_dir).glob("*.*")}
    absent = set(dataset.sha256) - set(files)
    if absent:
        raise StudyError(
            f"data set {name}: no raw file for {', '.join(sorted(absent))}; run `dvc repro fetch`"
        )
    part = None
    if "test" in dataset.sha256:
        train, nominal = read_table(name, files["train"], dataset)
        test, _ = read_table(name, files["test"], dataset)
        if list(train) != list(test):
            raise StudyError(f"data set {name}: training and test file have different columns")
        frame = pd.concat([train, test], ignore_index=True)
        part = ["train"] * len(train) + ["test"] * len(test)
    elif "labels" in dataset.sha256:
        frame, nominal = read_table(name, files["features"], dataset)
        labels = decoded(name, files["labels"]).removesuffix("\n").split("\n")
        if len(labels) != len(frame):
            raise StudyError(
                f"data set {name}: {len(frame)} rows of features but {len(labels)} labels"
            )
        frame[dataset.target] = [label.strip() for label in labels]
    else:
        frame, nominal = read_table(name, files["data"], dataset)
        if dataset.format == "json":
            part = list(frame.pop("_part"))
    return frame, nominal, part


def canonical_columns(name, dataset, frame, nominal):
    """The features in their one spelling, and the class names.

    Parameters
    ----------
    frame, nominal
        As of :func:`read`.

    Returns
    -------
    columns : dict of list of str
        The features in their order; for modality ``text`` the only one is called ``text``.
    numeric : list of str
        Those that are numbers.
    labels : list of str
        Empty where missing.

    Raises
    ------
    StudyError
        If a column that the entry names is not there, or values cannot be used.
    """
    named = {
        "target": [dataset.target],
        "text": [dataset.text] if dataset.text else [],
        "drop": dataset.drop,
        "categorical": dataset.categorical,
    }
    for key, wanted in named.items():
        for column in wanted:
            if column not in frame:
                raise StudyError(
                    f"data set {name}: there is no column {column!r} ({key}); the file has "
                    f"{', '.join(frame.columns)}"
                )
    frame = frame.mask(frame.isin(dataset.missing), "") if dataset.missing else frame
    labels = [_class_of(name, dataset, value) for value in frame[dataset.target]]
    features = frame.drop(columns=[dataset.target, *dataset.drop])
    taken = [c for c in RESERVED if c in features]
    if taken:
        raise StudyError(f"data set {name}: {', '.join(taken)} is a reserved name; rename it")
    if not len(features.columns):
        raise StudyError(f"data set {name}: there is no feature beside the target")
    if dataset.modality == "text":
        others = [c for c in features if c != dataset.text]
        if others:
            raise StudyError(
                f"data set {name}: a text data set has one feature, {dataset.text}; put the "
                f"others into drop: {', '.join(others)}"
            )
        return {"text": list(features[dataset.text])}, [], labels
    numeric, columns = [], {}
    for column in features:
        is_nominal = column in dataset.categorical or column in (nominal or ())
        values = _numbers(name, column, list(features[column]), is_nominal, nominal is not None)
        if values is not None:
            numeric.append(column)
        columns[column] = list(features[column]) if values is None else values
    return columns, numeric, labels


def identical_rows(columns):
    """Group numbers, in the order of first appearance: equal for rows with equal features."""
    seen = {}
    return [seen.setdefault(row, len(seen)) for row in zip(*columns.values(), strict=True)]


def check_labels(name, labels, groups, part=None, folds=5):
    """Refuse labels that are missing, of one class, or too few of a class to be split.

    Rows with identical features stay on one side of a split, so they count once.
    """
    missing = [row for row, label in enumerate(labels, 1) if not label]
    if missing:
        raise StudyError(
            f"data set {name}: missing labels in {len(missing)} rows, the first is row "
            f"{missing[0]}; fill them in or take those rows out of the file"
        )
    classes = set(labels)
    if len(classes) == 1:
        raise StudyError(
            f"data set {name}: one class only, {labels[0]!r}; is the target the right column?"
        )
    rows = set(zip(labels, groups, part or ["train"] * len(labels), strict=True))
    counts = Counter(label for label, _, side in rows if side == "train")
    unknown = classes - set(counts)
    if unknown:
        raise StudyError(f"data set {name}: class {min(unknown)!r} is in the test set only")
    need, why = folds, f"{folds} folds need one each"
    if part:
        need, why = 2, "training and validation need one each"
    rarest = min(counts, key=lambda label: (counts[label], label))
    if counts[rarest] < need:
        few = sum(n < need for n in counts.values())
        raise StudyError(
            f"data set {name}: class {rarest!r} has {counts[rarest]} different rows, but {why} "
            f"({few} such classes). Add rows, merge classes (`classes:` in params.yaml), use "
            "fewer folds, or choose another target"
        )


def check_long_tail(name, tail, counts, folds):
    """Refuse a long tail that needs more rows than a split has on its training or test side."""
    for wanted, (label, rows) in zip(
        tail.training_counts(len(counts)), counts.items(), strict=True
    ):
        for side, size, available in (
            ("train", wanted, rows - -(-rows // folds)),
            ("test", tail.test, rows // folds),
        ):
            if size > available:
                raise StudyError(
                    f"data set {name}: long_tail asks for {size} rows of class {label!r} to "
                    f"{side}, but of its {rows} rows a split of {folds} folds has {available}; "
                    f"lower {side}"
                )


def number(value):
    """The float that a string spells, or None; underscores and other digits do not count."""
    if not value.isascii() or "_" in value:
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _class_of(name, dataset, value):
    if dataset.cut and value:
        rating = number(value)
        if rating is None or math.isnan(rating):
            raise StudyError(f"data set {name}: cut needs numbers in the target, not {value!r}")
        for label, (low, high) in dataset.cut.items():
            bounded = low is not None or high is not None
            if bounded and (low is None or rating >= low) and (high is None or rating <= high):
                return label
        return next((c for c, bounds in dataset.cut.items() if bounds == (None, None)), "")
    if dataset.classes and value:
        if value not in dataset.classes:
            raise StudyError(
                f"data set {name}: label {value!r} is not in classes: {', '.join(dataset.classes)}"
            )
        return dataset.classes[value]
    return value


def _numbers(name, column, values, is_nominal, declared):
    """Numbers in their canonical spelling, or None for a column of categories."""
    if is_nominal:
        return None
    parsed = {value: number(value) for value in set(values) - {""}}
    words = sorted(value for value, found in parsed.items() if found is None)
    if words and declared:
        raise StudyError(
            f"data set {name}: the file declares column {column!r} as numbers but has "
            f"{words[0]!r} in it; if that means a missing value, list it under missing"
        )
    if words:
        return None
    if any(math.isinf(found) for found in parsed.values()):
        raise StudyError(
            f"data set {name}: column {column!r} has infinite values; replace them, leave the "
            "fields empty (missing), or list the column under drop"
        )
    spelled = {value: canonical(found) for value, found in parsed.items()} | {"": ""}
    return [spelled[value] for value in values]


def _json(value):
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
