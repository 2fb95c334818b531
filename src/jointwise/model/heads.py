"""From token features to one vector per clip, and from there to classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from jointwise.model.blocks import initialise


def mean_over_clips(vectors: Tensor, clip: Tensor, clips: int) -> Tensor:
    """Mean over the persons of each clip.

    Args:
        vectors: (P, F), one of each person.
        clip: (P,) the clip each person belongs to.
        clips: Number of clips, B.

    Returns:
        (B, F); zeros for a clip without persons.
    """
    total = vectors.new_zeros(clips, vectors.shape[1]).index_add(0, clip, vectors)
    count = vectors.new_zeros(clips).index_add(0, clip, torch.ones_like(clip, dtype=vectors.dtype))
    return total / count.clamp(min=1)[:, None]


def _masked_mean(features: Tensor, valid: Tensor, axes: tuple[int, ...]) -> Tensor:
    weights = valid[..., None].to(features)
    return (features * weights).sum(axes) / weights.sum(axes).clamp(min=1)


def pool_mean(features: Tensor, valid: Tensor) -> Tensor:
    """Mean over valid tokens: (P, S, V, D) and validity (P, S, V) -> (P, D)."""
    return _masked_mean(features, valid, (1, 2))


def pool_joints(features: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid segments of each joint, joints concatenated: -> (P, V · D). Never valid: zeros."""
    return _masked_mean(features, valid, (1,)).flatten(1)


def pool_phases(features: Tensor, valid: Tensor, phases: int = 4) -> Tensor:
    """Mean over joints and over each of `phases` parts of the time, concatenated: keeps order.

    Args:
        features: (P, S, V, D) of all tokens.
        valid: (P, S, V) bool.
        phases: Parts of the time, of S / phases segments each, give or take one.

    Returns:
        (P, phases · D); zeros for a part without valid tokens.
    """
    parts = zip(features.tensor_split(phases, 1), valid.tensor_split(phases, 1), strict=True)
    return torch.cat([_masked_mean(part, part_valid, (1, 2)) for part, part_valid in parts], 1)


def pool_joint_phases(features: Tensor, valid: Tensor, phases: int = 4) -> Tensor:
    """Mean over each of `phases` parts of the time, per joint; keeps joints and order.

    Args:
        features: (P, S, V, D) of all tokens.
        valid: (P, S, V) bool.
        phases: Parts of the time, of S / phases segments each, give or take one.

    Returns:
        (P, phases · V · D); zeros for a joint that is not valid in a part.
    """
    parts = zip(features.tensor_split(phases, 1), valid.tensor_split(phases, 1), strict=True)
    return torch.cat([pool_joints(part, part_valid) for part, part_valid in parts], 1)


POOLINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mean": pool_mean,
    "joints": pool_joints,
    "phases": pool_phases,
    "joint-phases": pool_joint_phases,
}


class ClassificationHead(nn.Module):
    """MAMP's fine-tuning head: dropout → mean over valid segments, joints concatenated → MLP with BatchNorm.

    Args:
        joints: Joints, V.
        width: Features per token, D.
        classes: Number of classes, K.
        hidden: Width of the MLP.
        dropout: Dropout on the token features.
    """

    def __init__(self, joints: int, width: int, classes: int, hidden: int = 2048, dropout: float = 0.3) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.mlp = nn.Sequential(
            nn.Linear(joints * width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )
        initialise(self)

    def forward(self, features: Tensor, valid: Tensor, clip: Tensor, clips: int) -> Tensor:
        """The logits of clips, always in fp32.

        In bf16, with three digits, the best classes of a clip are often equal.

        Args:
            features: (P, S, V, D).
            valid: (P, S, V) bool.
            clip: (P,) the clip each person belongs to.
            clips: Number of clips, B.

        Returns:
            (B, K).
        """
        joined = pool_joints(self.dropout(features), valid)
        hidden = self.mlp[:-1](mean_over_clips(joined, clip, clips))
        with torch.autocast(hidden.device.type, enabled=False):
            logits: Tensor = self.mlp[-1](hidden.float())
        return logits
