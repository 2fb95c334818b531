"""Checks of the numbers themselves: joints that are missing, signs for missing joints, a confidence in place of z."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from jointwise.data.body_checks.body import JUMP, Body, Found, name_joints
from jointwise.data.findings import LOOK, STOP
from jointwise.data.sequence import Bools, Floats, Sequence

MUCH_MISSING = 0.5  # share of the joints of a person who is there
MUCH_REPEATED = 0.01  # share of the joints at one point: a training would be spoiled
_FEW = 5  # places at one point are chance
_CANDIDATES = 8  # points that are looked at
_PIXELS = 20.0  # how much wider x and y are than a confidence
_JITTER = 0.25  # of a confidence from frame to frame, in its spread over joints; depths change more slowly


def missing(body: Body) -> Iterator[Found]:
    """Much is not seen of the persons who are there."""
    valid = body.sequence.validity
    if valid.all():
        return
    present = valid.any(-1)
    if not present.any():
        yield "missing", STOP, "Nobody is seen in any frame."
        return
    ever = valid.any((0, 1))
    share = 1 - float(valid[present][:, ever].mean())
    absent = 1 - float(present.any(0).mean())
    told = f"Nobody is seen in {100 * absent:.0f} % of the frames. " if absent >= MUCH_MISSING else ""
    told += f"{100 * share:.0f} % of the joints of persons are not seen." if share >= MUCH_MISSING else ""
    if told:
        yield "missing", LOOK, told.strip()


def confidence_as_depth(body: Body) -> Iterator[Found]:
    """The third coordinate lies between 0 and 1 like a confidence, and not like the depth of a body."""
    joints = body.bodies.joints
    if joints.shape[2] != 3 or not len(joints) or body.sequence.confidence is not None:
        return  # a file that gives confidences has them elsewhere
    low, high = np.nanmin(joints[..., 2]), np.nanmax(joints[..., 2])
    if not (low >= 0 and high <= 1 and high - low > 0.01):
        return
    plane = joints[..., :2]
    span = float((np.nanmax(plane, (0, 1)) - np.nanmin(plane, (0, 1))).max())
    pixels = span > _PIXELS * (high - low)
    unit = np.nanmin(plane) >= -0.2 and np.nanmax(plane) <= 1.2
    if pixels or (unit and _jitter(body, 2) > _JITTER > 2 * max(_jitter(body, 0), _jitter(body, 1))):
        others = "x and y span " + (f"{span:.0f}" if pixels else "the image")
        yield (
            "confidence as depth",
            STOP,
            f"The third coordinate lies between {low:.2f} and {high:.2f} everywhere, while {others}: is it the "
            "confidence of a detector?",
        )


def _jitter(body: Body, axis: int) -> float:
    """How much a coordinate changes from frame to frame, in its spread over the joints of a frame; 0 if unknown."""
    sequence = body.sequence
    if sequence.frames < 3 or not body.seen.any():
        return 0.0
    values = sequence.positions[..., axis]
    changes = float(np.median(np.abs(values[:, 1:] - values[:, :-1])[body.seen]))
    spread = float(np.nanmedian(np.nanstd(body.bodies.joints[..., axis], 1)))
    return changes / spread if spread > 0 else 0.0


@dataclass(frozen=True, eq=False)
class RepeatedPoint:
    """A point at which joints lie, bit for bit, that cannot all be there.

    Args:
        point: (C,) the coordinates.
        places: (M, T, V) bool, where joints lie at it.
    """

    point: Floats
    places: Bools


def repeated_points(body: Body) -> list[RepeatedPoint]:
    """Find the points that stand for "not seen", such as 0, -1 or 9999: several joints lie exactly there.

    A joint that lies at one point in all frames is no such case: a root that was put at the origin does.

    Args:
        body: The recording (M, T, V, C) and what its body tells.

    Returns:
        The points, at most a few.
    """
    positions, valid = body.sequence.positions, body.sequence.validity
    same = valid & (positions[..., 0] == positions[..., 1])
    if positions.shape[3] == 3:
        same &= positions[..., 1] == positions[..., 2]
    moved = body.steps > (JUMP * body.size) ** 2
    candidates = positions[same] if same.any() else positions[:0, 0, 0]
    if moved.any():
        candidates = np.concatenate([candidates, positions[:, 1:][moved], positions[:, :-1][moved]])
    found = []
    for point in _frequent(candidates):
        places = valid & (positions == point).all(-1)
        if np.count_nonzero(places) >= _FEW and _stands_for_missing(body, point, places):
            found.append(RepeatedPoint(point, places))
    return found


def _frequent(points: Floats) -> Iterator[Floats]:
    """The most frequent of points (N, C), each once."""
    if not len(points):
        return
    values, counts = np.unique(points, axis=0, return_counts=True)
    yield from values[np.argsort(-counts, kind="stable")[:_CANDIDATES]]


def _stands_for_missing(body: Body, point: Floats, places: Bools) -> bool:
    """Whether joints at a point (C,) were not seen there (M, T, V), but put there."""
    elsewhere = (body.sequence.validity & ~places).any(1) & places.any(1)  # (M, V): at times there, at times not
    together = int(places.sum(-1).max())
    if (point == point[0]).all():  # such as (0, 0, 0): no joint is there by chance
        return together > 1 or bool(elsewhere.any())
    return together > 1 and bool(elsewhere.any())


def name_point(point: Floats) -> str:
    """A point (C,) in words.

    >>> name_point(np.zeros(3, np.float32)), name_point(np.array([0, 4.8], np.float32))
    ('zero (0, 0, 0)', '(0, 4.8)')
    """
    numbers = ", ".join(f"{number:g}" for number in point)
    return f"zero ({numbers})" if not point.any() else f"({numbers})"


def mask_repeated_points(sequence: Sequence) -> tuple[Sequence, str]:
    """Take joints that lie at a sign for "not seen" as not seen.

    Args:
        sequence: A recording (M, T, V, C) whose validity nobody has stated.

    Returns:
        The recording, and a sentence that says what was done; empty where nothing was.
    """
    points = repeated_points(Body.of(sequence))
    if not points:
        return sequence, ""
    places = np.logical_or.reduce([point.places for point in points])
    told = (
        f"{100 * places.sum() / max(int(sequence.validity.sum()), 1):.1f} % of the joints lie exactly at "
        f"{name_point(points[0].point)}: they are taken as not seen. Where they were seen, give a Sequence: its "
        "`valid` is believed."
    )
    return replace(sequence, valid=sequence.validity & ~places), told


def same_point(body: Body) -> Iterator[Found]:
    """Many joints lie at exactly one point, which stands for "not seen"."""
    sequence = body.sequence
    points = repeated_points(body)
    if not points:
        return
    share = sum(int(point.places.sum()) for point in points) / max(int(sequence.validity.sum()), 1)
    first = points[0]
    yield (
        "same point",
        STOP if share >= MUCH_REPEATED else LOOK,
        f"{100 * share:.1f} % of the joints lie exactly at {name_point(first.point)}, first "
        f"{name_joints(sequence, first.places.any((0, 1)))} in frame {int(first.places.any((0, 2)).argmax())}: were "
        "they not seen?",
    )
