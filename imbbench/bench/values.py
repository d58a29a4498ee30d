"""Values that callers give: each check refuses what makes no sense with a ValueError."""

from numbers import Integral, Real

import numpy as np


def check_whole(name, value, least=1):
    """Refuse what is no whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} is a whole number of at least {least}, not {value!r}")


def check_between(name, value, low=0, high=np.inf):
    """Refuse what is no number above ``low`` and below ``high``."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low < value < high:
        raise ValueError(f"{name} is a number above {low} and below {high}, not {value!r}")


def check_ratio(name, value):
    """Refuse what is no finite number from 1 on."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 1 <= value < np.inf:
        raise ValueError(f"{name} is a number from 1 on, not {value!r}")


def check_sizes(ratio=1, **wholes):
    """Refuse a ratio of class sizes below 1, and other sizes that are no whole numbers from 1."""
    check_ratio("ratio", ratio)
    for name, value in wholes.items():
        check_whole(name, value)


def check_finite(name, value):
    """Refuse what is infinite or no number."""
    if not np.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")


def check_choice(name, value, choices):
    """``value``, unless it is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return value
