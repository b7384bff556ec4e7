"""What a merge remembers of the bytes that passed: content hashes, and samples for the report. Journaled by shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash

from viscodex.merge.statistics import Distances, total


@dataclass
class Record:
    """Pieces by (who, tensor) and place; order of arrival does not matter.

    `who` is a role ("vlm", "code", …) for what was read, "out:0", "out:1", … for what was written per variant.
    """

    hashes: dict[tuple[str, str], dict[int, bytes]] = field(default_factory=dict)
    samples: dict[tuple[str, str], dict[int, Distances]] = field(default_factory=dict)

    def read(self, role: str, name: str, place: int, data: Any) -> None:
        self.hashes.setdefault((role, name), {})[place] = xxhash.xxh3_128_digest(data)

    def written(self, variant: int, name: str, place: int, data: Any) -> None:
        self.read(f"out:{variant}", name, place, data)

    def sampled(self, variant: int, key: str, place: int, distances: Distances) -> None:
        self.samples.setdefault((f"out:{variant}", key), {})[place] = distances

    def as_json(self) -> dict[str, Any]:
        """A journal row: who → tensor → digest of its pieces in order; who → tensor → sums of its samples."""
        row: dict[str, Any] = {"hashes": {}, "samples": {}}
        for (who, name), pieces in sorted(self.hashes.items()):
            whole = b"".join(digest for _, digest in sorted(pieces.items()))
            row["hashes"].setdefault(who, {})[name] = xxhash.xxh3_128_hexdigest(whole)
        for (who, key), places in sorted(self.samples.items()):
            sums = total(places[place] for place in sorted(places))
            values = {"roles": sums.roles, "gram": sums.gram.tolist(), "elements": sums.elements}
            row["samples"].setdefault(who, {})[key] = values
        return row


@dataclass(frozen=True)
class Summary:
    """The journal's rows together: digests of every tensor, samples of every merged one."""

    hashes: Mapping[str, Mapping[str, str]]
    samples: Mapping[str, Mapping[str, Distances]]


def summarize(rows: list[Mapping[str, Any]]) -> Summary:
    """Join the rows of all shards."""
    hashes: dict[str, dict[str, str]] = {}
    samples: dict[str, dict[str, Distances]] = {}
    for row in rows:
        for who, table in row["hashes"].items():
            hashes.setdefault(who, {}).update(table)
        for who, table in row["samples"].items():
            for key, v in table.items():
                samples.setdefault(who, {})[key] = Distances(tuple(v["roles"]), np.array(v["gram"]), v["elements"])
    return Summary(hashes, samples)
