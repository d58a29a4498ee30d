"""Easy data augmentation: words replaced, inserted, swapped, deleted."""

import re

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from imbbench.bench.encoder import encoder_folder, load_tokenizer, pretrained

# Letters with what is not letter or digit around them. Numbers, prices, addresses and smileys are
# none: they carry the label in spam, and are kept as they are.
WORD = re.compile(r"([\W_]*)([^\W\d_]+(?:['’][^\W\d_]+)*)([\W_]*)")


def word_neighbours(words, encoder, k=5):
    """Nearest whole words of an encoder's vocabulary, by the cosine of its input embeddings.

    Parameters
    ----------
    words : iterable of str
    encoder : str
        See :func:`imbbench.bench.encoder.encoder_folder`.
    k : int
        Neighbours per word.

    Returns
    -------
    dict of str -> list of str
        Lower-case words that are one token of the vocabulary, stop words left out.
    """
    folder = encoder_folder(encoder)
    vocabulary = load_tokenizer(folder).get_vocab()
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


def neighbours_for(texts, encoder):
    """:func:`word_neighbours` of all words of the texts that can be replaced."""
    parts = (WORD.fullmatch(word) for text in texts for word in text.split())
    return word_neighbours({m[2] for m in parts if m}, encoder)


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
