import numpy as np
import pandas as pd
import pytest

from imbbench.bench.prepared import data_of
from imbbench.chapters import difficulty
from imbbench.chapters.difficulty import Fit


@pytest.fixture
def small(study, monkeypatch):
    monkeypatch.setattr(difficulty, "MINORITY", (3, 6))
    monkeypatch.setattr(difficulty, "RATIOS", (1, 4))
    return study


def test_tasks_have_rows_enough_in_every_training_part(small):
    found = difficulty.tasks_of(small, ["four", "mixed"])
    for name, (dataset, code) in found.items():
        prepared, cuts = data_of(dataset, small.protocol)
        assert name == f"{dataset}/{prepared.schema['classes'][code]}" and code > 0
        assert all((prepared.y[cut[0]] == code).sum() >= 6 for cut in cuts)
    assert "mixed/ill" in found or len([n for n in found if n.startswith("mixed/")]) == 1


def test_a_part_has_the_ratio_the_size_and_the_noise_that_are_asked_for(small, monkeypatch):
    seen = {}
    real = difficulty.Cell.from_arrays

    def from_arrays(study, learner, X, y, **more):
        seen[len(seen)] = X.copy(), y.copy()
        return real(study, learner, X, y, **more)

    monkeypatch.setattr(difficulty.Cell, "from_arrays", from_arrays)
    for noise, minority, ratio in ((0.0, 6, 4), (0.0, 3, 1), (1.0, 6, 4)):
        fit = Fit("binary/b", "logreg", noise, minority, ratio, 0)
        found = difficulty.scored(small, fit, "binary", 1)
        assert 0 <= found["auc"] <= 1 and 0 <= found["balanced_accuracy"] <= 1
    (large, y), (little, few), (noisy, _) = seen.values()
    assert np.bincount(y).tolist() == [24, 6] and np.bincount(few).tolist() == [3, 3]
    assert {row.tobytes() for row in little} <= {row.tobytes() for row in large}
    assert not np.allclose(noisy, large)
    # Noise of one standard deviation: variances add up.
    assert np.std(noisy - large) == pytest.approx(np.std(large), rel=0.5)


def test_too_little_majority_is_left_out(small):
    fit = Fit("binary/b", "logreg", 0.0, 6, 1000, 0)
    assert difficulty.scored(small, fit, "binary", 1) is None


def table():
    """The ratio costs .2 of balanced accuracy where it is hard, fewer rows .1 of AUC, noise .3."""
    rows = []
    for task, level in (("a/x", 0.99), ("b/x", 0.98), ("c/x", 0.97), ("d/x", 0.7), ("e/x", 0.75),
                        ("f/x", 0.72)):  # fmt: skip
        for noise in difficulty.NOISE:
            for minority in difficulty.MINORITY:
                for ratio in difficulty.RATIOS:
                    hard = level < 0.9 and ratio == 20
                    auc = level - (minority == 10) * 0.1 - (noise == 3) * 0.3
                    rows.append({"task": task, "learner": "logreg", "noise": noise, "split": 0,
                                 "minority": minority, "ratio": ratio, "auc": auc,
                                 "balanced_accuracy": 0.8 - 0.2 * hard})  # fmt: skip
    return difficulty.with_difficulty(pd.DataFrame(rows))


def test_each_change_by_itself():
    found = difficulty.steps(table(), "balanced_accuracy").set_index(["change", "kind"])
    # With noise all six are hard; of three of them the ratio costs nothing.
    assert found.loc[("ratio 1 to 20", "hard"), "mean"] == pytest.approx(-0.1)
    assert found.loc[("ratio 1 to 20", "hard"), "tasks"] == 6
    assert found.loc[("ratio 1 to 20", "easy"), "mean"] == pytest.approx(0.0)
    auc = difficulty.steps(table()).set_index(["change", "kind"])
    assert auc.loc[("ratio 1 to 20", "all"), "mean"] == pytest.approx(0.0)
    assert auc.loc[("minority rows 100 to 10", "all"), "mean"] == pytest.approx(-0.1)
    assert auc.loc[("noise 0 to 3", "all"), "mean"] == pytest.approx(-0.3)
    assert auc.loc[("noise 0 to 3", "all"), "tasks"] == 6


def test_a_task_is_as_hard_as_it_is_with_rows_enough():
    made = table()
    clean = made[made["noise"] == 0].groupby("task")["difficulty"].first()
    assert clean.to_dict() == pytest.approx(
        {"a/x": 0.99, "b/x": 0.98, "c/x": 0.97, "d/x": 0.7, "e/x": 0.75, "f/x": 0.72}
    )
    assert set(difficulty.kinds(made[made["task"] == "a/x"])) == {"easy", "hard"}


def test_what_it_says():
    assert difficulty.conclusion(table()).splitlines() == [
        "- With as many rows of the minority, a ratio of 1:20 in place of 1:1 changes ROC AUC by "
        "+0.000 [+0.000, +0.000], and balanced accuracy at the default cut-off by -0.100 [-0.215, "
        "+0.015]: by +0.000 [+0.000, +0.000] where the classes lie apart, by -0.100 [-0.215, "
        "+0.015] where they overlap.",
        "- With equal classes, 10 rows of the minority in place of 100 change ROC AUC by -0.100 "
        "[-0.100, -0.100].",
        "- Noise that makes the classes overlap changes it by -0.300 [-0.300, -0.300].",
    ]
    assert difficulty.shown(table())["number"].tolist()[-1] == 6


def test_the_figure_has_a_panel_for_every_kind():
    figure = difficulty.plot(table())
    heads = [axes.get_title(loc="left") for axes in figure.axes[:3]]
    assert heads == ["easy (3 tasks)", "between (0 tasks)", "hard (6 tasks)"]
