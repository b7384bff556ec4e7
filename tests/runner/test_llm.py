"""The client against a real endpoint on a loopback port: every failure is typed, nothing is paid twice."""

from __future__ import annotations

import asyncio
import io
import json
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import PIL.Image
import pytest
from tests.endpoint import PAGE, TORN, Bytes, Cut, Drip, Endpoint, Hang, Reset, Says, Status

from viscodex.core.chat import AskError, Message, Reply, Request
from viscodex.runner import llm
from viscodex.runner.budget import Budget, Prices
from viscodex.runner.cache import Cache
from viscodex.runner.llm import Client
from viscodex.runner.rate import Quota
from viscodex.runner.retries import CallError
from viscodex.runner.service import Service
from viscodex.runner.threaded import ThreadedClient

KEY = "sk-secret-0123456789"


def png(colour="red"):
    file = io.BytesIO()
    PIL.Image.new("RGB", (4, 3), colour).save(file, "PNG")
    return file.getvalue()


def question(*parts, **options):
    return Request("m", (Message("user", parts),), **options)


class Quick(random.Random):
    """No jitter: back-off is at once."""

    def uniform(self, low, high):
        return 0.0


@pytest.fixture
def cache(tmp_path):
    with Cache(tmp_path / "llm.sqlite") as opened:
        yield opened


def use(endpoint, cache, work, **settings):
    """Run `work(client)` with a client of this endpoint."""
    service = Service(**{"url": endpoint.url, "model": "m", "timeout_s": 5, "tries": 3} | settings)

    async def main():
        async with Client(service, cache, ledger="test", chance=Quick()) as client:
            return await work(client)

    return asyncio.run(main())


def ask(endpoint, cache, *requests, **settings):
    """The replies or errors of requests that are made at the same time."""

    async def work(client):
        return await asyncio.gather(*map(client.ask, requests), return_exceptions=True)

    return use(endpoint, cache, work, **settings)


def ask_one(endpoint, cache, request, **settings):
    (found,) = ask(endpoint, cache, request, **settings)
    if isinstance(found, BaseException):
        raise found
    return found


def test_what_is_sent_and_what_comes_back(cache):
    red, blue = png("red"), png("blue")
    messages = (Message("system", ("Be short.",)), Message("user", ("A", red, "B", blue)))
    with Endpoint("fine") as endpoint:
        request = Request("m", messages, {"temperature": 0, "max_tokens": 9, "top_k": 3})
        reply = ask_one(endpoint, cache, request)
    (call,) = endpoint.calls
    assert call.parts == ["Be short.", "A", red, "B", blue]
    assert {key: value for key, value in call.body.items() if key != "messages"} == {
        "model": "m",
        "temperature": 0,
        "max_tokens": 9,
        "top_k": 3,
    }
    assert call.body["messages"][0] == {"role": "system", "content": "Be short."}
    assert (reply.text, reply.finish, reply.prompt_tokens, reply.completion_tokens) == ("fine", "stop", 10, 5)
    assert (reply.model, reply.is_cached, reply.is_estimated) == ("served", False, False)
    assert json.loads(reply.raw)["id"] == "c"


def test_a_question_is_paid_once_and_replayed_without_a_network(cache):
    request = question("What?", png())
    with Endpoint() as endpoint:
        first = ask_one(endpoint, cache, request)
        assert [reply.text for reply in ask(endpoint, cache, request, request)] == ["yes", "yes"]
        assert endpoint.counts["What?"] == 1
    again = ask_one(endpoint, cache, request)  # nobody listens any more
    assert again.is_cached
    assert again == first.model_copy(update={"is_cached": True})


def test_what_is_asked_at_the_same_time_is_asked_once(cache):
    with Endpoint(lambda call: Says("slow", delay=0.1)) as endpoint:
        found = ask(endpoint, cache, *[question("same")] * 20)
    assert {reply.text for reply in found} == {"slow"}
    assert len(endpoint.calls) == 1


