"""What is learned, where pictures stand, and every reason to skip a sample."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from tests.train.conftest import as_row
from tests.train.rows import bad, mixed, row, turns
from viscodex.model.supervised import answer_mask
from viscodex.train.batch import collate, load
from viscodex.train.encode import BadSample
from viscodex.train.positions import rope_positions
from viscodex.train.sources import Row, Turn


def test_ids_are_those_of_the_processor(encoder):
    for record in mixed(8):
        one = as_row(record)
        pictures = [picture.image().load() for picture in one.pictures]
        wanted = encoder.processor(text=[encoder.render(one)], images=pictures or None)["input_ids"][0]
        assert load(one, encoder).encoded.ids.tolist() == list(wanted)


def test_the_learned_tokens_are_the_answer_and_the_end(encoder):
    for record in mixed(8):
        encoded = load(as_row(record), encoder).encoded
        text = encoder.tokenizer.decode(encoded.ids[encoded.is_answer])
        assert text == record["messages"][1]["content"] + "<|im_end|>"
        assert encoded.is_answer.tolist() == answer_mask(encoded.ids.tolist(), encoder.tokenizer)


@pytest.mark.parametrize("answer", ["\nprint(1)", "\n\n\nx", " x", "<image>", "<svg><image></svg>"])
def test_an_answer_that_begins_with_a_break_is_learned_whole(encoder, answer):
    """Tokenized in one string, its first break would merge with the one before it, and nothing would be learned."""
    one = Row("a", "html", (Turn("user", "hello"), Turn("assistant", answer)))
    encoded = load(one, encoder).encoded
    assert encoder.tokenizer.decode(encoded.ids[encoded.is_answer]) == answer + "<|im_end|>"


def test_every_answer_of_a_long_talk_is_learned(encoder):
    spoken = (Turn("system", "Be short."), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"))
    encoded = load(Row("a", "qa", (*spoken, Turn("assistant", "d"))), encoder).encoded
    assert encoder.tokenizer.decode(encoded.ids[encoded.is_answer]) == "b<|im_end|>d<|im_end|>"


def test_unmarked_pictures_stand_before_the_question(encoder):
    marked = row(0, "html")
    question = marked["messages"][0]["content"].removeprefix("<image>")
    unmarked = marked | {"messages": turns(question, marked["messages"][1]["content"])}
    assert encoder.render(as_row(marked)) == encoder.render(as_row(unmarked))


@pytest.mark.parametrize("reason", [key for key in bad() if not key.startswith(("too_long", "picture_missing"))])
def test_bad_samples_are_refused_with_their_reason(encoder, reason):
    with pytest.raises(BadSample) as caught:
        load(as_row(bad()[reason]), encoder)
    assert caught.value.reason == reason.partition("/")[0]


def test_half_a_surrogate_pair_is_refused(encoder):
    with pytest.raises(BadSample, match="not_unicode"):
        load(Row("a", "qa", (Turn("user", "x"), Turn("assistant", "\ud800"))), encoder)


def test_positions_are_the_models(encoder, samples, trio):
    from viscodex.model.load import load_model

    model = load_model(trio.vlm)
    assert Counter(sample.grids is None for sample in samples) == {False: 6, True: 2}
    for sample in samples:
        ids = torch.from_numpy(sample.encoded.ids)[None]
        types = (ids == encoder.image_id).int()
        wanted, _ = model.model.get_rope_index(ids, types, image_grid_thw=sample.grids)
        ours = collate([sample], encoder).positions
        assert torch.equal(ours[1:], wanted)
        assert torch.equal(ours[0, 0], torch.arange(ids.shape[1]))


def test_two_pictures_in_one_sample(encoder, trio):
    from viscodex.model.load import load_model

    one, other = row(0, "html"), row(5, "html")
    both = one | {"images": [*one["images"], *other["images"]], "messages": turns("a<image>b<image>c", "d")}
    sample = load(as_row(both), encoder)
    ids = torch.from_numpy(sample.encoded.ids)[None]
    wanted, _ = load_model(trio.vlm).model.get_rope_index(
        ids, (ids == encoder.image_id).int(), image_grid_thw=sample.grids
    )
    assert torch.equal(collate([sample], encoder).positions[1:], wanted)


def test_positions_of_text_count():
    assert (rope_positions(np.zeros(5, bool), [], 2) == np.arange(5)).all()
