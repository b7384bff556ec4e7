"""Which tokens of a conversation a model learns to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from viscodex.core.errors import VisCodexError

HEADER = "<|im_start|>assistant\n"
END = "<|im_end|>"


def answer_mask(tokens: Sequence[int], tokenizer: Any) -> list[bool]:
    """True for what the assistant wrote, its `<|im_end|>` included: without it a model never learns to stop.

    For ChatML templates (Qwen), whose turns are `<|im_start|>assistant\\n … <|im_end|>`.
    """
    header, end = tokenizer(HEADER, add_special_tokens=False).input_ids, tokenizer.convert_tokens_to_ids(END)
    if len(header) < 3 or end is None or end == tokenizer.unk_token_id:
        raise VisCodexError("the tokenizer has no ChatML tokens", hint="a Qwen chat template")
    mask = [False] * len(tokens)
    place = 0
    while place < len(tokens):
        if list(tokens[place : place + len(header)]) != header:
            place += 1
            continue
        place += len(header)
        while place < len(tokens):
            mask[place] = True
            place += 1
            if tokens[place - 1] == end:
                break
    return mask
