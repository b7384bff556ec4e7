"""On a GPU: packed attention by lengths is the same training as on a CPU, and a run resumes from what it wrote."""

from __future__ import annotations

import pytest
import torch

from tests.train.conftest import MAX_PIXELS, objective
from viscodex.model.load import load_model
from viscodex.train.attention import VARLEN, use_attention
from viscodex.train.batch import collate
from viscodex.train.forward import Objective
from viscodex.train.parts import freeze_all_but

pytestmark = pytest.mark.gpu
BFLOAT16 = 0.05  # of a loss near 8: its steps are 2^-8 of a value


@pytest.fixture(scope="module")
def on_gpu(trio):
    device = torch.device("cuda")
    model = load_model(trio.vlm, torch.bfloat16).to(device)
    freeze_all_but(model, ["backbone"])
    assert use_attention(model, "auto", device) == VARLEN
    return Objective(model, loss_chunk=64, checkpointing=True).train()


def losses(module, batch):
    found = module(batch)
    found.sum().backward()
    return found.detach().float().cpu()


def test_a_pack_has_the_losses_of_a_cpu_in_float32(on_gpu, samples, encoder, trio):
    batch = collate(samples, encoder)
    found = losses(on_gpu, batch.to(torch.device("cuda")))
    with torch.no_grad():
        wanted = objective(trio.vlm)(batch)
    assert len(found) > 100
    torch.testing.assert_close(found, wanted, atol=BFLOAT16, rtol=0)
    assert float((found.mean() - wanted.mean()).abs()) < 0.005


def test_samples_of_a_pack_do_not_see_each_other(on_gpu, samples, encoder):
    device = torch.device("cuda")
    packed = losses(on_gpu, collate(samples, encoder).to(device))
    alone = torch.cat([losses(on_gpu, collate([sample], encoder).to(device)) for sample in samples])
    torch.testing.assert_close(packed, alone, atol=BFLOAT16, rtol=0)


def test_gradients_are_those_of_a_cpu(on_gpu, samples, encoder, trio):
    on_gpu.zero_grad()
    losses(on_gpu, collate(samples, encoder).to(torch.device("cuda")))
    reference = objective(trio.vlm).train()
    losses(reference, collate(samples, encoder))
    wanted = dict(reference.named_parameters())
    for name, parameter in on_gpu.named_parameters():
        if parameter.grad is None:
            assert wanted[name].grad is None, name
            continue
        one, other = parameter.grad.float().cpu().flatten(), wanted[name].grad.flatten()
        assert float(torch.cosine_similarity(one, other, dim=0)) > 0.98, name


def test_training_learns_and_the_result_loads(trio, data, tmp_path):
    import json

    from typer.testing import CliRunner

    from viscodex.cli import app

    values = {"model": trio.vlm, "data": data, "max_pixels": MAX_PIXELS, "max_steps": 20, "lr": 1e-2, "device": "cuda"}
    words = [word for key, value in values.items() if key != "device" for word in ("--set", f"{key}={value}")]
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["train", "tiny", *words, "--device", "cuda", "--out", str(out)])
    assert result.exit_code == 0, result.output
    steps = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    counted = [step["loss"] for step in steps if step["kind"] == "step"]
    assert counted[-1] < 0.8 * counted[0]
