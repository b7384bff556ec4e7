"""From samples to what a model reads: the rendered prompt, its length, and the tensors of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from viscodex.core.errors import VisCodexError
from viscodex.core.sample import Sample
from viscodex.model.load import is_multimodal, read_config
from viscodex.model.processor import count_image_tokens, load_processor, load_tokenizer, picture_size
from viscodex.model.prompts import messages, text_messages

THINK = "<think>"


@dataclass(frozen=True)
class Question:
    """One prompt to answer: `length` in tokens with its pictures, `begun` what the prompt has already written."""

    sample: Sample
    text: str
    length: int
    index: int = 0

    @property
    def begun(self) -> str:
        """Some templates open the reasoning themselves; it belongs to the answer, or its end would stand alone."""
        return f"{THINK}\n" if self.text.rstrip().endswith(THINK) else ""


class Asker:
    """Renders and encodes samples for the checkpoint in a folder, with pictures if its model takes any."""

    def __init__(self, folder: Path, max_pixels: int | None = None) -> None:
        config = read_config(folder)
        self.processor = load_processor(folder, max_pixels=max_pixels) if is_multimodal(config) else None
        self.tokenizer = self.processor.tokenizer if self.processor else load_tokenizer(folder)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.limit: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
        self._reserved = [token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special]
        if self.processor is not None:
            self._reserved.append(self.processor.image_token)
        if not (self.processor or self.tokenizer).chat_template:
            raise VisCodexError("the checkpoint has no chat template", str(folder), hint="an instruction-tuned model")

    def questions(self, sample: Sample, n: int) -> list[Question]:
        """The sample's prompt, n times. Pictures are measured, not decoded."""
        self._check(sample)
        text = self._rendered(sample)
        pictures = [count_image_tokens(self.processor, *picture_size(image)) - 1 for image in sample.images]
        length = len(self.tokenizer(text, **self._marks(text)).input_ids) + sum(pictures)
        if self.limit and length >= self.limit:
            raise VisCodexError(f"the prompt has {length} tokens and the model takes {self.limit}")
        return [Question(sample, text, length, index) for index in range(n)]

    def tensors(self, batch: list[Question]) -> Any:
        """Padded on the left, pictures decoded; a picture that cannot be read raises."""
        texts = [question.text for question in batch]
        options = {"padding": True, "return_tensors": "pt"} | self._marks(texts[0])
        pictures = [[image.load() for image in question.sample.images] for question in batch]
        if self.processor is None:
            return self.tokenizer(texts, **options)
        try:
            return self.processor(text=texts, images=pictures if any(pictures) else None, **options)
        except ValueError as error:
            raise VisCodexError(f"the processor refuses the prompt: {error}") from error

    def _rendered(self, sample: Sample) -> str:
        turns = text_messages(sample) if self.processor is None else messages(sample)
        try:
            written = (self.processor or self.tokenizer).apply_chat_template(
                turns, add_generation_prompt=True, tokenize=False
            )
        except jinja2.TemplateError as error:  # a system turn, or two of one side in a row: not every model takes them
            raise VisCodexError(f"the model's chat template refuses the conversation: {error}") from error
        return str(written)

    def _check(self, sample: Sample) -> None:
        if not sample.prompt:
            raise VisCodexError("the sample has no prompt")
        if sample.images and self.processor is None:
            raise VisCodexError("the model takes text alone, and the sample has a picture")
        if found := [token for token in self._reserved if token in sample.text]:
            raise VisCodexError(f"the prompt holds {found[0]}, which the model reserves")

    def _marks(self, text: str) -> dict[str, bool]:
        """A template that writes the beginning-of-text token must not get a second one."""
        begin = self.tokenizer.bos_token
        return {"add_special_tokens": not (begin and text.startswith(begin))}
