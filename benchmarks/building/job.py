"""The rows and the work that all three are given: a note is checked, answered by a model, told apart, drawn."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import PIL.Image
import PIL.ImageDraw

SIZE = (640, 480)


def row_id(number: int) -> str:
    return f"chart-{hashlib.sha256(str(number).encode()).hexdigest()[:16]}"


def note(number: int) -> str:
    """A question; every tenth is too short, and every 25th is asked twice."""
    number -= number % 25 == 24
    return " ".join(f"word{(number * step) % 99_991}" for step in range(1, 2 if number % 10 == 3 else 12))


def is_long(text: str) -> bool:
    """The first stage."""
    return len(text.split()) > 3


def draw(text: str) -> bytes:
    """The last stage: about 10 ms of drawing and compressing."""
    picture = PIL.Image.new("RGB", SIZE, "white")
    pen = PIL.ImageDraw.Draw(picture)
    for place in range(12):
        digest = hashlib.sha256(f"{text}{place}".encode()).digest()
        pen.text((10 + digest[0], 40 * place), f"{digest.hex()} {text}", fill=tuple(digest[1:4]))
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


class Endpoint(ThreadingHTTPServer):
    """A model that answers at once, in a process that nobody measures."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self) -> None:
        ThreadingHTTPServer.__init__(self, ("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        content = body["messages"][0]["content"]
        asked = content if isinstance(content, str) else content[0]["text"]
        message = {"role": "assistant", "content": f"answer to: {asked}"}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
        data = json.dumps(
            {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": choices, "usage": usage}
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
