import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import row
from scipy import stats

from imbbench.analysis import statistics


def test_difference_to_the_control_of_the_same_learner_split_and_rule():
    runs = pd.DataFrame(
        [
            row("d", "tree", "reference", "plain", 0, control="", macro_f1=0.5),
            row("d", "tree", "reference", "plain", 0, "tuned_macro_f1", control="", macro_f1=0.6),
            row("d", "tree", "reference", "plain", 1, control="", macro_f1=0.1),
            row("d", "hgb", "reference", "plain", 0, control="", macro_f1=0.9),
            row("d", "tree", "loss", "focal", 0, macro_f1=0.7),
            row("d", "tree", "loss", "focal", 0, "tuned_macro_f1", macro_f1=0.65),
        ]
    )
    found = statistics.paired_differences(runs).set_index("rule")["macro_f1"]
    assert found.to_dict() == pytest.approx({"argmax": 0.2, "tuned": 0.05})


def test_a_control_is_looked_up_in_its_own_family_first_then_in_reference():
    runs = pd.DataFrame(
        [
            row("d", "tree", "reference", "one", control="", macro_f1=0.1),
            row("d", "tree", "early", "one", control="", macro_f1=0.2),
            row("d", "tree", "late", "one", control="", macro_f1=0.3),
            row("d", "tree", "late", "two", control="one", macro_f1=1.0),
            row("d", "tree", "other", "two", control="one", macro_f1=1.0),
            row("d", "tree", "other", "three", control="alone", macro_f1=1.0),
            row("d", "tree", "early", "alone", control="", macro_f1=0.6),
        ]
    )
    found = statistics.paired_differences(runs).set_index(["family", "strategy"])["macro_f1"]
    assert found["late", "two"] == pytest.approx(0.7)
    assert found["other", "two"] == pytest.approx(0.9)
    assert found["other", "three"] == pytest.approx(0.4)


def test_a_control_with_fewer_splits_is_compared_on_those_it_has():
    runs = pd.DataFrame(
        [row("d", "tree", "reference", "plain", s, control="", macro_f1=0.5) for s in (0, 1)]
        + [row("d", "tree", "loss", "focal", s, macro_f1=0.5 + s) for s in (0, 1, 2)]
        + [row("d", "tree", "loss", "focal", 3, status="failed", reason="no")]
    )
    found = statistics.paired_differences(runs)
    assert sorted(found["split"]) == [0, 1]
    assert found["macro_f1"].mean() == pytest.approx(0.5)


def test_a_rule_of_its_own_stands_beside_either_rule_of_the_control():
    runs = pd.DataFrame(
        [
            row("d", "tree", "reference", "plain", 0, "argmax", control="", macro_f1=0.5),
            row("d", "tree", "reference", "plain", 0, "tuned_macro_f1", control="", macro_f1=0.8),
            row("d", "tree", "posthoc", "cut", 0, "own", macro_f1=0.7),
        ]
    )
    found = statistics.paired_differences(runs)
    assert found["own"].all()
    assert found.set_index("rule")["macro_f1"].to_dict() == pytest.approx(
        {"argmax": 0.2, "tuned": -0.1}
    )


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=20))
def test_t_interval_is_that_of_scipy(values):
    mean, low, high = statistics.t_interval(values)
    spread = stats.sem(values)
    wanted = (
        stats.t.interval(0.95, len(values) - 1, np.mean(values), spread) if spread else (mean,) * 2
    )
    assert (low, high) == pytest.approx(wanted, abs=1e-9)


def test_no_interval_from_two_values_and_nan_is_no_value():
    assert np.isnan(statistics.t_interval([0.1, 0.2, np.nan])[1:]).all()
    assert statistics.t_interval([0.1, 0.2, np.nan])[0] == pytest.approx(0.15)
    assert np.isnan(statistics.t_interval([])).all()


def differences_of(cells):
    """Table of differences from (dataset, learner, split, difference)."""
    rows = [
        {
            **{"modality": "tabular", "dataset": d, "learner": m, "split": s, "rule": "argmax"},
            **{"family": "loss", "strategy": "focal", "label": "focal"},
            **{"macro_f1": x, "brier": x},
        }
        for d, m, s, x in cells
    ]
    return pd.DataFrame(rows)


