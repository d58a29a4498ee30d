import pandas as pd
import pytest

from imbbench.analysis.recommend import METRICS
from imbbench.chapters import what_to_try as chapter


def table():
    """The advice loses nothing on six origins; plain .02, but .01 on the last; the average .01."""
    rows = [
        {"origin": f"o{i}", "oracle": 0.05, "recommended": 0.0, "plain": 0.02 - 0.01 * (i == 5),
         "average": 0.01 * (i % 2), "tried": "smote" if i else "plain", "learner": "hgb",
         "metric": metric}
        for metric in chapter.SHOWN
        for i in range(6)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_what_it_says():
    """Of plain .11 / 6 is saved, an interval above zero; of the average .005 ± .0058."""
    said = chapter.conclusion(table()).splitlines()
    assert len(said) == 3
    assert said[0] == (
        "- Balanced accuracy: the advice loses 0.000 to the best strategy on an origin it has not "
        "seen, always plain with its cut-off moved 0.018, always the best on average 0.005. It is "
        "clearly better than plain with 1 of 1 learners, than the best on average with 0."
    )
    assert chapter.conclusion(table()[:0]).startswith("There are too few origins")


def test_tables_for_reading():
    found = chapter.summed(table())
    assert found.iloc[0].tolist()[:6] == ["balanced accuracy", "`hgb`", 6, 0.0, 0.0183, 0.005]
    assert found.iloc[0, 7] == "+0.0050 [-0.0007, +0.0107]"
    found = chapter.often_tried(table())
    assert found.iloc[:2].to_numpy().tolist() == [
        ["balanced accuracy", "`hgb`", "`smote`", 5],
        ["balanced accuracy", "`hgb`", "`plain`", 1],
    ]
    assert set(chapter.SHOWN) <= set(METRICS)


def test_the_figure_shows_three_ways_for_every_learner():
    figure = chapter.plot(table())
    heads = [axes.get_title(loc="left") for axes in figure.axes]
    assert heads == ["balanced accuracy", "macro-F1", "average precision"]
    points = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert points == pytest.approx([0.0, 0.11 / 6, 0.005])
    assert chapter.plot(table()[:0]) is None
