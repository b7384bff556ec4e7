"""Keywords: rules with weights; a rule that must not match takes its weight away.

paper: a rule's own `regex` and `cond` are not read, only those of its content; nor are a nested to_lower and weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from viscodex.eval.benchmark import Rules
from viscodex.eval.infibench.patterns import Patterns
from viscodex.eval.infibench.points import Points
from viscodex.eval.infibench.reading import GradingError, Reader
from viscodex.eval.infibench.rules import Condition, Matcher, Node, check_pattern, read_condition, read_node

RULE_KEYS = ("content", "or", "and", "weight", "to_lower", "neg", "regex", "cond")


@dataclass(frozen=True)
class Rule:
    """One keyword. `weight` None: what the content says, else 1."""

    node: Node
    weight: float | None = None
    to_lower: bool = False
    neg: bool = False
    regex: bool = False
    condition: Condition | None = None

    def most(self, protocol: Rules) -> float:
        """The weight that counts for the total."""
        nested = self.node.most() if protocol == "fixed" else None
        return next(weight for weight in (self.weight, nested, 1.0) if weight is not None)


@dataclass(frozen=True)
class Keywords:
    """The rules in order. `handler` names a scorer of ours that looks at the points afterwards; "" for none."""

    rules: tuple[Rule, ...]
    handler: str = ""

    def total(self, protocol: Rules) -> float:
        return sum(rule.most(protocol) for rule in self.rules if not rule.neg)


def grade(keywords: Keywords, answer: str, protocol: Rules, patterns: Patterns) -> Points:
    """Add the weights of what matches; every rule sees how those before it went."""
    context: list[bool] = []
    points = 0.0
    for rule in keywords.rules:
        hit, weight = _match(rule, Matcher(answer, tuple(context), patterns, protocol))
        points += (-weight if rule.neg else weight) if hit else 0.0
        context.append(hit)
    trace = tuple("match" if hit else "unmatch" for hit in context)
    return Points(points, keywords.total(protocol), trace)


def _match(rule: Rule, matcher: Matcher) -> tuple[bool, float]:
    is_fixed = matcher.protocol == "fixed"
    match = matcher.match(rule.node, regex=rule.regex and is_fixed, lower=rule.to_lower)
    hit = match.hit
    if is_fixed and rule.condition is not None:
        hit = hit and rule.condition.holds(matcher.context)
    nested = match.weight if is_fixed else None
    return hit, next(weight for weight in (rule.weight, nested, 1.0) if weight is not None)


def read(reader: Reader, value: Any, where: str) -> Keywords:
    """The list under `keywords`; one entry may be a `post_handler`."""
    rules, handlers = [], []
    for index, item in enumerate(reader.items(value, where)):
        place = f"{where}[{index}]"
        if isinstance(item, Mapping) and "post_handler" in item:
            handlers.append(read_handler(reader, item["post_handler"], f"{place}.post_handler"))
        else:
            rules.append(_read_rule(reader, item, place))
    if not rules or len(handlers) > 1:
        raise GradingError("rules and at most one post_handler are needed", where)
    _note_conditions(reader, rules, where)
    return Keywords(tuple(rules), handlers[0] if handlers else "")


def read_handler(reader: Reader, value: Any, where: str) -> str:
    """`MODULE.FUNCTION`: a name to look up among ours, never something to import."""
    known = reader.mapping(value, where, ("module", "func", "real_metric_type"))
    module, function = (reader.text(known.get(key), f"{where}.{key}") for key in ("module", "func"))
    return f"{module}.{function}"


def _read_rule(reader: Reader, item: Any, where: str) -> Rule:
    if not isinstance(item, Mapping):
        return Rule(read_node(reader, item, where))
    known = reader.mapping(item, where, RULE_KEYS)
    regex = _flag(reader, known, "regex", where)
    body = {key: known[key] for key in ("content", "or", "and") if known.get(key) is not None}
    rule = Rule(
        read_node(reader, body, where),
        reader.number(known["weight"], f"{where}.weight") if known.get("weight") is not None else None,
        _flag(reader, known, "to_lower", where),
        _flag(reader, known, "neg", where),
        regex,
        read_condition(known["cond"], f"{where}.cond") if known.get("cond") is not None else None,
    )
    for key in ("regex", "cond"):
        if known.get(key) is not None:
            reader.note("nested-key", where, f"{key} of a rule itself: read by fixed, not by paper")
    for text, is_pattern in rule.node.leaves(regex):
        if is_pattern:
            check_pattern(text, where)
    return rule


def _flag(reader: Reader, known: Mapping[str, Any], key: str, where: str) -> bool:
    return reader.flag(known[key], f"{where}.{key}") if known.get(key) is not None else False


def _note_conditions(reader: Reader, rules: Sequence[Rule], where: str) -> None:
    """A condition on a rule that is not there holds never, and its points cannot be had."""
    for index, rule in enumerate(rules):
        for condition in conditions(rule.node, rule.condition):
            if not -index <= condition.index < index:
                reader.note("unreachable-points", f"{where}[{index}]", f"no earlier rule [{condition.index}]")


def conditions(node: Node, own: Condition | None = None) -> list[Condition]:
    """Every condition in a rule."""
    found = [condition for condition in (own, node.condition) if condition is not None]
    return found + [condition for part in node.parts for condition in conditions(part)]
