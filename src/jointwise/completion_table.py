"""The table of protocol `complete`, rendered from result files: errors in mm, the systems beside two baselines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.metrics import Measurement, bootstrap_interval

PROTOCOL = "complete"
TASKS = {"future": "future frames", "joints": "missing joints"}
WAYS = {"": "", "decoder": ", own decoder", "zero_velocity": ", zero velocity", "linear": ", straight line"}

Row = tuple[str, ...]


def is_completion(result: dict[str, Any]) -> bool:
    """Whether a result measures completions, and therefore no accuracy."""
    return bool(result.get("protocol") == PROTOCOL)


def _measurement(paths: Iterable[Path], key: str) -> Measurement:
    """The errors of one seed: of the test part, or of all folds end to end."""
    errors, subjects = [], []
    for path in paths:
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as clips:
            judged = np.isfinite(clips[key])
            errors.append(clips[key][judged])
            subjects.append(clips["subjects"][judged])
    return Measurement(np.concatenate(errors), np.concatenate(subjects))


def _cell(seeds: list[list[dict[str, Any]]], key: str) -> str:
    """Mean over seeds with its interval, or a dash where a system does not have this."""
    if not all(key in result["scores"] for results in seeds for result in results):
        return "–"
    measurements = [_measurement((result["path"] for result in results), key) for results in seeds]
    mean = sum(measurement.hits.mean() for measurement in measurements) / len(measurements)
    low, high = bootstrap_interval(measurements)
    return f"{mean:.3g} ({low:.3g}–{high:.3g})"


def completion_rows(results: Iterable[dict[str, Any]]) -> list[Row]:
    """Header and one row per system, seeds averaged and folds end to end; empty when none is a completion."""
    groups: dict[Row, dict[int, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for result in filter(is_completion, results):
        before = result["pretrained_on"]
        start = result["initialisation"] + (f" on {before}" if before not in (None, result["data"]) else "")
        start += "" if result["encoder"] == "student" else f" ({result['encoder']})"
        start += f", {result['joints']}" if result["joints"] else ""
        groups[result["system"], start, result["unit"]][result["seed"]].append(result)
    keys = [(f"{task}_{way}".rstrip("_"), f"{what}{how}") for task, what in TASKS.items() for way, how in WAYS.items()]
    rows = [
        (system, start, str(len(seeds)), unit, *(_cell(list(seeds.values()), key) for key, _ in keys))
        for (system, start, unit), seeds in sorted(groups.items())
    ]
    return [("system", "start", "seeds", "unit", *(title for _, title in keys)), *rows] if rows else []


def completion_markdown(results: Iterable[dict[str, Any]]) -> str:
    """The rows as a Markdown table; empty when none is a completion."""
    rows = completion_rows(results)
    lines = [*rows[:1], *([tuple("---" for _ in rows[0])] if rows else []), *rows[1:]]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def lines_of(result: dict[str, Any]) -> list[tuple[str, str]]:
    """What a terminal shows of one completion: name of a measurement, value with interval."""
    return [
        (
            f"{what}{how}",
            f"{result['scores'][key]:.3g} {result['unit']} "
            f"(95 %: {result['interval'][key][0]:.3g} to {result['interval'][key][1]:.3g})",
        )
        for task, what in TASKS.items()
        for way, how in WAYS.items()
        if (key := f"{task}_{way}".rstrip("_")) in result["scores"]
    ]
