"""How fast a moving average of weights follows them."""

from __future__ import annotations

from jointwise.config.schema import TeacherConfig


def ema_momentum(horizon: float, steps: int) -> float:
    """α of a moving average: 1 − 1 / (horizon · steps), clipped to [0.98, 0.9999].

    Args:
        horizon: Steps that it averages over, as a share of all.
        steps: All steps.
    """
    return min(max(1 - 1 / (horizon * steps), 0.98), 0.9999)


def teacher_momentum(settings: TeacherConfig, steps: int) -> float:
    """α of the teacher: `teacher.momentum`, or else that of `teacher.horizon`.

    Args:
        settings: Settings of the teacher.
        steps: Steps of the pre-training.
    """
    return ema_momentum(settings.horizon, steps) if settings.momentum is None else settings.momentum
