"""The answer of a study small enough to be worked out by hand, number by number.

Three data sets, two learners, two splits. `plain` reaches this macro-F1 at argmax, minus 0.02 on
split 0 and plus 0.02 on split 1, and when tuned as much more as stands in the last column:

             logreg  tree  tuned
    alpha      0.50  0.40  +0.04
    beta       0.60  0.50  +0.05
    gamma      0.70  0.60  +0.06

The others lie as far from it as STRATEGIES says, everywhere the same, except that
- `swings` lies from its control `forest` as far as SWINGS says, and failed once, timed out once;
- `forest` is marked as a control, so that nothing counts it as one that helps;
- `cut` is a decision rule: the labels of `plain` when tuned, its probabilities; so it ties there;
- `steady`, `harmful` and `swings` are primary strategies;
- `harmful` does not apply to gamma with tree, and `rare` not to gamma.
"""

import json

import made_up
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from imbbench import config
from imbbench.analysis import answer as study_answer
from imbbench.analysis import inference, plots, prose, statistics, tables
from imbbench.bench.metrics import RECALLS
from imbbench.bench.rows import Outcome, save
from imbbench.cli import ANSWER, ANSWER_END, FIGURE, main
from imbbench.errors import StudyError

PLAIN = {
    "alpha": {"logreg": 0.50, "tree": 0.40, "tuned": 0.04},
    "beta": {"logreg": 0.60, "tree": 0.50, "tuned": 0.05},
    "gamma": {"logreg": 0.70, "tree": 0.60, "tuned": 0.06},
}
# family, control; minus plain: macro-F1 at argmax and tuned, balanced accuracy at argmax and tuned,
# average precision, log loss, Brier score, ECE
STRATEGIES = {
    "plain": ("reference", "", 0, 0, 0, 0, 0, 0, 0, 0),
    "forest": ("ensemble", "plain", 0.2, 0.2, 0.2, 0.2, 0.1, -0.05, -0.02, -0.01),
    "steady": ("weighting", "plain", 0.1, 0.02, 0.15, 0.01, 0.03, 0.04, 0.01, -0.02),
    "harmful": ("loss", "plain", -0.06, -0.08, -0.01, -0.03, -0.04, 0.2, 0.05, 0.06),
    "rare": ("loss", "plain", 0.3, 0.3, 0.3, 0.3, 0.2, -0.1, -0.04, -0.03),
    "swings": ("ensemble", "forest", 0.2, 0.18, 0.2, 0.2, 0.08, -0.05, -0.02, -0.01),
    "cut": ("posthoc", "plain", 0, 0, 0, 0, 0, 0, 0, 0),
}
# swings minus forest: macro-F1 at argmax of logreg and tree on either split, and the Brier score
SWINGS = {
    "alpha": {"logreg": [0.02, 0.04], "tree": [-0.05, "failed"], "brier": -0.02},
    "beta": {"logreg": [0.08, "timed out"], "tree": [0.04, 0.04], "brier": 0.01},
    "gamma": {"logreg": [0.03, 0.05], "tree": [-0.02, 0.10], "brier": 0.04},
}
# recall and precision of the larger and the smaller class at argmax, minus those of plain
PER_CLASS = {
    "forest": (0.02, 0.02, 0.02, 0.02),
    "steady": (-0.1, 0.2, 0.05, -0.3),
    "rare": (0.04, 0, 0, 0.08),
}
LEARNERS = ["logreg", "tree"]
FAMILIES = ["reference", "weighting", "loss", "ensemble", "posthoc"]


def why_not(dataset, learner, strategy, split):
    """Status of a cell that has no score."""
    if strategy == "swings" and isinstance(SWINGS[dataset][learner][split], str):
        return SWINGS[dataset][learner][split]
    left_out = (strategy == "harmful" and learner == "tree") or strategy == "rare"
    return "not applicable" if dataset == "gamma" and left_out else None


def cell(dataset, learner, strategy, split):
    """Rows of one cell."""
    family, control, f1, f1_tuned, accuracy, accuracy_tuned, ap, loss, brier, ece = STRATEGIES[
        strategy
    ]
    place = (dataset, learner, family, strategy, split)
    status = why_not(*place[:2], strategy, split)
    if status:
        return [made_up.row(*place, "", control, status=status, reason=f"a reason: {status}")]
    if strategy == "swings":
        f1 += SWINGS[dataset][learner][split]
        brier += SWINGS[dataset]["brier"]
    if strategy == "rare" and learner == "tree":
        f1_tuned = 0.2
    start = PLAIN[dataset][learner] + (0.02 if split else -0.02)
    tuned = start + PLAIN[dataset]["tuned"]
    shared = {"average_precision": (0.3 if learner == "logreg" else 0.2) + ap}
    shared |= {"log_loss": 0.5 + loss, "brier": 0.2 + brier, "ece": 0.1 + ece}
    recalls = PER_CLASS.get(strategy, (0, 0, 0, 0))
    found = {
        "argmax": {"macro_f1": start + f1, "balanced_accuracy": start + 0.1 + accuracy},
        # What a rule is not tuned for is nobody's business.
        "tuned_macro_f1": {"macro_f1": tuned + f1_tuned, "balanced_accuracy": 0.01},
        "tuned_balanced_accuracy": {
            "macro_f1": 0.02,
            "balanced_accuracy": tuned + 0.1 + accuracy_tuned,
        },
    }
    kinds = ("recall_0", "recall_1", "precision_0", "precision_1")
    found["argmax"] |= {kind: 0.5 + more for kind, more in zip(kinds, recalls, strict=True)}
    if strategy == "cut":
        found = {"own": {"macro_f1": tuned, "balanced_accuracy": tuned + 0.1}}
    rows = [made_up.row(*place, rule, control, **shared, **found[rule]) for rule in found]
    return [{k: round(v, 6) if isinstance(v, float) else v for k, v in r.items()} for r in rows]


