"""Facts about pictures and code that several pipelines check: colours, ink, hashes. Pure functions."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageChops

from viscodex.core.sample import Image, Sample

CODE, PICTURE = "code_sha256", "image_phash"
FINE, FINE_BITS = "phash_256", 256
"""Fact: the picture's hash by which duplicates are told.

With 64 bits, of which 4 may differ, 155 of 231 real pages of documentation were duplicates of each other, and most were
not: text on white all looks alike. 16 of 256 bits, the same share, found the 26 that differ in a line.
"""
SHADE = 8


def decoded(picture: Image) -> PIL.Image.Image:
    """RGB; raises VisCodexError when it is no picture."""
    return picture.load()


def is_single_colour(picture: PIL.Image.Image) -> bool:
    """Whether every pixel has the same colour."""
    return all(low == high for low, high in _extrema(picture))


def _extrema(picture: PIL.Image.Image) -> Any:
    return picture.convert("RGB").getextrema()


def ink(picture: PIL.Image.Image) -> float:
    """Share of the pixels that have another colour than the most frequent one, colours taken to 5 bits.

    Every other pixel of every other row is looked at: letters are wider than that.
    """
    pixels = np.asarray(picture.convert("RGB"))[::2, ::2] >> 3
    keys = (pixels[..., 0].astype(np.int32) << 10) | (pixels[..., 1].astype(np.int32) << 5) | pixels[..., 2]
    counts = np.bincount(keys.ravel(), minlength=1 << 15)
    return 1.0 - float(counts.max()) / keys.size


def changed(one: PIL.Image.Image, other: PIL.Image.Image) -> float:
    """Share of the pixels that differ by more than a shade; 1 where the sizes differ."""
    if one.size != other.size:
        return 1.0
    differences = PIL.ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    return float(np.mean(np.asarray(differences).max(axis=2) > SHADE))


def picture_hash(picture: PIL.Image.Image, side: int = 8) -> str:
    """The perceptual hash of side² bits (lowest frequencies of the picture at 4 side × 4 side), hexadecimal."""
    import imagehash

    return str(imagehash.phash(picture, hash_size=side))


def code_hash(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()


def finished(sample: Sample, png: bytes, picture: PIL.Image.Image, instruction: str, **facts: Any) -> Sample:
    """A draft made whole: picture first, then what is asked of it, its response, and what is known about it.

    `picture` is the `png`, decoded.
    """
    known = {
        "hashes": {CODE: code_hash(sample.response), PICTURE: picture_hash(picture)},
        FINE: picture_hash(picture, round(FINE_BITS**0.5)),
        "render_ok": True,
        "width": picture.width,
        "height": picture.height,
        "ink": round(ink(picture), 4),
    }
    prompt = (Image(data=png), instruction)
    return sample.model_copy(update={"prompt": prompt, "checks": sample.checks | known | facts})
