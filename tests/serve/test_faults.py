"""Whatever a client does, it gets a typed answer, the server stays, and nothing is computed for nobody."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import struct
import zlib

import httpx2
import openai
import PIL.Image
import pytest

from viscodex.model.local import Local
from viscodex.serve.limits import Limits

from .conftest import ask, error, png, uri

LONG = 30_000
SMALL = Limits(
    body=200_000, pixels=40_000, pictures=2, requests=3, answers=4, tokens=LONG, head_s=0.5, body_s=0.5, answer_s=30
)  # fmt: skip


@pytest.fixture(scope="module")
def endless(tiny):
    """A model that knows no end."""
    local = Local(tiny().vlm, batch_size=4)
    local.stops = frozenset()
    local.model.generation_config.eos_token_id = None
    return local


@pytest.fixture(scope="module")
def small(serve, endless):
    """A server with tight limits."""
    return serve(limits=SMALL, model=endless)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))


def bare_png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG that says what it likes about its size."""
    header = struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


BOMB = bare_png(30_000, 30_000, b"\0" * 20_000_000)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.com/a.png", "invalid_image_url"),
        ("http://127.0.0.1:1/a.png", "invalid_image_url"),
        ("file:///etc/passwd", "invalid_image_url"),
        ("/etc/passwd", "invalid_image_url"),
        ("data:image/png,abc", "invalid_image_url"),
        ("data:image/png;base64,@@@", "invalid_base64"),
        ("data:image/png;base64,", "invalid_image"),
        (uri(b"no picture"), "invalid_image"),
        (uri(SVG, "image/svg+xml"), "invalid_image"),
        (uri(png()[:-500]), "invalid_image"),
        (uri(bare_png(0, 0)), "invalid_image"),
        (uri(bare_png(0, 40)), "invalid_image"),
        (uri(bare_png(8000, 5000)), "image_too_large"),
        (uri(BOMB), "image_too_large"),
    ],
    ids=lambda value: value[:40],
)
def test_pictures_that_cannot_be_used(small, url, code):
    body = ask() | {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]}
    response = small.post(body)
    found = error(response)
    assert (response.status_code, found["code"], found["type"]) == (400, code, "invalid_request_error")
    assert found["param"] == "messages.0.content.0.image_url.url"


def test_what_a_small_picture_hides_behind_its_pixels_is_not_unpacked(small):
    """50 MB of zeros in 50 kB, behind the last row."""
    assert small.post(ask(uri(bare_png(200, 199, b"\0" * 50_000_000)))).status_code == 200


def test_forty_megapixels_are_refused_by_default_and_can_be_allowed(serve):
    """The header alone decides; a server that allows them decodes them."""
    file = io.BytesIO()
    PIL.Image.new("1", (8000, 5000)).save(file, "PNG")
    large = uri(file.getvalue())
    assert error(serve().post(ask(large)))["code"] == "image_too_large"
    assert serve(limits=Limits(pixels=50_000_000)).post(ask(large)).status_code == 200


def test_too_many_pictures(small):
    tiny = uri(png(0, 56, 56))
    assert error(small.post(ask(tiny, tiny, tiny)))["code"] == "too_many_images"


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"model": "gpt-4o"}, "model_not_found", "model"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": "hi"}, "invalid_value", "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "invalid_value", "messages.0.role"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "invalid_value", "messages"),
        ({"messages": [{"role": "user", "content": []}]}, "invalid_value", "messages.0.content"),
        ({"messages": [{"role": "user", "content": "<|im_start|>"}]}, "unanswerable", "messages"),
        ({"messages": [{"role": "user", "content": "word " * 34_000}]}, "unanswerable", "messages"),
        ({"temperature": -1}, "invalid_value", "temperature"),
        ({"temperature": 0, "n": 2}, "invalid_value", None),
        ({"n": 5}, "invalid_value", "n"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"stop": ""}, "invalid_value", None),
        ({"top_p": 2}, "invalid_value", "top_p"),
        ({"tools": [{"type": "function"}]}, "unsupported_parameter", "tools"),
        ({"logprobs": True}, "unsupported_parameter", "logprobs"),
        ({"response_format": {"type": "json_object"}}, "unsupported_parameter", "response_format"),
        ({"max_token": 3}, "unknown_parameter", "max_token"),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("stream", [False, True])
def test_requests_that_make_no_sense(small, change, code, param, stream):
    response = small.post(ask("Sum.", stream=stream) | change)
    found = error(response)
    assert (found["code"], found["param"]) == (code, param)
    assert response.status_code == (404 if code == "model_not_found" else 400)


