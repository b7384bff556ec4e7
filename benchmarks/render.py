"""Render every JSON in benchmarks/results into docs/performance.md, between its markers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def rendered(page: str, results: Path = RESULTS) -> str:
    """The page with everything between its markers made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = (_section(json.loads(path.read_bytes())) for path in sorted(results.glob("*.json")))
    return before + "\n\n".join([BEGIN, *("\n".join(lines) for lines in tables), END]) + after


def _section(result: dict[str, Any]) -> Iterator[str]:
    rows: list[dict[str, Any]] = result["rows"]
    heads = list(dict.fromkeys(head for row in rows for head in row))
    numeric = {head for head in heads if all(isinstance(row.get(head, 0), int | float) for row in rows)}
    yield from (f"## {result['title']}", "")
    yield f"| {' | '.join(heads)} |"
    yield "".join("|---:" if head in numeric else "|---" for head in heads) + "|"
    for row in rows:
        yield f"| {' | '.join(_cell(row.get(head)) for head in heads)} |"
    if result.get("notes"):
        yield from ("", result["notes"])
    yield from ("", f"*{result['machine']}*")


def _cell(value: Any) -> str:
    """Numbers with three figures that count, a dash for what was not measured."""
    if value is None:
        return "—"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
