"""What 2D detectors save: every reader gives back the persons that were written, and says where a file is damaged."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from helpers.detected import CASES, SIZE, Listed, listed, truth
from jointwise.data.formats import FORMATS, detect, read, recordings_in
from jointwise.data.skeletons import get_skeleton
from jointwise.errors import EmptyRecording, ReadError

Writer = Callable[[Path, Listed], Path]
IDS = [f"{writer.__name__}-{layout}" for writer, layout, _format in CASES]
ONE_EACH = [CASES[IDS.index(name)] for name in ("openpose-halpe26", "alphapose-coco17", "mmpose-coco17")] + [
    case for case in CASES if case[0].__name__ in ("mmpose_images", "coco_results", "yolo", "yolo_json", "kinetics")
]
by_case = pytest.mark.parametrize(("write", "layout", "name"), CASES, ids=IDS)
by_format = pytest.mark.parametrize(("write", "layout", "name"), ONE_EACH, ids=[name for _w, _l, name in ONE_EACH])


def first_file(path: Path) -> Path:
    """The first file of a recording that holds somebody."""
    return path if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())[0]


@by_case
def test_the_persons_of_the_file_are_given_back(tmp_path: Path, write: Writer, layout: str, name: str) -> None:
    path = write(tmp_path, listed(layout))
    sequence = read(path, image_size=SIZE)
    positions, valid = truth(layout)
    assert detect(path).name == name
    assert sequence.skeleton == get_skeleton(layout)
    assert (sequence.units, sequence.up, sequence.fps) == ("px", "-y", 30.0)
    np.testing.assert_array_equal(sequence.validity, valid)
    np.testing.assert_allclose(sequence.positions[valid], positions[valid], atol=2e-3)
    if write.__name__ == "coco_annotations":
        assert sequence.confidence is None
    else:
        np.testing.assert_allclose(sequence.confidence, 0.9 * valid, atol=1e-6)


@by_case
def test_what_the_file_does_not_say_is_told(tmp_path: Path, write: Writer, layout: str, name: str) -> None:
    sequence = read(write(tmp_path, listed(layout)))
    assert any("frame rate" in sentence for sentence in sequence.assumed)
    assert any("who is who" in sentence for sentence in sequence.assumed) == (write.__name__ != "alphapose")
    assert any("25 joints" in sentence for sentence in sequence.assumed) == layout.endswith(("25", "25b"))
    assert all(sentence.endswith(".") for sentence in sequence.assumed)
    assert sequence.units == ("image" if name in ("yolo", "kinetics") else "px")
    given = read(write(tmp_path / "again", listed(layout)), fps=50)
    assert given.fps == 50
    assert not any("frame rate" in sentence for sentence in given.assumed)


@by_case
def test_no_other_format_takes_the_file_for_its_own(tmp_path: Path, write: Writer, layout: str, name: str) -> None:
    path = write(tmp_path, listed(layout))
    for file in [path] if path.is_file() else path.iterdir():
        head = file.read_bytes()[:65536]
        for part in (head, head[: len(head) * 2 // 3]):
            found = {item.name: item.detect(file, part) for item in FORMATS.values()}
            assert all(score == 0 for other, score in found.items() if other != name), file
    assert recordings_in(tmp_path) == [path]


@by_format
def test_a_joint_less_sure_than_asked_is_not_valid(tmp_path: Path, write: Writer, layout: str, name: str) -> None:
    path = write(tmp_path, listed(layout))
    assert not read(path, min_confidence=0.95).validity.any()
    assert read(path, min_confidence=0.0).validity.any()


@by_format
def test_a_recording_of_nobody_is_empty(tmp_path: Path, write: Writer, layout: str, name: str) -> None:
    path = write(tmp_path, [[] for _ in range(4)])
    if name == "yolo":  # a frame without persons may have an empty file, too
        (path / "walk_1.txt").touch()
    with pytest.raises(EmptyRecording, match=r"nobody is in any"):
        read(path, format=name)


@by_format
def test_a_file_that_is_cut_off_is_named(tmp_path: Path, write: Writer, layout: str, name: str) -> None:
    path = write(tmp_path, listed(layout))
    file = first_file(path)
    text = file.read_text()
    file.write_text(text[: len(text) * 2 // 3])
    with pytest.raises(ReadError, match=rf"{file.name}.*(cut off|is no JSON|numbers; a person with)") as error:
        read(path)
    assert "again" in str(error.value)


@by_format
def test_another_number_of_joints_in_one_frame_is_told(tmp_path: Path, write: Writer, layout: str, name: str) -> None:
    frames = listed(layout)
    who, keypoints = frames[4][0]
    frames[4][0] = (who, keypoints[:-1])
    path = write(tmp_path, frames)
    where = (
        r"walk_5\.txt, line 1: 53 numbers; a person with 17 joints has 39, 56"
        if name == "yolo"
        else (rf"(frame 5|000004|4\.jpg|4\.json|frame 4|image 4).*{len(keypoints) - 1} joints.* but {len(keypoints)}")
    )
    with pytest.raises(ReadError, match=where):
        read(path)


@by_format
def test_joints_that_no_layout_has_need_one(tmp_path: Path, write: Writer, layout: str, name: str) -> None:
    path = write(tmp_path, [[(who, keypoints[:14]) for who, keypoints in frame] for frame in listed(layout)])
    with pytest.raises(
        ReadError, match=r"(14 joints a person; known here: 17 \(coco17\)|47 numbers).*[Nn]ame the layout"
    ):
        read(path)
    fourteen = get_skeleton(layout).on_joints(get_skeleton(layout).joints[:14])
    if name == "yolo":  # so many numbers are 14 joints only if one says it
        with pytest.raises(ReadError, match="13 joints has 31, 44"):
            read(path, layout=get_skeleton("coco17").on_joints(fourteen.joints[:13]))
    else:
        with pytest.raises(ReadError, match=r"14 joints a person, but the layout 'coco17' has 17"):
            read(path, layout="coco17")
    assert read(path, layout=fourteen).skeleton == fourteen


@by_format
@pytest.mark.parametrize(
    "damage", ['{"x": 1}', "[3]", '["a"]', "null", "7", '[{"keypoints": 3}]', "[[]]", '{"people": 3}']
)
def test_other_json_is_no_traceback(tmp_path: Path, write: Writer, layout: str, name: str, damage: str) -> None:
    path = write(tmp_path, listed(layout))
    first_file(path).write_text(damage)
    with pytest.raises(ReadError, match=first_file(path).name):
        read(path, format=name)


@by_format
@pytest.mark.parametrize("text", ['"a"', "null", "{}", "[1, [2]]", '"3 x"'])
def test_keypoints_that_are_no_numbers_are_no_traceback(
    tmp_path: Path, write: Writer, layout: str, name: str, text: str
) -> None:
    path = write(tmp_path, listed(layout))
    file = first_file(path)
    content = file.read_text()
    if name == "yolo":
        file.write_text(content.replace("0.9", text, 1))
    else:
        at = content.index("[", content.index("pose") if "pose" in content else content.index("keypoints"))
        file.write_text(content[:at] + text + content[content.index("]", at) + 1 :])
    with pytest.raises(ReadError, match=file.name):
        read(path)


def test_folders_and_files_of_several_detectors_are_found_together(tmp_path: Path) -> None:
    for number, (write, layout, _name) in enumerate(CASES):
        write(tmp_path / "walk" / str(number), listed(layout))
    (tmp_path / "walk" / "notes.txt").write_text("12 of May")
    (tmp_path / "walk" / "settings.json").write_text(json.dumps({"fps": 30}))
    found = recordings_in(tmp_path)
    assert len(found) == len(CASES)
    assert {detect(path).name for path in found} == {name for _write, _layout, name in CASES}
