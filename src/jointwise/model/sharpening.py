"""The latent loss of S-JEPA: a cross-entropy between distributions over the features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jointwise.model.losses import BatchSum, cross_entropy, whole_batch


class Sharpening(nn.Module):
    """Cross-entropy to the teacher's centred and sharpened distribution over the features, instead of L2.

    S-JEPA (Abdelfattah and Alahi, ECCV 2024), after DINO (Caron et al., ICCV 2021, section 3.1). The centre follows the
    teacher's mean, so that no feature wins everywhere. A low temperature keeps the features from being all equal.

    Args:
        width: Features per token, D.
        student_temperature: Temperature of the student's distribution.
        teacher_temperature: Temperature of the teacher's distribution.
        centre_momentum: Share of the centre that a step keeps.
    """

    def __init__(
        self, width: int, student_temperature: float, teacher_temperature: float, centre_momentum: float
    ) -> None:
        super().__init__()
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.centre_momentum = centre_momentum
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(width))

    def forward(
        self, prediction: Tensor, teacher_features: Tensor, weights: Tensor, batch_sum: BatchSum = whole_batch
    ) -> Tensor:
        """The loss.

        Args:
            prediction: (P, N, D) predicted features.
            teacher_features: (P, N, D).
            weights: (P, N, 1), 1 where a token counts, else 0.
            batch_sum: Adds up the shares of a batch.
        """
        target = ((teacher_features - self.centre) / self.teacher_temperature).softmax(-1)
        return cross_entropy(prediction.float() / self.student_temperature, target, weights, batch_sum)

    @torch.no_grad()
    def move_centre(self, teacher_features: Tensor, weights: Tensor, batch_sum: BatchSum = whole_batch) -> None:
        """Move the centre towards the mean of the teacher's features.

        Args:
            teacher_features: (P, N, D).
            weights: (P, N, 1), 1 where a token counts, else 0.
            batch_sum: Adds up the shares of a batch.
        """
        mean = batch_sum((teacher_features * weights).sum((0, 1))) / batch_sum(weights.sum()).clamp(min=1)
        self.centre.lerp_(mean, 1 - self.centre_momentum)
