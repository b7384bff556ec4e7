"""What is asked of a language model and what it says: nouns that the client, the endpoint and the judge share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from viscodex.core.errors import VisCodexError

Role = Literal["system", "user", "assistant"]

Fault = Literal["rate", "server", "timeout", "connection", "reply", "refused", "key", "filtered", "quota", "budget"]
"""Why there is no reply. rate: 429 until patience ran out. server: 5xx. reply: not the JSON of a chat completion.
refused: the request is wrong (400, 404, 422). key: 401, 403. filtered: the content filter of the service. quota: the
account is empty. budget: our own limit."""


@dataclass(frozen=True)
class Message:
    """One turn: texts and encoded pictures (PNG, JPEG, WebP, GIF) in reading order."""

    role: Role
    parts: tuple[str | bytes, ...]

    def __post_init__(self) -> None:
        whole = tuple(without_halves(part) if isinstance(part, str) else part for part in self.parts)
        object.__setattr__(self, "parts", whole)


@dataclass(frozen=True)
class Request:
    """A question to a model: `params` go to the service as they are (temperature, max_tokens, response_format, …).

    `index` tells samples of the same question apart; `tag` names the prompt and its version. Neither is sent.
    """

    model: str
    messages: tuple[Message, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    index: int = 0
    tag: str = ""

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that the reply depends on; pictures by their own hash. The service's address is not in it."""
        turns = [[message.role, [_identity(part) for part in message.parts]] for message in self.messages]
        content = [self.model, dict(self.params), turns, self.index, self.tag]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Reply(BaseModel):
    """An answer of a model. `finish` is the service's word ("stop", "length", …), `raw` its whole reply.

    `seconds` is the time of the call that was paid for; `is_cached`: this time none was. `is_estimated`: the service
    did not count tokens, so we did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    is_estimated: bool = False
    seconds: float = 0.0
    model: str = ""
    raw: str = Field(default="", repr=False)
    is_cached: bool = False


class AskError(VisCodexError):
    """A model was asked and gave no answer. Never taken for an answer: what depended on it is not known."""

    def __init__(self, fault: Fault, problem: str, where: str = "", hint: str = "") -> None:
        super().__init__(problem, where, hint)
        self.fault: Fault = fault

    def __reduce__(self) -> tuple[Any, ...]:
        return AskError, (self.fault, self.problem, self.where, self.hint)


def without_halves(text: str) -> str:
    """Text that UTF-8 can hold: halves of surrogate pairs are joined where they meet, else become U+FFFD."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _identity(part: str | bytes) -> Any:
    return part if isinstance(part, str) else {"sha256": hashlib.sha256(part).hexdigest()}
