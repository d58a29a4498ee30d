"""Pages of the site, written from committed tables and rendered notebooks for Sphinx to build."""

import html
import inspect
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from imbbench.analysis.answer import FAMILIES, advice
from imbbench.analysis.inference import MATTERS
from imbbench.analysis.prose import code, markdown, with_interval
from imbbench.bench.registry import definitions
from imbbench.config import setting_text
from imbbench.errors import StudyError
from imbbench.files import write_whole
from imbbench.paths import root

OUTCOMES = {
    "balanced_accuracy tuned": "balanced accuracy, both cut-offs tuned",
    "balanced_accuracy argmax": "balanced accuracy, default cut-off",
    "macro_f1 tuned": "macro-F1, both cut-offs tuned",
    "average_precision": "average precision",
    "brier": "Brier score (more is better)",
}
PUBLIC = ["losses", "samplers", "ensembles", "schedules", "posthoc"]
SHOWN_FIRST = {"modality": "tabular", "stratum": "core", "learners": "strong"}
# Files of the project that notebooks link to and the site has no page of.
NO_PAGE = re.compile(r"\]\((?:\.\./)+tests/[^)]*\)")


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
    target, results = Path(target), root() / "results"
    numbers = results / "study.json"
    if not numbers.is_file():
        raise StudyError("results/study.json is missing: run `dvc repro study` first.")
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(root() / "site", target)
    effects = read_effects(results)
    for name, text in {
        "index.md": start_page(json.loads(numbers.read_text("utf-8")), results),
        "leaderboard.md": leaderboard(effects),
        "contributing.md": _without_links((root() / "CONTRIBUTING.md").read_text("utf-8")),
        "changelog.md": _without_links((root() / "CHANGELOG.md").read_text("utf-8")),
        "api.rst": api(),
    }.items():
        write_whole(target / name, text)
    for theme in ("headline", "headline_dark"):
        shutil.copy(results / "figures" / f"{theme}.svg", target / "_static" / f"{theme}.svg")
    strategies(study, effects, target)
    notebooks(study, results, target)


def read_effects(results):
    """The tables of all parts of the study, with ``modality``, ``stratum`` and ``learners``."""
    found = []
    for path in sorted((results / "tables" / "subsets").glob("*.csv")):
        modality, stratum, learners = path.stem.split("-")
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
        words = {"stratum": stratum.replace("_", " "), "learners": learners.replace("_", " ")}
        found.append(table.assign(modality=modality, **words))
    return pd.concat(found, ignore_index=True)


def _without_links(text):
    """Markdown whose links to files of the project are plain words: the site has no such pages."""
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", text)


def start_page(numbers, results):
    """The sentence, the figure, and where to go on."""
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
            f"Leave the data alone: {brier['worse']} of {brier['strategies']} remedies make the "
            "Brier score worse.",
        ),
        "The study": ("chapters/04_study", f"{numbers['datasets']} data sets, verdicts, ranks."),
        "Strategies": (
            "strategies/index",
            f"{at['strategies']} remedies: what each does and changes.",
        ),
        "Data sets": ("data/index", "Cards and reports."),
    }
    grid = "\n".join(
        f":::{{grid-item-card}} {title}\n:link: {link}\n:link-type: doc\n{text}\n:::"
        for title, (link, text) in cards.items()
    )
    alt = "What every remedy changes, by family, in balanced accuracy, macro-F1 and Brier score"
    toc = "\n".join(["leaderboard", "strategies/index", "data/index", "chapters/index", "api",
                     "contributing", "changelog"])  # fmt: skip
    return (
        f"# What helps against class imbalance?\n\n{advice(numbers)}\n\n"
        f'<img class="only-light-figure" alt="{alt}" src="_static/headline.svg">\n'
        f'<img class="only-dark-figure" alt="{alt}" src="_static/headline_dark.svg">\n\n'
        f"::::{{grid}} 1 2 3 3\n:gutter: 3\n{grid}\n::::\n\n"
        f"```{{toctree}}\n:hidden:\n\n{toc}\n```\n"
    )


def page_of(family, label):
    """Name of a strategy's page."""
    return re.sub(r"[^a-z0-9_]+", "_", f"{family}-{label.removesuffix(f' ({family})')}".lower())


