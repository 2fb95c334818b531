"""LOG.md, 'Attention on CPU': written out, fused, and with scores kept in the cache. Run: python lab/attention.py"""

import time

import torch
from torch import Tensor
from torch.nn import functional

from jointwise.model.attention import CachedAttention


def written_out(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q kᵀ / √d) v, step by step."""
    return ((query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)).softmax(-1) @ value


def cached(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """A few heads at a time."""
    return CachedAttention.apply(*(part[:, None] for part in (query, key, value)), None)


def milliseconds(function, parts: list[Tensor], backward: bool, runs: int = 6) -> float:
    """The fastest of some runs."""
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        with torch.set_grad_enabled(backward):
            out = function(*parts)
        if backward:
            out.sum().backward()
        best = min(best, time.perf_counter() - start)
    return 1000 * best


for rows, length in ((256, 20), (640, 8), (32, 160), (32, 750)):
    for kind in (torch.float32, torch.bfloat16):
        parts = [torch.randn(rows, 8, length, 32, dtype=kind, requires_grad=True) for _ in range(3)]
        for function in (written_out, functional.scaled_dot_product_attention, cached):
            both, forward = (milliseconds(function, parts, backward) for backward in (True, False))
            print(f"{rows} x {length} {kind} {function.__name__}: {both:.1f} / {forward:.1f} ms")
