"""The whole pipeline on real data, cut down, in a scratch copy: ``smoke.py FOLDER``."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

from scratch import copy_project

DATASETS = ["car_vgood", "sms_spam_4862"]
FAMILIES = ["reference", "weighting", "posthoc"]


def shrink(params):
    """Two data sets, three families, one split, small ensembles, short training."""
    params["families"] = FAMILIES
    params["protocol"]["splits"] = 1
    for name in list(params["datasets"]):
        if name not in DATASETS:
            del params["datasets"][name]
    for family in list(params["strategies"]):
        if family not in FAMILIES:
            del params["strategies"][family]
    params["strategies"]["reference"]["bagging"]["n_estimators"] = 2
    short = {"epochs": 1, "steps": 20}
    for name in ("mlp", "minilm_head", "minilm_finetune"):
        params["learners"][name] |= short
    params["learners"]["minilm_finetune"] |= {"strategies": ["plain"]}


def main(folder):
    started = time.time()
    if folder.exists():
        shutil.rmtree(folder)
    copy_project(folder, shrink)
    for command in (
        ["imbbench", "check"],
        ["dvc", "repro"],
        ["imbbench", "verify", "--cells", "6"],
        ["imbbench", "summary"],
    ):
        module = [sys.executable, "-m", *command]
        print("$", *command, flush=True)
        if subprocess.run(module, cwd=folder).returncode:
            return 1
    print(f"smoke run passed in {time.time() - started:.0f} s; see {folder}/results/rendered")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