def leaderboard(effects):
    """Every strategy and control in every part of the study, as a table that works as it is."""
    keys = ["family", "label", "role", "modality", "stratum", "learners"]
    wide = effects.pivot_table(
        index=keys, columns="outcome", values=["mean", "low", "high", "origins"], sort=False,
        dropna=False, observed=True,
    ).dropna(how="all")  # fmt: skip
    limit = {o: effects.loc[effects["outcome"] == o, "mean"].abs().quantile(0.95) for o in OUTCOMES}
    rows = []
    for key, values in wide.iterrows():
        names = dict(zip(keys, key, strict=True))
        name, page = html.escape(names["label"]), page_of(names["family"], names["label"])
        cells = [f'<td data-value="{name}"><a href="strategies/{page}.html">{name}</a></td>']
        for outcome in OUTCOMES:
            one = [values.get((k, outcome), np.nan) for k in ("mean", "low", "high", "origins")]
            cells.append(_dot(*one, limit[outcome]))
        cells += [
            f"<td>{html.escape(FAMILIES.get(names['family'], names['family']))}</td>",
            f"<td>{names['modality']}, {names['stratum']}, {names['learners']}</td>",
        ]
        given = " ".join(
            f'data-{k}="{html.escape(str(v))}"' for k, v in names.items() if k != "label"
        )
        rows.append(f"<tr {given}>{''.join(cells)}</tr>")
    heads = ["strategy", *OUTCOMES.values(), "family", "data, stratum, learners"]
    head = "".join(f'<th scope="col"><button type="button">{h}</button></th>' for h in heads)
    choices = "".join(_choice(name, effects[name]) for name in keys if name not in ("label",))
    return (
        "# Leaderboard\n\nGains over the control, means over origins with 95 % intervals; a mark "
        f"is coloured where the gain is more than {MATTERS:g} and the interval clear of zero. "
        "Choose a part of the study; a click on a heading sorts.\n\n"
        '<form class="leaderboard-form" hidden>'
        '<label>name <input name="name" type="search"></label>'
        f'{choices}</form>\n<p class="leaderboard-count"></p>\n\n'
        f'<table class="leaderboard"><thead><tr>{head}</tr></thead><tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table>\n"
    )


def _choice(name, values):
    options = "".join(
        f'<option value="{html.escape(str(v))}"{" selected" * (SHOWN_FIRST.get(name) == v)}>'
        f"{html.escape(str(v))}</option>"
        for v in dict.fromkeys(values)
    )
    options = f'<option value="">all</option>{options}'
    return f'<label>{name} <select name="{name}">{options}</select></label>'


def _dot(mean, low, high, origins, limit):
    """A cell: the number, and a dot with its interval on a common axis."""
    if np.isnan(mean):
        return '<td data-value=""></td>'
    text = with_interval(mean, low, high)

    def x(value):
        return 40 + 38 * float(np.clip(value / limit if limit > 0 else 0, -1, 1))

    finding = "none"
    if mean > MATTERS and low > 0:
        finding = "better"
    if mean < -MATTERS and high < 0:
        finding = "worse"
    line = ""
    if not np.isnan(low):
        line = f'<line class="range" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="7" y2="7"/>'
    return (
        f'<td data-value="{mean:.6f}"><svg width="80" height="14" role="img" aria-label="{text}">'
        f'<line class="zero" x1="40" x2="40" y1="0" y2="14"/>{line}'
        f'<circle class="{finding}" cx="{x(mean):.1f}" cy="7" r="3.4"/></svg><br>{text} '
        f"<small>n={origins:.0f}</small></td>"
    )


def strategies(study, effects, target):
    """A page for every strategy, and one that lists them."""
    lines = ["# Strategies", ""]
    names = []
    labels = effects.drop_duplicates(["family", "label"]).set_index(["family", "label"])
    for family in study.families:
        lines += [f"## {FAMILIES.get(family, family).capitalize()}", ""]
        known = definitions(family)
        for name, entry in study.family(family).items():
            label = name if (family, name) in labels.index else f"{name} ({family})"
            page = page_of(family, label)
            names.append(page)
            definition = _definition(known, name, entry)
            says = inspect.getdoc(definition.function) if definition else ""
            first = " ".join(says.split("\n\n")[0].split())
            lines.append(f"- [`{name}`]({page}.md): {first}")
            own = effects[(effects["family"] == family) & (effects["label"] == label)]
            text = strategy_page(study, family, name, entry, definition, own)
            write_whole(target / "strategies" / f"{page}.md", text)
        lines.append("")
    lines += ["```{toctree}", ":hidden:", "", *names, "```", ""]
    write_whole(target / "strategies" / "index.md", "\n".join(lines))