def write(root):
    """params.yaml and every table below ``root``."""
    entries = {family: {} for family in FAMILIES}
    for name, (family, control, *_) in STRATEGIES.items():
        entries[family][name] = {"control": control} if control else {}
    entries["posthoc"]["cut"]["threshold"] = 0.3
    entries["ensemble"]["forest"]["role"] = "control"
    for family, name in (("weighting", "steady"), ("loss", "harmful"), ("ensemble", "swings")):
        entries[family][name]["primary"] = True
    made_up.write_params(root, list(PLAIN))
    params = json.loads((root / "params.yaml").read_text())
    params |= {"families": FAMILIES, "strategies": entries}
    (root / "params.yaml").write_text(json.dumps(params))
    for dataset in PLAIN:
        for family, names in entries.items():
            cells = [(m, s, i) for m in LEARNERS for s in names for i in (0, 1)]
            rows = [row for m, s, i in cells for row in cell(dataset, m, s, i)]
            table = pd.DataFrame(rows).drop(columns=["label", "role"])
            seconds = {"plain": 2.0, "forest": 3.0, "steady": 1.0, "rare": 20.0}
            times = table.drop_duplicates(["learner", "strategy", "split"])
            times = times[["dataset", "learner", "family", "strategy", "split", "status"]]
            times = times.assign(fit_seconds=times["strategy"].map(seconds).fillna(4.0))
            times["cpu_seconds"] = 6.0  # what does not apply is not counted
            curves = table.loc[table["status"] == "ok", ["learner", "strategy"]].drop_duplicates()
            steep = curves["strategy"].map({"plain": 0.5, "steady": 0.4}).fillna(0.2)
            for r in RECALLS:  # straight lines from 1 down to half, .6 and .8
                curves[f"precision_at_{r:.2f}"] = 1 - steep * r
            loop = {"cells": len(times), "cores": 2, "loop_seconds": 10.0, "cpu_seconds": 18.0}
            loop["fitted"] = len(times)
            stage = {"stage_seconds": 16.0, "encode_seconds": 1.0}
            if (dataset, family) == ("beta", "ensemble"):
                loop |= {"loop_seconds": 40.0, "cpu_seconds": 60.0}
                stage = {"stage_seconds": 50.0, "encode_seconds": 2.0}
            save(Outcome(table, times, curves, loop | stage), "results", dataset, family)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMBBENCH_ROOT", str(folder))
        write(folder)
        yield folder


@pytest.fixture(scope="module")
def runs(root):
    return tables.load_runs(config.load())


@pytest.fixture(scope="module")
def saved(root, runs):
    """Folder of what the study's notebook saves."""
    study = config.load()
    study_answer.save(inference.described(study, runs), tables.load_loops(study), "results")
    return root / "results"


@pytest.fixture(scope="module")
def board(runs):
    return tables.leaderboard(runs)


@pytest.fixture(scope="module")
def treated(runs):
    found = statistics.paired_differences(runs)
    return statistics.remedies(found)


@pytest.fixture(scope="module")
def answer(saved):
    return (saved / "tables/answer.md").read_text(encoding="utf-8")


def columns(saved, names):
    """Columns of the committed leaderboard, a line per strategy, - where nothing stands."""
    board = pd.read_csv(saved / "tables/leaderboard.csv", dtype=str, keep_default_na=False)
    table = board[["label", *names.split()]].replace("", "-")
    return [" ".join(row) for row in table.itertuples(index=False)]


def test_leaderboard_counts(saved):
    """Of 12 cells of a strategy 2 or 4 have no score; best mean rank first."""
    assert columns(saved, "family control role datasets cells unscored") == [
        "rare loss plain remedy 2 8 4",
        "steady weighting plain remedy 3 12 0",
        "forest ensemble plain control 3 12 0",
        "cut posthoc plain remedy 3 12 0",
        "swings ensemble forest remedy 3 10 2",
        "plain reference - control 3 12 0",
        "harmful loss plain remedy 3 10 2",
    ]


def test_leaderboard_ranks(saved):
    """Ensembles are ranked among themselves. Of cut: third of five (50) on alpha and beta, on
    gamma, without rare, second of four (33.3333) and, without harmful, of three (50): mean 47.2222.
    Of plain, which ties with cut when tuned: 62.5 four times, 50, 75.
    Of swings and forest one is 0 and one 100; swings is ahead with logreg, behind with tree on
    alpha, ahead on beta, and on gamma once: (0 + 100 + 0 + 0 + 0 + 50) / 6 = 25, without splits
    where it has no score. Its Brier score is ahead on alpha only.
    """
    names = "macro_f1_argmax macro_f1_tuned balanced_accuracy_argmax balanced_accuracy_tuned"
    names += " average_precision"
    assert columns(saved, "rank " + " ".join(f"rank_{name}" for name in names.split())) == [
        "rare 0.0 0.0 0.0 0.0 0.0 0.0",
        "steady 16.6667 16.6667 16.6667 16.6667 16.6667 16.6667",
        "forest 35.0 75.0 0.0 50.0 50.0 0.0",
        "cut 56.3889 47.2222 62.5 47.2222 62.5 62.5",
        "swings 65.0 25.0 100.0 50.0 50.0 100.0",
        "plain 68.6111 77.7778 62.5 77.7778 62.5 62.5",
        "harmful 100.0 100.0 100.0 100.0 100.0 100.0",
    ]
    assert columns(saved, "rank_log_loss rank_brier rank_ece") == [
        "rare 0.0 0.0 0.0",
        "steady 77.7778 77.7778 16.6667",
        "forest 50.0 33.3333 50.0",
        "cut 31.9444 31.9444 62.5",
        "swings 50.0 66.6667 50.0",
        "plain 31.9444 31.9444 62.5",
        "harmful 100.0 100.0 100.0",
    ]


def test_leaderboard_differences_in_macro_f1(saved):
    """Of swings at argmax: (0.03 - 0.05) / 2 = -0.01 on alpha, (0.08 + 0.04) / 2 = 0.06 on beta,
    (0.04 + 0.04) / 2 = 0.04 on gamma; mean 0.03, standard deviation 0.036056, so the interval is
    0.03 -+ 4.302653 * 0.036056 / sqrt(3) = 0.03 -+ 0.089567. Five of six pairs are above zero.
    Of cut: 0.04, 0.05 and 0.06; 0.05 -+ 4.302653 * 0.01 / sqrt(3) = 0.05 -+ 0.024841.
    """
    for rule, lines in {
        "argmax": [
            "rare 0.3 - - 1.0",
            "steady 0.1 0.1 0.1 1.0",
            "forest 0.2 0.2 0.2 1.0",
            "cut 0.05 0.0252 0.0748 1.0",
            "swings 0.03 -0.0596 0.1196 0.8333",
            "plain - - - -",
            "harmful -0.06 -0.06 -0.06 0.0",
        ],
        "tuned": [
            "rare 0.25 - - 1.0",
            "steady 0.02 0.02 0.02 1.0",
            "forest 0.2 0.2 0.2 1.0",
            "cut 0.0 0.0 0.0 0.0",
            "swings -0.02 -0.02 -0.02 0.0",
            "plain - - - -",
            "harmful -0.08 -0.08 -0.08 0.0",
        ],
    }.items():
        name = f"macro_f1_{rule}"
        assert columns(saved, f"{name} {name}_low {name}_high {name}_wins") == lines


