"""What anyone can say of frames nobody sees: a joint stands still, or moves on in a straight line. No learning."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def neighbours(known: Tensor) -> tuple[Tensor, Tensor]:
    """For each frame of a joint the nearest known frame at or before it (−1: none), and at or after it (T: none).

    known: (P, T, V) bool -> two (P, T, V) int64.
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
    """Zero velocity: the last known frame of a joint stays; before the first known one, that one does.

    positions: (P, T, V, C). known: (P, T, V). Zeros for a joint that is never known. Reads known places only.
    """
    before, after = neighbours(known)
    held = _at(positions, torch.where(before >= 0, before, after))
    return torch.where(known.any(1, keepdim=True)[..., None], held, 0.0)


def straight_lines(positions: Tensor, known: Tensor) -> Tensor:
    """Linear interpolation between the known frames before and after; constant velocity where none comes after.

    That velocity is the one between the last two known frames. Where there is one known frame only, or none before, the
    nearest stays, as in `hold`. Shapes as there. Reads known places only.
    """
    before, after = neighbours(known)
    earlier = torch.where(before > 0, before.gather(1, (before - 1).clamp(min=0)), -1)  # the last but one known
    times = torch.arange(known.shape[1], device=known.device)[None, :, None]
    last = _at(positions, before)
    between = torch.lerp(last, _at(positions, after), ((times - before) / (after - before).clamp(min=1))[..., None])
    velocity = (last - _at(positions, earlier)) / (before - earlier).clamp(min=1)[..., None]
    beyond = last + velocity * (times - before)[..., None]
    inside, ahead = (before >= 0) & (after < known.shape[1]), (after == known.shape[1]) & (earlier >= 0)
    line = torch.where(inside[..., None], between, torch.where(ahead[..., None], beyond, hold(positions, known)))
    return torch.where(known[..., None], positions, line)


BASELINES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"zero_velocity": hold, "linear": straight_lines}
