"""OUT/README.md of a review queue: the funnel, and what the categories have and lack."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def readme(facts: dict[str, Any]) -> str:
    return "\n".join(_lines(facts)) + "\n"


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    yield f"# {facts['name']}: candidates"
    yield ""
    asked = facts["model"] or "nobody: rules stood in"
    yield f"{facts['candidates']:,} candidates of {facts['seen']:,} questions with a picture. Asked was {asked}."
    yield "None of them is part of a benchmark before people have accepted it: `viscodex data infibench-v review`."
    yield from ("", "| stage | by | seen | kept | rejected |", "|---|---|--:|--:|---|")
    for step in facts["funnel"]:
        reasons = {**step["rejected"], **{f"failed: {name}": count for name, count in step["failed"].items()}}
        shown = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
        yield f"| {step['stage']} | {step['how']} | {step['seen']:,} | {step['kept']:,} | {shown} |"
    yield from ("", "| category | wanted | candidates | missing |", "|---|--:|--:|--:|")
    for category, wanted in facts["wanted"].items():
        yield f"| {category} | {wanted} | {facts['categories'].get(category, 0)} | {facts['missing'][category]} |"
    yield from ("", "The posts are their authors' (ATTRIBUTION.md), under the licences named there.")
