"""The shards of a joined store: which sequence lies in which, and their rows, opened when they are needed."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.array_files import load_array
from jointwise.data.typed_files import read_as
from jointwise.errors import DataError

Ints = npt.NDArray[np.int64]

_TAKES_ADVICE = hasattr(mmap, "MADV_WILLNEED")  # Windows does not


@dataclass(frozen=True)
class Shard:
    """A store that is part of a joined one.

    Args:
        path: Its folder, absolute or relative to the folder of the joined store.
        fingerprint: Its fingerprint when it was joined.
        sequences: Number of its sequences.
        rows: Number of its rows.
    """

    path: str
    fingerprint: str
    sequences: int
    rows: int


@dataclass(frozen=True)
class Member:
    """A set of a pool: what became of it, and how often its sequences are drawn.

    Args:
        data: Name of the set.
        split: The rule in words whose training part is in the pool.
        sequences: Number of its sequences in the pool.
        hours: Their length.
        weight: Its sampling weight.
        share: The share of its sequences in every epoch: its weight, of the sum of all weights.
        fingerprint: Fingerprint of its store.
        terms: Its terms of use.
        notes: What was brought into line.
    """

    data: str
    split: str
    sequences: int
    hours: float
    weight: float
    share: float
    fingerprint: str
    terms: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Shards:
    """Which shard each sequence lies in.

    Args:
        begins: (S,) place of the first sequence of each shard.
        weights: (S,) number of training sequences of each shard, or its sampling weight.
        sampled: Whether they are sampling weights: training then sees each shard by its weight, not by its size.
    """

    begins: Ints
    weights: Ints | npt.NDArray[np.float64]
    sampled: bool = False

    @classmethod
    def of_sizes(cls, sequences: Iterable[int]) -> Shards:
        """Shards end to end that hold these numbers of sequences, all of them for training."""
        sizes = np.array([*sequences], np.int64)
        return cls(sizes.cumsum() - sizes, sizes)

    def of(self, ids: npt.ArrayLike) -> Ints:
        """The shard (n,) of each of the sequences `ids` (n,)."""
        return np.searchsorted(self.begins, ids, side="right") - 1

    def with_weights(self, ids: Ints) -> Shards:
        """The same shards weighted by the training sequences `ids` (n,).

        Unchanged when there are none, or when the weights are sampling weights.
        """
        return self if self.sampled or not len(ids) else replace(self, weights=self._counts(ids))

    def with_sampling(self, weights: Iterable[float]) -> Shards:
        """The same shards, sampled by these weights."""
        return replace(self, weights=np.array([*weights], np.float64), sampled=True)

    def _counts(self, ids: npt.ArrayLike) -> Ints:
        """How many of the sequences `ids` lie in each shard: (S,)."""
        return np.bincount(self.of(ids), minlength=len(self.begins))

    def quotas(self, ids: npt.ArrayLike) -> Ints:
        """How many samples an epoch takes of each shard.

        Args:
            ids: (n,) the sequences that are sampled.

        Returns:
            (S,) as many as there are in `ids`; by sampling weights about n together, and at least one of each shard
            that has any.
        """
        counts = self._counts(ids)
        if not self.sampled:
            return counts
        weights = np.where(counts > 0, self.weights, 0.0)
        return np.where(counts > 0, np.maximum(1, np.rint(counts.sum() * weights / weights.sum())), 0).astype(np.int64)

    def frequencies(self, ids: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """How often each of the sequences `ids` (n,) is sampled in an epoch, on average: (n,), 1 without weights."""
        numbers = self.of(ids)
        counts = self._counts(ids)
        return (self.quotas(ids) / np.maximum(counts, 1))[numbers]

    def turns(self, numbers: Ints) -> Ints:
        """For each of n items, given by the `numbers` (n,) of their shards, how many of its shard come before it."""
        count = np.bincount(numbers, minlength=len(self.begins))
        by_shard = np.argsort(numbers, kind="stable")
        turn = np.empty(len(numbers), np.int64)
        turn[by_shard] = np.arange(len(numbers)) - (count.cumsum() - count)[numbers[by_shard]]
        return turn

    def places(self, numbers: Ints) -> npt.NDArray[np.float64]:
        """Spread the items of each shard evenly over (0, 1).

        Args:
            numbers: (n,) the shard of each item.

        Returns:
            (n,) the place of each item among those of its shard, in their order.
        """
        count = np.bincount(numbers, minlength=len(self.begins))
        return (self.turns(numbers) + 0.5) / count[numbers]


ONE_SHARD = Shards.of_sizes([1])  # for a store without shards, however many sequences it has


class ShardedRows:
    """One array of several shards, rows end to end. A shard is memory-mapped when one of its rows is needed.

    `rows[begin:end]` must lie in one shard, as the rows of a sequence do.

    Args:
        store: Folder of the joined store.
        array: `positions` or `valid`.
        shards: The shards, in order.

    Raises:
        DataError: When a shard is opened that is missing, damaged or was prepared again.
    """

    def __init__(self, store: Path, array: str, shards: tuple[Shard, ...]) -> None:
        self.store = store
        self.array = array
        self.shards = shards
        self.ends = np.cumsum([shard.rows for shard in shards])
        self._opened: dict[int, npt.NDArray[Any]] = {}

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        self.will_need(np.array([rows.start]), np.array([rows.stop]))
        number = int(self.shard_of(np.array(rows.start)))
        begin = self.begin(number)
        return self.of_shard(number)[rows.start - begin : rows.stop - begin]

    def will_need(self, starts: Ints, stops: Ints) -> None:
        """Tell the system to read rows before they are used, all at once and nothing beside them.

        Args:
            starts: (n,) the first row of each stretch. A stretch lies in one shard.
            stops: (n,) the row after its last.
        """
        for number, start, stop in zip(self.shard_of(starts).tolist(), starts.tolist(), stops.tolist(), strict=True):
            file = self.of_shard(number).base
            if _TAKES_ADVICE and isinstance(file, mmap.mmap):
                file.madvise(mmap.MADV_WILLNEED, *self._stretch(number, start, stop))

    def _stretch(self, number: int, start: int, stop: int) -> tuple[int, int]:
        """The first byte and the length of a stretch of rows in the file of its shard, from where a page begins."""
        rows = self.of_shard(number)
        row = rows.nbytes // len(rows)
        assert isinstance(rows.base, mmap.mmap)
        end = len(rows.base) - row * (int(self.ends[number]) - stop)  # rows lie at the end of the file
        begin = (end - row * (stop - start)) // mmap.PAGESIZE * mmap.PAGESIZE
        return begin, end - begin

    def shard_of(self, rows: Ints) -> Ints:
        """The shard (n,) that each of the rows (n,) lies in."""
        return np.searchsorted(self.ends, rows, side="right")

    def begin(self, number: int) -> int:
        """The first row of a shard."""
        return int(self.ends[number]) - self.shards[number].rows

    def of_shard(self, number: int) -> npt.NDArray[Any]:
        """All rows of a shard. Raises DataError when it is missing, damaged or was prepared again."""
        if number not in self._opened:
            self._opened[number] = self._open(self.shards[number])
        return self._opened[number]

    def _open(self, shard: Shard) -> npt.NDArray[Any]:
        folder = self.store / shard.path
        try:
            (folder / "store.json").stat()  # FileNotFoundError where it is not there
            header = read_as(folder / "store.json", dict[str, Any], DataError, "Prepare it again, and join.")
            if header.get("fingerprint") != shard.fingerprint:
                raise DataError(
                    f"{folder}: made again since it became a shard of {self.store}. Make that again too: "
                    "jointwise join, or jointwise pool where it is a pool."
                )
            rows = load_array(folder / f"{self.array}.npy", "c")  # as in Store
            if len(rows) != shard.rows:
                raise ValueError(f"{len(rows)} rows in {self.array}.npy, {shard.rows} when it was joined")
            if _TAKES_ADVICE and isinstance(rows.base, mmap.mmap):
                rows.base.madvise(mmap.MADV_RANDOM)  # else the system reads up to megabytes around each row
        except FileNotFoundError as error:
            raise DataError(
                f"{error.filename}: missing, but {folder} is a shard of {self.store}. Bring it back; or, where it lies "
                f"somewhere else now, say so in {self.store / 'store.json'}, or join again: jointwise join."
            ) from error
        except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise DataError(f"{folder}: damaged shard of {self.store} ({what}). Prepare it again, and join.") from error
        return rows
