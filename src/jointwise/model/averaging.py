"""Exponential moving averages of weights: how fast they follow."""

from __future__ import annotations

from jointwise.config.schema import TeacherConfig


def ema_momentum(horizon: float, steps: int) -> float:
    """α of an exponential moving average (EMA): 1 − 1 / (horizon · steps), clipped to [0.98, 0.9999].

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
