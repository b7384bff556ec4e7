"""docs/security.md and the attacks keep step: every test it names exists, and every attack is named."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
NO_PROMISES = {
    # what must keep working, and what describes a run
    "test_a_missing_program_is_an_error_of_the_run",
    "test_a_plain_file_is_collected",
    "test_output_that_is_not_text_is_kept_as_it_is",
    "test_each_verdict_is_its_tests_own",
    "test_places_for_the_report",
}


def test_every_promise_has_its_test_and_every_attack_its_promise(repository):
    page = (repository / "docs" / "security.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    source = "\n".join(path.read_text(encoding="utf-8") for path in HERE.glob("test_attacks_*.py"))
    written = set(re.findall(r"^def (test_\w+)", source, re.MULTILINE))
    assert named <= written
    assert written - named == NO_PROMISES


def test_the_number_of_refused_calls_is_right(repository):
    page = (repository / "docs" / "security.md").read_text(encoding="utf-8")
    source = (HERE / "test_attacks_kernel.py").read_text(encoding="utf-8")
    calls = re.findall(r'^    "\w+": "', source, re.MULTILINE)
    assert f"({len(calls)} of them, each tried)" in page
