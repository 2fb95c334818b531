"""Cuts a whole batch of clips at once, on the device, straight from the memory-mapped store.

What decides shapes (which rows, who is there, what is valid) is computed on the CPU and sent; coordinates are computed
on the device. So nobody waits for a GPU.
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

TEST_CROP = 0.95  # share of the frames that an evaluation clip keeps, centred


@dataclass(frozen=True)
class Persons:
    """The persons of a batch, packed: empty slots are gone, so they cost no compute and enter no mean.

    positions: (P, T, V, C). valid: (P, T, V). clip: (P,) which clip each belongs to. slot: (P,) its person slot there.
    clips: number of clips B. cpu_copy: `valid` on the CPU, where that lies on a GPU.
    """

    positions: Tensor
    valid: Tensor
    clip: Tensor
    slot: Tensor
    clips: int
    cpu_copy: Tensor | None = None

    @property
    def valid_on_cpu(self) -> Tensor | None:
        """`valid` on the CPU: what decides shapes and shortcuts is looked up there, so that no GPU is waited for."""
        return self.valid if self.valid.device.type == "cpu" else self.cpu_copy


class Clips:
    """A batch of B clips with up to M persons each, kept packed: one person for each slot that a recording has.

    positions (B, M, T, V, C), valid (B, M, T, V): spread over all slots, what is not there zero and invalid, made when
    asked for. ids: (B,) in the store, on the device of the positions. slots: M.
    """

    def __init__(self, positions: Tensor, valid: Tensor, ids: Tensor) -> None:
        """positions: (B, M, T, V, C). valid: (B, M, T, V). ids: (B,)."""
        count, self.slots = valid.shape[:2]
        clip, slot = torch.arange(count).repeat_interleave(self.slots), torch.arange(self.slots).repeat(count)
        self._packed = Persons(positions.flatten(0, 1), valid.flatten(0, 1).cpu(), clip, slot, count)
        self.ids = ids

    @classmethod
    def of(cls, packed: Persons, ids: Tensor) -> Clips:
        """Clips of persons of whom everything but the positions lies on the CPU; ids (B,), on any device."""
        clips = cls.__new__(cls)
        clips._packed, clips.slots, clips.ids = packed, int(packed.slot.max()) + 1, send(ids, packed.positions.device)
        return clips

    @cached_property
    def positions(self) -> Tensor:
        """(B, M, T, V, C)."""
        return self._spread(self._packed.positions)

    @cached_property
    def valid(self) -> Tensor:
        """(B, M, T, V) bool."""
        return send(self._spread(self._packed.valid), self._packed.positions.device)

    def _spread(self, packed: Tensor) -> Tensor:
        count, device = self._packed.clips * self.slots, packed.device
        if len(packed) < count:
            place = send(self._packed.clip * self.slots + self._packed.slot, device)
            packed = packed.new_zeros(count, *packed.shape[1:]).index_copy_(0, place, packed)
        return packed.unflatten(0, (self._packed.clips, self.slots))

    def persons(self) -> Persons:
        """The persons that are valid somewhere in their clip; a clip without any keeps its (invalid) slot 0."""
        packed, device = self._packed, self._packed.positions.device
        present = packed.valid.flatten(1).view(torch.uint8).amax(1).bool()  # `any` takes 14 times as long
        alone = torch.ones(packed.clips, dtype=torch.bool).index_fill_(0, packed.clip[present], False)
        present |= (packed.slot == 0) & alone[packed.clip]
        if not present.all():
            kept = present.nonzero()[:, 0]
            positions, valid, clip, slot = packed.positions, packed.valid, packed.clip, packed.slot
            positions = positions.index_select(0, send(kept, device))
            packed = Persons(positions, valid[kept], clip[kept], slot[kept], packed.clips)
        if device.type == "cpu":
            return packed
        valid, clip, slot = (send(what, device) for what in (packed.valid, packed.clip, packed.slot))
        return Persons(packed.positions, valid, clip, slot, packed.clips, cpu_copy=packed.valid)


def send(tensor: Tensor, device: torch.device) -> Tensor:
    """A CPU tensor on `device`, on the way there while the CPU goes on."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def centre_windows(lengths: Tensor, ratio: float = TEST_CROP) -> tuple[Tensor, Tensor]:
    """(start, length) of the centred part of `ratio` of each sequence, 2 frames at least; (B,) each."""
    kept = (lengths * ratio).round().long().clamp(min=2).minimum(lengths)
    return (lengths - kept) // 2, kept


