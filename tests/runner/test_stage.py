from __future__ import annotations

import pytest

from viscodex.runner.stage import Fail, Keep, Reject, Tally, attempt


def boom(error):
    raise error


@pytest.mark.parametrize(
    "error", [ValueError("no"), MemoryError(), RecursionError("deep"), SystemExit(2), OSError(5, "io")]
)
def test_what_a_stage_raises_is_a_failure(error):
    fail = attempt(boom, error)
    assert isinstance(fail, Fail)
    assert fail.reason == type(error).__name__
    assert "(test_stage.py:" in fail.detail


def test_an_interrupt_is_not_a_failure():
    with pytest.raises(KeyboardInterrupt):
        attempt(boom, KeyboardInterrupt())


def test_what_a_stage_says_passes():
    assert attempt(lambda row: Keep(row), 3) == Keep(3)
    assert attempt(lambda: Reject("blank")) == Reject("blank")
    assert attempt(lambda: None).reason == "TypeError"


def test_a_detail_is_one_printable_line():
    assert "\n" not in attempt(boom, ValueError("a\nb\x1b[31m\ud800" + "x" * 10**6)).detail
    assert len(attempt(boom, ValueError("x" * 10**6)).detail) < 3000


def test_a_tally_accounts_for_every_row():
    tally = Tally("render", seen=4)
    for result in (Keep(1), Reject("blank"), Reject("blank")):
        tally.add(result)
    with pytest.raises(AssertionError, match="4 rows seen, 3 accounted for"):
        tally.check()
    tally.add(Fail("died"))
    tally.check()
    assert (tally.kept, tally.rejected, tally.failed) == (1, {"blank": 2}, {"died": 1})
