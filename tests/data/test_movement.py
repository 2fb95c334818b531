"""How much a body moves: known by hand, and without regard to unit and place."""

from dataclasses import replace

import numpy as np
import pytest

from jointwise.data.dataset import Dataset
from jointwise.data.movement import movement, movement_range, outside
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import unnamed_skeleton

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)


def test_one_joint_that_moves_by_a_body_size_counts_by_its_share() -> None:
    frames = np.repeat(SQUARE[None], 3, 0)
    frames[2, :, 2] = [1, -1, 1, -1]  # the middle stays; every joint moves by 1, the size is √2 in most frames
    assert movement(Sequence(frames, unnamed_skeleton(4))) == pytest.approx(1 / np.sqrt(2))


def test_who_is_carried_or_stands_still_does_not_move() -> None:
    still = Sequence(np.repeat(SQUARE[None], 20, 0), unnamed_skeleton(4))
    assert movement(still) == 0
    carried = still.positions + np.arange(20, dtype=np.float32)[None, :, None, None]
    assert movement(replace(still, positions=carried)) == pytest.approx(0, abs=1e-6)
    assert movement(replace(still, positions=still.positions[:, :1], valid=None)) == 0


def test_unit_and_joints_that_are_not_seen_make_no_difference(dataset: Dataset) -> None:
    own = dataset.test[0]
    assert movement(replace(own, positions=1000 * own.positions)) == pytest.approx(movement(own), rel=1e-4)
    valid = own.validity.copy()
    valid[:, 3, 2] = False
    wild = own.positions.copy()
    wild[:, 3, 2] = 1e6
    assert movement(replace(own, positions=wild, valid=valid)) == pytest.approx(movement(own), rel=0.2)


def test_standing_still_and_noise_lie_outside_the_movement_of_a_data_set(dataset: Dataset) -> None:
    known = movement_range(dataset.train[place] for place in range(len(dataset.train)))
    assert 0 < known[0] < known[1]
    assert all(outside(movement(dataset.test[place]), known) is None for place in range(len(dataset.test)))
    own = dataset.test[0]
    still = np.repeat(own.positions[:, :1], own.frames, 1)
    assert "less" in (outside(movement(replace(own, positions=still)), known) or "")
    noise = np.random.default_rng(0).normal(size=own.positions.shape).astype(np.float32)
    assert "more" in (outside(movement(replace(own, positions=noise)), known) or "")
