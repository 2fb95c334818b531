"""The table of completions: errors of each system beside two baselines, in mm where the unit of the data is known."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointwise.evaluation.protocols import COMPLETE, PROTOCOLS
from jointwise.evaluation.results import read_scored
from jointwise.evaluation.statistics import Measurement, bootstrap_interval
from jointwise.report.tables.grouping import Folds, Group
from jointwise.report.tables.text_table import NOTHING, Grid

MEASURES = PROTOCOLS[COMPLETE].measures  # key of a score -> what it is
FIRST = next(iter(MEASURES))  # every completion has this score


def is_completion(result: dict[str, Any]) -> bool:
    """Whether a result measures completions, and therefore no accuracy."""
    return bool(result.get("protocol") == COMPLETE)


def shown(error: float) -> str:
    """An error with three digits, or with all that it has before the point."""
    return f"{error:.0f}" if error >= 100 else f"{error:.3g}"


def _measurement(folds: Folds, key: str) -> Measurement:
    """The errors of one seed, folds end to end, so that every clip counts once."""
    errors = []
    subjects = []
    for fold in sorted(folds):
        clips = read_scored(folds[fold]["path"], (key, "subjects"))
        errors.append(clips[key])
        subjects.append(clips["subjects"])
    return Measurement(np.concatenate(errors), np.concatenate(subjects))


def _cell(group: Group, key: str) -> str:
    """Mean over seeds with its interval, or a dash where a result lacks this error."""
    if not all(key in result["scores"] for result in group.results):
        return NOTHING
    measurements = [_measurement(folds, key) for folds in group.seeds.values()]
    mean = float(np.mean([np.nanmean(measurement.hits) for measurement in measurements]))
    low, high = bootstrap_interval(measurements)
    return f"{shown(mean)} ({shown(low)}–{shown(high)})"


def completions(groups: list[Group]) -> Grid:
    """One row per system, from groups of completions: seeds averaged, folds end to end."""
    rows = []
    for group in groups:
        condition = group.condition
        start = condition.start + condition.features.removeprefix(NOTHING)  # which encoder, where not the student
        cells = [_cell(group, key) for key in MEASURES]
        rows.append((condition.system, start, group.count, group.results[0]["unit"], *cells))
    return Grid(("system", "start", "seeds", "unit", *MEASURES.values()), rows)


def lines_of(result: dict[str, Any]) -> list[tuple[str, str]]:
    """What a terminal shows of one completion.

    Args:
        result: Of protocol `complete`.

    Returns:
        Name of an error, and its value with its interval.
    """
    scores = result["scores"]
    interval = result["interval"]
    unit = result["unit"]
    return [
        (
            title,
            f"{shown(scores[key])} {unit} (95 %: {shown(interval[key][0])} to {shown(interval[key][1])})",
        )
        for key, title in MEASURES.items()
        if key in scores
    ]
