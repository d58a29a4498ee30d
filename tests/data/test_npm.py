"""Tarballs of npm, from the registry that the user's npm is set to."""

import json
import os
import shutil

import pytest
from served import digest, tarred

from imbbench.data.npm import npm_archive, npm_settings
from imbbench.errors import StudyError

pytest_plugins = ["local_web"]  # no conftest: others import the one above by that name
pytestmark = pytest.mark.usefixtures("surroundings")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    for variable in [v for v in os.environ if v.lower().startswith("npm_config_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "none"))
    monkeypatch.setenv("npm_config_globalconfig", str(tmp_path / "none either"))


def test_without_npm_the_environment_says_the_registry(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match=r"no npm to name its registry.*npm_config_registry"):
        npm_settings("toy")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://e.invalid/x")
    assert npm_settings("@t/toy") == ("http://e.invalid/x/", None)


@pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
def test_settings(monkeypatch, tmp_path):
    """The environment before the study's file before the user's; a scope's before the general."""
    assert npm_settings("toy") == npm_settings("@s/toy")
    assert npm_settings("toy")[0].startswith("https://")  # npm's own
    user, study = tmp_path / "userrc", tmp_path / ".npmrc"
    monkeypatch.setenv("npm_config_userconfig", str(user))
    monkeypatch.setenv("PLACE", "http://p.invalid")
    user.write_text(
        "; a comment = x\nregistry = 'http://u.invalid/'\n@s:registry=${PLACE}/npm\n"
        "cafile=/ca.pem\nalways-auth\n"
    )
    assert npm_settings("toy") == ("http://u.invalid/", "/ca.pem")
    assert npm_settings("@s/toy") == ("http://p.invalid/npm/", "/ca.pem")
    study.write_text("registry=http://s.invalid")
    assert npm_settings("toy")[0] == "http://s.invalid/"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://e.invalid/x/")
    assert npm_settings("@t/toy")[0] == "http://e.invalid/x/"


def release(server, monkeypatch, tarball):
    monkeypatch.setenv("npm_config_registry", server.address)
    found = {"versions": {"1.0.0": {"dist": {"tarball": tarball}}}}
    server.pages["/@some%2Ftoy"] = json.dumps(found).encode()


def test_a_mirror_that_names_the_registry_it_copies_is_asked_itself(server, monkeypatch):
    content = tarred({"package/a.csv": b"1"})
    release(server, monkeypatch, "https://origin.invalid/@some/toy/-/toy-1.0.0.tgz")
    server.pages["/@some/toy/-/toy-1.0.0.tgz"] = content
    assert npm_archive("@some/toy@1.0.0", digest(content)).read_bytes() == content
    server.asked.clear()
    assert npm_archive("@some/toy@1.0.0", digest(content)).read_bytes() == content
    assert server.asked == []


def test_what_the_registry_does_not_have(server, monkeypatch):
    release(server, monkeypatch, "")
    with pytest.raises(StudyError, match=r"has no version 1\.0\.1 of @some/toy"):
        npm_archive("@some/toy@1.0.1", digest(b""))
    with pytest.raises(StudyError, match="has no package other"):
        npm_archive("other@1.0.0", digest(b""))
    for page in (b"[]", b"<html>", b"null", b'{"versions": []}', b'{"versions": {"1.0.0": 7}}'):
        server.pages["/@some%2Ftoy"] = page
        with pytest.raises(OSError, match="describes no package"):
            npm_archive("@some/toy@1.0.0", digest(b""))
