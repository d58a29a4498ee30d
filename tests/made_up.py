"""Result tables that were drawn, not run, in the shape that ``imbbench.bench.rows.save`` writes."""

import json

import numpy as np
import pandas as pd

from imbbench.analysis.statistics import TUNED
from imbbench.bench.metrics import BINS, RECALLS, SCORES
from imbbench.bench.rows import PER_CLASS, Outcome, save

STRATEGIES = {
    "reference": {"plain": {}, "dummy": {"learners": ["tree"]}},
    "weighting": {"inverse_frequency": {}, "inverse_sqrt": {"control": "inverse_frequency"}},
    "posthoc": {"threshold_0_3": {"threshold": 0.3}},
}
LEARNERS = ["logreg", "tree"]


def row(dataset, learner, family, strategy, split=0, rule="argmax", control="plain", **values):
    """One row of a run table as it is read; metrics that are not given are 0.5."""
    key = {"dataset": dataset, "modality": "tabular", "learner": learner, "family": family}
    key |= {"strategy": strategy, "control": control, "split": split, "rule": rule}
    status = {"status": values.pop("status", "ok"), "reason": values.pop("reason", "")}
    scores = dict.fromkeys(SCORES, 0.5 if status["status"] == "ok" else np.nan)
    per_class = {f"{k}_{c}": 0.5 for k in PER_CLASS for c in (0, 1)}
    read = {"label": strategy, "role": "control" if family == "reference" else "remedy"}
    return {**key, **status, **scores, **per_class, **read, **values}


def draw_runs(dataset, seed=0, splits=3):
    """A run table of :data:`STRATEGIES` as it is read."""
    rng = np.random.default_rng(seed)
    rows = []
    for family, entries in STRATEGIES.items():
        for strategy, entry in entries.items():
            control = entry.get("control", "" if strategy == "plain" else "plain")
            for learner in LEARNERS:
                for split in range(splits):
                    place = (dataset, learner, family, strategy, split)
                    if learner not in entry.get("learners", LEARNERS):
                        why = {"status": "not applicable", "reason": "run with tree only"}
                        rows.append(row(*place, rule="", control=control, **why))
                        continue
                    scores = {m: rng.uniform(0.1, 0.9) for m in SCORES}
                    own = family == "posthoc"
                    for rule in ["own"] if own else ["argmax", *TUNED.values()]:
                        labels = {m: rng.uniform(0.1, 0.9) for m in ("macro_f1", "recall_1")}
                        rows.append(row(*place, rule=rule, control=control, **scores | labels))
    return pd.DataFrame(rows)


def draw_curves(runs, seed=0):
    """Curves of the scored strategies in ``runs``."""
    rng = np.random.default_rng(seed)
    pairs = runs.loc[runs["status"] == "ok", ["learner", "strategy"]].drop_duplicates()
    for i, r in enumerate(RECALLS):
        pairs[f"precision_at_{r:.2f}"] = 1 - i / 40 + rng.uniform(-0.02, 0, len(pairs))
    for b in range(BINS):
        pairs[f"rows_{b}"] = 0 if b < BINS // 2 else 30
        middle = np.nan if b < BINS // 2 else (b + 0.5) / BINS
        pairs[f"confidence_{b}"] = pairs[f"correct_{b}"] = middle
    return pairs


def draw_timings(runs, seed=0):
    """Timings of the cells in ``runs``."""
    rng = np.random.default_rng(seed)
    names = ["dataset", "learner", "family", "strategy", "split", "status"]
    cells = runs[names].drop_duplicates(names[:-1])
    seconds = rng.uniform(0.1, 2, len(cells))
    return cells.assign(fit_seconds=seconds, cpu_seconds=seconds)


def card(dataset, classes=None, **changes):
    """A ``card.json``."""
    classes = classes or {"negative": 90, "positive": 10}
    counts = list(classes.values())
    return {
        "name": dataset,
        "why": "a test",
        "modality": "tabular",
        "rows": sum(counts),
        "rows_train": None,
        "rows_test": None,
        "features": 3,
        "features_numeric": 2,
        "features_categorical": 1,
        "classes": classes,
        "classes_test": None,
        "imbalance_ratio": max(counts) / min(counts),
        "duplicate_rows": 0,
        "groups_with_conflicting_labels": 0,
        "missing_values": 0,
        "missing_by_column": {},
        "constant_columns": [],
        "dropped_columns": [],
        "source": "nowhere",
        "licence": "none",
        "citation": "nobody",
        **changes,
    }


def write_results(root, datasets, results="results"):
    """Result tables and cards of ``datasets`` below ``root``."""
    for seed, dataset in enumerate(datasets):
        runs = draw_runs(dataset, seed)
        for family in STRATEGIES:
            part = runs[runs["family"] == family]
            loop = {
                "cells": len(part),
                "cores": 2,
                "loop_seconds": 10.0,
                "cpu_seconds": 18.0,
                "fitted": 1,
            }
            outcome = Outcome(
                part.drop(columns=["label", "role"]), draw_timings(part), draw_curves(part), loop
            )
            save(outcome, results, dataset, family)
            path = root / results / "timings" / dataset / f"{family}.json"
            path.write_text(
                json.dumps({**loop, "stage_seconds": 16.0, "encode_seconds": 1.0}), encoding="utf-8"
            )
        folder = root / "data" / "prepared" / dataset
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "card.json").write_text(json.dumps(card(dataset)), encoding="utf-8")


def write_params(root, datasets, web=()):
    """A ``params.yaml`` whose results :func:`write_results` draws."""
    entry = {
        "source": {"path": "a.csv"},
        "sha256": {"data": "0" * 64},
        "format": "csv",
        "target": "y",
        "modality": "tabular",
        "licence": "none",
        "why": "a test",
    }
    params = {
        "families": list(STRATEGIES),
        "protocol": {"folds": 3},
        "learners": {name: {} for name in LEARNERS},
        "strategies": STRATEGIES,
        "datasets": {name: entry for name in datasets},
        "web_datasets": {name: entry for name in web},
    }
    (root / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
