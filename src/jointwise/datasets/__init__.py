"""Data sets by name: which files, which classes, which split. `load_dataset` opens a prepared one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.datasets import synthetic, utd_mhad
from jointwise.datasets.source import DataSource
from jointwise.errors import ConfigError, DataError, unknown
from jointwise.sequence import Sequence
from jointwise.skeletons import Skeleton
from jointwise.store import Store, write_store

DATASETS: dict[str, DataSource] = {source.name: source for source in (synthetic.SOURCE, utd_mhad.SOURCE)}

Ids = npt.NDArray[np.int64]


def get_source(name: str) -> DataSource:
    """The data set registered as `name`. Raises ConfigError, naming the nearest, when there is none."""
    if name not in DATASETS:
        raise ConfigError(unknown("data set", name, DATASETS))
    return DATASETS[name]


def store_path(name: str) -> Path:
    """Where the store of a data set lies: under $JOINTWISE_DATA, by default ./data."""
    return Path(os.environ.get("JOINTWISE_DATA", "data")) / name


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


@dataclass(frozen=True)
class Dataset:
    """A prepared data set. `train` and `test` are the official parts; `split` names the rule that made them."""

    store: Store
    train: Part
    test: Part
    split: str

    @property
    def name(self) -> str:
        """Its registered name."""
        return self.store.description.data

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.store.description.classes

    @property
    def skeleton(self) -> Skeleton:
        """The joint layout of all its sequences."""
        return self.store.description.skeleton

    def hold_out(self, subjects: list[int]) -> Dataset:
        """The same data with `subjects` of the training part as its test part: how every choice is made.

        The official test part is not in it at all. Raises DataError for a subject that is not a training subject.
        """
        known = set(self.train.subjects.tolist())
        foreign = sorted(set(subjects) - known)
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
        return Dataset(
            self.store,
            Part(self.store, self.train.ids[~held]),
            Part(self.store, self.train.ids[held]),
            f"held-out training subjects {named}",
        )


# (sequences, how many, name of the data) -> the same sequences, shown as they pass (a progress bar)
Watch = Callable[[Iterable[Sequence], int, str], Iterable[Sequence]]


def _unwatched(sequences: Iterable[Sequence], _count: int, _title: str) -> Iterable[Sequence]:
    return sequences


def prepare(name: str, root: Path | None = None, watch: Watch = _unwatched) -> Path:
    """Reads the recordings of a data set (under `root` where it needs files) and writes its store; returns its path.

    Raises ConfigError for an unknown name, DataError when files are missing, ReadError for a damaged one.
    """
    source = get_source(name)
    pairs = ((sequence, source.is_test(sequence)) for sequence in watch(source.sequences(root), source.count, name))
    return write_store(store_path(name), source.description, pairs)


def load_dataset(name: str, root: str | Path | None = None, watch: Watch = _unwatched) -> Dataset:
    """Opens a data set by name; prepares it first when it is not yet and `root` (or no file at all) is needed.

    Raises ConfigError for an unknown name; DataError when it is neither prepared nor `root` given, when the store is
    damaged, or when a class of the test part has no training sequence.
    """
    source = get_source(name)
    path = store_path(name)
    if not (path / "store.json").is_file():
        prepare(name, None if root is None else Path(root), watch)
    store = Store(path)
    places = np.arange(len(store))
    test = store.index["test"]
    dataset = Dataset(store, Part(store, places[~test]), Part(store, places[test]), source.description.split)
    _check_split(dataset)
    return dataset


def _check_split(dataset: Dataset) -> None:
    for part, name in ((dataset.train, "training"), (dataset.test, "test")):
        if not len(part):
            raise DataError(
                f"{dataset.name}: the {name} part is empty under the split '{dataset.split}'. Are files missing below "
                "--root? Prepare the whole data set."
            )
    missing = sorted(set(dataset.test.labels.tolist()) - set(dataset.train.labels.tolist()))
    if missing:
        label = missing[0]
        count = int((dataset.test.labels == label).sum())
        raise DataError(
            f"{dataset.name}: class '{dataset.classes[label]}' has {count} sequence(s), all in the test part: it can "
            f"be tested but never learned. Add recordings of it by training subjects, or leave it out."
        )