def random_windows(lengths: Tensor, ratio: float, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """(start, length) of contiguous parts, length ratio in [ratio, 1]; lengths (B,), uniform (B, 2) in [0, 1)."""
    share = ratio + (1 - ratio) * uniform[:, 0]
    kept = (lengths * share).round().long().clamp(min=2).minimum(lengths)
    start = (uniform[:, 1] * (lengths - kept + 1)).long().minimum(lengths - kept)
    return start, kept


class ClipCutter:
    """Cuts batches of clips of `frames` frames from sequences that lie end to end, as one tensor on `device`."""

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
        """positions: (R, V, C) and valid: (R, V), rows end to end. index: (n,) of dtype `store.INDEX`.

        picked: the columns that are the joints of `skeleton`, in its order; None: all. shards: those of the sequences.
        """
        self.shards = shards
        self.frames, self.device, self.skeleton = frames, torch.device(device), skeleton
        # what lies in shards stays there: it may be more than the device holds
        self.positions = positions if isinstance(positions, ShardedRows) else _tensor(positions).to(self.device)
        # the rest stays on the CPU: it decides shapes
        self.valid = valid if isinstance(valid, ShardedRows) else _tensor(valid)
        self.picked = None if picked is None else torch.from_numpy(picked)
        self.first_row, self.lengths, self.persons = (
            torch.from_numpy(index[name].astype("int64")) for name in ("row", "frames", "persons")
        )

    @classmethod
    def from_store(cls, store: Store, frames: int, device: torch.device | str = "cpu") -> ClipCutter:
        """A cutter over all sequences of a store; shares its memory-mapped arrays where they can stay on the CPU.

        Where the store is a view on some joints, they are picked from what was gathered for a batch.
        """
        skeleton = store.description.skeleton
        return cls(store.positions, store.valid, store.index, skeleton, frames, device, store.picked, store.shards)

    @classmethod
    def from_sequence(cls, sequence: Sequence, frames: int, device: torch.device | str = "cpu") -> ClipCutter:
        """A cutter over one prepared sequence that lies in no store."""
        index = np.zeros(1, INDEX)
        index["frames"], index["persons"] = sequence.frames, sequence.persons
        rows = (-1, len(sequence.skeleton.joints))
        positions, valid = (
            sequence.positions.reshape(*rows, sequence.positions.shape[-1]),
            sequence.validity.reshape(rows),
        )
        return cls(positions, valid, index, sequence.skeleton, frames, device)

    def cut(self, ids: Tensor, start: Tensor, length: Tensor) -> Clips:
        """Frames start … start + length of each sequence, resampled linearly to `frames`; all arguments (B,).

        Half-pixel centres, as `torch.nn.functional.interpolate(align_corners=False)`. A resampled frame is valid if
        its nearer source frame is.
        """
        return Clips.of(self._cut(ids, start, length), ids)

    def _cut(self, ids: Tensor, start: Tensor, length: Tensor) -> Persons:
        """The persons that `cut` gives, packed, one for each slot of the recording; all but positions on the CPU."""
        ids = ids.cpu()
        clip = torch.repeat_interleave(self.persons[ids])
        slot = torch.arange(len(clip)) - torch.searchsorted(clip, clip)
        place = (torch.arange(self.frames) + 0.5) * (length[:, None] / self.frames) - 0.5
        place = place.clamp(min=0).minimum((length - 1)[:, None].float())
        lower = place.floor().long()
        weight = (place - lower)[clip]  # (P, T), as all that follows
        first = self.first_row[ids][clip] + slot * self.lengths[ids][clip] + start[clip]
        below = first[:, None] + lower[clip]
        above = below.add(1).minimum((first + length[clip] - 1)[:, None])
        valid = _select(self.valid, torch.where(weight < 0.5, below, above), torch.device("cpu"))
        positions, after = (_select(self.positions, frames, self.device) for frames in (below, above))
        positions.flatten(2).lerp_(after.flatten(2), send(weight, self.device)[:, :, None])  # in place, row by row
        if self.picked is not None:
            positions = positions.index_select(2, send(self.picked, self.device))
            valid = valid.index_select(2, self.picked)
        return Persons(positions, valid, clip, slot, len(ids))

    def centre(self, ids: Tensor) -> Clips:
        """The evaluation clips of the sequences `ids`: centre crop of 95 %, nothing random."""
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
        """Training clips of the sequences `ids`, cut and augmented at random.

        draws: of as many samples. crop: least share of the frames kept. rotation: largest angle about each axis,
        radians. mirror: probability, where the skeleton has a mirror image. scale: largest relative change of size.
        bones: of each bone's length.
        """
        uniform = draws.uniform(7 + len(self.skeleton.joints))
        persons = self._cut(ids, *random_windows(self.lengths[ids.cpu()], crop, uniform[:, :2]))
        of_person = uniform[persons.clip]
        positions, valid, varied = persons.positions[:, None], persons.valid[:, None], send(of_person, self.device)
        lateral = self.skeleton.lateral if self.skeleton.has_mirror_image else None
        if mirror > 0 and lateral is not None and lateral < positions.shape[-1]:  # 2D has no third axis
            chosen = of_person[:, 2] < mirror
            positions, valid = augment.mirror(positions, valid, chosen, self.skeleton.mirror_permutation, lateral)
        if rotation > 0:
            positions = augment.rotate(positions, (2 * varied[:, 3:6] - 1) * rotation)
        if scale > 0:
            positions = augment.scale(positions, 1 + (2 * varied[:, 6] - 1) * scale)
        if bones > 0:
            factors = 1 + (2 * varied[:, 7:] - 1) * bones
            positions = augment.stretch_bones(positions, factors, self.skeleton.bone_indices)
        return Clips.of(replace(persons, positions=positions[:, 0], valid=valid[:, 0]), ids)


def _tensor(rows: npt.NDArray[Any]) -> Tensor:
    """Rows as they are, copied only where one is not whole in memory: else every cut would copy them all."""
    return torch.from_numpy(np.ascontiguousarray(rows))


def _select(rows: Tensor | ShardedRows, places: Tensor, device: torch.device) -> Tensor:
    """rows (R, …) on `device` or in shards, places (P, T) on the CPU -> (P, T, …) on `device`.

    Whole rows are copied at once, which plain indexing does not.
    """
    if isinstance(rows, ShardedRows):
        return send(_select_in_shards(rows, places), device)
    selected = rows.flatten(1).index_select(0, send(places, device).flatten())
    return selected.unflatten(1, rows.shape[1:]).unflatten(0, places.shape)


def _select_in_shards(rows: ShardedRows, places: Tensor) -> Tensor:
    """The same on the CPU, where each of the P lies in one shard; shards in which none lies are not opened."""
    numbers = torch.from_numpy(rows.shard_of(places[:, 0].numpy()))
    whole: Tensor | None = None
    for number in numbers.unique().tolist():
        chosen = numbers == number
        shard = torch.from_numpy(rows.of_shard(number))
        part = _select(shard, places[chosen] - rows.begin(number), shard.device)
        whole = part.new_empty(len(places), *part.shape[1:]) if whole is None else whole
        whole[chosen] = part
    assert whole is not None  # a clip has a person
    return whole
