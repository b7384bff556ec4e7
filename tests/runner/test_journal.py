"""A journal: what is final stays, nothing is lost to a kill, one writer at a time."""

from __future__ import annotations

import signal
import subprocess
import sys

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.runner.journal import Journal
from viscodex.runner.stage import Fail, Keep, Reject

IDS = st.text(max_size=3)
RESULTS = st.one_of(
    st.just(Keep(None)),
    st.builds(Reject, st.text(max_size=2)),
    st.builds(Fail, st.text(max_size=2), tries=st.integers(1, 9)),
)
STATUS = {Keep: "kept", Reject: "rejected", Fail: "failed"}


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from("ab"), IDS, RESULTS, st.binary(max_size=3)), max_size=30), st.data())
def test_the_first_final_verdict_stands(tmp_path_factory, events, data):
    path = tmp_path_factory.mktemp("journal") / "journal.sqlite"
    model = {}
    journal = Journal(path)
    for stage, row_id, result, content in events:
        journal.record(stage, row_id, result, content)
        if model.get((stage, row_id), ("failed",))[0] == "failed":
            model[stage, row_id] = (STATUS[type(result)], getattr(result, "tries", 1), content)
        if data.draw(st.booleans()):
            journal.close()
            journal = Journal(path)
    for stage in "ab":
        entries = list(journal.entries(stage))
        assert {(stage, e.id): (e.status, e.tries, e.content) for e in entries} == {
            key: value for key, value in model.items() if key[0] == stage
        }
        assert [e.id.encode("utf-8", "surrogatepass") for e in entries] == sorted(
            e.id.encode("utf-8", "surrogatepass") for e in entries
        )
        assert sum(journal.counts(stage).values()) == len(entries)
    journal.close()


def test_every_row_is_listed_once_however_many(journal):
    for n in range(350):
        journal.record("s", f"{n}", Keep(None) if n % 3 else Reject("third"))
    assert len({entry.id for entry in journal.entries("s")}) == 350
    assert len(list(journal.entries("s", "rejected"))) == 117
    assert [entry.id for entry in journal.entries("s", "kept")][:3] == ["1", "10", "100"]


@pytest.mark.parametrize("row_id", ["", "\x00", "\ud800", "a\nb", "Ω" * 5000])
def test_any_text_is_an_id(journal, row_id):
    journal.record("s", row_id, Reject("\ud800", "\x00"))
    assert journal.look_up("s", row_id).id == row_id
    assert journal.look_up("s", row_id + "x") is None


def test_failed_rows_get_their_tries_again(journal):
    journal.record("s", "a", Fail("died", tries=3))
    journal.record("s", "b", Keep(None))
    assert journal.forget_failed("s") == 1
    assert [entry.id for entry in journal.entries("s")] == ["b"]


def test_a_second_writer_is_refused(tmp_path, journal):
    with pytest.raises(UsageError, match="another run"):
        Journal(tmp_path / "journal.sqlite")


def test_what_is_no_database_is_said_so(tmp_path):
    (tmp_path / "journal.sqlite").write_text("hello, I am a text file, and not a short one either\n" * 50)
    with pytest.raises(VisCodexError, match=r"cannot open journal\.sqlite"):
        Journal(tmp_path / "journal.sqlite")


WRITER = """
import sys
from pathlib import Path
from viscodex.runner.journal import Journal
from viscodex.runner.stage import Keep
journal = Journal(Path(sys.argv[1]))
for n in range(10**9):
    if journal.look_up("s", str(n)) is None:
        journal.record("s", str(n), Keep(None), b"x" * n)
        print(n, flush=True)
"""


def test_what_was_recorded_survives_kill_9(tmp_path):
    path = tmp_path / "journal.sqlite"
    said = set()
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            for line in writer.stdout:
                assert int(line) not in said  # done once
                said.add(int(line))
                if len(said) % 40 == 0:
                    writer.send_signal(signal.SIGKILL)
                    break
    with Journal(path) as journal:
        entries = {int(entry.id): entry.content for entry in journal.entries("s", "kept")}
    assert said <= set(entries)
    assert all(content == b"x" * n for n, content in entries.items())
