"""Azure Kinect and ZED: JSON files of bodies with numbers, and damaged ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jointwise.data.formats import detect, read, recordings_in
from jointwise.data.skeletons import get_skeleton
from jointwise.errors import EmptyRecording, ReadError

_SIDE = ("CLAVICLE", "SHOULDER", "ELBOW", "WRIST", "HAND", "HANDTIP", "THUMB"), ("HIP", "KNEE", "ANKLE", "FOOT")
NAMES = [  # in the order of k4abt
    *("PELVIS", "SPINE_NAVEL", "SPINE_CHEST", "NECK"),
    *(f"{part}_{side}" for limb in _SIDE for side in ("LEFT", "RIGHT") for part in limb),
    *("HEAD", "NOSE", "EYE_LEFT", "EAR_LEFT", "EYE_RIGHT", "EAR_RIGHT"),
]


def places(person: int, frame: int, joints: int) -> list[list[float]]:
    """Places (V, 3) in whole millimetres, different for every person, frame and joint."""
    return [[float(100 * joint + frame), -10.0 * joint, 2000.0 + 500 * person] for joint in range(joints)]


def azure(who: list[list[int]], **body: Any) -> dict[str, Any]:
    """What k4abt's offline processor writes: the body ids of each frame."""
    frames = [
        {
            "timestamp_usec": 1000 + round(1e6 * frame / 30),
            "frame_id": frame,
            "num_bodies": len(ids),
            "bodies": [{"body_id": number, "joint_positions": places(number, frame, 32), **body} for number in ids],
        }
        for frame, ids in enumerate(who)
    ]
    return {"k4abt_sdk_version": "1.1.2", "joint_names": NAMES, "frames": frames}


def zed(who: list[list[int]], layout: str, scale: float = 0.001) -> dict[str, Any]:
    """What ZED's sample writes, of a person who stands with y up: the ids of each frame."""
    joints = get_skeleton(layout).joints
    heights = {"head": 1.6, "nose": 1.6, "eye": 1.65, "ear": 1.62, "neck": 1.45, "shoulder": 1.4, "elbow": 1.1}
    heights |= {"wrist": 0.85, "hip": 0.9, "spine_base": 0.95, "knee": 0.5, "ankle": 0.1, "spine_shoulder": 1.45}
    frames = {}
    for frame, ids in enumerate(who):
        bodies = []
        for number in ids:
            points = [
                [
                    scale
                    * 1000
                    * (number + (0.2 if joint.startswith("left") else -0.2 if joint.startswith("right") else 0)),
                    scale * 1000 * heights.get(joint.removeprefix("left_").removeprefix("right_"), 1.2),
                    -2 * scale * 1000,
                ]
                for joint in joints
            ]
            bodies.append({"id": number, "keypoint": points, "keypoint_confidence": [80.0] * len(joints)})
        milliseconds = 1700000000000 + round(1000 * frame / 30)
        frames[str(milliseconds)] = {"is_new": True, "timestamp": milliseconds * 10**6, "body_list": bodies}
    return frames


def written(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))  # NaN stays the word NaN, as ZED's sample writes it
    return path


def test_bodies_of_azure_kinect_keep_their_ids_and_places(tmp_path: Path) -> None:
    path = written(tmp_path / "walk.json", azure([[1], [1, 4], [4, 1], [], [1]]))
    assert detect(path).name == "azure_kinect"
    assert recordings_in(tmp_path) == [path]
    found = read(path)
    assert (found.units, found.up, found.fps, found.skeleton.name) == ("mm", "-y", 30, "k4abt32")
    assert found.validity.all(-1).tolist() == [[True, True, True, False, True], [False, True, True, False, False]]
    assert found.positions[0, 2].tolist() == places(1, 2, 32)
    assert found.positions[1, 2].tolist() == places(4, 2, 32)
    assert found.confidence is None
    assert found.assumed == ("The file has no confidences: every joint of a body counts as seen.",)


def test_joints_of_azure_kinect_are_found_by_their_names_in_any_order(tmp_path: Path) -> None:
    content = azure([[1]])
    content["joint_names"] = ["SPINE_NAVAL" if name == "SPINE_NAVEL" else name for name in reversed(NAMES)]
    found = read(written(tmp_path / "walk.json", content))
    assert found.skeleton.name == "k4abt32"
    assert found.positions[0, 0].tolist() == places(1, 0, 32)[::-1]


def test_levels_of_confidence_are_thirds_and_level_0_was_not_seen(tmp_path: Path) -> None:
    path = written(tmp_path / "walk.json", azure([[1]], confidence_levels=[0, 1, 2, 3] * 8))
    found = read(path)
    assert found.confidence is not None
    assert found.confidence[0, 0, :4].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert found.validity[0, 0, :4].tolist() == [False, True, True, True]
    assert read(path, min_confidence=0.5).validity[0, 0, :4].tolist() == [False, False, True, True]


def test_frames_that_were_dropped_are_told(tmp_path: Path) -> None:
    content = azure([[1]] * 8)
    del content["frames"][3:5]
    found = read(written(tmp_path / "walk.json", content))
    assert (found.frames, found.fps) == (6, 30)
    assert "By the times of the frames 2 are missing: the others count as successive." in found.assumed


