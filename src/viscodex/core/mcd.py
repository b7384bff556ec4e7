"""The published MCD, `mcd_598k.json` (one array of 1.7 GB) and its pictures, record by record.

    for found in read_mcd(Path("mcd_598k.json"), Path("mcd_images.zip")): …   # a Sample, or a Rejection with its id

Nothing is dropped: as many come out as went in, and a Rejection for each stretch of the file that is no JSON, with its
place. It stands in core since both `data` and `train` read such files. JSON lines of the same records are read too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viscodex.core.errors import UsageError, visible
from viscodex.core.json_stream import Broken, read_values
from viscodex.core.mcd_record import Oddities, Record, RefusedError
from viscodex.core.pictures import Nowhere, Pictures, beside, open_pictures
from viscodex.core.sample import Rejection, Sample

STAGE = "read"
BROKEN = "broken JSON"


def read_mcd(
    records: Path,
    images: Path | None = None,
    *,
    oddities: Oddities | None = None,
    advance: Callable[[int], None] | None = None,
) -> Iterator[Sample | Rejection]:
    """Samples in the order of the file, their pictures read; a Rejection for each record that is none.

    `images` is a folder or a zip; unset, what lies beside the file. `oddities` counts what was read though it is not as
    it should be. `advance` hears of the bytes that were read. Ids come from the content, unless the record has one.
    """
    if not records.is_file():
        raise UsageError("no such file of records", where=str(records), hint="the path of mcd_598k.json")
    found = images or beside(records)
    pictures: Pictures = open_pictures(found) if found else Nowhere()
    return _read(records, pictures, Oddities() if oddities is None else oddities, advance)


def _read(
    records: Path, pictures: Pictures, counted: Oddities, advance: Callable[[int], None] | None
) -> Iterator[Sample | Rejection]:
    reading = _Reading(records.stem, pictures, counted)
    with records.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for position, value in enumerate(read_values(file, advance)):
            if isinstance(value, Broken):
                place = f"after record {position}, bytes {value.begin:,} to {value.end:,} of {size:,}: {value.reason}"
                yield Rejection(id=f"{records.stem}-{position}", stage=STAGE, reason=BROKEN, detail=visible(place))
            else:
                yield reading.one(value, position)


@dataclass
class _Reading:
    """What is known while a file is read: what was said before (16 bytes a record), and which ids are given."""

    name: str
    pictures: Pictures
    oddities: Oddities
    seen: set[bytes] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)

    def one(self, value: Any, position: int) -> Sample | Rejection:
        row_id = f"{self.name}-{position}"
        mine = Oddities()  # of a record that is refused nothing else is told
        try:
            record = Record(value, mine)
            digest = record.digest()
            content_id = f"{record.kind}-{digest.hex()[:16]}"
            row_id = record.own_id or content_id
            if digest in self.seen:
                raise RefusedError("duplicate", "an earlier record says the same")
            if row_id in self.taken:
                mine["id given twice: made from the content"] += 1
                row_id = content_id
            sample = record.sample(row_id, {"name": self.name, "id": str(position)}, self.pictures, mine)
        except RefusedError as error:
            detail = f"record {position}: {error}" if str(error) else f"record {position}"
            return Rejection(id=row_id, stage=STAGE, reason=error.reason, detail=visible(detail))
        self.seen.add(digest)
        if record.own_id:
            self.taken.add(row_id)
        self.oddities.update(mine)
        return sample
