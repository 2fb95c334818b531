"""Bare arrays of coordinates: which axis is which, said by the user or found by the shape and by how bodies move.

Axes are letters: M person, T frame, V joint, C coordinate. Letters in brackets share one axis, the last one runs
fastest: `T(VC)` is a row for each frame with x, y, z of the first joint, then of the second.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.format import ReadOptions
from jointwise.data.sequence import Floats, Sequence, as_float_array
from jointwise.data.skeletons import MAX_JOINTS, MIN_JOINTS, SKELETONS, Skeleton, get_skeleton, unnamed_skeleton
from jointwise.errors import ConfigError, ReadError

MOST_PERSONS = 8  # more along an axis are frames
STEADIER = 2.0  # how many times steadier bones must be under one order than under the next, or steps shorter
_WORDS = {"M": "persons", "T": "frames", "V": "joints", "C": "coordinates"}
_FLAT = {1: (), 2: ("T(VC)", "T(MVC)"), 3: ("MT(VC)", "TM(VC)")}
_FPS = 30.0


def from_arrays(
    positions: npt.ArrayLike,
    confidence: npt.ArrayLike | None = None,
    *,
    layout: str | Skeleton,
    fps: float,
    axes: str = "MTVC",
    units: str | None = "m",
    up: str | None = "y",
) -> Sequence:
    """Make a recording of arrays, such as those of a pose estimator.

    Args:
        positions: Coordinates; NaN where a joint was not seen. C is 2 or 3.
        confidence: How sure the detector was, from 0 to 1, with the same axes without C. A joint below 0.3 counts as
            not seen, as in `read`.
        layout: The joints, or the name of a shipped layout.
        fps: Frames per second.
        axes: What the axes of `positions` are, in their order: M persons (may be left out), T frames, V joints, C
            coordinates. Letters in brackets share an axis: `T(VC)`.
        units: The unit of the coordinates: `m`, `cm`, `mm`, `px`, or None where unknown.
        up: The axis that points up, such as `y`, or `-y` for images; None where unknown.

    Returns:
        The recording.

    Raises:
        ConfigError: `axes` is no order of axes, or the layout is unknown.
        ReadError: The shapes do not fit `axes` and the layout.

    >>> import numpy as np
    >>> from_arrays(np.zeros((40, 17, 2)), layout="coco17", fps=25, axes="TVC", units="px", up="-y")
    Sequence(40 frames, 1 person, coco17, 25 fps, 2D, 100.0 % seen, array)
    """
    skeleton = get_skeleton(layout) if isinstance(layout, str) else layout
    points = in_order(as_float_array(positions, "array"), axes, len(skeleton.joints))
    valid = np.asarray(np.isfinite(points).all(-1), bool)
    scores = None
    if confidence is not None:
        scores = in_order(as_float_array(confidence, "confidence"), axes.replace("C", ""), len(skeleton.joints))
        if scores.shape != points.shape[:3]:
            raise ReadError(
                f"the confidences have the shape {np.shape(confidence)}, positions {np.shape(positions)} need one with "
                "the same axes without the last coordinate."
            )
        scores = np.nan_to_num(scores)
        valid &= scores >= ReadOptions().min_confidence
    return Sequence(points, skeleton, valid, float(fps), confidence=scores, units=units, up=up)


def in_order(array: npt.NDArray[Any], axes: str, joints: int) -> Floats:
    """Bring axes into the order M, T, V, C; without C into M, T, V.

    Args:
        array: Any array.
        axes: Its axes, as for `from_arrays`.
        joints: Number of joints V.

    Raises:
        ConfigError: `axes` is no order of axes.
        ReadError: The shape does not fit.
    """
    groups = re.findall(r"\(([MTVC]+)\)|([MTVC])", axes)
    letters = "".join(group or letter for group, letter in groups)
    rest = re.sub(r"\([MTVC]+\)|[MTVC]", "", axes)
    if rest.strip() or len(set(letters)) != len(letters) or not {"T", "V"} <= set(letters):
        raise ConfigError(
            f"axes {axes!r}: expected the letters M (persons, may be left out), T (frames), V (joints), C (coordinates)"
            " in the order of the array, each once; those that share an axis in brackets, as in T(VC)."
        )
    shape = array.shape
    wrong = ReadError(
        f"axes {axes} do not fit an array of shape {shape} with {joints} joints. Say what each axis is, such as TVC "
        "for (frames, joints, coordinates), and name the layout that has these joints."
    )
    if len(groups) != len(shape):
        raise wrong
    sizes: list[int] = []
    for (group, _letter), size in zip(groups, shape, strict=True):
        sizes += _split(group, size, joints) if group else [size]
    if -1 in sizes or math.prod(sizes) != array.size or sizes[letters.index("V")] != joints:
        raise wrong
    array = array.reshape(sizes)
    if "M" not in letters:
        array, letters = array[None], "M" + letters
    wanted = [letter for letter in "MTVC" if letter in letters]
    return np.ascontiguousarray(array.transpose([letters.index(letter) for letter in wanted]), np.float32)


def _split(group: str, size: int, joints: int) -> list[int]:
    """The sizes of letters that share an axis; -1 where they cannot be told."""
    rest = size / joints if "V" in group else float(size)
    known = {"V": joints}
    if "C" in group:
        coordinates = next((c for c in (3, 2) if rest == c or ("M" in group and rest % c == 0)), -1)
        known["C"] = coordinates
        rest /= coordinates
    known["M" if "M" in group else "T"] = int(rest) if rest == int(rest) else -1
    return [known.get(letter, -1) for letter in group]


def array_recording(path: Path, array: npt.NDArray[Any], options: ReadOptions) -> Sequence:
    """Make a recording of an array whose axes nobody has named.

    Args:
        path: The file.
        array: Coordinates, 2 to 5 axes. Of five axes, the first counts recordings and must be 1.
        options: What the user says; a layout tells the number of joints.

    Returns:
        The recording. `assumed` says which order was taken.

    Raises:
        ReadError: No order fits, or several.
    """
    if array.dtype.kind not in "fiu":
        raise ReadError(f"{path}: an array of type {array.dtype}, expected real numbers.")
    shape = array.shape
    if array.ndim == 5 and shape[0] == 1:
        array = array[0]
    elif array.ndim == 5:
        raise ReadError(
            f"{path}: an array of shape {shape} holds {shape[0]} recordings, not one. Save each in a file of its own."
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    orders = list(_orders(array.shape, options))
    if not orders:
        raise ReadError(f"{path}: shape {shape} is no recording: {_NOTHING_FITS} {_SAY_IT}")
    if len(orders) > 1:
        orders = _likeliest(array, orders)
    if len(orders) > 1:
        listed = "; ".join(_described(order, joints, array.shape) for order, joints in orders)
        raise ReadError(f"{path}: shape {shape} can be read in {len(orders)} ways: {listed}. {_SAY_IT}")
    order, joints = orders[0]
    told = (f"The axes of {shape} are taken for {_described(order, joints, array.shape)}.",)
    points, scores, about = _coordinates(array, order, joints)
    skeleton, guess = _layout(joints, options)
    fps = (f"The file does not say its frame rate: {_FPS:g} frames per second are assumed (fps sets it).",)
    return Sequence(
        positions=np.nan_to_num(points, posinf=0, neginf=0),
        skeleton=skeleton,
        valid=np.asarray(np.isfinite(points).all(-1), bool),
        fps=options.fps or _FPS,
        source=str(path),
        confidence=scores,
        assumed=(*told, *about, *guess, *(() if options.fps else fps)),
    )


_SAY_IT = (
    "Say it: name the layout (--layout), or save it with numpy.savez(path, positions=array, axes='TVC', "
    "joints='ntu25') (M persons, T frames, V joints, C coordinates), or use "
    "jointwise.from_arrays(array, axes=…, layout=…, fps=…)."
)
_NOTHING_FITS = (
    "no order of its axes gives 2 to 4 coordinates (x, y, z and a confidence), a number of joints that a known layout "
    f"has, and at most {MOST_PERSONS} persons and no more of them than frames."
)


def fits(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape may be one recording."""
    if len(shape) == 5:
        return shape[0] == 1 and fits(shape[1:])
    return len(shape) >= 2 and any(_orders(shape, ReadOptions()))