@pytest.mark.parametrize("layout", ["zed18", "zed34", "zed38"])
@pytest.mark.parametrize(("scale", "units"), [(0.001, "m"), (0.1, "cm"), (1.0, "mm")])
def test_bodies_of_zed_tell_layout_unit_and_axis(tmp_path: Path, layout: str, scale: float, units: str) -> None:
    path = written(tmp_path / "walk.json", zed([[3], [3, 8], [8, 3]], layout, scale))
    assert detect(path).name == "zed"
    found = read(path)
    assert (found.skeleton.name, found.units, found.up, found.fps) == (layout, units, "y", 30)
    assert found.validity.all(-1).tolist() == [[True, True, True], [False, True, True]]
    assert found.positions[1, 1:, 0, 0] == pytest.approx(8000 * scale)
    assert found.confidence is not None
    assert found.confidence.max() == pytest.approx(0.8)
    assert [note.split(":")[0] for note in found.assumed] == [
        "The file does not say its unit",
        "The file does not say which axis points up",
    ]


def test_y_that_points_down_in_a_zed_file_is_seen(tmp_path: Path) -> None:
    content = zed([[3]] * 3, "zed38")
    for frame in content.values():
        for body in frame["body_list"]:
            body["keypoint"] = [[x, -y, -z] for x, y, z in body["keypoint"]]
    assert read(written(tmp_path / "walk.json", content)).up == "-y"


def test_nan_in_a_zed_file_is_a_joint_that_was_not_seen(tmp_path: Path) -> None:
    content = zed([[3]] * 2, "zed38")
    first = next(iter(content.values()))["body_list"][0]
    first["keypoint"][5] = [float("nan")] * 3
    first["keypoint_confidence"][5] = float("nan")
    path = written(tmp_path / "walk.json", content)
    assert "NaN" in path.read_text()
    assert np.argwhere(~read(path).validity).tolist() == [[0, 0, 5]]


def test_bodies_that_zed_does_not_track_are_linked_by_their_places(tmp_path: Path) -> None:
    content = zed([[3, 8], [8, 3], [3, 8]], "zed18")
    for frame in content.values():
        for body in frame["body_list"]:
            body["id"] = -1
    found = read(written(tmp_path / "walk.json", content))
    assert found.persons == 2
    assert np.ptp(found.positions[:, :, 0, 0], axis=1).max() == 0
    assert any("who is who" in note for note in found.assumed)


def broken_azure(change: str) -> Any:
    content = azure([[1], [1, 2]])
    body = content["frames"][1]["bodies"][0]
    if change == "count":
        content["frames"][1]["num_bodies"] = 3
    elif change == "joints":
        del body["joint_positions"][7]
    elif change == "text":
        body["joint_positions"][7] = "x"
    elif change == "same":
        body["body_id"] = 2
    elif change == "no id":
        del body["body_id"]
    elif change == "no bodies":
        del content["frames"][1]["bodies"]
    elif change == "levels":
        body["confidence_levels"] = [1, 2]
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("count", "frame 1: num_bodies is 3, but there are 2 bodies"),
        ("joints", r"frame 1, body 0: joint_positions have the shape \(31, 3\), expected 32 joints"),
        ("text", "frame 1, body 0.*: expected"),
        ("same", "frame 1: two bodies have the same body_id"),
        ("no id", "frame 1, body 0: 'body_id' is missing"),
        ("no bodies", "frame 1: 'bodies' is missing"),
        ("levels", "frame 1, body 0: 2 confidence_levels for 32 joints"),
    ],
)
def test_damage_of_an_azure_kinect_file_is_named_with_its_frame(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read(written(tmp_path / "walk.json", broken_azure(change)))


def broken_zed(change: str) -> Any:
    content = zed([[3], [3, 8]], "zed38")
    body = list(content.values())[1]["body_list"][0]
    if change == "joints":
        del body["keypoint"][7]
        del body["keypoint_confidence"][7]
    elif change == "flat":
        body["keypoint"] = [1.0, 2.0, 3.0]
    elif change == "same":
        body["id"] = 8
    elif change == "confidences":
        body["keypoint_confidence"] = [90]
    elif change == "no list":
        del list(content.values())[1]["body_list"]
    elif change == "layout":
        for frame in content.values():
            for one in frame["body_list"]:
                one["keypoint"], one["keypoint_confidence"] = one["keypoint"][:7], one["keypoint_confidence"][:7]
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("joints", "frame 1: a person has 37 joints"),
        ("flat", r"frame 1 \('\d+'\), body 0: keypoint has the shape \(3,\)"),
        ("same", r"frame 1 .*: two bodies have the same id"),
        ("confidences", r"frame 1 .*, body 0: 1 keypoint_confidence for 38 joints"),
        ("no list", r"frame 1 .*: 'body_list' is missing"),
        ("layout", r"7 joints a person; known here: 18 \(zed18\), 34 \(zed34\), 38 \(zed38\)"),
    ],
)
def test_damage_of_a_zed_file_is_named_with_its_frame(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        read(written(tmp_path / "walk.json", broken_zed(change)))


@pytest.mark.parametrize("content", [azure([[], []]), zed([[], []], "zed18")])
def test_a_file_without_bodies_is_an_empty_recording(tmp_path: Path, content: Any) -> None:
    with pytest.raises(EmptyRecording, match="nobody is in any of its 2 frames"):
        read(written(tmp_path / "walk.json", content))


@pytest.mark.parametrize("content", [azure([[1]] * 3), zed([[1]] * 3, "zed18")])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, content: Any) -> None:
    path = written(tmp_path / "walk.json", content)
    path.write_text(path.read_text()[:-100])
    with pytest.raises(ReadError, match=r"walk\.json: the file .* at line 1, column \d+"):
        read(path)
