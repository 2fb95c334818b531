"""Who is who over time: persons that a detector lists in any order become person slots that keep their person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from jointwise.data.sequence import Bools, Floats

GAP_SECONDS = 0.5  # a person who comes back within it is the same person


@dataclass(frozen=True)
class Detection:
    """One person in one frame.

    Args:
        points: (V, C) coordinates; NaN where a joint was not seen.
        confidence: (V,) from 0 to 1; None where the file has none.
        person: The number or name that the file gives the person; None where it gives none.
    """

    points: Floats
    confidence: Floats | None = None
    person: int | str | None = None


@dataclass(frozen=True)
class Tracks:
    """Persons over time.

    Args:
        positions: (M, T, V, C), zero where a joint was not seen.
        valid: (M, T, V), whether it was seen.
        confidence: (M, T, V), zero where it was not seen; None where no detection has one.
        persons: (M,) the number or name of each person in the file; None where it has none.
    """

    positions: Floats
    valid: Bools
    confidence: Floats | None
    persons: tuple[int | str | None, ...]


def link_persons(
    frames: list[list[Detection]], joints: int, coordinates: int, fps: float = 30.0, track: str = "auto"
) -> Tracks:
    """Give every detected person a slot.

    Args:
        frames: T lists of the persons in a frame, in any order.
        joints: Number of joints V.
        coordinates: Number of coordinates C.
        fps: Frames per second.
        track: `auto`: by the persons' numbers where all have one, else linked over frames; `file`: by their numbers,
            or by their order where they have none; `none`: by their order.

    Returns:
        The persons in order of appearance.
    """
    named = all(person.person is not None for frame in frames for person in frame)
    if track == "none" or (track == "file" and not named):
        slots = [list(range(len(frame))) for frame in frames]
    elif named:
        order: dict[int | str | None, int] = {}
        slots = [[order.setdefault(person.person, len(order)) for person in frame] for frame in frames]
    else:
        slots = _assign(frames, max(1, round(GAP_SECONDS * fps)))
    count = 1 + max((slot for frame in slots for slot in frame), default=-1)
    positions = np.zeros((count, len(frames), joints, coordinates), np.float32)
    valid = np.zeros(positions.shape[:3], bool)
    confidence = np.zeros(positions.shape[:3], np.float32)
    persons: list[int | str | None] = [None] * count
    for time, (frame, places) in enumerate(zip(frames, slots, strict=True)):
        for person, slot in zip(frame, places, strict=True):
            seen = np.isfinite(person.points).all(-1)
            positions[slot, time][seen] = person.points[seen]
            valid[slot, time] = seen
            if person.confidence is not None:
                confidence[slot, time] = np.where(seen, person.confidence, 0)
            persons[slot] = person.person
    rated = any(person.confidence is not None for frame in frames for person in frame)
    return Tracks(positions, valid, confidence if rated else None, tuple(persons))


def _assign(frames: list[list[Detection]], longest_gap: int) -> list[list[int]]:
    """The slot of each detection: the nearest person of the frames before, in the cheapest assignment of all."""
    last: list[tuple[int, Floats]] = []  # of each slot: the frame in which it was seen last, and its joints there
    slots: list[list[int]] = []
    for time, frame in enumerate(frames):
        open_slots = [slot for slot, (seen, _) in enumerate(last) if time - seen <= longest_gap]
        costs = np.array([[_distance(person.points, last[slot][1]) for slot in open_slots] for person in frame])
        places = [-1] * len(frame)
        if costs.size:
            for row, column in zip(*linear_sum_assignment(costs), strict=True):
                places[row] = open_slots[column]
        for row, person in enumerate(frame):
            if places[row] < 0:
                places[row] = len(last)
                last.append((time, person.points))
            last[places[row]] = (time, person.points)
        slots.append(places)
    return slots


def _distance(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Mean distance of the joints that are seen in both; large where there are none."""
    both = np.isfinite(a).all(-1) & np.isfinite(b).all(-1)
    return float(np.linalg.norm(a[both] - b[both], axis=-1).mean()) if both.any() else 1e9
