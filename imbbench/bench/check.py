"""What ``params.yaml`` says of learners and strategies: checked, tried, and told as a table."""

import difflib
import warnings
from functools import partial

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from imbbench.config import LEARNER_LIMITS, LONGEST, nearest, setting_text, unknown_name
from imbbench.errors import StudyError

# Made-up rows that everything is tried on: few, and more for what needs many.
ROWS = (60, 600)
STEPS = 5  # of a neural learner that is tried
SECONDS = 0.5  # what runs longer is taken for sound


def check_family(study, family):
    """Check the learners, and one family's names, parameters, controls, learners and splits."""
    from imbbench.bench.registry import ROLES, resolve
    from imbbench.bench.values import check_between, check_choice, check_whole

    names = list(dict.fromkeys(name for f in study.families for name in study.family(f)))
    for name in study.learners:
        _check_learner(study, name, names)
    checks = {
        "primary": lambda key, value: check_choice(key, value, (True, False)),
        "role": lambda key, value: check_choice(key, value, ROLES),
        "splits": check_whole,
        "time_limit": partial(check_between, high=LONGEST),
    }
    for name, entry in study.family(family).items():
        resolve(family, name, entry)
        for key, check_value in checks.items():
            if key in entry:
                _said(f"strategy '{name}'", check_value, key, entry[key])
        learners = entry.get("learners", [])
        if not isinstance(learners, list):
            raise StudyError(f"params.yaml: strategy '{name}': learners is a list of learners.")
        where = f"(strategy '{name}')"
        control = entry.get("control")
        if control is not None and control not in names:
            raise StudyError(unknown_name("control", control, names, where))
        if "corrected" in entry and entry["corrected"] not in study.family(family):
            known = study.family(family)
            raise StudyError(unknown_name("strategy", entry["corrected"], known, where))
        for learner in learners:
            if learner not in study.learners:
                raise StudyError(unknown_name("learner", learner, study.learners, where))


def _check_learner(study, name, strategies):
    """Check the keys of a learner, and where it is run."""
    from imbbench.bench.learners import classifier
    from imbbench.bench.registry import GIVEN, learner_class, parameters, takes_others
    from imbbench.bench.values import check_whole

    where, settings = f"learner '{name}'", study.learners[name] or {}
    cls = learner_class(study, name)
    known = [*parameters(cls), *sorted(LEARNER_LIMITS)]
    others = False
    if "class" in settings:
        imported = _said(where, classifier, settings["class"])
        known, others = ["class", *parameters(imported), *known], takes_others(imported)
    unknown = sorted(set(settings) - set(known))
    if others:  # all but slips of the pen are for its library to know
        slips = {key for key in unknown if difflib.get_close_matches(key, known, 1, 0.8)}
        unknown = sorted(slips | {*GIVEN} & {*unknown})
    if unknown:
        raise StudyError(
            f"params.yaml: {where} has the unknown key '{unknown[0]}'. Known: {', '.join(known)}."
            f"{nearest(unknown[0], known)}"
        )
    for key in ("splits", "words"):
        if key in settings:
            _said(where, check_whole, key, settings[key])
    if cls.neural:
        _said(where, lambda: cls(**study.learner(name)).check())
    only = settings.get("strategies", [])
    if not isinstance(only, list):
        raise StudyError(f"params.yaml: {where}: strategies is a list of strategies.")
    for strategy in only:
        if strategy not in strategies:
            place = f"(strategies of learner '{name}')"
            raise StudyError(unknown_name("strategy", strategy, strategies, place))


def _said(where, function, *values):
    """Call ``function``; what it refuses is said of a place in params.yaml."""
    try:
        return function(*values)
    except (StudyError, TypeError, ValueError) as error:
        raise StudyError(f"params.yaml: {where}: {error}") from None


