"""The shards of a store: which sequence lies in which, and the rows of each, opened when one of them is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.errors import DataError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shard:
    """A store that is part of a larger one. path: absolute, or from the folder of the larger one."""

    path: str
    fingerprint: str
    sequences: int
    rows: int


@dataclass(frozen=True, eq=False)
class Shards:
    """Which shard each sequence lies in. begins: (S,) the first of each. weights: (S,) its sequences that train."""

    begins: Ints
    weights: Ints

    @classmethod
    def of_sizes(cls, sequences: Iterable[int]) -> Shards:
        """Shards that lie end to end, `sequences` in each."""
        sizes = np.array([*sequences], np.int64)
        return cls(sizes.cumsum() - sizes, sizes)

    def of(self, ids: npt.ArrayLike) -> Ints:
        """The shard of each of the sequences `ids`; (n,) both."""
        return np.searchsorted(self.begins, ids, side="right") - 1

    def dealt_by(self, ids: Ints) -> Shards:
        """The same, with the sequences `ids` as those that train; where there are none, all do."""
        return replace(self, weights=np.bincount(self.of(ids), minlength=len(self.begins))) if len(ids) else self

    def places(self, numbers: Ints) -> npt.NDArray[np.float64]:
        """Where each of n things stands among those of its shard, evenly in (0, 1). numbers: (n,) their shards."""
        count = np.bincount(numbers, minlength=len(self.begins))
        by_shard = np.argsort(numbers, kind="stable")
        turn = np.empty(len(numbers), np.int64)
        turn[by_shard] = np.arange(len(numbers)) - (count.cumsum() - count)[numbers[by_shard]]
        return (turn + 0.5) / count[numbers]


ONE_SHARD = Shards.of_sizes([1])  # whatever the number of its sequences


class ShardedRows:
    """One array of many shards, rows end to end. That of a shard is memory-mapped when one of its rows is asked for.

    A slice of rows must lie in one shard, as those of a sequence do. Raises DataError for a shard that is not there,
    was prepared again, or is damaged.
    """

    def __init__(self, store: Path, array: str, shards: tuple[Shard, ...]) -> None:
        """store: folder that names the shards. array: `positions` or `valid`."""
        self.store, self.array, self.shards = store, array, shards
        self.ends = np.cumsum([shard.rows for shard in shards])
        self._opened: dict[int, npt.NDArray[Any]] = {}

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, rows: slice) -> npt.NDArray[Any]:
        number = int(self.shard_of(np.array(rows.start)))
        begin = self.begin(number)
        return self.of_shard(number)[rows.start - begin : rows.stop - begin]

    def shard_of(self, rows: Ints) -> Ints:
        """The shard that each row lies in."""
        return np.searchsorted(self.ends, rows, side="right")

    def begin(self, number: int) -> int:
        """The first row of a shard."""
        return int(self.ends[number]) - self.shards[number].rows

    def of_shard(self, number: int) -> npt.NDArray[Any]:
        """All rows of a shard."""
        if number not in self._opened:
            self._opened[number] = self._open(self.shards[number])
        return self._opened[number]

    def _open(self, shard: Shard) -> npt.NDArray[Any]:
        folder = self.store / shard.path
        try:
            if json.loads((folder / "store.json").read_text())["fingerprint"] != shard.fingerprint:
                raise DataError(f"{folder}: prepared again since it became a shard of {self.store}. Join them again.")
            rows: npt.NDArray[Any] = np.load(folder / f"{self.array}.npy", mmap_mode="c")  # as in Store
            if len(rows) != shard.rows:
                raise ValueError(f"{len(rows)} rows in {self.array}.npy, {shard.rows} when it was joined")
        except FileNotFoundError as error:
            raise DataError(
                f"{error.filename}: missing, but {folder} is a shard of {self.store}. Bring it back; or, where it lies "
                f"somewhere else now, say so in {self.store / 'store.json'}, or join again: jointwise join."
            ) from error
        except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise DataError(f"{folder}: damaged shard of {self.store} ({what}). Prepare it again, and join.") from error
        return rows
