"""What a file that is being added looks like, and what in it may be meant otherwise."""

import math
import re
from collections import Counter
from itertools import pairwise
from shlex import quote

import pyarrow as pa
import pyarrow.compute as pc

from imbbench.data.columns import counted, empty_in, listed, without
from imbbench.data.prepare import MISSING, NO_LABEL, cut_point, number, plain_number
from imbbench.data.readers import canonical

IDENTIFIER = re.compile(r"(?i:(^|[\W_])(id|uuid|guid|key|index|row|nr|no)$|^unnamed)|[a-z]I[dD]$")
DAY = r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
DATE = re.compile(DAY + r"([T ].*)?")
ORNAMENT = re.compile(r"[$€£¥%,.'’()<>\s]|\b(?:usd|eur|gbp|chf)\b", re.I)
IN_QUOTES = re.compile(r"""(['"]).*\1""", re.S)
EXACT = 2**53  # whole numbers beyond it have no float of their own
LONG_TEXT = 4  # words a value, on average, from which a column looks like free text
SHOWN = 100  # columns, one by one
MANY = 10  # values from which "all different" says something


def understood(dataset, frame, table):
    """Rows, columns, classes and identical rows of a table that was read, as lines of text."""
    rows = len(table.labels)
    by = f", separated by {_shown(dataset.separator)}" if dataset.separator else ""
    lines = [f"{rows} rows, {frame.num_columns} columns{by}"]
    lines += [f"  {_shown(c)}: left out" for c in dataset.drop]
    if dataset.groups:
        lines.append(f"  {_shown(dataset.groups)}: rows with one value stay on one side of a split")
    columns, others, numeric = [], Counter(), {*table.numeric}
    for column, values in table.columns.items():
        missing = empty_in(values)
        if missing == rows:
            what = "no value"
        elif column in numeric:
            ends = pc.min_max(without(values, [""]).cast(pa.float64())).as_py()
            what = f"number, {canonical(ends['min'])} to {canonical(ends['max'])}"
        elif dataset.text:
            what = f"text, {len(pc.unique(without(values, [''])))} different"
        else:
            found = sorted({*listed(pc.unique(values))} - {""})
            what = f"category, {_levels(found)}: {_some(found, 5)}"
        if missing:
            what += f"; {missing / rows:.1%} missing"
        columns.append(f"  {_shown(dataset.text or column)}: {what}")
        others[re.split("[,;]", what)[0]] += len(columns) > SHOWN
    lines += columns[:SHOWN]
    if len(columns) > SHOWN:
        kinds = ", ".join(f"{kind}: {n}" for kind, n in others.items() if n)
        lines.append(f"  and {len(columns) - SHOWN} more columns ({kinds})")
    if table.rare:
        rare = _some([f"{label} ({n})" for label, n in table.rare.items()], 12)
        lines.append(f"  classes of fewer than {dataset.min_class} rows, left out: {rare}")
    if table.unlabelled:
        lines.append(f"  rows without a label, left out: {table.unlabelled}")
    counts = {label: n for label, n in table.class_counts.items() if label}
    if counts:
        ratio = max(counts.values()) / min(counts.values())
        classes = _some([f"{label} ({n})" for label, n in counts.items()], 12)
        lines.append(f"  {_shown(dataset.target)}: the target, {len(counts)} classes: {classes}")
        lines.append(f"imbalance ratio {ratio:.3g}")
    lines.append(f"rows that are identical to an earlier one: {rows - len(set(table.groups))}")
    return "\n".join(lines)


def notes(dataset, frame, nominal, table):
    """What may be meant otherwise, each with the option that settles it."""
    said = _label_notes(dataset, counted(frame.column(dataset.target)))
    if dataset.text:
        return said
    numeric, alone = {*table.numeric}, len(table.columns) == 1
    for column, values in table.columns.items():
        is_number = column in numeric
        given = frame.column(column)
        stated = without(given, ["", *dataset.missing_in(column)])
        # Most columns have two different values among their first already.
        several = any(pc.count_distinct(part).as_py() > 1 for part in (stated[:1000], stated))
        if not several and pc.count_distinct(values).as_py() < 2:
            note = "the same value in every row" if len(stated) else "no value at all"
            note += f"; leave it out with {_option('--drop', column)}"
        elif is_number:
            # A number as it is written has no zeros before it; rows that were left out are in the
            # file alone.
            otherwise = stated
            if len(given) == len(values):
                otherwise = given.filter(pc.not_equal(given, values))
                otherwise = without(otherwise, ["", *dataset.missing_in(column)])
            note = _number_note(column, otherwise, stated, len(values))
        elif column in dataset.categorical:
            note = None
        else:
            note = _category_note(dataset, column, counted(stated), len(values), nominal, alone)
        said += [f"{_shown(column)}: {note}"] if note else []
        if several and _tells(values, table.labels, is_number):
            said.append(
                f"{_shown(column)}: tells the class exactly; if it is known only afterwards, leave "
                f"it out with {_option('--drop', column)}"
            )
    return said