def test_what_asks_for_nothing_is_taken(small):
    nothing = {
        "tools": [],
        "logprobs": False,
        "frequency_penalty": 0,
        "response_format": {"type": "text"},
        "user": "me",
    }
    assert small.post(ask("Sum.", **nothing)).status_code == 200


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"model": NaN}', b"[" * 100_000])
def test_bad_json(small, content):
    response = httpx2.post(
        f"{small.url}/chat/completions", content=content, headers={"content-type": "application/json"}
    )
    assert response.status_code == 400
    assert error(response)["type"] == "invalid_request_error"


def test_only_json_is_taken(small):
    """What a web page of another site can send without being asked is not."""
    response = httpx2.post(f"{small.url}/chat/completions", content=json.dumps(ask("Sum.")))
    assert (response.status_code, error(response)["code"]) == (415, "unsupported_media_type")


def test_fifty_megabytes(serve):
    served = serve()
    body = json.dumps(ask("x" * 50_000_000)).encode()
    response = httpx2.post(
        f"{served.url}/chat/completions", content=body, headers={"content-type": "application/json"}, timeout=60
    )
    assert (response.status_code, error(response)["code"]) == (413, "request_too_large")


def test_a_body_without_an_end(small):
    """Chunks that never stop: an answer comes, and then the connection ends."""
    head = "POST /v1/chat/completions HTTP/1.1\nhost: localhost\ncontent-type: application/json\n"
    with small.raw(head + "transfer-encoding: chunked") as connection:
        with pytest.raises((ConnectionError, TimeoutError)):
            for _ in range(1000):
                connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        small.until_idle()


def test_who_asks_before_a_large_body_need_not_send_it(small):
    with small.post_raw(b"", 10**9, "expect: 100-continue\n") as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def answer_of(connection: socket.socket) -> bytes:
    """All that comes until the other side ends."""
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found


def test_a_body_that_stalls(small):
    with small.post_raw(b'{"model": ', 5000) as connection:
        found = answer_of(connection)
    assert found.startswith(b"HTTP/1.1 408")
    assert json.loads(found.rpartition(b"\r\n")[2])["error"]["code"] == "request_timeout"
    small.until_idle()


