"""Packages of npm as a source: the tarball of a release, from where the user's npm gets it."""

import json
import os
import shutil
import subprocess
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from imbbench.data.archives import kept
from imbbench.data.web import download, get
from imbbench.errors import StudyError
from imbbench.paths import root

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
    if urlsplit(address).hostname != urlsplit(registry).hostname:
        # A mirror sends what it got; it has the file itself, where every registry has it.
        address = f"{registry}{name}/-/{PurePosixPath(urlsplit(address).path).name}"
    return download(address, digest, certificate or True)


def npm_settings(name):
    """Registry (``/`` last) and file of certificate authorities, or None, that npm uses for a name.

    npm itself is asked; without it the environment has to say the registry. A scope may have one of
    its own.

    Raises
    ------
    OSError
        If neither says a registry.
    """
    found, npm = {}, shutil.which("npm")
    if npm:
        command = [npm, "config", "list", "--json"]
        listing = subprocess.run(command, cwd=root(), capture_output=True, text=True)
        found = json.loads(listing.stdout or "{}")
    else:
        for key in os.environ:
            if key.lower().startswith("npm_config_"):
                found[key.lower().removeprefix("npm_config_")] = os.environ[key]
    scope = name.split("/")[0] if name.startswith("@") else ""
    registry = found.get(f"{scope}:registry") or found.get("registry")
    if not registry:
        raise OSError(
            "there is no npm to name its registry; install it, or set npm_config_registry"
        )
    return registry.rstrip("/") + "/", found.get("cafile")
