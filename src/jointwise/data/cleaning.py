"""Cleaning by name: which bodies of a recording are persons, which person is the first, and which frames stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from jointwise.data.sequence import Bools, Sequence
from jointwise.errors import EmptyRecording

LONGEST_NOISE = 11  # frames: a track of so many or fewer is noise
WIDEST = 0.8  # of its height: in a frame in which a body is wider, it is not the shape of a person
WIDE_SHARE = 0.69754  # of a track's frames: a track with this share of wide frames, or more, is no person
PERSONS = 2

SHORT = f"tracks of at most {LONGEST_NOISE} frames"
WIDE = "tracks wider than a person (spread)"
SURPLUS = "overlapping tracks beyond two persons"
NOBODY = "frames without a body"


@dataclass(frozen=True)
class Cleaned:
    """What cleaning made of a recording.

    sequence: what is left of it. notes: why something was dropped, in words for a summary -> how often; no zeros.
    """

    sequence: Sequence
    notes: dict[str, int]


def clean_none(sequence: Sequence) -> Cleaned:
    """Keeps everything."""
    return Cleaned(sequence, {})


def clean_ntu(sequence: Sequence) -> Cleaned:
    """Finds the one or two persons among the bodies that a Kinect v2 reports; (M, T, V, C) -> (1 or 2, T' <= T, V, C).

    The heuristic of NTU RGB+D's authors (Shahroudy et al., CVPR 2016, and the notes on their data) with the thresholds
    of the public pipelines (CTR-GCN, Chen et al., ICCV 2021). A track is the frames in which a slot has a valid joint;
    a recording with a single track is returned as it is. Otherwise: tracks of at most 11 frames are dropped; a track
    is dropped when in at least 69.754 % of its frames its joints spread over x by more than 0.8 of their spread over
    y, unless all others are gone already (slots are judged in their order); the rest is ordered by motion, then each
    track goes to the first of two persons that it does not overlap in time, or is dropped; then frames in which
    nobody is left are removed. Positions are moved between slots and never changed; a body that is away while the
    other is there keeps its gap.

    Two things are on purpose not as in those pipelines: joints that the sensor lost count nowhere, and tracks that
    share a single frame overlap. Raises EmptyRecording where no track is there or all are too short.
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
    long = [slot for slot in bodies if present[slot].sum() > LONGEST_NOISE]
    if not long:
        raise EmptyRecording(
            f"{sequence.source}: none of its {len(bodies)} bodies is there for more than {LONGEST_NOISE} frames. "
            "Leave it out."
        )
    upright = present & _upright(sequence)
    tracks = _drop_wide(long, present, upright)
    tracks.sort(key=lambda slot: _motion(sequence, slot, upright[slot]), reverse=True)  # equal ones stay in file order
    persons = _share_out(tracks, present)
    cleaned = _assemble(sequence, persons, present)
    dropped = {
        SHORT: len(bodies) - len(long),
        WIDE: len(long) - len(tracks),
        SURPLUS: len(tracks) - sum(len(person) for person in persons),
        NOBODY: sequence.frames - cleaned.frames,
    }
    return Cleaned(cleaned, {why: count for why, count in dropped.items() if count})


def _upright(sequence: Sequence) -> Bools:
    """Where a body's valid joints spread over x by at most 0.8 of their spread over y; (M, T), True without joints."""
    valid = sequence.validity[..., None]
    plane = sequence.positions[..., :2].astype(np.float64)
    spread = np.where(valid, plane, -np.inf).max(2) - np.where(valid, plane, np.inf).min(2)
    return np.asarray(spread[..., 0] <= WIDEST * spread[..., 1], bool)


def _drop_wide(tracks: list[int], present: Bools, upright: Bools) -> list[int]:
    """The tracks that are upright often enough; the last one is kept whatever it is."""
    kept = list(tracks)
    for slot in tracks:
        frames = int(present[slot].sum())
        wide = frames - int(upright[slot].sum())
        if len(kept) > 1 and wide / frames >= WIDE_SHARE:
            kept.remove(slot)
    return kept


def _motion(sequence: Sequence, slot: int, upright: Bools) -> float:
    """How much a body moves, in square metres: the smaller value of all its frames and of its upright ones.

    The variances of x, y and z over all frames and joints together, added up (as the data set's authors and CTR-GCN
    measure it: a tall body counts for more than a small one that moves alike).
    """
    positions, valid = sequence.positions[slot].astype(np.float64), sequence.validity[slot]
    seen = [positions[valid], positions[valid & upright[:, None]]]
    return min(float(joints.var(0).sum()) for joints in seen if len(joints))


def _share_out(tracks: list[int], present: Bools) -> list[list[int]]:
    """Gives each track to the first person it does not overlap in time; the slots of one or two persons.

    A person's time goes from the first to the last frame of all its tracks, gaps between them included.
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
            if len(persons) < PERSONS:
                persons.append([slot])
                times.append((first, last))
    return persons


def _assemble(sequence: Sequence, persons: list[list[int]], present: Bools) -> Sequence:
    """One slot per person with the rows of its tracks, without the frames in which none of the persons is there."""
    shape = (len(persons), *sequence.positions.shape[1:])
    positions, valid = np.zeros(shape, np.float32), np.zeros(shape[:3], bool)
    for person, slots in enumerate(persons):
        for slot in slots:
            frames = present[slot]
            positions[person, frames] = sequence.positions[slot, frames]
            valid[person, frames] = sequence.validity[slot, frames]
    kept = valid.any((0, 2))
    return replace(sequence, positions=positions[:, kept], valid=valid[:, kept])


CLEANING: dict[str, Callable[[Sequence], Cleaned]] = {"none": clean_none, "clean_ntu": clean_ntu}
