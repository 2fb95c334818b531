"""softmax(q kᵀ / √d) v, by whichever way is fastest for the device, the precision and the length of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

LONG = 256  # keys per row from which recomputing scores in the cache beats keeping them in memory (lab/LOG.md)
CACHED_SCORES = 2**21  # scores at once: 4 MB of bf16


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(q kᵀ / √d) v for (P, rows, heads, L, d); where `mask` is False the key is not looked at.

    The fused kernel everywhere except in bf16 on a CPU, where its backward pass took 3 to 7 times as long as the
    written-out form for short rows, and both longer than `CachedAttention` for long ones (lab/LOG.md).
    What a query without any key gets means nothing, but is finite.
    """
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        if key.shape[-2] >= LONG:
            mixed: Tensor = CachedAttention.apply(query, key, value, mask)  # type: ignore[no-untyped-call]
            return mixed
        return _written_out(query, key, value, mask)
    grid = query.shape[:2]
    query, key, value = (part.flatten(0, 1) for part in (query, key, value))  # fused kernels know four axes only
    if mask is not None:
        mask = mask.expand(*grid, *mask.shape[2:]).flatten(0, 1)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).unflatten(0, grid)


def _written_out(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores.softmax(-1).to(value.dtype) @ value


class CachedAttention(torch.autograd.Function):
    """The written-out form on as many heads at a time as fit in the cache, scores computed again for the gradient.

    So the L × L scores never travel to memory: for 256 heads of 750 tokens in bf16 on two cores 0.44 s forward and
    backward, where the written-out form took 0.60 and the fused kernel 0.63 (lab/LOG.md).
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """(P, rows, heads, L, d), and a mask broadcastable to (P, rows, heads, L, L) or None."""
        query = query * query.shape[-1] ** -0.5
        flat = [part.flatten(0, 2) for part in (query, key, value)]
        mixed = torch.empty_like(flat[2])
        for place, scores, hidden in _chunks(query, key, mask):
            _weights(flat[0][place], flat[1][place], scores, hidden)
            torch.bmm(scores, flat[2][place], out=mixed[place])
        ctx.save_for_backward(*flat, *([] if mask is None else [mask]))
        ctx.shape = query.shape
        return mixed.view_as(query)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of query, key and value: softmax and products, chain rule written out."""
        query, key, value, *rest = ctx.saved_tensors
        above = gradient.contiguous().flatten(0, 2)  # a gradient may be one number seen everywhere: slow products
        by_query, by_key, by_value = (torch.empty_like(part) for part in (query, key, value))
        shape: torch.Size = ctx.shape
        whole = query.view(shape), key.view(shape)
        changes = _buffer(*whole)
        for place, weights, hidden in _chunks(*whole, rest[0] if rest else None):
            change = changes[: len(weights)]
            _weights(query[place], key[place], weights, hidden)
            torch.bmm(weights.transpose(1, 2), above[place], out=by_value[place])
            torch.bmm(above[place], value[place].transpose(1, 2), out=change)
            torch.ops.aten._softmax_backward_data.out(change, weights, -1, weights.dtype, grad_input=change)
            torch.bmm(change, key[place], out=by_query[place])
            torch.bmm(change.transpose(1, 2), query[place], out=by_key[place])
        by_query *= shape[-1] ** -0.5
        return by_query.view(shape), by_key.view(shape), by_value.view(shape), None


def _buffer(query: Tensor, key: Tensor) -> Tensor:
    """Room for the scores of some heads: (n, L, L), n a divisor of the heads, or a multiple of all heads of a row."""
    length, keys, heads = query.shape[-2], key.shape[-2], query.shape[2]
    fitting = max(1, CACHED_SCORES // (length * keys))
    if fitting >= heads:
        count = min(fitting // heads * heads, query.shape[:3].numel())
    else:
        count = max(size for size in range(1, fitting + 1) if heads % size == 0)
    return query.new_empty(count, length, keys)


def _chunks(query: Tensor, key: Tensor, mask: Tensor | None) -> Iterator[tuple[slice, Tensor, Tensor | None]]:
    """Which heads are next, of all persons and rows in one line; room for their scores; where these are hidden."""
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
    """softmax(q kᵀ) of some heads, in place; hidden (rows, 1, L or 1, L): True where the key is not looked at."""
    torch.bmm(query, key.transpose(1, 2), out=out)
    if hidden is not None:
        out.unflatten(0, (len(hidden), -1)).masked_fill_(hidden, torch.finfo(out.dtype).min)
    torch.softmax(out, -1, out=out)
