"""The table of a file that `jointwise bench` wrote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from jointwise.data.typed_files import read_as
from jointwise.errors import ConfigError
from jointwise.report.tables.text_table import NOTHING, Grid

PLAIN = "plain"  # the yardstick: the variant that ratios compare with
PRECISIONS = ("fp32", "bf16")


Row = dict[str, Any]  # what was measured for one figure


class _Way(TypedDict):
    """What the table needs of a variant."""

    seconds: float
    memory_mb: float


class _Row(TypedDict):
    """What the table needs of a row."""

    figure: str
    unit: str
    promised: float | None
    at_most: float | None
    ways: dict[str, _Way]
    ratios: dict[str, float]


class _File(TypedDict):
    rows: list[_Row]


def kept(row: Row) -> str:
    """Whether a row keeps what was promised: yes, no, or a dash where nothing was promised."""
    if row["at_most"] is not None:
        fastest = min((variant["seconds"] for variant in row["ways"].values()), default=math.inf)
        return "yes" if fastest <= row["at_most"] else "no"
    if row["promised"] is None:
        return NOTHING
    return "yes" if max(row["ratios"].values(), default=0.0) >= row["promised"] else "no"


def as_grid(rows: Sequence[Row]) -> Grid:
    """One line per figure: seconds per unit, ratios, promise, memory; empty columns are left out.

    Args:
        rows: Of a file of `jointwise bench`.

    Returns:
        The table.
    """
    header = (
        "figure",
        "per",
        "yardstick",
        *PRECISIONS,
        *(f"× {name}" for name in PRECISIONS),
        "promised",
        "kept",
        "MB",
    )
    lines = []
    for row in rows:
        variants = row["ways"]
        promise = NOTHING
        if row["promised"] is not None:
            promise = f"≥ {row['promised']:g} ×"
        elif row["at_most"] is not None:
            promise = f"≤ {row['at_most']:g} s"
        lines.append(
            (
                row["figure"],
                row["unit"],
                *(
                    duration(variants[name]["seconds"]) if name in variants else NOTHING
                    for name in (PLAIN, *PRECISIONS)
                ),
                *(f"{row['ratios'][name]:.1f}" if name in row["ratios"] else NOTHING for name in PRECISIONS),
                promise,
                kept(row),
                " / ".join(f"{variants[name]['memory_mb']:.0f}" for name in (PLAIN, *PRECISIONS) if name in variants),
            )
        )
    caption = "Medians of the repeats of one run. MB: largest memory of each variant's process."
    if any(row["ratios"] for row in rows):
        caption += (
            " Ratios: how many times faster than the yardstick, the same mathematics in plain code "
            "(jointwise/bench/plain.py)."
        )
    filled = [place for place in range(len(header)) if any(line[place] != NOTHING for line in lines)]
    shown = [tuple(line[place] for place in filled) for line in lines]
    return Grid(tuple(header[place] for place in filled), shown, caption)


def duration(seconds: float) -> str:
    """Seconds with a fitting unit.

    >>> duration(0.012)
    '12 ms'
    """
    if seconds < 1e-4:
        return f"{1e6 * seconds:.3g} µs"
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{1e3 * seconds:.3g} ms"


def bench_table(path: Path) -> str:
    """The table of a file of `jointwise bench`, as Markdown."""
    return as_grid(read_rows(path)).to_markdown()


def read_rows(path: Path) -> list[Row]:
    """The rows of a file of `jointwise bench`.

    Raises:
        ConfigError: The file is missing, damaged, or holds something else.
    """
    return list(
        map(dict, read_as(path, _File, ConfigError, "It is no file of jointwise bench: name another (--out).")["rows"])
    )
