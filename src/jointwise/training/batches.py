"""Which samples each step sees, and which of them this process computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jointwise.data.randomness import Draws, generator_for
from jointwise.data.store.shards import ONE_SHARD, Ints, Shards
from jointwise.errors import ConfigError
from jointwise.training import distributed


@dataclass(frozen=True)
class Batch:
    """The samples of a step that this process computes: all of them, or its share if there are several processes.

    Args:
        step: Number of the step, from 0.
        ids: (b,) places of the samples in the store.
        places: (b,) place of each sample in the batch of the step.
        count: Samples of the whole batch, of all processes.
    """

    step: int
    ids: Tensor
    places: Tensor
    count: int

    def draws(self, seed: int, purpose: str) -> Draws:
        """Random numbers of the samples: a function of seed, purpose, step and place in the batch."""
        return Draws(self.places, seed, purpose, self.step)


class Order(Protocol):
    """The samples of each step: what the training loop asks for."""

    def epoch(self, step: int) -> float:
        """Epochs completed after `step` steps, as a fraction."""
        ...

    def __getitem__(self, step: int) -> Tensor:
        """The samples of a step, of all processes."""
        ...

    def local_batch(self, step: int) -> Batch:
        """The share of this process in the batch of a step."""
        ...


class BatchOrder:
    """The samples of each step, reshuffled every epoch; a function of seed and step only.

    No sample is left out, so a batch may span two epochs. Each shard has its share of every batch, give or take one or
    two samples. `order[step]` is the whole batch of a step, `order.local_batch(step)` the share of this process.

    Where shards are sampled by weights, as the sets of a pool are, an epoch has as many samples as there are, but of
    each shard as many as its weight says. The samples of a shard come one after the other without replacement: all of
    them have been seen before one comes again.

    Args:
        ids: (n,) samples.
        batch_size: Samples of a step, of all processes together; limited to n.
        seed: Random seed of the shuffles.
        shards: Those of the samples.
        min_share: Samples of each batch that every process needs. BatchNorm needs 2.
    """

    def __init__(self, ids: Tensor, batch_size: int, seed: int, shards: Shards = ONE_SHARD, min_share: int = 1) -> None:
        self.ids = ids
        self.seed = seed
        self.shards = shards
        self.min_share = min_share
        self.quotas = shards.quotas(ids.numpy())  # samples that an epoch takes of each shard
        self.size = int(self.quotas.sum())  # of an epoch
        self.batch_size = min(batch_size, self.size)
        self._epoch = -1
        self._order = ids  # the samples in the order of `_epoch`

    def epoch(self, step: int) -> float:
        """Epochs completed after `step` steps, as a fraction."""
        return step * self.batch_size / self.size

    def __getitem__(self, step: int) -> Tensor:
        epoch, start = divmod(step * self.batch_size, self.size)
        first = self._shuffled(epoch)[start : start + self.batch_size]
        missing = self.batch_size - len(first)
        batch = torch.cat([first, self._shuffled(epoch + 1)[:missing]]) if missing else first
        return batch[_ascending(self._shards_of(batch))]

    def local_batch(self, step: int) -> Batch:
        """The share of this process in the batch of a step.

        Raises:
            ConfigError: A process would get fewer than `min_share` samples.
        """
        batch = self[step]
        count = distributed.world_size()
        ranks = distributed.assign_ranks(self._shards_of(batch), self.shards)
        if np.bincount(ranks, minlength=count).min() < self.min_share:
            raise ConfigError(self._too_small(count))
        places = torch.from_numpy(np.flatnonzero(ranks == distributed.rank()))
        return Batch(step, batch[places], places, self.batch_size)

    def _too_small(self, processes: int) -> str:
        """The message for a batch that is too small for so many processes."""
        if processes == 1:
            return (
                f"a batch of {self.batch_size} samples is too small: it takes {self.min_share}. Raise `batch` of this "
                "stage, or give it more data."
            )
        own = " of its own shards" if len(self.shards.begins) > 1 else ""
        most = self.batch_size // self.min_share
        limit = f"at most {most}, " if self.batch_size < processes * self.min_share else ""
        return (
            f"a batch of {self.batch_size} samples cannot be shared by {processes} processes: each needs "
            f"{self.min_share}{own}. Start fewer, {limit}or raise `batch` of this stage where the data has more."
        )

    def _shards_of(self, ids: Tensor) -> Ints:
        return self.shards.of(ids.numpy())

    def _shuffled(self, epoch: int) -> Tensor:
        """The samples of an epoch in their order; those of each shard are spread evenly over it."""
        if epoch != self._epoch:
            order = self._drawn(epoch)
            self._epoch = epoch
            self._order = order[_ascending(self.shards.places(self._shards_of(order)))]
        return self._order

    def _pass(self, number: int) -> Tensor:
        """All samples once, shuffled."""
        return self.ids[torch.randperm(len(self.ids), generator=generator_for(self.seed, "order", number))]

    def _drawn(self, epoch: int) -> Tensor:
        """The samples of an epoch: of each shard as many as its quota says.

        Each shard goes on where it was at the end of the epoch before, in its part of pass after pass. Where quotas are
        the sizes of the shards, as they are without weights, epoch k is pass k.
        """
        counts = np.bincount(self._shards_of(self.ids), minlength=len(self.quotas))
        begins = epoch * self.quotas
        ends = begins + self.quotas
        first = begins // np.maximum(counts, 1)
        last = (ends - 1) // np.maximum(counts, 1)
        drawn = []
        for number in np.unique(np.concatenate([np.arange(a, b + 1) for a, b in zip(first, last, strict=True)])):
            samples = self._pass(int(number))
            numbers = self._shards_of(samples)
            turn = number * counts[numbers] + self.shards.turns(numbers)  # since training began
            drawn.append(samples[torch.from_numpy((begins[numbers] <= turn) & (turn < ends[numbers]))])
        return torch.cat(drawn)


class PairedOrder:
    """Labelled and unlabelled samples in one batch: those of one order, then those of another, shuffled on their own.

    Each process computes its share of both.

    Args:
        labelled: The order whose samples come first.
        unlabelled: The order whose samples come last. Epochs are those of this one.
    """

    def __init__(self, labelled: BatchOrder, unlabelled: BatchOrder) -> None:
        self.labelled = labelled
        self.unlabelled = unlabelled

    def epoch(self, step: int) -> float:
        """Epochs completed after `step` steps, as a fraction: passes over the unlabelled samples."""
        return self.unlabelled.epoch(step)

    def __getitem__(self, step: int) -> Tensor:
        return torch.cat([self.labelled[step], self.unlabelled[step]])

    def local_batch(self, step: int) -> Batch:
        """The share of this process in the batch of a step, labelled samples first.

        Raises:
            ConfigError: A process would get too few samples of one kind.
        """
        first = self.labelled.local_batch(step)
        second = self.unlabelled.local_batch(step)
        places = torch.cat([first.places, second.places + first.count])
        return Batch(step, torch.cat([first.ids, second.ids]), places, first.count + second.count)

    def split(self, batch: Batch) -> tuple[Batch, Batch]:
        """The labelled and the unlabelled samples of a batch, each as a batch of its own."""
        size = self.labelled.batch_size
        first = batch.places < size
        return (
            Batch(batch.step, batch.ids[first], batch.places[first], size),
            Batch(batch.step, batch.ids[~first], batch.places[~first] - size, batch.count - size),
        )


def _ascending(values: npt.NDArray[Any]) -> Tensor:
    """The order that sorts n values; ties keep their order."""
    return torch.from_numpy(np.argsort(values, kind="stable"))
