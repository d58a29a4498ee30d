"""Pages of the site, written from committed tables and rendered notebooks for Sphinx to build."""

import html
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from imbbench.analysis import forest
from imbbench.analysis.answer import advice, leading, names_of_leading
from imbbench.analysis.inference import described, findings, gains
from imbbench.analysis.prose import code
from imbbench.analysis.statistics import MATTERS, remedies
from imbbench.analysis.tables import load_runs
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root
from imbbench.strategy_pages import (
    LEARNERS,
    OUTCOMES,
    PUBLIC,
    Evidence,
    axis,
    dot,
    family_name,
    in_order,
    limit_of,
    page_of,
    write,
)

SHOWN_FIRST = {"modality": "tabular", "stratum": "core", "learners": "strong"}
# A Markdown link to a file.
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def build(study, target):
    """Write the sources of the site.

    Parameters
    ----------
    study : imbbench.config.Study
    target : path-like
        A folder; it is emptied first.

    Raises
    ------
    StudyError
        If the study has not been run.
    """
    target, results = Path(target), root() / leading()
    numbers = results / "study.json"
    if not numbers.is_file():
        raise StudyError("results/study.json is missing: run `dvc repro study` first.")
    # The wide study's chapters are over all data sets: of two of one name they are shown.
    folders = dict.fromkeys((root() / "results", results))
    chapters = [path for folder in folders for path in (folder / "rendered").glob("*.ipynb")]
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(root() / "site", target)
    effects = read_effects(results)
    for name, text in {
        "index.md": start_page(
            json.loads(numbers.read_text("utf-8")), {path.stem for path in chapters}
        ),
        "leaderboard.md": leaderboard(effects),
        "contributing.md": _without_links((root() / "CONTRIBUTING.md").read_text("utf-8")),
        "changelog.md": _without_links((root() / "CHANGELOG.md").read_text("utf-8")),
        "api.rst": api(),
    }.items():
        write_whole(target / name, text)
    for theme in ("headline", "headline_dark"):
        shutil.copy(results / "figures" / f"{theme}.svg", target / "_static" / f"{theme}.svg")
    names = names_of_leading(study)
    runs = described(study, load_runs(study, names))
    gained = gains(runs)
    reports = notebooks(study, chapters, target, gained)
    judged = pd.read_csv(results / "tables" / "verdicts.csv")
    write(study, Evidence(effects, gained, runs, judged, reports), target)


def read_effects(results):
    """The tables of all parts of the study, with ``modality``, ``stratum`` and ``learners``."""
    found = []
    for path in sorted((results / "tables" / "subsets").glob("*.csv")):
        modality, stratum, learners = path.stem.split("-")
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
        words = {"stratum": stratum.replace("_", " "), "learners": learners.replace("_", " ")}
        found.append(table.assign(modality=modality, **words))
    return in_order(pd.concat(found, ignore_index=True), ["modality", "stratum", "learners"])


def _without_links(text):
    """Markdown whose links to files of the project are plain words: the site has no such pages."""
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)


def start_page(numbers, chapters):
    """The sentence, the figure, and where to go on; ``chapters`` are names of those that ran."""
    at, f1, brier = numbers["panels"].values()
    moved = numbers["moved"]["all"]["balanced_accuracy"]
    cards = {
        "You must find more of the minority": (
            "leaderboard",
            f"Move the cut-off: balanced accuracy {moved['mean']:+.3f} without a new fit.",
        ),
        "You want the best F1": (
            "leaderboard",
            f"Tune the cut-off: {f1['better']} of {f1['strategies']} remedies add to that, "
            f"{f1['worse']} lose.",
        ),
        "You need true probabilities": (
            "leaderboard",
            f"{brier['worse']} of {brier['strategies']} remedies make the Brier score worse: "
            "correct the shift, or leave the data.",
        ),
        "You have code of your own": ("own_code", "Losses, samplers, ensembles in your loop."),
        "The study": ("chapters/04_study", f"{numbers['datasets']} data sets, verdicts, ranks."),
        "Strategies": (
            "strategies/index",
            f"{at['strategies']} remedies: what each does and changes.",
        ),
        "Data sets": ("data/index", "What helped on each; cards and reports."),
        "Claims": ("chapters/12_claims", "What others say, held against the tables."),
        "How it was run": ("chapters/11_how_it_was_run", "Time, memory, what was left out."),
    }
    # A study of one's own has the chapters that were run.
    cards = {
        title: (link, text)
        for title, (link, text) in cards.items()
        if not link.startswith("chapters/") or Path(link).name in chapters
    }
    grid = "\n".join(
        f":::{{grid-item-card}} {title}\n:link: {link}\n:link-type: doc\n{text}\n:::"
        for title, (link, text) in cards.items()
    )
    alt = "What every remedy changes, by family, in balanced accuracy, macro-F1 and Brier score"
    toc = "\n".join(["leaderboard", "strategies/index", "data/index", "chapters/index",
                     "own_code", "api", "contributing", "changelog"])  # fmt: skip
    return (
        f"# What helps against class imbalance?\n\n{advice(numbers)}\n\n"
        f'<img class="only-light-figure" alt="{alt}" src="_static/headline.svg">\n'
        f'<img class="only-dark-figure" alt="{alt}" src="_static/headline_dark.svg">\n\n'
        f"::::{{grid}} 1 2 3 3\n:gutter: 3\n{grid}\n::::\n\n"
        f"```{{toctree}}\n:hidden:\n\n{toc}\n```\n"
    )


