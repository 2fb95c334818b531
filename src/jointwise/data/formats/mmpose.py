"""MMPose's and RTMPose's JSON: of the inferencer (`--pred-out-dir`) and of the demo scripts (`--save-predictions`).

A frame has `instances`: `{"keypoints": [[x, y], …], "keypoint_scores": [c, …], "bbox": …, "track_id": 1}`, in pixels.
A video is a list of `{"frame_id": 0, "instances": […]}`; the demo scripts put it into `instance_info`, beside
`meta_info` with the names of the joints. An image is the list of instances alone: its folder is the recording.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.formats.detections import frame_files, named_layout
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.json_files import expect, numbers, parse_head, read_json, take, value_at
from jointwise.data.formats.people import Person, from_people
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton, get_skeleton
from jointwise.errors import ReadError

# MMPose's name of the training data -> layout, where its joints have other names
_LAYOUTS = {"coco_wholebody": "coco-wholebody133", "h36m": "h36m17", "halpe26": "halpe26"}


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read the file of a video.

    Args:
        path: The file.
        options: A layout for other numbers of joints, the frame rate.

    Returns:
        The recording: in pixels, y down; in 3D, in the unit of the model, z up.

    Raises:
        ReadError: The file is damaged or of another kind, or a person has another number of joints.
        EmptyRecording: Nobody is in any frame.
    """
    content = read_json(path)
    skeleton = None
    if isinstance(content, dict):
        skeleton = _skeleton(content, f"{path}, 'meta_info'")
        content = take(content, "instance_info", list, str(path))
    entries = expect(content, list, str(path))
    if entries and "instances" not in expect(entries[0], dict, f"{path}, entry 0"):  # of one image
        return _recording(path, {0: _persons(entries, f"{path}, frame 0")}, options, skeleton)
    frames: dict[int, list[Person]] = {}
    for place, entry in enumerate(entries):
        number = take(entry, "frame_id", int, f"{path}, entry {place}")
        where = f"{path}, frame {number}"
        if number in frames:
            raise ReadError(f"{where}: the frame is there twice. Keep one of them.")
        frames[number] = _persons(take(entry, "instances", list, where), where)
    return _recording(path, frames, options, skeleton)


def read_images(path: Path, options: ReadOptions) -> Sequence:
    """Read a folder with a file for each image, or one of the files.

    Args:
        path: The folder, or a file.
        options: As for `read`.

    Returns:
        The recording, as of a video.

    Raises:
        ReadError: A file is damaged or of another kind, or the files are of several recordings.
        EmptyRecording: Nobody is in any frame.
    """
    files, assumed = frame_files(path, ".json")
    frames = {number: _persons(expect(read_json(file), list, str(file)), str(file)) for number, file in files.items()}
    return _recording(path, frames, options, None, assumed)


def _recording(
    path: Path,
    frames: dict[int, list[Person]],
    options: ReadOptions,
    skeleton: Skeleton | None,
    assumed: tuple[str, ...] = (),
) -> Sequence:
    widths = {person.keypoints.shape[1] for persons in frames.values() for person in persons}
    up = "z" if widths == {4} else "-y"
    return from_people(path, frames, options, skeleton=skeleton, up=up, assumed=assumed)


def _persons(instances: list[Any], where: str) -> list[Person]:
    """The persons among the instances of a frame."""
    persons = []
    for place, instance in enumerate(instances):
        there = f"{where}, person {place}"
        points = numbers(take(instance, "keypoints", list, there), f"{there}, 'keypoints'")
        scores = numbers(take(instance, "keypoint_scores", list, there), f"{there}, 'keypoint_scores'")
        if points.ndim == 3 and len(points) == 1:  # the 3D demo keeps the axis of the window
            points, scores = points[0], scores.reshape(-1)
        if points.ndim != 2 or points.shape[1] not in (2, 3) or scores.shape != points.shape[:1]:
            raise ReadError(
                f"{there}: 'keypoints' has shape {points.shape} and 'keypoint_scores' {scores.shape}, expected "
                "(joints, 2 or 3) and (joints,). Write the file again."
            )
        number = instance.get("track_id")
        person = number if isinstance(number, int) and number >= 0 else None
        persons.append(Person(np.column_stack([points, scores]), there, person))
    return persons


def _skeleton(content: dict[str, Any], where: str) -> Skeleton | None:
    """The joints that `meta_info` names; None where it names none."""
    dataset = value_at(content, "meta_info", "dataset_name")
    if isinstance(dataset, str) and dataset in _LAYOUTS:
        return get_skeleton(_LAYOUTS[dataset])
    names = value_at(content, "meta_info", "keypoint_id2name")
    if not isinstance(names, dict):
        return None
    links = value_at(content, "meta_info", "skeleton_links")
    return named_layout(list(names.values()), links if isinstance(links, list) else [], where)


def _detect(_path: Path, head: bytes) -> float:
    """1 for the frames of a video, also within `instance_info`."""
    content = parse_head(head)
    if isinstance(content, dict):
        return 1.0 if "instance_info" in content or value_at(content, "meta_info", "keypoint_id2name") else 0.0
    entry = value_at(content, 0)
    return 1.0 if isinstance(entry, dict) and "frame_id" in entry and "instances" in entry else 0.0


def _detect_images(_path: Path, head: bytes) -> float:
    """1 for the instances of an image."""
    instance = value_at(parse_head(head), 0)
    return 1.0 if isinstance(instance, dict) and {"keypoints", "keypoint_scores"} <= set(instance) else 0.0


FORMAT = Format("mmpose", ("*.json",), "MMPose, RTMPose: a video", _detect, read)
IMAGES = Format(
    "mmpose_images", ("*.json",), "MMPose, RTMPose: a folder of images", _detect_images, read_images, frame_files=True
)
