"""The sample files of other tools: each is recognised as its own format, and the same walk in every one is the same."""

from pathlib import Path

import numpy as np
import pytest

from helpers.recordings import FORMATS as SAMPLES
from jointwise.data.formats import FORMATS, detect, npz, read, recordings_in
from jointwise.data.formats.files import read_head

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample files are not here")
# place of a sample -> its format. Those that are not named here belong to none of these formats.
FORMAT_OF = {
    "alphapose/alphapose_coco17-results.json": "alphapose",
    "alphapose/alphapose_halpe26-results.json": "alphapose",
    "coco_keypoints/coco_results.json": "coco",
    "coco_keypoints/test_coco_no_segmentation.json": "coco",
    "kinetics_skeleton/kinetics_skeleton.json": "kinetics",
    "openpose_body25": "openpose",
    "openpose_body25b": "openpose",
    "rtmpose_halpe26_openpose_json": "openpose",
    "twins/alphapose_coco17-results.json": "alphapose",
    "twins/alphapose_halpe26-results.json": "alphapose",
    "twins/coco_annotations.json": "coco",
    "twins/coco_results.json": "coco",
    "twins/kinetics_skeleton.json": "kinetics",
    "twins/mmpose_inferencer_video.json": "mmpose",
    "twins/mmpose_topdown_demo.json": "mmpose",
    "twins/openpose_body25": "openpose",
    "twins/openpose_coco18": "openpose",
    "twins/yolo_pose_labels": "yolo",
}
OURS = set(FORMAT_OF.values()) | {"mmpose_images", "yolo_json"}
TWINS = {  # twin -> how far it may be from the truth, in pixels: the rounding of the file
    place: {"coco_annotations.json": 0.06, "kinetics_skeleton.json": 0.97}.get(Path(place).name, 0.01)
    for place in FORMAT_OF
    if place.startswith("twins/")
}


def test_every_sample_is_recognised_as_its_own_format_and_no_other() -> None:
    for path in sorted(SAMPLES.rglob("*.*")):
        if not path.is_file():
            continue
        place = path.relative_to(SAMPLES)
        own = FORMAT_OF.get(place.as_posix(), FORMAT_OF.get(place.parent.as_posix()))
        head = read_head(path)
        for size in (300, len(head) // 2, len(head)):  # a cut file is not taken for another
            found = {item.name: item.detect(path, head[:size]) for item in FORMATS.values()}
            assert {name for name, score in found.items() if score > 0 and (name in OURS or own)} <= {own}, place
        assert own is None or found[own] == 1, place


@pytest.mark.parametrize("place", FORMAT_OF)
def test_every_sample_is_found_and_read(place: str) -> None:
    path = SAMPLES / place
    assert path in recordings_in(path.parent)
    assert detect(path).name == FORMAT_OF[place]
    sequence = read(path)
    assert sequence.validity.any()
    assert sequence.up == "-y"
    assert sequence.units == ("image" if FORMAT_OF[place] in ("kinetics", "yolo") else "px")


@pytest.mark.parametrize("place", TWINS)
def test_the_twins_give_back_the_truth(place: str) -> None:
    truth = npz.read(SAMPLES / "twins" / "truth_mediapipe33_px.npz")
    sequence = read(SAMPLES / place, image_size=(1080, 1920))
    joints = [joint for joint in sequence.skeleton.joints if joint in truth.skeleton.joints]
    assert len(joints) >= 17
    found, true = sequence.on_joints(joints), truth.on_joints(joints)
    np.testing.assert_array_equal(found.validity, true.validity)
    np.testing.assert_allclose(found.positions[true.validity], true.positions[true.validity], atol=TWINS[place], rtol=0)


def test_25_joints_are_told_apart() -> None:
    assert read(SAMPLES / "openpose_body25").skeleton.name == "body25"
    assert read(SAMPLES / "openpose_body25b").skeleton.name == "body25b"
    assert read(SAMPLES / "twins" / "openpose_body25").skeleton.name == "body25"