def leaderboard(effects):
    """Every strategy and control in every part of the study, as a table that works as it is."""
    keys = ["family", "label", "role", "modality", "stratum", "learners"]
    wide = effects.pivot_table(
        index=keys, columns="outcome", values=["mean", "low", "high", "origins"], sort=False,
        dropna=False, observed=True,
    ).dropna(how="all")  # fmt: skip
    limit = {o: limit_of(effects.loc[effects["outcome"] == o, "mean"]) for o in OUTCOMES}
    rows = []
    for key, values in wide.iterrows():
        names = dict(zip(keys, key, strict=True))
        name, page = html.escape(names["label"]), page_of(names["family"], names["label"])
        cells = [f'<td data-value="{name}"><a href="strategies/{page}.html">{name}</a></td>']
        for outcome in OUTCOMES:
            one = [values.get((k, outcome), np.nan) for k in ("mean", "low", "high", "origins")]
            more = f" n={one.pop():.0f}"
            cells.append(dot(*one, limit[outcome], more))
        cells += [
            f"<td>{html.escape(family_name(names['family']))}</td>",
            f"<td>{names['modality']}, {names['stratum']}, {names['learners']}</td>",
        ]
        given = " ".join(
            f'data-{k}="{html.escape(str(v))}"' for k, v in names.items() if k != "label"
        )
        rows.append(f"<tr {given}>{''.join(cells)}</tr>")
    heads = {"strategy": "", **{w: axis(limit[o]) for o, w in OUTCOMES.items()}}
    heads |= {"family": "", "data, stratum, learners": ""}
    head = "".join(
        f'<th scope="col"><button type="button">{words}</button>{more}</th>'
        for words, more in heads.items()
    )
    choices = "".join(_choice(name, effects[name]) for name in keys if name not in ("label",))
    return (
        "# Leaderboard\n\nGains over the control, means over origins with 95 % intervals; a mark "
        f"is coloured where the gain is more than {MATTERS:g} and the interval clear of zero. "
        "Choose a part of the study; a click on a heading sorts.\n\n"
        '<form class="leaderboard-form" hidden>'
        '<label>name <input name="name" type="search"></label>'
        f'{choices}</form>\n<p class="leaderboard-count" role="status"></p>\n\n'
        f'<table class="leaderboard marks"><thead><tr>{head}</tr></thead><tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table>\n"
    )


def _choice(name, values):
    options = "".join(
        f'<option value="{html.escape(str(v))}"{" selected" * (SHOWN_FIRST.get(name) == v)}>'
        f"{html.escape(family_name(v) if name == 'family' else str(v))}</option>"
        for v in dict.fromkeys(values)
    )
    options = f'<option value="">all</option>{options}'
    return f'<label>{name} <select name="{name}">{options}</select></label>'


