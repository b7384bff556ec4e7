"""A stand-in for a language model: a real server on a loopback port, whose answers are canned or cut from the question.

`llm.endpoint = "scripted"` builds a whole data set offline with it, every call over HTTP as to any service. It has no
skill: pages are put together from lists, scripts come back as they were, marks are drawn by hash. The card says so.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from viscodex.data.recipe import SCRIPTED_MODEL
from viscodex.data.scripted_page import page
from viscodex.data.wording import wording

CHARACTERS_OF_A_TOKEN = 4


class ScriptedEndpoint:
    """Serves `/v1/chat/completions` while it is open."""

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        content = json.dumps(completion(body)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def completion(body: Mapping[str, Any]) -> dict[str, Any]:
    """The chat completion for a request's body."""
    asked = _texts(body)
    answer = reply(asked, hashlib.sha256(json.dumps(body["messages"]).encode()).digest())
    read, written = len(asked) // CHARACTERS_OF_A_TOKEN, len(answer) // CHARACTERS_OF_A_TOKEN
    return {
        "id": "scripted",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": SCRIPTED_MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    }


def reply(asked: str, chance: bytes) -> str:
    """What is answered to a prompt of ours; `chance` is drawn from the whole question, its pictures too."""
    for version, answer in ANSWERS.items():
        if wording(version).text.partition("{")[0] in asked:  # up to its first slot
            return answer(asked, chance)
    return "I am a script and know no answer to this."


def _texts(body: Mapping[str, Any]) -> str:
    found = []
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        found += [part["text"] for part in parts if part["type"] == "text"]
    return "\n".join(found)


def _design(asked: str, chance: bytes) -> str:
    topic = _between(asked, "The new page is about: ", ".\n")
    return f"```html\n{page(topic, chance)}\n```"


def _same_script(asked: str, chance: bytes) -> str:
    return "```python\n" + asked.partition("\n```python\n")[2].rpartition("\n```")[0] + "\n```"


def _marks(asked: str, chance: bytes) -> str:
    marks = (2, 3, 4, 4, 4, 5, 5, 5)[chance[0] % 8]
    return f"A script gives these marks by lot. They say nothing of the picture.\nScore: {marks}"


def _needed(asked: str, chance: bytes) -> str:
    return json.dumps({"needed": chance[0] % 8 > 0, "reason": "drawn by lot: a script saw neither text nor picture"})


def _same_answer(asked: str, chance: bytes) -> str:
    return _between(asked, "ANSWER BEGINS\n", "\nANSWER ENDS")


def _other_words(asked: str, chance: bytes) -> str:
    """The same words behind a few more: a script has no others."""
    lead = ("Put differently:", "In other words:", "What is asked here:")[chance[0] % 3]
    return lead + "\n\n" + _between(asked, "QUESTION BEGINS\n", "\nQUESTION ENDS")


def _between(text: str, start: str, end: str) -> str:
    return (
        text.partition(start)[2].rpartition(end)[0]
        if end.startswith("\n")
        else text.partition(start)[2].partition(end)[0]
    )


ANSWERS: dict[str, Callable[[str, bytes], str]] = {
    "html-design-1": _design,
    "html-quality-1": _marks,
    "chart-rewrite-1": _same_script,
    "chart-repair-1": _same_script,
    "chart-aesthetics-1": _marks,
    "qa-needed-1": _needed,
    "qa-refine-1": _same_answer,
    "infibench-v-paraphrase-1": _other_words,
}
