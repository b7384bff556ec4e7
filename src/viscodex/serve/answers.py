"""Answers in OpenAI's shapes: a whole chat completion, or the chunks of a stream."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from viscodex.model.generate import Completion

DONE = b"data: [DONE]\n\n"
ALIVE = b": waiting\n\n"
"""A comment of the protocol: clients skip it, proxies see that the connection lives."""


@dataclass(frozen=True)
class Head:
    """What every piece of an answer repeats."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def _with(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        head = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return {**head, "choices": choices, **more}

    def whole(self, completions: Sequence[Completion]) -> dict[str, Any]:
        """A chat completion with a choice for each answer."""
        choices = [
            {
                "index": one.index,
                "message": {"role": "assistant", "content": one.text, "refusal": None},
                "logprobs": None,
                "finish_reason": one.finish,
            }
            for one in sorted(completions, key=lambda one: one.index)
        ]
        return self._with("chat.completion", choices, usage=usage(completions))

    def chunk(self, index: int, delta: dict[str, str], finish: str | None, *, counts: bool) -> bytes:
        """A piece of an answer; where usage will come at the end, pieces say that it is not there yet."""
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event(self._with("chat.completion.chunk", [choice], **({"usage": None} if counts else {})))

    def usage_chunk(self, completions: Sequence[Completion]) -> bytes:
        return event(self._with("chat.completion.chunk", [], usage=usage(completions)))


def usage(completions: Sequence[Completion]) -> dict[str, int]:
    """Tokens read, once for all answers, and written."""
    read = max((one.usage.prompt_tokens for one in completions), default=0)
    written = sum(one.usage.completion_tokens for one in completions)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def event(value: Any) -> bytes:
    """A server-sent event."""
    return f"data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()
