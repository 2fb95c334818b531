"""The units of a network's input: metres are kept or, as all else is, divided by their typical size.

In a pool each sequence counts as often as it is sampled, so that a large set does not decide alone. Of very many
sequences some are measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jointwise.config.schema import Config
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part
from jointwise.model.tokens import relative_to_centre
from jointwise.training import distributed

MOST_MEASURED = 20_000  # sequences: a median of so many is known to about 1 %, and more would take minutes to read
_ROUNDING = 1e-9  # relative error of a sum of weights
_UNIT_FACTOR = 20.0  # bodies never differ in size by this factor, metres and millimetres or pixels do


def _sampled(part: Part) -> Part:
    """The sequences that are measured: all, or of more than MOST_MEASURED every k-th of each shard."""
    stride = -(-len(part) // MOST_MEASURED)
    if stride <= 1:
        return part
    shards = part.store.shards
    return Part(part.store, part.ids[shards.turns(shards.of(part.ids)) % stride == 0])


def _squares(part: Part) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """For each sequence of a part the sum of the squares of its valid coordinates and their number: (n,) each."""
    sums: list[tuple[float, int]] = []
    for places in distributed.local_batches(torch.from_numpy(part.ids), 1, part.store.shards):
        entry = part.store.index[part.ids[int(places)]]
        rows = slice(int(entry["row"]), int(entry["row"]) + int(entry["frames"]) * int(entry["persons"]))
        positions, valid, picked = part.store.positions[rows], part.store.valid[rows], part.store.picked
        if picked is not None:
            positions, valid = positions[:, picked].mean(2), np.all(valid[:, picked], axis=2)
        values = positions[valid]
        sums.append((float(np.square(values, dtype=np.float64).sum()), values.size))
    totals, counts = zip(*distributed.all_gather_concat(sums), strict=True)
    return np.array(totals), np.array(counts)


def _frequencies(part: Part) -> npt.NDArray[np.float64]:
    """How often each sequence of a part is sampled in an epoch: (n,). It counts that much in what follows."""
    return part.store.shards.frequencies(part.ids)


def weighted_median(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
    """The median of n values of which each counts by its weight; with equal weights that of NumPy.

    Args:
        values: (n,), at least one.
        weights: (n,) positive.

    >>> weighted_median(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 5.0]))
    9.0
    """
    order = np.argsort(values)
    sorted_values = values[order]
    half = weights.sum() / 2
    below = weights[order].cumsum()
    lower = int(np.searchsorted(below, half * (1 - _ROUNDING)))
    upper = int(np.searchsorted(below, half * (1 + _ROUNDING)))
    return float(sorted_values[lower] + sorted_values[upper]) / 2


def coordinate_rms(part: Part) -> float:
    """Root mean square of all valid coordinates of the sequences of a part, in their unit."""
    part = _sampled(part)
    totals, counts = _squares(part)
    weights = _frequencies(part)
    return math.sqrt(sum(weights * totals) / max(sum(weights * counts), 1))


def median_coordinate_rms(part: Part) -> float:
    """Median over the sequences of a part of the RMS of their valid coordinates, in their unit; 0 without any.

    A single wrong coordinate can make `coordinate_rms` arbitrarily large. Here it changes one sequence only.
    """
    part = _sampled(part)
    totals, counts = _squares(part)
    sizes = np.divide(totals, counts, out=np.full(len(totals), np.nan), where=counts > 0)
    return _known_median(np.sqrt(sizes), _frequencies(part))


def recording_rms(positions: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]) -> float:
    """RMS of the valid coordinates of one recording, in their unit.

    Args:
        positions: (…, C).
        valid: (…) bool.

    Returns:
        The RMS; 0 if nothing is valid.
    """
    coordinates = positions[valid].astype(np.float64)
    return math.sqrt(float(np.square(coordinates).mean())) if coordinates.size else 0.0


def unit_warning(size: float, trained: float | None) -> str | None:
    """Warns about coordinates that are probably in another unit than those that a model was trained on.

    Args:
        size: RMS of the coordinates around the origin.
        trained: RMS of the training data; None if unknown.

    Returns:
        A sentence; None if the sizes are alike.
    """
    if not size or not trained or trained / _UNIT_FACTOR <= size <= trained * _UNIT_FACTOR:
        return None
    order, usual = (f"{10.0 ** round(math.log10(value)):g}" for value in (size, trained))
    return (
        f"coordinates are of the order of {order} here, of {usual} where the model was trained: another unit "
        "(millimetres, pixels, metres)? Convert them."
    )


def median_clip_rms(part: Part, frames: int, centre: Sequence[int] = ()) -> tuple[float, float]:
    """Medians over the clips of a part of the RMS of their coordinates, and of the changes between their frames.

    Motion is measured in clips, because cutting and resampling decide how far a joint moves from frame to frame.

    Args:
        part: Sequences; their evaluation clips are measured.
        frames: Frames of a clip, T.
        centre: Joints that coordinates are relative to, see `relative_to_centre`.

    Returns:
        Both medians, in the unit of the coordinates; 0 without any.
    """
    part = _sampled(part)
    cutter = ClipCutter.from_store(part.store, frames)
    ids = torch.from_numpy(part.ids)
    sizes: list[tuple[float, float]] = []  # not a number where nothing is valid, or seen to move
    for batch in distributed.local_batches(ids, 64, cutter.shards):
        clips = cutter.centre(ids[batch])
        for positions, valid in zip(clips.positions, clips.valid, strict=True):
            places = relative_to_centre(positions.double(), centre)
            changes = (places[:, 1:] - places[:, :-1])[valid[:, 1:] & valid[:, :-1]]
            sizes.append((_rms(places[valid]), _rms(changes)))
    known = np.array(distributed.all_gather_concat(sizes)).reshape(-1, 2)
    weights = _frequencies(part)
    return _known_median(known[:, 0], weights), _known_median(known[:, 1], weights)


def _rms(numbers: Tensor) -> float:
    """Root mean square; not a number without any."""
    return float(numbers.square().mean().sqrt())


def _known_median(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
    """The weighted median of the values that are numbers; 0 without any."""
    known = np.isfinite(values)
    return weighted_median(values[known], weights[known]) if known.any() else 0.0


def with_coordinate_scale(config: Config, dataset: Dataset, trained: Config | None = None) -> Config:
    """The config with the units of the network's input: `clip.scale`, `clip.motion_scale`, and `clip.centre`.

    Positions are added to position embeddings of order 0.02. Pixels are a hundred times as large as metres: without a
    scale, the network could not tell segments and joints apart. Motion from frame to frame is 10 to 200 times smaller
    than place: in the same unit, short trainings do not find it.

    Args:
        config: Its own scales are kept if it has them.
        dataset: Input `place`: its scale is 1 for metres, else the `median_coordinate_rms` of its training part.
            Input with motion: both of `median_clip_rms`, in any unit. To 3 digits. Relative places: its root.
        trained: The config of the run whose encoder is used. What it has is taken instead, as the weights need it.
    """
    clip = (trained or config).clip
    scale = clip.scale
    motion_scale = clip.motion_scale
    centre = clip.centre
    if trained is None and clip.has_motion:
        if clip.is_relative:
            centre = centre or dataset.skeleton.root
        if scale is None or motion_scale is None:
            joints = dataset.skeleton.centre_joints(centre) if clip.is_relative else ()
            place, motion = map(_unit, median_clip_rms(dataset.train, clip.frames, joints))
            scale = scale or place
            motion_scale = motion_scale or motion
    elif trained is None and scale is None:
        scale = 1.0 if dataset.metres else _unit(median_coordinate_rms(dataset.train))
    return replace(config, clip=replace(config.clip, scale=scale, motion_scale=motion_scale, centre=centre))


def _unit(size: float) -> float:
    """A size to three digits, by which numbers are divided; 1 where nothing is known or everything is 0."""
    return float(f"{size:.3g}") or 1.0
