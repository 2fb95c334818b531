"""Data sets by name, or a folder of one's own: which files, which classes, which split. `load_dataset` opens one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.datasets import DATASETS, find_source, folder, is_prepared, own_path, store_path
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.data.store.build import ShowProgress, SkipRequest, Summary, build_store, no_progress, skip_request
from jointwise.data.store.join import join_stores
from jointwise.data.store.reader import TEST, TRAIN, UNKNOWN, Store, find_duplicates
from jointwise.errors import ConfigError, DataError, StoreBusy, unknown

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Some sequences of a store, indexable: `part[i]` is a prepared Sequence. ids: their places in the store."""

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
        """(n,) class indices."""
        return self.store.index["label"][self.ids].astype(np.int64)

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
        """(n,) what each recording has in common with its copies only."""
        return self.store.digests[self.ids].tolist()

    @property
    def names_hash(self) -> str:
        """Short sha256 of the names, in whatever order."""
        return hashlib.sha256("\n".join(sorted(self.names)).encode(errors="surrogateescape")).hexdigest()[:16]


@dataclass(frozen=True)
class Dataset:
    """A prepared data set under one of its splits.

    split_name: what --split takes. split: the rule in words. address: what --data takes.
    """

    store: Store
    train: Part
    test: Part
    split_name: str
    split: str
    address: str

    @classmethod
    def of(cls, store: Store, address: str, split: str | None = None) -> Dataset:
        """The parts of a store under a split (None: its first). Raises ConfigError for a split it has not."""
        name = next(iter(store.splits)) if split is None else split
        if name not in store.splits:
            raise ConfigError(unknown(f"split of {store.description.data}", name, store.splits))
        parts = store.parts[:, list(store.splits).index(name)]
        store = store.dealt_by(np.flatnonzero(parts == TRAIN))
        train, test = (Part(store, np.flatnonzero(parts == part).astype(np.int64)) for part in (TRAIN, TEST))
        return cls(store, train, test, name, store.splits[name], address)

    @property
    def name(self) -> str:
        """Its registered name, or that of the folder."""
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
        """Whether the unit of its coordinates is known to be the metre."""
        return self.name in DATASETS and DATASETS[self.name].metres

    @property
    def arguments(self) -> list[str]:
        """What the command line needs to name this data and split."""
        words = ["--data", self.address, *(["--split", self.split_name] if len(self.store.splits) > 1 else [])]
        return [*words, *(["--joints", ",".join(self.skeleton.joints)] if self.store.picked is not None else [])]

    @property
    def joints_name(self) -> str:
        """Short name of the joints that are looked at, for runs and results; empty when these are all."""
        if self.store.picked is None:
            return ""
        return f"{self.skeleton.name}-{hashlib.sha256(','.join(self.skeleton.joints).encode()).hexdigest()[:4]}"

    def on_joints(self, names: Iterable[str]) -> Dataset:
        """The same data on the joints `names` only, in that order, as if no others had been recorded.

        The origin stays where `prepare` put it, even where the root is left out. Raises ConfigError for a joint that
        the data lack.
        """
        store = self.store.on_joints(names)
        if store is self.store:
            return self
        return replace(self, store=store, train=Part(store, self.train.ids), test=Part(store, self.test.ids))

    def hold_out(self, subjects: list[int]) -> Dataset:
        """The same data with `subjects` of the training part as its test part: how every choice is made.

        The official test part is not in it at all. Raises DataError for a subject that is not a training subject.
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
        named = ", ".join(str(subject) for subject in sorted(subjects))
        return replace(
            self,
            train=Part(self.store, self.train.ids[~held]),
            test=Part(self.store, self.train.ids[held]),
            split=f"{self.split}; held-out training subjects {named}",
        )

    def duplicates(self) -> list[tuple[str, str]]:
        """(training name, test name) of every test sequence that equals a training one."""
        part = np.zeros(len(self.store), np.int8)
        part[self.train.ids], part[self.test.ids] = TRAIN, TEST
        pairs = find_duplicates(self.store.digests.tolist(), part == TRAIN, part == TEST)
        return [(str(self.store.names[a]), str(self.store.names[b])) for a, b in pairs]

    def check_trainable(self, allow_duplicates: bool = False) -> None:
        """Raises DataError when a score on the test part would not mean what it says, naming what is wrong.

        That is: a part is empty, a class is tested but never learned, or sequences of the test part are also in the
        training part (unless `allow_duplicates`).
        """
        for part, name in ((self.train, "training"), (self.test, "test")):
            if not len(part):
                raise DataError(
                    f"{self.name}: the {name} part is empty under the split '{self.split}'. Are files missing? Prepare "
                    "the whole data set."
                )
        missing = np.setdiff1d(self.test.labels, self.train.labels).tolist()
        if missing:
            count = int((self.test.labels == missing[0]).sum())
            raise DataError(
                f"{self.name}: class '{self.classes[missing[0]]}' has {count} sequence(s), all in the test part: it "
                "can be tested but never learned. Add recordings of it by training subjects, or leave it out."
            )
        pairs = [] if allow_duplicates else self.duplicates()
        if pairs:
            raise DataError(
                f"{self.name}: {len(pairs)} sequences of the test part are in the training part too, first: "
                f"{pairs[0][1]} equals {pairs[0][0]}. A score would partly measure memory. Leave them out with "
                "jointwise prepare --skip-list FILE, or train with --allow_duplicates true."
            )


def _check_root(data: str, root: str | Path | None) -> None:
    if root is not None and own_path(data) is not None:
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
    """Reads the recordings of a data set (under `root` where it needs files) and writes its store.

    Goes on where an earlier call was interrupted. skip_list: file with names of recordings to leave out. skip_bad:
    leave damaged files out instead of failing. workers: processes that read (more than one needs a script with an
    `if __name__ == "__main__"` guard). Raises ConfigError for an unknown name, DataError when files are missing or
    damaged.
    """
    _check_root(data, root)
    skips = skip_request(None if skip_list is None else Path(skip_list), skip_bad)
    place, files = store_path(data), None if root is None else Path(root)
    return build_store(place, find_source(data), files, skips=skips, workers=workers, progress=progress)


def join(data: str, stores: Iterable[str | Path]) -> Store:
    """Makes one data set of stores that were prepared apart: they become its shards, and stay where they are.

    data: name of a known data set, of which all of them are; or the folder to write, which --data then takes. Raises
    DataError for stores that do not belong together, ConfigError for a name that cannot be.
    """
    known = data in DATASETS
    place = store_path(data) if known else Path(data).expanduser().resolve()
    name = folder.data_name(place)
    if not known and (name in DATASETS or "/" not in data):
        raise ConfigError(
            f"{data}: no known data set. The folder of another is written with a slash, and not called as a known one."
        )
    return join_stores(place, [Path(store).expanduser() for store in stores], name, DATASETS[data] if known else None)


def load_dataset(
    data: str, root: str | Path | None = None, split: str | None = None, progress: ShowProgress = no_progress
) -> Dataset:
    """Opens a data set: by name, or a folder or file of one's own; prepares it first where that is still to be done.

    split: one of its splits, by default the first. Raises ConfigError for an unknown name or split; DataError when it
    is neither prepared nor `root` given, or when the store is damaged.
    """
    _check_root(data, root)
    path, place = own_path(data), store_path(data)
    while True:
        revision = DATASETS[data].revision if path is None else "" if place == path else folder.revision_of(path)
        store = Store(place) if is_prepared(data) else None
        if store and revision in ("", store.revision):
            return Dataset.of(store, data, split)
        if store and store.joined:
            raise DataError(f"{place}: joined from shards that are out of date. Prepare them again, and join them.")
        skips = SkipRequest(**store.summary["wished"]) if store else None  # what was left out before stays out
        try:
            build_store(place, find_source(data), None if root is None else Path(root), skips=skips, progress=progress)
        except StoreBusy:  # two trainings were started on a folder that is new: the other one prepares it
            time.sleep(1.0)
        else:
            return Dataset.of(Store(place), data, split)
