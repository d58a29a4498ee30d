import html
import re
from pathlib import Path

import made_up
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import row
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from imbbench import config
from imbbench.analysis import prose, statistics, tables


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


def beside_plain(*treated, **values):
    """Rows of ``plain`` and of treated strategies, two splits and both rules."""
    rows = [(("reference", "plain"), "", {})]
    rows += [(("loss", name), "plain", given) for name, given in treated]
    return pd.DataFrame(
        row("d", "tree", *name, split, rule, control=control, **values | given)
        for name, control, given in rows
        for split in (0, 1)
        for rule in ("argmax", "tuned_macro_f1", "tuned_balanced_accuracy")
    )


def test_scores_mark_what_is_clearly_better_in_both_directions():
    runs = beside_plain(("a", {"macro_f1": 0.6, "brier": 0.3}), ("b", {"brier": 0.1}), brier=0.2)
    table = prose.score_table(runs, [("macro_f1", "tuned"), ("brier", "argmax")])
    assert table["strategy"].tolist() == ["`plain`", "`a`", "`b`"]
    assert table["macro-F1, moved"].tolist() == ["0.500±0.000", "**0.600±0.000**", "0.500±0.000"]
    assert table["Brier score ↓"].tolist() == ["0.200±0.000", "0.300±0.000", "**0.100±0.000**"]


def test_what_is_within_the_spread_or_prints_as_zero_is_not_bold():
    runs = beside_plain(("a", {"macro_f1": 0.6}), ("b", {"macro_f1": 0.5004}))
    runs.loc[(runs["strategy"] == "a") & (runs["split"] == 1), "macro_f1"] = 0.45
    table = prose.score_table(runs, [("macro_f1", "argmax")]).set_index("strategy")
    assert table["macro-F1, default"].to_dict() == {
        "`plain`": "0.500±0.000",
        "`a`": "0.525±0.106",
        "`b`": "0.500±0.000",
    }


def test_controls_come_first_and_what_is_no_remedy_last():
    roles = {"steps": "control", "fixed": "calibrator", "best": "remedy", "worst": "remedy"}
    runs = beside_plain(
        *((name, {"role": role, "balanced_accuracy": 0.6 if name == "best" else 0.4})
          for name, role in reversed(roles.items()))
    )  # fmt: skip
    table = prose.score_table(runs)
    assert table["strategy"].tolist() == ["`plain`", "`steps`", "`best`", "`worst`", "`fixed`"]


def test_a_cut_off_of_its_own_stands_under_either_rule():
    table = prose.score_table(made_up.draw_runs("d")).set_index(["learner", "strategy"])
    own = table.loc[("tree", "`threshold_0_3`")]
    assert own["macro-F1, moved"].strip("*") and own["Brier score ↓"].strip("*")
    default, moved = (own[f"balanced accuracy, {rule}"].strip("*") for rule in ("default", "moved"))
    assert default == moved != ""
    assert ("logreg", "`dummy`") not in table.index


def test_differences_mark_clear_improvements_only():
    runs = beside_plain(
        ("a", {"macro_f1": 0.4, "brier": 0.3}), ("b", {"macro_f1": 0.6, "brier": 0.3}), brier=0.2
    )
    alone = runs[runs["strategy"] == "b"].assign(strategy="c", label="c", control="", macro_f1=0.9)
    runs = pd.concat([runs, alone])  # without a control
    columns = [("macro_f1", "argmax"), ("brier", "argmax")]
    table = prose.difference_table(runs, columns=columns)
    assert table["strategy"].tolist() == ["`plain` itself", "`b`", "`a`"]
    assert table["macro-F1, default"].tolist() == ["0.500", "**+0.100±0.000**", "-0.100±0.000"]
    assert table["Brier score ↓"].tolist() == ["0.200", "+0.100±0.000", "+0.100±0.000"]
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
    table = prose.difference_table(runs).set_index("strategy")
    assert table.loc["`a`", "macro-F1, moved"] == "+0.000"
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


