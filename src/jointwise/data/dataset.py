"""`Dataset` and its parts: a prepared store under one split. `load_dataset`, `prepare` and `pool` make one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.datasets import (
    DATASETS,
    address_and_split,
    find_source,
    folder,
    is_prepared,
    new_pool_path,
    pool_members,
    store_path,
    user_path,
)
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.data.store.build import ShowProgress, SkipRequest, Summary, build_store, no_progress, skip_request
from jointwise.data.store.conversion import Source
from jointwise.data.store.pool import build_pool
from jointwise.data.store.reader import ALL, ALL_ABOUT, TEST, TRAIN, UNKNOWN, UNUSED, Store
from jointwise.errors import ConfigError, DataError, StoreBusy, unknown

HELD_OUT = "held-out training"  # subjects or recordings: the words for a split whose test part these are

Ids = npt.NDArray[np.int64]


def name_subjects(subjects: Iterable[int]) -> str:
    """The words for subjects in the rule of a split, such as `subjects 3, 7`."""
    return f"subjects {', '.join(str(subject) for subject in sorted(subjects))}"


@dataclass(frozen=True)
class Part:
    """Some sequences of a store. `part[i]` is a prepared Sequence.

    Args:
        store: The store that holds them.
        ids: (n,) their places in the store.
    """

    store: Store
    ids: Ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, item: int) -> Sequence:
        return self.store[int(self.ids[item])]

    def __iter__(self) -> Iterator[Sequence]:
        return (self[item] for item in range(len(self)))

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(n,) class indices, -1 where unlabelled."""
        return self.store.index["label"][self.ids].astype(np.int64)

    @property
    def labelled(self) -> Part:
        """The sequences that have a label; the part itself where all have one."""
        known = self.labels != UNKNOWN
        return self if known.all() else Part(self.store, self.ids[known])

    @property
    def subjects(self) -> npt.NDArray[np.int64]:
        """(n,) subject numbers, -1 where unknown."""
        return self.store.index["subject"][self.ids].astype(np.int64)

    @property
    def names(self) -> list[str]:
        """(n,) names of the recordings."""
        return self.store.names[self.ids].tolist()

    @property
    def digests(self) -> list[str]:
        """(n,) digests: equal for recordings of equal content only."""
        return self.store.digests[self.ids].tolist()

    @property
    def names_hash(self) -> str:
        """16 hexadecimal digits of the sha256 of the sorted names."""
        return hashlib.sha256("\n".join(sorted(self.names)).encode(errors="surrogateescape")).hexdigest()[:16]


