"""What notebook 10 does with settings, and what it says of them."""

import functools
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from test_notebook_sources import ROOT, code

from imbbench import config
from imbbench.bench.cell import Cell, Task
from imbbench.bench.scoring import run_cell
from imbbench.chapters import settings_that_pretend as chapter
from imbbench.chapters.settings_that_pretend import FAIR, Fit
from imbbench.files import recall, remember
from imbbench.strategies.schedule.class_means import NearestClassMean

STRATEGIES = {
    "reference": {"plain": {"role": "control"}},
    "weighting": {"inverse_frequency": {"primary": True}},
    "loss": {
        "logit_adjusted": {"loss": "LogitAdjustedLoss", "primary": True},
        "cosine_best_of_3": {"fits": 3, "cosine": True, "role": "control"},
        "ldam": {
            "loss": "LDAMLoss",
            "choose": {"max_margin": [0.1, 0.25]},
            "scale": 30.0,
            "control": "cosine_best_of_3",
        },
    },
    "undersampling": {"under_1_1": {"random": 1, "primary": True}},
    "schedule": {
        "nearest_class_mean": {},
        "two_branches": {"role": "control"},
        "bbn": {"control": "two_branches"},
    },
    "posthoc": {"logit_adjustment": {"primary": True}},
}
LEARNERS = {
    "tree": {"min_samples_leaf": 5},
    "hgb": {"max_iter": 5},
    "mlp": {"hidden": [8], "epochs": 3, "steps": 20, "batch_size": 32},
    "minilm_head": {"hidden": [], "epochs": 3, "batch_size": 32},
}


@pytest.fixture
def study(tmp_path, monkeypatch, write_study, encoder):
    write_study(tmp_path, STRATEGIES, LEARNERS, encoder=encoder)
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    return config.load()


def fit(strategy, setting=FAIR, dataset="mixed", learner="mlp"):
    return Fit(dataset, learner, *strategy.split("/"), setting, 0)


def test_the_plan_has_both_settings_and_their_controls(study):
    todo = chapter.plan(study, ["mixed", "texts"], ["tree", "mlp"], 1, 1)
    stopped = [fit("weighting/inverse_frequency", s) for s in (FAIR, "early stopping")]
    controls = [fit("reference/plain", s) for s in (FAIR, "early stopping")]
    assert all("test" in todo[one] for one in [*stopped, *controls])
    # A control with its own steps, a strategy with half of them.
    assert todo[fit("schedule/bbn", "half its steps")] == {"test"}
    assert fit("schedule/two_branches", "half its steps") not in todo
    # Other steps: primary strategies and their controls, of networks, on validation parts alone.
    for setting in ("half the steps", "twice the steps"):
        names = {(f.learner, f.strategy) for f in todo if f.setting == setting}
        primary = ["inverse_frequency", "logit_adjusted", "under_1_1", "logit_adjustment"]
        assert names == {("mlp", name) for name in ["plain", *primary]}
        assert {"validation"} == set().union(*(todo[f] for f in todo if f.setting == setting))
    assert {f.setting for f in todo if f.learner == "tree"} == {FAIR}
    assert {f.learner for f in todo if f.dataset == "texts"} == {"tree", "minilm_head"}
    # More splits for other steps alone, on the parts that these are looked at on.
    more = chapter.plan(study, ["mixed", "texts"], ["tree", "mlp"], 1, 2)
    assert {f: parts for f, parts in more.items() if f.split == 0} == todo
    steps = {f.setting: parts for f, parts in more.items() if f.split == 1}
    assert steps == {setting: {"validation"} for setting in chapter.STEPS}
    assert {f.learner for f in more if f.split == 1} == {"mlp"}


def test_what_params_yaml_does_not_have_is_left_out(study):
    del study.strategies["schedule"]["bbn"], study.learners["hgb"]
    study.strategies["loss"] = None
    todo = chapter.plan(study, ["mixed"], ["mlp"], 1, 1)
    assert not {"bbn", "two_branches", "logit_adjusted"} & {f.strategy for f in todo}
    assert {f.learner for f in todo} == {"mlp"}


