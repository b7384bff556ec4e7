"""Files of the published MCD's shape, small, with whatever oddity a test asks for."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image

from viscodex.core.mcd import read_mcd
from viscodex.core.mcd_record import Oddities
from viscodex.core.sample import Rejection, Sample

PAGE = "```html\n<p>hello</p>\n```"


def encoded(mode: str = "RGB", size: tuple[int, int] = (40, 30), kind: str = "PNG", colour: Any = None) -> bytes:
    """A picture of one colour as a file's bytes."""
    buffer = io.BytesIO()
    picture = PIL.Image.new(mode, size) if colour is None else PIL.Image.new(mode, size, colour)
    picture.save(buffer, kind)
    return buffer.getvalue()


def record(
    asked: Any = "<image>\nWrite this page.",
    answer: Any = PAGE,
    images: Any = ("mcd_images/html/a.png",),
    category: Any = "html",
    **more: Any,
) -> dict[str, Any]:
    """A published record."""
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    values = {"images": list(images) if isinstance(images, tuple) else images, "messages": messages}
    return {**values, "category": category, **more}


def text_record(asked: str = "Add two numbers.", **more: Any) -> dict[str, Any]:
    """A text-only record: algorithm."""
    return record(asked, "```python\nprint(sum(map(int, input().split())))\n```", (), "algorithm", **more)


def write_mcd(
    folder: Path, records: Sequence[Any], pictures: Mapping[str, bytes] | None = None, tail: str = "]"
) -> tuple[Path, Path]:
    """`mcd_598k.json` and `mcd_images.zip`; `tail` ends the array."""
    path = folder / "mcd_598k.json"
    path.write_text("[" + ",\n".join(json.dumps(one) for one in records) + tail, encoding="utf-8")
    archive = folder / "mcd_images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in ({"mcd_images/html/a.png": encoded()} if pictures is None else pictures).items():
            file.writestr(name, data)
    return path, archive


def read_all(
    folder: Path, records: Sequence[Any], pictures: Mapping[str, bytes] | None = None, tail: str = "]"
) -> tuple[list[Sample], list[Rejection], Oddities]:
    """What comes of a file: samples, rejections, oddities. One of each record, or a break."""
    oddities = Oddities()
    found = list(read_mcd(*write_mcd(folder, records, pictures, tail), oddities=oddities))
    samples = [one for one in found if isinstance(one, Sample)]
    return samples, [one for one in found if isinstance(one, Rejection)], oddities
