"""The benchmarks' fingerprints: built from their files, kept as one JSON file that anyone can make and read.

    {"format": "viscodex-decontamination-1",
     "benchmarks": {"mmcode": {"items": 263, "codes": […], "grams": […], "pictures": […], "posts": […]}, …}}

Hashes are the first 16 hexadecimal digits of SHA-256 (fingerprints.py says of what), pictures 64-bit perceptual hashes.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

import PIL.Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from viscodex.core.errors import UsageError, VisCodexError, did_you_mean
from viscodex.core.rundir import read_json, write_json
from viscodex.core.sample import DAMAGED
from viscodex.data.checks import is_single_colour, picture_hash
from viscodex.data.decontaminate.files import Item, read_items
from viscodex.data.decontaminate.fingerprints import code_prints, grams
from viscodex.model.extract import extract

FORMAT = "viscodex-decontamination-1"
BUNDLED = {
    "design2code": ("eval/design2code/bundled",),
    "chartmimic": ("eval/chartmimic/charts",),
    "mmcode": ("eval/mmcode/bundled",),
    "infibench": ("eval/infibench/suite",),
}
TEMPLATE_AT = 2
"""A 13-gram of so many items of one benchmark belongs to its form ("the first line of the input contains …")."""


class Prints(BaseModel):
    """One benchmark."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: int = Field(default=0, description="Rows and loose files it was made from.")
    codes: tuple[str, ...] = Field(default=(), description="Of references and pages.")
    grams: tuple[str, ...] = Field(default=(), description="Of questions.")
    pictures: tuple[str, ...] = Field(default=(), description="Of the pictures that are shown.")
    posts: tuple[int, ...] = Field(default=(), description="Stack Overflow posts that items come from.")


class Index(BaseModel):
    """All benchmarks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = Field(default=FORMAT, pattern=f"^{FORMAT}$", description="What this file is.")
    benchmarks: dict[str, Prints] = Field(default_factory=dict, description="Benchmark → its fingerprints.")


def build_index(sources: Mapping[str, str]) -> Index:
    """Benchmark → path of its published files; "" takes the samples that we ship."""
    return Index(benchmarks={name: prints(_items(name, path)) for name, path in sorted(sources.items())})


def _items(name: str, path: str) -> list[Item]:
    if path:
        return list(read_items(Path(path)))
    if name not in BUNDLED:
        raise UsageError(f"no samples of {name!r} are bundled", hint=did_you_mean(name, BUNDLED))
    folder = Path(str(resources.files("viscodex")))
    return [item for part in BUNDLED[name] for item in read_items(folder / part)]


def prints(items: Iterable[Item]) -> Prints:
    """What is in its items; 13-grams that several share, and pictures of one colour, say nothing and are left out."""
    codes: set[str] = set()
    pictures: set[str] = set()
    posts: set[int] = set()
    counts: Counter[str] = Counter()
    number = 0
    for item in items:
        number += 1
        for code in item.codes:
            codes |= code_prints(code)
            if "```" in code:
                codes |= code_prints(extract(code, "qa"))
        pictures |= {found for content in item.pictures if (found := looks(content))}
        posts |= item.posts
        counts.update({gram for text in item.texts for gram in grams(text)})
    own = sorted(gram for gram, count in counts.items() if count < TEMPLATE_AT)
    return Prints(
        items=number,
        codes=tuple(sorted(codes)),
        grams=tuple(own),
        pictures=tuple(sorted(pictures)),
        posts=tuple(sorted(posts)),
    )


def looks(content: bytes) -> str:
    """A picture's perceptual hash; "" for what cannot be decoded or has one colour."""
    try:
        with PIL.Image.open(io.BytesIO(content)) as picture:
            return "" if is_single_colour(picture) else picture_hash(picture.convert("RGB"))
    except (*DAMAGED, PIL.Image.DecompressionBombError):
        return ""


def read_index(path: Path) -> Index:
    """VisCodexError for what is no index."""
    try:
        return Index.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise VisCodexError(
            f"not an index for decontamination: {'.'.join(map(str, first['loc']))}: {first['msg']}", where=str(path)
        ) from None


def write_index(index: Index, path: Path) -> None:
    write_json(path, index.model_dump(mode="json"))
