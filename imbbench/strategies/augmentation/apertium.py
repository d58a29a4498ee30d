"""There and back again by rules, with Apertium: offline, without a model, the same every time."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from imbbench.bench.registry import NotApplicable
from imbbench.errors import StudyError

PAIRS = "eng-spa", "spa-eng"

# Plain words and the punctuation of sentences are sent. Whatever else stands between spaces
# (numbers, prices, links, names of users, smileys) carries the label, and is kept as it is.
WORD = re.compile(r"""["(]*[^\W\d_]+(?:['’][^\W\d_]+)*[").,;:!?]*""")


def _need_program():
    if shutil.which("apertium") is None:
        raise NotApplicable(
            "the program apertium is missing: install the Debian packages apertium and "
            "apertium-eng-spa"
        )
    listed = subprocess.run(["apertium", "-l"], capture_output=True, check=False)
    if not set(PAIRS) <= set(listed.stdout.decode().split()):
        raise NotApplicable(
            f"apertium has no {' and '.join(PAIRS)}: install the Debian package apertium-eng-spa"
        )


def version():
    """What decides the texts that come back: the program's version and the pair's contents.

    Returns
    -------
    str
        As "Apertium 3.8.3, eng-spa 0123456789ab"; the checksum is that of the rules and
        dictionaries, which have no version to ask for.

    Raises
    ------
    NotApplicable
        Without the program, or without its pair of languages.
    """
    _need_program()
    told = subprocess.run(["apertium", "-V"], capture_output=True, check=False)
    folder = Path(os.environ.get("APERTIUM_DATADIR", "/usr/share/apertium"))
    digest = hashlib.sha256()
    for mode in (folder / "modes" / f"{pair}.mode" for pair in PAIRS):
        steps = mode.read_text("utf-8") if mode.is_file() else ""
        for file in map(Path, re.findall("'([^']+)'", steps)):
            digest.update(file.read_bytes() if file.is_file() else b"")
        digest.update(steps.encode())
    return f"{told.stdout.decode().strip()}, {PAIRS[0]} {digest.hexdigest()[:12]}"


def _translated(lines, pair):
    """Lines of Apertium's stream format in another language, all in one call."""
    # A zero byte ends a text, so that no phrase is found across two; only what a line break ends
    # comes before it.
    command = ["apertium", "-u", "-z", "-f", "none", pair]
    sent = "".join(f"{line}\n\0" for line in lines).encode()
    ran = subprocess.run(command, input=sent, capture_output=True, check=False)
    # Every stage of the program may add zero bytes at the end.
    texts = ran.stdout.decode().rstrip("\0").split("\0")
    if ran.returncode or len(texts) != len(lines) or not all(t.endswith("\n") for t in texts):
        said = " ".join(ran.stderr.decode(errors="replace").split())
        whole = sum(text.endswith("\n") for text in texts)
        raise StudyError(
            f"apertium {pair} gave {whole} texts for {len(lines)}"
            f" (exit code {ran.returncode}{': ' + said if said else ''})"
        )
    # What the program cannot inflect it marks, and of two forms it gives both; none of these signs
    # was sent.
    return [re.sub(r"[#@*~]|\\?/[^\W\d_]+", "", text[:-1]) for text in texts]


def there_and_back(texts):
    """English texts translated to Spanish and back.

    Parameters
    ----------
    texts : list of str
        Each is translated once: equal ones come back equal.

    Returns
    -------
    list of str
        On one line each, with single spaces. Words with digits or with signs that are no
        punctuation come back unchanged, each as often as it was there; where one is lost, the
        whole text comes back unchanged.

    Raises
    ------
    NotApplicable
        Without the program, or without its pair of languages.
    StudyError
        If the program fails or gives back another number of texts.
    """
    _need_program()
    words = {text: text.split() for text in texts}
    lines = [
        " ".join(w if WORD.fullmatch(w) else f"[{i}]" for i, w in enumerate(row))
        for row in words.values()
    ]
    home = lines
    for pair in PAIRS:
        home = _translated(home, pair)
    kept = re.compile(r"\[(\d+)\]")
    found = {}
    for (text, row), sent, line in zip(words.items(), lines, home, strict=True):
        if sorted(kept.findall(line)) != sorted(kept.findall(sent)):
            found[text] = text
        else:
            line = kept.sub(lambda match, row=row: f" {row[int(match[1])]} ", line)
            found[text] = " ".join(line.split())
    return [found[text] for text in texts]
