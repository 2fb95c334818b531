"""Labels that a teacher gives to clips without labels, for self-training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jointwise.model.losses import BatchSum, whole_batch

SMALLEST_PRIOR = 1e-6  # a class that the teacher never names would be divided by zero


class PseudoLabels(nn.Module):
    """Hard labels from class probabilities, after these are divided by a running prior.

    A classifier that has seen few labels names some classes too often. Division by the prior takes that away: the
    labels are spread evenly over the classes (distribution alignment, Berthelot et al., ReMixMatch, ICLR 2020).

    Args:
        classes: Number of classes, K.
        threshold: A clip gets a label where its largest probability exceeds this.
        momentum: Share of the prior that stays in each step.
    """

    prior: Tensor

    def __init__(self, classes: int, threshold: float, momentum: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.momentum = momentum
        self.register_buffer("prior", torch.full((classes,), 1 / classes))  # in the checkpoint of a run

    @torch.no_grad()
    def forward(self, probabilities: Tensor, count: int, batch_sum: BatchSum = whole_batch) -> tuple[Tensor, Tensor]:
        """Label the clips of a step, then move the prior towards the mean of their probabilities.

        Args:
            probabilities: (n, K) of this process's share of the clips.
            count: Clips of the whole batch, of all processes.
            batch_sum: Adds up over all processes.

        Returns:
            (n,) labels, and (n,) bool: which clips get theirs.
        """
        balanced = probabilities / self.prior.clamp(min=SMALLEST_PRIOR)
        balanced = balanced / balanced.sum(1, keepdim=True)
        mean = batch_sum(probabilities.sum(0)) / count
        self.prior.lerp_(mean, 1 - self.momentum)
        largest, labels = balanced.max(1)
        return labels, largest > self.threshold
