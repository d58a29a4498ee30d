"""Words, marks and links of the strategies' pages."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imbbench import config, strategy_pages
from imbbench.analysis.tables import labels
from imbbench.bench.registry import definitions

ROOT = Path(__file__).resolve().parents[1]


def page(study, family, name):
    named = labels(study)
    pages = {pair: strategy_pages.page_of(pair[0], label) for pair, label in named.items()}
    known = strategy_pages.said_of(ROOT / "site" / "strategies.yaml")
    return strategy_pages.Page(study, family, name, named, definitions(family), known, pages)


@pytest.fixture(scope="module")
def study():
    return config.load()


def test_a_mark_is_coloured_where_the_gain_is_clear():
    assert 'class="better"' in strategy_pages.dot(0.1, 0.05, 0.15, 0.2)
    assert 'class="worse"' in strategy_pages.dot(-0.1, -0.15, -0.05, 0.2)
    assert 'class="none"' in strategy_pages.dot(0.004, 0.003, 0.005, 0.2)
    assert 'class="none"' in strategy_pages.dot(0.1, -0.05, 0.25, 0.2)
    assert 'cx="66.0"' in strategy_pages.dot(0.9, 0.8, 1.0, 0.2)  # at the end of the axis
    assert 'cx="50.0"' in strategy_pages.dot(0.1, 0.05, 0.15, 0.2)
    assert "+0.100<br><small>[+0.050, +0.150] n=7<" in strategy_pages.dot(
        0.1, 0.05, 0.15, 0.2, " n=7"
    )
    alone = strategy_pages.dot(0.1, np.nan, np.nan, 0.2)
    assert "range" not in alone and "[" not in alone
    assert strategy_pages.dot(float("nan"), 0, 0, 0.2) == '<td data-value=""></td>'
    assert "<polygon" in strategy_pages.dot(0.1, 0, 0.2, 0.2, shape="diamond")


def test_an_axis_ends_at_a_fiftieth_beyond_nearly_all_of_the_values():
    assert strategy_pages.limit_of(pd.Series([0.001, -0.002])) == 0.02
    assert strategy_pages.limit_of(pd.Series([-0.05, 0.05])) == pytest.approx(0.06)
    assert strategy_pages.limit_of(pd.Series([], dtype=float)) == 0.02


def test_parts_of_the_study_stand_in_one_order():
    table = pd.DataFrame({"modality": ["image", "other", "text", "tabular"]})
    found = strategy_pages.in_order(table, ["modality"])
    assert found["modality"].tolist() == ["tabular", "text", "image", "other"]


def test_docstrings_are_markdown():
    said = strategy_pages.prose(
        "One ``line`` of :func:`~a.b`, :class:`FocalLoss`.\n\nParameters\n----------\nx, y : int\n"
        "    What they\n    are.\n**others\n    Of it.\n\nReferences\n----------\nX 2020."
    )
    assert said == (
        "One `line` of `a.b`, {py:obj}`FocalLoss <imbbench.losses.FocalLoss>`.\n\n"
        "**Parameters**\n\n- <code>x, y</code> (int): What they are.\n"
        "- <code>**others</code>: Of it.\n\n**References**\n\nX 2020."
    )


def test_what_is_said_of_strategies_is_of_those_that_there_are(study):
    known = strategy_pages.said_of(ROOT / "site" / "strategies.yaml")
    names = {name for family in study.families for name in study.family(family)}
    assert set(known) <= names
    entries = [set(entry) - {"for", "formula", "says", "reference"} for entry in known.values()]
    assert not any(entries)


def test_every_primary_strategy_is_defined_with_a_reference(study):
    for family in study.families:
        for name, entry in study.family(family).items():
            if not entry.get("primary"):
                continue
            said = "\n".join(page(study, family, name).definition())
            assert "$$" in said or page(study, family, name).known.get("says"), name
            assert re.search(r"\b(19|20)\d\d\b|Google", said), name


def test_formulas_are_made_into_mathml():
    tex2mathml = pytest.importorskip("docutils.utils.math.latex2mathml").tex2mathml
    for name, entry in strategy_pages.said_of(ROOT / "site" / "strategies.yaml").items():
        if "formula" in entry:
            assert tex2mathml(entry["formula"], as_block=True).startswith("<math"), name


def test_neighbours_are_entries_of_one_method(study):
    lines = "\n".join(page(study, "loss", "focal").neighbours({}))
    assert "`focal_gamma_2`" in lines and "`ldam`" not in lines
    lines = "\n".join(page(study, "undersampling", "near_miss_1").neighbours({}))
    assert "`near_miss_2`" in lines and "`tomek_links`" not in lines
    lines = "\n".join(page(study, "undersampling", "under_1_1").neighbours({}))
    assert "`under_1_10`" in lines and "control of: [`under_1_1_corrected`]" in lines
    near = {("posthoc", "platt"): [("posthoc", "isotonic", 0.0123, 9)]}
    lines = "\n".join(page(study, "posthoc", "platt").neighbours(near))
    assert "[`isotonic`](posthoc_isotonic.md) (0.012 apart on 9)" in lines


def test_where_it_fails_names_the_data_sets_and_the_reasons(study):
    rows = [("pc1", -0.2, -0.1), ("yeast", -0.05, 0.1), ("sylva", -0.3, -0.2)]
    own = pd.DataFrame(rows, columns=["dataset", "mean", "high"])
    own = own.assign(outcome="brier", group="weak", low=-0.4)
    cells = pd.DataFrame(
        {"family": "oversampling", "label": ["smote", "gan"], "status": "failed",
         "reason": ["a < b", "other"], "cells": [3, 4]}
    )  # fmt: skip
    said = "\n".join(page(study, "oversampling", "smote").failures(own, cells, {"pc1"}))
    assert (
        "on 2 of 3 pairs of data set and kind of learner: `sylva` (weak learners) -0.300, " in said
    )
    assert "[`pc1`](../data/pc1/index.md) (weak learners) -0.200" in said and "yeast" not in said
    assert "- failed, 3 cells: a &lt; b" in said and "other" not in said


def test_an_arrow_points_to_the_strategy():
    names = ["group", "recall_of_control", "precision_of_control", "recall", "precision"]
    row = pd.DataFrame([("weak", 0, 1, 1, 1)], columns=names).iloc[0]
    arrow = strategy_pages._arrow(1, row)
    left, right = strategy_pages.EDGE, strategy_pages.EDGE + strategy_pages.SIDE
    assert f'cx="{left:.1f}" cy="8.0"' in arrow and f'points="{right:.1f},8.0' in arrow
    assert "stroke-dasharray" in arrow
    still = row.copy()
    still["recall"] = 0
    assert "<polygon" not in strategy_pages._arrow(1, still)
