"""The gates over a whole suite of InfiBench-V."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from viscodex.core import console
from viscodex.core.errors import VisCodexError
from viscodex.core.infibench_v import Record
from viscodex.eval.infibench.gates import gate
from viscodex.eval.infibench.lint import LintFinding
from viscodex.eval.infibench.suite import BUNDLED


def gate_suite(path: Path | None = None) -> dict[str, Any]:
    """Findings of every question, and which of them this machine cannot try."""
    table = BUNDLED if path is None else path / BUNDLED.name if path.is_dir() else path
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VisCodexError("no questions can be read", str(table), "a questions.jsonl, or its folder") from error
    findings: list[LintFinding] = []
    unavailable: dict[str, str] = {}
    with console.progress("gates", len(lines), "questions") as progress:
        for number, line in enumerate(lines, 1):
            name = f"line {number}"
            try:
                record = Record.model_validate(json.loads(line))
                name = record.id
                gated = gate(record, table.parent)
                findings += gated.findings
                if gated.unavailable:
                    unavailable[name] = "; ".join(gated.unavailable)
            except (ValidationError, ValueError, RecursionError) as error:
                findings.append(LintFinding(name, "rejected", "", str(error)[:300]))
            except VisCodexError as error:
                findings.append(LintFinding(name, "rejected", error.where, error.problem))
            progress.advance(1)
    return {"questions": len(lines), "findings": [asdict(one) for one in findings], "unavailable": unavailable}
