"""The noun that flows through data, training, evaluation and use."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator

from viscodex.core.errors import VisCodexError

if TYPE_CHECKING:
    import PIL.Image

Kind = Literal["html", "chart", "qa", "algorithm"]
KINDS: tuple[Kind, ...] = ("html", "chart", "qa", "algorithm")
DAMAGED = (
    *(OSError, SyntaxError, ValueError, RuntimeError, ArithmeticError, LookupError, TypeError, EOFError),
    *(struct.error, zlib.error),
)
"""What Pillow's decoders raise for damaged files, each in its own way; found by fuzzing."""


class Image(BaseModel):
    """A picture by path, or by its encoded bytes when it travels inside a file (base64 in JSON)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = ""
    data: bytes | None = Field(default=None, repr=False)

    @field_validator("data", mode="before")
    @classmethod
    def _from_base64(cls, value: Any) -> Any:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else value

    @field_serializer("data", when_used="json-unless-none")
    def _to_base64(self, value: bytes) -> str:
        return base64.b64encode(value).decode()

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if not self.path and self.data is None:
            raise ValueError("a picture needs a path or its bytes")
        return self

    def read(self) -> bytes:
        """The encoded bytes (PNG, JPEG, …)."""
        if self.data is not None:
            return self.data
        try:
            return Path(self.path).read_bytes()
        except OSError as error:
            raise VisCodexError(f"cannot read the picture: {error.strerror}", where=self.path) from error

    def load(self) -> PIL.Image.Image:
        """Decode to RGB as a browser would show it: upright, transparent pixels on white, the first frame."""
        import PIL
        import PIL.Image
        import PIL.ImageOps

        try:
            picture = PIL.Image.open(io.BytesIO(self.read()))
            picture.load()
            PIL.ImageOps.exif_transpose(picture, in_place=True)
        except (*DAMAGED, PIL.Image.DecompressionBombError) as error:
            what = "of no known format" if isinstance(error, PIL.UnidentifiedImageError) else str(error)
            raise VisCodexError(
                f"not a readable picture: {what}", where=self.path or "embedded bytes", hint="a PNG, JPEG or WebP file"
            ) from error
        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            rgba = picture.convert("RGBA")
            white = PIL.Image.new("RGBA", rgba.size, "white")
            return PIL.Image.alpha_composite(white, rgba).convert("RGB")
        if picture.mode.startswith("I;16"):  # 16-bit grey, which Pillow would cut off at 255: all of it white
            return picture.point(lambda value: value / 256).convert("L").convert("RGB")
        return picture.convert("RGB")


class Source(BaseModel):
    """Where a sample came from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = ""
    licence: str = ""
    author: str = ""
    retrieved: str = ""


class Sample(BaseModel):
    """One task: `prompt` in reading order (text and pictures), the reference `response`, what `checks` it passed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    kind: Kind
    prompt: tuple[str | Image, ...]
    response: str = ""
    checks: dict[str, Any] = Field(default_factory=dict)
    source: Source = Source()

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(part for part in self.prompt if isinstance(part, Image))

    @property
    def text(self) -> str:
        """The prompt's words, without its pictures."""
        return "\n".join(part for part in self.prompt if isinstance(part, str))


class Rejection(BaseModel):
    """A row that was not kept, and why. Kept beside the data, never dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    stage: str
    reason: str
    detail: str = ""
