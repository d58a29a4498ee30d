"""Pages of the site, written from a made-up study."""

import doctest
import html.parser
import json
import shutil
from pathlib import Path

import made_up
import nbformat
import pandas as pd
import pytest

from imbbench import config, site, strategy_pages
from imbbench.analysis import answer, forest, inference, plots, study_plots, tables
from imbbench.cli import main
from imbbench.errors import StudyError
from imbbench.strategy_pages import OUTCOMES

ROOT = Path(__file__).resolve().parents[1]
NAMES = [f"set_{i}" for i in range(7)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMBBENCH_ROOT", str(folder))
        made_up.write_params(folder, NAMES)
        made_up.write_results(folder, NAMES)
        (folder / "site/_static").mkdir(parents=True)
        (folder / "site/conf.py").write_text("project = 'p'\n")
        for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
            text = "# Title\n\n[a file](params.yaml), [the web](https://example.org)\n"
            (folder / name).write_text(text)
        study = config.load()
        runs, loops = tables.load_runs(study), tables.load_loops(study)
        runs = inference.described(study, runs)
        answer.save(runs, loops, "results")
        numbers = json.loads((folder / "results/study.json").read_text())
        for name in ("headline", "headline_dark"):
            figure = study_plots.headline(answer.panel_effects(runs), 0.1, answer.title(numbers))
            plots.save_svg(figure, folder / "results/figures" / f"{name}.svg")
        links = (
            "[table](../../runs/a.csv), [study](../04_study.ipynb#ranks), [card](data_card.ipynb), "
            "[loss](loss.ipynb), [web](https://example.org), [here](#there)"
        )
        shown = {"text/markdown": links}
        page = nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_markdown_cell(f"# A {links}"),
                nbformat.v4.new_code_cell("x = 1"),
                nbformat.v4.new_code_cell(
                    "x", outputs=[nbformat.v4.new_output("display_data", shown)]
                ),
            ]
        )
        for place in ("04_study", "set_0/data_card", "set_0/report"):
            path = folder / "results/rendered" / f"{place}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            nbformat.write(page, path)
        assert main(["site", str(folder / "out")]) == 0
        yield folder


def text(root, name):
    return (root / "out" / name).read_text(encoding="utf-8")


class Rows(html.parser.HTMLParser):
    """Cells of the leaderboard's body: of each row its attributes and texts."""

    def __init__(self):
        super().__init__()
        self.rows, self.inside = [], False

    def handle_starttag(self, tag, attributes):
        if tag == "tbody":
            self.inside = True
        elif self.inside and tag == "tr":
            self.rows.append((dict(attributes), []))
        elif self.inside and tag == "td":
            self.rows[-1][1].append("")

    def handle_data(self, data):
        if self.inside and self.rows and self.rows[-1][1]:
            self.rows[-1][1][-1] += data


def test_the_start_page_has_the_advice_the_figure_and_ways_on(root):
    said = text(root, "index.md")
    numbers = json.loads((root / "results/study.json").read_text())
    assert answer.advice(numbers) in said
    for name in ("headline.svg", "headline_dark.svg"):
        assert f'src="_static/{name}"' in said and (root / "out/_static" / name).is_file()
    for link in ("leaderboard", "own_code", "strategies/index", "data/index", "chapters/04_study"):
        assert f":link: {link}\n" in said
    assert "chapters/12_claims" not in said  # this study has no such chapter
    brier = numbers["panels"]["Brier score"]
    assert f"{brier['worse']} of {brier['strategies']} remedies make the Brier score worse" in said


def test_the_leaderboard_has_a_row_for_every_strategy_in_every_part(root):
    parser = Rows()
    parser.feed(text(root, "leaderboard.md"))
    effects = site.read_effects(root / "results")
    parts = effects.drop_duplicates(["label", "modality", "stratum", "learners"])
    assert len(parser.rows) == len(parts) > 0
    for attributes, cells in parser.rows:
        own = effects[(effects["label"] == cells[0].strip())
                      & (effects["learners"] == attributes["data-learners"])]  # fmt: skip
        row = own[own["outcome"] == "balanced_accuracy tuned"].iloc[0]
        interval = f"[{row['low']:+.3f}, {row['high']:+.3f}]"
        assert cells[1].split(" n=") == [f" {row['mean']:+.3f}{interval}", str(row["origins"])]


def test_every_strategy_has_a_page_with_its_effects(root):
    study = config.load()
    listed = text(root, "strategies/index.md")
    links = json.loads(text(root, "strategies.json"))
    for family in study.families:
        for name in study.family(family):
            page = strategy_pages.page_of(family, name)
            assert f"[`{name}`]({page}.md)" in listed and f"\n{page}\n" in listed
            assert links[name] == f"strategies/{page}"
            said = text(root, f"strategies/{page}.md")
            assert said.startswith(f"# {name}\n")
            assert f"`imbbench/strategies/{family}/__init__.py`" in said
            assert "## Where it fails" in said and "## Neighbours" in said
    said = text(root, "strategies/weighting-inverse_sqrt.md".replace("-", "_"))
    assert "compared with: [`inverse_frequency`](weighting_inverse_frequency.md)" in said
    assert "its control: [`inverse_frequency`](weighting_inverse_frequency.md)" in said
    said = text(root, "strategies/weighting_inverse_frequency.md")
    assert "control of: [`inverse_sqrt`](weighting_inverse_sqrt.md)" in said
    effects = site.read_effects(root / "results")
    own = effects[(effects["label"] == "inverse_frequency") & effects["outcome"].isin(OUTCOMES)]
    for row in own.itertuples():
        assert f"{row.mean:+.3f}<br><small>[{row.low:+.3f}, {row.high:+.3f}]" in said


