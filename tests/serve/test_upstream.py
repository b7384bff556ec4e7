"""Models on other servers behind our front door: the same answers, the same typed errors, the same limits."""

from __future__ import annotations

import json

import openai
import pytest

from tests.endpoint import PAGE, TORN, Bytes, Cut, Endpoint, Hang, Reset, Says, Status
from viscodex.serve.limits import Limits
from viscodex.serve.upstream import Upstream

from .conftest import ask, error, png, uri

TOO_LONG = "This model's maximum context length is 4096 tokens and your request has 10 input tokens (8192 > 4096 - 10)."


@pytest.fixture(scope="module")
def engine():
    """What stands behind."""
    with Endpoint(lambda call: Says("one two three")) as found:
        yield found


@pytest.fixture(scope="module")
def front(serve, engine):
    return serve(
        engines=lambda metrics: [Upstream("vlm", engine.url, observer=metrics), Upstream("other", engine.url, "there")],
        limits=Limits(answer_s=1.5, tokens=8192),
    )


@pytest.fixture
def client(front):
    with openai.OpenAI(base_url=front.url, api_key="none", max_retries=0) as found:
        yield found


def test_answers_whole_and_in_pieces(client, engine):
    body = ask(uri(png(1)), "What?", temperature=0.5, top_p=0.9, seed=3, stop=["x"])
    whole = client.chat.completions.create(**body)
    assert whole.choices[0].message.content == "one two three"
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (10, 5)
    sent = engine.calls[-1]
    assert sent.parts == [png(1), "What?"]
    assert {name: sent.body[name] for name in ("temperature", "top_p", "stop", "max_tokens")} == {
        "temperature": 0.5, "top_p": 0.9, "stop": ["x"], "max_tokens": 12,
    }  # fmt: skip
    pieces = list(client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}))
    texts = [one.choices[0].delta.content for one in pieces if one.choices and one.choices[0].delta.content]
    assert texts == ["one ", "two ", "three"]
    assert pieces[-1].usage == whole.usage
    assert engine.calls[-1].body["seed"] == sent.body["seed"]  # the same seed, the same answer


def test_several_answers_are_requests_with_seeds_of_their_own(client, engine):
    before = len(engine.calls)
    found = client.chat.completions.create(**ask("Sum.", n=3, temperature=1, seed=1))
    assert [choice.index for choice in found.choices] == [0, 1, 2]
    assert found.usage.completion_tokens == 15
    assert len({call.body["seed"] for call in engine.calls[before:]}) == 3


def test_models_are_chosen_by_name(client, engine):
    assert [model.id for model in client.models.list()] == ["vlm", "other"]
    client.chat.completions.create(**ask("Sum.") | {"model": "other"})
    assert engine.calls[-1].body["model"] == "there"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (Status(400), 400, "unanswerable"),
        (Status(401), 502, "engine_key"),
        (Status(404), 400, "unanswerable"),
        (Status(429, {"retry-after": "7"}), 429, "too_many_requests"),
        (Status(500), 502, "engine_error"),
        (Says("x", breaks_off=True), 503, "engine_gone"),
        (Cut(), 503, "engine_gone"),
        (Reset(), 503, "engine_gone"),
        (TORN, 503, "engine_gone"),
        (PAGE, 503, "engine_gone"),
        (Bytes(b"data: {\n\n", "text/event-stream"), 502, "engine_error"),
        (Hang(3), 504, "answer_timeout"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_goes_wrong_behind_is_typed(front, engine, answer, status, code, stream):
    engine.then(answer)
    response = front.post(ask("Sum.", stream=stream))
    if response.status_code == 200:  # a piece had come: the error is an event
        events = [line for line in response.text.split("\n\n") if line]
        found = json.loads(events[-1].removeprefix("data: "))["error"]
    else:
        found = error(response)
        assert response.status_code == status
        if status == 429:
            assert response.headers["retry-after"] == "7"
    assert found["code"] == code
    front.until_idle()
    assert front.post(ask("Sum.")).status_code == 200


def test_an_engine_that_is_not_there(serve):
    front = serve(engines=lambda metrics: [Upstream("vlm", "http://127.0.0.1:1/v1")])
    assert error(front.post(ask("Sum.")))["code"] == "engine_gone"


def test_an_answer_takes_what_room_there_is(front, engine):
    """The longest answer that we allow may be more than the model has room for beside the prompt."""
    engine.then(Status(400, body={"error": {"message": TOO_LONG, "code": 400}}))
    body = ask("Sum.")
    del body["max_tokens"]
    assert front.post(body).status_code == 200
    assert [call.body.get("max_tokens") for call in engine.calls[-2:]] == [8192, None]
    engine.then(*[Status(400, body={"error": {"message": TOO_LONG, "code": 400}})] * 2)
    assert "maximum context length" in error(front.post(body))["message"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_it_behind_as_well(front, engine, stream):
    engine.then(Says("word " * 5000, pause=0.02))  # longer than anyone is patient
    connection = front.post_raw(json.dumps(ask("Sum.", stream=stream)).encode())
    front.until(lambda: front.engine.running == 1)
    connection.close()
    front.until_idle()
    front.until(lambda: engine.in_flight == 0)
    assert front.post(ask("Sum.")).status_code == 200


def test_bombs_stop_at_our_door(front, engine):
    before = len(engine.calls)
    assert error(front.post(ask(uri(b"no picture"))))["code"] == "invalid_image"
    assert error(front.post(ask("Sum.", n=99)))["param"] == "n"
    assert len(engine.calls) == before
