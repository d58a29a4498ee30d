"""Cells computed again from the prepared files: scikit-learn, imbalanced-learn and numpy alone.

Of imbbench only the row numbers of the splits and the seeds are taken. Each recomputation is
written from the README and the docstrings, not from the code, so a fault in features, fitting,
cut-offs or metrics must be made twice to pass.
"""

import numpy as np
import pandas as pd
import pytest
from imblearn.ensemble import (
    BalancedBaggingClassifier,
    BalancedRandomForestClassifier,
    EasyEnsembleClassifier,
)
from imblearn.metrics import geometric_mean_score
from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC, RandomOverSampler
from imblearn.under_sampling import EditedNearestNeighbours, RandomUnderSampler
from scipy.special import logit
from sklearn import metrics
from sklearn.ensemble import AdaBoostClassifier, HistGradientBoostingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.class_weight import compute_sample_weight
from tiny import write_prepared
from xgboost import XGBClassifier

from imbbench import config
from imbbench.bench.cell import Task
from imbbench.bench.prepared import data_of
from imbbench.bench.protocol import seed_for, stratified_group_folds
from imbbench.bench.scoring import run_cell

SETTINGS = {
    "logreg": {"C": 0.5},
    "tree": {"min_samples_leaf": 3},
    "hgb": {"max_iter": 20, "learning_rate": 0.2, "max_depth": 2, "l2_regularization": 1.0},
    "xgboost": {"n_estimators": 15, "learning_rate": 0.2, "max_depth": 3, "reg_lambda": 2.0},
    "tfidf_logreg": {"C": 10.0},
}
STRATEGIES = {
    "reference": {"plain": {}},
    "weighting": {"inverse_frequency": {}, "effective_0_99": {"effective_number": 0.99}},
    "undersampling": {
        "under_1_1": {"random": 1},
        "under_1_2": {"random": 2},
        "under_1_1_corrected": {"corrected": "under_1_1"},
    },
    "oversampling": {
        "over_1_1": {"random": 1},
        "smote": {"k_neighbors": 3},
        "smote_enn": {"smote_then": "EditedNearestNeighbours", "k_neighbors": 3},
        "upsample_downweight_2": {"upsample_downweight": 2},
    },
    "ensemble": {
        "under_bagging": {"n_estimators": 5},
        "balanced_random_forest": {"n_estimators": 8},
        "easy_ensemble": {"bags": 2, "rounds": 3, "max_depth": 2},
    },
    "posthoc": {
        "threshold_0_3": {"threshold": 0.3},
        "tuned_f1": {},
        "cost_10": {"tuned_cost": 10},
        "cost_10_fixed": {"cost_threshold": 10},
        "cross_fitted_macro_f1": {"cross_fitted": "macro_f1"},
        "logit_adjustment": {"tau": 0.8},
        "isotonic": {},
    },
}
FAMILY = {name: family for family, entries in STRATEGIES.items() for name in entries}
RULES = {"tuned_macro_f1": "macro_f1", "tuned_balanced_accuracy": "balanced_accuracy"}


def messages(rng):
    """Texts of three classes in which signs count; full stops and commas do not."""
    own = {"ham": ["lunch", "Home", "ok.", "a"], "offer": ["win", "€", "5", "now!"], "ask": ["?"]}
    labels = rng.permutation(np.repeat(list(own), [90, 40, 22]))
    both = ["call", "you", "me,", "the", "day", "!", "7"]
    lines = [
        " ".join(rng.choice(own[label] + both, rng.integers(4, 9))) + f" no{n}"
        for n, label in enumerate(labels)
    ]
    return pd.DataFrame({"text": lines}), labels, {"text": "text"}


@pytest.fixture(scope="module")
def study(tmp_path_factory, write_study):
    root = tmp_path_factory.mktemp("recomputed")
    write_study(root, STRATEGIES, SETTINGS)
    frame, labels, roles = messages(np.random.default_rng(1))
    write_prepared(root, "messages", frame, labels, **roles)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMBBENCH_ROOT", str(root))
        yield root, config.load()


