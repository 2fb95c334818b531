"""Two persons who walk past a camera, and writers of what each 2D detector would save of them.

The traps of real files are in it: a person who is missed for a frame, one who comes later and goes earlier, a joint
that is not seen, and persons whose order in the file changes.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.sequence import Bools, Floats
from jointwise.data.skeletons import get_skeleton

SIZE = (640, 480)
FRAMES = 14
_BODY = {  # half of a body that stands, in pixels: to the side, down
    **{"head_top": (0, 100), "head": (0, 120), "nose": (0, 130), "eye": (4, 126), "ear": (9, 128), "neck": (0, 150)},
    **{"mouth": (3, 136), "eye_inner": (2, 126), "eye_outer": (6, 126), "spine_shoulder": (0, 158)},
    **{"shoulder": (22, 160), "elbow": (30, 195), "wrist": (34, 228), "hand": (35, 235), "hand_tip": (36, 243)},
    **{"thumb": (31, 238), "pinky": (38, 241), "index": (34, 243), "spine_mid": (0, 195), "spine_base": (0, 232)},
    **{"hip": (12, 233), "knee": (14, 285), "ankle": (15, 335), "heel": (14, 340), "foot": (20, 345)},
    **{"foot_index": (22, 345), "big_toe": (22, 345), "small_toe": (25, 344)},
}
Listed = list[list[tuple[int, Floats]]]  # of each frame, in the order of the file: who, and (V, 3) x, y, confidence


def truth(layout: str) -> tuple[Floats, Bools]:
    """Positions (2, T, V, 2) in pixels and validity (2, T, V)."""
    positions = np.zeros((2, FRAMES, len(get_skeleton(layout).joints), 2), np.float32)
    for place, joint in enumerate(get_skeleton(layout).joints):
        side, across, down = 0, *_BODY.get(joint, (0, 0))
        if joint.startswith(("left_", "right_")):
            side, (across, down) = (1 if joint.startswith("left_") else -1), _BODY[joint.partition("_")[2]]
        for time in range(FRAMES):
            swing = 6 * np.sin(time / 2 + place)
            positions[0, time, place] = 150 + 8 * time + side * across + swing, down + time
            positions[1, time, place] = 420 - 5 * time - side * across + swing, down + 20
    valid = np.ones(positions.shape[:3], bool)
    valid[0, 5] = False
    valid[1, :2] = valid[1, 10:] = False
    valid[0, 3, get_skeleton(layout).joints.index("left_wrist")] = False
    return np.round(positions, 3), valid


def listed(layout: str) -> Listed:
    """What a detector lists; (0, 0, 0) where a joint was not seen."""
    positions, valid = truth(layout)
    frames: Listed = []
    for time in range(FRAMES):
        there = [person for person in (0, 1) if valid[person, time].any()]
        order = there[::-1] if time in (6, 7) else there
        seen = np.concatenate([positions, np.full((*valid.shape, 1), 0.9)], -1) * valid[..., None]
        frames.append([(person, seen[person, time]) for person in order])
    return frames


def _flat(keypoints: Floats) -> list[float]:
    return [round(float(value), 6) for value in keypoints.ravel()]


def save(path: Path, content: Any) -> Path:
    """Write JSON, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def openpose(folder: Path, frames: Listed) -> Path:
    for time, frame in enumerate(frames):
        people = [{"person_id": [-1], "pose_keypoints_2d": _flat(keypoints)} for _who, keypoints in frame]
        save(folder / "walk" / f"walk_{time:012d}_keypoints.json", {"version": 1.3, "people": people})
    return folder / "walk"


def alphapose(folder: Path, frames: Listed) -> Path:
    entries = [
        {"image_id": f"{time}.jpg", "category_id": 1, "keypoints": _flat(keypoints), "score": 2.5, "idx": [[who + 1]]}
        for time, frame in enumerate(frames)
        for who, keypoints in frame
    ]
    return save(folder / "alphapose-results.json", sorted(entries, key=lambda entry: str(entry["image_id"])))


def alphapose_open(folder: Path, frames: Listed) -> Path:
    named = {
        f"{time}.jpg": {"version": "AlphaPose v0.3", "people": [{"pose_keypoints_2d": _flat(k)} for _who, k in frame]}
        for time, frame in enumerate(frames)
    }
    return save(folder / "open.json", named)


def alphapose_cmu(folder: Path, frames: Listed) -> Path:
    named = {
        f"{time}.jpg": {
            "version": "AlphaPose v0.3",
            "bodies": [{"joints": _flat(keypoints)} for _who, keypoints in frame],
        }
        for time, frame in enumerate(frames)
    }
    return save(folder / "cmu.json", named)


