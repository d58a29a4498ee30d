import warnings
from types import SimpleNamespace

import made_up
import numpy as np
import pandas as pd
import pytest
from made_up import row

from imbbench import config
from imbbench.analysis import statistics, tables
from imbbench.errors import StudyError
from imbbench.files import write_table
from imbbench.paths import table_file


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    made_up.write_params(tmp_path, ["one", "two", "three"], web=["far"])
    made_up.write_results(tmp_path, ["one", "two", "three"])
    return tmp_path


def test_load_runs_reads_the_registry_not_what_lies_about(root):
    made_up.write_results(root, ["removed"])
    runs = tables.load_runs(config.load())
    assert list(dict.fromkeys(runs["dataset"])) == ["one", "two", "three"]
    assert not runs[["control", "rule", "reason"]].isna().any(axis=None)
    assert set(runs.loc[runs["status"] != "ok", "rule"]) == {""}


def test_own_data_sets_stay_out_unless_they_are_named(root):
    study = config.load()
    study.datasets["two"]["study"] = False
    assert set(tables.load_runs(study)["dataset"]) == {"one", "three"}
    assert set(tables.load_runs(study, ["two"])["dataset"]) == {"two"}
    for entry in study.datasets.values():
        entry["study"] = False
    with pytest.raises(StudyError, match=r"the study has none; say `study: true`"):
        tables.load_runs(study)


@pytest.mark.parametrize("load", ["load_runs", "load_curves", "load_timings"])
def test_a_missing_table_is_an_error_that_names_the_stage(root, load):
    table_file("results", load[5:], "two", "weighting").unlink()
    with pytest.raises(StudyError, match="dvc repro run@two-weighting"):
        getattr(tables, load)(config.load())


def test_a_missing_loop_or_card_names_the_stage(root):
    (root / "results/timings/one/posthoc.json").unlink()
    with pytest.raises(StudyError, match="run@one-posthoc"):
        tables.load_loops(config.load())
    with pytest.raises(StudyError, match="prepare@far"):
        tables.load_card("far")


def test_web_data_sets_have_their_own_folder_and_stages(root):
    study = config.load()
    with pytest.raises(StudyError, match=r"web/dvc\.yaml:run@far-reference"):
        tables.load_runs(study, "all")
    made_up.write_results(root, ["far"], results="results/web")
    assert set(tables.load_runs(study, "all")["dataset"]) == {"one", "two", "three", "far"}
    assert "far" not in set(tables.load_runs(study)["dataset"])


def test_an_unknown_data_set_is_refused(root):
    with pytest.raises(StudyError, match="no data set 'four'"):
        tables.load_runs(config.load(), ["four"])


def test_a_family_without_any_curve_is_skipped(root):
    write_table(pd.DataFrame(), "results/curves/one/weighting.csv.gz")
    assert set(tables.load_curves(config.load(), ["one"])["family"]) == {"reference", "posthoc"}


def test_a_damaged_table_is_named(root):
    path = root / "results/curves/one/weighting.csv.gz"
    path.write_bytes(path.read_bytes()[:-9])
    said = "Data set 'one', family 'weighting': results/curves/one/weighting.csv.gz is damaged"
    with pytest.raises(StudyError, match=said):
        tables.load_curves(config.load(), ["one"])


def test_labels_name_the_family_where_a_name_is_used_twice(root):
    study = config.load()
    study.strategies["posthoc"]["inverse_sqrt"] = {}
    labels = tables.labels(study)
    assert labels["weighting", "inverse_sqrt"] == "inverse_sqrt (weighting)"
    assert labels["posthoc", "inverse_sqrt"] == "inverse_sqrt (posthoc)"
    assert labels["reference", "plain"] == "plain"


