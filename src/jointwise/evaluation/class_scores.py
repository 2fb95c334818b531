"""What a classifier says of the evaluation clips, and what that costs."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.model.classifier import Classifier
from jointwise.model.size import gflops_per_clip
from jointwise.training import distributed
from jointwise.training.device import autocast


@torch.no_grad()
def class_scores(module: Classifier, cutter: ClipCutter, ids: Tensor, precision: str, batch: int = 128) -> np.ndarray:
    """(n, K) probabilities of the evaluation clips of `ids`."""
    module.eval()
    parts = []
    for places in distributed.local_batches(ids, batch, cutter.shards):
        with autocast(cutter.device, precision):
            logits = module(cutter.centre(ids[places]).persons())
        parts.append(logits.float().softmax(-1).cpu())
    scores: np.ndarray = torch.cat(distributed.all_gather_concat(parts)).numpy()
    return scores


def classifier_gflops(module: Classifier, dataset: Dataset, frames: int, device: torch.device) -> float:
    """Forward GFLOPs per clip of a classifier in evaluation mode."""
    joints, coordinates = len(dataset.skeleton.joints), dataset.store.description.coordinates
    return gflops_per_clip(lambda clips: module(clips.persons()), frames, joints, coordinates, device)
