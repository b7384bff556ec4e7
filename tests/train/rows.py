"""Small MCD-like data for training tests: drawn pictures, short programs, and every kind of bad row."""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.ImageDraw

COLOURS = ("red", "green", "blue", "black", "orange", "purple")


def picture(seed: int, size: tuple[int, int] = (84, 56), form: str = "PNG") -> bytes:
    """A coloured box on white."""
    draw = random.Random(seed)
    image = PIL.Image.new("RGB", size, "white")
    x, y = draw.randrange(size[0] // 2), draw.randrange(size[1] // 2)
    PIL.ImageDraw.Draw(image).rectangle((x, y, x + 20, y + 20), fill=COLOURS[seed % len(COLOURS)])
    out = io.BytesIO()
    image.save(out, form)
    return out.getvalue()


def row(number: int, kind: str, name: str = "") -> dict[str, Any]:
    """A good record of the canonical shape; `algorithm` is text alone."""
    draw = random.Random(number)
    colour = COLOURS[number % len(COLOURS)]
    lines = "\n".join(f"print({draw.randrange(100)})" for _ in range(draw.randrange(1, 12)))
    record: dict[str, Any] = {"id": name or f"{kind}-{number}", "category": kind, "images": []}
    if kind == "algorithm":
        return record | {"messages": turns("Write numbers in Python.", f"```python\n{lines}\n```")}
    size = (draw.choice((56, 84, 140)), draw.choice((56, 112)))
    answer = f'```html\n<div style="color: {colour}">{number}</div>\n{lines}\n```'
    return record | {
        "images": [{"bytes": picture(number, size), "path": f"{kind}/{number}.png"}],
        "messages": turns("<image>Write the code that draws this picture.", answer),
    }


def turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def mixed(count: int) -> list[dict[str, Any]]:
    """Rows of all four categories in turn."""
    return [row(number, ("html", "chart", "qa", "algorithm")[number % 4]) for number in range(count)]


def bad() -> dict[str, dict[str, Any]]:
    """Reason → a record that must be skipped for it."""
    cut, wide = picture(1, (280, 280), "JPEG"), picture(2, (4200, 20))
    image = lambda data: [{"bytes": data, "path": "p.png"}]
    good = row(3, "html")
    question = "<image>What is this?"
    return {
        "picture_unreadable": good | {"images": image(b"not a picture")},
        "picture_unreadable/cut": good | {"images": image(cut[: len(cut) // 2])},
        "aspect_ratio": good | {"images": image(wide)},
        "no_picture": good | {"images": []},
        "picture_not_marked": good | {"images": [*good["images"], *good["images"]]},
        "picture_missing": good | {"images": [{"bytes": None, "path": "gone.png"}]},
        "no_answer": good | {"messages": turns(question, "  ")},
        "no_answer/none": good | {"messages": turns(question, "x")[:1]},
        "reserved_token": good | {"messages": turns(f"{question}<|image_pad|>", "x")},
        "reserved_token/answer": good | {"messages": turns(question, "x<|im_end|>")},
        "too_long": good | {"messages": turns(question, "print(1)\n" * 2000)},
        "unknown_category": good | {"category": "poem"},
        "roles": good | {"messages": [{"role": "robot", "content": "x"}]},
    }


def write_parquet(path: Path, records: list[dict[str, Any]]) -> Path:
    import pyarrow
    import pyarrow.parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    turn = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema(
        [
            ("id", pyarrow.string()),
            ("category", pyarrow.string()),
            ("messages", pyarrow.list_(turn)),
            ("images", pyarrow.list_(image)),
            ("split", pyarrow.string()),
        ]
    )
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records, schema=schema), path, row_group_size=7)
    return path


def write_mcd_json(folder: Path, records: list[dict[str, Any]]) -> tuple[Path, Path]:
    """`mcd.json` and `mcd_images.zip` in the published layout, with its oddities."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    with zipfile.ZipFile(folder / "mcd_images.zip", "w") as archive:
        for number, record in enumerate(records):
            names = []
            for place, image in enumerate(record["images"]):
                name = f"{number}-{place}.png"
                archive.writestr(f"mcd_images/{name}", image["bytes"])
                names.append(name if number % 3 == 0 else f"mcd_images/{name}")  # the prefix is sometimes missing
            entry = {"messages": record["messages"], "category": record["category"].upper(), "images": names}
            if not names and number % 2:
                del entry["images"]
            entries.append(entry)
    (folder / "mcd.json").write_text(json.dumps(entries))
    return folder / "mcd.json", folder / "mcd_images.zip"
