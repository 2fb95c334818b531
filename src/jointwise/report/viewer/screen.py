"""From the axes of the data to those of the screen, and the box that a clip fills there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from jointwise.data.sequence import Floats
from jointwise.data.skeletons import Skeleton
from jointwise.report.viewer.clips import Panel

REACH = 4.0  # an outlier is this far from the core of the points, in longest sides of the core


def display_axes(skeleton: Skeleton, coordinates: int, down: bool = False) -> tuple[tuple[int, float], ...]:
    """The coordinate of the data, and its sign, for each axis of the screen.

    The viewer stands where the sensor stood. Three coordinates are taken as right-handed, the depth growing away from
    the sensor. So a Kinect's x, its own left, points left. Two coordinates are those of a picture: x to the right,
    depth 0.

    Args:
        skeleton: Names the lateral and the upward axis.
        coordinates: 2 or 3.
        down: Whether the upward axis (y where none is named) points down, as in images.

    Returns:
        (coordinate, sign) for x (right), y (up) and, of three coordinates, z (towards the viewer).
    """
    up = 1 if skeleton.up is None else skeleton.up
    upwards = -1.0 if down else 1.0
    if coordinates == 2:
        return ((1 - min(up, 1), 1.0), (min(up, 1), upwards))
    side = skeleton.lateral
    if side is None or side == up:
        side = 0 if up != 0 else 1
    depth = 3 - side - up
    even = (side, up, depth) in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    return ((side, -upwards if even else upwards), (up, upwards), (depth, -1.0))


def points_down(panel: Panel) -> bool:
    """Whether the y axis of a panel points down.

    Where the skeleton does not name an upward axis, y points down if heads have a smaller y than feet or hips.
    """
    joints = panel.skeleton.joints
    heads = [joint in ("head", "head_top", "nose") for joint in joints]
    feet = [joint.endswith(("_hip", "_ankle", "_foot")) for joint in joints]
    height = panel.positions[..., 1]
    used = panel.valid & panel.drawn
    if panel.skeleton.up is not None or not used[..., heads].any() or not used[..., feet].any():
        return False
    head, foot = (np.median(height[..., some][used[..., some]].astype(float)) for some in (heads, feet))
    return bool(head < foot)


def to_display(positions: Floats, skeleton: Skeleton, down: bool = False) -> npt.NDArray[np.float64]:
    """Turn positions into the axes of the screen.

    Args:
        positions: (M, T, V, C) in the axes of the data.
        skeleton: As for `display_axes`.
        down: As for `display_axes`.

    Returns:
        (M, T, V, 3).
    """
    turned = np.zeros((*positions.shape[:3], 3))
    for axis, (source, sign) in enumerate(display_axes(skeleton, positions.shape[3], down)):
        turned[..., axis] = sign * positions[..., source]
    return turned


def bounds(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The box around points without outliers, so that one frame at 1e6 m does not make all others invisible.

    The core is the box between the 10 % and the 90 % quantile along each axis. An outlier is farther from it than
    `REACH` times its longest side.

    Args:
        points: (N, 3), N > 0.

    Returns:
        Lowest and highest corner, (3,) each.
    """
    low = np.quantile(points, 0.1, axis=0, method="higher")  # rounded inwards: 10 % of outliers are then outside
    high = np.quantile(points, 0.9, axis=0, method="lower")
    reach = REACH * float((high - low).max())
    if reach > 0:
        points = points[((points >= low - reach) & (points <= high + reach)).all(-1)]
    return points.min(0), points.max(0)


def extent(panel: Panel, down: bool) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """The box around the valid joints of a panel on screen, and the size of a person.

    Args:
        panel: A panel.
        down: Whether its y axis points down.

    Returns:
        Lowest corner (3,), highest corner (3,), median diagonal of a person.
    """
    points = to_display(panel.positions, panel.skeleton, down)
    used = panel.valid & panel.drawn
    if not used.any():
        return np.full(3, -0.5), np.full(3, 0.5), 1.0
    low, high = bounds(points[used])
    points = points.clip(low, high)
    lowest, highest = (np.where(used[..., None], points, far) for far in (np.inf, -np.inf))
    spans = np.linalg.norm((highest.max(2) - lowest.min(2))[used.any(2)], axis=-1)
    size = float(np.median(spans))
    return low, high, size if size > 0 else 1.0
