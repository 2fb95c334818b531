"""Who is who over time: persons that a detector lists in any order become person slots that keep their person."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from jointwise.data.memory_limit import check_memory
from jointwise.data.sequence import Bools, Floats

GAP_SECONDS = 0.5  # a person who comes back within it is the same person
GHOST_SECONDS = 0.2  # a person who is seen for less is none, where others are there for longer
_GHOST_SHARE = 0.2  # ... and in a smaller share of the frames: a recording may be short itself
_FARTHEST = 0.2  # body sizes from where a person is expected: beyond it, it is another person,
_FARTHEST_PER_SECOND = 2.0  # with so much more for each second since the person was seen
_BONE_WEIGHT = 2.0  # of the difference of bone lengths, beside the distance of joints
_VELOCITY_MEMORY = 0.5  # share of the velocity before in that of a person
_LENGTH_MEMORY = 0.9  # share of the lengths before in the bone lengths of a person
_SIZES = 99  # bodies that tell the usual size of a body

Bones = Sequence[tuple[int, int]]


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
        notes: What was done to find them, as whole sentences.
    """

    positions: Floats
    valid: Bools
    confidence: Floats | None
    persons: tuple[int | str | None, ...]
    notes: tuple[str, ...] = ()


def link_persons(
    frames: list[list[Detection]],
    joints: int,
    coordinates: int,
    fps: float = 30.0,
    track: str = "auto",
    bones: Bones = (),
    source: Path | None = None,
) -> Tracks:
    """Give every detected person a slot.

    Args:
        frames: T lists of the persons in a frame, in any order.
        joints: Number of joints V.
        coordinates: Number of coordinates C.
        fps: Frames per second.
        track: `auto`: by the persons' numbers where all have one of their own in each frame, else linked over frames;
            `file`: by their numbers, or by their order where they have none; `none`: by their order.
        bones: Pairs of joints whose distance tells persons apart where they cross.
        source: The file, which limits how much memory they may take; None: no limit.

    Returns:
        The persons in order of appearance.

    Raises:
        ReadError: They would take far more memory than the file, as where numbers of persons are no numbers of persons.
    """
    slots, notes = _slots(frames, fps, track, bones)
    count = 1 + max((slot for frame in slots for slot in frame), default=-1)
    if source is not None:
        check_memory(source, (count, len(frames), joints, coordinates), "persons, frames, joints and coordinates")
    positions = np.zeros((count, len(frames), joints, coordinates), np.float32)
    valid = np.zeros(positions.shape[:3], bool)
    confidence = np.zeros(positions.shape[:3], np.float32)
    persons: list[int | str | None] = [None] * count
    for time, (frame, places) in enumerate(zip(frames, slots, strict=True)):
        for person, slot in zip(frame, places, strict=True):
            if slot < 0:
                continue
            seen = np.isfinite(person.points).all(-1)
            positions[slot, time][seen] = person.points[seen]
            valid[slot, time] = seen
            if person.confidence is not None:
                confidence[slot, time] = np.where(seen, person.confidence, 0)
            persons[slot] = person.person
    rated = any(person.confidence is not None for frame in frames for person in frame)
    return Tracks(positions, valid, confidence if rated else None, tuple(persons), notes)


def _slots(
    frames: list[list[Detection]], fps: float, track: str, bones: Bones
) -> tuple[list[list[int]], tuple[str, ...]]:
    """The slot of each detection, -1 for one that is dropped; and what was done, in sentences."""
    named = all(person.person is not None for frame in frames for person in frame)
    shared = next((time for time, frame in enumerate(frames) if _share_a_number(frame)), None) if named else None
    named = named and shared is None
    if track == "none" or (track == "file" and not named):
        return [list(range(len(frame))) for frame in frames], ()
    if named:
        order: dict[int | str | None, int] = {}
        return [[order.setdefault(person.person, len(order)) for person in frame] for frame in frames], ()
    tracker = Tracker(fps, bones)
    followed = [tracker.follow([person.points for person in frame], time) for time, frame in enumerate(frames)]
    slots, dropped = _drop_ghosts(followed, fps)
    if shared is None:
        return slots, dropped
    note = f"Two persons of frame {shared} have the same number: persons are linked by places and bone lengths instead."
    return slots, (note, *dropped)


def _share_a_number(frame: list[Detection]) -> bool:
    """Whether two persons of a frame have the same number."""
    return len({person.person for person in frame}) < len(frame)


