"""Are the committed results what code, data and ``params.yaml`` give?

Three questions, the dear one last: are the files those that the lock files record; do the tables
hold the rows that ``params.yaml`` asks for, and agree with themselves; and do cells that are
refitted give the same values.
"""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from ruamel.yaml import YAML
from scipy import stats

from imbbench import config
from imbbench.bench import metrics, protocol
from imbbench.bench.cell import Task
from imbbench.bench.check import check_family
from imbbench.bench.pool import compute, hardware
from imbbench.bench.prepared import data_of, folder_of
from imbbench.bench.registry import resolve
from imbbench.bench.rows import CELL, KEY, PER_CLASS, key_of, run_table
from imbbench.bench.run import left_out, tasks
from imbbench.errors import StudyError
from imbbench.files import read_table
from imbbench.paths import root

# In a thousand runs on another platform one says that true results are wrong.
FALSE_ALARM = 1e-3
# Nothing is nearer to a value that is written with six digits, on another platform its last digit
# may be rounded the other way.
DIGIT, ROUNDED = 1e-9, 1.5e-6
# Scores of one cell do not depend on the decision rule.
SCORES = metrics.SCORES[metrics.SCORES.index("roc_auc") :]
LABELS = metrics.SCORES[: metrics.SCORES.index("roc_auc")]
# Columns of the run table that name a cell.
NAMES = [name for name in KEY if name != "rule"]
FEWEST = 5  # cells that differ, for a sign to mean anything
MOST = 20  # lines of one kind and data set


class Elsewhere(NamedTuple):
    """How far a refit on another platform may lie from the committed value.

    Attributes
    ----------
    ties : float
        Share of the cells that differ at all, where learners compute the same everywhere but for
        ties that rounding tears apart; 1 for those that do not.
    scores, labels, classes : float
        Largest difference of a value, relative to it where it exceeds 1: of scores, of metrics of
        labels, and, both beside one test row of the smallest class, of metrics of one class.
    """

    ties: float
    scores: float
    labels: float
    classes: float


# Between two makes of processor with the same library versions, some 400 cells twice, logreg and
# TF-IDF were equal, and 1 to 3 in 100 cells of trees and hgb differed. Of networks 4 to 44 did; how
# far they may is twice what refits under other kernels and threads were measured to differ by,
# tests/benchmarks/refits.csv, and at least what the two processors did. minilm_finetune, which
# takes minutes, has the widest of these.
LIMITS = {
    "logreg": Elsewhere(0.05, 0.01, 0.02, 0.05),
    "tfidf_logreg": Elsewhere(0.05, 0.01, 0.02, 0.05),
    "tree": Elsewhere(0.05, 0.1, 0.1, 0.4),
    "hgb": Elsewhere(0.03, 0.1, 0.1, 0.4),
    "xgboost": Elsewhere(0.03, 0.1, 0.1, 0.4),
    "mlp": Elsewhere(1.0, 0.02, 0.07, 0.1),
    "minilm_head": Elsewhere(1.0, 0.02, 0.03, 0.1),
    "minilm_finetune": Elsewhere(1.0, 0.02, 0.07, 0.1),
    "cnn": Elsewhere(1.0, 0.02, 0.03, 0.1),
}


def limit_of(learner):
    """The limits of a learner, of one that was not measured those of a tree."""
    return LIMITS.get(learner, LIMITS["tree"])


