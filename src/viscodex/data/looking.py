"""Whether bytes are a picture, and of which kind: what a trainer would find out in the middle of the night."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from viscodex.core.sample import DAMAGED

if TYPE_CHECKING:
    import PIL.Image

USUAL_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
REMEMBERED = 10_000  # pictures, by their hash: what several rows share is decoded once


@dataclass(frozen=True)
class Look:
    """What a picture is; `fault` says why it is none."""

    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    fault: str = ""

    def oddities(self) -> list[str]:
        """What about a readable picture is worth counting."""
        found = [] if self.mode in ("RGB", "L") else [f"picture of mode {self.mode}"]
        return found if self.format in USUAL_FORMATS else [*found, f"picture of format {self.format}"]


_looks: dict[tuple[int, bool], Look] = {}


def look(data: bytes, whole: bool = True) -> Look:
    """Read a picture's header, and with `whole` all its pixels: a file cut short is seen only then."""
    import xxhash

    key = (xxhash.xxh3_128_intdigest(data), whole)
    if key not in _looks:
        if len(_looks) >= REMEMBERED:
            _looks.clear()
        _looks[key] = _look(data, whole)
    return _looks[key]


def _look(data: bytes, whole: bool) -> Look:
    import PIL.Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters is a fault; 90 to 179 million pixels are no bomb
        try:
            with PIL.Image.open(io.BytesIO(data)) as picture:
                found = Look(picture.format or "?", picture.mode, picture.width, picture.height)
                if whole:
                    _decode(picture)
                return found
        except PIL.UnidentifiedImageError:
            return Look(fault="no known picture format")
        except (*DAMAGED, PIL.Image.DecompressionBombError) as error:
            return Look(fault=f"{type(error).__name__}: {error}")


def _decode(picture: PIL.Image.Image) -> None:
    """Every pixel of the first frame. The modes that are 24 bits or less need no conversion to be sound."""
    picture.load()
    if picture.mode not in ("RGB", "L", "RGBA"):
        picture.convert("RGB")
