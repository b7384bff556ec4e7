"""A language model's endpoint on a loopback port, which does what a test says: answers, refuses, hangs, breaks off.

with Endpoint(lambda call: Says(call.text.upper())) as endpoint:
    endpoint.then(Status(429, {"retry-after": "0.1"}), Reset())   # the next calls; afterwards as above
    ... endpoint.url ...
    assert endpoint.counts["hello"] == 1
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Call:
    """One chat completion that was asked for."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def parts(self) -> list[str | bytes]:
        """The texts and pictures of all messages, in order."""
        found: list[str | bytes] = []
        for message in self.body["messages"]:
            content = message["content"]
            for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
                if part["type"] == "text":
                    found.append(part["text"])
                else:
                    found.append(base64.b64decode(part["image_url"]["url"].partition(",")[2], validate=True))
        return found

    @property
    def text(self) -> str:
        return "\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def pictures(self) -> list[bytes]:
        return [part for part in self.parts if isinstance(part, bytes)]


@dataclass(frozen=True)
class Says:
    """An answer, after a moment; `pieces` when it is streamed (else its words)."""

    text: str | None
    finish: str | None = "stop"
    usage: tuple[int, int] | None = (10, 5)
    delay: float = 0.0
    pieces: Sequence[str] = ()
    pause: float = 0.0
    breaks_off: bool = False

    def body(self, call: Call) -> dict[str, Any]:
        message = {"role": "assistant", "content": self.text}
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        return {"id": "c", "object": "chat.completion", "model": "served", "choices": [choice]} | self.counted()

    def counted(self) -> dict[str, Any]:
        if self.usage is None:
            return {}
        read, written = self.usage
        return {"usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}}

    def chunks(self) -> list[dict[str, Any]]:
        text = self.text or ""
        pieces = self.pieces or [word + " " for word in text.split(" ")[:-1]] + text.split(" ")[-1:]
        found = [_chunk({"content": piece}, None) for piece in pieces]
        if not self.breaks_off:
            found.append(_chunk({}, self.finish))
            if self.usage:
                found.append(_chunk({}, None) | {"choices": []} | self.counted())
        return found


@dataclass(frozen=True)
class Status:
    """An HTTP status with its body."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default_factory=lambda: {"error": {"message": "no", "code": None}})


@dataclass(frozen=True)
class Bytes:
    """A 200 with any body."""

    content: bytes
    kind: str = "application/json"


@dataclass(frozen=True)
class Cut:
    """Half of the bytes that were promised, then the end."""


@dataclass(frozen=True)
class Drip:
    """A body that comes a byte at a time, for ever."""


@dataclass(frozen=True)
class Hang:
    """Nothing, for so long."""

    seconds: float = 60.0


@dataclass(frozen=True)
class Reset:
    """The connection is torn down."""


Answer = Says | Status | Bytes | Cut | Drip | Hang | Reset
TORN = Bytes(b'{"choices": [{"message": {"content": "Sc')
PAGE = Bytes(b"<html><body>Please log in</body></html>", "text/html")


def _chunk(delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "served", "choices": [choice]}


class Endpoint:
    """The server; `answer` decides for each call, after what `then` has queued. Batches take `polls` looks to end."""

    def __init__(self, answer: Callable[[Call], Answer] | str = "yes", *, polls: int = 1, port: int = 0) -> None:
        self.answer = (lambda call: Says(answer)) if isinstance(answer, str) else answer
        self.polls = polls
        self.calls: list[Call] = []
        self.counts: Counter[str] = Counter()  # calls by their text
        self.in_flight = self.most_in_flight = 0
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.stopped = threading.Event()
        self.turn = threading.Lock()
        self._next: deque[Answer] = deque()
        endpoint = self

        class Handler(_Handler):
            of = endpoint

        self._server = _Server(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def then(self, *answers: Answer) -> None:
        """What the next calls get, whatever they ask."""
        self._next.extend(answers)

    def decide(self, call: Call) -> Answer:
        with self.turn:
            self.calls.append(call)
            self.counts[call.text] += 1
            if self._next:
                return self._next.popleft()
        return self.answer(call)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # the default of 5 makes many callers wait a second for their connection
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    of: Endpoint
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/v1/chat/completions":
            self._chat(Call(json.loads(content), dict(self.headers.items())))
        elif self.path == "/v1/files":
            self._upload(content)
        elif self.path == "/v1/batches":
            self._begin_batch(json.loads(content))
        else:
            self._json(404, {"error": {"message": "no such path"}})

    def do_GET(self) -> None:
        parts = self.path.partition("?")[0].split("/")[2:]
        match parts:
            case ["batches"]:
                rows = sorted(self.of.batches.values(), key=lambda batch: batch["id"])
                self._json(200, {"object": "list", "data": rows, "has_more": False})
            case ["batches", name] if name in self.of.batches:
                self._json(200, self._look_at_batch(self.of.batches[name]))
            case ["files", name, "content"] if name in self.of.files:
                self._send(200, self.of.files[name], "application/octet-stream")
            case [] if self.path == "/health":
                self._send(200, b"", "text/plain")
            case _:
                self._json(404, {"error": {"message": "no such path"}})

    def _chat(self, call: Call) -> None:
        with self.of.turn:
            self.of.in_flight += 1
            self.of.most_in_flight = max(self.of.most_in_flight, self.of.in_flight)
        try:
            self._give(call, self.of.decide(call))
        finally:
            with self.of.turn:
                self.of.in_flight -= 1

    def _give(self, call: Call, answer: Answer) -> None:
        match answer:
            case Says():
                self.of.stopped.wait(answer.delay)
                if call.body.get("stream"):
                    self._stream(answer)
                else:
                    self._json(200, answer.body(call))
            case Status(code, headers, body):
                self._json(code, body, headers)
            case Bytes(content, kind):
                self._send(200, content, kind)
            case Hang(seconds):
                self.of.stopped.wait(seconds)
                self.close_connection = True
            case Drip():
                self._drip()
            case Cut():
                self._head(200, "application/json", {"content-length": "1000"})
                self.wfile.write(b'{"choices": [')
                self.close_connection = True
            case Reset():
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.connection.close()

    def _stream(self, answer: Says) -> None:
        self._head(200, "text/event-stream", {"connection": "close"})
        self.close_connection = True
        for chunk in answer.chunks():
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
            self.of.stopped.wait(answer.pause)
        if not answer.breaks_off:
            self.wfile.write(b"data: [DONE]\n\n")

    def _drip(self) -> None:
        self._head(200, "application/json", {"content-length": "100000"})
        while not self.of.stopped.wait(0.05):
            self.wfile.write(b" ")
            self.wfile.flush()

    def _upload(self, content: bytes) -> None:
        """One part of the form holds lines of JSON."""
        boundary = self.headers["content-type"].partition("boundary=")[2].strip('"').encode()
        parts = content.split(b"--" + boundary)
        (data,) = [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in parts if b'filename="' in part]
        self._json(200, self._file(data))

    def _file(self, data: bytes) -> dict[str, Any]:
        name = f"file-{len(self.of.files)}"
        self.of.files[name] = data
        shape = {"object": "file", "bytes": len(data), "created_at": 0, "filename": "f", "purpose": "batch"}
        return {"id": name, "status": "processed", **shape}

    def _begin_batch(self, order: dict[str, Any]) -> None:
        name = f"batch-{len(self.of.batches)}"
        shape = {"object": "batch", "created_at": 0, "status": "in_progress", "polls": 0}
        self.of.batches[name] = {"id": name, **shape, **order}
        self._json(200, self.of.batches[name])

    def _look_at_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["polls"] += 1
        if batch["status"] == "in_progress" and batch["polls"] >= self.of.polls:
            batch["status"] = "completed"
            good, bad = [], []
            for line in self.of.files[batch["input_file_id"]].splitlines():
                row = json.loads(line)
                call = Call(row["body"], {})
                answer = self.of.decide(call)
                if isinstance(answer, Says):
                    response = {"status_code": 200, "body": answer.body(call)}
                    good.append({"custom_id": row["custom_id"], "response": response, "error": None})
                else:
                    assert isinstance(answer, Status)
                    response = {"status_code": answer.code, "body": answer.body}
                    bad.append({"custom_id": row["custom_id"], "response": response, "error": None})
            for key, rows in (("output_file_id", good), ("error_file_id", bad)):
                if rows:
                    batch[key] = self._file("\n".join(map(json.dumps, reversed(rows))).encode())["id"]
        return batch

    def _json(self, code: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        self._send(code, json.dumps(body).encode(), "application/json", headers)

    def _send(self, code: int, content: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self._head(code, kind, {"content-length": str(len(content)), **(headers or {})})
        self.wfile.write(content)

    def _head(self, code: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(code)
        self.send_header("content-type", kind)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