def test_everything_that_an_answer_depends_on_is_in_its_key():
    base = question("a", png())
    others = [
        question("b", png()),
        question("a", png("blue")),
        question(png(), "a"),
        question("a", png(), index=1),
        question("a", png(), tag="rubric-2"),
        question("a", png(), params={"temperature": 0.5}),
        Request("n", base.messages),
        Request("m", (Message("system", base.messages[0].parts),)),
        Request("m", (Message("user", ("a",)), Message("user", (png(),)))),
    ]
    assert len({request.key for request in [base, *others]}) == 1 + len(others)
    assert question("a", png()).key == base.key
    assert question("a", params={"x": 1, "y": 2}).key == question("a", params={"y": 2, "x": 1}).key


PASSING = [Status(500), Status(503), TORN, PAGE, Cut(), Reset(), Bytes(b""), Bytes(b"\xff\xfe")]


@pytest.mark.parametrize("trouble", PASSING)
def test_a_passing_trouble_is_tried_again(cache, trouble):
    with Endpoint() as endpoint:
        endpoint.then(trouble, trouble)
        assert ask_one(endpoint, cache, question("q")).text == "yes"
    assert endpoint.counts["q"] == 3


@pytest.mark.parametrize(
    ("trouble", "fault"),
    [
        (Status(500), "server"),
        (Status(529), "server"),
        (Status(408), "server"),
        (Bytes(b'{"error": {"message": "overloaded"}}'), "server"),
        (TORN, "reply"),
        (PAGE, "reply"),
        (Bytes(b""), "reply"),
        (Bytes(b"[]"), "reply"),
        (Bytes(b"null"), "reply"),
        (Bytes(b'{"choices": []}'), "reply"),
        (Bytes(b'{"choices": [{"message": null}]}'), "reply"),
        (Bytes(b'{"choices": [{"message": {"content": 7}}]}'), "reply"),
        (Bytes(b"[" * 100_000), "reply"),
        (Cut(), "connection"),
        (Reset(), "connection"),
    ],
)
def test_a_lasting_trouble_is_a_typed_error_and_never_an_answer(cache, trouble, fault):
    with Endpoint(lambda call: trouble) as endpoint, pytest.raises(AskError) as found:
        ask_one(endpoint, cache, question("q"))
    assert found.value.fault == fault
    assert endpoint.counts["q"] == 3
    assert cache.get(question("q")) is None


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (400, {"error": {"message": "bad", "code": None}}, "refused"),
        (404, {"error": {"message": "no such model"}}, "refused"),
        (422, {"detail": [{"msg": "field required"}]}, "refused"),
        (400, {"error": {"message": "filtered", "code": "content_filter"}}, "filtered"),
        (401, {"error": {"message": "who are you"}}, "key"),
        (403, {}, "key"),
        (402, {}, "quota"),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, "quota"),
    ],
)
def test_what_cannot_pass_is_asked_once(cache, status, body, fault):
    with Endpoint(lambda call: Status(status, body=body)) as endpoint, pytest.raises(AskError) as found:
        ask_one(endpoint, cache, question("q"))
    assert found.value.fault == fault
    assert endpoint.counts["q"] == 1


@pytest.mark.parametrize("trouble", [Hang(30), Drip()])
def test_a_hang_ends(cache, trouble):
    with Endpoint(lambda call: trouble) as endpoint, pytest.raises(AskError) as found:
        ask_one(endpoint, cache, question("q"), timeout_s=0.3, tries=2)
    assert found.value.fault == "timeout"
    assert endpoint.counts["q"] == 2


def test_nobody_listens(cache):
    with Endpoint() as endpoint:
        pass
    with pytest.raises(AskError) as found:
        ask_one(endpoint, cache, question("q"))
    assert found.value.fault == "connection"
    assert cache.spent("test").tokens == 0  # nothing can have been charged


def test_who_is_told_to_wait_waits_and_so_do_the_others(cache):
    with Endpoint() as endpoint:
        endpoint.then(Status(429, {"retry-after": "0.4"}))
        started = time.monotonic()
        times = []

        async def work(client):
            async def one(number):
                await client.ask(question(f"{number}"))
                times.append(time.monotonic() - started)

            await asyncio.gather(*(one(n) for n in range(5)))

        use(endpoint, cache, work, quota={"in_flight": 1}, tries=1)
    assert min(times) >= 0.4
    assert len(endpoint.calls) == 6


