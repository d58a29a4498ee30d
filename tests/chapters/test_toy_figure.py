import numpy as np
import pandas as pd
import pytest

from imbbench.chapters import toy_figure


@pytest.fixture(scope="module")
def table():
    return toy_figure.compute(3)


def test_classes_are_as_many_and_as_far_apart_as_asked():
    X, y = toy_figure.draw(6.0, 20_000, 10_000, np.random.default_rng(0))
    assert np.bincount(y).tolist() == [20_000, 10_000]
    gap = X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)
    assert gap == pytest.approx([6, 0], abs=0.05)
    assert X[y == 1].std(axis=0) == pytest.approx([1, 1], abs=0.02)


def test_every_ratio_is_trained_at_and_tested_on_equal_classes():
    for ratio in toy_figure.RATIOS:
        _, (_, y), (_, y_test), predicted = toy_figure.fitted("hard", ratio, "AdaBoost", 0)
        assert np.bincount(y).tolist() == [1000, 1000 // ratio]
        assert np.bincount(y_test).tolist() == [1000, 1000]
        assert len(predicted) == 2000


def test_balanced_accuracy_is_the_mean_of_the_recalls(table):
    assert len(table) == 2 * 4 * 2 * 3
    both = (table["majority_recall"] + table["minority_recall"]) / 2
    assert table["balanced_accuracy"].to_numpy() == pytest.approx(both.to_numpy())
    again = toy_figure.compute(3)
    pd.testing.assert_frame_equal(table, again)


def test_what_it_says_is_what_the_table_holds():
    names = ["task", "ratio", "balanced_accuracy"]
    rows = [("easy", 1, 0.99), ("easy", 100, 0.95), ("hard", 1, 0.75), ("hard", 100, 0.5)]
    said = toy_figure.conclusion(pd.DataFrame(rows, columns=names))
    assert said == (
        "At 1:100 the easy task is solved with a balanced accuracy of 0.950, 0.040 less than with "
        "equal classes; the hard one starts at 0.750 with equal classes and falls to 0.500. What "
        "the ratio costs depends on how far the classes overlap: 0.250 against 0.040."
    )


def test_the_figure_has_a_panel_for_every_task_learner_and_ratio():
    figure = toy_figure.plot()
    assert len(figure.axes) == 2 * 3 * 4
    heads = [axes.get_title(loc="left") for axes in figure.axes[:4]]
    assert heads == ["1:1", "1:10", "1:50", "1:100"]
    assert figure.axes[4].get_ylabel() == "easy\n5 neighbours"
