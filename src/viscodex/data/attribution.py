"""ATTRIBUTION.md: what is owed to whom, for every row that was kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from viscodex.core.rundir import atomic_write
from viscodex.data.output import Made

NAME = "ATTRIBUTION.md"


def write_attribution(folder: Path, made: Sequence[Made]) -> None:
    """Write it; the licences come first, since they differ by category."""
    atomic_write(folder / NAME, "\n".join(_lines(made)) + "\n")


def _lines(made: Sequence[Made]) -> Iterator[str]:
    yield "# Attribution"
    for category in made:
        yield from ("", f"## {category.category}", "")
        licences = category.licences.most_common()
        yield "; ".join(f"{name or 'licence not stated'}: {count:,} rows" for name, count in licences) or "No rows."
        yield ""
        for line, count in sorted(category.attributions.items()):
            if line:
                yield f"- {line}" + (f" ({count:,} rows)" if count > 1 else "")
