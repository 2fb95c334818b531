"""Cleaning: which bodies of a recording are persons, which person comes first, and which frames are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from jointwise.data.sequence import Bools, Sequence
from jointwise.errors import EmptyRecording

MAX_NOISE_FRAMES = 11  # a track of so many frames, or fewer, is noise
MAX_WIDTH = 0.8  # of a body's height: in a frame in which it is wider, it does not have the shape of a person
WIDE_SHARE = 0.69754  # of a track's frames: a track with this share of wide frames, or more, is no person
MAX_PERSONS = 2

# why tracks or frames were dropped, in the notes of a data set
SHORT = f"tracks of at most {MAX_NOISE_FRAMES} frames"
WIDE = "tracks wider than a person (spread)"
SURPLUS = "overlapping tracks beyond two persons"
NOBODY = "frames without a body"


# what is noticed of the bodies that are left
BRIEF = f"bodies that last at most {MAX_NOISE_FRAMES} frames beside another"
STILL = "bodies that hardly move beside another, and may be furniture"
STILL_SHARE = 0.01  # of a body's size: a body of which no joint strays that far (standard deviation) hardly moves


@dataclass(frozen=True)
class Cleaned:
    """The result of cleaning a recording.

    Args:
        sequence: What is left of the recording.
        notes: How many tracks or frames were dropped, by reason (in words, for a summary). Counts are at least 1.
    """

    sequence: Sequence
    notes: dict[str, int]


def clean_none(sequence: Sequence) -> Cleaned:
    """Returns the recording as it is."""
    return Cleaned(sequence, {})


def clean_ntu(sequence: Sequence) -> Cleaned:
    """Finds the one or two persons among the bodies that a Kinect v2 reports.

    This is the heuristic of NTU RGB+D's authors (Shahroudy et al., CVPR 2016, and the notes on their data) with the
    thresholds of the public pipelines (CTR-GCN, Chen et al., ICCV 2021). A track is the frames in which a slot has a
    valid joint. A recording with a single track is returned as it is. Otherwise:

    1. Tracks of at most 11 frames are dropped.
    2. Slots are judged in their order. A track is dropped if in at least 69.754 % of its frames its joints spread over
       x by more than 0.8 of their spread over y. The last track left is kept.
    3. The tracks are ordered by motion. Each goes to the first of two persons that it does not overlap in time, or is
       dropped.
    4. Frames in which no person is left are removed. A person who is absent while the other is present keeps the gap.

    Positions are moved between slots and never changed. Two things differ from the public pipelines on purpose: joints
    that the sensor lost are not counted anywhere, and tracks that share a single frame do overlap.

    Args:
        sequence: A recording as read, with positions (M, T, V, C).

    Returns:
        The recording with positions (1 or 2, T' <= T, V, C), and what was dropped.

    Raises:
        EmptyRecording: There is no track, or all tracks are too short.
    """
    present = np.asarray(sequence.validity.any(-1), bool)  # (M, T)
    bodies = np.flatnonzero(present.any(1)).tolist()
    if not bodies:
        raise EmptyRecording(
            f"{sequence.source}: no body: not one joint of {sequence.persons} person slots in {sequence.frames} "
            "frames was seen. Leave it out."
        )
    if len(bodies) == 1:
        return Cleaned(sequence, {})
    long = [slot for slot in bodies if present[slot].sum() > MAX_NOISE_FRAMES]
    if not long:
        raise EmptyRecording(
            f"{sequence.source}: none of its {len(bodies)} bodies is there for more than {MAX_NOISE_FRAMES} frames. "
            "Leave it out."
        )
    upright = present & _upright(sequence)
    tracks = _drop_wide(long, present, upright)
    tracks.sort(key=lambda slot: _motion(sequence, slot, upright[slot]), reverse=True)  # ties stay in file order
    persons = _assign_to_persons(tracks, present)
    cleaned = _assemble(sequence, persons, present)
    dropped = {
        SHORT: len(bodies) - len(long),
        WIDE: len(long) - len(tracks),
        SURPLUS: len(tracks) - sum(len(person) for person in persons),
        NOBODY: sequence.frames - cleaned.frames,
    }
    return Cleaned(cleaned, {why: count for why, count in dropped.items() if count})


def _upright(sequence: Sequence) -> Bools:
    """(M, T), True where a body is at most 0.8 times as wide (x) as it is high (y), or has no valid joint."""
    valid = sequence.validity[..., None]
    plane = sequence.positions[..., :2].astype(np.float64)
    spread = np.where(valid, plane, -np.inf).max(2) - np.where(valid, plane, np.inf).min(2)
    return np.asarray(spread[..., 0] <= MAX_WIDTH * spread[..., 1], bool)


def _drop_wide(tracks: list[int], present: Bools, upright: Bools) -> list[int]:
    """The tracks that are upright often enough; the last one left is always kept."""
    kept = list(tracks)
    for slot in tracks:
        frames = int(present[slot].sum())
        wide = frames - int(upright[slot].sum())
        if len(kept) > 1 and wide / frames >= WIDE_SHARE:
            kept.remove(slot)
    return kept


def _motion(sequence: Sequence, slot: int, upright: Bools) -> float:
    """How much a body moves, in square metres: the smaller of the values of all its frames and of its upright frames.

    A value is the sum of the variances of x, y and z over all frames and joints together, as the data set's authors
    and CTR-GCN measure it. A tall body therefore has a larger value than a small one that moves alike.
    """
    positions, valid = sequence.positions[slot].astype(np.float64), sequence.validity[slot]
    seen = [positions[valid], positions[valid & upright[:, None]]]
    return min(float(joints.var(0).sum()) for joints in seen if len(joints))


def _assign_to_persons(tracks: list[int], present: Bools) -> list[list[int]]:
    """Gives each track to the first person that it does not overlap in time; returns the slots of each person.

    A person's time goes from the first to the last frame of all its tracks, with the gaps between them.
    """
    persons: list[list[int]] = []
    times: list[tuple[int, int]] = []
    for slot in tracks:
        frames = np.flatnonzero(present[slot])
        first, last = int(frames[0]), int(frames[-1])
        for person, (begin, end) in enumerate(times):
            if last < begin or end < first:
                persons[person].append(slot)
                times[person] = (min(first, begin), max(last, end))
                break
        else:
            if len(persons) < MAX_PERSONS:
                persons.append([slot])
                times.append((first, last))
    return persons


def _assemble(sequence: Sequence, persons: list[list[int]], present: Bools) -> Sequence:
    """Writes the tracks of each person into one slot, and removes the frames in which no person is present."""
    shape = (len(persons), *sequence.positions.shape[1:])
    positions, valid = np.zeros(shape, np.float32), np.zeros(shape[:3], bool)
    for person, slots in enumerate(persons):
        for slot in slots:
            frames = present[slot]
            positions[person, frames] = sequence.positions[slot, frames]
            valid[person, frames] = sequence.validity[slot, frames]
    kept = valid.any((0, 2))
    return replace(sequence, positions=positions[:, kept], valid=valid[:, kept], confidence=None)


def odd_bodies(sequence: Sequence) -> dict[str, int]:
    """Counts the bodies of a recording that may be no persons. The only body of a recording is not questioned.

    Args:
        sequence: A recording, cleaned or not.

    Returns:
        BRIEF and STILL -> number of such bodies; without those that are 0.
    """
    present: Bools = np.asarray(sequence.validity.any(-1))
    bodies = np.flatnonzero(present.any(1)).tolist()
    brief = [slot for slot in bodies if present[slot].sum() <= MAX_NOISE_FRAMES < sequence.frames]
    still = [slot for slot in bodies if slot not in brief and _stands_still(sequence, slot)]
    found = {BRIEF: len(brief), STILL: len(still)}
    return {what: count for what, count in found.items() if count} if len(bodies) > 1 else {}


def _stands_still(sequence: Sequence, slot: int) -> bool:
    """Whether no joint of a body strays from its mean by more than STILL_SHARE of the body's largest extent."""
    valid = sequence.validity[slot][..., None]
    positions = np.where(valid, sequence.positions[slot].astype(np.float64), 0.0)
    counts = np.maximum(valid.sum(0), 1)
    mean = positions.sum(0) / counts
    strayed = np.sqrt((np.where(valid, positions - mean, 0.0) ** 2).sum(0) / counts).max()
    seen = mean[np.asarray(valid.any(0))[:, 0]]
    return bool(strayed < STILL_SHARE * np.ptp(seen, 0).max())


CLEANING: dict[str, Callable[[Sequence], Cleaned]] = {"none": clean_none, "clean_ntu": clean_ntu}
