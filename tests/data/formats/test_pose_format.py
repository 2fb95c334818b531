"""`.pose` files of all versions, written here by the published layout, and damaged ones."""

import struct
from pathlib import Path

import numpy as np
import pytest

from helpers.recordings import FORMATS as SAMPLES
from jointwise.data.formats import detect, read
from jointwise.data.skeletons import get_skeleton
from jointwise.errors import EmptyRecording, ReadError

Components = list[tuple[str, str, list[str]]]  # name, format, names of the points
OPENPOSE = [  # as OpenPose calls the joints of BODY_25
    *("Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip", "RHip", "RKnee"),
    *("RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar", "LBigToe", "LSmallToe", "LHeel"),
    *("RBigToe", "RSmallToe", "RHeel"),
]
BODY: Components = [("pose_keypoints_2d", "XYC", OPENPOSE), ("hand", "XYC", ["a", "b"])]
MEDIAPIPE = [joint.upper() for joint in get_skeleton("mediapipe33").joints]


def text(value: str) -> bytes:
    return struct.pack("<H", len(value.encode())) + value.encode()


def header(version: float, components: Components, size: tuple[int, int, int] = (640, 480, 0)) -> bytes:
    """The header; every component has one limb and one colour."""
    parts = [struct.pack("<f4H", version, *size, len(components))]
    for name, letters, points in components:
        parts += [text(name), text(letters), struct.pack("<3H", len(points), 1, 1), *map(text, points)]
        parts += [struct.pack("<2H", 0, 1), struct.pack("<3H", 255, 0, 0)]
    return b"".join(parts)


def pose(path: Path, version: float, components: Components, data: np.ndarray, fps: float = 25) -> Path:
    """A file of data (T, persons, points, C + 1), the confidence last. A person of confidence 0 is left out of 0.0."""
    frames, people, _, width = data.shape
    content = [header(version, components)]
    if version == 0:
        content.append(struct.pack("<2H", round(fps), frames))
        for frame in data:
            present = [rows for rows in frame if rows[:, -1].any()]
            content.append(struct.pack("<H", len(present)))
            for rows in present:
                content.append(struct.pack("<h", -1))
                start = 0
                for _, letters, points in components:
                    part = rows[start : start + len(points)]
                    columns = [*range(len(letters) - 1), width - 1]
                    content.append(part[:, columns].astype("<f4").tobytes())
                    start += len(points)
    else:
        rate = struct.pack("<2H", round(fps), frames % 65536) if version == 0.1 else struct.pack("<fI", fps, frames)
        content += [rate, struct.pack("<H", people), data[..., :-1].astype("<f4").tobytes()]
        content.append(data[..., -1].astype("<f4").tobytes())
    path.write_bytes(b"".join(content))
    return path


def two_persons(frames: int = 6, points: int = 27, coordinates: int = 2) -> np.ndarray:
    """(T, 2, points, C + 1): two persons far from each other; one point of one frame has the confidence 0."""
    rng = np.random.default_rng(0)
    data = rng.uniform(0, 100, (1, 2, points, coordinates + 1)) + rng.uniform(
        0, 3, (frames, 2, points, coordinates + 1)
    )
    data[:, 1] += 300
    data[..., -1] = 0.8
    data[2, 0, 4] = 0
    return data


@pytest.mark.parametrize("version", [0.0, 0.1, 0.2])
def test_every_version_gives_back_its_points(tmp_path: Path, version: float) -> None:
    data = two_persons()
    path = pose(tmp_path / "sign.pose", version, BODY, data, fps=24)
    assert detect(path).name == "pose"
    found = read(path)
    assert (found.units, found.up, found.fps, found.skeleton.name) == ("px", "-y", 24, "body25")
    assert np.argwhere(~found.validity).tolist() == [[0, 2, 4]]
    expected = data[:, :, :25].swapaxes(0, 1)
    assert np.abs(found.positions - expected[..., :2]).max() < 1e-4
    assert found.confidence is not None
    assert np.abs(found.confidence - expected[..., 2]).max() < 1e-6
    assert "Only pose_keypoints_2d is read, not hand." in found.assumed


def test_a_rate_may_be_a_fraction_in_version_0_2(tmp_path: Path) -> None:
    assert read(pose(tmp_path / "a.pose", 0.2, BODY, two_persons(), fps=29.97)).fps == pytest.approx(29.97)


def test_more_frames_than_version_0_1_can_count_are_all_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    five: Components = [("five", "XYC", list("abcde"))]
    path = pose(tmp_path / "long.pose", 0.1, five, np.random.default_rng(0).uniform(1, 2, (20, 1, 5, 3)))
    content = path.read_bytes()
    at = len(header(0.1, five)) + 2
    assert content[at : at + 2] == struct.pack("<H", 20)
    path.write_bytes(content[:at] + struct.pack("<H", 4) + content[at + 2 :])
    with pytest.raises(ReadError, match=r"20\.00 frames of 1 persons, the header says 4"):
        read(path)
    monkeypatch.setattr("jointwise.data.formats.pose._MOST", 8)  # 65,536 in truth
    found = read(path)
    assert found.frames == 20
    assert found.skeleton.joints == tuple("abcde")


