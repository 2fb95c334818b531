"""Every system that is compared: its file, its place in tables, its colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jointwise.config.recipes import shipped


def systems() -> dict[str, Path]:
    """The shipped systems: name -> YAML file."""
    return shipped("systems")


TABLE_1 = (
    "supervised",
    "supervised_segments",
    "mamp",
    "spatial",
    "temporal",
    "spatial_segments",
    "temporal_segments",
    "spatial_segments_decoder",
    "temporal_segments_decoder",
    "spacetime_segments_decoder",
)


BESIDE_TABLE_1 = ("mamp_published", "sjepa", "recommended")


# colour (of the axis, or of the kind of system) and stroke (of the version): both, so that neither has to be seen
STYLES: dict[str, tuple[int, str]] = {
    "supervised": (5, "dotted"),
    "supervised_segments": (5, "solid"),
    "mamp": (4, "solid"),
    "mamp_published": (4, "dashed"),
    "spatial": (1, "dotted"),
    "spatial_segments": (1, "dashed"),
    "spatial_segments_decoder": (1, "solid"),
    "temporal": (2, "dotted"),
    "temporal_segments": (2, "dashed"),
    "temporal_segments_decoder": (2, "solid"),
    "spacetime_segments_decoder": (3, "solid"),
    "sjepa": (6, "solid"),
    "recommended": (7, "solid"),
}


def default_systems() -> list[str]:
    """The systems of Table 1, in its order, and `recommended` beside them."""
    return [name for name in (*TABLE_1, "recommended") if name in systems()]


def in_order(names: Sequence[str]) -> list[str]:
    """Systems in the order of tables, each once."""
    order = (*TABLE_1, *BESIDE_TABLE_1)
    return sorted(set(names), key=lambda name: (order.index(name) if name in order else len(order), name))
