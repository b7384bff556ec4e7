"""YAML of cases that others wrote: plain data only, no aliases, bounded depth; duplicate keys are noticed.

The published cases hold duplicate keys (the last one counts, as in PyYAML), so these are told and not refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from viscodex.core.errors import VisCodexError

LONGEST = 1 << 20
"""Characters of one document."""
DEEPEST = 40


class YamlError(VisCodexError):
    """The text is no YAML that we read; the problem says why."""


@dataclass(frozen=True)
class Document:
    """The data, and a line of text per duplicate key."""

    value: Any
    duplicates: tuple[str, ...] = field(default=())


class _Loader(yaml.SafeLoader):
    """Notes duplicate keys; a key that is no plain scalar is refused."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.duplicates: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError(f"line {key.start_mark.line + 1}: a key must be a plain word")
            if key.value in seen:
                self.duplicates.append(f'line {key.start_mark.line + 1}: "{key.value}" again')
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def load(text: str) -> Document:
    """Read one document; raises YamlError for whatever is wrong with it."""
    if len(text) > LONGEST:
        raise YamlError(f"{len(text)} characters of YAML; {LONGEST} are read")
    try:
        _refuse_bombs(text)
        loader = _Loader(text)
        try:
            value = loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise YamlError(f"not valid YAML: {error}") from error
    except (ValueError, OverflowError, RecursionError) as error:  # a number of 5,000 digits, the 31st of February
        raise YamlError(f"not YAML that can be read: {error}") from error
    return Document(value, tuple(loader.duplicates))


def _refuse_bombs(text: str) -> None:
    """Aliases grow exponentially and nesting exhausts the stack; both show in the events, before anything is built."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise YamlError("aliases are not read", hint="write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise YamlError(f"nested deeper than {DEEPEST}")
