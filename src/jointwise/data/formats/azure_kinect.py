"""Azure Kinect body tracking (k4abt) as JSON, as the offline processor of its samples writes it.

`{"joint_names": […], "frames": [{"timestamp_usec", "num_bodies", "bodies": [{"body_id", "joint_positions": [[x, y, z],
…]}]}]}`: millimetres in the depth camera, x to the right in the image, y down, z forward. Some programs add
`confidence_levels` to a body: 0 none, 1 predicted, 2 medium, 3 high.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.formats.detections import detection, layout_of, to_sequence
from jointwise.data.formats.files import FETCH_AGAIN
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.joint_names import layout_of as layout_of_names
from jointwise.data.formats.joint_names import standard_names
from jointwise.data.formats.json_files import expect, numbers, parse_head, read_json, take, value_at
from jointwise.data.formats.timing import dropped, fps_of_times
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.data.tracking import Detection
from jointwise.errors import ReadError

_LAYOUTS = {32: "k4abt32"}
_HIGHEST = 3  # level of confidence


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a JSON file of Azure Kinect.

    Args:
        path: The file.
        options: What the user says.

    Returns:
        The recording (M, T, 32, 3) in millimetres, y down, a person for each body id. Every joint of a body counts as
        seen, but those with confidence level 0 where the file has levels; a level is a third of the confidence.

    Raises:
        ReadError: The file is missing, empty, cut off, or not laid out as above.
        EmptyRecording: Nobody is in any frame.
    """
    content = read_json(path)
    stored = take(content, "frames", list, str(path))
    skeleton, order = _layout(path, content, options)
    frames: list[list[Detection]] = []
    times: list[float] = []
    for number, frame in enumerate(stored):
        where = f"{path}, frame {number}"
        bodies = take(frame, "bodies", list, where)
        count = frame.get("num_bodies", len(bodies))
        if count != len(bodies):
            raise ReadError(f"{where}: num_bodies is {count}, but there are {len(bodies)} bodies. {FETCH_AGAIN}")
        persons = [_body(body, order, f"{where}, body {place}") for place, body in enumerate(bodies)]
        ids = [person.person for person in persons]
        if len(set(ids)) < len(ids):
            raise ReadError(f"{where}: two bodies have the same body_id ({ids}). {FETCH_AGAIN}")
        frames.append(persons)
        time = frame.get("timestamp_usec")
        times.append(time / 1e6 if isinstance(time, int | float) else np.nan)
    fps, missing = fps_of_times(times)
    notes = dropped(missing)
    if not any(person.confidence is not None for persons in frames for person in persons):
        notes = (*notes, "The file has no confidences: every joint of a body counts as seen.")
    return to_sequence(path, frames, skeleton, options, units="mm", up="-y", fps=fps, assumed=notes)


def _layout(path: Path, content: dict[str, Any], options: ReadOptions) -> tuple[Skeleton, list[int]]:
    """The layout of the bodies, and the places of its joints in the file: by `joint_names`, else all in their order."""
    if options.layout is None and "joint_names" in content:
        names = [expect(name, str, f"{path}, 'joint_names'") for name in take(content, "joint_names", list, str(path))]
        return layout_of_names(standard_names(names))
    count = 32 if options.layout is None else len(options.layout.joints)
    return layout_of(path, count, options, _LAYOUTS), list(range(count))


def _body(body: Any, order: list[int], where: str) -> Detection:
    """One body in one frame."""
    places = numbers(take(body, "joint_positions", list, where), where)
    if places.shape != (len(order), 3):
        raise ReadError(
            f"{where}: joint_positions have the shape {places.shape}, expected {len(order)} joints × 3. {FETCH_AGAIN}"
        )
    confidence = None
    if "confidence_levels" in body:
        levels = numbers(take(body, "confidence_levels", list, where), where)
        if levels.shape != (len(order),):
            raise ReadError(f"{where}: {levels.size} confidence_levels for {len(order)} joints. {FETCH_AGAIN}")
        confidence = levels[order] / _HIGHEST
    return detection(places[order], confidence, take(body, "body_id", int, where))


def _detect(_path: Path, head: bytes) -> float:
    """1 for frames that count their bodies, or joints called as those of k4abt."""
    content = parse_head(head)
    names = value_at(content, "joint_names")
    if (
        value_at(content, "frames", 0, "num_bodies") is not None
        and value_at(content, "frames", 0, "bodies") is not None
    ):
        return 1.0
    return 0.9 if isinstance(names, list) and {"PELVIS", "CLAVICLE_LEFT"} <= set(map(str, names)) else 0.0


FORMAT = Format("azure_kinect", ("*.json",), "Azure Kinect (k4abt offline_processor)", _detect, read)
