"""The study's inference against numbers worked out by hand, and published ones."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from made_up import row

from imbbench.analysis import inference, study_plots
from imbbench.errors import StudyError
from imbbench.paths import table_file

SETS = [f"set_{i}" for i in range(8)]
# Of eight origins: differences that help clearly, harm clearly, are within ±.01, and are noise.
HELPS = [0.03, 0.04, 0.05, 0.06, 0.03, 0.04, 0.05, 0.06]
NOISE = [0.2, -0.2, 0.15, -0.15, 0.1, -0.12, 0.05, -0.04]
EQUAL = [0.001, -0.001, 0.002, -0.002, 0.003, -0.003, 0.001, -0.001]
EFFECTS = {"helps": HELPS, "harms": [-d for d in HELPS], "noise": NOISE, "equal": EQUAL}
RULES = ["argmax", "tuned_macro_f1", "tuned_balanced_accuracy"]


def places(table, **changes):
    found = {"stratum": "core", "prior": "as in training", "group": "weak", "primary": True}
    found["turned"] = ""
    return table.assign(origin=table["dataset"], **{**found, **changes})


def study(effects=EFFECTS, learners=("logreg",), splits=2, metrics=("macro_f1",)):
    """Run rows: plain at .5 everywhere, each strategy .5 and its difference on each data set."""
    rows = []
    for i, dataset in enumerate(SETS):
        for learner in learners:
            for split in range(splits):
                for rule in RULES:
                    rows.append(row(dataset, learner, "reference", "plain", split, rule, ""))
                    for name, values in effects.items():
                        scores = {m: 0.5 + values[i] for m in metrics}
                        place = (dataset, learner, "weighting", name, split, rule)
                        rows.append(row(*place, **scores))
    return places(pd.DataFrame(rows))


@pytest.mark.parametrize(
    ("mean", "low", "high", "said"),
    [
        (0.02, 0.001, 0.039, "better"),
        (0.02, 0.0, 0.04, "no clear difference"),
        (0.005, 0.001, 0.009, "no clear difference"),  # as little as does not matter
        (-0.005, -0.009, -0.001, "no clear difference"),
        (-0.02, -0.039, -0.001, "worse"),
        (-0.02, -0.04, 0.0, "no clear difference"),
        (0.02, np.nan, np.nan, "no clear difference"),  # one origin has no interval
    ],
)
def test_what_a_gain_says(mean, low, high, said):
    assert inference.finding(mean, low, high) == said


def test_an_unknown_part_of_the_study_is_refused():
    with pytest.raises(StudyError, match='no data sets \'all\': say "wide", "web" or a list'):
        inference.evidence(SimpleNamespace(wide_datasets={}, web_datasets={}), "all")


def test_a_data_set_that_is_being_run_is_no_evidence_yet(study):
    study.wide_datasets = {"far": {}, "whole": {}}
    for name, families in (("far", study.families[:-1]), ("whole", study.families)):
        for family in families:
            path = table_file("results/wide", "runs", name, family)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert set(inference.evidence(study, "wide")) == {*study.datasets, "whole"}


@pytest.mark.parametrize(
    ("mean", "low", "high", "p", "p_holm", "p_equivalent", "said"),
    [
        (0.03, 0.01, 0.05, 0.01, 0.04, 0.9, "helps"),
        (0.03, 0.01, 0.05, 0.01, 0.05, 0.9, "undecided"),  # not after Holm's correction
        (0.03, -0.01, 0.07, 0.01, 0.04, 0.9, "undecided"),  # the interval has zero in it
        (-0.03, -0.05, -0.01, 0.01, 0.04, 0.9, "harms"),
        (-0.03, -0.05, -0.01, 0.01, 0.06, 0.9, "undecided"),
        (-0.03, -0.07, 0.01, 0.01, 0.04, 0.9, "undecided"),
        (0.003, 0.001, 0.005, 0.01, 0.04, 0.04, "equivalent"),  # clear of zero, but small
        (-0.003, -0.005, -0.001, 0.01, 0.04, 0.04, "equivalent"),
        (0.003, 0.001, 0.005, 0.01, 0.04, 0.05, "helps"),
        (0.03, np.nan, np.nan, np.nan, np.nan, np.nan, "undecided"),  # too few origins
    ],
)
def test_a_verdict(mean, low, high, p, p_holm, p_equivalent, said):
    row = dict(mean=mean, low=low, high=high, p=p, p_holm=p_holm, p_equivalent=p_equivalent)
    assert inference.verdict(row) == said


def test_verdicts_of_a_hand_made_study():
    table = inference.verdicts(inference.gains(study()), "macro-F1").set_index("label")
    assert dict(table["verdict"]) == {
        "helps": "helps",
        "equal": "equivalent",
        "noise": "undecided",
        "harms": "harms",
    }
    assert list(table.index) == ["helps", "equal", "noise", "harms"]
    helps = table.loc["helps"]
    assert helps["origins"] == 8
    assert helps["mean"] == pytest.approx(0.045)
    # sd = sqrt(8 × .000125 / 7) = .0119523; t(7, .975) = 2.364624; half = t × sd / sqrt(8)
    assert helps["high"] - helps["mean"] == pytest.approx(2.364624 * 0.0119523 / 8**0.5, abs=1e-6)
    # All eight of one sign: Wilcoxon's exact p is 2 / 2^8 (ties make it the normal one: .0107).
    assert helps["p"] == pytest.approx(2 / 2**8, abs=0.005)
    assert helps["p_holm"] == pytest.approx(4 * helps["p"])
    assert helps["wins"] == 1.0 and table.loc["equal", "wins"] == 0.0


def test_a_verdict_that_rests_on_a_learner_that_the_steps_turn_is_undecided():
    effects = {**EFFECTS, "mlp alone": EFFECTS["helps"], "by mlp": EFFECTS["equal"]}
    runs = study(effects, learners=("logreg", "mlp"))
    mlp = runs["learner"] == "mlp"
    runs.loc[mlp & (runs["strategy"] == "by mlp"), "macro_f1"] += 0.1
    runs = runs[mlp | (runs["strategy"] != "mlp alone")]
    decided = inference.verdicts(inference.gains(runs), "macro-F1").set_index("label")
    assert decided.loc["by mlp", "verdict"] == decided.loc["mlp alone", "verdict"] == "helps"
    assert set(decided["turned"]) == {""}

    turned = mlp.reindex(runs.index) & ~runs["strategy"].isin(["plain", "harms"])
    for metric, undecided in (("macro_f1 brier", {"by mlp", "mlp alone"}), ("brier", set())):
        marked = runs.assign(turned=np.where(turned, metric, ""))
        found = inference.verdicts(inference.gains(marked), "macro-F1").set_index("label")
        other = found["verdict"] != decided["verdict"].reindex(found.index)
        assert set(found.index[other]) == set(found.index[found["turned"] != ""]) == undecided
        assert set(found.loc[other, "verdict"]) <= {"undecided"}
        assert set(found.loc[other, "turned"]) <= {"mlp"}
        assert found.loc["helps", "verdict"] == "helps" and found.loc["noise", "turned"] == ""


def test_what_the_number_of_steps_turns_is_known_from_the_table_of_notebook_10(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(inference, "root", lambda: tmp_path)
    assert inference.turned_by_steps() == {}
    path = tmp_path / "results" / "tables" / "settings_that_pretend.csv"
    path.parent.mkdir(parents=True)
    path.write_text(
        "learner,family,strategy,split,undecided\n"
        "mlp,loss,focal,0,macro_f1 balanced_accuracy\n"
        "mlp,loss,focal,1,macro_f1 balanced_accuracy\n"
        "minilm_head,loss,focal,0,macro_f1\n"
        "mlp,prior,bias_init,0,\n"
    )
    assert inference.turned_by_steps() == {
        ("mlp", "loss", "focal"): "macro_f1 balanced_accuracy",
        ("minilm_head", "loss", "focal"): "macro_f1",
    }


def test_the_p_of_distinct_differences_is_exact():
    found = inference.tested([0.01, 0.02, 0.03, 0.04, 0.05, 0.06])
    assert found.p == pytest.approx(2 / 2**6)
    # Ranks of the two negatives are 1 and 2: W = 3, P(W ≤ 3) = 5 / 64 on each side.
    found = inference.tested([-0.01, -0.02, 0.03, 0.04, 0.05, 0.06])
    assert found.p == pytest.approx(10 / 64)


def test_two_one_sided_tests_and_power_against_hand_computed_values():
    values = np.array([0.004, -0.002, 0.001, 0.003, -0.004, 0.002, 0.0, -0.001])
    found = inference.tested(values)
    spread = values.std(ddof=1)
    # The larger of two one-sided p, from t = (.01 - mean) / (sd / sqrt(n)).
    from scipy.stats import t

    nearest = (inference.MARGIN - abs(values.mean())) / (spread / 8**0.5)
    assert found.p_equivalent == pytest.approx(t.sf(nearest, 7))
    # Cohen's tables: a paired t test of 34 pairs has 80 % power for d = .5 (n = 33.4).
    many = np.tile([-1.0, 1.0], 17)
    smallest = inference.tested(many).smallest / many.std(ddof=1)
    assert smallest == pytest.approx(0.495, abs=0.002)


def test_too_few_origins_decide_nothing():
    runs = study()
    few = runs[runs["dataset"].isin(SETS[:5])]
    table = inference.verdicts(inference.gains(few), "macro-F1")
    assert set(table["verdict"]) == {"undecided"}
    assert table["p"].isna().all() and table["mean"].notna().all()


def test_the_unit_is_the_origin():
    """Two data sets of one origin count once, however many splits or learners one has."""
    runs = study({"a": [0.1, 0.2, 0, 0, 0, 0, 0, 0]}, learners=("logreg", "tree"))
    runs["origin"] = runs["dataset"].replace("set_1", "set_0")
    runs = runs[~((runs["dataset"] == "set_0") & (runs["split"] == 1))]
    runs = runs[~((runs["dataset"] == "set_0") & (runs["learner"] == "tree"))]
    rows, metric = inference.of_outcome(inference.gains(runs), "macro-F1")
    values = inference.by_origin(rows, metric)["a"]
    assert len(values) == 7
    assert values["set_0"] == pytest.approx((0.1 + 0.2) / 2)


def test_an_outcome_takes_the_rule_that_is_tuned_for_its_metric():
    runs = study({"a": [0.0] * 8}, metrics=())
    for metric, value in ("macro_f1", 0.1), ("balanced_accuracy", 0.2):
        at = (runs["strategy"] == "a") & (runs["rule"] == f"tuned_{metric}")
        runs.loc[at, metric] = 0.5 + value
    runs.loc[(runs["strategy"] == "a"), "average_precision"] = 0.8
    gained = inference.gains(runs)
    found = {o: inference.verdicts(gained, o)["mean"].item() for o in inference.OUTCOMES}
    assert found == pytest.approx(
        {"balanced accuracy": 0.2, "macro-F1": 0.1, "average precision": 0.3}
    )


def test_of_errors_less_is_a_gain():
    gained = inference.gains(study({"a": [-0.1] * 8}, metrics=("brier",)))
    assert gained["brier"].unique() == pytest.approx([0.1])


def with_free(runs, value):
    free = runs[(runs["strategy"] == "plain") & (runs["rule"] == "argmax")]
    more = {"family": "posthoc", "strategy": "logit_adjustment", "label": "logit_adjustment"}
    more |= {"control": "plain", "role": "remedy", "balanced_accuracy": value}
    return pd.concat([runs, free.assign(**more)], ignore_index=True)


def test_balanced_accuracy_stands_beside_free_logit_adjustment():
    runs = with_free(study({"a": [0.1] * 8}, metrics=("balanced_accuracy",)), 0.57)
    table = inference.verdicts(inference.gains(runs), "balanced accuracy").set_index("label")
    assert table.loc["a", "mean"] == pytest.approx(0.1)
    assert table.loc["a", "free"] == pytest.approx(0.6 - 0.57)
    assert table.loc["logit_adjustment", "free"] == pytest.approx(0)


def test_a_family_against_the_untreated_learner_in_three_states():
    runs = study({"a": [0.1] * 8, "b": [-0.1] * 8}, metrics=("balanced_accuracy",))
    tuned = (runs["strategy"] == "plain") & (runs["rule"] == "tuned_balanced_accuracy")
    runs.loc[tuned, "balanced_accuracy"] = 0.58
    table = inference.families_against_plain(with_free(runs, 0.65), ("balanced_accuracy",))
    table = table[table["family"] == "weighting"].set_index("comparison")
    assert table["mean"].to_dict() == pytest.approx(
        {"default cut-off": 0.0, "cut-off moved": -0.08, "logit adjustment": -0.15}
    )
    assert table["better"].to_dict() == {
        "default cut-off": 1, "cut-off moved": 1, "logit adjustment": 0,
    }  # fmt: skip
    assert table["worse"].to_dict() == {
        "default cut-off": 1, "cut-off moved": 1, "logit adjustment": 2,
    }  # fmt: skip


def test_an_ensemble_is_compared_with_the_plain_ensemble():
    rows = []
    for dataset in SETS:
        rows += [row(dataset, "tree", "reference", "plain", macro_f1=0.2, control="")]
        rows += [row(dataset, "tree", "reference", "bagging", macro_f1=0.6, control="plain")]
        rows += [row(dataset, "tree", "ensemble", "under", macro_f1=0.5, control="bagging")]
    runs = places(pd.DataFrame(rows))
    found = inference.against(runs, "default cut-off", ["macro_f1"])
    assert found["macro_f1"].unique() == pytest.approx([-0.1])


def test_the_mixed_model_meets_the_simple_mean_where_it_has_to():
    """Of balanced data its overall mean is the mean over origins, its interval about as wide."""
    rng = np.random.default_rng(0)
    effect = rng.normal(0.03, 0.02, 8)
    runs = study({"a": list(effect)}, learners=("logreg", "tree"), splits=1)
    runs["macro_f1"] += rng.normal(0, 0.005, len(runs))
    gained = inference.gains(runs)
    model = inference.hierarchical(gained, "macro-F1").set_index("label").loc["a"]
    simple = inference.verdicts(gained, "macro-F1").set_index("label").loc["a"]
    assert model["estimate"] == pytest.approx(simple["mean"], abs=1e-6)
    width = simple["high"] - simple["low"]
    assert model["high"] - model["low"] == pytest.approx(width * 1.959964 / 2.364624, rel=0.02)
    # A gain is a difference of two scores that scatter by .005.
    assert 0.01 < model["between"] < 0.04 and 0.004 < model["within"] < 0.012


def test_sensitivity_names_the_origin_that_a_verdict_hangs_on():
    values = [0.02, 0.021, 0.022, 0.023, 0.024, 0.025, 0.026, -0.3]
    table = inference.sensitivity(inference.gains(study({"a": values})), "macro-F1")
    found = table.set_index("label").loc["a"]
    assert found["verdict"] == "undecided"
    assert found["highest"] == pytest.approx(np.mean(values[:7]))
    assert found["origin_of_highest"] == "set_7"
    assert found["verdicts_by_origin"] == "helps without set_7"


def test_sensitivity_leaves_out_one_at_a_time_also_where_the_steps_turn_a_learner():
    """`by mlp` helps by mlp alone, whose sign the steps turn: shown is that it hangs on mlp."""
    untied = np.arange(8) / 10_000  # with ties the exact p goes through all signs, in seconds
    effects = {"by mlp": list(EQUAL + untied), "helps": list(HELPS + untied)}
    runs = study(effects, learners=("logreg", "mlp"))
    runs.loc[(runs["learner"] == "mlp") & (runs["strategy"] == "by mlp"), "macro_f1"] += 0.1
    plain = inference.sensitivity(inference.gains(runs), "macro-F1").set_index("label")
    marked = runs.assign(turned=np.where(runs["learner"] == "mlp", "macro_f1", ""))
    found = inference.sensitivity(inference.gains(marked), "macro-F1").set_index("label")
    assert plain.loc["by mlp", "verdict"] == "helps"
    assert found.loc["by mlp", "verdict"] == "undecided"
    assert found.loc["by mlp", "verdicts_by_learner"] == "equivalent without mlp"
    others = ["verdicts_by_learner", "verdicts_by_origin", "lowest", "highest"]
    pd.testing.assert_frame_equal(found[others], plain[others])


def test_levels_are_those_of_the_smallest_class_where_all_were_run():
    runs = study({"a": [0.0] * 8}, metrics=())
    runs.loc[runs["strategy"] == "a", "recall_1"] = 0.9
    runs.loc[runs["dataset"] == "set_0", ["recall_2", "precision_2"]] = 0.1
    runs = runs[~((runs["strategy"] == "a") & (runs["dataset"] == "set_7"))]
    shown = [("nothing", "plain", "argmax"), ("something", "a", "argmax")]
    table = inference.levels(runs, shown).set_index("strategy")
    assert list(table.index) == ["nothing", "something"]
    assert table["origins"].tolist() == [7, 7]
    assert table["minority_recall"].tolist() == pytest.approx(
        [(6 * 0.5 + 0.1) / 7, (6 * 0.9 + 0.1) / 7]
    )


def test_parts_are_never_put_together():
    runs = study({"a": HELPS}, learners=("logreg", "hgb"))
    runs["group"] = np.where(runs["learner"] == "hgb", "strong", "weak")
    runs.loc[runs["group"] == "strong", "macro_f1"] = 0.5
    table = inference.all_verdicts(inference.gains(runs))
    part = table[table["outcome"] == "macro-F1"].set_index("group")
    assert part["mean"].to_dict() == pytest.approx({"weak": 0.045, "strong": 0.0})
    assert part["p_holm"]["weak"] == part["p"]["weak"]  # one strategy in either part


def test_logit_adjustment_is_a_rule_of_its_own_under_any_rule():
    """Tuned on top of it, it would be plain tuned; what it gives at argmax is what it gives."""
    runs = study({"a": [0.1] * 8}, metrics=("balanced_accuracy",))
    tuned = (runs["strategy"] == "plain") & (runs["rule"] == "tuned_balanced_accuracy")
    runs.loc[tuned, "balanced_accuracy"] = 0.58
    free = runs[runs["strategy"] == "plain"].assign(
        family="posthoc", strategy="logit_adjustment", label="logit_adjustment",
        control="plain", role="remedy",
    )  # fmt: skip
    free.loc[free["rule"] == "argmax", "balanced_accuracy"] = 0.55
    gained = inference.gains(pd.concat([runs, free], ignore_index=True))
    table = inference.verdicts(gained, "balanced accuracy").set_index("label")
    assert table.loc["logit_adjustment", "mean"] == pytest.approx(0.55 - 0.58)
    assert table.loc["a", "free"] == pytest.approx(0.6 - 0.55)
    found = inference.against(pd.concat([runs, free]), "logit adjustment", ["balanced_accuracy"])
    of_a = found.loc[found["label"] == "a", "balanced_accuracy"]
    assert of_a.unique() == pytest.approx([0.6 - 0.55])


def test_ranks_show_logit_adjustment_as_it_comes(monkeypatch):
    """Not with a cut-off tuned on top of it, with which it would be plain once more."""
    shown = {}
    monkeypatch.setattr(
        study_plots, "critical_difference", lambda table, title: shown.update({title: table})
    )
    runs = study(metrics=("balanced_accuracy",))
    free = runs[(runs["strategy"] == "helps")].assign(
        family="posthoc", strategy="logit_adjustment", label="logit_adjustment"
    )
    free["balanced_accuracy"] = free["rule"].map({"argmax": 0.55}).fillna(0.9)
    study_plots.ranks(pd.concat([runs, free], ignore_index=True), "logreg")
    assert shown["logreg"]["logit_adjustment"].tolist() == pytest.approx([0.55] * 8)
    assert {*shown["logreg"]} == {"plain", "logit_adjustment", *EFFECTS}


def test_a_bar_of_critical_differences_is_drawn_the_same_in_every_process():
    """From its lowest rank to its highest, not in the order of a set."""
    rng = np.random.default_rng(0)
    values = rng.normal([0, 0, 0, 0, 3, 3], size=(12, 6))
    names = [f"strategy_{i}" for i in range(6)]
    table = pd.DataFrame(values, columns=names)
    figure = study_plots.critical_difference(table, "tree")
    bars = [line.get_xydata() for line in figure.axes[0].lines if line.get_linewidth() == 2.4]
    mean = table.rank(axis=1, ascending=False).mean()
    alike = mean[names[:4]]
    assert (alike.min(), alike.max()) in {tuple(bar[:, 0]) for bar in bars}
    assert all(bar.shape == (2, 2) and bar[0, 1] == bar[1, 1] for bar in bars)


def test_what_saw_fewer_labels_is_not_held_against_the_untreated_learner():
    runs = study({"a": [0.1] * 8}, metrics=("macro_f1",))
    few = runs[runs["strategy"] == "a"].assign(
        family="semi_supervised", strategy="few", label="few", control="fewer"
    )
    table = inference.families_against_plain(pd.concat([runs, few]), ["macro_f1"])
    assert set(table["family"]) == {"weighting"}


def test_a_mixed_model_without_a_solution_is_left_blank(monkeypatch):
    import statsmodels.formula.api as smf

    def singular(*arguments, **more):
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(smf, "mixedlm", singular)
    table = inference.hierarchical(inference.gains(study({"a": NOISE})), "macro-F1")
    assert table["origins"].tolist() == [8] and table["estimate"].isna().all()


def test_one_row_of_each_origin_says_nothing_of_the_spread_within():
    """As of a loss that one network alone takes: the model's interval would have no width."""
    one = study({"a": NOISE}, learners=("mlp",), splits=2)
    table = inference.hierarchical(inference.gains(one), "macro-F1")
    assert table["origins"].tolist() == [8] and table[["estimate", "low"]].isna().all(axis=None)
    two = study({"a": NOISE}, learners=("mlp", "tree"), splits=2)
    assert inference.hierarchical(inference.gains(two), "macro-F1")["low"].notna().all()


def test_what_is_not_primary_has_no_verdict_and_ensembles_are_not_held_against_free_adjustment():
    runs = study(metrics=("macro_f1", "balanced_accuracy"))
    free = runs[runs["strategy"] == "plain"].assign(
        family="posthoc", strategy="logit_adjustment", label="logit_adjustment", control="plain"
    )
    runs = pd.concat([runs, free], ignore_index=True)
    runs["primary"] = runs["strategy"] != "noise"
    runs.loc[runs["strategy"] == "helps", "family"] = "ensemble"
    gained = inference.gains(runs)
    table = inference.verdicts(gained, "macro-F1")
    assert "noise" not in set(table["label"]) and {"helps", "equal"} <= set(table["label"])
    of_trees = gained["family"] == "ensemble"
    assert gained.loc[of_trees, "over_free"].isna().all()
    assert gained.loc[~of_trees, "over_free"].notna().any()
