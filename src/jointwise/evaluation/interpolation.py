"""Baselines for hidden frames, without learning: a joint stands still, or moves on in a straight line."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def neighbours(known: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest known frames around each frame of a joint.

    Args:
        known: (P, T, V) bool.

    Returns:
        Two (P, T, V) int64: the nearest known frame at or before each frame (−1: none), and at or after it (T: none).
    """
    frames = known.shape[1]
    times = torch.arange(frames, device=known.device)[None, :, None]
    before = torch.where(known, times, -1).cummax(1).values
    after = torch.where(known, times, frames).flip(1).cummin(1).values.flip(1)
    return before, after


def _at(positions: Tensor, frame: Tensor) -> Tensor:
    """The positions (P, T, V, C) of each joint in the frames (P, T, V), kept within the clip."""
    frame = frame.clamp(0, positions.shape[1] - 1)
    return positions.gather(1, frame[..., None].expand_as(positions))


def hold(positions: Tensor, known: Tensor) -> Tensor:
    """Zero velocity: a joint keeps its last known position; before its first known frame it has the first one.

    Args:
        positions: (P, T, V, C); read at known places only.
        known: (P, T, V) bool.

    Returns:
        (P, T, V, C); zeros for a joint that is never known.
    """
    before, after = neighbours(known)
    held = _at(positions, torch.where(before >= 0, before, after))
    return torch.where(known.any(1, keepdim=True)[..., None], held, 0.0)


def straight_lines(positions: Tensor, known: Tensor) -> Tensor:
    """Linear interpolation between the known frames before and after; constant velocity where none comes after.

    That velocity is the one between the last two known frames. Where a joint has a single known frame, or none before,
    it stays at the nearest known one, as in `hold`.

    Args:
        positions: (P, T, V, C); read at known places only.
        known: (P, T, V) bool.

    Returns:
        (P, T, V, C).
    """
    before, after = neighbours(known)
    earlier = torch.where(before > 0, before.gather(1, (before - 1).clamp(min=0)), -1)  # the last but one known
    times = torch.arange(known.shape[1], device=known.device)[None, :, None]
    last = _at(positions, before)
    between = torch.lerp(last, _at(positions, after), ((times - before) / (after - before).clamp(min=1))[..., None])
    velocity = (last - _at(positions, earlier)) / (before - earlier).clamp(min=1)[..., None]
    beyond = last + velocity * (times - before)[..., None]
    inside = (before >= 0) & (after < known.shape[1])
    ahead = (after == known.shape[1]) & (earlier >= 0)
    line = torch.where(inside[..., None], between, torch.where(ahead[..., None], beyond, hold(positions, known)))
    return torch.where(known[..., None], positions, line)


BASELINES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"zero_velocity": hold, "linear": straight_lines}
