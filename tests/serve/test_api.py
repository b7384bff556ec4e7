"""The server as its clients see it: OpenAI's own client, curl, screenshot-to-code's way of asking."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess

import openai
import pytest

from viscodex.core.sample import Image
from viscodex.model.chat import Chat
from viscodex.model.generate import Sampling

from .conftest import ask, png, uri

PICTURE = uri(png(1))


@pytest.fixture(scope="module")
def client(served):
    with openai.OpenAI(base_url=served.url, api_key="none", max_retries=0) as found:
        yield found


def alone(local, *prompt, **settings):
    """What the model answers without a server."""
    sampling = Sampling(**{"max_new_tokens": 12} | settings)
    return list(local.generate([Chat(id="chat", kind="qa", prompt=prompt)], sampling))


def test_the_official_client_gets_the_models_answer(client, local):
    found = client.chat.completions.create(**ask(PICTURE, "What is it?"))
    (direct,) = alone(local, Image(data=png(1)), "What is it?")
    choice = found.choices[0]
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", direct.text, "length")
    assert found.usage.prompt_tokens == direct.usage.prompt_tokens
    assert found.usage.total_tokens == direct.usage.prompt_tokens + 12
    assert (found.object, found.model) == ("chat.completion", "vlm")


@pytest.mark.parametrize("counts", [False, True])
def test_a_stream_is_the_same_answer_in_pieces(client, counts):
    whole = client.chat.completions.create(**ask(PICTURE, "What is it?"))
    more = {"stream_options": {"include_usage": True}} if counts else {}
    chunks = list(client.chat.completions.create(**ask(PICTURE, "What is it?"), stream=True, **more))
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == whole.choices[0].message.content
    assert len([text for text in texts if text]) > 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert [chunk.usage for chunk in chunks if chunk.usage] == ([whole.usage] if counts else [])
    assert len({chunk.id for chunk in chunks}) == 1


def test_settings_reach_the_model(client, local):
    warm = {"temperature": 0.9, "seed": 7}
    found = client.chat.completions.create(**ask("Sum two numbers.", n=3, top_p=0.8, **warm))
    direct = alone(local, "Sum two numbers.", n=3, top_p=0.8, **warm)
    assert [choice.index for choice in found.choices] == [0, 1, 2]
    assert {c.index: c.message.content for c in found.choices} == {one.index: one.text for one in direct}
    assert found.usage.completion_tokens == sum(one.usage.completion_tokens for one in direct)
    other = client.chat.completions.create(**ask("Sum two numbers.", n=3, top_p=0.8, temperature=0.9, seed=8))
    assert other.choices[0].message.content != found.choices[0].message.content


def test_several_answers_stream_side_by_side(client):
    body = ask("Sum two numbers.", n=2, temperature=1, seed=1)
    whole = client.chat.completions.create(**body)
    texts = {0: "", 1: ""}
    for chunk in client.chat.completions.create(**body, stream=True):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == {choice.index: choice.message.content for choice in whole.choices}


def test_without_a_seed_or_a_temperature(client):
    """One answer is greedy, several are drawn; no seed is a new one each time."""
    first, second = (client.chat.completions.create(**ask("Sum.")).choices[0].message.content for _ in range(2))
    assert first == second
    drawn = [client.chat.completions.create(**ask("Sum.", n=2)).choices for _ in range(2)]
    assert len({choice.message.content for choices in drawn for choice in choices}) > 2


def test_stop_texts_end_an_answer(client):
    whole = client.chat.completions.create(**ask("Sum.")).choices[0].message.content
    for stop in (whole[4:6], [whole[4:6], "never"]):
        found = client.chat.completions.create(**ask("Sum.", stop=stop)).choices[0]
        assert found.message.content == whole[: whole.index(whole[4:6])]
        assert found.finish_reason == "stop"


def test_turns_and_a_system_prompt_are_read(client, local):
    texts = []
    for extra in ([], [{"role": "system", "content": "Be brief."}], [{"role": "developer", "content": "Be long."}]):
        turns = [
            *extra,
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]},
            {"role": "assistant", "content": "<p>1</p>"},
            {"role": "user", "content": "Make it blue."},
        ]
        texts.append(client.chat.completions.create(**ask() | {"messages": turns}).choices[0].message.content)
    assert len(set(texts)) == 3


def test_models_are_listed(client, served):
    assert [model.id for model in client.models.list()] == ["vlm"]
    assert client.models.retrieve("vlm").owned_by == "viscodex"
    with pytest.raises(openai.NotFoundError, match="no model 'gpt'"):
        client.models.retrieve("gpt")


def test_many_at_once_are_batched_and_each_gets_its_own_answer(served, local):
    words = [f"Count to {number}." for number in range(12)]
    direct = {word: alone(local, word)[0].text for word in words}

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=served.url, api_key="none", max_retries=0) as client:
            asked = [client.chat.completions.create(**ask(word)) for word in words]
            return [found.choices[0].message.content for found in await asyncio.gather(*asked)]

    before = served.metric("batch_rows_count"), served.metric("batch_rows_sum")
    assert dict(zip(words, asyncio.run(all_of_them()), strict=True)) == direct
    batches, rows = served.metric("batch_rows_count") - before[0], served.metric("batch_rows_sum") - before[1]
    assert rows == 12
    assert batches < 12


def test_screenshot_to_code_with_another_base_url(serve):
    """What it sends for a screenshot: its own model names, a system prompt, detail high, a stream."""
    served = serve(aliases=("*",))
    messages = [
        {"role": "system", "content": "You are an expert Tailwind developer. Return only the full code."},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": PICTURE, "detail": "high"}},
                {"type": "text", "text": "Generate code for a web page that looks exactly like this."},
            ],
        },
    ]  # fmt: skip

    async def stream():
        client = openai.AsyncOpenAI(api_key="sk-anything", base_url=served.url)
        params = {"model": "gpt-4.1-2025-04-14", "messages": messages, "timeout": 600, "temperature": 0}
        text = ""
        async for chunk in await client.chat.completions.create(**params, stream=True, max_tokens=16):
            if chunk.choices and chunk.choices[0].delta and chunk.choices[0].delta.content:
                text += chunk.choices[0].delta.content
        params = {"model": "o4-mini-2025-04-16", "messages": messages, "max_completion_tokens": 16}
        whole = await client.chat.completions.create(**params, reasoning_effort="high")
        await client.close()
        return text, whole

    text, whole = asyncio.run(stream())
    assert text == whole.choices[0].message.content
    assert whole.model == "o4-mini-2025-04-16"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(served, tmp_path):
    """As it is typed; a large body makes curl ask first (Expect: 100-continue)."""
    (tmp_path / "body.json").write_text(json.dumps(ask(PICTURE, "What?", user="x" * 1_500_000)))
    words = ["curl", "-sS", "-i", f"{served.url}/chat/completions", "-H", "Content-Type: application/json"]
    done = subprocess.run([*words, "-d", f"@{tmp_path / 'body.json'}"], capture_output=True, text=True, check=True)
    assert "HTTP/1.1 200 OK" in done.stdout
    assert json.loads(done.stdout.rpartition("\n")[2])["choices"][0]["finish_reason"] == "length"
    (tmp_path / "body.json").write_text(json.dumps(ask("x", stream=True)))
    done = subprocess.run(
        [*words, "-N", "-d", f"@{tmp_path / 'body.json'}"], capture_output=True, text=True, check=True
    )
    assert "content-type: text/event-stream" in done.stdout
    assert done.stdout.endswith("data: [DONE]\n\n")


def test_health_and_metrics(served):
    assert served.get("/health").json() == {
        "status": "ok",
        "models": ["vlm"],
        "requests": 0,
        "waiting": 0,
        "running": 0,
    }
    text = served.get("/metrics").text
    assert 'viscodex_requests_total{path="/v1/chat/completions",status="200"}' in text
    assert "process_resident_memory_bytes" in text
    assert 'viscodex_tokens_total{kind="written"}' in text