def _known_counts(options: ReadOptions) -> set[int]:
    if options.layout is not None:
        return {len(options.layout.joints)}
    return {len(skeleton.joints) for skeleton in SKELETONS.values()}


def _orders(shape: tuple[int, ...], options: ReadOptions) -> Iterator[tuple[str, int]]:
    """(axes, number of joints) of all orders that fit a shape; (VC) of 4 or 2 + 1 coordinates included."""
    counts = _known_counts(options)
    if len(shape) in (3, 4):
        for letters in permutations("TVC" if len(shape) == 3 else "MTVC"):
            size = dict(zip(letters, shape, strict=True))
            persons = size.get("M", 1)
            if size["C"] in (2, 3, 4) and size["V"] in counts and persons <= min(MOST_PERSONS, size["T"]):
                yield "".join(letters), size["V"]
    for axes in _FLAT.get(len(shape), ()):
        persons = shape[axes.index("M")] if axes[0] == "M" or axes[1] == "M" else 2 if "(M" in axes else 1
        if persons > min(MOST_PERSONS, shape[axes.replace("(", "").index("T")]):
            continue
        values = shape[-1] // (2 if "(M" in axes else 1)
        if "(M" in axes and (shape[-1] % 2 or values not in (75, 60)):
            continue  # two bodies in one row: NTU's and UTD's files of 150 and 120 numbers
        for joints in sorted(counts):
            if joints >= MIN_JOINTS and values % joints == 0 and values // joints in (2, 3, 4):
                yield axes, joints