def _instances(frame: list[tuple[int, Floats]]) -> list[dict[str, Any]]:
    return [
        {"keypoints": k[:, :2].tolist(), "keypoint_scores": k[:, 2].tolist(), "bbox": [[0, 0, 1, 1]], "bbox_score": 0.9}
        for _who, k in frame
    ]


def mmpose(folder: Path, frames: Listed) -> Path:
    return save(folder / "video.json", [{"frame_id": t, "instances": _instances(f)} for t, f in enumerate(frames)])


def mmpose_demo(folder: Path, frames: Listed) -> Path:
    names = dict(enumerate(get_skeleton("coco17").joints))
    entries = [{"frame_id": t, "instances": _instances(f)} for t, f in enumerate(frames, 1)]
    return save(folder / "results.json", {"meta_info": {"keypoint_id2name": names}, "instance_info": entries})


def mmpose_images(folder: Path, frames: Listed) -> Path:
    for time, frame in enumerate(frames):
        save(folder / "images" / f"{time:06d}.json", _instances(frame))
    return folder / "images"


def coco_results(folder: Path, frames: Listed) -> Path:
    entries = [
        {"image_id": time, "category_id": 1, "keypoints": _flat(keypoints), "score": 0.9}
        for time, frame in enumerate(frames)
        for _who, keypoints in frame
    ]
    return save(folder / "results.json", entries)


def coco_annotations(folder: Path, frames: Listed) -> Path:
    images = [{"id": 100 + time, "file_name": f"{time}.jpg", "width": SIZE[0]} for time in range(len(frames))]
    annotations = [
        {
            "id": who,
            "image_id": 100 + time,
            "category_id": 1,
            "keypoints": _flat(np.ceil(k * [1e3, 1e3, 1]) / [1e3, 1e3, 1]),
        }
        for time, frame in enumerate(frames)
        for who, k in frame
    ]
    annotations.append({"id": 9, "image_id": 100, "category_id": 1, "num_keypoints": 0, "keypoints": [0] * 51})
    person = {"id": 1, "name": "person", "keypoints": get_skeleton("coco17").joints, "skeleton": [[16, 14], [14, 12]]}
    return save(folder / "person.json", {"images": images, "annotations": annotations, "categories": [person]})


def yolo(folder: Path, frames: Listed) -> Path:
    (folder / "labels").mkdir(parents=True)
    for time, frame in enumerate(frames, 1):
        lines = [
            " ".join(f"{value:.6f}" for value in [0, 0.5, 0.5, 0.2, 0.8, *(k / [*SIZE, 1]).ravel()])
            for _who, k in frame
        ]
        if lines:
            (folder / "labels" / f"walk_{time}.txt").write_text("\n".join(lines) + "\n")
    return folder / "labels"


def yolo_json(folder: Path, frames: Listed) -> Path:
    for time, frame in enumerate(frames):
        found = [
            {
                **{"name": "person", "class": 0, "confidence": 0.9, "box": {"x1": 0, "y1": 0, "x2": 9, "y2": 9}},
                "keypoints": {key: k[:, axis].tolist() for axis, key in enumerate(("x", "y", "visible"))},
            }
            for _who, k in frame
        ]
        save(folder / "json" / f"{time}.json", found)
    return folder / "json"


def kinetics(folder: Path, frames: Listed) -> Path:
    data = [
        {
            "frame_index": time,
            "skeleton": [{"pose": _flat(k[:, :2] / SIZE), "score": _flat(k[:, 2])} for _who, k in frame],
        }
        for time, frame in enumerate(frames, 1)
    ]
    return save(folder / "clip.json", {"data": data, "label": "walking", "label_index": 3})


# (writer, layout, format): every reader, and every shape of its files
CASES: tuple[tuple[Callable[[Path, Listed], Path], str, str], ...] = (
    (openpose, "body25", "openpose"),
    (openpose, "body25b", "openpose"),
    (openpose, "ntu25", "openpose"),
    (openpose, "openpose18", "openpose"),
    (openpose, "halpe26", "openpose"),
    (openpose, "mediapipe33", "openpose"),
    (alphapose, "coco17", "alphapose"),
    (alphapose, "halpe26", "alphapose"),
    (alphapose_open, "openpose18", "alphapose"),
    (alphapose_cmu, "openpose18", "alphapose"),
    (mmpose, "coco17", "mmpose"),
    (mmpose, "halpe26", "mmpose"),
    (mmpose_demo, "coco17", "mmpose"),
    (mmpose_images, "coco17", "mmpose_images"),
    (coco_results, "coco17", "coco"),
    (coco_annotations, "coco17", "coco"),
    (yolo, "coco17", "yolo"),
    (yolo_json, "coco17", "yolo_json"),
    (kinetics, "openpose18", "kinetics"),
)
