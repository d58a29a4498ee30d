import html
import re

import made_up
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import row
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from imbbench.analysis import prose, tables


def test_markdown_escapes_what_would_break_a_table():
    text = prose.markdown(pd.DataFrame({"a|b": ["x | y\nz", "<b> $1"], "n": [1.5, np.nan]}))
    assert text.splitlines() == [
        "| a\\|b | n |",
        "| :--- | ---: |",
        "| x \\| y z | 1.5 |",
        "| &lt;b> \\$1 |  |",
    ]


HOSTILE = [
    "US$ 5% to US$ 10%$",
    "a|b",
    "a\\|b\\",
    "`",
    "a`b``c",
    "<script>alert(1)</script>",
    "https://a.org/_b_?x=1<script>alert(1)</script>",
    "www.a.org/*<img src=x>",
    "&lt;b&gt; &amp;",
    "_x_ *y* **z** ~~w~~",
    "![a](b.png) [c](http://d.org) [e]: f",
    "first\n\n# second\n| third |",
]


def tags(page):
    return set(re.findall(r"<(\w+)", page))


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_no_formatting_in_a_table(name):
    table = pd.DataFrame(
        {name: [prose.code(name), f"**{prose.code(name)}**", name], "n": [1, 2, 3]}
    )
    page = markdown2html_mistune(prose.markdown(table))
    cells = re.findall("<t[hd][^>]*>(.*?)</t[hd]>", page)
    assert len(cells) == 8 and cells[1::2] == ["n", "1", "2", "3"]
    links = {"a"} if "http" in name else set()
    assert tags(page) - links == {"table", "thead", "tbody", "tr", "th", "td", "code", "strong"}
    assert "|" in name or html.unescape(cells[2]) == f"<code>{' '.join(name.split())}</code>"
    if not tags(cells[6]):
        assert html.unescape(cells[6]) == html.unescape(cells[0]) == " ".join(name.split())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_a_sentence_is_one_span_of_code(name):
    (first, span, last) = re.split("</?code>", markdown2html_mistune(f"Of {prose.code(name)} two"))
    assert (first, last) == ("<p>Of ", " two</p>\n")
    assert html.unescape(span) == " ".join(name.split())


@given(st.text("$|`<>_*[]()\\&;~!#ab: /\n", max_size=9))
@settings(max_examples=60)
def test_a_text_keeps_its_place_in_a_table(text):
    page = markdown2html_mistune(prose.markdown(pd.DataFrame({"t": [text, f"see https:{text}"]})))
    assert page.count("<td") == 2
    assert tags(page) <= {"table", "thead", "tbody", "tr", "th", "td", "code", "strong", "a"}


def test_scores_mark_the_best_of_each_learner_in_both_directions():
    values = {"a": (0.9, 0.3), "b": (0.4, 0.1)}
    runs = pd.DataFrame(
        [
            row("d", learner, "loss", name, split, macro_f1=f1 + split / 10, brier=brier)
            for learner in ("hgb", "tree")
            for name, (f1, brier) in values.items()
            for split in (0, 1)
        ]
    )
    table = prose.score_table(runs, ["macro_f1", "brier", "average_precision"])
    assert table["strategy"].tolist() == ["`a`", "`b`"] * 2
    assert table["macro-F1, argmax"].tolist() == ["**0.950±0.071**", "0.450±0.071"] * 2
    assert table["Brier score ↓"].tolist() == ["0.300±0.000", "**0.100±0.000**"] * 2
    assert not table["average precision"].str.contains("*", regex=False).any()


def test_scores_have_a_column_per_rule_and_blanks():
    table = prose.score_table(made_up.draw_runs("d"), ["macro_f1", "brier"])
    table = table.set_index(["learner", "strategy"])
    assert table.loc[("tree", "`threshold_0_3`"), "macro-F1, argmax"] == ""
    assert "±" in table.loc[("tree", "`threshold_0_3`"), "macro-F1, own"]
    assert "±" in table.loc[("tree", "`threshold_0_3`"), "Brier score ↓"]
    assert ("logreg", "`dummy`") not in table.index


