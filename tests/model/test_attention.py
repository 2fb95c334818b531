"""Every form of attention against the softmax of the scaled scores, written out in fp32 or fp64."""

import math

import pytest
import torch

from jointwise.model import attention
from jointwise.model.attention import CachedAttention, attend

P = 2
FIRST = 3
HEADS = 4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cached", [None, 1, 170, 700, 5000])  # scores at once: of 1, 2 and 4 heads, of 2 rows, of all
def test_every_form_of_attention_is_the_softmax_of_the_scaled_scores(
    dtype: torch.dtype, training: bool, masked: bool, cached: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if cached is not None:
        monkeypatch.setattr(attention, "LONG", 9)
        monkeypatch.setattr(attention, "CACHED_SCORES", cached)
    query, key, value = (torch.randn(P, FIRST, HEADS, 9, 8).to(dtype).requires_grad_(training) for _ in range(3))
    mask = torch.rand(P, FIRST, 1, 1, 9) < 0.6 if masked else None
    if mask is not None:
        mask[..., 0] = True
    scores = query.float() @ key.float().transpose(-2, -1) / math.sqrt(8)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    expected = scores.softmax(-1) @ value.float()
    result = attend(query, key, value, mask)
    assert result.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    torch.testing.assert_close(result.float(), expected, atol=tolerance, rtol=tolerance)
    if training:
        wanted = torch.autograd.grad(expected.square().sum(), (query, key, value))
        found = torch.autograd.grad(result.float().square().sum(), (query, key, value))
        for a, b in zip(found, wanted, strict=True):
            assert float((a.float() - b.float()).norm() / b.float().norm()) < (1e-5 if dtype == torch.float32 else 3e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("training", [False, True])
def test_a_row_without_any_key_stays_finite_forward_and_backward(dtype: torch.dtype, training: bool) -> None:
    query, key, value = (torch.randn(P, FIRST, HEADS, 9, 8).to(dtype).requires_grad_(training) for _ in range(3))
    mask = torch.ones(P, FIRST, 1, 1, 9, dtype=torch.bool)
    mask[0, 1] = False
    result = attend(query, key, value, mask)
    assert result.isfinite().all()
    if training:
        grads = torch.autograd.grad(result.float().sum(), (query, key, value))
        assert all(grad.isfinite().all() for grad in grads)


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("cached", [1, 100, 2**21])
def test_gradients_of_cached_attention_are_exact(masked: bool, cached: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "CACHED_SCORES", cached)
    parts = [torch.randn(P, FIRST, HEADS, 5, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    mask = torch.rand(P, 1, 1, 5, 5) < 0.7 if masked else None
    if mask is not None:
        mask |= torch.eye(5, dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda *qkv: CachedAttention.apply(*qkv, mask), parts)


def test_long_rows_of_bf16_are_attended_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []
    apply = CachedAttention.apply
    monkeypatch.setattr(CachedAttention, "apply", lambda *parts: lengths.append(parts[1].shape[-2]) or apply(*parts))
    for dtype in (torch.float32, torch.bfloat16):
        for length in (attention.LONG - 1, attention.LONG):
            attend(*torch.randn(3, 1, 1, 2, length, 4).to(dtype).unbind(), None)
    assert lengths == [attention.LONG]