class Part:
    """What a recomputation sees: rows of the three parts, and whatever it needs of the learner."""

    def __init__(self, study, dataset, learner, strategy, split):
        root, loaded = study
        folder = root / "data" / "prepared" / dataset
        frame = pd.read_csv(folder / "data.csv", keep_default_na=False, na_values=[""])
        rows = data_of(dataset, loaded.protocol)[1][split]
        labels = frame["_label"][frame["_part"] == "train"] if "_part" in frame else frame["_label"]
        shares = labels.value_counts()
        order = sorted(shares.index, key=lambda name: (-shares[name], name))
        y = frame["_label"].map({name: code for code, name in enumerate(order)}).to_numpy()
        groups = frame["_group"].to_numpy()
        features = frame.drop(columns=[c for c in frame if c.startswith("_")])
        if learner == "tfidf_logreg":
            X = [words(features["text"], chosen, rows[0]) for chosen in rows]
            self.nominal = np.zeros(X[0].shape[1], dtype=bool)
        else:
            X, self.nominal = columns(features, rows)
        self.X, self.X_val, self.X_test = X
        self.y, self.y_val, self.y_test = (y[chosen] for chosen in rows)
        self.groups, self.learner = groups[rows[0]], learner
        self.counts = np.bincount(self.y)
        self.n_classes = len(self.counts)
        self.names = loaded.protocol.seed, dataset, split
        self.seed = self.seed_of(strategy)

    def seed_of(self, strategy):
        return seed_for(*self.names, strategy)

    def spread(self, X):
        """One column per level of the training part, in its order, then the numbers."""
        found = [X[:, [c]] == np.unique(self.X[:, c])[None] for c in np.flatnonzero(self.nominal)]
        return np.hstack([*found, X[:, ~self.nominal]]) if found else X

    def fit(self, seed, X=None, y=None, weight=None, balanced=False):
        """Probabilities of any rows, by the learner as its library has it."""
        X, y = (self.X, self.y) if X is None else (X, y)
        settings, seen = SETTINGS[self.learner], self.spread
        class_weight = "balanced" if balanced else None
        if "logreg" in self.learner:
            model = LogisticRegression(**settings, max_iter=1000, class_weight=class_weight)
        elif self.learner == "tree":
            model = DecisionTreeClassifier(**settings, random_state=seed, class_weight=class_weight)
        elif self.learner == "hgb":
            seen = np.asarray
            model = HistGradientBoostingClassifier(
                **settings,
                min_samples_leaf=5,
                categorical_features=self.nominal,
                early_stopping=False,
                random_state=seed,
                class_weight=class_weight,
            )
        else:
            model = XGBClassifier(**settings, random_state=seed, n_jobs=1)
            weight = compute_sample_weight("balanced", y) if balanced else weight
        model.fit(seen(X), y, sample_weight=weight)

        def predict(rows):
            p = model.predict_proba(seen(rows)).astype(float)
            return p / p.sum(axis=1, keepdims=True)

        return predict


def columns(features, rows):
    """Numbers, standardised, with their medians and marks where they are missing; then codes."""
    train = features.iloc[rows[0]]
    numbers, marks, codes = [], [], []
    for name in features:
        column = features[name]
        if pd.api.types.is_numeric_dtype(column):
            numbers.append(column.fillna(train[name].median()).to_numpy(float))
            if train[name].isna().any():
                marks.append(column.isna().to_numpy(float))
        else:
            level = column.fillna("missing")
            levels = sorted(set(level.iloc[rows[0]]))
            codes.append(level.map({v: i for i, v in enumerate(levels)}).fillna(-1).to_numpy(float))
    scaled = []
    for column in numbers + marks:
        seen = column[rows[0]]
        scaled.append((column - seen.mean()) / (seen.std() or 1))
    table = np.column_stack(scaled + codes)
    nominal = np.arange(table.shape[1]) >= len(scaled)
    return [table[chosen] for chosen in rows], nominal


def words(texts, chosen, train):
    coder = TfidfVectorizer(
        token_pattern=r"\w+|[!?€$£]", ngram_range=(1, 2), min_df=2, sublinear_tf=True
    )
    return coder.fit(texts.iloc[train]).transform(texts.iloc[chosen])


def plain(part):
    return part.fit(part.seed_of("plain"))


def inverse_frequency(part):
    return part.fit(part.seed, balanced=True)


def effective_0_99(part):
    weights = 0.01 / (1 - 0.99**part.counts)
    weights *= part.n_classes / weights.sum()
    return part.fit(part.seed, part.X, part.y, weights[part.y])


def _resampled(part, sampler):
    return part.fit(part.seed, *sampler.fit_resample(part.X, part.y))


def under_1_1(part, strategy="under_1_1"):
    return under(part, part.counts.min(), part.seed_of(strategy))


def under_1_2(part):
    return under(part, 2 * part.counts.min(), part.seed)


