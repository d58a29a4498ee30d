"""Texts that augmentation adds: how diverse they are and whether they keep their label, for
notebook 09."""

import re
import textwrap
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from imbbench import config
from imbbench.analysis.plots import INK, PALETTE, STYLE, new_figure, words
from imbbench.analysis.prose import code, markdown, plain
from imbbench.bench.cell import Cell, Task
from imbbench.bench.encoder import embed
from imbbench.bench.prepared import data_of
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.strategies.augmentation.verdicts import bare_text, expected_labels

FAMILY = "augmentation"
REAL = "unseen real texts"
# Columns of the table that a panel of the figure shows, and what to call them.
MEASURES = {
    "new": "no copies",
    "distinct_2": "distinct\nword pairs",
    "spread": "spread",
    "novelty": "novelty",
    "label_agrees": "label agrees",
    "kept": "kept",
}
NOT_NEEDED = ["not needed", "another text in its place"]
LOOKS = list(zip(PALETTE, "oDs^vP", strict=False))


@dataclass
class Added:
    """What the strategies add to one training part.

    Attributes
    ----------
    classes : list of str
    texts, y, vectors : list of str, ndarray of int, ndarray, (N,), (N,), (N, width)
        The training part, with the encoder's sentence embeddings.
    real, real_y, real_vectors : the same of the validation part
    frames : dict of str to DataFrame
        By strategy, its model's ``added_``: ``label``, ``text``, ``origin``, ``why``, ``rows``.
    skipped : dict of str to str
        Strategies that do not apply, with the reason.
    """

    classes: list
    texts: list
    y: np.ndarray
    vectors: np.ndarray
    real: list
    real_y: np.ndarray
    real_vectors: np.ndarray
    frames: dict
    skipped: dict


def collect(dataset, split=0, learner="minilm_head"):
    """Let every strategy of the family add its texts once more.

    Written texts come from the memo of the study's own cells, where that is at hand.

    Parameters
    ----------
    dataset : str
    split : int
    learner : str
        One whose features are sentence embeddings; the texts are the same for every learner.

    Returns
    -------
    Added
    """
    import torch

    # As in the cells of the study: whoever writes a text first, it is the same.
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    study = config.load()
    frames, skipped = {}, {}
    for name, entry in study.family(FAMILY).items():
        cell = Cell(study, Task(dataset, FAMILY, learner, name, split))
        try:
            frames[name] = resolve(FAMILY, name, entry)[0](cell).added_
        except NotApplicable as error:
            skipped[name] = str(error)
    prepared, cuts = data_of(dataset, study.protocol)
    real = [prepared.X[i] for i in cuts[split][1]]
    return Added(
        cell.classes, cell.texts, cell.y, cell.X, real, cell.y_val, cell.X_val, frames, skipped
    )


