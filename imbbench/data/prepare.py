"""Preparing: raw files of any format to one canonical form, byte for byte the same everywhere.

Values stay text until they are known to be numbers, so that no parser's guess gets in between.
"""

import json
import math
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from imbbench.data.columns import TEXT, column_of, counted, empty_in, is_one_of, listed
from imbbench.data.datasets import about, raw_files
from imbbench.data.readers import canonical, read_labels, read_table
from imbbench.errors import StudyError
from imbbench.files import write_whole

RESERVED = ("_label", "_group", "_part")
# Spellings of a missing value; as a label, "-" and "none" may well be a class.
NO_LABEL = frozenset(
    (
        *("?", ".", "NA", "N/A", "#N/A", "<NA>", "n/a", "na", "n.a.", "N.A.", "NaN", "nan", "NaT"),
        *("NULL", "null", "<null>", "None", "\\N"),
    )
)
MISSING = NO_LABEL | {"-", "none"}
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?)?")
# What :func:`canonical` would leave as it is: a decimal of at most 15 digits is the shortest
# spelling of its number. Most values are so, and need not be parsed.
CANONICAL = (
    r"^(?:|0|-?[1-9]\d{0,14}|-?0\.0{0,3}[1-9](?:\d{0,6}[1-9])?|-?[1-9]\d{0,6}\.\d{0,7}[1-9])$"
)
ORNAMENT = re.compile(r"[$€£¥%'’\s]|\b(?:usd|eur|gbp|chf)\b", re.I)


