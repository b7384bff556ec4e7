"""A group of verbs with one that need not be said: `merge NAME …` is `merge run NAME …`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

RUN = "run"


class RunByDefault(TyperGroup):
    """A first word that is no sub-command is for `run`."""

    def parse_args(self, context: Any, args: list[str]) -> list[str]:
        first = next((word for word in args if not word.startswith("-")), None)
        if first is not None and first not in self.commands:
            args = [RUN, *args]
        return super().parse_args(context, args)
