"""The site's page of every strategy: what it is, what it changes, where it fails, its like."""

import html
import importlib
import inspect
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from ruamel.yaml import YAML

from imbbench.analysis import forest
from imbbench.analysis.answer import FAMILIES
from imbbench.analysis.inference import FEWEST, finding
from imbbench.analysis.prose import code
from imbbench.analysis.statistics import MATTERS
from imbbench.analysis.tables import labels, role_of
from imbbench.bench.registry import definitions
from imbbench.config import setting_text
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
SYMBOLS = (
    r"$C$ classes; of the training part $n_c$ rows of class $c$, $N$ in all, $\pi_c = n_c / N$; "
    "logits $z$, probabilities $p$, label $y$."
)
LEARNERS = {
    "strong": "strong learners",
    "weak": "weak learners",
    "ensembles of trees": "ensembles of trees",
}
# Of the parts of the study, in tables and choices.
ORDER = {
    "modality": ["tabular", "text", "image"],
    "stratum": ["core", "ceiling", "little signal"],
    "learners": list(LEARNERS),
    "group": list(LEARNERS),
}
HALF = 32  # pixels from zero to either end of a mark's axis


@dataclass(frozen=True)
class Evidence:
    """What the pages are written from.

    Attributes
    ----------
    effects : DataFrame
        Of :func:`imbbench.site.read_effects`.
    gained : DataFrame
        Of :func:`imbbench.analysis.inference.gains`.
    runs : DataFrame
        Of :func:`imbbench.analysis.inference.described`.
    judged : DataFrame
        ``results/tables/verdicts.csv``.
    reports : set of str
        Data sets that have a page.
    """

    effects: pd.DataFrame
    gained: pd.DataFrame
    runs: pd.DataFrame
    judged: pd.DataFrame
    reports: set


def in_order(table, names):
    """``table`` by columns of :data:`ORDER`; what that does not name comes last."""

    def place(values):
        kinds = [*ORDER[values.name], *sorted(set(values) - set(ORDER[values.name]))]
        return values.map({kind: i for i, kind in enumerate(kinds)})

    return table.sort_values(names, key=place, kind="stable", ignore_index=True)


def page_of(family, label):
    """Name of a strategy's page."""
    return re.sub(r"[^a-z0-9_]+", "_", f"{family}-{label.removesuffix(f' ({family})')}".lower())


def dot(mean, low, high, limit, more="", shape="circle"):
    """A table's cell: the number, and a mark with its interval on an axis from -limit to limit."""
    if np.isnan(mean):
        return '<td data-value=""></td>'

    def x(value):
        return HALF + 2 + HALF * float(np.clip(value / limit if limit > 0 else 0, -1, 1))

    said = finding(mean, low, high)
    style = said if said in ("better", "worse") else "none"
    at, line, interval = x(mean), "", ""
    if not np.isnan(low):
        interval = f"[{low:+.3f}, {high:+.3f}]"
        line = f'<line class="range" x1="{x(low):.1f}" x2="{x(high):.1f}" y1="7" y2="7"/>'
    mark = f'<circle class="{style}" cx="{at:.1f}" cy="7" r="3.4"/>'
    if shape == "diamond":
        corners = f"{at - 5:.1f},7 {at:.1f},2 {at + 5:.1f},7 {at:.1f},12"
        mark = f'<polygon class="{style}" points="{corners}"/>'
    return (
        f'<td data-value="{mean:.6f}"><svg width="{2 * HALF + 4}" height="14" aria-hidden="true">'
        f'<line class="zero" x1="{HALF + 2}" x2="{HALF + 2}" y1="0" y2="14"/>{line}{mark}</svg>'
        f" {mean:+.3f}<br><small>{interval}{more}</small></td>"
    )


def limit_of(values):
    """The end of an axis on which nearly all of the values lie, at least .02."""
    end = float(np.nan_to_num(values.abs().quantile(0.9)))
    return max(0.02, float(np.ceil(50 * end) / 50))


def axis(limit):
    """What a column's marks are drawn on, in words."""
    return f"<small>axis −{limit:.2g} to +{limit:.2g}</small>"


