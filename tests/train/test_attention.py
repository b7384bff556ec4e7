"""Short segments in bfloat16 on a CPU attend by matrix products: the same attention, gradients included."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from viscodex.train.attention import SHORT, _attend


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("length", [1, 7, 150, SHORT + 1])
def test_short_segments_attend_as_the_kernel_does(causal, length):
    torch.manual_seed(0)
    exact = [torch.randn(2, 3, length, 16, requires_grad=True) for _ in range(3)]
    narrow = [tensor.detach().bfloat16().requires_grad_() for tensor in exact]
    wanted = scaled_dot_product_attention(*exact, is_causal=causal)
    found = _attend(*narrow, None, 0.0, causal=causal)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, atol=0.04, rtol=0.04)
    weights = torch.randn_like(wanted)
    (wanted * weights).sum().backward()
    (found * weights.bfloat16()).sum().backward()
    for one, other in zip(narrow, exact, strict=True):
        torch.testing.assert_close(one.grad.float(), other.grad, atol=0.08, rtol=0.08)


def test_nothing_of_a_later_token_is_seen():
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, 40, 16).bfloat16() for _ in range(3))
    before = _attend(query, key, value, None, 0.0, causal=True)
    key[:, :, 20:], value[:, :, 20:] = 5.0, -5.0
    after = _attend(query, key, value, None, 0.0, causal=True)
    assert torch.equal(before[:, :, :20], after[:, :, :20])
    assert not torch.equal(before[:, :, 20:], after[:, :, 20:])
