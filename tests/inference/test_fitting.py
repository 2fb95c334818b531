"""A recording brought to what a model was trained on: what was spoiled is mended or said, what is right stays."""

from dataclasses import replace

import numpy as np
import pytest

from jointwise.data.conventions import Conventions, common, turn
from jointwise.data.sequence import Sequence
from jointwise.data.synthetic import generate
from jointwise.errors import ReadError
from jointwise.inference.fitting import in_axes, in_size, without_signs
from jointwise.training.coordinate_scale import recording_rms

AXES = Conventions("y", False)


@pytest.fixture(scope="module")
def one() -> Sequence:
    return next(iter(generate(subjects=(1,), cameras=(2,), actions=(5,))))


def moved(sequence: Sequence, matrix: np.ndarray) -> Sequence:
    return replace(sequence, positions=sequence.positions @ np.asarray(matrix, np.float32).T)


def test_what_is_right_stays_the_same_object_without_a_word(one: Sequence) -> None:
    for fitted in (without_signs(one, False), in_axes(one, AXES), in_size(one, 2.0)):
        assert fitted.sequence is one
        assert fitted.notes == ()


@pytest.mark.parametrize("own", ["z", "-y", "-z"])
def test_another_axis_is_turned_and_said(one: Sequence, own: str) -> None:
    spoiled = moved(one, turn("y", own))
    fitted = in_axes(spoiled, AXES)
    np.testing.assert_allclose(fitted.sequence.positions, one.positions, atol=1e-5)
    assert len(fitted.notes) == 1
    assert ("stands on its head" if own == "-y" else f"stands along {own}") in fitted.notes[0]
    assert "turned to y up" in fitted.notes[0]
    believed = replace(spoiled, up="y")
    assert in_axes(believed, AXES).sequence is believed
    assert in_axes(spoiled, Conventions(own, False)).sequence is spoiled  # the model was trained on such
    assert in_axes(spoiled, replace(AXES, ordered=False)).sequence is spoiled  # no bodies: nothing can be told


def test_lying_bodies_and_mirror_images_stay_as_they_are(one: Sequence) -> None:
    lying = moved(one, turn("y", "x"))
    assert in_axes(lying, AXES).sequence is lying
    mirrored = in_axes(moved(one, np.diag([-1, 1, 1])), AXES)
    assert "mirror image" in mirrored.notes[0]
    assert np.array_equal(mirrored.sequence.positions, one.positions * [-1, 1, 1])
    assert in_axes(mirrored.sequence, Conventions("y", True)).notes == ()


def test_joints_in_another_order_are_said(one: Sequence) -> None:
    rolled = replace(one, positions=np.roll(one.positions, 1, 2), valid=None)
    (note,) = in_axes(rolled, AXES).notes
    assert "The bones of ntu25 do not fit these joints" in note


def test_joints_at_zero_are_not_seen_unless_somebody_says_that_they_are(one: Sequence) -> None:
    zeros = replace(one, positions=one.positions.copy(), valid=None)
    zeros.positions[:, :, 12:20] = 0
    fitted = without_signs(zeros, stated=False)
    assert not fitted.sequence.validity[:, :, 12:20].any()
    assert fitted.sequence.validity[:, :, :12].all()
    assert "32.0 % of the joints lie exactly at zero (0, 0, 0)" in fitted.notes[0]
    assert without_signs(zeros, stated=True).sequence is zeros


def test_exchanged_axes_are_refused(one: Sequence) -> None:
    with pytest.raises(ReadError, match=r"50 persons in 1 frame: are the axes exchanged\?"):
        without_signs(Sequence(one.positions.swapaxes(0, 1), one.skeleton), stated=False)


@pytest.mark.parametrize("factor", [1000.0, 100.0])
def test_another_unit_is_converted_or_said(one: Sequence, factor: float) -> None:
    size = recording_rms(one.positions, one.validity)
    spoiled = moved(one, factor * np.eye(3))
    fitted = in_size(spoiled, size)
    np.testing.assert_allclose(fitted.sequence.positions, one.positions, rtol=1e-5)
    assert fitted.notes[0].endswith("metres where the model was trained: converted.")
    assert in_size(spoiled, None).notes == ()
    backwards = in_size(one, factor * size)
    np.testing.assert_allclose(backwards.sequence.positions, spoiled.positions, rtol=1e-5)
    unknown = moved(one, 25 * np.eye(3))
    assert in_size(unknown, size).sequence is unknown
    assert "another unit" in in_size(unknown, size).notes[0]


def test_what_most_recordings_are_is_what_a_set_is() -> None:
    assert common(["y"] * 8 + ["z", "z"]) == "y"
    assert common(["y"] * 7 + ["z"] * 3) is None
    assert common([None] * 9 + ["y"]) is None
    assert common([]) is None


def test_a_2d_pose_has_no_z_that_could_point_up() -> None:
    body = next(generate(subjects=(1,), cameras=(2,)))
    flat = Sequence(body.positions[..., :2], body.skeleton, up="z", source="flat")
    with pytest.raises(ReadError, match="flat: z is said to point up, but 2D poses have no axis z"):
        in_axes(flat, Conventions("-y", None))