def write(study, evidence, target):
    """A page for every strategy, one that lists them, and where each name leads to.

    Parameters
    ----------
    study : imbbench.config.Study
    evidence : Evidence
    target : pathlib.Path
    """
    known = said_of(root() / "site" / "strategies.yaml")
    named = labels(study)
    pages = {pair: page_of(pair[0], label) for pair, label in named.items()}
    parts = {
        "table": in_order(forest.by_dataset(evidence.gained, OUTCOMES), forest.PARTS),
        "minority": in_order(forest.minority(evidence.runs), ["modality", "group"]),
        "unscored": forest.unscored(evidence.runs),
        "alike": forest.alike(evidence.gained),
    }
    lines = ["# Strategies", ""]
    for family in study.families:
        lines += [f"## {family_name(family).capitalize()}", ""]
        functions = definitions(family)
        for name in study.family(family):
            page = Page(study, family, name, named, functions, known, pages)
            text = page.text(evidence, **parts)
            write_whole(target / "strategies" / f"{pages[family, name]}.md", text)
            lines.append(f"- [`{name}`]({pages[family, name]}.md): {page.first()}")
        lines.append("")
    lines += ["```{toctree}", ":hidden:", "", *pages.values(), "```", ""]
    write_whole(target / "strategies" / "index.md", "\n".join(lines))
    links = {label: f"strategies/{pages[pair]}" for pair, label in named.items()}
    write_whole(target / "strategies.json", json.dumps(links, indent=1) + "\n")


def said_of(path):
    """Of ``site/strategies.yaml``: a strategy's name to its ``formula``, ``says``, ``reference``.

    Parameters
    ----------
    path : pathlib.Path
        It need not be there.

    Returns
    -------
    dict
    """
    if not path.is_file():
        return {}
    entries = YAML(typ="safe").load(path.read_text("utf-8"))
    return {name: entry for entry in entries for name in entry["for"]}


def family_name(family):
    return FAMILIES.get(family, family)


def prose(docstring):
    """A docstring's text as Markdown: heads become bold, parameters a list, public names links.

    A parameter's name is no span of code: it may be a strategy's, which would be made a link.
    """
    text = re.sub(
        r"^([\w*][\w, *]*?)(?: : (.+))?\n((?: {4}.+\n?)+)",
        lambda m: (
            f"- <code>{m[1]}</code>{f' ({m[2]})' if m[2] else ''}: {' '.join(m[3].split())}\n"
        ),
        docstring,
        flags=re.M,
    )
    text = re.sub(r"^(\w[\w ]*)\n-{3,}$", r"**\1**\n", text, flags=re.M)
    text = re.sub(r":(?:func|class|mod|data|meth):`~?([^`]+)`", _linked, text)
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def _linked(found):
    """A name of the API as a link to it, any other as code."""
    name = found[1]
    module, _, last = name.rpartition(".")
    for public in PUBLIC:
        full = f"imbbench.{public}"
        if name == full:
            return f"{{py:mod}}`{full}`"
        if module in ("", full) and last in importlib.import_module(full).__all__:
            return f"{{py:obj}}`{last} <{full}.{last}>`"
    return f"`{name}`"