def under(part, most, seed):
    sizes = {c: int(min(n, most)) for c, n in enumerate(part.counts)}
    X, y = RandomUnderSampler(sampling_strategy=sizes, random_state=seed).fit_resample(
        part.X, part.y
    )
    return part.fit(seed, X, y)


def under_1_1_corrected(part):
    """Two classes, by the article's formula."""
    sampled, beta = under_1_1(part), part.counts[1] / part.counts[0]

    def predict(X):
        p = sampled(X)[:, 1]
        p = beta * p / (beta * p - p + 1)
        return np.column_stack([1 - p, p])

    return predict


def over_1_1(part):
    return _resampled(part, RandomOverSampler(random_state=part.seed))


def _smote(part):
    settings = {"random_state": part.seed, "k_neighbors": 3}
    if part.nominal.all():
        return SMOTEN(**settings)
    if part.nominal.any():
        return SMOTENC(np.flatnonzero(part.nominal).tolist(), **settings)
    return SMOTE(**settings)


def smote(part):
    return _resampled(part, _smote(part))


def smote_enn(part):
    X, y = _smote(part).fit_resample(part.X, part.y)
    cleaner = EditedNearestNeighbours(sampling_strategy="all")
    cleaner.fit_resample(part.spread(X), y)
    return part.fit(part.seed, X[cleaner.sample_indices_], y[cleaner.sample_indices_])


def upsample_downweight_2(part):
    copies = np.where(part.counts * 2 <= part.counts.max(), 2, 1)[part.y]
    rows = np.repeat(np.arange(len(part.y)), copies)
    return part.fit(part.seed, part.X[rows], part.y[rows], 1 / copies[rows])


def _tree(part, **settings):
    return DecisionTreeClassifier(**SETTINGS["tree"], **settings)


def under_bagging(part):
    return _ensemble(
        part,
        BalancedBaggingClassifier(
            _tree(part),
            5,
            bootstrap=False,
            sampler=RandomUnderSampler(replacement=True),
            sampling_strategy="all",
            random_state=part.seed,
        ),
    )


def balanced_random_forest(part):
    settings = {"sampling_strategy": "all", "replacement": True, "bootstrap": False}
    return _ensemble(part, BalancedRandomForestClassifier(8, random_state=part.seed, **settings))


def easy_ensemble(part):
    boosted = AdaBoostClassifier(_tree(part, max_depth=2), n_estimators=3)
    return _ensemble(part, EasyEnsembleClassifier(2, boosted, random_state=part.seed))


def _ensemble(part, model):
    model.fit(part.spread(part.X), part.y)
    return lambda X: model.predict_proba(part.spread(X))


def logit_adjustment(part):
    model = plain(part)

    def predict(X):
        p = model(X) / (part.counts / part.counts.sum()) ** 0.8
        return p / p.sum(axis=1, keepdims=True)

    return predict


def isotonic(part):
    """Each class against the rest, then to a sum of one; all rows alike where none is left."""
    model = plain(part)

    def odds(X):
        return logit(np.clip(model(X), 1e-12, 1 - 1e-12))

    steps = [
        IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(x, part.y_val == c)
        for c, x in enumerate(odds(part.X_val).T)
    ]

    def predict(X):
        p = np.column_stack([step.predict(x) for step, x in zip(steps, odds(X).T, strict=True)])
        p[p.sum(axis=1) == 0] = 1
        return p / p.sum(axis=1, keepdims=True)

    return predict


def threshold_0_3(part):
    return plain(part), np.array([0, np.log(0.7 / 0.3)])


def tuned_f1(part):
    model = plain(part)
    return model, best_offsets(model(part.X_val), part.y_val, lambda y, found: f1_of(y, found)[-1])


def cost_10(part):
    model = plain(part)

    def gain(y, found):
        return -np.mean((found != y) * np.where(y == 0, 1, 10))

    return model, best_offsets(model(part.X_val), part.y_val, gain)


def cost_10_fixed(part):
    """Two classes: from 1 / 11 on."""
    model = plain(part)
    return model, lambda X: (model(X)[:, 1] >= 1 / 11).astype(int)


def cross_fitted_macro_f1(part):
    folds = stratified_group_folds(part.y, part.groups, 5, part.seed)
    held_out = np.empty((len(part.y), part.n_classes))
    for k in range(5):
        fitted = part.fit(part.seed, part.X[folds != k], part.y[folds != k])
        held_out[folds == k] = fitted(part.X[folds == k])
    return plain(part), best_offsets(held_out, part.y, OBJECTIVES["macro_f1"])


