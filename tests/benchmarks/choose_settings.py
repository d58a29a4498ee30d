"""Choose the learners' settings: ``choose_settings.py [LEARNER ...]``, on prepared data.

Every candidate is fitted as ``plain`` and as ``inverse_frequency`` on training parts and looked at
on validation parts alone; test folds are not read. What has the lowest mean rank, over data sets,
the two strategies, macro-F1 and log loss, or is cheaper or simpler and within half a rank of it,
goes into ``params.yaml`` by hand. All that was tried is written beside this file.
"""

import itertools
import sys
import warnings
from pathlib import Path

import pandas as pd
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import ParameterGrid

from imbbench import config
from imbbench.bench.cell import Cell, Task
from imbbench.bench.registry import resolve

TABLES = ["yeast", "page_blocks", "winequality_red_4", "hypothyroid", "pc1", "car_vgood"]
TEXTS = ["sms_spam_4862", "tweet_sentiment"]
SPLITS = 2
GRIDS = {
    "tree": [{"min_samples_leaf": [1, 2, 5, 10], "max_depth": [None, 5]}],
    "hgb": [
        {"max_depth": [3], "l2_regularization": [0.0, 1.0], "min_samples_leaf": [5, 20]},
        # Without a depth a fit takes ten times as long: two ends of the grid stand for it.
        {"max_depth": [None], "l2_regularization": [0.0], "min_samples_leaf": [20]},
        {"max_depth": [None], "l2_regularization": [1.0], "min_samples_leaf": [5]},
    ],
    "xgboost": [{"max_depth": [3, 6], "reg_lambda": [1.0, 10.0]}],
    "mlp": [{"steps": [300, 600, 1200], "learning_rate": [0.003, 0.01]}],
    "minilm_head": [{"steps": [300, 600, 1200], "learning_rate": [0.003, 0.01]}],
}
STRATEGIES = [("reference", "plain"), ("weighting", "inverse_frequency")]
FILE = Path(__file__).with_name("settings_tried.csv")


def tried(study, learner, settings):
    """Validation scores of one candidate, a row per data set, split and strategy."""
    study.learners[learner] = {**study.learners[learner], **settings}
    for dataset in TEXTS if learner == "minilm_head" else TABLES:
        for split, (family, name) in itertools.product(range(SPLITS), STRATEGIES):
            cell = Cell(study, Task(dataset, family, learner, name, split), reuse=False)
            call, _ = resolve(family, name, study.family(family)[name])
            p = call(cell).predict_proba(cell.X_val)
            found = {"dataset": dataset, "split": split, "strategy": name}
            found["macro_f1"] = f1_score(cell.y_val, p.argmax(axis=1), average="macro")
            found["log_loss"] = log_loss(cell.y_val, p, labels=range(len(cell.classes)))
            yield found


def main(learners):
    warnings.simplefilter("ignore")
    rows = []
    for learner in learners:
        study = config.load()
        for settings in itertools.chain(*map(ParameterGrid, GRIDS[learner])):
            said = ", ".join(f"{k}={v}" for k, v in settings.items())
            for found in tried(study, learner, settings):
                rows.append({"learner": learner, "settings": said, **found})
            print(learner, said, flush=True)
    table = pd.DataFrame(rows)
    scores = table.groupby(["learner", "settings", "dataset", "strategy"], sort=False)
    scores = scores[["macro_f1", "log_loss"]].mean()
    ranked = scores.assign(log_loss=-scores["log_loss"])
    ranks = ranked.groupby(["learner", "dataset", "strategy"]).rank(ascending=False)
    by = ["learner", "settings"]
    found = scores.groupby(by, sort=False).mean().round(4)
    found.insert(0, "mean_rank", ranks.mean(axis=1).groupby(by, sort=False).mean().round(3))
    if FILE.is_file():
        old = pd.read_csv(FILE).set_index(by)
        found = pd.concat([old[~old.index.get_level_values("learner").isin(learners)], found])
    found.sort_values(["learner", "mean_rank"], kind="stable").to_csv(FILE, lineterminator="\n")
    print(found.to_string())


if __name__ == "__main__":
    main(sys.argv[1:] or list(GRIDS))
