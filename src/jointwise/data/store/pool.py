"""Pool prepared data sets for pre-training: the training part of each, on one layout, in one unit and frame rate.

A pool is a joined store. Its shards are converted copies of the sets, which all pools share.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.centring import PREPARATION, prepare_sequence
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import MIN_JOINTS, NTU25, Skeleton, shared_joints
from jointwise.data.store.build import ShowProgress, no_progress
from jointwise.data.store.join import joined_index, write_joined
from jointwise.data.store.reader import ALL, TRAIN, UNKNOWN, UNUSED, VERSION, Description, Store
from jointwise.data.store.shards import Member
from jointwise.data.store.writer import StoreWriter
from jointwise.errors import ConfigError, DataError, unknown

CONVERSION = 1  # number of the way in which sets are converted; another number converts them again
FPS = 30.0
WINDOW = 150  # frames, at most: longer recordings are cut into windows of equal length
COPIES = "pooled"  # name of the folder of converted sets
SUBJECTS = 1000  # subject 7 of the second set becomes 2007

_LIMBS = (("shoulder", "elbow"), ("hip", "knee"))  # their mean length, of upper arm and thigh, tells the unit
_LIMB_METRES = (0.18, 0.5)  # of children and of tall people
_UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001}
_MEASURED = 200  # sequences of a set, from which the length of limbs is taken

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """A prepared data set that goes into a pool.

    Args:
        store: Its store.
        split: The rule of its split in words.
        train: (n,) places of its training sequences in the store.
        test: (m,) places of those that are scored.
    """

    store: Store
    split: str
    train: Ids
    test: Ids

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.store.description.data


@dataclass(frozen=True)
class Conversion:
    """How the sequences of a set are brought onto the layout, unit, axes and frame rate of a pool.

    Args:
        skeleton: The layout of the pool.
        joints: The joints of the set that the layout has too.
        factor: By which coordinates are multiplied to become metres.
        axes: (3, 3) rotation after which y points up.
        notes: What is changed, in words.
    """

    skeleton: Skeleton
    joints: tuple[str, ...]
    factor: float
    axes: Floats
    notes: tuple[str, ...]

    def convert(self, sequence: Sequence) -> Iterator[tuple[float, Sequence]]:
        """Convert a recording and cut it into windows.

        Args:
            sequence: A prepared recording of the set.

        Returns:
            (first second, window) of each window in which a joint is valid, centred for itself.
        """
        moved = _at_frame_rate(sequence.on_joints(self.joints))
        places = [self.skeleton.joints.index(joint) for joint in self.joints]
        positions = np.zeros((*moved.positions.shape[:2], len(self.skeleton.joints), 3), np.float32)
        positions[:, :, places] = moved.positions @ (self.axes.T * self.factor).astype(np.float32)
        valid = np.zeros(positions.shape[:3], bool)
        valid[:, :, places] = moved.validity
        edges = np.linspace(0, moved.frames, math.ceil(moved.frames / WINDOW) + 1).round().astype(int)
        for begin, end in pairwise(edges):
            if valid[:, begin:end].any():
                window = Sequence(
                    positions=positions[:, begin:end],
                    skeleton=self.skeleton,
                    valid=valid[:, begin:end],
                    fps=FPS,
                    subject=sequence.subject,
                    camera=sequence.camera,
                    source=sequence.source,
                )
                yield float(begin) / FPS, prepare_sequence(window)


def _at_frame_rate(sequence: Sequence) -> Sequence:
    """A recording with FPS frames a second, averaged or interpolated as clips are."""
    frames = max(1, round(sequence.frames * FPS / sequence.fps))
    if frames == sequence.frames:
        return sequence
    import torch  # here, because it takes a second: no other command about stores needs it

    from jointwise.data.clips import ClipCutter

    whole = torch.tensor([sequence.frames])
    clips = ClipCutter.from_sequence(sequence, frames).cut(torch.tensor([0]), torch.tensor([0]), whole)
    return replace(sequence, positions=clips.positions[0].numpy(), valid=clips.valid[0].numpy(), fps=FPS)


def common_layout(skeletons: Iterable[Skeleton]) -> Skeleton:
    """The layout of a pool: that of its sets if all have the same joints, else ntu25, which has the most by name.

    Args:
        skeletons: The layout of each set.

    Returns:
        The layout, with y up and x to the side.
    """
    first, *others = skeletons
    same = all(other.joints == first.joints and other.root == first.root for other in others)
    return replace(first, up=1, lateral=0) if same else NTU25


def find_conversion(source: Source, skeleton: Skeleton) -> Conversion:
    """Find how a set is brought onto the layout of a pool.

    Args:
        source: The set.
        skeleton: The layout of the pool.

    Returns:
        The conversion.

    Raises:
        DataError: The set is 2D, names too few joints of the layout, or does not tell which axis points up or what
            its unit is.
    """
    about = source.store.description
    own = about.skeleton
    if about.coordinates != 3:
        raise DataError(f"{about.data}: {about.coordinates} coordinates per joint. A pool takes 3D skeletons only.")
    joints = shared_joints(skeleton, own)
    if len(joints) < MIN_JOINTS:
        raise DataError(
            f"{about.data}: only {len(joints)} of its {len(own.joints)} joints ({', '.join(own.joints)}) are in "
            f"'{skeleton.name}', at least {MIN_JOINTS} are needed. Name them as there: {', '.join(skeleton.joints)}."
        )
    if own.up is None:
        raise DataError(
            f"{about.data}: its layout '{own.name}' does not say which axis points up, and a pool has y up. For a "
            "folder of your own, say it in dataset.yaml (skeleton: up) or in the recordings."
        )
    unit, factor = _unit(source)
    unused = [joint for joint in own.joints if joint not in joints]
    rates = sorted(set(np.round(source.store.index["fps"][source.train], 2).tolist()))
    notes = (
        f"{len(joints)} of {len(skeleton.joints)} joints" if len(joints) < len(skeleton.joints) else "",
        f"left out: {', '.join(unused)}" if unused else "",
        f"origin: mean joint, as there is no {skeleton.root}" if skeleton.root and skeleton.root not in joints else "",
        f"from {unit}" if factor != 1 else "",
        f"{'xyz'[own.up]} up turned to y up" if own.up != 1 else "",
        f"from {', '.join(f'{rate:g}' for rate in rates[:3])} frames a second" if rates != [FPS] else "",
    )
    return Conversion(skeleton, joints, factor, _y_up(own), tuple(note for note in notes if note))


def _y_up(skeleton: Skeleton) -> Floats:
    """The rotation (3, 3) that takes the axis that points up to y, and the lateral axis to x where it is known.

    >>> _y_up(replace(NTU25, up=2)).astype(int).tolist()  # z up: y becomes z, pointing the other way
    [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    """
    assert skeleton.up is not None  # checked before
    lateral = skeleton.lateral if skeleton.lateral is not None else min({0, 1, 2} - {skeleton.up})
    depth = 3 - skeleton.up - lateral
    axes = np.eye(3)[[lateral, skeleton.up, depth]]
    axes[2] *= np.linalg.det(axes)  # a rotation, never a mirror image
    return axes


def _unit(source: Source) -> tuple[str, float]:
    """The unit of a set and the factor to metres. What is not known to be metres is told by the length of limbs."""
    if source.store.description.metres:
        return "metres", 1.0
    length = _limb_length(source)
    for unit, factor in _UNITS.items():
        if length is not None and _LIMB_METRES[0] <= length * factor <= _LIMB_METRES[1]:
            return unit, factor
    found = "it names no upper arms and thighs"
    if length is not None:
        found = f"their mean length is {length:.3g}, no human's in metres, centimetres or millimetres"
    raise DataError(
        f"{source.name}: the unit of its coordinates is unknown. The length of upper arms and thighs would tell it, "
        f"but {found}. Convert the recordings to metres, or leave the set out."
    )


def _limb_length(source: Source) -> float | None:
    """The mean over kinds of limbs of their median length in a set, in its own unit; None if it has none by name."""
    joints = source.store.description.skeleton.joints
    ids = source.train
    ids = ids[np.linspace(0, len(ids) - 1, min(_MEASURED, len(ids))).astype(int)]
    lengths: dict[str, list[npt.NDArray[np.float32]]] = {}
    for sequence in (source.store[int(place)] for place in ids):
        for upper, lower in _LIMBS:
            for side in ("left", "right"):
                if {f"{side}_{upper}", f"{side}_{lower}"} <= set(joints):
                    pair = [joints.index(f"{side}_{joint}") for joint in (upper, lower)]
                    seen = sequence.validity[:, :, pair].all(-1)
                    ends = sequence.positions[:, :, pair][seen]
                    lengths.setdefault(upper, []).append(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1))
    medians = [float(np.median(known)) for parts in lengths.values() if len(known := np.concatenate(parts))]
    return float(np.mean(medians)) if medians else None


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
    place = hashlib.sha256(f"{source.store.path.resolve()} {source.split} {skeleton.joints}".encode()).hexdigest()[:6]
    path = base / f"{source.name}-{place}"
    ids = source.train
    facts = [VERSION, CONVERSION, PREPARATION, FPS, WINDOW, source.store.fingerprint, source.split, ids.tolist()]
    facts += [asdict(skeleton), conversion.joints, conversion.factor, conversion.axes.tolist()]
    revision = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    if (path / "store.json").is_file() and (known := Store(path)).revision == revision:
        return known
    description = Description(source.name, skeleton, (), cleaning=about.cleaning, terms=about.terms, metres=True)
    names: list[str] = []
    with StoreWriter(path, description, revision) as writer:
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
    if (path / "store.json").is_file() and (known := Store(path)).revision == revision:
        return known
    parts = [np.where([str(digest) in tested for digest in store.digests], UNUSED, TRAIN) for store in stores]
    index = joined_index(stores)
    step = _renumber_subjects(index, stores)
    terms = "; ".join(f"{source.name}: {terms}" for source in sources if (terms := source.store.description.terms))
    cleaning = {source.store.description.cleaning for source in sources}
    description = Description(
        path.name, skeleton, (), cleaning=cleaning.pop() if len(cleaning) == 1 else "none", terms=terms, metres=True
    )
    about = f"training parts of {', '.join(source.name for source in sources)}"
    mixture = _mixture(sources, conversions, stores, parts, weights, step)
    splits = {ALL: (about, np.concatenate(parts).astype(np.int8))}
    return write_joined(path, stores, description, index, splits, revision, mixture)


def _check_sets(sources: list[Source], weights: Mapping[str, float]) -> None:
    """Raise where sets cannot make a pool, or weights do not belong to them."""
    names = [source.name for source in sources]
    for source in sources:
        if source.store.mixture:
            raise DataError(f"{source.name}: a pool itself. Name its sets instead.")
        if names.count(source.name) > 1:
            raise DataError(f"{source.name}: two sets of the pool have this name. Rename the folder of one of them.")
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