def test_effects_take_data_sets_as_the_sample():
    cells = [("a", "tree", s, 0.1) for s in range(9)] + [("a", "hgb", 0, 0.3)]
    cells += [("b", "tree", 0, 0.4), ("c", "tree", 0, -0.3)]
    (found,) = statistics.effects(differences_of(cells), "macro_f1").to_dict("records")
    assert found["datasets"] == 3
    assert (found["mean"], found["low"], found["high"]) == pytest.approx(
        statistics.t_interval([0.2, 0.4, -0.3])
    )
    assert found["wins"] == pytest.approx(3 / 4)


def test_a_win_in_an_error_is_a_smaller_one():
    cells = [("a", "tree", 0, -0.1), ("b", "tree", 0, 0.2), ("c", "tree", 0, 0.2)]
    assert statistics.effects(differences_of(cells), "brier")["wins"].tolist() == pytest.approx(
        [1 / 3]
    )


def test_ranks_go_from_0_to_100_and_share_ties():
    values = {"a": 0.9, "b": 0.7, "c": 0.7, "d": 0.1}
    runs = pd.DataFrame(
        [row("d", "tree", "loss", n, macro_f1=v, brier=v) for n, v in values.items()]
        + [row("d", "hgb", "loss", "a")]
    )
    ranks = statistics.relative_ranks(runs).set_index(["learner", "strategy"])
    assert ranks.loc["tree", "macro_f1"].tolist() == pytest.approx([0, 50, 50, 100])
    assert ranks.loc["tree", "brier"].tolist() == pytest.approx([100, 50, 50, 0])
    assert np.isnan(ranks.loc[("hgb", "a"), "macro_f1"])


def test_what_saw_fewer_labels_has_no_rank():
    names = {"plain": "", "a": "plain", "b": "a", "few": "", "guessed": "few"}
    rows = [row("d", "tree", "loss", n, control=c, macro_f1=0.5) for n, c in names.items()]
    ranks = statistics.relative_ranks(pd.DataFrame(rows))
    assert set(ranks["strategy"]) == {"plain", "a", "b"}


def test_class_differences_are_to_plain_whatever_the_control():
    runs = pd.DataFrame(
        [
            row("d", "tree", "reference", "plain", control="", recall_1=0.2),
            row("d", "tree", "loss", "one", recall_1=0.5),
            row("d", "tree", "loss", "two", control="one", recall_1=0.6, precision_0=0.4),
        ]
    )
    found = statistics.class_differences(runs, ["two", "one"])
    assert found.index.tolist() == ["two", "one"]
    assert found["recall_1"].tolist() == pytest.approx([0.4, 0.3])
    assert found.loc["two", "precision_0"] == pytest.approx(-0.1)


def test_each_metric_is_under_the_rule_that_is_tuned_for_it():
    """What a rule is not tuned for, and what is no remedy, is not counted."""
    plain, focal = (("reference", "plain", ""), 0.0), (("loss", "focal", "plain"), 0.1)
    runs = pd.DataFrame(
        row("d", "tree", family, name, 0, rule, control, macro_f1=f1 + more, balanced_accuracy=acc)
        for (family, name, control), more in (plain, focal)
        for rule, f1, acc in (
            ("tuned_balanced_accuracy", 0.1, 0.7 + 2 * more),
            ("argmax", 0.4, 0.5),
            ("tuned_macro_f1", 0.6, 0.2 + 3 * more),
        )
    )
    rows = statistics.both_rules(runs).set_index(["rule", "strategy"])
    assert rows.loc["tuned", "macro_f1"].to_dict() == pytest.approx({"plain": 0.6, "focal": 0.7})
    assert rows.loc["tuned", "balanced_accuracy"].to_dict() == pytest.approx(
        {"plain": 0.7, "focal": 0.9}
    )
    assert len(rows) == 4
    # Of the former protocol, which tuned for macro-F1 only, the other is not known.
    former = statistics.both_rules(runs[runs["rule"] != "tuned_balanced_accuracy"])
    assert former["balanced_accuracy"].isna().tolist() == (former["rule"] == "tuned").tolist()


def test_what_is_no_remedy_neither_helps_nor_harms():
    rows = [row("d", "tree", "reference", "plain", control="", average_precision=0.5)]
    rows += [row("d", "tree", "loss", "focal", macro_f1=0.6)]
    rows += [row("d", "tree", "loss", "own_control", macro_f1=1.0, brier=0.9, role="control")]
    rows += [row("d", "tree", "prior", "nothing", macro_f1=0.0, brier=0.9, role="placebo")]
    runs = pd.DataFrame(rows + [r | {"rule": "tuned_macro_f1"} for r in rows])
    found = statistics.on_one_dataset(runs)
    assert found["best"] == {"argmax": "focal", "tuned": "focal"}
    assert (found["strategies"], found["worse"]) == (1, 0)
    best = statistics.largest_gains(runs, 5)
    assert best.index.get_level_values("label").tolist() == ["focal"]