def f1_of(y, found):
    """F1 of each class that is there, with none predicted 0."""
    return np.array(
        [
            2 * np.sum((y == c) & (found == c)) / (np.sum(y == c) + np.sum(found == c))
            for c in np.unique(y)
        ]
    )


OBJECTIVES = {
    "macro_f1": lambda y, found: f1_of(y, found).mean(),
    "balanced_accuracy": lambda y, found: np.mean([(found[y == c] == c).mean() for c in set(y)]),
}


def cut(p, offsets):
    """The class with the highest log p + offset; of equals the rarer."""
    scores = np.log(np.maximum(p, 1e-12)) + offsets
    return scores.shape[1] - 1 - np.argmax(scores[:, ::-1] > scores.max(1)[:, None] - 1e-12, axis=1)


def best_offsets(p, y, objective):
    """Every cut between two rows tried; of several classes one offset after the other."""
    n_classes = p.shape[1]
    offsets = np.zeros(n_classes)
    best = objective(y, cut(p, offsets))
    for _ in range(10):
        before = best
        for c in [1] if n_classes == 2 else range(n_classes):
            others = np.log(np.maximum(p, 1e-12)) + offsets
            own = others[:, c] - offsets[c]
            others[:, c] = -np.inf
            needed = np.sort(others.max(axis=1) - own)
            middle = (needed[1:] + needed[:-1]) / 2
            tries = [needed[0] - 1, *middle[np.diff(needed) > 1e-9], needed[-1] + 1]
            values = []
            for value in tries:
                tried = offsets.copy()
                tried[c] = value
                values.append(objective(y, cut(p, tried)))
            if max(values) > best + 1e-12:
                best = max(values)
                good = [t for t, v in zip(tries, values, strict=True) if v >= best - 1e-12]
                offsets[c] = min(good, key=abs)
        if best <= before + 1e-12 or n_classes == 2:
            break
    return offsets


def label_scores(y, found, n_classes):
    every = range(n_classes)
    each = metrics.precision_recall_fscore_support(y, found, labels=every, zero_division=0)
    row = {
        f"{name}_{c}": each[k][c]
        for k, name in enumerate(("precision", "recall", "f1"))
        for c in every
    }
    return row | {
        "accuracy": metrics.accuracy_score(y, found),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, found),
        "macro_f1": metrics.f1_score(y, found, average="macro", labels=every, zero_division=0),
        "g_mean": geometric_mean_score(y, found, average="multiclass"),
        "mcc": metrics.matthews_corrcoef(y, found),
    }


def error_of(confidence, right):
    """Expected calibration error, bin by bin."""
    total = 0.0
    for b in range(15):
        inside = (np.floor(confidence * 15) == b) | ((b == 14) & (confidence == 1))
        if inside.any():
            total += inside.sum() * abs(confidence[inside].mean() - right[inside].mean())
    return total / len(right)


def line_of(y, p):
    """Intercept and slope of an unpenalised logistic regression on the log-odds."""
    x = logit(np.clip(p, 1e-15, 1 - 1e-15))
    if x[y == 1].min() >= x[y == 0].max() or x[y == 0].min() >= x[y == 1].max():
        return np.nan, np.nan
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    model.fit(x[:, None], y)
    return model.intercept_[0], model.coef_[0, 0]


def score_scores(y, p):
    n_classes = p.shape[1]
    truth = np.eye(n_classes)[y]
    top = p.argmax(axis=1)
    row = {
        "log_loss": -np.mean(np.log(np.maximum(p[truth == 1], 1e-15))),
        "brier": metrics.brier_score_loss(truth, p, scale_by_half=False),
        "ece": error_of(p.max(axis=1), top == y),
    }
    if n_classes == 2:
        intercept, slope = line_of(y, p[:, 1])
        return row | {
            "roc_auc": metrics.roc_auc_score(y, p[:, 1]),
            "average_precision": metrics.average_precision_score(y, p[:, 1]),
            "ece_minority": error_of(p[:, 1], y == 1),
            "calibration_intercept": intercept,
            "calibration_slope": slope,
        }
    undefined = ["ece_minority", "calibration_intercept", "calibration_slope"]
    return row | {
        "roc_auc": metrics.roc_auc_score(truth, p, average="macro"),
        "average_precision": metrics.average_precision_score(truth, p, average="macro"),
        **dict.fromkeys(undefined, np.nan),
    }


