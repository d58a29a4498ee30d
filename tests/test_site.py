"""Pages of the site, written from a made-up study."""

import html.parser
import json

import made_up
import nbformat
import pytest

from imbbench import config, site
from imbbench.analysis import answer, inference, plots, study_plots, tables
from imbbench.cli import main
from imbbench.errors import StudyError

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
        page = nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_markdown_cell("# A [table](../../tests/a.csv), [next](12.ipynb)")
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
    for link in ("leaderboard", "strategies/index", "data/index", "chapters/04_study"):
        assert f":link: {link}\n" in said


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
        assert cells[1].split()[0] == f"{row['mean']:+.3f}"
        assert cells[1].endswith(f"n={row['origins']}")


def test_every_strategy_has_a_page_with_its_effects(root):
    study = config.load()
    listed = text(root, "strategies/index.md")
    for family in study.families:
        for name, entry in study.family(family).items():
            page = site.page_of(family, name)
            assert f"[`{name}`]({page}.md)" in listed and f"\n{page}\n" in listed
            said = text(root, f"strategies/{page}.md")
            assert said.startswith(f"# {name}\n")
            assert f"`imbbench/strategies/{family}/__init__.py`" in said
            if entry.get("control"):
                assert f"compared with: `{entry['control']}`" in said
    said = text(root, "strategies/weighting_inverse_frequency.md")
    effects = site.read_effects(root / "results")
    row = effects[(effects["label"] == "inverse_frequency") & (effects["outcome"] == "brier")].iloc[
        0
    ]
    assert f"{row['mean']:+.3f}" in said


def test_notebooks_are_pages_and_link_to_pages_only(root):
    page = nbformat.read(root / "out/chapters/04_study.ipynb", as_version=4)
    assert page.cells[0].source == "# A [table], [next](12.ipynb)"
    listed = text(root, "data/index.md")
    assert "(set_0/data_card.ipynb)" in listed and "\nset_0/report\n" in listed
    assert "set_1/report" not in listed
    assert "a file, [the web](https://example.org)" in text(root, "changelog.md")


def test_a_mark_is_coloured_where_the_gain_is_clear():
    assert 'class="better"' in site._dot(0.1, 0.05, 0.15, 8, 0.2)
    assert 'class="worse"' in site._dot(-0.1, -0.15, -0.05, 8, 0.2)
    assert 'class="none"' in site._dot(0.004, 0.003, 0.005, 8, 0.2)
    assert 'class="none"' in site._dot(0.1, -0.05, 0.25, 8, 0.2)
    assert 'cx="78.0"' in site._dot(0.9, 0.8, 1.0, 8, 0.2)  # at the end of the axis
    assert site._dot(float("nan"), 0, 0, 0, 0.2) == '<td data-value=""></td>'


def test_a_study_that_was_not_run_has_no_site(root, monkeypatch, tmp_path):
    made_up.write_params(tmp_path, NAMES)
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    with pytest.raises(StudyError, match="dvc repro study"):
        site.build(config.load(), tmp_path / "out")


def test_docstrings_are_markdown():
    said = site._prose("One ``line`` of :func:`~a.b`.\n\nReferences\n----------\nX 2020.")
    assert said == "One `line` of `a.b`.\n\n**References**\n\nX 2020."
