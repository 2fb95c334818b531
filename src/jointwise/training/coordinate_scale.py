"""The unit of coordinates: metres are kept, anything else (pixels, millimetres) is divided by its typical size."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from jointwise.config.schema import Config
from jointwise.data.dataset import Dataset, Part
from jointwise.training import distributed

_UNIT_FACTOR = 20.0  # bodies never differ in size by this factor, metres and millimetres or pixels do


def _squares(part: Part) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """For each sequence of a part the sum of the squares of its valid coordinates and their number: (n,) each."""
    sums: list[tuple[float, int]] = []
    for places in distributed.local_batches(torch.from_numpy(part.ids), 1, part.store.shards):
        entry = part.store.index[part.ids[int(places)]]
        rows = slice(int(entry["row"]), int(entry["row"]) + int(entry["frames"]) * int(entry["persons"]))
        joints = slice(None) if part.store.picked is None else part.store.picked
        values = part.store.positions[rows][:, joints][part.store.valid[rows][:, joints]]
        sums.append((float(np.square(values, dtype=np.float64).sum()), values.size))
    totals, counts = zip(*distributed.all_gather_concat(sums), strict=True)
    return np.array(totals), np.array(counts)


def coordinate_rms(part: Part) -> float:
    """Root mean square of all valid coordinates of the sequences of a part, in their unit."""
    totals, counts = _squares(part)
    return math.sqrt(sum(totals) / max(sum(counts), 1))


def median_coordinate_rms(part: Part) -> float:
    """Median over the sequences of a part of the RMS of their valid coordinates, in their unit; 0 without any.

    A single wrong coordinate can make `coordinate_rms` arbitrarily large. Here it changes one sequence only.
    """
    totals, counts = _squares(part)
    valid = counts > 0
    return float(np.median(np.sqrt(totals[valid] / counts[valid]))) if valid.any() else 0.0


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


def with_coordinate_scale(config: Config, dataset: Dataset, trained: Config | None = None) -> Config:
    """The config with `clip.scale` set, by which positions are divided before they enter the network.

    Positions are added to position embeddings of order 0.02. Pixels are a hundred times as large as metres: without a
    scale, the network could not tell segments and joints apart.

    Args:
        config: Its own scale is kept if it has one.
        dataset: Its scale is 1 for metres, else the `median_coordinate_rms` of its training part to 3 digits.
        trained: The config of the run whose encoder is used. Its scale is taken instead, as the weights need it.
    """
    scale = (trained or config).clip.scale
    if scale is None and trained is None:
        scale = 1.0 if dataset.metres else float(f"{median_coordinate_rms(dataset.train):.3g}") or 1.0
    return replace(config, clip=replace(config.clip, scale=scale))
