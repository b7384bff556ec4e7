"""A provider's batches: one price, one cache, no batch twice."""

from __future__ import annotations

import asyncio

import pytest
from tests.endpoint import Endpoint, Says, Status

from viscodex.core.chat import AskError, Message, Request
from viscodex.runner import batch
from viscodex.runner.batch import Batches
from viscodex.runner.cache import Cache
from viscodex.runner.llm import Client
from viscodex.runner.service import Service


class NoTime:
    def __init__(self) -> None:
        self.slept = []

    def now(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


def questions(*texts):
    return [Request("m", (Message("user", (text,)),)) for text in texts]


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "llm.sqlite") as opened:
        yield opened


def run(endpoint, cache, requests, clock=None, change=lambda batches: None, **settings):
    async def main():
        service = Service(url=endpoint.url, model="m", tries=2, **settings)
        async with Client(service, cache, ledger="test", clock=clock or NoTime()) as client:
            batches = Batches(client)
            change(batches)
            return await batches.run(requests)

    return asyncio.run(main())


def echo(call):
    return Status(500) if call.text == "bad" else Says(f"re: {call.text}")


def test_answers_come_by_batch_and_stay(cache):
    clock = NoTime()
    with Endpoint(echo, polls=4) as endpoint:
        ((request, error),) = run(endpoint, cache, questions("a", "bad", "b"), clock)
        assert request.messages[0].parts == ("bad",) and error.fault == "server"
        assert clock.slept == [5.0, 15.0, 60.0]
        assert [cache.get(question).text for question in questions("a", "b")] == ["re: a", "re: b"]
        assert cache.spent("test").tokens == 2 * 15
        run(endpoint, cache, questions("a", "b"))
        assert len(endpoint.batches) == 1
        run(endpoint, cache, questions("a", "bad", "c"))
        assert len(endpoint.batches) == 2
    assert endpoint.counts == {"a": 1, "b": 1, "bad": 2, "c": 1}


class KilledError(Exception):
    pass


def stop(*_, **__):
    raise KilledError


@pytest.mark.parametrize("moment", ["before sending", "before hearing its name", "while waiting"])
def test_a_killed_run_leaves_a_batch_that_is_taken_up_again(cache, moment):
    def change(batches):
        if moment == "before sending":
            batches.client.openai.files.create = stop
        elif moment == "before hearing its name":
            note = batches._note
            batches._note = lambda mark, name, keys: stop() if name else note(mark, name, keys)
        else:
            batches._ended = stop

    with Endpoint(echo) as endpoint:
        with pytest.raises(KilledError):
            run(endpoint, cache, questions("a", "b"), change=change)
        sent = len(endpoint.batches)
        assert run(endpoint, cache, questions("a", "b", "c")) == []
        assert len(endpoint.batches) == sent + 1  # "c", and all of them where none was sent
    assert endpoint.counts == {"a": 1, "b": 1, "c": 1}


def test_a_batch_without_an_answer_says_so_and_ends(cache):
    with Endpoint(echo) as endpoint:

        def look(self, found):
            found |= {"status": "expired"}
            return found

        endpoint._server.RequestHandlerClass._look_at_batch = look
        ((_, error),) = run(endpoint, cache, questions("a"))
        assert error.problem == "the batch ended without it"

        def refuse(self, found):
            return found | {"status": "failed", "errors": {"data": [{"message": "no such model"}]}}

        endpoint._server.RequestHandlerClass._look_at_batch = refuse
        with pytest.raises(AskError, match="no such model"):
            run(endpoint, cache, questions("a"))


def test_a_budget_holds_for_batches(cache):
    with Endpoint(echo) as endpoint, pytest.raises(AskError) as found:
        run(endpoint, cache, questions("a", "b"), budget={"tokens": 5000})
    assert found.value.fault == "budget"
    assert not endpoint.batches


def test_batches_are_no_larger_than_a_provider_takes(monkeypatch):
    monkeypatch.setattr(batch, "MOST_REQUESTS", 3)
    assert [len(chunk) for chunk in batch.chunks(questions(*"abcdefgh"))] == [3, 3, 2]
    monkeypatch.setattr(batch, "MOST_BYTES", 2 * len(batch.line(questions("a")[0])))
    assert [len(chunk) for chunk in batch.chunks(questions(*"abcde"))] == [2, 2, 1]


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"custom_id": "other"}', '{"custom_id": ["x"]}'])
def test_strange_lines_are_nobodys(text):
    assert batch.answer(text, {}) == ("", None)
