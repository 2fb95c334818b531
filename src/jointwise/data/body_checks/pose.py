"""Checks of how a body stands and is built: unit, axes, sides, and whether its bones are those of its layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from jointwise.data.body_checks.body import Body, Found
from jointwise.data.body_shape import MIN_BONES, Array
from jointwise.data.conventions import METRES, UNITS, guess_units, guess_up, is_mirrored
from jointwise.data.findings import FINE, LOOK, STOP
from jointwise.data.skeletons import SKELETONS, Skeleton

_DOUBTFUL = 0.38  # see `Bodies.misfit`; people and sensors mostly have less, another order of joints mostly more
_LONG_BONES = 1.7  # see `bone_excess`; people in 3D have at most 1.6, another order of joints 1.7 to 5
_LONG_BONES_2D = 2.6  # seen from the side, joints of both sides lie together
_BETTER = 0.7  # another order is the right one if its bones are shorter by this factor
_POSES = 5  # in which the order of joints is looked at
_VARYING = 0.25  # share by which a bone changes its length most of the time


def unit(body: Body) -> Iterator[Found]:
    """The body is too large or too small for the unit that is named, or for all units."""
    named = body.sequence.units
    if body.height is None or body.sequence.positions.shape[3] != 3:
        return
    found = guess_units(body.bodies)
    if found is None and (named is None or named in METRES):
        yield "unit", LOOK, f"By its bones the body is {body.height:.3g} tall: no human's height in any unit."
    elif named in METRES and found != named:
        yield (
            "unit",
            STOP,
            f"By its bones the body is {body.height:.3g} tall: {UNITS[found or '']}, not {UNITS[named]}?",
        )
    elif named is None and found not in (None, "m"):
        yield "unit", FINE, f"By its bones the body is {body.height:.3g} tall: {UNITS[found or '']}?"


def up_axis(body: Body) -> Iterator[Found]:
    """The body stands along another axis than the one that is named, or on its head."""
    sequence = body.sequence
    named = sequence.up
    if named is None and sequence.skeleton.up is not None and sequence.positions.shape[-1] == 3:
        named = "xyz"[sequence.skeleton.up]
    found = guess_up(body.bodies) if named is not None else None
    if named is None or found in (None, named):
        return
    if found == named.removeprefix("-") or named == (found or "").removeprefix("-"):
        yield "upside down", STOP, f"The body stands on its head: does {named.removeprefix('-')} point the other way?"
    else:
        yield "up axis", STOP, f"The body stands along {found}, but {named} is said to point up: {found} up?"


def mirrored(body: Body) -> Iterator[Found]:
    """The body is a mirror image, or its left and right joints are exchanged."""
    if is_mirrored(body.bodies):
        yield (
            "mirrored",
            STOP,
            "Feet and knees point backwards: a mirror image (left-handed axes), or left and right joints exchanged.",
        )


def bone_excess(bones: Sequence[tuple[int, int]], poses: Array) -> float:
    """How much longer bones are than the shortest tree that connects their joints.

    The joints of a body are near those that they are connected with, so this tells the order of joints without knowing
    a single name.

    Args:
        bones: (first joint, last joint) of each.
        poses: (N, V, C), NaN where a joint is not seen.

    Returns:
        The median over the poses; 0 without poses that tell it.
    """
    told = []
    for pose in poses:
        seen = [bone for bone in bones if pose[bone, 0].sum() < np.inf]  # not where it is NaN
        places = sorted({joint for bone in seen for joint in bone})
        if len(seen) < MIN_BONES:
            continue
        shortest = shortest_tree(pose[places])
        if shortest > 0:
            told.append(float(sum(np.linalg.norm(pose[end] - pose[start]) for start, end in seen)) / shortest)
    return float(np.median(told)) if told else 0.0


def shortest_tree(points: Array) -> float:
    """The length of the shortest tree that connects points (Prim's algorithm).

    Args:
        points: (N, C).

    >>> shortest_tree(np.array([[0.0], [3.0], [1.0]]))
    3.0
    """
    left = points[1:]
    nearest = np.linalg.norm(left - points[0], axis=1)
    length = 0.0
    while len(left):
        added = int(nearest.argmin())
        length += float(nearest[added])
        nearest = np.minimum(nearest, np.linalg.norm(left - left[added], axis=1))
        nearest, left = np.delete(nearest, added), np.delete(left, added, 0)
    return length


def joint_order(body: Body) -> Iterator[Found]:
    """The bones of the layout do not fit the joints."""
    skeleton, bodies = body.sequence.skeleton, body.bodies
    if not skeleton.bones or 0 < bodies.misfit < _DOUBTFUL:
        return
    poses = bodies.joints[:: max(1, len(bodies.joints) // _POSES)]
    own = bone_excess(skeleton.bone_indices, poses)
    if own > (_LONG_BONES if poses.shape[2] == 3 else _LONG_BONES_2D):
        better = _better_order(skeleton, poses, own)
        hint = f" They fit {better}." if better else ""
        yield "joint order", STOP, f"The bones of {skeleton.name} do not fit these joints: are they in its order?{hint}"


def _better_order(skeleton: Skeleton, poses: Array, own: float) -> str:
    """The order of joints that fits much better, in words; empty without one."""
    scores = []
    for shift in (1, -1):
        told = f"if all are shifted by one: joint 0 of the file is '{skeleton.joints[-shift]}'"
        scores.append((bone_excess(skeleton.bone_indices, np.roll(poses, -shift, 1)), told))
    for other in SKELETONS.values():
        if len(other.joints) == len(skeleton.joints) and other.joints != skeleton.joints:
            scores.append((bone_excess(other.bone_indices, poses), f"'{other.name}'"))
    best, told = min(scores)
    return told if 0 < best < _BETTER * own else ""


def bone_lengths(body: Body) -> Iterator[Found]:
    """The bones change their lengths."""
    lengths, changes = body.bodies.bones
    known = lengths > 0  # not where it is NaN
    if body.sequence.positions.shape[3] == 3 and np.count_nonzero(known) >= MIN_BONES:
        varying = float(np.median(changes[known] / lengths[known]))
        if varying > _VARYING:
            yield "bone lengths", LOOK, f"Bones change their length by {100 * varying:.0f} % half of the time."
