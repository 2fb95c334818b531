"""Cuts a whole batch of clips at once, on the device, straight from the memory-mapped store.

Whatever decides shapes (rows, person slots, the valid mask) is computed on the CPU and copied to the device, and
coordinates are computed on the device. So the CPU never waits for a result from the GPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jointwise.data import augment
from jointwise.data.randomness import Draws
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.data.store.reader import INDEX, Store
from jointwise.data.store.shards import ONE_SHARD, ShardedRows, Shards

_ROUNDING = 1e-3  # places in a window that differ by less, in frames, are the same
TEST_CROP = 0.95  # share of the frames that an evaluation clip keeps, centred


@dataclass(frozen=True)
class Persons:
    """The P persons of a batch of B clips, packed. Empty person slots are dropped: they cost no compute.

    Args:
        positions: (P, T, V, C).
        valid: (P, T, V) bool.
        clip: (P,) the clip that each person belongs to, ascending.
        slot: (P,) the person's slot in that clip.
        clips: The number of clips B.
        cpu_copy: Copy of `valid` on the CPU, if `valid` lies on a GPU.
    """

    positions: Tensor
    valid: Tensor
    clip: Tensor
    slot: Tensor
    clips: int
    cpu_copy: Tensor | None = None

    @property
    def valid_on_cpu(self) -> Tensor | None:
        """(P, T, V) `valid` on the CPU, for decisions about shapes without waiting for a GPU; None if not kept."""
        return self.valid if self.valid.device.type == "cpu" else self.cpu_copy


class Clips:
    """A batch of B clips with up to M persons each.

    The persons are kept packed, one for each slot that a recording has. The attributes `positions` and `valid` spread
    them over all M slots when they are first asked for; empty slots are zero and invalid.

    Args:
        positions: (B, M, T, V, C).
        valid: (B, M, T, V) bool.
        ids: (B,) places in the store, on the device of the positions.
    """

    def __init__(self, positions: Tensor, valid: Tensor, ids: Tensor) -> None:
        count, self.slots = valid.shape[:2]
        clip = torch.arange(count).repeat_interleave(self.slots)
        slot = torch.arange(self.slots).repeat(count)
        self._packed = Persons(positions.flatten(0, 1), valid.flatten(0, 1).cpu(), clip, slot, count)
        self.ids = ids

    @classmethod
    def from_persons(cls, packed: Persons, ids: Tensor) -> Clips:
        """Clips of persons that are packed already.

        Args:
            packed: The persons. All but their positions lie on the CPU.
            ids: (B,) places in the store, on any device.
        """
        clips = cls.__new__(cls)
        clips._packed = packed
        clips.slots = int(packed.slot.max()) + 1
        clips.ids = to_device(ids, packed.positions.device)
        return clips

    @cached_property
    def positions(self) -> Tensor:
        """(B, M, T, V, C), zero in empty slots."""
        return self._spread(self._packed.positions)

    @cached_property
    def valid(self) -> Tensor:
        """(B, M, T, V) bool, False in empty slots."""
        return to_device(self._spread(self._packed.valid), self._packed.positions.device)

    @property
    def blind(self) -> int:
        """How many of the clips have no valid joint."""
        seen = self._packed.clip[self._packed.valid.flatten(1).view(torch.uint8).amax(1).bool()]
        return self._packed.clips - len(seen.unique())

    def _spread(self, packed: Tensor) -> Tensor:
        count, device = self._packed.clips * self.slots, packed.device
        if len(packed) < count:
            place = to_device(self._packed.clip * self.slots + self._packed.slot, device)
            packed = packed.new_zeros(count, *packed.shape[1:]).index_copy_(0, place, packed)
        return packed.unflatten(0, (self._packed.clips, self.slots))

    def persons(self) -> Persons:
        """The persons that are valid anywhere in their clip, packed, on the device of the positions.

        A clip without a valid person keeps its slot 0, which is invalid, so that every clip has a person.
        """
        packed = self._packed
        device = packed.positions.device
        present = packed.valid.flatten(1).view(torch.uint8).amax(1).bool()  # `any` takes 14 times as long
        empty = torch.ones(packed.clips, dtype=torch.bool).index_fill_(0, packed.clip[present], False)
        present |= (packed.slot == 0) & empty[packed.clip]
        if not present.all():
            kept = present.nonzero()[:, 0]
            packed = Persons(
                packed.positions.index_select(0, to_device(kept, device)),
                packed.valid[kept],
                packed.clip[kept],
                packed.slot[kept],
                packed.clips,
            )
        if device.type == "cpu":
            return packed
        return Persons(
            packed.positions,
            to_device(packed.valid, device),
            to_device(packed.clip, device),
            to_device(packed.slot, device),
            packed.clips,
            cpu_copy=packed.valid,
        )


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copies a CPU tensor to `device`; the CPU does not wait until the copy is done."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def centre_windows(lengths: Tensor, ratio: float = TEST_CROP) -> tuple[Tensor, Tensor]:
    """The centred part of each sequence.

    Args:
        lengths: (B,) frames of each sequence.
        ratio: Share of the frames that is kept; at least 2 frames are, if there are 2.

    Returns:
        (B,) first frame and (B,) frames of each part.

    >>> centre_windows(torch.tensor([1, 100]))
    (tensor([0, 2]), tensor([ 1, 95]))
    """
    kept = (lengths * ratio).round().long().clamp(min=2).minimum(lengths)
    return (lengths - kept) // 2, kept


def random_windows(lengths: Tensor, ratio: float, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """A random part of each sequence, uniform in length and place.

    Args:
        lengths: (B,) frames of each sequence.
        ratio: Smallest share of the frames that is kept; at least 2 frames are, if there are 2.
        uniform: (B, 2) random numbers in [0, 1), for length and place.

    Returns:
        (B,) first frame and (B,) frames of each part.
    """
    share = ratio + (1 - ratio) * uniform[:, 0]
    kept = (lengths * share).round().long().clamp(min=2).minimum(lengths)
    start = (uniform[:, 1] * (lengths - kept + 1)).long().minimum(lengths - kept)
    return start, kept


class ClipCutter:
    """Cuts batches of clips from sequences that lie end to end, each batch as one tensor.

    Args:
        positions: (R, V, C) rows of all sequences, end to end: for each sequence all frames of its first person slot,
            then of the next.
        valid: (R, V) mask of the rows.
        index: (n,) first row, frames and persons of each sequence, of dtype `reader.INDEX`.
        skeleton: The layout of the clips.
        frames: Frames T of a clip.
        device: Where coordinates are computed.
        picked: (W, K) the columns of the rows whose mean each joint of `skeleton` is, in its order. None: each column
            is one.
        shards: Those of the sequences.
    """

    def __init__(
        self,
        positions: npt.NDArray[np.float32] | ShardedRows,
        valid: npt.NDArray[np.bool_] | ShardedRows,
        index: npt.NDArray[np.void],
        skeleton: Skeleton,
        frames: int,
        device: torch.device | str = "cpu",
        picked: npt.NDArray[np.int64] | None = None,
        shards: Shards = ONE_SHARD,
    ) -> None:
        self.shards = shards
        self.frames = frames
        self.device = torch.device(device)
        self.skeleton = skeleton
        # rows in shards are not copied to the device: they may be more than it can hold
        self.positions = positions if isinstance(positions, ShardedRows) else _tensor(positions).to(self.device)
        # all that follows decides shapes, so it stays on the CPU
        self.valid = valid if isinstance(valid, ShardedRows) else _tensor(valid)
        self.picked = None if picked is None else torch.from_numpy(picked)
        self.first_row = torch.from_numpy(index["row"].astype("int64"))
        self.lengths = torch.from_numpy(index["frames"].astype("int64"))
        self.persons = torch.from_numpy(index["persons"].astype("int64"))

    @classmethod
    def from_store(cls, store: Store, frames: int, device: torch.device | str = "cpu") -> ClipCutter:
        """A cutter over all sequences of a store.

        On a CPU it shares the memory-mapped arrays of the store. If the store is a view on some joints, these are
        selected after the rows of a batch have been gathered.

        Args:
            store: The sequences.
            frames: Frames T of a clip.
            device: Where coordinates are computed.
        """
        skeleton = store.description.skeleton
        return cls(store.positions, store.valid, store.index, skeleton, frames, device, store.picked, store.shards)

    @classmethod
    def from_sequence(cls, sequence: Sequence, frames: int, device: torch.device | str = "cpu") -> ClipCutter:
        """A cutter over one prepared sequence that lies in no store.

        Args:
            sequence: The sequence; it has the number 0.
            frames: Frames T of a clip.
            device: Where coordinates are computed.
        """
        index = np.zeros(1, INDEX)
        index["frames"] = sequence.frames
        index["persons"] = sequence.persons
        positions = sequence.positions.reshape(-1, *sequence.positions.shape[2:])
        valid = sequence.validity.reshape(-1, sequence.validity.shape[2])
        return cls(positions, valid, index, sequence.skeleton, frames, device)

    def cut(self, ids: Tensor, start: Tensor, length: Tensor) -> Clips:
        """Cuts one window of each sequence and resamples it to `self.frames` frames.

        A longer window is averaged: each frame of the clip is the mean of the source frames that it covers, each by the
        share that is covered, as `torch.nn.functional.interpolate(mode="area")` does for whole multiples. Taking single
        frames would throw the others away. A shorter window is interpolated linearly with half-pixel centres, as
        `interpolate(align_corners=False)`. A resampled frame is valid if its nearest source frame is.

        Args:
            ids: (B,) places in the store.
            start: (B,) first frame of each window.
            length: (B,) frames of each window, at least 1.

        Returns:
            B clips.
        """
        return Clips.from_persons(self._cut(ids, start, length), ids)

    def _cut(self, ids: Tensor, start: Tensor, length: Tensor) -> Persons:
        """The persons of the clips of `cut`, packed, one for each slot; all but their positions lie on the CPU."""
        ids = ids.cpu()
        clip = torch.repeat_interleave(self.persons[ids])
        slot = torch.arange(len(clip)) - torch.searchsorted(clip, clip)
        nearest, offset, weights = _resampling(length, self.frames)
        first = self.first_row[ids][clip] + slot * self.lengths[ids][clip] + start[clip]
        last = (first + length[clip] - 1)[:, None]
        begin = first[:, None] + offset[clip]
        for rows in (self.positions, self.valid):
            if isinstance(rows, ShardedRows):
                rows.will_need(first.numpy(), last[:, 0].numpy() + 1)
        valid = _select(self.valid, first[:, None] + nearest[clip], torch.device("cpu"))
        shares = to_device(weights[clip], self.device)[..., None, None].unbind(2)  # W times (P, T, 1, 1)
        positions = _select(self.positions, begin, self.device).mul_(shares[0])
        for place, share in enumerate(shares[1:], 1):
            positions.addcmul_(_select(self.positions, torch.minimum(begin + place, last), self.device), share)
        if self.picked is not None:
            flat, shape = self.picked.flatten(), self.picked.shape
            positions = positions.index_select(2, to_device(flat, self.device))
            valid = valid.index_select(2, flat)
            if shape[1] > 1:
                positions, valid = positions.unflatten(2, shape).mean(3), valid.unflatten(2, shape).all(3)
        return Persons(positions, valid, clip, slot, len(ids))

    def centre(self, ids: Tensor) -> Clips:
        """The evaluation clips of the sequences `ids` (B,): a centre crop of 95 %, nothing random."""
        return self.cut(ids, *centre_windows(self.lengths[ids.cpu()]))

    def random(
        self,
        ids: Tensor,
        draws: Draws,
        crop: float = 0.5,
        rotation: float = 0.0,
        mirror: float = 0.0,
        scale: float = 0.0,
        bones: float = 0.0,
    ) -> Clips:
        """Training clips, cut and augmented at random.

        Args:
            ids: (B,) places in the store.
            draws: Random numbers for B samples.
            crop: Smallest share of the frames that is kept.
            rotation: Largest angle about each axis, radians.
            mirror: Probability of mirroring; without effect if the skeleton has no mirror image.
            scale: Largest relative change of the size of a clip.
            bones: Largest relative change of the length of each bone.

        Returns:
            B clips.
        """
        uniform = draws.uniform(7 + len(self.skeleton.joints))
        persons = self._cut(ids, *random_windows(self.lengths[ids.cpu()], crop, uniform[:, :2]))
        of_person = uniform[persons.clip]
        positions = persons.positions[:, None]  # (P, 1, T, V, C): each person as a clip of its own
        valid = persons.valid[:, None]
        on_device = to_device(of_person, self.device)
        lateral = self.skeleton.lateral if self.skeleton.has_mirror_image else None
        if mirror > 0 and lateral is not None and lateral < positions.shape[-1]:  # a 2D pose has no axis 2
            chosen = of_person[:, 2] < mirror
            positions, valid = augment.mirror(positions, valid, chosen, self.skeleton.mirror_permutation, lateral)
        if rotation > 0:
            positions = augment.rotate(positions, (2 * on_device[:, 3:6] - 1) * rotation)
        if scale > 0:
            positions = augment.scale(positions, 1 + (2 * on_device[:, 6] - 1) * scale)
        if bones > 0:
            factors = 1 + (2 * on_device[:, 7:] - 1) * bones
            positions = augment.stretch_bones(positions, factors, self.skeleton.bone_indices)
        return Clips.from_persons(replace(persons, positions=positions[:, 0], valid=valid[:, 0]), ids)


def _resampling(length: Tensor, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """From which source frames each frame of a clip is made.

    Source frame k lies from k to k + 1. A frame of the clip covers its share of the window; where that is less than
    one source frame, it covers as much as one, which is linear interpolation.

    Args:
        length: (B,) frames of each window.
        frames: Frames of a clip, T.

    Returns:
        (B, T) the nearest source frame of each, (B, T) the first one that it covers, and (B, T, W) the weights of W
        consecutive source frames from there on, whose sum is 1. Past the end of a window the weight is 0.
    """
    share = length[:, None] / frames
    centre = (torch.arange(frames) + 0.5) * share
    half = (share / 2).clamp(min=0.5)
    begin = (centre - half).clamp(min=0)
    end = (centre + half).minimum(length[:, None].float())
    first = (begin + _ROUNDING).floor().long()
    width = int((end - first - _ROUNDING).ceil().max())
    edges = first[:, :, None] + torch.arange(width + 1)
    covered = torch.minimum(torch.maximum(edges.float(), begin[..., None]), end[..., None]).diff(dim=2)
    nearest = centre.floor().long().minimum(length[:, None] - 1)
    return nearest, first, covered / covered.sum(2, keepdim=True)


def _tensor(rows: npt.NDArray[Any]) -> Tensor:
    """Rows as a tensor that shares their memory; copied once if not contiguous, as else every cut would copy them."""
    return torch.from_numpy(np.ascontiguousarray(rows))


def _select(rows: Tensor | ShardedRows, places: Tensor, device: torch.device) -> Tensor:
    """Gathers rows (R, …), which lie on `device` or in shards, at places (P, T) on the CPU -> (P, T, …) on `device`.

    `index_select` on flattened rows copies each row as a whole; plain indexing would not.
    """
    if isinstance(rows, ShardedRows):
        return to_device(_select_in_shards(rows, places), device)
    selected = rows.flatten(1).index_select(0, to_device(places, device).flatten())
    return selected.unflatten(1, rows.shape[1:]).unflatten(0, places.shape)


def _select_in_shards(rows: ShardedRows, places: Tensor) -> Tensor:
    """Gathers on the CPU. Each of the P persons lies in one shard; shards that hold none of them are not opened."""
    wanted = places.numpy()
    numbers = rows.shard_of(wanted[:, 0])
    order = np.argsort(numbers, kind="stable")
    parts = []
    for persons in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        number = int(numbers[persons[0]])
        parts.append(np.take(rows.of_shard(number), wanted[persons] - rows.begin(number), 0))
    return torch.from_numpy(np.concatenate(parts)[np.argsort(order)])
