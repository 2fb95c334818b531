"""COCO's keypoints (Lin et al., ECCV 2014): the results of a detector, or annotations by hand.

Results are a list: `[{"image_id": 12, "category_id": 1, "keypoints": [x, y, c, …], "score": 0.9}]`. Annotations are an
object with `images`, `annotations` and `categories`; a keypoint is x, y, v with v 0 not labelled, 1 hidden, 2 seen. The
category names the joints. Coordinates are pixels.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from jointwise.data.formats.detections import named_layout
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.json_files import expect, groups_of, parse_head, read_json, take, value_at
from jointwise.data.formats.people import Person, from_people
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.errors import ReadError


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a file of keypoints in COCO's form. Its images count as the frames of one recording.

    Args:
        path: The file.
        options: A layout for results of other than 17 joints, the frame rate.

    Returns:
        The recording in pixels, y down. Annotated joints are valid, hidden ones too; they have no confidence.

    Raises:
        ReadError: The file is damaged or of another kind, has no keypoints, or images of several videos.
        EmptyRecording: Nobody is in any image.
    """
    content = read_json(path)
    if isinstance(content, list):
        return from_people(path, _persons(path, content, {}), options)
    content = expect(content, dict, str(path))
    images = take(content, "images", list, str(path))
    videos = {str(image.get("video_id")) for image in images if isinstance(image, dict)}
    if len(videos) > 1:
        raise ReadError(f"{path}: images of {len(videos)} videos. Write a file for each of them ('video_id').")
    numbers = {}
    for place, image in enumerate(images):
        where = f"{path}, image {place}"
        number = take(image, "id", int, where)
        numbers[number] = take(image, "frame_id", int, where) if "frame_id" in image else number
    if len(set(numbers.values())) < len(images):
        raise ReadError(f"{path}: two images have the same 'id' or 'frame_id'. Give each its own number.")
    category, skeleton = _category(path, content)
    entries = take(content, "annotations", list, str(path))
    kept = [entry for entry in entries if isinstance(entry, dict) and entry.get("num_keypoints") != 0]
    if category is not None:
        kept = [entry for entry in kept if entry.get("category_id", category) == category]
    frames: dict[int, list[Person]] = {number: [] for number in numbers.values()}
    frames |= _persons(path, kept, numbers)
    left_out = len(entries) - len(kept)
    told = [f"Left out: {left_out} annotations without keypoints or of another category."] if left_out else []
    sequence = from_people(path, frames, options, skeleton=skeleton, units="px", assumed=told)
    return replace(sequence, confidence=None)


def _persons(path: Path, entries: list[Any], numbers: dict[int, int]) -> dict[int, list[Person]]:
    """Number of a frame -> its persons. numbers: id of an image -> number of its frame; the same where it is empty."""
    frames: dict[int, list[Person]] = {}
    for place, entry in enumerate(entries):
        image = take(entry, "image_id", int, f"{path}, entry {place}")
        where = f"{path}, image {image}, entry {place}"
        if numbers and image not in numbers:
            raise ReadError(f"{where}: 'images' has no image {image}. Write the file again with all its images.")
        keypoints = groups_of(take(entry, "keypoints", list, where), 3, f"{where}, 'keypoints'")
        person = entry.get("track_id")
        person = person if isinstance(person, int) and person >= 0 else None
        frames.setdefault(numbers.get(image, image), []).append(Person(keypoints, where, person))
    return frames


def _category(path: Path, content: dict[str, Any]) -> tuple[int | None, Skeleton | None]:
    """The number and the joints of the category with keypoints; None where the file names none."""
    categories = expect(content.get("categories") or [], list, f"{path}, categories")
    found = [entry for entry in categories if isinstance(entry, dict) and entry.get("keypoints")]
    if not found:
        return None, None
    names = take(found[0], "keypoints", list, f"{path}, categories")
    bones = found[0].get("skeleton")
    try:
        pairs = [(a - 1, b - 1) for a, b in bones or []]
    except (TypeError, ValueError) as error:
        raise ReadError(f"{path}, categories: 'skeleton' is no list of pairs of numbers ({error}).") from error
    return take(found[0], "id", int, f"{path}, categories"), named_layout(names, pairs, f"{path}, categories")


def _detect(_path: Path, head: bytes) -> float:
    """1 for results or annotations with keypoints; less where the head ends before the first annotation."""
    content = parse_head(head)
    if isinstance(content, list):
        entry = value_at(content, 0)
        results = isinstance(entry, dict) and "keypoints" in entry and isinstance(entry.get("image_id"), int)
        return 1.0 if results and "box" not in entry and "idx" not in entry else 0.0
    if not isinstance(value_at(content, "images", 0), dict) or "id" not in content["images"][0]:
        return 0.0
    if value_at(content, "annotations", 0) or value_at(content, "categories", 0):
        lists = [content.get(key) for key in ("categories", "annotations")]
        entries = [entry for entries in lists if isinstance(entries, list) for entry in entries]
        named = any(isinstance(entry, dict) and "keypoints" in entry for entry in entries)
        return 1.0 if named else 0.0
    return 0.7


FORMAT = Format("coco", ("*.json",), "COCO keypoints: annotations and results", _detect, read)