def test_differences_mark_improvements_only():
    runs = pd.DataFrame(
        [
            row("d", "tree", "reference", "plain", rule=rule, control="", macro_f1=0.5, brier=0.2)
            for rule in ("argmax", "tuned_macro_f1")
        ]
        + [
            row("d", "tree", "loss", name, rule=rule, macro_f1=f1, brier=0.3)
            for name, f1 in (("a", 0.4), ("b", 0.6))
            for rule in ("argmax", "tuned_macro_f1")
        ]
        + [
            row("d", "tree", "loss", "without_control", rule=rule, control="", macro_f1=0.9)
            for rule in ("argmax", "tuned_macro_f1")
        ]
    )
    table = prose.difference_table(runs, metrics=["macro_f1", "brier"])
    assert table["strategy"].tolist() == ["`plain` itself", "`b`", "`a`"]
    assert table["macro-F1, argmax"].tolist() == ["0.500", "**+0.100**", "-0.100"]
    assert table["Brier score ↓"].tolist() == ["0.200", "+0.100", "+0.100"]
    assert len(prose.difference_table(runs, count=1)) == 2


def test_zero_has_no_minus():
    runs = pd.DataFrame(
        row("d", "tree", *name, rule=rule, control=control, macro_f1=f1, brier=brier)
        for name, control, f1, brier in (
            (("reference", "plain"), "", 0.5, 0.2),
            (("loss", "a"), "plain", 0.4999, 0.1999),
        )
        for rule in ("argmax", "tuned_macro_f1")
    )
    table = prose.difference_table(runs, metrics=["macro_f1", "brier"]).set_index("strategy")
    assert table.loc["`a`", "macro-F1, argmax"] == "+0.000"
    assert "-" not in table.loc["`a`", "Brier score ↓"]


def test_card_conclusion_counts_what_a_fold_holds():
    text = prose.card_conclusion(made_up.card("d"), folds=5)
    assert "**90.0%**" in text and "balanced accuracy 0.500" in text
    assert f"macro-F1 {2 * 0.9 / 1.9 / 2:.3f}" in text
    assert "about 2.0 in a test fold of 5" in text and "**50.0 points**" in text
    assert "repeat" not in text and "different labels" not in text


def test_card_conclusion_of_other_data_sets():
    own_test = made_up.card("d", classes_test={"positive": 4, "negative": 30})
    assert "and 4 in the test set" in prose.card_conclusion(own_test, folds=5)
    doubled = made_up.card("d", duplicate_rows=20, groups_with_conflicting_labels=3)
    text = prose.card_conclusion(doubled, folds=5)
    assert "20.0% of the rows repeat" in text and "In 3 groups" in text
    assert "balanced." in prose.card_conclusion(made_up.card("d", {"a": 5, "b": 5}), folds=5)


def test_facts_shorten_long_lists():
    card = made_up.card("d", constant_columns=[f"c{i}" for i in range(30)])
    facts = prose.facts(card).set_index("fact")["value"]
    assert facts["constant columns"] == "c0, c1, c2, c3, c4 and 25 more"
    assert facts["columns left out"] == "none"
    assert facts["features"] == "3 (2 numeric, 1 categorical)"


def test_facts_say_what_was_left_out_and_the_stratum_where_there_are_such():
    def facts(**given):
        return prose.facts(made_up.card("d", **given)).set_index("fact")["value"]

    optional = {"rare classes left out", "rows without a label, left out", "origin", "stratum"}
    assert not optional & {*facts().index}
    found = facts(
        rare_classes_left_out={"a": 3, "b": 9},
        unlabelled_rows_left_out=7,
        origin="wine",
        stratum="ceiling",
    )
    assert found[found.index.isin(optional)].to_dict() == {
        "rare classes left out": "a (3), b (9)",
        "rows without a label, left out": "7",
        "origin": "wine",
        "stratum": "ceiling",
    }


def test_unscored_cells_are_grouped_by_reason():
    runs = pd.DataFrame(
        [row("d", "tree", "loss", "a", s, "", status="failed", reason="no") for s in (0, 1)]
        + [row("d", "hgb", "loss", "b", 0, "", status="failed", reason="no")]
        + [row("d", "hgb", "loss", "b", 1, "", status="timed out", reason="longer than 3 s")]
        + [row("d", "hgb", "loss", "b", 2)]
    )
    table = prose.unscored(runs)
    assert table[["status", "strategies", "learners", "cells"]].values.tolist() == [
        ["failed", "a, b", "tree, hgb", 3],
        ["timed out", "b", "hgb", 1],
    ]


