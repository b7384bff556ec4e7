"""A file of the published MCD's shape and size: `mcd_598k.json` and `mcd_images.zip`, with every known oddity.

Records are as many, as long and as mixed as in the paper (html 200k, chart 210k, qa 59k, algorithm 129k at 1.7 GB). The
zip has a member for each picture, so that its index is as large; the pictures themselves are small and few.
"""

from __future__ import annotations

import io
import json
import random
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SHARES = {"html": 200, "chart": 210, "qa": 59, "algorithm": 129}
RECORDS, BYTES = 598_000, 1_700_000_000
PICTURES = 300  # different ones
ONE_IN = 200  # records have a given oddity
WORDS = ("plot", "axis", "label", "title", "color", "width", "margin", "header", "value", "series", "grid", "legend")
TAGS = ("div", "section", "p", "li", "span", "h2")


def write(folder: Path, records: int = RECORDS, size: int = BYTES, seed: int = 0) -> dict[str, int]:
    """Write both files; returns how many records each oddity was planted in."""
    pick = random.Random(seed)
    planted: Counter[str] = Counter()
    names: list[str] = []
    with (folder / "mcd_598k.json").open("w", encoding="utf-8") as file:
        file.write("[")
        for index, record in enumerate(_records(pick, records, size // records, planted, names)):
            file.write((",\n" if index else "") + json.dumps(record, ensure_ascii=index % 2 == 0))
        file.write(',\n{"images": ["mcd_images/html/cut')  # the download ended here
    planted["broken JSON"] += 1
    _write_zip(folder / "mcd_images.zip", names, pick)
    return dict(sorted(planted.items()))


def _records(
    pick: random.Random, records: int, length: int, planted: Counter[str], names: list[str]
) -> Iterator[dict[str, Any]]:
    bodies = {kind: [_body(kind, pick, length) for _ in range(400)] for kind in SHARES}
    kinds, weights = list(SHARES), list(SHARES.values())
    last: dict[str, Any] = {}
    for index in range(records):
        if index and not pick.randrange(ONE_IN) and last:
            planted["duplicate"] += 1
            yield last
            continue
        kind = pick.choices(kinds, weights)[0]
        record = _plain(index, kind, pick.choice(bodies[kind]), names)
        last = {}
        if pick.randrange(20):
            last = record
        else:
            _spoil(record, pick, planted)
        yield record


def _plain(index: int, kind: str, body: str, names: list[str]) -> dict[str, Any]:
    asked = f"Task {index}: write the program that the picture shows.\nKeep to its layout, colours – and words."
    answer = f"```{'html' if kind == 'html' else 'python'}\n{body}\n```"
    images = []
    if kind != "algorithm":
        images = [f"mcd_images/{kind}/{index:07d}_{index * 2654435761 % 2**32:08x}.png"]
        names.extend(images)
        asked = "<image>\n" + asked
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return {"images": images, "messages": messages, "category": kind}


def _spoil(record: dict[str, Any], pick: random.Random, planted: Counter[str]) -> None:
    asked, answer = record["messages"]
    has_picture = bool(record["images"])
    oddity = pick.choice(["prefix", "case", "fence", "absent", "missing", "marks", "no mark", "content", "null"])
    match oddity:
        case "prefix" if has_picture:
            record["images"] = [record["images"][0].removeprefix("mcd_images/")]
            planted["picture under another prefix"] += 1
        case "fence":
            answer["content"] = answer["content"].split("\n", 1)[1].removesuffix("\n```")
            planted["answer without a code fence"] += 1
        case "absent" if not has_picture:
            del record["images"]
            planted["no field for images"] += 1
        case "null" if not has_picture:
            record["images"] = None
            planted["images is null"] += 1
        case "missing" if has_picture:
            record["images"] = ["mcd_images/nowhere/" + record["images"][0].rpartition("/")[2]]
            planted["picture missing"] += 1
        case "marks" if has_picture:
            asked["content"] += " <image>"
            planted["<image> and pictures differ"] += 1
        case "no mark" if has_picture:
            asked["content"] = asked["content"].removeprefix("<image>\n")
            planted["no <image> for a picture: put in front"] += 1
        case "content":
            answer["content"] = pick.choice([None, 17, {"text": "x"}])
            planted["content is not text"] += 1
        case _:
            record["category"] = pick.choice([str.upper, str.title])(record["category"])
            planted["category in another case"] += 1


def _body(kind: str, pick: random.Random, length: int) -> str:
    lines: list[str] = []
    count = 0
    while count < length * 0.86:  # the rest is the question, the names and JSON's own marks
        words = " ".join(pick.choices(WORDS, k=6))
        if kind == "html":
            tag = pick.choice(TAGS)
            line = f'  <{tag} class="{pick.choice(WORDS)}">{words} – é 图</{tag}>'
        else:
            line = f'    ax.plot([{pick.random():.4f}, {pick.random():.4f}], label="{words}")'
        lines.append(line)
        count += len(line) + 2
    return "\n".join(lines)


def _write_zip(path: Path, names: list[str], pick: random.Random) -> None:
    modes = ["RGB"] * 8 + ["RGBA", "P"]
    pictures = [_picture(modes[index % len(modes)], pick) for index in range(PICTURES)]
    with zipfile.ZipFile(path, "w") as file:
        for index, name in enumerate(names):
            file.writestr(name, pictures[index % PICTURES])


def _picture(mode: str, pick: random.Random) -> bytes:
    import PIL.Image  # here, so that who reads the constants stays small

    buffer = io.BytesIO()
    size = (pick.randrange(40, 100), pick.randrange(40, 100))
    colour = pick.randrange(256)
    PIL.Image.new(mode, size, colour if mode == "P" else tuple([colour] * len(mode))).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    print(json.dumps(write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
