"""Worse pictures, or none: how much of a score survives blur, low resolution, compression, noise, and not looking."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import PIL.Image
import PIL.ImageFilter

from viscodex.core.errors import UsageError, did_you_mean
from viscodex.core.sample import Image, Sample

Picture = PIL.Image.Image


UNSEEN = "unseen"
"""No pictures at all, words alone: what a model without eyes reaches, or one that guesses."""


@dataclass(frozen=True)
class Perturbation:
    """What is done to every input picture: `blur:1.5`, `downscale:0.5`, `jpeg:30`, `noise:8`, `unseen`."""

    name: str
    amount: float = 0.0

    def __str__(self) -> str:
        return self.name if self.name == UNSEEN else f"{self.name}:{self.amount:g}"

    def apply(self, sample: Sample) -> Sample:
        """The sample with its pictures changed. The same sample and setting give the same bytes."""
        if self.name == UNSEEN:
            return sample.model_copy(update={"prompt": tuple(p for p in sample.prompt if not isinstance(p, Image))})
        parts = [self._changed(sample.id, n, p) if isinstance(p, Image) else p for n, p in enumerate(sample.prompt)]
        return sample.model_copy(update={"prompt": tuple(parts)})

    def _changed(self, sample_id: str, place: int, image: Image) -> Image:
        digest = hashlib.sha256(f"{sample_id}/{place}".encode()).digest()
        changed = PERTURBATIONS[self.name][0](image.load(), self.amount, int.from_bytes(digest[:8], "big"))
        buffer = io.BytesIO()
        changed.save(buffer, "PNG")
        return Image(data=buffer.getvalue())


def blur(picture: Picture, radius: float, seed: int) -> Picture:
    """Gaussian blur; the radius (standard deviation) in pixels."""
    return picture.filter(PIL.ImageFilter.GaussianBlur(radius))


def downscale(picture: Picture, factor: float, seed: int) -> Picture:
    """Both sides times `factor`, at least one pixel each."""
    size = [max(1, round(side * factor)) for side in picture.size]
    return picture.resize((size[0], size[1]), PIL.Image.Resampling.LANCZOS)


def jpeg(picture: Picture, quality: float, seed: int) -> Picture:
    """Compressed as JPEG of a quality from 1 to 95, and read again."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=round(quality))
    return PIL.Image.open(buffer).convert("RGB")


def noise(picture: Picture, deviation: float, seed: int) -> Picture:
    """Gaussian noise on every channel; its standard deviation in steps of 255."""
    pixels = np.asarray(picture, dtype=np.float32)
    added = np.random.default_rng(seed).normal(0.0, deviation, pixels.shape).astype(np.float32)
    return PIL.Image.fromarray(np.clip(np.rint(pixels + added), 0, 255).astype(np.uint8))


PERTURBATIONS: dict[str, tuple[Callable[[Picture, float, int], Picture], float, float]] = {
    "blur": (blur, 0.0, 50.0),
    "downscale": (downscale, 0.01, 1.0),
    "jpeg": (jpeg, 1, 95),
    "noise": (noise, 0.0, 128.0),
}
"""Name → function, smallest and largest amount."""


def parse_perturbation(text: str) -> Perturbation | None:
    """`"blur:1.5"` → a perturbation; nothing for an empty text."""
    if not text:
        return None
    if text == UNSEEN:
        return Perturbation(UNSEEN)
    name, _, amount = text.partition(":")
    if name not in PERTURBATIONS:
        raise UsageError(f'no perturbation "{name}"', hint=did_you_mean(name, [*PERTURBATIONS, UNSEEN]))
    _, low, high = PERTURBATIONS[name]
    try:
        value = float(amount)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise UsageError(f"{name} takes a number from {low:g} to {high:g}, not “{amount}”", hint=f"{name}:{high / 4:g}")
    return Perturbation(name, value)