@pytest.mark.parametrize("strategy", ["reference/plain", "loss/ldam", "posthoc/logit_adjustment"])
def test_the_fair_setting_is_the_studys_cell(study, strategy):
    mine = chapter.scored(study, fit(strategy), ["test"])
    family, name = strategy.split("/")
    rows, _, _ = run_cell(study, Task("mixed", family, "mlp", name, 0), reuse=False)
    assert [row["rule"] for row in mine] == [row["rule"] for row in rows]
    for one, other in zip(mine, rows, strict=True):
        for metric in ("macro_f1", "balanced_accuracy", "average_precision", "log_loss", "brier"):
            assert one[metric] == pytest.approx(other[metric], abs=1e-6)


class Watched(torch.nn.CrossEntropyLoss):
    """Notes its values in evaluation mode."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, logits, target):
        value = super().forward(logits, target)
        if not self.training:
            self.seen.append(float(value))
        return value


def test_stopping_keeps_the_best_epoch_and_waits_for_five_more(study):
    loss = Watched()
    settings = {"epochs": 200, "steps": 0, "learning_rate": 0.05}
    task = Task("mixed", "reference", "mlp", "plain", 0)
    cell = chapter._StoppedCell(study, task, reuse=False, settings=settings)
    model = cell.fit(loss=loss)
    _, *epochs = loss.seen  # the first is that of the training part, before any step
    assert len(epochs) == int(np.argmin(epochs)) + 6
    assert model.n_steps_ == len(epochs) * np.ceil(len(cell.y) / 32) < cell.steps
    p = model.predict_proba(cell.X_val)[np.arange(len(cell.y_val)), cell.y_val]
    assert -np.log(p).mean() == pytest.approx(min(epochs), abs=1e-5)


def test_stopping_leaves_other_rows_alone_and_the_memo(study):
    (row,) = chapter.scored(study, fit("undersampling/under_1_1", "early stopping"))
    assert row["status"] == "not applicable" and "other rows" in row["reason"]
    chapter.scored(study, fit("reference/plain", "early stopping"))
    assert not list(config.root().glob("data/cache/plain/*"))


def test_steps(study):
    cell = Cell(study, Task("mixed", "reference", "mlp", "plain", 0), reuse=False)
    expected = {
        ("reference/plain", FAIR): cell.steps,
        ("reference/plain", "half the steps"): cell.steps / 2,
        ("reference/plain", "twice the steps"): cell.steps * 2,
        ("schedule/bbn", "half its steps"): cell.steps / 2,
        ("undersampling/under_1_1", FAIR): cell.steps,
        ("undersampling/under_1_1", "steps by epochs"): round(
            cell.steps * 2 * cell.class_counts.min() / len(cell.y)
        ),
    }
    found = {
        pair: chapter.scored(study, fit(*pair), ["validation"])[0]["steps"] for pair in expected
    }
    assert found == expected


@pytest.mark.parametrize(("setting", "kind"), [("centred means", "cl2n"), ("raw means", "un")])
def test_class_means_of_one_kind(study, setting, kind):
    one = fit("schedule/nearest_class_mean", setting)
    cell, model = chapter._model(study, one)
    means = NearestClassMean(kind).fit(model.network.embed(cell.X), cell.y)
    np.testing.assert_array_equal(
        model.predict_proba(cell.X_val), means.predict_proba(model.network.embed(cell.X_val))
    )
    assert np.isnan(chapter.scored(study, one, ["test"])[0]["log_loss"])


def test_the_margin_is_full_and_hgb_without_a_penalty(study):
    _, ldam = chapter._model(study, fit("loss/ldam", "full margin"))
    assert ldam.loss.margins.max() == 0.5
    _, chosen = chapter._model(study, fit("loss/ldam"))
    assert chosen.loss.margins.max() in (0.1, 0.25)
    _, hgb = chapter._model(study, fit("reference/plain", "no penalty", learner="hgb"))
    assert (hgb.l2_regularization, hgb.max_depth, hgb.min_samples_leaf) == (0, None, 20)


def test_a_failure_is_a_row_with_its_reason(study, monkeypatch):
    monkeypatch.setattr(chapter, "resolve", lambda *names: 1 / 0)
    (row,) = chapter.scored(study, fit("reference/plain"))
    assert (row["status"], row["reason"]) == ("failed", "ZeroDivisionError: division by zero")


def test_log_losses_say_what_one_is_made_of():
    rng = np.random.default_rng(0)
    shares, n = np.array([0.9, 0.1]), 20000
    y = (rng.random(n) < 0.1).astype(int)
    odds = rng.normal(2 * y, 1)  # log-odds 2 x - 2 of equally frequent classes
    p = 1 / (1 + np.exp(-(2 * odds - 2)))
    balanced = np.column_stack([1 - p, p])
    cell = SimpleNamespace(class_counts=shares * 1000, y_val=y)
    model = SimpleNamespace(prior_=np.array([0.5, 0.5]))
    found = chapter._log_losses(cell, model, balanced, y, balanced)
    true = balanced * shares / (balanced * shares).sum(axis=1, keepdims=True)
    best = -np.log(true[np.arange(n), y]).mean()
    assert found["log_loss_of_shares"] == pytest.approx(
        -(y == 0).mean() * np.log(0.9) - y.mean() * np.log(0.1)
    )
    assert found["log_loss_corrected"] == pytest.approx(best)
    assert found["log_loss_calibrated"] == pytest.approx(best, abs=1e-3)
    sharper = balanced**3 / (balanced**3).sum(axis=1, keepdims=True)
    found = chapter._log_losses(cell, SimpleNamespace(), sharper, y, sharper)
    assert "log_loss_corrected" not in found
    assert found["log_loss_calibrated"] == pytest.approx(best, abs=1e-3)


def row(strategy, value, setting=FAIR, dataset="one", **others):
    """A made-up fit: ``value`` under every rule."""
    family, name = strategy.split("/")
    control = {"ldam": "cosine_best_of_3"}.get(name, "" if name == "plain" else "plain")
    own = {"dataset": dataset, "learner": "mlp", "family": family, "strategy": name}
    own |= {"control": control, "primary": name == "logit_adjusted", "setting": setting}
    own |= {"split": 0, "part": "test", "status": "ok", "steps": 600.0, "log_loss": 0.1}
    own |= {"log_loss_of_shares": 0.2, "log_loss_corrected": np.nan, "log_loss_calibrated": 0.1}
    own |= {"macro_f1": value, "balanced_accuracy": value / 2, "average_precision": 0.3} | others
    return [own | {"rule": rule} for rule in ("argmax", *chapter.TUNED.values())]


def made_up():
    """Stopped early a gain of .02 becomes a loss of .04, .05 or .06; twice the steps turn it."""
    rows = []
    for dataset, more in {"one": 0.0, "two": 0.01, "three": 0.02}.items():
        stopped = {"setting": "early stopping", "dataset": dataset, "steps": 60.0}
        rows += row("reference/plain", 0.5, dataset=dataset)
        rows += row("loss/logit_adjusted", 0.52, dataset=dataset)
        rows += row("reference/plain", 0.6, **stopped)
        rows += row("loss/logit_adjusted", 0.56 - more, **stopped)
        for setting, value in zip(chapter.STEPS, (0.53, 0.515, 0.49), strict=True):
            place = {"setting": setting, "dataset": dataset, "part": "validation"}
            rows += row("reference/plain", 0.5, **place)
            rows += row("loss/logit_adjusted", value, **place)
    return pd.DataFrame(rows)


def test_effects_by_hand():
    found = chapter.effects(made_up()).set_index(["strategy", "outcome"])
    assert set(found["effect"]) == {"stopped early"} and set(found["datasets"]) == {3}
    one = found.loc[("logit_adjusted", "macro-F1")]
    assert one["fair"] == pytest.approx(0.02)
    assert one["pretending"] == pytest.approx(-0.05)
    assert one["shift"] == pytest.approx(-0.07)
    half = 4.302653 * 0.01 / np.sqrt(3)
    assert [one["shift_low"], one["shift_high"]] == pytest.approx([-0.07 - half, -0.07 + half])
    assert one["turns"]
    half_as_large = found.loc[("logit_adjusted", "balanced accuracy")]
    assert half_as_large["pretending"] == pytest.approx(-0.025)


def test_a_setting_of_the_strategy_alone_is_held_against_the_fair_control():
    rows = row("loss/ldam", 0.52) + row("loss/ldam", 0.4, "full margin")
    rows += row("loss/cosine_best_of_3", 0.5) + row("loss/cosine_best_of_3", 0.9, "full margin")
    found = chapter.effects(pd.DataFrame(rows)).set_index("outcome").loc["macro-F1"]
    assert [found["fair"], found["pretending"]] == pytest.approx([0.02, -0.1])


def test_a_data_set_with_one_of_the_two_settings_is_left_out():
    table = made_up()
    lost = (table["dataset"] == "one") & (table["setting"] == "early stopping")
    table.loc[lost, "status"] = "failed"
    assert set(chapter.effects(table)["datasets"]) == {2}


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([0.02, -0.02], True),
        ([0.02, -0.001], True),
        ([0.02, 0.001], False),
        ([0.02, -0.0004], False),  # prints as zero
        ([0.009, -0.009], False),
        ([-0.02, -0.03, 0.004], True),
    ],
)
def test_a_sign_turns(means, expected):
    assert chapter.turns(means) is expected


def test_steps_by_hand_and_in_the_table():
    table = made_up()
    steps = chapter.steps_effects(table)
    one = steps.set_index(["strategy", "outcome"]).loc[("logit_adjusted", "macro-F1")]
    assert [one[setting] for setting in chapter.STEPS] == pytest.approx([0.03, 0.015, -0.01])
    assert steps["turns"].tolist() == [True, True, False]
    marked = chapter.marked(table, steps)
    wanted = table["strategy"].map({"plain": "", "logit_adjusted": "macro_f1 balanced_accuracy"})
    assert marked["undecided"].tolist() == wanted.tolist()
    steps["turns"] = [True, False, True]
    assert set(chapter.marked(table, steps)["undecided"]) == {"", "macro_f1 average_precision"}
    shown = chapter.steps_shown(steps)
    assert shown.iloc[0].tolist() == [
        *("`mlp`", "`logit_adjusted`", "macro-F1", 3, "+0.030", "+0.015", "-0.010", "**turns**")
    ]


def with_losses():
    """Four strategies' worth of reasons, told by their data set."""
    of = {"shift": (1.0, 0.3, 0.3), "sure": (1.0, 0.9, 0.3), "fine": (0.4, 0.3, 0.3)}
    of |= {"lost": (1.0, np.nan, 0.9), "unknown": (1.0, np.nan, 0.1)}
    rows = []
    for dataset, values in of.items():
        names = ["log_loss", "log_loss_corrected", "log_loss_calibrated"]
        given = dict(zip(names, values, strict=True))
        rows += row("loss/logit_adjusted", 0.5, dataset=dataset, **given)
        plain = 0.9 if dataset == "sure" else 0.2
        rows += row("reference/plain", 0.5, dataset=dataset, log_loss=plain)
    return pd.DataFrame(rows)


