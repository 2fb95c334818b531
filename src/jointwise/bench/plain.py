"""The yardstick: the mathematics of `model/` written the obvious way, as the field's public code does.

It computes in fp32, writes attention out, computes every person slot, empty or not, decodes hidden tokens one network
after the other, and has no fused optimiser. Parameters have the names of the real networks, so weights can be exchanged
and tests can compare the two. All joints of a person who is present are taken to be valid.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointwise.config.schema import Config


class PlainAttention(nn.Module):
    """softmax(q kᵀ / √d) v among all tokens of a row."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(rows, L, D) -> (rows, L, D)."""
        rows, length, width = tokens.shape
        qkv = self.qkv(tokens).reshape(rows, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        weights = (query @ key.transpose(-2, -1)) * (width // self.heads) ** -0.5
        mixed = weights.softmax(dim=-1) @ value
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(rows, length, width))
        return out


class PlainBlock(nn.Module):
    """Pre-norm transformer block with drop-path by row."""

    def __init__(self, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = PlainAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.drop_path = drop_path

    def forward(self, tokens: Tensor) -> Tensor:
        """(rows, L, D) -> (rows, L, D)."""
        tokens = tokens + self.dropped(self.attn(self.norm1(tokens)))
        return tokens + self.dropped(self.mlp(self.norm2(tokens)))

    def dropped(self, branch: Tensor) -> Tensor:
        """The branch, zero for random rows during training."""
        if not self.training or self.drop_path == 0:
            return branch
        keep = (torch.rand(branch.shape[0], 1, 1, device=branch.device) >= self.drop_path).float()
        return branch * keep / (1 - self.drop_path)


class PlainTransformer(nn.Module):
    """Blocks along an axis over a grid of segments and joints, and a LayerNorm."""

    def __init__(self, axis: str, depth: int, width: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.axes = ("spatial", "temporal") if axis == "factorised" else (axis,)
        rates = torch.linspace(0, drop_path, depth).tolist()
        self.blocks = nn.ModuleList(PlainBlock(width, heads, rate) for rate in rates)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, S, V, D) -> (n, S, V, D)."""
        persons, segments, joints, width = tokens.shape
        for number, block in enumerate(self.blocks):
            axis = self.axes[number % len(self.axes)]
            if axis == "spatial":
                tokens = block(tokens.reshape(persons * segments, joints, width))
            elif axis == "temporal":
                tokens = block(tokens.transpose(1, 2).reshape(persons * joints, segments, width))
                tokens = tokens.reshape(persons, joints, segments, width).transpose(1, 2)
            else:
                tokens = block(tokens.reshape(persons, segments * joints, width))
            tokens = tokens.reshape(persons, segments, joints, width)
        normalised: Tensor = self.norm(tokens)
        return normalised


class PlainPosition(nn.Module):
    """A joint embedding plus a segment embedding."""

    def __init__(self, segments: int, joints: int, width: int) -> None:
        super().__init__()
        self.segment = nn.Parameter(torch.zeros(segments, 1, width))
        self.joint = nn.Parameter(torch.zeros(1, joints, width))

    def forward(self) -> Tensor:
        """-> (S, V, D)."""
        return self.segment + self.joint


class PlainEmbed(nn.Module):
    """The numbers of a token, projected, plus its position."""

    def __init__(self, segments: int, joints: int, numbers: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(numbers, width)
        self.position = PlainPosition(segments, joints, width)

    def forward(self, segments: Tensor) -> Tensor:
        """(n, S, V, s · C) -> (n, S, V, D)."""
        embedded: Tensor = self.proj(segments) + self.position()
        return embedded


class PlainEncoder(nn.Module):
    """Embedding of all tokens, then the transformer over the visible ones."""

    def __init__(self, config: Config, joints: int, coordinates: int, drop_path: float = 0.0) -> None:
        super().__init__()
        encoder = config.encoder
        self.embed = PlainEmbed(config.segments, joints, config.clip.segment * coordinates, encoder.width)
        self.transformer = PlainTransformer(encoder.axis, encoder.depth, encoder.width, encoder.heads, drop_path)

    def forward(self, segments: Tensor, seen: Tensor | None = None, grid: tuple[int, int] | None = None) -> Tensor:
        """Features of the visible tokens.

        Args:
            segments: (n, S, V, s · C) numbers of all tokens.
            seen: (n, K) flat places of the visible tokens; None: all.
            grid: (S', V') the grid that these form.

        Returns:
            (n, S', V', D).
        """
        tokens = self.embed(segments)
        if seen is not None and grid is not None:
            width = tokens.shape[-1]
            tokens = tokens.flatten(1, 2).gather(1, seen[..., None].expand(-1, -1, width)).unflatten(1, grid)
        out: Tensor = self.transformer(tokens)
        return out


class PlainCompletion(nn.Module):
    """Predictor or decoder: visible features and mask tokens in, numbers of all tokens out."""

    def __init__(self, config: Config, joints: int, outputs: int, depth: int) -> None:
        super().__init__()
        width, heads = config.encoder.width, config.encoder.heads
        self.embed = nn.Linear(width, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = PlainPosition(config.segments, joints, width)
        self.transformer = PlainTransformer("spacetime", depth, width, heads)
        self.head = nn.Linear(width, outputs)

    def forward(self, features: Tensor, seen: Tensor) -> Tensor:
        """Features (n, S', V', D) at the places `seen` (n, K) -> numbers of all tokens (n, S · V, outputs)."""
        position = self.position()
        visible = self.embed(features.flatten(1, 2))
        filled = self.mask_token.repeat(len(visible), position.shape[0] * position.shape[1], 1)
        filled = filled.scatter(1, seen[..., None].expand(-1, -1, visible.shape[-1]), visible)
        tokens = filled.unflatten(1, position.shape[:2]) + position
        out: Tensor = self.head(self.transformer(tokens).flatten(1, 2))
        return out


class PlainMaskedPrediction(nn.Module):
    """Masked prediction as in model/masked_prediction.py, for systems that drop hidden tokens.

    Args:
        config: Of the system.
        joints: V.
        coordinates: C.
        scale: What target coordinates are divided by.
    """

    def __init__(self, config: Config, joints: int, coordinates: int, scale: float) -> None:
        super().__init__()
        self.config = config
        self.scale = scale
        self.student = PlainEncoder(config, joints, coordinates)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False) if config.predictor.use else None
        width = config.encoder.width
        numbers = config.clip.segment * coordinates
        self.predictor = PlainCompletion(config, joints, width, config.predictor.depth) if self.teacher else None
        self.decoder = PlainCompletion(config, joints, numbers, config.decoder.depth) if config.decoder.use else None

    def forward(self, positions: Tensor, present: Tensor, hidden: Tensor, grid: tuple[int, int]) -> Tensor:
        """The loss of a batch.

        Args:
            positions: (n, T, V, C) of all person slots.
            present: (n,) 1 where the slot has a person.
            hidden: (n, S, V) which tokens are hidden.
            grid: (S', V') the grid of the visible ones.

        Returns:
            The scalar loss.
        """
        segments = cut_segments(positions, self.config.clip.segment)
        seen = torch.stack([(~slot).flatten().nonzero()[:, 0] for slot in hidden])
        features = self.student(segments, seen, grid)
        counts = hidden.flatten(1)[..., None] * present[:, None, None]
        loss = positions.new_zeros(())
        if self.teacher is not None and self.predictor is not None:
            with torch.no_grad():
                wanted = self.teacher(segments).flatten(1, 2)
                wanted = functional.layer_norm(wanted, wanted.shape[-1:])
            error = (self.predictor(features, seen) - wanted) ** 2 * counts
            loss = loss + error.sum() / (counts.sum() * wanted.shape[-1])
        if self.decoder is not None:
            target = self.target(positions).flatten(1, 2)
            if self.config.decoder.region == "all":
                counts = present[:, None, None].expand(-1, target.shape[1], 1)
            error = (self.decoder(features, seen) - target) ** 2 * counts
            loss = loss + error.sum() / (counts.sum() * target.shape[-1])
        return loss

    def target(self, positions: Tensor) -> Tensor:
        """The target of the decoder: (n, T, V, C) -> (n, S, V, s · C)."""
        decoder = self.config.decoder
        length = self.config.clip.segment
        if decoder.target == "motion":
            motion = torch.zeros_like(positions)
            motion[:, :-1] = positions[:, 1:] - positions[:, :-1]
            positions = motion
        if decoder.normalisation == "axis-over-time":
            spread = (positions.var(1, keepdim=True) + 1e-6) ** 0.5
            return cut_segments((positions - positions.mean(1, keepdim=True)) / spread, length)
        target = cut_segments(positions, length)
        if decoder.normalisation == "token":
            return (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6) ** 0.5
        return target / self.scale if decoder.target == "joints" else target

    @torch.no_grad()
    def update_teacher(self, momentum: float) -> None:
        """Move the teacher towards the student, one parameter after the other."""
        if self.teacher is not None:
            for own, student in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                own.copy_(momentum * own + (1 - momentum) * student)


class PlainHead(nn.Module):
    """Dropout, mean over segments, joints end to end, MLP with BatchNorm."""

    def __init__(self, joints: int, width: int, classes: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.mlp = nn.Sequential(
            nn.Linear(joints * width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def forward(self, features: Tensor, present: Tensor) -> Tensor:
        """(B, M, S, V, D), (B, M) -> (B, K) logits."""
        joined = self.dropout(features).mean(2).flatten(2)
        logits: Tensor = self.mlp((joined * present[..., None]).sum(1) / present.sum(1, keepdim=True))
        return logits


class PlainClassifier(nn.Module):
    """Encoder and head, all slots computed."""

    def __init__(self, config: Config, joints: int, coordinates: int, classes: int) -> None:
        super().__init__()
        recipe = config.finetune
        self.segment = config.clip.segment
        self.encoder = PlainEncoder(config, joints, coordinates, recipe.drop_path)
        self.head = PlainHead(joints, config.encoder.width, classes, recipe.hidden, recipe.dropout)

    def forward(self, positions: Tensor, present: Tensor) -> Tensor:
        """(B, M, T, V, C), (B, M) -> (B, K) logits."""
        features = self.encoder(cut_segments(positions.flatten(0, 1), self.segment))
        logits: Tensor = self.head(features.unflatten(0, positions.shape[:2]), present.float())
        return logits


def cut_segments(frames: Tensor, length: int) -> Tensor:
    """Segments of frames.

    Args:
        frames: (n, T, V, C).
        length: Frames per segment.

    Returns:
        (n, S, V, length · C).
    """
    persons, count, joints, coordinates = frames.shape
    cut = frames.reshape(persons, count // length, length, joints, coordinates).permute(0, 1, 3, 2, 4)
    return cut.reshape(persons, count // length, joints, length * coordinates)


def plain_optimizer(module: nn.Module, weight_decay: float, lr: float) -> torch.optim.Optimizer:
    """AdamW over the trained parameters, one after the other.

    Args:
        module: What is trained.
        weight_decay: On all parameters.
        lr: Learning rate.

    Returns:
        The optimiser.
    """
    trained: Iterator[nn.Parameter] = (p for p in module.parameters() if p.requires_grad)
    return torch.optim.AdamW(trained, lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay, foreach=False)
