"""`jointwise bench`: measures figures one after the other, each variant in its own process; writes JSON."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jointwise.bench.experiment import experiment
from jointwise.bench.figures import GROUPS, BenchDevice, Figure
from jointwise.bench.score import time_to_score
from jointwise.bench.streams import measure_stream
from jointwise.errors import ConfigError, JointwiseError, unknown
from jointwise.report.tables.bench_figures import PLAIN, Row, read_rows
from jointwise.training.checkpoint import write_json
from jointwise.training.provenance import provenance

SCHEMA = 1
# (device, folder for runs, data, settings) -> what was measured
Program = Callable[[BenchDevice, Path, str, Mapping[str, str]], dict[str, Any]]
PROGRAMS: dict[str, Program] = {  # measurements that are more than the repetition of a step
    "score": time_to_score,
    "experiment": lambda on, _folder, _data, _options: experiment(on),
    "stream": lambda on, _folder, _data, _options: measure_stream(on),
}


class BenchError(JointwiseError):
    """A measurement failed."""


def choose_figures(group: str, only: Iterable[str]) -> list[Figure]:
    """Choose figures of a group by words in their names.

    Args:
        group: A key of GROUPS.
        only: Words; a figure is chosen if its name contains one of them. None: all figures.

    Returns:
        The figures, in their order.

    Raises:
        ConfigError: The group is unknown, or a word is in no name; the message names the nearest.
    """
    if group not in GROUPS:
        raise ConfigError(unknown("group", group, [*GROUPS, *PROGRAMS]))
    words = list(only)
    names = [figure.name for figure in GROUPS[group]]
    for word in words:
        if not any(word in name for name in names):
            raise ConfigError(unknown("figure", word, names))
    return [figure for figure in GROUPS[group] if not words or any(word in figure.name for word in words)]


def run_bench(figures: Iterable[Figure], on: BenchDevice, out: Path, announce: Callable[[str], None]) -> list[Row]:
    """Measure figures, and write each row as soon as it is measured.

    Rows of other figures that the file has stay. So an interrupted run keeps its rows, and a figure can be measured
    again. Each row has its date and commit.

    Args:
        figures: What to measure.
        on: Where.
        out: JSON file.
        announce: Called with the name of each figure before it is measured.

    Returns:
        All rows of the file.

    Raises:
        ConfigError: The file holds something else.
        BenchError: A variant failed.
    """
    rows: dict[str, Row] = {row["figure"]: row for row in (read_rows(out) if out.is_file() else [])}
    for figure in figures:
        announce(figure.name)
        about = {"compiled": on.compiled, **provenance(on.device, "fp32 and bf16")}
        rows[figure.name] = measure_figure(figure, on) | about
        write_json(out, {"schema": SCHEMA, "rows": list(rows.values())})
    return list(rows.values())


def run_program(name: str, on: BenchDevice, data: str, out: Path, options: Mapping[str, str]) -> dict[str, Any]:
    """Run one of PROGRAMS and write what it measured.

    Args:
        name: A key of PROGRAMS.
        on: Where.
        data: Name of the data it trains on, where it takes any.
        out: JSON file.
        options: Settings by name, where it takes any.

    Returns:
        What it measured.
    """
    with TemporaryDirectory(prefix="jointwise-bench-") as folder:
        measurement = PROGRAMS[name](on, Path(folder), data, options)
    about = provenance(on.device, measurement.get("precision", "bf16"))
    write_json(out, {"schema": SCHEMA, name: measurement, "compiled": on.compiled, **about})
    return measurement


def measure_figure(figure: Figure, on: BenchDevice) -> Row:
    """Measure all variants of a figure, each in its own process.

    Args:
        figure: What to measure.
        on: Where.

    Returns:
        The row of the JSON file: seconds per thing handled, MB, and ratios to the yardstick.

    Raises:
        BenchError: A variant failed.
    """
    count, unit = figure.handles
    variants = {}
    for variant in figure.variants:
        place = (str(on.device), "compiled" if on.compiled else "eager")
        command = [sys.executable, "-m", "jointwise.bench.measure", figure.name, variant, *place]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f"bench '{figure.name}', {variant}: ended with {done.returncode}.\n{done.stderr[-2000:]}")
        measurement = json.loads(done.stdout.splitlines()[-1])
        seconds = [value / count for value in measurement["seconds"]]
        variants[variant] = {
            "seconds": statistics.median(seconds),
            "least": min(seconds),
            "repeats": len(seconds),
            **{name: value for name, value in measurement.items() if name != "seconds"},
        }
    return {
        "figure": figure.name,
        "unit": unit,
        "promised": figure.target_ratio,
        "at_most": figure.most_seconds,
        "ways": variants,
        "place": figure.point,
        "ratios": ratios(variants, "seconds"),
        "memory_ratios": ratios(variants, "memory_mb"),
    }


def ratios(variants: dict[str, dict[str, float]], quantity: str) -> dict[str, float]:
    """How many times larger the yardstick's value is than that of each other variant.

    Args:
        variants: Name -> measured values.
        quantity: Which value: `seconds` or `memory_mb`.

    Returns:
        Variant -> ratio; empty without a yardstick.
    """
    if PLAIN not in variants:
        return {}
    return {name: variants[PLAIN][quantity] / values[quantity] for name, values in variants.items() if name != PLAIN}
