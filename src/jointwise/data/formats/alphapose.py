"""AlphaPose's results: one JSON file for a video, a list over persons and frames.

An entry is `{"image_id": "12.jpg", "keypoints": [x, y, c, …], "score": 2.8, "idx": 1}`, in pixels. The number in
`image_id` is that of the frame. `idx` is the person, where tracking was on. A frame without persons has no entry. With
`--format open` or `cmu` the file is an object: name of the image -> the persons as OpenPose lists them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from jointwise.data.formats import openpose
from jointwise.data.formats.detections import frame_numbers
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.json_files import expect, groups_of, parse_head, read_json, take, value_at
from jointwise.data.formats.people import Person, from_people
from jointwise.data.sequence import Sequence

_BODY = {68: 26, 136: 26}  # joints of Halpe with hands or face -> those of the body, which come first


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a file of AlphaPose.

    Args:
        path: The file.
        options: A layout for other numbers of joints, the frame rate.

    Returns:
        The recording in pixels, y down. Of Halpe-68 and Halpe-136, the 26 joints of the body.

    Raises:
        ReadError: The file is damaged, of another kind, or of several videos; a person has another number of joints.
        EmptyRecording: Nobody is in the file.
    """
    content = read_json(path)
    if isinstance(content, dict):
        numbers, told = frame_numbers(content, path)
        frames = {number: openpose.people(content[name], f"{path}, '{name}'") for name, number in numbers.items()}
        return from_people(path, frames, options, assumed=told)
    entries = expect(content, list, str(path))
    images = [_image(entry, f"{path}, entry {place}") for place, entry in enumerate(entries)]
    numbers, told = frame_numbers(images, path)
    frames = {number: [] for number in numbers.values()}
    for entry, image in zip(entries, images, strict=True):
        if image not in numbers:
            continue
        where = f"{path}, image '{image}', person {len(frames[numbers[image]])}"
        keypoints = groups_of(take(entry, "keypoints", list, where), 3, f"{where}, 'keypoints'")
        if options.layout is None and len(keypoints) in _BODY:
            about = (
                f"Of {len(keypoints)} joints, the {_BODY[len(keypoints)]} of the body were read, not hands and face."
            )
            told = tuple(dict.fromkeys((*told, about)))
            keypoints = keypoints[: _BODY[len(keypoints)]]
        frames[numbers[image]].append(Person(keypoints, where, _person(entry)))
    return from_people(path, frames, options, assumed=told)


def _image(entry: Any, where: str) -> str:
    image = expect(entry, dict, where).get("image_id")
    return str(image) if isinstance(image, int) else take(entry, "image_id", str, where)


def _person(entry: dict[str, Any]) -> int | None:
    """The number of the person, which some versions of AlphaPose wrap into lists."""
    number = entry.get("idx")
    while isinstance(number, list) and number:
        number = number[0]
    return int(number) if isinstance(number, int | float) and math.isfinite(number) else None


def _detect(_path: Path, head: bytes) -> float:
    """1 for entries with keypoints and the name of an image, or for images with persons as OpenPose lists them."""
    content = parse_head(head)
    entry = value_at(content, 0)
    if isinstance(entry, dict):
        if "keypoints" not in entry or "image_id" not in entry:
            return 0.0
        return 1.0 if isinstance(entry["image_id"], str) or "idx" in entry or "box" in entry else 0.0
    if isinstance(content, dict) and content:
        image = next(iter(content.values()))
        return 1.0 if any(isinstance(value_at(image, key), list) for key in ("people", "bodies")) else 0.0
    return 0.0


FORMAT = Format("alphapose", ("*.json",), "AlphaPose (also with --format cmu or open)", _detect, read)