def test_untreated_is_the_control_of_an_ensemble_and_else_plain():
    table = pd.DataFrame(
        row("reference/plain", 0.5, log_loss=1.0)
        + row("reference/bagging", 0.5, log_loss=0.2)
        + row("ensemble/bags", 0.5, control="bagging", primary=True, log_loss=0.4)
        + row("loss/mined", 0.5, control="same_size", primary=True, log_loss=0.4)
        + row("loss/same_size", 0.5, log_loss=9.0)
    )
    found = chapter.log_losses(table).set_index("strategy")["untreated"]
    assert found.to_dict() == pytest.approx({"bags": 1.0, "mined": 5.0})


def test_without_other_steps_nothing_is_undecided():
    table = made_up()
    table = table[table["part"] == "test"]
    steps = chapter.steps_effects(table)
    assert steps.empty and set(chapter.marked(table, steps)["undecided"]) == {""}
    assert "twice" not in chapter.conclusion(
        chapter.effects(table), steps, chapter.log_losses(table)
    )


def test_reasons_of_log_losses():
    found = chapter.log_losses(with_losses()).set_index("dataset")
    assert found["reason"].to_dict() == {
        "shift": "other class shares",
        "sure": "the learner",
        "fine": "",
        "lost": "open",
        "unknown": "not calibrated",
    }
    assert found.loc["shift", ["ratio", "corrected", "untreated"]].tolist() == pytest.approx(
        [5, 1.5, 1]
    )
    (shown,) = chapter.losses_shown(found.reset_index()).to_dict("records")
    assert shown == {
        "strategy": "`logit_adjusted`", "fits": 5, "above": 4, "median": 5.0, "corrected": 3.0,
        "untreated": 1.0, "other class shares": 1, "the learner": 1, "not calibrated": 1, "open": 1,
    }  # fmt: skip


