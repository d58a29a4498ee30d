"""The command ``imbbench``."""

import argparse
import csv
import json
import sys
import time

from imbbench import __version__
from imbbench.errors import StudyError

ANSWER = "<!-- answer: written by `make report` -->"
ANSWER_END = "<!-- /answer -->"


def main(arguments=None):
    """Run a command; returns the exit code. Errors of the user print one message."""
    started = time.time()
    parser = argparse.ArgumentParser(prog="imbbench", description=__doc__)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, function, text, *names):
        sub = commands.add_parser(name, help=text, description=text)
        for argument in names:
            sub.add_argument(argument)
        sub.set_defaults(function=function)
        return sub

    command("list", _list, "Show the data sets, learners and strategies of the study.")
    command("check", _check, "Check everything in params.yaml without running anything.")
    command("fetch", _fetch, "Download a data set (a pipeline stage).", "dataset")
    command("prepare", _prepare, "Clean a data set (a pipeline stage).", "dataset")
    command("run", _run, "Run a family on a data set (a pipeline stage).", "dataset", "family")
    sub = command("execute", _execute, "Run a parameterised notebook.", "notebook", "output")
    sub.add_argument(
        "-p", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="parameter"
    )
    sub = command(
        "add-dataset", _add, "Add a file as a data set (CSV, TSV, Parquet, ARFF, KEEL).", "file"
    )
    sub.add_argument("--target", required=True, help="column with the classes")
    sub.add_argument("--name", help="name in the study; default: from the file's name")
    sub.add_argument("--text", help="the column of texts, for a text data set")
    for option, metavar, text in (
        ("--drop", "COLUMN", "leave a column out"),
        ("--categorical", "COLUMN", "a column whose numbers are codes"),
        ("--missing", "WORD", "a spelling of a missing value"),
    ):
        sub.add_argument(option, metavar=metavar, action="append", default=[], help=text)
    sub.add_argument("--columns", default="", help="names, if the file has none: a,b,c")
    sub.add_argument("--separator", help="of fields; default: found (, ; | or tab)")
    sub.add_argument("--decimal", choices=[".", ","], help="the decimal mark; default: found")
    sub.add_argument(
        "--class",
        dest="classes",
        nargs=2,
        action="append",
        default=[],
        metavar=("LABEL", "NAME"),
        help="name the class of a label; labels of one name are merged",
    )
    sub.add_argument("--positive", metavar="CLASS", help="one class against all others")
    sub.add_argument(
        "--cut",
        type=float,
        action="append",
        default=[],
        metavar="VALUE",
        help="make classes of a quantity: the highest value of a class",
    )
    sub.add_argument(
        "--dry-run", action="store_true", help="show what is understood, write nothing"
    )
    sub = command("verify", _verify, "Refit a sample of committed cells and compare.")
    sub.add_argument("--cells", type=int, default=20, help="how many (default 20)")
    sub.add_argument("--seed", type=int, default=0, help="of the sample (default 0)")
    command(
        "readme", _readme, "Write the study's answer, results/tables/answer.md, into README.md."
    )
    command("summary", _summary, "Print the leaderboard and where to read on.")

    options = parser.parse_args(arguments)
    try:
        return options.function(options, started) or 0
    except StudyError as error:
        print(f"imbbench: {error}", file=sys.stderr)
        return 1


def _list(options, started):
    from imbbench import config
    from imbbench.bench.registry import learner_class

    study = config.load()
    for title, entries in (
        ("Data sets", study.datasets),
        ("Web data sets", study.web_datasets),
        ("Benchmark data sets", study.benchmark_datasets),
    ):
        print(f"{title} ({len(entries)})")
        for name, entry in entries.items():
            print(f"  {name:<20} {entry.get('modality', ''):<8} {entry.get('why', '')}")
    print(f"Learners ({len(study.learners)})")
    for name in study.learners:
        print(f"  {name:<20} {', '.join(learner_class(name).features)}")
    for family in study.families:
        print(f"Family {family}: {', '.join(study.family(family))}")


def _check(options, started):
    from imbbench import config
    from imbbench.bench.check import check
    from imbbench.data.datasets import parse_dataset

    study = config.load()
    check(study)
    for name, entry in study.all_datasets.items():
        parse_dataset(name, entry)
    cells = sum(len(study.family(f)) for f in study.families)
    print(f"params.yaml is sound: {len(study.datasets)} data sets, {cells} strategies.")


def _fetch(options, started):
    from imbbench import config
    from imbbench.data import datasets, sources
    from imbbench.paths import root

    name = options.dataset
    dataset = datasets.parse_dataset(name, config.load().dataset(name))
    sources.fetch(name, dataset, root() / "data" / "raw" / name)


def _prepare(options, started):
    from imbbench import config
    from imbbench.data import datasets, prepare
    from imbbench.paths import root

    study, name, data = config.load(), options.dataset, root() / "data"
    prepare.prepare(
        name,
        datasets.parse_dataset(name, study.dataset(name)),
        data / "raw" / name,
        data / "prepared" / name,
        folds=study.protocol.folds,
    )


def _run(options, started):
    from imbbench import config, notebooks
    from imbbench.data.datasets import parse_dataset
    from imbbench.files import write_whole
    from imbbench.paths import root

    study = config.load()
    parse_dataset(options.dataset, study.dataset(options.dataset))
    study.family(options.family)
    results = root() / study.results(options.dataset)
    parameters = {"dataset": options.dataset, "family": options.family, "save": True}
    notebooks.execute(
        root() / "notebooks" / "02_run_family.ipynb",
        results / "rendered" / options.dataset / f"{options.family}.ipynb",
        parameters,
    )
    path = results / "timings" / options.dataset / f"{options.family}.json"
    loop = json.loads(path.read_text())
    loop["stage_seconds"] = round(time.time() - started, 3)
    write_whole(path, json.dumps(loop, indent=1) + "\n")


def _execute(options, started):
    from ruamel.yaml import YAML

    from imbbench import notebooks

    given = {name: YAML(typ="safe").load(value) for name, value in options.p}
    notebooks.execute(options.notebook, options.output, given)


def _add(options, started):
    from imbbench.data.add import add_dataset

    given = {k: v for k, v in vars(options).items() if k not in ("command", "function", "file")}
    given["columns"] = next(csv.reader([options.columns]), [])
    add_dataset(options.file, **given)


def _verify(options, started):
    from imbbench.verify import verify

    return verify(cells=options.cells, seed=options.seed)


def _readme(options, started):
    from imbbench.files import write_whole
    from imbbench.paths import root

    readme, answer = root() / "README.md", root() / "results/tables/answer.md"
    if not answer.is_file():
        raise StudyError(f"{answer} is missing: run `dvc repro study` first.")
    before, rest = readme.read_text(encoding="utf-8").split(ANSWER, 1)
    after = rest[rest.index(ANSWER_END) :]
    write_whole(readme, f"{before}{ANSWER}\n{answer.read_text(encoding='utf-8')}{after}")


def _summary(options, started):
    from imbbench.analysis.prose import summary

    print(summary())
