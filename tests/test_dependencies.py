"""The ``deps`` of every stage against what it imports, and the one list of a cell's code."""

import ast
import functools
import itertools
import json
import re
import shlex
import shutil
from pathlib import Path

import nbformat
import pytest
from ruamel.yaml import YAML

from imbbench.bench import code
from imbbench.chapters import claims
from imbbench.config import WIDE, read_study

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in ROOT.glob("imbbench/**/*.py")
}
# What a page is written with, beside the modules that its notebook imports.
EXECUTING = {"imbbench.notebooks", "imbbench.engine"}
RENDERING = ("imbbench/analysis/", "imbbench/notebooks.py", "imbbench/engine.py", "notebooks/")


def read(path):
    return YAML(typ="safe").load((ROOT / path).read_text(encoding="utf-8"))


PARAMS = read_study(ROOT / "params.yaml")


@functools.cache
def parsed(path):
    if path.suffix == ".py":
        return ast.parse(path.read_text(encoding="utf-8"))
    cells = nbformat.read(path, as_version=4).cells
    return ast.parse("\n".join(cell.source for cell in cells if cell.cell_type == "code"))


@functools.cache
def imports(tree):
    """Modules of the package that a piece of code imports, in functions too, and their packages."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    parts = [name.split(".") for name in found]
    return {".".join(p[:n]) for p in parts for n in range(1, len(p) + 1)} & set(MODULES)


def closure(modules):
    """All modules that importing these imports, these included."""
    todo, seen = set(modules), set()
    while todo:
        seen |= todo
        todo = set().union(*(imports(parsed(MODULES[name])) for name in todo)) - seen
    return seen


def does_nothing(path):
    """An ``__init__`` that holds a docstring, and the uppermost one the version."""
    return path.name == "__init__.py" and all(
        isinstance(node, ast.Expr) or ast.unparse(node).startswith("__version__ = ")
        for node in parsed(path).body
    )


def files(paths):
    """Relative to the root, without those that no result can depend on."""
    return {path.relative_to(ROOT).as_posix() for path in paths if not does_nothing(path)}


def looked_up(modules):
    """Families whose strategies a chapter finds by name: in the registry, so it imports none."""
    strings = {
        node.value
        for name in modules
        if name.startswith("imbbench.chapters.")
        if "imbbench.bench.registry" in imports(parsed(MODULES[name]))
        for node in ast.walk(parsed(MODULES[name]))
        if isinstance(node, ast.Constant)
    }
    return {f"imbbench.strategies.{family}" for family in PARAMS["families"] if family in strings}


@functools.cache
def needed(command):
    """Files of the package, and the notebook, that what a command writes depends on.

    ``cli.py`` hands on to the modules of its command and times the stage: it is left out.
    """
    python, m, package, name, *arguments = shlex.split(command)
    assert (python, m, package) == ("python", "-m", "imbbench")
    if name == "run" and len(arguments) == 1:  # all families, and no page
        fitting = ("imbbench.bench", "imbbench.strategies")
        modules = closure({module for module in MODULES if module.startswith(fitting)})
        return files(MODULES[module] for module in modules)
    if name in ("execute", "run"):
        notebook = arguments[0] if name == "execute" else "notebooks/02_run_family.ipynb"
        modules = closure(imports(parsed(ROOT / notebook)) | EXECUTING)
        # Beside a family stands the untreated learner.
        families = {f"imbbench.strategies.{one}" for one in (arguments[1], "reference")}
        modules |= families if name == "run" else looked_up(modules)
        return files(MODULES[module] for module in closure(modules)) | {notebook}
    (function,) = (
        node
        for node in parsed(MODULES["imbbench.cli"]).body
        if isinstance(node, ast.FunctionDef) and node.name == f"_{name}"
    )
    return files(MODULES[module] for module in closure(imports(function)))


def stages(pipeline):
    """Every stage of a parsed pipeline by its name, ``foreach`` and ``matrix`` written out."""
    found = {}
    for name, stage in pipeline["stages"].items():
        axes = stage.get("matrix", {"key": stage["foreach"]} if "foreach" in stage else {})
        choices = itertools.product(*(PARAMS[values.strip("${}")] for values in axes.values()))
        for choice in choices:
            text = json.dumps(stage.get("do", stage))
            for axis, value in zip(axes, choice, strict=True):
                text = re.sub(rf"\$\{{(item\.)?{axis}\}}", value, text)
            found["@".join(filter(None, (name, "-".join(choice))))] = json.loads(text)
    return found


def commands(stage):
    return stage["cmd"] if isinstance(stage["cmd"], list) else [stage["cmd"]]


def problems(stage):
    """What is missing among a stage's deps, and what of the package and notebooks is useless.

    A folder stands for all of its files, so one that is needed is enough to name it.
    """
    wanted = set().union(*map(needed, commands(stage)))
    deps = stage.get("deps", [])
    covering = {file: [d for d in deps if file == d or file.startswith(f"{d}/")] for file in wanted}
    missing = [f"{file} is missing" for file, by in covering.items() if not by]
    used = set(itertools.chain(*covering.values()))
    own = [dep for dep in deps if dep.startswith(("imbbench", "notebooks"))]
    return sorted(missing + [f"{dep} is useless" for dep in own if dep not in used])


PIPELINES = {path: stages(read(path)) for path in ("dvc.yaml", "web/dvc.yaml", "wide/dvc.yaml")}
EVERY = [(path, name) for path, found in PIPELINES.items() for name in found]


@pytest.mark.parametrize("path", PIPELINES)
def test_every_stage_depends_on_the_code_it_runs_and_on_no_other(path):
    found = {name: problems(stage) for name, stage in PIPELINES[path].items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


# Of the stages that differ in a data set, one stands for all.
ONE_OF_EACH = [
    (path, name) for path, name in EVERY if "@" not in name or re.search("@(yeast|sms_spam)", name)
]


@pytest.mark.parametrize(("path", "name"), ONE_OF_EACH)
def test_each_dependency_that_is_taken_away_is_missed(path, name):
    stage = PIPELINES[path][name]
    for dep in stage["deps"]:
        if dep.startswith(("imbbench", "notebooks")):
            wrong = problems({**stage, "deps": [d for d in stage["deps"] if d != dep]})
            assert wrong and all(re.match(rf"{dep}(/.*)? is missing", line) for line in wrong)


@pytest.mark.parametrize(("path", "name"), ONE_OF_EACH)
@pytest.mark.parametrize(
    "dep", ["imbbench/verify.py", "imbbench/strategies/semi_supervised", "notebooks/10_no.ipynb"]
)
def test_each_dependency_that_is_not_needed_is_found(path, name, dep):
    stage = PIPELINES[path][name]
    if not any(dep.startswith(known) for known in stage["deps"]):
        wrong = problems({**stage, "deps": [*stage["deps"], dep]})
        assert wrong == [f"{dep} is useless"]


def data_sets(command):
    """Those that a notebook's parameters name, as its command sets them."""
    words = shlex.split(command)
    given = {words[i + 1]: words[i + 2] for i, word in enumerate(words) if word == "-p"}
    cells = nbformat.read(ROOT / words[4], as_version=4).cells
    (cell,) = (c for c in cells if "parameters" in c.metadata.get("tags", []))
    found = set()
    for node in ast.parse(cell.source).body:
        name = ast.unparse(node.targets[0])
        constants = {n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant)}
        found |= {given[name]} if name in given else constants
    return found & {*PARAMS["datasets"], *PARAMS["web_datasets"]}


