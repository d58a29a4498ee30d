import numpy as np
import pandas as pd
import pytest
from made_up import row

from imbbench import config
from imbbench.analysis.statistics import both_rules
from imbbench.chapters import claims
from imbbench.chapters.claims import Part

SETS = [f"set_{i}" for i in range(8)]
UP = [0.05, 0.06, 0.07, 0.08, 0.05, 0.06, 0.07, 0.08]
NONE = [0.001, -0.001, 0.002, -0.002, 0.001, -0.001, 0.002, -0.002]
NOISE = [0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.25, -0.2]


@pytest.mark.parametrize(
    ("values", "up", "down", "same"),
    [
        (UP, "supported", "contradicted", "contradicted"),
        ([-v for v in UP], "contradicted", "supported", "contradicted"),
        (NONE, "contradicted", "contradicted", "supported"),
        (NOISE, "undecided", "undecided", "undecided"),
        ([0.5, 0.6], "undecided", "undecided", "undecided"),
        # Clear of zero, and too small to matter: it goes up, and it stays the same.
        ([v / 10 for v in UP], "supported", "contradicted", "supported"),
    ],
)
def test_what_a_difference_says_of_an_expectation(values, up, down, same):
    found = [claims.judge(values, expected)[0] for expected in ("up", "down", "same")]
    assert found == [up, down, same]


def test_how_many_origins_would_decide():
    """Cohen's d = .01 / .02 = .5: 34 pairs for a power of 80 %."""
    values = np.tile([0.02, -0.02], 50) * np.sqrt(99 / 100)
    assert claims.judge(values, "up")[1] == 34
    assert np.isnan(claims.judge([0.1, 0.2], "up")[1])


def runs(differences, learner="logreg", **more):
    """Plain at .5, the strategies as far from it as ``differences`` says, at every rule."""
    rows = []
    for i, dataset in enumerate(SETS):
        for rule in ("argmax", "tuned_macro_f1", "tuned_balanced_accuracy"):
            rows.append(row(dataset, learner, "reference", "plain", 0, rule, ""))
            for name, values in differences.items():
                scores = dict.fromkeys(
                    ["macro_f1", "balanced_accuracy", "average_precision", "brier", "accuracy",
                     "recall_1", "precision_1", "f1_1"], 0.5 + values[i])  # fmt: skip
                rows.append(row(dataset, learner, "weighting", name, 0, rule, **scores))
    table = pd.DataFrame(rows)
    places = {"stratum": "core", "prior": "as in training", "group": "weak", "primary": True}
    return table.assign(origin=table["dataset"], **{**places, **more})


def test_a_claim_is_as_good_as_its_parts():
    table = claims.evidence(runs({"inverse_frequency": UP, "smote": UP, "over_1_1": UP,
                                  "under_1_1": UP, "minority_10": UP}))  # fmt: skip
    found = claims.verdicts(table).set_index("claim")
    assert found.loc["A5", "verdict"] == "supported"  # at argmax and tuned
    assert found.loc["B1", "verdict"] == "contradicted"  # accuracy should have fallen
    assert found.loc["C4", "verdict"] == "supported"  # plain's cut-off changes nothing here
    # Weights are no better than sampling, nor is ten better than the inverse frequency.
    assert found.loc["A8", "verdict"] == "contradicted"
    assert found.loc["A6", "verdict"] == "contradicted"
    assert found.loc["A1", "verdict"] == "undecided"  # there are no networks here
    row_ = table[(table["claim"] == "A5") & (table["metric"] == "macro-F1")].iloc[0]
    assert row_["mean"] == pytest.approx(0.065) and row_["origins"] == 8
    assert claims.conclusion(claims.verdicts(table)).splitlines()[0].startswith("- supported: ")


def test_data_that_tell_nothing_are_left_out():
    study = runs({"inverse_frequency": UP})
    study.loc[study["dataset"] == "set_0", "stratum"] = "ceiling"
    study.loc[study["dataset"] == "set_1", "prior"] = "shifted"
    table = claims.evidence(study)
    assert table.loc[table["claim"] == "A5", "origins"].tolist() == [6, 6, 6]


def test_a_difference_is_of_the_same_learner_and_rule():
    study = pd.concat([runs({"a": UP}), runs({"a": NONE}, "hgb")], ignore_index=True)
    tuned = (study["strategy"] == "plain") & (study["rule"] == "tuned_balanced_accuracy")
    study.loc[tuned, "balanced_accuracy"] = 0.54
    rows = both_rules(claims.with_minority(study))
    both = claims.difference(rows, Part("a", "macro_f1", "up"))
    assert both.mean() == pytest.approx(0.065 / 2)
    one = claims.difference(rows, Part("a", "macro_f1", "up", learners=("logreg",)))
    assert one.tolist() == pytest.approx(UP)
    moved = Part("a", "balanced_accuracy", "up", minus_rule="tuned", learners=("logreg",))
    assert claims.difference(rows, moved).mean() == pytest.approx(0.025)
    many = Part("a", "macro_f1", "up", classes="many")
    assert claims.difference(rows, many).empty


def test_a_contradiction_in_part_is_told_as_one():
    parts = {"claim": "F1", "metric": "m", "needed": [np.nan, 50.0, 70.0]}
    table = pd.DataFrame({**parts, "verdict": ["contradicted", "supported", "undecided"]})
    judged = claims.verdicts(table)
    assert judged["verdict"].tolist() == ["contradicted"] and judged["needed"].tolist() == [70.0]
    shown = claims.ledger(judged)
    assert shown["verdict"].tolist() == ["**contradicted** in 1 of 3 parts"]
    assert shown["origins to decide"].tolist() == ["70"]
    assert shown["made in"].tolist() == ["Elor & Averbuch-Elor 2022"]


def test_every_strategy_and_learner_that_a_claim_names_is_in_the_study():
    study = config.load(config.Path(__file__).parents[2] / "params.yaml")
    known = {name for family in study.families for name in study.family(family)}
    for claim in claims.CLAIMS:
        for part in claim.parts:
            assert {part.strategy, part.minus} <= known
            assert set(part.learners) <= set(study.learners)


def test_the_figure_names_every_part_with_a_value():
    table = claims.evidence(runs({"inverse_frequency": UP, "smote": NOISE}))
    figure = claims.plot(table)
    texts = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(texts) == table["mean"].notna().sum()
    assert "A5  inverse_frequency − plain, macro-F1" in texts
