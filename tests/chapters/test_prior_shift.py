import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import row
from sklearn.metrics import accuracy_score, f1_score

from imbbench.chapters import prior_shift

SETS = [f"set_{i}" for i in range(4)]


@given(st.integers(1, 50), st.integers(1, 50), st.data())
def test_metrics_at_a_share_are_those_of_rows_with_that_share(majority, minority, data):
    right = data.draw(st.integers(0, majority)), data.draw(st.integers(0, minority))
    y = np.repeat([0, 1], [majority, minority])
    said = np.concatenate([np.arange(majority) >= right[0], np.arange(minority) < right[1]])
    share = minority / (majority + minority)
    accuracy, f1 = prior_shift.at_share(right[0] / majority, right[1] / minority, share)
    assert accuracy == pytest.approx(accuracy_score(y, said))
    found = f1_score(y, said.astype(int), average="macro", labels=[0, 1], zero_division=0)
    assert f1 == pytest.approx(found)


def runs():
    """Plain finds .2 of the minority and all of the majority, .7 and .8 with its cut-off moved;
    weights .8 and .8."""
    rows = []
    for dataset in SETS:
        for split in range(3):
            place = (dataset, "logreg", "reference", "plain", split)
            rows.append(row(*place, "argmax", "", recall_0=1.0, recall_1=0.2))
            for i, rule in enumerate(("tuned_macro_f1", "tuned_balanced_accuracy")):
                threshold = [0.2, 0.3, 0.4][split] if i else 0.5
                more = {"recall_0": 0.8, "recall_1": 0.7, "threshold": threshold}
                rows.append(row(*place, rule, "", **more))
            place = (dataset, "logreg", "weighting", "inverse_frequency", split)
            rows.append(row(*place, recall_0=0.8, recall_1=0.8))
    table = pd.DataFrame(rows)
    places = {"stratum": "core", "prior": "as in training", "group": "weak", "primary": True}
    places["turned"] = ""
    return table.assign(origin=table["dataset"], **places)


def test_treatment_and_the_moved_cut_off_beside_each_other():
    table = prior_shift.shifted(runs()).set_index(["strategy", "metric", "share"])
    half = table.loc[("inverse_frequency", "accuracy", 0.5)]
    assert half["over_plain"] == pytest.approx(0.8 - 0.6)
    assert half["over_moved"] == pytest.approx(0.8 - 0.75)
    assert half["origins"] == 4
    few = table.loc[("inverse_frequency", "accuracy", 0.05)]
    assert few["over_plain"] == pytest.approx(0.8 - (0.95 + 0.05 * 0.2))
    moved = table.loc[(prior_shift.MOVED, "accuracy", 0.5)]
    assert moved["over_plain"] == pytest.approx(0.15) and moved["over_moved"] == 0
    assert np.isnan(table.loc[("smote", "accuracy", 0.5), "over_plain"])


def test_data_of_more_classes_are_left_out():
    study = runs()
    study["recall_2"] = np.where(study["dataset"] == "set_0", 0.5, np.nan)
    table = prior_shift.shifted(study).set_index(["strategy", "metric", "share"])
    assert table.loc[("inverse_frequency", "accuracy", 0.5), "origins"] == 3


def test_cut_offs_scatter_by_their_logits():
    cards = {name: {"classes": {"a": 900, "b": 100}} for name in SETS[:2]}
    table = prior_shift.cut_offs(runs(), cards).set_index(["dataset", "rule"])
    assert len(table) == 4
    found = table.loc[("set_0", "tuned_balanced_accuracy")]
    assert found["minority"] == 16 and found["cut_off"] == pytest.approx(0.3)
    logits = np.log([0.2 / 0.8, 0.3 / 0.7, 0.4 / 0.6])
    assert found["spread"] == pytest.approx(logits.std(ddof=1))
    assert table.loc[("set_0", "tuned_macro_f1"), "spread"] == 0
    assert prior_shift.cut_offs(runs(), {}).empty


def test_what_it_says():
    cards = {name: {"classes": {"a": 900, "b": 100 * (i + 1)}} for i, name in enumerate(SETS)}
    study = runs()
    tuned = study["rule"] == "tuned_macro_f1"
    for i, name in enumerate(SETS):  # the more of the minority, the less it scatters
        at = tuned & (study["dataset"] == name)
        study.loc[at, "threshold"] = 0.5 + 0.1 * (4 - i) * np.array([-1, 0, 1])
    scatter = prior_shift.cut_offs(study, cards)
    assert prior_shift.conclusion(prior_shift.shifted(study), scatter).splitlines() == [
        "- Where 5 % of the test data are of the minority, class weights change the accuracy of "
        "the untreated learner by -0.160 [-0.160, -0.160]; where half of them are, by +0.200 "
        "[+0.200, +0.200] (4 origins).",
        "- Against the untreated learner with its cut-off moved for balanced accuracy, they change "
        "it by +0.050 [+0.050, +0.050] where half of the test data are of the minority.",
        "- The logit of a cut-off that is tuned on a validation part scatters over splits with a "
        "standard deviation of 1.1 (median of 4 data sets); the rank correlation of that with the "
        "rows of the minority in a validation part is -1.00.",
    ]


def test_the_figures():
    table = prior_shift.shifted(runs())
    figure = prior_shift.plot(table)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == [*prior_shift.TREATED, prior_shift.MOVED]
    assert figure.axes[0].lines[0].get_ydata()[-2] == pytest.approx(0.2)
    assert prior_shift.plot_cut_offs(prior_shift.cut_offs(runs(), {})) is None
    cards = {name: {"classes": {"a": 900, "b": 100}} for name in SETS}
    figure = prior_shift.plot_cut_offs(prior_shift.cut_offs(runs(), cards))
    assert "minority" in figure.axes[0].get_xlabel()
