"""The one error a user of the study can cause."""


class StudyError(Exception):
    """Bad input to the study: the message names what was wrong and what to do."""
