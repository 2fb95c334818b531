"""The feature contract: whatever turns clips into one vector each is judged by the same code."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointwise.data.clips import ClipCutter, Clips
from jointwise.errors import DataError
from jointwise.model.classifier import encode
from jointwise.model.heads import POOLINGS, mean_over_clips
from jointwise.training import distributed
from jointwise.training.device import autocast

FeatureFunction = Callable[[Clips], Tensor]  # clips -> (B, F)

RAW_FRAMES, RAW_PERSONS = 32, 2


def encoder_features(encoder: nn.Module, segment: int, pooling: str) -> FeatureFunction:
    """Features of a frozen encoder: tokens pooled over each person, mean over the valid persons of a clip."""

    def features(clips: Clips) -> Tensor:
        persons = clips.persons()
        tokens, valid = encode(encoder, persons, segment)
        return mean_over_clips(POOLINGS[pooling](tokens.float(), valid), persons.clip, persons.clips)

    return features


def raw_features(root: int | None) -> FeatureFunction:
    """No encoder: coordinates relative to the first person's root in each frame, size-normalised, 2 person slots.

    root: None where the skeleton has none; the mean over the first person's joints serves then.
    """

    def features(clips: Clips) -> Tensor:
        first = clips.positions[:, :1]
        origin = first.mean(3, keepdim=True) if root is None else first[:, :, :, root : root + 1]
        positions = clips.positions - origin
        positions = (positions * clips.valid[..., None])[:, :RAW_PERSONS]
        positions = functional.pad(positions, (0, 0) * 3 + (0, RAW_PERSONS - positions.shape[1]))
        return functional.normalize(positions.flatten(1), dim=1)

    return features


@torch.no_grad()
def extract(
    features: FeatureFunction, cutter: ClipCutter, ids: Tensor, precision: str = "fp32", batch: int = 128
) -> Tensor:
    """(n, F) fp32 features on the CPU of the evaluation clips of `ids`.

    Raises DataError when `features` gives something else than one finite vector for each clip.
    """
    parts = []
    for places in distributed.local_batches(ids, batch, cutter.shards):
        some = ids[places]
        with autocast(cutter.device, precision):
            vectors = features(cutter.centre(some)).float().cpu()
        if vectors.ndim != 2 or len(vectors) != len(some):
            raise DataError(
                f"features of {len(some)} clips have shape {tuple(vectors.shape)}, expected ({len(some)}, F): one "
                "vector for each clip."
            )
        if not bool(vectors.isfinite().all()):
            bad = int(some[int((~vectors.isfinite().all(1)).nonzero()[0])])
            raise DataError(f"the features of sequence {bad} of the store are not finite numbers. Look at the encoder.")
        parts.append(vectors)
    return torch.cat(distributed.all_gather_concat(parts))
