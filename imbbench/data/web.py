"""Downloads: whole, with patience that ends, again after a passing fault, and of bounded size."""

import time
from pathlib import Path
from urllib.parse import urlsplit

CONNECT, SILENCE = 15, 120  # seconds to connect, and between two pieces of a download
TRIES, PAUSE = 4, 1.0  # seconds before the second try, doubled before each one after it
PATIENCE, SLOWEST = 60, 10_000  # after so many seconds a download makes so many bytes a second
LARGEST = 4 * 2**30  # bytes; the largest set of the study's lists has a tenth of it
PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses that another try may not meet
PIECE = 2**16


class DownloadError(OSError):
    """A download that did not succeed; the message is fit for everybody, without the address.

    Attributes
    ----------
    passing : bool
        Another try may succeed.
    status : int or None
        What the server answered.
    """

    def __init__(self, text, passing=False, status=None):
        super().__init__(text)
        self.passing = passing
        self.status = status


def save(url, path, session=None):
    """Download a file.

    Parameters
    ----------
    url : str
        http or https.
    path : path
        Written as the bytes come; nothing is there after an error.
    session : requests.Session, optional

    Raises
    ------
    DownloadError
        After several tries if the fault may pass, at once otherwise.
    """
    import requests
    import tenacity

    if urlsplit(url).scheme not in ("http", "https"):
        raise DownloadError(f"{urlsplit(url).scheme or 'no'} is no protocol that is read; use http")
    session = session or requests.Session()
    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_exponential(multiplier=PAUSE, max=30),
        retry=tenacity.retry_if_exception(lambda error: getattr(error, "passing", False)),
        reraise=True,
    )
    try:
        attempts(_once, url, Path(path), session)
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise


def _once(url, path, session):
    import requests
    from tqdm import tqdm

    started = time.monotonic()
    try:
        with session.get(url, stream=True, timeout=(CONNECT, SILENCE)) as answer:
            if answer.status_code >= 400:
                text = f"the server answered {answer.status_code} {answer.reason}"
                passing = answer.status_code in PASSING
                raise DownloadError(text, passing, answer.status_code)
            total = int(answer.headers.get("Content-Length") or 0)
            if total > LARGEST:
                raise DownloadError(f"it has {total} bytes, more than the {LARGEST} that are read")
            # Raw bytes would be those of a compressed transfer.
            pieces = answer.iter_content(PIECE)
            bar = tqdm(total=total or None, unit="B", unit_scale=True, delay=2, leave=False)
            with path.open("wb") as file, bar:
                done = 0
                for piece in pieces:
                    done += len(piece)
                    file.write(piece)
                    bar.update(len(piece))
                    spent = time.monotonic() - started
                    if done > LARGEST:
                        raise DownloadError(f"it is larger than the {LARGEST} bytes that are read")
                    if spent > PATIENCE and done < SLOWEST * spent:
                        raise DownloadError(
                            f"{done} bytes in {spent:.0f} s: the server is too slow"
                        )
    except requests.TooManyRedirects:
        raise DownloadError("the server sends one from address to address") from None
    except requests.exceptions.SSLError:
        raise DownloadError("the server's certificate is not trusted") from None
    except requests.ConnectTimeout:
        raise DownloadError(f"no connection within {CONNECT} s", passing=True) from None
    except requests.Timeout:
        raise DownloadError(f"the server was silent for {SILENCE} s", passing=True) from None
    except requests.ConnectionError as error:
        silent = "timed out" in str(error).lower()
        text = f"the server was silent for {SILENCE} s" if silent else "there is no connection"
        raise DownloadError(text, passing=True) from None
    except requests.exceptions.ChunkedEncodingError:
        raise DownloadError("the connection broke off before the end", passing=True) from None
    except requests.RequestException as error:
        raise DownloadError(type(error).__name__) from None