def test_of_two_bodies_of_mediapipe_the_one_in_metres_is_read_where_it_was_seen(tmp_path: Path) -> None:
    both: Components = [("POSE_LANDMARKS", "XYZC", MEDIAPIPE), ("POSE_WORLD_LANDMARKS", "XYZC", MEDIAPIPE)]
    data = two_persons(points=66, coordinates=3)[:, :1]
    found = read(pose(tmp_path / "a.pose", 0.1, both, data))
    assert (found.skeleton.name, found.units, found.up) == ("mediapipe33", "m", "-y")
    assert np.abs(found.positions[0] - data[:, 0, 33:, :3]).max() < 1e-4
    data[:, :, 33:] = 0
    found = read(pose(tmp_path / "b.pose", 0.1, both, data))
    assert (found.skeleton.name, found.units, found.positions.shape[-1]) == ("mediapipe33", "px", 2)
    assert any("depth of POSE_LANDMARKS" in note for note in found.assumed)


def test_points_without_a_body_keep_their_names_and_parts_of_an_image_are_no_pixels(tmp_path: Path) -> None:
    hand: Components = [("HAND", "XYZC", ["WRIST", "TIP", "a", "b", "c"])]
    found = read(pose(tmp_path / "a.pose", 0.1, hand, two_persons(points=5, coordinates=3) / 1000))
    assert found.skeleton.joints[:2] == ("wrist", "tip")
    assert found.positions.shape[-1] == 3
    assert found.units is None
    assert any("no pixels of the 640 × 480 image" in note for note in found.assumed)


def test_real_files_are_read() -> None:
    if not (SAMPLES / "pose_format").exists():
        pytest.skip("the samples of file formats are not here")
    openpose = read(SAMPLES / "pose_format" / "openpose.pose")
    assert (openpose.skeleton.name, openpose.positions.shape, openpose.fps) == ("body25", (1, 93, 25, 2), 24)
    shoulders, legs = ([openpose.skeleton.joints.index(f"left_{name}")] for name in ("shoulder", "knee"))
    assert openpose.validity[0, :, shoulders].all()
    assert not openpose.validity[0, :, legs].any()  # the film shows the upper half of a person
    hand = read(SAMPLES / "pose_format" / "mediapipe_hand_normalized.pose")
    assert (hand.positions.shape, hand.fps, hand.skeleton.name) == ((1, 170, 21, 3), 24, "mediapipe-hand21")


def test_a_file_of_nobody_is_an_empty_recording(tmp_path: Path) -> None:
    with pytest.raises(EmptyRecording, match="nobody is in any of its 6 frames"):
        read(pose(tmp_path / "a.pose", 0.1, BODY, np.zeros((6, 1, 27, 3))))


@pytest.mark.parametrize("version", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("part", [0.01, 0.1, 0.3, 0.6, 0.99])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, version: float, part: float) -> None:
    path = pose(tmp_path / "sign.pose", version, BODY, two_persons())
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ReadError, match=r"sign\.pose"):
        read(path)


def test_damage_is_named(tmp_path: Path) -> None:
    path = pose(tmp_path / "a.pose", 0.2, BODY, two_persons())
    content = path.read_bytes()
    path.write_bytes(content[:-12])
    with pytest.raises(ReadError, match=r"bytes of coordinates are 5\.9\d frames of 2 persons, the header says 6"):
        read(path)
    path.write_bytes(content.replace(b"XYC", b"XYQ", 1))
    with pytest.raises(ReadError, match="'pose_keypoints_2d' has 25 points with the format 'XYQ'"):
        read(path, format="pose")
    path.write_bytes(struct.pack("<f", 3.5) + content[4:])
    with pytest.raises(ReadError, match=r"version 3\.5 with 2 components is no \.pose file"):
        read(path)
    path = pose(tmp_path / "b.pose", 0.0, BODY, two_persons())
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(ReadError, match=r"the file ends where frame \d of 6 should be"):
        read(path)


def test_points_of_other_names_than_those_of_a_layout_of_that_size_are_read(tmp_path: Path) -> None:
    names = [f"dot {letter}" for letter in "abcdefghijklmnopqrstuvwxy"]  # 25, as in body25 and ntu25
    read_back = read(pose(tmp_path / "a.pose", 0.2, [("own", "XYC", names)], two_persons(points=25)))
    assert read_back.positions.shape == (2, 6, 25, 2)
    assert read_back.skeleton.name == "own25"