def _number_note(column, otherwise, stated, rows):
    """Of numbers as they are ``stated`` in the file, some of them spelled ``otherwise``."""
    codes = otherwise.filter(pc.match_substring_regex(otherwise, "^0[0-9]+$"))
    if len(codes):
        option = _option("--categorical", column)
        return f"values such as {codes[0]} count as numbers; {option} keeps them as codes"
    if pc.max(pc.binary_length(stated)).as_py() > 15:
        long = listed(stated.filter(pc.match_substring_regex(stated, r"^[+-]?[0-9]{16,}$")))
        if inexact := [value for value in long if abs(int(value)) > EXACT]:
            return (
                f"whole numbers such as {inexact[0]} are too long to be told apart as numbers; "
                f"leave it out with {_option('--drop', column)}, or keep them as codes with "
                f"{_option('--categorical', column)}"
            )
    if rows < MANY or len(stated) < rows or not _is_whole(stated[0].as_py()):
        return None
    different = pc.unique(stated)
    if len(different) != rows or not all(map(_is_whole, listed(different))):
        return None
    numbers = {_number(value) for value in listed(different)}
    dense = max(numbers) - min(numbers) < 2 * rows
    found = len(numbers) == rows and (dense or IDENTIFIER.search(column))
    return _identifier(column) if found else None


def _number(value):
    return number(value.replace(",", "."))


def _is_word(value, decimal):
    """Whether a value spells no number; ``nan`` among words is one of them."""
    found = number(value, decimal)
    return found is None or math.isnan(found)


def _is_whole(value):
    found = _number(value)
    return found is not None and found.is_integer()


def _category_note(dataset, column, raw, rows, nominal, alone):
    filled, levels = sum(raw.values()), f"counts as a category of {_levels(raw)}"
    drop = _option("--drop", column)
    words = [value for value in raw if _is_word(value, dataset.decimal)]
    numbers = filled - sum(raw[word] for word in words)
    odd = [word for word in words if word not in MISSING]
    declared = column in (nominal or ())
    few = len(odd) <= 2 and len(raw) - len(words) >= MANY
    if declared and not odd and len(raw) - len(words) >= MANY:
        return (
            f"{numbers} of {filled} values are numbers, but the file calls them words; {levels}. "
            f"{_option('--numeric', column)} takes them as numbers"
        )
    if not declared and odd and (numbers >= 0.8 * filled or few):
        options = " ".join(_option("--missing", word) for word in odd[:5])
        return (
            f"{numbers} of {filled} values are numbers, {_some(odd, 5)} not; {levels}. Correct the "
            f"file, or say what means a missing value: {options}"
        )
    dates = [value for value in raw if DATE.fullmatch(value)]
    if _share(raw, DATE.fullmatch) >= 0.9 or (len(dates) >= MANY and len(raw) - len(dates) <= 2):
        return (
            f"dates; {levels}. Write days or years as numbers in the file, or leave it out: {drop}"
        )
    if all(map(IN_QUOTES.fullmatch, raw)):
        return f"its values have quotes, which count: {_some([*raw], 3)}; take them out of the file"
    numeric = _option("--numeric", column)
    if odd and all(plain_number(word, dataset.decimal) is not None for word in odd):
        marks = " ".join(sorted({mark for word in odd for mark in ORNAMENT.findall(word)} - {" "}))
        comma = all(re.fullmatch(r"[+-]?\d+(,\d+)?", value) for value in odd)
        option = ", or --decimal , if that is the decimal mark" if comma else ""
        return (
            f"{filled - numbers} of {filled} values look like numbers with {marks}; {levels}. "
            f"{numeric} takes them as numbers{option}, {drop} leaves it out"
        )
    like = Counter({word: raw[word] for word in odd if number(ORNAMENT.sub("", word)) is not None})
    if odd and sum(like.values()) + numbers >= 0.9 * filled:
        marks = " ".join(sorted({mark for word in like for mark in ORNAMENT.findall(word)} - {" "}))
        comma = all(re.fullmatch(r"[+-]?\d+(,\d+)?", value) for value in {*odd})
        option = ", or --decimal , if that is the decimal mark" if comma else ""
        return (
            f"{sum(like.values())} of {filled} values look like numbers with {marks}; {levels}. "
            f"Write plain numbers in the file{option}, or leave it out: {drop}"
        )
    text = _option("--text", column)
    if looks_like_text(raw):
        return (
            f"looks like free text; {levels}; {text} classifies those texts, {drop} leaves it out"
        )
    if alone and len(raw) > 0.5 * filled:
        return f"the only feature, and {levels}; {text} classifies its values as texts"
    if rows >= MANY and len(raw) == rows:
        return _identifier(column)
    if rows >= MANY and len(raw) > 0.5 * filled:
        return f"{levels}, nearly one a row; leave it out with {drop}"
    if found := [word for word in words if word in NO_LABEL]:
        options = " ".join(_option("--missing", word) for word in found)
        return f"{_some(found, 5)} is a level; if it means a missing value: {options}"
    return None


