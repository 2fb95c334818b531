"""The table of protocol `complete`, rendered from result files: errors in mm, the systems beside two baselines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np

from jointwise.errors import DataError
from jointwise.metrics import Measurement, bootstrap_interval

PROTOCOL = "complete"
TASKS = {"future": "future frames", "joints": "missing joints"}
WAYS = {"": "", "decoder": ", own decoder", "zero_velocity": ", zero velocity", "linear": ", straight line"}

MEASURES = {  # key of a score -> what it is
    f"{task}_{way}".rstrip("_"): f"{what}{how}" for task, what in TASKS.items() for way, how in WAYS.items()
}

Row = tuple[str, ...]
Folds = list[dict[str, Any]]  # the results of one seed: of the test part, or of every fold


def is_completion(result: dict[str, Any]) -> bool:
    """Whether a result measures completions, and therefore no accuracy."""
    return bool(result.get("protocol") == PROTOCOL)


def shown(error: float) -> str:
    """An error in three digits, or as many as it has before the point."""
    return f"{error:.0f}" if error >= 100 else f"{error:.3g}"


def _measurement(folds: Folds, key: str) -> Measurement:
    """The errors of one seed, folds end to end, so that every clip counts once."""
    errors, subjects = [], []
    for result in folds:
        with np.load(result["path"].with_suffix(".npz"), allow_pickle=False) as clips:
            judged = np.isfinite(clips[key])
            errors.append(clips[key][judged])
            subjects.append(clips["subjects"][judged])
    return Measurement(np.concatenate(errors), np.concatenate(subjects))


def _cell(seeds: list[Folds], key: str) -> str:
    """Mean over seeds with its interval, or a dash where a system does not have this."""
    if not all(key in result["scores"] for folds in seeds for result in folds):
        return "–"
    measurements = [_measurement(folds, key) for folds in seeds]
    mean = float(np.mean([measurement.hits.mean() for measurement in measurements]))
    low, high = bootstrap_interval(measurements)
    return f"{shown(mean)} ({shown(low)}–{shown(high)})"


def completion_rows(results: Iterable[dict[str, Any]]) -> list[Row]:
    """Header and one row per system, seeds averaged and folds end to end; empty when none is a completion.

    Raises DataError when a fold of a cross-validation is missing, or something was measured twice.
    """
    groups: dict[Row, dict[int, Folds]] = defaultdict(lambda: defaultdict(list))
    for result in filter(is_completion, results):
        before = result["pretrained_on"]
        start = result["initialisation"] + (f" on {before}" if before not in (None, result["data"]) else "")
        start += "" if result["encoder"] == "student" else f" ({result['encoder']})"
        start += f", {result['joints']}" if result["joints"] else ""
        groups[result["system"], start, result["unit"]][result["seed"]].append(result)
    rows = []
    for (system, start, unit), seeds in sorted(groups.items()):
        for folds in seeds.values():
            _check_folds(folds)
        cells = (_cell(list(seeds.values()), key) for key in MEASURES)
        rows.append((system, start, str(len(seeds)), unit, *cells))
    return [("system", "start", "seeds", "unit", *MEASURES.values()), *rows] if rows else []


def _check_folds(folds: Folds) -> None:
    found, wanted = sorted(result["fold"] or 0 for result in folds), list(range(1, (folds[0]["folds"] or 0) + 1)) or [0]
    if found != wanted:
        raise DataError(
            f"{folds[0]['path']}: its folds should be {wanted}, but the results of the same system and seed are of "
            f"{found}. Run the missing ones (--split), or move away what was measured twice."
        )


def completion_markdown(results: Iterable[dict[str, Any]]) -> str:
    """The rows as a Markdown table; empty when none is a completion."""
    rows = completion_rows(results)
    lines = [*rows[:1], *([tuple("---" for _ in rows[0])] if rows else []), *rows[1:]]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def lines_of(result: dict[str, Any]) -> list[tuple[str, str]]:
    """What a terminal shows of one completion: name of a measurement, value with interval."""
    scores, interval, unit = result["scores"], result["interval"], result["unit"]
    return [
        (
            title,
            f"{shown(scores[key])} {unit} (95 %: {shown(interval[key][0])} to {shown(interval[key][1])})",
        )
        for key, title in MEASURES.items()
        if key in scores
    ]
