import pandas as pd
import pytest
from made_up import row

from imbbench.chapters import how_it_was_run as chapter


@pytest.fixture
def loops():
    return pd.DataFrame(
        {
            "dataset": ["short", "long", "long"],
            "family": ["loss", "loss", "ensemble"],
            "cells": [10, 20, 30],
            "cores": [2, 2, 2],
            "loop_seconds": [60.0, 120.0, 180.0],
            "cpu_seconds": [90.0, 216.0, 360.0],
            "cell_seconds": [90.0, 246.0, 360.0],
            "stage_seconds": [63.0, 125.0, 189.0],
            "encode_seconds": [0.0, 1.0, 2.0],
            "overhead_seconds": [3.0, 4.0, 7.0],
        }
    )


@pytest.fixture
def timings():
    return pd.DataFrame(
        {
            "dataset": ["long"] * 4,
            "learner": ["mlp", "mlp", "tree", "tree"],
            "status": ["ok", "timed out", "ok", "not applicable"],
            "cpu_seconds": [60.0, 120.0, 20.0, 0.0],
            "peak_memory_mib": [1024.0, 2048.0, 512.0, 4.0],
            "platform": ["one; x", "one; x", "two; y", ""],
        }
    )


def test_data_sets_by_their_time(loops):
    table = chapter.by_dataset(loops)
    assert table["data set"].tolist() == ["long", "short"]
    assert table.loc[0].tolist() == ["long", 2, 50, 5.2, 5.0, 10.1, 96.0, 5.5]
    assert table.loc[1].tolist() == ["short", 1, 10, 1.0, 1.0, 1.5, 75.0, 3.0]


def test_the_slowest_stages_come_first(loops):
    table = chapter.slowest_stages(loops, 2)
    assert table["data set"].tolist() == ["`long`", "`long`"]
    assert table["family"].tolist() == ["ensemble", "loss"]
    assert table["stage (s)"].tolist() == [189.0, 125.0]


def test_learners_by_their_time_without_what_does_not_apply(timings):
    table = chapter.by_learner(timings)
    assert table.to_numpy().tolist() == [
        ["`mlp`", 2, 3.0, 90.0, 120.0, 1.5, 2.0],
        ["`tree`", 1, 0.3, 20.0, 20.0, 0.5, 0.5],
    ]


def test_platforms_are_those_of_fitted_cells(timings):
    assert chapter.platforms(timings).to_numpy().tolist() == [["one; x", 2], ["two; y", 1]]


def test_what_was_left_out_for_its_cost_is_told_from_what_does_not_apply():
    why = {"status": "not applicable", "rule": ""}
    rows = [
        row("a", "mlp", "loss", "gan", 0, reason="run with hgb only", **why),
        row("a", "mlp", "loss", "gan", 1, reason="run with hgb only", **why),
        row("a", "tree", "loss", "focal", 0, reason="takes no weights of rows", **why),
        row("b", "mlp", "loss", "gan", 3, reason="run on the first 2 splits only", **why),
        row("b", "mlp", "loss", "plain", 0),
    ]
    table = chapter.left_out(pd.DataFrame(rows))
    assert table.to_numpy().tolist() == [
        ["run with hgb only", 2, 1, 1],
        ["run on the first 2 splits only", 1, 1, 1],
    ]


def test_a_schedule_is_never_shorter_than_its_longest_cell():
    """5, 4, 3, 3 and 3 minutes: on two cores 4 + 3 + 3 = 10 beside 5 + 3, the longest first."""
    seconds = [180.0, 300.0, 180.0, 240.0, 180.0, 900.0]
    timings = pd.DataFrame({"cpu_seconds": seconds, "status": ["ok"] * 5 + ["not applicable"]})
    table = chapter.makespans(timings, (1, 2, 1000))
    assert table["minutes"].tolist() == [18.0, 10.0, 5.0]
    assert table["times as fast"].tolist() == [1.0, 1.8, 3.6]
    assert table["busy (%)"].tolist() == [100, 90, 0]


def test_what_it_says(loops, timings):
    cells = [row("long", "mlp", "loss", name, split) for name in "ab" for split in (0, 1)]
    assert chapter.conclusion(pd.DataFrame(cells), loops, timings).splitlines() == [
        "- 4 cells of 2 data sets, 3 of them fitted: 3 minutes of processor time. The 3 run "
        "stages took 6 minutes on 2 cores, without those cells that were kept from an earlier run.",
        "- In the loops over cells 92% of the cores' time went into fitting and predicting; a "
        "stage takes 4.0 s beside its loop (median).",
        "- `mlp` took 90% of the processor time. The largest process held 2.0 GiB.",
        "- On 100 cores the same cells would take 2 minutes: no cell is longer than 2.0.",
    ]


def test_the_figure_has_a_bar_for_every_data_set(loops):
    (axes,) = chapter.plot(loops).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["long", "short"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([10.1, 1.5])
    assert "minutes" in axes.get_xlabel()


def test_ensembles_that_ended_early_are_named(timings):
    members = [("rus_boost", 20, "ok"), ("rus_boost", 3, "ok"), ("rus_boost", 1, "failed")]
    members += [("bagging", 20, "ok"), ("bagging", 20, "ok"), ("plain", None, "ok")]
    table = pd.DataFrame(members, columns=["label", "members", "status"])
    found = chapter.ended_early(table)
    assert found.to_dict("records") == [
        {"strategy": "rus_boost", "cells": 2, "members": 20, "with fewer": 1, "fewest": 3}
    ]
    assert chapter.ended_early(timings).empty
