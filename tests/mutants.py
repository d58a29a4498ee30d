"""Wrong edits, one at a time, of the code that makes the study's answer: the tests must see each.

Run by ``make mutants``. Every edit is made in a copy of the package, never in place.
"""

import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ANSWER = "tests/analysis/test_answer.py"
FIGURES = (
    "figure or arrowhead or by_class or by_recall or reliability or heat_map or seconds or marked"
    " or gains_of_families"
)
TESTS = {
    "analysis/statistics.py": [ANSWER, "tests/analysis/test_statistics.py"],
    "analysis/tables.py": [ANSWER],
    "analysis/prose.py": [ANSWER, "-k", f"not ({FIGURES} or test_leaderboard)"],
    "analysis/plots.py": [ANSWER, "-k", FIGURES],
    "analysis/inference.py": ["tests/analysis/test_inference.py"],
    "analysis/answer.py": [ANSWER],
    "verify.py": ["tests/test_verify.py", "-k", "not unchanged and not seldom"],
}
MUTANTS = {
    "analysis/statistics.py": [
        ("TAIL = 0.025", "TAIL = 0.05"),
        ("SMALLEST = 0.0005", "SMALLEST = -0.0005"),
        ("values.std(ddof=1)", "values.std(ddof=0)"),
        ("if len(values) < 3:", "if len(values) < 2:"),
        ("mean - half, mean + half", "mean - 2 * half, mean + half"),
        ("both[name] - both[f", "-both[name] + both[f"),
        ("np.select([own, pairs", "np.select([~own, pairs"),
        ('assign(own=True, rule=rule) for rule in ("argmax", "tuned")]',
         'assign(own=True, rule=rule) for rule in ("argmax",)]'),
        ("for metric, rule in others.items():", "for metric, rule in ():"),
        ('["rule"].mask(tuned, "tuned")', '["rule"].mask(~tuned, "tuned")'),
        ('== "own") | free[scored.index]', '== "own")'),
        ('scored[~(free & (scored["rule"] == "tuned"))]', "scored[~free | free]"),
        ('(*PLACE, "rule")), ensembles]', '(*PLACE, "rule"))]'),
        ('set(rows.loc[ensembles, "control"]) - {"plain"}', 'set(rows.loc[ensembles, "control"])'),
        ('part[part["rule"] == "tuned"] for part in (own, plain)',
         'part[part["rule"] == "argmax"] for part in (own, plain)'),
        ('own[own["family"] == "ensemble"], plain[plain["family"] != "ensemble"]',
         'own[own["family"] != "ensemble"], plain[plain["family"] == "ensemble"]'),
        ("both_rules(runs), remedies(paired_differences(runs))",
         "both_rules(runs), paired_differences(runs)"),
        ("better = learners < 0 if metric in LOWER else learners > 0", "better = learners > 0"),
        ("in LOWER else learners > 0", "in LOWER else learners >= 0"),
        ('sets = learners.groupby([*group, "dataset"], sort=False).mean()',
         'sets = differences.groupby([*group, "dataset"], sort=False)[metric].mean()'),
        ("better.groupby(group, sort=False).mean()", "better.groupby(group, sort=False).sum()"),
        ("paired_differences(against_plain(runs), names)", "paired_differences(runs, names)"),
        ('def class_differences(runs, shown, rule="argmax")',
         'def class_differences(runs, shown, rule="tuned")'),
        ('rows = rows[rows["strategy"].isin(descended(runs))]', "rows = rows[:]"),
        ("groups.rank(ascending=name in LOWER)", "groups.rank(ascending=False)"),
        ("100 * (rank - 1) / others", "100 * rank / others"),
        ('groups.transform("count") - 1', 'groups.transform("count")'),
        ("ascending=[True, False]", "ascending=[True, True]"),
        ("groups.std().fillna(np.inf).clip(lower=SMALLEST)", "0"),
        ("groups.std().fillna(np.inf)", "groups.std().fillna(0)"),
        ("(-1 if metric in LOWER else 1)", "(1 if metric in LOWER else -1)"),
        ("(-1 if metric in LOWER else 1)", "1"),
        ('point="cost")', 'point="tuned")'),
        ('rules = {"argmax": "argmax", TUNED["balanced_accuracy"]: "tuned"}',
         'rules = {"argmax": "argmax", TUNED["macro_f1"]: "tuned"}'),
        ("table = -table if metric in LOWER else table", "table = table"),
        ('groupby(["family", "learner"]).median()', 'groupby(["family", "learner"]).max()'),
        ('(scores["tuned"] - scores["argmax"])', '(scores["argmax"] - scores["tuned"])'),
        ("over[r].idxmax()", "over[r].idxmin()"),
        ("(brier > MATTERS).sum()", "(brier > 0.02).sum()"),
        ('"worst": brier.idxmax()', '"worst": brier.idxmin()'),
    ],
    "analysis/tables.py": [
        ("board[higher].mean(axis=1)", "board[higher[0]]"),
        ("for m, r in wanted if m in HIGHER]", "for m, r in wanted]"),
        ('wide = treated[treated["datasets"] >= 3]', 'wide = treated[treated["datasets"] >= 2]'),
        ('ok = cells["status"] == "ok"', 'ok = cells["status"] != "failed"'),
        ("lost.size().reindex(board.index, fill_value=0)",
         "lost.size().reindex(board.index, fill_value=1)"),
        ('ranks[ranks["rule"] == rule].groupby([*NAMES, "dataset", "learner"])',
         'ranks[ranks["rule"] == rule].groupby([*NAMES, "dataset"])'),
        ('effects(differences[differences["rule"] == rule], metric)',
         'effects(differences[differences["rule"] == "argmax"], metric)'),
        ('sort_values("rank", kind="stable")', 'sort_values("cells", kind="stable")'),
        ('table["stage_seconds"] - inside', 'table["stage_seconds"] - table["loop_seconds"]'),
        ("(*study.datasets, *web)", "(*list(study.datasets)[1:], *web)"),
        ("return mark or (", "return None or ("),
        ("    treated = remedies(board)", "    treated = board"),
        ("list(remedies(board).groupby", "list(board.groupby"),
        ('.head(each)["label"]', '.tail(each)["label"]'),
        (".index[:count]", ".index[-count:]"),
        ('both["fit_seconds"] / both["fit_seconds_of_plain"]',
         'both["fit_seconds_of_plain"] / both["fit_seconds"]'),
    ],
    "analysis/prose.py": [
        ('return f"{round(value, 3) + 0.0:+.3f}"', 'return f"{round(value, 3) + 0.0:+.2f}"'),
        ("±{spread:.3f}", "±{spread:.2f}"),
        ("combine(groups.std(), lambda", "combine(groups.std(ddof=0), lambda"),
        ('_bold(texts, _clear(found, metric, rule))\n    gain', "texts\n    gain"),
        ('{"control": 0, "remedy": 1}', '{"control": 1, "remedy": 0}'),
        ("splits == splits.groupby", "splits <= splits.groupby"),
        ('get_level_values("role") == "remedy"', 'get_level_values("role") != ""'),
        ("best = others[MAIN].idxmax()", "best = others[MAIN].idxmin()"),
        ("f\"{100 * precision:.0f} are right. (", "f\"{100 * recall:.0f} are right. ("),
        ('["last", "cells"], ascending=[True, False]', '["last", "cells"], ascending=[True, True]'),
        ("first[: most - 1]", "first[:most]"),
        ("better = high < 0 if name in LOWER else low > 0", "better = low > 0"),
        ("(high - low) / 2", "high - low"),
        ('rows["rank"].round(0)', '(rows["rank"] + 1).round(0)'),
        ("total = len(own.drop_duplicates(", "total = len(lost.drop_duplicates("),
        ("(brier.dropna() > MATTERS).sum()", "(brier.dropna() > -1).sum()"),
        ('(rows["strategy"] == "plain") & (rows["rule"] == rule)',
         '(rows["strategy"] == "plain") & (rows["rule"] == "argmax")'),
        ('lost = runs[runs["status"] != "ok"]\n    reasons',
         'lost = runs[runs["status"] == "failed"]\n    reasons'),
        ('100 * sums["cpu_seconds"] / sums["available"]',
         '50 * sums["cpu_seconds"] / sums["available"]'),
    ],
    "analysis/plots.py": [
        ('RULES = {"argmax": (PALETTE[1], "o"), "tuned": (PALETTE[0], "D")}',
         'RULES = {"argmax": (PALETTE[0], "o"), "tuned": (PALETTE[1], "D")}'),
        ('{"argmax": "argmax: neither is tuned", "tuned": "tuned: both tune their decision"}',
         '{"tuned": "argmax: neither is tuned", "argmax": "tuned: both tune their decision"}'),
        ("(k - (len(looks) - 1) / 2) * step", "((len(looks) - 1) / 2 - k) * step"),
        ('ax.hlines(y, part["low"], part["high"]', 'ax.hlines(y, part["mean"], part["high"]'),
        ('(part["low"] < left, left + inset, "<")', '(part["low"] > left, left + inset, "<")'),
        ('part["high"] > right, right - inset', 'part["high"] > right, right + inset'),
        ("2 * abs(table", "abs(table"),
        ("left, right = 1.06 *", "left, right = 1.6 *"),
        ("ax.set_xlim(-left, right)", "ax.set_xlim(-right, right)"),
        ('alone = part["low"].isna()', 'alone = part["low"].notna()'),
        ("ax.set_ylim(place - 0.3, -0.7)", "ax.set_ylim(-0.7, place - 0.3)"),
        ("figure.supxlabel(xlabel", "figure.suptitle(xlabel"),
        ("ax.axvline(0, color", "ax.axvline(0.01, color"),
        ('for c in range(n)]] for k in ("recall", "precision")]',
         'for c in range(n)]] for k in ("precision", "recall")]'),
        ('-limit, limit, "+.2f" if n', '0, limit, "+.2f" if n'),
        ('"+.2f" if n <= 6', '"+.1f" if n <= 6'),
        ('"cividis_r", 50 - limit', '"cividis", 50 - limit'),
        ('-limit, limit, "+.2f" if table', '0, limit, "+.2f" if table'),
        ("ax.plot(RECALLS, row", "ax.plot(RECALLS[::-1], row"),
        ('looks[name] = ("black", "-")', 'looks[name] = (PALETTE[0], "-")'),
        ("np.nansum(counts * right) / counts.sum()", "np.nansum(right) / counts.sum()"),
        ("ax.plot(row.recall, row.precision", "ax.plot(row.precision, row.recall"),
        ("for names in (confidence, correct))", "for names in (correct, confidence))"),
        ("max(fewest * counts.sum(), 5)", "min(fewest * counts.sum(), 5)"),
        ("max(fewest * counts.sum(), 5)", "max(fewest * counts.sum(), 4)"),
        ('["ratio"].median().sort_values(kind="stable")', '["ratio"].median()'),
        ('own.loc[own["ratio"].idxmax()]', 'own.loc[own["ratio"].idxmin()]'),
    ],
    "analysis/inference.py": [
        ("if mean > MATTERS and low > 0:", "if mean > MATTERS:"),
        ("if mean < -MATTERS and high < 0:", "if mean < MATTERS and high < 0:"),
        ("MARGIN = 0.01", "MARGIN = 0.05"),
        ("FEWEST = 6", "FEWEST = 5"),
        ("POWER = 0.8", "POWER = 0.9"),
        ('"macro-F1": ("macro_f1", "tuned")', '"macro-F1": ("macro_f1", "argmax")'),
        ('"balanced accuracy": ("balanced_accuracy", "tuned")',
         '"balanced accuracy": ("macro_f1", "tuned")'),
        ("            found[metric] = -found[metric]", "            found[metric] = found[metric]"),
        ('found.loc[found["family"] == "ensemble", "over_free"] = np.nan', "pass"),
        ('rule = "argmax" if comparison == "default cut-off" else "tuned"', 'rule = "argmax"'),
        ('treated["control"].where(treated["family"] == "ensemble", "plain")',
         'treated["control"].where(treated["family"] == "", "plain")'),
        ('sets = cells.groupby([*by, "origin", "dataset"], sort=False).mean()', "sets = cells"),
        ("return sets.groupby([*by, \"origin\"], sort=False).mean().dropna()",
         "return sets.dropna()"),
        ("spread = values.std(ddof=1)", "spread = values.std(ddof=0)"),
        ("ttost_mean(-MARGIN, MARGIN)", "ttost_mean(-MARGIN, 2 * MARGIN)"),
        ("_size_found(len(values)) * spread", "_size_found(len(values))"),
        ('if row["p_equivalent"] < ALPHA:', 'if row["p_equivalent"] > ALPHA:'),
        ('if row["p_holm"] < ALPHA and row["low"] > 0:', 'if row["p"] < 1 and row["mean"] > 0:'),
        ('if row["p_holm"] < ALPHA and row["high"] < 0:', 'if row["high"] < 0 < row["low"]:'),
        ('gained[gained["primary"]], outcome)\n    table', "gained, outcome)\n    table"),
        ("if turns.any():", "if not turns.any():"),
        ("_judged(rows[~turns], metric)", "_judged(rows, metric)"),
        ('said not in ("undecided", steady.get(label))', 'said != "undecided"'),
        ('dropna().drop_duplicates()\n    return {', 'dropna().iloc[:0]\n    return {'),
        ('method="holm")[1]', 'method="fdr_bh")[1]'),
        ("(sample > MATTERS).mean()", "(sample > -MATTERS).mean()"),
        ('sort_values("mean", ascending=False', 'sort_values("mean", ascending=True'),
        ('parts = ["modality", "group", "stratum", "prior"]\n    found',
         'parts = ["modality", "stratum", "prior"]\n    found'),
        ('"gain ~ C(learner, Sum)"', '"gain ~ C(learner)"'),
        ("float(np.sqrt(fit.scale))", "float(fit.scale)"),
        ('if row["verdict"] != full.loc[label, "verdict"]:', "if False:"),
        ('gained = gained.assign(turned="")', "pass"),
        ('("lowest", "idxmin"), (', '("lowest", "idxmax"), ('),
        ('rows[(rows["role"] == "remedy") & rows', "rows[rows"),
        ('said.count("worse")', 'said.count("better")'),
        ("rows = rows[there == len(shown)]", "rows = rows[there > 0]"),
        ("ffill(axis=1).iloc[:, -1]", "ffill(axis=1).iloc[:, 0]"),
    ],
    "analysis/answer.py": [
        ('(runs["stratum"] == "core") & (', '(runs["stratum"] != "") & ('),
        ("gained = remedies(gains(core(runs)))", "gained = gains(core(runs))"),
        ('gain=table["tuned"] - table["argmax"]', 'gain=table["argmax"] - table["tuned"]'),
        ('"brier", "argmax"', '"ece", "argmax"'),
        ('"macro_f1", "tuned", "macro-F1 when', '"macro_f1", "argmax", "macro-F1 when'),
        ('(part["finding"] == "better").sum()', '(part["finding"] != "worse").sum()'),
        ('part.loc[part["mean"].idxmax()]', 'part.loc[part["mean"].idxmin()]'),
        ('part["mean"].median(),\n            "below', '0.0,\n            "below'),
        ('"cells": len(cells),', '"cells": len(runs),'),
        ("if count == 1 else verb", "if count != 1 else verb"),
        ('found["harms"], "harms"', 'found["helps"], "harms"'),
        ("found['equivalent'], 'changes'", "found['undecided'], 'changes'"),
        ("{first['median_smallest']:.3f} in", "{first['median']:.3f} in"),
        ('tables = shown[shown["modality"] == "tabular"]', "tables = shown[:0]"),
        ('loops["cpu_seconds"].sum() / (', 'loops["loop_seconds"].sum() / ('),
        ("round(float(value), 4)", "round(float(value), 2)"),
        ("shares[best] > 0.25", "shares[best] >= 0.25"),
        ('len(v["adding"]) / v["strategies"]', 'len(v["adding"]) / 20'),
        ("{f1['better']} of {f1['strategies']}", "{at['better']} of {f1['strategies']}"),
        ("{brier['worse']} of \"", "{brier['better']} of \""),
        ('statuses.get("failed", 0) + statuses.get("timed out", 0)', 'statuses.get("failed", 0)'),
        ("{numbers_['core_origins']} origins", "{numbers_['origins']} origins in"),
        ('remedies(table[table["outcome"] == outcome])', 'table[table["outcome"] == outcome]'),
        ('sort_values("mean", ascending=False, kind', 'sort_values("mean", kind'),
        ("| {\"wins\": (sample > MATTERS).mean()}", "| {\"wins\": (sample > 1).mean()}"),
        ("leaderboard(runs).round(4)", "leaderboard(runs).round(3)"),
        ("{f1['better']} gain and \"", "{f1['worse']} gain and \""),
    ],
    "verify.py": [
        ("gap.mask(values", "(gap / 9).mask(values"),
        (".fillna(np.inf)", ".fillna(0.0)"),
        ("near[near[\"gap\"].abs() > DIGIT]", "near[near[\"gap\"] > DIGIT]"),
        ("DIGIT, ROUNDED = 1e-9, 1.5e-6", "DIGIT, ROUNDED = 1e-5, 1.5e-6"),
        ('far["gap"].abs() > far["allowed"]', 'far["gap"] > 9 * far["allowed"]'),
        ("stats.binom.sf(differ - 1, cells, limit.ties)", "stats.binom.sf(cells, cells, 1)"),
        ("if p < level:", "if p < level / 1e6:"),
        ("stats.binomtest(up, differ).pvalue", "1.0"),
        ("if name in SCORES:\n            #", "if name in LABELS:\n            #"),
        ("set(asked) - set(there)", "set()"),
        ("set(there) - set(asked)", "set()"),
        ('place = [] if row["file"] == row["family"]', 'place = [] if row["file"]'),
        ('== [("not applicable", reason)]', '!= [("failed", reason)]'),
        ("status ^ set(timed)", "status - set(timed)"),
        ("scored ^ found", "scored - found"),
        ("_md5(root() / path) != recorded[path]", "len(recorded) == 0"),
        ('expected["mcc"] = row["mcc"]', "expected = dict(row)"),
        ("nunique(dropna=False) > 1", "nunique(dropna=False) > 2"),
        ('if timing["status"] != made:', 'if timing["status"] == "failed" != made:'),
        ("return 1 if wrong else 0", "return 0"),
        (".head(cells)", ".head(cells - 1)"),
    ],
}  # fmt: skip


