"""A prepared data set on disk: its sequences end to end in one memory-mapped array, with an index."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.array_files import load_array
from jointwise.data.frame_digests import TABLE
from jointwise.data.joint_map import columns_of
from jointwise.data.names import check_name
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.data.store.content import digest, fingerprint, rest_fingerprint
from jointwise.data.store.header import PREPARE_AGAIN, read_header
from jointwise.data.store.shards import Ints, ShardedRows, Shards
from jointwise.data.typed_files import convert_as
from jointwise.errors import ConfigError, DataError, first_few, printable

UNKNOWN = -1  # a label, subject or camera that the recording does not state
UNUSED = 0  # the part of a sequence under a split
TRAIN = 1
TEST = 2
ALL = "all"  # the split of every data set under which no sequence is scored
ALL_ABOUT = "all recordings train, nothing is scored"
Parts = npt.NDArray[np.int8]  # one of the above for each sequence
Mask = npt.NDArray[np.bool_]

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


# Data sets in metres whose stores may lack the key `metres`, because they were written before version 0.2.
_METRES_BEFORE_KEY = ("synthetic", "utd-mhad", "sbu", "wmft", "ntu60", "ntu120")

ROWS_DIGESTED = "rows_digested"  # key of store.json; missing in stores of before
_ROWS_CHECKED = 20e6  # bytes of rows that are compared with their digests whenever a store is opened
_NAMES_SHOWN = 60  # of classes or subjects, in a message
NO_LABEL = "unlabelled"  # in place of the name of a class


def label_name(classes: tuple[str, ...], label: int) -> str:
    """The name of a label.

    Args:
        classes: Class names in label order.
        label: Its place in these; UNKNOWN where a sequence has none.

    >>> label_name(("nod", "wave"), 1), label_name((), -1)
    ('wave', 'unlabelled')
    """
    return NO_LABEL if label == UNKNOWN else classes[label]


@dataclass(frozen=True)
class Description:
    """What all sequences of a store have in common.

    Args:
        data: Name of the data set.
        skeleton: The joint layout.
        classes: Names of the classes in label order.
        coordinates: Coordinates of a joint, 2 or 3.
        cleaning: What is done to a recording before it is centred; a key of `CLEANING`.
        terms: Terms of use; empty when free.
        metres: Whether coordinates are known to be metres.
    """

    data: str
    skeleton: Skeleton
    classes: tuple[str, ...]
    coordinates: int = 3
    cleaning: str = "none"
    terms: str = ""
    metres: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(map(printable, self.classes)))  # they are printed everywhere

    @classmethod
    def from_json(cls, content: dict[str, Any], where: str) -> Description:
        """Restore a description from what `dataclasses.asdict` and JSON made of it.

        Args:
            content: The fields. `metres` may be missing; then the name of the data set decides.
            where: The file, for messages.

        Returns:
            The description.

        Raises:
            DataError: The content is no description.
        """
        known = {"metres": content.get("data") in _METRES_BEFORE_KEY} | content
        return convert_as(known, cls, where, DataError, PREPARE_AGAIN)


@dataclass(frozen=True)
class LeftOut:
    """Classes and subjects that are left out of a data set.

    Args:
        classes: Names of classes.
        subjects: Numbers of subjects.
    """

    classes: tuple[str, ...] = ()
    subjects: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Such as `without classes bow, wave and subjects 3`; empty where nothing is left out."""
        named = {"classes": self.classes, "subjects": self.subjects}
        words = [f"{kind} {', '.join(str(item) for item in items)}" for kind, items in named.items() if items]
        return f"without {' and '.join(words)}" if words else ""

    @property
    def name(self) -> str:
        """A short name for runs and results; empty where nothing is left out."""
        return f"without-{hashlib.sha256(str(self).encode()).hexdigest()[:4]}" if str(self) else ""

    @property
    def arguments(self) -> list[str]:
        """The command-line arguments that leave the same out again."""
        words = [word for name in self.classes for word in ("--without-classes", name)]
        return words + [word for number in self.subjects for word in ("--without-subjects", str(number))]


