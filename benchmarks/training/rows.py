"""A small model and MCD-like rows of very mixed lengths."""

from __future__ import annotations

import io
import random
import shutil
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw
import pyarrow
import pyarrow.parquet

MAX_PIXELS = 512 * 28 * 28
SIDES = (84, 168, 280, 420)


SIZES: dict[str, dict[str, int]] = {
    "tiny": {"layers": 2, "hidden": 64, "vocab_size": 512},
    "small": {"layers": 6, "hidden": 256, "vocab_size": 4096},
}


def model(folder: Path, size: str) -> Path:
    """A Qwen2.5-VL of that size, made once."""
    from viscodex.model.tiny import write_trio

    if not (folder / size).exists():
        write_trio(folder / size, shards=1, **SIZES[size])
    return folder / size / "vlm"


def write(path: Path, count: int) -> Path:
    """The rows, the same every time."""
    turn = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema(
        [
            ("id", pyarrow.string()),
            ("category", pyarrow.string()),
            ("messages", pyarrow.list_(turn)),
            ("images", pyarrow.list_(image)),
        ]
    )
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([_row(n) for n in range(count)], schema=schema), path)
    return path


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def tokens(model_folder: Path, rows: Path) -> int:
    """How many tokens all the rows have."""
    from viscodex.model.processor import load_processor
    from viscodex.train.encode import Encoder
    from viscodex.train.sources import open_sources

    encoder = Encoder(load_processor(model_folder, max_pixels=MAX_PIXELS))
    found = list(open_sources([str(rows)])[0].rows())
    encoded = encoder.encode([encoder.render(row) for row in found], [encoder.measure(row) for row in found])
    return sum(len(one.ids) for one in encoded)


def _row(number: int) -> dict[str, Any]:
    draw = random.Random(number)
    kind = ("html", "chart", "qa", "algorithm")[number % 4]
    lines = int(min(50, max(2, draw.lognormvariate(2.0, 0.8))))
    answer = "\n".join(f"print('line {draw.randrange(10**6)}')" for _ in range(lines))
    has_picture = kind != "algorithm"
    return {
        "id": f"{kind}-{number}",
        "category": kind,
        "messages": [
            {"role": "user", "content": ("<image>" if has_picture else "") + "Write the code that draws this picture."},
            {"role": "assistant", "content": f"```python\n{answer}\n```"},
        ],
        "images": [{"bytes": _picture(draw), "path": f"{number}.png"}] if has_picture else [],
    }


def _picture(draw: random.Random) -> bytes:
    image = PIL.Image.new("RGB", (draw.choice(SIDES), draw.choice(SIDES)), "white")
    pen = PIL.ImageDraw.Draw(image)
    for _ in range(8):
        x, y = draw.randrange(image.width), draw.randrange(image.height)
        pen.rectangle((x, y, x + 40, y + 40), fill=draw.choice(("red", "green", "blue", "black")))
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