def distinct(texts, n):
    """Different n-grams of words over all n-grams of the texts; NaN without any.

    References
    ----------
    Li et al., A diversity-promoting objective function for neural conversation models, NAACL 2016.
    """
    split = [bare_text(text).split() for text in texts]
    grams = [tuple(words[i : i + n]) for words in split for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else float("nan")


def _diversity(texts, vectors, known, trained):
    n = len(texts)
    together = np.square(vectors.sum(axis=0)).sum() - n
    return {
        "texts": n,
        "new": np.mean([bare_text(text) not in known for text in texts]) if n else np.nan,
        "spread": 1 - together / (n * (n - 1)) if n > 1 else np.nan,
        "novelty": 1 - (vectors @ trained.T).max(axis=1).mean() if n else np.nan,
    }


def _unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _judged(added):
    """What every strategy proposed, and the real texts: does a plain model give them their label?

    Copies that fill up were not proposed by the strategy, unless there is nothing else.
    """
    asked = {name: frame[frame["origin"] != "copied"] for name, frame in added.frames.items()}
    asked = {name: added.frames[name] if part.empty else part for name, part in asked.items()}
    asked[REAL] = pd.DataFrame({"label": added.real_y, "text": added.real})
    asked = pd.concat(asked)
    expected = expected_labels(added.texts, added.y, asked["text"].tolist())
    return asked.assign(agrees=expected == asked["label"])


def describe_generated(added):
    """How different added texts are, from each other and from the training part, and their labels.

    Parameters
    ----------
    added : Added

    Returns
    -------
    DataFrame
        One row per strategy and class that it adds to; for each of these classes one of strategy
        ``unseen real texts``, the validation part; and one, without class and numbers, per
        strategy that does not apply. ``strategy``, ``control``, ``class``, ``status``, ``reason``,
        and the measures: ``texts`` added; of them ``new`` (share that are no copies),
        ``distinct_1`` and ``distinct_2`` (NaN for the real texts: the measure falls with their
        number), ``spread`` (mean distance between two) and ``novelty`` (mean distance to the
        nearest training text), distances being 1 - cosine of sentence embeddings;
        ``label_agrees`` (share of all texts proposed, kept or not, to which a plain model of the
        training part gives their label) and ``kept`` (share of the proposed that passed every
        check).
    """
    study = config.load()
    trained, known = _unit(added.vectors), {bare_text(text) for text in added.texts}
    judged, rows = _judged(added), []
    for name, entry in study.family(FAMILY).items():
        row = {"strategy": name, "control": entry.get("control", "")}
        if name in added.skipped:
            rows.append(row | {"status": "not applicable", "reason": added.skipped[name]})
            continue
        frame = added.frames[name]
        chosen = frame[frame["why"] == ""]
        vectors = _unit(embed(chosen["text"].tolist(), study.protocol.encoder))
        for label in np.unique(frame["label"]):
            own = (chosen["label"] == label).to_numpy()
            texts = chosen.loc[own, "text"].tolist()
            asked = judged.loc[name].query("label == @label")
            found = {"class": added.classes[label], "status": "ok", "reason": ""}
            found |= _diversity(texts, vectors[own], known, trained)
            found |= {"distinct_1": distinct(texts, 1), "distinct_2": distinct(texts, 2)}
            passed = asked["why"].isin(["", *NOT_NEEDED])
            found |= {"label_agrees": asked["agrees"].mean(), "kept": passed.mean()}
            rows.append(row | found)
    for label in np.unique(pd.concat(added.frames.values())["label"]):
        own = judged.loc[REAL, "label"] == label
        real = judged.loc[REAL][own]
        found = {"strategy": REAL, "control": "", "class": added.classes[label]}
        found |= {"status": "ok", "reason": "", "label_agrees": real["agrees"].mean()}
        found |= _diversity(real["text"], _unit(added.real_vectors[own]), known, trained)
        rows.append(found)
    order = ["strategy", "control", "class", "status", "reason", "texts", "new", "distinct_1"]
    order += ["distinct_2", "spread", "novelty", "label_agrees", "kept"]
    return pd.DataFrame(rows, columns=order)


def compare(additions):
    """The descriptions of several data sets in one table.

    Parameters
    ----------
    additions : dict of str to Added
        By data set.

    Returns
    -------
    DataFrame
        Of :func:`describe_generated`, behind a column ``dataset``; rounded to four digits.
    """
    tables = [describe_generated(added).assign(dataset=name) for name, added in additions.items()]
    table = pd.concat(tables, ignore_index=True)
    table = table[["dataset", *table.columns.drop("dataset")]]
    values = table.columns[table.columns.get_loc("texts") :]
    table[values] = table[values].astype(float).round(4) + 0.0
    return table


def means(table):
    """One row per data set and strategy that applies: means over its classes.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compare`.

    Returns
    -------
    DataFrame
        Index ``dataset``, ``strategy``; ``control``, and ``texts`` (the sum) and the measures.
    """
    scored = table[table["status"] == "ok"]
    groups = scored.groupby(["dataset", "strategy"], sort=False)
    found = groups[list(MEASURES)].mean()
    return found.assign(control=groups["control"].first(), texts=groups["texts"].sum())


def shown(table):
    """The table as notebooks show it: a row per data set, strategy and class."""
    names = {"dataset": "data set", "label_agrees": "label agrees"}
    names |= {"distinct_1": "distinct words", "distinct_2": "distinct pairs"}
    scored = table[table["status"] == "ok"].drop(columns=["status", "reason", "control"])
    return scored.round(3).rename(columns=names)


def examples(added, count=3, width=110):
    """A few new texts per strategy beside those they were made from.

    Parameters
    ----------
    added : Added
    count : int
        Per strategy; spread evenly over its list.
    width : int
        Letters of a text at most.

    Returns
    -------
    str
        A table in Markdown.
    """
    known, rows = {bare_text(text) for text in added.texts}, []
    for name, frame in added.frames.items():
        new = np.array([bare_text(text) not in known for text in frame["text"]])
        frame = frame[(frame["why"] == "") & new]
        for i in np.unique(np.linspace(0, len(frame) - 1, count).astype(int)) if len(frame) else []:
            text, made_from = frame.iloc[i][["text", "rows"]]
            source = added.texts[made_from[0]] if len(made_from) == 1 else "its class"
            rows.append({"strategy": code(name), "made from": source, "text": text})
    table = pd.DataFrame(rows, columns=["strategy", "made from", "text"])
    for column in ("made from", "text"):
        table[column] = [
            # Nothing in a text is to be formatting or a link.
            re.sub(r"([\\*_`\[\]~#>.:@])", r"\\\1", textwrap.shorten(text, width, placeholder=" …"))
            for text in table[column]
        ]
    table.attrs["formatted"] = list(table)
    return markdown(table)


def _names(names):
    return ", ".join(map(code, names)) or "none"


def _named(key):
    return f"{code(key[1])} on `{key[0]}`"


def _gain(treated, key):
    before, after = treated.loc[key, ["distinct_2_of_copies", "distinct_2"]]
    return f"{_named(key)} ({before:.3f} to {after:.3f})"


def _ranged(found, measure, form=".3f"):
    values = found.xs(REAL, level="strategy")[measure]
    ends = [f"{value:{form}}" for value in (values.min(), values.max())]
    return " to ".join(dict.fromkeys(ends))


@mpl.rc_context(STYLE)
def plot(table):
    """Every measure of every strategy, a dot per data set; strategies stand below their control.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compare`.
    """
    found = means(table)
    every = table[["strategy", "control"]].drop_duplicates()
    controls = list(dict.fromkeys(every.loc[every["control"] != "", "control"]))
    own = {c: [c, *every.loc[every["control"] == c, "strategy"]] for c in controls}
    own = {**own, REAL: [REAL]}
    places, place = {}, 0
    for group in own.values():
        for name in group:
            places[name], place = place, place + 1
        place += 0.6
    figure, axes = new_figure(1.2 + 0.22 * place, ncols=len(MEASURES), sharey=True)
    looks = dict(zip(table["dataset"].unique(), LOOKS, strict=False))
    for ax, (measure, name) in zip(axes[0], MEASURES.items(), strict=True):
        for dataset, (colour, marker) in looks.items():
            part = found.loc[dataset, measure].dropna()
            for control, group in own.items():
                if control in part.index and len(group) > 1:
                    ends = [places[group[0]] - 0.3, places[group[-1]] + 0.3]
                    ax.plot([part[control]] * 2, ends, color=colour, lw=0.9, ls=(0, (3, 2)))
            at = [places[name] for name in part.index]
            ax.plot(part, at, marker, color=colour, ms=5, ls="", zorder=3)
        ax.set_title(name, fontsize=9)
        values = found[measure].to_numpy(float)
        middle, half = np.nanmax(values) + np.nanmin(values), np.nanmax(values) - np.nanmin(values)
        half = max(half, 0.05) * 1.2
        ax.set_xlim((middle - half) / 2, (middle + half) / 2)
        ax.locator_params(axis="x", nbins=2, steps=[1, 2, 4, 5, 10])
        ax.grid(axis="y", visible=False)
        ax.tick_params(axis="y", length=0)
    scored = set(found.index.get_level_values("strategy"))
    names = [name if name in scored else f"{name} (does not apply)" for name in places]
    axes[0, 0].set_yticks(list(places.values()), [words(name) for name in names])
    axes[0, 0].set_ylim(place - 0.2, -0.7)
    handles = [
        Line2D([], [], color=c, marker=m, ms=5, ls="", label=dataset)
        for dataset, (c, m) in looks.items()
    ]
    handles.append(Line2D([], [], color=INK, lw=0.9, ls=(0, (3, 2)), label="as many plain copies"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
    return figure


def conclusion(table):
    """What came out, in one list.

    Parameters
    ----------
    table : DataFrame
        Of :func:`compare`.
    """
    found = means(table)
    treated = found[found["control"] != ""].copy()
    for measure in ("distinct_2", "spread"):
        treated[f"{measure}_of_copies"] = [
            found.loc[(dataset, control), measure]
            for (dataset, _), control in treated["control"].items()
        ]
    treated["real"] = [found.loc[(dataset, REAL), "label_agrees"] for dataset, _ in treated.index]
    treated["gain"] = treated["distinct_2"] - treated["distinct_2_of_copies"]
    treated["wider"] = treated["spread"] - treated["spread_of_copies"]
    by_name = treated.groupby("strategy", sort=False)
    diverse = by_name[["gain", "wider"]].min().gt(0).all(axis=1)
    faithful = (treated["label_agrees"] >= treated["real"]).groupby("strategy", sort=False).all()
    most, least = treated["gain"].idxmax(), treated["gain"].idxmin()
    wrong = treated["label_agrees"].idxmin()
    far = treated["novelty"].idxmax()
    lines = [
        f"- **Diversity:** {int(diverse.sum())} of {len(diverse)} strategies have more distinct "
        f"word pairs *and* a larger spread than as many copies, on every data set: "
        f"{_names(diverse.index[diverse])}. Distinct pairs rise most with {_gain(treated, most)} "
        f"and least with {_gain(treated, least)}.",
        f"- **Novelty:** farthest from the training texts is {_named(far)}, "
        f"{treated.loc[far, 'novelty']:.3f}; unseen real texts of these classes lie at "
        f"{_ranged(found, 'novelty')}.",
        f"- **Labels:** a plain model of the training part gives "
        f"{_ranged(found, 'label_agrees', '.0%')} of unseen real texts their class. At least as "
        f"often everywhere: {_names(faithful.index[faithful])}; least often: {_named(wrong)}, "
        f"{treated.loc[wrong, 'label_agrees']:.0%}.",
        f"- **Diverse and true to their label** by these measures: "
        f"{_names(diverse.index[diverse & faithful])}.",
    ]
    checked = treated[treated["kept"] < 1]
    if len(checked):
        few = checked["new"].idxmin()
        lines.append(
            f"- **Checks:** of the texts that models wrote, "
            f"{checked['kept'].min():.0%} to {checked['kept'].max():.0%} passed. Where too few "
            f"did, copies fill up: of what {_named(few)} adds, {checked.loc[few, 'new']:.0%} is "
            f"new."
        )
    for name, part in table[table["status"] != "ok"].groupby("strategy", sort=False):
        where = ", ".join(f"`{dataset}`" for dataset in part["dataset"])
        lines.append(f"- {code(name)} does not apply on {where}: {plain(part['reason'].iloc[0])}.")
    return "\n".join(lines)
