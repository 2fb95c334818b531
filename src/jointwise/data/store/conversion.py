"""How recordings are brought into line for a pool: joints by name, metres, y up, one frame rate, windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from jointwise.data.centring import prepare_sequence
from jointwise.data.mapping import map_to_layout
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import MIN_JOINTS, NTU25, Skeleton
from jointwise.data.store.reader import Store
from jointwise.errors import DataError

FPS = 30.0
WINDOW = 150  # frames, at most: longer recordings are cut into windows of equal length

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
        factor: By which coordinates are multiplied to become metres.
        axes: (3, 3) rotation after which y points up.
        notes: What is changed, in words.
    """

    skeleton: Skeleton
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
        moved = map_to_layout(_at_frame_rate(sequence), self.skeleton)
        positions = moved.positions @ (self.axes.T * self.factor).astype(np.float32)
        valid = moved.validity
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
    return replace(
        sequence, positions=clips.positions[0].numpy(), valid=clips.valid[0].numpy(), fps=FPS, confidence=None
    )


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
    joints = own.map_to(skeleton).sources
    if len(joints) < MIN_JOINTS:
        raise DataError(
            f"{about.data}: only {len(joints)} joints of '{skeleton.name}' follow from its own "
            f"({', '.join(own.joints)}), at least {MIN_JOINTS} are needed. Name them as there: "
            f"{', '.join(skeleton.joints)}."
        )
    if own.up is None:
        raise DataError(
            f"{about.data}: its layout '{own.name}' does not say which axis points up, and a pool has y up. For a "
            "folder of your own, say it in dataset.yaml (skeleton: up) or in the recordings."
        )
    unit, factor = _unit(source)
    used = {joint for names in joints.values() for joint in names}
    unused = [joint for joint in own.joints if joint not in used]
    rates = sorted(set(np.round(source.store.index["fps"][source.train], 2).tolist()))
    notes = (
        f"{len(joints)} of {len(skeleton.joints)} joints" if len(joints) < len(skeleton.joints) else "",
        f"left out: {', '.join(unused)}" if unused else "",
        f"origin: mean joint, as there is no {skeleton.root}" if skeleton.root and skeleton.root not in joints else "",
        f"from {unit}" if factor != 1 else "",
        f"{'xyz'[own.up]} up turned to y up" if own.up != 1 else "",
        f"from {', '.join(f'{rate:g}' for rate in rates[:3])} frames a second" if rates != [FPS] else "",
    )
    return Conversion(skeleton, factor, _y_up(own), tuple(note for note in notes if note))


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
