"""The feature contract: a function from clips to one vector each. Every encoder is judged through it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointwise.data.clips import ClipCutter, Clips, Persons
from jointwise.errors import DataError
from jointwise.evaluation.blind_clips import tell_blind
from jointwise.model.classifier import encode
from jointwise.model.heads import POOLINGS, mean_over_clips
from jointwise.training import distributed
from jointwise.training.device import autocast
from jointwise.training.progress import watched

FeatureFunction = Callable[[Clips], Tensor]  # B clips -> (B, F)

RAW_FRAMES = 32
RAW_PERSONS = 2


def encoder_features(encoder: nn.Module, segment: int, pooling: str) -> FeatureFunction:
    """Features of a frozen encoder: tokens pooled over each person, then the mean over the valid persons of a clip.

    Args:
        encoder: In evaluation mode.
        segment: Frames per segment.
        pooling: A key of POOLINGS.

    Returns:
        The feature function.
    """

    return lambda clips: person_features(encoder, clips.persons(), segment, pooling)


def person_features(encoder: nn.Module, persons: Persons, segment: int, pooling: str) -> Tensor:
    """Features (B, F) of the B clips that persons belong to; the rest as `encoder_features`.

    Args:
        encoder: In evaluation mode.
        persons: The valid persons of the clips.
        segment: Frames per segment.
        pooling: A key of POOLINGS.
    """
    tokens, valid = encode(encoder, persons, segment)
    return mean_over_clips(POOLINGS[pooling](tokens.float(), valid), persons.clip, persons.clips)


def raw_features(root: int | None) -> FeatureFunction:
    """Features without an encoder: coordinates of two person slots, scaled to length 1.

    Coordinates are relative to the first person's root in each frame.

    Args:
        root: Place of the root joint; None where the skeleton has none. Then the mean of the first person's joints
            takes its place.

    Returns:
        The feature function.
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
    """Features of evaluation clips.

    Args:
        features: B clips -> (B, F).
        cutter: Cuts the clips.
        ids: (n,) places of the sequences in the store.
        precision: `fp32` or `bf16`.
        batch: Clips at once.

    Returns:
        (n, F) fp32, on the CPU.

    Raises:
        DataError: `features` gives something other than one finite vector for each clip.
    """
    parts, blind = [], 0
    batches = list(distributed.local_batches(ids, batch, cutter.shards))
    for places in watched(batches, len(batches), "features"):
        batch_ids = ids[places]
        clips = cutter.centre(batch_ids)
        blind += clips.blind
        with autocast(cutter.device, precision):
            vectors = features(clips).float().cpu()
        if vectors.ndim != 2 or len(vectors) != len(batch_ids):
            raise DataError(
                f"features of {len(batch_ids)} clips have shape {tuple(vectors.shape)}, expected ({len(batch_ids)}, "
                "F): one vector for each clip."
            )
        if not bool(vectors.isfinite().all()):
            bad = int(batch_ids[int((~vectors.isfinite().all(1)).nonzero()[0])])
            raise DataError(f"the features of sequence {bad} of the store are not finite numbers. Look at the encoder.")
        parts.append(vectors)
    tell_blind(blind, len(ids))
    return torch.cat(distributed.all_gather_concat(parts))
