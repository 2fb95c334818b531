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
    spine_1         0.000 0.610  0.000  0.080
    spine_chest     0.000 0.760  0.000  0.075
    lower_back      0.000 0.570  0.000  0.080
    neck_base       0.000 0.840  0.000  0.040
    clavicle        0.030 0.812  0.010  0.036
    hip_joint       0.030 0.540  0.000  0.070
    hand_root       0.455 0.810  0.000  0.022
    thumb_cmc       0.462 0.810  0.015  0.012
    thumb_mcp       0.470 0.810  0.024  0.012
    thumb_ip        0.476 0.810  0.030  0.012
    index_pip       0.526 0.810  0.016  0.010
    index_dip       0.538 0.810  0.017  0.009
    index_tip       0.548 0.810  0.018  0.008
    middle_mcp      0.512 0.810  0.003  0.012
    middle_pip      0.530 0.810  0.002  0.010
    middle_dip      0.542 0.810  0.001  0.009
    ring_mcp        0.508 0.810 -0.009  0.012
    ring_pip        0.525 0.810 -0.011  0.010
    ring_dip        0.535 0.810 -0.012  0.009
    ring_tip        0.544 0.810 -0.013  0.008
    pinky_pip       0.513 0.810 -0.023  0.010
    pinky_dip       0.521 0.810 -0.025  0.009
    pinky_tip       0.529 0.810 -0.026  0.008
    jaw_1           0.041 0.932  0.004  0.010
    jaw_2           0.040 0.924  0.013  0.010
    jaw_3           0.038 0.915  0.021  0.010
    jaw_4           0.034 0.904  0.028  0.010
    jaw_5           0.029 0.894  0.035  0.010
    jaw_6           0.023 0.884  0.041  0.010
    jaw_7           0.016 0.877  0.045  0.010
    jaw_8           0.008 0.872  0.047  0.010
    chin            0.000 0.870  0.048  0.012
    brow_1          0.036 0.951  0.044  0.008
    brow_2          0.029 0.953  0.046  0.008
    brow_3          0.023 0.954  0.048  0.008
    brow_4          0.016 0.953  0.050  0.008
    brow_5          0.010 0.951  0.052  0.008
    nose_bridge_1   0.000 0.939  0.054  0.008
    nose_bridge_2   0.000 0.933  0.056  0.008
    nose_bridge_3   0.000 0.927  0.058  0.008
    nose_bridge_4   0.000 0.921  0.060  0.008
    nose_base       0.000 0.914  0.056  0.008
    nose_side       0.005 0.915  0.055  0.007
    nostril         0.010 0.916  0.053  0.007
    eye_upper_outer 0.029 0.945  0.048  0.006
    eye_upper_inner 0.016 0.945  0.048  0.006
    eye_lower_inner 0.016 0.939  0.048  0.006
    eye_lower_outer 0.029 0.939  0.048  0.006
    lip_upper_outer 0.010 0.903  0.053  0.006
    lip_upper_inner 0.004 0.905  0.053  0.006
    lip_lower_outer 0.010 0.896  0.053  0.006
    lip_lower_inner 0.004 0.894  0.053  0.006
    mouth_inner     0.012 0.900  0.053  0.006
    lip_upper_edge  0.005 0.901  0.053  0.006
    lip_lower_edge  0.005 0.899  0.053  0.006
    lip_upper_middle 0.000 0.902  0.054  0.006
    lip_lower_middle 0.000 0.897  0.054  0.006
    lip_upper       0.000 0.904  0.054  0.006
    lip_lower       0.000 0.893  0.054  0.006
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
