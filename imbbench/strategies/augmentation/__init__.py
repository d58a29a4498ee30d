"""Family augmentation: train on more texts of the small classes, changed or newly written.

Every entry adds the same number of rows to the same classes as its control, which adds plain
copies; texts that were edited, translated or copied start from the same rows. What is written by a
model is checked (see :func:`verdicts`), and copies fill up what the checks leave over, so that an
entry and its control differ in nothing but the texts. Everything is made from the training part
alone. Written texts are memoised in the ignored folder ``data/cache/written``, with the rows each
was made from, what was kept and why not.

The features of an added text are made as the others' were: words and pairs of words that are not
in the training part have no TF-IDF column.
"""

import json
import time
from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy import sparse

from imbbench.bench.code import code_hash
from imbbench.bench.encoder import embed
from imbbench.bench.registry import strategy
from imbbench.files import write_whole
from imbbench.paths import cache_file
from imbbench.strategies.augmentation.edits import EDITS, WORD, edit_text, word_neighbours
from imbbench.strategies.augmentation.language_models import (
    LANGUAGE_MODEL,
    NUCLEUS_SAMPLING,
    load_language_model,
    sampled,
    translate,
)
from imbbench.strategies.augmentation.prefix_writer import PrefixWriter, similar_pairs
from imbbench.strategies.augmentation.verdicts import verdicts

MOST_WRITTEN = 1000  # rows to add; writing takes up to a second for each
SURPLUS = 1.5  # texts written for one that is wanted
CANDIDATES = 2  # similar texts written for one that is wanted


def _check(ratio=1, per_class=None, **numbers):
    if isinstance(ratio, bool) or not isinstance(ratio, Real) or not ratio >= 1:
        raise ValueError(f"ratio is the largest class over any other, 1 or more, not {ratio!r}")
    if per_class is not None:
        numbers["per_class"] = per_class
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} is a whole number of at least 1, not {value!r}")