def _described(order: str, joints: int, shape: tuple[int, ...]) -> str:
    """An order in words: TVC (30 frames, 25 joints, 3 coordinates)."""
    words = []
    for (group, letter), size in zip(re.findall(r"\(([MTVC]+)\)|([MTVC])", order), shape, strict=True):
        if group:
            persons = 2 if "M" in group else 1
            each = f"{joints} joints × {size // joints // persons} coordinates"
            words.append(f"2 persons × {each}" if persons == 2 else each)
        else:
            words.append(f"{size} {_WORDS[letter][:-1] if size == 1 else _WORDS[letter]}")
    return f"{order} ({', '.join(words)})"


def _coordinates(
    array: Floats, order: str, joints: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None, tuple[str, ...]]:
    """(M, T, V, C) coordinates, (M, T, V) confidences where a channel looks like them, and what was assumed."""
    if "(" in order:
        persons = 2 if "(M" in order else 1
        head = array.shape[:-1]
        array = array.reshape(*head, *((persons,) if persons == 2 else ()), joints, -1)
        order = order.replace("(", "").replace(")", "")
    if "M" not in order:
        array, order = array[None], "M" + order
    points = array.transpose([order.index(letter) for letter in "MTVC"])
    last = points[..., -1]
    finite = last[np.isfinite(last)]
    within = bool(len(finite)) and float(finite.min()) >= 0 and float(finite.max()) <= 1.0001
    if points.shape[-1] == 4:
        return (
            points[..., :3],
            (np.clip(np.nan_to_num(last), 0, 1) if within else None),
            ("The fourth number of each joint is its confidence." if within else "The fourth number is left out.",),
        )
    others = points[..., :-1]
    wide = float(np.nanmax(np.abs(others))) if np.isfinite(others).any() else 0.0
    if points.shape[-1] == 3 and within and wide > 10 and float(finite.std()) > 0:
        note = "The third number of each joint lies in 0 to 1 beside hundreds: it is taken for a confidence, not for z."
        return points[..., :2], np.clip(np.nan_to_num(last), 0, 1), (note,)
    return points, None, ()


def _layout(joints: int, options: ReadOptions) -> tuple[Skeleton, tuple[str, ...]]:
    """The user's layout, or joints without names."""
    if options.layout is not None:
        return options.layout, ()
    fitting = [skeleton.name for skeleton in SKELETONS.values() if len(skeleton.joints) == joints]
    hint = f"The {joints} joints have no names; name their layout (--layout), such as {' or '.join(fitting)}."
    return unnamed_skeleton(joints), (hint,)


def _likeliest(array: Floats, orders: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The order under which an array is a moving body; several where none stands out.

    From frame to frame a joint moves less than from one joint to the next: that tells frames from joints. In a body,
    some joints keep their distance: that tells persons from coordinates.
    """
    smooth = [order for order in orders if _is_smooth(_coordinates(array, *order)[0])] or orders
    if len(smooth) == 1 or len({(order.index("T"), order.index("V")) for order, _ in smooth}) > 1:
        return smooth
    rated = sorted((_unsteadiness(array, *order), place) for place, order in enumerate(smooth))
    return [smooth[rated[0][1]]] if rated[0][0] * STEADIER < rated[1][0] else smooth


def _is_smooth(points: npt.NDArray[np.float32]) -> bool:
    """Whether the usual step from frame to frame is much shorter than that from joint to joint."""
    present = np.isfinite(points).all(-1) & (points != 0).any(-1)
    steps = []
    for axis in (1, 2):
        both = np.take(present, range(1, points.shape[axis]), axis) & np.take(
            present, range(points.shape[axis] - 1), axis
        )
        lengths = np.linalg.norm(np.diff(points, axis=axis), axis=-1)[both]
        steps.append(float(np.median(lengths)) if len(lengths) else math.inf)
    return steps[0] * STEADIER < steps[1] < math.inf


def _unsteadiness(array: Floats, order: str, joints: int) -> float:
    """Relative change over time of the steadiest tenth of the distances between joints; small for a body."""
    points = _coordinates(array, order, joints)[0]
    present = np.isfinite(points).all(-1) & (points != 0).any(-1)
    if points.shape[1] < 2 or points.shape[2] > MAX_JOINTS:
        return math.inf
    change = []
    for person, seen in zip(points, present, strict=True):
        frames = seen.all(1)
        if frames.sum() < 2:
            continue
        some = person[frames][:: max(1, int(frames.sum()) // 64)]
        first, second = np.triu_indices(points.shape[2], 1)
        distances = np.linalg.norm(some[:, first] - some[:, second], axis=-1)
        mean = distances.mean(0)
        relative = distances.std(0)[mean > 0] / mean[mean > 0]
        if len(relative):
            change.append(float(np.quantile(relative, 0.1)))
    return max(change) if change else math.inf
