"""A recording on another layout: what has a name there, what is a middle, and what nobody has seen."""

import numpy as np
import pytest

from jointwise.data.joint_map import map_joints, synthesis
from jointwise.data.layouts import load_layout
from jointwise.data.mapping import find_spellings, map_to_layout, on_layout
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import (
    COCO17,
    KINECT20,
    MEDIAPIPE33,
    NTU25,
    SBU15,
    SKELETONS,
    Skeleton,
    get_skeleton,
    skeleton_of,
    unnamed_skeleton,
)
from jointwise.errors import ReadError


def recording(skeleton: Skeleton, coordinates: int = 3) -> Sequence:
    random = np.random.default_rng(0)
    shape = (2, 4, len(skeleton.joints))
    return Sequence(random.normal(size=(*shape, coordinates)), skeleton, random.random(shape) > 0.2, fps=25.0, label=1)


@pytest.mark.parametrize("found", SKELETONS.values(), ids=list(SKELETONS))
@pytest.mark.parametrize("target", [NTU25, COCO17], ids=["ntu25", "coco17"])
def test_joints_keep_their_places_and_all_others_are_invalid(found: Skeleton, target: Skeleton) -> None:
    given = recording(found)
    if found.name == "mediapipe-hand21":  # one hand is no body
        with pytest.raises(ReadError, match="only 0 joints"):
            map_to_layout(given, target)
        return
    mapped = map_to_layout(given, target)
    assert mapped.skeleton is target
    assert (mapped.fps, mapped.label) == (25.0, 1)
    for place, joint in enumerate(target.joints):
        if joint in found.joints:
            column = found.joints.index(joint)
            seen = given.validity[:, :, column]
            assert np.array_equal(mapped.validity[:, :, place], seen)
            np.testing.assert_array_equal(mapped.positions[:, :, place][seen], given.positions[:, :, column][seen])
        elif joint in given.skeleton.map_to(target).missing:
            assert not mapped.validity[:, :, place].any()
    assert found is target or not mapped.positions[~mapped.validity].any()


def test_a_middle_is_valid_where_all_its_joints_are() -> None:
    positions = np.zeros((1, 2, 17, 2), np.float32)
    left, right = (COCO17.joints.index(f"{side}_hip") for side in ("left", "right"))
    positions[0, :, left] = [(2, 4), (2, 4)]
    positions[0, :, right] = [(4, 8), (90, 90)]
    valid = np.ones((1, 2, 17), bool)
    valid[0, 1, right] = False
    mapped = map_to_layout(Sequence(positions, COCO17, valid), KINECT20)
    base = KINECT20.joints.index("spine_base")
    assert mapped.positions[0, :, base].tolist() == [[3, 6], [0, 0]]
    assert mapped.validity[0, :, base].tolist() == [True, False]


def test_a_joint_that_is_recorded_is_not_computed() -> None:
    assert NTU25.map_to(KINECT20).sources["spine_base"] == ("spine_base",)
    assert "spine_base" in SBU15.map_to(NTU25).synthetic  # which has no joint there


def test_too_few_common_names_are_an_error_that_lists_them() -> None:
    with pytest.raises(ReadError, match=r"only 0 joints of 'ntu25' follow from those of 'joints25'.*matched by name"):
        map_to_layout(recording(unnamed_skeleton(25)), NTU25)


# --- the declared synthesis ---


@pytest.mark.parametrize(
    ("found", "matched", "synthetic"), [("mediapipe33", 14, 8), ("coco17", 12, 4), ("ntu25", 25, 0)]
)
def test_what_of_ntu25_follows_from_other_layouts(found: str, matched: int, synthetic: int) -> None:
    joints = get_skeleton(found).map_to(NTU25)
    assert (len(joints.matched), len(joints.synthetic)) == (matched, synthetic)
    assert {*joints.matched, *joints.synthetic, *joints.missing} == set(NTU25.joints)
    assert not get_skeleton(found).map_to(NTU25, synthesise=False).synthetic


def test_the_coverage_tells_matched_computed_and_missing_joints() -> None:
    expected = "22 of 25 joints: 14 matched, 8 from others, missing: neck, left_hand_tip, right_hand_tip"
    assert MEDIAPIPE33.map_to(NTU25).coverage == expected
    assert NTU25.map_to(NTU25).coverage == "25 of 25 joints: 25 matched"


def test_the_best_source_that_is_there_is_taken() -> None:
    assert map_joints(["left_foot"], ["left_big_toe", "left_foot_index"]).synthetic == {
        "left_foot": ("left_foot_index",)
    }
    assert map_joints(["left_foot"], ["left_big_toe"]).synthetic == {"left_foot": ("left_big_toe",)}
    assert map_joints(["left_foot"], ["left_heel"]).missing == ("left_foot",)


