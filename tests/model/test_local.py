"""Generation in this process, on tiny real models: greedy is greedy, batches and streams change nothing."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Image, Sample
from viscodex.model.decoding import Noise, Row, nucleus, up_to_stop
from viscodex.model.generate import Completion, Sampling
from viscodex.model.local import Local
from viscodex.model.questions import Question
from viscodex.model.tiny_families import FAMILIES

SEEING = [family for family in FAMILIES if family != "mistral3"]
SHORT = Sampling(max_new_tokens=16)


@pytest.fixture(scope="module")
def samples(encoded: Callable[..., Image]) -> list[Sample]:
    """Pictures of several sizes with prompts of several lengths, two at once, and text alone."""
    seen = [
        Sample(id=f"seen-{n}", kind="qa", prompt=(encoded(n, 60 + 25 * n, 90 + 11 * n), "What is it? " * (n + 1)))
        for n in range(3)
    ]
    both = Sample(id="both", kind="qa", prompt=("First", encoded(7), "then", encoded(8, 56, 56), "differ how?"))
    return [*seen, both, Sample(id="text", kind="qa", prompt=("Sum two numbers.",))]


@pytest.fixture(scope="module")
def local(tiny) -> Local:
    return Local(tiny().vlm, dtype=torch.float32, batch_size=3)


def by_id(completions: Iterator[Completion]) -> dict[str, str]:
    return {completion.sample_id: completion.text for completion in completions}


@pytest.mark.parametrize("family", SEEING)
def test_a_batch_equals_one_by_one(tiny, samples, family):
    local = Local(tiny(family).vlm, dtype=torch.float32, batch_size=3)
    alone = {}
    for sample in samples:
        alone |= by_id(local.generate([sample], SHORT))
    together = by_id(local.generate(samples, SHORT))
    assert together == alone
    assert len(set(together.values())) == len(samples)


@pytest.mark.parametrize("family", SEEING)
def test_a_stream_equals_the_answer(tiny, samples, family):
    local = Local(tiny(family).vlm, dtype=torch.float32)
    together = {completion.sample_id: completion for completion in local.generate(samples, SHORT)}
    for sample in samples:
        stream = local.stream(sample, SHORT)
        text = "".join(stream)
        assert text == together[sample.id].text
        timeless = {"exclude": {"seconds"}}
        assert stream.completion is not None
        assert stream.completion.model_dump(**timeless) == together[sample.id].model_dump(**timeless)


def test_greedy_takes_the_likeliest_token(local, samples):
    """Against a loop of our own, without a cache; the checkpoint's own sampling settings are not used."""
    sample = samples[0]
    inputs = dict(local.asker.tensors(local.asker.questions(sample, 1)))
    tokens: list[int] = []
    while len(tokens) < SHORT.max_new_tokens and not (tokens and tokens[-1] in local.stops):
        with torch.inference_mode():
            tokens.append(int(local.model(**inputs, use_cache=False).logits[0, -1].argmax()))
        inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([tokens[-1:]])], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        inputs["mm_token_type_ids"] = torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, 1))
    settings = json.loads((Path(local.model.config.name_or_path) / "generation_config.json").read_text())
    assert settings["repetition_penalty"] != 1
    assert by_id(local.generate([sample], SHORT))[sample.id] == local.asker.tokenizer.decode(
        tokens, skip_special_tokens=True
    )


def test_an_answer_does_not_depend_on_the_one_before(local, samples):
    fresh = by_id(local.generate([samples[-1]], SHORT))
    list(local.generate([samples[0]], SHORT))
    assert by_id(local.generate([samples[-1]], SHORT)) == fresh


def test_seeds(local, samples):
    warm = SHORT.model_copy(update={"temperature": 1.0})
    first = by_id(local.generate(samples, warm))
    assert by_id(local.generate(samples[::-1], warm)) == first
    assert {sample.id: "".join(local.stream(sample, warm)) for sample in samples} == first
    assert by_id(local.generate(samples, warm.model_copy(update={"seed": 1}))) != first
    assert by_id(local.generate(samples, SHORT)) != first


