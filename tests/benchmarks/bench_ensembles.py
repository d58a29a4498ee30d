"""Self-paced Ensemble and BalanceCascade beside the authors' library, imbalanced-ensemble.

Same splits of the study's tabular data sets, same decision tree, 20 of them, one thread. The
library needs an older scikit-learn and gets an environment of its own in build/.

python -m pytest tests/benchmarks/bench_ensembles.py -s
"""

import json
import os
import subprocess
import time
import venv

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import stats
from sklearn.tree import DecisionTreeClassifier

from imbbench import config
from imbbench.bench.cell import split_of
from imbbench.bench.learners import one_hot
from imbbench.bench.metrics import score_metrics
from imbbench.bench.prepared import data_of
from imbbench.paths import root
from imbbench.strategies.ensemble.balance_cascade import BalanceCascade
from imbbench.strategies.ensemble.self_paced import SelfPacedEnsemble

PINNED = [
    "imbalanced-ensemble==0.2.3",
    "scikit-learn==1.6.0",
    "numpy==2.4.6",
    "scipy==1.17.1",
    "pandas==3.1.1",
    "joblib==1.6.0",
]
OURS = {"self_paced": SelfPacedEnsemble, "balance_cascade": BalanceCascade}
TREES = 20
REPEATS = 3  # seeds; the two sides take turns
# Of the CPU seconds of fitting, ours over theirs: on every data set.
LIMIT = 1.0

LIBRARY = """
import json, sys, time
import numpy as np
from imbens.ensemble import BalanceCascadeClassifier, SelfPacedEnsembleClassifier
from sklearn.tree import DecisionTreeClassifier

classes = {"self_paced": SelfPacedEnsembleClassifier, "balance_cascade": BalanceCascadeClassifier}
for line in sys.stdin:
    task = json.loads(line)
    with np.load(task["data"], allow_pickle=False) as data:
        X, y, X_test = data["X"], data["y"], data["X_test"]
    tree = DecisionTreeClassifier()
    seed, trees = task["seed"], task["trees"]
    model = classes[task["name"]](tree, n_estimators=trees, n_jobs=1, random_state=seed)
    start = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - start
    np.save(task["out"], model.predict_proba(X_test), allow_pickle=False)
    print(seconds, flush=True)
"""


def library_python():
    """The interpreter of the library's environment, which is built when it is not there."""
    folder = root() / "build" / "imbalanced-ensemble-venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "installed.txt"
    if not done.is_file() or done.read_text("utf-8") != "\n".join(PINNED):
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PINNED], check=True)
        done.write_text("\n".join(PINNED), "utf-8")
    return python


@pytest.fixture(scope="module")
def library():
    """``library(**task)``: seconds that the library takes for a fit."""
    child = subprocess.Popen(
        [library_python(), "-W", "ignore", "-c", LIBRARY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    def fit(**task):
        child.stdin.write(json.dumps(task) + "\n")
        child.stdin.flush()
        answer = child.stdout.readline()
        assert answer, "the library's process has ended, see its message above"
        return float(answer)

    yield fit
    child.stdin.close()
    child.wait()


def splits():
    """Name, number and arrays of every split of the study's tabular data sets."""
    study = config.load()
    for name, entry in study.datasets.items():
        if entry["modality"] != "tabular":
            continue
        for number in range(len(data_of(name, study.protocol)[1])):
            cut = split_of(study, name, "tree", number)
            X, y, _, _, nominal = cut.seen
            X_test = cut.X_test
            if nominal.any():
                coder = one_hot(nominal).fit(X)
                X, X_test = coder.transform(X), coder.transform(X_test)
            yield name, number, X, y, X_test, cut.y_test


def interval(differences):
    """Mean of paired differences and half the width of its 95 % t-interval."""
    n = len(differences)
    half = stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / np.sqrt(n)
    return np.mean(differences), half


def test_not_worse_and_not_slower_than_the_authors(library, tmp_path):
    data, out = str(tmp_path / "data.npz"), str(tmp_path / "out.npy")
    rows = []
    for name, number, X, y, X_test, y_test in splits():
        np.savez(data, X=X, y=y, X_test=X_test)
        for seed in range(-1, REPEATS):  # the first of each split warms up
            for method, cls in OURS.items():
                start = time.process_time()
                model = cls(DecisionTreeClassifier(), TREES, random_state=max(seed, 0)).fit(X, y)
                ours = time.process_time() - start
                task = {"name": method, "data": data, "out": out, "trees": TREES}
                theirs = library(**task, seed=max(seed, 0))
                if seed < 0:
                    continue
                ap = [
                    score_metrics(y_test, p)["average_precision"]
                    for p in (model.predict_proba(X_test), np.load(out, allow_pickle=False))
                ]
                rows.append((method, name, number, *ap, ours, theirs))
    columns = ["method", "dataset", "split", "ap", "their_ap", "seconds", "their_seconds"]
    table = pd.DataFrame(rows, columns=columns)
    paired = table.groupby(["method", "dataset", "split"]).agg(
        {"ap": "mean", "their_ap": "mean", "seconds": "median", "their_seconds": "median"}
    )
    failed = []
    print(f"\nscikit-learn {sklearn.__version__}; theirs: {', '.join(PINNED)}")
    for method in OURS:
        print(f"\n{method}, {TREES} trees, {REPEATS} seeds; average precision, CPU seconds a fit")
        for name, found in paired.loc[method].groupby("dataset"):
            mean, half = interval(found.ap - found.their_ap)
            ratio = found.seconds.sum() / found.their_seconds.sum()
            print(
                f"{name:22s} {found.ap.mean():.3f} theirs {found.their_ap.mean():.3f}, difference "
                f"{mean:+.4f} +- {half:.4f}; {found.seconds.mean():.3f} theirs "
                f"{found.their_seconds.mean():.3f}, ratio {ratio:.2f} of {LIMIT:g}"
            )
            if ratio > LIMIT:
                failed.append(f"{method} on {name}: {ratio:.2f} times the library's fit time")
        found = paired.loc[method]
        mean, half = interval(found.ap - found.their_ap)
        ratio = found.seconds.sum() / found.their_seconds.sum()
        print(
            f"{'all splits':22s} difference {mean:+.4f} +- {half:.4f} (must not lie below 0); "
            f"ratio {ratio:.2f}"
        )
        if mean + half < 0:
            failed.append(f"{method}: average precision {mean:+.4f} +- {half:.4f}")
    assert not failed, failed
