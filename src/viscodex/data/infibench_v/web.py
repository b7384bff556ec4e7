"""The desk's page: served on this machine only, to the page itself only.

Three things keep others out: the Host header must name this machine (a name of another site may be made to point here),
every request that changes or runs something carries a token that only our page knows, and the page may load nothing
but what we serve. Whatever comes from a post is put into the page as text, never as markup.
"""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Callable
from importlib import resources
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from viscodex.core.errors import UsageError
from viscodex.data.infibench_v.decisions import Kind
from viscodex.data.infibench_v.desk import Desk, RefusedError

LOCAL = ("localhost", "127.0.0.1")
TOKEN = "x-desk-token"
LARGEST = 2_000_000
"""Bytes of a request."""
POLICY = "default-src 'none'; img-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'"
HEADERS = {
    "content-security-policy": f"{POLICY}; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".bmp": "image/bmp"}
FILES = {"desk.js": "text/javascript", "desk.css": "text/css"}


class Asked(BaseModel):
    """What the page sends: which candidate, and what of its record is changed."""

    model_config = ConfigDict(extra="forbid")

    id: str
    changes: dict[str, Any] = {}


class Decided(Asked):
    """A decision."""

    kind: Kind
    reason: str = ""


def create_app(desk: Desk) -> FastAPI:
    """The routes. The page holds the token; it is new with every start."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    token = secrets.token_urlsafe(24)
    page = _static("desk.html").replace("@token@", token)

    @app.middleware("http")
    async def door(request: Request, go_on: Callable[[Request], Any]) -> Response:
        refusal = _refusal(request, token)
        answer: Response = _problem(403, refusal) if refusal else await go_on(request)
        answer.headers.update(HEADERS)
        return answer

    @app.exception_handler(RefusedError)
    async def refused(_: Request, error: RefusedError) -> Response:
        return _problem(422, error.problem)

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        return _problem(422, "not a request that this page makes")

    @app.get("/")
    def show() -> Response:
        return Response(page, media_type="text/html; charset=utf-8")

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in FILES:
            return _problem(404, "no such file")
        return Response(_static(name), media_type=FILES[name])

    @app.get("/api/overview")
    def overview() -> dict[str, Any]:
        return desk.overview()

    @app.get("/api/agreement")
    def agreement() -> list[dict[str, Any]]:
        return desk.agreement()

    @app.get("/api/candidate/{name}")
    def candidate(name: str) -> dict[str, Any]:
        return desk.candidate(name)

    @app.get("/pictures/{name}/{number}")
    def picture(name: str, number: int) -> Response:
        path = desk.picture(name, number)
        kind = PICTURES.get(path.suffix, "application/octet-stream")
        return Response(path.read_bytes(), media_type=kind)

    @app.post("/api/decide")
    def decide(decided: Decided) -> dict[str, Any]:
        desk.decide(decided.id, decided.kind, decided.reason, decided.changes)
        return desk.overview()

    @app.post("/api/try")
    def try_out(asked: Asked) -> dict[str, Any]:
        return desk.try_out(asked.id, asked.changes)

    return app


def _refusal(request: Request, token: str) -> str:
    """Why a request is not answered; "" when it is."""
    host = request.headers.get("host", "").rpartition(":")
    if (host[0] or host[2]).lower() not in LOCAL:
        return "this desk is not called that"
    if request.method not in ("GET", "HEAD", "POST"):
        return "no such method"
    if request.method == "POST":
        if not hmac.compare_digest(request.headers.get(TOKEN, "").encode(), token.encode()):
            return "not from this page; load it again"
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > LARGEST:
            return f"more than {LARGEST} bytes"
    return ""


def _problem(status: int, text: str) -> JSONResponse:
    return JSONResponse({"problem": text}, status)


def _static(name: str) -> str:
    return resources.files(__package__).joinpath("static", name).read_text(encoding="utf-8")


def serve(desk: Desk, port: int, ready: Callable[[str], None]) -> None:
    """Serve on 127.0.0.1 until a signal comes; port 0 is any free one."""
    try:
        place = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(f"cannot listen: {error.strerror}", f"127.0.0.1:{port}", "another --port") from error
    config = uvicorn.Config(create_app(desk), log_level="warning", access_log=False, proxy_headers=False, ws="none")
    ready(f"http://127.0.0.1:{place.getsockname()[1]}")
    uvicorn.Server(config).run([place])
