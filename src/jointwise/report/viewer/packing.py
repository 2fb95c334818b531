"""Clips for the viewer, and how small they become in a page: 16-bit coordinates, masks as bits, shared arrays once."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.sequence import Bools, Floats
from jointwise.data.skeletons import Skeleton
from jointwise.errors import DataError

STEPS = 65_534  # of a clip's extent: what a coordinate is rounded to; 0.08 mm in a room of 5 m
BARS = 5  # classes shown of an answer, besides the true one
REACH = 4.0  # how far from most points a point may lie before it is an outlier, in spans of most points
BEYOND = 2.0  # how far out of the picture an outlier is drawn, in sizes of the box around all others
SANE_SIZE = (1e-3, 1e6)  # of a person, in units of the data: others are scaled to 1, for the graphics card's sake


@dataclass(frozen=True, eq=False)
class Panel:
    """One view of a clip: positions (M, T, V, C), valid (M, T, V), shown (M, T, V) or None for all.

    C is 2 or 3, in the unit and the axes of the skeleton. Places that are not valid are drawn faintly, those not shown
    not at all, or as a speck where the panel is about `hiding`. Raises DataError for shapes that do not fit, and for
    valid places without finite coordinates.
    """

    title: str
    skeleton: Skeleton
    positions: Floats
    valid: Bools
    shown: Bools | None = None
    hiding: bool = False

    def __post_init__(self) -> None:
        shape, joints = np.shape(self.positions), len(self.skeleton.joints)
        if len(shape) != 4 or shape[2] != joints or shape[3] not in (2, 3) or 0 in shape:
            raise DataError(
                f"panel '{self.title}': positions have shape {shape}, but skeleton '{self.skeleton.name}' needs "
                f"(persons, frames, {joints}, 3), or 2 coordinates; at least one person and one frame."
            )
        for name, mask in (("valid", self.valid), ("shown", self.shown)):
            if mask is not None and np.shape(mask) != shape[:3]:
                raise DataError(
                    f"panel '{self.title}': {name} has shape {np.shape(mask)}, positions need {shape[:3]} "
                    "(persons, frames, joints)."
                )
        broken = self.drawn & self.valid & ~np.isfinite(self.positions).all(-1)
        if broken.any():
            person, frame, joint = np.argwhere(broken)[0].tolist()
            raise DataError(
                f"panel '{self.title}': person {person}, frame {frame}, joint {joint} "
                f"({self.skeleton.joints[joint]}) is valid but not finite. Mark it as not valid."
            )

    @property
    def drawn(self) -> Bools:
        """(M, T, V): where something is drawn, if only faintly, once places without any coordinates are left out."""
        everywhere = np.ones(self.valid.shape, bool) if self.shown is None else np.asarray(self.shown, bool)
        return everywhere & (self.valid | np.isfinite(self.positions).all(-1))


def recorded(title: str, skeleton: Skeleton, positions: Floats, valid: Bools) -> Panel:
    """The panel of prepared positions: a joint of a person that is valid in no frame has no place, and is not drawn."""
    ever = np.broadcast_to(valid.any(1, keepdims=True), valid.shape)
    return Panel(title, skeleton, positions, valid, None if ever.all() else ever)


@dataclass(frozen=True)
class Answer:
    """What one recogniser said of a clip: its name, and (class, probability) pairs in any order."""

    title: str
    scores: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        if not self.scores:
            raise DataError(f"answer '{self.title}' names no class.")


@dataclass(frozen=True)
class Clip:
    """What is shown at a time: panels side by side, all of T frames at `fps`; the true class, answers to it."""

    title: str
    fps: float
    panels: tuple[Panel, ...]
    truth: str | None = None
    answers: tuple[Answer, ...] = ()

    def __post_init__(self) -> None:
        if not self.panels:
            raise DataError(f"clip '{self.title}' has no panel. Give it one at least.")
        lengths = {panel.positions.shape[1] for panel in self.panels}
        if len(lengths) > 1:
            raise DataError(f"clip '{self.title}': panels of {sorted(lengths)} frames. Give all the same frames.")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise DataError(f"clip '{self.title}': {self.fps} frames per second. Give a number above 0.")

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return int(self.panels[0].positions.shape[1])


def display_axes(skeleton: Skeleton, coordinates: int, down: bool = False) -> tuple[tuple[int, float], ...]:
    """For x (right), y (up) and z (towards the viewer) on the screen: which coordinate of the data, with which sign.

    The viewer stands where the sensor stood. Three coordinates are right-handed with the depth growing away from the
    sensor, so a Kinect's x, its own left, points left. Two coordinates are a picture's: x to the right, depth 0.
    down: the axis named up (y where none is) points down, as in images.
    """
    up = 1 if skeleton.up is None else skeleton.up
    upwards = -1.0 if down else 1.0
    if coordinates == 2:
        return ((1 - min(up, 1), 1.0), (min(up, 1), upwards))
    side = skeleton.lateral if skeleton.lateral not in (None, up) else (0 if up != 0 else 1)
    depth = 3 - side - up
    even = (side, up, depth) in ((0, 1, 2), (1, 2, 0), (2, 0, 1))
    return ((side, -upwards if even else upwards), (up, upwards), (depth, -1.0))


def points_down(panel: Panel) -> bool:
    """Whether y points down: where the skeleton does not say what is up, heads that lie below feet or hips tell."""
    joints = panel.skeleton.joints
    heads = [joint in ("head", "head_top", "nose") for joint in joints]
    feet = [joint.endswith(("_hip", "_ankle", "_foot")) for joint in joints]
    height, used = panel.positions[..., 1], panel.valid & panel.drawn
    if panel.skeleton.up is not None or not used[..., heads].any() or not used[..., feet].any():
        return False
    head, foot = (np.median(height[..., some][used[..., some]].astype(float)) for some in (heads, feet))
    return bool(head < foot)


def to_display(positions: Floats, skeleton: Skeleton, down: bool = False) -> npt.NDArray[np.float64]:
    """(M, T, V, C) in the axes of the data -> (M, T, V, 3) in those of the screen, see `display_axes`."""
    turned = np.zeros((*positions.shape[:3], 3))
    for axis, (source, sign) in enumerate(display_axes(skeleton, positions.shape[3], down)):
        turned[..., axis] = sign * positions[..., source]
    return turned


def bounds(points: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The corners (3,), (3,) of the box around points (N, 3), N > 0, without outliers.

    An outlier lies farther from where most points are (between the 10 % and the 90 % of them along each axis) than
    `REACH` times the longest side of that: one frame at 1e6 m may not decide what is seen of all others.
    """
    low = np.quantile(points, 0.1, axis=0, method="higher")  # inwards, so that 10 % of outliers are not yet in it
    high = np.quantile(points, 0.9, axis=0, method="lower")
    reach = REACH * float((high - low).max())
    if reach > 0:
        points = points[((points >= low - reach) & (points <= high + reach)).all(-1)]
    return points.min(0), points.max(0)


