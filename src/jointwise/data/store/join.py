"""Join prepared stores into one. Their rows stay where they are; all else is copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.datasets import DATASETS, folder, store_path
from jointwise.data.datasets.source import DataSource
from jointwise.data.store.places import check_replaceable, move_into_place
from jointwise.data.store.reader import Description, Parts, Store
from jointwise.data.store.shards import Member, Shard
from jointwise.data.store.writer import write_all_but_rows
from jointwise.errors import ConfigError, DataError, writing


def join(data: str, stores: Iterable[str | Path]) -> Store:
    """Make one data set of stores that were prepared apart. They become its shards and stay where they are.

    Args:
        data: The name of a registered data set, when all of them are of it. Otherwise the folder to write, which
            `--data` then takes.
        stores: The folders of the stores.

    Returns:
        The joined store.

    Raises:
        ConfigError: `data` is neither a registered name nor a folder written with a slash.
        DataError: The stores do not belong together.
        StorageError: The store cannot be written.
    """
    known = data in DATASETS
    place = store_path(data) if known else Path(data).expanduser().resolve()
    name = folder.name_from_path(place)
    if not known and (name in DATASETS or "/" not in data):
        raise ConfigError(
            f"{data}: not a known data set. The folder of a new one is written with a slash, and must not be named "
            "like a known one."
        )
    return join_stores(place, [Path(store).expanduser() for store in stores], name, DATASETS[data] if known else None)


def join_stores(path: Path, folders: list[Path], data: str, source: DataSource | None) -> Store:
    """Write a store whose shards are other stores. It may replace a joined store, never one with rows of its own.

    Args:
        path: The folder to write.
        folders: The stores, in the order of their sequences.
        data: Name of the joined data set.
        source: The registered data set, which splits the whole; None: each sequence keeps its part.

    Returns:
        The joined store.

    Raises:
        DataError: There are fewer than two stores, they do not belong together, they share a recording, or the store
            at `path` has rows of its own.
        StorageError: The disk refuses, or `path` is something else than a store.
    """
    if len(folders) < 2:
        raise DataError(f"{data}: nothing to join. Name at least two stores: folders that jointwise prepare has made.")
    stores = [Store(folder.resolve()) for folder in folders]
    for store in stores:
        _check_compatible(stores[0], store, source)
    if source and stores[0].description.data != data:
        raise DataError(f"{stores[0].path}: a store of '{stores[0].description.data}', not of '{data}'.")
    _check_no_common_recordings(stores)
    description = replace(stores[0].description, data=data, metres=all(store.description.metres for store in stores))
    index = joined_index(stores)
    parts = np.concatenate([store.parts for store in stores])
    if source:
        splits = source.split(index, joined_names(stores))
    else:
        splits = {name: (about, parts[:, place]) for place, (name, about) in enumerate(stores[0].splits.items())}
    return write_joined(path, stores, description, index, splits, stores[0].revision if source else "")


def joined_names(stores: list[Store]) -> list[str]:
    """The names of the sequences of several stores, end to end."""
    return [str(name) for store in stores for name in store.names]


def joined_index(stores: list[Store]) -> npt.NDArray[np.void]:
    """The index entries of the sequences of several stores, whose rows lie end to end."""
    rows = np.array([len(store.positions) for store in stores])
    index = np.concatenate([store.index for store in stores])
    index["row"] += np.repeat(rows.cumsum() - rows, [len(store) for store in stores])
    return index


def _joined_frames(stores: list[Store]) -> npt.NDArray[np.void]:
    """The digests of frames of several stores, whose sequences lie end to end."""
    first = np.cumsum([0, *map(len, stores)])
    tables = [store.frames.copy() for store in stores]
    for table, begin in zip(tables, first[:-1], strict=True):
        table["sequence"] += begin
    return np.concatenate(tables)


def write_joined(
    path: Path,
    stores: list[Store],
    description: Description,
    index: npt.NDArray[np.void],
    splits: Mapping[str, tuple[str, Parts]],
    revision: str,
    mixture: tuple[Member, ...] = (),
) -> Store:
    """Write a store whose rows stay in other stores. It may replace a joined store, never one with rows of its own.

    Args:
        path: The folder to write.
        stores: Its shards.
        description: What all sequences have in common.
        index: (n,) of dtype INDEX, as `joined_index` returns it.
        splits: Name of each split -> (its rule in words, the part of each sequence (n,)).
        revision: Changes with what the store is made from.
        mixture: The sets of a pool, one for each shard.

    Returns:
        The joined store.

    Raises:
        DataError: The store at `path` has rows of its own.
        StorageError: The disk refuses, or `path` is something else than a store.
    """
    check_replaceable(path, "store.json")
    if (path / "store.json").is_file() and not Store(path).joined:
        raise DataError(
            f"{path}: a store of its own, which a joined one would replace. Move it away; it may be a shard."
        )
    digests = [str(digest) for store in stores for digest in store.digests]
    shards = tuple(Shard(str(store.path), store.fingerprint, len(store), len(store.positions)) for store in stores)
    summary = {"shards": [store.summary for store in stores]}
    folder = path.with_name(f"{path.name}.joining")
    names = joined_names(stores)
    with writing(path):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        frames = _joined_frames(stores)
        write_all_but_rows(
            folder, description, names, digests, index, splits, summary, revision, frames, shards, mixture
        )
        move_into_place(folder, path)
    return Store(path)


def _check_compatible(first: Store, store: Store, source: DataSource | None) -> None:
    """Raise DataError when a store cannot be a shard beside the first."""
    if store.joined:
        raise DataError(f"{store.path}: joined itself. Name its shards instead: they stand in its store.json.")
    found = _shared_properties(store, source)
    for name, expected in _shared_properties(first, source).items():
        if found[name] != expected:
            raise DataError(
                f"{store.path} does not belong with {first.path}: {name} differs, {_shorten(found[name])} against "
                f"{_shorten(expected)} there. Shards must agree in all but their recordings: prepare one again, or "
                "leave it out."
            )


def _shared_properties(store: Store, source: DataSource | None) -> dict[str, Any]:
    """The properties in which all shards of a store must agree.

    `metres` is not one of them: the whole is in metres where all shards are. Stores of the user's own folders may
    differ in name and revision as well.
    """
    properties = asdict(store.description)
    del properties["metres"]
    properties |= {f"skeleton ({key})": value for key, value in properties.pop("skeleton").items()}
    properties |= {"preparation": store.preparation, "splits": store.splits, "revision": store.revision}
    if source is None:
        del properties["data"], properties["revision"]
    return properties


def _shorten(value: object) -> str:
    """A value as text of at most some 200 characters, for a message."""
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]} …"


def _check_no_common_recordings(stores: list[Store]) -> None:
    """Raise DataError when a recording is in two stores, or a store is named twice."""
    seen: dict[str, Path] = {}
    for store in stores:
        names = store.names.tolist()
        twice = [name for name in names if name in seen]
        if twice:
            raise DataError(
                f"{store.path}: {len(twice)} of its {len(names)} sequences are in {seen[twice[0]]} too, first: "
                f"{twice[0]}. Each recording belongs in one shard: prepare one of them again without it (--skip-list)."
            )
        seen |= dict.fromkeys(names, store.path)