@pytest.mark.parametrize(("tuned", "verb"), [(0.55, "narrows"), (0.95, "does not narrow")])
def test_family_conclusion_follows_the_numbers(tuned, verb):
    runs = pd.DataFrame(
        [row("d", "tree", "loss", "a", rule=r, macro_f1=0.5) for r in ("argmax", "tuned_macro_f1")]
        + [row("d", "tree", "loss", "b", rule="argmax", macro_f1=0.7)]
        + [row("d", "tree", "loss", "b", rule="tuned_macro_f1", macro_f1=tuned)]
        + [row("d", "tree", "loss", "c", rule="", status="failed", reason="no")]
    )
    text = prose.family_conclusion(runs)
    assert f"`tree`: best macro-F1 0.700 at its argmax rule (`b`), {tuned:.3f} at its tuned" in text
    assert f"tuning the decision {verb} the gap" in text
    assert "Of 3 cells 1 have no score: 1 failed." in text


def test_a_family_or_data_set_without_scores_says_so():
    runs = pd.DataFrame([row("d", "tree", "loss", "a", rule="", status="failed", reason="no")])
    assert "No cell" in prose.family_conclusion(runs)
    assert "nothing to compare" in prose.dataset_conclusion(runs)


def test_dataset_conclusion_follows_the_numbers():
    plain = [
        row("d", "tree", "reference", "plain", s, rule, control="", macro_f1=f1, brier=0.2)
        for s in (0, 1)
        for rule, f1 in (("argmax", 0.5), ("tuned_macro_f1", 0.6))
    ]
    focal = [
        row("d", "tree", "loss", "focal", s, rule, macro_f1=0.6 + s / 100, brier=0.3)
        for s in (0, 1)
        for rule in ("argmax", "tuned_macro_f1")
    ]
    text = prose.dataset_conclusion(pd.DataFrame(plain + focal))
    assert "macro-F1 0.500 at argmax, 0.600 at the tuned rule" in text
    assert "changes `plain` by +0.100" in text
    assert "Of 1 pairs of learner and strategy, 1 beat" in text and "0 of 1 when both" in text
    assert "1 of 1 strategies make the probabilities worse" in text and "(+0.100)" in text


def test_running_shows_utilisation_and_overhead():
    loops = pd.DataFrame(
        {
            "family": ["a", "a", "b"],
            "cells": [1, 2, 3],
            "cores": 2,
            "loop_seconds": [60.0, 60.0, 30.0],
            "cpu_seconds": [60.0, 120.0, 60.0],
            "overhead_seconds": [10.0, 14.0, 3.0],
        }
    )
    table = prose.running(loops).set_index("family")
    assert table.loc["a"].tolist() == [2, 3, 2.0, 75.0, 12.0]
    assert table.loc["**all**"].tolist() == [3, 6, 2.5, 80.0, 9.0]
    unknown = prose.running(loops.assign(overhead_seconds=np.nan))
    assert unknown["overhead per stage (s)"].isna().all()


def test_the_leaderboard_marks_what_is_a_control():
    runs = pd.DataFrame(
        [
            row(name, "mlp", family, strategy, split, control=control, macro_f1=0.5 + split / 10)
            for name in ("d", "e", "f")
            for family, strategy, control in (
                ("reference", "plain", ""),
                ("schedule", "two_branches", "plain"),
                ("schedule", "bbn", "two_branches"),
            )
            for split in (0, 1)
        ]
    )
    table = prose.top(tables.leaderboard(runs))
    assert set(table["strategy"]) == {"`two_branches` (a control)", "`bbn`"}


def test_what_has_no_value_is_blank():
    runs = pd.DataFrame(
        row("d", "tree", *name, rule=rule, control=control, macro_f1=0.5, brier=brier)
        for name, control, brier in (
            (("reference", "plain"), "", 0.2),
            (("loss", "a"), "plain", 0.1),
            (("schedule", "nearest_class_mean"), "plain", np.nan),
        )
        for rule in ("argmax", "tuned_macro_f1")
    )
    scores = prose.score_table(runs).set_index("strategy")
    assert scores.loc["`nearest_class_mean`", "Brier score ↓"] == ""
    assert scores["balanced accuracy, tuned"].tolist() == [""] * 3
    differences = prose.difference_table(runs).set_index("strategy")
    assert differences.loc["`nearest_class_mean`", "Brier score ↓"] == ""
    assert differences.loc["`a`", "Brier score ↓"] == "**-0.100**"
