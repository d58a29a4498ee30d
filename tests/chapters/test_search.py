import pandas as pd
import pytest

from imbbench import config
from imbbench.chapters import search


@pytest.fixture
def studied(study, monkeypatch):
    study.families += ["oversampling", "undersampling"]
    study.strategies["oversampling"] = {"smote": {"ratio": 1, "k_neighbors": 3}}
    study.strategies["undersampling"] = {"under_1_1": {"random": 1}}
    monkeypatch.setattr(search, "TRIALS", 4)
    return study


@pytest.mark.parametrize("learner", search.SPACES)
def test_trials_are_drawn_from_their_space_and_the_first_is_the_studys(learner):
    found = search.trials(learner, 0)
    assert len(found) == search.TRIALS and found[0] == {}
    assert found == search.trials(learner, 0) != search.trials(learner, 1)
    for settings in found[1:]:
        assert set(settings) == set(search.SPACES[learner])
        for name, (kind, *ends) in search.SPACES[learner].items():
            value = settings[name]
            assert value in ends if kind == "of" else ends[0] <= value <= ends[1]
    assert learner in config.load(config.Path(__file__).parents[2] / "params.yaml").learners


@pytest.mark.parametrize("strategy", search.STRATEGIES)
def test_the_best_by_the_validation_part_is_taken(studied, strategy, monkeypatch):
    rows = search.searched(studied, search.Search("binary", "logreg", strategy, 0))
    assert [row["settings"] for row in rows] == ["as in the study", "searched"]
    assert all(0 <= row[m] <= 1 for row in rows for m in search.METRICS)
    # Where every trial is the study's, so is the best.
    monkeypatch.setattr(search, "trials", lambda learner, seed: [{}, {}, {}])
    first, best = search.searched(studied, search.Search("binary", "logreg", strategy, 0))
    assert [first[m] for m in search.METRICS] == [best[m] for m in search.METRICS]


def test_a_trial_that_does_better_on_the_validation_part_is_scored_on_the_test_fold(
    studied, monkeypatch
):
    """A tree of one leaf tells nothing; one that may split does."""
    one, many = {"min_samples_leaf": 10_000}, {"min_samples_leaf": 2}
    task = search.Search("binary", "tree", "plain", 0)
    monkeypatch.setattr(search, "trials", lambda learner, seed: [one, many])
    first, best = search.searched(studied, task)
    assert first["balanced_accuracy"] == 0.5 < best["balanced_accuracy"]


def table():
    """Weights gain .1 as in the study and lose .1 when all have searched; SMOTE is noise."""
    rows = []
    for i, dataset in enumerate("abcd"):
        for settings, gain in (("as in the study", 0.1), ("searched", -0.1)):
            values = {"plain": 0.6, "inverse_frequency": 0.6 + gain + i / 1000}
            values |= {"smote": 0.6 + (-1) ** i * 0.1, "under_1_1": 0.6}
            for strategy, value in values.items():
                for split in (0, 1):
                    rows.append({"dataset": dataset, "learner": "logreg", "strategy": strategy,
                                 "split": split, "settings": settings,
                                 "balanced_accuracy": value, "average_precision": 0.5})  # fmt: skip
    return pd.DataFrame(rows)


def test_what_a_search_turns():
    found = search.gains(table())
    assert len(found) == 2 * 3 * 2
    one = found.set_index(["metric", "strategy", "settings"])
    assert one.loc[("balanced_accuracy", "inverse_frequency", "searched"), "mean"] == pytest.approx(
        -0.0985
    )
    other = search.turned(found)
    assert other["strategy"].tolist() == ["inverse_frequency"]
    said = search.conclusion(table()).splitlines()
    assert said[0] == (
        "- Of 6 comparisons of a strategy with the untreated learner, 1 have an interval on "
        "another side of zero when both are the best of 16 trials in place of the study's "
        "settings; 1 have a mean of the other sign (one of the two more than 0.005 from zero)."
    )
    assert said[1] == (
        "- `inverse_frequency` with `logreg`, balanced accuracy: above zero as in the study, below "
        "zero when searched."
    )
    assert said[2].startswith("- Mean gain in balanced accuracy, as in the study: +0.034 (from ")
    near = table()
    mine = (near["strategy"] == "inverse_frequency") & (near["settings"] == "searched")
    plain = (near["strategy"] == "plain") & (near["settings"] == "searched")
    near.loc[mine, "balanced_accuracy"] = near.loc[plain, "balanced_accuracy"].to_numpy() + 0.2
    assert "0 have a mean of the other sign" in search.conclusion(near)
    brought = search.found_by_search(table())
    assert brought.iloc[1].tolist() == [
        "`inverse_frequency`", "balanced accuracy", "-0.200 [-0.200, -0.200]",
    ]  # fmt: skip
    shown = search.shown(found)
    assert shown.columns.tolist()[3:] == ["as in the study", "searched"]


def test_the_figure_has_both_settings_beside_each_other():
    figure = search.plot(search.gains(table()))
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "balanced accuracy", "average precision",
    ]  # fmt: skip
    texts = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert texts == ["logreg  inverse_frequency", "logreg  smote", "logreg  under_1_1"]
    points = [line.get_xdata() for line in figure.axes[0].lines if line.get_marker() in "oD"]
    assert [p[0] for p in points] == pytest.approx([0.1015, -0.0985])
