"""MediaPipe's pose landmarks in the shapes that people save: lists of frames in JSON, wide, numbered and long CSV.

Image landmarks: x and y in parts of the image's width and height, y down, z on the scale of x. World landmarks: metres,
the middle of the hips in the origin, y down, z away from the camera. World landmarks are read where there are any.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.formats.columns import Columns, Group, find_columns
from jointwise.data.formats.files import FETCH_AGAIN
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.joint_names import standard_name, standard_names
from jointwise.data.formats.json_files import numbers, parse_head, read_json, value_at
from jointwise.data.formats.poses import Poses, recording_of
from jointwise.data.formats.table import joints_of, table_columns
from jointwise.data.formats.table_files import read_table
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import MAX_JOINTS, MEDIAPIPE33
from jointwise.errors import EmptyRecording, ReadError

JOINTS = MEDIAPIPE33.joints
MIN_VISIBILITY = 0.5  # below it MediaPipe itself does not draw a landmark
_HIPS = [JOINTS.index("left_hip"), JOINTS.index("right_hip")]
_CENTRED = 0.02  # metres that the middle of the hips may be off the origin
_MOST_PARTS = 5.0  # of an image: landmarks may lie outside of it, but not farther
_IMAGE_KEYS = ("landmarks", "pose_landmarks", "poseLandmarks")
_WORLD_KEYS = ("world_landmarks", "worldLandmarks", "pose_world_landmarks", "poseWorldLandmarks")
_TIME_KEYS = {"timestamp": "", "time": "", "timestamp_ms": "ms", "timestampMs": "ms", "time_ms": "ms", "t_ms": "ms"}
_FRAME_KEYS = ("frame", "frame_id", "frame_index", "frame_idx", "frame_number")


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read pose landmarks.

    Args:
        path: The file, JSON or CSV.
        options: What the user says. `image_size` turns image landmarks into pixels.

    Returns:
        The recording (M, T, 33, 3).

    Raises:
        ReadError: The file is missing, empty or damaged, or holds other landmarks: hands, or Holistic's with the face.
    """
    path = Path(path)
    with path.open("rb") as stream:
        is_json = stream.read(1000).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{")
    poses, world, told = _from_json(path) if is_json else _from_csv(path)
    return _finish(path, poses, world, told, options)


def _finish(path: Path, poses: Poses, world: bool | None, told: tuple[str, ...], options: ReadOptions) -> Sequence:
    """Say in which unit landmarks are, leave out those that are hardly visible, and make the recording."""
    points = poses.points.copy()
    if world is None:
        world = _looks_centred(points)
        told = (*told, "These are world landmarks: the middle of the hips lies in the origin.") if world else told
    units: str | None = "m"
    if world:
        told = (*told, "World landmarks have no place in the room: the hips stay in the origin.")
    elif np.isfinite(points).any() and np.nanmedian(np.abs(points[..., :2])) > _MOST_PARTS:
        units = "px"
        told = (*told, "The size of the numbers says that x and y are pixels.")
    elif options.image_size is None:
        units = "image"
        told = (
            *told,
            "x and y are parts of the image's width and height, which differ unless the image is square, so bodies are "
            "drawn out or squeezed: give the size of the image (--image-size WxH).",
        )
    else:
        units = "px"
        width, height = options.image_size
        points *= np.array([width, height, width], np.float32)[: points.shape[-1]]
    if poses.scores is not None:
        hidden = np.isfinite(poses.scores) & (poses.scores < MIN_VISIBILITY)
        points[hidden] = np.nan
        share = 100 * float(hidden.mean())
        told = (*told, f"A landmark whose visibility is below {MIN_VISIBILITY} counts as not seen: {share:.1f} % do.")
    changed = Poses(points, poses.scores, poses.frames, poses.times, poses.time_unit, poses.persons)
    return recording_of(path, changed, MEDIAPIPE33, options, units=units, up="-y", assumed=told)


def _looks_centred(points: Any) -> bool:
    """Whether the middle of the hips lies in the origin in nearly every pose."""
    if points.shape[-1] < 3 or not np.isfinite(points[:, _HIPS]).all(-1).any():
        return False
    return float(np.nanmedian(np.abs(points[:, _HIPS].mean(1)))) < _CENTRED and float(np.nanmin(points[..., 1])) < -0.1


def _from_csv(path: Path) -> tuple[Poses, bool | None, tuple[str, ...]]:
    table = read_table(path)
    columns = find_columns(table.names)
    if columns is None:
        raise ReadError(f"{path}: no columns of landmarks, such as nose_x or x1. {FETCH_AGAIN}")
    group = columns.best
    if columns.joint is None and len(group.joints) > MAX_JOINTS:
        raise ReadError(
            f"{path}: {len(group.joints)} landmarks a row: those of Holistic, with the face. It is not read as a "
            f"recording. Save the pose alone, its first {len(JOINTS)} landmarks, in one file for each recording; where "
            "the column 'class' changes, another one begins."
        )
    found = joints_of(path, table, columns, group)
    names = standard_names(found.names)
    if set(names) != set(JOINTS) and len(names) != len(JOINTS):
        raise ReadError(
            f"{path}: {len(names)} landmarks; MediaPipe's pose has {len(JOINTS)}. Read it as --format table."
        )
    if set(names) == set(JOINTS):
        order = [names.index(joint) for joint in JOINTS]
    else:  # numbered
        order = sorted(range(len(names)), key=lambda place: int(names[place].rpartition("_")[2]))
    poses = found.poses
    points, scores = poses.points[:, order], None if poses.scores is None else poses.scores[:, order]
    kept = Poses(points, scores, poses.frames, poses.times, poses.time_unit, poses.persons)
    return kept, True if columns.world is not None else None, found.told


def _from_json(path: Path) -> tuple[Poses, bool | None, tuple[str, ...]]:
    frames = _frames(read_json(path))
    world = any(_people(_value(frame, _WORLD_KEYS)) for frame in frames)
    if not frames or not (world or any(_people(_value(frame, _IMAGE_KEYS)) for frame in frames)):
        raise EmptyRecording(f"{path}: no landmarks (keys {', '.join(_IMAGE_KEYS)}): nobody was found. Leave it out.")
    rows: list[Any] = []
    scores: list[Any] = []
    places: list[float] = []
    times: list[float] = []
    unit = next((_TIME_KEYS[key] for key in _TIME_KEYS if key in frames[0]), "")
    for place, frame in enumerate(frames):
        image = _people(_value(frame, _IMAGE_KEYS))
        for person, landmarks in enumerate(_people(_value(frame, _WORLD_KEYS)) if world else image):
            where = f"{path}, frame {place}"
            point, score = _landmarks(landmarks, where)
            if score is None and world and person < len(image):
                score = _landmarks(image[person], where)[1]
            rows.append(point)
            scores.append(np.full(len(JOINTS), np.nan) if score is None else score)
            places.append(_number(_value(frame, _FRAME_KEYS), float(place)))
            times.append(_number(_value(frame, tuple(_TIME_KEYS)), np.nan))
    rated = bool(np.isfinite(scores).any())
    points = np.array(rows, np.float32)
    time = np.array(times) if np.isfinite(times).any() else None
    poses = Poses(points, np.array(scores, np.float32) if rated else None, np.array(places), time, unit)
    return poses, True if world else None, ()


def _frames(content: Any) -> list[dict[str, Any]]:
    """The objects that hold a frame each."""
    if isinstance(content, dict) and _value(content, (*_IMAGE_KEYS, *_WORLD_KEYS)) is None:
        content = content.get("frames", content.get("data", []))
    frames = content if isinstance(content, list) else [content]
    return [frame for frame in frames if isinstance(frame, dict)]


def _value(frame: dict[str, Any], keys: Iterable[str]) -> Any:
    return next((frame[key] for key in keys if frame.get(key) is not None), None)


def _number(value: Any, otherwise: float) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def _people(value: Any) -> list[Any]:
    """The lists of landmarks of the persons: a file holds one such list, or a list of them."""
    if not isinstance(value, list | dict) or not value:
        return []
    if isinstance(value, dict):
        return [value]
    first = value[0]
    nested = isinstance(first, list) and first and isinstance(first[0], list | dict)
    return [person for person in value if person] if nested else [value]


def _landmarks(person: Any, where: str) -> tuple[Any, Any]:
    """(33, 3) coordinates, and the (33,) visibilities or None."""
    if isinstance(person, dict):  # by name
        names = standard_names(list(person))
        person = [person[key] for _, key in sorted(zip(names, person, strict=True), key=lambda pair: _place(pair[0]))]
    if not isinstance(person, list) or len({isinstance(item, dict) for item in person}) > 1:
        raise ReadError(f"{where}: expected a list of landmarks, all of one kind. {FETCH_AGAIN}")
    if len(person) != len(JOINTS):
        kind = " (a hand?)" if len(person) == 21 else ""
        raise ReadError(f"{where}: {len(person)} landmarks{kind}; MediaPipe's pose has {len(JOINTS)}.")
    if isinstance(person[0], dict):
        table = numbers([[item.get(axis) for axis in "xyz"] for item in person], where)
        seen = [item.get("visibility", item.get("v")) for item in person]
        return table, numbers(seen, where) if any(value is not None for value in seen) else None
    table = numbers(person, where)
    if table.ndim != 2 or table.shape[1] not in (3, 4):
        raise ReadError(f"{where}: landmarks of shape {table.shape}, expected x, y, z (and visibility). {FETCH_AGAIN}")
    return table[:, :3], table[:, 3] if table.shape[1] == 4 else None


def _place(joint: str) -> int:
    return JOINTS.index(joint) if joint in JOINTS else len(JOINTS)


def _is_mediapipes(columns: Columns, group: Group, names: list[str]) -> bool:
    """Whether the joints are MediaPipe's by their names, or numbered like them, with visibilities or a depth."""
    if set(standard_names(names)) == set(JOINTS) if names else False:
        return True
    if columns.joint is not None or not all(name.isdecimal() for name in names):
        return False
    return group.scored != "" and (len(names) == len(JOINTS) or len(names) > MAX_JOINTS) and "z" in group.axes


def _detect(_path: Path, head: bytes) -> float:
    """1 for MediaPipe's keys or names of joints, 0.9 for 33 numbered joints with visibilities."""
    content = parse_head(head)
    if content is not None:
        found_in = (_people(_value(frame, (*_IMAGE_KEYS, *_WORLD_KEYS))) for frame in _frames(content))
        people = next(filter(None, found_in), [])  # nobody may be in the first frames
        first = value_at(people, 0, 0)
        named = isinstance(first, dict) and {"x", "y"} <= set(first)
        by_name = isinstance(person := value_at(people, 0), dict) and any(
            standard_name(name) == "nose" and isinstance(person[name], dict) and "x" in person[name] for name in person
        )
        return 1.0 if named or by_name or (isinstance(first, list) and len(first) in (3, 4)) else 0.0
    found = table_columns(head)
    if found is None:
        return 0.0
    table, columns = found
    names = list(columns.best.joints)
    if columns.joint is not None:
        names = list(dict.fromkeys(table.texts(columns.joint)))
    if not _is_mediapipes(columns, columns.best, names):
        return 0.0
    return 0.9 if names[0].isdecimal() else 1.0


FORMAT = Format("mediapipe", ("*.json", "*.csv", "*.tsv"), "MediaPipe Pose, as people save it", _detect, read)
