"""`viscodex doctor`: what this machine has, what is missing, and the command that brings it."""

from __future__ import annotations

from collections.abc import Sequence

from viscodex.core.finding import Check, Finding
from viscodex.doctor import machine, packages, tools
from viscodex.sandbox import selftest

# In the order they are printed. A room adds a line by adding a function here that yields Findings.
CHECKS: list[Check] = [
    machine.python,
    machine.platform,
    machine.memory,
    machine.disk,
    machine.gpu,
    machine.hub,
    packages.requirements,
    packages.kernel,
    tools.browser,
    tools.charts,
    tools.sandbox,
    selftest.findings,
    tools.languages,
]


def examine(checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Run every check; none of them imports torch or needs the network."""
    return [finding for check in checks for finding in check()]


def is_ready(findings: Sequence[Finding]) -> bool:
    """Whether everything that is required is there."""
    return all(finding.status != "missing" for finding in findings)
