import numpy as np
import pandas as pd
import pytest
from sklearn import model_selection
from sklearn.model_selection import StratifiedKFold

from imbbench.chapters import replications
from imbbench.chapters.replications import METRICS, PUBLISHED


def test_the_problem_is_the_handbooks():
    X, y = replications.problem()
    assert X.shape == (5000, 2)
    train, _ = next(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    assert np.bincount(y[train]).tolist() == [3784, 216]  # as it prints


@pytest.mark.parametrize("row", list(PUBLISHED)[:7])
def test_rows_without_an_ensemble_are_reproduced_to_the_last_digit(row):
    found = replications.cross_validate(replications.models()[row], *replications.problem(), 0)
    assert tuple(round(found[metric], 3) for metric in METRICS) == PUBLISHED[row]


def test_scores_are_those_of_scikit_learn():
    X, y = replications.problem()
    X, y = X[:1000], y[:1000]
    for row in ("tree", "logistic regression", "balanced random forest"):
        model = replications.models(seed=3, trees=5)[row]
        folds = StratifiedKFold(5, shuffle=True, random_state=3)
        theirs = model_selection.cross_validate(model, X, y, cv=folds, scoring=list(METRICS))
        ours = replications.cross_validate(model, X, y, 3)
        for metric in METRICS:
            assert ours[metric] == pytest.approx(np.round(theirs[f"test_{metric}"], 3).mean())


def test_models_have_the_handbooks_settings():
    models = replications.models(seed=7)
    assert list(models) == list(PUBLISHED)
    for name in list(PUBLISHED)[7:]:
        settings = models[name].get_params()
        assert (settings["n_estimators"], settings["random_state"]) == (100, 7)
        assert settings.get("max_depth", settings.get("estimator__max_depth")) == 5
    forest = models["balanced random forest"]
    assert (forest.bootstrap, forest.replacement, forest.sampling_strategy) == (True, False, 1.0)
    assert abs(replications.COST - 1 / 19) < 1e-15


def made_up(seeds=2, shift=0.0):
    """Runs whose seed 0 is published, and whose other seeds lie 0.01 around it."""
    rows = []
    for row, numbers in PUBLISHED.items():
        for seed in range(seeds + 1):
            offset = 0.0 if seed == 0 else 0.01 * (-1) ** seed
            found = dict(zip(METRICS, np.array(numbers) + offset, strict=True))
            rows.append({"row": row, "variant": "", "seed": seed, **found, "at_prior": 0.9})
    table = pd.DataFrame(rows)
    table.loc[(table["row"] == "bagging") & (table["seed"] == 0), list(METRICS)] += shift
    return table


@pytest.mark.parametrize(
    ("shift", "spread", "word"),
    [(0, 0.01, "to the last digit"), (0.005, 0.01, "within the seeds"),
     (0.005, -1, "not reproduced")],
)  # fmt: skip
def test_verdict_is_by_digit_then_by_range(shift, spread, word):
    table = replications.compare(made_up(shift=shift))
    if spread < 0:
        rows = (table["row"] == "bagging") & (table["metric"] == "roc_auc")
        table.loc[rows, "high"] = table.loc[rows, "published"] - 0.001
    found = replications.verdicts(table)
    assert found.pop("bagging") == word
    assert set(found.values()) == {"to the last digit"}


def test_comparison_has_difference_and_range():
    table = replications.compare(made_up(shift=0.005)).set_index(["row", "metric"])
    row = table.loc["bagging", "roc_auc"]
    assert (row["published"], row["ours"], row["difference"]) == (0.943, 0.948, 0.005)
    assert (row["low"], row["high"]) == (0.933, 0.953)
    words = replications.shown(table.reset_index()).set_index("row")
    assert words.loc["bagging", "ROC AUC"] == "0.943 / 0.948 (0.933 to 0.953)"


def test_statements_hold_for_the_published_numbers():
    found = replications.statements(made_up())
    assert (found["holds"] == found["seeds"]).all() and (found["seeds"] == 3).all()
    worse = made_up()
    worse.loc[(worse["row"] == "tree, SMOTE") & (worse["seed"] == 1), "roc_auc"] = 0.5
    lost = replications.statements(worse).set_index("statement")["holds"]
    assert lost[lost < 3].index.str.startswith("SMOTE is better").all() and (lost < 3).sum() == 1


def test_the_moved_threshold_is_compared_seed_by_seed():
    table = replications.moved_threshold(made_up()).set_index("treatment")
    row = table.loc["balanced bagging"]
    assert row["plain"] == pytest.approx(0.748) and row["treated"] == pytest.approx(0.920)
    assert row["treated - moved"] == pytest.approx(0.02)
    assert (row["low"], row["high"]) == pytest.approx((0.01, 0.03))
    text = replications.threshold_sentence(table.reset_index())
    assert "balanced bagging" in text.split("Ahead")[1].split("behind")[0]


def test_every_part_of_the_notebook_runs_on_small_ensembles(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    runs = replications.replicate(1, trees=2, jobs=1)
    assert len(runs) == 2 * len(PUBLISHED) + 3
    table = replications.compare(runs)
    assert set(replications.verdicts(table)) == set(PUBLISHED)
    details = replications.details(runs)
    own = details[details["settings"] == "as the handbook"].set_index("row")
    assert own.loc["cost-sensitive tree", "largest difference"] == 0
    text = replications.details_sentence(runs) + replications.conclusion(table, runs)
    assert "5.4%" in text and "0.0571" in text and "Of 11 rows" in text
    replications.save(table, "results/tables/x.csv")
    saved = pd.read_csv(tmp_path / "results/tables/x.csv")
    assert len(saved) == 3 * len(PUBLISHED) and "reproduced" in saved
    panels = replications.plot(table).axes
    assert [ax.get_xlabel() for ax in panels] == list(METRICS.values())
