"""Conversations: every turn is seen, by models in this process and by those behind a URL."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tests.endpoint import Endpoint as Server

from viscodex.core.sample import Sample
from viscodex.model.chat import Chat, Turn, follow_up, turns
from viscodex.model.decoding import Row
from viscodex.model.endpoint import Endpoint
from viscodex.model.generate import Sampling
from viscodex.model.local import Local
from viscodex.model.prompts import messages, text_messages
from viscodex.runner.cache import Cache
from viscodex.runner.service import Service
from viscodex.runner.threaded import ThreadedClient

SHORT = Sampling(max_new_tokens=12)


@pytest.fixture(scope="module")
def local(tiny) -> Local:
    return Local(tiny().vlm, dtype=torch.float32, batch_size=8)


@pytest.fixture
def chat(encoded) -> Chat:
    before = (Turn("system", ("Be brief.",)), Turn("user", (encoded(1), "A page.")), Turn("assistant", ("<p>1</p>",)))
    return Chat(id="c", kind="html", before=before, prompt=("Blue, like", encoded(2, 56, 56)))


def test_images_and_words_are_those_of_all_turns(chat, encoded):
    assert [image.data for image in chat.images] == [encoded(1).data, encoded(2, 56, 56).data]
    assert chat.text == "Be brief.\nA page.\n<p>1</p>\nBlue, like"
    assert [turn.role for turn in turns(chat)] == ["system", "user", "assistant", "user"]


def test_messages_hold_every_turn(chat):
    assert [message["role"] for message in messages(chat)] == ["system", "user", "assistant", "user"]
    assert messages(chat)[1]["content"] == [{"type": "image"}, {"type": "text", "text": "A page."}]
    assert text_messages(chat)[2] == {"role": "assistant", "content": "<p>1</p>"}


def test_a_follow_up_goes_on_from_an_answer(encoded):
    first = Sample(id="s", kind="html", prompt=(encoded(1), "A page."))
    second = follow_up(first, "<p>1</p>", "Make it blue.")
    third = follow_up(second, "<p>2</p>", "Make it red.")
    assert [turn.text for turn in turns(third)] == ["A page.", "<p>1</p>", "Make it blue.", "<p>2</p>", "Make it red."]
    assert (third.id, third.kind, third.images) == ("s", "html", first.images)


def test_a_local_model_reads_every_turn(local, chat):
    (question,) = local.asker.questions(chat, 1)
    assert question.text.index("Be brief.") < question.text.index("A page.") < question.text.index("Blue, like")
    assert question.text.count("<|image_pad|>") == 2
    assert local.asker.tensors([question])["input_ids"].shape[1] == question.length
    answers = {next(local.generate([one], SHORT)).text for one in (chat, chat.model_copy(update={"before": ()}))}
    assert len(answers) == 2


def test_reserved_tokens_are_refused_in_any_turn(local, chat):
    bad = chat.model_copy(update={"before": (Turn("system", ("<|im_start|>",)),)})
    assert "<|im_start|>" in next(local.generate([bad], SHORT)).reason


def test_what_the_template_refuses_is_an_answer_that_failed(tiny, chat, tmp_path):
    """As Gemma's does when one side speaks twice in a row."""
    folder = Path(shutil.copytree(tiny().vlm, tmp_path / "strict"))
    (folder / "chat_template.json").write_text(
        json.dumps({"chat_template": "{{ raise_exception('roles alternate') }}"})
    )
    (answer,) = Local(folder, dtype=torch.float32).generate([chat], SHORT)
    assert answer.finish == "error"
    assert answer.reason == "the model's chat template refuses the conversation: roles alternate"


def test_an_endpoint_is_sent_every_turn(chat, tmp_path):
    with (
        Server("ok") as server,
        Cache(tmp_path / "c.sqlite") as cache,
        ThreadedClient(Service(url=server.url, model="m"), cache) as client,
    ):
        next(Endpoint(client).generate([chat], SHORT))
    (call,) = server.calls
    assert [message["role"] for message in call.body["messages"]] == ["system", "user", "assistant", "user"]
    assert call.pictures == [image.data for image in chat.images]


SETTINGS = [
    Sampling(max_new_tokens=12),
    Sampling(max_new_tokens=5),
    Sampling(max_new_tokens=12, temperature=1.0, seed=3),
    Sampling(max_new_tokens=9, temperature=0.7, top_p=0.5, seed=3),
    Sampling(max_new_tokens=12, stop=("a", "e")),
]


def test_settings_are_each_rows_own(local, encoded):
    """In a batch of unlike settings every answer is what it is alone, its usage and its stream too."""
    samples = [Sample(id=f"s{n}", kind="qa", prompt=(encoded(n), "What? " * (n + 1))) for n in range(len(SETTINGS))]
    timeless = {"exclude": {"seconds"}}
    alone = [
        next(local.generate([one], how)).model_dump(**timeless) for one, how in zip(samples, SETTINGS, strict=True)
    ]
    rows = [local.rows(one, how)[0] for one, how in zip(samples, SETTINGS, strict=True)]
    heard: list[list[str]] = [[] for _ in rows]
    for row, pieces in zip(rows, heard, strict=True):
        row.put = pieces.append
    together = [answer.model_dump(**timeless) for _, answer in local.answer(rows)]
    assert together == alone
    assert ["".join(pieces) for pieces in heard] == [answer["text"] for answer in alone]
    assert alone[1]["usage"]["completion_tokens"] == 5


def test_a_row_can_leave_a_batch(local, encoded):
    """Its reader goes after the first piece; the other row is not touched."""
    samples = [Sample(id=f"s{n}", kind="qa", prompt=(encoded(n), "What?")) for n in range(2)]
    long = Sampling(max_new_tokens=60)
    whole = next(local.generate([samples[1]], long)).text
    rows: list[Row] = [local.rows(sample, long)[0] for sample in samples]
    rows[0].put = lambda piece: rows[0].left.set()
    (_, left), (_, stayed) = local.answer(rows)
    assert left.usage.completion_tokens < 60
    assert stayed.text == whole


def test_an_answer_ends_where_the_models_context_does(local):
    sample = Sample(id="s", kind="qa", prompt=("word " * 20,))
    limit = local.asker.questions(sample, 1)[0].length + 4
    (local.asker.limit, whole) = (limit, local.asker.limit)
    try:
        (answer,) = local.generate([sample], SHORT)
    finally:
        local.asker.limit = whole
    assert (answer.finish, answer.usage.completion_tokens) == ("length", 4)
