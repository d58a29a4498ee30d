"""Whether a written text is fit for training."""

import re

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression

from imbbench.bench.features import tfidf

NEAR_COPY = 0.9  # cosine of letter triples from which a text counts as a near-copy


def bare_text(text):
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
    bare, old = [bare_text(text) for text in new], [bare_text(text) for text in texts]
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
