"""`viscodex doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

import typer

from viscodex.core import console

if TYPE_CHECKING:
    from viscodex.core.finding import Finding


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(json: bool = typer.Option(False, "--json", help="As JSON.")) -> None:
    """Look over this machine: what is there, what is missing, and the command that brings it.

    Ends with 0 when everything required is there, with 1 otherwise.
    """
    from viscodex.doctor import examine, is_ready

    findings = examine()
    if json:
        console.result_json({"ready": is_ready(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        console.result("\n".join(page(findings)))
    if not is_ready(findings):
        raise typer.Exit(1)


def page(findings: Sequence[Finding]) -> Iterator[str]:
    """The report's lines: a heading per section, a line per finding, and under it what it is for if it is not there."""
    width = max(len(finding.name) for finding in findings)
    for section, group in groupby(findings, key=lambda finding: finding.section):
        yield section
        for finding in group:
            yield f"  {finding.status:<8}  {finding.name:<{width}}  {finding.detail}"
            if finding.status != "ok":
                yield from (f"{'':{width + 14}}{words}" for words in _advice(finding))
        yield ""
    missing = [finding.name for finding in findings if finding.status == "missing"]
    yield f"missing: {', '.join(missing)}" if missing else "ready: everything required is here"


def _advice(finding: Finding) -> Iterator[str]:
    if finding.purpose:
        yield f"for: {finding.purpose}"
    if finding.fix:
        yield f"fix: {finding.fix}"