def test_leaderboard_differences_in_the_other_metrics(saved):
    """The Brier score of swings: -0.02, 0.01 and 0.04; 0.01 -+ 4.302653 * 0.03 / sqrt(3)."""
    assert columns(saved, "balanced_accuracy_argmax balanced_accuracy_tuned average_precision") == [
        "rare 0.3 0.3 0.2",
        "steady 0.15 0.01 0.03",
        "forest 0.2 0.2 0.1",
        "cut 0.05 0.0 0.0",
        "swings 0.0 0.0 -0.02",
        "plain - - -",
        "harmful -0.01 -0.03 -0.04",
    ]
    assert columns(saved, "log_loss log_loss_wins brier_low brier brier_high brier_wins ece") == [
        "rare -0.1 1.0 - -0.04 - 1.0 -0.03",
        "steady 0.04 0.0 0.01 0.01 0.01 0.0 -0.02",
        "forest -0.05 1.0 -0.02 -0.02 -0.02 1.0 -0.01",
        "cut 0.0 0.0 0.0 0.0 0.0 0.0 0.0",
        "swings 0.0 0.0 -0.0645 0.01 0.0845 0.3333 0.0",
        "plain - - - - - - -",
        "harmful 0.2 0.0 0.05 0.05 0.05 0.0 0.06",
    ]


def test_headline_numbers(saved):
    """Balanced accuracy at argmax: steady +.15 and cut +.04, .05, .06 are clearly better, harmful
    -.01 is worse; rare, +.3 on two origins, has no interval; the median of .15, -.01, .3, 0 and .05
    is .05. Macro-F1 tuned: .02; -.08 and -.02; .25; 0. Gains in the Brier score: -.01, -.05; swings
    -.01 with a wide interval; .04; 0. Of the primary strategies' balanced accuracy tuned .01 and
    -.03 the median is -.01, of their macro-F1 .02 and -.08 -.03, of their average precision .03 and
    -.04 -.005. Processor seconds: 78 * 6 = 468, in the loops 14 * 10 + 40 = 180 on two cores, of
    which 14 * 18 + 60 = 312 were used, in the stages 274.
    """
    moved = {"mean": 0.05, "low": 0.0252, "high": 0.0748}
    both = {"balanced_accuracy": moved, "macro_f1": moved}

    def undecided(count, median):
        counts = {"helps": 0, "harms": 0, "equivalent": 0, "undecided": count}
        rest = {"helping": {}, "median": median, "median_smallest": None, "adding": []}
        return {"strategies": count, "origins": 3, **counts, **rest}

    assert json.loads((saved / "study.json").read_text()) == {
        "datasets": 3,
        "origins": 3,
        "core_origins": 3,
        "learners": 2,
        "strategies": 5,
        "cells": 84,
        "cells_by_status": {"ok": 76, "not applicable": 6, "failed": 1, "timed out": 1},
        "smallest_difference_counted": 0.005,
        "panels": {
            "balanced accuracy": {
                "strategies": 5, "better": 2, "worse": 1,
                "best": "rare", "best_gain": 0.3, "median": 0.05, "below_moved": 2,
            },
            "macro-F1": {
                "strategies": 5, "better": 1, "worse": 2,
                "best": "rare", "best_gain": 0.25, "median": 0.0, "below_moved": None,
            },
            "Brier score": {
                "strategies": 5, "better": 0, "worse": 2,
                "best": "rare", "best_gain": 0.04, "median": -0.01, "below_moved": None,
            },
        },
        "moved": {"all": both, "weak": both},
        "verdicts": {
            "weak": {
                "balanced accuracy": undecided(2, -0.01),
                "macro-F1": undecided(2, -0.03),
                "average precision": undecided(2, -0.005),
            },
            "ensembles of trees": {
                "balanced accuracy": undecided(1, 0.0),
                "macro-F1": undecided(1, -0.02),
                "average precision": undecided(1, -0.02),
            },
        },
        "running": {
            "run_stages": 15,
            "utilisation": 0.8667,
            "cores": 2,
            "cpu_minutes": 7.8,
            "loop_minutes": 3.0,
            "stage_minutes": 4.5667,
            "overhead_seconds_median": 5.0,
            "overhead_seconds_max": 8.0,
        },
    }  # fmt: skip


ANSWERED = """\
**First move the cut-off of your learner to where it finds what you need.**

- **To find more of the minority**, move the cut-off (the probability from which on a case counts \
as one of it), without a new fit: balanced accuracy on tables +0.050 [+0.025, +0.075] with weak \
learners. At the default cut-off 2 of 5 remedies raise it, each over all learners and data that it \
is run on, 1 lower it, and 2 do less than the +0.050 that the moved cut-off gains over all of \
them; the median of the remedies changes it by +0.050.
- **When both may move their cut-off**, 1 of 5 remedies raise macro-F1 and 2 lower it; the largest \
gain is +0.250 (`rare`).
- **If the probabilities matter**, leave the data alone: 2 of 5 remedies make the Brier score \
worse, 0 better.
- **With weak learners (linear, one tree, small network)**, of 2 primary strategies on 3 tables: \
in balanced accuracy none helps, 2 undecided; in macro-F1 none helps, 2 undecided; in average \
precision none helps, 2 undecided.
- **With ensembles of trees, against plain ones of the same size**, of 1 primary strategy on 3 \
tables: in balanced accuracy none helps, 1 undecided; in macro-F1 none helps, 1 undecided; in \
average precision none helps, 1 undecided.
- Counted is what differs by 0.005 or more with a 95 % interval clear of zero, over 3 origins of \
core data: neither trivial nor without signal, and tested on the class shares of training. (Tables \
cut from one are one origin; a remedy is any strategy that is no control, ablation, calibrator or \
placebo; the primary ones were named beforehand.) In \
all there are 3 origins, 3 data sets, 2 learners and 5 remedies. That a primary strategy helps or \
harms is corrected for their number (Holm), that it changes less is not.
- 76 of 84 cells have a score, 6 do not apply or were left out for their cost, 2 failed or timed \
out, each with its reason; 8 minutes of processor time.
"""


@pytest.mark.parametrize("folder", ["results", "results/wide"])
def test_the_answer_and_the_readme(root, answer, folder, tmp_path, monkeypatch):
    """The wide study's, which rests on more data sets, where it is there."""
    assert answer == ANSWERED
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    for place, text in {"results": "Former.\n\nTable.\n", folder: answer}.items():
        (tmp_path / place / "tables").mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "tables/answer.md").write_text(text)
        (tmp_path / place / "study.json").write_text("{}")
    made_up.write_params(tmp_path, ["one"])
    readme = tmp_path / "README.md"
    readme.write_text(f"# Before\n\n{ANSWER}\nan old answer\n{ANSWER_END}\n\nAfter\n")
    assert main(["readme"]) == 0
    advice, table = ANSWERED.split("\n\n")
    figure = FIGURE.format(folder=folder)
    assert f'src="{folder}/figures/headline.svg"' in figure
    assert readme.read_text(encoding="utf-8") == (
        f"# Before\n\n<!-- answer: written by `make report` -->\n{advice}\n\n{figure}\n\n{table}"
        "<!-- /answer -->\n\nAfter\n"
    )


