"""BVH: the joints as a hierarchy, and Euler angles for every frame. A file holds one body, in metres."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from jointwise.data.kinematics import Body
from jointwise.data.rest_pose import ball_radius
from jointwise.report.export.figures import Figure, file_name

POSITION = ("Xposition", "Yposition", "Zposition")
ROTATION = ("Zrotation", "Xrotation", "Yrotation")  # R = Rz Rx Ry


def files(figures: Sequence[Figure], stem: Path) -> dict[Path, bytes]:
    """One file for each figure, as programs read one hierarchy from a file.

    Args:
        figures: At least one.
        stem: Path without ending. The name of a figure is added where there are several.

    Returns:
        Path -> content.
    """
    names = [stem.name if len(figures) == 1 else f"{stem.name}-{file_name(figure.name)}" for figure in figures]
    return {stem.with_name(f"{name}.bvh"): as_bvh(figure).encode() for name, figure in zip(names, figures, strict=True)}


def as_bvh(figure: Figure) -> str:
    """The text of a file.

    Args:
        figure: What it holds.

    Returns:
        Lines that end in a newline.
    """
    motion = figure.motion
    nodes = motion.body.nodes
    columns: list[np.ndarray] = []
    for index, node in enumerate(nodes):
        if node.free:
            columns.append(motion.translations[:, index])
        columns.append(_angles(motion.rotations[:, index]))
    table = np.concatenate(columns, axis=1)
    rows = [" ".join(f"{value:.6f}" for value in row) for row in table.tolist()]
    head = ["HIERARCHY", *_hierarchy(motion.body), "MOTION", f"Frames: {len(rows)}"]
    return "\n".join([*head, f"Frame Time: {1 / figure.fps:.8f}", *rows, ""])


def _angles(quaternions: np.ndarray) -> np.ndarray:
    """(T, 3) degrees about z, x and y, without jumps by a whole turn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Gimbal lock")  # any of the equal answers will do
        angles = Rotation.from_quat(quaternions).as_euler("ZXY", degrees=True)
    return np.unwrap(angles, period=360, axis=0) + 0.0  # no -0


def _hierarchy(body: Body) -> list[str]:
    """The lines between HIERARCHY and MOTION. A joint without bones ends after its radius: Blender needs a length."""
    lines: list[str] = []
    open_nodes: list[int] = []
    for index, node in enumerate(body.nodes):
        while open_nodes and open_nodes[-1] != node.parent:
            lines.append("  " * (len(open_nodes) - 1) + "}")
            open_nodes.pop()
        indent = "  " * len(open_nodes)
        channels = (*POSITION, *ROTATION) if node.free else ROTATION
        lines += [
            f"{indent}{'ROOT' if node.parent < 0 else 'JOINT'} {file_name(node.name)}",
            f"{indent}{{",
            f"{indent}  OFFSET {_numbers(body.offsets[index])}",
            f"{indent}  CHANNELS {len(channels)} {' '.join(channels)}",
        ]
        if not node.bones:
            along = body.offsets[index]
            size = float(np.linalg.norm(along))
            tip = body.stature * ball_radius(node.name) * (along / size if size > 0 else np.array([0.0, 1.0, 0.0]))
            lines += [f"{indent}  End Site", f"{indent}  {{", f"{indent}    OFFSET {_numbers(tip)}", f"{indent}  }}"]
        open_nodes.append(index)
    return lines + ["  " * depth + "}" for depth in reversed(range(len(open_nodes)))]


def _numbers(vector: np.ndarray) -> str:
    return " ".join(f"{value:.6f}" for value in vector.tolist())
