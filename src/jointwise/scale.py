"""How large coordinates are: metres as they come, anything else (pixels, millimetres) is divided by its RMS."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch

from jointwise import distributed
from jointwise.config import Config
from jointwise.datasets import Dataset, Part


def coordinate_rms(part: Part) -> float:
    """Root mean square of the valid coordinates of the sequences of a part, in their unit."""
    parts: list[tuple[float, int]] = []
    for places in distributed.own_batches(torch.from_numpy(part.ids), 1, part.store.shards):
        entry = part.store.index[part.ids[int(places)]]
        rows = slice(int(entry["row"]), int(entry["row"]) + int(entry["frames"]) * int(entry["persons"]))
        joints = slice(None) if part.store.picked is None else part.store.picked
        values = part.store.positions[rows][:, joints][part.store.valid[rows][:, joints]]
        parts.append((float(np.square(values, dtype=np.float64).sum()), values.size))
    totals, counts = zip(*distributed.gather_shares(parts), strict=True)
    return math.sqrt(sum(totals) / max(sum(counts), 1))


def with_scale(config: Config, dataset: Dataset) -> Config:
    """The config with `clip.scale` said: 1 for metres, else the RMS of the training part's coordinates, in 3 digits.

    Positions enter a network beside embeddings of order 0.02. In pixels, a hundred times as large as in metres, they
    would drown them, and with them the order of time and the names of joints.
    """
    if config.clip.scale is not None:
        return config
    rms = 1.0 if dataset.metres else float(f"{coordinate_rms(dataset.train):.3g}")
    return replace(config, clip=replace(config.clip, scale=rms or 1.0))