class Store:
    """A prepared data set, memory-mapped. `store[i]` is a prepared Sequence.

    A joined store has several shards, whose sequences and rows are numbered end to end. Their rows stay in the shards
    and are opened when they are needed; all else is in the folder of the store.

    Args:
        path: The folder.

    Attributes:
        positions: (R, V, C) float32 rows of all sequences, gaps filled.
        valid: (R, V) bool.
        index: (n,) of dtype INDEX.
        names: (n,) str, names of the recordings.
        digests: (n,) str, as `digest` makes them.
        frames: (K,) of dtype frame_digests.TABLE, digests of frames; empty where an earlier version wrote the store.
        parts: (n, S) int8, the part of each sequence under each of the `splits`.
        splits: Name of each split -> its rule in words.
        shards: Which sequence lies in which shard.
        mixture: The sets of a pool, one for each shard; empty for all other stores.
        layout: The layout of all V joints, as recorded.
        picked: (W, K) the columns whose mean each selected joint is, in the order of `description.skeleton`; None: all
            joints as recorded.
        left_out: The classes and subjects that a view is without.
        kept: (n,) whether a sequence is in the view; those that are not are in no part.

    Raises:
        DataError: The folder is missing or damaged, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.picked: npt.NDArray[np.int64] | None = None
        if not (path / "store.json").is_file():
            raise DataError(f"{path}: no store here. Make it with: jointwise prepare NAME --root DIR.")
        try:
            header = read_header(path / "store.json")
            self.joined = header.shards  # empty: all rows are here
            self.positions = self._rows("positions")
            self.valid = self._rows("valid")
            self.index = load_array(path / "index.npy")
            self.names = load_array(path / "names.npy", "r")
            self.digests = load_array(path / "digests.npy", "r")
            self.frames = self._frames()
            self.parts = load_array(path / "parts.npy")
            self.fingerprint = header.fingerprint
            self.preparation = header.preparation
            self.splits = header.splits
            self.summary = header.summary
            self.revision = header.revision
            self.description = Description.from_json(header.description, str(path / "store.json"))
            for name in (self.description.data, *self.splits):
                check_name(name, f"{path / 'store.json'}", DataError)
            sizes = [shard.sequences for shard in self.joined] or [len(self.index)]
            self.shards = Shards.of_sizes(sizes)
            self.mixture = header.mixture
            if self.mixture:
                self.shards = self.shards.with_sampling(member.share for member in self.mixture)
            self.layout = self.description.skeleton
            self.left_out = LeftOut()
            self.kept = np.ones(len(self.index), bool)
            self._check_kinds()
            self._check_sizes(sum(sizes))
            self._check_fingerprint(header.rows_digested, header.rest_fingerprint)
        except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise DataError(f"{path}: damaged store ({what}). {PREPARE_AGAIN}") from error

    def _rows(self, name: str) -> npt.NDArray[Any] | ShardedRows:
        if self.joined:
            return ShardedRows(self.path, name, self.joined)
        # Copy-on-write, so that torch may share the memory. Nothing is ever written back.
        return load_array(self.path / f"{name}.npy", "c")

    def _frames(self) -> npt.NDArray[np.void]:
        place = self.path / "frames.npy"
        return load_array(place) if place.is_file() else np.zeros(0, TABLE)

    def _check_kinds(self) -> None:
        """Raise ValueError for an array that is of another kind than this version writes, or says what cannot be."""
        about = self.description
        rows = (len(about.skeleton.joints), about.coordinates)
        kinds = (self.index.dtype, self.frames.dtype, self.names.dtype.kind, self.digests.dtype.kind, self.parts.dtype)
        if kinds != (INDEX, TABLE, "U", "U", np.int8) or {self.index.ndim, self.names.ndim, self.digests.ndim} != {1}:
            raise ValueError("its index, frames, names, digests or parts are of another kind")
        if self.parts.ndim != 2:
            raise ValueError("its parts are of another shape")
        for array, shape, kind in ((self.positions, rows, np.float32), (self.valid, rows[:1], np.bool_)):
            if isinstance(array, np.ndarray) and (array.shape[1:] != shape or array.dtype != kind):
                raise ValueError(f"its rows are of shape {array.shape[1:]}, expected {shape}")
        low = {"row": 0, "frames": 1, "persons": 1, "label": UNKNOWN}
        wrong = [name for name, least in low.items() if len(self.index) and self.index[name].min() < least]
        if wrong or self.index["label"].max(initial=UNKNOWN) >= len(about.classes):
            raise ValueError(f"its index has an impossible {wrong[0] if wrong else 'label'}")

    def _check_sizes(self, sequences: int) -> None:
        ends = self.index["row"] + self.index["frames"].astype(np.int64) * self.index["persons"]
        rows = {"positions": len(self.positions), "valid": len(self.valid), "index": int(ends.max(initial=0))}
        counts = {sequences, len(self.names), len(self.digests), len(self.parts), len(self.index)}
        if len(self.frames) and self.frames["sequence"].max() >= sequences:
            raise ValueError("frames.npy is that of another store")
        fits = len(self.positions) == len(self.valid) >= rows["index"] and self.parts.shape[1] == len(self.splits)
        if not fits or len(counts) > 1:
            raise ValueError(f"its files do not belong together: rows {rows}")

    def _check_fingerprint(self, rows_digested: bool, rest: str) -> None:
        """Raise ValueError if labels, subjects, splits, names or rows are not those with which the store was written.

        rows_digested: whether digests are those of the rows, which are then compared with them: all of a small store,
        of a large one as many as take no time. rest: the `rest_fingerprint`; empty where it is not known.
        """
        digests = self.digests.tolist()
        wanted = fingerprint([*digests, self.revision] if self.mixture else digests, self.index)
        if wanted != self.fingerprint:
            raise ValueError("its labels, subjects or digests were changed")
        if rest and rest_fingerprint(self.names, self.index, self.parts) != rest:
            raise ValueError("its names, frame rates or splits were changed")
        order = np.random.default_rng(int(self.fingerprint, 16)).permutation(len(self.index)).tolist()
        checked = 0
        for place in order if rows_digested else ():
            sequence = self[place]
            if digest(sequence) != digests[place]:
                raise ValueError(f"the coordinates of {sequence.source} were changed")
            checked += sequence.positions.nbytes
            if checked > _ROWS_CHECKED:
                return

    def on_joints(self, names: Iterable[str]) -> Store:
        """View the same files with some of the joints only. Nothing is centred again or converted.

        Args:
            names: The joints to keep, or to compute from others, in the order wanted; see `Skeleton.on_joints`.

        Returns:
            The view.

        Raises:
            ConfigError: The store has no joint of that name.
        """
        skeleton = self.description.skeleton
        reduced = skeleton.on_joints(names)
        if reduced is skeleton:
            return self
        view = copy.copy(self)
        view.description = replace(self.description, skeleton=reduced)
        columns = columns_of(reduced.joints, skeleton.joints)
        view.picked = columns if self.picked is None else self.picked[columns].reshape(len(columns), -1)
        return view

    def without(self, classes: Iterable[str] = (), subjects: Iterable[int] = ()) -> Store:
        """View the same files without some classes and subjects. The classes that stay are numbered anew.

        Args:
            classes: Names of the classes to leave out.
            subjects: Numbers of the subjects to leave out.

        Returns:
            The view. Sequences that are left out stay in the index, but are in no part of any split.

        Raises:
            ConfigError: The store has no such class or subject.
        """
        left_out = LeftOut(tuple(sorted(set(classes))), tuple(sorted(set(subjects))))
        if left_out == LeftOut():
            return self
        names = list(self.description.classes)
        self._check_known("class", left_out.classes, names)
        self._check_known("subject", left_out.subjects, np.setdiff1d(self.index["subject"], [UNKNOWN]).tolist())
        out = np.isin(self.index["subject"], left_out.subjects)
        out |= np.isin(self.index["label"], [names.index(name) for name in left_out.classes])
        stay = [name for name in names if name not in left_out.classes]
        renumbered = [stay.index(name) if name in stay else UNKNOWN for name in names]
        view = copy.copy(self)
        view.index = self.index.copy()
        view.index["label"] = np.array([*renumbered, UNKNOWN])[self.index["label"]]  # the last one is that of UNKNOWN
        view.kept = self.kept & ~out
        view.parts = np.where(view.kept[:, None], self.parts, np.int8(UNUSED))
        view.description = replace(self.description, classes=tuple(stay))
        view.left_out = LeftOut(self.left_out.classes + left_out.classes, self.left_out.subjects + left_out.subjects)
        view.splits = {name: f"{about}; {left_out}" for name, about in self.splits.items()}
        return view

    def _check_known(self, kind: str, items: Iterable[Any], known: list[Any]) -> None:
        for item in items:
            if item not in known:
                has = first_few([str(name) for name in known], _NAMES_SHOWN) or "none that is known"
                raise ConfigError(f"{self.description.data} has no {kind} '{item}' to leave out. It has: {has}.")

    def with_shard_weights(self, train: Ints) -> Store:
        """View the same files with shards weighted by their training sequences, to divide them among processes.

        Args:
            train: The places of the training sequences.

        Returns:
            The view.
        """
        if not self.joined:
            return self
        view = copy.copy(self)
        view.shards = self.shards.with_weights(train)
        return view

    def valid_share(self) -> float:
        """The share of valid joints, of a store without shards.

        The file is read block by block, because pages of a memory-mapped file count as memory of this process.
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
        if self.picked is not None:
            positions, valid = positions[:, self.picked].mean(2), np.all(valid[:, self.picked], axis=2)
        label, subject, camera = (
            None if entry[name] == UNKNOWN else int(entry[name]) for name in ("label", "subject", "camera")
        )
        return Sequence(
            positions=np.array(positions).reshape(*shape, *positions.shape[1:]),
            valid=np.array(valid).reshape(*shape, -1),
            skeleton=self.description.skeleton,
            fps=float(entry["fps"]),
            label=label,
            subject=subject,
            camera=camera,
            source=str(self.names[item]),
        )


def find_duplicates(digests: list[str], train: Mask, test: Mask) -> list[tuple[int, int]]:
    """Find the test sequences that equal a training sequence.

    Args:
        digests: (n,) digests of the sequences.
        train: (n,) whether a sequence trains.
        test: (n,) whether a sequence is scored.

    Returns:
        (training place, test place) of each pair.
    """
    first = {digests[place]: place for place in np.flatnonzero(train)[::-1].tolist()}
    return [(first[digests[place]], place) for place in np.flatnonzero(test).tolist() if digests[place] in first]