def verify(cells=100, seed=0, seconds=1.0, progress=print):
    """Check the committed results and refit a random sample of their cells.

    On the platform that made a cell (the timings record it) every value must be equal to the last
    committed digit; elsewhere it must lie within :data:`LIMITS`, but for the place of a cut-off,
    and the differences of a learner must not have one sign.

    Parameters
    ----------
    cells : int
        Size of the sample, drawn evenly over data sets and learners. A tenth as many of those
        without a score that were tried come on top.
    seed : int
        Of the sample.
    seconds : float
        Cells that took more processor time are not drawn, but for the cheapest fiftieth of each
        learner's.
    progress : callable
        Called with lines of text.

    Returns
    -------
    int
        0 if all is well, 1 otherwise; the lines say what is not.
    """
    study = config.load()
    for family in study.families:
        check_family(study, family)
    wrong, committed, damaged = [], {}, set()
    for name in study.all_datasets:
        try:
            committed[name] = _read(study, name)
        except ValueError as error:
            damaged.add(name)
            wrong.append(f"{error}; nothing else of {name} is checked.")
    committed = {name: tables for name, tables in committed.items() if tables is not None}
    if not committed and not damaged:
        raise StudyError("There are no results to verify: run `dvc repro` first.")
    wrong += _against_the_lock(study)
    missing = [name for name in study.datasets if name not in {*committed, *damaged}]
    if missing:
        wrong.append(f"There are no results of {', '.join(missing)}: run `dvc repro`.")

    former, absent, pool, smallest = {}, [], [], {}
    for name, tables in committed.items():
        ready = (folder_of(name) / "schema.json").is_file()
        prepared, cuts = data_of(name, study.protocol) if ready else (None, ())
        why = _former(tables["runs"], prepared)
        if why:
            former[name] = why
        elif not ready:
            absent.append(name)
        else:
            asked = _asked(study, name, prepared)
            wrong += _against_the_registry(name, asked, tables)
            wrong += _against_itself(name, prepared, cuts, tables["runs"])
            smallest[name] = max(1, min(np.bincount(prepared.y[cut[2]]).min() for cut in cuts))
            pool.append(_tried(asked, tables["timings"]))
    if former:
        name, why = next(iter(former.items()))
        progress(
            f"The results of {len(former)} data sets are of a former protocol and are compared "
            f"with the lock only ({name}: {why})."
        )
    if absent:
        progress(f"Not prepared here, so compared with the lock only: {', '.join(absent)}.")
    if pool:
        sample = _sample(pd.concat(pool, ignore_index=True), cells, seed, seconds)
        wrong += _refit(study, committed, smallest, sample, seed, progress)
    for line in wrong:
        progress(line)
    if wrong:
        progress(f"{len(wrong)} findings. If you changed code or data, run `dvc repro` first.")
    return 1 if wrong else 0


def _folder(study, kind, dataset):
    return root() / study.results(dataset) / kind / dataset


def _read(study, dataset):
    """The committed tables of a data set by kind, None if it has none."""
    found = {}
    for kind in ("runs", "timings", "curves"):
        files = sorted(_folder(study, kind, dataset).glob("*.csv*"))
        parts = [_table(file) for file in files]
        parts = [
            part.copy().assign(file=file.name.partition(".")[0])
            for part, file in zip(parts, files, strict=True)
        ]
        found[kind] = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if all(table.empty for table in found.values()):
        return None
    for table in found.values():
        text = [c for c in ("control", "rule", "reason") if c in table]
        table[text] = table[text].fillna("")
    return found


def _table(file):
    try:
        return read_table(file, keep_default_na=False, na_values=[""], float_precision="round_trip")
    except ValueError as error:
        raise ValueError(f"{file.relative_to(root())} is damaged ({error})") from None


def _former(runs, prepared):
    """What tells that a run table is of a former protocol, or ""."""
    rules = sorted(set(runs.get("rule", ())) - {"", "own", "argmax", *protocol.TUNED})
    if rules:
        return f"rule '{rules[0]}'"
    wanted = [*KEY, "status", "reason", *metrics.SCORES]
    if prepared is not None:
        wanted = run_table([], prepared).columns
    lacking = [column for column in wanted if column not in runs]
    return f"no column '{lacking[0]}'" if lacking else ""


def _against_the_lock(study):
    """Lines on tables that are not those the lock files record."""
    wrong = []
    datasets = {}
    for name in study.all_datasets:
        datasets.setdefault(study.results(name), []).append(name)
    for results, names in datasets.items():
        files = [
            file
            for name in names
            for kind in ("runs", "curves", "timings")
            for file in sorted(_folder(study, kind, name).glob("*"))
        ]
        if not files:
            continue
        place = Path("." if results == "results" else Path(results).name, "dvc.lock")
        if not (root() / place).is_file():
            wrong.append(f"{place} is missing: nothing tells which tables `dvc repro` wrote.")
            continue
        lock = YAML(typ="safe").load((root() / place).read_text(encoding="utf-8"))
        outs = [out for stage in lock["stages"].values() for out in stage.get("outs", [])]
        recorded = {out["path"]: out["md5"] for out in outs}
        written = {file.relative_to(root()).as_posix() for file in files}
        # A stage of all families has the folder for an output.
        folders = {path for path, digest in recorded.items() if digest.endswith(".dir")}
        written = {
            parent if (parent := path.rpartition("/")[0]) in folders else path for path in written
        }
        written |= {path for path in recorded if path.startswith(f"{results}/tables/")}
        for path in sorted(written):
            if path not in recorded:
                wrong.append(f"{path} is not in {place}: no stage wrote it.")
            elif not (root() / path).exists():
                wrong.append(f"{path} is in {place}, but not there.")
            elif _md5(root() / path) != recorded[path]:
                wrong.append(f"{path} is not as {place} records it: it was changed by hand.")
    return wrong


