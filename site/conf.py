"""How the site is built; its pages are written by ``imbbench site``."""

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
html_js_files = ["leaderboard.js"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "leaderboard": [], "api": [], "contributing": [], "changelog": []}
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": True,
}
# Links of notebooks to files of the project that are no pages.
suppress_warnings = ["myst.xref_missing", "myst.header", "mystnb.unknown_mime_type"]