def notebooks(study, chapters, target, gained):
    """Rendered notebooks as pages: chapters, and cards and reports of the data sets.

    Parameters
    ----------
    study : imbbench.config.Study
    chapters : list of Path
        Of two of one name the last is shown.
    target : Path
    gained : DataFrame
        Of :func:`imbbench.analysis.inference.gains`.

    Returns
    -------
    set of str
        Data sets that have a page.
    """
    pages = {path: target / "chapters" / path.name for path in chapters}
    for name in study.all_datasets:
        folder = root() / study.results(name) / "rendered" / name
        there = [folder / f"{kind}.ipynb" for kind in ("data_card", "report")]
        pages |= {path: target / "data" / name / path.name for path in there if path.is_file()}
    for path in pages:
        _copy(path, pages)
    toc = "\n".join(sorted({path.stem for path in chapters}))
    write_whole(target / "chapters" / "index.md", f"# Chapters\n\n```{{toctree}}\n\n{toc}\n```\n")
    table = in_order(forest.by_dataset(remedies(gained), OUTCOMES), ["group"])
    lines, entries = ["# Data sets", ""], []
    for name in study.all_datasets:
        folder = root() / study.results(name) / "rendered" / name
        there = [kind for kind in ("data_card", "report") if (folder / f"{kind}.ipynb").is_file()]
        if not there:
            continue
        entries.append(name)
        own = table[table["dataset"] == name]
        text = dataset_page(name, study.dataset(name), there, own)
        write_whole(target / "data" / name / "index.md", text)
        lines.append(f"- [`{name}`]({name}/index.md): {study.dataset(name).get('why', '')}")
    toc = "\n".join(f"{name}/index" for name in entries)
    lines += ["", "```{toctree}", ":hidden:", "", toc, "```", ""]
    write_whole(target / "data" / "index.md", "\n".join(lines))
    return set(entries)


def dataset_page(name, entry, kinds, table, count=5):
    """What helped on a data set, and the way to its card and report.

    Parameters
    ----------
    name : str
    entry : dict
        Of ``params.yaml``.
    kinds : list of str
        Notebooks that there are of it.
    table : DataFrame
        Its rows of :func:`imbbench.analysis.forest.by_dataset`.
    count : int
        Strategies shown of each outcome.

    Returns
    -------
    str
        Markdown.
    """
    parts = [f"# {name}", "", f"{entry.get('why', '').capitalize()}.", ""]
    parts += [
        f"- {key}: {entry[key]}" for key in ("modality", "citation", "licence") if key in entry
    ]
    parts += ["", "```{toctree}", ":maxdepth: 1", "", *kinds, "```", ""]
    if len(table):
        parts += ["## What helped here", "", "Better than their control in every split, by more "
                  f"than {MATTERS:g}; the means over splits and learners, the largest first. One "
                  "data set is no evidence for another: the strategies' pages have all of them.",
                  ""]  # fmt: skip
    for group, rows in table.groupby("group", sort=False):
        parts += [f"### {LEARNERS[group].capitalize()}", ""]
        for outcome, words in OUTCOMES.items():
            there = rows[rows["outcome"] == outcome]
            if there.empty:
                continue
            clear = there[findings(there) == "better"]
            best = clear.sort_values("mean", ascending=False, kind="stable").head(count)
            said = ", ".join(f"{code(row.label)} {row.mean:+.3f}" for row in best.itertuples())
            parts.append(
                f"- {words}: {len(clear)} of {len(there)} remedies{': ' if said else ''}{said}"
            )
        parts.append("")
    return "\n".join(parts)


def _copy(path, pages):
    """A rendered notebook as a page: its code is folded, its links lead to pages or are words."""
    page = json.loads(path.read_text("utf-8"))
    for cell in page["cells"]:
        if cell["cell_type"] == "code":
            # A cell that shows nothing is one line.
            kind = "hide-input" if cell["outputs"] else "hide-cell"
            cell["metadata"]["tags"] = [*cell["metadata"].get("tags", ()), kind]
            for output in cell["outputs"]:
                if "text/markdown" in output.get("data", {}):
                    text = "".join(output["data"]["text/markdown"])
                    output["data"]["text/markdown"] = _relinked(text, path, pages)
        else:
            cell["source"] = _relinked("".join(cell["source"]), path, pages)
    write_whole(pages[path], json.dumps(page, ensure_ascii=False, indent=1) + "\n")


def _relinked(text, path, pages):
    """Markdown of a rendered notebook with links between pages; to other files they are words."""

    def link(found):
        words, to, part = found.groups()
        linked = pages.get(Path(os.path.normpath(path.parent / to)))
        if linked is None:
            return words
        way = os.path.relpath(linked, pages[path].parent)
        return f"[{words}]({Path(way).as_posix()}{part or ''})"

    return LINK.sub(link, text)


def api():
    """The reference of the public modules."""
    parts = ["API", "===", "", "What one imports into code of one's own; :doc:`own_code` has it in "
             "use.", ""]  # fmt: skip
    for name in PUBLIC:
        title = f"imbbench.{name}"
        parts += [title, "-" * len(title), "", f".. automodule:: {title}", "   :members:",
                  "   :imported-members:", ""]  # fmt: skip
    return "\n".join(parts)
