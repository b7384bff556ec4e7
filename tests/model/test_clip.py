"""CLIP's eyes on tiny random weights: against transformers' own model, and without any weights."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from viscodex.core.errors import VisCodexError
from viscodex.model.clip import VARIABLE, load_clip, preprocessed

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**SMALL, "vocab_size": 99, "max_position_embeddings": 16},
        vision_config={**SMALL, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    path = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(path)
    return path


def pictures():
    noise = np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), dtype=np.uint8)
    return [PIL.Image.fromarray(picture) for picture in noise]


def test_features_are_those_of_the_whole_model(folder):
    clip = load_clip(folder)
    found = clip.features(pictures())
    assert found.shape == (3, 16)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-6)
    pixels = torch.from_numpy(np.stack([preprocessed(picture, 32) for picture in pictures()]))
    ids = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        whole = CLIPModel.from_pretrained(folder)(input_ids=ids, pixel_values=pixels).image_embeds
    assert found == pytest.approx(whole.numpy(), abs=1e-6)


def test_the_fingerprint_is_of_the_weights(folder, tmp_path):
    model = CLIPModel.from_pretrained(folder)
    model.text_model.final_layer_norm.bias.data += 1
    model.save_pretrained(tmp_path / "text")
    model.visual_projection.weight.data += 1
    model.save_pretrained(tmp_path / "vision")
    same, other = (load_clip(tmp_path / name).fingerprint for name in ("text", "vision"))
    assert load_clip(folder).fingerprint == same != other


def test_preprocessing_shows_the_centre_square():
    picture = PIL.Image.new("RGB", (90, 30), "red")
    picture.paste("blue", (30, 0, 60, 30))
    shown = preprocessed(picture, 30)
    assert shown.shape == (3, 30, 30) and shown.dtype == np.float32
    assert (shown[2] > 1).all() and (shown[0] < -1).all()


def test_no_weights_is_none_and_asked_for_weights_are_an_error(monkeypatch, tmp_path, folder):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert load_clip() is None or load_clip().fingerprint
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
    with pytest.raises(VisCodexError, match="CLIP weights"):
        load_clip()
    monkeypatch.setenv(VARIABLE, str(folder))
    assert load_clip() is not None


def test_to_find_no_weights_takes_no_torch(tmp_path):
    code = "import sys\nfrom viscodex.model.clip import load_clip\nassert load_clip() is None"
    code += "\nassert 'torch' not in sys.modules"
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    subprocess.run(
        [sys.executable, "-c", code], env=environment | {"HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