def test_patience_ends(cache):
    with Endpoint(lambda call: Status(429, {"retry-after": "30"})) as endpoint, pytest.raises(AskError) as found:
        ask_one(endpoint, cache, question("q"), patience_s=5)
    assert found.value.fault == "rate"
    assert endpoint.counts["q"] == 1


def test_calls_in_flight_are_limited(cache):
    with Endpoint(lambda call: Says("x", delay=0.02)) as endpoint:
        ask(endpoint, cache, *(question(f"{n}") for n in range(12)), quota=Quota(in_flight=3))
    assert endpoint.most_in_flight == 3


def test_a_withheld_answer_is_an_error_and_is_paid_once(cache):
    with Endpoint(lambda call: Says("", finish="content_filter")) as endpoint:
        for _ in range(2):
            with pytest.raises(AskError) as found:
                ask_one(endpoint, cache, question("q"))
            assert found.value.fault == "filtered"
    assert endpoint.counts["q"] == 1


@pytest.mark.parametrize(
    ("says", "text", "finish"),
    [
        (Says("cut", finish="length"), "cut", "length"),
        (Says(None), "", "stop"),
        (Says("x", finish=None), "x", "stop"),
        (Bytes(b'{"choices": [{"message": {"content": null, "refusal": "I will not"}}]}'), "I will not", "stop"),
        (Bytes(b'{"choices": [{"message": {"content": [{"type": "text", "text": "a"}]}}]}'), "a", "stop"),
        (Bytes(b'{"choices": [{"message": {"content": "\\ud800\\u0000"}}]}', "text/plain"), "\ufffd\x00", "stop"),
    ],
)
def test_unusual_answers_are_answers(cache, says, text, finish):
    with Endpoint(lambda call: says) as endpoint:
        ask_one(endpoint, cache, question("q"))
    reply = cache.get(question("q"))
    assert (reply.text, reply.finish) == (text, finish)


def test_tokens_that_the_service_does_not_count_are_estimated(cache):
    with Endpoint(lambda call: Says("word " * 30, usage=None)) as endpoint:
        reply = ask_one(endpoint, cache, question("q" * 300))
    assert reply.is_estimated
    assert 100 <= reply.prompt_tokens <= 110 and 50 <= reply.completion_tokens <= 60


def test_text_that_utf8_cannot_hold_is_sent_mended(cache):
    with Endpoint() as endpoint:
        ask_one(endpoint, cache, question("a\ud800b\x00"))
    assert endpoint.calls[0].text == "a\ufffdb\x00"


def test_a_picture_that_services_do_not_take_is_refused_unsent(cache):
    with Endpoint() as endpoint, pytest.raises(AskError, match="neither PNG"):
        ask_one(endpoint, cache, question(b"BM-not-a-picture"))
    assert not endpoint.calls