def test_reasons_are_grouped_without_numbers_and_learners_ten_at_most():
    def lost(strategy, learner, split, reason):
        return row(
            "d", learner, "loss", strategy, split, "", status="not applicable", reason=reason
        )

    runs = [lost("gan", "hgb", s, f"a class has {s} rows, the GAN needs 20") for s in range(3)]
    runs += [lost("a", name, 0, f"{name} is not trained by steps") for name in ("hgb", "tree")]
    runs += [lost("smote_2", "hgb", 0, "smote_2 failed with hgb only")]
    found = prose.unscored(pd.DataFrame(runs)).set_index("reason")["cells"].to_dict()
    assert found == {
        "a class has … rows, the GAN needs …": 3,
        "the learner is not trained by steps": 2,
        "smote_2 failed with hgb only": 1,
    }
    many = [lost("a", "hgb", s, f"because of {'x' * s}") for s in range(1, 15)]
    table = prose.unscored(pd.DataFrame([*runs, *many]))
    assert len(table) == 10 and table["cells"].sum() == 20
    assert table["cells"].tolist() == [3, 2, *[1] * 7, 8]
    others = table.set_index("reason").loc["8 other reasons"]
    assert (others["status"], others["cells"]) == ("various", 8)


def test_a_family_or_data_set_without_scores_says_so():
    runs = pd.DataFrame([row("d", "tree", "loss", "a", rule="", status="failed", reason="no")])
    plain = pd.DataFrame([row("d", "tree", "reference", "plain", control="")])
    for found in (runs, pd.concat([runs, plain])):
        assert "no cell of this family" in prose.family_conclusion(found)
    assert prose.family_conclusion(plain).startswith("- Untreated, `tree` finds")
    assert "nothing to compare" in prose.dataset_conclusion(runs)
    assert prose.in_numbers(runs) == ""


def test_the_best_is_looked_for_where_all_splits_were_run():
    runs = beside_plain(("a", {"macro_f1": 0.6}), ("b", {"macro_f1": 0.7}))
    runs = runs[(runs["strategy"] != "b") | (runs["split"] == 0)]
    assert "Best of 1 combinations of learner and strategy: `tree` with `a`" in (
        prose.in_numbers(runs)
    )


def test_of_more_classes_the_means_are_told():
    runs = beside_plain(("a", {"macro_f1": 0.6, "recall_1": 0.3, "precision_1": 0.6}))
    runs = runs.assign(recall_2=0.7, precision_2=1.0)
    dummy = row("d", "tree", "reference", "dummy", macro_f1=0.2, accuracy=0.4)
    said = prose.in_numbers(pd.concat([runs, pd.DataFrame([dummy])]), "rare").splitlines()
    assert "It finds 50 of 100 rows of a class (mean over the classes); of 100 that it" in said[0]
    assert "flags 70 are right." in said[0]
    assert said[2].endswith("40.0% of the rows and finds none of the others (macro-F1 0.200).")


def test_methods_have_words_of_their_own():
    entries = {
        "border": {"sampler": "BorderlineSMOTE", "ratio": 1},
        "near": {"sampler": "NearMiss", "version": 3},
        "clean": {"smote_then": "TomekLinks"},
        "smote": {"ratio": 1},
    }
    described = pd.DataFrame(
        {
            "strategy": [f"`{name}`" for name in entries],
            "what it does": "A :class:`GAN`'s rows; see :class:`SMOTE`.",
            "parameters": ["sampler = BorderlineSMOTE, ratio = 1",
                           "sampler = NearMiss, version = 3", "smote_then = TomekLinks",
                           "ratio = 1"],
            "control": "`plain`",
            "only": ["", "", "learners tree", "splits 2"],
        }
    )  # fmt: skip
    table = prose.methods(entries, described)
    assert table["what it does"].tolist() == [
        prose.METHODS["BorderlineSMOTE"],
        prose.METHODS["NearMiss 3"],
        prose.METHODS["smote_then TomekLinks"],
        "A `GAN`'s rows.",
    ]
    assert table["parameters"].tolist() == [
        *("ratio = 1", "version = 3", "run with learners tree", "ratio = 1; run with splits 2")
    ]
    assert list(table) == ["strategy", "what it does", "parameters", "compared with"]


