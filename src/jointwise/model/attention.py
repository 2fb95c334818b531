"""softmax(q kᵀ / √d) v: the fused kernel, and two forms that are faster for bf16 on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

LONG = 256  # keys per row from which computing scores twice beats keeping them in memory (lab/LOG.md)
CACHED_SCORES = 2**21  # scores computed at once: 4 MB of bf16, which fit in the cache


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Scaled dot-product attention within rows.

    The fused kernel is used everywhere except for bf16 on a CPU. There a whole training step is up to 2 times as fast
    with the form below that fits the length of the rows (lab/attention.py, lab/LOG.md). The output of a query without
    any key is meaningless, but finite.

    Args:
        query: (P, rows, heads, Q, d).
        key: (P, rows, heads, L, d).
        value: (P, rows, heads, L, d).
        mask: True where a query may look, broadcastable to (P, rows, heads, Q, L); None: everywhere.

    Returns:
        (P, rows, heads, Q, d).
    """
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        if key.shape[-2] >= LONG:
            mixed: Tensor = CachedAttention.apply(query, key, value, mask)  # type: ignore[no-untyped-call]
            return mixed
        return written_out(query, key, value, mask)
    grid = query.shape[:2]
    query, key, value = (part.flatten(0, 1) for part in (query, key, value))  # fused kernels take four axes only
    if mask is not None:
        mask = mask.expand(*grid, *mask.shape[2:]).flatten(0, 1)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).unflatten(0, grid)


def written_out(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """As `attend`, in plain operations, none of which makes or meets an infinite number."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores.softmax(-1).to(value.dtype) @ value


class CachedAttention(torch.autograd.Function):
    """Attention on as many heads at a time as fit in the cache; scores are computed again for the gradient.

    The Q × L scores are never written to memory. On a CPU in bf16 that makes steps with long rows faster: with 750
    tokens a row the fused kernel takes about 1.5 times as long, and the written-out form 1.7 times (lab/LOG.md).
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """As `attend`."""
        query = query * query.shape[-1] ** -0.5
        flat = [part.flatten(0, 2) for part in (query, key, value)]
        mixed = torch.empty_like(flat[0])
        for place, scores, hidden in _chunks(query, key, mask):
            _weights(flat[0][place], flat[1][place], scores, hidden)
            torch.bmm(scores, flat[2][place], out=mixed[place])
        ctx.save_for_backward(*flat, *([] if mask is None else [mask]))
        ctx.shape = query.shape
        return mixed.view_as(query)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of query, key and value."""
        query, key, value, *rest = ctx.saved_tensors
        above = gradient.contiguous().flatten(0, 2)  # it may be one expanded number, which makes products slow
        by_query, by_key, by_value = (torch.empty_like(part) for part in (query, key, value))
        shape: torch.Size = ctx.shape
        whole = query.view(shape), key.view(shape)
        changes = _buffer(*whole)
        for place, weights, hidden in _chunks(*whole, rest[0] if rest else None):
            change = changes[: len(weights)]
            _weights(query[place], key[place], weights, hidden)
            torch.bmm(weights.transpose(1, 2), above[place], out=by_value[place])
            torch.bmm(above[place], value[place].transpose(1, 2), out=change)
            # through the softmax: w · g - w · Σ (w · g)
            change.mul_(weights)
            change.addcmul_(weights, change.sum(-1, keepdim=True), value=-1)
            torch.bmm(change, key[place], out=by_query[place])
            torch.bmm(change.transpose(1, 2), query[place], out=by_key[place])
        by_query *= shape[-1] ** -0.5
        return by_query.view(shape), by_key.view(shape), by_value.view(shape), None


def _buffer(query: Tensor, key: Tensor) -> Tensor:
    """A buffer (n, Q, L) for the scores of n heads; n divides the heads of a row, or is a multiple of them."""
    length = query.shape[-2]
    keys = key.shape[-2]
    heads = query.shape[2]
    fitting = max(1, CACHED_SCORES // (length * keys))
    if fitting >= heads:
        count = min(fitting // heads * heads, query.shape[:3].numel())
    else:
        count = max(size for size in range(1, fitting + 1) if heads % size == 0)
    return query.new_empty(count, length, keys)


def _chunks(query: Tensor, key: Tensor, mask: Tensor | None) -> Iterator[tuple[slice, Tensor, Tensor | None]]:
    """Heads of all persons and rows, some at a time: their place, a buffer for their scores, where keys are hidden."""
    persons, rows, heads = query.shape[:3]
    buffer = _buffer(query, key)
    hidden = None if mask is None else ~mask.expand(persons, rows, *mask.shape[2:]).flatten(0, 1)
    for first in range(0, persons * rows * heads, len(buffer)):
        scores = buffer[: persons * rows * heads - first]
        part = None
        if hidden is not None:
            part = hidden[first // heads : -(-(first + len(scores)) // heads)]
        yield slice(first, first + len(scores)), scores, part


def _weights(query: Tensor, key: Tensor, out: Tensor, hidden: Tensor | None) -> None:
    """softmax(q kᵀ) of some heads, written to `out`; hidden (rows, 1, Q or 1, L) is True where a key is left out."""
    torch.bmm(query, key.transpose(1, 2), out=out)
    if hidden is not None:
        out.unflatten(0, (len(hidden), -1)).masked_fill_(hidden, torch.finfo(out.dtype).min)
    torch.softmax(out, -1, out=out)
