"""A real server in this process: uvicorn on a loopback port, a tiny model behind it."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import numpy as np
import PIL.Image
import pytest

from viscodex.model.local import Local
from viscodex.serve.api import create_app
from viscodex.serve.desk import Access
from viscodex.serve.engine import Engine
from viscodex.serve.limits import Limits
from viscodex.serve.metrics import Metrics
from viscodex.serve.server import Server, listen

PATIENCE_S = 60


def png(seed: int = 0, height: int = 84, width: int = 112) -> bytes:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def ask(*content: Any, **more: Any) -> dict[str, Any]:
    """The body of a request: texts, and pictures as data URIs."""
    parts = [
        {"type": "image_url", "image_url": {"url": part}}
        if part.startswith("data:")
        else {"type": "text", "text": part}
        for part in content
    ]
    return {"model": "vlm", "messages": [{"role": "user", "content": parts}], "max_tokens": 12, **more}


@dataclass
class Served:
    """A running server."""

    url: str
    port: int
    engine: Engine
    metrics: Metrics
    server: Server
    thread: threading.Thread
    keys: tuple[str, ...] = field(default=())

    def post(self, body: Any = None, **more: Any) -> httpx2.Response:
        return httpx2.post(f"{self.url}/chat/completions", json=body, timeout=PATIENCE_S, **more)

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE_S)

    def raw(self, head: str, body: bytes = b"") -> socket.socket:
        """A connection on which this was sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return connection

    def post_raw(self, content: bytes, length: int | None = None, more: str = "") -> socket.socket:
        size = len(content) if length is None else length
        head = f"POST /v1/chat/completions HTTP/1.1\nhost: localhost\ncontent-type: application/json\n{more}"
        return self.raw(f"{head}content-length: {size}", content)

    def metric(self, name: str) -> float:
        return self.metrics.registry.get_sample_value(f"viscodex_{name}") or 0.0

    def until(self, claim: Callable[[], bool]) -> None:
        """Wait for something to become true; it is a failure if it does not."""
        deadline = time.monotonic() + PATIENCE_S
        while not claim():
            assert time.monotonic() < deadline, "it did not come true"
            time.sleep(0.02)

    def until_idle(self) -> None:
        self.until(lambda: not any(self.get("/health").json()[name] for name in ("requests", "waiting", "running")))


@pytest.fixture(scope="session")
def local(tiny: Any) -> Local:
    return Local(tiny().vlm, batch_size=4)


@pytest.fixture(scope="module")
def serve(local: Local) -> Iterator[Callable[..., Served]]:
    """`serve(limits=Limits(…), keys=(…), aliases=(…), model=…)`: a server of its own, ended with the module's tests.

    `engines(metrics)`: other writers than the tiny model. `around(app)`: what stands before the application.
    """
    running: list[Served] = []

    def start(
        limits: Limits = Limits(),
        keys: tuple[str, ...] = (),
        aliases: tuple[str, ...] = (),
        model: Any = None,
        engines: Callable[[Metrics], list[Any]] | None = None,
        plays: bool = True,
        around: Callable[[Any], Any] = lambda app: app,
    ) -> Served:
        metrics = Metrics()
        writers = engines(metrics) if engines else [Engine(model or local, metrics)]
        engine = writers[0]
        access = Access(keys, () if keys else Access().hosts)
        app = create_app(writers, metrics, access=access, limits=limits, aliases=aliases, plays=plays)
        server, place = Server(around(app), writers, limits), listen("127.0.0.1", 0)
        thread = threading.Thread(target=server.run, args=([place],), daemon=True)
        thread.start()
        port = place.getsockname()[1]
        served = Served(f"http://127.0.0.1:{port}/v1", port, engine, metrics, server, thread, keys)
        running.append(served)
        served.until(lambda: server.started)
        return served

    yield start
    for served in running:
        served.server.stop()
    for served in running:
        served.thread.join(PATIENCE_S)
        assert not served.thread.is_alive()
        assert not served.engine._thread.is_alive()


@pytest.fixture(scope="module")
def served(serve: Callable[..., Served]) -> Served:
    """One with limits as they come."""
    return serve()


def error(response: httpx2.Response) -> dict[str, Any]:
    """The typed error of a response; every field that OpenAI's clients read is there."""
    found = json.loads(response.content)["error"]
    assert set(found) == {"message", "type", "param", "code"}
    assert response.headers["content-type"] == "application/json"
    return found
