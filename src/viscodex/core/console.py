"""What a user sees: results on stdout, progress and remarks on stderr.

On a terminal progress is one live line (rich); elsewhere a plain line at most every 10 s; with --quiet, nothing.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PLAIN_INTERVAL_S = 10.0
_UNBOUNDED = 100_000  # columns


@dataclass
class _Settings:
    quiet: bool = False
    debug: bool = False


settings = _Settings()


def configure(*, quiet: bool = False, debug: bool = False) -> None:
    """Set once by the command line."""
    settings.quiet = quiet
    settings.debug = debug


def say(message: str) -> None:
    """A remark on stderr, unless --quiet."""
    if not settings.quiet:
        print(message, file=sys.stderr, flush=True)


def result(text: str) -> None:
    """A result on stdout."""
    print(text, flush=True)


def result_json(value: Any) -> None:
    """A machine-readable result on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
    """A table on stdout. `right` lists the columns that are aligned to the right (numbers).

    Elsewhere than on a terminal the table is as wide as its content, so that a row stays one line in a log.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    grid = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        grid.add_column(name, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    width = None if sys.stdout.isatty() else _UNBOUNDED
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    if sys.stdout.isatty():
        console.print(grid)
        return
    with console.capture() as drawn:
        console.print(grid)
    result("\n".join(line.rstrip() for line in drawn.get().splitlines()))


@dataclass
class Progress:
    """A steady count towards a total (None: not known), from any thread; `unit` "B" is shown as GB and GB/s."""

    label: str
    total: float | None
    unit: str
    done: float = 0.0
    note: str = ""
    started: float = field(default_factory=time.monotonic)
    _last: float = field(default_factory=time.monotonic)
    _live: Any = None
    _task: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, amount: float, note: str = "") -> None:
        """Count on; `note` is a remark on how it goes, the last one is shown."""
        with self._lock:
            self.done += amount
            self.note = note or self.note
            if self._live is not None:
                description = f"{self.label}: {self.note}" if self.note else self.label
                self._live.update(self._task, completed=self.done, description=description)
            elif time.monotonic() - self._last >= PLAIN_INTERVAL_S:
                self._last = time.monotonic()
                say(self.line())

    def line(self) -> str:
        """The plain progress line."""
        elapsed = max(time.monotonic() - self.started, 1e-9)
        rate, remark = self.done / elapsed, f"; {self.note}" if self.note else ""
        if self.total is None:
            return f"{self.label}: {self.done:.0f} {self.unit}, {rate:.1f} {self.unit}/s{remark}"
        share = 100 * self.done / self.total if self.total else 100.0
        left = f"{(self.total - self.done) / rate:.0f} s left" if rate else "just begun"
        if self.unit == "B":
            amount = f"{self.done / 1e9:.1f}/{self.total / 1e9:.1f} GB, {rate / 1e9:.2f} GB/s"
        else:
            amount = f"{self.done:.0f}/{self.total:.0f} {self.unit}, {rate:.1f} {self.unit}/s"
        return f"{self.label}: {share:.0f} % ({amount}, {left}){remark}"


@contextmanager
def progress(label: str, total: float | None, unit: str = "items") -> Iterator[Progress]:
    """Show a count while the block runs."""
    counter = Progress(label, total, unit)
    if settings.quiet or not sys.stderr.isatty():
        yield counter
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as LiveProgress

    amount = DownloadColumn() if unit == "B" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with LiveProgress(*columns, console=Console(stderr=True), transient=True) as live:
        counter._live, counter._task = live, live.add_task(label, total=total)
        yield counter
