"""How large coordinates are: metres as they come, anything else (pixels, millimetres) is divided by its size."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from jointwise.config.schema import Config
from jointwise.data.dataset import Dataset, Part
from jointwise.training import distributed

_ANOTHER_UNIT = 20.0  # times larger or smaller than in training: no body is, millimetres or pixels are


def _squares(part: Part) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Of each sequence of a part the sum of the squares of its valid coordinates, and how many these are: (n,) each."""
    parts: list[tuple[float, int]] = []
    for places in distributed.local_batches(torch.from_numpy(part.ids), 1, part.store.shards):
        entry = part.store.index[part.ids[int(places)]]
        rows = slice(int(entry["row"]), int(entry["row"]) + int(entry["frames"]) * int(entry["persons"]))
        joints = slice(None) if part.store.picked is None else part.store.picked
        values = part.store.positions[rows][:, joints][part.store.valid[rows][:, joints]]
        parts.append((float(np.square(values, dtype=np.float64).sum()), values.size))
    totals, counts = zip(*distributed.all_gather_concat(parts), strict=True)
    return np.array(totals), np.array(counts)


def coordinate_rms(part: Part) -> float:
    """Root mean square of the valid coordinates of the sequences of a part, in their unit."""
    totals, counts = _squares(part)
    return math.sqrt(sum(totals) / max(sum(counts), 1))


def median_coordinate_rms(part: Part) -> float:
    """Median over the sequences of a part of the RMS of their valid coordinates, in their unit.

    However wild a coordinate is, it counts for its own sequence only; with it, `coordinate_rms` may be anything.
    """
    totals, counts = _squares(part)
    there = counts > 0
    return float(np.median(np.sqrt(totals[there] / counts[there]))) if there.any() else 0.0


def recording_rms(positions: npt.NDArray[np.float32], valid: npt.NDArray[np.bool_]) -> float:
    """RMS of the valid coordinates of one recording, in their unit; positions (…, C), valid (…), 0 without any."""
    seen = positions[valid].astype(np.float64)
    return math.sqrt(float(np.square(seen).mean())) if seen.size else 0.0


def unit_warning(size: float, trained: float | None) -> str | None:
    """A sentence where coordinates of that size are hardly in the unit of a model's training data, else None.

    size: RMS around the origin. trained: that of the training data, None where nobody knows it.
    """
    if not size or not trained or trained / _ANOTHER_UNIT <= size <= trained * _ANOTHER_UNIT:
        return None
    order, usual = (f"{10.0 ** round(math.log10(value)):g}" for value in (size, trained))
    return (
        f"coordinates are of the order of {order} here, of {usual} where the model was trained: another unit "
        "(millimetres, pixels, metres)? Convert them."
    )


def with_coordinate_scale(config: Config, dataset: Dataset, trained: Config | None = None) -> Config:
    """The config with `clip.scale` set: 1 for metres, else the `median_coordinate_rms` of the training part.

    trained: of the run whose encoder is used; its weights are for coordinates divided by its scale. Positions enter a
    network beside embeddings of order 0.02. In pixels, a hundred times as large as in metres, they would drown them,
    and with them the order of time and the names of joints.
    """
    scale = (trained or config).clip.scale
    if scale is None and trained is None:
        scale = 1.0 if dataset.metres else float(f"{median_coordinate_rms(dataset.train):.3g}") or 1.0
    return replace(config, clip=replace(config.clip, scale=scale))