def test_cold_sampling_is_greedy(local, samples):
    cold = SHORT.model_copy(update={"temperature": 1e-4})
    narrow = SHORT.model_copy(update={"temperature": 1.0, "top_p": 1e-6})
    greedy = by_id(local.generate(samples, SHORT))
    assert by_id(local.generate(samples, cold)) == greedy
    assert by_id(local.generate(samples, narrow)) == greedy


def test_several_answers(local, samples):
    several = Sampling(max_new_tokens=8, temperature=1.0, n=3)
    answers = list(local.generate(samples, several))
    assert sorted((a.sample_id, a.index) for a in answers) == sorted((s.id, i) for s in samples for i in range(3))
    assert len({answer.text for answer in answers if answer.sample_id == "text"}) == 3
    with pytest.raises(ValueError, match="all the same"):
        Sampling(n=2)


def test_finish_and_usage(tiny, samples, tmp_path):
    """An answer that ends in an end token stops; one that reaches the limit does not. Here any token can be the end."""
    local = Local(tiny().vlm, dtype=torch.float32)
    cut = next(local.generate([samples[0]], SHORT))
    assert (cut.finish, cut.usage.completion_tokens) == ("length", 16)
    inputs = local.asker.tensors(local.asker.questions(samples[0], 1))
    assert cut.usage.prompt_tokens == inputs["input_ids"].shape[1]
    written = local._write(local.rows(samples[0], SHORT), inputs)[0]
    last = next(place for place in range(5, 16) if written[place] not in written[:place])
    ending = Path(shutil.copytree(tiny().vlm, tmp_path / "ending"))
    (ending / "generation_config.json").write_text(json.dumps({"eos_token_id": written[last]}))
    ended = next(Local(ending, dtype=torch.float32).generate([samples[0]], SHORT))
    assert (ended.finish, ended.usage.completion_tokens) == ("stop", last + 1)
    assert cut.text.startswith(ended.text[:3])
    assert ended.seconds > 0
    assert ended.generator == "local/ending"


def test_stop_texts(local, samples):
    whole = by_id(local.generate([samples[0]], SHORT))[samples[0].id]
    for stop in (whole[5:7], whole[3]):
        until = SHORT.model_copy(update={"stop": (stop, "never")})
        answer = next(local.generate([samples[0]], until))
        assert answer.text == whole[: whole.index(stop)]
        assert answer.finish == "stop"
        assert answer.usage.completion_tokens < 16
        assert "".join(local.stream(samples[0], until)) == answer.text


@pytest.mark.parametrize(
    ("pieces", "stop", "text"),
    [
        (["ab", "cd", "ef"], (), "abcdef"),
        (["ab", "cd", "ef"], ("cd",), "ab"),
        (["ab", "cd", "ef"], ("bc",), "a"),
        (["ab", "cd", "ef"], ("de", "bcd"), "a"),
        (["a", "b", "c"], ("abc",), ""),
        (["a", "b", "c"], ("abcd",), "abc"),
        ([], ("x",), ""),
    ],
)
def test_stop_texts_across_pieces(pieces, stop, text):
    assert "".join(up_to_stop("", pieces, stop)) == text


