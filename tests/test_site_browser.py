"""The built site in a real browser: `make site-test`. Without site or browser it is skipped."""

import html.parser
import json
import os
import shutil
import urllib.parse
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SITE = Path(os.environ.get("IMBBENCH_SITE", ROOT / "build" / "site" / "html"))
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

playwright = pytest.importorskip("playwright.sync_api", reason="`make site-test` installs it")
axe = pytest.importorskip("axe_core_python", reason="`make site-test` installs it")
if not CHROMIUM:
    pytest.skip("there is no chromium", allow_module_level=True)
if not (SITE / "index.html").is_file():
    pytest.skip("the site is not built: `make site`", allow_module_level=True)

# One worker: the browser's pages are one fixture.
pytestmark = pytest.mark.xdist_group("browser")
AXE = Path(axe.__file__).parent / "axe.min.js"
PAGES = sorted(
    name
    for name in (path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))
    if not name.startswith("_")
)
# A pattern, for a look at some of them while a page is changed.
SHOWN = [name for name in PAGES if fnmatch(name, os.environ.get("IMBBENCH_PAGES", "*"))]
SIZES = {1280: 900, 390: 844}
RULES = {"runOnly": ["wcag2a", "wcag2aa"], "resultTypes": ["violations"]}
# Rows and entries that look as those before them, of which some pages have thousands.
ALIKE = [
    ["table.marks tbody tr:nth-child(n+6)"],
    [".bd-sidebar-primary li:nth-child(n+4):not(.active)"],
    ["table.table tbody tr:nth-child(n+6)"],
]
# On a phone the same colours are seen: axe looks at a page of each kind.
KINDS = {
    *("index.html", "leaderboard.html", "search.html", "own_code.html", "api.html"),
    *("strategies/oversampling_smote.html", "data/pc1/index.html", "data/pc1/report.html"),
    *("data/pc1/data_card.html", "chapters/04_study.html", "chapters/05_losses_explained.html"),
}
LARGEST = 80 * 2**20
LEADERBOARD = "leaderboard.html"


class Page(html.parser.HTMLParser):
    """Where a page leads to, what it shows, and the anchors it has."""

    def __init__(self, name):
        super().__init__()
        self.links, self.anchors = [], set()
        self.open, self.code = [], []
        self.feed((SITE / name).read_text(encoding="utf-8"))

    def handle_data(self, data):
        """Code in running text that leads nowhere."""
        if "code" in self.open and not {"a", "h1", "h2", "h3"} & set(self.open):
            self.code[-1] += data

    def handle_endtag(self, tag):
        if tag in self.open:
            del self.open[len(self.open) - 1 - self.open[::-1].index(tag) :]

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        # Other spans of code name parameters.
        if tag in ("a", "h1", "h2", "h3") or (
            tag == "code" and "literal" in values.get("class", "")
        ):
            self.open.append(tag)
            self.code += [""] * (tag == "code")
        self.anchors |= {values[key] for key in ("id", "name") if values.get(key)}
        self.links += [values[key] for key in ("href", "src") if values.get(key)]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def address(name):
    return (SITE / name).as_uri()


@pytest.fixture(scope="module")
def pages():
    return {name: Page(name) for name in PAGES}


def test_every_strategys_name_leads_to_its_page(pages):
    there = {name for name in PAGES if name.startswith("strategies/")}
    named = json.loads((SITE.parent / "source" / "strategies.json").read_text(encoding="utf-8"))
    assert {f"{page}.html" for page in named.values()} == there - {"strategies/index.html"}
    dead = [
        (name, text)
        for name, page in pages.items()
        if name.partition(".")[0] not in ("api", "own_code", "contributing", "changelog")
        for text in page.code
        if text in named and f"{named[text]}.html" != name
    ]
    assert len(pages) > len(named) and not dead


def test_every_link_image_and_anchor_is_there(pages):
    broken = []
    for name, parsed in pages.items():
        for link in parsed.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = SITE / name
            if parts.path:
                there = (there.parent / urllib.parse.unquote(parts.path)).resolve()
            if not there.is_file():
                broken.append((name, link))
                continue
            key = there.relative_to(SITE.resolve() if parts.path else SITE).as_posix()
            anchor = urllib.parse.unquote(parts.fragment)
            if anchor and key in pages and anchor not in pages[key].anchors:
                broken.append((name, link))
    assert not broken


def test_the_site_is_small_and_needs_no_network():
    assert sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file()) < LARGEST
    for name in PAGES:
        text = (SITE / name).read_text(encoding="utf-8")
        assert 'src="http' not in text and 'rel="stylesheet" href="http' not in text, name