def test_the_key_is_sent_and_found_nowhere_else(cache, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level("DEBUG")
    echo = {"error": {"message": f"Incorrect API key provided: {KEY}"}}
    with Endpoint(lambda call: Says(f"your key is {call.headers['authorization']}")) as endpoint:
        reply = ask_one(endpoint, cache, question("q"))
        endpoint.then(Status(401, body=echo))
        with pytest.raises(AskError) as found:
            ask_one(endpoint, cache, question("r"))
        streamed = use(endpoint, cache, lambda client: _listen(client, question("s")))
    assert endpoint.calls[0].headers["authorization"] == f"Bearer {KEY}"
    assert reply.text == "your key is Bearer ***"
    assert KEY not in str(found.value) and "set OPENAI_API_KEY" in str(found.value)
    assert KEY not in streamed[-1].text + streamed[-1].raw
    cache.close()
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    assert KEY not in caplog.text


@pytest.mark.parametrize("url", ["http://me:secret@h/v1", "http://h/v1?key=secret", "h/v1", "ftp://h/v1", "http:///v1"])
def test_an_address_with_a_secret_or_none_at_all_is_refused(url):
    with pytest.raises(ValueError, match="url"):
        Service(url=url, model="m")


# money


def test_a_budget_is_never_overdrawn_and_holds_in_later_runs(cache):
    prices, budget = Prices(prompt=1e6, completion=1e6), Budget(money=100.0)  # one a token; 15 a call
    questions = [question(f"{n}", params={"max_tokens": 20}) for n in range(30)]  # at most 24 a call
    settings = {"prices": prices, "budget": budget}
    with Endpoint() as endpoint:
        first = ask(endpoint, cache, *questions, **settings)
        assert endpoint.in_flight == 0
        paid = len(endpoint.calls)
        second = ask(endpoint, cache, *questions, **settings)
        assert len(endpoint.calls) == paid
    assert cache.spent("test").money == 15.0 * paid <= 100
    assert paid == 6  # a seventh might have cost 24, and 10 were left
    for found in (first, second):
        assert sum(isinstance(reply, Reply) for reply in found) == paid
        assert {error.fault for error in found if isinstance(error, AskError)} == {"budget"}
    assert all(reply.is_cached for reply in second if isinstance(reply, Reply))


def test_a_budget_of_tokens_belongs_to_its_ledger(cache):
    async def other(client):
        client.ledger, client.purse.spent = "other", cache.spent("other")
        return await client.ask(question("2", params={"max_tokens": 5}))

    budget = Budget(tokens=20)
    with Endpoint() as endpoint:
        found = [ask(endpoint, cache, question(n, params={"max_tokens": 5}), budget=budget)[0] for n in "01"]
        assert use(endpoint, cache, other, budget=budget).text == "yes"
    assert isinstance(found[0], Reply) and found[1].fault == "budget"


def test_lost_replies_count_as_spent(cache):
    with Endpoint(lambda call: TORN) as endpoint, pytest.raises(CallError):
        ask_one(endpoint, cache, question("q" * 300), prices=Prices(prompt=1e6))
    assert cache.spent("test").money == pytest.approx(3 * 104)


# streams


async def _listen(client, request):
    return [piece async for piece in client.stream(request)]


def test_a_stream_comes_in_pieces_and_is_kept(cache):
    says = Says("one two three", pieces=["one ", "two ", "", "three"], usage=(7, 3))
    with Endpoint(lambda call: says) as endpoint:
        *pieces, reply = use(endpoint, cache, lambda client: _listen(client, question("q")))
        assert pieces == ["one ", "two ", "three"]
        assert (reply.text, reply.prompt_tokens, reply.completion_tokens) == ("one two three", 7, 3)
        assert use(endpoint, cache, lambda client: _listen(client, question("q")))[0] == "one two three"
        assert ask_one(endpoint, cache, question("q")).text == "one two three"
    assert len(endpoint.calls) == 1
    assert endpoint.calls[0].body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        (Says("a b c", breaks_off=True), "reply"),
        (Says("a b c", pause=5.0), "timeout"),
        (Bytes(b"data: {torn\n\n", "text/event-stream"), "reply"),
        (Bytes(b'data: {"error": {"message": "boom"}}\n\n', "text/event-stream"), "reply"),
        (PAGE, "reply"),
        (Hang(30), "timeout"),
        (Reset(), "connection"),
        (Status(400), "refused"),
    ],
)
def test_a_stream_that_breaks_is_an_error(cache, says, fault):
    with Endpoint(lambda call: says) as endpoint, pytest.raises(AskError) as found:
        use(endpoint, cache, lambda client: _listen(client, question("q")), timeout_s=0.5, tries=2)
    assert found.value.fault == fault
    assert cache.get(question("q")) is None


def test_a_stream_that_has_not_begun_is_tried_again(cache):
    with Endpoint("well") as endpoint:
        endpoint.then(Status(500), Reset())
        *pieces, reply = use(endpoint, cache, lambda client: _listen(client, question("q")))
    assert pieces == ["well"] and reply.text == "well"


# threads


@pytest.fixture
def threaded(cache):
    opened = []

    def make(endpoint, **settings):
        service = Service(url=endpoint.url, model="m", tries=1, timeout_s=5, **settings)
        opened.append(ThreadedClient(service, cache, ledger="test"))
        return opened[-1]

    yield make
    for client in opened:
        client.close()
        client.close()  # twice is once


def test_plain_code_asks_too(threaded):
    with Endpoint(lambda call: Says(call.text) if call.text != "3" else Status(400)) as endpoint:
        client = threaded(endpoint)
        assert client.ask(question("0")).text == "0"
        found = {request.messages[0].parts[0]: reply for request, reply in client.ask_all(map(question, "012345"))}
        assert found.pop("3").fault == "refused"
        assert {text: reply.text for text, reply in found.items()} == {text: text for text in "01245"}
        with pytest.raises(AskError):
            client.ask(question("3"))


