"""Loaded once by the server that workers are forked from: what their cells will need."""

import importlib
from contextlib import suppress

from imbbench import config
from imbbench.bench import scoring  # noqa: F401
from imbbench.bench.registry import learner_class
from imbbench.errors import StudyError

with suppress(StudyError):  # it is said where the study is read to be run
    _study = config.load()
    for _family in _study.families:
        importlib.import_module(f"imbbench.strategies.{_family}")
    if any(learner_class(_study, name).neural for name in _study.learners):
        import torch  # noqa: F401