def test_verdicts_in_words(saved):
    numbers = json.loads((saved / "study.json").read_text())
    one = numbers["verdicts"]["weak"]["balanced accuracy"]
    one |= {"strategies": 9, "helps": 1, "harms": 1, "equivalent": 1, "undecided": 6}
    one |= {"helping": {"rare": "common"}, "median_smallest": 0.0214}
    two = numbers["verdicts"]["weak"]["macro-F1"]
    two |= {"strategies": 9, "helps": 2, "harms": 4, "equivalent": 3, "undecided": 0}
    two |= {"helping": {"rare": "common", "b": "plain"}}
    (said,) = (line for line in study_answer.sentences(numbers).splitlines() if "With weak" in line)
    assert said == (
        "- **With weak learners (linear, one tree, small network)**, of 9 primary strategies on 3 "
        "tables: in balanced accuracy 1 helps (`rare` beside `common`), 1 harms, 1 changes less "
        "than .01, 6 undecided; in macro-F1 2 help (`rare` beside `common`, `b`), 4 harm, 3 change "
        "less than .01; in average precision none helps, 2 undecided. A difference of 0.021 in "
        "balanced accuracy would be seen (the median of these strategies)."
    )


def test_what_is_advised_hangs_on_the_strong_learners_verdicts(saved):
    numbers = json.loads((saved / "study.json").read_text())
    of = {"strategies": 20, "adding": list("abcde")}
    numbers["verdicts"]["strong"] = {"balanced accuracy": of, "macro-F1": {**of, "adding": ["a"]}}
    assert study_answer.advice(numbers) == (
        "**First move the cut-off of your learner to where it finds what you need: 5 of 20 "
        "remedies are shown to add to that with strong learners.**"
    )
    for adding, words in (([], "none of 20 remedies is shown"), (["a"], "1 of 20 remedies is")):
        other = {"verdicts": {"strong": {"macro-F1": of | {"adding": adding}}}}
        assert f": {words}" in study_answer.advice(other)
    of["adding"].append("f")
    assert study_answer.advice(numbers) == (
        "**Treat the imbalance: 6 of 20 remedies raise the balanced accuracy of strong learners "
        "beyond what moving their cut-off does.**"
    )


def test_a_verdict_that_the_steps_turn_says_so():
    row = {"label": "a", "control": "plain", "origins": 8, "mean": 0.02, "low": 0.01, "high": 0.03}
    row |= {"p_holm": 0.01, "smallest": 0.01, "verdict": "helps", "turned": ""}
    rows = pd.DataFrame([row, {**row, "verdict": "undecided", "turned": "minilm_head mlp"}])
    assert study_answer.verdict_table(rows, "macro-F1")["verdict"].tolist() == [
        "helps",
        "undecided: the steps turn `minilm_head`, `mlp`",
    ]


def test_what_helps_beside_a_control_of_its_own_need_not_add_to_a_moved_cut_off():
    """`early` is .1 above its control, which is .2 below plain; `good` is .05 above plain."""
    rows, of = [], {"plain": (0.6, ""), "good": (0.65, "plain"), "low": (0.4, "plain"),
                    "early": (0.5, "low")}  # fmt: skip
    for i in range(8):
        for rule in ("argmax", "tuned_macro_f1", "tuned_balanced_accuracy"):
            for name, (value, control) in of.items():
                family = "reference" if name == "plain" else "undersampling"
                scores = dict.fromkeys(("balanced_accuracy", "macro_f1"), value + 0.001 * i * i)
                place = {"rule": rule, "control": control, **scores}
                rows.append(made_up.row(f"d{i}", "hgb", family, name, **place))
    runs = pd.DataFrame(rows)
    runs["macro_f1"] += (runs["strategy"] != "plain") * runs["dataset"].str[1:].astype(int) / 1e4
    runs = runs.assign(origin=runs["dataset"], stratum="core", prior="as in training")
    runs = runs.assign(group="strong", primary=runs["strategy"].isin(["good", "early"]), turned="")
    loops = pd.DataFrame({name: [1.0] for name in
                          ("cpu_seconds", "cell_seconds", "cores", "loop_seconds",
                           "stage_seconds", "overhead_seconds")})  # fmt: skip
    found = study_answer.numbers(runs, loops)["verdicts"]["strong"]["macro-F1"]
    assert found["helping"] == {"early": "low", "good": "plain"}
    assert found["adding"] == ["good"]


def test_a_study_without_remedies_has_no_answer(root, runs):
    study = config.load()
    plain = inference.described(study, runs[runs["family"] == "reference"])
    with pytest.raises(StudyError, match="nothing to compare"):
        study_answer.numbers(plain, tables.load_loops(study))


def test_saving_again_writes_the_same_bytes(saved, runs):
    study = config.load()
    files = sorted(p for p in saved.rglob("*") if p.is_file() and p.parent.name != "runs")
    before = {path: path.read_bytes() for path in files}
    study_answer.save(inference.described(study, runs), tables.load_loops(study), "results")
    assert {path: path.read_bytes() for path in files} == before
    texts = [content for path, content in before.items() if path.suffix != ".gz"]
    assert not any(b"\r" in content for content in texts)


def test_results_of_two_protocols_are_never_put_together(runs):
    made = runs.assign(made_from="0123456789ab")
    former = made["dataset"] == "beta"
    made.loc[former, "made_from"] = np.nan
    with pytest.raises(StudyError, match=r"'beta' .* run of a former protocol"):
        inference.described(config.load(), made)


def test_what_the_number_of_steps_turns_is_marked_on_the_learner(runs, monkeypatch):
    found = {("tree", "loss", "harmful"): "macro_f1 balanced_accuracy"}
    monkeypatch.setattr(inference, "turned_by_steps", lambda: found)
    gained = inference.gains(inference.described(config.load(), runs))
    marked = gained[gained["turned"] != ""]
    assert set(zip(marked["learner"], marked["family"], marked["strategy"], strict=True)) == set(
        found
    )
    assert set(marked["turned"]) == set(found.values())
    tree = (gained["learner"] == "tree") & (gained["strategy"] == "harmful")
    assert len(marked) == tree.sum()


def test_the_title_of_the_headline_figure(saved):
    assert study_answer.title(json.loads((saved / "study.json").read_text())) == (
        "At the default cut-off 2 of 5 remedies raise balanced accuracy; to move the cut-off of "
        "the untreated learner does more than 2 of them. When both may move it, 1 gain and 2 lose; "
        "2 make the probabilities worse."
    )


