"""Packing, accumulation, chunking and recomputation change nothing but speed."""

from __future__ import annotations

import pytest
import torch

from tests.train.conftest import furthest, gradients, objective
from viscodex.model.load import load_model
from viscodex.train.batch import collate
from viscodex.train.loss import row_losses

ROUNDING = 1e-6  # of each tensor's largest value; sums in another order


def backward(module, batches, answers):
    module.zero_grad()
    total = 0.0
    for batch in batches:
        loss = module(batch).sum() / answers
        loss.backward()
        total += float(loss.detach())
    return total, gradients(module)


@pytest.fixture(scope="module")
def model(trio):
    return objective(trio.vlm).train()


def answers_of(samples):
    return sum(int(sample.encoded.is_answer.sum()) for sample in samples)


def test_packed_equals_the_models_own_forward(model, samples, encoder):
    """Loss and gradients of one pack, against transformers' forward of each sample alone, with its own positions."""
    packed = backward(model, [collate(samples, encoder)], answers_of(samples))
    model.zero_grad()
    reference = 0.0
    for sample in samples:
        ids = torch.from_numpy(sample.encoded.ids)[None]
        labels = ids.masked_fill(~torch.from_numpy(sample.encoded.is_answer)[None], -100)
        model.model.set_attn_implementation("sdpa")
        out = model.model(
            input_ids=ids,
            pixel_values=sample.pixels,
            image_grid_thw=sample.grids,
            mm_token_type_ids=(ids == encoder.image_id).int(),
            labels=labels,
        )
        part = out.loss * int((labels[:, 1:] != -100).sum()) / answers_of(samples)
        part.backward()
        reference += float(part.detach())
    from viscodex.train.attention import SEGMENTS, set_attention

    set_attention(model.model, SEGMENTS)
    assert packed[0] == pytest.approx(reference, rel=1e-6)
    assert furthest(packed[1], gradients(model)) < ROUNDING


def test_one_pack_of_four_is_four_packs_of_one(model, samples, encoder):
    """Answers are of uneven length: averaging per micro-batch would differ by tens of percent."""
    answers = answers_of(samples[:4])
    together = backward(model, [collate(samples[:4], encoder)], answers)
    apart = backward(model, [collate([sample], encoder) for sample in samples[:4]], answers)
    assert together[0] == pytest.approx(apart[0], rel=1e-6)
    assert furthest(together[1], apart[1]) < ROUNDING


def test_averaging_micro_batches_would_be_another_gradient(model, samples, encoder):
    """What trainers do that do not know how many tokens the others have; on these four samples 17 % away."""
    answers = answers_of(samples[:4])
    right = backward(model, [collate(samples[:4], encoder)], answers)[1]
    wrong = [backward(model, [collate([s], encoder)], 4 * int(s.encoded.is_answer.sum()))[1] for s in samples[:4]]
    apart = sum(float((sum(grads[name] for grads in wrong) - grad).square().sum()) for name, grad in right.items())
    whole = sum(float(grad.square().sum()) for grad in right.values())
    assert (apart / whole) ** 0.5 > 0.05


def test_the_order_in_a_pack_does_not_matter(model, samples, encoder):
    answers = answers_of(samples)
    forth = backward(model, [collate(samples, encoder)], answers)
    back = backward(model, [collate(samples[::-1], encoder)], answers)
    assert forth[0] == pytest.approx(back[0], rel=1e-6)
    assert furthest(forth[1], back[1]) < ROUNDING


def test_an_empty_pack_has_a_loss_without_gradient(model, samples, encoder):
    total, grads = backward(model, [collate([], encoder)], 1)
    assert total == 0.0
    assert all(float(grad.abs().max()) == 0.0 for grad in grads.values())


def test_recomputation_changes_no_bit(trio, samples, encoder):
    batch = collate(samples, encoder)
    plain = backward(objective(trio.vlm).train(), [batch], 100)
    recomputed = backward(objective(trio.vlm, checkpointing=True).train(), [batch], 100)
    assert plain[0] == recomputed[0]
    assert all(torch.equal(grad, recomputed[1][name]) for name, grad in plain[1].items())


@pytest.mark.parametrize("checkpointing", [False, True])
def test_vision_runs_once_a_pack_and_without_a_graph(trio, samples, encoder, checkpointing):
    module = objective(trio.vlm, checkpointing=checkpointing).train()
    seen = []
    module.model.model.visual.register_forward_hook(lambda *a: seen.append(a[2].pooler_output.requires_grad))
    for block in module.model.model.visual.blocks:
        block.register_forward_hook(lambda *a: seen.append("block"))
    module(collate(samples, encoder)).sum().backward()
    assert seen.count("block") == len(module.model.model.visual.blocks)
    assert seen[-1] is False
    assert seen.count(False) == 1


def test_a_trained_projector_gets_gradients_and_the_tower_none(trio, samples, encoder):
    module = objective(trio.vlm, parts=("projector",)).train()
    module(collate(samples, encoder)).sum().backward()
    assert {name.split(".merger.")[0] for name in gradients(module)} == {"model.model.visual"}


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_chunked_loss_is_cross_entropy(chunk):
    torch.manual_seed(0)
    hidden, weight = torch.randn(65, 16, requires_grad=True), torch.randn(40, 16, requires_grad=True)
    labels = torch.randint(40, (65,))
    scale = torch.rand(65)
    (row_losses(hidden, weight, labels, chunk) * scale).sum().backward()
    ours = hidden.grad, weight.grad
    hidden.grad = weight.grad = None
    plain = torch.nn.functional.cross_entropy(hidden @ weight.T, labels, reduction="none")
    (plain * scale).sum().backward()
    for got, wanted in zip(ours, (hidden.grad, weight.grad), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6)


def test_chunked_loss_never_holds_all_logits():
    """Peak of the backward pass, as torch's own profiler counts allocations."""
    hidden, weight = torch.randn(512, 8, requires_grad=True), torch.randn(20_000, 8)
    labels = torch.randint(20_000, (512,))
    largest = {}
    for name, loss in {
        "chunks": lambda: row_losses(hidden, weight, labels, 32),
        "plain": lambda: torch.nn.functional.cross_entropy(hidden @ weight.T, labels, reduction="none"),
    }.items():
        with torch.profiler.profile(profile_memory=True) as profile:
            loss().sum().backward()
        allocated = peak = 0
        for event in profile.profiler.kineto_results.events():
            if event.name() == "[memory]":
                allocated += event.nbytes()
                peak = max(peak, allocated)
        largest[name] = peak
    assert largest["chunks"] < largest["plain"] / 5


def test_patches_by_a_product_are_those_of_the_convolution(trio, samples):
    """The tower's first step, as transformers has it and as training does it."""
    plain = load_model(trio.vlm, torch.float32).model.visual.patch_embed
    ours = objective(trio.vlm, parts=("vision",)).model.model.visual.patch_embed
    pixels = next(sample.pixels for sample in samples if sample.pixels is not None)
    torch.testing.assert_close(ours.forward(pixels), plain(pixels), atol=1e-5, rtol=1e-5)