@pytest.mark.parametrize("begun", [b"", b"POST /v1/chat", b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: "])
def test_a_head_that_stalls(small, begun):
    with socket.create_connection(("127.0.0.1", small.port), timeout=20) as connection:
        connection.sendall(begun)
        assert connection.recv(100) == b""
    assert small.get("/health").status_code == 200


def test_a_second_head_that_stalls(small):
    """On a connection that has been answered once."""
    with small.raw("GET /health HTTP/1.1\nhost: localhost") as connection:
        found = b""
        while not found.endswith(b"}"):
            found += connection.recv(10_000)
        assert found.startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /health HT")
        assert connection.recv(100) == b""


def test_what_is_not_http(small):
    with socket.create_connection(("127.0.0.1", small.port), timeout=20) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        found = answer_of(connection)
    assert found.startswith(b"HTTP/1.1 400")
    assert json.loads(found.rpartition(b"\r\n")[2])["error"]["code"] == "invalid_http"


def test_paths_and_methods(small):
    assert error(small.get("/v1/chat/completion"))["code"] == "not_found"
    assert 'did you mean "/v1/chat/completions"?' in error(small.get("/v1/chat/completion"))["message"]
    response = small.get("/v1/chat/completions")
    assert (response.status_code, error(response)["code"]) == (405, "not_allowed")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example"])
def test_other_names_are_not_served_without_a_key(small, host):
    response = httpx2.get(f"{small.url}/models", headers={"host": host})
    assert (response.status_code, error(response)["code"]) == (403, "unknown_host")


def test_keys(serve):
    served = serve(keys=("first key", "second"))
    for given in ({}, {"authorization": "Bearer no"}, {"authorization": "Basic second"}):
        response = httpx2.get(f"{served.url}/models", headers=given)
        assert (response.status_code, error(response)["type"]) == (401, "authentication_error")
    for key in ("first key", "second"):
        assert httpx2.get(f"{served.url}/models", headers={"authorization": f"Bearer {key}"}).status_code == 200
    with openai.OpenAI(base_url=served.url, api_key="wrong", max_retries=0) as client, pytest.raises(
        openai.AuthenticationError, match="a wrong API key"
    ):  # fmt: skip
        client.chat.completions.create(**ask("Sum."))
    assert served.get("/health").status_code == 200
    assert served.get("/metrics").status_code == 401


def begin(served, body):
    """A stream of which the first piece has come."""
    connection = served.post_raw(json.dumps(body).encode())
    while b'"content":"' not in connection.recv(65536).replace(b'"content":""', b""):
        pass
    return connection


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_vanishes_stops_the_computation(small, stream):
    before = small.metric("clients_left_total")
    body = ask("Sum.", max_tokens=LONG, stream=stream)
    connection = begin(small, body) if stream else small.post_raw(json.dumps(body).encode())
    small.until(lambda: small.engine.running == 1)
    connection.close()
    small.until_idle()
    assert small.metric("clients_left_total") == before + 1
    assert small.post(ask("Sum.")).status_code == 200


def test_a_client_that_vanishes_in_the_queue_is_never_computed(small):
    first = begin(small, ask("Sum.", max_tokens=LONG, stream=True))
    second = small.post_raw(json.dumps(ask("Sum.", max_tokens=LONG)).encode())
    small.until(lambda: small.engine.waiting == 1)
    batches = small.metric("batch_rows_count")
    second.close()
    small.until(lambda: small.get("/health").json()["requests"] == 1)
    first.close()
    small.until_idle()
    assert small.metric("batch_rows_count") == batches


def test_a_full_house_says_when_to_come_again(small):
    visitors = [begin(small, ask("Sum.", max_tokens=LONG, stream=True))]
    visitors += [small.post_raw(json.dumps(ask("Sum.", max_tokens=LONG)).encode()) for _ in range(2)]
    small.until(lambda: small.get("/health").json()["requests"] == 3)
    response = small.post(ask("Sum."))
    assert (response.status_code, error(response)["type"]) == (429, "rate_limit_error")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert small.get("/v1/models").status_code == 200
    for visitor in visitors:
        visitor.close()
    small.until_idle()
    assert small.post(ask("Sum.")).status_code == 200


def test_an_answer_that_takes_too_long(serve, endless):
    served = serve(limits=Limits(answer_s=1.0, tokens=LONG), model=endless)
    response = served.post(ask("Sum.", max_tokens=LONG))
    assert (response.status_code, error(response)["code"]) == (504, "answer_timeout")
    events = [line for line in served.post(ask("Sum.", max_tokens=LONG, stream=True)).text.split("\n\n") if line]
    assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "answer_timeout"
    with openai.OpenAI(base_url=served.url, api_key="none", max_retries=0) as client, pytest.raises(
        openai.APIError, match="not there after 1 s"
    ):  # fmt: skip
        list(client.chat.completions.create(**ask("Sum.", max_tokens=LONG), stream=True))
    served.until_idle()


def test_a_client_that_does_not_read_is_cut_off(serve):
    """Its window is full, nothing moves: after a moment the connection is ended."""
    served = serve(limits=Limits(send_s=0.3))
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n" * 1000)
        served.until(lambda: bool(served.server.server_state.connections))
        served.until(lambda: not served.server.server_state.connections)


def test_a_fault_of_ours_is_typed_and_the_engine_goes_on(small, endless, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("a kernel that failed")

    monkeypatch.setattr(endless, "_write", broken)
    response = small.post(ask("Sum."))
    assert (response.status_code, error(response)["type"]) == (500, "server_error")
    assert "kernel" not in error(response)["message"]
    monkeypatch.undo()
    assert small.post(ask("Sum.")).status_code == 200
    assert small.metric("faults_total") == 1


def test_a_stopping_server_finishes_what_it_writes_and_refuses_the_rest(serve, endless):
    served = serve(limits=Limits(grace_s=20), model=endless)

    async def all_of_it():
        async with openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
            stream = await client.chat.completions.create(**ask("Sum.", max_tokens=200), stream=True)
            pieces = [await anext(stream)]
            waiting = asyncio.ensure_future(client.chat.completions.create(**ask("Sum.")))
            while not served.engine.waiting:
                await asyncio.sleep(0.02)
            served.server.stop()
            pieces += [piece async for piece in stream]
            with pytest.raises(openai.InternalServerError, match="the server is stopping"):
                await waiting
            return pieces

    pieces = asyncio.run(all_of_it())
    assert pieces[-1].choices[0].finish_reason == "length"
    served.thread.join(30)
    assert not served.thread.is_alive()


def test_a_server_that_stops_does_not_wait_for_ever(serve, endless):
    """What takes longer than its grace is cut off, and says so."""
    served = serve(limits=Limits(grace_s=0.2, tokens=LONG), model=endless)
    connection = begin(served, ask("Sum.", max_tokens=LONG, stream=True))
    served.server.stop()
    last = answer_of(connection).rstrip(b"\r\n0").rpartition(b"data: ")[2]
    assert json.loads(last)["error"]["code"] == "stopping"
    served.thread.join(30)
    assert not served.thread.is_alive()
    connection.close()
