"""Augmentations of a whole batch of clips at once; the only code that changes coordinates after `prepare`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_TOGETHER = 8  # joints that one product turns: with matrices of 3 x 3 alone, a multiplication costs five times as much


def rotation_matrices(angles: Tensor) -> Tensor:
    """Rotation matrices R = Rz Ry Rx; angles (B, 3) in radians about x, y, z -> (B, 3, 3)."""
    sine, cosine = angles.sin(), angles.cos()
    zero, one = torch.zeros_like(sine[:, 0]), torch.ones_like(sine[:, 0])

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, -1).view(-1, 3, 3)

    about_x = matrix(one, zero, zero, zero, cosine[:, 0], -sine[:, 0], zero, sine[:, 0], cosine[:, 0])
    about_y = matrix(cosine[:, 1], zero, sine[:, 1], zero, one, zero, -sine[:, 1], zero, cosine[:, 1])
    about_z = matrix(cosine[:, 2], -sine[:, 2], zero, sine[:, 2], cosine[:, 2], zero, zero, zero, one)
    return about_z @ about_y @ about_x


def rotate(positions: Tensor, angles: Tensor) -> Tensor:
    """Rotates each clip about the origin; positions (B, M, T, V, C), angles (B, 3). 2D poses turn by z only."""
    coordinates = positions.shape[-1]
    with torch.autocast(positions.device.type, enabled=False):  # bf16 would round metres to centimetres
        matrices = rotation_matrices(angles if coordinates == 3 else angles * angles.new_tensor([0.0, 0.0, 1.0]))
        matrices = matrices[:, :coordinates, :coordinates].to(positions).transpose(1, 2)
        points = math.prod(positions.shape[1:4])
        joints = math.gcd(points, _TOGETHER)
        blocks = positions.new_zeros(len(positions), joints, coordinates, joints, coordinates)
        blocks.diagonal(dim1=1, dim2=3).copy_(matrices[..., None])
        flat = positions.reshape(len(positions), points // joints, -1)
        return torch.bmm(flat, blocks.flatten(3, 4).flatten(1, 2)).view_as(positions)


def mirror(
    positions: Tensor, valid: Tensor, chosen: Tensor, permutation: Sequence[int], lateral: int
) -> tuple[Tensor, Tensor]:
    """Mirrors the chosen clips: left and right joints swap and the lateral axis is negated.

    positions (B, M, T, V, C), valid (B, M, T, V), chosen (B,) bool, on the CPU, as `valid` may be. Swapping without
    negating is trap 5 of the field: it makes a body that cannot exist.
    """
    clips, order = chosen.nonzero()[:, 0], torch.tensor(permutation)

    def swapped(values: Tensor) -> Tensor:
        return values.index_select(0, clips.to(values.device)).index_select(3, order.to(values.device))

    mirrored = swapped(positions)
    mirrored[..., lateral] *= -1
    return (
        positions.index_copy(0, clips.to(positions.device), mirrored),
        valid.index_copy(0, clips.to(valid.device), swapped(valid)),
    )


def stretch_bones(positions: Tensor, factors: Tensor, bones: Sequence[tuple[int, int]]) -> Tensor:
    """Scales each bone of each clip, whatever hangs on it moving along; joints that are no bone's child stay.

    positions (B, M, T, V, C), factors (B, V) by the joint at a bone's end, bones (parent, child), a tree or several.
    """
    joints = positions.shape[3]
    parent = {child: parent for parent, child in bones}
    above = torch.zeros(joints, joints)  # 1 where the bone that ends in the second lies on the way to the first joint
    for joint in range(joints):
        at = joint
        while at in parent and not above[joint, at]:
            above[joint, at] = 1
            at = parent[at]
    vectors = positions - positions[..., [parent.get(joint, joint) for joint in range(joints)], :]
    grown = vectors * (factors - 1)[:, None, None, :, None]
    with torch.autocast(positions.device.type, enabled=False):
        return positions + above.to(positions) @ grown


def scale(positions: Tensor, factors: Tensor) -> Tensor:
    """Scales each clip about the origin; positions (B, M, T, V, C), factors (B,)."""
    return positions * factors.view(-1, 1, 1, 1, 1)
