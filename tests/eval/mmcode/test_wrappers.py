"""A program is found in every wrapper that says it is one."""

from __future__ import annotations

from tests.eval.mmcode.problems import piped, scorer
from tests.eval.nasty import CODE, WRAPPERS, wrapped

from viscodex.model.generate import Completion

NOT_FOUND = {"a wrong tag", "a quotation", "HTML's own block", "single backticks", "a JSON string", "indentation alone"}


def test_a_program_is_found_in_most_wrappers():
    sample = piped(("a b\n", "4"))
    passed = {}
    for name, wrapper in WRAPPERS.items():
        text = wrapped(wrapper, CODE, "python")
        fixed, _ = scorer().score(sample, Completion(sample_id="p", text=text)).scores
        passed[name] = fixed.values["passed"] == 1.0
    assert {name for name, has_passed in passed.items() if not has_passed} == NOT_FOUND
