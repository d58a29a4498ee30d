import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.ensemble import BaggingClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold

from imbbench.chapters import replications
from imbbench.chapters.replications import METRICS, PUBLISHED, SCORES, TABLES


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


def made_runs(seeds=4, control=0.8, shift=0.0):
    """Runs of the other tables, 0.01 around what is printed; controls 0.01 around a number."""
    lines = []
    for name, table in TABLES.items():
        for row, numbers in table.rows().items():
            for seed in range(seeds + 1):
                offset = shift if seed == 0 else 0.01 * (-1) ** seed
                values = np.where(np.isnan(numbers), control, numbers) + offset
                found = dict.fromkeys(SCORES, np.nan) | dict(
                    zip(table.metrics, values, strict=True)
                )
                prior = {"at_prior": control + offset if row not in table.published else 0.0}
                lines.append({"table": name, "row": row, "seed": seed, **found, **prior})
    return pd.DataFrame(lines)


def made_met(**settings):
    return replications.meet(made_runs(**settings))


def test_conclusion_counts_verdicts_statements_and_what_the_threshold_leaves():
    runs = made_up(shift=0.005)
    smote = (runs["row"] == "tree, SMOTE") & (runs["seed"] == 1)
    runs.loc[smote, "average_precision"] = 0.47  # still above random over-sampling's
    runs.loc[smote, "roc_auc"] = 0.5
    text = replications.conclusion(replications.compare(runs), runs, made_met())
    assert "Of 11 rows of the handbook's table are reproduced: 10 to the last digit, 1" in text
    assert "1 within the seeds, 0 not reproduced" in text
    assert "(ROC AUC), 0.020 (average precision), 0.020 (balanced accuracy)" in text
    assert "0 of 33 published numbers" in text and "over 2 seeds" in text
    assert "SMOTE is better than random over-sampling in all three metrics”, with 2 of 3" in text
    for plain, treated, left in [(0.5, 0.8, "50%"), (0.5, 0.6, "none")]:
        moved = made_up().assign(balanced_accuracy=treated, at_prior=0.65)
        moved.loc[moved["row"].isin(replications.PLAIN.values()), "balanced_accuracy"] = plain
        text = replications.conclusion(replications.compare(moved), moved, made_met())
        assert f"With it, {left} of the mean gain in balanced accuracy is left." in text


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


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_compares_printed_rows_with_controls_that_are_not_printed(table):
    assert all(len(numbers) == len(table.metrics) for numbers in table.rows().values())
    for row, (plain, control) in table.against.items():
        assert {row, plain} <= {*table.published} and control not in table.published
        assert np.isnan(table.rows()[control]).all()


def test_the_tutorial_on_cut_offs_is_met_and_its_cut_off_flatters():
    half, best, honest = (
        replications.threshold(row, 0, None)
        for row in ("cut-off at one half", replications.BEST, replications.HONEST)
    )
    assert (round(half["f1"], 3), round(best["f1"], 3)) == (0.701, 0.756)
    assert best["g_mean"] == pytest.approx(0.933, abs=0.001)
    assert half["f1"] < honest["f1"] < best["f1"] and honest["g_mean"] < best["g_mean"]


def small(rows=400, share=0.85):
    return make_classification(rows, weights=[share], class_sep=0.6, random_state=1)


@pytest.mark.parametrize("positive", [0, 1])
def test_scores_of_a_model_are_those_of_scikit_learn(positive):
    X, y = small()
    y = y if positive else 1 - y
    model = BaggingClassifier(n_estimators=4, random_state=0)  # four: ties are frequent
    folds = list(StratifiedKFold(4).split(X, y))
    found = replications.judged(model, X, y, folds, positive)
    scoring = {"roc_auc": "roc_auc", "balanced_accuracy": "balanced_accuracy"}
    theirs = model_selection.cross_validate(
        model, X, y, cv=folds, scoring=scoring | {"brier": "neg_brier_score"}
    )
    for metric in scoring:
        assert found[metric] == pytest.approx(theirs[f"test_{metric}"].mean())
    assert found["brier"] == pytest.approx(-theirs["test_brier"].mean())
    moved = [
        balanced_accuracy_score(
            y[test] == positive,
            model.fit(X[train], y[train]).predict_proba(X[test])[:, positive]
            >= np.mean(y[train] == positive),
        )
        for train, test in folds
    ]
    assert found["at_prior"] == pytest.approx(np.mean(moved))


