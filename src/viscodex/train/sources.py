"""Training rows from files: parquet shards of the canonical row, and JSON shaped like mcd_598k.json. Streamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.mcd import read_mcd
from viscodex.core.row import MARKER, ROWS_AT_ONCE
from viscodex.core.sample import Image, Rejection, Sample
from viscodex.train.pictures import Picture

COLUMNS = ("id", "category", "messages", "images", "split")
HELD_OUT = ("test", "validation", "valid", "val", "eval", "dev")
JSON = (".json", ".jsonl")


class Turn(NamedTuple):
    """One message: who speaks, and what; `<image>` marks a picture."""

    role: str
    text: str


@dataclass(frozen=True)
class Row:
    """A conversation. `fault` is what its file says or lacks that makes it useless: (reason, detail)."""

    id: str
    kind: str
    turns: tuple[Turn, ...] = ()
    pictures: tuple[Picture, ...] = ()
    split: str = ""
    fault: tuple[str, str] | None = None

    def marked(self) -> Row:
        """With a mark for every picture: those that the text does not place stand before the first question."""
        asked = [place for place, turn in enumerate(self.turns) if turn.role == "user"]
        if not self.pictures or not asked or any(MARKER in self.turns[place].text for place in asked):
            return self
        first = self.turns[asked[0]]
        turn = first._replace(text=MARKER * len(self.pictures) + first.text)
        return replace(self, turns=(*self.turns[: asked[0]], turn, *self.turns[asked[0] + 1 :]))


@dataclass
class Source:
    """One file of rows; `images` is where a JSON file's pictures are. Reading counts what was odd and could be read."""

    path: Path
    images: Path | None = None
    oddities: Counter[str] = field(default_factory=Counter)

    def rows(self) -> Iterator[Row]:
        """Every row in the order of the file."""
        if self.path.suffix not in JSON:
            for number, record in enumerate(_read_parquet(self.path)):
                yield _from_record(record, f"{self.path.stem}-{number:07d}")
            return
        for found in read_mcd(self.path, self.images, oddities=self.oddities):
            yield _from_sample(found) if isinstance(found, Sample) else _from_rejection(found)


def open_sources(places: list[str], images: str = "") -> list[Source]:
    """The files of a recipe's `data`, sorted within each folder."""
    if not places:
        raise UsageError("no data", hint="--set data=FOLDER")
    pictures = Path(images).expanduser() if images else None
    if pictures is not None and not pictures.exists():
        raise UsageError("no such folder or zip of pictures", where=images, hint="--set images=PATH")
    return [Source(path, pictures) for place in places for path in _files(Path(place).expanduser())]


def fingerprint(sources: list[Source], images: str) -> list[list[Any]]:
    """What tells whether files are still the same, without reading them: path, size, time."""
    paths = [source.path for source in sources] + ([Path(images).expanduser()] if images else [])
    facts = [(path, path.stat()) for path in paths]
    return [[str(path.resolve()), stat.st_size, stat.st_mtime_ns] for path, stat in facts]


def _files(place: Path) -> list[Path]:
    if place.is_file():
        if place.suffix not in (".parquet", *JSON):
            raise UsageError("training data is parquet or JSON", where=str(place))
        return [place]
    built = place / "data"  # what `viscodex data` wrote has its rejects beside it
    found = sorted((built if built.is_dir() else place).rglob("*.parquet"))
    if not found:
        raise UsageError("no parquet files here", where=str(place), hint="the output of viscodex data, or a .json file")
    return found


def _read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            known = [name for name in COLUMNS if name in file.schema_arrow.names]
            if "messages" not in known:
                raise VisCodexError("the parquet file has no column messages", where=str(path))
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=known):
                yield from batch.to_pylist()
    except (OSError, pyarrow.lib.ArrowException) as error:
        raise VisCodexError(f"cannot read the parquet file: {error}", where=str(path)) from error


def _from_record(record: dict[str, Any], name: str) -> Row:
    turns = tuple(Turn(turn["role"] or "", turn["content"] or "") for turn in record["messages"] or ())
    images = record.get("images") or ()
    lacking = [str(image["path"]) for image in images if not image["bytes"]]
    return Row(
        id=record.get("id") or name,
        kind=(record.get("category") or "").lower(),
        turns=turns,
        pictures=tuple(Picture(image["bytes"]) for image in images if image["bytes"]),
        split=record.get("split") or "",
        fault=("picture_missing", ", ".join(lacking)) if lacking else None,
    )


def _from_sample(sample: Sample) -> Row:
    asked = "".join(MARKER if isinstance(part, Image) else part for part in sample.prompt)
    return Row(
        id=sample.id,
        kind=sample.kind,
        turns=(Turn("user", asked), Turn("assistant", sample.response)),
        pictures=tuple(Picture(image.read()) for image in sample.images),
        split=str(sample.checks.get("split") or ""),
    )


def _from_rejection(rejection: Rejection) -> Row:
    return Row(rejection.id, "", fault=(rejection.reason.replace(" ", "_"), rejection.detail))
