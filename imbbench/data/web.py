"""Downloads: whole, in time, of a bearable size and with the right checksum, or not at all."""

import hashlib
import http.client
import io
import os
import socket
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from imbbench.data.contents import UNPACKED, what_is
from imbbench.errors import StudyError

LIMIT = UNPACKED  # bytes of a file as it comes, too
TIMEOUT = (15, 60)  # seconds to connect, and between two pieces of a download
ANSWER = 90  # seconds until an answer begins, redirects included
PATIENCE, SLOWEST = 30, 1000  # in so many seconds come so many bytes per second, or it is given up
TRIES, PAUSE, LONGEST = 4, 1, 30  # seconds before the second of the tries, and at most
PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be another one soon


class Failed(OSError):
    """A download that failed. The message holds no address, which may carry a password.

    Attributes
    ----------
    status : int or None
        Of HTTP.
    passing : bool
        Whether it may succeed when tried again.
    after : float or None
        Seconds after which the server says to try again.
    """

    def __init__(self, message, status=None, passing=False, after=None):
        super().__init__(message)
        self.status, self.passing, self.after = status, passing, after


def sha256(content):
    """Hexadecimal sha256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def file_sha256(path):
    """Hexadecimal sha256 of a file's content; None where there is no file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def public(error):
    """What went wrong, without addresses: an index address may carry a password."""
    return type(error).__name__ if "://" in str(error) else str(error)


def mirrored(digest):
    """The file of this checksum in the folder ``IMBBENCH_MIRROR``, or None; a damaged one is none.

    Its files are named by the sha256 of their content.
    """
    mirror = os.environ.get("IMBBENCH_MIRROR")
    path = Path(mirror) / digest if mirror else None
    return path if path and file_sha256(path) == digest else None


def wrong_checksum(what, content, digest):
    """The error for a content that is another one."""
    return StudyError(
        f"wrong checksum{what and f' of {what}'}: {sha256(content)} instead of {digest}"
        f"{what_is(content)}. Nothing was kept. If it was changed on purpose, add it again "
        "(`imbbench add-dataset`) or correct the checksum in params.yaml"
    )


def download(url, digest=None, verify=True):
    """The content behind an address.

    Parameters
    ----------
    url : str
    digest : str, optional
        Its checksum. The mirror is looked at first.
    verify : bool or str
        A file of certificate authorities, as in requests.

    Raises
    ------
    OSError
        If it could not be fetched.
    StudyError
        If it has another checksum.
    """
    if digest and (path := mirrored(digest)):
        return path.read_bytes()
    content = get(url, verify=verify).content
    if digest and sha256(content) != digest:
        raise wrong_checksum("", content, digest)
    return content


def get(url, headers=None, verify=True):
    """An answer of requests, its content read; tried again, after a pause, where that may help.

    Raises
    ------
    Failed
        In the words that the user will see.
    """
    import tenacity

    def pause(state):
        error = state.outcome.exception()
        after = PAUSE * 2 ** (state.attempt_number - 1) if error.after is None else error.after
        return min(after, LONGEST)

    tries = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda e: isinstance(e, Failed) and e.passing),
        stop=tenacity.stop_after_attempt(TRIES),
        wait=pause,
        reraise=True,
    )
    try:
        return tries(_get, url, headers or {}, verify)
    except Failed as error:
        if error.passing:
            error.args = (f"{error}, {TRIES} times",)
        raise


def _get(url, headers, verify):
    import requests
    import urllib3

    # As the file is kept: its length is known, and nothing is unpacked on the way.
    headers = {"Accept-Encoding": "identity"} | headers
    try:
        response = in_time(
            lambda: requests.get(url, headers=headers, verify=verify, stream=True, timeout=TIMEOUT),
            ANSWER,
        )
        with response:
            if not response.ok:
                raise _refusal(response)
            response._content = _whole(response)
        return response
    except (requests.RequestException, urllib3.exceptions.HTTPError, UnicodeError) as error:
        raise _in_words(error) from None


def in_time(call, seconds):
    """The result of a call, given up after a time: a server may drip for ever."""
    found = Future()

    def run():
        try:
            found.set_result(call())
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return found.result(timeout=seconds)
    except TimeoutError:
        if found.done():
            raise
        raise Failed(f"no answer within {seconds:g} s") from None


def _whole(response):
    from tqdm import tqdm

    size = response.headers.get("Content-Length", "")
    size = int(size) if size.isdecimal() else None
    refuse_larger(size)
    name = PurePosixPath(unquote(urlsplit(response.url).path)).name or "download"
    content, start, seen = io.BytesIO(), time.monotonic(), 0
    bar = tqdm(
        desc=name, total=size, unit="B", unit_scale=True, delay=2, leave=False, file=sys.stderr
    )
    with bar:
        # `read` would wait until its piece is full, for days if a byte comes every second.
        while piece := response.raw.read1(2**16, decode_content=True):
            content.write(piece)
            bar.update(len(piece))
            refuse_larger(content.tell())
            if (spent := time.monotonic() - start) >= PATIENCE:
                if content.tell() - seen < spent * SLOWEST:
                    raise Failed(f"slower than {SLOWEST} bytes a second for {spent:.0f} s")
                start, seen = time.monotonic(), content.tell()
    return content.getvalue()


def refuse_larger(size):
    """Raise :class:`Failed` for a file of more bytes than :data:`LIMIT`; None is not known."""
    if size and size > LIMIT:
        raise Failed(
            f"it is larger than {LIMIT / 2**20:g} MB; if that is right, download it yourself, "
            "unpack it and add the file"
        )


def _refusal(response):
    status, after = response.status_code, response.headers.get("Retry-After", "")
    names = {known.value: known.phrase for known in http.HTTPStatus}
    return Failed(
        f"HTTP {status} {names.get(status, '')}".rstrip(),
        status,
        status in PASSING,
        int(after) if after.isdecimal() else None,
    )


def _in_words(error):
    """What a library's error says, in few words and without the address."""
    import requests
    import urllib3

    no_address = (
        requests.exceptions.InvalidSchema,
        requests.exceptions.InvalidURL,
        requests.exceptions.MissingSchema,
        urllib3.exceptions.LocationParseError,
        UnicodeError,
    )
    kinds = (
        (no_address, "an address begins with http or https and the name of a host"),
        (requests.TooManyRedirects, "it redirects in a circle"),
        (requests.ConnectTimeout, f"no connection within {TIMEOUT[0]} s"),
        (requests.ReadTimeout, f"no answer within {TIMEOUT[1]:g} s"),
        (urllib3.exceptions.ReadTimeoutError, f"nothing more within {TIMEOUT[1]:g} s"),
        (requests.exceptions.SSLError, "its certificate is not trusted"),
        (requests.exceptions.ProxyError, "the proxy refuses"),
    )
    for kind, words in kinds:
        if isinstance(error, kind):
            return Failed(words)
    cause = error
    while inner := _inner(cause):
        cause = inner
    if isinstance(cause, http.client.IncompleteRead):
        return Failed("the answer was cut short", passing=True)
    if isinstance(error, (requests.ConnectionError, urllib3.exceptions.ProtocolError)):
        # Nobody is there: told at once.
        passing = not isinstance(cause, (ConnectionRefusedError, socket.gaierror))
        said = getattr(cause, "strerror", None) or public(cause) or type(cause).__name__
        return Failed(f"no connection ({said})", None, passing)
    return Failed(public(error))


def _inner(error):
    inner = [getattr(error, "reason", None), *reversed(error.args), error.__cause__]
    return next((e for e in inner if isinstance(e, Exception)), None)
