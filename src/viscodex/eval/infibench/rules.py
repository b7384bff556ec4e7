"""Rules that an answer matches or not: texts and patterns, joined by `or` and `and`, under a condition.

The same tree serves keywords and blanks. Nothing here runs a pattern: patterns.py does, where it can be killed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from viscodex.eval.benchmark import Rules
from viscodex.eval.infibench.patterns import Patterns, Query
from viscodex.eval.infibench.reading import GradingError, Reader

KEYS = ("content", "or", "and", "regex", "cond", "to_lower", "weight")
CONDITION = re.compile(r"context\[(-?\d{1,4})\]\.startswith\((['\"])(match|unmatch)\2\)")
LONGEST_PATTERN = 4000


@dataclass(frozen=True)
class Condition:
    """`context[INDEX].startswith('match')`: an earlier rule matched, or did not."""

    index: int
    word: str

    def holds(self, context: Sequence[bool]) -> bool:
        """False where there is no such rule."""
        try:
            return context[self.index] == (self.word == "match")
        except IndexError:
            return False


@dataclass(frozen=True)
class Node:
    """A part of a rule. None: not said here, and taken from the part around it."""

    kind: Literal["text", "any", "all"]
    text: str = ""
    parts: tuple[Node, ...] = ()
    regex: bool | None = None
    to_lower: bool | None = None
    weight: float | None = None
    condition: Condition | None = None

    def most(self) -> float | None:
        """The largest weight that a match can be worth, where the tree says any; see `Matcher.match`."""
        if self.weight is not None or self.kind != "any":
            return self.weight
        return max((most for part in self.parts if (most := part.most()) is not None), default=None)

    def leaves(self, regex: bool = False) -> list[tuple[str, bool]]:
        """Every text with whether it is a pattern."""
        regex = regex if self.regex is None else self.regex
        if self.kind == "text":
            return [(self.text, regex)]
        return [leaf for part in self.parts for leaf in part.leaves(regex)]


@dataclass(frozen=True)
class Match:
    """Whether a part matched, and the weight that the tree gives it (None: none given)."""

    hit: bool
    weight: float | None = None


@dataclass(frozen=True)
class Matcher:
    """Holds one text against rules. `whole`: equality and full matches, as blanks want it; else containment."""

    text: str
    context: Sequence[bool]
    patterns: Patterns
    protocol: Rules
    whole: bool = False

    def match(self, node: Node, regex: bool = False, lower: bool = False) -> Match:
        """No short cut is taken, so that one pass meets every pattern.

        paper: `to_lower` of a nested part is not read, and neither is its weight. `lower` turns patterns into lower
        case as well, escapes included (`\\S` becomes `\\s`). fixed: patterns ignore case instead.
        """
        regex = regex if node.regex is None else node.regex
        if self.protocol == "fixed" and node.to_lower is not None:
            lower = node.to_lower
        matches = [self.match(part, regex, lower) for part in node.parts]
        if node.kind == "text":
            hit = self._text(node.text, regex, lower)
        else:
            hit = (any if node.kind == "any" else all)(match.hit for match in matches)
        if node.condition is not None and not node.condition.holds(self.context):
            hit = False
        weights = [match.weight for match in matches if match.hit and match.weight is not None]
        inner = max(weights, default=None) if node.kind == "any" else None
        return Match(hit, inner if node.weight is None else node.weight)

    def _text(self, wanted: str, regex: bool, lower: bool) -> bool:
        if regex and lower and self.protocol == "fixed":
            return self.patterns.matches(Query(wanted, self.text, self.whole, ignore_case=True))
        wanted, text = (wanted.lower(), self.text.lower()) if lower else (wanted, self.text)
        if regex:
            return self.patterns.matches(Query(wanted, text, self.whole))
        return wanted == text if self.whole else wanted in text


def read_node(reader: Reader, value: Any, where: str, regex: bool = False) -> Node:
    """A rule's content: a text, or a mapping with `content`, `or` or `and`. `regex`: what is inherited from above."""
    if not isinstance(value, Mapping):
        return read_text(reader, value, where, regex)
    known = reader.mapping(value, where, KEYS)
    own = reader.flag(known["regex"], f"{where}.regex") if known.get("regex") is not None else None
    fields: dict[str, Any] = {"regex": own}
    if known.get("to_lower") is not None:
        fields["to_lower"] = reader.flag(known["to_lower"], f"{where}.to_lower")
        reader.note("nested-key", where, "to_lower inside a rule: read by fixed, not by paper")
    if known.get("weight") is not None:
        fields["weight"] = reader.number(known["weight"], f"{where}.weight")
        reader.note("nested-key", where, "weight inside a rule: read by fixed, not by paper")
    if known.get("cond") is not None:
        fields["condition"] = read_condition(known["cond"], f"{where}.cond")
    return _body(reader, known, where, regex if own is None else own, fields)


def _body(reader: Reader, known: Mapping[str, Any], where: str, regex: bool, fields: dict[str, Any]) -> Node:
    bodies = [name for name in ("content", "or", "and") if known.get(name) is not None]
    if not bodies:
        raise GradingError("neither content nor or nor and", where)
    if len(bodies) > 1:
        reader.note("ambiguous", where, f"{' and '.join(bodies)} side by side; {bodies[0]} is read")
    name = bodies[0]
    place = f"{where}.{name}"
    if name == "content":
        inner = read_node(reader, known[name], place, regex)
        if inner.kind == "text" and not isinstance(known[name], Mapping):
            return Node("text", inner.text, **fields)
        return Node("any", parts=(inner,), **fields)
    items = enumerate(reader.items(known[name], place))
    parts = tuple(read_node(reader, item, f"{place}[{index}]", regex) for index, item in items)
    return Node("any" if name == "or" else "all", parts=parts, **fields)


def read_text(reader: Reader, value: Any, where: str, regex: bool) -> Node:
    text = reader.text(value, where)
    if regex:
        check_pattern(text, where)
    return Node("text", text)


def check_pattern(pattern: str, where: str) -> None:
    """Raises for a pattern that Python does not compile."""
    if len(pattern) > LONGEST_PATTERN:
        raise GradingError(f"a pattern of {len(pattern)} characters", where)
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise GradingError(f"not a pattern: {error}", where) from error


def read_condition(value: Any, where: str) -> Condition:
    """The one form that occurs; it is parsed, never evaluated."""
    found = CONDITION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise GradingError(f"not a condition that we know: {str(value)[:80]!r}", where)
    return Condition(int(found[1]), found[3])
