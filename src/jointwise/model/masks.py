"""Mask strategies: which tokens the student does not see; the same number stays visible for every person."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MOTION_TEMPERATURE = 0.8  # τ of MAMP (Mao et al., ICCV 2023), section 3.3
TUBE_RUNS = 4  # the time of a clip is cut into about as many runs of segments

Ratio = float | tuple[float, float]  # share of hidden tokens; or shares of hidden segments and of hidden joints


@dataclass(frozen=True)
class Visible:
    """How much stays visible: `count` tokens; `grid` (S', V') when they are some segments × some joints."""

    count: int
    grid: tuple[int, int] | None = None


@dataclass(frozen=True)
class MaskStrategy:
    """One way to hide tokens.

    visible: (segments, joints, ratio) -> Visible. draw: (segment numbers (P, S, V, s · C), valid (P, S, V), noise
    (P, S + 1, V + 1) uniform in [0, 1), Visible, body part of each joint (V,)) -> hidden (P, S, V) bool. Invalid tokens
    take hidden places first.
    """

    visible: Callable[[int, int, Ratio], Visible]
    draw: Callable[[Tensor, Tensor, Tensor, Visible, Tensor], Tensor]


def count_tokens(segments: int, joints: int, ratio: Ratio) -> Visible:
    """round(N (1 − ratio)) visible tokens, at least one; of two shares the visible ones are multiplied."""
    seen = 1 - ratio if isinstance(ratio, float) else (1 - ratio[0]) * (1 - ratio[1])
    return Visible(max(1, round(segments * joints * seen)))


def count_grid(segments: int, joints: int, ratio: Ratio) -> Visible:
    """One ratio is split evenly over both axes: 8 joints × 9 segments of 25 × 30 at 0.9. Rounded to whole ones."""
    seen = (math.sqrt(1 - ratio),) * 2 if isinstance(ratio, float) else (1 - ratio[0], 1 - ratio[1])
    grid = max(1, round(segments * seen[0])), max(1, round(joints * seen[1]))
    return Visible(grid[0] * grid[1], grid)


def _hide_all_but_lowest(keys: Tensor, valid: Tensor, count: int) -> Tensor:
    """(…, n) keys, (…, n) valid -> (…, n) bool, False at the `count` lowest keys; invalid ones are hidden first."""
    order = keys.masked_fill(~valid, torch.inf).argsort(dim=-1, stable=True)
    return torch.ones_like(valid).scatter(-1, order[..., :count], False)


def draw_random(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible, parts: Tensor) -> Tensor:
    """Every token is as likely to stay visible as any other (MAE: He et al., CVPR 2022)."""
    hidden = _hide_all_but_lowest(noise[:, 1:, 1:].flatten(1), valid.flatten(1), visible.count)
    return hidden.view_as(valid)


def motion_scores(segments: Tensor) -> Tensor:
    """(P, S, V, F) -> (P, S, V): mean |segment − previous segment|; the first segment copies the second's."""
    change = (segments[:, 1:] - segments[:, :-1]).abs().mean(-1)
    return torch.cat([change[:, :1], change], 1) if segments.shape[1] > 1 else segments.new_zeros(segments.shape[:3])


def draw_motion(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible, parts: Tensor) -> Tensor:
    """Tokens that move more are hidden more often (MAMP: Mao et al., ICCV 2023, eq. 3 to 5).

    Scores divided by (largest of the person · τ) → log-softmax over tokens → Gumbel noise added; the smallest stay.
    """
    scores = motion_scores(segments).masked_fill(~valid, 0).flatten(1)
    largest = scores.amax(1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)
    log_probability = (scores / largest / MOTION_TEMPERATURE).log_softmax(1)
    uniform = noise[:, 1:, 1:].flatten(1).clamp(min=1e-9, max=1 - 1e-7)
    gumbel = -(-uniform.log()).log()
    return _hide_all_but_lowest(log_probability + gumbel, valid.flatten(1), visible.count).view_as(valid)


def draw_joint_frame(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible, parts: Tensor) -> Tensor:
    """A random subset of joints × a random subset of segments stays visible (the report, section 3.1).

    Joints and segments that are valid nowhere are hidden first; a single invalid token inside the visible grid is
    padding there.
    """
    assert visible.grid is not None
    hidden_segments = _hide_all_but_lowest(noise[:, 1:, 0], valid.any(2), visible.grid[0])
    hidden_joints = _hide_all_but_lowest(noise[:, 0, 1:], valid.any(1), visible.grid[1])
    return hidden_segments[:, :, None] | hidden_joints[:, None, :]


def draw_tube(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible, parts: Tensor) -> Tensor:
    """Whole body parts (arm, leg, torso …) stay visible or are hidden over runs of segments (tubes of body parts).

    A clip has about `TUBE_RUNS` runs, which begin at a random segment. The last visible tube may be cut short, so that
    the count is that of every other strategy.
    """
    count, joints = valid.shape[1:]
    length = max(1, round(count / TUBE_RUNS))
    offset = (noise[:, 0, 0] * length).long()
    run = (torch.arange(count, device=valid.device) + offset[:, None]) // length  # (P, S)
    tubes = noise[:, 1:, 1:].gather(1, run[:, :, None].expand(-1, -1, joints))
    keys = tubes.gather(2, parts.expand(*tubes.shape[:2], -1))  # the first joints of the noise stand for the parts
    return _hide_all_but_lowest(keys.flatten(1), valid.flatten(1), visible.count).view_as(valid)


MASKS: dict[str, MaskStrategy] = {
    "random": MaskStrategy(count_tokens, draw_random),
    "motion": MaskStrategy(count_tokens, draw_motion),
    "joint-frame": MaskStrategy(count_grid, draw_joint_frame),
    "tube": MaskStrategy(count_tokens, draw_tube),
}
