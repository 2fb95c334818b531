"""AlphaPose, MMPose, COCO, YOLO and Kinetics: what is particular to each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.detected import FRAMES, alphapose, coco_annotations, kinetics, listed, mmpose, save, yolo
from jointwise.data.formats import FORMATS, detect, read
from jointwise.data.sequence import Floats
from jointwise.data.skeletons import get_skeleton
from jointwise.errors import ReadError

BODY = listed("coco17")[0][0][1]  # (17, 3)
FLAT = BODY.ravel().tolist()


def moved(by: float) -> Floats:
    """The body (17, 3), moved to the right."""
    return np.asarray(BODY + np.array([by, 0, 0]), np.float32)


def entry(image: Any, keypoints: list[float] = FLAT, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": 1, "keypoints": keypoints, "score": 1.0, **more}


def test_alphapose_keeps_the_body_of_larger_layouts_and_says_so(tmp_path: Path) -> None:
    halpe = listed("halpe26")[0][0][1]
    whole = np.concatenate([halpe, np.ones((110, 3))])
    sequence = read(save(tmp_path / "x.json", [entry("0.jpg", whole.ravel().tolist())]))
    assert sequence.skeleton.name == "halpe26"
    assert any("26 of the body" in sentence for sentence in sequence.assumed)


def test_alphapose_orders_images_by_number_and_names_several_videos(tmp_path: Path) -> None:
    names = ["0.jpg", "1.jpg", "10.jpg", "2.jpg"]
    entries = [entry(name, moved(int(name[:-4])).ravel().tolist()) for name in names]
    sequence = read(save(tmp_path / "x.json", entries))
    assert sequence.frames == 11
    np.testing.assert_allclose(sequence.positions[0, [0, 1, 2, 10], 0, 0], BODY[0, 0] + [0, 1, 2, 10])
    with pytest.raises(ReadError, match=r"frames of 2 recordings: a\* \(1\), b\* \(1\)"):
        read(save(tmp_path / "y.json", [entry("a1.jpg"), entry("b2.jpg")]))


def test_alphapose_without_tracking_is_linked_and_confidence_above_1_is_1(tmp_path: Path) -> None:
    sure = BODY * [1, 1, 1.5]
    far = moved(300).ravel().tolist()
    entries = [entry("0.jpg", sure.ravel().tolist()), entry("0.jpg", far), entry("1.jpg", far), entry("1.jpg")]
    sequence = read(save(tmp_path / "x.json", entries))
    np.testing.assert_allclose(sequence.positions[:, :, 0, 0] - BODY[0, 0], [[0, 0], [300, 300]], atol=1e-4)
    assert sequence.confidence is not None
    assert sequence.confidence.max() == 1


def test_mmpose_names_its_joints(tmp_path: Path) -> None:
    names = ["root", "right_hip", "right_knee", "right_foot", "left_hip", "left_knee", "left_foot", "spine", "thorax"]
    names += ["neck_base", "head", "left_shoulder", "left_elbow", "left_wrist"]
    names += ["right_shoulder", "right_elbow", "right_wrist"]
    points = np.insert(BODY[:, :2], 2, 3.0, axis=1)
    instance = {"keypoints": [points.tolist()], "keypoint_scores": [[0.9] * 17], "track_id": 4}
    meta = {"dataset_name": "h36m", "keypoint_id2name": dict(enumerate(names))}
    content = {"meta_info": meta, "instance_info": [{"frame_id": 1, "instances": [instance]}]}
    sequence = read(save(tmp_path / "x.json", content))
    assert sequence.skeleton == get_skeleton("h36m17")
    assert (sequence.positions.shape, sequence.up, sequence.units) == ((1, 1, 17, 3), "z", None)


def test_mmpose_of_one_image_and_a_frame_that_is_there_twice(tmp_path: Path) -> None:
    instance = {"keypoints": BODY[:, :2].tolist(), "keypoint_scores": BODY[:, 2].tolist()}
    assert read(save(tmp_path / "x.json", {"meta_info": {}, "instance_info": [instance]})).frames == 1
    frame = {"frame_id": 3, "instances": [instance]}
    with pytest.raises(ReadError, match=r"frame 3: the frame is there twice"):
        read(save(tmp_path / "y.json", [frame, frame]))
    instance["keypoint_scores"] = [0.9]
    with pytest.raises(
        ReadError, match=r"frame 3, person 0: 'keypoints' has shape \(17, 2\) and 'keypoint_scores' \(1,"
    ):
        read(save(tmp_path / "z.json", [frame]))


def annotated(tmp_path: Path, **changes: Any) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "b.jpg", "frame_id": 1}, {"id": 8, "file_name": "a.jpg", "frame_id": 0}],
        "annotations": [entry(7), entry(8, [0.0] * 51, num_keypoints=0)],
        "categories": [{"id": 1, "name": "person", "keypoints": list(get_skeleton("coco17").joints)}],
    }
    return save(tmp_path / "x.json", content | changes)


def test_coco_annotations_name_their_joints_and_frames(tmp_path: Path) -> None:
    sequence = read(annotated(tmp_path))
    assert sequence.skeleton.name == "coco17"
    assert sequence.validity[0].any(-1).tolist() == [False, True]
    own = {"id": 1, "name": "hen", "keypoints": [f"feather {place}" for place in range(17)], "skeleton": [[1, 2]]}
    hens = read(annotated(tmp_path, categories=[own]))
    assert hens.skeleton.joints[1] == "feather_1"
    assert hens.skeleton.bones == (("feather_0", "feather_1"),)


def test_coco_hidden_joints_are_valid_and_unlabelled_ones_are_not(tmp_path: Path) -> None:
    keypoints = BODY.copy()
    keypoints[:, 2] = [0, 1, 2] * 5 + [2, 2]
    sequence = read(annotated(tmp_path, annotations=[entry(7, keypoints.ravel().tolist())]))
    assert sequence.validity[0, 1].tolist() == (keypoints[:, 2] > 0).tolist()
    assert sequence.confidence is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"annotations": [entry(9)]}, r"image 9, entry 0: 'images' has no image 9"),
        ({"images": [{"id": 1, "video_id": 1}, {"id": 2, "video_id": 2}]}, r"images of 2 videos"),
        ({"images": [{"id": 7}, {"id": 7}]}, r"two images have the same"),
        ({"images": [{"file_name": "x"}]}, r"image 0: 'id' is missing"),
        ({"categories": [{"id": 1, "keypoints": ["a", "b"]}]}, r"17 joints"),
        ({"categories": [{"id": 1, "keypoints": ["a"] * 17}]}, r"categories: .*names a joint twice"),
        ({"categories": [{"id": 1, "keypoints": ["a", "b"], "skeleton": [3]}]}, r"categories"),
        ({"annotations": [{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, r"'keypoints' is missing"),
    ],
)
def test_coco_says_what_is_wrong(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ReadError, match=rf"x\.json.*{message}"):
        read(annotated(tmp_path, **changes), format="coco")


def test_coco_with_so_many_images_that_the_annotations_come_late_is_recognised(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": f"{number:012d}.jpg", "width": 640, "height": 480} for number in range(2000)]
    path = annotated(tmp_path, images=images)
    assert path.read_text().index("annotations") > 1 << 16
    assert detect(path).name == "coco"
    assert read(path).frames == 2000


def test_coco_boxes_without_keypoints_are_no_recording(tmp_path: Path) -> None:
    boxes = [{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]
    with pytest.raises(ReadError, match="it is none of"):
        detect(save(tmp_path / "x.json", boxes))
    with pytest.raises(ReadError, match="it is none of"):
        detect(annotated(tmp_path, annotations=boxes, categories=[{"id": 1, "name": "person"}]))


def line(keypoints: Any = BODY, *more: float) -> str:
    parts = np.asarray(keypoints) / ([640, 480, 1] if np.shape(keypoints)[1] == 3 else [640, 480])
    return " ".join(f"{value:.6g}" for value in [0, 0.5, 0.5, 0.2, 0.8, *parts.ravel(), *more]) + "\n"


@pytest.mark.parametrize("more", [(), (0.8,), (0.8, 1)], ids=["nothing more", "confidence", "confidence and track"])
@pytest.mark.parametrize("width", [2, 3])
def test_yolo_lines_of_every_length_are_read(tmp_path: Path, width: int, more: tuple[float, ...]) -> None:
    near, far = line(BODY[:, :width], *more), line(moved(300)[:, :width], *more[:1], *[2 for _ in more[1:]])
    for time in range(4):
        (tmp_path / f"w_{time + 1}.txt").write_text(near + far if time % 2 else far + near)
    sequence = read(tmp_path, image_size=(640, 480))
    assert sequence.skeleton.name == "coco17"
    order = sorted(sequence.positions[:, :, 0, 0].tolist())
    np.testing.assert_allclose(order - BODY[0, 0], [[0] * 4, [300] * 4], atol=1e-2)
    assert any("who is who" in sentence for sentence in sequence.assumed) == (len(more) < 2)


def test_yolo_one_number_more_is_a_track_if_whole_and_different_in_a_frame(tmp_path: Path) -> None:
    (tmp_path / "w_1.txt").write_text(line(BODY, 3) + line(moved(300), 8))
    (tmp_path / "w_2.txt").write_text(line(moved(300), 3) + line(BODY, 8))
    sequence = read(tmp_path, image_size=(640, 480))
    np.testing.assert_allclose(sequence.positions[:, :, 0, 0] - BODY[0, 0], [[0, 300], [300, 0]], atol=1e-2)


def test_yolo_leaves_the_list_of_classes_out_and_names_a_bad_line(tmp_path: Path) -> None:
    path = yolo(tmp_path, listed("coco17"))
    (path / "classes.txt").write_text("person\n")
    sequence = read(path)
    assert sequence.frames == FRAMES
    assert any("classes.txt" in sentence for sentence in sequence.assumed)
    (path / "walk_3.txt").write_text(line() + "0 0.5 x\n")
    with pytest.raises(ReadError, match=r"walk_3\.txt, line 2: not a line of numbers"):
        read(path)


@pytest.mark.parametrize(
    "text",
    [
        *("1 2 3\n4 5 6\n", "", "notes", "0 " * 56, "0 0.5\n" * 9),
        "0 9 9 9 9" + " 0.5" * 51,  # the box is not within the image
        "0 0.5 0.5 0.5 0.5" + " 70" * 51,  # the joints are far outside of it
        "".join(f"{row} 0.5 0.5 0.5 0.5{' 0.25' * 51}\n" for row in range(5)),  # rows that are counted
    ],
)
def test_yolo_does_not_take_other_tables(text: str) -> None:
    assert FORMATS["yolo"].detect(Path("x.txt"), text.encode()) == 0


def test_kinetics_has_a_label_and_as_many_scores_as_joints(tmp_path: Path) -> None:
    path = kinetics(tmp_path, listed("openpose18"))
    assert read(path).label == 3
    content = '{"data": [{"frame_index": 1, "skeleton": [{"pose": [0.1, 0.2, 0.3, 0.4], "score": [1]}]}]}'
    path.write_text(content)
    with pytest.raises(ReadError, match=r"frame 1, person 0: 2 joints in 'pose', but 1 in 'score'"):
        read(path)
    path.write_text(content.replace("[1]", "[1, 1]").replace("]}]}", "]}]}, {}") + " ")
    with pytest.raises(ReadError, match=r"cut off|no JSON|entry 1 of 'data'"):
        read(path)


def test_options_of_tracking_reach_the_reader(tmp_path: Path) -> None:
    frames = listed("coco17")
    mine = read(alphapose(tmp_path, frames), track="none")
    assert mine.persons == 2
    assert not np.array_equal(mine.positions[:, 6], read(alphapose(tmp_path, frames)).positions[:, 6])
    assert not any("who is who" in sentence for sentence in read(mmpose(tmp_path, frames), track="none").assumed)
    assert read(coco_annotations(tmp_path, frames), persons=1).persons == 1