@dataclass(frozen=True)
class Dataset:
    """A prepared data set under one of its splits.

    Args:
        store: All its sequences.
        train: The training part.
        test: The part that is scored.
        split_name: Name of the split, as `--split` takes it.
        split: The rule of the split in words.
        address: What `--data` takes: a registered name, or a path.
    """

    store: Store
    train: Part
    test: Part
    split_name: str
    split: str
    address: str

    @classmethod
    def of(cls, store: Store, address: str, split: str | None = None) -> Dataset:
        """Divide a store into the parts of one of its splits.

        Args:
            store: The store to divide.
            address: What `--data` takes to open it again.
            split: Name of the split; None: the first of the store. Every store also has `all`, without a test part.

        Returns:
            The data set.

        Raises:
            ConfigError: The store has no split of that name.
        """
        name = next(iter(store.splits)) if split is None else split
        if name in store.splits:
            parts, about = store.parts[:, list(store.splits).index(name)], store.splits[name]
        elif name == ALL:
            parts = np.where(store.kept, np.int8(TRAIN), np.int8(UNUSED))
            about = "; ".join(words for words in (ALL_ABOUT, str(store.left_out)) if words)
        else:
            raise ConfigError(unknown(f"split of {store.description.data}", name, dict.fromkeys([*store.splits, ALL])))
        store = store.with_shard_weights(np.flatnonzero(parts == TRAIN))
        train = Part(store, np.flatnonzero(parts == TRAIN).astype(np.int64))
        test = Part(store, np.flatnonzero(parts == TEST).astype(np.int64))
        return cls(store, train, test, name, about, address)

    @property
    def name(self) -> str:
        """Its registered name, or the name of the user's folder or file."""
        return self.store.description.data

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.store.description.classes

    @property
    def skeleton(self) -> Skeleton:
        """The joint layout of all its sequences."""
        return self.store.description.skeleton

    @property
    def metres(self) -> bool:
        """Whether its coordinates are known to be metres."""
        return self.store.description.metres

    @property
    def arguments(self) -> list[str]:
        """The command-line arguments that open this data set again: split, what is left out, selection of joints."""
        words = ["--data", self.address]
        if self.split_mark:
            words += ["--split", self.split_mark]
        words += self.store.left_out.arguments
        if self.store.picked is not None:
            words += ["--joints", ",".join(self.skeleton.joints)]
        return words

    @property
    def split_mark(self) -> str:
        """The name of the split, for runs and results; empty where the data have this one split only."""
        return "" if [self.split_name] == list(self.store.splits) else self.split_name

    @property
    def selection_name(self) -> str:
        """A short name of the selected joints and of what is left out, for runs and results; empty for all there is."""
        return "-".join(name for name in (self.joints_name, self.store.left_out.name) if name)

    @property
    def joints_name(self) -> str:
        """A short name of the selected joints; empty when all joints are used."""
        if self.store.picked is None:
            return ""
        return f"{self.skeleton.name}-{hashlib.sha256(','.join(self.skeleton.joints).encode()).hexdigest()[:4]}"

    def without(self, classes: Iterable[str] = (), subjects: Iterable[int] = ()) -> Dataset:
        """Leave classes and subjects out of all parts, as if they had not been recorded.

        Args:
            classes: Their names.
            subjects: Their numbers.

        Returns:
            The same data without them, under the same split.

        Raises:
            ConfigError: The data have no such class or subject.
        """
        store = self.store.without(classes, subjects)
        return self if store is self.store else Dataset.of(store, self.address, self.split_name)

    def on_joints(self, names: Iterable[str]) -> Dataset:
        """Select joints, as if no others had been recorded.

        The origin stays where `prepare` put it, even where the root is left out.

        Args:
            names: The joints to keep, or to compute from others, in the order wanted; see `Skeleton.on_joints`.

        Returns:
            The same data on these joints.

        Raises:
            ConfigError: The data have no joint of that name.
        """
        store = self.store.on_joints(names)
        if store is self.store:
            return self
        return replace(self, store=store, train=Part(store, self.train.ids), test=Part(store, self.test.ids))

    def hold_out(self, subjects: list[int]) -> Dataset:
        """Make a test part of some training subjects, on which settings can be chosen.

        The official test part is left out, so no choice depends on it.

        Args:
            subjects: Training subjects to hold out; with none of them, the data set stays as it is.

        Returns:
            The data set whose training and test parts are both made of the training part. Unlabelled sequences are in
            its test part only where the held-out subjects have no others.

        Raises:
            DataError: One of them is not a training subject, or no other training subject is left.
        """
        known = set(self.train.subjects.tolist())
        foreign = sorted(set(subjects) - known)
        if foreign and known == {UNKNOWN}:
            raise DataError(
                f"{self.name}: its recordings do not say whose they are, so no subject can be held out. In a folder of "
                "your own, `subject` in each file or subject_pattern in dataset.yaml says it."
            )
        if foreign:
            raise DataError(
                f"{self.name}: subject {foreign[0]} cannot be held out: the training subjects are {sorted(known)}."
            )
        if not subjects:
            return self
        held = np.isin(self.train.subjects, subjects)
        if held.all():
            raise DataError(f"{self.name}: holding out all training subjects leaves nothing to train on.")
        test = Part(self.store, self.train.ids[held])
        return replace(
            self,
            train=Part(self.store, self.train.ids[~held]),
            test=test.labelled if len(test.labelled) else test,
            split=f"{self.split}; {HELD_OUT} {name_subjects(subjects)}",
        )


def _check_root(data: str, root: str | Path | None) -> None:
    """Raise ConfigError when --root is given for a folder or file of the user's own."""
    if root is not None and user_path(data) is not None:
        raise ConfigError(f"--root {root}: a folder or file of your own ({data}) is its own root. Leave it out.")


