"""Join prepared stores into one. Their rows stay where they are; all else is copied."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.datasets.source import DataSource
from jointwise.data.store.reader import Store
from jointwise.data.store.shards import Shard
from jointwise.data.store.writer import check_replaceable, move_into_place, write_all_but_rows
from jointwise.errors import DataError, writing


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
    check_replaceable(path, "store.json")
    if (path / "store.json").is_file() and not Store(path).joined:
        raise DataError(
            f"{path}: a store of its own, which a joined one would replace. Move it away; it may be a shard."
        )
    stores = [Store(folder.resolve()) for folder in folders]
    for store in stores:
        _check_compatible(stores[0], store, source)
    if source and stores[0].description.data != data:
        raise DataError(f"{stores[0].path}: a store of '{stores[0].description.data}', not of '{data}'.")
    _check_no_common_recordings(stores)
    description = replace(stores[0].description, data=data, metres=all(store.description.metres for store in stores))
    rows = np.array([len(store.positions) for store in stores])
    index = np.concatenate([store.index for store in stores])
    index["row"] += np.repeat(rows.cumsum() - rows, [len(store) for store in stores])
    names = [str(name) for store in stores for name in store.names]
    digests = [str(digest) for store in stores for digest in store.digests]
    parts = np.concatenate([store.parts for store in stores])
    if source:
        splits = source.split(index, names)
    else:
        splits = {name: (about, parts[:, place]) for place, (name, about) in enumerate(stores[0].splits.items())}
    revision = stores[0].revision if source else ""
    shards = tuple(
        Shard(str(store.path), store.fingerprint, len(store), int(count))
        for store, count in zip(stores, rows, strict=True)
    )
    summary = {"shards": [store.summary for store in stores]}
    folder = path.with_name(f"{path.name}.joining")
    with writing(path):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write_all_but_rows(folder, description, names, digests, index, splits, summary, revision, shards)
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
