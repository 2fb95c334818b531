"""Pool prepared data sets for pre-training: the training part of each, on one layout, in one unit and frame rate.

A pool is a joined store. Its shards are converted copies of the sets, which all pools share.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.centring import PREPARATION
from jointwise.data.skeletons import Skeleton
from jointwise.data.store.build import ShowProgress, no_progress
from jointwise.data.store.conversion import FPS, WINDOW, Conversion, Source, common_layout, find_conversion
from jointwise.data.store.header import VERSION
from jointwise.data.store.join import joined_index, write_joined
from jointwise.data.store.reader import ALL, TRAIN, UNKNOWN, UNUSED, Description, Store
from jointwise.data.store.shards import Member
from jointwise.data.store.writer import StoreWriter, lock_store
from jointwise.errors import ConfigError, DataError, unknown

CONVERSION = 3  # number of the way in which sets are converted; another number converts them again
COPIES = "pooled"  # name of the folder of converted sets
SUBJECTS = 1000  # subject 7 of the second set becomes 2007


def convert_set(source: Source, conversion: Conversion, base: Path, progress: ShowProgress = no_progress) -> Store:
    """Write the converted training part of a set, or open it where that was done before.

    An interrupted call is continued by the next.

    Args:
        source: The set.
        conversion: What is done to it.
        base: The folder of all converted sets.
        progress: Shows progress.

    Returns:
        The converted copy. Windows have the digest of the recording that they are cut from.

    Raises:
        DataError: Nothing is left of the set.
        StorageError: The disk refuses.
    """
    about = source.store.description
    skeleton = conversion.skeleton
    ids = source.train
    facts = [VERSION, CONVERSION, PREPARATION, FPS, WINDOW, source.store.fingerprint, source.split, ids.tolist()]
    facts += [asdict(skeleton), conversion.factor, conversion.axes.tolist()]
    revision = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    path = base / f"{source.name}-{revision[:8]}"  # a set that changes is converted beside what older pools still use
    if (path / "store.json").is_file() and (known := Store(path)).revision == revision:
        return known
    description = Description(source.name, skeleton, (), cleaning=about.cleaning, terms=about.terms, metres=True)
    names: list[str] = []
    with StoreWriter(path, description, revision, converted=True) as writer:
        for place_in_store in progress(ids.tolist(), len(ids), source.name):
            for second, window in conversion.convert(source.store[place_in_store]):
                name = f"{source.name}/{window.source}" + (f" from {second:.1f} s" if second else "")
                names.append(name)
                if name not in writer.entries:
                    writer.add(name, window, {}, known_digest=str(source.store.digests[place_in_store]))
        splits = {ALL: (source.split, np.full(len(names), TRAIN, np.int8))}
        writer.finish(names, splits, {}, revision)
    return Store(path)


def build_pool(
    path: Path,
    sources: list[Source],
    weights: Mapping[str, float] | None = None,
    progress: ShowProgress = no_progress,
) -> Store:
    """Make a pool of prepared data sets, or open it where it was made of the same before.

    Args:
        path: The folder of the pool, which has its name. Converted copies of sets lie in COPIES beside its parent.
        sources: The sets.
        weights: Name of a set -> its sampling weight; those not named get the square root of their hours.
        progress: Shows progress.

    Returns:
        The store of the pool.

    Raises:
        ConfigError: A weight is not positive, or names no set of the pool.
        DataError: A set cannot be brought into line, two have the same name, or nothing is left of one.
        StorageError: The disk refuses.
        StoreBusy: Another process is converting a set or writing the pool.
    """
    weights = weights or {}
    _check_sets(sources, weights)
    skeleton = common_layout(source.store.description.skeleton for source in sources)
    conversions = [find_conversion(source, skeleton) for source in sources]  # all are checked before one is written
    copies = path.parent.with_name(COPIES)
    stores = [convert_set(*pair, copies, progress) for pair in zip(sources, conversions, strict=True)]
    facts = [[store.path.name, store.fingerprint, store.revision] for store in stores]
    tested = {str(digest) for source in sources for digest in source.store.digests[source.test]}
    digest = hashlib.sha256("".join(sorted(tested)).encode()).hexdigest()
    revision = hashlib.sha256(json.dumps([facts, sorted(weights.items()), digest]).encode()).hexdigest()[:16]
    description = _describe(path.name, skeleton, sources)
    if (path / "store.json").is_file():
        known = Store(path)
        if known.revision == revision and known.description == description:  # a set may have got other terms
            return known
    parts = [np.where([str(digest) in tested for digest in store.digests], UNUSED, TRAIN) for store in stores]
    index = joined_index(stores)
    step = _renumber_subjects(index, stores)
    mixture = _mixture(sources, conversions, stores, parts, weights, step)
    about = f"training parts of {', '.join(source.name for source in sources)}"
    splits = {ALL: (about, np.concatenate(parts).astype(np.int8))}
    with lock_store(path):
        return write_joined(path, stores, description, index, splits, revision, mixture)


def _describe(name: str, skeleton: Skeleton, sources: list[Source]) -> Description:
    """What all sequences of a pool have in common."""
    sets = [source.store.description for source in sources]
    cleaning = {about.cleaning for about in sets}
    return Description(
        name,
        skeleton,
        (),
        cleaning=cleaning.pop() if len(cleaning) == 1 else "none",
        terms="; ".join(f"{about.data}: {about.terms}" for about in sets if about.terms),
        metres=True,
    )


def _check_sets(sources: list[Source], weights: Mapping[str, float]) -> None:
    """Raise where sets cannot make a pool, or weights do not belong to them."""
    names = [source.name for source in sources]
    for source in sources:
        if source.store.mixture:
            raise DataError(f"{source.name}: a pool itself. Name its sets instead.")
        if names.count(source.name) > 1:
            raise DataError(f"{source.name}: named twice. If these are two folders of this name, rename one of them.")
        if not len(source.train):
            raise DataError(f"{source.name}: its training part is empty under the split '{source.split}'.")
    for name, weight in weights.items():
        if name not in names:
            raise ConfigError(f"--weights: {unknown('set of this pool', name, names)}")
        if not 0 < weight < math.inf:
            raise ConfigError(f"--weights {name}={weight:g}: a weight is a positive number. Or leave the set out.")


def _renumber_subjects(index: npt.NDArray[np.void], stores: list[Store]) -> int:
    """Keep the subjects of different sets apart: subject 7 of the second set becomes 2007, or 20007 if it must.

    Returns the 1000 or 10000.
    """
    step = SUBJECTS
    while step <= index["subject"].max(initial=0):
        step *= 10
    numbers = np.repeat(np.arange(1, len(stores) + 1), [len(store) for store in stores])
    known = index["subject"] != UNKNOWN
    index["subject"][known] += (step * numbers[known]).astype(np.int32)
    return step


def _mixture(
    sources: list[Source],
    conversions: list[Conversion],
    stores: list[Store],
    parts: list[npt.NDArray[np.int64]],
    weights: Mapping[str, float],
    step: int,
) -> tuple[Member, ...]:
    """The sets of a pool with their hours, weights and shares; `step` is what `_renumber_subjects` returned."""
    hours = []
    for source, store, part in zip(sources, stores, parts, strict=True):
        hours.append(float(store.index["frames"][part == TRAIN].sum()) / FPS / 3600)
        if not hours[-1]:
            raise DataError(
                f"{source.name}: each of its training sequences is in a test part of the pool's sets too. Leave it out."
            )
    weight_of = [weights.get(source.name, math.sqrt(hour)) for source, hour in zip(sources, hours, strict=True)]
    members = []
    for number, (source, conversion) in enumerate(zip(sources, conversions, strict=True)):
        unused = int((parts[number] == UNUSED).sum())
        notes = conversion.notes + ((f"{unused} left out: in the test part of a set",) if unused else ())
        subjects = np.unique(source.store.index["subject"][source.train])
        if len(subjects := subjects[subjects != UNKNOWN]):
            first, last = step * (number + 1) + subjects[[0, -1]]
            notes += (f"subjects {first} to {last}",)
        members.append(
            Member(
                data=source.name,
                split=source.split,
                sequences=int((parts[number] == TRAIN).sum()),
                hours=round(hours[number], 4),
                weight=float(f"{weight_of[number]:.4g}"),
                share=weight_of[number] / sum(weight_of),
                fingerprint=source.store.fingerprint,
                terms=source.store.description.terms,
                notes=notes,
            )
        )
    return tuple(members)
