"""Samples in the journal: a short header for each verdict, and each picture once, whatever number of stages it passes.

A header names its pictures by SHA-256; a picture is on disk before the verdict that names it, so a kill between the two
leaves a picture that nobody names, and never a name without its picture. Pictures given by a path stay where they are.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any, Self

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image, Sample
from viscodex.runner.journal import open_database
from viscodex.runner.run import Packing

SCHEMA = "CREATE TABLE IF NOT EXISTS pictures (sha256 BLOB PRIMARY KEY, content BLOB NOT NULL)"


class Pictures:
    """Encoded pictures by their hash, in an SQLite file. Used by one thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._database = open_database(path, SCHEMA, synchronous="NORMAL")

    def put(self, content: bytes) -> str:
        """Keep a picture; its SHA-256."""
        digest = hashlib.sha256(content)
        known = self._database.execute("SELECT 1 FROM pictures WHERE sha256 = ?", (digest.digest(),)).fetchone()
        if known is None:
            self._database.execute("INSERT OR IGNORE INTO pictures VALUES (?, ?)", (digest.digest(), content))
        return digest.hexdigest()

    def get(self, sha256: str) -> bytes:
        query = "SELECT content FROM pictures WHERE sha256 = ?"
        found = self._database.execute(query, (bytes.fromhex(sha256),)).fetchone()
        if found is None:
            raise VisCodexError(f"the picture {sha256} is not in {self.path.name}", where=str(self.path))
        content: bytes = found[0]
        return content

    def take_over(self, other: Path) -> None:
        """Copy another store's pictures."""
        self._database.execute("ATTACH ? AS other", (str(other),))
        try:
            self._database.execute("INSERT OR IGNORE INTO pictures SELECT sha256, content FROM other.pictures")
        finally:
            self._database.execute("DETACH other")

    def packing(self) -> Packing[Sample]:
        """How the journal keeps samples."""
        return Packing(self._pack, self._unpack)

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pack(self, sample: Sample) -> bytes:
        header = {
            "id": sample.id,
            "kind": sample.kind,
            "prompt": [part if isinstance(part, str) else self._name(part) for part in sample.prompt],
            "response": sample.response,
            "checks": sample.checks,
            "source": sample.source.model_dump(exclude_defaults=True),
        }
        return zlib.compress(json.dumps(header).encode(), 1)

    def _name(self, image: Image) -> dict[str, str]:
        return {"path": image.path} if image.data is None else {"path": image.path, "sha256": self.put(image.data)}

    def _unpack(self, content: bytes) -> Sample:
        header = json.loads(zlib.decompress(content))
        header["prompt"] = [part if isinstance(part, str) else self._picture(part) for part in header["prompt"]]
        return Sample.model_validate(header)

    def _picture(self, name: dict[str, Any]) -> Image:
        return Image(path=name["path"], data=self.get(name["sha256"]) if "sha256" in name else None)
