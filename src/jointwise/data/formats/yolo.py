"""YOLO-pose of Ultralytics: label files (`save_txt=True`), or `results.to_json()`; a file for each frame.

A line of a label file is a person: `0 x y w h px py v px py v … [confidence] [track]`, all as parts of the image.
Without visibilities, keypoints are pairs `px py`. The number in the name, such as `walk_12.txt`, is that of the frame.
A frame without persons has no file. `to_json()` gives a list of `{"name", "box", "keypoints": {"x": […], "y": […],
"visible": […]}, "track_id"}`, in pixels unless it was told to normalise.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.detections import frame_files
from jointwise.data.formats.files import FETCH_AGAIN, read_bytes
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.json_files import expect, numbers, parse_head, read_json, take, value_at
from jointwise.data.formats.people import Person, from_people
from jointwise.data.sequence import Floats, Sequence
from jointwise.data.skeletons import MIN_JOINTS
from jointwise.errors import ReadError

JOINTS = 17  # of the models that Ultralytics gives
_BOX = 5  # numbers before the keypoints: class, and the box
_MORE = 2  # numbers behind them at most: confidence and track
_LARGEST = 3.0  # keypoints may lie outside of the image, but not far


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a folder of label files, or one of them.

    Args:
        path: The folder, or the file of one frame.
        options: A layout for other than 17 joints; the size of the image makes pixels of its parts.

    Returns:
        The recording as parts of the image, or in pixels if its size is given; y down.

    Raises:
        ReadError: A line is no person with these joints, or the files are of several recordings.
        EmptyRecording: Nobody is in any frame.
    """
    files, assumed = frame_files(path, ".txt")
    joints = JOINTS if options.layout is None else len(options.layout.joints)
    lines = {number: _lines(file, joints) for number, file in files.items()}
    tracked = _length_with_track(list(lines.values()), joints)
    frames = {
        number: [
            Person(_keypoints(row, joints), where, int(row[-1]) if len(row) == tracked else None)
            for where, row in rows.items()
        ]
        for number, rows in lines.items()
    }
    return from_people(path, frames, options, units="image", assumed=assumed)


def _width(values: int, joints: int) -> int | None:
    """Numbers for a keypoint, 2 or 3, in a line of so many values; None where they do not fit."""
    return next((width for width in (2, 3) if 0 <= values - _BOX - width * joints <= _MORE), None)


def _lines(file: Path, joints: int) -> dict[str, Floats]:
    """The persons of a frame: file and line -> the numbers of the line."""
    if not file.stat().st_size:
        return {}
    rows = {}
    for place, line in enumerate(read_bytes(file).decode("utf-8", errors="replace").splitlines(), 1):
        where = f"{file}, line {place}"
        try:
            row = np.array(line.split(), np.float32)
        except ValueError as error:
            raise ReadError(f"{where}: not a line of numbers ({error}). {FETCH_AGAIN}") from error
        if _width(len(row), joints) is None:
            listed = ", ".join(str(_BOX + width * joints) for width in (2, 3))
            raise ReadError(
                f"{where}: {len(row)} numbers; a person with {joints} joints has {listed}, or up to {_MORE} more. Name "
                "the layout of the model's joints (layout= in Python, skeleton in dataset.yaml), or fetch the file "
                "again."
            )
        rows[where] = row
    return rows


def _keypoints(row: Floats, joints: int) -> npt.NDArray[np.float64]:
    """(joints, 3) x, y and visibility of a line. Keypoints without visibility were seen."""
    width = _width(len(row), joints)
    keypoints = np.ones((joints, 3))
    keypoints[:, :width] = row[_BOX : _BOX + joints * (width or 0)].reshape(joints, -1)
    return keypoints


def _length_with_track(frames: list[dict[str, Floats]], joints: int) -> int | None:
    """The length of the lines that end with the number of a track; None where no line does.

    One number behind the keypoints may be a confidence: tracks are whole numbers that differ within a frame.
    """
    longest = max((len(row) for rows in frames for row in rows.values()), default=0)
    more = longest - _BOX - joints * (_width(longest, joints) or 0)
    if more != 1:
        return longest if more == _MORE else None
    last = [[float(row[-1]) for row in rows.values() if len(row) == longest] for rows in frames]
    whole = all(value.is_integer() for values in last for value in values)
    return longest if whole and all(len(set(values)) == len(values) for values in last) else None


def read_results(path: Path, options: ReadOptions) -> Sequence:
    """Read a folder of files of `results.to_json()`, or one of them.

    Args:
        path: The folder, or the file of one frame.
        options: A layout for other than 17 joints.

    Returns:
        The recording in pixels, y down; as parts of the image where the files were normalised.

    Raises:
        ReadError: A file is damaged or of another kind, or the files are of several recordings.
        EmptyRecording: Nobody is in any frame.
    """
    files, assumed = frame_files(path, ".json")
    frames = {
        number: [
            _result(entry, f"{file}, person {place}")
            for place, entry in enumerate(expect(read_json(file), list, str(file)))
        ]
        for number, file in files.items()
    }
    return from_people(path, frames, options, assumed=assumed)


def _result(entry: Any, where: str) -> Person:
    found = take(entry, "keypoints", dict, where)
    x, y = (numbers(take(found, axis, list, where), f"{where}, '{axis}'") for axis in "xy")
    visible = numbers(found["visible"], f"{where}, 'visible'") if found.get("visible") else np.ones(x.shape)
    if x.ndim != 1 or not x.shape == y.shape == visible.shape:
        raise ReadError(f"{where}: {x.size} x, {y.size} y and {visible.size} visibilities. {FETCH_AGAIN}")
    track = entry.get("track_id")
    return Person(np.column_stack([x, y, visible]), where, track if isinstance(track, int) else None)


def _detect(_path: Path, head: bytes) -> float:
    """1 for lines of class, box and 17 keypoints, all as parts of the image; less for another number of keypoints."""
    lines = head.split(b"\n")
    rows = []
    for line in filter(bytes.strip, lines[:-1] or lines):  # what follows the last end of a line may be cut off
        try:
            row = np.array(line.split(), np.float32)
        except ValueError:
            return 0.0
        if len(row) < _BOX + 2 * MIN_JOINTS or not _is_person(row):
            return 0.0
        rows.append(row)
    classes = [float(row[0]) for row in rows]
    if len(rows) > 1 and all(b > a for a, b in pairwise(classes)):  # a table whose rows are counted
        return 0.0
    return (1.0 if all(_width(len(row), JOINTS) for row in rows) else 0.5) if rows else 0.0


def _is_person(row: Floats) -> bool:
    """Whether numbers are a class, a box within the image and keypoints near it."""
    box = row[1:_BOX]
    return bool(
        row[0] >= 0 and float(row[0]).is_integer() and (box >= 0).all() and (box <= 1).all() and box[2:].all()
    ) and bool((np.abs(row[_BOX:-_MORE]) <= _LARGEST).all())


def _detect_results(_path: Path, head: bytes) -> float:
    """1 for persons with keypoints as lists of x and y."""
    entry = value_at(parse_head(head), 0)
    return 1.0 if isinstance(value_at(entry, "keypoints", "x"), list) and "box" in entry else 0.0


FORMAT = Format("yolo", ("*.txt",), "YOLO-pose by Ultralytics (save_txt=True)", _detect, read, frame_files=True)
RESULTS = Format(
    "yolo_json",
    ("*.json",),
    "YOLO-pose by Ultralytics (results.to_json())",
    _detect_results,
    read_results,
    frame_files=True,
)
