"""The best of several fits in validation."""

from imbbench.bench.metrics import label_metrics, score_metrics


def best_fit(cell, models):
    """The first of the models with the best macro-F1, then average precision, in validation."""

    def score(model):
        p = model.predict_proba(cell.X_val)
        found = label_metrics(cell.y_val, p.argmax(axis=1), len(cell.classes))
        return found["macro_f1"], score_metrics(cell.y_val, p)["average_precision"]

    return max(models, key=score)
