"""Joint layouts: trees over all joints, true mirror images, names that help."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from jointwise.data.skeletons import (
    BODY25,
    COCO17,
    H36M17,
    HALPE26,
    KINECT20,
    MEDIAPIPE33,
    NTU25,
    OPENPOSE18,
    SBU15,
    SKELETONS,
    Skeleton,
    get_skeleton,
    unnamed_skeleton,
)
from jointwise.errors import ConfigError


@pytest.fixture(params=SKELETONS)
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    return SKELETONS[request.param]


def test_bones_form_a_tree_that_reaches_every_joint(skeleton: Skeleton) -> None:
    assert len(skeleton.bones) == len(skeleton.joints) - 1
    assert skeleton.root is not None
    reached = {skeleton.root}
    for _ in skeleton.joints:
        reached |= {child for parent, child in skeleton.bones if parent in reached}
    assert reached == set(skeleton.joints)


def test_every_joint_but_the_root_is_the_child_of_one_bone(skeleton: Skeleton) -> None:
    children = [child for _, child in skeleton.bones]
    assert sorted([*children, skeleton.root]) == sorted(skeleton.joints)


def test_bone_indices_point_at_the_joints_the_bones_name(skeleton: Skeleton) -> None:
    names = tuple((skeleton.joints[parent], skeleton.joints[child]) for parent, child in skeleton.bone_indices)
    assert names == skeleton.bones


def test_mirroring_twice_is_the_identity(skeleton: Skeleton) -> None:
    mirror = skeleton.mirror_permutation
    assert [mirror[image] for image in mirror] == list(range(len(mirror)))


def test_mirror_swaps_left_and_right_and_keeps_the_middle(skeleton: Skeleton) -> None:
    for joint, image in zip(skeleton.joints, skeleton.mirror_permutation, strict=True):
        swapped = joint.replace("left_", "RIGHT_").replace("right_", "left_").replace("RIGHT_", "right_")
        assert skeleton.joints[image] == swapped


def test_mirror_keeps_the_bones(skeleton: Skeleton) -> None:
    mirror = skeleton.mirror_permutation
    assert {(mirror[parent], mirror[child]) for parent, child in skeleton.bone_indices} == set(skeleton.bone_indices)


def test_every_left_joint_has_a_right_partner(skeleton: Skeleton) -> None:
    left = {joint.removeprefix("left_") for joint in skeleton.joints if joint.startswith("left_")}
    right = {joint.removeprefix("right_") for joint in skeleton.joints if joint.startswith("right_")}
    assert left == right
    assert left or skeleton.name == "mediapipe-hand21"  # one hand, of either side


def test_root_index_is_the_place_of_the_root(skeleton: Skeleton) -> None:
    assert skeleton.root_index is not None
    assert skeleton.joints[skeleton.root_index] == skeleton.root


def test_the_name_ends_in_the_number_of_joints(skeleton: Skeleton) -> None:
    if skeleton.name not in ("body25b", "cmu", "lafan", "mixamo"):
        assert skeleton.name.endswith(str(len(skeleton.joints)))


def test_json_keeps_a_layout(skeleton: Skeleton) -> None:
    assert Skeleton(**json.loads(json.dumps(asdict(skeleton)))) == skeleton
    assert Skeleton(**json.loads(json.dumps(asdict(unnamed_skeleton(7))))) == unnamed_skeleton(7)


@pytest.mark.parametrize(
    ("name", "digest"),  # of the layouts of version 0.2, before they were files
    [
        ("ntu25", "c43356baf293634b"),
        ("kinect20", "2142e69fe07cce42"),
        ("sbu15", "4e301ac5e245799c"),
        ("coco17", "e95f09f422ff2388"),
        ("h36m17", "14e1f12817fbbd2a"),
        ("openpose18", "3a8d1bb10e04600b"),
        ("body25", "4d927d5fb4c3ba1e"),
        ("halpe26", "33102b872e0ae96c"),
        ("mediapipe33", "2d2d196b175fbec7"),
    ],
)
def test_layouts_stay_as_they_are_in_stores_and_models(name: str, digest: str) -> None:
    content = json.dumps(asdict(get_skeleton(name))).encode()
    assert hashlib.sha256(content).hexdigest()[:16] == digest


def test_joint_counts_and_order_are_those_of_the_sensors() -> None:
    assert (len(NTU25.joints), len(KINECT20.joints)) == (25, 20)
    # Shahroudy et al. 2016 count from 1: 2 middle of the spine, 7 left wrist, 21 spine shoulder, 25 right thumb
    expected = ["spine_base", "spine_mid", "left_wrist", "right_hand", "spine_shoulder", "right_thumb"]
    assert [NTU25.joints[place - 1] for place in (1, 2, 7, 12, 21, 25)] == expected
    # Skeleton_joint_order.txt of UTD-MHAD: 1 head, 3 spine, 8 left hand, 13 left hip, 20 right foot
    expected = ["head", "spine_mid", "left_hand", "left_hip", "right_foot"]
    assert [KINECT20.joints[place - 1] for place in (1, 3, 8, 13, 20)] == expected


@pytest.mark.parametrize(
    ("skeleton", "places"),  # facts from each layout's own documentation, counted from 0
    [
        (SBU15, {0: "head", 1: "spine_shoulder", 2: "spine_mid", 5: "left_hand", 9: "left_hip", 14: "right_foot"}),
        (COCO17, {0: "nose", 1: "left_eye", 5: "left_shoulder", 10: "right_wrist", 12: "right_hip", 15: "left_ankle"}),
        (H36M17, {0: "spine_base", 1: "right_hip", 6: "left_ankle", 8: "spine_shoulder", 11: "left_shoulder"}),
        (OPENPOSE18, {1: "spine_shoulder", 2: "right_shoulder", 8: "right_hip", 13: "left_ankle", 17: "left_ear"}),
        (BODY25, {4: "right_wrist", 8: "spine_base", 12: "left_hip", 15: "right_eye", 19: "left_big_toe"}),
        (BODY25, {21: "left_heel", 22: "right_big_toe", 24: "right_heel"}),
        (HALPE26, {0: "nose", 16: "right_ankle", 17: "head_top", 18: "spine_shoulder", 19: "spine_base"}),
        (HALPE26, {20: "left_big_toe", 21: "right_big_toe", 23: "right_small_toe", 25: "right_heel"}),
        (
            MEDIAPIPE33,
            {2: "left_eye", 6: "right_eye_outer", 10: "right_mouth", 12: "right_shoulder", 16: "right_wrist"},
        ),
        (MEDIAPIPE33, {17: "left_pinky", 19: "left_index", 21: "left_thumb", 24: "right_hip", 31: "left_foot_index"}),
    ],
)
def test_joints_are_in_the_order_that_each_layout_documents(skeleton: Skeleton, places: dict[int, str]) -> None:
    assert {place: skeleton.joints[place] for place in places} == places


def test_the_two_layouts_of_25_joints_are_not_the_same() -> None:
    assert NTU25.joints != BODY25.joints


def test_joints_without_names_have_no_bones_root_or_sides() -> None:
    skeleton = unnamed_skeleton(4)
    assert skeleton.name == "joints4"
    assert skeleton.joints == ("joint_0", "joint_1", "joint_2", "joint_3")
    assert (skeleton.bones, skeleton.root, skeleton.root_index, skeleton.lateral) == ((), None, None, None)
    assert skeleton.mirror_permutation == (0, 1, 2, 3)


def test_a_joint_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="skeleton 'odd' names a joint twice: hip, hip"):
        Skeleton("odd", ("hip", "hip"), (), "hip")


JOINTS = ("hip", "knee", "foot")
NO_LAYOUT = {
    "text": ({"joints": "abcde"}, "joints must be a list of names, found 'abcde'"),
    "number": ({"joints": [1, "knee"]}, "joints must be a list of names"),
    "empty name": ({"joints": ["hip", ""]}, "joints must be a list of names"),
    "bones text": ({"bones": "hip"}, "bones must be a list of pairs"),
    "bone text": ({"joints": ["a", "b"], "bones": ["ab"]}, r"bones must be a list of pairs .*\['ab'\]"),
    "three": ({"bones": [JOINTS]}, "bones must be a list of pairs"),
    "bone of numbers": ({"bones": [(0, 1)]}, "unknown joint '0'"),
    "root": ({"root": 3}, "unknown joint '3'"),
    "itself": ({"bones": [("hip", "hip")]}, "a bone connects 'hip' with itself"),
    "up": ({"up": 5}, "up must be 0 .*not 5"),
    "up text": ({"up": "y"}, "up must be 0 .*not 'y'"),
    "lateral": ({"lateral": -1}, "lateral must be 0 .*not -1"),
    "true": ({"lateral": True}, "lateral must be 0 .*not True"),
    "same axis": ({"up": 0, "lateral": 0}, "up and lateral are both axis 0"),
}


@pytest.mark.parametrize("name", NO_LAYOUT)
@pytest.mark.parametrize("make", [lambda content: Skeleton(**content)])
def test_what_is_no_layout_is_refused(name: str, make: Callable[[dict[str, Any]], Skeleton]) -> None:
    content, message = NO_LAYOUT[name]
    with pytest.raises(ConfigError, match=f"skeleton 'odd'.*{message}"):
        make({"name": "odd", "joints": JOINTS, "bones": (), "root": None} | content)


def test_lists_become_tuples_and_a_forest_is_a_layout() -> None:
    skeleton = Skeleton("own", ["hip", "knee", "ear", "eye"], [["hip", "knee"], ["eye", "ear"]], "hip")
    assert skeleton.joints == ("hip", "knee", "ear", "eye")
    assert skeleton.bones == (("hip", "knee"), ("eye", "ear"))
    assert hash(skeleton) == hash(Skeleton("own", skeleton.joints, skeleton.bones, "hip"))


def test_a_bone_to_an_unknown_joint_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown joint 'knie': did you mean 'knee'"):
        Skeleton("odd", ("hip", "knee"), (("hip", "knie"),), "hip")


def test_an_unknown_skeleton_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown skeleton 'kinect2': did you mean 'kinect20'"):
        get_skeleton("kinect2")
    assert get_skeleton("ntu25") is NTU25


def test_a_body_has_a_mirror_image_only_when_every_sided_joint_has_its_other_side() -> None:
    assert NTU25.has_mirror_image
    assert not unnamed_skeleton(4).has_mirror_image
    assert not NTU25.on_joints(
        ("spine_mid", "spine_shoulder", "right_shoulder", "right_elbow", "head")
    ).has_mirror_image
    assert NTU25.on_joints(("spine_mid", "left_hand", "right_hand", "head", "neck")).has_mirror_image


def test_sides_of_other_names_are_no_mirror_image() -> None:
    assert not Skeleton("own", ("hips", "LHand", "RHand", "LFoot", "RFoot"), (), "hips", 1, 0).has_mirror_image


def test_parts_of_the_body_are_two_arms_two_legs_trunk_and_head() -> None:
    named = {joint: NTU25.body_parts[i] for i, joint in enumerate(NTU25.joints)}
    assert len(set(NTU25.body_parts)) == 6
    assert named["left_shoulder"] == named["left_thumb"] != named["right_thumb"]
    assert named["left_hip"] == named["left_foot"] != named["right_foot"]
    assert named["spine_base"] == named["neck"] != named["head"]


def test_parts_are_numbered_from_zero_without_gaps_and_joints_of_no_part_stand_alone(skeleton: Skeleton) -> None:
    assert set(skeleton.body_parts) == set(range(max(skeleton.body_parts) + 1))
    assert 3 <= len(set(skeleton.body_parts)) <= 6
    assert unnamed_skeleton(4).body_parts == (0, 1, 2, 3)
