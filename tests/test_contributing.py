"""CONTRIBUTING and CHANGELOG name what is there, and the package keeps to the house's rules."""

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import typing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROOMS = ["data", "bench", "strategies", "analysis", "chapters"]
PUBLIC = {f"imbbench.{m}" for m in ("losses", "samplers", "ensembles", "schedules", "posthoc")}
FITS = {f"imbbench.bench.{m}" for m in ("cell", "scoring", "pool", "run", "neural", "learners")}
KINDS = [
    *("loss", "sampler", "schedule", "ensemble", "post-hoc correction", "learner", "metric"),
    *("figure", "statistic", "source", "format", "chapter"),
]


def table_rows(text, columns):
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    assert all(len(row) == columns for row in rows)
    return rows[1:]


ROWS = table_rows(GUIDE, 5)


def sources():
    """Dotted name -> source of every module of the package."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): (
            path.read_text(encoding="utf-8")
        )
        for path in sorted((ROOT / "imbbench").rglob("*.py"))
    }


def imports(package, top_only=False):
    """Module -> {(module it imports, name taken from it or None)}, lazy imports included."""
    found = {}
    for module, source in package.items():
        tree = ast.parse(source)
        found[module] = set()
        for node in tree.body if top_only else ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module} imports relatively"
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    found[module].add(
                        (full, None) if full in package else (node.module, alias.name)
                    )
            elif isinstance(node, ast.Import):
                found[module] |= {(alias.name, None) for alias in node.names}
    return found


def edges(package, **options):
    taken = imports(package, **options)
    return {m: {to for to, _ in pairs if to in package and to != m} for m, pairs in taken.items()}


def reached(graph, start):
    seen, left = set(), [*graph[start]]
    while left:
        module = left.pop()
        if module not in seen:
            seen.add(module)
            left += graph[module]
    return seen


def floor(module):
    """Place of a module's folder in the list; None outside of the folders."""
    room = module.split(".")[1] if "." in module else None
    return ROOMS.index(room) if room in ROOMS else None


def circles(package):
    graph = edges(package)
    return sorted(module for module in graph if module in reached(graph, module))


def upwards(package):
    pairs = [(m, to) for m, targets in edges(package).items() for to in targets]
    known = [(m, to) for m, to in pairs if None not in (floor(m), floor(to))]
    return sorted((m, to) for m, to in known if floor(to) > floor(m))


def private_names(package):
    """Names with an underscore that a module takes from another, by import or as an attribute."""
    found = []
    for module, source in package.items():
        nodes = list(ast.walk(ast.parse(source)))
        aliases = {
            alias.asname or alias.name: alias.name
            for node in nodes
            if isinstance(node, ast.ImportFrom) and node.module.startswith("imbbench")
            for alias in node.names
        }
        found += [(module, name) for name in aliases.values()]
        for node in nodes:
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found += [(module, node.attr)] if node.value.id in aliases else []
    return sorted({(m, name) for m, name in found if re.match(r"_(?!_)", name)})


def fitting(package):
    """What analysis imports, itself or at the top of what it imports, that fits models."""
    graph, top = edges(package), edges(package, top_only=True)
    return sorted(
        (module, to)
        for module in graph
        if floor(module) == 3
        for to in graph[module] | reached(top, module)
        if to in FITS or floor(to) == 2
    )


def users_of_public_modules(package):
    graph = edges(package)
    return sorted((m, to) for m in graph for to in graph[m] & PUBLIC)


RULES = [circles, upwards, private_names, fitting, users_of_public_modules]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_package_keeps_to(rule):
    assert rule(sources()) == []


@pytest.mark.parametrize(
    ("rule", "module", "line"),
    [
        (circles, "data.readers", "from imbbench.data import prepare"),
        (circles, "data.readers", "def f():\n    import imbbench.data.prepare"),
        (upwards, "bench.cell", "from imbbench.strategies.loss import focal"),
        (upwards, "bench.cell", "def f():\n    from imbbench.analysis.tables import load"),
        (upwards, "data.prepare", "from imbbench.bench import cell"),
        (private_names, "bench.run", "from imbbench.bench.cell import _cached"),
        (private_names, "bench.run", "from imbbench.bench.cell import _cached as cached"),
        (private_names, "bench.run", "from imbbench.bench import cell as c\nc._cached()"),
        (fitting, "analysis.tables", "from imbbench.bench import cell"),
        (fitting, "analysis.tables", "def f():\n    from imbbench.strategies.loss import focal"),
        (fitting, "analysis.tables", "from imbbench.bench.run import tasks"),
        (fitting, "analysis.tables", "from imbbench.bench.rows import flat"),
        (users_of_public_modules, "chapters.toy", "from imbbench.losses import FocalLoss"),
    ],
)
def test_a_wrong_import_is_seen(rule, module, line):
    package = {
        "imbbench.losses": "from imbbench.strategies.loss.focal import FocalLoss",
        "imbbench.data.readers": "import csv",
        "imbbench.data.prepare": "from imbbench.data.readers import read_table",
        "imbbench.bench.cell": "def _cached(): ...",
        "imbbench.bench.run": "from imbbench.bench.cell import Cell",
        "imbbench.bench.rows": "from imbbench.bench.neural import MLP",
        "imbbench.bench.neural": "",
        "imbbench.strategies.loss": "from imbbench.bench.cell import Cell",
        "imbbench.strategies.loss.focal": "",
        "imbbench.analysis.tables": "from pandas import DataFrame",
        "imbbench.chapters.toy": "from imbbench.analysis import tables",
    }
    assert rule(package) == []
    assert rule(package | {f"imbbench.{module}": f"{package[f'imbbench.{module}']}\n{line}"}) != []


