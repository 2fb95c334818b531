"""The encoder over a set of tokens, and the axes along which its attention runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from jointwise.model.blocks import Block, Rows, embedding, initialise
from jointwise.model.tokens import MotionInput, PositionEmbedding, TokenEmbedding, TokenSet


def spatial_rows(tokens: TokenSet) -> Rows:
    """Joints of the same person and segment attend to each other."""
    if tokens.grid is None:
        return _rows_by_group(tokens, tokens.index // tokens.joints)
    segments, joints = tokens.grid
    mask = None if tokens.valid is None else tokens.valid.view(-1, segments, 1, 1, joints)
    return Rows(segments, joints, mask=mask)


def temporal_rows(tokens: TokenSet) -> Rows:
    """Segments of the same joint attend to each other."""
    if tokens.grid is None:
        return _rows_by_group(tokens, tokens.index % tokens.joints)
    segments, joints = tokens.grid
    mask = None
    if tokens.valid is not None:
        mask = tokens.valid.view(-1, segments, joints).transpose(1, 2)[:, :, None, None, :]
    return Rows(segments, joints, along_first=True, mask=mask)


def spacetime_rows(tokens: TokenSet) -> Rows:
    """All tokens of a person attend to each other."""
    mask = None if tokens.valid is None else tokens.valid[:, None, None, None, :]
    return Rows(1, tokens.index.shape[1], mask=mask)


def _rows_by_group(tokens: TokenSet, group: Tensor) -> Rows:
    """Rows of unequal length: one row of all tokens, in which a mask keeps groups (P, K) apart."""
    mask = group[:, :, None] == group[:, None, :]
    if tokens.valid is not None:
        mask = mask & tokens.valid[:, None, :]
    return Rows(1, tokens.index.shape[1], mask=mask[:, None, None])


# axis -> the rule of each block in turn; where there are more blocks than rules, the rules repeat
AXES: dict[str, tuple[Callable[[TokenSet], Rows], ...]] = {
    "spatial": (spatial_rows,),
    "temporal": (temporal_rows,),
    "spacetime": (spacetime_rows,),
    "factorised": (spatial_rows, temporal_rows),
}


class Transformer(nn.Module):
    """Pre-norm blocks with a final LayerNorm.

    Args:
        axis: Which tokens attend to each other, a key of AXES.
        depth: Number of blocks.
        width: Features per token, D.
        heads: Attention heads.
        drop_path: Probability of the last block; it grows linearly with depth.
    """

    def __init__(self, axis: str, depth: int, width: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.axis = AXES[axis]
        rates = torch.linspace(0, drop_path, depth).tolist()
        self.blocks = nn.ModuleList(Block(width, heads, rate) for rate in rates)
        self.norm = nn.LayerNorm(width)

    def forward(self, features: Tensor, tokens: TokenSet) -> Tensor:
        """Run all blocks. No token attends to invalid tokens, whose own output means nothing.

        Args:
            features: (P, K, D).
            tokens: Which tokens these are.

        Returns:
            (P, K, D).
        """
        last = deque(self.layers(features, tokens), maxlen=1).pop()
        normalised: Tensor = self.norm(last)
        return normalised

    def layers(self, features: Tensor, tokens: TokenSet) -> Iterator[Tensor]:
        """The output (P, K, D) of each block, before the final LayerNorm.

        Args:
            features: (P, K, D).
            tokens: Which tokens these are.
        """
        rows = [rule(tokens) for rule in self.axis[: len(self.blocks)]]
        for number, block in enumerate(self.blocks):
            features = block(features, rows[number % len(rows)])
            yield features


class Encoder(nn.Module):
    """Token embedding and transformer: what is pre-trained, fine-tuned and kept.

    Args:
        segments: Segments per clip, S.
        joints: Joints, V.
        numbers: Coordinates per token, s · C.
        axis: Which tokens attend to each other, a key of AXES.
        depth: Transformer blocks.
        width: Features per token, D.
        heads: Attention heads.
        drop_path: Probability that the last block is skipped for a person in training.
        scale: Coordinates are divided by it.
        motion: How motion enters beside them; None: it does not.
        centre: Coordinates are taken relative to the mean of these joints in each frame.
    """

    def __init__(
        self,
        segments: int,
        joints: int,
        numbers: int,
        axis: str = "spatial",
        depth: int = 5,
        width: int = 256,
        heads: int = 8,
        drop_path: float = 0.0,
        scale: float = 1.0,
        motion: MotionInput | None = None,
        centre: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.embed = TokenEmbedding(segments, joints, numbers, width, scale, motion, centre)
        self.transformer = Transformer(axis, depth, width, heads, drop_path)
        self.width = width
        self.centre = centre
        initialise(self)

    def forward(self, segments: Tensor, tokens: TokenSet) -> Tensor:
        """Features of a set of tokens, computed from these tokens alone.

        Args:
            segments: (P, S, V, s · C) numbers of all tokens.
            tokens: K tokens of each person.

        Returns:
            (P, K, D).
        """
        features: Tensor = self.transformer(self.embed(segments, tokens), tokens)
        return features

    def layers(self, segments: Tensor, tokens: TokenSet) -> list[Tensor]:
        """The output of each block, and last that of `forward`.

        Args:
            segments: As for `forward`.
            tokens: As for `forward`.

        Returns:
            depth + 1 tensors (P, K, D).
        """
        outputs = list(self.transformer.layers(self.embed(segments, tokens), tokens))
        return [*outputs, self.transformer.norm(outputs[-1])]


class Completion(nn.Module):
    """Predictor or decoder: encoder outputs at visible, a mask token at hidden positions → all positions.

    Linear → own joint and segment embeddings → blocks along `axis` → LayerNorm → linear.

    Args:
        segments: Segments per clip, S.
        joints: Joints, V.
        encoder_width: Features per token of the encoder.
        outputs: Numbers per token that come out.
        depth: Transformer blocks.
        width: Features per token inside.
        heads: Attention heads.
        axis: Which tokens attend to each other, a key of AXES.
        mask_token: False where the encoder's outputs are at all positions: hidden tokens were zeroed, not dropped.
    """

    def __init__(
        self,
        segments: int,
        joints: int,
        encoder_width: int,
        outputs: int,
        depth: int,
        width: int,
        heads: int,
        axis: str = "spacetime",
        mask_token: bool = True,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(encoder_width, width)
        self.mask_token = embedding(1, 1, width) if mask_token else None
        self.position = PositionEmbedding(segments, joints, width)
        self.transformer = Transformer(axis, depth, width, heads)
        self.head = nn.Linear(width, outputs)
        initialise(self)

    def forward(self, features: Tensor, visible: TokenSet, everything: TokenSet) -> Tensor:
        """Outputs at all tokens, from features at the visible ones.

        Args:
            features: (P, K, D).
            visible: The K tokens of each person that they belong to.
            everything: All N tokens.

        Returns:
            (P, N, outputs).
        """
        filled = self.embed(features)
        if self.mask_token is not None:
            index = visible.index[..., None].expand(-1, -1, filled.shape[-1])
            everywhere = self.mask_token.to(filled.dtype).expand(len(filled), everything.index.shape[1], -1)
            filled = everywhere.scatter(1, index, filled)
        outputs: Tensor = self.head(self.transformer(filled + self.position(), everything))
        return outputs
