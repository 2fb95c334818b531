"""Every system that is compared, once: its place in tables, its line in charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jointwise.config.recipes import shipped


@dataclass(frozen=True)
class System:
    """A shipped system; its settings are in `config/systems/<name>.yaml`.

    Args:
        name: What commands and results call it, such as `mamp`.
        colour: Of its line in charts, 1 … 7: one for each attention axis or kind of system.
        stroke: Of its line: `solid`, `dashed` or `dotted`, by version. Colour and stroke together are its own.
        in_table_1: Whether it has a row in the report's Table 1 or in a cell that the table left empty.
        by_default: Whether `jointwise table` compares it unless systems are named.
    """

    name: str
    colour: int
    stroke: str
    in_table_1: bool = True
    by_default: bool = True


# in the order of tables
SYSTEMS: tuple[System, ...] = (
    System("supervised", 5, "dotted"),
    System("supervised_segments", 5, "solid"),
    System("mamp", 4, "solid"),
    System("spatial", 1, "dotted"),
    System("temporal", 2, "dotted"),
    System("spatial_segments", 1, "dashed"),
    System("temporal_segments", 2, "dashed"),
    System("spatial_segments_decoder", 1, "solid"),
    System("temporal_segments_decoder", 2, "solid"),
    System("spacetime_segments_decoder", 3, "solid"),
    System("mamp_published", 4, "dashed", in_table_1=False, by_default=False),
    System("sjepa", 6, "solid", in_table_1=False, by_default=False),
    System("report_code", 7, "dotted", in_table_1=False, by_default=False),
    System("slim", 6, "dotted", in_table_1=False, by_default=False),
    System("recommended", 7, "solid", in_table_1=False, by_default=False),
)

FINAL = "spatial_segments_decoder"  # the report's final system
RECOMMENDED = "recommended"  # what ablations made of it
ALSO_FROM_SCRATCH = (FINAL, RECOMMENDED)  # tables train their encoders from random weights as well


def default_systems() -> list[str]:
    """The systems that are compared unless some are named, in the order of tables."""
    return [system.name for system in SYSTEMS if system.by_default]


def system_order() -> tuple[str, ...]:
    """The names of all systems in the order of tables."""
    return tuple(system.name for system in SYSTEMS)


def in_order(names: Sequence[str]) -> list[str]:
    """Systems in the order of tables, each once; unknown ones last."""
    order = system_order()
    return sorted(set(names), key=lambda name: (order.index(name) if name in order else len(order), name))


def line_style(name: str) -> tuple[int, str]:
    """Colour and stroke of a system's line in charts; those of an unknown system are not its own."""
    return next(((system.colour, system.stroke) for system in SYSTEMS if system.name == name), (7, "dashed"))


def systems() -> dict[str, Path]:
    """The shipped systems: name -> YAML file."""
    return shipped("systems")
