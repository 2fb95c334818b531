"""Tables rendered from result files, and from nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from jointwise.metrics import bootstrap_interval
from jointwise.results import read_hits, read_results

Row = tuple[str, ...]
HEADER: Row = ("system", "start", "protocol", "labels", "seeds", "top-1 %", "top-5 %", "s / epoch", "parameters")


def _percent(results: list[dict[str, Any]], k: int) -> str:
    mean = sum(result["scores"][f"top{k}"] for result in results) / len(results)
    low, high = bootstrap_interval([read_hits(result["path"], k) for result in results])
    return f"{100 * mean:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _seconds(result: dict[str, Any]) -> str:
    seconds = result["seconds_per_epoch"]
    return " + ".join(f"{seconds[stage]:.1f}" for stage in ("pretrain", "finetune") if stage in seconds) or "–"


def _millions(count: int | None) -> str:
    return f"{count / 1e6:.2f} M" if count else "–"


def rows(results: Iterable[dict[str, Any]]) -> list[Row]:
    """One row per (system, start, protocol, labels); seeds averaged, 95 % intervals over subjects and seeds."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        groups[result["protocol"], result["labels"], result["system"], result["initialisation"]].append(result)
    table = []
    for (protocol, labels, system, start), members in sorted(groups.items()):
        counts = members[0]["parameters"]
        table.append(
            (
                *(system, start, protocol, labels, str(len(members)), _percent(members, 1), _percent(members, 5)),
                *(_seconds(members[0]), _millions(counts.get("encoder"))),
            )
        )
    return table


def to_terminal(title: str, table_rows: list[Row]) -> Table:
    """The rows as a table for the terminal."""
    table = Table(title=title, header_style="bold")
    for column in HEADER:
        table.add_column(column)
    for row in table_rows:
        table.add_row(*row)
    return table


def to_markdown(table_rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [HEADER, tuple("---" for _ in HEADER), *table_rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def markdown_of(folder: Path) -> str:
    """The Markdown table of all test results in a folder."""
    return to_markdown(rows(result for result in read_results(folder) if result["split"]["is_test"]))
