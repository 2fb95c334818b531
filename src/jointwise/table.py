"""Tables rendered from result files, and from nothing else."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from jointwise.completion_table import completion_markdown, is_completion
from jointwise.errors import DataError
from jointwise.metrics import Measurement, bootstrap_interval
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


Folds = dict[int, dict[str, Any]]  # number of the fold (0: the split is no cross-validation) -> its result


def _measurement(folds: Folds, k: int) -> Measurement:
    """The hits of one seed: of the test part, or of all folds end to end, so that every clip counts once."""
    parts = [read_hits(folds[fold]["path"], k) for fold in sorted(folds)]
    hits, subjects = (np.concatenate(columns) for columns in zip(*((p.hits, p.subjects) for p in parts), strict=True))
    return Measurement(hits, subjects)


def _percent(seeds: list[Folds], k: int) -> str:
    measurements = [_measurement(folds, k) for folds in seeds]
    mean = sum(measurement.hits.mean() for measurement in measurements) / len(measurements)
    low, high = bootstrap_interval(measurements)
    return f"{100 * mean:.1f} ({100 * low:.1f}–{100 * high:.1f})"


def _seconds(result: dict[str, Any]) -> str:
    seconds = result["seconds_per_epoch"]
    return " + ".join(f"{seconds[stage]:.1f}" for stage in ("pretrain", "finetune") if stage in seconds) or "–"


def _millions(count: int | None) -> str:
    return f"{count / 1e6:.2f} M" if count else "–"


def rows(results: Iterable[dict[str, Any]]) -> list[Row]:
    """One row per way of measuring; seeds averaged, 95 % intervals over subjects and seeds.

    The folds of a cross-validation make one measurement: every clip is scored in one of them. Raises DataError for
    results of different data or test parts, and for folds that are missing: they do not belong into one table.
    """
    groups: dict[Row, dict[int, Folds]] = defaultdict(lambda: defaultdict(dict))
    parts: dict[int, set[tuple[str, str, str]]] = defaultdict(set)
    for result in results:
        if is_completion(result):  # has a table of its own
            continue
        features = result["pooling"] or "–"
        features += "" if result["encoder"] == "student" else f" ({result['encoder']})"
        start, before = result["initialisation"], result.get("pretrained_on")
        start += f" on {before}" if before not in (None, result["data"]) else ""
        start += f", {result['joints']}" if result.get("joints") else ""
        key = (result["protocol"], features, result["labels"], result["system"], start)
        seed, fold = result["seed"], result["fold"] or 0
        parts[fold].add((result["data"], result["data_fingerprint"], result["split"]["test_sha256"]))
        if fold in groups[key][seed]:
            raise DataError(
                f"{result['path']} and {groups[key][seed][fold]['path']} measure the same with the same seed: "
                "which one belongs into the table? Move the other away."
            )
        groups[key][seed][fold] = result
    if any(len(same) > 1 for same in parts.values()) or (0 in parts and len(parts) > 1):
        listed = sorted(set().union(*parts.values()))
        raise DataError(f"results of different data or test parts cannot stand in one table: {listed}.")
    table: list[Row] = []
    for (protocol, features, labels, system, start), seeds in sorted(groups.items()):
        for folds in seeds.values():
            _check_folds(folds)
        members = list(seeds.values())
        scores = (_percent(members, 1), _percent(members, 5))
        first = next(iter(members[0].values()))
        count = f"{len(members)}" + (f" × {len(members[0])} folds" if len(members[0]) > 1 else "")
        size = _millions(first["parameters"].get("encoder"))
        table.append((system, start, protocol, features, labels, count, *scores, _seconds(first), size))
    return table


def _check_folds(folds: Folds) -> None:
    """Raises DataError, naming them, when folds of a cross-validation are missing."""
    first = next(iter(folds.values()))
    missing = sorted(set(range(1, (first.get("folds") or 0) + 1)) - set(folds))
    if missing:
        raise DataError(
            f"{first['path']} is fold {first['fold']} of {first['folds']}, but beside it fold "
            f"{', '.join(str(fold) for fold in missing)} is missing: run the same command with --split "
            f"fold{missing[0]}."
        )


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
        shown = [result for result in read_results(Path(place[2])) if result["split"]["is_test"]]
        completions = completion_markdown(shown)
        tables = [to_markdown(rows(shown)), *([completions] if completions else [])]
        return "\n".join([place[1], *tables, place[3]])

    if not document.is_file():
        raise DataError(f"{document}: no such document to render tables into.")
    text, count = _PLACE.subn(fresh, document.read_text())
    document.write_text(text)
    return count


if __name__ == "__main__":  # python -m jointwise.table DOCUMENT…
    for name in sys.argv[1:]:
        render_into(Path(name))