@dataclass
class _Track:
    """A person who is followed.

    Args:
        time: The frame in which it was seen last.
        points: (V, C) where each joint is then, moved with the body while hidden; NaN if it was never seen.
        velocity: (C,) how far the body moves in a frame.
        lengths: (B,) lengths of its bones; NaN where a bone was never seen.
    """

    time: int
    points: Floats
    velocity: Floats
    lengths: Floats

    def cost(self, points: Floats, lengths: Floats, time: int) -> float:
        """How far a detection is from where this person would be, and from its build; infinite if nothing tells."""
        expected = self.points + self.velocity * np.float32(time - self.time)
        distance = _mean(np.linalg.norm(points - expected, axis=-1))
        build = _mean(np.abs(lengths - self.lengths))
        return float(np.nan_to_num(distance, nan=np.inf) + _BONE_WEIGHT * np.nan_to_num(build))

    def update(self, points: Floats, lengths: Floats, time: int) -> None:
        """Take a detection for the person's place in a frame."""
        passed = np.float32(time - self.time)
        self.velocity = _blend(self.velocity, _mean(points - self.points) / passed, _VELOCITY_MEMORY)
        self.lengths = _blend(self.lengths, lengths, _LENGTH_MEMORY)
        self.points = np.where(np.isfinite(points), points, self.points + self.velocity * passed)
        self.time = time


class Tracker:
    """Follows persons from frame to frame: a file's, or those of a live stream.

    A person who is not seen for GAP_SECONDS is forgotten.

    Args:
        fps: Frames per second.
        bones: Pairs of joints whose distance tells persons apart where they cross.
    """

    def __init__(self, fps: float, bones: Bones = ()) -> None:
        self._fps = fps
        self._bones = np.array(bones, int).reshape(-1, 2)
        self._longest_gap = max(1, round(GAP_SECONDS * fps))
        self._tracks: dict[int, _Track] = {}
        self._sizes: deque[float] = deque(maxlen=_SIZES)
        self._count = 0

    def follow(self, bodies: Sequence[Floats], time: int) -> list[int]:
        """Find out who is who in the next frame.

        Args:
            bodies: (V, C) points of each person, in any order; NaN where a joint was not seen.
            time: Number of the frame, above that of the frame before.

        Returns:
            The number of each person, from 0 in order of appearance: that of the nearest person of the frames before,
            in the cheapest assignment of all.
        """
        near = {slot: track for slot, track in self._tracks.items() if time - track.time <= self._longest_gap}
        self._tracks = near
        bodies = [np.asarray(body, np.float32) for body in bodies]
        lengths = [np.linalg.norm(body[self._bones[:, 0]] - body[self._bones[:, 1]], axis=-1) for body in bodies]
        self._sizes.extend(size for body in bodies if (size := _body_size(body)) > 0)
        places = [-1] * len(bodies)
        if bodies and near:
            slots = list(near)
            pairs = zip(bodies, lengths, strict=True)
            costs = np.array([[near[slot].cost(*pair, time) for slot in slots] for pair in pairs]) / self._size
            limits = [_FARTHEST + _FARTHEST_PER_SECOND * (time - near[slot].time) / self._fps for slot in slots]
            too_far = ~(costs <= limits)
            costs[too_far] = 1e3  # more than all others together, so that as many as possible are linked
            for row, column in zip(*linear_sum_assignment(costs), strict=True):
                if not too_far[row, column]:
                    places[row] = slots[column]
        for row, (body, length) in enumerate(zip(bodies, lengths, strict=True)):
            if places[row] < 0:
                places[row] = self._count
                near[self._count] = _Track(time, body, np.zeros(body.shape[-1], np.float32), length)
                self._count += 1
            else:
                near[places[row]].update(body, length, time)
        return places

    @property
    def _size(self) -> float:
        """The usual size of a body so far; costs are in it, so that pixels and metres are treated alike."""
        return float(np.median(self._sizes)) if self._sizes else 1.0


def _drop_ghosts(slots: list[list[int]], fps: float) -> tuple[list[list[int]], tuple[str, ...]]:
    """The slots without those of persons who are seen too shortly, and the sentence that says so."""
    flat = [slot for frame in slots for slot in frame]
    times = np.bincount(np.array(flat, int)) if flat else np.zeros(0, int)
    shortest = GHOST_SECONDS * fps
    ghosts = (times < shortest) & (times < _GHOST_SHARE * len(slots)) & (times < times.max(initial=0))
    if not ghosts.any():
        return slots, ()
    number = np.where(ghosts, -1, np.cumsum(~ghosts) - 1).tolist()
    who = "1 person was" if ghosts.sum() == 1 else f"{ghosts.sum()} persons were"
    note = f"{who} seen for less than {GHOST_SECONDS:g} s ({int(times[ghosts].sum())} frames in all) and left out."
    return [[number[slot] for slot in frame] for frame in slots], (note,)


def _body_size(points: Floats) -> float:
    """The diagonal of the box around the joints (V, C) that are seen; 0 where there are none."""
    seen = points[np.isfinite(points).all(-1)]
    return float(np.linalg.norm(np.ptp(seen, axis=0))) if len(seen) else 0.0


def _mean(values: Floats) -> Floats:
    """Mean over the first axis of what is finite; NaN where nothing is."""
    finite = np.isfinite(values)
    count = finite.sum(0)
    total = np.where(finite, values, 0).sum(0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan), np.float32)


def _blend(before: Floats, now: Floats, memory: float) -> Floats:
    """A running mean: what was known, moved towards what is seen; the one of them that is finite if only one is."""
    mixed = memory * before + (1 - memory) * now
    return np.where(np.isfinite(mixed), mixed, np.where(np.isfinite(before), before, now)).astype(np.float32)
