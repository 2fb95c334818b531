"""The logits and class probabilities that a classifier gives evaluation clips, and its operations per clip."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.evaluation.blind_clips import tell_blind
from jointwise.model.classifier import Classifier
from jointwise.model.size import gflops_per_clip
from jointwise.training import distributed
from jointwise.training.device import autocast
from jointwise.training.progress import watched


def class_scores(module: Classifier, cutter: ClipCutter, ids: Tensor, precision: str, batch: int = 128) -> np.ndarray:
    """Class probabilities (n, K) of evaluation clips; arguments as of `class_logits`."""
    scores: np.ndarray = class_logits(module, cutter, ids, precision, batch).softmax(-1).numpy()
    return scores


@torch.no_grad()
def class_logits(module: Classifier, cutter: ClipCutter, ids: Tensor, precision: str, batch: int = 128) -> Tensor:
    """Logits of evaluation clips.

    Args:
        module: The classifier; it is left in evaluation mode.
        cutter: Cuts the clips, on the classifier's device.
        ids: (n,) places of the sequences in the store.
        precision: `fp32` or `bf16`.
        batch: Clips at once.

    Returns:
        (n, K) logits, on the CPU.
    """
    module.eval()
    parts, blind = [], 0
    batches = list(distributed.local_batches(ids, batch, cutter.shards))
    for places in watched(batches, len(batches), "scores"):
        clips = cutter.centre(ids[places])
        blind += clips.blind
        with autocast(cutter.device, precision):
            logits = module(clips.persons())
        parts.append(logits.float().cpu())
    tell_blind(blind, len(ids))
    return torch.cat(distributed.all_gather_concat(parts))


def classifier_gflops(module: Classifier, dataset: Dataset, frames: int, device: torch.device) -> float:
    """Forward GFLOPs of a classifier for one clip.

    Args:
        module: In evaluation mode.
        dataset: Its skeleton and coordinates are those of the clip.
        frames: Length of the clip in frames.
        device: Where the classifier's weights are.

    Returns:
        10⁹ operations, 2 per multiply-add of a matrix product.
    """
    joints = len(dataset.skeleton.joints)
    coordinates = dataset.store.description.coordinates
    return gflops_per_clip(lambda clips: module(clips.persons()), frames, joints, coordinates, device)
