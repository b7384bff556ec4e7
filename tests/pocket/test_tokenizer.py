"""The pocket tokenizer: a word is one token wherever it stands, digits stand alone, nothing is lost."""

from __future__ import annotations

import pytest

from viscodex.model.processor import load_processor
from viscodex.pocket.geometry import Geometry, write_random
from viscodex.pocket.samples import answer
from viscodex.pocket.tokenizer import PAD, STOP, build, word_list
from viscodex.pocket.worlds import KINDS, corpus, draw


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """As transformers reads it from a checkpoint."""
    folder = tmp_path_factory.mktemp("random") / "model"
    write_random(folder, Geometry(), 0)
    return load_processor(folder).tokenizer


def test_it_is_small_and_the_same_again():
    assert build().get_vocab_size() <= 4096
    build.cache_clear()
    first = build().to_str()
    build.cache_clear()
    assert build().to_str() == first


@pytest.mark.parametrize("around", ["{}", ' {}"', '["{}", 1]', "<td>{}</td>", "key: {}, more", 'color="{}"'])
def test_a_word_is_one_token_wherever_it_stands(tokenizer, around):
    for word in word_list():
        assert word in tokenizer.convert_ids_to_tokens(tokenizer(around.format(word)).input_ids)


def test_digits_stand_alone(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("plt.ylim(0, 100) 2025").input_ids)
    assert [token for token in tokens if any(c.isdigit() for c in token)] == list("01002025")


def test_texts_come_back_as_they_were(tokenizer):
    texts = [corpus(index) for index in range(100)]
    texts += [answer(draw(kind, "test", index)) for kind in KINDS for index in range(25)]
    texts += ["naïve café ☃ \t\n  x", "apples tea-time goldsmith"]
    assert [tokenizer.decode(tokenizer(text).input_ids) for text in texts] == texts


def test_the_ends_are_what_the_configuration_says(tokenizer):
    assert tokenizer.convert_tokens_to_ids("<|endoftext|>") == PAD
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") == STOP
    assert tokenizer.eos_token_id == STOP
