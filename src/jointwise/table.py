"""Tables rendered from result files, and from nothing else."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.table import Table

from jointwise.errors import DataError
from jointwise.metrics import bootstrap_interval
from jointwise.results import read_hits, read_results

Row = tuple[str, ...]
HEADER: Row = (
    "system",
    "start",
    "protocol",
    "features",
    "labels",
    "seeds",
    "top-1 %",
    "top-5 %",
    "s / epoch",
    "parameters",
)


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
    """One row per way of measuring; seeds averaged, 95 % intervals over subjects and seeds.

    Raises DataError for results of different data or test parts: they do not belong into one table.
    """
    groups: dict[Row, dict[int, dict[str, Any]]] = defaultdict(dict)
    parts = set()
    for result in results:
        parts.add((result["data"], result["data_fingerprint"], result["split"]["test_sha256"]))
        features = result["pooling"] or "–"
        features += "" if result["encoder"] == "student" else f" ({result['encoder']})"
        key = (result["protocol"], features, result["labels"], result["system"], result["initialisation"])
        if result["seed"] in groups[key]:
            raise DataError(
                f"{result['path']} and {groups[key][result['seed']]['path']} measure the same with the same seed: "
                "which one belongs into the table? Move the other away."
            )
        groups[key][result["seed"]] = result
    if len(parts) > 1:
        raise DataError(f"results of different data or test parts cannot stand in one table: {sorted(parts)}.")
    table: list[Row] = []
    for (protocol, features, labels, system, start), seeds in sorted(groups.items()):
        members = list(seeds.values())
        scores = (_percent(members, 1), _percent(members, 5))
        size = _millions(members[0]["parameters"].get("encoder"))
        table.append(
            (system, start, protocol, features, labels, str(len(members)), *scores, _seconds(members[0]), size)
        )
    return table


def to_terminal(title: str, table_rows: list[Row]) -> Table:
    """The rows as a table for the terminal; what is the same in all rows stands below it, once."""
    same = [len(table_rows) > 1 and len(set(column)) == 1 for column in zip(*table_rows, strict=True)]
    common = [(name, value) for name, value, alike in zip(HEADER, table_rows[0], same, strict=True) if alike]
    table = Table(title=title, header_style="bold", caption=", ".join(f"{name} {value}" for name, value in common))
    for column in _where_not(same, HEADER):
        table.add_column(column)
    for row in table_rows:
        table.add_row(*_where_not(same, row))
    return table


def _where_not(left_out: list[bool], row: Row) -> Row:
    return tuple(value for value, out in zip(row, left_out, strict=True) if not out)


def to_markdown(table_rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [HEADER, tuple("---" for _ in HEADER), *table_rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


_PLACE = re.compile(r"(<!-- results (\S+) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def render_into(document: Path) -> int:
    """Writes fresh tables between `<!-- results FOLDER -->` and `<!-- end of results -->`; returns how many.

    FOLDER is relative to the working directory. Only results on the official test part are shown.
    """

    def fresh(place: re.Match[str]) -> str:
        shown = (result for result in read_results(Path(place[2])) if result["split"]["is_test"])
        return f"{place[1]}\n{to_markdown(rows(shown))}\n{place[3]}"

    if not document.is_file():
        raise DataError(f"{document}: no such document to render tables into.")
    text, count = _PLACE.subn(fresh, document.read_text())
    document.write_text(text)
    return count


if __name__ == "__main__":  # python -m jointwise.table DOCUMENT…
    for name in sys.argv[1:]:
        render_into(Path(name))
