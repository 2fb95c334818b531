"""The pre-norm transformer block, whose attention runs within rows of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jointwise.model.attention import attend, written_out


@dataclass(frozen=True)
class Rows:
    """Which tokens attend to each other: those of the same row of a grid.

    Tokens (P, K, D) are laid out as (P, first, second, D) with K = first · second.

    Args:
        first: Size of the grid's first axis.
        second: Size of the grid's second axis.
        along_first: Whether rows run along the first axis; else along the second.
        mask: Bool, True where a query attends to a key, broadcastable to (P, rows, heads, query, key); None: all True.
    """

    first: int
    second: int
    along_first: bool = False
    mask: Tensor | None = None


class Attention(nn.Module):
    """Multi-head self-attention with biased query, key and value projections (Vaswani et al., 2017).

    Where `written_out` is set it computes in plain operations, for a graph that other programs run.

    Args:
        width: Features per token, D; a multiple of `heads`.
        heads: Attention heads.

    Raises:
        ValueError: `width` is not a multiple of `heads`.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.heads = heads
        self.written_out = False
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """Mix each token with the tokens of its row.

        Args:
            tokens: (P, K, D).
            rows: Which tokens share a row.

        Returns:
            (P, K, D).
        """
        persons, count, width = tokens.shape
        grid = self.qkv(tokens).view(persons, rows.first, rows.second, 3, self.heads, width // self.heads)
        # -> (3, P, row, head, place in the row, d)
        order = (3, 0, 2, 4, 1, 5) if rows.along_first else (3, 0, 1, 4, 2, 5)
        query, key, value = grid.permute(order).unbind(0)
        mixed = (written_out if self.written_out else attend)(query, key, value, rows.mask)
        back = (0, 3, 1, 2, 4) if rows.along_first else (0, 1, 3, 2, 4)
        return self.proj(mixed.permute(back).reshape(persons, count, width))


class DropPath(nn.Module):
    """Drop a residual branch for random persons during training (Huang et al., 2016).

    Args:
        rate: Probability that the branch of a person is dropped.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor) -> Tensor:
        """Drop and rescale, so that the expectation stays: (P, …) -> (P, …)."""
        if not self.training or self.rate == 0:
            return branch
        keep = torch.empty(branch.shape[0], *[1] * (branch.ndim - 1), device=branch.device, dtype=branch.dtype)
        return branch * keep.bernoulli_(1 - self.rate) / (1 - self.rate)


class Block(nn.Module):
    """LayerNorm → attention → residual; LayerNorm → MLP (4D, GELU) → residual.

    Args:
        width: Features per token, D.
        heads: Attention heads.
        drop_path: Probability that a branch of a person is dropped in training.
    """

    def __init__(self, width: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.drop_path = DropPath(drop_path)

    def forward(self, tokens: Tensor, rows: Rows) -> Tensor:
        """(P, K, D) -> (P, K, D); `rows` says which tokens attend to each other."""
        tokens = tokens + self.drop_path(self.attn(self.norm1(tokens), rows))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))


def initialise(module: nn.Module) -> None:
    """Initialise linear layers: Xavier-uniform, zero bias. Other layers keep their own initialisation."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def embedding(*shape: int) -> nn.Parameter:
    """A learned embedding or mask token of a shape: truncated normal, σ 0.02. The optimiser does not decay it."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(*shape), std=0.02))
