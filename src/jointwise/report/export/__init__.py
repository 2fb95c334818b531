"""Motions as files that other programs open, one module for each format: the targets of `jointwise convert`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from jointwise.report.export import bvh, glb
from jointwise.report.export.figures import Figure, figures_of

__all__ = ["WRITERS", "Figure", "figures_of"]

# ending of the files -> the figures of a clip, and the path without ending -> what to write: path -> its content
WRITERS: dict[str, Callable[[Sequence[Figure], Path], dict[Path, bytes]]] = {"glb": glb.files, "bvh": bvh.files}
