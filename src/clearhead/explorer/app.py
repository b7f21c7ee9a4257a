"""The explorer as an application on this machine: the page, and the numbers that it asks for.

Only programs on this machine reach it, and of those only who knows its address: it binds to the loopback, every path
begins with a secret, a request must name this host and, where a page sends it, come from the page itself. The page may
load nothing from elsewhere. Models work one question at a time, behind a queue of bounded length.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from clearhead.errors import ClearheadError
from clearhead.explorer.bundle import page_files
from clearhead.explorer.inspector import Inspector
from clearhead.explorer.questions import Asked
from clearhead.parsing import Json

__all__ = ["explorer", "new_secret"]

_MOST_BYTES = 4 * 2**20  # of a request
_WAITING = 512  # questions: a hundred open pages ask some each
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def new_secret() -> str:
    """What the application's address begins with."""
    return secrets.token_urlsafe(16)


def explorer(inspector: Inspector, secret: str, port: int) -> FastAPI:
    """The application for one model; it answers on this port only to 127.0.0.1 and localhost."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    worker = _Worker()
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    @app.middleware("http")
    async def guard(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = _refused(request, secret, hosts) or await call(request)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(ClearheadError)
    async def fixable(_: Request, error: ClearheadError) -> Response:
        return JSONResponse({"error": str(error)}, 422)

    @app.exception_handler(RequestValidationError)
    async def nonsense(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return JSONResponse({"error": f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}"}, 422)

    @app.exception_handler(HTTPException)
    async def unread(_: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.get(f"/{secret}/about")
    def about() -> Json:
        return {"title": inspector.title, "inputs": inspector.task.inputs}

    @app.get(f"/{secret}/{{name:path}}")
    def page(name: str) -> Response:
        return _file(name or "index.html")

    @app.post(f"/{secret}/answer")
    async def answer(asked: Asked) -> Response:
        return await worker.do(lambda: inspector.answer(asked))

    return app


class _Worker:
    """One thread that does everything a model has to do, in order."""

    def __init__(self) -> None:
        self._thread, self._waiting = ThreadPoolExecutor(1, "model"), 0

    async def do(self, work: Callable[[], Any]) -> Response:
        if self._waiting >= _WAITING:
            return JSONResponse({"error": "too many questions wait\n  fix: ask again in a moment"}, 503)
        self._waiting += 1
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, lambda: _json(work()))
        finally:
            self._waiting -= 1
        return found


def _json(found: Any) -> Response:
    try:
        return JSONResponse(found)
    except ValueError:  # JSON knows neither infinities nor what is not a number
        problem, fix = "the model's numbers have become infinite, or none at all", "take the last change back"
        raise ClearheadError(problem, fix) from None


def _refused(request: Request, secret: str, hosts: set[str]) -> Response | None:
    """Why a request is not answered, if it is not."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    parts = request.scope["path"].split("/", 2)
    known = len(parts) > 2 and secrets.compare_digest(parts[1].encode(), secret.encode())
    if host not in hosts or not known:
        return Response("not found", 404)
    if origin is not None and origin not in {f"http://{name}" for name in hosts}:
        return Response("not from here", 403)
    if request.method == "POST":
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return Response("JSON is wanted", 415)
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > _MOST_BYTES:
            return Response(f"at most {_MOST_BYTES:,} bytes", 413)
    return None


def _file(name: str) -> Response:
    """A file of the page; no other."""
    suffix = "." + name.rpartition(".")[2]
    if name not in page_files() or suffix not in _TYPES:
        return Response("not found", 404)
    return Response(page_files()[name].read_bytes(), media_type=f"{_TYPES[suffix]}; charset=utf-8")