def prepare(
    data: str,
    root: str | Path | None = None,
    *,
    skip_list: str | Path | None = None,
    skip_bad: bool = False,
    workers: int = 1,
    progress: ShowProgress = no_progress,
) -> Summary:
    """Read the recordings of a data set and write its store.

    An earlier call that was interrupted is continued.

    Args:
        data: A registered name, or a folder or file.
        root: The folder of the recordings, for a registered data set that needs files.
        skip_list: A file with names of recordings to leave out.
        skip_bad: Leave damaged files out instead of failing.
        workers: Processes that read. More than one needs a script with an `if __name__ == "__main__"` guard.
        progress: Shows progress while recordings are read.

    Returns:
        What was found.

    Raises:
        ConfigError: The name is unknown, or `root` is given for a folder or file of the user's own.
        DataError: Recordings are missing or damaged.
        StorageError: The store cannot be written.
    """
    _check_root(data, root)
    skips = skip_request(None if skip_list is None else Path(skip_list), skip_bad)
    place = store_path(data)
    files = None if root is None else Path(root)
    return build_store(place, find_source(data), files, skips=skips, workers=workers, progress=progress)


def pool(
    data: str,
    members: Iterable[str],
    weights: Mapping[str, float] | None = None,
    progress: ShowProgress = no_progress,
) -> Dataset:
    """Make a pool of data sets for pre-training. It is opened where it was made of the same before.

    Args:
        data: A new name, which `--data` then takes; or the members as `A,B,C`.
        members: What `--data` takes for each set; `A:fold2` names a split. Their training parts are taken.
        weights: Name of a set -> its sampling weight; those not named get the square root of their hours.
        progress: Shows progress.

    Returns:
        The pool. It has no classes and no test part.

    Raises:
        ConfigError: The name is taken by a data set or is no name, a set is unknown, or a weight does not fit.
        DataError: The sets cannot be brought into line.
        StorageError: The disk refuses.
    """
    place = new_pool_path(data)
    opened = [load_dataset(address, None, split, progress) for address, split in map(address_and_split, members)]
    sources = [Source(dataset.store, dataset.split, dataset.train.ids, dataset.test.ids) for dataset in opened]
    while True:
        try:
            return Dataset.of(build_pool(place, sources, weights, progress), data)
        except StoreBusy:  # as below: another process makes it
            time.sleep(1.0)


def _expected_revision(data: str) -> str:
    """The revision that the store of a data set must have; empty where any revision will do."""
    path = user_path(data)
    if path is None:
        return DATASETS[data].revision
    if path == store_path(data):  # the folder is a store itself
        return ""
    return folder.revision_of(path)


def load_dataset(
    data: str, root: str | Path | None = None, split: str | None = None, progress: ShowProgress = no_progress
) -> Dataset:
    """Open a data set. It is prepared first if it has no store yet, or if its files have changed.

    Args:
        data: A registered name, or a folder or file.
        root: The folder of the recordings, for a registered data set that is not prepared yet.
        split: One of its splits; None: the first.
        progress: Shows progress while recordings are read.

    Returns:
        The data set under that split.

    Raises:
        ConfigError: The name or split is unknown, or `root` is given for a folder or file of the user's own.
        DataError: The data set is not prepared and its recordings are missing or damaged, or its store is damaged.
        StorageError: The store cannot be written.
    """
    _check_root(data, root)
    if members := pool_members(data):
        if split not in (None, ALL):
            others = "".join(f",{member}" for member in members[1:])
            raise ConfigError(
                f"--split {split}: the sets of a pool have splits, it has none: {members[0]}:{split}{others}."
            )
        return pool(data, members, progress=progress)
    place = store_path(data)
    while True:
        revision = _expected_revision(data)
        store = Store(place) if is_prepared(data) else None
        if store and revision in ("", store.revision):
            return Dataset.of(store, data, split)
        if store and store.joined:
            raise DataError(f"{place}: joined from shards that are out of date. Prepare them again, and join them.")
        skips = SkipRequest(**store.summary["wished"]) if store else None  # what was left out before stays out
        try:
            build_store(place, find_source(data), None if root is None else Path(root), skips=skips, progress=progress)
        except StoreBusy:  # another training was started on the same new data: that process prepares it
            time.sleep(1.0)
        else:
            return Dataset.of(Store(place), data, split)
