"""The pocket models' tokenizer: byte-level BPE learned from the worlds' own texts, and a token for each of their words.

A word that pictures show is one token wherever it stands: behind a space in a description, behind a quote in a script,
behind a tag in a page. So what a small model reads is what it writes. Digits are tokens of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import tokenizers

from viscodex.eval.design2code.load import prompt as page_prompt
from viscodex.eval.mmcode.prompt import template as mmcode_template
from viscodex.model.tiny_families import FAMILIES
from viscodex.model.tiny_tokenizer import byte_level, chat_template, tokenizer_files
from viscodex.pocket.worlds import KINDS, corpus, draw, words

LEARNED = 1_088  # 256 bytes and what the texts make worth merging
PAD, STOP = LEARNED, LEARNED + 2  # ids of <|endoftext|> and <|im_end|>
SPECIAL = FAMILIES["qwen2_5_vl"].special
PICTURE = FAMILIES["qwen2_5_vl"].picture
TEXTS = 3_000
OFTEN = 200


def word_list() -> list[str]:
    """Every word of the worlds, each once."""
    groups = [value for value in vars(words).values() if isinstance(value, tuple)]
    return sorted({word for group in groups for word in group if isinstance(word, str) and word.isalpha()})


@lru_cache(maxsize=1)
def build() -> tokenizers.Tokenizer:
    """The tokenizer: the same on every machine."""
    known = re.compile(rf"\b(?:{'|'.join(word_list())})\b")
    tokenizer = byte_level((known.sub("", text) for text in [*_instructions(), *_texts()]), LEARNED)
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.add_tokens([tokenizers.AddedToken(word, single_word=True) for word in word_list()])
    return tokenizer


def files(processor_class: str = "") -> dict[str, Any]:
    """`tokenizer.json` and `tokenizer_config.json` of a model; with a processor's class, of one that sees."""
    tokenizer = build()
    written = tokenizer_files(
        tokenizer,
        SPECIAL,
        named={},
        template=template(sees=bool(processor_class)),
        tokenizer_class="Qwen2Tokenizer",
        processor_class=processor_class,
    )
    plain = dict.fromkeys(("lstrip", "normalized", "rstrip", "special"), False) | {"single_word": True}
    for word in word_list():
        number = str(tokenizer.token_to_id(word))
        written["tokenizer_config.json"]["added_tokens_decoder"][number] = {"content": word} | plain
    return written


def template(*, sees: bool) -> str:
    """ChatML without a system message: at this size every token counts."""
    return chat_template(PICTURE if sees else "", system="")


def _instructions() -> list[str]:
    """What the benchmarks ask, often enough to be worth tokens."""
    return [page_prompt().text, mmcode_template().text] * OFTEN


def _texts() -> Iterable[str]:
    for index in range(TEXTS):
        yield corpus(index)
        problem = draw(KINDS[index % len(KINDS)], "train", index)
        yield from (problem.prompt, problem.description, problem.code)