def quantise(values: npt.NDArray[np.float64], low: float, step: float) -> bytes:
    """Numbers as little-endian 16-bit integers k, standing for low + (k + 32767) · step."""
    return (np.round((values - low) / step) - STEPS // 2).astype("<i2").tobytes()


def pack_bits(mask: Bools) -> str | None:
    """A mask as base64, first place in the lowest bit; None where all of it is True."""
    return None if mask.all() else _text(np.packbits(mask.ravel(), bitorder="little").tobytes())


def printable(text: str) -> str:
    """The text with what no file can hold replaced: halves of surrogate pairs, as in file names that are not UTF-8.

    >>> printable("caf\\udce9")
    'caf\ufffd'
    """
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def as_json(packed: dict[str, Any]) -> str:
    """What `pack` gives as it stands in a page."""
    return printable(json.dumps(packed, ensure_ascii=False, separators=(",", ":"))).replace("<", "\\u003c")


def pack(clips: Sequence[Clip], room: int) -> dict[str, Any]:
    """The JSON of clips, at most `room` bytes: where they are too long, frames are left out evenly.

    Raises DataError when not even two frames of each would fit.
    """
    limit = frame_limit(clips, room)
    if limit is None:
        raise DataError(f"{len(clips)} clips do not fit into one page. Show fewer.")
    return _pack(clips, limit)


def _pack(clips: Sequence[Clip], limit: int) -> dict[str, Any]:
    skeletons = list(dict.fromkeys(panel.skeleton for clip in clips for panel in clip.panels))
    return {
        "clips": [_pack_clip(clip, skeletons, min(limit, clip.frames)) for clip in clips],
        "skeletons": [_pack_skeleton(skeleton) for skeleton in skeletons],
    }


def frame_limit(clips: Sequence[Clip], room: int, fewest: int = 2) -> int | None:
    """How many frames a clip may keep so that all fit into `room` bytes; None when that is below `fewest`."""
    per_frame = [_bytes_per_frame(clip) for clip in clips]
    room -= len(as_json(_pack(clips, 1)).encode()) + 256 * len(clips)  # all but the frames; longer numbers, full masks

    def needed(limit: int) -> float:
        return sum(size * min(limit, clip.frames) for clip, size in zip(clips, per_frame, strict=True))

    low, high = fewest, max([fewest, *(clip.frames for clip in clips)])
    if needed(low) > room:
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if needed(middle) <= room else (low, middle - 1)
    return low


def _bytes_per_frame(clip: Clip) -> float:
    arrays = _shared(clip.panels)
    numbers = sum(panels[0].positions[:, 0, :, 0].size * 6 for panels in arrays)
    return 4 / 3 * (numbers + sum(panel.valid[:, 0].size * 2 / 8 for panel in clip.panels))


def _shared(panels: Iterable[Panel]) -> list[list[Panel]]:
    """Panels in groups of the same positions."""
    groups: list[list[Panel]] = []
    for panel in panels:
        for group in groups:
            same = group[0].positions is panel.positions or np.array_equal(group[0].positions, panel.positions)
            if same and group[0].skeleton == panel.skeleton:
                group.append(panel)
                break
        else:
            groups.append([panel])
    return groups


def _pack_clip(clip: Clip, skeletons: list[Skeleton], frames: int) -> dict[str, Any]:
    kept = np.linspace(0, clip.frames - 1, frames).round().astype(int)
    groups, down = _shared(clip.panels), points_down(clip.panels[0])
    lowest, highest, size = _extent(clip.panels[0], down)
    scale = 1.0 if SANE_SIZE[0] <= size <= SANE_SIZE[1] else 1 / size
    lowest, highest, size = lowest * scale, highest * scale, size * scale
    arrays = [scale * to_display(group[0].positions[:, kept], group[0].skeleton, down) for group in groups]
    low, high = _range(arrays, lowest, highest, size)
    step = max(high - low, 1e-6) / STEPS
    panels = [
        {
            "title": panel.title,
            "skeleton": skeletons.index(panel.skeleton),
            "array": next(place for place, group in enumerate(groups) if any(panel is member for member in group)),
            "valid": pack_bits(panel.valid[:, kept]),
            "shown": pack_bits(panel.drawn[:, kept]),
            "hiding": panel.hiding,
        }
        for panel in clip.panels
    ]
    return {
        "title": clip.title,
        "fps": clip.fps * frames / clip.frames,
        "frames": frames,
        "of": clip.frames,
        "truth": clip.truth,
        "answers": [_pack_answer(answer, clip.truth) for answer in clip.answers],
        "low": low,
        "step": step,
        "arrays": [
            _text(quantise(np.where(np.isfinite(array), array, low).clip(low, high), low, step)) for array in arrays
        ],
        "panels": panels,
        "box": [lowest.round(4).tolist(), highest.round(4).tolist()],
        "size": size,
    }


def _extent(panel: Panel, down: bool) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """The corners of the box around the valid places of a panel, as shown on screen, and the size of a person in it."""
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


def _range(
    arrays: Sequence[npt.NDArray[np.float64]],
    lowest: npt.NDArray[np.float64],
    highest: npt.NDArray[np.float64],
    size: float,
) -> tuple[float, float]:
    """What coordinates are kept of arrays that are shown in a box: all, or at most `BEYOND` times its size around."""
    finite = np.concatenate([array[np.isfinite(array)] for array in arrays])
    if not len(finite):
        return 0.0, 1.0
    beyond = BEYOND * max(float((highest - lowest).max()), size)
    low, high = max(finite.min(), lowest.min() - beyond), min(finite.max(), highest.max() + beyond)
    return float(min(low, high)), float(max(low, high))


def _pack_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    sides = {"left": 1, "right": 2}
    return {
        "joints": [joint.replace("_", " ") for joint in skeleton.joints],
        "sides": [sides.get(joint.partition("_")[0], 0) for joint in skeleton.joints],
        "bones": [list(pair) for pair in skeleton.bone_indices],
        "head": skeleton.joints.index("head") if "head" in skeleton.joints else None,
    }


def _pack_answer(answer: Answer, truth: str | None) -> dict[str, Any]:
    """The likeliest classes as [name, probability], likeliest first, and the true one if it is not among them."""
    ranked = sorted(answer.scores, key=lambda pair: -pair[1])
    rows = [pair for place, pair in enumerate(ranked) if place < BARS or pair[0] == truth]
    return {"title": answer.title, "rows": [[name, round(float(share), 4)] for name, share in rows]}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
