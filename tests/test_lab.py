"""Copies to work in: made again where nobody worked in them, kept where somebody did."""

import re

import nbformat
import pytest

from imbbench.cli import main


def notebook(path, title):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(title)]), path)


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    notebook(tmp_path / "notebooks/01_one.ipynb", "# 01 · One\n\nText.")
    notebook(tmp_path / "notebooks/02_two.ipynb", "# 02 · Two")
    for page in ("rendered/01_one", "wide/rendered/01_one", "rendered/yeast/report",
                 "rendered/yeast/data_card", "rendered/yeast/loss"):  # fmt: skip
        notebook(tmp_path / f"results/{page}.ipynb", "# A page")
    return tmp_path


def test_copies_are_made_again_unless_they_were_edited(root, capsys):
    assert main(["lab"]) == 0
    for name in ("01_one", "02_two"):
        source = root / f"notebooks/{name}.ipynb"
        assert (root / f"lab/{name}.ipynb").read_bytes() == source.read_bytes()
    notebook(root / "lab/01_one.ipynb", "# Mine")
    mine = (root / "lab/01_one.ipynb").read_bytes()
    assert main(["lab"]) == 0
    assert capsys.readouterr().out == ""  # its notebook is as it was
    for name in ("01_one", "02_two"):
        notebook(root / f"notebooks/{name}.ipynb", "# Changed")
    for _ in range(2):
        assert main(["lab"]) == 0
        assert capsys.readouterr().out == (
            "lab/01_one.ipynb is kept, because it was edited; its notebook has changed since: "
            "delete the copy to have the new one.\n"
        )
    assert (root / "lab/01_one.ipynb").read_bytes() == mine
    assert "# Changed" in (root / "lab/02_two.ipynb").read_text()
    (root / "lab/01_one.ipynb").unlink()
    assert main(["lab"]) == 0
    assert "# Changed" in (root / "lab/01_one.ipynb").read_text()


def test_a_copy_of_someone_s_own_from_before_is_kept(root):
    """Copies that were made before checksums were written down may hold somebody's work."""
    notebook(root / "lab/01_one.ipynb", "# Mine")
    assert main(["lab"]) == 0
    assert "# Mine" in (root / "lab/01_one.ipynb").read_text()


def test_the_index_links_every_page(root):
    assert main(["lab"]) == 0
    page = nbformat.read(root / "lab/index.ipynb", as_version=4)
    said = "\n".join(cell.source for cell in page.cells)
    assert said.startswith("# imbbench\n")
    links = re.findall(r"\]\(([^)]+)\)", said)
    assert all((root / "lab" / link).is_file() for link in links)
    shown = {(root / "lab" / link).resolve() for link in links}
    assert shown == {
        path
        for folder in ("results", "lab")
        for path in root.glob(f"{folder}/**/*.ipynb")
        if path.name != "index.ipynb"
    }
    assert "[01 · One](01_one.ipynb)" in said
    assert "[as it ran, with the wide ones](../results/wide/rendered/01_one.ipynb)" in said