def other_deps(path, name):
    """What a stage depends on beside code."""
    results = (Path("results") / path).parent.as_posix()
    kind, _, place = name.partition("@")
    dataset, _, _ = place.partition("-")
    fitting = ["data.csv", "schema.json"]
    if kind == "fetch":
        return set()
    if kind == "prepare":
        return {f"data/raw/{dataset}"}
    if kind == "run":
        return {f"data/prepared/{dataset}/{file}" for file in fitting}
    if kind == "report":
        tables = {f"{results}/{table}/{dataset}" for table in ("runs", "curves", "timings")}
        return tables | {f"data/prepared/{dataset}/card.json"}
    steps = "results/tables/settings_that_pretend.csv"
    if kind == "claims":
        wide = {f"{results}/{name}" for name in ("runs", "tables/measures.csv")}
        read = {claims.place(name) for name in (*claims.TABLES, "measures")}
        return {"results/runs", *wide, *read, steps}
    if kind == "what_to_try":
        tables = ("runs", "tables/measures.csv")
        return {steps} | {f"{r}/{t}" for r in {"results", results} for t in tables}
    if kind == "measures":
        names = PARAMS["wide_datasets" if path.startswith("wide") else "datasets"]
        return {f"data/prepared/{name}/card.json" for name in names}
    if kind == "prior_shift":
        cards = {f"data/prepared/{name}/card.json" for name in PARAMS["datasets"]}
        return {"results/runs", steps, *cards}
    if kind in ("study", "how_it_was_run"):
        tables = {f"{r}/{t}" for r in {"results", results} for t in ("runs", "timings")}
        return tables | ({steps} if kind == "study" else set())
    named = data_sets(PIPELINES[path][name]["cmd"])
    texts = {f"results/runs/{dataset}/augmentation.csv" for dataset in named}
    files = {f"data/prepared/{dataset}/{file}" for dataset in named for file in fitting}
    return files | (texts if kind == "generated_text" else set())


