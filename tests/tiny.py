"""Tiny data sets of every kind, in the prepared format."""

import json

import numpy as np
import pandas as pd

WORDS = [
    "call",
    "now",
    "free",
    "win",
    "prize",
    "text",
    "claim",
    "you",
    "me",
    "lunch",
    "home",
    "later",
    "ok",
    "see",
    "meet",
    "tomorrow",
]
LEARNERS = {
    "logreg": {"C": 1.0},
    "tree": {},
    "hgb": {"max_iter": 5},
    "mlp": {"hidden": [8], "epochs": 3, "batch_size": 32},
    "tfidf_logreg": {"C": 10.0},
    "minilm_head": {"hidden": [], "epochs": 3, "batch_size": 32},
}
ENTRY = {
    "source": {"path": "a.csv"},
    "sha256": {"data": "0" * 64},
    "format": "csv",
    "target": "y",
    "modality": "tabular",
    "licence": "none",
    "why": "a test",
}


def draw_labels(rng, counts):
    return rng.permutation(np.repeat(list(counts), list(counts.values())))


def numbers(rng, labels, width):
    """Normal columns whose mean depends a little on the class."""
    codes = np.unique(labels, return_inverse=True)[1]
    frame = rng.normal(codes[:, None] * np.linspace(0, 1.2, width), 1.0, (len(labels), width))
    return pd.DataFrame(frame.round(3), columns=[f"x{i}" for i in range(width)])


def binary(rng):
    labels = draw_labels(rng, {"negative": 90, "positive": 24})
    return numbers(rng, labels, 3), labels, {}


def mixed(rng):
    labels = draw_labels(rng, {"healthy": 90, "ill": 24})
    frame = numbers(rng, labels, 3)
    frame["x1"] = frame["x1"].where(rng.random(len(labels)) > 0.2)
    frame["sex"] = pd.Series(rng.choice(["F", "M"], len(labels)), dtype=object)
    frame.loc[rng.random(len(labels)) < 0.1, "sex"] = None
    frame["city"] = pd.Series(rng.choice(["a", "b", "c"], len(labels)), dtype=object)
    frame.loc[3, ["x0", "x1", "x2", "sex", "city"]] = frame.loc[2].tolist()
    return frame, labels, {"categorical": ["sex", "city"]}


def nominal(rng):
    labels = draw_labels(rng, {"no": 170, "yes": 14})
    columns = {f"c{i}": rng.choice(list("abcd"), len(labels)) for i in range(4)}
    columns["c0"] = np.where(rng.random(len(labels)) < 0.6, labels, columns["c0"])
    frame = pd.DataFrame(columns, dtype=object)
    return frame, labels, {"categorical": list(frame)}


def four(rng):
    labels = draw_labels(rng, {"d": 80, "c": 36, "b": 24, "a": 18})
    return numbers(rng, labels, 4), labels, {}


def fixed_test(rng):
    labels = draw_labels(rng, {"major": 70, "middle": 40, "minor": 30})
    part = np.where(rng.random(len(labels)) < 0.7, "train", "test")
    return numbers(rng, labels, 3), labels, {"part": part}


def texts(rng):
    labels = draw_labels(rng, {"ham": 90, "spam": 24})
    half = len(WORDS) // 2
    lines = [
        " ".join(rng.choice(WORDS[:half] if (label == "spam") else WORDS[half:], 5)) + f" {n}"
        for n, label in enumerate(labels)
    ]
    return pd.DataFrame({"text": lines}), labels, {"text": "text"}


def images(rng):
    """Seven by seven grey values, a bright square in another corner for each class."""
    labels = draw_labels(rng, {"nought": 60, "one": 30, "two": 18})
    pixels = rng.integers(0, 200, (len(labels), 7, 7))
    for label, (row, column) in {"nought": (0, 0), "one": (0, 4), "two": (4, 0)}.items():
        pixels[labels == label, row : row + 3, column : column + 3] += 55
    frame = pd.DataFrame(pixels.reshape(-1, 49).astype(float))
    return frame.add_prefix("p"), labels, {"modality": "image"}


TINY = {f.__name__: f for f in (binary, mixed, nominal, four, fixed_test, texts, images)}


def write_prepared(
    root, name, frame, labels, categorical=(), text=None, part=None, modality="tabular"
):
    """Write a data set in the prepared format below ``root``."""
    counted = labels if part is None else labels[part == "train"]
    names, counts = np.unique(counted, return_counts=True)
    order = np.lexsort([names, -counts])
    features = list(frame)
    groups = frame.fillna("").astype(str).agg("|".join, axis=1)
    frame = frame.assign(_label=labels, _group=groups.map({g: i for i, g in enumerate(groups)}))
    if part is not None:
        frame["_part"] = part
    schema = {
        "name": name,
        "modality": "text" if text else modality,
        "classes": names[order].tolist(),
        "class_counts": counts[order].tolist(),
        "numeric": [c for c in features if c not in categorical and c != text],
        "categorical": list(categorical),
        "text": text,
        "rows": len(frame),
        "own_test": part is not None,
    }
    folder = root / "data" / "prepared" / name
    folder.mkdir(parents=True)
    frame.to_csv(folder / "data.csv", index=False, lineterminator="\n")
    (folder / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
