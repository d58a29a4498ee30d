import re
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from imbbench.errors import StudyError
from imbbench.notebooks import MADE, arrange, check_parameters, clean, execute, titled

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def parameters(source):
    return new_code_cell(source, metadata={"tags": ["parameters"]})


def notebook(*cells):
    return new_notebook(cells=list(cells), metadata={"kernelspec": KERNEL})


@pytest.mark.parametrize("name", ["d", "e", "x"])
def test_known_parameters_pass_and_the_first_unknown_one_is_named(name):
    source = "# d = 1\na = 1  # as in b == 2\nb: int = 2\nc = dict(\n    e=1,\n)\n"
    asked = notebook(parameters(source), new_code_cell("x = 1"))
    known = {"a": 1, "b": 2, "c": 3}
    check_parameters(known, asked, "n.ipynb")
    with pytest.raises(StudyError, match=rf"n.ipynb has no parameter '{name}'\. Known: a, b, c\."):
        check_parameters(known | {name: 1}, asked, "n.ipynb")


def test_a_notebook_without_parameters():
    with pytest.raises(StudyError, match="no parameter 'a'"):
        check_parameters({"a": 1}, notebook(new_code_cell("a = 1")), "n.ipynb")


def executed(*outputs, tags=()):
    times = {"iopub.execute_input": "2020-01-01", "shell.execute_reply": "2020-01-02"}
    metadata = {"tags": list(tags), "execution": times, "papermill": {"duration": 1.5}}
    return new_code_cell("1", outputs=list(outputs), metadata=metadata, execution_count=1)


def test_clean_keeps_what_is_equal_in_two_runs():
    printed = new_output("stream", text="12 cells left, 1.5 s")
    found = notebook(
        new_markdown_cell("# A"), executed(printed, tags=["progress"]), executed(printed)
    )
    found.metadata |= {"papermill": {"start_time": "2020"}, "widgets": {}}
    found.metadata["language_info"] = {"name": "python"}
    clean(found)
    assert set(found.metadata) == {"kernelspec", "language_info"}
    assert [cell.id for cell in found.cells] == ["cell-0", "cell-1", "cell-2"]
    assert [dict(cell.metadata) for cell in found.cells] == [{}, {"tags": ["progress"]}, {}]
    assert found.cells[1].outputs == []
    assert found.cells[2].outputs == [printed]
    nbformat.validate(found)


def test_clean_keeps_the_progress_of_a_run_that_failed():
    error = new_output("error", ename="ValueError", evalue="no", traceback=[])
    found = clean(notebook(executed(error, tags=["progress"]), executed()))
    assert found.cells[0].outputs == [error]


def ran(source, *shown, tags=()):
    """A code cell that showed so many Markdown texts."""
    outputs = [new_output("display_data", {"text/markdown": text}) for text in shown]
    return new_code_cell(source, outputs=outputs, metadata={"tags": list(tags)})


def test_a_page_opens_with_its_conclusion_and_ends_with_how_it_was_made():
    found = notebook(
        new_markdown_cell("# Title\n\nWhat is it?"),
        ran("a = 1", tags=["parameters"]),
        ran("# Parameters", tags=["injected-parameters"]),
        ran("import b"),
        ran("compute()", "1 of 2", tags=["progress"]),
        ran("conclude()", "It **is**.\n\n[Up](../a.md)", tags=["lead"]),
        ran("first()", "shown"),
        new_markdown_cell("Said before the first heading."),
        new_markdown_cell("## One"),
        ran("one()", "1"),
        ran("x = 1"),
        new_markdown_cell("## Two\n\nNothing to show."),
        ran("two()"),
        new_markdown_cell("## Three\n\nOnly words."),
    )
    found = arrange(found)
    nbformat.validate(found)
    assert [cell.source for cell in found.cells] == [
        "# Title\n\nIt **is**.\n\n[Up](../a.md)\n\nWhat is it?",
        *("first()", "Said before the first heading."),
        *("## One", "one()", "x = 1", "## Three\n\nOnly words."),
        *(MADE, "a = 1", "# Parameters", "import b", "compute()", "conclude()"),
    ]
    assert found.cells[-1].outputs == []


def test_what_failed_or_has_no_title_is_not_arranged():
    error = new_output("error", ename="ValueError", evalue="no", traceback=[])
    for first, outputs in (("# Title", [error]), ("no title", [])):
        cells = new_markdown_cell(first), parameters("a = 1"), new_code_cell("b", outputs=outputs)
        found = notebook(*cells)
        assert [cell.source for cell in arrange(found).cells] == [first, "a = 1", "b"]


def test_a_title_names_what_the_page_is_about():
    names = {"dataset": "yeast", "n": 3}
    assert titled("# On {dataset}, {n}\n\n{a} b", names) == "# On yeast, 3\n\n{a} b"
    with pytest.raises(KeyError, match="family"):
        titled("# On {family}", names)


def test_an_executed_page_is_titled_and_arranged(tmp_path, monkeypatch):
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    lead = "from IPython.display import Markdown\nMarkdown(f'So *{word}*.')"
    cells = [new_markdown_cell("# On {word}\n\nWhat?"), parameters("word = 'a'"),
             new_code_cell(lead, metadata={"tags": ["lead"]})]  # fmt: skip
    nbformat.write(notebook(*cells), tmp_path / "source.ipynb")
    execute(tmp_path / "source.ipynb", tmp_path / "out.ipynb", {"word": "b"})
    found = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert found.cells[0].source == "# On b\n\nSo *b*.\n\nWhat?"
    assert [c.source for c in found.cells[1:]] == [
        *(MADE, "word = 'a'", '# Parameters\nword = "b"\n', lead)
    ]
    assert [cell.id for cell in found.cells] == [f"cell-{n}" for n in range(5)]