def test_one_bad_sample_does_not_end_the_run(local, samples, encoded, tmp_path):
    cut = (encoded(3).data or b"")[:-500]  # a whole header: found out only when it is decoded, in the batch
    bad = {
        "missing": (Image(path=str(tmp_path / "none.png")), "What?"),
        "corrupt": (Image(data=b"nothing"), "What?"),
        "cut": (Image(data=cut), "What?"),
        "narrow": (encoded(4, 4, 1200), "What?"),
        "reserved": ("What is <|image_pad|>?",),
        "long": ("word " * 40_000,),
        "empty": (),
    }
    mixed = [Sample(id=name, kind="qa", prompt=prompt) for name, prompt in bad.items()] + samples
    answers = {answer.sample_id: answer for answer in local.generate(mixed, SHORT)}
    assert {name for name, answer in answers.items() if answer.finish == "error"} == set(bad)
    good = (answer for answer in answers.values() if answer.sample_id not in bad)
    assert by_id(good) == by_id(local.generate(samples, SHORT))
    reasons = {name: answers[name].reason for name in bad}
    assert "No such file" in reasons["missing"]
    assert "no known format" in reasons["corrupt"]
    assert "truncated" in reasons["cut"]
    assert "aspect ratio" in reasons["narrow"]
    assert "<|image_pad|>" in reasons["reserved"]
    assert "the model takes 32768" in reasons["long"]
    assert "no prompt" in reasons["empty"]
    for name in bad:
        stream = local.stream(next(sample for sample in mixed if sample.id == name), SHORT)
        assert "".join(stream) == ""
        assert stream.completion is not None
        assert stream.completion.reason == reasons[name]


def test_a_text_model_answers_text_and_says_no_to_pictures(tiny, samples):
    local = Local(tiny().code, dtype=torch.float32)
    answers = {answer.sample_id: answer for answer in local.generate(samples, SHORT)}
    assert answers["text"].finish != "error"
    assert answers["text"].text
    assert {answers[sample.id].reason for sample in samples if sample.images} == {
        "the model takes text alone, and the sample has a picture"
    }


def test_a_stream_can_be_left(local, samples):
    stream = local.stream(samples[0], Sampling(max_new_tokens=30_000))
    assert next(iter(stream)) is not None
    stream.close()
    assert stream.completion is None
    assert threading.active_count() < 10
    assert next(local.generate([samples[0]], SHORT)).finish == "length"


def test_reasoning_begun_by_the_template_belongs_to_the_answer(tiny, samples, tmp_path):
    folder = Path(shutil.copytree(tiny().vlm, tmp_path / "thinking"))
    template = json.loads((folder / "chat_template.json").read_text())["chat_template"]
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template + "{{- '<think>\\n' -}}"}))
    local = Local(folder, dtype=torch.float32)
    answer = next(local.generate([samples[0]], SHORT))
    assert answer.text.startswith("<think>\n")
    assert answer.code == ""
    assert "".join(local.stream(samples[0], SHORT)) == answer.text


def test_without_a_chat_template(tiny, tmp_path):
    folder = Path(shutil.copytree(tiny().code, tmp_path / "plain"))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": None}))
    with pytest.raises(VisCodexError, match="no chat template"):
        Local(folder)


def test_nucleus():
    scores = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]))
    assert nucleus(scores, 0.5).isfinite().tolist() == [[True, False, False, False]]
    assert nucleus(scores, 0.7).isfinite().tolist() == [[True, True, False, False]]
    assert nucleus(scores, 1e-9).isfinite().tolist() == [[True, False, False, False]]


def test_sampling_follows_the_probabilities():
    """Of 4,000 draws each token gets its share, within four standard errors; at half the temperature its square."""
    scores = torch.log(torch.tensor([0.6, 0.3, 0.1]))
    for temperature, shares in ((1.0, [0.6, 0.3, 0.1]), (0.5, [0.36 / 0.46, 0.09 / 0.46, 0.01 / 0.46])):
        sampling = Sampling(temperature=temperature)
        asked = Sample(id="s", kind="qa", prompt=("?",))
        rows = [Row(Question(asked, "?", 1, index), sampling) for index in range(4000)]
        noisy = Noise(rows, torch.device("cpu"))(torch.empty(0), scores.repeat(4000, 1))
        counts = noisy.argmax(-1).bincount(minlength=3)
        for count, share in zip(counts.tolist(), shares, strict=True):
            assert abs(count / 4000 - share) < 4 * (share * (1 - share) / 4000) ** 0.5
