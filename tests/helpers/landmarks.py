"""What MediaPipe would find of a recording: 33 world landmarks, and places in a picture."""

from typing import Any

import numpy as np

from jointwise.data.sequence import Bools, Floats, Sequence
from jointwise.data.skeletons import MEDIAPIPE33

JOINTS = MEDIAPIPE33.joints


def world_landmarks(recording: Sequence) -> tuple[Floats, Bools]:
    """Person 0 as MediaPipe says it: (T, 33, 3) metres from between the hips, x right, y down; (T, 33) validity.

    Joints that the recording lacks are not seen.
    """
    names = recording.skeleton.joints
    sources = recording.skeleton.map_to(MEDIAPIPE33).sources
    points = np.zeros((recording.frames, len(JOINTS), 3), np.float32)
    valid = np.zeros(points.shape[:2], bool)
    for place, joint in enumerate(JOINTS):
        parts = [names.index(part) for part in sources.get(joint, ())]
        if parts:
            points[:, place] = recording.positions[0][:, parts].mean(1)
            valid[:, place] = recording.validity[0][:, parts].all(1)
    hips = points[:, [JOINTS.index("left_hip"), JOINTS.index("right_hip")]].mean(1, keepdims=True)
    return (points - hips) * np.float32([-1, -1, 1]), valid  # a camera of Kinect has x to its left, y up


def as_found(points: Floats, valid: Bools) -> list[dict[str, Any]]:
    """Each frame as the browser has it: `poseLandmarks` in parts of the picture, `poseWorldLandmarks` in metres."""
    frames = []
    for body, seen in zip(points, valid, strict=True):
        world = [_landmark(joint, sure) for joint, sure in zip(body, seen, strict=True)]
        image = [
            _landmark(joint * [0.3, 0.4, 0.3] + [0.5, 0.5, 0], sure) for joint, sure in zip(body, seen, strict=True)
        ]
        frames.append({"poseLandmarks": image, "poseWorldLandmarks": world})
    return frames


def _landmark(joint: Floats, seen: bool) -> dict[str, float]:
    x, y, z = (round(float(number), 4) for number in joint)
    return {"x": x, "y": y, "z": z, "visibility": 0.95 if seen else 0.1}


def as_lines(points: Floats, valid: Bools, fps: float) -> list[dict[str, Any]]:
    """Each frame as a line of `jointwise stream`, of one person."""
    return [
        {
            "time": round(number / fps, 4),
            "persons": [
                {
                    "id": 1,
                    "positions": [
                        np.round(joint.astype(float), 4).tolist() if sure else None
                        for joint, sure in zip(body, seen, strict=True)
                    ],
                }
            ],
        }
        for number, (body, seen) in enumerate(zip(points, valid, strict=True))
    ]
