"""The plain way to read a `.skeleton` file and to cut a clip: the yardstick of benchmarks and the reference of tests.

It is written as the field's public code is: a line, a joint, a clip at a time. Nothing here checks for damage.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

_FIELDS = ("x", "y", "z", "depth_x", "depth_y", "colour_x", "colour_y", "w", "qx", "qy", "qz", "state")


def read_skeleton(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Read a `.skeleton` file line by line.

    There is one slot per body id, in order of appearance. Where a body is absent, positions and states are zero.
    Coordinates of joints that the sensor lost are as the file has them. A file that is missing or damaged raises
    whatever Python raises (OSError, ValueError, IndexError).

    Args:
        path: The file.

    Returns:
        Positions (M, T, 25, 3) in metres, tracking states (M, T, 25).
    """
    frames = []
    with path.open() as file:
        for _ in range(int(file.readline())):
            bodies = []
            for _ in range(int(file.readline())):
                about = file.readline().split()
                body: dict[str, list[dict[str, float]]] = {about[0]: []}
                for _ in range(int(file.readline())):
                    joint = {key: float(text) for key, text in zip(_FIELDS, file.readline().split(), strict=True)}
                    body[about[0]].append(joint)
                bodies.append(body)
            frames.append(bodies)
    slots: dict[str, int] = {}
    for bodies in frames:
        for body in bodies:
            for identity in body:
                slots.setdefault(identity, len(slots))
    positions = np.zeros((len(slots), len(frames), 25, 3), np.float32)
    states = np.zeros((len(slots), len(frames), 25), np.int64)
    for t, bodies in enumerate(frames):
        for body in bodies:
            for identity, joints in body.items():
                positions[slots[identity], t] = [[joint["x"], joint["y"], joint["z"]] for joint in joints]
                states[slots[identity], t] = [int(joint["state"]) for joint in joints]
    return positions, states


def cut_clip(positions: Tensor, frames: int, generator: torch.Generator, crop: float, rotation: float) -> Tensor:
    """Cut one training clip: a part of random length, resampled and rotated.

    Resampling is linear, as in public code. The package averages areas where a clip gets shorter, which is more work.

    Args:
        positions: (M, T, V, C).
        frames: Frames of the clip.
        generator: Draws the share, the place of the part and the three angles, in that order.
        crop: Least share of the frames kept.
        rotation: Largest angle about each axis, radians.

    Returns:
        (M, frames, V, C).
    """
    persons, total, joints, coordinates = positions.shape
    share, place = (float(torch.rand(1, generator=generator)) for _ in range(2))
    length = min(max(round(total * (crop + (1 - crop) * share)), 2), total)
    start = min(int(place * (total - length + 1)), total - length)
    part = positions[:, start : start + length]
    plane = part.permute(3, 2, 0, 1).reshape(1, coordinates, joints * persons, length)
    resampled = functional.interpolate(plane, size=(joints * persons, frames), mode="bilinear", align_corners=False)
    clip = resampled.reshape(coordinates, joints, persons, frames).permute(2, 3, 1, 0).contiguous()
    angles = (2 * torch.rand(3, generator=generator) - 1) * rotation
    return torch.matmul(clip, _rotation(*angles.tolist()).T)


def _rotation(x: float, y: float, z: float) -> Tensor:
    """The matrix Rz Ry Rx of angles in radians."""
    sin, cos = math.sin, math.cos
    about_x = torch.tensor([[1.0, 0.0, 0.0], [0.0, cos(x), -sin(x)], [0.0, sin(x), cos(x)]])
    about_y = torch.tensor([[cos(y), 0.0, sin(y)], [0.0, 1.0, 0.0], [-sin(y), 0.0, cos(y)]])
    about_z = torch.tensor([[cos(z), -sin(z), 0.0], [sin(z), cos(z), 0.0], [0.0, 0.0, 1.0]])
    return about_z @ about_y @ about_x