def _md5(path):
    """As DVC counts it, of a file or a folder."""
    if path.is_dir():
        inner = [file for file in path.rglob("*") if file.is_file()]
        listed = {file.relative_to(path).as_posix(): _md5(file) for file in inner}
        text = json.dumps([{"md5": listed[name], "relpath": name} for name in sorted(listed)])
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def _asked(study, dataset, prepared):
    """By the key of a cell that ``params.yaml`` asks for: why it is left out, and its rules."""
    asked, study = {}, study.run_on(dataset)
    for family in study.families:
        for task in tasks(study, dataset, family):
            key = key_of(study, task, prepared.schema["modality"])
            own = resolve(family, task.strategy, study.family(family)[task.strategy])[1]
            rules = ["own"] if own else ["argmax", *sorted(protocol.TUNED)]
            asked[tuple(key[name] for name in NAMES)] = left_out(study, task), rules
    return asked


def _against_the_registry(dataset, asked, tables):
    """Lines on rows that ``params.yaml`` asks for and the tables lack, or the reverse."""
    there = {}
    for row in tables["runs"].to_dict("records"):
        place = [] if row["file"] == row["family"] else [f"in the table of {row['file']}"]
        there.setdefault((*(row[name] for name in NAMES), *place), []).append(row)
    wrong = {
        "cells that params.yaml asks for are missing": set(asked) - set(there),
        "cells are there that params.yaml does not ask for": set(there) - set(asked),
    }
    both = set(asked) & set(there)
    for key in both:
        reason, rules = asked[key]
        rows = there[key]
        if reason:
            fault = "cells should have been left out"
            good = [(r["status"], r["reason"]) for r in rows] == [("not applicable", reason)]
        elif any(r["status"] == "ok" for r in rows):
            fault = "cells have not one row for each decision rule"
            good = sorted((r["rule"], r["status"]) for r in rows) == [
                (rule, "ok") for rule in rules
            ]
        else:
            fault = "cells without a score have not one row"
            good = [r["rule"] for r in rows] == [""]
        if not good:
            wrong.setdefault(fault, set()).add(key)

    place = [NAMES.index(name) for name in CELL]
    status = {(*(key[n] for n in place), there[key][0]["status"]) for key in both}
    timings, curves = tables["timings"], tables["curves"]
    timed = list(zip(*(timings.get(c, ()) for c in (*CELL, "status")), strict=True))
    wrong["timings are not those of the rows"] = status ^ set(timed)
    wrong["timings are there twice"] = {row for row, times in Counter(timed).items() if times > 1}
    scored = {(family, learner, name) for _, learner, family, name, _, s in status if s == "ok"}
    found = set(zip(*(curves.get(c, ()) for c in ("file", "learner", "strategy")), strict=True))
    wrong["curves are not those of the rows"] = scored ^ found
    return [
        f"{dataset}: {fault}: {len(cells)}, e.g. {' '.join(map(str, min(cells, key=str)))}."
        for fault, cells in wrong.items()
        if cells
    ]


