"""Texts similar to given ones, in SimBERT's manner."""

import numpy as np

from imbbench.bench.encoder import embed
from imbbench.strategies.augmentation.verdicts import bare_text

CANDIDATES = 2  # similar texts written for one that is wanted


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
    bare = np.array([bare_text(text) for text in texts])
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


def similar_texts(cell, texts, rows, pairs, writer):
    """Candidates for each of ``rows``, by a writer that is trained here; the closest come first.

    Returns
    -------
    places : ndarray of int
        Of the row in ``rows`` that each text is written for.
    list of str
    """
    generator = np.random.default_rng(cell.seed)
    vectors = embed(texts, cell.encoder)
    found = similar_pairs(texts, cell.y, vectors, pairs, generator, np.unique(cell.y[rows]))
    cell.need(found, "no class has two texts to learn from")
    writer.fit([texts[i] for i, _ in found], [texts[j] for _, j in found], contrast=True)
    places = np.repeat(np.arange(len(rows)), CANDIDATES)
    sources = [texts[rows[place]] for place in places]
    written = writer.write(sources)
    cosine = (writer.vectors(written) * writer.vectors(sources)).sum(axis=1)
    best = np.lexsort([-cosine, places])
    return places[best], [written[i] for i in best]