def test_conclusion_of_hand_made_tables():
    table = made_up()
    lines = chapter.conclusion(
        chapter.effects(table), chapter.steps_effects(table), chapter.log_losses(with_losses())
    ).splitlines()
    assert lines[0] == (
        "- **Stopped early** (`mlp`, 3 data sets) moves a difference to the control up or down, on "
        "average by 0.070 in macro-F1; 0.035 in balanced accuracy; 0.070 in macro-F1, argmax; most "
        "that of `logit_adjusted` (early stopping, macro-F1), to -0.050 from +0.020. 3 of 3 change "
        "sign (`logit_adjusted`); 3 move by an interval clear of zero."
    )
    assert lines[1] == (
        "- **Half and twice the steps** (`mlp`, validation parts of 3 data sets): of 2 differences "
        "larger than 0.01, those that turn their sign and are undecided are 2: `logit_adjusted` "
        "(macro-F1, balanced accuracy)."
    )
    assert lines[2] == (
        "- **Log loss:** 4 of 5 fits of primary strategies have one of more than 2 times that of "
        "the class shares. Reasons, the first that holds: 1 *other class shares*: put back to the "
        "class shares of the training part they are below it (`mlp` 1); 1 *the learner*: the "
        "untreated learner is above it, too (`mlp` 1); 1 *not calibrated*: a slope and an offset "
        "per class from the validation part put them below it (`mlp` 1); 1 *open*: none of these "
        "(`mlp` 1)."
    )


