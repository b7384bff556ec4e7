"""Processors without torchvision: they see pictures, count tokens by size, and save what every reader looks for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.sample import Image
from viscodex.model.load import load_model
from viscodex.model.processor import count_image_tokens, load_processor, picture_size, save_processor
from viscodex.model.supervised import answer_mask
from viscodex.model.tiny_families import FAMILIES

SEEING = [family for family in FAMILIES if family != "mistral3"]
QUESTION = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Draw this."}]}]
SIZES = [(84, 112), (56, 56), (300, 40), (33, 500), (700, 900)]


@pytest.fixture(scope="session")
def batch(noise: Callable[..., Any]) -> Callable[..., tuple[str, Any]]:
    """`batch(processor, height, width, seed)`: a question about one picture, as text and as tensors."""

    def make(processor: Any, height: int = 84, width: int = 112, seed: int = 0) -> tuple[str, Any]:
        text = processor.apply_chat_template(QUESTION, add_generation_prompt=True, tokenize=False)
        return text, processor(text=[text], images=[noise(seed, height, width)], return_tensors="pt")

    return make


@pytest.mark.parametrize("layout", ["hub", "memory"])
@pytest.mark.parametrize("family", SEEING)
def test_another_picture_changes_the_logits(tiny, batch, family, layout):
    folder = tiny(family, layout=layout).vlm
    processor, model = load_processor(folder), load_model(folder, torch.float32)
    with torch.inference_mode():
        one, same, other = (model(**batch(processor, seed=seed)[1]).logits[0, -1] for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("family", SEEING)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_tokens_are_known_from_the_size(tiny, batch, family, height, width):
    processor = load_processor(tiny(family).vlm)
    text, inputs = batch(processor, height, width)
    placeholder = 1
    expanded = inputs["input_ids"].shape[1] - len(processor.tokenizer(text).input_ids) + placeholder
    assert count_image_tokens(processor, height, width) == expanded


def test_tokens_of_known_sizes(tiny):
    """Qwen2.5-VL: one token for 28 × 28 pixels, sides rounded, area kept between the two bounds."""
    processor = load_processor(tiny().vlm, min_pixels=4 * 28 * 28, max_pixels=1280 * 28 * 28)
    golden = {(28, 28): 4, (280, 560): 200, (720, 1280): 1196, (1080, 1920): 1222, (4000, 3000): 1230}
    assert {size: count_image_tokens(processor, *size) for size in golden} == golden


@pytest.mark.parametrize("most", [4, 16, 64])
def test_pixel_budget_bounds_the_tokens(tiny, batch, most):
    processor = load_processor(tiny().vlm, max_pixels=most * 28 * 28)
    assert count_image_tokens(processor, 2000, 1500) <= most
    assert batch(processor, 400, 300)[1]["image_grid_thw"].prod() // 4 <= most


def test_budget_refusals(tiny):
    with pytest.raises(UsageError, match="no size"):
        load_processor(tiny().vlm, min_pixels=100_000, max_pixels=1000)
    with pytest.raises(UsageError, match="fixed size"):
        load_processor(tiny("gemma3").vlm, max_pixels=1000)
    with pytest.raises(VisCodexError, match="aspect ratio"):
        count_image_tokens(load_processor(tiny().vlm), 4000, 10)


@pytest.mark.parametrize("family", SEEING)
def test_saving_and_loading_changes_nothing(tiny, batch, tmp_path, family):
    processor = load_processor(tiny(family).vlm)
    shutil.copy(tiny(family).vlm / "config.json", tmp_path)
    save_processor(processor, tmp_path)
    again = load_processor(tmp_path)
    assert type(again) is type(processor)
    assert again.chat_template == processor.chat_template
    (text, before), (same, after) = batch(processor), batch(again)
    assert text == same
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_saved_files_are_those_other_readers_want(tiny, tmp_path):
    save_processor(load_processor(tiny().vlm, max_pixels=50_176), tmp_path)
    files = {path.name: path for path in tmp_path.iterdir()}
    settings = {name: json.loads(files[name].read_text()) for name in files if name.endswith(".json")}
    for name in ("preprocessor_config.json", "processor_config.json", "tokenizer_config.json"):
        assert settings[name]["processor_class"] == "Qwen2_5_VLProcessor", name
    pictures = settings["preprocessor_config.json"]
    assert pictures["image_processor_type"] == "Qwen2VLImageProcessor"
    assert (pictures["min_pixels"], pictures["max_pixels"]) == (3136, 50_176)
    assert "<|image_pad|>" in settings["tokenizer_config.json"]["chat_template"]
    assert "<|image_pad|>" in files["chat_template.jinja"].read_text()
    plain = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    assert dict(plain.size) == {"shortest_edge": 3136, "longest_edge": 50_176}
    assert transformers.AutoTokenizer.from_pretrained(tmp_path).chat_template


def test_text_alone(tiny):
    processor = load_processor(tiny().vlm)
    text = processor.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert "Hi" in text
    assert "pixel_values" not in processor(text=[text], return_tensors="pt")


def test_what_needs_torchvision_says_so(tiny):
    with pytest.raises(VisCodexError, match="without torchvision") as caught:
        load_processor(tiny("mistral3").vlm)
    assert "torchvision build" in caught.value.hint


def test_a_text_model_has_no_processor(tiny):
    with pytest.raises(VisCodexError, match="takes no pictures"):
        load_processor(tiny().code)


def test_a_folder_without_settings_is_refused(tiny, tmp_path):
    shutil.copy(tiny().vlm / "config.json", tmp_path)
    with pytest.raises(VisCodexError, match="cannot load the processor"):
        load_processor(tmp_path)


def test_size_is_read_without_decoding(encoded, tmp_path):
    whole = encoded(height=300, width=200)
    assert picture_size(whole) == (300, 200)
    assert picture_size(Image(data=(whole.data or b"")[:200])) == (300, 200)  # cut off after the header
    broken = Path(tmp_path / "broken.png")
    broken.write_bytes(b"no picture")
    with pytest.raises(VisCodexError, match="not a readable picture"):
        picture_size(Image(path=str(broken)))


def test_the_answer_mask_covers_the_answers_and_their_ends(tiny):
    processor = load_processor(tiny().vlm)
    turns = [
        {"role": "user", "content": "Say assistant twice."},
        {"role": "assistant", "content": "assistant\nassistant"},
        {"role": "user", "content": "And now?"},
        {"role": "assistant", "content": "```html\n<p>\n```"},
    ]
    tokens = processor.tokenizer(processor.apply_chat_template(turns, tokenize=False)).input_ids
    mask = answer_mask(tokens, processor.tokenizer)
    learnt = [token for token, is_learnt in zip(tokens, mask, strict=True) if is_learnt]
    assert processor.tokenizer.decode(learnt) == "assistant\nassistant<|im_end|>```html\n<p>\n```<|im_end|>"


def test_the_answer_mask_of_an_unfinished_conversation(tiny):
    tokenizer = load_processor(tiny().vlm).tokenizer
    assert not any(answer_mask(tokenizer("<|im_start|>user\nHi<|im_end|>\n").input_ids, tokenizer))
    cut = tokenizer("<|im_start|>assistant\nHi").input_ids
    assert tokenizer.decode([t for t, m in zip(cut, answer_mask(cut, tokenizer), strict=True) if m]) == "Hi"
