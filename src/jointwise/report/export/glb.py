"""Binary glTF 2.0: every figure as a skin of capsules on joints that rotate, all in one file.

The format is a JSON that describes views of one block of bytes; no library is needed to write it. Its axes are those of
figures: metres, y up, facing +z.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import jointwise
from jointwise.report.export.capsules import SIDES, Surface, body_surface
from jointwise.report.export.figures import Figure
from jointwise.report.viewer import person_colours

_COMPONENTS = {"float32": 5126, "uint16": 5123, "uint32": 5125}
_KINDS = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_VERTICES, _INDICES = 34962, 34963  # what a graphics card uses a view for


def files(figures: Sequence[Figure], stem: Path) -> dict[Path, bytes]:
    """One file with all figures.

    Args:
        figures: At least one, of equal length.
        stem: Path without ending.

    Returns:
        Path -> content.
    """
    return {stem.with_name(f"{stem.name}.glb"): as_glb(figures)}


def as_glb(figures: Sequence[Figure]) -> bytes:
    """The bytes of a file.

    Args:
        figures: At least one, of equal length.

    Returns:
        A header and two chunks: the JSON and what it describes.
    """
    scene = _Scene(figures[0].fps, len(figures[0].motion.rotations))
    for figure in figures:
        scene.add(figure)
    text = json.dumps(scene.content(), separators=(",", ":")).encode()
    chunks = ((b"JSON", text, b" "), (b"BIN\0", bytes(scene.data), b"\0"))
    body = b""
    for kind, content, filler in chunks:
        padded = content + filler * (-len(content) % 4)
        body += struct.pack("<I4s", len(padded), kind) + padded
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


class _Scene:
    """What a file holds while it grows.

    Args:
        fps: Frames per second.
        frames: How many.
    """

    def __init__(self, fps: float, frames: int) -> None:
        self.data = bytearray()
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self.nodes: list[dict[str, Any]] = []
        self.meshes: list[dict[str, Any]] = []
        self.skins: list[dict[str, Any]] = []
        self.materials: list[dict[str, Any]] = []
        self.channels: list[dict[str, Any]] = []
        self.samplers: list[dict[str, Any]] = []
        self.roots: list[int] = []
        self.times = self.store(np.arange(frames, dtype=np.float32) / np.float32(fps), bounds=True)

    def content(self) -> dict[str, Any]:
        """The JSON."""
        return {
            "asset": {"version": "2.0", "generator": f"jointwise {jointwise.__version__}"},
            "scene": 0,
            "scenes": [{"nodes": self.roots}],
            "nodes": self.nodes,
            "meshes": self.meshes,
            "skins": self.skins,
            "materials": self.materials,
            "animations": [{"name": "motion", "channels": self.channels, "samplers": self.samplers}],
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{"byteLength": len(self.data)}],
        }

    def store(self, values: npt.NDArray[Any], target: int | None = None, bounds: bool = False) -> int:
        """Append an array (n, …) to the data; its accessor."""
        values = np.ascontiguousarray(values, np.float32 if values.dtype.kind == "f" else None)
        self.data += b"\0" * (-len(self.data) % 4)
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": values.nbytes}
        self.views.append(view if target is None else view | {"target": target})
        self.data += values.tobytes()
        flat = values.reshape(len(values), -1)
        accessor: dict[str, Any] = {"bufferView": len(self.views) - 1, "componentType": _COMPONENTS[values.dtype.name]}
        accessor |= {"count": len(values), "type": _KINDS[flat.shape[1]]}
        if bounds:
            accessor |= {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add(self, figure: Figure) -> None:
        """Append the joints, the skin and the movement of a figure."""
        body = figure.motion.body
        first = len(self.nodes)
        for index, node in enumerate(body.nodes):
            entry: dict[str, Any] = {"name": node.name, "translation": figure.motion.translations[0, index].tolist()}
            children = [first + place for place, other in enumerate(body.nodes) if other.parent == index]
            self.nodes.append(entry | ({"children": children} if children else {}))
        self.nodes.append({"name": figure.name, "children": [first]})
        self.roots.append(len(self.nodes) - 1)
        self._add_skin(figure, first)
        for index, node in enumerate(body.nodes):
            if node.bones:
                self._animate(first + index, "rotation", figure.motion.rotations[:, index])
            if node.free:
                self._animate(first + index, "translation", figure.motion.translations[:, index])
        present = figure.motion.present
        if not present.all():  # glTF hides what has no size
            self._animate(first, "scale", np.repeat(present[:, None].astype(np.float32), 3, axis=1), "STEP")

    def _add_skin(self, figure: Figure, first: int) -> None:
        body = figure.motion.body
        inverse = np.tile(np.eye(4), (len(body.nodes), 1, 1))
        inverse[:, 3, :3] = -body.rest  # column by column: the last row here is the last column there
        joints = [first + index for index in range(len(body.nodes))]
        self.skins.append({"joints": joints, "skeleton": first, "inverseBindMatrices": self.store(inverse)})
        mesh = self._add_mesh(figure, body_surface(body))
        self.nodes.append({"name": f"{figure.name} body", "mesh": mesh, "skin": len(self.skins) - 1})
        self.roots.append(len(self.nodes) - 1)

    def _add_mesh(self, figure: Figure, surface: Surface) -> int:
        joints = np.zeros((len(surface.points), 4), np.uint16)
        joints[:, 0] = surface.nodes
        attributes = {
            "POSITION": self.store(surface.points, _VERTICES, bounds=True),
            "NORMAL": self.store(surface.normals, _VERTICES),
            "JOINTS_0": self.store(joints, _VERTICES),
            "WEIGHTS_0": self.store(np.tile((1.0, 0.0, 0.0, 0.0), (len(joints), 1)), _VERTICES),
        }
        primitives = []
        for side, triangles in surface.triangles.items():
            corners = self.store(triangles.ravel().astype(np.uint32), _INDICES)
            primitives.append({"attributes": attributes, "indices": corners, "material": len(self.materials)})
            colour = person_colours(figure.person)[SIDES.index(side)]
            self.materials.append(
                {
                    "name": f"{figure.name} {side}",
                    "pbrMetallicRoughness": {
                        "baseColorFactor": [*map(_linear, colour), 1.0],
                        "metallicFactor": 0.0,
                        "roughnessFactor": 0.7,
                    },
                }
            )
        self.meshes.append({"name": f"{figure.name} body", "primitives": primitives})
        return len(self.meshes) - 1

    def _animate(self, node: int, path: str, values: npt.NDArray[Any], between: str = "LINEAR") -> None:
        self.samplers.append({"input": self.times, "output": self.store(values), "interpolation": between})
        self.channels.append({"sampler": len(self.samplers) - 1, "target": {"node": node, "path": path}})


def _linear(share: float) -> float:
    """A colour of sRGB as light, as glTF wants it; both from 0 to 1."""
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
