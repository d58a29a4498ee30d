"""How the site is built; its pages are written by ``imbbench site``."""

import json
import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

project = "imbbench"
author = "the imbbench authors"
copyright = "the imbbench authors"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_design",
]
exclude_patterns = ["_build"]
nb_execution_mode = "off"
nb_render_markdown_format = "gfm"
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["colon_fence", "dollarmath", "html_image"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
html_theme = "pydata_sphinx_theme"
html_title = "imbbench"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["leaderboard.js", "tables.js"]
html_context = {"default_mode": "auto"}
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {
    name: [] for name in ("index", "leaderboard", "own_code", "api", "contributing", "changelog")
}
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": False,
    # Not on the strategies' pages: their tables need the place.
    "secondary_sidebar_items": {
        pages: ["page-toc"] for pages in ("*", "chapters/*", "data/*", "data/*/*")
    },
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": True,
}
# Links of notebooks to files of the project that are no pages.
suppress_warnings = ["myst.xref_missing", "myst.header", "mystnb.unknown_mime_type"]
# Pages where a strategy's name may be that of something else.
NOT_LINKED = {"api", "own_code", "contributing", "changelog"}


def setup(app):
    app.add_html_math_renderer("mathml", (inline_maths, None), (block_maths, None))
    app.connect("doctree-resolved", link_names)
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("autodoc-skip-member", skip_routing)


def _mathml(node, block):
    try:
        return tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        logging.getLogger(__name__).warning("no MathML of %r: %s", node.astext(), error)
        return f"<code>{node.astext()}</code>"


def inline_maths(translator, node):
    """Formulas as MathML, which browsers show by themselves: no script, no font, no network."""
    translator.body.append(_mathml(node, False))
    raise nodes.SkipNode


def block_maths(translator, node):
    # What is wider than a phone scrolls by itself, with the keyboard, too.
    translator.body.append(f'<div class="maths" tabindex="0">{_mathml(node, True)}</div>')
    raise nodes.SkipNode


def link_names(app, doctree, docname):
    """Every strategy's name leads to its page: as code anywhere, as text that fills a cell."""
    if docname in NOT_LINKED:
        return
    pages = json.loads((Path(app.srcdir) / "strategies.json").read_text("utf-8"))
    cells = [p for entry in doctree.findall(nodes.entry) for p in entry.findall(nodes.paragraph)]
    for node in [*doctree.findall(nodes.literal), *cells]:
        page = pages.get(node.astext())
        if page in (None, docname) or any(True for _ in node.findall(nodes.reference)):
            continue
        if _inside(node, (nodes.reference, nodes.title)):
            continue
        address = app.builder.get_relative_uri(docname, page)
        link = nodes.reference("", "", refuri=address, internal=True)
        if isinstance(node, nodes.literal):
            node.replace_self(link)
            link += node
        else:
            link += node.children
            node.children = []
            node += link


def _inside(node, kinds):
    while node is not None and not isinstance(node, kinds):
        node = node.parent
    return node is not None


def escape_bars(app, what, name, obj, options, lines):
    """A bar is that of an absolute value, and no substitution of reStructuredText."""
    lines[:] = [line if "``" in line else re.sub(r"(?<!\\)\|", r"\\|", line) for line in lines]


def skip_routing(app, what, name, obj, skip, options):
    """What scikit-learn adds to every estimator, in words that link into its own pages."""
    return True if re.fullmatch(r"[sg]et_\w+_request|get_metadata_routing", name) else None
