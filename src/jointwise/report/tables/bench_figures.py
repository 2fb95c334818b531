"""The table of a file that `jointwise bench` wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jointwise.report.tables.text_table import NOTHING, Grid
from jointwise.training.checkpoint import read_json

PLAIN = "plain"  # the yardstick: the variant that ratios compare with
PRECISIONS = ("fp32", "bf16")
Row = dict[str, Any]


def kept(row: Row) -> str:
    """Whether a row keeps what was promised: yes, no, or a dash where nothing was promised."""
    if row["at_most"] is not None:
        return "yes" if min(variant["seconds"] for variant in row["ways"].values()) <= row["at_most"] else "no"
    if row["promised"] is None:
        return NOTHING
    return "yes" if max(row["ratios"].values()) >= row["promised"] else "no"


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
    return as_grid(read_json(path)["rows"]).to_markdown()
