"""Small pictures for tests: noise that depends on a seed."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest

from viscodex.core.sample import Image


def _noise(seed: int = 0, height: int = 84, width: int = 112) -> PIL.Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return PIL.Image.fromarray(values)


@pytest.fixture(scope="session")
def noise() -> Callable[..., PIL.Image.Image]:
    """`noise(seed, height, width)`: a picture of random pixels."""
    return _noise


@pytest.fixture(scope="session")
def encoded() -> Callable[..., Image]:
    """`encoded(seed, height, width)`: the same as PNG bytes inside an `Image`."""

    def encode(seed: int = 0, height: int = 84, width: int = 112, kind: str = "PNG") -> Image:
        file = io.BytesIO()
        _noise(seed, height, width).save(file, kind)
        return Image(data=file.getvalue())

    return encode
