"""A chat completion as it is asked for: OpenAI's JSON, checked, and turned into a conversation and its settings.

What would change the answer and is not offered here is refused (tools, log-probabilities, penalties, …); what would not
is read and left alone (`user`, `metadata`, `reasoning_effort`, …).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from viscodex.core.chat import Role
from viscodex.core.errors import did_you_mean
from viscodex.core.sample import Image
from viscodex.model.chat import Chat, Turn
from viscodex.model.generate import Sampling
from viscodex.serve import pictures
from viscodex.serve.faults import ApiError, bad_request
from viscodex.serve.limits import Limits
from viscodex.serve.uploads import PREFIX, not_uploaded

SEVERAL = 1.0
"""The temperature of several answers when none is given: greedy ones would all be the same."""
LEAST_TOP_P = 1e-6
NOT_OFFERED = {
    "tools": [],
    "functions": [],
    "logprobs": False,
    "top_logprobs": 0,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logit_bias": {},
    "response_format": {"type": "text"},
    "modalities": ["text"],
    "audio": None,
}
"""Parameter → the value that asks for nothing."""
Uploaded = Callable[[str, str], Image]
"""From an upload's id, and the parameter that names it, to its picture; ApiError 404: there is none."""


def nothing_uploaded(name: str, param: str) -> Image:
    raise not_uploaded(name, param)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")


class TextPart(_Part):
    type: Literal["text"]
    text: str


class ImageUrl(_Part):
    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(_Part):
    type: Literal["image_url"]
    image_url: ImageUrl


class ImageFile(_Part):
    file_id: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class FilePart(_Part):
    """A picture that was uploaded."""

    type: Literal["image_file"]
    image_file: ImageFile


class Said(BaseModel):
    """One message."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]]
    name: str | None = None
    refusal: None = None


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    include_usage: bool = False
    include_obfuscation: bool = False


class Asked(BaseModel):
    """The body of a request to /v1/chat/completions."""

    model_config = ConfigDict(extra="forbid")

    model: str
    messages: list[Said] = Field(min_length=1)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=1, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    # Without effect on the answer:
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None
    prediction: Any = None
    parallel_tool_calls: Any = None
    tool_choice: Literal["none", "auto"] | None = None
    reasoning_effort: Any = None
    verbosity: Any = None
    # Not offered; see NOT_OFFERED:
    tools: Any = None
    functions: Any = None
    logprobs: Any = None
    top_logprobs: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    logit_bias: Any = None
    response_format: Any = None
    modalities: Any = None
    audio: Any = None


@dataclass(frozen=True)
class Order:
    """What is to be answered, and how the answer is wanted."""

    model: str
    chat: Chat
    sampling: Sampling
    streams: bool
    counts: bool
    """Whether a stream ends with its usage."""


def read(body: bytes, names: Sequence[str], limits: Limits, uploaded: Uploaded = nothing_uploaded) -> Order:
    """An order from a request's bytes, or ApiError. Decodes pictures: not for the event loop.

    `names`: what the model may be called; "*" among them is any name. `uploaded`: finds uploads by their ids.
    """
    try:
        asked = Asked.model_validate_json(body)
    except ValidationError as error:
        raise misread(error, Asked.model_fields) from None
    if asked.model not in names and "*" not in names:
        message = f"no model {asked.model!r} here; {did_you_mean(asked.model, names)}"
        raise ApiError(404, message, "model_not_found", "model")
    for name, nothing in NOT_OFFERED.items():
        value = getattr(asked, name)
        if value is not None and value != nothing:
            raise bad_request(f"{name} is not offered by this server", "unsupported_parameter", name)
    options = asked.stream_options
    chat, sampling = _chat(asked, Gallery(limits, uploaded)), _sampling(asked, limits)
    return Order(asked.model, chat, sampling, bool(asked.stream), bool(options and options.include_usage))


def misread(error: ValidationError, known: Iterable[str]) -> ApiError:
    """What is wrong with a body; `known`: the parameters there are."""
    found = error.errors(include_url=False)
    # Where a text or a list may be, pydantic tells first that it is no text.
    first = next((one for one in found if one["loc"][-1:] != ("str",) and one["type"] != "list_type"), found[0])
    where = _where(first["loc"])
    if first["type"] == "json_invalid":
        return bad_request(f"the body is not JSON: {first['msg']}", "invalid_json")
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        hint = did_you_mean(name, Said.model_fields if where.startswith("messages") else known)
        return bad_request(f"unknown parameter {name}; {hint}", "unknown_parameter", where)
    return bad_request(f"{where}: {first['msg']}" if where else first["msg"], "invalid_value", where or None)


def _where(steps: Sequence[str | int]) -> str:
    """The path to a value, without pydantic's names of the shapes it tried: "str", "list[…]", the type of a part."""
    path: list[str] = []
    for place, step in enumerate(steps):
        is_list = [str(one).startswith("list[") for one in steps[: place + 1]]
        is_tag = isinstance(step, str) and is_list[-3:-2] == [True]
        if step != "str" and not is_list[-1] and not is_tag:
            path.append(str(step))
    return ".".join(path)