class Page:
    """One strategy's page.

    Parameters
    ----------
    study : imbbench.config.Study
    family, name : str
    named : dict
        Of :func:`imbbench.analysis.tables.labels`.
    functions : dict
        Of :func:`imbbench.bench.registry.definitions`.
    known : dict
        Of :func:`said_of`.
    pages : dict
        ``(family, name)`` to a page's name.
    """

    def __init__(self, study, family, name, named, functions, known, pages):
        self.study, self.family, self.name = study, family, name
        self.named, self.known, self.pages = named, known.get(name, {}), pages
        self.entry, self.label = study.family(family)[name], named[family, name]
        self.functions = functions
        self.function, _ = self.method(name)
        self.says = inspect.getdoc(self.function) or "" if self.function else ""

    def method(self, name):
        """What entries of one method share: their function or None, what it is given by key."""
        entry = self.study.family(self.family)[name]
        keys = [key for key in entry if key in self.functions and self.functions[key].by_key]
        found = self.functions.get(keys[0] if keys else name)
        kind = entry[keys[0]] if keys else None
        return found and found.function, kind if isinstance(kind, str) else None

    def link(self, family, name):
        """A strategy's name as a link to its page."""
        return f"[{code(self.named[family, name])}]({self.pages[family, name]}.md)"

    def link_by_name(self, name):
        """The same by the name that an entry gives: of its own family, then of any."""
        pairs = [pair for pair in self.pages if pair[1] == name]
        pairs.sort(key=lambda pair: (pair[0] != self.family, pair[0] != "reference"))
        return self.link(*pairs[0]) if pairs else code(name)

    def first(self):
        """What it is, in a sentence or two."""
        text = self.known.get("says") or self.says.split("\n\n")[0]
        return " ".join(prose(text).split())

    def of_strategy(self, table):
        return table[(table["family"] == self.family) & (table["label"] == self.label)]

    def text(self, evidence, table, minority, unscored, alike):
        """The page as Markdown."""
        effects = self.of_strategy(evidence.effects)
        own = self.of_strategy(table)
        parts = [f"# {self.name}", "", *self.definition()]
        parts += ["## What it changes", ""]
        if effects.empty:
            parts += ["It has no score beside its control.", ""]
        else:
            limits = {o: limit_of(own[own["outcome"] == o]["mean"]) for o in OUTCOMES}
            parts += [*self.verdicts(evidence.judged), _effects_table(effects, limits), ""]
            parts += ["## Data set by data set", "", "A mark is the mean over splits and learners, "
                      "its line goes from the worst split to the best; a diamond is the mean over "
                      "origins with its 95 % interval.", "",
                      _forest_table(own, effects, limits, evidence.reports), ""]  # fmt: skip
        parts += self.minority(self.of_strategy(minority))
        parts += self.failures(own, unscored, evidence.reports)
        parts += self.neighbours(alike)
        return "\n".join(parts)

    def definition(self):
        """What it is: in words, as a formula, with references, settings and code."""
        said = self.known.get("says")
        parts = [said, ""] if said else []
        if "formula" in self.known:
            formula = [f"$$\n{self.known['formula']}\n$$", "", f"<small>{SYMBOLS}</small>", ""]
            parts += formula
        text = prose(self.says)
        if said and self.family == "loss" and "loss" in self.entry:
            text = text.partition("\n\n")[2]  # the first paragraph only says where to look
        parts += [text, ""]
        if "reference" in self.known:
            parts += [f"**Reference**: {self.known['reference']}", ""]
        return [*parts, *self.facts(), *self.source()]

    def facts(self):
        control = self.entry.get("control", "plain" if self.name != "plain" else "")
        settings = {k: v for k, v in self.entry.items() if k not in ("control", "role", "primary")}
        heading = re.sub(r"[^a-z0-9 -]", "", family_name(self.family)).replace(" ", "-")
        facts = {
            "family": f"[{family_name(self.family)}](index.md#{heading})",
            "compared with": self.link_by_name(control) if control else "nothing",
            "counted as": role_of(self.family, self.entry.get("role")),
            "inference is about it": "yes" if self.entry.get("primary") else "no",
            "settings": code(setting_text(settings)) if settings else "none",
        }
        if "loss" in self.entry:
            facts["in code of one's own"] = _linked(["", f"imbbench.losses.{self.entry['loss']}"])
        return [*(f"- {key}: {value}" for key, value in facts.items()), ""]

    def source(self):
        """Its function, folded."""
        if self.function is None:
            return []
        path = Path(inspect.getsourcefile(self.function)).as_posix()
        path = "imbbench/" + path.rpartition("/imbbench/")[2]
        body = inspect.getsource(self.function).rstrip()
        return [f":::{{dropdown}} Code: `{path}`", "```python", body, "```", ":::", ""]

    def verdicts(self, judged):
        """Of a primary strategy: what inference says."""
        own = self.of_strategy(judged) if len(judged) else judged
        if own.empty:
            return []
        lines = [
            "Verdicts; helps and harms are corrected for the number of primary strategies (Holm):",
            "",
        ]
        for (modality, group, stratum), part in own.groupby(["modality", "group", "stratum"],
                                                            sort=False):  # fmt: skip
            if part["origins"].max() < FEWEST:
                continue
            said = ", ".join(f"{row.outcome} **{row.verdict}**" for row in part.itertuples())
            lines.append(f"- {modality}, {stratum}, {LEARNERS[group]}: {said}")
        return [*lines, ""] if len(lines) > 2 else []

    def minority(self, table):
        """An arrow for every kind of data and learner, from the control to the strategy."""
        if table.empty:
            return []
        lines, arrows = [], []
        for number, row in enumerate(table.itertuples(), 1):
            arrows.append(_arrow(number, row))
            lines.append(
                f"{number}. {row.modality}, {LEARNERS[row.group]} ({row.origins} "
                f"{'origin' if row.origins == 1 else 'origins'}): found (recall) "
                f"{row.recall_of_control:.3f} → {row.recall:.3f}, alarms that are right "
                f"(precision) {row.precision_of_control:.3f} → {row.precision:.3f}"
            )
        return ["## The minority", "", "Recall and precision of the smallest class at the default "
                "cut-off, from its control to the strategy; means over core origins.", "",
                _minority_plot(arrows), "", *lines, ""]  # fmt: skip

    def failures(self, own, unscored, reports):
        """Where it loses in every split, and which cells have no score."""
        parts = ["## Where it fails", ""]
        lost = forest.lost(own)
        for outcome, words in OUTCOMES.items():
            there = own[own["outcome"] == outcome]
            if there.empty:
                continue
            worst = lost[lost["outcome"] == outcome]
            places = ", ".join(
                f"{_dataset(row.dataset, reports)} ({LEARNERS[row.group]}) {row.mean:+.3f}"
                for row in worst.head(4).itertuples()
            )
            more = f" and {len(worst) - 4} more" if len(worst) > 4 else ""
            parts.append(
                f"- {words}: worse in every split on {len(worst) or 'none'} of {len(there)} pairs "
                f"of data set and kind of learner{': ' if places else ''}{places}{more}"
            )
        cells = self.of_strategy(unscored).sort_values("cells", ascending=False, kind="stable")
        for row in cells.head(5).itertuples():
            parts.append(f"- {row.status}, {row.cells} cells: {html.escape(str(row.reason))}")
        if len(parts) == 2:
            parts.append("Nowhere: every cell has a score, and none is compared with a control.")
        return [*parts, ""]

    def neighbours(self, alike):
        """Strategies of the same function, those it stands beside, and those that act alike."""
        entries = self.study.family(self.family)
        control = self.entry.get("control", "plain" if self.name != "plain" else "")
        same = [n for n in entries if n != self.name and self.function is not None
                and self.method(n) == self.method(self.name)]  # fmt: skip
        of = [n for n, e in entries.items() if e.get("control") == self.name]
        lines = []
        if control:
            lines.append(f"- its control: {self.link_by_name(control)}")
        for words, names in ("the same with other settings", same), ("control of", of):
            if names:
                lines.append(f"- {words}: {', '.join(self.link(self.family, n) for n in names)}")
        pairs = {(f, label): (f, name) for (f, name), label in self.named.items()}
        near = [
            f"{self.link(*pairs[family, label])} ({difference:.3f} apart on {places})"
            for family, label, difference, places in alike.get((self.family, self.label), [])
            if (family, label) in pairs
        ]
        if near:
            lines.append(
                "- most alike in what they do to balanced accuracy at the default cut-off, by "
                f"mean distance over data sets and learners: {', '.join(near)}"
            )
        return ["## Neighbours", "", *(lines or ["None."]), ""]


