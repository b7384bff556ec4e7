"""Laws of a build: all rows are accounted for, no stored answer is paid twice, workers and kills change no byte."""

from __future__ import annotations

import json
import random
import time

import pyarrow.parquet as pq
import pytest

from tests.data import toy
from tests.data.conftest import files_of, order_of, say
from tests.endpoint import Status
from viscodex.core.chat import Message, Request
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.row import read_rows
from viscodex.data.build import build
from viscodex.data.client import StopError
from viscodex.data.workshop import REPLIES, workshop_path
from viscodex.runner.cache import Cache
from viscodex.runner.journal import Journal
from viscodex.runner.rate import Quota


def rejected(out):
    return pq.read_table(out / "rejected" / "chart").to_pylist()


def test_every_row_is_kept_rejected_or_failed(tmp_path, endpoint):
    out = tmp_path / "out"
    facts = build(order_of(endpoint.url), out)["categories"]["chart"]
    kept, lost = list(read_rows(out)), rejected(out)
    assert facts["seen"] == 120 == len(kept) + len(lost) == facts["kept"] + facts["rejected"] + facts["failed"]
    assert {row["id"] for row in (*kept, *lost)} == {f"chart-{n * 7919 % 100_000:05d}" for n in range(120)}
    assert {row["reason"] for row in lost} == {"unreadable", "too_short", "refused", "duplicate"}
    stages = [line["stage"] for line in facts["funnel"]]
    assert stages == ["drafts", "count", "answer", "once", "draw", "row"]
    for before, after in zip(facts["funnel"], facts["funnel"][1:], strict=False):
        assert before["kept"] == after["seen"] == after["kept"] + sum(after["rejected"].values())
    assert json.loads((out / "build.json").read_text())["categories"]["chart"] == facts


def test_rows_hold_what_the_stages_found_and_no_times(tmp_path, endpoint):
    out = tmp_path / "out"
    build(order_of(endpoint.url), out)
    row = next(read_rows(out))
    assert row["messages"][0]["content"].startswith("<image>Draw note ")
    assert row["images"][0]["bytes"].startswith(b"\x89PNG")
    assert row["generator"] == {
        "model": "toy",
        "params": '{"max_tokens": 50, "temperature": 0.5}',
        "prompt_version": "toy-1",
        "time": "",
    }
    assert list(row["checks"]) == ["words"]
    assert row["attribution"] in (out / "ATTRIBUTION.md").read_text()
    measured = pq.read_table(out / "measured" / "chart").to_pylist()
    assert set(json.loads(measured[0]["measured"])) == {"count_s", "generator_time"}


def test_without_a_model_rules_stand_in(tmp_path):
    facts = build(order_of(), tmp_path / "out")
    funnel = {line["stage"]: line["how"] for line in facts["categories"]["chart"]["funnel"]}
    assert (funnel["answer"], funnel["once"]) == ("rules", "order")
    assert next(read_rows(tmp_path / "out"))["messages"][1]["content"].isupper()
    assert "By rules only" in (tmp_path / "out" / "README.md").read_text()


def test_workers_change_no_byte(tmp_path, endpoint):
    one, two = tmp_path / "one", tmp_path / "two"
    build(order_of(endpoint.url, workers=1), one)
    build(order_of(endpoint.url, workers=2), two)
    assert files_of(one) == files_of(two)


def test_a_second_run_does_nothing_and_another_recipe_is_refused(tmp_path, endpoint):
    out = tmp_path / "out"
    first = build(order_of(endpoint.url), out)
    calls = len(endpoint.calls)
    assert build(order_of(endpoint.url, workers=1), out)["checksums"] == first["checksums"]
    with pytest.raises(UsageError, match="another build"):
        build(order_of(endpoint.url, splits={"train": 0.5, "test": 0.5}), out)
    assert len(endpoint.calls) == calls


def test_splits_are_by_id_alone(tmp_path):
    splits = {"train": 0.7, "test": 0.3}
    whole, part = tmp_path / "whole", tmp_path / "part"
    build(order_of(count=200, splits=splits), whole)
    build(order_of(count=200, splits=splits, limit=100), part)
    of = {row["id"]: row["split"] for split in splits for row in read_rows(whole, split=split)}
    some = {row["id"]: row["split"] for split in splits for row in read_rows(part, split=split)}
    assert set(of.values()) == {"train", "test"}
    both = of.keys() & some.keys()
    assert len(both) > 30 and {of[name] == some[name] for name in both} == {True}


