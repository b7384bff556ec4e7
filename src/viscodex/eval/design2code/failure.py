"""Why a page has no blocks to compare, when that is its own fault."""

from __future__ import annotations

REJECTED, TOO_MANY = "rejected_markup", "too_many_text_tags"
FAILS_THE_FILE = frozenset({REJECTED, TOO_MANY})
"""Reasons for which the published scorer fails on a file; for any other it takes a white picture."""


class PageFailedError(Exception):
    """The page cannot be read or drawn: `reason` is a word that can be counted."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