def tested(arguments):
    """Exit code of the tests, which say nothing."""
    kept = os.dup(1), os.dup(2)
    with open(os.devnull, "w") as nothing:
        for output in (1, 2):
            os.dup2(nothing.fileno(), output)
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *arguments])
    for output in (1, 2):
        os.dup2(kept[output - 1], output)
    return int(code)


def run(mutant):
    """Exit code of the tests of ``mutant`` (file, old text, new text); of a process of its own."""
    name, old, new = mutant
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "imbbench", Path(folder, "imbbench"))
        path = Path(folder, "imbbench", name)
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        os.environ["PYTHONPATH"] = folder
        sys.path.insert(0, folder)
        code = tested(TESTS[name])
        module = f"imbbench.{name[:-3].replace('/', '.')}"
        assert code > 1 or sys.modules[module].__file__ == str(path)
    return code


def main():
    """Print the survivors; returns the exit code."""
    os.chdir(ROOT)
    mutants = [(name, *edit) for name, edits in MUTANTS.items() for edit in edits]
    wrong = 0
    for name, old, _ in mutants:
        if (ROOT / "imbbench" / name).read_text(encoding="utf-8").count(old) != 1:
            print(f"{name}: not found exactly once: {old!r}")
            wrong += 1
    for name, tests in TESTS.items():
        if tested(tests):
            print(f"{name}: its tests fail without an edit")
            wrong += 1
    # What they have loaded is there in the processes that are forked now, the package is not.
    for name in list(sys.modules):
        if name.split(".")[0] in ("imbbench", "conftest") or name.startswith(("test_", "made_up")):
            del sys.modules[name]
    with multiprocessing.get_context("fork").Pool(maxtasksperchild=1) as pool:
        for (name, old, new), code in zip(mutants, pool.imap(run, mutants), strict=True):
            if code != 1:  # 0: they passed; others: pytest could not run them
                print(f"{name}: survived (exit code {code}): {old!r} -> {new!r}", flush=True)
                wrong += 1
    print(f"{len(mutants)} wrong edits, {wrong} of them not caught.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