def test_one_degree_of_under_sampling_draws_a_curve_of_one_corner(monkeypatch):
    X, y = small()
    monkeypatch.setattr(replications, "satellite", lambda dataset: (X, y))
    monkeypatch.setattr(replications, "DEGREES", (0,))
    folds = StratifiedKFold(10, shuffle=True, random_state=3).split(X, y)
    tree = replications.judged(replications._c45(3), X, y, folds)
    area = replications.smote_curve("under-sampling only", 3, "")["roc_auc"]
    assert area == pytest.approx(tree["balanced_accuracy"])


def test_every_amount_of_smote_is_under_sampled_to_the_same_majority(monkeypatch):
    X, y = small()
    seen = []

    class Spy(type(replications._c45(0))):
        def fit(self, X, y):
            seen.append(np.bincount(y).tolist())
            return super().fit(X, y)

    monkeypatch.setattr(replications, "satellite", lambda dataset: (X, y))
    monkeypatch.setattr(replications, "_c45", lambda seed: Spy(random_state=seed))
    counts = {}
    for row in ("under-sampling only", "SMOTE 300 %, under-sampling"):
        seen.clear()
        replications.smote_curve(row, 0, "")
        counts[row] = np.array(seen[: len(replications.DEGREES)])
    plain, smoted = counts.values()
    few = plain[0, 1]
    assert plain[:, 1].tolist() == [few] * len(plain)
    assert smoted[:, 1].tolist() == [4 * few] * len(plain)
    np.testing.assert_array_equal(plain[:, 0], smoted[:, 0])
    degrees = replications.DEGREES[1:]
    assert plain[1:, 0].tolist() == [min(int(few / d), plain[0, 0]) for d in degrees]


def test_a_roughly_balanced_bag_draws_its_majority_anew_and_the_same_bag_again():
    X, y = small()
    y = 1 - y  # 0 is the minority
    drawn = [replications.roughly_balanced(X[:n], y[:n])[1] for n in (400, 400, 399, 398, 397)]
    assert (drawn[0] == 0).sum() == (y == 0).sum()
    majorities = [int((labels == 1).sum()) for labels in drawn]
    assert majorities[0] == majorities[1] and len(set(majorities)) > 2


def test_every_row_of_every_table_runs_and_depends_on_its_seed(monkeypatch):
    X, y = small(300)
    monkeypatch.setattr(replications, "satellite", lambda dataset: (X, y))
    monkeypatch.setattr(replications, "tutorial", lambda seed: small(300, 0.94))
    monkeypatch.setattr(replications, "make_classification", lambda *_, **__: (X, 1 - y))
    monkeypatch.setattr(
        replications, "_thirty", lambda seed: StratifiedKFold(2, shuffle=True, random_state=seed)
    )
    monkeypatch.setattr(replications, "DEGREES", (0, 1))
    runs = replications.rerun("", seeds=1, jobs=1)
    wanted = [(n, row, seed) for n, t in TABLES.items() for row in t.rows() for seed in (0, 1)]
    assert list(runs[["table", "row", "seed"]].itertuples(index=False, name=None)) == wanted
    for name, part in runs.groupby("table"):
        scores = part[list(TABLES[name].metrics)]
        assert scores.notna().all(axis=None)
        assert scores.ge(0).all(axis=None) and scores.le(1).all(axis=None)
        first, second = (scores[part["seed"] == seed].to_numpy() for seed in (0, 1))
        assert (first != second).any(axis=1).all(), name


def test_noise_gains_and_what_is_left_are_counted_over_seeds():
    met = made_met(shift=0.02).set_index(["table", "row", "metric"])
    row = met.loc[("bags", "exactly balanced bagging", "balanced_accuracy")]
    printed = (0.696944 + 0.824217) / 2
    assert (row["published"], row["ours"]) == (round(printed, 3), round(printed + 0.02, 3))
    assert row["difference"] == 0.02 and row["reproduced"] == "within the seeds"
    reach = stats.t.ppf(0.975, 3) * np.sqrt(1 + 1 / 4) * np.std([1, -1, 1, -1], ddof=1) * 0.01
    assert row["high"] == pytest.approx(printed + reach, abs=0.0006)
    assert row["low"] == pytest.approx(printed - reach, abs=0.0006)
    before = (0.447700 + 0.974602) / 2
    assert row["gain_published"] == row["gain"] == pytest.approx(printed - before, abs=0.0006)
    assert row["control"] == "plain bagging, pruned"
    assert (row["left"], row["left_low"], row["left_high"]) == (round(printed - 0.8, 3),) * 3
    control = met.loc[("bags", "plain bagging, pruned", "balanced_accuracy")]
    assert control["reproduced"] == "control" and control["ours"] == 0.82
    assert np.isnan(control["left"]) and np.isnan(control["published"])


