"""Texts added to the training part: the rows they start from, and the fit with them."""

import numpy as np
import pandas as pd
from scipy import sparse

from imbbench.bench.counts import sizes_up


def source_rows(cell, ratio, per_class):
    """Texts of the training part, and the rows of it that the added ones start from.

    The rows are the same for all entries of a cell: until the largest class is at most ``ratio``
    times any other, but at most ``per_class`` for each; every row of a class is taken about
    equally often.
    """
    texts, generator = cell.texts, np.random.default_rng(cell.common_seed)
    rows = []
    for c, size in sizes_up(cell, ratio).items():
        n = cell.class_counts[c]
        missing = min(size - n, per_class or np.inf)
        if missing > 0:
            own = np.flatnonzero(cell.y == c)
            turns = [generator.permutation(own) for _ in range(-(-missing // n))]
            rows.append(np.concatenate(turns)[:missing])
    return texts, np.concatenate(rows)


def fit_with(cell, proposed):
    """The learner on the training part and the texts whose ``why`` is empty.

    The model's ``added_`` is ``proposed``: ``label``, ``text``, ``origin`` (copied, edited,
    written), ``why`` (not added; empty for texts that were) and ``rows`` (it was made from).
    """
    added = proposed[proposed["why"] == ""]
    new = cell.vectorize(added["text"].tolist())
    if sparse.issparse(cell.X):
        X = sparse.vstack([cell.X, new], "csr")
    else:
        X = np.concatenate([cell.X, new])
    model = cell.fit(X, np.concatenate([cell.y, added["label"].to_numpy()]))
    model.added_ = proposed
    return model


def proposed_texts(texts, y, rows, origin):
    """One proposed text for each of ``rows``: see :func:`fit_with`."""
    return pd.DataFrame(
        {
            "label": np.asarray(y)[rows],
            "text": pd.Series(texts, dtype=object),
            "origin": origin,
            "why": "",
            "rows": [[int(row)] for row in rows],
        }
    )
