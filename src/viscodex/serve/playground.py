"""The playground: a page at `/` to try models in, and what it needs beside the API that every client has.

Code is written by POST /v1/chat/completions; here pictures are looked at, answers run in the sandbox and compared, and
pages shown in frames that reach nothing (`preview`). The page itself takes scripts and styles from here alone.
"""

from __future__ import annotations

import asyncio
import base64
import re
from importlib import resources
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import KINDS, Kind
from viscodex.model.extract import extract
from viscodex.model.prompts import default_prompt
from viscodex.serve import body
from viscodex.serve.asked import Gallery, misread
from viscodex.serve.desk import Desk, Visit
from viscodex.serve.faults import ApiError
from viscodex.serve.kind import kind_of
from viscodex.serve.limits import Limits
from viscodex.serve.outcome import RUNS, run
from viscodex.serve.preview import PATH, Previews, headers
from viscodex.serve.similarity import compare_png
from viscodex.version import __version__

TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'; frame-src {frames}"
)
HOST = re.compile(r"[a-z0-9.-]+(?::\d+)?", re.IGNORECASE)
SAMPLES: tuple[dict[str, str], ...] = (
    {"name": "page", "title": "A web page", "kind": "html", "prompt": ""},
    {"name": "chart", "title": "A chart", "kind": "chart", "prompt": ""},
    {
        "name": "pattern",
        "title": "A pattern",
        "kind": "algorithm",
        "prompt": "The picture shows a pattern of four rows. Write a Python program that prints it with six rows.",
    },
)


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


T = TypeVar("T", bound=_Asked)


class Look(_Asked):
    """A picture, whose kind is wanted."""

    picture: str


class Shown(_Asked):
    """A page to be shown in a frame."""

    code: str
    scripts: bool = False


class Run(_Asked):
    """An answer, whose code is wanted, and what becomes of it; `picture`: what it should look like."""

    kind: Kind
    answer: str
    picture: str | None = None
    runs: bool = True


class Ran(BaseModel):
    """The code in an answer, and its outcome. `status` "not_run": nobody asked, or the kind is not run."""

    code: str
    status: str = "not_run"
    reason: str = ""
    output: str = ""
    picture: str = ""
    similarity: float | None = None
    regions: list[tuple[float, float, float, float]] = Field(default_factory=list)


def add(app: FastAPI, desk: Desk, *, needs_key: bool) -> None:
    """The routes of the page."""
    files, previews = _files(), Previews()
    loop = asyncio.get_running_loop

    @app.get("/", response_model=None)
    async def page(request: Request) -> Response:
        policy = POLICY.format(frames=_frames(request.headers.get("host", "")))
        return Response(
            files["playground.html"], media_type="text/html", headers=_own({"content-security-policy": policy})
        )

    @app.get(PATH + "{name}", response_model=None)
    async def preview(request: Request, name: str) -> Response:
        found = previews.get(name)
        if found is None:
            raise ApiError(404, "this preview is gone: later ones took its place", "not_found")
        sent = headers(found, request.headers.get("sec-fetch-dest", ""))
        return Response(found.page, media_type="text/html; charset=utf-8", headers=sent)

    @app.get("/playground/about")
    async def about() -> dict[str, Any]:
        return _about(desk, needs_key)

    @app.get("/playground/{name:path}", response_model=None)
    async def file(name: str) -> Response:
        if name not in files:
            raise ApiError(404, f"no such file: {name}", "not_found")
        kind = TYPES["." + name.rpartition(".")[2]]
        return Response(files[name], media_type=kind, headers=_own({}))

    @app.post("/playground/look")
    async def look(request: Request) -> dict[str, Any]:
        with Visit(desk):
            content = await body.read(request, desk.limits)
            return await loop().run_in_executor(desk.readers, _look, content, desk.limits)

    @app.post("/playground/preview")
    async def show(request: Request) -> dict[str, str]:
        asked = _read(Shown, await body.read(request, desk.limits))
        return {"path": previews.keep(asked.code, is_live=asked.scripts)}

    @app.post("/playground/run")
    async def run_answer(request: Request) -> JSONResponse:
        with Visit(desk):
            content = await body.read(request, desk.limits)
            found = await loop().run_in_executor(desk.runner, _run, content, desk.limits)
            return JSONResponse(found.model_dump())


def _about(desk: Desk, needs_key: bool) -> dict[str, Any]:
    return {
        "version": __version__,
        "models": [engine.name for engine in desk.engines],
        "prompts": {kind: default_prompt(kind).text for kind in KINDS},
        "runs": RUNS,
        "samples": SAMPLES,
        "needs_key": needs_key,
        "limits": {name: getattr(desk.limits, name) for name in ("body", "pixels", "tokens")},
    }


def _look(content: bytes, limits: Limits) -> dict[str, Any]:
    image = Gallery(limits).take(_read(Look, content).picture, "picture").load()
    return {"kind": kind_of(image), "width": image.width, "height": image.height}


def _run(content: bytes, limits: Limits) -> Ran:
    """Find the code, run it in the sandbox, compare its picture with the one it should be like."""
    asked = _read(Run, content)
    code = extract(asked.answer, asked.kind)
    if asked.kind not in RUNS or not asked.runs:
        return Ran(code=code)
    wanted = Gallery(limits).take(asked.picture, "picture") if asked.picture else None
    try:
        outcome = run(asked.kind, code, *([wanted.load().size] if wanted else []))
    except VisCodexError as error:
        message = f"this server cannot run it: {error.problem}" + (f" ({error.hint})" if error.hint else "")
        raise ApiError(503, message, "cannot_run") from None
    ran = Ran(code=code, status=outcome.status, reason=outcome.reason, output=outcome.output)
    if outcome.png:
        ran.picture = f"data:image/png;base64,{base64.b64encode(outcome.png).decode()}"
    if wanted and outcome.png and outcome.is_ok and asked.kind in ("html", "chart"):
        likeness = compare_png(outcome.png, wanted.read())
        ran.similarity, ran.regions = round(likeness.value, 4), list(likeness.regions)
    return ran


def _read(shape: type[T], content: bytes) -> T:
    try:
        return shape.model_validate_json(content)
    except ValidationError as error:
        raise misread(error, shape.model_fields) from None


def _frames(host: str) -> str:
    """Where frames may be from: the previews, and nothing else of this server. Policies know no IPv6 addresses."""
    if not HOST.fullmatch(host):
        return "'self'"
    return f"http://{host}{PATH} https://{host}{PATH}"


def _own(more: dict[str, str]) -> dict[str, str]:
    return {"cache-control": "no-cache", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", **more}


def _files() -> dict[str, bytes]:
    """The page's files, by path below /playground/."""
    folder = resources.files("viscodex.serve").joinpath("page")
    found = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    samples = {f"samples/{file.name}": file.read_bytes() for file in folder.joinpath("samples").iterdir()}
    return found | samples