def _definition(known, name, entry):
    keys = [key for key in entry if key in known and known[key].by_key]
    return known.get(keys[0] if keys else name)


def strategy_page(study, family, name, entry, definition, effects):
    """What a strategy is, its settings and control, and what it changes in every part."""
    says = inspect.getdoc(definition.function) if definition else ""
    source = Path(inspect.getsourcefile(definition.function)).as_posix() if definition else ""
    source = "imbbench/" + source.rpartition("/imbbench/")[2] if source else ""
    control = entry.get("control", "plain" if name != "plain" else "")
    settings = {k: v for k, v in entry.items() if k not in ("control", "role", "primary")}
    facts = {
        "family": FAMILIES.get(family, family),
        "compared with": code(control) if control else "nothing",
        "counted as": entry.get("role") or ("control" if family == "reference" else "a remedy"),
        "inference is about it": "yes" if entry.get("primary") else "no",
        "settings": code(setting_text(settings)) if settings else "none",
        "code": code(source),
    }
    rows = [f"- {key}: {value}" for key, value in facts.items()]
    parts = [f"# {name}", "", _prose(says), "", *rows, ""]
    if effects.empty:
        parts += ["It has no score beside its control.", ""]
        return "\n".join(parts)
    table = pd.DataFrame(
        {
            "data": effects["modality"] + ", " + effects["stratum"],
            "learners": effects["learners"],
            "outcome": effects["outcome"].map(OUTCOMES).fillna(effects["outcome"]),
            "origins": effects["origins"],
            "gain [95 %]": [
                "" if np.isnan(row.mean) else with_interval(row.mean, row.low, row.high)
                for row in effects.itertuples()
            ],
            "share won": (100 * effects["wins"]).round(0).astype(int).astype(str) + " %",
        }
    )
    parts += ["## What it changes", "", "Gains over its control, means over origins; more is "
              "better, also of the Brier score. Won are origins with a gain of more than "
              f"{MATTERS:g}.", "", markdown(table), ""]  # fmt: skip
    return "\n".join(parts)


def _prose(docstring):
    """A docstring's text as Markdown: its references stay, underlined heads become bold."""
    text = re.sub(r"^(\w[\w ]*)\n-{3,}$", r"**\1**\n", docstring, flags=re.M)
    text = re.sub(r":(?:func|class|mod|data|meth):`~?([^`]+)`", r"`\1`", text)
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def notebooks(study, results, target):
    """Rendered notebooks as pages: chapters, and cards and reports of the data sets."""
    chapters = sorted((results / "rendered").glob("*.ipynb"))
    for path in chapters:
        _copy(path, target / "chapters" / path.name)
    toc = "\n".join(path.stem for path in chapters)
    write_whole(target / "chapters" / "index.md", f"# Chapters\n\n```{{toctree}}\n\n{toc}\n```\n")
    lines, entries = ["# Data sets", ""], []
    for name in study.all_datasets:
        folder = root() / study.results(name) / "rendered" / name
        there = [kind for kind in ("data_card", "report") if (folder / f"{kind}.ipynb").is_file()]
        for kind in there:
            _copy(folder / f"{kind}.ipynb", target / "data" / name / f"{kind}.ipynb")
            entries.append(f"{name}/{kind}")
        if there:
            links = ", ".join(f"[{k.replace('_', ' ')}]({name}/{k}.ipynb)" for k in there)
            lines.append(f"- `{name}`: {study.dataset(name).get('why', '')} ({links})")
    lines += ["", "```{toctree}", ":hidden:", "", *entries, "```", ""]
    write_whole(target / "data" / "index.md", "\n".join(lines))


def _copy(path, target):
    text = path.read_text("utf-8")
    write_whole(target, NO_PAGE.sub("]", text))


def api():
    """The reference of the public modules."""
    parts = ["API", "===", "", "What one imports into code of one's own.", ""]
    for name in PUBLIC:
        title = f"imbbench.{name}"
        parts += [title, "-" * len(title), "", f".. automodule:: {title}", "   :members:",
                  "   :imported-members:", ""]  # fmt: skip
    return "\n".join(parts)