def test_tables_of_the_parts_have_every_column_that_the_dictionary_explains(saved):
    found = sorted(path.name for path in (saved / "tables/subsets").iterdir())
    assert found == ["tabular-core-ensembles_of_trees.csv", "tabular-core-weak.csv"]
    explained = (saved / "tables/README.md").read_text(encoding="utf-8")
    for name in found:
        table = pd.read_csv(saved / "tables/subsets" / name)
        assert [f"| `{column}` |" in explained for column in table] == [True] * table.shape[1]
    weak = pd.read_csv(saved / "tables/subsets/tabular-core-weak.csv").set_index(
        ["label", "outcome"]
    )
    row = weak.loc[("steady", "balanced_accuracy argmax")]
    assert row[["origins", "datasets", "mean", "wins"]].tolist() == [3, 3, pytest.approx(0.15), 1.0]
    assert weak.loc[("harmful", "brier"), "mean"] == pytest.approx(-0.05)
    judged = pd.read_csv(saved / "tables/verdicts.csv")
    assert set(judged["label"]) == {"steady", "harmful", "swings"}
    assert set(judged["verdict"]) == {"undecided"}


def test_the_leaderboard_for_reading(board):
    assert prose.markdown(prose.top(board)).splitlines()[2:] == [
        "| `steady` | 3 | 17 | **+0.100±0.000** | **+0.020±0.000** | **+0.150±0.000** "
        "| **+0.030±0.000** | +0.010±0.000 |",
        "| `cut` | 3 | 56 | **+0.050±0.025** | +0.000±0.000 | **+0.050±0.025** | +0.000±0.000 "
        "| +0.000±0.000 |",
        "| `swings` | 3 | 65 | +0.030±0.090 | -0.020±0.000 | +0.000±0.000 | -0.020±0.000 "
        "| +0.010±0.075 |",
        "| `harmful` | 3 | 100 | -0.060±0.000 | -0.080±0.000 | -0.010±0.000 | -0.040±0.000 "
        "| +0.050±0.000 |",
    ]


def test_the_summary(saved):
    """Of the weak learners; cut ties when both are tuned, swings is an ensemble."""
    assert study_answer.summary("balanced_accuracy", "weak").splitlines()[:11] == [
        "3 data sets of 3 origins, 2 learners, 5 remedies, 84 cells (76 ok, 6 not applicable, 1 "
        "failed, 1 timed out)",
        "",
        "First move the cut-off of your learner to where it finds what you need.",
        "",
        "balanced accuracy, gain over the control, tabular data, weak learners, both cut-offs "
        "tuned",
        "strategy  origins    gain  95 % interval",
        "rare            2  +0.300",
        "steady          3  +0.010  [+0.010, +0.010]",
        "cut             3  +0.000  [+0.000, +0.000]",
        "harmful         3  -0.030  [-0.030, -0.030]",
        "",
    ]
    assert study_answer.summary("brier", "ensembles", count=1).splitlines()[6:8] == [
        "swings          3  -0.010  [-0.085, +0.065]",
        "",
    ]
    with pytest.raises(StudyError, match=r"tabular-core-strong\.csv is missing: run `dvc repro"):
        study_answer.summary()


def test_cells_without_a_score_and_the_cost_of_running(root, runs):
    assert prose.markdown(prose.unscored(runs)).splitlines()[2:] == [
        "| not applicable | a reason: not applicable | rare, harmful | logreg, tree | gamma | 6 |",
        "| failed | a reason: failed | swings | tree | alpha | 1 |",
        "| timed out | a reason: timed out | swings | logreg | beta | 1 |",
    ]
    loops = tables.load_loops(config.load())
    assert prose.markdown(prose.running(loops)).splitlines()[5:] == [
        "| ensemble | 3 | 24 | 1 | 80 | 6 |",
        "| posthoc | 3 | 12 | 0.5 | 90 | 5 |",
        "| **all** | 15 | 84 | 3 | 87 | 5.2 |",
    ]


FLATTERED = "(The best of many on the same test rows is flattered.)"


def test_sentences_on_a_data_set(runs):
    """On alpha ten pairs: steady, cut and rare clearly better with both learners, swings with one
    (0.03, standard deviation 0.0141; the other has a single split). On gamma swings with tree is
    no clear one (0.04, standard deviation 0.0849), on beta with logreg (0.08 on a single split).
    What has a split less than others of its learner is no best one: nine and seven are left.
    """
    assert prose.dataset_conclusion(runs[runs["dataset"] == "alpha"], "few") == (
        "- Best of 9 combinations of learner and strategy: `logreg` with `rare` at the moved "
        "cut-off, macro-F1 0.840. It finds 50 of 100 rows of `few`; of 100 that it flags 50 are "
        f"right. {FLATTERED}\n"
        "- Untreated, `logreg` finds at the default cut-off 50 of 100, and of 100 that it flags "
        "50 are right (macro-F1 0.500); at the moved cut-off 50 of 100, and of 100 that it flags "
        "50 are right (macro-F1 0.540).\n"
        "- Moving the cut-off alone changes the macro-F1 of `plain` by +0.040 on average over "
        "learners.\n"
        "- **Of 10 pairs of learner and strategy, 7 beat their control in macro-F1 by more than "
        "one standard deviation over splits at the default cut-off, 4 of 10 when both may move "
        "it.** Largest mean difference over learners: `rare` (+0.300) at the default and `rare` "
        "(+0.250) at the moved cut-off.\n"
        "- 2 of 5 strategies make the probabilities worse (Brier score, by more than 0.005), most "
        "of all `harmful` (+0.050)."
    )
    gamma = prose.dataset_conclusion(runs[runs["dataset"] == "gamma"]).splitlines()
    assert gamma[0].startswith(
        "- Best of 7 combinations of learner and strategy: `logreg` with `swings` at the default "
        "cut-off, macro-F1 0.940. It finds 50 of 100 rows of the minority;"
    )
    assert gamma[2:] == [
        "- Moving the cut-off alone changes the macro-F1 of `plain` by +0.060 on average over "
        "learners.",
        "- **Of 7 pairs of learner and strategy, 5 beat their control in macro-F1 by more than "
        "one standard deviation over splits at the default cut-off, 2 of 7 when both may move "
        "it.** Largest mean difference over learners: `steady` (+0.100) at the default and "
        "`steady` (+0.020) at the moved cut-off.",
        "- 3 of 4 strategies make the probabilities worse (Brier score, by more than 0.005), most "
        "of all `harmful` (+0.050).",
    ]
    beta = prose.dataset_conclusion(runs[runs["dataset"] == "beta"]).splitlines()[3]
    assert beta.startswith("- **Of 10 pairs of learner and strategy, 7 beat their control")
    one = prose.dataset_conclusion(runs[(runs["dataset"] == "alpha") & (runs["split"] == 0)])
    assert one.splitlines()[3] == (
        "- **Run on one split: which differences are larger than chance it cannot say.** Largest "
        "mean difference over learners: `rare` (+0.300) at the default and `rare` (+0.250) at the "
        "moved cut-off."
    )