def test_a_table_of_many_classes_is_labelled_without_a_warning():
    table = pd.DataFrame({"family": ["loss"], "strategy": ["focal"]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(200):
            table[f"recall_{i}"] = 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tables.label(table)["label"].tolist() == ["focal"]


def test_few_classes_and_many_are_read_together_without_a_warning(root):
    per_class = [f"{kind}_{c}" for kind in ("precision", "recall", "f1") for c in range(70)]
    for path in (root / "results/runs/two").glob("*.csv"):
        narrow = pd.read_csv(path)
        others = [name for name in narrow if name not in per_class]
        narrow.reindex(columns=[*others, *per_class], fill_value=0.5).to_csv(path, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = tables.load_runs(config.load())
        assert len(statistics.both_rules(runs)) > len(runs) / 2


def test_the_map_of_ranks_leaves_out_what_has_no_rank():
    strategies = (
        ("reference", "plain", ""),
        ("loss", "focal", "plain"),
        ("semi_supervised", "labelled_only", ""),
        ("semi_supervised", "pseudo_labels_1", "labelled_only"),
    )
    runs = pd.DataFrame(
        [
            row(name, "mlp", family, strategy, split, control=control, macro_f1=0.5 + split / 10)
            for name in "de"
            for family, strategy, control in strategies
            for split in (0, 1)
        ]
    )
    ranks = tables.ranks_by_dataset(runs)
    assert ranks.index.tolist() == ["loss"]
    assert ranks.notna().all(axis=None)


def test_leaderboard_counts_unscored_cells_and_never_scores_them():
    runs = pd.concat([made_up.draw_runs(name, i) for i, name in enumerate("abc")])
    failed = pd.DataFrame(
        [row("a", "logreg", "weighting", "inverse_sqrt", 9, "", status="failed", reason="no")]
    )
    board = tables.leaderboard(runs).set_index("strategy")
    more = tables.leaderboard(pd.concat([runs, failed])).set_index("strategy")
    assert more.loc["inverse_sqrt", "unscored"] == board.loc["inverse_sqrt", "unscored"] + 1
    assert board.loc["dummy", "unscored"] == 9
    pd.testing.assert_frame_equal(more.drop(columns="unscored"), board.drop(columns="unscored"))
    assert board["rank"].is_monotonic_increasing
    assert np.isnan(board.loc["plain", "macro_f1_argmax"])


def test_best_of_families_leaves_the_controls_out():
    runs = pd.concat([made_up.draw_runs(name, i) for i, name in enumerate("abc")])
    board = tables.leaderboard(runs)
    best = tables.best_of_families(board)
    assert sorted(board.set_index("label").loc[best, "family"]) == ["posthoc", "weighting"]
    assert len(tables.best_of_families(board, each=2)) == 3


def test_a_family_stands_beside_plain_on_the_same_splits(root):
    study = config.load()
    runs, curves = (load(study, ["one"], ["weighting"])
                    for load in (tables.load_runs, tables.load_curves))  # fmt: skip
    own = runs.drop(columns=["label", "role", "family"]), curves.drop(columns=["label", "role"])
    family = own[0].assign(family="weighting")
    outcome = SimpleNamespace(
        runs=family[family["split"] < 2], curves=own[1].drop(columns="family")
    )
    untreated = SimpleNamespace(
        runs=tables.load_runs(study, ["one"], ["reference"]),
        curves=tables.load_curves(study, ["one"], ["reference"]),
    )
    found, lines = tables.beside(study, "weighting", outcome, untreated)
    assert set(found["strategy"]) == {"plain", "dummy", "inverse_frequency", "inverse_sqrt"}
    assert set(found["split"]) == {0, 1} and set(found["family"]) == {"reference", "weighting"}
    assert set(found.loc[found["strategy"] == "plain", "role"]) == {"control"}
    assert set(lines["label"]) == {"plain", "dummy", "inverse_frequency", "inverse_sqrt"}
    alone, _ = tables.beside(study, "reference", untreated, untreated)
    assert set(alone["strategy"]) == {"plain", "dummy"}


def test_before_and_after_is_the_widely_run_remedy_that_distorts_most():
    rows = [row("d", learner, "reference", "plain", control="") for learner in ("hgb", "tree")]
    for name, brier, learners in (("a", 0.3, "ht"), ("b", 0.4, "ht"), ("c", 0.9, "h")):
        for learner in ("hgb", "tree"):
            if learner[0] in learners:
                rows.append(row("d", learner, "loss", name, brier=brier))
                fixed = row("d", learner, "loss", f"{name}_fixed", control=name, role="calibrator")
                rows.append(fixed)
    runs = pd.DataFrame(rows)
    assert tables.before_after(runs) == ["plain", "b", "b_fixed"]
    of_plain = [row("d", "hgb", "posthoc", "platt", role="calibrator")]
    assert tables.before_after(pd.DataFrame(rows[:2] + of_plain)) == ["plain", "platt"]
    assert tables.before_after(pd.DataFrame(rows[:2])) == ["plain"]


def test_fit_times_are_relative_to_plain_of_the_same_cell():
    cells = pd.DataFrame(
        [
            ("d", "tree", 0, "reference", "plain", "ok", 2.0),
            ("d", "tree", 1, "reference", "plain", "ok", 4.0),
            ("d", "tree", 0, "loss", "focal", "ok", 6.0),
            ("d", "tree", 1, "loss", "focal", "ok", 4.0),
            ("d", "tree", 1, "loss", "slow", "timed out", 600.0),
        ],
        columns=["dataset", "learner", "split", "family", "strategy", "status", "fit_seconds"],
    )
    found = tables.fit_times(tables.label(cells)).set_index("strategy")
    assert found["ratio"].to_dict() == pytest.approx({"plain": 1.0, "focal": 2.0})


def test_what_params_names_no_longer_is_read_and_so_is_the_former_rule(root):
    """A strategy, a control and a mark that went; the one tuned rule of the former protocol."""
    study = config.load()
    before = tables.load_runs(study)
    for path in (root / "results/runs").glob("*/*.csv"):
        old = pd.read_csv(path, keep_default_na=False, dtype=str)
        old = old[old["rule"] != "tuned_balanced_accuracy"]
        old.assign(rule=old["rule"].replace("tuned_macro_f1", "tuned")).to_csv(path, index=False)
    del study.strategies["weighting"]["inverse_frequency"]
    study.strategies["weighting"]["inverse_sqrt"]["role"] = "ablation"
    runs = tables.load_runs(study)
    assert set(runs["rule"]) == {"argmax", "tuned_macro_f1", "own", ""}
    assert set(runs["label"]) >= {"inverse_frequency (weighting)", "inverse_sqrt"}
    roles = dict(zip(runs["strategy"], runs["role"], strict=True))
    assert roles == {
        **{"plain": "control", "dummy": "control"},
        **{"inverse_frequency": "remedy", "inverse_sqrt": "ablation", "threshold_0_3": "remedy"},
    }
    board, known = (tables.leaderboard(r).set_index("strategy") for r in (runs, before))
    for name in ("macro_f1_argmax", "macro_f1_tuned", "balanced_accuracy_argmax"):
        assert board[name].to_dict() == pytest.approx(known[name].to_dict(), nan_ok=True)
    assert board["balanced_accuracy_tuned"].isna().all()
    # The control is missing, too.
    part = tables.leaderboard(runs[runs["strategy"] != "inverse_frequency"]).set_index("strategy")
    assert np.isnan(part.loc["inverse_sqrt", "macro_f1_argmax"])


def test_ones_own_data_stand_beside_the_study(root):
    """The core's row of the committed tables; here splits first, then learners, as it comes."""
    study = config.load()
    study.datasets["one"]["study"] = False
    cells = {  # the gain in each split, of learners of which one has more splits
        ("weighting", "early"): {"logreg": [0.3, 0.3], "tree": [0.1], "hgb": [0.2]},
        ("posthoc", "logit_adjustment"): {"hgb": [0.05]},
        ("ensemble", "rus_boost"): {"tree": [-0.1]},
    }
    rows = []
    for (family, strategy), learners in cells.items():
        for learner, gained in learners.items():
            for split, gain in enumerate(gained):
                place = "one", learner, family, strategy, split
                for rule in ("argmax", *statistics.TUNED.values()):
                    # What logit adjustment gives with a cut-off that is moved, too, counts nowhere.
                    off = 0.3 if strategy == "logit_adjustment" and rule != "argmax" else 0
                    rows.append(row(*place, rule=rule, balanced_accuracy=0.5 + gain + off))
    for learner in "logreg", "tree", "hgb":
        for split in 0, 1:
            for rule in ("argmax", *statistics.TUNED.values()):
                rows.append(row("one", learner, "reference", "plain", split, rule, control=""))
    runs = pd.DataFrame(rows)
    assert tables.beside_the_study(study, "two", runs).empty  # it is the study's own
    assert tables.beside_the_study(study, "one", runs).empty  # the study was not run
    names = ["label", "primary", "outcome", "mean", "low", "high", "origins"]
    for place, mean in ("results", 9.0), ("results/wide", 0.02):
        for group in "weak", "strong", "ensembles_of_trees":
            labels = "early", "logit_adjustment", "rus_boost", "not_run"
            effect = True, "balanced_accuracy tuned", mean, 0.01, 0.03, 12
            wanted = [(label, *effect) for label in labels]
            wanted += [("early", True, "macro_f1 tuned", 8.0, 0.01, 0.03, 12)]
            wanted += [("plain", False, "balanced_accuracy tuned", 7.0, 0.01, 0.03, 12)]
            path = f"{place}/tables/subsets/tabular-core-{group}.csv"
            write_table(pd.DataFrame(wanted, columns=names), path)
    found = tables.beside_the_study(study, "one", runs)
    assert found[["group", "label", "here"]].round(6).to_numpy().tolist() == [
        ["weak", "early", 0.2],
        ["strong", "early", 0.2],
        ["strong", "logit_adjustment", 0.05],
        ["ensembles of trees", "rus_boost", -0.1],
    ]
    assert set(found["mean"]) == {0.02}
    (root / "results/wide/tables/subsets/tabular-core-weak.csv").unlink()
    found = tables.beside_the_study(study, "one", runs).set_index("group")
    assert found.loc["weak", "mean"] == 9.0  # what the wide study has none of