def _dataset(name, reports):
    """A data set's name in Markdown, with a link where it has a page."""
    return f"[{code(name)}](../data/{name}/index.md)" if name in reports else code(name)


def _head(first, limits):
    cells = "".join(
        f'<th scope="col">{words}<br>{axis(limits[outcome])}</th>'
        for outcome, words in OUTCOMES.items()
    )
    return f'<thead><tr><th scope="col">{first}</th>{cells}</tr></thead>'


def _effects_table(effects, limits):
    """A row for every part of the study: gains with intervals, and the share of origins won."""
    rows = []
    parts = ["modality", "stratum", "learners"]
    for names, part in effects.groupby(parts, sort=False):
        modality, stratum, learners = names
        cells = [f'<th scope="row">{modality}, {stratum}<br>{LEARNERS[learners]}</th>']
        by = {row["outcome"]: row for row in part.to_dict("records")}
        for outcome in OUTCOMES:
            row = by.get(outcome)
            won = f"<br>won {100 * row['wins']:.0f} % of {row['origins']:.0f}" if row else ""
            cells.append(_cell(row, limits, won))
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return (
        f"Gains over its control, means over origins with 95 % intervals; more is better, also of "
        f"the Brier score. Won are origins with a gain of more than {MATTERS:g}.\n\n"
        f'<table class="marks">{_head("data, learners", limits)}<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table>"
    )


