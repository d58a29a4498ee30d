"""MESA beside as many extremely randomised trees: average precision, seconds of fitting.

python -m pytest tests/benchmarks/bench_mesa.py -s
"""

import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import average_precision_score
from sklearn.tree import DecisionTreeClassifier

from imbbench import config
from imbbench.bench import protocol
from imbbench.bench.features import features
from imbbench.bench.prepared import load_prepared
from imbbench.strategies.ensemble.mesa import MESA

ROOT = Path(__file__).parents[2]
SPLITS = 2
N_ESTIMATORS = 20


def models(seed):
    return {
        "mesa": MESA(DecisionTreeClassifier(), N_ESTIMATORS, random_state=seed),
        "extra trees": ExtraTreesClassifier(N_ESTIMATORS, random_state=seed),
    }


@pytest.mark.parametrize("dataset", ["abalone19", "page_blocks"])
def test_mesa_and_extra_trees(dataset):
    """The smallest class against the rest."""
    folder = ROOT / "data" / "prepared" / dataset
    if not folder.is_dir():
        pytest.skip(f"dvc repro prepare@{dataset}")
    prepared = load_prepared(folder)
    settings = config.load(ROOT / "params.yaml").protocol
    y = (prepared.y == prepared.y.max()).astype(int)
    cuts = protocol.splits(prepared.y, prepared.groups, prepared.part, dataset, settings)
    for split, (train, val, test) in enumerate(cuts[:SPLITS]):
        X, _ = features("matrix", prepared, train)
        for name, model in models(split).items():
            held_out = (X[val], y[val]) if name == "mesa" else ()
            start = time.process_time()
            model.fit(X[train], y[train], *held_out)
            seconds = time.process_time() - start
            p = model.predict_proba(X[test])[:, 1]
            assert np.isfinite(p).all()
            score = average_precision_score(y[test], p)
            assert 0 <= score <= 1
            line = f"{dataset:12s} split {split}  {name:12s} AP {score:.3f}  fit {seconds:5.1f} s"
            if name == "mesa":
                mean = np.mean(model.history_[:5]), np.mean(model.history_[-5:])
                line += (
                    f"; validation AP of the first five ensembles {mean[0]:.3f}, last {mean[1]:.3f}"
                )
            print(f"\n{line}", end="")
