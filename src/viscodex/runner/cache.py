"""Every reply that was paid for, by the hash of its request; and what was spent, by whom.

A reply and its price are one transaction, on disk before anybody sees the reply: whatever is killed afterwards, the
same request is not paid again. The first reply to a request stands, so a replay gives the same numbers.
"""

from __future__ import annotations

import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from viscodex.core.chat import Reply, Request
from viscodex.runner.journal import open_database

SCHEMA = """
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY,
    model TEXT NOT NULL,
    tag TEXT NOT NULL,
    created REAL NOT NULL,
    content BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS spent (
    ledger TEXT NOT NULL,
    key TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    money REAL NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS spent_by_ledger ON spent (ledger);
CREATE TABLE IF NOT EXISTS batches (
    mark TEXT PRIMARY KEY,
    provider_id TEXT NOT NULL,
    keys TEXT NOT NULL,
    is_done INTEGER NOT NULL
);
"""


@dataclass(frozen=True)
class Cost:
    """Tokens read and written, and money in the currency of the prices."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    money: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.money + other.money,
        )

    def __sub__(self, other: Cost) -> Cost:
        return self + Cost(-other.prompt_tokens, -other.completion_tokens, -other.money)


class Cache:
    """An SQLite file, for any number of threads and processes of one machine."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._turn = threading.Lock()
        self.database = open_database(path, SCHEMA, synchronous="FULL")

    def get(self, request: Request) -> Reply | None:
        """The reply that was paid for."""
        with self._turn:
            query = "SELECT content FROM replies WHERE key = ?"
            found = self.database.execute(query, (request.key,)).fetchone()
        if found is None:
            return None
        return Reply.model_validate_json(zlib.decompress(found[0])).model_copy(update={"is_cached": True})

    def put(self, request: Request, reply: Reply, cost: Cost, ledger: str) -> None:
        """Store a reply and what it cost; on disk when this returns."""
        content = zlib.compress(reply.model_dump_json().encode(), 1)
        row = (request.key, request.model, request.tag, time.time(), content)
        with self._turn, self.database:
            self.database.execute("BEGIN IMMEDIATE")
            self.database.execute("INSERT INTO replies VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", row)
            self._spend(request.key, cost, ledger)

    def spend(self, request: Request, cost: Cost, ledger: str) -> None:
        """Note a call that may have been charged and gave nothing."""
        with self._turn:
            self._spend(request.key, cost, ledger)

    def spent(self, ledger: str) -> Cost:
        """All that a ledger has spent, in earlier runs too."""
        query = "SELECT coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(money), 0) "
        with self._turn:
            return Cost(*self.database.execute(query + "FROM spent WHERE ledger = ?", (ledger,)).fetchone())

    def take_over(self, other: Path) -> None:
        """Copy another cache's replies, and what was spent on them; to be done once."""
        with self._turn:
            self.database.execute("ATTACH ? AS other", (str(other),))
            try:
                self.database.execute("INSERT OR IGNORE INTO replies SELECT * FROM other.replies")
                self.database.execute("INSERT INTO spent SELECT * FROM other.spent")
            finally:
                self.database.execute("DETACH other")

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spend(self, key: str, cost: Cost, ledger: str) -> None:
        row = (ledger, key, cost.prompt_tokens, cost.completion_tokens, cost.money, time.time())
        self.database.execute("INSERT INTO spent VALUES (?, ?, ?, ?, ?, ?)", row)
