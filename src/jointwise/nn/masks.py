"""Mask strategies: which tokens the student does not see; the same number stays visible for every person."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MOTION_TEMPERATURE = 0.8  # τ of MAMP (Mao et al., ICCV 2023), section 3.3


@dataclass(frozen=True)
class Visible:
    """How much stays visible: `count` tokens; `grid` (S', V') when they are some segments × some joints."""

    count: int
    grid: tuple[int, int] | None = None


@dataclass(frozen=True)
class MaskStrategy:
    """One way to hide tokens.

    visible: (segments, joints, ratio) -> Visible. draw: (segment numbers (P, S, V, s · C), valid (P, S, V), noise
    (P, S + 1, V + 1) uniform in [0, 1), Visible) -> hidden (P, S, V) bool. Invalid tokens take hidden places first.
    """

    visible: Callable[[int, int, float], Visible]
    draw: Callable[[Tensor, Tensor, Tensor, Visible], Tensor]


def count_tokens(segments: int, joints: int, ratio: float) -> Visible:
    """round(N (1 − ratio)) visible tokens, at least one."""
    return Visible(max(1, round(segments * joints * (1 - ratio))))


def count_grid(segments: int, joints: int, ratio: float) -> Visible:
    """The ratio split evenly over both axes, rounded to whole ones: 8 joints × 9 segments of 25 × 30 at 0.9."""
    share = math.sqrt(1 - ratio)
    grid = max(1, round(segments * share)), max(1, round(joints * share))
    return Visible(grid[0] * grid[1], grid)


def _hide_all_but_lowest(keys: Tensor, valid: Tensor, count: int) -> Tensor:
    """(…, n) keys, (…, n) valid -> (…, n) bool, False at the `count` lowest keys; invalid ones are hidden first."""
    order = keys.masked_fill(~valid, torch.inf).argsort(dim=-1, stable=True)
    return torch.ones_like(valid).scatter(-1, order[..., :count], False)


def draw_random(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible) -> Tensor:
    """Every token is as likely to stay visible as any other (MAE: He et al., CVPR 2022)."""
    hidden = _hide_all_but_lowest(noise[:, 1:, 1:].flatten(1), valid.flatten(1), visible.count)
    return hidden.view_as(valid)


def motion_scores(segments: Tensor) -> Tensor:
    """(P, S, V, F) -> (P, S, V): mean |segment − previous segment|; the first segment copies the second's."""
    change = (segments[:, 1:] - segments[:, :-1]).abs().mean(-1)
    return torch.cat([change[:, :1], change], 1) if segments.shape[1] > 1 else segments.new_zeros(segments.shape[:3])


def draw_motion(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible) -> Tensor:
    """Tokens that move more are hidden more often (MAMP: Mao et al., ICCV 2023, eq. 3 to 5).

    Scores divided by (largest of the person · τ) → log-softmax over tokens → Gumbel noise added; the smallest stay.
    """
    scores = motion_scores(segments).masked_fill(~valid, 0).flatten(1)
    largest = scores.amax(1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)
    log_probability = (scores / largest / MOTION_TEMPERATURE).log_softmax(1)
    uniform = noise[:, 1:, 1:].flatten(1).clamp(min=1e-9, max=1 - 1e-7)
    gumbel = -(-uniform.log()).log()
    return _hide_all_but_lowest(log_probability + gumbel, valid.flatten(1), visible.count).view_as(valid)


def draw_joint_frame(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible) -> Tensor:
    """A random subset of joints × a random subset of segments stays visible (the report, section 3.1).

    Joints and segments that are valid nowhere are hidden first; a single invalid token inside the visible grid is
    padding there.
    """
    assert visible.grid is not None
    hidden_segments = _hide_all_but_lowest(noise[:, 1:, 0], valid.any(2), visible.grid[0])
    hidden_joints = _hide_all_but_lowest(noise[:, 0, 1:], valid.any(1), visible.grid[1])
    return hidden_segments[:, :, None] | hidden_joints[:, None, :]


MASKS: dict[str, MaskStrategy] = {
    "random": MaskStrategy(count_tokens, draw_random),
    "motion": MaskStrategy(count_tokens, draw_motion),
    "joint-frame": MaskStrategy(count_grid, draw_joint_frame),
}
