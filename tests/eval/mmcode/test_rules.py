"""The published evaluator's comparison rules, as recorded; its rewriting of programs is not imitated."""

from __future__ import annotations

import json

import pytest
from tests.eval.mmcode.problems import answer, problem, scorer

# Rows whose recorded verdict comes from the evaluator's wrapper or its stand-in for stdin, not from its rules. Here
# they run as they would anywhere, and pass.
NOT_IMITATED = {
    "sys_stdin_buffer": "its stdin is a text object without a buffer",
    "from_stdin_buffer": "the same, imported by name",
    "global_var": "the program becomes the body of a function, where `global` means another scope",
    "multiline_string_tabs_visible": "the program is indented, and strings of several lines with it",
    "os_getcwd_none": "os.getcwd is set to None before the program runs",
    "from_sys_import_stdout_top": "imports move to the top, so stdout is bound before it is replaced",
}


def rows(repository) -> list[dict[str, object]]:
    return json.loads((repository / "tests/golden/mmcode/runner_cases.json").read_bytes())


@pytest.mark.slow
def test_rules_are_the_published_ones(repository):
    differing = {}
    for row in rows(repository):
        _, paper = scorer(all_tests=True).score(problem(row["input_output"]), answer(row["code"])).scores
        ours = [status == "ok" for status in paper.evidence["statuses"]]
        if ours != [verdict is True for verdict in row["verdicts"]]:
            differing[row["id"]] = paper.evidence["statuses"]
    assert differing == {name: ["ok"] for name in NOT_IMITATED}


@pytest.mark.parametrize(
    "name", ["tokens_permuted", "float_round3_line", "yes_prefix_line_wrong_count", "call_first_elem_str"]
)
def test_what_only_the_published_rules_accept(repository, name):
    row = next(row for row in rows(repository) if row["id"] == name)
    fixed, paper = scorer().score(problem(row["input_output"]), answer(row["code"])).scores
    assert (fixed.protocol, fixed.values, fixed.reason) == ("fixed", {"passed": 0.0}, "wrong_answer")
    assert (paper.protocol, paper.values, paper.reason) == ("paper", {"passed": 1.0}, "")