def test_the_synthesis_treats_both_sides_alike_and_names_joints_of_layouts() -> None:
    known = {joint for skeleton in SKELETONS.values() for joint in skeleton.joints}
    for joint, alternatives in synthesis().items():
        assert {joint, *(part for parts in alternatives for part in parts)} <= known
        if joint.startswith("left_"):
            mirrored = [[part.replace("left_", "right_") for part in parts] for parts in alternatives]
            assert [list(parts) for parts in synthesis()[joint.replace("left_", "right_")]] == mirrored


def test_the_middle_of_the_ears_is_the_head_and_its_confidence_that_of_the_worse_ear() -> None:
    positions = np.zeros((1, 1, 17, 3), np.float32)
    left, right = (COCO17.joints.index(f"{side}_ear") for side in ("left", "right"))
    positions[0, 0, left], positions[0, 0, right] = (2, 0, 4), (4, 2, 0)
    confidence = np.full((1, 1, 17), 0.9, np.float32)
    confidence[..., right] = 0.4
    mapped = map_to_layout(Sequence(positions, COCO17, confidence=confidence), NTU25)
    head = NTU25.joints.index("head")
    assert mapped.positions[0, 0, head].tolist() == [3, 1, 2]
    assert mapped.confidence is not None
    assert mapped.confidence[0, 0, head] == np.float32(0.4)


# --- other spellings, and markers ---

MARKERS = {
    "joints": ["pelvis", "head", "LArm", "RArm", "LKnee", "RKnee"],
    "bones": [["pelvis", "head"], ["head", "LArm"], ["head", "RArm"], ["pelvis", "LKnee"], ["pelvis", "RKnee"]],
    "root": "pelvis",
    "mirror": [["LArm", "RArm"], ["LKnee", "RKnee"]],
    "aliases": {
        "left_knee": {"mean": ["LKNE", "LKNM"]},
        "right_knee": {"mean": ["RKNE", "RKNM"]},
        "head": ["HD", "TOP"],
    },
}


def test_joints_are_found_by_spelling_alias_and_as_the_mean_of_markers() -> None:
    layout = load_layout(MARKERS)
    skeleton = skeleton_of(layout)
    names = ("TOP", "LKNE", "LKNM", "RKNE", "RKNM", "Pelvis", "ArmRight", "subject:LArm")
    random = np.random.default_rng(1)
    given = Sequence(random.normal(size=(1, 3, 8, 3)), Skeleton("markers", names, (), None, None, None))
    named = on_layout(given, skeleton, layout.aliases)
    assert named.skeleton.joints == ("pelvis", "head", "left_arm", "right_arm", "left_knee", "right_knee")
    expected = given.positions[:, :, [[5, 5], [0, 0], [7, 7], [6, 6], [1, 2], [3, 4]]].mean(3)
    np.testing.assert_allclose(named.positions, expected, rtol=1e-6)
    lacking = given.on_joints(names[:-1])
    assert on_layout(lacking, skeleton, layout.aliases) is lacking


def test_of_two_joints_that_would_be_one_marker_the_second_is_left_out() -> None:
    aliases = {"head": (("TOP",),), "nose": (("TOP",), ("TIP",))}
    assert find_spellings(("head", "nose"), ("TOP", "KNEE"), aliases) == {"head": ("TOP",)}
    assert find_spellings(("head", "nose"), ("TOP", "TIP"), aliases) == {"head": ("TOP",), "nose": ("TIP",)}


def test_left_shoulder_is_the_clavicle_where_the_file_has_an_arm() -> None:
    layout = load_layout("lafan")
    words = [
        "Hips",
        "LeftUpLeg",
        "LeftLeg",
        "LeftFoot",
        "LeftToe",
        "RightUpLeg",
        "RightLeg",
        "RightFoot",
        "RightToe",
        "Spine",
        "Spine1",
        "Spine2",
        "Neck",
        "Head",
        "LeftShoulder",
        "LeftArm",
        "LeftForeArm",
        "LeftHand",
        "RightShoulder",
        "RightArm",
        "RightForeArm",
        "RightHand",
    ]
    found = find_spellings(layout.joints, words, layout.aliases)
    assert [found[joint] for joint in layout.joints] == [(word,) for word in words]
    same = find_spellings(layout.joints, layout.joints[::-1], layout.aliases)
    assert same == {joint: (joint,) for joint in layout.joints}
