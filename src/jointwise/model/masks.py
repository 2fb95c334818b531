"""Mask strategies: which tokens are hidden from the student. The same number stays visible for every person."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MOTION_TEMPERATURE = 0.8  # τ of MAMP (Mao et al., ICCV 2023), section 3.3
TUBE_RUNS = 4  # a clip is cut into about this many runs of segments
LEAST_TUBE = 4  # tokens that a semantic tube is drawn to have at least, as in SLiM's public code
MOST_TUBES = 64  # semantic tubes that are drawn at most; they cover nearly everything

Ratio = float | tuple[float, float]  # share of hidden tokens; or shares of hidden segments and of hidden joints


@dataclass(frozen=True)
class Visible:
    """How much stays visible.

    Args:
        count: Number of tokens.
        grid: (S', V') where they are every combination of S' segments and V' joints; else None.
    """

    count: int
    grid: tuple[int, int] | None = None


@dataclass(frozen=True)
class MaskStrategy:
    """One way to hide tokens. Invalid tokens are hidden first.

    Args:
        visible: From segments S, joints V and the share of hidden tokens to what stays visible.
        draw: From the numbers of all tokens (P, S, V, s · C), their validity (P, S, V), noise (P, S + 1, V + 1) uniform
            in [0, 1), what stays visible, and the body part of each joint (V,) to hidden (P, S, V) bool.
    """

    visible: Callable[[int, int, Ratio], Visible]
    draw: Callable[[Tensor, Tensor, Tensor, Visible, Tensor], Tensor]


def count_tokens(segments: int, joints: int, ratio: Ratio) -> Visible:
    """A number of tokens: round(N (1 − ratio)), at least 1. Two shares that stay visible are multiplied.

    Args:
        segments: Segments per clip, S.
        joints: Joints, V.
        ratio: Share of the N = S · V tokens that is hidden, or shares of hidden segments and of hidden joints.

    Returns:
        The number of visible tokens, without a grid.
    """
    visible_share = 1 - ratio if isinstance(ratio, float) else (1 - ratio[0]) * (1 - ratio[1])
    return Visible(max(1, round(segments * joints * visible_share)))


def count_grid(segments: int, joints: int, ratio: Ratio) -> Visible:
    """A grid of segments × joints, at least 1 × 1. One ratio is split evenly: 9 × 8 of 30 × 25 stay visible at 0.9.

    Args:
        segments: Segments per clip, S.
        joints: Joints, V.
        ratio: Share of hidden tokens, or shares of hidden segments and of hidden joints.

    Returns:
        The number of visible tokens, and their grid (S', V').
    """
    visible_shares = (math.sqrt(1 - ratio),) * 2 if isinstance(ratio, float) else (1 - ratio[0], 1 - ratio[1])
    grid = max(1, round(segments * visible_shares[0])), max(1, round(joints * visible_shares[1]))
    return Visible(grid[0] * grid[1], grid)


def _hide_all_but_lowest(keys: Tensor, valid: Tensor, count: int) -> Tensor:
    """(…, n) keys and validity -> (…, n) bool, False at the `count` lowest keys. Invalid ones are hidden first."""
    order = keys.masked_fill(~valid, torch.inf).argsort(dim=-1, stable=True)
    return torch.ones_like(valid).scatter(-1, order[..., :count], False)


def draw_random(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible, parts: Tensor) -> Tensor:
    """Hide tokens, each with the same probability (MAE: He et al., CVPR 2022).

    Args:
        segments: (P, S, V, s · C) numbers of all tokens; not used.
        valid: (P, S, V) bool; invalid tokens are hidden first.
        noise: (P, S + 1, V + 1) uniform in [0, 1).
        visible: What stays visible: a number of tokens.
        parts: (V,) body part of each joint; not used.

    Returns:
        (P, S, V) bool, True where a token is hidden.
    """
    hidden = _hide_all_but_lowest(noise[:, 1:, 1:].flatten(1), valid.flatten(1), visible.count)
    return hidden.view_as(valid)


def motion_scores(segments: Tensor) -> Tensor:
    """How much each token moves: mean |segment − previous segment|; the first segment takes the second's.

    Args:
        segments: (P, S, V, s · C) numbers of all tokens.

    Returns:
        (P, S, V).
    """
    change = (segments[:, 1:] - segments[:, :-1]).abs().mean(-1)
    return torch.cat([change[:, :1], change], 1) if segments.shape[1] > 1 else segments.new_zeros(segments.shape[:3])


def draw_motion(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible, parts: Tensor) -> Tensor:
    """Hide tokens that move more often than others (MAMP: Mao et al., ICCV 2023, eq. 3 to 5).

    Scores divided by (largest of the person · τ) → log-softmax over tokens → plus Gumbel noise; the smallest stay.

    Args:
        segments: (P, S, V, s · C) numbers of all tokens.
        valid: (P, S, V) bool; invalid tokens are hidden first.
        noise: (P, S + 1, V + 1) uniform in [0, 1).
        visible: What stays visible: a number of tokens.
        parts: (V,) body part of each joint; not used.

    Returns:
        (P, S, V) bool, True where a token is hidden.
    """
    scores = motion_scores(segments).masked_fill(~valid, 0).flatten(1)
    largest = scores.amax(1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)
    log_probability = (scores / largest / MOTION_TEMPERATURE).log_softmax(1)
    uniform = noise[:, 1:, 1:].flatten(1).clamp(min=1e-9, max=1 - 1e-7)
    gumbel = -(-uniform.log()).log()
    return _hide_all_but_lowest(log_probability + gumbel, valid.flatten(1), visible.count).view_as(valid)


def draw_joint_frame(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible, parts: Tensor) -> Tensor:
    """Keep a random subset of joints × a random subset of segments (the report, section 3.1).

    Joints and segments that are valid nowhere are hidden first. A single invalid token inside the visible grid stays as
    padding.

    Args:
        segments: (P, S, V, s · C) numbers of all tokens; not used.
        valid: (P, S, V) bool.
        noise: (P, S + 1, V + 1) uniform in [0, 1).
        visible: What stays visible: a grid of segments and joints.
        parts: (V,) body part of each joint; not used.

    Returns:
        (P, S, V) bool, True where a token is hidden.
    """
    assert visible.grid is not None
    hidden_segments = _hide_all_but_lowest(noise[:, 1:, 0], valid.any(2), visible.grid[0])
    hidden_joints = _hide_all_but_lowest(noise[:, 0, 1:], valid.any(1), visible.grid[1])
    return hidden_segments[:, :, None] | hidden_joints[:, None, :]


def draw_tube(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible, parts: Tensor) -> Tensor:
    """Hide whole body parts (arm, leg, torso …) over runs of segments: tubes.

    A clip has about `TUBE_RUNS` runs, which begin at a random segment. The last visible tube may be cut short, so that
    as many tokens stay visible as with every other strategy.

    Args:
        segments: (P, S, V, s · C) numbers of all tokens; not used.
        valid: (P, S, V) bool; invalid tokens are hidden first.
        noise: (P, S + 1, V + 1) uniform in [0, 1).
        visible: What stays visible: a number of tokens.
        parts: (V,) body part of each joint.

    Returns:
        (P, S, V) bool, True where a token is hidden.
    """
    count, joints = valid.shape[1:]
    length = max(1, round(count / TUBE_RUNS))
    offset = (noise[:, 0, 0] * length).long()
    run = (torch.arange(count, device=valid.device) + offset[:, None]) // length  # (P, S)
    tubes = noise[:, 1:, 1:].gather(1, run[:, :, None].expand(-1, -1, joints))
    keys = tubes.gather(2, parts.expand(*tubes.shape[:2], -1))  # the first joints of the noise stand for the parts
    return _hide_all_but_lowest(keys.flatten(1), valid.flatten(1), visible.count).view_as(valid)


def draw_semantic_tube(segments: Tensor, valid: Tensor, noise: Tensor, visible: Visible, parts: Tensor) -> Tensor:
    """Hide tubes one after the other: neighbouring joints of a body part, over consecutive segments (SLiM, 2026).

    A tube takes 1 to all joints of a random part, in the order of the layout. Its length follows from a random number
    of tokens, from `LEAST_TUBE` to as many as are to be hidden. Tubes may overlap. The last is cut short at random, so
    that as many tokens stay visible as with every other strategy. Where all tubes hide too few, single tokens are
    hidden. In SLiM's public code tubes get smaller as less is left to hide; here they do not.

    Args:
        segments: (P, S, V, s · C) numbers of all tokens; not used.
        valid: (P, S, V) bool; invalid tokens are hidden first.
        noise: (P, S + 1, V + 1) uniform in [0, 1).
        visible: What stays visible: a number of tokens.
        parts: (V,) body part of each joint.

    Returns:
        (P, S, V) bool, True where a token is hidden.
    """
    count, joints = valid.shape[1:]
    tubes = min(MOST_TUBES, noise[0].numel() // 5)
    numbers = noise.flatten(1)[:, : 5 * tubes].unflatten(1, (tubes, 5))  # five for each tube
    for_part, for_width, for_joint, for_area, for_segment = numbers.unbind(2)  # (P, tubes)

    same = parts[:, None] == parts
    place = same.tril(-1).sum(1)  # (V,) of each joint within its part
    sizes = torch.zeros_like(parts).index_add(0, parts, torch.ones_like(parts))  # joints of each part
    part = (for_part * (parts.max() + 1)).long()
    width = 1 + (for_width * sizes[part]).long()
    first_joint = (for_joint * (sizes[part] - width + 1)).long()
    area = LEAST_TUBE + for_area * max(0, count * joints - visible.count - LEAST_TUBE)
    length = (area / width).round().long().clamp(1, count)
    first_segment = (for_segment * (count - length + 1)).long()

    from_joint, from_segment = first_joint[..., None], first_segment[..., None]
    of_joints = (place >= from_joint) & (place < from_joint + width[..., None]) & (parts == part[..., None])
    time = torch.arange(count, device=valid.device)
    of_segments = (time >= from_segment) & (time < from_segment + length[..., None])
    covered = of_segments[..., :, None] & of_joints[..., None, :]  # (P, tubes, S, V)
    earlier = torch.arange(tubes, 0, -1, device=valid.device)[:, None, None]  # the first tube has the largest number
    keys = (covered * earlier).amax(1) + noise[:, 1:, 1:]
    return _hide_all_but_lowest(keys.flatten(1), valid.flatten(1), visible.count).view_as(valid)


MASKS: dict[str, MaskStrategy] = {
    "random": MaskStrategy(count_tokens, draw_random),
    "motion": MaskStrategy(count_tokens, draw_motion),
    "joint-frame": MaskStrategy(count_grid, draw_joint_frame),
    "tube": MaskStrategy(count_tokens, draw_tube),
    "semantic-tube": MaskStrategy(count_tokens, draw_semantic_tube),
}