def test_sentences_on_a_family(runs):
    """Of rare and harmful with two learners rare gains at either cut-off; steady finds .2 more."""
    shown = runs[runs["family"].isin(["loss", "reference"])]
    alpha = prose.family_conclusion(shown[shown["dataset"] == "alpha"]).splitlines()
    assert alpha[0] == (
        "- **2 of 4 pairs of learner and strategy gain macro-F1 over their control at the default "
        "cut-off, 2 of 4 when both may move it**: gains of more than one standard deviation over "
        "splits. Probabilities get worse in 2 of 4 (Brier score, by more than 0.005)."
    )
    assert alpha[1].startswith("- Best of 4 combinations of learner and strategy: `logreg` with")
    assert alpha[2].startswith("- Untreated, `logreg` finds at the default cut-off 50 of 100")
    assert len(alpha) == 3
    gamma = prose.family_conclusion(shown[shown["dataset"] == "gamma"]).splitlines()
    assert gamma[0].startswith("- **0 of 1 pairs")
    assert gamma[-1] == "- Of 8 cells 6 have no score: 6 not applicable."


def test_recall_and_precision_are_told_as_cases_and_the_majority_stands_beside():
    base = {"macro_f1": 0.6, "recall_1": 0.25, "precision_1": 0.5}
    best = {"macro_f1": 0.8, "recall_1": 0.75, "precision_1": 0.4}
    rows = [made_up.row("d", "tree", "reference", "plain", control="", **base)]
    rows += [made_up.row("d", "tree", "posthoc", "cut", rule="own", **best)]
    rows += [made_up.row("d", "tree", "reference", "dummy", macro_f1=0.45, accuracy=0.9)]
    assert prose.in_numbers(pd.DataFrame(rows)).splitlines() == [
        "- Best of 1 combinations of learner and strategy: `tree` with `cut` at its own cut-off, "
        "macro-F1 0.800. It finds 75 of 100 rows of the minority; of 100 that it flags 40 are "
        f"right. {FLATTERED}",
        "- Untreated, `tree` finds at the default cut-off 25 of 100, and of 100 that it flags 50 "
        "are right (macro-F1 0.600).",
        "- Always saying the largest class is right in 90.0% of the rows and finds none of the "
        "minority (macro-F1 0.450).",
    ]


def test_what_is_clearly_better_than_its_control_is_bold(runs):
    """Two splits 0.04 apart have a standard deviation of 0.0283; swings with tree has one split.

    Controls come first, then what gains most in balanced accuracy when both are tuned.
    """
    found = prose.by_learner(prose.score_table(runs[runs["dataset"] == "alpha"]))
    first, second = found.split("\n\n`tree`:\n\n")
    assert first.splitlines() == [
        "`logreg`:",
        "",
        "| strategy | balanced accuracy, default | balanced accuracy, moved | macro-F1, moved | "
        "average precision | Brier score ↓ |",
        "| :--- | :--- | :--- | :--- | :--- | :--- |",
        "| `plain` | 0.600±0.028 | 0.640±0.028 | 0.540±0.028 | 0.300±0.000 | 0.200±0.000 |",
        "| `forest` | **0.800±0.028** | **0.840±0.028** | **0.740±0.028** | **0.400±0.000** | "
        "**0.180±0.000** |",
        "| `rare` | **0.900±0.028** | **0.940±0.028** | **0.840±0.028** | **0.500±0.000** | "
        "**0.160±0.000** |",
        "| `steady` | **0.750±0.028** | **0.650±0.028** | **0.560±0.028** | **0.330±0.000** | "
        "0.210±0.000 |",
        "| `swings` | 0.800±0.028 | 0.840±0.028 | 0.720±0.028 | 0.380±0.000 | **0.160±0.000** |",
        "| `cut` | **0.640±0.028** | 0.640±0.028 | 0.540±0.028 | 0.300±0.000 | 0.200±0.000 |",
        "| `harmful` | 0.590±0.028 | 0.610±0.028 | 0.460±0.028 | 0.260±0.000 | 0.250±0.000 |",
    ]
    assert "| `swings` | 0.680 | 0.720 | 0.600 | 0.280 | 0.160 |" in second.splitlines()


def test_a_clear_improvement_over_the_control_is_bold(runs):
    """The three that gain most macro-F1 when tuned; what a control has is no improvement."""
    alpha, gamma = (runs[runs["dataset"] == name] for name in ("alpha", "gamma"))
    assert prose.markdown(prose.difference_table(alpha, 3)).splitlines() == [
        "| learner | strategy | minus | balanced accuracy, default | macro-F1, moved | "
        "average precision | Brier score ↓ |",
        "| :--- | :--- | :--- | :--- | :--- | :--- | :--- |",
        "| logreg | `plain` itself |  | 0.600 | 0.540 | 0.300 | 0.200 |",
        "| logreg | `rare` | `plain` | **+0.300±0.000** | **+0.300±0.000** | **+0.200±0.000** | "
        "**-0.040±0.000** |",
        "| logreg | `steady` | `plain` | **+0.150±0.000** | **+0.020±0.000** | **+0.030±0.000** | "
        "+0.010±0.000 |",
        "| logreg | `cut` | `plain` | **+0.040±0.000** | +0.000±0.000 | +0.000±0.000 | "
        "+0.000±0.000 |",
        "| tree | `plain` itself |  | 0.500 | 0.440 | 0.200 | 0.200 |",
        "| tree | `rare` | `plain` | **+0.300±0.000** | **+0.200±0.000** | **+0.200±0.000** | "
        "**-0.040±0.000** |",
        "| tree | `steady` | `plain` | **+0.150±0.000** | **+0.020±0.000** | **+0.030±0.000** | "
        "+0.010±0.000 |",
        "| tree | `cut` | `plain` | **+0.040±0.000** | +0.000±0.000 | +0.000±0.000 | "
        "+0.000±0.000 |",
    ]
    found = prose.difference_table(gamma, 3, [("macro_f1", "argmax"), ("macro_f1", "tuned")])
    assert prose.markdown(found).splitlines()[6:] == [
        "| tree | `plain` itself |  | 0.600 | 0.660 |",
        "| tree | `steady` | `plain` | **+0.100±0.000** | **+0.020±0.000** |",
        "| tree | `cut` | `plain` | **+0.060±0.000** | +0.000±0.000 |",
        "| tree | `swings` | `forest` | +0.040±0.085 | -0.020±0.000 |",
    ]


def test_who_is_shown(runs, board):
    assert tables.leading(runs, 3) == ["rare", "steady", "forest"]
    alpha = runs[runs["dataset"] == "alpha"]
    assert tables.to_show(alpha) == ["plain", "rare", "steady", "cut", "harmful"]
    assert tables.to_show(alpha, 3) == ["plain", "rare", "steady"]
    assert tables.leaders(alpha) == ["rare", "steady"]  # swings lacks a cell, cut has plain's curve
    assert tables.entry_with(config.load(), "threshold") == "cut"
    assert tables.entry_with(config.load(), "tuned_cost") is None
    assert tables.best_of_families(board) == ["rare", "steady", "cut", "swings"]
    assert tables.best_of_families(board, each=2) == ["rare", "steady", "cut", "swings", "harmful"]
    assert tables.widely_run(board)["label"].tolist() == ["steady", "cut", "swings", "harmful"]