def test_a_printed_number_outside_the_noise_is_not_reproduced():
    runs = made_runs(shift=0.02)
    rows = (runs["table"] == "smote_tree") & (runs["row"] == "tree, SMOTE")
    runs.loc[rows, "roc_auc"] += 0.1
    met = replications.meet(runs)
    said = met[met["table"] == "smote_tree"].set_index("row")["reproduced"]
    assert said["tree, SMOTE"] == "not reproduced" and said["tree"] == "within the seeds"
    assert replications.table_sentence(met, "smote_tree").startswith("2 of 3 printed numbers")
    assert (made_met().query("published.notna()")["reproduced"] == "to the last digit").all()


def test_a_table_is_shown_with_its_gains_and_names_its_source():
    met = made_met()
    shown = replications.shown_table(met, "threshold").set_index(["row", "metric"])
    best = shown.loc[(replications.BEST, "F1")]
    assert (best["published"], best["gain there"], best["left"]) == ("0.756", "+0.055", "-0.044")
    assert shown.loc[("cut-off at one half", "G-mean"), "published"] == ""
    assert "table 3" in replications.heading("smote") and "5809" in replications.heading("smote")
    text = replications.table_sentence(met, "ensembles")
    assert "EasyEnsemble: balanced accuracy +0.072 there" in text
    assert "against plain random forest, pruned, cut-off at the share of positives" in text


def test_figure_shows_gains_there_here_and_against_the_control():
    met = made_met()
    (ax,) = replications.plot_gains(met).axes
    main = [(n, row) for n, table in TABLES.items() for row in table.against]
    assert [label.get_text() for label in ax.get_yticklabels()] == [row for _, row in main]
    found = met.drop_duplicates(["table", "row"]).set_index(["table", "row"]).loc[main]
    _, published, own, left = ax.lines
    np.testing.assert_array_equal(published.get_xdata(), found["gain_published"])
    np.testing.assert_array_equal(own.get_xdata(), found["gain"])
    np.testing.assert_array_equal(left.get_xdata(), found["left"])
    ends = [segment[:, 0] for segment in ax.collections[0].get_segments()]
    np.testing.assert_array_equal(ends, found[["left_low", "left_high"]])


def test_results_hold_all_tables_and_the_columns_of_the_handbooks():
    runs, met = made_up(), made_met()
    table, moved = replications.compare(runs), replications.moved_threshold(runs)
    found = replications.results(table, moved, met)
    assert len(found) == len(table) + len(met) and found.columns[0] == "table"
    assert found.columns[1:9].tolist() == table.columns.tolist()
    own = found[found["table"] == "handbook"].set_index(["row", "metric"])
    bag = own.loc[("balanced bagging", "balanced_accuracy")]
    assert bag["left"] == pytest.approx(0.02) and bag["control"].startswith("bagging, cut-off")
    assert np.isnan(own.loc[("balanced bagging", "roc_auc"), "left"])


def test_conclusion_says_who_stays_ahead_of_the_missing_control():
    numbers = made_met(control=0.9).dropna(subset=["left"])
    text = replications.conclusion_of_tables(made_met(control=0.9))
    ranked = numbers[numbers["metric"] == "roc_auc"]
    ahead, behind = (ranked["left_low"] > 0).sum(), (ranked["left_high"] < 0).sum()
    assert ahead > 0 and behind > 0
    assert f"{ahead} of {len(ranked)} stay ahead with every seed, {behind} fall behind" in text
    assert "flatters F1 by -0.144" in text
    printed = np.concatenate([n for t in TABLES.values() for n in t.published.values()])
    total = int((~np.isnan(printed)).sum())
    assert f"{total} of {total} numbers lie where 95 % of our runs are expected" in text