def test_scores_that_are_no_probabilities_have_no_brier_score():
    rows = [row("d", "tree", "reference", "plain", control="")]
    rows += [row("d", "tree", "loss", name, brier=b) for name, b in (("a", 0.6), ("b", np.nan))]
    runs = pd.DataFrame(rows + [r | {"rule": "tuned_macro_f1"} for r in rows])
    found = statistics.on_one_dataset(runs)
    assert (found["strategies"], found["worse"], found["worst"]) == (1, 1, "a")


def test_ensembles_are_ranked_among_themselves():
    names = [("reference", "plain", "", 0.5), ("reference", "bagging", "", 0.8)]
    names += [("reference", "boosting", "", 0.6), ("loss", "focal", "plain", 0.4)]
    names += [("ensemble", "under", "bagging", 0.7)]
    runs = pd.DataFrame(
        row("d", "tree", family, name, control=control, macro_f1=value)
        for family, name, control, value in names
    )
    # What no ensemble is compared with is a learner like others.
    runs.loc[runs["strategy"] == "boosting", "control"] = "plain"
    runs.loc[runs["strategy"] == "bagging", "control"] = "plain"
    ranks = statistics.relative_ranks(runs).set_index("strategy")["macro_f1"]
    assert ranks.to_dict() == {"plain": 50, "focal": 100, "boosting": 0, "bagging": 0, "under": 100}


def test_logit_adjustment_is_a_rule_of_its_own():
    """Tuned on top of it, it would be plain once more."""
    runs = pd.DataFrame(
        row("d", "tree", family, name, 0, rule, control, macro_f1=f1, balanced_accuracy=f1)
        for family, name, control, argmax, tuned in (
            ("reference", "plain", "", 0.4, 0.6),
            ("posthoc", "logit_adjustment", "plain", 0.55, 0.9),
            ("posthoc", "temperature", "plain", 0.4, 0.7),
        )
        for rule, f1 in (("argmax", argmax), ("tuned_macro_f1", tuned),
                         ("tuned_balanced_accuracy", tuned))
    )  # fmt: skip
    found = statistics.paired_differences(runs).set_index(["strategy", "rule"])["macro_f1"]
    assert found.to_dict() == pytest.approx(
        {
            ("logit_adjustment", "argmax"): 0.15,
            ("logit_adjustment", "tuned"): -0.05,
            ("temperature", "argmax"): 0.0,
            ("temperature", "tuned"): 0.1,
        }
    )
    rows = statistics.both_rules(runs)
    assert rows.loc[rows["own"], "strategy"].tolist() == ["logit_adjustment"] * 2


def test_a_poor_control_does_not_lead_and_an_ensemble_is_held_against_a_plain_one():
    values = [("reference", "plain", "", 0.5), ("reference", "bagging", "", 0.8)]
    values += [("undersampling", "poor", "plain", 0.2), ("undersampling", "less_poor", "poor", 0.4)]
    values += [("loss", "good", "plain", 0.55), ("ensemble", "under", "bagging", 0.82)]
    values += [("ensemble", "worse", "bagging", 0.6)]
    runs = pd.DataFrame(
        row("d", "tree", family, name, 0, rule, control, macro_f1=f1)
        for family, name, control, value in values
        for rule, f1 in (("argmax", 1 - value), ("tuned_macro_f1", value))
    )
    best = statistics.largest_gains(runs, 3)
    assert best.droplevel("learner").to_dict() == {
        "good": "plain", "under": "bagging", "less_poor": "poor",
    }  # fmt: skip
    assert best.index.get_level_values("label").tolist() == ["good", "under", "less_poor"]


def test_a_gain_that_prints_as_zero_is_not_clear():
    cells = [("a", "tree", split, 0.0003) for split in range(3)]
    cells += [("a", "hgb", split, 0.0006) for split in range(3)]
    clear = statistics.clear_gains(differences_of(cells), "macro_f1")
    assert clear.droplevel(["rule", "label"]).to_dict() == {"tree": False, "hgb": True}
