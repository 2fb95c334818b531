"""Kinetics-skeleton's JSON (Yan et al., ST-GCN, AAAI 2018), also of MMSkeleton: a file for each clip.

A file is `{"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y, x, y, …], "score": [c, c, …]}]}], "label": "…",
"label_index": 7}`: the 18 joints of OpenPose's COCO model, x and y as parts of the image. A joint that was not seen is
0, 0. Frames are counted from 1.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.json_files import expect, groups_of, numbers, parse_head, read_json, take, value_at
from jointwise.data.formats.people import Person, from_people
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a file of Kinetics-skeleton.

    Args:
        path: The file.
        options: The size of the image makes pixels of its parts.

    Returns:
        The recording as parts of the image, y down; `label_index` is its label.

    Raises:
        ReadError: The file is damaged or of another kind, or a person has another number of joints.
        EmptyRecording: Nobody is in any frame.
    """
    content = expect(read_json(path), dict, str(path))
    frames: dict[int, list[Person]] = {}
    for place, frame in enumerate(take(content, "data", list, str(path))):
        number = take(frame, "frame_index", int, f"{path}, entry {place} of 'data'")
        where = f"{path}, frame {number}"
        if number in frames:
            raise ReadError(f"{where}: the frame is there twice. Keep one of them.")
        persons = enumerate(take(frame, "skeleton", list, where))
        frames[number] = [_person(person, f"{where}, person {slot}") for slot, person in persons]
    label = content.get("label_index")
    label = label if isinstance(label, int) and label >= 0 else None
    return from_people(path, frames, options, units="image", label=label)


def _person(person: Any, where: str) -> Person:
    points = groups_of(take(person, "pose", list, where), 2, f"{where}, 'pose'")
    score = numbers(take(person, "score", list, where), f"{where}, 'score'")
    if score.shape != points.shape[:1]:
        raise ReadError(f"{where}: {len(points)} joints in 'pose', but {score.size} in 'score'. Write the file again.")
    return Person(np.column_stack([points, score]), where)


def _detect(_path: Path, head: bytes) -> float:
    """1 for an object with a list of frames that have a `skeleton`."""
    content = parse_head(head)
    frames = value_at(content, "data")
    if frames == []:
        return 0.8 if "label_index" in content else 0.0
    return 1.0 if isinstance(value_at(frames, 0, "skeleton"), list) else 0.0


FORMAT = Format("kinetics", ("*.json",), "Kinetics-skeleton, MMSkeleton", _detect, read)
