"""A recording: one axis order, wrong shapes refused, what is not a number named by frame and joint."""

import numpy as np
import pytest

from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, KINECT20, NTU25
from jointwise.errors import ReadError


def test_three_axes_are_one_person() -> None:
    sequence = Sequence(np.zeros((7, 20, 3)), KINECT20)
    assert sequence.positions.shape == (1, 7, 20, 3)
    assert sequence.positions.dtype == np.float32
    assert (sequence.persons, sequence.frames) == (1, 7)


def test_without_a_mask_everything_is_valid() -> None:
    sequence = Sequence(np.zeros((2, 7, 20, 3)), KINECT20)
    assert sequence.validity.shape == (2, 7, 20)
    assert sequence.validity.all()


def test_two_coordinates_are_a_2d_pose() -> None:
    assert Sequence(np.zeros((7, 25, 2)), NTU25).positions.shape == (1, 7, 25, 2)


@pytest.mark.parametrize("shape", [(20, 3), (7, 25, 3), (7, 20, 4), (20, 3, 7), (1, 2, 7, 20, 3), ()])
def test_a_wrong_shape_is_refused_and_the_right_one_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ReadError, match=r"array: positions have shape .*'kinect20' needs \(persons, frames, 20, 3\)"):
        Sequence(np.zeros(shape), KINECT20)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(ReadError, match=r"valid mask has shape \(1, 6, 20\), positions need \(1, 7, 20\)"):
        Sequence(np.zeros((7, 20, 3)), KINECT20, valid=np.ones((6, 20), bool))


def test_nan_means_not_seen_where_nobody_says_otherwise_and_is_counted() -> None:
    positions = np.zeros((2, 7, 20, 3))
    positions[1, 4, 9, 2] = positions[0, 0, :5] = np.nan
    sequence = Sequence(positions, KINECT20)
    assert np.array_equal(sequence.validity, ~np.isnan(positions).any(-1))
    assert sequence.assumed == ("6 joints (2.1 %) are NaN: they count as not seen.",)
    assert Sequence(np.zeros((7, 20, 3)), KINECT20).assumed == ()
    with pytest.raises(ReadError, match="person 0, frame 0, joint 0"):
        Sequence(positions, KINECT20, valid=np.ones((2, 7, 20), bool))


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_a_coordinate_that_is_infinite_is_named_by_file_person_frame_and_joint(value: float) -> None:
    positions = np.zeros((2, 7, 20, 3))
    positions[1, 4, 9, 2] = value
    with pytest.raises(
        ReadError, match=r"wave\.mat: .* at 1 places, first: person 1, frame 4, joint 9 \(right_elbow\)"
    ):
        Sequence(positions, KINECT20, source="wave.mat")


def test_no_number_at_an_invalid_place_is_kept_as_the_file_says() -> None:
    positions = np.zeros((7, 20, 3))
    positions[4, 9] = np.nan
    sequence = Sequence(positions, KINECT20, valid=np.isfinite(positions).all(-1))
    assert np.isnan(sequence.positions[0, 4, 9]).all()
    assert int((~sequence.validity).sum()) == 1


def test_a_joint_that_follows_from_others_is_their_mean_and_seen_where_all_are() -> None:
    random = np.random.default_rng(0)
    hips = [COCO17.joints.index(f"{side}_hip") for side in ("left", "right")]
    valid = np.ones((1, 3, 17), bool)
    valid[0, 1, hips[0]] = valid[0, 2, hips] = False
    sure = random.random((1, 3, 17)).astype(np.float32)
    whole = Sequence(random.normal(size=(1, 3, 17, 2)), COCO17, valid, confidence=sure)
    part = whole.on_joints(["nose", "spine_base"])
    np.testing.assert_allclose(part.positions[:, :, 1], whole.positions[:, :, hips].mean(2), rtol=1e-6)
    np.testing.assert_array_equal(part.validity, [[[True, True], [True, False], [True, False]]])
    assert part.confidence is not None
    np.testing.assert_array_equal(part.confidence[:, :, 1], sure[:, :, hips].min(2))
