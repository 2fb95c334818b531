"""The pre-norm transformer block, whose attention runs within rows of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jointwise.model.attention import attend


@dataclass(frozen=True)
class Rows:
    """Which tokens attend to each other. Tokens (P, K, D) are seen as a grid (P, first, second, D), K = first · second.

    A row runs along `second` (or, with `along_first`, along `first`); tokens of one row attend to each other.
    mask: bool, True where a query may look, broadcastable to (P, rows, heads, query, key); None: everywhere.
    """

    first: int
    second: int
    along_first: bool = False
    mask: Tensor | None = None


class Attention(nn.Module):
    """Multi-head self-attention with biased query, key and value projections (Vaswani et al., 2017)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """(P, K, D) -> (P, K, D); tokens look at the tokens of their own row only."""
        persons, count, width = tokens.shape
        grid = self.qkv(tokens).view(persons, rows.first, rows.second, 3, self.heads, width // self.heads)
        # -> (3, P, row, head, place in the row, d)
        order = (3, 0, 2, 4, 1, 5) if rows.along_first else (3, 0, 1, 4, 2, 5)
        query, key, value = grid.permute(order).unbind(0)
        mixed = attend(query, key, value, rows.mask)
        back = (0, 3, 1, 2, 4) if rows.along_first else (0, 1, 3, 2, 4)
        return self.proj(mixed.permute(back).reshape(persons, count, width))


class DropPath(nn.Module):
    """Leaves a residual branch out for random persons during training (Huang et al., 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """(P, …) -> (P, …), scaled so that the expectation stays."""
        if not self.training or self.rate == 0:
            return branch
        keep = torch.empty(branch.shape[0], *[1] * (branch.ndim - 1), device=branch.device, dtype=branch.dtype)
        return branch * keep.bernoulli_(1 - self.rate) / (1 - self.rate)


class Block(nn.Module):
    """LayerNorm → attention → residual; LayerNorm → MLP (4D, GELU) → residual."""

    def __init__(self, width: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """(P, K, D) -> (P, K, D)."""
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens), rows))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


def initialise(module: nn.Module) -> None:
    """Linear layers Xavier-uniform with zero bias; what else there is keeps its own initialisation."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def embedding(*shape: int) -> nn.Parameter:
    """A learned embedding or mask token: truncated normal, σ 0.02 (kept out of weight decay by `optim`)."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(*shape), std=0.02))