def test_public_modules_only_name_what_they_import():
    for module in PUBLIC:
        text, *body, names = ast.parse(sources()[module]).body
        assert isinstance(text, ast.Expr) and names.targets[0].id == "__all__"
        assert all(isinstance(node, ast.ImportFrom) for node in body)
        taken = [alias.name for node in body for alias in node.names]
        assert sorted(ast.literal_eval(names.value)) == sorted(taken)


def public_functions():
    """The functions behind the public names; of classes the constructor and the public methods."""
    for module in map(importlib.import_module, sorted(PUBLIC)):
        for name in module.__all__:
            found = getattr(module, name)
            ours = [c for c in getattr(found, "__mro__", ()) if c.__module__.startswith("imbbench")]
            for owner in ours:
                for method, function in vars(owner).items():
                    if inspect.isfunction(function) and re.match(r"[a-z]|__init__", method):
                        yield pytest.param(function, id=f"{name}.{method}")
            if not ours:
                yield pytest.param(found, id=name)


@pytest.mark.parametrize("function", public_functions())
def test_public_names_are_typed(function):
    hints = typing.get_type_hints(function)
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    assert {*names, "return"} <= set(hints)


def test_folders_are_those_of_the_list():
    listed = re.findall(r"^  (\w+)/ +\d", GUIDE, flags=re.M)
    folders = {path.parent.name for path in (ROOT / "imbbench").glob("*/__init__.py")}
    assert listed == ROOMS and folders == set(ROOMS)
    # A family that is a plain module would be no folder to depend on.
    families = ROOT / "imbbench" / "strategies"
    assert [path.name for path in families.glob("*.py")] == ["__init__.py"]


def test_chapters_have_their_notebooks_names():
    notebooks = [path.stem for path in (ROOT / "notebooks").glob("*.ipynb")]
    narrated = {stem[3:] for stem in notebooks if int(stem[:2]) >= 5}
    chapters = {path.stem for path in (ROOT / "imbbench" / "chapters").glob("*.py")}
    assert narrated and chapters - {"__init__"} == narrated


def test_every_kind_has_a_row():
    assert [row[0] for row in ROWS] == KINDS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_a_row_names_is_there(row):
    for cell in row[1:4]:
        paths = re.findall(r"`([^`]*[/.][^`]*)`", cell)
        assert all((ROOT / path).is_file() for path in paths), paths
    assert re.search(r"`imbbench/[^`]+`", row[1])
    assert re.search(r"`tests/[^`]+`", row[3])
    for name, path in re.findall(r"`(\w+)` in `([^`]+\.py)`", row[2]):
        assert re.search(rf"^ *{name}\b ?[:=(]", (ROOT / path).read_text(encoding="utf-8"), re.M)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_example_is_a_commit(row):
    def git(*words):
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    if not shutil.which("git") or git("rev-parse", "--is-shallow-repository") != "false":
        pytest.skip("the history is not here: no Git, no repository or a shallow clone")
    digest, subject = re.fullmatch(r"([0-9a-f]{7,40}) (.+)", row[4]).groups()
    assert git("merge-base", "--is-ancestor", digest, "HEAD") is not None
    assert git("log", "-1", "--format=%s", digest) == subject


def test_every_make_target_exists():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M)
    named = re.findall(r"`make ([a-z-]+)", GUIDE)
    assert named and set(named) <= set(targets)


def test_names_went_where_the_changelog_says():
    package = sources()
    log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    unreleased = re.search(r"^## Unreleased$(.*?)^## ", log, flags=re.M | re.S)[1]
    for before, now in table_rows(unreleased, 2):
        moved = re.findall(r"`(\w+)`", before)
        for part in now.split("; "):
            modules = re.findall(r"`(imbbench[\w.]*)`", part)
            assert set(modules) <= set(package), part
            for name in [*re.findall(r"`(\w+)`", part), *moved]:
                bound = rf"^(class|def) {name}\b|^{name} = "
                assert re.search(bound, package[modules[-1]], flags=re.M), (name, modules[-1])
