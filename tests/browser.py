"""A real browser for tests of pages: headless Chromium, of a system's own package, through Playwright.

`page` is a fresh page that fails its test on any error it logs or throws and on any request that leaves this machine;
`site` is the address under which the package's own modules of JavaScript are served to it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

HOUSE = Path(__file__).parent.parent / "src" / "clearhead"
STATIC = (HOUSE / "explorer" / "static", HOUSE / "program" / "static")
NAMES = ("chromium", "chromium-browser", "google-chrome")
# A function of JavaScript: a node as plain data, in whatever order it got its classes, attributes and styles.
PLAIN = """function plain(node) {
    if (node instanceof Text) return node.data;
    const told = [...node.attributes].filter(({ name }) => !["class", "style"].includes(name));
    return [
        node.nodeName, [...node.classList].sort(), told.map(({ name, value }) => `${name}=${value}`).sort(),
        [...node.style].map((name) => `${name}:${node.style.getPropertyValue(name)}`).sort(),
        node.value ?? "", node.checked ?? false, node.toDataURL?.() ?? "", [...node.childNodes].map(plain),
    ];
}"""
HERE = {"localhost", "127.0.0.1"}
BLANK = b'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>test</title>'


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, started once."""
    from playwright.sync_api import sync_playwright

    path = _chromium()
    if path is None:
        pytest.skip("no browser: none of " + ", ".join(NAMES) + " is installed, and chromium could not be")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to sandbox the superuser
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=sandbox)
        yield started
        started.close()


@pytest.fixture
def new_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Makes pages, e.g. `new_page(offline=True)`; their complaints fail the test.

    With `refused`, the browser's own line about a question that was refused (422) is none.
    """
    contexts, complaints = [], []

    def make(*, refused: bool = False, **options: Any) -> Any:
        def heard(said: Any) -> None:
            if said.type == "error" and not (refused and "status of 422" in said.text):
                complaints.append(f"logged {said.text}")

        contexts.append(context := browser.new_context(**options))
        context.route(_leaves, lambda route: (complaints.append(f"asked for {route.request.url}"), route.abort()))
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(f"threw {error}"))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not complaints, f"the page {'; '.join(complaints)}"


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """One page."""
    return new_page()


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """`http://127.0.0.1:port`: an empty page there, and our modules beside it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Modules)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


class _Modules(SimpleHTTPRequestHandler):
    """Our modules; an empty page at the root."""

    def do_GET(self) -> None:
        if self.path != "/":
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(BLANK)))
        self.end_headers()
        self.wfile.write(BLANK)

    def translate_path(self, path: str) -> str:
        """The file of a module, wherever it lies."""
        found = [place / Path(path).name for place in STATIC]
        return str(next((file for file in found if file.exists()), found[0]))

    def log_message(self, *_: Any) -> None:
        """Says nothing: what a test prints is about the test."""


def _leaves(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in HERE


def _chromium() -> str | None:
    """Where a Chromium is; where none is, the superuser's package manager is asked for one, once."""
    if (found := _installed()) is not None or os.geteuid() != 0 or not shutil.which("apt-get"):
        return found
    with (Path(tempfile.gettempdir()) / "chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of the workers one installs, the others wait for it
        for command in ("update", "install -y chromium"):  # a new machine has no list of packages yet
            if _installed() is None:
                subprocess.run(["apt-get", *command.split()], capture_output=True, timeout=270, check=False)
    return _installed()


def _installed() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)