@pytest.fixture
def source(tmp_path, monkeypatch):
    """``source(code)``: a notebook whose second cell reports progress and third runs the code."""
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))

    def write(code):
        cells = [
            parameters('word = "nothing"'),
            new_code_cell("import time\nprint(time.time())", metadata={"tags": ["progress"]}),
            new_code_cell(code),
        ]
        path = tmp_path / "source.ipynb"
        nbformat.write(notebook(*cells), path)
        return path

    return write


def test_equal_inputs_give_equal_bytes(source, tmp_path):
    path = source("import os\nprint(word, os.path.exists('source.ipynb'))\nword")
    for name in ("one", "two"):
        execute(path, tmp_path / "out" / f"{name}.ipynb", {"word": "said"})
    one, two = ((tmp_path / "out" / f"{name}.ipynb").read_bytes() for name in ("one", "two"))
    assert one == two
    assert b"\r" not in one
    found = nbformat.reads(one.decode(), as_version=4)
    nbformat.validate(found)
    tags = [cell.metadata.get("tags", []) for cell in found.cells]
    assert tags == [["parameters"], ["injected-parameters"], ["progress"], []]
    assert found.cells[2].outputs == []
    assert found.cells[3].outputs[0].text == "said True\n"  # it runs in the study's folder
    assert [cell.execution_count for cell in found.cells] == [1, 2, 3, 4]
    assert not re.search(rb"20\d\d-\d\d-\d\d", one)
    assert str(tmp_path).encode() not in one
    assert not list((tmp_path / "data" / "failed").iterdir())
    assert path.read_bytes().count(b"outputs") == 3  # the source stays as it was


def test_a_notebook_that_fails_leaves_the_old_output_and_its_own_copy(source, tmp_path):
    path = source("raise ValueError('no such luck')")
    output = tmp_path / "results" / "toy" / "out.ipynb"
    output.parent.mkdir(parents=True)
    output.write_text("old")
    with pytest.raises(
        StudyError, match=r"source\.ipynb failed in cell 3: ValueError: no such luck"
    ):
        execute(path, output, {})
    assert output.read_text() == "old"
    assert [p.name for p in output.parent.iterdir()] == ["out.ipynb"]
    (failed,) = (tmp_path / "data" / "failed").iterdir()
    found = nbformat.read(failed, as_version=4)
    outputs = [output for cell in found.cells for output in cell.get("outputs", [])]
    assert any(o.output_type == "error" and o.ename == "ValueError" for o in outputs)
    assert any(o.get("name") == "stdout" for o in outputs)  # the progress until then


@pytest.mark.parametrize(
    "code", ["import sys\nsys.exit(0)", "exit()", "1 +", "raise GeneratorExit"]
)
def test_a_cell_that_ends_otherwise_is_no_finished_notebook(source, tmp_path, code):
    path = source(code)
    with pytest.raises(StudyError, match=r"source\.ipynb failed in cell 3: \w+(Exit|Error)"):
        execute(path, tmp_path / "out.ipynb", {})
    assert not (tmp_path / "out.ipynb").exists()


def test_an_interrupt_ends_it(source, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        execute(source("raise KeyboardInterrupt"), tmp_path / "out.ipynb", {})


def test_pages_show_what_cells_show_and_no_warnings(source, tmp_path):
    code = "\n".join(
        [
            "import sys, warnings",
            "from IPython.display import Markdown, display",
            "class Dot:",
            "    def _repr_png_(self):",
            "        return b'dot'",
            "print('one', file=sys.stderr)",
            "warnings.warn('two')",
            "print('three')",
            "display(Markdown('**four**'))",
            "display(Dot())",
            "None if False else Dot()",
        ]
    )
    main = sys.modules["__main__"]
    execute(source(code), tmp_path / "out.ipynb", {})
    assert sys.modules["__main__"] is main
    found = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    nbformat.validate(found)
    printed, marked, dot, result = found.cells[-1].outputs
    assert printed.text == "three\n"
    assert marked.data["text/markdown"] == "**four**"
    assert (dot.output_type, result.output_type) == ("display_data", "execute_result")
    assert dot.data["image/png"] == result.data["image/png"] == "ZG90"
    assert result.execution_count == found.cells[-1].execution_count == 3


def test_names_of_one_cell_are_known_in_the_next_and_not_in_the_next_notebook(source, tmp_path):
    path = source("assert word == 'nothing' and time\nseen = dir()\nleft = 1\n'left' in seen")
    for _ in range(2):
        execute(path, tmp_path / "out.ipynb", {})
        found = nbformat.read(tmp_path / "out.ipynb", as_version=4)
        assert found.cells[-1].outputs[0].data["text/plain"] == "False"


def test_what_is_refused_before_a_kernel_starts(source, tmp_path):
    with pytest.raises(StudyError, match="There is no notebook"):
        execute(tmp_path / "none.ipynb", tmp_path / "out.ipynb", {})
    with pytest.raises(StudyError, match=r"no parameter 'wrod'\. Known: word"):
        execute(source("1"), tmp_path / "out.ipynb", {"wrod": "x"})
    assert not (tmp_path / "out.ipynb").exists()


def test_papermill_itself_finds_the_engine(source, tmp_path):
    """Whoever calls papermill with the engine gets the same refusal."""
    import papermill

    with pytest.raises(StudyError, match="no parameter 'wrod'"):
        papermill.execute_notebook(
            str(source("1")),
            None,
            parameters={"wrod": "x"},
            engine_name="imbbench",
            progress_bar=False,
        )
