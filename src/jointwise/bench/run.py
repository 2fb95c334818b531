"""`jointwise bench`: runs the figures one after the other, each way in a process of its own; a table and JSON."""

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
from jointwise.bench.figures import GROUPS, Figure, Where
from jointwise.bench.score import time_to_score
from jointwise.errors import ConfigError, JointwiseError, unknown
from jointwise.report.tables.bench_figures import PLAIN, Row
from jointwise.training.checkpoint import read_json, write_json
from jointwise.training.provenance import provenance

SCHEMA = 1
Program = Callable[
    [Where, Path, str, Mapping[str, str]], dict[str, Any]
]  # where, a folder, data, options -> what it tells
PROGRAMS: dict[str, Program] = {  # what is more than the repetition of a step
    "score": time_to_score,
    "experiment": lambda where, _folder, _data, _options: experiment(where),
}
Say = Callable[[str], None]


class BenchError(JointwiseError):
    """A measurement did not come to its end."""


def chosen(group: str, only: Iterable[str]) -> list[Figure]:
    """The figures of a group whose name contains one of the words of `only`, all when there are none.

    Raises ConfigError, naming the nearest, for an unknown group and for a word that is in no name.
    """
    if group not in GROUPS:
        raise ConfigError(unknown("group", group, [*GROUPS, *PROGRAMS]))
    words, names = list(only), [figure.name for figure in GROUPS[group]]
    for word in words:
        if not any(word in name for name in names):
            raise ConfigError(unknown("figure", word, names))
    return [figure for figure in GROUPS[group] if not words or any(word in figure.name for word in words)]


def run_bench(figures: Iterable[Figure], where: Where, out: Path, say: Say) -> list[Row]:
    """Measures figures and writes each row to `out` at once; rows of other figures that are there stay.

    So an interrupted run keeps its rows, and a figure can be measured again; each row says when and from which code.
    Raises ConfigError for a file that holds something else.
    """
    old = read_json(out).get("rows") if out.is_file() else []
    if old is None:
        raise ConfigError(f"{out} holds no rows of figures. Name another file (--out).")
    rows: dict[str, Row] = {row["figure"]: row for row in old}
    for figure in figures:
        say(figure.name)
        about = {"compiled": where.compiled, **provenance(where.device, "fp32 and bf16")}
        rows[figure.name] = measured(figure, where) | about
        write_json(out, {"schema": SCHEMA, "rows": list(rows.values())})
    return list(rows.values())


def run_program(name: str, where: Where, data: str, out: Path, options: Mapping[str, str]) -> dict[str, Any]:
    """Runs one of PROGRAMS, on `data` and with the settings `options` where it takes any; writes what it tells."""
    with TemporaryDirectory(prefix="jointwise-bench-") as folder:
        told = PROGRAMS[name](where, Path(folder), data, options)
    about = provenance(where.device, told.get("precision", "bf16"))
    write_json(out, {"schema": SCHEMA, name: told, "compiled": where.compiled, **about})
    return told


def measured(figure: Figure, where: Where) -> Row:
    """All ways of a figure: seconds per unit, MB, ratios to the yardstick. Raises BenchError where one fails."""
    count, unit = figure.handles
    ways = {}
    for way in figure.ways:
        place = (str(where.device), "compiled" if where.compiled else "eager")
        command = [sys.executable, "-m", "jointwise.bench.measure", figure.name, way, *place]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f"bench '{figure.name}', {way}: ended with {done.returncode}.\n{done.stderr[-2000:]}")
        told = json.loads(done.stdout.splitlines()[-1])
        seconds = [value / count for value in told["seconds"]]
        ways[way] = {
            "seconds": statistics.median(seconds),
            "least": min(seconds),
            "repeats": len(seconds),
            **{name: value for name, value in told.items() if name != "seconds"},
        }
    row: Row = {"figure": figure.name, "unit": unit, "promised": figure.least, "at_most": figure.most, "ways": ways}
    row["place"] = figure.place
    return row | {"ratios": ratios(ways, "seconds"), "memory_ratios": ratios(ways, "memory_mb")}


def ratios(ways: dict[str, dict[str, float]], what: str) -> dict[str, float]:
    """How many times the others' the yardstick's is; empty without a yardstick."""
    if PLAIN not in ways:
        return {}
    return {way: ways[PLAIN][what] / values[what] for way, values in ways.items() if way != PLAIN}
