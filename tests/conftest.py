"""A tiny study: data sets of every kind, prepared, and a text encoder of random weights."""

import json
import os
import sys

# Set before numpy and torch start their threads: two workers share the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from imbbench import config

# Time depends on what else the machine does; it is measured in benchmarks.
settings.register_profile("imbbench", deadline=None)
settings.load_profile("imbbench")

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


@pytest.fixture(scope="session")
def write_study():
    """``write_study(root, strategies, learners, **protocol)``: params.yaml and all tiny data."""

    def write(root, strategies, learners=LEARNERS, **protocol):
        for name, make in TINY.items():
            frame, labels, roles = make(np.random.default_rng(len(name)))
            write_prepared(root, name, frame, labels, **roles)
        entries = {name: dict(ENTRY) for name in TINY}
        entries["texts"] |= {"modality": "text", "text": "text"}
        entries["images"] |= {"modality": "image"}
        params = {
            "families": list(strategies),
            "protocol": {"folds": 3, "time_limit": 60, "encoder": "no-encoder", **protocol},
            "learners": learners,
            "strategies": strategies,
            "datasets": entries,
        }
        # JSON is YAML, and keeps the order of the keys.
        (root / "params.yaml").write_text(json.dumps(params, indent=1), encoding="utf-8")

    return write


@pytest.fixture(autouse=True)
def subnormal_numbers():
    """A cell that ran in this process has set them to zero for its own sake."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def study(tmp_path, monkeypatch, write_study):
    """A study of few strategies without texts' encoder; ``IMBBENCH_ROOT`` points to it."""

    strategies = {
        "reference": {"plain": {}, "dummy": {"learners": ["tree"]}},
        "weighting": {"inverse_frequency": {}, "table_3": {"table": {"healthy": 1, "ill": 3}}},
        "posthoc": {"threshold_0_3": {"threshold": 0.3}},
    }
    write_study(tmp_path, strategies)
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    return config.load()


@pytest.fixture
def caught(monkeypatch):
    """``caught(strategy, cell, *values)``: what the strategy hands to ``cell.fit``."""

    def call(strategy, cell, *values, **parameters):
        got = {}
        monkeypatch.setattr(
            cell, "fit", lambda X=None, y=None, **rest: got.update(X=X, y=y, **rest)
        )
        strategy(cell, *values, **parameters)
        return got

    return call


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """Folder of a BERT with one layer, eight units and random weights, with its tokenizer."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    pieces += [p + c for c in "abcdefghijklmnopqrstuvwxyz0123456789" for p in ("", "##")]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    settings = BertConfig(
        vocab_size=len(pieces),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=256,
    )
    BertModel(settings).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def language_models(tmp_path_factory):
    """By the key of params.yaml that names it: folders of random models that write words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        PreTrainedTokenizerFast,
        T5Config,
        T5ForConditionalGeneration,
    )

    names = {name: number for number, name in enumerate(["<pad>", "<unk>", "</s>", *WORDS])}
    words = Tokenizer(models.WordLevel(names, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>"}
    size = {"vocab_size": len(names), "pad_token_id": 0, "eos_token_id": 2}
    folder = tmp_path_factory.mktemp("language")
    torch.manual_seed(0)
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder / "causal")
    LlamaForCausalLM(
        LlamaConfig(
            hidden_size=8,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            bos_token_id=2,
            **size,
        )
    ).save_pretrained(folder / "causal")
    words.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 2)])
    for name in ("there", "back"):
        PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder / name)
        T5ForConditionalGeneration(
            T5Config(
                d_model=8,
                d_kv=4,
                d_ff=16,
                num_layers=1,
                num_heads=2,
                decoder_start_token_id=0,
                **size,
            )
        ).save_pretrained(folder / name)
    named = {"there": "there", "back": "back", "model": "causal"}
    return {key: str(folder / name) for key, name in named.items()}
