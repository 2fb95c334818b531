"""Exponential moving averages (EMA) of weights: the update, and how fast the average follows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jointwise.config.schema import TeacherConfig


@torch.no_grad()
def update_ema(average: nn.Module, model: nn.Module, momentum: float) -> None:
    """Move an average of weights towards a model: Δ ← α Δ + (1 − α) θ (the report, eq. 3).

    Args:
        average: A network with the same parameters as the model; its weights Δ are changed in place.
        model: The network that is trained, with weights θ.
        momentum: α, the share of the average that stays.
    """
    averaged: list[Tensor] = list(average.parameters())
    followed: list[Tensor] = list(model.parameters())
    torch._foreach_lerp_(averaged, followed, 1 - momentum)


def ema_momentum(horizon: float, steps: int) -> float:
    """α of a moving average: 1 − 1 / (horizon · steps), clipped to [0.98, 0.9999].

    Args:
        horizon: Steps over which the weights are averaged, as a share of the run.
        steps: Steps of the run.

    >>> ema_momentum(0.05, 10_000)
    0.998
    """
    return min(max(1 - 1 / (horizon * steps), 0.98), 0.9999)


def teacher_momentum(settings: TeacherConfig, steps: int) -> float:
    """α of the teacher: `teacher.momentum`, or else that of `teacher.horizon`.

    Args:
        settings: Settings of the teacher.
        steps: Steps of the pre-training.
    """
    return ema_momentum(settings.horizon, steps) if settings.momentum is None else settings.momentum
