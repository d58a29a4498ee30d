import io

import made_up
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from PIL import Image

from imbbench.analysis import plots, statistics, tables


def texts(axes, which="y"):
    return [label.get_text() for label in getattr(axes, f"get_{which}ticklabels")()]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.fixture(scope="module")
def runs():
    return pd.concat([made_up.draw_runs(name, i) for i, name in enumerate("abc")])


@pytest.fixture(scope="module")
def differences(runs):
    found = statistics.paired_differences(runs)
    return found[found["family"] != "reference"]


def many(strategies, families=10):
    """Effects of so many strategies at either rule."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"label": [f"strategy_{i}" for i in range(strategies)]})
    table["family"] = np.sort(np.arange(strategies) % families).astype(str)
    table = pd.concat([table.assign(rule=rule) for rule in ("argmax", "tuned")])
    table["mean"] = rng.normal(0, 0.1, len(table))
    return table.assign(low=table["mean"] - 0.05, high=table["mean"] + 0.05)


def test_a_notebook_shows_the_same_small_png_every_time():
    def show():
        return plots.class_counts(made_up.card("d"))._repr_png_()

    assert show() == show()
    png, shown = show()
    image = Image.open(io.BytesIO(png))
    assert image.mode == "P" and image.size[0] == 1200
    assert shown == {"alt": "Figure: axes: rows; rows: negative, positive", "width": 800}


def test_what_a_figure_shows_is_said_in_words(runs):
    curves = tables.label(made_up.draw_curves(runs[runs["dataset"] == "a"]))
    assert plots.alternative(plots.precision_recall(curves, ["plain", "inverse_sqrt"])) == (
        "Figure: panels logreg / tree; axes: interpolated precision over recall; "
        "marks: plain, inverse_sqrt"
    )
    figure, ((axes,),) = plots.new_figure(2)
    assert plots.alternative(figure) == "Figure"
    axes.set(xlabel=plots.words("US$"), title="a\nb")
    figure.suptitle("All of it")
    assert plots.alternative(figure) == "Figure: All of it; panels a b; axes: US$"


def test_svg_has_the_same_bytes_every_time_and_no_date(tmp_path, differences):
    for name in ("a.svg", "b.svg"):
        plots.save_svg(
            plots.effects(statistics.effects(differences, "macro_f1"), "x"), tmp_path / name
        )
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    text = (tmp_path / "a.svg").read_text()
    assert "<dc:date>" not in text and "\r" not in text and "<text" not in text


@pytest.mark.parametrize(("counts", "scale"), [((500, 20), "log"), ((40, 20), "linear")])
def test_class_counts_go_logarithmic_when_very_uneven(counts, scale):
    card = made_up.card("d", {"small": counts[1], "big": counts[0]})
    (axes,) = plots.class_counts(card).axes
    assert axes.get_xscale() == scale
    assert texts(axes) == ["big", "small"]
    assert [a.get_text() for a in axes.texts] == [str(counts[0]), str(counts[1])]


def test_class_counts_of_a_test_set_and_of_very_many_classes():
    card = made_up.card("d", classes_test={"negative": 9, "positive": 5})
    (axes,) = plots.class_counts(card).axes
    assert [line.get_xdata().tolist() for line in axes.lines] == [[90, 10], [9, 5]]
    (axes,) = plots.class_counts(made_up.card("d", {f"c{i}": 9 for i in range(150)})).axes
    assert "150 classes" in axes.get_xlabel()


def test_missing_values_are_shares_of_the_rows():
    card = made_up.card("d", missing_by_column={"a": 25, "b": 50})
    (axes,) = plots.missing_values(card).axes
    assert texts(axes) == ["b", "a"]
    assert [bar.get_width() for bar in axes.patches] == [50, 25]


@pytest.mark.parametrize("draw", [plots.precision_recall, plots.reliability])
def test_curves_have_a_panel_per_learner_and_name_what_is_in_colour(runs, draw):
    curves = tables.label(made_up.draw_curves(runs[runs["dataset"] == "a"]))
    figure = draw(curves, ["plain", "inverse_sqrt", "not_run_here"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["logreg", "tree"]
    assert legend(figure) == ["plain", "inverse_sqrt"]


def test_a_family_has_one_colour_and_what_corrects_has_that_of_the_corrected():
    names = {"plain": "reference", "a": "loss", "b": "loss", "b_corrected": "loss", "c": "prior"}
    table = pd.DataFrame({"label": names.keys(), "family": names.values(), "role": "remedy"})
    table.loc[table["label"] == "b_corrected", "role"] = "calibrator"
    looks = plots._looks(table, list(names))
    colours = [to_hex(colour) for colour, _ in looks.values()]
    assert colours[:2] == ["#000000", plots.FAMILY_COLOURS["loss"]]
    assert colours[4] == plots.FAMILY_COLOURS["prior"]
    assert colours[2] == colours[3] != colours[1]
    assert looks["b_corrected"][1] != looks["b"][1]
    assert len(set(plots.FAMILY_COLOURS.values())) == len(plots.FAMILY_COLOURS) == 11


def of_two_classes(curves):
    """Curves with the reliability of the minority: 10 rows in every bin, 3 of them right."""
    for b in range(15):
        names = [f"minority_{kind}_{b}" for kind in ("rows", "confidence", "correct")]
        curves[names] = [10, (b + 0.5) / 15, 0.3]
    return curves


def test_reliability_of_the_minority_has_a_histogram_under_every_panel(runs):
    curves = of_two_classes(tables.label(made_up.draw_curves(runs[runs["dataset"] == "a"])))
    curves["minority_rows_3"] = 4
    assert plots.prevalence(curves) == pytest.approx(0.3)
    figure = plots.minority_reliability(curves, ["plain", "inverse_sqrt"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["logreg", "tree", "", ""]
    top, below = figure.axes[0], figure.axes[2]
    line = top.lines[0]
    assert len(line.get_xdata()) == 14 and set(line.get_ydata()) == {0.3}
    assert below.patches[0].get_data().values.tolist() == [10] * 3 + [4] + [10] * 11
    assert below.get_yscale() == "log"
    assert legend(figure) == ["plain", "inverse_sqrt"]


def test_of_more_classes_it_is_the_predicted_class(runs):
    curves = tables.label(made_up.draw_curves(runs[runs["dataset"] == "a"]))
    assert plots.prevalence(curves) is None
    figure = plots.minority_reliability(curves, ["plain"])
    assert len(figure.axes) == 2
    assert figure.axes[0].get_xlabel() == "confidence in the predicted class"


def test_curves_of_an_odd_number_of_learners_hide_the_empty_panel(runs):
    curves = tables.label(made_up.draw_curves(runs[runs["dataset"] == "a"]))
    tree = curves[curves["learner"] == "tree"]
    parts = [tree.assign(learner=f"learner_{i}") for i in range(5)]
    figure = plots.precision_recall(pd.concat(parts), ["plain"])
    assert [axes.get_visible() for axes in figure.axes] == [True] * 5 + [False]


def test_reliability_leaves_out_bins_with_few_rows(runs):
    curves = tables.label(made_up.draw_curves(runs[runs["dataset"] == "a"])).head(1)
    curves[["rows_14", "confidence_14", "correct_14"]] = [2, 0.97, 0.0]
    figure = plots.reliability(curves, list(curves["label"]))
    (line,) = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    assert line.get_xdata().max() < 0.97


def test_every_strategy_is_named_once_however_many(differences):
    for count, panels in ((4, 1), (100, 2)):
        table = many(count)
        figure = plots.effects(table, "x")
        assert len(figure.axes) == panels
        named = [text for axes in figure.axes for text in texts(axes)]
        assert sorted(named) == sorted(table["label"].unique())
        for axes in figure.axes:
            low, high = axes.get_xlim()
            assert low < table["mean"].min() and table["mean"].max() < high


def test_effects_without_an_interval_are_hollow():
    table = many(2).assign(low=np.nan, high=np.nan)
    (axes,) = plots.effects(table, "x").axes
    filled = [line for line in axes.lines if len(line.get_xdata()) and line.get_marker() == "o"]
    assert {line.get_markerfacecolor() for line in filled} == {"white"}


def test_one_huge_interval_does_not_flatten_the_others():
    table = many(30)
    table.loc[table["label"] == "strategy_0", ["low", "high"]] = [-50, 50]
    (axes,) = plots.effects(table, "x").axes
    assert axes.get_xlim()[1] < 2
    heads = [line for line in axes.lines if line.get_marker() in ("<", ">")]
    assert {len(line.get_xdata()) for line in heads} == {1}
    low, high = axes.get_xlim()
    assert all(low < line.get_xdata()[0] < high for line in heads)


def test_an_interval_that_the_axis_holds_is_drawn_whole():
    table = many(30)
    (axes,) = plots.effects(table, "x").axes
    low, high = axes.get_xlim()
    assert low < table["low"].min() and table["high"].max() < high
    assert not any(len(line.get_xdata()) for line in axes.lines if line.get_marker() in ("<", ">"))


def test_names_lose_the_family_under_its_heading():
    table = many(2, families=1).assign(family="over")
    table["label"] = table["label"] + " (over)"
    (axes,) = plots.effects(table, "x").axes
    assert texts(axes) == ["strategy_0", "strategy_1"]
    assert "over" in [text.get_text() for text in axes.texts]


def test_heat_map_of_ranks(runs):
    table = tables.ranks_by_dataset(runs)
    axes = plots.rank_heatmap(table).axes[0]
    assert texts(axes) == list(table.index) and len(table) == 2
    shown = {text.get_text() for text in axes.texts}
    assert f"{table.iloc[0, 0]:.0f}" in shown


def test_class_heat_map_is_symmetric_around_no_difference(runs):
    shown = ["inverse_sqrt", "threshold_0_3"]
    table = statistics.class_differences(runs[runs["dataset"] == "a"], shown)
    figure = plots.per_class(table, {"negative": 90, "positive": 10})
    low, high = figure.axes[0].collections[0].get_clim()
    assert low == -high and high >= np.nanmax(np.abs(table[["recall_0", "recall_1"]]))
    assert texts(figure.axes[0], "x") == ["negative (90)", "positive (10)"]


def test_times_leave_out_what_is_no_strategy(runs):
    times = tables.fit_times(tables.label(made_up.draw_timings(runs)))
    (axes,) = plots.fit_times(times).axes
    assert set(texts(axes)) == {"weighting", "posthoc"}
    slowest = {text.get_text() for text in axes.texts}
    assert "threshold_0_3" in slowest and not slowest & {"plain", "dummy"}
    assert axes.get_xscale() == "log"


NAMES = [
    "US$ 5% to 10%$",
    "$a_b^",
    r"\$x$y$",
    "two\nlines",
    "_x",
    "<b>`|*",
    "$",
    "plain",
    "c" * 300,
]


def drawn(figure, path):
    """Names in a figure as matplotlib draws them, all of them outside formulas."""
    plots.save_svg(figure, path)
    found = [text._preprocess_math(text.get_text()) for text in figure.findobj(Text)]
    assert {"mathdefault" in text for text, formula in found if formula} <= {True}  # of the ticks
    return {text for text, _ in found}


def test_names_of_classes_and_columns_are_no_formulas(tmp_path):
    short = {" ".join(name.split()) for name in NAMES[:-1]}
    card = made_up.card("d", dict(zip(NAMES, range(900, 0, -100), strict=True)))
    card["missing_by_column"] = dict.fromkeys(NAMES, 5)
    for draw in (plots.class_counts, plots.missing_values):
        assert drawn(draw(card), tmp_path / "a.svg") >= short | {"c" * 27 + "…"}
    places = [f"{kind}_{c}" for kind in ("recall", "precision") for c in range(len(NAMES))]
    table = pd.DataFrame(0.1, index=pd.Index(NAMES, name="label"), columns=places)
    figure = plots.per_class(table, dict.fromkeys(NAMES, 7))
    names = {f"{name if len(name) < 15 else name[:13] + '…'} (7)" for name in short}
    assert drawn(figure, tmp_path / "b.svg") >= short | names


def test_names_of_strategies_and_learners_are_no_formulas(tmp_path):
    names = dict(zip(("threshold_0_3", "inverse_sqrt", "tree"), NAMES, strict=False))
    runs = made_up.draw_runs("a", 1).replace(names)
    found = {" ".join(name.split()) for name in names.values()}
    of_strategies = found - {names["tree"]}
    differences = statistics.paired_differences(runs)
    treated = differences[differences["family"] != "reference"]
    figure = plots.effects(statistics.effects(treated, "macro_f1"), "a label")
    assert drawn(figure, tmp_path / "b.svg") >= of_strategies
    times = tables.label(made_up.draw_timings(runs))
    figure = plots.fit_times(tables.fit_times(times.assign(family=times["strategy"])))
    assert drawn(figure, tmp_path / "c.svg") >= of_strategies
    curves = tables.label(made_up.draw_curves(runs))
    shown = plots.precision_recall(curves, list(names.values()))
    assert drawn(shown, tmp_path / "d.svg") >= found
