"""Clips equal what slicing, averaging and `interpolate` give for each person alone, whatever is in the batch."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from helpers.stores import write_store
from jointwise.data import augment
from jointwise.data.clips import ClipCutter, Clips, centre_windows, random_windows
from jointwise.data.randomness import Draws
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.data.store.reader import Description, Store

FRAMES = 8  # a tie between two source frames needs a window of a multiple of 16 frames


def reference_clip(sequence: Sequence, start: int, length: int, frames: int) -> tuple[Tensor, Tensor]:
    """(M, frames, V, C), (M, frames, V) by Python slicing and plain resampling, person by person.

    A longer window is averaged: with each source frame repeated `frames` times, a frame of the clip is the mean of
    `length` of them.
    """
    positions, valid = [], torch.zeros(sequence.persons, frames, len(sequence.skeleton.joints), dtype=torch.bool)
    for person in range(sequence.persons):
        cropped = torch.from_numpy(sequence.positions[person, start : start + length])
        channels = cropped.flatten(1).T[None]  # (1, V · C, length)
        if length > frames:
            resampled = channels.repeat_interleave(frames, 2).unflatten(2, (frames, length)).mean(3)
        else:
            resampled = functional.interpolate(channels, size=frames, mode="linear", align_corners=False)
        positions.append(resampled[0].T.view(frames, *cropped.shape[1:]))
        for frame in range(frames):
            place = (frame + 0.5) * length / frames - 0.5
            nearer = min(max(math.floor(place + 0.5), 0), length - 1)
            for joint in range(valid.shape[2]):
                valid[person, frame, joint] = bool(sequence.validity[person, start + nearer, joint])
    return torch.stack(positions), valid


def assert_is_reference(
    clips: Clips, store: Store, ids: list[int], windows: list[tuple[int, int]], frames: int
) -> None:
    assert clips.ids.tolist() == ids
    assert clips.positions.shape[1] == max(store[i].persons for i in ids)
    for row, (i, window) in enumerate(zip(ids, windows, strict=True)):
        positions, valid = reference_clip(store[i], *window, frames)
        persons = len(positions)
        torch.testing.assert_close(clips.positions[row, :persons], positions, atol=1e-5, rtol=0)
        assert torch.equal(clips.valid[row, :persons], valid)
        assert not clips.valid[row, persons:].any()
        assert not clips.positions[row, persons:].any()


def windows_of(store: Store, ids: list[int], draw: st.DrawFn) -> list[tuple[int, int]]:
    windows = []
    for i in ids:
        start = draw(st.integers(0, store[i].frames - 1))
        windows.append((start, draw(st.integers(1, store[i].frames - start).filter(lambda n: n % 16 != 0))))
    return windows


@given(data=st.data())
def test_a_cut_clip_is_the_sliced_and_interpolated_sequence(ragged_store: Store, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, len(ragged_store) - 1), min_size=1, max_size=6))
    windows = windows_of(ragged_store, ids, data.draw)
    start, length = (torch.tensor(part) for part in zip(*windows, strict=True))
    clips = ClipCutter.from_store(ragged_store, FRAMES).cut(torch.tensor(ids), start, length)
    assert_is_reference(clips, ragged_store, ids, windows, FRAMES)


@pytest.mark.parametrize("frames", [1, 2, 12, 60])
def test_a_clip_may_have_more_or_fewer_frames_than_its_source(ragged_store: Store, frames: int) -> None:
    ids = list(range(len(ragged_store)))
    windows = [(0, ragged_store[i].frames) for i in ids]
    length = torch.tensor([n for _, n in windows])
    clips = ClipCutter.from_store(ragged_store, frames).cut(torch.tensor(ids), torch.zeros_like(length), length)
    for row, i in enumerate(ids):  # positions only: at these sizes two source frames may be equally near
        positions, _ = reference_clip(ragged_store[i], *windows[row], frames)
        torch.testing.assert_close(clips.positions[row, : len(positions)], positions, atol=1e-5, rtol=0)


def test_a_sequence_of_one_frame_gives_a_clip_of_that_frame(ragged_store: Store) -> None:
    clips = ClipCutter.from_store(ragged_store, FRAMES).centre(torch.tensor([2]))
    sequence = ragged_store[2]
    assert sequence.frames == 1
    for frame in range(FRAMES):
        np.testing.assert_array_equal(clips.positions[0, :, frame].numpy(), sequence.positions[:, 0])
        np.testing.assert_array_equal(clips.valid[0, :, frame].numpy(), sequence.validity[:, 0])


def test_a_joint_seen_only_in_the_nearer_frame_is_valid_and_only_in_the_farther_is_not(stick: Skeleton) -> None:
    valid = np.ones((1, 3, 6), bool)
    valid[0, 1, 4] = False
    positions = np.zeros((1, 3, 6, 3), np.float32)
    cutter = ClipCutter.from_sequence(Sequence(positions, stick, valid), 4)
    clips = cutter.cut(torch.tensor([0]), torch.tensor([0]), torch.tensor([3]))  # places -0.125 0.625 1.375 2.125
    assert clips.valid[0, 0, :, 4].tolist() == [True, False, False, True]
    assert clips.valid[0, 0, :, :4].all()


def test_a_batch_is_the_same_clips_one_by_one(ragged_store: Store) -> None:
    cutter, ids = ClipCutter.from_store(ragged_store, FRAMES), torch.tensor([3, 0, 5])
    together = cutter.centre(ids)
    for row in range(3):
        alone = cutter.centre(ids[row : row + 1])
        slots = alone.positions.shape[1]
        assert torch.equal(together.positions[row, :slots], alone.positions[0])
        assert torch.equal(together.valid[row, :slots], alone.valid[0])
        assert not together.valid[row, slots:].any()


def test_a_cutter_over_one_prepared_sequence_cuts_as_one_over_the_store(ragged_store: Store) -> None:
    for i in range(len(ragged_store)):
        alone = ClipCutter.from_sequence(ragged_store[i], FRAMES).centre(torch.tensor([0]))
        stored = ClipCutter.from_store(ragged_store, FRAMES).centre(torch.tensor([i]))
        assert torch.equal(alone.positions, stored.positions)
        assert torch.equal(alone.valid, stored.valid)


def test_rows_scattered_in_memory_are_gathered_once_and_whole_ones_are_shared(ragged_store: Store) -> None:
    cutter = ClipCutter.from_store(ragged_store, FRAMES)
    positions, valid = np.asarray(ragged_store.positions), np.asarray(ragged_store.valid)
    assert np.shares_memory(cutter.positions, positions)
    scattered = ClipCutter(
        np.asfortranarray(positions), np.asfortranarray(valid), ragged_store.index, cutter.skeleton, FRAMES
    )
    assert scattered.positions.is_contiguous()
    assert scattered.valid.is_contiguous()
    ids = torch.arange(len(ragged_store))
    assert torch.equal(scattered.centre(ids).positions, cutter.centre(ids).positions)


def test_an_empty_person_slot_in_the_recording_changes_nothing(
    tmp_path: Path, stick: Skeleton, ragged_sequences: list[Sequence]
) -> None:
    def padded(sequence: Sequence) -> Sequence:
        nothing = np.full((1, *sequence.positions.shape[1:]), np.nan, np.float32)
        positions = np.concatenate([nothing, sequence.positions, nothing])
        unseen = np.zeros((1, *sequence.validity.shape[1:]), bool)
        return replace(sequence, positions=positions, valid=np.concatenate([unseen, sequence.validity, unseen]))

    description = Description("d", stick, ("a", "b", "c"))
    ids = torch.arange(len(ragged_sequences))
    packed = []
    for name, change in (("plain", lambda sequence: sequence), ("padded", padded)):
        store = Store(write_store(tmp_path / name, description, ((change(s), False) for s in ragged_sequences)))
        packed.append(ClipCutter.from_store(store, FRAMES).centre(ids).persons())
    plain, with_slots = packed
    assert torch.equal(plain.positions, with_slots.positions)
    assert torch.equal(plain.valid, with_slots.valid)
    assert torch.equal(plain.clip, with_slots.clip)


def test_packing_keeps_the_persons_that_are_valid_somewhere_and_one_slot_per_clip() -> None:
    valid = torch.zeros(4, 3, 2, 5, dtype=torch.bool)
    valid[0, 0, 0, 0] = valid[0, 2, 1, 4] = True  # clip 0: persons 0 and 2
    valid[1, 1] = True  # clip 1: person 1
    valid[3] = True  # clip 2: nobody, clip 3: all three
    positions = torch.randn(4, 3, 2, 5, 3)
    persons = Clips(positions, valid, torch.arange(4)).persons()
    expected = [(0, 0), (0, 2), (1, 1), (2, 0), (3, 0), (3, 1), (3, 2)]
    assert list(zip(persons.clip.tolist(), persons.slot.tolist(), strict=True)) == expected
    assert persons.clips == 4
    for place, (clip, slot) in enumerate(expected):
        assert torch.equal(persons.positions[place], positions[clip, slot])
        assert torch.equal(persons.valid[place], valid[clip, slot])


def test_the_centre_window_is_the_middle_95_percent() -> None:
    start, length = centre_windows(torch.tensor([1, 2, 3, 20, 100, 60, 400]))
    assert length.tolist() == [1, 2, 3, 19, 95, 57, 380]
    assert start.tolist() == [0, 0, 0, 0, 2, 1, 10]


@given(
    length=st.integers(1, 500),
    ratio=st.floats(0.01, 1),
    uniform=st.tuples(*[st.floats(0, 1 - 2**-24, width=32)] * 2),
)
def test_random_windows_lie_inside_and_keep_the_ratio_and_two_frames(
    length: int, ratio: float, uniform: tuple[float, float]
) -> None:
    start, kept = random_windows(torch.tensor([length]), ratio, torch.tensor([uniform]))
    assert start.dtype == kept.dtype == torch.int64
    assert 0 <= int(start) <= length - int(kept)
    assert min(2, length) <= int(kept) <= length
    assert int(kept) >= ratio * length - 0.501
    begin, part = centre_windows(torch.tensor([length]), ratio)
    assert 0 <= int(begin) <= length - int(part)
    assert min(2, length) <= int(part) <= length
    assert abs(2 * int(begin) + int(part) - length) <= 1


def test_random_windows_are_uniform_in_length_and_in_place() -> None:
    uniform = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0))
    start, kept = random_windows(torch.full((20_000,), 1000), 0.5, uniform)
    assert (kept.min(), kept.max()) == (500, 1000)
    quarters = torch.histc(kept.float(), 4, 500, 1000) / 20_000
    torch.testing.assert_close(quarters, torch.full((4,), 0.25), atol=0.02, rtol=0)
    assert int((start + kept).max()) == 1000
    start, kept = random_windows(torch.full((20_000,), 7), 0.5, uniform * torch.tensor([0.0, 1.0]))
    assert set(kept.tolist()) == {4}
    shares = torch.bincount(start, minlength=4) / 20_000
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.02, rtol=0)


def random_clips(store: Store, seed: int = 0, **how: float) -> Clips:
    ids = torch.tensor([0, 3, 6, 1])
    return ClipCutter.from_store(store, FRAMES).random(ids, Draws(torch.arange(4), seed), **how)


def test_a_random_clip_is_a_function_of_the_seed(ragged_store: Store) -> None:
    everything = {"crop": 0.5, "rotation": 0.3, "mirror": 0.5, "scale": 0.2}
    first, again, other = (random_clips(ragged_store, seed, **everything) for seed in (1, 1, 2))
    assert torch.equal(first.positions, again.positions)
    assert torch.equal(first.valid, again.valid)
    assert not torch.equal(first.positions, other.positions)


def test_a_random_clip_without_crop_and_augmentation_is_the_whole_sequence(ragged_store: Store) -> None:
    clips = random_clips(ragged_store, crop=1.0)
    ids = [0, 3, 6, 1]
    assert_is_reference(clips, ragged_store, ids, [(0, ragged_store[i].frames) for i in ids], FRAMES)


def test_random_rotation_is_rigid_small_and_different_for_each_clip(ragged_store: Store) -> None:
    plain, turned = random_clips(ragged_store, crop=1.0), random_clips(ragged_store, crop=1.0, rotation=0.3)
    torch.testing.assert_close(turned.positions.norm(dim=-1), plain.positions.norm(dim=-1))
    assert torch.equal(turned.valid, plain.valid)
    recovered = []
    for before, after in zip(plain.positions, turned.positions, strict=True):
        solution = torch.linalg.lstsq(before.reshape(-1, 3), after.reshape(-1, 3)).solution.T
        recovered.append(solution)
        angle = math.acos((float(solution.trace()) - 1) / 2)
        assert 0.01 < angle < 3 * 0.3
    assert (recovered[0] - recovered[1]).abs().max() > 0.01


def test_random_mirroring_and_scaling_do_what_augment_does(ragged_store: Store, stick: Skeleton) -> None:
    plain = random_clips(ragged_store)
    mirrored = random_clips(ragged_store, mirror=1.0)
    expected, valid = augment.mirror(
        plain.positions, plain.valid, torch.ones(4, dtype=torch.bool), stick.mirror_permutation, 0
    )
    assert torch.equal(mirrored.positions, expected)
    assert torch.equal(mirrored.valid, valid)
    scaled = random_clips(ragged_store, scale=0.2)
    factors = [float(b.norm() / a.norm()) for a, b in zip(plain.positions, scaled.positions, strict=True)]
    for before, after, factor in zip(plain.positions, scaled.positions, factors, strict=True):
        torch.testing.assert_close(after, before * factor)
        assert 0.8 <= factor <= 1.2
    assert max(factors) - min(factors) > 0.01


def test_a_skeleton_without_a_known_lateral_axis_is_never_mirrored(ragged_store: Store) -> None:
    cutter = ClipCutter.from_store(ragged_store, FRAMES)
    cutter.skeleton = replace(cutter.skeleton, lateral=None)
    clips = cutter.random(torch.tensor([0, 3, 6, 1]), Draws(torch.arange(4), 0), mirror=1.0)
    assert torch.equal(clips.positions, random_clips(ragged_store).positions)


def test_coordinates_keep_fp32_when_clips_are_cut_under_autocast(ragged_store: Store) -> None:
    how = {"rotation": 0.3, "mirror": 0.5, "scale": 0.2}
    expected = random_clips(ragged_store, **how)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        clips = random_clips(ragged_store, **how)
    assert clips.positions.dtype == torch.float32
    torch.testing.assert_close(clips.positions, expected.positions, atol=1e-6, rtol=0)
