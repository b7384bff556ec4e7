"""CLIP ViT-B/32's eyes: a unit vector for a picture. Weights from a local folder or the hub's cache, never downloaded.

The preprocessing is done with Pillow and numpy; torchvision is not needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from viscodex.core.errors import VisCodexError

if TYPE_CHECKING:
    import torch

VARIABLE = "VISCODEX_CLIP"
"""Environment variable that names a folder or a hub id with other weights."""
HUB_ID = "openai/clip-vit-base-patch32"
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)

Vector = NDArray[np.float32]


class Clip:
    """The vision half of a CLIP model, in float32 on the CPU."""

    def __init__(self, model: Any) -> None:
        self._vision = model.vision_model.eval()
        self._projection = model.visual_projection
        self._side = int(model.config.vision_config.image_size)
        self.fingerprint = _fingerprint(model)
        """Of the weights that features depend on."""

    def features(self, pictures: Sequence[PIL.Image.Image]) -> Vector:
        """Unit vectors: (pictures, dimensions)."""
        import torch

        pixels = torch.from_numpy(np.stack([preprocessed(picture, self._side) for picture in pictures]))
        with torch.inference_mode():
            found = self._projection(self._vision(pixel_values=pixels).pooler_output).numpy()
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def load_clip(name: str | Path | None = None) -> Clip | None:
    """The model of a folder or hub id; else of $VISCODEX_CLIP; else ViT-B/32 from the hub's cache.

    None when ViT-B/32 is not there. Weights that were asked for by name and cannot be loaded are an error.
    """
    asked = str(name or os.environ.get(VARIABLE) or "")
    if not asked and not _is_here(HUB_ID):
        return None
    return _load(asked or HUB_ID, required=bool(asked))


def _is_here(hub_id: str) -> bool:
    """Whether a model is in the hub's cache; found out without importing torch, which takes four CPU seconds."""
    from huggingface_hub import try_to_load_from_cache

    return Path(hub_id).is_dir() or isinstance(try_to_load_from_cache(hub_id, "config.json"), str)


def preprocessed(picture: PIL.Image.Image, side: int = 224) -> Vector:
    """As CLIP was trained: the shorter side to `side` (bicubic), the centre square, normalised: (3, side, side)."""
    width, height = picture.size
    scale = side / min(width, height)
    size = (side, int(height * scale)) if width <= height else (int(width * scale), side)
    resized = picture.convert("RGB").resize(size, PIL.Image.Resampling.BICUBIC)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    square = np.asarray(resized.crop((left, top, left + side, top + side)), dtype=np.float32) / 255
    return np.ascontiguousarray(((square - MEAN) / DEVIATION).transpose(2, 0, 1))


@cache
def _load(name: str, *, required: bool) -> Clip | None:
    from huggingface_hub.errors import HFValidationError
    from transformers import CLIPModel

    from viscodex.model.load import quiet

    try:
        with quiet():
            model, info = CLIPModel.from_pretrained(name, local_files_only=True, output_loading_info=True)
    except (OSError, ValueError, HFValidationError) as error:
        if required:
            raise VisCodexError(
                "the CLIP weights cannot be loaded: " + str(error).strip().partition("\n")[0],
                where=name,
                hint=f"{VARIABLE}=FOLDER, or: hf download {HUB_ID}",
            ) from error
        return None
    eyes = ("vision_model.", "visual_projection.")
    if missing := [key for key in info["missing_keys"] if key.startswith(eyes)]:
        raise VisCodexError(f"the CLIP checkpoint lacks {len(missing)} tensors: {missing[0]}, …", where=name)
    return Clip(model.float())


def _fingerprint(model: Any) -> str:
    import xxhash

    whole = xxhash.xxh3_128()
    parts: tuple[torch.nn.Module, ...] = (model.vision_model, model.visual_projection)
    for part in parts:
        for key, value in sorted(part.state_dict().items()):
            whole.update(key.encode())
            whole.update(value.contiguous().numpy().tobytes())
    return str(whole.hexdigest())
