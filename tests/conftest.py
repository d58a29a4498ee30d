"""A tiny study: data sets of every kind, prepared, and a text encoder of random weights."""

import json
import os
import shutil
import sys

# Set before numpy and torch start their threads: two workers share the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from tiny import ENTRY, LEARNERS, TINY, WORDS, write_prepared

from imbbench import config

# Time depends on what else the machine does; it is measured in benchmarks.
settings.register_profile("imbbench", deadline=None)
settings.load_profile("imbbench")


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory):
    """A folder with every tiny data set, prepared."""
    root = tmp_path_factory.mktemp("tiny")
    for name, make in TINY.items():
        frame, labels, roles = make(np.random.default_rng(len(name)))
        write_prepared(root, name, frame, labels, **roles)
    return root


@pytest.fixture(scope="session")
def write_study(tiny_data):
    """``write_study(root, strategies, learners, **protocol)``: params.yaml and all tiny data."""

    def write(root, strategies, learners=LEARNERS, **protocol):
        # Not copy2: what is cached of another study's data is told from these by the time.
        shutil.copytree(tiny_data, root, copy_function=shutil.copyfile, dirs_exist_ok=True)
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
            cell, "fit", lambda X=None, y=None, **rest: got.update(X=X, y=y, **rest) or "fitted"
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
