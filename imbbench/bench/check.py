"""What ``params.yaml`` says of learners and strategies: checked, and told as a table."""

import pandas as pd

from imbbench.config import LEARNER_LIMITS, setting_text, unknown_name
from imbbench.errors import StudyError


def check_family(study, family):
    """Check the learners, and one family's names, parameters, controls, learners and splits."""
    from imbbench.bench.registry import learner_class, parameters, resolve

    names = list(dict.fromkeys(name for f in study.families for name in study.family(f)))
    for name, settings in study.learners.items():
        known = [*parameters(learner_class(name)), *sorted(LEARNER_LIMITS)]
        unknown = sorted(set(settings or {}) - set(known))
        if unknown:
            raise StudyError(
                f"params.yaml: learner '{name}' has the unknown key '{unknown[0]}'. "
                f"Known: {', '.join(known)}."
            )
        for strategy in (settings or {}).get("strategies", []):
            if strategy not in names:
                where = f"(strategies of learner '{name}')"
                raise StudyError(unknown_name("strategy", strategy, names, where))
    for name, entry in study.family(family).items():
        resolve(family, name, entry)
        learners, splits = entry.get("learners", []), entry.get("splits", 1)
        if not isinstance(learners, list):
            raise StudyError(f"params.yaml: strategy '{name}': learners is a list of learners.")
        limit = entry.get("time_limit", 1)
        if not isinstance(limit, (int, float)) or not limit > 0:
            raise StudyError(f"params.yaml: strategy '{name}': time_limit is a number of seconds.")
        if not isinstance(splits, int) or splits < 1:
            raise StudyError(f"params.yaml: strategy '{name}': splits is a number from 1 on.")
        where = f"(strategy '{name}')"
        control = entry.get("control")
        if control is not None and control not in names:
            raise StudyError(unknown_name("control", control, names, where))
        for learner in learners:
            if learner not in study.learners:
                raise StudyError(unknown_name("learner", learner, study.learners, where))


def check(study):
    """Check every family; imports them all."""
    for family in study.families:
        check_family(study, family)


def strategy_table(study, family):
    """What the strategies of a family are.

    Returns
    -------
    DataFrame
        ``strategy``, ``what it does`` (first line of its docstring), ``parameters``, ``control``.

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
