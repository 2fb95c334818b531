"""Clips as compact JSON in a page: coordinates of 16 bits, masks of bits, shared arrays once."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.rest_pose import ball_radius, bone_radii
from jointwise.data.sequence import Bools
from jointwise.data.skeletons import Skeleton
from jointwise.errors import DataError
from jointwise.inference.answers import NONE
from jointwise.inference.timeline import Segment
from jointwise.report.viewer.clips import Answer, Clip, Panel
from jointwise.report.viewer.screen import extent, points_down, to_display

STEPS = 65_534  # values a coordinate may take, less one: 0.08 mm apart in a room of 5 m
BARS = 5  # classes shown of an answer, besides the true one
BEYOND = 2.0  # how far outside the box of a clip an outlier is drawn at most, in sizes of the box
SANE_SIZE = (1e-3, 1e6)  # of a person, in units of the data; other sizes are scaled to 1, as graphics cards need it


def quantise(values: npt.NDArray[np.float64], low: float, step: float) -> bytes:
    """Numbers as little-endian 16-bit integers k, each standing for low + (k + 32767) · step.

    Args:
        values: Numbers from low to low + 65534 · step.
        low: Smallest number.
        step: Distance of two neighbouring numbers.
    """
    return (np.round((values - low) / step) - STEPS // 2).astype("<i2").tobytes()


def pack_bits(mask: Bools) -> str | None:
    """A mask as base64, eight values per byte, the first in the lowest bit; None if every value is True."""
    return None if mask.all() else _base64(np.packbits(mask.ravel(), bitorder="little").tobytes())


def printable(text: str) -> str:
    """The text without halves of surrogate pairs, which no file can hold; file names that are not UTF-8 have them.

    >>> printable("caf\\udce9")
    'caf\ufffd'
    """
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def as_json(packed: dict[str, Any]) -> str:
    """The content of `pack` as JSON that may stand inside a `<script>` element."""
    return printable(json.dumps(packed, ensure_ascii=False, separators=(",", ":"))).replace("<", "\\u003c")


def pack(clips: Sequence[Clip], limit: int) -> dict[str, Any]:
    """Pack clips into at most `limit` bytes of JSON; where they are too long, frames are left out evenly.

    Args:
        clips: Clips.
        limit: Size of the JSON in bytes.

    Returns:
        What `as_json` writes and scene.js decodes.

    Raises:
        DataError: Not even two frames of each clip fit.
    """
    frames = frame_limit(clips, limit)
    if frames is None:
        raise DataError(f"{len(clips)} clips do not fit into one page. Show fewer.")
    return _pack(clips, frames)


def _pack(clips: Sequence[Clip], most_frames: int) -> dict[str, Any]:
    skeletons = list(dict.fromkeys(panel.skeleton for clip in clips for panel in clip.panels))
    return {
        "clips": [_pack_clip(clip, skeletons, min(most_frames, clip.frames)) for clip in clips],
        "skeletons": [_pack_skeleton(skeleton) for skeleton in skeletons],
    }


def frame_limit(clips: Sequence[Clip], limit: int, fewest: int = 2) -> int | None:
    """How many frames of a clip may be packed so that all clips fit into `limit` bytes.

    Args:
        clips: Clips.
        limit: Size of the JSON in bytes.
        fewest: The smallest useful number of frames.

    Returns:
        Frames of each clip; None when they are fewer than `fewest`.
    """
    per_frame = [_bytes_per_frame(clip) for clip in clips]
    # all but the frames; 256 bytes a clip for longer numbers and for masks that are not all True
    limit -= len(as_json(_pack(clips, 1)).encode()) + 256 * len(clips)

    def size(frames: int) -> float:
        return sum(each * min(frames, clip.frames) for clip, each in zip(clips, per_frame, strict=True))

    low = fewest
    high = max([fewest, *(clip.frames for clip in clips)])
    if size(low) > limit:
        return None
    while low < high:
        middle = (low + high + 1) // 2
        if size(middle) <= limit:
            low = middle
        else:
            high = middle - 1
    return low


def _bytes_per_frame(clip: Clip) -> float:
    numbers = sum(panels[0].positions[:, 0, :, 0].size * 6 for panels in _group_by_positions(clip.panels))
    return 4 / 3 * (numbers + sum(panel.valid[:, 0].size * 2 / 8 for panel in clip.panels))  # base64: 4 bytes for 3


def _group_by_positions(panels: Iterable[Panel]) -> list[list[Panel]]:
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
    packed_frames = np.linspace(0, clip.frames - 1, frames).round().astype(int)
    groups = _group_by_positions(clip.panels)
    down = points_down(clip.panels[0])
    lowest, highest, size = extent(clip.panels[0], down)
    scale = 1.0 if SANE_SIZE[0] <= size <= SANE_SIZE[1] else 1 / size
    lowest *= scale
    highest *= scale
    size *= scale
    arrays = [
        scale * to_display(group[0].positions[:, packed_frames], group[0].skeleton, _is_down(group[0], clip, down))
        for group in groups
    ]
    low, high = _range(arrays, lowest, highest, size)
    step = max(high - low, 1e-6) / STEPS
    panels = [
        {
            "title": panel.title,
            "skeleton": skeletons.index(panel.skeleton),
            "array": next(place for place, group in enumerate(groups) if any(panel is member for member in group)),
            "valid": pack_bits(panel.valid[:, packed_frames]),
            "shown": pack_bits(panel.drawn[:, packed_frames]),
            "hiding": panel.hiding,
            "weights": None if panel.weights is None else np.round(panel.weights, 3).tolist(),
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
        "lanes": _pack_lanes(clip.timeline) + [lane for by, one in clip.compared for lane in _pack_lanes(one, by)],
        "bars": [{"title": one.title, "words": one.words, "rows": one.rows} for one in clip.bars],
        "spans": [(*(round(number, 3) for number in span[:3]), span[3]) for span in clip.spans],
        "low": low,
        "step": step,
        "arrays": [
            _base64(quantise(np.where(np.isfinite(array), array, low).clip(low, high), low, step)) for array in arrays
        ],
        "panels": panels,
        "box": [lowest.round(4).tolist(), highest.round(4).tolist()],
        "size": size,
        "stature": clip.panels[0].stature * scale or size,
    }


def _is_down(panel: Panel, clip: Clip, down: bool) -> bool:
    """Whether the y axis of a panel points down: as `down` says of the first one; others may be of other data."""
    return down if panel.skeleton == clip.panels[0].skeleton else points_down(panel)


def _range(
    arrays: Sequence[npt.NDArray[np.float64]],
    lowest: npt.NDArray[np.float64],
    highest: npt.NDArray[np.float64],
    size: float,
) -> tuple[float, float]:
    """Smallest and largest coordinate that is packed: of all, but at most `BEYOND` sizes of the box outside it."""
    finite = np.concatenate([array[np.isfinite(array)] for array in arrays])
    if not len(finite):
        return 0.0, 1.0
    beyond = BEYOND * max(float((highest - lowest).max()), size)
    low = max(finite.min(), lowest.min() - beyond)
    high = min(finite.max(), highest.max() + beyond)
    return float(min(low, high)), float(max(low, high))


def drawn_bones(skeleton: Skeleton) -> tuple[tuple[str, str], ...]:
    """The bones that are drawn of a layout.

    They are its own. Where it has no joint between the shoulders or the hips, a line from side to side is added; bones
    from the nose to the shoulders are left out then.

    Args:
        skeleton: The layout.

    Returns:
        Pairs of joint names.

    >>> from jointwise.data.skeletons import COCO17
    >>> bones = drawn_bones(COCO17)
    >>> ("left_shoulder", "right_shoulder") in bones, ("nose", "left_shoulder") in bones
    (True, False)
    """
    bones = skeleton.bones
    for middle, joint in (("spine_shoulder", "shoulder"), ("spine_base", "hip")):
        both = (f"left_{joint}", f"right_{joint}")
        if bones and middle not in skeleton.joints and set(both) <= set(skeleton.joints):
            bones = (*(bone for bone in bones if bone not in (("nose", both[0]), ("nose", both[1]))), both)
    return bones


def _pack_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    bones = drawn_bones(skeleton)
    place = {joint: number for number, joint in enumerate(skeleton.joints)}
    sides = {"left": 1, "right": 2}
    return {
        "joints": [joint.replace("_", " ") for joint in skeleton.joints],
        "sides": [sides.get(joint.partition("_")[0], 0) for joint in skeleton.joints],
        "bones": [[place[parent], place[child]] for parent, child in bones],
        "head": skeleton.joints.index("head") if "head" in skeleton.joints else None,
        "balls": [ball_radius(joint) for joint in skeleton.joints],
        "thickness": [bone_radii(parent, child) for parent, child in bones],
    }


def _pack_answer(answer: Answer, truth: str | None) -> dict[str, Any]:
    """The likeliest classes as [name, probability], likeliest first, and the true one if it is not among them."""
    ranked = sorted(answer.scores, key=lambda pair: -pair[1])
    rows = [pair for place, pair in enumerate(ranked) if place < BARS or pair[0] == truth]
    return {"title": answer.title, "rows": [[name, round(float(share), 4)] for name, share in rows]}


def _pack_lanes(timeline: Sequence[Segment], by: str = "") -> list[dict[str, Any]]:
    """For each person the segments as [start, end, label, probability, whether it is none of the classes].

    `by` names the recogniser where it is not the first.
    """
    lanes: dict[int | str, list[list[Any]]] = {}
    for part in sorted(timeline, key=lambda part: (part.person, part.start)):
        row = [round(part.start, 3), round(part.end, 3), part.label, round(part.probability, 4), part.label == NONE]
        lanes.setdefault(part.person, []).append(row)
    return [{"person": person, "segments": rows, "by": by} for person, rows in lanes.items()]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
