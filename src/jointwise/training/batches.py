"""Which samples each step sees, and which of them this process computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
    """The samples of a step that this process computes: all, or its share where there are several processes.

    ids: (b,) in the store. places: (b,) where each stands among the `count` samples of the step.
    """

    step: int
    ids: Tensor
    places: Tensor
    count: int

    def draws(self, seed: int, purpose: str) -> Draws:
        """Random numbers of the samples: a function of seed, purpose, step and a sample's place in the batch."""
        return Draws(self.places, seed, purpose, self.step)


class BatchOrder:
    """Which samples each step sees: epoch after epoch reshuffled, a function of seed and step only.

    ids: (n,) samples. batch: samples per step, at most n. shards: those of the samples. No sample is left out; a batch
    may span two epochs. Of each shard it has as many as the shard's part of all samples, give or take one or two.
    least: samples of a batch that each process needs; BatchNorm cannot learn from one.
    """

    def __init__(self, ids: Tensor, batch: int, seed: int, shards: Shards = ONE_SHARD, least: int = 1) -> None:
        self.ids, self.batch_size, self.seed, self.shards = ids, min(batch, len(ids)), seed, shards
        self.least = least
        self._epoch, self._order = -1, ids

    def epoch(self, step: int) -> float:
        """Epochs seen after `step` steps."""
        return step * self.batch_size / len(self.ids)

    def __getitem__(self, step: int) -> Tensor:
        epoch, start = divmod(step * self.batch_size, len(self.ids))
        first = self._shuffled(epoch)[start : start + self.batch_size]
        missing = self.batch_size - len(first)
        batch = torch.cat([first, self._shuffled(epoch + 1)[:missing]]) if missing else first
        return batch[_ascending(self._shards_of(batch))]

    def local_batch(self, step: int) -> Batch:
        """This process's share of the batch of a step. Raises ConfigError when there are too few for each."""
        batch, count = self[step], distributed.world_size()
        whose = distributed.assign_ranks(self._shards_of(batch), self.shards)
        if np.bincount(whose, minlength=count).min() < self.least:
            own = " of its own shards" if len(self.shards.begins) > 1 else ""
            most = f"at most {self.batch_size // self.least}, " if self.batch_size < count * self.least else ""
            raise ConfigError(
                f"a batch of {self.batch_size} samples cannot be shared by {count} processes: each needs "
                f"{self.least}{own}. Start fewer, {most}or raise `batch` of this stage where the data has more."
                if count > 1
                else f"a batch of {self.batch_size} samples is too small: it takes {self.least}. Raise `batch` of this "
                "stage, or give it more data."
            )
        places = torch.from_numpy(np.flatnonzero(whose == distributed.rank()))
        return Batch(step, batch[places], places, self.batch_size)

    def _shards_of(self, ids: Tensor) -> Ints:
        return self.shards.of(ids.numpy())

    def _shuffled(self, epoch: int) -> Tensor:
        """All samples in the order of an epoch; those of each shard evenly spread over it."""
        if epoch != self._epoch:
            generator = generator_for(self.seed, "order", epoch)
            order = self.ids[torch.randperm(len(self.ids), generator=generator)]
            self._epoch = epoch
            self._order = order[_ascending(self.shards.places(self._shards_of(order)))]
        return self._order


def _ascending(values: npt.NDArray[Any]) -> Tensor:
    """The places of n values in ascending order; equal ones stay in theirs."""
    return torch.from_numpy(np.argsort(values, kind="stable"))
