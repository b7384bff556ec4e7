"""What a check of the machine found. In core, so that any room can report on what it needs to `viscodex doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "missing", "optional"]


@dataclass(frozen=True)
class Finding:
    """One line of `viscodex doctor`.

    `missing` is required and not there (the doctor fails); `optional` could be better, and nothing fails without it.
    `fix` is the exact command that mends it.
    """

    section: str
    name: str
    status: Status
    detail: str
    purpose: str = ""
    fix: str = ""


Check = Callable[[], Iterable[Finding]]