# Figures


def marks(axes):
    """Every line of markers: marker, colour, hollow or not, and where its marks lie."""
    lines = [line for line in axes.lines if line.get_marker() not in ("None", None, "")]
    return [
        (
            line.get_marker(),
            to_hex(line.get_color()),
            line.get_markerfacecolor() == "white",
            np.round(line.get_xydata(), 4).tolist(),
        )
        for line in lines
        if len(line.get_xdata())
    ]


def intervals(axes, number):
    """Intervals of one series that there are: from, to, height."""
    segments = [s for s in axes.collections[number].get_segments() if len(s)]
    return [[*np.round(s[:, 0], 4).tolist(), round(s[0, 1], 2)] for s in segments]


def names(axes, which="y"):
    return [label.get_text() for label in getattr(axes, f"get_{which}ticklabels")()]


def test_the_headline_figure(treated):
    """Argmax above tuned; the axis ends 6 % beyond 0.08 and 0.30; rare, on two sets, is hollow."""
    figure = plots.effects(statistics.effects(treated, "macro_f1"), "macro-F1 minus the control's")
    (axes,) = figure.axes
    assert names(axes) == ["steady", "harmful", "rare", "swings", "cut"]
    assert axes.get_yticks().tolist() == [1, 3, 4, 6, 8]
    heads = [(text.get_text(), text.xy[1]) for text in axes.texts]
    assert heads == [("weighting", 0), ("loss", 2), ("ensemble", 5), ("posthoc", 7)]
    assert marks(axes) == [
        ("o", "#de8f05", False, [[0.1, 0.82], [-0.06, 2.82], [0.03, 5.82], [0.05, 7.82]]),
        ("o", "#de8f05", True, [[0.3, 3.82]]),
        ("D", "#0173b2", False, [[0.02, 1.18], [-0.08, 3.18], [-0.02, 6.18], [0.0, 8.18]]),
        ("D", "#0173b2", True, [[0.25, 4.18]]),
    ]
    assert intervals(axes, 0)[0] == [0.1, 0.1, 0.82]
    assert intervals(axes, 0)[2] == [-0.0596, 0.1196, 5.82]
    assert intervals(axes, 1)[1] == [-0.08, -0.08, 3.18]
    assert np.round(axes.get_xlim(), 4).tolist() == [-0.0848, 0.318]
    assert np.round(axes.get_ylim(), 4).tolist() == [8.7, -0.7]
    assert figure.get_supxlabel() == "macro-F1 minus the control's"
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [
        "argmax: neither is tuned",
        "tuned: both tune their decision",
    ]
    assert [to_hex(line.get_color()) for line in legend.get_lines()] == ["#de8f05", "#0173b2"]
    zero = axes.lines[0]
    assert zero.get_xdata() == [0, 0]


def test_an_interval_that_leaves_the_axis_ends_in_an_arrowhead():
    """The axis holds twice the largest mean, 0.2, and 6 % more; heads stand 1 % inside of it."""
    table = pd.DataFrame(
        {"label": ["a", "b"], "mean": [0.1, -0.04], "low": [0.05, -0.9], "high": [0.15, 0.8]}
    ).assign(family="f", rule="argmax")
    (axes,) = plots.effects(table, "x").axes
    assert np.round(axes.get_xlim(), 4).tolist() == [-0.212, 0.212]
    assert marks(axes) == [
        ("<", "#de8f05", False, [[-0.2078, 1.82]]),
        (">", "#de8f05", False, [[0.2078, 1.82]]),
        ("o", "#de8f05", False, [[0.1, 0.82], [-0.04, 1.82]]),
    ]


def test_recall_and_precision_by_class(runs):
    """swings has the recalls of plain, not those of its control."""
    shown = ["rare", "swings", "steady"]
    table = statistics.class_differences(runs[runs["dataset"] == "alpha"], shown)
    assert table.index.tolist() == shown
    figure = plots.per_class(table, {"many": 90, "few": 10})
    recall, precision, bar = figure.axes
    assert [axes.get_title(loc="left") for axes in (recall, precision)] == [
        "recall, minus that of plain",
        "precision, minus that of plain",
    ]
    assert [text.get_text() for text in recall.texts] == [
        *("+0.04", "+0.00"),
        *("+0.00", "+0.00"),
        *("-0.10", "+0.20"),
    ]
    assert [text.get_text() for text in precision.texts] == [
        *("+0.00", "+0.08"),
        *("+0.00", "+0.00"),
        *("+0.05", "-0.30"),
    ]
    image = recall.collections[0]
    assert np.round(image.get_clim(), 4).tolist() == [-0.3, 0.3]
    assert image.get_cmap().name == "PuOr_r"
    assert names(recall, "x") == ["many (90)", "few (10)"]
    assert bar.get_ylabel() == "difference"


def test_precision_by_recall(root):
    curves = tables.load_curves(config.load(), ["alpha"])
    figure = plots.precision_recall(curves, ["plain", "steady"])
    first, second = figure.axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["logreg", "tree"]
    lines = [(to_hex(line.get_color()), line.get_ydata()[[0, 10, 20]]) for line in first.lines]
    assert [(colour, np.round(y, 4).tolist()) for colour, y in lines] == [
        ("#000000", [1, 0.75, 0.5]),
        ("#0173b2", [1, 0.8, 0.6]),
    ]
    assert first.lines[0].get_xdata()[[0, 10, 20]].tolist() == [0, 0.5, 1]
    assert (first.get_xlim(), first.get_ylim()) == ((0, 1.02), (0, 1.03))
    assert (second.get_xlabel(), first.get_ylabel()) == ("recall", "interpolated precision")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["plain", "steady"]


def test_where_strategies_decide_is_marked_on_their_curves(root, runs):
    """steady finds .2 more than plain at argmax, and .3 less of what it flags is right."""
    alpha = runs[runs["dataset"] == "alpha"]
    points = statistics.operating_points(alpha, ["plain", "steady"], "cut")
    curves = tables.load_curves(config.load(), ["alpha"])
    for b in range(15):
        curves[[f"minority_rows_{b}", f"minority_correct_{b}"]] = [10, b / 14]
    figure = plots.precision_recall(curves, ["plain", "steady"], points)
    first = figure.axes[0]
    assert marks(first) == [
        ("o", "#000000", False, [[0.5, 0.5]]),
        ("o", "#0173b2", False, [[0.7, 0.2]]),
        ("D", "#000000", False, [[0.5, 0.5]]),
        ("D", "#0173b2", False, [[0.5, 0.5]]),
        ("s", "#000000", False, [[0.5, 0.5]]),
    ]
    assert first.lines[2].get_ydata() == [0.5, 0.5]  # a row of two is of the minority
    assert [text.get_text() for text in figure.legends[0].get_texts()][2:] == [
        "guessing (50.0%)",
        "default cut-off",
        "moved cut-off",
        "plain, cut-off for costs",
    ]
    of_three = alpha.assign(recall_2=0.5)
    assert statistics.operating_points(of_three, ["plain"]).empty
    assert "cost" not in set(statistics.operating_points(alpha, ["steady"], "cut")["point"])


