"""Processors for pictures and text without the video half, which needs torchvision.

The classes keep the names of their parents, so that what they save says `Qwen2_5_VLProcessor` and loads in
transformers, vLLM and SGLang as the original does.
"""

from __future__ import annotations

from typing import Any

import transformers


class Qwen2VLProcessor(transformers.Qwen2VLProcessor):  # type: ignore[misc]
    """Qwen2-VL, images only."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **more: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template)


class Qwen2_5_VLProcessor(transformers.Qwen2_5_VLProcessor):  # type: ignore[misc]  # noqa: N801
    """Qwen2.5-VL, images only."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **more: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template)


class Qwen3VLProcessor(transformers.Qwen3VLProcessor):  # type: ignore[misc]
    """Qwen3-VL, images only."""

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None, **more: Any
    ) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template)


class LlavaOnevisionProcessor(transformers.LlavaOnevisionProcessor):  # type: ignore[misc]
    """LLaVA-OneVision, images only."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        num_image_tokens: int | None = None,
        vision_feature_select_strategy: str | None = None,
        chat_template: str | None = None,
        image_token: str = "<image>",
        video_token: str = "<video>",
        vision_aspect_ratio: str = "anyres_max_9",
        **more: Any,
    ) -> None:
        settings = (num_image_tokens, vision_feature_select_strategy, chat_template, image_token, video_token)
        super().__init__(image_processor, tokenizer, None, *settings, vision_aspect_ratio)


class InternVLProcessor(transformers.InternVLProcessor):  # type: ignore[misc]
    """InternVL3, images only."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        image_seq_length: int = 256,
        chat_template: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(image_processor, tokenizer, None, image_seq_length, chat_template=chat_template)


class SmolVLMProcessor(transformers.SmolVLMProcessor):  # type: ignore[misc]
    """SmolVLM, images only. The parent's own `__init__` and template insist on what only videos need (num2words)."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        image_seq_len: int = 169,
        chat_template: str | None = None,
        **more: Any,
    ) -> None:
        self.fake_image_token = getattr(tokenizer, "fake_image_token", "<fake_token_around_image>")
        self.image_token = getattr(tokenizer, "image_token", "<image>")
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.end_of_utterance_token = getattr(tokenizer, "end_of_utterance_token", "<end_of_utterance>")
        self.global_image_token = getattr(tokenizer, "global_image_token", "<global-img>")
        self.video_token = getattr(tokenizer, "video_token", "<video>")
        self.image_seq_len = image_seq_len
        transformers.ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    _get_num_multimodal_tokens = transformers.Idefics3Processor._get_num_multimodal_tokens  # SmolVLM defines none

    def apply_chat_template(self, conversation: Any, chat_template: str | None = None, **more: Any) -> Any:
        return transformers.ProcessorMixin.apply_chat_template(self, conversation, chat_template, **more)


IMAGE_ONLY: dict[str, Any] = {
    "qwen2_vl": Qwen2VLProcessor,
    "qwen2_5_vl": Qwen2_5_VLProcessor,
    "qwen3_vl": Qwen3VLProcessor,
    "llava_onevision": LlavaOnevisionProcessor,
    "internvl": InternVLProcessor,
    "smolvlm": SmolVLMProcessor,
}
