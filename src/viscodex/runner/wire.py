"""The OpenAI-compatible chat completion as bytes: request bodies, replies, and what to make of what comes instead."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from viscodex.core.chat import AskError, Message, Reply, Request, without_halves
from viscodex.runner.cache import Cost

TOKENS_OF_A_PICTURE = 1500  # for estimates: about a page of 1280 × 960 in Qwen2.5-VL
CHARACTERS_OF_A_TOKEN = 3  # for estimates: code has fewer than prose; rather too many tokens than too few
LONGEST_COMPLETION = 4096  # for estimates, where the request sets none
MAGIC = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


def body(request: Request) -> dict[str, Any]:
    """The JSON that is sent."""
    return {"model": request.model, "messages": [_turn(message) for message in request.messages], **request.params}


def media_type(picture: bytes) -> str:
    """By the first bytes; "" when services would not take it."""
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return "image/webp"
    return next((name for magic, name in MAGIC.items() if picture.startswith(magic)), "")


def most(request: Request) -> Cost:
    """The most a call can cost, in tokens: an estimate of the prompt, and the longest answer it allows."""
    parts = [part for message in request.messages for part in message.parts]
    prompt = sum(TOKENS_OF_A_PICTURE if isinstance(part, bytes) else estimate(part) for part in parts)
    params = request.params
    return Cost(prompt, int(params.get("max_completion_tokens") or params.get("max_tokens") or LONGEST_COMPLETION))


def estimate(text: str) -> int:
    """About how many tokens a text has."""
    return len(text) // CHARACTERS_OF_A_TOKEN + 4


def reply(request: Request, raw: bytes, seconds: float) -> Reply:
    """A reply's bytes read strictly: a chat completion with a choice and a message, or AskError "reply"."""
    try:
        text = raw.decode()
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AskError("reply", f"the reply is not JSON: {error}") from None
    return completion(request, content, text, seconds)


def completion(request: Request, content: Any, raw: str, seconds: float) -> Reply:
    """The same from parsed JSON."""
    if isinstance(content, Mapping) and content.get("error"):
        raise AskError("server", f"the service says: {_short(content['error'])}")
    try:
        choice = content["choices"][0]
        message = choice["message"]
        text = _text(message.get("content")) or _text(message.get("refusal"))
    except (TypeError, KeyError, IndexError, AttributeError):
        raise AskError("reply", f"the reply is no chat completion: {_short(content)}") from None
    return finished(
        request, text, choice.get("finish_reason"), content.get("usage"), content.get("model"), raw, seconds
    )


def finished(request: Request, text: str, finish: Any, usage: Any, model: Any, raw: str, seconds: float) -> Reply:
    """A `Reply`, its tokens counted by the service, or by us."""
    read, written = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    text = without_halves(text)
    return Reply(
        text=text,
        finish=finish if isinstance(finish, str) and finish else "stop",
        prompt_tokens=most(request).prompt_tokens if read is None else read,
        completion_tokens=estimate(text) if written is None else written,
        is_estimated=read is None or written is None,
        seconds=seconds,
        model=without_halves(model) if isinstance(model, str) else "",
        raw=without_halves(raw),
    )


class Pieces:
    """A reply that comes in chunks. `finish` is set when it is whole."""

    def __init__(self) -> None:
        self.text = ""
        self.finish = ""
        self._usage: Any = None
        self._model: Any = None
        self._chunks: list[Any] = []

    def feed(self, chunk: Mapping[str, Any]) -> str:
        """The text in a chunk."""
        self._chunks.append(chunk)
        self._usage = chunk.get("usage") or self._usage
        self._model = chunk.get("model") or self._model
        piece = ""
        for choice in chunk.get("choices") or []:
            self.finish = choice.get("finish_reason") or self.finish
            piece += (choice.get("delta") or {}).get("content") or ""
        self.text += piece
        return piece

    def reply(self, request: Request, safe: Callable[[str], str], seconds: float) -> Reply:
        """The whole; `safe` takes secrets out of texts."""
        raw = safe(json.dumps(self._chunks))
        return finished(request, safe(self.text), self.finish, self._usage, self._model, raw, seconds)


def _turn(message: Message) -> dict[str, Any]:
    if all(isinstance(part, str) for part in message.parts) and len(message.parts) == 1:
        return {"role": message.role, "content": message.parts[0]}  # what every service takes
    return {"role": message.role, "content": [_part(part) for part in message.parts]}


def _part(part: str | bytes) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = media_type(part)
    if not kind:
        raise AskError("refused", "a picture is neither PNG, JPEG, WebP nor GIF")
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{base64.b64encode(part).decode()}"}}


def _text(content: Any) -> str:
    """A message's content: a text, nothing, or (some services) a list of typed parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "".join(_texts(content))


def _texts(parts: Iterable[Any]) -> Iterable[str]:
    for part in parts:
        if part["type"] == "text":
            yield str(part["text"])


def _count(usage: Any, name: str) -> int | None:
    count = usage.get(name) if isinstance(usage, Mapping) else None
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None


def _short(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 300 else text[:300] + " …"
