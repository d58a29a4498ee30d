"""From a prepared data set to the arrays a learner sees, fitted on the training part alone."""

import re
import unicodedata
from typing import NamedTuple

import numpy as np

from imbbench.bench.encoder import embed, tokenize
from imbbench.config import ENCODER
from imbbench.errors import StudyError

COMPONENTS = 32


def matrix(X, numeric, categorical, train):
    """Impute, scale and code a table.

    Numeric columns get the training part's median where missing (with an indicator column) and
    are standardised; categorical ones become integer codes, "missing" a category of its own and
    unseen values -1.

    Parameters
    ----------
    X : DataFrame, (N, d)
    numeric, categorical : list of str
    train : ndarray of int
        The only rows anything is learnt from.

    Returns
    -------
    values : ndarray of float64, (N, d')
    nominal : ndarray of bool, (d',)
        Columns that hold codes.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder, StandardScaler

    numbers = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )
    missing = "missing"
    while any((X[column] == missing).any() for column in categorical):
        missing += " "  # a level of that name is another category
    codes = make_pipeline(
        # A column without a value in the training part stays a column.
        SimpleImputer(
            strategy="constant", fill_value=missing, missing_values=None, keep_empty_features=True
        ),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    )
    coder = ColumnTransformer([("numeric", numbers, numeric), ("nominal", codes, categorical)])
    X = X.copy()
    X[categorical] = X[categorical].astype(object).where(X[categorical].notna(), None)
    coder.fit(X.iloc[train])
    values = coder.transform(X)
    nominal = np.zeros(values.shape[1], dtype=bool)
    nominal[values.shape[1] - len(categorical) :] = True
    return values, nominal


def pixels(X, train):
    """Grey values with one mean and one spread for all pixels, from the training part.

    Returns
    -------
    ndarray of float64, (N, pixels)
    """
    values = X.to_numpy("float64")
    return (values - values[train].mean()) / (values[train].std() or 1.0)


def tokens_of(text):
    """Words, single letters and digits included, and signs that carry the label in spam.

    These are exclamation and question marks, currency signs and other symbols, emoji among them;
    one of several characters counts as its parts.

    Returns
    -------
    list of str

    Examples
    --------
    >>> tokens_of("win €5 now! 😀")
    ['win', '€', '5', 'now', '!', '😀']
    """
    return [
        token
        for token in re.findall(r"\w+|[^\w\s]", text)
        if re.match(r"[\w!?]", token) or unicodedata.category(token) in ("Sc", "So")
    ]


def tfidf(texts, train):
    """TF-IDF of words and word pairs, vocabulary and weights from the training part.

    See :func:`tokens_of` for what counts as a word.

    Returns
    -------
    scipy.sparse.csr_matrix of float64, (N, vocabulary)
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        sublinear_tf=True, min_df=2, ngram_range=(1, 2), tokenizer=tokens_of, token_pattern=None
    )
    vectorizer.fit([texts[i] for i in train])
    return vectorizer.transform(texts)


def components(vectors, train):
    """The first principal components of the training part.

    Parameters
    ----------
    vectors : ndarray, (N, d)
    train : ndarray of int

    Returns
    -------
    ndarray, (N, COMPONENTS), or less if the training part has fewer rows or the vectors are shorter
    """
    from sklearn.decomposition import PCA

    n = min(COMPONENTS, vectors.shape[1], len(train))
    return PCA(n, svd_solver="covariance_eigh").fit(vectors[train]).transform(vectors)


class Kind(NamedTuple):
    """What is made of each text alone, and what is learnt from the training part.

    Attributes
    ----------
    encode : callable or None
        ``encode(texts, encoder)``, memoised by content.
    learn : callable or None
        ``learn(values, train)``; nothing is learnt from rows that are not in ``train``.
    """

    encode: object = None
    learn: object = None


KINDS = {
    "matrix": Kind(),  # mixed columns, see :func:`matrix`
    "pixels": Kind(learn=pixels),
    "tfidf": Kind(learn=tfidf),
    "embedding": Kind(encode=embed),
    "components": Kind(encode=embed, learn=components),
    "tokens": Kind(encode=tokenize),
}


def features(kind, prepared, train, encoder=ENCODER):
    """The arrays of one split.

    Parameters
    ----------
    kind : str
        A key of :data:`KINDS`.
    prepared : Prepared
    train : ndarray of int
        Training part; nothing is learnt from other rows.
    encoder : str

    Returns
    -------
    values : ndarray or sparse matrix, (N, d)
    nominal : ndarray of bool, (d,)
    """
    if kind == "matrix":
        schema = prepared.schema
        return matrix(prepared.X, schema["numeric"], schema["categorical"], train)
    encode, learn = KINDS[kind]
    values = prepared.X if encode is None else encode(prepared.X, encoder)
    try:
        values = values if learn is None else learn(values, train)
    except ValueError:
        if kind != "tfidf":
            raise
        raise StudyError(
            f"data set {prepared.schema['name']}: no word is in two texts of the training "
            "part, so TF-IDF has nothing to count; use a learner of embeddings or tokens"
        ) from None
    return values, np.zeros(values.shape[1], dtype=bool)


def features_of_new(kind, texts, new, train, encoder=ENCODER):
    """Features of new texts, (len(new), d), made as those of ``texts`` were."""
    encode, learn = KINDS[kind]
    if encode is None:
        return learn([*texts, *new], train)[len(texts) :]
    values = encode(new, encoder)
    if learn is None:
        return values
    return learn(np.concatenate([encode(texts, encoder), values]), train)[len(texts) :]
