"""Learners and strategies by the name ``params.yaml`` uses.

A family is a package of :mod:`imbbench.strategies`. A strategy is a function in its ``__init__``
that takes a :class:`imbbench.bench.cell.Cell` and its parameters and returns a fitted model::

    @strategy
    def inverse_frequency(cell):
        return cell.fit(class_weight=inverse_frequency_weights(cell.class_counts))

An entry in ``params.yaml`` names it: ``inverse_frequency: {}``. Several entries can share one
definition that is marked ``by_key``: ``under_1_10: {random: 10}`` calls the function ``random``
of its family with 10, ``tomek_links: {sampler: TomekLinks}`` the function ``sampler`` with that
class.
"""

import copy
import importlib
import inspect
from contextlib import suppress
from dataclasses import dataclass

from imbbench.bench.learners import (
    HistGradientBoosting,
    Imported,
    Learner,
    LogReg,
    TfidfLogReg,
    Tree,
    XGBoost,
)
from imbbench.bench.neural import CNN, MLP, MiniLMFinetune, MiniLMHead
from imbbench.config import nearest
from imbbench.errors import StudyError

LEARNERS = {
    "logreg": LogReg,
    "tree": Tree,
    "hgb": HistGradientBoosting,
    "xgboost": XGBoost,
    "mlp": MLP,
    "tfidf_logreg": TfidfLogReg,
    "minilm_head": MiniLMHead,
    "minilm_finetune": MiniLMFinetune,
    "cnn": CNN,
}
# Set by the cell and the strategy, never in params.yaml.
INTERNAL = {
    *("loss", "bias", "draw", "head", "stepper", "pretrain"),
    *("encoder", "categorical", "random_state"),
}
# Set by the study, of a ``class:``.
GIVEN = ("random_state", "n_jobs")


def learner_class(study, name):
    """Class of a learner by the name ``params.yaml`` uses."""
    if name in LEARNERS:
        return LEARNERS[name]
    if "class" in (study.learners.get(name) or {}):
        return Imported
    raise StudyError(
        f"Unknown learner '{name}'. Known: {', '.join(LEARNERS)}. Give it a class in params.yaml, "
        f"as {name}: {{class: sklearn.neighbors.KNeighborsClassifier}}, or define it in "
        f"imbbench/bench/registry.py.{nearest(name, LEARNERS)}"
    )


def parameters(cls):
    """Names of the parameters ``params.yaml`` may set, of a learner or of a ``class:``."""
    found = inspect.signature(cls).parameters.values()
    names = [p.name for p in found if p.kind is not p.VAR_KEYWORD]
    if issubclass(cls, Learner):
        return [name for name in names if name not in INTERNAL]
    with suppress(TypeError):  # what cannot be made without arguments
        names += cls().get_params(deep=False)  # more than the signature has, of XGBoost
    return [name for name in dict.fromkeys(names) if name not in GIVEN]


def takes_others(cls):
    """Whether a ``class:`` takes parameters that neither its signature nor ``get_params`` names.

    So does LightGBM's, whose library knows many more; where ``get_params`` has more than the
    signature, as of XGBoost, those are all.
    """
    found = inspect.signature(cls).parameters.values()
    named = {p.name for p in found if p.kind is not p.VAR_KEYWORD}
    if len(named) == len(found):
        return False
    try:
        return set(cls().get_params(deep=False)) <= named
    except TypeError:  # what cannot be made without arguments
        return True


RESERVED = {"control", "learners", "primary", "role", "splits", "time_limit"}
# What is none of these is a remedy: it is counted as one that helps or harms.
ROLES = ("control", "ablation", "calibrator", "placebo")
FILLED_IN = {"class_counts", "random_state"}  # by the strategy, from the cell


class NotApplicable(Exception):
    """A strategy does not apply to this learner or data set; the message says why."""


