"""Pictures that came with a request: measured before they are decoded, decoded before they are believed."""

from __future__ import annotations

import base64
import binascii
import io
import re

import PIL.Image

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import DAMAGED, Image
from viscodex.serve.faults import ApiError, bad_request

DATA_URI = re.compile(r"data:([\w.+/-]*)((?:;[^;,]*)*),", re.ASCII)
HEAD = 200  # characters in which the comma of a data URI must come
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""Readers of other formats have met fewer attacks."""


def from_uri(url: str, param: str) -> bytes:
    """What is in a data URI. ApiError 400: it is none, or another address."""
    match = DATA_URI.match(url[:HEAD])
    if match is None:
        raise bad_request(_no_fetching(url), "invalid_image_url", param)
    if not match[2].lower().endswith(";base64"):
        raise bad_request("a data URI must be in base64", "invalid_image_url", param)
    try:
        return base64.b64decode(url[match.end() :].rstrip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad_request(f"the picture is not base64: {error}", "invalid_base64", param) from None


def _no_fetching(url: str) -> str:
    if url.startswith(("http://", "https://")):
        return "this server fetches nothing: send the picture itself, as data:image/png;base64,…"
    return "a picture is sent as a data URI: data:image/png;base64,…"


def pixels(data: bytes, param: str) -> int:
    """How many a picture has; only its header is read. ApiError 400: not a picture we take."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            width, height = opened.size
    except PIL.UnidentifiedImageError:
        raise bad_request(f"not a picture of a format we take ({', '.join(FORMATS)})", "invalid_image", param) from None
    except PIL.Image.DecompressionBombError as error:
        raise too_many_pixels(str(error), param) from None
    except DAMAGED as error:
        raise bad_request(f"not a readable picture: {error}", "invalid_image", param) from None
    if width < 1 or height < 1:
        raise bad_request(f"a picture of {width}×{height} pixels", "invalid_image", param)
    return width * height


def too_many_pixels(message: str, param: str | None) -> ApiError:
    return bad_request(message, "image_too_large", param)


def check(image: Image, param: str) -> None:
    """Decode it once, so that a broken one is refused now and not in the middle of a batch."""
    try:
        image.load()
    except VisCodexError as error:
        raise bad_request(error.problem, "invalid_image", param) from None