def _sampling(asked: Asked, limits: Limits) -> Sampling:
    count = asked.n or 1
    if count > limits.answers:
        raise bad_request(f"at most {limits.answers} answers to a request", "invalid_value", "n")
    temperature = asked.temperature
    if temperature is None:
        temperature = SEVERAL if count > 1 else 0.0
    stop = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    tokens = asked.max_completion_tokens or asked.max_tokens or limits.tokens
    try:
        return Sampling(
            temperature=temperature,
            top_p=max(LEAST_TOP_P, 1.0 if asked.top_p is None else asked.top_p),
            max_new_tokens=min(tokens, limits.tokens),
            seed=secrets.randbits(31) if asked.seed is None else asked.seed,
            stop=tuple(stop),
            n=count,
        )
    except ValidationError as error:
        raise bad_request(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def _chat(asked: Asked, gallery: Gallery) -> Chat:
    """The conversation; its last turn is the user's. The id is the same for all: the seed alone tells answers apart."""
    turns = list(_turns(asked.messages, gallery))
    last = turns[-1]
    if last.role != "user":
        raise bad_request("the last message must be the user's", "invalid_value", "messages")
    return Chat(id="chat", kind="qa", before=_joined(turns[:-1]), prompt=last.parts)


class Gallery:
    """The pictures of a request, counted. Each is refused with an ApiError when it is not one that we take."""

    def __init__(self, limits: Limits, uploaded: Uploaded = nothing_uploaded) -> None:
        self._limits = limits
        self._uploaded = uploaded
        self._pictures = self._pixels = 0

    def take(self, url: str, param: str) -> Image:
        """A picture by its data URI, or by the id of an upload."""
        return self.find(url, param) if url.startswith(PREFIX) else self.add(pictures.from_uri(url, param), param)

    def find(self, name: str, param: str) -> Image:
        """An upload, which was checked when it came."""
        image = self._uploaded(name, param)
        self._count(image.read(), param)
        return image

    def add(self, data: bytes, param: str) -> Image:
        """A picture from its encoded bytes."""
        self._count(data, param)
        image = Image(data=data)
        pictures.check(image, param)
        return image

    def _count(self, data: bytes, param: str) -> None:
        self._pictures += 1
        if self._pictures > self._limits.pictures:
            raise bad_request(f"at most {self._limits.pictures} pictures in a request", "too_many_images", param)
        self._pixels += pictures.pixels(data, param)
        if self._pixels > self._limits.pixels:
            message = f"a request's pictures have at most {self._limits.pixels:,} pixels; these have {self._pixels:,}"
            raise pictures.too_many_pixels(message, param)


def _turns(messages: Sequence[Said], gallery: Gallery) -> Iterator[Turn]:
    for place, message in enumerate(messages):
        role: Role = "system" if message.role == "developer" else message.role
        content = message.content
        parts: tuple[str | Image, ...]
        if isinstance(content, str):
            parts = (content,) if content else ()
        else:
            parts = tuple(_part(part, f"messages.{place}.content.{at}", gallery) for at, part in enumerate(content))
        if role != "user" and any(isinstance(part, Image) for part in parts):
            raise bad_request(f"only the user sends pictures, not the {message.role}", "invalid_value", "messages")
        if not parts and role == "user":
            raise bad_request("a message without content", "invalid_value", f"messages.{place}.content")
        yield Turn(role, parts or ("",))


def _part(part: TextPart | ImagePart | FilePart, param: str, gallery: Gallery) -> str | Image:
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, FilePart):
        return gallery.find(part.image_file.file_id, f"{param}.image_file.file_id")
    return gallery.take(part.image_url.url, f"{param}.image_url.url")


def _joined(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """System turns at the beginning as one: templates know one."""
    first = next((place for place, turn in enumerate(turns) if turn.role != "system"), len(turns))
    if first < 2:
        return tuple(turns)
    return (Turn("system", ("\n\n".join(turn.text for turn in turns[:first]),)), *turns[first:])
