"""The OpenAI-compatible server: POST /v1/chat/completions, /v1/files, GET /v1/models, /health and /metrics.

The event loop only moves bytes: JSON and pictures are read in a pool of two threads, answers written in the engines'.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from viscodex.core.sample import Image
from viscodex.serve import answers, asked, body, files, playground
from viscodex.serve.desk import Access, Desk, Visit
from viscodex.serve.door import Door, owner
from viscodex.serve.engine import Job, Writer
from viscodex.serve.faults import ApiError, answer_errors
from viscodex.serve.limits import Limits
from viscodex.serve.metrics import Metrics
from viscodex.serve.replies import Events, EventStream, chunks, first_event, unless_left
from viscodex.version import __version__


def create_app(
    engines: Sequence[Writer],
    metrics: Metrics,
    *,
    access: Access = Access(),
    limits: Limits = Limits(),
    aliases: Sequence[str] = (),
    plays: bool = True,
) -> FastAPI:
    """The application; it closes the engines when it ends. `aliases`: other names of the first, "*" for any.

    `plays`: whether the playground is there, which runs in the sandbox what its users send.
    """
    desk = Desk(engines, metrics, limits, aliases)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.get_running_loop().run_in_executor(None, desk.close)

    app = FastAPI(title="viscodex", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Door, keys=access.keys, hosts=access.hosts, metrics=metrics, plays=plays)
    answer_errors(app)
    _add_status(app, desk)
    files.add(app, desk)
    if plays:
        playground.add(app, desk, needs_key=bool(access.keys))

    @app.post("/v1/chat/completions", response_model=None)
    async def chat_completions(request: Request) -> Response:
        with Visit(desk) as visit:
            return await _answer(request, desk, visit)

    return app


async def _answer(request: Request, desk: Desk, visit: Visit) -> Response:
    content = await body.read(request, desk.limits)
    loop = asyncio.get_running_loop()
    whose = owner(request)

    def uploaded(name: str, param: str) -> Image:
        return desk.uploads.get(name, whose, param).image

    order = await loop.run_in_executor(desk.readers, asked.read, content, desk.names, desk.limits, uploaded)
    job = Job(order.chat, order.sampling, order.streams)
    events = visit.events = Events(job, desk.limits.answer_s, desk.metrics)
    desk.engine(order.model).submit(job)
    head = answers.Head(order.model)
    if not order.streams:
        completions = await unless_left(request.receive, events.all())
        return JSONResponse(head.whole(completions))
    first = await first_event(events, request)
    return EventStream(chunks(events, first, head, counts=order.counts), visit.handed_on())


def _add_status(app: FastAPI, desk: Desk) -> None:
    """What is served, how it is, what it has done."""

    def model(name: str) -> dict[str, str | int]:
        return {"id": name, "object": "model", "created": desk.began, "owned_by": "viscodex"}

    listed = [name for name in desk.names if name != "*"]

    @app.get("/v1/models")
    async def models() -> dict[str, object]:
        return {"object": "list", "data": [model(name) for name in listed]}

    @app.get("/v1/models/{name:path}")
    async def one_model(name: str) -> dict[str, str | int]:
        if name not in listed:
            raise ApiError(404, f"no model {name!r} here", "model_not_found", "model")
        return model(name)

    @app.get("/health")
    async def health() -> JSONResponse:
        is_well = all(engine.is_alive for engine in desk.engines)
        state = {"status": "ok" if is_well else "not ready", "models": [engine.name for engine in desk.engines]}
        counts = {"requests": desk.places.taken, "waiting": desk.waiting, "running": desk.running}
        return JSONResponse({**state, **counts}, 200 if is_well else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        desk.metrics.waiting.set(desk.waiting)
        desk.metrics.running.set(desk.running)
        return Response(desk.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
