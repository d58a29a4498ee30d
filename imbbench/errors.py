"""The one error a user of the study can cause, and those of a disk that takes no more."""

import errno

# A disk that is full or read-only, so that no other file could be written either.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


class StudyError(Exception):
    """Bad input to the study: the message names what was wrong and what to do."""


def reason_of(error):
    """An error in one line that any file can hold."""
    try:
        text = str(error)
    except Exception:
        text = "its message cannot be shown"
    line = " ".join(f"{type(error).__name__}: {text}".split())[:300]
    return line.encode("utf-8", "replace").decode("utf-8")
