"""One epoch of fine-tuning beside transformers' Trainer with its defaults.

The training part of sms_spam_4862, split 0; all six layers of all-MiniLM-L6-v2, batches of 32,
texts of at most 64 tokens, 2 threads. Wall time from tokens to a trained model, loading included.
The Trainer needs the package accelerate.

python -m pytest tests/benchmarks/bench_finetune.py -s
"""

import time

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from imbbench import config
from imbbench.bench.encoder import encoder_folder, tokenize
from imbbench.bench.metrics import score_metrics
from imbbench.bench.neural import MiniLMFinetune
from imbbench.bench.prepared import data_of
from imbbench.bench.sentence_encoder import in_low_precision

DATASET, BATCH, LENGTH = "sms_spam_4862", 32, 64
SEEDS = 3
# Settings of ours, and the largest share of the Trainer's wall time; without one only reported.
SETTINGS = {
    "six layers": ({"layers": 6}, 1 / 4 if in_low_precision("auto") else 1 / 2),
    "six layers, float32": ({"layers": 6, "precision": "float32"}, 1 / 2),
    "as in the study": ({}, None),
}


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def parts(study):
    """Texts and classes of the training and the validation part."""
    prepared, cuts = data_of(DATASET, study.protocol)
    return [([prepared.X[i] for i in rows], prepared.y[rows]) for rows in cuts[0][:2]]


def average_precision(y, probabilities):
    return score_metrics(y, probabilities)["average_precision"]


def ours(study, train, validation, seed, **settings):
    """Seconds of training, and average precision on the validation part."""
    encoder = study.protocol.encoder
    (X, y), (X_val, y_val) = ((tokenize(texts, encoder), y) for texts, y in (train, validation))
    entry = {k: v for k, v in study.learner("minilm_finetune").items() if k != "epochs"}
    entry |= {"max_length": LENGTH, "batch_size": BATCH, **settings}
    model = MiniLMFinetune(encoder=encoder, epochs=1, random_state=seed, **entry)
    start = time.perf_counter()
    model.fit(X, y)
    seconds = time.perf_counter() - start
    return seconds, average_precision(y_val, model.predict_proba(X_val))


def theirs(study, train, validation, seed, folder):
    """The same of the Trainer."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    encoder = encoder_folder(study.protocol.encoder)
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    rows, rows_val = (
        [
            {**tokenizer(text, truncation=True, max_length=LENGTH), "label": int(label)}
            for text, label in zip(texts, y, strict=True)
        ]
        for texts, y in (train, validation)
    )
    settings = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        seed=seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    start = time.perf_counter()
    trainer = Trainer(
        model=AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=2),
        args=settings,
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=rows,
    )
    trainer.train()
    seconds = time.perf_counter() - start
    logits = torch.as_tensor(trainer.predict(rows_val).predictions).double()
    return seconds, average_precision(validation[1], torch.softmax(logits, 1).numpy())


def test_faster_than_the_trainer_and_not_worse(two_threads, tmp_path):
    study = config.load()
    train, validation = parts(study)
    few = [(texts[:64], y[:64]) for texts, y in (train, validation)]  # these runs warm up
    theirs(study, *few, 0, tmp_path)
    for settings, _ in SETTINGS.values():
        ours(study, *few, 0, **settings)
    rows = []
    for seed in range(SEEDS):
        rows.append(("Trainer", *theirs(study, train, validation, seed, tmp_path)))
        for name, (settings, _) in SETTINGS.items():
            rows.append((name, *ours(study, train, validation, seed, **settings)))
    table = pd.DataFrame(rows, columns=["name", "seconds", "ap"])
    found = {name: part.reset_index(drop=True) for name, part in table.groupby("name")}
    trainer = found["Trainer"]
    print(f"\n{DATASET}: {len(train[0])} texts, {SEEDS} seeds; wall time, average precision")
    print(f"{'Trainer':20s} {trainer.seconds.mean():6.1f} s, {trainer.ap.mean():.4f}")
    failed = []
    for name, (_, limit) in SETTINGS.items():
        ratio = found[name].seconds.mean() / trainer.seconds.mean()
        differences = found[name].ap - trainer.ap
        half = stats.t.ppf(0.975, SEEDS - 1) * differences.std() / np.sqrt(SEEDS)
        print(
            f"{name:20s} {found[name].seconds.mean():6.1f} s, {found[name].ap.mean():.4f}; "
            f"ratio {ratio:.3f} of {limit or 'any'}, difference {differences.mean():+.4f} +- "
            f"{half:.4f}"
        )
        if limit and ratio > limit:
            failed.append(f"{name}: {ratio:.3f} of the Trainer's time, allowed {limit:g}")
        if limit and differences.mean() + half < 0:
            failed.append(f"{name}: average precision {differences.mean():+.4f} +- {half:.4f}")
    assert not failed, failed