def other_params(path, name):
    """What of ``params.yaml``, or of the wide study's file, makes a stage stale."""
    kind, _, place = name.partition("@")
    dataset, _, family = place.partition("-")
    if path.startswith("wide"):
        entry = f"wide_datasets.{dataset}"
        everything = ["datasets", "families", "strategies", {WIDE: ["wide_datasets"]}]
        return {
            **dict.fromkeys(("study", "how_it_was_run", "what_to_try", "claims"), everything),
            "measures": [{WIDE: ["wide_datasets"]}],
            "fetch": [{WIDE: [f"{entry}.source", f"{entry}.sha256"]}],
            "prepare": [{WIDE: [entry]}, "protocol.folds"],
            "run": [
                *("families", "learners", "protocol", "strategies"),
                {WIDE: ["wide_learners", "wide_without"]},
            ],
        }.get(kind, [])
    where = "web_datasets" if path.startswith("web") else "datasets"
    return {
        "fetch": [f"{where}.{dataset}.source", f"{where}.{dataset}.sha256"],
        "prepare": [f"{where}.{dataset}", "protocol.folds"],
        "run": ["protocol", "learners", "strategies.reference", f"strategies.{family}"],
        "sms_spam_article": ["protocol.encoder", "protocol.seed", "learners.minilm_finetune"],
        "generated_text": ["protocol", "strategies.augmentation"],
        "settings_that_pretend": ["protocol", "learners", "strategies"],
        "study": list(dict.fromkeys(["datasets", where, "families", "strategies"])),
        "measures": ["datasets"],
        "prior_shift": ["datasets", "families", "strategies"],
        "doses": ["protocol", "learners"],
        "difficulty": ["protocol", "learners"],
        "search": ["protocol", "learners", "strategies"],
        "noise_and_gaps": ["protocol", "learners", "strategies"],
        "batches": ["protocol", "learners.mlp"],
        "how_it_was_run": list(dict.fromkeys(["datasets", where, "families", "strategies"])),
    }.get(kind, [])


@pytest.mark.parametrize("path", PIPELINES)
def test_every_stage_depends_on_its_data_and_settings(path):
    for name, stage in PIPELINES[path].items():
        deps = {d for d in stage["deps"] if not d.startswith(("imbbench", "notebooks"))}
        assert deps == other_deps(path, name), name
        assert stage.get("params", []) == other_params(path, name), name


def in_package(places):
    """The files that a list of files and folders of the package stands for."""
    places = [ROOT / "imbbench" / place for place in places]
    return files(itertools.chain(*(p.rglob("*.py") if p.is_dir() else [p] for p in places)))


@pytest.mark.parametrize("family", PARAMS["families"])
def test_one_list_says_which_code_a_cell_depends_on(family):
    """The memo's list, the import closure, and the run stages' dependencies are the same code."""
    bench = {name for name in MODULES if name.startswith("imbbench.bench")}
    modules = closure(bench | {f"imbbench.strategies.{family}"})
    assert in_package(code.code_of(family)) == files(MODULES[module] for module in modules)
    for path, name in EVERY:
        if re.fullmatch(rf"run@\w+-{family}", name):
            deps = [d for d in PIPELINES[path][name]["deps"] if d.startswith("imbbench/")]
            kept = {dep for dep in deps if not dep.startswith(RENDERING)}
            cells = {f"imbbench/{place}" for place in code.code_of(family)}
            assert kept == cells | {"imbbench/strategies/reference"}  # it stands on the page


def test_a_wide_run_depends_on_the_code_of_all_families():
    everything = in_package(code.code_of(*PARAMS["families"]))
    for name, stage in PIPELINES["wide/dvc.yaml"].items():
        if name.startswith("run@"):
            deps = [d.removeprefix("imbbench/") for d in stage["deps"] if d.startswith("imbbench/")]
            assert in_package(deps) == everything


def test_a_wide_data_set_has_a_stage_each_and_a_pipeline_stays_small():
    names = PARAMS["wide_datasets"]
    kinds = ("fetch", "prepare", "run", "report")
    each = {name for name in PIPELINES["wide/dvc.yaml"] if "@" in name}
    assert each == {f"{kind}@{name}" for kind in kinds for name in names}
    # What DVC does grows with the square of them.
    assert all(len(found) <= 250 for found in PIPELINES.values())


def test_no_other_pipeline_knows_of_the_wide_data_sets():
    for path in ("dvc.yaml", "web/dvc.yaml"):
        assert "wide" not in (ROOT / path).read_text(encoding="utf-8")


def test_the_memos_key_changes_with_that_code_and_with_no_other(tmp_path, monkeypatch):
    package = shutil.copytree(ROOT / "imbbench", tmp_path / "imbbench")
    monkeypatch.setattr(code, "PACKAGE", package)

    def keys():
        code.code_hash.cache_clear()
        return [code.code_hash(), code.code_hash("loss"), code.code_hash("weighting")]

    before = keys()
    for edited, changed in {
        "strategies/loss/ghm.py": [False, True, False],
        "bench/learners.py": [True, True, True],
        "config.py": [True, True, True],
        "data/archives.py": [True, True, True],
        "data/datasets.py": [False, False, False],
        "analysis/tables.py": [False, False, False],
        "chapters/sms_spam.py": [False, False, False],
    }.items():
        text = (package / edited).read_text(encoding="utf-8")
        (package / edited).write_text(f"{text}\n# edited\n", encoding="utf-8")
        assert [a != b for a, b in zip(before, keys(), strict=True)] == changed, edited
        (package / edited).write_text(text, encoding="utf-8")
    assert keys() == before
    code.code_hash.cache_clear()
