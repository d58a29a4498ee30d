"""One strategy at a time, of tables small enough to count by hand."""

import made_up
import numpy as np
import pandas as pd
import pytest

from imbbench.analysis import forest


def gained(values, **columns):
    """Gains in balanced accuracy, ``{(dataset, learner, split): value}``, of one strategy."""
    rows = [
        {"dataset": dataset, "learner": learner, "split": split, "balanced_accuracy": value}
        for (dataset, learner, split), value in values.items()
    ]
    same = {"family": "weighting", "label": "a", "rule": "tuned", "group": "weak"}
    same |= {"modality": "tabular", "stratum": "core"}
    return pd.DataFrame(rows).assign(**same | columns)


def test_a_data_sets_gain_is_the_mean_and_its_range_that_of_splits():
    values = {("x", "logreg", 0): 0.1, ("x", "tree", 0): 0.3}
    values |= {("x", "logreg", 1): -0.1, ("x", "tree", 1): -0.2, ("y", "tree", 0): 0.5}
    table = forest.by_dataset(gained(values), ["balanced_accuracy tuned"]).set_index("dataset")
    # The mean over splits of logreg is 0, of tree .05.
    assert table.loc["x", ["mean", "low", "high"]].tolist() == pytest.approx([0.025, -0.15, 0.2])
    assert table.loc["y", "mean"] == 0.5 and np.isnan(table.loc["y", "low"])
    assert table["splits"].tolist() == [2, 1] and set(table["outcome"]) == {
        "balanced_accuracy tuned"
    }
    both = pd.concat([gained(values), gained(values, rule="argmax", balanced_accuracy=0.7)])
    other = forest.by_dataset(both, ["balanced_accuracy argmax"])
    assert other["mean"].tolist() == pytest.approx([0.7, 0.7])


def test_lost_is_what_is_worse_in_every_split_and_by_enough():
    table = pd.DataFrame(
        {
            "mean": [-0.02, -0.3, -0.02, -0.004, 0.1, -0.2],
            "high": [-0.01, -0.1, 0.01, -0.001, 0.2, np.nan],
        }
    ).assign(low=-0.4)
    assert forest.lost(table)["mean"].tolist() == [-0.3, -0.02]


def runs(strategies, control="plain"):
    """Rows of the default cut-off on two data sets of one origin each; recall and precision."""
    rows = []
    for strategy, values in strategies.items():
        family = "reference" if strategy == "plain" else "weighting"
        for i, (recall, precision) in enumerate(values):
            rows.append(
                made_up.row(f"set_{i}", "hgb", family, strategy,
                            control="" if strategy == "plain" else control,
                            recall_1=recall, precision_1=precision)
            )  # fmt: skip
    table = pd.DataFrame(rows)
    return table.assign(
        origin=table["dataset"], stratum="core", prior="as in training", group="strong",
        primary=False,
    )  # fmt: skip


def test_the_minority_goes_from_the_control_to_the_strategy():
    found = forest.minority(
        runs({"plain": [(0.2, 0.9), (0.4, 0.7)], "weights": [(0.6, 0.5), (0.8, 0.5)]})
    )
    (row,) = found.to_dict("records")
    assert (row["label"], row["group"], row["origins"]) == ("weights", "strong", 2)
    assert row["recall_of_control"] == pytest.approx(0.3) and row["recall"] == pytest.approx(0.7)
    assert row["precision_of_control"] == pytest.approx(0.8)
    assert row["precision"] == pytest.approx(0.5)


def test_the_minority_is_that_of_core_data():
    table = runs({"plain": [(0.2, 0.9), (0.4, 0.7)], "weights": [(0.6, 0.5), (0.8, 0.5)]})
    table.loc[table["dataset"] == "set_1", "stratum"] = "ceiling"
    assert forest.minority(table)["recall"].tolist() == pytest.approx([0.6])


def test_cells_without_a_score_are_counted_by_reason():
    table = pd.DataFrame(
        {
            "family": "loss",
            "label": ["a", "a", "a", "b"],
            "status": ["failed", "failed", "ok", "ok"],
            "reason": ["why", "why", "", ""],
        }
    )
    assert forest.unscored(table).to_dict("records") == [
        {"family": "loss", "label": "a", "status": "failed", "reason": "why", "cells": 2}
    ]


def test_those_alike_are_the_nearest_on_places_that_both_have():
    def strategy(label, shift, count=10):
        values = {(f"set_{i}", "hgb", 0): 0.01 * i + shift for i in range(count)}
        return gained(values, label=label, rule="argmax")

    table = pd.concat(
        [strategy("a", 0), strategy("far", 0.3), strategy("near", -0.1), strategy("few", 0.01, 7)]
    )
    found = forest.alike(table)
    assert found["weighting", "few"] == []
    assert [(label, places) for _, label, _, places in found["weighting", "a"]] == [
        ("near", 10),
        ("far", 10),
    ]
    assert [apart for *_, apart, _ in found["weighting", "a"]] == pytest.approx([0.1, 0.3])
    assert len(forest.alike(table, count=1)["weighting", "a"]) == 1
