"""The published MCD, or any file of its shape, into a data set like ours: shards, rejected rows, a card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from viscodex.core.mcd import BROKEN, read_mcd
from viscodex.core.row import MarkerError, Row, to_row
from viscodex.core.rundir import partial_path, publish, remove_tree, require_free, write_json
from viscodex.core.sample import Rejection, Sample
from viscodex.data.import_card import card
from viscodex.data.looking import look
from viscodex.data.table import REJECTED, Table

REPORT = "import.json"


@dataclass
class Imported:
    """What came of an import: seen = kept + rejected. `broken` says where the file first is no JSON, if it is."""

    source: str
    seen: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    oddities: Counter[str] = field(default_factory=Counter)
    pictures: int = 0
    broken: str = ""

    def check(self) -> None:
        """No record is lost."""
        told = self.kept.total() + self.rejected.total()
        assert self.seen == told, f"{self.seen} records seen, {told} told of"

    def as_json(self) -> dict[str, Any]:
        """Counts, the largest first."""
        counts = {name: dict(getattr(self, name).most_common()) for name in ("kept", "rejected", "oddities")}
        return {"source": self.source, "seen": self.seen, **counts, "pictures": self.pictures, "broken": self.broken}


def import_mcd(
    records: Path,
    images: Path | None,
    out: Path,
    *,
    split: str = "train",
    decode: bool = True,
    advance: Callable[[int], None] | None = None,
) -> Imported:
    """Stream `records` into `out`, which appears when it is complete.

    `decode` reads every picture to its last pixel; without it a picture that is cut short is not seen. A file that
    breaks off gives what came before, and says so in `Imported.broken`.
    """
    require_free(out)
    found = Imported(records.name)
    odd: Counter[str] = Counter()  # of the record that was read last
    items = read_mcd(records, images, oddities=odd, advance=advance)
    partial = partial_path(out)
    remove_tree(partial)
    partial.mkdir(parents=True)
    with _Tables(partial) as tables:
        for item in items:
            judged = _judge(item, split, decode, odd)
            found.seen += 1
            if isinstance(judged, Rejection):
                found.rejected[judged.reason] += 1
                tables.reject(judged)
                if judged.reason == BROKEN:
                    found.broken = found.broken or judged.detail
            else:
                found.kept[judged["category"]] += 1
                found.pictures += len(judged["images"])
                found.oddities += odd
                tables.keep(judged)
            odd.clear()
    found.check()
    write_json(partial / REPORT, found.as_json())
    (partial / "README.md").write_text(card(found.as_json(), tables.configs()), encoding="utf-8")
    publish(partial, out)
    return found


def _judge(item: Sample | Rejection, split: str, decode: bool, odd: Counter[str]) -> Row | Rejection:
    """The row of a sample whose pictures are sound and whose texts can stand in one; `odd` gets what they have."""
    if isinstance(item, Rejection):
        return item
    looks = [look(image.read(), decode) for image in item.images]
    for image, seen in zip(item.images, looks, strict=True):
        if seen.fault:
            detail = f"{image.path}: {seen.fault}"
            return Rejection(id=item.id, stage="pictures", reason="picture unreadable", detail=detail)
    try:
        row = to_row(item, split)
    except MarkerError as error:
        return Rejection(id=item.id, stage="row", reason="literal <image> in a text", detail=error.problem)
    odd.update(name for seen in looks for name in seen.oddities())
    return row


class _Tables:
    """One table per category and split, one of what was rejected."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._tables: dict[tuple[str, str], Table] = {}
        self._stack = ExitStack()
        self._rejected = self._stack.enter_context(Table(folder / "rejected" / "import", "rejected", REJECTED))

    def keep(self, row: Row) -> None:
        key = (row["category"], row["split"])
        if key not in self._tables:
            self._tables[key] = self._stack.enter_context(Table(self.folder / "data" / key[0], key[1]))
        self._tables[key].write(row)

    def reject(self, rejection: Rejection) -> None:
        self._rejected.write({**rejection.model_dump(), "status": "rejected"})

    def configs(self) -> dict[str, dict[str, int]]:
        """Category → split → rows."""
        found: dict[str, dict[str, int]] = {}
        for (category, split), table in sorted(self._tables.items()):
            found.setdefault(category, {})[split] = table.rows
        return found

    def __enter__(self) -> _Tables:
        return self

    def __exit__(self, *fault: Any) -> None:
        self._stack.__exit__(*fault)
