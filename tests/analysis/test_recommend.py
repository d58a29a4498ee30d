import json

import made_up
import numpy as np
import pandas as pd
import pytest
from made_up import row

from imbbench import config
from imbbench.analysis import recommend
from imbbench.analysis.recommend import MEASURES
from imbbench.cli import main
from imbbench.errors import StudyError

FEW, MANY = [f"few_{i}" for i in range(7)], [f"many_{i}" for i in range(7)]
# Over-sampling helps where there are few rows of the minority and harms where there are many.
GAIN = {**dict.fromkeys(FEW, 0.1), **dict.fromkeys(MANY, -0.1)}


def card(minority, rows=1000):
    return made_up.card("d", {"a": rows - minority, "b": minority})


def study(noise=0.0):
    rng, rows = np.random.default_rng(0), []
    for dataset, gain in GAIN.items():
        for rule in ("argmax", "tuned_macro_f1", "tuned_balanced_accuracy"):
            scores = {"roc_auc": 0.9, "macro_f1": 0.5, "balanced_accuracy": 0.6}
            rows.append(row(dataset, "hgb", "reference", "plain", 0, rule, "", **scores))
            scores["balanced_accuracy"] += gain + noise * rng.normal()
            rows.append(row(dataset, "hgb", "oversampling", "over", 0, rule, **scores))
            scores["balanced_accuracy"] = 0.6 + 0.001
            rows.append(row(dataset, "hgb", "weighting", "little", 0, rule, **scores))
    table = pd.DataFrame(rows)
    places = {"stratum": "core", "prior": "as in training", "group": "strong", "primary": True}
    places["turned"] = ""
    return table.assign(origin=table["dataset"], **places)


def measured():
    cards = {name: card(10 + i) for i, name in enumerate(FEW)}
    cards |= {name: card(300 + i) for i, name in enumerate(MANY)}
    return recommend.measures(cards)


def test_measures_are_those_of_the_card():
    table = measured().set_index("dataset")
    assert table.loc["few_0"].tolist() == [1000, 10, 99.0, 2]
    assert table.loc["many_0", "ratio"] == pytest.approx(700 / 300)


def test_what_helped_on_data_like_it_is_recommended():
    wanted = recommend.measures_of(card(12)) | {"auc": 0.9}
    table = recommend.recommend(study(), measured(), wanted, "hgb", "balanced_accuracy")
    assert table["label"].tolist() == ["over", "little", "plain"]
    # Seven origins like it, and two without a gain that the estimate is drawn towards.
    assert table["gain"].iloc[0] == pytest.approx(0.7 / 9, abs=0.02)
    assert table["gain"].iloc[-1] == 0
    wanted = recommend.measures_of(card(310)) | {"auc": 0.9}
    table = recommend.recommend(study(), measured(), wanted, "hgb", "balanced_accuracy")
    assert table["label"].tolist() == ["little", "plain"]


def test_what_is_not_known_of_a_data_set_is_left_out():
    wanted = recommend.measures_of(card(12))
    table = recommend.recommend(study(), measured(), wanted, "hgb", "balanced_accuracy")
    assert table["label"].iloc[0] == "over"


def test_origins_that_are_nearer_weigh_more():
    known = pd.DataFrame({"rows": [1.0, 2.0, 5.0], "minority": [1.0, 1.0, 1.0]}, index=list("abc"))
    found = recommend.weights(known, pd.Series({"rows": 1.0, "minority": 1.0, "auc": np.nan}))
    assert found["a"] == 1.0 and found["a"] > found["b"] > found["c"] > 0
    # Distances between them are 1, 3 and 4: the kernel is half as wide as the middle one.
    assert found["c"] == pytest.approx(np.exp(-0.5 * (4 / 1.5) ** 2))


def test_the_regret_is_that_of_origins_left_out():
    """Always plain loses .1 where there are few rows and .001 where there are many; always the
    best on average (`little`, a thousandth everywhere) .099 where there are few."""
    found = recommend.regrets(study(), measured(), "hgb", "balanced_accuracy")
    assert len(found) == 14
    table = found.set_index("origin")
    assert table.loc["few_0", "oracle"] == pytest.approx(0.1)
    assert table.loc["few_0", "tried"] == "over" and table.loc["many_0", "tried"] == "little"
    assert table["recommended"].max() == pytest.approx(0)
    assert table.loc[FEW, "plain"].unique() == pytest.approx([0.1])
    assert table.loc[MANY, "plain"].unique() == pytest.approx([0.001])
    assert table.loc[FEW, "average"].unique() == pytest.approx([0.099])
    both = recommend.compared(found)
    assert both["origins"] == 14 and both["recommended"] == pytest.approx(0)
    assert both["over_plain"][0] == pytest.approx((0.1 + 0.001) / 2)


def test_too_few_origins_tell_nothing():
    runs = study()
    few = runs[runs["dataset"].isin(FEW[:3])]
    wanted = recommend.measures_of(card(12))
    with pytest.raises(StudyError, match="fewer than 6 origins"):
        recommend.recommend(few, measured(), wanted, "hgb", "balanced_accuracy")
    with pytest.raises(StudyError, match=r"no results of learner 'tree'\. Known: hgb"):
        recommend.recommend(runs, measured(), wanted, "tree", "balanced_accuracy")
    assert recommend.regrets(runs, measured(), "tree", "balanced_accuracy").empty


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    names = [*(f"set_{i}" for i in range(8)), "mine"]
    made_up.write_params(tmp_path, names)
    made_up.write_results(tmp_path, names[:-1])
    (tmp_path / "data/prepared/mine").mkdir(parents=True)
    (tmp_path / "data/prepared/mine/card.json").write_text(json.dumps(card(20)))
    params = json.loads((tmp_path / "params.yaml").read_text())
    params["datasets"]["mine"]["study"] = False
    (tmp_path / "params.yaml").write_text(json.dumps(params))
    assert main(["recommend", "mine", "--learner", "logreg"]) == 1
    assert "measures.csv is missing: run `dvc repro measures`" in capsys.readouterr().err
    assert main(["measures"]) == 0
    table = pd.read_csv(tmp_path / "results/tables/measures.csv")
    assert table["dataset"].tolist() == names[:-1] and list(table)[1:] == MEASURES
    assert main(["recommend", "mine", "--learner", "logreg"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("mine: 1000 rows, 2 classes, 20 rows of the smallest, ratio 49.0\n")
    assert "From 8 origins" in said and "balanced accuracy" in said
    assert main(["recommend", "mine", "--learner", "hgb"]) == 1
    assert "no learner 'hgb'" in capsys.readouterr().err
    # Of the study's own data sets the results are left aside.
    assert main(["recommend", "set_0", "--learner", "logreg"]) == 0
    said = capsys.readouterr().out
    assert "From 7 origins" in said and "logreg untreated: ROC AUC" in said
    assert config.load().own_datasets == ["mine"]
