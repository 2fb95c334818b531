"""The sample files of other tools: each is recognised as its own format, and the same walk in every one is the same."""

from pathlib import Path

import numpy as np
import pytest

from helpers.recordings import FORMATS as SAMPLES
from jointwise.data.formats import FORMATS, detect, npz, read, recordings_in
from jointwise.data.formats.files import read_head

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample files are not here")

# place of a sample of a 2D detector -> its format
DETECTED = {
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
OTHERS = {  # beginning of the name of another sample -> its format
    "azure_kinect/": "azure_kinect",
    "bvh/": "bvh",
    "c3d/": "c3d",
    "kinect_v2_csv/": "kinect",
    "mediapipe/": "mediapipe",
    "pose_format/": "pose",
    "trc/": "trc",
    "twins/azure": "azure_kinect",
    "twins/kinect_v2": "kinect",
    "twins/walk.trc": "trc",
    "twins/walk_zup_mm.c3d": "c3d",
    "twins/zed": "zed",
    "zed/": "zed",
}
# Any table could be read by the reader of tables: it gives way to the others.
GIVES_WAY = "table"
TWINS = {  # twin -> how far it may be from the truth, in pixels: the rounding of the file
    place: {"coco_annotations.json": 0.06, "kinetics_skeleton.json": 0.97}.get(Path(place).name, 0.01)
    for place in DETECTED
    if place.startswith("twins/")
}


def format_of(place: Path) -> str:
    """The format of the file of a sample; empty where it is none, such as the page about the samples."""
    if place.suffix == ".npz":
        return "npz"
    found = DETECTED.get(place.as_posix()) or DETECTED.get(place.parent.as_posix())
    return found or next((name for begin, name in OTHERS.items() if place.as_posix().startswith(begin)), "")


def test_every_sample_is_recognised_as_its_own_format_and_no_other() -> None:
    for path in sorted(file for file in SAMPLES.rglob("*.*") if file.is_file()):
        place = path.relative_to(SAMPLES)
        head = read_head(path)
        scores = {item.name: item.detect(path, head) for item in FORMATS.values()}
        likely = {name for name, score in scores.items() if score > 0} - {GIVES_WAY}
        assert likely == {format_of(place)} - {""}, place
        if likely:
            assert detect(path).name == format_of(place)


def test_a_sample_that_is_cut_off_is_taken_for_no_other_format() -> None:
    for path in sorted(SAMPLES.rglob("*.json")):
        head = read_head(path)
        for part in (head[:300], head[: len(head) // 2]):
            likely = {name for name, item in FORMATS.items() if item.detect(path, part) > 0}
            assert likely <= {format_of(path.relative_to(SAMPLES))}, path


@pytest.mark.parametrize("place", DETECTED)
def test_every_sample_is_found_and_read(place: str) -> None:
    path = SAMPLES / place
    assert path in recordings_in(path.parent)
    assert detect(path).name == DETECTED[place]
    sequence = read(path)
    assert sequence.validity.any()
    assert sequence.up == "-y"
    assert sequence.units == ("image" if DETECTED[place] in ("kinetics", "yolo") else "px")


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