def _label_notes(dataset, raw):
    """Of the target: words for a missing label, spellings of one class, and quantities."""
    target, said, alike = _shown(dataset.target), [], {}
    if raw and not dataset.classes and all(map(IN_QUOTES.fullmatch, raw)):
        said.append(
            f"{target}: its labels have quotes, which count: {_some([*raw], 3)}; take them out of "
            "the file, or name the classes (--class)"
        )
    for label in raw:
        if label in MISSING and label not in dataset.classes:
            is_what = "counts as missing" if label in NO_LABEL else "is a class"
            settle = _option("--class", label, label)
            said.append(
                f"{target}: the label {_shown(label)} of {raw[label]} rows {is_what}; {settle} "
                "declares it a class; if such labels are missing, take those rows out of the file"
            )
        if label in NO_LABEL and label not in dataset.classes:
            continue
        plain = "".join(label.casefold().split()).rstrip(".")
        value = number(plain, dataset.decimal)
        alike.setdefault(plain if value is None else value, []).append(label)
    classes = {label: dataset.classes.get(label, label) for label in raw}
    for labels in [] if dataset.cut else alike.values():
        names = {classes[label] for label in labels}
        if len(names) > 1:
            first = max(labels, key=lambda label: raw[label])
            options = [_option("--class", y, classes[first]) for y in labels if y != first]
            said.append(
                f"{target}: {_some(labels, 5)} may be one class; make them one: {' '.join(options)}"
            )
    value = (
        None
        if dataset.cut or dataset.classes
        else cut_point(
            {label: n for label, n in raw.items() if label not in NO_LABEL}, dataset.decimal
        )
    )
    if value:
        said.append(
            f"{target}: {len(raw)} different numbers; if it is a quantity, make classes of it, for "
            f"example two with --cut {value}"
        )
    return said


def _tells(values, labels, is_number):
    """Whether every value goes with one class, and that is no matter of unique values."""
    few = len(values) / 2
    if len(set(labels)) > few:
        return False
    # Most columns show within a few rows that they do not.
    for rows in (1000, 10_000, len(values)):
        seen, part = {}, listed(values.slice(0, rows))
        if any(seen.setdefault(v, y) != y for v, y in zip(part, labels, strict=False)):
            return False
    if len(seen) <= few or not is_number:
        return len(seen) <= few
    found = [*(seen.keys() - {""})]
    # A few of them are likely to show already that the classes lie mixed.
    return all(_runs(seen, part) <= len(set(labels)) for part in (found[:500], found))


def _runs(label_of, values):
    ordered = [label_of[value] for value in sorted(values, key=float)]
    return 1 + sum(a != b for a, b in pairwise(ordered))


def looks_like_text(counts):
    """Whether most values (value -> rows) are different, and of some words."""
    rows = sum(counts.values())
    words = sum(len(value.split()) * n for value, n in counts.items())
    return len(counts) > 0.5 * rows and words >= LONG_TEXT * rows


def _identifier(column):
    return (
        "another value in every row; looks like an identifier or a row number, which also makes "
        f"identical rows different; leave it out with {_option('--drop', column)}"
    )


def _levels(found):
    return f"{len(found)} level{'s' * (len(found) != 1)}"


def _share(counts, test):
    return sum(n for value, n in counts.items() if test(value)) / sum(counts.values())


def _option(name, *values):
    """An option as it is typed; a value that begins with a dash is no option."""
    glue = "=" if len(values) == 1 and values[0].startswith("-") else " "
    return glue.join([name, *map(quote, values)])


def _shown(text):
    return text if text.isprintable() and text else repr(text)


def _some(texts, most):
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(_shown(text) for text in texts[:most]) + more