def try_all(study, families, networks=True):
    """Fit every learner, and every strategy with either kind of learner, once on made-up rows.

    So nothing fails in every cell for its settings. What needs texts, or another strategy, is only
    looked up.

    Parameters
    ----------
    study : imbbench.config.Study
    families : list of str
    networks : bool
        Neural learners, too; getting torch ready takes some seconds.

    Raises
    ------
    StudyError
        What fails, with its place and reason.
    """
    from imbbench.bench.registry import learner_class, resolve

    if networks:
        import torch  # noqa: F401 (before the threads of what is loaded are limited)
    neural = {name: learner_class(study, name).neural for name in study.learners}
    tried = [name for name in study.learners if networks or not neural[name]]
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        for name in tried:
            _try(f"learner '{name}'", study, name, lambda cell: cell.fit())
        for family in families:
            for name, entry in study.family(family).items():
                call, _ = resolve(family, name, entry)
                first = {}
                for learner in entry.get("learners") or tried:
                    if learner in tried and _runs(study, learner, name):
                        first.setdefault(neural[learner], learner)
                for learner in first.values():
                    _try(f"strategy '{name}' of family '{family}'", study, learner, call)


def _runs(study, learner, strategy):
    return strategy in (study.learners[learner] or {}).get("strategies", [strategy])


def _try(where, study, learner, call):
    from imbbench.bench.cell import Cell
    from imbbench.bench.limits import TimeLimit, time_limit
    from imbbench.bench.registry import NotApplicable, learner_class
    from imbbench.bench.scoring import checked_probabilities

    cls = learner_class(study, learner)
    if "tokens" in cls.features.values():
        return  # its weights would have to be fetched
    short = {"epochs": 0, "steps": STEPS} if cls.neural else {}
    for rows in ROWS:
        rng = np.random.default_rng(0)
        y = np.arange(rows) % 4 // 3
        X = rng.normal(y[:, None], 1.0, (rows, 9))
        part = slice(2 * rows // 3), slice(2 * rows // 3, rows)
        arrays = [values[rows] for rows in part for values in (X, y)]
        try:
            with time_limit(SECONDS):
                cell = Cell.from_arrays(study, learner, *arrays, classes=["a", "b"], settings=short)
                checked_probabilities(call(cell).predict_proba(cell.X_val), 2)
            return
        except (NotApplicable, TimeLimit):
            return
        except Exception as error:
            problem = error
    said = " ".join(str(problem).split())[:300] or type(problem).__name__
    raise StudyError(f"params.yaml: {where} fails on made-up rows: {said}") from problem


def check(study):
    """Check every family and try all it names; imports them all."""
    for family in study.families:
        check_family(study, family)
    try_all(study, study.families)


def strategy_table(study, family):
    """What the strategies of a family are.

    Returns
    -------
    DataFrame
        ``strategy``, ``what it does`` (first line of its docstring), ``parameters``, ``control``,
        ``only`` (learners and splits that it is run with); a column without a value is left out.

    Raises
    ------
    StudyError
        If an entry of the family is wrong; see :func:`check_family`.
    """
    from imbbench.bench.registry import RESERVED, definitions

    check_family(study, family)
    known = definitions(family)
    rows = []
    for name, entry in study.family(family).items():
        key = next((k for k in entry if k in known and known[k].by_key), name)
        settings = {k: v for k, v in entry.items() if k not in RESERVED}
        only = [f"{k} {setting_text(entry[k])}" for k in ("learners", "splits") if k in entry]
        control = entry.get("control", "plain")
        rows.append(
            {
                "strategy": f"`{name}`",
                "what it does": known[key].function.__doc__.strip().splitlines()[0],
                "parameters": ", ".join(f"{k} = {setting_text(v)}" for k, v in settings.items()),
                "control": f"`{control}`" if control and control != name else "",
                "only": ", ".join(only),
            }
        )
    table = pd.DataFrame(rows)
    table.attrs["formatted"] = ["what it does"]
    return table.loc[:, (table != "").any()]
