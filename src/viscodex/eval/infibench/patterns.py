"""Regular expressions of a suite, run where they can be killed.

A pattern may backtrack for ever, and Python's engine cannot be stopped from a thread. So patterns run in a box, with
Python's own `re` and a limit of CPU time; all patterns of an answer in one box. A pattern that does not come to an end
might have matched, so nobody knows the score: the sample is unscored (`regex_timeout`), never 0. That is a fault of the
suite, and `lint_suite` warns of such patterns; an answer gains nothing by it, since unscored counts in n.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field

from viscodex.eval.infibench.points import UnmeasuredError
from viscodex.sandbox.calls import call_function
from viscodex.sandbox.limits import GIB, MIB, Limits

LIMITS = Limits(cpu_s=5.0, memory=1 * GIB, stdout=1 * MIB)
PROGRAM = """
import re, warnings
warnings.simplefilter("ignore")
def found(texts, queries):
    answers = []
    for pattern, index, whole, flags in queries:
        compiled = re.compile(pattern, flags)
        answers.append(bool((compiled.fullmatch if whole else compiled.search)(texts[index])))
    return answers
"""


@dataclass(frozen=True)
class Query:
    """Whether a pattern is found in a text, or is the whole of it."""

    pattern: str
    text: str
    whole: bool = False
    ignore_case: bool = False


@dataclass
class Patterns:
    """What is known of one answer's patterns. An unknown one is False for now, and wanted: `resolve`, and ask again."""

    known: dict[Query, bool] = field(default_factory=dict)
    wanted: dict[Query, None] = field(default_factory=dict)

    def matches(self, query: Query) -> bool:
        if query not in self.known:
            self.wanted[query] = None
        return self.known.get(query, False)

    def resolve(self) -> None:
        """Run what is wanted. Raises UnmeasuredError when it does not end, or there is no box to run it in."""
        queries = [query for query in self.wanted if self._usable(query)]
        self.wanted.clear()
        if queries:
            self.known.update(zip(queries, _run(queries), strict=True))

    def _usable(self, query: Query) -> bool:
        """Lower case can break a pattern that was right (`(?P<N>.)`): such a one matches nothing."""
        try:
            with warnings.catch_warnings(action="ignore"):
                re.compile(query.pattern)
        except re.error:
            self.known[query] = False
            return False
        return True


def _run(queries: list[Query]) -> list[bool]:
    texts = list(dict.fromkeys(query.text for query in queries))
    rows = [
        [query.pattern, texts.index(query.text), query.whole, re.IGNORECASE.value if query.ignore_case else 0]
        for query in queries
    ]
    (call,) = call_function(PROGRAM, "found", [[texts, rows]], LIMITS)
    if call.status in ("timeout", "memory"):
        patterns = " ".join(dict.fromkeys(query.pattern for query in queries))
        raise UnmeasuredError(f"regex_{call.status}", f"one of these patterns does not end: {patterns[:200]}")
    if call.status != "ok" or not isinstance(call.value, list) or len(call.value) != len(queries):
        raise UnmeasuredError("sandbox", call.execution.stderr.decode(errors="replace")[-200:] or call.status)
    return [bool(value) for value in call.value]