@pytest.mark.slow
def test_killed_ten_times_the_bytes_are_the_same_and_no_stored_answer_is_paid_twice(tmp_path, endpoint, start):
    whole, out = tmp_path / "whole", tmp_path / "out"
    build(order_of(endpoint.url, count=150), whole)
    endpoint.calls.clear(), endpoint.counts.clear()
    chance, kills, status, at_kills = random.Random(11), 0, None, []
    while status != 0:
        known = stored(out)
        at_kills.append(len(known))
        paid = {text: count for text, count in endpoint.counts.items() if question(text).key in known}
        run = start(out, url=endpoint.url, count=150, seconds=0.01)
        if kills < 10:
            if kills < 3:  # while it asks, more than can be in flight; later ones at any moment
                wait_for_calls(endpoint, len(endpoint.calls) + Quota().in_flight + chance.randint(1, 8), run)
            else:
                time.sleep(chance.uniform(0.4, 2.5))
            kills += run.poll() is None
            run.kill()
        status = run.wait(120)
        assert {text: endpoint.counts[text] for text in paid} == paid
        lost = len(endpoint.calls) - len(stored(out))  # asked, and killed before the answer was on disk
        assert lost <= kills * Quota().in_flight
    assert any(0 < count < len(stored(out)) for count in at_kills)
    assert files_of(out) == files_of(whole)
    assert stored(out) == {question(text).key for text in endpoint.counts}


def wait_for_calls(endpoint, count, run):
    """Until so many were made, or the build has ended without them."""
    deadline = time.monotonic() + 120
    while len(endpoint.calls) < count and run.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def question(text):
    """What the toy asks."""
    return Request("toy", (Message("user", (text,)),), toy.PARAMS, tag="toy-1")


def stored(out):
    """The keys of the questions whose answers are on disk."""
    path = workshop_path(out) / REPLIES
    if not path.exists():
        return set()
    with Cache(path) as cache:
        return {key for (key,) in cache.database.execute("SELECT key FROM replies")}


def test_a_row_that_kills_its_worker_fails_alone(tmp_path, endpoint):
    poison = "chart-15838"  # the third
    build(order_of(endpoint.url, count=60), tmp_path / "well")
    facts = build(order_of(endpoint.url, count=60, poison=poison), tmp_path / "out")["categories"]["chart"]
    assert facts["failed"] == 1
    (failed,) = [row for row in rejected(tmp_path / "out") if row["status"] == "failed"]
    assert (failed["id"], failed["stage"], failed["reason"]) == (poison, "count", "died")
    kept = {row["id"] for row in read_rows(tmp_path / "out")}
    assert kept == {row["id"] for row in read_rows(tmp_path / "well")} - {poison}


def test_a_fault_of_the_service_is_the_rows_and_no_verdict(tmp_path, endpoint):
    endpoint.then(Status(400))
    out = tmp_path / "out"
    facts = build(order_of(endpoint.url), out)["categories"]["chart"]
    assert facts["funnel"][2]["failed"] == {"refused": 1}
    again = build(order_of(endpoint.url), tmp_path / "out2")["categories"]["chart"]
    assert again["failed"] == 0


def test_a_budget_stops_the_build_which_goes_on_with_more(tmp_path, endpoint):
    out = tmp_path / "out"
    with pytest.raises(StopError, match="budget"):
        build(order_of(endpoint.url, budget={"tokens": 500}), out)
    assert not out.exists()
    paid = len(endpoint.calls)
    assert paid > 0
    facts = build(order_of(endpoint.url), out)
    assert facts["categories"]["chart"]["failed"] == 0
    assert set(endpoint.counts.values()) == {1} and len(endpoint.calls) > paid


def test_a_stage_that_fails_on_every_row_ends_the_build_until_it_works(tmp_path, endpoint):
    endpoint.answer = lambda call: Status(404)
    out = tmp_path / "out"
    with pytest.raises(VisCodexError, match=r"all \d+ rows failed, with refused"):
        build(order_of(endpoint.url), out)
    endpoint.answer = say
    facts = build(order_of(endpoint.url), out, retry_failed=True)["categories"]["chart"]
    assert facts["failed"] == 0 < facts["kept"]


def test_two_drafts_of_one_id_are_refused(tmp_path):
    order = order_of(count=60, ids=50)
    with pytest.raises(VisCodexError, match="two drafts have the id"):
        build(order, tmp_path / "out")


def test_the_journal_stores_a_picture_once(tmp_path, endpoint):
    out = tmp_path / "out"
    build(order_of(endpoint.url), out)
    with Journal(tmp_path / "out.work" / "journal.sqlite") as journal:
        stages = [stage for stage in journal.stages() if "/draw/" in stage]
        entry = next(journal.entries(stages[0], "kept"))
    assert b"PNG" not in entry.content and len(entry.content) < 1000
