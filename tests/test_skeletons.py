"""Joint layouts: trees over all joints, true mirror images, names that help."""

import pytest

from jointwise.errors import ConfigError
from jointwise.skeletons import KINECT20, NTU25, SKELETONS, Skeleton, get_skeleton


@pytest.fixture(params=SKELETONS)
def skeleton(request: pytest.FixtureRequest) -> Skeleton:
    return SKELETONS[request.param]


def test_bones_form_a_tree_that_reaches_every_joint(skeleton: Skeleton) -> None:
    assert len(skeleton.bones) == len(skeleton.joints) - 1
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


def test_root_index_is_the_place_of_the_root(skeleton: Skeleton) -> None:
    assert skeleton.joints[skeleton.root_index] == skeleton.root


def test_joint_counts_and_order_are_those_of_the_sensors() -> None:
    assert (len(NTU25.joints), len(KINECT20.joints)) == (25, 20)
    # Shahroudy et al. 2016 count from 1: 2 middle of the spine, 7 left wrist, 21 spine shoulder, 25 right thumb
    assert [NTU25.joints[place - 1] for place in (1, 2, 7, 12, 21, 25)] == [
        *("spine_base", "spine_mid", "left_wrist", "right_hand", "spine_shoulder", "right_thumb")
    ]
    # Skeleton_joint_order.txt of UTD-MHAD: 1 head, 3 spine, 8 left hand, 13 left hip, 20 right foot
    assert [KINECT20.joints[place - 1] for place in (1, 3, 8, 13, 20)] == [
        *("head", "spine_mid", "left_hand", "left_hip", "right_foot")
    ]


def test_a_joint_named_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="skeleton 'odd' names a joint twice: hip, hip"):
        Skeleton("odd", ("hip", "hip"), (), "hip")


def test_a_bone_to_an_unknown_joint_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown joint 'knie': did you mean 'knee'"):
        Skeleton("odd", ("hip", "knee"), (("hip", "knie"),), "hip")


def test_an_unknown_skeleton_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown skeleton 'kinect2': did you mean 'kinect20'"):
        get_skeleton("kinect2")
    assert get_skeleton("ntu25") is NTU25
