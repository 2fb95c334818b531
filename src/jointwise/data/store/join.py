"""Joins prepared stores to one: their rows stay where they are, all else is copied together."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.datasets.source import DataSource
from jointwise.data.store.reader import Store
from jointwise.data.store.shards import Shard
from jointwise.data.store.writer import check_replaceable, put_in_place, write_about
from jointwise.errors import DataError, writing


def join_stores(path: Path, folders: list[Path], data: str, source: DataSource | None) -> Store:
    """Writes a store at `path` whose shards are the stores in `folders`, in that order; returns it.

    data: its name. source: of a known data set, which makes the splits of the whole; None: each sequence keeps its
    part. Replaces a joined store, but never one with rows of its own. Raises DataError, naming the folder and what is
    wrong, for shards that do not belong together or have a recording in common; StorageError when the disk refuses.
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
        _check_alike(stores[0], store, source)
    if source and stores[0].description.data != data:
        raise DataError(f"{stores[0].path}: a store of '{stores[0].description.data}', not of '{data}'.")
    _check_foreign(stores)
    description = replace(stores[0].description, data=data)
    rows = np.array([len(store.positions) for store in stores])
    index = np.concatenate([store.index for store in stores])
    index["row"] += np.repeat(rows.cumsum() - rows, [len(store) for store in stores])
    names, digests = ([str(text) for store in stores for text in getattr(store, name)] for name in ("names", "digests"))
    parts = np.concatenate([store.parts for store in stores])
    kept = {name: (about, parts[:, place]) for place, (name, about) in enumerate(stores[0].splits.items())}
    splits = source.split(index, names) if source else kept
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
        write_about(folder, description, names, digests, index, splits, summary, revision, shards)
        put_in_place(folder, path)
    return Store(path)


def _check_alike(first: Store, store: Store, source: DataSource | None) -> None:
    """Raises DataError when a store cannot be a shard beside the first."""
    if store.joined:
        raise DataError(f"{store.path}: joined itself. Name its shards instead: they stand in its store.json.")
    wanted, found = _facts(first, source), _facts(store, source)
    for what, value in wanted.items():
        if found[what] != value:
            raise DataError(
                f"{store.path} does not belong with {first.path}: {what} differs, {_short(found[what])} against "
                f"{_short(value)} there. Shards are alike but for their recordings: prepare one again, or leave it out."
            )


def _facts(store: Store, source: DataSource | None) -> dict[str, Any]:
    """What all shards of a store have in common. One's own folders may differ in name, and do in their files."""
    facts = asdict(store.description)
    facts |= {f"skeleton ({key})": value for key, value in facts.pop("skeleton").items()}
    facts |= {"preparation": store.preparation, "splits": store.splits, "revision": store.revision}
    return facts if source else {what: fact for what, fact in facts.items() if what not in ("data", "revision")}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:200]} …"


def _check_foreign(stores: list[Store]) -> None:
    """Raises DataError when a recording is in two stores, or a store is named twice."""
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