def prepare(name, dataset, raw_dir, out_dir, folds=5):
    """Write ``data.csv``, ``schema.json`` and ``card.json`` of one data set.

    ``data.csv`` has the features in the order of the file, then ``_label`` (class name),
    ``_group`` (equal for rows whose features are identical) and, where the set brings its own
    test set, ``_part``. A missing value is an empty field. No row is dropped but those of classes
    that ``min_class`` leaves out, and those that ``drop_unlabelled`` does.

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
    with about(name):
        files = raw_files(raw_dir)
        if absent := set(dataset.sha256) - set(files):
            raise StudyError(f"no raw file for {', '.join(sorted(absent))}; run `dvc repro fetch`")
        table = clean(dataset, files, folds)
    schema = _schema(name, dataset, table)
    card = _card(dataset, table, schema)
    out_dir = Path(out_dir)
    write_whole(out_dir / "data.csv", _csv(table))
    write_whole(out_dir / "schema.json", _json(schema))
    write_whole(out_dir / "card.json", _json(card))
    return card


@dataclass(frozen=True)
class Table:
    """A data set in its canonical form.

    Attributes
    ----------
    columns : dict of pyarrow.ChunkedArray of str
        The features in their order; for modality ``text`` the only one is called ``text``.
    numeric : list of str
        Those that are numbers.
    labels : list of str
        Class names.
    groups : list of int
        Equal for rows whose features are identical, or that the entry's ``groups`` holds together.
    part : list of str or None
        ``train`` or ``test``, where the set brings its own test set.
    rare : dict
        Class -> rows, of the classes that ``min_class`` left out.
    unlabelled : int
        Rows that ``drop_unlabelled`` left out.
    """

    columns: dict
    numeric: list
    labels: list
    groups: list
    part: list | None
    rare: dict
    unlabelled: int

    @property
    def class_counts(self):
        """Class -> rows, the largest first; with an own test set those of its training part."""
        sides = self.part or ["train"] * len(self.labels)
        counted = Counter(y for y, side in zip(self.labels, sides, strict=True) if side == "train")
        return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def clean(dataset, files, folds=5):
    """Read the raw files of a data set; their canonical form, if it can be studied.

    Parameters
    ----------
    dataset : Dataset
    files : dict of path
        By role.
    folds : int
        As of :func:`prepare`.

    Returns
    -------
    Table
    """
    table = tabulate(dataset, *read(dataset, files))
    check_table(dataset, table, folds)
    return table


def tabulate(dataset, frame, nominal, part=None):
    """The canonical form of what :func:`read` returned; its labels are not checked yet."""
    given = listed(frame.column(dataset.target))
    class_of = {value: _class_of(dataset, value) for value in dict.fromkeys(given)}
    labels, rare = [class_of[value] for value in given], {}
    if dataset.positive:
        if dataset.positive not in labels:
            found = ", ".join(dict.fromkeys(filter(None, labels)))
            raise StudyError(
                f"there is no class {dataset.positive!r} (positive); there are {found}"
            )
        others = f"not {dataset.positive}"
        labels = [label if label in ("", dataset.positive) else others for label in labels]
    if dataset.min_class:
        counts = Counter(labels)
        rare = {y: n for y, n in sorted(counts.items()) if y and n < dataset.min_class}
    unlabelled = labels.count("") if dataset.drop_unlabelled else 0
    left_out = {*rare, ""} if unlabelled else {*rare}
    if left_out:
        kept = [row for row, label in enumerate(labels) if label not in left_out]
        if not kept:
            raise StudyError(
                f"every class has fewer than {dataset.min_class} rows (min_class)"
                if rare
                else "no row has a label; is the target the right column?"
            )
        frame, labels = frame.take(kept), [labels[row] for row in kept]
        part = part and [part[row] for row in kept]
    columns, numeric = _features(dataset, frame, nominal)
    groups = identical_rows(columns.values())
    if dataset.groups:
        groups = joined_groups(groups, listed(frame.column(dataset.groups)))
    return Table(columns, numeric, labels, groups, part, rare, unlabelled)


def identical_rows(columns):
    """The same number for rows that are equal in all columns, counted in the order of the rows.

    Parameters
    ----------
    columns : iterable of pyarrow.ChunkedArray

    Returns
    -------
    list of int

    Examples
    --------
    >>> identical_rows([column_of(["a", "b", "a"]), column_of(["1", "1", "1"])])
    [0, 1, 0]
    """
    groups = None
    for column in columns:
        values = column.combine_chunks().dictionary_encode()
        found = values.indices.to_numpy().astype(np.int64)
        if groups is not None:
            both = pa.array(groups * len(values.dictionary) + found).dictionary_encode()
            found = both.indices.to_numpy().astype(np.int64)
        groups = found
        # Rows that differ in these columns differ whatever the others hold.
        if len(groups) and groups[-1] == len(groups) - 1:
            break
    return groups.tolist()


def joined_groups(groups, values):
    """Groups that also hold the rows of one value together, whatever chains that makes."""
    # Here, since few data sets have groups, and it is slow to import.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    first, rows = {}, []
    for row, value in enumerate(values):
        if value:
            rows.append((row, first.setdefault(value, row)))
    ends = np.array(rows, dtype=np.int64).reshape(-1, 2)
    found = np.asarray(groups)
    n = found.max() + 1
    links = coo_matrix((np.ones(len(ends)), found[ends].T), shape=(n, n))
    joined = connected_components(links, directed=False)[1][found]
    order = {}
    return [order.setdefault(group, len(order)) for group in joined.tolist()]


def read(dataset, files):
    """Read the raw files of a data set.

    Returns
    -------
    frame : pyarrow.Table of strings
        All columns, the target included; those that the entry names are among them.
    nominal : set of str or None
        The columns that the file says are nominal; None where its format does not say.
    part : list of str or None
        ``train`` or ``test``.
    """
    part = None
    if "test" in dataset.sha256:
        train, nominal = read_table(files["train"], dataset)
        test, _ = read_table(files["test"], dataset)
        if train.column_names != test.column_names:
            raise StudyError("training and test file have different columns")
        frame = pa.concat_tables([train, test])
        part = ["train"] * len(train) + ["test"] * len(test)
    elif "labels" in dataset.sha256:
        frame, nominal = read_table(files["features"], dataset)
        labels = read_labels(files["labels"], dataset)
        if len(labels) != len(frame):
            raise StudyError(f"{len(frame)} rows of features but {len(labels)} labels")
        others = [column for column in frame.column_names if column != dataset.target]
        frame = frame.select(others).append_column(dataset.target, column_of(labels))
    else:
        frame, nominal = read_table(files["data"], dataset)
        if dataset.parts:
            part = listed(frame.column("_part"))
            frame = frame.drop_columns("_part")
    known = {*frame.column_names}
    by_column = ("missing",) if isinstance(dataset.missing, dict) else ()
    for key in ("target", "text", "drop", "categorical", "numeric", "groups", *by_column):
        named = getattr(dataset, key)
        for column in [named] if isinstance(named, str) else named or ():
            if column not in known:
                by = f" ({dataset.separator})" if dataset.separator else ""
                raise StudyError(
                    f"there is no column {column!r} ({key}); the file{by} has "
                    f"{', '.join(c or '(no name)' for c in frame.column_names)}"
                )
    return frame, nominal, part


def _class_of(dataset, value):
    """The class name of a label in the file; empty where missing."""
    unlabelled = NO_LABEL.union(dataset.missing_in(dataset.target))
    if value in unlabelled and value not in dataset.classes:
        return ""
    if dataset.cut and value:
        rating = number(value, dataset.decimal)
        if rating is None or math.isnan(rating):
            raise StudyError(f"cut needs numbers in the target, not {value!r}")
        # What no other claims belongs to the class without bounds, so that one is asked last.
        for label, (low, high) in sorted(dataset.cut.items(), key=lambda c: c[1] == (None, None)):
            if (low is None or rating >= low) and (high is None or rating <= high):
                return label
        return ""
    if dataset.classes and value:
        if value not in dataset.classes:
            raise StudyError(f"label {value!r} is not in classes: {', '.join(dataset.classes)}")
        return dataset.classes[value]
    return value


def _features(dataset, frame, nominal):
    """The features in their one spelling, and the names of those that are numbers."""
    if dataset.target in {*dataset.drop, dataset.groups}:
        raise StudyError(f"{dataset.target!r} is the target, and in drop or groups")
    others = {dataset.target, *dataset.drop, dataset.groups or dataset.target}
    columns = {c: frame.column(c) for c in frame.column_names if c not in others}
    if taken := [c for c in RESERVED if c in columns]:
        raise StudyError(f"{', '.join(taken)} is a reserved name; rename it")
    if not columns:
        raise StudyError("there is no feature beside the target")
    for column, values in columns.items():
        if words := dataset.missing_in(column):
            blank = pa.scalar("", TEXT)
            columns[column] = pc.if_else(is_one_of(values, words), blank, values)
    if dataset.modality == "text":
        if others := [c for c in columns if c != dataset.text]:
            raise StudyError(
                f"a text data set has one feature, {dataset.text}; put the others into drop: "
                f"{', '.join(others)}"
            )
        texts = columns[dataset.text]
        if dataset.mail:
            texts = column_of(map(subject_and_body, listed(texts)))
        return {"text": texts}, []
    numeric = []
    for column, values in columns.items():
        is_nominal = column in dataset.categorical or column in (nominal or ())
        if column in dataset.numeric:
            is_nominal = False
            values = _plain_numbers(column, values, dataset.decimal)
        numbers = None if is_nominal else _numbers(column, values, nominal, dataset.decimal)
        if numbers is not None:
            columns[column] = numbers
            numeric.append(column)
    return columns, numeric


def subject_and_body(mail):
    """The subject of an e-mail, and on the next lines what stands below its header, as it is.

    The header says where a mail came from, and so to which corpus it belongs.

    Parameters
    ----------
    mail : str

    Returns
    -------
    str

    Examples
    --------
    >>> subject_and_body("To: a@b\\nSubject: Re: lunch\\n\\nAt noon.")
    'Re: lunch\\nAt noon.'
    """
    header, *body = re.split(r"\r?\n\r?\n", mail, maxsplit=1)
    subject = re.search(r"(?im)^subject:[ \t]*(.*(?:\r?\n[ \t].*)*)", header)
    return "\n".join([subject[1].strip() if subject else "", *body])


def _plain_numbers(column, values, decimal):
    """Numbers without what adorns them, dates as days; for a column that the entry says is one."""
    plain = {value: plain_number(value, decimal) for value in counted(values) if value}
    if words := sorted(value for value, found in plain.items() if found is None):
        raise StudyError(
            f"column {column!r} is to be numbers but has {words[0]!r} in it; if that means a "
            f"missing value, say so (--missing {shlex.quote(words[0])}, or `missing:` in "
            "params.yaml)"
        )
    if len({ISO_DATE.fullmatch(value) is None for value in plain}) > 1:
        raise StudyError(f"column {column!r} has dates and other numbers; write one of them")
    return column_of(plain[value] if value else "" for value in listed(values))


def plain_number(value, decimal="."):
    """A number without currency, percent sign, blanks and thousands marks, or the day of a date.

    Parameters
    ----------
    value : str
    decimal : str
        The decimal mark; the other of point and comma may set thousands apart, three digits each.

    Returns
    -------
    str or None
        A spelling that :func:`number` reads; of an ISO date the days since 1970-01-01.

    Examples
    --------
    >>> plain_number("$44,005.50"), plain_number("1970-02-01"), plain_number("1,2")
    ('44005.50', '31', None)
    """
    if ISO_DATE.fullmatch(value):
        try:
            return str((date.fromisoformat(value[:10]) - date(1970, 1, 1)).days)
        except ValueError:
            return None
    other = "." if decimal == "," else ","
    value = ORNAMENT.sub("", value)
    if re.fullmatch(rf"[+-]?[1-9]\d{{0,2}}(\{other}\d{{3}})+(\{decimal}\d*)?", value):
        value = value.replace(other, "")
    return value if number(value, decimal) is not None else None


def _numbers(column, values, declared, decimal):
    """Numbers in their canonical spelling, or None for a column of categories."""
    # The rows that have to be looked at: most columns have few or none.
    rows = range(len(values)) if decimal == "," else spelled_otherwise(values)
    odd = listed(values.take(pa.array(rows, pa.int64())))
    parsed = {value: number(value, decimal) for value in {*odd} - {""}}
    words = sorted(value for value, found in parsed.items() if found is None)
    if words and declared is not None:
        raise StudyError(
            f"the file declares column {column!r} as numbers but has {words[0]!r} in it; if that "
            f"means a missing value, say so (--missing {shlex.quote(words[0])}, or `missing:` in "
            "params.yaml)"
        )
    if words:
        return None
    if any(math.isinf(found) for found in parsed.values()):
        raise StudyError(
            f"column {column!r} has infinite values; replace them, leave the fields empty "
            f"(missing), or leave the column out (--drop {shlex.quote(column)}, or `drop:` in "
            "params.yaml)"
        )
    if not odd:
        return values
    spelled = {value: canonical(found) for value, found in parsed.items()}
    values = listed(values)
    for row, value in zip(rows, odd, strict=True):
        values[row] = spelled.get(value, "")
    return column_of(values)


def spelled_otherwise(values):
    """The rows whose values :func:`canonical` may spell in another way, or that are no numbers.

    Parameters
    ----------
    values : pyarrow.ChunkedArray of str

    Returns
    -------
    list of int

    Examples
    --------
    >>> spelled_otherwise(column_of(["0.25", "", "1e3", "-7", "00", "red"]))
    [2, 4, 5]
    """
    if len(values) < 1000:  # with so few pyarrow takes longer to begin
        plain = re.compile(CANONICAL, re.ASCII)
        return [row for row, value in enumerate(listed(values)) if not plain.fullmatch(value)]
    same = pc.match_substring_regex(values, CANONICAL)
    return np.flatnonzero(~same.to_numpy(zero_copy_only=False)).tolist()


def number(value, decimal="."):
    """The float that a string spells, or None; underscores and other digits do not count.

    Where the decimal mark is a comma, a point makes no number: it may set thousands apart.
    """
    if not value.isascii() or "_" in value:
        return None
    if decimal == ",":
        value = value.replace(".", "x").replace(",", ".")
    try:
        return float(value)
    except ValueError:
        return None


def check_table(dataset, table, folds):
    """Refuse labels that are missing, of one class, or too few of a class to be split.

    Rows with identical features stay on one side of a split, so they count once.
    """
    labels, groups, part = table.labels, table.groups, table.part
    if missing := [row for row, label in enumerate(labels, 1) if not label]:
        raise StudyError(
            f"missing labels in {len(missing)} rows, the first is row {missing[0]}; fill them in, "
            "or leave those rows out (--drop-unlabelled, or `drop_unlabelled:` in params.yaml); "
            "if a word such as NA is a class, say so (--class WORD WORD, or `classes:`)"
        )
    classes = set(labels)
    if len(classes) == 1:
        raise StudyError(f"one class only, {labels[0]!r}; is the target the right column?")
    rows = set(zip(labels, groups, part or ["train"] * len(labels), strict=True))
    counts = Counter(label for label, _, side in rows if side == "train")
    if unknown := classes - set(counts):
        raise StudyError(f"class {min(unknown)!r} is in the test set only")
    need, why = (2, "training and validation") if part else (folds, f"{folds} folds")
    rarest = min(counts, key=lambda label: (counts[label], label))
    if counts[rarest] < need:
        few = sum(n < need for n in counts.values())
        hint = ""
        if labels.count(rarest) == 1:
            row = labels.index(rarest) + 1
            hint = f"If row {row}, the only one, holds no data (units, a total), take it out. "
        raise StudyError(
            f"class {rarest!r} has {counts[rarest]} different rows, but {why} need one each ({few} "
            f"such classes). {hint}Add rows, {_fewer_classes(counts, need, dataset.decimal)}use "
            "fewer folds (protocol.folds), or choose another target"
        )
    if dataset.long_tail:
        _check_long_tail(dataset.long_tail, table.class_counts, folds)


def _fewer_classes(counts, need, decimal):
    """The options that leave every class enough rows, as far as there are such."""
    if value := cut_point(counts, decimal):
        return f"cut a target that is a quantity (--cut {value}, or `cut:` in params.yaml), "
    rare, total = [], 0
    for label, rows in sorted(counts.items(), key=lambda item: (item[1], item[0])):
        if rows >= need and total >= need:
            options = " ".join(f"--class {shlex.quote(label)} other" for label in rare)
            return f"merge classes ({options}, or `classes:` in params.yaml), "
        rare.append(label)
        total += rows
    return ""


def cut_point(counts, decimal):
    """A value with about a fifth of the rows above it, where labels are numbers, five or more."""
    numbers = {number(label, decimal): n for label, n in counts.items()}
    if len(numbers) < 5 or any(value is None or not math.isfinite(value) for value in numbers):
        return None
    values = sorted(value for value, n in numbers.items() for _ in range(n))
    fifth = values[len(values) * 4 // 5]
    return canonical(max(value for value in values if value <= fifth and value < values[-1]))


def _check_long_tail(tail, counts, folds):
    """Refuse a long tail that needs more rows than a split has on its training or test side."""
    wanted = tail.training_counts(len(counts))
    for train, (label, rows) in zip(wanted, counts.items(), strict=True):
        train_side, test_side = rows - -(-rows // folds), rows // folds
        for side, size, has in (("train", train, train_side), ("test", tail.test, test_side)):
            if size > has:
                raise StudyError(
                    f"long_tail asks for {size} rows of class {label!r} to {side}, but of its "
                    f"{rows} rows a split of {folds} folds has {has}; lower {side}"
                )


def _schema(name, dataset, table):
    """What fitting needs."""
    text = "text" if dataset.modality == "text" else None
    counts = table.class_counts
    schema = {
        "name": name,
        "modality": dataset.modality,
        "classes": list(counts),
        "class_counts": list(counts.values()),
        "numeric": table.numeric,
        "categorical": [c for c in table.columns if c not in table.numeric and c != text],
        "text": text,
        "rows": len(table.labels),
        "own_test": table.part is not None,
    }
    if dataset.long_tail:
        schema["long_tail"] = dataset.long_tail.model_dump()
    if dataset.splits:
        schema["splits"] = dataset.splits
    return schema


def _card(dataset, table, schema):
    """What readers want to know."""
    train, test = table.class_counts, None
    if table.part:
        test = dict(Counter(table.labels) - Counter(train))
    if tail := dataset.long_tail:
        # What matters is what a split has, not that the file is even.
        test = dict.fromkeys(train, tail.test)
        train = dict(zip(train, tail.training_counts(len(train)), strict=True))
    labels_of = {}
    for group, label in zip(table.groups, table.labels, strict=True):
        labels_of.setdefault(group, set()).add(label)
    missing = {c: n for c, values in table.columns.items() if (n := empty_in(values))}
    different = {c: pc.count_distinct(values).as_py() for c, values in table.columns.items()}
    card = {
        "name": schema["name"],
        "why": dataset.why,
        "modality": dataset.modality,
        "rows": schema["rows"],
        "rows_train": None if test is None else sum(train.values()),
        "rows_test": None if test is None else sum(test.values()),
        "features": len(table.columns),
        "features_numeric": len(table.numeric),
        "features_categorical": len(schema["categorical"]),
        "classes": train,
        "classes_test": test,
        "imbalance_ratio": round(max(train.values()) / min(train.values()), 2),
        "duplicate_rows": len(table.groups) - len(labels_of),
        "groups_with_conflicting_labels": sum(len(found) > 1 for found in labels_of.values()),
        "missing_values": sum(missing.values()),
        "missing_by_column": missing,
        "constant_columns": [c for c, n in different.items() if n == 1],
        "dropped_columns": [column or "(no name)" for column in dataset.drop],
        "source": str(dataset.source),
        "licence": dataset.licence,
        "citation": dataset.citation,
    }
    if table.rare:
        card["rare_classes_left_out"] = table.rare
    if table.unlabelled:
        card["unlabelled_rows_left_out"] = table.unlabelled
    if dataset.stratum:
        card |= {"origin": dataset.origin, "stratum": dataset.stratum}
    return card | ({"long_tail": tail.model_dump()} if tail else {})


def _csv(table):
    """As of Python's csv, which quotes a lone carriage return in some versions only."""
    groups = map(str, table.groups)
    own = [table.labels, groups, *([table.part] if table.part else [])]
    rows = zip(*map(listed, table.columns.values()), *own, strict=True)
    header = [*table.columns, *RESERVED[: len(own)]]
    lines = [",".join(map(_quoted, row)) for row in (header, *rows)]
    return "\n".join([*lines, ""]).encode()


def _quoted(value):
    plain = not ("," in value or '"' in value or "\n" in value or "\r" in value)
    return value if plain else '"' + value.replace('"', '""') + '"'


def _json(value):
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