def _against_itself(dataset, prepared, cuts, runs):
    """Lines on rows whose values cannot stand beside each other.

    Recall and the test part give the hits of each class, precision the rows predicted as it, and
    these all metrics of labels; those of scores are the same for every rule of a cell.
    """
    n_classes = len(prepared.schema["classes"])
    supports = [np.bincount(prepared.y[test], minlength=n_classes) for _, _, test in cuts]
    scored = runs[(runs["status"] == "ok") & runs["split"].isin(range(len(cuts)))]
    columns = {name: [f"{name}_{c}" for c in range(n_classes)] for name in PER_CLASS}
    wrong = []
    for row in scored.to_dict("records"):
        support = supports[row["split"]]
        recall, precision = (
            np.nan_to_num([row[c] for c in columns[name]]) for name in ("recall", "precision")
        )
        hits = np.rint(recall * support)
        chosen = np.rint(np.divide(hits, precision, out=np.zeros(n_classes), where=precision > 0))
        # What no hit tells of is the rest, where it is one class; where it is more, any division
        # gives the same but for the correlation.
        blank = np.flatnonzero(hits == 0)
        chosen[blank[:1]] += support.sum() - chosen.sum()
        expected = metrics.of_counts(hits, chosen, support)
        if len(blank) > 1:
            expected["mcc"] = row["mcc"]
        values = {name: expected[name] for name in LABELS}
        for name, numbered in columns.items():
            values |= dict(zip(numbered, expected[name], strict=True))
        for name, value in values.items():
            if not _close(value, row[name], ROUNDED):
                wrong.append(
                    f"{_name(row)}, rule {row['rule']}: {name} is {row[name]:g}, recall and "
                    f"precision make it {value:g}."
                )
                break
    differ = scored.groupby(CELL, sort=False)[SCORES].nunique(dropna=False) > 1
    for cell, values in differ[differ.any(axis=1)].iterrows():
        row = dict(zip(CELL, cell, strict=True))
        wrong.append(f"{_name(row)}: {values.idxmax()} depends on the decision rule.")
    if len(wrong) > MOST:
        wrong[MOST:] = [f"{dataset}: {len(wrong) - MOST} more rows contradict themselves."]
    return wrong


def _close(one, other, limit):
    return abs(one - other) <= limit or (np.isnan(one) and np.isnan(other))


def _name(row):
    return (
        f"{row['dataset']} {row['learner']} {row['family']} {row['strategy']} split {row['split']}"
    )


def _tried(asked, timings):
    """The timings of cells that ``params.yaml`` asks for and does not leave out."""
    place = [NAMES.index(name) for name in CELL]
    tried = {tuple(key[n] for n in place) for key, (reason, _) in asked.items() if not reason}
    mine = [cell in tried for cell in zip(*(timings[c] for c in CELL), strict=True)]
    return timings[mine].drop_duplicates(CELL)


