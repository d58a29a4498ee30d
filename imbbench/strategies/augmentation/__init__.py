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

import numpy as np
import pandas as pd

from imbbench.bench.registry import strategy
from imbbench.bench.values import check_choice, check_sizes, check_whole
from imbbench.strategies.augmentation.added_rows import fit_with, proposed_texts, source_rows
from imbbench.strategies.augmentation.apertium import there_and_back, version
from imbbench.strategies.augmentation.edits import EDITS, edit_text, neighbours_for
from imbbench.strategies.augmentation.language_models import (
    LANGUAGE_MODEL,
    NUCLEUS_SAMPLING,
    few_shot_texts,
    translate,
)
from imbbench.strategies.augmentation.prefix_writer import PrefixWriter
from imbbench.strategies.augmentation.similar import similar_texts
from imbbench.strategies.augmentation.written import fit_with_written, labels_to_write


def _check(ratio=1, per_class=None, **numbers):
    check_sizes(ratio, **numbers)
    if per_class is not None:
        check_whole("per_class", per_class)


def _check_names(**names):
    for key, name in names.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"{key} names a language model, not {name!r}")


@strategy(by_key=True, check=_check)
def copies(cell, ratio, per_class=None):
    """Plain copies of the rows that the other entries start from: their control."""
    texts, rows = source_rows(cell, ratio, per_class)
    return fit_with(cell, proposed_texts([texts[i] for i in rows], cell.y, rows, "copied"))


def _check_edit(kind, **numbers):
    check_choice("edit", kind, (*EDITS, "any"))
    _check(**numbers)


@strategy(by_key=True, check=_check_edit)
def edit(cell, kind, ratio=1, per_class=None):
    """Easy augmentation by one kind of edit, or by ``any`` of the four for each text."""
    texts, rows = source_rows(cell, ratio, per_class)
    near = {}
    if kind not in ("swap", "deletion"):
        near = neighbours_for([texts[i] for i in set(rows)], cell.encoder)
    generator = np.random.default_rng(cell.seed)
    edited = []
    for i in rows:
        chosen = str(generator.choice(list(EDITS))) if kind == "any" else kind
        edited.append(edit_text(texts[i], chosen, near, generator))
    return fit_with(cell, proposed_texts(edited, cell.y, rows, "edited"))


def _check_translation(there=None, back=None, **numbers):
    if (there, back) != (None, None):
        _check_names(there=there, back=back)
    _check(**numbers)


@strategy(check=_check_translation)
def back_translation(cell, there=None, back=None, ratio=1, per_class=None):
    """Translate to another language and back.

    English to Spanish and back by the rules of Apertium, which needs the Debian packages
    ``apertium`` and ``apertium-eng-spa``: always the same, so that every row has one new text and
    copies fill up the rest. Or by two translation models, ``there`` and, sampled, ``back``.

    References
    ----------
    Sennrich, Haddow, Birch, Improving neural machine translation models with monolingual data,
    ACL 2016. Forcada et al., Apertium: a free/open-source platform for rule-based machine
    translation, Machine Translation 25, 2011. Nucleus sampling (Holtzman et al. 2020) on the
    models' way back, because beams repeat themselves.
    """
    texts, rows = source_rows(cell, ratio, per_class)
    by_rules = there is None

    def propose():
        sources = [texts[i] for i in rows]
        if by_rules:
            home = there_and_back(sources)
        else:
            abroad = translate(sources, there, cell.seed)
            home = translate(abroad, back, cell.seed, **NUCLEUS_SAMPLING)
        return proposed_texts(home, cell.y, rows, "written").assign(place=np.arange(len(rows)))

    settings = {"method": "back_translation", "there": there, "back": back}
    if by_rules:
        settings["program"] = version()  # another one may write other texts
    return fit_with_written(cell, texts, rows, propose, settings, slow=not by_rules)


def _check_llm(model=LANGUAGE_MODEL, **numbers):
    _check_names(model=model)
    _check(**numbers)


def _class_names(cell):
    return [name.replace("_", " ") for name in cell.classes]


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
    texts, rows = source_rows(cell, ratio, per_class)

    def propose():
        labels = labels_to_write(cell.y[rows])
        generator = np.random.default_rng(cell.seed)
        own = {c: np.flatnonzero(cell.y == c) for c in labels}
        shown = [generator.permutation(own[c])[:examples].tolist() for c in labels]
        groups = [[texts[i] for i in some] for some in shown]
        titles = [_class_names(cell)[c] for c in labels]
        found = few_shot_texts(titles, groups, model, cell.seed)
        return pd.DataFrame({"label": labels, "text": found, "rows": shown, "place": -1})

    settings = {"method": "generated_llm", "model": model, "examples": examples}
    return fit_with_written(cell, texts, rows, propose, settings)


@strategy(check=_check)
def generated_unilm(cell, ratio=1, per_class=None, layers=3, epochs=6):
    """The encoder, made a prefix language model, writes texts after the name of a class.

    Trained on the training part, all classes. See :class:`PrefixWriter`.
    """
    texts, rows = source_rows(cell, ratio, per_class)

    def propose():
        names, labels = _class_names(cell), labels_to_write(cell.y[rows])
        writer = PrefixWriter(cell.encoder, layers, epochs=epochs, random_state=cell.seed)
        writer.fit([names[c] for c in cell.y], texts)
        found = writer.write([names[c] for c in labels])
        frame = pd.DataFrame({"label": labels, "text": found, "place": -1})
        return frame.assign(rows=[[] for _ in found])

    settings = {"method": "generated_unilm", "layers": layers, "epochs": epochs}
    settings["encoder"] = cell.encoder
    return fit_with_written(cell, texts, rows, propose, settings)


@strategy(check=_check)
def generated_similar(cell, ratio=1, per_class=None, layers=3, epochs=4, pairs=1000):
    """The same model, trained on pairs of neighbours, writes texts similar to given ones.

    For each row to add two candidates are written from its text; the one whose [CLS] vector is
    closer to the text's comes first. Paraphrases are not at hand, so pairs are nearest neighbours
    of the same class by the encoder's sentence embeddings.

    References
    ----------
    Su, SimBERT, 2020. See :class:`PrefixWriter`.
    """
    texts, rows = source_rows(cell, ratio, per_class)

    def propose():
        writer = PrefixWriter(cell.encoder, layers, epochs=epochs, random_state=cell.seed)
        places, found = similar_texts(cell, texts, rows, pairs, writer)
        return proposed_texts(found, cell.y, rows[places], "written").assign(place=places)

    settings = {"method": "generated_similar", "layers": layers, "epochs": epochs, "pairs": pairs}
    settings["encoder"] = cell.encoder
    return fit_with_written(cell, texts, rows, propose, settings)
