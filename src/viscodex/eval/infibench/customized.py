"""Scorers in Python, by name. Only those registered here run: no module that data names is ever imported.

The published suite names some (`cases.handler_0-0-1.main_handler`) whose code is not ours; such cases are unscored
until someone registers a scorer of that name.
"""

from __future__ import annotations

from collections.abc import Callable

from viscodex.eval.infibench.points import Points, UnmeasuredError

Custom = Callable[[str, Points | None], Points]
"""Takes the answer, and for a post_handler the points of the keywords; gives the points that count."""

CUSTOM: dict[str, Custom] = {}


def grade(name: str, answer: str, before: Points | None = None) -> Points:
    """Ask the scorer of a name. UnmeasuredError where there is none."""
    if name not in CUSTOM:
        raise UnmeasuredError("no_custom_scorer", name)
    return CUSTOM[name](answer, before)
