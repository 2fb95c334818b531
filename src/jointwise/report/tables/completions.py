"""The table of protocol `complete`, rendered from result files: errors in mm, the systems beside two baselines."""

from __future__ import annotations

from typing import Any

import numpy as np

from jointwise.evaluation.statistics import Measurement, bootstrap_interval
from jointwise.report.tables.grouping import Folds, Group
from jointwise.report.tables.text_table import NOTHING, Grid

PROTOCOL = "complete"
TASKS = {"future": "future frames", "joints": "missing joints"}
WAYS = {"": "", "decoder": ", own decoder", "zero_velocity": ", zero velocity", "linear": ", straight line"}

MEASURES = {  # key of a score -> what it is
    f"{task}_{way}".rstrip("_"): f"{what}{how}" for task, what in TASKS.items() for way, how in WAYS.items()
}


def is_completion(result: dict[str, Any]) -> bool:
    """Whether a result measures completions, and therefore no accuracy."""
    return bool(result.get("protocol") == PROTOCOL)


def shown(error: float) -> str:
    """An error in three digits, or as many as it has before the point."""
    return f"{error:.0f}" if error >= 100 else f"{error:.3g}"


def _measurement(folds: Folds, key: str) -> Measurement:
    """The errors of one seed, folds end to end, so that every clip counts once."""
    errors, subjects = [], []
    for fold in sorted(folds):
        with np.load(folds[fold]["path"].with_suffix(".npz"), allow_pickle=False) as clips:
            errors.append(clips[key])
            subjects.append(clips["subjects"])
    return Measurement(np.concatenate(errors), np.concatenate(subjects))


def _cell(group: Group, key: str) -> str:
    """Mean over seeds with its interval, or a dash where a system does not have this."""
    if not all(key in result["scores"] for result in group.results):
        return NOTHING
    measurements = [_measurement(folds, key) for folds in group.seeds.values()]
    mean = float(np.mean([np.nanmean(measurement.hits) for measurement in measurements]))
    low, high = bootstrap_interval(measurements)
    return f"{shown(mean)} ({shown(low)}–{shown(high)})"


def completions(groups: list[Group]) -> Grid:
    """One row per system, seeds averaged and folds end to end, from groups of completions."""
    rows = []
    for group in groups:
        start = group.way.start + group.way.features.removeprefix(NOTHING)  # which encoder, where not the student
        cells = (_cell(group, key) for key in MEASURES)
        rows.append((group.way.system, start, group.count, group.results[0]["unit"], *cells))
    return Grid(("system", "start", "seeds", "unit", *MEASURES.values()), rows)


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
