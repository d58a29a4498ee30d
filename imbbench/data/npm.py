"""Packages of npm as a source: the tarball of a release, from where the user's npm gets it."""

import os
import re
from pathlib import Path
from urllib.parse import quote

from imbbench.data.archives import kept
from imbbench.data.web import download, get
from imbbench.errors import StudyError
from imbbench.paths import root

REGISTRY = "https://registry.npmjs.org/"
ACCEPT = "application/vnd.npm.install-v1+json, application/json;q=0.8"


def npm_archive(release, digest):
    """The path of a release's tarball: kept, from the mirror, or from the registry.

    Parameters
    ----------
    release : str
        ``name@version`` or ``@scope/name@version``.
    digest : str
        Its checksum.

    Raises
    ------
    OSError
        If the registry does not give it.
    StudyError
        If it has another checksum.
    """
    return kept(digest, lambda: npm_tarball(release, digest))


def npm_tarball(release, digest=None):
    """The content of a release's tarball; errors as in :func:`npm_archive`."""
    name, _, version = release.rpartition("@")
    registry, certificate = npm_settings(name)
    try:
        answer = get(registry + quote(name, safe="@"), {"Accept": ACCEPT}, certificate or True)
        address = answer.json()["versions"][version]["dist"]["tarball"]
    except KeyError:
        raise StudyError(f"the npm registry has no version {version} of {name}") from None
    except (ValueError, TypeError):
        raise OSError("what the npm registry sent describes no package") from None
    except OSError as error:
        if getattr(error, "status", None) == 404:
            raise StudyError(f"the npm registry has no package {name}") from None
        raise
    if address.startswith(REGISTRY):  # as npm does: a mirror sends what it got
        address = registry + address.removeprefix(REGISTRY)
    return download(address, digest, certificate or True)


def npm_settings(name):
    """Registry (``/`` last) and file of certificate authorities, or None, that npm uses for a name.

    From the environment, the study's ``.npmrc`` and the user's, in this order; a scope may have a
    registry of its own.
    """
    found = {}
    environment = {
        k.lower().removeprefix("npm_config_"): v
        for k, v in os.environ.items()
        if k.lower().startswith("npm_config_")
    }
    user = Path(environment.get("userconfig") or Path.home() / ".npmrc")
    for path in (user, root() / ".npmrc"):
        if path.is_file():
            found |= _npmrc(path)
    found |= environment
    scope = name.split("/")[0] if name.startswith("@") else ""
    registry = found.get(f"{scope}:registry") or found.get("registry") or REGISTRY
    return registry.rstrip("/") + "/", found.get("cafile")


def _npmrc(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = re.findall(r"(?m)^\s*([^=#;\s][^=\s]*)\s*=\s*(.*?)\s*$", text)
    unquoted = {key: value.strip("\"'") for key, value in lines}
    return {
        k: re.sub(r"\$\{(\w+)\}", lambda m: os.environ.get(m[1], ""), v)
        for k, v in unquoted.items()
    }