def test_every_sampler_and_loss_of_the_study_has_words_of_its_own():
    study = config.load(Path(__file__).parents[2] / "params.yaml")
    for family in ("undersampling", "oversampling", "loss"):
        entries = study.family(family)
        named = {n: e for n, e in entries.items() if {"sampler", "smote_then", "loss"} & set(e)}
        assert named and all(prose._method(entry) for entry in named.values())


def test_links_lead_up_and_sideways(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    made_up.write_params(tmp_path, ["one", "two", "three"], ["four"])
    study = config.load()
    runs = made_up.draw_runs("two")
    assert prose.links(study, "two", "report", runs).split("\n\n") == [
        "[the study](../04_study.ipynb) · [data card](data_card.ipynb) · [tables](../../runs/two)",
        "Family by family: [reference](reference.ipynb) · [weighting](weighting.ipynb) · "
        "[posthoc](posthoc.ipynb)",
        "The same of other data sets: [one](../one/report.ipynb) · [three](../three/report.ipynb)",
    ]
    family = prose.links(study, "three", "weighting", runs).split("\n\n")
    assert family[0].endswith(
        "[code and references](../../../imbbench/strategies/weighting) · "
        "[table](../../runs/three/weighting.csv)"
    )
    assert family[1] == "The same of other data sets: [two](../two/weighting.ipynb)"
    lost = runs.assign(status="failed")
    assert "other data sets" not in prose.links(study, "three", "weighting", lost)
    web = prose.links(study, "four", "data_card")
    assert web == (
        "[the study](../../../rendered/04_study.ipynb) · "
        "[all families on this data set](report.ipynb)"
    )


def test_a_page_of_the_wide_study_leads_up_to_the_wide_study():
    study = config.load(Path(__file__).parents[2] / "params.yaml")
    up = prose.links(study, "ecoli3", "data_card").split(" · ")[0]
    assert up == "[the study](../04_study.ipynb)"


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


def test_the_leaderboard_shows_a_remedy_that_another_is_compared_with_as_what_it_is():
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
    assert set(table["strategy"]) == {"`two_branches`", "`bbn`"}


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
    assert scores["balanced accuracy, moved"].tolist() == [""] * 3
    differences = prose.difference_table(runs).set_index("strategy")
    assert differences.loc["`nearest_class_mean`", "Brier score ↓"] == ""
    assert differences.loc["`a`", "Brier score ↓"] == "-0.100"  # of a single split


def test_ones_own_data_beside_the_study_in_words():
    rows = [
        ("strong", "smote", 0.0214, 0.003, -0.0021, 0.0081, 24),
        ("strong", "adasyn", 0.005, 0.001, -0.002, 0.004, 23),
        (statistics.ENSEMBLE, "rus_boost", 0.0, -0.02, np.nan, np.nan, 1),
    ]
    table = pd.DataFrame(rows, columns=["group", "label", "here", "mean", "low", "high", "origins"])
    said = prose.beside_the_study(table, count=1)
    assert said == (
        "\n- **Beside the study** as it was when this page was made (strong learners; balanced "
        "accuracy with the cut-off moved, each strategy against its control): `smote` on your data "
        "+0.021, in the study +0.003 [-0.002, +0.008]. On your data 1 of 2 primary strategies gain "
        "more than 0.005. In the study it is the mean over 24 data sets; a single one scatters "
        "more."
        "\n- **Beside the study** as it was when this page was made (ensembles of trees; balanced "
        "accuracy with the cut-off moved, each strategy against its control): `rus_boost` on your "
        "data +0.000, in the study -0.020. On your data 0 of 1 primary strategies gain more than "
        "0.005. In the study it is the mean over 1 data set; a single one scatters more."
    )
    assert "`smote` on your data +0.021" in prose.beside_the_study(table)
    assert "; `adasyn` on your data +0.005" in prose.beside_the_study(table)
    assert prose.beside_the_study(table.iloc[:0]) == ""