def test_a_start_alone_says_how_much_is_noise():
    table = made_up()
    table = table.replace({"logit_adjusted": "bias_init"}).assign(primary=True)
    steps = chapter.steps_effects(table)
    said = chapter.conclusion(chapter.effects(table), steps, chapter.log_losses(with_losses()))
    assert "spans 0.040: a yardstick of what fits differ by" in said


def test_tables_of_the_page():
    effects = chapter.effects(made_up())
    shown = chapter.shown(effects, "stopped early").iloc[0]
    assert shown["the study's"] == "+0.020 [+0.020, +0.020]"
    assert shown["pretending"] == "-0.050 [-0.075, -0.025]"
    assert shown["sign"] == "**turns**"
    made = chapter.steps_made(made_up())
    assert made.to_dict("records") == [
        {"strategy": name, "steps, stopped early": 60, "steps in the study": 600}
        for name in ("`plain`", "`logit_adjusted`")
    ]


def test_figure_has_a_dot_per_strategy_and_version():
    effects = chapter.effects(made_up())
    figure = chapter.plot(effects, "macro-F1")
    figure.canvas.draw()
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["logit_adjusted"]
    drawn = [line for line in ax.lines if line.get_marker() in ("D", "o")]
    dots = [x for line in drawn for x in line.get_xdata()]
    assert dots == pytest.approx([0.02, -0.05])
    several = effects.assign(setting="raw means", strategy="x")
    both = pd.concat([several, several.assign(setting="centred means")])
    names = [t.get_text() for t in chapter.plot(both, "macro-F1").axes[0].get_yticklabels()]
    assert names == ["x, raw means", "x, centred means"]


def test_fits_are_read_from_the_memo_while_settings_and_code_stay(study):
    one, parts = fit("reference/plain", learner="tree"), {"test"}
    rows = chapter._work(study, one, parts)
    (path,) = config.root().glob("data/cache/settings_that_pretend/*.json")
    remember(path, recall(path).replace(b'"rule": "argmax"', b'"rule": "read"'))
    assert chapter._work(study, one, parts)[0] == {**rows[0], "rule": "read"}
    study.learners["tree"]["min_samples_leaf"] = 50
    assert chapter._work(study, one, parts)[0]["rule"] == "argmax"


def test_the_notebook_runs_and_saves(study, tmp_path, monkeypatch):
    monkeypatch.setattr(chapter, "compute", functools.partial(chapter.compute, jobs=1))
    (path,) = (ROOT / "notebooks").glob("10_*.ipynb")
    given = {"datasets": ["mixed", "texts"], "learners": ["tree", "mlp"], "save": True}
    space = {}
    for cell in code(nbformat.read(path, 4)):
        exec(compile(cell.source, cell.id, "exec"), space)
        if "parameters" in cell.metadata.get("tags", []):
            assert set(given) <= set(space)
            space |= given
    saved = pd.read_csv(tmp_path / "results/tables/settings_that_pretend.csv")
    assert len(saved) == len(space["table"]) and not (saved["status"] == "failed").any()
    assert {"fair", "pretending"} == set(saved["version"])
    key = [*chapter.FIT, "part", "rule"]
    assert not saved.duplicated(key).any() and saved[key].equals(saved[key].sort_values(key))
