import pandas as pd
import pytest
from made_up import row

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


def study_rows():
    """Eight origins: moving the cut-off gains .1, weights .05 more beyond that, SMOTE loses .03."""
    rows = []
    for i in range(8):
        for rule in ("argmax", "tuned_macro_f1", "tuned_balanced_accuracy"):
            base = 0.6 + 0.01 * i + 0.1 * (rule != "argmax")
            place = {"dataset": f"set_{i}", "learner": "hgb", "rule": rule}
            for name, gain, control in (
                ("plain", 0.0, ""),
                ("inverse_frequency", 0.05 + 0.001 * i, "plain"),
                ("smote", -0.03 - 0.001 * i, "plain"),
            ):
                family = {"plain": "reference", "smote": "oversampling"}.get(name, "weighting")
                scores = {"balanced_accuracy": base + gain, "macro_f1": base + gain}
                rows.append(row(family=family, strategy=name, control=control, **place, **scores))
    runs = pd.DataFrame(rows)
    return runs.assign(
        origin=runs["dataset"], stratum="core", prior="as in training", group="strong",
        primary=runs["strategy"] != "plain", modality="tabular", turned="",
    )  # fmt: skip


def test_decisions_of_a_hand_made_study():
    table = chapter.decisions(study_rows(), ["hgb"]).set_index("need")
    more = table.loc["find more of the minority"]
    assert more["moved"] == pytest.approx(0.1) and more["origins"] == 8
    assert more["best"] == "inverse_frequency" and more["gain"] == pytest.approx(0.0535)
    assert (more["strategies"], more["helps"], more["harms"]) == (2, 1, 1)
    order = table.loc["the right order"]  # the same average precision everywhere
    assert pd.isna(order["moved"]) and (order["best"], order["harms"]) == ("", 0)
    assert list(table["learner"].unique()) == ["hgb"]  # no ensembles were run


def test_the_chart_says_what_to_do_in_each_box():
    figure = chapter.chart(chapter.decisions(study_rows(), ["hgb"]))
    (ax,) = figure.axes
    assert [text.get_text().replace("\n", " ") for text in ax.texts] == [
        "moving the cut-off: +0.100 [+0.100, +0.100] inverse_frequency: +0.054 [+0.051, +0.056] "
        "1 harms (of 2)",
        "moving the cut-off: +0.100 [+0.100, +0.100] inverse_frequency: +0.054 [+0.051, +0.056] "
        "1 harms (of 2)",
        "of 2 none is shown to help",
    ]
    rows = study_rows()
    rows = rows[rows["strategy"] != "inverse_frequency"]
    (ax,) = chapter.chart(chapter.decisions(rows, ["hgb"])).axes
    assert ax.texts[0].get_text().replace("\n", " ").endswith("of 1 none is shown to help, 1 harms")
    assert chapter.chart(chapter.decisions(study_rows(), ["tree"])) is None


def test_gains_beside_ratio_and_rows():
    sizes = [{"dataset": f"set_{i}", "ratio": 2.0**i, "minority": 500 - i} for i in range(8)]
    table = chapter.by_size(study_rows(), pd.DataFrame(sizes))
    assert table.groupby("label")["gain"].mean().to_dict() == pytest.approx(
        {"plain": 0.1, "inverse_frequency": 0.0535, "smote": -0.0335}
    )
    row_ = table[(table["label"] == "smote") & (table["origin"] == "set_3")].iloc[0]
    assert (row_["ratio"], row_["minority"], row_["gain"]) == (8.0, 497, pytest.approx(-0.033))
    labels = [text.get_text() for text in chapter.plot_by_size(table).axes[0].legend_.texts]
    assert "class weights: +1.00" in labels and "SMOTE: -1.00" in labels


def test_what_to_do_first_and_next_in_words():
    sizes = [{"dataset": f"set_{i}", "ratio": 2.0**i, "minority": 500 - i} for i in range(8)]
    sized = chapter.by_size(study_rows(), pd.DataFrame(sizes))
    said = chapter.first_and_next(chapter.decisions(study_rows(), ["hgb"]), sized)
    assert said.splitlines() == [
        "- **Find more of the minority** (balanced accuracy): moving the cut-off gains +0.100 to "
        "+0.100 on core tables with 1 of 1 learners; shown to help beyond that: "
        "`inverse_frequency` with `hgb` (+0.054).",
        "- **The best F1** (macro-F1): moving the cut-off gains +0.100 to +0.100 on core tables "
        "with 1 of 1 learners; shown to help beyond that: `inverse_frequency` with `hgb` (+0.054).",
        "- **The right order** (average precision): shown to help: none.",
        "- **When it is different**: rank correlations of the gain in balanced accuracy over the "
        "untreated learner at its default cut-off with the ratio of the classes, and with the rows "
        "of the smallest class (strong learners, 8 origins): class weights +1.00 and -1.00; SMOTE "
        "-1.00 and +1.00.",
    ]
    assert chapter.first_and_next(chapter.decisions(study_rows(), ["tree"]), sized[:0]) == ""
