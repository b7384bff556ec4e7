"""Pictures and text into tensors, on the PIL back end: load a processor, save it for every reader, count tokens."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import PIL.Image
import transformers

from viscodex.core import rundir
from viscodex.core.errors import UsageError, VisCodexError
from viscodex.core.sample import DAMAGED, Image
from viscodex.model.image_only import IMAGE_ONLY

PIXEL_BUDGET = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")  # families whose picture size is a free choice between two bounds


def load_processor(folder: Path | str, *, min_pixels: int | None = None, max_pixels: int | None = None) -> Any:
    """The processor of a checkpoint, for pictures and text.

    `min_pixels` and `max_pixels` bound the area pictures are resized to (Qwen families); unset, the checkpoint's own.
    """
    folder = Path(folder)
    model_type = rundir.read_json(folder / "config.json").get("model_type", "")
    try:
        processor = _load(folder, model_type)
    except (ImportError, ValueError, OSError) as error:
        raise _unavailable(model_type, folder, error) from error
    if not hasattr(processor, "image_processor"):
        raise VisCodexError("the model takes no pictures: it has a tokenizer alone", where=str(folder))
    if min_pixels is not None or max_pixels is not None:
        _set_budget(processor, model_type, min_pixels, max_pixels)
    return processor


def load_tokenizer(folder: Path | str) -> Any:
    """The tokenizer of a checkpoint."""
    try:
        return transformers.AutoTokenizer.from_pretrained(folder)
    except (ValueError, OSError) as error:
        raise VisCodexError(f"cannot load the tokenizer: {_first_line(error)}", where=str(folder)) from error


def _load(folder: Path, model_type: str) -> Any:
    if model_type not in IMAGE_ONLY:
        return transformers.AutoProcessor.from_pretrained(folder, backend="pil")
    kind = IMAGE_ONLY[model_type]
    images = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    settings, _ = kind.get_processor_dict(folder)
    settings.setdefault("chat_template", tokenizer.chat_template)
    return kind.from_args_and_dict([images, tokenizer], settings)


def _unavailable(model_type: str, folder: Path, error: Exception) -> VisCodexError:
    if "torchvision" in str(error).lower():
        return VisCodexError(
            f"transformers {transformers.__version__} cannot process pictures for {model_type} without torchvision",
            where=str(folder),
            hint="install the torchvision build that matches your torch",
        )
    return VisCodexError(f"cannot load the processor: {_first_line(error)}", where=str(folder))


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _set_budget(processor: Any, model_type: str, low: int | None, high: int | None) -> None:
    if model_type not in PIXEL_BUDGET:
        raise UsageError(f"{model_type} takes pictures of a fixed size: it has no pixel budget")
    size = processor.image_processor.size
    low = size["shortest_edge"] if low is None else low
    high = size["longest_edge"] if high is None else high
    if not 0 < low <= high:
        raise UsageError(f"min_pixels = {low} and max_pixels = {high} leave no size to resize to")
    processor.image_processor.size = type(size)(shortest_edge=low, longest_edge=high)


def save_processor(processor: Any, folder: Path | str) -> None:
    """Write every file that transformers, vLLM and SGLang look for.

    transformers 5 alone writes `processor_config.json` and `chat_template.jinja`; older readers want the picture
    settings in `preprocessor_config.json` (with `min_pixels` / `max_pixels`) and the template in
    `tokenizer_config.json`.
    """
    folder = Path(folder)
    processor.save_pretrained(folder)
    owner = {"processor_class": type(processor).__name__}
    pictures = json.loads(processor.image_processor.to_json_string())
    size = pictures.get("size", {})
    if {"shortest_edge", "longest_edge"} <= set(size):
        pictures |= {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
    rundir.write_json(folder / "preprocessor_config.json", pictures | owner)
    text = rundir.read_json(folder / "tokenizer_config.json")
    rundir.write_json(folder / "tokenizer_config.json", text | owner | {"chat_template": processor.chat_template})


def count_image_tokens(processor: Any, height: int, width: int) -> int:
    """How many tokens stand for a picture of that size, marks around it included; no pixels are needed."""
    if isinstance(processor, transformers.Gemma3Processor):  # its own count leaves out the marks
        return len(processor.tokenizer(processor.full_image_sequence, add_special_tokens=False).input_ids)
    try:
        counts = processor._get_num_multimodal_tokens(image_sizes=[(height, width)])
    except (ValueError, ZeroDivisionError) as error:
        raise VisCodexError(f"a picture of {width}×{height} cannot be used: {error}") from error
    return int(counts["num_image_tokens"][0])


def picture_size(image: Image) -> tuple[int, int]:
    """(height, width) in pixels, read from the file's header; nothing is decoded."""
    try:
        with PIL.Image.open(io.BytesIO(image.read())) as picture:
            return picture.height, picture.width
    except PIL.UnidentifiedImageError as error:
        raise VisCodexError("not a readable picture: no known format", where=_named(image)) from error
    except (*DAMAGED, PIL.Image.DecompressionBombError) as error:
        raise VisCodexError(f"not a readable picture: {error}", where=_named(image)) from error


def _named(image: Image) -> str:
    return image.path or "embedded bytes"
