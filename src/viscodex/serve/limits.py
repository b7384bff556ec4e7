"""What a server allows: one typed object, from which the options of `viscodex serve` come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from viscodex.core.errors import UsageError, did_you_mean
from viscodex.model.vllm import Serving

VLLM = "vllm."


class Limits(BaseModel):
    """Ceilings of a server. What is above them is refused before it costs anything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body: int = Field(default=32 << 20, ge=1, description="Bytes of a request.")
    pixels: int = Field(default=32_000_000, ge=1, description="Pixels of a request's pictures together.")
    pictures: int = Field(default=8, ge=0, description="Pictures in a request.")
    files: int = Field(default=64, ge=1, description="Uploads kept; the longest unused make room.")
    file_bytes: int = Field(default=128 << 20, ge=1, description="Bytes of all uploads; the longest unused make room.")
    file_s: float = Field(default=3600.0, gt=0, description="Seconds that an upload is kept unused.")
    requests: int = Field(default=32, ge=1, description="Requests read, waiting and answered at once; then 429.")
    answers: int = Field(default=8, ge=1, description="Answers that one request may ask for (n).")
    tokens: int = Field(default=8192, ge=1, description="Tokens of an answer; who asks for more gets so many.")
    head_s: float = Field(default=10.0, gt=0, description="Seconds to send a request's first line and headers.")
    body_s: float = Field(default=30.0, gt=0, description="Seconds to send a request's body.")
    answer_s: float = Field(default=600.0, gt=0, description="Seconds from a request's arrival to its whole answer.")
    send_s: float = Field(default=30.0, gt=0, description="Seconds that a client may leave a piece unread.")
    grace_s: float = Field(default=10.0, ge=0, description="Seconds that answers under way get when the server stops.")


S = TypeVar("S", bound=BaseModel)


def chosen(values: Mapping[str, Any]) -> tuple[Limits, Serving]:
    """Limits with some values of one's own, and under `vllm.` how vLLM serves. UsageError: no such key or value."""
    engine = {name.removeprefix(VLLM): value for name, value in values.items() if name.startswith(VLLM)}
    limits = {name: value for name, value in values.items() if not name.startswith(VLLM)}
    return _with(Limits, limits, "limit "), _with(Serving, engine, f"setting {VLLM}")


def _with(shape: type[S], values: Mapping[str, Any], what: str) -> S:
    for name in values:
        if name not in shape.model_fields:
            raise UsageError(f"no {what}{name}", hint=did_you_mean(name, shape.model_fields))
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{first['loc'][0]}: {first['msg']}") from None


def described(limits: Limits) -> list[tuple[str, str, str]]:
    """Name, value, meaning."""
    fields = Limits.model_fields.items()
    return [(name, f"{getattr(limits, name):,}", field.description or "") for name, field in fields]
