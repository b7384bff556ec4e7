"""What CLIP is shown, and its score with and without weights."""

from __future__ import annotations

import numpy as np
import pytest

from viscodex.core.sample import Sample
from viscodex.eval.design2code.answer import fenced
from viscodex.eval.design2code.block import Block
from viscodex.eval.design2code.gist import gist, without_text
from viscodex.eval.design2code.scorer import Design2CodeScorer
from viscodex.model.clip import load_clip
from viscodex.model.generate import Completion

PAGE = "<!DOCTYPE html><html><body><h1>Welcome</h1><p>Some words.</p></body></html>"


def test_texts_are_painted_over():
    picture = np.full((40, 60, 3), 200, dtype=np.uint8)
    picture[10:20, 12:48] = 0
    block = Block("x", (12.1 / 60, 10.1 / 40, 36.1 / 60, 10.1 / 40), (0.0, 0.0, 0.0))
    assert np.abs(without_text(picture, [block]).astype(int) - 200).max() <= 5
    assert without_text(picture, []) is picture
    assert gist(picture, [block]).size == (40, 40)


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        text_config={**small, "vocab_size": 99, "max_position_embeddings": 16},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(folder)
    return load_clip(folder)


def test_the_score_with_weights(tiny_clip, tmp_path):
    opened = Design2CodeScorer(clip=tiny_clip, folder=tmp_path)
    assert opened.environment["clip"] == tiny_clip.fingerprint
    sample = Sample(id="x", kind="html", prompt=("?",), response=fenced(PAGE))
    same = opened.score(sample, Completion(sample_id="x", text=fenced(PAGE)))
    assert [score.values["clip"] for score in same.scores] == pytest.approx([1.0, 1.0])
    features = sorted(tmp_path.rglob("*.f32"))
    assert features
    again = opened.score(sample, Completion(sample_id="x", text=fenced(PAGE)))
    assert again == same
    failed = opened.score(sample, Completion(sample_id="x", text=""))
    assert failed.scores[0].values["clip"] == 0.0
    assert 0 < (failed.scores[1].values["clip"] or 0) <= 1  # a white page is like any page, the published scorer thinks
    opened.close()
