"""Body tracking of ZED cameras (Stereolabs) as JSON, as the SDK's sample of JSON export writes it.

`{"<ms>": {"timestamp": ns, "body_list": [{"id", "keypoint": [[x, y, z], …], "keypoint_confidence": [0 … 100]}]}}` with
18, 34 or 38 keypoints. NaN is a joint that was not seen, id -1 a body that is not tracked. Unit and axes are settings
of the camera and do not stand in the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.formats.by_body import with_units, with_up
from jointwise.data.formats.detections import detection, layout_of, to_sequence
from jointwise.data.formats.files import FETCH_AGAIN
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.json_files import expect, numbers, parse_head, read_json, take
from jointwise.data.formats.timing import dropped, fps_of_times
from jointwise.data.sequence import Sequence
from jointwise.data.tracking import Detection
from jointwise.errors import EmptyRecording, ReadError

_LAYOUTS = {18: "zed18", 34: "zed34", 38: "zed38"}
_SURE = 100  # the confidence of a joint that is surely right
_UNTRACKED = -1


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a JSON file of ZED body tracking.

    Args:
        path: The file.
        options: What the user says of unit, axes, layout and rate.

    Returns:
        The recording (M, T, V, 3) with confidences, a person for each id. Its unit follows from the size of the body,
        its upward axis from heads above feet.

    Raises:
        ReadError: The file is missing, empty, cut off, or not laid out as above.
        EmptyRecording: Nobody is in any frame.
    """
    content = expect(read_json(path), dict, str(path))
    keys = sorted(content, key=int) if all(key.isdecimal() for key in content) else list(content)
    frames: list[list[Detection]] = []
    times: list[float] = []
    for number, key in enumerate(keys):
        where = f"{path}, frame {number} ('{key}')"
        bodies = take(content[key], "body_list", list, where)
        found = [_body(body, f"{where}, body {place}") for place, body in enumerate(bodies)]
        persons = [person for person in found if len(person.points)]
        ids = [person.person for person in persons if person.person is not None]
        if len(set(ids)) < len(ids):
            raise ReadError(f"{where}: two bodies have the same id ({ids}). {FETCH_AGAIN}")
        frames.append(persons)
        nanoseconds = content[key].get("timestamp")
        milliseconds = float(key) if key.isdecimal() else np.nan
        times.append(nanoseconds / 1e9 if isinstance(nanoseconds, int) else milliseconds / 1e3)
    first = next((person for persons in frames for person in persons), None)
    if first is None:
        raise EmptyRecording(f"{path}: nobody is in any of its {len(frames)} frames. Leave it out.")
    skeleton = layout_of(path, len(first.points), options, _LAYOUTS)
    fps, missing = fps_of_times(times)
    sequence = to_sequence(path, frames, skeleton, options, units=None, up=None, fps=fps, assumed=dropped(missing))
    return with_up(with_units(sequence, options), options)


def _body(body: Any, where: str) -> Detection:
    """One body in one frame; without points where the camera computed none."""
    points = numbers(take(body, "keypoint", list, where), where)
    if not points.size:
        return Detection(np.zeros((0, 3), np.float32))
    if points.ndim != 2 or points.shape[1] != 3:
        raise ReadError(f"{where}: keypoint has the shape {points.shape}, expected joints × 3. {FETCH_AGAIN}")
    confidence = None
    if "keypoint_confidence" in body:
        confidence = numbers(take(body, "keypoint_confidence", list, where), where) / _SURE
        if confidence.shape != (len(points),):
            raise ReadError(f"{where}: {confidence.size} keypoint_confidence for {len(points)} joints. {FETCH_AGAIN}")
    number = take(body, "id", int, where)
    return detection(points, confidence, None if number == _UNTRACKED else number)


def _detect(_path: Path, head: bytes) -> float:
    """1 for an object of frames that have a body_list."""
    content = parse_head(head)
    if not isinstance(content, dict):
        return 0.0
    first = next(iter(content.values()), None)
    return 1.0 if isinstance(first, dict) and isinstance(first.get("body_list"), list) else 0.0


FORMAT = Format("zed", ("*.json",), "ZED SDK body tracking", _detect, read)
