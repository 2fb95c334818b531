"""Units and axes of coordinates: what a recording says of them, what its body tells, and how they are converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from jointwise.data.body_shape import Array, Bodies
from jointwise.data.sequence import Sequence
from jointwise.errors import ConfigError, ReadError, unknown

Known = TypeVar("Known")

UNITS = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "px": "pixels", "image": "parts of the image"}
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}  # of those units that have a fixed length
UP = ("y", "-y", "z", "-z", "x", "-x")

_STATURES = (0.8, 2.5)  # metres, of children and of tall people, as their bones tell them
_UPRIGHT = 0.8  # cosine between a body and the axis that it stands along
_UPRIGHT_SHARE = 0.6  # of the frames: most of the time
_IN_FRONT = 0.25  # lengths of the trunk by which the parts of each side of a body are in front, on average
_SURE_SHARE = 0.8  # of the frames


def axis_of(up: str) -> tuple[int, int]:
    """The number of an axis and its sign.

    Args:
        up: One of UP.

    Raises:
        ConfigError: It is no axis.

    >>> axis_of("-y")
    (1, -1)
    """
    if up not in UP:
        raise ConfigError(unknown("axis", up, UP))
    return "xyz".index(up[-1]), -1 if up.startswith("-") else 1


def convert(sequence: Sequence, units: str | None = "m", up: str | None = "y") -> Sequence:
    """Bring a recording to another unit and another axis that points up.

    What the recording says of itself is believed; where it says nothing, its body tells. What cannot be known stays as
    it is. 3D is turned and never mirrored. In 2D the other direction of an axis is the same picture.

    Args:
        sequence: The recording (M, T, V, C).
        units: A key of METRES; or the unit that the recording has. None: the unit stays.
        up: One of UP. None: the axes stay.

    Returns:
        The recording with `units` and `up`; `assumed` says what was done, one sentence each.

    Raises:
        ConfigError: The unit or the axis is unknown, or an axis of 3D is asked of 2D.
        ReadError: Pixels or parts of an image would have to become metres.
    """
    if units is not None and units not in UNITS:
        raise ConfigError(unknown("unit", units, UNITS))
    own_up = (sequence.up or guess_up(sequence)) if up is not None else None
    own_units = (sequence.units or guess_units(sequence)) if units is not None else None
    if up is not None and own_up is not None:
        sequence = replace(sequence, up=up)
        if own_up != up:
            sequence = _turned(sequence, own_up, up)
    if units is not None and own_units is not None:
        sequence = replace(sequence, units=units)
        if own_units != units:
            sequence = _scaled(sequence, own_units, units)
    return sequence


def _turned(sequence: Sequence, own: str, up: str) -> Sequence:
    """The recording with the axis `own` turned to `up`."""
    matrix = turn(own, up, sequence.positions.shape[-1]).astype(np.float32)
    with np.errstate(invalid="ignore"):  # not a number where nothing was seen
        positions = sequence.positions @ matrix.T
    skeleton = sequence.skeleton
    axis, sign = axis_of(up)
    if skeleton.up is not None and skeleton.up != axis:
        lateral = skeleton.lateral
        moved = None if lateral is None else int(np.abs(matrix[:, lateral]).argmax())
        skeleton = replace(skeleton, up=axis if sign > 0 else None, lateral=None if moved == axis else moved)
    told = f"Turned from {own} up to {up} up."
    return replace(sequence, positions=positions, skeleton=skeleton, assumed=(*sequence.assumed, told))


def turn(own: str, up: str, coordinates: int = 3) -> Array:
    """The rotation that takes one axis to another.

    Args:
        own: The axis that points up.
        up: The axis that shall point up.
        coordinates: C, 3 or 2.

    Returns:
        (C, C) with determinant 1; in 2D, from y to -y, that of a flip.

    Raises:
        ConfigError: There is no such axis in so many coordinates.

    >>> turn("z", "y").astype(int).tolist()
    [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    """
    (old, old_sign), (new, new_sign) = axis_of(own), axis_of(up)
    if max(old, new) >= coordinates:
        raise ConfigError(f"from {own} up to {up} up: 2D poses have no axis z.")
    matrix = np.eye(coordinates)
    if old != new:  # a quarter turn in the plane of both
        matrix[[old, new]] = 0
        matrix[new, old] = old_sign * new_sign
        matrix[old, new] = -old_sign * new_sign
    elif old_sign != new_sign:  # half a turn about another axis, z if it can be; in 2D there is none
        matrix[old, old] = -1
        if coordinates == 3:  # z is the depth of a camera with y up or down: who faces it still does
            other = 1 if old == 0 else 0
            matrix[other, other] = -1
    return matrix


def _scaled(sequence: Sequence, own: str, units: str) -> Sequence:
    """The recording with coordinates in `own` given in `units`."""
    if own not in METRES or units not in METRES:
        raise ReadError(
            f"{sequence.source}: {UNITS.get(own, own)} cannot become {UNITS.get(units, units)}: how large a person is "
            "in them depends on the camera. Use a model that was trained on such coordinates."
        )
    factor = METRES[own] / METRES[units]
    told = f"Converted from {UNITS[own]} to {UNITS[units]}."
    return replace(sequence, positions=sequence.positions * np.float32(factor), assumed=(*sequence.assumed, told))


def guess_up(recording: Sequence | Bodies) -> str | None:
    """Find the axis that points up, from where head, shoulders, hips and feet are most of the time.

    Args:
        recording: The recording (M, T, V, C), or its bodies.

    Returns:
        `y`, `-y`, `z` or `-z`; None where it cannot be known: joints without such names, bodies that lie, or bodies
        that turn over.
    """
    bodies = _bodies_of(recording)
    if not bodies.has("trunk"):
        return None
    # The trunk counts as much as the whole body: in bent and in sitting bodies only one of them is upright.
    upright = bodies.unit("trunk")
    if bodies.has("whole"):
        upright = upright + np.nan_to_num(bodies.unit("whole"))
    size = np.sqrt(np.einsum("nc,nc->n", upright, upright))
    upright = upright[size > 0.5] / size[size > 0.5, None]  # not where it is NaN
    if not len(upright):
        return None
    total = upright.sum(0)
    axis = int(np.abs(total).argmax())
    sign = 1 if total[axis] > 0 else -1
    if axis == 0 or np.count_nonzero(sign * upright[:, axis] >= _UPRIGHT) < _UPRIGHT_SHARE * len(upright):
        return None
    return ("" if sign > 0 else "-") + "xyz"[axis]


def guess_units(recording: Sequence | Bodies) -> str | None:
    """Find the unit of coordinates from how tall the body is by its bones.

    Args:
        recording: The recording (M, T, V, C), or its bodies.

    Returns:
        A key of UNITS; None where it cannot be known: a layout without bones of known names, or a height that no unit
        makes human.
    """
    bodies = _bodies_of(recording)
    height = bodies.height
    if height is None:
        return None
    if bodies.joints.shape[2] == 2:
        return "image" if height < 2 else "px"
    for unit, metres in METRES.items():
        if _STATURES[0] <= height * metres <= _STATURES[1]:
            return unit
    plane = bodies.joints[..., :2]
    return "image" if np.nanmin(plane) >= -0.5 and np.nanmax(plane) <= 1.5 else None


def is_mirrored(recording: Sequence | Bodies) -> bool | None:
    """Whether a body is a mirror image: the axes are left-handed, or left and right joints are exchanged.

    Up and left of a body tell where its front is if axes are right-handed. Feet, noses, bent knees and mostly hands are
    in front.

    Args:
        recording: The recording (M, T, V, C), or its bodies.

    Returns:
        Whether they are behind instead; None where it cannot be known: 2D, joints without sides, or bodies that do not
        tell their front.
    """
    bodies = _bodies_of(recording)
    if bodies.joints.shape[2] != 3 or not bodies.has("trunk", "across"):
        return None
    left, up = bodies.unit("across"), bodies.unit("trunk")
    front = left[:, [1, 2, 0]] * up[:, [2, 0, 1]] - left[:, [2, 0, 1]] * up[:, [1, 2, 0]]  # right-handed: left × up
    with np.errstate(invalid="ignore", divide="ignore"):
        front = front / bodies.norms[:, bodies.plan.names["trunk"], None]
        bones = len(bodies.plan.lengths)
        votes = np.clip((bodies.vectors[:, bones:] @ front[:, :, None])[..., 0], -1, 1)
    sides = np.zeros((2, len(votes)))
    for name, row in bodies.plan.names.items():
        if name not in ("trunk", "whole", "across"):
            sides[["left", "right"].index(name.split()[0]) if " " in name else slice(None)] += votes[:, row - bones]
    sides = sides[:, np.isfinite(sides).all(0)]
    if not sides.any():
        return None
    mean = sides.mean(1)
    for mirrored, sign in ((True, -1), (False, 1)):
        if (sign * mean >= _IN_FRONT).all() and np.mean(sign * sides.sum(0) > 0) >= _SURE_SHARE:
            return mirrored
    return None


@dataclass(frozen=True)
class Conventions:
    """The axes that most recordings of a data set have, as their bodies tell them.

    Args:
        up: The axis that points up; None where unknown.
        mirrored: Whether bodies are mirror images; None where unknown.
        ordered: Whether bones fit the joints. Where they do not, nothing can be told of new recordings.
    """

    up: str | None = None
    mirrored: bool | None = None
    ordered: bool = True


def common(values: Iterable[Known | None]) -> Known | None:
    """What most of those that are known are; None where they differ, or less than a fifth is known.

    Args:
        values: What was found of each recording.

    >>> common(["y", "y", "y", "y", None, "z"]), common(["y", "z"])
    ('y', None)
    """
    counted = Counter(values)
    total = sum(counted.values())
    del counted[None]
    known = sum(counted.values())
    if not known or known < 0.2 * total:
        return None
    value, count = counted.most_common(1)[0]
    return value if count >= 0.8 * known else None


def _bodies_of(recording: Sequence | Bodies) -> Bodies:
    return recording if isinstance(recording, Bodies) else Bodies.of(recording)
