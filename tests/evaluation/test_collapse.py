"""What pre-training measures and draws: effective rank, coordinate RMS, mask noise, the collapse watch."""

import numpy as np
import pytest
import torch

from jointwise.data.clips import ClipCutter, Clips
from jointwise.data.dataset import Part
from jointwise.data.randomness import Draws
from jointwise.data.store.reader import Store
from jointwise.evaluation.collapse import collapse_warning, effective_rank
from jointwise.model.masked_prediction import mask_noise
from jointwise.training.coordinate_scale import coordinate_rms


@pytest.mark.parametrize("n", [1, 4, 16])
def test_the_effective_rank_of_the_identity_is_its_size_and_of_a_rank_one_matrix_is_one(n: int) -> None:
    assert effective_rank(3.7 * torch.eye(n)) == pytest.approx(n, rel=1e-5)
    assert effective_rank(torch.randn(20, 1) @ torch.randn(1, n)) == pytest.approx(1, rel=1e-3)


def test_the_effective_rank_is_the_exponential_of_the_entropy_of_the_singular_values() -> None:
    # singular values 3 and 1: shares 3/4 and 1/4
    expected = (4 / 3) ** 0.75 * 4**0.25
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0, 0.0]))) == pytest.approx(expected, rel=1e-5)
    rotation = torch.linalg.qr(torch.randn(3, 3)).Q
    assert effective_rank(rotation @ torch.diag(torch.tensor([3.0, 1.0, 0.0]))) == pytest.approx(expected, rel=1e-5)
    assert effective_rank(torch.zeros(5, 3)) == pytest.approx(1)


def test_the_coordinate_rms_is_over_the_valid_coordinates_of_the_part_alone(ragged_store: Store) -> None:
    ids = np.array([1, 3, 6])
    squares = [
        float(value) ** 2
        for i in ids
        for value in ragged_store[int(i)].positions[ragged_store[int(i)].validity].flatten()
    ]
    rms = coordinate_rms(Part(ragged_store, ids))
    assert rms == pytest.approx((sum(squares) / len(squares)) ** 0.5, rel=1e-6)
    assert rms != pytest.approx(coordinate_rms(Part(ragged_store, np.array([0, 2]))), rel=1e-3)


def test_mask_noise_has_a_place_for_every_segment_and_joint_and_differs_between_persons(ragged_store: Store) -> None:
    clips = ClipCutter.from_store(ragged_store, 8).centre(torch.tensor([1, 3, 6]))
    persons = clips.persons()
    noise, again = (mask_noise(persons, clips, 4, Draws(torch.arange(3), 0, "masks", 5)) for _ in range(2))
    assert noise.shape == (5, 2 + 1, 6 + 1)
    assert torch.equal(noise, again)
    assert not torch.equal(noise, mask_noise(persons, clips, 4, Draws(torch.arange(3), 0, "masks", 6)))
    assert 0 <= float(noise.min()) <= float(noise.max()) < 1
    assert len(noise.flatten().unique()) > 0.99 * noise.numel()


def test_the_noise_of_a_person_does_not_depend_on_who_else_is_present(ragged_store: Store) -> None:
    clips = ClipCutter.from_store(ragged_store, 8).centre(torch.tensor([1, 3, 6]))
    valid = clips.valid.clone()
    valid[0, 0] = False
    fewer = Clips(clips.positions, valid, clips.ids)
    full, part = (mask_noise(x.persons(), x, 4, Draws(torch.arange(3), 0)) for x in (clips, fewer))
    assert torch.equal(full[1:], part)


def test_clips_and_masks_of_a_share_of_a_batch_are_those_in_the_whole_batch(ragged_store: Store) -> None:
    """Also where the rest of the batch has a second person and the share has none."""
    cutter, ids = ClipCutter.from_store(ragged_store, 8), torch.tensor([1, 3, 6, 4])
    whole, part = (
        cutter.random(ids[places], Draws(places, 0, "clips", 2), rotation=0.3, mirror=0.5, scale=0.1, bones=0.1)
        for places in (torch.arange(4), torch.arange(2, 4))
    )
    assert (whole.valid.shape[1], part.valid.shape[1]) == (2, 1)
    assert torch.equal(whole.positions[2:, :1], part.positions)
    noise, own = (
        mask_noise(clips.persons(), clips, 4, Draws(places, 0, "masks", 2))
        for clips, places in ((whole, torch.arange(4)), (part, torch.arange(2, 4)))
    )
    assert torch.equal(noise[-len(own) :], own)


@pytest.mark.parametrize(
    ("lines", "collapsed"),
    [
        ([{"teacher_spread": 0.5, "effective_rank": 20.0}, {"teacher_spread": 0.4, "effective_rank": 18.0}], False),
        ([{"teacher_spread": 0.5}, {"teacher_spread": 0.001}], True),
        ([{"teacher_spread": 0.001}, {"teacher_spread": 0.5}], False),  # early collapse that recovers
        ([{"effective_rank": 30.0}, {"effective_rank": 1.1}], True),
        ([{"effective_rank": 100.0}, {"effective_rank": 4.0}], True),
        ([{"loss": 1.0}], False),
    ],
)
def test_only_a_collapse_that_lasts_is_reported(lines: list[dict[str, float]], collapsed: bool) -> None:
    assert (collapse_warning(lines) is not None) == collapsed
