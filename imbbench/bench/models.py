"""Fitted models in the local cache, in a format that runs no code when it is read."""

from imbbench.files import recall, remember

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


def save_model(path, model, seconds):
    """Keep a fitted model and the seconds its fit took, if it is one that can be kept."""
    import skops.io  # takes seconds, since it loads all of scikit-learn

    try:
        data = skops.io.dumps({"model": model, "seconds": seconds})
        unknown = set(skops.io.get_untrusted_types(data=data)) - set(TRUSTED)
    except Exception:  # a library's model that has no such form: it will be fitted again
        return
    if not unknown:
        remember(path, data)


def load_model(path):
    """What :func:`save_model` kept.

    Returns
    -------
    model, seconds
        Or None if there is none that can be used: missing, damaged, or of types that no learner
        is made of.
    """
    data = recall(path)
    if data is None:
        return None
    import skops.io

    try:
        found = skops.io.loads(data, trusted=TRUSTED)
        return found["model"], found["seconds"]
    except Exception:
        return None