def _rows(cell, ratio, per_class):
    """Training rows that the added texts start from: the same for all entries of a cell.

    Until the largest class is at most ``ratio`` times any other, but at most ``per_class`` for
    each; every row of a class is taken about equally often.
    """
    generator = np.random.default_rng(cell.common_seed)
    least = round(cell.class_counts.max() / ratio)
    rows = []
    for c, n in enumerate(cell.class_counts):
        missing = min(least - n, np.inf if per_class is None else per_class)
        if missing > 0:
            own = np.flatnonzero(cell.y == c)
            turns = [generator.permutation(own) for _ in range(-(-missing // n))]
            rows.append(np.concatenate(turns)[:missing])
    cell.need(rows, f"no class is less than 1/{ratio:g} of the largest")
    return np.concatenate(rows)


def _fit(cell, proposed):
    """The learner on the training part and the texts whose ``why`` is empty.

    The model's ``added_`` is ``proposed``: ``label``, ``text``, ``origin`` (copied, edited,
    written), ``why`` (not added; empty for texts that were) and ``rows`` (it was made from).
    """
    added = proposed[proposed["why"] == ""]
    new = cell.vectorize(added["text"].tolist())
    X = sparse.vstack([cell.X, new], "csr") if sparse.issparse(cell.X) else [cell.X, new]
    X = np.concatenate(X) if isinstance(X, list) else X
    model = cell.fit(X, np.concatenate([cell.y, added["label"].to_numpy()]))
    model.added_ = proposed
    return model


def _frame(texts, y, rows, origin):
    """One proposed text for each of ``rows``."""
    return pd.DataFrame(
        {
            "label": np.asarray(y)[rows],
            "text": pd.Series(texts, dtype=object),
            "origin": origin,
            "why": "",
            "rows": [[int(row)] for row in rows],
        }
    )


def _check_copies(ratio, per_class=None):
    _check(ratio, per_class)


@strategy(by_key=True, check=_check_copies)
def copies(cell, ratio, per_class=None):
    """Plain copies of the rows that the other entries start from: their control."""
    texts = cell.texts
    rows = _rows(cell, ratio, per_class)
    return _fit(cell, _frame([texts[i] for i in rows], cell.y, rows, "copied"))


def _check_edit(kind, ratio=1, per_class=None):
    if kind not in (*EDITS, "any"):
        raise ValueError(f"unknown edit {kind!r}; known: {', '.join(EDITS)}, any")
    _check(ratio, per_class)


@strategy(by_key=True, check=_check_edit)
def edit(cell, kind, ratio=1, per_class=None):
    """Easy augmentation by one kind of edit, or by ``any`` of the four for each text."""
    texts = cell.texts
    rows = _rows(cell, ratio, per_class)
    near = {}
    if kind not in ("swap", "deletion"):
        parts = (WORD.fullmatch(word) for i in set(rows) for word in texts[i].split())
        near = word_neighbours({m[2] for m in parts if m}, _encoder(cell))
    generator = np.random.default_rng(cell.seed)
    edited = []
    for i in rows:
        chosen = str(generator.choice(list(EDITS))) if kind == "any" else kind
        edited.append(edit_text(texts[i], chosen, near, generator))
    return _fit(cell, _frame(edited, cell.y, rows, "edited"))


def _encoder(cell):
    return cell._study.protocol.encoder


def _written(cell, rows, propose, settings):
    """The learner on what ``propose`` writes, as far as it passes the checks, and copies.

    ``propose(texts)`` returns a frame of ``label``, ``text``, ``rows`` and ``place``: of the rows
    to add the one that the text is for, -1 for any of its class. Of several for one place the
    first that passes is added.
    """
    many = f"{len(rows)} texts would have to be written, more than {MOST_WRITTEN}"
    cell.need(len(rows) <= MOST_WRITTEN, f"{many}; a smaller per_class makes it possible")
    texts = cell.texts
    key = [settings, cell.seed, texts, cell.y.tolist(), rows.tolist(), cell.classes]
    key.append(code_hash("augmentation"))
    path = cache_file("written", json.dumps(key), ".json")
    if path.is_file():
        kept = json.loads(path.read_text("utf-8"))
        cell.borrowed_seconds += kept["seconds"]
    else:
        started = time.perf_counter()
        proposed = propose(texts)
        why = verdicts(texts, cell.y, proposed["text"].tolist(), proposed["label"].to_numpy())
        proposed["why"] = _chosen(proposed, why, np.bincount(cell.y[rows]))
        records = proposed.to_dict("records")
        for record in records:
            record["class"] = cell.classes[record["label"]]
            record["made_from"] = [texts[i] for i in record["rows"]]
        kept = {**settings, "seed": cell.seed, "seconds": time.perf_counter() - started}
        kept["texts"] = records
        write_whole(path, json.dumps(kept, ensure_ascii=False, indent=1))
    columns = ["label", "text", "why", "rows"]
    proposed = pd.DataFrame(kept["texts"], columns=columns).assign(origin="written")
    passed = proposed["why"] == ""
    cell.need(passed.any(), f"none of {len(proposed)} written texts passes the checks")
    # Copies take the places of what is missing.
    left = np.bincount(proposed.loc[passed, "label"], minlength=len(cell.classes))
    filled = []
    for c in np.unique(cell.y[rows]):
        filled += rows[cell.y[rows] == c][left[c] :].tolist()
    copied = _frame([texts[i] for i in filled], cell.y, filled, "copied")
    return _fit(cell, pd.concat([proposed, copied] if filled else [proposed], ignore_index=True))


def _chosen(proposed, why, wanted):
    """``why`` with reasons for texts that passed the checks but are not needed."""
    taken, left, found = set(), np.array(wanted), []
    for label, place, reason in zip(proposed["label"], proposed["place"], why, strict=True):
        if not reason and place in taken:
            reason = "another text in its place"
        elif not reason and left[label] == 0:
            reason = "not needed"
        elif not reason:
            left[label] -= 1
            taken |= {place} - {-1}
        found.append(reason)
    return found


def _check_translation(there, back, ratio=1, per_class=None):
    for name in (there, back):
        if not isinstance(name, str) or not name:
            raise ValueError(f"there and back name two translation models, not {name!r}")
    _check(ratio, per_class)


@strategy(check=_check_translation)
def back_translation(cell, there, back, ratio=1, per_class=None):
    """Translate to another language and, sampled, back.

    References
    ----------
    Sennrich, Haddow, Birch, Improving neural machine translation models with monolingual data,
    ACL 2016; nucleus sampling (Holtzman et al. 2020) on the way back, because beams repeat
    themselves.
    """
    cell.texts  # noqa: B018 - not applicable to other data, before anything is loaded
    rows = _rows(cell, ratio, per_class)

    def propose(texts):
        abroad = translate([texts[i] for i in rows], there, cell.seed)
        home = translate(abroad, back, cell.seed, **NUCLEUS_SAMPLING)
        return _frame(home, cell.y, rows, "written").assign(place=np.arange(len(rows)))

    settings = {"method": "back_translation", "there": there, "back": back}
    return _written(cell, rows, propose, settings)


def _check_llm(model=LANGUAGE_MODEL, ratio=1, per_class=None, examples=3):
    if not isinstance(model, str) or not model:
        raise ValueError(f"model names a language model, not {model!r}")
    _check(ratio, per_class, examples=examples)


@strategy(check=_check_llm)
def generated_llm(cell, model=LANGUAGE_MODEL, ratio=1, per_class=None, examples=3):
    """A causal language model continues a list of a few training texts of the class.

    It has not been trained here. Each prompt shows other texts; the first line of the answer
    counts.

    References
    ----------
    Brown et al., Language models are few-shot learners, NeurIPS 2020. Allal et al., SmolLM2,
    arXiv 2502.02737, 2025.
    """
    cell.texts  # noqa: B018 - not applicable to other data, before anything is loaded
    rows = _rows(cell, ratio, per_class)

    def propose(texts):
        generator = np.random.default_rng(cell.seed)
        shown, prompts, labels = [], [], []
        for c, n in enumerate(np.bincount(cell.y[rows])):
            own = np.flatnonzero(cell.y == c)
            name = cell.classes[c].replace("_", " ")
            for _ in range(int(np.ceil(SURPLUS * n))):
                some = generator.permutation(own)[:examples]
                lines = "".join(f"- {' '.join(texts[i].split()[:40])}\n" for i in some)
                prompts.append(f'Texts of the class "{name}":\n{lines}-')
                shown.append(some.tolist())
                labels.append(c)
        tokenizer, network = load_language_model(model)
        tokenizer.padding_side = "left"
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        vocabulary = tokenizer.get_vocab()
        ends = [number for token, number in vocabulary.items() if "Ċ" in token or "\n" in token]
        ends.append(tokenizer.eos_token_id)
        answers = sampled(
            network,
            tokenizer,
            prompts,
            cell.seed,
            max_new_tokens=40,
            eos_token_id=ends,
            **NUCLEUS_SAMPLING,
        )
        lines = [answer.split("\n")[0].strip() for answer in answers]
        return pd.DataFrame({"label": labels, "text": lines, "rows": shown, "place": -1})

    settings = {"method": "generated_llm", "model": model, "examples": examples}
    return _written(cell, rows, propose, settings)


def _check_writer(ratio=1, per_class=None, layers=3, epochs=6, pairs=1):
    _check(ratio, per_class, layers=layers, epochs=epochs, pairs=pairs)


@strategy(check=_check_writer)
def generated_unilm(cell, ratio=1, per_class=None, layers=3, epochs=6):
    """The encoder, made a prefix language model, writes texts after the name of a class.

    Trained on the training part, all classes. See :class:`PrefixWriter`.
    """
    cell.texts  # noqa: B018 - not applicable to other data, before anything is loaded
    rows = _rows(cell, ratio, per_class)

    def propose(texts):
        names = [name.replace("_", " ") for name in cell.classes]
        writer = PrefixWriter(_encoder(cell), layers, epochs=epochs, random_state=cell.seed)
        writer.fit([names[c] for c in cell.y], texts)
        wanted = np.ceil(SURPLUS * np.bincount(cell.y[rows])).astype(int)
        labels = np.repeat(np.arange(len(wanted)), wanted)
        found = writer.write([names[c] for c in labels])
        frame = pd.DataFrame({"label": labels, "text": found, "place": -1})
        return frame.assign(rows=[[] for _ in found])

    settings = {"method": "generated_unilm", "layers": layers, "epochs": epochs}
    settings["encoder"] = _encoder(cell)
    return _written(cell, rows, propose, settings)


@strategy(check=_check_writer)
def generated_similar(cell, ratio=1, per_class=None, layers=3, epochs=4, pairs=1000):
    """The same model, trained on pairs of neighbours, writes texts similar to given ones.

    For each row to add two candidates are written from its text; the one whose [CLS] vector is
    closer to the text's comes first. Paraphrases are not at hand, so pairs are nearest neighbours
    of the same class by the encoder's sentence embeddings.

    References
    ----------
    Su, SimBERT, 2020. See :class:`PrefixWriter`.
    """
    cell.texts  # noqa: B018 - not applicable to other data, before anything is loaded
    rows = _rows(cell, ratio, per_class)

    def propose(texts):
        generator = np.random.default_rng(cell.seed)
        vectors = embed(texts, _encoder(cell))
        small = np.unique(cell.y[rows])
        found = similar_pairs(texts, cell.y, vectors, pairs, generator, small)
        cell.need(found, "no class has two texts to learn from")
        writer = PrefixWriter(_encoder(cell), layers, epochs=epochs, random_state=cell.seed)
        writer.fit([texts[i] for i, _ in found], [texts[j] for _, j in found], contrast=True)
        places = np.repeat(np.arange(len(rows)), CANDIDATES)
        sources = [texts[rows[place]] for place in places]
        written = writer.write(sources)
        cosine = (writer.vectors(written) * writer.vectors(sources)).sum(axis=1)
        best = np.lexsort([-cosine, places])
        frame = _frame([written[i] for i in best], cell.y, rows[places[best]], "written")
        return frame.assign(place=places[best])

    settings = {"method": "generated_similar", "layers": layers, "epochs": epochs, "pairs": pairs}
    settings["encoder"] = _encoder(cell)
    return _written(cell, rows, propose, settings)
