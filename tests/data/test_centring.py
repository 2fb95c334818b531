"""Preparation against answers known by hand: gaps filled, origin at the main person's root, nothing invalid leaks."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.stick import stick_sequence
from jointwise.data.centring import centre, fill_gaps, prepare_sequence
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25, Skeleton
from jointwise.errors import ReadError

ROOT = 1  # index in the stick skeleton
NAN = np.nan


def one_joint(values: list[float], valid: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """One person with one joint whose x is `values`, y ten times, z minus that."""
    x = np.array(values, np.float32)
    return np.stack([x, 10 * x, -x], -1)[None, :, None], np.array(valid, bool)[None, :, None]


@pytest.mark.parametrize(
    ("values", "valid", "filled"),
    [
        ([1, NAN, NAN, 4], [1, 0, 0, 1], [1, 2, 3, 4]),
        ([NAN, NAN, 5, 7, NAN], [0, 0, 1, 1, 0], [5, 5, 5, 7, 7]),
        ([0, 99, 10, 99, 30, 99], [1, 0, 1, 0, 1, 0], [0, 5, 10, 20, 30, 30]),
        ([NAN, 3, NAN], [0, 1, 0], [3, 3, 3]),
        ([NAN, 8, NAN], [0, 0, 0], [0, 0, 0]),
        ([1, 2, 3], [1, 1, 1], [1, 2, 3]),
    ],
    ids=["gap", "ends held", "gaps and end", "one frame", "never valid", "complete"],
)
def test_gaps_are_interpolated_ends_held_and_never_valid_joints_zero(values: list, valid: list, filled: list) -> None:
    positions, mask = one_joint(values, valid)
    expected, _ = one_joint(filled, valid)
    result = fill_gaps(positions, mask)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_each_joint_of_each_person_is_filled_from_its_own_track() -> None:
    rng = np.random.default_rng(0)
    positions = rng.normal(size=(2, 11, 4, 3)).astype(np.float32)
    valid = rng.random((2, 11, 4)) < 0.5
    expected = positions.copy()
    for m in range(2):
        for v in range(4):
            known = [t for t in range(11) if valid[m, t, v]]
            for t in range(11):
                before, after = [k for k in known if k <= t], [k for k in known if k >= t]
                if before and after:
                    a, b = before[-1], after[0]
                    share = (t - a) / (b - a) if b > a else 0.0
                    expected[m, t, v] = (1 - share) * positions[m, a, v] + share * positions[m, b, v]
                else:
                    expected[m, t, v] = positions[m, (before[-1:] or after[:1])[0], v]
    before = positions.copy()
    np.testing.assert_allclose(fill_gaps(positions, valid), expected, atol=1e-6)
    np.testing.assert_array_equal(positions, before)  # the input stays


def test_the_origin_is_the_root_of_the_main_person_at_its_first_valid_frame(stick: Skeleton) -> None:
    sequence = stick_sequence(2, 10, seed=1, missing=0.0)
    valid = np.ones((2, 10, 6), bool)
    valid[0, 3:] = False  # person 1 has more valid joints: the main person
    valid[1, :2, ROOT] = False  # its root comes in at frame 2
    moved = centre(replace(sequence, valid=valid))
    origin = sequence.positions[1, 2, ROOT]
    np.testing.assert_array_equal(moved.positions[1, 2, ROOT], [0, 0, 0])
    for m, t, v in np.argwhere(valid):
        np.testing.assert_allclose(moved.positions[m, t, v], sequence.positions[m, t, v] - origin, atol=1e-6)


def test_without_a_root_the_mean_of_the_first_valid_joints_is_the_origin(stick: Skeleton) -> None:
    sequence = stick_sequence(1, 5, seed=2, missing=0.0)
    valid = np.ones((1, 5, 6), bool)
    valid[:, :, ROOT] = False
    valid[0, 0] = False
    valid[0, 1, 3:] = False  # first seen in frame 1: joints 0 and 2
    moved = centre(replace(sequence, valid=valid))
    origin = (sequence.positions[0, 1, 0] + sequence.positions[0, 1, 2]) / 2
    np.testing.assert_allclose(moved.positions[0, 4, 5], sequence.positions[0, 4, 5] - origin, atol=1e-6)


def test_preparing_keeps_every_difference_between_valid_joints() -> None:
    sequence = stick_sequence(2, 12, seed=3)
    ready = prepare_sequence(sequence)
    valid = sequence.validity
    np.testing.assert_array_equal(ready.validity, valid)
    shift = sequence.positions[valid] - ready.positions[valid]
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-6)


def test_preparing_a_moved_recording_gives_the_same() -> None:
    sequence = stick_sequence(2, 12, seed=4)
    elsewhere = replace(sequence, positions=sequence.positions + np.float32([3, -2, 1]))
    ready, ready_elsewhere = prepare_sequence(sequence), prepare_sequence(elsewhere)
    np.testing.assert_allclose(ready.positions, ready_elsewhere.positions, atol=1e-5)


@pytest.mark.parametrize("junk", [NAN, np.inf, 1e9, 0.0])
def test_what_stands_at_invalid_places_never_leaks(junk: float) -> None:
    sequence = stick_sequence(2, 15, seed=5)
    other = np.where(sequence.validity[..., None], sequence.positions, np.float32(junk))
    ready, expected = prepare_sequence(replace(sequence, positions=other)), prepare_sequence(sequence)
    assert np.isfinite(ready.positions).all()
    np.testing.assert_array_equal(ready.positions, expected.positions)


def test_person_slots_that_are_never_valid_are_dropped(stick: Skeleton) -> None:
    sequence = stick_sequence(3, 6, seed=6)
    valid = sequence.validity.copy()
    valid[1] = False
    ready = prepare_sequence(replace(sequence, valid=valid))
    expected = prepare_sequence(replace(sequence, positions=sequence.positions[[0, 2]], valid=valid[[0, 2]]))
    assert ready.persons == 2
    np.testing.assert_array_equal(ready.positions, expected.positions)
    np.testing.assert_array_equal(ready.validity, valid[[0, 2]])


def test_a_sequence_without_any_valid_person_raises_and_names_its_source(stick: Skeleton) -> None:
    empty = Sequence(np.zeros((2, 4, 6, 3)), stick, np.zeros((2, 4, 6), bool), source="clip 7")
    with pytest.raises(ReadError, match="clip 7"):
        prepare_sequence(empty)


def test_frames_without_anybody_at_the_ends_are_cut_and_those_between_stay() -> None:
    positions = np.arange(10.0)[None, :, None, None] * np.ones((2, 10, 25, 3))
    valid = np.zeros((2, 10, 25), bool)
    valid[0, 3:5] = valid[0, 7] = True
    valid[1, 6] = True
    prepared = prepare_sequence(Sequence(positions, NTU25, valid))
    assert np.array_equal(prepared.validity, valid[:, 3:8])
    whole = prepare_sequence(Sequence(positions[:, 3:8], NTU25, valid[:, 3:8]))
    assert np.array_equal(prepared.positions, whole.positions)