def test_a_strategys_page_has_every_data_set_and_the_minority(root):
    said = text(root, "strategies/weighting_inverse_frequency.md")
    study = config.load()
    runs = inference.described(study, tables.load_runs(study))
    gains = forest.by_dataset(inference.gains(runs), ["brier"])
    own = gains[gains["label"] == "inverse_frequency"]
    assert len(own) == len(NAMES)
    forest_table = said.split("## Data set by data set")[1].split("## The minority")[0]
    for row in own.itertuples():
        assert (
            f"{row.mean:+.3f}<br><small>[{row.low:+.3f}, {row.high:+.3f}]</small>" in forest_table
        )
    linked = '<a href="../data/set_0/index.html">set_0</a>'
    assert linked in forest_table and '<th scope="row">set_1</th>' in forest_table
    row = forest.minority(runs).set_index("label").loc["inverse_frequency"]
    assert f"(recall) {row['recall_of_control']:.3f} → {row['recall']:.3f}" in said
    assert f"(precision) {row['precision_of_control']:.3f} → {row['precision']:.3f}" in said


def test_notebooks_are_pages_and_link_to_pages_only(root):
    page = nbformat.read(root / "out/data/set_0/report.ipynb", as_version=4)
    linked = (
        "table, [study](../../chapters/04_study.ipynb#ranks), [card](data_card.ipynb), loss, "
        "[web](https://example.org), [here](#there)"
    )
    assert page.cells[0].source == f"# A {linked}"
    assert page.cells[2].outputs[0].data["text/markdown"] == linked
    assert [cell.metadata.tags for cell in page.cells[1:]] == [["hide-cell"], ["hide-input"]]
    listed = text(root, "data/index.md")
    assert "(set_0/index.md)" in listed and "\nset_0/index\n" in listed
    assert "set_1" not in listed
    assert "\n\ndata_card\nreport\n```" in text(root, "data/set_0/index.md")
    assert "a file, [the web](https://example.org)" in text(root, "changelog.md")


def test_a_data_sets_page_names_what_helped_in_every_split():
    rows = [("a", 0.02, 0.01), ("b", 0.04, 0.02), ("c", 0.1, -0.01), ("d", 0.004, 0.003)]
    table = pd.DataFrame(rows, columns=["label", "mean", "low"])
    table = table.assign(group="weak", outcome="brier", high=0.2)
    said = site.dataset_page("x", {"why": "a test"}, ["report"], table)
    assert "2 of 4 remedies: `b` +0.040, `a` +0.020" in said
    assert "2 of 4 remedies: `b` +0.040\n" in site.dataset_page("x", {}, [], table, count=1)


def test_the_wide_studys_answer_and_chapters_are_shown_where_it_was_run(
    root, tmp_path, monkeypatch
):
    copy = shutil.copytree(root, tmp_path / "copy", ignore=shutil.ignore_patterns("out"))
    monkeypatch.setenv("IMBBENCH_ROOT", str(copy))
    wide = copy / "results/wide"
    for part in ("tables", "figures"):
        shutil.copytree(copy / "results" / part, wide / part)
    numbers = json.loads((copy / "results/study.json").read_text())
    (wide / "study.json").write_text(json.dumps({**numbers, "datasets": 999}))
    for name in ("04_study", "12_claims"):
        page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Of both")])
        (wide / "rendered").mkdir(exist_ok=True)
        nbformat.write(page, wide / "rendered" / f"{name}.ipynb")
    assert main(["site", str(copy / "out")]) == 0
    start = (copy / "out/index.md").read_text()
    assert "999 data sets" in start and ":link: chapters/12_claims\n" in start
    shown = nbformat.read(copy / "out/chapters/04_study.ipynb", as_version=4)
    assert shown.cells[0].source == "# Of both"
    assert "\n04_study\n12_claims\n" in (copy / "out/chapters/index.md").read_text()
    report = nbformat.read(copy / "out/data/set_0/report.ipynb", as_version=4)
    assert "[study](../../chapters/04_study.ipynb#ranks)" in report.cells[0].source


def test_a_study_that_was_not_run_has_no_site(root, monkeypatch, tmp_path):
    made_up.write_params(tmp_path, NAMES)
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    with pytest.raises(StudyError, match="dvc repro study"):
        site.build(config.load(), tmp_path / "out")


def test_the_examples_for_ones_own_code_are_run():
    failed, tried = doctest.testfile(
        str(ROOT / "site" / "own_code.rst"), module_relative=False, optionflags=doctest.ELLIPSIS
    )
    assert tried > 20 and not failed