def test_questions_are_drawn_as_they_are_needed(threaded):
    drawn = []

    def endless():
        for n in range(10**9):
            drawn.append(n)
            yield question(f"{n}")

    with Endpoint() as endpoint:
        answers = threaded(endpoint, quota=Quota(in_flight=2)).ask_all(endless())
        for _ in range(5):
            next(answers)
        answers.close()
    assert len(drawn) <= 10


def test_a_client_can_be_closed_in_the_middle(threaded):
    with Endpoint(lambda call: Says("x", delay=0.05)) as endpoint:
        client = threaded(endpoint, quota=Quota(in_flight=2))
        answers = client.ask_all(map(question, "0123456789"))
        stream = client.stream(question("s"))
        next(answers), next(stream)
        client.close()
        del answers, stream


def test_what_work_raises_reaches_the_caller(threaded):
    async def work(number):
        if number == 2:
            raise ZeroDivisionError
        return number

    with Endpoint() as endpoint, pytest.raises(ZeroDivisionError):
        list(threaded(endpoint).each(work, range(5)))


def test_a_stream_in_plain_code(threaded):
    with Endpoint(lambda call: Says("a b c", pause=0.01)) as endpoint:
        client = threaded(endpoint)
        stream = client.stream(question("q"))
        pieces = []
        while True:
            try:
                pieces.append(next(stream))
            except StopIteration as end:
                assert end.value.text == "".join(pieces) == "a b c"
                break
        early = client.stream(question("r"))
        assert next(early) == "a "
        early.close()
        assert client.ask(question("s")).text == "a b c"


# kill -9

ASKER = """
import sys
from pathlib import Path
from viscodex.core.chat import Message, Request
from viscodex.runner.cache import Cache
from viscodex.runner.service import Service
from viscodex.runner.threaded import ThreadedClient
service = Service(url=sys.argv[1], model="m", quota={"in_flight": 4})
with Cache(Path(sys.argv[2])) as cache, ThreadedClient(service, cache) as client:
    requests = [Request("m", (Message("user", (str(n),)),)) for n in range(60)]
    print("begun", flush=True)
    for request, reply in client.ask_all(requests):
        assert reply.text == "answer to " + request.messages[0].parts[0], reply
"""


@pytest.mark.slow
def test_killed_at_any_moment_no_completed_call_is_paid_twice(tmp_path):
    path, chance, kills, status = tmp_path / "llm.sqlite", random.Random(3), 0, None
    with Endpoint(lambda call: Says(f"answer to {call.text}", delay=0.02)) as endpoint:
        while status != 0:
            before = {text: endpoint.counts[text] for text in stored(path)}
            asker = subprocess.Popen([sys.executable, "-c", ASKER, endpoint.url, str(path)], stdout=subprocess.PIPE)
            asker.stdout.readline()
            if kills < 4:
                time.sleep(chance.uniform(0.03, 0.12))
                asker.kill()
                kills += 1
            status = asker.wait(60)
            asker.stdout.close()
            assert {text: endpoint.counts[text] for text in before} == before
        assert len(stored(path)) == 60
        assert len(endpoint.calls) - 60 <= kills * 4  # what was in flight when a kill came


def stored(path):
    """The questions whose answers are on disk."""
    if not path.exists():
        return set()
    with Cache(path) as cache:
        keys = {key for (key,) in cache.database.execute("SELECT key FROM replies")}
    return {str(n) for n in range(60) if Request("m", (Message("user", (str(n),)),)).key in keys}


def test_a_reply_is_on_disk_before_it_is_returned(cache, tmp_path, monkeypatch):
    seen = []
    unfiltered = llm._unfiltered

    def look(reply):
        with closing(sqlite3.connect(tmp_path / "llm.sqlite")) as other:
            seen.append(other.execute("SELECT count(*) FROM replies").fetchone()[0])
        return unfiltered(reply)

    monkeypatch.setattr(llm, "_unfiltered", look)
    with Endpoint() as endpoint:
        ask_one(endpoint, cache, question("q"))
    assert seen == [1]
