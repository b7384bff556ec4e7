"""From a conversation to token ids: which are learned, where pictures stand. No pixels are needed.

Each answer is tokenized by itself, as the model will write it after the prompt. Tokenized in one string, an answer that
begins with a line break would merge with the break that ends `<|im_start|>assistant`, and no longer be found.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viscodex.core.errors import VisCodexError
from viscodex.core.row import MARKER
from viscodex.core.sample import KINDS
from viscodex.model.processor import count_image_tokens, picture_size
from viscodex.model.supervised import END, HEADER
from viscodex.train.sources import Row

ASPECT = 200  # the processor refuses more

_ANSWER = re.compile(f"({re.escape(HEADER)})(.*?{re.escape(END)})", re.DOTALL)


class BadSample(Exception):  # noqa: N818  # a finding about data
    """Why a sample cannot be trained on: one word for counting, and the details."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Encoded:
    """Token ids [L] and which of them are learned [L]; `sizes` are the pictures' (height, width)."""

    ids: NDArray[np.int64]
    is_answer: NDArray[np.bool_]
    sizes: tuple[tuple[int, int], ...] = ()


class Encoder:
    """Renders and tokenizes rows for one processor."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.image_token = processor.image_token
        self.image_id = int(self.tokenizer.convert_tokens_to_ids(self.image_token))
        self.merge = int(getattr(processor.image_processor, "merge_size", 1))
        self.reserved = [token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        if not self.is_chatml():
            raise VisCodexError("the tokenizer has no ChatML tokens", hint="a Qwen chat template")

    def is_chatml(self) -> bool:
        """Whether turns are `<|im_start|>role … <|im_end|>`."""
        return {"<|im_start|>", END} <= set(self.reserved)

    def measure(self, row: Row) -> tuple[tuple[int, int], ...]:
        """(height, width) of the row's pictures, read from their headers."""
        sizes = []
        for picture in row.pictures:
            try:
                height, width = picture_size(picture.image())
            except VisCodexError as error:
                raise BadSample("picture_unreadable", error.problem) from error
            if max(height, width) > ASPECT * min(height, width):
                raise BadSample("aspect_ratio", f"{width}×{height}")
            sizes.append((height, width))
        return tuple(sizes)

    def image_tokens(self, sizes: Sequence[tuple[int, int]]) -> list[int]:
        """How many tokens stand for each picture of these (height, width)."""
        try:
            return [count_image_tokens(self.processor, *size) for size in sizes]
        except VisCodexError as error:
            raise BadSample("picture_unusable", error.problem) from error

    def render(self, row: Row) -> str:
        """The chat as text, one image token a picture; raises `BadSample` for what cannot be trained on."""
        _check(row, self.reserved)
        messages = [{"role": turn.role, "content": _parts(turn)} for turn in row.marked().turns]
        return str(self.processor.apply_chat_template(messages, tokenize=False))

    def question(self, row: Row) -> str:
        """The chat up to its last answer, ready to be answered."""
        asked = [{"role": turn.role, "content": _parts(turn)} for turn in row.marked().turns[:-1]]
        return str(self.processor.apply_chat_template(asked, tokenize=False, add_generation_prompt=True))

    def encode(self, texts: Sequence[str], sizes: Sequence[Sequence[tuple[int, int]]]) -> list[Encoded]:
        """Rendered chats to ids, many at once (the tokenizer works on them in parallel)."""
        pieces = [_pieces(text) for text in texts]
        flat = [piece for row in pieces for piece, _ in row]
        if not flat:
            return []
        tokens = iter(self.tokenizer(flat, add_special_tokens=False, return_attention_mask=False).input_ids)
        encoded = []
        for row, pictures in zip(pieces, sizes, strict=True):
            parts = [(np.asarray(next(tokens), np.int64), learned) for _, learned in row]
            ids = np.concatenate([part for part, _ in parts])
            is_answer = np.concatenate([np.full(len(part), learned) for part, learned in parts])
            encoded.append(self._with_pictures(ids, is_answer, tuple(pictures)))
        return encoded

    def _with_pictures(
        self, ids: NDArray[np.int64], is_answer: NDArray[np.bool_], sizes: tuple[tuple[int, int], ...]
    ) -> Encoded:
        """Each image token as often as its picture needs."""
        if not sizes:
            return Encoded(ids, is_answer)
        repeats = np.ones(len(ids), np.int64)
        repeats[ids == self.image_id] = self.image_tokens(sizes)
        return Encoded(np.repeat(ids, repeats), np.repeat(is_answer, repeats), sizes)


def _check(row: Row, reserved: Sequence[str]) -> None:
    if row.fault:
        raise BadSample(*row.fault)
    if row.kind not in KINDS:
        raise BadSample("unknown_category", row.kind)
    roles = [turn.role for turn in row.turns]
    if not roles or any(role not in ("system", "user", "assistant") for role in roles):
        raise BadSample("roles", ", ".join(roles) or "no messages")
    answers = [turn.text for turn in row.turns if turn.role == "assistant"]
    if roles[-1] != "assistant" or not all(text.strip() for text in answers):
        raise BadSample("no_answer")
    for turn in row.turns:
        if not _is_unicode(turn.text):
            raise BadSample("not_unicode", f"half a surrogate pair in the text of {turn.role}")
        if found := next((token for token in reserved if token in turn.text), None):
            raise BadSample("reserved_token", f"{found} in the text of {turn.role}")
    marks = sum(turn.text.count(MARKER) for turn in row.turns if turn.role == "user")
    if marks > len(row.pictures):
        raise BadSample("no_picture", f"{marks} marked, {len(row.pictures)} there")
    if 0 < marks < len(row.pictures):
        raise BadSample("picture_not_marked", f"{marks} marked, {len(row.pictures)} there")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _parts(turn: Any) -> list[dict[str, str]]:
    """Typed content. Only a user's `<image>` is a picture; in an answer it is SVG."""
    parts: list[dict[str, str]] = []
    for place, piece in enumerate(turn.text.split(MARKER) if turn.role == "user" else [turn.text]):
        if place:
            parts.append({"type": "image"})
        if piece:
            parts.append({"type": "text", "text": piece})
    return parts or [{"type": "text", "text": ""}]


def _pieces(text: str) -> list[tuple[str, bool]]:
    """The text cut into what is given and what is learned: answers with the `<|im_end|>` that ends them."""
    pieces: list[tuple[str, bool]] = []
    place = 0
    for match in _ANSWER.finditer(text):
        pieces += [(text[place : match.end(1)], False), (match[2], True)]
        place = match.end()
    pieces.append((text[place:], False))
    return [(piece, learned) for piece, learned in pieces if piece]
