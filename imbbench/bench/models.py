"""Fitted models in the local cache, in a format that runs no code when it is read."""

import os
import zipfile
from contextlib import suppress

import skops.io

from imbbench.files import write_whole

# A file that names another type is none of ours.
TRUSTED = [
    "functools.partial",
    *(f"imbbench.bench.learners.{n}" for n in ("LogReg", "TfidfLogReg", "Tree", "XGBoost")),
    "imbbench.bench.learners.HistGradientBoosting",
    "imbbench.bench.learners.Imported",
    *(f"imbbench.bench.neural.{n}" for n in ("MLP", "MiniLMHead", "MiniLMFinetune", "CNN")),
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils.validation.check_array",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
]
MOST = 2**31  # bytes of all models


def save_model(path, model, seconds):
    """Keep a fitted model and the seconds its fit took, if it can be kept.

    The oldest ones go when all take more than two gigabytes.
    """
    try:
        data = skops.io.dumps({"model": model, "seconds": seconds})
        if set(skops.io.get_untrusted_types(data=data)) <= set(TRUSTED):
            write_whole(path, data)
            _make_room(path.parent)
    except Exception:  # of a library's model, or of the disk: it will be fitted again
        return


def load_model(path):
    """What :func:`save_model` kept.

    Returns
    -------
    model, seconds
        Or None if there is none that can be used: missing, damaged, or of types that no learner
        is made of.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
        found = skops.io.load(path, trusted=TRUSTED)
        os.utime(path)  # the oldest is the one that was not used for longest
        return found["model"], found["seconds"]
    except Exception:
        return None


def _make_room(folder):
    files = []
    for file in folder.iterdir():
        with suppress(OSError):  # another process made room
            files.append((file.stat().st_mtime, file.stat().st_size, file))
    total = sum(size for _, size, _ in files)
    for _, size, file in sorted(files)[:-1]:
        if total <= MOST:
            return
        file.unlink(missing_ok=True)
        total -= size
