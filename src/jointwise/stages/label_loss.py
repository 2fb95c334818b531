"""Cross-entropy to the labels of a part of the training data: what every training with labels shares."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from jointwise.data.dataset import Part


class LabelLoss:
    """Cross-entropy with label smoothing. It knows no label of a sequence outside its part.

    Args:
        part: The sequences whose labels are used.
        smoothing: Share of the target that is spread over all classes.
        device: Where logits come from.
    """

    def __init__(self, part: Part, smoothing: float, device: torch.device) -> None:
        self.names = part.store.names
        self.smoothing = smoothing
        labels = np.full(len(part.store.index), -1, np.int64)  # -1: cross_entropy raises an error
        labels[part.ids] = part.labels
        self._labels = torch.from_numpy(labels).to(device)

    def __call__(self, logits: Tensor, ids: Tensor, count: int) -> tuple[Tensor, dict[str, Tensor]]:
        """A share's part of the mean loss, and of the accuracy.

        Args:
            logits: (n, K) of this process's share of the clips.
            ids: (n,) places of the clips in the store.
            count: Labelled clips of the whole batch, of all processes.

        Returns:
            The loss, and the share of clips that are recognised, by its key in the log.
        """
        labels = self._labels[ids.to(logits.device)]
        losses = functional.cross_entropy(logits, labels, label_smoothing=self.smoothing, reduction="none")
        hits = (logits.detach().argmax(1) == labels).float()
        return losses.sum() / count, {"train_top1": hits.sum() / count}

    def describe(self, ids: Tensor) -> list[str]:
        """Files of sequences, labelled or not; ids (n,) in the store."""
        return [str(name) for name in self.names[ids.numpy()]]
