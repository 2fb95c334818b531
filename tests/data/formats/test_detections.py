"""Frames in order, joints by name or number, and a recording of them."""

from pathlib import Path

import numpy as np
import pytest

from jointwise.data.formats.detections import (
    FPS_ASSUMED,
    detection,
    frame_files,
    frame_numbers,
    layout_of,
    named_layout,
    order_frames,
    to_sequence,
)
from jointwise.data.formats.format import ReadOptions
from jointwise.data.skeletons import COCO17, SBU15, get_skeleton
from jointwise.data.tracking import Detection
from jointwise.errors import EmptyRecording, ReadError

X = Path("x")


def person(at: float = 1.0, joints: int = 17) -> Detection:
    return detection(np.full((joints, 2), at), np.full(joints, 0.5))


def test_joints_that_were_not_seen_are_nan() -> None:
    found = detection([[1, 2], [0, 0], [0, 3], [4, np.nan], [5, 6]], [1.5, 1, 1, 1, 0])
    assert np.isfinite(found.points).all(-1).tolist() == [True, False, True, False, False]
    assert found.confidence is not None
    assert found.confidence.tolist() == [1, 1, 1, 1, 0]
    assert np.isfinite(detection([[0, 0, 0]], zero_missing=False).points).all()


def test_frames_come_in_the_order_of_their_numbers_and_gaps_are_frames_without_persons() -> None:
    one = [person()]
    frames, told = order_frames({9: [], 12: one, 10: one})
    assert [len(frame) for frame in frames] == [0, 1, 0, 1]
    assert told == ()
    assert order_frames({}) == ([], ())


def test_numbers_in_steps_or_far_apart_count_as_successive_frames() -> None:
    frames, told = order_frames({number: [] for number in range(5, 50, 5)})
    assert len(frames) == 9
    assert "go up by 5" in told[0]
    frames, told = order_frames({785: [], 40083: [], 196141: []})
    assert len(frames) == 3
    assert "too far apart" in told[0]


@pytest.mark.parametrize(
    "names",
    [
        ["walk_000000000009_keypoints.json", "walk_000000000010_keypoints.json"],
        ["cam01.0009.json", "cam01.0010.json"],
        ["9.jpg", "10.jpg"],
        ["take2/frame 9.png", "take2/frame 10.png"],
    ],
)
def test_the_last_number_of_a_name_is_that_of_the_frame(names: list[str]) -> None:
    assert frame_numbers(names, X) == (dict(zip(names, (9, 10), strict=True)), ())


def test_names_of_several_recordings_or_without_numbers_are_told() -> None:
    assert frame_numbers(["only.json"], X) == ({"only.json": 0}, ())
    with pytest.raises(ReadError, match=r"x: frames of 2 recordings: a_\* \(2\), b_\* \(1\)\. Give each a folder"):
        frame_numbers(["a_1.json", "b_1.json", "a_2.json"], X)
    with pytest.raises(ReadError, match=r"1\.json, 01\.json have the same frame number 1"):
        frame_numbers(["1.json", "01.json", "2.json"], X)
    with pytest.raises(ReadError, match=r"hold no frame number"):
        frame_numbers(["a.json", "b.json"], X)
    numbers, told = frame_numbers(["1.json", "2.json", "notes.json"], X)
    assert list(numbers) == ["1.json", "2.json"]
    assert "notes.json" in told[0]


def test_the_files_of_a_folder_are_in_the_order_of_their_frames(tmp_path: Path) -> None:
    for name in ("w_10.json", "w_9.json", ".w_3.json", "w_2.txt", "about.json"):
        (tmp_path / name).touch()
    files, told = frame_files(tmp_path, ".json")
    assert [path.name for path in files.values()] == ["w_9.json", "w_10.json"]
    assert "about.json" in told[0]
    files, told = frame_files(tmp_path / "w_9.json", ".json")
    assert list(files.values()) == [tmp_path / "w_9.json"]
    assert "one frame" in told[0]


def test_joints_by_number_or_as_the_user_says() -> None:
    known = {17: "coco17"}
    assert layout_of(X, 17, ReadOptions(), known) == COCO17
    assert layout_of(X, 15, ReadOptions(layout=SBU15), known) == SBU15
    with pytest.raises(ReadError, match=r"x: 16 joints a person; known here: 17 \(coco17\)"):
        layout_of(X, 16, ReadOptions(), known)
    with pytest.raises(ReadError, match=r"the layout 'sbu15' has 15"):
        layout_of(X, 17, ReadOptions(layout=SBU15), known)


def test_joints_by_name() -> None:
    assert named_layout([name.upper().replace("_", " ") for name in COCO17.joints], [], "x") == COCO17
    halpe = get_skeleton("halpe26")
    mmpose = {"head_top": "head", "spine_shoulder": "neck", "spine_base": "hip"}
    assert named_layout([mmpose.get(joint, joint) for joint in halpe.joints], [], "x") == halpe
    own = named_layout(["Tail", "left_paw", "right-paw"], [[0, 1], [0, 2], [1, 1], [0, 9]], "x")
    assert own.joints == ("tail", "left_paw", "right_paw")
    assert own.bones == (("tail", "left_paw"), ("tail", "right_paw"))
    with pytest.raises(ReadError, match=r"x: .*names a joint twice"):
        named_layout(["a", "A"], [], "x")
    for bones in ([3], [["a", "b"]], 5):
        with pytest.raises(ReadError, match=r"x: .*bones"):
            named_layout(["a", "b"], bones, "x")


def test_a_recording_says_what_was_assumed() -> None:
    given = to_sequence(X, [[person()]] * 3, COCO17, ReadOptions(), units="px", up="-y")
    assert given.assumed == (FPS_ASSUMED,)
    assert (given.persons, given.frames, given.fps, given.source) == (1, 3, 30, "x")
    assert given.confidence is not None
    assert (given.confidence == 0.5).all()
    for options, fps in ((ReadOptions(fps=50), None), (ReadOptions(), 50.0)):
        told = to_sequence(X, [[person()]] * 3, COCO17, options, units="px", up="-y", fps=fps)
        assert (told.fps, told.assumed) == (50, ())


def test_parts_of_the_image_become_pixels_where_its_size_is_known() -> None:
    parts = to_sequence(X, [[person(0.5)]], COCO17, ReadOptions(), units="image", up="-y")
    assert (parts.units, parts.positions[0, 0, 0].tolist()) == ("image", [0.5, 0.5])
    pixels = to_sequence(X, [[person(0.5)]], COCO17, ReadOptions(image_size=(640, 480)), units="image", up="-y")
    assert (pixels.units, pixels.positions[0, 0, 0].tolist()) == ("px", [320, 240])


def test_nobody_and_mixed_joints_are_refused() -> None:
    unseen = detection(np.zeros((17, 2)), np.zeros(17))
    for frames in ([], [[], []], [[unseen]]):
        with pytest.raises(EmptyRecording, match="x: nobody"):
            to_sequence(X, frames, COCO17, ReadOptions(), units="px", up="-y")
    with pytest.raises(ReadError, match=r"x, frame 1: a person has 16 joints .* the others have 17"):
        to_sequence(X, [[person()], [person(1, 16)]], COCO17, ReadOptions(), units="px", up="-y")
