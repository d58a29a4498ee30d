"""A web server that stands for every place that data come from, and neither mirror nor settings."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from served import digest

from imbbench.data import web


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """Neither the user's mirror nor settings of pip and npm, no pauses, a folder to work in."""
    npm = [name for name in os.environ if name.lower().startswith("npm_config_")]
    pip = ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CERT"]
    for variable in ("IMBBENCH_MIRROR", *pip, *npm):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("npm_config_userconfig", os.devnull)
    monkeypatch.setattr(web, "PAUSE", 0.01)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server():
    """Pages of a local web server: path -> bytes, a status, or a function of the handler.

    Of a list one after the other, the last for ever. ``asked`` keeps paths, ``headers`` go with
    every answer.
    """
    pages, headers = {}, {"Content-Type": "text/html"}

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.server.asked.append(self.path)
            found = pages.get(self.path, 404)
            if isinstance(found, list):
                found = found.pop(0) if len(found) > 1 else found[0]
            if callable(found):
                found(self)
                return b""
            content = found if isinstance(found, bytes) else b""
            self.send_response(200 if isinstance(found, bytes) else found)
            for header, value in headers.items():
                self.send_header(header, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            return content

        def do_GET(self):
            self.wfile.write(self.do_HEAD())

        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.asked, httpd.pages, httpd.headers = [], pages, headers
    httpd.address = f"http://127.0.0.1:{httpd.server_port}"
    # Half a second, the default, is how long every test would take to end.
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


@pytest.fixture
def publish(server, monkeypatch):
    """``publish(content)``: an index with one release file; its page states ``claimed``."""

    def go(content, file="toy_data-1.0-py3-none-any.whl", claimed=None):
        server.pages["/simple/toy-data/"] = (
            f'<a href="/files/{file}#sha256={claimed or digest(content)}">{file}</a>'
        ).encode()
        server.pages[f"/files/{file}"] = content
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.address}/simple/")
        return {"pypi": "toy-data==1.0", "archive_sha256": digest(content)}

    return go


@pytest.fixture
def closed():
    """An address where nobody answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as unused:
        return f"http://127.0.0.1:{unused.server_port}"
