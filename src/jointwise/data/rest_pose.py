"""The figure that a body is fitted to: where the joints are in a T-pose, and how thick the body is there.

Places and radii are shares of the stature. The figure faces +z, up is +y, its left side is at +x. Heights and lengths
of limbs are those of Drillis and Contini (1966), as in `synthetic/body.py`. Radii are chosen to look like a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jointwise.data.skeletons import split_side

Array = npt.NDArray[np.float64]

_TABLE = """
    spine_base      0.000 0.550  0.000  0.080
    spine_mid       0.000 0.680  0.000  0.080
    spine_shoulder  0.000 0.818  0.000  0.065
    neck            0.000 0.866  0.000  0.034
    head            0.000 0.930  0.015  0.034
    head_top        0.000 1.000  0.015  0.030
    nose            0.000 0.925  0.060  0.030
    eye_inner       0.010 0.942  0.050  0.012
    eye             0.020 0.942  0.048  0.012
    eye_outer       0.030 0.942  0.044  0.012
    ear             0.042 0.930  0.000  0.014
    mouth           0.015 0.900  0.050  0.012
    shoulder        0.118 0.810  0.000  0.042
    elbow           0.304 0.810  0.000  0.030
    wrist           0.450 0.810  0.000  0.022
    hand            0.500 0.810  0.000  0.024
    hand_tip        0.550 0.810  0.000  0.012
    thumb           0.480 0.810  0.035  0.012
    index           0.510 0.810  0.015  0.012
    pinky           0.500 0.810 -0.020  0.012
    hip             0.055 0.530  0.000  0.062
    knee            0.055 0.285  0.000  0.040
    ankle           0.055 0.039  0.000  0.028
    foot            0.055 0.015  0.070  0.024
    heel            0.055 0.015 -0.030  0.024
    big_toe         0.045 0.012  0.100  0.018
    small_toe       0.075 0.012  0.085  0.018
    foot_index      0.055 0.012  0.100  0.018
"""
HEADS = {"head": 0.068, "nose": 0.055}  # radius of the ball that is the head
OTHER_RADIUS = 0.025  # of a joint that the table does not know


@dataclass(frozen=True)
class RestJoint:
    """A joint of the figure, in shares of the stature.

    Args:
        place: (3,) where it is.
        radius: How thick the body is there.
    """

    place: Array
    radius: float


def _read_table() -> dict[str, RestJoint]:
    rows = (line.split() for line in _TABLE.splitlines() if line.strip())
    return {name: RestJoint(np.array(numbers[:3], float), float(numbers[3])) for name, *numbers in rows}


_JOINTS = _read_table()


def rest_place(joint: str) -> Array | None:
    """(3,) where a joint is in the T-pose, in statures; None where the figure has no joint of that name.

    >>> rest_place("right_knee").tolist()
    [-0.055, 0.285, 0.0]
    """
    side, rest = split_side(joint)
    if rest not in _JOINTS:
        return None
    return _JOINTS[rest].place * (-1.0 if side == "right" else 1.0, 1.0, 1.0)


def rest_radius(joint: str) -> float:
    """How thick the body is at a joint, in statures.

    >>> rest_radius("left_knee"), rest_radius("tail")
    (0.04, 0.025)
    """
    rest = split_side(joint)[1]
    return _JOINTS[rest].radius if rest in _JOINTS else OTHER_RADIUS


def bone_radii(start: str, end: str) -> tuple[float, float]:
    """How thick the body is where a bone starts and where it ends, in statures.

    >>> bone_radii("left_knee", "left_ankle")
    (0.04, 0.028)
    """
    first, last = rest_radius(start), rest_radius(end)
    if split_side(end)[0] and not split_side(start)[0]:
        first = 0.9 * min(first, last)  # a limb begins inside the trunk, so that no two surfaces coincide
    return first, last


def ball_radius(joint: str) -> float:
    """Radius of the ball at a joint, in statures: the head where the joint is its middle, else as `rest_radius`."""
    return HEADS.get(joint, rest_radius(joint))
