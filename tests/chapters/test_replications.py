import numpy as np
import pandas as pd
import pytest
from sklearn import model_selection
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold

from imbbench.chapters import replications
from imbbench.chapters.replications import METRICS, PUBLISHED


def test_the_problem_is_the_handbooks():
    X, y = replications.problem()
    assert X.shape == (5000, 2)
    train, _ = next(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    assert np.bincount(y[train]).tolist() == [3784, 216]  # as it prints


@pytest.mark.parametrize("row", PUBLISHED)
def test_every_row_is_reproduced_to_the_last_digit(row):
    found = replications.cross_validate(replications.models()[row], *replications.problem(), 0)
    assert tuple(round(found[metric], 3) for metric in METRICS) == PUBLISHED[row]


def test_scores_are_those_of_scikit_learn():
    X = replications.problem()[0][:1000]

    def at_prior(model, X, y):  # 20 % of every fold's training rows are positive
        return balanced_accuracy_score(y, model.predict_proba(X)[:, 1] >= 0.2)

    y = (np.arange(1000) % 5 == 0).astype(int)
    X = X + y[:, None]
    scoring = {name: name for name in METRICS} | {"at_prior": at_prior}
    for row in ("tree", "logistic regression", "balanced random forest"):
        model = replications.models(seed=3, trees=5)[row]
        folds = StratifiedKFold(5, shuffle=True, random_state=3)
        theirs = model_selection.cross_validate(model, X, y, cv=folds, scoring=scoring)
        ours = replications.cross_validate(model, X, y, 3)
        for metric in scoring:
            assert ours[metric] == pytest.approx(np.round(theirs[f"test_{metric}"], 3).mean())


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


def test_conclusion_counts_verdicts_statements_and_what_the_threshold_leaves():
    runs = made_up(shift=0.005)
    smote = (runs["row"] == "tree, SMOTE") & (runs["seed"] == 1)
    runs.loc[smote, "average_precision"] = 0.47  # still above random over-sampling's
    runs.loc[smote, "roc_auc"] = 0.5
    text = replications.conclusion(replications.compare(runs), runs)
    assert "Of 11 rows are reproduced: 10 to the last digit, 1 within the seeds, 0 not" in text
    assert "(ROC AUC), 0.020 (average precision), 0.020 (balanced accuracy)" in text
    assert "0 of 33 published numbers" in text and "over 2 seeds" in text
    assert "SMOTE is better than random over-sampling in all three metrics”, with 2 of 3" in text
    for plain, treated, left in [(0.5, 0.8, "50%"), (0.5, 0.6, "none")]:
        moved = made_up().assign(balanced_accuracy=treated, at_prior=0.65)
        moved.loc[moved["row"].isin(replications.PLAIN.values()), "balanced_accuracy"] = plain
        text = replications.conclusion(replications.compare(moved), moved)
        assert text.endswith(f"With it, {left} of the mean gain in balanced accuracy is left.")


def test_figure_shows_published_and_own_numbers_and_the_range():
    table = replications.compare(made_up(shift=0.005))
    for ax, metric in zip(replications.plot(table).axes, METRICS, strict=True):
        part = table[table["metric"] == metric]
        published, own = ax.lines
        assert ax.get_xlabel() == METRICS[metric]
        np.testing.assert_array_equal(published.get_xdata(), part["published"])
        np.testing.assert_array_equal(own.get_xdata(), part["ours"])
        ends = [segment[:, 0] for segment in ax.collections[0].get_segments()]
        np.testing.assert_array_equal(ends, part[["low", "high"]])


def test_every_model_is_run_with_every_seed_and_todays_readings_with_the_first():
    runs = replications.replicate(1, trees=2, jobs=1)
    assert not runs.duplicated(["row", "variant", "seed"]).any()
    own = runs[runs["variant"] == ""]
    assert own.groupby("seed")["row"].agg(list).tolist() == [list(PUBLISHED)] * 2
    assert (runs.loc[runs["variant"] != "", "seed"] == 0).all() and len(runs) == len(own) + 3
    details = replications.details(runs).set_index(["row", "settings"])
    assert details.loc[("cost-sensitive tree", "as the handbook"), "largest difference"] == 0
    forest = details.xs("balanced random forest")["largest difference"]
    text = replications.details_sentence(runs)
    assert f"is off by {forest.iloc[0]:.3f}, with today's by {forest.iloc[1]:.3f}." in text
    share = replications.problem()[1].mean()
    assert f"that {share:.1%} of the rows" in text and f"means {share / (1 - share):.4f}," in text
