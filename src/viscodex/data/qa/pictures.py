"""Every picture of a question is there, can be decoded, and is large enough to show something."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import DAMAGED, Image, Sample
from viscodex.data.qa.convert import URLS
from viscodex.data.qa.fetch import Fetcher, NoPictureError
from viscodex.data.qa.settings import PictureSettings
from viscodex.runner.stage import Keep, Reject, Result


@dataclass(frozen=True)
class OpenFetcher:
    """Makes the fetcher of a worker process."""

    settings: PictureSettings

    def __call__(self) -> Fetcher:
        return Fetcher.open(self.settings)


def take_pictures(fetcher: Fetcher, sample: Sample) -> Result[Sample]:
    """Work of the stage `pictures`: addresses become pictures. One that is missing makes the question useless."""
    parts: list[str | Image] = []
    for part in sample.prompt:
        if isinstance(part, str):
            parts.append(part)
            continue
        try:
            content = fetcher.get(part.path.split(URLS))
            check(content, fetcher.settings)
        except NoPictureError as error:
            return Reject(error.reason, str(error))
        parts.append(Image(data=content))
    return Keep(sample.model_copy(update={"prompt": tuple(parts)}))


def check(content: bytes, settings: PictureSettings) -> None:
    """Measure by the header, then decode. NoPictureError."""
    import PIL.Image

    try:
        with warnings.catch_warnings(action="ignore"), PIL.Image.open(io.BytesIO(content)) as picture:
            width, height, form = *picture.size, picture.format
    except PIL.UnidentifiedImageError as error:  # its message holds an address in memory: another one in every run
        raise NoPictureError("picture_unreadable", "a format that is not known") from error
    except (*DAMAGED, PIL.Image.DecompressionBombError) as error:
        raise NoPictureError("picture_unreadable", str(error)[:200]) from error
    if form not in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "MPO"):
        raise NoPictureError("picture_unreadable", f"the format {form}")
    if min(width, height) < settings.smallest_side:
        raise NoPictureError("picture_small", f"{width} × {height}")
    if width * height > settings.largest_pixels:
        raise NoPictureError("picture_large", f"{width} × {height}")
    try:
        Image(data=content).load()
    except VisCodexError as error:
        raise NoPictureError("picture_unreadable", error.problem[:200]) from error
