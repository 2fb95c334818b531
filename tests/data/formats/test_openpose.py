"""OpenPose's folders: what its versions and options change, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.detected import listed, openpose, save
from jointwise.data.formats import detect, read, recordings_in
from jointwise.data.skeletons import NTU25, get_skeleton
from jointwise.errors import EmptyRecording, ReadError

BODY = listed("halpe26")[0][0][1]  # (26, 3)


def frame(path: Path, *people: Any, key: str = "pose_keypoints_2d") -> Path:
    return save(path, {"version": 1.2, "people": [{key: np.ravel(person).tolist()} for person in people]})


def test_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (2, 10, 9):
        frame(tmp_path / f"f_{number}.json", BODY + np.array([number, 0, 0]))
    sequence = read(tmp_path)
    assert sequence.frames == 9
    np.testing.assert_allclose(sequence.positions[0, [0, 7, 8], 0, 0], BODY[0, 0] + [2, 9, 10])
    assert sequence.validity[0].any(-1).tolist() == [True] + [False] * 6 + [True] * 2


def test_a_file_alone_is_one_frame(tmp_path: Path) -> None:
    path = frame(tmp_path / "f_7.json", BODY)
    assert read(path).frames == 1
    assert any("its folder is the recording" in sentence for sentence in read(path).assumed)
    assert recordings_in(tmp_path) == [tmp_path]


def test_frames_of_two_cameras_in_one_folder_are_told(tmp_path: Path) -> None:
    for name in ("cam1_01", "cam1_02", "cam2_01"):
        frame(tmp_path / f"{name}.json", BODY)
    with pytest.raises(ReadError, match=r"frames of 2 recordings: cam1_\* \(2\), cam2_\* \(1\)\. Give each a folder"):
        read(tmp_path)


def test_a_folder_whose_first_frames_show_nobody_is_recognised(tmp_path: Path) -> None:
    frame(tmp_path / "f_0.json")
    frame(tmp_path / "f_1.json", BODY)
    assert detect(tmp_path).name == "openpose"
    assert read(tmp_path).validity[0].any(-1).tolist() == [False, True]
    frame(tmp_path / "empty" / "f_0.json")
    with pytest.raises(EmptyRecording, match=r"nobody is in any of its 1 frames"):
        read(tmp_path / "empty")


def test_a_person_of_whom_only_the_face_is_there_is_nobody(tmp_path: Path) -> None:
    frame(tmp_path / "f_0.json", BODY, [])
    assert read(tmp_path).persons == 1


def test_numbers_of_persons_are_kept(tmp_path: Path) -> None:
    for number in range(3):
        ids = (5, 4) if number % 2 else (4, 5)
        people = [
            {"person_id": [who], "pose_keypoints_2d": (BODY + np.array([100 * who, 0, 0])).ravel().tolist()}
            for who in ids
        ]
        save(tmp_path / f"{number}.json", {"version": 1.3, "people": people})
    np.testing.assert_allclose(read(tmp_path).positions[:, :, 0, 0], BODY[0, 0] + np.array([[400] * 3, [500] * 3]))


def test_scaled_coordinates_are_parts_of_the_image(tmp_path: Path) -> None:
    for scale, name in ((lambda p: p / 500, "zero"), (lambda p: p / 250 - 1, "minus")):
        keypoints = BODY.copy()
        keypoints[:, :2] = scale(BODY[:, :2])
        frame(tmp_path / name / "0.json", keypoints)
        sequence = read(tmp_path / name)
        assert sequence.units == "image"
        np.testing.assert_allclose(sequence.positions[0, 0], BODY[:, :2] / 500, atol=1e-5)
        assert any("parts of the image" in sentence for sentence in sequence.assumed)
        assert read(tmp_path / name, image_size=(500, 500)).units == "px"


def test_old_keys_and_three_coordinates_are_read(tmp_path: Path) -> None:
    frame(tmp_path / "old" / "0.json", BODY, key="pose_keypoints")
    assert read(tmp_path / "old").validity.all()
    frame(tmp_path / "3d" / "0.json", np.insert(BODY, 2, 7, axis=1), key="pose_keypoints_3d")
    sequence = read(tmp_path / "3d")
    assert sequence.positions.shape == (1, 1, 26, 3)
    assert (sequence.positions[..., 2] == 7).all()
    assert sequence.units is None


def test_a_layout_that_is_given_goes_before_the_guess(tmp_path: Path) -> None:
    path = openpose(tmp_path, listed("body25"))
    assert read(path, layout="ntu25").skeleton == NTU25
    fifteen = get_skeleton("sbu15")
    frame(tmp_path / "mpi" / "0.json", BODY[:15])
    with pytest.raises(ReadError, match=r"15 joints a person; known here"):
        read(tmp_path / "mpi")
    assert read(tmp_path / "mpi", layout=fifteen).skeleton == fifteen


def test_25_joints_that_could_be_several_are_not_guessed(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(1, 400, (25, 3))
    frame(tmp_path / "0.json", noise)
    with pytest.raises(ReadError, match=r"could be .*body25b.*Say which: --layout"):
        read(tmp_path)


def test_a_file_of_another_kind_in_the_folder_is_named(tmp_path: Path) -> None:
    openpose(tmp_path, listed("halpe26"))
    save(tmp_path / "walk" / "walk_000000000099_keypoints.json", {"frames": 3})
    with pytest.raises(ReadError, match=r"walk_000000000099_keypoints\.json: 'people' is missing \(found: frames\)"):
        read(tmp_path / "walk")