def curve_of(y, p):
    """At each recall the best precision of a threshold that reaches it, mean over the classes."""
    curves = []
    for c in [1] if p.shape[1] == 2 else range(p.shape[1]):
        precision, recall, thresholds = metrics.precision_recall_curve(y == c, p[:, c])
        precision, recall = precision[: len(thresholds)], recall[: len(thresholds)]
        reached = [recall >= k / 20 - 1e-9 for k in range(21)]
        curves.append([precision[mask].max() for mask in reached])
    return np.mean(curves, axis=0)


def recomputed(part, strategy):
    """By rule: every column of the row; and the precision at the recalls."""
    made = globals()[strategy](part)
    model, own = made if isinstance(made, tuple) else (made, None)
    p = model(part.X_test)
    if own is None:
        held_out = model(part.X_val)
        labels = {"argmax": (p.argmax(axis=1), None)}
        for rule, name in RULES.items():
            offsets = best_offsets(held_out, part.y_val, OBJECTIVES[name])
            labels[rule] = cut(p, offsets), offsets
    elif callable(own):
        labels = {"own": (own(part.X_test), None)}
    else:
        labels = {"own": (cut(p, own), own)}
    rows = {}
    for rule, (found, offsets) in labels.items():
        rows[rule] = score_scores(part.y_test, p) | label_scores(part.y_test, found, part.n_classes)
        if offsets is not None and part.n_classes == 2:
            rows[rule]["threshold"] = 1 / (1 + np.exp(offsets[1]))
        elif offsets is not None:
            rows[rule] |= {f"offset_{c}": value for c, value in enumerate(offsets)}
    return rows, curve_of(part.y_test, p)


@pytest.mark.parametrize(
    ("dataset", "learner", "strategy", "split"),
    [
        ("binary", "logreg", "plain", 0),
        ("mixed", "logreg", "plain", 1),
        ("four", "tree", "plain", 2),
        ("mixed", "hgb", "plain", 0),
        ("fixed_test", "xgboost", "plain", 2),
        ("messages", "tfidf_logreg", "plain", 0),
        ("images", "logreg", "plain", 0),
        ("mixed", "logreg", "inverse_frequency", 0),
        ("four", "xgboost", "inverse_frequency", 1),
        ("mixed", "tree", "inverse_frequency", 2),
        ("four", "hgb", "inverse_frequency", 0),
        ("messages", "tfidf_logreg", "inverse_frequency", 1),
        ("four", "logreg", "effective_0_99", 0),
        ("binary", "xgboost", "under_1_1", 0),
        ("mixed", "hgb", "under_1_1", 1),
        ("four", "logreg", "under_1_2", 0),
        ("binary", "tree", "under_1_1_corrected", 1),
        ("messages", "tfidf_logreg", "over_1_1", 0),
        ("mixed", "xgboost", "over_1_1", 2),
        ("four", "tree", "smote", 0),
        ("mixed", "logreg", "smote", 0),
        ("nominal", "logreg", "smote", 0),
        ("messages", "tfidf_logreg", "smote", 2),
        ("mixed", "hgb", "smote_enn", 0),
        ("four", "logreg", "upsample_downweight_2", 1),
        ("mixed", "tree", "balanced_random_forest", 0),
        ("four", "tree", "balanced_random_forest", 1),
        ("four", "tree", "under_bagging", 0),
        ("binary", "tree", "easy_ensemble", 0),
        ("mixed", "xgboost", "logit_adjustment", 0),
        ("messages", "tfidf_logreg", "logit_adjustment", 1),
        ("four", "hgb", "logit_adjustment", 0),
        ("mixed", "logreg", "threshold_0_3", 0),
        ("binary", "hgb", "tuned_f1", 0),
        ("four", "logreg", "cost_10", 0),
        ("mixed", "tree", "cost_10_fixed", 0),
        ("mixed", "logreg", "cross_fitted_macro_f1", 0),
        ("four", "tree", "cross_fitted_macro_f1", 0),
        ("four", "logreg", "isotonic", 0),
    ],
)
def test_a_cell_is_what_plain_libraries_say(study, dataset, learner, strategy, split):
    task = Task(dataset, FAMILY[strategy], learner, strategy, split)
    rows, _, curve = run_cell(study[1], task)
    wanted, precision = recomputed(Part(study, dataset, learner, strategy, split), strategy)
    assert [row["rule"] for row in rows] == list(wanted), rows[0]["reason"]
    for row in rows:
        found = {name: value for name, value in row.items() if isinstance(value, float)}
        assert found == pytest.approx(wanted[row["rule"]], abs=1e-6, nan_ok=True)
    np.testing.assert_allclose(curve["precision"], precision, atol=1e-6)
