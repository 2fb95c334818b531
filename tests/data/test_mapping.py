"""A recording on another layout: what has a name there, what is a middle, and what nobody has seen."""

import numpy as np
import pytest

from jointwise.data.layouts import MIDDLES
from jointwise.data.mapping import joint_sources, map_to_layout
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, KINECT20, NTU25, SBU15, SKELETONS, Skeleton, unnamed_skeleton
from jointwise.errors import ReadError


def recording(skeleton: Skeleton, coordinates: int = 3) -> Sequence:
    random = np.random.default_rng(0)
    shape = (2, 4, len(skeleton.joints))
    return Sequence(random.normal(size=(*shape, coordinates)), skeleton, random.random(shape) > 0.2, fps=25.0, label=1)


@pytest.mark.parametrize("found", SKELETONS.values(), ids=list(SKELETONS))
@pytest.mark.parametrize("target", [NTU25, COCO17], ids=["ntu25", "coco17"])
def test_joints_keep_their_places_and_all_others_are_invalid(found: Skeleton, target: Skeleton) -> None:
    given = recording(found)
    mapped = map_to_layout(given, target)
    assert mapped.skeleton is target
    assert (mapped.fps, mapped.label) == (25.0, 1)
    for place, joint in enumerate(target.joints):
        if joint in found.joints:
            column = found.joints.index(joint)
            seen = given.validity[:, :, column]
            assert np.array_equal(mapped.validity[:, :, place], seen)
            np.testing.assert_array_equal(mapped.positions[:, :, place][seen], given.positions[:, :, column][seen])
        elif joint not in MIDDLES:
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
    assert joint_sources(KINECT20, NTU25)["spine_base"] == ("spine_base",)
    assert "spine_base" in joint_sources(NTU25, SBU15)  # which has no joint there


def test_too_few_common_names_are_an_error_that_lists_them() -> None:
    with pytest.raises(ReadError, match=r"only 0 joints of 'ntu25' follow from those of 'joints25'.*matched by name"):
        map_to_layout(recording(unnamed_skeleton(25)), NTU25)