def test_the_moved_cut_off_on_the_curve_is_that_of_balanced_accuracy():
    recalls = {"argmax": 0.4, "tuned_macro_f1": 0.6, "tuned_balanced_accuracy": 0.8}
    rows = [
        made_up.row("d", "tree", "reference", "plain", rule=rule, recall_1=recall)
        for rule, recall in recalls.items()
    ]
    points = statistics.operating_points(pd.DataFrame(rows), ["plain"]).set_index("point")
    assert points["recall"].to_dict() == {"argmax": 0.4, "tuned": 0.8}


def test_reliability_is_right_over_confident():
    """A bin needs five rows and half a percent of them: 4 of 444 and 4 rows of 800 are too few."""
    curves = pd.DataFrame({"learner": ["tree"], "label": ["plain"]})
    for b in range(15):
        curves[[f"rows_{b}", f"confidence_{b}", f"correct_{b}"]] = [0, np.nan, np.nan]
    for b, found in {10: (5, 0.7, 0.5), 11: (4, 0.77, 0.6), 14: (435, 0.98, 0.9)}.items():
        curves[[f"rows_{b}", f"confidence_{b}", f"correct_{b}"]] = found
    figure = plots.reliability(curves, ["plain"])
    line = figure.axes[0].lines[0]
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([0.7, 0.98], [0.5, 0.9])
    curves["rows_14"] = 995
    (line, _) = plots.reliability(curves, ["plain"]).axes[0].lines
    assert line.get_xdata().tolist() == [0.98]
    assert figure.axes[0].get_xlim() == (0.47, 1.02)


def test_ranks_as_a_heat_map(runs):
    """Steady is second of five on alpha and beta, first on gamma. Of cut on alpha and beta: third
    of five at argmax, 62.5 where it ties with plain: (2 * 50 + 3 * 62.5) / 5 = 57.5; on gamma
    (2 * (33.3 + 50) / 2 + 3 * (50 + 75) / 2) / 5 = 54.2.

    Of the losses on alpha and beta in the middle between rare, 0, and harmful, 100.
    """
    figure = plots.rank_heatmap(tables.ranks_by_dataset(runs))
    axes = figure.axes[0]
    assert names(axes) == ["weighting", "posthoc", "loss"]
    assert names(axes, "x") == ["alpha", "beta", "gamma"]
    assert [text.get_text() for text in axes.texts] == [
        *("25", "25", "0"),
        *("58", "58", "54"),
        *("50", "50", "100"),
    ]
    assert axes.collections[0].get_clim() == (0, 100)
    assert axes.collections[0].get_cmap().name == "cividis_r"
    assert figure.axes[1].get_ylabel() == "rank: 0 best, 100 worst"


def test_the_figures_are_drawn_again_from_the_committed_tables(saved, runs, tmp_path, capsys):
    assert main(["figures"]) == 0
    names = [f"{name}.svg" for name in ("headline", "headline_dark", "rank_heatmap")]
    assert capsys.readouterr().out.split() == [f"results/figures/{name}" for name in names]
    plots.save_svg(plots.rank_heatmap(tables.ranks_by_dataset(runs)), tmp_path / "ranks.svg")
    drawn = [(saved / "figures" / name).read_bytes() for name in names]
    assert drawn[2] == (tmp_path / "ranks.svg").read_bytes()
    assert drawn[0] != drawn[1] and b"<svg" in drawn[0]


def test_gains_of_families_by_learner(runs):
    """The median of rare, .3, and harmful, -.01, is .145; the Brier score is turned around."""
    found = statistics.family_gains(runs[runs["dataset"] == "alpha"])
    figure = plots.family_gains(found)
    first, second, third = figure.axes
    assert names(first) == ["weighting", "loss", "posthoc", "ensemble"]
    assert names(first, "x") == ["logreg", "tree"]
    shown = [[text.get_text() for text in axes.texts] for axes in (first, second, third)]
    first_values = next(iter(found.values()))
    assert first_values.loc["loss"].tolist() == pytest.approx([0.145, 0.145])
    assert shown[0][:2] + shown[0][4:] == [*["+0.15"] * 2, *["+0.04"] * 2, *["+0.00"] * 2]
    assert shown[1] == ["+0.02", "+0.02", "+0.11", "+0.06", "+0.00", "+0.00", "-0.02", "-0.02"]
    assert (shown[2][0], shown[2][4], shown[2][6]) == ("-0.01", "+0.00", "+0.02")
    assert {axes.collections[0].get_clim() for axes in figure.axes} == {(-0.2, 0.2)}


def test_fit_seconds(root):
    """plain takes 2 s, forest 3 s, steady 1 s, rare 20 s, the others 4 s."""
    times = tables.fit_times(tables.load_timings(config.load()))
    (axes,) = plots.fit_times(times).axes
    assert names(axes) == ["weighting", "ensemble", "posthoc", "loss"]
    assert [text.get_text() for text in axes.texts] == ["steady", "swings", "cut", "rare"]
    assert marks(axes) == [
        ("o", "#0173b2", False, [[0.5, 0]]),
        ("o", "#029e73", False, [[1.5, 1], [2, 1]]),
        ("o", "#5b4fa3", False, [[2, 2]]),
        ("o", "#cc78bc", False, [[2, 3], [10, 3]]),
    ]


def test_a_study_of_texts_that_tie_has_an_answer_too(root, runs):
    """No core table: nothing is said of learners, and nothing fails."""
    study = config.load()
    other = inference.described(study, runs).assign(modality="text")
    numbers = study_answer.numbers(other, tables.load_loops(study))
    assert numbers["verdicts"] == {} and list(numbers["moved"]) == ["all"]
    assert "With weak learners" not in study_answer.sentences(numbers)
    nothing = other.assign(stratum="ceiling")
    with pytest.raises(StudyError, match="nothing to compare"):
        study_answer.numbers(nothing, tables.load_loops(study))


def test_a_mixed_model_without_an_interval_is_told_by_its_estimate(monkeypatch):
    hangs = {"label": "a", "verdict": "undecided", "lowest": 0.0, "highest": 0.01}
    hangs |= {"verdicts_by_origin": "", "verdicts_by_learner": ""}
    model = {"label": "a", "estimate": 0.0031, "low": np.nan, "high": np.nan}
    monkeypatch.setattr(inference, "sensitivity", lambda *given: pd.DataFrame([hangs]))
    monkeypatch.setattr(inference, "hierarchical", lambda *given: pd.DataFrame([model]))
    assert study_answer.checks(None, "macro-F1")["mixed model [95 %]"].tolist() == ["+0.003"]
