"""A data set on disk: many prepared sequences end to end in one memory-mapped array, with an index."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.data.store.shards import Ints, Shard, ShardedRows, Shards
from jointwise.errors import DataError

VERSION = 2
UNKNOWN = -1  # label, subject or camera that the recording does not tell
UNUSED, TRAIN, TEST = 0, 1, 2  # the part of a sequence under a split
Parts = npt.NDArray[np.int8]  # one of the above for each sequence

INDEX = np.dtype(
    [
        ("row", "i8"),  # first row of the sequence in positions and valid; person m begins at row + m * frames
        ("frames", "i4"),
        ("persons", "i2"),
        ("label", "i4"),
        ("subject", "i4"),
        ("camera", "i4"),
        ("fps", "f4"),  # frames per second
    ]
)


@dataclass(frozen=True)
class Description:
    """What a store is about: the part of the index that is not per sequence.

    data: name of the data set. classes: names in label order. cleaning: what is done to a recording before it is
    centred, a key of CLEANING. terms: of use, empty when free.
    """

    data: str
    skeleton: Skeleton
    classes: tuple[str, ...]
    coordinates: int = 3
    cleaning: str = "none"
    terms: str = ""

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Description:
        """The description that `dataclasses.asdict` turned into lists and names."""
        return cls(
            **content | {"skeleton": Skeleton.from_json(content["skeleton"]), "classes": tuple(content["classes"])}
        )


def digest(sequence: Sequence) -> str:
    """32 hexadecimal digits that two prepared sequences share when they are the same, coordinate by coordinate."""
    content = hashlib.sha256(f"{sequence.positions.shape}".encode())
    content.update(np.ascontiguousarray(sequence.positions, "<f4").tobytes())
    content.update(np.packbits(sequence.validity).tobytes())
    return content.hexdigest()[:32]


def fingerprint(digests: Iterable[str], index: npt.NDArray[np.void]) -> str:
    """16 hexadecimal digits of the content of a store: every sequence and what is known of it, in order.

    Where the rows lie in the file does not count, nor do splits: a store that was finished after an interruption has
    the fingerprint of one written at once.
    """
    whole = hashlib.sha256("".join(digests).encode())
    for name in ("frames", "persons", "label", "subject", "camera"):
        whole.update(index[name].astype("<i8").tobytes())
    return whole.hexdigest()[:16]


class Store:
    """A prepared data set, memory-mapped; it may be many shards, whose sequences and rows are numbered end to end.

    positions: (R, V, C) float32, gaps filled. valid: (R, V) bool. Both lie in the shards, where there are several, and
    are opened there when rows are asked for; all else is here. shards: which sequence lies in which. layout: of all V
    joints, as recorded. picked: the columns that are looked at, in the order of the joints of `description.skeleton`;
    None: all. index: (n,) of dtype INDEX. names: (n,) str, of the recordings. digests: (n,) str. parts: (n, S) int8,
    the part of each sequence under each of the `splits`.
    Indexing gives the prepared Sequence. Raises DataError when the folder is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.picked: npt.NDArray[np.int64] | None = None
        if not (path / "store.json").is_file():
            raise DataError(f"{path}: no store here. Make it with: jointwise prepare NAME --root DIR.")
        try:
            header = json.loads((path / "store.json").read_text())
            if header["version"] != VERSION:
                raise DataError(f"{path}: store of version {header['version']}, this is {VERSION}. Prepare it again.")
            self.joined = tuple(Shard(**shard) for shard in header.get("shards", ()))  # empty: all rows are here
            self.positions, self.valid = self._rows("positions"), self._rows("valid")
            self.index = np.load(path / "index.npy")
            self.names, self.digests = (np.load(path / f"{name}.npy", mmap_mode="r") for name in ("names", "digests"))
            self.parts = np.load(path / "parts.npy")
            self.fingerprint: str = header["fingerprint"]
            self.preparation: str = header["preparation"]
            self.splits: dict[str, str] = header["splits"]  # name -> the rule in words
            self.summary: dict[str, Any] = header["summary"]
            self.revision: str = header["revision"]
            self.description = Description.from_json(header["description"])
            sizes = [shard.sequences for shard in self.joined] or [len(self.index)]
            self.shards = Shards.of_sizes(sizes)
            self.layout = self.description.skeleton  # as recorded, whatever `on_joints` leaves of it
            self._check_sizes(sum(sizes))
        except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise DataError(f"{path}: damaged store ({what}). Delete the folder and prepare it again.") from error

    def _rows(self, name: str) -> npt.NDArray[Any] | ShardedRows:
        if self.joined:
            return ShardedRows(self.path, name, self.joined)
        # copy-on-write, so that torch may share the memory; nothing is ever written back
        rows: npt.NDArray[Any] = np.load(self.path / f"{name}.npy", mmap_mode="c")
        return rows

    def _check_sizes(self, sequences: int) -> None:
        ends = self.index["row"] + self.index["frames"].astype(np.int64) * self.index["persons"]
        rows = {"positions": len(self.positions), "valid": len(self.valid), "index": int(ends.max(initial=0))}
        counts = {sequences, len(self.names), len(self.digests), len(self.parts), len(self.index)}
        fits = len(self.positions) == len(self.valid) >= rows["index"] and self.parts.shape[1] == len(self.splits)
        if not fits or len(counts) > 1:
            raise ValueError(f"its files do not belong together: rows {rows}")

    def on_joints(self, names: Iterable[str]) -> Store:
        """A view of the same files in which every sequence has the joints `names` only, in that order.

        Nothing is centred again or converted. Raises ConfigError for a joint it has not.
        """
        skeleton = self.description.skeleton
        reduced = skeleton.on_joints(names)
        if reduced is skeleton:
            return self
        view = copy.copy(self)
        view.description = replace(self.description, skeleton=reduced)
        columns = np.array([skeleton.joints.index(joint) for joint in reduced.joints])
        view.picked = columns if self.picked is None else self.picked[columns]
        return view

    def dealt_by(self, train: Ints) -> Store:
        """A view of the same files whose shards are dealt out to processes by the sequences `train` in each."""
        if not self.joined:
            return self
        view = copy.copy(self)
        view.shards = self.shards.dealt_by(train)
        return view

    def valid_share(self) -> float:
        """The share of its rows' joints that are valid, of a store that is not in shards.

        Read block by block: pages of a mapped file would count as memory of this process.
        """
        with (self.path / "valid.npy").open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, _ = np.lib.format.read_array_header_1_0(file)
            blocks = iter(lambda: file.read(2**22), b"")
            return sum(np.count_nonzero(np.frombuffer(block, bool)) for block in blocks) / max(1, math.prod(shape))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, item: int) -> Sequence:
        entry = self.index[item]
        rows = slice(int(entry["row"]), int(entry["row"]) + int(entry["frames"]) * int(entry["persons"]))
        shape = (int(entry["persons"]), int(entry["frames"]))
        positions, valid = self.positions[rows], self.valid[rows]
        known = {name: int(entry[name]) for name in ("label", "subject", "camera") if entry[name] != UNKNOWN}
        whole = Sequence(
            positions=np.array(positions).reshape(*shape, *positions.shape[1:]),
            valid=np.array(valid).reshape(*shape, -1),
            skeleton=self.layout,
            fps=float(entry["fps"]),
            source=str(self.names[item]),
            **known,
        )
        return whole.on_joints(self.description.skeleton.joints)


Mask = npt.NDArray[np.bool_]


def find_duplicates(digests: list[str], train: Mask, test: Mask) -> list[tuple[int, int]]:
    """(training place, test place) of every test sequence that equals a training one; digests, train, test: (n,)."""
    first = {digests[place]: place for place in np.flatnonzero(train)[::-1].tolist()}
    return [(first[digests[place]], place) for place in np.flatnonzero(test).tolist() if digests[place] in first]
