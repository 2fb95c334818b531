"""The surface of a body: a tapered capsule for every bone, a ball for the head; each belongs to one node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jointwise.data.kinematics import Body
from jointwise.data.rest_pose import HEADS, ball_radius, bone_radii

Array = npt.NDArray[np.float64]

AROUND = 14  # corners of a ring
RINGS = 4  # of each rounded end
SIDES = ("centre", "left", "right")


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles of a body in its rest pose, the first node at the origin.

    Args:
        points: (P, 3).
        normals: (P, 3) of length 1.
        nodes: (P,) the node that moves each point.
        triangles: For each side that the body has, (K, 3) points; counter-clockwise seen from outside.
    """

    points: Array
    normals: Array
    nodes: npt.NDArray[np.int64]
    triangles: dict[str, npt.NDArray[np.int64]]


def body_surface(body: Body) -> Surface:
    """The capsules of a body.

    Args:
        body: The body.

    Returns:
        Its surface.
    """
    parts: list[tuple[Array, Array, npt.NDArray[np.int64], int, str]] = []
    joints = body.skeleton.joints
    for index, node in enumerate(body.nodes):
        if len(node.bones) == 1 and not _splits(body, index):
            start, end = joints[node.joint], joints[node.bones[0]]
            to = body.rest[body.node_of[node.bones[0]]]
            radii = body.stature * np.array(bone_radii(start, end))
            parts.append((*_capsule(body.rest[index], to, *radii), index, _side(end) or _side(start) or "centre"))
        if body.node_of[node.joint] == index and joints[node.joint] in HEADS:
            place, radius = body.rest[index], body.stature * ball_radius(joints[node.joint])
            parts.append((*_capsule(place, place, radius, radius), index, _side(joints[node.joint]) or "centre"))
    triangles: dict[str, list[npt.NDArray[np.int64]]] = {}
    first = 0
    for points, _, corners, _, side in parts:
        triangles.setdefault(side, []).append(corners + first)
        first += len(points)
    return Surface(
        points=np.concatenate([part[0] for part in parts]),
        normals=np.concatenate([part[1] for part in parts]),
        nodes=np.concatenate([np.full(len(part[0]), part[3]) for part in parts]),
        triangles={side: np.concatenate(triangles[side]) for side in SIDES if side in triangles},
    )


def _splits(body: Body, index: int) -> bool:
    """Whether the bones of a node are nodes of their own."""
    following = body.nodes[index + 1] if index + 1 < len(body.nodes) else None
    return following is not None and following.parent == index and following.joint == body.nodes[index].joint


def _side(joint: str) -> str:
    side = joint.partition("_")[0]
    return side if side in SIDES[1:] else ""


def _capsule(start: Array, end: Array, first: float, last: float) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """A capsule between two points with a radius at each, a ball where they are one: points, normals, triangles."""
    along = end - start
    length = float(np.linalg.norm(along))
    axis = along / length if length > 0 else np.array([0.0, 1.0, 0.0])
    side = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    side /= np.linalg.norm(side)
    back = np.cross(axis, side)
    bend = np.concatenate([np.linspace(-np.pi / 2, 0, RINGS + 1), np.linspace(0, np.pi / 2, RINGS + 1)])
    radius = np.repeat([first, last], RINGS + 1)
    height = np.repeat([0.0, length], RINGS + 1) + radius * np.sin(bend)
    if length == 0:
        bend = np.delete(bend, RINGS)  # one ring in the middle, not two at the same place
        radius = np.full(len(bend), max(first, last))
        height = radius * np.sin(bend)
    turn = np.linspace(0, 2 * np.pi, AROUND, endpoint=False)
    around = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * back  # (AROUND, 3)
    out = np.cos(bend)[:, None, None] * around
    points = start + radius[:, None, None] * out + height[:, None, None] * axis
    normals = out + np.sin(bend)[:, None, None] * axis
    ring, corner = np.meshgrid(np.arange(len(bend) - 1), np.arange(AROUND), indexing="ij")
    beside = (corner + 1) % AROUND
    here, there = AROUND * ring + corner, AROUND * ring + beside
    above = np.stack([here, there + AROUND, here + AROUND], axis=-1)[:-1]  # the first and the last ring are points
    below = np.stack([here, there, there + AROUND], axis=-1)[1:]
    triangles = np.concatenate([above.reshape(-1, 3), below.reshape(-1, 3)])
    return points.reshape(-1, 3), normals.reshape(-1, 3), triangles