def problems(tab, name, theme):
    """What is wrong with a page: missing images, overflow, breaches of WCAG A and AA."""
    found = []
    for width, height in SIZES.items():
        tab.set_viewport_size({"width": width, "height": height})
        tab.goto(address(name), wait_until="load")
        if tab.evaluate("document.documentElement.dataset.theme") != theme:
            found.append((name, width, "theme"))
        missing = tab.evaluate(
            "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
        )
        found += [(name, width, "image", source) for source in missing]
        over = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            found.append((name, width, "overflow", over))
        if width < max(SIZES) and name not in KINDS:
            continue
        tab.add_script_tag(path=AXE)
        breaches = tab.evaluate("([exclude, rules]) => axe.run({exclude}, rules)", [ALIKE, RULES])[
            "violations"
        ]
        for breach in breaches:
            node = breach["nodes"][0]
            found.append((name, width, breach["id"], len(breach["nodes"]), node["html"][:150],
                          node.get("failureSummary", "")[:250]))  # fmt: skip
    return found


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_sound(browser, theme):
    """No error in the console, no failed request, and none of :func:`problems`."""
    context = browser.new_context(color_scheme=theme)
    tab = context.new_page()
    found = []
    tab.on("console", lambda m: m.type == "error" and found.append((tab.url, m.text)))
    tab.on("pageerror", lambda error: found.append((tab.url, str(error))))
    tab.on("requestfailed", lambda request: found.append((tab.url, request.url)))
    for name in SHOWN:
        found += problems(tab, name, theme)
    context.close()
    assert not found, "\n".join(map(str, found[:60])) + f"\n{len(found)} in all"


def names(tab):
    return tab.locator("table.leaderboard tbody tr:visible td:first-child").all_inner_texts()


def values(tab, column):
    rows = tab.locator("table.leaderboard tbody tr:visible")
    cells = rows.evaluate_all(f"rows => rows.map(r => r.cells[{column}].dataset.value)")
    return [float(value) for value in cells if value]


def test_the_leaderboard_is_sorted_by_a_click_and_by_the_keyboard(page):
    page.goto(address(LEADERBOARD))
    assert values(page, 1) == sorted(values(page, 1), reverse=True)
    page.get_by_role("button", name="average precision").click()
    assert values(page, 4) == sorted(values(page, 4), reverse=True)
    header = page.locator("table.leaderboard thead th").nth(4)
    assert header.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")  # the button has the focus
    assert values(page, 4) == sorted(values(page, 4))
    assert header.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Tab")
    assert "Brier" in page.evaluate("document.activeElement.textContent")
    page.get_by_role("button", name="strategy").click()
    assert names(page) == sorted(names(page), reverse=True)


def test_the_leaderboard_is_filtered_and_the_address_says_so(page):
    page.goto(address(LEADERBOARD))
    total = page.locator("table.leaderboard tbody tr").count()
    assert 0 < len(names(page)) < total
    for field in ("family", "role", "modality", "stratum", "learners"):
        page.locator(f"select[name={field}]").select_option("")
    assert len(names(page)) == total
    page.locator("select[name=family]").select_option("oversampling")
    page.locator("select[name=modality]").select_option("text")
    page.locator("input[name=name]").fill("SMOTE")
    page.get_by_role("button", name="Brier").click()
    shown = names(page)
    assert shown and all("smote" in name for name in shown)
    assert f"{len(shown)} of {total} rows" in page.locator(".leaderboard-count").inner_text()
    assert page.url.startswith(address(LEADERBOARD) + "#")
    other = page.context.new_page()
    other.goto(page.url)
    assert names(other) == shown
    other.locator("input[name=name]").fill("no such strategy")
    assert names(other) == []


def test_without_javascript_the_leaderboard_is_a_whole_table(browser):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(address(LEADERBOARD))
    rows = tab.locator("table.leaderboard tbody tr")
    assert rows.count() == tab.locator("table.leaderboard tbody tr:visible").count() > 100
    assert not tab.locator(".leaderboard-form").is_visible()
    context.close()


def test_search_finds_a_strategy(page):
    page.goto(address("search.html") + "?q=logit+adjustment")
    hit = page.locator("ul.search a[href*='posthoc_logit_adjustment.html']").first
    hit.wait_for(timeout=20_000)
    hit.click()
    assert page.locator("h1").inner_text().startswith("logit_adjustment")


def test_search_opens_by_the_keyboard(page):
    page.goto(address("index.html"))
    page.keyboard.press("Control+k")
    page.keyboard.type("smote")
    page.keyboard.press("Enter")
    page.locator("ul.search a").first.wait_for(timeout=20_000)


def test_the_theme_is_switched_and_kept(page):
    page.goto(address("index.html"))
    mode = page.evaluate("document.documentElement.dataset.mode")
    assert mode == "auto"
    page.get_by_role("button", name="Color mode").first.click()
    page.locator("button[data-mode=dark]:visible").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.goto(address("changelog.html"))
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize(
    "name", ["leaderboard.html", "data/pc1/report.html", "chapters/04_study.html"]
)
def test_a_strategys_name_leads_to_its_definition_and_its_evidence(page, name):
    page.goto(address(name))
    page.locator("article a[href*='strategies/']:visible").first.click()
    assert "/strategies/" in page.url
    page.locator("article li", has_text="compared with").first.wait_for()
    page.locator("h2", has_text="What it changes").wait_for()


def test_the_menu_opens_on_a_phone(browser):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    tab = context.new_page()
    tab.goto(address("strategies/oversampling_smote.html"))
    tab.locator("button.primary-toggle").click()
    tab.get_by_role("link", name="Leaderboard").first.click()
    assert tab.url.startswith(address(LEADERBOARD))
    context.close()
