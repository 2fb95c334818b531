"""OpenPose's JSON (`--write_json`): a file for each frame, the folder is the recording. Also RTMPose's in this shape.

A file is `{"people": [{"pose_keypoints_2d": [x, y, c, x, y, c, …]}]}`, in pixels of the image, c from 0 to 1. A joint
that was not seen is 0, 0, 0. AlphaPose writes the same with `bodies` and `joints` (`--format cmu`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jointwise.data.formats.detections import frame_files
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.json_files import expect, groups_of, parse_head, read_json, take, value_at
from jointwise.data.formats.people import Person, from_people
from jointwise.data.sequence import Sequence

# keys of the keypoints of a person -> numbers of a joint
_KEYPOINTS = {"pose_keypoints_2d": 3, "pose_keypoints": 3, "joints": 3, "pose_keypoints_3d": 4}
_LISTS = ("people", "bodies")


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a folder of OpenPose's files, or one of them.

    Args:
        path: The folder, or the file of one frame.
        options: A layout for other numbers of joints, the frame rate, the size of the image for scaled coordinates.

    Returns:
        The recording, in pixels unless `--keypoint_scale` was used, y down.

    Raises:
        ReadError: A file is damaged, is of another kind or has another number of joints; the files are of several
            recordings; or it is not certain which layout of 25 joints it is.
        EmptyRecording: Nobody is in any frame.
    """
    files, assumed = frame_files(path, ".json")
    frames = {number: people(read_json(file), str(file)) for number, file in files.items()}
    return from_people(path, frames, options, assumed=assumed)


def people(content: Any, where: str) -> list[Person]:
    """The persons in the content of a file.

    Args:
        content: The parsed JSON of a frame.
        where: Its place, for messages.

    Returns:
        Those who have any keypoint, in the order of the file.

    Raises:
        ReadError: It is not laid out as above.
    """
    content = expect(content, dict, where)
    listed = take(content, next((key for key in _LISTS if key in content), "people"), list, where)
    found = []
    for place, person in enumerate(listed):
        there = f"{where}, person {place}"
        person = expect(person, dict, there)
        keys = [key for key in _KEYPOINTS if key in person] or ["pose_keypoints_2d"]
        key = next((key for key in keys if take(person, key, list, there)), None)
        if key is None:  # only a face or hands were found
            continue
        number = value_at(person, "person_id", 0)
        keypoints = groups_of(person[key], _KEYPOINTS[key], f"{there}, '{key}'")
        found.append(Person(keypoints, there, number if isinstance(number, int) and number >= 0 else None))
    return found


def _detect(_path: Path, head: bytes) -> float:
    """1 for an object with a list of persons that have keypoints; a little less where nobody is in the frame."""
    content = parse_head(head)
    listed = value_at(content, "people")
    if listed is None:
        listed = value_at(content, "bodies")
    if listed == []:
        return 0.8 if "version" in content or len(content) == 1 else 0.0
    person = value_at(listed, 0)
    return 1.0 if isinstance(person, dict) and any(key in person for key in _KEYPOINTS) else 0.0


FORMAT = Format(
    "openpose",
    ("*.json",),
    "OpenPose (--write_json); RTMPose, Pose2Sim and Sports2D in its shape",
    _detect,
    read,
    frame_files=True,
)
