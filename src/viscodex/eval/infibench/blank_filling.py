"""Blank filling: a template with blanks is laid beside the answer; what lies where a blank is, is compared.

paper: a target whose content is a mapping is read as the list of its keys, so that a blank must say "or" to be right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from viscodex.eval.benchmark import Rules
from viscodex.eval.infibench.alignment import CELLS, align
from viscodex.eval.infibench.patterns import Patterns
from viscodex.eval.infibench.points import Points, RefusedError
from viscodex.eval.infibench.reading import GradingError, Reader
from viscodex.eval.infibench.rules import Matcher, Node, check_pattern, read_node

KEYS = ("template", "blank_str", "escape", "prefix", "targets")
TARGET_KEYS = ("content", "or", "and", "weight", "to_lower", "substr_match", "regex", "cond")
LEAST_RATE = 0.8
"""Where less of the template is found in the answer, no blank is filled."""


@dataclass(frozen=True)
class Target:
    """What a blank should say: `node` as meant, `published` as the published evaluator reads it."""

    node: Node
    published: Node
    weight: float = 1.0
    to_lower: bool = False
    is_part: bool = False
    """Containing it is enough (`substr_match`)."""


@dataclass(frozen=True)
class BlankFilling:
    template: str
    targets: tuple[Target, ...]
    blank: str = "[blank]"
    escape: str = " '\"`"
    prefix: str = ""

    def total(self) -> float:
        return sum(target.weight for target in self.targets)

    def places(self) -> list[int]:
        """Where the blanks begin in the template."""
        found, at = [], self.template.find(self.blank)
        while at >= 0:
            found.append(at)
            at = self.template.find(self.blank, at + len(self.blank))
        return found


@dataclass(frozen=True)
class Filled:
    """What the answer says in each blank, in order; nothing at all when `rate` (or what it is at most) is too low."""

    texts: tuple[str, ...]
    rate: float


@lru_cache(maxsize=1)  # both protocols ask for the same
def fill(spec: BlankFilling, answer: str) -> Filled:
    """Find the blanks in an answer. RefusedError where template and answer are too long to be aligned."""
    text = (spec.prefix + answer) or " "
    places = spec.places()
    fixed_text = len(spec.template) - len(places) * len(spec.blank)
    most = (Counter(spec.template) & Counter(text)).total()
    if most < LEAST_RATE * fixed_text:
        return Filled((), most / fixed_text)
    if len(spec.template) * len(text) > CELLS:
        raise RefusedError("too_long", f"{len(text)} characters beside a template of {len(spec.template)}")
    aligned = align(spec.template, text)
    rate = aligned.length / fixed_text if fixed_text else 1.0
    if rate < LEAST_RATE:
        return Filled((), rate)
    return Filled(tuple(_between(spec, aligned.positions, place, text) for place in places), rate)


def _between(spec: BlankFilling, positions: tuple[int, ...], place: int, text: str) -> str:
    start = positions[place - 1] + 1 if place > 0 else positions[0]
    after = place + len(spec.blank)
    end = positions[after] if after < len(positions) else len(text)
    return text[start:end].strip(spec.escape)


def grade(spec: BlankFilling, filled: Filled, protocol: Rules, patterns: Patterns) -> Points:
    """Compare each blank with its target; conditions look at the blanks before."""
    context: list[bool] = []
    points = 0.0
    for index, target in enumerate(spec.targets):
        hit = False
        if index < len(filled.texts):
            matcher = Matcher(filled.texts[index], tuple(context), patterns, protocol, whole=not target.is_part)
            node = target.node if protocol == "fixed" else target.published
            hit = matcher.match(node, lower=target.to_lower).hit
        points += target.weight if hit else 0.0
        context.append(hit)
    return Points(points, spec.total(), tuple("match" if hit else "unmatch" for hit in context))


def read(reader: Reader, value: Any, where: str) -> BlankFilling:
    known = reader.mapping(value, where, KEYS)
    texts = {
        name: reader.text(known[key], f"{where}.{key}")
        for key, name in (("template", "template"), ("blank_str", "blank"), ("escape", "escape"), ("prefix", "prefix"))
        if known.get(key) is not None
    }
    if not texts.get("template") or texts.get("blank") == "":
        raise GradingError("a template and a blank that can be seen are needed", where)
    items = reader.items(known.get("targets"), f"{where}.targets")
    targets = tuple(_read_target(reader, item, f"{where}.targets[{index}]") for index, item in enumerate(items))
    spec = BlankFilling(targets=targets, **texts)
    _note_unreachable(reader, spec, where)
    return spec


def _read_target(reader: Reader, item: Any, where: str) -> Target:
    if not isinstance(item, Mapping):
        node = read_node(reader, item, where)
        return Target(node, node)
    known = reader.mapping(item, where, TARGET_KEYS)
    body = {key: known[key] for key in ("content", "or", "and", "regex", "cond") if known.get(key) is not None}
    if isinstance(known.get("content"), list):
        body["or"] = body.pop("content")
    node = read_node(reader, body, where)
    if known.get("regex") is not None or known.get("cond") is not None:
        reader.note("nested-key", where, "regex or cond of a target itself: read by fixed, not by paper")
    for text, is_pattern in node.leaves():
        if is_pattern:
            check_pattern(text, where)
    return Target(
        node,
        _published(reader, known.get("content"), node, where),
        reader.number(known["weight"], f"{where}.weight") if known.get("weight") is not None else 1.0,
        reader.flag(known["to_lower"], f"{where}.to_lower") if known.get("to_lower") is not None else False,
        reader.flag(known["substr_match"], f"{where}.substr_match") if known.get("substr_match") is not None else False,
    )


def _published(reader: Reader, content: Any, node: Node, where: str) -> Node:
    if isinstance(content, Mapping):
        reader.note("mapping-target", where, f"paper compares with the keys {', '.join(map(str, content))}")
        return Node("any", parts=tuple(Node("text", str(key)) for key in content))
    if isinstance(content, str):
        return Node("text", content)
    return Node("any", parts=node.parts) if node.parts else node


def _note_unreachable(reader: Reader, spec: BlankFilling, where: str) -> None:
    blanks = len(spec.places())
    if blanks != len(spec.targets):
        reader.note("unreachable-points", where, f"{blanks} blanks and {len(spec.targets)} targets")
    for index, target in enumerate(spec.targets):
        texts = [text for text, is_pattern in target.node.leaves() if not is_pattern]
        bad = [text for text in texts if text != text.strip(spec.escape)]
        if bad and len(bad) == len(target.node.leaves()) and not target.is_part:
            reader.note("unreachable-points", f"{where}.targets[{index}]", f"{bad[0]!r} ends in what is stripped")