def _sample(timings, cells, seed, seconds):
    """Rows of the timings: cheap cells, those with a score evenly over data sets and learners."""
    # A plain model that was in the memo is not in the processor time of the cell.
    cost = timings[["cpu_seconds", "fit_seconds"]].max(axis=1)
    cheapest = cost.groupby(timings["learner"]).transform("quantile", 0.02)
    pool = timings[cost <= np.maximum(seconds, cheapest)].sort_values(CELL)
    pool = pool.sample(frac=1, random_state=seed)
    scored, others = pool[pool["status"] == "ok"], pool[pool["status"] != "ok"]
    # In turn, so that a small sample sees all of them.
    turn = scored.groupby(["dataset", "learner"]).cumcount()
    scored = scored.assign(turn=turn).sort_values("turn", kind="stable").head(cells)
    # Failures first: they are few, and what does not apply is refused before anything is fitted.
    others = others.sort_values("status", kind="stable").head(max(1, cells // 10))
    return pd.concat([scored, others], ignore_index=True)


def _refit(study, committed, smallest, sample, seed, progress):
    """Lines on cells whose refit differs."""
    todo = {
        Task(row.dataset, row.family, row.learner, row.strategy, int(row.split)): row
        for row in sample.itertuples()
    }
    progress(f"Refitting {len(todo)} committed cells (seed {seed}).")
    results, _ = compute(study, list(todo), reuse=False, progress=progress)
    wrong, scored = [], {}
    for result in results:
        task, rows, timing, _ = result
        made = todo[task].status
        if timing["status"] != made:
            why = f": {rows[0]['reason']}" if timing["status"] != "ok" else ""
            name = _name(vars(task))
            wrong.append(f"{name} is '{made}' in results/, '{timing['status']}' here{why}")
        elif made == "ok":
            scored.setdefault(task.dataset, []).append(result)
    if not scored:
        return wrong
    values = []
    for dataset, found in scored.items():
        new = run_table(found, data_of(dataset, study.protocol)[0]).drop(columns="made_from")
        old = committed[dataset]["runs"].drop_duplicates([*CELL, "rule"])
        both = old.merge(new, on=[*CELL, "rule"], suffixes=("", " here"))
        both = both.merge(sample[[*CELL, "platform"]], on=CELL)
        both["cell"] = [_name(row) for row in both[CELL].to_dict("records")]
        numbers = [c for c in new.select_dtypes("float") if f"{c} here" in both]
        was = both[["cell", "rule", "learner", "platform", *numbers]].melt(
            ["cell", "rule", "learner", "platform"], numbers, "value", "was"
        )
        now = both[[f"{c} here" for c in numbers]].melt(value_name="now")["now"]
        values.append(was.assign(now=now, one_row=1 / smallest[dataset]))
    values = pd.concat(values, ignore_index=True).astype({"was": float, "now": float})
    gap = (values["now"] - values["was"]) / np.maximum(1, values["was"].abs())
    gap = gap.mask(values["was"].isna() & values["now"].isna(), 0.0).fillna(np.inf)
    values["gap"] = gap
    here = values["platform"] == hardware()
    near = values[here]
    wrong += [_said(row) for row in near[near["gap"].abs() > DIGIT].itertuples()]
    wrong += _elsewhere(values[~here], progress)
    exact, cells = near["cell"].nunique(), values["cell"].nunique()
    progress(
        f"{cells} cells with a score refitted: {exact} made on this platform, where every digit "
        f"counts, {cells - exact} made elsewhere."
    )
    return wrong


def _said(row):
    return f"{row.cell}, rule {row.rule}: {row.value} is {row.was:g} in results/, {row.now:g} here"


def _elsewhere(values, progress):
    """Lines on refits of cells that another platform made: too far, too often, or one-sided."""
    wrong = []
    learners = list(values.groupby("learner"))
    for learner, mine in learners:
        limit = limit_of(learner)
        of_labels = mine["value"].isin(set(LABELS) - {"g_mean"})
        beyond = np.where(of_labels, limit.labels, limit.classes) + mine["one_row"]
        allowed = np.where(mine["value"].isin(SCORES), limit.scores, beyond)
        # Many cut-offs are as good as each other on a validation part, and which of them is the
        # best hangs on the last digit: its place says nothing, unless there is none.
        chosen = mine["value"].str.fullmatch(r"threshold|offset_\d+")
        allowed = np.where(chosen, np.finfo(float).max, allowed)
        far = mine.assign(allowed=allowed)
        far = far[far["gap"].abs() > far["allowed"]]
        wrong += [f"{_said(r)} (allowed elsewhere: {r.allowed:.2g})" for r in far.itertuples()]
        other = mine[mine["gap"].abs() > ROUNDED]
        cells, differ = mine["cell"].nunique(), other["cell"].nunique()
        if limit.ties < 1:
            for row in other.drop_duplicates("cell").itertuples():
                progress(f"{_said(row)} (a tie?)")
            if stats.binom.sf(differ - 1, cells, limit.ties) < FALSE_ALARM / len(learners):
                wrong.append(
                    f"{differ} of {cells} cells of {learner} differ, rounding explains "
                    f"{limit.ties:.0%}."
                )
        tests = 2 * len(learners) * len(metrics.SCORES)
        for name, gaps in one_sided(mine, FALSE_ALARM / tests):
            wrong.append(
                f"{name} of {learner} is shifted: {gaps.mean():+.2g} on average here, in "
                f"{(gaps > 0).sum()} cells up, in {(gaps < 0).sum()} down."
            )
    return wrong


def one_sided(values, level):
    """Metrics whose differences have one sign.

    A sign test, and for scores (labels differ by whole rows, so that a few cells can agree by
    chance) Student's t, of the mean over rules in each cell.

    Parameters
    ----------
    values : DataFrame
        ``cell``, ``value`` (the metric), ``gap``.
    level : float
        Of each test.

    Returns
    -------
    list of (str, Series)
        The metric and its difference in each cell.
    """
    found = []
    known = values[np.isfinite(values["gap"]) & values["value"].isin(metrics.SCORES)]
    for name, mine in known.groupby("value"):
        gaps = mine.groupby("cell")["gap"].mean()
        gaps = gaps.where(gaps.abs() > ROUNDED, 0.0)
        up, differ = int((gaps > 0).sum()), int((gaps != 0).sum())
        if differ < FEWEST:
            continue
        p = stats.binomtest(up, differ).pvalue
        if name in SCORES:
            # Equal shifts of all have no spread; that of the digits is the least there is.
            error = max(gaps.std(), DIGIT) / np.sqrt(len(gaps))
            p = min(p, 2 * stats.t.sf(abs(gaps.mean()) / error, len(gaps) - 1))
        if p < level:
            found.append((name, gaps))
    return found
