"""Augmentations of a whole batch of clips at once. No other code changes coordinates after preparation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# Joints that are rotated by one block-diagonal matrix: products of 3 x 3 matrices alone take five times as long.
_JOINTS_PER_PRODUCT = 8


def rotation_matrices(angles: Tensor) -> Tensor:
    """Rotation matrices R = Rz Ry Rx.

    Args:
        angles: (B, 3) in radians, about x, y and z.

    Returns:
        (B, 3, 3).
    """
    sine = angles.sin()
    cosine = angles.cos()
    zero = torch.zeros_like(sine[:, 0])
    one = torch.ones_like(sine[:, 0])

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, -1).view(-1, 3, 3)

    about_x = matrix(one, zero, zero, zero, cosine[:, 0], -sine[:, 0], zero, sine[:, 0], cosine[:, 0])
    about_y = matrix(cosine[:, 1], zero, sine[:, 1], zero, one, zero, -sine[:, 1], zero, cosine[:, 1])
    about_z = matrix(cosine[:, 2], -sine[:, 2], zero, sine[:, 2], cosine[:, 2], zero, zero, zero, one)
    return about_z @ about_y @ about_x


def rotate(positions: Tensor, angles: Tensor) -> Tensor:
    """Rotates each clip about the origin.

    Args:
        positions: (B, M, T, V, C).
        angles: (B, 3) in radians, about x, y and z. 2D poses are rotated about z only.

    Returns:
        (B, M, T, V, C).
    """
    coordinates = positions.shape[-1]
    with torch.autocast(positions.device.type, enabled=False):  # bf16 would round metres to centimetres
        matrices = rotation_matrices(angles if coordinates == 3 else angles * angles.new_tensor([0.0, 0.0, 1.0]))
        matrices = matrices[:, :coordinates, :coordinates].to(positions).transpose(1, 2)
        points = math.prod(positions.shape[1:4])
        joints = math.gcd(points, _JOINTS_PER_PRODUCT)
        blocks = positions.new_zeros(len(positions), joints, coordinates, joints, coordinates)
        blocks.diagonal(dim1=1, dim2=3).copy_(matrices[..., None])
        flat = positions.reshape(len(positions), points // joints, -1)
        return torch.bmm(flat, blocks.flatten(3, 4).flatten(1, 2)).view_as(positions)


def mirror(
    positions: Tensor, valid: Tensor, chosen: Tensor, permutation: Sequence[int], lateral: int
) -> tuple[Tensor, Tensor]:
    """Mirrors the chosen clips: left and right joints swap, and the lateral axis is negated.

    Both are needed. Swapping joints without negating the axis makes a body that cannot exist.

    Args:
        positions: (B, M, T, V, C).
        valid: (B, M, T, V), on the device of the positions or on the CPU.
        chosen: (B,) bool, on the CPU.
        permutation: For each of the V joints the index of its mirror image.
        lateral: The coordinate axis that is negated.

    Returns:
        Positions and valid mask of all clips.
    """
    clips = chosen.nonzero()[:, 0]
    order = torch.tensor(permutation)

    def swapped(values: Tensor) -> Tensor:
        return values.index_select(0, clips.to(values.device)).index_select(3, order.to(values.device))

    mirrored = swapped(positions)
    mirrored[..., lateral] *= -1
    return (
        positions.index_copy(0, clips.to(positions.device), mirrored),
        valid.index_copy(0, clips.to(valid.device), swapped(valid)),
    )


def stretch_bones(positions: Tensor, factors: Tensor, bones: Sequence[tuple[int, int]]) -> Tensor:
    """Scales each bone of each clip; the joints behind a bone move along.

    Joints that are no bone's child stay where they are.

    Args:
        positions: (B, M, T, V, C).
        factors: (B, V) factor of the bone whose child is the joint.
        bones: (parent, child) joint indices; one tree or several.

    Returns:
        (B, M, T, V, C).
    """
    joints = positions.shape[3]
    parent = {child: parent for parent, child in bones}
    above = torch.zeros(joints, joints)  # [v, u] is 1 where the bone that ends in u lies between the root and joint v
    for joint in range(joints):
        ancestor = joint
        while ancestor in parent and not above[joint, ancestor]:
            above[joint, ancestor] = 1
            ancestor = parent[ancestor]
    vectors = positions - positions[..., [parent.get(joint, joint) for joint in range(joints)], :]
    changes = vectors * (factors - 1)[:, None, None, :, None]
    with torch.autocast(positions.device.type, enabled=False):
        return positions + above.to(positions) @ changes


def scale(positions: Tensor, factors: Tensor) -> Tensor:
    """Scales each clip about the origin: positions (B, M, T, V, C), factors (B,) -> (B, M, T, V, C)."""
    return positions * factors.view(-1, 1, 1, 1, 1)