def _cell(row, limits, more="", shape="circle"):
    """A cell of a row of gains, empty where there is none."""
    if row is None:
        return '<td data-value=""></td>'
    limit = limits[row["outcome"]]
    return dot(row["mean"], row["low"], row["high"], limit, more, shape)


def _forest_table(own, effects, limits, reports):
    """A row for every data set, by kind of learners, and the mean of each part below its rows."""
    parts = {}
    for row in own.to_dict("records"):
        part = parts.setdefault((row["group"], row["modality"], row["stratum"]), {})
        part.setdefault(row["dataset"], {})[row["outcome"]] = row
    means = {
        (row["learners"], row["modality"], row["stratum"], row["outcome"]): row
        for row in effects.to_dict("records")
    }
    bodies = []
    for (group, modality, stratum), datasets in parts.items():
        title = f"{LEARNERS[group]}: {modality}, {stratum}"
        lines = [f'<tr><th scope="rowgroup" colspan="{1 + len(OUTCOMES)}">{title}</th></tr>']
        for dataset, by in datasets.items():
            name = html.escape(dataset)
            if dataset in reports:
                name = f'<a href="../data/{dataset}/index.html">{name}</a>'
            cells = "".join(_cell(by.get(outcome), limits) for outcome in OUTCOMES)
            lines.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
        cells = ""
        for outcome in OUTCOMES:
            row = means.get((group, modality, stratum, outcome))
            cells += _cell(row, limits, f" n={row['origins']:.0f}" if row else "", "diamond")
        lines.append(f'<tr class="mean"><th scope="row">mean</th>{cells}</tr>')
        bodies.append("<tbody>" + "\n".join(lines) + "</tbody>")
    head = _head("data set", limits)
    return f'<table class="marks forest">{head}\n' + "\n".join(bodies) + "</table>"


SIDE = 240  # pixels of the plot of recall and precision
EDGE = 48


def _arrow(number, row):
    """An arrow from the control's recall and precision to the strategy's."""

    def place(recall, precision):
        return np.array([EDGE + SIDE * recall, 8 + SIDE * (1 - precision)])

    start = place(row.recall_of_control, row.precision_of_control)
    end = place(row.recall, row.precision)
    way = end - start
    length = float(np.hypot(*way))
    dashes = {"strong": "", "weak": ' stroke-dasharray="5 3"'}.get(
        row.group, ' stroke-dasharray="2 3"'
    )
    parts = [f'<circle class="from" cx="{start[0]:.1f}" cy="{start[1]:.1f}" r="3"/>']
    if length > 1:
        along = way / length
        aside = np.array([-along[1], along[0]])
        base = end - min(7, length) * along
        corners = [end, base + 3.5 * aside, base - 3.5 * aside]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        parts += [
            f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{base[0]:.1f}" y2="{base[1]:.1f}"'
            f"{dashes}/>",
            f'<polygon points="{points}"/>',
        ]
    parts.append(f'<text x="{end[0] + 6:.1f}" y="{end[1] - 4:.1f}">{number}</text>')
    return "".join(parts)


def _minority_plot(arrows):
    low, high = 8 + SIDE, EDGE + SIDE
    ticks = []
    for value in (0, 0.25, 0.5, 0.75, 1):
        x, y = EDGE + SIDE * value, 8 + SIDE * (1 - value)
        ticks.append(
            f'<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="8" y2="{low}"/>'
            f'<line class="grid" x1="{EDGE}" x2="{high}" y1="{y:.0f}" y2="{y:.0f}"/>'
            f'<text x="{x:.0f}" y="{low + 14}" text-anchor="middle">{value:g}</text>'
            f'<text x="{EDGE - 5}" y="{y + 4:.0f}" text-anchor="end">{value:g}</text>'
        )
    return (
        f'<svg class="minority" viewBox="0 0 {high + 24} {low + 34}" width="{high + 24}" '
        'role="img" aria-label="Recall and precision of the smallest class: arrows from the '
        'control to the strategy; the list below has the numbers">'
        + "".join(ticks)
        + f'<text x="{EDGE + SIDE / 2:.0f}" y="{low + 30}" text-anchor="middle">share of the '
        "minority found (recall)</text>"
        f'<text transform="translate(9 {8 + SIDE / 2:.0f}) rotate(-90)" text-anchor="middle">'
        "alarms that are right (precision)</text>" + "".join(arrows) + "</svg>"
    )