@dataclass(frozen=True)
class Definition:
    """A registered strategy."""

    function: object
    by_key: bool
    choices: dict | None
    own_rule: bool
    check: object

    def parameters(self, choice=None):
        """Names of the parameters an entry may set besides the key."""
        found = list(inspect.signature(self.function).parameters.values())[1 + self.by_key :]
        own = [p.name for p in found if p.kind is not p.VAR_KEYWORD]
        if self.choices is None:
            return own
        chosen = inspect.signature(self.choices[choice]).parameters
        return own + [name for name in chosen if name not in {*own, *FILLED_IN}]


def strategy(function=None, *, by_key=False, choices=(), own_rule=False, check=None):
    """Register a strategy.

    Parameters
    ----------
    function : callable
        ``function(cell, **parameters)``, or with ``by_key`` ``function(cell, value,
        **parameters)``; returns a fitted model with ``predict_proba``.
    by_key : bool
        Entries of any name use it, by setting the key that is called as the function.
    choices : iterable of classes, optional
        With ``by_key``: the classes that the key's value may name.
    own_rule : bool
        The model's ``predict`` is a decision rule of its own; the cell then has one row,
        rule ``own``.
    check : callable, optional
        Called with what ``function`` gets after the cell, before anything is fitted; raises
        ValueError for values that make no sense on any data set.
    """

    def register(f):
        named = {c.__name__: c for c in choices} or None
        f.definition = Definition(f, by_key, named, own_rule, check)
        return f

    return register if function is None else register(function)


def definitions(family):
    """All definitions of a family, by name."""
    module = importlib.import_module(f"imbbench.strategies.{family}")
    return {
        name: value.definition
        for name, value in vars(module).items()
        if hasattr(value, "definition")
    }


def resolve(family, name, entry):
    """Find what an entry of ``params.yaml`` means and check its parameters.

    Returns
    -------
    call : callable
        ``call(cell)`` returns the fitted model.
    own_rule : bool

    Raises
    ------
    StudyError
        Unknown strategy, choice or parameter, the message lists the known ones; or a value that
        the strategy's check refuses.
    """
    known = definitions(family)
    parameters = {key: value for key, value in (entry or {}).items() if key not in RESERVED}
    where = f"strategy '{name}' of family '{family}'"
    kinds = [key for key in parameters if key in known and known[key].by_key]
    key = kinds[0] if kinds else name
    if key not in known or (known[key].by_key and not kinds):
        plain = [n for n, d in known.items() if not d.by_key]
        keys = [f"any name with the key '{n}'" for n, d in known.items() if d.by_key]
        raise StudyError(
            f"params.yaml: {where} is not defined. Known there: {', '.join(plain + keys)}. "
            f"Define a function '{name}' in imbbench/strategies/{family}/__init__.py or correct it."
            f"{nearest(name, plain)}"
        )
    definition = known[key]
    value = parameters.pop(key) if kinds else None
    if definition.choices and value not in definition.choices:
        raise StudyError(
            f"params.yaml: {where} asks for the unknown {key} '{value}'. "
            f"Known: {', '.join(definition.choices)}."
        )
    allowed = definition.parameters(value)
    unknown = sorted(set(parameters) - set(allowed))
    if unknown:
        raise StudyError(
            f"params.yaml: {where} has the unknown key '{unknown[0]}'. "
            f"Known: {', '.join([*allowed, *sorted(RESERVED)])}."
        )

    chosen = [definition.choices[value] if definition.choices else value] if kinds else []
    if definition.check is not None:
        try:
            definition.check(*chosen, **parameters)
        except (TypeError, ValueError) as error:
            raise StudyError(f"params.yaml: {where}: {error}") from None

    def call(cell):
        # A strategy may change what it is given; the study's own lists stay as they are.
        given, settings = copy.deepcopy((chosen, parameters))
        model = definition.function(cell, *given, **settings)
        if model is None:
            raise TypeError(f"{where} returns nothing: return the fitted model")
        return model

    return call, definition.own_rule
