"""Frames per second from the times of frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_RELATIVE = 5e-4  # of a rate: files round the time of a frame, so 30.0003 stands for 30
_JITTER = 2e-3  # seconds: cameras round the time of a frame to milliseconds, at both ends of a recording


def rounded_fps(fps: float, frames: int = 0) -> float:
    """The whole number that a rate stands for, where it is one but for the rounding of times.

    Args:
        fps: Frames per second.
        frames: Steps between frames that it was measured over; 0: it was stated.

    >>> rounded_fps(1 / 0.008333), rounded_fps(29.97), rounded_fps(29.97, frames=10)
    (120.0, 29.97, 30.0)
    """
    whole = float(round(fps))
    allowed = max(_RELATIVE, _JITTER * fps / frames) if frames else _RELATIVE
    return whole if whole and abs(fps - whole) <= allowed * whole else fps


def fps_of_times(times: Sequence[float]) -> tuple[float | None, int]:
    """How many frames a second there are, and how many are missing between them.

    Args:
        times: Seconds of each frame.

    Returns:
        Frames per second, None where the times do not rise; the number of frames that were dropped.

    >>> fps_of_times([0.0, 0.033, 0.067, 0.1, 0.2])  # two are missing before the last
    (30.0, 2)
    """
    steps = np.diff(np.asarray(times, np.float64))
    if not len(steps) or not np.isfinite(steps).all() or steps.min() <= 0:
        return None, 0
    frames = np.rint(steps / np.median(steps)).clip(1)
    count = int(frames.sum())
    return rounded_fps(count / float(steps.sum()), count), count - len(steps)


def dropped(missing: int) -> tuple[str, ...]:
    """The sentence on frames that are missing between others; none where none are.

    >>> dropped(1)
    ('By the times of the frames 1 is missing: the others count as successive.',)
    """
    verb = "is" if missing == 1 else "are"
    return (f"By the times of the frames {missing} {verb} missing: the others count as successive.",) * (missing > 0)
