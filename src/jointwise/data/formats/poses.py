"""Poses in rows, each with what a file says of its frame, time and person: made into a recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.detections import detection, order_frames, to_sequence
from jointwise.data.formats.format import ReadOptions
from jointwise.data.sequence import Floats, Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.data.tracking import Detection
from jointwise.errors import ReadError

# unit of times -> seconds; a rate between 10 and 250 frames a second tells it
TIME_UNITS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "100 ns": 1e-7, "ns": 1e-9}
_STEPS = (0.004, 0.1)  # seconds between frames
_LONGEST_GAPS = 20  # times as many steps as there are times: then the steps vary too much


@dataclass(frozen=True, eq=False)
class Poses:
    """R poses.

    Args:
        points: (R, V, C) coordinates; NaN where a joint was not seen.
        scores: (R, V) confidences from 0 to 1, NaN where a joint was not rated; None where the file has none. A joint
            that is rated in no pose, and a pose of which no joint is rated, counts as surely seen.
        frames: (R,) numbers of the frames; None where the file has none.
        times: (R,) times; None where the file has none.
        time_unit: A key of TIME_UNITS; empty where the file does not say it.
        persons: R numbers or names; None where the file has none.
    """

    points: Floats
    scores: Floats | None = None
    frames: npt.NDArray[np.float64] | None = None
    times: npt.NDArray[np.float64] | None = None
    time_unit: str = ""
    persons: Rows[int | str] | None = None


def recording_of(
    path: Path,
    poses: Poses,
    skeleton: Skeleton,
    options: ReadOptions,
    *,
    units: str | None = None,
    up: str | None = None,
    assumed: Iterable[str] = (),
) -> Sequence:
    """Put poses into frames and persons.

    Args:
        path: The file.
        poses: At least one.
        skeleton: The layout of their V joints.
        options: What the user says.
        units: The unit of the coordinates.
        up: The axis that points up.
        assumed: What was taken for granted so far.

    Returns:
        The recording. Frames between two others that have no row are there, with nobody in them.

    Raises:
        ReadError: There is no pose, or the numbers of frames start again, as where recordings were appended.
    """
    if not len(poses.points):
        raise ReadError(f"{path}: no row holds a pose.")
    numbers, about_numbers = _numbers(path, poses)
    persons = poses.persons
    if persons is None and len(set(numbers)) == len(numbers):
        persons = [0] * len(numbers)  # one person, who may be away for long
    confidences = None if poses.scores is None else _rated(poses.scores)
    numbered: dict[int, list[Detection]] = {}
    for row, number in enumerate(numbers):
        scores = None if confidences is None else confidences[row]
        person = detection(poses.points[row], scores, None if persons is None else persons[row], zero_missing=False)
        numbered.setdefault(number, []).append(person)
    frames, about_frames = order_frames(numbered)
    fps, about_times = _fps(poses, len(frames), options)
    told = (*assumed, *about_numbers, *about_frames, *about_times)
    return to_sequence(path, frames, skeleton, options, units=units, up=up, fps=fps, assumed=told)


def _rated(scores: Floats) -> Floats:
    """Confidences (R, V) with 1 for joints, and for poses, of which the file rates nothing."""
    missing = np.isnan(scores)
    return np.where(missing.all(0) | missing.all(1, keepdims=True), np.float32(1), scores)


def _numbers(path: Path, poses: Poses) -> tuple[list[int], tuple[str, ...]]:
    """The number of the frame of each row, and what was taken for granted."""
    if poses.frames is not None:
        return _checked(path, poses.frames, poses.persons is None), ()
    if poses.times is not None and np.isfinite(poses.times).all():
        return _by_time(poses.times), ()
    if poses.persons is not None and len(set(poses.persons)) > 1:
        seen: Counter[int | str] = Counter()
        numbers = []
        for person in poses.persons:
            numbers.append(seen[person])
            seen[person] += 1
        return numbers, ("Nothing numbers the frames: all persons are taken to be there from the start.",)
    return list(range(len(poses.points))), ()


def _checked(path: Path, frames: npt.NDArray[np.float64], ascending: bool) -> list[int]:
    """Numbers of frames as whole numbers."""
    bad = np.flatnonzero(~np.isfinite(frames) | (frames % 1 != 0))
    if len(bad):
        raise ReadError(f"{path}: pose {bad[0] + 1} has the frame {frames[bad[0]]}, which is no whole number.")
    back = np.flatnonzero(np.diff(frames) < 0)
    if ascending and len(back):
        raise ReadError(
            f"{path}: the numbers of the frames go back from {frames[back[0]]:g} to {frames[back[0] + 1]:g}: it seems "
            f"to hold several recordings ({len(back) + 1}). Save each in a file of its own."
        )
    return [int(number) for number in frames]


def _by_time(times: npt.NDArray[np.float64]) -> list[int]:
    """The place of each time on a grid of the usual step, where no two fall on one place; else their ranks."""
    different, ranks = np.unique(times, return_inverse=True)
    if len(different) < 2:
        return [0] * len(times)
    grid = np.round((different - different[0]) / np.median(np.diff(different))).astype(np.int64)
    if len(np.unique(grid)) < len(different) or grid[-1] >= _LONGEST_GAPS * len(different):
        return ranks.ravel().tolist()
    return grid[ranks.ravel()].tolist()


def _fps(poses: Poses, frames: int, options: ReadOptions) -> tuple[float | None, tuple[str, ...]]:
    """Frames per second by the times, None where they do not say it; and what was taken for granted."""
    if poses.times is None or options.fps is not None:
        return None, ()
    known = poses.times[np.isfinite(poses.times)]
    span = float(np.ptp(known)) if len(known) else 0.0
    if span <= 0 or frames < 2:
        return None, ()
    size = TIME_UNITS.get(poses.time_unit)
    note: tuple[str, ...] = ()
    if size is None:
        fitting = [unit for unit, size in TIME_UNITS.items() if _STEPS[0] <= span / (frames - 1) * size <= _STEPS[1]]
        if not fitting:
            return None, ("The times of the file are not used: no unit makes them 10 to 250 frames per second.",)
        size = TIME_UNITS[fitting[0]]
        note = (f"The times are taken for {fitting[0]}: that makes 10 to 250 frames per second.",)
    fps = (frames - 1) / (span * size)
    whole = round(fps)
    return (float(whole) if whole and abs(fps - whole) < 0.02 else round(fps, 3)), note
